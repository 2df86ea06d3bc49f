/* The trunk bound to a file's tensors, and its forward pass in int8: one call a step, in the order of
 * model.h. Activations are quantised a token at a time before each matrix product. */
#include "model/model.h"

#include <math.h>

/* ---- shape ---- */

base_status model_shape_check(const model_shape *s, base_error *err) {
  const char *bad = NULL;
  if (s->vocab < 261 || s->vocab > 65535) bad = "vocab (261 to 65535)";
  else if (s->d < 16 || s->d > 4096 || s->d % 16) bad = "d (a multiple of 16, 16 to 4096)";
  else if (s->layers < 1 || s->layers > MODEL_MAX_LAYERS) bad = "layers (1 to 48)";
  else if (s->heads < 1 || s->heads > 64) bad = "heads (1 to 64)";
  else if (s->kv_heads < 1 || s->heads % s->kv_heads) bad = "kv_heads (a divisor of heads)";
  else if (s->head_dim < 16 || s->head_dim > 128 || s->head_dim % 16)
    bad = "head_dim (a multiple of 16, 16 to 128)";
  else if (s->ff < 16 || s->ff > 16384 || s->ff % 16) bad = "ff (a multiple of 16, 16 to 16384)";
  else if (s->max_tokens < 8 || s->max_tokens > MODEL_MAX_TOKENS) bad = "max_tokens (8 to 512)";
  else if (s->cases != 3) bad = "cases (3)";
  else if (!(s->rope_base >= 1.0f && s->rope_base <= 1e8f)) bad = "rope_base (1 to 1e8)";
  else if (!(s->eps > 0.0f && s->eps < 0.1f)) bad = "eps (above 0, below 0.1)";
  if (bad == NULL) return BASE_OK;
  return base_fail(err, BASE_EFORMAT, "model shape", "%s is out of range", bad);
}

uint64_t model_parameters(const model_shape *s) {
  uint64_t d = s->d, ff = s->ff, attended = (uint64_t)s->heads * s->head_dim;
  uint64_t layer = 2 * d + model_qkv_rows(s) * d + d * attended + 3 * d * ff;
  return s->vocab * d + s->cases * d + s->layers * layer + d;
}

base_status model_read_shape(model_shape *s, const gguf_file *f, base_error *err) {
  const struct {
    const char *key;
    uint32_t *field;
  } fields[] = {
      {MODEL_KEY("vocab_size"), &s->vocab},
      {MODEL_KEY("embedding_length"), &s->d},
      {MODEL_KEY("block_count"), &s->layers},
      {MODEL_KEY("attention.head_count"), &s->heads},
      {MODEL_KEY("attention.head_count_kv"), &s->kv_heads},
      {MODEL_KEY("attention.key_length"), &s->head_dim},
      {MODEL_KEY("feed_forward_length"), &s->ff},
      {MODEL_KEY("context_length"), &s->max_tokens},
      {MODEL_KEY("case_count"), &s->cases},
  };
  base_slice arch;
  base_status st = gguf_get_string(f, "general.architecture", &arch, err);
  if (st) return st;
  if (!base_slice_equal(arch, BASE_LITERAL(MODEL_ARCH)))
    return base_fail(err, BASE_EUNSUPPORTED, gguf_path(f), "architecture '%.*s' is not a Minnow trunk",
                     (int)(arch.len < 40 ? arch.len : 40), arch.ptr);
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    st = gguf_get_u32(f, fields[i].key, fields[i].field, err);
    if (st) return st;
  }
  st = gguf_get_f32(f, MODEL_KEY("rope.freq_base"), &s->rope_base, err);
  if (!st) st = gguf_get_f32(f, MODEL_KEY("attention.layer_norm_rms_epsilon"), &s->eps, err);
  if (!st) st = model_shape_check(s, err);
  return st;
}

/* ---- binding ---- */

/* A tensor of floats with exactly n elements in rows of `dim0`. */
static base_status bind_floats(const float **out, const gguf_file *f, const char *name, uint64_t dim0,
                               uint64_t dim1, base_error *err) {
  const gguf_tensor *t;
  base_status st = gguf_need_tensor(f, name, GGUF_T_F32, dim0, dim1, &t, err);
  if (!st) *out = t->data;
  return st;
}

static uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

/* NAME.weight (packed int8), NAME.scale, NAME.row_sum. */
static base_status bind_weights(cpu_weights_i8 *w, const gguf_file *f, const char *name, size_t n, size_t k,
                                base_error *err) {
  char full[96];
  const gguf_tensor *t;
  uint64_t rows = round_up(n, 16);
  base_status st;
  base_format(full, sizeof full, "%s.weight", name);
  st = gguf_need_tensor(f, full, GGUF_T_I8, round_up(k, 4) * 16, rows / 16, &t, err);
  if (st) return st;
  *w = (cpu_weights_i8){.packed = t->data, .n = n, .k = k};
  base_format(full, sizeof full, "%s.scale", name);
  st = bind_floats(&w->scale, f, full, rows, 1, err);
  if (st) return st;
  base_format(full, sizeof full, "%s.row_sum", name);
  st = gguf_need_tensor(f, full, GGUF_T_I32, rows, 1, &t, err);
  if (!st) w->row_sum = t->data;
  return st;
}

