/* lm/cache: keys and values of several sequences, one block of memory. For each slot (a layer that writes)
 * there is [sequence][kv head], each with room for all positions: keys in tiles of 16, values in rows, as cpu.h
 * has them.
 *
 * A layer that slides has room for its window, a block and some more. When a block finds no room, the last slide_keep
 * positions move to the beginning, in whole tiles, so that kernels see the same order of sums as in a cache of all:
 *
 *   begin                        length                       begin        length
 *   |............[   keep       ]|                    ->      [   keep     ]|   block   |....|
 *   |<------------ slide_room ------------->|
 *
 * So a token costs the moving of at most nine positions, next to reading the window's. A ring would save the eighths
 * and make every kernel look for its seam. */
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

/* Positions of which a layer has room. */
static uint32_t room_of(const lm_model *m, const lm_layer *l) { return l->kv_slides ? m->slide_room : m->context; }

/* ---- windows ---- */

void lm_cache_plan(lm_model *m) {
  uint64_t keep = m->window + (uint64_t)m->window / 8, room = keep + m->options.block + m->window / 8 + TILE;
  bool last_slides = true, any = false; /* last: the last slot, which all layers from its writer on read */
  room = (room + TILE - 1) / TILE * TILE;
  if (m->window == 0 || room >= m->context || m->family->encoder) return;
  for (uint32_t i = m->last_writer; i < m->layers; i++) last_slides = last_slides && m->layer[i].window > 0;
  for (uint32_t i = 0; i < m->layers; i++) {
    m->layer[i].kv_slides = i < m->last_writer ? m->layer[i].window > 0 : last_slides;
    any = any || m->layer[i].kv_slides;
  }
  m->slide_keep = any ? (uint32_t)keep : 0;
  m->slide_room = any ? (uint32_t)room : 0;
}

uint32_t lm_cache_first(const lm_model *m, const lm_layer *l, uint32_t length) {
  return l->kv_slides && length > m->window ? (length - m->window) / TILE * TILE : 0;
}

uint32_t lm_cache_place(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t position) {
  return l->kv_slides ? position - c->begin[sequence] : position;
}

/* The positions from `begin` on, `by` of them later than the first now, to the front. */
static void slide_head(const lm_model *m, unsigned char *keys, unsigned char *values, uint32_t by, uint32_t n) {
  memmove(keys, keys + key_bytes(m, by), key_bytes(m, n));
  memmove(values, values + value_bytes(m, by), value_bytes(m, n));
}

void lm_cache_make_room(lm_cache *c, uint32_t sequence, uint32_t n) {
  const lm_model *m = c->model;
  uint32_t length = c->length[sequence], begin = c->begin[sequence];
  if (m->slide_room == 0 || length + n - begin <= m->slide_room) return;
  c->begin[sequence] = (length - m->slide_keep) / TILE * TILE;
  for (uint32_t i = 0; i < m->layers; i++) {
    const lm_layer *l = &m->layer[i];
    for (uint32_t g = 0; g < l->kv_heads && l->kv_own && l->kv_slides; g++)
      slide_head(m, lm_cache_keys(c, l, sequence, g), lm_cache_values(c, l, sequence, g), c->begin[sequence] - begin,
                 length - c->begin[sequence]);
  }
}

/* ---- memory ---- */

/* Counts with an empty arena, carves with a full one. */
static void carve(lm_cache *c, const lm_model *m, base_arena *arena) {
  size_t n = m->options.sequences;
  c->length = base_arena_take(arena, n, sizeof *c->length);
  c->coming = base_arena_take(arena, n, sizeof *c->coming);
  c->begin = base_arena_take(arena, n, sizeof *c->begin);
  c->key = base_arena_take(arena, m->kv_slots, sizeof *c->key);
  c->value = base_arena_take(arena, m->kv_slots, sizeof *c->value);
  for (uint32_t i = 0; i < m->layers; i++) {
    const lm_layer *l = &m->layer[i];
    size_t heads = m->family->encoder ? m->max_kv_heads : l->kv_heads;
    if (!l->kv_own || (m->family->encoder && i > 0)) continue;
    unsigned char *key = base_arena_take(arena, n * heads, key_bytes(m, room_of(m, l)));
    unsigned char *value = base_arena_take(arena, n * heads, value_bytes(m, room_of(m, l)));
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
  memset(c->begin, 0, m->options.sequences * sizeof *c->begin);
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

/* Whether the sequence can go on from `length`, and from `spare` positions before it. */
static bool goes_on(const lm_cache *c, uint32_t sequence, uint32_t length, uint32_t spare) {
  uint32_t begin = c->begin[sequence];
  return length <= c->length[sequence] && (begin == 0 || length + 1 >= begin + c->model->window + spare);
}

/* One to spare: a snapshot then is a function of the sequence alone, and its last token can be read again. */
uint32_t lm_cache_keeps(const lm_cache *c, uint32_t sequence, uint32_t length) {
  return goes_on(c, sequence, length, 1) ? length : 0;
}

static void set_length(lm_cache *c, uint32_t sequence, uint32_t length) {
  c->length[sequence] = length;
  if (length == 0) c->begin[sequence] = 0;
}

void lm_cache_truncate(lm_cache *c, uint32_t sequence, uint32_t length) {
  if (length < c->length[sequence]) set_length(c, sequence, goes_on(c, sequence, length, 0) ? length : 0);
}

static size_t head_index(const lm_layer *l, uint32_t sequence, uint32_t kv_head) {
  return (size_t)sequence * l->kv_heads + kv_head;
}

unsigned char *lm_cache_keys(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t kv_head) {
  return c->key[l->kv_slot] + head_index(l, sequence, kv_head) * key_bytes(c->model, room_of(c->model, l));
}

unsigned char *lm_cache_values(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t kv_head) {
  return c->value[l->kv_slot] + head_index(l, sequence, kv_head) * value_bytes(c->model, room_of(c->model, l));
}

void lm_cache_copy(lm_cache *c, uint32_t from, uint32_t to, uint32_t length) {
  const lm_model *m = c->model;
  length = lm_cache_keeps(c, from, length);
  c->begin[to] = c->begin[from];
  for (uint32_t i = 0; i < m->layers && from != to && length > 0; i++) {
    const lm_layer *l = &m->layer[i];
    uint32_t n = lm_cache_place(c, l, from, length);
    for (uint32_t g = 0; g < l->kv_heads && l->kv_own; g++) {
      memcpy(lm_cache_keys(c, l, to, g), lm_cache_keys(c, l, from, g), key_bytes(m, n));
      memcpy(lm_cache_values(c, l, to, g), lm_cache_values(c, l, from, g), value_bytes(m, n));
    }
  }
  set_length(c, to, length);
}
