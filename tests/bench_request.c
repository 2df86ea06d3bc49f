/* What a user waits for: a whole request on one thread with the packs loaded, and opening a pack (a swap of apps).
 * bench_start has the start of a process. CSV: figure, unit, min, median, p99 (or max), runs. Run from the root of the
 * tree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "minnow.h"
#include "os/os.h"
#include "pack/pack.h"

enum { ROUNDS = 20, SWAPS = 200, MAX_REQUESTS = 256 };

static int bench_requests(const char *kernels) {
  static char lines[MAX_REQUESTS][512];
  size_t n = figures_requests(lines, MAX_REQUESTS), count = 0;
  double *us = malloc(sizeof *us * MAX_REQUESTS * ROUNDS);
  mn_engine_options o;
  mn_engine *mn = NULL;
  mn_error err = {0};
  char name[64];
  mn_engine_options_init(&o);
  o.packs_dir = "packs";
  o.kernels = kernels;
  if (us == NULL || n == 0 || mn_engine_open(&mn, &o, &err)) {
    fprintf(stderr, "bench: %s: %s\n", err.where, err.text);
    free(us);
    return 1;
  }
  for (int round = -1; round < ROUNDS; round++)
    for (size_t i = 0; i < n; i++) {
      mn_request r;
      mn_outcome *out = NULL;
      mn_request_init(&r);
      r.text = lines[i];
      r.now = "2026-03-02T21:15:00";
      uint64_t started = os_monotonic_ns();
      if (mn_do(mn, &r, &out, NULL) != MN_OK) continue;
      if (round >= 0) us[count++] = (double)(os_monotonic_ns() - started) * 1e-3;
      mn_outcome_free(out);
    }
  snprintf(name, sizeof name, "request (%s)", mn_engine_kernels(mn));
  figures_row(name, "us", us, count);
  mn_engine_close(mn);
  free(us);
  return 0;
}

static int bench_swap(void) {
  static const char *const paths[] = {"packs/music.gguf", "packs/clock.gguf", "packs/home.gguf"};
  double us[SWAPS];
  pack *first = NULL;
  base_error err = {0};
  if (pack_open(&first, "packs/gate.gguf", NULL, NULL, &err)) {
    fprintf(stderr, "bench: %s: %s\n", err.where, err.text);
    return 1;
  }
  size_t n = 0;
  while (n < SWAPS) {
    pack *p = NULL;
    uint64_t started = os_monotonic_ns();
    if (pack_open(&p, paths[n % 3], head_brain_tok(pack_brain(first)), NULL, &err)) break;
    us[n++] = (double)(os_monotonic_ns() - started) * 1e-3;
    pack_close(p);
  }
  pack_close(first);
  figures_row("pack swap", "us", us, n);
  if (n == SWAPS) return 0;
  fprintf(stderr, "bench: %s: %s\n", err.where, err.text);
  return 1;
}

int main(void) {
  figures_head();
  int status = bench_requests(NULL);
  for (int i = 1; i < 3 && !status; i++) {
    static const char *const tables[] = {"avx512vnni", "avx2", "scalar"};
    if (cpu_named(tables[i]) != NULL) status = bench_requests(tables[i]);
  }
  if (!status) status = bench_swap();
  return status;
}
