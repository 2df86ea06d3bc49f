/* lm/forward: a block of tokens through a decoder, all workers side by side: each step is shared out over them, and
 * a barrier stands where a step reads what others wrote. Shapes: T rows of the block, d width, hd head_dim.
 * A step is shared by columns of its output (every worker reads its part of the weights: few tokens, or very large
 * layers) or by rows (a worker's tokens stay with it, and only attention reads what others wrote). */
#include "lm/internal.h"

#include <string.h>

static void barrier(const lm_worker *w) { os_team_barrier(w->p->m->options.team, w->me); }

/* Behind a step whose output, shared by columns, the next one reads. */
static void barrier_unless_by_row(const lm_worker *w) {
  if (!w->by_row) barrier(w);
}

/* How the heads of a layer are shared out. By head: each worker makes queries, keys and values of its own groups of
 * heads and attends to them, and nobody waits; that needs shares of the products that fall on whole heads, and of what
 * comes out that are whole spans of the next product's input. */
typedef struct head_share {
  bool by_head;
  uint32_t begin, end; /* by head: the groups, [0, kv_heads) */
} head_share;

static head_share share_heads(const lm_worker *w, const lm_layer *l) {
  size_t hd = w->p->m->head_dim, group = l->heads / l->kv_heads;
  uint32_t of = (uint32_t)w->of, me = (uint32_t)w->me, each = l->kv_heads / of;
  if (w->by_row) return (head_share){.by_head = false, .begin = 0, .end = l->kv_heads};
  size_t step = matrix_input_step(w->p->m->needs_q);
  if (of == 1 || (l->kv_heads % of == 0 && hd % 16 == 0 && each * group * hd % step == 0))
    return (head_share){.by_head = true, .begin = each * me, .end = each * (me + 1)};
  return (head_share){.by_head = false, .begin = 0, .end = l->kv_heads};
}

/* The rows of a projection to heads that are this worker's. */
static void share_projection(const lm_worker *w, const lm_linear *l, head_share hs, size_t heads_a_group,
                             size_t *begin, size_t *end) {
  size_t group = heads_a_group * w->p->m->head_dim;
  *begin = hs.begin * group;
  *end = hs.end * group;
  if (!hs.by_head) lm_own_columns(w, l->w.n, 16, begin, end);
}

/* A barrier that uses its time: what this worker reads behind it is fetched while it waits (decoding of a model of 10 M
 * parameters in Q4_0 on two threads gains 3 %). By row there is nothing to wait for. */
static void barrier_ahead(const lm_worker *w) {
  const lm_reads *r = w->reads;
  if (r == NULL || w->by_row) barrier_unless_by_row(w);
  else os_team_barrier_ahead(w->p->m->options.team, w->me, r->part + r->at, LM_READS_AHEAD);
}

/* ---- the residual stream ---- */

/* h [T][d] = embedding[id] * scale */
static void embed(const lm_worker *w) {
  const lm_model *m = w->p->m;
  size_t begin, end;
  lm_own_rows(w, &begin, &end);
  for (size_t t = begin; t < end; t++) {
    float *h = w->h + t * m->d;
    lm_embedding_row(m, m->scratch.id[t], h);
    for (size_t i = 0; i < m->d && m->embedding_scale != 1.0F; i++) h[i] *= m->embedding_scale;
  }
  lm_rope_tables(m, w->p->rows * (size_t)w->me / (size_t)w->of, w->p->rows * ((size_t)w->me + 1) / (size_t)w->of);
}

/* How many of `left` rows are normed at once. */
static size_t norm_rows(size_t d, size_t left) {
  size_t rows = d <= LM_NORM_FLOATS / LM_NORM_ROWS ? LM_NORM_ROWS : d <= LM_NORM_FLOATS ? LM_NORM_FLOATS / d : 1;
  return rows < left ? rows : left;
}

