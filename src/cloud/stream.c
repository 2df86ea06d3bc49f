/* Server-sent events (WHATWG HTML, 9.2) as chat services send them: lines "data: JSON" one after another, an
 * empty line between events, "data: [DONE]" at OpenAI's end. Bytes come in pieces of any size. */
#include <string.h>

#include "cloud/internal.h"

static void take_line(cloud_reading *r, base_slice line) {
  if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
  if (!base_slice_starts(line, BASE_LITERAL("data:"))) return; /* comments, event names, ids, empty lines */
  base_slice data = base_slice_trim(base_slice_sub(line, 5, line.len));
  if (base_slice_equal(data, BASE_LITERAL("[DONE]")))
    r->over = true;
  else if (data.len)
    cloud_read_event(r, data);
}

/* Keeps the start of a line that is not whole yet. */
static void take_lines(cloud_reading *r) {
  size_t from = 0;
  for (;;) {
    const char *end = r->body.len > from ? memchr(r->body.ptr + from, '\n', r->body.len - from) : NULL;
    if (end == NULL || r->stopped || r->unreadable) break;
    size_t at = (size_t)(end - r->body.ptr);
    take_line(r, (base_slice){r->body.ptr + from, at - from});
    from = at + 1;
  }
  if (from == 0) return;
  memmove(r->body.ptr, r->body.ptr + from, r->body.len - from);
  r->body.len -= from;
}

bool cloud_stream_bytes(void *reading, base_slice bytes) {
  cloud_reading *r = reading;
  if (r->first_byte_at == 0) r->first_byte_at = r->c->o.clock->now_ms(r->c->o.clock->ctx);
  size_t held = r->body.len + r->answer->text.len + r->answer->tool_arguments.len;
  size_t most = r->c->o.max_answer_bytes;
  if (held > most || bytes.len > most - held) {
    r->too_long = true;
    return false;
  }
  base_buf_add(&r->body, bytes.ptr, bytes.len);
  /* a service that was asked for a stream may still answer an error as one document */
  if (r->q->stream && !r->streamed) {
    base_slice start = base_slice_trim((base_slice){r->body.ptr, r->body.len});
    r->streamed = start.len > 0 && start.ptr[0] != '{';
  }
  if (r->streamed) take_lines(r);
  return !r->body.failed && !r->stopped && !r->unreadable;
}
