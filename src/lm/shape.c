/* lm/shape: what all families have in common: the keys of a shape, and the tensors of embedding, layers and head.
 * Keys and names are those of llama.cpp's GGUF files (gguf-py/gguf/constants.py there). */
#include "lm/internal.h"

#include <math.h>

enum { DEFAULT_CONTEXT = 4096, DEFAULT_BLOCK = 128, MAX_BLOCK = 4096, MAX_SEQUENCES = 1024 };

/* ---- keys ---- */

/* Which layers have a window: a period here, or an array that bind_layer reads. */
static void read_window(lm_binder *b) {
  static const char key[] = "attention.sliding_window_pattern";
  lm_model *m = b->m;
  m->window = lm_key_u32_or(b, "attention.sliding_window", 0, UINT32_MAX, 0);
  m->window_period = m->family->window_period;
  if (lm_key_present(b, key) && !lm_key_is_array(b, key)) m->window_period = lm_key_u32(b, key, 1, LM_MAX_LAYERS);
}

static void read_attention(lm_binder *b) {
  lm_model *m = b->m;
  uint32_t heads = lm_key_layer_u32(b, "attention.head_count", 0, LM_MAX_HEADS, 0);
  if (b->status != BASE_OK) return;
  m->head_dim = lm_key_u32_or(b, "attention.key_length", 2, LM_MAX_HEAD_DIM, m->d / heads);
  if (m->head_dim < 2 || m->head_dim > LM_MAX_HEAD_DIM || m->head_dim % 2 != 0)
    lm_key_fail(b, BASE_EFORMAT, "attention.key_length",
                 "heads of %u values; an even number, 2 to %d, is needed", (unsigned)m->head_dim,
                 (int)LM_MAX_HEAD_DIM);
  if (lm_key_u32_or(b, "attention.value_length", 2, LM_MAX_HEAD_DIM, m->head_dim) != m->head_dim)
    lm_key_fail(b, BASE_EUNSUPPORTED, "attention.value_length", "values of another length than keys are not run");
  m->attention_scale = lm_key_f32_or(b, "attention.scale", 0x1p-20F, 0x1p20F, 1.0F / sqrtf((float)m->head_dim));
  m->attention_cap = lm_key_f32_or(b, "attn_logit_softcapping", 0.0F, 1e6F, 0.0F);
  m->logit_cap = lm_key_f32_or(b, "final_logit_softcapping", 0.0F, 1e6F, 0.0F);
  read_window(b);
}

static void read_context(lm_binder *b) {
  lm_model *m = b->m;
  uint32_t asked = m->options.context;
  m->trained_context = lm_key_u32(b, "context_length", 1, LM_MAX_CONTEXT);
  if (asked > m->trained_context)
    lm_bind_fail(b, BASE_ELIMIT, gguf_path(m->file),
                 "the model was made for %u tokens; a context of %u was asked for", (unsigned)m->trained_context,
                 (unsigned)asked);
  if (asked == 0) asked = m->trained_context < DEFAULT_CONTEXT ? m->trained_context : DEFAULT_CONTEXT;
  m->context = m->options.context = asked;
  if (m->options.sequences == 0 || m->family->encoder) m->options.sequences = 1;
  if (m->options.sequences > MAX_SEQUENCES) m->options.sequences = MAX_SEQUENCES;
  if (m->options.block == 0) m->options.block = DEFAULT_BLOCK;
  if (m->options.block > MAX_BLOCK) m->options.block = MAX_BLOCK;
  if (m->options.block > asked * (uint64_t)m->options.sequences) m->options.block = asked * m->options.sequences;
}

/* The embedding says how many tokens there are; what the file says elsewhere must agree. */
static void read_vocab(lm_binder *b) {
  lm_model *m = b->m;
  const gguf_tensor *t = gguf_find_tensor(m->file, "token_embd.weight");
  const gguf_value *tokens = gguf_find(m->file, "tokenizer.ggml.tokens");
  if (t == NULL) {
    lm_bind_fail(b, BASE_EFORMAT, "token_embd.weight", "this tensor is missing in %s", gguf_path(m->file));
    return;
  }
  uint64_t rows = t->dim[1];
  if (rows > LM_MAX_VOCAB)
    lm_bind_fail(b, BASE_ELIMIT, "token_embd.weight", "a vocabulary of %llu tokens; at most %d are read",
                 (unsigned long long)rows, (int)LM_MAX_VOCAB);
  if (tokens != NULL && (tokens->type != GGUF_ARRAY || tokens->count != rows))
    lm_bind_fail(b, BASE_EMISMATCH, "tokenizer.ggml.tokens", "%llu tokens, but token_embd.weight has %llu rows",
                 (unsigned long long)tokens->count, (unsigned long long)rows);
  if (lm_key_present(b, "vocab_size") && tokens == NULL && lm_key_u32(b, "vocab_size", 1, LM_MAX_VOCAB) != rows)
    lm_key_fail(b, BASE_EMISMATCH, "vocab_size", "differs from the %llu rows of token_embd.weight",
                 (unsigned long long)rows);
  m->vocab = (uint32_t)rows;
}

