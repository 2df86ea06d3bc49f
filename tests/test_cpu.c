/* cpu: every table against the scalar one by memcmp, against exact and double references, over odd shapes,
 * thread counts and batch sizes; gradients against finite differences; hashes of a fixed workload that hold
 * on every architecture. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "tap.h"

#define POOL_FLOATS 400000u
#define OUT_FLOATS 200000u
#define SENTINEL 12345.678f

/* Inputs are slices of one array of random floats; outputs go to two arrays that are compared. */
static float inputs[POOL_FLOATS], out_one[OUT_FLOATS], out_two[OUT_FLOATS], scratch[400000];
static int8_t bytes[200000];
static float bytes_scale[2048];

static void fill_inputs(void) {
  base_rng rng;
  base_rng_seed(&rng, 20260901);
  for (size_t i = 0; i < POOL_FLOATS; i++) inputs[i] = (base_rng_unit(&rng) - 0.5f) * 4.0f;
}
static const float *input(size_t start) { return inputs + start; }
static void fill_out(float *out) {
  for (size_t i = 0; i < OUT_FLOATS; i++) out[i] = SENTINEL;
}
static bool same_bits(float a, float b) { return memcmp(&a, &b, sizeof(a)) == 0; }

/* The larger of two errors; unlike fmax it keeps NaN, so that a kernel that gives NaN fails. */
static double larger(double a, double b) { return isnan(a) || a >= b ? a : b; }

/* ---- workloads: one kernel at one size into `out`; gives the number of floats that may have changed ---- */

typedef size_t workload_fn(const cpu_kernels *k, size_t n, float *out);

static size_t work_dot(const cpu_kernels *k, size_t n, float *out) {
  out[0] = k->dot(input(1), input(5003), n);
  return 1;
}
static size_t work_axpy(const cpu_kernels *k, size_t n, float *out) {
  memcpy(out, input(7), n * sizeof(float));
  k->axpy(0.37f, input(1001), n, out);
  return n;
}
static size_t work_add(const cpu_kernels *k, size_t n, float *out) {
  memcpy(out, input(7), n * sizeof(float));
  k->add(input(1003), n, out);
  return n;
}
static size_t work_exp(const cpu_kernels *k, size_t n, float *out) {
  for (size_t i = 0; i < n; i++) scratch[i] = input(9)[i] * 30.0f;
  k->exp(scratch, n, out);
  return n;
}
static size_t work_softmax(const cpu_kernels *k, size_t n, float *out) {
  memcpy(out, input(11), n * sizeof(float));
  k->softmax(out, n);
  return n;
}
static size_t work_logsumexp(const cpu_kernels *k, size_t n, float *out) {
  out[0] = k->logsumexp(input(13), n);
  return 1;
}
static size_t work_silu_mul(const cpu_kernels *k, size_t n, float *out) {
  k->silu_mul(input(17), input(4001), n, out);
  return n;
}
static size_t work_swiglu(const cpu_kernels *k, size_t n, float *out) {
  memcpy(out, input(4003), n * sizeof(float));
  for (size_t i = 0; i < n; i++) scratch[i] = input(21)[i] * 20.0f;
  k->swiglu(scratch, n, out);
  return n;
}
static size_t work_silu_mul_backward(const cpu_kernels *k, size_t n, float *out) {
  k->silu_mul_backward(input(17), input(4001), input(8003), n, out, out + n);
  return 2 * n;
}
static size_t work_rmsnorm(const cpu_kernels *k, size_t n, float *out) {
  k->rmsnorm(input(19), input(90001), 3, n, 1e-5f, out, out + 3 * n);
  return 3 * n + 3;
}
static size_t work_rmsnorm_backward(const cpu_kernels *k, size_t n, float *out) {
  memcpy(out, input(23), 4 * n * sizeof(float));
  k->rmsnorm(input(19), input(90001), 3, n, 1e-5f, scratch + 8, scratch);
  k->rmsnorm_backward(input(19), input(90001), scratch, input(70001), 3, n, out, out + 3 * n);
  return 4 * n;
}
static size_t work_adamw(const cpu_kernels *k, size_t n, float *out) {
  memcpy(out, input(29), 3 * n * sizeof(float));
  for (size_t i = 0; i < n; i++) out[2 * n + i] = fabsf(out[2 * n + i]);
  k->adamw(out, input(31), out + n, out + 2 * n, n, 1e-3f, 0.9f, 0.98f, 1e-8f, 0.01f, 1.7f, 3.1f, 0.25f);
  return 3 * n;
}
static size_t work_rope(const cpu_kernels *k, size_t n, float *out) {
  size_t hd = (n % 8 + 1) * 16, t = n / 8 % 5 + 1;
  memcpy(out, input(37), t * 3 * hd * sizeof(float));
  k->rope(out, t, 3, hd, input(50000), input(60000), n % 2 ? 1.0f : -1.0f);
  return t * 3 * hd;
}
static size_t work_quantize(const cpu_kernels *k, size_t n, float *out) {
  size_t k_padded = (n + 3) / 4 * 4;
  k->quantize_i8(input(41), 3, n, bytes, out);
  for (size_t i = 0; i < 3 * k_padded; i++) out[3 + i] = (float)bytes[i];
  return 3 + 3 * k_padded;
}
static size_t work_attention(const cpu_kernels *k, size_t n, float *out) {
  size_t t = n % 67 + 1, hd = 16 * (n % 4 + 1), kv_heads = n % 2 + 1, heads = kv_heads * 2;
  k->attention(input(43), input(100003), input(200003), out, t, heads, kv_heads, hd, n % 3 ? n % 3 * 5 : 0,
               scratch);
  return t * heads * hd;
}
static size_t work_gemm_f32(const cpu_kernels *k, size_t n, float *out) {
  size_t m = n % 29 + 1, depth = n * 2 + 3, ldc = n + 3;
  bool ta = n % 2, tb = n % 3 == 1, add = n % 5 == 0;
  if (add) memcpy(out, input(47), m * ldc * sizeof(float));
  k->gemm_f32_rows(ta, tb, m, n, depth, input(100003), ta ? m : depth, input(200003), tb ? depth : n, out,
                   ldc, add, 0, m, scratch);
  return m * ldc;
}

