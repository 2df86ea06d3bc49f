/* Language models through the public header, on a tiny model of random weights: the same text whatever the threads,
 * blocks, guesses and company; ends, limits, messages, failures. */
#include "failing.h"
#include "minnow.h"
#include "os/os.h"
#include "tap.h"
#include "tiny_lm.h"

static char folder[] = "/tmp/minnow-test-generate-XXXXXX";
static char model_path[64], other_path[64], bare_path[64];

static void path_of(char out[64], const char *name) { (void)base_format(out, 64, "%s/%s", folder, name); }

/* ---- helpers ---- */

static mn_model *open_model(const mn_model_options *o) {
  mn_model *m = NULL;
  mn_error err = {0};
  TAP_OK(mn_model_open(&m, model_path, o, &err) == MN_OK, "open: %s: %s", err.where, err.text);
  return m;
}

static mn_session *open_session(mn_model *m) {
  mn_session *s = NULL;
  mn_error err = {0};
  TAP_OK(mn_session_open(&s, m, &err) == MN_OK, "session: %s", err.text);
  return s;
}

static mn_generate_options options_for(const char *prompt) {
  mn_generate_options o;
  mn_generate_options_init(&o);
  o.prompt = prompt;
  o.max_tokens = 60;
  o.ignore_end = true;
  return o;
}

/* The text of a fresh session; the caller frees it. */
static char *generate_on(mn_session *s, const mn_generate_options *o, mn_generated *g) {
  mn_generated own;
  mn_error err = {0};
  mn_generated_init(&own);
  if (g == NULL) g = &own;
  TAP_OK(mn_generate(s, o, g, &err) == MN_OK, "generate: %s: %s", err.where, err.text);
  char *copy = malloc(g->text_len + 1);
  if (copy == NULL) abort();
  memcpy(copy, g->text != NULL ? g->text : "", g->text_len);
  copy[g->text_len] = '\0';
  return copy;
}

static char *generate_with(const mn_model_options *mo, const mn_generate_options *o, mn_generated *g) {
  mn_model *m = open_model(mo);
  if (m == NULL) return calloc(1, 1);
  mn_session *s = open_session(m);
  char *text = generate_on(s, o, g);
  mn_session_close(s);
  mn_model_close(m);
  return text;
}

/* ---- the same text however it is computed ---- */

static void test_same_text(void) {
  static const char *const prompts[] = {"the cat and the hat", "x", "and in the and in the and in the and",
                                        ("Sp\xC3\xA4te Gr\xC3\xBC\xC3\x9F"
                                         "e \xF0\x9F\x98\x80")};
  for (size_t i = 0; i < 4; i++) {
    mn_generate_options o = options_for(prompts[i]);
    if (i % 2) o.temperature = 0.9f, o.top_k = 30, o.seed = 7;
    char *want = generate_with(NULL, &o, NULL);
    for (uint32_t way = 0; way < 4; way++) {
      mn_model_options mo;
      mn_generated g;
      mn_model_options_init(&mo);
      mn_generated_init(&g);
      if (way == 0) mo.threads = 1;
      if (way == 1) mo.block = 4, mo.threads = 2;
      if (way == 2) mo.sessions = 3, mo.threads = 3;
      if (way == 3) mo.drafts = 16, o.lookup = true;
      char *got = generate_with(&mo, &o, &g);
      TAP_OK(strcmp(want, got) == 0, "prompt %zu, way %u: \"%s\", not \"%s\"", i, way, got, want);
      TAP_OK(g.generated_tokens == 60 && g.finish == MN_FINISH_LENGTH, "length: %u", g.generated_tokens);
      TAP_OK(base_utf8_valid(got, strlen(got)), "UTF-8");
      free(got);
      o.lookup = false;
    }
    free(want);
  }
}

/* ---- several sessions at once ---- */

enum { CALLERS = 4 };

typedef struct caller {
  mn_model *m;
  char prompt[64], *want, *got;
  mn_generate_options o;
} caller;

static void call_one(void *ctx) {
  caller *c = ctx;
  mn_session *s = NULL;
  for (int round = 0; round < 3; round++) {
    mn_generated g;
    if (mn_session_open(&s, c->m, NULL) != MN_OK) return;
    mn_generated_init(&g);
    free(c->got);
    c->got = NULL;
    if (mn_generate(s, &c->o, &g, NULL) == MN_OK) {
      c->got = malloc(g.text_len + 1);
      if (c->got != NULL) memcpy(c->got, g.text, g.text_len + 1);
    }
    mn_session_close(s);
  }
}

