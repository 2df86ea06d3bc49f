/* When not to call: a breaker over a service that keeps failing, and a bucket that holds the rate.
 *
 *            answered                      failures >= breaker_failures, or unreachable
 *   closed <---------- one call let through <---- time over ---- open
 *      \_______________ cloud_breaker_tell ______________________/
 *
 * Being offline needs no probe of its own: the first call that finds no connection opens the breaker, the
 * request that comes after its time is the probe, and each vain one doubles the wait. */
#include "cloud/internal.h"

enum { MOST_DOUBLINGS = 5 };

bool cloud_breaker_allows(const cloud *c, int64_t now_ms) { return now_ms >= c->closed_at; }

static void open_breaker(cloud *c, int64_t now_ms) {
  uint32_t doublings = c->opened < MOST_DOUBLINGS ? c->opened : MOST_DOUBLINGS;
  c->closed_at = now_ms + ((int64_t)c->o.breaker_ms << doublings);
  c->opened++;
}

void cloud_breaker_tell(cloud *c, bool answered, bool unreachable, int64_t now_ms) {
  if (answered) {
    c->failures = c->opened = 0;
    c->closed_at = INT64_MIN;
    return;
  }
  c->failures++;
  if (unreachable || c->opened > 0 || c->failures >= c->o.breaker_failures) open_breaker(c, now_ms);
}

bool cloud_rate_allows(cloud *c, int64_t now_ms) {
  double most = (double)c->o.per_minute;
  if (c->o.per_minute == 0) return true;
  c->calls_left += (double)(now_ms - c->filled_at) * most / 60000.0;
  if (c->calls_left > most) c->calls_left = most;
  c->filled_at = now_ms;
  if (c->calls_left < 1.0) return false;
  c->calls_left -= 1.0;
  return true;
}
