/* minnow policy: checks what an owner wrote, prints the schema of it. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static int check(const cli_list *words) {
  mn_error err = {0};
  if (words->n != 2) return cli_usage("policy", "check takes one FILE", NULL);
  if (mn_policy_check(words->item[1], &err) != MN_OK) return cli_fail(&err);
  printf("%s: a policy\n", words->item[1]);
  return CLI_DONE;
}

int cli_policy(int argc, char **argv) {
  cli_list words;
  int status = cli_parse("policy", NULL, 0, argc, argv, &words);
  if (status != CLI_GO) return status;
  if (words.n > 0 && strcmp(words.item[0], "check") == 0) return check(&words);
  if (words.n != 1 || strcmp(words.item[0], "schema") != 0)
    return cli_usage("policy", "say check FILE, or schema", NULL);
  puts(mn_policy_schema());
  return CLI_DONE;
}
