/* Judging and the figures; see eval.h. */
#include "eval/eval.h"

#include <stdlib.h>

void eval_free(eval_tally *t) {
  base_free(t->allocator ? t->allocator : base_allocator_libc(), t->item, t->cap * sizeof *t->item);
  *t = (eval_tally){.allocator = t->allocator};
}

static eval_item *push(eval_tally *t) {
  eval_item *grown = base_grow(t->allocator, t->item, &t->cap, t->rows + 1, sizeof *grown);
  if (grown == NULL) return NULL;
  t->item = grown;
  return &t->item[t->rows++];
}

static bool has_span(const data_span *gold, size_t n, const head_span *span) {
  for (size_t i = 0; i < n; i++)
    if (gold[i].start == span->start && gold[i].end == span->end && gold[i].slot == span->slot) return true;
  return false;
}

base_status eval_add(eval_tally *t, uint16_t gold_label, const data_span *gold, size_t n_gold,
                     const head_result *got, int none_label, float oos_threshold, base_error *err) {
  bool in_scope = gold_label != DATA_NO_LABEL && gold_label != none_label;
  bool called_oos = got->label == none_label || got->probability < oos_threshold;
  bool label_right = !called_oos && got->label == gold_label;
  size_t hits = 0;
  eval_item *item = push(t);
  if (item == NULL) return base_fail(err, BASE_ENOMEM, "measuring", "no memory for the results");
  for (size_t i = 0; i < got->n_spans; i++) hits += has_span(gold, n_gold, &got->spans[i]);
  bool spans_right = hits == n_gold && hits == got->n_spans;
  *item = (eval_item){.confidence = got->confidence, .in_scope = in_scope, .answered = !called_oos};
  item->right = in_scope ? label_right && spans_right : called_oos;
  t->called_oos += called_oos;
  if (!in_scope) {
    t->oos++;
    t->oos_found += called_oos;
    return BASE_OK;
  }
  t->in_scope++;
  t->label_right += label_right;
  t->exact += item->right;
  t->span_tp += hits;
  t->span_fp += got->n_spans - hits;
  t->span_fn += n_gold - hits;
  return BASE_OK;
}

static double share(size_t part, size_t whole) { return whole ? (double)part / (double)whole : 0.0; }

double eval_label_accuracy(const eval_tally *t) { return share(t->label_right, t->in_scope); }
double eval_exact(const eval_tally *t) { return share(t->exact, t->in_scope); }
double eval_oos_recall(const eval_tally *t) { return share(t->oos_found, t->oos); }
double eval_oos_precision(const eval_tally *t) { return share(t->oos_found, t->called_oos); }

double eval_slot_f1(const eval_tally *t) {
  size_t wrong = t->span_fp + t->span_fn;
  if (t->span_tp + wrong == 0) return 1.0;
  return 2.0 * (double)t->span_tp / (2.0 * (double)t->span_tp + (double)wrong);
}

/* ---- calibration ---- */

double eval_ece(const eval_item *items, size_t n, eval_bin bins[EVAL_BINS]) {
  double ece = 0.0;
  for (int b = 0; b < EVAL_BINS; b++) bins[b] = (eval_bin){0};
  for (size_t i = 0; i < n; i++) {
    int b = (int)((double)items[i].confidence * EVAL_BINS);
    b = b < 0 ? 0 : b >= EVAL_BINS ? EVAL_BINS - 1 : b;
    bins[b].count++;
    bins[b].confidence += (double)items[i].confidence;
    bins[b].accuracy += items[i].right;
  }
  for (int b = 0; b < EVAL_BINS; b++) {
    if (bins[b].count == 0) continue;
    bins[b].confidence /= (double)bins[b].count;
    bins[b].accuracy /= (double)bins[b].count;
    double gap = bins[b].confidence - bins[b].accuracy;
    ece += (gap < 0 ? -gap : gap) * (double)bins[b].count / (double)n;
  }
  return ece;
}

static int by_confidence(const void *pa, const void *pb) {
  const eval_item *a = pa, *b = pb;
  if (a->confidence != b->confidence) return a->confidence < b->confidence ? 1 : -1;
  return (int)a->right - (int)b->right;
}

void eval_sort(eval_item *items, size_t n) {
  if (n > 1) qsort(items, n, sizeof *items, by_confidence);
}

double eval_auroc(eval_item *items, size_t n) {
  double above = 0.0;
  size_t right = 0, wrong = 0;
  eval_sort(items, n);
  for (size_t i = 0; i < n;) { /* groups of equal confidence */
    size_t j = i, r = 0, w = 0;
    for (; j < n && items[j].confidence == items[i].confidence; j++) {
      if (items[j].right) r++;
      else w++;
    }
    above += (double)w * ((double)right + 0.5 * (double)r);
    right += r;
    wrong += w;
    i = j;
  }
  return right && wrong ? above / ((double)right * (double)wrong) : 0.5;
}

double eval_risk_at(const eval_item *items, size_t n, double coverage) {
  size_t take = (size_t)((double)n * coverage + 0.5), wrong = 0;
  for (size_t i = 0; i < take && i < n; i++) wrong += !items[i].right;
  return share(wrong, take);
}

float eval_threshold(const eval_item *items, size_t n, double target, size_t *acted, size_t *wrong) {
  size_t answered = 0, bad = 0;
  double expected = 0.0;
  float threshold = 1.01f;
  *acted = *wrong = 0;
  for (size_t i = 0; i < n; i++) {
    if (items[i].answered) {
      answered++;
      bad += !items[i].right;
      expected += 1.0 - (double)items[i].confidence;
    }
    bool last_of_equals = i + 1 == n || items[i + 1].confidence != items[i].confidence;
    if (!last_of_equals || answered == 0 || expected > target * (double)answered) continue;
    if ((double)bad > 2.0 * target * (double)answered + 1.0) continue;
    threshold = items[i].confidence;
    *acted = answered;
    *wrong = bad;
  }
  return threshold;
}
