/* A request's whole way, a stage at a time. Each arrow has its function; each stage ends by naming the next. What
 * bounds a stage's time stands in stage.def.
 *
 *   GUARD ------- guard_stage: no request, or a schema that is none -> error
 *     |             steers the assistant (itself, or the screen or document it comes with),
 *     |             a refused domain ----------------------------------> RECORD (refuse)
 *     |             taken from the queue -----------------------------> CLEAN
 *     v
 *   LOCAL ------- handoff_flow_local: actions by the packs (loop.c has their own picture, with the repair and the
 *     |             fallback), text and extraction by the writer
 *     |             no writer, it failed or was late; routed: the router wants the cloud -> DECIDE
 *     v
 *   VALID ------- handoff_flow_valid: schema, its checks and the app's check
 *     |             does not fit, first time (repair) ----------------> LOCAL
 *     v             (the second time there is no draft)
 *   DECIDE ------ decide_stage: sure enough --------------------------> RECORD (act, confirm, ask, answer, refuse)
 *     |             the cloud is not allowed for this ----------------> RECORD (the draft, if unsure; or handoff)
 *     v
 *   CLEAN ------- handoff_flow_clean: holds what may not leave -------> RECORD (refuse / private)
 *     |             not allowed any more (taken from the queue) ------> WITHOUT
 *     v
 *   CLOUD ------- handoff_flow_cloud: not reached, too late, no money -> WITHOUT
 *     v
 *   CLOUD_VALID - handoff_flow_cloud_valid: values put back, the same schema and checks
 *     |             does not fit, first time (repair) ----------------> CLOUD
 *     |             does not fit, second time ------------------------> WITHOUT
 *     v
 *   RECORD                                 (answer, act, confirm)
 *
 *   WITHOUT ----- without_stage: saved for later, the local draft as far as there is one (fallback), or no
 *     |             routed, so nothing was tried here ----------------> LOCAL (and never to the cloud again)
 *     v
 *   RECORD ------ record_stage: one row in the ledger ----------------> END */
#include <stdio.h>
#include <string.h>

#include "handoff/flow.h"
#include "os/os.h"

static const char *const stage_words[] = {
#define HANDOFF_STAGE(name, word, bound) word,
#include "handoff/stage.def"
#undef HANDOFF_STAGE
    "end"};
const char *handoff_stage_name(handoff_stage s) { return s <= HANDOFF_AT_END ? stage_words[s] : ""; }

const char *handoff_source_name(handoff_source s) {
  static const char *const words[] = {"device", "cloud", "rule"};
  return (size_t)s < sizeof words / sizeof *words ? words[s] : "";
}

/* ---- making and leaving one ---- */

base_status handoff_flow_new(handoff_flow **out, const base_allocator *a, base_error *err) {
  if (a == NULL) a = base_allocator_libc();
  handoff_flow *f = base_calloc(a, 1, sizeof *f);
  if (f == NULL) return base_fail(err, BASE_ENOMEM, "request", "no memory for requests");
  f->allocator = *a;
  f->at = HANDOFF_AT_END;
  *out = f;
  return BASE_OK;
}

static void forget(handoff_flow *f) {
  cloud_answer_free(&f->said);
  guard_clean_free(f->clean);
  guard_clean_free(f->clean_instructions);
  guard_clean_free(f->clean_schema);
  guard_clean_free(f->clean_context);
  guard_clean_free(f->clean_complaint);
  guard_clean_free(f->clean_said);
  guard_vault_free(f->vault);
  constrain_schema_close(f->schema);
  jdoc_close(&f->schema_text);
  base_buf_free(&f->draft);
  base_buf_free(&f->result.answer);
}

void handoff_flow_start(handoff_flow *f, const handoff_means *means, const handoff_request *r) {
  base_allocator a = f->allocator;
  forget(f);
  *f = (handoff_flow){.allocator = a, .m = *means, .r = *r};
  f->draft.allocator = f->result.answer.allocator = &f->allocator;
  f->began_ns = os_monotonic_ns();
  f->began_unix_ms = os_unix_ms();
}

void handoff_flow_free(handoff_flow *f) {
  if (f == NULL) return;
  forget(f);
  base_allocator a = f->allocator;
  base_free(&a, f, sizeof *f);
}

handoff_stage handoff_flow_at(const handoff_flow *f) { return f->at; }
const handoff_result *handoff_flow_result(const handoff_flow *f) { return &f->result; }

/* ---- words for what stages do ---- */

