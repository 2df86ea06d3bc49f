/* gen/backend: the table behind which lm's model and cache stand. */
#include "gen/gen.h"

static base_status forward(void *ctx, const lm_token *tokens, size_t n, float *logits, const lm_watch *watch,
                           base_error *err) {
  const gen_lm *l = ctx;
  return lm_forward(l->model, l->cache, tokens, n, logits, watch, err);
}

static uint32_t length(void *ctx, uint32_t sequence) {
  return lm_cache_length(((const gen_lm *)ctx)->cache, sequence);
}

static uint32_t keeps(void *ctx, uint32_t sequence, uint32_t n) {
  return lm_cache_keeps(((const gen_lm *)ctx)->cache, sequence, n);
}

static void truncate(void *ctx, uint32_t sequence, uint32_t to) {
  lm_cache_truncate(((const gen_lm *)ctx)->cache, sequence, to);
}

static void copy(void *ctx, uint32_t from, uint32_t to, uint32_t n) {
  lm_cache_copy(((const gen_lm *)ctx)->cache, from, to, n);
}

static size_t export_bytes(void *ctx, uint32_t n) { return lm_cache_export_bytes(((const gen_lm *)ctx)->cache, n); }

static void export(void *ctx, uint32_t sequence, uint32_t n, void *out) {
  lm_cache_export(((const gen_lm *)ctx)->cache, sequence, n, out);
}

static base_status import(void *ctx, uint32_t sequence, const void *bytes, size_t len, base_error *err) {
  return lm_cache_import(((const gen_lm *)ctx)->cache, sequence, bytes, len, err);
}

static uint64_t fingerprint(void *ctx) {
  gen_lm *l = ctx;
  if (l->fingerprint == 0) l->fingerprint = lm_model_fingerprint(l->model);
  return l->fingerprint;
}

gen_backend gen_backend_of_lm(gen_lm *l) {
  lm_info info = lm_model_info(l->model);
  return (gen_backend){.ctx = l,
                       .vocab = info.vocab,
                       .context = info.context,
                       .block = info.block,
                       .sequences = info.sequences,
                       .width = info.width,
                       .forward = forward,
                       .length = length,
                       .keeps = keeps,
                       .truncate = truncate,
                       .copy = copy,
                       .export_bytes = export_bytes,
                       .export = export,
                       .import = import,
                       .fingerprint = fingerprint};
}
