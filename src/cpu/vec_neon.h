/* The vector of 16 floats as four NEON registers; int8 products by the dot-product extension of Armv8.2. */
#ifndef CPU_VEC_NEON_H
#define CPU_VEC_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "cpu/cpu_tables.h"

typedef struct vf {
  float32x4_t a, b, c, d;
} vf;
typedef struct vi {
  int32x4_t a, b, c, d;
} vi;
typedef struct vw {
  int8x16_t a, b, c, d;
} vw;
typedef int8x16_t va;

#define VEC_GEMM_MR 6
#define VEC_GEMM_NV 1
#define VEC_I8_G 1
#define VEC_I8_BIAS 0

#define VEC_FOUR(...)   \
  vf r = {__VA_ARGS__}; \
  return r
#define VEC_BOTH(op) VEC_FOUR(op(x.a, y.a), op(x.b, y.b), op(x.c, y.c), op(x.d, y.d))
#define VEC_ONE(op) VEC_FOUR(op(x.a), op(x.b), op(x.c), op(x.d))

/* a > b ? a : b, so that NaN and signed zeros go the way they go everywhere else. */
static inline float32x4_t vec_max4(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline float32x4_t vec_min4(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }

static inline vf vf_set1(float x) {
  float32x4_t v = vdupq_n_f32(x);
  VEC_FOUR(v, v, v, v);
}
static inline vf vf_load(const float *p) {
  VEC_FOUR(vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12));
}
static inline vf vf_add(vf x, vf y) { VEC_BOTH(vaddq_f32); }
static inline vf vf_sub(vf x, vf y) { VEC_BOTH(vsubq_f32); }
static inline vf vf_mul(vf x, vf y) { VEC_BOTH(vmulq_f32); }
static inline vf vf_div(vf x, vf y) { VEC_BOTH(vdivq_f32); }
static inline vf vf_max(vf x, vf y) { VEC_BOTH(vec_max4); }
static inline vf vf_min(vf x, vf y) { VEC_BOTH(vec_min4); }
static inline vf vf_sqrt(vf x) { VEC_ONE(vsqrtq_f32); }
static inline vf vf_abs(vf x) { VEC_ONE(vabsq_f32); }
static inline vf vf_neg(vf x) { VEC_ONE(vnegq_f32); }
static inline vf vf_fma(vf x, vf y, vf z) {
  VEC_FOUR(vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
           vfmaq_f32(z.d, x.d, y.d));
}

static inline void vf_store(float *p, vf v) {
  vst1q_f32(p, v.a);
  vst1q_f32(p + 4, v.b);
  vst1q_f32(p + 8, v.c);
  vst1q_f32(p + 12, v.d);
}
static inline void vf_store_n(float *p, vf v, size_t n) {
  if (n == 16) {
    vf_store(p, v);
    return;
  }
  float all[16];
  vf_store(all, v);
  memcpy(p, all, n * sizeof(float));
}
static inline vf vf_load_or(const float *p, size_t n, float fill) {
  float all[16];
  if (n == 16) return vf_load(p);
  vf_store(all, vf_set1(fill));
  memcpy(all, p, n * sizeof(float));
  return vf_load(all);
}

static inline float32x4_t vec_first4(float32x4_t v, int n, float32x4_t fill) {
  static const int32_t lanes[4] = {0, 1, 2, 3};
  return vbslq_f32(vcltq_s32(vld1q_s32(lanes), vdupq_n_s32(n)), v, fill);
}
static inline vf vf_first(vf v, size_t n, float fill) {
  float32x4_t f = vdupq_n_f32(fill);
  int count = (int)n;
  VEC_FOUR(vec_first4(v.a, count, f), vec_first4(v.b, count - 4, f), vec_first4(v.c, count - 8, f),
           vec_first4(v.d, count - 12, f));
}

