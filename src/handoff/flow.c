/* A request's whole way, a stage at a time. Each arrow has its function; each stage ends by naming the next.
 *
 *   GUARD ------- guard_stage: no request ---------------------------> error
 *     |             steers the assistant (itself, or the screen or document it comes with), a refused domain -> RECORD
 *     |             (refuse)
 *     |             taken from the queue -----------------------------> CLEAN
 *     v
 *   LOCAL ------- local_stage: actions by the packs (loop.c has their own picture, with the repair and the
 *     |             fallback), text and extraction by the writer
 *     |             no writer; routed: the router wants the cloud -----> DECIDE
 *     v
 *   VALID ------- valid_stage: schema and the app's check
 *     |             does not fit, first time (repair) ----------------> LOCAL
 *     |             does not fit, second time ------------------------> CLEAN
 *     v
 *   DECIDE ------ decide_stage: sure enough --------------------------> RECORD (act, confirm, ask, answer)
 *     |             the cloud is not allowed for this ----------------> RECORD (handoff) or WITHOUT
 *     v
 *   CLEAN ------- clean_stage: holds what may not leave --------------> RECORD (refuse / private)
 *     v             (rules make it anew, whatever was found before)
 *   CLOUD ------- cloud_stage: not reached, too late, no money -------> WITHOUT
 *     v
 *   CLOUD_VALID - cloud_valid_stage: the same schema and checks
 *     |             does not fit, first time (repair) ----------------> CLOUD
 *     |             does not fit, second time ------------------------> WITHOUT
 *     v
 *   RECORD                                 (answer, act, confirm)
 *
 *   WITHOUT ----- without_stage: the local draft as far as there is one (fallback), saved for later, or no
 *     |             routed, so nothing was tried here -----------------> LOCAL (and never to the cloud again)
 *     v
 *   RECORD ------ record_stage: one row in the ledger ----------------> END */
#include <stdio.h>
#include <string.h>

#include "constrain/constrain.h"
#include "handoff/internal.h"
#include "os/os.h"

struct handoff_flow {
  base_allocator allocator;
  handoff_means m;
  handoff_request r;
  handoff_stage at;
  handoff_result result;
  uint64_t began_ns;
  int64_t began_unix_ms;
  bool must_confirm;  /* the domain asks for a yes */
  bool local_retried; /* the one repair of either side */
  bool cloud_retried;
  bool routed; /* the router sent it to the cloud before any model here was asked */
  bool alone;  /* and the cloud did not answer: the device tries after all */
  bool has_draft;     /* the device has something to offer, if unsure */
  float draft_confidence;
  handoff_reason why_cloud; /* why the device did not answer */
  char complaint[360]; /* what the answer before did not fit; as much as an error holds */
  base_buf draft;      /* the device's text */
  constrain_schema *schema; /* of an extraction, opened once */
  guard_vault *vault;
  guard_clean *clean, *clean_instructions, *clean_schema, *clean_context, *clean_complaint;
  cloud_answer said;
};

