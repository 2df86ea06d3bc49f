/* lm/model: opening and closing. The plan (keys, tables, tensors found and checked) comes first and takes little
 * memory; from it the need is added up; only then is anything large allocated. */
#include "lm/internal.h"

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
    for (uint32_t r = 1; r < m->repeat; r++)
      for (int k = 0; k < LM_LINEARS; k++) *lm_layer_linear(l + r, k) = *lm_layer_linear(l, k);
  }
  carve_linear(&m->output, arena, &m->needs_n);
}

static void carve_scratch(lm_model *m, base_arena *arena) {
  lm_scratch *s = &m->scratch;
  size_t t = m->options.block, d = m->d, nq = m->max_heads * (size_t)m->head_dim;
  size_t nkv = m->max_kv_heads * (size_t)m->head_dim, workers = (size_t)os_team_threads(m->options.team);
  s->row_floats = d > m->head_dim ? d : m->head_dim;
  s->rope_table = m->family->rope_pairs ? m->rope_dims : m->rope_dims / 2;
  s->scores_floats = cpu_attend_scratch(m->context);
  s->own_n_bytes = matrix_input_bytes(m->needs_n, LM_PRIVATE_ROWS, d);
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
  s->in_n = base_arena_take(arena, 1, matrix_input_bytes(m->needs_n, t, d));
  s->in_q = base_arena_take(arena, 1, matrix_input_bytes(m->needs_q, t, nq));
  s->in_ff = base_arena_take(arena, 1, matrix_input_bytes(m->needs_ff, t, m->max_ff));
  s->own_n = base_arena_take(arena, workers, s->own_n_bytes);
}

/* Tensors that are not packed are read where they lie. */
static size_t mapped_bytes(const lm_model *m) {
  size_t bytes = 0;
  for (size_t i = 0; i < gguf_tensor_count(m->file); i++) {
    const gguf_tensor *t = gguf_tensor_at(m->file, i);
    if (t->dim[1] == 1 || (t == m->embedding && t != m->output.tensor)) bytes += t->bytes;
  }
  return bytes;
}

static base_status add_up(lm_model *m, base_error *err) {
  lm_memory *need = &m->need;
  base_arena weights, scratch;
  base_arena_init(&weights, NULL, 0);
  base_arena_init(&scratch, NULL, 0);
  carve_weights(m, &weights);
  carve_scratch(m, &scratch);
  m->weights_bytes = weights.used;
  need->mapped_bytes = mapped_bytes(m);
  need->weights_bytes = sizeof *m + m->layers * sizeof *m->layer + weights.used;
  need->scratch_bytes = scratch.used;
  need->cache_bytes = lm_cache_bytes(m);
  if (weights.overflow || scratch.overflow || need->cache_bytes == SIZE_MAX ||
      !base_add_size(weights.used, scratch.used, &m->block_bytes) ||
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

base_status lm_need(lm_memory *out, const gguf_file *f, const lm_options *o, base_error *err) {
  lm_model *m;
  base_status st = plan(&m, f, o, err);
  *out = st == BASE_OK ? m->need : (lm_memory){0};
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

/* ---- packing ---- */

typedef struct packing {
  lm_model *m;
  size_t done, total;
  bool stopped; /* written by worker 0 before a barrier */
} packing;

/* Every worker packs its share of the rows. What was read of the file is then no longer held in memory. */
static void pack_linear(packing *p, lm_linear *l, int me, int of) {
  const lm_watch *watch = &p->m->options.watch;
  if (l->tensor == NULL || p->stopped) return;
  size_t begin, end, row_bytes = l->tensor->bytes / (size_t)l->tensor->dim[1];
  const unsigned char *rows = (const unsigned char *)l->tensor->data + l->row * row_bytes;
  matrix_share(l->w.n, 16, me, of, &begin, &end);
  if (begin < end) matrix_pack(&l->w, rows + begin * row_bytes, begin, end - begin);
  os_team_barrier(p->m->options.team, me); /* all have read the rows, and `stopped` */
  if (me == 0) {
    gguf_forget(p->m->file, rows, l->w.n * row_bytes);
    p->done += packed_bytes(l);
    if (watch->progress != NULL) watch->progress(watch->ctx, p->done, p->total);
    if (watch->stop != NULL && watch->stop(watch->ctx)) p->stopped = true;
  }
  os_team_barrier(p->m->options.team, me);
}

static void pack_weights(void *ctx, int me, int of) {
  packing *p = ctx;
  for (uint32_t i = 0; i < p->m->layers; i += p->m->repeat)
    for (int k = 0; k < LM_LINEARS; k++) pack_linear(p, lm_layer_linear(&p->m->layer[i], k), me, of);
  pack_linear(p, &p->m->output, me, of);
}

static base_status fill_block(lm_model *m, base_error *err) {
  base_arena arena;
  packing p = {.m = m, .total = m->weights_bytes};
  m->block = base_alloc(&m->allocator, m->block_bytes);
  if (m->block == NULL)
    return base_fail(err, BASE_ENOMEM, gguf_path(m->file), "no memory for %zu bytes", m->block_bytes);
  base_arena_init(&arena, m->block, m->block_bytes);
  carve_weights(m, &arena);
  carve_scratch(m, &arena);
  os_team_run(m->options.team, pack_weights, &p);
  return p.stopped ? base_fail(err, BASE_ECANCELLED, gguf_path(m->file), "stopped while loading") : BASE_OK;
}

base_status lm_model_open(lm_model **out, const gguf_file *f, const lm_options *o, base_error *err) {
  lm_model *m;
  *out = NULL;
  base_status st = plan(&m, f, o, err);
  if (st == BASE_OK) st = check_limit(m, err);
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
