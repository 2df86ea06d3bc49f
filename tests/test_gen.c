/* The engine on a stand-in model: what comes out does not depend on company, blocks, guesses, slots or time of
 * arrival; jobs end for every reason there is; prompts that begin alike are read once; nobody starves. */
#include "failing.h"
#include "fake_lm.h"
#include "tap.h"

#include "os/os.h"

enum { MAX_OUT = 128 };

typedef struct answer {
  uint32_t token[MAX_OUT], n;
  base_buf text;
  gen_finish finish;
} answer;

/* ---- the reference: one token after the other, the whole prefix each time ---- */

static void reference(const gen_request *r, answer *out) {
  static uint32_t tokens[FAKE_CONTEXT + 1];
  static float logits[FAKE_VOCAB];
  gen_sampler *s = NULL;
  uint32_t n = (uint32_t)r->n_prompt;
  if (gen_sampler_new(&s, FAKE_VOCAB, cpu_best(), NULL, NULL)) abort();
  memcpy(tokens, r->prompt, n * sizeof *tokens);
  out->n = 0;
  out->finish = GEN_GOING;
  for (uint32_t i = 0; out->finish == GEN_GOING; i++) {
    fake_logits(tokens, n, false, logits);
    uint32_t t = gen_sample(s, logits, NULL, &r->sampling, tokens, n, i, NULL);
    tokens[n++] = t;
    if (t == FAKE_END) {
      out->finish = GEN_STOP;
      break;
    }
    out->token[out->n++] = t;
    if (out->n == r->max_tokens) out->finish = GEN_LENGTH;
    else if (n == FAKE_CONTEXT) out->finish = GEN_CONTEXT;
  }
  gen_sampler_free(s);
}

/* ---- running ---- */

static void take(gen_job *j, answer *a) {
  gen_event e;
  while (gen_job_next(j, &e)) {
    if (e.token != GEN_NO_TOKEN && a->n < MAX_OUT) a->token[a->n++] = e.token;
    base_buf_add(&a->text, e.text.ptr, e.text.len);
  }
  a->finish = gen_job_finish(j);
}

static void run_alone(gen_engine *e, const gen_request *r, answer *a, gen_stats *stats) {
  gen_job *j = NULL;
  base_error err = {0};
  *a = (answer){0};
  TAP_OK(gen_job_new(&j, e, r, &err) == BASE_OK, "job: %s %s", err.where, err.text);
  for (int i = 0; i < 1000 && j != NULL && gen_job_finish(j) == GEN_GOING; i++) {
    (void)gen_engine_step(e);
    take(j, a);
  }
  if (j != NULL) {
    take(j, a);
    if (stats != NULL) *stats = gen_job_stats(j);
  }
  gen_job_free(j);
}

static bool same(const answer *a, const answer *b) {
  return a->n == b->n && a->finish == b->finish && memcmp(a->token, b->token, a->n * sizeof *a->token) == 0;
}

static gen_engine *open_engine(fake_lm *m, const tok_vocab *v, uint32_t drafts) {
  gen_engine *e = NULL;
  base_error err = {0};
  gen_backend b = fake_backend(m);
  gen_options o = {.drafts = drafts};
  TAP_OK(gen_engine_open(&e, &b, v, &o, &err) == BASE_OK, "engine: %s", err.text);
  return e;
}

/* ---- the same output in any company ---- */

enum { JOBS = 24 };

static void make_request(base_rng *rng, uint32_t *prompt, gen_request *r) {
  uint32_t shared = base_rng_below(rng, 3) * 10, n = shared + 1 + base_rng_below(rng, 30);
  for (uint32_t i = 0; i < n; i++) prompt[i] = i < shared ? 65 + i : base_rng_below(rng, 256);
  *r = (gen_request){.prompt = prompt, .n_prompt = n, .max_tokens = 1 + base_rng_below(rng, 60)};
  if (base_rng_below(rng, 4) == 0) r->max_tokens = 0;
  if (base_rng_below(rng, 2))
    r->sampling = (gen_sampling){.temperature = 0.8f, .top_k = 20, .top_p = 0.9f, .seed = base_rng_next(rng)};
  if (base_rng_below(rng, 3) == 0) r->sampling.repeat = 1.3f;
  r->lookup = base_rng_below(rng, 2);
}

