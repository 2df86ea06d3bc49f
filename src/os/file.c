/* os/file: maps, whole-file reads, atomic replacement, folders. Each failure names the path and what the
 * system said about it. */
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, WRITE_BUFFER = 1 << 16, READ_STEP = 1 << 16 };

/* strerror is not for threads, and strerror_r has two shapes; both end up in `out`. */
static const char *errno_text(int code, char *out, size_t out_size) {
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
  return strerror_r(code, out, out_size);
#else
  if (strerror_r(code, out, out_size) != 0) (void)base_format(out, out_size, "error %d", code);
  return out;
#endif
}

static base_status fail_errno(base_error *err, const char *path, const char *what) {
  char text[128];
  int code = errno;
  base_status status = code == ENOENT || code == ENOTDIR ? BASE_ENOTFOUND
                       : code == ENOMEM                  ? BASE_ENOMEM
                                                         : BASE_EIO;
  return base_fail(err, status, path, "%s: %s", what, errno_text(code, text, sizeof text));
}

static int open_read(const char *path, int more) {
  int fd;
  do {
    fd = open(path, O_RDONLY | O_CLOEXEC | more);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

/* ---- reading ---- */

/* Opening a pipe that nobody writes to would wait for ever, and a terminal is not to become the process's own. */
enum { WITHOUT_WAITING = O_NONBLOCK | O_NOCTTY, WRITER_WAIT_MS = 1000 };

base_status os_map_open(os_map *map, const char *path, base_error *err) {
  base_status status = BASE_OK;
  struct stat st;
  *map = (os_map){0};
  int fd = open_read(path, WITHOUT_WAITING);
  if (fd < 0) return fail_errno(err, path, "cannot open the file");
  if (fstat(fd, &st) != 0) {
    status = fail_errno(err, path, "cannot examine the file");
    goto done;
  }
  if (!S_ISREG(st.st_mode)) {
    status = base_fail(err, BASE_EARGUMENT, path, "this is not a regular file");
    goto done;
  }
  if (st.st_size == 0) goto done;
  if ((uintmax_t)st.st_size > SIZE_MAX) {
    status = base_fail(err, BASE_ELIMIT, path, "the file is larger than this machine can address");
    goto done;
  }
  void *ptr = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (ptr == MAP_FAILED) {
    status = fail_errno(err, path, "cannot map the file");
    goto done;
  }
  *map = (os_map){.ptr = ptr, .len = (size_t)st.st_size, .device = (uint64_t)st.st_dev, .inode = (uint64_t)st.st_ino};
done:
  (void)close(fd);
  return status;
}

/* `outwards`: also pages of which only a part is meant. */
static void advise(const void *ptr, size_t len, int advice, bool outwards) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)ptr, to = from + len;
  uintptr_t first = (from + (outwards ? 0 : page - 1)) / page * page;
  uintptr_t end = (to + (outwards ? page - 1 : 0)) / page * page;
  if (first < end) (void)madvise((void *)first, end - first, advice);
}

void os_map_fetch(const os_map *map, const void *ptr, size_t len) {
#ifdef MADV_POPULATE_READ
  if (map->ptr != NULL) advise(ptr, len, MADV_POPULATE_READ, true);
#else
  (void)map;
  (void)ptr;
  (void)len;
#endif
}

void os_map_forget(const os_map *map, const void *ptr, size_t len) {
  if (map->ptr != NULL) advise(ptr, len, MADV_DONTNEED, false);
}

