/* How far a pack's answers can be trusted, from more than its own few held-out rows. Evidence: every held-out phrasing
 * of an action, as it is written and drawn again with other values and noise, answered by the int8 file. What the
 * twelve shipped packs' evidence says together is where a pack begins (trust.def, made by tools/pool_trust.py); its own
 * rows move it from there, the more the more there are (docs/experiments.md, 26):
 *
 *   confidence  logistic in one feature, the log odds of label and path; the penalty is the distance from the pooled
 *               line, as wide as packs were seen to differ (empirical Bayes; Efron, Morris 1973)
 *   risk curve  of the answers from a confidence on, the share that is wrong: own counts beside PRIOR_ROWS rows that
 *               err as the pooled ones did (beta-binomial), and as if the next answer were wrong; a pack with few rows
 *               of its own takes few of the others' too */
#include <math.h>
#include <string.h>

#include "train/loop.h"

enum { NEWTON_STEPS = 25 };

/* The pooled line, its spread over packs, and the pooled curve. */
#define TRUST_LINE(bias, weight) static const double line_bias = bias, line_weight = weight;
#define TRUST_RISK(confidence, share)
#include "train/trust.def"
#undef TRUST_LINE
#undef TRUST_RISK
static const double bias_spread = 0.2, weight_spread = 0.1;

static const struct {
  double from, share;
} pooled[] = {
#define TRUST_LINE(bias, weight)
#define TRUST_RISK(confidence, share) {confidence, share},
#include "train/trust.def"
#undef TRUST_LINE
#undef TRUST_RISK
};
enum { POOLED = sizeof pooled / sizeof *pooled };

/* Rows that the pooled curve counts for: at most so many, and so many for each of the pack's own. */
static const double PRIOR_ROWS = 600.0, PRIOR_SHARE = 4.0;

/* ---- evidence ---- */

/* The value without an article or a possessive in front, which no app cares about. */
static uint32_t value_start(base_slice text, uint32_t start, uint32_t end) {
  static const char *const words[] = {"the ", "a ", "an ", "my ", "our ", "your "};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    base_slice word = base_slice_of(words[i]);
    if (end - start > word.len && base_slice_equal_nocase(base_slice_sub(text, start, start + word.len), word))
      return start + (uint32_t)word.len;
  }
  return start;
}

/* The value that begins at span *at: neighbours of one slot are one, since a pack reads "Monday" and "9 am" together as
 * it does "Monday at 9 am". */
static data_span next_value(base_slice text, const data_span *spans, size_t n, size_t *at) {
  data_span v = spans[(*at)++];
  while (*at < n && spans[*at].slot == v.slot) v.end = spans[(*at)++].end;
  v.start = value_start(text, v.start, v.end);
  return v;
}

static bool means_the_same(const data_sample *s, const head_result *got) {
  base_slice text = {s->text, s->len};
  data_span found[HEAD_MAX_SPANS];
  size_t at = 0, other = 0;
  for (size_t i = 0; i < got->n_spans; i++)
    found[i] = (data_span){got->spans[i].start, got->spans[i].end, got->spans[i].slot, DATA_NO_LIST};
  while (at < s->n_spans && other < got->n_spans) {
    data_span a = next_value(text, s->spans, s->n_spans, &at), b = next_value(text, found, got->n_spans, &other);
    if (a.slot != b.slot || a.start != b.start || a.end != b.end) return false;
  }
  return got->label == s->label && at == s->n_spans && other == got->n_spans;
}

/* One row, TRUST_DRAWS times; those that the pack answers go to `out`. Returns how many. */
static size_t answer_row(train_judge *j, const head_weights *heads, const data_set *set, uint32_t row, uint32_t fold,
                         base_rng *rng, data_sample *s, train_trusted *out) {
  size_t n = 0;
  head_result got;
  for (int i = 0; i < TRUST_DRAWS; i++) {
    data_draw(set, row, i ? 1.0f : 0.0f, rng, s);
    if (i) train_noise(j->o, s, rng);
    train_judge_answer(j, heads, (base_slice){s->text, s->len}, &got);
    if (got.label == j->none_label) continue;
    float odds = got.features[HEAD_FEATURE_ANSWER_ODDS];
    out[n++] = (train_trusted){.odds = odds, .right = means_the_same(s, &got), .fold = fold};
  }
  return n;
}

