/* The figures against cases worked out by hand, and against the plainest code for random ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval.h"
#include "failing.h"
#include "tap.h"

static bool near(double a, double b) { return fabs(a - b) < 1e-12; }

/* ---- judging ---- */

static head_result answer(uint16_t label, float probability, float confidence) {
  return (head_result){.label = label, .probability = probability, .confidence = confidence};
}

static void add_span(head_result *r, uint32_t start, uint32_t end, uint16_t slot) {
  r->spans[r->n_spans++] = (head_span){.start = start, .end = end, .slot = slot, .probability = 1.0f};
}

static void test_spans(void) {
  const data_span gold[] = {{0, 4, 1, 0}, {5, 9, 2, 0}, {10, 12, 1, 0}};
  eval_tally t = {0};
  head_result r = answer(3, 0.9f, 0.8f);
  TAP_OK(eval_slot_f1(&t) == 1.0 && eval_label_accuracy(&t) == 0.0 && eval_exact(&t) == 0.0,
         "nothing judged yet");
  add_span(&r, 0, 4, 1);   /* right */
  add_span(&r, 5, 9, 1);   /* wrong slot */
  add_span(&r, 10, 13, 1); /* wrong end */
  add_span(&r, 14, 15, 1); /* none there */
  TAP_OK(eval_add(&t, 3, gold, 3, &r, -1, 0.0f, NULL) == BASE_OK, "judged");
  TAP_OK(t.span_tp == 1 && t.span_fp == 3 && t.span_fn == 2, "%zu %zu %zu", t.span_tp, t.span_fp, t.span_fn);
  TAP_OK(near(eval_slot_f1(&t), 2.0 / 7.0), "F1 %g", eval_slot_f1(&t)); /* precision 1/4, recall 1/3 */
  TAP_OK(eval_label_accuracy(&t) == 1.0 && eval_exact(&t) == 0.0 && !t.item[0].right,
         "the label alone is right");
  r.n_spans = 0;
  for (size_t i = 0; i < 3; i++) add_span(&r, gold[2 - i].start, gold[2 - i].end, gold[2 - i].slot);
  eval_add(&t, 3, gold, 3, &r, -1, 0.0f, NULL); /* in another order */
  TAP_OK(t.exact == 1 && t.item[1].right && near(eval_exact(&t), 0.5), "all right");
  r.label = 4;
  eval_add(&t, 3, gold, 3, &r, -1, 0.0f,
           NULL); /* spans count although the label is wrong, as CoNLL counts them */
  TAP_OK(t.span_tp == 7 && t.exact == 1 && !t.item[2].right && near(eval_label_accuracy(&t), 2.0 / 3.0),
         "wrong label");
  r = answer(3, 0.9f, 0.8f);
  eval_add(&t, 3, gold, 2, &r, -1, 0.0f, NULL); /* spans missed */
  TAP_OK(t.span_fn == 4 && !t.item[3].right && near(eval_slot_f1(&t), 14.0 / (14.0 + 7.0)), "F1 %g",
         eval_slot_f1(&t));
  eval_add(&t, 3, NULL, 0, &r, -1, 0.0f, NULL); /* none wanted, none given */
  TAP_OK(t.item[4].right && t.rows == 5 && t.in_scope == 5, "no spans");
  eval_free(&t);
}

static void test_scope(void) {
  enum { NONE = 7 };
  const data_span gold = {0, 3, 0, 0};
  eval_tally t = {0};
  head_result sure = answer(2, 0.9f, 0.9f), unsure = answer(2, 0.3f, 0.2f), none = answer(NONE, 0.9f, 0.9f);
  add_span(&unsure, 5, 6, 0);
  eval_add(&t, 2, NULL, 0, &sure, NONE, 0.5f, NULL);    /* answered, right */
  eval_add(&t, 2, NULL, 0, &unsure, NONE, 0.5f, NULL);  /* in scope, called out of scope */
  eval_add(&t, 2, &gold, 1, &none, NONE, 0.5f, NULL);   /* the same by its label */
  eval_add(&t, NONE, NULL, 0, &none, NONE, 0.5f, NULL); /* found */
  eval_add(&t, DATA_NO_LABEL, &gold, 1, &unsure, NONE, 0.5f,
           NULL); /* found by the threshold; its spans do not count */
  eval_add(&t, DATA_NO_LABEL, NULL, 0, &sure, NONE, 0.5f, NULL); /* missed */
  static const bool right[] = {true, false, false, true, true, false},
                    answered[] = {true, false, false, false, false, true};
  for (size_t i = 0; i < 6; i++) {
    TAP_OK(t.item[i].right == right[i] && t.item[i].answered == answered[i], "row %zu", i);
    TAP_OK(t.item[i].in_scope == (i < 3), "scope of row %zu", i);
  }
  TAP_OK(t.in_scope == 3 && t.oos == 3 && t.oos_found == 2 && t.called_oos == 4, "counts");
  TAP_OK(near(eval_oos_recall(&t), 2.0 / 3.0) && near(eval_oos_precision(&t), 0.5), "recall and precision");
  TAP_OK(near(eval_label_accuracy(&t), 1.0 / 3.0) && near(eval_exact(&t), 1.0 / 3.0), "accuracy");
  TAP_OK(t.span_tp == 0 && t.span_fp == 1 && t.span_fn == 1, "spans of rows in scope only");
  eval_free(&t);
  TAP_OK(t.rows == 0 && t.item == NULL, "freed");
}

