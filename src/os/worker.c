/* os/worker: starting the threads of a pool or a team. */
#include "os/worker.h"

#include <errno.h>
#include <signal.h>

base_status os_worker_count_check(int threads, base_error *err) {
  if (threads >= 1 && threads <= OS_MAX_WORKERS) return BASE_OK;
  return base_fail(err, BASE_EARGUMENT, "threads", "%d threads asked for; 1 to %d are possible", threads,
                   (int)OS_MAX_WORKERS);
}

base_status os_workers_start(pthread_t *thread, int threads, void *(*worker_main)(void *arg), void *args,
                             size_t arg_bytes, int *started, base_error *err) {
  sigset_t all, old;
  base_status status = BASE_OK;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &old);
  for (int i = 1; i < threads && status == BASE_OK; i++) {
    int code = pthread_create(&thread[*started], NULL, worker_main, (char *)args + (size_t)i * arg_bytes);
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
