/* gen: text out of a language model. Sampling, stop sequences, prompt-lookup drafts; then sessions over one
 * set of weights, which step together.
 *
 * Everything here is a function of its inputs: the same logits, history, settings, seed and position give the
 * same token on every machine, alone or in company, with drafts or without. */
#ifndef GEN_GEN_H
#define GEN_GEN_H

#include <stdatomic.h>

#include "base/base.h"
#include "cpu/cpu.h"
#include "lm/lm.h"
#include "mask/mask.h"
#include "tok/tok.h"

/* ---- choosing a token ---- */

/* How the next token is drawn. The steps and their order are llama.cpp's: penalties, top-k, top-p, min-p,
 * temperature, draw. A zeroed struct is greedy without penalties. */
typedef struct gen_sampling {
  float temperature; /* the kept logits are divided by it; 0: the largest logit is taken */
  uint32_t top_k;    /* the k largest logits are kept; 0: all */
  float top_p;       /* of those the fewest whose probabilities reach p (Holtzman et al. 2020); 0 or >= 1: all */
  float min_p;       /* of those the ones with at least p times the best one's probability; 0: all */
  /* Over the last `penalty_tokens` of prompt and output, a token that occurs `count` times:
   *   repeat (Keskar et al. 2019): a logit above 0 is divided by it, one below multiplied; 0 or 1: off
   *   then logit -= count * frequency + presence */
  float repeat, frequency, presence;
  uint32_t penalty_tokens; /* 0: 64; UINT32_MAX: all */
  uint64_t seed;
} gen_sampling;

/* BASE_EARGUMENT, naming the field, for a value that is not finite or out of range. */
base_status gen_sampling_check(const gen_sampling *s, base_error *err);

/* log p of the model's own distribution: before masks, penalties and temperature. */
typedef struct gen_logprob {
  uint32_t token;
  float logprob;
} gen_logprob;

enum { GEN_MAX_LOGPROBS = 20 };

typedef struct gen_logprobs {
  uint32_t n;        /* wanted: the n most likely tokens, best first; at most GEN_MAX_LOGPROBS */
  float chosen;      /* of the token that was drawn */
  gen_logprob top[GEN_MAX_LOGPROBS];
} gen_logprobs;

/* Scratch for one thread at a time, for one size of vocabulary. */
typedef struct gen_sampler gen_sampler;

size_t gen_sampler_bytes(size_t vocab);
base_status gen_sampler_new(gen_sampler **out, size_t vocab, const cpu_kernels *kernels,
                            const base_allocator *allocator, base_error *err);
void gen_sampler_free(gen_sampler *s); /* NULL is harmless */

#define GEN_NO_TOKEN UINT32_MAX

/* Draws a token. No allocation.
 *   logits   [vocab], overwritten
 *   mask     bit id of mask[id / 32] allows a token; NULL: all
 *   history  prompt and output so far, for the penalties
 *   position the number of the draw, counted from the request's start: a draw depends on seed and position,
 *            not on the draws before it
 *   logprobs NULL, or `n` set and the rest filled
 * GEN_NO_TOKEN when the mask leaves nothing or no allowed logit is a number above -infinity. */
uint32_t gen_sample(gen_sampler *s, float *logits, const uint32_t *mask, const gen_sampling *how,
                    const uint32_t *history, size_t n_history, uint64_t position, gen_logprobs *logprobs);

/* ---- what a model thinks of its own answer ---- */

enum { GEN_TRACE_STATE = 24 };

/* Sums over the tokens of an answer, for a probe that says how likely the answer is right (route.h). Probabilities
 * are the model's own, as in gen_logprob, entropies in nats. A state is the hidden state behind the logits at unit
 * mean square, seen through random signs (Achlioptas 2003): as many numbers whatever the model's width, the same
 * signs everywhere. */
typedef struct gen_trace {
  uint32_t tokens;
  double logprob, logprob_squares; /* of the tokens that were drawn */
  float least_logprob, first_logprob;
  double entropy;
  float most_entropy, first_entropy;
  double margin; /* between the probabilities of the likeliest two */
  float least_margin;
  float prompt_state[GEN_TRACE_STATE]; /* behind the first token: of the prompt's end */
  float answer_state[GEN_TRACE_STATE]; /* sum over all tokens */
} gen_trace;

/* Before and after a draw. logits [vocab]; state [width], NULL with a width of 0. */
void gen_trace_look(gen_trace *t, const float *logits, size_t vocab, const float *state, size_t width,
                    const cpu_kernels *k);
void gen_trace_token(gen_trace *t, float logprob);

/* ---- stop sequences ---- */

