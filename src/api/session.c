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
  s->scratch.allocator = s->fresh.allocator = s->answer.allocator = &m->bound.bounded;
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
  mn_session **at = &m->sessions;
  while (*at != s) at = &(*at)->next;
  *at = s->next;
  os_turn_give(m->turn);
  mn_session_remove(s, 0, s->n_messages);
  base_free(&m->bound.bounded, s->messages, s->cap_messages * sizeof *s->messages);
  base_buf_free(&s->fresh);
  base_buf_free(&s->answer);
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
}

static bool grow(mn_session *s) {
  const base_allocator *a = &s->model->bound.bounded;
  size_t cap = s->cap_messages > 0 ? 2 * s->cap_messages : 16, each = sizeof *s->messages;
  api_message *grown = a->resize(a->ctx, s->messages, s->cap_messages * each, cap * each);
  if (grown == NULL) return false;
  s->messages = grown;
  s->cap_messages = cap;
  return true;
}

base_status api_session_append(mn_session *s, base_slice role, base_slice content, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  api_message m = {copy_text(a, role), copy_text(a, content), role.len + 1, content.len + 1};
  bool fine = m.role != NULL && m.content != NULL && (s->n_messages < s->cap_messages || grow(s));
  if (fine) {
    s->messages[s->n_messages++] = m;
    return BASE_OK;
  }
  free_message(a, &m);
  return API_OUT_OF_MEMORY(err, "message");
}

static bool is_role(const char *role) {
  static const char *const roles[] = {"system", "user", "assistant", "tool"};
  for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
    if (strcmp(role, roles[i]) == 0) return true;
  return false;
}

int mn_session_add(mn_session *s, const char *role, const char *content, mn_error *error) {
  base_error err = {0};
  if (!is_role(role))
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
  os_writer *w = NULL;
  base_buf_puts(&text, "");
  for (size_t i = 0; i < s->n_messages; i++) {
    base_buf_puts(&text, "{\"role\":");
    base_buf_json(&text, base_slice_of(s->messages[i].role));
    base_buf_puts(&text, ",\"content\":");
    base_buf_json(&text, base_slice_of(s->messages[i].content));
    base_buf_puts(&text, "}\n");
  }
  base_status st = text.failed ? API_OUT_OF_MEMORY(&err, path) : os_writer_open(&w, path, &err);
  if (!st) {
    st = os_writer_add(w, text.ptr, text.len, &err);
    if (st) os_writer_abort(w);
    else st = os_writer_commit(w, &err);
  }
  base_buf_free(&text);
  return api_result(st, &err, error);
}

static bool holds_zero(base_slice text) { return text.len > 0 && memchr(text.ptr, 0, text.len) != NULL; }

static base_status add_line(mn_session *s, base_slice line, const char *where, base_error *err) {
  jdoc d = {0};
  base_status st = jdoc_open(&d, line, NULL, where, &s->model->bound.bounded, err);
  if (st) return st;
  uint32_t role = jdoc_find(&d, 0, BASE_LITERAL("role")), content = jdoc_find(&d, 0, BASE_LITERAL("content"));
  bool fine = role != JDOC_NONE && content != JDOC_NONE && jdoc_kind_at(&d, role) == JDOC_STRING &&
              jdoc_kind_at(&d, content) == JDOC_STRING && !holds_zero(jdoc_text(&d, content));
  if (!fine) st = base_fail(err, BASE_EFORMAT, where, "a line is {\"role\": \"...\", \"content\": \"...\"}; this is none");
  if (!st) st = api_session_append(s, jdoc_text(&d, role), jdoc_text(&d, content), err);
  if (!st && !is_role(s->messages[s->n_messages - 1].role))
    st = base_fail(err, BASE_EFORMAT, where, "there is no role \"%.40s\"", s->messages[s->n_messages - 1].role);
  jdoc_close(&d);
  return st;
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
    if (base_slice_trim(line).len > 0) st = add_line(s, line, where, &err);
  }
  if (st) mn_session_remove(s, before, s->n_messages - before);
  else mn_session_remove(s, 0, before);
  base_buf_free(&file);
  return api_result(st, &err, error);
}

int mn_session_tokens(mn_session *s, size_t *n, mn_error *error) {
  base_error err = {0};
  uint32_t *ids = NULL;
  size_t room = 0;
  base_status st = api_session_tokens(s, true, &ids, n, &room, &err);
  base_free(&s->model->bound.bounded, ids, room * sizeof *ids);
  return api_result(st, &err, error);
}

/* ---- the template ---- */

base_status api_session_tokens(mn_session *s, bool open_answer, uint32_t **ids, size_t *n, size_t *room,
                               base_error *err) {
  (void)open_answer;
  *ids = NULL;
  *n = *room = 0;
  if (s->n_messages == 0) return base_fail(err, BASE_EARGUMENT, "session", "there is no message to answer");
  return base_fail(err, BASE_EUNSUPPORTED, "chat template", "this model's is not known; give the prompt as text");
}
