/* What no instruction set changes: packing of int8 weights, sizes, the float product over a pool, exp and log
 * of one value. */
#include <math.h>
#include <string.h>

#include "cpu/cpu_tables.h"

size_t cpu_packed_i8_bytes(size_t n, size_t k) { return (n + 15) / 16 * 16 * ((k + 3) / 4 * 4); }

static int8_t cpu_round_i8(float x, float factor) {
  float v = x * factor;
  v = v > -127.0f ? v : -127.0f;
  v = v < 127.0f ? v : 127.0f;
  return (int8_t)lrintf(v);
}

void cpu_pack_i8(const float *w, size_t n, size_t k, int8_t *packed, float *scale, int32_t *row_sum) {
  size_t k_padded = (k + 3) / 4 * 4, n_padded = (n + 15) / 16 * 16;
  memset(packed, 0, n_padded * k_padded);
  for (size_t row = 0; row < n_padded; row++) {
    float max = 0.0f;
    scale[row] = 0.0f;
    row_sum[row] = 0;
    for (size_t i = 0; row < n && i < k; i++) max = fabsf(w[row * k + i]) > max ? fabsf(w[row * k + i]) : max;
    if (!(max >= CPU_QUANT_TINY)) continue;
    scale[row] = max / 127.0f;
    for (size_t i = 0; i < k; i++) {
      int8_t q = cpu_round_i8(w[row * k + i], 127.0f / max);
      packed[(row / 16 * (k_padded / 4) + i / 4) * 64 + row % 16 * 4 + i % 4] = q;
      row_sum[row] += q;
    }
  }
}

const cpu_format_info *cpu_format_of(cpu_format format) {
  static const cpu_format_info formats[] = {
#define CPU_FORMAT(id, base, extra, bias, scales) {base, extra, bias, CPU_SCALES_##scales},
#include "cpu/format.def"
#undef CPU_FORMAT
  };
  return format < CPU_F32 ? &formats[format] : NULL;
}

size_t cpu_matrix_layout(cpu_matrix *m, cpu_format format, size_t n, size_t k) {
  size_t groups = n / 16 + (n % 16 != 0), bytes;
  *m = (cpu_matrix){.format = format, .n = n, .k = k};
  if (k > SIZE_MAX / 4096) return 0;
  const cpu_format_info *f = cpu_format_of(format);
  if (f == NULL) {
    m->group_bytes = k * (format == CPU_F32 ? 64 : 32);
  } else {
    m->group_bytes = (k / 32 + cpu_unit_blocks(f->scales) - 1) / cpu_unit_blocks(f->scales) * cpu_unit_bytes(f);
  }
  m->group_bytes = (m->group_bytes + 63) / 64 * 64;
  return base_mul_size(groups, m->group_bytes, &bytes) ? bytes : 0;
}

size_t cpu_attention_scratch(size_t t, size_t heads, size_t hd) {
  (void)heads;
  return (t + 15) / 16 * 16 * (hd + 4);
}

static size_t cpu_kv_element(cpu_kv_type type) {
  return type == CPU_KV_F32 ? 4 : type == CPU_KV_F16 ? 2 : 1;
}

size_t cpu_kv_tile_bytes(cpu_kv_type type, size_t hd) {
  return hd * 16 * cpu_kv_element(type) + (type == CPU_KV_I8 ? 64 : 0);
}

size_t cpu_kv_row_bytes(cpu_kv_type type, size_t hd) {
  return (hd + 15) / 16 * 16 * cpu_kv_element(type) + (type == CPU_KV_I8 ? 64 : 0);
}

size_t cpu_attend_scratch(size_t positions) { return CPU_ATTEND_ROWS * (positions / 16 * 16 + 48); }

/* A block of A, a panel of B, and what it takes to align them. A multiple of 16, so that workers' parts stay
 * aligned. */
size_t cpu_gemm_f32_scratch(size_t n, size_t k) {
  size_t depth = k < CPU_GEMM_KC ? k : CPU_GEMM_KC;
  (void)n;
  return depth * (CPU_GEMM_MC + CPU_GEMM_NR_MAX) / 16 * 16 + 48;
}

typedef struct cpu_gemm_job {
  const cpu_kernels *kernels;
  bool ta, tb, add;
  size_t m, n, k, lda, ldb, ldc, rows, scratch_each;
  const float *a, *b;
  float *c, *scratch;
} cpu_gemm_job;

