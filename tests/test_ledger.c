/* The ledger on files of its own: events and feedback, reports, budgets across restarts and kills, the queue,
 * and files that are no ledgers. */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "failing.h"
#include "ledger/ledger.h"
#include "os/os.h"
#include "tap.h"

static char folder[256];
static guard *watch;

static const char *file_named(const char *name) {
  static char path[512];
  base_format(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static guard_clean *clean(const char *text) {
  guard_rules rules;
  guard_clean *out = NULL;
  base_error err = {0};
  guard_vault *vault = guard_vault_new(NULL);
  guard_rules_init(&rules);
  guard_clean_make(watch, base_slice_of(text), &rules, vault, &out, NULL, &err);
  guard_vault_free(vault);
  return out;
}

static ledger *opened(const char *name, const ledger_options *o) {
  ledger *l = NULL;
  base_error err = {0};
  TAP_OK(ledger_open(&l, file_named(name), o, &err) == BASE_OK, "open %s: %s", name, err.text);
  return l;
}

static ledger_event event(const char *id, const char *decision, const char *source, uint32_t total_us) {
  ledger_event e = {.at_ms = 1000000, .total_us = total_us, .confidence = 0.9f};
  base_format(e.id, sizeof e.id, "%s", id);
  base_format(e.kind, sizeof e.kind, "action");
  base_format(e.decision, sizeof e.decision, "%s", decision);
  base_format(e.source, sizeof e.source, "%s", source);
  base_format(e.tier, sizeof e.tier, "low");
  return e;
}

static bool report_has(ledger *l, ledger_format f, const char *what) {
  base_buf out = {0};
  base_error err = {0};
  bool found = ledger_report(l, 0, f, &out, &err) == BASE_OK && out.ptr && strstr(out.ptr, what) != NULL;
  if (!found) printf("report: %s\n%s\n", err.text, out.ptr ? out.ptr : "");
  base_buf_free(&out);
  return found;
}

/* ---- events ---- */

static void test_events(void) {
  base_error err = {0};
  ledger *l = opened("events.db", &(ledger_options){.keep_text = true});
  guard_clean *text = clean("mail bob@example.com");
  guard_clean *right = clean("{\"time\":\"07:00\"}");
  for (int i = 1; i <= 200; i++) {
    char id[16];
    base_format(id, sizeof id, "e%d", i);
    ledger_event e = event(id, i <= 100 ? "act" : i <= 150 ? "confirm" : "handoff", i <= 150 ? "device" : "cloud",
                           (uint32_t)i * 1000);
    base_format(e.reason, sizeof e.reason, "%s", i <= 150 ? "confident" : "low_confidence");
    e.cost_nano_usd = i > 150 ? 2000 : 0;
    if (i == 7) {
      base_format(e.incident, sizeof e.incident, "validator");
      base_format(e.incident_detail, sizeof e.incident_detail, "arithmetic");
      base_format(e.model, sizeof e.model, "big-1");
    }
    if (i == 8) {
      base_format(e.incident, sizeof e.incident, "safety");
      base_format(e.pack, sizeof e.pack, "clock");
      base_format(e.pack_version, sizeof e.pack_version, "1.2");
    }
    if (i <= 50) base_format(e.tier, sizeof e.tier, "high");
    ledger_write(l, &e, text);
  }
  TAP_OK(ledger_flush(l, &err) == BASE_OK, "flush: %s", err.text);
  TAP_OK(!ledger_feedback(l, BASE_LITERAL("e1"), LEDGER_UNDO, NULL, 1, &err), "undo: %s", err.text);
  TAP_OK(!ledger_feedback(l, BASE_LITERAL("e2"), LEDGER_CORRECT, right, 1, &err), "correct: %s", err.text);
  TAP_OK(!ledger_feedback(l, BASE_LITERAL("e3"), LEDGER_OK, NULL, 1, &err), "ok: %s", err.text);
  TAP_OK(ledger_feedback(l, BASE_LITERAL("e999"), LEDGER_OK, NULL, 1, &err) == BASE_ENOTFOUND,
         "feedback on what is not there");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "requests,all,count,200\n"), "count");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "requests,all,tasks,150\n"), "tasks");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "requests,all,successful,148\n"), "successful");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "requests,all,cost_per_successful_task_usd,0.000000676\n"), "cost");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "latency_ms,total,p50,100.000\n"), "p50 by nearest rank");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "latency_ms,total,p99,198.000\n"), "p99");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "latency_ms,cloud,p50,\n"), "a stage that never ran has no figure");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "source,cloud,share,0.2500\n"), "share of the cloud");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "handoff_reason,low_confidence,count,50\n"), "reasons");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "incidents,big-1 - validator,count,1\n"), "incidents");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "incidents,clock 1.2 - safety,count,1\n"), "of a pack's version");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "device_tier,high,p50,25.000\ndevice_tier,high,p95,48.000\ndevice_tier,high,p99,50.000\n"),
         "percentiles of a tier");
  TAP_OK(report_has(l, LEDGER_AS_CSV, "device_tier,low,p50,125.000\n"), "and of the other");
  TAP_OK(report_has(l, LEDGER_AS_JSON, "\"cloud\":{\"p50\":null,"), "null in JSON");
  TAP_OK(report_has(l, LEDGER_AS_TEXT, "handoff_reason\n"), "text");
  ledger_close(l);
  base_buf bytes = {0}; /* the file, and its log, which outlives the process */
  TAP_OK(!os_read_file(file_named("events.db"), 1 << 24, &bytes, &err), "read: %s", err.text);
  TAP_OK(!os_read_file(file_named("events.db-wal"), 1 << 24, &bytes, &err), "read: %s", err.text);
  TAP_OK(memmem(bytes.ptr, bytes.len, "bob@example.com", 15) == NULL, "no address in the file");
  TAP_OK(memmem(bytes.ptr, bytes.len, "mail [EMAIL_1]", 14) != NULL, "the cleaned text is there");
  base_buf_free(&bytes);
  guard_clean_free(text);
  guard_clean_free(right);
}

