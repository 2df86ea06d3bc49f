/* minnow route: train a router, its figures, and probes for the answers of a model. One function a sub-command. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

typedef struct route_words {
  mn_route_options o;
  const char *model;
  bool folds, json;
  cli_list words;
  cli_bar bar;
  const char *phase;
} route_words;

static bool on_progress(void *ctx, const char *phase, size_t done, size_t all) {
  route_words *w = ctx;
  if (w->phase == NULL || strcmp(w->phase, phase) != 0) {
    cli_bar_clear(&w->bar);
    w->bar = cli_bar_start(phase);
    w->phase = phase;
  }
  cli_bar_draw(&w->bar, all ? (double)done / (double)all : 1.0);
  return !os_interrupted();
}

/* ---- figures ---- */

static void put_number(double x, int digits) {
  if (isnan(x)) printf("%7s", "never");
  else printf("%7.*f", digits, x);
}

static void put_curve(const char *name, const mn_route_curve *c) {
  printf("  %-14s", name);
  put_number(c->apgr, 3);
  printf("  ");
  put_number(c->cpt50, 1);
  printf("  ");
  put_number(c->cpt80, 1);
  putchar('\n');
}

static void put_thresholds(float share, double risk, double violated, double kept, double sure_risk,
                           double sure_violated, double sure_kept) {
  double alpha = 100.0 * (double)(share > 0.0f ? share : 0.2f);
  printf("at most %.1f %% of requests answered here and wrong, over 200 random halves\n", alpha);
  printf("  expected     %.2f %% wrong, above it in %.1f %% of halves, keeps %.1f %%\n", 100.0 * risk, 100.0 * violated,
         100.0 * kept);
  printf("  9 in 10      %.2f %% wrong, above it in %.1f %% of halves, keeps %.1f %%\n", 100.0 * sure_risk,
         100.0 * sure_violated, 100.0 * sure_kept);
}

static void put_report(const mn_route_report *r, const mn_route_options *o) {
  printf("%zu rows, %zu subjects; weak model right %.1f %%, strong %.1f %%\n\n", r->rows, r->subjects, 100.0 * r->weak,
         100.0 * r->strong);
  printf("  %-14s%7s  %7s  %7s\n", "", "APGR", "CPT50", "CPT80");
  put_curve("router", &r->router);
  put_curve("random", &r->random);
  put_curve("prompt length", &r->length);
  put_curve("subject mean", &r->subject_mean);
  if (r->words.apgr != 0.0) put_curve("words alone", &r->words);
  if (r->line.apgr != 0.0) put_curve("line alone", &r->line);
  if (r->trees.apgr != 0.0) put_curve("trees alone", &r->trees);
  printf("\ncalibration  ECE %.4f\nthreshold    %.4f keeps %.1f %% here\n", r->ece, r->threshold, 100.0 * r->kept);
  if (r->sure_kept > 0.0 || r->risk_kept > 0.0)
    put_thresholds(o->at_most_wrong, r->risk, r->risk_violated, r->risk_kept, r->sure_risk, r->sure_violated,
                   r->sure_kept);
  if (r->p50_us > 0.0) printf("time         p50 %.0f us, p99 %.0f us a prompt\n", r->p50_us, r->p99_us);
  if (r->bytes > 0) printf("file         %s, %.2f MB\n", o->out, (double)r->bytes / 1e6);
}

static void put_json_number(const char *name, double x) {
  if (isnan(x)) printf("\"%s\":null", name);
  else printf("\"%s\":%.6f", name, x);
}

static void put_json_curve(const char *name, const mn_route_curve *c) {
  printf(",\"%s\":{", name);
  put_json_number("apgr", c->apgr);
  putchar(',');
  put_json_number("cpt50", c->cpt50);
  putchar(',');
  put_json_number("cpt80", c->cpt80);
  putchar('}');
}

static void put_json(const mn_route_report *r) {
  printf("{\"rows\":%zu,\"subjects\":%zu,\"weak\":%.6f,\"strong\":%.6f", r->rows, r->subjects, r->weak, r->strong);
  put_json_curve("router", &r->router);
  put_json_curve("random", &r->random);
  put_json_curve("length", &r->length);
  put_json_curve("subject_mean", &r->subject_mean);
  put_json_curve("words", &r->words);
  put_json_curve("line", &r->line);
  put_json_curve("trees", &r->trees);
  printf(",\"ece\":%.6f,\"threshold\":%.6f,\"kept\":%.6f,\"risk\":%.6f,\"risk_violated\":%.6f,\"risk_kept\":%.6f",
         r->ece, r->threshold, r->kept, r->risk, r->risk_violated, r->risk_kept);
  printf(",\"sure_risk\":%.6f,\"sure_violated\":%.6f,\"sure_kept\":%.6f", r->sure_risk, r->sure_violated, r->sure_kept);
  printf(",\"p50_us\":%.1f,\"p99_us\":%.1f,\"bytes\":%llu}\n", r->p50_us, r->p99_us, (unsigned long long)r->bytes);
}

static int finish(route_words *w, int st, const mn_route_report *r, const mn_error *err) {
  cli_bar_clear(&w->bar);
  if (st != MN_OK) return cli_fail(err);
  if (w->json) put_json(r);
  else put_report(r, &w->o);
  return CLI_DONE;
}

/* ---- sub-commands ---- */

static int train(route_words *w) {
  mn_route_report r;
  mn_error err = {0};
  mn_route_report_init(&r);
  if (w->words.n != 1) return cli_usage("route train", "it needs one file of rows", NULL);
  if (w->o.out == NULL) return cli_usage("route train", "-o OUT says where the router goes", NULL);
  w->o.data = w->words.item[0];
  return finish(w, mn_route_train(&w->o, &r, &err), &r, &err);
}

