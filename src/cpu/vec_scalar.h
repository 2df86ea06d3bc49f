/* The vector of 16 floats in plain C: the reference that every other instruction set must equal bit for bit.
 * fmaf is exact by the C standard, whatever the machine has. */
#ifndef CPU_VEC_SCALAR_H
#define CPU_VEC_SCALAR_H

#include <math.h>
#include <string.h>

#include "cpu/cpu_tables.h"

typedef struct vf {
  float l[16];
} vf;
typedef struct vi {
  int32_t l[16];
} vi;
typedef struct vw {
  const int8_t *p;
} vw;
typedef struct va {
  int32_t b[4];
} va;

/* Inlined, the many small arrays cost the address sanitizer a minute of compiling. */
#if defined(__SANITIZE_ADDRESS__)
#define VEC_FN static __attribute__((noinline, unused))
#else
#define VEC_FN static inline
#endif

#define VEC_PLAIN
#define VEC_GEMM_MR 4
#define VEC_GEMM_NV 1
#define VEC_I8_G 1
#define VEC_I8_BIAS 0

#define VEC_EACH(expr)                          \
  vf r;                                         \
  for (int i = 0; i < 16; i++) r.l[i] = (expr); \
  return r

VEC_FN vf vf_set1(float x) { VEC_EACH(x); }
VEC_FN vf vf_load(const float *p) { VEC_EACH(p[i]); }
VEC_FN vf vf_add(vf a, vf b) { VEC_EACH(a.l[i] + b.l[i]); }
VEC_FN vf vf_sub(vf a, vf b) { VEC_EACH(a.l[i] - b.l[i]); }
VEC_FN vf vf_mul(vf a, vf b) { VEC_EACH(a.l[i] * b.l[i]); }
VEC_FN vf vf_div(vf a, vf b) { VEC_EACH(a.l[i] / b.l[i]); }
VEC_FN vf vf_sqrt(vf a) { VEC_EACH(sqrtf(a.l[i])); }
VEC_FN vf vf_fma(vf a, vf b, vf c) { VEC_EACH(fmaf(a.l[i], b.l[i], c.l[i])); }
VEC_FN vf vf_max(vf a, vf b) { VEC_EACH(a.l[i] > b.l[i] ? a.l[i] : b.l[i]); }
VEC_FN vf vf_min(vf a, vf b) { VEC_EACH(a.l[i] < b.l[i] ? a.l[i] : b.l[i]); }
VEC_FN vf vf_abs(vf a) { VEC_EACH(fabsf(a.l[i])); }
VEC_FN vf vf_neg(vf a) { VEC_EACH(-a.l[i]); }

VEC_FN void vf_store(float *p, vf v) { memcpy(p, v.l, sizeof(v.l)); }
VEC_FN void vf_store_n(float *p, vf v, size_t n) { memcpy(p, v.l, n * sizeof(float)); }
VEC_FN vf vf_load_or(const float *p, size_t n, float fill) {
  vf r = vf_set1(fill);
  memcpy(r.l, p, n * sizeof(float));
  return r;
}

/* The first n lanes of v, then `fill`. */
VEC_FN vf vf_first(vf v, size_t n, float fill) { VEC_EACH((size_t)i < n ? v.l[i] : fill); }

VEC_FN float vf_sum(vf v) {
  for (int half = 8; half; half /= 2)
    for (int i = 0; i < half; i++) v.l[i] += v.l[i + half];
  return v.l[0];
}
VEC_FN float vf_max_fold(vf v) {
  for (int half = 8; half; half /= 2)
    for (int i = 0; i < half; i++) v.l[i] = v.l[i] > v.l[i + half] ? v.l[i] : v.l[i + half];
  return v.l[0];
}

/* With t = n + CPU_EXP_MAGIC: 2^(n/2 rounded down) and 2^(n - that). */
VEC_FN void vf_pow2_halves(vf t, vf *first, vf *second) {
  for (int i = 0; i < 16; i++) {
    uint32_t bits, base, f, s;
    float magic = CPU_EXP_MAGIC;
    memcpy(&bits, &t.l[i], 4);
    memcpy(&base, &magic, 4);
    uint32_t n = bits - base, half = (n >> 1) | (n & UINT32_C(0x80000000));
    f = (half + 127u) << 23;
    s = (n - half + 127u) << 23;
    memcpy(&first->l[i], &f, 4);
    memcpy(&second->l[i], &s, 4);
  }
}

/* p 2^n with t = n + CPU_EXP_MAGIC, whose last nine bits but for n are zeros. Exact while p 2^n is a normal number. */
VEC_FN vf vf_pow2(vf p, vf t) {
  for (int i = 0; i < 16; i++) {
    uint32_t bits, n;
    memcpy(&bits, &p.l[i], 4);
    memcpy(&n, &t.l[i], 4);
    bits += n << 23;
    memcpy(&p.l[i], &bits, 4);
  }
  return p;
}

/* Nearest even integer of values in [-127, 127], as bytes; writes n of them. */
VEC_FN void vf_store_i8(int8_t *p, vf v, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = (int8_t)lrintf(v.l[i]);
}

