/* lm/bind: reads keys and finds tensors for a model, each checked against a range or a shape the moment it is
 * read. The first failure sticks in the binder and names the key or the tensor; everything after it gives zeros. */
#include "lm/internal.h"

#include <stdio.h>

enum { KEY_BYTES = 128 };

static void fail_with(lm_binder *b, base_status code, const char *what, const char *fmt, va_list args) {
  char text[256];
  if (b->status != BASE_OK) return;
  vsnprintf(text, sizeof text, fmt, args);
  b->status = base_fail(b->err, code, what, "%s", text);
}

void lm_bind_fail(lm_binder *b, base_status code, const char *what, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fail_with(b, code, what, fmt, args);
  va_end(args);
}

void lm_key_fail(lm_binder *b, base_status code, const char *key, const char *fmt, ...) {
  char full[KEY_BYTES];
  va_list args;
  base_format(full, sizeof full, "%s.%s", b->m->family->name, key);
  va_start(args, fmt);
  fail_with(b, code, full, fmt, args);
  va_end(args);
}

/* ---- keys ---- */

/* The value under "ARCHITECTURE.KEY", or NULL. */
static const gguf_value *find_key(lm_binder *b, const char *key, char full[KEY_BYTES]) {
  base_format(full, KEY_BYTES, "%s.%s", b->m->family->name, key);
  return b->status == BASE_OK ? gguf_find(b->m->file, full) : NULL;
}

bool lm_key_present(lm_binder *b, const char *key) {
  char full[KEY_BYTES];
  return find_key(b, key, full) != NULL;
}

static uint32_t in_range_u32(lm_binder *b, const char *full, uint64_t value, uint32_t min, uint32_t max) {
  if (value >= min && value <= max) return (uint32_t)value;
  lm_bind_fail(b, BASE_EFORMAT, full, "the value %llu is not in the range %u to %u", (unsigned long long)value,
               (unsigned)min, (unsigned)max);
  return 0;
}

static uint32_t read_u32(lm_binder *b, const char *full, uint32_t min, uint32_t max) {
  uint32_t value;
  base_status st = gguf_get_u32(b->m->file, full, &value, b->err);
  if (st != BASE_OK) {
    b->status = st;
    return 0;
  }
  return in_range_u32(b, full, value, min, max);
}

uint32_t lm_key_u32(lm_binder *b, const char *key, uint32_t min, uint32_t max) {
  char full[KEY_BYTES];
  if (find_key(b, key, full) != NULL) return read_u32(b, full, min, max);
  lm_bind_fail(b, BASE_EFORMAT, full, "this key is missing in %s", gguf_path(b->m->file));
  return 0;
}

uint32_t lm_key_u32_or(lm_binder *b, const char *key, uint32_t min, uint32_t max, uint32_t otherwise) {
  char full[KEY_BYTES];
  return find_key(b, key, full) != NULL ? read_u32(b, full, min, max) : otherwise;
}

bool lm_key_is_array(lm_binder *b, const char *key) {
  char full[KEY_BYTES];
  const gguf_value *v = find_key(b, key, full);
  return v != NULL && v->type == GGUF_ARRAY;
}

/* Element `index` of an array of 32-bit integers, signed or not. */
static uint32_t array_u32(lm_binder *b, const char *full, const gguf_value *v, uint32_t index, uint32_t max) {
  if (v->count != b->m->stored_layers || (v->element != GGUF_U32 && v->element != GGUF_I32)) {
    lm_bind_fail(b, BASE_EFORMAT, full, "must be an integer, or an array of %u integers, one a layer",
                 (unsigned)b->m->stored_layers);
    return 0;
  }
  base_cursor c = base_cursor_of(v->bytes, v->len);
  base_cursor_skip(&c, (size_t)index * 4);
  return in_range_u32(b, full, base_cursor_u32(&c), 1, max);
}

uint32_t lm_key_layer_u32(lm_binder *b, const char *key, uint32_t layer, uint32_t max, uint32_t otherwise) {
  char full[KEY_BYTES];
  const gguf_value *v = find_key(b, key, full);
  if (v == NULL && otherwise > 0) return otherwise;
  if (v == NULL) return lm_key_u32(b, key, 1, max);
  return v->type == GGUF_ARRAY ? array_u32(b, full, v, layer, max) : read_u32(b, full, 1, max);
}

bool lm_key_layer_bool(lm_binder *b, const char *key, uint32_t layer, bool otherwise) {
  char full[KEY_BYTES];
  const gguf_value *v = find_key(b, key, full);
  if (v == NULL || v->type != GGUF_ARRAY) return otherwise;
  if (v->element == GGUF_BOOL && v->count == b->m->stored_layers) return v->bytes[layer] != 0;
  lm_bind_fail(b, BASE_EFORMAT, full, "must be an integer, or an array of %u booleans, one a layer",
               (unsigned)b->m->stored_layers);
  return otherwise;
}

float lm_key_f32_or(lm_binder *b, const char *key, float min, float max, float otherwise) {
  char full[KEY_BYTES];
  float value;
  if (find_key(b, key, full) == NULL) return otherwise;
  base_status st = gguf_get_f32(b->m->file, full, &value, b->err);
  if (st != BASE_OK) {
    b->status = st;
    return otherwise;
  }
  if (value >= min && value <= max) return value;
  lm_bind_fail(b, BASE_EFORMAT, full, "the value %g is not in the range %g to %g", (double)value, (double)min,
               (double)max);
  return otherwise;
}

bool lm_key_bool_or(lm_binder *b, const char *key, bool otherwise) {
  char full[KEY_BYTES];
  const gguf_value *v = find_key(b, key, full);
  if (v == NULL) return otherwise;
  if (v->type == GGUF_BOOL) return v->bytes[0] != 0;
  lm_bind_fail(b, BASE_EFORMAT, full, "must be true or false");
  return otherwise;
}

