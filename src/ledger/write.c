/* Events on their way to the file. The request's thread copies an event into a ring and goes on; a thread of
 * the ledger's own takes what is there and writes it in one transaction.
 *
 *   ledger_write --> ring[first + waiting] --wake--> ledger_write_loop --> BEGIN, PUT_EVENT ..., COMMIT
 *                                                      ^  |     \- then the slots are free: first moves on, wake
 *                                                      +--+ another process holds the lock: again
 *
 * Slots are freed after the commit, so ledger_flush need only wait until nothing waits. As long as nobody waits for the
 * writer it tries for ever, and a ring that has filled up meanwhile loses what comes, counted; a flush or the close
 * gives it LEDGER_PATIENT_MS. */
#include <string.h>

#include "ledger/internal.h"

enum { PRUNE_EVERY = 4096 /* events */, FULL_MS = 10, RETRY_MS = 20 };

static void bind_event(sqlite3_stmt *s, const ledger_slot *slot) {
  const ledger_event *e = &slot->event;
  const char *const words[] = {e->id,    e->kind,         e->decision, e->source,      e->reason, e->pack,
                               e->pack_version, e->model, e->prompt_hash, e->policy, e->tier};
  const int64_t numbers[] = {e->online,   e->repaired,      e->tokens_in, e->tokens_out,
                             e->attempts, e->cost_nano_usd, e->total_us};
  int at = 1;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) ledger_bind_chars(s, at++, words[i]);
  sqlite3_bind_int64(s, at++, e->at_ms);
  sqlite3_bind_double(s, at++, (double)e->confidence);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sqlite3_bind_int64(s, at++, numbers[i]);
  for (size_t i = 0; i < LEDGER_STAGES; i++) sqlite3_bind_int64(s, at++, e->stage_us[i]);
  if (slot->text_len) ledger_bind_text(s, at, (base_slice){slot->text, slot->text_len});
}

static base_status put_incident(ledger_db *db, const ledger_event *e, base_error *err) {
  sqlite3_stmt *s = ledger_db_use(db, LEDGER_SQL_PUT_INCIDENT, err);
  if (s == NULL) return ledger_db_run(db, NULL, err);
  ledger_bind_chars(s, 1, e->id);
  ledger_bind_chars(s, 2, e->incident);
  ledger_bind_chars(s, 3, e->incident_detail);
  sqlite3_bind_int64(s, 4, e->at_ms);
  char model[LEDGER_NAME_BYTES + sizeof e->pack_version]; /* what was asked last, as in the report's "models" */
  if (e->model[0]) base_format(model, sizeof model, "%s", e->model);
  else base_format(model, sizeof model, "%s%s%s", e->pack, e->pack[0] ? " " : "", e->pack_version);
  ledger_bind_chars(s, 5, model);
  ledger_bind_chars(s, 6, e->prompt_hash);
  return ledger_db_run(db, s, err);
}

static base_status put_settlement(ledger_db *db, const ledger_slot *slot, base_error *err) {
  sqlite3_stmt *s = ledger_db_use(db, LEDGER_SQL_SETTLE, err);
  if (s != NULL) {
    sqlite3_bind_int64(s, 1, slot->reservation);
    sqlite3_bind_int64(s, 2, slot->actual);
  }
  return ledger_db_run(db, s, err);
}

static base_status put_event(ledger_db *db, const ledger_slot *slot, base_error *err) {
  sqlite3_stmt *s = ledger_db_use(db, LEDGER_SQL_PUT_EVENT, err);
  if (s != NULL) bind_event(s, slot);
  base_status st = ledger_db_run(db, s, err);
  return !st && slot->event.incident[0] ? put_incident(db, &slot->event, err) : st;
}

static base_status put_slots(ledger *l, size_t first, size_t count, base_error *err) {
  ledger_db *db = &l->events;
  base_status st = ledger_db_simple(db, LEDGER_SQL_BEGIN, err);
  if (st) return st;
  for (size_t i = 0; i < count && !st; i++) {
    const ledger_slot *slot = &l->ring[(first + i) % LEDGER_WAITING];
    st = slot->reservation ? put_settlement(db, slot, err) : put_event(db, slot, err);
  }
  return ledger_db_end(db, st, err);
}

/* The time by which old events are judged: that of the newest one here; 0: there are only settlements. */
static int64_t newest_ms(const ledger *l, size_t first, size_t count) {
  int64_t newest = 0;
  for (size_t i = 0; i < count; i++) {
    const ledger_slot *slot = &l->ring[(first + i) % LEDGER_WAITING];
    if (!slot->reservation && slot->event.at_ms > newest) newest = slot->event.at_ms;
  }
  return newest;
}

