/* Answers under rules, through the public header: with random weights and any prompt there is an answer, and it fits.
 * test_rules N runs N pairs of schema and seed instead of 10,000. Judged by the validator, apart from the masks. */
#include "constrain/constrain.h"
#include "jdoc/jdoc.h"
#include "minnow.h"
#include "os/os.h"
#include "tap.h"
#include "tiny_lm.h"

enum { PAIRS = 10000, MOST_TOKENS = 300 };

static char folder[] = "/tmp/minnow-test-rules-XXXXXX";
static char model_path[64];

/* ---- schemas at random: all of them bounded, so that a document ends ---- */

typedef struct maker {
  base_rng rng;
  base_buf out;
} maker;

static uint32_t below(maker *m, uint32_t n) { return base_rng_below(&m->rng, n); }
static void put(maker *m, const char *text) { base_buf_puts(&m->out, text); }

static void put_schema(maker *m, int depth);

static void put_number(maker *m) {
  int low = (int)below(m, 200) - 100, high = low + 1 + (int)below(m, 500);
  switch (below(m, 4)) {
    case 0: base_buf_printf(&m->out, "{\"type\":\"integer\",\"minimum\":%d,\"maximum\":%d}", low, high); break;
    case 1:
      base_buf_printf(&m->out, "{\"type\":\"integer\",\"exclusiveMinimum\":%d,\"maximum\":%d,\"multipleOf\":%u}", low,
                      high + 40, 2 + below(m, 9));
      break;
    case 2: base_buf_printf(&m->out, "{\"type\":\"number\",\"minimum\":%d,\"maximum\":%d,\"multipleOf\":0.25}", low, high); break;
    default: base_buf_printf(&m->out, "{\"enum\":[%d,%d.5,1e2]}", low, high);
  }
}

static void put_string(maker *m) {
  static const char *const some[] = {
      "{\"type\":\"string\",\"pattern\":\"^[a-c]{1,4}$\"}",
      "{\"type\":\"string\",\"pattern\":\"^(red|green)-[0-9]{2,3}$\",\"maxLength\":8}",
      "{\"type\":\"string\",\"format\":\"date\"}",
      "{\"type\":\"string\",\"format\":\"ipv4\"}",
      "{\"type\":\"string\",\"format\":\"uuid\"}",
      "{\"type\":\"string\",\"format\":\"time\",\"maxLength\":12}",
      "{\"enum\":[\"red\",\"green\",\"a \\\"quoted\\\" one\",\"\"]}",
      "{\"const\":\"Gr\\u00fc\\u00dfe\"}",
      "{\"type\":\"string\",\"maxLength\":3,\"not\":{\"enum\":[\"\",\"a\"]}}"};
  uint32_t which = below(m, 12), low = below(m, 4);
  if (which < 9) put(m, some[which]);
  else base_buf_printf(&m->out, "{\"type\":\"string\",\"minLength\":%u,\"maxLength\":%u}", low, low + 1 + below(m, 8));
}

static void put_array(maker *m, int depth) {
  switch (below(m, 4)) {
    case 0:
      put(m, "{\"type\":\"array\",\"prefixItems\":[");
      put_schema(m, depth - 1);
      put(m, ",");
      put_schema(m, depth - 1);
      put(m, "],\"items\":false,\"minItems\":1}");
      return;
    case 1: put(m, "{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"enum\":[1,2,3,4,\"x\"]},\"maxItems\":3}"); return;
    case 2: put(m, "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9},\"contains\":{\"const\":7},"
                   "\"minItems\":1,\"maxItems\":4}"); return;
    default:
      put(m, "{\"type\":\"array\",\"items\":");
      put_schema(m, depth - 1);
      base_buf_printf(&m->out, ",\"minItems\":%u,\"maxItems\":%u}", below(m, 2), 1 + below(m, 3));
  }
}

static void put_object(maker *m, int depth) {
  uint32_t n = 1 + below(m, 4);
  put(m, "{\"type\":\"object\",\"properties\":{");
  for (uint32_t i = 0; i < n; i++) {
    base_buf_printf(&m->out, "%s\"%c%u\":", i > 0 ? "," : "", 'a' + (char)below(m, 5), i);
    put_schema(m, depth - 1);
  }
  put(m, "}");
  /* the names are those that were just written: take them from there */
  if (below(m, 3) > 0) put(m, ",\"minProperties\":1");
  if (below(m, 4) == 0) put(m, ",\"propertyNames\":{\"maxLength\":4}");
  put(m, ",\"additionalProperties\":false}");
}

