/* The KV cache of lm: cut back, copied and restored sequences go on with the same bits as ones that were never
 * touched; snapshots of another model, type, or with a wrong byte are refused. */
#include "lm_fixture.h"

enum { N = 37, LONG = 119, VOCAB = 256 };

static uint32_t token_at(size_t i) { return (uint32_t)((i * 37 + i * i) % VOCAB); }

/* Tokens [from, to) to a sequence; the last one's logits. */
static bool feed(run *r, uint32_t sequence, size_t from, size_t to, float *logits) {
  lm_token tokens[LONG];
  for (size_t i = from; i < to; i++) tokens[i - from] = (lm_token){token_at(i), sequence, i + 1 == to};
  return lm_forward(r->model, r->cache, tokens, to - from, logits, NULL, NULL) == BASE_OK;
}

static bool same(const float *a, const float *b) { return memcmp(a, b, VOCAB * sizeof *a) == 0; }

static void check_truncate_and_copy(run *r, const char *name, const float *expected) {
  float logits[VOCAB];
  lm_token junk[9];
  for (uint32_t i = 0; i < 9; i++) junk[i] = (lm_token){i, 1, false};
  TAP_OK(feed(r, 1, 0, 21, logits) && lm_forward(r->model, r->cache, junk, 9, NULL, NULL, NULL) == BASE_OK, "%s feeds",
         name);
  lm_cache_truncate(r->cache, 1, 21);
  TAP_OK(lm_cache_length(r->cache, 1) == 21, "%s: length after truncation", name);
  lm_cache_truncate(r->cache, 1, 30);
  TAP_OK(lm_cache_length(r->cache, 1) == 21, "%s: truncation never lengthens", name);
  TAP_OK(feed(r, 1, 21, N, logits) && same(logits, expected), "%s: as if the wrong tokens had never been", name);
  lm_cache_copy(r->cache, 0, 2, 18);
  TAP_OK(feed(r, 2, 18, N, logits) && same(logits, expected), "%s: goes on from a copied prefix", name);
}

static void check_snapshot(run *r, const char *name, const float *expected) {
  size_t bytes = lm_cache_export_bytes(r->cache, 21);
  unsigned char *out = malloc(bytes), *again = malloc(bytes);
  float logits[VOCAB];
  base_error err = {0};
  memset(out, 0xAA, bytes);
  memset(again, 0x55, bytes);
  lm_cache_export(r->cache, 0, 21, out);
  lm_cache_export(r->cache, 1, 21, again); /* the same tokens, with other things behind them */
  TAP_OK(memcmp(out, again, bytes) == 0, "%s: the same sequence gives the same bytes", name);
  lm_cache_truncate(r->cache, 2, 0);
  TAP_OK(lm_cache_import(r->cache, 2, out, bytes, &err) == BASE_OK, "%s: %s", name, err.text);
  TAP_OK(lm_cache_length(r->cache, 2) == 21 && feed(r, 2, 21, N, logits) && same(logits, expected),
         "%s: goes on from a snapshot", name);
  for (size_t at = 0; at < bytes; at += at < 32 ? 1 : bytes / 13) {
    out[at] ^= 64;
    TAP_OK(lm_cache_import(r->cache, 1, out, bytes, NULL) != BASE_OK && lm_cache_length(r->cache, 1) == N,
           "%s: byte %zu of a snapshot is wrong", name, at);
    out[at] ^= 64;
  }
  TAP_OK(lm_cache_import(r->cache, 1, out, bytes - 1, NULL) == BASE_EFORMAT, "%s: cut off", name);
  TAP_OK(lm_cache_import(r->cache, 1, out, 0, NULL) == BASE_EFORMAT, "%s: empty", name);
  free(out);
  free(again);
}