typedef struct weights {
  cpu_weights_i8 w;
  _Alignas(64) int8_t packed[80000];
  _Alignas(64) float scale[1040];
  _Alignas(64) int32_t row_sum[1040];
} weights;
static weights test_weights;

static const cpu_weights_i8 *make_weights(const float *w, size_t n, size_t k) {
  cpu_pack_i8(w, n, k, test_weights.packed, test_weights.scale, test_weights.row_sum);
  test_weights.w = (cpu_weights_i8){.packed = test_weights.packed,
                                    .scale = test_weights.scale,
                                    .row_sum = test_weights.row_sum,
                                    .n = n,
                                    .k = k};
  return &test_weights.w;
}
static size_t work_gemm_i8(const cpu_kernels *k, size_t n, float *out) {
  size_t depth = n % 100 + 5, t = n % 19 + 1, ldy = n + 1;
  bool add = n % 3 == 0;
  const cpu_weights_i8 *w = make_weights(input(100001), n, depth);
  if (add) memcpy(out, input(53), t * ldy * sizeof(float));
  k->quantize_i8(input(59), t, depth, bytes, bytes_scale);
  k->gemm_i8(w, bytes, bytes_scale, t, out, ldy, add);
  return t * ldy;
}

/* Each workload, and the hash of its results over all sizes: the same number on every machine. */
static const struct workload {
  const char *name;
  workload_fn *run;
  uint64_t golden;
} workloads[] = {
    {"dot", work_dot, UINT64_C(0xf30ff266b39683b8)},
    {"axpy", work_axpy, UINT64_C(0x3148fcfae71c9d4f)},
    {"add", work_add, UINT64_C(0x8423f11a344cc836)},
    {"exp", work_exp, UINT64_C(0x395b6a83cce523c9)},
    {"softmax", work_softmax, UINT64_C(0x034fcf7127d7502a)},
    {"logsumexp", work_logsumexp, UINT64_C(0x774d3ef3b2133e34)},
    {"silu_mul", work_silu_mul, UINT64_C(0x2c1e5af2f9f8f4ba)},
    {"swiglu", work_swiglu, UINT64_C(0x7e5a478b6611ee0c)},
    {"silu_mul_backward", work_silu_mul_backward, UINT64_C(0xb0085bff86dac769)},
    {"rmsnorm", work_rmsnorm, UINT64_C(0x9cce93d37bd6270f)},
    {"rmsnorm_backward", work_rmsnorm_backward, UINT64_C(0x339782adb64388ca)},
    {"adamw", work_adamw, UINT64_C(0x1a1fd8badd85bacf)},
    {"rope", work_rope, UINT64_C(0x3b7d6bfb5486c717)},
    {"quantize_i8", work_quantize, UINT64_C(0xfc43acb468b5a934)},
    {"attention", work_attention, UINT64_C(0x9445b6501c5765b9)},
    {"gemm_f32", work_gemm_f32, UINT64_C(0x58da34d9c03c5cda)},
    {"gemm_i8", work_gemm_i8, UINT64_C(0x02920e0648c57816)},
};
static const size_t sizes[] = {1,  2,  3,  5,  7,  8,  9,  13,  15,  16,  17,  24,  31,  32,  33,  47,  48,
                               49, 63, 64, 65, 79, 96, 97, 100, 127, 128, 129, 191, 192, 200, 255, 256, 257};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_tables_equal(void) {
  const cpu_kernels *scalar = cpu_named("scalar"), *table;
  for (size_t w = 0; w < COUNT(workloads); w++) {
    uint64_t hash = BASE_HASH_START;
    for (size_t s = 0; s < COUNT(sizes); s++) {
      fill_out(out_one);
      size_t used = workloads[w].run(scalar, sizes[s], out_one);
      hash = base_hash(hash, out_one, used * sizeof(float));
      for (size_t i = 0; (table = cpu_available(i)) != NULL && table != scalar; i++) {
        fill_out(out_two);
        workloads[w].run(table, sizes[s], out_two);
        TAP_OK(memcmp(out_one, out_two, (used + 64) * sizeof(float)) == 0, "%s %s n=%zu differs from scalar",
               table->name, workloads[w].name, sizes[s]);
      }
      TAP_OK(same_bits(out_one[used], SENTINEL), "%s n=%zu writes past its end", workloads[w].name, sizes[s]);
    }
    TAP_OK(hash == workloads[w].golden, "%s: hash 0x%016llx, golden 0x%016llx", workloads[w].name,
           (unsigned long long)hash, (unsigned long long)workloads[w].golden);
  }
}

/* ---- the definition in cpu.h, written once more ---- */