static void test_company(const tok_vocab *v) {
  static uint32_t prompt[JOBS][FAKE_CONTEXT];
  static answer want[JOBS], got[JOBS];
  for (uint32_t round = 0; round < 12; round++) {
    fake_lm m;
    gen_engine *e = open_engine(&m, v, round % 3 * 6);
    gen_request r[JOBS];
    gen_job *j[JOBS] = {0};
    uint32_t start[JOBS], over = 0, wrong = 0, accepted = 0, cached = 0;
    base_rng rng;
    m.window = round % 2 * 40; /* some prefixes are there, and nothing can go on from them */
    base_rng_seed(&rng, 100 + round);
    for (uint32_t i = 0; i < JOBS; i++) {
      make_request(&rng, prompt[i], &r[i]);
      reference(&r[i], &want[i]);
      start[i] = base_rng_below(&rng, 120);
      got[i] = (answer){0};
    }
    for (uint32_t step = 0; step < 5000 && over < JOBS; step++) {
      for (uint32_t i = 0; i < JOBS; i++)
        if (start[i] == step) TAP_OK(gen_job_new(&j[i], e, &r[i], NULL) == BASE_OK, "job %u", i);
      (void)gen_engine_step(e);
      for (uint32_t i = 0; i < JOBS; i++) {
        if (j[i] == NULL || base_rng_below(&rng, 3) == 0) continue; /* some take their time */
        take(j[i], &got[i]);
        if (got[i].finish == GEN_GOING) continue;
        take(j[i], &got[i]);
        accepted += gen_job_stats(j[i]).accepted;
        cached += gen_job_stats(j[i]).cached;
        gen_job_free(j[i]);
        j[i] = NULL;
        over++;
      }
    }
    for (uint32_t i = 0; i < JOBS; i++) {
      wrong += !same(&want[i], &got[i]);
      base_buf_free(&got[i].text);
    }
    TAP_OK(over == JOBS && wrong == 0, "round %u: %u over, %u differ", round, over, wrong);
    TAP_OK(round % 3 == 0 || accepted > 0, "guesses came true: %u", accepted);
    TAP_OK(cached > 0, "prompts were shared: %u tokens", cached);
    gen_engine_close(e);
  }
}

/* ---- guesses save passes and change nothing ---- */

static void test_guesses(const tok_vocab *v) {
  uint32_t passes[2] = {0};
  for (uint32_t i = 0; i < 20; i++) {
    uint32_t prompt[6] = {1 + i, 2, 3, 4, 5, 6};
    gen_request r = {.prompt = prompt, .n_prompt = 6, .max_tokens = 80};
    if (i % 2) r.sampling = (gen_sampling){.temperature = 0.7f, .seed = i};
    answer a[2];
    gen_trace trace[2];
    for (uint32_t k = 0; k < 2; k++) {
      fake_lm m;
      gen_stats stats;
      gen_engine *e = open_engine(&m, v, 16);
      r.lookup = k == 1;
      r.trace = &trace[k];
      run_alone(e, &r, &a[k], &stats);
      passes[k] += m.passes;
      TAP_OK(k == 1 || stats.drafted == 0, "no guesses unless asked for");
      gen_engine_close(e);
    }
    TAP_OK(same(&a[0], &a[1]), "prompt %u: the same with guesses", i);
    TAP_OK(memcmp(&trace[0], &trace[1], sizeof trace[0]) == 0, "prompt %u: and as sure", i);
    TAP_OK(trace[0].tokens == a[0].n + (a[0].finish == GEN_STOP) && trace[0].logprob < 0.0 && trace[0].entropy > 0.0,
           "%u tokens of %u", trace[0].tokens, a[0].n);
    base_buf_free(&a[0].text);
    base_buf_free(&a[1].text);
  }
  TAP_OK(passes[1] * 10 < passes[0] * 9, "%u passes with guesses, %u without", passes[1], passes[0]);
}