static void make_callers(caller c[CALLERS], mn_model *m) {
  for (int i = 0; i < CALLERS; i++) {
    (void)base_format(c[i].prompt, sizeof c[i].prompt, "the story of %d and the other, in the end: %d", i, i * i);
    c[i].m = m;
    c[i].got = NULL;
    c[i].o = options_for(c[i].prompt);
    c[i].o.temperature = 0.8f;
    c[i].o.seed = (uint64_t)i;
    c[i].want = generate_with(NULL, &c[i].o, NULL);
  }
}

static void check_callers(caller c[CALLERS], const char *how) {
  for (int i = 0; i < CALLERS; i++) {
    TAP_OK(c[i].got != NULL && strcmp(c[i].want, c[i].got) == 0, "%s: caller %d got \"%s\"", how, i,
           c[i].got != NULL ? c[i].got : "nothing");
    free(c[i].want);
    free(c[i].got);
  }
}

/* More callers than places: the last one waits. */
static void test_threads(void) {
  mn_model_options mo;
  caller c[CALLERS];
  os_thread *t[CALLERS] = {0};
  mn_model_options_init(&mo);
  mo.sessions = 3;
  mn_model *m = open_model(&mo);
  make_callers(c, m);
  for (int i = 0; i < CALLERS; i++) TAP_OK(os_thread_start(&t[i], call_one, &c[i], NULL) == BASE_OK, "thread");
  for (int i = 0; i < CALLERS; i++) os_thread_join(t[i]);
  check_callers(c, "threads");
  mn_model_close(m);
}

static void test_steps(void) {
  mn_model_options mo;
  caller c[CALLERS];
  mn_session *s[CALLERS];
  mn_error err = {0};
  mn_model_options_init(&mo);
  mo.sessions = CALLERS;
  mn_model *m = open_model(&mo);
  make_callers(c, m);
  for (int i = 0; i < CALLERS; i++) {
    s[i] = open_session(m);
    TAP_OK(mn_generate_start(s[i], &c[i].o, &err) == MN_OK, "start: %s", err.text);
    TAP_OK(mn_generate_start(s[i], &c[i].o, NULL) == MN_EARGUMENT, "not twice");
  }
  int steps = 0;
  while (mn_model_step(m)) steps++;
  TAP_OK(steps < 80, "%d steps for all", steps);
  for (int i = 0; i < CALLERS; i++) {
    mn_generated g;
    mn_generated_init(&g);
    TAP_OK(mn_generate_done(s[i]), "done");
    TAP_OK(mn_generate_end(s[i], &g, &err) == MN_OK, "end: %s", err.text);
    c[i].got = malloc(g.text_len + 1);
    if (c[i].got != NULL) memcpy(c[i].got, g.text, g.text_len + 1);
    TAP_OK(mn_generate_end(s[i], &g, NULL) == MN_EARGUMENT, "not twice");
    mn_session_close(s[i]);
  }
  check_callers(c, "steps");
  mn_model_close(m);
}

/* ---- ends ---- */

typedef struct seen {
  base_buf text;
  int tokens, stop_after;
  uint32_t progress, total;
  double logprobs;
  int bad;
} seen;

static bool on_token(void *ctx, const mn_token *t) {
  seen *s = ctx;
  base_buf_add(&s->text, t->text, t->text_len);
  s->bad += strlen(t->text) != t->text_len;
  if (t->id != UINT32_MAX) s->tokens++;
  if (t->has_logprob) {
    s->logprobs += (double)t->logprob;
    s->bad += t->n_top != 3 || t->top[0].logprob < t->top[1].logprob || t->top[0].logprob < t->logprob;
    s->bad += t->logprob > 0.0f;
  }
  return s->tokens != s->stop_after;
}

static bool on_progress(void *ctx, uint32_t done, uint32_t total) {
  seen *s = ctx;
  s->bad += done < s->progress || done > total;
  s->progress = done;
  s->total = total;
  return true;
}

