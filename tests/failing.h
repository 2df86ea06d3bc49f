/* An allocator that fails the n-th request for memory and counts what is held, for tests that make every
 * allocation fail once: open with n = 0, 1, 2, ... until it succeeds; `held` must be 0 after each failure. */
#ifndef TESTS_FAILING_H
#define TESTS_FAILING_H

#include "base/base.h"

typedef struct failing {
  int left;    /* requests that still succeed */
  size_t held; /* bytes, by the sizes that callers tell */
  size_t most; /* the largest single request */
} failing;

static void *failing_resize(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes) {
  failing *f = ctx;
  if (new_bytes > f->most) f->most = new_bytes;
  if (new_bytes > 0 && f->left-- <= 0) return NULL;
  void *out = base_allocator_libc()->resize(NULL, ptr, old_bytes, new_bytes);
  f->held += new_bytes - old_bytes;
  return out;
}

static base_allocator failing_allocator(failing *f, int succeed) {
  *f = (failing){.left = succeed};
  return (base_allocator){failing_resize, f};
}

#endif
