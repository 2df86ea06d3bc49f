/* A language model opened: its file, the threads, the vocabulary, weights and cache, and the engine that
 * sessions share. Memory comes from an allocator that keeps the bound. */
#include "api/model.h"

#include <string.h>

enum { MAX_SESSIONS = 1024, MAX_BLOCK = 4096, MAX_DRAFTS = 256 };

void mn_model_options_init(mn_model_options *o) { *o = (mn_model_options){.size = sizeof *o}; }
void mn_model_info_init(mn_model_info *i) { *i = (mn_model_info){.size = sizeof *i}; }
void mn_memory_init(mn_memory *m) { *m = (mn_memory){.size = sizeof *m}; }

/* ---- the bound ---- */

static void *bounded_resize(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes) {
  api_bound *b = ctx;
  if (new_bytes > old_bytes) {
    size_t used = atomic_fetch_add(&b->used, new_bytes - old_bytes) + (new_bytes - old_bytes);
    void *out = used <= b->limit ? b->under.resize(b->under.ctx, ptr, old_bytes, new_bytes) : NULL;
    if (out == NULL) atomic_fetch_sub(&b->used, new_bytes - old_bytes);
    return out;
  }
  void *out = b->under.resize(b->under.ctx, ptr, old_bytes, new_bytes);
  if (out != NULL || new_bytes == 0) atomic_fetch_sub(&b->used, old_bytes - new_bytes);
  return out;
}

static base_allocator under_of(const mn_model_options *o) {
  return o->resize != NULL ? (base_allocator){o->resize, o->resize_ctx} : *base_allocator_libc();
}

static void open_bound(api_bound *b, const mn_model_options *o) {
  b->under = under_of(o);
  b->bounded = (base_allocator){bounded_resize, b};
  b->limit = o->memory_bytes > 0 && o->memory_bytes < SIZE_MAX ? (size_t)o->memory_bytes : SIZE_MAX;
  atomic_init(&b->used, 0);
}

/* ---- options ---- */

static base_status check_number(const char *name, uint32_t value, uint32_t most, base_error *err) {
  if (value <= most) return BASE_OK;
  return base_fail(err, BASE_EARGUMENT, name, "%u is more than the %u that are possible", value, most);
}

static base_status cache_type(const char *name, lm_cache_type *out, base_error *err) {
  *out = LM_CACHE_F16;
  if (name == NULL || strcmp(name, "f16") == 0) return BASE_OK;
  *out = LM_CACHE_I8;
  if (strcmp(name, "q8") == 0) return BASE_OK;
  *out = LM_CACHE_F32;
  if (strcmp(name, "f32") == 0) return BASE_OK;
  return base_fail(err, BASE_EARGUMENT, "kv", "keys and values are kept as f16, q8 or f32, not as \"%.40s\"", name);
}

/* The caller's options, checked, and lm's. */
static base_status take_options(mn_model_options *o, const mn_model_options *given, lm_options *lm,
                                base_error *err) {
  mn_model_options_init(o);
  base_status st = api_take_struct(o, sizeof *o, given, "model options", err);
  if (!st) st = check_number("sessions", o->sessions, MAX_SESSIONS, err);
  if (!st) st = check_number("block", o->block, MAX_BLOCK, err);
  if (!st) st = check_number("drafts", o->drafts, MAX_DRAFTS, err);
  *lm = (lm_options){.context = o->context, .sequences = o->sessions, .block = o->block, .reference = o->reference};
  if (!st) st = cache_type(o->kv, &lm->cache, err);
  if (!st) st = api_take_kernels(o->kernels, &lm->kernels, err);
  return st ? st : api_take_threads(o->threads, &o->threads, err);
}

/* ---- memory ---- */

/* What gen takes. */
static size_t engine_bytes(const lm_info *i, const mn_model_options *o) {
  gen_backend b = {.vocab = i->vocab, .context = i->context, .block = i->block, .sequences = i->sequences};
  gen_options g = {.drafts = o->drafts};
  return gen_engine_bytes(&b, &g);
}

/* The file's tables, the template, a session with a first page of text: what has no number beforehand. */
enum { SPARE_BYTES = 1 << 19 };

/* lm's, gen's and the vocabulary. */
static void add_up(const gguf_file *f, const lm_memory *need, const lm_info *info, const mn_model_options *o,
                   mn_memory *out) {
  size_t engine = engine_bytes(info, o) + tok_vocab_bytes(f) + SPARE_BYTES;
  out->mapped_bytes = need->mapped_bytes;
  out->weights_bytes = need->weights_bytes;
  out->cache_bytes = need->cache_bytes;
  out->scratch_bytes = need->scratch_bytes + engine;
  out->total_bytes = need->total_bytes + engine;
}

