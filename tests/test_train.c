/* The trainer: every parameter's gradient against finite differences, for the two heads and for masked
 * tokens, with dropout and agreement on; the same bytes for any number of threads and through a checkpoint;
 * learning that is really learning. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "train/loop.h"

static const model_shape SHAPE = {.vocab = 300,
                                  .d = 32,
                                  .layers = 2,
                                  .heads = 2,
                                  .kv_heads = 1,
                                  .head_dim = 16,
                                  .ff = 48,
                                  .max_tokens = 32,
                                  .cases = 3,
                                  .rope_base = 10000.0f,
                                  .eps = 1e-5f};

/* ---- gradients ---- */

typedef struct fixture {
  train_net *n;
  train_batch batch;
  train_tape tape;
  train_head_work *work;
  float *mlm;
  train_options o;
} fixture;

static void random_sequence(train_batch *b, base_rng *rng, uint32_t labels, uint32_t slots,
                            const uint8_t *allowed) {
  uint16_t ids[16];
  uint8_t cases[16];
  tok_word words[16];
  tok_result t = {.ids = ids, .cases = cases, .words = words, .n_words = 4 + base_rng_below(rng, 3)};
  ids[0] = TOK_CLS;
  cases[0] = 0;
  t.n_tokens = 1;
  for (size_t i = 0; i < t.n_words; i++) { /* words of one or two tokens */
    words[i] = (tok_word){(uint32_t)i, (uint32_t)i + 1, (uint32_t)t.n_tokens};
    for (uint32_t k = 0; k < 1 + base_rng_below(rng, 2); k++) {
      ids[t.n_tokens] = (uint16_t)(4 + base_rng_below(rng, SHAPE.vocab - 4));
      cases[t.n_tokens++] = (uint8_t)base_rng_below(rng, 3);
    }
  }
  TAP_OK(train_batch_add(b, &t), "the sequence fits");
  size_t s = b->n_seqs - 1;
  b->label[s] = b->tag_label[s] = (uint16_t)base_rng_below(rng, labels);
  for (size_t i = b->seq_word[s]; i < b->n_words; i++) { /* any legal tags */
    uint32_t slot = base_rng_below(rng, slots);
    uint16_t before = i > b->seq_word[s] ? b->tags[i - 1] : 0;
    if (before && base_rng_below(rng, 2))
      b->tags[i] = (uint16_t)(before + (before % 2));
    else
      b->tags[i] = allowed[b->label[s] * slots + slot] ? (uint16_t)(1 + 2 * slot) : 0;
  }
}

static void make_fixture(fixture *f, bool mlm, float consistency) {
  static const uint8_t allowed[] = {1, 1, 0, 0, 1, 1, 0, 0, 0};
  base_rng rng;
  base_rng_seed(&rng, 11);
  memset(f, 0, sizeof *f);
  train_options_init(&f->o);
  f->o.kernels = cpu_best();
  f->o.consistency = consistency;
  TAP_OK(train_net_new(&f->n, &SHAPE, 3, NULL, NULL) == BASE_OK, "a net");
  if (mlm)
    train_net_add_mlm(f->n, 5, NULL);
  else
    train_net_add_heads(f->n, 3, 3, allowed, 5, NULL);
  train_batch_new(&f->batch, 8, 128, f->n->allocator, NULL);
  train_batch_clear(&f->batch);
  for (int i = 0; i < 4; i++) random_sequence(&f->batch, &rng, 3, 3, allowed);
  f->batch.label[1] = DATA_NO_LABEL; /* one sequence that only tags */
  TAP_OK(train_tape_new(&f->tape, f->n, 8, 128, 32, &f->o, NULL) == BASE_OK, "a tape");
  f->tape.dropout = 0.2f;
  f->tape.dropout_key = 99;
  if (!mlm) {
    train_head_work_new(&f->work, f->n, 8, 128, f->n->allocator, NULL);
    for (size_t i = 0; i < f->n->n_params; i++) /* transitions and biases start at zero: move them */
      if (f->n->param[i].head)
        for (size_t k = 0; k < f->n->param[i].rows * f->n->param[i].cols; k++)
          train_w(f->n, (int)i)[k] += 0.3f * base_rng_normal(&rng);
    return;
  }
  f->mlm = calloc(train_mlm_work(f->n, 64), sizeof(float));
  for (uint32_t i = 1; i < f->batch.n_tokens; i += 3) {
    f->batch.masked[f->batch.n_masked] = i;
    f->batch.target[f->batch.n_masked++] = f->batch.ids[i];
    f->batch.ids[i] = TOK_MASK;
  }
}