/* One try at what waits, outside the ring's lock: slots that wait are read by the writing thread alone. True when they
 * are done with: written, or failed for a reason that another try would not change. */
static bool try_slots(ledger *l, size_t first, size_t count, uint64_t *written, base_error *err) {
  os_monitor_leave(l->ring_lock);
  base_status st = put_slots(l, first, count, err);
  bool done = st == BASE_OK || !l->events.busy;
  bool due = done && (*written + count) / PRUNE_EVERY != *written / PRUNE_EVERY;
  if (done) *written += count;
  if (!st && due) ledger_prune_with(l, &l->events, newest_ms(l, first, count), err);
  os_monitor_enter(l->ring_lock);
  return done;
}

static void write_waiting(ledger *l, uint64_t *written) {
  uint64_t hurried_ns = 0; /* since somebody waits and another process holds the file */
  for (size_t first = l->first, count = l->waiting;; count = l->waiting) {
    base_error err = {0};
    bool done = try_slots(l, first, count, written, &err);
    l->held_up = !done;
    bool hurry = l->stop || l->flushing > 0;
    if (!done && hurry && hurried_ns == 0) hurried_ns = os_monotonic_ns();
    if (!done && hurry) done = os_monotonic_ns() - hurried_ns > LEDGER_PATIENT_MS * UINT64_C(1000000);
    if (!done) {
      os_monitor_wait(l->ring_lock, RETRY_MS);
      continue;
    }
    if (err.code && !l->failure.code) l->failure = err;
    l->first = (first + count) % LEDGER_WAITING;
    l->waiting -= count;
    if (l->waiting == 0) l->first = 0; /* so that the ring's pages are used as far as it was ever full */
    os_monitor_wake(l->ring_lock);
    return;
  }
}

void ledger_write_loop(void *ctx) {
  ledger *l = ctx;
  uint64_t written = 0;
  os_monitor_enter(l->ring_lock);
  for (;;) {
    while (l->waiting == 0 && !l->stop) os_monitor_wait(l->ring_lock, 0);
    if (l->waiting == 0) break;
    write_waiting(l, &written);
  }
  os_monitor_leave(l->ring_lock);
}

/* A free slot. A writer at work will make one; one that another process holds up is given a moment, then NULL. Inside
 * the ring's lock. */
static ledger_slot *free_slot(ledger *l) {
  uint64_t until = os_monotonic_ns() + FULL_MS * UINT64_C(1000000);
  while (l->waiting == LEDGER_WAITING && (!l->held_up || os_monotonic_ns() < until))
    os_monitor_wait(l->ring_lock, FULL_MS);
  if (l->waiting < LEDGER_WAITING) return &l->ring[(l->first + l->waiting) % LEDGER_WAITING];
  l->lost++;
  return NULL;
}

/* The longest start of text that fits and ends at a character. */
static size_t whole_characters(base_slice text, size_t room) {
  if (text.len <= room) return text.len;
  size_t at = room;
  while (at > 0 && ((unsigned char)text.ptr[at] & 0xc0) == 0x80) at--;
  return at;
}

void ledger_write(ledger *l, const ledger_event *e, const guard_clean *text) {
  os_monitor_enter(l->ring_lock);
  ledger_slot *slot = free_slot(l);
  if (slot != NULL) {
    slot->reservation = 0;
    slot->event = *e;
    slot->text_len = 0;
    if (text != NULL && l->options.keep_text) {
      base_slice words = guard_clean_text(text);
      slot->text_len = whole_characters(words, sizeof slot->text);
      memcpy(slot->text, words.ptr, slot->text_len);
    }
    l->waiting++;
    os_monitor_wake(l->ring_lock);
  }
  os_monitor_leave(l->ring_lock);
}

bool ledger_settle_later(ledger *l, int64_t reservation, int64_t actual) {
  os_monitor_enter(l->ring_lock);
  ledger_slot *slot = free_slot(l);
  if (slot != NULL) {
    slot->reservation = reservation;
    slot->actual = actual;
    l->waiting++;
    os_monitor_wake(l->ring_lock);
  }
  os_monitor_leave(l->ring_lock);
  return slot != NULL;
}

base_status ledger_flush(ledger *l, base_error *err) {
  base_status st = BASE_OK;
  os_monitor_enter(l->ring_lock);
  l->flushing++;
  while (l->waiting > 0) os_monitor_wait(l->ring_lock, 0);
  l->flushing--;
  if (l->failure.code)
    st = base_fail(err, l->failure.code, l->failure.where, "%s", l->failure.text);
  else if (l->lost > 0)
    st = base_fail(err, BASE_EIO, l->path, "%zu events were lost while another process held the file", l->lost);
  l->failure = (base_error){0};
  l->lost = 0;
  os_monitor_leave(l->ring_lock);
  return st;
}
