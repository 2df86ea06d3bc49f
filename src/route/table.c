/* Every row's features, made once: words by hashing, dense ones by the surface and the trunk, over threads. */
#include <string.h>

#include "route/internal.h"

enum { STRETCH = 256 }; /* rows between two looks at the progress */

typedef struct filling {
  route_table *t;
  const route_rows *rows;
  const cpu_kernels *k;
  route_reader **reader; /* one a thread */
  float *line;           /* [threads][dense] */
  float *value;
  size_t first;
} filling;

static void fill_row(void *ctx, size_t index, int worker) {
  filling *f = ctx;
  size_t row = f->first + index, dense = f->t->dense;
  float *line = f->line + (size_t)worker * dense;
  base_slice prompt = f->rows->row[row].prompt;
  route_surface_read(prompt, line);
  route_reader_means(f->reader[worker], f->k, prompt, line + ROUTE_SURFACE);
  for (size_t j = 0; j < dense; j++) f->value[j * f->t->n + row] = line[j];
}

static base_status fill_dense(filling *f, const route_options *o, base_error *err) {
  for (f->first = 0; f->first < f->t->n; f->first += STRETCH) {
    size_t left = f->t->n - f->first;
    os_pool_run(o->pool, fill_row, f, left < STRETCH ? left : STRETCH);
    if (o->progress != NULL && !o->progress(o->progress_ctx, "read", f->first, f->t->n))
      return base_fail(err, BASE_ECANCELLED, "route", "stopped");
  }
  return BASE_OK;
}

static base_status fill_grams(route_table *t, const route_rows *rows, size_t *start, base_error *err) {
  size_t room = ROUTE_MAX_GRAMS * (sizeof(route_gram) + sizeof(uint32_t));
  route_gram *gram = base_alloc(t->allocator, room);
  if (gram == NULL) return base_fail(err, BASE_ENOMEM, "route", "no memory for the words of the prompts");
  uint32_t *scratch = (uint32_t *)(gram + ROUTE_MAX_GRAMS);
  for (size_t i = 0; i < t->n; i++) {
    size_t n = route_grams_read(rows->row[i].prompt, gram, scratch);
    start[i + 1] = start[i] + n;
    base_buf_add(&t->grams, gram, n * sizeof *gram);
  }
  base_free(t->allocator, gram, room);
  t->gram = (const route_gram *)(const void *)t->grams.ptr;
  return t->grams.failed ? base_fail(err, BASE_ENOMEM, "route", "no memory for the words of the prompts") : BASE_OK;
}

static void carve(route_table *t, base_arena *a, filling *f, size_t **start, size_t threads) {
  *start = base_arena_take(a, t->n + 1, sizeof **start);
  f->value = base_arena_take(a, t->n * t->dense, sizeof *f->value);
  f->line = base_arena_take(a, threads * t->dense, sizeof *f->line);
  f->reader = base_arena_take(a, threads, sizeof(route_reader *));
}

base_status route_table_make(route_table *t, const route_rows *rows, const route_options *o, const gguf_file *trunk,
                             base_error *err) {
  size_t threads = (size_t)os_pool_threads(o->pool), *start = NULL;
  filling f = {.t = t, .rows = rows, .k = o->kernels};
  model_shape shape;
  base_arena a;
  base_status st = model_read_shape(&shape, trunk, err);
  if (st) return st;
  *t = (route_table){.n = rows->n, .dense = ROUTE_SURFACE + ROUTE_MEANS * shape.d,
                     .allocator = o->allocator ? o->allocator : base_allocator_libc()};
  t->grams.allocator = t->allocator;
  base_arena_init(&a, NULL, 0);
  carve(t, &a, &f, &start, threads);
  t->block_bytes = a.used;
  t->block = base_calloc(t->allocator, 1, t->block_bytes);
  if (t->block == NULL) return base_fail(err, BASE_ENOMEM, "route", "no memory for the features of the rows");
  base_arena_init(&a, t->block, t->block_bytes);
  carve(t, &a, &f, &start, threads);
  t->start = start;
  t->value = f.value;
  for (size_t i = 0; !st && i < threads; i++) st = route_reader_open(&f.reader[i], trunk, t->allocator, err);
  if (!st) st = fill_dense(&f, o, err);
  if (!st) st = fill_grams(t, rows, start, err);
  for (size_t i = 0; i < threads; i++) route_reader_close(f.reader[i]);
  if (st) route_table_free(t);
  return st;
}

void route_table_free(route_table *t) {
  if (t->allocator == NULL) return;
  base_buf_free(&t->grams);
  base_free(t->allocator, t->block, t->block_bytes);
  *t = (route_table){0};
}
