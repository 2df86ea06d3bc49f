/* Options of a command: parsing, and the help made from the same table. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

typedef struct command_words {
  const char *name, *usage, *summary;
} command_words;

static const command_words all_words[] = {
#define CLI_COMMAND(id, usage, summary) {#id, usage, summary},
#define CLI_FORM(name, usage, summary) {name, usage, summary},
#include "cli/command.def"
#undef CLI_COMMAND
};

enum { ALL_WORDS = sizeof all_words / sizeof all_words[0] };

static const command_words *words_of(const char *name) {
  for (size_t i = 0; i < ALL_WORDS; i++)
    if (strcmp(all_words[i].name, name) == 0) return &all_words[i];
  return NULL;
}

static const char chat_notes[] =
    "While talking: Ctrl-C ends the answer; at the prompt, Ctrl-D or Ctrl-C twice ends the program.\n"
    "A line that ends with \\ goes on in the next one. Lines that begin with / are commands:\n"
    "  /reset              forget the conversation, keep the system message\n"
    "  /system TEXT        another system message, and a fresh conversation\n"
    "  /undo               take back the last question and its answer\n"
    "  /again              answer the last question anew\n"
    "  /save FILE          write the conversation, one JSON object a line\n"
    "  /load FILE          go on with a saved conversation\n"
    "  /help               this list\n"
    "  /quit               end";

static const char quantize_notes[] =
    "TYPE, bits a weight:\n"
    "  F32 F16 BF16                     32, 16\n"
    "  Q8_0 Q6_K Q5_K_M Q5_1 Q5_0       8.5, 6.6, 5.5 (some tensors more), 6, 5.5\n"
    "  Q4_K_M Q4_1 Q4_0 Q3_K_M Q2_K     4.5 (some more), 5, 4.5 (the fastest), 3.4 and 2.6 (many more)";

static const char schema_notes[] =
    "  minnow schema check SCHEMA INSTANCE                   whether a document fits, exactly\n"
    "  minnow schema explain SCHEMA                          what of it is enforced while text is written\n"
    "  minnow schema bench --tokenizer FILE ROWS.jsonl       measures masks by MaskBench's procedure\n"
    "minnow schema check --help, and so on, lists the options.";

static const char bench_notes[] =
    "  minnow bench bandwidth               what memory and caches give, by the size of the block\n"
    "  minnow bench peak                    what the kernels' arithmetic gives in registers\n"
    "  minnow bench engine -m FILE          tokens per second of a model, beside the bandwidth\n"
    "  minnow bench shape NAME TYPE OUT     a model with random weights: 10M, 45M, 135M, 500M or 1.1B\n"
    "minnow bench engine --help, and so on, lists the options.";

static const char route_notes[] =
    "  minnow route train ROWS.jsonl -o ROUTER.gguf                  learns a router\n"
    "  minnow route eval ROUTER.gguf --data ROWS.jsonl               figures on rows it never saw\n"
    "  minnow route eval --folds --data ROWS.jsonl                   figures of held-out fifths\n"
    "  minnow route answers --model MODEL QUESTIONS.jsonl -o ANSWERS.jsonl\n"
    "                                                                answers, their features, right or wrong\n"
    "  minnow route calibrate ANSWERS.jsonl -o PROBE.gguf            how likely an answer is right\n"
    "minnow route train --help, and so on, lists the options.";

static const char queue_notes[] =
    "  minnow queue list            what waits, and until when\n"
    "  minnow queue run             asks the cloud now\n"
    "  minnow queue drop ID         forgets a request, or with --all every one\n"
    "minnow queue list --help, and so on, lists the options.";

static const char policy_notes[] =
    "  minnow policy check FILE     whether it is one, and from which confidence each pack then acts\n"
    "  minnow policy schema         the JSON Schema that it has to fit\n"
    "minnow policy check --help lists the options.";

const char *cli_notes(const char *command) {
  static const struct {
    const char *command, *notes;
  } all[] = {{"quantize", quantize_notes}, {"chat", chat_notes},   {"schema", schema_notes}, {"bench", bench_notes},
             {"route", route_notes},       {"queue", queue_notes}, {"policy", policy_notes}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (strcmp(all[i].command, command) == 0) return all[i].notes;
  return NULL;
}

static int show_help(const char *command, const cli_option *options, size_t n) {
  const command_words *w = words_of(command);
  printf("minnow %s: %s\n\nusage: minnow %s\n\n", command, w != NULL ? w->summary : "", w != NULL ? w->usage : command);
  for (size_t i = 0; i < n; i++) {
    char left[48];
    (void)base_format(left, sizeof left, "%s%s%s", options[i].name, options[i].meta != NULL ? " " : "",
                      options[i].meta != NULL ? options[i].meta : "");
    printf("  %-22s %s\n", left, options[i].help);
  }
  if (cli_notes(command) != NULL) printf("%s%s\n", n > 0 ? "\n" : "", cli_notes(command));
  return CLI_DONE;
}

int cli_usage(const char *command, const char *text, const char *what) {
  fprintf(stderr, "minnow: %s: %s%s%.80s%s; minnow %s --help says more\n", command, text,
          what != NULL ? " \"" : "", what != NULL ? what : "", what != NULL ? "\"" : "", command);
  return CLI_USAGE;
}

static bool is_option(const char *word) {
  return word[0] == '-' && word[1] != '\0' && !(word[1] >= '0' && word[1] <= '9') && word[1] != ' ';
}

static const cli_option *find(const cli_option *options, size_t n, base_slice name) {
  for (size_t i = 0; i < n; i++)
    if (base_slice_equal(base_slice_of(options[i].name), name)) return &options[i];
  return NULL;
}

static bool list_add(cli_list *list, const char *item) {
  if (list->n == CLI_MAX_LIST) return false;
  list->item[list->n++] = item;
  return true;
}

static uint64_t most_of(cli_kind kind) {
  return kind == CLI_THREADS ? OS_MAX_WORKERS : kind == CLI_COUNT ? UINT32_MAX : INT64_MAX;
}

/* Stores an option's value; false when it is not one. */
static bool store(const cli_option *o, const char *value) {
  int64_t number;
  double real;
  switch (o->kind) {
    case CLI_TEXT: *(const char **)o->out = value; return true;
    case CLI_REAL:
      if (!base_parse_double(base_slice_of(value), &real) || real < -1e9 || real > 1e9) return false;
      *(float *)o->out = (float)real;
      return true;
    case CLI_LIST: return list_add(o->out, value);
    default:
      if (!base_parse_int(base_slice_of(value), &number) || number < 0 || (uint64_t)number > most_of(o->kind))
        return false;
      if (o->kind == CLI_NUMBER) *(uint64_t *)o->out = (uint64_t)number;
      else *(uint32_t *)o->out = (uint32_t)number;
      return true;
  }
}

