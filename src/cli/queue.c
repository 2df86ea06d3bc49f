/* minnow queue: requests that wait for the cloud. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

typedef struct queue_command {
  cli_house house;
  bool all, json;
} queue_command;

static int list(const queue_command *q) {
  mn_text *lines = NULL;
  mn_error err = {0};
  if (mn_queue_list(q->house.ledger, q->json ? "json" : "text", &lines, &err) != MN_OK) return cli_fail(&err);
  fputs(mn_text_chars(lines), stdout);
  if (mn_text_chars(lines)[0] == '\0') fputs("nothing waits\n", stderr);
  mn_text_free(lines);
  return CLI_DONE;
}

static int drop(const queue_command *q, const cli_list *words) {
  mn_error err = {0};
  size_t dropped = 0;
  if ((words->n == 1) == q->all) return cli_usage("queue drop", "it takes a request's ID, or --all", NULL);
  if (mn_queue_drop(q->house.ledger, q->all ? NULL : words->item[0], &dropped, &err) != MN_OK) return cli_fail(&err);
  printf("%zu dropped\n", dropped);
  return CLI_DONE;
}

static void show(void *ctx, const mn_outcome *o) {
  const queue_command *q = ctx;
  if (q->json) puts(mn_outcome_json(o));
  else cli_show_outcome(o, true);
  if (!q->json) putchar('\n');
  (void)fflush(stdout);
}

static int ask(queue_command *q) {
  mn_engine *mn = NULL;
  mn_error err = {0};
  size_t answered = 0;
  if (!cli_has_ledger(q->house.ledger)) return CLI_FAILED;
  int status = cli_open_engine(&mn, &q->house);
  if (status == CLI_GO) {
    status = mn_queue_run(mn, show, q, &answered, &err) == MN_OK ? CLI_DONE : cli_fail(&err);
    fprintf(stderr, "%zu answered\n", answered);
  }
  cli_close_engine(mn, &q->house);
  return status;
}

int cli_queue(int argc, char **argv) {
  queue_command q = {0};
  cli_list words;
  const char *what;
  const cli_form_option options[] = {
      {CLI_LEDGER_OPTION(q.house), "list run drop"},
      {CLI_PACKS_OPTION(q.house), "run"},
      {CLI_POLICY_OPTION(q.house), "run"},
      {CLI_CONTACTS_OPTION(q.house), "run"},
      {{"--all", CLI_SWITCH, &q.all, NULL, "every request"}, "drop"},
      {{"--json", CLI_SWITCH, &q.json, NULL, "a JSON object a line (docs/ledger.md)"}, "list run"}};
  int status = cli_parse_form("queue", "list", options, sizeof options / sizeof options[0], argc, argv, &what, &words);
  if (status != CLI_GO) return status;
  bool dropping = strcmp(what, "drop") == 0;
  if (!dropping && words.n > 0) return cli_usage("queue", "this word is not expected:", words.item[0]);
  q.house.ledger = cli_ledger("queue", q.house.ledger);
  if (q.house.ledger == NULL) return CLI_USAGE;
  if (dropping) return drop(&q, &words);
  return strcmp(what, "run") == 0 ? ask(&q) : list(&q);
}
