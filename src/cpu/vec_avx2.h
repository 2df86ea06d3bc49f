/* The vector of 16 floats as two AVX registers. int8 products: |w| times the activation with w's sign, so
 * that pairs stay within 16 bits (128 * 127 * 2 = 32512) and nothing saturates; q is never -128. */
#ifndef CPU_VEC_AVX2_H
#define CPU_VEC_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "cpu/cpu_tables.h"

typedef struct vf {
  __m256 a, b;
} vf;
typedef struct vi {
  __m256i a, b;
} vi;
typedef struct vw {
  __m256i a, b, abs_a, abs_b;
} vw;
typedef __m256i va;

#define VEC_GEMM_MR 6
#define VEC_GEMM_NV 1
#define VEC_I8_G 1
#define VEC_I8_BIAS 0

#define VEC_BOTH(op)                   \
  vf r = {op(x.a, y.a), op(x.b, y.b)}; \
  return r

static inline vf vf_set1(float x) {
  __m256 v = _mm256_set1_ps(x);
  vf r = {v, v};
  return r;
}
static inline vf vf_load(const float *p) {
  vf r = {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
  return r;
}
static inline vf vf_add(vf x, vf y) { VEC_BOTH(_mm256_add_ps); }
static inline vf vf_sub(vf x, vf y) { VEC_BOTH(_mm256_sub_ps); }
static inline vf vf_mul(vf x, vf y) { VEC_BOTH(_mm256_mul_ps); }
static inline vf vf_div(vf x, vf y) { VEC_BOTH(_mm256_div_ps); }
static inline vf vf_max(vf x, vf y) { VEC_BOTH(_mm256_max_ps); }
static inline vf vf_min(vf x, vf y) { VEC_BOTH(_mm256_min_ps); }
static inline vf vf_sqrt(vf x) {
  vf r = {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)};
  return r;
}
static inline vf vf_fma(vf x, vf y, vf z) {
  vf r = {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
  return r;
}
static inline vf vf_abs(vf x) {
  __m256 sign = _mm256_set1_ps(-0.0f);
  vf r = {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
  return r;
}
static inline vf vf_neg(vf x) {
  __m256 sign = _mm256_set1_ps(-0.0f);
  vf r = {_mm256_xor_ps(sign, x.a), _mm256_xor_ps(sign, x.b)};
  return r;
}

/* All ones in lanes start + i < n. */
static inline __m256i vec_mask(size_t n, int start) {
  __m256i lane = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(start));
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}
static inline void vf_store(float *p, vf v) {
  _mm256_storeu_ps(p, v.a);
  _mm256_storeu_ps(p + 8, v.b);
}
static inline void vf_store_n(float *p, vf v, size_t n) {
  _mm256_maskstore_ps(p, vec_mask(n, 0), v.a);
  if (n > 8) _mm256_maskstore_ps(p + 8, vec_mask(n, 8), v.b);
}
static inline vf vf_load_or(const float *p, size_t n, float fill) {
  __m256i low = vec_mask(n, 0), high = vec_mask(n, 8);
  __m256 f = _mm256_set1_ps(fill), b = n > 8 ? _mm256_maskload_ps(p + 8, high) : f;
  vf r = {_mm256_blendv_ps(f, _mm256_maskload_ps(p, low), _mm256_castsi256_ps(low)),
          _mm256_blendv_ps(f, b, _mm256_castsi256_ps(high))};
  return r;
}

static inline vf vf_first(vf v, size_t n, float fill) {
  __m256 f = _mm256_set1_ps(fill);
  vf r = {_mm256_blendv_ps(f, v.a, _mm256_castsi256_ps(vec_mask(n, 0))),
          _mm256_blendv_ps(f, v.b, _mm256_castsi256_ps(vec_mask(n, 8)))};
  return r;
}

static inline float vf_sum(vf v) {
  __m256 a = _mm256_add_ps(v.a, v.b);
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
static inline float vf_max_fold(vf v) {
  __m256 a = _mm256_max_ps(v.a, v.b);
  __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

static inline void vec_pow2_halves8(__m256 t, __m256 *first, __m256 *second) {
  __m256i one = _mm256_set1_epi32(127);
  __m256i n = _mm256_sub_epi32(_mm256_castps_si256(t), _mm256_castps_si256(_mm256_set1_ps(CPU_EXP_MAGIC)));
  __m256i half = _mm256_srai_epi32(n, 1);
  *first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, one), 23));
  *second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(n, half), one), 23));
}
static inline void vf_pow2_halves(vf t, vf *first, vf *second) {
  vec_pow2_halves8(t.a, &first->a, &second->a);
  vec_pow2_halves8(t.b, &first->b, &second->b);
}

static inline void vf_store_i8(int8_t *p, vf v, size_t n) {
  __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(v.a), _mm256_cvtps_epi32(v.b));
  words = _mm256_permute4x64_epi64(words, 0xd8);
  __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  if (n == 16) {
    _mm_storeu_si128((__m128i *)p, bytes);
    return;
  }
  int8_t all[16];
  _mm_storeu_si128((__m128i *)all, bytes);
  memcpy(p, all, n);
}

static inline vi vi_zero(void) {
  vi r = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  return r;
}
static inline vw vw_load(const int8_t *p) {
  vw r;
  r.a = _mm256_loadu_si256((const __m256i *)p);
  r.b = _mm256_loadu_si256((const __m256i *)(p + 32));
  r.abs_a = _mm256_abs_epi8(r.a);
  r.abs_b = _mm256_abs_epi8(r.b);
  return r;
}
static inline va va_set4(const int8_t *p) {
  int32_t word;
  memcpy(&word, p, 4);
  return _mm256_set1_epi32(word);
}
static inline vi vi_dot(vi acc, vw w, va a) {
  __m256i one = _mm256_set1_epi16(1);
  __m256i x = _mm256_maddubs_epi16(w.abs_a, _mm256_sign_epi8(a, w.a));
  __m256i y = _mm256_maddubs_epi16(w.abs_b, _mm256_sign_epi8(a, w.b));
  acc.a = _mm256_add_epi32(acc.a, _mm256_madd_epi16(x, one));
  acc.b = _mm256_add_epi32(acc.b, _mm256_madd_epi16(y, one));
  return acc;
}
static inline vf vi_unbias(vi acc, const int32_t *row_sum) {
  (void)row_sum;
  vf r = {_mm256_cvtepi32_ps(acc.a), _mm256_cvtepi32_ps(acc.b)};
  return r;
}

#undef VEC_BOTH
#include "cpu/vec_x86.h"

#endif
