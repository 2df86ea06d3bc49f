/* An answer under a rule: compiled into masks for the engine, and checked once more as a whole. */
#include <string.h>

#include "api/model.h"
#include "jdoc/jdoc.h"

/* ---- the vocabulary as masks see it ---- */

/* Control tokens are 0xFF and their names, which no text is; the engine itself allows the ones that end. */
typedef struct pieces {
  const tok_vocab *v;
  char *names, *at;
} pieces;

static bool is_control(const tok_vocab *v, uint32_t id) {
  return tok_vocab_type(v, id) == TOK_TYPE_CONTROL && !tok_vocab_is_eog(v, id);
}

static base_slice piece_of(void *ctx, uint32_t id) {
  pieces *p = ctx;
  tok_type type = tok_vocab_type(p->v, id);
  base_slice piece = tok_vocab_piece(p->v, id);
  if (is_control(p->v, id)) {
    char *out = p->at;
    *out = (char)0xFF;
    memcpy(out + 1, piece.ptr, piece.len);
    p->at += piece.len + 1;
    return (base_slice){out, piece.len + 1};
  }
  bool text =
      (type == TOK_TYPE_NORMAL || type == TOK_TYPE_USER || type == TOK_TYPE_BYTE) && !tok_vocab_is_eog(p->v, id);
  return text && piece.len > 0 && memchr(piece.ptr, 0xFF, piece.len) == NULL ? piece : (base_slice){"", 0};
}

static base_status open_vocab(mn_model *m, base_error *err) {
  const base_allocator *a = &m->bound.bounded;
  uint32_t n = lm_model_info(m->lm.model).vocab;
  size_t room = 1;
  if (m->mask != NULL) return BASE_OK;
  for (uint32_t i = 0; i < n; i++)
    if (is_control(m->vocab, i)) room += tok_vocab_piece(m->vocab, i).len + 1;
  char *names = base_alloc(a, room);
  if (names == NULL) return API_OUT_OF_MEMORY(err, "vocabulary");
  base_status st = mask_vocab_open(&m->mask, n, piece_of, &(pieces){m->vocab, names, names}, a, err);
  base_free(a, names, room);
  return st;
}

/* ---- rules of earlier answers, the model's: the next session may ask the same ---- */

/* A rule that has grown over it is not kept: the model's memory is for other things too. */
enum { MOST_KEPT_BYTES = 24 << 20 };

static void free_rule(api_rule *r) {
  mask_run_close(r->run);
  mask_rule_close(r->rule);
  constrain_schema_close(r->schema);
  base_buf_free(&r->key);
  *r = (api_rule){0};
}

void api_rules_forget(mn_model *m) {
  for (size_t i = 0; i < API_KEPT_RULES; i++) free_rule(&m->kept_rule[i]);
}

static void keep_rule(mn_session *s) {
  mn_model *m = s->model;
  api_rule *r = &s->rule, *last = &m->kept_rule[API_KEPT_RULES - 1];
  bool fine = r->rule != NULL && r->run != NULL && !r->key.failed && mask_run_failed(r->run) == BASE_OK;
  if (fine) mask_run_reset(r->run);
  bool tight = m->bound.limit != SIZE_MAX && atomic_load(&m->bound.used) > m->bound.limit / 4 * 3;
  if (!fine || tight || mask_rule_bytes(r->rule) + mask_run_bytes(r->run) > MOST_KEPT_BYTES) {
    free_rule(r);
    return;
  }
  free_rule(last);
  memmove(m->kept_rule + 1, m->kept_rule, (API_KEPT_RULES - 1) * sizeof *last);
  m->kept_rule[0] = *r;
  *r = (api_rule){0};
}

