/* Steering and risk: does a text try to make the assistant do what its user or its app did not ask for, and what
 * could a wrong answer do. */
#include <string.h>

#include "guard/model.h"

static const char *const risk_names[GUARD_RISKS] = {"payment", "legal", "medical", "self_harm"};

const char *guard_risk_name(guard_risk r) { return (unsigned)r < GUARD_RISKS ? risk_names[r] : ""; }

base_status guard_injection(guard *g, base_slice text, guard_source from, base_slice instructions,
                            guard_attack *out, base_error *err) {
  guard_view v;
  base_status st = guard_view_of(g, text, &v, err);
  (void)from;
  (void)instructions;
  *out = (guard_attack){.what = ""};
  if (!st && guard_scan((base_slice){(const char *)v.low, v.n}) == GUARD_INJECTION)
    *out = (guard_attack){true, 1.0F, "phrase"};
  return st;
}

base_status guard_risk_of(guard *g, base_slice text, guard_risks *out, base_error *err) {
  guard_view v;
  base_status st = guard_view_of(g, text, &v, err);
  *out = (guard_risks){.found = 0};
  if (!st && guard_near(&v, v.n, v.n, "kill myself|suicide|end my life|hurt myself")) {
    out->score[GUARD_SELF_HARM] = 1.0F;
    out->found = 1U << GUARD_SELF_HARM;
  }
  return st;
}
