/* One request to one decision: the pack's brain reads it, the draft is checked, confidence and risk decide.
 * The order of the questions is the order below; the first one that holds decides:
 *
 *   ask_brain: it says "none" -------> not covered (the caller says which way)
 *   the policy denies the pack ------> refuse / not_allowed
 *   truncated ----------------------> handoff / too_long
 *   confidence < least_asked --------> handoff / low_confidence
 *   it says not to do that ----------> handoff / negated          (proviso.c)
 *   not sure enough, and words
 *   are asked for, not an action ----> handoff / open_ended       (scope.c)
 *   ... and the action does the
 *   contrary of what is asked, or
 *   changes what is only asked about-> handoff / low_confidence   (scope.c)
 *   a needed slot is missing --------> ask / missing_slot
 *   words could not be read ---------> ask / unclear_value
 *   arguments do not fit, not even
 *   without one optional (repair) ---> handoff / invalid_arguments
 *   the policy refuses the risk -----> refuse / risk_refused
 *   the policy wants a yes for it ---> confirm / risk           (by default money, irreversible, safety)
 *   it takes away or discloses, and
 *   all there is is meant -----------> confirm / risk           (scope.c)
 *   it is to happen on a condition ---> confirm / conditional      (proviso.c)
 *   sure enough ---------------------> act / confident          (confirm / unsure after a repair, or for
 *                                                                what the brain would rather have left)
 *   otherwise -----------------------> confirm / unsure */
#include "handoff/internal.h"

/* Under this confidence nothing is put to the user: a yes or no costs little, but a question about what was hardly
 * meant is silly, and costs the answer that a handoff may bring: docs/experiments.md, 9, 13 and 26. */
static const float least_asked = 0.1f;

/* How sure of "none" a pack's brain has to be against a gate that chose the pack: docs/experiments.md, 13. */
static const float veto = 0.95f;

static void note_used(handoff_outcome *out, const pack *p) {
  for (size_t i = 0; i < out->n_used; i++)
    if (out->used[i] == p) return;
  if (out->n_used < HANDOFF_MAX_ACTIONS + 1) out->used[out->n_used++] = p;
}

/* What the brain makes of the part's words, into l->result. False: nothing. With an open app the brain alone says
 * what is out of scope, by its label "none" or by being too unsure of any. Behind a gate that chose this pack, unsure
 * means unsure between the pack's actions, which the confidence deals with, and "none" has to be all but certain: less
 * is outvoted by the gate, and what the pack would do otherwise is put to the user. */
static bool ask_brain(handoff_loop *l, handoff_part *part, const pack *p, bool gated) {
  const head_brain *b = pack_brain(p);
  head_result *r = &l->result;
  head_brain_run(b, l->kernels, part->text, l->scratch, r);
  part->reluctant = false;
  if (!gated && r->probability < head_brain_calibration(b)->oos_threshold) return false;
  if (!base_slice_equal(head_brain_label(b, r->label), BASE_LITERAL(PACK_LABEL_NONE))) return true;
  if (!gated || r->probability >= veto || head_brain_weights(b)->n_labels < 2) return false;
  head_brain_run_without(b, l->kernels, r->label, l->scratch, r);
  part->reluctant = true;
  return true;
}

/* Drops the spans of one slot. */
static void without_slot(const head_result *r, size_t slot, head_result *out) {
  *out = *r;
  out->n_spans = 0;
  for (size_t i = 0; i < r->n_spans; i++)
    if (r->spans[i].slot != slot) out->spans[out->n_spans++] = r->spans[i];
}

/* The fallback for arguments that do not fit: leaves out the first optional one without which they do. */
static bool repair(handoff_loop *l, const handoff_part *part, const pack *p) {
  const pack_manifest *m = pack_manifest_of(p);
  const pack_action *action = &m->action[l->draft.action];
  for (size_t slot = 0; slot < m->n_slots; slot++) {
    if ((action->required >> slot & 1) != 0) continue;
    without_slot(&l->result, slot, &l->repaired_result);
    if (l->repaired_result.n_spans == l->result.n_spans) continue;
    pack_draft_action(p, part->text, &l->repaired_result, &l->context, &l->draft);
    if (l->draft.valid && l->draft.missing < 0 && l->draft.unclear < 0) {
      l->result = l->repaired_result;
      return true;
    }
  }
  pack_draft_action(p, part->text, &l->result, &l->context, &l->draft);
  return false;
}

static void settle(handoff_part *part, handoff_decision d, handoff_reason r) {
  part->decision = d;
  part->reason = r;
  part->has_action = d == HANDOFF_ACT || d == HANDOFF_CONFIRM || d == HANDOFF_ASK;
}

/* How sure: that the request is this pack's, times that the pack read it as it was meant. Enough to act is enough of
 * either, each by its own evidence: the share that may be wrong bounds both. */
static void weigh(const handoff_loop *l, handoff_part *part, const pack *p, const head_result *gate) {
  float share = policy_share(l->policy, pack_manifest_of(p)->name), belongs = handoff_belongs(gate, &l->result);
  float read = l->result.confidence;
  part->confidence = gate != NULL ? belongs * read : read;
  part->sure = belongs >= handoff_belongs_enough(gate, share) &&
               read >= head_act_threshold(head_brain_calibration(pack_brain(p)), share) && !part->reluctant;
}

