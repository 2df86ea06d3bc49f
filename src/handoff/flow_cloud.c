/* The stages that ask the cloud: CLEAN, where everything that would be sent is made clean or the request ends; CLOUD;
 * and CLOUD_VALID, where the answer gets its values back and is judged as the device's would be. */
#include <string.h>

#include "handoff/flow.h"
#include "os/os.h"

static base_slice cleaned(const guard_clean *c) { return c ? guard_clean_text(c) : (base_slice){0}; }

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

/* A placeholder may stand where a schema has no place for a string. */
static bool cleaned_schema_holds(const handoff_flow *f) {
  constrain_schema *s = NULL;
  if (f->clean_schema == NULL || guard_clean_redacted(f->clean_schema) == 0) return true;
  base_status st = constrain_schema_compile(&s, cleaned(f->clean_schema), NULL, "schema", &f->allocator, NULL);
  constrain_schema_close(s);
  return st == BASE_OK;
}

static base_status refuse_private(handoff_flow *f, const char *holds) {
  char text[160];
  base_format(text, sizeof text, "This would have to go online, and it holds %s that may not leave this device.",
              holds);
  handoff_flow_say(f, text);
  f->result.out.n_actions = 0;
  f->at = handoff_flow_settle(f, HANDOFF_REFUSE, HANDOFF_REASON_PRIVATE);
  return BASE_OK;
}

/* "national_id": "a national id" */
static void name_class(guard_class c, char out[64]) {
  const char *name = guard_class_name(c);
  const char *article = name[0] != '\0' && strchr("aeio", name[0]) != NULL ? "an" : "a";
  base_format(out, 64, "%s %s", article, c == GUARD_IBAN ? "IBAN" : name);
  for (char *at = out; *at; at++)
    if (*at == '_') *at = ' ';
}

base_status handoff_flow_clean(handoff_flow *f, base_error *err) {
  guard_class kept = GUARD_CLASSES;
  base_error why = {0};
  char a_value[64];
  f->at = HANDOFF_AT_CLOUD;
  const char *kept_here = handoff_flow_kept_here(f);
  if (kept_here != NULL) { /* a policy may have changed since the request was saved */
    f->at = HANDOFF_AT_WITHOUT;
    f->why_cloud = HANDOFF_REASON_OFFLINE;
    handoff_flow_tell(f, "cloud", kept_here);
    return BASE_OK;
  }
  f->vault = guard_vault_new(&f->allocator);
  if (f->vault == NULL) return base_fail(err, BASE_ENOMEM, "request", "no memory for what is redacted");
  base_status st = clean_all(f, &kept, &why);
  name_class(kept, a_value);
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

/* The schema without the checks that are ours alone: strict services refuse keywords they do not know. */
static base_status put_schema(const handoff_flow *f, base_buf *out, base_error *err) {
  jdoc text = {0};
  if (f->clean_schema == NULL) return BASE_OK;
  base_status st = jdoc_open(&text, cleaned(f->clean_schema), NULL, "schema", &f->allocator, err);
  if (!st) handoff_put_schema(&text, out);
  jdoc_close(&text);
  return st;
}

static handoff_reason reason_of(cloud_outcome o) {
  switch (o) {
    case CLOUD_UNAVAILABLE: return HANDOFF_REASON_OFFLINE;
    case CLOUD_TIMED_OUT: return HANDOFF_REASON_TIMEOUT;
    case CLOUD_OVER_BUDGET: return HANDOFF_REASON_OVER_BUDGET;
    case CLOUD_LIMITED: return HANDOFF_REASON_LIMITED;
    case CLOUD_REFUSED: return HANDOFF_REASON_CLOUD_REFUSED;
    case CLOUD_DECLINED: return HANDOFF_REASON_DECLINED;
    case CLOUD_UNTRUSTED: return HANDOFF_REASON_UNTRUSTED;
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

/* What is put together for one question beside the user's texts. */
typedef struct asking {
  base_buf instructions, tools, schema;
} asking;

static base_status ask_cloud(handoff_flow *f, const asking *a, uint32_t deadline_ms, base_error *err) {
  const cloud_message all[] = {{CLOUD_USER, f->clean},
                               {CLOUD_USER, f->clean_context},
                               {CLOUD_ASSISTANT, f->clean_said},
                               {CLOUD_USER, f->clean_complaint}};
  cloud_message messages[sizeof all / sizeof *all];
  size_t n = 0;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i].text != NULL) messages[n++] = all[i];
  cloud_question q = {.instructions = {a->instructions.ptr, a->instructions.len},
                      .messages = messages,
                      .n_messages = n,
                      .tools = {a->tools.ptr, a->tools.len},
                      .schema = {a->schema.ptr, a->schema.len},
                      .max_tokens = f->m.policy->max_tokens,
                      .deadline_ms = deadline_ms,
                      .stream = f->m.policy->stream};
  uint64_t start = os_monotonic_ns();
  cloud_answer_free(&f->said);
  base_status st = cloud_ask(f->m.cloud, &q, &f->said, err);
  f->result.ns_cloud += os_monotonic_ns() - start;
  if (!st && f->said.attempts) account(f);
  return st;
}

base_status handoff_flow_cloud(handoff_flow *f, base_error *err) {
  asking a = {{.allocator = &f->allocator}, {.allocator = &f->allocator}, {.allocator = &f->allocator}};
  uint32_t deadline_ms = handoff_flow_left_ms(f, f->m.policy->cloud_ms);
  f->at = HANDOFF_AT_WITHOUT;
  f->why_cloud = HANDOFF_REASON_TIMEOUT;
  if (deadline_ms == 0) {
    handoff_flow_tell(f, "request", "the device used up the time of the whole request (deadline_ms)");
    return BASE_OK;
  }
  handoff_put_instructions(&f->r, cleaned(f->clean_instructions), &a.instructions);
  put_tools(f, &a.tools);
  base_status st = put_schema(f, &a.schema, err);
  if (!st && (a.instructions.failed || a.tools.failed || a.schema.failed))
    st = base_fail(err, BASE_ENOMEM, "request", "no memory for a question");
  if (!st) st = ask_cloud(f, &a, deadline_ms, err);
  if (!st && f->said.outcome == CLOUD_ANSWERED) {
    f->at = HANDOFF_AT_CLOUD_VALID;
  } else if (!st) {
    f->why_cloud = reason_of(f->said.outcome);
    handoff_flow_tell(f, "cloud", f->said.why);
  }
  base_buf_free(&a.instructions);
  base_buf_free(&a.tools);
  base_buf_free(&a.schema);
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
                           (base_slice){arguments.ptr, arguments.len}, f->r.now, &out->action[0], err);
  base_buf_free(&arguments);
  if (st) return st;
  handoff_action *a = &out->action[0];
  (void)handoff_flow_ask_first(f, a);
  a->confidence = out->confidence = 1.0f;
  out->n_actions = 1;
  handoff_flow_say(f, a->prompt);
  handoff_flow_settle(f, a->decision,
                      a->decision == HANDOFF_REFUSE ? HANDOFF_REASON_RISK_REFUSED : HANDOFF_REASON_ANSWERED);
  return BASE_OK;
}

