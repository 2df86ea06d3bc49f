/* Fuzz target: grammars. Up to a NUL the input is a grammar (GBNF), what follows drives a walk: at each step one of the
 * tokens that the mask allows. Beyond not crashing: a grammar that is refused is refused with a sentence, what a mask allows
 * can be committed and what it does not allow cannot, and after taking a token back the mask is what it was. */
#include "mask_fuzz.h"

enum { MAX_STEPS = 100, WORDS = (MASK_N_TOKENS + 31) / 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A few tokens are committed as the mask says, and taking them back leaves the mask as it was. */
static bool agrees(mask_run *run, const uint32_t *before, uint32_t from) {
  for (uint32_t k = 0; k < 16; k++) {
    uint32_t id = (from + 37 * k) % MASK_N_TOKENS;
    base_status status = mask_run_commit(run, id);
    if (mask_run_failed(run) != BASE_OK) return false;
    require((before[id >> 5] >> (id & 31) & 1) == (status == BASE_OK));
    if (status == BASE_OK) mask_run_rollback(run, 1);
  }
  const uint32_t *after = mask_run_mask(run);
  require(after == NULL || memcmp(after, before, WORDS * sizeof *after) == 0);
  return after != NULL;
}

static void walk(mask_run *run, const uint8_t *drive, size_t size) {
  uint32_t before[WORDS];
  for (size_t i = 0; i < size && i < MAX_STEPS; i++) {
    const uint32_t *mask = mask_run_mask(run);
    if (mask == NULL) return;
    memcpy(before, mask, sizeof before);
    if (i % 8 == 3 && !agrees(run, before, drive[i])) return;
    uint32_t token = pick(before, drive[i]);
    if (token == MASK_N_TOKENS) return;
    base_status status = mask_run_commit(run, token);
    require(status == BASE_OK || mask_run_failed(run) != BASE_OK);
    if (status != BASE_OK) return;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mask_vocab *v = NULL;
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  base_error err = {0};
  if (size == 0) return 0;
  const uint8_t *end = memchr(data, 0, size);
  size_t n = end != NULL ? (size_t)(end - data) : size;
  mask_options o = {.max_bytes = 8 << 20};
  if (mask_grammar(&rule, (base_slice){(const char *)data, n}, &o, NULL, &err) != BASE_OK) {
    require(err.text[0] != '\0' && rule == NULL);
    return 0;
  }
  require(mask_vocab_open(&v, MASK_N_TOKENS, mask_piece, NULL, NULL, NULL) == BASE_OK);
  if (mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK) walk(run, data + n, size - n);
  mask_run_close(run);
  mask_rule_close(rule);
  mask_vocab_close(v);
  return 0;
}