/* Takes the rule of this key out of those that are kept: what a session uses is its own. */
static bool find_rule(mn_session *s, const base_buf *key) {
  bool found = false;
  os_turn_take(s->model->turn);
  for (size_t i = 0; i < API_KEPT_RULES && !found; i++) {
    api_rule *r = &s->model->kept_rule[i];
    found = r->rule != NULL && r->key.len == key->len && memcmp(r->key.ptr, key->ptr, key->len) == 0;
    if (!found) continue;
    s->rule = *r;
    memmove(r, r + 1, (API_KEPT_RULES - 1 - i) * sizeof *r);
    s->model->kept_rule[API_KEPT_RULES - 1] = (api_rule){0};
  }
  os_turn_give(s->model->turn);
  return found;
}

/* All that decides what a rule is, and whether it is one: each option that is given behind its own tag and length, so
 * that no two requests share a key that compile() would tell apart. */
static void put_key(const mn_session *s, const mn_generate_options *o, bool tools, base_buf *key) {
  base_slice json = tools ? tool_set_json(s->tools) : (base_slice){0};
  const struct {
    char tag;
    bool given;
    base_slice value;
  } option[] = {{'s', o->schema != NULL, base_slice_of(o->schema)},
                {'r', o->regex != NULL, base_slice_of(o->regex)},
                {'g', o->grammar != NULL, base_slice_of(o->grammar)},
                {'f', o->response_format != NULL, base_slice_of(o->response_format)},
                {'t', tools, json},
                {'c', tools, {(const char *)&s->choice, sizeof s->choice}}};
  base_buf_printf(key, "%d%d", o->schema_order, o->single_call);
  for (size_t i = 0; i < sizeof option / sizeof *option; i++) {
    if (!option[i].given) continue;
    base_buf_printf(key, "%c%zu:", option[i].tag, option[i].value.len);
    base_buf_add(key, option[i].value.ptr, option[i].value.len);
  }
}

/* ---- compiling ---- */

static base_status compile_schema(mn_session *s, base_slice json, bool in_order, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  mask_options o = {.order = in_order ? MASK_ORDER_SCHEMA : MASK_ORDER_ANY};
  base_status st = constrain_schema_compile(&s->rule.schema, json, NULL, "schema", a, err);
  return st ? st : mask_schema(&s->rule.rule, json, &o, a, err);
}

/* OpenAI's response_format. Whether it is "strict" makes no difference: answers always fit. */
static base_status compile_format(mn_session *s, base_slice json, bool in_order, base_error *err) {
  jdoc d = {0};
  base_status st = jdoc_open(&d, json, NULL, "response_format", &s->model->bound.bounded, err);
  if (st) return st;
  uint32_t type = jdoc_member(&d, 0, "type"), schema = jdoc_member(&d, jdoc_member(&d, 0, "json_schema"), "schema");
  if (jdoc_is_text(&d, type, "json_object"))
    st = compile_schema(s, BASE_LITERAL("{\"type\":\"object\"}"), in_order, err);
  else if (jdoc_is_text(&d, type, "json_schema") && schema != JDOC_NONE)
    st = compile_schema(s, jdoc_raw(&d, schema), in_order, err);
  else if (jdoc_is_text(&d, type, "json_schema"))
    st = base_fail(err, BASE_EARGUMENT, "response_format.json_schema",
                   "it has a name and a schema; there is no schema");
  else if (!jdoc_is_text(&d, type, "text"))
    st = base_fail(err, BASE_EARGUMENT, "response_format.type", "it is text, json_object or json_schema");
  jdoc_close(&d);
  return st;
}

static base_status compile(mn_session *s, const mn_generate_options *o, bool tools, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  base_status st = BASE_OK;
  if (o->schema != NULL) st = compile_schema(s, base_slice_of(o->schema), o->schema_order, err);
  if (o->regex != NULL) st = mask_regex(&s->rule.rule, base_slice_of(o->regex), NULL, a, err);
  if (o->grammar != NULL) st = mask_grammar(&s->rule.rule, base_slice_of(o->grammar), NULL, a, err);
  if (o->response_format != NULL) st = compile_format(s, base_slice_of(o->response_format), o->schema_order, err);
  if (!st && tools && s->rule.rule != NULL)
    return base_fail(err, BASE_EARGUMENT, "tool_choice",
                     "an answer under a rule cannot call tools; with tools the choice has to be none");
  if (!st && tools) st = api_tools_rule(s, o, err);
  if (!st && s->rule.rule != NULL) s->rule.hold = mask_rule_may_fail(s->rule.rule);
  return st;
}