static void test_text_is_off(void) {
  base_error err = {0};
  base_buf bytes = {0};
  ledger *l = opened("quiet.db", NULL);
  guard_clean *text = clean("wake me at seven");
  ledger_event e = event("a", "act", "device", 100);
  ledger_write(l, &e, text);
  ledger_close(l);
  TAP_OK(!os_read_file(file_named("quiet.db"), 1 << 24, &bytes, &err), "read");
  TAP_OK(!os_read_file(file_named("quiet.db-wal"), 1 << 24, &bytes, &err), "read");
  TAP_OK(memmem(bytes.ptr, bytes.len, "device", 6) != NULL, "the event is there");
  TAP_OK(memmem(bytes.ptr, bytes.len, "wake me", 7) == NULL, "no text unless asked for");
  base_buf_free(&bytes);
  guard_clean_free(text);
}

static void test_json_is_json(void) {
  base_buf out = {0};
  base_error err = {0};
  ledger *l = opened("empty.db", NULL);
  TAP_OK(!ledger_report(l, 0, LEDGER_AS_JSON, &out, &err), "empty report: %s", err.text);
  size_t open = 0, closed = 0;
  for (size_t i = 0; i < out.len; i++) {
    open += out.ptr[i] == '{';
    closed += out.ptr[i] == '}';
  }
  TAP_OK(open == closed && out.ptr[out.len - 1] == '}', "balanced: %s", out.ptr);
  base_buf_free(&out);
  ledger_close(l);
}

