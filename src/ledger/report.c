/* The report: figures by section, key and metric, drawn from SQL in one order and written as text, JSON or CSV by one
 * sink. A figure that has no denominator is "not a number" here: null in JSON, empty in CSV, "-" in text. */
#include <math.h>
#include <string.h>

#include "ledger/internal.h"

/* ---- the sink ---- */

typedef struct sink {
  ledger_format format;
  base_buf *out;
  char section[32], key[192]; /* of the line before */
} sink;

static void put_number(sink *s, double value, int decimals, const char *none) {
  if (isnan(value))
    base_buf_puts(s->out, none);
  else
    base_buf_printf(s->out, "%.*f", decimals, value);
}

static void put_json(sink *s, bool new_section, bool new_key, const char *section, const char *key,
                     const char *metric) {
  if (new_section) {
    base_buf_puts(s->out, s->section[0] ? "}}," : ",");
    base_buf_json(s->out, base_slice_of(section));
    base_buf_puts(s->out, ":{");
  }
  if (new_key) {
    if (!new_section) base_buf_puts(s->out, "},");
    base_buf_json(s->out, base_slice_of(key));
    base_buf_puts(s->out, ":{");
  } else {
    base_buf_putc(s->out, ',');
  }
  base_buf_json(s->out, base_slice_of(metric));
  base_buf_putc(s->out, ':');
}

/* A field of RFC 4180, quoted where it has to be. */
static void put_csv(base_buf *out, const char *field) {
  bool quote = strpbrk(field, ",\"\r\n") != NULL;
  if (quote) base_buf_putc(out, '"');
  for (; *field; field++) {
    if (*field == '"') base_buf_putc(out, '"');
    base_buf_putc(out, *field);
  }
  if (quote) base_buf_putc(out, '"');
}

static void emit(sink *s, const char *section, const char *key, const char *metric, double value,
                 int decimals) {
  bool new_section = strcmp(section, s->section) != 0;
  bool new_key = new_section || strcmp(key, s->key) != 0;
  switch (s->format) {
    case LEDGER_AS_JSON:
      put_json(s, new_section, new_key, section, key, metric);
      put_number(s, value, decimals, "null");
      break;
    case LEDGER_AS_CSV:
      put_csv(s->out, section);
      base_buf_putc(s->out, ',');
      put_csv(s->out, key);
      base_buf_printf(s->out, ",%s,", metric);
      put_number(s, value, decimals, "");
      base_buf_putc(s->out, '\n');
      break;
    case LEDGER_AS_TEXT:
      if (new_section) base_buf_printf(s->out, "%s%s", s->section[0] ? "\n\n" : "", section);
      if (new_key) base_buf_printf(s->out, "\n  %-28s", key[0] ? key : "(none)");
      base_buf_printf(s->out, "  %s ", metric);
      put_number(s, value, decimals, "-");
      break;
  }
  base_format(s->section, sizeof s->section, "%s", section);
  base_format(s->key, sizeof s->key, "%s", key);
}

static double ratio(double a, double b) { return b > 0.0 ? a / b : (double)NAN; }

/* ---- queries: ?1 is always the time since ---- */

/* A task gave the user something; success is that nobody took it back. */
#define TASK "decision IN ('act', 'confirm', 'answer')"
#define SUCCESS TASK " AND coalesce(outcome, '') NOT IN ('undo', 'correct')"
#define COUNT_IF(condition) "coalesce(sum(" condition "), 0)"

typedef struct query {
  ledger *l;
  sink *sink;
  int64_t since_ms;
  base_error *err;
} query;

/* Runs `sql` and hands every row to `row`. */
static base_status each_row(query *q, const char *sql, void (*row)(query *q, sqlite3_stmt *s, void *ctx),
                            void *ctx) {
  sqlite3_stmt *s = NULL;
  int code = SQLITE_DONE;
  ledger_db *db = &q->l->calls;
  if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) != SQLITE_OK) return ledger_db_fail(db, q->err);
  sqlite3_bind_int64(s, 1, q->since_ms);
  while ((code = sqlite3_step(s)) == SQLITE_ROW) row(q, s, ctx);
  base_status st = code == SQLITE_DONE ? BASE_OK : ledger_db_fail(db, q->err);
  sqlite3_finalize(s);
  return st;
}