static void cpu_gemm_task(void *ctx, size_t index, int worker) {
  const cpu_gemm_job *j = ctx;
  size_t begin = index * j->rows, end = begin + j->rows < j->m ? begin + j->rows : j->m;
  j->kernels->gemm_f32_rows(j->ta, j->tb, j->m, j->n, j->k, j->a, j->lda, j->b, j->ldb, j->c, j->ldc, j->add,
                            begin, end, j->scratch + (size_t)worker * j->scratch_each);
}

void cpu_gemm_f32(const cpu_kernels *kernels, os_pool *pool, bool ta, bool tb, size_t m, size_t n, size_t k,
                  const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc, bool add,
                  float *scratch) {
  size_t threads = (size_t)os_pool_threads(pool), scratch_each = cpu_gemm_f32_scratch(n, k);
  /* As few pieces as balance allows, since each packs B again: equal ones, in whole tiles of 8 rows. */
  size_t share = (m + threads - 1) / threads, pieces = (share + CPU_GEMM_MC - 1) / CPU_GEMM_MC;
  size_t rows = pieces ? ((share + pieces - 1) / pieces + 7) / 8 * 8 : 8;
  cpu_gemm_job job = {kernels, ta, tb, add, m, n, k, lda, ldb, ldc, rows, scratch_each, a, b, c, scratch};
  if (m * n == 0) return;
  if (threads == 1) {
    kernels->gemm_f32_rows(ta, tb, m, n, k, a, lda, b, ldb, c, ldc, add, 0, m, scratch);
    return;
  }
  os_pool_run(pool, cpu_gemm_task, &job, (m + rows - 1) / rows);
}

static uint32_t cpu_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof(u));
  return u;
}
static float cpu_float(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof(x));
  return x;
}

/* The steps of the vector exp (body.h), one lane. */
float cpu_expf(float x) {
  x = CPU_EXP_LOW > x ? CPU_EXP_LOW : x;
  x = CPU_EXP_HIGH < x ? CPU_EXP_HIGH : x;
  float t = fmaf(x, CPU_EXP_LOG2E, CPU_EXP_MAGIC), minus_n = CPU_EXP_MAGIC - t;
  float r = fmaf(minus_n, CPU_LN2_LOW, fmaf(minus_n, CPU_LN2_HIGH, x));
  float p = fmaf(CPU_EXP_P4, r, CPU_EXP_P3);
  p = fmaf(p, r, CPU_EXP_P2);
  p = fmaf(p, r, CPU_EXP_P1);
  p = fmaf(p, r, CPU_EXP_P0);
  p = fmaf(p, r * r, r) + 1.0f;
  uint32_t n = cpu_bits(t) - cpu_bits(CPU_EXP_MAGIC), half = (n >> 1) | (n & UINT32_C(0x80000000));
  return p * cpu_float((half + 127u) << 23) * cpu_float((n - half + 127u) << 23);
}

/* log(x) = e ln 2 + log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)); log(1 + f) = f - f^2 / 2 + f^3 P(f), P of
 * degree 7 interpolated at the Chebyshev nodes (relative error 1.9e-8 before rounding). */
float cpu_logf(float x) {
  static const float c[8] = {0x1.555554p-2f, -0x1.0000cep-2f, 0x1.999f14p-3f, -0x1.54d03ep-3f,
                             0x1.231ce6p-3f, -0x1.0a33eap-3f, 0x1.02814ep-3f, -0x1.43b246p-4f};
  if (x < 0.0f || isnan(x)) return NAN;
  if (isinf(x)) return x;
  if (x == 0.0f) return -INFINITY;
  float e = 0.0f;
  if (x < 0x1p-126f) {
    x *= 0x1p24f;
    e = -24.0f;
  }
  /* Exponent of x / sqrt(1/2): adding the difference of the bit patterns of 1 and sqrt(1/2) carries. */
  uint32_t bits = cpu_bits(x) + (UINT32_C(0x3f800000) - UINT32_C(0x3f3504f3));
  e += (float)((int32_t)(bits >> 23) - 127);
  float f = cpu_float((bits & UINT32_C(0x007fffff)) + UINT32_C(0x3f3504f3)) - 1.0f;
  float p = c[7];
  for (int i = 6; i >= 0; i--) p = fmaf(p, f, c[i]);
  float f2 = f * f;
  float tail = fmaf(e, CPU_LN2_LOW, fmaf(f2 * f, p, -0.5f * f2));
  return fmaf(e, CPU_LN2_HIGH, f + tail);
}
