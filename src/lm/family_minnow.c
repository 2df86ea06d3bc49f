/* lm/family_minnow: our own trunk, writing: llama with halves rotated, tied embeddings, and layers at the end that
 * read the keys and values of the last layer that has its own (attention.shared_kv_layers, usually 37.5 % of
 * them; Apple 2025 and You Only Cache Once, Sun et al. 2024, do the same). They need no cache, and while a prompt
 * is read they are not even run. The trunk of the packs, which understands, has this name too; it lacks
 * attention.causal. */
#include "lm/internal.h"

static void shape(lm_binder *b) {
  lm_model *m = b->m;
  const gguf_value *causal = gguf_find(m->file, "minnow.attention.causal");
  if (causal == NULL || causal->type != GGUF_BOOL || causal->bytes[0] == 0)
    lm_key_fail(b, BASE_EUNSUPPORTED, "attention.causal",
                 "is not true: this is a trunk that understands text, not one that writes it");
  m->kv_shared = lm_key_u32_or(b, "attention.shared_kv_layers", 0, m->stored_layers - 1, 0);
}

const lm_family lm_family_minnow = {.name = "minnow", .norm = LM_RMS_NORM, .act = LM_SILU, .shape = shape};