void lm_read_shape(lm_binder *b) {
  lm_model *m = b->m;
  const lm_family *f = m->family;
  const char *eps = f->norm == LM_RMS_NORM ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
  m->d = lm_key_u32(b, "embedding_length", 2, LM_MAX_WIDTH);
  m->stored_layers = lm_key_u32(b, "block_count", 1, LM_MAX_LAYERS);
  m->repeat = 1;
  read_attention(b);
  read_context(b);
  read_vocab(b);
  m->eps = lm_key_f32_or(b, eps, 0.0F, 1.0F, -1.0F);
  if (m->eps < 0.0F) lm_key_fail(b, BASE_EFORMAT, eps, "this key is missing in %s", gguf_path(m->file));
  if (lm_key_u32_or(b, "expert_count", 0, UINT32_MAX, 0) > 0)
    lm_key_fail(b, BASE_EUNSUPPORTED, "expert_count", "mixtures of experts are not run");
  m->embedding_scale = 1.0F;
  m->rope[0].base = (double)lm_key_f32_or(b, "rope.freq_base", 1.0F, 1e12F, 10000.0F);
  m->rope_dims = lm_key_u32_or(b, "rope.dimension_count", 2, LM_MAX_HEAD_DIM, m->head_dim);
  if (b->status == BASE_OK && f->shape != NULL) f->shape(b);
  m->layers = m->stored_layers * m->repeat;
}

/* ---- tensors ---- */

static void read_layer_counts(lm_binder *b, uint32_t i, lm_layer *l) {
  lm_model *m = b->m;
  l->heads = lm_key_layer_u32(b, "attention.head_count", i, LM_MAX_HEADS, 0);
  l->kv_heads = lm_key_layer_u32(b, "attention.head_count_kv", i, LM_MAX_HEADS, l->heads);
  l->ff = lm_key_layer_u32(b, "feed_forward_length", i, LM_MAX_FF, 0);
  if (b->status != BASE_OK) return;
  if (l->heads % l->kv_heads != 0)
    lm_key_fail(b, BASE_EFORMAT, "attention.head_count_kv", "%u heads cannot share %u heads of keys",
                 (unsigned)l->heads, (unsigned)l->kv_heads);
  if (l->heads * (uint64_t)m->head_dim > m->d * (uint64_t)LM_MAX_WIDENING)
    lm_key_fail(b, BASE_EFORMAT, "attention.head_count", "%u heads of %u values are too many for a width of %u",
                 (unsigned)l->heads, (unsigned)m->head_dim, (unsigned)m->d);
  if (l->ff > m->d * (uint64_t)LM_MAX_WIDENING)
    lm_key_fail(b, BASE_EFORMAT, "feed_forward_length", "%u is too much for a width of %u", (unsigned)l->ff,
                 (unsigned)m->d);
  if (l->heads > m->max_heads) m->max_heads = l->heads;
  if (l->kv_heads > m->max_kv_heads) m->max_kv_heads = l->kv_heads;
  if (l->ff > m->max_ff) m->max_ff = l->ff;
  if (l->heads / l->kv_heads > m->max_group) m->max_group = l->heads / l->kv_heads;
}

/* One matrix for all three is some families' way, and a converter's choice for the others. */
static bool has_fused_qkv(const lm_binder *b, int i) {
  char fused[64], query[64];
  base_format(fused, sizeof fused, "blk.%d.attn_qkv.weight", i);
  base_format(query, sizeof query, "blk.%d.attn_q.weight", i);
  if (gguf_find_tensor(b->m->file, fused) != NULL) return true;
  return b->m->family->fused_qkv && gguf_find_tensor(b->m->file, query) == NULL;
}

static void bind_attention(lm_binder *b, int i, lm_layer *l) {
  size_t d = b->m->d, hd = b->m->head_dim, nq = l->heads * hd, nkv = l->kv_heads * hd;
  if (has_fused_qkv(b, i)) {
    lm_linear qkv = lm_bind_linear(b, i, "attn_qkv", nq + 2 * nkv, d, false);
    l->q = lm_linear_rows(qkv, 0, nq);
    l->k = lm_linear_rows(qkv, nq, nkv);
    l->v = lm_linear_rows(qkv, nq + nkv, nkv);
  } else {
    l->q = lm_bind_linear(b, i, "attn_q", nq, d, false);
    if (l->kv_own) l->k = lm_bind_linear(b, i, "attn_k", nkv, d, false);
    if (l->kv_own) l->v = lm_bind_linear(b, i, "attn_v", nkv, d, false);
  }
  l->out = lm_bind_linear(b, i, "attn_output", d, nq, false);
}