base_slice lm_key_string_or(lm_binder *b, const char *key, const char *otherwise) {
  char full[KEY_BYTES];
  base_slice value = base_slice_of(otherwise);
  if (find_key(b, key, full) == NULL) return value;
  base_status st = gguf_get_string(b->m->file, full, &value, b->err);
  if (st != BASE_OK) b->status = st;
  return value;
}

/* ---- tensors ---- */

/* The tensor, marked as used; NULL when absent. `full` gets its name. */
static const gguf_tensor *find_tensor(lm_binder *b, int layer, const char *name, const char *suffix,
                                      char full[KEY_BYTES]) {
  if (layer >= 0) base_format(full, KEY_BYTES, "blk.%d.%s.%s", layer, name, suffix);
  else base_format(full, KEY_BYTES, "%s.%s", name, suffix);
  const gguf_tensor *t = b->status == BASE_OK ? gguf_find_tensor(b->m->file, full) : NULL;
  if (t != NULL) b->used[t - gguf_tensor_at(b->m->file, 0)] = true;
  return t;
}

static void fail_missing(lm_binder *b, const char *full) {
  lm_bind_fail(b, BASE_EFORMAT, full, "this tensor is missing in %s", gguf_path(b->m->file));
}

static bool has_shape(const gguf_tensor *t, uint64_t dim0, uint64_t dim1) {
  return t->dim[0] == dim0 && t->dim[1] == dim1 && t->dim[2] == 1 && t->dim[3] == 1;
}

static void fail_shape(lm_binder *b, const char *full, const gguf_tensor *t, uint64_t dim0, uint64_t dim1) {
  lm_bind_fail(b, BASE_EFORMAT, full, "this tensor has the shape %llu x %llu x %llu; %llu x %llu is needed",
               (unsigned long long)t->dim[0], (unsigned long long)t->dim[1],
               (unsigned long long)(t->dim[2] * t->dim[3]), (unsigned long long)dim0, (unsigned long long)dim1);
}

static const float *bind_floats(lm_binder *b, int layer, const char *name, const char *suffix, size_t n,
                                bool optional) {
  char full[KEY_BYTES];
  const gguf_tensor *t = find_tensor(b, layer, name, suffix, full);
  if (t == NULL && !optional) fail_missing(b, full);
  if (t == NULL) return NULL;
  if (!has_shape(t, n, 1)) fail_shape(b, full, t, n, 1);
  else if (t->type != GGUF_T_F32)
    lm_bind_fail(b, BASE_EUNSUPPORTED, full, "this tensor has type %s; norms, biases and factors must be F32",
                 gguf_tensor_type_name(t->type));
  else return t->data;
  return NULL;
}

const float *lm_bind_vector(lm_binder *b, int layer, const char *name, size_t n, bool optional) {
  return bind_floats(b, layer, name, "weight", n, optional);
}

lm_norm lm_bind_norm(lm_binder *b, int layer, const char *name, size_t n) {
  lm_norm norm = {.weight = bind_floats(b, layer, name, "weight", n, false)};
  if (b->m->family->norm == LM_LAYER_NORM) norm.bias = bind_floats(b, layer, name, "bias", n, false);
  return norm;
}

static lm_linear linear_of(lm_binder *b, const gguf_tensor *t, size_t rows, const char *full) {
  lm_model *m = b->m;
  matrix_mode mode = m->options.reference ? MATRIX_EXACT : MATRIX_FAST;
  lm_linear l = {.tensor = t, .mode = mode};
  if (matrix_bytes(t->type, mode, rows, (size_t)t->dim[0]) == 0) {
    lm_bind_fail(b, BASE_EUNSUPPORTED, full, "weights of type %s cannot be run", gguf_tensor_type_name(t->type));
    return (lm_linear){0};
  }
  matrix_init(&l.w, t->type, mode, rows, (size_t)t->dim[0], NULL);
  return l;
}

lm_linear lm_bind_linear(lm_binder *b, int layer, const char *name, size_t rows, size_t cols, bool optional) {
  char full[KEY_BYTES];
  const gguf_tensor *t = find_tensor(b, layer, name, "weight", full);
  if (t == NULL && !optional) fail_missing(b, full);
  if (t == NULL) return (lm_linear){0};
  if (!has_shape(t, cols, rows)) fail_shape(b, full, t, cols, rows);
  lm_linear l = b->status == BASE_OK ? linear_of(b, t, rows, full) : (lm_linear){0};
  l.bias = bind_floats(b, layer, name, "bias", rows, true);
  return l;
}

const gguf_tensor *lm_bind_table(lm_binder *b, const char *name, size_t rows) {
  char full[KEY_BYTES];
  const gguf_tensor *t = find_tensor(b, -1, name, "weight", full);
  if (t != NULL && (t->dim[0] != b->m->d || t->dim[1] < rows || t->dim[2] != 1 || t->dim[3] != 1))
    fail_shape(b, full, t, b->m->d, rows);
  return t;
}

lm_linear lm_linear_rows(lm_linear whole, size_t row, size_t rows) {
  if (whole.tensor == NULL) return whole;
  lm_linear l = whole;
  l.row += row;
  if (l.bias != NULL) l.bias += row;
  matrix_init(&l.w, whole.w.type, whole.mode, rows, whole.w.k, NULL);
  return l;
}

lm_linear *lm_layer_linear(lm_layer *l, int index) {
  lm_linear *const all[LM_LINEARS] = {&l->q, &l->k, &l->v, &l->out, &l->gate, &l->up, &l->down};
  return all[index];
}
