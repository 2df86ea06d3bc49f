/* model: the trunk, a bidirectional transformer encoder, from a GGUF file's int8 weights to hidden states.
 *
 * h0      = token_embedding[id] + case_embedding[case]
 * a_l     = h + W_o attention(rope(W_q n), rope(W_k n), W_v n),   n = rmsnorm(h)
 * h_(l+1) = a + W_down (silu(W_gate m) * W_up m),                  m = rmsnorm(a)
 * hidden  = rmsnorm(h_last)
 *
 * RMSNorm (Zhang, Sennrich 2019), rotary positions (Su et al. 2021), grouped-query attention (Ainslie et al.
 * 2023), SwiGLU (Shazeer 2020); no biases. The trainer keeps the same tensors in float; see train/. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/base.h"
#include "cpu/cpu.h"
#include "gguf/gguf.h"

enum { MODEL_MAX_LAYERS = 48, MODEL_MAX_TOKENS = 512 };

typedef struct model_shape {
  uint32_t vocab, d, layers, heads, kv_heads, head_dim, ff;
  uint32_t max_tokens; /* positions the model was built for, [CLS] included */
  uint32_t cases;      /* rows of the case embedding */
  float rope_base, eps;
} model_shape;

/* Refuses shapes the kernels or the limits of this code cannot take; says which field. */
base_status model_shape_check(const model_shape *s, base_error *err);
uint64_t model_parameters(const model_shape *s);
static inline uint32_t model_qkv_rows(const model_shape *s) {
  return (s->heads + 2 * s->kv_heads) * s->head_dim;
}

typedef struct model_layer {
  const float *attn_norm;   /* [d] */
  cpu_weights_i8 qkv;       /* [(heads + 2 kv_heads) * head_dim][d]: q rows, k rows, v rows */
  cpu_weights_i8 attn_out;  /* [d][heads * head_dim] */
  const float *ffn_norm;    /* [d] */
  cpu_weights_i8 gate_up;   /* [2 ff][d]: gate rows, then up rows */
  cpu_weights_i8 ffn_down;  /* [d][ff] */
} model_layer;

/* Borrows the file's bytes: the file must stay open. */
typedef struct model_trunk {
  model_shape shape;
  const int8_t *embedding;       /* [vocab][d] */
  const float *embedding_scale;  /* [vocab] */
  const float *case_embedding;   /* [cases][d] */
  const float *output_norm;      /* [d] */
  model_layer layer[MODEL_MAX_LAYERS];
} model_trunk;

/* The shape out of a file's keys, checked by model_shape_check; a failure names the key. */
base_status model_read_shape(model_shape *s, const gguf_file *f, base_error *err);
/* Reads the shape and points into the file's tensors, each checked against it; a failure names the tensor. */
base_status model_trunk_bind(model_trunk *m, const gguf_file *f, base_error *err);

/* Everything a forward pass writes, carved from one block; sized for max_tokens. Usable with every trunk
 * whose shape is not larger. One thread at a time. */
typedef struct model_scratch model_scratch;
model_scratch *model_scratch_new(const model_shape *largest, size_t max_tokens, const base_allocator *a);
void model_scratch_free(model_scratch *s);

/* ids, cases [t] (ids[0] is the class token) -> hidden [t][d], valid until the next call with this scratch. t
 * <= max_tokens of the scratch. No allocation. */
const float *model_trunk_forward(const model_trunk *m, const cpu_kernels *k, const uint16_t *ids,
                                 const uint8_t *cases, size_t t, model_scratch *s);

/* Fills the rotary tables [t][hd/2] for positions 0..t-1. Computed in double and rounded to float, so the last bits
 * of a C library do not show. */
void model_rope_table(float base, size_t t, size_t head_dim, float *cos_table, float *sin_table);

/* ---- names and keys, shared with the writer in train/ ---- */
#define MODEL_ARCH "minnow"
#define MODEL_KEY(name) MODEL_ARCH "." name

#endif
