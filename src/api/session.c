/* A session's conversation: its messages, and what they are in the model's chat template. */
#include <string.h>

#include "api/model.h"
#include "jdoc/jdoc.h"

/* ---- open and close ---- */

int mn_session_open(mn_session **out, mn_model *m, mn_error *error) {
  base_error err = {0};
  mn_session *s = *out = base_calloc(&m->bound.bounded, 1, sizeof *s);
  if (s == NULL) return api_result(API_OUT_OF_MEMORY(&err, "session"), &err, error);
  s->model = m;
  const base_allocator *a = &m->bound.bounded;
  s->scratch.allocator = s->fresh.allocator = s->answer.allocator = s->past_text.allocator = s->words.allocator = a;
  atomic_init(&s->cancel, false);
  os_turn_take(m->turn);
  s->next = m->sessions;
  m->sessions = s;
  os_turn_give(m->turn);
  return MN_OK;
}

void mn_session_close(mn_session *s) {
  if (s == NULL) return;
  mn_model *m = s->model;
  os_turn_take(m->turn);
  gen_job_free(s->job);
  api_rule_close(s);
  mn_session **at = &m->sessions;
  while (*at != s) at = &(*at)->next;
  *at = s->next;
  os_turn_give(m->turn);
  mn_session_remove(s, 0, s->n_messages);
  base_free(&m->bound.bounded, s->messages, s->cap_messages * sizeof *s->messages);
  base_buf_free(&s->fresh);
  base_buf_free(&s->answer);
  base_buf_free(&s->past_text);
  base_buf_free(&s->words);
  api_calls_free(&s->calls, &m->bound.bounded);
  tool_set_close(s->tools);
  chat_prompt_free(&s->prompt);
  api_ids_free(&s->ids, &m->bound.bounded);
  api_ids_free(&s->past_ids, &m->bound.bounded);
  api_ids_free(&s->answer_ids, &m->bound.bounded);
  base_free(&m->bound.bounded, s->marks, s->cap_marks * sizeof *s->marks);
  tok_scratch_free(&s->scratch);
  base_free(&m->bound.bounded, s, sizeof *s);
}

void mn_session_cancel(mn_session *s) { atomic_store(&s->cancel, true); }

/* ---- messages ---- */

static char *copy_text(const base_allocator *a, base_slice text) {
  char *out = base_alloc(a, text.len + 1);
  if (out == NULL) return NULL;
  if (text.len > 0) memcpy(out, text.ptr, text.len);
  out[text.len] = '\0';
  return out;
}

static void free_message(const base_allocator *a, api_message *m) {
  base_free(a, m->role, m->role_bytes);
  base_free(a, m->content, m->content_bytes);
  base_free(a, m->call_id, m->call_id_bytes);
  api_calls_free(&m->calls, a);
}

static bool grow(mn_session *s) {
  api_message *grown =
      base_grow(&s->model->bound.bounded, s->messages, &s->cap_messages, s->n_messages + 1, sizeof *grown);
  if (grown != NULL) s->messages = grown;
  return grown != NULL;
}

base_status api_session_append_message(mn_session *s, base_slice role, base_slice content, base_slice call_id,
                                       api_calls *take_calls, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  api_message m = {copy_text(a, role), copy_text(a, content), copy_text(a, call_id), role.len + 1, content.len + 1,
                   call_id.len + 1, *take_calls};
  *take_calls = (api_calls){0};
  bool fine = m.role != NULL && m.content != NULL && m.call_id != NULL && grow(s);
  if (fine) {
    s->messages[s->n_messages++] = m;
    return BASE_OK;
  }
  free_message(a, &m);
  return API_OUT_OF_MEMORY(err, "message");
}

base_status api_session_append(mn_session *s, base_slice role, base_slice content, base_error *err) {
  return api_session_append_message(s, role, content, (base_slice){"", 0}, &(api_calls){0}, err);
}

