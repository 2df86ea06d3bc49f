/* lm/family_qwen: qwen2 is llama with biases on queries, keys and values (bound where a file has them) and halves
 * rotated; qwen3 has norms on each head of queries and keys instead. */
#include "lm/internal.h"

static void layer3(lm_binder *b, uint32_t i, lm_layer *l) {
  l->q_norm = lm_bind_norm(b, (int)i, "attn_q_norm", b->m->head_dim);
  l->k_norm = lm_bind_norm(b, (int)i, "attn_k_norm", b->m->head_dim);
}

const lm_family lm_family_qwen2 = {.name = "qwen2", .norm = LM_RMS_NORM, .act = LM_SILU};
const lm_family lm_family_qwen3 = {.name = "qwen3", .norm = LM_RMS_NORM, .act = LM_SILU, .layer = layer3};
