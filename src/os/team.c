/* os/team: threads that run one function together. Every worker owns a cache line with the number of barriers it
 * has reached; it waits until all others' numbers are no smaller than its own. Nobody writes another's line, so
 * two workers meet in the time that one line takes to cross. The line also says on which processor it was then: systems
 * wake a thread on the processor of the one that woke it, and for 15 to 30 ms both are half as fast. Whoever waits for
 * one that was where itself is goes elsewhere.
 *
 *   run: fields written -> `run` raised -> workers leave wait_for_run -> fn -> a last barrier -> run returns
 *
 * Who has spun for long parks on `wake`: it counts itself in `parked`, looks once more, sleeps. Who has raised a
 * number looks at `parked` afterwards. With sequentially consistent operations one of the two sees the other. */
#include "os/worker.h"

#include <stdatomic.h>

/* SPINS_HOT looks come without a pause, which costs 40 ns on some processors. */
enum { SPIN_NS = 100000, SPINS_HOT = 2000 };

typedef struct team_line {
  _Alignas(128) _Atomic uint32_t reached; /* barriers reached, modulo 2^32 */
  _Atomic int cpu;                        /* where it was then; -1: nobody knows */
} team_line;

typedef struct team_arg {
  os_team *team;
  int worker;
} team_arg;

struct os_team {
  team_line line[OS_MAX_WORKERS];
  _Alignas(128) _Atomic uint32_t run; /* runs started, modulo 2^32 */
  _Atomic bool stop;
  _Alignas(128) _Atomic int parked;
  void (*fn)(void *ctx, int worker, int workers); /* both ordered by `run` */
  void *ctx;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  int threads, started;
  uint64_t spin_ns; /* 0 when there are more threads than processors */
  void *block;      /* what was allocated; the team lies aligned in it */
  pthread_t thread[OS_MAX_WORKERS];
  team_arg arg[OS_MAX_WORKERS];
};

/* ---- waiting ---- */

typedef bool ready_fn(os_team *team, int worker, uint32_t number);

static bool all_reached(os_team *t, int worker, uint32_t number) {
  for (int i = 0; i < t->threads; i++) {
    if (i == worker) continue;
    if ((int32_t)(atomic_load(&t->line[i].reached) - number) < 0) return false;
  }
  return true;
}

static bool run_or_stop(os_team *t, int worker, uint32_t number) {
  (void)worker;
  return atomic_load(&t->run) == number || atomic_load(&t->stop);
}

static void note_cpu(os_team *t, int worker) {
  atomic_store_explicit(&t->line[worker].cpu, os_worker_cpu(), memory_order_relaxed);
}

/* A worker that shares its processor with another one of the team leaves it, for one that none of them is on. */
static void keep_apart(os_team *t, int worker) {
  int taken[OS_MAX_WORKERS], here = os_worker_cpu();
  bool shared = false;
  if (t->spin_ns == 0) return;
  for (int i = 0; i < t->threads; i++) {
    taken[i] = i == worker ? here : atomic_load_explicit(&t->line[i].cpu, memory_order_relaxed);
    shared = shared || (i != worker && taken[i] == here);
  }
  if (shared && here >= 0) os_worker_step_aside(taken, t->threads);
  note_cpu(t, worker);
}

static bool spin(os_team *t, ready_fn *ready, int worker, uint32_t number) {
  if (t->spin_ns == 0) return ready(t, worker, number);
  for (int i = 0; i < SPINS_HOT; i++)
    if (ready(t, worker, number)) return true;
  keep_apart(t, worker);
  uint64_t end = os_monotonic_ns() + t->spin_ns;
  do {
    for (int i = 0; i < OS_SPINS_PER_CLOCK; i++) {
      if (ready(t, worker, number)) return true;
      os_relax();
    }
    /* The one waited for may be on this very processor. Nobody else gains by this: it stays among this process' threads
     * where the kernel groups them. */
    sched_yield();
  } while (os_monotonic_ns() < end);
  return false;
}

static void park(os_team *t, ready_fn *ready, int worker, uint32_t number) {
  pthread_mutex_lock(&t->lock);
  atomic_fetch_add(&t->parked, 1);
  while (!ready(t, worker, number)) pthread_cond_wait(&t->wake, &t->lock);
  atomic_fetch_sub(&t->parked, 1);
  pthread_mutex_unlock(&t->lock);
}