static void test_dot_order(void) {
  for (size_t s = 0; s < COUNT(sizes); s++) {
    float lanes[16] = {0};
    size_t n = sizes[s];
    for (size_t i = 0; i < n; i++) lanes[i % 16] = fmaf(input(1)[i], input(5003)[i], lanes[i % 16]);
    for (size_t half = 8; half; half /= 2)
      for (size_t i = 0; i < half; i++) lanes[i] += lanes[i + half];
    float got = cpu_best()->dot(input(1), input(5003), n);
    TAP_OK(same_bits(got, lanes[0]), "dot n=%zu is %a, by definition %a", n, (double)got, (double)lanes[0]);
  }
}

static void naive_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a, size_t lda,
                       const float *b, size_t ldb, float *c, size_t ldc, bool add) {
  for (size_t i = 0; i < m; i++) {
    for (size_t j = 0; j < n; j++) {
      float sum = add ? c[i * ldc + j] : 0.0f;
      for (size_t p = 0; p < k; p++)
        sum = fmaf(ta ? a[p * lda + i] : a[i * lda + p], tb ? b[j * ldb + p] : b[p * ldb + j], sum);
      c[i * ldc + j] = sum;
    }
  }
}

static void test_gemm_definition(void) {
  const cpu_kernels *table;
  static const size_t shapes[][3] = {{1, 1, 1},   {1, 17, 5},   {3, 16, 16},  {8, 32, 64},
                                     {9, 33, 65}, {5, 15, 257}, {7, 48, 300}, {23, 31, 50},
                                     {6, 64, 0},  {265, 37, 9}, {270, 20, 6}, {13, 100, 520}};
  for (size_t s = 0; s < COUNT(shapes); s++) {
    size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2], ldc = n + 2;
    for (unsigned mode = 0; mode < 8; mode++) {
      bool ta = mode & 1, tb = mode & 2, add = mode & 4;
      size_t lda = (ta ? m : k) + 1, ldb = (tb ? k : n) + 3;
      memcpy(out_one, input(3), (m * ldc + 16) * sizeof(float));
      naive_gemm(ta, tb, m, n, k, input(100003), lda, input(250001), ldb, out_one, ldc, add);
      for (size_t i = 0; (table = cpu_available(i)) != NULL; i++) {
        float *exact = malloc(cpu_gemm_f32_scratch(n, k) * sizeof(float)); /* sanitizers see one float more */
        memcpy(out_two, input(3), (m * ldc + 16) * sizeof(float));
        table->gemm_f32_rows(ta, tb, m, n, k, input(100003), lda, input(250001), ldb, out_two, ldc, add, 0, m,
                             exact);
        TAP_OK(memcmp(out_one, out_two, (m * ldc + 16) * sizeof(float)) == 0,
               "%s gemm %zux%zux%zu ta %d tb %d add %d", table->name, m, n, k, ta, tb, add);
        free(exact);
      }
    }
  }
}

static void test_gemm_double(void) {
  size_t m = 61, n = 70, k = 400;
  double worst = 0.0;
  cpu_best()->gemm_f32_rows(false, true, m, n, k, input(0), k, input(100000), k, out_one, n, false, 0, m,
                            scratch);
  for (size_t i = 0; i < m; i++) {
    for (size_t j = 0; j < n; j++) {
      double sum = 0.0;
      for (size_t p = 0; p < k; p++) sum += (double)input(0)[i * k + p] * (double)input(100000)[j * k + p];
      worst = larger(worst, fabs(sum - (double)out_one[i * n + j]));
    }
  }
  TAP_OK(worst < 1e-4, "gemm is %g from the double reference", worst);
}

static void test_gemm_threads(void) {
  static const size_t shapes[][3] = {{1, 20, 30}, {24, 40, 50}, {100, 33, 70}, {300, 16, 20}, {490, 50, 31}};
  float *big = malloc((cpu_gemm_f32_scratch(50, 70) * 4 + 1) * sizeof(float));
  for (int threads = 1; big && threads <= 4; threads++) {
    os_pool *pool = NULL;
    TAP_OK(os_pool_open(&pool, threads, NULL) == BASE_OK, "pool of %d", threads);
    for (size_t s = 0; s < COUNT(shapes); s++) {
      size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
      naive_gemm(false, false, m, n, k, input(0), k, input(100000), n, out_one, n, false);
      fill_out(out_two);
      cpu_gemm_f32(cpu_best(), pool, false, false, m, n, k, input(0), k, input(100000), n, out_two, n, false,
                   big + 1);
      TAP_OK(memcmp(out_one, out_two, m * n * sizeof(float)) == 0, "gemm %zux%zux%zu with %d threads", m, n,
             k, threads);
    }
    os_pool_close(pool);
  }
  free(big);
}

/* ---- exp and log ---- */

static void test_exp_error(void) {
  double worst = 0.0;
  bool equal = true;
  for (double x = -87.0; x < 88.7; x += 0.00137) {
    float in = (float)x, out, one = cpu_expf(in);
    cpu_best()->exp(&in, 1, &out);
    equal = equal && same_bits(out, one);
    worst = larger(worst, fabs((double)one / exp((double)in) - 1.0));
  }
  TAP_OK(worst < 1.5e-7, "exp: relative error %g", worst);
  TAP_OK(equal, "cpu_expf and the vector exp differ");
  TAP_OK(same_bits(cpu_expf(0.0f), 1.0f) && same_bits(cpu_expf(-0.0f), 1.0f), "exp(0)");
  static const float special[] = {-INFINITY, INFINITY, NAN,       -1e30f, 1e30f, -104.5f,
                                  -103.0f,   -95.0f,   88.72283f, 88.8f,  1e-30f};
  for (size_t i = 0; i < COUNT(special); i++) {
    float x = special[i], vector, one = cpu_expf(x);
    cpu_best()->exp(&x, 1, &vector);
    TAP_OK(isnan(x) ? isnan(vector) && isnan(one) : same_bits(vector, one), "exp(%g): %g and %g", (double)x,
           (double)vector, (double)one);
    if (!isnan(x)) {
      double exact = (double)(float)exp((double)x);
      bool close = isinf(exact) ? isinf(one) : fabs((double)one - exact) <= 2e-45 + exact * 1.5e-7;
      TAP_OK(close, "exp(%g) is %g, should be %g", (double)x, (double)one, exact);
    }
  }
}

