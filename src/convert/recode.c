/* convert/recode: numbers of one type into another, in pieces spread over threads. A row is a whole number of
 * blocks in both types, so a tensor is one sequence of blocks in both, and may be cut at any multiple of the
 * longest block. */
#include "convert/recode.h"

#include <stdarg.h>
#include <stdio.h>

#include "quant/quant.h"

/* A piece is what a thread takes at a time; a batch is what is written at once. */
enum { PIECE = 16384, PIECES = 64 };

base_status convert_run_open(convert_run *run, const convert_hooks *hooks, uint64_t all, base_error *err) {
  size_t threads = (size_t)os_pool_threads(hooks->pool);
  *run = (convert_run){.hooks = hooks, .all = all};
  run->out = base_alloc(NULL, (size_t)PIECE * PIECES * 8);
  run->floats = base_alloc(NULL, threads * PIECE * sizeof *run->floats);
  if (run->out != NULL && run->floats != NULL) return BASE_OK;
  convert_run_close(run);
  return base_fail(err, BASE_ENOMEM, "convert", "no memory for the buffers");
}

void convert_run_close(convert_run *run) {
  size_t threads = run->hooks != NULL ? (size_t)os_pool_threads(run->hooks->pool) : 0;
  base_free(NULL, run->out, (size_t)PIECE * PIECES * 8);
  base_free(NULL, run->floats, threads * PIECE * sizeof *run->floats);
  run->out = NULL;
  run->floats = NULL;
}

void convert_note(const convert_hooks *hooks, const char *fmt, ...) {
  char text[256];
  va_list list;
  if (hooks->note == NULL) return;
  va_start(list, fmt);
  (void)vsnprintf(text, sizeof text, fmt, list);
  va_end(list);
  hooks->note(hooks->ctx, text);
}

/* The row of the source that becomes `row`. Of a head's rows, halves (0, 1, ..., h/2, h/2+1, ...) hold the
 * two parts of each rotated pair apart; pairs hold them side by side. */
static uint64_t source_row(const convert_source *s, uint64_t row) {
  if (s->head_rows == 0) return row;
  uint64_t head = row / s->head_rows, at = row % s->head_rows, half = s->head_rows / 2;
  uint64_t from = s->interleave ? at % 2 * half + at / 2 : at % half * 2 + at / half;
  return head * s->head_rows + from;
}

/* Elements [first, first + n) as floats; both ends lie between blocks. */
static void read_floats(const convert_source *s, uint64_t first, size_t n, float *out) {
  size_t elements = gguf_block_elements(s->type), bytes = gguf_block_bytes(s->type);
  for (size_t done = 0; done < n;) {
    uint64_t at = first + done, row = at / s->cols, col = at % s->cols, take = n - done;
    if (s->head_rows != 0 && take > s->cols - col) take = s->cols - col;
    uint64_t from = source_row(s, row) * s->cols + col;
    quant_decode_row(s->type, s->data + from / elements * bytes, (size_t)take, out + done);
    done += (size_t)take;
  }
  for (size_t i = 0; i < n && s->add != 0; i++) out[i] += s->add;
}

typedef struct batch {
  const convert_job *job;
  uint64_t first;
  size_t n;
} batch;

static size_t bytes_of(gguf_tensor_type type, uint64_t n) {
  return (size_t)(n / gguf_block_elements(type)) * gguf_block_bytes(type);
}

static void recode_piece(void *ctx, size_t index, int worker) {
  const batch *b = ctx;
  const convert_job *job = b->job;
  size_t at = index * PIECE, n = b->n - at < PIECE ? b->n - at : PIECE;
  float *floats = job->run->floats + (size_t)worker * PIECE;
  read_floats(&job->source, b->first + at, n, floats);
  quant_encode_row(job->type, floats, n, job->run->out + bytes_of(job->type, at));
}

static base_status report(convert_job *job, uint64_t bytes, base_error *err) {
  convert_run *run = job->run;
  run->done += bytes;
  if (run->hooks->progress == NULL) return BASE_OK;
  if (run->hooks->progress(run->hooks->ctx, job->name, run->done, run->all)) return BASE_OK;
  return base_fail(err, BASE_ECANCELLED, job->name, "stopped; nothing was written");
}

base_status convert_recode(convert_job *job, convert_emit_fn *emit, void *ctx, base_error *err) {
  const convert_source *s = &job->source;
  bool verbatim = s->type == job->type && s->head_rows == 0 && s->add == 0;
  base_status status = BASE_OK;
  for (uint64_t first = 0; first < s->count && !status; first += (uint64_t)PIECE * PIECES) {
    uint64_t left = s->count - first;
    size_t n = left < (uint64_t)PIECE * PIECES ? (size_t)left : (size_t)PIECE * PIECES;
    size_t bytes = bytes_of(job->type, n);
    const unsigned char *from = job->run->out;
    if (verbatim) {
      from = s->data + bytes_of(s->type, first);
    } else {
      batch b = {job, first, n};
      os_pool_run(job->run->hooks->pool, recode_piece, &b, (n + PIECE - 1) / PIECE);
    }
    status = emit(ctx, from, bytes, err);
    if (!status) status = report(job, bytes, err);
  }
  return status;
}

static base_status emit_to_sink(void *ctx, const void *bytes, size_t len, base_error *err) {
  return gguf_sink_add(ctx, bytes, len, err);
}

base_status convert_make_tensor(void *ctx, gguf_sink *sink, base_error *err) {
  return convert_recode(ctx, emit_to_sink, sink, err);
}
