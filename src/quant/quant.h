/* quant: rows of tensor elements to 32-bit floats and back, for every type that gguf/tensor_type.def lists.
 * The layouts are ggml's (ggml-common.h, ggml-quants.c); decoding gives the bits that ggml gives. This is the
 * plain, portable way, the reference that faster kernels are held against. */
#ifndef QUANT_QUANT_H
#define QUANT_QUANT_H

#include "base/base.h"
#include "gguf/gguf.h"

#include <string.h>

/* ---- rows ---- */

/* n elements at `src` to floats. n is a whole number of blocks (gguf_row_bytes said so); src may have any
 * address and holds gguf_row_bytes(type, n) bytes. Integers become the nearest float. */
void quant_decode_row(gguf_tensor_type type, const void *src, size_t n, float *out);

/* n floats into gguf_row_bytes(type, n) bytes at `out`. Every block depends on its own floats alone. Values
 * that a type cannot hold become its largest; not-a-number becomes 0 in integer and block types. Q4_0 to Q8_0
 * are rounded as ggml's reference rounds them, to the byte; the K types search scale and minimum of each
 * group for the least weighted squared error. */
void quant_encode_row(gguf_tensor_type type, const float *src, size_t n, void *out);

/* ---- parts: a block as integers, for who computes with them ---- */

/* Quants are unsigned: w = scale * (q - bias) or scale * q minus (K types) or plus (Q4_1, Q5_1) a minimum.
 * The scale is d, in K types d * s of the element's group; the minimum m, in K types m * t. Groups are 32
 * elements in Q4_K and Q5_K, 16 in the other K types. Bias: 128 for Q8_0 and IQ4_NL, 8 for Q4_0, 16 for Q5_0, 4 for
 * Q3_K, 32 for Q6_K, else 0. */
typedef struct quant_parts {
  uint8_t q[256]; /* one block's elements */
  uint16_t d, m;  /* half precision */
  uint8_t s[16];  /* as int8_t in Q3_K and Q6_K */
  uint8_t t[16];
} quant_parts;

/* One block of Q8_0, Q4_0 to Q5_1, IQ4_NL or Q2_K to Q6_K; fields that the type does not have stay as they are. False
 * for other types. */
bool quant_split_block(gguf_tensor_type type, const void *block, quant_parts *out);

/* ---- elements ---- */

/* IEEE half precision; subnormals, infinities and not-a-numbers included. */
static inline float quant_f32_of_f16(uint16_t h) {
  uint32_t rest = h & 0x7FFFu, bits = rest << 13;
  float f;
  memcpy(&f, &bits, sizeof f);
  f *= 0x1p112F; /* moves the exponent, exactly, and makes subnormals normal */
  memcpy(&bits, &f, sizeof bits);
  if (rest >= 0x7C00u) bits |= 0x7F800000u;
  bits |= (uint32_t)(h & 0x8000u) << 16;
  memcpy(&f, &bits, sizeof f);
  return f;
}

/* To the nearest, ties to even; beyond the largest half it is infinity. */
static inline uint16_t quant_f16_of_f32(float f) {
  uint32_t bits, half = 0x3F000000u; /* half: 0.5, whose last bit is worth a half's smallest subnormal */
  memcpy(&bits, &f, sizeof bits);
  uint16_t sign = (uint16_t)((bits >> 16) & 0x8000u);
  bits &= 0x7FFFFFFFu;
  if (bits > 0x7F800000u) return (uint16_t)(sign | 0x7E00u);
  if (bits >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u);
  if (bits < 0x38800000u) {
    memcpy(&f, &bits, sizeof f);
    f += 0.5F;
    memcpy(&bits, &f, sizeof bits);
    return (uint16_t)(sign | (bits - half));
  }
  return (uint16_t)(sign | ((bits - 0x38000000u + 0xFFFu + ((bits >> 13) & 1u)) >> 13));
}

/* bfloat16: the upper half of a float. */
static inline float quant_f32_of_bf16(uint16_t h) {
  uint32_t bits = (uint32_t)h << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

/* To the nearest, ties to even; a not-a-number stays one. */
static inline uint16_t quant_bf16_of_f32(float f) {
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)((bits >> 16) | 64u);
  return (uint16_t)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

#endif
