/* ledger's inside: one connection with its prepared statements, and the ledger that has two of them. Another process
 * may hold the file's lock: how long who waits for it stands here. */
#ifndef LEDGER_INTERNAL_H
#define LEDGER_INTERNAL_H

#include <sqlite3.h>

#include "ledger/ledger.h"
#include "os/os.h"

typedef enum ledger_statement {
#define LEDGER_STATEMENT(name, sql) LEDGER_SQL_##name,
#include "ledger/statement.def"
#undef LEDGER_STATEMENT
  LEDGER_STATEMENT_COUNT
} ledger_statement;

/* Milliseconds. What a person asked of the ledger itself may wait; what a request needs to go on, hardly; what nobody
 * waits for is handed to the writing thread, which tries again for as long as nobody waits for it either. */
enum { LEDGER_PATIENT_MS = 5000, LEDGER_REQUEST_MS = 500, LEDGER_SETTLE_MS = 100, LEDGER_WRITER_MS = 100 };

typedef struct ledger_db {
  sqlite3 *handle;
  sqlite3_stmt *prepared[LEDGER_STATEMENT_COUNT];
  const char *path; /* the ledger's */
  bool busy;        /* the last failure: another process held the lock */
} ledger_db;

/* On its way to the writing thread: an event, or a settlement that found the file locked. */
typedef struct ledger_slot {
  int64_t reservation, actual; /* reservation 0: an event */
  ledger_event event;
  char text[LEDGER_TEXT_BYTES];
  size_t text_len;
} ledger_slot;

struct ledger {
  base_allocator allocator;
  ledger_options options;
  char path[512];
  ledger_db calls; /* for calls that must be durable; touched between enter and leave of calls_lock */
  os_monitor *calls_lock;
  ledger_db events; /* the writing thread's alone, once it runs */
  os_thread *thread;
  os_monitor *ring_lock; /* all below */
  ledger_slot *ring;     /* of LEDGER_WAITING */
  size_t first, waiting; /* slots [first, first + waiting) hold what is not yet in the file */
  bool held_up;          /* the writer, by another process */
  size_t lost;           /* for which there was no slot, until ledger_flush tells it */
  size_t flushing;       /* who waits until all is written */
  bool stop;
  base_error failure; /* of the writing thread, until ledger_flush tells it */
};

/* Opens a connection and, where the file is new, makes the tables. durable: a commit reaches the disk before
 * it returns (synchronous FULL); otherwise the disk may be a moment behind, and a power cut then loses the
 * last commits, never the file. */
base_status ledger_db_open(ledger_db *db, const char *path, bool durable, base_error *err);
void ledger_db_close(ledger_db *db);
/* How long a statement may wait for the file's lock. */
void ledger_db_wait(ledger_db *db, int ms);
/* A prepared statement, reset and without values; NULL after a failure, which is in err. */
sqlite3_stmt *ledger_db_use(ledger_db *db, ledger_statement s, base_error *err);
/* Runs a statement that gives no rows. NULL fails with what ledger_db_use said. */
base_status ledger_db_run(ledger_db *db, sqlite3_stmt *s, base_error *err);
base_status ledger_db_simple(ledger_db *db, ledger_statement s, base_error *err);
/* Runs a statement whose first row's first column is a number. */
base_status ledger_db_number(ledger_db *db, sqlite3_stmt *s, int64_t *out, base_error *err);
base_status ledger_db_fail(ledger_db *db, base_error *err);
/* Ends a transaction: commit after BASE_OK, otherwise roll back; returns the first failure. */
base_status ledger_db_end(ledger_db *db, base_status st, base_error *err);
void ledger_bind_text(sqlite3_stmt *s, int index, base_slice text); /* copied; empty is "" */
void ledger_bind_chars(sqlite3_stmt *s, int index, const char *terminated);
/* A column's text into a fixed array, cut to fit. */
void ledger_column_chars(sqlite3_stmt *s, int column, char *out, size_t out_size);

/* write.c: the writing thread */
void ledger_write_loop(void *ctx);
/* Hands the writer a settlement. False: there is no room, and the money stays set aside. */
bool ledger_settle_later(ledger *l, int64_t reservation, int64_t actual);
base_status ledger_prune_with(ledger *l, ledger_db *db, int64_t now_ms, base_error *err);

#endif