handoff_stage handoff_flow_settle(handoff_flow *f, handoff_decision d, handoff_reason why) {
  f->result.out.decision = d;
  f->result.out.reason = why;
  return HANDOFF_AT_RECORD;
}

uint32_t handoff_flow_left_ms(const handoff_flow *f, uint32_t stage_ms) {
  uint64_t gone = (os_monotonic_ns() - f->began_ns) / 1000000, all = f->m.policy->latency_ms[f->r.task];
  uint64_t left = gone < all ? all - gone : 0;
  return left < stage_ms ? (uint32_t)left : stage_ms;
}

void handoff_flow_say(handoff_flow *f, const char *text) {
  base_format(f->result.out.text, sizeof f->result.out.text, "%s", text);
}

void handoff_flow_tell(handoff_flow *f, const char *where, const char *detail) {
  base_format(f->result.detail, sizeof f->result.detail, "%s%s%s", where, where[0] ? ": " : "", detail);
}

const char *handoff_flow_kept_here(const handoff_flow *f) {
  const policy *p = f->m.policy;
  char flag[32];
  base_format(flag, sizeof flag, "cloud_%s", policy_task_name(f->r.task));
  if (!p->cloud || f->m.cloud == NULL || f->m.guard == NULL) return "the policy allows no cloud";
  if (!p->cloud_for[f->r.task]) return "the policy allows no cloud for this task (cloud.tasks)";
  bool on = policy_flag(p, "cloud", f->m.device) && policy_flag(p, flag, f->m.device);
  return on ? NULL : "a flag of the policy keeps this device from the cloud (flags)";
}

bool handoff_flow_ask_first(const handoff_flow *f, handoff_action *a) {
  if (!f->must_confirm || a->decision != HANDOFF_ACT) return false;
  a->decision = HANDOFF_CONFIRM;
  handoff_say_action(a, f->r.now);
  return true;
}

/* ---- GUARD ---- */

/* What every text has to be that is no action's. */
static base_status check_words(base_slice text, base_error *err) {
  bool any = false;
  for (size_t at = 0, step; at < text.len; at += step) {
    uint32_t c;
    step = base_utf8_decode(text.ptr + at, text.len - at, &c);
    if (step == 0) return base_fail(err, BASE_EFORMAT, "request", "byte %zu of the text is not UTF-8", at + 1);
    if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7f && c < 0xa0))
      return base_fail(err, BASE_EFORMAT, "request", "byte %zu of the text is a control character", at + 1);
    any = any || c > ' ';
  }
  return any ? BASE_OK : base_fail(err, BASE_EARGUMENT, "request", "the text is empty; say what is asked");
}

/* A schema that cannot judge is the caller's mistake: said before anything is asked or paid. */
static base_status read_schema(handoff_flow *f, base_error *err) {
  base_error why = {0};
  if (f->r.schema.len == 0) return BASE_OK;
  base_status st = jdoc_open(&f->schema_text, f->r.schema, NULL, "schema", &f->allocator, &why);
  if (!st) st = constrain_schema_compile(&f->schema, f->r.schema, NULL, "schema", &f->allocator, &why);
  if (!st) st = handoff_check_checks(&f->schema_text, &f->allocator, &why);
  return st ? base_fail(err, st, why.where, "%s", why.text) : BASE_OK;
}

/* Text that is none, or a schema that is none: the app hears of it, whatever else would have become of the request. */
static base_status check_request(handoff_flow *f, base_error *err) {
  char plain[GUARD_MAX_REQUEST_BYTES + 1];
  size_t len;
  if (f->r.task != POLICY_ACTION) {
    base_status st = check_words(f->r.text, err);
    return st ? st : read_schema(f, err);
  }
  /* one that was saved was looked at before, and is longer by its placeholders */
  return f->r.deferred ? BASE_OK : guard_request(f->r.text, plain, &len, err);
}

/* What the person at the device asks is refused only when a rule or a sure model says so; a model that merely suspects
 * takes away acting without a yes. Text from outside has no such credit. */
static const float sure_attack = 0.5f;

static bool steers(handoff_flow *f, base_error *err, base_status *st) {
  guard_attack attack = {0};
  if (f->m.guard == NULL) return false;
  *st = guard_injection(f->m.guard, f->r.text, GUARD_FROM_USER, f->r.instructions, &attack, err);
  if (attack.found && strcmp(attack.what, "model") == 0 && attack.score < sure_attack) {
    f->must_confirm = true;
    attack.found = false;
  }
  if (*st == BASE_OK && !attack.found && f->r.context.len > 0)
    *st = guard_injection(f->m.guard, f->r.context, GUARD_FROM_OUTSIDE, f->r.instructions, &attack, err);
  return *st == BASE_OK && attack.found;
}

