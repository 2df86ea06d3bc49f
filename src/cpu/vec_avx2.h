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

static inline __m256 vec_pow2_8(__m256 p, __m256 t) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(t), 23)));
}
static inline vf vf_pow2(vf p, vf t) {
  vf r = {vec_pow2_8(p.a, t.a), vec_pow2_8(p.b, t.b)};
  return r;
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

static inline vf vf_swap_pairs(vf v) {
  vf r = {_mm256_permute_ps(v.a, 0xb1), _mm256_permute_ps(v.b, 0xb1)};
  return r;
}

/* ---- packed matrices: 64 bytes of quants ---- */

typedef struct vb {
  __m256i a, b;
} vb;
#define VEC_SCORES 8
#define VEC_TOKENS 4
#define VEC_CHAINS 1
#define VEC_WIDE_BIAS 0

static inline vb vb_load(const void *p) {
  const __m256i *v = (const __m256i *)p;
  vb r = {_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1)};
  return r;
}
static inline vb vb_load_wide(const void *p) { return vb_load(p); }
static inline vb vb_and(vb x, int mask) {
  __m256i m = _mm256_set1_epi8((char)mask);
  vb r = {_mm256_and_si256(x.a, m), _mm256_and_si256(x.b, m)};
  return r;
}
static inline vb vb_or(vb x, vb y) {
  vb r = {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)};
  return r;
}
static inline vb vb_shl(vb x, int n) {
  vb r = {_mm256_slli_epi16(x.a, n), _mm256_slli_epi16(x.b, n)};
  return r;
}
static inline vb vb_shr(vb x, int n) {
  vb r = {_mm256_srli_epi16(x.a, n), _mm256_srli_epi16(x.b, n)};
  return r;
}

static inline vi vi_set1(int32_t x) {
  vi r = {_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
  return r;
}
static inline vi vi_dot_small(vi acc, vb w, const int8_t *x) {
  __m256i a = va_set4(x), one = _mm256_set1_epi16(1);
  acc.a = _mm256_add_epi32(acc.a, _mm256_madd_epi16(_mm256_maddubs_epi16(w.a, a), one));
  acc.b = _mm256_add_epi32(acc.b, _mm256_madd_epi16(_mm256_maddubs_epi16(w.b, a), one));
  return acc;
}
/* Less the bias: signed bytes, |w| times x with w's sign, which stays within 16 bits. */
static inline vi vi_dot_wide(vi acc, vb w, const int8_t *x) {
  vw v = {.a = w.a, .b = w.b, .abs_a = _mm256_abs_epi8(w.a), .abs_b = _mm256_abs_epi8(w.b)};
  return vi_dot(acc, v, va_set4(x));
}
static inline vf vf_of_vi(vi x) {
  vf r = {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
  return r;
}
static inline vf vf_half(const void *p) {
  const __m128i *v = (const __m128i *)p;
  vf r = {_mm256_cvtph_ps(_mm_loadu_si128(v)), _mm256_cvtph_ps(_mm_loadu_si128(v + 1))};
  return r;
}
static inline void vf_store_half(void *p, vf v) {
  __m128i *to = (__m128i *)p;
  _mm_storeu_si128(to, _mm256_cvtps_ph(v.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  _mm_storeu_si128(to + 1, _mm256_cvtps_ph(v.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline __m256 vec_bhalf8(__m128i x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}
static inline vf vf_bhalf(const void *p) {
  const __m128i *v = (const __m128i *)p;
  vf r = {vec_bhalf8(_mm_loadu_si128(v)), vec_bhalf8(_mm_loadu_si128(v + 1))};
  return r;
}
static inline vf vf_u8(const void *p) {
  __m128i v = _mm_loadu_si128((const __m128i *)p);
  vi r = {_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8))};
  return vf_of_vi(r);
}
static inline vf vf_i8(const void *p) {
  __m128i v = _mm_loadu_si128((const __m128i *)p);
  vi r = {_mm256_cvtepi8_epi32(v), _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8))};
  return vf_of_vi(r);
}

#undef VEC_BOTH
#include "cpu/vec_x86.h"

#endif
