/* matrix: which format a tensor type becomes, sizes, activations, and the product. */
#include "matrix/internal.h"

#include <string.h>

static bool format_of(gguf_tensor_type type, matrix_mode mode, cpu_format *out) {
  switch (type) {
    case GGUF_T_F32: *out = CPU_F32; return true;
    case GGUF_T_F16: *out = CPU_F16; break;
    case GGUF_T_BF16: *out = CPU_BF16; break;
    case GGUF_T_Q8_0:
    case GGUF_T_IQ4_NL: *out = CPU_Q8; break; /* its sixteen values are int8 */
    case GGUF_T_Q4_0: *out = CPU_Q4; break;
    case GGUF_T_Q4_1: *out = CPU_Q4_MIN; break;
    case GGUF_T_Q5_0: *out = CPU_Q5; break;
    case GGUF_T_Q5_1: *out = CPU_Q5_MIN; break;
    case GGUF_T_Q2_K: *out = CPU_Q2K; break;
    case GGUF_T_Q3_K: *out = CPU_Q3K; break;
    case GGUF_T_Q4_K: *out = CPU_Q4K; break;
    case GGUF_T_Q5_K: *out = CPU_Q5K; break;
    case GGUF_T_Q6_K: *out = CPU_Q6K; break;
    default: return false;
  }
  if (mode == MATRIX_EXACT && !matrix_is_float(type)) *out = CPU_F32;
  return true;
}

size_t matrix_bytes(gguf_tensor_type type, matrix_mode mode, size_t n, size_t k) {
  cpu_format format;
  cpu_matrix w;
  if (!format_of(type, mode, &format) || n == 0 || k == 0 || k % gguf_block_elements(type) != 0) return 0;
  return cpu_matrix_layout(&w, format, n, k);
}

void matrix_init(matrix *m, gguf_tensor_type type, matrix_mode mode, size_t n, size_t k, void *memory) {
  cpu_format format = CPU_F32;
  (void)format_of(type, mode, &format);
  *m = (matrix){.type = type, .n = n, .k = k};
  (void)cpu_matrix_layout(&m->w, format, n, k);
  m->w.packed = memory;
  m->needs = format < CPU_F32 ? MATRIX_NEEDS_I8 : MATRIX_NEEDS_F32;
  if (format == CPU_Q8) m->needs |= MATRIX_NEEDS_NARROW;
}

/* ---- activations ---- */

/* An odd number of cache lines between tokens: powers of two would put all tokens of a tile into one set. */
static size_t odd_lines(size_t bytes) {
  size_t lines = (bytes + 63) / 64;
  return (lines | 1u) * 64;
}

static void lay_out_input(matrix_input *in, base_arena *arena, unsigned needs, size_t tokens, size_t k) {
  *in = (matrix_input){.tokens = tokens, .k = k};
  if (needs & MATRIX_NEEDS_I8) {
    in->i8.ld = odd_lines(k);
    in->i8.narrow = (needs & MATRIX_NEEDS_NARROW) != 0;
    in->i8.blocks = odd_lines(k / 32 * sizeof(cpu_block)) / sizeof(cpu_block);
    in->i8.q = base_arena_take(arena, tokens, in->i8.ld);
    in->i8.block = base_arena_take(arena, tokens, in->i8.blocks * sizeof(cpu_block));
  }
  if (needs & MATRIX_NEEDS_F32) {
    in->ld_f32 = odd_lines(k * sizeof(float)) / sizeof(float);
    in->f32 = base_arena_take(arena, tokens, in->ld_f32 * sizeof(float));
  }
}

size_t matrix_input_bytes(unsigned needs, size_t tokens, size_t k) {
  base_arena arena;
  matrix_input in;
  if (k > SIZE_MAX / 64) return 0;
  base_arena_init(&arena, NULL, 0);
  lay_out_input(&in, &arena, needs, tokens, k);
  return arena.overflow ? 0 : arena.used;
}

void matrix_input_init(matrix_input *in, unsigned needs, size_t tokens, size_t k, void *memory) {
  base_arena arena;
  base_arena_init(&arena, memory, matrix_input_bytes(needs, tokens, k));
  lay_out_input(in, &arena, needs, tokens, k);
}

void matrix_input_put_rows(const cpu_kernels *kernels, matrix_input *in, size_t token, size_t rows, const float *x,
                           size_t ldx, size_t begin, size_t count) {
  for (size_t r = 0; r < rows && in->f32; r++)
    memcpy(in->f32 + (token + r) * in->ld_f32 + begin, x + r * ldx, count * sizeof(float));
  if (in->i8.q)
    kernels->quantize_blocks(&(cpu_rows){
        .x = x, .ldx = ldx, .rows = rows, .k = count, .to = &in->i8, .token = token, .begin = begin});
}

void matrix_input_put(const cpu_kernels *kernels, matrix_input *in, size_t token, const float *x, size_t begin,
                      size_t count) {
  matrix_input_put_rows(kernels, in, token, 1, x, count, begin, count);
}

/* ---- products ---- */

void matrix_mul(const cpu_kernels *kernels, const matrix *m, const matrix_input *in, size_t first, size_t tokens,
                size_t begin, size_t end, float *y, size_t ldy, bool add, const void *next) {
  if (begin >= end || tokens == 0) return;
  kernels->matrix_mul(&m->w, &in->i8, in->f32, in->ld_f32, first, tokens, begin, end, y, ldy, add, next);
}

os_ahead matrix_ahead(const matrix *m, size_t begin, size_t end) {
  if (begin >= end) return (os_ahead){0};
  size_t first = begin / 16, groups = (end + 15) / 16 - first;
  return (os_ahead){.next = m->w.packed + first * m->w.group_bytes, .bytes = groups * m->w.group_bytes};
}

void matrix_share(size_t n, size_t step, int worker, int workers, size_t *begin, size_t *end) {
  size_t steps = (n + step - 1) / step, each = steps / (size_t)workers, extra = steps % (size_t)workers;
  size_t w = (size_t)worker, from = w * each + (w < extra ? w : extra), to = from + each + (w < extra);
  *begin = from * step < n ? from * step : n;
  *end = to * step < n ? to * step : n;
}
