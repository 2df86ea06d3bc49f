/* lm/family_llama: llama and what has its shape under its name: Mistral (a sliding window over every layer),
 * SmolLM2, TinyLlama, MobileLLM. Query and key rows are stored permuted, so that rotation takes neighbouring
 * pairs. MobileLLM's layer sharing (Liu et al. 2024: each block runs several times before the next) is the key
 * llama.block_repeat of this project. */
#include "lm/internal.h"

static void shape(lm_binder *b) {
  b->m->repeat = lm_key_u32_or(b, "block_repeat", 1, LM_MAX_REPEAT, 1);
}

const lm_family lm_family_llama = {
    .name = "llama", .norm = LM_RMS_NORM, .act = LM_SILU, .rope_pairs = true, .shape = shape};
