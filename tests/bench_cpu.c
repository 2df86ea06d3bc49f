/* Speed of the cpu kernels as CSV on stdout, one thread: median, lowest and highest of several runs, and the
 * median as a share of a peak measured here with the same instructions on registers only. Time is the
 * thread's own processor time, so that other programs on the machine disturb it less. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define RUNS 9
#define RUN_NS 3000000u /* a run repeats the kernel for about this long */
#define FLOATS (1024u * 1024u * 4u)

typedef struct buffers {
  float *a, *b, *c, *scratch; /* FLOATS each */
  int8_t *packed, *q;
  float *scale;
  int32_t *row_sum;
} buffers;

typedef struct shape {
  size_t t, n, k;
  bool ta, tb;
} shape;

typedef void kernel_fn(const cpu_kernels *table, const buffers *s, const shape *p);

static uint64_t thread_ns(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- peaks: operations in `rounds` rounds of independent chains ---- */

#define PEAK_ROUNDS 20000u
#if defined(__x86_64__)
/* The step sees x and a copy y that the compiler must take for another value each time. */
#define PEAK(name, flags, type, zero, lanes_ops, chains, step)             \
  __attribute__((target(flags), noinline)) static double name(void) {      \
    type acc[chains], x = zero;                                            \
    for (int i = 0; i < chains; i++) acc[i] = zero;                        \
    for (unsigned r = 0; r < PEAK_ROUNDS; r++) {                           \
      __asm__ volatile("" : "+x"(x));                                      \
      _Pragma("GCC unroll 16") for (int i = 0; i < chains; i++) {          \
        type y = x;                                                        \
        __asm__ volatile("" : "+x"(y));                                    \
        acc[i] = step;                                                     \
      }                                                                    \
    }                                                                      \
    for (int i = 0; i < chains; i++) __asm__ volatile("" : : "x"(acc[i])); \
    return (double)(lanes_ops) * (chains)*PEAK_ROUNDS;                     \
  }
#define AVX512 "avx512f,avx512bw,avx512vl,avx512vnni,fma"
PEAK(peak_f32_avx512, AVX512, __m512, _mm512_setzero_ps(), 32, 12, _mm512_fmadd_ps(x, y, acc[i]))
PEAK(peak_f32_avx2, "avx2,fma", __m256, _mm256_setzero_ps(), 16, 12, _mm256_fmadd_ps(x, y, acc[i]))
PEAK(peak_i8_avx512, AVX512, __m512i, _mm512_setzero_si512(), 128, 12, _mm512_dpbusd_epi32(acc[i], x, y))
PEAK(peak_i8_avx2, "avx2", __m256i, _mm256_setzero_si256(), 64, 8,
     _mm256_add_epi32(acc[i], _mm256_madd_epi16(_mm256_maddubs_epi16(x, _mm256_sign_epi8(x, y)), x)))
#elif defined(__aarch64__)
static double peak_f32_neon(void) {
  float32x4_t acc[16], x = vdupq_n_f32(0.0f);
  for (int i = 0; i < 16; i++) acc[i] = x;
  for (unsigned r = 0; r < PEAK_ROUNDS; r++) {
    __asm__ volatile("" : "+w"(x));
    for (int i = 0; i < 16; i++) acc[i] = vfmaq_f32(acc[i], x, x);
  }
  for (int i = 0; i < 16; i++) __asm__ volatile("" : : "w"(acc[i]));
  return 8.0 * 16 * PEAK_ROUNDS;
}
__attribute__((target("arch=armv8.2-a+dotprod"))) static double peak_i8_neon(void) {
  int32x4_t acc[16];
  int8x16_t x = vdupq_n_s8(0);
  for (int i = 0; i < 16; i++) acc[i] = vdupq_n_s32(0);
  for (unsigned r = 0; r < PEAK_ROUNDS; r++) {
    __asm__ volatile("" : "+w"(x));
    for (int i = 0; i < 16; i++) acc[i] = vdotq_s32(acc[i], x, x);
  }
  for (int i = 0; i < 16; i++) __asm__ volatile("" : : "w"(acc[i]));
  return 32.0 * 16 * PEAK_ROUNDS;
}
#endif

/* Best of ten, in GOP/s. */
static double peak_rate(double (*peak)(void)) {
  double best = 0.0;
  for (int i = 0; peak && i < 10; i++) {
    uint64_t start = thread_ns();
    double ops = peak(), rate = ops / (double)(thread_ns() - start);
    best = rate > best ? rate : best;
  }
  return best;
}

static double peak_of(const char *table, bool i8) {
#if defined(__x86_64__)
  if (strcmp(table, "avx512vnni") == 0) return peak_rate(i8 ? peak_i8_avx512 : peak_f32_avx512);
  if (strcmp(table, "avx2") == 0) return peak_rate(i8 ? peak_i8_avx2 : peak_f32_avx2);
#elif defined(__aarch64__)
  if (strcmp(table, "neondot") == 0) return peak_rate(i8 ? peak_i8_neon : peak_f32_neon);
#endif
  (void)peak_rate;
  (void)table;
  (void)i8;
  return 0.0;
}

/* ---- measuring ---- */

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static uint64_t time_repeats(kernel_fn *fn, const cpu_kernels *table, const buffers *s, const shape *p,
                             size_t repeats) {
  uint64_t start = thread_ns();
  for (size_t i = 0; i < repeats; i++) fn(table, s, p);
  return thread_ns() - start;
}

/* Prints one row. `work` is the operations (or elements) of one call. */
static void measure(const char *kernel, kernel_fn *fn, const cpu_kernels *table, const buffers *s,
                    const shape *p, double work, const char *unit, double peak) {
  double rate[RUNS];
  size_t repeats = 1;
  while (time_repeats(fn, table, s, p, repeats) < RUN_NS / 2) repeats *= 2;
  for (int r = 0; r < RUNS; r++)
    rate[r] = work * (double)repeats / (double)time_repeats(fn, table, s, p, repeats);
  qsort(rate, RUNS, sizeof(rate[0]), compare_doubles);
  printf("%s,%s,%zux%zux%zu,%s,%.4g,%.4g,%.4g,%.3f,", kernel, table->name, p->t, p->n, p->k, unit,
         rate[RUNS / 2], rate[0], rate[RUNS - 1], work / rate[RUNS / 2] / 1000.0);
  if (peak > 0.0) printf("%.0f", 100.0 * rate[RUNS / 2] / peak);
  printf("\n");
}

/* ---- kernels ---- */

static void run_gemm_f32(const cpu_kernels *table, const buffers *s, const shape *p) {
  table->gemm_f32_rows(p->ta, p->tb, p->t, p->n, p->k, s->a, p->ta ? p->t : p->k, s->b, p->tb ? p->k : p->n,
                       s->c, p->n, false, 0, p->t, s->scratch);
}
static void run_gemm_i8(const cpu_kernels *table, const buffers *s, const shape *p) {
  cpu_weights_i8 w = {.packed = s->packed, .scale = s->scale, .row_sum = s->row_sum, .n = p->n, .k = p->k};
  table->gemm_i8(&w, s->q, s->b, p->t, s->c, p->n, false);
}
static void run_quantize(const cpu_kernels *table, const buffers *s, const shape *p) {
  table->quantize_i8(s->a, p->t, p->k, s->q, s->c);
}
static void run_attention(const cpu_kernels *table, const buffers *s, const shape *p) {
  table->attention(s->a, s->b, s->b + p->t * p->n * p->k, s->c, p->t, p->n, p->n / 2, p->k, 0, s->scratch);
}
static void run_rmsnorm(const cpu_kernels *table, const buffers *s, const shape *p) {
  table->rmsnorm(s->a, s->b, p->t, p->k, 1e-5f, s->c, NULL);
}
static void run_rmsnorm_backward(const cpu_kernels *table, const buffers *s, const shape *p) {
  table->rmsnorm_backward(s->a, s->b, s->b, s->a + p->t * p->k, p->t, p->k, s->c, s->scratch);
}
static void run_softmax(const cpu_kernels *table, const buffers *s, const shape *p) {
  for (size_t i = 0; i < p->t; i++) table->softmax(s->c + i * p->k, p->k);
}
static void run_logsumexp(const cpu_kernels *table, const buffers *s, const shape *p) {
  for (size_t i = 0; i < p->t; i++) s->c[i] = table->logsumexp(s->a + i * p->k, p->k);
}
static void run_silu_mul(const cpu_kernels *table, const buffers *s, const shape *p) {
  table->silu_mul(s->a, s->b, p->t * p->k, s->c);
}
static void run_silu_mul_backward(const cpu_kernels *table, const buffers *s, const shape *p) {
  table->silu_mul_backward(s->a, s->b, s->a + p->k, p->t * p->k, s->c, s->scratch);
}
static void run_rope(const cpu_kernels *table, const buffers *s, const shape *p) {
  table->rope(s->c, p->t, p->n, p->k, s->a, s->b, 1.0f);
}
static void run_exp(const cpu_kernels *table, const buffers *s, const shape *p) {
  table->exp(s->a, p->t * p->k, s->c);
}
static void run_adamw(const cpu_kernels *table, const buffers *s, const shape *p) {
  table->adamw(s->c, s->a, s->b, s->scratch, p->t * p->k, 1e-4f, 0.9f, 0.99f, 1e-8f, 0.01f, 1.0f, 1.0f, 1.0f);
}

/* ---- tables of shapes ---- */

static void bench_gemm_f32(const cpu_kernels *table, const buffers *s) {
  static const size_t shapes[][3] = {{512, 256, 256},  {512, 512, 512}, {1024, 192, 768}, {1024, 768, 192},
                                     {512, 4096, 256}, {16, 256, 256},  {1, 256, 256}};
  static const char *const names[3] = {"gemm_f32_nn", "gemm_f32_nt", "gemm_f32_tn"};
  double peak = peak_of(table->name, false);
  for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
    for (int mode = 0; mode < 3; mode++) {
      shape p = {shapes[i][0], shapes[i][1], shapes[i][2], mode == 2, mode == 1};
      measure(names[mode], run_gemm_f32, table, s, &p, 2.0 * (double)(p.t * p.n * p.k), "GFLOP/s", peak);
    }
  }
}