static void judge(handoff_loop *l, handoff_part *part, const pack *p) {
  const pack_manifest *m = pack_manifest_of(p);
  const pack_action *action = &m->action[l->draft.action];
  policy_answer allowed = l->policy->risk[action->risk];
  if (!policy_allows_pack(l->policy, m->name)) return settle(part, HANDOFF_REFUSE, HANDOFF_REASON_NOT_ALLOWED);
  if (l->result.truncated) return settle(part, HANDOFF_HANDOFF, HANDOFF_REASON_TOO_LONG);
  if (part->confidence < least_asked) return settle(part, HANDOFF_HANDOFF, HANDOFF_REASON_LOW_CONFIDENCE);
  if (handoff_passes_over_not(l, part, p)) return settle(part, HANDOFF_HANDOFF, HANDOFF_REASON_NEGATED);
  if (!part->sure && handoff_is_open_ended(part->text))
    return settle(part, HANDOFF_HANDOFF, HANDOFF_REASON_OPEN_ENDED);
  if (!part->sure && (handoff_is_contrary(part->text, action) || handoff_is_question(part->text, action)))
    return settle(part, HANDOFF_HANDOFF, HANDOFF_REASON_LOW_CONFIDENCE);
  if (l->draft.missing >= 0) return settle(part, HANDOFF_ASK, HANDOFF_REASON_MISSING_SLOT);
  if (l->draft.unclear >= 0) return settle(part, HANDOFF_ASK, HANDOFF_REASON_UNCLEAR_VALUE);
  bool repaired = !l->draft.valid && repair(l, part, p);
  if (!l->draft.valid) return settle(part, HANDOFF_HANDOFF, HANDOFF_REASON_INVALID_ARGUMENTS);
  if (allowed == POLICY_REFUSE) return settle(part, HANDOFF_REFUSE, HANDOFF_REASON_RISK_REFUSED);
  if (allowed == POLICY_CONFIRM || handoff_asks_for_all(part->text, &l->result, m, action))
    return settle(part, HANDOFF_CONFIRM, HANDOFF_REASON_RISK);
  if (action->risk != PACK_NONE && (l->conditional || handoff_has_condition(part->text, &l->result)))
    return settle(part, HANDOFF_CONFIRM, HANDOFF_REASON_CONDITIONAL);
  if (part->sure && !repaired)
    return settle(part, HANDOFF_ACT, HANDOFF_REASON_CONFIDENT);
  settle(part, HANDOFF_CONFIRM, HANDOFF_REASON_UNSURE);
}

/* Writes the action down, with what a person reads of it. */
static void fill_action(handoff_loop *l, handoff_part *part, const pack *p) {
  handoff_action *a = &part->action;
  const pack_manifest *m = pack_manifest_of(p);
  handoff_said said = {m,          &m->action[l->draft.action], part->text,
                       &l->result, l->draft.arguments,          &l->context};
  a->pack = p;
  a->action = l->draft.action;
  a->confidence = part->confidence;
  a->decision = part->decision;
  a->missing = a->unclear = -1;
  a->prompt[0] = '\0';
  (void)base_format(a->arguments, sizeof a->arguments, "%s", l->draft.arguments);
  handoff_say_summary(&said, a->summary, sizeof a->summary);
  if (part->decision == HANDOFF_CONFIRM) {
    handoff_say_confirm(&said, a->prompt, sizeof a->prompt);
  } else if (part->reason == HANDOFF_REASON_MISSING_SLOT) {
    a->missing = l->draft.missing;
    handoff_say_ask(&said, a->missing, a->prompt, sizeof a->prompt);
  } else if (part->reason == HANDOFF_REASON_UNCLEAR_VALUE) {
    a->unclear = l->draft.unclear;
    handoff_say_unclear(&said, a->unclear, a->prompt, sizeof a->prompt);
  }
}

/* What split.c wants to know about the values found. */
static void count_spans(const head_result *r, const pack_manifest *m, handoff_part *part) {
  uint64_t seen = 0;
  part->n_spans = r->n_spans;
  part->lists_two = part->says_twice = false;
  for (size_t i = 0; i < r->n_spans; i++) {
    size_t slot = r->spans[i].slot;
    bool again = (seen >> slot & 1) != 0, list = m->slot[slot].type == PACK_LIST;
    part->lists_two = part->lists_two || (again && list);
    part->says_twice = part->says_twice || (again && !list);
    seen |= UINT64_C(1) << slot;
  }
}

bool handoff_part_decide(handoff_loop *l, handoff_part *part, const pack *p, const head_result *gate) {
  uint64_t start = os_monotonic_ns();
  part->has_action = part->sure = false;
  note_used(l->out, p);
  bool covered = ask_brain(l, part, p, gate != NULL);
  uint64_t then = os_monotonic_ns();
  l->out->ns_pack += then - start;
  part->confidence = l->result.confidence;
  count_spans(&l->result, pack_manifest_of(p), part);
  if (covered) {
    pack_draft_action(p, part->text, &l->result, &l->context, &l->draft);
    covered = l->draft.action >= 0;
  }
  if (covered) {
    weigh(l, part, p, gate);
    judge(l, part, p);
    if (part->has_action) fill_action(l, part, p);
  }
  l->out->ns_valid += os_monotonic_ns() - then;
  return covered;
}
