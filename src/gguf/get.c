/* gguf/get: typed access to metadata. What is absent or of another type is the file's fault, and the sentence
 * names the key. */
#include "gguf/layout.h"

#include <string.h>

static const gguf_value *need(const gguf_file *f, const char *key, base_error *err) {
  const gguf_value *v = gguf_find(f, key);
  if (v == NULL) (void)base_fail(err, BASE_EFORMAT, gguf_path(f), "the key \"%s\" is missing", key);
  return v;
}

static base_status fail_type(const gguf_file *f, const char *key, const char *wanted, base_error *err) {
  return base_fail(err, BASE_EFORMAT, gguf_path(f), "the key \"%s\" is not %s", key, wanted);
}

/* An integer value of any width; negative when it is below 0 or no integer. */
static int64_t integer_of(const gguf_value *v) {
  base_cursor c = base_cursor_of(v->bytes, v->len);
  uint64_t u;
  switch (v->type) {
    case GGUF_U8: return base_cursor_u8(&c);
    case GGUF_I8: return (int8_t)base_cursor_u8(&c);
    case GGUF_U16: return base_cursor_u16(&c);
    case GGUF_I16: return (int16_t)base_cursor_u16(&c);
    case GGUF_U32: return base_cursor_u32(&c);
    case GGUF_I32: return (int32_t)base_cursor_u32(&c);
    case GGUF_U64:
    case GGUF_I64: u = base_cursor_u64(&c); return u <= INT64_MAX ? (int64_t)u : -1;
    default: return -1;
  }
}

base_status gguf_get_u32(const gguf_file *f, const char *key, uint32_t *out, base_error *err) {
  const gguf_value *v = need(f, key, err);
  if (v == NULL) return BASE_EFORMAT;
  int64_t n = integer_of(v);
  if (n < 0 || n > (int64_t)UINT32_MAX) return fail_type(f, key, "a whole number from 0 to 2^32 - 1", err);
  *out = (uint32_t)n;
  return BASE_OK;
}

base_status gguf_get_f32(const gguf_file *f, const char *key, float *out, base_error *err) {
  const gguf_value *v = need(f, key, err);
  if (v == NULL) return BASE_EFORMAT;
  base_cursor c = base_cursor_of(v->bytes, v->len);
  if (v->type == GGUF_F32) {
    *out = base_cursor_f32(&c);
  } else if (v->type == GGUF_F64) {
    *out = (float)base_cursor_f64(&c);
  } else {
    return fail_type(f, key, "a floating-point number", err);
  }
  return BASE_OK;
}

base_status gguf_get_string(const gguf_file *f, const char *key, base_slice *out, base_error *err) {
  const gguf_value *v = need(f, key, err);
  if (v == NULL) return BASE_EFORMAT;
  if (v->type != GGUF_STRING) return fail_type(f, key, "a string", err);
  *out = (base_slice){(const char *)v->bytes, v->len};
  return BASE_OK;
}

/* An array of this element type; NULL, with the error recorded, when there is none. */
static const gguf_value *need_array(const gguf_file *f, const char *key, gguf_type element,
                                    const char *wanted, base_error *err) {
  const gguf_value *v = need(f, key, err);
  if (v == NULL || (v->type == GGUF_ARRAY && v->element == element)) return v;
  (void)fail_type(f, key, wanted, err);
  return NULL;
}

base_status gguf_get_strings(const gguf_file *f, const char *key, uint64_t *count, base_cursor *items,
                             base_error *err) {
  const gguf_value *v = need_array(f, key, GGUF_STRING, "an array of strings", err);
  if (v == NULL) return BASE_EFORMAT;
  *count = v->count;
  *items = base_cursor_of(v->bytes, v->len);
  return BASE_OK;
}

base_status gguf_get_f32s(const gguf_file *f, const char *key, const void **floats_unaligned, uint64_t *count,
                          base_error *err) {
  const gguf_value *v = need_array(f, key, GGUF_F32, "an array of 32-bit floats", err);
  if (v == NULL) return BASE_EFORMAT;
  *floats_unaligned = v->bytes;
  *count = v->count;
  return BASE_OK;
}

base_status gguf_get_u32s(const gguf_file *f, const char *key, const void **u32s_unaligned, uint64_t *count,
                          base_error *err) {
  const gguf_value *v = need_array(f, key, GGUF_U32, "an array of unsigned 32-bit integers", err);
  if (v == NULL) return BASE_EFORMAT;
  *u32s_unaligned = v->bytes;
  *count = v->count;
  return BASE_OK;
}

/* "[192, 64]", for messages. */
static void format_shape(const gguf_tensor *t, char *out, size_t out_size) {
  size_t at = 0;
  for (int i = 0; i < t->n_dims; i++) {
    (void)base_format(out + at, out_size - at, "%s%llu", i == 0 ? "[" : ", ", (unsigned long long)t->dim[i]);
    at += strlen(out + at);
  }
  (void)base_format(out + at, out_size - at, "]");
}

base_status gguf_need_tensor(const gguf_file *f, const char *name, gguf_tensor_type type, uint64_t dim0,
                             uint64_t dim1, const gguf_tensor **out, base_error *err) {
  const gguf_tensor *t = gguf_find_tensor(f, name);
  if (t == NULL) return base_fail(err, BASE_EFORMAT, gguf_path(f), "the tensor \"%s\" is missing", name);
  if (t->type != type) {
    return base_fail(err, BASE_EFORMAT, gguf_path(f), "the tensor \"%s\" has element type %d instead of %d",
                     name, (int)t->type, (int)type);
  }
  bool fits = (dim0 == 0 || t->dim[0] == dim0) && (dim1 == 0 || t->dim[1] == dim1) && t->dim[2] == 1 &&
              t->dim[3] == 1;
  if (!fits) {
    char shape[96];
    format_shape(t, shape, sizeof shape);
    return base_fail(err, BASE_EMISMATCH, gguf_path(f),
                     "the tensor \"%s\" has the shape %s instead of [%llu, %llu]", name, shape,
                     (unsigned long long)dim0, (unsigned long long)dim1);
  }
  *out = t;
  return BASE_OK;
}
