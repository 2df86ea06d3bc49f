/* base/memory: the allocator table over the C library, the arena, and sizes that cannot wrap. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGN = 64, FIRST_ITEMS = 16 };

static void *libc_resize(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes) {
  (void)ctx;
  (void)old_bytes;
  if (new_bytes == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_bytes);
}

const base_allocator *base_allocator_libc(void) {
  static const base_allocator libc_allocator = {libc_resize, NULL};
  return &libc_allocator;
}

/* An empty block still has an address of its own: it is asked for, and given back, as one byte. */
static size_t at_least_one(size_t bytes) {
  return bytes > 0 ? bytes : 1;
}

void *base_alloc(const base_allocator *a, size_t bytes) {
  if (a == NULL) a = base_allocator_libc();
  return a->resize(a->ctx, NULL, 0, at_least_one(bytes));
}

void *base_calloc(const base_allocator *a, size_t count, size_t bytes) {
  size_t total;
  if (!base_mul_size(count, bytes, &total)) return NULL;
  void *ptr = base_alloc(a, total);
  if (ptr != NULL) memset(ptr, 0, total);
  return ptr;
}

void base_free(const base_allocator *a, void *ptr, size_t bytes) {
  if (ptr == NULL) return;
  if (a == NULL) a = base_allocator_libc();
  (void)a->resize(a->ctx, ptr, at_least_one(bytes), 0);
}

void *base_grow(const base_allocator *a, void *array, size_t *cap, size_t need, size_t bytes) {
  size_t more = *cap < FIRST_ITEMS / 2 ? FIRST_ITEMS : *cap, total;
  if (need <= *cap) return array;
  if (*cap >= FIRST_ITEMS / 2 && !base_mul_size(*cap, 2, &more)) return NULL;
  if (more < need) more = need;
  if (!base_mul_size(more, bytes, &total)) return NULL;
  if (a == NULL) a = base_allocator_libc();
  void *grown = a->resize(a->ctx, array, *cap * bytes, total);
  if (grown != NULL) *cap = more;
  return grown;
}

/* Counting starts with one alignment's worth of slack, so that the size it arrives at is enough for a
 * block at any address. */
void base_arena_init(base_arena *arena, void *block, size_t size) {
  arena->block = block;
  arena->size = size;
  arena->overflow = false;
  if (block == NULL) {
    arena->used = ARENA_ALIGN;
    return;
  }
  arena->used = (size_t)(-(uintptr_t)block & (ARENA_ALIGN - 1));
  if (arena->used > size) {
    arena->used = size;
    arena->overflow = true;
  }
}

void *base_arena_take(base_arena *arena, size_t count, size_t bytes) {
  size_t total, end, start = arena->used;
  bool fits = base_mul_size(count, bytes, &total) && base_add_size(total, ARENA_ALIGN - 1, &total) &&
              base_add_size(start, total & ~(size_t)(ARENA_ALIGN - 1), &end);
  if (fits && arena->block != NULL) fits = end <= arena->size && !arena->overflow;
  if (fits) arena->used = end;
  else arena->overflow = true;
  return fits && arena->block != NULL ? arena->block + start : NULL;
}

bool base_mul_size(size_t a, size_t b, size_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}

bool base_add_size(size_t a, size_t b, size_t *out) {
  return !__builtin_add_overflow(a, b, out);
}
