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

/* An allocator that refuses what would exceed a limit. */
typedef struct api_bound {
  base_allocator under, bounded;
  size_t limit; /* SIZE_MAX: none */
  atomic_size_t used;
} api_bound;

struct mn_model {
  api_bound bound;
  gguf_file *file;
  os_team *team;
  tok_vocab *vocab;
  gen_lm lm;
  gen_engine *gen;
  chat_template *chat;   /* NULL: none that can be used; chat_error says why */
  base_error chat_error;
  mask_vocab *mask;      /* made when the first rule comes; under the turn */
  os_turn *turn;         /* around everything that touches gen or lm */
  tok_scratch scratch;   /* under the turn */
  mn_session *sessions;  /* all that are open; the list changes under the turn */
  mn_memory memory;
  char architecture[64], name[128];
  const char *kernels;
  uint32_t threads;
};

typedef struct api_message {
  char *role, *content; /* terminated */
  size_t role_bytes, content_bytes;
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

/* What an answer has to be. */
typedef struct api_rule {
  mask_rule *rule; /* NULL: none */
  mask_run *run;
  constrain_schema *schema; /* NULL for other kinds of rules */
  bool hold;                /* nothing is shown before all is checked */
} api_rule;

struct mn_session {
  mn_model *model;
  mn_session *next;
  api_message *messages;
  size_t n_messages, cap_messages;
  tok_scratch scratch;
  atomic_bool cancel;
  chat_prompt prompt; /* the messages in the template, as last rendered */
  api_ids ids;        /* the prompt in tokens, of the last call */
  /* What the model has read and written of this conversation, as text and as the tokens it was, with marks at the end of
   * each prompt and answer: the next prompt takes these tokens up to the last mark to which the text is the same, so
   * that only what is new is read. */
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
  bool ruled, held;            /* the last answer was under a rule; was not shown yet */
  bool tokens_lost;            /* answer_ids is not all of the answer */
  uint32_t progress;           /* last told */
  api_rule rule;
  char cache[API_MAX_PATH];    /* where the prompt's cache still has to be written; "" for nowhere */
  base_error cache_error;
  gen_event events[API_MAX_EVENTS];
  size_t n_events;
  base_buf fresh;  /* text of these events, each terminated */
  base_buf answer; /* all text that was delivered */
  api_ids answer_ids;
};

#define API_OUT_OF_MEMORY(err, what) base_fail(err, BASE_ENOMEM, what, "no memory, or none within the bound")

/* The session's messages by the model's template, in s->ids; `open_answer`: with the beginning of an answer. */
base_status api_session_tokens(mn_session *s, bool open_answer, base_error *err);
/* After an answer: keeps what was read and written for the next turn. */
void api_session_keep(mn_session *s, bool whole);
base_status api_session_append(mn_session *s, base_slice role, base_slice content, base_error *err);
/* Text as tokens behind those of `ids`, with what the vocabulary wants in front. */
base_status api_model_encode(mn_model *m, tok_scratch *scratch, const tok_input *in, api_ids *ids, base_error *err);

/* rule.c */
base_status api_rule_compile(mn_session *s, const mn_generate_options *o, base_error *err);
base_status api_rule_start(mn_session *s, base_error *err); /* under the turn */
void api_rule_close(mn_session *s);                         /* under the turn */
/* BASE_OK when the answer is complete and fits. */
base_status api_rule_check(mn_session *s, mn_finish finish, base_error *err);

bool api_ids_reserve(api_ids *ids, size_t room, const base_allocator *a); /* room for so many in all */
void api_ids_free(api_ids *ids, const base_allocator *a);

#endif