static void test_retention(void) {
  base_error err = {0};
  ledger_options o = {.retention_s = 10, .max_bytes = 200000, .keep_text = true};
  ledger *l = opened("old.db", &o);
  guard_clean *text = clean("a sentence that takes some room in the file so that the cap is met before long");
  for (int i = 0; i < 4000; i++) {
    char id[16];
    base_format(id, sizeof id, "r%d", i);
    ledger_event e = event(id, "act", "device", 5);
    e.at_ms = i < 100 ? 1000 : 20000000 + i;
    ledger_write(l, &e, text);
  }
  TAP_OK(!ledger_prune(l, 20004000, &err), "prune: %s", err.text);
  base_buf out = {0};
  TAP_OK(!ledger_report(l, 0, LEDGER_AS_CSV, &out, &err), "report");
  int left = 0;
  const char *count = out.ptr ? strstr(out.ptr, "all,count,") : NULL;
  for (count = count ? count + 10 : ""; *count >= '0' && *count <= '9'; count++) left = left * 10 + *count - '0';
  TAP_OK(left > 100 && left < 2000, "the cap leaves the newest: %d", left);
  TAP_OK(!ledger_feedback(l, BASE_LITERAL("r3999"), LEDGER_OK, NULL, 1, &err), "the last is there");
  TAP_OK(ledger_feedback(l, BASE_LITERAL("r5"), LEDGER_OK, NULL, 1, NULL) == BASE_ENOTFOUND, "the old is not");
  ledger_close(l);
  base_buf_free(&out);
  guard_clean_free(text);
}

/* ---- budget ---- */

static void test_budget(void) {
  base_error err = {0};
  int64_t a, b, day, month, now = 1795000000;
  ledger_caps caps = {.request = 100, .day = 150, .month = 1000};
  ledger *l = opened("budget.db", NULL);
  TAP_OK(!ledger_reserve(l, BASE_LITERAL("q1"), &caps, 80, now, &a, &err), "first: %s", err.text);
  TAP_OK(ledger_reserve(l, BASE_LITERAL("q1"), &caps, 30, now, &b, &err) == BASE_ELIMIT &&
             strcmp(err.where, "request") == 0,
         "a retry is held against the request's cap: %s", err.text);
  TAP_OK(!ledger_settle(l, a, 60, NULL), "settle");
  TAP_OK(ledger_settle(l, a, 10, NULL) == BASE_ENOTFOUND, "once only");
  err = (base_error){0};
  TAP_OK(!ledger_reserve(l, BASE_LITERAL("q1"), &caps, 40, now, &b, &err), "room again: %s", err.text);
  ledger_close(l); /* b stays reserved: a crash */

  l = opened("budget.db", NULL);
  TAP_OK(!ledger_spent(l, now, &day, &month, &err) && day == 100 && month == 100,
         "a lost reservation counts as spent: %lld", (long long)day);
  TAP_OK(ledger_reserve(l, BASE_LITERAL("q2"), &caps, 51, now, &a, &err) == BASE_ELIMIT &&
             strcmp(err.where, "day") == 0,
         "the day's cap holds across restarts");
  TAP_OK(!ledger_reserve(l, BASE_LITERAL("q2"), &caps, 50, now, &a, NULL), "up to the cap");
  TAP_OK(!ledger_reserve(l, BASE_LITERAL("q3"), &caps, 50, now + 86400, &a, NULL), "another day");
  TAP_OK(ledger_reserve(l, BASE_LITERAL("q4"), &(ledger_caps){-1, -1, 199}, 1, now, &a, NULL) == BASE_ELIMIT,
         "the month's cap");
  TAP_OK(ledger_reserve(l, BASE_LITERAL("q4"), &(ledger_caps){-1, -1, -1}, INT64_MAX / 4, now, &a, NULL) == BASE_OK,
         "no caps");
  TAP_OK(ledger_reserve(l, BASE_LITERAL("q5"), &caps, -1, now, &a, NULL) == BASE_EARGUMENT, "no negative money");
  ledger_close(l);
}

/* ---- queue ---- */

static base_status count_one(void *ctx, const ledger_deferred *d, base_slice text, base_error *err) {
  (void)d, (void)text, (void)err;
  ++*(int *)ctx;
  return BASE_OK;
}

static ledger_deferred waiting(const char *id, int64_t at_s) {
  ledger_deferred d = {.at_s = at_s, .expires_s = at_s + 1000, .next_s = at_s};
  base_format(d.id, sizeof d.id, "%s", id);
  base_format(d.kind, sizeof d.kind, "text");
  return d;
}