/* ---- ends ---- */

static void test_ends(const tok_vocab *v) {
  fake_lm m;
  gen_engine *e = open_engine(&m, v, 0);
  uint32_t prompt[90];
  for (uint32_t i = 0; i < 90; i++) prompt[i] = i * 7 % 256;
  gen_request r = {.prompt = prompt, .n_prompt = 8, .max_tokens = 40, .ignore_end = true};
  answer all, a;
  run_alone(e, &r, &all, NULL);
  TAP_OK(all.finish == GEN_LENGTH && all.n == 40, "length");
  /* three bytes from the middle of what came */
  base_slice stops[1] = {{all.text.ptr + all.text.len / 2, 3}};
  r.stops = stops;
  r.n_stops = 1;
  run_alone(e, &r, &a, NULL);
  TAP_OK(a.finish == GEN_STOP && a.text.len < all.text.len && memcmp(a.text.ptr, all.text.ptr, a.text.len) == 0,
         "a stop string ends it");
  base_buf_free(&a.text);
  r.n_stops = 0;
  r.max_tokens = 0;
  run_alone(e, &r, &a, NULL);
  TAP_OK(a.finish == GEN_CONTEXT && a.n == FAKE_CONTEXT - 8, "context: %u tokens", a.n);
  base_buf_free(&a.text);
  r.shift = true;
  r.keep = 4;
  r.max_tokens = 100;
  gen_stats stats;
  run_alone(e, &r, &a, &stats);
  TAP_OK(a.finish == GEN_LENGTH && a.n == 100 && stats.shifts == 1, "shift: %u tokens, %u shifts", a.n, stats.shifts);
  TAP_OK(memcmp(a.token, all.token, 40 * sizeof *a.token) == 0, "the same up to there");
  base_buf_free(&a.text);
  r.shift = false;
  r.deadline_ns = os_monotonic_ns();
  run_alone(e, &r, &a, NULL);
  TAP_OK(a.finish == GEN_DEADLINE && a.n == 0, "deadline");
  base_buf_free(&a.text);
  base_buf_free(&all.text);
  gen_engine_close(e);
}

static void test_cancel(const tok_vocab *v) {
  fake_lm m;
  gen_engine *e = open_engine(&m, v, 0);
  uint32_t prompt[64];
  answer a = {0};
  atomic_bool cancel = false;
  gen_job *j = NULL, *other = NULL;
  for (uint32_t i = 0; i < 64; i++) prompt[i] = i;
  gen_request r = {.prompt = prompt, .n_prompt = 4, .max_tokens = 50, .ignore_end = true, .cancel = &cancel};
  (void)gen_job_new(&j, e, &r, NULL);
  for (int i = 0; i < 10; i++) (void)gen_engine_step(e);
  cancel = true;
  (void)gen_engine_step(e);
  take(j, &a);
  TAP_OK(a.finish == GEN_CANCELLED && a.n == 10, "cancelled after %u tokens", a.n);
  gen_job_free(j);
  /* in the middle of a pass: only when nobody else is in it */
  r.n_prompt = 60;
  (void)gen_job_new(&j, e, &r, NULL);
  m.stop_after = 5;
  (void)gen_engine_step(e);
  TAP_OK(gen_job_finish(j) == GEN_CANCELLED, "cancelled before its first pass");
  gen_job_free(j);
  cancel = false;
  m.cancel = &cancel;
  uint32_t run = m.tokens_run;
  (void)gen_job_new(&j, e, &r, NULL);
  (void)gen_engine_step(e);
  TAP_OK(gen_job_finish(j) == GEN_CANCELLED && m.tokens_run == run + 5, "cancelled in the middle of a pass");
  gen_job_free(j);
  m.cancel = NULL;
  cancel = false;
  (void)gen_job_new(&j, e, &r, NULL);
  prompt[0] = 99;
  (void)gen_job_new(&other, e, &r, NULL);
  (void)gen_engine_step(e);
  gen_job_free(j); /* while it reads */
  for (int i = 0; i < 200 && gen_job_finish(other) == GEN_GOING; i++) {
    (void)gen_engine_step(e);
    a.n = 0;
    take(other, &a);
  }
  TAP_OK(gen_job_finish(other) != GEN_GOING, "the other goes on");
  gen_job_free(other);
  base_buf_free(&a.text);
  gen_engine_close(e);
}

