/* The linear-chain CRF of the tag head over one sentence: which tags a label allows, best path, partition
 * function and marginals, all in the log domain over compacted tags. Decoding and training (train/losses.c) share it:
 * the order of its sums is part of what a seed gives. */
#include "head/internal.h"

size_t head_allowed_tags(const head_weights *w, uint32_t label, uint16_t tags[HEAD_MAX_TAGS]) {
  const uint8_t *allowed = w->allowed + (size_t)label * w->n_slots;
  size_t k = 0;
  tags[k++] = 0;
  for (uint32_t s = 0; s < w->n_slots; s++) {
    if (!allowed[s]) continue;
    tags[k++] = (uint16_t)(1 + 2 * s);
    tags[k++] = (uint16_t)(2 + 2 * s);
  }
  return k;
}

bool head_tag_may_follow(int a, int b) {
  bool inside = b > 0 && b % 2 == 0;
  return !inside || a == b || a == b - 1;
}

void head_crf_moves(const head_weights *w, uint32_t label, float scale, head_crf *c) {
  size_t n_tags = 1 + 2 * (size_t)w->n_slots;
  c->k = head_allowed_tags(w, label, c->tags);
  for (size_t to = 0; to < c->k; to++) {
    int b = c->tags[to];
    c->start[to] = head_tag_may_follow(-1, b) ? scale * w->start[b] : HEAD_NEVER;
    for (size_t from = 0; from < c->k; from++) {
      int a = c->tags[from];
      c->move[to * c->k + from] =
          head_tag_may_follow(a, b) ? scale * w->transition[(size_t)a * n_tags + (size_t)b] : HEAD_NEVER;
    }
  }
}

void head_crf_viterbi(head_crf *c) {
  size_t k = c->k;
  float *score = c->alpha; /* reused: [n][k] */
  for (size_t j = 0; j < k; j++) score[j] = c->start[j] + c->emit[j];
  for (size_t t = 1; t < c->n; t++) {
    const float *before = score + (t - 1) * k;
    for (size_t j = 0; j < k; j++) {
      const float *move = c->move + j * k;
      size_t best = 0;
      for (size_t i = 1; i < k; i++)
        if (before[i] + move[i] > before[best] + move[best]) best = i;
      c->back[t * k + j] = (uint8_t)best;
      score[t * k + j] = before[best] + move[best] + c->emit[t * k + j];
    }
  }
  size_t last = 0;
  const float *end = score + (c->n - 1) * k;
  for (size_t j = 1; j < k; j++)
    if (end[j] > end[last]) last = j;
  c->best = end[last];
  for (size_t t = c->n; t-- > 0;) {
    c->path[t] = (uint8_t)last;
    last = c->back[t * k + last]; /* row 0 is never used */
  }
}

void head_crf_forward(const cpu_kernels *kernels, head_crf *c) {
  size_t k = c->k;
  for (size_t j = 0; j < k; j++) c->alpha[j] = c->start[j] + c->emit[j];
  for (size_t t = 1; t < c->n; t++) {
    const float *before = c->alpha + (t - 1) * k;
    for (size_t j = 0; j < k; j++) {
      for (size_t i = 0; i < k; i++) c->row[i] = before[i] + c->move[j * k + i];
      c->alpha[t * k + j] = kernels->logsumexp(c->row, k) + c->emit[t * k + j];
    }
  }
  c->log_z = kernels->logsumexp(c->alpha + (c->n - 1) * k, k);
}

void head_crf_backward(const cpu_kernels *kernels, head_crf *c) {
  size_t k = c->k;
  float *last = c->beta + (c->n - 1) * k;
  for (size_t j = 0; j < k; j++) last[j] = 0.0f;
  for (size_t t = c->n - 1; t-- > 0;) {
    const float *after = c->beta + (t + 1) * k, *emit = c->emit + (t + 1) * k;
    for (size_t i = 0; i < k; i++) {
      for (size_t j = 0; j < k; j++) c->row[j] = c->move[j * k + i] + (emit[j] + after[j]);
      c->beta[t * k + i] = kernels->logsumexp(c->row, k);
    }
  }
}
