/* lm/cache: keys and values of several sequences, one block of memory. For each slot (a layer that writes)
 * there is [sequence][kv head], each with room for all positions: keys in tiles of 16, values in rows, as cpu.h
 * has them. */
#include "lm/internal.h"

#include <string.h>

enum { TILE = 16 }; /* positions */

cpu_kv_type lm_cache_kv_type(const lm_model *m) {
  switch (m->options.cache) {
    case LM_CACHE_F32: return CPU_KV_F32;
    case LM_CACHE_I8: return CPU_KV_I8;
    default: return CPU_KV_F16;
  }
}

/* Bytes of the keys, and of the values, of the first n positions of a head, in whole tiles. */
static size_t key_bytes(const lm_model *m, uint32_t n) {
  return ((size_t)n + TILE - 1) / TILE * cpu_kv_tile_bytes(lm_cache_kv_type(m), m->head_dim);
}

static size_t value_bytes(const lm_model *m, uint32_t n) {
  return ((size_t)n + TILE - 1) / TILE * TILE * cpu_kv_row_bytes(lm_cache_kv_type(m), m->head_dim);
}

/* ---- memory ---- */

/* Counts with an empty arena, carves with a full one. */
static void carve(lm_cache *c, const lm_model *m, base_arena *arena) {
  size_t n = m->options.sequences;
  c->length = base_arena_take(arena, n, sizeof *c->length);
  c->coming = base_arena_take(arena, n, sizeof *c->coming);
  c->key = base_arena_take(arena, m->kv_slots, sizeof *c->key);
  c->value = base_arena_take(arena, m->kv_slots, sizeof *c->value);
  for (uint32_t i = 0; i < m->layers; i++) {
    const lm_layer *l = &m->layer[i];
    size_t heads = m->family->encoder ? m->max_kv_heads : l->kv_heads;
    if (!l->kv_own || (m->family->encoder && i > 0)) continue;
    unsigned char *key = base_arena_take(arena, n * heads, key_bytes(m, m->context));
    unsigned char *value = base_arena_take(arena, n * heads, value_bytes(m, m->context));
    if (c->key == NULL) continue;
    c->key[l->kv_slot] = key;
    c->value[l->kv_slot] = value;
  }
}

size_t lm_cache_bytes(const lm_model *m) {
  lm_cache c = {0};
  base_arena arena;
  base_arena_init(&arena, NULL, 0);
  carve(&c, m, &arena);
  return arena.overflow ? SIZE_MAX : sizeof(lm_cache) + arena.used;
}

base_status lm_cache_make(lm_cache **out, const lm_model *m, base_error *err) {
  base_arena arena;
  *out = NULL;
  size_t bytes = lm_cache_bytes(m) - sizeof(lm_cache);
  lm_cache *c = base_calloc(&m->allocator, 1, sizeof *c);
  void *block = c != NULL ? base_alloc(&m->allocator, bytes) : NULL;
  if (block == NULL) {
    base_free(&m->allocator, c, sizeof *c);
    return base_fail(err, BASE_ENOMEM, gguf_path(m->file), "no memory for %zu bytes of keys and values", bytes);
  }
  *c = (lm_cache){.model = m, .block = block, .block_bytes = bytes};
  base_arena_init(&arena, block, bytes);
  carve(c, m, &arena);
  memset(c->length, 0, m->options.sequences * sizeof *c->length);
  memset(c->coming, 0, m->options.sequences * sizeof *c->coming);
  *out = c;
  return BASE_OK;
}

base_status lm_cache_open(lm_cache **out, const lm_model *m, base_error *err) {
  *out = NULL;
  if (m->family->encoder)
    return base_fail(err, BASE_EUNSUPPORTED, gguf_path(m->file), "an encoder has no cache; it gives vectors");
  return lm_cache_make(out, m, err);
}

void lm_cache_close(lm_cache *c) {
  if (c == NULL) return;
  base_allocator a = c->model->allocator;
  base_free(&a, c->block, c->block_bytes);
  base_free(&a, c, sizeof *c);
}

/* ---- sequences ---- */

uint32_t lm_cache_length(const lm_cache *c, uint32_t sequence) { return c->length[sequence]; }

void lm_cache_truncate(lm_cache *c, uint32_t sequence, uint32_t length) {
  if (length < c->length[sequence]) c->length[sequence] = length;
}

static size_t head_index(const lm_layer *l, uint32_t sequence, uint32_t kv_head) {
  return (size_t)sequence * l->kv_heads + kv_head;
}

unsigned char *lm_cache_keys(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t kv_head) {
  return c->key[l->kv_slot] + head_index(l, sequence, kv_head) * key_bytes(c->model, c->model->context);
}

unsigned char *lm_cache_values(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t kv_head) {
  return c->value[l->kv_slot] + head_index(l, sequence, kv_head) * value_bytes(c->model, c->model->context);
}

void lm_cache_copy(lm_cache *c, uint32_t from, uint32_t to, uint32_t length) {
  const lm_model *m = c->model;
  for (uint32_t i = 0; i < m->layers && from != to; i++) {
    const lm_layer *l = &m->layer[i];
    for (uint32_t g = 0; g < l->kv_heads && l->kv_own; g++) {
      memcpy(lm_cache_keys(c, l, to, g), lm_cache_keys(c, l, from, g), key_bytes(m, length));
      memcpy(lm_cache_values(c, l, to, g), lm_cache_values(c, l, from, g), value_bytes(m, length));
    }
  }
  c->length[to] = length;
}
