/* The heads: the CRF against every path there is, spans as the tags say, answers and confidences against the
 * formulas written a second time, bag and tagger by hand. test_brain.c has whole brains. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "head/internal.h"
#include "tap.h"

/* ---- random heads ---- */

enum { D = 16, LABELS = 4, SLOTS = 6, TAGS = 1 + 2 * SLOTS };

typedef struct heads {
  float pool[D], classify[LABELS * 3 * D], classify_bias[LABELS], tag[TAGS * 2 * D], tag_bias[TAGS];
  float transition[TAGS * TAGS], start[TAGS], label_tag[LABELS * TAGS];
  uint8_t allowed[LABELS * SLOTS];
  head_weights w;
} heads;

static void fill(float *x, size_t n, float by, base_rng *rng) {
  for (size_t i = 0; i < n; i++) x[i] = by * base_rng_normal(rng);
}

static void random_heads(heads *h, uint32_t labels, uint32_t slots, base_rng *rng) {
  size_t tags = 1 + 2 * (size_t)slots;
  fill(h->pool, D, 0.3f, rng);
  fill(h->classify, labels * 3 * D, 0.3f, rng);
  fill(h->classify_bias, labels, 0.3f, rng);
  fill(h->tag, tags * 2 * D, 0.3f, rng);
  fill(h->tag_bias, tags, 0.5f, rng);
  fill(h->transition, tags * tags, 1.0f, rng);
  fill(h->start, tags, 1.0f, rng);
  fill(h->label_tag, labels * tags, 0.5f, rng);
  for (size_t i = 0; i < labels * slots; i++) h->allowed[i] = (uint8_t)base_rng_below(rng, 2);
  h->w = (head_weights){.d = D,
                        .n_labels = labels,
                        .n_slots = slots,
                        .pool_query = h->pool,
                        .classify = h->classify,
                        .classify_bias = h->classify_bias,
                        .tag = h->tag,
                        .tag_bias = h->tag_bias,
                        .transition = h->transition,
                        .start = h->start,
                        .label_tag = h->label_tag,
                        .allowed = h->allowed};
}

/* ---- the CRF against all paths ---- */

/* BIO written down a second time: an I needs a B or I of its slot before it. */
static bool legal(int before, int tag) {
  if (tag == 0 || tag % 2 == 1) return true;
  return before == tag || before == tag - 1;
}

static void test_moves(void) {
  for (int a = -1; a < TAGS; a++)
    for (int b = 0; b < TAGS; b++) TAP_OK(head_tag_may_follow(a, b) == legal(a, b), "%d then %d", a, b);
}

typedef struct all_paths {
  double sum, best; /* of exp(score); the best score */
  double marginal[5][TAGS];
  int path[5]; /* the best */
} all_paths;

/* Score of a path in original tags; -inf for an illegal one. */
static double path_score(const head_weights *w, const head_crf *c, const int *at) {
  size_t n_tags = 1 + 2 * (size_t)w->n_slots;
  double score = 0.0;
  for (size_t t = 0; t < c->n; t++) {
    int tag = c->tags[at[t]], before = t ? c->tags[at[t - 1]] : -1;
    if (!legal(before, tag)) return (double)-INFINITY;
    score += (double)c->emit[t * c->k + (size_t)at[t]];
    score += (double)(t ? w->transition[(size_t)before * n_tags + (size_t)tag] : w->start[tag]);
  }
  return score;
}

static void try_all(const head_weights *w, const head_crf *c, all_paths *all) {
  int at[5] = {0};
  *all = (all_paths){.best = (double)-INFINITY};
  for (;;) {
    double score = path_score(w, c, at);
    all->sum += exp(score);
    for (size_t t = 0; t < c->n; t++) all->marginal[t][at[t]] += exp(score);
    if (score > all->best) {
      all->best = score;
      memcpy(all->path, at, sizeof at);
    }
    size_t t = 0;
    while (t < c->n && (size_t)++at[t] == c->k) at[t++] = 0;
    if (t == c->n) return;
  }
}

