/* minnow report and minnow feedback: how it went, from the ledger. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* "7d", "12h", "30m" as seconds; false on anything else. */
static bool read_span(const char *text, int64_t *seconds) {
  size_t len = strlen(text);
  int64_t n, unit;
  if (len < 2) return false;
  switch (text[len - 1]) {
    case 'd': unit = 86400; break;
    case 'h': unit = 3600; break;
    case 'm': unit = 60; break;
    default: return false;
  }
  if (!base_parse_int((base_slice){text, len - 1}, &n) || n < 0 || n > 100000) return false;
  *seconds = n * unit;
  return true;
}

int cli_report(int argc, char **argv) {
  const char *given = NULL, *since = "7d";
  bool json = false, csv = false;
  int64_t seconds;
  cli_list words;
  mn_text *report = NULL;
  mn_error err = {0};
  const cli_option options[] = {
      {"--ledger", CLI_TEXT, &given, "FILE", "where decisions were written down"},
      {"--since", CLI_TEXT, &since, "SPAN", "how far back: 30m, 12h, 7d (the default)"},
      {"--json", CLI_SWITCH, &json, NULL, "as one JSON object (docs/ledger.md)"},
      {"--csv", CLI_SWITCH, &csv, NULL, "as rows of section, key, metric, value"},
  };
  int status = cli_parse("report", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status != CLI_GO) return status;
  if (words.n > 0) return cli_usage("report", "this word is not expected:", words.item[0]);
  if (json && csv) return cli_usage("report", "--json and --csv exclude each other", NULL);
  if (!read_span(since, &seconds)) return cli_usage("report", "a span is like 7d, 12h or 30m, not", since);
  const char *ledger = cli_ledger("report", given);
  if (ledger == NULL) return CLI_USAGE;
  const char *format = json ? "json" : csv ? "csv" : "text";
  if (mn_report(ledger, os_unix_seconds() - seconds, format, &report, &err) != MN_OK) return cli_fail(&err);
  fputs(mn_text_chars(report), stdout);
  if (json) putchar('\n');
  mn_text_free(report);
  return CLI_DONE;
}

static bool read_kind(const char *word, mn_feedback_kind *out) {
  static const char *const words[] = {"ok", "undo", "correct"};
  for (int i = 0; i < 3; i++)
    if (strcmp(word, words[i]) == 0) {
      *out = (mn_feedback_kind)i;
      return true;
    }
  return false;
}

int cli_feedback(int argc, char **argv) {
  cli_house house = {0};
  const char *action = NULL;
  cli_list words;
  mn_engine *mn = NULL;
  mn_error err = {0};
  mn_feedback_kind kind;
  const cli_option options[] = {
      CLI_HOUSE_OPTIONS(house),
      {"--action", CLI_TEXT, &action, "JSON", "correct: what would have been right"},
  };
  int status = cli_parse("feedback", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status != CLI_GO) return status;
  if (words.n != 2) return cli_usage("feedback", "say the request's ID and ok, undo or correct", NULL);
  if (!read_kind(words.item[1], &kind)) return cli_usage("feedback", "say ok, undo or correct, not", words.item[1]);
  if (action != NULL && kind != MN_FEEDBACK_CORRECT)
    return cli_usage("feedback", "--action goes with correct, not with", words.item[1]);
  house.ledger = cli_ledger("feedback", house.ledger);
  if (house.ledger == NULL) return CLI_USAGE;
  if (!cli_has_ledger(house.ledger)) return CLI_FAILED;
  status = cli_open_engine(&mn, &house);
  if (status != CLI_GO) return status;
  status = mn_feedback(mn, words.item[0], kind, action, &err) == MN_OK ? CLI_DONE : cli_fail(&err);
  cli_close_engine(mn, &house);
  return status;
}
