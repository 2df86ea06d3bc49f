/* Vectors of texts: an encoder's file, its vocabulary and threads behind mn_embed. */
#include "api/api.h"
#include "gguf/gguf.h"
#include "lm/lm.h"
#include "tok/tok.h"

#include <string.h>

struct mn_embedder {
  base_allocator allocator;
  gguf_file *file;
  os_team *team;
  tok_vocab *vocab;
  tok_scratch scratch;
  lm_model *model;
  lm_info info;
  uint32_t *ids; /* [room] of one text */
  size_t room;
  bool cut;
};

void mn_embedder_options_init(mn_embedder_options *o) { *o = (mn_embedder_options){.size = sizeof *o}; }

/* ---- opening ---- */

static base_status take_options(mn_embedder_options *o, const mn_embedder_options *given, lm_options *lm,
                                base_error *err) {
  mn_embedder_options_init(o);
  base_status st = api_take_struct(o, sizeof *o, given, "embedder options", err);
  *lm = (lm_options){.context = o->context, .reference = o->reference, .memory_limit_bytes = (size_t)o->memory_bytes};
  if (o->reference) lm->cache = LM_CACHE_F32;
  if (!st) st = api_take_kernels(o->kernels, &lm->kernels, err);
  return st ? st : api_take_threads(o->threads, &o->threads, err);
}

static base_status open_parts(mn_embedder *e, const char *path, const mn_embedder_options *o, lm_options *lm,
                              base_error *err) {
  base_status st = gguf_open(&e->file, path, &e->allocator, err);
  if (!st && o->threads > 1) st = os_team_open(&e->team, (int)o->threads, err);
  lm->team = e->team;
  lm->allocator = &e->allocator;
  if (!st) st = lm_model_open(&e->model, e->file, lm, err);
  if (!st) e->info = lm_model_info(e->model);
  if (!st && !e->info.encoder)
    st = base_fail(err, BASE_EUNSUPPORTED, path, "this model writes text; minnow generate runs it");
  if (!st) st = tok_vocab_open(&e->vocab, e->file, &e->allocator, err);
  return st;
}

int mn_embedder_open(mn_embedder **out, const char *path, const mn_embedder_options *given, mn_error *error) {
  base_error err = {0};
  mn_embedder_options o;
  lm_options lm;
  *out = NULL;
  base_status st = take_options(&o, given, &lm, &err);
  if (st) return api_result(st, &err, error);
  base_allocator a = o.resize != NULL ? (base_allocator){o.resize, o.resize_ctx} : *base_allocator_libc();
  mn_embedder *e = base_calloc(&a, 1, sizeof *e);
  if (e == NULL) return api_result(base_fail(&err, BASE_ENOMEM, path, "no memory"), &err, error);
  e->allocator = a;
  e->scratch.allocator = &e->allocator;
  e->cut = o.cut;
  st = open_parts(e, path, &o, &lm, &err);
  if (st) mn_embedder_close(e);
  else *out = e;
  return api_result(st, &err, error);
}

void mn_embedder_close(mn_embedder *e) {
  if (e == NULL) return;
  base_allocator a = e->allocator;
  tok_vocab_close(e->vocab);
  tok_scratch_free(&e->scratch);
  lm_model_close(e->model);
  os_team_close(e->team);
  gguf_close(e->file);
  base_free(&a, e->ids, e->room * sizeof *e->ids);
  base_free(&a, e, sizeof *e);
}

uint32_t mn_embedder_width(const mn_embedder *e) { return e->info.width; }
uint32_t mn_embedder_context(const mn_embedder *e) { return e->info.context; }

/* ---- a text ---- */

static base_status make_room(mn_embedder *e, size_t room, base_error *err) {
  uint32_t *ids = base_grow(&e->allocator, e->ids, &e->room, room, sizeof *ids);
  if (ids == NULL) return base_fail(err, BASE_ENOMEM, "text", "no memory for %zu tokens", room);
  e->ids = ids;
  return BASE_OK;
}

/* A text too long loses its end; the mark behind the last token stays. */
static size_t cut(mn_embedder *e, size_t n) {
  if (!e->cut || n <= e->info.context) return n;
  e->ids[e->info.context - 1] = e->ids[n - 1];
  return e->info.context;
}

int mn_embed(mn_embedder *e, const char *text, size_t text_len, float *out, size_t room, mn_error *error) {
  base_error err = {0};
  tok_input in = {.text = text, .len = text_len > 0 ? text_len : strlen(text), .flags = TOK_ADD_SPECIAL};
  size_t n = 0;
  base_status st = room < e->info.width ? base_fail(&err, BASE_EARGUMENT, "out", "room for %zu of %u values", room,
                                                    (unsigned)e->info.width)
                                        : make_room(e, tok_encode_bound(e->vocab, in.len) + 2, &err);
  if (!st) st = tok_encode(e->vocab, &e->scratch, &in, e->ids, e->room, &n, &err);
  if (!st) st = lm_embed(e->model, e->ids, cut(e, n), true, out, NULL, &err);
  return api_result(st, &err, error);
}
