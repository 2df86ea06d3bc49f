/* os/pool: a fork-join pool cheap enough to split one matrix product. A run is cut into tickets; caller and
 * workers take tickets from one atomic word, so a worker that sleeps late holds nobody up.
 *
 *   state = generation << 32 | next ticket, or CLOSED in the low half between two runs.
 *
 * A run: fields written -> state opened -> tickets taken by compare-and-swap -> `finished` reaches `tickets`
 * -> state closed -> run returns. The fields of a run change only while the state is closed. A worker that
 * read them just before is late by a generation, its compare-and-swap fails, and what it read is not used. */
#include "os/worker.h"

#include <stdatomic.h>

enum { TICKETS_PER_THREAD = 8, SPIN_NS = 50000 };

#define CLOSED UINT32_MAX

typedef void work_fn(void *ctx, size_t index, int worker);

typedef struct worker_arg {
  os_pool *pool;
  int index;
} worker_arg;

struct os_pool {
  _Atomic uint64_t state;
  char pad0[56]; /* the words below are written by others: keep them off state's cache line */
  _Atomic uint32_t finished;
  char pad1[60];
  /* the run; relaxed, ordered by state */
  work_fn *_Atomic fn;
  void *_Atomic ctx;
  _Atomic size_t count;
  _Atomic uint32_t tickets;

  _Atomic int parked;        /* workers asleep on `work` */
  _Atomic int caller_parked; /* 1 while the caller sleeps on `done` */
  _Atomic bool stop;
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  int threads;      /* with the caller */
  int started;      /* worker threads that exist */
  uint64_t spin_ns; /* 0 when there are more threads than processors */
  pthread_t thread[OS_MAX_WORKERS];
  worker_arg arg[OS_MAX_WORKERS];
};

/* Takes one ticket of the open run, does it, and reports it. False when there was nothing to take. */
static bool do_ticket(os_pool *p, int worker) {
  uint64_t state = atomic_load(&p->state);
  uint32_t ticket = (uint32_t)state;
  if (ticket == CLOSED) return false;
  work_fn *fn = atomic_load_explicit(&p->fn, memory_order_relaxed);
  void *ctx = atomic_load_explicit(&p->ctx, memory_order_relaxed);
  size_t count = atomic_load_explicit(&p->count, memory_order_relaxed);
  uint32_t tickets = atomic_load_explicit(&p->tickets, memory_order_relaxed);
  if (ticket >= tickets) return false;
  if (!atomic_compare_exchange_strong(&p->state, &state, state + 1)) return true; /* somebody was faster */

  size_t share = count / tickets, extra = count % tickets;
  size_t start = ticket * share + (ticket < extra ? ticket : extra);
  size_t end = start + share + (ticket < extra ? 1 : 0);
  for (size_t i = start; i < end; i++) fn(ctx, i, worker);

  if (atomic_fetch_add(&p->finished, 1) + 1 == tickets && atomic_load(&p->caller_parked)) {
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
  }
  return true;
}

static bool has_work(os_pool *p) {
  uint32_t ticket = (uint32_t)atomic_load(&p->state);
  return ticket != CLOSED && ticket < atomic_load_explicit(&p->tickets, memory_order_relaxed);
}

static bool all_finished(os_pool *p) {
  return atomic_load(&p->finished) == atomic_load_explicit(&p->tickets, memory_order_relaxed);
}

/* Waits about spin_ns for `ready`; true when it came. */
static bool spin_until(os_pool *p, bool (*ready)(os_pool *)) {
  if (p->spin_ns == 0) return ready(p);
  uint64_t end = os_monotonic_ns() + p->spin_ns;
  do {
    for (int i = 0; i < OS_SPINS_PER_CLOCK; i++) {
      if (ready(p)) return true;
      os_relax();
    }
  } while (os_monotonic_ns() < end);
  return ready(p);
}

static bool has_work_or_stop(os_pool *p) {
  return atomic_load_explicit(&p->stop, memory_order_relaxed) || has_work(p);
}

