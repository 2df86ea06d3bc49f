/* gen/step: one batch. What a job has not read yet, its pending tokens, is what it wants in the batch: one token
 * while it writes, the rest of the prompt while it reads.
 *
 *   1. jobs with few pending tokens get all of them in, with a guess of what follows where they may
 *   2. the others share what is left of a block
 *   3. one forward pass; then each job whose last token was in draws its next ones */
#include <string.h>

#include "gen/internal.h"

/* Steps without a guess after so many guesses in a row went wrong. */
enum { LONGEST_REST = 8 };

static uint32_t pending(const gen_job *j) { return j->slot->n - gen_slot_length(j->engine, j->slot); }

static bool has_room(const gen_job *j) {
  uint32_t held = j->n_taken == j->n_queued ? 0 : j->n_queued;
  return held + GEN_STEP_EVENTS <= GEN_EVENTS;
}

/* ---- before the batch ---- */

static bool is_cancelled(const gen_job *j) {
  return j->request.cancel != NULL && atomic_load_explicit(j->request.cancel, memory_order_relaxed);
}

static void end_if_asked(gen_job *j, uint64_t now) {
  if (is_cancelled(j)) gen_job_end(j, GEN_CANCELLED);
  else if (j->request.deadline_ns > 0 && now >= j->request.deadline_ns) gen_job_end(j, GEN_DEADLINE);
}

static void end_those_asked(gen_engine *e) {
  uint64_t now = os_monotonic_ns();
  for (gen_job *j = e->jobs, *next; j != NULL; j = next) {
    next = j->next;
    end_if_asked(j, now);
  }
}

/* First come, first served: a job that finds no slot holds up those behind it. */
static void admit(gen_engine *e) {
  for (gen_job *j = e->jobs; j != NULL; j = j->next)
    if (j->slot == NULL && !gen_job_admit(j)) return;
}

/* ---- guesses ---- */

/* How many tokens may be guessed: all must fit into the answer, the context, the events and the rows. */
static uint32_t draft_room(const gen_job *j, uint32_t rows_left) {
  const gen_engine *e = j->engine;
  uint32_t room = j->draft_len < rows_left ? j->draft_len : rows_left;
  uint32_t in_context = e->backend.context - j->slot->n;
  if (room + 1 > in_context) room = in_context > 0 ? in_context - 1 : 0;
  if (j->request.max_tokens > 0) {
    uint32_t left = j->request.max_tokens - j->stats.generated;
    if (room + 1 > left) room = left - 1;
  }
  return room;
}

static void guess(gen_job *j, uint32_t rows_left) {
  j->n_draft = 0;
  if (!j->request.lookup || rows_left == 0) return;
  if (j->draft_rest > 0) {
    j->draft_rest--;
    return;
  }
  j->n_draft = (uint32_t)gen_lookup(j->slot->tokens, j->slot->n, j->draft, draft_room(j, rows_left));
}

/* A guess that came true throughout makes the next one longer; one of which nothing came true is followed by
 * steps without. The output does not depend on it. */
static void learn_from_guess(gen_job *j, uint32_t accepted) {
  if (j->n_draft == 0) return;
  j->stats.drafted += j->n_draft;
  j->stats.accepted += accepted;
  if (accepted == j->n_draft && j->draft_len < GEN_DRAFT) j->draft_len *= 2;
  else if (accepted < j->n_draft / 2 && j->draft_len > 2) j->draft_len /= 2;
  if (accepted == 0) j->draft_rest = GEN_DRAFT / j->draft_len < LONGEST_REST ? GEN_DRAFT / j->draft_len : LONGEST_REST;
}

/* ---- the batch ---- */

typedef struct batch {
  uint32_t n, rows;
} batch;

static void put_token(gen_engine *e, batch *b, uint32_t id, uint32_t sequence, bool logits) {
  e->batch[b->n++] = (lm_token){.id = id, .sequence = sequence, .logits = logits};
  b->rows += logits;
}