bool api_is_role(base_slice role) {
  static const char *const roles[] = {"system", "user", "assistant", "tool"};
  for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
    if (base_slice_equal(role, base_slice_of(roles[i]))) return true;
  return false;
}

int mn_session_add(mn_session *s, const char *role, const char *content, mn_error *error) {
  base_error err = {0};
  if (!api_is_role(base_slice_of(role)))
    return api_result(base_fail(&err, BASE_EARGUMENT, "role", "\"%.40s\" is none; system, user, assistant and tool are",
                                role), &err, error);
  if (!base_utf8_valid(content, strlen(content)))
    return api_result(base_fail(&err, BASE_EFORMAT, "message", "the text is not UTF-8"), &err, error);
  return api_result(api_session_append(s, base_slice_of(role), base_slice_of(content), &err), &err, error);
}

size_t mn_session_messages(const mn_session *s) { return s->n_messages; }

const char *mn_session_role(const mn_session *s, size_t index) {
  return index < s->n_messages ? s->messages[index].role : NULL;
}

const char *mn_session_content(const mn_session *s, size_t index) {
  return index < s->n_messages ? s->messages[index].content : NULL;
}

void mn_session_remove(mn_session *s, size_t index, size_t count) {
  if (index >= s->n_messages) return;
  if (count > s->n_messages - index) count = s->n_messages - index;
  for (size_t i = index; i < index + count; i++) free_message(&s->model->bound.bounded, &s->messages[i]);
  size_t behind = s->n_messages - index - count;
  memmove(s->messages + index, s->messages + index + count, behind * sizeof *s->messages);
  s->n_messages -= count;
}

/* ---- as a file: one object a line ---- */

enum { MAX_FILE = 64 << 20 };

int mn_session_save(const mn_session *s, const char *path, mn_error *error) {
  base_error err = {0};
  base_buf text = {.allocator = &s->model->bound.bounded};
  base_buf_puts(&text, "");
  for (size_t i = 0; i < s->n_messages; i++) {
    api_message_write(&text, &s->messages[i]);
    base_buf_putc(&text, '\n');
  }
  base_status st = text.failed ? API_OUT_OF_MEMORY(&err, path) : os_write_file(path, text.ptr, text.len, &err);
  base_buf_free(&text);
  return api_result(st, &err, error);
}

/* New messages go behind the old ones, which are taken out when all is well. */
int mn_session_load(mn_session *s, const char *path, mn_error *error) {
  base_error err = {0};
  base_buf file = {.allocator = &s->model->bound.bounded};
  size_t before = s->n_messages, number = 0;
  char where[96];
  base_status st = os_read_file(path, MAX_FILE, &file, &err);
  base_slice rest = {file.len > 0 ? file.ptr : "", file.len}, line;
  while (!st && base_slice_split(&rest, '\n', &line)) {
    (void)base_format(where, sizeof where, "%.60s, line %zu", path, ++number);
    if (base_slice_trim(line).len > 0) st = api_message_read(s, line, where, &err);
  }
  if (st) mn_session_remove(s, before, s->n_messages - before);
  else mn_session_remove(s, 0, before);
  base_buf_free(&file);
  return api_result(st, &err, error);
}

int mn_session_tokens(mn_session *s, size_t *n, mn_error *error) {
  base_error err = {0};
  base_status st = api_session_tokens(s, true, &err);
  *n = s->ids.n;
  return api_result(st, &err, error);
}

/* ---- the template ---- */

static base_slice name_of(const tok_vocab *v, uint32_t id) {
  return id != TOK_NONE ? tok_vocab_piece(v, id) : (base_slice){"", 0};
}

static int64_t local_seconds(void) {
  int64_t now = os_unix_seconds();
  os_local_time t;
  return os_local_time_of(now, &t, NULL) == BASE_OK ? now + t.utc_offset_s : now;
}

