/* The parameters of a trunk with heads: layout, random start, loading from an int8 file, heads on and off. */
#include "train/net.h"

#include <math.h>
#include <string.h>

/* ---- layout ---- */

static int add_param(train_net *n, size_t rows, size_t cols, bool decay, bool head, const char *name) {
  train_param *p = &n->param[n->n_params];
  *p = (train_param){.offset = n->size, .rows = rows, .cols = cols, .decay = decay, .head = head};
  base_format(p->name, sizeof p->name, "%s", name);
  n->size += (rows * cols + 15) / 16 * 16; /* keeps every parameter 64-byte aligned */
  return (int)n->n_params++;
}

static int add_layer_param(train_net *n, uint32_t layer, const char *part, size_t rows, size_t cols,
                           bool decay) {
  char name[40];
  base_format(name, sizeof name, "blk.%u.%s", layer, part);
  return add_param(n, rows, cols, decay, false, name);
}

static void lay_out_trunk(train_net *n) {
  const model_shape *s = &n->shape;
  n->embedding = add_param(n, s->vocab, s->d, false, false, "token_embd");
  n->case_embedding = add_param(n, s->cases, s->d, false, false, "case_embd.weight");
  n->output_norm = add_param(n, 1, s->d, false, false, "output_norm.weight");
  for (uint32_t i = 0; i < s->layers; i++) {
    train_layer_params *l = &n->layer[i];
    l->attn_norm = add_layer_param(n, i, "attn_norm.weight", 1, s->d, false);
    l->qkv = add_layer_param(n, i, "attn_qkv", model_qkv_rows(s), s->d, true);
    l->attn_out = add_layer_param(n, i, "attn_output", s->d, (size_t)s->heads * s->head_dim, true);
    l->ffn_norm = add_layer_param(n, i, "ffn_norm.weight", 1, s->d, false);
    l->gate_up = add_layer_param(n, i, "ffn_gate_up", 2 * (size_t)s->ff, s->d, true);
    l->ffn_down = add_layer_param(n, i, "ffn_down", s->d, s->ff, true);
  }
  n->mlm_dense = n->mlm_bias = -1;
  n->pool_query = n->classify = n->classify_bias = n->tag = n->tag_bias = -1;
  n->transition = n->start = n->label_tag = -1;
}

static void free_arrays(train_net *n, size_t size) {
  float **arrays[] = {&n->w, &n->g, &n->m, &n->v, &n->average};
  for (size_t i = 0; i < 5; i++) {
    base_free(n->allocator, *arrays[i], size * sizeof(float));
    *arrays[i] = NULL;
  }
}

/* (Re)allocates the flat arrays at n->size, keeping the first `kept` weights. Moments start at zero. */
static base_status make_arrays(train_net *n, size_t kept, size_t old_size, base_error *err) {
  float *fresh[5] = {0};
  for (size_t i = 0; i < 5; i++) {
    fresh[i] = base_calloc(n->allocator, n->size, sizeof(float));
    if (fresh[i] != NULL) continue;
    while (i-- > 0) base_free(n->allocator, fresh[i], n->size * sizeof(float));
    return base_fail(err, BASE_ENOMEM, "training", "no memory for %zu parameters", n->size);
  }
  if (kept) memcpy(fresh[0], n->w, kept * sizeof(float));
  free_arrays(n, old_size);
  n->w = fresh[0];
  n->g = fresh[1];
  n->m = fresh[2];
  n->v = fresh[3];
  n->average = fresh[4];
  return BASE_OK;
}

static void randomise(train_net *n, int param, float std, base_rng *rng) {
  float *w = train_w(n, param);
  size_t count = n->param[param].rows * n->param[param].cols;
  for (size_t i = 0; i < count; i++) w[i] = base_rng_normal(rng) * std;
}

static void fill(train_net *n, int param, float value) {
  float *w = train_w(n, param);
  size_t count = n->param[param].rows * n->param[param].cols;
  for (size_t i = 0; i < count; i++) w[i] = value;
}

/* ---- making nets ---- */