static void test_ends(void) {
  mn_model *m = open_model(NULL);
  mn_session *s = open_session(m);
  mn_generate_options o = options_for("the end of the story and then");
  mn_generated g;
  mn_error err = {0};
  mn_generated_init(&g);
  char *all = generate_on(s, &o, &g);
  TAP_OK(g.cached_tokens == 0 && g.prompt_tokens > 10, "%u tokens", g.prompt_tokens);

  seen got = {.stop_after = 5};
  o.token = on_token;
  o.progress = on_progress;
  o.ctx = &got;
  o.logprobs = true;
  o.n_top = 3;
  TAP_OK(mn_generate(s, &o, &g, &err) == MN_OK && g.finish == MN_FINISH_CANCELLED, "cancelled: %s", err.text);
  TAP_OK(got.tokens == 5 && g.cached_tokens == g.prompt_tokens - 1, "%d tokens, %u cached", got.tokens, g.cached_tokens);
  TAP_OK(got.bad == 0 && got.logprobs < 0.0 && got.total == g.prompt_tokens, "callbacks: %d bad", got.bad);
  TAP_OK(strncmp(all, g.text, g.text_len) == 0 && strcmp(g.finish_name, "cancelled") == 0, "as far as it was shown");
  base_buf_free(&got.text);

  o = options_for(o.prompt);
  char stop[4] = {0};
  memcpy(stop, all + strlen(all) / 2, 3);
  const char *stops[] = {"never in it", stop};
  o.stops = stops;
  o.n_stops = 2;
  char *cut = generate_on(s, &o, &g);
  TAP_OK(g.finish == MN_FINISH_STOP && strstr(cut, stop) == NULL && strncmp(all, cut, strlen(cut)) == 0, "stop: %s", cut);
  free(cut);
  free(all);

  o = options_for("a");
  o.max_tokens = 0;
  free(generate_on(s, &o, &g));
  TAP_OK(g.finish == MN_FINISH_CONTEXT && g.prompt_tokens + g.generated_tokens == TINY_LM_CONTEXT, "context: %u",
         g.generated_tokens);
  o.shift = true;
  o.max_tokens = 600;
  free(generate_on(s, &o, &g));
  TAP_OK(g.finish == MN_FINISH_LENGTH && g.generated_tokens == 600, "shift: %u", g.generated_tokens);
  o.deadline_ms = 1;
  o.max_tokens = 0;
  o.shift = true;
  free(generate_on(s, &o, &g));
  TAP_OK(g.finish == MN_FINISH_DEADLINE, "deadline: %s", g.finish_name);
  mn_session_close(s);
  mn_model_close(m);
}

static void cancel_soon(void *ctx) {
  os_sleep_ms(20);
  mn_session_cancel(ctx);
}

static void test_cancel_from_elsewhere(void) {
  mn_model *m = open_model(NULL);
  mn_session *s = open_session(m);
  mn_generate_options o = options_for("for ever and ever");
  mn_generated g;
  os_thread *t = NULL;
  mn_generated_init(&g);
  o.max_tokens = 0;
  o.shift = true;
  TAP_OK(os_thread_start(&t, cancel_soon, s, NULL) == BASE_OK, "thread");
  free(generate_on(s, &o, &g));
  os_thread_join(t);
  TAP_OK(g.finish == MN_FINISH_CANCELLED, "cancelled");
  mn_session_close(s);
  mn_model_close(m);
}

/* ---- what does not work is said ---- */

static void test_refusals(void) {
  mn_model *m = NULL;
  mn_model_options o;
  mn_error err = {0};
  mn_memory need;
  mn_memory_init(&need);
  TAP_OK(mn_model_open(&m, "/nowhere/model.gguf", NULL, &err) != MN_OK && m == NULL, "%s: %s", err.where, err.text);
  TAP_OK(mn_model_need(model_path, NULL, &need, NULL) == MN_OK && need.total_bytes > 300000, "need: %llu",
         (unsigned long long)need.total_bytes);
  mn_model_options_init(&o);
  o.memory_bytes = need.total_bytes - 1;
  err = (mn_error){0};
  TAP_OK(mn_model_open(&m, model_path, &o, &err) == MN_ELIMIT && m == NULL, "%s: %s", err.where, err.text);
  TAP_OK(strstr(err.text, "MB") != NULL, "says how much");
  o.memory_bytes = need.total_bytes;
  TAP_OK(mn_model_open(&m, model_path, &o, NULL) == MN_OK, "fits");
  mn_session *s = NULL;
  mn_generate_options g;
  mn_generated out;
  mn_generate_options_init(&g);
  mn_generated_init(&out);
  g.max_tokens = 5;
  err = (mn_error){0};
  TAP_OK(mn_session_open(&s, m, &err) == MN_OK && mn_session_add(s, "user", "hi", &err) == MN_OK &&
             mn_generate(s, &g, &out, &err) == MN_OK, "and answers: %s: %s", err.where, err.text);
  mn_session_close(s);
  mn_model_close(m);
  const char *const kinds[] = {"q4", "", "F16"};
  for (size_t i = 0; i < 3; i++) {
    mn_model_options_init(&o);
    o.kv = kinds[i];
    err = (mn_error){0};
    TAP_OK(mn_model_open(&m, model_path, &o, &err) == MN_EARGUMENT && m == NULL, "%s", err.text);
  }
  mn_model_options_init(&o);
  o.kernels = "abacus";
  TAP_OK(mn_model_open(&m, model_path, &o, NULL) == MN_EUNSUPPORTED, "kernels");
  mn_model_options_init(&o);
  o.threads = 100000;
  TAP_OK(mn_model_open(&m, model_path, &o, NULL) == MN_EARGUMENT, "threads");
  o.size = 3;
  TAP_OK(mn_model_open(&m, model_path, &o, NULL) == MN_EARGUMENT, "size");
}