/* Said before anything is loaded. */
static base_status check_fits(const char *path, const mn_memory *need, const mn_model_options *o, base_error *err) {
  if (o->memory_bytes == 0 || need->total_bytes <= o->memory_bytes) return BASE_OK;
  return base_fail(
      err, BASE_ELIMIT, path,
      "it needs %.1f MB and the bound is %.1f MB: weights %.1f, context %.1f, vocabulary and scratch %.1f; "
      "a shorter context or an int8 cache needs less",
      (double)need->total_bytes / 1e6, (double)o->memory_bytes / 1e6,
      (double)(need->mapped_bytes + need->weights_bytes) / 1e6, (double)need->cache_bytes / 1e6,
      (double)need->scratch_bytes / 1e6);
}

int mn_model_need(const char *path, const mn_model_options *given, mn_memory *out, mn_error *error) {
  base_error err = {0};
  mn_model_options o;
  lm_options lm;
  lm_memory planned;
  lm_info info;
  mn_memory need;
  gguf_file *f = NULL;
  mn_memory_init(&need);
  base_status st = take_options(&o, given, &lm, &err);
  if (!st) st = gguf_open(&f, path, NULL, &err);
  lm.threads = o.threads;
  if (!st) st = lm_need(&planned, &info, f, &lm, &err);
  if (!st) add_up(f, &planned, &info, &o, &need);
  gguf_close(f);
  if (!st) st = api_give_struct(out, &need, sizeof need, "memory", &err);
  return api_result(st, &err, error);
}

/* ---- opening ---- */

typedef struct loading {
  const mn_model_options *o;
  bool stop;
} loading;

static void on_progress(void *ctx, size_t done, size_t total) {
  loading *l = ctx;
  if (l->o->progress != NULL && !l->o->progress(l->o->progress_ctx, total > 0 ? (double)done / (double)total : 1.0))
    l->stop = true;
}

static bool is_stopped(void *ctx) { return ((const loading *)ctx)->stop; }

static base_status open_engine(mn_model *m, const mn_model_options *o, const lm_options *lm, base_error *err) {
  gen_backend b = gen_backend_of_lm(&m->lm);
  gen_options g = {.allocator = &m->bound.bounded, .kernels = lm->kernels, .drafts = o->drafts};
  if (lm_model_info(m->lm.model).encoder)
    return base_fail(err, BASE_EUNSUPPORTED, gguf_path(m->file), "this model makes vectors of text and no text");
  return gen_engine_open(&m->gen, &b, m->vocab, &g, err);
}

/* A model without a template that can be used still goes on from text. */
static base_status open_chat(mn_model *m, base_error *err) {
  base_status st = chat_template_open_gguf(&m->chat, m->file, &m->bound.bounded, &m->chat_error);
  (void)base_format(m->chat_problem, sizeof m->chat_problem, "%s: %s", m->chat_error.where, m->chat_error.text);
  return st == BASE_ENOMEM ? base_fail(err, st, m->chat_error.where, "%s", m->chat_error.text) : BASE_OK;
}

/* What is done on the way. */
typedef struct opening {
  mn_model *m;
  const mn_model_options *o;
  base_status vocab;
  base_error *err;
} opening;

/* What is read in the file's own pages counts, though nobody allocates it. */
static base_status on_planned(void *ctx, const lm_memory *need, const lm_info *info, base_error *err) {
  const opening *p = ctx;
  mn_model *m = p->m;
  add_up(m->file, need, info, p->o, &m->memory);
  base_status st = check_fits(gguf_path(m->file), &m->memory, p->o, err);
  if (!st && m->bound.limit != SIZE_MAX) m->bound.limit -= (size_t)m->memory.mapped_bytes;
  return st;
}

/* The vocabulary is read while the other threads pack the weights. Its strings are then in tables of its own. */
static bool open_vocab(void *ctx) {
  opening *p = ctx;
  p->vocab = tok_vocab_open(&p->m->vocab, p->m->file, &p->m->bound.bounded, p->err);
  gguf_forget_all(p->m->file);
  return p->vocab == BASE_OK;
}

static base_status open_model(mn_model *m, const mn_model_options *o, lm_options *lm, base_error *err) {
  opening p = {.m = m, .o = o, .err = err};
  lm->planned = on_planned;
  lm->meanwhile = open_vocab;
  lm->opening_ctx = &p;
  base_status st = lm_model_open(&m->lm.model, m->file, lm, err);
  return p.vocab ? p.vocab : st;
}

static base_status open_parts(mn_model *m, const char *path, const mn_model_options *o, lm_options *lm,
                              base_error *err) {
  loading l = {.o = o};
  const base_allocator *a = &m->bound.bounded;
  lm->watch = (lm_watch){.ctx = &l, .stop = is_stopped, .progress = on_progress};
  lm->allocator = a;
  base_status st = gguf_open(&m->file, path, a, err);
  if (!st) st = os_turn_open(&m->turn, a, err);
  if (!st && o->threads > 1) st = os_team_open(&m->team, (int)o->threads, err);
  lm->team = m->team;
  if (!st) st = open_model(m, o, lm, err);
  if (!st) st = lm_cache_open(&m->lm.cache, m->lm.model, err);
  if (!st) st = open_engine(m, o, lm, err);
  if (!st) st = open_chat(m, err);
  if (!st) gguf_forget_all(m->file); /* what was read of it behind the vocabulary: 1.8 MB of 500 M parameters */
  return st;
}

