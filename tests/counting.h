/* Counts every malloc, calloc and realloc of the program, by standing in for the C library's: for tests of
 * code that must not allocate. Where that is not possible (sanitizers bring their own, static programs)
 * COUNTING is 0. */
#ifndef TESTS_COUNTING_H
#define TESTS_COUNTING_H

#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define COUNTING 0
#endif
#endif
#if !defined(COUNTING) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define COUNTING 0
#endif
#if !defined(COUNTING) && defined(__GLIBC__) && defined(__x86_64__)
#define COUNTING 1
#endif
#ifndef COUNTING
#define COUNTING 0
#endif

static size_t counted_allocations;

#if COUNTING
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *malloc(size_t bytes) {
  counted_allocations++;
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  counted_allocations++;
  return __libc_calloc(count, bytes);
}
void *realloc(void *old, size_t bytes) {
  counted_allocations++;
  return __libc_realloc(old, bytes);
}
#endif

#endif
