/* bench: the shapes are files that load and run, measuring gives figures that can be, bad arguments are refused. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "gguf/gguf.h"
#include "lm/lm.h"
#include "tap.h"

#define SLOWEST 1e6 /* bytes or operations a second that even an emulated machine reaches */

static char path[] = "/tmp/minnow-test-bench-XXXXXX";

static gguf_tensor_type type_of(const gguf_file *f, const char *name) {
  const gguf_tensor *t = gguf_find_tensor(f, name);
  return t != NULL ? t->type : GGUF_T_F64;
}

static void test_shapes(void) {
  base_error err = {0};
  gguf_file *f = NULL;
  size_t n = 0;
  while (bench_shape_at(n) != NULL) n++;
  TAP_OK(n == 5, "%zu shapes", n);
  TAP_OK(bench_write_shape("10M", "Q4_K_M", path, &err) == BASE_OK, "%s", err.text);
  TAP_OK(gguf_open(&f, path, NULL, &err) == BASE_OK, "%s", err.text);
  TAP_OK(type_of(f, "blk.3.ffn_gate.weight") == GGUF_T_Q4_K, "rows of 256 are Q4_K");
  TAP_OK(type_of(f, "blk.1.ffn_down.weight") == GGUF_T_Q5_0, "rows of 704 fall back to Q5_0");
  TAP_OK(type_of(f, "blk.0.attn_v.weight") == GGUF_T_Q6_K, "some values keep more bits");
  TAP_OK(type_of(f, "token_embd.weight") == GGUF_T_Q6_K, "the output has Q6_K");
  gguf_close(f);
  TAP_OK(bench_write_shape("11M", "Q4_0", path, &err) == BASE_EARGUMENT, "an unknown shape");
  TAP_OK(bench_write_shape("10M", "Q4_9", path, NULL) == BASE_EARGUMENT, "an unknown type");
  TAP_OK(bench_write_shape("10M", "I32", path, NULL) == BASE_EARGUMENT, "no weights in integers");
  TAP_OK(bench_write_shape("10M", "", path, NULL) == BASE_EARGUMENT, "an empty type");
  TAP_OK(bench_write_shape("10M", "Q8_0", "/nowhere/at/all.gguf", NULL) != BASE_OK, "a folder that is not there");
}

/* The logits behind a prompt of 16, `at_once` tokens at a time, on so many threads. */
static float *logits_of(const gguf_file *f, int threads, size_t at_once) {
  os_team *team = NULL;
  lm_model *m = NULL;
  lm_cache *c = NULL;
  TAP_OK(os_team_open(&team, threads, NULL) == BASE_OK, "%d threads", threads);
  lm_options o = {.team = team, .context = 64};
  TAP_OK(lm_model_open(&m, f, &o, NULL) == BASE_OK && lm_cache_open(&c, m, NULL) == BASE_OK, "opened");
  float *logits = calloc(lm_model_info(m).vocab, sizeof *logits);
  lm_token tokens[16];
  for (uint32_t i = 0; i < 16; i++) tokens[i] = (lm_token){.id = i * 401 + 7, .logits = i == 15};
  for (size_t i = 0; i < 16; i += at_once)
    TAP_OK(lm_forward(m, c, tokens + i, at_once, logits, NULL, NULL) == BASE_OK, "token %zu", i);
  lm_cache_close(c);
  lm_model_close(m);
  os_team_close(team);
  return logits;
}

/* Wide layers, which the tiny models of test_lm have not: a hidden layer of 704 is made in pieces for 16 tokens. */
static void test_pieces(void) {
  gguf_file *f = NULL;
  TAP_OK(gguf_open(&f, path, NULL, NULL) == BASE_OK, "the shape once more");
  float *alone = logits_of(f, 1, 1);
  for (int threads = 1; threads <= 3; threads++) {
    float *together = logits_of(f, threads, 16);
    bool same = memcmp(alone, together, 8192 * sizeof *alone) == 0;
    TAP_OK(same && alone[0] != alone[1], "the same bits in pieces, %d threads", threads);
    free(together);
  }
  free(alone);
  gguf_close(f);
}

static bool never(void *ctx) {
  (void)ctx;
  return true;
}

static void test_engine(void) {
  base_error err = {0};
  bench_engine_result r;
  bench_engine_options o = {.path = path, .kernels = cpu_best(), .threads = 2, .prompt = 20, .generate = 5, .samples = 3};
  TAP_OK(bench_engine(&o, &r, &err) == BASE_OK, "%s: %s", err.where, err.text);
  TAP_OK(r.prefill.min > 0.0 && r.prefill.min <= r.prefill.median && r.prefill.median <= r.prefill.max, "prefill");
  TAP_OK(r.decode.min > 0.0 && r.decode.min <= r.decode.median && r.decode.median <= r.decode.max, "decode");
  TAP_OK(r.weight_bytes > 6e6 && r.weight_bytes < 9e6 && (double)r.file_bytes >= r.weight_bytes, "bytes of weights");
  TAP_OK(r.open_ms > 0.0 && r.first_token_ms > r.open_ms && r.bandwidth > SLOWEST, "times and bandwidth");
  o.generate = 0;
  o.samples = 1;
  TAP_OK(bench_engine(&o, &r, NULL) == BASE_OK && r.decode.median == 0.0, "prompt alone");
  o.stop = never;
  TAP_OK(bench_engine(&o, &r, NULL) == BASE_ECANCELLED, "stopped");
  o.prompt = 0;
  TAP_OK(bench_engine(&o, &r, NULL) == BASE_EARGUMENT, "nothing to do");
  o.prompt = 5;
  o.samples = 1000;
  TAP_OK(bench_engine(&o, &r, NULL) == BASE_EARGUMENT, "too many samples");
  o.samples = 1;
  o.path = "/nowhere.gguf";
  TAP_OK(bench_engine(&o, &r, NULL) != BASE_OK, "no file");
}

static void test_machine(void) {
  double rate = 0.0, i8, f32;
  const cpu_kernels *table;
  TAP_OK(bench_bandwidth(cpu_best(), NULL, 1 << 20, 3, &rate, NULL) == BASE_OK && rate > SLOWEST, "bandwidth %g", rate);
  TAP_OK(bench_bandwidth(cpu_best(), NULL, 100, 3, &rate, NULL) == BASE_EARGUMENT, "too small a block");
  TAP_OK(bench_bandwidth(cpu_best(), NULL, 1 << 20, 0, &rate, NULL) == BASE_EARGUMENT, "no samples");
  for (size_t i = 0; (table = cpu_available(i)) != NULL && strcmp(table->name, "scalar") != 0; i++) {
    bench_peak(table, &i8, &f32);
    TAP_OK(i8 > SLOWEST && f32 > SLOWEST, "%s: peaks %g and %g", table->name, i8, f32);
  }
}

int main(void) {
  int file = mkstemp(path);
  if (file < 0) return 1;
  close(file);
  test_shapes();
  test_pieces();
  test_engine();
  test_machine();
  unlink(path);
  return tap_done("bench");
}