static void test_growth(void) {
  failing f;
  base_allocator a = failing_allocator(&f, 2);
  base_error err = {0};
  eval_tally t = {.allocator = &a};
  head_result r = answer(0, 0.5f, 0.5f);
  base_status st = BASE_OK;
  size_t n = 0;
  for (; n < 10000 && !st; n++) {
    r.confidence = (float)n / 10000.0f;
    st = eval_add(&t, 0, NULL, 0, &r, -1, 0.0f, &err);
  }
  TAP_OK(st == BASE_ENOMEM && err.text[0] && t.rows == n - 1, "no memory at row %zu: %s", n, err.text);
  for (size_t i = 0; i < t.rows; i++)
    if (t.item[i].confidence != (float)i / 10000.0f) TAP_OK(false, "item %zu", i);
  eval_free(&t);
  TAP_OK(f.held == 0, "%zu bytes left", f.held);
}

/* ---- figures of calibration ---- */

static eval_item item(float confidence, bool right) {
  return (eval_item){.confidence = confidence, .right = right, .in_scope = true, .answered = true};
}

static void test_by_hand(void) {
  eval_bin bins[EVAL_BINS];
  size_t acted, wrong;
  /* two in [0.6, 0.667): 0.62 and 0.66, one right; one in the last bin, right; one in the first, wrong */
  eval_item e[] = {item(0.62f, true), item(0.66f, false), item(1.0f, true), item(0.0f, false)};
  double ece = eval_ece(e, 4, bins);
  TAP_OK(bins[9].count == 2 && bins[14].count == 1 && bins[0].count == 1, "bins");
  TAP_OK(fabs(bins[9].confidence - 0.64) < 1e-6 && near(bins[9].accuracy, 0.5), "bin 9");
  TAP_OK(fabs(ece - 0.5 * 0.14) < 1e-6, "ECE %g", ece);
  TAP_OK(eval_ece(e, 0, bins) == 0.0 && bins[9].count == 0, "of nothing");
  /* right ones 0.62 and 1; wrong ones 0.66 and 0: of 4 pairs 3 in order */
  TAP_OK(near(eval_auroc(e, 4), 0.75), "AUROC");
  TAP_OK(e[0].confidence == 1.0f && e[3].confidence == 0.0f, "sorted");
  eval_item ties[] = {item(0.5f, true), item(0.5f, false), item(0.5f, true), item(0.7f, true)};
  TAP_OK(near(eval_auroc(ties, 4), (1.0 + 0.5 + 0.5) / 3.0), "ties count half: %g", eval_auroc(ties, 4));
  eval_item all_right[] = {item(0.5f, true), item(0.6f, true)};
  TAP_OK(eval_auroc(all_right, 2) == 0.5 && eval_auroc(all_right, 0) == 0.5, "one class alone");
  eval_item risk[] = {item(0.9f, true), item(0.8f, true), item(0.7f, false), item(0.6f, true),
                      item(0.5f, false)};
  TAP_OK(eval_risk_at(risk, 5, 0.4) == 0.0 && near(eval_risk_at(risk, 5, 0.6), 1.0 / 3.0), "risk");
  TAP_OK(near(eval_risk_at(risk, 5, 0.8), 0.25) && near(eval_risk_at(risk, 5, 1.0), 0.4), "risk at all");
  TAP_OK(eval_risk_at(risk, 0, 1.0) == 0.0 && eval_risk_at(risk, 5, 0.0) == 0.0, "of nothing");
  /* expected shares of wrong answers among the first 1, 2, ... 5: 0.1, 0.15, 0.2, 0.25, 0.3 */
  TAP_OK(eval_threshold(risk, 5, 0.05, &acted, &wrong) > 1.0f && acted == 0 && wrong == 0, "none expects so few");
  TAP_OK(eval_threshold(risk, 5, 0.12, &acted, &wrong) == 0.9f && acted == 1 && wrong == 0, "the surest");
  TAP_OK(eval_threshold(risk, 5, 0.22, &acted, &wrong) == 0.7f && acted == 3 && wrong == 1, "with a wrong one");
  TAP_OK(eval_threshold(risk, 5, 0.31, &acted, &wrong) == 0.5f && acted == 5 && wrong == 2, "all");
  TAP_OK(eval_threshold(risk, 0, 0.1, &acted, &wrong) > 1.0f && acted == 0, "of nothing");
  eval_item boast[] = {item(1.0f, false), item(1.0f, false), item(1.0f, true), item(0.99f, true)};
  TAP_OK(eval_threshold(boast, 4, 0.02, &acted, &wrong) > 1.0f, "sure and wrong twice: counting says no");
  risk[3].confidence = 0.7f; /* two equal ones: both or neither */
  TAP_OK(eval_threshold(risk, 5, 0.23, &acted, &wrong) == 0.7f && acted == 4 && wrong == 1, "equals together");
  TAP_OK(eval_threshold(risk, 5, 0.205, &acted, &wrong) == 0.8f && acted == 2, "equals together");
  eval_item last[] = {item(0.9f, true), item(0.9f, true)};
  last[1].answered = false; /* not answered, at the end of its equals */
  TAP_OK(eval_threshold(last, 2, 0.11, &acted, &wrong) == 0.9f && acted == 1,
         "one that is not answered counts nothing");
}

