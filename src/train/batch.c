/* A batch of encoded texts back to back, and the tape: one block that holds everything a forward pass leaves
 * for backward. */
#include <string.h>

#include "train/net.h"

/* ---- batch ---- */

static void batch_carve(train_batch *b, base_arena *a) {
  b->seq = base_arena_take(a, b->max_seqs + 1, sizeof *b->seq);
  b->seq_word = base_arena_take(a, b->max_seqs + 1, sizeof *b->seq_word);
  b->ids = base_arena_take(a, b->max_tokens, sizeof *b->ids);
  b->cases = base_arena_take(a, b->max_tokens, sizeof *b->cases);
  b->words = base_arena_take(a, b->max_words, sizeof *b->words);
  b->tags = base_arena_take(a, b->max_words, sizeof *b->tags);
  b->label = base_arena_take(a, b->max_seqs, sizeof *b->label);
  b->tag_label = base_arena_take(a, b->max_seqs, sizeof *b->tag_label);
  b->masked = base_arena_take(a, b->max_tokens, sizeof *b->masked);
  b->target = base_arena_take(a, b->max_tokens, sizeof *b->target);
}

/* The block's size follows from the limits, so free can work it out again. */
static size_t batch_bytes(const train_batch *b) {
  train_batch sizes = *b;
  base_arena a;
  base_arena_init(&a, NULL, 0);
  batch_carve(&sizes, &a);
  return a.used + 64;
}

base_status train_batch_new(train_batch *b, size_t max_seqs, size_t max_tokens,
                            const base_allocator *allocator, base_error *err) {
  base_arena a;
  *b = (train_batch){.max_seqs = max_seqs, .max_tokens = max_tokens, .max_words = max_tokens};
  size_t bytes = batch_bytes(b);
  b->block = base_alloc(allocator, bytes);
  if (b->block == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for a batch");
  base_arena_init(&a, b->block, bytes);
  batch_carve(b, &a);
  train_batch_clear(b);
  return BASE_OK;
}

void train_batch_free(train_batch *b, const base_allocator *allocator) {
  if (b->block != NULL) base_free(allocator, b->block, batch_bytes(b));
  b->block = NULL;
}

void train_batch_clear(train_batch *b) {
  b->n_seqs = b->n_tokens = b->n_words = b->n_masked = 0;
  b->seq[0] = b->seq_word[0] = 0;
}

bool train_batch_add(train_batch *b, const tok_result *tok) {
  if (b->n_seqs == b->max_seqs || b->n_tokens + tok->n_tokens > b->max_tokens ||
      b->n_words + tok->n_words > b->max_words)
    return false;
  memcpy(b->ids + b->n_tokens, tok->ids, tok->n_tokens * sizeof *b->ids);
  memcpy(b->cases + b->n_tokens, tok->cases, tok->n_tokens);
  memcpy(b->words + b->n_words, tok->words, tok->n_words * sizeof *b->words);
  memset(b->tags + b->n_words, 0, tok->n_words * sizeof *b->tags);
  b->label[b->n_seqs] = b->tag_label[b->n_seqs] = DATA_NO_LABEL;
  b->n_tokens += tok->n_tokens;
  b->n_words += tok->n_words;
  b->n_seqs++;
  b->seq[b->n_seqs] = b->n_tokens;
  b->seq_word[b->n_seqs] = b->n_words;
  return true;
}

/* ---- tape ---- */

/* Scratch of the largest product any pass makes: trunk, heads, masked tokens, each forward and backward. */
static size_t gemm_scratch(const train_net *n, size_t max_tokens) {
  size_t most = 0;
  for (size_t i = 0; i < n->n_params; i++) {
    size_t r = n->param[i].rows, c = n->param[i].cols;
    const size_t pairs[3][2] = {{r, c}, {c, r}, {c, max_tokens}};
    for (size_t j = 0; j < 3; j++) {
      size_t need = cpu_gemm_f32_scratch(pairs[j][0], pairs[j][1]);
      if (need > most) most = need;
    }
  }
  return most;
}

static void tape_carve(train_tape *t, base_arena *a, const model_shape *s, size_t max_seqs, size_t gemm) {
  size_t f = sizeof(float), n = t->max_tokens, d = s->d, ff = s->ff, qkv = model_qkv_rows(s);
  size_t attended = (size_t)s->heads * s->head_dim, widest = ff > attended ? ff : attended;
  int threads = os_pool_threads(t->pool);
  for (uint32_t i = 0; i < s->layers; i++) {
    train_layer_tape *l = &t->layer[i];
    l->h = base_arena_take(a, n * d, f);
    l->inv_rms1 = base_arena_take(a, n, f);
    l->n1 = base_arena_take(a, n * d, f);
    l->qkv = base_arena_take(a, n * qkv, f);
    l->probs = base_arena_take(a, n * t->max_len * s->heads, f);
    l->attended = base_arena_take(a, n * attended, f);
    l->mid = base_arena_take(a, n * d, f);
    l->inv_rms2 = base_arena_take(a, n, f);
    l->n2 = base_arena_take(a, n * d, f);
    l->gate_up = base_arena_take(a, n * 2 * ff, f);
    l->act = base_arena_take(a, n * ff, f);
  }
  t->last = base_arena_take(a, n * d, f);
  t->inv_rms = base_arena_take(a, n, f);
  t->hidden = base_arena_take(a, n * d, f);
  t->dh = base_arena_take(a, n * d, f);
  t->dn = base_arena_take(a, n * d, f);
  t->dbig = base_arena_take(a, n * 2 * ff, f);
  t->dact = base_arena_take(a, n * widest, f);
  t->dqkv = base_arena_take(a, n * qkv, f);
  t->rope_cos = base_arena_take(a, t->max_len * s->head_dim / 2, f);
  t->rope_sin = base_arena_take(a, t->max_len * s->head_dim / 2, f);
  t->gemm = base_arena_take(a, gemm * (size_t)threads, f);
  t->attention = base_arena_take(a, 2 * t->max_len * (size_t)threads, f);
  t->probs_at = base_arena_take(a, max_seqs + 1, sizeof *t->probs_at);
}

base_status train_tape_new(train_tape *t, const train_net *n, size_t max_seqs, size_t max_tokens,
                           size_t max_len, const train_options *o, base_error *err) {
  const model_shape *s = &n->shape;
  size_t gemm = gemm_scratch(n, max_tokens);
  base_arena a;
  *t = (train_tape){.k = o->kernels, .pool = o->pool, .max_tokens = max_tokens, .max_len = max_len};
  base_arena_init(&a, NULL, 0);
  tape_carve(t, &a, s, max_seqs, gemm);
  t->block_bytes = a.used + 64;
  t->block = base_alloc(n->allocator, t->block_bytes);
  if (t->block == NULL)
    return base_fail(err, BASE_ENOMEM, "training", "no memory for %zu tokens a step", max_tokens);
  base_arena_init(&a, t->block, t->block_bytes);
  tape_carve(t, &a, s, max_seqs, gemm);
  model_rope_table(s->rope_base, max_len, s->head_dim, t->rope_cos, t->rope_sin);
  return BASE_OK;
}

void train_tape_free(train_tape *t, const base_allocator *a) {
  if (t->block != NULL) base_free(a, t->block, t->block_bytes);
  t->block = NULL;
}
