/* mn_train: puts a run together out of its parts: where rows come from (a pack's folder, a file, plain text),
 * which trunk it starts from, the recipe, and where the file goes. The learning itself is in train/. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "os/os.h"
#include "pack/pack.h"
#include "train/train.h"

void mn_train_options_init(mn_train_options *o) { *o = (mn_train_options){.size = sizeof *o}; }

/* The trunk that the repository ships, used when a run names none. */
#define SHIPPED_TRUNK "trunk.gguf"

typedef struct training {
  const mn_train_options *o;
  train_options recipe;
  char out[256], checkpoint[300], trunk_path[300];
  data_set rows, valid;
  pack_manifest *manifest; /* NULL unless a pack */
  uint8_t *allowed;
  uint64_t source_hash;
  gguf_file *trunk_file;
  tok_bpe *tok;
  train_net *net;
  gguf_writer *writer;
  train_report report;
} training;

/* ---- progress: base types to the public ones ---- */

static bool forward_progress(void *ctx, const train_progress *p) {
  const mn_train_options *o = ctx;
  mn_progress out = {
      .phase = p->phase,
      .step = p->step,
      .steps = p->steps,
      .epoch = p->epoch,
      .epochs = p->epochs,
      .elapsed_s = p->elapsed_s,
      .eta_s = p->eta_s,
      .loss = p->loss,
      .learning_rate = p->learning_rate,
      .validated = p->validated,
      .label_accuracy = p->label_accuracy,
      .slot_f1 = p->slot_f1,
      .exact_match = p->exact_match,
      .best = p->best,
  };
  return o->progress(o->progress_ctx, &out);
}

/* ---- recipes: what measured best, docs/experiments.md ---- */

static void recipe_for_rows(train_options *r) {
  r->epochs = 14;
  r->consistency = 1.0f;
  r->speech_rate = 0.0f;
  r->lower_rate = 0.0f;
}

static void choose_recipe(training *t) {
  const mn_train_options *o = t->o;
  train_options *r = &t->recipe;
  if (t->manifest != NULL) {
    train_options_init_pack(r, t->manifest->is_gate);
  } else if (o->nlu_file != NULL) {
    train_options_init(r);
    recipe_for_rows(r);
  } else {
    train_options_init_pretrain(r);
  }
  r->checkpoint = t->checkpoint;
  if (o->seed) r->seed = o->seed;
  if (o->epochs) r->epochs = o->epochs;
  if (o->target > 0.0f) r->target = o->target;
  if (o->progress != NULL) {
    r->progress = forward_progress;
    r->progress_ctx = (void *)o;
  }
}

/* ---- paths ---- */

static bool is_pack_folder(const mn_train_options *o) { return o->pack_dir != NULL; }

/* packs/music/ -> packs/music.gguf */
static bool built_path(const char *folder, char *out, size_t size) {
  base_slice name = base_slice_of(folder);
  while (name.len > 1 && name.ptr[name.len - 1] == '/') name.len--;
  return base_format(out, size, "%.*s.gguf", (int)name.len, name.ptr);
}

static base_status choose_out(training *t, base_error *err) {
  const mn_train_options *o = t->o;
  bool fits = true;
  if (o->out != NULL) {
    fits = base_format(t->out, sizeof t->out, "%s", o->out);
  } else if (is_pack_folder(o)) {
    fits = built_path(o->pack_dir, t->out, sizeof t->out);
  } else {
    return base_fail(err, BASE_EARGUMENT, "out", "say where the trained file goes");
  }
  if (o->checkpoint != NULL)
    fits = fits && base_format(t->checkpoint, sizeof t->checkpoint, "%s", o->checkpoint);
  else fits = fits && base_format(t->checkpoint, sizeof t->checkpoint, "%s.checkpoint", t->out);
  return fits ? BASE_OK : base_fail(err, BASE_ELIMIT, "out", "the path is too long");
}

