/* os/worker: starting the threads of a pool or a team. */
#ifndef OS_WORKER_H
#define OS_WORKER_H

#include <pthread.h>

#include "os/os.h"

enum { OS_SPINS_PER_CLOCK = 64 };

/* Refuses a number of threads that is not 1 to OS_MAX_WORKERS. */
base_status os_worker_count_check(int threads, base_error *err);
/* Starts workers 1 to threads - 1 (worker 0 is the caller); `args` holds an argument of arg_bytes for each worker,
 * worker 0 included. Signals belong to the host's threads: these have all of them blocked. *started counts those that
 * exist, also on failure: they lie in thread[0..started) and the caller joins them. */
base_status os_workers_start(pthread_t *thread, int threads, void *(*worker_main)(void *arg), void *args,
                             size_t arg_bytes, int *started, base_error *err);
/* The processor that the caller runs on; -1 where nobody says. 1 ns. */
int os_worker_cpu(void);
/* Moves the caller to a processor that is none of `taken`, where it may run on one; then it may go where the system
 * wants again. 30 to 100 us when it moves. */
void os_worker_step_aside(const int *taken, int count);
/* Waits for a moment inside a loop that looks at memory. */
static inline void os_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
