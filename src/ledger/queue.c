/* Deferred requests: saved, taken under a lease, answered or given back, expired, listed, dropped.
 *
 *   ledger_defer --> waiting --ledger_queue_take--> taken until now + lease --ledger_queue_done--> gone
 *                      ^  ^                            |  |
 *                      |  +-----ledger_queue_retry-----+  |
 *                      +-------- the lease ends ----------+   (the taker died)
 *   from anywhere: ledger_queue_drop, ledger_queue_expire --> gone */
#include "ledger/internal.h"

/* A request that has left the queue leaves no bytes behind: its pages are overwritten (secure_delete), and the log
 * that still has them is emptied into the file. Another process that reads meanwhile keeps its log; the next one to
 * leave tries again. */
static void leave_nothing(ledger *l, size_t gone) {
  if (gone > 0) (void)ledger_db_simple(&l->calls, LEDGER_SQL_FORGET, NULL);
}

/* Enters, runs a statement that `id` and `number` fill (an empty id: number comes first), counts changes. */
static base_status change(ledger *l, ledger_statement which, base_slice id, int64_t number, size_t *changed,
                          base_error *err) {
  os_monitor_enter(l->calls_lock);
  sqlite3_stmt *s = ledger_db_use(&l->calls, which, err);
  int values = s ? sqlite3_bind_parameter_count(s) : 0;
  if (values > 0 && id.len > 0) ledger_bind_text(s, 1, id);
  if (values > 0 && id.len == 0) sqlite3_bind_int64(s, 1, number);
  if (values > 1) sqlite3_bind_int64(s, 2, number);
  base_status st = ledger_db_run(&l->calls, s, err);
  *changed = st ? 0 : (size_t)sqlite3_changes(l->calls.handle);
  if (which == LEDGER_SQL_QUEUE_DROP || which == LEDGER_SQL_QUEUE_DROP_ALL) leave_nothing(l, *changed);
  os_monitor_leave(l->calls_lock);
  return st;
}

static base_status change_one(ledger *l, ledger_statement which, base_slice id, int64_t number,
                              base_error *err) {
  size_t changed = 0;
  if (id.len == 0) return base_fail(err, BASE_EARGUMENT, "queue", "a deferred request's id is missing");
  base_status st = change(l, which, id, number, &changed, err);
  if (!st && changed == 0)
    st = base_fail(err, BASE_ENOTFOUND, "queue", "no deferred request \"%.*s\"", (int)id.len, id.ptr);
  return st;
}

base_status ledger_defer(ledger *l, const ledger_deferred *d, const guard_clean *const part[LEDGER_PARTS],
                         base_error *err) {
  os_monitor_enter(l->calls_lock);
  ledger_db_wait(&l->calls, LEDGER_REQUEST_MS);
  sqlite3_stmt *s = ledger_db_use(&l->calls, LEDGER_SQL_DEFER, err);
  if (s != NULL) {
    ledger_bind_chars(s, 1, d->id);
    ledger_bind_chars(s, 2, d->kind);
    ledger_bind_chars(s, 3, d->reason);
    sqlite3_bind_int64(s, 4, d->at_s);
    sqlite3_bind_int64(s, 5, d->expires_s);
    sqlite3_bind_int64(s, 6, d->next_s);
    ledger_bind_chars(s, 7, d->pack);
    ledger_bind_chars(s, 8, d->local_time);
    sqlite3_bind_int64(s, 9, d->withheld);
    for (int i = 0; i < LEDGER_PARTS; i++)
      ledger_bind_text(s, 10 + i, part[i] ? guard_clean_text(part[i]) : (base_slice){0});
  }
  base_status st = ledger_db_run(&l->calls, s, err);
  ledger_db_wait(&l->calls, LEDGER_PATIENT_MS);
  os_monitor_leave(l->calls_lock);
  return st;
}

static void read_deferred(sqlite3_stmt *s, ledger_deferred *d) {
  ledger_column_chars(s, 0, d->id, sizeof d->id);
  ledger_column_chars(s, 1, d->kind, sizeof d->kind);
  ledger_column_chars(s, 2, d->reason, sizeof d->reason);
  d->at_s = sqlite3_column_int64(s, 3);
  d->expires_s = sqlite3_column_int64(s, 4);
  d->next_s = sqlite3_column_int64(s, 5);
  d->attempts = (uint32_t)sqlite3_column_int64(s, 6);
  ledger_column_chars(s, 7, d->pack, sizeof d->pack);
  ledger_column_chars(s, 8, d->local_time, sizeof d->local_time);
  d->withheld = (uint32_t)sqlite3_column_int64(s, 9);
}

static base_slice part_of(sqlite3_stmt *s, ledger_part part) {
  const char *text = (const char *)sqlite3_column_text(s, 10 + (int)part);
  return (base_slice){text ? text : "", (size_t)sqlite3_column_bytes(s, 10 + (int)part)};
}