static void check_crf(head_crf *c, const heads *h, uint32_t label, const cpu_kernels *k) {
  all_paths all;
  try_all(&h->w, c, &all);
  head_crf_viterbi(c);
  bool same = true;
  for (size_t t = 0; t < c->n; t++) same = same && c->path[t] == all.path[t];
  TAP_OK(same && fabs((double)c->best - all.best) < 1e-4, "best path: %g, found %g", all.best,
         (double)c->best);
  head_crf_forward(k, c);
  head_crf_backward(k, c);
  TAP_OK(fabs((double)c->log_z - log(all.sum)) < 1e-4, "log Z: %g, found %g", log(all.sum), (double)c->log_z);
  for (size_t t = 0; t < c->n; t++)
    for (size_t j = 0; j < c->k; j++) {
      double p = exp((double)(c->alpha[t * c->k + j] + c->beta[t * c->k + j] - c->log_z));
      double want = all.marginal[t][j] / all.sum;
      if (fabs(p - want) > 1e-4)
        TAP_OK(false, "label %u, word %zu, tag %zu: %g, found %g", label, t, j, want, p);
    }
}

static void test_crf(void) {
  static float emit[5 * TAGS], move[TAGS * TAGS], start[TAGS], alpha[5 * TAGS], beta[5 * TAGS], row[TAGS];
  static uint8_t back[5 * TAGS], path[5];
  base_rng rng;
  heads *h = malloc(sizeof *h);
  head_crf *c = calloc(1, sizeof *c);
  base_rng_seed(&rng, 31);
  for (int round = 0; round < 120; round++) {
    uint32_t slots = 1 + base_rng_below(&rng, 3), labels = 1 + base_rng_below(&rng, LABELS);
    uint32_t label = base_rng_below(&rng, labels);
    random_heads(h, labels, slots, &rng);
    *c = (head_crf){.emit = emit,
                    .move = move,
                    .start = start,
                    .alpha = alpha,
                    .beta = beta,
                    .row = row,
                    .back = back,
                    .path = path};
    head_crf_moves(&h->w, label, 1.0f, c);
    size_t expected = 1;
    bool good = c->tags[0] == 0;
    for (uint32_t s = 0; s < slots; s++) {
      if (!h->allowed[label * slots + s]) continue;
      good = good && c->tags[expected] == 1 + 2 * s && c->tags[expected + 1] == 2 + 2 * s;
      expected += 2;
    }
    TAP_OK(good && c->k == expected, "the tags that label %u allows", label);
    c->n = 1 + base_rng_below(&rng, 5);
    fill(emit, c->n * c->k, 2.0f, &rng);
    check_crf(c, h, label, cpu_available(0));
  }
  free(c);
  free(h);
}

/* ---- decoding ---- */

typedef struct sentence {
  char text[HEAD_MAX_WORDS * 4 + 1];
  tok_word words[HEAD_MAX_WORDS];
  uint16_t ids[512];
  uint8_t cases[512];
  tok_result tok;
  float hidden[512 * D];
} sentence;

/* Words of three letters; tokens after the class token, one or two a word. */
static void random_sentence(sentence *s, size_t n_words, base_rng *rng) {
  s->tok = (tok_result){.ids = s->ids,
                        .cases = s->cases,
                        .words = s->words,
                        .max_tokens = 512,
                        .max_words = HEAD_MAX_WORDS,
                        .n_words = n_words,
                        .n_tokens = 1};
  s->text[0] = 0;
  for (size_t i = 0; i < n_words; i++) {
    memcpy(s->text + 4 * i, "abc ", 4);
    s->text[4 * i] = (char)('a' + base_rng_below(rng, 26));
    s->words[i] = (tok_word){(uint32_t)(4 * i), (uint32_t)(4 * i + 3), (uint32_t)s->tok.n_tokens};
    s->tok.n_tokens += 1 + base_rng_below(rng, 2);
  }
  fill(s->hidden, s->tok.n_tokens * D, 1.0f, rng);
}

static const model_shape WIDE = {.vocab = 300,
                                 .d = D,
                                 .layers = 1,
                                 .heads = 1,
                                 .kv_heads = 1,
                                 .head_dim = 16,
                                 .ff = 16,
                                 .max_tokens = 512,
                                 .cases = 3,
                                 .rope_base = 1e4f,
                                 .eps = 1e-5f};

/* What decoding has to say for these tags. */
static size_t read_spans(const sentence *s, const int *tags, head_span *out) {
  size_t n = 0;
  for (size_t t = 0; t < s->tok.n_words; t++) {
    if (tags[t] == 0) continue;
    if (tags[t] % 2 == 1) {
      if (n == HEAD_MAX_SPANS) return n; /* what follows is dropped, its I's as well */
      out[n++] = (head_span){.start = s->words[t].start, .slot = (uint16_t)((tags[t] - 1) / 2)};
    }
    out[n - 1].end = s->words[t].end;
  }
  return n;
}

