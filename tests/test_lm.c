/* lm against the reference: for every family a tiny checkpoint (tools/golden_lm.py made them) gives the logits and the
 * greedy tokens that transformers gives in float32. */
#include "lm_fixture.h"

#include <math.h>

static gguf_file *golden;

/* A tensor of golden.gguf, NULL when there is none. */
static const void *reference(const char *name, const char *what, uint64_t *count) {
  char full[96];
  base_format(full, sizeof full, "%s.%s", name, what);
  const gguf_tensor *t = gguf_find_tensor(golden, full);
  if (t == NULL) return NULL;
  *count = t->dim[0] * t->dim[1];
  return t->data;
}

/* max |a - b| / max |b| */
static double relative(const float *a, const float *b, size_t n) {
  double diff = 0, scale = 0;
  for (size_t i = 0; i < n; i++) {
    double x = fabs((double)a[i] - (double)b[i]);
    if (!(x <= diff)) diff = x;
    if (fabs((double)b[i]) > scale) scale = fabs((double)b[i]);
  }
  return diff / scale;
}

static uint32_t argmax(const float *x, size_t n) {
  size_t best = 0;
  for (size_t i = 1; i < n; i++) best = x[i] > x[best] ? i : best;
  return (uint32_t)best;
}

static const lm_options exact = {.reference = true, .cache = LM_CACHE_F32, .block = 8};

static void check_run(run *r, const char *name) {
  uint64_t n, n_logits, n_greedy;
  const int32_t *prompt = reference(name, "prompt", &n), *greedy = reference(name, "greedy", &n_greedy);
  const float *expected = reference(name, "logits", &n_logits);
  uint32_t vocab = lm_model_info(r->model).vocab;
  size_t wanted = n_logits / vocab, right = 0;
  float *logits = malloc(n_logits * sizeof *logits);
  lm_token tokens[64];
  for (size_t i = 0; i < n; i++) tokens[i] = (lm_token){(uint32_t)prompt[i], 0, i >= n - wanted};
  base_error err = {0};
  TAP_OK(lm_forward(r->model, r->cache, tokens, n, logits, NULL, &err) == BASE_OK, "%s: %s", name, err.text);
  double diff = relative(logits, expected, n_logits);
  TAP_OK(diff <= 1e-3, "%s: logits differ by %g of the largest", name, diff);
  float *last = logits + (wanted - 1) * vocab;
  for (size_t i = 0; i < n_greedy; i++) {
    lm_token next = {argmax(last, vocab), 0, true};
    right += next.id == (uint32_t)greedy[i];
    if (lm_forward(r->model, r->cache, &next, 1, last, NULL, &err) != BASE_OK) break;
  }
  TAP_OK(right == n_greedy, "%s: %zu of %zu greedy tokens", name, right, (size_t)n_greedy);
  if (getenv("V")) printf("%s: %g, %zu\n", name, diff, right);
  free(logits);
}

static void check_decoder(const char *name) {
  run r;
  if (run_open(&r, name, &exact)) check_run(&r, name);
  run_close(&r);
}

/* A model under other keys than its own. */
static void check_variant(const char *from, const char *name, const change *c) {
  run r;
  void *block;
  base_error err = {0};
  base_status st = run_changed(&r, from, c, &exact, &block, &err);
  TAP_OK(st == BASE_OK, "%s: %s", name, err.text);
  if (st == BASE_OK) check_run(&r, name);
  run_close(&r);
  free(block);
}

static void check_variants(void) {
  change window = {.set_key = "qwen2.attention.sliding_window", .value = 6, .n_bools = 2, .bools = {false, true},
                   .bools_key = "qwen2.attention.sliding_window_pattern"};
  change ramp = {.real_key = "qwen2.rope.scaling.yarn_beta_slow", .real = 0.07F,
                 .false_key = "qwen2.rope.scaling.yarn_truncate"};
  check_variant("qwen2", "qwen2-window", &window);
  check_variant("qwen2", "qwen2-truncate", &ramp);
}