/* Whether a domain of the request is refused; notes when one wants a yes, and when a wrong answer could hurt
 * somebody. */
static bool refused_domain(handoff_flow *f, base_error *err, base_status *st) {
  guard_risks risks = {0};
  bool refused = false;
  if (f->m.guard == NULL) return false;
  *st = guard_risk_of(f->m.guard, f->r.text, &risks, err);
  for (unsigned i = 0; i < GUARD_RISKS && *st == BASE_OK; i++) {
    if ((risks.found >> i & 1u) == 0) continue;
    refused = refused || f->m.policy->domain[i] == POLICY_REFUSE;
    f->must_confirm = f->must_confirm || f->m.policy->domain[i] == POLICY_CONFIRM;
    f->grave = f->grave || i != GUARD_PAYMENT; /* for which the packs have actions and risk classes */
  }
  return refused;
}

static void refuse_by_rule(handoff_flow *f, const char *incident, handoff_reason why) {
  f->result.source = HANDOFF_RULE;
  f->result.incident = incident;
  f->result.out.confidence = 1.0f;
  f->at = handoff_flow_settle(f, HANDOFF_REFUSE, why);
}

static base_status guard_stage(handoff_flow *f, base_error *err) {
  uint64_t start = os_monotonic_ns();
  f->at = HANDOFF_AT_LOCAL;
  base_status st = check_request(f, err);
  if (st) return st;
  if (steers(f, err, &st))
    refuse_by_rule(f, "abuse", HANDOFF_REASON_INJECTION);
  else if (!st && refused_domain(f, err, &st))
    refuse_by_rule(f, "safety", HANDOFF_REASON_DOMAIN);
  else if (f->r.deferred)
    f->at = HANDOFF_AT_CLEAN;
  f->result.out.ns_guard = os_monotonic_ns() - start;
  return st;
}

/* ---- DECIDE ---- */

static handoff_stage answer_with_draft(handoff_flow *f, handoff_reason why) {
  base_buf_clear(&f->result.answer);
  base_buf_add(&f->result.answer, f->draft.ptr, f->draft.len);
  f->result.out.confidence = f->draft_confidence;
  if (why == HANDOFF_REASON_ANSWERED) f->result.detail[0] = '\0';
  base_format(f->result.model, sizeof f->result.model, "%s", f->m.writer.model);
  return handoff_flow_settle(f, HANDOFF_ANSWER, why);
}

/* A domain that wants a yes takes back what would have been done without one, also beside what needs one anyway. */
static void ask_first(handoff_flow *f) {
  handoff_outcome *out = &f->result.out;
  if (f->must_confirm && out->decision == HANDOFF_ACT) {
    out->decision = HANDOFF_CONFIRM;
    out->reason = HANDOFF_REASON_RISK;
  }
  for (size_t i = 0; i < out->n_actions; i++) {
    handoff_action *a = &out->action[i];
    if (!handoff_flow_ask_first(f, a) || out->decision != HANDOFF_CONFIRM) continue;
    size_t at = strlen(out->text);
    if (!base_format(out->text + at, sizeof out->text - at, "%s%s", at > 0 ? " " : "", a->prompt)) out->text[at] = '\0';
  }
}

/* Stays with what the device has, or hands the request back to the app. */
static void decide_here(handoff_flow *f, const char *kept_here) {
  if (f->has_draft) {
    f->at = answer_with_draft(f, HANDOFF_REASON_UNSURE);
    return;
  }
  bool expected = f->r.task == POLICY_ACTION && !f->m.policy->cloud; /* that packs alone answer */
  if (kept_here != NULL && !expected && f->result.detail[0] == '\0') handoff_flow_tell(f, "cloud", kept_here);
  f->at = handoff_flow_settle(f, HANDOFF_HANDOFF, f->why_cloud);
}

/* Under this an action is no reading to be put to the user where the text is about health, law or a life; and under
 * the other where it holds a value that never leaves: packs have never read one, and take a passport's number for a
 * phone's. Where money moves such values belong, and the user is asked anyway. */
static const float sure_of_grave = 0.5f, sure_of_kept = 0.95f;

enum { MANY_VALUES = 64 };

