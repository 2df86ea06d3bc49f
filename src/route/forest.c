/* Boosted regression trees (Friedman 2001) for squared error, grown leaf by leaf where the gain is largest over
 * histograms of ROUTE_BINS quantile bins (as in Ke et al. 2017), each split looking at a random share of the
 * features, each tree at a random share of the rows (Friedman 2002). One forest is grown in one thread, so its bits
 * depend on rows and seed alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "route/internal.h"

typedef struct leaf {
  uint32_t node, begin, end; /* its rows in `order` */
  double sum, weight, gain;  /* of the weighted residuals; of the weights; of its best split */
  uint32_t feature, bin;     /* goes left when bin <= this */
} leaf;

typedef struct growing {
  const route_growth *g;
  const route_table *t;
  const uint32_t *which;
  size_t m, dense;
  base_rng rng;
  uint8_t *bin;     /* [dense][m] */
  float *edge;      /* [dense][ROUTE_BINS]: the largest value of a bin */
  uint8_t *bins;    /* [dense] how many a feature has */
  float *residual;  /* [m] */
  float *weight;    /* [m] mean 1 */
  float *sorted;    /* [m] */
  uint32_t *order, *spare;   /* [m] */
  uint32_t *feature; /* [dense]: drawn from */
  leaf leaf[ROUTE_MAX_LEAVES];
  size_t n_leaves;
} growing;

static void carve(growing *w, base_arena *a, size_t m, size_t dense) {
  w->bin = base_arena_take(a, dense * m, 1);
  w->edge = base_arena_take(a, dense * ROUTE_BINS, sizeof *w->edge);
  w->bins = base_arena_take(a, dense, 1);
  w->residual = base_arena_take(a, m, sizeof *w->residual);
  w->weight = base_arena_take(a, m, sizeof *w->weight);
  w->sorted = base_arena_take(a, m, sizeof *w->sorted);
  w->order = base_arena_take(a, m, sizeof *w->order);
  w->spare = base_arena_take(a, m, sizeof *w->spare);
  w->feature = base_arena_take(a, dense, sizeof *w->feature);
}

size_t route_grow_bytes(size_t m, size_t dense) {
  growing w;
  base_arena a;
  base_arena_init(&a, NULL, 0);
  carve(&w, &a, m, dense);
  return a.used;
}

/* ---- bins ---- */

static int by_value(const void *x, const void *y) {
  float a = *(const float *)x, b = *(const float *)y;
  return (a > b) - (a < b);
}

/* Edges half way between neighbouring values, at quantiles; the last bin has none. */
static void bin_feature(growing *w, size_t j) {
  const float *value = w->t->value + j * w->t->n;
  float *edge = w->edge + j * ROUTE_BINS;
  uint8_t *bin = w->bin + j * w->m;
  size_t n = 0;
  for (size_t i = 0; i < w->m; i++) w->sorted[i] = value[w->which[i]];
  qsort(w->sorted, w->m, sizeof *w->sorted, by_value);
  for (size_t b = 1; b < ROUTE_BINS; b++) {
    size_t at = b * w->m / ROUTE_BINS;
    while (at > 0 && at < w->m && w->sorted[at] == w->sorted[at - 1]) at++;
    if (at == 0 || at >= w->m) continue;
    float e = 0.5f * (w->sorted[at - 1] + w->sorted[at]);
    if (n == 0 || e > edge[n - 1]) edge[n++] = e;
  }
  w->bins[j] = (uint8_t)(n + 1);
  for (size_t i = 0; i < w->m; i++) {
    float x = value[w->which[i]];
    size_t low = 0, high = n; /* the first edge that is not below x */
    while (low < high) {
      size_t middle = (low + high) / 2;
      if (edge[middle] < x) low = middle + 1;
      else high = middle;
    }
    bin[i] = (uint8_t)low;
  }
}

/* ---- one split ---- */