enum { GEN_MAX_STOPS = 16, GEN_MAX_STOP_BYTES = 256 };

/* Watches a stream of bytes for strings that end it, wherever tokens begin and end, and lets through what
 * can no longer become part of one. Each string runs its Knuth-Morris-Pratt automaton; the longest prefix
 * that any of them has seen is what is held back. */
typedef struct gen_stops {
  size_t n;
  struct {
    char text[GEN_MAX_STOP_BYTES];
    uint16_t fall[GEN_MAX_STOP_BYTES]; /* length of the longest proper prefix that is also a suffix */
    uint16_t len, seen;
  } stop[GEN_MAX_STOPS];
  char held[GEN_MAX_STOP_BYTES];
  size_t n_held;
  int found; /* the stop that ended the stream, -1 before */
} gen_stops;

void gen_stops_init(gen_stops *s);
/* Empty and overlong strings, and more than fit, are refused. */
base_status gen_stops_add(gen_stops *s, base_slice text, base_error *err);
/* Adds to `out` what may be shown, in order. False once a stop was found: it and all behind it is swallowed;
 * of several that end at the same byte the longest is taken. */
bool gen_stops_feed(gen_stops *s, base_slice bytes, base_buf *out);
/* The end of the stream: what was held back is text after all. */
void gen_stops_flush(gen_stops *s, base_buf *out);

/* ---- prompt lookup (Saxena 2023) ---- */

/* Guesses the next tokens: finds the latest earlier place where the last 3 (else 2) tokens stand, and copies
 * what followed there, going round when that reaches the end. Returns `max`, or 0 when there is no such place. */
size_t gen_lookup(const uint32_t *tokens, size_t n, uint32_t *draft, size_t max);

/* ---- the engine: jobs over one set of weights ----
 *
 * A job is a prompt that becomes an answer. Jobs come and go at any time; each step of the engine runs one
 * batch: every job that writes gets its next token, and what is left of a block goes in equal shares to the
 * jobs whose prompts are still being read. A job's output has the same bits as if it ran alone.
 *
 * A job runs in a slot, a sequence of the KV cache. A slot keeps its content when its job ends; the next job
 * takes up where its prompt agrees with what any slot holds, and reads only the rest.
 *
 *        gen_job_new        slot free, in order        prompt read            end, stop, limit
 *   (new) ------> waiting ---------------> reading ---------------> writing ------------> over
 *                    |                        |   <--- shift ---       |                    ^
 *                    +--- cancel, deadline ---+------------------------+--------------------+
 *
 * One thread at a time may use an engine and its jobs. */

/* What an engine runs on: a language model and its cache (gen_backend_of_lm), or a test's stand-in. The
 * functions are lm's. */
typedef struct gen_backend {
  void *ctx;
  uint32_t vocab, context, block, sequences;
  uint32_t width; /* of hidden states; 0: there are none to see */
  base_status (*forward)(void *ctx, const lm_token *tokens, size_t n, float *logits, const lm_watch *watch,
                         base_error *err);
  uint32_t (*length)(void *ctx, uint32_t sequence);
  uint32_t (*keeps)(void *ctx, uint32_t sequence, uint32_t length);
  void (*truncate)(void *ctx, uint32_t sequence, uint32_t length);
  void (*copy)(void *ctx, uint32_t from, uint32_t to, uint32_t length);
  size_t (*export_bytes)(void *ctx, uint32_t length);
  void (*export)(void *ctx, uint32_t sequence, uint32_t length, void *out);
  base_status (*import)(void *ctx, uint32_t sequence, const void *bytes, size_t len, base_error *err);
  uint64_t (*fingerprint)(void *ctx); /* of the model and the kind of cache */
} gen_backend;

/* The real one. `l` stays where it is while the backend is used. */
typedef struct gen_lm {
  lm_model *model;
  lm_cache *cache;
  uint64_t fingerprint; /* 0 until asked for: it takes a walk over the vocabulary */
} gen_lm;
gen_backend gen_backend_of_lm(gen_lm *l);

typedef struct gen_engine gen_engine;
typedef struct gen_job gen_job;

typedef struct gen_options {
  const base_allocator *allocator; /* libc */
  const cpu_kernels *kernels;      /* the machine's best */
  uint32_t drafts;                 /* guessed tokens that one step may check, over all jobs; 0: none */
} gen_options;

size_t gen_engine_bytes(const gen_backend *b, const gen_options *o);
/* `vocab` must be as large as the model's or larger; both stay open while the engine is. */
base_status gen_engine_open(gen_engine **out, const gen_backend *b, const tok_vocab *vocab,
                            const gen_options *o, base_error *err);
