/* tool/prompt: a conversation with calls, as a template can take it. */
#include <string.h>

#include "tool/internal.h"

static bool is_role(const chat_message *m, const char *role) {
  return base_slice_equal(m->role, base_slice_of(role));
}

/* The function that a result answers, by its call's id; of the calls before it, the last. */
static base_slice name_of_result(const chat_message *m, size_t n, size_t at) {
  if (m[at].name.len > 0 || m[at].tool_call_id.len == 0) return m[at].name;
  for (size_t i = at < n ? at : n; i-- > 0;)
    for (size_t k = 0; k < m[i].n_calls; k++)
      if (base_slice_equal(m[i].calls[k].id, m[at].tool_call_id)) return m[i].calls[k].name;
  return m[at].name;
}

static base_status reserve(tool_prompt *o, const chat_message *m, size_t n) {
  size_t calls = 0;
  for (size_t i = 0; i < n; i++) calls += m[i].n_calls;
  o->n_block = n + 1;
  o->block = base_calloc(o->allocator, o->n_block, sizeof *o->block);
  o->calls = base_calloc(o->allocator, calls + 1, sizeof *o->calls);
  o->n_calls = calls + 1;
  o->messages = o->block;
  return o->block != NULL && o->calls != NULL ? BASE_OK : BASE_ENOMEM;
}

/* ---- a template that knows calls ---- */

static void copy_known(tool_prompt *o, const tool_form *f, const chat_message *m, size_t n) {
  size_t calls = 0;
  for (size_t i = 0; i < n; i++) {
    chat_message *to = &o->messages[o->n_messages++];
    *to = m[i];
    to->empty_text = f->empty_text;
    if (is_role(to, "tool")) to->name = name_of_result(m, n, i);
    to->calls = o->calls + calls;
    for (size_t k = 0; k < m[i].n_calls; k++, calls++) {
      o->calls[calls] = m[i].calls[k];
      o->calls[calls].as_text = f->text_arguments;
    }
  }
}

/* ---- one that does not: texts ---- */

/* Texts are written one behind the other; while the buffer grows only places are known: messages hold
 * lengths, and `at` (counted from 1) stands in for a pointer until settle(). */
typedef struct writing {
  tool_prompt *o;
  const tool_form *f;
  base_buf *text;
  size_t begun;
} writing;

static void begin(writing *w) { w->begun = w->text->len; }

static void end_message(writing *w, base_slice role) {
  chat_message *to = &w->o->messages[w->o->n_messages++];
  *to = (chat_message){.role = role, .content = {NULL, w->text->len - w->begun}};
  to->name.len = w->begun + 1;
}

static void settle(tool_prompt *o) {
  for (size_t i = 0; i < o->n_messages; i++) {
    chat_message *m = &o->messages[i];
    if (m->content.ptr != NULL) continue;
    m->content.ptr = o->text.ptr + m->name.len - 1;
    m->name.len = 0;
  }
}

static void put(writing *w, base_slice s) { base_buf_add(w->text, s.ptr, s.len); }
static void put_words(writing *w, const char *s) { base_buf_puts(w->text, s); }

static void put_definitions(writing *w, const tool_set *s) {
  put_words(w, "You can call functions. To call one or more, answer with this JSON and nothing else:\n"
               "{\"tool_calls\": [{\"name\": \"NAME\", \"arguments\": {...}}]}\n"
               "The arguments fit the function's parameters. Otherwise answer in words. The functions:\n");
  for (size_t i = 0, at = 1; i < s->n; i++, at = jdoc_next(&s->doc, (uint32_t)at)) {
    jdoc_put(w->text, &s->doc, jdoc_find(&s->doc, (uint32_t)at, BASE_LITERAL("function")));
    put_words(w, "\n");
  }
}

static void put_calls(writing *w, const chat_message *m) {
  for (size_t i = 0; i < m->n_calls; i++) {
    put(w, tool_literal(w->f, i == 0 ? TOOL_OPENING : TOOL_BETWEEN));
    put(w, m->calls[i].name);
    put(w, tool_literal(w->f, TOOL_MIDDLE));
    put(w, m->calls[i].arguments);
    put(w, tool_literal(w->f, TOOL_LAST));
  }
  if (m->n_calls > 0) put(w, tool_literal(w->f, TOOL_END));
}

/* The results from `at` on, as one message. Returns how many. */
static size_t put_results(writing *w, const chat_message *m, size_t n, size_t at) {
  size_t i = at;
  for (begin(w); i < n && is_role(&m[i], "tool"); i++) {
    base_slice name = name_of_result(m, n, i);
    if (i > at) put_words(w, "\n");
    put_words(w, "Result of ");
    put(w, name.len > 0 ? name : BASE_LITERAL("the function"));
    put_words(w, ": ");
    put(w, m[i].content);
  }
  end_message(w, BASE_LITERAL("user"));
  return i - at;
}

/* The functions stand in the system message, or before the first words of all where the template knows none. */
static void put_message(writing *w, const tool_set *s, const chat_message *m, bool with_tools) {
  begin(w);
  if (with_tools && is_role(m, "system")) {
    put(w, m->content);
    put_words(w, "\n\n");
    put_definitions(w, s);
  } else if (with_tools) {
    put_definitions(w, s);
    put_words(w, "\n");
    put(w, m->content);
  } else {
    put(w, m->content);
    if (m->n_calls > 0 && m->content.len > 0) put_words(w, "\n");
    put_calls(w, m);
  }
  end_message(w, m->role);
}

static void write_plain(tool_prompt *o, const tool_form *f, const tool_set *s, const chat_message *m,
                        size_t n) {
  writing w = {o, f, &o->text, 0};
  bool tools = s != NULL && s->n > 0 && !f->takes_tools, has_system = n > 0 && is_role(&m[0], "system");
  if (tools && !has_system && !f->no_system) {
    begin(&w);
    put_definitions(&w, s);
    end_message(&w, BASE_LITERAL("system"));
    tools = false;
  }
  for (size_t i = 0; i < n;) {
    if (is_role(&m[i], "tool")) {
      i += put_results(&w, m, n, i);
      continue;
    }
    bool here = tools && (is_role(&m[i], "system") || is_role(&m[i], "user"));
    put_message(&w, s, &m[i++], here);
    if (here) tools = false;
  }
  settle(o);
}

base_status tool_prompt_make(tool_prompt *out, const tool_form *f, const tool_set *s,
                             const chat_message *messages,
                             size_t n_messages, const base_allocator *a, base_error *err) {
  *out = (tool_prompt){.allocator = a != NULL ? a : base_allocator_libc()};
  out->text.allocator = out->allocator;
  base_status st = reserve(out, messages, n_messages);
  if (s != NULL && s->n > 0 && f->takes_tools) out->tools = tool_set_json(s);
  if (!st && f->takes_calls) {
    copy_known(out, f, messages, n_messages);
  } else if (!st) {
    base_buf_puts(&out->text, "");
    write_plain(out, f, s, messages, n_messages);
    if (out->text.failed) st = BASE_ENOMEM;
  }
  if (st) {
    tool_prompt_free(out);
    return base_fail(err, st, "session", "no memory for its messages");
  }
  return BASE_OK;
}

void tool_prompt_free(tool_prompt *p) {
  if (p->allocator == NULL) return;
  base_free(p->allocator, p->block, p->n_block * sizeof *p->block);
  base_free(p->allocator, p->calls, p->n_calls * sizeof *p->calls);
  base_buf_free(&p->text);
  *p = (tool_prompt){0};
}