/* A prompt whose beginning was computed and given up halfway is still right afterwards. */
static void test_given_up(const tok_vocab *v) {
  uint32_t prompt[40];
  for (uint32_t i = 0; i < 40; i++) prompt[i] = 200 - i;
  gen_request r = {.prompt = prompt, .n_prompt = 40, .max_tokens = 20};
  answer want, got;
  reference(&r, &want);
  for (uint32_t steps = 0; steps < 12; steps++) {
    fake_lm m;
    gen_job *j = NULL;
    gen_engine *e = open_engine(&m, v, 8);
    r.lookup = steps % 2;
    (void)gen_job_new(&j, e, &r, NULL);
    for (uint32_t i = 0; i < steps; i++) (void)gen_engine_step(e);
    gen_job_free(j);
    run_alone(e, &r, &got, NULL);
    TAP_OK(same(&want, &got), "after %u steps", steps);
    base_buf_free(&got.text);
    gen_engine_close(e);
  }
}

/* ---- prefixes ---- */

static uint32_t cached_of(gen_engine *e, const uint32_t *prompt, uint32_t n) {
  gen_request r = {.prompt = prompt, .n_prompt = n, .max_tokens = 1};
  gen_stats stats = {0};
  answer a;
  run_alone(e, &r, &a, &stats);
  base_buf_free(&a.text);
  return stats.cached;
}

static void test_prefixes(const tok_vocab *v) {
  fake_lm m;
  gen_engine *e = open_engine(&m, v, 0);
  uint32_t p[80], q[80];
  for (uint32_t i = 0; i < 80; i++) p[i] = q[i] = i + 1;
  for (uint32_t i = 50; i < 80; i++) q[i] = 250 - i;
  TAP_OK(cached_of(e, p, 60) == 0, "nothing at first");
  TAP_OK(cached_of(e, p, 60) == 59, "all but the last");
  TAP_OK(cached_of(e, p, 75) == 60, "a longer one goes on");
  TAP_OK(cached_of(e, p, 20) == 19, "a shorter one");
  TAP_OK(m.copied == 19 + 1 || m.copied == 20, "was copied, the long one stays: %u", m.copied);
  TAP_OK(cached_of(e, p, 75) == 74, "the long one is still there");
  TAP_OK(cached_of(e, q, 70) == 50, "another end");
  TAP_OK(cached_of(e, q, 70) == 69, "is kept too");
  TAP_OK(cached_of(e, q + 50, 20) == 0, "nothing in common");
  gen_request only = {.prompt = q + 45, .n_prompt = 30, .read_only = true};
  answer a;
  uint32_t before = m.tokens_run;
  run_alone(e, &only, &a, NULL);
  TAP_OK(a.finish == GEN_LENGTH && a.n == 0 && m.tokens_run == before + 30, "read, and nothing written");
  TAP_OK(cached_of(e, q + 45, 30) == 29, "and kept");
  /* a job in work lends its prefix */
  gen_job *j = NULL;
  gen_request r = {.prompt = p, .n_prompt = 80, .max_tokens = 16, .ignore_end = true};
  (void)gen_job_new(&j, e, &r, NULL);
  (void)gen_engine_step(e);
  TAP_OK(cached_of(e, p, 78) >= 70, "from a slot in work");
  gen_job_free(j);
  gen_engine_close(e);
}

