/* Kernels over rows of floats: sums, normalisation, softmax, activation, rotation. */

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

static void body_rmsnorm(const float *x, const float *weight, size_t t, size_t d, float eps, float *y,
                         float *inv_rms) {
  for (size_t r = 0; r < t; r++, x += d, y += d) {
    float inv = 1.0f / sqrtf(body_dot(x, x, d) / (float)d + eps);
    vf factor = vf_set1(inv);
    for (size_t i = 0; i < d; i += 16) {
      size_t s = body_step(d - i);
      body_store(y + i, vf_mul(vf_mul(body_load(x + i, s), factor), body_load(weight + i, s)), s);
    }
    if (inv_rms) inv_rms[r] = inv;
  }
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
