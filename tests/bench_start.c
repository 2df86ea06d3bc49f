/* A process from its start to the first byte that it says, and the most memory that it had: a request to the packs,
 * alone and as apps run it, and a token of a language model. CSV: figure, unit, min, median, p99 (or max), runs. Run
 * from the root of the tree: bench_start [FOLDER], whose NAME.gguf are taken as models; without it files of the 10M
 * shape are made. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "figures.h"
#include "os/os.h"

enum { STARTS = 40, LARGE_STARTS = 5, LARGE_BYTES = 64 << 20 };

/* Starts it; the milliseconds until its first byte, and its peak of memory in MB. */
static bool start_once(char *const argv[], char *const envp[], double *ms, double *mb) {
  posix_spawn_file_actions_t actions;
  struct rusage usage;
  char bytes[4096];
  int ends[2], status = 1;
  pid_t pid;
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  uint64_t started = os_monotonic_ns();
  bool fine = posix_spawn(&pid, argv[0], &actions, NULL, argv, envp) == 0;
  close(ends[1]);
  bool said = fine && read(ends[0], bytes, sizeof bytes) > 0;
  *ms = (double)(os_monotonic_ns() - started) * 1e-6;
  while (said && read(ends[0], bytes, sizeof bytes) > 0) continue;
  fine = fine && wait4(pid, &status, 0, &usage) == pid && status == 0 && said;
  if (fine) *mb = (double)usage.ru_maxrss * 1024e-6;
  close(ends[0]);
  posix_spawn_file_actions_destroy(&actions);
  return fine;
}

/* `file_mb`: said too how far memory is over it; 0: of no file. */
static int bench(const char *what, char *const argv[], char *const envp[], size_t runs, double file_mb) {
  double ms[STARTS], mb[STARTS], over[STARTS], ignored;
  char name[160];
  bool fine = start_once(argv, envp, &ignored, &ignored); /* the files are in memory then */
  for (size_t i = 0; i < runs && fine; i++) {
    fine = start_once(argv, envp, &ms[i], &mb[i]);
    over[i] = mb[i] - file_mb;
  }
  if (!fine) {
    fprintf(stderr, "bench_start: %s: it failed or said nothing\n", what);
    return 1;
  }
  base_format(name, sizeof name, "%s: start to first byte", what);
  figures_row(name, "ms", ms, runs);
  base_format(name, sizeof name, "%s: peak memory", what);
  figures_row(name, "MB", mb, runs);
  base_format(name, sizeof name, "%s: peak memory over the file of %.1f MB", what, file_mb);
  if (file_mb > 0.0) figures_row(name, "MB", over, runs);
  return 0;
}

static int bench_packs(void) {
  char folder[] = "/tmp/minnow-bench-XXXXXX", policy[96], ledger[96], command[128];
  char *argv[] = {"./minnow", "do", "--json", "wake me at 7 and text Emma good night", NULL};
  char *alone[] = {"MINNOW_PACKS=packs", NULL}, *whole[] = {"MINNOW_PACKS=packs", policy, ledger, NULL};
  if (mkdtemp(folder) == NULL) return 1;
  base_format(policy, sizeof policy, "MINNOW_POLICY=%s/policy.json", folder);
  base_format(ledger, sizeof ledger, "MINNOW_LEDGER=%s/ledger.db", folder);
  static const char text[] =
      "{\"version\":\"1\",\"cloud\":{\"enabled\":true,\"endpoint\":\"http://127.0.0.1:1/v1\",\"model\":\"m\"}}";
  int status = os_write_file(strchr(policy, '=') + 1, text, sizeof text - 1, NULL);
  if (!status) status = bench("a request to all packs", argv, alone, STARTS, 0.0);
  /* a policy with a cloud that is not asked, and a ledger that is there */
  if (!status) status = bench("a request with policy and ledger", argv, whole, STARTS, 0.0);
  base_format(command, sizeof command, "rm -rf '%s'", folder);
  return system(command) || status;
}

static int bench_model(const char *what, char *path) {
  char *argv[] = {"./minnow", "generate", "-m", path, "-n", "1", "--temp", "0", "w300", NULL}, *envp[] = {NULL};
  struct stat st;
  if (stat(path, &st) != 0) return 1;
  return bench(what, argv, envp, st.st_size > LARGE_BYTES ? LARGE_STARTS : STARTS, (double)st.st_size * 1e-6);
}

static int bench_made_models(void) {
  static const char *const types[] = {"Q8_0", "Q4_0", "Q4_K_M"};
  char path[] = "/tmp/minnow-bench-XXXXXX", name[32];
  int file = mkstemp(path), status = file < 0;
  if (file >= 0) close(file);
  for (size_t i = 0; i < sizeof types / sizeof types[0] && !status; i++) {
    base_format(name, sizeof name, "10M %s", types[i]);
    status = bench_write_shape("10M", types[i], path, NULL) != BASE_OK || bench_model(name, path);
  }
  (void)unlink(path);
  return status;
}

static base_status bench_entry(void *folder, const char *name, base_error *err) {
  char path[1024];
  size_t len = strlen(name);
  if (len < 5 || strcmp(name + len - 5, ".gguf") != 0) return BASE_OK;
  bool fits = base_format(path, sizeof path, "%s/%s", (const char *)folder, name);
  return fits && bench_model(name, path) == 0 ? BASE_OK : base_fail(err, BASE_EIO, name, "failed");
}

int main(int argc, char **argv) {
  figures_head();
  fflush(stdout); /* children have copies of what waits here otherwise */
  if (argc == 2) return os_list_dir(argv[1], bench_entry, argv[1], NULL) != BASE_OK;
  int status = bench_packs();
  return status ? status : bench_made_models();
}
