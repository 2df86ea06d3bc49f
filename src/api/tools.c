/* Tools of a session: definitions, the choice for an answer, calls out of it, and messages with calls as JSON. */
#include <string.h>

#include "api/model.h"
#include "jdoc/jdoc.h"

/* ---- calls in one block ---- */

static void keep_text(char **at, const char **out, base_slice text) {
  *out = *at;
  if (text.len > 0) memcpy(*at, text.ptr, text.len);
  (*at)[text.len] = '\0';
  *at += text.len + 1;
}

base_status api_calls_copy(api_calls *out, const chat_call *calls, size_t n, const base_allocator *a) {
  api_calls c = {.n = n, .bytes = n * sizeof *c.call};
  *out = (api_calls){0};
  if (n == 0) return BASE_OK;
  for (size_t i = 0; i < n; i++) c.bytes += calls[i].id.len + calls[i].name.len + calls[i].arguments.len + 3;
  c.call = base_alloc(a, c.bytes);
  if (c.call == NULL) return BASE_ENOMEM;
  char *at = (char *)(c.call + n);
  for (size_t i = 0; i < n; i++) {
    keep_text(&at, &c.call[i].id, calls[i].id);
    keep_text(&at, &c.call[i].name, calls[i].name);
    keep_text(&at, &c.call[i].arguments, calls[i].arguments);
  }
  *out = c;
  return BASE_OK;
}

/* The block as it is, its pointers moved. */
base_status api_calls_dup(api_calls *out, const api_calls *c, const base_allocator *a) {
  *out = (api_calls){0};
  if (c->n == 0) return BASE_OK;
  mn_tool_call *call = base_alloc(a, c->bytes);
  if (call == NULL) return BASE_ENOMEM;
  memcpy(call, c->call, c->bytes);
  for (size_t i = 0; i < c->n; i++) {
    const char *from = (const char *)c->call, *to = (const char *)call;
    call[i] = (mn_tool_call){to + (c->call[i].id - from), to + (c->call[i].name - from),
                             to + (c->call[i].arguments - from)};
  }
  *out = (api_calls){call, c->n, c->bytes};
  return BASE_OK;
}

void api_calls_free(api_calls *c, const base_allocator *a) {
  base_free(a, c->call, c->bytes);
  *c = (api_calls){0};
}

/* ---- definitions ---- */

static base_status open_form(mn_session *s, base_error *err) {
  mn_model *m = s->model;
  const tok_specials *special = tok_vocab_specials(m->vocab);
  base_slice bos = special->bos != TOK_NONE ? tok_vocab_piece(m->vocab, special->bos) : (base_slice){"", 0};
  base_slice eos = special->eos != TOK_NONE ? tok_vocab_piece(m->vocab, special->eos) : (base_slice){"", 0};
  base_status st = BASE_OK;
  if (m->chat == NULL) return base_fail(err, m->chat_error.code, m->chat_error.where, "%s", m->chat_error.text);
  os_turn_take(m->turn);
  if (m->form == NULL) st = tool_form_open(&m->form, m->chat, m->vocab, bos, eos, &m->bound.bounded, err);
  os_turn_give(m->turn);
  return st;
}

int mn_session_tools(mn_session *s, const char *json, mn_error *error) {
  base_error err = {0};
  tool_set *tools = NULL;
  base_status st = s->job == NULL ? BASE_OK : base_fail(&err, BASE_EARGUMENT, "session", "it is generating");
  if (!st && json != NULL) st = open_form(s, &err);
  if (!st && json != NULL) st = tool_set_open(&tools, base_slice_of(json), &s->model->bound.bounded, &err);
  if (!st) {
    tool_set_close(s->tools);
    s->tools = tools;
    memset(&s->choice, 0, sizeof s->choice);
  }
  return api_result(st, &err, error);
}

base_status api_tools_choose(mn_session *s, const mn_generate_options *o, base_error *err) {
  return tool_choice_read(&s->choice, s->tools, base_slice_of(o->tool_choice), &s->model->bound.bounded, err);
}

bool api_tools_are_on(const mn_session *s) {
  return s->tools != NULL && tool_set_count(s->tools) > 0 && !s->choice.none;
}

base_status api_tools_rule(mn_session *s, const mn_generate_options *o, base_error *err) {
  base_status st = tool_rule(&s->rule.rule, s->model->form, s->tools, &s->choice, o->single_call,
                             o->schema_order ? MASK_ORDER_SCHEMA : MASK_ORDER_ANY, &s->model->bound.bounded, err);
  s->rule.tools = st == BASE_OK;
  return st;
}

