/* minnow run: a file of requests as a table with a summary, then, on a terminal, a prompt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum {
  MAX_FILE = 16 << 20,
  DECISIONS = 8,
  DECISION_COLUMNS = 8,
  SURE_COLUMNS = 5,
  TIME_COLUMNS = 8,
  GAPS = 8
};

/* The last one counts requests that were refused as input. */
static const char *const decisions[DECISIONS] = {"act",     "answer", "confirm", "ask",
                                                 "handoff", "defer",  "refuse",  "error"};

typedef struct running {
  mn_engine *mn;
  const char *pack, *now;
  bool kept; /* there is a ledger */
  size_t columns, count[DECISIONS];
  uint32_t *us; /* of every answer */
  size_t n, cap;
} running;

/* ---- one row ---- */

static size_t request_columns(const running *r) {
  return (r->columns - DECISION_COLUMNS - SURE_COLUMNS - TIME_COLUMNS - GAPS) * 2 / 5;
}

static size_t action_columns(const running *r) {
  return r->columns - DECISION_COLUMNS - SURE_COLUMNS - TIME_COLUMNS - GAPS - request_columns(r);
}

static void put_row(const running *r, base_slice request, const char *decision, const char *actions,
                    const char *sure, const char *time) {
  cli_cell(request, request_columns(r));
  fputs("  ", stdout);
  fputs(cli_decision_colour(decision), stdout);
  cli_cell(base_slice_of(decision), DECISION_COLUMNS);
  fputs(cli_plain(), stdout);
  fputs("  ", stdout);
  cli_cell(base_slice_of(actions), action_columns(r));
  printf("  %*s  %*s\n", SURE_COLUMNS, sure, TIME_COLUMNS, time);
}

/* "set_alarm time tomorrow at 7:00; send_message ..." or, without an action, what was said about it. */
static void describe(const mn_outcome *o, base_buf *out) {
  base_buf_clear(out);
  for (size_t i = 0; i < mn_outcome_actions(o); i++) {
    mn_action a = mn_outcome_action(o, i);
    base_buf_printf(out, "%s%s%s%s", i > 0 ? "; " : "", a.name, a.summary[0] != '\0' ? ": " : "", a.summary);
  }
  if (strcmp(mn_outcome_decision(o), "ask") == 0 || mn_outcome_actions(o) == 0)
    base_buf_printf(out, "%s(%s) %s%s", out->len > 0 ? "  " : "", mn_outcome_reason(o), mn_outcome_text(o),
                    mn_outcome_answer(o));
}

static bool note(running *r, const char *decision, uint32_t us) {
  for (size_t i = 0; i < DECISIONS; i++)
    if (strcmp(decision, decisions[i]) == 0) r->count[i]++;
  if (r->n == r->cap) {
    size_t cap = r->cap > 0 ? 2 * r->cap : 256;
    uint32_t *grown = realloc(r->us, cap * sizeof *grown);
    if (grown == NULL) return false;
    r->us = grown;
    r->cap = cap;
  }
  r->us[r->n++] = us;
  return true;
}

static bool run_one(running *r, base_slice text, bool table) {
  mn_request request;
  mn_outcome *o = NULL;
  mn_error err = {0};
  base_buf actions = {0};
  char sure[16], time[16];
  mn_request_init(&request);
  request.text = text.ptr;
  request.text_len = text.len;
  request.pack = r->pack;
  request.now = r->now;
  if (mn_do(r->mn, &request, &o, &err) != MN_OK) {
    r->count[DECISIONS - 1]++;
    if (table) put_row(r, text, "error", err.text, "", "");
    else (void)cli_fail(&err);
    return true;
  }
  uint32_t us = mn_outcome_timings(o).total_us;
  bool fine = note(r, mn_outcome_decision(o), us);
  describe(o, &actions);
  (void)base_format(time, sizeof time, "%.2f ms", us / 1000.0);
  if (table)
    put_row(r, text, mn_outcome_decision(o), actions.len > 0 ? actions.ptr : "",
            cli_percent((double)mn_outcome_confidence(o), sure), time);
  else cli_show_outcome(o, r->kept);
  base_buf_free(&actions);
  mn_outcome_free(o);
  return fine;
}

/* ---- the summary ---- */

