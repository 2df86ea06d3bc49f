/* The ledger opened and closed, feedback, and what is deleted when. */
#include "ledger/ledger.h"

#include "ledger/internal.h"

#define DAY_S INT64_C(86400)
#define MOST_BYTES (UINT64_C(64) << 20)
enum { MOST_DELETIONS = 64 };

static void take_options(ledger *l, const ledger_options *o) {
  if (o != NULL) l->options = *o;
  if (l->options.retention_s == 0) l->options.retention_s = 90 * DAY_S;
  if (l->options.max_bytes == 0) l->options.max_bytes = MOST_BYTES;
}

base_status ledger_open(ledger **out, const char *path, const ledger_options *o, base_error *err) {
  const base_allocator *a = o != NULL && o->allocator != NULL ? o->allocator : base_allocator_libc();
  ledger *l = base_calloc(a, 1, sizeof *l);
  if (l == NULL) return base_fail(err, BASE_ENOMEM, path, "no memory for the ledger");
  l->allocator = *a;
  take_options(l, o);
  base_status st = BASE_OK;
  if (!base_format(l->path, sizeof l->path, "%s", path))
    st = base_fail(err, BASE_EARGUMENT, "ledger", "the path is too long");
  /* not cleared: its pages come as they are needed */
  l->ring = st ? NULL : base_alloc(a, LEDGER_WAITING * sizeof *l->ring);
  if (!st && l->ring == NULL) st = base_fail(err, BASE_ENOMEM, path, "no memory for the ledger");
  if (!st) st = ledger_db_open(&l->calls, l->path, true, err);
  if (!st) st = ledger_db_open(&l->events, l->path, false, err);
  if (!st) ledger_db_wait(&l->events, LEDGER_WRITER_MS);
  if (!st) st = os_monitor_open(&l->calls_lock, err);
  if (!st) st = os_monitor_open(&l->ring_lock, err);
  if (!st) st = os_thread_start(&l->thread, ledger_write_loop, l, err);
  if (st) {
    ledger_close(l);
    return st;
  }
  *out = l;
  return BASE_OK;
}

void ledger_close(ledger *l) {
  if (l == NULL) return;
  if (l->thread != NULL) {
    os_monitor_enter(l->ring_lock);
    l->stop = true;
    os_monitor_wake(l->ring_lock);
    os_monitor_leave(l->ring_lock);
    os_thread_join(l->thread);
  }
  ledger_db_close(&l->events);
  ledger_db_close(&l->calls);
  os_monitor_close(l->ring_lock);
  os_monitor_close(l->calls_lock);
  base_allocator a = l->allocator;
  base_free(&a, l->ring, l->ring != NULL ? LEDGER_WAITING * sizeof *l->ring : 0);
  base_free(&a, l, sizeof *l);
}

base_status ledger_feedback(ledger *l, base_slice id, ledger_feedback_kind kind, const guard_clean *action,
                            int64_t at_ms, base_error *err) {
  static const char *const names[] = {"ok", "undo", "correct"};
  base_status st = ledger_flush(l, err); /* the event may still be on its way */
  if (st) return st;
  os_monitor_enter(l->calls_lock);
  sqlite3_stmt *s = ledger_db_use(&l->calls, LEDGER_SQL_FEEDBACK, err);
  if (s != NULL) {
    ledger_bind_text(s, 1, id);
    ledger_bind_chars(s, 2, names[kind]);
    if (action != NULL) ledger_bind_text(s, 3, guard_clean_text(action));
    sqlite3_bind_int64(s, 4, at_ms);
  }
  st = ledger_db_run(&l->calls, s, err);
  if (!st && sqlite3_changes(l->calls.handle) == 0)
    st = base_fail(err, BASE_ENOTFOUND, "feedback", "the ledger has no event \"%.*s\"", (int)id.len, id.ptr);
  os_monitor_leave(l->calls_lock);
  return st;
}

/* ---- what is deleted ---- */

static base_status delete_before(ledger_db *db, ledger_statement which, int64_t before, base_error *err) {
  sqlite3_stmt *s = ledger_db_use(db, which, err);
  if (s != NULL) sqlite3_bind_int64(s, 1, before);
  return ledger_db_run(db, s, err);
}

static base_status used_bytes(ledger_db *db, int64_t *out, base_error *err) {
  return ledger_db_number(db, ledger_db_use(db, LEDGER_SQL_USED_BYTES, err), out, err);
}

base_status ledger_prune_with(ledger *l, ledger_db *db, int64_t now_ms, base_error *err) {
  int64_t before_ms = now_ms - l->options.retention_s * 1000, used = 0;
  /* a month's cap needs that month's spending, whatever the retention says */
  int64_t kept_s = l->options.retention_s > 62 * DAY_S ? l->options.retention_s : 62 * DAY_S;
  int64_t spending_s = now_ms / 1000 - kept_s;
  base_status st = delete_before(db, LEDGER_SQL_DELETE_OLD, before_ms, err);
  if (!st) st = delete_before(db, LEDGER_SQL_DELETE_OLD_INCIDENTS, before_ms, err);
  if (!st) st = delete_before(db, LEDGER_SQL_DELETE_OLD_SPENDING, spending_s, err);
  if (!st) st = used_bytes(db, &used, err);
  for (int i = 0; i < MOST_DELETIONS && !st && (uint64_t)used > l->options.max_bytes; i++) {
    st = ledger_db_simple(db, LEDGER_SQL_DELETE_OLDEST, err);
    if (!st && sqlite3_changes(db->handle) == 0) break;
    if (!st) st = used_bytes(db, &used, err);
  }
  sqlite3_stmt *s = st ? NULL : ledger_db_use(db, LEDGER_SQL_VACUUM, err);
  if (s == NULL) return st ? st : BASE_EIO;
  int code; /* gives back a page a step */
  while ((code = sqlite3_step(s)) == SQLITE_ROW) continue;
  st = code == SQLITE_DONE ? BASE_OK : ledger_db_fail(db, err);
  sqlite3_reset(s);
  return st;
}

base_status ledger_prune(ledger *l, int64_t now_ms, base_error *err) {
  base_status st = ledger_flush(l, err);
  if (st) return st;
  os_monitor_enter(l->calls_lock);
  st = ledger_prune_with(l, &l->calls, now_ms, err);
  os_monitor_leave(l->calls_lock);
  return st;
}
