/* Whether a request is the app's that it is put to, beside whether the app's pack read it well. The pack's confidence
 * and its risk curve (train/trust.c) answer the second question and take the first for granted; this file answers the
 * first. Behind a gate it is a logistic function of how sure the gate is of the pack and the pack of its action, fitted
 * to 8,842 requests of real people, the rows of NLU-Evaluation-Data that overlap no test set
 * (https://github.com/xliuhw/NLU-Evaluation-Data, CC BY 4.0; docs/experiments.md, 26): a gate that has read its own
 * sentences alone is too sure of what people say. With an app open the label "none" has its say in the
 * probability of the action. */
#include "handoff/internal.h"

static const float bias = -0.94f, weight_gate = 0.436f, weight_pack = 0.204f;

/* How much of what belongs least may not belong, for each part of the share that may be wrong in all: what is acted
 * on is mostly far surer. Behind a gate, and with the app open. */
static const float gated_times = 5.0f, open_times = 2.5f;

float handoff_belongs(const head_result *gate, const head_result *read) {
  if (gate == NULL) return read->probability;
  const size_t odds = HEAD_FEATURE_LABEL_ODDS;
  float z = bias + weight_gate * gate->features[odds] + weight_pack * read->features[odds];
  float p = 1.0f / (1.0f + cpu_expf(-z));
  return p > 0.0f && p <= 1.0f ? p : 0.0f;
}

float handoff_belongs_enough(const head_result *gate, float share) {
  return 1.0f - (gate != NULL ? gated_times : open_times) * share;
}