VEC_FN vi vi_zero(void) {
  vi r = {{0}};
  return r;
}
VEC_FN vw vw_load(const int8_t *p) {
  vw r = {p};
  return r;
}
VEC_FN va va_set4(const int8_t *p) {
  va r = {{p[0], p[1], p[2], p[3]}};
  return r;
}
/* acc[row] += sum over 4 k of w[row][k] * (a[k] + VEC_I8_BIAS) */
VEC_FN vi vi_dot(vi acc, vw w, va a) {
  for (int i = 0; i < 16; i++)
    acc.l[i] +=
        w.p[i * 4] * a.b[0] + w.p[i * 4 + 1] * a.b[1] + w.p[i * 4 + 2] * a.b[2] + w.p[i * 4 + 3] * a.b[3];
  return acc;
}
/* acc - VEC_I8_BIAS * row_sum, as floats */
VEC_FN vf vi_unbias(vi acc, const int32_t *row_sum) {
  (void)row_sum;
  VEC_EACH((float)acc.l[i]);
}

/* dst[c * dst_ld + r] = src[r * src_ld + c] for a 4 x 4 block */
VEC_FN void vec_transpose4(const float *src, size_t src_ld, float *dst, size_t dst_ld) {
  for (size_t r = 0; r < 4; r++)
    for (size_t c = 0; c < 4; c++) dst[c * dst_ld + r] = src[r * src_ld + c];
}

/* lanes 1, 0, 3, 2, ... */
VEC_FN vf vf_swap_pairs(vf v) { VEC_EACH(v.l[i ^ 1]); }

/* ---- packed matrices: 64 bytes of quants ---- */

typedef struct vb {
  uint8_t b[64];
} vb;
#define VEC_SCORES 8
#define VEC_TOKENS 1
#define VEC_CHAINS 1
#define VEC_WIDE_BIAS 0

VEC_FN vb vb_load(const void *p) {
  vb r;
  memcpy(r.b, p, 64);
  return r;
}
/* signed quants as vi_dot_wide takes them: VEC_WIDE_BIAS added */
VEC_FN vb vb_load_wide(const void *p) { return vb_load(p); }
VEC_FN vb vb_and(vb x, int mask) {
  for (int i = 0; i < 64; i++) x.b[i] = (uint8_t)(x.b[i] & mask);
  return x;
}
VEC_FN vb vb_or(vb x, vb y) {
  for (int i = 0; i < 64; i++) x.b[i] |= y.b[i];
  return x;
}
/* Shifts may bring a neighbour's bits in; whoever shifts masks them off. */
VEC_FN vb vb_shl(vb x, int n) {
  for (int i = 0; i < 64; i++) x.b[i] = (uint8_t)(x.b[i] << n);
  return x;
}
VEC_FN vb vb_shr(vb x, int n) {
  for (int i = 0; i < 64; i++) x.b[i] = (uint8_t)(x.b[i] >> n);
  return x;
}

VEC_FN vi vi_set1(int32_t x) {
  vi r;
  for (int i = 0; i < 16; i++) r.l[i] = x;
  return r;
}
/* acc[row] += sum over 4 of w[row][i] * x[i], w below 128 */
VEC_FN vi vi_dot_small(vi acc, vb w, const int8_t *x) {
  for (int i = 0; i < 64; i++) acc.l[i / 4] += w.b[i] * x[i % 4];
  return acc;
}
/* The same for what vb_load_wide gives. */
VEC_FN vi vi_dot_wide(vi acc, vb w, const int8_t *x) {
  for (int i = 0; i < 64; i++) acc.l[i / 4] += (int8_t)w.b[i] * x[i % 4];
  return acc;
}
VEC_FN vf vf_of_vi(vi x) { VEC_EACH((float)x.l[i]); }
/* 16 numbers in half precision, unaligned */
VEC_FN float vec_half1(const unsigned char *p) {
  uint32_t h = p[0] | (uint32_t)p[1] << 8, rest = h & 0x7FFFu, bits = rest << 13;
  float f;
  memcpy(&f, &bits, 4);
  f *= 0x1p112f; /* moves the exponent, exactly, and makes subnormals normal */
  memcpy(&bits, &f, 4);
  if (rest >= 0x7C00u) bits |= 0x7F800000u;
  bits |= (h & 0x8000u) << 16;
  memcpy(&f, &bits, 4);
  return f;
}
VEC_FN vf vf_half(const void *p) { VEC_EACH(vec_half1((const unsigned char *)p + 2 * i)); }
/* To half precision, nearest, ties to even. */
VEC_FN uint16_t vec_half_of(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  uint32_t sign = bits >> 16 & 0x8000u;
  bits &= 0x7FFFFFFFu;
  if (bits > 0x7F800000u) return (uint16_t)(sign | 0x7E00u);
  if (bits >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u);
  if (bits >= 0x38800000u) return (uint16_t)(sign | ((bits - 0x38000000u + 0xFFFu + (bits >> 13 & 1u)) >> 13));
  memcpy(&f, &bits, 4);
  f += 0.5f; /* whose last bit is worth a half's smallest subnormal */
  memcpy(&bits, &f, 4);
  return (uint16_t)(sign | (bits - 0x3F000000u));
}
VEC_FN void vf_store_half(void *p, vf v) {
  for (int i = 0; i < 16; i++) {
    uint16_t h = vec_half_of(v.l[i]);
    memcpy((unsigned char *)p + 2 * i, &h, 2);
  }
}
VEC_FN float vec_bhalf1(const unsigned char *p) {
  uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
VEC_FN vf vf_bhalf(const void *p) { VEC_EACH(vec_bhalf1((const unsigned char *)p + 2 * i)); }
VEC_FN vf vf_u8(const void *p) { VEC_EACH((float)((const uint8_t *)p)[i]); }
VEC_FN vf vf_i8(const void *p) { VEC_EACH((float)((const int8_t *)p)[i]); }
VEC_FN int32_t vec_sum16(const int8_t *p) {
  int32_t sum = 0;
  for (int i = 0; i < 16; i++) sum += p[i];
  return sum;
}

#undef VEC_EACH
#endif