static bool read_parts(sqlite3_stmt *s, base_buf part[LEDGER_PARTS]) {
  bool whole = true;
  for (int i = 0; i < LEDGER_PARTS; i++) {
    base_slice text = part_of(s, (ledger_part)i);
    base_buf_add(&part[i], text.ptr, text.len);
    whole = whole && !part[i].failed;
  }
  return whole;
}

/* Inside a transaction: the next request, and its lease. */
static base_status take_next(ledger *l, int64_t now_s, int64_t lease_s, ledger_deferred *out,
                             base_buf part[LEDGER_PARTS], base_error *err) {
  bool whole = true;
  sqlite3_stmt *next = ledger_db_use(&l->calls, LEDGER_SQL_QUEUE_NEXT, err);
  sqlite3_stmt *take = next ? ledger_db_use(&l->calls, LEDGER_SQL_QUEUE_TAKE, err) : NULL;
  if (take == NULL) return ledger_db_run(&l->calls, NULL, err);
  sqlite3_bind_int64(next, 1, now_s);
  int code = sqlite3_step(next);
  if (code == SQLITE_ROW) {
    read_deferred(next, out);
    whole = read_parts(next, part);
  }
  sqlite3_reset(next);
  if (code == SQLITE_DONE) return BASE_ENOTFOUND;
  if (code != SQLITE_ROW) return ledger_db_fail(&l->calls, err);
  if (!whole) return base_fail(err, BASE_ENOMEM, "queue", "no memory for a deferred request");
  ledger_bind_chars(take, 1, out->id);
  sqlite3_bind_int64(take, 2, now_s + lease_s);
  return ledger_db_run(&l->calls, take, err);
}

base_status ledger_queue_take(ledger *l, int64_t now_s, int64_t lease_s, ledger_deferred *out,
                              base_buf part[LEDGER_PARTS], base_error *err) {
  os_monitor_enter(l->calls_lock);
  base_status st = ledger_db_simple(&l->calls, LEDGER_SQL_BEGIN, err);
  if (!st) st = ledger_db_end(&l->calls, take_next(l, now_s, lease_s, out, part, err), err);
  os_monitor_leave(l->calls_lock);
  return st;
}

base_status ledger_queue_done(ledger *l, base_slice id, base_error *err) {
  return change_one(l, LEDGER_SQL_QUEUE_DROP, id, 0, err);
}

base_status ledger_queue_retry(ledger *l, base_slice id, int64_t next_s, base_error *err) {
  return change_one(l, LEDGER_SQL_QUEUE_RETRY, id, next_s, err);
}

base_status ledger_queue_drop(ledger *l, base_slice id, size_t *dropped, base_error *err) {
  return change(l, id.len ? LEDGER_SQL_QUEUE_DROP : LEDGER_SQL_QUEUE_DROP_ALL, id, 0, dropped, err);
}

base_status ledger_queue_expire(ledger *l, int64_t now_s, size_t *expired, base_error *err) {
  static const ledger_statement steps[] = {LEDGER_SQL_EVENTS_EXPIRE, LEDGER_SQL_QUEUE_EXPIRE};
  *expired = 0;
  os_monitor_enter(l->calls_lock);
  base_status st = ledger_db_simple(&l->calls, LEDGER_SQL_BEGIN, err);
  if (!st) {
    for (int i = 0; i < 2 && !st; i++) {
      sqlite3_stmt *s = ledger_db_use(&l->calls, steps[i], err);
      if (s != NULL) sqlite3_bind_int64(s, 1, now_s);
      st = ledger_db_run(&l->calls, s, err);
    }
    if (!st) *expired = (size_t)sqlite3_changes(l->calls.handle);
    st = ledger_db_end(&l->calls, st, err);
  }
  if (!st) leave_nothing(l, *expired);
  os_monitor_leave(l->calls_lock);
  return st;
}

base_status ledger_queue_list(ledger *l,
                              base_status (*each)(void *ctx, const ledger_deferred *d, base_slice text,
                                                  base_error *err),
                              void *ctx, base_error *err) {
  os_monitor_enter(l->calls_lock);
  sqlite3_stmt *s = ledger_db_use(&l->calls, LEDGER_SQL_QUEUE_LIST, err);
  base_status st = s ? BASE_OK : ledger_db_run(&l->calls, NULL, err);
  int code = SQLITE_DONE;
  while (!st && (code = sqlite3_step(s)) == SQLITE_ROW) {
    ledger_deferred d;
    read_deferred(s, &d);
    st = each(ctx, &d, part_of(s, LEDGER_TEXT), err);
  }
  if (!st && code != SQLITE_DONE) st = ledger_db_fail(&l->calls, err);
  if (s != NULL) sqlite3_reset(s);
  os_monitor_leave(l->calls_lock);
  return st;
}
