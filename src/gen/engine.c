/* gen/engine: slots and jobs. A slot keeps what its last job computed, so that the next prompt that begins
 * the same way is read from there. */
#include <string.h>

#include "gen/internal.h"

/* ---- the engine ---- */

static void carve(gen_engine *e, base_arena *arena) {
  const gen_backend *b = &e->backend;
  e->max_rows = b->sequences + e->options.drafts;
  e->max_batch = b->sequences * GEN_FEW + e->options.drafts + b->block;
  e->slots = base_arena_take(arena, b->sequences, sizeof *e->slots);
  e->batch = base_arena_take(arena, e->max_batch, sizeof *e->batch);
  e->logits = base_arena_take(arena, e->max_rows, b->vocab * sizeof *e->logits);
  e->states = base_arena_take(arena, e->max_rows, b->width * sizeof *e->states);
  e->mask = base_arena_take(arena, (b->vocab + 31) / 32, sizeof *e->mask);
  for (uint32_t i = 0; i < b->sequences; i++) {
    uint32_t *tokens = base_arena_take(arena, b->context, sizeof *tokens);
    if (arena->block != NULL && !arena->overflow) e->slots[i] = (gen_slot){.tokens = tokens};
  }
}

static size_t block_bytes(const gen_backend *b, const gen_options *o) {
  gen_engine counted = {.backend = *b, .options = *o};
  base_arena arena;
  base_arena_init(&arena, NULL, 0);
  carve(&counted, &arena);
  return arena.used;
}

size_t gen_engine_bytes(const gen_backend *b, const gen_options *o) {
  return sizeof(gen_engine) + block_bytes(b, o) + gen_sampler_bytes(b->vocab);
}

static base_status open_parts(gen_engine *e, base_error *err) {
  base_arena arena;
  e->block_bytes = block_bytes(&e->backend, &e->options);
  e->block = base_alloc(&e->allocator, e->block_bytes);
  if (e->block == NULL)
    return base_fail(err, BASE_ENOMEM, "engine", "no memory for %zu bytes of batches and logits",
                     e->block_bytes);
  base_arena_init(&arena, e->block, e->block_bytes);
  carve(e, &arena);
  if (e->options.kernels == NULL) e->options.kernels = cpu_best();
  return gen_sampler_new(&e->sampler, e->backend.vocab, e->options.kernels, &e->allocator, err);
}

base_status gen_engine_open(gen_engine **out, const gen_backend *b, const tok_vocab *vocab,
                            const gen_options *o, base_error *err) {
  *out = NULL;
  gen_engine *e = base_calloc(o->allocator, 1, sizeof *e);
  if (e == NULL) return base_fail(err, BASE_ENOMEM, "engine", "no memory for an engine");
  e->allocator = o->allocator != NULL ? *o->allocator : *base_allocator_libc();
  e->backend = *b;
  e->vocab = vocab;
  e->scratch.allocator = &e->allocator;
  e->options = *o;
  base_status st = open_parts(e, err);
  if (st) gen_engine_close(e);
  else *out = e;
  return st;
}

void gen_engine_close(gen_engine *e) {
  if (e == NULL) return;
  base_allocator a = e->allocator;
  gen_sampler_free(e->sampler);
  tok_scratch_free(&e->scratch);
  base_free(&a, e->block, e->block_bytes);
  base_free(&a, e, sizeof *e);
}

/* ---- slots ---- */

uint32_t gen_slot_length(const gen_engine *e, const gen_slot *s) {
  return e->backend.length(e->backend.ctx, (uint32_t)(s - e->slots));
}

uint32_t gen_slot_common(const gen_engine *e, const gen_slot *s, const uint32_t *tokens, size_t n) {
  uint32_t most = gen_slot_length(e, s), i = 0;
  if (most > n) most = (uint32_t)n;
  while (i < most && s->tokens[i] == tokens[i]) i++;
  return e->backend.keeps(e->backend.ctx, (uint32_t)(s - e->slots), i);
}

