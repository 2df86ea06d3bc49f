/* The losses and their gradients: classification (label smoothing, agreement of two dropout passes), tagging
 * (the negative log likelihood of a linear-chain CRF over the gold label's slots), masked tokens. */
#include <math.h>
#include <string.h>

#include "train/net.h"

/* ---- buffers of the two heads ---- */

struct train_head_work {
  const base_allocator *allocator;
  void *block;
  size_t bytes;
  float *pooled, *dpooled; /* [seqs][3 d] */
  float *attention;        /* [tokens] pooling weights */
  float *logits, *dlogits; /* [seqs][labels] */
  float *word, *dword;     /* [words][2 d] first and last token of each word */
  float *emit, *demit;     /* [words][tags] */
  double *nll;             /* [seqs] of the CRF */
  float *crf;              /* per sequence: log-domain tables, see crf_of */
  float *dmove;            /* per sequence [max k][max k] */
  size_t max_k, crf_stride;
};

/* The most tags any label allows. */
static size_t widest_label(const train_net *n) {
  head_weights w = train_net_heads(n);
  uint16_t tags[HEAD_MAX_TAGS];
  size_t most = 1;
  for (uint32_t i = 0; i < n->n_labels; i++) {
    size_t k = head_allowed_tags(&w, i, tags);
    if (k > most) most = k;
  }
  return most;
}

static void work_carve(train_head_work *w, base_arena *a, const train_net *n, size_t seqs, size_t words) {
  size_t f = sizeof(float), d = n->shape.d, tags = 1 + 2 * (size_t)n->n_slots;
  w->pooled = base_arena_take(a, seqs * 3 * d, f);
  w->dpooled = base_arena_take(a, seqs * 3 * d, f);
  w->attention = base_arena_take(a, words + seqs * MODEL_MAX_TOKENS, f);
  w->logits = base_arena_take(a, seqs * n->n_labels, f);
  w->dlogits = base_arena_take(a, seqs * n->n_labels, f);
  w->word = base_arena_take(a, words * 2 * d, f);
  w->dword = base_arena_take(a, words * 2 * d, f);
  w->emit = base_arena_take(a, words * tags, f);
  w->demit = base_arena_take(a, words * tags, f);
  w->nll = base_arena_take(a, seqs, sizeof(double));
  w->crf = base_arena_take(a, (3 * words + 2 * seqs) * w->max_k + seqs * w->max_k * w->max_k, f);
  w->dmove = base_arena_take(a, seqs * w->max_k * w->max_k, f);
}

