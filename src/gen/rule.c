/* gen/rule: an answer under a rule (mask). The rule says which tokens may come next; where it leaves no choice, the
 * bytes that must follow are put in as the tokens that the tokenizer makes of them, and the model only reads them. */
#include <string.h>

#include "gen/internal.h"

/* Forced bytes that are looked at; a token has at least one. */
enum { FORCED_BYTES = 256 };

static bool any_bit(const uint32_t *mask, size_t words) {
  for (size_t i = 0; i < words; i++)
    if (mask[i] != 0) return true;
  return false;
}

static void fail(gen_job *j, base_status st) {
  if (st == BASE_EMISMATCH)
    (void)gen_job_fail(j, st, "rule", "the answer came to a point from where no text fits; this rule can only be checked");
  else
    (void)gen_job_fail(j, st, "rule", base_status_text(st));
}

/* End tokens are allowed where the text is complete. */
const uint32_t *gen_rule_mask(gen_job *j) {
  gen_engine *e = j->engine;
  mask_run *rule = j->request.rule;
  const tok_specials *special = tok_vocab_specials(e->vocab);
  size_t words = (e->backend.vocab + 31) / 32;
  if (rule == NULL) return NULL;
  const uint32_t *mask = mask_run_mask(rule);
  if (mask == NULL) {
    fail(j, mask_run_failed(rule));
    return NULL;
  }
  if (!mask_run_may_end(rule)) {
    if (!any_bit(mask, words)) fail(j, BASE_EMISMATCH);
    return mask;
  }
  memcpy(e->mask, mask, words * sizeof *mask);
  for (size_t i = 0; i < special->n_eog; i++)
    if (special->eog[i] < e->backend.vocab) e->mask[special->eog[i] / 32] |= 1u << (special->eog[i] % 32);
  return e->mask;
}

void gen_rule_take(gen_job *j, uint32_t token) {
  base_status st = mask_run_commit(j->request.rule, token);
  if (st) fail(j, st);
  else if (mask_run_must_end(j->request.rule)) gen_job_end(j, GEN_STOP);
}

/* A control token, which the rule spells as 0xFF and its name: the one that may come. */
static size_t control_token(gen_job *j, uint32_t *id) {
  const uint32_t *mask = mask_run_mask(j->request.rule);
  size_t n = 0;
  for (uint32_t i = 0; mask != NULL && i < j->engine->backend.vocab && n < 2; i++) {
    if ((mask[i / 32] >> (i % 32) & 1) == 0) continue;
    *id = i;
    n++;
  }
  return n == 1;
}

/* The last token of forced bytes may become a longer one with what follows, so it is left to the model, unless
 * nothing follows or a control token does. */
static size_t certain_tokens(gen_job *j, const char *bytes, size_t len, uint32_t *ids) {
  gen_engine *e = j->engine;
  const char *control = memchr(bytes, 0xFF, len);
  if (control == bytes) return control_token(j, ids);
  tok_input in = {.text = bytes, .len = control != NULL ? (size_t)(control - bytes) : len, .flags = TOK_CONTINUE};
  size_t n = 0;
  if (tok_encode(e->vocab, &e->scratch, &in, ids, FORCED_BYTES, &n, NULL) || n == 0) return 0;
  return control != NULL ? n : n - 1;
}

/* One round: what is certain of the bytes that must follow. False when that is nothing. */
static bool force(gen_job *j, size_t most) {
  char bytes[FORCED_BYTES];
  uint32_t ids[FORCED_BYTES];
  size_t len = mask_run_forced(j->request.rule, bytes, sizeof bytes);
  if (len < 2) return false;
  size_t n = certain_tokens(j, bytes, len, ids);
  if (n > most) n = most;
  for (size_t i = 0; i < n && j->finish == GEN_GOING; i++) {
    uint32_t shifts = j->stats.shifts;
    size_t held = mask_run_text(j->request.rule).len;
    gen_accept(j, ids[i], NULL);
    j->stats.forced++;
    if (j->stats.shifts > shifts || mask_run_text(j->request.rule).len == held) return false;
  }
  return n > 0 && j->finish == GEN_GOING;
}

void gen_rule_force(gen_job *j) {
  uint32_t before = j->stats.forced;
  while (j->stats.forced - before < GEN_FORCED && force(j, GEN_FORCED - (j->stats.forced - before))) continue;
}
