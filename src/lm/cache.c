/* lm/cache: keys and values of several sequences, one block of memory. For each slot (a layer that writes) there
 * is [sequence][kv head][position][row], so that one head's keys lie one after another. A row is head_dim
 * halves, floats, or int8 values and then one float scale. */
#include "lm/internal.h"

#include <math.h>
#include <string.h>

size_t lm_cache_row_bytes(const lm_model *m) {
  switch (m->options.cache) {
  case LM_CACHE_F32: return 4 * (size_t)m->head_dim;
  case LM_CACHE_I8: return m->head_dim + sizeof(float);
  default: return 2 * (size_t)m->head_dim;
  }
}

/* ---- memory ---- */

/* Counts with an empty arena, carves with a full one. */
static void carve(lm_cache *c, const lm_model *m, base_arena *arena) {
  size_t n = m->options.sequences, row = lm_cache_row_bytes(m);
  c->length = base_arena_take(arena, n, sizeof *c->length);
  c->key = base_arena_take(arena, m->kv_slots, sizeof *c->key);
  c->value = base_arena_take(arena, m->kv_slots, sizeof *c->value);
  for (uint32_t i = 0; i < m->layers; i++) {
    const lm_layer *l = &m->layer[i];
    if (!l->kv_own) continue;
    unsigned char *key = base_arena_take(arena, n * l->kv_heads * m->context, row);
    unsigned char *value = base_arena_take(arena, n * l->kv_heads * m->context, row);
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
  return sizeof(lm_cache) + arena.used;
}

base_status lm_cache_open(lm_cache **out, const lm_model *m, base_error *err) {
  base_arena arena;
  *out = NULL;
  if (m->family->encoder)
    return base_fail(err, BASE_EUNSUPPORTED, gguf_path(m->file), "an encoder has no cache; it gives vectors");
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
  *out = c;
  return BASE_OK;
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

static size_t head_bytes(const lm_cache *c) { return c->model->context * lm_cache_row_bytes(c->model); }

static size_t head_offset(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t kv_head) {
  return ((size_t)sequence * l->kv_heads + kv_head) * head_bytes(c);
}

void lm_cache_copy(lm_cache *c, uint32_t from, uint32_t to, uint32_t length) {
  const lm_model *m = c->model;
  size_t bytes = length * lm_cache_row_bytes(m);
  for (uint32_t i = 0; i < m->layers && from != to; i++) {
    const lm_layer *l = &m->layer[i];
    for (uint32_t g = 0; g < l->kv_heads && l->kv_own; g++) {
      size_t src = head_offset(c, l, from, g), dst = head_offset(c, l, to, g);
      memcpy(c->key[l->kv_slot] + dst, c->key[l->kv_slot] + src, bytes);
      memcpy(c->value[l->kv_slot] + dst, c->value[l->kv_slot] + src, bytes);
    }
  }
  c->length[to] = length;
}

/* ---- rows ---- */

unsigned char *lm_cache_keys(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t kv_head) {
  return c->key[l->kv_slot] + head_offset(c, l, sequence, kv_head);
}

unsigned char *lm_cache_values(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t kv_head) {
  return c->value[l->kv_slot] + head_offset(c, l, sequence, kv_head);
}

void lm_cache_put(const lm_cache *c, unsigned char *head, uint32_t position, const float *x) {
  const lm_model *m = c->model;
  unsigned char *row = head + position * lm_cache_row_bytes(m);
  size_t n = m->head_dim;
  if (m->options.cache == LM_CACHE_F32) memcpy(row, x, n * sizeof *x);
  else if (m->options.cache == LM_CACHE_F16) quant_encode_row(GGUF_T_F16, x, n, row);
  else {
    float scale, largest = 0.0F;
    for (size_t i = 0; i < n; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    scale = largest / 127.0F;
    float inverse = scale > 0.0F ? 1.0F / scale : 0.0F;
    for (size_t i = 0; i < n; i++) row[i] = (unsigned char)(int8_t)rintf(x[i] * inverse);
    memcpy(row + n, &scale, sizeof scale);
  }
}

void lm_cache_get(const lm_cache *c, const unsigned char *head, uint32_t position, float *out) {
  const lm_model *m = c->model;
  const unsigned char *row = head + position * lm_cache_row_bytes(m);
  size_t n = m->head_dim;
  if (m->options.cache == LM_CACHE_F32) memcpy(out, row, n * sizeof *out);
  else if (m->options.cache == LM_CACHE_F16) quant_decode_row(GGUF_T_F16, row, n, out);
  else {
    float scale;
    memcpy(&scale, row + n, sizeof scale);
    for (size_t i = 0; i < n; i++) out[i] = (float)(int8_t)row[i] * scale;
  }
}
