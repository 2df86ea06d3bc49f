/* cpu: the arithmetic. One table of kernels per instruction set, chosen once after asking CPU and OS; any
 * table can be forced by name. Every kernel gives the same bits on every table and for every number of
 * threads (for finite values; which NaN comes out is the processor's affair):
 *  - `a*b+c` inside a kernel is always one fused multiply-add;
 *  - a sum over a row uses 16 lanes, lane j adding elements j, j+16, ... in order, the row counting as padded
 *    with zeros to a multiple of 16, and then folds the lanes as 8+8, 4+4, 2+2, 1+1 (lane j with lane j+8
 *    first); a max is exact in any order;
 *  - each element of a matrix product is one chain of fused multiply-adds over k = 0, 1, ... in order, from 0
 *    (or from the old C when accumulating); attention's scores and outputs are such chains; int8 products are
 *    exact integers;
 *  - exp is our own, from one polynomial.
 * Threads split rows of the output, never sums. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "base/base.h"
#include "os/os.h"

/* int8 weights, stored packed (the same on every ISA and in files): output rows in groups of 16; a group
 * holds, for each 4 consecutive k, the 16 rows' 4 bytes: byte [(g * k/4 + k/4) * 64 + row * 4 + k%4]. n is
 * padded to a multiple of 16 and k to a multiple of 4 with zeros. 64-byte aligned. One float scale a row: w =
 * q * scale, q in [-127, 127]. */
typedef struct cpu_weights_i8 {
  const int8_t *packed; /* [n_padded/16][k_padded/4][16][4] */
  const float *scale; /* [n_padded], 0 for padding */
  const int32_t *row_sum; /* [n_padded] sum of q over k: undoes the +128 that unsigned products need */
  size_t n, k;
} cpu_weights_i8;

size_t cpu_packed_i8_bytes(size_t n, size_t k);
/* Row-major float weights [n][k] to packed int8; `packed`, `scale`, `row_sum` are the caller's, sizes as
 * above (n padded to 16). With max the largest magnitude of a row: scale = max / 127, q = rint(w * (127 /
 * max)), ties to even; a row below 2^-100 everywhere is zeros with scale 0. */
void cpu_pack_i8(const float *w, size_t n, size_t k, int8_t *packed, float *scale, int32_t *row_sum);

/* ---- weight matrices of language models ---- */

typedef enum cpu_format {
#define CPU_FORMAT(id, base, extra, bias, scales) CPU_##id,
#include "cpu/format.def"
#undef CPU_FORMAT
  CPU_F32, /* [group][k][16 rows] floats, F16 and BF16 the same */
  CPU_F16,
  CPU_BF16
} cpu_format;

/* How scales are held (format.def). A unit is as many blocks of 32 as have their scales together. */
typedef enum cpu_scales {
  CPU_SCALES_F16,
  CPU_SCALES_F16_MIN,
  CPU_SCALES_K32_MIN,
  CPU_SCALES_K16,
  CPU_SCALES_K16_MIN
} cpu_scales;
static inline size_t cpu_unit_blocks(cpu_scales s) {
  return s == CPU_SCALES_F16 ? 2 : s == CPU_SCALES_F16_MIN ? 1 : 8;
}
/* Bytes of a unit's scales for 16 rows, whole cache lines. */
static inline size_t cpu_unit_scales(cpu_scales s) {
  return s <= CPU_SCALES_F16_MIN ? 64 : s == CPU_SCALES_K16_MIN ? 64 + 16 * 32 : 64 + 8 * 32;
}

/* Packed in groups of 16 rows, the last filled up with zeros. A group is a row of units, a unit its scales and then the
 * planes of its blocks: memory is read in one direction. A block has 8 chunks of 4 quants; the 16 rows' quants of a
 * chunk are the lanes of one 64-byte vector, byte row * 4 + i for quant i.
 *   8 bits: vector c is chunk c, signed.        4 bits: vector c has chunk c low, chunk c + 4 high; 4 vectors.
 *   2 bits: vector c / 4, bits 2 (c % 4); 2 vectors.                      1 bit: one vector, bit c.
 * Base plane, then extra plane. Scales are arrays over the 16 rows: F16 d of either block; F16_MIN d, m; K32_MIN d, m,
 * then 8 times (s, t); K16 d, then 16 times s; K16_MIN d, m, then 16 times (s, t); d and m half precision. */