static base_status net_alloc(train_net **out, const model_shape *shape, const base_allocator *a,
                             base_error *err) {
  base_status st = model_shape_check(shape, err);
  if (st) return st;
  if (a == NULL) a = base_allocator_libc();
  train_net *n = base_calloc(a, 1, sizeof *n);
  if (n == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for the net");
  n->allocator = a;
  n->shape = *shape;
  lay_out_trunk(n);
  st = make_arrays(n, 0, 0, err);
  if (st) {
    train_net_free(n);
    return st;
  }
  *out = n;
  return BASE_OK;
}

base_status train_net_new(train_net **out, const model_shape *shape, uint64_t seed, const base_allocator *a,
                          base_error *err) {
  base_rng rng;
  train_net *n;
  base_status st = net_alloc(&n, shape, a, err);
  if (st) return st;
  base_rng_seed(&rng, seed);
  randomise(n, n->embedding, 0.05f, &rng);
  randomise(n, n->case_embedding, 0.02f, &rng);
  fill(n, n->output_norm, 1.0f);
  /* The two projections back into the residual start smaller, by the depth (Radford et al. 2019). */
  float deep = 1.0f / sqrtf(2.0f * (float)shape->layers);
  for (uint32_t i = 0; i < shape->layers; i++) {
    const train_layer_params *l = &n->layer[i];
    float by_d = 1.0f / sqrtf((float)shape->d);
    fill(n, l->attn_norm, 1.0f);
    fill(n, l->ffn_norm, 1.0f);
    randomise(n, l->qkv, by_d, &rng);
    randomise(n, l->attn_out, deep / sqrtf((float)(shape->heads * shape->head_dim)), &rng);
    randomise(n, l->gate_up, by_d, &rng);
    randomise(n, l->ffn_down, deep / sqrtf((float)shape->ff), &rng);
  }
  *out = n;
  return BASE_OK;
}

/* Packed int8 of the file back to float rows. */
static void unpack(const cpu_weights_i8 *w, float *out) {
  size_t k4 = (w->k + 3) / 4;
  for (size_t row = 0; row < w->n; row++)
    for (size_t j = 0; j < w->k; j++) {
      int8_t q = w->packed[((row / 16) * k4 + j / 4) * 64 + (row % 16) * 4 + j % 4];
      out[row * w->k + j] = (float)q * w->scale[row];
    }
}

base_status train_net_load(train_net **out, const gguf_file *f, const base_allocator *a, base_error *err) {
  model_trunk trunk;
  train_net *n;
  base_status st = model_trunk_bind(&trunk, f, err);
  if (!st) st = net_alloc(&n, &trunk.shape, a, err);
  if (st) return st;
  const model_shape *s = &n->shape;
  float *e = train_w(n, n->embedding);
  for (size_t i = 0; i < s->vocab; i++)
    for (size_t j = 0; j < s->d; j++)
      e[i * s->d + j] = (float)trunk.embedding[i * s->d + j] * trunk.embedding_scale[i];
  memcpy(train_w(n, n->case_embedding), trunk.case_embedding, s->cases * s->d * sizeof(float));
  memcpy(train_w(n, n->output_norm), trunk.output_norm, s->d * sizeof(float));
  for (uint32_t i = 0; i < s->layers; i++) {
    const model_layer *from = &trunk.layer[i];
    const train_layer_params *to = &n->layer[i];
    memcpy(train_w(n, to->attn_norm), from->attn_norm, s->d * sizeof(float));
    memcpy(train_w(n, to->ffn_norm), from->ffn_norm, s->d * sizeof(float));
    unpack(&from->qkv, train_w(n, to->qkv));
    unpack(&from->attn_out, train_w(n, to->attn_out));
    unpack(&from->gate_up, train_w(n, to->gate_up));
    unpack(&from->ffn_down, train_w(n, to->ffn_down));
  }
  *out = n;
  return BASE_OK;
}

void train_net_free(train_net *n) {
  if (n == NULL) return;
  const base_allocator *a = n->allocator;
  free_arrays(n, n->size);
  base_free(a, n->allowed, (size_t)n->n_labels * (n->n_slots ? n->n_slots : 1));
  base_free(a, n->bag_block, n->bag_bytes);
  base_free(a, n->tagger_block, n->tagger_bytes);
  base_free(a, n->saved, n->saved_bytes);
  base_free(a, n, sizeof *n);
}

const model_shape *train_net_shape(const train_net *n) { return &n->shape; }

/* ---- heads ---- */

base_status train_net_add_heads(train_net *n, uint32_t n_labels, uint32_t n_slots, const uint8_t *allowed,
                                uint64_t seed, base_error *err) {
  size_t d = n->shape.d, tags = 1 + 2 * (size_t)n_slots, trunk_size = n->size;
  size_t allowed_bytes = (size_t)n_labels * (n_slots ? n_slots : 1);
  base_rng rng;
  if (n->n_labels != 0) return base_fail(err, BASE_EARGUMENT, "training", "the net has heads already");
  if (n_labels < 1 || n_labels > HEAD_MAX_LABELS || n_slots > HEAD_MAX_SLOTS)
    return base_fail(err, BASE_ELIMIT, "training", "%u labels and %u slots; at most %d and %d are supported",
                     n_labels, n_slots, HEAD_MAX_LABELS, HEAD_MAX_SLOTS);
  n->allowed = base_calloc(n->allocator, 1, allowed_bytes);
  if (n->allowed == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for the heads");
  n->n_labels = n_labels;
  n->n_slots = n_slots;
  if (n_slots) memcpy(n->allowed, allowed, allowed_bytes);
  n->pool_query = add_param(n, 1, d, false, true, "head.pool.query");
  n->classify = add_param(n, n_labels, 3 * d, true, true, "head.classify.weight");
  n->classify_bias = add_param(n, 1, n_labels, false, true, "head.classify.bias");
  n->tag = add_param(n, tags, 2 * d, true, true, "head.tag.weight");
  n->tag_bias = add_param(n, 1, tags, false, true, "head.tag.bias");
  n->transition = add_param(n, tags, tags, false, true, "head.tag.transition");
  n->start = add_param(n, 1, tags, false, true, "head.tag.start");
  n->label_tag = add_param(n, n_labels, tags, false, true, "head.label_tag");
  base_status st = make_arrays(n, trunk_size, trunk_size, err);
  if (st) return st;
  base_rng_seed(&rng, seed ^ UINT64_C(0x68656164));
  randomise(n, n->pool_query, 0.02f, &rng);
  randomise(n, n->classify, 0.02f, &rng);
  randomise(n, n->tag, 0.02f, &rng);
  return BASE_OK;
}

base_status train_net_load_heads(train_net *n, const gguf_file *f, base_error *err) {
  for (size_t i = 0; i < n->n_params; i++) {
    const train_param *p = &n->param[i];
    const gguf_tensor *t;
    if (!p->head) continue;
    base_status st = gguf_need_tensor(f, p->name, GGUF_T_F32, p->cols, p->rows, &t, err);
    if (st) return st;
    memcpy(n->w + p->offset, t->data, p->rows * p->cols * sizeof(float));
  }
  return BASE_OK;
}

head_weights train_net_heads(const train_net *n) {
  return (head_weights){
      .d = n->shape.d,
      .n_labels = n->n_labels,
      .n_slots = n->n_slots,
      .pool_query = train_w(n, n->pool_query),
      .classify = train_w(n, n->classify),
      .classify_bias = train_w(n, n->classify_bias),
      .tag = train_w(n, n->tag),
      .tag_bias = train_w(n, n->tag_bias),
      .transition = train_w(n, n->transition),
      .start = train_w(n, n->start),
      .label_tag = train_w(n, n->label_tag),
      .allowed = n->allowed,
      .bag = n->bag,
      .tagger = n->tagger,
  };
}

base_status train_net_add_mlm(train_net *n, uint64_t seed, base_error *err) {
  size_t d = n->shape.d, trunk_size = n->size;
  base_rng rng;
  if (n->n_labels != 0) return base_fail(err, BASE_EARGUMENT, "training", "the net has heads already");
  n->mlm_dense = add_param(n, d, d, true, false, "mlm.dense");
  n->mlm_bias = add_param(n, 1, n->shape.vocab, false, false, "mlm.bias");
  base_status st = make_arrays(n, trunk_size, trunk_size, err);
  if (st) return st;
  base_rng_seed(&rng, seed ^ UINT64_C(0x6d6c6d));
  randomise(n, n->mlm_dense, 1.0f / sqrtf((float)d), &rng);
  return BASE_OK;
}

void train_net_drop_mlm(train_net *n) {
  if (n->mlm_dense < 0) return;
  /* The two last parameters; the arrays keep their size until heads come, which is harmless: size only
   * shrinks what is used. */
  size_t old_size = n->size, kept = n->param[n->mlm_dense].offset;
  n->n_params -= 2;
  n->size = kept;
  n->mlm_dense = n->mlm_bias = -1;
  /* Shrinking cannot fail in a way that loses weights: on failure the larger arrays stay, their tail unused. */
  if (make_arrays(n, kept, old_size, NULL) != BASE_OK) n->size = old_size;
}