static void put_schema(maker *m, int depth) {
  uint32_t which = below(m, depth > 0 ? 12 : 7);
  if (which == 0) put(m, "{\"type\":[\"boolean\",\"null\"]}");
  else if (which < 3) put_number(m);
  else if (which < 7) put_string(m);
  else if (which < 9) put_array(m, depth);
  else if (which < 11) put_object(m, depth);
  else {
    put(m, "{\"anyOf\":[");
    put_schema(m, depth - 1);
    put(m, ",");
    put_schema(m, depth - 1);
    put(m, "]}");
  }
}

/* ---- running ---- */

static mn_model *open_model(uint32_t drafts) {
  mn_model *m = NULL;
  mn_error err = {0};
  mn_model_options o;
  mn_model_options_init(&o);
  o.threads = 1;
  o.drafts = drafts;
  TAP_OK(mn_model_open(&m, model_path, &o, &err) == MN_OK, "open: %s", err.text);
  return m;
}

static bool fits(const char *schema, const mn_generated *g) {
  constrain_schema *s = NULL;
  base_error err = {0};
  jdoc d = {0};
  base_status st = constrain_schema_compile(&s, base_slice_of(schema), NULL, "schema", NULL, &err);
  if (!st) st = jdoc_open(&d, (base_slice){g->text, g->text_len}, NULL, "answer", NULL, &err);
  if (!st) st = constrain_validate(s, &d, NULL, NULL, &err);
  if (st) printf("# %s: %s\n", err.where, err.text);
  jdoc_close(&d);
  constrain_schema_close(s);
  return st == BASE_OK;
}

typedef struct tally {
  uint32_t wrong, disordered, none, forced, tokens; /* none: no answer, which was said */
} tally;

/* Schemas here list the properties of an object by a letter and how many came before: "c0", "a1", "d2". */
static bool is_in_order(const jdoc *d, uint32_t object) {
  char last = '0';
  for (uint32_t k = object + 1, n = jdoc_count(d, object); n > 0; n--, k = jdoc_next(d, k + 1)) {
    if (jdoc_text(d, k).ptr[1] < last) return false;
    last = jdoc_text(d, k).ptr[1];
  }
  return true;
}

static bool all_in_order(const mn_generated *g) {
  jdoc d = {0};
  bool fine = jdoc_open(&d, (base_slice){g->text, g->text_len}, NULL, "answer", NULL, NULL) == BASE_OK;
  for (uint32_t i = 0; fine && i < d.n_nodes; i++) fine = jdoc_kind_at(&d, i) != JDOC_OBJECT || is_in_order(&d, i);
  jdoc_close(&d);
  return fine;
}

static void one_pair(mn_session *s, maker *m, uint32_t pair, tally *t) {
  static const char *const prompts[] = {"", "Give me a person: ", "{\"a\":", "\xF0\x9F\x98\x80 no!", "<|im_start|>"};
  mn_generate_options o;
  mn_generated g;
  mn_error err = {0};
  base_buf_clear(&m->out);
  put_schema(m, 3);
  mn_generate_options_init(&o);
  mn_generated_init(&g);
  o.prompt = prompts[pair % 5];
  o.schema = m->out.ptr;
  o.max_tokens = MOST_TOKENS;
  o.seed = pair;
  o.temperature = pair % 4 == 0 ? 0.0f : 1.0f;
  o.lookup = pair % 3 == 0;
  o.logprobs = pair % 7 == 0;
  o.schema_order = pair % 2 == 1;
  int st = mn_generate(s, &o, &g, &err);
  t->forced += g.forced_tokens;
  t->tokens += g.generated_tokens;
  bool ordered = st != MN_OK || !o.schema_order || all_in_order(&g);
  t->disordered += !ordered;
  if (st == MN_OK && ordered && fits(m->out.ptr, &g)) return;
  if (st == MN_OK) t->wrong++;
  else t->none++;
  printf("# pair %u: status %d: %s: %s\n#  %s\n#  %.200s\n", pair, st, err.where, err.text, m->out.ptr,
         g.text != NULL ? g.text : "");
}