typedef struct cpu_matrix {
  cpu_format format;
  size_t n, k;
  size_t group_bytes;
  unsigned char *packed; /* [(n + 15) / 16][group_bytes], 64-byte aligned */
} cpu_matrix;

/* The columns of format.def. */
typedef struct cpu_format_info {
  int base, extra, bias;
  cpu_scales scales;
} cpu_format_info;
const cpu_format_info *cpu_format_of(cpu_format format); /* NULL for float formats */

static inline size_t cpu_block_bytes(const cpu_format_info *f) { return (size_t)(f->base + f->extra) * 64; }
static inline size_t cpu_unit_bytes(const cpu_format_info *f) {
  return cpu_unit_scales(f->scales) + cpu_unit_blocks(f->scales) * cpu_block_bytes(f);
}

/* Fills all but `packed`; the bytes it takes, 0 on overflow. k is a multiple of 32, of 256 for K formats. */
size_t cpu_matrix_layout(cpu_matrix *m, cpu_format format, size_t n, size_t k);

/* Activations as int8: a span of 128 shares a scale, the last of a token may be shorter; or, where an input is narrow,
 * each block of 32 has its own. What the chain over weights needs of a span it needs once, so that wide ones are
 * quicker: 14.8 ns a block of 16 x 16 x 32 with AMX in place of 19.3. */
enum { CPU_SPAN = 128, CPU_SPAN_BLOCKS = CPU_SPAN / 32 };
typedef struct cpu_block { /* of 32 */
  float scale;             /* of its span */
  int32_t bias;            /* -128 times the sum of the block's q */
  float sum;               /* that sum */
  int32_t half;            /* -128 times the sum of the first 16 */
} cpu_block;
typedef struct cpu_input {
  int8_t *q;        /* [tokens][ld], 64-byte aligned */
  cpu_block *block; /* [tokens][blocks] */
  size_t ld, blocks;
  bool narrow;
} cpu_input;

/* Rows of floats on their way into an input: elements [begin, begin + k) of the tokens from `token` on. begin is a
 * multiple of a span (of 32 where it is narrow), k of 32. */
typedef struct cpu_rows {
  const float *x; /* [rows][ldx], of which k each */
  size_t ldx, rows, k;
  const cpu_input *to;
  size_t token, begin;
} cpu_rows;
static inline int8_t *cpu_rows_q(const cpu_rows *r, size_t row) {
  return r->to->q + (r->token + row) * r->to->ld + r->begin;
}
static inline cpu_block *cpu_rows_block(const cpu_rows *r, size_t row) {
  return r->to->block + (r->token + row) * r->to->blocks + r->begin / 32;
}

/* ---- keys and values of a decoder ---- */

/* One head of one sequence in a cache. Keys lie in tiles of 16 positions, [hd][16], so that lanes are positions;
 * values in rows of hd (rounded up to 16). I8: 16 float scales behind a tile, one behind a row (64 bytes kept). */
typedef enum cpu_kv_type { CPU_KV_F16, CPU_KV_I8, CPU_KV_F32 } cpu_kv_type;
size_t cpu_kv_tile_bytes(cpu_kv_type type, size_t hd); /* keys of 16 positions */
size_t cpu_kv_row_bytes(cpu_kv_type type, size_t hd);  /* values of one position */

/* Keys and values of n consecutive positions, as floats, and where they go. */
typedef struct cpu_kv_rows {
  cpu_kv_type type;
  size_t hd, position, n;
  const float *k, *v; /* [n][ld], of which hd each */
  size_t ld;
  unsigned char *keys, *values;
} cpu_kv_rows;

/* Queries of consecutive tokens, all heads that share one head of keys and values. */
typedef struct cpu_attend {
  cpu_kv_type type;
  const unsigned char *keys, *values; /* room for a multiple of 16 positions */
  size_t hd, heads, tokens;
  size_t position; /* of the first token; it sees keys up to its own, and at distance < window */
  size_t window;   /* 0: no limit */
  float scale, cap; /* score = scale q.k, then cap tanh(score / cap); cap 0: none */
  const float *q;  /* head h of token t: q + t ldq + h hd */
  float *out;      /* likewise with ldo */
  size_t ldq, ldo;
  float *scratch; /* cpu_attend_scratch(last position + 1) floats */
} cpu_attend;
size_t cpu_attend_scratch(size_t positions);