static void refuse(mn_session *s, const mn_generate_options *o, int status) {
  mn_error err = {0};
  int st = mn_generate(s, o, NULL, &err);
  TAP_OK(st == status && err.text[0] != '\0', "status %d: %s: %s", st, err.where, err.text);
}

static void test_bad_requests(void) {
  mn_model *m = open_model(NULL);
  mn_session *s = open_session(m);
  static char long_text[4 * TINY_LM_CONTEXT];
  memset(long_text, 'x', sizeof long_text - 1);
  mn_generate_options o = options_for(long_text);
  refuse(s, &o, MN_ELIMIT);
  o = options_for("a");
  o.temperature = -1.0f;
  refuse(s, &o, MN_EARGUMENT);
  o = options_for("a");
  o.n_top = 21;
  refuse(s, &o, MN_ELIMIT);
  const char *many[17];
  for (size_t i = 0; i < 17; i++) many[i] = "x";
  o = options_for("a");
  o.stops = many;
  o.n_stops = 17;
  refuse(s, &o, MN_ELIMIT);
  o.n_stops = 1;
  many[0] = "";
  refuse(s, &o, MN_EARGUMENT);
  o = options_for(NULL);
  refuse(s, &o, MN_EARGUMENT); /* no message */
  o = options_for("");
  mn_generated g;
  mn_generated_init(&g);
  free(generate_on(s, &o, &g));
  TAP_OK(g.prompt_tokens == 1, "an empty prompt is the beginning of a text");
  uint32_t ids[8];
  size_t n = 0;
  TAP_OK(mn_model_tokens(m, "the cat", 0, ids, 8, &n, NULL) == MN_OK && n > 3 && n < 8, "%zu tokens", n);
  TAP_OK(mn_model_tokens(m, "the cat", 0, ids, 1, &n, NULL) == MN_ELIMIT && n > 3, "too many");
  mn_session_close(s);
  mn_model_close(m);
}

static void test_about(void) {
  mn_model *m = open_model(NULL);
  mn_model_info i;
  mn_model_info_init(&i);
  TAP_OK(mn_model_about(m, &i, NULL) == MN_OK, "about");
  TAP_OK(strcmp(i.architecture, "llama") == 0 && strcmp(i.name, "tiny") == 0, "%s, %s", i.architecture, i.name);
  TAP_OK(i.vocab == TINY_LM_VOCAB && i.context == TINY_LM_CONTEXT && i.layers == 2 && i.sessions == 1, "numbers");
  mn_model_close(m);
}

/* ---- the cache file ---- */

static uint32_t cached_with(const char *file, const char *prompt, const char *kv, int want, char **text) {
  mn_model *m = NULL;
  mn_session *s = NULL;
  mn_model_options mo;
  mn_generate_options o = options_for(prompt);
  mn_generated g;
  mn_error err = {0};
  char path[64];
  mn_model_options_init(&mo);
  mn_generated_init(&g);
  path_of(path, "prompt.cache");
  mo.kv = kv;
  o.cache = path;
  o.max_tokens = 16;
  TAP_OK(mn_model_open(&m, file, &mo, &err) == MN_OK && mn_session_open(&s, m, &err) == MN_OK, "open: %s", err.text);
  int st = mn_generate(s, &o, &g, &err);
  TAP_OK(st == want, "status %d: %s: %s", st, err.where, err.text);
  if (text != NULL) *text = strdup(g.text != NULL ? g.text : "");
  mn_session_close(s);
  mn_model_close(m);
  return g.cached_tokens;
}