/* The trunk beside the packs (packs/trunk.gguf), or the shipped one; of a refit the built pack's own. */
static base_status choose_trunk(training *t, base_error *err) {
  const mn_train_options *o = t->o;
  if (o->refit != NULL) {
    if (built_path(o->pack_dir, t->trunk_path, sizeof t->trunk_path)) return BASE_OK;
    return base_fail(err, BASE_ELIMIT, "refit", "the path is too long");
  }
  if (o->trunk != NULL) {
    if (base_format(t->trunk_path, sizeof t->trunk_path, "%s", o->trunk)) return BASE_OK;
    return base_fail(err, BASE_ELIMIT, "trunk", "the path is too long");
  }
  if (is_pack_folder(o)) {
    base_format(t->trunk_path, sizeof t->trunk_path, "%s/../" SHIPPED_TRUNK, o->pack_dir);
    if (os_exists(t->trunk_path)) return BASE_OK;
  }
  return api_shipped_file(SHIPPED_TRUNK, t->trunk_path, sizeof t->trunk_path, err);
}

/* ---- rows ---- */

/* Rows of a held-out or out-of-scope file into `set`, which has to know the labels and slots of the training
 * rows already. */
static base_status read_known(data_set *set, const data_set *known, const char *path, base_error *err) {
  for (size_t i = 0; i < known->labels.n; i++)
    if (data_name(set, &set->labels, known->labels.name[i]) < 0)
      return base_fail(err, BASE_ENOMEM, path, "no memory");
  for (size_t i = 0; i < known->slots.n; i++)
    if (data_name(set, &set->slots, known->slots.name[i]) < 0)
      return base_fail(err, BASE_ENOMEM, path, "no memory");
  base_status st = data_read_jsonl(set, path, err);
  if (st) return st;
  bool label = set->labels.n > known->labels.n;
  if (!label && set->slots.n <= known->slots.n) return BASE_OK;
  base_slice name = label ? set->labels.name[known->labels.n] : set->slots.name[known->slots.n];
  return base_fail(err, BASE_EMISMATCH, path, "has the %s \"%.*s\", which the training rows do not have",
                   label ? "label" : "slot", name.len < 80 ? (int)name.len : 80, name.ptr);
}

/* Every row of the file as one out of scope, without spans. */
static base_status read_oos(data_set *set, const char *path, base_error *err) {
  data_set raw;
  data_init(&raw, set->allocator);
  base_status st = data_read_jsonl(&raw, path, err);
  int label = data_name(set, &set->labels, BASE_LITERAL(DATA_OOS_LABEL));
  if (!st && label < 0) st = base_fail(err, BASE_ENOMEM, path, "no memory");
  for (size_t i = 0; i < raw.n_rows && !st; i++) st = data_add(set, raw.rows[i].text, label, NULL, 0, err);
  data_free(&raw);
  return st;
}

static base_status read_rows(training *t, base_error *err) {
  const mn_train_options *o = t->o;
  base_status st = BASE_OK;
  if (is_pack_folder(o)) {
    st = pack_source_read(o->pack_dir, &t->manifest, &t->rows, NULL, err);
    if (!st) st = pack_allowed_slots(t->manifest, &t->rows, &t->allowed, NULL, err);
    if (!st) st = pack_source_hash(o->pack_dir, &t->source_hash, err);
  } else if (o->nlu_file != NULL) {
    st = data_read_jsonl(&t->rows, o->nlu_file, err);
    if (!st && o->oos_file != NULL) st = read_oos(&t->rows, o->oos_file, err);
    if (!st) st = data_lists_from_spans(&t->rows, err);
    if (!st && o->valid_file != NULL) st = read_known(&t->valid, &t->rows, o->valid_file, err);
  } else {
    for (size_t i = 0; i < o->n_unlabelled && !st; i++) st = data_read_lines(&t->rows, o->unlabelled[i], err);
  }
  return st;
}

/* ---- trunks ---- */

/* The shape that ships: deep enough for phrases, small enough for four megabytes with heads. */
static const model_shape SHIPPED_SHAPE = {.vocab = 4096,
                                          .d = 192,
                                          .layers = 4,
                                          .heads = 6,
                                          .kv_heads = 2,
                                          .head_dim = 32,
                                          .ff = 512,
                                          .max_tokens = 128,
                                          .cases = TOK_CASE_COUNT,
                                          .rope_base = 10000.0f,
                                          .eps = 1e-6f};

