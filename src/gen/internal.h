/* Private to gen: what engine.c (slots, jobs), step.c (batches) and emit.c (events) share. */
#ifndef GEN_INTERNAL_H
#define GEN_INTERNAL_H

#include "gen/gen.h"
#include "os/os.h"

/* EVENTS: that a job can hold. STEP_EVENTS: that one step can make; a job with less room is left out.
 * FEW: so many unread tokens are read at once, before the prompts of others. DRAFT: longest guess.
 * FORCED: most tokens that a rule puts in at once. */
enum {
  GEN_EVENTS = 64,
  GEN_STEP_EVENTS = 32,
  GEN_FEW = 32,
  GEN_DRAFT = 16,
  GEN_FORCED = GEN_STEP_EVENTS - GEN_DRAFT - 1
};

/* A sequence of the cache. tokens[0 .. length of the sequence) are in it, the rest of tokens[0 .. n) not yet.
 */
typedef struct gen_slot {
  uint32_t *tokens; /* [context] prompt and output */
  uint32_t n;
  gen_job *job;       /* NULL: idle, content kept */
  uint64_t last_used; /* engine's clock of admissions; the smallest is given away first */
} gen_slot;

typedef struct gen_queued {
  uint32_t token;
  uint32_t begin, end; /* in the job's text */
  gen_logprobs logprobs;
} gen_queued;

struct gen_job {
  gen_engine *engine;
  gen_job *next;       /* in the order of arrival */
  uint32_t *prompt;    /* [n_prompt] */
  gen_request request; /* prompt and stops are not looked at any more */
  gen_slot *slot;      /* NULL while waiting and when over */
  uint32_t slot_index;
  gen_finish finish;
  base_error error;
  gen_stats stats;
  uint64_t since_ns; /* start of the present phase */
  /* output */
  gen_stops stops;
  tok_stream stream;
  base_buf text; /* of the queued events */
  gen_queued queue[GEN_EVENTS];
  uint32_t n_queued, n_taken;
  /* drafts */
  uint32_t draft[GEN_DRAFT];
  uint32_t n_draft, draft_len, draft_rest; /* length to try next; steps to leave out after misses */
  /* a rule's way to an end, once it is taken: rule.c */
  uint32_t *way, n_way, at_way;
  uint32_t watch;   /* it is looked for when so few tokens are left */
  uint32_t again;   /* draws of the present token that were given up */
  bool strands;     /* the rule may: each token is looked at */
  bool lost;        /* no way was found: not at each any more */
  uint32_t n_batch; /* tokens in the present batch */
  size_t first_row;
  bool wants_logits;
};

struct gen_engine {
  base_allocator allocator;
  gen_backend backend;
  const tok_vocab *vocab;
  gen_options options;
  gen_sampler *sampler;
  uint32_t *mask;      /* [vocab / 32 rounded up] a rule's mask with the end tokens */
  tok_scratch scratch; /* for what a rule forces */
  gen_job *jobs; /* all that are not over, in the order of arrival */
  uint64_t clock;
  void *block;
  size_t block_bytes;
  gen_slot *slots;  /* [backend.sequences] */
  lm_token *batch;  /* [max_batch] */
  float *logits;    /* [max_rows][vocab] */
  float *states;    /* [max_rows][width], of a pass in which somebody is traced */
  uint32_t max_batch, max_rows;
};

/* engine.c */
uint32_t gen_slot_length(const gen_engine *e, const gen_slot *s); /* tokens in the cache */
uint32_t gen_slot_common(const gen_engine *e, const gen_slot *s, const uint32_t *tokens, size_t n);
/* Where `tokens` agree longest, busy slots too; NULL and 0 when they agree nowhere. */
gen_slot *gen_slot_alike(gen_engine *e, const uint32_t *tokens, size_t n, uint32_t *common);
/* The idle slot whose loss hurts least, other than `but`; NULL when none is idle. */
gen_slot *gen_slot_idle(gen_engine *e, const gen_slot *but);
bool gen_job_admit(gen_job *j);                                   /* false: no idle slot */
void gen_job_end(gen_job *j, gen_finish why); /* gives the slot back, flushes the text; once */
base_status gen_job_fail(gen_job *j, base_status code, const char *where, const char *text); /* gives `code` */

/* rule.c */
/* The mask for the next token; NULL without a rule, or when the job failed. */
const uint32_t *gen_rule_mask(gen_job *j);
/* Takes a drawn token; ends the job when nothing may follow. */
void gen_rule_take(gen_job *j, uint32_t token);
/* Puts in what must follow. */
void gen_rule_force(gen_job *j);
/* What becomes of a token that is drawn but not taken: GEN_AGAIN: no text fits behind it; GEN_GO_WAY: behind it too few
 * tokens would be left to complete the text, and masks now lead to its end. */
typedef enum gen_verdict { GEN_KEEP, GEN_AGAIN, GEN_GO_WAY } gen_verdict;
gen_verdict gen_rule_judge(gen_job *j, uint32_t token);
const uint32_t *gen_rule_without(gen_job *j, const uint32_t *mask, uint32_t token); /* NULL: none is left */
void gen_rule_close(gen_job *j);

/* step.c */
void gen_accept(gen_job *j, uint32_t token, const gen_logprobs *logprobs); /* a token becomes part of the answer */

/* emit.c */
void gen_emit(gen_job *j, uint32_t token, const gen_logprobs *logprobs); /* may end the job: stop string */
void gen_emit_rest(gen_job *j);                                         /* what was held back */

#endif
