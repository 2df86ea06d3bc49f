/* gguf/file: an opened file, for those who build one: the reader, and who joins a model's parts. */
#ifndef GGUF_FILE_H
#define GGUF_FILE_H

#include "gguf/layout.h"

enum { GGUF_MAX_ENTRIES = 65536 }; /* keys, and tensors: far above any model's, so that tables stay small */

struct gguf_file {
  base_allocator allocator;
  os_map map; /* zero when the caller owns the bytes */
  char *path;
  size_t path_bytes;
  base_slice bytes;
  uint64_t alignment;
  uint32_t version;
  size_t n_values, n_tensors;
  gguf_value *values;      /* in file order */
  gguf_tensor *tensors;    /* in file order, those of the parts behind them */
  uint64_t *tensor_offset; /* in the data section; NULL in a model of several files */
  uint32_t *value_order;   /* sorted by key */
  uint32_t *tensor_order;  /* sorted by name */
  gguf_file **parts;       /* the files after this one, of a model that is split; owned */
  size_t n_parts, n_rooms; /* opened; that there is room for */
};

/* Tables have one element at least, so that NULL always means that memory ran out. */
static inline void *gguf_table(const gguf_file *f, size_t count, size_t bytes) {
  return base_calloc(&f->allocator, count > 0 ? count : 1, bytes);
}

static inline void gguf_free_table(const gguf_file *f, void *ptr, size_t count, size_t bytes) {
  if (ptr != NULL) base_free(&f->allocator, ptr, (count > 0 ? count : 1) * bytes);
}

/* gguf_open without looking for other parts. */
base_status gguf_open_one(gguf_file **out, const char *path, const base_allocator *allocator, base_error *err);
/* tensor_order; a name that is there twice is an error. */
base_status gguf_sort_tensors(gguf_file *f, base_error *err);
/* When `f` says that it is the first of several files, opens the others and takes their tensors in. What it has
 * taken is given back by gguf_close, also after a failure. */
base_status gguf_open_parts(gguf_file *f, base_error *err);

#endif
