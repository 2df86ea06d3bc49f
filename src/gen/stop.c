/* gen/stop: strings that end a stream, found across the borders of tokens. */
#include <string.h>

#include "gen/gen.h"

void gen_stops_init(gen_stops *s) {
  memset(s, 0, sizeof *s);
  s->found = -1;
}

base_status gen_stops_add(gen_stops *s, base_slice text, base_error *err) {
  if (text.len == 0) return base_fail(err, BASE_EARGUMENT, "stop", "an empty stop string would stop everything");
  if (text.len > GEN_MAX_STOP_BYTES)
    return base_fail(err, BASE_ELIMIT, "stop", "a stop string has %zu bytes; at most %d are possible", text.len,
                     (int)GEN_MAX_STOP_BYTES);
  if (s->n == GEN_MAX_STOPS)
    return base_fail(err, BASE_ELIMIT, "stop", "more than %d stop strings", (int)GEN_MAX_STOPS);
  size_t i = s->n++;
  memcpy(s->stop[i].text, text.ptr, text.len);
  s->stop[i].len = (uint16_t)text.len;
  s->stop[i].seen = 0;
  uint16_t *fall = s->stop[i].fall, k = 0;
  fall[0] = 0;
  for (size_t at = 1; at < text.len; at++) {
    while (k > 0 && text.ptr[at] != text.ptr[k]) k = fall[k - 1];
    if (text.ptr[at] == text.ptr[k]) k++;
    fall[at] = k;
  }
  return BASE_OK;
}

/* One byte through one automaton; the length of the prefix seen now. */
static uint16_t advance(gen_stops *s, size_t i, char byte) {
  uint16_t k = s->stop[i].seen;
  while (k > 0 && s->stop[i].text[k] != byte) k = s->stop[i].fall[k - 1];
  if (s->stop[i].text[k] == byte) k++;
  return s->stop[i].seen = k;
}

/* Lets the first `count` held bytes go. */
static void release(gen_stops *s, size_t count, base_buf *out) {
  base_buf_add(out, s->held, count);
  memmove(s->held, s->held + count, s->n_held - count);
  s->n_held -= count;
}

/* Before each byte, n_held is the longest prefix seen; so the byte itself always fits. */
static bool feed_byte(gen_stops *s, char byte, base_buf *out) {
  size_t keep = 0, ended = 0;
  for (size_t i = 0; i < s->n; i++) {
    size_t seen = advance(s, i, byte);
    if (seen > keep) keep = seen;
    if (seen == s->stop[i].len && seen > ended) {
      ended = seen;
      s->found = (int)i;
    }
  }
  s->held[s->n_held++] = byte;
  if (ended > 0) {
    release(s, s->n_held - ended, out);
    s->n_held = 0;
    return false;
  }
  release(s, s->n_held - keep, out);
  return true;
}

bool gen_stops_feed(gen_stops *s, base_slice bytes, base_buf *out) {
  if (s->found >= 0) return false;
  if (s->n == 0) {
    base_buf_add(out, bytes.ptr, bytes.len);
    return true;
  }
  for (size_t i = 0; i < bytes.len; i++)
    if (!feed_byte(s, bytes.ptr[i], out)) return false;
  return true;
}

void gen_stops_flush(gen_stops *s, base_buf *out) {
  if (s->found < 0) release(s, s->n_held, out);
}
