/* Masked-token pretraining of a trunk (Devlin et al. 2019, whole words): batches by token budget, a held-out
 * slice for validation, checkpoints an epoch. */
#include <string.h>

#include "train/loop.h"

enum { HELD_OUT_EVERY = 200 };

typedef struct pretraining {
  train_net *n;
  const tok_bpe *tok;
  const data_set *text;
  const train_options *o;
  train_batch batch;
  train_tape tape;
  tok_result enc;
  float *work, *muon;
  void *block; /* encoder arrays, order, work */
  size_t block_bytes;
  uint32_t *order; /* training rows */
  size_t n_order;
  size_t max_tokens; /* of a batch */
} pretraining;

static void carve(pretraining *p, base_arena *a) {
  size_t len = p->o->max_tokens;
  p->enc.ids = base_arena_take(a, len, sizeof *p->enc.ids);
  p->enc.cases = base_arena_take(a, len, 1);
  p->enc.words = base_arena_take(a, len, sizeof *p->enc.words);
  p->enc.max_tokens = p->enc.max_words = len;
  p->order = base_arena_take(a, p->text->n_rows, sizeof *p->order);
  p->work = base_arena_take(a, train_mlm_work(p->n, p->max_tokens / 2), sizeof(float));
  if (p->o->muon)
    p->muon = base_arena_take(a, train_muon_work(p->n, os_pool_threads(p->o->pool)), sizeof(float));
}

/* Hides words of the sequence just added: of their tokens' positions 80 % become the mask, 10 % a random
 * token, 10 % stay; all are to be guessed. A sequence always hides at least one word. */
static void mask_words(pretraining *p, float rate, base_rng *rng) {
  train_batch *b = &p->batch;
  size_t s = b->n_seqs - 1, first = b->seq_word[s], n = b->n_words - first;
  if (n == 0) return;
  size_t forced = base_rng_below(rng, (uint32_t)n);
  for (size_t i = 0; i < n; i++) {
    if (i != forced && base_rng_unit(rng) >= rate) continue;
    size_t at = b->seq[s] + b->words[first + i].first_token;
    size_t end = i + 1 < n ? b->seq[s] + b->words[first + i + 1].first_token : b->n_tokens;
    float how = base_rng_unit(rng);
    for (; at < end && b->n_masked < p->max_tokens / 2; at++) {
      b->masked[b->n_masked] = (uint32_t)at;
      b->target[b->n_masked++] = b->ids[at];
      if (how < 0.8f) {
        b->ids[at] = TOK_MASK;
        b->cases[at] = TOK_CASE_LOWER;
      } else if (how < 0.9f) {
        b->ids[at] = (uint16_t)(TOK_FIRST_BYTE + base_rng_below(rng, p->n->shape.vocab - TOK_FIRST_BYTE));
      }
    }
  }
}

/* Fills the batch from rows[*at...]; returns false at the end of the rows. */
static bool fill(pretraining *p, const uint32_t *rows, size_t n, size_t *at, bool training, base_rng *rng) {
  train_batch_clear(&p->batch);
  while (*at < n && p->batch.n_seqs < p->o->batch_rows) {
    base_slice text = p->text->rows[rows[*at]].text;
    tok_bpe_encode(p->tok, text.ptr, text.len, training ? p->o->bpe_dropout : 0.0f, rng, &p->enc);
    if (training && base_rng_unit(rng) < p->o->lower_rate) memset(p->enc.cases, 0, p->enc.n_tokens);
    if (!train_batch_add(&p->batch, &p->enc)) break;
    mask_words(p, p->o->mask_rate, rng);
    (*at)++;
  }
  return p->batch.n_seqs > 0;
}

/* Loss and accuracy on the held-out rows, with masks that are the same every time. */
static float validate(pretraining *p, double *loss) {
  base_rng rng;
  uint32_t rows[512];
  size_t n = 0, at = 0, correct, right = 0, masked = 0;
  double sum = 0.0;
  for (size_t i = 0; i < p->text->n_rows && n < 512; i += HELD_OUT_EVERY) rows[n++] = (uint32_t)i;
  base_rng_seed(&rng, 7);
  p->tape.dropout = 0.0f;
  if (p->o->average > 0.0f) train_swap_average(p->n);
  while (fill(p, rows, n, &at, false, &rng)) {
    train_forward(p->n, &p->batch, &p->tape);
    sum += train_mlm_loss(p->n, &p->batch, &p->tape, p->work, false, &correct) * (double)p->batch.n_masked;
    right += correct;
    masked += p->batch.n_masked;
  }
  if (p->o->average > 0.0f) train_swap_average(p->n);
  *loss = masked ? sum / (double)masked : 0.0;
  return masked ? (float)right / (float)masked : 0.0f;
}

