/* os/turn: a lock that serves in the order of asking. A mutex and a condition variable around two counters: the
 * number that a thread draws, and the number that is served. */
#include "os/os.h"

#include <pthread.h>

struct os_turn {
  base_allocator allocator;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  uint64_t drawn, served;
};

base_status os_turn_open(os_turn **out, const base_allocator *allocator, base_error *err) {
  os_turn *t = *out = base_calloc(allocator, 1, sizeof *t);
  if (t == NULL) return base_fail(err, BASE_ENOMEM, "lock", "no memory for a lock");
  t->allocator = allocator != NULL ? *allocator : *base_allocator_libc();
  (void)pthread_mutex_init(&t->lock, NULL);
  (void)pthread_cond_init(&t->changed, NULL);
  return BASE_OK;
}

void os_turn_close(os_turn *t) {
  if (t == NULL) return;
  base_allocator a = t->allocator;
  (void)pthread_cond_destroy(&t->changed);
  (void)pthread_mutex_destroy(&t->lock);
  base_free(&a, t, sizeof *t);
}

void os_turn_take(os_turn *t) {
  pthread_mutex_lock(&t->lock);
  uint64_t mine = t->drawn++;
  while (t->served != mine) pthread_cond_wait(&t->changed, &t->lock);
  pthread_mutex_unlock(&t->lock);
}

void os_turn_give(os_turn *t) {
  pthread_mutex_lock(&t->lock);
  t->served++;
  pthread_cond_broadcast(&t->changed);
  pthread_mutex_unlock(&t->lock);
}
