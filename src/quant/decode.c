/* quant/decode: blocks to floats, one function a type, in ggml's order of operations so that the bits agree.
 */
#include "quant/block.h"

typedef void decode_fn(const unsigned char *b, float *out);

/* ---- blocks of 32 ---- */

static void decode_q4_0(const unsigned char *b, float *out) {
  float d = quant_get_f16(b);
  for (int i = 0; i < QUANT_BLOCK / 2; i++) {
    unsigned q = b[Q4_0_QS + i];
    out[i] = (float)((int)(q & 15u) - 8) * d;
    out[i + 16] = (float)((int)(q >> 4) - 8) * d;
  }
}

static void decode_q4_1(const unsigned char *b, float *out) {
  float d = quant_get_f16(b), m = quant_get_f16(b + 2);
  for (int i = 0; i < QUANT_BLOCK / 2; i++) {
    unsigned q = b[Q4_1_QS + i];
    out[i] = (float)(q & 15u) * d + m;
    out[i + 16] = (float)(q >> 4) * d + m;
  }
}

/* The 5-bit quants 0..31 of Q5_0 and Q5_1, low nibbles in qs, fifth bits in qh. */
static void unpack_5(const unsigned char *qs, const unsigned char *qh, int *q) {
  uint32_t high = quant_get_u32(qh);
  for (int i = 0; i < QUANT_BLOCK / 2; i++) {
    q[i] = (int)((qs[i] & 15u) | (high >> i & 1u) << 4);
    q[i + 16] = (int)((unsigned)(qs[i] >> 4) | (high >> (i + 16) & 1u) << 4);
  }
}

static void decode_q5_0(const unsigned char *b, float *out) {
  float d = quant_get_f16(b);
  int q[QUANT_BLOCK];
  unpack_5(b + Q5_0_QS, b + Q5_0_QH, q);
  for (int i = 0; i < QUANT_BLOCK; i++) out[i] = (float)(q[i] - 16) * d;
}

static void decode_q5_1(const unsigned char *b, float *out) {
  float d = quant_get_f16(b), m = quant_get_f16(b + 2);
  int q[QUANT_BLOCK];
  unpack_5(b + Q5_1_QS, b + Q5_1_QH, q);
  for (int i = 0; i < QUANT_BLOCK; i++) out[i] = (float)q[i] * d + m;
}

static void decode_q8_0(const unsigned char *b, float *out) {
  float d = quant_get_f16(b);
  for (int i = 0; i < QUANT_BLOCK; i++) out[i] = (float)(int8_t)b[Q8_0_QS + i] * d;
}

static void decode_iq4_nl(const unsigned char *b, float *out) {
  float d = quant_get_f16(b);
  for (int i = 0; i < QUANT_BLOCK / 2; i++) {
    unsigned q = b[IQ4_NL_QS + i];
    out[i] = d * (float)quant_iq4_nl[q & 15u];
    out[i + 16] = d * (float)quant_iq4_nl[q >> 4];
  }
}

/* ---- super-blocks of 256 ---- */