/* Any legal tags can be forced through: tag j of a word is component j of its tokens' hidden states. */
static void force(heads *h, sentence *s, const int *tags) {
  memset(h->tag, 0, sizeof h->tag);
  memset(h->tag_bias, 0, sizeof h->tag_bias);
  memset(h->label_tag, 0, sizeof h->label_tag);
  memset(h->allowed, 1, sizeof h->allowed);
  memset(s->hidden, 0, sizeof s->hidden);
  for (size_t j = 0; j < TAGS; j++) h->tag[j * 2 * D + j] = h->tag[j * 2 * D + D + j] = 10.0f;
  for (size_t t = 0; t < s->tok.n_words; t++) {
    size_t last = t + 1 < s->tok.n_words ? s->words[t + 1].first_token : s->tok.n_tokens;
    for (size_t i = s->words[t].first_token; i < last; i++) s->hidden[i * D + (size_t)tags[t]] = 1.0f;
  }
}

static void random_tags(int *tags, size_t n, uint32_t begin_of_10, base_rng *rng) {
  int before = 0;
  for (size_t t = 0; t < n; t++) {
    if (before > 0 && base_rng_below(rng, 2)) tags[t] = before % 2 ? before + 1 : before;
    else tags[t] = base_rng_below(rng, 10) < begin_of_10 ? 1 + 2 * (int)base_rng_below(rng, SLOTS) : 0;
    before = tags[t];
  }
}

static void test_spans(void) {
  base_rng rng;
  heads *h = malloc(sizeof *h);
  sentence *s = malloc(sizeof *s);
  head_scratch *scratch = head_scratch_new(&WIDE, 512, NULL);
  head_calibration c;
  head_calibration_init(&c);
  base_rng_seed(&rng, 32);
  size_t full = 0;
  for (int round = 0; round < 200; round++) {
    size_t n = round < 100 ? base_rng_below(&rng, 12) : 1 + base_rng_below(&rng, HEAD_MAX_WORDS);
    int tags[HEAD_MAX_WORDS];
    head_span want[HEAD_MAX_SPANS];
    head_result r;
    random_heads(h, LABELS, SLOTS, &rng);
    random_sentence(s, n, &rng);
    random_tags(tags, n, (uint32_t)round % 10, &rng);
    force(h, s, tags);
    size_t n_want = read_spans(s, tags, want);
    head_decode(&h->w, &c, cpu_best(), s->hidden, (base_slice){s->text, 4 * n}, &s->tok, scratch, &r);
    bool same = r.n_spans == n_want;
    for (size_t i = 0; i < n_want && same; i++) {
      same = r.spans[i].start == want[i].start && r.spans[i].end == want[i].end &&
             r.spans[i].slot == want[i].slot;
      same = same && r.spans[i].probability > 0.5f && r.spans[i].probability <= 1.0f;
    }
    TAP_OK(same, "round %d: %zu words, %zu spans, %zu found", round, n, n_want, r.n_spans);
    full += n_want == HEAD_MAX_SPANS;
  }
  TAP_OK(full > 10, "more spans than there is room for");
  head_scratch_free(scratch);
  free(s);
  free(h);
}

static double plain_logit(const heads *h, const sentence *s, size_t label) {
  size_t t = s->tok.n_tokens;
  double sum = (double)h->classify_bias[label], p[512], most = -1e300, all = 0.0;
  for (size_t i = 0; i < t; i++) {
    p[i] = 0.0;
    for (size_t j = 0; j < D; j++) p[i] += (double)(h->pool[j] * s->hidden[i * D + j]);
    most = p[i] > most ? p[i] : most;
  }
  for (size_t i = 0; i < t; i++) all += p[i] = exp(p[i] - most);
  for (size_t j = 0; j < D; j++) {
    double pooled = 0.0, mean = 0.0;
    for (size_t i = 0; i < t; i++) {
      pooled += p[i] / all * (double)s->hidden[i * D + j];
      mean += (double)s->hidden[i * D + j] / (double)t;
    }
    const float *row = h->classify + label * 3 * D;
    sum +=
        (double)row[j] * (double)s->hidden[j] + (double)row[D + j] * pooled + (double)row[2 * D + j] * mean;
  }
  return sum;
}

