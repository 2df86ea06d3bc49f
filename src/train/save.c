/* A net into a GGUF writer: int8 trunk in the kernels' packed layout, float heads, calibration and tokenizer.
 * model/trunk.c and head/brain.c read what is written here. */
#include <math.h>
#include <string.h>

#include "train/loop.h"

static size_t pad16(size_t n) { return (n + 15) / 16 * 16; }

/* Parameters stored in int8: the matrices of the trunk's layers. */
static bool is_packed(const train_net *n, size_t i) {
  return n->param[i].rows > 1 && !n->param[i].head && (int)i != n->embedding && (int)i != n->case_embedding;
}

/* One block for all quantised copies: sized by the same walk that fills it. */
typedef struct saver {
  train_net *n;
  base_arena arena;
  gguf_writer *w; /* NULL while sizing */
} saver;

static void save_packed(saver *s, const train_param *p) {
  size_t rows = pad16(p->rows), k4 = (p->cols + 3) / 4 * 4;
  uint64_t weight_dim[2] = {k4 * 16, rows / 16}, row_dim[1] = {rows};
  int8_t *packed = base_arena_take(&s->arena, cpu_packed_i8_bytes(p->rows, p->cols), 1);
  float *scale = base_arena_take(&s->arena, rows, sizeof *scale);
  int32_t *row_sum = base_arena_take(&s->arena, rows, sizeof *row_sum);
  char name[64];
  if (s->w == NULL) return;
  cpu_pack_i8(s->n->w + p->offset, p->rows, p->cols, packed, scale, row_sum);
  base_format(name, sizeof name, "%s.weight", p->name);
  gguf_put_tensor(s->w, name, GGUF_T_I8, 2, weight_dim, packed);
  base_format(name, sizeof name, "%s.scale", p->name);
  gguf_put_tensor(s->w, name, GGUF_T_F32, 1, row_dim, scale);
  base_format(name, sizeof name, "%s.row_sum", p->name);
  gguf_put_tensor(s->w, name, GGUF_T_I32, 1, row_dim, row_sum);
}

void train_quantise_rows(const float *w, size_t rows, size_t cols, int8_t *q, float *scale) {
  for (size_t r = 0; r < rows; r++) {
    const float *row = w + r * cols;
    float most = 0.0f;
    for (size_t j = 0; j < cols; j++) most = fabsf(row[j]) > most ? fabsf(row[j]) : most;
    scale[r] = most / 127.0f;
    for (size_t j = 0; j < cols; j++) q[r * cols + j] = (int8_t)(most > 1e-30f ? lrintf(row[j] / scale[r]) : 0);
  }
}

/* The embedding: int8 rows as they are looked up, one scale a row. */
static void save_embedding(saver *s, const train_param *p) {
  uint64_t dim[2] = {p->cols, p->rows}, scale_dim[1] = {p->rows};
  int8_t *q = base_arena_take(&s->arena, p->rows * p->cols, 1);
  float *scale = base_arena_take(&s->arena, p->rows, sizeof *scale);
  if (s->w == NULL) return;
  train_quantise_rows(s->n->w + p->offset, p->rows, p->cols, q, scale);
  gguf_put_tensor(s->w, "token_embd.weight", GGUF_T_I8, 2, dim, q);
  gguf_put_tensor(s->w, "token_embd.scale", GGUF_T_F32, 1, scale_dim, scale);
}

static void save_float(saver *s, const train_param *p) {
  uint64_t dim[2] = {p->cols, p->rows};
  float *copy = base_arena_take(&s->arena, p->rows * p->cols, sizeof *copy);
  if (s->w == NULL) return;
  memcpy(copy, s->n->w + p->offset, p->rows * p->cols * sizeof(float));
  gguf_put_tensor(s->w, p->name, GGUF_T_F32, p->rows > 1 ? 2 : 1, dim, copy);
}

static void save_allowed(saver *s) {
  size_t slots = s->n->n_slots ? s->n->n_slots : 1;
  uint64_t dim[2] = {slots, s->n->n_labels};
  if (s->w != NULL) gguf_put_tensor(s->w, "head.allowed", GGUF_T_I8, 2, dim, s->n->allowed);
}

/* The bag belongs to the net already quantised. */
static void save_bag(saver *s) {
  const head_bag *b = &s->n->bag;
  uint64_t weight_dim[2] = {s->n->n_labels, b->buckets}, dim[1] = {b->buckets},
           bias_dim[1] = {s->n->n_labels};
  if (s->w == NULL || b->buckets == 0) return;
  gguf_put_tensor(s->w, "head.bag.weight", GGUF_T_I8, 2, weight_dim, b->weight);
  gguf_put_tensor(s->w, "head.bag.scale", GGUF_T_F32, 1, dim, b->scale);
  gguf_put_tensor(s->w, "head.bag.idf", GGUF_T_F32, 1, dim, b->idf);
  gguf_put_tensor(s->w, "head.bag.bias", GGUF_T_F32, 1, bias_dim, b->bias);
}