static void test_log_error(void) {
  double worst = 0.0;
  for (float x = 1e-41f; x < 1e38f; x *= 1.0137f) {
    double exact = log((double)x), got = (double)cpu_logf(x);
    worst = larger(worst, fabs(got - exact) / fmax(fabs(exact), 1e-3));
  }
  for (float x = 0.5f; x < 2.0f; x += 0.00037f) {
    double exact = log((double)x), got = (double)cpu_logf(x);
    worst = larger(worst, fabs(got - exact) / fmax(fabs(exact), 1e-4));
  }
  TAP_OK(worst < 2.5e-7, "log: relative error %g", worst);
  TAP_OK(same_bits(cpu_logf(1.0f), 0.0f), "log(1)");
  TAP_OK(isinf(cpu_logf(0.0f)) && cpu_logf(0.0f) < 0.0f, "log(0)");
  TAP_OK(isinf(cpu_logf(INFINITY)) && isnan(cpu_logf(-1.0f)) && isnan(cpu_logf(NAN)),
         "log of special values");
}

/* ---- rows against doubles ---- */

static void test_softmax_double(void) {
  size_t n = 77;
  double sum = 0.0, worst = 0.0;
  for (size_t i = 0; i < n; i++) sum += exp((double)input(11)[i]);
  memcpy(out_one, input(11), n * sizeof(float));
  cpu_best()->softmax(out_one, n);
  for (size_t i = 0; i < n; i++)
    worst = larger(worst, fabs((double)out_one[i] - exp((double)input(11)[i]) / sum));
  TAP_OK(worst < 1e-7, "softmax is off by %g", worst);
  double lse = (double)cpu_best()->logsumexp(input(11), n);
  TAP_OK(fabs(lse - log(sum)) < 1e-6, "logsumexp %g, should be %g", lse, log(sum));
  float lowest[3] = {-INFINITY, -INFINITY, -INFINITY}, far[2] = {-1000.0f, -2000.0f};
  TAP_OK(same_bits(cpu_best()->logsumexp(lowest, 3), -INFINITY), "logsumexp of nothing possible");
  TAP_OK(same_bits(cpu_best()->logsumexp(far, 2), -1000.0f), "logsumexp far below zero");
  cpu_best()->softmax(far, 2);
  TAP_OK(same_bits(far[0], 1.0f) && same_bits(far[1], 0.0f), "softmax far below zero");
}

static void test_rmsnorm_double(void) {
  size_t d = 200;
  double square = 0.0, worst = 0.0;
  for (size_t i = 0; i < d; i++) square += (double)input(19)[i] * (double)input(19)[i];
  double inv = 1.0 / sqrt(square / (double)d + 1e-5);
  cpu_best()->rmsnorm(input(19), input(90001), 1, d, 1e-5f, out_one, NULL);
  for (size_t i = 0; i < d; i++)
    worst = larger(worst, fabs((double)out_one[i] - (double)input(19)[i] * inv * (double)input(90001)[i]));
  TAP_OK(worst < 2e-6, "rmsnorm is off by %g", worst);
}

/* How far a turned pair is from the exact one. */
static double rope_error(const float *x, const float *out, size_t half, float cosine, float sine, size_t i) {
  double c = (double)cosine, s = (double)sine, first = (double)x[i], second = (double)x[i + half];
  return fabs((double)out[i] - (first * c - second * s)) +
         fabs((double)out[i + half] - (first * s + second * c));
}

static void test_rope_double(void) {
  enum { T = 5, HEADS = 2, HD = 48, HALF = HD / 2 };
  float cosines[T * HALF], sines[T * HALF];
  bool right = true, back = true;
  for (size_t i = 0; i < T * HALF; i++) {
    cosines[i] = cosf((float)i);
    sines[i] = sinf((float)i);
  }
  memcpy(out_one, input(0), T * HEADS * HD * sizeof(float));
  cpu_best()->rope(out_one, T, HEADS, HD, cosines, sines, 1.0f);
  for (size_t r = 0; r < T * HEADS; r++)
    for (size_t i = 0, at = r / HEADS * HALF; i < HALF; i++)
      right = right &&
              rope_error(input(r * HD), out_one + r * HD, HALF, cosines[at + i], sines[at + i], i) < 1e-6;
  TAP_OK(right, "rope is off");
  cpu_best()->rope(out_one, T, HEADS, HD, cosines, sines, -1.0f);
  for (size_t i = 0; i < T * HEADS * HD; i++) back = back && fabsf(out_one[i] - input(0)[i]) < 2e-6f;
  TAP_OK(back, "rope there and back is off");
}

