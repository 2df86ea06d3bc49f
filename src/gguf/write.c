/* gguf/write: collects keys and tensors, then writes version 3 in one go. Metadata is serialised as it is
 * put; tensors wait as borrowed pointers. The same puts in the same order give the same bytes. */
#include "gguf/layout.h"

#include <string.h>

enum { MAX_TENSORS_AT_FIRST = 64, GGUF_MAX_COPIED_KEY = 1024 };

typedef struct pending {
  char name[GGUF_MAX_NAME + 1];
  gguf_tensor_type type;
  int n_dims;
  uint64_t dim[GGUF_MAX_DIMS];
  const void *data; /* or, when it is made later: */
  gguf_make_fn *make;
  void *ctx;
  size_t bytes;
} pending;

struct gguf_writer {
  base_allocator allocator;
  base_error error; /* sticky: the first put that failed */
  base_buf meta;    /* the keys and values, as they will be in the file */
  base_buf keys;    /* every key and a 0, to notice doubles */
  uint64_t n_keys;
  pending *tensors;
  size_t n_tensors, cap_tensors;
};

static void put_le(base_buf *b, uint64_t v, size_t bytes) {
  char out[8];
  for (size_t i = 0; i < bytes; i++) out[i] = (char)(unsigned char)(v >> (8 * i));
  base_buf_add(b, out, bytes);
}

static void put_string(base_buf *b, base_slice s) {
  put_le(b, s.len, 8);
  base_buf_add(b, s.ptr, s.len);
}