/* A model with a window cannot go on from everywhere: what it cannot reach is read again, and the answer is the same. */
static void test_window(const tok_vocab *v) {
  fake_lm m;
  gen_engine *e = open_engine(&m, v, 0);
  uint32_t p[80];
  for (uint32_t i = 0; i < 80; i++) p[i] = i + 1;
  m.window = 10;
  TAP_OK(cached_of(e, p, 60) == 0 && cached_of(e, p, 60) == 59, "from near the end");
  TAP_OK(cached_of(e, p, 20) == 0, "not from the beginning");
  TAP_OK(cached_of(e, p, 55) == 54, "a little back");
  gen_request r = {.prompt = p, .n_prompt = 30, .max_tokens = 40, .ignore_end = true};
  answer got = {0}, want;
  run_alone(e, &r, &got, NULL);
  reference(&r, &want);
  TAP_OK(same(&got, &want), "the same answer");
  r = (gen_request){.prompt = p, .n_prompt = 40, .max_tokens = 120, .ignore_end = true, .shift = true, .keep = 20};
  gen_stats stats;
  base_buf_free(&got.text);
  base_buf_free(&want.text);
  run_alone(e, &r, &got, &stats);
  m.window = 0;
  gen_engine *other = open_engine(&m, v, 0);
  run_alone(other, &r, &want, NULL);
  TAP_OK(stats.shifts > 0 && same(&got, &want), "shifts read all again: %u", stats.shifts);
  base_buf_free(&got.text);
  base_buf_free(&want.text);
  gen_engine_close(other);
  gen_engine_close(e);
}

/* ---- prefixes in a file ---- */

static bool change_byte(const char *path, size_t at, size_t cut) {
  base_buf b = {0};
  os_writer *w = NULL;
  bool fine = os_read_file(path, 1 << 20, &b, NULL) == BASE_OK && at < b.len;
  if (fine) b.ptr[at] = (char)(b.ptr[at] ^ 1);
  fine = fine && !os_writer_open(&w, path, NULL) && !os_writer_add(w, b.ptr, b.len - cut, NULL) &&
         !os_writer_commit(w, NULL);
  base_buf_free(&b);
  return fine;
}

static base_status load_into(const tok_vocab *v, const char *path, const uint32_t *p, size_t n, uint64_t fingerprint,
                             uint32_t *cached, base_error *err) {
  fake_lm m;
  size_t common;
  gen_engine *e = open_engine(&m, v, 0);
  m.fingerprint = fingerprint;
  *err = (base_error){0};
  base_status st = gen_prefix_load(e, path, p, n, &common, err);
  *cached = st ? 0 : cached_of(e, p, (uint32_t)n);
  gen_engine_close(e);
  return st;
}