/* The next `count` pending tokens of a job, and its guess behind the last. */
static void put_job(gen_engine *e, batch *b, gen_job *j, uint32_t count) {
  uint32_t at = gen_slot_length(e, j->slot);
  j->n_batch = count;
  j->wants_logits = at + count == j->slot->n && !j->request.read_only;
  j->first_row = b->rows;
  for (uint32_t i = 0; i < count; i++)
    put_token(e, b, j->slot->tokens[at + i], j->slot_index, j->wants_logits && i == count - 1);
  for (uint32_t i = 0; i < j->n_draft; i++) put_token(e, b, j->draft[i], j->slot_index, true);
}

static void put_writers(gen_engine *e, batch *b) {
  uint32_t rows_left = e->options.drafts;
  for (gen_job *j = e->jobs; j != NULL; j = j->next) {
    j->n_batch = j->n_draft = 0;
    if (j->slot == NULL || !has_room(j) || pending(j) > GEN_FEW) continue;
    if (pending(j) == 1) guess(j, rows_left);
    rows_left -= j->n_draft;
    put_job(e, b, j, pending(j));
  }
}

static void put_readers(gen_engine *e, batch *b) {
  uint32_t readers = 0, left = e->backend.block;
  left = b->n < left * 3 / 4 ? left - b->n : left / 4 + 1; /* many writers do not stop the readers */
  for (gen_job *j = e->jobs; j != NULL; j = j->next) readers += j->slot != NULL && has_room(j) && j->n_batch == 0;
  for (gen_job *j = e->jobs; j != NULL && left > 0; j = j->next) {
    if (j->slot == NULL || !has_room(j) || j->n_batch > 0) continue;
    uint32_t share = (left + readers - 1) / readers, count = pending(j) < share ? pending(j) : share;
    put_job(e, b, j, count);
    left -= count;
    readers--;
  }
}

/* ---- after the batch ---- */

/* Makes room by forgetting the older half of what may be forgotten; what is left is read again. */
static bool shift(gen_job *j) {
  gen_slot *s = j->slot;
  uint32_t keep = j->request.keep, drop = s->n > keep ? (s->n - keep) / 2 : 0;
  if (!j->request.shift || drop == 0) return false;
  memmove(s->tokens + keep, s->tokens + keep + drop, (s->n - keep - drop) * sizeof *s->tokens);
  s->n -= drop;
  j->engine->backend.truncate(j->engine->backend.ctx, j->slot_index, keep);
  j->stats.shifts++;
  return true;
}

static void note_first_token(gen_job *j) {
  uint64_t now = os_monotonic_ns();
  j->stats.prompt_ns = now - j->since_ns;
  j->since_ns = now;
}

void gen_accept(gen_job *j, uint32_t token, const gen_logprobs *logprobs) {
  gen_slot *s = j->slot;
  if (j->stats.generated++ == 0) note_first_token(j);
  s->tokens[s->n++] = token;
  bool may_end = !j->request.ignore_end || j->request.rule != NULL;
  if (may_end && tok_vocab_is_eog(j->engine->vocab, token)) {
    gen_job_end(j, GEN_STOP);
    return;
  }
  gen_emit(j, token, logprobs);
  if (j->finish == GEN_GOING && j->request.rule != NULL) gen_rule_take(j, token);
  if (j->finish != GEN_GOING) return;
  if (j->stats.generated == j->request.max_tokens) gen_job_end(j, GEN_LENGTH);
  else if (s->n == j->engine->backend.context && !shift(j)) gen_job_end(j, GEN_CONTEXT);
}

