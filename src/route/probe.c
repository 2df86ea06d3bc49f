/* Logistic regression on a few features: the last step of a router and the whole of a probe. */
#include <math.h>
#include <string.h>

#include "jdoc/jdoc.h"
#include "route/internal.h"

enum { NEWTON_STEPS = 30, FOLDS = 5, MAX_FILE_BYTES = 1 << 30, SPLITS = 200 };
static const float CUT = 3.0f; /* spreads */
static const double DELTA = 0.1, ridges[] = {2.0, 8.0, 32.0, 128.0};

void route_solve(double a[ROUTE_MAX_DIMS][ROUTE_MAX_DIMS], double *b, size_t n) {
  for (size_t i = 0; i < n; i++) { /* Cholesky: a = l l' */
    for (size_t j = 0; j <= i; j++) {
      double sum = a[i][j];
      for (size_t k = 0; k < j; k++) sum -= a[i][k] * a[j][k];
      a[i][j] = i == j ? sqrt(sum > 1e-12 ? sum : 1e-12) : sum / a[j][j];
    }
  }
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < i; k++) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; k++) b[i] -= a[k][i] * b[k];
    b[i] /= a[i][i];
  }
}

typedef struct newton {
  double hessian[ROUTE_MAX_DIMS][ROUTE_MAX_DIMS], gradient[ROUTE_MAX_DIMS];
} newton;

static void add_row(newton *s, const float *x, size_t dims, const double *w, double target) {
  double z = w[dims], row[ROUTE_MAX_DIMS];
  for (size_t j = 0; j < dims; j++) z += w[j] * (row[j] = (double)x[j]);
  row[dims] = 1.0;
  double p = 1.0 / (1.0 + exp(-z)), h = p * (1.0 - p);
  for (size_t a = 0; a <= dims; a++) {
    s->gradient[a] += (p - target) * row[a];
    for (size_t b = 0; b <= a; b++) s->hessian[a][b] += h * row[a] * row[b];
  }
}

void route_logistic(const float *x, const bool *event, const uint8_t *keep, size_t m, size_t dims, double ridge,
                    double *w) {
  double yes = 0.0, no = 0.0;
  for (size_t i = 0; i < m; i++)
    if (keep == NULL || keep[i]) *(event[i] ? &yes : &no) += 1.0;
  double high = (yes + 1.0) / (yes + 2.0), low = 1.0 / (no + 2.0);
  memset(w, 0, (dims + 1) * sizeof *w);
  for (int step = 0; step < NEWTON_STEPS; step++) {
    newton s = {0};
    double moved = 0.0;
    for (size_t i = 0; i < m; i++)
      if (keep == NULL || keep[i]) add_row(&s, x + i * dims, dims, w, event[i] ? high : low);
    for (size_t a = 0; a <= dims; a++) {
      double r = a < dims ? ridge : 1e-3;
      s.gradient[a] += r * w[a];
      s.hessian[a][a] += r;
    }
    route_solve(s.hessian, s.gradient, dims + 1);
    for (size_t a = 0; a <= dims; a++) {
      double move = s.gradient[a] > 2.0 ? 2.0 : s.gradient[a] < -2.0 ? -2.0 : s.gradient[a]; /* never overshoots far */
      w[a] -= move;
      moved += fabs(move);
    }
    if (moved < 1e-9) break;
  }
}

/* ---- rows of features ---- */

typedef struct judged {
  const base_allocator *allocator;
  size_t n, dims;
  char set[ROUTE_SET_BYTES];
  base_buf x, right; /* float [n][dims], bool [n] */
} judged;

static base_status bad_line(base_error *err, const char *path, size_t line, const char *what) {
  return base_fail(err, BASE_EFORMAT, path, "line %zu: %s", line, what);
}

static base_status take_set(judged *j, const jdoc *d, const char *path, size_t line, base_error *err) {
  uint32_t set = jdoc_find(d, 0, BASE_LITERAL("set"));
  base_slice name = {0};
  if (set != JDOC_NONE && jdoc_kind_at(d, set) == JDOC_STRING) name = jdoc_text(d, set);
  if (name.len >= sizeof j->set) return bad_line(err, path, line, "the name of the set is too long");
  if (j->n == 0) base_format(j->set, sizeof j->set, "%.*s", (int)name.len, name.ptr ? name.ptr : "");
  if (base_slice_equal(base_slice_of(j->set), name)) return BASE_OK;
  return bad_line(err, path, line, "these features are of another set than those before");
}