/* An empty one, else the one that was used longest ago. */
gen_slot *gen_slot_idle(gen_engine *e, const gen_slot *but) {
  gen_slot *best = NULL;
  for (uint32_t i = 0; i < e->backend.sequences; i++) {
    gen_slot *s = &e->slots[i];
    if (s->job != NULL || s == but) continue;
    if (gen_slot_length(e, s) == 0) return s;
    if (best == NULL || s->last_used < best->last_used) best = s;
  }
  return best;
}

gen_slot *gen_slot_alike(gen_engine *e, const uint32_t *tokens, size_t n, uint32_t *common) {
  gen_slot *best = NULL;
  *common = 0;
  for (uint32_t i = 0; i < e->backend.sequences; i++) {
    uint32_t c = gen_slot_common(e, &e->slots[i], tokens, n);
    if (c <= *common) continue;
    *common = c;
    best = &e->slots[i];
  }
  return best;
}

static void copy_prefix(gen_engine *e, const gen_slot *from, const gen_slot *to, uint32_t length) {
  e->backend.copy(e->backend.ctx, (uint32_t)(from - e->slots), (uint32_t)(to - e->slots), length);
}

/* Goes on in the slot that agrees, unless that is busy or would lose the larger part of what it keeps for
 * others while another slot is free: then its prefix is copied there. */
static gen_slot *choose_slot(gen_engine *e, const gen_job *j, uint32_t *common) {
  gen_slot *alike = gen_slot_alike(e, j->prompt, j->request.n_prompt, common);
  bool idle = alike != NULL && alike->job == NULL;
  if (idle && *common >= gen_slot_length(e, alike) / 2) return alike;
  gen_slot *other = gen_slot_idle(e, alike);
  if (other == NULL) return idle ? alike : NULL;
  if (alike != NULL) copy_prefix(e, alike, other, *common);
  return other;
}

/* The last token of a prompt is always read again: its logits are the first token's. */
bool gen_job_admit(gen_job *j) {
  gen_engine *e = j->engine;
  uint32_t common, n = (uint32_t)j->request.n_prompt;
  gen_slot *s = choose_slot(e, j, &common);
  if (s == NULL) return false;
  if (common == n) common--;
  j->slot = s;
  j->slot_index = (uint32_t)(s - e->slots);
  s->job = j;
  s->last_used = ++e->clock;
  e->backend.truncate(e->backend.ctx, j->slot_index, common);
  memcpy(s->tokens, j->prompt, n * sizeof *s->tokens);
  s->n = n;
  uint64_t now = os_monotonic_ns();
  j->stats.cached = gen_slot_length(e, s);
  j->stats.wait_ns = now - j->since_ns;
  j->since_ns = now;
  return true;
}

/* ---- jobs ---- */

static base_status check_request(const gen_engine *e, const gen_request *r, base_error *err) {
  if (r->n_prompt == 0) return base_fail(err, BASE_EARGUMENT, "prompt", "the prompt is empty");
  if (r->n_prompt >= e->backend.context)
    return base_fail(err, BASE_ELIMIT, "prompt", "it has %zu tokens and the context holds %u with the answer",
                     r->n_prompt, e->backend.context);
  for (size_t i = 0; i < r->n_prompt; i++)
    if (r->prompt[i] >= e->backend.vocab)
      return base_fail(err, BASE_EARGUMENT, "prompt", "token %u is not in the model's vocabulary", r->prompt[i]);
  if (r->shift && r->keep >= e->backend.context)
    return base_fail(err, BASE_EARGUMENT, "keep", "%u tokens cannot be kept in a context of %u", r->keep,
                     e->backend.context);
  return gen_sampling_check(&r->sampling, err);
}

static void append_job(gen_engine *e, gen_job *j) {
  gen_job **at = &e->jobs;
  while (*at != NULL) at = &(*at)->next;
  *at = j;
}

static void remove_job(gen_engine *e, gen_job *j) {
  gen_job **at = &e->jobs;
  while (*at != NULL && *at != j) at = &(*at)->next;
  if (*at != NULL) *at = j->next;
}