/* h += post(o), where there is an o; n = norm(h). With rows of its own a worker goes on at once. */
static void add_and_norm(const lm_worker *w, const float *o, const lm_norm *post, const lm_norm *norm) {
  const lm_model *m = w->p->m;
  matrix_input n = lm_input_n(w);
  size_t begin, end, d = m->d;
  lm_own_rows(w, &begin, &end);
  for (size_t t = begin, rows; t < end; t += rows) {
    float *h = w->h + t * d;
    const float *branch = o != NULL ? o + t * d : NULL;
    rows = norm_rows(d, end - t);
    if (branch != NULL && post != NULL && post->weight != NULL) {
      lm_norm_rows(m, post, branch, rows, d, w->row);
      branch = w->row;
    }
    if (branch != NULL) m->kernels->add(branch, rows * d, h);
    lm_norm_rows(m, norm, h, rows, d, w->row);
    matrix_input_put_rows(m->kernels, &n, t, rows, w->row, d, 0, d);
  }
  if (!w->own_rows) barrier_unless_by_row(w);
}

/* From the last layer on that writes keys and values, only rows whose logits are wanted are of use. They are few as a
 * rule, and shared out by columns. */
static void keep_wanted_rows(lm_worker *w, const lm_norm *norm) {
  lm_pass *p = w->p;
  const lm_scratch *s = &p->m->scratch;
  size_t d = p->m->d;
  barrier(w); /* all have read the rows that go */
  w->by_row = false;
  if (w->me == 0) {
    for (size_t i = 0; i < p->wanted; i++) {
      size_t row = s->wanted[i];
      memmove(s->h + i * d, s->h + row * d, d * sizeof *s->h);
      s->position[i] = s->position[row];
      s->sequence[i] = s->sequence[row];
    }
    p->rows = p->wanted;
    lm_rope_tables(p->m, 0, p->rows);
  }
  barrier(w);
  add_and_norm(w, NULL, NULL, norm);
}

/* Asked by worker 0 ahead of a barrier; all stop before layer `next`. */
static void ask_to_stop(const lm_worker *w, uint32_t next) {
  const lm_watch *watch = w->p->watch;
  if (w->me == 0 && watch != NULL && watch->stop != NULL && watch->stop(watch->ctx)) atomic_store(&w->p->stop_at, next);
}

/* ---- attention ---- */

/* y [T][heads * hd]: the heads that are this worker's, or its share of all. */
static void project(const lm_worker *w, const lm_linear *l, head_share hs, size_t heads_a_group, float *y) {
  size_t begin, end;
  matrix_input n = lm_input_n(w);
  share_projection(w, l, hs, heads_a_group, &begin, &end);
  lm_product(w, l, &n, begin, end, y, l->w.n);
}

/* Rows from `row` on, before `last` and at most `most`, that follow each other in one sequence. */
static size_t run_length(const lm_worker *w, size_t row, size_t last, size_t most) {
  const lm_scratch *s = &w->p->m->scratch;
  size_t n = 1;
  while (n < most && row + n < last && s->sequence[row + n] == s->sequence[row] &&
         s->position[row + n] == s->position[row] + n)
    n++;
  return n;
}

/* Whether group g of a row is this worker's, where heads cannot be shared out. Positions of one tile of keys stay
 * together, since they lie in the same cache lines: 135 M parameters, whose three groups two workers share, spent 6 %
 * of a block of 16 tokens there. */
static bool is_mine(const lm_worker *w, const lm_layer *l, size_t row, uint32_t g) {
  const lm_scratch *s = &w->p->m->scratch;
  size_t tile = s->sequence[row] + s->position[row] / 16;
  return (tile * l->kv_heads + g) % (size_t)w->of == (size_t)w->me;
}

/* Keys of n rows, of one tile of one sequence, as the product gave them, are normed and rotated, and go into the cache
 * with their values: those of the groups [begin, end), side by side. */
