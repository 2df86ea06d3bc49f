/* lm_model_open on files that are wrong in one place: each is refused with a sentence that names the key or tensor.
 * Memory: the need is what is taken, the limit holds, every allocation may fail. Weights that differ show. */
#include "failing.h"
#include "lm_fixture.h"

#include <math.h>

typedef struct bad {
  const char *model;
  change c;
  base_status status;
  const char *says; /* in `where` or `text` */
} bad;

static const bad bads[] = {
    {"llama", {.drop_key = "general.architecture"}, BASE_EFORMAT, "general.architecture"},
    {"llama", {.text_key = "general.architecture", .text = "mamba"}, BASE_EUNSUPPORTED, "mamba"},
    {"llama", {.drop_key = "llama.embedding_length"}, BASE_EFORMAT, "llama.embedding_length"},
    {"llama", {.set_key = "llama.embedding_length", .value = 4000000000u}, BASE_EFORMAT, "llama.embedding_length"},
    {"llama", {.set_key = "llama.embedding_length", .value = 48}, BASE_EFORMAT, "token_embd.weight"},
    {"llama", {.drop_key = "llama.block_count"}, BASE_EFORMAT, "llama.block_count"},
    {"llama", {.set_key = "llama.block_count", .value = 0}, BASE_EFORMAT, "llama.block_count"},
    {"llama", {.set_key = "llama.block_count", .value = 100000000}, BASE_EFORMAT, "llama.block_count"},
    {"llama", {.set_key = "llama.block_count", .value = 3}, BASE_EFORMAT, "blk.2."},
    {"llama", {.set_key = "llama.block_count", .value = 1}, BASE_EUNSUPPORTED, "blk.1."},
    {"llama", {.drop_key = "llama.context_length"}, BASE_EFORMAT, "llama.context_length"},
    {"llama", {.set_key = "llama.context_length", .value = 4294967295u}, BASE_EFORMAT, "llama.context_length"},
    {"llama", {.drop_key = "llama.attention.head_count"}, BASE_EFORMAT, "llama.attention.head_count"},
    {"llama", {.set_key = "llama.attention.head_count", .value = 0}, BASE_EFORMAT, "llama.attention.head_count"},
    {"llama", {.set_key = "llama.attention.head_count_kv", .value = 3}, BASE_EFORMAT, "head_count_kv"},
    {"llama", {.set_key = "llama.attention.key_length", .value = 7}, BASE_EFORMAT, "key_length"},
    {"llama", {.set_key = "llama.attention.value_length", .value = 4}, BASE_EUNSUPPORTED, "value_length"},
    {"llama", {.drop_key = "llama.attention.layer_norm_rms_epsilon"}, BASE_EFORMAT, "layer_norm_rms_epsilon"},
    {"llama", {.drop_key = "llama.feed_forward_length"}, BASE_EFORMAT, "llama.feed_forward_length"},
    {"llama", {.set_key = "llama.feed_forward_length", .value = 1 << 20}, BASE_EFORMAT, "llama.feed_forward_length"},
    {"llama", {.set_key = "llama.attention.head_count", .value = 1024}, BASE_EFORMAT, "llama.attention.head_count"},
    {"llama", {.set_key = "llama.expert_count", .value = 8}, BASE_EUNSUPPORTED, "expert_count"},
    {"llama", {.set_key = "llama.rope.dimension_count", .value = 3}, BASE_EFORMAT, "rope.dimension_count"},
    {"llama", {.set_key = "llama.rope.dimension_count", .value = 64}, BASE_EFORMAT, "rope.dimension_count"},
    {"llama", {.text_key = "llama.rope.scaling.type", .text = "spiral"}, BASE_EUNSUPPORTED, "spiral"},
    {"llama", {.set_key = "llama.block_repeat", .value = 100}, BASE_EFORMAT, "llama.block_repeat"},
    {"llama", {.set_key = "llama.vocab_size", .value = 255}, BASE_EMISMATCH, "vocab_size"},
    {"llama", {.text_key = "tokenizer.ggml.tokens", .text = "no list"}, BASE_EMISMATCH, "tokenizer.ggml.tokens"},
    {"llama", {.text_key = "llama.block_count", .text = "two"}, BASE_EFORMAT, "llama.block_count"},
    {"llama", {.drop_tensor = "token_embd.weight"}, BASE_EFORMAT, "token_embd.weight"},
    {"llama", {.drop_tensor = "output_norm.weight"}, BASE_EFORMAT, "output_norm.weight"},
    {"llama", {.drop_tensor = "blk.1.attn_k.weight"}, BASE_EFORMAT, "blk.1.attn_k.weight"},
    {"llama", {.drop_tensor = "blk.0.ffn_norm.weight"}, BASE_EFORMAT, "blk.0.ffn_norm.weight"},
    {"llama", {.cut_tensor = "blk.0.ffn_down.weight"}, BASE_EFORMAT, "blk.0.ffn_down.weight"},
    {"llama", {.cut_tensor = "blk.1.attn_norm.weight"}, BASE_EFORMAT, "blk.1.attn_norm.weight"},
    {"llama", {.cut_tensor = "output.weight"}, BASE_EFORMAT, "output.weight"},
    {"llama", {.extra_tensor = "blk.0.attn_sinks.weight"}, BASE_EUNSUPPORTED, "blk.0.attn_sinks.weight"},
    {"llama", {.weights = true, .type = GGUF_T_I8}, BASE_EUNSUPPORTED, "I8"},
    {"llama3", {.cut_tensor = "rope_freqs.weight"}, BASE_EFORMAT, "rope_freqs.weight"},
    {"llama-bias", {.cut_tensor = "blk.0.attn_q.bias"}, BASE_EFORMAT, "blk.0.attn_q.bias"},
    {"qwen2", {.text_key = "qwen2.rope.scaling.yarn_truncate", .text = "no"}, BASE_EFORMAT, "yarn_truncate"},
    {"qwen2", {.bools_key = "qwen2.attention.sliding_window_pattern", .n_bools = 3}, BASE_EFORMAT, "booleans"},
    {"qwen3", {.drop_tensor = "blk.1.attn_q_norm.weight"}, BASE_EFORMAT, "blk.1.attn_q_norm.weight"},
    {"gemma2", {.drop_tensor = "blk.0.post_ffw_norm.weight"}, BASE_EFORMAT, "blk.0.post_ffw_norm.weight"},
    {"gemma3", {.set_key = "gemma3.attention.sliding_window_pattern", .value = 0}, BASE_EFORMAT, "window_pattern"},
    {"gemma3", {.bools_key = "gemma3.attention.sliding_window_pattern", .n_bools = 6}, BASE_EFORMAT, "booleans"},
    {"phi3", {.drop_tensor = "rope_factors_long.weight"}, BASE_EFORMAT, "rope_factors_long.weight"},
    {"phi3", {.drop_tensor = "blk.0.attn_qkv.weight"}, BASE_EFORMAT, "blk.0.attn_qkv.weight"},
    {"openelm", {.set_key = "openelm.block_count", .value = 2}, BASE_EFORMAT, "head_count"},
    {"openelm", {.drop_key = "openelm.attention.head_count_kv"}, BASE_EFORMAT, "attn_qkv"},
    {"minnow", {.drop_key = "minnow.attention.causal"}, BASE_EUNSUPPORTED, "minnow.attention.causal"},
    {"minnow", {.set_key = "minnow.attention.shared_kv_layers", .value = 8}, BASE_EFORMAT, "shared_kv_layers"},
    {"minnow", {.set_key = "minnow.attention.shared_kv_layers", .value = 2}, BASE_EFORMAT, "blk.5.attn_k.weight"},
    {"bert", {.drop_tensor = "position_embd.weight"}, BASE_EFORMAT, "position_embd.weight"},
    {"bert", {.cut_tensor = "position_embd.weight"}, BASE_EFORMAT, "position_embd.weight"},
    {"bert", {.drop_tensor = "token_embd_norm.bias"}, BASE_EFORMAT, "token_embd_norm.bias"},
    {"bert", {.set_key = "bert.pooling_type", .value = 4}, BASE_EUNSUPPORTED, "pooling_type"},
};

