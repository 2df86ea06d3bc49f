/* os/process: what the process is and where it runs: processors, memory, terminal, interrupts. */
#include "os/os.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

int os_cpu_count(void) {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n >= 1 && n < 4096 ? (int)n : 1;
}

bool os_allow_tiles(void) {
#if defined(__linux__) && defined(__x86_64__)
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
  return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
  return false;
#endif
}

bool os_is_terminal(int fd) {
  return isatty(fd) == 1;
}

/* "VmHWM:   1234 kB" of /proc/self/status; 0 when the system has no such file. */
static size_t status_kb(base_slice key) {
  base_buf text = {0};
  size_t kb = 0;
  if (os_read_file("/proc/self/status", 1 << 16, &text, NULL) == BASE_OK) {
    base_slice rest = {text.ptr, text.len}, line;
    while (base_slice_split(&rest, '\n', &line)) {
      if (!base_slice_starts(line, key)) continue;
      base_slice number = base_slice_trim(base_slice_sub(line, key.len, line.len));
      (void)base_slice_split(&number, ' ', &line);
      if (!base_parse_size(line, &kb)) kb = 0;
      break;
    }
  }
  base_buf_free(&text);
  return kb;
}

/* getrusage also counts what the parent held before exec, so it is the second choice. */
size_t os_peak_memory_bytes(void) {
  struct rusage usage;
  size_t kb = status_kb(BASE_LITERAL("VmHWM:"));
  if (kb == 0 && getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss > 0) kb = (size_t)usage.ru_maxrss;
  return kb * 1024;
}

size_t os_resident_memory_bytes(void) {
  return status_kb(BASE_LITERAL("VmRSS:")) * 1024;
}

/* The one mutable global of the tree: a signal handler has nothing else to reach. Atomic, since any thread may ask. */
static atomic_bool interrupted;

static void on_signal(int number) {
  (void)number;
  atomic_store(&interrupted, true);
}

/* SA_RESETHAND: the first signal asks for an orderly end, a second one ends the process. */
void os_catch_interrupts(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = (int)SA_RESETHAND;
  (void)sigemptyset(&action.sa_mask);
  (void)sigaction(SIGINT, &action, NULL);
  (void)sigaction(SIGTERM, &action, NULL);
}

bool os_interrupted(void) {
  return atomic_load(&interrupted);
}

void os_clear_interrupt(void) {
  atomic_store(&interrupted, false);
  os_catch_interrupts();
}
