/* lm/encoder: a text through an encoder, and vectors of whole texts. All tokens see each other, so a layer first
 * writes the keys and values of all tokens, a block at a time, then takes the blocks once more through attention and
 * feed-forward. One cache slot serves all layers. Shapes: T rows of a block, d width, hd head_dim, n tokens. */
#include "lm/internal.h"

#include <math.h>
#include <string.h>

static void barrier(const lm_worker *w) { os_team_barrier(w->p->m->options.team, w->me); }

/* Makes the rows from `start` on the block that the steps work on. */
static void enter_block(lm_worker *w, size_t start) {
  lm_pass *p = w->p;
  const lm_model *m = p->m;
  size_t begin, end;
  barrier(w); /* nobody is still in the block before */
  if (w->me == 0) {
    p->rows = p->n - start < m->options.block ? p->n - start : m->options.block;
    for (size_t t = 0; t < p->rows; t++) m->scratch.position[t] = (uint32_t)(start + t);
  }
  barrier(w);
  w->h = m->scratch.h + start * m->d;
  lm_own_rows(w, &begin, &end);
  lm_rope_tables(m, begin, end);
}

/* ---- steps ---- */

static void add_table_row(const lm_model *m, const gguf_tensor *table, size_t row, float *buffer, float *h) {
  if (table == NULL) return;
  size_t row_bytes = table->bytes / (size_t)table->dim[1];
  quant_decode_row(table->type, (const unsigned char *)table->data + row * row_bytes, m->d, buffer);
  m->kernels->add(buffer, m->d, h);
}

/* h [T][d] = norm(embedding[id] + type 0 + position) */
static void embed(const lm_worker *w) {
  const lm_model *m = w->p->m;
  size_t begin, end;
  lm_own_rows(w, &begin, &end);
  for (size_t t = begin; t < end; t++) {
    float *h = w->h + t * m->d;
    size_t position = m->scratch.position[t];
    lm_embedding_row(m, w->p->ids[position], h);
    add_table_row(m, m->type_table, 0, w->row, h);
    add_table_row(m, m->position_table, position, w->row, h);
    lm_norm_rows(m, &m->embedding_norm, h, 1, m->d, h);
  }
}

/* Where there is an o: h = norm(h + o). The input of the next products = h. */
static void add_norm_put(const lm_worker *w, const float *o, const lm_norm *norm) {
  const lm_model *m = w->p->m;
  matrix_input in = lm_input_n(w);
  size_t begin, end;
  lm_own_rows(w, &begin, &end);
  for (size_t t = begin; t < end; t++) {
    float *h = w->h + t * m->d;
    if (o != NULL) {
      m->kernels->add(o + t * m->d, m->d, h);
      lm_norm_rows(m, norm, h, 1, m->d, h);
    }
    matrix_input_put(m->kernels, &in, t, h, 0, m->d);
  }
  barrier(w);
}

static void product(const lm_worker *w, const lm_linear *l, const matrix_input *in, float *y) {
  size_t begin, end;
  if (l->tensor == NULL) return;
  matrix_share(l->w.n, 16, w->me, w->of, &begin, &end);
  lm_product(w, l, in, begin, end, y, l->w.n);
}

/* K, V of the rows into the cache. */
static void write_keys_values(const lm_worker *w, const lm_layer *l) {
  const lm_model *m = w->p->m;
  const lm_scratch *s = &m->scratch;
  matrix_input in = lm_input_n(w);
  size_t begin, end, hd = m->head_dim, nkv = l->kv_heads * hd;
  add_norm_put(w, NULL, NULL);
  product(w, &l->k, &in, s->k); /* k, v [T][kv_heads * hd] */
  product(w, &l->v, &in, s->v);
  barrier(w);
  lm_own_rows(w, &begin, &end);
  if (begin == end) return;
  lm_rope_rows(m, l->rope, begin, end - begin, s->k + begin * nkv, nkv, l->kv_heads);
  for (uint32_t g = 0; g < l->kv_heads; g++)
    m->kernels->kv_put(&(cpu_kv_rows){.type = lm_cache_kv_type(m),
                                      .hd = hd,
                                      .position = s->position[begin],
                                      .n = end - begin,
                                      .k = s->k + begin * nkv + g * hd,
                                      .v = s->v + begin * nkv + g * hd,
                                      .ld = nkv,
                                      .keys = lm_cache_keys(w->p->c, l, 0, g),
                                      .values = lm_cache_values(w->p->c, l, 0, g)});
}

/* attended [T][heads * hd] = softmax(q K) V over all n tokens, as input of the next product */
static void attend(const lm_worker *w, const lm_layer *l) {
  const lm_model *m = w->p->m;
  const lm_scratch *s = &m->scratch;
  size_t begin, end, hd = m->head_dim, nq = l->heads * hd;
  uint32_t group = l->heads / l->kv_heads;
  matrix_input in = lm_input_q(w, nq);
  lm_own_rows(w, &begin, &end);
  lm_rope_rows(m, l->rope, begin, end - begin, s->q + begin * nq, nq, l->heads);
  for (size_t t = begin; t < end; t++) {
    for (uint32_t g = 0; g < l->kv_heads; g++)
      m->kernels->attend(&(cpu_attend){.type = lm_cache_kv_type(m),
                                       .keys = lm_cache_keys(w->p->c, l, 0, g),
                                       .values = lm_cache_values(w->p->c, l, 0, g),
                                       .hd = hd,
                                       .heads = group,
                                       .tokens = 1,
                                       .position = w->p->n - 1, /* sees all */
                                       .scale = m->attention_scale,
                                       .q = s->q + t * nq + g * group * hd,
                                       .out = s->attended + t * nq + g * group * hd,
                                       .ldq = nq,
                                       .ldo = nq,
                                       .scratch = w->scores});
    matrix_input_put(m->kernels, &in, t, s->attended + t * nq, 0, nq);
  }
  barrier(w);
}

