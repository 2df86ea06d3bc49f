/* Every kernel once, in terms of the 16-lane vector that the including file chose (vec_*.h). That file also
 * defines CPU_TABLE and CPU_TABLE_NAME; all functions are static, so several instruction sets link side by
 * side. */
#if defined(VEC_PLAIN) /* nothing to keep in registers: expanding would only make it slow to compile */
#define BODY_INLINE static inline
#define BODY_UNROLL
#else
#define BODY_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define BODY_UNROLL _Pragma("clang loop unroll(full)")
#else
#define BODY_UNROLL _Pragma("GCC unroll 32")
#endif
#endif

/* A row is handled in steps of 16; the last step may be shorter and counts as padded with zeros. */
BODY_INLINE size_t body_step(size_t left) { return left < 16 ? left : 16; }
BODY_INLINE vf body_load(const float *p, size_t n) { return n == 16 ? vf_load(p) : vf_load_or(p, n, 0.0f); }
BODY_INLINE void body_store(float *p, vf v, size_t n) {
  if (n == 16)
    vf_store(p, v);
  else
    vf_store_n(p, v, n);
}

BODY_INLINE vf body_exp(vf x) {
  vf magic = vf_set1(CPU_EXP_MAGIC);
  x = vf_min(vf_set1(CPU_EXP_HIGH), vf_max(vf_set1(CPU_EXP_LOW), x)); /* this order keeps NaN */
  vf t = vf_fma(x, vf_set1(CPU_EXP_LOG2E), magic);
  vf minus_n = vf_sub(magic, t);
  vf r = vf_fma(minus_n, vf_set1(CPU_LN2_LOW), vf_fma(minus_n, vf_set1(CPU_LN2_HIGH), x));
  vf p = vf_fma(vf_set1(CPU_EXP_P4), r, vf_set1(CPU_EXP_P3));
  p = vf_fma(p, r, vf_set1(CPU_EXP_P2));
  p = vf_fma(p, r, vf_set1(CPU_EXP_P1));
  p = vf_fma(p, r, vf_set1(CPU_EXP_P0));
  p = vf_add(vf_fma(p, vf_mul(r, r), r), vf_set1(1.0f));
#if defined(VEC_SCALE) /* rounds once, as the two factors do */
  return vf_scale(p, vf_neg(minus_n));
#else
  vf first, second;
  vf_pow2_halves(t, &first, &second);
  return vf_mul(vf_mul(p, first), second);
#endif
}

enum { BODY_EXPS = 4 };

/* exp(sign x) of n vectors, in place, sign 1 or -1, the shorter way: |x| <= CPU_EXP_BOUND. Step by step for all of
 * them: one after another they would fill what the processor looks ahead. */
BODY_INLINE void body_exp_bounded(size_t n, vf *x, float sign) {
  static const float coefficient[] = {CPU_EXP2_P4, CPU_EXP2_P3, CPU_EXP2_P2, CPU_EXP2_P1, CPU_EXP2_P0, 1.0f};
  vf magic = vf_set1(CPU_EXP_MAGIC), log2e = vf_set1(sign * CPU_EXP_LOG2E), t[BODY_EXPS], p[BODY_EXPS];
  BODY_UNROLL
  for (size_t i = 0; i < n; i++) t[i] = vf_fma(x[i], log2e, magic);
  BODY_UNROLL
  for (size_t i = 0; i < n; i++) x[i] = vf_fma(x[i], log2e, vf_sub(magic, t[i]));
  BODY_UNROLL
  for (size_t i = 0; i < n; i++) p[i] = vf_set1(CPU_EXP2_P5);
  BODY_UNROLL
  for (size_t k = 0; k < 6; k++) {
    BODY_UNROLL
    for (size_t i = 0; i < n; i++) p[i] = vf_fma(p[i], x[i], vf_set1(coefficient[k]));
  }
  BODY_UNROLL
  for (size_t i = 0; i < n; i++) x[i] = vf_pow2(p[i], t[i]);
}

#include "cpu/body_gemm_f32.h"
#include "cpu/body_rows.h"
#include "cpu/body_train.h"
#include "cpu/body_i8.h"
#include "cpu/body_attention.h"
#include "cpu/body_attend.h"
#include "cpu/body_matrix.h"
#include "cpu/body_measure.h"

const cpu_kernels CPU_TABLE = {
    .name = CPU_TABLE_NAME,
    .quantize_i8 = body_quantize_i8,
    .gemm_i8 = body_gemm_i8,
    .attention = body_attention,
    .quantize_blocks = body_quantize_blocks,
    .matrix_mul = body_matrix_mul,
    .kv_put = body_kv_put,
    .attend = body_attend_cache,
    .rmsnorm = body_rmsnorm,
    .softmax = body_softmax,
    .logsumexp = body_logsumexp,
    .silu_mul = body_silu_mul,
    .swiglu = body_swiglu,
    .rope = body_rope,
    .rope_halves = body_rope_halves,
    .rope_pairs = body_rope_pairs,
    .soft_cap = body_soft_cap,
    .gelu_mul = body_gelu_mul,
    .dot = body_dot,
    .axpy = body_axpy,
    .add = body_add,
    .exp = body_exp_row,
    .read = body_read,
    .peak_i8 = body_peak_i8,
    .peak_f32 = body_peak_f32,
    .gemm_f32_rows = body_gemm_f32_rows,
    .rmsnorm_backward = body_rmsnorm_backward,
    .silu_mul_backward = body_silu_mul_backward,
    .adamw = body_adamw,
};
