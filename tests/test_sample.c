/* Sampling against a plain reference that sorts everything, the draw's distribution and its independence of
 * what was drawn before, log-probabilities, stop strings cut into every possible pieces, prompt lookup. */
#include "failing.h"
#include "gen/gen.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCAB = 997, WORDS = (VOCAB + 31) / 32 };

/* ---- the reference: the definitions, one after the other, in double ---- */

typedef struct entry {
  double logit;
  uint32_t id;
} entry;

static int falling(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
  return x->id < y->id ? -1 : 1;
}

static size_t reference_penalised(const float *logits, const uint32_t *mask, const gen_sampling *how,
                                  const uint32_t *history, size_t n_history, entry *out) {
  size_t n = 0, window = how->penalty_tokens > 0 ? how->penalty_tokens : 64;
  size_t begin = n_history > window ? n_history - window : 0;
  for (uint32_t id = 0; id < VOCAB; id++) {
    float x = logits[id];
    uint32_t count = 0;
    for (size_t i = begin; i < n_history; i++) count += history[i] == id;
    if (count > 0) {
      if (how->repeat > 0.0f) x = x > 0.0f ? x / how->repeat : x * how->repeat;
      x -= (float)count * how->frequency + how->presence;
    }
    if (mask != NULL && (mask[id / 32] >> (id % 32) & 1) == 0) continue;
    out[n++] = (entry){(double)x, id};
  }
  qsort(out, n, sizeof *out, falling);
  return n;
}

/* The set that may be drawn, sorted. */
static size_t reference_kept(const gen_sampling *how, entry *e, size_t n) {
  if (how->top_k > 0 && how->top_k < n) n = how->top_k;
  if (how->top_p > 0.0f && how->top_p < 1.0f) {
    double sum = 0.0, seen = 0.0;
    for (size_t i = 0; i < n; i++) sum += exp(e[i].logit - e[0].logit);
    for (size_t i = 0; i < n; i++) {
      seen += exp(e[i].logit - e[0].logit);
      if (seen >= (double)how->top_p * sum) n = i + 1;
    }
  }
  for (size_t i = 0; how->min_p > 0.0f && i < n; i++)
    if (e[i].logit < e[0].logit + log((double)how->min_p)) n = i;
  return n;
}

static void fill(base_rng *rng, float *logits, float spread) {
  for (size_t i = 0; i < VOCAB; i++) logits[i] = base_rng_normal(rng) * spread;
  for (size_t i = 0; i < 20; i++) logits[base_rng_below(rng, VOCAB)] = logits[base_rng_below(rng, VOCAB)];
}

static void some_settings(base_rng *rng, gen_sampling *how) {
  *how = (gen_sampling){.temperature = 0.2f + base_rng_unit(rng) * 1.5f, .seed = base_rng_next(rng)};
  if (base_rng_below(rng, 2)) how->top_k = 1 + base_rng_below(rng, 60);
  if (base_rng_below(rng, 2)) how->top_p = 0.05f + base_rng_unit(rng) * 0.9f;
  if (base_rng_below(rng, 2)) how->min_p = base_rng_unit(rng) * 0.3f;
  if (base_rng_below(rng, 2)) how->repeat = 1.0f + base_rng_unit(rng) * 0.5f;
  if (base_rng_below(rng, 3) == 0) how->frequency = base_rng_unit(rng);
  if (base_rng_below(rng, 3) == 0) how->presence = base_rng_unit(rng);
  if (base_rng_below(rng, 3) == 0) how->penalty_tokens = 1 + base_rng_below(rng, 100);
}

