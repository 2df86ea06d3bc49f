/* minnow queue: requests that wait for the cloud. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static int list(const char *ledger) {
  mn_text *lines = NULL;
  mn_error err = {0};
  if (mn_queue_list(ledger, &lines, &err) != MN_OK) return cli_fail(&err);
  fputs(mn_text_chars(lines), stdout);
  mn_text_free(lines);
  return CLI_DONE;
}

static int drop(const char *ledger, const cli_list *words, bool all) {
  mn_error err = {0};
  size_t dropped = 0;
  if ((words->n == 2) == all) return cli_usage("queue", "drop takes a request's ID, or --all", NULL);
  if (mn_queue_drop(ledger, all ? NULL : words->item[1], &dropped, &err) != MN_OK) return cli_fail(&err);
  printf("%zu dropped\n", dropped);
  return CLI_DONE;
}

static void show(void *ctx, const mn_outcome *o) {
  (void)ctx;
  puts(mn_outcome_json(o));
}

static int ask(cli_house *house) {
  mn_engine *mn = NULL;
  mn_error err = {0};
  size_t answered = 0;
  int status = cli_open_engine(&mn, house);
  if (status != CLI_GO) return status;
  status = mn_queue_run(mn, show, NULL, &answered, &err) == MN_OK ? CLI_DONE : cli_fail(&err);
  fprintf(stderr, "%zu answered\n", answered);
  cli_close_engine(mn, house);
  return status;
}

int cli_queue(int argc, char **argv) {
  cli_house house = {0};
  bool all = false;
  cli_list words;
  const cli_option options[] = {CLI_HOUSE_OPTIONS(house),
                                {"--all", CLI_SWITCH, &all, NULL, "drop: every request"}};
  int status = cli_parse("queue", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status != CLI_GO) return status;
  const char *what = words.n > 0 ? words.item[0] : "list";
  bool dropping = strcmp(what, "drop") == 0, running = strcmp(what, "run") == 0;
  if (!dropping && !running && strcmp(what, "list") != 0)
    return cli_usage("queue", "say list, drop ID or run, not", what);
  if (!dropping && words.n > 1) return cli_usage("queue", "this word is not expected:", words.item[1]);
  house.ledger = cli_ledger("queue", house.ledger);
  if (house.ledger == NULL) return CLI_USAGE;
  if (dropping) return drop(house.ledger, &words, all);
  return running ? ask(&house) : list(house.ledger);
}