static uint32_t sample_row(gen_job *j, uint32_t row, gen_logprobs *logprobs) {
  gen_engine *e = j->engine;
  const gen_slot *s = j->slot;
  float *logits = e->logits + (j->first_row + row) * e->backend.vocab;
  const uint32_t *mask = gen_rule_mask(j);
  if (j->finish != GEN_GOING) return GEN_NO_TOKEN;
  if (j->request.trace != NULL)
    gen_trace_look(j->request.trace, logits, e->backend.vocab, e->states + (j->first_row + row) * e->backend.width,
                   e->backend.width, e->options.kernels);
  for (;;) {
    uint32_t token =
        gen_sample(e->sampler, logits, mask, &j->request.sampling, s->tokens, s->n, j->stats.generated, logprobs);
    gen_verdict verdict = gen_rule_judge(j, token);
    if (verdict == GEN_KEEP) return token;
    const uint32_t *other = verdict == GEN_AGAIN ? gen_rule_without(j, mask, token) : gen_rule_mask(j);
    if (other == NULL) return token;
    mask = other;
  }
}

/* Draws from row after row while the guess behind it comes true; what the cache holds of the rest of the guess
 * is forgotten. */
static void write_tokens(gen_job *j) {
  const gen_backend *b = &j->engine->backend;
  uint32_t before = j->slot->n, sequence = j->slot_index, accepted = 0, shifts = j->stats.shifts;
  for (uint32_t row = 0; row <= j->n_draft; row++) {
    gen_logprobs logprobs = {.n = j->request.n_logprobs};
    bool judged = j->request.logprobs || j->request.trace != NULL;
    uint32_t token = sample_row(j, row, judged ? &logprobs : NULL);
    if (token == GEN_NO_TOKEN) {
      if (j->finish == GEN_GOING)
        (void)gen_job_fail(j, BASE_EFORMAT, "model", "it gave no number for any token; its weights may be damaged");
      break;
    }
    if (j->request.trace != NULL) gen_trace_token(j->request.trace, logprobs.chosen);
    bool as_guessed = row < j->n_draft && token == j->draft[row];
    accepted += as_guessed;
    gen_accept(j, token, j->request.logprobs ? &logprobs : NULL);
    if (!as_guessed || j->finish != GEN_GOING || j->stats.shifts > shifts) break;
  }
  learn_from_guess(j, accepted);
  if (j->finish == GEN_GOING && j->request.rule != NULL && !j->request.logprobs && j->request.trace == NULL)
    gen_rule_force(j);
  if (j->n_draft > 0 && b->length(b->ctx, sequence) > before + accepted)
    b->truncate(b->ctx, sequence, before + accepted);
}

/* ---- the step ---- */

/* The pass is given up when everybody in it wants it to end. */
static bool all_asked_to_end(void *ctx) {
  const gen_engine *e = ctx;
  uint64_t now = os_monotonic_ns();
  for (const gen_job *j = e->jobs; j != NULL; j = j->next) {
    if (j->n_batch == 0 || is_cancelled(j)) continue;
    if (j->request.deadline_ns == 0 || now < j->request.deadline_ns) return false;
  }
  return true;
}

static void finish_batch(gen_engine *e, base_status st, const base_error *err) {
  for (gen_job *j = e->jobs, *next; j != NULL; j = next) {
    next = j->next;
    if (j->n_batch == 0) continue;
    if (st == BASE_ECANCELLED) end_if_asked(j, os_monotonic_ns());
    else if (st) (void)gen_job_fail(j, st, err->where, err->text);
    else if (j->wants_logits) write_tokens(j);
    else if (j->request.read_only && pending(j) == 0) gen_job_end(j, GEN_LENGTH);
  }
}

static bool anybody_traced(const gen_engine *e) {
  for (const gen_job *j = e->jobs; j != NULL; j = j->next)
    if (j->n_batch > 0 && j->request.trace != NULL) return true;
  return false;
}

bool gen_engine_step(gen_engine *e) {
  batch b = {0};
  base_error err = {0};
  lm_watch watch = {.ctx = e, .stop = all_asked_to_end};
  end_those_asked(e);
  admit(e);
  put_writers(e, &b);
  put_readers(e, &b);
  if (b.n == 0) return false;
  if (e->backend.width > 0 && anybody_traced(e)) watch.states = e->states;
  base_status st = e->backend.forward(e->backend.ctx, e->batch, b.n, e->logits, &watch, &err);
  finish_batch(e, st, &err);
  return true;
}
