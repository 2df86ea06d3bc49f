/* Hidden states to an answer: pool, classify, tag, confidence. The engine runs this on int8 hidden states,
 * the trainer on float ones, so both measure the same thing. Features of the probe, by index: 0 log p(label),
 * 1 margin of the logits, 2 entropy of the labels, 3 log p(tags), 4 weakest word's log marginal, 5 energy
 * (logsumexp of the trunk's logits), 6 log length, 7 spans, 8 tokens a word, 9 share of words in spans, 10
 * log p(label) by the bag alone, 11 share of words never seen in training; and as log odds, on whose scale a logistic
 * probe is straight: 12 p(label) p(tags), 13 p(label), 14 the weakest word's marginal. */
#include <math.h>
#include <string.h>

#include "head/internal.h"

/* ---- scratch ---- */

static void scratch_carve(head_scratch *s, base_arena *a, const model_shape *m, size_t t) {
  size_t f = sizeof(float), words = t < HEAD_MAX_WORDS ? t : HEAD_MAX_WORDS, k = HEAD_MAX_TAGS;
  s->tok.ids = base_arena_take(a, t, sizeof *s->tok.ids);
  s->tok.cases = base_arena_take(a, t, 1);
  s->tok.words = base_arena_take(a, words, sizeof *s->tok.words);
  s->tok.max_tokens = t;
  s->tok.max_words = words;
  s->pooled = base_arena_take(a, 3 * (size_t)m->d, f);
  s->attention = base_arena_take(a, t, f);
  s->trunk_logits = base_arena_take(a, HEAD_MAX_LABELS, f);
  s->bag_logs = base_arena_take(a, HEAD_MAX_LABELS, f);
  s->features = base_arena_take(a, 1, sizeof *s->features);
  s->tag_features = base_arena_take(a, 1, sizeof *s->tag_features);
  s->logits = base_arena_take(a, HEAD_MAX_LABELS, f);
  s->slot_evidence = base_arena_take(a, HEAD_MAX_LABELS, f);
  s->path_evidence = base_arena_take(a, HEAD_MAX_LABELS, f);
  s->probabilities = base_arena_take(a, HEAD_MAX_LABELS, f);
  s->crf.emit = base_arena_take(a, words * k, f);
  s->crf.alpha = base_arena_take(a, words * k, f);
  s->crf.beta = base_arena_take(a, words * k, f);
  s->crf.move = base_arena_take(a, k * k, f);
  s->crf.start = base_arena_take(a, k, f);
  s->crf.row = base_arena_take(a, k, f);
  s->crf.back = base_arena_take(a, words * k, 1);
  s->crf.path = base_arena_take(a, words, 1);
}

head_scratch *head_scratch_new(const model_shape *largest, size_t max_tokens, const base_allocator *a) {
  base_arena arena;
  head_scratch sizes, *s;
  if (a == NULL) a = base_allocator_libc();
  base_arena_init(&arena, NULL, 0);
  (void)base_arena_take(&arena, 1, sizeof *s);
  scratch_carve(&sizes, &arena, largest, max_tokens);
  size_t bytes = arena.used + 64;
  void *block = base_alloc(a, bytes);
  if (block == NULL) return NULL;
  base_arena_init(&arena, block, bytes);
  s = base_arena_take(&arena, 1, sizeof *s);
  *s = (head_scratch){.allocator = *a, .block = block, .bytes = bytes};
  scratch_carve(s, &arena, largest, max_tokens);
  s->model = model_scratch_new(largest, max_tokens, a);
  if (s->model != NULL) return s;
  head_scratch_free(s);
  return NULL;
}

void head_scratch_free(head_scratch *s) {
  if (s == NULL) return;
  base_allocator a = s->allocator;
  model_scratch_free(s->model);
  base_free(&a, s->block, s->bytes);
}

tok_result *head_scratch_tokens(head_scratch *s) { return &s->tok; }
const float *head_label_probabilities(const head_scratch *s) { return s->probabilities; }
const float *head_trunk_logits(const head_scratch *s) { return s->trunk_logits; }
const float *head_bag_logs(const head_scratch *s) { return s->bag_logs; }

/* What a file's weights may have made of a probability, into 0..1. Not a number counts as no trust at all, so
 * that every comparison with a threshold comes out on the careful side. */
static float as_probability(float p) {
  if (!(p > 0.0f)) return 0.0f;
  return p < 1.0f ? p : 1.0f;
}

