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

/* 16 by 16 floats, ld apart, turned around: t[i] are the elements i of all. Not by way of memory: loads over several
 * stores wait for all of them (a tile of keys, 32 long: 260 to 96 ns). */
#define VEC_TURN
static inline void vec_turn(const vf *row, vf *t) {
  vf a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(row[i], row[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps(row[i], row[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) { /* b[i + k]: in quarter q the elements 4 q + k of rows i to i + 3 */
    b[i] = (vf)_mm512_unpacklo_pd((__m512d)a[i], (__m512d)a[i + 2]);
    b[i + 1] = (vf)_mm512_unpackhi_pd((__m512d)a[i], (__m512d)a[i + 2]);
    b[i + 2] = (vf)_mm512_unpacklo_pd((__m512d)a[i + 1], (__m512d)a[i + 3]);
    b[i + 3] = (vf)_mm512_unpackhi_pd((__m512d)a[i + 1], (__m512d)a[i + 3]);
  }
  for (int k = 0; k < 4; k++) {
    vf even = _mm512_shuffle_f32x4(b[k], b[k + 4], 0x88), more_even = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0x88);
    vf odd = _mm512_shuffle_f32x4(b[k], b[k + 4], 0xDD), more_odd = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0xDD);
    t[k] = _mm512_shuffle_f32x4(even, more_even, 0x88);
    t[k + 4] = _mm512_shuffle_f32x4(odd, more_odd, 0x88);
    t[k + 8] = _mm512_shuffle_f32x4(even, more_even, 0xDD);
    t[k + 12] = _mm512_shuffle_f32x4(odd, more_odd, 0xDD);
  }
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
/* n values, `stride` bytes apart, and zeros */
static inline vi vi_gather(const void *p, size_t stride, size_t n) {
  __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  lane = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)stride));
  return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), vec_mask(n), lane, p, 1);
}
static inline vf vf_gather(const void *p, size_t stride, size_t n) {
  return _mm512_castsi512_ps(vi_gather(p, stride, n));
}
static inline vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
static inline vf vf_of_i32(const int32_t *p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }

static inline vi vi_set1(int32_t x) { return _mm512_set1_epi32(x); }
/* Assembler: gcc loads the four bytes apart, and the decoders are what limits this. */
static inline vi vi_dot_small(vi acc, vb w, const int8_t *x) {
  __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(w), "m"(*(const int32_t(*)[1])(const void *)x));
  return acc;
}
/* start + a block of 4 bits times a token. High nibbles stay where they are, 16 times too large, and what they come to
 * is shifted back, which is exact: 56 to 60 GB/s for a token alone, weights in the second-level cache. */
#define VEC_NIBBLES
static inline vi vi_dot_nibbles(vi start, const unsigned char *plane, const int8_t *x) {
  vi high = vi_zero();
  for (int c = 0; c < 4; c++) {
    vb pair = vb_load(plane + c * 64);
    start = vi_dot_small(start, vb_and(pair, 0x0F), x + c * 4);
    high = vi_dot_small(high, vb_and(pair, 0xF0), x + 16 + c * 4);
  }
  return _mm512_add_epi32(start, _mm512_srai_epi32(high, 4));
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
 * prefill. `blocks` says how many there are (a constant but at the end of a row). ---- */

#define VEC_QUANTIZE_ROWS

static inline __m512 vec_span_load(const float *x, int b, int half, int blocks) {
  const float *from = x + 32 * b + 16 * half;
  return blocks == 4 ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(b < blocks ? 0xFFFF : 0, from);
}

/* The largest magnitudes of four blocks, a lane each; not narrow: of all four, everywhere. */
static inline __m128 vec_span_max(const float *x, bool narrow, int blocks) {
  __m512 m[4];
  for (int b = 0; b < 4; b++) /* of both magnitudes the larger, without a sign */
    m[b] = _mm512_range_ps(vec_span_load(x, b, 0, blocks), vec_span_load(x, b, 1, blocks), 11);
  if (!narrow) return _mm_set1_ps(vf_max_fold(_mm512_max_ps(_mm512_max_ps(m[0], m[1]), _mm512_max_ps(m[2], m[3]))));
  __m512 a = _mm512_max_ps(_mm512_unpacklo_ps(m[0], m[1]), _mm512_unpackhi_ps(m[0], m[1])); /* of 0 1 0 1 */
  __m512 b = _mm512_max_ps(_mm512_unpacklo_ps(m[2], m[3]), _mm512_unpackhi_ps(m[2], m[3])); /* of 2 3 2 3 */
  __m512 all = _mm512_max_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xEE)); /* of 0 1 2 3 */
  __m256 half = _mm256_max_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  return _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

/* What the four blocks of a span are divided and multiplied by. Four lanes: sixteen would take four times as long. */
typedef struct vec_span {
  __m128 factor, scale;
} vec_span;

