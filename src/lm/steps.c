/* lm/steps: the small steps of a pass: inputs and products, norms, activations. Each does one worker's share; what a
 * step gives does not depend on how it was shared out. */
#include "lm/internal.h"

#include <math.h>

void lm_own_rows(const lm_worker *w, size_t *begin, size_t *end) {
  if (w->by_row) {
    matrix_share(w->p->rows, 16, w->me, w->of, begin, end);
    return;
  }
  size_t rows = w->p->rows, of = w->own_rows ? 1 : (size_t)w->of, me = w->own_rows ? 0 : (size_t)w->me;
  *begin = rows * me / of;
  *end = rows * (me + 1) / of;
}

void lm_own_columns(const lm_worker *w, size_t n, size_t step, size_t *begin, size_t *end) {
  *begin = 0;
  *end = n;
  if (!w->by_row) matrix_share(n, step, w->me, w->of, begin, end);
}

/* ---- products ---- */

matrix_input lm_input_n(const lm_worker *w) {
  const lm_model *m = w->p->m;
  matrix_input in;
  matrix_input_init(&in, w->needs_n, w->own_rows ? LM_PRIVATE_ROWS : m->options.block, m->d, w->n);
  return in;
}

matrix_input lm_input_q(const lm_worker *w, size_t k) {
  matrix_input in;
  matrix_input_init(&in, w->p->m->needs_q, w->p->m->options.block, k, w->p->m->scratch.in_q);
  return in;
}

matrix_input lm_input_ff(const lm_worker *w, size_t k) {
  matrix_input in;
  matrix_input_init(&in, w->p->m->needs_ff, w->p->m->options.block, k, w->p->m->scratch.in_ff);
  return in;
}

size_t lm_reads_most(const lm_model *m) { return (size_t)(m->layers + 1) * LM_READS_A_LAYER; }

lm_reads lm_reads_of(const lm_model *m, int worker) {
  size_t most = lm_reads_most(m);
  return (lm_reads){.part = m->scratch.reads + (size_t)worker * most, .most = most, .at = 0};
}

/* Notes a read; where the next one begins, the first of all behind the last, or NULL. */
static const void *next_read(const lm_worker *w, os_ahead now) {
  lm_reads *r = w->reads;
  if (r == NULL || r->at + LM_READS_AHEAD >= r->most) return NULL;
  r->part[r->at] = now;
  const os_ahead *next = &r->part[++r->at];
  return next->bytes > 0 ? next->next : r->part[0].next;
}

void lm_product(const lm_worker *w, const lm_linear *l, const matrix_input *x, size_t begin, size_t end, float *y,
                size_t ldy) {
  size_t first = 0, last = w->p->rows;
  if (l->tensor == NULL) return;
  if (w->by_row) lm_own_rows(w, &first, &last);
  matrix_mul(w->p->m->kernels, &l->w, x, first, last - first, begin, end, y + first * ldy, ldy, false,
             next_read(w, matrix_ahead(&l->w, begin, end)));
  for (size_t t = first; l->bias != NULL && t < last; t++)
    for (size_t j = begin; j < end; j++) y[t * ldy + j] += l->bias[j];
}

void lm_embedding_row(const lm_model *m, size_t id, float *out) {
  const gguf_tensor *t = m->embedding;
  if (m->output.tensor == t) matrix_row(&m->output.w, id, out); /* tied: the packed one is in memory anyway */
  else quant_decode_row(t->type, (const unsigned char *)t->data + id * (t->bytes / m->vocab), m->d, out);
}

/* ---- norms ---- */

static void layer_norm(const cpu_kernels *k, const lm_norm *norm, const float *x, size_t d, float eps, float *y) {
  double sum = 0.0;
  for (size_t i = 0; i < d; i++) sum += (double)x[i];
  float mean = (float)(sum / (double)d);
  for (size_t i = 0; i < d; i++) y[i] = x[i] - mean;
  float scale = 1.0F / sqrtf(k->dot(y, y, d) / (float)d + eps);
  for (size_t i = 0; i < d; i++) y[i] = y[i] * scale * norm->weight[i] + norm->bias[i];
}

void lm_norm_rows(const lm_model *m, const lm_norm *norm, const float *x, size_t rows, size_t d, float *y) {
  if (m->family->norm == LM_RMS_NORM) {
    m->kernels->rmsnorm(x, norm->weight, rows, d, m->eps, y, NULL);
    return;
  }
  for (size_t r = 0; r < rows; r++) layer_norm(m->kernels, norm, x + r * d, d, m->eps, y + r * d);
}

/* ---- activations ---- */

void lm_activate(const lm_model *m, const float *gate, float *up, size_t n) {
  if (m->family->act == LM_SILU) m->kernels->swiglu(gate, n, up);
  else if (gate == NULL) m->kernels->gelu_mul(up, NULL, n, m->family->act == LM_GELU_TANH, up);
  else m->kernels->gelu_mul(gate, up, n, m->family->act == LM_GELU_TANH, up);
}