static uint32_t float_bits(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

gguf_writer *gguf_writer_new(const base_allocator *allocator) {
  if (allocator == NULL) allocator = base_allocator_libc();
  gguf_writer *w = base_calloc(allocator, 1, sizeof *w);
  if (w == NULL) return NULL;
  w->allocator = *allocator;
  w->meta.allocator = w->keys.allocator = &w->allocator;
  gguf_put_u32(w, "general.alignment", GGUF_OUR_ALIGNMENT);
  return w;
}

void gguf_writer_free(gguf_writer *w) {
  if (w == NULL) return;
  base_allocator allocator = w->allocator;
  base_free(&allocator, w->tensors, w->cap_tensors * sizeof *w->tensors);
  base_buf_free(&w->meta);
  base_buf_free(&w->keys);
  base_free(&allocator, w, sizeof *w);
}

void gguf_writer_fail(gguf_writer *w, base_status code, const char *where, const char *text) {
  (void)base_fail(&w->error, code, where, "%s", text);
}

/* ---- keys ---- */

/* Begins a key; false when its name is bad or taken. */
static bool begin_key(gguf_writer *w, const char *key, gguf_type type) {
  base_slice name = base_slice_of(key);
  if (!gguf_name_ok(name, GGUF_MAX_KEY)) {
    gguf_writer_fail(w, BASE_EARGUMENT, key, "a metadata key must be printable and not empty");
    return false;
  }
  if (gguf_has_key(w, key)) {
    gguf_writer_fail(w, BASE_EARGUMENT, key, "this metadata key was put twice");
    return false;
  }
  base_buf_add(&w->keys, key, name.len + 1);
  put_string(&w->meta, name);
  put_le(&w->meta, (uint64_t)type, 4);
  w->n_keys++;
  return true;
}

static bool begin_array(gguf_writer *w, const char *key, gguf_type element, size_t count) {
  if (!begin_key(w, key, GGUF_ARRAY)) return false;
  put_le(&w->meta, (uint64_t)element, 4);
  put_le(&w->meta, count, 8);
  return true;
}

void gguf_put_u32(gguf_writer *w, const char *key, uint32_t v) {
  if (begin_key(w, key, GGUF_U32)) put_le(&w->meta, v, 4);
}

void gguf_put_f32(gguf_writer *w, const char *key, float v) {
  if (begin_key(w, key, GGUF_F32)) put_le(&w->meta, float_bits(v), 4);
}

void gguf_put_string(gguf_writer *w, const char *key, base_slice v) {
  if (begin_key(w, key, GGUF_STRING)) put_string(&w->meta, v);
}

void gguf_put_strings(gguf_writer *w, const char *key, const base_slice *v, size_t count) {
  if (!begin_array(w, key, GGUF_STRING, count)) return;
  for (size_t i = 0; i < count; i++) put_string(&w->meta, v[i]);
}

void gguf_put_f32s(gguf_writer *w, const char *key, const float *v, size_t count) {
  if (!begin_array(w, key, GGUF_F32, count)) return;
  for (size_t i = 0; i < count; i++) put_le(&w->meta, float_bits(v[i]), 4);
}

void gguf_put_u32s(gguf_writer *w, const char *key, const uint32_t *v, size_t count) {
  if (!begin_array(w, key, GGUF_U32, count)) return;
  for (size_t i = 0; i < count; i++) put_le(&w->meta, v[i], 4);
}

void gguf_put_u64(gguf_writer *w, const char *key, uint64_t v) {
  if (begin_key(w, key, GGUF_U64)) put_le(&w->meta, v, 8);
}

void gguf_put_f64(gguf_writer *w, const char *key, double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  if (begin_key(w, key, GGUF_F64)) put_le(&w->meta, bits, 8);
}

void gguf_put_bool(gguf_writer *w, const char *key, bool v) {
  if (begin_key(w, key, GGUF_BOOL)) put_le(&w->meta, v ? 1 : 0, 1);
}

void gguf_put_i32s(gguf_writer *w, const char *key, const int32_t *v, size_t count) {
  if (!begin_array(w, key, GGUF_I32, count)) return;
  for (size_t i = 0; i < count; i++) put_le(&w->meta, (uint32_t)v[i], 4);
}

void gguf_put_bools(gguf_writer *w, const char *key, const bool *v, size_t count) {
  if (!begin_array(w, key, GGUF_BOOL, count)) return;
  for (size_t i = 0; i < count; i++) put_le(&w->meta, v[i] ? 1 : 0, 1);
}

void gguf_put_value(gguf_writer *w, const gguf_value *v) {
  char key[GGUF_MAX_COPIED_KEY];
  if (!base_format(key, sizeof key, "%.*s", (int)v->key.len, v->key.ptr)) {
    gguf_writer_fail(w, BASE_ELIMIT, key, "this metadata key is too long to be copied");
    return;
  }
  if (v->type == GGUF_ARRAY) {
    if (!begin_array(w, key, v->element, (size_t)v->count)) return;
  } else if (!begin_key(w, key, v->type)) {
    return;
  }
  if (v->type == GGUF_STRING) put_le(&w->meta, v->len, 8);
  base_buf_add(&w->meta, v->bytes, v->len);
}

bool gguf_has_key(const gguf_writer *w, const char *key) {
  base_slice rest = {w->keys.ptr, w->keys.len}, taken;
  while (base_slice_split(&rest, 0, &taken)) {
    if (base_slice_equal(taken, base_slice_of(key))) return true;
  }
  return false;
}

/* ---- tensors ---- */

/* Room for one more tensor; zeroed. NULL when out of memory. */
static pending *new_tensor(gguf_writer *w) {
  if (w->n_tensors == w->cap_tensors) {
    size_t cap = w->cap_tensors > 0 ? 2 * w->cap_tensors : MAX_TENSORS_AT_FIRST;
    pending *grown = w->allocator.resize(w->allocator.ctx, w->tensors, w->cap_tensors * sizeof *grown,
                                         cap * sizeof *grown);
    if (grown == NULL) return NULL;
    w->tensors = grown;
    w->cap_tensors = cap;
  }
  pending *t = &w->tensors[w->n_tensors];
  memset(t, 0, sizeof *t);
  return t;
}

/* A checked entry for a tensor, without its data; NULL, with the failure recorded, when it cannot be. */
static pending *put_entry(gguf_writer *w, const char *name, gguf_tensor_type type, int n_dims,
                          const uint64_t *dim) {
  size_t bytes;
  if (!gguf_name_ok(base_slice_of(name), GGUF_MAX_NAME)) {
    gguf_writer_fail(w, BASE_EARGUMENT, name, "a tensor's name must be printable and at most 64 bytes long");
    return NULL;
  }
  if (n_dims < 1 || n_dims > GGUF_MAX_DIMS || !gguf_tensor_bytes((uint32_t)type, n_dims, dim, &bytes)) {
    gguf_writer_fail(w, BASE_EARGUMENT, name, "this tensor has an impossible type or shape");
    return NULL;
  }
  for (size_t i = 0; i < w->n_tensors; i++) {
    if (strcmp(w->tensors[i].name, name) != 0) continue;
    gguf_writer_fail(w, BASE_EARGUMENT, name, "this tensor was put twice");
    return NULL;
  }
  pending *t = new_tensor(w);
  if (t == NULL) {
    gguf_writer_fail(w, BASE_ENOMEM, name, "no memory to write this tensor");
    return NULL;
  }
  (void)base_format(t->name, sizeof t->name, "%s", name);
  t->type = type;
  t->n_dims = n_dims;
  for (int i = 0; i < n_dims; i++) t->dim[i] = dim[i];
  t->bytes = bytes;
  w->n_tensors++;
  return t;
}

void gguf_put_tensor(gguf_writer *w, const char *name, gguf_tensor_type type, int n_dims, const uint64_t *dim,
                     const void *data) {
  pending *t = put_entry(w, name, type, n_dims, dim);
  if (t != NULL) t->data = data;
}

void gguf_put_made_tensor(gguf_writer *w, const char *name, gguf_tensor_type type, int n_dims,
                          const uint64_t *dim, gguf_make_fn *make, void *ctx) {
  pending *t = put_entry(w, name, type, n_dims, dim);
  if (t == NULL) return;
  t->make = make;
  t->ctx = ctx;
}

/* ---- the file ---- */

/* Where the bytes go: a file, or a buffer when `file` is NULL. */
struct gguf_sink {
  os_writer *file;
  base_buf *buf;
  uint64_t written;
  base_error *err;
};

static base_status emit(gguf_sink *s, const void *bytes, size_t len) {
  s->written += len;
  if (s->file != NULL) return os_writer_add(s->file, bytes, len, s->err);
  base_buf_add(s->buf, bytes, len);
  return s->buf->failed ? base_fail(s->err, BASE_ENOMEM, "gguf", "no memory for the file's bytes") : BASE_OK;
}

static base_status emit_padding(gguf_sink *s) {
  static const char zeros[GGUF_OUR_ALIGNMENT];
  return emit(s, zeros, (size_t)(-s->written & (GGUF_OUR_ALIGNMENT - 1)));
}

base_status gguf_sink_add(gguf_sink *sink, const void *bytes, size_t len, base_error *err) {
  base_status status = emit(sink, bytes, len);
  if (status && sink->err != NULL && err != sink->err)
    return base_fail(err, status, sink->err->where, "%s", sink->err->text);
  return status;
}

static base_status emit_tensor(const pending *t, gguf_sink *s) {
  uint64_t start = s->written;
  base_status status = t->make != NULL ? t->make(t->ctx, s, s->err) : emit(s, t->data, t->bytes);
  if (status) return status;
  if (s->written - start != t->bytes) {
    return base_fail(s->err, BASE_EMISMATCH, t->name,
                     "this tensor was written with %llu bytes instead of %zu",
                     (unsigned long long)(s->written - start), t->bytes);
  }
  return emit_padding(s);
}

static void build_header(const gguf_writer *w, base_buf *head) {
  put_le(head, GGUF_MAGIC, 4);
  put_le(head, 3, 4);
  put_le(head, w->n_tensors, 8);
  put_le(head, w->n_keys, 8);
  base_buf_add(head, w->meta.ptr, w->meta.len);
  uint64_t offset = 0;
  for (size_t i = 0; i < w->n_tensors; i++) {
    const pending *t = &w->tensors[i];
    put_string(head, base_slice_of(t->name));
    put_le(head, (uint64_t)t->n_dims, 4);
    for (int d = 0; d < t->n_dims; d++) put_le(head, t->dim[d], 8);
    put_le(head, (uint64_t)t->type, 4);
    put_le(head, offset, 8);
    offset += (t->bytes + GGUF_OUR_ALIGNMENT - 1) & ~(uint64_t)(GGUF_OUR_ALIGNMENT - 1);
  }
}

static base_status emit_all(const gguf_writer *w, gguf_sink *s) {
  base_buf head = {.allocator = &w->allocator};
  base_status status;
  if (w->error.code != BASE_OK) {
    return base_fail(s->err, w->error.code, w->error.where, "%s", w->error.text);
  }
  build_header(w, &head);
  if (head.failed || w->meta.failed || w->keys.failed) {
    status = base_fail(s->err, BASE_ENOMEM, "gguf", "no memory to write the file");
    goto done;
  }
  status = emit(s, head.ptr, head.len);
  if (status == BASE_OK) status = emit_padding(s);
  for (size_t i = 0; i < w->n_tensors && status == BASE_OK; i++) {
    status = emit_tensor(&w->tensors[i], s);
  }
done:
  base_buf_free(&head);
  return status;
}

base_status gguf_writer_save(gguf_writer *w, const char *path, base_error *err) {
  gguf_sink s = {.err = err};
  base_status status = os_writer_open(&s.file, path, err);
  if (status) return status;
  status = emit_all(w, &s);
  if (status) {
    os_writer_abort(s.file);
    return status;
  }
  return os_writer_commit(s.file, err);
}

base_status gguf_writer_bytes(gguf_writer *w, base_buf *out, base_error *err) {
  gguf_sink s = {.buf = out, .err = err};
  base_buf_clear(out);
  return emit_all(w, &s);
}