/* The same for its logarithm. */
static float as_log_probability(float log_p) {
  if (!(log_p > HEAD_NEVER)) return HEAD_NEVER;
  return log_p < 0.0f ? log_p : 0.0f;
}

/* log(p / (1 - p)) from log p; within what an estimate from some hundred rows can say anything about. */
static float log_odds(float log_p) {
  float a = log_p > -1e-4f ? -1e-4f : log_p > -20.0f ? log_p : -20.0f;
  return a - cpu_logf(1.0f - cpu_expf(a));
}

/* ---- classify ---- */

void head_pool(const head_weights *w, const cpu_kernels *k, const float *hidden, size_t t, float *attention,
               float *pooled) {
  size_t d = w->d;
  float inv = 1.0f / (float)t;
  for (size_t i = 0; i < t; i++) attention[i] = k->dot(w->pool_query, hidden + i * d, d);
  k->softmax(attention, t);
  for (size_t j = 0; j < d; j++) {
    pooled[j] = hidden[j];
    pooled[d + j] = 0.0f;
    pooled[2 * d + j] = 0.0f;
  }
  for (size_t i = 0; i < t; i++) {
    k->axpy(attention[i], hidden + i * d, d, pooled + d);
    k->axpy(inv, hidden + i * d, d, pooled + 2 * d);
  }
}

/* Log probabilities by the bag alone; all equal without one. */
static void ask_bag(const head_weights *w, const cpu_kernels *k, base_slice text, const tok_result *tok,
                    head_scratch *s, head_result *out) {
  size_t n = w->n_labels;
  out->features[11] = 0.0f;
  for (size_t i = 0; i < n; i++) s->bag_logs[i] = 0.0f;
  if (w->bag.buckets == 0) return;
  head_bag_read(text, tok->words, tok->n_words, w->bag.buckets, s->features);
  out->features[11] = head_bag_score(&w->bag, n, s->features, s->bag_logs);
  float all = k->logsumexp(s->bag_logs, n);
  for (size_t i = 0; i < n; i++) s->bag_logs[i] -= all;
}

enum { NO_LABEL = 0xffff };

/* The likeliest label and the one after it; `but` is not among those for the first place. */
static void choose_label(const float *p, size_t n, uint16_t but, head_result *out) {
  size_t best = but == 0 ? 1 : 0, second;
  for (size_t i = best + 1; i < n; i++)
    if (i != but && p[i] > p[best]) best = i;
  second = best == 0 && n > 1 ? 1 : 0;
  for (size_t i = 0; i < n; i++)
    if (i != best && p[i] > p[second]) second = i;
  out->label = (uint16_t)best;
  out->runner_up = (uint16_t)second;
}

/* Logits of trunk and bag together. */
static void score_labels(const head_weights *w, const head_calibration *c, const cpu_kernels *k, head_scratch *s) {
  for (size_t i = 0; i < w->n_labels; i++) {
    s->trunk_logits[i] =
        k->dot(w->classify + i * 3 * w->d, s->pooled, 3 * (size_t)w->d) + w->classify_bias[i];
    s->logits[i] = s->trunk_logits[i] / c->temperature + c->bag_weight * s->bag_logs[i];
  }
}

static void add_evidence(const head_weights *w, const head_calibration *c, const cpu_kernels *k, head_scratch *s) {
  if (!(c->slots_weight > 0.0f || c->path_weight > 0.0f)) return;
  head_label_evidence(w, c, k, s, s->slot_evidence, s->path_evidence);
  for (size_t i = 0; i < w->n_labels; i++)
    s->logits[i] += c->slots_weight * s->slot_evidence[i] + c->path_weight * s->path_evidence[i];
}

/* Probabilities of all labels into the scratch; features that no choice of label changes. */
static void classify(const head_weights *w, const head_calibration *c, const cpu_kernels *k, head_scratch *s,
                     head_result *out) {
  size_t n = w->n_labels;
  float entropy = 0.0f;
  score_labels(w, c, k, s);
  add_evidence(w, c, k, s);
  memcpy(s->probabilities, s->logits, n * sizeof *s->logits);
  k->softmax(s->probabilities, n);
  for (size_t i = 0; i < n; i++)
    if (s->probabilities[i] > 0.0f) entropy -= s->probabilities[i] * cpu_logf(s->probabilities[i]);
  out->features[2] = entropy;
  out->features[5] = k->logsumexp(s->trunk_logits, n);
}

