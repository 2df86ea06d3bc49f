/* The ledger's public side: feedback, reports, and requests that wait for the cloud. */
#include <string.h>

#include "api/engine.h"
#include "jdoc/jdoc.h"
#include "os/os.h"

/* Opens a ledger that exists: asking for a report must not make an empty one. */
static base_status open_ledger(ledger **out, const char *path, base_error *err) {
  if (path == NULL) return base_fail(err, BASE_EARGUMENT, "ledger", "a ledger's file is needed");
  if (!os_exists(path)) return base_fail(err, BASE_ENOTFOUND, path, "there is no ledger here yet");
  return ledger_open(out, path, NULL, err);
}

/* ---- reports ---- */

static base_status format_of(const char *name, ledger_format *out, base_error *err) {
  static const char *const names[] = {"text", "json", "csv"};
  for (int i = 0; i < 3; i++)
    if (strcmp(name, names[i]) == 0) {
      *out = (ledger_format)i;
      return BASE_OK;
    }
  return base_fail(err, BASE_EARGUMENT, "format", "\"%.20s\" is none of text, json, csv", name);
}

int mn_report(const char *path, int64_t since_unix_s, const char *format, mn_text **out, mn_error *error) {
  base_error err = {0};
  ledger *l = NULL;
  ledger_format f = LEDGER_AS_TEXT;
  base_status st = format_of(format ? format : "text", &f, &err);
  mn_text *t = api_text_new(&err, &st);
  if (!st) st = open_ledger(&l, path, &err);
  if (!st) st = ledger_report(l, since_unix_s * 1000, f, &t->buf, &err);
  ledger_close(l);
  return api_text_finish(t, out, st, &err, error);
}

/* ---- feedback ---- */

/* What would have been right is an action: one JSON object. */
static base_status check_action(base_slice json, const base_allocator *a, base_error *err) {
  const jdoc_limits limits = {.bytes = 65536, .nodes = 4096};
  jdoc d;
  base_status st = jdoc_open(&d, json, &limits, "action", a, err);
  if (st) return st;
  if (jdoc_kind_at(&d, 0) != JDOC_OBJECT) st = base_fail(err, BASE_EFORMAT, "action", "this is no JSON object");
  jdoc_close(&d);
  return st;
}

static base_status store_feedback(mn_engine *mn, const char *id, mn_feedback_kind kind, const char *action,
                                  base_error *err) {
  api_house *h = &mn->house;
  guard_clean *clean = NULL;
  guard_vault *vault = NULL;
  base_status st = BASE_OK;
  if (h->ledger == NULL)
    return base_fail(err, BASE_EARGUMENT, "feedback", "this engine keeps no ledger (mn_engine_options.ledger)");
  if (id == NULL || (unsigned)kind > MN_FEEDBACK_CORRECT)
    return base_fail(err, BASE_EARGUMENT, "feedback", "an outcome's id and a kind are needed");
  if (action != NULL) { /* what a policy keeps is not stored; the report counts all the same */
    base_error kept = {0};
    st = check_action(base_slice_of(action), &mn->allocator, err);
    if (st) return st;
    vault = guard_vault_new(&mn->allocator);
    if (vault == NULL) return base_fail(err, BASE_ENOMEM, "feedback", "no memory for the feedback");
    st = guard_clean_make(h->guard, base_slice_of(action), &h->policy.personal, vault, &clean, NULL, &kept);
    if (st == BASE_EMISMATCH) st = BASE_OK;
    if (st) st = base_fail(err, st, kept.where, "%s", kept.text);
  }
  if (!st)
    st = ledger_feedback(h->ledger, base_slice_of(id), (ledger_feedback_kind)kind, clean, os_unix_ms(), err);
  guard_clean_free(clean);
  guard_vault_free(vault);
  return st;
}

int mn_feedback(mn_engine *mn, const char *id, mn_feedback_kind kind, const char *action_json, mn_error *error) {
  base_error err = {0};
  return api_result(store_feedback(mn, id, kind, action_json, &err), &err, error);
}

/* ---- the queue ---- */