static void test_queue(void) {
  base_error err = {0};
  base_buf text[LEDGER_PARTS] = {0};
  ledger_deferred d = waiting("d1", 100), e = waiting("d2", 101), got;
  int listed = 0;
  size_t n;
  guard_clean *question = clean("what is the capital of Peru"), *form = clean("{\"type\":\"string\"}");
  const guard_clean *const words[LEDGER_PARTS] = {[LEDGER_TEXT] = question, [LEDGER_SCHEMA] = form};
  ledger *l = opened("queue.db", NULL);
  base_format(d.pack, sizeof d.pack, "maps");
  base_format(d.local_time, sizeof d.local_time, "2026-11-21T09:30:00");
  TAP_OK(!ledger_defer(l, &d, words, &err) && !ledger_defer(l, &d, words, &err), "twice: %s", err.text);
  TAP_OK(!ledger_defer(l, &e, words, &err), "another");
  TAP_OK(!ledger_queue_list(l, count_one, &listed, &err) && listed == 2, "listed once each: %d", listed);
  TAP_OK(!ledger_queue_take(l, 200, 60, &got, text, &err) && strcmp(got.id, "d1") == 0, "oldest first");
  TAP_OK(strcmp(text[LEDGER_TEXT].ptr, "what is the capital of Peru") == 0 &&
             strcmp(text[LEDGER_SCHEMA].ptr, "{\"type\":\"string\"}") == 0 && text[LEDGER_CONTEXT].len == 0,
         "its texts");
  TAP_OK(strcmp(got.pack, "maps") == 0 && strcmp(got.local_time, "2026-11-21T09:30:00") == 0, "app and time");
  TAP_OK(!ledger_queue_take(l, 200, 60, &got, text, &err) && strcmp(got.id, "d2") == 0, "then the next");
  TAP_OK(ledger_queue_take(l, 200, 60, &got, text, &err) == BASE_ENOTFOUND && err.code == 0, "no more");
  TAP_OK(!ledger_queue_retry(l, BASE_LITERAL("d2"), 500, &err), "given back");
  ledger_close(l);

  l = opened("queue.db", NULL);
  TAP_OK(!ledger_queue_take(l, 261, 60, &got, text, &err) && strcmp(got.id, "d1") == 0, "the lease ends");
  TAP_OK(!ledger_queue_done(l, BASE_LITERAL("d1"), &err), "done");
  TAP_OK(ledger_queue_done(l, BASE_LITERAL("d1"), NULL) == BASE_ENOTFOUND, "not twice");
  TAP_OK(ledger_queue_take(l, 499, 60, &got, text, NULL) == BASE_ENOTFOUND, "not before its time");
  TAP_OK(!ledger_queue_take(l, 500, 60, &got, text, &err) && got.attempts == 1, "counted");
  TAP_OK(!ledger_queue_expire(l, 1101, &n, &err) && n == 1, "expired");
  TAP_OK(!ledger_defer(l, &d, words, &err) && !ledger_queue_drop(l, BASE_LITERAL("d1"), &n, &err) && n == 1,
         "dropped");
  TAP_OK(!ledger_defer(l, &d, words, &err) && !ledger_queue_drop(l, (base_slice){0}, &n, &err) && n == 1, "all");
  ledger_close(l);
  for (int i = 0; i < LEDGER_PARTS; i++) base_buf_free(&text[i]);
  guard_clean_free(question);
  guard_clean_free(form);
}