static void requests_row(query *q, sqlite3_stmt *s, void *ctx) {
  static const char *const counts[] = {"count",  "tasks",     "successful", "reported", "undone",
                                       "corrected", "cloud_calls", "tokens_in",  "tokens_out"};
  (void)ctx;
  for (int i = 0; i < 9; i++) emit(q->sink, "requests", "all", counts[i], sqlite3_column_double(s, i), 0);
  double tasks = sqlite3_column_double(s, 1), done = sqlite3_column_double(s, 2);
  double usd = sqlite3_column_double(s, 9) * 1e-9;
  emit(q->sink, "requests", "all", "success_rate", ratio(done, tasks), 4);
  emit(q->sink, "requests", "all", "undo_rate", ratio(sqlite3_column_double(s, 4), tasks), 4);
  emit(q->sink, "requests", "all", "correction_rate", ratio(sqlite3_column_double(s, 5), tasks), 4);
  emit(q->sink, "requests", "all", "cost_usd", usd, 9);
  emit(q->sink, "requests", "all", "cost_per_successful_task_usd", ratio(usd, done), 9);
}

static base_status requests(query *q) {
  return each_row(q,
                  "SELECT count(*), " COUNT_IF(TASK) ", " COUNT_IF(SUCCESS) ", count(outcome), "
                  COUNT_IF("outcome = 'undo'") ", " COUNT_IF("outcome = 'correct'") ","
                  " coalesce(sum(attempts), 0), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0),"
                  " coalesce(sum(cost_nano_usd), 0) FROM event WHERE at_ms >= ?1",
                  requests_row, NULL);
}

static void first_number(query *q, sqlite3_stmt *s, void *ctx) {
  (void)q;
  *(double *)ctx = sqlite3_column_double(s, 0);
}

static const struct {
  const char *name;
  double share;
} rank[] = {{"p50", 0.50}, {"p95", 0.95}, {"p99", 0.99}};

/* Nearest rank: of n sorted values the one at ceil(p n). Stages that did not run are not counted. */
static base_status percentiles(query *q, const char *column) {
  char sql[256], key[32];
  double n = 0.0;
  base_format(sql, sizeof sql, "SELECT count(*) FROM event WHERE at_ms >= ?1 AND %s > 0", column);
  base_status st = each_row(q, sql, first_number, &n);
  base_format(key, sizeof key, "%.*s", (int)strcspn(column, "_"), column);
  for (size_t i = 0; i < sizeof rank / sizeof *rank && !st; i++) {
    double us = (double)NAN;
    double at = ceil(rank[i].share * n) - 1.0;
    base_format(sql, sizeof sql,
                "SELECT %s FROM event WHERE at_ms >= ?1 AND %s > 0 ORDER BY 1 LIMIT 1 OFFSET %.0f", column,
                column, at > 0.0 ? at : 0.0);
    st = each_row(q, sql, first_number, &us);
    if (!st) emit(q->sink, "latency_ms", key, rank[i].name, us / 1000.0, 3);
  }
  return st;
}

static base_status latencies(query *q) {
  static const char *const columns[] = {"total_us",
#define LEDGER_STAGE(name, column) column,
#include "ledger/stage.def"
#undef LEDGER_STAGE
  };
  base_status st = BASE_OK;
  for (size_t i = 0; i < sizeof columns / sizeof *columns && !st; i++) st = percentiles(q, columns[i]);
  return st;
}

/* Rows of (key, count); the share is of all rows of the section. */
typedef struct shares {
  const char *section;
  double total;
} shares;

static void share_row(query *q, sqlite3_stmt *s, void *ctx) {
  const shares *of = ctx;
  const char *key = (const char *)sqlite3_column_text(s, 0);
  double count = sqlite3_column_double(s, 1);
  emit(q->sink, of->section, key ? key : "", "count", count, 0);
  emit(q->sink, of->section, key ? key : "", "share", ratio(count, of->total), 4);
}

static base_status count_by(query *q, const char *section, const char *column, const char *where) {
  char sql[320];
  shares of = {.section = section};
  base_format(sql, sizeof sql, "SELECT count(*) FROM event WHERE at_ms >= ?1%s", where);
  base_status st = each_row(q, sql, first_number, &of.total);
  base_format(sql, sizeof sql,
              "SELECT %s, count(*) FROM event WHERE at_ms >= ?1%s GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50",
              column, where);
  return st ? st : each_row(q, sql, share_row, &of);
}