/* "2026-11-21 20:50", where the device is. */
static void put_time(base_buf *b, int64_t unix_s) {
  os_local_time t;
  if (os_local_time_of(unix_s, &t, NULL) == BASE_OK)
    base_buf_printf(b, "%04d-%02d-%02d %02d:%02d", t.year, t.month, t.day, t.hour, t.minute);
}

/* For a person. */
static base_status say_deferred(void *ctx, const ledger_deferred *d, base_slice text, base_error *err) {
  base_buf *b = ctx;
  (void)err;
  base_buf_printf(b, "%s  %s, %s  saved ", d->id, d->kind, d->reason);
  put_time(b, d->at_s);
  base_buf_puts(b, ", until ");
  put_time(b, d->expires_s);
  if (d->attempts > 0) {
    base_buf_printf(b, ", asked %u time%s, again from ", d->attempts, d->attempts > 1 ? "s" : "");
    put_time(b, d->next_s);
  }
  base_buf_puts(b, "\n  ");
  for (size_t i = 0; i < text.len; i++) base_buf_putc(b, (unsigned char)text.ptr[i] < ' ' ? ' ' : text.ptr[i]);
  base_buf_puts(b, d->withheld > 0 ? "  (values not saved)\n" : "\n");
  return BASE_OK;
}

static base_status put_deferred(void *ctx, const ledger_deferred *d, base_slice text, base_error *err) {
  base_buf *b = ctx;
  (void)err;
  base_buf_puts(b, "{\"request_id\":");
  base_buf_json(b, base_slice_of(d->id));
  base_buf_puts(b, ",\"task\":");
  base_buf_json(b, base_slice_of(d->kind));
  base_buf_puts(b, ",\"reason\":");
  base_buf_json(b, base_slice_of(d->reason));
  base_buf_printf(b, ",\"at\":%lld,\"expires\":%lld,\"not_before\":%lld,\"attempts\":%u,\"withheld\":%u,\"text\":",
                  (long long)d->at_s, (long long)d->expires_s, (long long)d->next_s, d->attempts, d->withheld);
  base_buf_json(b, text);
  base_buf_puts(b, "}\n");
  return BASE_OK;
}

int mn_queue_list(const char *path, const char *format, mn_text **out, mn_error *error) {
  base_error err = {0};
  ledger *l = NULL;
  ledger_format f = LEDGER_AS_TEXT;
  base_status st = format_of(format ? format : "text", &f, &err);
  mn_text *t = api_text_new(&err, &st);
  if (!st && f == LEDGER_AS_CSV) st = base_fail(&err, BASE_EARGUMENT, "format", "a queue is listed as text or json");
  if (!st) st = open_ledger(&l, path, &err);
  if (!st) st = ledger_queue_list(l, f == LEDGER_AS_JSON ? put_deferred : say_deferred, &t->buf, &err);
  ledger_close(l);
  return api_text_finish(t, out, st, &err, error);
}

int mn_queue_drop(const char *path, const char *id, size_t *dropped, mn_error *error) {
  base_error err = {0};
  ledger *l = NULL;
  size_t n = 0;
  base_status st = open_ledger(&l, path, &err);
  if (!st) st = ledger_queue_drop(l, base_slice_of(id), &n, &err);
  if (!st && id != NULL && n == 0)
    st = base_fail(&err, BASE_ENOTFOUND, "queue", "no deferred request \"%.60s\"", id);
  ledger_close(l);
  if (dropped) *dropped = n;
  return api_result(st, &err, error);
}

enum { LEAST_LEASE_S = 120, SLACK_S = 30, FIRST_WAIT_S = 60, MOST_DOUBLINGS = 6 };

/* Longer than any request may take, so that nobody else asks the same meanwhile. */
static int64_t lease_of(const policy *p) {
  int64_t lease = LEAST_LEASE_S;
  for (int t = 0; t < POLICY_TASKS; t++) {
    int64_t most = p->latency_ms[t] / 1000 + SLACK_S;
    if (most > lease) lease = most;
  }
  return lease;
}

/* A wait that doubles with each vain attempt, at most about an hour. */
static int64_t next_try(const ledger_deferred *d, int64_t now_s) {
  uint32_t doublings = d->attempts < MOST_DOUBLINGS ? d->attempts : MOST_DOUBLINGS;
  return now_s + ((int64_t)FIRST_WAIT_S << doublings);
}