/* The same text without each of its labels in turn: the next best one, under the same probabilities. */
static void check_without(const heads *h, const head_calibration *c, head_scratch *scratch, const head_result *r) {
  const float *p = head_label_probabilities(scratch);
  for (uint16_t but = 0; but < LABELS; but++) {
    head_result other = *r;
    head_decode_without(&h->w, c, cpu_best(), but, scratch, &other);
    uint16_t want = but == r->label ? r->runner_up : r->label;
    TAP_OK(other.label == want && other.label != other.runner_up, "without %d: %d", but, other.label);
    TAP_OK(fabsf(other.probability - p[want]) < 1e-6f, "its own probability");
    TAP_OK(but == r->label || memcmp(&other, r, sizeof other) == 0, "a label that was not chosen is not missed");
    for (size_t i = 0; i < other.n_spans; i++)
      TAP_OK(h->allowed[other.label * 2 + other.spans[i].slot] == 1, "its own slots");
  }
}

/* The same text with each label in turn for what is out of scope: it is answered just where no other is likely enough,
 * however likely it is itself. */
static void check_none(const heads *h, const head_calibration *c, const sentence *s, size_t n, head_scratch *scratch,
                       const head_result *r) {
  for (uint32_t none = 0; none < LABELS; none++) {
    head_calibration with = *c;
    head_result in, out;
    with.none_plus_1 = none + 1;
    uint16_t other = none == r->label ? r->runner_up : r->label;
    with.oos_threshold = 0.0f;
    head_decode(&h->w, &with, cpu_best(), s->hidden, (base_slice){s->text, 4 * n}, &s->tok, scratch, &in);
    const float *p = head_label_probabilities(scratch);
    TAP_OK(in.label == other && fabsf(in.probability * (1.0f - p[none]) - p[other]) < 1e-6f,
           "none is %u: %u is likely enough among the others", (unsigned)none, other);
    TAP_OK(fabsf(in.features[0] - logf(in.probability)) < 1e-5f, "the probe sees that probability");
    with.oos_threshold = in.probability + 1e-6f;
    head_decode(&h->w, &with, cpu_best(), s->hidden, (base_slice){s->text, 4 * n}, &s->tok, scratch, &out);
    TAP_OK(out.label == none && out.runner_up == other, "a little above it is none, not %u", out.label);
    TAP_OK(out.probability == head_label_probabilities(scratch)[none], "with a probability of its own");
  }
}

/* What the tags say about each label that comes close, from all of its paths. */
static void plain_evidence(const heads *h, const head_calibration *c, head_scratch *scratch, const double *z,
                           double *slots, double *path) {
  double most = -1e300, least[2] = {1e300, 1e300};
  for (size_t i = 0; i < LABELS; i++) most = z[i] > most ? z[i] : most;
  for (uint32_t i = 0; i < LABELS; i++) {
    all_paths all;
    head_crf *crf = head_tag_scores(&h->w, c, cpu_best(), i, scratch);
    slots[i] = path[i] = 0.0;
    if (z[i] < most - 6.9) continue;
    if (crf->k > 1) {
      int none[5] = {0};
      try_all(&h->w, crf, &all);
      slots[i] = log(all.sum) - path_score(&h->w, crf, none);
      path[i] = all.best - log(all.sum);
    }
    if (slots[i] < least[0]) least[0] = slots[i];
    if (path[i] < least[1]) least[1] = path[i];
  }
  for (size_t i = 0; i < LABELS; i++)
    if (z[i] < most - 6.9) slots[i] = least[0], path[i] = least[1];
}

static void test_evidence(void) {
  base_rng rng;
  heads *h = malloc(sizeof *h);
  sentence *s = malloc(sizeof *s);
  head_scratch *scratch = head_scratch_new(&WIDE, 512, NULL);
  head_calibration c, with;
  size_t turned = 0;
  base_rng_seed(&rng, 34);
  head_calibration_init(&c);
  for (int round = 0; round < 150; round++) {
    double z[LABELS], slots[LABELS], path[LABELS], sum = 0.0;
    float got_slots[LABELS], got_path[LABELS];
    size_t n = 1 + base_rng_below(&rng, 5), best = 0;
    head_result r, before;
    random_heads(h, LABELS, 2, &rng);
    random_sentence(s, n, &rng);
    head_decode(&h->w, &c, cpu_best(), s->hidden, (base_slice){s->text, 4 * n}, &s->tok, scratch, &before);
    for (size_t i = 0; i < LABELS; i++) z[i] = plain_logit(h, s, i);
    plain_evidence(h, &c, scratch, z, slots, path);
    head_label_evidence(&h->w, &c, cpu_best(), scratch, got_slots, got_path);
    for (size_t i = 0; i < LABELS; i++)
      TAP_OK(fabs(slots[i] - (double)got_slots[i]) < 1e-3 && fabs(path[i] - (double)got_path[i]) < 1e-3,
             "label %zu: %g %g, found %g %g", i, slots[i], path[i], (double)got_slots[i], (double)got_path[i]);
    with = c;
    with.slots_weight = base_rng_unit(&rng), with.path_weight = base_rng_unit(&rng);
    head_decode(&h->w, &with, cpu_best(), s->hidden, (base_slice){s->text, 4 * n}, &s->tok, scratch, &r);
    for (size_t i = 0; i < LABELS; i++)
      sum += exp(z[i] += (double)with.slots_weight * slots[i] + (double)with.path_weight * path[i]);
    for (size_t i = 1; i < LABELS; i++)
      if (z[i] > z[best]) best = i;
    TAP_OK(r.label == best && fabs((double)r.probability - exp(z[best]) / sum) < 1e-4, "round %d: label %zu", round, best);
    turned += r.label != before.label;
  }
  TAP_OK(turned > 10, "labels change by it: %zu", turned);
  head_scratch_free(scratch);
  free(s);
  free(h);
}

