/* Files, clocks, the thread pool and the thread team. */
#include "os/os.h"

#include "os/worker.h"
#include "tap.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/minnow-test-os-XXXXXX";

static const char *path_of(const char *name) {
  static char path[256];
  (void)base_format(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static bool write_file(const char *path, const void *bytes, size_t len) {
  os_writer *w;
  return !os_writer_open(&w, path, NULL) && !os_writer_add(w, bytes, len, NULL) && !os_writer_commit(w, NULL);
}

static base_status count_entry(void *ctx, const char *name, base_error *err) {
  (void)err;
  base_buf *b = ctx;
  base_buf_puts(b, name);
  base_buf_putc(b, '|');
  return BASE_OK;
}

static base_status stop_at_once(void *ctx, const char *name, base_error *err) {
  (*(int *)ctx)++;
  return base_fail(err, BASE_ECANCELLED, name, "enough");
}

/* A map read past itself: the same bytes, wherever they come from. */
static void test_reader(void) {
  os_map map;
  os_reader r;
  char room[8] = "";
  TAP_OK(write_file(path_of("r"), "0123456789", 10) && os_map_open(&map, path_of("r"), NULL) == BASE_OK, "map");
  os_reader_open(&r, &map, path_of("r"));
  const char *at = map.ptr;
  TAP_OK(os_reader_get(&r, at + 3, 5, room) == room && memcmp(room, "34567", 5) == 0, "read into room");
  TAP_OK(os_reader_get(&r, at + 8, 4, room) == at + 8, "what the file does not have is not made up");
  os_reader_close(&r);
  TAP_OK(os_reader_get(&r, at + 3, 5, room) == at + 3, "closed: where it lies");
  TAP_OK(write_file(path_of("r"), "abcdefghij", 10), "another file under that path");
  os_reader_open(&r, &map, path_of("r"));
  TAP_OK(os_reader_get(&r, at, 5, room) == at && memcmp(at, "01234", 5) == 0, "is not taken for the one mapped");
  os_reader_close(&r);
  TAP_OK(os_remove(path_of("r"), NULL) == BASE_OK, "removed");
  os_reader_open(&r, &map, path_of("r"));
  TAP_OK(os_reader_get(&r, at, 5, room) == at, "no file: where it lies");
  os_reader_close(&r);
  os_map_close(&map);
  os_reader_open(&r, &map, path_of("a"));
  TAP_OK(os_reader_get(&r, at, 5, room) == at, "no map: the caller's own bytes");
  os_reader_close(&r);
}

static void test_files(void) {
  base_buf buf = {0};
  os_map map;
  TAP_OK(write_file(path_of("a"), "hello", 5), "a small file is written");
  TAP_OK(os_map_open(&map, path_of("a"), NULL) == BASE_OK && map.len == 5 && memcmp(map.ptr, "hello", 5) == 0,
         "map");
  TAP_OK(write_file(path_of("a"), "replaced", 8), "replaced while mapped");
  TAP_OK(memcmp(map.ptr, "hello", 5) == 0, "a map keeps what it mapped");
  os_map_fetch(&map, map.ptr, map.len);
  os_map_forget(&map, map.ptr, map.len);
  os_map_fetch(&map, (const char *)map.ptr + 1, 0);
  TAP_OK(memcmp(map.ptr, "hello", 5) == 0, "pages that were forgotten come back");
  os_map_close(&map);
  os_map_close(&map);
  TAP_OK(os_read_file(path_of("a"), 8, &buf, NULL) == BASE_OK && buf.len == 8 && !strcmp(buf.ptr, "replaced"),
         "read");
  base_error err = {0};
  TAP_OK(os_read_file(path_of("a"), 7, &buf, &err) == BASE_ELIMIT && strstr(err.text, "7 bytes"), "%s",
         err.text);

  TAP_OK(write_file(path_of("empty"), "", 0), "an empty file is written");
  TAP_OK(os_map_open(&map, path_of("empty"), NULL) == BASE_OK && map.len == 0 && map.ptr == NULL,
         "empty map");
  os_map_close(&map);
  TAP_OK(os_read_file(path_of("empty"), 0, &buf, NULL) == BASE_OK && buf.len == 0 && buf.ptr[0] == 0,
         "empty read");

  size_t big = 300000;
  char *bytes = calloc(1, big);
  for (size_t i = 0; i < big; i++) bytes[i] = (char)(i * 7);
  os_writer *w;
  TAP_OK(os_writer_open(&w, path_of("big"), NULL) == BASE_OK, "open");
  bool ok = true;
  for (size_t at = 0, step = 1; at < big; at += step, step = step * 3 % 100003 + 1) {
    if (step > big - at) step = big - at;
    ok = ok && os_writer_add(w, bytes + at, step, NULL) == BASE_OK;
  }
  TAP_OK(ok && os_writer_commit(w, NULL) == BASE_OK, "pieces of many sizes");
  TAP_OK(os_read_file(path_of("big"), big, &buf, NULL) == BASE_OK && buf.len == big &&
             !memcmp(buf.ptr, bytes, big),
         "come back as they were");
  free(bytes);
  base_buf_free(&buf);
}

typedef struct late_writer {
  char path[256];
  const char *text;
} late_writer;

/* Opens the pipe late; has it something to say, then later still. */
static void write_late(void *ctx) {
  const late_writer *l = ctx;
  os_sleep_ms(100);
  FILE *f = fopen(l->path, "w");
  if (f == NULL) return;
  if (l->text[0] != 0) os_sleep_ms(1200);
  fputs(l->text, f);
  (void)fclose(f);
}

static void check_late_writer(const char *text) {
  late_writer l = {.text = text};
  os_thread *t;
  base_buf buf = {0};
  base_error err = {0};
  (void)base_format(l.path, sizeof l.path, "%s", path_of("pipe"));
  TAP_OK(os_thread_start(&t, write_late, &l, NULL) == BASE_OK, "a writer");
  TAP_OK(os_read_file(l.path, 100, &buf, &err) == BASE_OK && strcmp(buf.ptr, text) == 0, "'%s' out of a pipe: %s", text,
         err.text);
  os_thread_join(t);
  base_buf_free(&buf);
}

static void test_file_failures(void) {
  base_error err = {0};
  os_map map;
  os_writer *w;
  base_buf buf = {0};
  TAP_OK(os_map_open(&map, path_of("missing"), &err) == BASE_ENOTFOUND && strstr(err.where, "missing"), "%s",
         err.text);
  err = (base_error){0};
  TAP_OK(os_map_open(&map, folder, &err) == BASE_EARGUMENT, "a folder is no file: %s", err.text);
  TAP_OK(mkfifo(path_of("pipe"), 0600) == 0, "a pipe that nobody writes to");
  (void)alarm(30); /* whoever waited for it would wait for ever */
  TAP_OK(os_map_open(&map, path_of("pipe"), &err) == BASE_EARGUMENT, "is no file either: %s", err.text);
  err = (base_error){0};
  TAP_OK(os_read_file(path_of("pipe"), 100, &buf, &err) == BASE_EARGUMENT && strstr(err.text, "nobody writes"), "%s",
         err.text);
  check_late_writer("an answer after a while");
  check_late_writer("");
  (void)alarm(0);
  (void)os_remove(path_of("pipe"), NULL);
  TAP_OK(os_read_file(folder, 100, &buf, NULL) == BASE_EIO, "nor can it be read");
  TAP_OK(os_read_file(path_of("missing"), 100, &buf, NULL) == BASE_ENOTFOUND, "read of a missing file");
  err = (base_error){0};
  TAP_OK(os_writer_open(&w, "/dev/full", &err) == BASE_EARGUMENT && w == NULL, "a device is not replaced: %s",
         err.text);
  TAP_OK(os_writer_open(&w, "", NULL) == BASE_EARGUMENT, "an empty path");
  TAP_OK(os_writer_open(&w, path_of("no/such/folder"), NULL) == BASE_ENOTFOUND, "a missing folder");
  char *path = malloc(10000);
  memset(path, 'a', 9999);
  path[9999] = 0;
  TAP_OK(os_writer_open(&w, path, NULL) != BASE_OK, "a path of 10,000 bytes");
  TAP_OK(os_mkdir(path, NULL) == BASE_ELIMIT, "as a folder");
  free(path);

  TAP_OK(os_writer_open(&w, path_of("a"), NULL) == BASE_OK, "opened");
  (void)os_writer_add(w, "never seen", 10, NULL);
  os_writer_abort(w);
  os_writer_abort(NULL);
  TAP_OK(os_read_file(path_of("a"), 100, &buf, NULL) == BASE_OK && !strcmp(buf.ptr, "replaced"),
         "abort keeps the old");

  base_buf names = {0};
  TAP_OK(os_list_dir(folder, count_entry, &names, NULL) == BASE_OK && !strcmp(names.ptr, "a|big|empty|"),
         "nothing is left behind: %s", names.ptr);
  int calls = 0;
  TAP_OK(os_list_dir(folder, stop_at_once, &calls, NULL) == BASE_ECANCELLED && calls == 1, "listing stops");
  TAP_OK(os_list_dir(path_of("missing"), count_entry, &names, NULL) == BASE_ENOTFOUND,
         "listing a missing folder");
  base_buf_free(&names);
  base_buf_free(&buf);
}

/* A full disk, played by a limit on the size of files. */
static void test_full_disk(void) {
  struct rlimit old, small;
  os_writer *w;
  base_error err = {0};
  base_buf buf = {0};
  char *bytes = calloc(1, 200000);
  (void)getrlimit(RLIMIT_FSIZE, &old);
  small = old;
  small.rlim_cur = 100000;
  (void)signal(SIGXFSZ, SIG_IGN);
  (void)setrlimit(RLIMIT_FSIZE, &small);
  TAP_OK(os_writer_open(&w, path_of("a"), NULL) == BASE_OK, "opens");
  TAP_OK(os_writer_add(w, bytes, 200000, &err) == BASE_EIO && err.text[0] != 0, "full: %s", err.text);
  TAP_OK(os_writer_add(w, bytes, 1, NULL) == BASE_EIO, "it stays failed");
  TAP_OK(os_writer_commit(w, NULL) == BASE_EIO, "and is not put in place");
  (void)setrlimit(RLIMIT_FSIZE, &old);
  (void)signal(SIGXFSZ, SIG_DFL);
  TAP_OK(os_read_file(path_of("a"), 100, &buf, NULL) == BASE_OK && !strcmp(buf.ptr, "replaced"),
         "the old is there");
  base_buf names = {0};
  TAP_OK(!os_list_dir(folder, count_entry, &names, NULL) && !strcmp(names.ptr, "a|big|empty|"), "%s",
         names.ptr);
  base_buf_free(&names);
  base_buf_free(&buf);
  free(bytes);
}

static void test_names(void) {
  TAP_OK(os_mkdir(path_of("x/y/z"), NULL) == BASE_OK && os_is_dir(path_of("x/y/z")),
         "folders with their parents");
  TAP_OK(os_mkdir(path_of("x/y/z/"), NULL) == BASE_OK, "again, with a slash");
  TAP_OK(os_mkdir(path_of("a/b"), NULL) != BASE_OK, "not under a file");
  TAP_OK(os_exists(path_of("a")) && !os_is_dir(path_of("a")) && !os_exists(path_of("q")), "what is there");
  TAP_OK(os_remove(path_of("x/y"), NULL) != BASE_OK, "a full folder stays");
  TAP_OK(!os_remove(path_of("x/y/z"), NULL) && !os_remove(path_of("x/y"), NULL) &&
             !os_remove(path_of("x"), NULL),
         "go");
  TAP_OK(os_remove(path_of("x"), NULL) == BASE_ENOTFOUND, "twice");
  char here[4096];
  TAP_OK(os_program_dir(here, sizeof here, NULL) == BASE_OK && here[0] == '/', "program folder %s", here);
  TAP_OK(os_program_dir(here, 1, NULL) == BASE_ELIMIT, "and its room");
}

static void test_clock(void) {
  uint64_t start = os_monotonic_ns();
  TAP_OK(os_monotonic_ns() >= start, "time does not go back");
  TAP_OK(os_unix_seconds() > 1700000000, "it is after 2023");
  os_local_time t;
  TAP_OK(os_local_time_of(0, &t, NULL) == BASE_OK, "1970");
  int64_t seconds = (((t.day - 1) * 24 + t.hour) * 60 + t.minute) * 60 + t.second;
  if (t.year == 1969) seconds = (int64_t)(t.hour - 24) * 3600 + t.minute * 60 + t.second;
  TAP_OK(seconds == t.utc_offset_s, "local time is UTC and the offset: %d", t.utc_offset_s);
  TAP_OK(os_local_time_of(INT64_MAX, &t, NULL) == BASE_ELIMIT, "the year 292 billion");
  unsigned char a[600] = {0}, b[600] = {0};
  os_random_bytes(a, sizeof a);
  os_random_bytes(b, sizeof b);
  TAP_OK(memcmp(a, b, 300) != 0 && memcmp(a + 300, b + 300, 300) != 0, "random bytes differ");
  TAP_OK(os_cpu_count() >= 1, "a processor");
  TAP_OK(os_peak_memory_bytes() > 100000, "memory in use: %zu", os_peak_memory_bytes());
  TAP_OK(!os_interrupted(), "nobody interrupted");
  os_catch_interrupts();
  TAP_OK(kill(getpid(), SIGTERM) == 0 && os_interrupted(), "now somebody has");
}

/* ---- pool ---- */

typedef struct job {
  atomic_int *seen;
  int threads;
  atomic_int wrong_worker;
  bool slow;
} job;

static void mark(void *ctx, size_t index, int worker) {
  job *j = ctx;
  atomic_fetch_add(&j->seen[index], 1);
  if (worker < 0 || worker >= j->threads) atomic_fetch_add(&j->wrong_worker, 1);
  if (j->slow) usleep(200);
}

static void run_counts(os_pool *pool, int threads, bool slow) {
  static const size_t counts[] = {0, 1, 2, 3, 7, 16, 31, 32, 33, 1000, 4099};
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    size_t count = counts[c];
    if (slow && count > 64) continue;
    job j = {calloc(count + 1, sizeof(atomic_int)), threads, 0, slow};
    os_pool_run(pool, mark, &j, count);
    size_t wrong = atomic_load(&j.seen[count]) != 0;
    for (size_t i = 0; i < count; i++) wrong += atomic_load(&j.seen[i]) != 1;
    TAP_OK(wrong == 0 && atomic_load(&j.wrong_worker) == 0, "%d threads, %zu calls: each once", threads,
           count);
    free(j.seen);
  }
}

static void add_index(void *ctx, size_t index, int worker) {
  (void)worker;
  atomic_fetch_add((atomic_size_t *)ctx, index + 1);
}

static void test_pool(void) {
  run_counts(NULL, 1, false);
  for (int threads = 1; threads <= 6; threads++) {
    os_pool *pool;
    TAP_OK(os_pool_open(&pool, threads, NULL) == BASE_OK && os_pool_threads(pool) == threads, "open %d",
           threads);
    run_counts(pool, threads, false);
    run_counts(pool, threads, true);
    size_t wrong = 0;
    uint64_t start = os_monotonic_ns();
    for (size_t run = 0; run < 3000; run++) {
      atomic_size_t sum = 0;
      size_t count = run % 40;
      os_pool_run(pool, add_index, &sum, count);
      wrong += atomic_load(&sum) != count * (count + 1) / 2;
      if (run % 500 == 0) usleep(300); /* long enough for the workers to park */
    }
    double us = (double)(os_monotonic_ns() - start) / 3000e3;
    TAP_OK(wrong == 0, "%d threads: %zu of 3000 runs wrong", threads, wrong);
    printf("# %d threads: %.2f us a run\n", threads, us);
    os_pool_close(pool);
  }
  os_pool *pool;
  base_error err = {0};
  TAP_OK(os_pool_open(&pool, 0, &err) == BASE_EARGUMENT && pool == NULL, "%s", err.text);
  TAP_OK(os_pool_open(&pool, 100000, NULL) == BASE_EARGUMENT, "too many threads");
  os_pool_close(NULL);
  TAP_OK(os_pool_threads(NULL) == 1, "no pool is one thread");
}

/* ---- team ---- */

enum { TEAM_STEPS = 200, TEAM_MOST = 6 };

typedef struct team_job {
  os_team *team;
  size_t sum[2][TEAM_MOST]; /* plain memory: only the barrier orders it */
  size_t wrong[TEAM_MOST];
  int seen[TEAM_MOST];
  bool slow;
} team_job;

/* Every step each worker writes its number and, past a barrier, adds up everybody's of the step before. */
static void team_work(void *ctx, int worker, int workers) {
  team_job *j = ctx;
  j->seen[worker]++;
  for (size_t step = 0; step < TEAM_STEPS; step++) {
    size_t *row = j->sum[step % 2], sum = 0, want = 0;
    if (j->slow && worker == (int)(step % (size_t)workers) && step % 50 == 0) usleep(400);
    row[worker] = step * 100 + (size_t)worker;
    const os_ahead ahead[] = {{j, sizeof *j}, {NULL, 0}, {row, 100}};
    if (step % 3 == 0) os_team_barrier_ahead(j->team, worker, ahead, 3);
    else os_team_barrier(j->team, worker);
    for (int i = 0; i < workers; i++) {
      sum += row[i];
      want += step * 100 + (size_t)i;
    }
    j->wrong[worker] += sum != want;
  }
}

static void team_runs(os_team *team, int threads) {
  team_job j = {.team = team};
  size_t wrong = 0;
  uint64_t start = os_monotonic_ns();
  for (int run = 0; run < 50; run++) os_team_run(team, team_work, &j);
  double us = (double)(os_monotonic_ns() - start) / (50e3 * TEAM_STEPS);
  j.slow = true;
  for (int run = 0; run < 5; run++) {
    usleep(300); /* long enough for the workers to park */
    os_team_run(team, team_work, &j);
  }
  for (int i = 0; i < threads; i++) wrong += j.wrong[i] + (j.seen[i] != 55);
  TAP_OK(wrong == 0, "%d threads: %zu steps wrong", threads, wrong);
  printf("# %d threads: %.3f us a barrier\n", threads, us);
}

/* Who leaves a processor is elsewhere, and may go wherever it might before. */
static void test_step_aside(void) {
  int here = os_worker_cpu(), taken[] = {here, -1}, may_use = os_cpu_count();
  if (here < 0 || may_use < 2) {
    TAP_SKIP("one processor, or nobody says which");
    return;
  }
  int moved = 0;
  for (int i = 0; i < 5; i++, taken[0] = os_worker_cpu()) {
    os_worker_step_aside(taken, 2);
    moved += os_worker_cpu() != taken[0]; /* the system may move it back at once */
  }
  TAP_OK(moved > 0 && os_cpu_count() == may_use, "moved %d of 5 times, then may use %d", moved, os_cpu_count());
}

static void test_team(void) {
  team_runs(NULL, 1);
  for (int threads = 1; threads <= TEAM_MOST; threads++) {
    os_team *team;
    TAP_OK(os_team_open(&team, threads, NULL) == BASE_OK && os_team_threads(team) == threads, "open %d", threads);
    team_runs(team, threads);
    os_team_close(team);
  }
  os_team *team;
  base_error err = {0};
  TAP_OK(os_team_open(&team, 0, &err) == BASE_EARGUMENT && team == NULL, "%s", err.text);
  TAP_OK(os_team_open(&team, 100000, NULL) == BASE_EARGUMENT, "too many threads");
  os_team_close(NULL);
  TAP_OK(os_team_threads(NULL) == 1, "no team is one thread");
}

typedef struct turn_work {
  os_turn *turn;
  int inside, most, count; /* only touched inside */
  atomic_int in_row[4];
} turn_work;

static void turn_take_many(void *ctx, size_t index, int worker) {
  turn_work *w = ctx;
  (void)worker;
  for (int i = 0; i < 2000; i++) {
    os_turn_take(w->turn);
    if (++w->inside > w->most) w->most = w->inside;
    w->count++;
    atomic_fetch_add(&w->in_row[index], 1);
    w->inside--;
    os_turn_give(w->turn);
  }
}

static void test_turn(void) {
  turn_work w = {0};
  os_pool *pool = NULL;
  TAP_OK(os_turn_open(&w.turn, NULL, NULL) == BASE_OK && os_pool_open(&pool, 4, NULL) == BASE_OK, "open");
  os_pool_run(pool, turn_take_many, &w, 4);
  TAP_OK(w.most == 1 && w.count == 8000, "one at a time: %d, %d", w.most, w.count);
  os_pool_close(pool);
  os_turn_close(w.turn);
  os_turn_close(NULL);
}

int main(void) {
  if (mkdtemp(folder) == NULL) return 1;
  test_files();
  test_reader();
  test_file_failures();
  test_full_disk();
  test_names();
  test_clock();
  test_pool();
  test_step_aside();
  test_team();
  test_turn();
  (void)os_remove(path_of("a"), NULL);
  (void)os_remove(path_of("big"), NULL);
  (void)os_remove(path_of("empty"), NULL);
  TAP_OK(os_remove(folder, NULL) == BASE_OK, "the folder is empty");
  return tap_done("os");
}
