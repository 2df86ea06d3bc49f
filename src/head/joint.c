/* What the tags say about the label, as label attention between intent and slots does in a network trained for both
 * (Co-Interactive, Qin et al. 2021), here at inference alone: every label that comes close is read with its own slots,
 * and a label whose slots explain the words, or that leaves no doubt where they are, gains by it. */
#include "head/internal.h"

enum { CANDIDATES = 8 };
static const float CLOSE = 6.9f; /* of the best logit: a thousandth of its probability */

/* The labels that come close, likeliest first; returns how many. */
static size_t find_candidates(const float *logits, size_t n, uint32_t label[CANDIDATES]) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    size_t at = count;
    while (at > 0 && logits[i] > logits[label[at - 1]]) at--;
    if (at == CANDIDATES) continue;
    if (count < CANDIDATES) count++;
    for (size_t j = count - 1; j > at; j--) label[j] = label[j - 1];
    label[at] = (uint32_t)i;
  }
  while (count > 1 && !(logits[label[count - 1]] >= logits[label[0]] - CLOSE)) count--;
  return count;
}

/* Score of the path that has no slots. */
static float score_of_none(const head_crf *c) {
  float score = c->start[0];
  for (size_t t = 0; t < c->n; t++) score += c->emit[t * c->k] + (t > 0 ? c->move[0] : 0.0f);
  return score;
}

/* Both are 0 for a label without slots, and where no slot was found the first is near 0. */
static void read_with(const head_weights *w, const head_calibration *cal, const cpu_kernels *k, uint32_t label,
                      head_scratch *s, float *slots, float *path) {
  head_crf *c = head_tag_scores(w, cal, k, label, s);
  *slots = *path = 0.0f;
  if (c->n == 0 || c->k < 2) return;
  head_crf_viterbi(c);
  head_crf_forward(k, c);
  *slots = c->log_z - score_of_none(c);
  *path = c->best - c->log_z;
}

void head_label_evidence(const head_weights *w, const head_calibration *cal, const cpu_kernels *k, head_scratch *s,
                         float *slots, float *path) {
  uint32_t label[CANDIDATES];
  float own_slots[CANDIDATES] = {0}, own_path[CANDIDATES] = {0}, least_slots = 0.0f, least_path = 0.0f;
  size_t n = find_candidates(s->logits, w->n_labels, label);
  for (size_t i = 0; i < n && n > 1; i++) {
    read_with(w, cal, k, label[i], s, &own_slots[i], &own_path[i]);
    if (i == 0 || own_slots[i] < least_slots) least_slots = own_slots[i];
    if (i == 0 || own_path[i] < least_path) least_path = own_path[i];
  }
  for (size_t i = 0; i < w->n_labels; i++) {
    slots[i] = least_slots;
    path[i] = least_path;
  }
  for (size_t i = 0; i < n; i++) {
    slots[label[i]] = own_slots[i];
    path[label[i]] = own_path[i];
  }
}
