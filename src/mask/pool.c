/* mask/pool: memory in chunks that is given back all at once, or down to a mark; and the map from hashes. */
#include <string.h>

#include "mask/internal.h"

enum { CHUNK = 1 << 16, FIRST_CHUNK = 1 << 12 };

typedef struct mask_chunk {
  struct mask_chunk *next;
  size_t bytes; /* of data */
} mask_chunk;

static char *data_of(mask_chunk *c) {
  return (char *)(c + 1);
}

void mask_pool_init(mask_pool *p, const base_allocator *a, size_t limit) {
  *p = (mask_pool){.allocator = a, .limit = limit};
}

static bool next_chunk(mask_pool *p, size_t bytes) {
  /* a chunk left behind by going back to a mark is used again when it is large enough */
  mask_chunk *next = p->at != NULL ? p->at->next : p->first;
  if (next == NULL || next->bytes < bytes) {
    size_t size = p->first == NULL ? FIRST_CHUNK : CHUNK;
    if (size < bytes) size = bytes;
    if (p->held + size + sizeof(mask_chunk) > p->limit) {
      if (p->failed == BASE_OK) p->failed = BASE_ELIMIT;
      return false;
    }
    mask_chunk *fresh = base_alloc(p->allocator, size + sizeof *fresh);
    if (fresh == NULL) {
      if (p->failed == BASE_OK) p->failed = BASE_ENOMEM;
      return false;
    }
    p->held += size + sizeof *fresh;
    *fresh = (mask_chunk){next, size};
    if (p->at != NULL) p->at->next = fresh;
    else p->first = fresh;
    next = fresh;
  }
  p->at = next;
  p->used = 0;
  return true;
}

void *mask_pool_take(mask_pool *p, size_t bytes) {
  bytes = (bytes + 7) & ~(size_t)7;
  if (p->failed != BASE_OK) return NULL;
  if ((p->at == NULL || p->at->bytes - p->used < bytes) && !next_chunk(p, bytes)) return NULL;
  void *out = data_of(p->at) + p->used;
  p->used += bytes;
  return memset(out, 0, bytes);
}

mask_mark mask_pool_mark(const mask_pool *p) {
  return (mask_mark){p->at, p->used};
}

void mask_pool_back(mask_pool *p, mask_mark m) {
  p->at = m.at;
  p->used = m.used;
}

void mask_pool_free(mask_pool *p) {
  for (mask_chunk *c = p->first, *next; c != NULL; c = next) {
    next = c->next;
    base_free(p->allocator, c, c->bytes + sizeof *c);
  }
  p->first = p->at = NULL;
  p->held = p->used = 0;
}

void *mask_pool_grow(mask_pool *p, void *old, size_t unit, uint32_t count, uint32_t *cap) {
  if (count < *cap) return old;
  uint32_t to = *cap == 0 ? 8 : 2 * *cap;
  void *grown = mask_pool_take(p, to * unit);
  if (grown == NULL) return NULL;
  if (old != NULL) memcpy(grown, old, count * unit);
  *cap = to;
  return grown;
}

/* ---- the map ---- */

/* The hash so far is stirred before the value comes in, so that (a, b) and (b, a) differ. */
uint64_t mask_mix(uint64_t h, uint64_t value) {
  h = (h + UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
  h = (h ^ (h >> 32) ^ value) * UINT64_C(0x9E3779B97F4A7C15);
  h = (h ^ (h >> 29)) * UINT64_C(0xBF58476D1CE4E5B9);
  return h ^ (h >> 32);
}

uint64_t mask_mix_bytes(uint64_t h, const void *bytes, size_t len) {
  const unsigned char *at = bytes;
  uint64_t word;
  for (; len >= 8; at += 8, len -= 8) {
    memcpy(&word, at, 8);
    h = mask_mix(h, word);
  }
  word = 0;
  if (len > 0) memcpy(&word, at, len);
  return mask_mix(h, word ^ ((uint64_t)len << 56));
}

void *mask_map_get(const mask_map *m, uint64_t key) {
  if (m->cap == 0) return NULL;
  for (uint32_t at = (uint32_t)key & (m->cap - 1);; at = (at + 1) & (m->cap - 1)) {
    if (m->slot[at].value == NULL) return NULL;
    if (m->slot[at].key == key) return m->slot[at].value;
  }
}

static void place(mask_map *m, uint64_t key, void *value) {
  uint32_t at = (uint32_t)key & (m->cap - 1);
  while (m->slot[at].value != NULL) at = (at + 1) & (m->cap - 1);
  m->slot[at].key = key;
  m->slot[at].value = value;
}

bool mask_map_put(mask_map *m, mask_pool *p, uint64_t key, void *value) {
  if (4 * (m->count + 1) > 3 * m->cap) {
    mask_map grown = {.cap = m->cap == 0 ? 4 : 2 * m->cap, .count = m->count};
    grown.slot = mask_pool_take(p, grown.cap * sizeof *grown.slot);
    if (grown.slot == NULL) return false;
    for (uint32_t i = 0; i < m->cap; i++)
      if (m->slot[i].value != NULL) place(&grown, m->slot[i].key, m->slot[i].value);
    *m = grown;
  }
  place(m, key, value);
  m->count++;
  return true;
}