/* Every draw lies in the reference's set, and all of a small set is drawn. */
static void test_against_reference(void) {
  static float logits[VOCAB], scratch[VOCAB];
  static entry e[VOCAB];
  uint32_t mask[WORDS], history[80];
  gen_sampler *s = NULL;
  base_rng rng;
  int outside = 0, never = 0;
  base_rng_seed(&rng, 11);
  TAP_OK(gen_sampler_new(&s, VOCAB, cpu_best(), NULL, NULL) == BASE_OK, "a sampler");
  for (int round = 0; round < 400; round++) {
    gen_sampling how;
    bool masked = base_rng_below(&rng, 3) == 0, drawn[VOCAB] = {false};
    fill(&rng, logits, 0.5f + base_rng_unit(&rng) * 4.0f);
    some_settings(&rng, &how);
    for (size_t i = 0; i < WORDS; i++) mask[i] = (uint32_t)base_rng_next(&rng);
    for (size_t i = 0; i < 80; i++) history[i] = base_rng_below(&rng, VOCAB);
    size_t n_history = base_rng_below(&rng, 81);
    const uint32_t *m = masked ? mask : NULL;
    size_t n = reference_penalised(logits, m, &how, history, n_history, e);
    n = reference_kept(&how, e, n);
    for (uint64_t position = 0; position < 50; position++) {
      memcpy(scratch, logits, sizeof logits);
      uint32_t id = gen_sample(s, scratch, m, &how, history, n_history, position, NULL);
      bool inside = false;
      for (size_t i = 0; i < n; i++) inside |= e[i].id == id;
      outside += !inside;
      if (id < VOCAB) drawn[id] = true;
    }
    never += n > 0 && n <= 2 && !drawn[e[0].id] && how.temperature > 1.0f && e[0].logit - e[n - 1].logit < 1.0;
    how.temperature = 0.0f;
    memcpy(scratch, logits, sizeof logits);
    TAP_OK(gen_sample(s, scratch, m, &how, history, n_history, 0, NULL) == e[0].id, "greedy takes the best");
  }
  TAP_OK(outside == 0, "%d draws outside what the filters keep", outside);
  TAP_OK(never == 0, "%d likely tokens never drawn", never);
  gen_sampler_free(s);
}

/* Chi-squared against the softmax, with and without a filter that keeps all. */
static void test_distribution(void) {
  static const float p[5] = {0.4f, 0.3f, 0.15f, 0.1f, 0.05f};
  for (uint32_t top_k = 0; top_k <= 5; top_k += 5) {
    gen_sampler *s = NULL;
    gen_sampling how = {.temperature = 1.0f, .top_k = top_k, .seed = 5};
    int count[5] = {0};
    double chi = 0.0;
    TAP_OK(gen_sampler_new(&s, 5, cpu_best(), NULL, NULL) == BASE_OK, "a sampler");
    for (uint64_t position = 0; position < 20000; position++) {
      float logits[5];
      for (size_t i = 0; i < 5; i++) logits[i] = cpu_logf(p[i]) + 3.0f;
      count[gen_sample(s, logits, NULL, &how, NULL, 0, position, NULL)]++;
    }
    for (size_t i = 0; i < 5; i++) {
      double expected = 20000.0 * (double)p[i];
      chi += (count[i] - expected) * (count[i] - expected) / expected;
    }
    TAP_OK(chi < 18.5, "chi-squared %.2f with 4 degrees of freedom", chi); /* 0.999 quantile */
    gen_sampler_free(s);
  }
}

/* The same on every kernel table; another seed or position gives another sequence. */
static void test_same_everywhere(void) {
  static float logits[VOCAB], scratch[VOCAB];
  base_rng rng;
  base_rng_seed(&rng, 3);
  fill(&rng, logits, 2.0f);
  uint32_t first[64] = {0};
  for (size_t k = 0; cpu_available(k) != NULL; k++) {
    gen_sampler *s = NULL;
    size_t different = 0;
    gen_sampling how = {.temperature = 1.1f, .top_p = 0.97f, .seed = 42};
    TAP_OK(gen_sampler_new(&s, VOCAB, cpu_available(k), NULL, NULL) == BASE_OK, "a sampler");
    for (uint64_t i = 0; i < 64; i++) {
      memcpy(scratch, logits, sizeof logits);
      uint32_t id = gen_sample(s, scratch, NULL, &how, NULL, 0, i, NULL);
      if (k == 0) first[i] = id;
      TAP_OK(first[i] == id, "%s draws the same at %d", cpu_available(k)->name, (int)i);
      how.seed++;
      memcpy(scratch, logits, sizeof logits);
      different += gen_sample(s, scratch, NULL, &how, NULL, 0, i, NULL) != id;
      how.seed--;
    }
    TAP_OK(different > 40, "another seed draws otherwise");
    gen_sampler_free(s);
  }
}

