/* quant/parts: blocks to integers. Whole models go through here when their weights are packed, so the loops run over
 * bytes that lie together. */
#include "quant/block.h"

/* ---- blocks of 32 ---- */

static void split_nibbles(const unsigned char *qs, uint8_t *q) {
  for (int i = 0; i < QUANT_BLOCK / 2; i++) {
    q[i] = qs[i] & 15u;
    q[i + 16] = qs[i] >> 4;
  }
}

/* Eight at a time: byte i of a word keeps bit i of qh's byte, is carried into its own highest bit and moved to bit 4.
 * (Bit by bit it was half of a model's start.) */
static void add_fifth_bits(const unsigned char *qh, uint8_t *q) {
  for (size_t i = 0; i < QUANT_BLOCK; i += 8) {
    uint64_t bits = (qh[i / 8] * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201), word;
    bits = (bits + UINT64_C(0x7F7F7F7F7F7F7F7F)) & UINT64_C(0x8080808080808080);
    memcpy(&word, q + i, sizeof word);
    word |= bits >> 3;
    memcpy(q + i, &word, sizeof word);
  }
}

static void split_q8_0(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b);
  for (int i = 0; i < QUANT_BLOCK; i++) out->q[i] = b[Q8_0_QS + i] ^ 0x80u;
}

static void split_q4_0(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b);
  split_nibbles(b + Q4_0_QS, out->q);
}

static void split_q4_1(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b);
  out->m = quant_get_u16(b + 2);
  split_nibbles(b + Q4_1_QS, out->q);
}

static void split_q5_0(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b);
  split_nibbles(b + Q5_0_QS, out->q);
  add_fifth_bits(b + Q5_0_QH, out->q);
}

static void split_q5_1(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b);
  out->m = quant_get_u16(b + 2);
  split_nibbles(b + Q5_1_QS, out->q);
  add_fifth_bits(b + Q5_1_QH, out->q);
}

static void split_iq4_nl(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b);
  split_nibbles(b + IQ4_NL_QS, out->q);
  for (int i = 0; i < QUANT_BLOCK; i++) out->q[i] = (uint8_t)(quant_iq4_nl[out->q[i]] + 128);
}

/* ---- super-blocks of 256 ---- */

static void split_two_bits(const unsigned char *qs, uint8_t *q) {
  for (int half = 0; half < 2; half++)
    for (int shift = 0; shift < 4; shift++)
      for (int i = 0; i < 32; i++)
        q[128 * half + 32 * shift + i] = (uint8_t)(qs[32 * half + i] >> (2 * shift)) & 3u;
}

static void split_q2_k(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b + Q2_K_D);
  out->m = quant_get_u16(b + Q2_K_DMIN);
  split_two_bits(b + Q2_K_QS, out->q);
  for (int g = 0; g < 16; g++) {
    out->s[g] = b[Q2_K_SCALES + g] & 15u;
    out->t[g] = b[Q2_K_SCALES + g] >> 4;
  }
}

static void split_q3_k(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b + Q3_K_D);
  split_two_bits(b + Q3_K_QS, out->q);
  for (int g = 0; g < 8; g++)
    for (int i = 0; i < 32; i++) out->q[32 * g + i] |= (uint8_t)(((unsigned)(b[Q3_K_HMASK + i] >> g) & 1u) << 2);
  for (int g = 0; g < 16; g++) out->s[g] = (uint8_t)quant_scale_k3(b + Q3_K_SCALES, g);
}

static void split_k4_scales(const unsigned char *scales, quant_parts *out) {
  for (int g = 0; g < 8; g++) {
    out->s[g] = (uint8_t)quant_scale_k4(scales, g);
    out->t[g] = (uint8_t)quant_min_k4(scales, g);
  }
}

static void split_k4_nibbles(const unsigned char *qs, uint8_t *q) {
  for (int g = 0; g < 4; g++) {
    for (int i = 0; i < 32; i++) {
      q[64 * g + i] = qs[32 * g + i] & 15u;
      q[64 * g + 32 + i] = qs[32 * g + i] >> 4;
    }
  }
}

static void split_q4_k(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b + Q4_K_D);
  out->m = quant_get_u16(b + Q4_K_DMIN);
  split_k4_scales(b + Q4_K_SCALES, out);
  split_k4_nibbles(b + Q4_K_QS, out->q);
}

static void split_q5_k(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b + Q5_K_D);
  out->m = quant_get_u16(b + Q5_K_DMIN);
  split_k4_scales(b + Q5_K_SCALES, out);
  split_k4_nibbles(b + Q5_K_QS, out->q);
  for (int g = 0; g < 8; g++)
    for (int i = 0; i < 32; i++) out->q[32 * g + i] |= (uint8_t)(((unsigned)(b[Q5_K_QH + i] >> g) & 1u) << 4);
}

static void split_q6_k(const unsigned char *b, quant_parts *out) {
  out->d = quant_get_u16(b + Q6_K_D);
  memcpy(out->s, b + Q6_K_SCALES, 16);
  for (int half = 0; half < 2; half++) {
    const unsigned char *low = b + Q6_K_QL + 64 * half, *high = b + Q6_K_QH + 32 * half;
    for (int part = 0; part < 4; part++)
      for (int i = 0; i < 32; i++)
        out->q[128 * half + 32 * part + i] =
            (uint8_t)(((unsigned)(low[32 * (part % 2) + i] >> (part / 2 * 4)) & 15u) |
                      ((unsigned)(high[i] >> (2 * part)) & 3u) << 4);
  }
}

bool quant_split_block(gguf_tensor_type type, const void *block, quant_parts *out) {
  switch (type) {
    case GGUF_T_Q8_0: split_q8_0(block, out); return true;
    case GGUF_T_Q4_0: split_q4_0(block, out); return true;
    case GGUF_T_Q4_1: split_q4_1(block, out); return true;
    case GGUF_T_Q5_0: split_q5_0(block, out); return true;
    case GGUF_T_Q5_1: split_q5_1(block, out); return true;
    case GGUF_T_IQ4_NL: split_iq4_nl(block, out); return true;
    case GGUF_T_Q2_K: split_q2_k(block, out); return true;
    case GGUF_T_Q3_K: split_q3_k(block, out); return true;
    case GGUF_T_Q4_K: split_q4_k(block, out); return true;
    case GGUF_T_Q5_K: split_q5_k(block, out); return true;
    case GGUF_T_Q6_K: split_q6_k(block, out); return true;
    default: return false;
  }
}