static void bench_gemm_i8(const cpu_kernels *table, const buffers *s) {
  static const size_t tokens[] = {1, 4, 8, 15, 16, 32, 64};
  static const size_t shapes[][2] = {{256, 256}, {768, 192}, {192, 512}, {1024, 256}, {256, 1024}};
  double peak = peak_of(table->name, true);
  for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
    for (size_t j = 0; j < sizeof(tokens) / sizeof(tokens[0]); j++) {
      shape p = {tokens[j], shapes[i][0], shapes[i][1], false, false};
      cpu_pack_i8(s->a, p.n, p.k, s->packed, s->scale, s->row_sum);
      table->quantize_i8(s->b, p.t, p.k, s->q, s->c);
      measure("gemm_i8", run_gemm_i8, table, s, &p, 2.0 * (double)(p.t * p.n * p.k), "GOP/s", peak);
    }
  }
}

/* t x heads x head size; the work is both products. */
static void bench_attention(const cpu_kernels *table, const buffers *s) {
  static const size_t shapes[][3] = {{15, 4, 32}, {16, 4, 64}, {64, 4, 64}, {256, 4, 64}};
  for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
    shape p = {shapes[i][0], shapes[i][1], shapes[i][2], false, false};
    measure("attention", run_attention, table, s, &p, 4.0 * (double)(p.t * p.t * p.n * p.k), "GFLOP/s",
            peak_of(table->name, false));
  }
}

