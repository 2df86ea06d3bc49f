/* quant: decoding and encoding against the bytes that ggml's own Python package gives (tests/golden/quant.gguf, made by
 * tools/golden_quant.py), the error of the K types against what ggml's quantisers leave, and hostile floats. */
#include "quant/quant.h"

#include "tap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const gguf_tensor_type all_types[] = {
#define GGUF_TENSOR_TYPE(name, number, elements, bytes) GGUF_T_##name,
#include "gguf/tensor_type.def"
#undef GGUF_TENSOR_TYPE
};
enum { TYPES = sizeof all_types / sizeof all_types[0], MOST = 4096 };

static const gguf_tensor *golden(const gguf_file *f, const char *what, gguf_tensor_type type) {
  char name[64];
  (void)base_format(name, sizeof name, "%s.%s", what, gguf_tensor_type_name(type));
  return gguf_find_tensor(f, name);
}

static void test_golden(const gguf_file *f) {
  const gguf_tensor *input = gguf_find_tensor(f, "input");
  int decoded = 0, encoded = 0;
  TAP_OK(input != NULL && input->dim[0] == MOST, "the golden input");
  for (size_t k = 0; k < TYPES && input != NULL; k++) {
    gguf_tensor_type type = all_types[k];
    const gguf_tensor *raw = golden(f, "raw", type), *floats = golden(f, "decoded", type);
    const gguf_tensor *written = golden(f, "encoded", type);
    if (raw != NULL && floats != NULL) {
      float out[256];
      quant_decode_row(type, raw->data, 256, out);
      TAP_OK(raw->type == type && memcmp(out, floats->data, sizeof out) == 0, "decoding %s",
             gguf_tensor_type_name(type));
      decoded++;
    }
    if (written != NULL) {
      unsigned char out[1024 * 4];
      quant_encode_row(type, input->data, 1024, out);
      TAP_OK(memcmp(out, written->data, written->bytes) == 0, "encoding %s", gguf_tensor_type_name(type));
      encoded++;
    }
  }
  TAP_OK(decoded == 12 && encoded == 7, "%d golden decodings, %d encodings", decoded, encoded);
}

/* What ggml's reference quantisers leave of the golden input: root of error squared over values squared. */
static const struct {
  gguf_tensor_type type;
  double ggml, allowed; /* allowed: as a multiple of it */
} errors[] = {{GGUF_T_Q2_K, 0.29518, 0.92},  {GGUF_T_Q3_K, 0.14951, 0.98},  {GGUF_T_Q4_K, 0.071218, 0.995},
              {GGUF_T_Q5_K, 0.036219, 0.98}, {GGUF_T_Q6_K, 0.017836, 0.99}, {GGUF_T_Q8_K, 0.0086079, 1.001},
              {GGUF_T_IQ4_NL, 0.077085, 0.98}};

static void test_errors(const gguf_file *f) {
  const gguf_tensor *input = gguf_find_tensor(f, "input");
  const float *x = input->data;
  for (size_t k = 0; k < sizeof errors / sizeof errors[0]; k++) {
    static unsigned char bytes[MOST * 4];
    static float back[MOST];
    double miss = 0, size = 0;
    quant_encode_row(errors[k].type, x, MOST, bytes);
    quant_decode_row(errors[k].type, bytes, MOST, back);
    for (int i = 0; i < MOST; i++) {
      miss += pow((double)back[i] - (double)x[i], 2);
      size += pow((double)x[i], 2);
    }
    double share = sqrt(miss / size);
    TAP_OK(share <= errors[k].ggml * errors[k].allowed, "%s leaves %.6f, ggml %.6f",
           gguf_tensor_type_name(errors[k].type), share, errors[k].ggml);
  }
}

/* IQ4_NL, sixteen uneven values: the numbers are what gguf.quants.dequantize gives for this block. */
static void test_uneven(void) {
  static const float wanted[16] = {-63.5F, -52, -41.5F, -32.5F, -24.5F, -17.5F, -11,   -5,
                                   0.5F,   6.5F, 12.5F, 19,     26.5F,  34.5F,  44.5F, 56.5F};
  unsigned char block[18] = {0, 0x38}, again[18];
  float out[32];
  quant_parts parts;
  int wrong = 0;
  for (int i = 0; i < 16; i++) block[2 + i] = (unsigned char)(i | (15 - i) << 4);
  quant_decode_row(GGUF_T_IQ4_NL, block, 32, out);
  TAP_OK(quant_split_block(GGUF_T_IQ4_NL, block, &parts) && parts.d == 0x3800, "split");
  for (int i = 0; i < 32; i++) {
    wrong += out[i] != wanted[i < 16 ? i : 31 - i];
    wrong += 0.5F * (float)(parts.q[i] - 128) != out[i];
  }
  TAP_OK(wrong == 0, "%d elements of 32 are wrong", wrong);
  quant_encode_row(GGUF_T_IQ4_NL, out, 32, again);
  TAP_OK(memcmp(block, again, sizeof block) == 0, "what the type can hold comes back");
}