/* Messages as chat has them; their calls in `calls`, which has room for all. */
static void list_messages(const mn_session *s, chat_message *out, chat_call *calls) {
  for (size_t i = 0; i < s->n_messages; i++) {
    const api_message *m = &s->messages[i];
    out[i] = (chat_message){.role = base_slice_of(m->role),
                            .content = base_slice_of(m->content),
                            .tool_call_id = base_slice_of(m->call_id),
                            .calls = calls,
                            .n_calls = m->calls.n};
    for (size_t k = 0; k < m->calls.n; k++)
      *calls++ = (chat_call){.id = base_slice_of(m->calls.call[k].id),
                             .name = base_slice_of(m->calls.call[k].name),
                             .arguments = base_slice_of(m->calls.call[k].arguments)};
  }
}

static base_status render_messages(mn_session *s, const chat_message *messages, size_t n, base_slice tools,
                                   bool open_answer, base_error *err) {
  mn_model *m = s->model;
  const tok_specials *special = tok_vocab_specials(m->vocab);
  chat_input in = {.size = sizeof in,
                   .messages = messages,
                   .n_messages = n,
                   .tools = tools,
                   .add_generation_prompt = open_answer,
                   .bos_token = name_of(m->vocab, special->bos),
                   .eos_token = name_of(m->vocab, special->eos),
                   .unix_seconds = local_seconds()};
  return chat_render(m->chat, &in, &s->prompt, &m->bound.bounded, err);
}

static base_status render(mn_session *s, bool open_answer, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  size_t n_calls = 0;
  bool with_tools = api_tools_are_on(s);
  for (size_t i = 0; i < s->n_messages; i++) {
    n_calls += s->messages[i].calls.n;
    with_tools |= s->messages[i].calls.n > 0 || strcmp(s->messages[i].role, "tool") == 0;
  }
  tool_prompt p = {0};
  chat_message *messages = base_calloc(a, s->n_messages, sizeof *messages);
  chat_call *calls = base_calloc(a, n_calls + 1, sizeof *calls);
  base_status st = messages != NULL && calls != NULL ? BASE_OK : API_OUT_OF_MEMORY(err, "session");
  if (!st) list_messages(s, messages, calls);
  if (!st && with_tools) st = api_tools_prompt(s, messages, &p, err);
  if (!st && with_tools) st = render_messages(s, p.messages, p.n_messages, p.tools, open_answer, err);
  else if (!st) st = render_messages(s, messages, s->n_messages, (base_slice){"", 0}, open_answer, err);
  tool_prompt_free(&p);
  base_free(a, messages, s->n_messages * sizeof *messages);
  base_free(a, calls, (n_calls + 1) * sizeof *calls);
  return st;
}

/* The spans of what is behind `start`, counted from there. */
static size_t spans_behind(chat_prompt *p, size_t start) {
  size_t n = 0;
  for (size_t i = 0; i < p->n_untrusted; i++) {
    tok_span u = p->untrusted[i];
    if (u.end <= start) continue;
    p->untrusted[n++] = (tok_span){u.start > start ? u.start - start : 0, u.end - start};
  }
  return n;
}

static size_t common_bytes(base_slice a, base_slice b) {
  size_t n = 0, most = a.len < b.len ? a.len : b.len;
  while (n < most && a.ptr[n] == b.ptr[n]) n++;
  return n;
}

/* Bytes of the rendered prompt whose tokens are known from the turns before; those tokens are put into s->ids. */
static size_t take_past(mn_session *s) {
  base_slice text = {s->prompt.text.ptr, s->prompt.text.len}, past = {s->past_text.ptr, s->past_text.len};
  size_t common = common_bytes(text, past);
  s->n_taken = s->n_marks;
  while (s->n_taken > 0 && s->marks[s->n_taken - 1].bytes > common) s->n_taken--;
  if (s->n_taken == 0) return 0;
  api_mark mark = s->marks[s->n_taken - 1];
  if (!api_ids_reserve(&s->ids, mark.ids, &s->model->bound.bounded)) return s->n_taken = 0;
  memcpy(s->ids.id, s->past_ids.id, mark.ids * sizeof *s->ids.id);
  s->ids.n = mark.ids;
  return mark.bytes;
}