static bool holds_kept(handoff_flow *f) {
  guard_span span[MANY_VALUES];
  size_t n = 0;
  if (guard_find(f->m.guard, f->r.text, span, MANY_VALUES, &n, NULL) == BASE_ELIMIT) return true;
  for (size_t i = 0; i < n; i++)
    if (f->m.policy->personal.of[span[i].cls] == GUARD_KEEP) return true;
  return false;
}

/* Whether an unsure action is for a text that packs are not made to read. */
static bool is_misplaced(handoff_flow *f) {
  const handoff_outcome *out = &f->result.out;
  const pack_manifest *m = pack_manifest_of(out->action[0].pack);
  bool unsure =
      out->decision == HANDOFF_ASK || (out->decision == HANDOFF_CONFIRM && out->reason == HANDOFF_REASON_UNSURE);
  if (!unsure || f->m.guard == NULL) return false;
  if (f->grave && out->confidence < sure_of_grave) return true;
  bool money = m->action[out->action[0].action].risk == PACK_MONEY;
  return !money && out->confidence < sure_of_kept && holds_kept(f);
}

/* Such an action is handed off instead, and so is one that a pack, however sure, read in what points at the screen: it
 * has not seen that. */
static void mistrust(handoff_flow *f) {
  handoff_outcome *out = &f->result.out;
  bool blind = f->r.context.len > 0 && handoff_points_at_context(f->r.text);
  if (out->n_actions == 0 || out->decision > HANDOFF_ASK || !(blind || is_misplaced(f))) return;
  out->n_actions = 0;
  out->text[0] = '\0';
  out->decision = HANDOFF_HANDOFF;
  out->reason = HANDOFF_REASON_LOW_CONFIDENCE;
}

static base_status decide_stage(handoff_flow *f, base_error *err) {
  const char *kept_here = handoff_flow_kept_here(f);
  float asked = f->m.policy->text_confidence, enough = asked >= 0.0f ? asked : f->m.writer.enough;
  bool action = f->r.task == POLICY_ACTION;
  (void)err;
  if (action) {
    mistrust(f);
    f->why_cloud = f->result.out.reason;
    ask_first(f);
  }
  if (action && f->result.out.decision != HANDOFF_HANDOFF)
    f->at = HANDOFF_AT_RECORD;
  else if (!action && f->has_draft && f->draft_confidence >= enough)
    f->at = answer_with_draft(f, HANDOFF_REASON_ANSWERED);
  else if (kept_here == NULL && !f->alone)
    f->at = HANDOFF_AT_CLEAN;
  else
    decide_here(f, kept_here);
  return BASE_OK;
}

/* ---- WITHOUT ---- */

/* What may be saved of a request: its clean texts; or, where the policy keeps values on this device, the texts with
 * all but what never leaves, so that they are cleaned anew and the answer gets its values back. The vault is not
 * needed again. */
static base_status make_whole(handoff_flow *f, guard_clean *whole[LEDGER_PARTS], base_error *err) {
  const base_slice text[LEDGER_PARTS] = {[LEDGER_TEXT] = f->r.text,
                                         [LEDGER_INSTRUCTIONS] = f->r.instructions,
                                         [LEDGER_SCHEMA] = f->r.schema,
                                         [LEDGER_CONTEXT] = f->r.context};
  guard_rules rules = f->m.policy->personal;
  guard_vault *vault = guard_vault_new(&f->allocator);
  base_status st = vault ? BASE_OK : base_fail(err, BASE_ENOMEM, "queue", "no memory for a request to save");
  for (int c = 0; c < GUARD_CLASSES; c++)
    if (rules.of[c] == GUARD_REDACT) rules.of[c] = GUARD_ALLOW;
  for (int i = 0; i < LEDGER_PARTS && !st; i++)
    if (text[i].len > 0) st = guard_clean_make(f->m.guard, text[i], &rules, vault, &whole[i], NULL, err);
  guard_vault_free(vault);
  return st;
}

