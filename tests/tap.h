/* A very small test harness: each check is counted; a failed one says where. One program a file,
 * last line "NAME: N passed, N failed, N skipped", exit status 1 when anything failed. */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdio.h>

static int tap_passed, tap_failed, tap_skipped;

#define TAP_OK(condition, ...)                           \
  do {                                                   \
    if (condition) {                                     \
      tap_passed++;                                      \
    } else {                                             \
      tap_failed++;                                      \
      printf("not ok %s:%d: ", __FILE__, __LINE__);      \
      printf(__VA_ARGS__);                               \
      printf("\n");                                      \
    }                                                    \
  } while (0)

#define TAP_SKIP(...)          \
  do {                         \
    tap_skipped++;             \
    printf("skip: ");          \
    printf(__VA_ARGS__);       \
    printf("\n");              \
  } while (0)

static int tap_done(const char *name) {
  printf("%s: %d passed, %d failed, %d skipped\n", name, tap_passed, tap_failed, tap_skipped);
  return tap_failed != 0;
}

#endif
