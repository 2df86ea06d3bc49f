/* minnow eval: a built file's figures on labelled rows. */
#include <stdio.h>

#include "cli/cli.h"

static const int coverages[4] = {80, 90, 95, 100};

static void put_json(const mn_eval_report *r) {
  printf(
      "{\"intent_accuracy\":%.6f,\"slot_f1\":%.6f,\"exact_match\":%.6f,\"oos_recall\":%.6f,\"oos_precision\":"
      "%.6f,"
      "\"ece\":%.6f,\"auroc\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"rows\":%zu,\"oos_rows\":%zu,\"risk_at_"
      "coverage\":{",
      r->intent_accuracy, r->slot_f1, r->exact_match, r->oos_recall, r->oos_precision, r->ece, r->auroc,
      r->p50_us, r->p99_us, r->rows, r->oos_rows);
  for (size_t i = 0; i < 4; i++)
    printf("%s\"%d\":%.6f", i > 0 ? "," : "", coverages[i], r->risk_at[i]);
  printf("},\"act_threshold\":%.6f,\"acted_share\":%.6f,\"acted_wrong\":%.6f,\"reliability\":[",
         r->act_threshold, r->acted_share, r->acted_wrong);
  for (size_t i = 0; i < 15; i++)
    printf("%s{\"count\":%zu,\"confidence\":%.6f,\"accuracy\":%.6f}", i > 0 ? "," : "", r->bin[i].count,
           r->bin[i].confidence, r->bin[i].accuracy);
  puts("]}");
}

static void put_share(const char *name, double share) { printf("%-18s %6.2f %%\n", name, 100.0 * share); }

static void put_report(const mn_eval_report *r) {
  printf("%-18s %zu in scope, %zu out of scope\n", "rows", r->rows - r->oos_rows, r->oos_rows);
  put_share("intent accuracy", r->intent_accuracy);
  put_share("slot F1", r->slot_f1);
  put_share("exact match", r->exact_match);
  if (r->oos_rows > 0) {
    put_share("oos recall", r->oos_recall);
    put_share("oos precision", r->oos_precision);
  }
  printf("%-18s %6.4f\n%-18s %6.4f\n", "ECE", r->ece, "AUROC", r->auroc);
  printf("%-18s p50 %.0f us, p99 %.0f us\n", "time of a text", r->p50_us, r->p99_us);
  printf("%-18s %.3f: acts on %.2f %%, %.2f %% of those wrong\n", "act threshold", r->act_threshold,
         100.0 * r->acted_share, 100.0 * r->acted_wrong);
  puts("\nreliability\n  confidence     rows    said  right");
  for (size_t i = 0; i < 15; i++)
    if (r->bin[i].count > 0)
      printf("  %.3f-%.3f  %7zu  %6.3f %6.3f\n", (double)i / 15, (double)(i + 1) / 15, r->bin[i].count,
             r->bin[i].confidence, r->bin[i].accuracy);
  puts("\nrisk at coverage");
  for (size_t i = 0; i < 4; i++)
    printf("  most confident %3d %%: %.2f %% wrong\n", coverages[i], 100.0 * r->risk_at[i]);
}

int cli_eval(int argc, char **argv) {
  bool json = false;
  cli_list words;
  mn_eval_options o;
  mn_eval_report r;
  mn_error err = {0};
  mn_eval_options_init(&o);
  const cli_option options[] = {
      {"--data", CLI_TEXT, &o.data, "FILE",
       "labelled rows {\"text\",\"intent\",\"spans\":[[start,end,slot],...]}"},
      {"--oos", CLI_TEXT, &o.oos, "FILE", "rows that are out of scope"},
      {"--kernels", CLI_TEXT, &o.kernels, "NAME", "scalar, avx2, avx512vnni, amx or neondot; the best"},
      {"--json", CLI_SWITCH, &json, NULL, "the figures as one JSON object (docs/do.md)"},
  };
  int status = cli_parse("eval", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status != CLI_GO) return status;
  if (words.n != 1) return cli_usage("eval", "one built file is needed", NULL);
  if (o.data == NULL) return cli_usage("eval", "--data FILE names the labelled rows", NULL);
  o.model = words.item[0];
  if (mn_eval(&o, &r, &err) != MN_OK) return cli_fail(&err);
  if (json) put_json(&r);
  else put_report(&r);
  return CLI_DONE;
}