static void save_tagger(saver *s) {
  const head_tagger *t = &s->n->tagger;
  uint64_t weight_dim[2] = {1 + 2 * (uint64_t)s->n->n_slots, t->buckets}, dim[1] = {t->buckets},
           value_dim[1] = {t->n_values};
  if (s->w == NULL || t->buckets == 0) return;
  gguf_put_tensor(s->w, "head.tagger.weight", GGUF_T_I8, 2, weight_dim, t->weight);
  gguf_put_tensor(s->w, "head.tagger.scale", GGUF_T_F32, 1, dim, t->scale);
  if (t->n_values == 0) return;
  gguf_put_tensor(s->w, "head.tagger.value", GGUF_T_I32, 1, value_dim, t->value);
  gguf_put_tensor(s->w, "head.tagger.value_slot", GGUF_T_I8, 1, value_dim, t->value_slot);
}

static void save_tensors(saver *s) {
  for (size_t i = 0; i < s->n->n_params; i++) {
    const train_param *p = &s->n->param[i];
    if ((int)i == s->n->embedding)
      save_embedding(s, p);
    else if (is_packed(s->n, i))
      save_packed(s, p);
    else
      save_float(s, p);
  }
  if (s->n->n_labels) save_allowed(s);
  save_bag(s);
  save_tagger(s);
}

static void put_shape(gguf_writer *w, const model_shape *s) {
  gguf_put_u32(w, MODEL_KEY("vocab_size"), s->vocab);
  gguf_put_u32(w, MODEL_KEY("embedding_length"), s->d);
  gguf_put_u32(w, MODEL_KEY("block_count"), s->layers);
  gguf_put_u32(w, MODEL_KEY("attention.head_count"), s->heads);
  gguf_put_u32(w, MODEL_KEY("attention.head_count_kv"), s->kv_heads);
  gguf_put_u32(w, MODEL_KEY("attention.key_length"), s->head_dim);
  gguf_put_u32(w, MODEL_KEY("feed_forward_length"), s->ff);
  gguf_put_u32(w, MODEL_KEY("context_length"), s->max_tokens);
  gguf_put_u32(w, MODEL_KEY("case_count"), s->cases);
  gguf_put_f32(w, MODEL_KEY("rope.freq_base"), s->rope_base);
  gguf_put_f32(w, MODEL_KEY("attention.layer_norm_rms_epsilon"), s->eps);
}

static void put_calibration(gguf_writer *w, const head_calibration *c) {
  float v[6 + 3 * HEAD_FEATURES] = {c->temperature, c->bias,          c->act_threshold,
                                    c->target,      c->oos_threshold, c->bag_weight};
  memcpy(v + 6, c->mean, sizeof c->mean);
  memcpy(v + 6 + HEAD_FEATURES, c->inv_std, sizeof c->inv_std);
  memcpy(v + 6 + 2 * HEAD_FEATURES, c->weight, sizeof c->weight);
  gguf_put_f32s(w, "minnow.calibration", v, sizeof v / sizeof v[0]);
  const float tags[] = {c->tag_scale, c->tagger_weight, c->move_scale};
  if (c->tagger_weight > 0.0f || c->tag_scale != 1.0f || c->move_scale != 1.0f)
    gguf_put_f32s(w, "minnow.tags", tags, sizeof tags / sizeof tags[0]);
  const float evidence[] = {c->slots_weight, c->path_weight};
  if (c->slots_weight > 0.0f || c->path_weight > 0.0f)
    gguf_put_f32s(w, "minnow.head.evidence", evidence, sizeof evidence / sizeof evidence[0]);
  if (c->none_plus_1 > 0) gguf_put_u32(w, "minnow.head.none", c->none_plus_1 - 1);
  if (c->n_risks == 0) return;
  float risk[2 * HEAD_RISKS];
  memcpy(risk, c->risk_share, c->n_risks * sizeof *risk);
  memcpy(risk + c->n_risks, c->risk_threshold, c->n_risks * sizeof *risk);
  gguf_put_f32s(w, "minnow.risk", risk, 2 * (size_t)c->n_risks);
}

base_status train_put(train_net *n, const tok_bpe *tok, const data_set *names, const head_calibration *c,
                      gguf_writer *w, base_error *err) {
  saver s = {.n = n};
  base_free(n->allocator, n->saved, n->saved_bytes);
  base_arena_init(&s.arena, NULL, 0);
  save_tensors(&s);
  n->saved_bytes = s.arena.used + 64;
  n->saved = base_alloc(n->allocator, n->saved_bytes);
  if (n->saved == NULL) {
    n->saved_bytes = 0;
    return base_fail(err, BASE_ENOMEM, "saving", "no memory for the quantised weights");
  }
  gguf_put_string(w, "general.architecture", BASE_LITERAL(MODEL_ARCH));
  put_shape(w, &n->shape);
  if (n->n_labels) {
    gguf_put_strings(w, "minnow.head.labels", names->labels.name, names->labels.n);
    gguf_put_strings(w, "minnow.head.slots", names->slots.name, names->slots.n);
    put_calibration(w, c);
  }
  tok_bpe_save(tok, w);
  base_arena_init(&s.arena, n->saved, n->saved_bytes);
  s.w = w;
  save_tensors(&s);
  return BASE_OK;
}

base_status train_net_put(train_net *n, const tok_bpe *tok, gguf_writer *w, base_error *err) {
  return train_put(n, tok, NULL, NULL, w, err);
}