/* The largest difference from attention in doubles. */
static double attention_error(size_t t, size_t heads, size_t kv_heads, size_t hd, size_t window,
                              const float *out) {
  const float *q = input(0), *k = input(100000), *v = input(200000);
  double worst = 0.0, p[64];
  for (size_t h = 0; h < heads; h++) {
    size_t kv = h / (heads / kv_heads);
    for (size_t i = 0; i < t; i++) {
      double sum = 0.0;
      for (size_t j = 0; j < t; j++) {
        double s = 0.0;
        size_t distance = i > j ? i - j : j - i;
        for (size_t e = 0; e < hd; e++)
          s += (double)q[(i * heads + h) * hd + e] * (double)k[(j * kv_heads + kv) * hd + e];
        p[j] = window && distance > window ? 0.0 : exp(s / sqrt((double)hd));
        sum += p[j];
      }
      for (size_t e = 0; e < hd; e++) {
        double y = 0.0;
        for (size_t j = 0; j < t; j++) y += p[j] / sum * (double)v[(j * kv_heads + kv) * hd + e];
        worst = larger(worst, fabs(y - (double)out[(i * heads + h) * hd + e]));
      }
    }
  }
  return worst;
}

static void test_attention_double(void) {
  static const size_t shapes[][5] = {{1, 1, 1, 16, 0},  {5, 2, 1, 32, 0},   {16, 4, 2, 64, 0},
                                     {17, 3, 3, 48, 0}, {33, 4, 1, 32, 4},  {50, 2, 2, 128, 7},
                                     {64, 2, 1, 16, 1}, {40, 1, 1, 32, 100}};
  for (size_t s = 0; s < COUNT(shapes); s++) {
    const size_t *p = shapes[s];
    float *exact = malloc(cpu_attention_scratch(p[0], p[1], p[3]) * sizeof(float));
    cpu_best()->attention(input(0), input(100000), input(200000), out_one, p[0], p[1], p[2], p[3], p[4],
                          exact);
    free(exact);
    double error = attention_error(p[0], p[1], p[2], p[3], p[4], out_one);
    TAP_OK(error < 5e-6, "attention %zu tokens, %zu/%zu heads of %zu, window %zu: off by %g", p[0], p[1],
           p[2], p[3], p[4], error);
  }
}

/* ---- gradients and the optimiser ---- */

static double rmsnorm_loss(const double *x, const double *w, const float *dy, size_t d) {
  double square = 0.0, loss = 0.0;
  for (size_t i = 0; i < d; i++) square += x[i] * x[i];
  for (size_t i = 0; i < d; i++) loss += x[i] / sqrt(square / (double)d + 1e-5) * w[i] * (double)dy[i];
  return loss;
}

static void test_rmsnorm_gradient(void) {
  enum { D = 37 };
  double x[D], w[D], worst = 0.0, h = 1e-5;
  float inv, y[D], dx[D] = {0}, dw[D] = {0};
  const float *dy = input(70001);
  for (size_t i = 0; i < D; i++) {
    x[i] = (double)input(19)[i];
    w[i] = (double)input(90001)[i];
  }
  cpu_best()->rmsnorm(input(19), input(90001), 1, D, 1e-5f, y, &inv);
  cpu_best()->rmsnorm_backward(input(19), input(90001), &inv, dy, 1, D, dx, dw);
  for (size_t i = 0; i < D; i++) {
    double *both[2] = {&x[i], &w[i]}, got[2] = {(double)dx[i], (double)dw[i]};
    for (int g = 0; g < 2; g++) {
      double old = *both[g];
      *both[g] = old + h;
      double up = rmsnorm_loss(x, w, dy, D);
      *both[g] = old - h;
      double down = rmsnorm_loss(x, w, dy, D);
      *both[g] = old;
      worst = larger(worst, fabs((up - down) / (2 * h) - got[g]));
    }
  }
  TAP_OK(worst < 1e-5, "rmsnorm's gradient is off by %g", worst);
}

static double silu_mul_exact(double g, double u) { return g / (1.0 + exp(-g)) * u; }

static void test_silu_gradient(void) {
  enum { N = 53 };
  float y[N], dgate[N], dup[N];
  const float *gate = input(17), *up = input(4001), *dy = input(8003);
  double worst = 0.0, value = 0.0, h = 1e-5;
  cpu_best()->silu_mul(gate, up, N, y);
  cpu_best()->silu_mul_backward(gate, up, dy, N, dgate, dup);
  for (size_t i = 0; i < N; i++) {
    double g = (double)gate[i], u = (double)up[i], d = (double)dy[i];
    value = larger(value, fabs(silu_mul_exact(g, u) - (double)y[i]));
    worst = larger(
        worst, fabs((silu_mul_exact(g + h, u) - silu_mul_exact(g - h, u)) / (2 * h) * d - (double)dgate[i]));
    worst = larger(
        worst, fabs((silu_mul_exact(g, u + h) - silu_mul_exact(g, u - h)) / (2 * h) * d - (double)dup[i]));
  }
  TAP_OK(value < 1e-6, "silu_mul is off by %g", value);
  TAP_OK(worst < 2e-6, "silu_mul's gradient is off by %g", worst);
  float extreme[4] = {-200.0f, 200.0f, -90.0f, 0.0f}, ones[4] = {1, 1, 1, 1};
  cpu_best()->silu_mul(extreme, ones, 4, y);
  cpu_best()->silu_mul_backward(extreme, ones, ones, 4, dgate, dup);
  for (size_t i = 0; i < 4; i++) {
    double exact = silu_mul_exact((double)extreme[i], 1.0);
    TAP_OK(fabs((double)y[i] - exact) < 1e-5 && isfinite(dgate[i]) && isfinite(dup[i]), "silu of %g",
           (double)extreme[i]);
  }
}

