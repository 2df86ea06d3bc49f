/* gguf: read and write GGUF files (versions 2-3, ggml's gguf specification), strictly. Reading borrows
 * the mapped bytes; nothing is copied but small tables. */
#ifndef GGUF_GGUF_H
#define GGUF_GGUF_H

#include "base/base.h"
#include "os/os.h"

/* Metadata value types, numbers as in the file. */
typedef enum gguf_type {
  GGUF_U8,
  GGUF_I8,
  GGUF_U16,
  GGUF_I16,
  GGUF_U32,
  GGUF_I32,
  GGUF_F32,
  GGUF_BOOL,
  GGUF_STRING,
  GGUF_ARRAY,
  GGUF_U64,
  GGUF_I64,
  GGUF_F64
} gguf_type;

/* Tensor element types, numbers as in the file; tensor_type.def lists them. */
typedef enum gguf_tensor_type {
#define GGUF_TENSOR_TYPE(name, number, elements, bytes) GGUF_T_##name = number,
#include "gguf/tensor_type.def"
#undef GGUF_TENSOR_TYPE
} gguf_tensor_type;

/* "Q4_K"; "?" for a number that is no type. */
const char *gguf_tensor_type_name(gguf_tensor_type type);
/* The type of that name, in any case; false when there is none. */
bool gguf_tensor_type_find(base_slice name, gguf_tensor_type *out);
/* Elements of one block; 0 for an unknown type. */
size_t gguf_block_elements(gguf_tensor_type type);
/* Bytes of one block; 0 for an unknown type. */
size_t gguf_block_bytes(gguf_tensor_type type);
/* Bytes of a row of n elements. False when n is 0 or no whole number of blocks, or it overflows. */
bool gguf_row_bytes(gguf_tensor_type type, uint64_t n, size_t *bytes);

typedef struct gguf_value {
  base_slice key;
  gguf_type type;             /* GGUF_ARRAY for arrays */
  gguf_type element;          /* element type of an array (no nested arrays) */
  uint64_t count;             /* elements of an array */
  const unsigned char *bytes; /* raw little-endian payload; for a string its characters */
  size_t len;                 /* bytes of payload */
} gguf_value;

typedef struct gguf_tensor {
  base_slice name;
  gguf_tensor_type type;
  int n_dims;
  uint64_t dim[4];  /* dim[0] is contiguous, as GGUF has it; unused are 1; none is 0 */
  const void *data; /* aligned to the file's alignment (32 or more) */
  size_t bytes;
} gguf_tensor;

typedef struct gguf_file gguf_file;

/* Maps and checks the whole structure: magic, version, counts against file size, unique keys and tensor
 * names, offsets aligned, inside the file and not overlapping. The first file of a model that is split
 * (NAME-00001-of-00003.gguf, split.count) opens the others beside it and has their tensors. `allocator` may be NULL. */
base_status gguf_open(gguf_file **out, const char *path, const base_allocator *allocator, base_error *err);
/* The same over bytes the caller keeps alive (64-byte aligned). `name` is used in errors. */
base_status gguf_open_bytes(gguf_file **out, const void *bytes, size_t len, const char *name,
                            const base_allocator *allocator, base_error *err);
void gguf_close(gguf_file *f); /* NULL is harmless; unmaps */

size_t gguf_value_count(const gguf_file *f);
const gguf_value *gguf_value_at(const gguf_file *f, size_t index);
const gguf_value *gguf_find(const gguf_file *f, const char *key); /* NULL when absent */
size_t gguf_tensor_count(const gguf_file *f);
const gguf_tensor *gguf_tensor_at(const gguf_file *f, size_t index);
const gguf_tensor *gguf_find_tensor(const gguf_file *f, const char *name);
const char *gguf_path(const gguf_file *f);
/* These bytes of a tensor will be read now, or hardly again (os_map_fetch, os_map_forget). Nothing happens to bytes
 * that the caller keeps. */
void gguf_fetch(const gguf_file *f, const void *ptr, size_t len);
void gguf_forget(const gguf_file *f, const void *ptr, size_t len);
void gguf_forget_all(const gguf_file *f);
/* Reads tensors past the map (os_reader). Bytes that the caller keeps are read where they lie. `f` stays open. */
void gguf_reader_open(os_reader *r, const gguf_file *f);
uint32_t gguf_version(const gguf_file *f); /* 2 or 3 */

/* Typed access; an absent key or another type is BASE_EFORMAT and names the key. Integers of any width
 * convert when they fit. */