/* What follows from out->label and out->runner_up. */
static void describe_choice(const head_weights *w, const head_scratch *s, head_result *out) {
  size_t n = w->n_labels;
  out->probability = as_probability(s->probabilities[out->label]);
  out->runner_up_probability = n > 1 ? as_probability(s->probabilities[out->runner_up]) : 0.0f;
  out->features[0] = cpu_logf(out->probability > 1e-30f ? out->probability : 1e-30f);
  out->features[1] = n > 1 ? s->logits[out->label] - s->logits[out->runner_up] : 0.0f;
  out->features[10] = s->bag_logs[out->label];
}

static void choose(const head_weights *w, uint16_t but, const head_scratch *s, head_result *out) {
  choose_label(s->logits, w->n_labels, but, out);
  describe_choice(w, s, out);
}

/* The probability of out->label among the labels in scope. How many rows out of scope training had says nothing about
 * how many there are in use, so their label's share is left out. */
static void without_share_of(uint16_t none, const head_scratch *s, head_result *out) {
  float rest = 1.0f - s->probabilities[none];
  out->probability = rest > 0.0f ? as_probability(s->probabilities[out->label] / rest) : 0.0f;
  out->features[0] = cpu_logf(out->probability > 1e-30f ? out->probability : 1e-30f);
}

/* With a label for what is out of scope: the likeliest other one, or that one where no other is likely enough. */
static void choose_in_scope(const head_weights *w, const head_calibration *c, const head_scratch *s, head_result *out) {
  bool has_none = c->none_plus_1 > 0 && w->n_labels > 1;
  uint16_t none = has_none ? (uint16_t)(c->none_plus_1 - 1) : NO_LABEL;
  choose(w, none, s, out);
  if (!has_none) return;
  without_share_of(none, s, out);
  if (out->probability >= c->oos_threshold) return;
  out->runner_up = out->label;
  out->label = none;
  describe_choice(w, s, out);
}

/* ---- tag ---- */

static void add_tagger(const head_weights *w, float weight, const head_tag_features *f, head_crf *c) {
  size_t n_tags = 1 + 2 * (size_t)w->n_slots;
  for (size_t i = 0; i < c->n && i < f->n_words; i++)
    for (size_t j = 0; j < c->k; j++)
      c->emit[i * c->k + j] += weight * head_tagger_score(&w->tagger, n_tags, &f->word[i], c->tags[j]);
}

head_crf *head_tag_scores(const head_weights *w, const head_calibration *cal, const cpu_kernels *k, uint32_t label,
                          head_scratch *s) {
  const tok_result *tok = s->decoded;
  const float *label_tag = w->label_tag + label * (1 + 2 * (size_t)w->n_slots);
  head_crf *c = &s->crf;
  size_t d = w->d;
  head_crf_moves(w, label, cal->move_scale, c);
  c->n = tok->n_words;
  for (size_t i = 0; i < c->n && c->k > 1; i++) {
    size_t first = tok->words[i].first_token;
    size_t last = (i + 1 < c->n ? tok->words[i + 1].first_token : tok->n_tokens) - 1;
    for (size_t j = 0; j < c->k; j++) {
      size_t tag = c->tags[j];
      const float *row = w->tag + tag * 2 * d;
      float score = k->dot(row, s->hidden + first * d, d) + k->dot(row + d, s->hidden + last * d, d) +
                    w->tag_bias[tag] + label_tag[tag];
      c->emit[i * c->k + j] = score * cal->tag_scale;
    }
  }
  if (w->tagger.buckets > 0 && cal->tagger_weight > 0.0f) add_tagger(w, cal->tagger_weight, s->tag_features, c);
  return c;
}

/* log of the marginal of the best path's tag at word t. */
static float path_marginal(const head_crf *c, size_t t) {
  size_t at = t * c->k + c->path[t];
  return as_log_probability(c->alpha[at] + c->beta[at] - c->log_z);
}

/* Reads the best path off as spans; returns how many words they cover. */
static size_t collect_spans(const head_crf *c, const tok_result *tok, head_result *out) {
  size_t covered = 0;
  bool open = false; /* the last word was in out->spans[n_spans - 1] */
  for (size_t t = 0; t < c->n; t++) {
    int tag = c->tags[c->path[t]];
    bool begin = tag > 0 && tag % 2 == 1;
    float p = cpu_expf(path_marginal(c, t));
    if ((begin || !open) && out->n_spans == HEAD_MAX_SPANS) tag = 0; /* no room for another */
    if (tag == 0) {
      open = false;
      continue;
    }
    covered++;
    if (begin || !open) {
      out->spans[out->n_spans++] =
          (head_span){.start = tok->words[t].start, .slot = (uint16_t)((tag - 1) / 2), .probability = p};
      open = true;
    }
    head_span *span = &out->spans[out->n_spans - 1];
    span->end = tok->words[t].end;
    if (p < span->probability) span->probability = p;
  }
  return covered;
}