/* Label, probability, path probability and features, all from the definitions. */
static void test_answers(void) {
  base_rng rng;
  heads *h = malloc(sizeof *h);
  sentence *s = malloc(sizeof *s);
  head_scratch *scratch = head_scratch_new(&WIDE, 512, NULL);
  head_calibration c;
  base_rng_seed(&rng, 33);
  for (int round = 0; round < 200; round++) {
    double z[LABELS], sum = 0.0, entropy = 0.0;
    size_t n = 1 + base_rng_below(&rng, 5), best = 0;
    head_result r;
    head_calibration_init(&c);
    c.temperature = 0.5f + base_rng_unit(&rng);
    random_heads(h, LABELS, 2, &rng);
    random_sentence(s, n, &rng);
    head_decode(&h->w, &c, cpu_best(), s->hidden, (base_slice){s->text, 4 * n}, &s->tok, scratch, &r);
    for (size_t i = 0; i < LABELS; i++) sum += exp(z[i] = plain_logit(h, s, i) / (double)c.temperature);
    for (size_t i = 0; i < LABELS; i++) {
      if (z[i] > z[best]) best = i;
      entropy -= exp(z[i]) / sum * log(exp(z[i]) / sum);
      TAP_OK(fabs(exp(z[i]) / sum - (double)head_label_probabilities(scratch)[i]) < 1e-5, "p(label %zu)", i);
    }
    TAP_OK(r.label == best && fabs((double)r.probability - exp(z[best]) / sum) < 1e-5, "label %zu", best);
    TAP_OK(r.runner_up != r.label && r.runner_up_probability <= r.probability, "the second best is another");
    TAP_OK(fabs((double)r.features[2] - entropy) < 1e-4 && fabsf(r.features[0] - logf(r.probability)) < 1e-4f,
           "features");
    float product = expf(r.features[0] + r.log_path);
    TAP_OK(fabsf(r.confidence - product) < 1e-5f, "without a probe: p(label) p(path)");
    TAP_OK(r.log_path <= 0.0f && r.features[4] <= 0.0f && r.features[4] + 1e-4f >= r.log_path,
           "a word is likelier than the path");
    for (size_t i = 0; i < r.n_spans; i++)
      TAP_OK(h->allowed[r.label * 2 + r.spans[i].slot] == 1, "only slots the label allows");
    check_without(h, &c, scratch, &r);
    check_none(h, &c, s, n, scratch, &r);
  }
  head_scratch_free(scratch);
  free(s);
  free(h);
}

static void test_act_threshold(void) {
  head_calibration c = {.act_threshold = 0.9f, .target = 0.02f};
  TAP_OK(head_act_threshold(&c, 0.02f) == 0.9f && head_act_threshold(&c, 0.05f) == 0.9f, "no curve: the stored one");
  TAP_OK(head_act_threshold(&c, 0.5f) == 0.5f, "no curve, laxer: 1 - share");
  TAP_OK(head_act_threshold(&c, 0.001f) == 1.0f - 0.001f, "no curve, stricter: nor anything under 1 - share");
  c.n_risks = 3;
  c.risk_share[0] = 0.001f, c.risk_share[1] = 0.01f, c.risk_share[2] = 0.1f;
  c.risk_threshold[0] = 1.01f, c.risk_threshold[1] = 0.95f, c.risk_threshold[2] = 0.4f;
  TAP_OK(head_act_threshold(&c, 0.02f) == 0.9f, "what it was built for");
  TAP_OK(head_act_threshold(&c, 0.01f) == 0.95f && head_act_threshold(&c, 0.019f) == 0.95f, "the next stricter point");
  TAP_OK(head_act_threshold(&c, 0.0001f) > 1.0f && head_act_threshold(&c, 0.005f) > 1.0f, "never reached: never");
  TAP_OK(head_act_threshold(&c, 0.1f) == 0.4f && head_act_threshold(&c, 1.0f) == 0.4f, "laxer ones act on more");
}

