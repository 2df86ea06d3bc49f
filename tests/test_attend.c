/* cpu, what language models need beside products: attention over a cache of keys and values, rotation, gelu, soft
 * caps. Every table against the scalar one by memcmp, all against doubles, batches against single tokens. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "tap.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
enum { MOST = 150, MOST_HD = 256, MOST_HEADS = 8, FLOATS = 400000 };

static float random_floats[FLOATS], results[FLOATS], others[FLOATS];
static const float *input(size_t start) { return random_floats + start; }

static void fill_random(void) {
  base_rng rng;
  base_rng_seed(&rng, 4711);
  for (size_t i = 0; i < FLOATS; i++) random_floats[i] = base_rng_normal(&rng);
}

typedef struct shape {
  size_t hd, heads, tokens, position, window;
  float cap;
} shape;

static const shape shapes[] = {
    {16, 1, 1, 0, 0, 0.0f},    {64, 2, 1, 70, 0, 0.0f},   {64, 7, 1, 100, 0, 0.0f},  {32, 1, 37, 0, 0, 0.0f},
    {64, 2, 20, 33, 0, 0.0f},  {80, 4, 19, 5, 9, 0.0f},   {128, 8, 3, 111, 50, 0.0f}, {24, 3, 31, 17, 16, 0.0f},
    {256, 4, 9, 40, 0, 50.0f}, {64, 1, 100, 50, 30, 8.0f}, {40, 2, 2, 140, 1, 0.0f},  {96, 5, 5, 15, 17, 0.0f},
};

typedef struct cache {
  unsigned char *keys, *values;
} cache;

static cache make_cache(const cpu_kernels *k, cpu_kv_type type, const shape *s) {
  size_t n = s->position + s->tokens, tiles = (n + 15) / 16;
  size_t key_bytes = tiles * cpu_kv_tile_bytes(type, s->hd), value_bytes = tiles * 16 * cpu_kv_row_bytes(type, s->hd);
  cache c = {malloc(key_bytes), malloc(value_bytes)};
  memset(c.keys, 0xFF, key_bytes); /* not-a-numbers where nothing is put */
  memset(c.values, 0xFF, value_bytes);
  for (size_t p = 0, rows; p < n; p += rows) { /* whole tiles, and single positions */
    rows = n - p >= 16 && p / 16 % 2 == 0 ? 16 + p % 3 : 1;
    rows = rows < n - p ? rows : n - p;
    k->kv_put(&(cpu_kv_rows){type, s->hd, p, rows, input(p * s->hd), input(100000 + p * s->hd), s->hd, c.keys, c.values});
  }
  return c;
}

static cpu_attend ask(cpu_kv_type type, const shape *s, const cache *c, float *out, float *scratch) {
  return (cpu_attend){.type = type, .keys = c->keys, .values = c->values, .hd = s->hd, .heads = s->heads,
                      .tokens = s->tokens, .position = s->position, .window = s->window,
                      .scale = 1.0f / sqrtf((float)s->hd), .cap = s->cap, .q = input(200000), .out = out,
                      .ldq = s->heads * s->hd + 3, .ldo = s->heads * s->hd + 5, .scratch = scratch};
}

static void run(const cpu_kernels *k, cpu_kv_type type, const shape *s, size_t at_once, float *out) {
  float *scratch = malloc(cpu_attend_scratch(s->position + s->tokens) * sizeof(float));
  cache c = make_cache(k, type, s);
  for (size_t i = 0; i < FLOATS; i++) out[i] = 99.0f;
  for (size_t t = 0; t < s->tokens; t += at_once) {
    cpu_attend a = ask(type, s, &c, out, scratch);
    a.q += t * a.ldq;
    a.out += t * a.ldo;
    a.position += t;
    a.tokens = s->tokens - t < at_once ? s->tokens - t : at_once;
    k->attend(&a);
  }
  free(c.keys);
  free(c.values);
  free(scratch);
}

