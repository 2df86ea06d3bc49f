/* A service, a clock and a purse for tests of what asks the cloud: replies from a list, time that passes when one
 * waits, money that runs out. Keeps every byte that it was sent. */
#ifndef TESTS_SCRIPTED_CLOUD_H
#define TESTS_SCRIPTED_CLOUD_H

#include <string.h>

#include "cloud/cloud.h"

/* ---- the service: a list of replies, taken one a call ---- */

typedef struct scripted {
  int status;
  const char *body;
  int64_t retry_after_ms;
  bool unreachable, times_out, broken_off, untrusted;
  size_t piece; /* bytes handed over at a time; 0: all at once */
} scripted;

typedef struct scripted_world {
  const scripted *script;
  size_t n, calls;
  char seen[8192]; /* the last body and headers */
  char headers[1024];
  uint32_t total_ms;
  int64_t now_ms, slept_ms;
  int64_t purse, reserved, most_reserved, settled;
} scripted_world;

static inline base_status scripted_perform(void *ctx, const cloud_call *call, bool (*on_bytes)(void *to, base_slice bytes),
                           void *to, cloud_reply *reply, base_error *err) {
  scripted_world *w = ctx;
  (void)err;
  const scripted *s = &w->script[w->calls < w->n ? w->calls : w->n - 1];
  w->calls++;
  w->total_ms = call->total_ms;
  w->headers[0] = '\0';
  base_format(w->seen, sizeof w->seen, "%.*s", (int)call->body.len, call->body.ptr);
  for (size_t i = 0, at = 0; i < call->n_headers; at = strlen(w->headers), i++)
    base_format(w->headers + at, sizeof w->headers - at, "%s\n", call->headers[i]);
  w->now_ms += 100;
  if (s->unreachable || s->untrusted) {
    reply->untrusted = s->untrusted;
    base_format(reply->text, sizeof reply->text, "could not connect");
    return BASE_OK;
  }
  reply->connected = true;
  reply->retry_after_ms = s->retry_after_ms ? s->retry_after_ms : -1;
  reply->status = s->status;
  size_t len = s->body ? strlen(s->body) : 0, piece = s->piece ? s->piece : len;
  for (size_t at = 0; at < len; at += piece)
    if (!on_bytes(to, (base_slice){s->body + at, len - at < piece ? len - at : piece})) break;
  if (s->broken_off) base_format(reply->text, sizeof reply->text, "the connection was closed");
  if (s->times_out) {
    reply->timed_out = true;
    w->now_ms += call->total_ms;
  }
  return BASE_OK;
}

static int64_t scripted_clock_now(void *ctx) { return ((scripted_world *)ctx)->now_ms; }
static void scripted_clock_sleep(void *ctx, uint32_t ms) {
  scripted_world *w = ctx;
  w->now_ms += ms;
  w->slept_ms += ms;
}

/* The reservation's number is its amount. */
static base_status scripted_reserve(void *ctx, int64_t amount, int64_t *id, base_error *err) {
  scripted_world *w = ctx;
  if (w->reserved + w->settled + amount > w->purse)
    return base_fail(err, BASE_ELIMIT, "day", "the purse is empty");
  w->reserved += amount;
  if (w->reserved > w->most_reserved) w->most_reserved = w->reserved;
  *id = amount;
  return BASE_OK;
}
static base_status scripted_settle(void *ctx, int64_t id, int64_t actual, base_error *err) {
  scripted_world *w = ctx;
  (void)err;
  w->reserved -= id;
  w->settled += actual;
  return BASE_OK;
}


#endif
