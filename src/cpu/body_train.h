/* Backward passes and the optimiser. Names of gradients start with d, as in the derivations beside them. */

/* y = x r w with r = (mean x^2 + eps)^-1/2, so dx = w dy r - x r^3 / d sum(w dy x). */
static void body_rmsnorm_backward(const float *x, const float *weight, const float *inv_rms, const float *dy,
                                  size_t t, size_t d, float *dx, float *dweight) {
  for (size_t row = 0; row < t; row++, x += d, dy += d, dx += d) {
    float r = inv_rms[row];
    vf sum = vf_set1(0.0f), factor = vf_set1(r);
    for (size_t i = 0; i < d; i += 16) {
      size_t s = body_step(d - i);
      vf xi = body_load(x + i, s), dyi = body_load(dy + i, s);
      sum = vf_fma(vf_mul(body_load(weight + i, s), dyi), xi, sum);
      body_store(dweight + i, vf_fma(dyi, vf_mul(xi, factor), body_load(dweight + i, s)), s);
    }
    vf pull = vf_set1(-(vf_sum(sum) * r * r * r / (float)d));
    for (size_t i = 0; i < d; i += 16) {
      size_t s = body_step(d - i);
      vf g = vf_mul(body_load(weight + i, s), body_load(dy + i, s));
      vf old = vf_fma(g, factor, body_load(dx + i, s));
      body_store(dx + i, vf_fma(pull, body_load(x + i, s), old), s);
    }
  }
}

/* With s = sigmoid(g): d silu(g) / dg = s (1 + g (1 - s)). */
static void body_silu_mul_backward(const float *gate, const float *up, const float *dy, size_t n,
                                   float *dgate, float *dup) {
  vf one = vf_set1(1.0f);
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    vf g = body_load(gate + i, s), d = body_load(dy + i, s), u = body_load(up + i, s), sig = body_sigmoid(g);
    vf slope = vf_mul(sig, vf_fma(g, vf_sub(one, sig), one));
    body_store(dup + i, vf_mul(d, vf_mul(g, sig)), s);
    body_store(dgate + i, vf_mul(vf_mul(d, u), slope), s);
  }
}

static void body_adamw(float *w, const float *g, float *m, float *v, size_t n, float lr, float beta1,
                       float beta2, float eps, float decay, float c1, float c2, float grad_scale) {
  vf b1 = vf_set1(beta1), b2 = vf_set1(beta2), rest1 = vf_set1(1.0f - beta1), rest2 = vf_set1(1.0f - beta2);
  for (size_t i = 0; i < n; i += 16) {
    size_t s = body_step(n - i);
    vf gi = vf_mul(body_load(g + i, s), vf_set1(grad_scale)), wi = body_load(w + i, s);
    vf mi = vf_fma(b1, body_load(m + i, s), vf_mul(rest1, gi));
    vf vi_ = vf_fma(b2, body_load(v + i, s), vf_mul(rest2, vf_mul(gi, gi)));
    vf bottom = vf_add(vf_sqrt(vf_mul(vi_, vf_set1(c2))), vf_set1(eps));
    vf step = vf_fma(vf_set1(decay), wi, vf_div(vf_mul(mi, vf_set1(c1)), bottom));
    body_store(m + i, mi, s);
    body_store(v + i, vi_, s);
    body_store(w + i, vf_fma(vf_set1(-lr), step, wi), s);
  }
}
