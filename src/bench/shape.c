/* bench/shape: llama files of random weights. A tensor repeats a few random rows: speed does not depend on values,
 * and layers of one shape share their bytes in memory. The vocabulary is made up but well formed, so that every
 * engine loads the file. */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gguf/gguf.h"
#include "quant/quant.h"

static const bench_shape shapes[] = {
#define BENCH_SHAPE(name, d, layers, heads, kv_heads, ff, vocab, tied) \
  {name, d, layers, heads, kv_heads, ff, vocab, tied},
#include "bench/shape.def"
#undef BENCH_SHAPE
};
enum { SHAPES = sizeof shapes / sizeof shapes[0], ROWS = 64, MOST_PARTS = 32, NAME = 64 };
enum { BYTE_TOKENS = 256, FIRST_BYTE = 3 };

const bench_shape *bench_shape_at(size_t index) { return index < SHAPES ? &shapes[index] : NULL; }

/* The bytes of one kind of tensor, used for all tensors of that kind. */
typedef struct part {
  gguf_tensor_type type;
  size_t rows, cols, bytes;
  unsigned char *data;
} part;

typedef struct maker {
  const bench_shape *s;
  gguf_tensor_type type;
  bool mixed; /* the K mixtures "..._M" */
  base_rng rng;
  part parts[MOST_PARTS];
  size_t count;
  gguf_writer *w;
  base_status status;
  base_error *err;
} maker;

/* ---- types ---- */

static base_status read_type(maker *m, const char *type) {
  char plain[16];
  size_t n = strlen(type);
  m->mixed = n > 2 && n < sizeof plain && strcmp(type + n - 2, "_M") == 0;
  (void)base_format(plain, sizeof plain, "%.*s", m->mixed ? (int)n - 2 : (int)n, type);
  for (int t = 0; t < 64; t++) {
    const char *name = gguf_tensor_type_name((gguf_tensor_type)t);
    if (name == NULL || strcmp(name, plain) != 0) continue;
    m->type = (gguf_tensor_type)t;
    if (t <= (int)GGUF_T_Q6_K || t == (int)GGUF_T_BF16) return BASE_OK;
  }
  return base_fail(m->err, BASE_EARGUMENT, type, "not a type of weights; Q8_0, Q4_0, Q4_K_M or F16 are");
}

/* What a K type becomes where rows are no whole number of its blocks. */
static gguf_tensor_type fitting(gguf_tensor_type type, size_t cols) {
  if (cols % gguf_block_elements(type) == 0) return type;
  switch (type) {
    case GGUF_T_Q2_K:
    case GGUF_T_Q3_K: return GGUF_T_Q4_0;
    case GGUF_T_Q4_K: return GGUF_T_Q5_0;
    case GGUF_T_Q5_K: return GGUF_T_Q5_1;
    default: return GGUF_T_Q8_0;
  }
}

