/* Supervised training: rows are drawn with other slot values and noise, encoded, batched; trunk and heads learn
 * together; held-out rows are judged every epoch and the best averaged weights kept. Then the bag, quantisation and
 * calibration, all judged on the same held-out rows. */
#include <string.h>

#include "train/loop.h"

typedef struct fitting {
  train_net *n;
  const tok_bpe *tok;
  const data_set *set, *valid; /* valid may be the same set */
  const train_spec *spec;
  train_options o;
  bool keep; /* bag and tagger are there already */
  /* one block */
  void *block;
  size_t block_bytes;
  uint32_t *train_rows, *spare_rows, *valid_rows; /* spare: generated rows, of which an epoch takes some */
  uint32_t *order;                                /* the rows of an epoch */
  size_t n_train, n_spare, n_valid;
  float *best;
  tok_result enc;
  data_sample *sample, *other, *joined;
  /* own blocks */
  train_batch batch, one;
  train_tape tape, one_tape;
  train_head_work *work;
  head_scratch *scratch;
} fitting;

/* ---- which rows ---- */

static bool held_out(const fitting *f, const data_row *row) {
  return f->valid == f->set && !row->generated && (float)(row->phrasing % 1000) < f->o.valid_share * 1000.0f;
}

static void choose_rows(fitting *f) {
  for (size_t i = 0; i < f->set->n_rows; i++) {
    const data_row *row = &f->set->rows[i];
    if (held_out(f, row))
      f->valid_rows[f->n_valid++] = (uint32_t)i;
    else if (row->generated)
      f->spare_rows[f->n_spare++] = (uint32_t)i;
    else
      f->train_rows[f->n_train++] = (uint32_t)i;
  }
  if (f->valid != f->set)
    for (size_t i = 0; i < f->valid->n_rows; i++) f->valid_rows[f->n_valid++] = (uint32_t)i;
}

static size_t spare_an_epoch(const fitting *f) {
  size_t limit = f->o.limit_generated;
  return limit && f->n_spare > limit ? limit : f->n_spare;
}

/* This epoch's rows, shuffled; of the generated rows a fresh choice. Returns how many. */
static size_t epoch_rows(fitting *f, base_rng *rng) {
  size_t spare = spare_an_epoch(f);
  /* the lists themselves stay as they are, so that a resumed run chooses as one that was never stopped */
  memcpy(f->order, f->train_rows, f->n_train * sizeof *f->order);
  memcpy(f->order + f->n_train, f->spare_rows, f->n_spare * sizeof *f->order);
  base_rng_shuffle(rng, f->order + f->n_train, f->n_spare);
  base_rng_shuffle(rng, f->order, f->n_train + spare);
  return f->n_train + spare;
}

/* ---- one training example ---- */

void train_address(const train_options *o, data_sample *s, base_rng *rng) {
  if (o->address_rate > 0.0f && base_rng_unit(rng) < o->address_rate) data_noise_address(s, rng);
}

void train_noise(const train_options *o, data_sample *s, base_rng *rng) {
  float how = base_rng_unit(rng);
  train_address(o, s, rng);
  if (how < o->speech_rate) {
    data_noise_case(s);
    data_noise_punctuation(s);
  } else if (how < o->speech_rate + o->lower_rate) {
    data_noise_case(s);
  }
  if (base_rng_unit(rng) < o->typo_rate) data_noise_typo(s, 0.04f, rng);
}

/* Words between two requests in one sentence. */
static base_slice connective(base_rng *rng) {
  static const char *const words[] = {" and ",        " and then ",  ", then ",      " then ",  ", and ",
                                      "; ",           " and also ",  ". ",           ", also ", " plus ",
                                      " after that ", ", and then ", " and please ", ". also ", ". then "};
  return base_slice_of(words[base_rng_below(rng, sizeof words / sizeof words[0])]);
}

/* A training row that is in scope, at random; after a few vain tries any row. */
static uint32_t partner(const fitting *f, base_rng *rng) {
  uint32_t row = 0;
  for (int i = 0; i < 16; i++) {
    row = f->train_rows[base_rng_below(rng, (uint32_t)f->n_train)];
    if (f->set->rows[row].label != f->spec->none_label) break;
  }
  return row;
}