static int eval(route_words *w) {
  mn_route_report r;
  mn_error err = {0};
  mn_route_report_init(&r);
  if (w->o.data == NULL) return cli_usage("route eval", "--data FILE names the rows", NULL);
  if (w->words.n != (w->folds ? 0u : 1u))
    return cli_usage("route eval", "it needs one router, or --folds and none", NULL);
  return finish(w, mn_route_eval(w->folds ? NULL : w->words.item[0], &w->o, &r, &err), &r, &err);
}

static bool on_answers(void *ctx, size_t done, size_t all) { return on_progress(ctx, "answers", done, all); }

static int answers(route_words *w) {
  mn_model_options o;
  mn_model *m = NULL;
  mn_error err = {0};
  size_t rows = 0, right = 0;
  if (w->words.n != 1) return cli_usage("route answers", "it needs one file of questions", NULL);
  if (w->model == NULL) return cli_usage("route answers", "--model FILE names the model that answers", NULL);
  if (w->o.out == NULL) return cli_usage("route answers", "-o OUT says where the answers' features go", NULL);
  mn_model_options_init(&o);
  o.threads = w->o.threads;
  o.kernels = w->o.kernels;
  int st = mn_model_open(&m, w->model, &o, &err);
  if (st == MN_OK) st = mn_route_answers(m, w->words.item[0], w->o.out, 0, on_answers, w, &rows, &right, &err);
  mn_model_close(m);
  cli_bar_clear(&w->bar);
  if (st != MN_OK) return cli_fail(&err);
  if (w->json) printf("{\"rows\":%zu,\"right\":%zu}\n", rows, right);
  else printf("%zu answers, %zu right\n", rows, right);
  return CLI_DONE;
}

static int calibrate(const route_words *w) {
  mn_probe_report r;
  mn_error err = {0};
  mn_probe_report_init(&r);
  if (w->words.n != 1) return cli_usage("route calibrate", "it needs one file of rows", NULL);
  if (w->o.out == NULL) return cli_usage("route calibrate", "-o OUT says where the probe goes", NULL);
  if (mn_route_calibrate(w->words.item[0], w->o.out, w->o.at_most_wrong, &r, &err)) return cli_fail(&err);
  if (w->json) {
    printf("{\"rows\":%zu,\"right\":%zu,\"features\":%zu,\"ece\":%.6f,\"log_loss\":%.6f,\"base_log_loss\":%.6f,"
           "\"threshold\":%.6f,\"risk\":%.6f,\"risk_violated\":%.6f,\"risk_kept\":%.6f,\"sure_risk\":%.6f,"
           "\"sure_violated\":%.6f,\"sure_kept\":%.6f}\n",
           r.rows, r.right, r.features, r.ece, r.log_loss, r.base_log_loss, r.threshold, r.risk, r.risk_violated,
           r.risk_kept, r.sure_risk, r.sure_violated, r.sure_kept);
    return CLI_DONE;
  }
  printf("%zu rows of %zu features, %.1f %% right\n", r.rows, r.features, 100.0 * (double)r.right / (double)r.rows);
  printf("log loss     %.4f nats; %.4f without the features\nECE          %.4f\n", r.log_loss, r.base_log_loss, r.ece);
  printf("threshold    %.4f: answers under it are handed off\n", r.threshold);
  put_thresholds(w->o.at_most_wrong, r.risk, r.risk_violated, r.risk_kept, r.sure_risk, r.sure_violated, r.sure_kept);
  return CLI_DONE;
}

int cli_route(int argc, char **argv) {
  route_words w = {0};
  const char *what;
  mn_route_options_init(&w.o);
  const cli_form_option options[] = {
      {{"-o", CLI_TEXT, &w.o.out, "OUT", "the file to make"}, "train answers calibrate"},
      {{"--model", CLI_TEXT, &w.model, "FILE", "the GGUF model that is asked"}, "answers"},
      {{"--data", CLI_TEXT, &w.o.data, "FILE", "rows {\"prompt\",\"weak\",\"strong\",\"subject\"}"}, "eval"},
      {{"--folds", CLI_SWITCH, &w.folds, NULL, "five routers, each trained on four fifths of the rows"}, "eval"},
      {{"--by-row", CLI_SWITCH, &w.o.by_row, NULL, "hold out rows of every subject instead of whole subjects"},
       "train eval"},
      {{"--at-most-wrong", CLI_REAL, &w.o.at_most_wrong, "SHARE", "of requests answered here and wrong; 0.2"},
       "train eval calibrate"},
      {{"--trunk", CLI_TEXT, &w.o.trunk, "FILE", "the trunk that reads the prompts; the shipped one"}, "train eval"},
      {{"--kernels", CLI_TEXT, &w.o.kernels, "NAME", "scalar, avx2, avx512vnni, amx or neondot; the best"},
       "train eval answers"},
      {{"--threads", CLI_THREADS, &w.o.threads, "N", "one a processor; the result does not depend on it"},
       "train eval answers"},
      {{"--seed", CLI_NUMBER, &w.o.seed, "N", "the same seed and rows give the same bytes; 1"}, "train eval"},
      {{"--json", CLI_SWITCH, &w.json, NULL, "the figures as one JSON object (docs/route.md)"},
       "train eval answers calibrate"},
  };
  int status = cli_parse_form("route", NULL, options, sizeof options / sizeof options[0], argc, argv, &what, &w.words);
  if (status != CLI_GO) return status;
  w.o.progress = on_progress;
  w.o.progress_ctx = &w;
  os_catch_interrupts();
  if (strcmp(what, "train") == 0) return train(&w);
  if (strcmp(what, "eval") == 0) return eval(&w);
  return strcmp(what, "answers") == 0 ? answers(&w) : calibrate(&w);
}
