/* lm/model: opening and closing. The plan (keys, tables, tensors found and checked) comes first and takes little
 * memory; from it the need is added up; only then is anything large allocated. */
#include "lm/internal.h"

#include <stdatomic.h>
#include <string.h>

static const lm_family *const families[] = {
#define LM_FAMILY(name) &lm_family_##name,
#include "lm/family.def"
#undef LM_FAMILY
};
enum { FAMILIES = sizeof families / sizeof families[0] };

/* ---- the plan ---- */

static base_status find_family(const lm_family **out, const gguf_file *f, base_error *err) {
  base_slice arch;
  char known[160] = "";
  size_t len = 0;
  base_status st = gguf_get_string(f, "general.architecture", &arch, err);
  if (st != BASE_OK) return st;
  for (size_t i = 0; i < FAMILIES; i++) {
    *out = families[i];
    if (base_slice_equal(arch, base_slice_of(families[i]->name))) return BASE_OK;
    base_format(known + len, sizeof known - len, "%s%s", len > 0 ? ", " : "", families[i]->name);
    len += strlen(known + len);
  }
  return base_fail(err, BASE_EUNSUPPORTED, "general.architecture", "'%.*s' is not known; known are %s",
                   (int)(arch.len < 40 ? arch.len : 40), arch.ptr, known);
}

static base_status bind(lm_model *m, base_error *err) {
  lm_binder b = {.m = m, .err = err};
  size_t tensors = gguf_tensor_count(m->file) + 1;
  lm_read_shape(&b);
  if (b.status != BASE_OK) return b.status;
  m->layer = base_calloc(&m->allocator, m->layers, sizeof *m->layer);
  b.used = base_calloc(&m->allocator, tensors, sizeof *b.used);
  if (m->layer == NULL || b.used == NULL)
    lm_bind_fail(&b, BASE_ENOMEM, gguf_path(m->file), "no memory for a table of %zu tensors", tensors);
  else lm_bind_tensors(&b);
  if (b.status == BASE_OK) lm_cache_plan(m);
  base_free(&m->allocator, b.used, b.used != NULL ? tensors * sizeof *b.used : 0);
  return b.status;
}

/* ---- memory: each function counts with an empty arena and carves with a full one ---- */

static size_t packed_bytes(const lm_linear *l) {
  return matrix_bytes(l->w.type, l->mode, l->w.n, l->w.k);
}

static void carve_linear(lm_linear *l, base_arena *arena, unsigned *needs) {
  if (l->tensor == NULL) return;
  *needs |= l->w.needs;
  l->w.w.packed = base_arena_take(arena, 1, packed_bytes(l));
}

static void carve_weights(lm_model *m, base_arena *arena) {
  for (uint32_t i = 0; i < m->layers; i += m->repeat) {
    lm_layer *l = &m->layer[i];
    unsigned *const needs[LM_LINEARS] = {&m->needs_n, &m->needs_n,  &m->needs_n, &m->needs_q,
                                         &m->needs_n, &m->needs_n, &m->needs_ff};
    for (int k = 0; k < LM_LINEARS; k++) carve_linear(lm_layer_linear(l, k), arena, needs[k]);
  }
  carve_linear(&m->output, arena, &m->needs_head);
}

/* Norms and biases are copied: they are few bytes scattered over the file, and each read where it lies would bring in
 * a page of it, up to a large one (40 MB of a file of 144). `file` is NULL while the arena only counts. */
static void carve_vector(const float **v, size_t n, base_arena *arena, const os_reader *file) {
  float *own = *v != NULL ? base_arena_take(arena, n, sizeof *own) : NULL;
  if (own == NULL || file == NULL) return;
  const void *from = os_reader_get(file, *v, n * sizeof *own, own);
  if (from != own) memcpy(own, from, n * sizeof *own);
  *v = own;
}

static void carve_norm(lm_norm *norm, size_t n, base_arena *arena, const os_reader *file) {
  carve_vector(&norm->weight, n, arena, file);
  carve_vector(&norm->bias, n, arena, file);
}

