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

typedef enum cli_kind { CLI_SWITCH, CLI_TEXT, CLI_NUMBER, CLI_COUNT, CLI_THREADS, CLI_REAL, CLI_LIST } cli_kind;

typedef struct cli_list {
  const char *item[CLI_MAX_LIST];
  size_t n;
} cli_list;

/* `out`, by kind: bool *, const char **, uint64_t *, uint32_t * (counts, and threads, 0 for one a processor), float *
 * or cli_list *. */
typedef struct cli_option {
  const char *name; /* "--json", "-o" */
  cli_kind kind;
  void *out;
  const char *meta; /* what is given: "FILE"; NULL for a switch */
  const char *help;
} cli_option;

/* Reads options; the other words go to `rest`. CLI_GO to go on; else the exit status (help was shown, or the usage is
 * wrong and that was said). "--" ends the options; -5 is a word. */
int cli_parse(const char *command, const cli_option *options, size_t n_options, int argc, char **argv,
              cli_list *rest);

/* An option of a command that has forms ("queue list", "queue run"), and the forms that take it: "list run". */
typedef struct cli_form_option {
  cli_option option;
  const char *forms;
} cli_form_option;

/* The same for a command with forms: its first word names one, which goes to `form` and not to `rest`; without a word
 * it is `usual`, or wrong usage when that is NULL. Only the form's own options are known, in its help too. */
int cli_parse_form(const char *command, const char *usual, const cli_form_option *options, size_t n_options, int argc,
                   char **argv, const char **form, cli_list *rest);

/* What a command's help says behind its options; NULL: nothing. */
const char *cli_notes(const char *command);

/* ---- diagnosis ---- */

/* "minnow: WHERE: TEXT" on stderr; returns CLI_FAILED. */
int cli_fail(const mn_error *err);
/* "minnow: COMMAND: TEXT; minnow COMMAND --help says more"; returns CLI_USAGE. */
int cli_usage(const char *command, const char *text, const char *what);

/* ---- shared by commands ---- */

/* What an engine is opened with, as options of a command say it. */
typedef struct cli_house {
  const char *packs, *policy, *ledger, *contacts, *model, *probe, *router;
  bool kept; /* opened with a ledger */
  mn_model *opened; /* that of `model`: cli_close_engine */
} cli_house;
/* Options that fill one, for a command's table: all need the packs and the policy; only what writes texts a model. */
#define CLI_PACKS_OPTION(h) {"--packs", CLI_TEXT, &(h).packs, "DIR", "the folder of built packs"}
#define CLI_POLICY_OPTION(h) \
  {"--policy", CLI_TEXT, &(h).policy, "FILE", "what may be done and what may leave (docs/policy.md)"}
#define CLI_LEDGER_OPTION(h) \
  {"--ledger", CLI_TEXT, &(h).ledger, "FILE", "where decisions and spending are written down"}
#define CLI_CONTACTS_OPTION(h) \
  {"--contacts", CLI_TEXT, &(h).contacts, "FILE", "names that are persons wherever they stand, one a line"}
#define CLI_HOUSE_OPTIONS(h) CLI_PACKS_OPTION(h), CLI_POLICY_OPTION(h), CLI_LEDGER_OPTION(h), CLI_CONTACTS_OPTION(h)
#define CLI_WRITER_OPTIONS(h)                                                                                  \
  {"--model", CLI_TEXT, &(h).model, "FILE", "text, extract: a GGUF model that answers on this device"},        \
  {"--probe", CLI_TEXT, &(h).probe, "FILE", "text, extract: how likely that model is right (docs/route.md)"},  \
  {"--router", CLI_TEXT, &(h).router, "FILE", "text: which requests need the cloud at once (docs/route.md)"}
/* Opens the engine. What is not given is taken from $MINNOW_PACKS, $MINNOW_POLICY, $MINNOW_LEDGER; the cloud's key
 * from $MINNOW_CLOUD_KEY, the device's id and tier from $MINNOW_DEVICE and $MINNOW_TIER. */
int cli_open_engine(mn_engine **mn, cli_house *house);
void cli_close_engine(mn_engine *mn, cli_house *house); /* NULL is harmless */
/* The folder of packs: the one given, else $MINNOW_PACKS; NULL: the shipped ones. */
const char *cli_packs_folder(const char *given);
/* The ledger to read: the one given, else $MINNOW_LEDGER; NULL, and that was said, when there is none. */
const char *cli_ledger(const char *command, const char *given);
/* Whether there is one; said when not. Opening an engine would make an empty one. */
bool cli_has_ledger(const char *path);
/* One answer for a person; with its id when a ledger has kept it. */
void cli_show_outcome(const mn_outcome *o, bool kept);
/* A policy that was changed and is broken is not in force: said on stderr. */
void cli_warn_policy(const mn_engine *mn);
/* "0.98" as "98 %" in `out` [16]. */
const char *cli_percent(double share, char out[16]);

/* ---- language models: what generate and chat share (model.c) ---- */

enum { CLI_MODEL_OPTIONS = 18, CLI_DRAFTS = 16 };

/* Options of the command line for a model and for sampling. */
typedef struct cli_model {
  const char *command; /* for messages */
  const char *file, *kv, *cache;
  uint64_t seed;
  uint32_t threads, context, memory_mb, max_tokens, top_k, penalty_tokens;
  float temperature, top_p, min_p, repeat, frequency, presence;
  bool lookup;
} cli_model;

/* Defaults, and the options in `out`; returns how many. */
size_t cli_model_options(cli_model *m, const char *command, cli_option out[CLI_MODEL_OPTIONS]);
/* Opens the model, with a progress bar when it takes long. CLI_GO or the exit status. */
int cli_model_open(const cli_model *m, mn_model **out);
/* The sampling part, and the seed that is used. */
void cli_model_sampling(const cli_model *m, mn_generate_options *o);
/* mn_generate that Ctrl-C ends, in the middle of a long prompt too. */
int cli_model_generate(mn_session *s, const mn_generate_options *o, mn_generated *out, mn_error *err);
/* A file of text for an option, terminated; CLI_GO or the exit status. */
int cli_read_text(const char *path, base_buf *out);
/* An answer as OpenAI's chat completions have it, one line. */
void cli_put_completion(const mn_generated *g, const char *model, int64_t unix_seconds);
/* Text that a model wrote: on a terminal without what could steer it. */
void cli_put_text(base_slice text);

/* A bar on stderr, only on a terminal and only for what takes longer than a moment. */
typedef struct cli_bar {
  const char *what;
  uint64_t started_ns;
  bool shown;
} cli_bar;

/* `what` stands before the bar and is borrowed; `share` is of the work, 0 to 1; clear takes the bar away. */
cli_bar cli_bar_start(const char *what);
void cli_bar_draw(cli_bar *b, double share);
void cli_bar_clear(cli_bar *b);

/* ---- a line from the user (line.c) ---- */

typedef struct cli_line cli_line;

typedef enum cli_line_end { CLI_LINE_DONE, CLI_LINE_INTERRUPT, CLI_LINE_EOF } cli_line_end;

/* NULL when out of memory. */
cli_line *cli_line_open(void);
void cli_line_close(cli_line *l);
/* On a terminal with editing (arrows, Home and End, Ctrl-A E K U W, history with the up and down arrows), else a
 * plain line. `text` lives until the next call and has no line end. */
cli_line_end cli_line_read(cli_line *l, const char *prompt, base_slice *text);

/* ---- terminal ---- */

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
