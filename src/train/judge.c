/* Answers held-out rows, by the float net or by an int8 brain, and keeps what calibration needs of each answer. */
#include <string.h>

#include "train/loop.h"

/* Hidden states of one encoded text by the float net. */
static const float *float_hidden(train_judge *j, const tok_result *tok) {
  train_batch_clear(j->one);
  train_batch_add(j->one, tok);
  j->tape->dropout = 0.0f;
  train_forward(j->n, j->one, j->tape);
  return j->tape->hidden;
}

void train_judge_answer(train_judge *j, const head_weights *heads, base_slice text, head_result *out) {
  if (j->brain != NULL) {
    head_brain_run_with(j->brain, &j->calibration, j->o->kernels, text, j->scratch, out);
    return;
  }
  tok_result *tok = head_scratch_tokens(j->scratch);
  tok_bpe_encode(j->tok, text.ptr, text.len, 0.0f, NULL, tok);
  head_decode(heads, &j->calibration, j->o->kernels, float_hidden(j, tok), text, tok, j->scratch, out);
}

/* What the labels of the row just answered, number i, were scored by. */
static void keep_scores(const train_judge *j, const head_weights *heads, size_t i, const train_scores *to) {
  size_t n = heads->n_labels;
  if (to->trunk_logits != NULL) {
    memcpy(to->trunk_logits + i * n, head_trunk_logits(j->scratch), n * sizeof(float));
    memcpy(to->bag_logs + i * n, head_bag_logs(j->scratch), n * sizeof(float));
  }
  if (to->slots != NULL)
    head_label_evidence(heads, &j->calibration, j->o->kernels, j->scratch, to->slots + i * n, to->path + i * n);
}

base_status train_judge_rows(train_judge *j, const data_set *set, const uint32_t *rows, size_t n,
                             eval_tally *tally, train_judged *judged, const train_scores *scores, base_error *err) {
  head_weights heads = j->brain ? *head_brain_weights(j->brain) : train_net_heads(j->n);
  for (size_t i = 0; i < n; i++) {
    const data_row *row = &set->rows[rows[i]];
    head_result got;
    train_judge_answer(j, &heads, row->text, &got);
    data_span whole = {0, (uint32_t)row->text.len, (uint16_t)j->part_slot, DATA_NO_LIST};
    const data_span *gold = j->part_slot < 0 ? set->spans + row->first_span : &whole;
    base_status st = eval_add(tally, row->label, gold, j->part_slot < 0 ? row->n_spans : 1, &got,
                              j->none_label, j->calibration.oos_threshold, err);
    if (st) return st;
    const eval_item *item = &tally->item[tally->rows - 1];
    if (judged != NULL) {
      judged[i] =
          (train_judged){.confidence = got.confidence, .in_scope = item->in_scope, .right = item->right};
      judged[i].label_right = item->in_scope ? item->answered && got.label == row->label : !item->answered;
      judged[i].answered = item->answered;
      judged[i].gold = row->label;
      memcpy(judged[i].features, got.features, sizeof got.features);
    }
    if (scores != NULL) keep_scores(j, &heads, i, scores);
  }
  return BASE_OK;
}