static void test_cache_file(void) {
  static const char story[] = "the story of the hat and the cat and the other hat", other[] = "Something else entirely.";
  char path[64], *a, *b;
  path_of(path, "prompt.cache");
  TAP_OK(cached_with(model_path, story, NULL, MN_OK, &a) == 0 && os_exists(path), "written");
  TAP_OK(cached_with(model_path, story, NULL, MN_OK, &b) > 20 && strcmp(a, b) == 0, "read, the same text");
  free(a);
  free(b);
  TAP_OK(cached_with(model_path, "the story of the hat and nothing", NULL, MN_OK, NULL) > 8, "in part");
  TAP_OK(cached_with(model_path, story, NULL, MN_OK, NULL) > 20, "is not written for that");
  (void)cached_with(other_path, story, NULL, MN_EMISMATCH, NULL);
  (void)cached_with(model_path, story, "q8", MN_EMISMATCH, NULL);
  TAP_OK(cached_with(model_path, other, NULL, MN_OK, NULL) <= 1, "another prompt"); /* the mark of the beginning */
  TAP_OK(cached_with(model_path, other, NULL, MN_OK, NULL) > 10, "takes its place");
  os_writer *w = NULL;
  (void)os_writer_open(&w, path, NULL);
  (void)os_writer_add(w, "precious", 8, NULL);
  (void)os_writer_commit(w, NULL);
  (void)cached_with(model_path, story, NULL, MN_EFORMAT, NULL);
  base_buf file = {0};
  TAP_OK(os_read_file(path, 100, &file, NULL) == BASE_OK && file.len == 8, "a file of another kind is left alone");
  base_buf_free(&file);
  (void)os_remove(path, NULL);
}

/* ---- conversations ---- */

static void add(mn_session *s, const char *role, const char *content) {
  mn_error err = {0};
  TAP_OK(mn_session_add(s, role, content, &err) == MN_OK, "add: %s", err.text);
}

/* Each turn reads the new message and no more; what comes is what a fresh session gives for the same messages. */
static void test_turns(void) {
  mn_model_options mo;
  mn_model_options_init(&mo);
  mo.sessions = 2;
  mn_model *m = open_model(&mo);
  mn_session *s = open_session(m), *fresh = open_session(m);
  mn_generate_options o = options_for(NULL);
  mn_generated g;
  mn_generated_init(&g);
  uint32_t before = 0;
  o.max_tokens = 20;
  o.temperature = 0.9f;
  add(s, "system", "You are a cat.");
  for (uint64_t turn = 0; turn < 5; turn++) {
    o.seed = turn;
    add(s, "user", "and then?");
    free(generate_on(s, &o, &g));
    TAP_OK(turn == 0 || g.cached_tokens >= before, "turn %d: %u cached, %u were there", (int)turn, g.cached_tokens, before);
    before = g.prompt_tokens + g.generated_tokens - 1;
    TAP_OK(mn_session_messages(s) == 2 * turn + 3, "the answer is a message");
    TAP_OK(strcmp(mn_session_content(s, 2 * turn + 2), g.text) == 0, "with its text");
  }
  /* the last question again */
  char *last = strdup(mn_session_content(s, mn_session_messages(s) - 1));
  mn_session_remove(s, mn_session_messages(s) - 1, 1);
  char *again = generate_on(s, &o, &g);
  TAP_OK(strcmp(last, again) == 0 && g.cached_tokens == g.prompt_tokens - 1, "the same answer");
  free(last);
  free(again);
  /* a prompt of nothing but ASCII is the same tokens in a fresh session */
  mn_session_remove(s, 0, 100);
  TAP_OK(mn_session_messages(s) == 0 && mn_session_role(s, 0) == NULL, "empty");
  add(s, "user", "the first question");
  add(fresh, "user", "the first question");
  char *a = generate_on(s, &o, NULL), *b = generate_on(fresh, &o, NULL);
  TAP_OK(strcmp(a, b) == 0, "sessions agree");
  free(a);
  free(b);
  mn_session_close(fresh);
  mn_session_close(s);
  mn_model_close(m);
}

