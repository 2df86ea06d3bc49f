/* eval: what was right. Counts answers against labelled rows and turns the counts into the figures that
 * papers report: accuracy, CoNLL span F1, calibration error, AUROC, risk at coverage, out-of-scope recall and
 * precision. */
#ifndef EVAL_EVAL_H
#define EVAL_EVAL_H

#include "base/base.h"
#include "data/data.h"
#include "head/head.h"

/* One judged answer. */
typedef struct eval_item {
  float confidence; /* P(whole answer right) */
  bool right;       /* label and all spans */
  bool in_scope;    /* gold */
  bool answered;    /* not called out of scope */
} eval_item;

typedef struct eval_tally {
  size_t rows, in_scope, label_right, exact;     /* the last two of in-scope rows */
  size_t span_tp, span_fp, span_fn; /* in-scope rows; a span counts when start, end and slot agree */
  size_t oos, oos_found, called_oos;             /* gold out of scope; of those called so; all called so */
  eval_item *item;                               /* [rows], grown by eval_add */
  size_t cap;
  const base_allocator *allocator;               /* NULL: libc */
} eval_tally;

void eval_free(eval_tally *t);
/* Judges `got` against a row's gold label and spans. `none_label` is the label that means out of scope (-1:
 * no such label); an answer whose probability is under `oos_threshold` counts as out of scope too. A gold
 * label of DATA_NO_LABEL is out of scope. */
base_status eval_add(eval_tally *t, uint16_t gold_label, const data_span *gold, size_t n_gold,
                     const head_result *got, int none_label, float oos_threshold, base_error *err);

double eval_label_accuracy(const eval_tally *t); /* of in-scope rows; 0 without rows, as all of these */
double eval_slot_f1(const eval_tally *t);        /* micro; 1 when there are no spans at all */
double eval_exact(const eval_tally *t);
double eval_oos_recall(const eval_tally *t);
double eval_oos_precision(const eval_tally *t);

/* Expected calibration error over 15 equal-width bins (Guo et al. 2017) of all items. */
enum { EVAL_BINS = 15 };
typedef struct eval_bin {
  size_t count;
  double confidence, accuracy; /* means */
} eval_bin;
double eval_ece(const eval_item *items, size_t n, eval_bin bins[EVAL_BINS]);
/* Area under the ROC curve of confidence as a detector of right answers; ties count half. 0.5 when one class
 * is empty. */
double eval_auroc(eval_item *items, size_t n); /* sorts items by falling confidence */
/* Share of wrong answers among the `coverage` share of most confident; items sorted by falling confidence. */
double eval_risk_at(const eval_item *items, size_t n, double coverage);
/* The smallest confidence from which the answered items are expected to be wrong in at most a `target` share, going
 * by the confidences themselves, which is steadier on few rows than counting; and counted, in at most twice that
 * share (one wrong answer is always allowed). Above 1 when there is none. Items sorted by falling confidence. */
float eval_threshold(const eval_item *items, size_t n, double target, size_t *acted, size_t *wrong);
void eval_sort(eval_item *items, size_t n); /* by falling confidence, wrong ones first among equals */

#endif