static int refuse_value(const char *command, const cli_option *o, const char *value) {
  char said[120];
  if (o->kind == CLI_LIST) {
    (void)base_format(said, sizeof said, "%s stands more than %d times", o->name, CLI_MAX_LIST);
    return cli_usage(command, said, NULL);
  }
  if (o->kind == CLI_REAL) (void)base_format(said, sizeof said, "%s takes a number, not", o->name);
  else if (o->kind == CLI_NUMBER) (void)base_format(said, sizeof said, "%s takes a whole number, not", o->name);
  else
    (void)base_format(said, sizeof said, "%s takes a whole number from 0 to %llu, not", o->name,
                      (unsigned long long)most_of(o->kind));
  return cli_usage(command, said, value);
}

int cli_parse(const char *command, const cli_option *options, size_t n_options, int argc, char **argv,
              cli_list *rest) {
  bool words_only = false;
  rest->n = 0;
  for (int i = 0; i < argc; i++) {
    const char *word = argv[i], *value = NULL;
    if (words_only || !is_option(word)) {
      if (!list_add(rest, word)) return cli_usage(command, "too many words; put the text in quotes", NULL);
      continue;
    }
    if (strcmp(word, "--") == 0) {
      words_only = true;
      continue;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) return show_help(command, options, n_options);
    base_slice name = base_slice_of(word);
    const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    if (equals != NULL) {
      name.len = (size_t)(equals - word);
      value = equals + 1;
    }
    const cli_option *o = find(options, n_options, name);
    if (o == NULL) return cli_usage(command, "there is no option", word);
    if (o->kind == CLI_SWITCH) {
      if (value != NULL) return cli_usage(command, "this option takes no value:", word);
      *(bool *)o->out = true;
      continue;
    }
    if (value == NULL && i + 1 < argc) value = argv[++i];
    if (value == NULL) return cli_usage(command, "a value is missing after", word);
    if (!store(o, value)) return refuse_value(command, o, value);
  }
  return CLI_GO;
}

/* ---- commands with forms ---- */

enum { MOST_OPTIONS = 32 };

/* "say what to do: list, run or drop" */
static int ask_form(const char *command) {
  char said[120] = "say what to do: ";
  size_t len = strlen(command), at = strlen(said);
  const char *separator = "";
  for (size_t i = 0; i < ALL_WORDS; i++) {
    const char *name = all_words[i].name;
    if (strncmp(name, command, len) != 0 || name[len] != ' ') continue;
    bool last = i + 1 == ALL_WORDS || strncmp(all_words[i + 1].name, command, len) != 0;
    (void)base_format(said + at, sizeof said - at, "%s%s", last ? " or " : separator, name + len + 1);
    at += strlen(said + at);
    separator = ", ";
  }
  return cli_usage(command, said, NULL);
}

int cli_parse_form(const char *command, const char *usual, const cli_form_option *options, size_t n_options, int argc,
                   char **argv, const char **form, cli_list *rest) {
  cli_option own[MOST_OPTIONS];
  char name[48];
  size_t n = 0;
  bool named = argc > 0 && argv[0][0] != '-';
  if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) return show_help(command, NULL, 0);
  *form = named ? argv[0] : usual;
  if (*form == NULL) return ask_form(command);
  if (!base_format(name, sizeof name, "%s %s", command, *form) || words_of(name) == NULL)
    return cli_usage(command, "there is no sub-command", *form);
  for (size_t i = 0; i < n_options && n < MOST_OPTIONS; i++)
    if (base_slice_among(base_slice_of(*form), options[i].forms)) own[n++] = options[i].option;
  return cli_parse(words_of(name)->name, own, n, argc - named, argv + named, rest);
}