static void check_bad(const bad *b) {
  base_error err = {0};
  failing count;
  base_allocator a = failing_allocator(&count, 1 << 30);
  lm_options o = {.allocator = &a};
  void *block;
  run r;
  base_status st = run_changed(&r, b->model, &b->c, &o, &block, &err);
  TAP_OK(st == b->status && (strstr(err.where, b->says) || strstr(err.text, b->says)), "%s, %s: %d, \"%s: %s\"",
         b->model, b->says, (int)st, err.where, err.text);
  TAP_OK(count.held == 0 && count.most < 1 << 20, "%s, %s: %zu bytes held, %zu at most", b->model, b->says,
         count.held, count.most);
  run_close(&r);
  free(block);
}

/* ---- memory ---- */

static void check_need(const char *name, lm_options o) {
  gguf_file *f = NULL;
  failing count;
  base_allocator a = failing_allocator(&count, 1 << 30);
  base_error err = {0};
  lm_memory need;
  lm_info info;
  run r = {0};
  if (fixture_open(&f, name, &err) != BASE_OK) return;
  o.allocator = &a;
  TAP_OK(lm_need(&need, &info, f, &o, &err) == BASE_OK && count.held == 0 && count.most < 1 << 16, "%s: need: %s", name,
         err.text);
  r.file = f;
  TAP_OK(run_start(&r, &o, &err) == BASE_OK, "%s: %s", name, err.text);
  TAP_OK(count.held <= need.weights_bytes + need.cache_bytes + need.scratch_bytes, "%s: %zu bytes are held", name,
         count.held);
  TAP_OK(count.held + 4096 > need.weights_bytes + need.cache_bytes + need.scratch_bytes, "%s: the need is no guess: %zu",
         name, count.held);
  lm_cache_close(r.cache);
  lm_model_close(r.model);
  r.cache = NULL;
  o.memory_limit_bytes = need.total_bytes - 1;
  count.most = 0;
  TAP_OK(lm_model_open(&r.model, f, &o, &err) == BASE_ELIMIT && count.most < 1 << 16,
         "%s: one byte too little: %zu", name, count.most);
  TAP_OK(strstr(err.text, "needs") != NULL, "%s: \"%s\"", name, err.text);
  o.memory_limit_bytes = need.total_bytes;
  TAP_OK(lm_model_open(&r.model, f, &o, NULL) == BASE_OK, "%s: just enough", name);
  run_close(&r);
  TAP_OK(count.held == 0, "%s: %zu bytes stay", name, count.held);
}