/* Draws row `index`; for a gate the whole text is one part, or two rows are joined. Returns the sample to use. */
static data_sample *draw(fitting *f, uint32_t index, base_rng *rng) {
  data_sample *s = f->sample;
  data_draw(f->set, index, f->o.swap_rate, rng, s);
  train_noise(&f->o, s, rng);
  if (f->spec->part_slot < 0) return s;
  bool join = s->label != f->spec->none_label && f->n_train > 1 && base_rng_unit(rng) < f->o.join_rate;
  if (!join) {
    s->n_spans = s->len > 0;
    s->spans[0] = (data_span){0, (uint32_t)s->len, (uint16_t)f->spec->part_slot, DATA_NO_LIST};
    return s;
  }
  data_draw(f->set, partner(f, rng), f->o.swap_rate, rng, f->other);
  train_noise(&f->o, f->other, rng);
  while (s->len > 0 && strchr(".,!?;", s->text[s->len - 1])) s->len--;
  data_join(s, f->other, connective(rng), (uint16_t)f->spec->part_slot, f->joined);
  return f->joined;
}

void train_tag_words(const tok_word *words, size_t n_words, const data_span *spans, size_t n_spans, uint16_t *tags) {
  size_t last = SIZE_MAX; /* the span of the word before */
  for (size_t i = 0; i < n_words; i++) {
    size_t k = 0;
    while (k < n_spans && (words[i].end <= spans[k].start || words[i].start >= spans[k].end)) k++;
    tags[i] = k == n_spans ? 0 : (uint16_t)((last == k ? 2 : 1) + 2 * spans[k].slot);
    last = k == n_spans ? SIZE_MAX : k;
  }
}

/* Gold tags of the sequence just added. */
static void set_tags(train_batch *b, const data_sample *s) {
  size_t first = b->seq_word[b->n_seqs - 1];
  train_tag_words(b->words + first, b->n_words - first, s->spans, s->n_spans, b->tags + first);
}

/* A tag the label does not allow cannot be scored; it happens only when a validation-only pair sneaks in, and then
 * counts as O. */
static void drop_disallowed(const fitting *f, train_batch *b) {
  size_t seq = b->n_seqs - 1, label = b->tag_label[seq];
  for (size_t i = b->seq_word[seq]; i < b->n_words; i++)
    if (b->tags[i] && !f->n->allowed[label * f->n->n_slots + (b->tags[i] - 1u) / 2]) b->tags[i] = 0;
}

static void repeat_batch(train_batch *b) {
  size_t seqs = b->n_seqs;
  for (size_t s = 0; s < seqs; s++) {
    size_t token = b->seq[s], word = b->seq_word[s];
    tok_result copy = {.ids = b->ids + token, .cases = b->cases + token, .words = b->words + word};
    copy.n_tokens = b->seq[s + 1] - token;
    copy.n_words = b->seq_word[s + 1] - word;
    if (!train_batch_add(b, &copy)) return; /* cannot be: fill leaves room for every sequence twice */
    memcpy(b->tags + b->seq_word[seqs + s], b->tags + word, copy.n_words * sizeof *b->tags);
    b->label[seqs + s] = b->label[s];
    b->tag_label[seqs + s] = b->tag_label[s];
  }
}

/* Fills the batch from order[*at..n). */
static void fill(fitting *f, size_t n, size_t *at, base_rng *rng) {
  train_batch *b = &f->batch;
  train_batch_clear(b);
  while (*at < n && b->n_seqs < f->o.batch_rows) {
    data_sample *s = draw(f, f->order[*at], rng);
    tok_bpe_encode(f->tok, s->text, s->len, f->o.bpe_dropout, rng, &f->enc);
    size_t times = f->o.consistency > 0.0f ? 2 : 1; /* what repeat_batch doubles has to fit twice */
    if (b->n_seqs && (b->n_tokens + f->enc.n_tokens) * times > b->max_tokens) break;
    if (!train_batch_add(b, &f->enc)) break;
    (*at)++;
    size_t seq = b->n_seqs - 1;
    b->tag_label[seq] = s->label;
    b->label[seq] = s == f->joined ? DATA_NO_LABEL : s->label;
    if (s->label == DATA_NO_LABEL) continue;
    set_tags(b, s);
    drop_disallowed(f, b);
  }
  if (f->o.consistency > 0.0f) repeat_batch(b);
}