void gen_engine_close(gen_engine *e); /* all its jobs must be freed before; NULL is harmless */

typedef enum gen_finish {
  GEN_GOING,
  GEN_STOP,      /* the model ended, or a stop string came */
  GEN_LENGTH,    /* as many tokens as were asked for */
  GEN_CONTEXT,   /* no room for another token */
  GEN_CANCELLED,
  GEN_DEADLINE,
  GEN_FAILED     /* gen_job_status says why; BASE_EMISMATCH: the rule led to a dead end */
} gen_finish;

typedef struct gen_request {
  const uint32_t *prompt; /* copied; at least 1 token, fewer than the context */
  size_t n_prompt;
  uint32_t max_tokens; /* 0: as many as fit */
  gen_sampling sampling;
  const base_slice *stops; /* copied */
  size_t n_stops;
  bool logprobs;           /* each event has them, with the `n_logprobs` most likely tokens */
  uint32_t n_logprobs;
  bool ignore_end;         /* end tokens are tokens like others */
  bool read_only;          /* only the prompt is read, for the next job's sake: ends with GEN_LENGTH */
  bool lookup;             /* drafts from the text itself; the output is the same */
  /* When the context is full: forget the older half of all but the first `keep` tokens and read the rest
   * again, instead of ending. */
  bool shift;
  uint32_t keep;
  uint64_t deadline_ns;    /* on os_monotonic_ns; 0: none */
  /* The answer is what a rule allows, from its first byte on: other tokens are masked, the model may only end where the
   * text is complete, and tokens that the rule leaves no choice about are put in without asking the model (unless
   * log-probabilities or a trace are wanted). Borrowed; at the empty text. NULL: free text. */
  mask_run *rule;
  gen_trace *trace; /* cleared, then summed up as the answer is written; NULL: not wanted */
  const atomic_bool *cancel; /* set by any thread: the job is over within one token; NULL: none */
} gen_request;

typedef struct gen_stats {
  uint32_t prompt, cached; /* tokens; cached ones were not read again */
  uint32_t generated;      /* an end token counts */
  uint32_t forced;         /* of these, put in by the rule */
  uint32_t drafted, accepted;
  uint32_t shifts;
  uint64_t wait_ns, prompt_ns, generate_ns; /* until admitted; until the first token; from then on */
} gen_stats;

/* One token's worth of output. */
typedef struct gen_event {
  uint32_t token;  /* GEN_NO_TOKEN: text that was held back, at the end */
  base_slice text; /* whole characters that may be shown now; may be empty; lives until the next gen_ call */
  gen_logprobs logprobs;
} gen_event;

base_status gen_job_new(gen_job **out, gen_engine *e, const gen_request *r, base_error *err);
void gen_job_free(gen_job *j); /* at any time; its slot keeps what was computed; NULL is harmless */
/* The next event; false when there is none for now. A job whose events nobody takes is left out of steps. */
bool gen_job_next(gen_job *j, gen_event *out);
gen_finish gen_job_finish(const gen_job *j); /* GEN_GOING until it is over; events may be left then */
base_status gen_job_status(const gen_job *j, base_error *err); /* of a job that failed */
gen_stats gen_job_stats(const gen_job *j);
/* Tokens of the prompt in the cache, and of the prompt. */
void gen_job_progress(const gen_job *j, uint32_t *done, uint32_t *total);

/* One batch. False when no job could go on (all over, waiting for a slot, or their events not taken). A
 * failure of the backend is a failure of the jobs in the batch. */
bool gen_engine_step(gen_engine *e);

/* ---- what was read of a prompt, as a file ----
 *
 * A system prompt is read once and then comes from the file. The format: "minnowkv", u32 version, u32 number of
 * tokens, u64 fingerprint of the model, u64 bytes of the cache, u64 FNV-1a of all tokens, the tokens, zeros up to a
 * multiple of 64, the cache as lm exports it (which knows its model, its type and whether it is damaged).
 * Little-endian. */

/* Puts the file's content into an idle slot when it agrees with more of `tokens` than what is there. *common: tokens at
 * the beginning for which that is so in the file. No file is BASE_OK and 0. BASE_EFORMAT: another kind of file, or
 * damaged; BASE_EMISMATCH: of another model or cache. */
base_status gen_prefix_load(gen_engine *e, const char *path, const uint32_t *tokens, size_t n, size_t *common,
                            base_error *err);
/* Writes the first n tokens of a slot that holds them, whole or not at all; BASE_EARGUMENT when none does. */
base_status gen_prefix_save(gen_engine *e, const char *path, const uint32_t *tokens, size_t n, base_error *err);

#endif