typedef struct asked {
  lm_memory need;
  uint32_t vocab;
  base_status answer;
} asked;

static base_status on_planned(void *ctx, const lm_memory *need, const lm_info *info, base_error *err) {
  asked *a = ctx;
  a->need = *need;
  a->vocab = info->vocab;
  return a->answer ? base_fail(err, a->answer, "owner", "no") : BASE_OK;
}

/* Asked with what lm_need says for as many threads, before anything large is taken. */
static void check_planned(void) {
  gguf_file *f = NULL;
  failing count;
  base_allocator a = failing_allocator(&count, 1 << 30);
  asked ask = {.answer = BASE_ELIMIT};
  lm_options o = {.allocator = &a, .threads = 3, .planned = on_planned, .opening_ctx = &ask};
  lm_model *m = NULL;
  lm_memory need, alone;
  base_error err = {0};
  if (fixture_open(&f, "llama", &err) != BASE_OK) return;
  TAP_OK(lm_need(&need, NULL, f, &o, &err) == BASE_OK && ask.vocab == 0, "the need alone asks nobody");
  o.threads = 0;
  TAP_OK(lm_need(&alone, NULL, f, &o, &err) == BASE_OK && alone.scratch_bytes < need.scratch_bytes,
         "threads have scratch of their own");
  TAP_OK(os_team_open(&o.team, 3, &err) == BASE_OK, "%s", err.text);
  count.most = 0;
  TAP_OK(lm_model_open(&m, f, &o, &err) == BASE_ELIMIT && strcmp(err.where, "owner") == 0 && m == NULL, "refused: %s",
         err.text);
  TAP_OK(memcmp(&ask.need, &need, sizeof need) == 0 && ask.vocab == 256, "asked with the need");
  TAP_OK(count.most < 1 << 16 && count.held == 0, "nothing large was taken: %zu", count.most);
  ask.answer = BASE_OK;
  TAP_OK(lm_model_open(&m, f, &o, NULL) == BASE_OK, "allowed");
  lm_model_close(m);
  os_team_close(o.team);
  gguf_close(f);
}