static void test_confidence(void) {
  head_calibration c;
  float features[HEAD_FEATURES] = {-0.1f, 2.0f, 0.5f, -0.2f};
  head_calibration_init(&c);
  TAP_OK(fabsf(head_confidence(&c, features) - expf(-0.3f)) < 1e-6f, "the identity");
  c.weight[1] = 1.5f;
  c.mean[1] = 1.0f;
  c.inv_std[1] = 0.5f;
  c.bias = -0.25f;
  TAP_OK(fabsf(head_confidence(&c, features) - 1.0f / (1.0f + expf(-0.5f))) < 1e-6f, "a probe");
  const float hostile[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f};
  for (size_t i = 0; i < 5; i++) {
    features[1] = hostile[i];
    float p = head_confidence(&c, features);
    TAP_OK(p >= 0.0f && p <= 1.0f && (i > 0 || p == 0.0f), "a feature of %g: %g", (double)hostile[i],
           (double)p);
    head_calibration_init(&c);
    features[0] = hostile[i];
    p = head_confidence(&c, features);
    TAP_OK(p >= 0.0f && p <= 1.0f, "without a probe, %g: %g", (double)hostile[i], (double)p);
    c.weight[1] = 1.5f;
    features[0] = -0.1f;
  }
}

/* ---- the bag ---- */

static size_t read_bag(const char *text, head_bag_features *f) {
  tok_word words[HEAD_MAX_WORDS];
  size_t n = tok_split(text, strlen(text), words, HEAD_MAX_WORDS);
  head_bag_read(base_slice_of(text), words, n, HEAD_BAG_BUCKETS, f);
  return n;
}

static void test_bag(void) {
  head_bag_features *a = malloc(sizeof *a), *b = malloc(sizeof *b);
  memset(a, 0x11, sizeof *a);
  memset(b, 0x22, sizeof *b);
  read_bag("Wake me at 7", a);
  read_bag("wake  ME at 7", b);
  bool same = a->n == b->n && memcmp(a->bucket, b->bucket, a->n * sizeof a->bucket[0]) == 0;
  TAP_OK(same && a->n_words == 4, "case and blanks do not count");
  /* 4 words, 4 pairs, 3 triples; "<wake>" has 4 + 3 + 2 pieces of 3 to 5 letters, "<me>" 2 + 1, "<at>" 2 + 1 */
  TAP_OK(a->n == 4 + 4 + 3 + 9 + 3 + 3, "%zu features", a->n);
  read_bag("7 at me wake", b);
  TAP_OK(b->n_words == 4 && a->bucket[0] == b->bucket[3], "the same word, the same bucket");
  TAP_OK(memcmp(a->bucket + 4, b->bucket + 4, sizeof a->bucket[0]) != 0, "another order, other pairs");
  read_bag("", b);
  TAP_OK(b->n == 0 && b->n_words == 0, "nothing of nothing");
  char long_word[5000];
  memset(long_word, 'x', sizeof long_word - 1);
  long_word[sizeof long_word - 1] = 0;
  read_bag(long_word, b);
  TAP_OK(b->n_words == 1 && b->n < 200, "a long word is cut: %zu features", b->n);
  for (size_t i = 0; i + 1 < sizeof long_word; i += 5) long_word[i] = ' ';
  size_t n = read_bag(long_word, b);
  TAP_OK(n == HEAD_MAX_WORDS && b->n < 40, "the same words again are no new features: %zu", b->n);
  base_rng rng;
  base_rng_seed(&rng, 1);
  for (size_t i = 0; i + 1 < sizeof long_word; i++)
    long_word[i] = i % 11 == 10 ? ' ' : (char)('a' + base_rng_below(&rng, 26));
  read_bag(long_word, b);
  TAP_OK(b->n == HEAD_MAX_FEATURES, "no more features than there is room for: %zu", b->n);
  bool inside = true;
  for (size_t i = 0; i < b->n; i++) inside = inside && b->bucket[i] < HEAD_BAG_BUCKETS;
  TAP_OK(inside, "buckets in range");
  free(a);
  free(b);
}