static int compare_us(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

/* Nearest rank: the smallest value that at least `share` of all do not exceed. */
static double percentile_ms(const running *r, double share) {
  size_t rank = (size_t)(share * (double)r->n);
  if ((double)rank < share * (double)r->n) rank++;
  return r->us[rank > 0 ? rank - 1 : 0] / 1000.0;
}

static void summarise(running *r) {
  size_t all = r->n + r->count[DECISIONS - 1];
  if (all == 0) {
    puts("no requests");
    return;
  }
  printf("\n%zu requests:", all);
  const char *separator = " ";
  for (size_t i = 0; i < DECISIONS; i++) {
    if (r->count[i] == 0) continue;
    printf("%s%s%s%s %zu (%.1f %%)", separator, cli_decision_colour(decisions[i]), decisions[i], cli_plain(),
           r->count[i], 100.0 * (double)r->count[i] / (double)all);
    separator = ", ";
  }
  putchar('\n');
  if (r->n == 0) return;
  qsort(r->us, r->n, sizeof *r->us, compare_us);
  printf("time of a request: p50 %.2f ms, p95 %.2f ms, p99 %.2f ms (one thread, %s kernels)\n",
         percentile_ms(r, 0.50), percentile_ms(r, 0.95), percentile_ms(r, 0.99), mn_engine_kernels(r->mn));
}

/* ---- the file and the prompt ---- */

static bool run_file(running *r, const base_buf *file) {
  base_slice rest = {file->len > 0 ? file->ptr : "", file->len}, line;
  bool fine = true;
  put_row(r, BASE_LITERAL("request"), "decision", "actions", "sure", "time");
  while (fine && base_slice_split(&rest, '\n', &line)) {
    line = base_slice_trim(line);
    if (line.len == 0) continue;
    if (line.ptr[0] == '#') printf("%s%.*s%s\n", cli_dim(), (int)line.len, line.ptr, cli_plain());
    else fine = run_one(r, line, true);
  }
  return fine;
}

static bool prompt(running *r) {
  char *line = NULL;
  size_t cap = 0;
  bool fine = true;
  puts("\nType a request; quit or an empty end of input leaves.");
  while (fine) {
    fputs("minnow> ", stdout);
    (void)fflush(stdout);
    ssize_t n = getline(&line, &cap, stdin);
    if (n < 0) break;
    base_slice text = base_slice_trim((base_slice){line, (size_t)n});
    if (text.len == 0) continue;
    if (base_slice_equal_nocase(text, BASE_LITERAL("quit")) ||
        base_slice_equal_nocase(text, BASE_LITERAL("exit")))
      break;
    fine = run_one(r, text, false);
    cli_warn_policy(r->mn);
  }
  free(line);
  return fine;
}

static int read_file(const char *path, base_buf *out) {
  base_error inner = {0};
  mn_error err = {0};
  if (os_read_file(path, MAX_FILE, out, &inner) == BASE_OK) return CLI_GO;
  err.code = MN_EIO;
  (void)base_format(err.where, sizeof err.where, "%s", inner.where);
  (void)base_format(err.text, sizeof err.text, "%s", inner.text);
  return cli_fail(&err);
}

int cli_run(int argc, char **argv) {
  cli_house house = {0};
  running r = {0};
  cli_list words;
  base_buf file = {0};
  const cli_option options[] = {
      {"--pack", CLI_TEXT, &r.pack, "NAME", "this app is open: only its brain is asked"},
      {"--now", CLI_TEXT, &r.now, "TIME", "local time, 2026-11-21T09:30:00: makes the answers reproducible"},
      CLI_HOUSE_OPTIONS(house),
  };
  int status = cli_parse("run", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status == CLI_GO && words.n != 1) status = cli_usage("run", "one file of requests is needed", NULL);
  if (status == CLI_GO) status = read_file(words.item[0], &file);
  if (status == CLI_GO) status = cli_open_engine(&r.mn, &house);
  if (status == CLI_GO) {
    r.kept = house.kept;
    r.columns = cli_columns();
    bool fine = run_file(&r, &file);
    size_t bad = r.count[DECISIONS - 1];
    summarise(&r);
    if (fine && os_is_terminal(STDIN_FILENO) && os_is_terminal(STDOUT_FILENO)) fine = prompt(&r);
    status = fine && bad == 0 ? CLI_DONE : CLI_FAILED;
  }
  cli_close_engine(r.mn, &house);
  base_buf_free(&file);
  free(r.us);
  return status;
}