/* A snapshot of one model is refused by another. */
static void check_foreign(const char *made_by, const lm_options *make, const char *read_by, const lm_options *read) {
  run a, b;
  float logits[VOCAB];
  base_error err = {0};
  bool open = run_open(&a, made_by, make);
  open = run_open(&b, read_by, read) && open;
  if (open && feed(&a, 0, 0, 9, logits)) {
    size_t bytes = lm_cache_export_bytes(a.cache, 9);
    void *out = malloc(bytes);
    lm_cache_export(a.cache, 0, 9, out);
    TAP_OK(lm_cache_import(b.cache, 0, out, bytes, &err) == BASE_EMISMATCH, "%s into %s: %s", made_by, read_by,
           err.text);
    free(out);
  }
  run_close(&a);
  run_close(&b);
}

static void check_model(const char *name, lm_cache_type type) {
  lm_options o = {.sequences = 3, .block = 16, .cache = type};
  float expected[VOCAB];
  run r;
  if (run_open(&r, name, &o)) {
    TAP_OK(feed(&r, 0, 0, N, expected), "%s runs", name);
    check_truncate_and_copy(&r, name, expected);
    check_snapshot(&r, name, expected);
  }
  run_close(&r);
}

static bool stop_at(void *ctx) { return (*(int *)ctx)-- == 0; }

/* Stopped wherever it may be, a sequence holds whole blocks, and going on gives what it would have given. */
static void check_cancel(void) {
  lm_options o = {.block = 8};
  float expected[VOCAB], logits[VOCAB];
  lm_token tokens[N];
  run r;
  if (run_open(&r, "llama", &o)) {
    TAP_OK(feed(&r, 0, 0, N, expected), "runs");
    for (size_t i = 0; i < N; i++) tokens[i] = (lm_token){token_at(i), 0, i + 1 == N};
    int stops = 0;
    for (int after = 0; after < 40; after++) {
      int left = after;
      lm_watch watch = {.ctx = &left, .stop = stop_at};
      lm_cache_truncate(r.cache, 0, 0);
      if (lm_forward(r.model, r.cache, tokens, N, logits, &watch, NULL) == BASE_OK) break;
      uint32_t length = lm_cache_length(r.cache, 0);
      TAP_OK(length % 8 == 0 && feed(&r, 0, length, N, logits) && same(logits, expected), "stopped at question %d",
             after);
      stops++;
    }
    TAP_OK(stops > 10 && stops < 40, "stopped %d times", stops);
  }
  run_close(&r);
}

static void check_refused_tokens(void) {
  lm_options o = {.context = 20, .sequences = 2};
  float logits[VOCAB];
  run r;
  if (run_open(&r, "qwen2", &o)) {
    lm_token bad[] = {{5, 0, false}, {256, 0, true}}, sequence[] = {{5, 0, false}, {5, 2, true}};
    base_error err = {0};
    TAP_OK(lm_forward(r.model, r.cache, bad, 2, logits, NULL, &err) == BASE_EARGUMENT && strstr(err.text, "256"), "%s",
           err.text);
    TAP_OK(lm_forward(r.model, r.cache, sequence, 2, logits, NULL, NULL) == BASE_EARGUMENT, "sequence out of range");
    TAP_OK(lm_cache_length(r.cache, 0) == 0, "nothing was done");
    TAP_OK(feed(&r, 0, 0, 20, logits) && !feed(&r, 0, 20, 21, logits) && lm_cache_length(r.cache, 0) == 20, "full");
    TAP_OK(feed(&r, 1, 0, 20, logits), "the other sequence has its own room");
    TAP_OK(lm_forward(r.model, r.cache, bad, 0, logits, NULL, NULL) == BASE_OK, "no tokens");
  }
  run_close(&r);
}

/* ---- layers with a window keep the window only ---- */

static float whole[LONG][VOCAB]; /* logits behind every token, out of a cache of all positions */

/* Whether a sequence that holds `from` tokens goes on to `to` as it should; `most` at once. */
static bool goes_on(run *r, uint32_t sequence, size_t from, size_t to, size_t most) {
  float logits[VOCAB];
  bool fine = lm_cache_length(r->cache, sequence) == from;
  for (size_t n; from < to && fine; from += n) {
    n = to - from < most ? to - from : most;
    fine = feed(r, sequence, from, from + n, logits) && same(logits, whole[from + n - 1]);
  }
  return fine;
}

