/* Answers and their features: how sure a model was of an answer, as numbers that a probe turns into the probability
 * that it is right (route.h); and the rows of such answers, judged, that a probe is learnt from. */
#include <math.h>
#include <string.h>

#include "api/engine.h"
#include "api/model.h"
#include "jdoc/jdoc.h"

enum { MAX_DATA_BYTES = 1 << 30, MAX_LINE_BYTES = 1 << 20, MAX_NODES = 1 << 16, MAX_STEPS = 1 << 22, MAX_TOKENS = 512 };

/* ---- features ---- */

void api_answer_features(const gen_trace *t, const mn_generated *g, const handoff_writing *w, float out[API_FEATURES]) {
  double n = t->tokens > 0 ? (double)t->tokens : 1.0, mean = t->logprob / n;
  double spread = t->logprob_squares / n - mean * mean;
  const float first[] = {
      t->tokens > 0 ? (float)mean : -30.0f, /* logarithms of the tokens' probabilities */
      t->least_logprob,
      t->first_logprob,
      (float)sqrt(spread > 0.0 ? spread : 0.0),
      (float)(t->entropy / n),
      t->most_entropy,
      t->first_entropy,
      (float)(t->margin / n),
      t->least_margin,
      logf(1.0f + (float)t->tokens),
      logf(1.0f + (float)g->prompt_tokens),
      g->finish == MN_FINISH_STOP ? 1.0f : 0.0f,              /* it came to an end of its own */
      g->attempts > 1 || w->complaint.len > 0 ? 1.0f : 0.0f,  /* the first try did not pass its checks */
      w->schema.len > 0 ? 1.0f : 0.0f,
  };
  memcpy(out, first, sizeof first);
  float *state = out + sizeof first / sizeof *first;
  for (size_t k = 0; k < GEN_TRACE_STATE; k++) {
    state[k] = t->prompt_state[k];
    state[GEN_TRACE_STATE + k] = t->answer_state[k] / (float)n;
  }
}

void api_feature_set(mn_model *m, char out[ROUTE_SET_BYTES]) {
  base_format(out, ROUTE_SET_BYTES, "answer1/%016llx", (unsigned long long)lm_model_fingerprint(m->lm.model));
}

base_status api_open_probe(api_answerer *a, const char *path, base_error *err) {
  gguf_file *f = NULL;
  char set[ROUTE_SET_BYTES];
  if (a->model == NULL)
    return base_fail(err, BASE_EARGUMENT, path, "a probe judges a model's answers, and there is no model");
  api_feature_set(a->model, set);
  base_status st = gguf_open(&f, path, NULL, err);
  if (!st) st = route_probe_read(&a->probe, f, err);
  gguf_close(f);
  if (!st && (a->probe.n != API_FEATURES || strcmp(a->probe.set, set) != 0))
    st = base_fail(err, BASE_EMISMATCH, path,
                   "this probe was made for \"%s\" and the model's answers are \"%s\"; make it anew "
                   "with minnow route answers",
                   a->probe.set, set);
  a->has_probe = st == BASE_OK;
  return st;
}

/* ---- rows: a question with what is right ---- */

typedef struct asking {
  mn_model *model;
  const char *path;
  size_t line;
  uint32_t max_tokens;
  char set[ROUTE_SET_BYTES];
  base_buf rows, said, schema;
  size_t n, right;
} asking;

static base_status bad_row(const asking *k, const char *what, base_error *err) {
  return base_fail(err, BASE_EFORMAT, k->path, "line %zu: %s", k->line, what);
}

/* A text member; absent ones are empty. */
static base_status text_member(const asking *k, const jdoc *d, const char *name, base_slice *out, base_error *err) {
  uint32_t at = jdoc_find(d, 0, base_slice_of(name));
  *out = (base_slice){0};
  if (at == JDOC_NONE) return BASE_OK;
  if (jdoc_kind_at(d, at) != JDOC_STRING)
    return base_fail(err, BASE_EFORMAT, k->path, "line %zu: \"%s\" must be a text", k->line, name);
  *out = jdoc_text(d, at);
  return BASE_OK;
}