static void test_pairs(uint32_t pairs) {
  mn_model *model = open_model(8);
  mn_session *s = NULL;
  maker m = {0};
  tally t = {0};
  base_rng_seed(&m.rng, 77);
  TAP_OK(mn_session_open(&s, model, NULL) == MN_OK, "session");
  for (uint32_t i = 0; i < pairs; i++) one_pair(s, &m, i, &t);
  TAP_OK(t.wrong == 0, "%u of %u answers do not fit", t.wrong, pairs);
  TAP_OK(t.disordered == 0, "%u of %u answers are not in the order asked for", t.disordered, pairs / 2);
  TAP_OK(t.none == 0, "%u of %u had no answer", t.none, pairs);
  TAP_OK(t.forced > pairs / 4, "%u tokens without a choice", t.forced);
  printf("# %u pairs: %u wrong, %u without an answer; %u of %u tokens without a choice\n", pairs, t.wrong, t.none,
         t.forced, t.tokens);
  base_buf_free(&m.out);
  mn_session_close(s);
  mn_model_close(model);
}

/* ---- other rules, and ends ---- */

static void test_regex(void) {
  mn_model *m = open_model(0);
  mn_session *s = NULL;
  TAP_OK(mn_session_open(&s, m, NULL) == MN_OK, "session");
  for (uint64_t seed = 0; seed < 20; seed++) {
    mn_generate_options o;
    mn_generated g;
    mn_error err = {0};
    mn_generate_options_init(&o);
    mn_generated_init(&g);
    o.prompt = "A code: ";
    o.regex = "(red|green)-[0-9]{4}";
    o.temperature = 1.0f;
    o.seed = seed;
    TAP_OK(mn_generate(s, &o, &g, &err) == MN_OK, "%s: %s", err.where, err.text);
    size_t dash = g.text_len >= 5 ? g.text_len - 5 : 0;
    bool fine = g.text_len > 5 && strspn(g.text + dash, "-") == 1 && strspn(g.text + dash + 1, "0123456789") == 4 &&
                ((dash == 3 && strncmp(g.text, "red", 3) == 0) || (dash == 5 && strncmp(g.text, "green", 5) == 0));
    TAP_OK(fine && g.finish == MN_FINISH_STOP, "\"%s\"", g.text);
    o.regex = "[";
    err = (mn_error){0};
    TAP_OK(mn_generate(s, &o, NULL, &err) != MN_OK && err.text[0] != '\0', "no expression: %s", err.text);
  }
  mn_session_close(s);
  mn_model_close(m);
}

static void expect(mn_session *s, const mn_generate_options *o, int status, const char *why) {
  mn_error err = {0};
  int st = mn_generate(s, o, NULL, &err);
  TAP_OK(st == status && strstr(err.text, why) != NULL, "%s: status %d: %s: %s", why, st, err.where, err.text);
}

static bool stop_at_once(void *ctx, const mn_token *t) {
  (void)ctx;
  (void)t;
  return false;
}

static bool be_slow(void *ctx, const mn_token *t) {
  (void)ctx;
  (void)t;
  os_sleep_ms(3);
  return true;
}

/* What is not complete is no answer, and each time it is said why. */
static void test_incomplete(void) {
  mn_model *m = open_model(0);
  mn_session *s = NULL;
  mn_generate_options o;
  TAP_OK(mn_session_open(&s, m, NULL) == MN_OK, "session");
  mn_generate_options_init(&o);
  o.prompt = "x";
  o.schema = "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":9},\"minItems\":5000}";
  o.max_tokens = 20;
  expect(s, &o, MN_ELIMIT, "allow more tokens");
  o.max_tokens = 0;
  expect(s, &o, MN_ELIMIT, "context was full");
  o.token = stop_at_once;
  expect(s, &o, MN_ECANCELLED, "stopped");
  o.token = be_slow;
  o.deadline_ms = 1;
  expect(s, &o, MN_ECANCELLED, "time was up");
  o.deadline_ms = 0;
  o.token = NULL;
  const char *stop = "\"";
  o.stops = &stop;
  o.n_stops = 1;
  expect(s, &o, MN_ELIMIT, "a stop string");
  o.n_stops = 0;
  o.schema = "{\"type\":";
  expect(s, &o, MN_EFORMAT, "");
  o.schema = "{}";
  o.regex = "a";
  expect(s, &o, MN_EARGUMENT, "exclude each other");
  TAP_OK(mn_session_messages(s) == 0, "nothing was added");
  mn_session_close(s);
  mn_model_close(m);
}