static base_status bind_layer(model_layer *l, const gguf_file *f, const model_shape *s, uint32_t index,
                              base_error *err) {
  const struct {
    const char *name;
    cpu_weights_i8 *w;
    size_t n, k;
  } products[] = {
      {"attn_qkv", &l->qkv, model_qkv_rows(s), s->d},
      {"attn_output", &l->attn_out, s->d, (size_t)s->heads * s->head_dim},
      {"ffn_gate_up", &l->gate_up, 2 * (size_t)s->ff, s->d},
      {"ffn_down", &l->ffn_down, s->d, s->ff},
  };
  char name[64];
  base_status st = BASE_OK;
  for (size_t i = 0; i < 4 && !st; i++) {
    base_format(name, sizeof name, "blk.%u.%s", index, products[i].name);
    st = bind_weights(products[i].w, f, name, products[i].n, products[i].k, err);
  }
  base_format(name, sizeof name, "blk.%u.attn_norm.weight", index);
  if (!st) st = bind_floats(&l->attn_norm, f, name, s->d, 1, err);
  base_format(name, sizeof name, "blk.%u.ffn_norm.weight", index);
  if (!st) st = bind_floats(&l->ffn_norm, f, name, s->d, 1, err);
  return st;
}

base_status model_trunk_bind(model_trunk *m, const gguf_file *f, base_error *err) {
  model_shape *s = &m->shape;
  const gguf_tensor *t;
  base_status st = model_read_shape(s, f, err);
  if (st) return st;
  st = gguf_need_tensor(f, "token_embd.weight", GGUF_T_I8, s->d, s->vocab, &t, err);
  if (st) return st;
  m->embedding = t->data;
  st = bind_floats(&m->embedding_scale, f, "token_embd.scale", s->vocab, 1, err);
  if (!st) st = bind_floats(&m->case_embedding, f, "case_embd.weight", s->d, s->cases, err);
  if (!st) st = bind_floats(&m->output_norm, f, "output_norm.weight", s->d, 1, err);
  for (uint32_t i = 0; i < s->layers && !st; i++) st = bind_layer(&m->layer[i], f, s, i, err);
  return st;
}

/* ---- scratch ---- */

struct model_scratch {
  size_t max_tokens, bytes;
  base_allocator allocator;
  void *block; /* what was allocated; the struct lies inside it */
  float *hidden, *normed;    /* [t][d] */
  float *qkv;                /* [t][qkv rows] */
  float *q, *k, *v;          /* [t][heads*hd], [t][kv*hd] twice */
  float *attended;           /* [t][heads*hd] */
  float *gate_up;            /* [t][2 ff] */
  float *act;                /* [t][ff] */
  int8_t *quantised;         /* [t][max k] */
  float *quantised_scale;    /* [t] */
  float *attention;          /* cpu_attention_scratch */
  float *rope_cos, *rope_sin; /* [t][hd/2], for rope_base and rope_dim */
  float rope_base;
  size_t rope_dim;
};

static void scratch_carve(model_scratch *s, base_arena *a, const model_shape *m, size_t t) {
  size_t f = sizeof(float), attended = (size_t)m->heads * m->head_dim, kv = (size_t)m->kv_heads * m->head_dim;
  size_t widest = m->ff > m->d ? m->ff : m->d;
  if (attended > widest) widest = attended;
  s->hidden = base_arena_take(a, t * m->d, f);
  s->normed = base_arena_take(a, t * m->d, f);
  s->qkv = base_arena_take(a, t * model_qkv_rows(m), f);
  s->q = base_arena_take(a, t * attended, f);
  s->k = base_arena_take(a, t * kv, f);
  s->v = base_arena_take(a, t * kv, f);
  s->attended = base_arena_take(a, t * attended, f);
  s->gate_up = base_arena_take(a, t * 2 * m->ff, f);
  s->act = base_arena_take(a, t * m->ff, f);
  s->quantised = base_arena_take(a, t * round_up(widest, 4), 1);
  s->quantised_scale = base_arena_take(a, t, f);
  s->attention = base_arena_take(a, cpu_attention_scratch(t, m->heads, m->head_dim), f);
  s->rope_cos = base_arena_take(a, t * m->head_dim / 2, f);
  s->rope_sin = base_arena_take(a, t * m->head_dim / 2, f);
}

model_scratch *model_scratch_new(const model_shape *largest, size_t max_tokens, const base_allocator *a) {
  base_arena arena;
  model_scratch sizes, *s;
  if (a == NULL) a = base_allocator_libc();
  base_arena_init(&arena, NULL, 0);
  (void)base_arena_take(&arena, 1, sizeof *s);
  scratch_carve(&sizes, &arena, largest, max_tokens);
  size_t bytes = arena.used + 64;
  unsigned char *block = base_alloc(a, bytes);
  if (block == NULL) return NULL;
  base_arena_init(&arena, block, bytes);
  s = base_arena_take(&arena, 1, sizeof *s);
  *s = (model_scratch){.max_tokens = max_tokens, .bytes = bytes, .allocator = *a, .block = block};
  scratch_carve(s, &arena, largest, max_tokens);
  return s;
}

