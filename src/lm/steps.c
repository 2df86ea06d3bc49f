/* lm/steps: the small steps of a pass: products, norms, activations. Each does one worker's share of the rows or
 * columns; what a step gives does not depend on how it was shared out. */
#include "lm/internal.h"

#include <math.h>

void lm_share(const lm_worker *w, size_t n, size_t grain, size_t *begin, size_t *end) {
  size_t pieces = (n + grain - 1) / grain, of = (size_t)w->of, me = (size_t)w->me;
  size_t first = pieces * me / of * grain, last = pieces * (me + 1) / of * grain;
  *begin = first < n ? first : n;
  *end = last < n ? last : n;
}

void lm_matrix_row(const lm_matrix *w, size_t row, float *out) {
  const unsigned char *data = w->tensor->data;
  quant_decode_row(w->tensor->type, data + row * (w->tensor->bytes / w->rows), w->cols, out);
}

void lm_product(const lm_worker *w, const lm_linear *l, const float *x, size_t ldx, float *y, size_t ldy) {
  const lm_model *m = w->p->m;
  float *row = m->scratch.row + (size_t)w->me * m->scratch.row_floats;
  size_t begin, end;
  if (l->w == NULL) return;
  lm_share(w, l->rows, 16, &begin, &end);
  for (size_t j = begin; j < end; j++) {
    lm_matrix_row(l->w, l->row + j, row);
    float bias = l->bias != NULL ? l->bias[j] : 0.0F;
    for (size_t t = 0; t < w->p->rows; t++) y[t * ldy + j] = m->kernels->dot(row, x + t * ldx, l->w->cols) + bias;
  }
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

void lm_norm_row(const lm_worker *w, const lm_norm *norm, const float *x, size_t d, float *y) {
  const lm_model *m = w->p->m;
  if (m->family->norm == LM_RMS_NORM) m->kernels->rmsnorm(x, norm->weight, 1, d, m->eps, y, NULL);
  else layer_norm(m->kernels, norm, x, d, m->eps, y);
}

/* ---- activations ---- */

float lm_tanhf(float x) {
  if (x > 9.0F) return 1.0F;
  if (x < -9.0F) return -1.0F;
  return 1.0F - 2.0F / (cpu_expf(2.0F * x) + 1.0F);
}

/* erf by Abramowitz and Stegun 7.1.26; error below 1.5e-7. */
static float erf_of(float x) {
  float a = fabsf(x), t = 1.0F / (1.0F + 0.3275911F * a);
  float poly = ((((1.061405429F * t - 1.453152027F) * t + 1.421413741F) * t - 0.284496736F) * t + 0.254829592F) * t;
  float value = 1.0F - poly * cpu_expf(-a * a);
  return x < 0.0F ? -value : value;
}

/* Hendrycks, Gimpel 2016: with tanh as their approximation has it, or exactly. */
static float gelu_tanh(float x) {
  return 0.5F * x * (1.0F + lm_tanhf(0.7978845608F * (x + 0.044715F * x * x * x)));
}
static float gelu(float x) { return 0.5F * x * (1.0F + erf_of(x * 0.70710678F)); }

void lm_activate(const lm_model *m, const float *gate, float *up, size_t n) {
  if (m->family->act == LM_SILU) {
    m->kernels->silu_mul(gate, up, n, up);
    return;
  }
  bool tanh_form = m->family->act == LM_GELU_TANH;
  for (size_t i = 0; i < n; i++) {
    float g = gate != NULL ? gate[i] : up[i], other = gate != NULL ? up[i] : 1.0F;
    up[i] = (tanh_form ? gelu_tanh(g) : gelu(g)) * other;
  }
}

void lm_soft_cap(float *x, size_t n, float cap) {
  if (cap <= 0.0F) return;
  for (size_t i = 0; i < n; i++) x[i] = cap * lm_tanhf(x[i] / cap);
}