static void free_fixture(fixture *f) {
  train_head_work_free(f->work);
  train_tape_free(&f->tape, f->n->allocator);
  train_batch_free(&f->batch, f->n->allocator);
  train_net_free(f->n);
  free(f->mlm);
}

static double loss_of(fixture *f) {
  size_t correct;
  train_forward(f->n, &f->batch, &f->tape);
  if (f->mlm != NULL) return train_mlm_loss(f->n, &f->batch, &f->tape, f->mlm, true, &correct);
  train_loss l = train_head_loss(f->n, &f->batch, &f->tape, f->work, &f->o);
  return l.classify + l.tag + (double)f->o.consistency * l.consistency;
}

/* Central difference along `u` [count], whose length is 1. */
static double slope(fixture *f, float *w, const float *u, size_t count, float step) {
  float *kept = malloc(count * sizeof *kept);
  memcpy(kept, w, count * sizeof *kept);
  for (size_t i = 0; i < count; i++) w[i] = kept[i] + step * u[i];
  double up = loss_of(f);
  for (size_t i = 0; i < count; i++) w[i] = kept[i] - step * u[i];
  double down = loss_of(f);
  memcpy(w, kept, count * sizeof *kept);
  free(kept);
  return (up - down) / (2.0 * (double)step);
}

/* Along the gradient itself, and along random directions. */
static void check_param(fixture *f, const char *what, size_t p, const float *gradient, base_rng *rng) {
  size_t count = f->n->param[p].rows * f->n->param[p].cols;
  const float *g = gradient + f->n->param[p].offset;
  float *w = train_w(f->n, (int)p), *u = malloc(count * sizeof *u);
  double norm = 0.0;
  for (size_t i = 0; i < count; i++) norm += (double)g[i] * (double)g[i];
  norm = sqrt(norm);
  TAP_OK(norm > 1e-7, "%s %s: the gradient is not zero", what, f->n->param[p].name);
  for (int trial = 0; trial < 3 && norm > 1e-7; trial++) {
    double length = 0.0, expected = 0.0;
    for (size_t i = 0; i < count; i++)
      u[i] = trial == 0 ? (float)((double)g[i] / norm)
                        : g[i] + (float)norm / sqrtf((float)count) * base_rng_normal(rng);
    for (size_t i = 0; i < count; i++) length += (double)u[i] * (double)u[i];
    for (size_t i = 0; i < count; i++) u[i] = (float)((double)u[i] / sqrt(length));
    for (size_t i = 0; i < count; i++) expected += (double)u[i] * (double)g[i];
    double found = slope(f, w, u, count, 4e-3f);
    TAP_OK(fabs(found - expected) <= 0.02 * fabs(expected) + 3e-4,
           "%s %s, direction %d: slope %g, gradient %g", what, f->n->param[p].name, trial, found, expected);
  }
  free(u);
}

static void test_gradients(const char *what, bool mlm, float consistency) {
  fixture f;
  base_rng rng;
  base_rng_seed(&rng, 17);
  make_fixture(&f, mlm, consistency);
  memset(f.n->g, 0, f.n->size * sizeof(float));
  loss_of(&f);
  train_backward(f.n, &f.batch, &f.tape);
  float *gradient = malloc(f.n->size * sizeof(float));
  memcpy(gradient, f.n->g, f.n->size * sizeof(float));
  for (size_t p = 0; p < f.n->n_params; p++) check_param(&f, what, p, gradient, &rng);
  free(gradient);
  free_fixture(&f);
}

