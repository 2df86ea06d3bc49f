/* lm/family_bert: encoders, whose tokens all see each other; a norm after each residual instead of before the step.
 * bert (Devlin et al. 2019): learned positions, biases, GELU. nomic-bert (Nussbaum et al. 2024): rotary positions, a
 * fused projection, no biases, SwiGLU. The type of every token is 0 ("sentence A"). */
#include "lm/internal.h"

static void shape(lm_binder *b) {
  b->m->pooling = (lm_pooling)lm_key_u32_or(b, "pooling_type", 0, 4, LM_POOL_MEAN);
  if (b->m->pooling == LM_POOL_NONE) b->m->pooling = LM_POOL_MEAN;
  if (b->m->pooling == LM_POOL_RANK)
    lm_key_fail(b, BASE_EUNSUPPORTED, "pooling_type", "4 (ranking pairs of texts) is not run");
}

static void shape_bert(lm_binder *b) {
  shape(b);
  b->m->rope[0].base = 0.0; /* learned positions instead */
}

static void layer(lm_binder *b, uint32_t i, lm_layer *l) {
  l->attn_norm = lm_bind_norm(b, (int)i, "attn_output_norm", b->m->d);
  l->ffn_norm = lm_bind_norm(b, (int)i, "layer_output_norm", b->m->d);
}

const lm_family lm_family_bert = {.name = "bert", .norm = LM_LAYER_NORM, .act = LM_GELU, .ffn = LM_FFN_PLAIN,
                                  .encoder = true, .shape = shape_bert, .layer = layer};
const lm_family lm_family_nomic_bert = {.name = "nomic-bert", .norm = LM_LAYER_NORM, .act = LM_SILU, .encoder = true,
                                        .fused_qkv = true, .shape = shape, .layer = layer};