static void test_bag_score(void) {
  enum { N = 5 };
  base_rng rng;
  head_bag_features *f = malloc(sizeof *f);
  float *idf = calloc(HEAD_BAG_BUCKETS, sizeof *idf), *scale = calloc(HEAD_BAG_BUCKETS, sizeof *scale),
        bias[N], got[N];
  int8_t *weight = calloc(HEAD_BAG_BUCKETS, N);
  base_rng_seed(&rng, 34);
  for (size_t i = 0; i < HEAD_BAG_BUCKETS; i++) {
    idf[i] = base_rng_below(&rng, 3) ? base_rng_unit(&rng) * 6.0f : 0.0f;
    scale[i] = base_rng_unit(&rng) * 0.02f;
    for (size_t j = 0; j < N; j++) weight[i * N + j] = (int8_t)((int)base_rng_below(&rng, 256) - 128);
  }
  fill(bias, N, 1.0f, &rng);
  const head_bag bag = {HEAD_BAG_BUCKETS, idf, weight, scale, bias};
  size_t n_words = read_bag("please set an alarm for half past nine tomorrow morning", f), unseen = 0;
  double squares = 0.0, want[N];
  for (size_t i = 0; i < f->n; i++) squares += (double)(idf[f->bucket[i]] * idf[f->bucket[i]]);
  TAP_OK(fabs((double)head_bag_norm(f, idf) * sqrt(squares) - 10.0) < 1e-4, "length 10");
  for (size_t j = 0; j < N; j++) {
    want[j] = (double)bias[j];
    for (size_t i = 0; i < f->n; i++) {
      uint32_t at = f->bucket[i];
      want[j] += (double)idf[at] * 10.0 / sqrt(squares) * (double)scale[at] * (double)weight[at * N + j];
    }
  }
  for (size_t i = 0; i < n_words; i++) unseen += idf[f->bucket[i]] == 0.0f;
  float share = head_bag_score(&bag, N, f, got);
  TAP_OK(fabsf(share - (float)unseen / (float)n_words) < 1e-6f, "%zu of %zu words unseen", unseen, n_words);
  for (size_t j = 0; j < N; j++)
    TAP_OK(fabs(want[j] - (double)got[j]) < 1e-3, "label %zu: %g, %g", j, want[j], (double)got[j]);
  f->n = f->n_words = 0;
  TAP_OK(head_bag_score(&bag, N, f, got) == 1.0f && memcmp(got, bias, sizeof bias) == 0, "an empty text");
  free(f);
  free(idf);
  free(scale);
  free(weight);
}

/* ---- the tagger ---- */

static size_t read_words(const char *text, head_tag_features *f) {
  tok_word words[HEAD_MAX_WORDS];
  size_t n = tok_split(text, strlen(text), words, HEAD_MAX_WORDS);
  head_tagger_read(base_slice_of(text), words, n, HEAD_TAGGER_BUCKETS, f);
  return n;
}

static size_t shared_features(const head_word_features *a, const head_word_features *b) {
  size_t same = 0;
  for (size_t i = 0; i < a->n; i++)
    for (size_t j = 0; j < b->n; j++)
      if (a->bucket[i] == b->bucket[j]) {
        same++;
        break;
      }
  return same;
}