/* `parked` rises before the last look at the state, and the caller looks at `parked` after opening it: with
 * sequentially consistent operations one of the two sees the other. The same holds for the caller's sleep. */
static void park(os_pool *p) {
  pthread_mutex_lock(&p->lock);
  atomic_fetch_add(&p->parked, 1);
  while (!atomic_load(&p->stop) && !has_work(p)) pthread_cond_wait(&p->work, &p->lock);
  atomic_fetch_sub(&p->parked, 1);
  pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg) {
  worker_arg *me = arg;
  os_pool *p = me->pool;
  while (!atomic_load(&p->stop)) {
    if (do_ticket(p, me->index)) continue;
    if (!spin_until(p, has_work_or_stop)) park(p);
  }
  return NULL;
}

base_status os_pool_open(os_pool **out, int threads, base_error *err) {
  *out = NULL;
  base_status status = os_worker_count_check(threads, err);
  if (status) return status;
  os_pool *p = base_calloc(NULL, 1, sizeof *p);
  if (p == NULL) return base_fail(err, BASE_ENOMEM, "threads", "no memory for the thread pool");
  p->threads = threads;
  p->spin_ns = threads <= os_cpu_count() ? SPIN_NS : 0;
  atomic_init(&p->state, CLOSED);
  (void)pthread_mutex_init(&p->lock, NULL);
  (void)pthread_cond_init(&p->work, NULL);
  (void)pthread_cond_init(&p->done, NULL);
  for (int i = 0; i < threads; i++) p->arg[i] = (worker_arg){p, i};
  status = os_workers_start(p->thread, threads, worker_main, p->arg, sizeof p->arg[0], &p->started, err);
  if (status) {
    os_pool_close(p);
    return status;
  }
  *out = p;
  return BASE_OK;
}

void os_pool_close(os_pool *p) {
  if (p == NULL) return;
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->stop, true);
  pthread_cond_broadcast(&p->work);
  pthread_mutex_unlock(&p->lock);
  for (int i = 0; i < p->started; i++) (void)pthread_join(p->thread[i], NULL);
  (void)pthread_cond_destroy(&p->work);
  (void)pthread_cond_destroy(&p->done);
  (void)pthread_mutex_destroy(&p->lock);
  base_free(NULL, p, sizeof *p);
}

int os_pool_threads(const os_pool *p) {
  return p != NULL ? p->threads : 1;
}

static void wait_finished(os_pool *p) {
  if (spin_until(p, all_finished)) return;
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->caller_parked, 1);
  while (!all_finished(p)) pthread_cond_wait(&p->done, &p->lock);
  atomic_store(&p->caller_parked, 0);
  pthread_mutex_unlock(&p->lock);
}

static void open_run(os_pool *p, work_fn *fn, void *ctx, size_t count) {
  size_t most = (size_t)p->threads * TICKETS_PER_THREAD;
  atomic_store_explicit(&p->fn, fn, memory_order_relaxed);
  atomic_store_explicit(&p->ctx, ctx, memory_order_relaxed);
  atomic_store_explicit(&p->count, count, memory_order_relaxed);
  atomic_store_explicit(&p->tickets, (uint32_t)(count < most ? count : most), memory_order_relaxed);
  atomic_store_explicit(&p->finished, 0, memory_order_relaxed);
  uint64_t generation = (atomic_load(&p->state) >> 32) + 1;
  atomic_store(&p->state, generation << 32);
  if (atomic_load(&p->parked) > 0) {
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
  }
}

void os_pool_run(os_pool *p, work_fn *fn, void *ctx, size_t count) {
  if (p == NULL || p->threads == 1 || count <= 1) {
    for (size_t i = 0; i < count; i++) fn(ctx, i, 0);
    return;
  }
  open_run(p, fn, ctx, count);
  while (do_ticket(p, 0)) continue;
  wait_finished(p);
  atomic_store(&p->state, atomic_load(&p->state) | CLOSED);
}