static void bench_rows(const cpu_kernels *table, const buffers *s) {
  static const struct row {
    const char *name;
    kernel_fn *fn;
    shape p;
  } rows[] = {
      {"quantize_i8", run_quantize, {16, 1, 256, false, false}},
      {"rmsnorm", run_rmsnorm, {16, 1, 256, false, false}},
      {"rmsnorm_backward", run_rmsnorm_backward, {512, 1, 256, false, false}},
      {"softmax", run_softmax, {64, 1, 150, false, false}},
      {"logsumexp", run_logsumexp, {64, 1, 4096, false, false}},
      {"silu_mul", run_silu_mul, {16, 1, 512, false, false}},
      {"silu_mul_backward", run_silu_mul_backward, {64, 1, 512, false, false}},
      {"rope", run_rope, {16, 4, 64, false, false}},
      {"exp", run_exp, {16, 1, 256, false, false}},
      {"adamw", run_adamw, {1024, 1, 1024, false, false}},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    const shape *p = &rows[i].p;
    measure(rows[i].name, rows[i].fn, table, s, p, (double)(p->t * p->n * p->k), "Gvalue/s", 0.0);
  }
}

static bool open_buffers(buffers *s) {
  float **floats[] = {&s->a, &s->b, &s->c, &s->scratch, &s->scale};
  base_rng rng;
  base_rng_seed(&rng, 1);
  *s = (buffers){0};
  for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++) {
    *floats[i] = aligned_alloc(64, FLOATS * sizeof(float));
    if (*floats[i] == NULL) return false;
    for (size_t j = 0; j < FLOATS; j++) (*floats[i])[j] = base_rng_unit(&rng) - (i == 3 ? 0.0f : 0.5f);
  }
  s->packed = aligned_alloc(64, FLOATS);
  s->q = aligned_alloc(64, FLOATS);
  s->row_sum = aligned_alloc(64, FLOATS);
  return s->packed && s->q && s->row_sum;
}

static void close_buffers(buffers *s) {
  free(s->a);
  free(s->b);
  free(s->c);
  free(s->scratch);
  free(s->scale);
  free(s->packed);
  free(s->q);
  free(s->row_sum);
}

/* bench_cpu [TABLE]: all tables this machine can run but the reference, or one. */
int main(int argc, char **argv) {
  buffers s;
  const cpu_kernels *table;
  if (open_buffers(&s)) {
    printf("kernel,table,shape,unit,median,min,max,us_per_call,percent_of_peak\n");
    for (size_t i = 0; (table = cpu_available(i)) != NULL; i++) {
      if (argc > 1 ? strcmp(argv[1], table->name) != 0 : strcmp(table->name, "scalar") == 0) continue;
      printf("peak_f32,%s,registers,GFLOP/s,%.4g,,,,100\n", table->name, peak_of(table->name, false));
      printf("peak_i8,%s,registers,GOP/s,%.4g,,,,100\n", table->name, peak_of(table->name, true));
      bench_gemm_f32(table, &s);
      bench_gemm_i8(table, &s);
      bench_attention(table, &s);
      bench_rows(table, &s);
    }
  }
  close_buffers(&s);
  return 0;
}