/* One pass over the rows. */
static base_status epoch(pretraining *p, train_run *run, train_clock *clock, base_error *err) {
  size_t at = 0, correct;
  for (size_t i = 0, k = 0; i < p->text->n_rows; i++)
    if (i % HELD_OUT_EVERY != 0) p->order[k++] = (uint32_t)i;
  base_rng_shuffle(&run->rng, p->order, p->n_order);
  while (fill(p, p->order, p->n_order, &at, true, &run->rng)) {
    p->tape.dropout = p->o->dropout;
    p->tape.dropout_key = base_rng_next(&run->rng);
    train_forward(p->n, &p->batch, &p->tape);
    double loss = train_mlm_loss(p->n, &p->batch, &p->tape, p->work, true, &correct);
    train_backward(p->n, &p->batch, &p->tape);
    run->step++;
    float rate = p->o->learning_rate * train_schedule(run->step, run->steps, p->o->warmup);
    train_step(p->n, p->o, run->step, rate, p->muon);
    if (!train_clock_tick(clock, loss, rate, NULL))
      return base_fail(err, BASE_ECANCELLED, "pretraining", "cancelled after %llu steps",
                       (unsigned long long)run->step);
  }
  return BASE_OK;
}

static base_status run_epochs(pretraining *p, base_error *err) {
  train_run run = {.epochs = p->o->epochs, .best = -1.0f};
  train_clock clock;
  uint64_t fingerprint = train_fingerprint(p->n, p->text, p->o);
  base_rng_seed(&run.rng, p->o->seed);
  memcpy(p->n->average, p->n->w, p->n->size * sizeof(float));
  base_status st = BASE_OK;
  if (p->o->checkpoint) st = train_checkpoint_load(p->n, &run, NULL, fingerprint, p->o->checkpoint, err);
  /* steps an epoch: counted once with plain encoding; BPE-dropout makes batches a little fewer sequences */
  size_t at = 0, steps = 0;
  for (size_t i = 0, k = 0; i < p->text->n_rows; i++)
    if (i % HELD_OUT_EVERY != 0) p->order[k++] = (uint32_t)i;
  base_rng count_rng;
  base_rng_seed(&count_rng, 1);
  while (fill(p, p->order, p->n_order, &at, false, &count_rng)) steps++;
  run.steps = steps * run.epochs;
  double before_s = run.seconds;
  train_clock_start(&clock, "pretrain", p->o, &run);
  while (!st && run.epoch < run.epochs) {
    double loss;
    st = epoch(p, &run, &clock, err);
    if (st) break;
    run.epoch++;
    train_progress seen = {.validated = true};
    seen.label_accuracy = validate(p, &loss);
    if (seen.label_accuracy > run.best) run.best = seen.label_accuracy;
    bool go_on = train_clock_tick(&clock, loss, 0.0f, &seen);
    run.seconds = before_s + train_clock_seconds(&clock);
    if (p->o->checkpoint) st = train_checkpoint_save(p->n, &run, NULL, fingerprint, p->o->checkpoint, err);
    if (!st && !go_on)
      st = base_fail(err, BASE_ECANCELLED, "pretraining", "cancelled after epoch %u", run.epoch);
  }
  if (!st && p->o->average > 0.0f) train_swap_average(p->n);
  return st;
}

base_status train_pretrain(train_net *n, const tok_bpe *tok, const data_set *text, const train_options *given,
                           base_error *err) {
  train_options o = *given;
  base_arena a;
  pretraining p = {.n = n, .tok = tok, .text = text, .o = &o};
  if (o.kernels == NULL) o.kernels = cpu_best();
  if (text->n_rows < HELD_OUT_EVERY)
    return base_fail(err, BASE_EARGUMENT, "pretraining",
                     "%zu lines of text are too few; at least %d are needed", text->n_rows, HELD_OUT_EVERY);
  if (o.max_tokens > n->shape.max_tokens) o.max_tokens = n->shape.max_tokens;
  p.n_order = text->n_rows - (text->n_rows + HELD_OUT_EVERY - 1) / HELD_OUT_EVERY;
  p.max_tokens = (size_t)o.batch_rows * 20 + o.max_tokens;
  base_status st = train_net_add_mlm(n, o.seed, err);
  if (st) return st;
  base_arena_init(&a, NULL, 0);
  carve(&p, &a);
  p.block_bytes = a.used + 64;
  p.block = base_alloc(n->allocator, p.block_bytes);
  if (p.block == NULL) return base_fail(err, BASE_ENOMEM, "pretraining", "no memory for the working arrays");
  base_arena_init(&a, p.block, p.block_bytes);
  carve(&p, &a);
  st = train_batch_new(&p.batch, o.batch_rows, p.max_tokens, n->allocator, err);
  if (!st) st = train_tape_new(&p.tape, n, o.batch_rows, p.max_tokens, o.max_tokens, &o, err);
  if (!st) st = run_epochs(&p, err);
  train_tape_free(&p.tape, n->allocator);
  train_batch_free(&p.batch, n->allocator);
  base_free(n->allocator, p.block, p.block_bytes);
  if (!st) train_net_drop_mlm(n);
  return st;
}
