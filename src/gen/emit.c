/* gen/emit: from tokens to events. Bytes go token -> whole characters (tok_stream) -> stop strings -> text. */
#include "gen/internal.h"

/* Room for one more is the step's affair: it leaves out jobs that have less than GEN_STEP_EVENTS. */
static gen_queued *enqueue(gen_job *j, uint32_t token) {
  if (j->n_taken == j->n_queued) {
    j->n_taken = j->n_queued = 0;
    base_buf_clear(&j->text);
  }
  gen_queued *q = &j->queue[j->n_queued++];
  q->token = token;
  q->begin = q->end = (uint32_t)j->text.len;
  return q;
}

void gen_emit(gen_job *j, uint32_t token, const gen_logprobs *logprobs) {
  gen_queued *q = enqueue(j, token);
  if (logprobs != NULL) q->logprobs = *logprobs;
  bool going = gen_stops_feed(&j->stops, tok_stream_next(&j->stream, token), &j->text);
  q->end = (uint32_t)j->text.len;
  if (j->text.failed) (void)gen_job_fail(j, BASE_ENOMEM, "job", "no memory for the text of an answer");
  else if (!going) gen_job_end(j, GEN_STOP);
}

/* Into the last event when that is still there, else into one of its own. */
void gen_emit_rest(gen_job *j) {
  size_t before = j->text.len;
  if (j->stops.found >= 0) return;
  if (j->n_taken == j->n_queued) before = 0, base_buf_clear(&j->text);
  if (gen_stops_feed(&j->stops, tok_stream_finish(&j->stream), &j->text)) gen_stops_flush(&j->stops, &j->text);
  if (j->text.len == before) return;
  if (j->n_taken < j->n_queued) {
    j->queue[j->n_queued - 1].end = (uint32_t)j->text.len;
    return;
  }
  j->n_taken = 0;
  j->n_queued = 1;
  j->queue[0] = (gen_queued){.token = GEN_NO_TOKEN, .end = (uint32_t)j->text.len};
}

bool gen_job_next(gen_job *j, gen_event *out) {
  if (j->n_taken == j->n_queued) return false;
  const gen_queued *q = &j->queue[j->n_taken++];
  out->token = q->token;
  out->text = (base_slice){q->end > q->begin ? j->text.ptr + q->begin : "", q->end - q->begin};
  out->logprobs = q->logprobs;
  return true;
}
