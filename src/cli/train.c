/* minnow train: a pack's folder, labelled rows or plain text to a file, with a progress bar. Ctrl-C keeps
 * what was learnt; the same command goes on from there. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { BAR_COLUMNS = 24 };

/* What the progress callback remembers between calls. */
typedef struct bar {
  bool terminal;     /* stderr is one: the bar is drawn in place */
  double next_s;     /* when the next line is due, elsewhere */
  const char *phase; /* of the last call */
} bar;

static void put_clock(double seconds) {
  long s = seconds > 0 ? (long)(seconds + 0.5) : 0;
  if (s >= 3600) fprintf(stderr, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else fprintf(stderr, "%ld:%02ld", s / 60, s % 60);
}

static void draw(const bar *b, const mn_progress *p) {
  double share = p->steps > 0 ? (double)p->step / (double)p->steps : 0.0;
  int full = (int)(share * BAR_COLUMNS);
  if (b->terminal) fputs("\r\033[K", stderr);
  fprintf(stderr, "%-9s [", p->phase);
  for (int i = 0; i < BAR_COLUMNS; i++)
    fputc(i < full ? '#' : '-', stderr);
  fprintf(stderr, "] %3.0f %%", share * 100.0);
  if (p->epochs > 0) fprintf(stderr, "  epoch %u/%u", p->epoch, p->epochs);
  if (p->loss > 0.0f) fprintf(stderr, "  loss %.3f", (double)p->loss);
  fputs("  ", stderr);
  put_clock(p->elapsed_s);
  fputs(", left ", stderr);
  put_clock(p->eta_s);
  if (!b->terminal) fputc('\n', stderr);
  (void)fflush(stderr);
}

static void put_metrics(const bar *b, const mn_progress *p) {
  if (b->terminal) fputs("\r\033[K", stderr);
  if (strcmp(p->phase, "pretrain") == 0)
    fprintf(stderr, "%-9s held-out words guessed %.1f %%, best %.1f %%\n", p->phase,
            100.0 * (double)p->label_accuracy, 100.0 * (double)p->best);
  else
    fprintf(stderr, "%-9s epoch %u: intent %.1f %%, slot F1 %.1f %%, exact %.1f %% of held-out rows\n",
            p->phase, p->epoch, 100.0 * (double)p->label_accuracy, 100.0 * (double)p->slot_f1,
            100.0 * (double)p->exact_match);
}

static bool on_progress(void *ctx, const mn_progress *p) {
  bar *b = ctx;
  bool new_phase = b->phase == NULL || strcmp(b->phase, p->phase) != 0;
  if (p->validated) put_metrics(b, p);
  if (b->terminal || new_phase || p->elapsed_s >= b->next_s) {
    draw(b, p);
    b->next_s = p->elapsed_s + 10.0;
  }
  b->phase = p->phase;
  return !os_interrupted();
}

static void put_accuracy(const char *name, float label, float f1, float exact) {
  printf("%-12s intent %.2f %%, slot F1 %.2f %%, exact %.2f %%\n", name, 100.0 * (double)label,
         100.0 * (double)f1, 100.0 * (double)exact);
}

static void report(const mn_train_report *r) {
  printf("%-12s %zu to learn, %zu held out, %u epochs, %.0f s\n", "rows", r->train_rows, r->valid_rows,
         r->epochs_run, r->seconds);
  if (r->valid_rows > 0) {
    put_accuracy("float", r->label_accuracy, r->slot_f1, r->exact_match);
    put_accuracy("int8", r->label_accuracy_i8, r->slot_f1_i8, r->exact_match_i8);
    printf("%-12s ECE %.3f; ", "calibration", (double)r->ece);
    if (r->act_threshold > 1.0f) /* no confidence is enough */
      printf("asks before it acts: these held-out rows cannot show that few enough would be wrong\n");
    else
      printf("acts from confidence %.3f on: on %.1f %% of held-out rows, %.1f %% of those wrong\n",
             (double)r->act_threshold, 100.0 * (double)r->acted_share, 100.0 * (double)r->acted_wrong);
  }
  printf("%-12s %s, %.2f MB\n", "file", r->out, (double)r->bytes / 1e6);
}

static int train(mn_train_options *o) {
  bar b = {.terminal = os_is_terminal(STDERR_FILENO)};
  mn_train_report r = {0};
  mn_error err = {0};
  o->progress = on_progress;
  o->progress_ctx = &b;
  os_catch_interrupts();
  int st = mn_train(o, &r, &err);
  if (b.terminal && b.phase != NULL) fputs("\r\033[K", stderr);
  if (st == MN_ECANCELLED) {
    fputs("minnow: stopped; every finished epoch is kept, run the same command again to go on from there\n",
          stderr);
    return CLI_FAILED;
  }
  if (st != MN_OK) return cli_fail(&err);
  report(&r);
  return CLI_DONE;
}

/* Words that are no options are a pack's folder, or more text files after --unlabelled. */
static int choose_input(mn_train_options *o, const cli_list *words, cli_list *texts) {
  if (texts->n == 0 && o->nlu_file == NULL) {
    if (words->n != 1)
      return cli_usage("train", "one pack folder, --nlu FILE or --unlabelled TEXT is needed", NULL);
    o->pack_dir = words->item[0];
    return CLI_GO;
  }
  if (texts->n == 0 && words->n > 0) return cli_usage("train", "this word is not expected:", words->item[0]);
  for (size_t i = 0; i < words->n; i++) {
    if (texts->n == CLI_MAX_LIST) return cli_usage("train", "too many text files", NULL);
    texts->item[texts->n++] = words->item[i];
  }
  o->unlabelled = texts->item;
  o->n_unlabelled = texts->n;
  if (o->out == NULL) return cli_usage("train", "-o OUT says where the file goes", NULL);
  return CLI_GO;
}

int cli_train(int argc, char **argv) {
  mn_train_options o;
  cli_list words, texts = {.n = 0};
  mn_train_options_init(&o);
  const cli_option options[] = {
      {"--nlu", CLI_TEXT, &o.nlu_file, "FILE",
       "labelled rows {\"text\",\"intent\",\"spans\":[[start,end,slot],...]}"},
      {"--unlabelled", CLI_LIST, &texts, "TEXT", "plain text, one a line, to learn the language from first"},
      {"--valid", CLI_TEXT, &o.valid_file, "FILE",
       "held-out rows; otherwise a share of the rows is held out"},
      {"--oos", CLI_TEXT, &o.oos_file, "FILE", "rows that are out of scope"},
      {"-o", CLI_TEXT, &o.out, "OUT", "the file to make; a pack's goes beside its folder"},
      {"--trunk", CLI_TEXT, &o.trunk, "FILE", "the trunk to start from"},
      {"--checkpoint", CLI_TEXT, &o.checkpoint, "FILE", "where an interrupted run is kept; OUT.checkpoint"},
      {"--refit", CLI_TEXT, &o.refit, "WHAT",
       "fit anew what stands beside a built pack's trunk and heads: all, calibration"},
      {"--seed", CLI_NUMBER, &o.seed, "N", "the same seed and inputs give the same bytes; 1"},
      {"--threads", CLI_THREADS, &o.threads, "N", "one a processor; the result does not depend on it"},
      {"--epochs", CLI_COUNT, &o.epochs, "N", "times to go over the rows"},
  };
  int status = cli_parse("train", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status == CLI_GO) status = choose_input(&o, &words, &texts);
  if (status != CLI_GO) return status;
  return train(&o);
}