/* A model of a context nobody can pay: refused by number, and without a limit by whoever allocates. */
static void check_absurd_context(void) {
  change c = {.set_key = "llama.context_length", .value = 1 << 24};
  failing count;
  base_allocator a = failing_allocator(&count, 1 << 30);
  lm_options o = {.allocator = &a, .context = 1 << 24, .sequences = 1000, .memory_limit_bytes = (size_t)1 << 32};
  base_error err = {0};
  void *block;
  run r;
  TAP_OK(run_changed(&r, "llama", &c, &o, &block, &err) == BASE_ELIMIT, "%s", err.text);
  TAP_OK(count.most < 1 << 20, "%zu bytes", count.most);
  run_close(&r);
  free(block);
}

static void check_failing_allocations(const char *name) {
  gguf_file *f = NULL;
  base_status st = BASE_ENOMEM;
  int n = 0;
  if (fixture_open(&f, name, NULL) != BASE_OK) return;
  for (; st != BASE_OK && n < 100; n++) {
    failing count;
    base_allocator a = failing_allocator(&count, n);
    lm_options o = {.allocator = &a};
    base_error err = {0};
    run r = {.file = f};
    st = run_start(&r, &o, &err);
    TAP_OK(st == BASE_OK || (st == BASE_ENOMEM && err.text[0] != 0), "%s: allocation %d", name, n);
    lm_cache_close(r.cache);
    lm_model_close(r.model);
    TAP_OK(count.held == 0, "%s: allocation %d leaves %zu bytes", name, n, count.held);
  }
  TAP_OK(n > 2 && n < 100, "%s: %d allocations", name, n);
  gguf_close(f);
}

/* ---- quantised weights ---- */

/* Logits of 16 tokens of a model whose weights became `type`. */
static bool logits_of(const char *name, gguf_tensor_type type, bool reference_mode, lm_cache_type cache, float *out) {
  change c = {.weights = true, .type = type};
  lm_options o = {.reference = reference_mode, .cache = cache};
  base_error err = {0};
  lm_token tokens[16];
  void *block;
  run r;
  base_status st = run_changed(&r, name, &c, &o, &block, &err);
  for (uint32_t i = 0; i < 16; i++) tokens[i] = (lm_token){i * 13 % 256, 0, true};
  if (!st) st = lm_forward(r.model, r.cache, tokens, 16, out, NULL, &err);
  TAP_OK(!st, "%s as %s: %s: %s", name, gguf_tensor_type_name(type), err.where, err.text);
  run_close(&r);
  free(block);
  return !st;
}

/* Square root of the mean squared difference, of that of b. */
static double distance(const float *a, const float *b, size_t n) {
  double diff = 0, size = 0;
  for (size_t i = 0; i < n; i++) {
    diff += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    size += (double)b[i] * (double)b[i];
  }
  return sqrt(diff / size);
}

