/* The file of a router, and a prompt's score by it. Strict: every number is checked when the file opens, so that a
 * score needs no checks and always ends. */
#include <math.h>
#include <string.h>

#include "route/internal.h"

struct route_router {
  base_allocator allocator;
  route_reader *reader;
  route_parts parts;
  uint32_t scratch[ROUTE_MAX_GRAMS];
  route_gram gram[ROUTE_MAX_GRAMS];
  float dense[ROUTE_MAX_DENSE];
};

enum { VERSION = 3 };

/* ---- writing ---- */

static void put_trunk(gguf_writer *w, const gguf_file *trunk) {
  for (size_t i = 0; i < gguf_value_count(trunk); i++) {
    const gguf_value *v = gguf_value_at(trunk, i);
    if (!base_slice_starts(v->key, BASE_LITERAL("route.")) &&
        !base_slice_equal(v->key, BASE_LITERAL("general.alignment"))) /* the writer's own */
      gguf_put_value(w, v);
  }
  for (size_t i = 0; i < gguf_tensor_count(trunk); i++) {
    const gguf_tensor *t = gguf_tensor_at(trunk, i);
    char name[128];
    if (!base_slice_starts(t->name, BASE_LITERAL("route.")) &&
        base_format(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr))
      gguf_put_tensor(w, name, t->type, t->n_dims, t->dim, t->data);
  }
}

base_status route_parts_save(const route_parts *p, const gguf_file *trunk, const char *path, const base_allocator *a,
                             base_error *err) {
  gguf_writer *w = gguf_writer_new(a);
  const uint64_t buckets = ROUTE_BUCKETS, dense = p->dense, shape[2] = {p->forest.nodes, p->forest.trees};
  if (w == NULL) return base_fail(err, BASE_ENOMEM, path, "no memory to write the file");
  put_trunk(w, trunk);
  gguf_put_u32(w, "route.version", VERSION);
  gguf_put_f32(w, "route.words.bias", p->words.bias);
  gguf_put_f32(w, "route.line.bias", p->line.bias);
  gguf_put_f32(w, "route.trees.base", p->forest.base);
  gguf_put_f32(w, "route.slope", p->slope);
  gguf_put_f32(w, "route.offset", p->offset);
  gguf_put_f32(w, "route.threshold", p->threshold);
  gguf_put_tensor(w, "route.words.idf", GGUF_T_F32, 1, &buckets, p->words.idf);
  gguf_put_tensor(w, "route.words.weight", GGUF_T_F32, 1, &buckets, p->words.weight);
  gguf_put_tensor(w, "route.line.mean", GGUF_T_F32, 1, &dense, p->line.mean);
  gguf_put_tensor(w, "route.line.inv_std", GGUF_T_F32, 1, &dense, p->line.inv_std);
  gguf_put_tensor(w, "route.line.weight", GGUF_T_F32, 1, &dense, p->line.weight);
  gguf_put_tensor(w, "route.trees.feature", GGUF_T_I32, 2, shape, p->forest.feature);
  gguf_put_tensor(w, "route.trees.threshold", GGUF_T_F32, 2, shape, p->forest.threshold);
  gguf_put_tensor(w, "route.trees.left", GGUF_T_I32, 2, shape, p->forest.left);
  gguf_put_tensor(w, "route.trees.value", GGUF_T_F32, 2, shape, p->forest.value);
  base_status st = gguf_writer_save(w, path, err);
  gguf_writer_free(w);
  return st;
}

/* ---- reading ---- */

static base_status need_finite(const gguf_file *f, const gguf_tensor *t, base_error *err) {
  const float *v = t->data;
  for (size_t i = 0; i < t->bytes / sizeof *v; i++)
    if (!(fabsf(v[i]) < 1e15f))
      return base_fail(err, BASE_EFORMAT, gguf_path(f), "tensor %.*s holds a value that is no ordinary number",
                       (int)t->name.len, t->name.ptr);
  return BASE_OK;
}

static base_status bind_floats(const gguf_file *f, const char *name, uint64_t d0, uint64_t d1, const float **out,
                               base_error *err) {
  const gguf_tensor *t;
  base_status st = gguf_need_tensor(f, name, GGUF_T_F32, d0, d1, &t, err);
  if (st) return st;
  *out = t->data;
  return need_finite(f, t, err);
}

/* A split's children stand behind it in the tree, so every walk ends. */
static base_status check_trees(const gguf_file *f, const route_forest *t, size_t dense, base_error *err) {
  for (size_t i = 0; i < t->trees; i++)
    for (uint32_t at = 0; at < t->nodes; at++) {
      int32_t feature = t->feature[i * t->nodes + at];
      uint32_t left = t->left[i * t->nodes + at];
      if (feature == -1) continue;
      if (feature < 0 || (size_t)feature >= dense || left <= at || left >= t->nodes - 1)
        return base_fail(err, BASE_EFORMAT, gguf_path(f), "node %u of tree %zu splits where it cannot", at, i);
    }
  return BASE_OK;
}