static void look_at(const growing *w, leaf *l, uint32_t j) {
  double sum[ROUTE_BINS] = {0}, weight[ROUTE_BINS] = {0}, left = 0.0, wl = 0.0, ridge = w->g->ridge;
  uint32_t count[ROUTE_BINS] = {0}, to_left = 0, n = l->end - l->begin;
  const uint8_t *bin = w->bin + (size_t)j * w->m;
  for (uint32_t i = l->begin; i < l->end; i++) {
    uint32_t at = w->order[i];
    sum[bin[at]] += (double)(w->weight[at] * w->residual[at]);
    weight[bin[at]] += (double)w->weight[at];
    count[bin[at]]++;
  }
  double none = l->sum * l->sum / (l->weight + ridge);
  for (uint32_t b = 0; b + 1 < w->bins[j]; b++) {
    left += sum[b];
    wl += weight[b];
    to_left += count[b];
    double right = l->sum - left, wr = l->weight - wl;
    if (to_left < w->g->least || n - to_left < w->g->least) continue;
    double gain = left * left / (wl + ridge) + right * right / (wr + ridge) - none;
    if (gain <= l->gain) continue;
    l->gain = gain;
    l->feature = j;
    l->bin = b;
  }
}

static void find_split(growing *w, leaf *l) {
  size_t dense = w->dense, look = (size_t)(w->g->share * (double)dense + 0.5);
  l->gain = 1e-9;
  l->feature = UINT32_MAX;
  if (l->end - l->begin < 2 * w->g->least) return;
  if (look < 1) look = 1;
  for (size_t i = 0; i < look; i++) {
    size_t j = i + base_rng_below(&w->rng, (uint32_t)(dense - i));
    uint32_t x = w->feature[i];
    w->feature[i] = w->feature[j];
    w->feature[j] = x;
    look_at(w, l, w->feature[i]);
  }
}

/* ---- one tree ---- */

static uint32_t divide(growing *w, const leaf *l, double *left_sum, double *left_weight) {
  const uint8_t *bin = w->bin + (size_t)l->feature * w->m;
  uint32_t n = l->begin, spare = 0;
  *left_sum = *left_weight = 0.0;
  for (uint32_t i = l->begin; i < l->end; i++) {
    uint32_t at = w->order[i];
    if (bin[at] <= l->bin) {
      w->order[n++] = at;
      *left_sum += (double)(w->weight[at] * w->residual[at]);
      *left_weight += (double)w->weight[at];
    } else {
      w->spare[spare++] = at;
    }
  }
  memcpy(w->order + n, w->spare, spare * sizeof *w->spare);
  return n;
}

static void split_best(growing *w, route_forest *f, size_t root, uint32_t *next) {
  leaf *best = &w->leaf[0];
  for (size_t i = 1; i < w->n_leaves; i++)
    if (w->leaf[i].feature != UINT32_MAX && (best->feature == UINT32_MAX || w->leaf[i].gain > best->gain))
      best = &w->leaf[i];
  if (best->feature == UINT32_MAX) return;
  size_t at = root + best->node;
  f->feature[at] = (int32_t)best->feature;
  f->threshold[at] = w->edge[best->feature * ROUTE_BINS + best->bin];
  f->left[at] = *next;
  double left_sum, left_weight;
  uint32_t middle = divide(w, best, &left_sum, &left_weight);
  leaf right = {.node = *next + 1, .begin = middle, .end = best->end, .sum = best->sum - left_sum,
                .weight = best->weight - left_weight};
  *best = (leaf){.node = *next, .begin = best->begin, .end = middle, .sum = left_sum, .weight = left_weight};
  *next += 2;
  find_split(w, best);
  find_split(w, &right);
  w->leaf[w->n_leaves++] = right;
}

/* The rows that a tree sees come first in `order`; returns how many. */
static size_t draw_rows(growing *w) {
  size_t seen = w->g->bag > 0.0 ? (size_t)(w->g->bag * (double)w->m + 0.5) : w->m;
  for (size_t i = 0; i < w->m; i++) w->order[i] = (uint32_t)i;
  for (size_t i = 0; seen < w->m && i < seen; i++) {
    size_t j = i + base_rng_below(&w->rng, (uint32_t)(w->m - i));
    uint32_t x = w->order[i];
    w->order[i] = w->order[j];
    w->order[j] = x;
  }
  return seen;
}

