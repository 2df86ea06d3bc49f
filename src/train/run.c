/* Options, the clock of a run, and checkpoints: a GGUF file with the flat arrays and the run's counters. */
#include <string.h>

#include "train/loop.h"

/* ---- options ---- */

void train_options_init(train_options *o) {
  *o = (train_options){
      .seed = 1,
      .epochs = 30,
      .batch_rows = 32,
      .max_tokens = 64,
      .learning_rate = 2e-3f,
      .trunk_rate = 0.5f,
      .warmup = 0.06f,
      .decay = 0.05f,
      .beta2 = 0.98f,
      .clip = 1.0f,
      .dropout = 0.1f,
      .head_dropout = 0.2f,
      .label_smoothing = 0.05f,
      .average = 0.995f,
      .bpe_dropout = 0.1f,
      .typo_rate = 0.0f,
      .lower_rate = 0.2f,
      .speech_rate = 0.2f,
      .swap_rate = 0.3f,
      .tagger_buckets = 16384,
      .patience = 0,
      .valid_share = 0.1f,
      .target = 0.02f,
  };
}

void train_options_init_pack(train_options *o, bool is_gate) {
  train_options_init(o);
  o->swap_rate = o->bag_swap_rate = 0.7f;
  o->typo_rate = 0.15f;
  o->speech_rate = 0.3f;
  o->address_rate = 0.05f;
  o->limit_generated = is_gate ? 0 : 1500;
  o->tagger_buckets = 4096; /* as good as more in packs of some thousand sentences */
  o->join_rate = is_gate ? 0.3f : 0.0f;
  o->bag_noise = is_gate; /* a mistyped verb must not hide the app: docs/experiments.md, 26 */
  o->epochs = is_gate ? 8 : 20;
}

void train_options_init_pretrain(train_options *o) {
  train_options_init(o);
  o->epochs = 10;
  o->batch_rows = 160;
  o->muon = true;
  o->learning_rate = 4e-3f;
  o->trunk_rate = 1.0f;
  o->warmup = 0.02f;
  o->dropout = 0.0f;
  o->average = 0.999f;
  o->bpe_dropout = 0.0f;
  o->lower_rate = 0.5f;
  o->mask_rate = 0.2f;
}

/* ---- clock ---- */

void train_clock_start(train_clock *c, const char *phase, const train_options *o, train_run *run) {
  *c = (train_clock){
      .o = o, .run = run, .phase = phase, .started_ns = os_monotonic_ns(), .first_step = run->step};
}

double train_clock_seconds(const train_clock *c) {
  return (double)(os_monotonic_ns() - c->started_ns) * 1e-9;
}

bool train_clock_tick(train_clock *c, double loss, float rate, const train_progress *validated) {
  uint64_t now = os_monotonic_ns();
  const train_run *run = c->run;
  if (validated == NULL) {
    c->loss = c->loss_set ? c->loss + 0.02 * (loss - c->loss) : loss;
    c->loss_set = true;
    if (now - c->last_report_ns < 100000000) return true;
  }
  c->last_report_ns = now;
  if (c->o->progress == NULL) return true;
  train_progress p = validated ? *validated : (train_progress){0};
  uint64_t done = run->step - c->first_step;
  p.phase = c->phase;
  p.step = run->step;
  p.steps = run->steps;
  p.epoch = run->epoch;
  p.epochs = run->epochs;
  p.elapsed_s = train_clock_seconds(c);
  p.eta_s =
      done && run->steps > run->step ? p.elapsed_s / (double)done * (double)(run->steps - run->step) : 0.0;
  p.loss = (float)(validated ? loss : c->loss);
  p.learning_rate = rate;
  p.best = run->best;
  return c->o->progress(c->o->progress_ctx, &p);
}

/* ---- checkpoints ---- */

uint64_t train_fingerprint(const train_net *n, const data_set *set, const train_options *o) {
  uint64_t h = base_hash(BASE_HASH_START, n->w, n->size * sizeof *n->w); /* the trunk that it starts from */
  for (size_t i = 0; i < set->n_rows; i++) {
    const data_row *row = &set->rows[i];
    h = base_hash(h, row->text.ptr, row->text.len);
    h = base_hash(h, &row->label, sizeof row->label);
    for (uint32_t k = 0; k < row->n_spans; k++) {
      const data_span *span = &set->spans[row->first_span + k];
      const uint32_t parts[] = {span->start, span->end, span->slot, span->list};
      h = base_hash(h, parts, sizeof parts);
    }
  }
  const uint32_t counts[] = {o->epochs, o->batch_rows, o->max_tokens, o->limit_generated, o->muon};
  const float rates[] = {o->learning_rate,   o->trunk_rate,  o->warmup,      o->decay,
                         o->beta2,           o->clip,        o->dropout,     o->head_dropout,
                         o->label_smoothing, o->average,     o->bpe_dropout, o->typo_rate,
                         o->lower_rate,      o->speech_rate, o->address_rate, o->swap_rate,   o->bag_swap_rate,
                         o->join_rate,       o->mask_rate,   o->consistency, o->valid_share};
  h = base_hash(h, counts, sizeof counts);
  h = base_hash(h, rates, sizeof rates);
  return base_hash(h, &o->seed, sizeof o->seed);
}

