/* gen/rule: an answer under a rule (mask). The rule says which tokens may come next; where it leaves no choice, the
 * bytes that must follow are put in as the tokens that the tokenizer makes of them, and the model only reads them.
 * Where the tokens run out, the answer is brought to an end. */
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
    (void)gen_job_fail(j, st, "rule",
                       "the answer came to a point from where no text fits; this rule can only be checked");
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
  if (j->n_way > 0) {
    memset(e->mask, 0, words * sizeof *e->mask);
    e->mask[j->way[j->at_way] / 32] |= 1u << (j->way[j->at_way] % 32);
    return e->mask;
  }
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
  mask_run *rule = j->request.rule;
  base_status st = mask_run_commit(rule, token);
  bool over = !st && ((j->n_way > 0 && ++j->at_way == j->n_way) || mask_run_must_end(rule) ||
                      (j->stats.generated == j->request.max_tokens && mask_run_may_end(rule)));
  if (st) fail(j, st);
  else if (over) gen_job_end(j, GEN_STOP);
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
  if (j->n_way > 0) return;
  while (j->stats.forced - before < GEN_FORCED && force(j, GEN_FORCED - (j->stats.forced - before))) continue;
}

/* ---- towards the end ---- */

/* An answer that is cut is none. When few tokens are left, each drawn token is looked at before it is taken: is there
 * still a way from behind it to a valid end? Where there is not, the answer goes the way that there was before it.
 * Rules with something that is decided late (an item equal to another) may let a text come to where no end fits:
 * under them every token is looked at, and another one is drawn. */
enum { WAY_BYTES = 2048, ALWAYS_BELOW = 40, NOW_AND_THEN = 32, MOST_AGAIN = 8 };

/* Tokens that the answer may still have. */
static uint32_t tokens_left(const gen_job *j) {
  uint32_t by_context = j->engine->backend.context - j->slot->n;
  uint32_t by_limit = j->request.max_tokens - j->stats.generated;
  return j->request.max_tokens == 0 || by_context < by_limit ? by_context : by_limit;
}

/* All of them fit the rule and complete the text; nothing is taken. */
static bool is_way(mask_run *rule, const uint32_t *ids, size_t n) {
  size_t taken = 0;
  while (taken < n && mask_run_commit(rule, ids[taken]) == BASE_OK) taken++;
  bool complete = taken == n && mask_run_may_end(rule);
  mask_run_rollback(rule, taken);
  return complete;
}

/* A way to an end, as tokens; false when none was found. */
static bool find_way(gen_job *j, uint32_t *ids, size_t *n) {
  char bytes[WAY_BYTES];
  tok_input in = {.text = bytes, .flags = TOK_CONTINUE};
  *n = 0;
  if (mask_run_may_end(j->request.rule)) return true;
  if (!mask_run_finish(j->request.rule, bytes, sizeof bytes, &in.len)) return false;
  if (in.len == 0) return true;
  if (tok_encode(j->engine->vocab, &j->engine->scratch, &in, ids, WAY_BYTES, n, NULL)) return false;
  return is_way(j->request.rule, ids, *n);
}

static bool go_way(gen_job *j, const uint32_t *ids, size_t n) {
  j->way = base_alloc(&j->engine->allocator, n * sizeof *j->way);
  if (j->way == NULL) return false;
  memcpy(j->way, ids, n * sizeof *ids);
  j->n_way = (uint32_t)n;
  return true;
}

gen_verdict gen_rule_judge(gen_job *j, uint32_t token) {
  mask_run *rule = j->request.rule;
  uint32_t ids[WAY_BYTES], left = rule == NULL ? 0 : tokens_left(j);
  size_t n;
  bool now = left <= j->watch || j->stats.generated % NOW_AND_THEN == 0 || (j->strands && !j->lost);
  if (rule == NULL || token == GEN_NO_TOKEN || j->n_way > 0 || !now || tok_vocab_is_eog(j->engine->vocab, token))
    return GEN_KEEP;
  if (mask_run_commit(rule, token) != BASE_OK) return GEN_KEEP;
  bool found = find_way(j, ids, &n);
  mask_run_rollback(rule, 1);
  /* the tokenizer may cut what is forced on the way a little differently: two to spare */
  if (found && (n == 0 || n + 3 <= left)) {
    j->watch = (uint32_t)n + (uint32_t)n / 8 + ALWAYS_BELOW;
    return GEN_KEEP;
  }
  if (!found && j->strands && !j->lost && j->again++ < MOST_AGAIN) return GEN_AGAIN;
  j->again = 0;
  if (find_way(j, ids, &n) && n > 0 && n <= left && go_way(j, ids, n)) return GEN_GO_WAY;
  j->lost = !found;
  return GEN_KEEP;
}

const uint32_t *gen_rule_without(gen_job *j, const uint32_t *mask, uint32_t token) {
  gen_engine *e = j->engine;
  size_t words = (e->backend.vocab + 31) / 32;
  if (mask != e->mask) memcpy(e->mask, mask, words * sizeof *mask);
  e->mask[token / 32] &= ~(1u << (token % 32));
  return any_bit(e->mask, words) ? e->mask : NULL;
}

void gen_rule_close(gen_job *j) {
  base_free(&j->engine->allocator, j->way, j->n_way * sizeof *j->way);
  j->way = NULL;
  j->n_way = 0;
}