/* ---- judging ---- */

static train_judge judge_of(fitting *f, const head_brain *brain, const head_calibration *c) {
  return (train_judge){.n = f->n,
                       .brain = brain,
                       .tok = f->tok,
                       .o = &f->o,
                       .calibration = *c,
                       .none_label = f->spec->none_label,
                       .part_slot = f->spec->part_slot,
                       .tape = &f->one_tape,
                       .one = &f->one,
                       .scratch = f->scratch};
}

static float share_right(const eval_tally *t) {
  size_t right = 0;
  for (size_t i = 0; i < t->rows; i++) right += t->item[i].right;
  return t->rows ? (float)right / (float)t->rows : 0.0f;
}

/* The average on the held-out rows; keeps it when it is the best so far. */
static base_status validate(fitting *f, train_run *run, train_clock *clock, double loss, bool *stop,
                            base_error *err) {
  head_calibration plain;
  eval_tally tally = {.allocator = f->n->allocator};
  train_progress seen = {.validated = true};
  head_calibration_init(&plain);
  train_judge judge = judge_of(f, NULL, &plain);
  if (f->o.average > 0.0f) train_swap_average(f->n);
  base_status st =
      train_judge_rows(&judge, f->valid, f->valid_rows, f->n_valid, &tally, NULL, NULL, err);
  float score = share_right(&tally);
  run->stale++;
  if (!st && score >= run->best) {
    run->best = score;
    run->stale = 0;
    memcpy(f->best, f->n->w, f->n->size * sizeof(float));
  }
  if (f->o.average > 0.0f) train_swap_average(f->n);
  seen.label_accuracy = (float)eval_label_accuracy(&tally);
  seen.slot_f1 = (float)eval_slot_f1(&tally);
  seen.exact_match = (float)eval_exact(&tally);
  eval_free(&tally);
  if (!st && !train_clock_tick(clock, loss, 0.0f, &seen))
    st = base_fail(err, BASE_ECANCELLED, "training", "cancelled after epoch %u", run->epoch);
  *stop = f->o.patience && run->stale >= f->o.patience;
  return st;
}

/* ---- the loop ---- */

static base_status epoch(fitting *f, train_run *run, train_clock *clock, double *mean_loss, base_error *err) {
  size_t n = epoch_rows(f, &run->rng), at = 0, batches = 0;
  *mean_loss = 0.0;
  while (at < n) {
    fill(f, n, &at, &run->rng);
    f->tape.dropout = f->o.dropout;
    f->tape.dropout_key = base_rng_next(&run->rng);
    train_forward(f->n, &f->batch, &f->tape);
    train_loss loss = train_head_loss(f->n, &f->batch, &f->tape, f->work, &f->o);
    train_backward(f->n, &f->batch, &f->tape);
    run->step++;
    float rate = f->o.learning_rate * train_schedule(run->step, run->steps, f->o.warmup);
    train_step(f->n, &f->o, run->step, rate, NULL);
    double sum = loss.classify + loss.tag + (double)f->o.consistency * loss.consistency;
    *mean_loss += sum;
    batches++;
    if (!train_clock_tick(clock, sum, rate, NULL))
      return base_fail(err, BASE_ECANCELLED, "training", "cancelled in epoch %u", run->epoch + 1);
  }
  *mean_loss /= (double)(batches ? batches : 1);
  return BASE_OK;
}

