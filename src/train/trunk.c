/* The trunk in float: forward as in model/model.h, leaving a tape, and backward mirroring it in the opposite
 * order. Matrix products are split over the pool by rows, attention by sequences. */
#include <math.h>
#include <string.h>

#include "train/net.h"

void train_gemm(const train_tape *tape, bool ta, bool tb, size_t m, size_t n, size_t k, const float *a,
                size_t lda, const float *b, size_t ldb, float *c, size_t ldc, bool add) {
  cpu_gemm_f32(tape->k, tape->pool, ta, tb, m, n, k, a, lda, b, ldb, c, ldc, add, tape->gemm);
}

/* y [t][rows] = x [t][cols] W^T */
static void product(const train_net *n, int p, const float *x, size_t t, float *y, const train_tape *tape) {
  const train_param *w = &n->param[p];
  train_gemm(tape, false, true, t, w->rows, w->cols, x, w->cols, train_w(n, p), w->cols, y, w->rows, false);
}

/* dx (= or +=) dy W, and dW += dy^T x */
static void product_backward(train_net *n, int p, const float *x, const float *dy, size_t t, float *dx,
                             bool add, const train_tape *tape) {
  const train_param *w = &n->param[p];
  train_gemm(tape, true, false, w->rows, w->cols, t, dy, w->rows, x, w->cols, train_g(n, p), w->cols, true);
  train_gemm(tape, false, false, t, w->cols, w->rows, dy, w->rows, train_w(n, p), w->cols, dx, w->cols, add);
}

/* ---- dropout ---- */