/* ---- the same by the plainest code ---- */

static double plain_auroc(const eval_item *e, size_t n) {
  double sum = 0.0, pairs = 0.0;
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) {
      if (!e[i].right || e[j].right) continue;
      pairs += 1.0;
      sum += e[i].confidence > e[j].confidence ? 1.0 : e[i].confidence == e[j].confidence ? 0.5 : 0.0;
    }
  return pairs > 0.0 ? sum / pairs : 0.5;
}

static double plain_ece(const eval_item *e, size_t n) {
  double ece = 0.0;
  for (int b = 0; b < 15; b++) {
    double count = 0.0, confidence = 0.0, right = 0.0;
    for (size_t i = 0; i < n; i++) {
      double c = (double)e[i].confidence;
      if (c < (double)b / 15.0 || (c >= (double)(b + 1) / 15.0 && b < 14)) continue;
      count += 1.0;
      confidence += c;
      right += e[i].right;
    }
    if (count > 0.0) ece += fabs(confidence - right) / (double)n;
  }
  return ece;
}

/* Acting from c on: how many, how many of them wrong, and how many the confidences expect to be. */
static void plain_acting(const eval_item *e, size_t n, float c, size_t *acted, size_t *wrong, double *expected) {
  *acted = *wrong = 0;
  *expected = 0.0;
  for (size_t i = 0; i < n; i++) {
    if (!e[i].answered || e[i].confidence < c) continue;
    ++*acted;
    *wrong += !e[i].right;
    *expected += 1.0 - (double)e[i].confidence;
  }
}

static bool plain_allows(size_t acted, size_t wrong, double expected, double target) {
  return acted > 0 && expected <= target * (double)acted && (double)wrong <= 2.0 * target * (double)acted + 1.0;
}

static void check_threshold(const eval_item *e, size_t n, double target) {
  size_t acted, wrong, a, w, most = 0;
  double expected;
  float c = eval_threshold(e, n, target, &acted, &wrong);
  for (size_t i = 0; i < n; i++) { /* every threshold there could be */
    plain_acting(e, n, e[i].confidence, &a, &w, &expected);
    if (plain_allows(a, w, expected, target) && a > most) most = a;
  }
  TAP_OK(acted == most, "acts on %zu, could on %zu", acted, most);
  plain_acting(e, n, c, &a, &w, &expected);
  TAP_OK(a == acted && w == wrong && (a == 0 || plain_allows(a, w, expected, target)), "its own counts at %g", (double)c);
}

static void test_random(void) {
  base_rng rng;
  eval_item e[200];
  eval_bin bins[EVAL_BINS];
  base_rng_seed(&rng, 3);
  for (int round = 0; round < 200; round++) {
    size_t n = base_rng_below(&rng, 200), wrong = 0;
    bool coarse = round % 2; /* many ties */
    for (size_t i = 0; i < n; i++) {
      float c = coarse ? (float)base_rng_below(&rng, 11) / 10.0f : base_rng_unit(&rng);
      e[i] = item(c, base_rng_unit(&rng) < 0.3f + 0.7f * c);
      e[i].answered = base_rng_below(&rng, 4) != 0;
    }
    TAP_OK(fabs(eval_ece(e, n, bins) - plain_ece(e, n)) < 1e-9 || n == 0, "ECE %d", round);
    double auroc = plain_auroc(e, n);
    TAP_OK(near(eval_auroc(e, n), auroc), "AUROC %d", round);
    bool sorted = true;
    for (size_t i = 1; i < n; i++) sorted = sorted && e[i - 1].confidence >= e[i].confidence;
    TAP_OK(sorted, "falling");
    for (size_t take = 1; take <= n; take++) {
      wrong += !e[take - 1].right;
      double risk = eval_risk_at(e, n, (double)take / (double)n);
      if (!near(risk, (double)wrong / (double)take)) TAP_OK(false, "risk of %zu in %zu: %g", take, n, risk);
    }
    check_threshold(e, n, 0.02);
    check_threshold(e, n, 0.2);
  }
}

int main(void) {
  test_spans();
  test_scope();
  test_growth();
  test_by_hand();
  test_random();
  return tap_done("test_eval");
}