static void store_run(const lm_worker *w, const lm_layer *l, size_t row, size_t n, uint32_t begin, uint32_t end) {
  const lm_model *m = w->p->m;
  const lm_scratch *s = &m->scratch;
  size_t hd = m->head_dim, ld = l->kv_heads * hd;
  float *k = s->k + row * ld, *v = s->v + row * ld;
  for (size_t t = 0; t < n && l->k_norm.weight != NULL; t++)
    lm_norm_rows(m, &l->k_norm, k + t * ld + begin * hd, end - begin, hd, k + t * ld + begin * hd);
  lm_rope_rows(m, l->rope, row, n, k + begin * hd, ld, end - begin);
  for (uint32_t g = begin; g < end; g++)
    m->kernels->kv_put(&(cpu_kv_rows){.type = lm_cache_kv_type(m),
                                      .hd = hd,
                                      .position = lm_cache_place(w->p->c, l, s->sequence[row], s->position[row]),
                                      .n = n,
                                      .k = k + g * hd,
                                      .v = v + g * hd,
                                      .ld = ld,
                                      .keys = lm_cache_keys(w->p->c, l, s->sequence[row], g),
                                      .values = lm_cache_values(w->p->c, l, s->sequence[row], g)});
}

static void store_keys_values(const lm_worker *w, const lm_layer *l, head_share hs) {
  const lm_scratch *s = &w->p->m->scratch;
  size_t first = 0, last = w->p->rows;
  if (w->by_row) lm_own_rows(w, &first, &last);
  for (size_t row = first, n; row < last; row += n) {
    n = run_length(w, row, last, 16 - s->position[row] % 16);
    if (hs.by_head || w->by_row) {
      store_run(w, l, row, n, hs.begin, hs.end);
      continue;
    }
    for (uint32_t g = hs.begin; g < hs.end; g++)
      if (is_mine(w, l, row, g)) store_run(w, l, row, n, g, g + 1);
  }
}

/* The queries of n rows, heads [head, head + heads), normed and rotated. */
static void turn_queries(const lm_worker *w, const lm_layer *l, size_t row, size_t n, uint32_t head, uint32_t heads) {
  const lm_model *m = w->p->m;
  size_t hd = m->head_dim, nq = l->heads * hd;
  float *q = m->scratch.q + row * nq + head * hd;
  for (size_t t = 0; t < n && l->q_norm.weight != NULL; t++)
    lm_norm_rows(m, &l->q_norm, q + t * nq, heads, hd, q + t * nq);
  lm_rope_rows(m, l->rope, row, n, q, nq, heads);
}

/* attended of n rows of one sequence at consecutive positions, heads [head, head + heads) of one group. */
static void attend(const lm_worker *w, const lm_layer *l, size_t row, size_t n, uint32_t head, uint32_t heads) {
  const lm_model *m = w->p->m;
  const lm_scratch *s = &m->scratch;
  size_t hd = m->head_dim, nq = l->heads * hd;
  uint32_t g = head / (l->heads / l->kv_heads), sequence = s->sequence[row];
  float *q = s->q + row * nq + head * hd, *out = s->attended + row * nq + head * hd;
  m->kernels->attend(&(cpu_attend){.type = lm_cache_kv_type(m),
                                   .keys = lm_cache_keys(w->p->c, l, sequence, g),
                                   .values = lm_cache_values(w->p->c, l, sequence, g),
                                   .hd = hd,
                                   .heads = heads,
                                   .tokens = n,
                                   .position = lm_cache_place(w->p->c, l, sequence, s->position[row]),
                                   .window = l->window,
                                   .scale = m->attention_scale,
                                   .cap = m->attention_cap,
                                   .q = q,
                                   .out = out,
                                   .ldq = nq,
                                   .ldo = nq,
                                   .scratch = w->scores});
}