void model_scratch_free(model_scratch *s) {
  if (s == NULL) return;
  base_allocator a = s->allocator;
  base_free(&a, s->block, s->bytes);
}

/* ---- rotary tables ---- */

void model_rope_table(float base, size_t t, size_t head_dim, float *cos_table, float *sin_table) {
  size_t half = head_dim / 2;
  for (size_t i = 0; i < half; i++) {
    double frequency = exp(-log((double)base) * (2.0 * (double)i / (double)head_dim));
    for (size_t p = 0; p < t; p++) {
      double angle = (double)p * frequency;
      cos_table[p * half + i] = (float)cos(angle);
      sin_table[p * half + i] = (float)sin(angle);
    }
  }
}

static void scratch_prepare_rope(model_scratch *s, const model_shape *m) {
  if (s->rope_base == m->rope_base && s->rope_dim == m->head_dim) return;
  model_rope_table(m->rope_base, s->max_tokens, m->head_dim, s->rope_cos, s->rope_sin);
  s->rope_base = m->rope_base;
  s->rope_dim = m->head_dim;
}

/* ---- forward ---- */

static void embed(const model_trunk *m, const uint16_t *ids, const uint8_t *cases, size_t t, float *h) {
  size_t d = m->shape.d;
  for (size_t i = 0; i < t; i++) {
    const int8_t *row = m->embedding + ids[i] * d;
    const float *letter_case = m->case_embedding + cases[i] * d;
    float scale = m->embedding_scale[ids[i]];
    for (size_t j = 0; j < d; j++) h[i * d + j] = (float)row[j] * scale + letter_case[j];
  }
}

/* y (= or +=) W x for every token. */
static void product(const cpu_kernels *k, const cpu_weights_i8 *w, const float *x, size_t t, float *y,
                    bool add, model_scratch *s) {
  k->quantize_i8(x, t, w->k, s->quantised, s->quantised_scale);
  k->gemm_i8(w, s->quantised, s->quantised_scale, t, y, w->n, add);
}

static void split_qkv(const model_shape *m, size_t t, model_scratch *s) {
  size_t nq = (size_t)m->heads * m->head_dim, nkv = (size_t)m->kv_heads * m->head_dim;
  for (size_t i = 0; i < t; i++) {
    const float *row = s->qkv + i * (nq + 2 * nkv);
    for (size_t j = 0; j < nq; j++) s->q[i * nq + j] = row[j];
    for (size_t j = 0; j < nkv; j++) s->k[i * nkv + j] = row[nq + j];
    for (size_t j = 0; j < nkv; j++) s->v[i * nkv + j] = row[nq + nkv + j];
  }
}

static void layer_forward(const model_layer *l, const model_shape *m, const cpu_kernels *k, size_t t,
                          model_scratch *s) {
  /* attention: h += W_o attention(rope(q), rope(k), v) */
  k->rmsnorm(s->hidden, l->attn_norm, t, m->d, m->eps, s->normed, NULL);
  product(k, &l->qkv, s->normed, t, s->qkv, false, s);
  split_qkv(m, t, s);
  k->rope(s->q, t, m->heads, m->head_dim, s->rope_cos, s->rope_sin, 1.0f);
  k->rope(s->k, t, m->kv_heads, m->head_dim, s->rope_cos, s->rope_sin, 1.0f);
  k->attention(s->q, s->k, s->v, s->attended, t, m->heads, m->kv_heads, m->head_dim, 0, s->attention);
  product(k, &l->attn_out, s->attended, t, s->hidden, true, s);
  /* feed-forward: h += W_down (silu(gate) * up) */
  k->rmsnorm(s->hidden, l->ffn_norm, t, m->d, m->eps, s->normed, NULL);
  product(k, &l->gate_up, s->normed, t, s->gate_up, false, s);
  for (size_t i = 0; i < t; i++) {
    const float *row = s->gate_up + i * 2 * m->ff;
    k->silu_mul(row, row + m->ff, m->ff, s->act + i * m->ff);
  }
  product(k, &l->ffn_down, s->act, t, s->hidden, true, s);
}

const float *model_trunk_forward(const model_trunk *m, const cpu_kernels *k, const uint16_t *ids,
                                 const uint8_t *cases, size_t t, model_scratch *s) {
  scratch_prepare_rope(s, &m->shape);
  embed(m, ids, cases, t, s->hidden);
  for (uint32_t i = 0; i < m->shape.layers; i++) layer_forward(&m->layer[i], &m->shape, k, t, s);
  k->rmsnorm(s->hidden, m->output_norm, t, m->shape.d, m->shape.eps, s->normed, NULL);
  return s->normed;
}