static void test_swiglu(void) {
  enum { N = 200 };
  float up[N], gate[N] = {-1e30f, -200.0f, -44.0f, -43.0f, 43.0f, 200.0f, 1e30f, 0.0f, -0.0f, NAN};
  double worst = 0.0;
  for (size_t i = 10; i < N; i++) gate[i] = ((float)i - 105.0f) * 0.37f;
  for (size_t i = 0; i < N; i++) up[i] = 1.5f;
  cpu_best()->swiglu(gate, N, up);
  TAP_OK(isnan(up[9]) && isnan(up[25]), "a gate that is no number, and the one that shares its division");
  for (size_t i = 0; i < N; i++) {
    double exact = silu_mul_exact((double)gate[i], 1.5), error = fabs((double)up[i] - exact);
    if (i % 16 == 9 && i < 32) continue;
    if (gate[i] < -40.0f) TAP_OK(error < 1e-16, "swiglu of %g is off by %g", (double)gate[i], error);
    else if (exact != 0.0) worst = larger(worst, error / fabs(exact));
  }
  TAP_OK(worst < 6e-7, "swiglu is off by %g", worst);
  TAP_OK(up[7] == 0.0f && up[8] == 0.0f, "swiglu of 0");
}

static void test_adamw_formula(void) {
  enum { N = 19 };
  float w[N], m[N], v[N];
  double worst = 0.0;
  for (size_t i = 0; i < N; i++) {
    w[i] = input(1)[i];
    m[i] = input(100)[i];
    v[i] = fabsf(input(200)[i]);
  }
  cpu_best()->adamw(w, input(300), m, v, N, 0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 2.0f, 5.0f, 0.5f);
  for (size_t i = 0; i < N; i++) {
    double g = (double)input(300)[i] * 0.5, mi = 0.9 * (double)input(100)[i] + 0.1 * g;
    double vi = 0.99 * fabs((double)input(200)[i]) + 0.01 * g * g;
    double wi = (double)input(1)[i] - 0.01 * (mi * 2.0 / (sqrt(vi * 5.0) + 1e-8) + 0.1 * (double)input(1)[i]);
    worst = larger(worst, fabs(wi - (double)w[i]) + fabs(mi - (double)m[i]) + fabs(vi - (double)v[i]));
  }
  TAP_OK(worst < 2e-6, "adamw is off by %g", worst);
}

/* ---- int8 ---- */

static void test_quantize(void) {
  /* max 127 makes the factor 1: values are their own quotients, and ties go to even. */
  float x[13] = {127.0f, 0.5f,    1.5f,        2.5f,    -0.5f, -1.5f, -2.5f,
                 126.5f, -126.5f, 0.49999997f, -127.0f, 3.0f,  -0.0f};
  static const int8_t want[16] = {127, 0, 2, 2, 0, -2, -2, 126, -126, 0, -127, 3, 0, 0, 0, 0};
  static const float zeros[20] = {0}, tiny[4] = {1e-40f, -1e-44f, 0.0f, 1e-38f};
  static const float odd[4] = {NAN, INFINITY, -INFINITY, 1.0f};
  const cpu_kernels *table;
  for (size_t i = 0; (table = cpu_available(i)) != NULL; i++) {
    float scale = -1.0f;
    memset(bytes, 99, 64);
    table->quantize_i8(x, 1, 13, bytes, &scale);
    TAP_OK(memcmp(bytes, want, 16) == 0 && bytes[16] == 99, "%s: ties or padding", table->name);
    TAP_OK(same_bits(scale, 1.0f), "%s: scale %g", table->name, (double)scale);
    table->quantize_i8(zeros, 1, 17, bytes, &scale);
    TAP_OK(same_bits(scale, 0.0f) && bytes[0] == 0 && bytes[19] == 0 && bytes[20] == 99, "%s: zeros",
           table->name);
    table->quantize_i8(tiny, 1, 4, bytes, &scale);
    TAP_OK(same_bits(scale, 0.0f) && bytes[0] == 0 && bytes[3] == 0, "%s: tiny values count as zeros",
           table->name);
    table->quantize_i8(odd, 1, 4, bytes, &scale); /* garbage in: only the range is promised */
    for (int b = 0; b < 4; b++) TAP_OK(bytes[b] >= -127, "%s: byte %d of NaN and infinity", table->name, b);
  }
}

/* The rule of quantize_blocks, once more. */
static void quantize_by_the_rule(const float *x, size_t k, bool narrow, int8_t *q, cpu_block *block) {
  for (size_t i = 0; i < k; i++) {
    size_t span = narrow ? 32 : CPU_SPAN, first = i / span * span, last = first + span < k ? first + span : k;
    float max = 0.0f;
    for (size_t j = first; j < last; j++) max = fmaxf(max, fabsf(x[j]));
    bool some = max >= 0x1p-100f;
    q[i] = some ? (int8_t)lrintf(fminf(fmaxf(x[i] * (127.0f / max), -127.0f), 127.0f)) : 0;
    if (i % 32 == 0) block[i / 32] = (cpu_block){.scale = some ? max / 127.0f : 0.0f};
    block[i / 32].bias -= 128 * q[i];
    block[i / 32].sum += (float)q[i];
    if (i % 32 < 16) block[i / 32].half -= 128 * q[i];
  }
}

