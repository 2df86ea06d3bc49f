/* One connection to the ledger's file: opening, the tables, prepared statements, errors as sentences. */
#include <stdio.h>
#include <string.h>

#include "ledger/internal.h"

/* "MNLG": the application id in SQLite's header, so that another program's database is not taken for ours. */
enum { APPLICATION_ID = 0x4d4e4c47, TABLES_VERSION = 3 };

/* What makes tables of version i + 1 out of those of version i. */
static const char *const tables[TABLES_VERSION] = {
    "CREATE TABLE event(id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT, decision TEXT, source TEXT,"
    " reason TEXT, pack TEXT, pack_version TEXT, model TEXT, prompt_hash TEXT, policy TEXT, tier TEXT,"
    " confidence REAL, online INTEGER, repaired INTEGER, tokens_in INTEGER, tokens_out INTEGER,"
    " attempts INTEGER, cost_nano_usd INTEGER, total_us INTEGER, guard_us INTEGER, gate_us INTEGER,"
    " local_us INTEGER, valid_us INTEGER, cloud_us INTEGER, text TEXT, outcome TEXT, outcome_action TEXT,"
    " outcome_ms INTEGER);"
    "CREATE INDEX event_at ON event(at_ms);"
    "CREATE TABLE incident(id TEXT PRIMARY KEY, event TEXT, kind TEXT, detail TEXT, at_ms INTEGER, model TEXT,"
    " prompt_hash TEXT);"
    "CREATE TABLE spending(id INTEGER PRIMARY KEY, request TEXT NOT NULL, at_s INTEGER NOT NULL,"
    " day TEXT NOT NULL, reserved INTEGER NOT NULL, settled INTEGER);"
    "CREATE INDEX spending_day ON spending(day);"
    "CREATE INDEX spending_request ON spending(request);"
    "CREATE TABLE deferred(id TEXT PRIMARY KEY, kind TEXT, reason TEXT, at_s INTEGER NOT NULL,"
    " expires_s INTEGER NOT NULL, next_s INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " taken_s INTEGER NOT NULL, text TEXT NOT NULL);",
    "ALTER TABLE deferred ADD COLUMN pack TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE deferred ADD COLUMN local_time TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE deferred ADD COLUMN instructions TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE deferred ADD COLUMN schema TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE deferred ADD COLUMN context TEXT NOT NULL DEFAULT '';",
    "ALTER TABLE deferred ADD COLUMN withheld INTEGER NOT NULL DEFAULT 0;"};

static const char *const sql[] = {
#define LEDGER_STATEMENT(name, text) text,
#include "ledger/statement.def"
#undef LEDGER_STATEMENT
};

base_status ledger_db_fail(ledger_db *db, base_error *err) {
  int code = db->handle ? sqlite3_errcode(db->handle) & 0xff : SQLITE_NOMEM;
  base_status st = BASE_EIO;
  db->busy = code == SQLITE_BUSY;
  if (db->busy) return base_fail(err, st, db->path, "another process is writing to this ledger; try again");
  if (code == SQLITE_NOMEM) st = BASE_ENOMEM;
  if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) st = BASE_EFORMAT;
  return base_fail(err, st, db->path, "the ledger's file cannot be used: %s",
                   db->handle ? sqlite3_errmsg(db->handle) : "out of memory");
}

static base_status execute(ledger_db *db, const char *text, base_error *err) {
  return sqlite3_exec(db->handle, text, NULL, NULL, NULL) == SQLITE_OK ? BASE_OK : ledger_db_fail(db, err);
}

static base_status pragma_number(ledger_db *db, const char *text, int64_t *out, base_error *err) {
  sqlite3_stmt *s = NULL;
  if (sqlite3_prepare_v2(db->handle, text, -1, &s, NULL) != SQLITE_OK) return ledger_db_fail(db, err);
  base_status st = ledger_db_number(db, s, out, err);
  sqlite3_finalize(s);
  return st;
}

/* Makes or brings up to date, inside a transaction: two processes may open a file at once. */
static base_status make_tables(ledger_db *db, base_error *err) {
  char mark[96];
  int64_t version = 0, application = 0, objects = 0;
  base_status st = execute(db, "BEGIN IMMEDIATE", err);
  if (st) return st;
  st = pragma_number(db, "PRAGMA user_version", &version, err);
  if (!st) st = pragma_number(db, "PRAGMA application_id", &application, err);
  if (!st) st = pragma_number(db, "SELECT count(*) FROM sqlite_schema", &objects, err);
  if (!st && version < 0)
    st = base_fail(err, BASE_EFORMAT, db->path, "this is no ledger: its tables have version %lld", (long long)version);
  else if (!st && version > TABLES_VERSION)
    st = base_fail(err, BASE_EFORMAT, db->path,
                   "this ledger was made by a newer version (tables %lld, known %d); upgrade, or move it away",
                   (long long)version, TABLES_VERSION);
  else if (!st && objects > 0 && application != APPLICATION_ID)
    st = base_fail(err, BASE_EFORMAT, db->path, "this is another program's database, not a ledger");
  base_format(mark, sizeof mark, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID, TABLES_VERSION);
  bool old = version < TABLES_VERSION;
  for (; !st && version < TABLES_VERSION; version++) st = execute(db, tables[version], err);
  if (!st && old) st = execute(db, mark, err);
  return ledger_db_end(db, st, err);
}

