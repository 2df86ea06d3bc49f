/* Turns scores into probabilities on held-out rows: how trunk, bag and what the tags say mix, when a text is out of
 * scope, and how likely a whole answer is right. */
#include <math.h>
#include <string.h>

#include "train/loop.h"

/* ---- mixture ---- */

/* The logit of one label of one row, element `at` of the arrays. */
static double logit(const head_calibration *c, const train_scores *s, size_t at) {
  double z = (double)(s->trunk_logits[at] / c->temperature + c->bag_weight * s->bag_logs[at]);
  if (s->slots != NULL) z += (double)(c->slots_weight * s->slots[at] + c->path_weight * s->path[at]);
  return z;
}

static double log_loss(const head_calibration *c, const train_judged *judged, const train_scores *s, size_t n,
                       size_t labels) {
  double sum = 0.0, z[HEAD_MAX_LABELS];
  for (size_t i = 0; i < n; i++) {
    double most = -1e30, total = 0.0;
    if (judged[i].gold >= labels) continue;
    for (size_t j = 0; j < labels; j++) {
      z[j] = logit(c, s, i * labels + j);
      if (z[j] > most) most = z[j];
    }
    for (size_t j = 0; j < labels; j++) total += exp(z[j] - most);
    sum += most + log(total) - z[judged[i].gold];
  }
  return sum;
}

/* Tries every pair of a grid for two numbers of *c and leaves the pair with the smallest log loss. */
static void fit_pair(head_calibration *c, float *one, const float *ones, size_t n_ones, float *two, const float *twos,
                     size_t n_twos, const train_judged *judged, const train_scores *s, size_t n, size_t labels) {
  double best = 1e300;
  float best_one = ones[0], best_two = twos[0];
  for (size_t a = 0; a < n_ones; a++)
    for (size_t b = 0; b < n_twos; b++) {
      *one = ones[a];
      *two = twos[b];
      double loss = log_loss(c, judged, s, n, labels);
      if (loss >= best) continue;
      best = loss;
      best_one = ones[a];
      best_two = twos[b];
    }
  *one = best_one;
  *two = best_two;
}

void train_fit_mixture(head_calibration *c, const train_judged *judged, const train_scores *scores, size_t n,
                       size_t labels) {
  static const float temperatures[] = {0.5f, 0.6f, 0.7f,  0.8f, 0.9f, 1.0f, 1.15f,
                                       1.3f, 1.5f, 1.75f, 2.0f, 2.5f, 3.0f};
  static const float weights[] = {0.0f, 0.15f, 0.3f, 0.45f, 0.6f, 0.8f, 1.0f, 1.3f, 1.6f, 2.0f};
  const train_scores both = {.trunk_logits = scores->trunk_logits, .bag_logs = scores->bag_logs};
  fit_pair(c, &c->temperature, temperatures, sizeof temperatures / sizeof *temperatures, &c->bag_weight, weights,
           sizeof weights / sizeof *weights, judged, &both, n, labels);
}

void train_fit_evidence(head_calibration *c, const train_judged *judged, const train_scores *scores, size_t n,
                        size_t labels) {
  static const float slots[] = {0.0f, 0.03f, 0.06f, 0.09f, 0.12f, 0.16f, 0.2f, 0.25f},
                     path[] = {0.0f, 0.1f, 0.2f, 0.3f, 0.45f, 0.6f, 0.8f, 1.0f};
  fit_pair(c, &c->slots_weight, slots, sizeof slots / sizeof *slots, &c->path_weight, path,
           sizeof path / sizeof *path, judged, scores, n, labels);
}

/* ---- out of scope ---- */

static const double OOS_RECALL = 0.7, OOS_COST = 0.005;
enum { OOS_ENOUGH = 20 }; /* rows that a share of them means something */

/* True when a threshold at log probability `log_p` is higher than it needs to be. */
static bool is_too_high(const train_judged *judged, size_t n, float log_p, size_t in_scope, size_t out,
                        bool by_recall) {
  size_t lost = 0, found = 0;
  for (size_t i = 0; i < n; i++) {
    bool under = judged[i].features[0] < log_p;
    lost += judged[i].in_scope && judged[i].label_right && under;
    found += !judged[i].in_scope && under;
  }
  return by_recall ? (double)found >= OOS_RECALL * (double)out : (double)lost > OOS_COST * (double)in_scope;
}

float train_fit_oos(const train_judged *judged, size_t n, bool by_threshold) {
  size_t in_scope = 0, out = 0;
  float low = -30.0f, high = 0.0f; /* of log p: halve the range until it is as narrow as it matters */
  for (size_t i = 0; i < n; i++) *(judged[i].in_scope ? &in_scope : &out) += 1;
  if (out == 0 && !by_threshold) return 0.0f;
  for (int step = 0; step < 40; step++) {
    float middle = 0.5f * (low + high);
    if (is_too_high(judged, n, middle, in_scope, out, by_threshold && out >= OOS_ENOUGH))
      high = middle;
    else
      low = middle;
  }
  return cpu_expf(by_threshold && out >= OOS_ENOUGH ? high : low);
}

/* ---- the probe ---- */

/* The features it looks at: three log odds. More of them overfit the few hundred rows there are
 * (docs/experiments.md, 14). */