/* Columns [begin, begin + count) of n rows of attended, from `row` on, become input of the next product. */
static void put_attended(const lm_worker *w, const lm_layer *l, size_t row, size_t n, size_t begin, size_t count) {
  const lm_model *m = w->p->m;
  size_t nq = l->heads * m->head_dim;
  matrix_input in = lm_input_q(w, nq);
  matrix_input_put_rows(m->kernels, &in, row, n, m->scratch.attended + row * nq + begin, nq, begin, count);
}

/* attended [T][heads * hd] = softmax(q K) V, as input of the next product: by row a worker's own rows, by head its own
 * heads; otherwise runs of rows, and groups of heads, are dealt out, and one row with fewer groups than workers is by
 * heads. */
static void attend_rows(const lm_worker *w, const lm_layer *l, head_share hs) {
  size_t hd = w->p->m->head_dim, rows = w->p->rows, first = 0, last = rows, unit = 0;
  uint32_t group = l->heads / l->kv_heads, begin = hs.begin * group, end = hs.end * group;
  bool alone = hs.by_head || w->by_row;
  uint32_t piece = !alone && rows * l->kv_heads < (size_t)w->of ? 1 : group;
  if (w->by_row) lm_own_rows(w, &first, &last);
  for (size_t row = first, n; row < last; row += n) {
    n = run_length(w, row, last, LM_ATTEND_ROWS);
    if (alone) turn_queries(w, l, row, n, begin, end - begin);
    for (uint32_t h = begin; h < end; h += piece, unit++) {
      if (!alone && unit % (size_t)w->of != (size_t)w->me) continue;
      if (!alone) turn_queries(w, l, row, n, h, piece);
      attend(w, l, row, n, h, piece);
    }
    if (alone) put_attended(w, l, row, n, begin * hd, (end - begin) * hd);
  }
  if (alone) {
    barrier_ahead(w);
    return;
  }
  barrier(w);
  matrix_share(rows, 1, w->me, w->of, &first, &last);
  put_attended(w, l, first, last - first, 0, l->heads * hd);
  barrier(w);
}

/* o [T][d] = W_o attention(W_q n, W_k n, W_v n) */
static void attention(lm_worker *w, const lm_layer *l, uint32_t index) {
  const lm_scratch *s = &w->p->m->scratch;
  size_t begin, end, group = l->heads / l->kv_heads;
  head_share hs = share_heads(w, l);
  bool shrinks = index == w->p->m->last_writer && w->p->wanted < w->p->rows;
  if (l->kv_own) {
    project(w, &l->k, hs, 1, s->k); /* k [T][kv_heads * hd] */
    project(w, &l->v, hs, 1, s->v);
  }
  if (!shrinks) project(w, &l->q, hs, group, s->q); /* q [T][heads * hd] */
  if (!hs.by_head) barrier_unless_by_row(w);
  if (l->kv_own) store_keys_values(w, l, hs);
  if (shrinks) {
    keep_wanted_rows(w, &l->attn_norm);
    hs = share_heads(w, l);
    project(w, &l->q, hs, group, s->q);
  }
  if (w->by_row) ask_to_stop(w, index + 1);
  if (!hs.by_head) barrier(w); /* for the keys and values of all rows */
  attend_rows(w, l, hs);
  matrix_input in = lm_input_q(w, l->out.w.k);
  lm_own_columns(w, l->out.w.n, 16, &begin, &end);
  lm_product(w, &l->out, &in, begin, end, s->o, w->p->m->d);
  barrier_ahead(w);
}

/* ---- feed-forward and head ---- */