static base_status run_epochs(fitting *f, train_report *report, base_error *err) {
  train_run run = {.epochs = f->o.epochs, .best = -1.0f};
  train_clock clock;
  uint64_t fingerprint = train_fingerprint(f->n, f->set, &f->o);
  size_t rows = f->n_train + spare_an_epoch(f);
  bool stop = false;
  double loss;
  base_status st = BASE_OK;
  base_rng_seed(&run.rng, f->o.seed);
  run.steps = (uint64_t)f->o.epochs * ((rows + f->o.batch_rows - 1) / f->o.batch_rows);
  memcpy(f->n->average, f->n->w, f->n->size * sizeof(float));
  memcpy(f->best, f->n->w, f->n->size * sizeof(float));
  if (f->o.checkpoint) st = train_checkpoint_load(f->n, &run, f->best, fingerprint, f->o.checkpoint, err);
  double before_s = run.seconds;
  train_clock_start(&clock, "train", &f->o, &run);
  while (!st && run.epoch < run.epochs && !stop) {
    st = epoch(f, &run, &clock, &loss, err);
    if (st) break;
    run.epoch++;
    st = validate(f, &run, &clock, loss, &stop, err);
    run.seconds = before_s + train_clock_seconds(&clock);
    if ((st == BASE_OK || st == BASE_ECANCELLED) &&
        f->o.checkpoint) { /* a cancelled run keeps the epoch it just finished */
      base_status saved =
          train_checkpoint_save(f->n, &run, f->best, fingerprint, f->o.checkpoint, st ? NULL : err);
      if (!st) st = saved;
    }
  }
  if (st) return st;
  memcpy(f->n->w, f->best, f->n->size * sizeof(float));
  report->epochs_run = run.epoch;
  report->seconds = before_s + train_clock_seconds(&clock);
  return BASE_OK;
}

/* ---- quantise, calibrate, report ---- */

typedef struct measures {
  train_judged *judged;
  train_scores scores;
  float *cross;
  void *block;
  size_t bytes;
} measures;

static base_status measures_new(measures *m, const fitting *f, base_error *err) {
  base_arena a;
  size_t labels = f->n->n_labels, n = f->n_valid + 1;
  for (int pass = 0; pass < 2; pass++) {
    base_arena_init(&a, pass ? m->block : NULL, pass ? m->bytes : 0);
    m->judged = base_arena_take(&a, n, sizeof *m->judged);
    m->scores.trunk_logits = base_arena_take(&a, n * labels, sizeof(float));
    m->scores.bag_logs = base_arena_take(&a, n * labels, sizeof(float));
    m->scores.slots = base_arena_take(&a, n * labels, sizeof(float));
    m->scores.path = base_arena_take(&a, n * labels, sizeof(float));
    m->cross = base_arena_take(&a, n, sizeof(float));
    if (pass) break;
    m->bytes = a.used + 64;
    m->block = base_alloc(f->n->allocator, m->bytes);
    if (m->block == NULL)
      return base_fail(err, BASE_ENOMEM, "calibration", "no memory for the held-out rows");
  }
  return BASE_OK;
}

/* Judges the held-out rows under the calibration as far as it is fitted. `scores` may be NULL. */
static base_status measure(fitting *f, const head_brain *brain, const head_calibration *c, measures *m,
                           const train_scores *scores, eval_tally *tally, base_error *err) {
  train_judge judge = judge_of(f, brain, c);
  eval_free(tally);
  return train_judge_rows(&judge, f->valid, f->valid_rows, f->n_valid, tally, m->judged, scores, err);
}

/* How the scores of labels and tags mix. What the tags say about labels waits for both mixtures; a gate, whose tags are
 * the parts of a request, goes without. */
static base_status fit_mixtures(fitting *f, const head_brain *brain, head_calibration *c, measures *m,
                                eval_tally *tally, base_error *err) {
  const train_scores raw = {.trunk_logits = m->scores.trunk_logits, .bag_logs = m->scores.bag_logs},
                     tags = {.slots = m->scores.slots, .path = m->scores.path};
  base_status st = measure(f, brain, c, m, &raw, tally, err);
  if (st) return st;
  train_fit_mixture(c, m->judged, &raw, f->n_valid, f->n->n_labels);
  train_judge judge = judge_of(f, brain, c);
  st = train_fit_tags(&judge, f->valid, f->valid_rows, f->n_valid, c, err);
  if (st || f->n->n_slots == 0 || f->spec->part_slot >= 0) return st;
  st = measure(f, brain, c, m, &tags, tally, err);
  if (!st) train_fit_evidence(c, m->judged, &m->scores, f->n_valid, f->n->n_labels);
  return st;
}