static void check_encoder(const char *name) {
  uint64_t n, width;
  const int32_t *prompt = reference(name, "prompt", &n);
  const float *expected = reference(name, "vector", &width);
  float first[64], vector[64];
  for (int threads = 1; threads <= 3; threads++) {
    lm_options o = {.reference = true, .cache = LM_CACHE_F32, .block = threads == 2 ? 7 : 64};
    base_error err = {0};
    run r;
    TAP_OK(os_team_open(&o.team, threads, NULL) == BASE_OK, "team");
    if (run_open(&r, name, &o)) {
      TAP_OK(lm_embed(r.model, (const uint32_t *)prompt, n, false, vector, NULL, &err) == BASE_OK, "%s: %s", name,
             err.text);
      double diff = relative(vector, expected, width);
      TAP_OK(diff <= 1e-3, "%s: the vector differs by %g", name, diff);
      if (threads == 1) memcpy(first, vector, sizeof first);
      TAP_OK(memcmp(first, vector, width * sizeof *first) == 0, "%s: %d threads", name, threads);
      if (getenv("V")) printf("%s: %g\n", name, diff);
    }
    run_close(&r);
    os_team_close(o.team);
  }
}

/* ---- the same bits, however it is run ---- */

enum { SEQUENCES = 3, EACH = 35, VOCAB = 256 };

/* Three sequences of EACH tokens, all logits: out [SEQUENCES][EACH][VOCAB]. `how` 0: one after another, a token at a
 * time; 1: interleaved in one batch; 2: all but the last of each as one prompt without logits; 3: interleaved, logits of
 * the last of each. */
static bool run_how(run *r, int how, float *out) {
  const size_t row = VOCAB;
  lm_token tokens[SEQUENCES * EACH];
  base_error err = {0};
  size_t n = 0;
  for (uint32_t i = 0; i < EACH; i++)
    for (uint32_t s = 0; s < SEQUENCES; s++) tokens[n++] = (lm_token){(i * 37 + s * 101 + i * i) % VOCAB, s, how < 2 || (how == 3 && i + 1 == EACH)};
  for (uint32_t s = 0; s < SEQUENCES; s++) lm_cache_truncate(r->cache, s, 0);
  if (how == 1 || how == 3) {
    float *batch = malloc(n * row * sizeof *batch);
    bool ok = lm_forward(r->model, r->cache, tokens, n, batch, NULL, &err) == BASE_OK;
    for (size_t i = 0, at = 0; i < n; i++)
      if (tokens[i].logits)
        memcpy(out + (tokens[i].sequence * EACH + i / SEQUENCES) * row, batch + at++ * row, row * sizeof *out);
    free(batch);
    return ok;
  }
  for (uint32_t s = 0; s < SEQUENCES; s++) {
    lm_token own[EACH];
    for (size_t i = 0; i < EACH; i++) own[i] = tokens[i * SEQUENCES + s];
    own[EACH - 1].logits = true;
    float *to = out + s * EACH * row;
    size_t at_once = how == 2 ? EACH : 1;
    for (size_t i = 0; i < EACH; i += at_once) {
      float *where = how == 2 ? to + (EACH - 1) * row : to + i * row;
      if (lm_forward(r->model, r->cache, own + i, at_once, where, NULL, &err)) return false;
    }
  }
  return true;
}

static bool same_last_logits(const float *a, const float *b) {
  for (size_t s = 0; s < SEQUENCES; s++) {
    size_t at = (s * EACH + EACH - 1) * VOCAB;
    if (memcmp(a + at, b + at, VOCAB * sizeof *a) != 0) return false;
  }
  return true;
}