/* The tagger's loss of one word, whose features share a bucket, along its gradient and each weight it touches. */
static void test_tagger_gradient(void) {
  enum { BUCKETS = 8, ALL = 7, K = 4 };
  static const uint16_t tags[K] = {0, 3, 4, 6};
  static const head_word_features x = {.n = 4, .bucket = {2, 5, 2, 7}};
  float w[BUCKETS * ALL], g[BUCKETS * ALL] = {0}, none[BUCKETS * ALL];
  const cpu_kernels *k = cpu_best();
  base_rng rng;
  base_rng_seed(&rng, 5);
  for (size_t i = 0; i < BUCKETS * ALL; i++) w[i] = base_rng_normal(&rng);
  train_tagger_word(w, g, ALL, &x, tags, K, 4, 1.5f, 1.0f, k);
  for (size_t i = 0; i < BUCKETS * ALL; i++) {
    const float kept = w[i], step = 1e-2f;
    w[i] = kept + step;
    double up = (double)train_tagger_word(w, none, ALL, &x, tags, K, 4, 1.5f, 0.0f, k);
    w[i] = kept - step;
    double down = (double)train_tagger_word(w, none, ALL, &x, tags, K, 4, 1.5f, 0.0f, k);
    w[i] = kept;
    double slope = (up - down) / (2.0 * (double)step);
    TAP_OK(fabs(slope - (double)g[i]) < 2e-3, "weight %zu: slope %g, gradient %g", i, slope, (double)g[i]);
    bool touched = (i / ALL == 2 || i / ALL == 5 || i / ALL == 7) && (i % ALL == 0 || i % ALL == 3 || i % ALL == 4 || i % ALL == 6);
    TAP_OK((g[i] != 0.0f) == touched, "weight %zu: only what was looked at", i);
  }
}

/* ---- whole runs on a toy language ---- */

static void toy_rows(data_set *s) {
  static const char *const frames[][3] = {
      {"wake me at ", "", "alarm"},     {"set an alarm for ", " please", "alarm"},
      {"alarm ", "", "alarm"},          {"i must be up by ", "", "alarm"},
      {"play ", "", "music"},           {"put on some ", " now", "music"},
      {"i want to hear ", "", "music"}, {"music by ", "", "music"}};
  static const char *const times[] = {"seven", "half past six", "noon", "7:30", "ten to nine", "midnight"};
  static const char *const bands[] = {"abba", "the beatles", "miles davis",
                                      "bach", "daft punk",   "nina simone"};
  for (size_t i = 0; i < 8; i++)
    for (size_t k = 0; k < 6; k++) {
      char text[96];
      const char *value = i < 4 ? times[k] : bands[k];
      base_format(text, sizeof text, "%s%s%s", frames[i][0], value, frames[i][1]);
      data_span span = {(uint32_t)strlen(frames[i][0]), (uint32_t)(strlen(frames[i][0]) + strlen(value)), 0,
                        DATA_NO_LIST};
      span.slot = (uint16_t)data_name(s, &s->slots, base_slice_of(i < 4 ? "time" : "artist"));
      TAP_OK(data_add(s, base_slice_of(text), data_name(s, &s->labels, base_slice_of(frames[i][2])), &span, 1,
                      NULL) == BASE_OK,
             "row");
    }
}

static tok_bpe *toy_tok(const data_set *s) {
  base_slice lines[64];
  tok_bpe *t = NULL;
  for (size_t i = 0; i < s->n_rows; i++) lines[i] = s->rows[i].text;
  TAP_OK(tok_bpe_train(&t, lines, s->n_rows, SHAPE.vocab, NULL, NULL) == BASE_OK, "a vocabulary");
  return t;
}

static bool stop_after_two(void *ctx, const train_progress *p) {
  (void)ctx;
  return !(p->validated && p->epoch == 2);
}

/* Trains on the toy rows; the file's bytes go to `out`. */
static base_status toy_run(int threads, const char *checkpoint, bool interrupt, base_buf *out,
                           train_report *report) {
  data_set s, same; /* judged on the rows it learned: this asks whether it learns at all */
  train_net *n = NULL;
  train_options o;
  train_spec spec = {.none_label = -1, .part_slot = -1};
  base_error err = {0};
  data_init(&s, NULL);
  data_init(&same, NULL);
  toy_rows(&s);
  toy_rows(&same);
  tok_bpe *tok = toy_tok(&s);
  model_shape shape = SHAPE;
  shape.vocab = (uint32_t)tok_bpe_vocab(tok);
  gguf_writer *w = gguf_writer_new(NULL);
  train_options_init(&o);
  o.epochs = 30;
  o.batch_rows = 8;
  o.learning_rate = 4e-3f;
  o.average = 0.8f;
  o.checkpoint = checkpoint;
  if (interrupt) o.progress = stop_after_two;
  os_pool_open(&o.pool, threads, NULL);
  base_status st = train_net_new(&n, &shape, 1, NULL, &err);
  if (!st) st = train_fit(n, tok, &s, &same, &spec, &o, w, report, &err);
  if (!st) st = gguf_writer_bytes(w, out, &err);
  TAP_OK(st == BASE_OK || st == BASE_ECANCELLED, "%s: %s", err.where, err.text);
  gguf_writer_free(w);
  train_net_free(n);
  tok_bpe_close(tok);
  os_pool_close(o.pool);
  data_free(&s);
  data_free(&same);
  return st;
}

