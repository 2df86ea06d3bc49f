/* chat/render: the public side: templates opened and named, a conversation turned into values, the text and
 * its marks handed out. */
#include "chat/node.h"

#include <string.h>

enum { MAX_SOURCE = 1 << 20, MAX_TREE_BYTES = 64 << 20, MAX_RUN_BYTES = 256 << 20, SHOWN = 40 };

struct chat_template {
  base_allocator allocator;
  chat_heap heap;
  chat_node *body;
  char name[96];
};

/* ---- templates ---- */

static void name_template(chat_template *t, base_slice source) {
  char shown[SHOWN + 1];
  size_t n = source.len < SHOWN ? source.len : SHOWN;
  for (size_t i = 0; i < n; i++)
    shown[i] = source.ptr[i] >= 0x20 && source.ptr[i] < 0x7F ? source.ptr[i] : ' ';
  shown[n] = '\0';
  (void)base_format(t->name, sizeof t->name, "chat template %016llx: %s",
                    (unsigned long long)base_hash(BASE_HASH_START, source.ptr, source.len), shown);
}

base_status chat_template_open(chat_template **out, base_slice source, const base_allocator *allocator,
                               base_error *err) {
  *out = NULL;
  if (allocator == NULL) allocator = base_allocator_libc();
  chat_template *t = base_calloc(allocator, 1, sizeof *t);
  if (t == NULL) return base_fail(err, BASE_ENOMEM, "chat template", "no memory to read it");
  t->allocator = *allocator;
  name_template(t, source);
  chat_run r = {.err = err, .name = t->name, .heap = {.allocator = &t->allocator, .limit = MAX_TREE_BYTES}};
  if (source.len > MAX_SOURCE) {
    r.status = base_fail(err, BASE_ELIMIT, t->name, "the template has %zu bytes; %d are read", source.len,
                         (int)MAX_SOURCE);
  } else {
    t->body = chat_parse(&r, source);
  }
  t->heap = r.heap;
  if (r.status != BASE_OK) {
    chat_template_close(t);
    return r.status;
  }
  *out = t;
  return BASE_OK;
}

base_status chat_template_open_gguf(chat_template **out, const gguf_file *f, const base_allocator *allocator,
                                    base_error *err) {
  base_slice source;
  *out = NULL;
  if (gguf_find(f, "tokenizer.chat_template") == NULL) {
    return base_fail(err, BASE_ENOTFOUND, gguf_path(f),
                     "the file has no chat template (tokenizer.chat_template)");
  }
  base_status status = gguf_get_string(f, "tokenizer.chat_template", &source, err);
  return status ? status : chat_template_open(out, source, allocator, err);
}

void chat_template_close(chat_template *t) {
  if (t == NULL) return;
  base_allocator allocator = t->allocator;
  chat_heap_free(&t->heap);
  base_free(&allocator, t, sizeof *t);
}

const char *chat_template_name(const chat_template *t) {
  return t->name;
}

/* ---- the conversation as values ---- */

static chat_value given(chat_run *r, base_slice s) {
  return chat_text(r, s.len > 0 ? s.ptr : "", s.len, true);
}

static chat_value call_value(chat_run *r, const chat_call *c) {
  chat_value out = chat_dict_new(r, CHAT_DICT), function = chat_dict_new(r, CHAT_DICT);
  base_slice arguments = c->arguments.len > 0 ? c->arguments : BASE_LITERAL("{}");
  chat_dict_set(r, function, "name", given(r, c->name));
  chat_dict_set(r, function, "arguments",
                c->as_text ? given(r, arguments) : chat_from_json(r, arguments, "tool call arguments"));
  if (c->id.len > 0) chat_dict_set(r, out, "id", given(r, c->id));
  chat_dict_set(r, out, "type", chat_literal(r, "function"));
  chat_dict_set(r, out, "function", function);
  return out;
}