/* The next character as texts are compared: runs of white space are one blank, the case of ASCII is none; 0 at the
 * end. */
static char next_folded(base_slice s, size_t *at) {
  if (*at == s.len) return '\0';
  char c = s.ptr[(*at)++];
  bool blank = base_utf8_is_space((unsigned char)c);
  while (blank && *at < s.len && base_utf8_is_space((unsigned char)s.ptr[*at])) ++*at;
  if (blank) return ' ';
  return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* The same words; blanks at the ends and a last full stop aside. */
static bool same_words(base_slice a, base_slice b) {
  base_slice side[2] = {base_slice_trim(a), base_slice_trim(b)};
  size_t at[2] = {0, 0};
  char c[2] = {'\1', '\1'};
  for (int i = 0; i < 2; i++)
    if (side[i].len > 0 && side[i].ptr[side[i].len - 1] == '.') side[i].len--;
  while (c[0] == c[1] && c[0] != '\0')
    for (int i = 0; i < 2; i++) c[i] = next_folded(side[i], &at[i]);
  return c[0] == c[1] && at[0] == side[0].len && at[1] == side[1].len;
}

static base_status same_document(const jdoc *d, uint32_t expected, base_slice said, bool *same, base_error *err) {
  const jdoc_limits limits = {.bytes = MAX_LINE_BYTES, .nodes = MAX_NODES};
  uint64_t steps = MAX_STEPS;
  jdoc got;
  *same = false;
  base_status st = jdoc_open(&got, said, &limits, "answer", NULL, NULL);
  if (st) return st == BASE_ENOMEM ? base_fail(err, st, "answer", "no memory") : BASE_OK;
  *same = jdoc_equal(d, expected, &got, 0, &steps);
  jdoc_close(&got);
  return BASE_OK;
}

/* "answer" is a text, a list of texts of which any will do, or for a schema the document. */
static base_status judge(const asking *k, const jdoc *d, bool document, bool *right, base_error *err) {
  uint32_t answer = jdoc_find(d, 0, BASE_LITERAL("answer"));
  base_slice said = {k->said.ptr ? k->said.ptr : "", k->said.len};
  *right = false;
  if (answer == JDOC_NONE) return bad_row(k, "there is no \"answer\"", err);
  if (document) return same_document(d, answer, said, right, err);
  if (jdoc_kind_at(d, answer) == JDOC_STRING) {
    *right = same_words(jdoc_text(d, answer), said);
    return BASE_OK;
  }
  if (jdoc_kind_at(d, answer) != JDOC_ARRAY) return bad_row(k, "\"answer\" must be a text or a list of texts", err);
  for (uint32_t v = answer + 1, n = jdoc_count(d, answer); n > 0; n--, v = jdoc_next(d, v)) {
    if (jdoc_kind_at(d, v) != JDOC_STRING) return bad_row(k, "\"answer\" must be a text or a list of texts", err);
    *right = *right || same_words(jdoc_text(d, v), said);
  }
  return BASE_OK;
}

static void put_row(asking *k, const float feature[API_FEATURES], bool right) {
  base_buf_puts(&k->rows, "{\"features\":[");
  for (size_t i = 0; i < API_FEATURES; i++)
    base_buf_printf(&k->rows, "%s%.9g", i > 0 ? "," : "", (double)(isfinite(feature[i]) ? feature[i] : 0.0f));
  base_buf_printf(&k->rows, "],\"right\":%s,\"set\":\"%s\"}\n", right ? "true" : "false", k->set);
  k->n++;
  k->right += right;
}

/* Asks as the handoff does. An answer that its schema refuses never gets as far as a probe: wrong, and left out. */
static base_status ask_row(asking *k, const jdoc *d, base_error *err) {
  handoff_writing w = {.max_tokens = k->max_tokens};
  uint32_t schema = jdoc_find(d, 0, BASE_LITERAL("schema"));
  float feature[API_FEATURES];
  bool right = false;
  base_status st = text_member(k, d, "prompt", &w.text, err);
  if (!st) st = text_member(k, d, "instructions", &w.instructions, err);
  if (!st) st = text_member(k, d, "context", &w.context, err);
  if (!st && w.text.len == 0) st = bad_row(k, "there is no \"prompt\"", err);
  if (st) return st;
  base_buf_clear(&k->schema);
  base_buf_clear(&k->said);
  if (schema != JDOC_NONE) jdoc_put(&k->schema, d, schema);
  w.schema = (base_slice){k->schema.ptr, k->schema.len};
  base_error why = {0};
  st = api_write(k->model, &w, &k->said, feature, &why);
  if (schema != JDOC_NONE && (st == BASE_EMISMATCH || st == BASE_ELIMIT || st == BASE_ECANCELLED)) return BASE_OK;
  if (st) return base_fail(err, st, k->path, "line %zu: %s", k->line, why.text);
  st = judge(k, d, schema != JDOC_NONE, &right, err);
  if (!st) put_row(k, feature, right);
  return st;
}

static base_status ask_line(asking *k, base_slice line, base_error *err) {
  const jdoc_limits limits = {.bytes = MAX_LINE_BYTES, .nodes = MAX_NODES};
  base_error why = {0};
  jdoc d;
  base_status st = jdoc_open(&d, line, &limits, k->path, NULL, &why);
  if (st) return base_fail(err, st, k->path, "line %zu: %s", k->line, why.text);
  st = jdoc_kind_at(&d, 0) == JDOC_OBJECT ? ask_row(k, &d, err) : bad_row(k, "a row is a JSON object", err);
  jdoc_close(&d);
  return st;
}

static base_status ask_all(asking *k, base_slice rest, bool (*progress)(void *ctx, size_t done, size_t all), void *ctx,
                           base_error *err) {
  size_t all = rest.len;
  base_slice line;
  base_status st = BASE_OK;
  while (!st && base_slice_split(&rest, '\n', &line)) {
    k->line++;
    line = base_slice_trim(line);
    if (line.len > 0) st = ask_line(k, line, err);
    if (!st && progress != NULL && !progress(ctx, all - rest.len, all))
      st = base_fail(err, BASE_ECANCELLED, k->path, "stopped");
  }
  if (!st && (k->rows.failed || k->said.failed || k->schema.failed))
    st = base_fail(err, BASE_ENOMEM, k->path, "no memory for the rows");
  return st;
}

int mn_route_answers(mn_model *m, const char *data, const char *out, uint32_t max_tokens,
                     bool (*progress)(void *ctx, size_t done, size_t all), void *ctx, size_t *rows, size_t *right,
                     mn_error *error) {
  base_error err = {0};
  base_buf file = {0};
  asking k = {.model = m, .path = data, .max_tokens = max_tokens ? max_tokens : MAX_TOKENS};
  base_status st = BASE_OK;
  if (m == NULL || data == NULL || out == NULL)
    st = base_fail(&err, BASE_EARGUMENT, "mn_route_answers", "a model, a file of rows and a file to write are needed");
  if (!st) api_feature_set(m, k.set);
  if (!st) st = os_read_file(data, MAX_DATA_BYTES, &file, &err);
  if (!st) st = ask_all(&k, (base_slice){file.ptr ? file.ptr : "", file.len}, progress, ctx, &err);
  if (!st) st = os_write_file(out, k.rows.ptr ? k.rows.ptr : "", k.rows.len, &err);
  if (!st && rows != NULL) *rows = k.n;
  if (!st && right != NULL) *right = k.right;
  base_buf_free(&file);
  base_buf_free(&k.rows);
  base_buf_free(&k.said);
  base_buf_free(&k.schema);
  return api_result(st, &err, error);
}