static void test_prefix_file(const tok_vocab *v) {
  static const char path[] = "/tmp/minnow-test-gen-prefix";
  fake_lm m;
  uint32_t p[80], cached;
  base_error err = {0};
  gen_engine *e = open_engine(&m, v, 0);
  (void)os_remove(path, NULL);
  for (uint32_t i = 0; i < 80; i++) p[i] = i + 1;
  TAP_OK(load_into(v, path, p, 50, 0, &cached, &err) == BASE_OK && cached == 0, "no file is no failure");
  TAP_OK(gen_prefix_save(e, path, p, 50, &err) == BASE_EARGUMENT && !os_exists(path), "nothing to save");
  (void)cached_of(e, p, 60);
  err = (base_error){0};
  TAP_OK(gen_prefix_save(e, path, p, 50, &err) == BASE_OK, "saved: %s", err.text);
  gen_engine_close(e);
  TAP_OK(load_into(v, path, p, 50, 0, &cached, &err) == BASE_OK && cached == 49, "all of it: %u", cached);
  TAP_OK(load_into(v, path, p, 70, 0, &cached, &err) == BASE_OK && cached == 50, "a longer prompt: %u", cached);
  TAP_OK(load_into(v, path, p, 20, 0, &cached, &err) == BASE_OK && cached == 19, "a shorter one: %u", cached);
  TAP_OK(load_into(v, path, p + 1, 20, 0, &cached, &err) == BASE_OK && cached == 0, "another: %u", cached);
  TAP_OK(load_into(v, path, p, 50, 7, &cached, &err) == BASE_EMISMATCH, "another model: %s", err.text);
  for (size_t at = 0; at < 260; at += at < 44 ? 1 : 20) {
    TAP_OK(change_byte(path, at, 0), "change");
    base_status st = load_into(v, path, p, 50, 0, &cached, &err);
    bool padding = at >= 40 + 200 && at < 256;
    TAP_OK(padding ? st == BASE_OK : st != BASE_OK || at >= 256, "byte %zu: %s", at, err.text);
    (void)change_byte(path, at, 0);
  }
  TAP_OK(change_byte(path, 300, 1) && load_into(v, path, p, 50, 0, &cached, &err) == BASE_EFORMAT, "cut: %s", err.text);
  (void)os_remove(path, NULL);
}

/* ---- fairness ---- */

static void test_fairness(const tok_vocab *v) {
  fake_lm m;
  gen_engine *e = open_engine(&m, v, 0);
  uint32_t p[3][90];
  gen_job *j[4] = {0};
  gen_event event;
  for (uint32_t i = 0; i < 90; i++) p[0][i] = i, p[1][i] = i + 100, p[2][i] = 255 - i;
  gen_request r = {.prompt = p[0], .n_prompt = 3, .max_tokens = 60, .ignore_end = true};
  (void)gen_job_new(&j[0], e, &r, NULL);
  (void)gen_engine_step(e);
  (void)gen_job_next(j[0], &event);
  r.n_prompt = 80;
  r.prompt = p[1];
  (void)gen_job_new(&j[1], e, &r, NULL);
  r.prompt = p[2];
  (void)gen_job_new(&j[2], e, &r, NULL);
  (void)gen_job_new(&j[3], e, &r, NULL); /* has to wait */
  for (int i = 0; i < 6; i++) {
    uint32_t done, total;
    TAP_OK(gen_engine_step(e) && gen_job_next(j[0], &event), "who writes gets a token in each step");
    TAP_OK(m.last_of[1] >= 7 && m.last_of[2] >= 7, "readers share: %u, %u", m.last_of[1], m.last_of[2]);
    gen_job_progress(j[2], &done, &total);
    TAP_OK(total == 80 && done >= 7 * (uint32_t)(i + 1), "progress %u of %u", done, total);
    TAP_OK(gen_job_stats(j[3]).cached == 0 && gen_job_finish(j[3]) == GEN_GOING, "the fourth waits");
  }
  /* nobody takes the first one's events: it pauses, the others go on; then it goes on too */
  uint32_t n = 0, wrote = 0;
  for (int i = 0; i < 200; i++) {
    (void)gen_engine_step(e);
    for (int k = 1; k < 4; k++)
      while (gen_job_next(j[k], &event)) n++;
  }
  TAP_OK(gen_job_finish(j[0]) == GEN_GOING, "paused");
  TAP_OK(n > 30 && gen_job_finish(j[1]) != GEN_GOING && gen_job_finish(j[3]) != GEN_GOING, "others end: %u", n);
  for (int i = 0; i < 200; i++) {
    while (gen_job_next(j[0], &event)) wrote++;
    (void)gen_engine_step(e);
  }
  TAP_OK(wrote == 60 - 7 && gen_job_finish(j[0]) == GEN_LENGTH, "all of it comes: %u", wrote);
  for (int k = 0; k < 4; k++) gen_job_free(j[k]);
  TAP_OK(!gen_engine_step(e), "nothing left to do");
  gen_engine_close(e);
}

