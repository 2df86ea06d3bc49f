/* quant/encode: floats to plain numbers and to the blocks of 32, rounded as ggml's reference rounds them, so
 * that the bytes agree. The K types are in super.c. */
#include "quant/encode.h"

#include <float.h>
#include <math.h>

/* ---- blocks of 32 ---- */

/* The element that is largest in size, with its sign; the first of several. */
static float peak_of(const float *x, int n) {
  float peak = 0;
  for (int i = 0; i < n; i++) {
    if (fabsf(x[i]) > fabsf(peak)) peak = x[i];
  }
  return peak;
}

static float inverse(float d) {
  return d != 0 ? 1.0F / d : 0.0F;
}

/* Scale d and quants 0..2*half-1 around `half`; the peak lands on 0, which reaches one further than the other
 * end. */
static float round_symmetric(const float *x, int half, int *q) {
  float d = peak_of(x, QUANT_BLOCK) / (float)-half, id = inverse(d);
  for (int i = 0; i < QUANT_BLOCK; i++)
    q[i] = quant_truncate(x[i] * id + (float)half + 0.5F, 0, 2 * half - 1);
  return d;
}

/* Scale d over a minimum and quants 0..top. */
static float round_affine(const float *x, int top, int *q, float *minimum) {
  float low = x[0], high = x[0];
  for (int i = 1; i < QUANT_BLOCK; i++) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  float d = (high - low) / (float)top, id = inverse(d);
  for (int i = 0; i < QUANT_BLOCK; i++) q[i] = quant_truncate((x[i] - low) * id + 0.5F, 0, top);
  *minimum = low;
  return d;
}

static void pack_nibbles(const int *q, unsigned char *qs) {
  for (int i = 0; i < QUANT_BLOCK / 2; i++) qs[i] = (unsigned char)((q[i] & 15) | (q[i + 16] & 15) << 4);
}

static void pack_fifth_bits(const int *q, unsigned char *qh) {
  uint32_t high = 0;
  for (int i = 0; i < QUANT_BLOCK; i++) high |= (uint32_t)(q[i] >> 4 & 1) << i;
  quant_set_u32(qh, high);
}

static void encode_q4_0(const float *x, unsigned char *b) {
  int q[QUANT_BLOCK];
  quant_set_f16(b, round_symmetric(x, 8, q));
  pack_nibbles(q, b + Q4_0_QS);
}

static void encode_q4_1(const float *x, unsigned char *b) {
  int q[QUANT_BLOCK];
  float minimum;
  quant_set_f16(b, round_affine(x, 15, q, &minimum));
  quant_set_f16(b + 2, minimum);
  pack_nibbles(q, b + Q4_1_QS);
}

static void encode_q5_0(const float *x, unsigned char *b) {
  int q[QUANT_BLOCK];
  quant_set_f16(b, round_symmetric(x, 16, q));
  pack_fifth_bits(q, b + Q5_0_QH);
  pack_nibbles(q, b + Q5_0_QS);
}

static void encode_q5_1(const float *x, unsigned char *b) {
  int q[QUANT_BLOCK];
  float minimum;
  quant_set_f16(b, round_affine(x, 31, q, &minimum));
  quant_set_f16(b + 2, minimum);
  pack_fifth_bits(q, b + Q5_1_QH);
  pack_nibbles(q, b + Q5_1_QS);
}

/* To the nearest, ties away from zero, as roundf, which is a slow call on plain x86-64. */
static int round_away(float v) {
  int whole = quant_truncate(v, -128, 127);
  float rest = v - (float)whole;
  return whole + (rest >= 0.5F) - (rest <= -0.5F);
}

static void encode_q8_0(const float *x, unsigned char *b) {
  float d = fabsf(peak_of(x, QUANT_BLOCK)) / 127.0F, id = inverse(d);
  quant_set_f16(b, d);
  for (int i = 0; i < QUANT_BLOCK; i++) b[Q8_0_QS + i] = (unsigned char)round_away(x[i] * id);
}

/* The index of the value of IQ4_NL that is nearest to v. */
static int nearest_value(float v) {
  int low = 0;
  for (int high = 15; high - low > 1;) {
    int middle = (low + high) / 2;
    if (v < (float)quant_iq4_nl[middle]) high = middle;
    else low = middle;
  }
  return v - (float)quant_iq4_nl[low] < (float)quant_iq4_nl[low + 1] - v ? low : low + 1;
}

/* The values are not evenly spaced, so which of them the peak should land on is tried: ends of the table and a little
 * beyond. Of each try the scale with the least squared error, large elements counting more, as ggml weighs them. */
