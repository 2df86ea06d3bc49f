/* minnow policy: checks what an owner wrote, prints the schema of it. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static int check(const cli_list *words, const char *packs) {
  mn_error err = {0}, why = {0};
  mn_text *shares = NULL;
  if (words->n != 1) return cli_usage("policy check", "it takes one FILE", NULL);
  if (mn_policy_check(words->item[0], &err) != MN_OK) return cli_fail(&err);
  printf("%s: a policy\n", words->item[0]);
  if (mn_policy_shares(words->item[0], cli_packs_folder(packs), &shares, &why) != MN_OK)
    return packs != NULL ? cli_fail(&why) : CLI_DONE; /* there are no packs here to say it of */
  printf("\n  %-12s  %s  %s\n%s", "pack", "wrong", "acts from confidence", mn_text_chars(shares));
  mn_text_free(shares);
  return CLI_DONE;
}

int cli_policy(int argc, char **argv) {
  const char *packs = NULL, *what;
  cli_list words;
  const cli_form_option options[] = {
      {{"--packs", CLI_TEXT, &packs, "DIR", "say what the shares mean for the packs of this folder"}, "check"}};
  int status = cli_parse_form("policy", NULL, options, 1, argc, argv, &what, &words);
  if (status != CLI_GO) return status;
  if (strcmp(what, "check") == 0) return check(&words, packs);
  if (words.n > 0) return cli_usage("policy", "this word is not expected:", words.item[0]);
  puts(mn_policy_schema());
  return CLI_DONE;
}
