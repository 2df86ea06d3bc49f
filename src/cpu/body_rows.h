/* Kernels over rows of floats: sums, normalisation, softmax, activation, rotation. */

enum { BODY_NORM_ROWS = 4 };

static float body_dot(const float *a, const float *b, size_t n) {
  vf sum = vf_set1(0.0f);
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    sum = vf_fma(body_load(a + i, s), body_load(b + i, s), sum);
  }
  return vf_sum(sum);
}

static void body_axpy(float a, const float *x, size_t n, float *y) {
  vf factor = vf_set1(a);
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    body_store(y + i, vf_fma(factor, body_load(x + i, s), body_load(y + i, s)), s);
  }
}

static void body_add(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    body_store(y + i, vf_add(body_load(x + i, s), body_load(y + i, s)), s);
  }
}

static void body_exp_row(const float *x, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    body_store(y + i, body_exp(body_load(x + i, s)), s);
  }
}

/* `rows` rows side by side (a constant where this is expanded): one alone waits for its chain of sums, its root and its
 * division, as long as all the rest takes. */
BODY_INLINE void body_rmsnorm_rows(size_t rows, const float *x, const float *weight, size_t d, float eps, float *y,
                                   float *inv_rms) {
  vf sum[BODY_NORM_ROWS], factor[BODY_NORM_ROWS];
  BODY_UNROLL
  for (size_t r = 0; r < rows; r++) sum[r] = vf_set1(0.0f);
  for (size_t i = 0; i < d; i += 16) {
    size_t s = body_step(d - i);
    BODY_UNROLL
    for (size_t r = 0; r < rows; r++) {
      vf v = body_load(x + r * d + i, s);
      sum[r] = vf_fma(v, v, sum[r]);
    }
  }
  BODY_UNROLL
  for (size_t r = 0; r < rows; r++) {
    float inv = 1.0f / sqrtf(vf_sum(sum[r]) / (float)d + eps);
    factor[r] = vf_set1(inv);
    if (inv_rms) inv_rms[r] = inv;
  }
  for (size_t i = 0; i < d; i += 16) {
    size_t s = body_step(d - i);
    vf w = body_load(weight + i, s);
    BODY_UNROLL
    for (size_t r = 0; r < rows; r++)
      body_store(y + r * d + i, vf_mul(vf_mul(body_load(x + r * d + i, s), factor[r]), w), s);
  }
}

static void body_rmsnorm(const float *x, const float *weight, size_t t, size_t d, float eps, float *y,
                         float *inv_rms) {
  size_t r = 0;
  for (; r + BODY_NORM_ROWS <= t; r += BODY_NORM_ROWS)
    body_rmsnorm_rows(BODY_NORM_ROWS, x + r * d, weight, d, eps, y + r * d, inv_rms ? inv_rms + r : NULL);
  for (; r < t; r++) body_rmsnorm_rows(1, x + r * d, weight, d, eps, y + r * d, inv_rms ? inv_rms + r : NULL);
}

static float body_row_max(const float *x, size_t n) {
  vf max = vf_set1(-INFINITY);
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    max = vf_max(max, s == 16 ? vf_load(x + i) : vf_load_or(x + i, s, -INFINITY));
  }
  return vf_max_fold(max);
}

/* The sum of exp(x - max); writes the terms to y when it is not NULL. */
BODY_INLINE float body_exp_sum(const float *x, size_t n, float max, float *y) {
  vf sum = vf_set1(0.0f), shift = vf_set1(max);
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    vf e = body_exp(vf_sub(s == 16 ? vf_load(x + i) : vf_load_or(x + i, s, -INFINITY), shift));
    sum = vf_add(sum, e);
    if (y) body_store(y + i, e, s);
  }
  return vf_sum(sum);
}

static void body_softmax(float *x, size_t n) {
  vf factor = vf_set1(1.0f / body_exp_sum(x, n, body_row_max(x, n), x));
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    body_store(x + i, vf_mul(body_load(x + i, s), factor), s);
  }
}

static float body_logsumexp(const float *x, size_t n) {
  float max = body_row_max(x, n);
  if (isinf(max)) return max; /* also the empty row: -infinity */
  return max + cpu_logf(body_exp_sum(x, n, max, NULL));
}

BODY_INLINE vf body_sigmoid(vf x) {
  vf one = vf_set1(1.0f);
  return vf_div(one, vf_add(one, body_exp(vf_neg(x))));
}

static void body_silu_mul(const float *gate, const float *up, size_t n, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    vf g = body_load(gate + i, s);
    body_store(y + i, vf_mul(vf_mul(g, body_sigmoid(g)), body_load(up + i, s)), s);
  }
}

/* Pairs of vectors whose gates share a division. */
BODY_INLINE void body_swiglu_pairs(size_t pairs, const float *gate, float *up) {
  vf bound = vf_set1(CPU_GLU_BOUND), one = vf_set1(1.0f), low = vf_neg(bound), z[BODY_EXPS], d[BODY_EXPS];
  BODY_UNROLL
  for (size_t i = 0; i < 2 * pairs; i++) z[i] = vf_max(low, vf_load(gate + 16 * i)); /* this order keeps NaN */
  BODY_UNROLL
  for (size_t i = 0; i < 2 * pairs; i++) d[i] = vf_min(bound, z[i]);
  body_exp_bounded(2 * pairs, d, -1.0f);
  BODY_UNROLL
  for (size_t i = 0; i < 2 * pairs; i++) d[i] = vf_add(one, d[i]);
  BODY_UNROLL
  for (size_t i = 0; i < 2 * pairs; i += 2) {
    vf inverse = vf_div(one, vf_mul(d[i], d[i + 1])), first = vf_mul(inverse, d[i + 1]);
    d[i + 1] = vf_mul(inverse, d[i]);
    d[i] = first;
  }
  BODY_UNROLL
  for (size_t i = 0; i < 2 * pairs; i++)
    vf_store(up + 16 * i, vf_mul(vf_mul(z[i], vf_load(up + 16 * i)), d[i]));
}