/* A deferred request has one event, and what becomes of it later is there. */
static void test_deferred_event(void) {
  base_error err = {0};
  size_t n = 0;
  guard_clean *question = clean("later");
  const guard_clean *const words[LEDGER_PARTS] = {question};
  ledger_deferred d = waiting("e1", 100), old = waiting("e2", 100);
  ledger_event saved = event("e1", "defer", "device", 10), answered = event("e1", "answer", "cloud", 20);
  ledger_event forgotten = event("e2", "defer", "device", 10);
  ledger *l = opened("later.db", NULL);
  old.expires_s = 150;
  saved.cost_nano_usd = 1000000000;
  saved.attempts = 3;
  answered.at_ms = saved.at_ms + 60000;
  answered.cost_nano_usd = 500000000;
  answered.attempts = 1;
  TAP_OK(!ledger_defer(l, &d, words, &err) && !ledger_defer(l, &old, words, &err), "saved: %s", err.text);
  ledger_write(l, &saved, NULL);
  ledger_write(l, &forgotten, NULL);
  ledger_write(l, &answered, NULL);
  ledger_write(l, &saved, NULL); /* what is decided stays */
  TAP_OK(!ledger_flush(l, &err), "%s", err.text);
  TAP_OK(!ledger_queue_expire(l, 200, &n, &err) && n == 1, "one is too late");
  static const char *const lines[] = {"requests,all,count,2\n",      "decision,answer,count,1\n",
                                      "requests,all,cloud_calls,4\n", "cost_usd,1.500000000\n",
                                      "latency_ms,total,p99,60000.020\n", "handoff_reason,expired,count,1\n"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) TAP_OK(report_has(l, LEDGER_AS_CSV, lines[i]), "%s", lines[i]);
  ledger_close(l);
  guard_clean_free(question);
}