enum { LOGITS = 16 * 256 };
static float exact[LOGITS], fast[LOGITS], whole[LOGITS];

/* The int8 activations of the fast path against floats over the same weights; then what the type itself costs. */
static void check_quantised(const char *name) {
  static const struct {
    gguf_tensor_type type;
    double activations, weights;
  } types[] = {{GGUF_T_Q8_0, 0.08, 0.1},  {GGUF_T_Q4_0, 0.08, 0.9}, {GGUF_T_Q5_1, 0.08, 0.5},
               {GGUF_T_IQ4_NL, 0.08, 0.8}, {GGUF_T_F16, 1e-5, 1e-5}, {GGUF_T_BF16, 1e-5, 0.1}};
  if (!logits_of(name, GGUF_T_F32, true, LM_CACHE_F32, whole)) return;
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    const char *type = gguf_tensor_type_name(types[i].type);
    if (!logits_of(name, types[i].type, true, LM_CACHE_F32, exact)) continue;
    if (!logits_of(name, types[i].type, false, LM_CACHE_F32, fast)) continue;
    double a = distance(fast, exact, LOGITS), w = distance(exact, whole, LOGITS);
    TAP_OK(a <= types[i].activations, "%s as %s: activations in int8 move the logits by %g", name, type, a);
    TAP_OK(w <= types[i].weights, "%s as %s: the weights' type moves the logits by %g", name, type, w);
    if (getenv("V")) printf("%s as %s: activations %.4f, weights %.4f\n", name, type, a, w);
  }
}

/* ---- every tensor matters: with any of them damaged the golden tests would fail ---- */

static bool outputs_of(const char *name, const change *c, float *out) {
  lm_options o = {.reference = true, .cache = LM_CACHE_F32};
  lm_token tokens[16];
  uint32_t ids[16];
  void *block;
  run r;
  base_status st = run_changed(&r, name, c, &o, &block, NULL);
  for (uint32_t i = 0; i < 16; i++) tokens[i] = (lm_token){ids[i] = i * 13 % 256, 0, true};
  if (!st && lm_model_info(r.model).encoder) st = lm_embed(r.model, ids, 16, false, out, NULL, NULL);
  else if (!st) st = lm_forward(r.model, r.cache, tokens, 16, out, NULL, NULL);
  run_close(&r);
  free(block);
  return !st;
}

static void check_every_tensor(const char *name) {
  gguf_file *f = NULL;
  if (fixture_open(&f, name, NULL) != BASE_OK) return;
  memset(exact, 0, sizeof exact);
  memset(fast, 0, sizeof fast);
  TAP_OK(outputs_of(name, &(change){0}, exact), "%s runs", name);
  for (size_t i = 0; i < gguf_tensor_count(f); i++) {
    char tensor[96];
    const gguf_tensor *t = gguf_tensor_at(f, i);
    base_format(tensor, sizeof tensor, "%.*s", (int)t->name.len, t->name.ptr);
    if (strcmp(tensor, "rope_factors_short.weight") == 0) continue;      /* this context takes the long ones */
    if (strcmp(name, "bert") == 0 && strstr(tensor, "attn_k.bias")) continue; /* softmax drops it */
    bool ran = outputs_of(name, &(change){.damaged_tensor = tensor}, fast);
    double moved = distance(fast, exact, LOGITS);
    TAP_OK(ran && moved > 2e-3, "%s: a damaged %s moves the outputs by %g only", name, tensor, moved);
  }
  gguf_close(f);
}

/* Which layers have a window, said by an array of booleans: the usual pattern changes nothing, another one does. */
static void check_window_pattern(void) {
  change usual = {.bools_key = "gemma3.attention.sliding_window_pattern", .n_bools = 7, .bools = {1, 1, 1, 1, 1, 0, 1}};
  change other = usual;
  other.bools[0] = false;
  TAP_OK(outputs_of("gemma3", &(change){0}, exact) && outputs_of("gemma3", &usual, fast), "gemma3 runs");
  TAP_OK(memcmp(exact, fast, sizeof exact) == 0, "the usual pattern");
  TAP_OK(outputs_of("gemma3", &other, fast) && memcmp(exact, fast, sizeof exact) != 0, "another pattern");
}