static void test_same_bytes(void) {
  base_buf one = {0}, three = {0}, resumed = {0};
  train_report report;
  const char *checkpoint = TEST_BUILD "/test_train.checkpoint";
  if (os_exists(checkpoint)) os_remove(checkpoint, NULL);
  TAP_OK(toy_run(1, NULL, false, &one, &report) == BASE_OK, "one thread");
  TAP_OK(report.label_accuracy > 0.95f && report.slot_f1 > 0.9f, "it learns: accuracy %.2f, F1 %.2f",
         (double)report.label_accuracy, (double)report.slot_f1);
  toy_run(3, NULL, false, &three, &report);
  TAP_OK(one.len == three.len && memcmp(one.ptr, three.ptr, one.len) == 0,
         "three threads give the same bytes");
  TAP_OK(toy_run(1, checkpoint, true, &resumed, &report) == BASE_ECANCELLED, "cancelled");
  TAP_OK(toy_run(1, checkpoint, false, &resumed, &report) == BASE_OK, "resumed");
  TAP_OK(one.len == resumed.len && memcmp(one.ptr, resumed.ptr, one.len) == 0,
         "a resumed run gives the same bytes");
  os_remove(checkpoint, NULL);
  base_buf_free(&one);
  base_buf_free(&three);
  base_buf_free(&resumed);
}

#define TRUNK TEST_BUILD "/test_train.trunk.gguf"

static void test_pretraining_learns(void) {
  data_set s;
  train_net *n = NULL;
  train_options o;
  data_init(&s, NULL);
  for (int i = 0; i < 8; i++) toy_rows(&s);
  data_set lines = s;
  lines.n_rows = 48;
  tok_bpe *tok = toy_tok(&lines);
  model_shape shape = SHAPE;
  shape.vocab = (uint32_t)tok_bpe_vocab(tok);
  train_options_init_pretrain(&o);
  o.kernels = cpu_best();
  o.epochs = 15;
  o.batch_rows = 32;
  o.warmup = 0.1f;
  o.average = 0.9f;
  TAP_OK(train_net_new(&n, &shape, 1, NULL, NULL) == BASE_OK, "a net");
  float before = train_w(n, n->layer[0].qkv)[0];
  TAP_OK(train_pretrain(n, tok, &s, &o, NULL) == BASE_OK, "pretraining");
  TAP_OK(train_w(n, n->layer[0].qkv)[0] != before && n->mlm_dense < 0,
         "the trunk moved and the masked-token head is gone");
  gguf_writer *w = gguf_writer_new(NULL);
  base_error err = {0};
  TAP_OK(train_net_put(n, tok, w, &err) == BASE_OK &&
             gguf_writer_save(w, TRUNK, &err) == BASE_OK,
         "saved: %s", err.text);
  gguf_file *f = NULL;
  train_net *again = NULL;
  TAP_OK(gguf_open(&f, TRUNK, NULL, &err) == BASE_OK &&
             train_net_load(&again, f, NULL, &err) == BASE_OK,
         "loaded: %s", err.text);
  if (again != NULL) {
    double most = 0.0;
    for (size_t i = 0; i < again->size; i++) most = fmax(most, fabs((double)(again->w[i] - n->w[i])));
    TAP_OK(most < 0.05, "int8 rounds by at most %g", most);
  }
  os_remove(TRUNK, NULL);
  gguf_close(f);
  gguf_writer_free(w);
  train_net_free(again);
  train_net_free(n);
  tok_bpe_close(tok);
  data_free(&s);
}

