/* lm/family_openelm: heads and widths differ from layer to layer (Mehta et al. 2024: the keys are arrays), one
 * fused projection for queries, keys and values, norms on each head of queries and keys, tied embeddings. */
#include "lm/internal.h"

static void layer(lm_binder *b, uint32_t i, lm_layer *l) {
  l->q_norm = lm_bind_norm(b, (int)i, "attn_q_norm", b->m->head_dim);
  l->k_norm = lm_bind_norm(b, (int)i, "attn_k_norm", b->m->head_dim);
}

const lm_family lm_family_openelm = {
    .name = "openelm", .norm = LM_RMS_NORM, .act = LM_SILU, .fused_qkv = true, .layer = layer};
