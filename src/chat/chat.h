/* chat: a conversation to the text that a model was trained on, by the template in its file (Jinja, as
 * Hugging Face transformers renders it: trim_blocks, lstrip_blocks, loop controls, tojson without HTML
 * escapes). The language's constructs that such templates use are interpreted; any other is an error that
 * names the line. Steps, memory, output and depth are bounded. */
#ifndef CHAT_CHAT_H
#define CHAT_CHAT_H

#include "base/base.h"
#include "gguf/gguf.h"
#include "tok/tok.h"

typedef struct chat_call {
  base_slice id, name;
  base_slice arguments; /* a JSON object */
  bool as_text;         /* the template gets the arguments as a text, not as an object */
} chat_call;

typedef struct chat_message {
  base_slice role; /* system, user, assistant, tool */
  base_slice content;
  base_slice reasoning;    /* assistant: `reasoning_content`; empty: absent */
  base_slice name;         /* tool: the function that answered; empty: absent */
  base_slice tool_call_id; /* tool; empty: absent */
  const chat_call *calls;  /* assistant: `tool_calls` */
  size_t n_calls;
  bool empty_text;         /* calls without content: the template gets "" rather than none */
} chat_message;

typedef struct chat_input {
  size_t size; /* sizeof(chat_input) */
  const chat_message *messages;
  size_t n_messages;
  base_slice tools;     /* JSON array of tool definitions; empty: none */
  base_slice variables; /* JSON object of further variables (`enable_thinking`); empty: none */
  bool add_generation_prompt;
  base_slice bos_token, eos_token; /* their names; empty: as an empty string */
  int64_t unix_seconds;            /* local time for strftime_now: Unix time plus offset to UTC */
} chat_input;

/* The prompt. `untrusted` says which bytes came out of the conversation, tools and variables rather than out
 * of the template: given to tok_encode with TOK_PARSE_SPECIAL, text in a message cannot become a control
 * token. */
typedef struct chat_prompt {
  base_buf text;
  tok_span *untrusted; /* sorted, disjoint */
  size_t n_untrusted, cap_untrusted;
} chat_prompt;
void chat_prompt_free(chat_prompt *p); /* harmless on a zeroed one */

typedef struct chat_template chat_template;

/* Reads a template (copied). A template that cannot be used is an error whose `where` names it by hash and
 * first characters and whose text names line and construct: EFORMAT for broken syntax, EUNSUPPORTED for what
 * is not known. */
base_status chat_template_open(chat_template **out, base_slice source, const base_allocator *allocator,
                               base_error *err);
/* The file's `tokenizer.chat_template`; ENOTFOUND when it has none. */
base_status chat_template_open_gguf(chat_template **out, const gguf_file *f, const base_allocator *allocator,
                                    base_error *err);
void chat_template_close(chat_template *t); /* NULL is harmless */
/* "template 1f0c…: {{ bos_token }}{% for": the name used in errors. */
const char *chat_template_name(const chat_template *t);

/* Renders into `out` (emptied first; zero-initialised before its first use). What the template raises itself
 * ("roles must alternate") is EARGUMENT with its words. Immutable: threads may share a template. */
base_status chat_render(const chat_template *t, const chat_input *in, chat_prompt *out,
                        const base_allocator *allocator, base_error *err);

#endif
