/* gen/lookup: drafts from the text itself. Answers repeat names, code and quotations; what followed the last
 * time is a good guess at no cost, and the model checks a whole guess in one batch. */
#include <string.h>

#include "gen/gen.h"

enum { LONGEST_MATCH = 3, SHORTEST_MATCH = 2 };

/* Copies what followed the latest earlier occurrence of the last `len` tokens; `max` tokens or none. */
static size_t copy_after(const uint32_t *tokens, size_t n, size_t len, uint32_t *draft, size_t max) {
  if (n <= len) return 0;
  const uint32_t *tail = tokens + n - len;
  for (size_t at = n - len; at-- > 0;) {
    if (tokens[at] != tail[0] || memcmp(tokens + at, tail, len * sizeof *tail) != 0) continue;
    /* what was copied is text too: a period shorter than the draft goes round */
    for (size_t i = 0, from = at + len; i < max; i++, from++) draft[i] = from < n ? tokens[from] : draft[from - n];
    return max;
  }
  return 0;
}

size_t gen_lookup(const uint32_t *tokens, size_t n, uint32_t *draft, size_t max) {
  for (size_t len = LONGEST_MATCH; max > 0 && len >= SHORTEST_MATCH; len--) {
    size_t count = copy_after(tokens, n, len, draft, max);
    if (count > 0) return count;
  }
  return 0;
}