/* Templates leave the mark of a text's beginning out as often as not: it is put there when the vocabulary wants it. */
static base_status put_bos(mn_session *s, base_error *err) {
  const tok_specials *special = tok_vocab_specials(s->model->vocab);
  api_ids *ids = &s->ids;
  if (!special->add_bos || special->bos == TOK_NONE || (ids->n > 0 && ids->id[0] == special->bos)) return BASE_OK;
  if (!api_ids_reserve(ids, ids->n + 1, &s->model->bound.bounded)) return API_OUT_OF_MEMORY(err, "prompt");
  memmove(ids->id + 1, ids->id, ids->n * sizeof *ids->id);
  ids->id[0] = special->bos;
  ids->n++;
  return BASE_OK;
}

static bool is_blank(const char *text) { return text[strspn(text, " \t\r\n")] == 0; }

/* A template that leaves out what is said would be answered as if nobody had asked ("chatml", the name of one, is a
 * template that says "chatml"). */
static base_status check_written(const mn_session *s, base_error *err) {
  if (s->prompt.n_untrusted > 0) return BASE_OK;
  for (size_t i = 0; i < s->n_messages; i++) {
    if (strcmp(s->messages[i].role, "user") == 0 && !is_blank(s->messages[i].content))
      return base_fail(err, BASE_EUNSUPPORTED, chat_template_name(s->model->chat),
                       "what is said does not come into the prompt that this template writes");
  }
  return BASE_OK;
}

base_status api_session_tokens(mn_session *s, bool open_answer, base_error *err) {
  s->ids.n = 0;
  if (s->n_messages == 0) return base_fail(err, BASE_EARGUMENT, "session", "there is no message to answer");
  if (s->model->chat == NULL)
    return base_fail(err, s->model->chat_error.code, s->model->chat_error.where, "%s", s->model->chat_error.text);
  base_status st = render(s, open_answer, err);
  if (!st) st = check_written(s, err);
  if (st) return st;
  size_t start = take_past(s), n = spans_behind(&s->prompt, start);
  tok_input in = {.text = s->prompt.text.ptr + start,
                  .len = s->prompt.text.len - start,
                  .flags = TOK_PARSE_SPECIAL | (start > 0 ? TOK_CONTINUE : 0u),
                  .untrusted = s->prompt.untrusted,
                  .n_untrusted = n};
  st = api_model_encode(s->model, &s->scratch, &in, &s->ids, err);
  return st ? st : put_bos(s, err);
}

static bool put_mark(mn_session *s, size_t bytes, size_t ids) {
  api_mark *grown = base_grow(&s->model->bound.bounded, s->marks, &s->cap_marks, s->n_marks + 1, sizeof *grown);
  if (grown == NULL) return false;
  s->marks = grown;
  s->marks[s->n_marks++] = (api_mark){bytes, ids};
  return true;
}

/* Only when all tokens of the answer are in its text: not when it was cut in the middle of one, or at a stop string.
 * Without memory the next turn is read again, that is all. */
void api_session_keep(mn_session *s, bool whole) {
  size_t n = s->ids.n + (whole ? s->answer_ids.n : 0);
  s->n_marks = s->n_taken;
  base_buf_clear(&s->past_text);
  base_buf_add(&s->past_text, s->prompt.text.ptr, s->prompt.text.len);
  if (whole) base_buf_add(&s->past_text, s->answer.ptr, s->answer.len);
  if (s->past_text.failed || !api_ids_reserve(&s->past_ids, n, &s->model->bound.bounded)) {
    s->n_marks = 0;
    return;
  }
  memcpy(s->past_ids.id, s->ids.id, s->ids.n * sizeof *s->ids.id);
  if (n > s->ids.n) memcpy(s->past_ids.id + s->ids.n, s->answer_ids.id, (n - s->ids.n) * sizeof *s->ids.id);
  if (put_mark(s, s->prompt.text.len, s->ids.n) && whole) (void)put_mark(s, s->past_text.len, n);
}