/* Columns [begin, end) of act(W_gate n) * W_up n as input of W_down; gate, up [T][ld]: scratch, `begin` first. */
static void feed_columns(const lm_worker *w, const lm_layer *l, size_t begin, size_t end, float *gate, float *up,
                         size_t ld) {
  const lm_model *m = w->p->m;
  size_t first = 0, last = w->p->rows;
  matrix_input n = lm_input_n(w), in = lm_input_ff(w, l->ff);
  if (w->by_row) lm_own_rows(w, &first, &last);
  lm_product(w, &l->gate, &n, begin, end, gate - begin, ld);
  lm_product(w, &l->up, &n, begin, end, up - begin, ld);
  for (size_t t = first, rows; t < last && begin < end; t += rows) {
    rows = last - t < LM_ACTIVE_ROWS ? last - t : LM_ACTIVE_ROWS;
    for (size_t r = t; r < t + rows; r++)
      lm_activate(m, l->gate.tensor != NULL ? gate + r * ld : NULL, up + r * ld, end - begin);
    matrix_input_put_rows(m->kernels, &in, t, rows, up + t * ld, ld, begin, end - begin);
  }
}

/* This worker's columns of its rows of the hidden layer. They go in pieces through the same cache lines: all of them
 * would be out of the second-level cache before the next layer, behind its weights, and every line of an output would
 * be read once to be written (gate and up of 500 M parameters in Q8_0, 16 tokens: 8 %, 128: 10 %; of 135 M 4 %). */
static void feed_own_part(const lm_worker *w, const lm_layer *l) {
  const lm_scratch *s = &w->p->m->scratch;
  size_t ff = l->ff, first = 0, last = w->p->rows, begin, end;
  if (w->by_row) lm_own_rows(w, &first, &last);
  lm_own_columns(w, ff, matrix_input_step(w->p->m->needs_ff), &begin, &end);
  size_t rows = last - first, share = w->by_row ? ff : ff / (size_t)w->of;
  size_t piece = (rows > 16 ? LM_BLOCK_PIECE_FLOATS : LM_PIECE_FLOATS) / rows / CPU_SPAN * CPU_SPAN;
  size_t ld = piece + 16; /* an odd number of lines */
  if (piece < 2 * CPU_SPAN || end - begin <= (rows > 16 ? 2 * piece : piece) || share < ld + 16) {
    feed_columns(w, l, begin, end, s->gate + begin, s->up + begin, ff);
    return;
  }
  size_t own = w->by_row ? first * (ff - ld) : (size_t)w->me * (rows * share / 16 * 16); /* of row 0 */
  for (size_t at = begin; at < end; at += piece)
    feed_columns(w, l, at, end - at < piece ? end : at + piece, s->gate + own, s->up + own, ld);
}

/* o [T][d] = W_down (act(W_gate n) * W_up n) */
static void feed_forward(const lm_worker *w, const lm_layer *l, const lm_layer *next) {
  const lm_model *m = w->p->m;
  size_t begin, end;
  matrix_input in = lm_input_ff(w, l->ff);
  feed_own_part(w, l);
  barrier_ahead(w);
  lm_own_columns(w, l->down.w.n, 16, &begin, &end);
  lm_product(w, &l->down, &in, begin, end, m->scratch.o, m->d);
  barrier_ahead(w);
  /* by row: where heads differ, rows of q come to lie elsewhere, and others may still read theirs */
  if (w->by_row && next != NULL && next->heads != l->heads) barrier(w);
}

/* logits [T][vocab] = cap(W_out n) */
static void head(const lm_worker *w) {
  const lm_model *m = w->p->m;
  matrix_input n = lm_input_n(w);
  size_t begin, end;
  matrix_share(m->vocab, 16, w->me, w->of, &begin, &end);
  lm_product(w, &m->output, &n, begin, end, w->p->logits, m->vocab);
  for (size_t t = 0; t < w->p->rows && m->logit_cap > 0.0F && begin < end; t++)
    m->kernels->soft_cap(w->p->logits + t * m->vocab + begin, end - begin, m->logit_cap);
}

/* ---- the pass ---- */

/* Whether the block is shared out by rows: there are enough of them, and a layer (they are alike) is not too large. */
static bool is_by_row(const lm_pass *p, int of) {
  size_t bytes = 0;
  for (int k = 0; k < LM_LINEARS; k++) {
    const lm_linear *l = lm_layer_linear(&p->m->layer[0], k);
    if (l->tensor != NULL) bytes += matrix_ahead(&l->w, 0, l->w.n).bytes;
  }
  return of > 1 && p->rows >= LM_SHARED_ROWS * (size_t)of && bytes <= LM_SHARED_BYTES / (size_t)of;
}

