/* Fuzz target: any bytes as a policy's document. What is refused has a place and a sentence and leaves the policy as it
 * was; what is taken keeps within its bounds. */
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

static void check(const policy *p) {
  require(p->n_packs <= POLICY_MAX_NAMES && p->n_denied <= POLICY_MAX_NAMES && p->n_targets <= POLICY_MAX_NAMES &&
          p->n_flags <= POLICY_MAX_FLAGS);
  for (int i = 0; i < POLICY_RISKS; i++) require((unsigned)p->risk[i] <= POLICY_REFUSE);
  for (int i = 0; i < GUARD_RISKS; i++) require((unsigned)p->domain[i] <= POLICY_REFUSE);
  for (int i = 0; i < GUARD_CLASSES; i++) require((unsigned)p->personal.of[i] <= GUARD_ALLOW);
  for (int i = 0; i < POLICY_TASKS; i++) require((unsigned)p->offline[i] <= POLICY_NO);
  for (size_t i = 0; i < p->n_flags; i++) {
    require(p->flag[i].percent >= 0.0f && p->flag[i].percent <= 100.0f);
    require(!p->flag[i].off || !policy_flag(p, p->flag[i].name, 7));
  }
  require(p->at_most_wrong >= 0.0f && p->at_most_wrong <= 1.0f);
  require(p->text_confidence <= 1.0f && (p->text_confidence >= 0.0f || p->text_confidence == -1.0f));
  require(p->request_nano_usd >= -1 && p->day_nano_usd >= -1 && p->month_nano_usd >= -1);
  require(!p->cloud || (p->endpoint[0] != '\0' && p->model[0] != '\0'));
  float share = policy_share(p, "clock");
  require(share >= 0.0f && share <= 1.0f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  policy p, before;
  base_error err = {0};
  memset(&p, 0, sizeof p); /* padding too: the comparison below is of bytes */
  policy_init(&p);
  memcpy(&before, &p, sizeof p);
  base_status st = policy_read(&p, (base_slice){(const char *)data, size}, "policy.json", "folder", &err);
  require((st == BASE_OK) == (err.text[0] == '\0'));
  if (st) require(memcmp(&p, &before, sizeof p) == 0 && strncmp(err.where, "policy.json", 11) == 0);
  else check(&p);
  return 0;
}