static base_status save(handoff_flow *f, base_error *err) {
  guard_clean *whole[LEDGER_PARTS] = {0};
  const guard_clean *part[LEDGER_PARTS] = {[LEDGER_TEXT] = f->clean,
                                           [LEDGER_INSTRUCTIONS] = f->clean_instructions,
                                           [LEDGER_SCHEMA] = f->clean_schema,
                                           [LEDGER_CONTEXT] = f->clean_context};
  const value_datetime *now = f->r.now;
  ledger_deferred d = {.at_s = f->began_unix_ms / 1000};
  base_status st = f->m.policy->keep_values ? make_whole(f, whole, err) : BASE_OK;
  for (int i = 0; i < LEDGER_PARTS && !st; i++) {
    if (f->m.policy->keep_values) part[i] = whole[i];
    if (part[i] != NULL) d.withheld += (uint32_t)guard_clean_redacted(part[i]);
  }
  d.next_s = d.at_s;
  d.expires_s = d.at_s + (int64_t)f->m.policy->keep_hours * 3600;
  base_format(d.id, sizeof d.id, "%s", f->r.id);
  base_format(d.kind, sizeof d.kind, "%s", policy_task_name(f->r.task));
  base_format(d.reason, sizeof d.reason, "%s", handoff_reason_code(f->why_cloud));
  if (f->r.open_pack) base_format(d.pack, sizeof d.pack, "%s", pack_manifest_of(f->r.open_pack)->name);
  if (now)
    base_format(d.local_time, sizeof d.local_time, "%04d-%02d-%02dT%02d:%02d:%02d", now->date.year, now->date.month,
                now->date.day, now->time.hour, now->time.minute, now->time.second);
  /* an action whose values are gone could only be done wrong */
  if (!st && f->r.task == POLICY_ACTION && d.withheld > 0)
    st = base_fail(err, BASE_EMISMATCH, "queue", "not saved: its values are not kept (offline.keep_values)");
  if (!st) st = ledger_defer(f->m.ledger, &d, part, err);
  for (int i = 0; i < LEDGER_PARTS; i++) guard_clean_free(whole[i]);
  return st;
}

/* Whether asking again later can help: what is to be done on a screen cannot be once that is gone. */
static bool worth_saving(const handoff_flow *f) {
  if (f->r.context.len > 0 && f->r.task == POLICY_ACTION) return false;
  return f->why_cloud != HANDOFF_REASON_INVALID_ANSWER && f->why_cloud != HANDOFF_REASON_DECLINED;
}

/* The reason stays what kept the cloud from answering. */
static base_status stay_deferred(handoff_flow *f) {
  char text[256];
  const char *why = handoff_reason_said(f->why_cloud);
  base_format(text, sizeof text, "%s Your request is saved and will be answered later.", why);
  handoff_flow_say(f, text);
  f->result.out.n_actions = 0;
  f->at = handoff_flow_settle(f, HANDOFF_DEFER, f->why_cloud);
  return BASE_OK;
}

static base_status without_stage(handoff_flow *f, base_error *err) {
  policy_offline how = f->m.policy->offline[f->r.task];
  bool can_save = f->m.ledger != NULL && f->clean != NULL && worth_saving(f) &&
                  policy_flag(f->m.policy, "defer", f->m.device);
  base_error why = {0};
  if (worth_saving(f) && f->r.deferred) return stay_deferred(f); /* it is in the queue already */
  if (how == POLICY_DEFER && can_save && save(f, &why) == BASE_OK) return stay_deferred(f);
  if (why.code == BASE_ENOMEM) return base_fail(err, why.code, why.where, "%s", why.text);
  if (why.code) handoff_flow_tell(f, why.where, why.text);
  if (how != POLICY_NO && f->routed && !f->alone) {
    f->alone = true;
    f->at = HANDOFF_AT_LOCAL;
  } else if (how != POLICY_NO && f->has_draft)
    f->at = answer_with_draft(f, f->why_cloud);
  else
    f->at = handoff_flow_settle(f, how == POLICY_NO ? HANDOFF_REFUSE : HANDOFF_HANDOFF, f->why_cloud);
  return BASE_OK;
}

/* ---- RECORD ---- */

static uint32_t microseconds(uint64_t ns) { return ns / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 1000); }

static void name_pack(const handoff_outcome *out, ledger_event *e) {
  const pack *p = out->n_actions ? out->action[0].pack : out->n_used ? out->used[out->n_used - 1] : NULL;
  if (p == NULL) return;
  base_format(e->pack, sizeof e->pack, "%s", pack_manifest_of(p)->name);
  base_format(e->pack_version, sizeof e->pack_version, "%s", pack_manifest_of(p)->version);
}

