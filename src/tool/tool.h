/* tool: functions that a model may call. Their definitions as OpenAI's API has them (`tools`, `tool_choice`),
 * the form in which the model's own template writes a call, a conversation with calls for that template, and
 * calls read back out of an answer.
 *
 * The form is found by looking: a conversation with calls of made-up functions is rendered, and what stands
 * around their names and arguments is the form, whatever the family. A template that knows no tools, or does
 * not write calls as a name and a JSON object, gets a plain form that the system message explains. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include "base/base.h"
#include "chat/chat.h"
#include "mask/mask.h"
#include "tok/tok.h"

/* ---- definitions ---- */

typedef struct tool_set tool_set;

enum { TOOL_MAX_TOOLS = 512, TOOL_MAX_NAME = 64, TOOL_ID_BYTES = 9 };

/* Reads [{"type":"function","function":{"name","description","parameters","strict"}}, ...]. Names are 1 to 64
 * of A-Z a-z 0-9 _ - and differ; parameters, when there, are a JSON Schema of type "object", which is
 * compiled. err->where is the place as OpenAI's API names it: "tools[0].function.name". The text is copied. */
base_status tool_set_open(tool_set **out, base_slice json, const base_allocator *a, base_error *err);
void tool_set_close(tool_set *s); /* NULL is harmless */
size_t tool_set_count(const tool_set *s);
base_slice tool_set_json(const tool_set *s); /* as it was given */

/* Which of them may, or have to, be called. */
typedef struct tool_choice {
  bool none, required; /* neither: the model decides */
  bool allowed[TOOL_MAX_TOOLS];
} tool_choice;

/* Reads a tool_choice: none, auto, required (with or without quotes),
 * {"type":"function","function":{"name"}}, or {"type":"allowed_tools","allowed_tools":{"mode","tools"}};
 * empty: auto. BASE_ENOTFOUND names a tool that is none. */
base_status tool_choice_read(tool_choice *out, const tool_set *s, base_slice json, const base_allocator *a,
                             base_error *err);

/* ---- the form of a call ---- */

typedef struct tool_form tool_form;

/* Looks at a template; `bos` and `eos` are the names of these tokens. Renders some short conversations. */
base_status tool_form_open(tool_form **out, const chat_template *t, const tok_vocab *v, base_slice bos,
                           base_slice eos,
                           const base_allocator *a, base_error *err);
void tool_form_close(tool_form *f); /* NULL is harmless */
bool tool_form_is_own(const tool_form *f); /* what the template says; false: the plain one */
/* The literals, without parts: what mask_form_open wants. As long as f. */
mask_form tool_form_literals(const tool_form *f);

/* The rule of an answer: words or calls as the choice says, each call with arguments that fit its schema.
 * `single`: one call at most. */
base_status tool_rule(mask_rule **out, const tool_form *f, const tool_set *s, const tool_choice *c, bool single,
                      mask_order order, const base_allocator *a, base_error *err);

/* ---- a conversation with calls ---- */

typedef struct tool_prompt {
  chat_message *messages;
  size_t n_messages;
  base_slice tools; /* for the template; may be empty */
  /* private */
  const base_allocator *allocator;
  chat_message *block;
  size_t n_block;
  chat_call *calls;
  size_t n_calls;
  base_buf text;
} tool_prompt;

/* What to give to chat_render: `messages` as they are where the template knows calls; else calls as the text
 * of the plain form, results as a user's messages and the functions in the system message. s may be NULL: no
 * tools. Results get the name of the function by their call's id. Borrows `messages`, f and s. */
base_status tool_prompt_make(tool_prompt *out, const tool_form *f, const tool_set *s,
                             const chat_message *messages,
                             size_t n_messages, const base_allocator *a, base_error *err);
void tool_prompt_free(tool_prompt *p); /* harmless on a zeroed one */

/* ---- an answer ---- */

typedef struct tool_answer {
  base_slice words;  /* before the first call; without white space at the end when there are calls */
  chat_call *calls;  /* texts lie in the answer, ids in `text` */
  size_t n_calls;
  /* private */
  const base_allocator *allocator;
  size_t cap_calls;
  base_buf text;
} tool_answer;

/* Reads a text that the rule let through, as mask_run_text has it (control tokens are 0xFF and their names);
 * `words` bytes at its beginning are words, and calls follow when `called`. Ids are made from `seed` and the
 * text. BASE_EMISMATCH, with the name of the tool and the place, when arguments do not fit their schema. */
base_status tool_answer_read(tool_answer *out, const tool_form *f, const tool_set *s, base_slice text,
                             size_t words,
                             bool called, uint64_t seed, const base_allocator *a, base_error *err);
void tool_answer_free(tool_answer *o); /* harmless on a zeroed one */

#endif
