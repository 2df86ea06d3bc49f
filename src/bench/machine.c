/* bench/machine: bandwidth and peaks. */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLE_NS = 50000000, MOST_SAMPLES = 64 };

/* ---- bandwidth ---- */

typedef struct reading {
  const cpu_kernels *kernels;
  os_team *team;
  const unsigned char *block;
  size_t share;         /* bytes of one worker */
  uint64_t nanoseconds; /* written by worker 0 */
  uint64_t sink[256];   /* keeps the reads from being left out */
  size_t rounds;
} reading;

static void read_rounds(void *ctx, int worker, int workers) {
  reading *r = ctx;
  (void)workers;
  uint64_t seen = 0, start;
  os_team_barrier(r->team, worker);
  start = os_monotonic_ns();
  for (size_t i = 0; i < r->rounds; i++) seen ^= r->kernels->read(r->block + (size_t)worker * r->share, r->share);
  os_team_barrier(r->team, worker);
  if (worker == 0) r->nanoseconds = os_monotonic_ns() - start;
  r->sink[worker] = seen;
}

base_status bench_bandwidth(const cpu_kernels *kernels, os_team *team, size_t bytes, size_t samples, double *out,
                            base_error *err) {
  size_t workers = (size_t)os_team_threads(team);
  reading r = {.kernels = kernels, .team = team, .share = bytes / workers / 4096 * 4096, .rounds = 1};
  double value[MOST_SAMPLES];
  if (r.share == 0)
    return base_fail(err, BASE_EARGUMENT, "bandwidth", "%zu bytes are no whole page for each thread", bytes);
  if (samples == 0 || samples > MOST_SAMPLES)
    return base_fail(err, BASE_EARGUMENT, "samples", "%zu were asked for; 1 to %d are possible", samples,
                     (int)MOST_SAMPLES);
  unsigned char *block = base_alloc(NULL, bytes);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "bandwidth", "no memory for %zu bytes", bytes);
  memset(block, 1, bytes);
  r.block = block;
  for (size_t i = 0; i < samples;) {
    os_team_run(team, read_rounds, &r);
    value[i] = (double)(r.share * workers * r.rounds) / ((double)r.nanoseconds * 1e-9);
    if (r.nanoseconds * 2 < SAMPLE_NS) { /* not long enough: not counted */
      r.rounds *= r.nanoseconds * 20 < SAMPLE_NS ? 10 : 2;
    } else {
      i++;
    }
  }
  *out = bench_spread_of(value, samples).median;
  base_free(NULL, block, bytes);
  return BASE_OK;
}

/* ---- peaks ---- */

static double best_rate(double (*work)(size_t rounds)) {
  double best = 0.0;
  for (int i = 0; i < 7; i++) {
    uint64_t start = os_monotonic_ns();
    double ops = work(200000), seconds = (double)(os_monotonic_ns() - start) * 1e-9;
    if (ops / seconds > best) best = ops / seconds;
  }
  return best;
}

void bench_peak(const cpu_kernels *kernels, double *i8_ops, double *f32_ops) {
  *i8_ops = best_rate(kernels->peak_i8);
  *f32_ops = best_rate(kernels->peak_f32);
}