/* ---- failures ---- */

static void test_failures(const tok_vocab *v) {
  fake_lm m;
  base_error err = {0};
  gen_engine *e = open_engine(&m, v, 0);
  uint32_t prompt[FAKE_CONTEXT] = {1, 2, 3};
  gen_job *j = NULL;
  gen_request r = {.prompt = prompt, .n_prompt = 3, .max_tokens = 5};
  m.fail_at = 2;
  (void)gen_job_new(&j, e, &r, NULL);
  (void)gen_engine_step(e);
  (void)gen_engine_step(e);
  TAP_OK(gen_job_finish(j) == GEN_FAILED && gen_job_status(j, &err) == BASE_EIO, "a failed pass: %s", err.text);
  gen_job_free(j);
  m.nan = true;
  err = (base_error){0};
  (void)gen_job_new(&j, e, &r, NULL);
  (void)gen_engine_step(e);
  TAP_OK(gen_job_finish(j) == GEN_FAILED && gen_job_status(j, &err) == BASE_EFORMAT, "damaged: %s", err.text);
  gen_job_free(j);
  gen_request bad[] = {r, r, r, r, r};
  bad[0].n_prompt = 0;
  bad[1].n_prompt = FAKE_CONTEXT;
  prompt[1] = 1;
  bad[2].sampling.temperature = -1.0f;
  base_slice stop = {"", 0};
  bad[3].stops = &stop;
  bad[3].n_stops = 1;
  bad[4].shift = true;
  bad[4].keep = 1000;
  for (size_t i = 0; i < 5; i++) {
    err = (base_error){0};
    TAP_OK(gen_job_new(&j, e, &bad[i], &err) != BASE_OK && j == NULL, "refused: %s: %s", err.where, err.text);
  }
  prompt[2] = FAKE_VOCAB;
  err = (base_error){0};
  TAP_OK(gen_job_new(&j, e, &r, &err) == BASE_EARGUMENT, "an unknown token: %s", err.text);
  gen_engine_close(e);
}

static void test_memory(const tok_vocab *v) {
  fake_lm m;
  uint32_t prompt[3] = {1, 2, 3};
  gen_request r = {.prompt = prompt, .n_prompt = 3, .max_tokens = 30, .ignore_end = true};
  bool done = false;
  for (int n = 0; n < 40 && !done; n++) {
    failing f;
    base_allocator a = failing_allocator(&f, n);
    gen_backend b = fake_backend(&m);
    gen_options o = {.allocator = &a, .drafts = 4};
    gen_engine *e = NULL;
    gen_job *j = NULL;
    base_status st = gen_engine_open(&e, &b, v, &o, NULL);
    if (!st) st = gen_job_new(&j, e, &r, NULL);
    int left = f.left;
    size_t held = f.held;
    gen_event event;
    while (!st && gen_job_finish(j) == GEN_GOING) {
      (void)gen_engine_step(e);
      while (gen_job_next(j, &event)) {}
    }
    TAP_OK(st == BASE_OK || st == BASE_ENOMEM, "allocation %d", n);
    if (!st) TAP_OK(f.left == left && f.held == held, "tokens allocate nothing");
    done = !st;
    gen_job_free(j);
    gen_engine_close(e);
    TAP_OK(f.held == 0, "%zu bytes leaked", f.held);
  }
  TAP_OK(done, "works in the end");
}

int main(void) {
  tok_vocab *v = fake_vocab();
  if (v == NULL) return 1;
  test_company(v);
  test_guesses(v);
  test_ends(v);
  test_cancel(v);
  test_given_up(v);
  test_prefixes(v);
  test_window(v);
  test_prefix_file(v);
  test_fairness(v);
  test_failures(v);
  test_memory(v);
  tok_vocab_close(v);
  return tap_done("test_gen");
}