static void test_odd_logits(void) {
  gen_sampler *s = NULL;
  gen_sampling hot = {.temperature = 1.0f, .seed = 1}, cold = {0};
  uint32_t none = 0, third = 4;
  TAP_OK(gen_sampler_new(&s, 4, cpu_best(), NULL, NULL) == BASE_OK, "a sampler");
  for (int i = 0; i < 2; i++) {
    const gen_sampling *how = i ? &hot : &cold;
    float nan[4] = {NAN, NAN, NAN, NAN}, one[4] = {NAN, -INFINITY, -5.0f, NAN};
    float inf[4] = {1.0f, INFINITY, 2.0f, INFINITY}, low[4] = {-1e30f, -2e30f, -1e30f, -3e30f};
    float equal[4] = {2.0f, 2.0f, 2.0f, 2.0f};
    TAP_OK(gen_sample(s, nan, NULL, how, NULL, 0, 0, NULL) == GEN_NO_TOKEN, "no number at all");
    TAP_OK(gen_sample(s, one, NULL, how, NULL, 0, 0, NULL) == 2, "the only number");
    TAP_OK(gen_sample(s, inf, NULL, how, NULL, 0, 0, NULL) == 1, "infinity is best");
    uint32_t id = gen_sample(s, low, NULL, how, NULL, 0, 0, NULL);
    TAP_OK(id == 0 || id == 2, "tiny logits");
    TAP_OK(gen_sample(s, equal, &none, how, NULL, 0, 0, NULL) == GEN_NO_TOKEN, "a mask of nothing");
    TAP_OK(gen_sample(s, equal, &third, how, NULL, 0, 0, NULL) == 2, "a mask of one");
  }
  float equal[4] = {2.0f, 2.0f, 2.0f, 2.0f};
  TAP_OK(gen_sample(s, equal, NULL, &cold, NULL, 0, 0, NULL) == 0, "the smallest id among equals");
  gen_sampler_free(s);
}

static void test_logprobs(void) {
  float logits[4] = {1.0f, 3.0f, 2.0f, 0.0f};
  double sum = exp(1.0) + exp(3.0) + exp(2.0) + exp(0.0);
  uint32_t mask = 1u << 2 | 1u << 3, history[1] = {2};
  gen_sampler *s = NULL;
  gen_sampling how = {.presence = 5.0f};
  gen_logprobs lp = {.n = 3};
  TAP_OK(gen_sampler_new(&s, 4, cpu_best(), NULL, NULL) == BASE_OK, "a sampler");
  uint32_t id = gen_sample(s, logits, &mask, &how, history, 1, 0, &lp);
  TAP_OK(id == 3, "mask and penalty leave 3, not %u", id);
  TAP_OK(fabs((double)lp.chosen - (0.0 - log(sum))) < 1e-5, "log p of the model itself: %g", (double)lp.chosen);
  TAP_OK(lp.n == 3 && lp.top[0].token == 1 && lp.top[1].token == 2 && lp.top[2].token == 0, "the best three");
  TAP_OK(fabs((double)lp.top[0].logprob - (3.0 - log(sum))) < 1e-5, "log p of the best");
  gen_sampler_free(s);
}