static uint64_t mix(uint64_t x) { /* splitmix64's finaliser */
  x ^= x >> 30;
  x *= UINT64_C(0xbf58476d1ce4e5b9);
  x ^= x >> 27;
  x *= UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

void train_dropout(float *x, size_t count, float p, uint64_t key) {
  uint64_t limit = (uint64_t)(p * 256.0f + 0.5f);
  float scale = 256.0f / (256.0f - (float)limit);
  if (limit == 0) return;
  for (size_t i = 0; i < count; i += 8) { /* one hash decides eight elements, a byte each */
    uint64_t bits = mix(key + i * UINT64_C(0x9e3779b97f4a7c15));
    size_t n = count - i < 8 ? count - i : 8;
    for (size_t j = 0; j < n; j++) x[i + j] = (bits >> (8 * j) & 255) < limit ? 0.0f : x[i + j] * scale;
  }
}

typedef struct dropped_add {
  const float *x; /* NULL: drop y in place */
  float *y;
  size_t row;
  float p;
  uint64_t key;
  const cpu_kernels *k;
} dropped_add;

enum { ROWS_A_TASK = 32 };

/* ---- attention, a sequence a task ---- */

typedef struct attention_task {
  const train_net *n;
  const train_batch *b;
  const train_tape *tape;
  const train_layer_tape *l;
  const float *dattended;
  float *dqkv;
} attention_task;

static void attention_forward(void *ctx, size_t seq, int worker) {
  const attention_task *task = ctx;
  const model_shape *s = &task->n->shape;
  const cpu_kernels *k = task->tape->k;
  size_t hd = s->head_dim, width = model_qkv_rows(s), out_width = s->heads * hd,
         group = s->heads / s->kv_heads;
  size_t at = task->b->seq[seq], len = task->b->seq[seq + 1] - at;
  const float *qkv = task->l->qkv + at * width;
  float *out = task->l->attended + at * out_width, *probs = task->l->probs + task->tape->probs_at[seq];
  float scale = 1.0f / sqrtf((float)hd);
  (void)worker;
  memset(out, 0, len * out_width * sizeof *out);
  for (size_t h = 0; h < s->heads; h++) {
    const float *key = qkv + (s->heads + h / group) * hd, *value = key + s->kv_heads * hd;
    for (size_t i = 0; i < len; i++) {
      float *p = probs + (h * len + i) * len;
      for (size_t j = 0; j < len; j++) p[j] = k->dot(qkv + i * width + h * hd, key + j * width, hd) * scale;
      k->softmax(p, len);
      for (size_t j = 0; j < len; j++) k->axpy(p[j], value + j * width, hd, out + i * out_width + h * hd);
    }
  }
}

static void attention_backward(void *ctx, size_t seq, int worker) {
  const attention_task *task = ctx;
  const model_shape *s = &task->n->shape;
  const cpu_kernels *k = task->tape->k;
  size_t hd = s->head_dim, width = model_qkv_rows(s), out_width = s->heads * hd,
         group = s->heads / s->kv_heads;
  size_t at = task->b->seq[seq], len = task->b->seq[seq + 1] - at;
  const float *qkv = task->l->qkv + at * width, *dout = task->dattended + at * out_width;
  const float *probs = task->l->probs + task->tape->probs_at[seq];
  float *dqkv = task->dqkv + at * width, scale = 1.0f / sqrtf((float)hd);
  float *ds = task->tape->attention + (size_t)worker * 2 * task->tape->max_len;
  memset(dqkv, 0, len * width * sizeof *dqkv);
  for (size_t h = 0; h < s->heads; h++) {
    size_t key_at = (s->heads + h / group) * hd, value_at = key_at + s->kv_heads * hd, query_at = h * hd;
    for (size_t i = 0; i < len; i++) {
      const float *p = probs + (h * len + i) * len, *d = dout + i * out_width + h * hd;
      for (size_t j = 0; j < len; j++) ds[j] = k->dot(d, qkv + j * width + value_at, hd);
      float sum = k->dot(p, ds, len);
      for (size_t j = 0; j < len; j++) {
        float g = p[j] * (ds[j] - sum) * scale;
        k->axpy(p[j], d, hd, dqkv + j * width + value_at);
        k->axpy(g, qkv + j * width + key_at, hd, dqkv + i * width + query_at);
        k->axpy(g, qkv + i * width + query_at, hd, dqkv + j * width + key_at);
      }
    }
  }
}

/* Rotates (sign 1) or rotates back (-1) queries and keys in rows of qkv. */
static void rotate(const train_net *n, const train_batch *b, const train_tape *tape, float *qkv, float sign) {
  const model_shape *s = &n->shape;
  size_t width = model_qkv_rows(s), heads = s->heads + s->kv_heads, half = s->head_dim / 2;
  for (size_t seq = 0; seq < b->n_seqs; seq++)
    for (size_t i = b->seq[seq]; i < b->seq[seq + 1]; i++) {
      size_t position = i - b->seq[seq];
      tape->k->rope(qkv + i * width, 1, heads, s->head_dim, tape->rope_cos + position * half,
                    tape->rope_sin + position * half, sign);
    }
}

/* ---- the feed-forward's activation, rows split over the pool ---- */

typedef struct silu_task {
  const train_tape *tape;
  const float *gate_up, *dact;
  float *act, *dgate_up;
  size_t t, ff;
} silu_task;

static void silu_forward(void *ctx, size_t index, int worker) {
  const silu_task *task = ctx;
  size_t end = (index + 1) * ROWS_A_TASK, ff = task->ff;
  (void)worker;
  for (size_t i = index * ROWS_A_TASK; i < end && i < task->t; i++) {
    const float *row = task->gate_up + i * 2 * ff;
    task->tape->k->silu_mul(row, row + ff, ff, task->act + i * ff);
  }
}

static void silu_backward(void *ctx, size_t index, int worker) {
  const silu_task *task = ctx;
  size_t end = (index + 1) * ROWS_A_TASK, ff = task->ff;
  (void)worker;
  for (size_t i = index * ROWS_A_TASK; i < end && i < task->t; i++) {
    const float *row = task->gate_up + i * 2 * ff;
    float *drow = task->dgate_up + i * 2 * ff;
    task->tape->k->silu_mul_backward(row, row + ff, task->dact + i * ff, ff, drow, drow + ff);
  }
}

static size_t tasks_of(size_t rows) { return (rows + ROWS_A_TASK - 1) / ROWS_A_TASK; }

/* ---- residual branches: h_out = h_in + dropout(branch) ---- */

static uint64_t branch_key(const train_tape *tape, uint32_t layer, uint32_t branch) {
  return mix(tape->dropout_key + (uint64_t)layer * 16 + branch + 1);
}

static void drop_rows(void *ctx, size_t index, int worker) {
  const dropped_add *task = ctx;
  (void)worker;
  train_dropout(task->y + index * task->row, task->row, task->p, mix(task->key + index));
  if (task->x != NULL) task->k->add(task->x + index * task->row, task->row, task->y + index * task->row);
}

/* y = x + dropout(y); without x only the dropout. Rows in chunks over the pool. */
static void drop_and_add(const train_tape *tape, const float *x, float *y, size_t t, size_t d, uint64_t key) {
  dropped_add task = {.x = x, .y = y, .row = d, .p = tape->dropout, .key = key, .k = tape->k};
  os_pool_run(tape->pool, drop_rows, &task, t);
}

/* ---- forward ---- */

static void embed(const train_net *n, const train_batch *b, float *h) {
  size_t d = n->shape.d;
  const float *e = train_w(n, n->embedding), *c = train_w(n, n->case_embedding);
  for (size_t i = 0; i < b->n_tokens; i++)
    for (size_t j = 0; j < d; j++) h[i * d + j] = e[b->ids[i] * d + j] + c[b->cases[i] * d + j];
}

static void layer_forward(const train_net *n, const train_batch *b, train_tape *tape, uint32_t index,
                          float *next) {
  const model_shape *s = &n->shape;
  const train_layer_params *w = &n->layer[index];
  train_layer_tape *l = &tape->layer[index];
  const cpu_kernels *k = tape->k;
  size_t t = b->n_tokens;
  attention_task attend = {.n = n, .b = b, .tape = tape, .l = l};
  silu_task silu = {.tape = tape, .gate_up = l->gate_up, .act = l->act, .t = t, .ff = s->ff};
  /* attention */
  k->rmsnorm(l->h, train_w(n, w->attn_norm), t, s->d, s->eps, l->n1, l->inv_rms1);
  product(n, w->qkv, l->n1, t, l->qkv, tape);
  rotate(n, b, tape, l->qkv, 1.0f);
  os_pool_run(tape->pool, attention_forward, &attend, b->n_seqs);
  product(n, w->attn_out, l->attended, t, l->mid, tape);
  drop_and_add(tape, l->h, l->mid, t, s->d, branch_key(tape, index, 0));
  /* feed-forward */
  k->rmsnorm(l->mid, train_w(n, w->ffn_norm), t, s->d, s->eps, l->n2, l->inv_rms2);
  product(n, w->gate_up, l->n2, t, l->gate_up, tape);
  os_pool_run(tape->pool, silu_forward, &silu, tasks_of(t));
  product(n, w->ffn_down, l->act, t, next, tape);
  drop_and_add(tape, l->mid, next, t, s->d, branch_key(tape, index, 1));
}

void train_forward(const train_net *n, const train_batch *b, train_tape *tape) {
  const model_shape *s = &n->shape;
  size_t at = 0;
  for (size_t i = 0; i < b->n_seqs; i++) {
    size_t len = b->seq[i + 1] - b->seq[i];
    tape->probs_at[i] = at;
    at += len * len * s->heads;
  }
  embed(n, b, tape->layer[0].h);
  drop_and_add(tape, NULL, tape->layer[0].h, b->n_tokens, s->d, branch_key(tape, MODEL_MAX_LAYERS, 0));
  for (uint32_t i = 0; i < s->layers; i++)
    layer_forward(n, b, tape, i, i + 1 < s->layers ? tape->layer[i + 1].h : tape->last);
  tape->k->rmsnorm(tape->last, train_w(n, n->output_norm), b->n_tokens, s->d, s->eps, tape->hidden,
                   tape->inv_rms);
}

/* ---- backward: tape->dh holds the gradient of the layer's output on entry, of its input on exit ---- */

static void layer_backward(train_net *n, const train_batch *b, train_tape *tape, uint32_t index) {
  const model_shape *s = &n->shape;
  const train_layer_params *w = &n->layer[index];
  train_layer_tape *l = &tape->layer[index];
  const cpu_kernels *k = tape->k;
  size_t t = b->n_tokens, row = s->d * sizeof(float);
  silu_task silu = {
      .tape = tape, .gate_up = l->gate_up, .dact = tape->dact, .dgate_up = tape->dbig, .t = t, .ff = s->ff};
  attention_task attend = {.n = n, .b = b, .tape = tape, .l = l, .dattended = tape->dact, .dqkv = tape->dqkv};
  /* feed-forward: the branch's gradient is the residual's, dropped */
  memcpy(tape->dn, tape->dh, t * row);
  drop_and_add(tape, NULL, tape->dn, t, s->d, branch_key(tape, index, 1));
  product_backward(n, w->ffn_down, l->act, tape->dn, t, tape->dact, false, tape);
  os_pool_run(tape->pool, silu_backward, &silu, tasks_of(t));
  product_backward(n, w->gate_up, l->n2, tape->dbig, t, tape->dn, false, tape);
  k->rmsnorm_backward(l->mid, train_w(n, w->ffn_norm), l->inv_rms2, tape->dn, t, s->d, tape->dh,
                      train_g(n, w->ffn_norm));
  /* attention */
  memcpy(tape->dn, tape->dh, t * row);
  drop_and_add(tape, NULL, tape->dn, t, s->d, branch_key(tape, index, 0));
  product_backward(n, w->attn_out, l->attended, tape->dn, t, tape->dact, false, tape);
  os_pool_run(tape->pool, attention_backward, &attend, b->n_seqs);
  rotate(n, b, tape, tape->dqkv, -1.0f);
  product_backward(n, w->qkv, l->n1, tape->dqkv, t, tape->dn, false, tape);
  k->rmsnorm_backward(l->h, train_w(n, w->attn_norm), l->inv_rms1, tape->dn, t, s->d, tape->dh,
                      train_g(n, w->attn_norm));
}

void train_backward(train_net *n, const train_batch *b, train_tape *tape) {
  const model_shape *s = &n->shape;
  size_t d = s->d;
  float *de = train_g(n, n->embedding), *dc = train_g(n, n->case_embedding);
  memset(tape->dh, 0, b->n_tokens * d * sizeof(float));
  tape->k->rmsnorm_backward(tape->last, train_w(n, n->output_norm), tape->inv_rms, tape->dn, b->n_tokens, d,
                            tape->dh, train_g(n, n->output_norm));
  for (uint32_t i = s->layers; i-- > 0;) layer_backward(n, b, tape, i);
  drop_and_add(tape, NULL, tape->dh, b->n_tokens, d, branch_key(tape, MODEL_MAX_LAYERS, 0));
  for (size_t i = 0; i < b->n_tokens; i++) {
    tape->k->add(tape->dh + i * d, d, de + b->ids[i] * d);
    tape->k->add(tape->dh + i * d, d, dc + b->cases[i] * d);
  }
}