static void bind_ffn(lm_binder *b, int i, lm_layer *l) {
  size_t d = b->m->d, ff = l->ff;
  lm_ffn kind = b->m->family->ffn;
  if (kind == LM_FFN_FUSED) {
    lm_linear both = lm_bind_linear(b, i, "ffn_up", 2 * ff, d, false);
    l->gate = lm_linear_rows(both, 0, ff);
    l->up = lm_linear_rows(both, ff, ff);
  } else {
    if (kind == LM_FFN_GATED) l->gate = lm_bind_linear(b, i, "ffn_gate", ff, d, false);
    l->up = lm_bind_linear(b, i, "ffn_up", ff, d, false);
  }
  l->down = lm_bind_linear(b, i, "ffn_down", d, ff, false);
}

/* The stored layer i and its repetitions; each has keys and values of its own. */
static void bind_layer(lm_binder *b, uint32_t i) {
  lm_model *m = b->m;
  lm_layer *l = &m->layer[i * m->repeat];
  l->kv_own = i < m->stored_layers - m->kv_shared;
  bool windowed = m->window_period == 0 || (i + 1) % m->window_period != 0;
  l->window = lm_key_layer_bool(b, "attention.sliding_window_pattern", i, windowed) ? m->window : 0;
  l->rope = l->window > 0 && m->rope[1].base > 0.0 ? 1 : 0;
  read_layer_counts(b, i, l);
  if (b->status != BASE_OK) return;
  bind_attention(b, (int)i, l);
  bind_ffn(b, (int)i, l);
  if (!m->family->encoder) {
    l->attn_norm = lm_bind_norm(b, (int)i, "attn_norm", m->d);
    l->ffn_norm = lm_bind_norm(b, (int)i, "ffn_norm", m->d);
  }
  if (m->family->layer != NULL) m->family->layer(b, i, l);
  for (uint32_t r = 1; r < m->repeat; r++) l[r] = *l;
  for (uint32_t r = 0; r < m->repeat; r++) {
    if (l->kv_own) m->last_writer = i * m->repeat + r;
    if (l->kv_own && (!m->family->encoder || m->kv_slots == 0)) m->kv_slots++; /* an encoder's layers share one */
    l[r].kv_slot = m->kv_slots - 1;
  }
}

/* A tensor that nobody asked for belongs to something this family's forward pass would leave out. */
static void refuse_unused(lm_binder *b) {
  static const base_slice harmless = BASE_LITERAL("attn_rot_embd.weight");
  for (size_t i = 0; i < gguf_tensor_count(b->m->file) && b->status == BASE_OK; i++) {
    const gguf_tensor *t = gguf_tensor_at(b->m->file, i);
    char name[LM_ERROR_NAME];
    size_t skip = t->name.len > harmless.len ? t->name.len - harmless.len : 0;
    base_slice end = base_slice_sub(t->name, skip, t->name.len);
    if (b->used[i] || base_slice_equal(end, harmless)) continue;
    base_format(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
    lm_bind_fail(b, BASE_EUNSUPPORTED, name, "this tensor is not part of a '%s' model as it is known here",
                 b->m->family->name);
  }
}

void lm_bind_tensors(lm_binder *b) {
  lm_model *m = b->m;
  lm_linear embedding = lm_bind_linear(b, -1, "token_embd", m->vocab, m->d, false);
  m->embedding = embedding.tensor;
  for (uint32_t i = 0; i < m->stored_layers && b->status == BASE_OK; i++) bind_layer(b, i);
  if (!m->family->encoder) {
    m->output_norm = lm_bind_norm(b, -1, "output_norm", m->d);
    m->output = lm_bind_linear(b, -1, "output", m->vocab, m->d, true);
    if (m->output.tensor == NULL) m->output = embedding; /* tied */
  }
  if (m->family->encoder) {
    m->embedding_norm = lm_bind_norm(b, -1, "token_embd_norm", m->d);
    m->type_table = lm_bind_table(b, "token_types", 1);
    m->position_table = lm_bind_table(b, "position_embd", m->context);
    if (m->rope[0].base == 0.0 && m->position_table == NULL)
      lm_bind_fail(b, BASE_EFORMAT, "position_embd.weight", "this tensor is missing in %s", gguf_path(m->file));
  }
  lm_rope_bind(b);
  refuse_unused(b);
}