static chat_value message_value(chat_run *r, const chat_message *m) {
  chat_value out = chat_dict_new(r, CHAT_DICT);
  bool silent =
      m->content.len == 0 && m->n_calls > 0 && !m->empty_text; /* an assistant that only calls: content is null */
  chat_dict_set(r, out, "role", given(r, m->role));
  chat_dict_set(r, out, "content", silent ? chat_none() : given(r, m->content));
  if (m->reasoning.len > 0) chat_dict_set(r, out, "reasoning_content", given(r, m->reasoning));
  if (m->name.len > 0) chat_dict_set(r, out, "name", given(r, m->name));
  if (m->tool_call_id.len > 0) chat_dict_set(r, out, "tool_call_id", given(r, m->tool_call_id));
  if (m->n_calls == 0) return out;
  chat_value calls = chat_list_new(r, m->n_calls);
  for (size_t i = 0; i < m->n_calls && r->status == BASE_OK; i++)
    chat_list_add(r, calls, call_value(r, &m->calls[i]));
  chat_dict_set(r, out, "tool_calls", calls);
  return out;
}

static void add_variables(chat_run *r, chat_value globals, base_slice json) {
  chat_value more = chat_from_json(r, json, "template variables");
  if (r->status == BASE_OK && more.kind != CHAT_DICT) {
    r->status = base_fail(r->err, BASE_EARGUMENT, "template variables", "they are not a JSON object");
  }
  for (size_t i = 0; r->status == BASE_OK && i < more.as.dict->n; i++)
    chat_dict_put(r, globals, more.as.dict->member[i].key, more.as.dict->member[i].value);
}

/* The names are those that transformers gives to a template. */
static chat_value globals_of(chat_run *r, const chat_input *in) {
  chat_value globals = chat_dict_new(r, CHAT_DICT), messages = chat_list_new(r, in->n_messages);
  for (size_t i = 0; i < in->n_messages && r->status == BASE_OK; i++)
    chat_list_add(r, messages, message_value(r, &in->messages[i]));
  chat_dict_set(r, globals, "messages", messages);
  chat_dict_set(r, globals, "tools", in->tools.len > 0 ? chat_from_json(r, in->tools, "tools") : chat_none());
  chat_dict_set(r, globals, "documents", chat_none());
  chat_dict_set(r, globals, "add_generation_prompt", chat_bool(in->add_generation_prompt));
  chat_dict_set(r, globals, "bos_token", chat_text(r, in->bos_token.ptr, in->bos_token.len, false));
  chat_dict_set(r, globals, "eos_token", chat_text(r, in->eos_token.ptr, in->eos_token.len, false));
  if (in->variables.len > 0) add_variables(r, globals, in->variables);
  return globals;
}

/* ---- the prompt ---- */

static bool add_span(chat_prompt *p, size_t start, size_t end) {
  tok_span *grown = base_grow(p->text.allocator, p->untrusted, &p->cap_untrusted, p->n_untrusted + 1, sizeof *grown);
  if (grown == NULL) return false;
  p->untrusted = grown;
  p->untrusted[p->n_untrusted++] = (tok_span){start, end};
  return true;
}

static bool copy_out(chat_prompt *p, const chat_builder *b) {
  base_buf_add(&p->text, b->ptr, b->len);
  for (size_t at = 0, end; at < b->len; at = end) {
    for (end = at + 1; end < b->len && b->mark[end] == b->mark[at];) end++;
    if (b->mark[at] && !add_span(p, at, end)) return false;
  }
  return !p->text.failed;
}

void chat_prompt_free(chat_prompt *p) {
  const base_allocator *a = p->text.allocator != NULL ? p->text.allocator : base_allocator_libc();
  base_free(a, p->untrusted, p->cap_untrusted * sizeof *p->untrusted);
  base_buf_free(&p->text);
  p->untrusted = NULL;
  p->n_untrusted = p->cap_untrusted = 0;
}

base_status chat_render(const chat_template *t, const chat_input *in, chat_prompt *out,
                        const base_allocator *allocator, base_error *err) {
  chat_input own = {0};
  if (allocator == NULL) allocator = base_allocator_libc();
  memcpy(&own, in, in->size < sizeof own ? in->size : sizeof own);
  base_buf_clear(&out->text);
  out->n_untrusted = 0;
  chat_run r = {.err = err,
                .name = t->name,
                .now = own.unix_seconds,
                .heap = {.allocator = allocator, .limit = MAX_RUN_BYTES}};
  chat_builder b = {.r = &r};
  chat_value globals = globals_of(&r, &own);
  if (r.status == BASE_OK) chat_execute(&r, t->body, globals, &b);
  if (r.status == BASE_OK && !copy_out(out, &b)) {
    r.status = base_fail(err, BASE_ENOMEM, t->name, "no memory for the prompt");
  }
  chat_heap_free(&r.heap);
  return r.status;
}