/* h = norm(h + W_o attention); h = norm(h + W_down (act(W_gate h) * W_up h)) */
static void attention_and_feed_forward(const lm_worker *w, const lm_layer *l) {
  const lm_model *m = w->p->m;
  const lm_scratch *s = &m->scratch;
  matrix_input n = lm_input_n(w), in_q = lm_input_q(w, l->out.w.k), in_ff = lm_input_ff(w, l->ff);
  size_t begin, end;
  add_norm_put(w, NULL, NULL);
  product(w, &l->q, &n, s->q); /* q [T][heads * hd] */
  barrier(w);
  attend(w, l);
  product(w, &l->out, &in_q, s->o); /* o [T][d] */
  barrier(w);
  add_norm_put(w, s->o, &l->attn_norm);
  product(w, &l->gate, &n, s->gate); /* gate, up [T][ff] */
  product(w, &l->up, &n, s->up);
  barrier(w);
  lm_own_rows(w, &begin, &end);
  for (size_t t = begin; t < end; t++) {
    lm_activate(m, l->gate.tensor != NULL ? s->gate + t * l->ff : NULL, s->up + t * l->ff, l->ff);
    matrix_input_put(m->kernels, &in_ff, t, s->up + t * l->ff, 0, l->ff);
  }
  barrier(w);
  product(w, &l->down, &in_ff, s->o);
  barrier(w);
  add_norm_put(w, s->o, &l->ffn_norm);
}

/* ---- the pass ---- */

static bool stopped(const lm_worker *w) {
  const lm_watch *watch = w->p->watch;
  if (w->me == 0 && watch != NULL && watch->stop != NULL && watch->stop(watch->ctx)) w->p->stopped = true;
  barrier(w);
  return w->p->stopped;
}

static void run_text(void *ctx, int me, int of) {
  lm_pass *p = ctx;
  const lm_model *m = p->m;
  const lm_scratch *s = &m->scratch;
  lm_worker worker = {.p = p, .me = me, .of = of, .n = s->in_n, .needs_n = p->m->needs_n}, *w = &worker;
  size_t block = m->options.block;
  w->row = s->row + (size_t)me * s->row_floats;
  w->scores = s->scores + (size_t)me * s->scores_floats;
  for (size_t at = 0; at < p->n; at += block) {
    enter_block(w, at);
    embed(w);
  }
  for (uint32_t i = 0; i < m->layers && !stopped(w); i++) {
    for (size_t at = 0; at < p->n; at += block) {
      enter_block(w, at);
      write_keys_values(w, &m->layer[i]);
    }
    for (size_t at = 0; at < p->n; at += block) {
      enter_block(w, at);
      attention_and_feed_forward(w, &m->layer[i]);
    }
    if (me == 0 && p->watch != NULL && p->watch->progress != NULL)
      p->watch->progress(p->watch->ctx, i + 1, m->layers);
  }
}

/* ---- pooling ---- */

/* out [d] = the mean of the rows, the first or the last */
static void pool(const lm_model *m, const float *h, size_t n, float *out) {
  size_t row = m->pooling == LM_POOL_LAST ? n - 1 : 0;
  memcpy(out, h + row * m->d, m->d * sizeof *out);
  if (m->pooling != LM_POOL_MEAN) return;
  for (size_t t = 1; t < n; t++) m->kernels->add(h + t * m->d, m->d, out);
  for (size_t i = 0; i < m->d; i++) out[i] /= (float)n;
}

static void make_unit(const cpu_kernels *k, float *x, size_t n) {
  float length = sqrtf(k->dot(x, x, n));
  for (size_t i = 0; i < n && length > 0.0F; i++) x[i] /= length;
}

base_status lm_embed(lm_model *m, const uint32_t *ids, size_t n, bool unit, float *out, const lm_watch *watch,
                     base_error *err) {
  lm_pass p = {.m = m, .c = m->own_cache, .watch = watch, .ids = ids, .n = n};
  if (!m->family->encoder)
    return base_fail(err, BASE_EUNSUPPORTED, gguf_path(m->file),
                     "a '%s' model writes text; it gives no vectors of texts", m->family->name);
  if (n == 0 || n > m->context)
    return base_fail(err, BASE_ELIMIT, "context", "a text of %zu tokens; 1 to %u are possible", n,
                     (unsigned)m->context);
  for (size_t i = 0; i < n; i++)
    if (ids[i] >= m->vocab)
      return base_fail(err, BASE_EARGUMENT, "token", "id %u; the vocabulary has %u", (unsigned)ids[i],
                       (unsigned)m->vocab);
  os_team_run(m->options.team, run_text, &p);
  if (p.stopped) return base_fail(err, BASE_ECANCELLED, "embed", "stopped");
  pool(m, m->scratch.h, n, out);
  if (unit) make_unit(m->kernels, out, m->d);
  return BASE_OK;
}