static base_status take_features(judged *j, const jdoc *d, const char *path, size_t line, base_error *err) {
  uint32_t list = JDOC_NONE, right = JDOC_NONE;
  if (jdoc_kind_at(d, 0) == JDOC_OBJECT) {
    list = jdoc_find(d, 0, BASE_LITERAL("features"));
    right = jdoc_find(d, 0, BASE_LITERAL("right"));
  }
  if (list == JDOC_NONE || jdoc_kind_at(d, list) != JDOC_ARRAY)
    return bad_line(err, path, line, "\"features\" must be an array of numbers");
  if (right == JDOC_NONE || (jdoc_kind_at(d, right) != JDOC_TRUE && jdoc_kind_at(d, right) != JDOC_FALSE))
    return bad_line(err, path, line, "\"right\" must be true or false");
  base_status st = take_set(j, d, path, line, err);
  if (st) return st;
  size_t n = jdoc_count(d, list);
  if (n == 0 || n > ROUTE_MAX_FEATURES || (j->n > 0 && n != j->dims))
    return base_fail(err, BASE_EFORMAT, path, "line %zu: %zu features; every row needs the same 1 to %d", line, n,
                     ROUTE_MAX_FEATURES);
  j->dims = n;
  for (uint32_t v = list + 1; n > 0; n--, v = jdoc_next(d, v)) {
    double x = 0.0;
    if (jdoc_kind_at(d, v) != JDOC_NUMBER || !base_parse_double(jdoc_raw(d, v), &x) || fabs(x) > 1e30)
      return bad_line(err, path, line, "a feature is no number of ordinary size");
    float f = (float)x;
    base_buf_add(&j->x, &f, sizeof f);
  }
  bool yes = jdoc_kind_at(d, right) == JDOC_TRUE;
  base_buf_add(&j->right, &yes, sizeof yes);
  j->n++;
  return BASE_OK;
}

/* A probe tells right answers from wrong ones, so there have to be both. */
static base_status check_both(const judged *j, const char *path, base_error *err) {
  size_t right = 0;
  for (size_t i = 0; i < j->n; i++) right += ((const bool *)j->right.ptr)[i];
  if (right > 0 && right < j->n) return BASE_OK;
  return base_fail(err, BASE_EFORMAT, path,
                   "all %zu answers are %s: there is nothing to tell apart; are the questions' answers "
                   "written as the model would write them?",
                   j->n, right > 0 ? "right" : "wrong");
}

static base_status read_features(judged *j, const char *path, base_error *err) {
  base_buf file = {.allocator = j->allocator};
  base_slice rest, line;
  size_t number = 0;
  const jdoc_limits limits = {.bytes = 1 << 16, .nodes = 1024};
  base_status st = os_read_file(path, MAX_FILE_BYTES, &file, err);
  rest = (base_slice){file.ptr, file.len};
  while (!st && base_slice_split(&rest, '\n', &line)) {
    jdoc d;
    base_error why = {0};
    number++;
    line = base_slice_trim(line);
    if (line.len == 0) continue;
    st = jdoc_open(&d, line, &limits, path, j->allocator, &why);
    if (st) {
      (void)base_fail(err, st, path, "line %zu: %s", number, why.text);
      break;
    }
    st = take_features(j, &d, path, number, err);
    jdoc_close(&d);
  }
  base_buf_free(&file);
  if (!st && (j->x.failed || j->right.failed)) st = base_fail(err, BASE_ENOMEM, path, "no memory for the rows");
  if (!st && j->n < 4 * FOLDS)
    st = base_fail(err, BASE_EFORMAT, path, "%zu rows are too few to calibrate on; %d at least", j->n, 4 * FOLDS);
  return st ? st : check_both(j, path, err);
}

/* ---- fitting ---- */

/* A feature on the scale of the rows learnt, cut at CUT: an answer unlike all of them is no surer than the surest of
 * them. */
static float standard(const route_probe *p, float x, size_t k) {
  float z = (x - p->mean[k]) * p->inv_std[k];
  return z > CUT ? CUT : z < -CUT ? -CUT : z;
}

static void standardise(route_probe *p, float *x, size_t n) {
  for (size_t k = 0; k < p->n; k++) {
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i * p->n + k];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += ((double)x[i * p->n + k] - mean) * ((double)x[i * p->n + k] - mean);
    double std = sqrt(squares / (double)n);
    p->mean[k] = (float)mean;
    p->inv_std[k] = std > 1e-9 * (1.0 + fabs(mean)) ? (float)(1.0 / std) : 0.0f;
    for (size_t i = 0; i < n; i++) x[i * p->n + k] = standard(p, x[i * p->n + k], k);
  }
}

