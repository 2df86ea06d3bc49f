/* Do a mask and the commits agree; a whole way of a mask, from its vocabulary to the end of a text, on an allocator; and
 * every allocation of a way made to fail once. */
#ifndef TESTS_MASK_WAY_H
#define TESTS_MASK_WAY_H

#include <stdlib.h>
#include <string.h>

#include "failing.h"
#include "mask/mask.h"
#include "tap.h"

/* How many of the vocabulary's tokens the mask allows and a commit refuses, or the other way round; all without a mask. */
static inline size_t mask_disagreements(mask_run *run, uint32_t n_tokens) {
  const uint32_t *mask = mask_run_mask(run);
  size_t wrong = 0, bytes = (n_tokens + 31) / 32 * sizeof *mask;
  uint32_t *copy = mask != NULL ? malloc(bytes) : NULL; /* commits may change it */
  if (copy == NULL) return n_tokens;
  memcpy(copy, mask, bytes);
  for (uint32_t t = 0; t < n_tokens; t++) {
    bool taken = mask_run_commit(run, t) == BASE_OK;
    if (taken) mask_run_rollback(run, 1);
    wrong += taken != (bool)(copy[t >> 5] >> (t & 31) & 1);
  }
  free(copy);
  return wrong;
}

typedef struct mask_way {
  size_t n_tokens;
  base_slice (*piece)(void *ctx, uint32_t id);
  base_status (*open)(mask_rule **out, const base_allocator *a);
  const char *text; /* committed byte by byte, a mask before each */
} mask_way;

static inline base_status mask_way_commit(mask_run *run, const char *text) {
  base_status status = BASE_OK;
  for (const char *at = text; status == BASE_OK && *at != '\0'; at++) {
    if (mask_run_mask(run) == NULL) status = mask_run_failed(run);
    else status = mask_run_commit_bytes(run, (base_slice){at, 1});
  }
  return status;
}

/* `last` may be NULL: what is done at the text's end. */
static inline base_status mask_way_go(const mask_way *w, base_status (*last)(mask_run *run), const base_allocator *a) {
  mask_vocab *v = NULL;
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  base_status status = mask_vocab_open(&v, w->n_tokens, w->piece, NULL, a, NULL);
  if (status == BASE_OK) status = w->open(&rule, a);
  if (status == BASE_OK) status = mask_run_open(&run, rule, v, a, NULL);
  if (status == BASE_OK) status = mask_way_commit(run, w->text);
  if (status == BASE_OK && last != NULL) status = last(run);
  mask_run_close(run);
  mask_rule_close(rule);
  mask_vocab_close(v);
  return status;
}

/* Nothing is held after any failure, and after more than `least` of them, under `most`, the way is gone to its end. */
static inline void mask_way_without_memory(const mask_way *w, base_status (*last)(mask_run *run), int least, int most) {
  base_status status = BASE_ENOMEM;
  int n = 0;
  for (; status == BASE_ENOMEM && n < most; n++) {
    failing f;
    base_allocator a = failing_allocator(&f, n);
    status = mask_way_go(w, last, &a);
    if (f.held != 0) TAP_OK(false, "%zu bytes held after failure %d", f.held, n);
  }
  TAP_OK(status == BASE_OK && n > least, "%d after %d", (int)status, n);
}

#endif
