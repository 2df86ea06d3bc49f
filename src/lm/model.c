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

static const lm_family *find_family(const gguf_file *f, base_error *err) {
  base_slice arch;
  char known[160] = "";
  size_t len = 0;
  if (gguf_get_string(f, "general.architecture", &arch, err) != BASE_OK) return NULL;
  for (size_t i = 0; i < FAMILIES; i++) {
    if (base_slice_equal(arch, base_slice_of(families[i]->name))) return families[i];
    base_format(known + len, sizeof known - len, "%s%s", len > 0 ? ", " : "", families[i]->name);
    len += strlen(known + len);
  }
  base_fail(err, BASE_EUNSUPPORTED, "general.architecture", "'%.*s' is not known; known are %s",
            (int)(arch.len < 40 ? arch.len : 40), arch.ptr, known);
  return NULL;
}

static size_t most_matrices(const lm_model *m) { return 7 * (size_t)m->stored_layers + 2; }

static base_status make_tables(lm_model *m, base_error *err) {
  base_arena arena;
  m->max_matrices = most_matrices(m);
  for (int pass = 0; pass < 2; pass++) {
    base_arena_init(&arena, m->tables, m->tables_bytes);
    m->matrix = base_arena_take(&arena, m->max_matrices, sizeof *m->matrix);
    m->layer = base_arena_take(&arena, m->layers, sizeof *m->layer);
    if (pass > 0) break;
    m->tables_bytes = arena.used;
    m->tables = base_calloc(&m->allocator, 1, arena.used);
    if (m->tables == NULL) return base_fail(err, BASE_ENOMEM, gguf_path(m->file), "no memory for %zu bytes", arena.used);
  }
  return BASE_OK;
}

static base_status bind(lm_model *m, base_error *err) {
  lm_binder b = {.m = m, .err = err};
  size_t tensors = gguf_tensor_count(m->file);
  lm_read_shape(&b);
  if (b.status == BASE_OK) b.status = make_tables(m, err);
  if (b.status != BASE_OK) return b.status;
  b.used = base_calloc(&m->allocator, tensors > 0 ? tensors : 1, sizeof *b.used);
  if (b.used == NULL) return base_fail(err, BASE_ENOMEM, gguf_path(m->file), "no memory for %zu bytes", tensors);
  lm_bind_tensors(&b);
  base_free(&m->allocator, b.used, (tensors > 0 ? tensors : 1) * sizeof *b.used);
  return b.status;
}

/* Counts with an empty arena, carves with a full one. */
static void carve_scratch(lm_model *m, base_arena *arena) {
  lm_scratch *s = &m->scratch;
  size_t t = m->options.block, d = m->d, hd = m->head_dim, workers = (size_t)os_team_threads(m->options.team);
  size_t pairs = m->rope_dims / 2;
  s->row_floats = d > m->max_ff ? d : m->max_ff;
  if (m->max_heads * hd > s->row_floats) s->row_floats = m->max_heads * hd;
  uint32_t **const counts[] = {&s->id, &s->sequence, &s->position, &s->wanted};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) *counts[i] = base_arena_take(arena, t, sizeof(uint32_t));
  const struct {
    float **ptr;
    size_t rows, floats;
  } parts[] = {{&s->h, t, d}, {&s->n, t, d}, {&s->o, t, d}, {&s->q, t, m->max_heads * hd},
               {&s->attended, t, m->max_heads * hd}, {&s->k, t, m->max_kv_heads * hd}, {&s->v, t, m->max_kv_heads * hd},
               {&s->gate, t, m->max_ff}, {&s->up, t, m->max_ff}, {&s->cos[0], t, pairs}, {&s->sin[0], t, pairs},
               {&s->cos[1], t, m->rope[1].used ? pairs : 0}, {&s->sin[1], t, m->rope[1].used ? pairs : 0},
               {&s->scores, workers * m->max_group, m->context}, {&s->row, workers, s->row_floats}};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    *parts[i].ptr = base_arena_take(arena, parts[i].rows, parts[i].floats * sizeof(float));
}

static void add_up(lm_model *m) {
  lm_memory *need = &m->need;
  base_arena arena;
  base_arena_init(&arena, NULL, 0);
  carve_scratch(m, &arena);
  m->block_bytes = arena.used;
  need->weights_bytes = sizeof *m + m->tables_bytes;
  need->scratch_bytes = arena.used;
  need->cache_bytes = m->family->encoder ? 0 : lm_cache_bytes(m);
  for (size_t i = 0; i < gguf_tensor_count(m->file); i++) need->mapped_bytes += gguf_tensor_at(m->file, i)->bytes;
  need->total_bytes = need->mapped_bytes + need->weights_bytes + need->cache_bytes + need->scratch_bytes;
}

static base_status plan(lm_model **out, const gguf_file *f, const lm_options *o, base_error *err) {
  static const lm_options defaults = {0};
  base_allocator a = o != NULL && o->allocator != NULL ? *o->allocator : *base_allocator_libc();
  const lm_family *family = find_family(f, err);
  *out = NULL;
  if (family == NULL) return err != NULL && err->code ? err->code : BASE_EUNSUPPORTED;
  lm_model *m = base_calloc(&a, 1, sizeof *m);
  if (m == NULL) return base_fail(err, BASE_ENOMEM, gguf_path(f), "no memory for %zu bytes", sizeof *m);
  m->allocator = a;
  m->file = f;
  m->family = family;
  m->options = o != NULL ? *o : defaults;
  m->kernels = m->options.kernels != NULL ? m->options.kernels : cpu_best();
  base_status st = bind(m, err);
  if (st != BASE_OK) {
    lm_model_close(m);
    return st;
  }
  add_up(m);
  *out = m;
  return BASE_OK;
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

base_status lm_model_open(lm_model **out, const gguf_file *f, const lm_options *o, base_error *err) {
  base_arena arena;
  lm_model *m;
  *out = NULL;
  base_status st = plan(&m, f, o, err);
  if (st == BASE_OK) st = check_limit(m, err);
  if (st != BASE_OK) goto done;
  m->block = base_alloc(&m->allocator, m->block_bytes);
  if (m->block == NULL) {
    st = base_fail(err, BASE_ENOMEM, gguf_path(f), "no memory for %zu bytes", m->block_bytes);
    goto done;
  }
  base_arena_init(&arena, m->block, m->block_bytes);
  carve_scratch(m, &arena);
  *out = m;
  m = NULL;
done:
  lm_model_close(m);
  return st;
}

void lm_model_close(lm_model *m) {
  if (m == NULL) return;
  base_allocator a = m->allocator;
  base_free(&a, m->tables, m->tables_bytes);
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
