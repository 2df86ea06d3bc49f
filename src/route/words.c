/* Ridge regression over hashed words and pairs, each row a vector of length 1 of idf-weighted counts (Salton, Buckley
 * 1988), solved by conjugate gradients (Hestenes, Stiefel 1952) on the normal equations; the bias is an unknown
 * without a penalty. */
#include <math.h>
#include <string.h>

#include "route/internal.h"

enum { STEPS = 60 };
static const double ENOUGH = 1e-5; /* of the first residual */

typedef struct solving {
  const route_words *w;
  const route_table *t;
  const uint32_t *which;
  size_t m;
  float *norm; /* [m]: 1 / length of the row's vector */
  double ridge;
} solving;

static float norm_of(const float *idf, const route_gram *gram, size_t n) {
  float sum = 0.0f;
  for (size_t i = 0; i < n; i++) {
    float v = idf[gram[i].bucket] * gram[i].count;
    sum += v * v;
  }
  return sum > 0.0f ? 1.0f / sqrtf(sum) : 0.0f;
}

static const route_gram *row_of(const solving *s, size_t i, size_t *n) {
  size_t at = s->which[i];
  *n = s->t->start[at + 1] - s->t->start[at];
  return s->t->gram + s->t->start[at];
}

/* Rows that have a bucket, then log((1 + m) / (1 + those)) + 1; a bucket of one row says nothing about others. */
static void count_idf(const solving *s, float *idf) {
  memset(idf, 0, ROUTE_BUCKETS * sizeof *idf);
  for (size_t i = 0, n; i < s->m; i++) {
    const route_gram *g = row_of(s, i, &n);
    for (size_t j = 0; j < n; j++) idf[g[j].bucket] += 1.0f;
  }
  for (size_t i = 0; i < ROUTE_BUCKETS; i++)
    idf[i] = idf[i] >= 2.0f ? cpu_logf((1.0f + (float)s->m) / (1.0f + idf[i])) + 1.0f : 0.0f;
}

/* sum += x_i (x_i . v + bias - target) over the rows, and the same for the bias; v NULL: 0. */
static double gather(const solving *s, const float *v, double bias, const float *y, float *sum) {
  const float *idf = s->w->idf;
  double of_bias = 0.0;
  for (size_t i = 0, n; i < s->m; i++) {
    const route_gram *g = row_of(s, i, &n);
    float dot = 0.0f;
    for (size_t j = 0; v != NULL && j < n; j++) dot += idf[g[j].bucket] * g[j].count * v[g[j].bucket];
    double e = (double)(dot * s->norm[i]) + bias - (y ? (double)y[s->which[i]] : 0.0);
    float scaled = (float)e * s->norm[i];
    for (size_t j = 0; j < n; j++) sum[g[j].bucket] += idf[g[j].bucket] * g[j].count * scaled;
    of_bias += e;
  }
  return of_bias;
}

static double squared(const float *v, double bias) {
  double sum = bias * bias;
  for (size_t i = 0; i < ROUTE_BUCKETS; i++) sum += (double)v[i] * (double)v[i];
  return sum;
}

/* out = (X'X + ridge) p. */
static double multiply(const solving *s, const float *p, double p_bias, float *out) {
  for (size_t i = 0; i < ROUTE_BUCKETS; i++) out[i] = (float)s->ridge * p[i];
  return gather(s, p, p_bias, NULL, out);
}

/* r = b - A x, p the direction; all vectors have the bias beside them. */
static void descend(const solving *s, route_words *w, const float *y, float *r, float *p, float *q) {
  double r_bias, p_bias;
  memset(r, 0, ROUTE_BUCKETS * sizeof *r);
  memset(w->weight, 0, ROUTE_BUCKETS * sizeof *w->weight);
  w->bias = 0.0f;
  r_bias = -gather(s, NULL, 0.0, y, r);
  for (size_t i = 0; i < ROUTE_BUCKETS; i++) p[i] = r[i] = -r[i];
  p_bias = r_bias;
  double rr = squared(r, r_bias), stop = rr * ENOUGH * ENOUGH, bias = 0.0;
  for (int step = 0; step < STEPS && rr > stop; step++) {
    double q_bias = multiply(s, p, p_bias, q), pq = p_bias * q_bias;
    for (size_t i = 0; i < ROUTE_BUCKETS; i++) pq += (double)p[i] * (double)q[i];
    double rate = rr / pq, before = rr;
    for (size_t i = 0; i < ROUTE_BUCKETS; i++) {
      w->weight[i] += (float)rate * p[i];
      r[i] -= (float)rate * q[i];
    }
    bias += rate * p_bias;
    r_bias -= rate * q_bias;
    rr = squared(r, r_bias);
    for (size_t i = 0; i < ROUTE_BUCKETS; i++) p[i] = r[i] + (float)(rr / before) * p[i];
    p_bias = r_bias + rr / before * p_bias;
  }
  w->bias = (float)bias;
}

void route_words_fit(route_words *w, const route_table *t, const uint32_t *which, size_t m, const float *y,
                     double ridge, float *scratch) {
  solving s = {w, t, which, m, scratch + 3 * ROUTE_BUCKETS, ridge};
  count_idf(&s, w->idf);
  for (size_t i = 0, n; i < m; i++) {
    const route_gram *g = row_of(&s, i, &n);
    s.norm[i] = norm_of(w->idf, g, n);
  }
  descend(&s, w, y, scratch, scratch + ROUTE_BUCKETS, scratch + 2 * ROUTE_BUCKETS);
}

float route_words_score(const route_words *w, const route_gram *gram, size_t n) {
  float norm = norm_of(w->idf, gram, n), sum = 0.0f;
  for (size_t i = 0; i < n; i++) sum += w->idf[gram[i].bucket] * gram[i].count * w->weight[gram[i].bucket];
  return sum * norm + w->bias;
}
