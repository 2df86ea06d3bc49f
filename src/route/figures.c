/* The figures: RouteLLM's curve and what is read off it, calibration error, thresholds with a guarantee and how often
 * it is kept. */
#include <math.h>
#include <string.h>

#include "route/internal.h"

enum { ECE_BINS = 15 };

/* ---- order ---- */

/* By falling score; equal ones in the order of the rows. */
static bool before(const float *score, uint32_t a, uint32_t b) {
  return score[a] > score[b] || (score[a] == score[b] && a < b);
}

static void sift(const float *score, uint32_t *o, size_t at, size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && before(score, o[child], o[child + 1])) child++;
    if (!before(score, o[at], o[child])) return;
    uint32_t x = o[at];
    o[at] = o[child];
    o[child] = x;
  }
}

static void sort_falling(const float *score, uint32_t *order, size_t n) {
  for (size_t i = n / 2; i-- > 0;) sift(score, order, i, n);
  for (size_t end = n; end-- > 1;) {
    uint32_t x = order[0];
    order[0] = order[end];
    order[end] = x;
    sift(score, order, 0, end);
  }
}

/* ---- the curve ---- */

/* Percent of calls where the curve first reaches `share`. */
static double reach(const route_curve *c, double share) {
  for (int d = 1; d <= 10; d++) {
    double low = c->recovered[d - 1], high = c->recovered[d];
    if (high < share) continue;
    return high > low ? 10.0 * (d - 1 + (share - low) / (high - low)) : 10.0 * d;
  }
  return (double)NAN;
}

void route_curve_of(const route_row *row, const float *score, size_t n, uint32_t *order, route_curve *out) {
  double gained = 0.0, weak = 0.0, strong = 0.0, after[11] = {0};
  size_t sent = 0;
  for (size_t i = 0; i < n; i++) {
    order[i] = (uint32_t)i;
    weak += row[i].weak;
    strong += row[i].strong;
  }
  sort_falling(score, order, n);
  for (size_t d = 1; d <= 10; d++) {
    for (; sent < (2 * d * n + 10) / 20; sent++) gained += row[order[sent]].strong - row[order[sent]].weak;
    after[d] = gained;
  }
  *out = (route_curve){.weak = weak / (double)n, .strong = strong / (double)n};
  for (int d = 0; d <= 10; d++) {
    out->recovered[d] = strong != weak ? after[d] / (strong - weak) : (double)NAN;
    out->apgr += out->recovered[d] * (d == 0 || d == 10 ? 0.05 : 0.1);
  }
  out->cpt50 = strong != weak ? reach(out, 0.5) : (double)NAN;
  out->cpt80 = strong != weak ? reach(out, 0.8) : (double)NAN;
}

double route_ece(const float *probability, const bool *event, size_t n) {
  double said[ECE_BINS] = {0}, seen[ECE_BINS] = {0}, sum = 0.0;
  for (size_t i = 0; i < n; i++) {
    int b = (int)(probability[i] * ECE_BINS);
    b = b < 0 ? 0 : b >= ECE_BINS ? ECE_BINS - 1 : b;
    said[b] += (double)probability[i];
    seen[b] += event[i];
  }
  for (int b = 0; b < ECE_BINS; b++) sum += fabs(said[b] - seen[b]);
  return n ? sum / (double)n : 0.0;
}

/* ---- thresholds ---- */

/* P(Binomial(n, p) <= k), summed in logarithms. */
static double binomial_tail(size_t k, size_t n, double p) {
  double sum = 0.0, log_ratio = log(p) - log1p(-p), term = (double)n * log1p(-p);
  for (size_t i = 0; i <= k; i++) {
    sum += exp(term);
    term += log((double)(n - i)) - log((double)(i + 1)) + log_ratio;
  }
  return sum;
}