static void put_u64(gguf_writer *w, const char *key, uint64_t v) {
  char text[24];
  base_format(text, sizeof text, "%016llx", (unsigned long long)v);
  gguf_put_string(w, key, base_slice_of(text));
}

base_status train_checkpoint_save(const train_net *n, const train_run *run, const float *best,
                                  uint64_t fingerprint, const char *path, base_error *err) {
  static const char *const names[] = {"w", "m", "v", "average", "best"};
  const float *arrays[] = {n->w, n->m, n->v, n->average, best};
  uint64_t dim[1] = {n->size};
  gguf_writer *w = gguf_writer_new(n->allocator);
  if (w == NULL) return base_fail(err, BASE_ENOMEM, path, "no memory for the checkpoint");
  gguf_put_string(w, "general.architecture", BASE_LITERAL("minnow-checkpoint"));
  put_u64(w, "run.fingerprint", fingerprint);
  put_u64(w, "run.step", run->step);
  gguf_put_u32(w, "run.epoch", run->epoch);
  gguf_put_u32(w, "run.stale", run->stale);
  gguf_put_f32(w, "run.best", run->best);
  gguf_put_f32(w, "run.seconds", (float)run->seconds);
  for (int i = 0; i < 4; i++) {
    char key[16];
    base_format(key, sizeof key, "run.rng%d", i);
    put_u64(w, key, run->rng.s[i]);
  }
  for (size_t i = 0; i < 5 && arrays[i] != NULL; i++)
    gguf_put_tensor(w, names[i], GGUF_T_F32, 1, dim, arrays[i]);
  base_status st = gguf_writer_save(w, path, err);
  gguf_writer_free(w);
  return st;
}

static base_status get_u64(const gguf_file *f, const char *key, uint64_t *out, base_error *err) {
  base_slice text;
  uint64_t v = 0;
  base_status st = gguf_get_string(f, key, &text, err);
  if (st) return st;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) || i >= 16)
      return base_fail(err, BASE_EFORMAT, gguf_path(f), "%s is not a number", key);
    v = v * 16 + (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  *out = v;
  return BASE_OK;
}

base_status train_checkpoint_load(train_net *n, train_run *run, float *best, uint64_t fingerprint,
                                  const char *path, base_error *err) {
  static const char *const names[] = {"w", "m", "v", "average", "best"};
  float *arrays[] = {n->w, n->m, n->v, n->average, best}, seconds;
  const gguf_tensor *tensor[5];
  gguf_file *f;
  uint64_t found;
  train_run loaded = *run;
  if (!os_exists(path)) return BASE_OK;
  base_status st = gguf_open(&f, path, n->allocator, err);
  if (st) return st;
  st = get_u64(f, "run.fingerprint", &found, err);
  if (!st && found != fingerprint)
    st = base_fail(err, BASE_EMISMATCH, path,
                   "the checkpoint is of another run (other data or options); remove it to start anew");
  if (!st) st = get_u64(f, "run.step", &loaded.step, err);
  if (!st) st = gguf_get_u32(f, "run.epoch", &loaded.epoch, err);
  if (!st) st = gguf_get_u32(f, "run.stale", &loaded.stale, err);
  if (!st) st = gguf_get_f32(f, "run.best", &loaded.best, err);
  if (!st) st = gguf_get_f32(f, "run.seconds", &seconds, err);
  for (int i = 0; i < 4 && !st; i++) {
    char key[16];
    base_format(key, sizeof key, "run.rng%d", i);
    st = get_u64(f, key, &loaded.rng.s[i], err);
  }
  for (size_t i = 0; i < 5 && arrays[i] != NULL && !st; i++)
    st = gguf_need_tensor(f, names[i], GGUF_T_F32, n->size, 1, &tensor[i], err);
  if (!st) {
    for (size_t i = 0; i < 5 && arrays[i] != NULL; i++)
      memcpy(arrays[i], tensor[i]->data, n->size * sizeof(float));
    loaded.seconds = (double)seconds;
    loaded.epochs = run->epochs;
    loaded.steps = run->steps;
    *run = loaded;
  }
  gguf_close(f);
  return st;
}
