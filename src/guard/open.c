/* Making a guard: its working memory in one block, wiped at the end. */
#include "guard/model.h"

void guard_options_init(guard_options *o) { *o = (guard_options){.size = sizeof *o}; }

static void carve(guard *g, base_arena *a) {
  g->span = base_arena_take(a, GUARD_MAX_SPANS, sizeof *g->span);
  g->fold = base_arena_take(a, g->max_bytes + GUARD_AHEAD, 1);
  g->low = base_arena_take(a, g->max_bytes + GUARD_AHEAD, 1);
  g->at = base_arena_take(a, g->max_bytes + GUARD_AHEAD, sizeof *g->at);
}

base_status guard_open(guard **out, const guard_options *o, base_error *err) {
  const base_allocator *a = o != NULL && o->allocator != NULL ? o->allocator : base_allocator_libc();
  base_arena arena;
  *out = NULL;
  if (o != NULL && o->max_bytes > GUARD_MAX_BYTES)
    return base_fail(err, BASE_ELIMIT, "guard", "max_bytes is at most %d", GUARD_MAX_BYTES);
  guard *g = base_calloc(a, 1, sizeof *g);
  if (g == NULL) return base_fail(err, BASE_ENOMEM, "guard", "no memory");
  g->allocator = *a;
  g->max_bytes = o != NULL && o->max_bytes > 0 ? o->max_bytes : GUARD_MAX_BYTES;
  base_arena_init(&arena, NULL, 0);
  carve(g, &arena);
  g->block_bytes = arena.used;
  g->block = base_alloc(a, g->block_bytes);
  base_status st = g->block != NULL ? BASE_OK : base_fail(err, BASE_ENOMEM, "guard", "no memory");
  if (!st) {
    base_arena_init(&arena, g->block, g->block_bytes);
    carve(g, &arena);
    if (o != NULL && o->model != NULL) st = guard_model_open(&g->model, o->model, a, err);
  }
  if (st) guard_close(g);
  else *out = g;
  return st;
}

void guard_close(guard *g) {
  if (g == NULL) return;
  base_allocator a = g->allocator;
  guard_contacts_free(g->contacts, &a);
  guard_model_close(g->model, &a);
  if (g->block != NULL) guard_wipe(g->block, g->block_bytes); /* the last text is still in it */
  base_free(&a, g->block, g->block_bytes);
  base_free(&a, g, sizeof *g);
}
