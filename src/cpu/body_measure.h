/* What measuring needs: reads of memory, and arithmetic in registers alone. */

static uint64_t body_read(const void *p, size_t bytes) {
  const unsigned char *from = p;
  vb a = vb_load(from), b = a, c = a, d = a;
  uint64_t out[8];
  size_t i = 0;
  for (; i + 256 <= bytes; i += 256) {
    a = vb_or(a, vb_load(from + i));
    b = vb_or(b, vb_load(from + i + 64));
    c = vb_or(c, vb_load(from + i + 128));
    d = vb_or(d, vb_load(from + i + 192));
  }
  a = vb_or(vb_or(a, b), vb_or(c, d));
  memcpy(out, &a, sizeof out);
  return out[0] ^ out[1] ^ out[2] ^ out[3] ^ out[4] ^ out[5] ^ out[6] ^ out[7];
}

/* Enough chains to hide the latency; what comes out is used, so that none is left out. */
#define BODY_CHAINS 12u

static double body_peak_i8(size_t rounds) {
  unsigned char bytes[64];
  vi acc[BODY_CHAINS];
  volatile float sink;
  for (size_t i = 0; i < 64; i++) bytes[i] = (unsigned char)(i & 15u);
  vb w = vb_load(bytes);
  BODY_UNROLL
  for (size_t i = 0; i < BODY_CHAINS; i++) acc[i] = vi_set1((int32_t)i); /* equal chains would be one */
  for (size_t r = 0; r < rounds; r++) {
    BODY_UNROLL
    for (size_t i = 0; i < BODY_CHAINS; i++) acc[i] = vi_dot_small(acc[i], w, (const int8_t *)bytes + 4 * (i % 4));
  }
  vf sum = vf_set1(0.0f);
  BODY_UNROLL /* an index that is no constant would keep the chains in memory */
  for (size_t i = 0; i < BODY_CHAINS; i++) sum = vf_add(sum, vf_of_vi(acc[i]));
  sink = vf_sum(sum);
  (void)sink;
  return (double)rounds * BODY_CHAINS * 128.0;
}

static double body_peak_f32(size_t rounds) {
  vf acc[BODY_CHAINS], x = vf_set1(0.999f), y = vf_set1(0.001f);
  volatile float sink;
  for (size_t i = 0; i < BODY_CHAINS; i++) acc[i] = vf_set1((float)i);
  for (size_t r = 0; r < rounds; r++) {
    BODY_UNROLL
    for (size_t i = 0; i < BODY_CHAINS; i++) acc[i] = vf_fma(acc[i], x, y);
  }
  vf sum = acc[0];
  for (size_t i = 1; i < BODY_CHAINS; i++) sum = vf_add(sum, acc[i]);
  sink = vf_sum(sum);
  (void)sink;
  return (double)rounds * BODY_CHAINS * 32.0;
}