/* Of the first and last eighth of the layers and every third between, K mixtures keep more bits. */
static bool more_bits(uint32_t layer, uint32_t layers) {
  uint32_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

static bool is_quantised(gguf_tensor_type type) { return gguf_block_elements(type) > 1; }

/* ---- tensors ---- */

static void make_rows(maker *m, part *p) {
  size_t row_bytes = p->cols / gguf_block_elements(p->type) * gguf_block_bytes(p->type);
  float *row = base_alloc(NULL, p->cols * sizeof *row);
  float scale = 1.0f / sqrtf((float)p->cols);
  p->bytes = p->rows * row_bytes;
  p->data = row != NULL ? base_alloc(NULL, p->bytes) : NULL;
  if (p->data == NULL) m->status = base_fail(m->err, BASE_ENOMEM, m->s->name, "no memory for a tensor");
  for (size_t r = 0; p->data != NULL && r < p->rows; r++) {
    if (r >= ROWS) {
      memcpy(p->data + r * row_bytes, p->data + r % ROWS * row_bytes, row_bytes);
      continue;
    }
    for (size_t i = 0; i < p->cols; i++) row[i] = base_rng_normal(&m->rng) * scale;
    quant_encode_row(p->type, row, p->cols, p->data + r * row_bytes);
  }
  base_free(NULL, row, p->cols * sizeof *row);
}

static const part *part_of(maker *m, gguf_tensor_type type, size_t rows, size_t cols) {
  for (size_t i = 0; i < m->count; i++) {
    const part *p = &m->parts[i];
    if (p->type == type && p->rows == rows && p->cols == cols) return p;
  }
  part *p = &m->parts[m->count++];
  *p = (part){.type = type, .rows = rows, .cols = cols};
  make_rows(m, p);
  return p;
}

static void put_matrix(maker *m, const char *name, gguf_tensor_type type, size_t rows, size_t cols) {
  uint64_t dim[2] = {cols, rows};
  if (m->status) return;
  const part *p = part_of(m, fitting(type, cols), rows, cols);
  if (m->status == BASE_OK) gguf_put_tensor(m->w, name, p->type, 2, dim, p->data);
}

static void put_norm(maker *m, const char *name) {
  uint64_t dim[1] = {m->s->d};
  if (m->status) return;
  const part *p = part_of(m, GGUF_T_F32, 1, m->s->d);
  if (m->status == BASE_OK) gguf_put_tensor(m->w, name, GGUF_T_F32, 1, dim, p->data);
}

static void put_layer(maker *m, uint32_t layer) {
  const bench_shape *s = m->s;
  size_t d = s->d, kv = d / s->heads * s->kv_heads;
  gguf_tensor_type more = m->mixed && more_bits(layer, s->layers) ? GGUF_T_Q6_K : m->type;
  const struct {
    const char *name;
    gguf_tensor_type type;
    size_t rows, cols;
  } list[] = {{"attn_q", m->type, d, d},          {"attn_k", m->type, kv, d},        {"attn_v", more, kv, d},
              {"attn_output", m->type, d, d},     {"ffn_gate", m->type, s->ff, d},   {"ffn_up", m->type, s->ff, d},
              {"ffn_down", more, d, s->ff}};
  char name[NAME];
  (void)base_format(name, sizeof name, "blk.%u.attn_norm.weight", (unsigned)layer);
  put_norm(m, name);
  for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
    (void)base_format(name, sizeof name, "blk.%u.%s.weight", (unsigned)layer, list[i].name);
    put_matrix(m, name, list[i].type, list[i].rows, list[i].cols);
  }
  (void)base_format(name, sizeof name, "blk.%u.ffn_norm.weight", (unsigned)layer);
  put_norm(m, name);
}

static void put_tensors(maker *m) {
  const bench_shape *s = m->s;
  gguf_tensor_type output = is_quantised(m->type) && m->type != GGUF_T_Q8_0 ? GGUF_T_Q6_K : m->type;
  put_matrix(m, "token_embd.weight", s->tied ? output : m->type, s->vocab, s->d);
  for (uint32_t i = 0; i < s->layers; i++) put_layer(m, i);
  put_norm(m, "output_norm.weight");
  if (!s->tied) put_matrix(m, "output.weight", output, s->vocab, s->d);
}

/* ---- keys ---- */