/* The most wrong answers among n that the bound allows; -1: not even none. */
static long allowed(size_t n, double alpha, bool expected, double delta) {
  if (alpha >= 1.0) return (long)n;
  if (expected) return (long)floor(alpha * (double)(n + 1) + 1e-9) - 1;
  long low = -1, high = (long)floor(alpha * (double)n);
  while (low < high) { /* the largest k with P(at most k) <= delta when alpha is true */
    long k = low + (high - low + 1) / 2;
    if (binomial_tail((size_t)k, n, alpha) <= delta) low = k;
    else high = k - 1;
  }
  return low;
}

float route_threshold(const float *score, const bool *weak_right, size_t n, double alpha, bool expected, double delta,
                      uint32_t *order) {
  long may = allowed(n, alpha, expected, delta), wrong = 0;
  if (may < 0) return 0.0f;
  for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
  sort_falling(score, order, n);
  for (size_t i = n; i-- > 0;) { /* from the easiest on; the first wrong answer too many is handed off */
    wrong += !weak_right[order[i]];
    if (wrong > may) return score[order[i]];
  }
  return 2.0f;
}

/* Risk and share kept of rows order[0..m) under a threshold. */
static double risk_of(const float *score, const bool *weak_right, const uint32_t *row, size_t m, float t,
                      double *kept) {
  size_t wrong = 0, n = 0;
  for (size_t i = 0; i < m; i++) {
    if (score[row[i]] >= t) continue;
    n++;
    wrong += !weak_right[row[i]];
  }
  *kept = (double)n / (double)m;
  return (double)wrong / (double)m;
}

typedef struct halves {
  uint32_t *all, *order;
  float *score;
  bool *right;
} halves;

static void carve(halves *h, base_arena *a, size_t n) {
  h->all = base_arena_take(a, n, sizeof *h->all);
  h->order = base_arena_take(a, n, sizeof *h->order);
  h->score = base_arena_take(a, n, sizeof *h->score);
  h->right = base_arena_take(a, n, sizeof *h->right);
}

static void try_once(const halves *h, const float *score, const bool *weak_right, size_t n, double delta,
                     route_conformal *c) {
  size_t half = n / 2;
  double kept;
  for (size_t i = 0; i < half; i++) {
    h->score[i] = score[h->all[i]];
    h->right[i] = weak_right[h->all[i]];
  }
  float t = route_threshold(h->score, h->right, half, c->alpha, true, delta, h->order);
  double risk = risk_of(score, weak_right, h->all + half, n - half, t, &kept);
  c->mean_risk += risk;
  c->violated += risk > c->alpha;
  c->kept += kept;
  t = route_threshold(h->score, h->right, half, c->alpha, false, delta, h->order);
  risk = risk_of(score, weak_right, h->all + half, n - half, t, &kept);
  c->sure_risk += risk;
  c->sure_violated += risk > c->alpha;
  c->sure_kept += kept;
}

base_status route_conformal_try(const float *score, const bool *weak_right, size_t n, double alpha, double delta,
                                size_t splits, uint64_t seed, const base_allocator *a, route_conformal *out,
                                base_error *err) {
  halves h = {0};
  base_arena arena;
  base_rng rng;
  *out = (route_conformal){.alpha = alpha};
  if (n < 2 || splits == 0) return base_fail(err, BASE_EARGUMENT, "route", "two rows at least are needed");
  if (a == NULL) a = base_allocator_libc();
  base_arena_init(&arena, NULL, 0);
  carve(&h, &arena, n);
  size_t bytes = arena.used;
  void *block = base_alloc(a, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "route", "no memory for %zu rows", n);
  base_arena_init(&arena, block, bytes);
  carve(&h, &arena, n);
  base_rng_seed(&rng, seed);
  for (size_t i = 0; i < n; i++) h.all[i] = (uint32_t)i;
  for (size_t s = 0; s < splits; s++) {
    base_rng_shuffle(&rng, h.all, n);
    try_once(&h, score, weak_right, n, delta, out);
  }
  double *sum[] = {&out->mean_risk, &out->violated, &out->kept, &out->sure_risk, &out->sure_violated, &out->sure_kept};
  for (size_t i = 0; i < sizeof sum / sizeof *sum; i++) *sum[i] /= (double)splits;
  base_free(a, block, bytes);
  return BASE_OK;
}
