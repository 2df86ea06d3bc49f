/* minnow bench: bandwidth, peak, engine, shape. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

typedef struct bench_words {
  const char *model, *kernels;
  uint32_t prompt, generate, threads, samples, megabytes;
  bool json;
  cli_list words;
} bench_words;

static bool interrupted(void *ctx) {
  (void)ctx;
  return os_interrupted();
}

static void fill_options(const bench_words *w, mn_bench_options *o) {
  mn_bench_options_init(o);
  o->kernels = w->kernels;
  o->threads = w->threads;
  o->samples = w->samples;
  o->prompt = w->prompt;
  o->generate = w->generate;
  o->stop = interrupted;
}

static int bandwidth(const bench_words *w, const mn_bench_options *o) {
  static const uint32_t sizes_mb[] = {1, 4, 16, 64, 256, 1024};
  mn_error err = {0};
  mn_bench_options one = *o;
  double rate;
  for (size_t i = 0; i < sizeof sizes_mb / sizeof sizes_mb[0]; i++) {
    if (w->megabytes > 0 && i > 0) break;
    one.bytes = (uint64_t)(w->megabytes > 0 ? w->megabytes : sizes_mb[i]) << 20;
    if (mn_bench_bandwidth(&one, &rate, &err)) return cli_fail(&err);
    if (w->json)
      printf("%s{\"megabytes\": %llu, \"gb_per_s\": %.2f}", i > 0 ? ",\n " : "[",
             (unsigned long long)(one.bytes >> 20), rate * 1e-9);
    else printf("%6llu MB  %8.1f GB/s\n", (unsigned long long)(one.bytes >> 20), rate * 1e-9);
    if (os_interrupted()) break;
  }
  if (w->json) puts("]");
  return CLI_DONE;
}

static int peak(const bench_words *w, const mn_bench_options *o) {
  mn_error err = {0};
  double i8, f32;
  if (mn_bench_peak(o, &i8, &f32, &err)) return cli_fail(&err);
  if (w->json) printf("{\"int8_gop_per_s\": %.1f, \"f32_gflop_per_s\": %.1f}\n", i8 * 1e-9, f32 * 1e-9);
  else printf("one core: int8 %.0f GOP/s, float %.0f GFLOP/s\n", i8 * 1e-9, f32 * 1e-9);
  return CLI_DONE;
}

static void put_rate(const char *name, const mn_bench_rate *r, uint32_t tokens) {
  printf("%-8s %4u tokens  %10.1f tokens/s  (%.1f to %.1f)\n", name, (unsigned)tokens, r->median, r->min, r->max);
}

static void put_report(const bench_words *w, const mn_bench_report *r) {
  double rate = r->decode.median * r->weight_bytes;
  printf("%u thread%s, %s; open %.1f ms, first token after %.1f ms; file %.1f MB, resident %.1f MB\n",
         (unsigned)r->threads, r->threads == 1 ? "" : "s", r->kernels, r->open_ms, r->first_token_ms,
         (double)r->file_bytes * 1e-6,
         (double)r->resident_bytes * 1e-6);
  if (w->prompt > 0) put_rate("prefill", &r->prefill, w->prompt);
  if (w->generate == 0) return;
  put_rate("decode", &r->decode, w->generate);
  printf("weights  read at %.1f GB/s; this machine reads a block as large at %.1f GB/s (%.0f %%)\n", rate * 1e-9,
         r->bandwidth * 1e-9, 100.0 * rate / r->bandwidth);
}

static void put_json(const bench_words *w, const mn_bench_report *r) {
  printf(
      "{\"threads\": %u, \"kernels\": \"%s\", \"open_ms\": %.3f, \"first_token_ms\": %.3f, \"file_bytes\": %llu, "
      "\"resident_bytes\": %llu,\n \"prompt\": %u, \"prefill\": {\"median\": %.2f, \"min\": %.2f, \"max\": %.2f},\n"
      " \"generate\": %u, \"decode\": {\"median\": %.2f, \"min\": %.2f, \"max\": %.2f},\n"
      " \"gb_per_s\": %.3f, \"measured_gb_per_s\": %.3f}\n",
      (unsigned)r->threads, r->kernels, r->open_ms, r->first_token_ms, (unsigned long long)r->file_bytes,
      (unsigned long long)r->resident_bytes, (unsigned)w->prompt, r->prefill.median, r->prefill.min,
      r->prefill.max, (unsigned)w->generate, r->decode.median, r->decode.min, r->decode.max,
      r->decode.median * r->weight_bytes * 1e-9, r->bandwidth * 1e-9);
}

static int engine(const bench_words *w, const mn_bench_options *o) {
  mn_error err = {0};
  mn_bench_report r;
  if (w->model == NULL) return cli_usage("bench engine", "it needs a model:", "-m FILE");
  os_catch_interrupts();
  if (mn_bench_engine(w->model, o, &r, &err)) return cli_fail(&err);
  if (w->json) put_json(w, &r);
  else put_report(w, &r);
  return CLI_DONE;
}

static int shape(const bench_words *w) {
  mn_error err = {0};
  if (w->words.n != 3) return cli_usage("bench shape", "it needs three words:", "NAME TYPE OUT.gguf");
  return mn_bench_shape(w->words.item[0], w->words.item[1], w->words.item[2], &err) ? cli_fail(&err) : CLI_DONE;
}

int cli_bench(int argc, char **argv) {
  bench_words w = {.prompt = 128, .generate = 64};
  mn_bench_options o;
  const char *what;
  const cli_form_option options[] = {
      {{"-m", CLI_TEXT, &w.model, "FILE", "the model (GGUF)"}, "engine"},
      {{"-p", CLI_COUNT, &w.prompt, "N", "tokens of the prompt; 0: none; 128"}, "engine"},
      {{"-n", CLI_COUNT, &w.generate, "N", "tokens to generate; 0: none; 64"}, "engine"},
      {{"-t", CLI_THREADS, &w.threads, "N", "threads; one a processor"}, "bandwidth peak engine"},
      {{"-r", CLI_COUNT, &w.samples, "N", "samples, of which the median is shown; 7"}, "bandwidth peak engine"},
      {{"--mb", CLI_COUNT, &w.megabytes, "N", "only a block of so many MB"}, "bandwidth"},
      {{"--kernels", CLI_TEXT, &w.kernels, "NAME", "scalar, avx2, avx512vnni, amx or neondot; the best"},
       "bandwidth peak engine"},
      {{"--json", CLI_SWITCH, &w.json, NULL, "as JSON"}, "bandwidth peak engine"},
  };
  int status = cli_parse_form("bench", NULL, options, sizeof options / sizeof options[0], argc, argv, &what, &w.words);
  if (status != CLI_GO) return status;
  fill_options(&w, &o);
  if (strcmp(what, "shape") == 0) return shape(&w);
  if (w.words.n > 0) return cli_usage("bench", "this word is not expected:", w.words.item[0]);
  if (strcmp(what, "bandwidth") == 0) return bandwidth(&w, &o);
  return strcmp(what, "peak") == 0 ? peak(&w, &o) : engine(&w, &o);
}