static void test_settings(void) {
  base_error err = {0};
  gen_sampling good = {.temperature = 0.7f, .top_p = 0.9f, .repeat = 1.1f};
  TAP_OK(gen_sampling_check(&good, &err) == BASE_OK, "fine settings");
  gen_sampling bad[] = {{.temperature = NAN}, {.temperature = -1.0f}, {.top_p = 1.5f}, {.min_p = -0.1f},
                        {.repeat = INFINITY}, {.frequency = NAN},     {.presence = 1000.0f}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    err = (base_error){0};
    TAP_OK(gen_sampling_check(&bad[i], &err) == BASE_EARGUMENT && err.text[0] != '\0', "refused: %zu", i);
  }
}

static void test_sampler_memory(void) {
  for (int n = 0; n < 3; n++) {
    failing f;
    base_allocator a = failing_allocator(&f, n);
    gen_sampler *s = NULL;
    base_status st = gen_sampler_new(&s, 100, cpu_best(), &a, NULL);
    TAP_OK(st == (n < 2 ? BASE_ENOMEM : BASE_OK), "allocation %d", n);
    if (n == 2) TAP_OK(f.held <= gen_sampler_bytes(100) + 64, "%zu held, %zu told", f.held, gen_sampler_bytes(100));
    gen_sampler_free(s);
    TAP_OK(f.held == 0, "%zu bytes leaked", f.held);
  }
}

/* ---- stop strings ---- */

/* Feeds `text` in pieces of 1..most bytes; the result must not depend on the pieces. */
static void feed_all(gen_stops *s, const char *text, base_rng *rng, uint32_t most, base_buf *out) {
  size_t at = 0, len = strlen(text);
  bool going = true;
  base_buf_clear(out);
  base_buf_puts(out, "");
  while (going && at < len) {
    size_t n = 1 + base_rng_below(rng, most);
    if (n > len - at) n = len - at;
    going = gen_stops_feed(s, (base_slice){text + at, n}, out);
    at += n;
  }
  if (going) gen_stops_flush(s, out);
}

static void test_stops(void) {
  static const struct {
    const char *text, *stop[3], *shown;
    int found;
  } row[] = {
      {"hello world", {"wor"}, "hello ", 0},
      {"hello world", {"xyz", "lo w"}, "hel", 1},
      {"hello world", {"world!"}, "hello world", -1},
      {"aaaaab", {"aaab"}, "aa", 0},
      {"abababac", {"ababac"}, "ab", 0},
      {"abcd", {"bc", "abc"}, "", 1},      /* both end at c: the longest */
      {"abcd", {"bcd", "abc"}, "", 1},     /* abc ends first */
      {"xabcab", {"abcabd"}, "xabcab", -1},
      {"\n\nUser: hi", {"\nUser:"}, "\n", 0},
      {"naïve 日本", {"本"}, "naïve 日", 0},
      {"", {"a"}, "", -1},
      {"stop", {"stop"}, "", 0},
  };
  base_rng rng;
  base_buf out = {0};
  base_rng_seed(&rng, 9);
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    for (uint32_t most = 1; most <= 8; most++) {
      gen_stops s;
      gen_stops_init(&s);
      for (size_t k = 0; k < 3 && row[i].stop[k] != NULL; k++)
        TAP_OK(gen_stops_add(&s, base_slice_of(row[i].stop[k]), NULL) == BASE_OK, "a stop");
      feed_all(&s, row[i].text, &rng, most, &out);
      TAP_OK(strcmp(out.ptr, row[i].shown) == 0, "row %zu shows \"%s\"", i, out.ptr);
      TAP_OK(s.found == row[i].found, "row %zu found %d", i, s.found);
    }
  }
  base_buf_free(&out);
}

/* Against strstr on random texts of two letters, where everything overlaps; and nothing is held back longer
 * than needed. */