static void test_tagger_features(void) {
  head_tag_features *a = malloc(sizeof *a), *b = malloc(sizeof *b);
  memset(a, 0x11, sizeof *a);
  memset(b, 0x22, sizeof *b);
  read_words("play the man who", a);
  read_words("play  the man who", b);
  bool same = a->n_words == 4 && b->n_words == 4;
  for (size_t i = 0; same && i < 4; i++)
    same = a->word[i].n == b->word[i].n &&
           memcmp(a->word[i].bucket, b->word[i].bucket, a->word[i].n * sizeof(uint32_t)) == 0;
  TAP_OK(same, "blanks do not count");
  /* itself and five neighbourhoods of one, six of two or three, four shapes, place, up to four letters at either end */
  TAP_OK(a->word[1].n == 6 + 6 + 4 + 2 + 2 * 3 && a->word[0].n == 6 + 6 + 4 + 2 + 2 * 4, "%u and %u features",
         (unsigned)a->word[1].n, (unsigned)a->word[0].n);
  read_words("play THE man who", b);
  TAP_OK(shared_features(&a->word[1], &b->word[1]) == a->word[1].n - 2, "case is two features, the word's shape and with the one before");
  TAP_OK(shared_features(&a->word[3], &b->word[3]) == a->word[3].n, "and none of a word two places on");
  read_words("stop the man who", b);
  TAP_OK(shared_features(&a->word[3], &b->word[3]) == a->word[3].n, "another word is not seen three places away");
  TAP_OK(shared_features(&a->word[2], &b->word[2]) == a->word[2].n - 2, "two places away by itself and in a pair");
  TAP_OK(shared_features(&a->word[0], &b->word[0]) == a->word[0].n - 12,
         "and where it is by itself, with its neighbours, and by four letters at either end");
  TAP_OK(read_words("", b) == 0 && b->n_words == 0, "nothing of nothing");
  char text[3000];
  for (size_t i = 0; i + 1 < sizeof text; i++) text[i] = i % 7 == 6 ? ' ' : (char)(0x80 + i % 0x7f);
  text[sizeof text - 1] = 0;
  read_words(text, b);
  bool inside = b->n_words == HEAD_MAX_WORDS;
  for (size_t i = 0; i < b->n_words; i++)
    for (size_t j = 0; j < b->word[i].n; j++) inside = inside && b->word[i].bucket[j] < HEAD_TAGGER_BUCKETS;
  TAP_OK(inside, "as many words as there is room for, buckets in range");
  free(a);
  free(b);
}

static void test_tagger_values(void) {
  head_tag_features *f = malloc(sizeof *f);
  enum { N = 3 };
  uint32_t value[N];
  uint8_t slot[N] = {4, 1, 2};
  read_words("Abbey Road", f);
  TAP_OK(head_tagger_value(f, 0, 2) != head_tagger_value(f, 0, 1), "a longer value is another");
  value[0] = value[1] = head_tagger_value(f, 0, 2);
  value[2] = UINT32_MAX;
  const head_tagger known = {.n_values = N, .value = value, .value_slot = slot};
  read_words("play abbey road now", f);
  const uint32_t before[] = {f->word[0].n, f->word[1].n, f->word[2].n, f->word[3].n};
  head_tagger_read_values(&known, NULL, 0, f);
  TAP_OK(f->word[1].n == before[1] + 4 && f->word[2].n == before[2] + 4, "two features for each of the two slots");
  TAP_OK(f->word[0].n == before[0] && f->word[3].n == before[3], "and none beside the value");
  read_words("play abbey road now", f);
  head_tagger_read_values(&known, &(head_tag_value){value[0], 4}, 1, f);
  TAP_OK(f->word[1].n == before[1] + 2 && f->word[2].n == before[2] + 2, "one slot's is hidden");
  head_tagger_read_values(&(head_tagger){0}, NULL, 0, f);
  TAP_OK(f->word[1].n == before[1] + 2, "nothing known");
  for (int i = 0; i < 40; i++) head_tagger_read_values(&known, NULL, 0, f);
  TAP_OK(f->word[1].n == HEAD_WORD_FEATURES, "no more than there is room for");
  free(f);
}

static void test_tagger_score(void) {
  enum { N = 5, BUCKETS = 1024 };
  base_rng rng;
  head_word_features f = {.n = 7};
  float *scale = calloc(BUCKETS, sizeof *scale);
  int8_t *weight = calloc(BUCKETS, N);
  base_rng_seed(&rng, 35);
  for (size_t i = 0; i < f.n; i++) {
    f.bucket[i] = base_rng_below(&rng, BUCKETS);
    scale[f.bucket[i]] = base_rng_unit(&rng) * 0.02f;
    for (size_t j = 0; j < N; j++) weight[f.bucket[i] * N + j] = (int8_t)((int)base_rng_below(&rng, 256) - 128);
  }
  const head_tagger t = {.buckets = BUCKETS, .weight = weight, .scale = scale};
  for (size_t j = 0; j < N; j++) {
    double want = 0.0;
    for (size_t i = 0; i < f.n; i++) want += (double)scale[f.bucket[i]] * (double)weight[f.bucket[i] * N + j];
    TAP_OK(fabs(want - (double)head_tagger_score(&t, N, &f, j)) < 1e-4, "tag %zu: %g", j, want);
  }
  free(scale);
  free(weight);
}

int main(void) {
  test_moves();
  test_crf();
  test_spans();
  test_answers();
  test_evidence();
  test_act_threshold();
  test_confidence();
  test_bag();
  test_bag_score();
  test_tagger_features();
  test_tagger_values();
  test_tagger_score();
  return tap_done("test_head");
}
