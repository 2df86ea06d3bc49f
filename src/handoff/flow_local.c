/* The stages on the device: LOCAL, where packs decide on actions and the writer answers texts, and VALID, where what
 * they say is held against the schema, its checks and the app's own check. */
#include <string.h>

#include "handoff/flow.h"
#include "os/os.h"

/* ---- LOCAL ---- */

/* True when the router sends a text straight to the cloud. Without a way there the device tries all the same. */
static bool routed(handoff_flow *f) {
  const handoff_router *r = &f->m.router;
  if (r->score == NULL || f->r.task != POLICY_TEXT || f->local_retried || f->alone ||
      handoff_flow_kept_here(f) != NULL || !policy_flag(f->m.policy, "router", f->m.device) ||
      !cloud_available(f->m.cloud))
    return false;
  return r->score(r->ctx, f->r.text) >= r->threshold;
}

static base_status local_action(handoff_flow *f, base_error *err) {
  uint64_t guard_ns = f->result.out.ns_guard;
  handoff_loop_obey(f->m.loop, f->m.policy);
  base_status st = handoff_run(f->m.loop, f->r.text, f->r.open_pack, f->r.now, &f->result.out, err);
  if (f->result.out.by_rule) f->result.source = HANDOFF_RULE;
  f->result.out.ns_guard += guard_ns;
  f->at = HANDOFF_AT_VALID;
  return st;
}

static base_status write_draft(handoff_flow *f, base_error *err) {
  base_buf schema = {.allocator = &f->allocator};
  base_error why = {0};
  if (f->schema != NULL) handoff_put_schema(&f->schema_text, &schema);
  handoff_writing w = {.text = f->r.text,
                       .context = f->r.context,
                       .instructions = f->r.instructions,
                       .schema = {schema.ptr, schema.len},
                       .complaint = base_slice_of(f->complaint),
                       .max_tokens = f->m.policy->max_tokens,
                       .deadline_ms = handoff_flow_left_ms(f, f->m.policy->local_ms)};
  uint64_t start = os_monotonic_ns();
  base_buf_clear(&f->draft);
  base_status st = schema.failed ? BASE_ENOMEM
                                 : f->m.writer.write(f->m.writer.ctx, &w, &f->draft, &f->draft_confidence, &why);
  f->result.out.ns_pack += os_monotonic_ns() - start;
  base_buf_free(&schema);
  if (st == BASE_ENOMEM) return base_fail(err, st, "request", "no memory for the device's answer");
  if (st) handoff_flow_tell(f, why.where, why.text);
  f->why_cloud = st == BASE_ECANCELLED ? HANDOFF_REASON_TIMEOUT : HANDOFF_REASON_MODEL_FAILED;
  if (!st) f->at = HANDOFF_AT_VALID;
  return BASE_OK;
}

static base_status local_text(handoff_flow *f, base_error *err) {
  f->at = HANDOFF_AT_DECIDE;
  f->why_cloud = HANDOFF_REASON_NO_MODEL;
  if (f->m.writer.model == NULL || !policy_flag(f->m.policy, "local_text", f->m.device)) return BASE_OK;
  uint64_t start = os_monotonic_ns();
  if (!routed(f)) return write_draft(f, err);
  f->routed = true;
  f->why_cloud = HANDOFF_REASON_ROUTED;
  f->result.out.ns_gate = os_monotonic_ns() - start;
  return BASE_OK;
}

base_status handoff_flow_local(handoff_flow *f, base_error *err) {
  return f->r.task == POLICY_ACTION ? local_action(f, err) : local_text(f, err);
}

/* ---- VALID ---- */

static base_status fits_schema(const handoff_flow *f, base_slice value, base_error *err) {
  jdoc doc = {0};
  base_error inner = {0};
  handoff_judge judge = {.now = f->r.now, .lookup = f->m.lookup, .allocator = &f->allocator};
  base_status st = jdoc_open(&doc, value, NULL, "answer", &f->allocator, &inner);
  if (!st) st = constrain_validate(f->schema, &doc, NULL, &f->allocator, &inner);
  if (!st) st = handoff_check_document(&judge, &f->schema_text, &doc, &inner);
  jdoc_close(&doc);
  if (st == BASE_EFORMAT || st == BASE_ELIMIT) st = BASE_EMISMATCH; /* of the answer: the schema was read before */
  return st ? base_fail(err, st, inner.where, "%s", inner.text) : BASE_OK;
}

base_status handoff_flow_fits(const handoff_flow *f, base_slice value, base_error *err) {
  base_status st = f->schema != NULL ? fits_schema(f, value, err) : BASE_OK;
  if (!st && f->m.check.check != NULL) st = f->m.check.check(f->m.check.ctx, NULL, NULL, value, err);
  return st;
}

/* A sentence that was cut may end in half a value, which no rule knows any more: then only the place is told. */
void handoff_flow_complain(handoff_flow *f, const base_error *misfit) {
  bool whole = strlen(misfit->text) + 1 < sizeof misfit->text && strlen(misfit->where) + 1 < sizeof misfit->where;
  base_format(f->complaint, sizeof f->complaint, "%s%s%s", whole ? misfit->where : "it", whole ? ": " : "",
              whole ? misfit->text : " does not fit");
}

/* The app's check of actions that the packs drafted: one that does not pass is not acted on. */
static void check_actions(handoff_flow *f) {
  handoff_outcome *out = &f->result.out;
  for (size_t i = 0; i < out->n_actions; i++) {
    handoff_action *a = &out->action[i];
    const pack_manifest *m = pack_manifest_of(a->pack);
    base_error misfit = {0};
    if (a->decision == HANDOFF_ASK ||
        !f->m.check.check(f->m.check.ctx, m->name, m->action[a->action].name, base_slice_of(a->arguments), &misfit))
      continue;
    a->decision = HANDOFF_ASK;
    base_format(a->prompt, sizeof a->prompt, "%s", misfit.text);
    out->decision = HANDOFF_ASK;
    out->reason = HANDOFF_REASON_UNCLEAR_VALUE;
    handoff_flow_say(f, misfit.text);
    f->result.incident = "validator";
  }
}

static base_status judge_draft(handoff_flow *f, base_error *err) {
  base_error misfit = {0};
  base_status st = handoff_flow_fits(f, (base_slice){f->draft.ptr, f->draft.len}, &misfit);
  f->has_draft = st == BASE_OK;
  f->why_cloud = st ? HANDOFF_REASON_INVALID_ANSWER : HANDOFF_REASON_LOW_CONFIDENCE;
  if (!st) return BASE_OK;
  if (st != BASE_EMISMATCH) return base_fail(err, st, misfit.where, "%s", misfit.text);
  handoff_flow_tell(f, misfit.where, misfit.text);
  if (f->local_retried || !policy_flag(f->m.policy, "repair", f->m.device)) return BASE_OK;
  handoff_flow_complain(f, &misfit);
  f->local_retried = f->result.repaired = true;
  f->at = HANDOFF_AT_LOCAL;
  return BASE_OK;
}

base_status handoff_flow_valid(handoff_flow *f, base_error *err) {
  uint64_t start = os_monotonic_ns();
  base_status st = BASE_OK;
  f->at = HANDOFF_AT_DECIDE;
  if (f->r.task != POLICY_ACTION)
    st = judge_draft(f, err);
  else if (f->m.check.check != NULL)
    check_actions(f);
  f->result.out.ns_valid += os_monotonic_ns() - start;
  return st;
}
