/* gguf/split: a model in several files, as llama.cpp's gguf-split leaves it: NAME-00001-of-00003.gguf and so on, all
 * keys in the first, each with its number (split.no, from 0), how many there are (split.count) and its own tensors. */
#include "gguf/file.h"

#include <string.h>

enum { MAX_PARTS = 999, MARK_BYTES = 20 }; /* "-00001-of-00003.gguf" */

static base_status read_number(const gguf_file *f, const char *key, uint32_t *out, base_error *err) {
  *out = 0;
  return gguf_find(f, key) != NULL ? gguf_get_u32(f, key, out, err) : BASE_OK;
}

static void mark_of(uint32_t no, uint32_t count, char out[MARK_BYTES + 1]) {
  (void)base_format(out, MARK_BYTES + 1, "-%05u-of-%05u.gguf", (unsigned)(no + 1), (unsigned)count);
}

/* Part `no`, whose path is that of the first but for the mark, into f->parts. */
static base_status open_part(gguf_file *f, uint32_t no, uint32_t count, char *path, base_error *err) {
  char mark[MARK_BYTES + 1];
  uint32_t says_no, says_count;
  mark_of(no, count, mark);
  memcpy(path + f->path_bytes - 1 - MARK_BYTES, mark, MARK_BYTES);
  base_status status = gguf_open_one(&f->parts[f->n_parts], path, &f->allocator, err);
  if (status) return status;
  gguf_file *part = f->parts[f->n_parts++];
  if (gguf_find(part, "split.count") == NULL)
    return base_fail(err, BASE_EMISMATCH, path, "this is no part of a model in several files (split.count is missing)");
  status = read_number(part, "split.no", &says_no, err);
  if (!status) status = read_number(part, "split.count", &says_count, err);
  if (!status && (says_no != no || says_count != count))
    status = base_fail(err, BASE_EMISMATCH, path, "this says that it is part %u of %u, not %u of %u",
                       (unsigned)says_no + 1, (unsigned)says_count, (unsigned)no + 1, (unsigned)count);
  return status;
}

/* The tensors of all parts in one table. */
static base_status join_tensors(gguf_file *f, base_error *err) {
  size_t n = f->n_tensors;
  uint32_t all = 0;
  for (size_t i = 0; i < f->n_parts; i++) n += f->parts[i]->n_tensors;
  base_status status = read_number(f, "split.tensors.count", &all, err);
  if (status) return status;
  if (n > GGUF_MAX_ENTRIES)
    return base_fail(err, BASE_ELIMIT, f->path, "its parts have %zu tensors; at most %d are read", n,
                     (int)GGUF_MAX_ENTRIES);
  if (gguf_find(f, "split.tensors.count") != NULL && all != n)
    return base_fail(err, BASE_EMISMATCH, f->path, "its parts have %zu tensors; it says %u", n, (unsigned)all);
  gguf_tensor *tensors = gguf_table(f, n, sizeof *tensors);
  uint32_t *order = gguf_table(f, n, sizeof *order);
  if (tensors == NULL || order == NULL) {
    gguf_free_table(f, tensors, n, sizeof *tensors);
    gguf_free_table(f, order, n, sizeof *order);
    return base_fail(err, BASE_ENOMEM, f->path, "no memory to open the file");
  }
  size_t at = f->n_tensors;
  memcpy(tensors, f->tensors, f->n_tensors * sizeof *tensors);
  for (size_t i = 0; i < f->n_parts; i++) {
    memcpy(tensors + at, f->parts[i]->tensors, f->parts[i]->n_tensors * sizeof *tensors);
    at += f->parts[i]->n_tensors;
  }
  gguf_free_table(f, f->tensors, f->n_tensors, sizeof *f->tensors);
  gguf_free_table(f, f->tensor_order, f->n_tensors, sizeof *f->tensor_order);
  gguf_free_table(f, f->tensor_offset, f->n_tensors, sizeof *f->tensor_offset);
  f->tensors = tensors;
  f->tensor_order = order;
  f->tensor_offset = NULL;
  f->n_tensors = n;
  return gguf_sort_tensors(f, err);
}

base_status gguf_open_parts(gguf_file *f, base_error *err) {
  char mark[MARK_BYTES + 1];
  uint32_t no, count;
  base_status status = read_number(f, "split.count", &count, err);
  if (!status) status = read_number(f, "split.no", &no, err);
  if (status || count < 2) return status;
  if (count > MAX_PARTS) return base_fail(err, BASE_ELIMIT, f->path, "%u parts are too many", (unsigned)count);
  if (no != 0)
    return base_fail(err, BASE_EARGUMENT, f->path, "this is part %u of %u; name the first, which finds the others",
                     (unsigned)no + 1, (unsigned)count);
  mark_of(0, count, mark);
  size_t len = f->path_bytes - 1;
  if (len < MARK_BYTES || memcmp(f->path + len - MARK_BYTES, mark, MARK_BYTES) != 0)
    return base_fail(err, BASE_EARGUMENT, f->path, "this is part 1 of %u, whose name has to end in \"%s\"",
                     (unsigned)count, mark);
  char *path = base_alloc(&f->allocator, f->path_bytes);
  gguf_file **parts = gguf_table(f, count - 1, sizeof *parts);
  if (path == NULL || parts == NULL) {
    status = base_fail(err, BASE_ENOMEM, f->path, "no memory to open the file");
    goto done;
  }
  memcpy(path, f->path, f->path_bytes);
  f->parts = parts;
  f->n_rooms = count - 1;
  parts = NULL;
  for (uint32_t i = 1; i < count && !status; i++) status = open_part(f, i, count, path, err);
  if (!status) status = join_tensors(f, err);
done:
  gguf_free_table(f, parts, count - 1, sizeof *parts);
  if (path != NULL) base_free(&f->allocator, path, f->path_bytes);
  return status;
}