static void put_keys(maker *m) {
  const bench_shape *s = m->s;
  gguf_put_string(m->w, "general.architecture", BASE_LITERAL("llama"));
  gguf_put_string(m->w, "general.name", base_slice_of(s->name));
  gguf_put_u32(m->w, "llama.block_count", s->layers);
  gguf_put_u32(m->w, "llama.context_length", 2048);
  gguf_put_u32(m->w, "llama.embedding_length", s->d);
  gguf_put_u32(m->w, "llama.feed_forward_length", s->ff);
  gguf_put_u32(m->w, "llama.attention.head_count", s->heads);
  gguf_put_u32(m->w, "llama.attention.head_count_kv", s->kv_heads);
  gguf_put_u32(m->w, "llama.rope.dimension_count", s->d / s->heads);
  gguf_put_u32(m->w, "llama.vocab_size", s->vocab);
  gguf_put_f32(m->w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
  gguf_put_f32(m->w, "llama.rope.freq_base", 10000.0f);
}

static const char *token_text(uint32_t id, char out[NAME]) {
  static const char *const special[] = {"<unk>", "<s>", "</s>"};
  if (id < FIRST_BYTE) return special[id];
  if (id < FIRST_BYTE + BYTE_TOKENS) {
    (void)base_format(out, NAME, "<0x%02X>", (unsigned)(id - FIRST_BYTE));
  } else {
    (void)base_format(out, NAME, "\xE2\x96\x81w%u", (unsigned)id);
  }
  return out;
}

static void put_vocabulary(maker *m) {
  uint32_t n = m->s->vocab;
  char(*text)[NAME] = base_calloc(NULL, n, NAME);
  base_slice *token = base_calloc(NULL, n, sizeof *token);
  float *score = base_calloc(NULL, n, sizeof *score);
  int32_t *type = base_calloc(NULL, n, sizeof *type);
  if (text == NULL || token == NULL || score == NULL || type == NULL) {
    m->status = base_fail(m->err, BASE_ENOMEM, m->s->name, "no memory for the vocabulary");
    goto done;
  }
  for (uint32_t i = 0; i < n; i++) {
    token[i] = base_slice_of(token_text(i, text[i]));
    score[i] = -(float)i;
    /* unknown, control, byte, normal */
    type[i] = i == 0 ? 2 : i < FIRST_BYTE ? 3 : i < FIRST_BYTE + BYTE_TOKENS ? 6 : 1;
  }
  gguf_put_string(m->w, "tokenizer.ggml.model", BASE_LITERAL("llama"));
  gguf_put_string(m->w, "tokenizer.ggml.pre", BASE_LITERAL("default"));
  gguf_put_strings(m->w, "tokenizer.ggml.tokens", token, n);
  gguf_put_f32s(m->w, "tokenizer.ggml.scores", score, n);
  gguf_put_i32s(m->w, "tokenizer.ggml.token_type", type, n);
  gguf_put_u32(m->w, "tokenizer.ggml.bos_token_id", 1);
  gguf_put_u32(m->w, "tokenizer.ggml.eos_token_id", 2);
  gguf_put_u32(m->w, "tokenizer.ggml.unknown_token_id", 0);
done:
  base_free(NULL, text, (size_t)n * NAME);
  base_free(NULL, token, n * sizeof *token);
  base_free(NULL, score, n * sizeof *score);
  base_free(NULL, type, n * sizeof *type);
}

base_status bench_write_shape(const char *name, const char *type, const char *path, base_error *err) {
  maker m = {.err = err};
  for (size_t i = 0; i < SHAPES; i++)
    if (strcmp(shapes[i].name, name) == 0) m.s = &shapes[i];
  if (m.s == NULL) return base_fail(err, BASE_EARGUMENT, name, "not a shape; 10M, 45M, 135M, 500M and 1.1B are");
  base_status st = read_type(&m, type);
  if (st) return st;
  base_rng_seed(&m.rng, 1);
  m.w = gguf_writer_new(NULL);
  if (m.w == NULL) return base_fail(err, BASE_ENOMEM, name, "no memory for the file");
  put_keys(&m);
  put_vocabulary(&m);
  put_tensors(&m);
  st = m.status != BASE_OK ? m.status : gguf_writer_save(m.w, path, err);
  for (size_t i = 0; i < m.count; i++) base_free(NULL, m.parts[i].data, m.parts[i].bytes);
  gguf_writer_free(m.w);
  return st;
}