typedef struct cpu_kernels {
  const char *name; /* "scalar", "avx2", "avx512vnni", "amx", "neondot" */

  /* ---- inference ---- */
  /* x [t][k] -> q [t][k_padded] (padding 0), scale [t]: by the rule of cpu_pack_i8; NaN becomes -127. */
  void (*quantize_i8)(const float *x, size_t t, size_t k, int8_t *q, float *scale);
  /* y [t][ldy] (=, or += when add) x_scale[t] * w_scale[n] * (x . w). q as quantize_i8 gives it; k_padded = k
   * rounded up to 4, at most 65536. n need not be a multiple of 16; only n columns are written. */
  void (*gemm_i8)(const cpu_weights_i8 *w, const int8_t *q, const float *x_scale, size_t t, float *y,
                  size_t ldy, bool add);
  /* Bidirectional attention of one sequence. q [t][heads*hd], k and v [t][kv_heads*hd], out [t][heads*hd];
   * scale 1/sqrt(hd); heads % kv_heads == 0. hd is a multiple of 16, at most 128. scratch:
   * cpu_attention_scratch(t, heads, hd) floats. window: a token sees those at distance <= window; 0 = all. */
  void (*attention)(const float *q, const float *k, const float *v, float *out, size_t t, size_t heads,
                    size_t kv_heads, size_t hd, size_t window, float *scratch);

  /* ---- language models ---- */
  /* Rows to q and blocks; a span by the rule of cpu_pack_i8. */
  void (*quantize_blocks)(const cpu_rows *rows);
  /* y[token - first][row] (=, or += when add) for rows [begin, end) and tokens [first, first + tokens); begin is a
   * multiple of 16, end too unless it is n. Quantised formats read x, float formats xf [tokens][ldx]. Per row and
   * token one chain acc = 0, then over the spans in order acc = fma(scale, part, acc), where part is a chain from 0
   * over the span's pieces: blocks, for K16 formats their halves. With P the exact integer sum of (quant - bias) * q:
   *   part = fma(d, P, part), for K formats with d * s (exact), and where there are minima
   *   part = fma(m, sum of q, part), for K formats with -(m * t)
   * Float formats: acc = fma(w, x, acc) over k in order. next: weights that the same thread reads behind these, of
   * which a token alone fetches the first; NULL where nobody knows. */
  void (*matrix_mul)(const cpu_matrix *w, const cpu_input *x, const float *xf, size_t ldx, size_t first,
                     size_t tokens, size_t begin, size_t end, float *y, size_t ldy, bool add,
                     const unsigned char *next);

  /* Writes positions' keys and values into one head's tiles and rows. I8: by the rule of cpu_pack_i8. */
  void (*kv_put)(const cpu_kv_rows *rows);
  /* Softmax attention (Vaswani et al. 2017). A score is one chain over hd, the I8 scale times it; exponentials are of
   * the score less the largest, but of -86 at least; their sum has 16 lanes, position p in lane p mod 16; an output is
   * one chain over the positions in order (of fma(e, v, out), I8: e times the scale of v first), then divided by the
   * sum: by one reciprocal. */
  void (*attend)(const cpu_attend *a);

  /* ---- rows ---- */
  void (*rmsnorm)(const float *x, const float *weight, size_t t, size_t d, float eps, float *y,
                  float *inv_rms /* [t] or NULL */);
  void (*softmax)(float *x, size_t n); /* in place; max subtracted */
  float (*logsumexp)(const float *x, size_t n);
  /* y = gate * sigmoid(gate) * up */
  void (*silu_mul)(const float *gate, const float *up, size_t n, float *y);
  /* up = silu(gate) * up, as SwiGLU has it (Shazeer 2020), within 6e-7 of it relatively; a gate below -43 counts as
   * that. One division for the elements i and i + 16 of each 32 (missing ones count as zeros): 3.3 ns for 16; silu_mul,
   * whose bits trained packs depend on, takes 4.7. */
  void (*swiglu)(const float *gate, size_t n, float *up);
  /* rotary position embedding (Su et al. 2021), pairs (i, i + hd/2) as in GPT-NeoX; table [t][hd/2] cos then
   * [t][hd/2] sin. sign -1 rotates back (the transpose). */
  void (*rope)(float *x, size_t t, size_t heads, size_t hd, const float *cos_table, const float *sin_table,
               float sign);
  /* The same with only the first dims of hd rotated, pairs (i, i + dims/2); tables [t][dims/2]. */
  void (*rope_halves)(float *x, size_t t, size_t heads, size_t hd, size_t dims, const float *cos_table,
                      const float *sin_table);
  /* The same for pairs (2i, 2i + 1); dims <= hd are rotated, the rest stays. Tables [t][dims]: cos twice for each pair;
   * minus sin, then sin. */
  void (*rope_pairs)(float *x, size_t t, size_t heads, size_t hd, size_t dims, const float *cos_table,
                     const float *sin_table);
  /* y = gelu(gate) * up (Hendrycks, Gimpel 2016); tanh_form: by their tanh approximation. up NULL: gelu(gate). */
  void (*gelu_mul)(const float *gate, const float *up, size_t n, bool tanh_form, float *y);
  void (*soft_cap)(float *x, size_t n, float cap); /* cap tanh(x / cap), in place */
  float (*dot)(const float *a, const float *b, size_t n);
  void (*axpy)(float a, const float *x, size_t n, float *y); /* y += a x */
  void (*add)(const float *x, size_t n, float *y); /* y += x */
  void (*exp)(const float *x, size_t n, float *y);

  /* ---- measuring ---- */
  uint64_t (*read)(const void *p, size_t bytes); /* reads them all (whole 256); the value is of no use */
  double (*peak_i8)(size_t rounds); /* products and sums in registers; how many operations that was */
  double (*peak_f32)(size_t rounds);

  /* ---- training ---- */
  /* C [m][ldc] (=, or += when add) op(A) [m][k] * op(B) [k][n], op(X) = X or its transpose. One block of rows
   * [row_begin, row_end) of C, so that a pool can split them; scratch: cpu_gemm_f32_scratch(n, k) floats, one
   * per worker. */
  void (*gemm_f32_rows)(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a, size_t lda,
                        const float *b, size_t ldb, float *c, size_t ldc, bool add, size_t row_begin,
                        size_t row_end, float *scratch);
  /* dx += for y = rmsnorm(x)*weight; dweight [d] += summed over rows in order. */
  void (*rmsnorm_backward)(const float *x, const float *weight, const float *inv_rms, const float *dy,
                           size_t t, size_t d, float *dx, float *dweight);
  /* dgate, dup (written, not added) for y = silu(gate)*up */
  void (*silu_mul_backward)(const float *gate, const float *up, const float *dy, size_t n, float *dgate,
                            float *dup);
  /* AdamW (Loshchilov, Hutter 2019) on n values: m, v updated; bias corrections c1 = 1/(1-b1^t), c2 =
   * 1/(1-b2^t) given. grad_scale multiplies g first. */
  void (*adamw)(float *w, const float *g, float *m, float *v, size_t n, float lr, float beta1, float beta2,
                float eps, float decay, float c1, float c2, float grad_scale);
} cpu_kernels;

/* The best table this machine can run. */
const cpu_kernels *cpu_best(void);
/* A table by name, or NULL when unknown or when this machine cannot run it. */
const cpu_kernels *cpu_named(const char *name);
/* Every table compiled in that this machine can run, best first; index from 0, NULL at the end. */
const cpu_kernels *cpu_available(size_t index);

/* Floats of scratch for `attention` over t tokens, and for gemm_f32_rows. */
size_t cpu_attention_scratch(size_t t, size_t heads, size_t hd);
size_t cpu_gemm_f32_scratch(size_t n, size_t k);

/* gemm_f32_rows over a pool. scratch: cpu_gemm_f32_scratch(n, k) * threads floats. */
void cpu_gemm_f32(const cpu_kernels *kernels, os_pool *pool, bool ta, bool tb, size_t m, size_t n, size_t k,
                  const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc, bool add,
                  float *scratch);

/* A stable exp and log for single values, the same bits everywhere. */
float cpu_expf(float x);
float cpu_logf(float x);

#endif