/* Every way to run a model, on 1 to 3 threads and in blocks of 1 to 105 rows, shared out by columns and by rows. */
static void check_bits(const char *name, lm_cache_type cache, bool reference_mode) {
  static const struct {
    int threads;
    uint32_t block;
  } ways[] = {{1, 64}, {2, 64}, {3, 105}, {2, 70}, {2, 5}, {1, 1}, {3, 2}};
  size_t n = SEQUENCES * EACH * VOCAB;
  float *first = calloc(n, sizeof *first), *other = calloc(n, sizeof *other);
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    os_team *team = NULL;
    run r = {0};
    lm_options o = {.sequences = SEQUENCES, .block = ways[i].block, .cache = cache, .reference = reference_mode};
    TAP_OK(os_team_open(&team, ways[i].threads, NULL) == BASE_OK, "team");
    o.team = team;
    if (run_open(&r, name, &o)) {
      if (i == 0) TAP_OK(run_how(&r, 0, first), "%s runs", name);
      TAP_OK(run_how(&r, 0, other) && memcmp(first, other, n * sizeof *first) == 0,
             "%s: token by token, %d threads, blocks of %u", name, ways[i].threads, (unsigned)ways[i].block);
      TAP_OK(run_how(&r, 1, other) && memcmp(first, other, n * sizeof *first) == 0,
             "%s: batched, %d threads, blocks of %u", name, ways[i].threads, (unsigned)ways[i].block);
      TAP_OK(run_how(&r, 3, other) && same_last_logits(first, other), "%s: batched prompts, %d threads, blocks of %u", name,
             ways[i].threads, (unsigned)ways[i].block);
      TAP_OK(run_how(&r, 2, other) && same_last_logits(first, other), "%s: prompts, %d threads, blocks of %u", name,
             ways[i].threads, (unsigned)ways[i].block);
    }
    run_close(&r);
    os_team_close(team);
  }
  free(first);
  free(other);
}

/* The states behind the logits are there for whoever asks, the same bits alone and in company. */
static void check_states(const char *name) {
  enum { N = SEQUENCES * EACH, MOST = 512 };
  static float alone[N][MOST], batch[N * MOST], logits[N * VOCAB];
  for (int threads = 1; threads <= 2; threads++) {
    os_team *team = NULL;
    run r = {0};
    base_error err = {0};
    lm_watch watch = {0};
    if (threads > 1) TAP_OK(!os_team_open(&team, threads, NULL), "team");
    lm_options o = {.sequences = SEQUENCES, .context = 64, .block = 7, .team = team};
    size_t width = run_open(&r, name, &o) ? lm_model_info(r.model).width : 0;
    for (size_t i = 0; i < N && width > 0; i++) {
      lm_token t = {(uint32_t)(i * 37 % VOCAB), (uint32_t)(i % SEQUENCES), true};
      watch.states = alone[i];
      TAP_OK(!lm_forward(r.model, r.cache, &t, 1, logits, &watch, &err), "%s", err.text);
    }
    lm_token all[N];
    for (size_t i = 0; i < N; i++) all[i] = (lm_token){(uint32_t)(i * 37 % VOCAB), (uint32_t)(i % SEQUENCES), i % 4 != 1};
    for (uint32_t s = 0; s < SEQUENCES && width > 0; s++) lm_cache_truncate(r.cache, s, 0);
    watch.states = batch;
    if (width > 0) TAP_OK(!lm_forward(r.model, r.cache, all, N, logits, &watch, &err), "%s", err.text);
    bool same = width > 0 && width <= MOST;
    for (size_t i = 0, row = 0; i < N && same; i++)
      if (all[i].logits) same = memcmp(alone[i], batch + row++ * width, width * sizeof(float)) == 0;
    TAP_OK(same && memcmp(alone[0], alone[1], width * sizeof(float)) != 0, "%s: states, %d threads", name, threads);
    run_close(&r);
    os_team_close(team);
  }
}

int main(void) {
  static const char *const decoders[] = {"llama", "llama3", "llama-bias", "mistral", "mobilellm", "qwen2", "qwen3",
                                         "gemma", "gemma2", "gemma3", "phi3", "openelm", "minnow"};
  base_error err = {0};
  TAP_OK(gguf_open(&golden, "tests/lm/golden.gguf", NULL, &err) == BASE_OK, "%s", err.text);
  for (size_t i = 0; golden != NULL && i < sizeof decoders / sizeof decoders[0]; i++) {
    check_decoder(decoders[i]);
    check_bits(decoders[i], (lm_cache_type)(i % 3), false);
  }
  check_states("llama");
  check_states("gemma3");
  if (golden != NULL) check_encoder("bert");
  if (golden != NULL) check_encoder("nomic-bert");
  gguf_close(golden);
  golden = NULL;
  TAP_OK(gguf_open(&golden, "tests/lm/golden_keys.gguf", NULL, &err) == BASE_OK, "%s", err.text);
  if (golden != NULL) check_variants();
  gguf_close(golden);
  return tap_done("test_lm");
}