static base_status fresh_trunk(training *t, base_error *err) {
  model_shape shape = SHIPPED_SHAPE;
  base_slice *lines = base_calloc(base_allocator_libc(), t->rows.n_rows + 1, sizeof *lines);
  if (lines == NULL) return base_fail(err, BASE_ENOMEM, "training", "no memory for the text");
  for (size_t i = 0; i < t->rows.n_rows; i++) lines[i] = t->rows.rows[i].text;
  base_status st = tok_bpe_train(&t->tok, lines, t->rows.n_rows, shape.vocab, NULL, err);
  base_free(base_allocator_libc(), lines, (t->rows.n_rows + 1) * sizeof *lines);
  if (st) return st;
  shape.vocab = (uint32_t)tok_bpe_vocab(t->tok);
  return train_net_new(&t->net, &shape, t->recipe.seed, NULL, err);
}

static base_status load_trunk(training *t, base_error *err) {
  base_status st = choose_trunk(t, err);
  if (!st) st = gguf_open(&t->trunk_file, t->trunk_path, NULL, err);
  if (!st) st = tok_bpe_open(&t->tok, t->trunk_file, NULL, err);
  if (!st) st = train_net_load(&t->net, t->trunk_file, NULL, err);
  if (!st && tok_bpe_vocab(t->tok) != train_net_shape(t->net)->vocab)
    st = base_fail(err, BASE_EMISMATCH, t->trunk_path, "tokenizer and embedding differ in size");
  return st;
}

/* More masked-token training of the trunk on the run's own kind of text, before it learns the task. */
static base_status adapt_trunk(training *t, base_error *err) {
  data_set text;
  train_options r;
  base_status st = BASE_OK;
  if (t->o->n_unlabelled == 0 || t->o->nlu_file == NULL) return BASE_OK;
  data_init(&text, NULL);
  train_options_init_pretrain(&r);
  r.pool = t->recipe.pool;
  r.seed = t->recipe.seed;
  r.epochs = 4;
  r.learning_rate = 2e-3f;
  r.progress = t->recipe.progress;
  r.progress_ctx = t->recipe.progress_ctx;
  for (size_t i = 0; i < t->o->n_unlabelled && !st; i++)
    st = data_read_lines(&text, t->o->unlabelled[i], err);
  if (!st) st = train_pretrain(t->net, t->tok, &text, &r, err);
  data_free(&text);
  return st;
}

/* ---- the run ---- */

static base_status learn(training *t, base_error *err) {
  const mn_train_options *o = t->o;
  bool gate = t->manifest != NULL && t->manifest->is_gate;
  const char *none = t->manifest ? PACK_LABEL_NONE : DATA_OOS_LABEL;
  train_spec spec = {.allowed = t->allowed, .part_slot = gate ? 0 : -1, .pack = t->manifest != NULL && !gate};
  if (!is_pack_folder(o) && o->nlu_file == NULL) {
    uint64_t started = os_monotonic_ns();
    base_status st = train_pretrain(t->net, t->tok, &t->rows, &t->recipe, err);
    t->report.train_rows = t->rows.n_rows;
    t->report.epochs_run = t->recipe.epochs;
    t->report.seconds = (double)(os_monotonic_ns() - started) * 1e-9;
    return st ? st : train_net_put(t->net, t->tok, t->writer, err);
  }
  spec.none_label = data_find_name(&t->rows.labels, base_slice_of(none));
  spec.none_by_threshold = t->manifest == NULL;
  const data_set *valid = o->valid_file ? &t->valid : NULL;
  base_status st = adapt_trunk(t, err);
  train_refit_what what = o->refit && strcmp(o->refit, "calibration") == 0 ? TRAIN_REFIT_CALIBRATION : TRAIN_REFIT_ALL;
  if (!st && o->refit != NULL)
    st = train_refit(t->net, t->trunk_file, t->tok, &t->rows, valid, what, &spec, &t->recipe, t->writer, &t->report,
                     err);
  else if (!st)
    st = train_fit(t->net, t->tok, &t->rows, valid, &spec, &t->recipe, t->writer, &t->report, err);
  if (!st && t->manifest != NULL) pack_put(t->manifest, t->source_hash, t->writer);
  return st;
}