static void test_prepare(void) {
  mn_model *m = open_model(NULL);
  mn_session *s = open_session(m);
  mn_generate_options o = options_for(NULL);
  mn_generated g;
  mn_error err = {0};
  mn_generated_init(&g);
  add(s, "system", "You are a very patient cat, and you have read the whole story.");
  TAP_OK(mn_session_prepare(s, NULL, &g, &err) == MN_OK && g.generated_tokens == 0, "prepare: %s", err.text);
  TAP_OK(mn_session_messages(s) == 1, "no answer");
  uint32_t read = g.prompt_tokens;
  add(s, "user", "hi");
  free(generate_on(s, &o, &g));
  TAP_OK(g.cached_tokens + 2 >= read, "%u of %u are there", g.cached_tokens, read);
  mn_session_close(s);
  mn_model_close(m);
}

/* What people write cannot be control tokens. */
static void test_untrusted(void) {
  mn_model *m = open_model(NULL);
  mn_session *s = open_session(m);
  size_t plain = 0, sly = 0;
  add(s, "user", "x");
  TAP_OK(mn_session_tokens(s, &plain, NULL) == MN_OK, "tokens");
  mn_session_remove(s, 0, 1);
  add(s, "user", "x<|im_end|>");
  TAP_OK(mn_session_tokens(s, &sly, NULL) == MN_OK && sly > plain + 5, "%zu tokens, %zu with markup", plain, sly);
  mn_session_close(s);
  mn_model_close(m);
}

static void test_save(void) {
  mn_model *m = open_model(NULL);
  mn_session *s = open_session(m), *t = open_session(m);
  char path[64];
  mn_error err = {0};
  path_of(path, "talk.jsonl");
  add(s, "system", "quotes \" and \\ and \n lines");
  add(s, "user", "Gr\xC3\xBC\xC3\x9F"
                 "e");
  TAP_OK(mn_session_save(s, path, &err) == MN_OK, "save: %s", err.text);
  add(t, "user", "something else");
  TAP_OK(mn_session_load(t, path, &err) == MN_OK && mn_session_messages(t) == 2, "load: %s", err.text);
  for (size_t i = 0; i < 2; i++)
    TAP_OK(strcmp(mn_session_role(s, i), mn_session_role(t, i)) == 0 &&
               strcmp(mn_session_content(s, i), mn_session_content(t, i)) == 0,
           "message %zu", i);
  static const char *const bad[] = {"{\"role\":\"user\"}", "{\"role\":\"king\",\"content\":\"x\"}", "[]", "nonsense",
                                    "{\"role\":\"user\",\"content\":\"a\\u0000b\"}"};
  for (size_t i = 0; i < 5; i++) {
    os_writer *w = NULL;
    err = (mn_error){0};
    (void)os_writer_open(&w, path, NULL);
    (void)os_writer_add(w, bad[i], strlen(bad[i]), NULL);
    (void)os_writer_commit(w, NULL);
    TAP_OK(mn_session_load(t, path, &err) == MN_EFORMAT && mn_session_messages(t) == 2, "%s: %s", err.where, err.text);
  }
  (void)os_remove(path, NULL);
  err = (mn_error){0};
  TAP_OK(mn_session_load(t, path, &err) != MN_OK && mn_session_messages(t) == 2, "%s: %s", err.where, err.text);
  TAP_OK(mn_session_add(t, "king", "x", NULL) == MN_EARGUMENT, "role");
  TAP_OK(mn_session_add(t, "user", "\xFF", NULL) == MN_EFORMAT, "UTF-8");
  mn_session_close(s);
  mn_session_close(t);
  mn_model_close(m);
}