static void test_stops_at_random(void) {
  base_rng rng;
  base_buf out = {0};
  int wrong = 0, late = 0;
  base_rng_seed(&rng, 21);
  for (int round = 0; round < 3000; round++) {
    char text[33] = {0}, stop[3][7] = {{0}};
    gen_stops s;
    gen_stops_init(&s);
    for (size_t i = 0; i < 32; i++) text[i] = (char)('a' + base_rng_below(&rng, 2));
    size_t end = 99, begin = 0;
    for (size_t k = 0; k < 3; k++) {
      size_t len = 2 + base_rng_below(&rng, 5);
      for (size_t i = 0; i < len; i++) stop[k][i] = (char)('a' + base_rng_below(&rng, 2));
      (void)gen_stops_add(&s, base_slice_of(stop[k]), NULL);
      const char *at = strstr(text, stop[k]);
      if (at == NULL) continue;
      size_t e = (size_t)(at - text) + len, b = (size_t)(at - text);
      if (e < end || (e == end && b < begin)) end = e, begin = b;
    }
    feed_all(&s, text, &rng, 5, &out);
    size_t want = end == 99 ? 32 : begin;
    wrong += out.len != want || memcmp(out.ptr, text, want) != 0;
    late += s.n_held > 6;
  }
  TAP_OK(wrong == 0, "%d texts cut in the wrong place", wrong);
  TAP_OK(late == 0, "%d texts held back too much", late);
  base_buf_free(&out);
}

static void test_stops_refused(void) {
  gen_stops s;
  char long_one[GEN_MAX_STOP_BYTES + 1];
  memset(long_one, 'x', sizeof long_one);
  gen_stops_init(&s);
  TAP_OK(gen_stops_add(&s, BASE_LITERAL(""), NULL) == BASE_EARGUMENT, "an empty stop");
  TAP_OK(gen_stops_add(&s, (base_slice){long_one, sizeof long_one}, NULL) == BASE_ELIMIT, "a long stop");
  TAP_OK(gen_stops_add(&s, (base_slice){long_one, GEN_MAX_STOP_BYTES}, NULL) == BASE_OK, "the longest stop");
  base_buf out = {0};
  for (int i = 0; i < 600 && s.found < 0; i++) (void)gen_stops_feed(&s, BASE_LITERAL("x"), &out);
  TAP_OK(s.found == 0 && out.len == 0, "the longest stop is found");
  for (int i = 1; i < GEN_MAX_STOPS; i++) TAP_OK(gen_stops_add(&s, BASE_LITERAL("a"), NULL) == BASE_OK, "room");
  TAP_OK(gen_stops_add(&s, BASE_LITERAL("a"), NULL) == BASE_ELIMIT, "too many");
  base_buf_free(&out);
}

/* ---- lookup ---- */

static void test_lookup(void) {
  uint32_t tokens[] = {1, 2, 3, 4, 5, 9, 2, 3, 7, 8, 1, 2, 3}, draft[8];
  TAP_OK(gen_lookup(tokens, 13, draft, 4) == 4 && draft[0] == 4 && draft[3] == 2, "three tokens match first");
  TAP_OK(gen_lookup(tokens + 1, 12, draft, 2) == 2 && draft[0] == 7, "two tokens, the latest place");
  TAP_OK(gen_lookup(tokens, 13, draft, 0) == 0, "no room");
  TAP_OK(gen_lookup(tokens, 5, draft, 8) == 0, "nothing repeats");
  TAP_OK(gen_lookup(tokens, 2, draft, 8) == 0, "too short");
  TAP_OK(gen_lookup(tokens, 0, draft, 8) == 0, "empty");
  uint32_t run[] = {6, 6, 6, 6, 6};
  TAP_OK(gen_lookup(run, 5, draft, 8) == 8 && draft[0] == 6 && draft[7] == 6, "a run goes on");
}

int main(void) {
  test_against_reference();
  test_distribution();
  test_same_everywhere();
  test_odd_logits();
  test_logprobs();
  test_settings();
  test_sampler_memory();
  test_stops();
  test_stops_at_random();
  test_stops_refused();
  test_lookup();
  return tap_done("test_sample");
}