static base_status check_refit(const mn_train_options *o, base_error *err) {
  if (strcmp(o->refit, "all") != 0 && strcmp(o->refit, "calibration") != 0)
    return base_fail(err, BASE_EARGUMENT, "refit", "\"%.40s\" is neither \"all\" nor \"calibration\"", o->refit);
  if (o->pack_dir == NULL || o->trunk != NULL || api_is_guard_folder(o->pack_dir))
    return base_fail(err, BASE_EARGUMENT, "refit",
                     "is for the folder of a pack with a built file beside it, whose trunk it keeps");
  return BASE_OK;
}

static base_status run(training *t, base_error *err) {
  const mn_train_options *o = t->o;
  uint32_t threads = o->threads ? o->threads : (uint32_t)os_cpu_count();
  bool text_only = !is_pack_folder(o) && o->nlu_file == NULL;
  if (is_pack_folder(o) + (o->nlu_file != NULL) + (text_only && o->n_unlabelled > 0) != 1)
    return base_fail(err, BASE_EARGUMENT, "train",
                     "say one thing to train: a pack's folder, labelled rows, or unlabelled text");
  base_status allowed = o->refit != NULL ? check_refit(o, err) : BASE_OK;
  if (allowed) return allowed;
  base_status st = choose_out(t, err);
  if (!st && api_is_guard_folder(o->pack_dir)) return api_train_guard(o, t->out, &t->report, err);
  if (!st) st = read_rows(t, err);
  if (st) return st;
  choose_recipe(t);
  st = os_pool_open(&t->recipe.pool, (int)(threads > 64 ? 64 : threads), err);
  if (!st) st = text_only && o->trunk == NULL ? fresh_trunk(t, err) : load_trunk(t, err);
  t->writer = gguf_writer_new(NULL);
  if (!st && t->writer == NULL) st = base_fail(err, BASE_ENOMEM, "training", "no memory for the file");
  if (!st) st = learn(t, err);
  if (!st) st = gguf_writer_save(t->writer, t->out, err);
  if (!st && o->checkpoint == NULL && os_exists(t->checkpoint)) st = os_remove(t->checkpoint, err);
  return st;
}

static void fill_report(const training *t, mn_train_report *out) {
  const train_report *r = &t->report;
  *out = (mn_train_report){
      .train_rows = r->train_rows,
      .valid_rows = r->valid_rows,
      .epochs_run = r->epochs_run,
      .seconds = r->seconds,
      .label_accuracy = r->label_accuracy,
      .slot_f1 = r->slot_f1,
      .exact_match = r->exact_match,
      .label_accuracy_i8 = r->label_accuracy_i8,
      .slot_f1_i8 = r->slot_f1_i8,
      .exact_match_i8 = r->exact_match_i8,
      .ece = r->ece,
      .act_threshold = r->act_threshold,
      .acted_share = r->acted_share,
      .acted_wrong = r->acted_wrong,
      .bytes = api_file_bytes(t->out),
  };
  base_format(out->out, sizeof out->out, "%s", t->out);
}

int mn_train(const mn_train_options *given, mn_train_report *report, mn_error *out_err) {
  base_error err = {0};
  mn_train_options o;
  training t = {.o = &o};
  mn_train_options_init(&o);
  data_init(&t.rows, NULL);
  data_init(&t.valid, NULL);
  base_status st = api_take_struct(&o, sizeof o, given, "mn_train_options", &err);
  if (!st) st = run(&t, &err);
  if (!st && report != NULL) fill_report(&t, report);
  gguf_writer_free(t.writer);
  train_net_free(t.net);
  tok_bpe_close(t.tok);
  gguf_close(t.trunk_file);
  os_pool_close(t.recipe.pool);
  size_t slots = t.rows.slots.n ? t.rows.slots.n : 1;
  base_free(base_allocator_libc(), t.allowed, t.rows.labels.n * slots);
  pack_manifest_close(t.manifest);
  data_free(&t.rows);
  data_free(&t.valid);
  return api_result(st, &err, out_err);
}