typedef struct shown {
  base_buf text;
  int calls;
} shown;

static bool show(void *ctx, const mn_token *t) {
  shown *w = ctx;
  w->calls++;
  base_buf_add(&w->text, t->text, t->text_len);
  return true;
}

/* A rule that is checked at the end shows nothing before; what does not fit is sent back once. */
static void test_second_attempt(void) {
  static const char schema[] = "{\"type\":\"array\",\"uniqueItems\":true,\"minItems\":3,\"maxItems\":3,\"items\":"
                               "{\"type\":\"integer\",\"minimum\":0,\"maximum\":3}}";
  mn_model *m = open_model(0);
  mn_session *s = NULL;
  uint32_t fine = 0, again = 0, wrong = 0, streamed = 0;
  TAP_OK(mn_session_open(&s, m, NULL) == MN_OK, "session");
  for (uint64_t seed = 0; seed < 40; seed++) {
    mn_generate_options o;
    mn_generated g;
    shown w = {0};
    mn_generate_options_init(&o);
    mn_generated_init(&g);
    mn_session_remove(s, 0, 10);
    TAP_OK(mn_session_add(s, "user", "three numbers", NULL) == MN_OK, "add");
    o.schema = schema;
    o.max_tokens = 100;
    o.temperature = 1.0f;
    o.seed = seed;
    o.token = show;
    o.ctx = &w;
    int st = mn_generate(s, &o, &g, NULL);
    fine += st == MN_OK;
    again += st == MN_OK && g.attempts == 2;
    wrong += st == MN_OK ? !fits(schema, &g) : w.calls > 0;
    streamed += w.calls > 1 || (st == MN_OK && (w.text.len != g.text_len || mn_session_messages(s) != 2));
    wrong += st != MN_OK && mn_session_messages(s) != 1;
    base_buf_free(&w.text);
  }
  TAP_OK(wrong == 0 && streamed == 0, "%u wrong, %u shown too early", wrong, streamed);
  TAP_OK(fine >= 20, "%u of 40 fine, %u of them at the second attempt", fine, again);
  printf("# unique items: %u of 40 fine, %u of them at the second attempt\n", fine, again);
  mn_session_close(s);
  mn_model_close(m);
}

/* ---- rules that are kept ---- */

static void *count_resizes(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes) {
  size_t *n = ctx;
  (void)old_bytes;
  *n += new_bytes > 0;
  if (new_bytes > 0) return realloc(ptr, new_bytes);
  free(ptr);
  return NULL;
}

/* The second answer under a rule finds it compiled, in whichever session; other options, and six rules by turns, are told
 * apart. */
static void test_kept(void) {
  static const char schema[] = "{\"type\":\"object\",\"properties\":{\"b0\":{\"type\":\"integer\",\"maximum\":99,\"minimum\":0},"
                               "\"a1\":{\"enum\":[\"x\",\"y\"]},\"c2\":{\"type\":\"null\"}},\"required\":[\"a1\",\"b0\"],\"additionalProperties\":false}";
  mn_model *m = NULL;
  mn_session *s = NULL;
  mn_model_options mo;
  size_t resizes = 0, calls[2] = {0}, wrong = 0, disordered = 0;
  mn_model_options_init(&mo);
  mo.threads = 1;
  mo.resize = count_resizes;
  mo.resize_ctx = &resizes;
  TAP_OK(mn_model_open(&m, model_path, &mo, NULL) == MN_OK && mn_session_open(&s, m, NULL) == MN_OK, "open");
  for (uint64_t i = 0; s != NULL && i < 24; i++) {
    mn_session_close(s); /* rules are the model's: what this one leaves the next one finds */
    if (mn_session_open(&s, m, NULL) != MN_OK) break;
    mn_generate_options o;
    mn_generated g;
    mn_error err = {0};
    char rule[32];
    mn_generate_options_init(&o);
    mn_generated_init(&g);
    (void)base_format(rule, sizeof rule, "[a-%c]{3}", 'b' + (char)(i % 6));
    o.prompt = "x";
    o.temperature = 1.0f;
    o.seed = i;
    o.schema_order = i >= 2 && i % 2 == 0;
    if (i < 2 || i >= 18) o.schema = schema;
    else o.regex = rule;
    size_t before = resizes;
    bool fine = mn_generate(s, &o, &g, &err) == MN_OK;
    if (i < 2) calls[i] = resizes - before;
    if (o.schema != NULL) wrong += !fine || !fits(schema, &g);
    else wrong += !fine || g.text_len != 3 || strspn(g.text, "abcdefg") != 3 || g.text[0] > rule[3] || g.text[1] > rule[3];
    disordered += fine && o.schema_order && o.schema != NULL && !all_in_order(&g);
  }
  TAP_OK(wrong == 0 && disordered == 0, "%zu wrong, %zu out of order", wrong, disordered);
  TAP_OK(calls[1] * 2 < calls[0], "%zu allocations, then %zu", calls[0], calls[1]);
  mn_session_close(s);
  mn_model_close(m);
}