static void describe(mn_model *m, const mn_model_options *o, const lm_options *lm) {
  lm_info i = lm_model_info(m->lm.model);
  m->threads = o->threads;
  m->kernels = lm->kernels->name;
  m->scratch.allocator = &m->bound.bounded;
  (void)base_format(m->architecture, sizeof m->architecture, "%.*s", (int)i.architecture.len, i.architecture.ptr);
  (void)base_format(m->name, sizeof m->name, "%.*s", (int)i.name.len, i.name.ptr);
}

int mn_model_open(mn_model **out, const char *path, const mn_model_options *given, mn_error *error) {
  base_error err = {0};
  mn_model_options o;
  lm_options lm;
  *out = NULL;
  base_status st = take_options(&o, given, &lm, &err);
  if (st) return api_result(st, &err, error);
  base_allocator under = under_of(&o);
  mn_model *m = base_calloc(&under, 1, sizeof *m);
  if (m == NULL) return api_result(API_OUT_OF_MEMORY(&err, "model"), &err, error);
  open_bound(&m->bound, &o);
  mn_memory_init(&m->memory);
  st = open_parts(m, path, &o, &lm, &err);
  if (!st) describe(m, &o, &lm);
  if (st) mn_model_close(m);
  else *out = m;
  return api_result(st, &err, error);
}

void mn_model_close(mn_model *m) {
  if (m == NULL) return;
  base_allocator under = m->bound.under;
  api_rules_forget(m);
  mask_vocab_close(m->mask);
  tool_form_close(m->form);
  chat_template_close(m->chat);
  gen_engine_close(m->gen);
  lm_cache_close(m->lm.cache);
  lm_model_close(m->lm.model);
  tok_scratch_free(&m->scratch);
  tok_vocab_close(m->vocab);
  os_team_close(m->team);
  os_turn_close(m->turn);
  gguf_close(m->file);
  base_free(&under, m, sizeof *m);
}

/* ---- what it is ---- */

static uint64_t file_bytes(const gguf_file *f) {
  uint64_t sum = 0;
  for (size_t i = 0; i < gguf_tensor_count(f); i++) sum += gguf_tensor_at(f, i)->bytes;
  return sum;
}

int mn_model_about(const mn_model *m, mn_model_info *out, mn_error *error) {
  base_error err = {0};
  mn_model_info i;
  lm_info l = lm_model_info(m->lm.model);
  mn_model_info_init(&i);
  i.architecture = m->architecture;
  i.name = m->name;
  i.kernels = m->kernels;
  i.chat_template = m->chat != NULL ? chat_template_name(m->chat) : NULL;
  i.parameters = l.parameters;
  i.tensor_bytes = file_bytes(m->file);
  i.vocab = l.vocab;
  i.layers = l.layers;
  i.width = l.width;
  i.context = l.context;
  i.trained_context = l.trained_context;
  i.sessions = l.sequences;
  i.threads = m->threads;
  i.chat_problem = m->chat != NULL ? NULL : m->chat_problem;
  return api_result(api_give_struct(out, &i, sizeof i, "model info", &err), &err, error);
}

/* ---- text to tokens ---- */

bool api_ids_reserve(api_ids *ids, size_t room, const base_allocator *a) {
  uint32_t *id = base_grow(a, ids->id, &ids->room, room, sizeof *id);
  if (id != NULL) ids->id = id;
  return id != NULL || room == 0;
}

void api_ids_free(api_ids *ids, const base_allocator *a) {
  if (ids->room > 0) base_free(a, ids->id, ids->room * sizeof *ids->id);
  *ids = (api_ids){0};
}

base_status api_model_encode(mn_model *m, tok_scratch *scratch, const tok_input *in, api_ids *ids, base_error *err) {
  const tok_specials *special = tok_vocab_specials(m->vocab);
  size_t bound = tok_encode_bound(m->vocab, in->len) + 2, n;
  if (!api_ids_reserve(ids, ids->n + bound, &m->bound.bounded)) return API_OUT_OF_MEMORY(err, "prompt");
  base_status st = tok_encode(m->vocab, scratch, in, ids->id + ids->n, bound, &n, err);
  if (st) return st;
  /* the answer goes on from here: nothing ends yet; and there must be something to go on from */
  if ((in->flags & TOK_ADD_SPECIAL) && special->add_eos && n > 0 && ids->id[ids->n + n - 1] == special->eos) n--;
  ids->n += n;
  if (ids->n == 0 && special->bos != TOK_NONE) ids->id[ids->n++] = special->bos;
  return BASE_OK;
}

int mn_model_tokens(mn_model *m, const char *text, size_t text_len, uint32_t *ids, size_t room, size_t *n,
                    mn_error *error) {
  base_error err = {0};
  tok_input in = {.text = text, .len = text_len > 0 ? text_len : strlen(text), .flags = TOK_ADD_SPECIAL};
  os_turn_take(m->turn);
  base_status st = tok_encode(m->vocab, &m->scratch, &in, ids, room, n, &err);
  os_turn_give(m->turn);
  return api_result(st, &err, error);
}