static void body_swiglu(const float *gate, size_t n, float *up) {
  float rest[2][32] = {{0}};
  size_t i = 0;
  for (; n - i >= 16 * BODY_EXPS; i += 16 * BODY_EXPS) body_swiglu_pairs(BODY_EXPS / 2, gate + i, up + i);
  for (; n - i >= 32; i += 32) body_swiglu_pairs(1, gate + i, up + i);
  if (i == n) return;
  memcpy(rest[0], gate + i, (n - i) * sizeof(float));
  memcpy(rest[1], up + i, (n - i) * sizeof(float));
  body_swiglu_pairs(1, rest[0], rest[1]);
  memcpy(up + i, rest[1], (n - i) * sizeof(float));
}

static void body_rope(float *x, size_t t, size_t heads, size_t hd, const float *cos_table,
                      const float *sin_table, float sign) {
  size_t half = hd / 2;
  vf direction = vf_set1(sign);
  for (size_t r = 0; r < t; r++, cos_table += half, sin_table += half) {
    for (size_t h = 0; h < heads; h++, x += hd) {
      for (size_t i = 0; i < half; i += 16) {
        size_t s = body_step(half - i);
        vf c = body_load(cos_table + i, s), z = vf_mul(body_load(sin_table + i, s), direction);
        vf first = body_load(x + i, s), second = body_load(x + half + i, s);
        body_store(x + i, vf_fma(first, c, vf_neg(vf_mul(second, z))), s);
        body_store(x + half + i, vf_fma(first, z, vf_mul(second, c)), s);
      }
    }
  }
}

static void body_rope_halves(float *x, size_t t, size_t heads, size_t hd, size_t dims, const float *cos_table,
                             const float *sin_table) {
  for (size_t r = 0; r < t; r++)
    for (size_t h = 0; h < heads; h++)
      body_rope(x + (r * heads + h) * hd, 1, 1, dims, cos_table + r * (dims / 2), sin_table + r * (dims / 2), 1.0f);
}

static void body_rope_pairs(float *x, size_t t, size_t heads, size_t hd, size_t dims, const float *cos_table,
                            const float *sin_table) {
  for (size_t r = 0; r < t; r++, cos_table += dims, sin_table += dims) {
    for (size_t h = 0; h < heads; h++, x += hd) {
      for (size_t i = 0; i < dims; i += 16) {
        size_t s = body_step(dims - i);
        vf v = body_load(x + i, s), turned = vf_mul(vf_swap_pairs(v), body_load(sin_table + i, s));
        body_store(x + i, vf_fma(v, body_load(cos_table + i, s), turned), s);
      }
    }
  }
}

/* tanh x = 1 - 2 / (exp(2x) + 1) */
BODY_INLINE vf body_tanh(vf x) {
  vf one = vf_set1(1.0f);
  return vf_sub(one, vf_div(vf_set1(2.0f), vf_add(body_exp(vf_add(x, x)), one)));
}

static void body_soft_cap(float *x, size_t n, float cap) {
  vf limit = vf_set1(cap);
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    body_store(x + i, vf_mul(limit, body_tanh(vf_div(body_load(x + i, s), limit))), s);
  }
}

/* erf by Abramowitz and Stegun 7.1.26, of |x|; error below 1.5e-7. */
BODY_INLINE vf body_erf_abs(vf a) {
  vf one = vf_set1(1.0f), t = vf_div(one, vf_fma(vf_set1(0.3275911f), a, one)), p = vf_set1(1.061405429f);
  p = vf_fma(p, t, vf_set1(-1.453152027f));
  p = vf_fma(p, t, vf_set1(1.421413741f));
  p = vf_fma(p, t, vf_set1(-0.284496736f));
  p = vf_fma(p, t, vf_set1(0.254829592f));
  return vf_sub(one, vf_mul(vf_mul(p, t), body_exp(vf_neg(vf_mul(a, a)))));
}

BODY_INLINE vf body_gelu(vf x, bool tanh_form) {
  vf half = vf_mul(x, vf_set1(0.5f)), e;
  if (tanh_form) {
    vf inner = vf_fma(vf_mul(vf_mul(x, x), x), vf_set1(0.044715f), x);
    return vf_fma(half, body_tanh(vf_mul(inner, vf_set1(0.7978845608f))), half);
  }
  e = body_erf_abs(vf_abs(vf_mul(x, vf_set1(0.70710678f))));
  return vf_fma(vf_abs(half), e, half); /* erf is odd: x erf(x) = |x| erf(|x|) */
}

static void body_gelu_mul(const float *gate, const float *up, size_t n, bool tanh_form, float *y) {
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    vf g = body_load(gate + i, s);
    g = tanh_form ? body_gelu(g, true) : body_gelu(g, false);
    body_store(y + i, up ? vf_mul(g, body_load(up + i, s)) : g, s);
  }
}
