/* matrix: every type on every table against the scalar one by memcmp, against a plain double product of the
 * decoded weights, over odd sizes, batches, slices and shares of rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "matrix/matrix.h"
#include "quant/quant.h"
#include "tap.h"

typedef struct kind {
  gguf_tensor_type type;
  double bound; /* largest error over the root mean square of the outputs, int8 activations against double */
} kind;

static const kind kinds[] = {{GGUF_T_F32, 1e-5},  {GGUF_T_F16, 1e-5},   {GGUF_T_BF16, 1e-5}, {GGUF_T_Q8_0, 0.045},
                             {GGUF_T_Q4_0, 0.06}, {GGUF_T_Q4_1, 0.06},  {GGUF_T_Q5_0, 0.06}, {GGUF_T_Q5_1, 0.06},
                             {GGUF_T_Q2_K, 0.06}, {GGUF_T_Q3_K, 0.06},  {GGUF_T_Q4_K, 0.06}, {GGUF_T_Q5_K, 0.06},
                             {GGUF_T_Q6_K, 0.06}, {GGUF_T_IQ4_NL, 0.06}};
enum { KINDS = sizeof kinds / sizeof kinds[0], MOST_TOKENS = 37, SENTINEL_FLOATS = 16 };

/* A tensor of random weights, its activations, and room for results. */
typedef struct fixture {
  gguf_tensor_type type;
  size_t n, k, row_bytes;
  unsigned char *tensor; /* at an odd address */
  float *x;              /* [MOST_TOKENS][k] */
  float *decoded;        /* [n][k] */
  matrix m;
  matrix_input in;
  void *packed, *input;
} fixture;

static void *aligned(size_t bytes) {
  void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (p == NULL) exit(1);
  memset(p, 0xA5, bytes);
  return p;
}

static void put_inputs(const cpu_kernels *k, fixture *f) {
  for (size_t t = 0; t < MOST_TOKENS; t++) {
    size_t half = f->k / 2 / CPU_SPAN * CPU_SPAN; /* two slices, the first may be empty */
    matrix_input_put(k, &f->in, t, f->x + t * f->k, 0, half);
    matrix_input_put(k, &f->in, t, f->x + t * f->k + half, half, f->k - half);
  }
}

/* more: what other matrices of the same input need. */
static void open_fixture(fixture *f, gguf_tensor_type type, matrix_mode mode, size_t n, size_t k, unsigned more) {
  base_rng rng;
  base_rng_seed(&rng, n * 1000 + k);
  *f = (fixture){.type = type, .n = n, .k = k, .row_bytes = k / gguf_block_elements(type) * gguf_block_bytes(type)};
  f->tensor = (unsigned char *)malloc(n * f->row_bytes + 1) + 1;
  f->x = malloc(MOST_TOKENS * k * sizeof(float));
  f->decoded = malloc(n * k * sizeof(float));
  for (size_t i = 0; i < MOST_TOKENS * k; i++) f->x[i] = base_rng_normal(&rng) * (i % 97 == 0 ? 4.0f : 1.0f);
  for (size_t i = 0; i < n; i++) {
    float *row = f->decoded + i * k;
    for (size_t j = 0; j < k; j++) row[j] = base_rng_normal(&rng) * 0.1f + (i % 3 == 0 ? 0.05f : 0.0f);
    quant_encode_row(type, row, k, f->tensor + i * f->row_bytes);
    quant_decode_row(type, f->tensor + i * f->row_bytes, k, row);
  }
  size_t bytes = matrix_bytes(type, mode, n, k);
  TAP_OK(bytes > 0 && bytes % 64 == 0, "%s %zux%zu: bytes %zu", gguf_tensor_type_name(type), n, k, bytes);
  f->packed = aligned(bytes);
  matrix_init(&f->m, type, mode, n, k, f->packed);
  size_t cut = n / 32 * 16; /* two shares */
  matrix_pack(&f->m, f->tensor + cut * f->row_bytes, cut, n - cut);
  matrix_pack(&f->m, f->tensor, 0, cut);
  f->input = aligned(matrix_input_bytes(f->m.needs | more, MOST_TOKENS, k));
  matrix_input_init(&f->in, f->m.needs | more, MOST_TOKENS, k, f->input);
}

static void close_fixture(fixture *f) {
  free(f->tensor - 1);
  free(f->x);
  free(f->decoded);
  free(f->packed);
  free(f->input);
}

/* y of all tokens at once. */
static float *multiply(const cpu_kernels *k, fixture *f, bool add) {
  size_t count = MOST_TOKENS * f->n + SENTINEL_FLOATS;
  float *y = malloc(count * sizeof(float));
  for (size_t i = 0; i < count; i++) y[i] = add ? (float)i : 7.0f;
  put_inputs(k, f);
  matrix_mul(k, &f->m, &f->in, 0, MOST_TOKENS, 0, f->n, y, f->n, add, NULL);
  return y;
}

