/* Ridge regression over the dense features, each squashed, centred, of spread 1 and cut at 3, solved by Cholesky's
 * method. Straight lines go on where trees stop: subjects never seen lie outside the ones learnt. */
#include <math.h>
#include <string.h>

#include "route/internal.h"

static const float CUT = 3.0f;

/* Counts and lengths have long tails; hidden states have none. */
static float squash(float x, size_t feature) {
  if (feature >= ROUTE_SURFACE) return x;
  return x < 0.0f ? -cpu_logf(1.0f - x) : cpu_logf(1.0f + x);
}

static float standard(const route_line *l, float x, size_t j) {
  float z = (squash(x, j) - l->mean[j]) * l->inv_std[j];
  return z > CUT ? CUT : z < -CUT ? -CUT : z;
}

static void measure(route_line *l, const route_table *t, const uint32_t *which, size_t m) {
  for (size_t j = 0; j < t->dense; j++) {
    const float *value = t->value + j * t->n;
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < m; i++) {
      double x = (double)squash(value[which[i]], j);
      sum += x;
      squares += x * x;
    }
    double mean = sum / (double)m, variance = squares / (double)m - mean * mean;
    l->mean[j] = (float)mean;
    l->inv_std[j] = variance > 1e-10 ? (float)(1.0 / sqrt(variance)) : 0.0f;
  }
}

/* a[d][d] x = b in place, a positive definite; only its lower half is read. */
static void solve(double *a, double *b, size_t d) {
  for (size_t j = 0; j < d; j++) {
    for (size_t k = 0; k < j; k++)
      for (size_t i = j; i < d; i++) a[i * d + j] -= a[i * d + k] * a[j * d + k];
    double root = sqrt(a[j * d + j]);
    for (size_t i = j; i < d; i++) a[i * d + j] /= root;
  }
  for (size_t i = 0; i < d; i++) {
    for (size_t k = 0; k < i; k++) b[i] -= a[i * d + k] * b[k];
    b[i] /= a[i * d + i];
  }
  for (size_t i = d; i-- > 0;) {
    for (size_t k = i + 1; k < d; k++) b[i] -= a[k * d + i] * b[k];
    b[i] /= a[i * d + i];
  }
}

size_t route_line_scratch(size_t dense) { return dense * dense + 2 * dense; }

void route_line_fit(route_line *l, const route_table *t, const uint32_t *which, size_t m, const float *y,
                    const float *by_row, double ridge, double *scratch) {
  size_t d = t->dense;
  double *a = scratch, *b = scratch + d * d, *x = b + d, mean = 0.0, all = 0.0;
  memset(scratch, 0, route_line_scratch(d) * sizeof *scratch);
  measure(l, t, which, m);
  for (size_t i = 0; i < m; i++) {
    double weight = by_row ? (double)by_row[which[i]] : 1.0;
    mean += weight * (double)y[which[i]];
    all += weight;
  }
  mean /= all;
  for (size_t i = 0; i < m; i++) {
    double weight = (by_row ? (double)by_row[which[i]] : 1.0) * (double)m / all;
    for (size_t j = 0; j < d; j++) x[j] = (double)standard(l, t->value[j * t->n + which[i]], j);
    for (size_t j = 0; j < d; j++) {
      double scaled = weight * x[j];
      b[j] += scaled * ((double)y[which[i]] - mean);
      for (size_t k = 0; k <= j; k++) a[j * d + k] += scaled * x[k];
    }
  }
  for (size_t j = 0; j < d; j++) a[j * d + j] += ridge;
  solve(a, b, d);
  for (size_t j = 0; j < d; j++) l->weight[j] = (float)b[j];
  l->bias = (float)mean;
}

float route_line_score(const route_line *l, const float *x, size_t dense, size_t stride) {
  float sum = l->bias;
  for (size_t j = 0; j < dense; j++) sum += l->weight[j] * standard(l, x[j * stride], j);
  return sum;
}