static inline float vf_sum(vf v) {
  float32x4_t s = vaddq_f32(vaddq_f32(v.a, v.c), vaddq_f32(v.b, v.d));
  float32x2_t t = vadd_f32(vget_low_f32(s), vget_high_f32(s));
  return vget_lane_f32(t, 0) + vget_lane_f32(t, 1);
}
static inline float vf_max_fold(vf v) {
  float32x4_t s = vec_max4(vec_max4(v.a, v.c), vec_max4(v.b, v.d));
  s = vec_max4(s, vextq_f32(s, s, 2));
  float first = vgetq_lane_f32(s, 0), second = vgetq_lane_f32(s, 1);
  return first > second ? first : second;
}

static inline void vec_pow2_halves4(float32x4_t t, float32x4_t *first, float32x4_t *second) {
  int32x4_t one = vdupq_n_s32(127);
  int32x4_t n = vsubq_s32(vreinterpretq_s32_f32(t), vreinterpretq_s32_f32(vdupq_n_f32(CPU_EXP_MAGIC)));
  int32x4_t half = vshrq_n_s32(n, 1);
  *first = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, one), 23));
  *second = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(n, half), one), 23));
}
static inline void vf_pow2_halves(vf t, vf *first, vf *second) {
  vec_pow2_halves4(t.a, &first->a, &second->a);
  vec_pow2_halves4(t.b, &first->b, &second->b);
  vec_pow2_halves4(t.c, &first->c, &second->c);
  vec_pow2_halves4(t.d, &first->d, &second->d);
}

static inline float32x4_t vec_pow2_4(float32x4_t p, float32x4_t t) {
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vreinterpretq_s32_f32(t), 23)));
}
static inline vf vf_pow2(vf x, vf y) { VEC_BOTH(vec_pow2_4); }

static inline void vf_store_i8(int8_t *p, vf v, size_t n) {
  int16x8_t low = vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(v.a)), vqmovn_s32(vcvtnq_s32_f32(v.b)));
  int16x8_t high = vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(v.c)), vqmovn_s32(vcvtnq_s32_f32(v.d)));
  int8x16_t bytes = vcombine_s8(vqmovn_s16(low), vqmovn_s16(high));
  int8_t all[16];
  vst1q_s8(all, bytes);
  memcpy(p, all, n);
}

static inline vi vi_zero(void) {
  int32x4_t z = vdupq_n_s32(0);
  vi r = {z, z, z, z};
  return r;
}
static inline vw vw_load(const int8_t *p) {
  vw r = {vld1q_s8(p), vld1q_s8(p + 16), vld1q_s8(p + 32), vld1q_s8(p + 48)};
  return r;
}
static inline va va_set4(const int8_t *p) {
  int32_t word;
  memcpy(&word, p, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(word));
}
static inline vi vi_dot(vi acc, vw w, va a) {
  vi r = {vdotq_s32(acc.a, w.a, a), vdotq_s32(acc.b, w.b, a), vdotq_s32(acc.c, w.c, a),
          vdotq_s32(acc.d, w.d, a)};
  return r;
}
static inline vf vi_unbias(vi acc, const int32_t *row_sum) {
  (void)row_sum;
  VEC_FOUR(vcvtq_f32_s32(acc.a), vcvtq_f32_s32(acc.b), vcvtq_f32_s32(acc.c), vcvtq_f32_s32(acc.d));
}

static inline void vec_transpose4(const float *src, size_t src_ld, float *dst, size_t dst_ld) {
  float32x4_t a = vld1q_f32(src), b = vld1q_f32(src + src_ld);
  float32x4_t c = vld1q_f32(src + 2 * src_ld), d = vld1q_f32(src + 3 * src_ld);
  float32x4x2_t ab = vtrnq_f32(a, b), cd = vtrnq_f32(c, d);
  vst1q_f32(dst, vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0])));
  vst1q_f32(dst + dst_ld, vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1])));
  vst1q_f32(dst + 2 * dst_ld, vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0])));
  vst1q_f32(dst + 3 * dst_ld, vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1])));
}

static inline vf vf_swap_pairs(vf x) { VEC_ONE(vrev64q_f32); }

/* ---- packed matrices: 64 bytes of quants ---- */

typedef struct vb {
  uint8x16_t a, b, c, d;
} vb;
#define VEC_SCORES 8
#define VEC_TOKENS 4
#define VEC_CHAINS 1
#define VEC_WIDE_BIAS 0

