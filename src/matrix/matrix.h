/* matrix: weight matrices [n][k] out of a GGUF tensor, packed once for the kernels, and their product with
 * activations. y[token][row] = sum over k of w[row][k] x[token][k].
 *
 * Two ways to compute, chosen when a matrix is set up:
 *  - MATRIX_FAST keeps the tensor's own quants and scales (interleaved by 16 rows; as large as in the file, K types
 *    up to 3 % larger). Activations become int8 in spans of 128 with a float scale each; in blocks of 32 where Q8_0
 *    weights read them, whose own error would not hide that of wider ones (MATRIX_NEEDS_NARROW). Integer sums are
 *    exact. F32, F16 and BF16 weights take float activations.
 *  - MATRIX_EXACT decodes the weights to F32 and takes float activations: the reference.
 *
 * Same bits on every instruction set, number of threads and batch size: a row's result is one chain of fused
 * multiply-adds over its spans in order (cpu.h, matrix_mul), whatever else is computed beside it. Threads split
 * rows, never sums.
 *
 *   size_t bytes = matrix_bytes(type, MATRIX_FAST, n, k);             0: not possible
 *   matrix_init(&m, type, MATRIX_FAST, n, k, memory);                  memory: 64-byte aligned
 *   matrix_pack(&m, tensor->data, 0, n);                               or shares of rows on several threads
 *   matrix_input_init(&in, m.needs, tokens, k, memory);                matrix_input_bytes(needs, tokens, k)
 *   matrix_input_put(kernels, &in, token, x, 0, k);                    every token, or slices of one
 *   matrix_share(n, 16, worker, workers, &begin, &end);
 *   matrix_mul(kernels, &m, &in, 0, tokens, begin, end, y, ldy, false, NULL); */
#ifndef MATRIX_MATRIX_H
#define MATRIX_MATRIX_H

#include "base/base.h"
#include "cpu/cpu.h"
#include "gguf/gguf.h"

typedef enum matrix_mode { MATRIX_FAST, MATRIX_EXACT } matrix_mode;

/* What a product reads of its activations; matrices of different types that share an input need the union. */
enum { MATRIX_NEEDS_I8 = 1, MATRIX_NEEDS_F32 = 2, MATRIX_NEEDS_NARROW = 4 /* its I8 so */ };

typedef struct matrix {
  cpu_matrix w;          /* for the kernels; see cpu.h */
  gguf_tensor_type type; /* of the tensor */
  unsigned needs;        /* MATRIX_NEEDS_... */
  size_t n, k;
} matrix;

/* Bytes of the packed form, a multiple of 64; 0 when the type has no kernel, k is no whole number of the type's
 * blocks, a size is 0 or the product overflows. */
size_t matrix_bytes(gguf_tensor_type type, matrix_mode mode, size_t n, size_t k);
/* `memory`: matrix_bytes of it, 64-byte aligned, the caller's, for as long as m is used. Writes nothing there. The
 * same arguments that matrix_bytes gave a size for. */
void matrix_init(matrix *m, gguf_tensor_type type, matrix_mode mode, size_t n, size_t k, void *memory);
/* Packs `rows` rows of the tensor, which begin at `src`, as rows [row, row + rows) of m. `row` is a multiple of 16
 * and so is `rows`, unless the rows end at m's last. So threads may pack shares, and several tensors of one type may
 * be stacked into one matrix (q, k, v). Any address of src. */
void matrix_pack(const matrix *m, const void *src, size_t row, size_t rows);
/* Row `row` [k] as floats, e.g. an embedding: the bits of quant_decode_row. */
void matrix_row(const matrix *m, size_t row, float *out);

/* ---- activations ---- */

typedef struct matrix_input {
  cpu_input i8; /* for the kernels; NULLs unless needed */
  float *f32;   /* [tokens][ld_f32]; NULL unless needed */
  size_t ld_f32, tokens, k;
} matrix_input;

/* `needs` may be the union of several matrices' needs. k is a multiple of 32 when MATRIX_NEEDS_I8 is in it. */
size_t matrix_input_bytes(unsigned needs, size_t tokens, size_t k); /* a multiple of 64; 0 on overflow */
void matrix_input_init(matrix_input *in, unsigned needs, size_t tokens, size_t k, void *memory /* 64-aligned */);
/* Slices of an input begin at multiples of it. */
static inline size_t matrix_input_step(unsigned needs) { return needs & MATRIX_NEEDS_NARROW ? 32 : CPU_SPAN; }
/* Elements [begin, begin + count) of one token from x [count]. begin is a multiple of matrix_input_step, and count too
 * unless the slice ends at k: several threads may bring slices of one token. All of a token must be there before
 * matrix_mul. */
void matrix_input_put(const cpu_kernels *kernels, matrix_input *in, size_t token, const float *x, size_t begin,
                      size_t count);
/* The same of tokens [token, token + rows), x [rows][ldx]: quicker than one by one. */
void matrix_input_put_rows(const cpu_kernels *kernels, matrix_input *in, size_t token, size_t rows, const float *x,
                           size_t ldx, size_t begin, size_t count);

/* ---- products ---- */

/* Rows [begin, end) of the outputs for tokens [first, first + tokens) of the input, into y[token - first][row], rows
 * of y ldy apart; += when add. begin is a multiple of 16, end too unless it is n. No allocation, no threads. next: what
 * the same thread reads behind it (matrix_ahead), or NULL: its first lines are fetched, not those behind row `end`. */
void matrix_mul(const cpu_kernels *kernels, const matrix *m, const matrix_input *in, size_t first, size_t tokens,
                size_t begin, size_t end, float *y, size_t ldy, bool add, const void *next);

/* The memory that a product of rows [begin, end) reads, e.g. to fetch it into the cache while waiting. */
os_ahead matrix_ahead(const matrix *m, size_t begin, size_t end);

/* Worker's share of n rows, [*begin, *end), in steps of `step`: a multiple of 16 where it is of a product, of
 * matrix_input_step where its outputs become an input by slices. Empty when there are more workers than steps. */
void matrix_share(size_t n, size_t step, int worker, int workers, size_t *begin, size_t *end);

#endif