/* Back from LONG to every length: there, or all is forgotten and read again. */
static void check_far_back(run *r, const char *name, uint32_t window) {
  uint32_t kept = 0, lost = 0;
  for (uint32_t length = 1; length < LONG; length += 3) {
    lm_cache_truncate(r->cache, 0, 0);
    bool fine = goes_on(r, 0, 0, LONG, 7);
    uint32_t says = lm_cache_keeps(r->cache, 0, length);
    lm_cache_copy(r->cache, 0, 1, length);
    lm_cache_truncate(r->cache, 0, length);
    uint32_t have = lm_cache_length(r->cache, 0);
    fine = fine && (says == 0 || says == length) && have >= says && (have == 0 || have == length);
    fine =
        fine && lm_cache_length(r->cache, 1) == says && goes_on(r, 1, says, LONG, 5) && goes_on(r, 0, have, LONG, 11);
    TAP_OK(fine, "%s: back to %u of %d: says %u, has %u", name, (unsigned)length, LONG, (unsigned)says, (unsigned)have);
    kept += says > 0;
    lost += says == 0;
  }
  TAP_OK(kept > 0 && lost > 0, "%s: window %u: %u kept, %u lost", name, (unsigned)window, (unsigned)kept,
         (unsigned)lost);
  TAP_OK(lm_cache_keeps(r->cache, 0, LONG + 1) == 0, "%s: more than there is", name);
}

/* A snapshot is the same whatever way a sequence came to its length, and its last token can be read again. */
static void check_far_snapshots(run *r, const char *name) {
  size_t bytes = lm_cache_export_bytes(r->cache, LONG);
  unsigned char *one = malloc(bytes), *other = malloc(bytes);
  for (uint32_t length = 1; length < LONG; length += 4) {
    lm_cache_truncate(r->cache, 0, 0);
    lm_cache_truncate(r->cache, 1, 0);
    bool fine = goes_on(r, 0, 0, length, 1) && goes_on(r, 1, 0, length + 1, 6);
    size_t n = lm_cache_export_bytes(r->cache, length);
    fine = fine && n <= bytes && lm_cache_keeps(r->cache, 1, length) == length;
    lm_cache_export(r->cache, 0, length, one);
    lm_cache_export(r->cache, 1, length, other);
    fine = fine && memcmp(one, other, n) == 0 && lm_cache_import(r->cache, 2, one, n, NULL) == BASE_OK;
    lm_cache_truncate(r->cache, 2, length - 1);
    fine = fine && goes_on(r, 2, length - 1, LONG, 9);
    TAP_OK(fine, "%s: a snapshot of %u positions", name, (unsigned)length);
  }
  free(one);
  free(other);
}

/* `slides`: whether any layer can; sequences go on from everywhere in the others. */
static void check_window(const char *name, const change *c, uint32_t window, lm_cache_type type, bool slides) {
  lm_options all = {.block = 128, .cache = type}, sliding = {.block = 4, .cache = type, .sequences = 3};
  lm_memory need_all, need;
  base_error err = {0};
  void *block;
  run r;
  if (run_changed(&r, name, c, &all, &block, &err) == BASE_OK) {
    lm_token tokens[LONG];
    for (size_t i = 0; i < LONG; i++) tokens[i] = (lm_token){token_at(i), 0, true};
    TAP_OK(lm_forward(r.model, r.cache, tokens, LONG, whole[0], NULL, NULL) == BASE_OK &&
               lm_cache_keeps(r.cache, 0, 1) == 1,
           "%s with all positions", name);
    all.sequences = 3;
    TAP_OK(lm_need(&need_all, NULL, r.file, &all, NULL) == BASE_OK &&
               lm_need(&need, NULL, r.file, &sliding, NULL) == BASE_OK &&
               (need.cache_bytes < need_all.cache_bytes) == slides,
           "%s: %zu bytes of cache instead of %zu", name, need.cache_bytes, need_all.cache_bytes);
  }
  TAP_OK(r.model != NULL, "%s: %s", name, err.text);
  run_close(&r);
  free(block);
  if (run_changed(&r, name, c, &sliding, &block, NULL) == BASE_OK) {
    if (slides) check_far_back(&r, name, window);
    check_far_snapshots(&r, name);
  }
  run_close(&r);
  free(block);
}

