/* The tiny models of tests/lm for tests: opening them, and the same models with something changed. */
#ifndef TESTS_LM_FIXTURE_H
#define TESTS_LM_FIXTURE_H

#include "gguf/gguf.h"
#include "lm/lm.h"
#include "quant/quant.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct run {
  gguf_file *file;
  lm_model *model;
  lm_cache *cache;
} run;

static inline void run_close(run *r) {
  lm_cache_close(r->cache);
  lm_model_close(r->model);
  gguf_close(r->file);
}

static inline base_status run_start(run *r, const lm_options *o, base_error *err) {
  base_status st = lm_model_open(&r->model, r->file, o, err);
  if (!st && !lm_model_info(r->model).encoder) st = lm_cache_open(&r->cache, r->model, err);
  return st;
}

static inline base_status fixture_open(gguf_file **out, const char *name, base_error *err) {
  char path[160];
  base_format(path, sizeof path, "tests/lm/%s.gguf", name);
  return gguf_open(out, path, NULL, err);
}

/* False, and a failed check, when it does not open. */
static inline bool run_open(run *r, const char *name, const lm_options *o) {
  base_error err = {0};
  *r = (run){0};
  base_status st = fixture_open(&r->file, name, &err);
  if (!st) st = run_start(r, o, &err);
  TAP_OK(!st, "%s: %s: %s", name, err.where, err.text);
  return !st;
}

/* What to change in a file. Unused fields are NULL or 0. */
typedef struct change {
  const char *drop_key, *set_key, *text_key, *text; /* set_key: to `value`, a u32; text_key: to `text` */
  uint32_t value;
  const char *real_key; /* to `real` */
  float real;
  const char *false_key;
  const char *bools_key; /* to n_bools of them */
  bool bools[16];
  size_t n_bools;
  const char *drop_tensor, *cut_tensor; /* cut: one row less */
  const char *extra_tensor;             /* one more, [16] */
  const char *damaged_tensor;           /* half of the elements become 1.5 x + 0.3 */
  bool fuse;                            /* attn_q, attn_k and attn_v, with their biases, become attn_qkv */
  bool weights;                         /* every matrix whose rows allow it becomes `type` */
  gguf_tensor_type type;
} change;

static inline bool named(base_slice name, const char *text) {
  return text != NULL && base_slice_equal(name, base_slice_of(text));
}