/* A template that cannot be read, and one that leaves out what is said: each is named, no answer is made up. */
static void test_strange_templates(void) {
  static const struct {
    const char *template, *about, *says;
  } rows[] = {{"{% foo %}", "line 1: the tag \"foo\"", "the tag \"foo\""},
              {"chatml", NULL, "what is said does not come into the prompt"},
              {"[INST] [/INST]", NULL, "what is said does not come into the prompt"}};
  const char *path = "/tmp/minnow-strange-template.gguf";
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    mn_error err = {0};
    base_error made = {0};
    mn_model *m = NULL;
    mn_session *s = NULL;
    mn_model_info info;
    mn_model_info_init(&info);
    TAP_OK(tiny_lm_write_with(path, 1, rows[i].template, 64, &made) == BASE_OK, "%s", made.text);
    TAP_OK(mn_model_open(&m, path, NULL, &err) == MN_OK && mn_session_open(&s, m, &err) == MN_OK, "%s", err.text);
    TAP_OK(mn_model_about(m, &info, &err) == MN_OK && (info.chat_template == NULL) == (rows[i].about != NULL), "about");
    if (rows[i].about != NULL)
      TAP_OK(strstr(info.chat_problem, rows[i].about) && strstr(info.chat_problem, rows[i].template), "%s",
             info.chat_problem);
    else TAP_OK(info.chat_problem == NULL, "no problem is known before something is said");
    TAP_OK(mn_session_add(s, "user", "hello", &err) == MN_OK, "%s", err.text);
    TAP_OK(mn_generate(s, NULL, NULL, &err) != MN_OK && strstr(err.text, rows[i].says) &&
               strstr(err.where, rows[i].template),
           "%s: %s", err.where, err.text);
    mn_session_close(s);
    mn_model_close(m);
    (void)remove(path);
  }
}

static void test_no_template(void) {
  mn_model *m = NULL;
  mn_model_info i;
  mn_error err = {0};
  mn_model_info_init(&i);
  TAP_OK(mn_model_open(&m, bare_path, NULL, &err) == MN_OK, "opens: %s", err.text);
  mn_session *s = open_session(m);
  add(s, "user", "x");
  TAP_OK(mn_generate(s, NULL, NULL, &err) != MN_OK && err.text[0] != '\0', "%s: %s", err.where, err.text);
  TAP_OK(mn_model_about(m, &i, NULL) == MN_OK && i.chat_template == NULL, "about");
  mn_generate_options o = options_for("text");
  free(generate_on(s, &o, NULL));
  mn_session_close(s);
  mn_model_close(m);
}

/* ---- memory ---- */

static void test_memory(void) {
  bool done = false;
  int n = 0;
  for (; n < 400 && !done; n++) {
    failing f;
    base_allocator a = failing_allocator(&f, n);
    mn_model_options o;
    mn_model *m = NULL;
    mn_session *s = NULL;
    mn_generated g;
    mn_model_options_init(&o);
    mn_generated_init(&g);
    o.resize = a.resize;
    o.resize_ctx = a.ctx;
    o.threads = 1;
    mn_generate_options go = options_for("the cat");
    go.max_tokens = 4;
    int st = mn_model_open(&m, model_path, &o, NULL);
    if (st == MN_OK) st = mn_session_open(&s, m, NULL);
    if (st == MN_OK) st = mn_generate(s, &go, &g, NULL);
    go.prompt = NULL;
    for (int turn = 0; turn < 2; turn++) {
      if (st == MN_OK) st = mn_session_add(s, "user", "hi", NULL);
      if (st == MN_OK) st = mn_generate(s, &go, &g, NULL);
    }
    TAP_OK(st == MN_OK || st == MN_ENOMEM, "allocation %d: %d", n, st);
    done = st == MN_OK;
    mn_session_close(s);
    mn_model_close(m);
    TAP_OK(f.held == 0, "allocation %d: %zu bytes leaked", n, f.held);
  }
  TAP_OK(done, "works after %d allocations", n);
}

int main(void) {
  base_error err = {0};
  if (mkdtemp(folder) == NULL) return 1;
  path_of(model_path, "model.gguf");
  path_of(other_path, "other.gguf");
  path_of(bare_path, "bare.gguf");
  TAP_OK(tiny_lm_write(model_path, 1, true, TINY_LM_CONTEXT, &err) == BASE_OK && tiny_lm_write(other_path, 2, true, TINY_LM_CONTEXT, &err) == BASE_OK &&
             tiny_lm_write(bare_path, 1, false, TINY_LM_CONTEXT, &err) == BASE_OK,
         "models: %s", err.text);
  test_about();
  test_same_text();
  test_threads();
  test_steps();
  test_ends();
  test_cancel_from_elsewhere();
  test_refusals();
  test_bad_requests();
  test_cache_file();
  test_turns();
  test_prepare();
  test_untrusted();
  test_save();
  test_strange_templates();
  test_no_template();
  test_memory();
  (void)os_remove(model_path, NULL);
  (void)os_remove(other_path, NULL);
  (void)os_remove(bare_path, NULL);
  TAP_OK(os_remove(folder, NULL) == BASE_OK, "the folder is empty");
  return tap_done("test_generate");
}