static void write_event(const handoff_flow *f, ledger_event *e) {
  const handoff_result *r = &f->result;
  const handoff_outcome *out = &r->out;
  *e = (ledger_event){.at_ms = f->began_unix_ms,
                      .confidence = out->confidence,
                      .total_us = microseconds(os_monotonic_ns() - f->began_ns),
                      .tokens_in = (uint32_t)r->tokens_in,
                      .tokens_out = (uint32_t)r->tokens_out,
                      .attempts = r->attempts,
                      .cost_nano_usd = r->cost_nano_usd,
                      .online = f->m.cloud != NULL && cloud_available(f->m.cloud),
                      .repaired = r->repaired};
  e->stage_us[LEDGER_GUARD] = microseconds(out->ns_guard);
  e->stage_us[LEDGER_GATE] = microseconds(out->ns_gate);
  e->stage_us[LEDGER_LOCAL] = microseconds(out->ns_pack);
  e->stage_us[LEDGER_VALID] = microseconds(out->ns_valid);
  e->stage_us[LEDGER_CLOUD] = microseconds(r->ns_cloud);
  base_format(e->id, sizeof e->id, "%s", f->r.id);
  base_format(e->kind, sizeof e->kind, "%s", policy_task_name(f->r.task));
  base_format(e->decision, sizeof e->decision, "%s", handoff_decision_name(out->decision));
  base_format(e->source, sizeof e->source, "%s", handoff_source_name(r->source));
  base_format(e->reason, sizeof e->reason, "%s", handoff_reason_code(out->reason));
  base_format(e->model, sizeof e->model, "%s", r->model);
  base_format(e->policy, sizeof e->policy, "%s", f->m.policy->version);
  base_format(e->tier, sizeof e->tier, "%s", f->m.tier ? f->m.tier : "");
  if (r->attempts)
    base_format(e->prompt_hash, sizeof e->prompt_hash, "%016llx", (unsigned long long)handoff_prompt_version());
  if (r->incident != NULL) {
    base_format(e->incident, sizeof e->incident, "%s", r->incident);
    base_format(e->incident_detail, sizeof e->incident_detail, "%s", handoff_reason_code(out->reason));
  }
  name_pack(out, e);
}

/* Who gets nothing done hears why, and who gets an answer that nobody vouches for, that. */
static void say_why(handoff_flow *f) {
  static const char doubt[] = "This is the device's own answer, and it may be wrong.";
  const handoff_outcome *out = &f->result.out;
  const char *why = handoff_reason_said(out->reason);
  char text[256];
  if (out->text[0] != '\0') return;
  if (out->decision == HANDOFF_HANDOFF || out->decision == HANDOFF_REFUSE) handoff_flow_say(f, why);
  if (out->decision != HANDOFF_ANSWER || out->reason == HANDOFF_REASON_ANSWERED) return;
  base_format(text, sizeof text, "%s%s%s", why, why[0] ? " " : "", doubt);
  handoff_flow_say(f, text);
}

/* The ledger's text is cleaned even where the request never left; what may not be kept is not written. */
static base_status record_stage(handoff_flow *f, base_error *err) {
  ledger_event e;
  (void)err;
  say_why(f);
  f->result.out.ns_total = os_monotonic_ns() - f->began_ns;
  f->at = HANDOFF_AT_END;
  if (f->m.ledger == NULL) return BASE_OK;
  if (f->m.policy->keep_text && f->clean == NULL && f->m.guard != NULL) {
    if (f->vault == NULL) f->vault = guard_vault_new(&f->allocator);
    if (f->vault != NULL)
      (void)guard_clean_make(f->m.guard, f->r.text, &f->m.policy->personal, f->vault, &f->clean, NULL, NULL);
  }
  write_event(f, &e);
  ledger_write(f->m.ledger, &e, f->clean);
  return BASE_OK;
}

base_status handoff_flow_step(handoff_flow *f, base_error *err) {
  static base_status (*const stages[])(handoff_flow *, base_error *) = {
      [HANDOFF_AT_GUARD] = guard_stage,
      [HANDOFF_AT_LOCAL] = handoff_flow_local,
      [HANDOFF_AT_VALID] = handoff_flow_valid,
      [HANDOFF_AT_DECIDE] = decide_stage,
      [HANDOFF_AT_CLEAN] = handoff_flow_clean,
      [HANDOFF_AT_CLOUD] = handoff_flow_cloud,
      [HANDOFF_AT_CLOUD_VALID] = handoff_flow_cloud_valid,
      [HANDOFF_AT_WITHOUT] = without_stage,
      [HANDOFF_AT_RECORD] = record_stage};
  if (f->at == HANDOFF_AT_END) return BASE_OK;
  base_status st = stages[f->at](f, err);
  if (!st && (f->draft.failed || f->result.answer.failed))
    st = base_fail(err, BASE_ENOMEM, "request", "no memory for the answer");
  return st;
}
