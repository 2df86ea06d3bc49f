/* lm/family_phi3: llama with fused projections (attn_qkv; ffn_up holds gate and up), halves rotated, LongRoPE (Ding
 * et al. 2024) for the models with a long context. The window is kept as transformers keeps it. */
#include "lm/internal.h"

const lm_family lm_family_phi3 = {
    .name = "phi3", .norm = LM_RMS_NORM, .act = LM_SILU, .fused_qkv = true, .ffn = LM_FFN_FUSED};