/* The 2-bit part of element i: each byte of 32 holds the elements 32 apart of a half super-block. */
static unsigned two_bits(const unsigned char *qs, int i) {
  return (unsigned)(qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3u;
}

/* The nibble of element i in Q4_K and Q5_K: 32 bytes hold 64 elements, the low nibbles first. */
static unsigned nibble(const unsigned char *qs, int i) {
  return (unsigned)(qs[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4)) & 15u;
}

static void decode_q2_k(const unsigned char *b, float *out) {
  float d = quant_get_f16(b + Q2_K_D), dmin = quant_get_f16(b + Q2_K_DMIN);
  for (int g = 0; g < 16; g++) {
    unsigned s = b[Q2_K_SCALES + g];
    float scale = d * (float)(s & 15u), min = dmin * (float)(s >> 4);
    for (int i = 16 * g; i < 16 * g + 16; i++) out[i] = scale * (float)two_bits(b + Q2_K_QS, i) - min;
  }
}

static void decode_q3_k(const unsigned char *b, float *out) {
  float d = quant_get_f16(b + Q3_K_D);
  for (int g = 0; g < 16; g++) {
    float scale = d * (float)quant_scale_k3(b + Q3_K_SCALES, g);
    for (int i = 16 * g; i < 16 * g + 16; i++) {
      int high = b[Q3_K_HMASK + i % 32] >> (i / 32) & 1;
      out[i] = scale * (float)((int)two_bits(b + Q3_K_QS, i) - (high ? 0 : 4));
    }
  }
}

static void decode_q4_k(const unsigned char *b, float *out) {
  float d = quant_get_f16(b + Q4_K_D), dmin = quant_get_f16(b + Q4_K_DMIN);
  for (int g = 0; g < 8; g++) {
    float scale = d * (float)quant_scale_k4(b + Q4_K_SCALES, g);
    float min = dmin * (float)quant_min_k4(b + Q4_K_SCALES, g);
    for (int i = 32 * g; i < 32 * g + 32; i++) out[i] = scale * (float)nibble(b + Q4_K_QS, i) - min;
  }
}

static void decode_q5_k(const unsigned char *b, float *out) {
  float d = quant_get_f16(b + Q5_K_D), dmin = quant_get_f16(b + Q5_K_DMIN);
  for (int g = 0; g < 8; g++) {
    float scale = d * (float)quant_scale_k4(b + Q5_K_SCALES, g);
    float min = dmin * (float)quant_min_k4(b + Q5_K_SCALES, g);
    for (int i = 32 * g; i < 32 * g + 32; i++) {
      unsigned high = (unsigned)(b[Q5_K_QH + i % 32] >> g) & 1u;
      out[i] = scale * (float)(nibble(b + Q5_K_QS, i) + 16 * high) - min;
    }
  }
}

/* Q6_K: of each half of 128, 64 bytes hold low nibbles (elements 0-63, then 64-127) and 32 bytes hold high
 * bits. */
static void decode_q6_k(const unsigned char *b, float *out) {
  float d = quant_get_f16(b + Q6_K_D);
  for (int g = 0; g < 16; g++) {
    float scale = d * (float)(int8_t)b[Q6_K_SCALES + g];
    for (int i = 16 * g; i < 16 * g + 16; i++) {
      int half = i / 128, at = i % 128;
      unsigned low = (unsigned)(b[Q6_K_QL + 64 * half + at % 64] >> (at / 64 * 4)) & 15u;
      unsigned high = (unsigned)(b[Q6_K_QH + 32 * half + at % 32] >> (at / 32 * 2)) & 3u;
      out[i] = scale * (float)((int)(low | high << 4) - 32);
    }
  }
}

static void decode_q8_k(const unsigned char *b, float *out) {
  uint32_t bits = quant_get_u32(b + Q8_K_D);
  float d;
  memcpy(&d, &bits, sizeof d);
  for (int i = 0; i < QUANT_SUPER; i++) out[i] = d * (float)(int8_t)b[Q8_K_QS + i];
}

/* ---- plain numbers ---- */

static void decode_number(gguf_tensor_type type, const unsigned char *p, float *out) {
  base_cursor c = base_cursor_of(p, gguf_block_bytes(type));
  switch (type) {
    case GGUF_T_F32: *out = base_cursor_f32(&c); break;
    case GGUF_T_F64: *out = (float)base_cursor_f64(&c); break;
    case GGUF_T_F16: *out = quant_get_f16(p); break;
    case GGUF_T_BF16: *out = quant_f32_of_bf16(quant_get_u16(p)); break;
    case GGUF_T_I8: *out = (float)(int8_t)*p; break;
    case GGUF_T_I16: *out = (float)(int16_t)quant_get_u16(p); break;
    case GGUF_T_I32: *out = (float)(int32_t)quant_get_u32(p); break;
    case GGUF_T_I64: *out = (float)(int64_t)base_cursor_u64(&c); break;
    default: *out = 0; break;
  }
}

/* The common plain types in loops of their own: whole models go through here. */
static void decode_numbers(gguf_tensor_type type, const unsigned char *p, size_t n, float *out) {
  size_t each = gguf_block_bytes(type);
  switch (type) {
    case GGUF_T_F32:
      for (size_t i = 0; i < n; i++) {
        uint32_t bits = quant_get_u32(p + 4 * i);
        memcpy(out + i, &bits, sizeof bits);
      }
      break;
    case GGUF_T_F16:
      for (size_t i = 0; i < n; i++) out[i] = quant_get_f16(p + 2 * i);
      break;
    case GGUF_T_BF16:
      for (size_t i = 0; i < n; i++) out[i] = quant_f32_of_bf16(quant_get_u16(p + 2 * i));
      break;
    default:
      for (size_t i = 0; i < n; i++) decode_number(type, p + each * i, out + i);
      break;
  }
}

static decode_fn *decoder_of(gguf_tensor_type type) {
  switch (type) {
    case GGUF_T_Q4_0: return decode_q4_0;
    case GGUF_T_Q4_1: return decode_q4_1;
    case GGUF_T_Q5_0: return decode_q5_0;
    case GGUF_T_Q5_1: return decode_q5_1;
    case GGUF_T_Q8_0: return decode_q8_0;
    case GGUF_T_IQ4_NL: return decode_iq4_nl;
    case GGUF_T_Q2_K: return decode_q2_k;
    case GGUF_T_Q3_K: return decode_q3_k;
    case GGUF_T_Q4_K: return decode_q4_k;
    case GGUF_T_Q5_K: return decode_q5_k;
    case GGUF_T_Q6_K: return decode_q6_k;
    case GGUF_T_Q8_K: return decode_q8_k;
    default: return NULL;
  }
}

void quant_decode_row(gguf_tensor_type type, const void *src, size_t n, float *out) {
  const unsigned char *p = src;
  decode_fn *decode = decoder_of(type);
  if (decode == NULL) {
    decode_numbers(type, p, n, out);
    return;
  }
  size_t elements = gguf_block_elements(type), bytes = gguf_block_bytes(type);
  for (size_t i = 0; i < n / elements; i++) decode(p + i * bytes, out + i * elements);
}