static float sigmoid_of(const float *x, const double *w, size_t dims) {
  double z = w[dims];
  for (size_t k = 0; k < dims; k++) z += w[k] * (double)x[k];
  return (float)(1.0 / (1.0 + exp(-z)));
}

/* The mean loss of probabilities, in nats. */
static double log_loss(const float *p, const bool *right, size_t n) {
  double sum = 0.0;
  for (size_t i = 0; i < n; i++) {
    double q = right[i] ? (double)p[i] : 1.0 - (double)p[i];
    sum -= log(q > 1e-12 ? q : 1e-12);
  }
  return sum / (double)n;
}

/* Each fold judged by a fit on the others. */
static void cross_fit(const judged *j, const float *x, const bool *right, const uint32_t *order, double ridge,
                      uint8_t *keep, float *out) {
  double w[ROUTE_MAX_DIMS];
  for (size_t fold = 0; fold < FOLDS; fold++) {
    for (size_t i = 0; i < j->n; i++) keep[order[i]] = i % FOLDS != fold;
    route_logistic(x, right, keep, j->n, j->dims, ridge, w);
    for (size_t i = fold; i < j->n; i += FOLDS) out[order[i]] = sigmoid_of(x + order[i] * j->dims, w, j->dims);
  }
}

/* The ridge whose held-out folds fare best; `out` has their probabilities. */
static double best_ridge(const judged *j, const float *x, const bool *right, const uint32_t *order, uint8_t *keep,
                         float *out) {
  double best = ridges[0], least = HUGE_VAL;
  for (size_t i = 0; i < sizeof ridges / sizeof *ridges; i++) {
    cross_fit(j, x, right, order, ridges[i], keep, out);
    double loss = log_loss(out, right, j->n);
    if (loss >= least) continue;
    least = loss;
    best = ridges[i];
  }
  cross_fit(j, x, right, order, best, keep, out);
  return best;
}

static base_status report(const judged *j, const bool *right, float *p, double alpha, uint64_t seed,
                          uint32_t *order, route_probe *probe, route_probe_report *out, base_error *err) {
  out->rows = j->n;
  out->ece = route_ece(p, right, j->n);
  out->log_loss = log_loss(p, right, j->n);
  for (size_t i = 0; i < j->n; i++) out->right += right[i];
  double share = (double)out->right / (double)j->n;
  out->base_log_loss = share > 0.0 && share < 1.0 ? -share * log(share) - (1.0 - share) * log(1.0 - share) : 0.0;
  for (size_t i = 0; i < j->n; i++) p[i] = 1.0f - p[i]; /* how much help is needed, as a router says it */
  float t = route_threshold(p, right, j->n, alpha, true, 0.0, order);
  probe->threshold = 1.0f - t;
  probe->alpha = (float)alpha;
  return route_conformal_try(p, right, j->n, alpha, DELTA, SPLITS, seed, j->allocator, &out->conformal, err);
}

base_status route_probe_fit(route_probe *p, const char *path, double alpha, uint64_t seed, const base_allocator *a,
                            route_probe_report *out, base_error *err) {
  judged j = {.allocator = a ? a : base_allocator_libc()};
  double w[ROUTE_MAX_DIMS];
  base_rng rng;
  *p = (route_probe){0};
  *out = (route_probe_report){0};
  j.x.allocator = j.right.allocator = j.allocator;
  base_status st = read_features(&j, path, err);
  size_t bytes = j.n * (sizeof(float) + sizeof(uint32_t) + 1);
  char *block = st ? NULL : base_alloc(j.allocator, bytes);
  if (!st && block == NULL) st = base_fail(err, BASE_ENOMEM, path, "no memory for the rows");
  if (!st) {
    float *x = (float *)(void *)j.x.ptr, *cross = (float *)(void *)block;
    uint32_t *order = (uint32_t *)(cross + j.n);
    const bool *right = (const bool *)j.right.ptr;
    p->n = (uint32_t)j.dims;
    memcpy(p->set, j.set, sizeof p->set);
    for (size_t i = 0; i < j.n; i++) order[i] = (uint32_t)i;
    base_rng_seed(&rng, seed);
    base_rng_shuffle(&rng, order, j.n);
    standardise(p, x, j.n);
    out->ridge = best_ridge(&j, x, right, order, (uint8_t *)(order + j.n), cross);
    route_logistic(x, right, NULL, j.n, j.dims, out->ridge, w);
    for (size_t k = 0; k < j.dims; k++) p->weight[k] = (float)w[k];
    p->bias = (float)w[j.dims];
    st = report(&j, right, cross, alpha, seed, order, p, out, err);
  }
  base_free(j.allocator, block, bytes);
  base_buf_free(&j.x);
  base_buf_free(&j.right);
  return st;
}

