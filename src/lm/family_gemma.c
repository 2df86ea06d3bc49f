/* lm/family_gemma: embeddings times sqrt(d), a gate with GELU, RMS norms whose stored weight has the 1 already added.
 * gemma2: norms on both sides of each step, soft caps on scores and logits, every other layer with a window.
 * gemma3: norms on queries and keys instead of the caps, five layers with a window to one without, and a rotary base
 * of their own for them. (Gemma Team 2024, 2025.) */
#include "lm/internal.h"

#include <math.h>

static void shape1(lm_binder *b) { b->m->embedding_scale = sqrtf((float)b->m->d); }

/* The largest models of both generations scale scores by d / heads; their files do not say so. */
static void scale_of_largest(lm_binder *b, uint32_t layers_of_27b) {
  lm_model *m = b->m;
  uint32_t heads = lm_key_layer_u32(b, "attention.head_count", 0, LM_MAX_HEADS, 0);
  if (m->stored_layers == layers_of_27b && !lm_key_present(b, "attention.scale"))
    m->attention_scale = 1.0F / sqrtf((float)m->d / (float)heads);
}

static void shape2(lm_binder *b) {
  shape1(b);
  scale_of_largest(b, 46);
}

static void shape3(lm_binder *b) {
  shape1(b);
  scale_of_largest(b, 62);
  b->m->rope[1].base = (double)lm_key_f32_or(b, "rope.freq_base_swa", 1.0F, 1e12F, 10000.0F);
}

static void layer2(lm_binder *b, uint32_t i, lm_layer *l) {
  l->attn_post = lm_bind_norm(b, (int)i, "post_attention_norm", b->m->d);
  l->ffn_post = lm_bind_norm(b, (int)i, "post_ffw_norm", b->m->d);
}

static void layer3(lm_binder *b, uint32_t i, lm_layer *l) {
  layer2(b, i, l);
  l->q_norm = lm_bind_norm(b, (int)i, "attn_q_norm", b->m->head_dim);
  l->k_norm = lm_bind_norm(b, (int)i, "attn_k_norm", b->m->head_dim);
}

const lm_family lm_family_gemma = {.name = "gemma", .norm = LM_RMS_NORM, .act = LM_GELU_TANH, .shape = shape1};
const lm_family lm_family_gemma2 = {.name = "gemma2", .norm = LM_RMS_NORM, .act = LM_GELU_TANH,
                                    .window_period = 2, .shape = shape2, .layer = layer2};
const lm_family lm_family_gemma3 = {.name = "gemma3", .norm = LM_RMS_NORM, .act = LM_GELU_TANH,
                                    .window_period = 6, .shape = shape3, .layer = layer3};
