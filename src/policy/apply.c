/* Questions to a policy. */
#include <string.h>

#include "policy/policy.h"

static bool among(const char *name, const char (*names)[POLICY_NAME_BYTES], size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

bool policy_allows_pack(const policy *p, const char *name) {
  if (among(name, p->denied, p->n_denied)) return false;
  return !p->lists_packs || among(name, p->packs, p->n_packs);
}

bool policy_flag(const policy *p, const char *name, uint64_t device) {
  for (size_t i = 0; i < p->n_flags; i++) {
    const policy_rollout *f = &p->flag[i];
    if (strcmp(f->name, name) != 0) continue;
    if (f->off) return false;
    if (device == 0) return f->percent >= 100.0f; /* devices without an id would all be in the same place */
    uint64_t place = base_hash(BASE_HASH_START, &device, sizeof device);
    place = base_hash(place, name, strlen(name));
    place ^= place >> 32; /* FNV's low bits alone mix too little */
    return (float)(place % 10000) < f->percent * 100.0f;
  }
  return true;
}

float policy_share(const policy *p, const char *pack) {
  for (size_t i = p->n_targets; i-- > 0;)
    if (strcmp(p->target[i].pack, pack) == 0) return p->target[i].at_most_wrong;
  return p->at_most_wrong;
}