/* ---- calibration ---- */

enum { JUDGED = 4000 };

/* Answers whose chance of being right is known: half as sure as the model's own log odds say, a little worse. */
static double judged_rows(train_judged *j, base_rng *rng) {
  double sum = 0.0;
  memset(j, 0, JUDGED * sizeof *j);
  for (size_t i = 0; i < JUDGED; i++) {
    float odds = 8.0f * base_rng_unit(rng) - 1.0f, noise = base_rng_normal(rng);
    double p = 1.0 / (1.0 + exp(-(0.5 * (double)odds - 0.3)));
    for (size_t k = 0; k < HEAD_FEATURES; k++) j[i].features[k] = noise;
    j[i].features[12] = j[i].features[13] = odds;
    j[i].right = (double)base_rng_unit(rng) < p;
    j[i].in_scope = j[i].answered = true;
    sum += p;
  }
  return sum / JUDGED;
}

/* A hundred rows in scope and thirty out, log probabilities one tenth apart. */
static void test_oos(void) {
  enum { IN = 100, OUT = 30 };
  static train_judged j[IN + OUT];
  for (size_t i = 0; i < IN + OUT; i++) {
    j[i].in_scope = j[i].label_right = i < IN;
    j[i].features[0] = i < IN ? -0.05f * (float)i : -0.1f * (float)(i - IN) - 0.5f;
  }
  float recall = logf(train_fit_oos(j, IN + OUT, true)); /* 21 of 30 lie under it: from the tenth on */
  TAP_OK(recall > -1.401f && recall < -1.399f, "seven in ten are found: %g", (double)recall);
  float cost = logf(train_fit_oos(j, IN + OUT, false));
  TAP_OK(cost > -4.951f && cost < -4.949f, "half a percent of a hundred is none: %g", (double)cost);
  TAP_OK(train_fit_oos(j, IN + 19, true) == train_fit_oos(j, IN + 19, false), "nineteen rows are too few to count");
  TAP_OK(train_fit_oos(j, IN, false) == 0.0f, "nothing out of scope, no threshold");
  TAP_OK(fabsf(logf(train_fit_oos(j, IN, true)) - cost) < 0.001f, "unless the label is answered by it alone");
}

/* Two labels that trunk and bag cannot tell apart; what the tags say is right seven times in eight. */
static void test_evidence(void) {
  enum { N = 80 };
  static train_judged j[N];
  static float trunk[2 * N], bag[2 * N], slots[2 * N], path[2 * N];
  const train_scores said = {trunk, bag, slots, path};
  head_calibration c;
  head_calibration_init(&c);
  for (size_t i = 0; i < N; i++) {
    j[i].gold = i % 2;
    slots[2 * i + (i % 8 == 0 ? 1 - i % 2 : i % 2)] = 10.0f;
    path[2 * i + (i / 2) % 2] = -1.0f; /* says nothing */
  }
  train_fit_evidence(&c, j, &said, N, 2);
  /* seven in eight are log odds of 1.95 for ten of evidence */
  TAP_OK(c.slots_weight == 0.2f && c.path_weight == 0.0f, "what the tags say counts as often as it was right: %g, %g",
         (double)c.slots_weight, (double)c.path_weight);
}