static void wait_for(os_team *t, ready_fn *ready, int worker, uint32_t number) {
  if (!spin(t, ready, worker, number)) park(t, ready, worker, number);
}

static void wake_parked(os_team *t) {
  if (atomic_load(&t->parked) == 0) return;
  pthread_mutex_lock(&t->lock);
  pthread_cond_broadcast(&t->wake);
  pthread_mutex_unlock(&t->lock);
}

static uint32_t arrive(os_team *t, int worker) {
  uint32_t number = atomic_load_explicit(&t->line[worker].reached, memory_order_relaxed) + 1;
  note_cpu(t, worker);
  atomic_store(&t->line[worker].reached, number);
  wake_parked(t);
  return number;
}

void os_team_barrier(os_team *t, int worker) {
  if (t == NULL || t->threads == 1) return;
  wait_for(t, all_reached, worker, arrive(t, worker));
}

/* Few lines between two looks, so that nobody waits for a worker that fetches. */
enum { AHEAD_STEP = 4 * 64 };

void os_team_barrier_ahead(os_team *t, int worker, const os_ahead *ahead, size_t count) {
  if (t == NULL || t->threads == 1) return;
  uint32_t number = arrive(t, worker);
  for (size_t i = 0; i < count; i++) {
    const char *p = ahead[i].next;
    for (size_t at = 0; at + AHEAD_STEP <= ahead[i].bytes; at += AHEAD_STEP) {
      if (all_reached(t, worker, number)) return;
      for (size_t line = 0; line < AHEAD_STEP; line += 64) __builtin_prefetch(p + at + line, 0, 2);
    }
  }
  wait_for(t, all_reached, worker, number);
}

/* ---- threads ---- */

static void *worker_main(void *arg) {
  team_arg *me = arg;
  os_team *t = me->team;
  for (uint32_t number = 1;; number++) {
    wait_for(t, run_or_stop, me->worker, number);
    if (atomic_load(&t->stop)) return NULL;
    keep_apart(t, me->worker);
    t->fn(t->ctx, me->worker, t->threads);
    os_team_barrier(t, me->worker);
  }
}

enum { BLOCK_BYTES = sizeof(os_team) + 128 };

base_status os_team_open(os_team **out, int threads, base_error *err) {
  *out = NULL;
  base_status status = os_worker_count_check(threads, err);
  if (status) return status;
  char *block = base_calloc(NULL, 1, BLOCK_BYTES);
  if (block == NULL) return base_fail(err, BASE_ENOMEM, "threads", "no memory for the team of threads");
  os_team *t = (os_team *)(void *)(block + (128 - (uintptr_t)block % 128) % 128);
  t->block = block;
  t->threads = threads;
  t->spin_ns = threads <= os_cpu_count() ? SPIN_NS : 0;
  (void)pthread_mutex_init(&t->lock, NULL);
  (void)pthread_cond_init(&t->wake, NULL);
  for (int i = 0; i < threads; i++) {
    t->arg[i] = (team_arg){t, i};
    atomic_init(&t->line[i].cpu, -1);
  }
  status = os_workers_start(t->thread, threads, worker_main, t->arg, sizeof t->arg[0], &t->started, err);
  if (status) {
    os_team_close(t);
    return status;
  }
  *out = t;
  return BASE_OK;
}

void os_team_close(os_team *t) {
  if (t == NULL) return;
  atomic_store(&t->stop, true);
  wake_parked(t);
  for (int i = 0; i < t->started; i++) (void)pthread_join(t->thread[i], NULL);
  (void)pthread_cond_destroy(&t->wake);
  (void)pthread_mutex_destroy(&t->lock);
  base_free(NULL, t->block, BLOCK_BYTES);
}

int os_team_threads(const os_team *t) {
  return t != NULL ? t->threads : 1;
}

void os_team_run(os_team *t, void (*fn)(void *ctx, int worker, int workers), void *ctx) {
  if (t == NULL || t->threads == 1) {
    fn(ctx, 0, 1);
    return;
  }
  t->fn = fn;
  t->ctx = ctx;
  note_cpu(t, 0);
  atomic_fetch_add(&t->run, 1);
  wake_parked(t);
  fn(ctx, 0, t->threads);
  os_team_barrier(t, 0);
}
