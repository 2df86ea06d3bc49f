/* What a user waits for: a whole request on one thread with the packs loaded, opening a pack (a swap of
 * apps), and a process from its start to the answer. CSV: figure, unit, median, p99 (or max), runs. Run from
 * the root of the tree. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "minnow.h"
#include "os/os.h"
#include "pack/pack.h"

enum { ROUNDS = 20, SWAPS = 200, STARTS = 60, MAX_REQUESTS = 256 };

static int by_size(const void *pa, const void *pb) {
  const double *a = pa, *b = pb;
  return *a < *b ? -1 : *a > *b;
}

static void report(const char *what, const char *unit, double *v, size_t n) {
  qsort(v, n, sizeof *v, by_size);
  printf("%s,%s,%.3f,%.3f,%.3f,%zu\n", what, unit, v[0], v[n / 2], v[n * 99 / 100], n);
}

static size_t read_requests(char lines[MAX_REQUESTS][512]) {
  FILE *f = fopen("examples/requests.txt", "r");
  size_t n = 0;
  while (f != NULL && n < MAX_REQUESTS && fgets(lines[n], sizeof lines[n], f) != NULL) {
    lines[n][strcspn(lines[n], "\r\n")] = '\0';
    if (lines[n][0] != '\0' && lines[n][0] != '#') n++;
  }
  if (f != NULL) fclose(f);
  return n;
}

static int bench_requests(const char *kernels) {
  static char lines[MAX_REQUESTS][512];
  size_t n = read_requests(lines), count = 0;
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
  report(name, "us", us, count);
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
  for (size_t i = 0; i < SWAPS; i++) {
    pack *p = NULL;
    uint64_t started = os_monotonic_ns();
    if (pack_open(&p, paths[i % 3], head_brain_tok(pack_brain(first)), NULL, &err)) break;
    us[i] = (double)(os_monotonic_ns() - started) * 1e-3;
    pack_close(p);
  }
  pack_close(first);
  report("pack swap", "us", us, SWAPS);
  return 0;
}

/* envp: the packs, and what else is to be open. */
static int bench_start(const char *what, char *envp[]) {
  double ms[STARTS], mib[STARTS];
  char *argv[] = {"./minnow", "do", "--json", "wake me at 7 and text Emma good night", NULL}, name[96];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  for (size_t i = 0; i < STARTS; i++) {
    struct rusage usage;
    pid_t pid;
    int status;
    uint64_t started = os_monotonic_ns();
    if (posix_spawn(&pid, argv[0], &actions, NULL, argv, envp) != 0 || wait4(pid, &status, 0, &usage) < 0)
      return 1;
    ms[i] = (double)(os_monotonic_ns() - started) * 1e-6;
    mib[i] = (double)usage.ru_maxrss / 1024.0;
  }
  posix_spawn_file_actions_destroy(&actions);
  base_format(name, sizeof name, "process start to answer%s", what);
  report(name, "ms", ms, STARTS);
  base_format(name, sizeof name, "peak memory of that process%s", what);
  report(name, "MiB", mib, STARTS);
  return 0;
}

/* As apps run it: a policy with a cloud that is not asked, and a ledger that is there. */
static int bench_whole_start(void) {
  char folder[] = "/tmp/minnow-bench-XXXXXX", policy[96], ledger[96], command[128];
  char *envp[] = {"MINNOW_PACKS=packs", policy, ledger, NULL};
  if (mkdtemp(folder) == NULL) return 1;
  base_format(policy, sizeof policy, "MINNOW_POLICY=%s/policy.json", folder);
  base_format(ledger, sizeof ledger, "MINNOW_LEDGER=%s/ledger.db", folder);
  FILE *f = fopen(strchr(policy, '=') + 1, "wb");
  if (f == NULL) return 1;
  fputs("{\"version\":\"1\",\"cloud\":{\"enabled\":true,\"endpoint\":\"http://127.0.0.1:1/v1\",\"model\":\"m\"}}", f);
  fclose(f);
  int status = bench_start(", policy and ledger open", envp);
  base_format(command, sizeof command, "rm -rf '%s'", folder);
  return system(command) || status;
}

int main(void) {
  printf("figure,unit,min,median,p99,runs\n");
  char *packs_alone[] = {"MINNOW_PACKS=packs", NULL};
  int status = bench_start("", packs_alone); /* first: a child's peak memory starts from its parent's */
  if (!status) status = bench_whole_start();
  if (!status) status = bench_requests(NULL);
  for (int i = 1; i < 3 && !status; i++) {
    static const char *const tables[] = {"avx512vnni", "avx2", "scalar"};
    if (cpu_named(tables[i]) != NULL) status = bench_requests(tables[i]);
  }
  if (!status) status = bench_swap();
  return status;
}