static void carve_vectors(lm_model *m, base_arena *arena, const os_reader *file) {
  for (uint32_t i = 0; i < m->layers; i += m->repeat) {
    lm_layer *l = &m->layer[i];
    lm_norm *const wide[] = {&l->attn_norm, &l->attn_post, &l->ffn_norm, &l->ffn_post};
    for (size_t k = 0; k < sizeof wide / sizeof wide[0]; k++) carve_norm(wide[k], m->d, arena, file);
    carve_norm(&l->q_norm, m->head_dim, arena, file);
    carve_norm(&l->k_norm, m->head_dim, arena, file);
    for (int k = 0; k < LM_LINEARS; k++)
      carve_vector(&lm_layer_linear(l, k)->bias, lm_layer_linear(l, k)->w.n, arena, file);
  }
  carve_vector(&m->output.bias, m->output.w.n, arena, file);
  carve_norm(&m->embedding_norm, m->d, arena, file);
  carve_norm(&m->output_norm, m->d, arena, file);
}

/* A layer that is run several times: all but its place in the cache, and how that is kept. */
static void repeat_layers(lm_model *m) {
  for (uint32_t i = 0; i < m->layers; i++) {
    lm_layer before = m->layer[i];
    m->layer[i] = m->layer[i / m->repeat * m->repeat];
    m->layer[i].kv_slot = before.kv_slot;
    m->layer[i].kv_slides = before.kv_slides;
  }
}

static size_t workers_of(const lm_model *m) {
  uint32_t expected = m->options.threads > 0 ? m->options.threads : 1;
  return m->options.team != NULL ? (size_t)os_team_threads(m->options.team) : expected;
}

/* Normed rows: input of the layers, in the end of the head. */
static size_t input_n_bytes(const lm_model *m, size_t tokens) {
  size_t layers = matrix_input_bytes(m->needs_n, tokens, m->d), head = matrix_input_bytes(m->needs_head, tokens, m->d);
  return layers > head ? layers : head;
}

static void carve_scratch(lm_model *m, base_arena *arena) {
  lm_scratch *s = &m->scratch;
  size_t t = m->options.block, d = m->d, nq = m->max_heads * (size_t)m->head_dim;
  size_t nkv = m->max_kv_heads * (size_t)m->head_dim, workers = workers_of(m);
  s->row_floats = d > LM_NORM_FLOATS ? d : LM_NORM_FLOATS;
  s->rope_table = m->family->rope_pairs ? m->rope_dims : m->rope_dims / 2;
  s->scores_floats = cpu_attend_scratch(m->context);
  s->own_n_bytes = input_n_bytes(m, LM_PRIVATE_ROWS);
  uint32_t **const counts[] = {&s->id, &s->sequence, &s->position, &s->wanted};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
    *counts[i] = base_arena_take(arena, t, sizeof(uint32_t));
  const struct {
    float **ptr;
    size_t rows, floats;
  } parts[] = {
      {&s->h, m->family->encoder ? m->context : t, d},
      {&s->o, t, d},
      {&s->own_h, workers * LM_PRIVATE_ROWS, d},
      {&s->q, t, nq},
      {&s->attended, t, nq},
      {&s->k, t, nkv},
      {&s->v, t, nkv},
      {&s->gate, t, m->max_ff},
      {&s->up, t, m->max_ff},
      {&s->cos[0], t, s->rope_table},
      {&s->sin[0], t, s->rope_table},
      {&s->cos[1], t, m->rope[1].used ? s->rope_table : 0},
      {&s->sin[1], t, m->rope[1].used ? s->rope_table : 0},
      {&s->scores, workers, s->scores_floats},
      {&s->row, workers, s->row_floats},
  };
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    *parts[i].ptr = base_arena_take(arena, parts[i].rows, parts[i].floats * sizeof(float));
  s->in_n = base_arena_take(arena, 1, input_n_bytes(m, t));
  s->in_q = base_arena_take(arena, 1, matrix_input_bytes(m->needs_q, t, nq));
  s->in_ff = base_arena_take(arena, 1, matrix_input_bytes(m->needs_ff, t, m->max_ff));
  s->own_n = base_arena_take(arena, workers, s->own_n_bytes);
  s->reads = base_arena_take(arena, workers * lm_reads_most(m), sizeof *s->reads);
}