/* A ledger of version 1, with a request that waits in it. */
static void test_older(void) {
  base_buf text[LEDGER_PARTS] = {0};
  base_error err = {0};
  ledger_deferred got;
  sqlite3 *db = NULL;
  const char *path = file_named("older.db");
  ledger *l = opened("older.db", NULL);
  ledger_close(l);
  TAP_OK(sqlite3_open(path, &db) == SQLITE_OK, "open");
  const char *back = "DROP TABLE deferred; CREATE TABLE deferred(id TEXT PRIMARY KEY, kind TEXT, reason TEXT,"
                     " at_s INTEGER NOT NULL, expires_s INTEGER NOT NULL, next_s INTEGER NOT NULL,"
                     " attempts INTEGER NOT NULL, taken_s INTEGER NOT NULL, text TEXT NOT NULL);"
                     "INSERT INTO deferred VALUES('o1','text','offline',1,1000,1,0,0,'old words');"
                     "PRAGMA user_version=1";
  TAP_OK(sqlite3_exec(db, back, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
  sqlite3_close(db);
  l = opened("older.db", NULL);
  TAP_OK(!ledger_queue_take(l, 200, 60, &got, text, &err) && strcmp(got.id, "o1") == 0 && got.pack[0] == '\0' &&
             strcmp(text[LEDGER_TEXT].ptr, "old words") == 0,
         "brought up to date: %s", err.text);
  ledger_close(l);
  l = opened("older.db", NULL); /* and stays so */
  ledger_close(l);
  TAP_OK(sqlite3_open(path, &db) == SQLITE_OK && !sqlite3_exec(db, "PRAGMA user_version=-3", NULL, NULL, NULL), "mark");
  sqlite3_close(db);
  TAP_OK(ledger_open(&l, path, NULL, &err) == BASE_EFORMAT, "no such version: %s", err.text);
  for (int i = 0; i < LEDGER_PARTS; i++) base_buf_free(&text[i]);
}

/* ---- another process that writes ---- */

/* Holds the file's write lock as another process would. */
static sqlite3 *held(const char *name) {
  sqlite3 *other = NULL;
  TAP_OK(sqlite3_open(file_named(name), &other) == SQLITE_OK &&
             sqlite3_exec(other, "BEGIN IMMEDIATE; INSERT INTO spending(request, at_s, day, reserved) VALUES('x', 0, '', 0)", NULL,
                          NULL, NULL) == SQLITE_OK,
         "the lock");
  return other;
}

static void let_go(sqlite3 *other) {
  TAP_OK(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK && sqlite3_close(other) == SQLITE_OK, "let go");
}

static uint64_t ms_since(uint64_t start_ns) { return (os_monotonic_ns() - start_ns) / 1000000; }

static void put_events(ledger *l, int from, int n) {
  for (int i = from; i < from + n; i++) {
    char id[16];
    base_format(id, sizeof id, "b%d", i);
    ledger_event e = event(id, "act", "device", 10);
    ledger_write(l, &e, NULL);
  }
}

/* A request never waits for another process: events and settlements are written when that lets go, what has to be durable
 * before a call gives up soon, and what there is no room for is counted. */
static void test_busy(void) {
  base_error err = {0};
  ledger_caps caps = {-1, 1000, -1};
  int64_t first, second, day = 0, month = 0, now = 1795000000;
  guard_clean *later = clean("later");
  const guard_clean *const words[LEDGER_PARTS] = {later};
  ledger_deferred d = waiting("late", 100);
  ledger *l = opened("busy.db", NULL);
  TAP_OK(!ledger_reserve(l, BASE_LITERAL("q1"), &caps, 80, now, &first, NULL), "reserved before");
  sqlite3 *other = held("busy.db");
  uint64_t start = os_monotonic_ns();
  put_events(l, 0, 40);
  TAP_OK(ms_since(start) < 100, "40 events are handed over in %d ms", (int)ms_since(start));
  start = os_monotonic_ns();
  TAP_OK(!ledger_settle(l, first, 60, &err), "a settlement is handed over: %s", err.text);
  TAP_OK(ms_since(start) < 400, "in %d ms", (int)ms_since(start));
  start = os_monotonic_ns();
  TAP_OK(ledger_reserve(l, BASE_LITERAL("q2"), &caps, 80, now, &second, &err) == BASE_EIO, "no reservation");
  TAP_OK(strstr(err.text, "another process") != NULL, "and why: %s", err.text);
  TAP_OK(ledger_defer(l, &d, words, NULL) == BASE_EIO, "nothing is promised");
  TAP_OK(ms_since(start) < 2000, "told after %d ms", (int)ms_since(start));
  let_go(other);
  err = (base_error){0};
  TAP_OK(!ledger_flush(l, &err), "all is written then: %s", err.text);
  TAP_OK(report_has(l, LEDGER_AS_CSV, "requests,all,count,40"), "every event");
  TAP_OK(!ledger_spent(l, now, &day, &month, NULL) && day == 60, "and the settlement: %d", (int)day);

  other = held("busy.db");
  start = os_monotonic_ns();
  put_events(l, 40, LEDGER_WAITING + 10);
  TAP_OK(ms_since(start) < 1500, "a full ring holds up a request for a moment: %d ms", (int)ms_since(start));
  let_go(other);
  TAP_OK(ledger_flush(l, &err) == BASE_EIO && strstr(err.text, "10 events were lost") != NULL, "said once: %s", err.text);
  TAP_OK(!ledger_flush(l, NULL), "and once only");
  char line[64];
  base_format(line, sizeof line, "requests,all,count,%d", 40 + LEDGER_WAITING);
  TAP_OK(report_has(l, LEDGER_AS_CSV, line), "the others are there");
  ledger_close(l);
  guard_clean_free(later);
}

/* ---- kills and bad files ---- */

/* A child reserves and defers until it is killed, and says after each what it was promised. */
static void child(int out, int round) {
  ledger *l = NULL;
  ledger_caps caps = {-1, 100000, -1};
  guard_clean *later = clean("later");
  const guard_clean *const words[LEDGER_PARTS] = {later};
  if (ledger_open(&l, file_named("killed.db"), NULL, NULL)) _exit(1);
  for (int i = 0;; i++) {
    int64_t reservation;
    char id[32];
    base_format(id, sizeof id, "k%d-%d", round, i);
    ledger_deferred d = waiting(id, 100);
    ledger_event e = event(id, "act", "device", 10);
    ledger_write(l, &e, NULL);
    if (ledger_reserve(l, base_slice_of(id), &caps, 7, 1795000000, &reservation, NULL)) _exit(2);
    if (write(out, "r", 1) != 1) _exit(3);
    if (i % 2 && ledger_settle(l, reservation, 7, NULL)) _exit(4);
    if (ledger_defer(l, &d, words, NULL)) _exit(5);
    if (write(out, "d", 1) != 1) _exit(6);
  }
}

static void test_kills(void) {
  int64_t reserved = 0, deferred = 0, day = 0, month = 0;
  enum { ROUNDS = 12 };
  ledger_close(opened("killed.db", NULL));
  for (int round = 0; round < ROUNDS; round++) {
    int pipes[2];
    char said[4096];
    ssize_t n;
    if (pipe(pipes)) break;
    pid_t pid = fork();
    if (pid == 0) child(pipes[1], round);
    close(pipes[1]);
    for (int steps = 0; steps < 3 + round; steps++) { /* let it get somewhere, then kill it anywhere */
      if (read(pipes[0], said, 1) != 1) break;
      *(said[0] == 'r' ? &reserved : &deferred) += 1;
    }
    usleep((useconds_t)(170 * round));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while ((n = read(pipes[0], said, sizeof said)) > 0)
      for (ssize_t i = 0; i < n; i++) *(said[i] == 'r' ? &reserved : &deferred) += 1;
    close(pipes[0]);
  }
  ledger *l = opened("killed.db", NULL);
  int listed = 0;
  TAP_OK(!ledger_spent(l, 1795000000, &day, &month, NULL), "spent");
  TAP_OK(day >= reserved * 7 && day <= (reserved + ROUNDS) * 7, "all that was promised is counted: %lld of %lld",
         (long long)day, (long long)reserved * 7);
  TAP_OK(!ledger_queue_list(l, count_one, &listed, NULL), "list");
  TAP_OK(listed >= deferred && listed <= deferred + ROUNDS, "deferred are there once: %d of %lld", listed,
         (long long)deferred);
  TAP_OK(reserved > ROUNDS, "the children got somewhere: %lld", (long long)reserved);
  ledger_close(l);
}

static void write_file(const char *path, const char *bytes, size_t len) {
  FILE *f = fopen(path, "wb");
  if (f == NULL) return;
  fwrite(bytes, 1, len, f);
  fclose(f);
}

static void test_bad_files(void) {
  base_error err = {0};
  ledger *l = NULL;
  char noise[4096];
  for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)(i * 131 + 7);
  write_file(file_named("noise.db"), noise, sizeof noise);
  TAP_OK(ledger_open(&l, file_named("noise.db"), NULL, &err) == BASE_EFORMAT && l == NULL, "noise: %s", err.text);
  base_buf kept = {0};
  os_read_file(file_named("noise.db"), 1 << 20, &kept, NULL);
  TAP_OK(kept.len == sizeof noise && memcmp(kept.ptr, noise, sizeof noise) == 0, "left as it was");
  base_buf_free(&kept);
  err = (base_error){0};
  TAP_OK(ledger_open(&l, "/nowhere/at/all.db", NULL, &err) == BASE_EIO, "no folder: %s", err.text);
  TAP_OK(strstr(err.where, "all.db") != NULL, "names the file: %s", err.where);
  failing f;
  base_allocator a = failing_allocator(&f, 0);
  TAP_OK(ledger_open(&l, file_named("oom.db"), &(ledger_options){.allocator = &a}, NULL) == BASE_ENOMEM, "memory");
}

int main(void) {
  guard_options o;
  base_format(folder, sizeof folder, "/tmp/minnow-ledger-XXXXXX");
  if (mkdtemp(folder) == NULL) return 1;
  guard_options_init(&o);
  if (guard_open(&watch, &o, NULL)) return 1;
  test_events();
  test_text_is_off();
  test_json_is_json();
  test_retention();
  test_budget();
  test_queue();
  test_deferred_event();
  test_older();
  test_busy();
  test_kills();
  test_bad_files();
  guard_close(watch);
  char command[300];
  base_format(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) printf("could not remove %s\n", folder);
  return tap_done("test_ledger");
}
