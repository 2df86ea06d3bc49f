/* Money: set aside before a call, settled after it. What was set aside and never settled (a crash during the
 * call) counts as spent for ever: the service may have charged it. So no sequence of crashes and restarts can
 * spend more than a cap. */
#include "ledger/internal.h"

static base_status sum_of(ledger *l, ledger_statement which, base_slice request, int64_t now_s, int64_t *out,
                          base_error *err) {
  sqlite3_stmt *s = ledger_db_use(&l->calls, which, err);
  if (s != NULL && which == LEDGER_SQL_SPENT_BY_REQUEST) ledger_bind_text(s, 1, request);
  if (s != NULL && which != LEDGER_SQL_SPENT_BY_REQUEST) sqlite3_bind_int64(s, 1, now_s);
  return ledger_db_number(&l->calls, s, out, err);
}

static base_status fits(ledger *l, base_slice request, const ledger_caps *caps, int64_t amount, int64_t now_s,
                        base_error *err) {
  const struct {
    const char *name;
    int64_t cap;
    ledger_statement sum;
  } scope[] = {{"request", caps->request, LEDGER_SQL_SPENT_BY_REQUEST},
               {"day", caps->day, LEDGER_SQL_SPENT_BY_DAY},
               {"month", caps->month, LEDGER_SQL_SPENT_BY_MONTH}};
  for (size_t i = 0; i < sizeof scope / sizeof *scope; i++) {
    int64_t spent = 0;
    if (scope[i].cap < 0) continue;
    base_status st = sum_of(l, scope[i].sum, request, now_s, &spent, err);
    if (st) return st;
    if (spent > scope[i].cap || amount > scope[i].cap - spent)
      return base_fail(err, BASE_ELIMIT, scope[i].name,
                       "the call may cost %.6f US dollars; %.6f of the %s's %.6f are spent",
                       (double)amount * 1e-9, (double)spent * 1e-9, scope[i].name,
                       (double)scope[i].cap * 1e-9);
  }
  return BASE_OK;
}

base_status ledger_reserve(ledger *l, base_slice request_id, const ledger_caps *caps, int64_t amount,
                           int64_t now_s, int64_t *reservation, base_error *err) {
  if (amount < 0) return base_fail(err, BASE_EARGUMENT, "budget", "an amount cannot be negative");
  os_monitor_enter(l->calls_lock);
  ledger_db_wait(&l->calls, LEDGER_REQUEST_MS);
  base_status st = ledger_db_simple(&l->calls, LEDGER_SQL_BEGIN, err);
  if (!st) {
    st = fits(l, request_id, caps, amount, now_s, err);
    sqlite3_stmt *s = st ? NULL : ledger_db_use(&l->calls, LEDGER_SQL_RESERVE, err);
    if (s != NULL) {
      ledger_bind_text(s, 1, request_id);
      sqlite3_bind_int64(s, 2, now_s);
      sqlite3_bind_int64(s, 3, amount);
    }
    if (!st) st = ledger_db_run(&l->calls, s, err);
    if (!st) *reservation = sqlite3_last_insert_rowid(l->calls.handle);
    st = ledger_db_end(&l->calls, st, err);
  }
  ledger_db_wait(&l->calls, LEDGER_PATIENT_MS);
  os_monitor_leave(l->calls_lock);
  return st;
}

static base_status settle(ledger *l, int64_t reservation, int64_t actual, base_error *err) {
  sqlite3_stmt *s = ledger_db_use(&l->calls, LEDGER_SQL_SETTLE, err);
  if (s != NULL) {
    sqlite3_bind_int64(s, 1, reservation);
    sqlite3_bind_int64(s, 2, actual);
  }
  base_status st = ledger_db_run(&l->calls, s, err);
  if (!st && sqlite3_changes(l->calls.handle) == 0)
    st = base_fail(err, BASE_ENOTFOUND, "budget", "reservation %lld is settled already or never was",
                   (long long)reservation);
  return st;
}

/* The answer is there already: it does not wait for another process. */
base_status ledger_settle(ledger *l, int64_t reservation, int64_t actual, base_error *err) {
  base_error why = {0};
  if (actual < 0) return base_fail(err, BASE_EARGUMENT, "budget", "an amount cannot be negative");
  os_monitor_enter(l->calls_lock);
  ledger_db_wait(&l->calls, LEDGER_SETTLE_MS);
  base_status st = settle(l, reservation, actual, &why);
  bool busy = st != BASE_OK && l->calls.busy;
  ledger_db_wait(&l->calls, LEDGER_PATIENT_MS);
  os_monitor_leave(l->calls_lock);
  if (busy && ledger_settle_later(l, reservation, actual)) return BASE_OK;
  return st ? base_fail(err, st, why.where, "%s", why.text) : BASE_OK;
}

base_status ledger_spent(ledger *l, int64_t now_s, int64_t *day, int64_t *month, base_error *err) {
  os_monitor_enter(l->calls_lock);
  base_status st = sum_of(l, LEDGER_SQL_SPENT_BY_DAY, (base_slice){0}, now_s, day, err);
  if (!st) st = sum_of(l, LEDGER_SQL_SPENT_BY_MONTH, (base_slice){0}, now_s, month, err);
  os_monitor_leave(l->calls_lock);
  return st;
}
