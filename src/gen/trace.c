/* gen/trace: what a model thinks of the tokens it draws: their probabilities, how many others it thought of, and the
 * states behind them. Each number has one order of sums, so that a probe says the same on every machine. */
#include <math.h>

#include "gen/gen.h"

enum { PIECE = 256 };

/* The signs of column j as bits, one a row of the projection (splitmix64's finaliser over the index). */
static uint64_t signs_of(size_t j) {
  uint64_t h = ((uint64_t)j + 1) * UINT64_C(0x9E3779B97F4A7C15);
  h = (h ^ (h >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  h = (h ^ (h >> 27)) * UINT64_C(0x94D049BB133111EB);
  return h ^ (h >> 31);
}

/* out [GEN_TRACE_STATE] = signs state / |state| */
static void project(const float *state, size_t width, float *out) {
  double square = 0.0, sum[GEN_TRACE_STATE] = {0};
  for (size_t j = 0; j < width; j++) {
    uint64_t signs = signs_of(j);
    double x = (double)state[j];
    square += x * x;
    for (size_t k = 0; k < GEN_TRACE_STATE; k++) sum[k] += (signs >> k & 1) != 0 ? x : -x;
  }
  double scale = square > 0.0 ? 1.0 / sqrt(square) : 0.0;
  for (size_t k = 0; k < GEN_TRACE_STATE; k++) out[k] = (float)(sum[k] * scale);
}

/* H = -sum p log p */
static float entropy_of(const float *logits, size_t n, float sum, const cpu_kernels *k) {
  float log_p[PIECE], p[PIECE];
  double h = 0.0;
  for (size_t at = 0; at < n; at += PIECE) {
    size_t m = n - at < PIECE ? n - at : PIECE;
    for (size_t i = 0; i < m; i++) log_p[i] = logits[at + i] - sum;
    k->exp(log_p, m, p);
    for (size_t i = 0; i < m; i++)
      if (p[i] > 0.0f) h -= (double)p[i] * (double)log_p[i];
  }
  return (float)h;
}

static float margin_of(const float *logits, size_t n, float sum) {
  float first = -INFINITY, second = -INFINITY;
  for (size_t i = 0; i < n; i++) {
    if (logits[i] > first) {
      second = first;
      first = logits[i];
    } else if (logits[i] > second) {
      second = logits[i];
    }
  }
  return cpu_expf(first - sum) - (n > 1 ? cpu_expf(second - sum) : 0.0f);
}

void gen_trace_look(gen_trace *t, const float *logits, size_t vocab, const float *state, size_t width,
                    const cpu_kernels *k) {
  float sum = k->logsumexp(logits, vocab), seen[GEN_TRACE_STATE];
  float entropy = entropy_of(logits, vocab, sum, k), margin = margin_of(logits, vocab, sum);
  project(state, width, seen);
  if (t->tokens == 0) {
    t->first_entropy = t->most_entropy = entropy;
    t->least_margin = margin;
  }
  t->entropy += (double)entropy;
  t->margin += (double)margin;
  if (entropy > t->most_entropy) t->most_entropy = entropy;
  if (margin < t->least_margin) t->least_margin = margin;
  for (size_t i = 0; i < GEN_TRACE_STATE; i++) {
    if (t->tokens == 0) t->prompt_state[i] = seen[i];
    t->answer_state[i] += seen[i];
  }
}

void gen_trace_token(gen_trace *t, float logprob) {
  if (t->tokens++ == 0) t->first_logprob = t->least_logprob = logprob;
  if (logprob < t->least_logprob) t->least_logprob = logprob;
  t->logprob += (double)logprob;
  t->logprob_squares += (double)logprob * (double)logprob;
}
