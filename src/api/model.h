/* Private to api/: a language model with everything that runs on it, shared by model.c, session.c and
 * generate.c. */
#ifndef API_MODEL_H
#define API_MODEL_H

#include <stdatomic.h>

#include "api/api.h"
#include "gen/gen.h"
#include "gguf/gguf.h"
#include "lm/lm.h"
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
  os_turn *turn;         /* around everything that touches gen or lm */
  tok_scratch scratch;   /* under the turn */
  mn_session *sessions;  /* all that are open; the list changes under the turn */
  uint64_t fingerprint;  /* of the weights and the vocabulary */
  mn_memory memory;
  char architecture[64], name[128];
  const char *kernels;
  uint32_t threads;
};

typedef struct api_message {
  char *role, *content; /* terminated */
  size_t role_bytes, content_bytes;
} api_message;

/* Events of one delivery: copied under the turn, handed to callbacks outside. */
enum { API_MAX_EVENTS = 64 };

struct mn_session {
  mn_model *model;
  mn_session *next;
  api_message *messages;
  size_t n_messages, cap_messages;
  tok_scratch scratch;
  atomic_bool cancel;
  /* the generation that runs */
  gen_job *job;
  mn_generate_options options; /* callbacks and flags; its strings are not looked at any more */
  bool stepped, chat, over;    /* by mn_model_step; from the messages; all was delivered */
  bool stopped;                /* a callback said no */
  uint32_t progress;           /* last told */
  gen_event events[API_MAX_EVENTS];
  size_t n_events;
  base_buf fresh;  /* text of these events, each terminated */
  base_buf answer; /* all text that was delivered */
};

#define API_OUT_OF_MEMORY(err, what) base_fail(err, BASE_ENOMEM, what, "no memory, or none within the bound")

/* The session's messages as tokens by the model's template; `open_answer`: with the beginning of an answer. */
base_status api_session_tokens(mn_session *s, bool open_answer, uint32_t **ids, size_t *n, size_t *room,
                               base_error *err);
/* Text as tokens, with what the vocabulary wants in front. The ids are of the model's allocator, room of them.
 */
base_status api_model_encode(mn_model *m, tok_scratch *scratch, const tok_input *in, uint32_t **ids, size_t *n,
                             size_t *room, base_error *err);
base_status api_session_append(mn_session *s, base_slice role, base_slice content, base_error *err);

#endif