/* Keys and tensors as converters have written them over the years: the same model said in another way, and keys that
 * must not be overlooked. */
static void check_spellings(void) {
  static const struct {
    const char *model;
    change c;
    bool same;
  } rows[] = {
      {"phi3", {.drop_key = "phi3.rope.scaling.type"}, true}, /* llama.cpp writes none for phi3 */
      {"llama-bias", {.drop_key = "llama.rope.scaling.type"}, true},
      {"llama-bias", {.drop_key = "llama.rope.scaling.factor", .real_key = "llama.rope.scale_linear", .real = 4}, true},
      {"llama-bias", {.drop_key = "llama.rope.scaling.factor"}, false},
      {"llama", {.real_key = "llama.rope.scaling.factor", .real = 0}, true},
      {"llama", {.real_key = "llama.rope.scale_linear", .real = 2}, false},
      {"qwen2", {.real_key = "qwen2.rope.scaling.yarn_attn_factor", .real = 1.13862944F}, true}, /* 1 + ln(4) / 10 */
      {"qwen2", {.real_key = "qwen2.rope.scaling.yarn_attn_factor", .real = 1.5F}, false},
      {"qwen2", {.real_key = "qwen2.rope.scaling.yarn_beta_slow", .real = 0.01F}, false},
      {"llama", {.fuse = true}, true},
      {"qwen2", {.fuse = true}, true},
      {"gemma3", {.fuse = true}, true},
      {"bert", {.fuse = true}, true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    memset(exact, 0, sizeof exact);
    memset(fast, 0, sizeof fast);
    bool ran = outputs_of(rows[i].model, &(change){0}, exact) && outputs_of(rows[i].model, &rows[i].c, fast);
    bool same = memcmp(exact, fast, sizeof exact) == 0;
    TAP_OK(ran && same == rows[i].same, "%s, spelling %zu: %s", rows[i].model, i, !ran ? "does not run" : "outputs");
  }
}

static void check_cache_types(const char *name) {
  if (!logits_of(name, GGUF_T_F32, true, LM_CACHE_F32, exact)) return;
  if (logits_of(name, GGUF_T_F32, true, LM_CACHE_F16, fast))
    TAP_OK(distance(fast, exact, LOGITS) < 3e-3, "%s: a cache in F16: %g", name, distance(fast, exact, LOGITS));
  if (logits_of(name, GGUF_T_F32, true, LM_CACHE_I8, fast))
    TAP_OK(distance(fast, exact, LOGITS) < 0.05, "%s: a cache in int8: %g", name, distance(fast, exact, LOGITS));
  if (getenv("V")) printf("%s: int8 cache %.4f\n", name, distance(fast, exact, LOGITS));
}

int main(void) {
  static const char *const models[] = {"llama", "llama3", "llama-bias", "mistral", "mobilellm", "qwen2", "qwen3",
                                       "gemma", "gemma2", "gemma3", "phi3", "openelm", "minnow"};
  for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) check_bad(&bads[i]);
  check_need("llama", (lm_options){.sequences = 3});
  check_need("mobilellm", (lm_options){.reference = true, .cache = LM_CACHE_I8});
  check_need("gemma3", (lm_options){.context = 100, .block = 7, .cache = LM_CACHE_F32});
  check_need("bert", (lm_options){0});
  check_planned();
  check_absurd_context();
  check_failing_allocations("qwen2");
  check_failing_allocations("nomic-bert");
  for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
    check_quantised(models[i]);
    check_cache_types(models[i]);
    check_every_tensor(models[i]);
  }
  check_window_pattern();
  check_spellings();
  check_every_tensor("bert");
  check_every_tensor("nomic-bert");
  return tap_done("test_lm_open");
}
