/* What AVX2 and AVX-512 share. */
#ifndef CPU_VEC_X86_H
#define CPU_VEC_X86_H

#include <immintrin.h>

static inline void vec_transpose4(const float *src, size_t src_ld, float *dst, size_t dst_ld) {
  __m128 a = _mm_loadu_ps(src), b = _mm_loadu_ps(src + src_ld);
  __m128 c = _mm_loadu_ps(src + 2 * src_ld), d = _mm_loadu_ps(src + 3 * src_ld);
  __m128 ab_low = _mm_unpacklo_ps(a, b), ab_high = _mm_unpackhi_ps(a, b);
  __m128 cd_low = _mm_unpacklo_ps(c, d), cd_high = _mm_unpackhi_ps(c, d);
  _mm_storeu_ps(dst, _mm_movelh_ps(ab_low, cd_low));
  _mm_storeu_ps(dst + dst_ld, _mm_movehl_ps(cd_low, ab_low));
  _mm_storeu_ps(dst + 2 * dst_ld, _mm_movelh_ps(ab_high, cd_high));
  _mm_storeu_ps(dst + 3 * dst_ld, _mm_movehl_ps(cd_high, ab_high));
}

/* the sum of 16 int8 */
static inline int32_t vec_sum16(const int8_t *p) {
  __m128i v = _mm_xor_si128(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8((char)-128));
  __m128i s = _mm_sad_epu8(v, _mm_setzero_si128());
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_unpackhi_epi64(s, s))) - 128 * 16;
}

#endif
