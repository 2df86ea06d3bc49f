/* lm/forward: a block of tokens through a decoder, all workers side by side: each step is shared out over them, and
 * a barrier stands where a step reads what others wrote. Shapes: T rows of the block, d width, hd head_dim. */
#include "lm/internal.h"

#include <string.h>

static void barrier(const lm_worker *w) { os_team_barrier(w->p->m->options.team, w->me); }

/* ---- the steps of a layer ---- */

/* h [T][d] = embedding[id] * scale */
static void embed(const lm_worker *w) {
  const lm_model *m = w->p->m;
  size_t begin, end;
  lm_share(w, w->p->rows, 1, &begin, &end);
  lm_rope_tables(m, begin, end);
  for (size_t t = begin; t < end; t++) {
    float *h = m->scratch.h + t * m->d;
    lm_matrix_row(m->embedding.w, m->scratch.id[t], h);
    for (size_t i = 0; i < m->d && m->embedding_scale != 1.0F; i++) h[i] *= m->embedding_scale;
  }
}

/* h += post(o) where there is an o; n = norm(h). */
static void add_and_norm(const lm_worker *w, const float *o, const lm_norm *post, const lm_norm *norm) {
  const lm_model *m = w->p->m;
  const lm_scratch *s = &m->scratch;
  size_t begin, end, d = m->d;
  lm_share(w, w->p->rows, 1, &begin, &end);
  for (size_t t = begin; t < end; t++) {
    float *h = s->h + t * d, *n = s->n + t * d;
    const float *branch = o != NULL ? o + t * d : NULL;
    if (branch != NULL && post != NULL && post->weight != NULL) {
      lm_norm_row(w, post, branch, d, n);
      branch = n;
    }
    if (branch != NULL) m->kernels->add(branch, d, h);
    lm_norm_row(w, norm, h, d, n);
  }
}

/* Keys of rows as they come from the product, normed, rotated, into the cache with their values. */
static void store_keys_values(const lm_worker *w, const lm_layer *l) {
  const lm_model *m = w->p->m;
  const lm_scratch *s = &m->scratch;
  size_t hd = m->head_dim, units = w->p->rows * l->kv_heads;
  for (size_t u = (size_t)w->me; u < units; u += (size_t)w->of) {
    size_t row = u / l->kv_heads;
    uint32_t g = (uint32_t)(u % l->kv_heads);
    float *k = s->k + u * hd, *v = s->v + u * hd;
    if (l->k_norm.weight != NULL) lm_norm_row(w, &l->k_norm, k, hd, k);
    lm_rope_head(m, l->rope, row, k);
    lm_cache_put(w->p->c, lm_cache_keys(w->p->c, l, s->sequence[row], g), s->position[row], k);
    lm_cache_put(w->p->c, lm_cache_values(w->p->c, l, s->sequence[row], g), s->position[row], v);
  }
}

static void rotate_queries(const lm_worker *w, const lm_layer *l) {
  const lm_model *m = w->p->m;
  size_t hd = m->head_dim, units = w->p->rows * l->heads;
  for (size_t u = (size_t)w->me; u < units; u += (size_t)w->of) {
    float *q = m->scratch.q + u * hd;
    if (l->q_norm.weight != NULL) lm_norm_row(w, &l->q_norm, q, hd, q);
    lm_rope_head(m, l->rope, u / l->heads, q);
  }
}

/* From the last layer on that writes keys and values, only rows whose logits are wanted are of use. */
static void keep_wanted_rows(const lm_worker *w) {
  lm_pass *p = w->p;
  const lm_scratch *s = &p->m->scratch;
  size_t d = p->m->d;
  barrier(w); /* all have read the rows that go */
  if (w->me == 0) {
    for (size_t i = 0; i < p->wanted; i++) {
      size_t row = s->wanted[i];
      memmove(s->h + i * d, s->h + row * d, d * sizeof *s->h);
      memmove(s->n + i * d, s->n + row * d, d * sizeof *s->n);
      s->position[i] = s->position[row];
      s->sequence[i] = s->sequence[row];
    }
    p->rows = p->wanted;
    lm_rope_tables(p->m, 0, p->rows);
  }
  barrier(w);
}

/* o [T][d] = W_o attention(q, K, V) of n */
static void attention(const lm_worker *w, const lm_layer *l, bool last_writer) {
  const lm_scratch *s = &w->p->m->scratch;
  size_t d = w->p->m->d, hd = w->p->m->head_dim;
  bool shrinks = last_writer && w->p->wanted < w->p->rows;
  lm_product(w, &l->k, s->n, d, s->k, l->kv_heads * hd); /* k [T][kv_heads * hd] */
  lm_product(w, &l->v, s->n, d, s->v, l->kv_heads * hd);
  if (!shrinks) lm_product(w, &l->q, s->n, d, s->q, l->heads * hd); /* q [T][heads * hd] */
  barrier(w);
  if (l->kv_own) store_keys_values(w, l);
  if (shrinks) {
    keep_wanted_rows(w);
    lm_product(w, &l->q, s->n, d, s->q, l->heads * hd);
    barrier(w);
  }
  rotate_queries(w, l);
  barrier(w);
  lm_attend(w, l); /* attended [T][heads * hd] */
  barrier(w);
  lm_product(w, &l->out, s->attended, l->heads * hd, s->o, d);
  barrier(w);
}