static lm_worker make_worker(lm_pass *p, int me, int of) {
  const lm_model *m = p->m;
  const lm_scratch *s = &m->scratch;
  lm_worker w = {.p = p, .me = me, .of = of, .h = s->h, .n = s->in_n, .needs_n = m->needs_n};
  w.row = s->row + (size_t)me * s->row_floats;
  w.scores = s->scores + (size_t)me * s->scores_floats;
  w.by_row = is_by_row(p, of);
  w.own_rows = p->rows <= LM_PRIVATE_ROWS && p->wanted == p->rows && of > 1;
  if (w.own_rows) {
    w.h = s->own_h + (size_t)me * LM_PRIVATE_ROWS * m->d;
    w.n = s->own_n + (size_t)me * s->own_n_bytes;
  }
  return w;
}

static void run_block(void *ctx, int me, int of) {
  lm_worker worker = make_worker(ctx, me, of), *w = &worker;
  lm_pass *p = w->p;
  const lm_model *m = p->m;
  lm_reads reads = lm_reads_of(m, me);
  w->reads = &reads;
  const float *branch = NULL; /* what the step before wants added to h */
  const lm_norm *post = NULL;
  embed(w);
  ask_to_stop(w, 0);
  barrier(w);
  for (uint32_t i = 0; i < m->layers && i < atomic_load(&p->stop_at); i++) {
    const lm_layer *l = &m->layer[i];
    add_and_norm(w, branch, post, &l->attn_norm);
    attention(w, l, i);
    if (p->rows == 0) return; /* the keys and values were all that was wanted */
    add_and_norm(w, m->scratch.o, &l->attn_post, &l->ffn_norm);
    if (!w->by_row) ask_to_stop(w, i + 1);
    feed_forward(w, l, i + 1 < m->layers ? l + 1 : NULL);
    branch = m->scratch.o;
    post = &l->ffn_post;
  }
  if (atomic_load(&p->stop_at) <= m->layers) return;
  if (w->by_row && m->needs_head != m->needs_n) barrier(w); /* rows lie elsewhere then, and others read theirs */
  w->needs_n = m->needs_head;
  add_and_norm(w, branch, post, &m->output_norm);
  if (w->by_row) barrier(w);
  w->by_row = false;
  if (w->me == 0 && p->states != NULL) memcpy(p->states, w->h, p->wanted * m->d * sizeof *p->states);
  head(w);
}

/* ---- the batch ---- */

static base_status check_token(const lm_model *m, const lm_cache *c, const lm_token *t, base_error *err) {
  if (t->id >= m->vocab)
    return base_fail(err, BASE_EARGUMENT, "token", "id %u; the vocabulary has %u", (unsigned)t->id,
                     (unsigned)m->vocab);
  if (t->sequence >= m->options.sequences)
    return base_fail(err, BASE_EARGUMENT, "token", "sequence %u; the cache has %u", (unsigned)t->sequence,
                     (unsigned)m->options.sequences);
  if (c->length[t->sequence] + ++c->coming[t->sequence] <= m->context) return BASE_OK;
  return base_fail(err, BASE_ELIMIT, "context", "sequence %u would have more than the %u tokens there is room for",
                   (unsigned)t->sequence, (unsigned)m->context);
}

static base_status check_tokens(const lm_model *m, const lm_cache *c, const lm_token *tokens, size_t n,
                                base_error *err) {
  base_status st = BASE_OK;
  for (size_t i = 0; i < n && !st; i++) st = check_token(m, c, &tokens[i], err);
  for (size_t i = 0; i < n; i++)
    if (tokens[i].sequence < m->options.sequences) c->coming[tokens[i].sequence] = 0;
  return st;
}

