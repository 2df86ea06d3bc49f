/* int8: quantisation of activations and the product with packed weights (layout in cpu.h). Four tokens share
 * each load of weights; measured on Zen 4 with 2 groups: 94 to 97 % of the VNNI peak, against 87 to 90 % with
 * eight. */
#define BODY_I8_T 4u

static void body_quantize_i8(const float *x, size_t t, size_t k, int8_t *q, float *scale) {
  size_t k_padded = (k + 3) / 4 * 4;
  vf high = vf_set1(127.0f), low = vf_set1(-127.0f);
  for (size_t r = 0; r < t; r++, x += k, q += k_padded) {
    vf largest = vf_set1(0.0f);
    for (size_t i = 0; i < k; i += 16) largest = vf_max(largest, vf_abs(body_load(x + i, body_step(k - i))));
    float max = vf_max_fold(largest);
    if (!(max >= CPU_QUANT_TINY)) {
      scale[r] = 0.0f;
      memset(q, 0, k_padded);
      continue;
    }
    vf factor = vf_set1(127.0f / max);
    scale[r] = max / 127.0f;
    for (size_t i = 0; i < k; i += 16) {
      vf v = vf_mul(body_load(x + i, body_step(k - i)), factor);
      v = vf_min(vf_max(v, low), high); /* this order turns NaN into -127 */
      vf_store_i8(q + i, v, body_step(k_padded - i));
    }
  }
}

/* One tile: `tokens` x `groups` of 16 rows of weights, both constants where this is expanded. columns: how
 * many of the tile's outputs exist. */
BODY_INLINE void body_i8_tile(size_t tokens, size_t groups, const cpu_weights_i8 *w, size_t group,
                              size_t columns, const int8_t *q, const float *x_scale, float *y, size_t ldy,
                              bool add) {
  size_t k_padded = (w->k + 3) / 4 * 4;
  const int8_t *packed = w->packed + group * k_padded * 16;
  vi acc[BODY_I8_T][VEC_I8_G];
  BODY_UNROLL
  for (size_t r = 0; r < tokens; r++) {
    BODY_UNROLL
    for (size_t g = 0; g < groups; g++) acc[r][g] = vi_zero();
  }
  for (size_t p = 0; p < k_padded; p += 4) {
    vw rows[VEC_I8_G];
    BODY_UNROLL
    for (size_t g = 0; g < groups; g++) rows[g] = vw_load(packed + (g * k_padded + p) * 16);
    BODY_UNROLL
    for (size_t r = 0; r < tokens; r++) {
      va x = va_set4(q + r * k_padded + p);
      BODY_UNROLL
      for (size_t g = 0; g < groups; g++) acc[r][g] = vi_dot(acc[r][g], rows[g], x);
    }
  }
  BODY_UNROLL
  for (size_t g = 0; g < groups; g++) {
    size_t row = (group + g) * 16, n = g + 1 == groups ? columns - g * 16 : 16;
    vf scale = vf_load(w->scale + row);
    BODY_UNROLL
    for (size_t r = 0; r < tokens; r++) {
      vf both = vf_mul(vf_set1(x_scale[r]), scale), value = vi_unbias(acc[r][g], w->row_sum + row);
      float *out = y + r * ldy + row;
      body_store(out, add ? vf_fma(value, both, body_load(out, n)) : vf_mul(value, both), n);
    }
  }
}

#define BODY_I8_TILE(tokens)                                                                               \
  static void body_i8_rows_##tokens(const cpu_weights_i8 *w, const int8_t *q, const float *x_scale,        \
                                    float *y, size_t ldy, bool add) {                                      \
    size_t group = 0, groups = (w->n + 15) / 16;                                                           \
    for (; group + VEC_I8_G <= groups; group += VEC_I8_G) {                                                \
      size_t left = w->n - group * 16;                                                                     \
      body_i8_tile(tokens, VEC_I8_G, w, group, left < 16 * VEC_I8_G ? left : 16 * VEC_I8_G, q, x_scale, y, \
                   ldy, add);                                                                              \
    }                                                                                                      \
    for (; group < groups; group++) {                                                                      \
      size_t left = w->n - group * 16;                                                                     \
      body_i8_tile(tokens, 1, w, group, left < 16 ? left : 16, q, x_scale, y, ldy, add);                   \
    }                                                                                                      \
  }
BODY_I8_TILE(1)
BODY_I8_TILE(2)
BODY_I8_TILE(3)
BODY_I8_TILE(4)

static void body_gemm_i8(const cpu_weights_i8 *w, const int8_t *q, const float *x_scale, size_t t, float *y,
                         size_t ldy, bool add) {
  typedef void rows_fn(const cpu_weights_i8 *, const int8_t *, const float *, float *, size_t, bool);
  static rows_fn *const tiles[BODY_I8_T] = {body_i8_rows_1, body_i8_rows_2, body_i8_rows_3, body_i8_rows_4};
  size_t k_padded = (w->k + 3) / 4 * 4;
  for (size_t r = 0; r < t; r += BODY_I8_T) {
    size_t tokens = t - r < BODY_I8_T ? t - r : BODY_I8_T;
    tiles[tokens - 1](w, q + r * k_padded, x_scale + r, y + r * ldy, ldy, add);
  }
}