static base_status take_text(handoff_flow *f, base_error *err) {
  base_buf *answer = &f->result.answer;
  base_status st = restore(f, &f->said.text, f->schema != NULL ? GUARD_JSON : GUARD_TEXT, answer, err);
  if (!st) st = handoff_flow_fits(f, (base_slice){answer->ptr, answer->len}, err);
  if (st) return st;
  f->result.out.n_actions = 0;
  f->result.out.confidence = 1.0f;
  if (f->r.withheld > 0)
    handoff_flow_say(f, "Words like [EMAIL_1] stand for values that were not saved with the request.");
  handoff_flow_settle(f, HANDOFF_ANSWER, HANDOFF_REASON_ANSWERED);
  return BASE_OK;
}

/* What the service said, for the second question: a call as its name and arguments. With the values back and cleaned
 * anew, so that a value it made up is held to the same rules; what may not leave then is not said again. */
static void keep_said(handoff_flow *f) {
  base_buf said = {.allocator = &f->allocator}, words = {.allocator = &f->allocator};
  bool call = f->said.tool_name.len > 0;
  guard_form form = call || f->schema != NULL ? GUARD_JSON : GUARD_TEXT;
  if (call) {
    base_buf_add(&said, f->said.tool_name.ptr, f->said.tool_name.len);
    base_buf_putc(&said, ' ');
  }
  if (restore(f, call ? &f->said.tool_arguments : &f->said.text, form, &words, NULL) == BASE_OK)
    base_buf_add(&said, words.ptr, words.len);
  guard_clean_free(f->clean_said);
  f->clean_said = NULL;
  if (!said.failed && said.len > 0)
    (void)guard_clean_make(f->m.guard, (base_slice){said.ptr, said.len}, &f->m.policy->personal, f->vault,
                           &f->clean_said, NULL, NULL);
  base_buf_free(&said);
  base_buf_free(&words);
}

/* Puts what was said and what was wrong with it into a second question. The complaint quotes the answer, with values
 * put back, so it is cleaned like everything else. */
static base_status ask_again(handoff_flow *f, const base_error *misfit, base_error *err) {
  char text[sizeof f->complaint + 64];
  keep_said(f);
  handoff_flow_complain(f, misfit);
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

base_status handoff_flow_cloud_valid(handoff_flow *f, base_error *err) {
  base_error misfit = {0};
  uint64_t start = os_monotonic_ns();
  bool call = f->r.task == POLICY_ACTION && f->said.tool_name.len > 0;
  base_status st = call ? take_call(f, &misfit) : take_text(f, &misfit);
  f->result.out.ns_valid += os_monotonic_ns() - start;
  if (!st) {
    f->result.source = HANDOFF_CLOUD;
    f->result.detail[0] = '\0'; /* what was wrong before no longer matters */
    if (f->said.cut) handoff_flow_tell(f, "cloud", "the answer was cut at the policy's max_tokens");
    f->at = HANDOFF_AT_RECORD;
    return BASE_OK;
  }
  base_buf_clear(&f->result.answer);
  if (st != BASE_EMISMATCH) return base_fail(err, st, misfit.where, "%s", misfit.text);
  handoff_flow_tell(f, misfit.where, misfit.text);
  f->result.incident = "validator";
  f->why_cloud = HANDOFF_REASON_INVALID_ANSWER;
  f->at = HANDOFF_AT_WITHOUT;
  if (f->said.cut) { /* a second one would be too */
    handoff_flow_tell(f, "cloud", "the answer was cut at the policy's max_tokens");
    return BASE_OK;
  }
  return f->cloud_retried || !policy_flag(f->m.policy, "repair", f->m.device) ? BASE_OK : ask_again(f, &misfit, err);
}