static void test_probe(void) {
  static train_judged judged[JUDGED];
  static float cross[JUDGED];
  static eval_item item[JUDGED];
  eval_bin bins[EVAL_BINS];
  head_calibration c;
  base_rng rng;
  base_rng_seed(&rng, 9);
  double right = judged_rows(judged, &rng), mean = 0.0;
  head_calibration_init(&c);
  TAP_OK(train_fit_probe(&c, judged, 7, cross, NULL) == BASE_EARGUMENT, "seven rows are too few");
  TAP_OK(train_fit_probe(&c, judged, JUDGED, cross, NULL) == BASE_OK, "a probe");
  for (size_t i = 0; i < JUDGED; i++) {
    item[i] = (eval_item){.confidence = cross[i], .right = judged[i].right, .in_scope = true, .answered = true};
    mean += (double)cross[i] / JUDGED;
  }
  TAP_OK(fabs(mean - right) < 0.02, "mean confidence %.3f, right %.3f", mean, right);
  TAP_OK(eval_ece(item, JUDGED, bins) < 0.03, "calibrated on rows that the fit did not see");
  for (size_t k = 0; k < 12; k++) TAP_OK(c.weight[k] == 0.0f, "feature %zu is no input", k);
  eval_sort(item, JUDGED);
  train_fit_risks(&c, item, JUDGED);
  TAP_OK(c.n_risks == HEAD_RISKS && c.risk_threshold[0] > c.risk_threshold[HEAD_RISKS - 1], "stricter, higher");
  for (size_t i = 0; i < HEAD_RISKS; i++) {
    size_t acted = 0, wrong = 0;
    for (size_t k = 0; k < JUDGED; k++)
      if (item[k].confidence >= c.risk_threshold[i]) acted++, wrong += !item[k].right;
    TAP_OK(i == 0 || c.risk_threshold[i] <= c.risk_threshold[i - 1], "falling at %zu", i);
    TAP_OK((double)wrong <= 2.0 * (double)c.risk_share[i] * (double)acted + 1.0, "%zu of %zu wrong at share %g", wrong,
           acted, (double)c.risk_share[i]);
  }
}

/* ---- trust: a pack's confidence and risk curve beside what other packs' rows said ---- */

enum { TRUSTED = 4000 };

/* Rows that err as `bias` and one times their log odds say. */
static void trusted_rows(train_trusted *t, size_t n, float bias, base_rng *rng) {
  for (size_t i = 0; i < n; i++) {
    float odds = 10.0f * base_rng_unit(rng) - 1.0f;
    t[i] = (train_trusted){.odds = odds, .fold = (uint32_t)(i / TRUST_DRAWS % 2)};
    t[i].right = base_rng_unit(rng) < 1.0f / (1.0f + expf(-odds - bias));
  }
}

static float confidence_at(const head_calibration *c, float odds) {
  float features[HEAD_FEATURES] = {0};
  features[12] = odds;
  return head_confidence(c, features);
}

static void test_trust(void) {
  static train_trusted t[TRUSTED];
  head_calibration none, few, many, bad;
  base_rng rng;
  base_rng_seed(&rng, 5);
  head_calibration_init(&none);
  few = many = bad = none;
  train_fit_trust(&none, t, 0);
  TAP_OK(none.act_threshold > 1.0f, "without rows of its own nothing is acted on");
  TAP_OK(confidence_at(&none, 6.0f) > 0.98f && confidence_at(&none, 0.0f) < 0.7f, "but the confidence is the others'");
  trusted_rows(t, 7 * TRUST_DRAWS, 0.4f, &rng);
  train_fit_trust(&few, t, 7 * TRUST_DRAWS);
  TAP_OK(few.act_threshold > 1.0f, "seven sentences are too few to act at 2 %%");
  TAP_OK(few.risk_threshold[6] < 1.0f, "not at 10 %%");
  trusted_rows(t, TRUSTED, 0.4f, &rng);
  train_fit_trust(&many, t, TRUSTED);
  TAP_OK(many.act_threshold < 0.95f, "with many like the others' it acts from %.3f", (double)many.act_threshold);
  for (size_t i = 1; i < HEAD_RISKS; i++)
    TAP_OK(many.risk_threshold[i] <= many.risk_threshold[i - 1], "falling at %zu", i);
  TAP_OK(many.act_threshold == many.risk_threshold[4], "the target is on the curve");
  trusted_rows(t, TRUSTED, -2.5f, &rng);
  train_fit_trust(&bad, t, TRUSTED);
  TAP_OK(confidence_at(&bad, 5.0f) < confidence_at(&many, 5.0f) - 0.02f, "its own rows count: %.3f, not %.3f",
         (double)confidence_at(&bad, 5.0f), (double)confidence_at(&many, 5.0f));
  TAP_OK(bad.act_threshold > many.act_threshold, "and it is more careful: %.3f", (double)bad.act_threshold);
}

int main(void) {
  test_trust();
  test_oos();
  test_evidence();
  test_probe();
  test_gradients("heads", false, 0.0f);
  test_gradients("heads with agreement", false, 0.7f);
  test_gradients("masked tokens", true, 0.0f);
  test_tagger_gradient();
  test_same_bytes();
  test_pretraining_learns();
  return tap_done("train");
}