/* The leaf's value that row `at` of those trained on falls into, by bins as in the splits. */
static float value_of(const growing *w, const route_forest *f, size_t root, uint32_t at) {
  uint32_t node = 0;
  while (f->feature[root + node] >= 0) {
    size_t j = (size_t)f->feature[root + node];
    float x = w->t->value[j * w->t->n + w->which[at]];
    node = f->left[root + node] + (x > f->threshold[root + node]);
  }
  return f->value[root + node];
}

static void grow_tree(growing *w, route_forest *f, uint32_t tree) {
  size_t root = (size_t)tree * f->nodes, seen = draw_rows(w);
  uint32_t next = 1;
  leaf all = {.end = (uint32_t)seen};
  for (size_t i = 0; i < f->nodes; i++) {
    f->feature[root + i] = -1;
    f->threshold[root + i] = f->value[root + i] = 0.0f;
    f->left[root + i] = 0;
  }
  for (size_t i = 0; i < seen; i++) {
    all.sum += (double)(w->weight[w->order[i]] * w->residual[w->order[i]]);
    all.weight += (double)w->weight[w->order[i]];
  }
  w->leaf[0] = all;
  w->n_leaves = 1;
  find_split(w, &w->leaf[0]);
  for (uint32_t n = 1; n < w->g->leaves; n++) split_best(w, f, root, &next);
  for (size_t i = 0; i < w->n_leaves; i++) {
    const leaf *l = &w->leaf[i];
    f->value[root + l->node] = (float)(w->g->rate * l->sum / (l->weight + w->g->ridge));
  }
  for (size_t i = 0; i < w->m; i++) w->residual[i] -= value_of(w, f, root, (uint32_t)i);
}

static void weigh(growing *w, const float *by_row) {
  double all = 0.0;
  for (size_t i = 0; i < w->m; i++) all += by_row ? (double)by_row[w->which[i]] : 1.0;
  for (size_t i = 0; i < w->m; i++)
    w->weight[i] = by_row ? (float)((double)by_row[w->which[i]] * (double)w->m / all) : 1.0f;
}

void route_forest_grow(route_forest *f, const route_growth *g, const route_table *t, const uint32_t *which, size_t m,
                       const float *y, const float *by_row, void *scratch) {
  growing w = {.g = g, .t = t, .which = which, .m = m, .dense = g->features ? g->features : t->dense};
  base_arena a;
  double sum = 0.0;
  base_arena_init(&a, scratch, SIZE_MAX / 2);
  carve(&w, &a, m, w.dense);
  base_rng_seed(&w.rng, g->seed);
  for (size_t j = 0; j < w.dense; j++) {
    bin_feature(&w, j);
    w.feature[j] = (uint32_t)j;
  }
  weigh(&w, by_row);
  for (size_t i = 0; i < m; i++) sum += (double)(w.weight[i] * y[which[i]]);
  f->trees = g->trees;
  if (f->nodes < 2 * g->leaves - 1) f->nodes = 2 * g->leaves - 1;
  f->base = (float)(m ? sum / (double)m : 0.0);
  for (size_t i = 0; i < m; i++) w.residual[i] = y[which[i]] - f->base;
  for (uint32_t i = 0; i < g->trees; i++) grow_tree(&w, f, i);
}

float route_forest_score(const route_forest *f, const float *x, size_t stride) {
  float sum = f->base;
  for (size_t i = 0; i < f->trees; i++) {
    size_t root = i * f->nodes;
    uint32_t at = 0;
    while (f->feature[root + at] >= 0)
      at = f->left[root + at] + (x[(size_t)f->feature[root + at] * stride] > f->threshold[root + at]);
    sum += f->value[root + at];
  }
  return sum;
}
