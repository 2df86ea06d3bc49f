/* What the commands for language models share: options, opening, sampling, progress, what is shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { BAR_COLUMNS = 30 };

/* What takes less than this shows no bar. */
#define BAR_AFTER_NS UINT64_C(400000000)

/* ---- the bar ---- */

cli_bar cli_bar_start(const char *what) { return (cli_bar){.what = what, .started_ns = os_monotonic_ns()}; }

void cli_bar_draw(cli_bar *b, double share) {
  uint64_t passed = os_monotonic_ns() - b->started_ns;
  int full = (int)(share * BAR_COLUMNS);
  if (!os_is_terminal(STDERR_FILENO) || (!b->shown && (passed < BAR_AFTER_NS || share > 0.9))) return;
  b->shown = true;
  fprintf(stderr, "\r\033[K%s [", b->what);
  for (int i = 0; i < BAR_COLUMNS; i++) fputc(i < full ? '#' : '-', stderr);
  fprintf(stderr, "] %3.0f %%", share * 100.0);
  if (share > 0.02) fprintf(stderr, ", left %.0f s", (double)passed / 1e9 * (1.0 - share) / share);
  (void)fflush(stderr);
}

void cli_bar_clear(cli_bar *b) {
  if (!b->shown) return;
  fputs("\r\033[K", stderr);
  (void)fflush(stderr);
  b->shown = false;
}

/* ---- options ---- */

size_t cli_model_options(cli_model *m, const char *command, cli_option out[CLI_MODEL_OPTIONS]) {
  *m = (cli_model){
      .command = command, .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repeat = 1.0f};
  const cli_option options[] = {
      {"-m", CLI_TEXT, &m->file, "FILE", "the model, a GGUF file"},
      {"-n", CLI_COUNT, &m->max_tokens, "N", "at most so many tokens an answer; 0: as many as fit"},
      {"-c", CLI_COUNT, &m->context, "TOKENS",
       "prompt and answer together; 0: what the model was made for, at most 4096"},
      {"-t", CLI_THREADS, &m->threads, "N", "threads; one a processor"},
      {"--memory-mb", CLI_COUNT, &m->memory_mb, "MB", "hard bound on memory; 0: none"},
      {"--kv", CLI_TEXT, &m->kv, "TYPE", "keys and values kept as f16, q8 or f32; f16"},
      {"--cache", CLI_TEXT, &m->cache, "FILE", "keeps what was read of the prompt there for the next run"},
      {"--temp", CLI_REAL, &m->temperature, "T", "temperature; 0 always takes the likeliest token; 0.8"},
      {"--top-k", CLI_COUNT, &m->top_k, "K", "only the K likeliest tokens; 0: all; 40"},
      {"--top-p", CLI_REAL, &m->top_p, "P", "only the likeliest that reach P together; 1: all; 0.95"},
      {"--min-p", CLI_REAL, &m->min_p, "P", "only those at least P times as likely as the likeliest; 0.05"},
      {"--repeat-penalty", CLI_REAL, &m->repeat, "R", "divides the logits of tokens that occurred; 1: off; 1"},
      {"--frequency-penalty", CLI_REAL, &m->frequency, "F", "taken off for each occurrence; 0"},
      {"--presence-penalty", CLI_REAL, &m->presence, "F", "taken off for having occurred; 0"},
      {"--penalty-tokens", CLI_COUNT, &m->penalty_tokens, "N", "penalties look at the last N tokens; 64"},
      {"--seed", CLI_NUMBER, &m->seed, "N", "the same seed gives the same answer"},
      {"--lookup", CLI_SWITCH, &m->lookup, NULL,
       "guess ahead from the text itself: faster where it repeats, same output"},
  };
  memcpy(out, options, sizeof options);
  return sizeof options / sizeof options[0];
}

static bool on_loading(void *ctx, double share) {
  cli_bar_draw(ctx, share);
  return !os_interrupted();
}

int cli_model_open(const cli_model *m, mn_model **out) {
  cli_bar bar = cli_bar_start("loading");
  mn_model_options o;
  mn_error err = {0};
  if (m->file == NULL) return cli_usage(m->command, "-m FILE says which model", NULL);
  mn_model_options_init(&o);
  o.context = m->context;
  o.threads = m->threads;
  o.kv = m->kv;
  o.kernels = getenv("MINNOW_KERNELS");
  o.memory_bytes = m->memory_mb * UINT64_C(1000000);
  o.drafts = m->lookup ? CLI_DRAFTS : 0;
  o.progress = on_loading;
  o.progress_ctx = &bar;
  int st = mn_model_open(out, m->file, &o, &err);
  cli_bar_clear(&bar);
  return st == MN_OK ? CLI_GO : cli_fail(&err);
}

void cli_model_sampling(const cli_model *m, mn_generate_options *o) {
  o->max_tokens = m->max_tokens;
  o->temperature = m->temperature;
  o->top_k = m->top_k;
  o->top_p = m->top_p;
  o->min_p = m->min_p;
  o->repeat_penalty = m->repeat;
  o->frequency_penalty = m->frequency;
  o->presence_penalty = m->presence;
  o->penalty_tokens = m->penalty_tokens;
  o->seed = m->seed;
  o->lookup = m->lookup;
  o->cache = m->cache;
}

/* ---- Ctrl-C while the model works: a thread looks out for it ---- */

typedef struct lookout {
  os_monitor *monitor;
  mn_session *session;
  bool over;
} lookout;

enum { LOOK_MS = 20 };

static void look_out(void *ctx) {
  lookout *l = ctx;
  os_monitor_enter(l->monitor);
  while (!l->over) {
    if (os_interrupted()) mn_session_cancel(l->session);
    os_monitor_wait(l->monitor, LOOK_MS);
  }
  os_monitor_leave(l->monitor);
}

static void end_lookout(lookout *l, os_thread *t) {
  if (t != NULL) {
    os_monitor_enter(l->monitor);
    l->over = true;
    os_monitor_wake(l->monitor);
    os_monitor_leave(l->monitor);
  }
  os_thread_join(t);
  os_monitor_close(l->monitor);
}

int cli_model_generate(mn_session *s, const mn_generate_options *o, mn_generated *out, mn_error *err) {
  lookout l = {.session = s};
  os_thread *t = NULL;
  /* without the thread Ctrl-C is seen between tokens */
  if (os_monitor_open(&l.monitor, NULL) == BASE_OK) (void)os_thread_start(&t, look_out, &l, NULL);
  int st = mn_generate(s, o, out, err);
  end_lookout(&l, t);
  return st;
}

/* ---- output ---- */

void cli_put_text(base_slice text) {
  if (!os_is_terminal(STDOUT_FILENO)) {
    if (text.len > 0) (void)fwrite(text.ptr, 1, text.len, stdout);
    return;
  }
  for (size_t at = 0, step; at < text.len; at += step) {
    uint32_t c = 0;
    step = base_utf8_decode(text.ptr + at, text.len - at, &c);
    bool plain = step > 0 && (c >= 0x20 || c == '\n' || c == '\t') && (c < 0x7F || c >= 0xA0);
    if (step == 0) step = 1;
    if (plain) (void)fwrite(text.ptr + at, 1, step, stdout);
    else putchar('?');
  }
}
