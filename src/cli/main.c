/* The program's front door: finds the command, prints the help. Commands are listed in command.def. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

typedef struct command {
  const char *name, *usage, *summary;
  int (*run)(int argc, char **argv);
} command;

static const command commands[] = {
#define CLI_COMMAND(id, usage, summary) {#id, usage, summary, cli_##id},
#include "cli/command.def"
#undef CLI_COMMAND
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int help(void) {
  puts(
      "minnow: a sentence in, a typed and validated action out, on this device\n\nusage: minnow COMMAND "
      "...\n");
  for (size_t i = 0; i < COMMANDS; i++)
    printf("  minnow %-38s %s\n", commands[i].usage, commands[i].summary);
  puts(
      "\n  minnow COMMAND --help                         the command's options\n  minnow --version\n\n"
      "$MINNOW_PACKS, $MINNOW_POLICY and $MINNOW_LEDGER stand for --packs, --policy and --ledger; $MINNOW_CLOUD_KEY\n"
      "is the cloud's key, $MINNOW_DEVICE and $MINNOW_TIER are this device's id and class; NO_COLOR turns colour off.\n"
      "exit status: 0 done, 1 failed, 2 wrong usage");
  return CLI_DONE;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fputs("minnow: which command? minnow --help lists them\n", stderr);
    return CLI_USAGE;
  }
  const char *name = argv[1];
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) return help();
  if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
    printf("minnow %s\n", mn_version());
    return CLI_DONE;
  }
  for (size_t i = 0; i < COMMANDS; i++) {
    if (strcmp(name, commands[i].name) != 0) continue;
    int status = commands[i].run(argc - 2, argv + 2);
    if (fflush(stdout) != 0 || ferror(stdout)) {
      fputs("minnow: stdout: the result could not be written\n", stderr);
      return CLI_FAILED;
    }
    return status;
  }
  fprintf(stderr, "minnow: there is no command \"%.40s\"; minnow --help lists them\n", name);
  return CLI_USAGE;
}
