/* os/thread: single threads and monitors over POSIX threads. Clocks are monotonic, so that a changed wall clock
 * neither shortens nor stretches a wait. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "os/os.h"

struct os_thread {
  pthread_t handle;
  void (*fn)(void *ctx);
  void *ctx;
};

static void *run(void *arg) {
  os_thread *t = arg;
  t->fn(t->ctx);
  return NULL;
}

base_status os_thread_start(os_thread **out, void (*fn)(void *ctx), void *ctx, base_error *err) {
  sigset_t all, old;
  os_thread *t = base_alloc(base_allocator_libc(), sizeof *t);
  if (t == NULL) return base_fail(err, BASE_ENOMEM, "thread", "no memory for a thread");
  *t = (os_thread){.fn = fn, .ctx = ctx};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old); /* the thread inherits the mask */
  int failed = pthread_create(&t->handle, NULL, run, t);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (failed) {
    base_free(base_allocator_libc(), t, sizeof *t);
    return base_fail(err, BASE_ELIMIT, "thread", "the system refused to start a thread");
  }
  *out = t;
  return BASE_OK;
}

void os_thread_join(os_thread *t) {
  if (t == NULL) return;
  pthread_join(t->handle, NULL);
  base_free(base_allocator_libc(), t, sizeof *t);
}

struct os_monitor {
  pthread_mutex_t lock;
  pthread_cond_t changed;
};

base_status os_monitor_open(os_monitor **out, base_error *err) {
  pthread_condattr_t attributes;
  os_monitor *m = base_alloc(base_allocator_libc(), sizeof *m);
  if (m == NULL) return base_fail(err, BASE_ENOMEM, "monitor", "no memory for a lock");
  pthread_mutex_init(&m->lock, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&m->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  *out = m;
  return BASE_OK;
}

void os_monitor_close(os_monitor *m) {
  if (m == NULL) return;
  pthread_cond_destroy(&m->changed);
  pthread_mutex_destroy(&m->lock);
  base_free(base_allocator_libc(), m, sizeof *m);
}

void os_monitor_enter(os_monitor *m) { pthread_mutex_lock(&m->lock); }
void os_monitor_leave(os_monitor *m) { pthread_mutex_unlock(&m->lock); }
void os_monitor_wake(os_monitor *m) { pthread_cond_broadcast(&m->changed); }

void os_monitor_wait(os_monitor *m, uint32_t timeout_ms) {
  struct timespec until;
  if (timeout_ms == 0) {
    pthread_cond_wait(&m->changed, &m->lock);
    return;
  }
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t)(timeout_ms / 1000);
  until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  pthread_cond_timedwait(&m->changed, &m->lock, &until);
}