/* Tables of which each token takes a row are read where they lie, unless they are packed too. */
static size_t mapped_bytes(const lm_model *m) {
  const gguf_tensor *const tables[] = {m->embedding == m->output.tensor ? NULL : m->embedding, m->type_table,
                                       m->position_table};
  size_t bytes = 0;
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) bytes += tables[i] != NULL ? tables[i]->bytes : 0;
  return bytes;
}

/* From here on the block begins with a large page: the first of the weights is worth as much as room for another. */
enum { LARGE_WEIGHTS = 2 * OS_LARGE_PAGE };

static base_status add_up(lm_model *m, base_error *err) {
  lm_memory *need = &m->need;
  base_arena weights, scratch;
  base_arena_init(&weights, NULL, 0);
  base_arena_init(&scratch, NULL, 0);
  carve_weights(m, &weights);
  m->packed_bytes = weights.used;
  carve_vectors(m, &weights, NULL);
  carve_scratch(m, &scratch);
  m->align_bytes = m->packed_bytes >= LARGE_WEIGHTS ? OS_LARGE_PAGE : 0;
  need->mapped_bytes = mapped_bytes(m);
  need->weights_bytes = sizeof *m + m->layers * sizeof *m->layer + weights.used + m->align_bytes;
  need->scratch_bytes = scratch.used;
  need->cache_bytes = lm_cache_bytes(m);
  if (weights.overflow || scratch.overflow || need->cache_bytes == SIZE_MAX ||
      !base_add_size(weights.used, scratch.used, &m->block_bytes) ||
      !base_add_size(m->block_bytes, m->align_bytes, &m->block_bytes) ||
      !base_add_size(need->mapped_bytes, need->weights_bytes, &need->total_bytes) ||
      !base_add_size(need->total_bytes, need->scratch_bytes, &need->total_bytes) ||
      !base_add_size(need->total_bytes, need->cache_bytes, &need->total_bytes))
    return base_fail(err, BASE_ELIMIT, gguf_path(m->file), "needs more memory than can be addressed");
  return BASE_OK;
}

static base_status plan(lm_model **out, const gguf_file *f, const lm_options *o, base_error *err) {
  static const lm_options defaults = {0};
  base_allocator a = o != NULL && o->allocator != NULL ? *o->allocator : *base_allocator_libc();
  const lm_family *family;
  *out = NULL;
  base_status st = find_family(&family, f, err);
  if (st != BASE_OK) return st;
  lm_model *m = base_calloc(&a, 1, sizeof *m);
  if (m == NULL) return base_fail(err, BASE_ENOMEM, gguf_path(f), "no memory for %zu bytes", sizeof *m);
  m->allocator = a;
  m->file = f;
  m->family = family;
  m->options = o != NULL ? *o : defaults;
  m->kernels = m->options.kernels != NULL ? m->options.kernels : cpu_best();
  st = bind(m, err);
  if (st == BASE_OK) st = add_up(m, err);
  if (st == BASE_OK) *out = m;
  else lm_model_close(m);
  return st;
}

/* ---- what people call ---- */

base_status lm_need(lm_memory *out, lm_info *info, const gguf_file *f, const lm_options *o, base_error *err) {
  lm_model *m;
  base_status st = plan(&m, f, o, err);
  *out = st == BASE_OK ? m->need : (lm_memory){0};
  if (info != NULL) *info = st == BASE_OK ? lm_model_info(m) : (lm_info){0};
  lm_model_close(m);
  return st;
}

static double mb(size_t bytes) { return (double)bytes / 1e6; }

static base_status check_limit(const lm_model *m, base_error *err) {
  const lm_memory *n = &m->need;
  size_t limit = m->options.memory_limit_bytes;
  if (limit == 0 || n->total_bytes <= limit) return BASE_OK;
  return base_fail(err, BASE_ELIMIT, gguf_path(m->file),
                   "needs %.1f MB and may use %.1f: weights %.1f, keys and values of %u tokens %.1f, scratch %.1f; "
                   "a smaller context or cache type, or a smaller model, is needed",
                   mb(n->total_bytes), mb(limit), mb(n->mapped_bytes + n->weights_bytes), (unsigned)m->context,
                   mb(n->cache_bytes), mb(n->scratch_bytes));
}