base_status train_head_work_new(train_head_work **out, const train_net *n, size_t max_seqs, size_t max_words,
                                const base_allocator *allocator, base_error *err) {
  base_arena a;
  train_head_work sizes = {.max_k = widest_label(n)}, *w;
  base_arena_init(&a, NULL, 0);
  (void)base_arena_take(&a, 1, sizeof *w);
  work_carve(&sizes, &a, n, max_seqs, max_words);
  size_t bytes = a.used + 64;
  void *block = base_alloc(allocator, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for the heads of a batch");
  base_arena_init(&a, block, bytes);
  w = base_arena_take(&a, 1, sizeof *w);
  *w = (train_head_work){.allocator = allocator, .block = block, .bytes = bytes, .max_k = sizes.max_k};
  work_carve(w, &a, n, max_seqs, max_words);
  *out = w;
  return BASE_OK;
}

void train_head_work_free(train_head_work *w) {
  if (w != NULL) base_free(w->allocator, w->block, w->bytes);
}

/* ---- classify ---- */

static void pool_backward(train_net *n, const train_tape *tape, size_t at, size_t len, const float *a,
                          const float *dpooled) {
  const cpu_kernels *k = tape->k;
  size_t d = n->shape.d;
  const float *hidden = tape->hidden + at * d, *query = train_w(n, n->pool_query);
  float *dn = tape->dn + at * d, *dquery = train_g(n, n->pool_query), sum = 0.0f, inv = 1.0f / (float)len;
  k->add(dpooled, d, dn);
  for (size_t i = 0; i < len; i++) sum += a[i] * k->dot(dpooled + d, hidden + i * d, d);
  for (size_t i = 0; i < len; i++) {
    float ds = a[i] * (k->dot(dpooled + d, hidden + i * d, d) - sum);
    k->axpy(ds, hidden + i * d, d, dquery);
    k->axpy(ds, query, d, dn + i * d);
    k->axpy(a[i], dpooled + d, d, dn + i * d);
    k->axpy(inv, dpooled + 2 * d, d, dn + i * d);
  }
}

/* Cross entropy with smoothed targets on one row; dlogits scaled by `scale` and added. */
static double cross_entropy(const cpu_kernels *k, const float *logits, size_t n, uint16_t gold,
                            float smoothing, float scale, float *dlogits) {
  float lse = k->logsumexp(logits, n), off = smoothing / (float)n, on = 1.0f - smoothing + off;
  double loss = 0.0;
  for (size_t j = 0; j < n; j++) {
    float target = j == gold ? on : off, log_p = logits[j] - lse;
    loss -= (double)(target * log_p);
    dlogits[j] += scale * (cpu_expf(log_p) - target);
  }
  return loss;
}

/* Half the symmetric Kullback-Leibler divergence of two rows (R-Drop). With p, q the two distributions and l
 * their logs: d/dz_p = 1/4 [p (l_p - l_q - KL(p|q)) + p - q], and the same with p, q exchanged. */
static double consistency(const cpu_kernels *k, const float *zp, const float *zq, size_t n, float scale,
                          float *dp, float *dq) {
  float lse_p = k->logsumexp(zp, n), lse_q = k->logsumexp(zq, n);
  double kl_pq = 0.0, kl_qp = 0.0;
  for (size_t j = 0; j < n; j++) {
    float lp = zp[j] - lse_p, lq = zq[j] - lse_q;
    kl_pq += (double)(cpu_expf(lp) * (lp - lq));
    kl_qp += (double)(cpu_expf(lq) * (lq - lp));
  }
  for (size_t j = 0; j < n; j++) {
    float lp = zp[j] - lse_p, lq = zq[j] - lse_q, p = cpu_expf(lp), q = cpu_expf(lq);
    dp[j] += 0.25f * scale * (p * (lp - lq - (float)kl_pq) + p - q);
    dq[j] += 0.25f * scale * (q * (lq - lp - (float)kl_qp) + q - p);
  }
  return 0.25 * (kl_pq + kl_qp);
}

static void classify_loss(train_net *n, const train_batch *b, train_tape *tape, train_head_work *w,
                          const train_options *o, train_loss *loss) {
  head_weights heads = train_net_heads(n);
  const cpu_kernels *k = tape->k;
  size_t d = n->shape.d, labels = n->n_labels, half = b->n_seqs / 2;
  float scale = 1.0f / (float)b->n_seqs;
  uint64_t key = tape->dropout_key ^ UINT64_C(0x636c73);
  for (size_t i = 0; i < b->n_seqs; i++)
    head_pool(&heads, k, tape->hidden + b->seq[i] * d, b->seq[i + 1] - b->seq[i], w->attention + b->seq[i],
              w->pooled + i * 3 * d);
  train_dropout(w->pooled, b->n_seqs * 3 * d, o->head_dropout, key);
  train_gemm(tape, false, true, b->n_seqs, labels, 3 * d, w->pooled, 3 * d, heads.classify, 3 * d, w->logits,
             labels, false);
  memset(w->dlogits, 0, b->n_seqs * labels * sizeof(float));
  for (size_t i = 0; i < b->n_seqs; i++) k->add(heads.classify_bias, labels, w->logits + i * labels);
  for (size_t i = 0; i < b->n_seqs; i++)
    if (b->label[i] != DATA_NO_LABEL)
      loss->classify += cross_entropy(k, w->logits + i * labels, labels, b->label[i], o->label_smoothing,
                                      scale, w->dlogits + i * labels);
  if (o->consistency > 0.0f)
    for (size_t i = 0; i < half; i++)
      if (b->label[i] != DATA_NO_LABEL)
        loss->consistency += consistency(k, w->logits + i * labels, w->logits + (half + i) * labels, labels,
                                         2.0f * scale * o->consistency, w->dlogits + i * labels,
                                         w->dlogits + (half + i) * labels);
  for (size_t i = 0; i < b->n_seqs; i++)
    k->add(w->dlogits + i * labels, labels, train_g(n, n->classify_bias));
  train_gemm(tape, true, false, labels, 3 * d, b->n_seqs, w->dlogits, labels, w->pooled, 3 * d,
             train_g(n, n->classify), 3 * d, true);
  train_gemm(tape, false, false, b->n_seqs, 3 * d, labels, w->dlogits, labels, heads.classify, 3 * d,
             w->dpooled, 3 * d, false);
  train_dropout(w->dpooled, b->n_seqs * 3 * d, o->head_dropout, key);
  for (size_t i = 0; i < b->n_seqs; i++)
    pool_backward(n, tape, b->seq[i], b->seq[i + 1] - b->seq[i], w->attention + b->seq[i],
                  w->dpooled + i * 3 * d);
  loss->classify /= (double)b->n_seqs;
  loss->consistency *= 2.0 / (double)b->n_seqs;
}

/* ---- tag: the CRF of one sequence ---- */

typedef struct crf_task {
  const train_batch *b;
  const train_tape *tape;
  train_head_work *w;
  head_weights heads;
  float scale;
} crf_task;

/* The tables of sequence i. They start where its words do, so sequences never share memory. */
static head_crf crf_of(const train_head_work *w, const train_batch *b, size_t i) {
  size_t first = b->seq_word[i], len = b->seq_word[i + 1] - first, max_k = w->max_k;
  float *at = w->crf + (3 * first + 2 * i) * max_k + i * max_k * max_k;
  head_crf c = {.n = len, .emit = at, .alpha = at + len * max_k, .beta = at + 2 * len * max_k};
  c.row = c.beta + len * max_k;
  c.start = c.row + max_k;
  c.move = c.start + max_k;
  return c;
}

/* Emissions of the tags that the label allows, with the label's bias on each. */
static void crf_emissions(const crf_task *task, size_t i, head_crf *c) {
  size_t first = task->b->seq_word[i], all = 1 + 2 * (size_t)task->heads.n_slots;
  const float *label_tag = task->heads.label_tag + task->b->tag_label[i] * all;
  for (size_t t = 0; t < c->n; t++)
    for (size_t j = 0; j < c->k; j++)
      c->emit[t * c->k + j] = task->w->emit[(first + t) * all + c->tags[j]] + label_tag[c->tags[j]];
}

/* d emissions at word t: the tag's marginal, less 1 for the gold one (compacted: y). */
static void crf_word_gradient(const crf_task *task, const head_crf *c, size_t t, size_t y, float *demit) {
  for (size_t j = 0; j < c->k; j++) c->row[j] = c->alpha[t * c->k + j] + c->beta[t * c->k + j] - c->log_z;
  task->tape->k->exp(c->row, c->k, c->row);
  for (size_t j = 0; j < c->k; j++) demit[c->tags[j]] = task->scale * c->row[j];
  demit[c->tags[y]] -= task->scale;
}

/* d moves from word t - 1 to t, added: the pair's marginal, less 1 for the gold pair. */
static void crf_move_gradient(const crf_task *task, const head_crf *c, size_t t, size_t before, size_t y,
                              float *dmove) {
  const cpu_kernels *kernels = task->tape->k;
  size_t k = c->k;
  dmove[y * k + before] -= task->scale;
  for (size_t j = 0; j < k; j++) {
    float after = c->emit[t * k + j] + c->beta[t * k + j] - c->log_z;
    for (size_t p = 0; p < k; p++) c->row[p] = c->alpha[(t - 1) * k + p] + c->move[j * k + p] + after;
    kernels->exp(c->row, k, c->row);
    kernels->axpy(task->scale, c->row, k, dmove + j * k);
  }
}

/* Forward-backward for one sequence: writes demit, dmove of the sequence (scaled) and its negative log likelihood. */
static void crf_sequence(void *ctx, size_t i, int worker) {
  crf_task *task = ctx;
  const train_batch *b = task->b;
  train_head_work *w = task->w;
  size_t first = b->seq_word[i], all = 1 + 2 * (size_t)task->heads.n_slots;
  uint16_t compact[HEAD_MAX_TAGS] = {0};
  head_crf c = crf_of(w, b, i);
  (void)worker;
  w->nll[i] = 0.0;
  if (b->tag_label[i] == DATA_NO_LABEL || c.n == 0) return;
  head_crf_moves(&task->heads, b->tag_label[i], 1.0f, &c);
  if (c.k == 1) return;
  for (size_t j = 0; j < c.k; j++) compact[c.tags[j]] = (uint16_t)j;
  crf_emissions(task, i, &c);
  head_crf_forward(task->tape->k, &c);
  head_crf_backward(task->tape->k, &c);
  float *dmove = w->dmove + i * w->max_k * w->max_k;
  for (size_t j = 0; j < c.k * c.k; j++) dmove[j] = 0.0f;
  double gold = 0.0;
  for (size_t t = 0; t < c.n; t++) {
    size_t y = compact[b->tags[first + t]], before = t ? compact[b->tags[first + t - 1]] : 0;
    gold += (double)c.emit[t * c.k + y];
    crf_word_gradient(task, &c, t, y, w->demit + (first + t) * all);
    gold += (double)(t ? c.move[y * c.k + before] : c.start[y]);
    if (t > 0) crf_move_gradient(task, &c, t, before, y, dmove);
  }
  w->nll[i] = (double)c.log_z - gold;
}

/* Adds one sequence's gradients of transition, start and label_tag; in order of sequences, so that sums do
 * not depend on threads. */
static void crf_gather(train_net *n, const train_batch *b, const train_head_work *w, const head_weights *h,
                       size_t i) {
  size_t all = 1 + 2 * (size_t)h->n_slots, first = b->seq_word[i], len = b->seq_word[i + 1] - first;
  uint16_t tags[HEAD_MAX_TAGS];
  if (b->tag_label[i] == DATA_NO_LABEL || len == 0) return;
  size_t k = head_allowed_tags(h, b->tag_label[i], tags);
  if (k == 1) return;
  const float *dmove = w->dmove + i * w->max_k * w->max_k;
  float *transition = train_g(n, n->transition), *start = train_g(n, n->start);
  float *label_tag = train_g(n, n->label_tag) + b->tag_label[i] * all, *bias = train_g(n, n->tag_bias);
  for (size_t to = 0; to < k; to++)
    for (size_t from = 0; from < k; from++)
      if (head_tag_may_follow(tags[from], tags[to]))
        transition[tags[from] * all + tags[to]] += dmove[to * k + from];
  for (size_t t = 0; t < len; t++)
    for (size_t j = 0; j < k; j++) {
      float g = w->demit[(first + t) * all + tags[j]];
      label_tag[tags[j]] += g;
      bias[tags[j]] += g;
      if (t == 0 && head_tag_may_follow(-1, tags[j])) start[tags[j]] += g;
    }
}

/* First and last token of word i of sequence s, as rows of hidden. */
static void word_tokens(const train_batch *b, size_t s, size_t i, size_t *first, size_t *last) {
  *first = b->seq[s] + b->words[i].first_token;
  *last = (i + 1 < b->seq_word[s + 1] ? b->seq[s] + b->words[i + 1].first_token : b->seq[s + 1]) - 1;
}

static void tag_loss(train_net *n, const train_batch *b, train_tape *tape, train_head_work *w,
                     const train_options *o, train_loss *loss) {
  const cpu_kernels *k = tape->k;
  size_t d = n->shape.d, all = 1 + 2 * (size_t)n->n_slots, first, last;
  uint64_t key = tape->dropout_key ^ UINT64_C(0x746167);
  crf_task task = {
      .b = b, .tape = tape, .w = w, .heads = train_net_heads(n), .scale = 1.0f / (float)b->n_seqs};
  for (size_t s = 0; s < b->n_seqs; s++)
    for (size_t i = b->seq_word[s]; i < b->seq_word[s + 1]; i++) {
      word_tokens(b, s, i, &first, &last);
      memcpy(w->word + i * 2 * d, tape->hidden + first * d, d * sizeof(float));
      memcpy(w->word + i * 2 * d + d, tape->hidden + last * d, d * sizeof(float));
    }
  train_dropout(w->word, b->n_words * 2 * d, o->head_dropout, key);
  train_gemm(tape, false, true, b->n_words, all, 2 * d, w->word, 2 * d, train_w(n, n->tag), 2 * d, w->emit,
             all, false);
  for (size_t i = 0; i < b->n_words; i++) k->add(train_w(n, n->tag_bias), all, w->emit + i * all);
  memset(w->demit, 0, b->n_words * all * sizeof(float));
  os_pool_run(tape->pool, crf_sequence, &task, b->n_seqs);
  for (size_t s = 0; s < b->n_seqs; s++) {
    crf_gather(n, b, w, &task.heads, s);
    loss->tag += w->nll[s] / (double)b->n_seqs;
  }
  train_gemm(tape, true, false, all, 2 * d, b->n_words, w->demit, all, w->word, 2 * d, train_g(n, n->tag),
             2 * d, true);
  train_gemm(tape, false, false, b->n_words, 2 * d, all, w->demit, all, train_w(n, n->tag), 2 * d, w->dword,
             2 * d, false);
  train_dropout(w->dword, b->n_words * 2 * d, o->head_dropout, key);
  for (size_t s = 0; s < b->n_seqs; s++)
    for (size_t i = b->seq_word[s]; i < b->seq_word[s + 1]; i++) {
      word_tokens(b, s, i, &first, &last);
      k->add(w->dword + i * 2 * d, d, tape->dn + first * d);
      k->add(w->dword + i * 2 * d + d, d, tape->dn + last * d);
    }
}

train_loss train_head_loss(train_net *n, const train_batch *b, train_tape *tape, train_head_work *work,
                           const train_options *o) {
  train_loss loss = {0};
  memset(tape->dn, 0, b->n_tokens * n->shape.d * sizeof(float));
  classify_loss(n, b, tape, work, o, &loss);
  if (n->n_slots > 0 && b->n_words > 0) tag_loss(n, b, tape, work, o, &loss);
  return loss;
}

/* ---- masked tokens: logits = silu(h W) E^T + bias at the masked positions ---- */

size_t train_mlm_work(const train_net *n, size_t max_masked) {
  return max_masked * (4 * (size_t)n->shape.d + n->shape.vocab + 64) + max_masked * 2;
}

typedef struct mlm_task {
  const cpu_kernels *k;
  const train_batch *b;
  const float *bias;
  float *logits, *nll, *hit;
  size_t vocab;
  float scale;
} mlm_task;

/* Softmax, loss and gradient of one masked token, in place of its logits. */
static void mlm_row(void *ctx, size_t i, int worker) {
  const mlm_task *task = ctx;
  size_t n = task->vocab, best = 0, gold = task->b->target[i];
  float *z = task->logits + i * n;
  (void)worker;
  task->k->add(task->bias, n, z);
  for (size_t j = 1; j < n; j++)
    if (z[j] > z[best]) best = j;
  task->hit[i] = best == gold ? 1.0f : 0.0f;
  task->nll[i] = task->k->logsumexp(z, n) - z[gold];
  task->k->softmax(z, n);
  z[gold] -= 1.0f;
  for (size_t j = 0; j < n; j++) z[j] *= task->scale;
}

double train_mlm_loss(train_net *n, const train_batch *b, train_tape *tape, float *work, bool backward,
                      size_t *correct) {
  const cpu_kernels *k = tape->k;
  size_t d = n->shape.d, vocab = n->shape.vocab, m = b->n_masked;
  float *h = work, *z = h + m * d, *a = z + m * d, *da = a + m * d, *logits = da + m * d,
        *nll = logits + m * vocab;
  const float *dense = train_w(n, n->mlm_dense), *embedding = train_w(n, n->embedding);
  mlm_task task = {.k = k,
                   .b = b,
                   .bias = train_w(n, n->mlm_bias),
                   .logits = logits,
                   .nll = nll,
                   .hit = nll + m,
                   .vocab = vocab,
                   .scale = 1.0f / (float)(m ? m : 1)};
  double loss = 0.0;
  memset(tape->dn, 0, b->n_tokens * d * sizeof(float));
  *correct = 0;
  if (m == 0) return 0.0;
  for (size_t i = 0; i < m; i++) memcpy(h + i * d, tape->hidden + b->masked[i] * d, d * sizeof(float));
  train_gemm(tape, false, true, m, d, d, h, d, dense, d, z, d, false);
  for (size_t i = 0; i < m * d; i++) a[i] = z[i] / (1.0f + cpu_expf(-z[i]));
  train_gemm(tape, false, true, m, vocab, d, a, d, embedding, d, logits, vocab, false);
  os_pool_run(tape->pool, mlm_row, &task, m);
  for (size_t i = 0; i < m; i++) {
    loss += (double)nll[i];
    *correct += nll[m + i] > 0.5f;
  }
  if (!backward) return loss / (double)m;
  for (size_t i = 0; i < m; i++) k->add(logits + i * vocab, vocab, train_g(n, n->mlm_bias));
  train_gemm(tape, true, false, vocab, d, m, logits, vocab, a, d, train_g(n, n->embedding), d, true);
  train_gemm(tape, false, false, m, d, vocab, logits, vocab, embedding, d, da, d, false);
  for (size_t i = 0; i < m * d; i++) {
    float s = 1.0f / (1.0f + cpu_expf(-z[i]));
    da[i] *= s * (1.0f + z[i] * (1.0f - s));
  }
  train_gemm(tape, true, false, d, d, m, da, d, h, d, train_g(n, n->mlm_dense), d, true);
  train_gemm(tape, false, false, m, d, d, da, d, dense, d, h, d, false);
  for (size_t i = 0; i < m; i++) k->add(h + i * d, d, tape->dn + b->masked[i] * d);
  return loss / (double)m;
}
