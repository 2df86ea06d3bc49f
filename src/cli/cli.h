/* cli: the program. One file a command, on minnow.h alone; base and os only for text, files and the terminal.
 * stdout is the result, stderr the diagnosis; exit 0 done, 1 failed, 2 usage. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/base.h"
#include "minnow.h"
#include "os/os.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_GO = -1, CLI_MAX_LIST = 1024 };

/* ---- commands: one function each, given what stands behind the command's name ---- */

#define CLI_COMMAND(id, usage, summary) int cli_##id(int argc, char **argv);
#include "cli/command.def"
#undef CLI_COMMAND

/* ---- options ---- */

typedef enum cli_kind { CLI_SWITCH, CLI_TEXT, CLI_NUMBER, CLI_LIST } cli_kind;

typedef struct cli_list {
  const char *item[CLI_MAX_LIST];
  size_t n;
} cli_list;

/* `out`: bool *, const char **, uint64_t * or cli_list *, by kind. */
typedef struct cli_option {
  const char *name; /* "--json", "-o" */
  cli_kind kind;
  void *out;
  const char *meta; /* what is given: "FILE"; NULL for a switch */
  const char *help;
} cli_option;

/* Reads options; the other words go to `rest`. CLI_GO to go on; else the exit status (help was shown, or the
 * usage
 * is wrong and that was said). "--" ends the options; -5 is a word. */
int cli_parse(const char *command, const cli_option *options, size_t n_options, int argc, char **argv,
              cli_list *rest);

/* ---- diagnosis ---- */

/* "minnow: WHERE: TEXT" on stderr; returns CLI_FAILED. */
int cli_fail(const mn_error *err);
/* "minnow: COMMAND: TEXT; minnow COMMAND --help says more"; returns CLI_USAGE. */
int cli_usage(const char *command, const char *text, const char *what);

/* ---- shared by commands ---- */

/* Opens the packs of `dir`, else of $MINNOW_PACKS, else the shipped ones. */
int cli_open_engine(mn_engine **mn, const char *dir);
/* One answer for a person. */
void cli_show_outcome(const mn_outcome *o);
/* "0.98" as "98 %" in `out` [16]. */
const char *cli_percent(double share, char out[16]);

/* ---- terminal ---- */

/* True when colour may be used on stdout: a terminal, and NO_COLOR is not set. */
bool cli_colour(void);
/* Escape codes for a decision ("" without colour) and back. */
const char *cli_decision_colour(const char *decision);
const char *cli_plain(void);
const char *cli_dim(void);
/* Columns of the terminal on stdout; $COLUMNS or 120 when it is none. */
size_t cli_columns(void);
/* Columns that text takes: wide characters two, combining marks none. */
size_t cli_width(base_slice text);
/* Prints text cut or padded to exactly `columns`; what is cut ends with an ellipsis. */
void cli_cell(base_slice text, size_t columns);

#endif