/* ---- packing, in pieces that the threads take one after another: nobody waits for anybody, and a thread that starts
 * late takes fewer. A piece is the rows whose packed form begins in one large page: two threads in the same fresh
 * page would both clear it. The file is read past its map, a little at a time into room that stays in the processor's
 * cache: mapping its pages costs as much, and they would count as this process's beside the packed ones. ---- */

enum { PIECE_BYTES = OS_LARGE_PAGE, STAGE_BYTES = 64 << 10 };

typedef struct packing {
  lm_model *m;
  os_reader file;
  const unsigned char *start; /* of the packed weights */
  unsigned char *stage;       /* [workers][stage_bytes]: the scratch, which nobody uses yet */
  size_t stage_bytes;
  _Atomic size_t taken;       /* pieces */
  _Atomic size_t done;        /* bytes, packed */
  _Atomic bool stopped;
} packing;

/* All matrices, in the order of their memory; some are not there (tensor NULL, no rows). */
static size_t linear_count(const lm_model *m) { return (size_t)m->stored_layers * LM_LINEARS + 1; }

static lm_linear *linear_at(lm_model *m, size_t i) {
  if (i + 1 == linear_count(m)) return &m->output;
  return lm_layer_linear(&m->layer[i / LM_LINEARS * m->repeat], (int)(i % LM_LINEARS));
}

static void report(packing *p) {
  const lm_watch *watch = &p->m->options.watch;
  if (watch->progress != NULL) watch->progress(watch->ctx, p->done, p->m->packed_bytes);
  if (watch->stop != NULL && watch->stop(watch->ctx)) p->stopped = true;
}

/* The piece that `row`, the first of a group, is in, and how many rows from there on. */
static size_t piece_at(const packing *p, const lm_linear *l, size_t row, size_t *rows) {
  size_t each = l->w.w.group_bytes, first = (size_t)(l->w.w.packed - p->start);
  size_t piece = (first + row / 16 * each) / PIECE_BYTES;
  size_t end = ((piece + 1) * PIECE_BYTES - first + each - 1) / each * 16;
  *rows = (end < l->w.n ? end : l->w.n) - row;
  return piece;
}

/* Rows too long for the room, sixteen at least, are read where they lie. */
static void pack_rows(packing *p, int me, const lm_linear *l, size_t row, size_t rows) {
  size_t row_bytes = l->tensor->bytes / (size_t)l->tensor->dim[1], most = p->stage_bytes / row_bytes / 16 * 16;
  const unsigned char *from = (const unsigned char *)l->tensor->data + (l->row + row) * row_bytes;
  for (size_t n; rows > 0; row += n, rows -= n, from += n * row_bytes) {
    n = most > 0 && most < rows ? most : rows;
    const void *at =
        most > 0 ? os_reader_get(&p->file, from, n * row_bytes, p->stage + (size_t)me * p->stage_bytes) : from;
    matrix_pack(&l->w, at, row, n);
    if (at == from) gguf_forget(p->m->file, from, n * row_bytes);
    atomic_fetch_add(&p->done, (n + 15) / 16 * l->w.w.group_bytes);
  }
}

static void pack_pieces(void *ctx, int me, int of) {
  packing *p = ctx;
  const lm_options *o = &p->m->options;
  if (me == 0 && o->meanwhile != NULL && !o->meanwhile(o->opening_ctx)) p->stopped = true;
  size_t mine = atomic_fetch_add(&p->taken, 1);
  (void)of;
  for (size_t i = 0; i < linear_count(p->m); i++) {
    const lm_linear *l = linear_at(p->m, i);
    if (l->tensor == NULL) continue;
    for (size_t row = 0, rows; row < l->w.n && !p->stopped; row += rows) {
      size_t piece = piece_at(p, l, row, &rows);
      while (mine < piece) mine = atomic_fetch_add(&p->taken, 1);
      if (mine != piece) continue;
      pack_rows(p, me, l, row, rows);
      if (me == 0) report(p);
    }
  }
}