static policy_task task_named(const char *name) {
  for (int t = 0; t < POLICY_TASKS; t++)
    if (strcmp(policy_task_name((policy_task)t), name) == 0) return (policy_task)t;
  return POLICY_TEXT;
}

static base_slice part_of(const base_buf part[LEDGER_PARTS], ledger_part which) {
  return (base_slice){part[which].ptr ? part[which].ptr : "", part[which].len};
}

/* Hands what became of a request to the app. */
static base_status hand_out(mn_engine *mn, const char *id, void (*each)(void *ctx, const mn_outcome *o), void *ctx,
                            base_error *err) {
  mn_outcome *o = NULL;
  base_status st = each ? api_make_outcome(mn, id, &o, err) : BASE_OK;
  if (o != NULL) each(ctx, o);
  mn_outcome_free(o);
  return st;
}

/* One deferred request, as it was asked: its schema judges the answer again. *answered: it was, or never can be, and
 * has left the queue. */
static base_status run_deferred(mn_engine *mn, const ledger_deferred *d, const base_buf part[LEDGER_PARTS],
                                void (*each)(void *ctx, const mn_outcome *o), void *ctx, bool *answered,
                                base_error *err) {
  value_datetime now;
  bool timed = d->local_time[0] && !value_parse_datetime(base_slice_of(d->local_time), &now, NULL);
  handoff_request r = {.id = d->id,
                       .task = task_named(d->kind),
                       .text = part_of(part, LEDGER_TEXT),
                       .instructions = part_of(part, LEDGER_INSTRUCTIONS),
                       .schema = part_of(part, LEDGER_SCHEMA),
                       .context = part_of(part, LEDGER_CONTEXT),
                       .open_pack = api_find_pack(mn, d->pack),
                       .now = timed ? &now : NULL,
                       .deferred = true,
                       .withheld = d->withheld};
  *answered = false;
  base_status st = api_house_run(mn, &r, err);
  if (st || mn->done->out.decision == HANDOFF_DEFER) { /* one that fails must not hold up those behind it */
    base_status kept = ledger_queue_retry(mn->house.ledger, base_slice_of(d->id), next_try(d, os_unix_seconds()),
                                          st ? NULL : err);
    if (!st && !kept) kept = hand_out(mn, d->id, each, ctx, err);
    return st ? st : kept;
  }
  st = ledger_queue_done(mn->house.ledger, base_slice_of(d->id), err);
  if (st == BASE_ENOTFOUND) return BASE_OK; /* dropped meanwhile, or another process was faster */
  if (!st) st = hand_out(mn, d->id, each, ctx, err);
  *answered = st == BASE_OK;
  return st;
}

static base_status run_queue(mn_engine *mn, void (*each)(void *ctx, const mn_outcome *o), void *ctx, size_t *answered,
                             base_error *err) {
  size_t expired = 0;
  bool one = true;
  base_buf part[LEDGER_PARTS] = {0};
  ledger_deferred d;
  *answered = 0;
  if (mn->house.ledger == NULL)
    return base_fail(err, BASE_EARGUMENT, "queue", "this engine keeps no ledger (mn_engine_options.ledger)");
  base_status st = ledger_queue_expire(mn->house.ledger, os_unix_seconds(), &expired, err);
  while (!st && one) {
    for (int i = 0; i < LEDGER_PARTS; i++) base_buf_clear(&part[i]);
    st = ledger_queue_take(mn->house.ledger, os_unix_seconds(), lease_of(&mn->house.policy), &d, part, err);
    if (st) break;
    st = run_deferred(mn, &d, part, each, ctx, &one, err);
    *answered += one;
  }
  for (int i = 0; i < LEDGER_PARTS; i++) base_buf_free(&part[i]);
  return st == BASE_ENOTFOUND ? BASE_OK : st;
}

int mn_queue_run(mn_engine *mn, void (*each)(void *ctx, const mn_outcome *o), void *ctx, size_t *answered,
                 mn_error *error) {
  base_error err = {0};
  size_t n = 0;
  base_status st = run_queue(mn, each, ctx, &n, &err);
  if (answered) *answered = n;
  return api_result(st, &err, error);
}