base_status train_trust_rows(train_judge *j, const data_set *set, const uint32_t *rows, size_t n, train_trusted *out,
                             size_t *n_out, base_error *err) {
  head_weights heads = j->brain ? *head_brain_weights(j->brain) : train_net_heads(j->n);
  base_rng rng;
  data_sample *s = base_alloc(j->n->allocator, sizeof *s);
  if (s == NULL) return base_fail(err, BASE_ENOMEM, "calibration", "no memory for a row");
  base_rng_seed(&rng, j->o->seed ^ UINT64_C(0x7472757374));
  *n_out = 0;
  for (size_t i = 0; i < n; i++) {
    uint16_t label = set->rows[rows[i]].label;
    if (label == DATA_NO_LABEL || label == j->none_label) continue;
    *n_out += answer_row(j, &heads, set, rows[i], (uint32_t)(i % 2), &rng, s, out + *n_out);
  }
  base_free(j->n->allocator, s, sizeof *s);
  return BASE_OK;
}

/* ---- the line ---- */

static double logistic(double z) { return 1.0 / (1.0 + exp(-z)); }

/* The line of the rows that are not in fold `but`, by Newton's method. */
static void fit_line(const train_trusted *t, size_t n, uint32_t but, double line[2]) {
  const double each = 1.0 / TRUST_DRAWS, ridge[2] = {1.0 / (bias_spread * bias_spread),
                                                     1.0 / (weight_spread * weight_spread)};
  line[0] = line_bias;
  line[1] = line_weight;
  for (int step = 0; step < NEWTON_STEPS; step++) {
    double g[2] = {ridge[0] * (line[0] - line_bias), ridge[1] * (line[1] - line_weight)};
    double h00 = ridge[0], h01 = 0.0, h11 = ridge[1];
    for (size_t i = 0; i < n; i++) {
      if (t[i].fold == but) continue;
      double x = (double)t[i].odds, p = logistic(line[0] + line[1] * x), h = each * p * (1.0 - p);
      double d = each * (p - t[i].right);
      g[0] += d;
      g[1] += d * x;
      h00 += h;
      h01 += h * x;
      h11 += h * x * x;
    }
    double det = h00 * h11 - h01 * h01; /* positive: the ridge alone makes it so */
    line[0] -= (h11 * g[0] - h01 * g[1]) / det;
    line[1] -= (h00 * g[1] - h01 * g[0]) / det;
  }
}

/* ---- the curve ---- */

static double pooled_risk(double confidence) {
  if (confidence <= pooled[0].from) return pooled[0].share;
  for (size_t i = 1; i < POOLED; i++) {
    if (confidence > pooled[i].from) continue;
    double t = (confidence - pooled[i - 1].from) / (pooled[i].from - pooled[i - 1].from);
    return pooled[i - 1].share + t * (pooled[i].share - pooled[i - 1].share);
  }
  return pooled[POOLED - 1].share;
}

/* What share is wrong of the answers from this confidence on; each drawing is a part of a row. */
static double risk_from(const train_trusted *t, size_t n, double confidence) {
  double own = 0.0, acted = 0.0, wrong = 0.0;
  for (size_t i = 0; i < n; i++) {
    own += 1.0 / TRUST_DRAWS;
    if ((double)t[i].confidence < confidence) continue;
    acted += 1.0 / TRUST_DRAWS;
    wrong += t[i].right ? 0.0 : 1.0 / TRUST_DRAWS;
  }
  double others = fmin(PRIOR_ROWS, PRIOR_SHARE * own);
  return (others * pooled_risk(confidence) + wrong + 1.0) / (others + acted + 1.0);
}

/* The smallest confidence, in half per cents, from which on at most `share` is wrong; above 1: none. */
static float threshold(const train_trusted *t, size_t n, double share) {
  for (int i = 100; i < 200; i++)
    if (risk_from(t, n, i / 200.0) <= share) return (float)(i / 200.0);
  return 1.01f;
}

void train_fit_trust(head_calibration *c, train_trusted *t, size_t n) {
  static const float shares[HEAD_RISKS] = {0.001f, 0.002f, 0.005f, 0.01f, 0.02f, 0.05f, 0.1f, 0.2f};
  double line[2];
  for (uint32_t fold = 0; fold < 2; fold++) { /* no row's confidence is from a line that saw it */
    fit_line(t, n, fold, line);
    for (size_t i = 0; i < n; i++)
      if (t[i].fold == fold) t[i].confidence = (float)logistic(line[0] + line[1] * (double)t[i].odds);
  }
  fit_line(t, n, 2, line);
  memset(c->weight, 0, sizeof c->weight);
  memset(c->mean, 0, sizeof c->mean);
  for (size_t i = 0; i < HEAD_FEATURES; i++) c->inv_std[i] = 1.0f;
  c->weight[HEAD_FEATURE_ANSWER_ODDS] = (float)line[1];
  c->bias = (float)line[0];
  c->act_threshold = threshold(t, n, (double)c->target);
  c->n_risks = HEAD_RISKS;
  for (size_t i = 0; i < HEAD_RISKS; i++) {
    c->risk_share[i] = shares[i];
    c->risk_threshold[i] = threshold(t, n, (double)shares[i]);
  }
}