static const size_t probe_input[] = {12, 13, 14};
enum { INPUTS = sizeof probe_input / sizeof probe_input[0], DIMS = INPUTS + 1, NEWTON_STEPS = 25 };

static void standardise(head_calibration *c, const train_judged *judged, size_t n) {
  for (size_t k = 0; k < HEAD_FEATURES; k++) {
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)judged[i].features[k];
    double mean = n ? sum / (double)n : 0.0;
    for (size_t i = 0; i < n; i++)
      squares += ((double)judged[i].features[k] - mean) * ((double)judged[i].features[k] - mean);
    double std = n ? sqrt(squares / (double)n) : 0.0;
    c->mean[k] = (float)mean;
    c->inv_std[k] = std > 1e-6 ? (float)(1.0 / std) : 0.0f;
  }
}

static void inputs(const head_calibration *c, const train_judged *j, double x[DIMS]) {
  for (size_t i = 0; i < INPUTS; i++) {
    size_t k = probe_input[i];
    x[i] = (double)((j->features[k] - c->mean[k]) * c->inv_std[k]);
  }
  x[INPUTS] = 1.0;
}

/* Solves a x = b in place by Gaussian elimination with pivoting; a is positive definite here (ridge). */
static void solve(double a[DIMS][DIMS], double b[DIMS]) {
  for (int i = 0; i < DIMS; i++) {
    int pivot = i;
    for (int r = i + 1; r < DIMS; r++)
      if (fabs(a[r][i]) > fabs(a[pivot][i])) pivot = r;
    for (int k = 0; k < DIMS; k++) {
      double x = a[i][k];
      a[i][k] = a[pivot][k];
      a[pivot][k] = x;
    }
    double x = b[i];
    b[i] = b[pivot];
    b[pivot] = x;
    for (int r = i + 1; r < DIMS; r++) {
      double f = a[r][i] / a[i][i];
      for (int k = i; k < DIMS; k++) a[r][k] -= f * a[i][k];
      b[r] -= f * b[i];
    }
  }
  for (int i = DIMS; i-- > 0;) {
    for (int k = i + 1; k < DIMS; k++) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
}

/* Fits on rows whose index has (i % 2) != skip; skip 2 takes all. Priors are smoothed as Platt (1999) does,
 * so that a clean set does not give certainty. */
static void fit_half(head_calibration *c, const train_judged *judged, size_t n, size_t skip) {
  double w[DIMS] = {0}, right = 0.0, wrong = 0.0;
  for (size_t i = 0; i < n; i++)
    if (i % 2 != skip) *(judged[i].right ? &right : &wrong) += 1.0;
  double high = (right + 1.0) / (right + 2.0), low = 1.0 / (wrong + 2.0);
  for (int step = 0; step < NEWTON_STEPS; step++) {
    double hessian[DIMS][DIMS] = {{0}}, gradient[DIMS] = {0}, x[DIMS];
    for (size_t i = 0; i < n; i++) {
      if (i % 2 == skip) continue;
      double z = 0.0;
      inputs(c, &judged[i], x);
      for (int k = 0; k < DIMS; k++) z += w[k] * x[k];
      double p = 1.0 / (1.0 + exp(-z)), g = p - (judged[i].right ? high : low), h = p * (1.0 - p);
      for (int a = 0; a < DIMS; a++) {
        gradient[a] += g * x[a];
        for (int b = 0; b < DIMS; b++) hessian[a][b] += h * x[a] * x[b];
      }
    }
    for (int a = 0; a < DIMS; a++) {
      double ridge = a < INPUTS ? 2.0 : 1e-3;
      gradient[a] += ridge * w[a];
      hessian[a][a] += ridge;
    }
    solve(hessian, gradient);
    for (int a = 0; a < DIMS; a++) w[a] -= gradient[a];
  }
  memset(c->weight, 0, sizeof c->weight);
  for (size_t i = 0; i < INPUTS; i++) c->weight[probe_input[i]] = (float)w[i];
  c->bias = (float)w[INPUTS];
}

base_status train_fit_probe(head_calibration *c, const train_judged *judged, size_t n, float *cross,
                            base_error *err) {
  if (n < 8)
    return base_fail(err, BASE_EARGUMENT, "calibration", "%zu held-out rows are too few to calibrate on", n);
  standardise(c, judged, n);
  for (size_t fold = 0; fold < 2; fold++) {
    fit_half(c, judged, n, fold);
    for (size_t i = fold; i < n; i += 2) cross[i] = head_confidence(c, judged[i].features);
  }
  fit_half(c, judged, n, 2);
  return BASE_OK;
}

/* ---- the risk curve ---- */

void train_fit_risks(head_calibration *c, const eval_item *items, size_t n) {
  static const float shares[HEAD_RISKS] = {0.001f, 0.002f, 0.005f, 0.01f, 0.02f, 0.05f, 0.1f, 0.2f};
  size_t acted, wrong;
  c->n_risks = HEAD_RISKS;
  for (size_t i = 0; i < HEAD_RISKS; i++) {
    c->risk_share[i] = shares[i];
    c->risk_threshold[i] = eval_threshold(items, n, (double)shares[i], &acted, &wrong);
  }
}
