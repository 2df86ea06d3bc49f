/* The vector of 16 floats as one AVX-512 register; int8 products by VNNI, which multiplies unsigned by signed
 * bytes, so activations carry +128 and vi_unbias takes it out again. */
#ifndef CPU_VEC_AVX512_H
#define CPU_VEC_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "cpu/cpu_tables.h"

typedef __m512 vf;
typedef __m512i vi;
typedef __m512i vw;
typedef __m512i va;

#define VEC_GEMM_MR 8
#define VEC_GEMM_NV 2
#define VEC_I8_G 2
#define VEC_I8_BIAS 128

static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf vf_abs(vf a) { return _mm512_abs_ps(a); }
static inline vf vf_neg(vf a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }

static inline __mmask16 vec_mask(size_t n) { return (__mmask16)((1u << n) - 1u); }
static inline void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
static inline void vf_store_n(float *p, vf v, size_t n) { _mm512_mask_storeu_ps(p, vec_mask(n), v); }
static inline vf vf_load_or(const float *p, size_t n, float fill) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), vec_mask(n), p);
}

static inline vf vf_first(vf v, size_t n, float fill) {
  return _mm512_mask_mov_ps(_mm512_set1_ps(fill), vec_mask(n), v);
}

static inline float vf_sum(vf v) {
  __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
static inline float vf_max_fold(vf v) {
  __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

/* v * 2^n in place of nine operations on exponents: a vector of SiLU in 5.1 ns, not 6.3. Lanes that come to 0 whatever
 * v in [0.7, 1.5] are left out (masked scores): underflow costs tens of nanoseconds. */
#define VEC_SCALE
static inline vf vf_scale(vf v, vf n) {
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(n, _mm512_set1_ps(-150.0f), _CMP_NLT_UQ), v, n);
}

static inline vf vf_pow2(vf p, vf t) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(t), 23)));
}

static inline void vf_store_i8(int8_t *p, vf v, size_t n) {
  _mm_mask_storeu_epi8(p, vec_mask(n), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

static inline vi vi_zero(void) { return _mm512_setzero_si512(); }
static inline vw vw_load(const int8_t *p) { return _mm512_loadu_si512(p); }
static inline va va_set4(const int8_t *p) {
  int32_t word;
  memcpy(&word, p, 4);
  return _mm512_xor_si512(_mm512_set1_epi32(word), _mm512_set1_epi8((char)-128));
}
static inline vi vi_dot(vi acc, vw w, va a) { return _mm512_dpbusd_epi32(acc, a, w); }
static inline vf vi_unbias(vi acc, const int32_t *row_sum) {
  return _mm512_cvtepi32_ps(_mm512_sub_epi32(acc, _mm512_slli_epi32(_mm512_loadu_si512(row_sum), 7)));
}

static inline vf vf_swap_pairs(vf v) { return _mm512_permute_ps(v, 0xb1); }

/* ---- packed matrices: 64 bytes of quants ---- */

typedef __m512i vb;
#define VEC_SCORES 16 /* vectors of scores in registers: below 16 the latency shows */
#define VEC_TOKENS 16
#define VEC_CHAINS 4 /* of them at once, to hide the latency of products */
#define VEC_WIDE_BIAS 128 /* what vb_load_wide adds to signed quants for vi_dot_wide */

/* Loaded once: gcc would load again for every use, and two loads a cycle are what limits unpacking (a token alone, 4
 * bits, weights in the second-level cache: 46 to 51 GB/s). */
static inline vb vb_load(const void *p) {
  vb v = _mm512_loadu_si512(p);
  __asm__("" : "+v"(v));
  return v;
}
static inline vb vb_load_wide(const void *p) {
  vb v = _mm512_xor_si512(_mm512_loadu_si512(p), _mm512_set1_epi8((char)-128));
  __asm__("" : "+v"(v));
  return v;
}
static inline vb vb_and(vb a, int mask) { return _mm512_and_si512(a, _mm512_set1_epi8((char)mask)); }
static inline vb vb_or(vb a, vb b) { return _mm512_or_si512(a, b); }
/* the headers of gcc and clang differ about the sign of a count */
#ifdef __clang__
typedef unsigned vec_count;
#else
typedef int vec_count;
#endif
static inline vb vb_shl(vb a, int n) { return _mm512_slli_epi16(a, (vec_count)n); }
static inline vb vb_shr(vb a, int n) { return _mm512_srli_epi16(a, (vec_count)n); }

static inline void vb_store(void *p, vb a) { _mm512_storeu_si512(p, a); }
static inline vb vb_less(vb a, int n) { return _mm512_sub_epi8(a, _mm512_set1_epi8((char)n)); }
/* 16 values, `stride` bytes apart */
static inline vi vi_gather(const void *p, size_t stride) {
  __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_i32gather_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32((int)stride)), p, 1);
}
static inline vf vf_gather(const void *p, size_t stride) { return _mm512_castsi512_ps(vi_gather(p, stride)); }
static inline vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
static inline vf vf_of_i32(const int32_t *p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }

static inline vi vi_set1(int32_t x) { return _mm512_set1_epi32(x); }
/* Assembler: gcc loads the four bytes apart, and the decoders are what limits this. */
static inline vi vi_dot_small(vi acc, vb w, const int8_t *x) {
  __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(w), "m"(*(const int32_t(*)[1])(const void *)x));
  return acc;
}
static inline vi vi_dot_wide(vi acc, vb w, const int8_t *x) { return vi_dot_small(acc, w, x); }
static inline vf vf_of_vi(vi a) { return _mm512_cvtepi32_ps(a); }
static inline vf vf_half(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static inline void vf_store_half(void *p, vf v) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline vf vf_bhalf(const void *p) {
  __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
static inline bool vf_has_nan(vf v) { return _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q) != 0; }
static inline vf vf_u8(const void *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline vf vf_i8(const void *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

#include "cpu/vec_x86.h"

/* ---- a whole span of activations at once, or four narrow ones: 9.2 ns a block of 32 otherwise, which was a tenth of a
 * prefill ---- */

#define VEC_QUANTIZE_SPAN

/* The largest magnitudes of four blocks, in all lanes of a quarter each; not narrow: of all four, everywhere. */
static inline __m512 vec_span_max(const float *x, bool narrow) {
  __m512 m[4];
  for (int b = 0; b < 4; b++) /* of both magnitudes the larger, without a sign */
    m[b] = _mm512_range_ps(_mm512_loadu_ps(x + 32 * b), _mm512_loadu_ps(x + 32 * b + 16), 11);
  if (!narrow) return vf_set1(vf_max_fold(_mm512_max_ps(_mm512_max_ps(m[0], m[1]), _mm512_max_ps(m[2], m[3]))));
  __m512 first = _mm512_max_ps(_mm512_shuffle_f32x4(m[0], m[1], 0x44), _mm512_shuffle_f32x4(m[0], m[1], 0xEE));
  __m512 last = _mm512_max_ps(_mm512_shuffle_f32x4(m[2], m[3], 0x44), _mm512_shuffle_f32x4(m[2], m[3], 0xEE));
  __m512 lane = _mm512_max_ps(_mm512_shuffle_f32x4(first, last, 0x88), _mm512_shuffle_f32x4(first, last, 0xDD));
  lane = _mm512_max_ps(lane, _mm512_permute_ps(lane, 0x4E));
  return _mm512_max_ps(lane, _mm512_permute_ps(lane, 0xB1));
}

static inline __m512i vec_whole(const float *x, __m512 factor) {
  return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), factor));
}

/* Two blocks, times their factors, as bytes: packing saturates at 127, and -128 (which NaN becomes) is made -127. */
static inline __m512i vec_bytes_two(const float *x, __m512 first, __m512 second) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i low = _mm512_packs_epi32(vec_whole(x, first), vec_whole(x + 16, first));
  __m512i high = _mm512_packs_epi32(vec_whole(x + 32, second), vec_whole(x + 48, second));
  __m512i bytes = _mm512_max_epi8(_mm512_packs_epi16(low, high), _mm512_set1_epi8(-127));
  return _mm512_permutexvar_epi32(order, bytes);
}

/* The sum of each quarter's bytes, in all of the quarter. */
static inline __m512i vec_quarter_sums(__m512i bytes) {
  __m512i s = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes);
  s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_BADC));
  return _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_CDAB));
}

/* A block's factor out of its quarter, everywhere. */
#define VEC_QUARTER(v, b) _mm512_shuffle_f32x4(v, v, (b) * 0x55)

/* 128 values to q [128] and block [4]. */
static inline void vec_quantize_span(const float *x, bool narrow, int8_t *q, cpu_block *block) {
  __m512 max = vec_span_max(x, narrow), high = _mm512_set1_ps(127.0f);
  __mmask16 some = _mm512_cmp_ps_mask(max, _mm512_set1_ps(CPU_QUANT_TINY), _CMP_GE_OQ);
  __m512 factor = _mm512_maskz_div_ps(some, high, max);
  __m512i scale = _mm512_castps_si512(_mm512_maskz_div_ps(some, max, high)), zero = _mm512_setzero_si512();
  __m512i low = vec_bytes_two(x, VEC_QUARTER(factor, 0), VEC_QUARTER(factor, 1));
  __m512i top = vec_bytes_two(x + 64, VEC_QUARTER(factor, 2), VEC_QUARTER(factor, 3));
  _mm512_storeu_si512(q, low);
  _mm512_storeu_si512(q + 64, top);
  __m512i sums_low = vec_quarter_sums(low), sums_top = vec_quarter_sums(top);
  __m512i half = _mm512_shuffle_i32x4(sums_low, sums_top, 0x88);
  __m512i sum = _mm512_add_epi32(half, _mm512_shuffle_i32x4(sums_low, sums_top, 0xDD));
  __m512i out = _mm512_mask_sub_epi32(scale, 0x2222, zero, _mm512_slli_epi32(sum, 7)); /* -128 times it */
  out = _mm512_mask_mov_epi32(out, 0x4444, _mm512_castps_si512(_mm512_cvtepi32_ps(sum)));
  out = _mm512_mask_sub_epi32(out, 0x8888, zero, _mm512_slli_epi32(half, 7));
  _mm512_storeu_si512(block, out);
}

#endif