static void tier_row(query *q, sqlite3_stmt *s, void *ctx) {
  const char *key = (const char *)sqlite3_column_text(s, 0);
  double tasks = sqlite3_column_double(s, 1);
  (void)ctx;
  if (key == NULL) key = "";
  emit(q->sink, "device_tier", key, "tasks", tasks, 0);
  emit(q->sink, "device_tier", key, "success_rate", ratio(sqlite3_column_double(s, 2), tasks), 4);
  emit(q->sink, "device_tier", key, "undo_rate", ratio(sqlite3_column_double(s, 3), tasks), 4);
  emit(q->sink, "device_tier", key, "correction_rate", ratio(sqlite3_column_double(s, 4), tasks), 4);
  emit(q->sink, "device_tier", key, "mean_ms", sqlite3_column_double(s, 5) / 1000.0, 3);
  for (int i = 0; i < 3; i++)
    emit(q->sink, "device_tier", key, rank[i].name, sqlite3_column_double(s, 6 + i) / 1000.0, 3);
}

/* Percentiles by nearest rank, ceil(p n), in whole numbers. */
#define AT_RANK(percent) "max(CASE WHEN place = (rows * " percent " + 99) / 100 THEN total_us END)"

static base_status tiers(query *q) {
  return each_row(q,
                  "SELECT key, " COUNT_IF(TASK) ", " COUNT_IF(SUCCESS) ", " COUNT_IF("outcome = 'undo'") ", "
                  COUNT_IF("outcome = 'correct'") ", avg(total_us), " AT_RANK("50") ", " AT_RANK("95") ", "
                  AT_RANK("99") " FROM (SELECT coalesce(nullif(tier, ''), '-') AS key, decision, outcome, total_us,"
                  " row_number() OVER (PARTITION BY tier ORDER BY total_us) AS place,"
                  " count(*) OVER (PARTITION BY tier) AS rows FROM event WHERE at_ms >= ?1) GROUP BY 1 ORDER BY 1",
                  tier_row, NULL);
}

static void incident_row(query *q, sqlite3_stmt *s, void *ctx) {
  char key[192];
  (void)ctx;
  base_format(key, sizeof key, "%s %s %s", (const char *)sqlite3_column_text(s, 0),
              (const char *)sqlite3_column_text(s, 1), (const char *)sqlite3_column_text(s, 2));
  emit(q->sink, "incidents", key, "count", sqlite3_column_double(s, 3), 0);
}

static base_status incidents(query *q) {
  return each_row(q,
                  "SELECT coalesce(nullif(model, ''), '-'), coalesce(nullif(prompt_hash, ''), '-'), kind,"
                  " count(*) FROM incident WHERE at_ms >= ?1 GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3"
                  " LIMIT 50",
                  incident_row, NULL);
}

static void model_row(query *q, sqlite3_stmt *s, void *ctx) {
  const char *key = (const char *)sqlite3_column_text(s, 0);
  (void)ctx;
  emit(q->sink, "models", key ? key : "", "count", sqlite3_column_double(s, 1), 0);
  emit(q->sink, "models", key ? key : "", "cost_usd", sqlite3_column_double(s, 2) * 1e-9, 9);
}

static base_status models(query *q) {
  return each_row(q,
                  "SELECT coalesce(nullif(model, ''), nullif(trim(pack || ' ' || pack_version), ''), '-'), count(*),"
                  " coalesce(sum(cost_nano_usd), 0) FROM event WHERE at_ms >= ?1 GROUP BY 1"
                  " ORDER BY 2 DESC, 1 LIMIT 50",
                  model_row, NULL);
}

base_status ledger_report(ledger *l, int64_t since_ms, ledger_format format, base_buf *out, base_error *err) {
  sink to = {.format = format, .out = out};
  query q = {.l = l, .sink = &to, .since_ms = since_ms, .err = err};
  base_status st = ledger_flush(l, err);
  if (st) return st;
  os_monitor_enter(l->calls_lock);
  if (format == LEDGER_AS_JSON) base_buf_printf(out, "{\"since_ms\":%lld", (long long)since_ms);
  if (format == LEDGER_AS_CSV) base_buf_puts(out, "section,key,metric,value\n");
  st = requests(&q);
  if (!st) st = latencies(&q);
  if (!st) st = count_by(&q, "source", "source", "");
  if (!st) st = count_by(&q, "decision", "decision", "");
  if (!st) st = count_by(&q, "handoff_reason", "reason", " AND decision IN ('handoff', 'defer')");
  if (!st) st = tiers(&q);
  if (!st) st = models(&q);
  if (!st) st = incidents(&q);
  if (format == LEDGER_AS_JSON) base_buf_puts(out, to.section[0] ? "}}}" : "}");
  if (format == LEDGER_AS_TEXT) base_buf_putc(out, '\n');
  os_monitor_leave(l->calls_lock);
  if (!st && out->failed) st = base_fail(err, BASE_ENOMEM, "report", "no memory for the report");
  return st;
}