/* A process that asks one thing opens and closes a ledger: that waits for no disk. The file keeps its modes (setting
 * them again writes), and what is in the log stays there until a commit finds 1 MB of it; whoever opens next reads
 * it. */
base_status ledger_db_open(ledger_db *db, const char *path, bool durable, base_error *err) {
  int64_t version = 0;
  *db = (ledger_db){.path = path};
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK) {
    base_status st = ledger_db_fail(db, err);
    ledger_db_close(db);
    return st;
  }
  ledger_db_wait(db, LEDGER_PATIENT_MS);
  sqlite3_extended_result_codes(db->handle, 0);
  sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  base_status st = pragma_number(db, "PRAGMA user_version", &version, err);
  if (!st && version != TABLES_VERSION)
    st = execute(db, "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL", err);
  if (!st) st = execute(db, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", err);
  if (!st) st = execute(db, "PRAGMA wal_autocheckpoint=250; PRAGMA secure_delete=ON", err);
  if (!st && version != TABLES_VERSION) st = make_tables(db, err);
  if (st) ledger_db_close(db);
  return st;
}

void ledger_db_wait(ledger_db *db, int ms) { sqlite3_busy_timeout(db->handle, ms); }

void ledger_db_close(ledger_db *db) {
  for (size_t i = 0; i < LEDGER_STATEMENT_COUNT; i++) sqlite3_finalize(db->prepared[i]);
  sqlite3_close(db->handle);
  *db = (ledger_db){0};
}

sqlite3_stmt *ledger_db_use(ledger_db *db, ledger_statement s, base_error *err) {
  if (db->prepared[s] == NULL &&
      sqlite3_prepare_v3(db->handle, sql[s], -1, SQLITE_PREPARE_PERSISTENT, &db->prepared[s], NULL) !=
          SQLITE_OK) {
    ledger_db_fail(db, err);
    return NULL;
  }
  db->busy = false;
  sqlite3_reset(db->prepared[s]);
  sqlite3_clear_bindings(db->prepared[s]);
  return db->prepared[s];
}

base_status ledger_db_run(ledger_db *db, sqlite3_stmt *s, base_error *err) {
  if (s == NULL) return err && err->code ? err->code : BASE_EIO;
  int code = sqlite3_step(s);
  base_status st = code == SQLITE_DONE || code == SQLITE_ROW ? BASE_OK : ledger_db_fail(db, err);
  sqlite3_reset(s);
  return st;
}

base_status ledger_db_simple(ledger_db *db, ledger_statement s, base_error *err) {
  return ledger_db_run(db, ledger_db_use(db, s, err), err);
}

base_status ledger_db_number(ledger_db *db, sqlite3_stmt *s, int64_t *out, base_error *err) {
  if (s == NULL) return err && err->code ? err->code : BASE_EIO;
  base_status st = BASE_OK;
  if (sqlite3_step(s) == SQLITE_ROW)
    *out = sqlite3_column_int64(s, 0);
  else
    st = ledger_db_fail(db, err);
  sqlite3_reset(s);
  return st;
}

base_status ledger_db_end(ledger_db *db, base_status st, base_error *err) {
  if (!st) st = ledger_db_simple(db, LEDGER_SQL_COMMIT, err);
  bool busy = db->busy;
  if (st) ledger_db_simple(db, LEDGER_SQL_ROLLBACK, NULL);
  db->busy = busy;
  return st;
}

void ledger_bind_text(sqlite3_stmt *s, int index, base_slice text) {
  sqlite3_bind_text64(s, index, text.ptr ? text.ptr : "", text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

void ledger_bind_chars(sqlite3_stmt *s, int index, const char *terminated) {
  ledger_bind_text(s, index, base_slice_of(terminated));
}

void ledger_column_chars(sqlite3_stmt *s, int column, char *out, size_t out_size) {
  const char *text = (const char *)sqlite3_column_text(s, column);
  base_format(out, out_size, "%s", text ? text : "");
}