/* One query against the definition, in doubles. */
static double query_error(const shape *s, size_t token, size_t head, const float *got) {
  const float *q = input(200000) + token * (s->heads * s->hd + 3) + head * s->hd;
  size_t position = s->position + token, low = s->window && position >= s->window ? position - s->window + 1 : 0;
  double weight[MOST], sum = 0.0, worst = 0.0;
  for (size_t p = low; p <= position; p++) {
    double score = 0.0;
    for (size_t i = 0; i < s->hd; i++) score += (double)q[i] * (double)input(p * s->hd)[i];
    score /= sqrt((double)s->hd);
    if (s->cap > 0.0f) score = (double)s->cap * tanh(score / (double)s->cap);
    weight[p] = exp(score);
    sum += weight[p];
  }
  for (size_t i = 0; i < s->hd; i++) {
    double y = 0.0;
    for (size_t p = low; p <= position; p++) y += weight[p] / sum * (double)input(100000 + p * s->hd)[i];
    double error = fabs(y - (double)got[i]);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

static void test_attend(cpu_kv_type type, double bound) {
  const cpu_kernels *table;
  for (size_t i = 0; i < COUNT(shapes); i++) {
    const shape *s = &shapes[i];
    double worst = 0.0;
    run(cpu_named("scalar"), type, s, s->tokens, results);
    for (size_t t = 0; t < s->tokens; t++) {
      for (size_t h = 0; h < s->heads; h++) {
        double e = query_error(s, t, h, results + t * (s->heads * s->hd + 5) + h * s->hd);
        if (!(e <= worst)) worst = e;
      }
    }
    TAP_OK(worst < bound, "type %d shape %zu is %g from doubles", (int)type, i, worst);
    for (size_t n = 0; (table = cpu_available(n)) != NULL; n++) {
      run(table, type, s, s->tokens, others);
      TAP_OK(memcmp(results, others, sizeof results) == 0, "%s type %d shape %zu differs", table->name, (int)type, i);
      run(table, type, s, 1, others);
      TAP_OK(memcmp(results, others, sizeof results) == 0, "%s type %d shape %zu: a token at a time differs",
             table->name, (int)type, i);
      run(table, type, s, 3, others);
      TAP_OK(memcmp(results, others, sizeof results) == 0, "%s type %d shape %zu: three at a time differ",
             table->name, (int)type, i);
    }
  }
}

/* Halves as the standard has them: every one of the 65,536 comes back as it was, not-a-numbers but for their bits. */
static void test_halves(void) {
  const cpu_kernels *table;
  for (size_t n = 0; (table = cpu_available(n)) != NULL; n++) {
    unsigned char keys[64 * 16], values[64];
    size_t wrong = 0;
    for (float step = 1.0f; step < 1.9f; step += 0.0007f) {
      for (int e = -26; e < 16; e++) {
        float k[16] = {0}, v[16] = {ldexpf(step, e), -ldexpf(step, e)};
        table->kv_put(&(cpu_kv_rows){CPU_KV_F16, 16, 0, 1, k, v, 16, keys, values});
        uint16_t h[2];
        memcpy(h, values, 4);
        int exponent = e < -14 ? -24 : e - 10; /* of the last bit */
        double want = ldexp(nearbyint(ldexp((double)step, e - exponent)), exponent);
        unsigned bits = h[0], ex = bits >> 10, man = bits & 1023u;
        double got = ex == 31 ? (double)INFINITY : ex ? ldexp(1024.0 + man, (int)ex - 25) : ldexp((double)man, -24);
        if (want >= 65536.0) want = (double)INFINITY;
        wrong += memcmp(&got, &want, sizeof got) != 0 || h[1] != (h[0] | 0x8000u);
      }
    }
    TAP_OK(wrong == 0, "%s: %zu halves rounded wrongly", table->name, wrong);
  }
}

static double worst_of(const float *got, const double *want, size_t n) {
  double worst = 0.0;
  for (size_t i = 0; i < n; i++) {
    double e = fabs((double)got[i] - want[i]) / (1.0 + fabs(want[i]));
    if (!(e <= worst)) worst = e;
  }
  return worst;
}

static void test_rows(void) {
  enum { N = 1000 };
  const cpu_kernels *table;
  double erf_form[N], tanh_form[N], cap[N];
  float x[N];
  for (size_t i = 0; i < N; i++) {
    x[i] = input(7)[i] * (i % 5 == 0 ? 20.0f : 3.0f);
    double v = (double)x[i], up = (double)input(5000)[i];
    erf_form[i] = 0.5 * v * (1.0 + erf(v / sqrt(2.0))) * up;
    tanh_form[i] = 0.5 * v * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (v + 0.044715 * v * v * v))) * up;
    cap[i] = 30.0 * tanh(v / 30.0);
  }
  for (size_t t = 0; (table = cpu_available(t)) != NULL; t++) {
    float *y = t == 0 ? results : others;
    memcpy(y + 2000, x, sizeof x);
    table->gelu_mul(x, input(5000), N, false, y);
    table->gelu_mul(x, input(5000), N, true, y + 1000);
    table->soft_cap(y + 2000, N, 30.0f);
    table->gelu_mul(x, NULL, 33, true, y + 3000);
    TAP_OK(worst_of(y, erf_form, N) < 1e-6, "%s gelu: %g", table->name, worst_of(y, erf_form, N));
    TAP_OK(worst_of(y + 1000, tanh_form, N) < 1e-6, "%s gelu by tanh: %g", table->name, worst_of(y + 1000, tanh_form, N));
    TAP_OK(worst_of(y + 2000, cap, N) < 1e-5, "%s soft cap: %g", table->name, worst_of(y + 2000, cap, N));
    TAP_OK(t == 0 || memcmp(y, results, 3033 * sizeof(float)) == 0, "%s rows differ", table->name);
  }
}