/* One share at a time, in batches of tokens: some make whole tiles of 16, some no whole ones, some both. */
static bool same_in_pieces(const cpu_kernels *k, fixture *f, const float *y) {
  static const size_t batches[] = {1, 3, 13, 16, 20, 30};
  float *pieces = malloc(MOST_TOKENS * f->n * sizeof(float));
  bool same = true;
  for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
    size_t batch = batches[i];
    for (int workers = 1; workers <= 3; workers++) {
      for (size_t t = 0; t < MOST_TOKENS; t += batch) {
        size_t tokens = MOST_TOKENS - t < batch ? MOST_TOKENS - t : batch, begin, end;
        for (int w = 0; w < workers; w++) {
          matrix_share(f->n, 16, w, workers, &begin, &end);
          matrix_mul(k, &f->m, &f->in, t, tokens, begin, end, pieces + t * f->n, f->n, false,
                     matrix_ahead(&f->m, 0, 16).next);
        }
      }
      same = same && memcmp(pieces, y, MOST_TOKENS * f->n * sizeof(float)) == 0;
    }
  }
  free(pieces);
  return same;
}

static double worst_error(const fixture *f, const float *y) {
  double worst = 0.0, square = 0.0;
  for (size_t t = 0; t < MOST_TOKENS; t++) {
    for (size_t i = 0; i < f->n; i++) {
      double sum = 0.0, got = (double)y[t * f->n + i];
      for (size_t j = 0; j < f->k; j++) sum += (double)f->decoded[i * f->k + j] * (double)f->x[t * f->k + j];
      square += sum * sum;
      if (!(fabs(got - sum) <= worst)) worst = fabs(got - sum);
    }
  }
  return worst / sqrt(square / (double)(MOST_TOKENS * f->n));
}

static void check_rows(const fixture *f) {
  float *row = malloc(f->k * sizeof(float));
  size_t wrong = 0;
  for (size_t i = 0; i < f->n; i++) {
    matrix_row(&f->m, i, row);
    wrong += memcmp(row, f->decoded + i * f->k, f->k * sizeof(float)) != 0;
  }
  TAP_OK(wrong == 0, "%s %zux%zu: %zu rows differ from quant_decode_row", gguf_tensor_type_name(f->type), f->n, f->k,
         wrong);
  free(row);
}

static void check_size(const kind *c, size_t n, size_t k, unsigned more) {
  const cpu_kernels *scalar = cpu_named("scalar"), *table;
  const char *name = gguf_tensor_type_name(c->type);
  size_t bytes = (MOST_TOKENS * n + SENTINEL_FLOATS) * sizeof(float);
  fixture f;
  open_fixture(&f, c->type, MATRIX_FAST, n, k, more);
  check_rows(&f);
  float *plain = multiply(scalar, &f, false), *added = multiply(scalar, &f, true);
  double error = worst_error(&f, plain);
  TAP_OK(error <= c->bound, "%s %zux%zu is %g from the double product", name, n, k, error);
  bool sums = true;
  for (size_t i = 0; i < MOST_TOKENS * n; i++) {
    float sum = (float)i + plain[i];
    sums = sums && memcmp(&sum, &added[i], sizeof sum) == 0;
  }
  TAP_OK(sums, "%s %zux%zu: += is not = and +", name, n, k);
  for (size_t i = 0; (table = cpu_available(i)) != NULL; i++) {
    float *y = multiply(table, &f, false);
    TAP_OK(memcmp(y, plain, bytes) == 0, "%s %s %zux%zu differs from scalar", table->name, name, n, k);
    TAP_OK(same_in_pieces(table, &f, y), "%s %s %zux%zu: pieces differ from the whole", table->name, name, n, k);
    free(y);
  }
  free(plain);
  free(added);
  close_fixture(&f);
}

static void check_exact(gguf_tensor_type type) {
  fixture f;
  open_fixture(&f, type, MATRIX_EXACT, 37, 512, 0);
  TAP_OK(f.m.needs == MATRIX_NEEDS_F32, "%s: exact products take floats", gguf_tensor_type_name(type));
  check_rows(&f);
  float *y = multiply(cpu_best(), &f, false);
  double error = worst_error(&f, y);
  TAP_OK(error < 1e-5, "%s exact is %g from the double product", gguf_tensor_type_name(type), error);
  free(y);
  close_fixture(&f);
}