static inline vb vb_load(const void *p) {
  const uint8_t *v = p;
  vb r = {vld1q_u8(v), vld1q_u8(v + 16), vld1q_u8(v + 32), vld1q_u8(v + 48)};
  return r;
}
static inline vb vb_load_wide(const void *p) { return vb_load(p); }
static inline vb vb_and(vb x, int mask) {
  uint8x16_t m = vdupq_n_u8((uint8_t)mask);
  vb r = {vandq_u8(x.a, m), vandq_u8(x.b, m), vandq_u8(x.c, m), vandq_u8(x.d, m)};
  return r;
}
static inline vb vb_or(vb x, vb y) {
  vb r = {vorrq_u8(x.a, y.a), vorrq_u8(x.b, y.b), vorrq_u8(x.c, y.c), vorrq_u8(x.d, y.d)};
  return r;
}
static inline vb vb_shl(vb x, int n) {
  int8x16_t by = vdupq_n_s8((int8_t)n);
  vb r = {vshlq_u8(x.a, by), vshlq_u8(x.b, by), vshlq_u8(x.c, by), vshlq_u8(x.d, by)};
  return r;
}
static inline vb vb_shr(vb x, int n) { return vb_shl(x, -n); }

static inline vi vi_set1(int32_t x) {
  int32x4_t v = vdupq_n_s32(x);
  vi r = {v, v, v, v};
  return r;
}
static inline vi vec_dot_signed(vi acc, vb w, const int8_t *x) {
  va a = va_set4(x);
  vi r = {vdotq_s32(acc.a, vreinterpretq_s8_u8(w.a), a), vdotq_s32(acc.b, vreinterpretq_s8_u8(w.b), a),
          vdotq_s32(acc.c, vreinterpretq_s8_u8(w.c), a), vdotq_s32(acc.d, vreinterpretq_s8_u8(w.d), a)};
  return r;
}
static inline vi vi_dot_small(vi acc, vb w, const int8_t *x) { return vec_dot_signed(acc, w, x); }
static inline vi vi_dot_wide(vi acc, vb w, const int8_t *x) {
  return vec_dot_signed(acc, w, x);
}
static inline vf vf_of_vi(vi x) { VEC_ONE(vcvtq_f32_s32); }
static inline float32x4_t vec_half4(const uint16_t *p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline vf vf_half(const void *p) {
  const uint16_t *v = p;
  VEC_FOUR(vec_half4(v), vec_half4(v + 4), vec_half4(v + 8), vec_half4(v + 12));
}
static inline void vf_store_half(void *p, vf v) {
  uint16_t *to = p;
  vst1_u16(to, vreinterpret_u16_f16(vcvt_f16_f32(v.a)));
  vst1_u16(to + 4, vreinterpret_u16_f16(vcvt_f16_f32(v.b)));
  vst1_u16(to + 8, vreinterpret_u16_f16(vcvt_f16_f32(v.c)));
  vst1_u16(to + 12, vreinterpret_u16_f16(vcvt_f16_f32(v.d)));
}
static inline float32x4_t vec_bhalf4(const uint16_t *p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
static inline vf vf_bhalf(const void *p) {
  const uint16_t *v = p;
  VEC_FOUR(vec_bhalf4(v), vec_bhalf4(v + 4), vec_bhalf4(v + 8), vec_bhalf4(v + 12));
}
static inline vf vf_u8(const void *p) {
  uint8x16_t v = vld1q_u8(p);
  uint16x8_t low = vmovl_u8(vget_low_u8(v)), high = vmovl_u8(vget_high_u8(v));
  VEC_FOUR(vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(low))),
           vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(high))));
}
static inline vf vf_i8(const void *p) {
  int8x16_t v = vld1q_s8(p);
  int16x8_t low = vmovl_s8(vget_low_s8(v)), high = vmovl_s8(vget_high_s8(v));
  VEC_FOUR(vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(high))));
}
static inline int32_t vec_sum16(const int8_t *p) { return vaddlvq_s8(vld1q_s8(p)); }

#undef VEC_FOUR
#undef VEC_BOTH
#undef VEC_ONE
#endif
