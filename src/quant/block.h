/* quant/block: what encoder and decoder share: where the parts of a block lie, in bytes from its start, and
 * the packed 6-bit scales. All numbers are little-endian. */
#ifndef QUANT_BLOCK_H
#define QUANT_BLOCK_H

#include "quant/quant.h"

enum { QUANT_BLOCK = 32, QUANT_SUPER = 256 };

/* Q4_0, Q5_0, Q8_0: scale, (fifth bits), quants. Q4_1, Q5_1: scale, minimum, (fifth bits), quants. */
enum { Q4_0_QS = 2, Q4_1_QS = 4, Q5_0_QH = 2, Q5_0_QS = 6, Q5_1_QH = 4, Q5_1_QS = 8, Q8_0_QS = 2 };
/* IQ4_NL: scale, indices of these values as nibbles. */
enum { IQ4_NL_QS = 2 };
static const int8_t quant_iq4_nl[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
/* The K types: a scale (and a minimum) over the scales (and minima) of groups of 16 or 32. */
enum { Q2_K_SCALES = 0, Q2_K_QS = 16, Q2_K_D = 80, Q2_K_DMIN = 82 };
enum { Q3_K_HMASK = 0, Q3_K_QS = 32, Q3_K_SCALES = 96, Q3_K_D = 108 };
enum { Q4_K_D = 0, Q4_K_DMIN = 2, Q4_K_SCALES = 4, Q4_K_QS = 16 };
enum { Q5_K_D = 0, Q5_K_DMIN = 2, Q5_K_SCALES = 4, Q5_K_QH = 16, Q5_K_QS = 48 };
enum { Q6_K_QL = 0, Q6_K_QH = 128, Q6_K_SCALES = 192, Q6_K_D = 208 };
enum { Q8_K_D = 0, Q8_K_QS = 4, Q8_K_SUMS = 260 };

static inline uint16_t quant_get_u16(const unsigned char *p) {
  return (uint16_t)(p[0] | (unsigned)p[1] << 8);
}

static inline void quant_set_u16(unsigned char *p, uint16_t v) {
  p[0] = (unsigned char)v;
  p[1] = (unsigned char)(v >> 8);
}

static inline uint32_t quant_get_u32(const unsigned char *p) {
  return quant_get_u16(p) | (uint32_t)quant_get_u16(p + 2) << 16;
}

static inline void quant_set_u32(unsigned char *p, uint32_t v) {
  quant_set_u16(p, (uint16_t)v);
  quant_set_u16(p + 2, (uint16_t)(v >> 16));
}

static inline float quant_get_f16(const unsigned char *p) {
  return quant_f32_of_f16(quant_get_u16(p));
}

/* Q4_K and Q5_K: eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of each in the low
 * bits of bytes 0-3 and 4-7, the low four bits of the others in bytes 8-11, their high two in the top of 0-7.
 */
static inline unsigned quant_scale_k4(const unsigned char *p, int group) {
  return group < 4 ? p[group] & 63u : (p[group + 4] & 15u) | (unsigned)(p[group - 4] >> 6) << 4;
}

static inline unsigned quant_min_k4(const unsigned char *p, int group) {
  return group < 4 ? p[group + 4] & 63u : (unsigned)(p[group + 4] >> 4) | (unsigned)(p[group] >> 6) << 4;
}

/* Q3_K: sixteen 6-bit scales in 12 bytes, 32 standing for 0: low nibbles in bytes 0-7, high bits in 8-11. */
static inline int quant_scale_k3(const unsigned char *p, int group) {
  unsigned low = group < 8 ? p[group] & 15u : (unsigned)(p[group - 8] >> 4);
  unsigned high = (unsigned)(p[8 + group % 4] >> (2 * (group / 4))) & 3u;
  return (int)(low | high << 4) - 32;
}

#endif