static base_status bind_trees(route_router *r, const gguf_file *f, base_error *err) {
  const gguf_tensor *feature, *left;
  const float *threshold, *value;
  route_forest *t = &r->parts.forest;
  base_status st = gguf_need_tensor(f, "route.trees.feature", GGUF_T_I32, 0, 0, &feature, err);
  if (st) return st;
  if (feature->n_dims != 2 || feature->dim[0] >= 2 * ROUTE_MAX_LEAVES || feature->dim[1] > ROUTE_MAX_TREES)
    return base_fail(err, BASE_EFORMAT, gguf_path(f), "the trees are more or larger than a router's can be");
  uint64_t d0 = feature->dim[0], d1 = feature->dim[1];
  st = gguf_need_tensor(f, "route.trees.left", GGUF_T_I32, d0, d1, &left, err);
  if (!st) st = bind_floats(f, "route.trees.threshold", d0, d1, &threshold, err);
  if (!st) st = bind_floats(f, "route.trees.value", d0, d1, &value, err);
  if (!st) st = gguf_get_f32(f, "route.trees.base", &t->base, err);
  if (st) return st;
  t->trees = (uint32_t)d1;
  t->nodes = (uint32_t)d0;
  t->feature = (int32_t *)(uintptr_t)feature->data; /* never written through */
  t->left = (uint32_t *)(uintptr_t)left->data;
  t->threshold = (float *)(uintptr_t)threshold;
  t->value = (float *)(uintptr_t)value;
  return check_trees(f, t, ROUTE_SURFACE + ROUTE_MEANS * route_reader_width(r->reader), err);
}

static base_status bind_line(route_router *r, const gguf_file *f, base_error *err) {
  route_parts *p = &r->parts;
  const float *mean, *inv_std, *weight;
  p->dense = (uint32_t)(ROUTE_SURFACE + ROUTE_MEANS * route_reader_width(r->reader));
  base_status st = bind_floats(f, "route.line.mean", p->dense, 1, &mean, err);
  if (!st) st = bind_floats(f, "route.line.inv_std", p->dense, 1, &inv_std, err);
  if (!st) st = bind_floats(f, "route.line.weight", p->dense, 1, &weight, err);
  if (!st) st = gguf_get_f32(f, "route.line.bias", &p->line.bias, err);
  if (st) return st;
  p->line.mean = (float *)(uintptr_t)mean; /* never written through */
  p->line.inv_std = (float *)(uintptr_t)inv_std;
  p->line.weight = (float *)(uintptr_t)weight;
  return BASE_OK;
}

static base_status bind_rest(route_router *r, const gguf_file *f, base_error *err) {
  route_parts *p = &r->parts;
  const float *idf, *weight;
  base_status st = bind_floats(f, "route.words.idf", ROUTE_BUCKETS, 1, &idf, err);
  if (!st) st = bind_floats(f, "route.words.weight", ROUTE_BUCKETS, 1, &weight, err);
  if (!st) st = gguf_get_f32(f, "route.words.bias", &p->words.bias, err);
  if (!st) st = gguf_get_f32(f, "route.slope", &p->slope, err);
  if (!st) st = gguf_get_f32(f, "route.offset", &p->offset, err);
  if (!st) st = gguf_get_f32(f, "route.threshold", &p->threshold, err);
  if (st) return st;
  const float number[] = {p->words.bias, p->line.bias, p->forest.base, p->slope, p->offset, p->threshold};
  for (size_t i = 0; i < sizeof number / sizeof *number; i++)
    if (!(fabsf(number[i]) < 1e6f))
      return base_fail(err, BASE_EFORMAT, gguf_path(f), "a number of the router is no ordinary one");
  p->words.idf = (float *)(uintptr_t)idf; /* never written through */
  p->words.weight = (float *)(uintptr_t)weight;
  return BASE_OK;
}

base_status route_router_open(route_router **out, const gguf_file *f, const base_allocator *a, base_error *err) {
  uint32_t version = 0;
  *out = NULL;
  if (a == NULL) a = base_allocator_libc();
  if (gguf_find(f, "route.version") == NULL)
    return base_fail(err, BASE_EMISMATCH, gguf_path(f), "this file is no router; minnow route train makes one");
  base_status st = gguf_get_u32(f, "route.version", &version, err);
  if (st) return st;
  if (version != VERSION)
    return base_fail(err, BASE_EUNSUPPORTED, gguf_path(f), "this router has version %u; version %d is read here",
                     version, VERSION);
  route_router *r = base_calloc(a, 1, sizeof *r);
  if (r == NULL) return base_fail(err, BASE_ENOMEM, gguf_path(f), "no memory for the router");
  r->allocator = *a;
  st = route_reader_open(&r->reader, f, a, err);
  if (!st) st = bind_trees(r, f, err);
  if (!st) st = bind_line(r, f, err);
  if (!st) st = bind_rest(r, f, err);
  if (st) route_router_close(r);
  else *out = r;
  return st;
}

void route_router_close(route_router *r) {
  if (r == NULL) return;
  base_allocator a = r->allocator;
  route_reader_close(r->reader);
  base_free(&a, r, sizeof *r);
}

float route_router_threshold(const route_router *r) { return r->parts.threshold; }

float route_router_score(route_router *r, const cpu_kernels *k, base_slice prompt) {
  size_t n = route_grams_read(prompt, r->gram, r->scratch);
  route_surface_read(prompt, r->dense);
  route_reader_means(r->reader, k, prompt, r->dense + ROUTE_SURFACE);
  float sum = route_words_score(&r->parts.words, r->gram, n) +
              route_line_score(&r->parts.line, r->dense, r->parts.dense, 1) +
              route_forest_score(&r->parts.forest, r->dense, 1);
  return route_probability(r->parts.slope, r->parts.offset, sum);
}
