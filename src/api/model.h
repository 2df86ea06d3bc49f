/* Private to api/: a language model with everything that runs on it, shared by model.c, session.c and
 * generate.c. */
#ifndef API_MODEL_H
#define API_MODEL_H

#include <stdatomic.h>

#include "api/api.h"
#include "chat/chat.h"
#include "constrain/constrain.h"
#include "gen/gen.h"
#include "gguf/gguf.h"
#include "lm/lm.h"
#include "mask/mask.h"
#include "tok/tok.h"
#include "tool/tool.h"

/* An allocator that refuses what would exceed a limit. */
typedef struct api_bound {
  base_allocator under, bounded;
  size_t limit; /* SIZE_MAX: none */
  atomic_size_t used;
} api_bound;

/* What an answer has to be. Rules with their runs and tables are kept by the model for the next answer under the same
 * one; `key` says which that is, with all options. */
typedef struct api_rule {
  mask_rule *rule; /* NULL: none */
  base_buf key;
  mask_run *run;
  constrain_schema *schema; /* NULL for other kinds of rules */
  bool hold;                /* nothing is shown before all is checked */
  bool tools;               /* words or calls of the session's tools */
} api_rule;

enum { API_KEPT_RULES = 4 };

struct mn_model {
  api_bound bound;
  gguf_file *file;
  os_team *team;
  tok_vocab *vocab;
  gen_lm lm;
  gen_engine *gen;
  chat_template *chat;   /* NULL: none that can be used; chat_error says why */
  base_error chat_error;
  char chat_problem[sizeof(base_error)]; /* its place and its text in one sentence */
  tool_form *form;       /* of calls in that template; made when the first tools come; under the turn */
  mask_vocab *mask;      /* made when the first rule comes; under the turn */
  os_turn *turn;         /* around everything that touches gen or lm */
  tok_scratch scratch;   /* under the turn */
  mn_session *sessions;  /* all that are open; the list changes under the turn */
  api_rule kept_rule[API_KEPT_RULES]; /* of earlier answers, the last one used first; under the turn */
  mn_memory memory;
  char architecture[64], name[128];
  const char *kernels;
  uint32_t threads;
};

/* Calls and their texts in one block. */
typedef struct api_calls {
  mn_tool_call *call;
  size_t n, bytes;
} api_calls;

typedef struct api_message {
  char *role, *content, *call_id; /* terminated; call_id: of a tool's result, else "" */
  size_t role_bytes, content_bytes, call_id_bytes;
  api_calls calls;
} api_message;

/* A growing list of token ids. */
typedef struct api_ids {
  uint32_t *id;
  size_t n, room;
} api_ids;

/* A place in a text, and in the tokens that it is. */
typedef struct api_mark {
  size_t bytes, ids;
} api_mark;

/* Events of one delivery: copied under the turn, handed to callbacks outside. */
enum { API_MAX_EVENTS = 64, API_MAX_PATH = 1024 };

struct mn_session {
  mn_model *model;
  mn_session *next;
  api_message *messages;
  size_t n_messages, cap_messages;
  tool_set *tools;    /* NULL: none */
  tool_choice choice; /* of the last call */
  tok_scratch scratch;
  atomic_bool cancel;
  chat_prompt prompt; /* the messages in the template, as last rendered */
  api_ids ids;        /* the prompt in tokens, of the last call */
  /* What the model has read and written of this conversation, as text and as the tokens it was, with marks at the end
   * of each prompt and answer: the next prompt takes these tokens up to the last mark to which the text is the same,
   * so that only what is new is read. */
  base_buf past_text;
  api_ids past_ids;
  api_mark *marks;
  size_t n_marks, cap_marks, n_taken; /* taken: by the present prompt */
  /* the generation that runs */
  gen_job *job;
  gen_trace *trace; /* for the next generation; NULL: not wanted */
  mn_generate_options options; /* callbacks and flags; its strings are not looked at any more */
  bool stepped, chat, over;    /* by mn_model_step; from the messages; all was delivered */
  bool stopped;                /* a callback said no */
  bool ruled, held, tooled;    /* the last answer was under a rule; was not shown yet; might have calls */
  bool tokens_lost;            /* answer_ids is not all of the answer */
  uint32_t progress;           /* last told */
  api_rule rule;
  char cache[API_MAX_PATH];    /* where the prompt's cache still has to be written; "" for nowhere */
  base_error cache_error;
  gen_event events[API_MAX_EVENTS];
  size_t n_events;
  base_buf fresh;  /* text of these events, each terminated */
  base_buf answer; /* all text that was delivered; with calls, all that the tokens say */
  size_t sure, shown; /* of an answer with tools: bytes that are words for certain; of these, shown */
  base_buf words;     /* of an answer with calls: what comes before them */
  api_calls calls;    /* of the last answer */
  api_ids answer_ids;
};

#define API_OUT_OF_MEMORY(err, what) base_fail(err, BASE_ENOMEM, what, "no memory, or none within the bound")

/* The session's messages by the model's template, in s->ids; `open_answer`: with the beginning of an answer. */
base_status api_session_tokens(mn_session *s, bool open_answer, base_error *err);
/* After an answer: keeps what was read and written for the next turn. */
void api_session_keep(mn_session *s, bool whole);
base_status api_session_append(mn_session *s, base_slice role, base_slice content, base_error *err);
/* Takes `calls` (emptied), also when it fails. */
base_status api_session_append_message(mn_session *s, base_slice role, base_slice content, base_slice call_id,
                                       api_calls *take_calls, base_error *err);
/* As OpenAI's API has them. */
base_status api_message_read(mn_session *s, base_slice json, const char *where, base_error *err);
void api_message_write(base_buf *out, const api_message *m);
bool api_is_role(base_slice role);
/* Text as tokens behind those of `ids`, with what the vocabulary wants in front. */
base_status api_model_encode(mn_model *m, tok_scratch *scratch, const tok_input *in, api_ids *ids, base_error *err);

/* tools.c */
base_status api_calls_copy(api_calls *out, const chat_call *calls, size_t n, const base_allocator *a);
base_status api_calls_dup(api_calls *out, const api_calls *c, const base_allocator *a);
void api_calls_free(api_calls *c, const base_allocator *a);
/* Reads the choice of the next answer into s->choice. */
base_status api_tools_choose(mn_session *s, const mn_generate_options *o, base_error *err);
bool api_tools_are_on(const mn_session *s); /* by that choice */
base_status api_tools_rule(mn_session *s, const mn_generate_options *o, base_error *err);
/* Calls out of the answer that the rule let through, into s->words and s->calls; under the turn. */
base_status api_tools_read(mn_session *s, base_error *err);
/* The messages as the template takes them. */
base_status api_tools_prompt(mn_session *s, const chat_message *messages, tool_prompt *out, base_error *err);

/* rule.c */
base_status api_rule_compile(mn_session *s, const mn_generate_options *o, base_error *err);
base_status api_rule_start(mn_session *s, base_error *err); /* under the turn */
void api_rule_close(mn_session *s);                         /* under the turn; keeps it for the next answer */
void api_rules_forget(mn_model *m);                         /* under the turn */
/* BASE_OK when the answer is complete and fits. */
base_status api_rule_check(mn_session *s, mn_finish finish, base_error *err);

bool api_ids_reserve(api_ids *ids, size_t room, const base_allocator *a); /* room for so many in all */
void api_ids_free(api_ids *ids, const base_allocator *a);

#endif
