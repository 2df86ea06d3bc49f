/* base/sort: heap sort of numbers. n log n whatever their order, in place: what a file or a request holds cannot be
 * arranged to make it slow, as it can for most quicksorts. */
#include "base/base.h"

static void sift_down(uint32_t *v, size_t at, size_t n, base_before *before, const void *ctx) {
  uint32_t moving = v[at];
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && before(ctx, v[child], v[child + 1])) child++;
    if (!before(ctx, moving, v[child])) break;
    v[at] = v[child];
  }
  v[at] = moving;
}

void base_sort_u32(uint32_t *v, size_t n, base_before *before, const void *ctx) {
  for (size_t i = n / 2; i > 0; i--) sift_down(v, i - 1, n, before, ctx);
  for (size_t i = n; i > 1; i--) {
    uint32_t last = v[0];
    v[0] = v[i - 1];
    v[i - 1] = last;
    sift_down(v, 0, i - 1, before, ctx);
  }
}
