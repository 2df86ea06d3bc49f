/* handoff: the loop. Guard, gate, pack, validation, decision, for one request that may hold several actions.
 * It only decides; it never does anything itself. The order of steps and the ways out are drawn in loop.c. */
#ifndef HANDOFF_HANDOFF_H
#define HANDOFF_HANDOFF_H

#include "base/base.h"
#include "cpu/cpu.h"
#include "guard/guard.h"
#include "pack/pack.h"

/* Decisions, from the least to the most cautious; a request takes the most cautious of its parts. */
typedef enum handoff_decision {
  HANDOFF_ACT,
  HANDOFF_ANSWER,
  HANDOFF_CONFIRM,
  HANDOFF_ASK,
  HANDOFF_HANDOFF,
  HANDOFF_DEFER,
  HANDOFF_REFUSE
} handoff_decision;
const char *handoff_decision_name(handoff_decision d); /* "act", ... */

/* Why; the codes of `reason` in the JSON output. */
typedef enum handoff_reason {
#define HANDOFF_REASON(name, code, text) HANDOFF_##name,
#include "handoff/reason.def"
#undef HANDOFF_REASON
  HANDOFF_REASONS
} handoff_reason;
const char *handoff_reason_code(handoff_reason r);
const char *handoff_reason_text(handoff_reason r); /* one phrase */

enum { HANDOFF_MAX_ACTIONS = 8, HANDOFF_MAX_TEXT = 512, HANDOFF_MAX_SUMMARY = 512 };

typedef struct handoff_action {
  const pack *pack;
  int action;
  float confidence;
  handoff_decision decision;          /* act, confirm or ask */
  int missing, unclear;               /* the slot that is asked for, or -1 */
  char arguments[PACK_MAX_ARGUMENTS]; /* JSON object */
  char summary[HANDOFF_MAX_SUMMARY];  /* the arguments as a person reads them; may be empty */
  char prompt[HANDOFF_MAX_TEXT];      /* the question or confirmation to put; empty for act */
} handoff_action;

typedef struct handoff_outcome {
  handoff_decision decision;
  handoff_reason reason;
  float confidence; /* of the least certain part */
  bool by_rule;     /* no model was asked */
  size_t n_actions;
  handoff_action action[HANDOFF_MAX_ACTIONS];
  size_t n_used; /* packs whose brains were asked */
  const pack *used[HANDOFF_MAX_ACTIONS + 1];
  char text[HANDOFF_MAX_TEXT]; /* the question to put, the thing to confirm, or what was not covered; may be
                                  empty */
  uint64_t ns_guard, ns_gate, ns_pack, ns_valid, ns_total;
} handoff_outcome;

/* Everything the loop needs, made once. Packs are borrowed. */
typedef struct handoff_loop handoff_loop;
/* gate: a pack whose manifest is_gate, or NULL: then every request needs an open pack. packs in any order; a
 * gate label without a pack is BASE_EMISMATCH. */
base_status handoff_loop_open(handoff_loop **out, const pack *gate, const pack *const *packs, size_t n_packs,
                              const cpu_kernels *k, const base_allocator *a, base_error *err);
void handoff_loop_close(handoff_loop *l);
/* `open_pack` is the app in front (only its brain is asked) or NULL. Bad text is an error, everything else an
 * outcome. No allocation. One thread at a time. */
base_status handoff_run(handoff_loop *l, base_slice text, const pack *open_pack, const value_datetime *now,
                        handoff_outcome *out, base_error *err);

#endif