static inline vec_span vec_span_scales(const float *x, bool narrow, int blocks) {
  __m128 max = vec_span_max(x, narrow, blocks), high = _mm_set1_ps(127.0f);
  __mmask8 some = _mm_cmp_ps_mask(max, _mm_set1_ps(CPU_QUANT_TINY), _CMP_GE_OQ);
  return (vec_span){_mm_maskz_div_ps(some, high, max), _mm_maskz_div_ps(some, max, high)};
}

/* Block b, times lane b of the factors, as 16-bit integers. */
#define VEC_WORDS(b) vec_words(x, _mm512_broadcastss_ps(_mm_permute_ps(s->factor, (b) * 0x55)), b, blocks)
static inline __m512i vec_words(const float *x, __m512 factor, int b, int blocks) {
  return _mm512_packs_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(vec_span_load(x, b, 0, blocks), factor)),
                            _mm512_cvtps_epi32(_mm512_mul_ps(vec_span_load(x, b, 1, blocks), factor)));
}

/* Two blocks as bytes: packing saturates at 127, and -128 (which NaN becomes) is made -127. */
static inline __m512i vec_bytes(__m512i low, __m512i high) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i bytes = _mm512_max_epi8(_mm512_packs_epi16(low, high), _mm512_set1_epi8(-127));
  return _mm512_permutexvar_epi32(order, bytes);
}

/* The sum of each quarter's bytes, in all of the quarter. */
static inline __m512i vec_quarter_sums(__m512i bytes) {
  __m512i s = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes);
  s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_BADC));
  return _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_CDAB));
}

/* To q [32 blocks] and block [blocks]. */
static inline void vec_quantize_span(const float *x, const vec_span *s, int blocks, int8_t *q, cpu_block *block) {
  __m512i zero = _mm512_setzero_si512();
  __m512i scale = _mm512_castps_si512(_mm512_maskz_expand_ps(0x1111, _mm512_castps128_ps512(s->scale)));
  __m512i low = vec_bytes(VEC_WORDS(0), VEC_WORDS(1)), top = vec_bytes(VEC_WORDS(2), VEC_WORDS(3));
  __m512i sums_low = vec_quarter_sums(low), sums_top = vec_quarter_sums(top);
  __m512i half = _mm512_shuffle_i32x4(sums_low, sums_top, 0x88);
  __m512i sum = _mm512_add_epi32(half, _mm512_shuffle_i32x4(sums_low, sums_top, 0xDD));
  __m512i out = _mm512_mask_sub_epi32(scale, 0x2222, zero, _mm512_slli_epi32(sum, 7)); /* -128 times it */
  out = _mm512_mask_mov_epi32(out, 0x4444, _mm512_castps_si512(_mm512_cvtepi32_ps(sum)));
  out = _mm512_mask_sub_epi32(out, 0x8888, zero, _mm512_slli_epi32(half, 7));
  if (blocks == 4) {
    _mm512_storeu_si512(q, low);
    _mm512_storeu_si512(q + 64, top);
    _mm512_storeu_si512(block, out);
    return;
  }
  _mm512_mask_storeu_epi8(q, blocks < 2 ? 0xFFFFFFFF : ~(__mmask64)0, low);
  if (blocks == 3) _mm512_mask_storeu_epi8(q + 64, 0xFFFFFFFF, top);
  _mm512_mask_storeu_epi32(block, vec_mask(4 * (size_t)blocks), out);
}

/* Rows are taken in chunks of spans, over their ends: the scales of a chunk first, since what waits for its span's
 * division would fill what the processor looks ahead (4.5 to 3.4 ns a block). */
enum { VEC_SPANS = 8 };

static inline void vec_next_span(const cpu_rows *r, size_t *row, size_t *from) {
  *from += CPU_SPAN;
  if (*from < r->k) return;
  *from = 0;
  ++*row;
}

static inline void vec_quantize_rows(const cpu_rows *r) {
  vec_span s[VEC_SPANS];
  for (size_t row = 0, from = 0; row < r->rows;) {
    size_t in_row = row, at = from, n = 0;
    for (; n < VEC_SPANS && in_row < r->rows; n++, vec_next_span(r, &in_row, &at)) {
      const float *x = r->x + in_row * r->ldx + at;
      if (r->k - at >= CPU_SPAN) s[n] = vec_span_scales(x, r->to->narrow, 4);
      else s[n] = vec_span_scales(x, r->to->narrow, (int)(r->k - at) / 32);
    }
    for (size_t i = 0; i < n; i++, vec_next_span(r, &row, &from)) {
      const float *x = r->x + row * r->ldx + from;
      int8_t *q = cpu_rows_q(r, row) + from;
      cpu_block *block = cpu_rows_block(r, row) + from / 32;
      if (r->k - from >= CPU_SPAN) vec_quantize_span(x, &s[i], 4, q, block);
      else vec_quantize_span(x, &s[i], (int)(r->k - from) / 32, q, block);
    }
  }
}

#endif
