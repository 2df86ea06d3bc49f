/* os/worker: starting the threads of a pool or a team. */
#include "os/worker.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

base_status os_worker_count_check(int threads, base_error *err) {
  if (threads >= 1 && threads <= OS_MAX_WORKERS) return BASE_OK;
  return base_fail(err, BASE_EARGUMENT, "threads", "%d threads asked for; 1 to %d are possible", threads,
                   (int)OS_MAX_WORKERS);
}

#if defined(__linux__) && defined(__GLIBC__)
/* A new thread begins on the processor of the one that made it, and systems that save power leave it there for
 * milliseconds, in which both are slow. So worker i begins i processors further; then it may go where the system
 * wants. */
static void spread_out(pthread_attr_t *attr, const cpu_set_t *ours, int i) {
  int count = CPU_COUNT(ours), here = sched_getcpu();
  cpu_set_t one;
  if (count < 2 || here < 0) return;
  size_t cpu = (size_t)here;
  for (int steps = i % count; steps > 0;) {
    cpu = (cpu + 1) % CPU_SETSIZE;
    if (CPU_ISSET(cpu, ours)) steps--;
  }
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  (void)pthread_attr_setaffinity_np(attr, sizeof one, &one);
}

static int start_worker(pthread_t *thread, int i, void *(*worker_main)(void *arg), void *arg) {
  pthread_attr_t attr;
  cpu_set_t ours;
  bool known = sched_getaffinity(0, sizeof ours, &ours) == 0;
  (void)pthread_attr_init(&attr);
  if (known) spread_out(&attr, &ours, i);
  int code = pthread_create(thread, &attr, worker_main, arg);
  if (code == EINVAL) code = pthread_create(thread, NULL, worker_main, arg); /* the processor went away */
  if (code == 0 && known) (void)pthread_setaffinity_np(*thread, sizeof ours, &ours);
  (void)pthread_attr_destroy(&attr);
  return code;
}

int os_worker_cpu(void) { return sched_getcpu(); }

void os_worker_step_aside(const int *taken, int count) {
  cpu_set_t ours, free;
  if (sched_getaffinity(0, sizeof ours, &ours) != 0) return;
  free = ours;
  for (int i = 0; i < count; i++)
    if (taken[i] >= 0) CPU_CLR((size_t)taken[i], &free);
  if (CPU_COUNT(&free) == 0 || sched_setaffinity(0, sizeof free, &free) != 0) return;
  (void)sched_setaffinity(0, sizeof ours, &ours);
}
#else
int os_worker_cpu(void) { return -1; }

void os_worker_step_aside(const int *taken, int count) {
  (void)taken;
  (void)count;
}

static int start_worker(pthread_t *thread, int i, void *(*worker_main)(void *arg), void *arg) {
  (void)i;
  return pthread_create(thread, NULL, worker_main, arg);
}
#endif

base_status os_workers_start(pthread_t *thread, int threads, void *(*worker_main)(void *arg), void *args,
                             size_t arg_bytes, int *started, base_error *err) {
  sigset_t all, old;
  base_status status = BASE_OK;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &old);
  for (int i = 1; i < threads && status == BASE_OK; i++) {
    int code = start_worker(&thread[*started], i, worker_main, (char *)args + (size_t)i * arg_bytes);
    if (code == 0) {
      ++*started;
    } else {
      status = base_fail(err, code == EAGAIN ? BASE_ELIMIT : BASE_EIO, "threads",
                         "cannot start thread %d of %d; ask for fewer", i + 1, threads);
    }
  }
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
  return status;
}