/* o [T][d] = W_down (act(W_gate n) * W_up n) */
static void feed_forward(const lm_worker *w, const lm_layer *l) {
  const lm_scratch *s = &w->p->m->scratch;
  size_t d = w->p->m->d, ff = l->ff, begin, end;
  lm_product(w, &l->gate, s->n, d, s->gate, ff);
  lm_product(w, &l->up, s->n, d, s->up, ff);
  lm_share(w, ff, 16, &begin, &end); /* the columns this worker has just made */
  for (size_t t = 0; t < w->p->rows; t++)
    lm_activate(w->p->m, l->gate.w != NULL ? s->gate + t * ff + begin : NULL, s->up + t * ff + begin, end - begin);
  barrier(w);
  lm_product(w, &l->down, s->up, ff, s->o, d);
  barrier(w);
}

/* logits [T][vocab] = cap(W_out n) */
static void head(const lm_worker *w) {
  const lm_model *m = w->p->m;
  size_t begin, end;
  lm_product(w, &m->output, m->scratch.n, m->d, w->p->logits, m->vocab);
  lm_share(w, m->vocab, 16, &begin, &end);
  for (size_t t = 0; t < w->p->rows; t++) lm_soft_cap(w->p->logits + t * m->vocab + begin, end - begin, m->logit_cap);
}

/* ---- the pass ---- */

static void ask_to_stop(const lm_worker *w) {
  const lm_watch *watch = w->p->watch;
  if (w->me == 0 && watch != NULL && watch->stop != NULL && watch->stop(watch->ctx)) w->p->stopped = true;
}

static void run_block(void *ctx, int me, int of) {
  lm_worker worker = {ctx, me, of}, *w = &worker;
  lm_pass *p = w->p;
  const lm_model *m = p->m;
  const lm_scratch *s = &m->scratch;
  const float *branch = NULL; /* what the step before wants added to h */
  const lm_norm *post = NULL;
  embed(w);
  for (uint32_t i = 0; i < m->layers; i++) {
    const lm_layer *l = &m->layer[i];
    ask_to_stop(w);
    add_and_norm(w, branch, post, &l->attn_norm);
    barrier(w);
    if (p->stopped) return;
    attention(w, l, i == m->last_writer);
    if (p->rows == 0) return; /* the keys and values were all that was wanted */
    add_and_norm(w, s->o, &l->attn_post, &l->ffn_norm);
    barrier(w);
    feed_forward(w, l);
    branch = s->o;
    post = &l->ffn_post;
  }
  add_and_norm(w, branch, post, &m->output_norm);
  barrier(w);
  head(w);
}

/* ---- the batch ---- */

static base_status check_tokens(const lm_model *m, const lm_cache *c, const lm_token *tokens, size_t n,
                                base_error *err) {
  for (uint32_t s = 0; s < m->options.sequences; s++) {
    uint64_t length = c->length[s];
    for (size_t i = 0; i < n; i++) length += tokens[i].sequence == s;
    if (length > m->context)
      return base_fail(err, BASE_ELIMIT, "context", "sequence %u would have %llu tokens; there is room for %u",
                       (unsigned)s, (unsigned long long)length, (unsigned)m->context);
  }
  for (size_t i = 0; i < n; i++) {
    if (tokens[i].id >= m->vocab)
      return base_fail(err, BASE_EARGUMENT, "token", "id %u; the vocabulary has %u", (unsigned)tokens[i].id,
                       (unsigned)m->vocab);
    if (tokens[i].sequence >= m->options.sequences)
      return base_fail(err, BASE_EARGUMENT, "token", "sequence %u; the cache has %u", (unsigned)tokens[i].sequence,
                       (unsigned)m->options.sequences);
  }
  return BASE_OK;
}

/* Lays a block out in the scratch, each token behind what its sequence holds. */
static void fill_block(lm_pass *p, const lm_token *tokens, size_t n) {
  const lm_scratch *s = &p->m->scratch;
  p->rows = n;
  p->wanted = 0;
  for (size_t t = 0; t < n; t++) {
    s->id[t] = tokens[t].id;
    s->sequence[t] = tokens[t].sequence;
    s->position[t] = p->c->length[tokens[t].sequence]++;
    if (tokens[t].logits) s->wanted[p->wanted++] = (uint32_t)t;
  }
}

static void take_block_back(lm_pass *p, const lm_token *tokens, size_t n) {
  for (size_t t = 0; t < n; t++) p->c->length[tokens[t].sequence]--;
}

base_status lm_forward(lm_model *m, lm_cache *c, const lm_token *tokens, size_t n, float *logits,
                       const lm_watch *watch, base_error *err) {
  lm_pass p = {.m = m, .c = c, .watch = watch, .logits = logits};
  base_status st = check_tokens(m, c, tokens, n, err);
  if (st != BASE_OK) return st;
  for (size_t done = 0, block; done < n; done += block) {
    block = n - done < m->options.block ? n - done : m->options.block;
    fill_block(&p, tokens + done, block);
    os_team_run(m->options.team, run_block, &p);
    if (p.stopped) {
      take_block_back(&p, tokens + done, block);
      return base_fail(err, BASE_ECANCELLED, "forward", "stopped after %zu of %zu tokens", done, n);
    }
    p.logits += p.wanted * m->vocab;
    if (watch != NULL && watch->progress != NULL) watch->progress(watch->ctx, done + block, n);
  }
  return BASE_OK;
}