/* ---- MaskBench's procedure ---- */

static void note_failure(void *ctx, const char *name, const char *what, const char *detail) {
  base_buf_printf(ctx, "%s: %s%s", name, what, detail[0] != '\0' ? "; " : ", no detail; ");
}

static void test_bench(void) {
  static const char rows[] =
      "{\"name\":\"right\",\"schema\":{\"type\":\"integer\"},\"tests\":[{\"valid\":true,\"data\":31},"
      "{\"valid\":false,\"data\":\"x\"}]}\n"
      "{\"name\":\"prefix\",\"schema\":{\"type\":\"integer\",\"minimum\":10},\"tests\":[{\"valid\":false,\"data\":1}]}\n\n"
      "{\"name\":\"wrong\",\"schema\":{\"type\":\"string\"},\"tests\":[{\"valid\":true,\"data\":5}]}\n"
      "{\"name\":\"strange\",\"schema\":{\"type\":\"strange\"},\"tests\":[]}\n";
  char path[80];
  base_buf said = {0};
  mn_error err = {0};
  mn_schema_bench_options o;
  mn_schema_bench_report r;
  (void)base_format(path, sizeof path, "%s/rows.jsonl", folder);
  mn_schema_bench_options_init(&o);
  o.file = path;
  o.tokenizer = model_path;
  o.check_masks = true;
  o.failure = note_failure;
  o.failure_ctx = &said;
  TAP_OK(os_write_file(path, rows, strlen(rows), NULL) == BASE_OK && mn_schema_bench(&o, &r, &err) == MN_OK, "%s: %s",
         err.where, err.text);
  TAP_OK(r.schemas == 4 && r.tests == 4 && r.passing == 1 && r.passing_with_end == 1, "%zu of %zu", r.passing, r.schemas);
  TAP_OK(r.accepts_invalid == 1 && r.refuses_valid == 1 && r.not_compiled == 1 && r.ran_out == 0 && r.wrong_end == 0 &&
         r.disagreements == 0, "each in its place");
  TAP_OK(strcmp(said.ptr, "prefix: accepts invalid; wrong: refuses valid; strange: not compiled; ") == 0, "%s", said.ptr);
  TAP_OK(r.tokens > 4 && r.mask.max_us >= r.mask.p50_us && r.compile.mean_us > 0, "%zu tokens", r.tokens);
  o.only = "wrong";
  TAP_OK(mn_schema_bench(&o, &r, NULL) == MN_OK && r.schemas == 1 && r.refuses_valid == 1, "one row");
  TAP_OK(os_write_file(path, "\n{\"schema\":", 11, NULL) == BASE_OK && mn_schema_bench(&o, &r, &err) == MN_EFORMAT &&
         strstr(err.where, "row 2"), "%s: %s", err.where, err.text);
  (void)os_remove(path, NULL);
  base_buf_free(&said);
}

int main(int argc, char **argv) {
  size_t pairs = PAIRS;
  base_error err = {0};
  if (argc > 1 && !base_parse_size(base_slice_of(argv[1]), &pairs)) return 2;
  if (mkdtemp(folder) == NULL) return 1;
  (void)base_format(model_path, sizeof model_path, "%s/model.gguf", folder);
  TAP_OK(tiny_lm_write(model_path, 1, true, 2048, &err) == BASE_OK, "model: %s", err.text);
  test_pairs((uint32_t)pairs);
  test_regex();
  test_incomplete();
  test_second_attempt();
  test_kept();
  test_bench();
  (void)os_remove(model_path, NULL);
  TAP_OK(os_remove(folder, NULL) == BASE_OK, "the folder is empty");
  return tap_done("test_rules");
}