base_status api_tools_read(mn_session *s, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  base_slice text = mask_run_text(s->rule.run);
  bool called;
  tool_answer found;
  size_t words = mask_run_words(s->rule.run, &called);
  if (!called) return BASE_OK;
  uint64_t seed = base_hash(BASE_HASH_START, s->ids.id, s->ids.n * sizeof *s->ids.id);
  base_status st = tool_answer_read(&found, s->model->form, s->tools, text, words, called, seed, a, err);
  if (st) return st;
  base_buf_clear(&s->words);
  base_buf_add(&s->words, found.words.ptr, found.words.len);
  base_buf_clear(&s->answer);
  for (size_t i = 0; i < text.len; i++) /* names of control tokens are what the next prompt has of them */
    if ((unsigned char)text.ptr[i] != 0xFF) base_buf_putc(&s->answer, text.ptr[i]);
  st = api_calls_copy(&s->calls, found.calls, found.n_calls, a);
  tool_answer_free(&found);
  return st || s->words.failed || s->answer.failed ? API_OUT_OF_MEMORY(err, "answer") : BASE_OK;
}

base_status api_tools_prompt(mn_session *s, const chat_message *messages, tool_prompt *out, base_error *err) {
  base_status st = open_form(s, err);
  const tool_set *tools = api_tools_are_on(s) ? s->tools : NULL;
  return st ? st : tool_prompt_make(out, s->model->form, tools, messages, s->n_messages,
                                    &s->model->bound.bounded, err);
}

size_t mn_session_calls(const mn_session *s, size_t index, const mn_tool_call **calls) {
  const api_calls *c = index < s->n_messages ? &s->messages[index].calls : NULL;
  *calls = c != NULL ? c->call : NULL;
  return c != NULL ? c->n : 0;
}

/* ---- messages as JSON ---- */

enum { MAX_CALLS = 512 };

static uint32_t text_member(const jdoc *d, uint32_t object, const char *key) {
  uint32_t at = jdoc_member(d, object, key);
  return at != JDOC_NONE && jdoc_kind_at(d, at) == JDOC_STRING ? at : JDOC_NONE;
}

static base_slice text_at(const jdoc *d, uint32_t at) {
  return at != JDOC_NONE ? jdoc_text(d, at) : (base_slice){"", 0};
}

static bool is_object(base_slice json, const base_allocator *a) {
  jdoc d = {0};
  bool is = jdoc_open(&d, json, NULL, "arguments", a, NULL) == BASE_OK && jdoc_kind_at(&d, 0) == JDOC_OBJECT;
  jdoc_close(&d);
  return is;
}

static base_status read_call(const jdoc *d, uint32_t at, chat_call *out, const char *where,
                             const base_allocator *a,
                             base_error *err) {
  uint32_t function = jdoc_member(d, at, "function");
  uint32_t name = text_member(d, function, "name"), arguments = text_member(d, function, "arguments");
  if (name == JDOC_NONE || arguments == JDOC_NONE)
    return base_fail(err, BASE_EFORMAT, where,
                     "a call is {\"id\",\"type\",\"function\":{\"name\",\"arguments\"}}; this is none");
  *out = (chat_call){.id = text_at(d, text_member(d, at, "id")), .name = jdoc_text(d, name),
                     .arguments = jdoc_text(d, arguments)};
  if (is_object(out->arguments, a)) return BASE_OK;
  return base_fail(err, BASE_EFORMAT, where,
                   "the arguments of a call are a text that is a JSON object; these are none");
}

static base_status read_calls(const jdoc *d, uint32_t list, api_calls *out, const char *where,
                              const base_allocator *a,
                              base_error *err) {
  *out = (api_calls){0};
  if (list == JDOC_NONE || jdoc_kind_at(d, list) == JDOC_NULL) return BASE_OK;
  uint32_t n = jdoc_kind_at(d, list) == JDOC_ARRAY ? jdoc_count(d, list) : MAX_CALLS + 1, at = list + 1;
  if (n > MAX_CALLS)
    return base_fail(err, BASE_EFORMAT, where, "tool_calls is a list of at most %d calls; this is none",
                     (int)MAX_CALLS);
  chat_call *calls = base_calloc(a, n + 1, sizeof *calls);
  base_status st = calls != NULL ? BASE_OK : API_OUT_OF_MEMORY(err, where);
  for (uint32_t i = 0; i < n && !st; i++, at = jdoc_next(d, at))
    st = read_call(d, at, &calls[i], where, a, err);
  if (!st && api_calls_copy(out, calls, n, a)) st = API_OUT_OF_MEMORY(err, where);
  base_free(a, calls, (n + 1) * sizeof *calls);
  return st;
}

/* A text, nothing, or a list of {"type":"text","text"}. */
static base_status read_content(const jdoc *d, uint32_t at, base_buf *out, const char *where, base_error *err) {
  base_buf_puts(out, "");
  if (at == JDOC_NONE || jdoc_kind_at(d, at) == JDOC_NULL) return BASE_OK;
  if (jdoc_kind_at(d, at) == JDOC_STRING) {
    base_slice text = jdoc_text(d, at);
    base_buf_add(out, text.ptr, text.len);
    return BASE_OK;
  }
  uint32_t n = jdoc_kind_at(d, at) == JDOC_ARRAY ? jdoc_count(d, at) : 0, part = at + 1;
  bool fine = n > 0;
  for (; n > 0 && fine; n--, part = jdoc_next(d, part)) {
    uint32_t text = text_member(d, part, "text");
    base_slice s = text_at(d, text);
    fine = text != JDOC_NONE;
    base_buf_add(out, s.ptr, s.len);
  }
  if (fine) return BASE_OK;
  return base_fail(err, BASE_EFORMAT, where,
                   "content is a text or a list of {\"type\":\"text\",\"text\"}; this is neither");
}

