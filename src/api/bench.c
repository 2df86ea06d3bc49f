/* mn_bench_*: the machine and the engine measured. */
#include <string.h>

#include "api/api.h"
#include "bench/bench.h"
#include "os/os.h"

void mn_bench_options_init(mn_bench_options *o) { *o = (mn_bench_options){.size = sizeof *o}; }

/* The caller's options with defaults, and the kernels they name. */
static base_status take_options(const mn_bench_options *theirs, mn_bench_options *o, const cpu_kernels **kernels,
                                base_error *err) {
  mn_bench_options_init(o);
  base_status st = api_take_struct(o, sizeof *o, theirs, "mn_bench_options", err);
  if (st == BASE_OK) st = api_take_kernels(o->kernels, kernels, err);
  if (st == BASE_OK) st = api_take_threads(o->threads, &o->threads, err);
  if (o->samples == 0) o->samples = 7;
  if (o->bytes == 0) o->bytes = UINT64_C(256) << 20;
  return st;
}

int mn_bench_bandwidth(const mn_bench_options *theirs, double *bytes_per_second, mn_error *err) {
  base_error inner = {0};
  mn_bench_options o;
  const cpu_kernels *kernels;
  os_team *team = NULL;
  base_status st = take_options(theirs, &o, &kernels, &inner);
  if (st == BASE_OK && o.bytes > SIZE_MAX / 2)
    st = base_fail(&inner, BASE_EARGUMENT, "bytes", "more than can be addressed");
  if (st == BASE_OK) st = os_team_open(&team, (int)o.threads, &inner);
  if (st == BASE_OK) st = bench_bandwidth(kernels, team, (size_t)o.bytes, o.samples, bytes_per_second, &inner);
  os_team_close(team);
  return api_result(st, &inner, err);
}

int mn_bench_peak(const mn_bench_options *theirs, double *i8_per_second, double *f32_per_second, mn_error *err) {
  base_error inner = {0};
  mn_bench_options o;
  const cpu_kernels *kernels;
  base_status st = take_options(theirs, &o, &kernels, &inner);
  if (st == BASE_OK) bench_peak(kernels, i8_per_second, f32_per_second);
  return api_result(st, &inner, err);
}

int mn_bench_shape(const char *shape, const char *type, const char *path, mn_error *err) {
  base_error inner = {0};
  return api_result(bench_write_shape(shape, type, path, &inner), &inner, err);
}

static mn_bench_rate rate_of(bench_spread s) { return (mn_bench_rate){.median = s.median, .min = s.min, .max = s.max}; }

int mn_bench_engine(const char *model, const mn_bench_options *theirs, mn_bench_report *report, mn_error *err) {
  base_error inner = {0};
  mn_bench_options o;
  const cpu_kernels *kernels;
  bench_engine_result r;
  base_status st = take_options(theirs, &o, &kernels, &inner);
  if (st == BASE_OK) {
    bench_engine_options options = {.path = model,
                                    .kernels = kernels,
                                    .threads = (int)o.threads,
                                    .prompt = o.prompt,
                                    .generate = o.generate,
                                    .samples = o.samples,
                                    .stop = o.stop,
                                    .stop_ctx = o.stop_ctx};
    st = bench_engine(&options, &r, &inner);
  }
  if (st == BASE_OK)
    *report = (mn_bench_report){.threads = o.threads,
                                .kernels = kernels->name,
                                .open_ms = r.open_ms,
                                .first_token_ms = r.first_token_ms,
                                .prefill = rate_of(r.prefill),
                                .decode = rate_of(r.decode),
                                .weight_bytes = r.weight_bytes,
                                .bandwidth = r.bandwidth,
                                .file_bytes = r.file_bytes,
                                .resident_bytes = r.resident_bytes};
  return api_result(st, &inner, err);
}
