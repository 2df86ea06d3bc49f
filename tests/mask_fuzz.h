/* What fuzz targets of masks share: a demand, and tokens drawn from a mask. */
#ifndef TESTS_MASK_FUZZ_H
#define TESTS_MASK_FUZZ_H

#include <stdlib.h>

#include "mask_vocab.h"

static inline void require(bool ok) {
  if (!ok) abort();
}

/* The n-th token that is allowed; MASK_N_TOKENS when none is. */
static inline uint32_t pick(const uint32_t *mask, uint32_t n) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < MASK_N_TOKENS; i++) count += mask[i >> 5] >> (i & 31) & 1;
  if (count == 0) return MASK_N_TOKENS;
  n %= count;
  for (uint32_t i = 0; i < MASK_N_TOKENS; i++)
    if ((mask[i >> 5] >> (i & 31) & 1) && n-- == 0) return i;
  return MASK_N_TOKENS;
}

#endif