/* Probe, threshold and curve from the held-out rows alone; the items get the confidences of a cross-fit. */
static base_status probe(fitting *f, measures *m, head_calibration *c, eval_tally *tally, base_error *err) {
  size_t acted, wrong;
  base_status st = train_fit_probe(c, m->judged, f->n_valid, m->cross, err);
  if (st) return st;
  for (size_t i = 0; i < f->n_valid; i++) tally->item[i].confidence = m->cross[i];
  eval_sort(tally->item, tally->rows);
  c->act_threshold = eval_threshold(tally->item, tally->rows, (double)f->o.target, &acted, &wrong);
  train_fit_risks(c, tally->item, tally->rows);
  return BASE_OK;
}

/* The same of a pack (trust.c); the items become the answers that it went by. */
static base_status trust(fitting *f, const head_brain *brain, head_calibration *c, eval_tally *tally,
                         base_error *err) {
  const base_allocator *a = f->n->allocator;
  size_t room = f->n_valid * TRUST_DRAWS, n = 0;
  train_judge judge = judge_of(f, brain, c);
  train_trusted *t = base_calloc(a, room, sizeof *t);
  eval_free(tally);
  tally->item = base_calloc(a, room, sizeof *tally->item);
  tally->cap = tally->item ? room : 0;
  base_status st = t && tally->item ? BASE_OK : base_fail(err, BASE_ENOMEM, "calibration", "no memory for the rows");
  if (!st) st = train_trust_rows(&judge, f->valid, f->valid_rows, f->n_valid, t, &n, err);
  if (!st) train_fit_trust(c, t, n);
  for (size_t i = 0; i < n; i++) {
    tally->item[tally->rows++] = (eval_item){t[i].confidence, t[i].right, .in_scope = true, .answered = true};
    if (f->o.evidence) f->o.evidence(f->o.evidence_ctx, t[i].odds, t[i].right);
  }
  if (n) eval_sort(tally->item, n);
  base_free(a, t, room * sizeof *t);
  return st;
}

/* Of the items, sorted. */
static void put_threshold(const head_calibration *c, const eval_tally *tally, train_report *report) {
  eval_bin bins[EVAL_BINS];
  size_t acted = 0, wrong = 0;
  for (size_t i = 0; i < tally->rows && tally->item[i].confidence >= c->act_threshold; i++) {
    acted += tally->item[i].answered;
    wrong += tally->item[i].answered && !tally->item[i].right;
  }
  report->ece = (float)eval_ece(tally->item, tally->rows, bins);
  report->act_threshold = c->act_threshold;
  report->acted_share = tally->rows ? (float)acted / (float)tally->rows : 0.0f;
  report->acted_wrong = acted ? (float)wrong / (float)acted : 0.0f;
}

/* Everything in the order in which one thing rests on the other: mixtures, scope, probe, thresholds. */
static base_status calibrate(fitting *f, const head_brain *brain, head_calibration *c, train_report *report,
                             base_error *err) {
  measures m = {0};
  eval_tally tally = {.allocator = f->n->allocator};
  bool by_threshold = f->spec->none_label >= 0 && f->spec->none_by_threshold;
  head_calibration_init(c);
  c->target = f->o.target;
  base_status st = measures_new(&m, f, err);
  if (!st) st = fit_mixtures(f, brain, c, &m, &tally, err);
  if (by_threshold) c->none_plus_1 = (uint32_t)f->spec->none_label + 1;
  if (!st) st = measure(f, brain, c, &m, NULL, &tally, err);
  if (!st) c->oos_threshold = train_fit_oos(m.judged, f->n_valid, by_threshold);
  if (!st) st = measure(f, brain, c, &m, NULL, &tally, err);
  report->label_accuracy_i8 = (float)eval_label_accuracy(&tally);
  report->slot_f1_i8 = (float)eval_slot_f1(&tally);
  report->exact_match_i8 = (float)eval_exact(&tally);
  if (!st) st = f->spec->pack ? trust(f, brain, c, &tally, err) : probe(f, &m, c, &tally, err);
  if (!st) put_threshold(c, &tally, report);
  eval_free(&tally);
  base_free(f->n->allocator, m.block, m.bytes);
  return st;
}