static bool holds_zero(base_slice text) { return text.len > 0 && memchr(text.ptr, 0, text.len) != NULL; }

static base_status read_message(mn_session *s, const jdoc *d, base_buf *content, const char *where,
                                base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  api_calls calls = {0};
  uint32_t role = text_member(d, 0, "role");
  if (jdoc_kind_at(d, 0) != JDOC_OBJECT || role == JDOC_NONE)
    return base_fail(err, BASE_EFORMAT, where,
                     "a message is {\"role\": \"...\", \"content\": \"...\"}; this is none");
  base_slice name = jdoc_text(d, role), call_id = text_at(d, text_member(d, 0, "tool_call_id"));
  /* OpenAI's later name for it */
  if (base_slice_equal(name, BASE_LITERAL("developer"))) name = BASE_LITERAL("system");
  if (!api_is_role(name))
    return base_fail(err, BASE_EFORMAT, where, "there is no role \"%.*s\"",
                     (int)(name.len < 40 ? name.len : 40), name.ptr);
  uint32_t said = jdoc_find(d, 0, BASE_LITERAL("content"));
  base_status st = read_content(d, said, content, where, err);
  if (!st) st = read_calls(d, jdoc_find(d, 0, BASE_LITERAL("tool_calls")), &calls, where, a, err);
  if (!st && calls.n > 0 && !base_slice_equal(name, BASE_LITERAL("assistant")))
    st = base_fail(err, BASE_EFORMAT, where, "tool_calls stand in an assistant's message only");
  if (!st && calls.n == 0 && (said == JDOC_NONE || jdoc_kind_at(d, said) == JDOC_NULL))
    st = base_fail(err, BASE_EFORMAT, where, "a message without tool_calls needs a content; this has none");
  if (!st && (holds_zero((base_slice){content->ptr, content->len}) || holds_zero(call_id)))
    st = base_fail(err, BASE_EFORMAT, where, "a message cannot contain a 0 byte");
  if (!st && content->failed) st = API_OUT_OF_MEMORY(err, where);
  if (!st)
    return api_session_append_message(s, name, (base_slice){content->ptr, content->len}, call_id, &calls,
                                      err);
  api_calls_free(&calls, a);
  return st;
}

base_status api_message_read(mn_session *s, base_slice json, const char *where, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  base_buf content = {.allocator = a};
  jdoc d = {0};
  base_status st = jdoc_open(&d, json, NULL, where, a, err);
  if (!st) st = read_message(s, &d, &content, where, err);
  jdoc_close(&d);
  base_buf_free(&content);
  return st;
}

/* All of a list, or none. */
static base_status read_list(mn_session *s, const jdoc *d, base_error *err) {
  size_t before = s->n_messages;
  base_status st = BASE_OK;
  char where[32];
  uint32_t at = 1;
  for (uint32_t i = 0; i < jdoc_count(d, 0) && !st; i++, at = jdoc_next(d, at)) {
    (void)base_format(where, sizeof where, "messages[%u]", i);
    st = api_message_read(s, jdoc_raw(d, at), where, err);
  }
  if (st) mn_session_remove(s, before, s->n_messages - before);
  return st;
}

int mn_session_add_json(mn_session *s, const char *json, mn_error *error) {
  base_error err = {0};
  jdoc d = {0};
  base_status st = jdoc_open(&d, base_slice_of(json), NULL, "message", &s->model->bound.bounded, &err);
  if (!st && jdoc_kind_at(&d, 0) == JDOC_ARRAY) st = read_list(s, &d, &err);
  else if (!st) st = api_message_read(s, base_slice_of(json), "message", &err);
  jdoc_close(&d);
  return api_result(st, &err, error);
}

static void put_member(base_buf *out, const char *key, const char *text) {
  base_buf_printf(out, "\"%s\":", key);
  base_buf_json(out, base_slice_of(text));
}

void api_message_write(base_buf *out, const api_message *m) {
  base_buf_putc(out, '{');
  put_member(out, "role", m->role);
  base_buf_putc(out, ',');
  put_member(out, "content", m->content);
  if (m->call_id[0] != '\0') {
    base_buf_putc(out, ',');
    put_member(out, "tool_call_id", m->call_id);
  }
  for (size_t i = 0; i < m->calls.n; i++) {
    base_buf_puts(out, i == 0 ? ",\"tool_calls\":[{" : ",{");
    put_member(out, "id", m->calls.call[i].id);
    base_buf_puts(out, ",\"type\":\"function\",\"function\":{");
    put_member(out, "name", m->calls.call[i].name);
    base_buf_putc(out, ',');
    put_member(out, "arguments", m->calls.call[i].arguments);
    base_buf_puts(out, i + 1 < m->calls.n ? "}}" : "}}]");
  }
  base_buf_putc(out, '}');
}