static void tag(const head_weights *w, const head_calibration *cal, const cpu_kernels *k, head_scratch *s,
                head_result *out) {
  const tok_result *tok = s->decoded;
  head_crf *c = head_tag_scores(w, cal, k, out->label, s);
  float weakest = 0.0f;
  size_t covered = 0;
  out->n_spans = 0;
  out->log_path = 0.0f;
  if (tok->n_words > 0 && c->k > 1) {
    head_crf_viterbi(c);
    head_crf_forward(k, c);
    head_crf_backward(k, c);
    out->log_path = as_log_probability(c->best - c->log_z);
    for (size_t t = 0; t < c->n; t++)
      if (path_marginal(c, t) < weakest) weakest = path_marginal(c, t);
    covered = collect_spans(c, tok, out);
  }
  size_t n = tok->n_words > 0 ? tok->n_words : 1;
  out->features[3] = out->log_path;
  out->features[4] = weakest;
  out->features[6] = cpu_logf((float)(n + 1));
  out->features[7] = (float)out->n_spans;
  out->features[8] = (float)tok->n_tokens / (float)n;
  out->features[9] = (float)covered / (float)n;
  out->features[HEAD_FEATURE_ANSWER_ODDS] = log_odds(out->features[0] + out->log_path);
  out->features[HEAD_FEATURE_LABEL_ODDS] = log_odds(out->features[0]);
  out->features[14] = log_odds(weakest);
}

/* ---- the whole ---- */

void head_calibration_init(head_calibration *c) {
  *c = (head_calibration){.temperature = 1.0f, .tag_scale = 1.0f, .move_scale = 1.0f, .target = 0.02f};
  for (size_t i = 0; i < HEAD_FEATURES; i++) c->inv_std[i] = 1.0f;
}

float head_confidence(const head_calibration *c, const float features[HEAD_FEATURES]) {
  float z = c->bias;
  bool learned = false;
  for (size_t i = 0; i < HEAD_FEATURES; i++) {
    learned = learned || c->weight[i] != 0.0f;
    z += c->weight[i] * ((features[i] - c->mean[i]) * c->inv_std[i]);
  }
  if (!learned) return as_probability(cpu_expf(features[0] + features[3]));
  return as_probability(1.0f / (1.0f + cpu_expf(-z)));
}

float head_act_threshold(const head_calibration *c, float share) {
  float threshold = share >= c->target ? c->act_threshold : 1.01f, each = 1.0f - share;
  if (c->n_risks == 0) {
    if (share > c->target) return c->act_threshold < each ? c->act_threshold : each;
    return share < c->target && c->act_threshold < each ? each : c->act_threshold;
  }
  for (uint32_t i = 0; i < c->n_risks && c->risk_share[i] <= share; i++)
    if (c->risk_threshold[i] < threshold) threshold = c->risk_threshold[i];
  return threshold;
}

void head_decode(const head_weights *w, const head_calibration *c, const cpu_kernels *k, const float *hidden,
                 base_slice text, const tok_result *tok, head_scratch *s, head_result *out) {
  s->hidden = hidden;
  s->decoded = tok;
  ask_bag(w, k, text, tok, s, out);
  if (w->tagger.buckets > 0) {
    head_tagger_read(text, tok->words, tok->n_words, w->tagger.buckets, s->tag_features);
    head_tagger_read_values(&w->tagger, NULL, 0, s->tag_features);
  }
  head_pool(w, k, hidden, tok->n_tokens, s->attention, s->pooled);
  classify(w, c, k, s, out);
  choose_in_scope(w, c, s, out);
  tag(w, c, k, s, out);
  out->confidence = head_confidence(c, out->features);
  out->truncated = tok->truncated;
}

void head_decode_without(const head_weights *w, const head_calibration *c, const cpu_kernels *k, uint16_t label,
                         head_scratch *s, head_result *out) {
  choose(w, label, s, out);
  tag(w, c, k, s, out);
  out->confidence = head_confidence(c, out->features);
}