float route_probe_score(const route_probe *p, const float *features) {
  double z = (double)p->bias;
  for (size_t k = 0; k < p->n; k++)
    z += (double)(p->weight[k] * standard(p, features[k], k));
  return z == z ? (float)(1.0 / (1.0 + exp(-z))) : 0.0f; /* what is no number inspires no confidence */
}

/* ---- file ---- */

base_status route_probe_save(const route_probe *p, const char *path, const base_allocator *a, base_error *err) {
  gguf_writer *w = gguf_writer_new(a);
  if (w == NULL) return base_fail(err, BASE_ENOMEM, path, "no memory to write the file");
  gguf_put_string(w, "general.architecture", BASE_LITERAL("minnow-probe"));
  gguf_put_string(w, "probe.set", base_slice_of(p->set));
  gguf_put_f32s(w, "probe.mean", p->mean, p->n);
  gguf_put_f32s(w, "probe.inv_std", p->inv_std, p->n);
  gguf_put_f32s(w, "probe.weight", p->weight, p->n);
  gguf_put_f32(w, "probe.bias", p->bias);
  gguf_put_f32(w, "probe.threshold", p->threshold);
  gguf_put_f32(w, "probe.alpha", p->alpha);
  base_status st = gguf_writer_save(w, path, err);
  gguf_writer_free(w);
  return st;
}

static base_status get_array(const gguf_file *f, const char *key, float *out, uint32_t *n, base_error *err) {
  const void *raw;
  uint64_t count;
  base_status st = gguf_get_f32s(f, key, &raw, &count, err);
  if (st) return st;
  if (count == 0 || count > ROUTE_MAX_FEATURES || (*n != 0 && count != *n))
    return base_fail(err, BASE_EFORMAT, gguf_path(f), "%s has %llu numbers; 1 to %d, everywhere as many", key,
                     (unsigned long long)count, ROUTE_MAX_FEATURES);
  *n = (uint32_t)count;
  memcpy(out, raw, count * sizeof *out);
  for (uint64_t i = 0; i < count; i++)
    if (!isfinite(out[i])) return base_fail(err, BASE_EFORMAT, gguf_path(f), "%s holds a value that is no number", key);
  return BASE_OK;
}

/* Files of before have none. */
static base_status get_set(route_probe *p, const gguf_file *f, base_error *err) {
  base_slice set = {0};
  if (gguf_get_string(f, "probe.set", &set, NULL) != BASE_OK) return BASE_OK;
  if (set.len >= sizeof p->set || (set.len > 0 && memchr(set.ptr, '\0', set.len) != NULL))
    return base_fail(err, BASE_EFORMAT, gguf_path(f), "probe.set is no name of a set of features");
  base_format(p->set, sizeof p->set, "%.*s", (int)set.len, set.ptr);
  return BASE_OK;
}

base_status route_probe_read(route_probe *p, const gguf_file *f, base_error *err) {
  base_slice arch;
  *p = (route_probe){0};
  base_status st = gguf_get_string(f, "general.architecture", &arch, err);
  if (!st && !base_slice_equal(arch, BASE_LITERAL("minnow-probe")))
    st = base_fail(err, BASE_EMISMATCH, gguf_path(f), "this file is no probe; minnow route calibrate makes one");
  if (!st) st = get_set(p, f, err);
  if (!st) st = get_array(f, "probe.mean", p->mean, &p->n, err);
  if (!st) st = get_array(f, "probe.inv_std", p->inv_std, &p->n, err);
  if (!st) st = get_array(f, "probe.weight", p->weight, &p->n, err);
  if (!st) st = gguf_get_f32(f, "probe.bias", &p->bias, err);
  if (!st) st = gguf_get_f32(f, "probe.threshold", &p->threshold, err);
  if (!st) st = gguf_get_f32(f, "probe.alpha", &p->alpha, err);
  if (!st && !(isfinite(p->bias) && isfinite(p->threshold) && isfinite(p->alpha)))
    st = base_fail(err, BASE_EFORMAT, gguf_path(f), "a number of the probe is none");
  return st;
}