void os_reader_open(os_reader *r, const os_map *map, const char *path) {
  struct stat st;
  *r = (os_reader){.map = map, .file = map->ptr != NULL ? open_read(path, WITHOUT_WAITING) : -1};
  if (r->file < 0 || (fstat(r->file, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_dev == map->device &&
                      (uint64_t)st.st_ino == map->inode))
    return;
  os_reader_close(r);
}

const void *os_reader_get(const os_reader *r, const void *ptr, size_t len, void *room) {
  if (r->file < 0) return ptr;
  off_t at = (const char *)ptr - (const char *)r->map->ptr;
  for (size_t done = 0; done < len;) {
    ssize_t n = pread(r->file, (char *)room + done, len - done, at + (off_t)done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return ptr;
    done += (size_t)n;
  }
  return room;
}

void os_reader_close(os_reader *r) {
  if (r->file >= 0) (void)close(r->file);
  r->file = -1;
}

void os_memory_large(void *ptr, size_t len) {
#ifdef MADV_HUGEPAGE
  advise(ptr, len, MADV_HUGEPAGE, false);
#else
  (void)ptr;
  (void)len;
#endif
}

void os_map_close(os_map *map) {
  if (map->ptr != NULL) (void)munmap((void *)(uintptr_t)map->ptr, map->len);
  *map = (os_map){0};
}

/* The first bytes of a file opened without waiting; from here on reading waits. Of a pipe that nobody has opened to
 * write, `nobody` in WRITER_WAIT_MS: one whose writer has come and gone hangs up, and one with a writer who has said
 * nothing yet has no end. */
static ssize_t read_first(int fd, char *chunk, bool *nobody) {
  struct stat st;
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  ssize_t n = -1;
  if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) {
    while (poll(&wait, 1, WRITER_WAIT_MS) < 0 && errno == EINTR) {}
    n = read(fd, chunk, READ_STEP);
    *nobody = n == 0 && wait.revents == 0;
  }
  (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  return n >= 0 ? n : read(fd, chunk, READ_STEP);
}

base_status os_read_file(const char *path, size_t max_bytes, base_buf *out, base_error *err) {
  base_status status = BASE_OK;
  bool nobody = false;
  char *chunk = base_alloc(NULL, READ_STEP);
  if (chunk == NULL) return base_fail(err, BASE_ENOMEM, path, "no memory to read the file");
  base_buf_clear(out);
  base_buf_add(out, "", 0);
  int fd = open_read(path, WITHOUT_WAITING);
  if (fd < 0) {
    status = fail_errno(err, path, "cannot open the file");
    goto done;
  }
  for (ssize_t n = read_first(fd, chunk, &nobody);; n = read(fd, chunk, READ_STEP)) {
    if (nobody) status = base_fail(err, BASE_EARGUMENT, path, "this is a pipe and nobody writes to it");
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) status = fail_errno(err, path, "cannot read the file");
    if (n <= 0) break;
    if ((size_t)n > max_bytes - out->len) {
      status = base_fail(err, BASE_ELIMIT, path, "the file is larger than the limit of %zu bytes", max_bytes);
      break;
    }
    base_buf_add(out, chunk, (size_t)n);
    if (out->failed) break;
  }
  if (out->failed) status = base_fail(err, BASE_ENOMEM, path, "no memory to hold the file");
done:
  if (fd >= 0) (void)close(fd);
  base_free(NULL, chunk, READ_STEP);
  return status;
}

/* ---- atomic replacement ---- */

struct os_writer {
  int fd;
  size_t used; /* bytes waiting in buffer */
  bool failed; /* sticky: commit will refuse */
  char path[PATH_BYTES], tmp[PATH_BYTES + 32];
  unsigned char buffer[WRITE_BUFFER];
};

base_status os_writer_open(os_writer **out, const char *path, base_error *err) {
  struct stat st;
  *out = NULL;
  if (path[0] == 0) return base_fail(err, BASE_EARGUMENT, path, "the path is empty");
  if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
    return base_fail(err, BASE_EARGUMENT, path, "this exists and is not a regular file; give another path");
  }
  os_writer *w = base_calloc(NULL, 1, sizeof *w);
  if (w == NULL) return base_fail(err, BASE_ENOMEM, path, "no memory to write the file");
  if (!base_format(w->path, sizeof w->path, "%s", path)) {
    base_free(NULL, w, sizeof *w);
    return base_fail(err, BASE_ELIMIT, path, "the path is too long");
  }
  (void)base_format(w->tmp, sizeof w->tmp, "%s.tmp.%ld", path, (long)getpid());
  (void)unlink(w->tmp); /* left by a process of this number that was killed */
  do {
    w->fd = open(w->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (w->fd < 0 && errno == EINTR);
  if (w->fd < 0) {
    base_status status = fail_errno(err, path, "cannot create the file");
    base_free(NULL, w, sizeof *w);
    return status;
  }
  *out = w;
  return BASE_OK;
}

static base_status write_all(os_writer *w, const unsigned char *bytes, size_t len, base_error *err) {
  while (len > 0) {
    ssize_t n = write(w->fd, bytes, len);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      w->failed = true;
      return fail_errno(err, w->path, "cannot write the file");
    }
    bytes += n;
    len -= (size_t)n;
  }
  return BASE_OK;
}

static base_status flush(os_writer *w, base_error *err) {
  size_t used = w->used;
  w->used = 0;
  return write_all(w, w->buffer, used, err);
}

base_status os_writer_add(os_writer *w, const void *bytes, size_t len, base_error *err) {
  if (w->failed) return base_fail(err, BASE_EIO, w->path, "an earlier write failed");
  if (len > sizeof w->buffer - w->used) {
    base_status status = flush(w, err);
    if (status) return status;
  }
  if (len >= sizeof w->buffer) return write_all(w, bytes, len, err);
  if (len > 0) memcpy(w->buffer + w->used, bytes, len);
  w->used += len;
  return BASE_OK;
}

/* A rename is on the disk only when its folder is. Some file systems cannot sync a folder; that is no failure
 * of ours. */
static void sync_folder_of(const char *path) {
  char folder[PATH_BYTES];
  (void)base_format(folder, sizeof folder, "%s", path);
  char *slash = strrchr(folder, '/');
  if (slash == NULL) {
    (void)base_format(folder, sizeof folder, ".");
  } else {
    slash[slash == folder ? 1 : 0] = 0;
  }
  int fd = open_read(folder, 0);
  if (fd < 0) return;
  (void)fsync(fd);
  (void)close(fd);
}

base_status os_writer_commit(os_writer *w, base_error *err) {
  base_status status = BASE_OK;
  if (w->failed) {
    status = base_fail(err, BASE_EIO, w->path, "an earlier write failed");
    goto done;
  }
  status = flush(w, err);
  if (status) goto done;
  if (fsync(w->fd) != 0) {
    status = fail_errno(err, w->path, "cannot write the file to the disk");
    goto done;
  }
  int closed = close(w->fd);
  w->fd = -1;
  if (closed != 0) {
    status = fail_errno(err, w->path, "cannot finish the file");
    goto done;
  }
  if (rename(w->tmp, w->path) != 0) {
    status = fail_errno(err, w->path, "cannot put the new file in place");
    goto done;
  }
  sync_folder_of(w->path);
  base_free(NULL, w, sizeof *w);
  return BASE_OK;
done:
  os_writer_abort(w);
  return status;
}

base_status os_write_file(const char *path, const void *bytes, size_t len, base_error *err) {
  os_writer *w = NULL;
  base_status status = os_writer_open(&w, path, err);
  if (status) return status;
  status = os_writer_add(w, bytes, len, err);
  if (!status) return os_writer_commit(w, err);
  os_writer_abort(w);
  return status;
}

void os_writer_abort(os_writer *w) {
  if (w == NULL) return;
  if (w->fd >= 0) (void)close(w->fd);
  (void)unlink(w->tmp);
  base_free(NULL, w, sizeof *w);
}

/* ---- names ---- */

bool os_exists(const char *path) {
  struct stat st;
  return stat(path, &st) == 0;
}

int64_t os_modified_ns(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) return 0;
  return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

bool os_is_dir(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

base_status os_mkdir(const char *path, base_error *err) {
  char copy[PATH_BYTES];
  if (path[0] == 0) return base_fail(err, BASE_EARGUMENT, path, "the path is empty");
  if (!base_format(copy, sizeof copy, "%s", path))
    return base_fail(err, BASE_ELIMIT, path, "the path is too long");
  for (char *p = copy + 1;; p++) {
    if (*p != '/' && *p != 0) continue;
    char kept = *p;
    *p = 0;
    if (mkdir(copy, 0777) != 0) {
      int code = errno;
      if (!os_is_dir(copy)) {
        errno = code;
        return fail_errno(err, path, "cannot make the folder");
      }
    }
    if (kept == 0) return BASE_OK;
    *p = kept;
  }
}

base_status os_remove(const char *path, base_error *err) {
  if (remove(path) != 0) return fail_errno(err, path, "cannot remove");
  return BASE_OK;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Calls `each` for the `count` terminated strings in `names`, sorted. */
static base_status each_sorted(const base_buf *names, size_t count, const char *path,
                               base_status (*each)(void *ctx, const char *name, base_error *err), void *ctx,
                               base_error *err) {
  base_status status = BASE_OK;
  const char **sorted = base_calloc(NULL, count, sizeof *sorted);
  if (sorted == NULL) return base_fail(err, BASE_ENOMEM, path, "no memory to list the folder");
  const char *name = names->ptr;
  for (size_t i = 0; i < count; i++) {
    sorted[i] = name;
    name += strlen(name) + 1;
  }
  if (count > 0) qsort(sorted, count, sizeof *sorted, compare_names);
  for (size_t i = 0; i < count && status == BASE_OK; i++) status = each(ctx, sorted[i], err);
  base_free(NULL, (void *)sorted, count * sizeof *sorted);
  return status;
}

base_status os_list_dir(const char *path, base_status (*each)(void *ctx, const char *name, base_error *err),
                        void *ctx, base_error *err) {
  base_status status;
  base_buf names = {0};
  size_t count = 0;
  DIR *dir = opendir(path);
  if (dir == NULL) return fail_errno(err, path, "cannot open the folder");
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(dir);
    if (entry == NULL) break;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    base_buf_add(&names, entry->d_name, strlen(entry->d_name) + 1);
    count++;
  }
  if (errno != 0) {
    status = fail_errno(err, path, "cannot read the folder");
  } else if (names.failed) {
    status = base_fail(err, BASE_ENOMEM, path, "no memory to list the folder");
  } else {
    status = each_sorted(&names, count, path, each, ctx, err);
  }
  (void)closedir(dir);
  base_buf_free(&names);
  return status;
}

base_status os_program_dir(char *out, size_t out_size, base_error *err) {
  char path[PATH_BYTES];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n < 0) return fail_errno(err, "/proc/self/exe", "cannot find the running program");
  path[n] = 0;
  char *slash = strrchr(path, '/');
  if (slash == NULL) return base_fail(err, BASE_ENOTFOUND, path, "the running program has no folder");
  slash[slash == path ? 1 : 0] = 0;
  if (!base_format(out, out_size, "%s", path))
    return base_fail(err, BASE_ELIMIT, path, "the path is too long");
  return BASE_OK;
}