static const char *const stage_words[] = {
#define HANDOFF_STAGE(name, word) word,
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
  guard_vault_free(f->vault);
  base_buf_free(&f->draft);
  base_buf_free(&f->result.answer);
  constrain_schema_close(f->schema);
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

static handoff_stage settle(handoff_flow *f, handoff_decision d, handoff_reason why) {
  f->result.out.decision = d;
  f->result.out.reason = why;
  return HANDOFF_AT_RECORD;
}

static uint32_t left_ms(const handoff_flow *f, uint32_t stage_ms) {
  uint64_t gone = (os_monotonic_ns() - f->began_ns) / 1000000, all = f->m.policy->latency_ms[f->r.task];
  uint64_t left = gone < all ? all - gone : 0;
  return left < stage_ms ? (uint32_t)left : stage_ms;
}

static void say(handoff_flow *f, const char *text) {
  base_format(f->result.out.text, sizeof f->result.out.text, "%s", text);
}

/* ---- GUARD ---- */

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

/* Whether a domain of the request is refused; notes when one wants a yes. */
static bool refused_domain(handoff_flow *f, base_error *err, base_status *st) {
  guard_risks risks = {0};
  bool refused = false;
  if (f->m.guard == NULL) return false;
  *st = guard_risk_of(f->m.guard, f->r.text, &risks, err);
  for (unsigned i = 0; i < GUARD_RISKS && *st == BASE_OK; i++) {
    if ((risks.found >> i & 1u) == 0) continue;
    refused = refused || f->m.policy->domain[i] == POLICY_REFUSE;
    f->must_confirm = f->must_confirm || f->m.policy->domain[i] == POLICY_CONFIRM;
  }
  return refused;
}

static base_status open_schema(handoff_flow *f, base_error *err) {
  if (f->r.schema.len == 0 || f->schema != NULL) return BASE_OK;
  return constrain_schema_open(&f->schema, f->r.schema, "schema", &f->allocator, err);
}

/* Text that is none, or a schema that is none: the app hears of it, whatever else would have become of the request. */
static base_status check_request(handoff_flow *f, base_error *err) {
  char plain[GUARD_MAX_REQUEST_BYTES + 1];
  size_t len;
  if (f->r.deferred) return BASE_OK; /* was looked at before it was saved */
  if (f->r.task == POLICY_ACTION) return guard_request(f->r.text, plain, &len, err);
  return open_schema(f, err);
}

static base_status guard_stage(handoff_flow *f, base_error *err) {
  uint64_t start = os_monotonic_ns();
  base_status st = check_request(f, err);
  if (st) return st;
  f->at = HANDOFF_AT_LOCAL;
  if (steers(f, err, &st)) {
    f->result.source = HANDOFF_RULE;
    f->result.incident = "abuse";
    f->at = settle(f, HANDOFF_REFUSE, HANDOFF_REASON_INJECTION);
  } else if (!st && refused_domain(f, err, &st)) {
    f->result.source = HANDOFF_RULE;
    f->result.incident = "safety";
    f->at = settle(f, HANDOFF_REFUSE, HANDOFF_REASON_DOMAIN);
  } else if (f->r.deferred) {
    f->at = HANDOFF_AT_CLEAN;
  }
  f->result.out.ns_guard = os_monotonic_ns() - start;
  return st;
}

/* ---- LOCAL ---- */

static bool cloud_allowed(const handoff_flow *f) {
  const policy *p = f->m.policy;
  char flag[32];
  base_format(flag, sizeof flag, "cloud_%s", policy_task_name(f->r.task));
  return p->cloud && p->cloud_for[f->r.task] && f->m.cloud != NULL && f->m.guard != NULL &&
         policy_flag(p, "cloud", f->m.device) && policy_flag(p, flag, f->m.device);
}

/* True when the router sends a text straight to the cloud. Without a way there the device tries all the same. */
static bool routed(handoff_flow *f) {
  const handoff_router *r = &f->m.router;
  if (r->score == NULL || f->r.task != POLICY_TEXT || f->local_retried || f->alone || !cloud_allowed(f) ||
      !policy_flag(f->m.policy, "router", f->m.device) || !cloud_available(f->m.cloud))
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

static base_status local_text(handoff_flow *f, base_error *err) {
  handoff_writing w = {.text = f->r.text,
                       .context = f->r.context,
                       .instructions = f->r.instructions,
                       .schema = f->r.schema,
                       .complaint = base_slice_of(f->complaint),
                       .max_tokens = f->m.policy->max_tokens,
                       .deadline_ms = left_ms(f, f->m.policy->local_ms)};
  base_error why = {0};
  f->at = HANDOFF_AT_DECIDE;
  f->why_cloud = HANDOFF_REASON_NO_MODEL;
  if (f->m.writer.model == NULL || !policy_flag(f->m.policy, "local_text", f->m.device)) return BASE_OK;
  uint64_t start = os_monotonic_ns();
  if (routed(f)) {
    f->routed = true;
    f->why_cloud = HANDOFF_REASON_ROUTED;
    f->result.out.ns_gate = os_monotonic_ns() - start;
    return BASE_OK;
  }
  base_buf_clear(&f->draft);
  base_status st = f->m.writer.write(f->m.writer.ctx, &w, &f->draft, &f->draft_confidence, &why);
  f->result.out.ns_pack += os_monotonic_ns() - start;
  if (st == BASE_ENOMEM) return base_fail(err, st, why.where, "%s", why.text);
  f->why_cloud = st == BASE_ECANCELLED ? HANDOFF_REASON_TIMEOUT : HANDOFF_REASON_INVALID_ANSWER;
  if (!st) f->at = HANDOFF_AT_VALID;
  return BASE_OK;
}

static base_status local_stage(handoff_flow *f, base_error *err) {
  return f->r.task == POLICY_ACTION ? local_action(f, err) : local_text(f, err);
}

/* ---- VALID, for either side's text ---- */

static base_status fits(handoff_flow *f, base_slice value, base_error *err) {
  base_status st = open_schema(f, err);
  if (!st && f->schema != NULL) st = constrain_check(f->schema, value, err);
  if (!st && f->m.check.check != NULL) st = f->m.check.check(f->m.check.ctx, NULL, NULL, value, err);
  return st == BASE_EFORMAT ? BASE_EMISMATCH : st;
}

/* A sentence that was cut may end in half a value, which no rule knows any more: then only the place is told. */
static void complain(handoff_flow *f, const base_error *misfit) {
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
    say(f, misfit.text);
    f->result.incident = "validator";
  }
}

static base_status valid_stage(handoff_flow *f, base_error *err) {
  base_error misfit = {0};
  uint64_t start = os_monotonic_ns();
  base_status st = BASE_OK;
  f->at = HANDOFF_AT_DECIDE;
  if (f->r.task == POLICY_ACTION) {
    if (f->m.check.check != NULL) check_actions(f);
  } else {
    st = fits(f, (base_slice){f->draft.ptr, f->draft.len}, &misfit);
    f->has_draft = st == BASE_OK;
    f->why_cloud = st ? HANDOFF_REASON_INVALID_ANSWER : HANDOFF_REASON_LOW_CONFIDENCE;
    if (st == BASE_EMISMATCH && !f->local_retried && policy_flag(f->m.policy, "repair", f->m.device)) {
      complain(f, &misfit);
      f->local_retried = f->result.repaired = true;
      f->at = HANDOFF_AT_LOCAL;
    }
    if (st == BASE_EMISMATCH) st = BASE_OK;
  }
  f->result.out.ns_valid += os_monotonic_ns() - start;
  return st ? base_fail(err, st, misfit.where, "%s", misfit.text) : BASE_OK;
}

/* ---- DECIDE ---- */

static handoff_stage answer_with_draft(handoff_flow *f, handoff_reason why) {
  base_buf_clear(&f->result.answer);
  base_buf_add(&f->result.answer, f->draft.ptr, f->draft.len);
  f->result.out.confidence = f->draft_confidence;
  base_format(f->result.model, sizeof f->result.model, "%s", f->m.writer.model);
  return settle(f, HANDOFF_ANSWER, why);
}

/* A domain that wants a yes takes back what would have been done without one. */
static void ask_first(handoff_flow *f) {
  handoff_outcome *out = &f->result.out;
  if (!f->must_confirm || out->decision != HANDOFF_ACT) return;
  out->decision = HANDOFF_CONFIRM;
  out->reason = HANDOFF_REASON_RISK;
  for (size_t i = 0; i < out->n_actions; i++)
    if (out->action[i].decision == HANDOFF_ACT) out->action[i].decision = HANDOFF_CONFIRM;
}

static base_status decide_stage(handoff_flow *f, base_error *err) {
  (void)err;
  if (f->r.task == POLICY_ACTION) {
    f->why_cloud = f->result.out.reason;
    ask_first(f);
    f->at = HANDOFF_AT_RECORD;
    if (f->result.out.decision == HANDOFF_HANDOFF && cloud_allowed(f)) f->at = HANDOFF_AT_CLEAN;
    return BASE_OK;
  }
  float asked = f->m.policy->text_confidence, enough = asked >= 0.0f ? asked : f->m.writer.enough;
  if (f->has_draft && f->draft_confidence >= enough)
    f->at = answer_with_draft(f, HANDOFF_REASON_ANSWERED);
  else if (cloud_allowed(f) && !f->alone)
    f->at = HANDOFF_AT_CLEAN;
  else
    f->at = f->has_draft ? answer_with_draft(f, HANDOFF_REASON_UNSURE)
                         : settle(f, HANDOFF_HANDOFF, f->why_cloud);
  return BASE_OK;
}

/* ---- CLEAN ---- */

/* In a schema only what is certain counts, beside what is kept: guesses at names take its keywords for people. Of the
 * 5,100 schemas of JSONSchemaBench under 8 KB, placeholders broke 1,014 at 0.3, and none at 0.9. */
static const float certain = 0.9f;

/* Everything that is sent beside our own words. The app's are no exception: a schema may list the user's accounts. */
static base_status clean_all(handoff_flow *f, guard_class *kept, base_error *why) {
  const guard_rules *rules = &f->m.policy->personal;
  guard_rules for_schema = *rules;
  if (for_schema.threshold < certain) for_schema.threshold = certain;
  const struct {
    base_slice text;
    const guard_rules *rules;
    guard_clean **clean;
  } part[] = {{f->r.text, rules, &f->clean},
              {f->r.instructions, rules, &f->clean_instructions},
              {f->r.schema, &for_schema, &f->clean_schema},
              {f->r.context, rules, &f->clean_context}};
  base_status st = BASE_OK;
  for (size_t i = 0; i < sizeof part / sizeof *part && !st; i++)
    if (part[i].text.len > 0)
      st = guard_clean_make(f->m.guard, part[i].text, part[i].rules, f->vault, part[i].clean, kept, why);
  return st;
}

static base_slice cleaned(const guard_clean *c) { return c ? guard_clean_text(c) : (base_slice){0}; }

/* A placeholder may stand where a schema has no place for a string. */
static bool cleaned_schema_holds(const handoff_flow *f) {
  constrain_schema *s = NULL;
  if (f->clean_schema == NULL || guard_clean_redacted(f->clean_schema) == 0) return true;
  base_status st = constrain_schema_open(&s, cleaned(f->clean_schema), "schema", &f->allocator, NULL);
  constrain_schema_close(s);
  return st == BASE_OK;
}

static base_status refuse_private(handoff_flow *f, const char *holds) {
  char text[160];
  base_format(text, sizeof text, "This needs the cloud, and it holds %s that may not leave this device.", holds);
  say(f, text);
  f->result.out.n_actions = 0;
  f->at = settle(f, HANDOFF_REFUSE, HANDOFF_REASON_PRIVATE);
  return BASE_OK;
}

static base_status clean_stage(handoff_flow *f, base_error *err) {
  guard_class kept = GUARD_CLASSES;
  base_error why = {0};
  char a_value[64];
  f->at = HANDOFF_AT_CLOUD;
  if (!cloud_allowed(f)) { /* a policy may have changed since the request was saved */
    f->at = HANDOFF_AT_WITHOUT;
    f->why_cloud = HANDOFF_REASON_OFFLINE;
    return BASE_OK;
  }
  f->vault = guard_vault_new(&f->allocator);
  if (f->vault == NULL) return base_fail(err, BASE_ENOMEM, "request", "no memory for what is redacted");
  base_status st = clean_all(f, &kept, &why);
  base_format(a_value, sizeof a_value, "a %s", guard_class_name(kept));
  if (st == BASE_EMISMATCH) return refuse_private(f, a_value);
  if (st) return base_fail(err, st, why.where, "%s", why.text);
  return cleaned_schema_holds(f) ? BASE_OK : refuse_private(f, "values in its schema");
}

/* ---- CLOUD ---- */

/* Tools of the packs that were asked on the device; of all where the text was too long for them. */
static void put_tools(handoff_flow *f, base_buf *tools) {
  const handoff_outcome *out = &f->result.out;
  if (f->r.task != POLICY_ACTION) return;
  if (f->r.open_pack != NULL)
    handoff_put_tools(f->m.policy, &f->r.open_pack, 1, tools);
  else if (f->why_cloud == HANDOFF_REASON_TOO_LONG || f->r.deferred)
    handoff_put_tools(f->m.policy, f->m.packs, f->m.n_packs, tools);
  else
    handoff_put_tools(f->m.policy, out->used, out->n_used, tools);
}

static handoff_reason reason_of(cloud_outcome o) {
  switch (o) {
    case CLOUD_UNAVAILABLE: return HANDOFF_REASON_OFFLINE;
    case CLOUD_TIMED_OUT: return HANDOFF_REASON_TIMEOUT;
    case CLOUD_OVER_BUDGET: return HANDOFF_REASON_OVER_BUDGET;
    default: return HANDOFF_REASON_CLOUD_FAILED;
  }
}

static void account(handoff_flow *f) {
  f->result.attempts += f->said.attempts;
  f->result.tokens_in += f->said.tokens_in;
  f->result.tokens_out += f->said.tokens_out;
  f->result.cost_nano_usd += f->said.cost_nano_usd;
  base_format(f->result.model, sizeof f->result.model, "%s",
              f->said.model[0] ? f->said.model : f->m.policy->model);
}

static base_status ask_cloud(handoff_flow *f, const base_buf *instructions, const base_buf *tools,
                             uint32_t deadline_ms, base_error *err) {
  const guard_clean *texts[] = {f->clean, f->clean_context, f->clean_complaint};
  cloud_message messages[3];
  size_t n = 0;
  for (size_t i = 0; i < 3; i++)
    if (texts[i] != NULL) messages[n++] = (cloud_message){CLOUD_USER, texts[i]};
  cloud_question q = {.instructions = {instructions->ptr, instructions->len},
                      .messages = messages,
                      .n_messages = n,
                      .tools = {tools->ptr, tools->len},
                      .schema = cleaned(f->clean_schema),
                      .max_tokens = f->m.policy->max_tokens,
                      .deadline_ms = deadline_ms};
  uint64_t start = os_monotonic_ns();
  cloud_answer_free(&f->said);
  base_status st = cloud_ask(f->m.cloud, &q, &f->said, err);
  f->result.ns_cloud += os_monotonic_ns() - start;
  if (!st && f->said.attempts) account(f);
  return st;
}

static base_status cloud_stage(handoff_flow *f, base_error *err) {
  base_buf instructions = {.allocator = &f->allocator}, tools = instructions;
  uint32_t deadline_ms = left_ms(f, f->m.policy->cloud_ms);
  base_status st = BASE_OK;
  f->at = HANDOFF_AT_WITHOUT;
  f->why_cloud = HANDOFF_REASON_TIMEOUT;
  if (deadline_ms == 0) return BASE_OK;
  handoff_put_instructions(&f->r, cleaned(f->clean_instructions), &instructions);
  put_tools(f, &tools);
  if (instructions.failed || tools.failed) st = base_fail(err, BASE_ENOMEM, "request", "no memory for a question");
  if (!st) st = ask_cloud(f, &instructions, &tools, deadline_ms, err);
  if (!st) {
    f->why_cloud = reason_of(f->said.outcome);
    f->at = f->said.outcome == CLOUD_ANSWERED ? HANDOFF_AT_CLOUD_VALID : HANDOFF_AT_WITHOUT;
  }
  base_buf_free(&instructions);
  base_buf_free(&tools);
  return st;
}

/* ---- CLOUD_VALID ---- */

/* The user's values back in place of their placeholders. */
static base_status restore(handoff_flow *f, const base_buf *said, guard_form form, base_buf *out, base_error *err) {
  base_buf_clear(out);
  return guard_restore(f->vault, (base_slice){said->ptr, said->len}, form, out, err);
}

static base_status take_call(handoff_flow *f, base_error *err) {
  base_buf arguments = {.allocator = &f->allocator};
  handoff_outcome *out = &f->result.out;
  base_status st = restore(f, &f->said.tool_arguments, GUARD_JSON, &arguments, err);
  if (!st)
    st = handoff_take_call(&f->m, (base_slice){f->said.tool_name.ptr, f->said.tool_name.len},
                           (base_slice){arguments.ptr, arguments.len}, &out->action[0], err);
  base_buf_free(&arguments);
  if (st) return st;
  handoff_action *a = &out->action[0];
  if (f->must_confirm && a->decision == HANDOFF_ACT) a->decision = HANDOFF_CONFIRM;
  a->confidence = out->confidence = 1.0f;
  out->n_actions = 1;
  say(f, a->prompt);
  settle(f, a->decision, a->decision == HANDOFF_REFUSE ? HANDOFF_REASON_RISK_REFUSED : HANDOFF_REASON_ANSWERED);
  return BASE_OK;
}

static base_status take_text(handoff_flow *f, base_error *err) {
  base_status st =
      restore(f, &f->said.text, f->r.schema.len ? GUARD_JSON : GUARD_TEXT, &f->result.answer, err);
  if (!st) st = fits(f, (base_slice){f->result.answer.ptr, f->result.answer.len}, err);
  if (st) return st;
  f->result.out.n_actions = 0;
  f->result.out.confidence = 1.0f;
  settle(f, HANDOFF_ANSWER, HANDOFF_REASON_ANSWERED);
  return BASE_OK;
}

/* Puts what was wrong into a second question. The complaint quotes what the service said, with values put back, so
 * it is cleaned like everything else. */
static base_status ask_again(handoff_flow *f, const base_error *misfit, base_error *err) {
  char text[sizeof f->complaint + 64];
  complain(f, misfit);
  base_format(text, sizeof text, "The last answer did not fit (%s). Answer again.", f->complaint);
  guard_clean_free(f->clean_complaint);
  f->clean_complaint = NULL;
  base_status st = guard_clean_make(f->m.guard, base_slice_of(text), &f->m.policy->personal, f->vault,
                                    &f->clean_complaint, NULL, NULL);
  if (st == BASE_ENOMEM) return base_fail(err, st, "request", "no memory for a question");
  f->cloud_retried = f->result.repaired = true;
  f->at = st ? HANDOFF_AT_WITHOUT : HANDOFF_AT_CLOUD;
  return BASE_OK;
}

static base_status cloud_valid_stage(handoff_flow *f, base_error *err) {
  base_error misfit = {0};
  uint64_t start = os_monotonic_ns();
  bool call = f->r.task == POLICY_ACTION && f->said.tool_name.len > 0;
  base_status st = call ? take_call(f, &misfit) : take_text(f, &misfit);
  f->result.out.ns_valid += os_monotonic_ns() - start;
  if (!st) {
    f->result.source = HANDOFF_CLOUD;
    f->at = HANDOFF_AT_RECORD;
    return BASE_OK;
  }
  base_buf_clear(&f->result.answer);
  if (st != BASE_EMISMATCH) return base_fail(err, st, misfit.where, "%s", misfit.text);
  f->result.incident = "validator";
  f->why_cloud = HANDOFF_REASON_INVALID_ANSWER;
  f->at = HANDOFF_AT_WITHOUT;
  return f->cloud_retried || !policy_flag(f->m.policy, "repair", f->m.device) ? BASE_OK : ask_again(f, &misfit, err);
}

/* ---- WITHOUT ---- */

static base_status save(handoff_flow *f, base_error *err) {
  const guard_clean *const part[LEDGER_PARTS] = {[LEDGER_TEXT] = f->clean,
                                                 [LEDGER_INSTRUCTIONS] = f->clean_instructions,
                                                 [LEDGER_SCHEMA] = f->clean_schema,
                                                 [LEDGER_CONTEXT] = f->clean_context};
  const value_datetime *now = f->r.now;
  ledger_deferred d = {.at_s = f->began_unix_ms / 1000};
  d.next_s = d.at_s;
  d.expires_s = d.at_s + (int64_t)f->m.policy->keep_hours * 3600;
  base_format(d.id, sizeof d.id, "%s", f->r.id);
  base_format(d.kind, sizeof d.kind, "%s", policy_task_name(f->r.task));
  base_format(d.reason, sizeof d.reason, "%s", handoff_reason_code(f->why_cloud));
  if (f->r.open_pack) base_format(d.pack, sizeof d.pack, "%s", pack_manifest_of(f->r.open_pack)->name);
  if (now)
    base_format(d.local_time, sizeof d.local_time, "%04d-%02d-%02dT%02d:%02d:%02d", now->date.year, now->date.month,
                now->date.day, now->time.hour, now->time.minute, now->time.second);
  return ledger_defer(f->m.ledger, &d, part, err);
}

/* Whether asking again later can help: what is to be done on a screen cannot be once that is gone. */
static bool worth_saving(const handoff_flow *f) {
  if (f->r.context.len > 0 && f->r.task == POLICY_ACTION) return false;
  return f->why_cloud == HANDOFF_REASON_OFFLINE || f->why_cloud == HANDOFF_REASON_TIMEOUT ||
         f->why_cloud == HANDOFF_REASON_CLOUD_FAILED || f->why_cloud == HANDOFF_REASON_OVER_BUDGET;
}

/* The reason stays what kept the cloud from answering. */
static base_status stay_deferred(handoff_flow *f) {
  say(f, "This needs the cloud. It is saved, and asked when that can be.");
  f->result.out.n_actions = 0;
  f->at = settle(f, HANDOFF_DEFER, f->why_cloud);
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
  if (how != POLICY_NO && f->routed && !f->alone) {
    f->alone = true;
    f->at = HANDOFF_AT_LOCAL;
  } else if (how != POLICY_NO && f->has_draft)
    f->at = answer_with_draft(f, f->why_cloud);
  else
    f->at = settle(f, how == POLICY_NO ? HANDOFF_REFUSE : HANDOFF_HANDOFF, f->why_cloud);
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

/* The ledger's text is cleaned even where the request never left; what may not be kept is not written. */
static base_status record_stage(handoff_flow *f, base_error *err) {
  ledger_event e;
  (void)err;
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
      [HANDOFF_AT_GUARD] = guard_stage,     [HANDOFF_AT_LOCAL] = local_stage,
      [HANDOFF_AT_VALID] = valid_stage,     [HANDOFF_AT_DECIDE] = decide_stage,
      [HANDOFF_AT_CLEAN] = clean_stage,     [HANDOFF_AT_CLOUD] = cloud_stage,
      [HANDOFF_AT_CLOUD_VALID] = cloud_valid_stage, [HANDOFF_AT_WITHOUT] = without_stage,
      [HANDOFF_AT_RECORD] = record_stage};
  if (f->at == HANDOFF_AT_END) return BASE_OK;
  base_status st = stages[f->at](f, err);
  if (!st && (f->draft.failed || f->result.answer.failed))
    st = base_fail(err, BASE_ENOMEM, "request", "no memory for the answer");
  return st;
}