static void encode_iq4_nl(const float *x, unsigned char *b) {
  float peak = peak_of(x, QUANT_BLOCK), d = peak / (float)quant_iq4_nl[0];
  double best = 0;
  int q[QUANT_BLOCK];
  for (int shift = -7; shift <= 7 && fabsf(peak) > FLT_MIN; shift++) {
    float id = (float)(shift + quant_iq4_nl[0]) / peak;
    double product = 0, square = 0;
    for (int i = 0; i < QUANT_BLOCK; i++) {
      double v = (double)quant_iq4_nl[nearest_value(x[i] * id)], xi = (double)x[i];
      product += xi * xi * xi * v;
      square += xi * xi * v * v;
    }
    if (square <= 0 || product * product <= best * square) continue;
    best = product * product / square;
    d = (float)(product / square);
  }
  float id = inverse(d);
  quant_set_f16(b, d);
  for (int i = 0; i < QUANT_BLOCK; i++) q[i] = nearest_value(x[i] * id);
  pack_nibbles(q, b + IQ4_NL_QS);
}

static quant_encode_fn *encoder_of(gguf_tensor_type type) {
  switch (type) {
    case GGUF_T_Q4_0: return encode_q4_0;
    case GGUF_T_Q4_1: return encode_q4_1;
    case GGUF_T_Q5_0: return encode_q5_0;
    case GGUF_T_Q5_1: return encode_q5_1;
    case GGUF_T_Q8_0: return encode_q8_0;
    case GGUF_T_IQ4_NL: return encode_iq4_nl;
    case GGUF_T_Q2_K: return quant_encode_q2_k;
    case GGUF_T_Q3_K: return quant_encode_q3_k;
    case GGUF_T_Q4_K: return quant_encode_q4_k;
    case GGUF_T_Q5_K: return quant_encode_q5_k;
    case GGUF_T_Q6_K: return quant_encode_q6_k;
    case GGUF_T_Q8_K: return quant_encode_q8_k;
    default: return NULL;
  }
}

/* ---- plain numbers ---- */

/* The nearest whole number that fits, ties to even. The bounds are powers of two, so they are exact as
 * doubles. */
static int64_t whole_number(float v, int bits) {
  double bound = ldexp(1.0, bits - 1), nearest = rint((double)v);
  if (!(nearest == nearest)) return 0;
  if (nearest >= bound) return (int64_t)((UINT64_C(1) << (bits - 1)) - 1);
  return nearest <= -bound ? (int64_t)(~UINT64_C(0) << (bits - 1)) : (int64_t)nearest;
}

static void set_bytes(unsigned char *p, uint64_t v, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) p[i] = (unsigned char)(v >> (8 * i));
}

static void encode_number(gguf_tensor_type type, float v, unsigned char *p) {
  uint64_t bits = 0;
  double wide = (double)v;
  switch (type) {
    case GGUF_T_F64:
      memcpy(&bits, &wide, sizeof wide);
      set_bytes(p, bits, 8);
      break;
    case GGUF_T_I8: set_bytes(p, (uint64_t)whole_number(v, 8), 1); break;
    case GGUF_T_I16: set_bytes(p, (uint64_t)whole_number(v, 16), 2); break;
    case GGUF_T_I32: set_bytes(p, (uint64_t)whole_number(v, 32), 4); break;
    case GGUF_T_I64: set_bytes(p, (uint64_t)whole_number(v, 64), 8); break;
    default: break;
  }
}

static void encode_numbers(gguf_tensor_type type, const float *x, size_t n, unsigned char *p) {
  size_t each = gguf_block_bytes(type);
  switch (type) {
    case GGUF_T_F32:
      for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        quant_set_u32(p + 4 * i, bits);
      }
      break;
    case GGUF_T_F16:
      for (size_t i = 0; i < n; i++) quant_set_f16(p + 2 * i, x[i]);
      break;
    case GGUF_T_BF16:
      for (size_t i = 0; i < n; i++) quant_set_u16(p + 2 * i, quant_bf16_of_f32(x[i]));
      break;
    default:
      for (size_t i = 0; i < n; i++) encode_number(type, x[i], p + each * i);
      break;
  }
}

/* A block's scales are half floats: what lies beyond their range would make infinities of whole blocks. */
static void clean(const float *x, size_t n, float *out) {
  const float largest = 65504.0F;
  for (size_t i = 0; i < n; i++) {
    float v = x[i] == x[i] ? x[i] : 0.0F;
    out[i] = v > largest ? largest : v < -largest ? -largest : v;
  }
}

void quant_encode_row(gguf_tensor_type type, const float *src, size_t n, void *out) {
  unsigned char *p = out;
  quant_encode_fn *encode = encoder_of(type);
  if (encode == NULL) {
    encode_numbers(type, src, n, p);
    return;
  }
  size_t elements = gguf_block_elements(type), bytes = gguf_block_bytes(type);
  for (size_t i = 0; i < n / elements; i++) {
    float x[QUANT_SUPER];
    clean(src + i * elements, elements, x);
    encode(x, p + i * bytes);
  }
}
