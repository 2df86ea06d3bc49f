/* gen: text out of a language model. Sampling, stop sequences, prompt-lookup drafts; then sessions over one
 * set of weights, which step together.
 *
 * Everything here is a function of its inputs: the same logits, history, settings, seed and position give the
 * same token on every machine, alone or in company, with drafts or without. */
#ifndef GEN_GEN_H
#define GEN_GEN_H

#include "base/base.h"
#include "cpu/cpu.h"

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

#endif