/* Every quant and scale that the bytes of a block can hold: K types as far as they are finite. */
static void check_hostile(gguf_tensor_type type) {
  enum { N = 16, K = 512 };
  fixture f;
  base_rng rng;
  base_rng_seed(&rng, 77);
  open_fixture(&f, type, MATRIX_FAST, N, K, 0);
  for (size_t i = 0; i < N * f.row_bytes; i++) f.tensor[i] = (unsigned char)base_rng_next(&rng);
  if (type == GGUF_T_Q8_0) memcpy(f.tensor, "\0\x7c", 2); /* an infinite scale, and no other of the row's */
  for (size_t i = 34; type == GGUF_T_Q8_0 && i < f.row_bytes; i += 34) f.tensor[i + 1] = 0x20;
  for (size_t i = 0; i < N; i++) quant_decode_row(type, f.tensor + i * f.row_bytes, K, f.decoded + i * K);
  matrix_pack(&f.m, f.tensor, 0, N);
  put_inputs(cpu_best(), &f);
  float *scalar = multiply(cpu_named("scalar"), &f, false), *best = multiply(cpu_best(), &f, false), sixteen[16 * N];
  matrix_mul(cpu_best(), &f.m, &f.in, 0, 16, 0, N, sixteen, N, false, NULL);
  size_t wrong = 0;
  for (size_t i = 0; i < (MOST_TOKENS + 16) * N; i++) {
    const float *want = &scalar[i % (MOST_TOKENS * N)], *got = i < MOST_TOKENS * N ? &best[i] : &sixteen[i - MOST_TOKENS * N];
    if (isnan(*want) && isnan(*got)) continue; /* which one is the processor's affair */
    wrong += memcmp(want, got, sizeof(float)) != 0;
  }
  TAP_OK(wrong == 0, "%s: %zu of random bytes differ", gguf_tensor_type_name(type), wrong);
  free(scalar);
  free(best);
  close_fixture(&f);
}

static void check_sizes(void) {
  TAP_OK(matrix_bytes(GGUF_T_Q8_0, MATRIX_FAST, 32, 64) == 32 * 68, "Q8_0 is as large as in the file");
  TAP_OK(matrix_bytes(GGUF_T_Q4_0, MATRIX_FAST, 32, 64) == 32 * 36, "Q4_0 is as large as in the file");
  TAP_OK(matrix_bytes(GGUF_T_Q8_0, MATRIX_FAST, 16, 33) == 0, "k must be whole blocks");
  TAP_OK(matrix_bytes(GGUF_T_Q4_K, MATRIX_FAST, 16, 128) == 0, "K types: blocks of 256");
  TAP_OK(matrix_bytes(GGUF_T_I32, MATRIX_FAST, 16, 128) == 0, "no kernel for integers");
  TAP_OK(matrix_bytes(GGUF_T_F32, MATRIX_FAST, 0, 128) == 0, "no rows");
  TAP_OK(matrix_bytes(GGUF_T_F32, MATRIX_FAST, SIZE_MAX / 2, 1024) == 0, "overflow in n");
  TAP_OK(matrix_bytes(GGUF_T_F32, MATRIX_FAST, 16, SIZE_MAX / 8) == 0, "overflow in k");
  TAP_OK(matrix_input_bytes(MATRIX_NEEDS_F32, SIZE_MAX / 8, 1024) == 0, "overflow of inputs");
  size_t begin, end, next = 0;
  for (int w = 0; w < 5; w++) {
    matrix_share(70, 32, w, 5, &begin, &end);
    TAP_OK(begin == next && end >= begin && (end % 32 == 0 || end == 70), "share %d: [%zu, %zu)", w, begin, end);
    next = end;
  }
  TAP_OK(next == 70, "shares cover all rows");
}

int main(void) {
  static const size_t sizes[][2] = {{16, 256}, {37, 512}, {1, 768}, {80, 1280}};
  check_sizes();
  for (size_t i = 0; i < KINDS; i++) {
    for (size_t s = 0; s < 4; s++) check_size(&kinds[i], sizes[s][0], sizes[s][1], 0);
    if (gguf_block_elements(kinds[i].type) > 1) check_size(&kinds[i], 37, 768, MATRIX_NEEDS_NARROW);
    if (gguf_block_elements(kinds[i].type) == 32) check_size(&kinds[i], 33, 96, 0);
    if (gguf_block_elements(kinds[i].type) == 32) check_size(&kinds[i], 33, 544, MATRIX_NEEDS_NARROW);
    check_exact(kinds[i].type);
    if (gguf_block_elements(kinds[i].type) > 1) check_hostile(kinds[i].type);
  }
  check_size(&kinds[0], 19, 7, 0);
  check_size(&(kind){GGUF_T_Q8_0, 0.05}, 19, 8320, 0); /* more blocks than a pass of 16 tokens keeps scales of */
  for (size_t k = 192; k <= 16448; k = k < 640 ? k + 64 : k * 5 + 64) /* spans of 4 and 2 blocks; too many */
    check_size(&(kind){GGUF_T_Q4_0, 0.4}, k < 1000 ? 37 : 19, k, 0);
  for (size_t k = 64; k <= 704; k += 128) check_size(&(kind){GGUF_T_Q8_0, 0.05}, 37, k, 0); /* half a span at the end */
  check_size(&kinds[1], 19, 33, 0);
  return tap_done("matrix");
}