static base_status fill_job(gen_job *j, const gen_request *r, base_error *err) {
  static const char blank[2048];
  base_status st = BASE_OK;
  gen_stops_init(&j->stops);
  for (size_t i = 0; !st && i < r->n_stops; i++) st = gen_stops_add(&j->stops, r->stops[i], err);
  if (st) return st;
  memcpy(j->prompt, r->prompt, r->n_prompt * sizeof *j->prompt);
  j->request = *r;
  j->stats.prompt = (uint32_t)r->n_prompt;
  j->draft_len = GEN_DRAFT / 4;
  j->strands = r->rule != NULL && mask_run_decides_late(r->rule);
  tok_stream_init(&j->stream, j->engine->vocab, false);
  j->text.allocator = &j->engine->allocator;
  base_buf_add(&j->text, blank, sizeof blank); /* room, so that tokens allocate nothing */
  if (j->text.failed) return base_fail(err, BASE_ENOMEM, "job", "no memory for the text of an answer");
  base_buf_clear(&j->text);
  j->since_ns = os_monotonic_ns();
  return BASE_OK;
}

base_status gen_job_new(gen_job **out, gen_engine *e, const gen_request *r, base_error *err) {
  *out = NULL;
  base_status st = check_request(e, r, err);
  if (st) return st;
  gen_job *j = base_calloc(&e->allocator, 1, sizeof *j);
  if (j == NULL) return base_fail(err, BASE_ENOMEM, "job", "no memory for a job");
  j->engine = e;
  j->prompt = base_alloc(&e->allocator, r->n_prompt * sizeof *j->prompt);
  j->request.n_prompt = r->n_prompt;
  if (j->prompt == NULL) st = base_fail(err, BASE_ENOMEM, "job", "no memory for a prompt of %zu tokens", r->n_prompt);
  if (!st) st = fill_job(j, r, err);
  if (st) {
    gen_job_free(j);
    return st;
  }
  if (r->trace != NULL) *r->trace = (gen_trace){0};
  append_job(e, j);
  *out = j;
  return BASE_OK;
}

/* A pass that was given up may have left part of a guess in the cache. */
static void release_slot(gen_job *j) {
  const gen_backend *b = &j->engine->backend;
  if (gen_slot_length(j->engine, j->slot) > j->slot->n) b->truncate(b->ctx, j->slot_index, j->slot->n);
  j->slot->job = NULL;
  j->slot = NULL;
}

void gen_job_end(gen_job *j, gen_finish why) {
  if (j->finish != GEN_GOING) return;
  uint64_t now = os_monotonic_ns();
  j->finish = why;
  if (j->stats.generated > 0) j->stats.generate_ns = now - j->since_ns;
  gen_emit_rest(j);
  if (j->slot != NULL) release_slot(j);
  remove_job(j->engine, j);
}

void gen_job_free(gen_job *j) {
  if (j == NULL) return;
  base_allocator *a = &j->engine->allocator;
  if (j->finish == GEN_GOING) gen_job_end(j, GEN_CANCELLED);
  base_buf_free(&j->text);
  base_free(a, j->prompt, j->request.n_prompt * sizeof *j->prompt);
  gen_rule_close(j);
  base_free(a, j, sizeof *j);
}

base_status gen_job_fail(gen_job *j, base_status code, const char *where, const char *text) {
  (void)base_fail(&j->error, code, where, "%s", text);
  gen_job_end(j, GEN_FAILED);
  return code;
}

gen_finish gen_job_finish(const gen_job *j) { return j->finish; }

base_status gen_job_status(const gen_job *j, base_error *err) {
  if (j->finish != GEN_FAILED) return BASE_OK;
  return base_fail(err, j->error.code, j->error.where, "%s", j->error.text);
}

gen_stats gen_job_stats(const gen_job *j) { return j->stats; }

void gen_job_progress(const gen_job *j, uint32_t *done, uint32_t *total) {
  *total = j->stats.prompt;
  *done = j->stats.generated > 0 ? j->stats.prompt : 0;
  if (j->slot == NULL || j->stats.generated > 0) return;
  *done = gen_slot_length(j->engine, j->slot);
  if (*done > *total) *done = *total;
}
