/* quant/encode: the encoders of the K types (super.c) for encode.c's table, and their rounding. */
#ifndef QUANT_ENCODE_H
#define QUANT_ENCODE_H

#include "quant/block.h"

/* x: the block's floats, finite and at most 65504 in size. */
typedef void quant_encode_fn(const float *x, unsigned char *b);
void quant_encode_q2_k(const float *x, unsigned char *b);
void quant_encode_q3_k(const float *x, unsigned char *b);
void quant_encode_q4_k(const float *x, unsigned char *b);
void quant_encode_q5_k(const float *x, unsigned char *b);
void quant_encode_q6_k(const float *x, unsigned char *b);
void quant_encode_q8_k(const float *x, unsigned char *b);

static inline void quant_set_f16(unsigned char *p, float v) {
  quant_set_u16(p, quant_f16_of_f32(v));
}

/* Towards zero, inside [low, high]; not-a-number is low. */
static inline int quant_truncate(float v, int low, int high) {
  return v > (float)low ? (v < (float)high ? (int)v : high) : low;
}

/* To the nearest, ties to even, inside [low, high]; not-a-number is low. Adding and taking away 1.5 * 2^23
 * leaves no bits below the point. */
static inline int quant_nearest(float v, int low, int high) {
  float inside = v > (float)low ? (v < (float)high ? v : (float)high) : (float)low;
  return (int)((inside + 12582912.0F) - 12582912.0F);
}

#endif