base_status gguf_get_u32(const gguf_file *f, const char *key, uint32_t *out, base_error *err);
base_status gguf_get_f32(const gguf_file *f, const char *key, float *out, base_error *err);
base_status gguf_get_string(const gguf_file *f, const char *key, base_slice *out,
                            base_error *err); /* borrowed */
/* An array of strings: step through `items` with gguf_next_string, `count` times. */
base_status gguf_get_strings(const gguf_file *f, const char *key, uint64_t *count, base_cursor *items,
                             base_error *err);
/* Inline, since vocabularies have 100,000s of them. */
static inline base_slice gguf_next_string(base_cursor *items) {
  size_t left = items->len - items->pos;
  uint64_t len = !items->failed && left >= 8 ? base_load_u64(items->ptr + items->pos) : UINT64_MAX;
  if (left < 8 || len > left - 8) {
    items->failed = true;
    return (base_slice){NULL, 0};
  }
  const char *text = (const char *)items->ptr + items->pos + 8;
  items->pos += 8 + (size_t)len;
  return (base_slice){text, (size_t)len};
}
base_status gguf_get_f32s(const gguf_file *f, const char *key, const void **floats_unaligned, uint64_t *count,
                          base_error *err);
base_status gguf_get_u32s(const gguf_file *f, const char *key, const void **u32s_unaligned, uint64_t *count,
                          base_error *err);
/* A tensor that must be there with this type and these dims (0 = any). */
base_status gguf_need_tensor(const gguf_file *f, const char *name, gguf_tensor_type type, uint64_t dim0,
                             uint64_t dim1, const gguf_tensor **out, base_error *err);

/* ---- writing: keys and tensors are collected, then written at once; same calls, same bytes. Alignment 64.
 * Values and names are copied by the puts; tensor data is borrowed until gguf_writer_save. ---- */

typedef struct gguf_writer gguf_writer;
gguf_writer *gguf_writer_new(const base_allocator *allocator); /* NULL when out of memory */
void gguf_writer_free(gguf_writer *w);                         /* NULL is harmless */
void gguf_put_u32(gguf_writer *w, const char *key, uint32_t v);
void gguf_put_f32(gguf_writer *w, const char *key, float v);
void gguf_put_string(gguf_writer *w, const char *key, base_slice v);
void gguf_put_strings(gguf_writer *w, const char *key, const base_slice *v, size_t count);
void gguf_put_f32s(gguf_writer *w, const char *key, const float *v, size_t count);
void gguf_put_u32s(gguf_writer *w, const char *key, const uint32_t *v, size_t count);
void gguf_put_u64(gguf_writer *w, const char *key, uint64_t v);
void gguf_put_f64(gguf_writer *w, const char *key, double v);
void gguf_put_bool(gguf_writer *w, const char *key, bool v);
void gguf_put_i32s(gguf_writer *w, const char *key, const int32_t *v, size_t count);
void gguf_put_bools(gguf_writer *w, const char *key, const bool *v, size_t count);
/* A value of any kind as a file has it, under its own key. */
void gguf_put_value(gguf_writer *w, const gguf_value *v);
bool gguf_has_key(const gguf_writer *w, const char *key);
void gguf_put_tensor(gguf_writer *w, const char *name, gguf_tensor_type type, int n_dims, const uint64_t *dim,
                     const void *data);
/* A tensor whose bytes are made when the file is written, one tensor after the other in the order of the
 * puts, so that a file larger than memory can be written. `make` is called once for a save and hands over
 * exactly the tensor's bytes with gguf_sink_add; `ctx` is borrowed. */
typedef struct gguf_sink gguf_sink;
typedef base_status gguf_make_fn(void *ctx, gguf_sink *sink, base_error *err);
void gguf_put_made_tensor(gguf_writer *w, const char *name, gguf_tensor_type type, int n_dims,
                          const uint64_t *dim, gguf_make_fn *make, void *ctx);
base_status gguf_sink_add(gguf_sink *sink, const void *bytes, size_t len, base_error *err);
/* A caller's own failure while it prepared something to put; sticky like the puts' own. */
void gguf_writer_fail(gguf_writer *w, base_status code, const char *where, const char *text);
/* Failures of the puts are sticky and reported here. Replaces `path` atomically. */
base_status gguf_writer_save(gguf_writer *w, const char *path, base_error *err);
/* The same into memory. */
base_status gguf_writer_bytes(gguf_writer *w, base_buf *out, base_error *err);

#endif