/* Tile t of `tiles`, dealt out to workers there and back again (0 1 1 0 0 1 ..): the later a token, the more it has to
 * attend to. The place among the tiles, of which each worker's lie side by side as matrix_share has them. */
static size_t dealt(size_t t, size_t tiles, size_t of) {
  size_t each = tiles / of, extra = tiles % of, round = t / of, worker = t % of;
  if (round < each && round % 2 == 1) worker = of - 1 - worker;
  return worker * each + (worker < extra ? worker : extra) + round;
}

/* The first row of tile t of a block. One that is not whole stays the last. */
static size_t tile_row(size_t t, size_t rows, size_t of) {
  size_t tiles = (rows + LM_TILE_ROWS - 1) / LM_TILE_ROWS, place = dealt(t, tiles, of);
  if (rows % LM_TILE_ROWS != 0 && t == tiles - 1) place = tiles - 1;
  else if (rows % LM_TILE_ROWS != 0 && place == tiles - 1) place = dealt(tiles - 1, tiles, of);
  return place * LM_TILE_ROWS;
}

/* Lays a block out in the scratch, each token behind what its sequence holds. By row, tiles are dealt out to workers;
 * where several rows' logits are wanted all stay in their order. */
static void fill_block(lm_pass *p, const lm_token *tokens, size_t n) {
  const lm_scratch *s = &p->m->scratch;
  uint32_t *coming = p->c->coming;
  p->rows = n;
  p->wanted = 0;
  for (size_t t = 0; t < n; t++) {
    coming[tokens[t].sequence]++;
    p->wanted += tokens[t].logits;
  }
  for (size_t t = 0; t < n; t++) {
    if (coming[tokens[t].sequence] > 0) lm_cache_make_room(p->c, tokens[t].sequence, coming[tokens[t].sequence]);
    coming[tokens[t].sequence] = 0;
  }
  int of = os_team_threads(p->m->options.team);
  if (p->wanted > 1 || !is_by_row(p, of)) of = 1;
  for (size_t t = 0, row = 0, wanted = 0; t < n; t++, row++) {
    if (t % LM_TILE_ROWS == 0) row = tile_row(t / LM_TILE_ROWS, n, (size_t)of);
    s->id[row] = tokens[t].id;
    s->sequence[row] = tokens[t].sequence;
    s->position[row] = p->c->length[tokens[t].sequence]++;
    if (tokens[t].logits) s->wanted[wanted++] = (uint32_t)row;
  }
}

static void take_block_back(lm_pass *p, const lm_token *tokens, size_t n) {
  for (size_t t = 0; t < n; t++) p->c->length[tokens[t].sequence]--;
}

base_status lm_forward(lm_model *m, lm_cache *c, const lm_token *tokens, size_t n, float *logits,
                       const lm_watch *watch, base_error *err) {
  lm_pass p = {.m = m, .c = c, .watch = watch, .logits = logits, .states = watch != NULL ? watch->states : NULL};
  atomic_init(&p.stop_at, UINT32_MAX);
  base_status st = check_tokens(m, c, tokens, n, err);
  if (st != BASE_OK) return st;
  lm_share_weights(m);
  for (size_t done = 0, block; done < n; done += block) {
    block = n - done < m->options.block ? n - done : m->options.block;
    fill_block(&p, tokens + done, block);
    os_team_run(m->options.team, run_block, &p);
    if (atomic_load(&p.stop_at) != UINT32_MAX) {
      take_block_back(&p, tokens + done, block);
      return base_fail(err, BASE_ECANCELLED, "forward", "stopped after %zu of %zu tokens", done, n);
    }
    p.logits += p.wanted * m->vocab;
    if (p.states != NULL) p.states += p.wanted * m->d;
    if (watch != NULL && watch->progress != NULL) watch->progress(watch->ctx, done + block, n);
  }
  return BASE_OK;
}