/* The float net's figures under the final calibration, so that before and after differ by quantisation alone. */
static base_status judge_float(fitting *f, const head_calibration *c, train_report *report, base_error *err) {
  eval_tally tally = {.allocator = f->n->allocator};
  train_judge judge = judge_of(f, NULL, c);
  base_status st =
      train_judge_rows(&judge, f->valid, f->valid_rows, f->n_valid, &tally, NULL, NULL, err);
  report->label_accuracy = (float)eval_label_accuracy(&tally);
  report->slot_f1 = (float)eval_slot_f1(&tally);
  report->exact_match = (float)eval_exact(&tally);
  eval_free(&tally);
  return st;
}

/* What stands beside trunk and heads. Its rows are always the same ones, so that a refit learns what a fit did. */
static base_status fit_beside(fitting *f, base_error *err) {
  size_t n = epoch_rows(f, &(base_rng){{1, 2, 3, 4}});
  base_status st = train_bag_fit(f->n, f->set, f->order, n, &f->o, err);
  return st ? st : train_tagger_fit(f->n, f->set, f->order, n, &f->o, err);
}

/* The int8 file in memory, opened like any other. */
typedef struct draft {
  void *block; /* a mapped file is aligned, a buffer need not be */
  size_t block_bytes;
  gguf_file *file;
  head_brain *brain;
} draft;

static base_status open_draft(draft *d, const fitting *f, base_error *err) {
  const base_allocator *allocator = f->n->allocator;
  base_buf bytes = {.allocator = allocator};
  head_calibration plain;
  base_arena a;
  gguf_writer *w = gguf_writer_new(allocator);
  head_calibration_init(&plain);
  base_status st = w ? BASE_OK : base_fail(err, BASE_ENOMEM, "saving", "no memory for the file");
  if (!st) st = train_put(f->n, f->tok, f->set, &plain, w, err);
  if (!st) st = gguf_writer_bytes(w, &bytes, err);
  d->block_bytes = bytes.len + 64;
  if (!st) d->block = base_alloc(allocator, d->block_bytes);
  if (!st && d->block == NULL) st = base_fail(err, BASE_ENOMEM, "saving", "no memory for the file");
  if (!st) {
    base_arena_init(&a, d->block, d->block_bytes);
    void *at = base_arena_take(&a, bytes.len, 1);
    memcpy(at, bytes.ptr, bytes.len);
    st = gguf_open_bytes(&d->file, at, bytes.len, "the new model", allocator, err);
  }
  if (!st) st = head_brain_open(&d->brain, d->file, f->tok, allocator, err);
  gguf_writer_free(w);
  base_buf_free(&bytes);
  return st;
}

static void close_draft(draft *d, const base_allocator *allocator) {
  head_brain_close(d->brain);
  gguf_close(d->file);
  base_free(allocator, d->block, d->block_bytes);
}

static base_status finish(fitting *f, gguf_writer *w, train_report *report, base_error *err) {
  head_calibration c;
  draft d = {0};
  base_status st = f->keep ? BASE_OK : fit_beside(f, err);
  if (!st) st = open_draft(&d, f, err);
  if (!st) st = calibrate(f, d.brain, &c, report, err);
  if (!st) st = judge_float(f, &c, report, err);
  if (!st && c.tagger_weight == 0.0f) f->n->tagger = (head_tagger){0}; /* no help on the held-out rows: left out */
  if (!st) st = train_put(f->n, f->tok, f->set, &c, w, err);
  close_draft(&d, f->n->allocator);
  return st;
}

/* ---- set-up ---- */