static void rotate(bool pairs, size_t heads, size_t hd, size_t dims, const float *angle, const float *x, double *y) {
  for (size_t i = 0; i < heads * hd; i++) y[i] = (double)x[i];
  for (size_t h = 0; h < heads; h++) {
    for (size_t i = 0; i < dims / 2; i++) {
      size_t a = h * hd + (pairs ? 2 * i : i), b = h * hd + (pairs ? 2 * i + 1 : i + dims / 2);
      double c = cos((double)angle[i]), s = sin((double)angle[i]);
      y[a] = (double)x[a] * c - (double)x[b] * s;
      y[b] = (double)x[a] * s + (double)x[b] * c;
    }
  }
}

static void test_rope(void) {
  static const size_t dims_of[][2] = {{64, 64}, {80, 32}, {96, 96}, {40, 40}, {24, 12}};
  const cpu_kernels *table;
  for (size_t d = 0; d < COUNT(dims_of); d++) {
    size_t hd = dims_of[d][0], dims = dims_of[d][1];
    float c[64], s[64], twice_c[128], twice_s[128];
    double want[300];
    for (size_t i = 0; i < dims / 2; i++) {
      c[i] = twice_c[2 * i] = twice_c[2 * i + 1] = (float)cos((double)input(9)[i]);
      s[i] = twice_s[2 * i + 1] = (float)sin((double)input(9)[i]);
      twice_s[2 * i] = -s[i];
    }
    for (size_t t = 0; (table = cpu_available(t)) != NULL; t++) {
      float *y = t == 0 ? results : others;
      memcpy(y, input(500), 3 * hd * sizeof(float));
      memcpy(y + 300, input(500), 3 * hd * sizeof(float));
      table->rope_halves(y, 1, 3, hd, dims, c, s);
      table->rope_pairs(y + 300, 1, 3, hd, dims, twice_c, twice_s);
      rotate(false, 3, hd, dims, input(9), input(500), want);
      TAP_OK(worst_of(y, want, 3 * hd) < 1e-6, "%s halves %zu of %zu", table->name, dims, hd);
      rotate(true, 3, hd, dims, input(9), input(500), want);
      TAP_OK(worst_of(y + 300, want, 3 * hd) < 1e-6, "%s pairs %zu of %zu", table->name, dims, hd);
      TAP_OK(t == 0 || memcmp(y, results, (300 + 3 * hd) * sizeof(float)) == 0, "%s rotation differs", table->name);
    }
  }
}

int main(void) {
  fill_random();
  test_attend(CPU_KV_F32, 5e-6);
  test_attend(CPU_KV_F16, 5e-3);
  test_attend(CPU_KV_I8, 6e-2);
  test_halves();
  test_rows();
  test_rope();
  return tap_done("attend");
}
