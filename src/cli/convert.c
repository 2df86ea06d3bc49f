/* minnow quantize, convert, export: model files into others, with a progress bar on a terminal. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { BAR_COLUMNS = 24, BAR_EVERY_NS = 100000000 };

/* What the callbacks remember between calls. */
typedef struct bar {
  bool terminal, drawn;
  uint64_t next_ns; /* when to draw again */
} bar;

static void clear(bar *b) {
  if (b->drawn) fputs("\r\033[K", stderr);
  b->drawn = false;
}

static bool on_progress(void *ctx, const char *tensor, uint64_t done, uint64_t all) {
  bar *b = ctx;
  uint64_t now = os_monotonic_ns();
  if (b->terminal && now >= b->next_ns && all > 0) {
    int full = (int)((double)done / (double)all * BAR_COLUMNS);
    clear(b);
    fputc('[', stderr);
    for (int i = 0; i < BAR_COLUMNS; i++) fputc(i < full ? '#' : '-', stderr);
    fprintf(stderr, "] %3.0f %%  %s", 100.0 * (double)done / (double)all, tensor);
    (void)fflush(stderr);
    b->drawn = true;
    b->next_ns = now + BAR_EVERY_NS;
  }
  return !os_interrupted();
}

static void on_note(void *ctx, const char *text) {
  clear(ctx);
  fprintf(stderr, "note: %s\n", text);
}

typedef int work_fn(const char *in, const char *out, const mn_convert_options *o, mn_error *err);

static int work(work_fn *fn, const char *in, const char *out, mn_convert_options *o) {
  bar b = {.terminal = os_is_terminal(STDERR_FILENO)};
  mn_error err = {0};
  o->progress = on_progress;
  o->note = on_note;
  o->ctx = &b;
  os_catch_interrupts();
  int st = fn(in, out, o, &err);
  clear(&b);
  return st == MN_OK ? CLI_DONE : cli_fail(&err);
}

int cli_quantize(int argc, char **argv) {
  mn_convert_options o;
  cli_list words;
  mn_convert_options_init(&o);
  const cli_option options[] = {
      {"--threads", CLI_THREADS, &o.threads, "N", "one a processor; the result does not depend on it"},
  };
  int status = cli_parse("quantize", options, 1, argc, argv, &words);
  if (status == CLI_GO && words.n != 3)
    status =
        cli_usage("quantize", "an input, an output and a type (Q8_0, Q4_0, Q4_K_M, ...) are needed", NULL);
  if (status != CLI_GO) return status;
  o.type = words.item[2];
  return work(mn_quantize, words.item[0], words.item[1], &o);
}

int cli_convert(int argc, char **argv) {
  mn_convert_options o;
  cli_list words;
  mn_convert_options_init(&o);
  const cli_option options[] = {
      {"--type", CLI_TEXT, &o.type, "TYPE", "F32, F16, BF16, Q8_0 or another that quantize knows; F16"},
      {"--tokenizer", CLI_TEXT, &o.tokenizer, "FILE", "the tokenizer of a llama2.c checkpoint (.bin)"},
      {"--threads", CLI_THREADS, &o.threads, "N", "one a processor; the result does not depend on it"},
  };
  int status = cli_parse("convert", options, 3, argc, argv, &words);
  if (status == CLI_GO && words.n != 2)
    status = cli_usage("convert", "an input and an output are needed", NULL);
  if (status != CLI_GO) return status;
  return work(mn_convert, words.item[0], words.item[1], &o);
}

int cli_export(int argc, char **argv) {
  mn_convert_options o;
  cli_list words;
  mn_convert_options_init(&o);
  const cli_option options[] = {
      {"--type", CLI_TEXT, &o.type, "TYPE",
       "F32, F16 or BF16; floats stay as they are, the rest becomes F16"},
  };
  int status = cli_parse("export", options, 1, argc, argv, &words);
  if (status == CLI_GO && words.n != 2)
    status = cli_usage("export", "a GGUF file and a folder are needed", NULL);
  return status == CLI_GO ? work(mn_export, words.item[0], words.item[1], &o) : status;
}
