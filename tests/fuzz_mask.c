/* Fuzz target: masks against the validator. The input's first byte chooses, the rest up to a NUL is a schema, what
 * follows drives a walk: at each step one of the tokens that the mask allows. Beyond not crashing: what a mask allows
 * can be committed and what it does not allow cannot, taking back gives the same mask again, and every text that may
 * end is valid. */
#include "constrain/constrain.h"
#include "mask_fuzz.h"

enum { MAX_STEPS = 120 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_valid(const constrain_schema *schema, base_slice text) {
  jdoc d = {0};
  base_status status = jdoc_open(&d, text, NULL, "text", NULL, NULL);
  require(status == BASE_OK || status == BASE_ENOMEM);
  if (status == BASE_OK) status = constrain_validate(schema, &d, NULL, NULL, NULL);
  require(status == BASE_OK || status == BASE_ELIMIT || status == BASE_ENOMEM);
  jdoc_close(&d);
}

/* A mask and commits say the same of a few tokens. */
static void require_agreement(mask_run *run, const uint32_t *mask, uint32_t from) {
  uint32_t copy[(MASK_N_TOKENS + 31) / 32];
  memcpy(copy, mask, sizeof copy);
  for (uint32_t k = 0; k < 24; k++) {
    uint32_t id = (from + 37 * k) % MASK_N_TOKENS;
    bool allowed = copy[id >> 5] >> (id & 31) & 1;
    base_status status = mask_run_commit(run, id);
    if (mask_run_failed(run) != BASE_OK) return;
    require(allowed == (status == BASE_OK));
    if (status == BASE_OK) mask_run_rollback(run, 1);
  }
}

static void walk(mask_run *run, const constrain_schema *schema, const uint8_t *drive, size_t size) {
  for (size_t i = 0; i < size && i < MAX_STEPS; i++) {
    const uint32_t *mask = mask_run_mask(run);
    if (mask == NULL) return;
    if (i % 8 == 3) {
      require_agreement(run, mask, drive[i]);
      mask = mask_run_mask(run);
      if (mask == NULL) return;
    }
    uint32_t token = pick(mask, drive[i]);
    if (token == MASK_N_TOKENS) return;
    base_status status = mask_run_commit(run, token);
    require(status == BASE_OK || mask_run_failed(run) != BASE_OK);
    if (status != BASE_OK) return;
    if (mask_run_may_end(run)) require_valid(schema, mask_run_text(run));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mask_vocab *v = NULL;
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  constrain_schema *schema = NULL;
  base_error err = {0};
  if (size < 2) return 0;
  const uint8_t *end = memchr(data + 1, 0, size - 1);
  size_t n = end != NULL ? (size_t)(end - data) - 1 : size - 1;
  base_slice text = {(const char *)data + 1, n};
  mask_options o = {.space = (mask_space)(data[0] % 3), .order = (mask_order)(data[0] / 3 % 2), .max_bytes = 8 << 20};
  base_status status = mask_schema(&rule, text, &o, NULL, &err);
  if (status != BASE_OK) {
    require(err.text[0] != '\0' && rule == NULL);
    return 0;
  }
  require(mask_vocab_open(&v, MASK_N_TOKENS, mask_piece, NULL, NULL, NULL) == BASE_OK);
  status = constrain_schema_compile(&schema, text, NULL, "schema", NULL, NULL);
  if (status == BASE_OK && mask_run_open(&run, rule, v, NULL, NULL) == BASE_OK) {
    walk(run, schema, data + 1 + n, size - 1 - n);
    mask_run_reset(run);
    walk(run, schema, data, size);
  }
  mask_run_close(run);
  mask_rule_close(rule);
  mask_vocab_close(v);
  constrain_schema_close(schema);
  return 0;
}