/* Spans of all magnitudes, of zeros, below the smallest scale, and of exact halves, the last of all lengths. */
static void test_quantize_blocks(void) {
  enum { BLOCKS = 22, K = 32 * BLOCKS };
  float x[K];
  int8_t want[K], got[K + 1];
  cpu_block want_block[BLOCKS], got_block[BLOCKS];
  uint32_t seed = 1;
  for (size_t i = 0; i < K; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = ldexpf((float)(seed >> 8) - 0x1p23f, (int)(i / 32 * 12) - 140);
    if (i / CPU_SPAN == 1) x[i] = 0.0f;
    if (i / CPU_SPAN == 2) x[i] = i % CPU_SPAN == 5 ? 127.0f : (float)(seed >> 24) / 2.0f - (i % 2 ? 127.0f : 0.5f);
    if (i / CPU_SPAN == 3) x[i] = i % CPU_SPAN == 7 ? 0x1p-101f : 0.0f;
  }
  const cpu_kernels *table;
  for (size_t i = 0; (table = cpu_available(i)) != NULL; i++) {
    for (size_t n = 64; n < 2 * (K + 32); n += 32) {
      size_t k = n / 64 * 32;
      bool narrow = n % 64 != 0;
      memset(got, 99, sizeof got);
      quantize_by_the_rule(x, k, narrow, want, want_block);
      cpu_input in = {.q = got, .block = got_block, .ld = k, .blocks = k / 32, .narrow = narrow};
      table->quantize_blocks(&(cpu_rows){.x = x, .ldx = k, .rows = 1, .k = k, .to = &in});
      bool same = memcmp(got, want, k) == 0 && memcmp(got_block, want_block, k / 32 * sizeof *got_block) == 0;
      TAP_OK(same && got[k] == 99, "%s: %zu blocks by the rule%s", table->name, k / 32,
             narrow ? ", narrow" : "");
    }
  }
}

/* Rows side by side, of which each begins within a token and ends before the next: as one by one, and nothing else. */
static void test_quantize_rows(void) {
  enum { ROWS = 5, LD = 768, LDX = 700 };
  static int8_t q[2][(ROWS + 1) * LD];
  static cpu_block block[2][(ROWS + 1) * LD / 32];
  const cpu_kernels *table;
  for (size_t i = 0; (table = cpu_available(i)) != NULL; i++) {
    for (size_t k = 32; k <= 640; k += 32) {
      bool narrow = k % 64 != 0;
      memset(q, 99, sizeof q);
      memset(block, 99, sizeof block);
      cpu_input one = {.q = q[0], .block = block[0], .ld = LD, .blocks = LD / 32, .narrow = narrow}, all = one;
      all.q = q[1];
      all.block = block[1];
      for (size_t r = 0; r < ROWS; r++)
        table->quantize_blocks(&(cpu_rows){
            .x = input(61) + r * LDX, .ldx = LDX, .rows = 1, .k = k, .to = &one, .token = 1 + r, .begin = CPU_SPAN});
      table->quantize_blocks(&(cpu_rows){
          .x = input(61), .ldx = LDX, .rows = ROWS, .k = k, .to = &all, .token = 1, .begin = CPU_SPAN});
      bool same = memcmp(q[0], q[1], sizeof q[0]) == 0 && memcmp(block[0], block[1], sizeof block[0]) == 0;
      int8_t want[640];
      cpu_block want_block[20];
      memset(want_block, 0, sizeof want_block);
      quantize_by_the_rule(input(61) + 3 * LDX, k, narrow, want, want_block);
      same = same && memcmp(q[1] + 4 * LD + CPU_SPAN, want, k) == 0 && q[1][4 * LD + CPU_SPAN + k] == 99 &&
             q[1][4 * LD + CPU_SPAN - 1] == 99;
      TAP_OK(same, "%s: rows of %zu at once%s", table->name, k, narrow ? ", narrow" : "");
    }
  }
}

static void test_pack_i8(void) {
  size_t n = 19, k = 10, k_padded = 12;
  const cpu_weights_i8 *w = make_weights(input(0), n, k);
  bool layout = true, sums = true;
  TAP_OK(cpu_packed_i8_bytes(n, k) == 32 * 12, "packed size %zu", cpu_packed_i8_bytes(n, k));
  for (size_t row = 0; row < 32; row++) {
    int32_t sum = 0;
    for (size_t i = 0; i < k_padded; i++) {
      int8_t q = w->packed[(row / 16 * (k_padded / 4) + i / 4) * 64 + row % 16 * 4 + i % 4];
      double x = row < n && i < k ? (double)input(0)[row * k + i] : 0.0;
      layout = layout && fabs(x - q * (double)w->scale[row]) <= (double)w->scale[row] * 0.5001;
      sum += q;
    }
    sums = sums && sum == w->row_sum[row];
  }
  TAP_OK(layout, "packed weights are not where they belong");
  TAP_OK(sums, "row sums");
}

/* y by integers, from the packed bytes. */
static float exact_i8(const cpu_weights_i8 *w, const int8_t *q, float x_scale, size_t row) {
  size_t k_padded = (w->k + 3) / 4 * 4;
  int32_t sum = 0;
  for (size_t i = 0; i < k_padded; i++)
    sum += q[i] * w->packed[(row / 16 * (k_padded / 4) + i / 4) * 64 + row % 16 * 4 + i % 4];
  return (float)sum * (x_scale * w->scale[row]);
}

