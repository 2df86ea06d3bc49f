/* bench/engine: tokens per second of a model, prompt and generation apart, as llama.cpp's llama-bench counts them. */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

#include "gguf/gguf.h"
#include "lm/lm.h"

enum { MOST_SAMPLES = 64, BANDWIDTH_SAMPLES = 5, MOST_BANDWIDTH_BYTES = 1 << 30 };

typedef struct run {
  const bench_engine_options *o;
  gguf_file *file;
  os_team *team;
  lm_model *model;
  lm_cache *cache;
  lm_token *tokens;
  float *logits;
  uint32_t vocab, room;
} run;

static double ms_since(uint64_t start) { return (double)(os_monotonic_ns() - start) * 1e-6; }

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

bench_spread bench_spread_of(double *v, size_t n) {
  qsort(v, n, sizeof *v, by_value);
  return (bench_spread){.median = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2, .min = v[0], .max = v[n - 1]};
}

/* The prompt in one call; logits of its last token. */
static base_status read_prompt(run *r, uint32_t n, base_error *err) {
  lm_cache_truncate(r->cache, 0, 0);
  for (uint32_t i = 0; i < n; i++)
    r->tokens[i] = (lm_token){.id = (i * 7919u + 1) % r->vocab, .logits = i + 1 == n};
  return lm_forward(r->model, r->cache, r->tokens, n, r->logits, NULL, err);
}

/* One token after another, each chosen from the logits before. */
static base_status generate(run *r, uint32_t n, base_error *err) {
  base_status st = BASE_OK;
  uint32_t id = 1;
  lm_cache_truncate(r->cache, 0, 0);
  for (uint32_t i = 0; i < n && st == BASE_OK; i++) {
    lm_token token = {.id = id, .logits = true};
    st = lm_forward(r->model, r->cache, &token, 1, r->logits, NULL, err);
    id = (id * 7919u + (r->logits[0] > 0.0f)) % r->vocab; /* waits for the result, as choosing does */
  }
  return st;
}

static base_status measure(run *r, base_status (*work)(run *, uint32_t, base_error *), uint32_t n,
                           bench_spread *out, base_error *err) {
  double rate[MOST_SAMPLES];
  base_status st = n > 0 ? work(r, n, err) : BASE_OK;
  for (uint32_t i = 0; i < r->o->samples && n > 0 && st == BASE_OK; i++) {
    if (r->o->stop != NULL && r->o->stop(r->o->stop_ctx)) return base_fail(err, BASE_ECANCELLED, r->o->path, "stopped");
    uint64_t start = os_monotonic_ns();
    st = work(r, n, err);
    rate[i] = n / (ms_since(start) * 1e-3);
  }
  if (n > 0 && st == BASE_OK) *out = bench_spread_of(rate, r->o->samples);
  return st;
}

/* Bytes of the weights that one token reads: of an embedding with an output beside it, one row. */
static double weight_bytes(const gguf_file *f) {
  bool output = gguf_find_tensor(f, "output.weight") != NULL;
  double sum = 0.0;
  for (size_t i = 0; i < gguf_tensor_count(f); i++) {
    const gguf_tensor *t = gguf_tensor_at(f, i);
    if (!output || !base_slice_equal(t->name, BASE_LITERAL("token_embd.weight"))) sum += (double)t->bytes;
  }
  return sum;
}

static base_status open_run(run *r, bench_engine_result *out, base_error *err) {
  const bench_engine_options *o = r->o;
  r->room = o->prompt > o->generate ? o->prompt : o->generate;
  if (r->room == 0) return base_fail(err, BASE_EARGUMENT, "bench", "there are no tokens to read and none to generate");
  if (o->samples < 1 || o->samples > MOST_SAMPLES)
    return base_fail(err, BASE_EARGUMENT, "samples", "%u were asked for; 1 to %d are possible", (unsigned)o->samples,
                     (int)MOST_SAMPLES);
  base_status st = os_team_open(&r->team, o->threads, err);
  uint64_t start = os_monotonic_ns();
  if (st == BASE_OK) st = gguf_open(&r->file, o->path, NULL, err);
  lm_options options = {.kernels = o->kernels, .team = r->team, .context = r->room};
  if (st == BASE_OK) st = lm_model_open(&r->model, r->file, &options, err);
  if (st == BASE_OK) st = lm_cache_open(&r->cache, r->model, err);
  if (st != BASE_OK) return st;
  out->open_ms = ms_since(start);
  r->vocab = lm_model_info(r->model).vocab;
  r->tokens = base_calloc(NULL, r->room, sizeof *r->tokens);
  r->logits = base_calloc(NULL, r->vocab, sizeof *r->logits);
  if (r->tokens == NULL || r->logits == NULL) return base_fail(err, BASE_ENOMEM, o->path, "no memory for logits");
  st = read_prompt(r, 1, err);
  out->first_token_ms = ms_since(start);
  out->resident_bytes = os_resident_memory_bytes();
  return st;
}

static void close_run(run *r) {
  base_free(NULL, r->tokens, r->room * sizeof *r->tokens);
  base_free(NULL, r->logits, r->vocab * sizeof *r->logits);
  lm_cache_close(r->cache);
  lm_model_close(r->model);
  gguf_close(r->file);
  os_team_close(r->team);
}

base_status bench_engine(const bench_engine_options *o, bench_engine_result *out, base_error *err) {
  run r = {.o = o};
  *out = (bench_engine_result){0};
  base_status st = open_run(&r, out, err);
  if (st == BASE_OK) st = measure(&r, read_prompt, o->prompt, &out->prefill, err);
  if (st == BASE_OK) st = measure(&r, generate, o->generate, &out->decode, err);
  if (st == BASE_OK) {
    out->weight_bytes = weight_bytes(r.file);
    for (size_t i = 0; i < gguf_tensor_count(r.file); i++) out->file_bytes += gguf_tensor_at(r.file, i)->bytes;
    size_t bytes = out->weight_bytes < MOST_BANDWIDTH_BYTES ? (size_t)out->weight_bytes : MOST_BANDWIDTH_BYTES;
    st = bench_bandwidth(o->kernels, r.team, bytes, BANDWIDTH_SAMPLES, &out->bandwidth, err);
  }
  close_run(&r);
  return st;
}