static void carve(fitting *f, base_arena *a) {
  size_t rows = f->set->n_rows, valid = f->valid == f->set ? 0 : f->valid->n_rows, len = f->o.max_tokens;
  f->train_rows = base_arena_take(a, rows, sizeof(uint32_t));
  f->spare_rows = base_arena_take(a, rows, sizeof(uint32_t));
  f->order = base_arena_take(a, rows, sizeof(uint32_t));
  f->valid_rows = base_arena_take(a, rows + valid, sizeof(uint32_t));
  f->best = base_arena_take(a, f->n->size, sizeof(float));
  f->enc.ids = base_arena_take(a, len, sizeof *f->enc.ids);
  f->enc.cases = base_arena_take(a, len, 1);
  f->enc.words = base_arena_take(a, len, sizeof *f->enc.words);
  f->enc.max_tokens = f->enc.max_words = len;
  f->sample = base_arena_take(a, 1, sizeof *f->sample);
  f->other = base_arena_take(a, 1, sizeof *f->other);
  f->joined = base_arena_take(a, 1, sizeof *f->joined);
}

static base_status set_up(fitting *f, base_error *err) {
  const base_allocator *allocator = f->n->allocator;
  size_t seqs = f->o.batch_rows * (f->o.consistency > 0.0f ? 2 : 1), tokens = seqs * 24 + 2 * f->o.max_tokens;
  base_arena a;
  base_arena_init(&a, NULL, 0);
  carve(f, &a);
  f->block_bytes = a.used + 64;
  f->block = base_alloc(allocator, f->block_bytes);
  if (f->block == NULL)
    return base_fail(err, BASE_ENOMEM, "training", "no memory for %zu rows", f->set->n_rows);
  base_arena_init(&a, f->block, f->block_bytes);
  carve(f, &a);
  choose_rows(f);
  if (f->n_train == 0 || f->n_valid < 8)
    return base_fail(err, BASE_EARGUMENT, "training", "%zu rows to train on and %zu held out are too few",
                     f->n_train, f->n_valid);
  base_status st = train_batch_new(&f->batch, seqs, tokens, allocator, err);
  if (!st) st = train_batch_new(&f->one, 1, f->n->shape.max_tokens, allocator, err);
  if (!st) st = train_tape_new(&f->tape, f->n, seqs, tokens, f->o.max_tokens, &f->o, err);
  if (!st)
    st = train_tape_new(&f->one_tape, f->n, 1, f->n->shape.max_tokens, f->n->shape.max_tokens, &f->o, err);
  if (!st) st = train_head_work_new(&f->work, f->n, seqs, tokens, allocator, err);
  f->scratch = head_scratch_new(&f->n->shape, f->n->shape.max_tokens, allocator);
  if (!st && f->scratch == NULL) st = base_fail(err, BASE_ENOMEM, "training", "no memory for decoding");
  return st;
}

static void tear_down(fitting *f) {
  const base_allocator *a = f->n->allocator;
  head_scratch_free(f->scratch);
  train_head_work_free(f->work);
  train_tape_free(&f->one_tape, a);
  train_tape_free(&f->tape, a);
  train_batch_free(&f->one, a);
  train_batch_free(&f->batch, a);
  base_free(a, f->block, f->block_bytes);
}

/* Pairs of label and slot that occur in the rows. */
static uint8_t *allowed_by_rows(const data_set *set, const base_allocator *a) {
  size_t slots = set->slots.n ? set->slots.n : 1;
  uint8_t *allowed = base_calloc(a, set->labels.n, slots);
  if (allowed == NULL) return NULL;
  for (size_t i = 0; i < set->n_rows; i++)
    for (uint32_t k = 0; k < set->rows[i].n_spans && set->rows[i].label != DATA_NO_LABEL; k++)
      allowed[set->rows[i].label * slots + set->spans[set->rows[i].first_span + k].slot] = 1;
  return allowed;
}

/* The names that a file was trained for are those of the set, in order. */
static bool same_names(const gguf_file *f, const char *key, const data_names *names) {
  uint64_t n;
  base_cursor items;
  if (gguf_get_strings(f, key, &n, &items, NULL) != BASE_OK || n != names->n) return false;
  for (uint64_t i = 0; i < n; i++)
    if (!base_slice_equal(gguf_next_string(&items), names->name[i])) return false;
  return true;
}