/* Every half and bfloat16 there and back; rounding at the edges. */
static void test_halves(void) {
  int wrong = 0;
  for (uint32_t h = 0; h < 0x10000; h++) {
    float f = quant_f32_of_f16((uint16_t)h), b = quant_f32_of_bf16((uint16_t)h);
    if (f == f && quant_f16_of_f32(f) != h) wrong++;
    if (b == b && quant_bf16_of_f32(b) != h) wrong++;
    if (f != f && quant_f32_of_f16(quant_f16_of_f32(f)) == 0) wrong++;
  }
  TAP_OK(wrong == 0, "%d halves change on the way", wrong);
  TAP_OK(quant_f32_of_f16(0x3C00) == 1.0F && quant_f32_of_f16(1) == 0x1p-24F &&
             quant_f32_of_f16(0xFBFF) == -65504.0F && isinf(quant_f32_of_f16(0x7C00)),
         "known halves");
  TAP_OK(quant_f16_of_f32(65519.0F) == 0x7BFF && quant_f16_of_f32(65520.0F) == 0x7C00, "largest half");
  TAP_OK(quant_f16_of_f32(0x1p-25F) == 0 && quant_f16_of_f32(0x1.8p-25F) == 1, "smallest half");
  TAP_OK(quant_f16_of_f32(1.0F + 0x1p-11F) == 0x3C00 && quant_f16_of_f32(1.0F + 0x3p-11F) == 0x3C02, "ties");
}

/* Infinities, not-a-numbers, the largest and smallest floats: bytes that decode to finite numbers. */
static void test_hostile(void) {
  static const float odd[] = {INFINITY, -INFINITY, NAN,   FLT_MAX, -FLT_MAX,
                              FLT_MIN,  1e-45F,    -0.0F, 1e30F,   1.0F};
  float x[256], back[256];
  unsigned char bytes[256 * 8];
  base_rng rng;
  base_rng_seed(&rng, 3);
  for (size_t k = 0; k < TYPES; k++) {
    gguf_tensor_type type = all_types[k];
    bool plain = gguf_block_elements(type) == 1;
    int bad = 0;
    for (int round = 0; round < 200; round++) {
      for (int i = 0; i < 256; i++)
        x[i] = base_rng_below(&rng, 4) > 0 ? base_rng_normal(&rng) : odd[base_rng_below(&rng, 10)];
      if (round == 0) memset(x, 0, sizeof x);
      quant_encode_row(type, x, 256, bytes);
      quant_decode_row(type, bytes, 256, back);
      for (int i = 0; i < 256; i++) {
        if (!plain && !isfinite(back[i])) bad++;
        if (round == 0 && back[i] != 0) bad++;
      }
    }
    TAP_OK(bad == 0, "%s gave %d bad numbers", gguf_tensor_type_name(type), bad);
  }
}

/* Integers keep what fits and stop at their ends; every type has a name that finds it. */
static void test_plain(void) {
  const float x[] = {-3.5F, 2.5F, 1e30F, -1e30F, NAN, 127.0F};
  static const struct {
    gguf_tensor_type type;
    double top;
  } rows[] = {{GGUF_T_I8, 127}, {GGUF_T_I16, 32767}, {GGUF_T_I32, 2147483647.0}, {GGUF_T_I64, 0x1p63}};
  for (size_t k = 0; k < 4; k++) {
    unsigned char bytes[48];
    float back[6];
    quant_encode_row(rows[k].type, x, 6, bytes);
    quant_decode_row(rows[k].type, bytes, 6, back);
    TAP_OK(back[0] == -4 && back[1] == 2 && back[4] == 0 && back[5] == 127 && back[2] == (float)rows[k].top &&
               back[3] <= -(float)rows[k].top,
           "%s", gguf_tensor_type_name(rows[k].type));
  }
  for (size_t k = 0; k < TYPES; k++) {
    gguf_tensor_type found;
    const char *name = gguf_tensor_type_name(all_types[k]);
    TAP_OK(gguf_tensor_type_find(base_slice_of(name), &found) && found == all_types[k], "%s by name", name);
  }
  size_t bytes;
  TAP_OK(!gguf_row_bytes(GGUF_T_Q4_K, 255, &bytes) && !gguf_row_bytes(GGUF_T_Q4_K, 0, &bytes), "odd rows");
  TAP_OK(!gguf_row_bytes(GGUF_T_F32, UINT64_C(1) << 62, &bytes), "a row that overflows");
  TAP_OK(gguf_row_bytes(GGUF_T_Q6_K, 512, &bytes) && bytes == 420, "a row of Q6_K");
}

int main(void) {
  gguf_file *f;
  base_error err = {0};
  base_status status = gguf_open(&f, "tests/golden/quant.gguf", NULL, &err);
  TAP_OK(status == BASE_OK, "%s: %s", err.where, err.text);
  if (status == BASE_OK) {
    test_golden(f);
    test_errors(f);
  }
  gguf_close(f);
  test_uneven();
  test_halves();
  test_hostile();
  test_plain();
  return tap_done("quant");
}
