/* Events on their way to the file. The request's thread copies an event into a ring and goes on; a thread of
 * the ledger's own takes what is there and writes it in one transaction.
 *
 *   ledger_write --> ring[first + waiting] --wake--> ledger_write_loop --> BEGIN, PUT_EVENT ..., COMMIT
 *                                                          \- then the slots are free: first moves on, wake
 *
 * Slots are freed after the commit, so ledger_flush need only wait until nothing waits. */
#include <string.h>

#include "ledger/internal.h"

enum { PRUNE_EVERY = 4096 /* events */ };

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
  ledger_bind_chars(s, 5, e->model);
  ledger_bind_chars(s, 6, e->prompt_hash);
  return ledger_db_run(db, s, err);
}

static base_status put_slots(ledger *l, size_t first, size_t count, base_error *err) {
  ledger_db *db = &l->events;
  base_status st = ledger_db_simple(db, LEDGER_SQL_BEGIN, err);
  if (st) return st;
  for (size_t i = 0; i < count && !st; i++) {
    const ledger_slot *slot = &l->ring[(first + i) % LEDGER_WAITING];
    sqlite3_stmt *s = ledger_db_use(db, LEDGER_SQL_PUT_EVENT, err);
    if (s != NULL) bind_event(s, slot);
    st = ledger_db_run(db, s, err);
    if (!st && slot->event.incident[0]) st = put_incident(db, &slot->event, err);
  }
  return ledger_db_end(db, st, err);
}

void ledger_write_loop(void *ctx) {
  ledger *l = ctx;
  uint64_t written = 0;
  os_monitor_enter(l->ring_lock);
  for (;;) {
    while (l->waiting == 0 && !l->stop) os_monitor_wait(l->ring_lock, 0);
    if (l->waiting == 0) break;
    size_t first = l->first, count = l->waiting;
    base_error err = {0};
    os_monitor_leave(l->ring_lock); /* slots that wait are read by this thread alone */
    base_status st = put_slots(l, first, count, &err);
    bool due = (written + count) / PRUNE_EVERY != written / PRUNE_EVERY;
    written += count;
    if (!st && due)
      ledger_prune_with(l, &l->events, l->ring[(first + count - 1) % LEDGER_WAITING].event.at_ms, &err);
    os_monitor_enter(l->ring_lock);
    if (err.code && !l->failure.code) l->failure = err;
    l->first = (first + count) % LEDGER_WAITING;
    l->waiting -= count;
    os_monitor_wake(l->ring_lock);
  }
  os_monitor_leave(l->ring_lock);
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
  while (l->waiting == LEDGER_WAITING) os_monitor_wait(l->ring_lock, 0);
  ledger_slot *slot = &l->ring[(l->first + l->waiting) % LEDGER_WAITING];
  slot->event = *e;
  slot->text_len = 0;
  if (text != NULL && l->options.keep_text) {
    base_slice words = guard_clean_text(text);
    slot->text_len = whole_characters(words, sizeof slot->text);
    memcpy(slot->text, words.ptr, slot->text_len);
  }
  l->waiting++;
  os_monitor_wake(l->ring_lock);
  os_monitor_leave(l->ring_lock);
}

base_status ledger_flush(ledger *l, base_error *err) {
  base_status st = BASE_OK;
  os_monitor_enter(l->ring_lock);
  while (l->waiting > 0) os_monitor_wait(l->ring_lock, 0);
  if (l->failure.code) {
    st = base_fail(err, l->failure.code, l->failure.where, "%s", l->failure.text);
    l->failure = (base_error){0};
  }
  os_monitor_leave(l->ring_lock);
  return st;
}