/* Heads for the set's labels and slots: fresh ones, or those of a file. */
static base_status give_heads(fitting *f, const gguf_file *made, base_error *err) {
  const data_set *set = f->set;
  train_net *n = f->n;
  uint8_t *seen = NULL;
  const uint8_t *allowed = f->spec->allowed;
  if (set->labels.n == 0) return base_fail(err, BASE_EARGUMENT, "training", "the rows have no labels");
  if (made != NULL && !(same_names(made, "minnow.head.labels", &set->labels) &&
                        same_names(made, "minnow.head.slots", &set->slots)))
    return base_fail(err, BASE_EMISMATCH, gguf_path(made),
                     "was trained for other actions or slots than there are now; train it anew");
  if (allowed == NULL) allowed = seen = allowed_by_rows(set, n->allocator);
  base_status st = allowed ? BASE_OK : base_fail(err, BASE_ENOMEM, "training", "no memory for the labels");
  if (!st) st = train_net_add_heads(n, (uint32_t)set->labels.n, (uint32_t)set->slots.n, allowed, f->o.seed, err);
  if (!st && made != NULL) st = train_net_load_heads(n, made, err);
  if (seen != NULL) base_free(n->allocator, seen, set->labels.n * (set->slots.n ? set->slots.n : 1));
  return st;
}

/* made: NULL, and heads and trunk learn first. */
static base_status fit(fitting *f, const gguf_file *made, gguf_writer *w, train_report *report, base_error *err) {
  *report = (train_report){0};
  if (f->o.kernels == NULL) f->o.kernels = cpu_best();
  if (f->o.max_tokens > f->n->shape.max_tokens) f->o.max_tokens = f->n->shape.max_tokens;
  if (f->o.tagger_buckets > HEAD_TAGGER_BUCKETS) f->o.tagger_buckets = HEAD_TAGGER_BUCKETS;
  if (f->spec->part_slot >= 0) f->o.tagger_buckets = 0; /* parts come of joining rows, which it does not see */
  base_status st = give_heads(f, made, err);
  if (st) return st;
  st = set_up(f, err);
  report->train_rows = f->n_train + spare_an_epoch(f);
  report->valid_rows = f->n_valid;
  if (!st && made == NULL) st = run_epochs(f, report, err);
  if (!st) st = finish(f, w, report, err);
  tear_down(f);
  return st;
}

/* Bag and tagger of a file into the net, which borrows them. */
static base_status keep_beside(fitting *f, head_brain **brain, const gguf_file *made, base_error *err) {
  base_status st = head_brain_open(brain, made, f->tok, f->n->allocator, err);
  if (st) return st;
  f->n->bag = head_brain_weights(*brain)->bag;
  f->n->tagger = head_brain_weights(*brain)->tagger;
  f->keep = true;
  return BASE_OK;
}

base_status train_fit(train_net *n, const tok_bpe *tok, const data_set *set, const data_set *valid,
                      const train_spec *spec, const train_options *o, gguf_writer *w, train_report *report,
                      base_error *err) {
  fitting f = {.n = n, .tok = tok, .set = set, .valid = valid ? valid : set, .spec = spec, .o = *o};
  return fit(&f, NULL, w, report, err);
}

base_status train_refit(train_net *n, const gguf_file *made, const tok_bpe *tok, const data_set *set,
                        const data_set *valid, train_refit_what what, const train_spec *spec, const train_options *o,
                        gguf_writer *w, train_report *report, base_error *err) {
  fitting f = {.n = n, .tok = tok, .set = set, .valid = valid ? valid : set, .spec = spec, .o = *o};
  head_brain *brain = NULL;
  base_status st = what == TRAIN_REFIT_CALIBRATION ? keep_beside(&f, &brain, made, err) : BASE_OK;
  if (!st) st = fit(&f, made, w, report, err);
  head_brain_close(brain);
  return st;
}
