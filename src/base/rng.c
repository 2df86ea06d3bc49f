/* base/rng: xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64. Every derived number uses only
 * integer arithmetic and IEEE operations that round exactly, so a seed gives the same bits on every machine.
 */
#include "base/base.h"

#include <math.h>
#include <string.h>

static uint64_t splitmix64(uint64_t *state) {
  uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int k) {
  return (x << k) | (x >> (64 - k));
}

void base_rng_seed(base_rng *r, uint64_t seed) {
  for (int i = 0; i < 4; i++) r->s[i] = splitmix64(&seed);
}

uint64_t base_rng_next(base_rng *r) {
  uint64_t *s = r->s;
  uint64_t result = rotate_left(s[1] * 5, 7) * 9;
  uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate_left(s[3], 45);
  return result;
}

/* Multiply-shift with rejection of the short remainder (Lemire 2019). */
uint32_t base_rng_below(base_rng *r, uint32_t bound) {
  uint64_t m = (base_rng_next(r) >> 32) * bound;
  if ((uint32_t)m < bound) {
    uint32_t threshold = (0U - bound) % bound;
    while ((uint32_t)m < threshold) m = (base_rng_next(r) >> 32) * bound;
  }
  return (uint32_t)(m >> 32);
}

float base_rng_unit(base_rng *r) {
  return (float)(base_rng_next(r) >> 40) * 0x1p-24F;
}

/* ln(x) for normal x > 0 to ~1e-15: x = m * 2^e with m in [sqrt(1/2), sqrt(2)), then the series of
 * 2 atanh((m-1)/(m+1)), whose argument is below 0.172. libm's log may differ in the last bit between systems.
 */
static double exact_order_log(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int e = (int)(bits >> 52) - 1023;
  bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000);
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    e++;
  }
  double t = (m - 1.0) / (m + 1.0), t2 = t * t, sum = 0.0;
  for (int k = 19; k >= 1; k -= 2) sum = sum * t2 + 1.0 / (double)k;
  return 2.0 * t * sum + (double)e * 0.69314718055994530942;
}

/* Marsaglia's polar method. The second number of the pair is thrown away: keeping it would be state. */
float base_rng_normal(base_rng *r) {
  double u, v, s;
  do {
    u = (double)(base_rng_next(r) >> 11) * 0x1p-52 - 1.0;
    v = (double)(base_rng_next(r) >> 11) * 0x1p-52 - 1.0;
    s = u * u + v * v;
  } while (s >= 1.0 || s < 0x1p-200);
  return (float)(u * sqrt(-2.0 * exact_order_log(s) / s));
}

void base_rng_shuffle(base_rng *r, uint32_t *v, size_t n) {
  for (size_t i = n; i > 1; i--) {
    size_t j = base_rng_below(r, (uint32_t)i);
    uint32_t x = v[i - 1];
    v[i - 1] = v[j];
    v[j] = x;
  }
}