static inline void copy_tensor(gguf_writer *w, const gguf_tensor *t, const change *c, float *floats, void *to) {
  char name[96];
  uint64_t dim[4] = {t->dim[0], t->dim[1], t->dim[2], t->dim[3]};
  size_t row, old_row;
  base_format(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
  if (named(t->name, c->cut_tensor)) dim[t->n_dims - 1]--;
  if (named(t->name, c->damaged_tensor)) {
    size_t n = t->dim[0] * t->dim[1];
    quant_decode_row(t->type, t->data, n, floats);
    for (size_t i = 0; i < n; i++)
      if ((i * 2654435761u >> 16) % 2) floats[i] = 1.5F * floats[i] + 0.3F;
    quant_encode_row(t->type, floats, n, to);
    gguf_put_tensor(w, name, t->type, t->n_dims, dim, to);
    return;
  }
  if (!c->weights || t->n_dims != 2 || !gguf_row_bytes(c->type, dim[0], &row)) {
    gguf_put_tensor(w, name, t->type, t->n_dims, dim, t->data);
    return;
  }
  gguf_row_bytes(t->type, dim[0], &old_row);
  for (size_t i = 0; i < dim[1]; i++) {
    quant_decode_row(t->type, (const unsigned char *)t->data + i * old_row, dim[0], floats);
    quant_encode_row(c->type, floats, dim[0], (unsigned char *)to + i * row);
  }
  gguf_put_tensor(w, name, c->type, t->n_dims, dim, to);
}

/* Of blk.N.attn_q.KIND all three behind each other; false when `t` is another tensor. k and v are left out. */
static inline bool fuse_tensor(gguf_writer *w, const gguf_file *from, const gguf_tensor *t, unsigned char *to) {
  int layer;
  char kind[16], name[96];
  size_t len = 0;
  base_format(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
  if (sscanf(name, "blk.%d.attn_k.%15s", &layer, kind) == 2 || sscanf(name, "blk.%d.attn_v.%15s", &layer, kind) == 2)
    return true;
  if (sscanf(name, "blk.%d.attn_q.%15s", &layer, kind) != 2) return false;
  uint64_t dim[4] = {t->dim[0], t->dim[1], 1, 1}, rows = 0;
  for (const char *part = "qkv"; *part != 0; part++) {
    base_format(name, sizeof name, "blk.%d.attn_%c.%s", layer, *part, kind);
    const gguf_tensor *p = gguf_find_tensor(from, name);
    memcpy(to + len, p->data, p->bytes);
    len += p->bytes;
    rows += p->dim[p->n_dims - 1];
  }
  dim[t->n_dims - 1] = rows;
  base_format(name, sizeof name, "blk.%d.attn_qkv.%s", layer, kind);
  gguf_put_tensor(w, name, t->type, t->n_dims, dim, to);
  return true;
}

/* A file like `from` but for the change, in 64-byte aligned memory: free() it. */
static inline void *changed_bytes(const gguf_file *from, const change *c, size_t *len) {
  static const float zeros[16];
  gguf_writer *w = gguf_writer_new(NULL);
  float *floats = malloc((1 << 16) * sizeof *floats);
  size_t tensors = gguf_tensor_count(from), each = 1 << 17;
  unsigned char *made = malloc(tensors * each);
  base_buf out = {0};
  void *block = NULL;
  for (size_t i = 0; i < gguf_value_count(from); i++) {
    const gguf_value *v = gguf_value_at(from, i);
    if (!named(v->key, c->drop_key) && !named(v->key, c->set_key) && !named(v->key, c->text_key) &&
        !named(v->key, c->real_key))
      gguf_put_value(w, v);
  }
  if (c->real_key != NULL) gguf_put_f32(w, c->real_key, c->real);
  if (c->set_key != NULL) gguf_put_u32(w, c->set_key, c->value);
  if (c->false_key != NULL) gguf_put_bool(w, c->false_key, false);
  if (c->bools_key != NULL) gguf_put_bools(w, c->bools_key, c->bools, c->n_bools);
  if (c->text_key != NULL) gguf_put_string(w, c->text_key, base_slice_of(c->text));
  for (size_t i = 0; i < tensors; i++) {
    const gguf_tensor *t = gguf_tensor_at(from, i);
    if (c->fuse && fuse_tensor(w, from, t, made + i * each)) continue;
    if (!named(t->name, c->drop_tensor)) copy_tensor(w, t, c, floats, made + i * each);
  }
  if (c->extra_tensor != NULL) gguf_put_tensor(w, c->extra_tensor, GGUF_T_F32, 1, (uint64_t[]){16, 1, 1, 1}, zeros);
  if (gguf_writer_bytes(w, &out, NULL) == BASE_OK && posix_memalign(&block, 64, out.len) == 0)
    memcpy(block, out.ptr, out.len);
  *len = out.len;
  base_buf_free(&out);
  gguf_writer_free(w);
  free(made);
  free(floats);
  return block;
}

/* A fixture with a change, opened; *block is to be freed after run_close. */
static inline base_status run_changed(run *r, const char *name, const change *c, const lm_options *o, void **block,
                                      base_error *err) {
  gguf_file *from = NULL;
  size_t len = 0;
  *r = (run){0};
  *block = NULL;
  base_status st = fixture_open(&from, name, err);
  if (!st) *block = changed_bytes(from, c, &len);
  gguf_close(from);
  if (!st && *block == NULL) st = base_fail(err, BASE_ENOMEM, name, "no memory");
  if (!st) st = gguf_open_bytes(&r->file, *block, len, name, NULL, err);
  if (!st) st = run_start(r, o, err);
  return st;
}

#endif