static void test_gemm_i8_exact(void) {
  static const size_t shapes[][3] = {{1, 1, 1},     {1, 16, 64},   {3, 17, 30},   {8, 64, 64},
                                     {9, 100, 33},  {17, 48, 128}, {5, 31, 256},  {64, 40, 20},
                                     {7, 250, 260}, {2, 1024, 64}, {12, 33, 1024}};
  for (size_t s = 0; s < COUNT(shapes); s++) {
    size_t t = shapes[s][0], n = shapes[s][1], k = shapes[s][2], k_padded = (k + 3) / 4 * 4;
    const cpu_weights_i8 *w = make_weights(input(100000), n, k);
    bool plain = true, added = true, alone = true;
    cpu_best()->quantize_i8(input(3), t, k, bytes, bytes_scale);
    fill_out(out_one);
    cpu_best()->gemm_i8(w, bytes, bytes_scale, t, out_one, n + 1, false);
    memcpy(out_two, input(5), t * n * sizeof(float));
    cpu_best()->gemm_i8(w, bytes, bytes_scale, t, out_two, n, true);
    for (size_t r = 0; r < t; r++) {
      cpu_best()->gemm_i8(w, bytes + r * k_padded, bytes_scale + r, 1, scratch, n, false);
      for (size_t j = 0; j < n; j++) {
        float want = exact_i8(w, bytes + r * k_padded, bytes_scale[r], j);
        plain = plain && same_bits(out_one[r * (n + 1) + j] + 0.0f, want + 0.0f);
        added =
            added && fabsf(out_two[r * n + j] - (input(5)[r * n + j] + want)) <= 1e-6f * (fabsf(want) + 4.0f);
        alone = alone && same_bits(scratch[j], out_one[r * (n + 1) + j]);
      }
      plain = plain && same_bits(out_one[r * (n + 1) + n], SENTINEL);
    }
    TAP_OK(plain, "gemm_i8 %zux%zux%zu is not exact", t, n, k);
    TAP_OK(added, "gemm_i8 %zux%zux%zu with add", t, n, k);
    TAP_OK(alone, "gemm_i8 %zux%zux%zu: one token alone differs", t, n, k);
  }
}

/* Extreme bytes, -128 among the weights too, as a hostile file may have them: nothing saturates. */
static void test_gemm_i8_extremes(void) {
  static const int8_t values[4] = {127, -127, -128, 127};
  const cpu_kernels *table;
  size_t n = 16, k = 64;
  make_weights(input(0), n, k);
  for (size_t i = 0; i < n * k; i++) test_weights.packed[i] = values[i / 64 % 4];
  for (size_t row = 0; row < n; row++) {
    test_weights.row_sum[row] = 0;
    test_weights.scale[row] = 1.0f;
    for (size_t i = 0; i < k; i++)
      test_weights.row_sum[row] += test_weights.packed[i / 4 * 64 + row * 4 + i % 4];
  }
  for (size_t i = 0; i < 2 * k; i++) bytes[i] = i < k ? 127 : i / 4 % 2 ? -127 : 127;
  bytes_scale[0] = bytes_scale[1] = 1.0f;
  for (size_t i = 0; (table = cpu_available(i)) != NULL; i++) {
    table->gemm_i8(&test_weights.w, bytes, bytes_scale, 2, out_one, n, false);
    for (size_t j = 0; j < 2 * n; j++)
      TAP_OK(same_bits(out_one[j], exact_i8(&test_weights.w, bytes + j / n * k, 1.0f, j % n)),
             "%s: extreme bytes", table->name);
  }
}

static void test_rows_alone(void) {
  size_t t = 7, d = 100;
  float inv[7];
  cpu_best()->rmsnorm(input(0), input(90001), t, d, 1e-5f, out_one, inv);
  for (size_t r = 0; r < t; r++)
    cpu_best()->rmsnorm(input(r * d), input(90001), 1, d, 1e-5f, out_two + r * d, NULL);
  TAP_OK(memcmp(out_one, out_two, t * d * sizeof(float)) == 0, "rmsnorm: one row alone differs");
  cpu_best()->gemm_f32_rows(false, true, t, 50, d, input(0), d, input(100000), d, out_one, 50, false, 0, t,
                            scratch);
  for (size_t r = 0; r < t; r++)
    cpu_best()->gemm_f32_rows(false, true, t, 50, d, input(0), d, input(100000), d, out_two + r * 50, 50,
                              false, r, r + 1, scratch);
  /* row_begin counts from the start of C, so each call above wrote its row at out_two + r * 50 + r * 50 */
  bool equal = true;
  for (size_t r = 0; r < t; r++)
    equal = equal && memcmp(out_one + r * 50, out_two + r * 100, 50 * sizeof(float)) == 0;
  TAP_OK(equal, "gemm: one row alone differs");
}

static void test_dispatch(void) {
  size_t count = 0;
  while (cpu_available(count)) count++;
  TAP_OK(count >= 1 && strcmp(cpu_available(count - 1)->name, "scalar") == 0,
         "the scalar table is there, last");
  TAP_OK(cpu_best() == cpu_available(0), "the best is the first");
  TAP_OK(cpu_available(count + 5) == NULL && cpu_named("abacus") == NULL, "what does not exist is NULL");
  for (size_t i = 0; i < count; i++) {
    printf("# table %s\n", cpu_available(i)->name);
    TAP_OK(cpu_named(cpu_available(i)->name) == cpu_available(i), "%s by name", cpu_available(i)->name);
  }
}

int main(void) {
  fill_inputs();
  test_dispatch();
  test_tables_equal();
  test_dot_order();
  test_gemm_definition();
  test_gemm_double();
  test_gemm_threads();
  test_exp_error();
  test_log_error();
  test_softmax_double();
  test_rmsnorm_double();
  test_rope_double();
  test_attention_double();
  test_rmsnorm_gradient();
  test_silu_gradient();
  test_swiglu();
  test_adamw_formula();
  test_quantize();
  test_quantize_blocks();
  test_quantize_rows();
  test_pack_i8();
  test_gemm_i8_exact();
  test_gemm_i8_extremes();
  test_rows_alone();
  return tap_done("cpu");
}