/* Where layers share keys and values, or are run several times, and not all that do have a window. */
static void check_mixed_windows(void) {
  change shared = {.set_key = "minnow.attention.sliding_window", .value = 9, .n_bools = 8,
                   .bools_key = "minnow.attention.sliding_window_pattern",
                   .bools = {true, false, true, true, true, true, false, true}};
  check_window("minnow", &shared, 9, LM_CACHE_F16, true);
  shared.bools[6] = true;
  check_window("minnow", &shared, 9, LM_CACHE_F16, true);
  memset(shared.bools, 0, sizeof shared.bools);
  shared.bools[7] = true; /* of a layer that reads what one without a window writes and others read too */
  check_window("minnow", &shared, 9, LM_CACHE_F16, false);
  change repeated = {.set_key = "llama.attention.sliding_window", .value = 9};
  check_window("mobilellm", &repeated, 9, LM_CACHE_I8, true);
}

/* Stopped and gone on from, while positions slide; two sequences of unlike lengths in one block. */
static void check_window_in_company(void) {
  lm_options all = {.block = 128}, sliding = {.block = 8, .sequences = 2};
  run r;
  if (run_open(&r, "gemma3", &all)) {
    lm_token tokens[LONG];
    for (size_t i = 0; i < LONG; i++) tokens[i] = (lm_token){token_at(i), 0, true};
    (void)lm_forward(r.model, r.cache, tokens, LONG, whole[0], NULL, NULL);
  }
  run_close(&r);
  if (run_open(&r, "gemma3", &sliding)) {
    float logits[2][VOCAB];
    bool fine = goes_on(&r, 1, 0, 29, 8);
    for (uint32_t i = 0; i + 29 < LONG && fine; i++) {
      int left = (int)i % 5;
      lm_watch watch = {.ctx = &left, .stop = stop_at};
      lm_token two[] = {{token_at(i), 0, true}, {token_at(i + 29), 1, true}};
      if (lm_forward(r.model, r.cache, two, 2, logits[0], &watch, NULL) != BASE_OK)
        fine = lm_forward(r.model, r.cache, two, 2, logits[0], NULL, NULL) == BASE_OK;
      fine = fine && same(logits[0], whole[i]) && same(logits[1], whole[i + 29]);
    }
    TAP_OK(fine, "two sequences, stopped now and then");
  }
  run_close(&r);
}

int main(void) {
  static const char *const models[] = {"llama", "gemma3", "openelm", "minnow", "mobilellm", "mistral"};
  for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
    for (int type = 0; type < 3; type++) check_model(models[i], (lm_cache_type)type);
  static const change none;
  for (int type = 0; type < 3; type++) {
    check_window("gemma2", &none, 9, (lm_cache_type)type, true);
    check_window("gemma3", &none, 9, (lm_cache_type)type, true);
    check_window("mistral", &none, 9, (lm_cache_type)type, true);
    check_window("phi3", &none, 40, (lm_cache_type)type, true);
  }
  check_mixed_windows();
  check_window_in_company();
  lm_options f16 = {0}, i8 = {.cache = LM_CACHE_I8}, exact = {.reference = true}, longer = {.context = 64};
  check_foreign("llama", &f16, "mistral", &f16);
  check_foreign("llama", &f16, "llama", &i8);
  check_foreign("llama", &f16, "llama", &exact);
  lm_options shorter = {.context = 16};
  check_foreign("phi3", &longer, "phi3", &shorter); /* LongRoPE has other frequencies there */
  check_cancel();
  check_refused_tokens();
  return tap_done("test_lm_cache");
}