base_status api_rule_compile(mn_session *s, const mn_generate_options *o, base_error *err) {
  bool tools = s->chat && api_tools_are_on(s);
  base_buf key = {.allocator = &s->model->bound.bounded};
  s->rule = (api_rule){0};
  if ((o->schema != NULL) + (o->regex != NULL) + (o->grammar != NULL) + (o->response_format != NULL) > 1)
    return base_fail(err, BASE_EARGUMENT, "rule",
                     "a schema, a response format, an expression and a grammar exclude each other");
  put_key(s, o, tools, &key);
  if (!key.failed && find_rule(s, &key)) {
    base_buf_free(&key);
    return BASE_OK;
  }
  base_error first = {0};
  base_status st = compile(s, o, tools, &first);
  if (st == BASE_ENOMEM) { /* what is kept makes room */
    free_rule(&s->rule);
    os_turn_take(s->model->turn);
    api_rules_forget(s->model);
    os_turn_give(s->model->turn);
    first = (base_error){0};
    st = compile(s, o, tools, &first);
  }
  if (st && err != NULL) *err = first;
  s->rule.key = key;
  return st;
}

base_status api_rule_start(mn_session *s, base_error *err) {
  if (s->rule.rule == NULL || s->rule.run != NULL) return BASE_OK;
  base_status st = open_vocab(s->model, err);
  return st ? st : mask_run_open(&s->rule.run, s->rule.rule, s->model->mask, &s->model->bound.bounded, err);
}

void api_rule_close(mn_session *s) {
  if (s->rule.run != NULL) keep_rule(s);
  else free_rule(&s->rule);
}

/* ---- checking ---- */

static base_status validate(mn_session *s, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  jdoc d = {0};
  base_status st = jdoc_open(&d, (base_slice){s->answer.ptr, s->answer.len}, NULL, "answer", a, err);
  if (!st) st = constrain_validate(s->rule.schema, &d, NULL, a, err);
  jdoc_close(&d);
  return st == BASE_EFORMAT ? BASE_EMISMATCH : st;
}

/* Whether the text came to an end that the rule allows. what: "it", "its call". */
static base_status check_end(const mn_session *s, mn_finish finish, const char *what, base_error *err) {
  bool whole = finish == MN_FINISH_STOP && mask_run_may_end(s->rule.run);
  switch (finish) {
    case MN_FINISH_STOP:
      return whole ? BASE_OK
                   : base_fail(err, BASE_ELIMIT, "answer", "a stop string cut %s before it was complete", what);
    case MN_FINISH_CONTEXT:
      return base_fail(err, BASE_ELIMIT, "answer", "the context was full before %s was complete", what);
    case MN_FINISH_DEADLINE:
      return base_fail(err, BASE_ECANCELLED, "answer", "the time was up before %s was complete", what);
    case MN_FINISH_CANCELLED: return base_fail(err, BASE_ECANCELLED, "answer", "stopped before %s was complete", what);
    default:
      return base_fail(err, BASE_ELIMIT, "answer", "%s was cut before it was complete; allow more tokens", what);
  }
}

/* Words may be cut like any; a call may not. */
static base_status check_tools(mn_session *s, mn_finish finish, base_error *err) {
  bool called;
  (void)mask_run_words(s->rule.run, &called);
  if (!called && !s->choice.required) return BASE_OK;
  base_status st = check_end(s, finish, "its call", err);
  return st ? st : api_tools_read(s, err);
}

base_status api_rule_check(mn_session *s, mn_finish finish, base_error *err) {
  if (s->rule.rule == NULL) return BASE_OK;
  if (s->rule.tools) return check_tools(s, finish, err);
  base_status st = check_end(s, finish, "it", err);
  return st || s->rule.schema == NULL ? st : validate(s, err);
}
