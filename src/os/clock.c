/* os/clock: the clocks and the system's random generator. */
#include "os/os.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

uint64_t os_monotonic_ns(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

int64_t os_unix_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void os_sleep_ms(uint32_t ms) {
  struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

int64_t os_unix_seconds(void) {
  return (int64_t)time(NULL);
}

base_status os_local_time_of(int64_t unix_seconds, os_local_time *out, base_error *err) {
  time_t t = (time_t)unix_seconds;
  struct tm tm;
  if ((int64_t)t != unix_seconds || localtime_r(&t, &tm) == NULL) {
    return base_fail(err, BASE_ELIMIT, "time", "%lld seconds since 1970 is out of the calendar's range",
                     (long long)unix_seconds);
  }
  *out = (os_local_time){.year = tm.tm_year + 1900,
                         .month = tm.tm_mon + 1,
                         .day = tm.tm_mday,
                         .hour = tm.tm_hour,
                         .minute = tm.tm_min,
                         .second = tm.tm_sec,
                         .utc_offset_s = (int)tm.tm_gmtoff};
  return BASE_OK;
}

/* getentropy gives at most 256 bytes a call. Where the kernel has none, ids still must differ: the clocks and
 * the process number seed a generator. Never use these bytes as a key. */
void os_random_bytes(void *out, size_t len) {
  unsigned char *p = out;
  while (len > 0) {
    size_t n = len < 256 ? len : 256;
    if (getentropy(p, n) != 0) break;
    p += n;
    len -= n;
  }
  if (len == 0) return;
  base_rng rng;
  base_rng_seed(&rng, os_monotonic_ns() ^ ((uint64_t)os_unix_seconds() << 32) ^ (uint64_t)getpid());
  for (size_t i = 0; i < len; i++) p[i] = (unsigned char)(base_rng_next(&rng) >> 56);
}