/* The weights; the page that they end in if they fill half of it and the rest is scratch of ours. */
static size_t large_bytes(const lm_model *m, size_t room) {
  size_t pages = (m->packed_bytes + OS_LARGE_PAGE / 2) / OS_LARGE_PAGE, whole = room / OS_LARGE_PAGE;
  return (pages < whole ? pages : whole) * OS_LARGE_PAGE;
}

static size_t stage_bytes(const lm_model *m) {
  size_t bytes = m->need.scratch_bytes / workers_of(m) / 64 * 64;
  return bytes < STAGE_BYTES ? bytes : STAGE_BYTES;
}

static base_status fill_block(lm_model *m, base_error *err) {
  base_arena arena;
  packing p = {.m = m};
  m->block = base_alloc(&m->allocator, m->block_bytes);
  if (m->block == NULL)
    return base_fail(err, BASE_ENOMEM, gguf_path(m->file), "no memory for %zu bytes", m->block_bytes);
  size_t skip = m->align_bytes > 0 ? m->align_bytes - (uintptr_t)m->block % m->align_bytes : 0;
  unsigned char *start = (unsigned char *)m->block + skip;
  if (m->align_bytes > 0) os_memory_large(start, large_bytes(m, m->block_bytes - skip));
  base_arena_init(&arena, start, m->block_bytes - skip);
  gguf_reader_open(&p.file, m->file);
  carve_weights(m, &arena);
  carve_vectors(m, &arena, &p.file);
  repeat_layers(m);
  p.start = start;
  m->packed = start;
  p.stage = start + arena.used;
  p.stage_bytes = stage_bytes(m);
  carve_scratch(m, &arena);
  os_team_run(m->options.team, pack_pieces, &p);
  os_reader_close(&p.file);
  memset(m->scratch.reads, 0, workers_of(m) * lm_reads_most(m) * sizeof *m->scratch.reads);
  return p.stopped ? base_fail(err, BASE_ECANCELLED, gguf_path(m->file), "stopped while loading") : BASE_OK;
}

base_status lm_model_open(lm_model **out, const gguf_file *f, const lm_options *o, base_error *err) {
  lm_model *m;
  *out = NULL;
  base_status st = plan(&m, f, o, err);
  if (st == BASE_OK) st = check_limit(m, err);
  if (st == BASE_OK && m->options.planned != NULL) {
    lm_info info = lm_model_info(m);
    st = m->options.planned(m->options.opening_ctx, &m->need, &info, err);
  }
  if (st == BASE_OK) st = fill_block(m, err);
  if (st == BASE_OK && m->family->encoder) st = lm_cache_make(&m->own_cache, m, err);
  if (st == BASE_OK) *out = m;
  else lm_model_close(m);
  return st;
}

void lm_model_close(lm_model *m) {
  if (m == NULL) return;
  base_allocator a = m->allocator;
  lm_cache_close(m->own_cache);
  base_free(&a, m->layer, m->layer != NULL ? m->layers * sizeof *m->layer : 0);
  base_free(&a, m->block, m->block != NULL ? m->block_bytes : 0);
  base_free(&a, m, sizeof *m);
}

lm_info lm_model_info(const lm_model *m) {
  lm_info info = {.vocab = m->vocab, .width = m->d, .layers = m->layers, .context = m->context,
                  .trained_context = m->trained_context, .block = m->options.block, .sequences = m->options.sequences,
                  .encoder = m->family->encoder, .architecture = base_slice_of(m->family->name)};
  const gguf_value *name = gguf_find(m->file, "general.name");
  if (name != NULL && name->type == GGUF_STRING) info.name = (base_slice){(const char *)name->bytes, name->len};
  for (size_t i = 0; i < gguf_tensor_count(m->file); i++) {
    const gguf_tensor *t = gguf_tensor_at(m->file, i);
    info.parameters += t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3];
  }
  return info;
}
