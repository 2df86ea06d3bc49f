/* mn_schema_bench: MaskBench's procedure (github.com/guidance-ai/jsonschemabench) on rows of schemas with instances:
 * compile the schema; for each instance, token by token: the whole mask, a look whether the token is in it, commit. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "gguf/gguf.h"
#include "jdoc/jdoc.h"
#include "mask/mask.h"
#include "os/os.h"
#include "tok/tok.h"

typedef struct times {
  uint32_t *ns10; /* in tens of nanoseconds, so that 40 seconds fit */
  size_t n, cap;
} times;

typedef struct bench {
  const mn_schema_bench_options *o;
  mn_schema_bench_report *report;
  tok_vocab *tokens;
  tok_scratch scratch;
  mask_vocab *vocab;
  uint32_t *ids;
  size_t cap_ids;
  base_buf text; /* an instance as json.dumps writes it */
  times masks, compiles;
} bench;

/* How one schema came out. */
typedef enum finding { PASSED, NOT_COMPILED, NOT_TOKENISED, RAN_OUT, REFUSES_VALID, ACCEPTS_INVALID } finding;
typedef struct verdict {
  finding what;
  char detail[320];
  bool wrong_end; /* all tokens were taken, but the text could not end there (or could, and should not) */
} verdict;

void mn_schema_bench_options_init(mn_schema_bench_options *o) {
  *o = (mn_schema_bench_options){.size = sizeof *o};
}

static void add_time(times *t, uint64_t ns) {
  uint32_t *grown = base_grow(NULL, t->ns10, &t->cap, t->n + 1, sizeof *grown);
  if (grown == NULL) return;
  t->ns10 = grown;
  t->ns10[t->n++] = (uint32_t)(ns / 10 < UINT32_MAX ? ns / 10 : UINT32_MAX);
}

static int compare_times(const void *x, const void *y) {
  uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
  return (a > b) - (a < b);
}

static mn_schema_bench_spread spread_of(times *t) {
  mn_schema_bench_spread s = {0};
  double sum = 0;
  if (t->n == 0) return s;
  qsort(t->ns10, t->n, sizeof *t->ns10, compare_times);
  for (size_t i = 0; i < t->n; i++) sum += t->ns10[i] / 100.0;
  s.mean_us = sum / (double)t->n;
  s.p50_us = t->ns10[t->n / 2] / 100.0;
  s.p90_us = t->ns10[(size_t)((double)t->n * 0.9)] / 100.0;
  s.p99_us = t->ns10[(size_t)((double)t->n * 0.99)] / 100.0;
  s.p999_us = t->ns10[(size_t)((double)t->n * 0.999)] / 100.0;
  s.max_us = t->ns10[t->n - 1] / 100.0;
  return s;
}

/* ---- an instance as Python's json.dumps(data, ensure_ascii=False) writes it ---- */

static void put_string(base_buf *b, base_slice s) {
  static const char letters[] = "btn\vfr";
  base_buf_putc(b, '"');
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c == '"' || c == '\\') base_buf_printf(b, "\\%c", c);
    else if (c >= 8 && c <= 13 && c != 11) base_buf_printf(b, "\\%c", letters[c - 8]);
    else if (c < 0x20) base_buf_printf(b, "\\u%04x", c);
    else base_buf_putc(b, (char)c);
  }
  base_buf_putc(b, '"');
}

static void put_value(base_buf *b, const jdoc *d, uint32_t at, int depth) {
  jdoc_kind kind = jdoc_kind_at(d, at);
  uint32_t left = kind >= JDOC_ARRAY ? jdoc_count(d, at) : 0;
  if (kind == JDOC_STRING) {
    put_string(b, jdoc_text(d, at));
  } else if (kind < JDOC_STRING || depth > 900) {
    base_slice raw = jdoc_raw(d, at);
    base_buf_add(b, raw.ptr, raw.len);
  } else {
    base_buf_putc(b, kind == JDOC_ARRAY ? '[' : '{');
    for (uint32_t v = at + 1; left > 0; left--) {
      if (kind == JDOC_OBJECT) {
        put_string(b, jdoc_text(d, v));
        base_buf_puts(b, ": ");
        v++;
      }
      put_value(b, d, v, depth + 1);
      if (left > 1) base_buf_puts(b, ", ");
      v = jdoc_next(d, v);
    }
    base_buf_putc(b, kind == JDOC_ARRAY ? ']' : '}');
  }
}

static base_slice piece_of(void *ctx, uint32_t id) {
  const tok_vocab *v = ctx;
  return tok_vocab_type(v, id) == TOK_TYPE_CONTROL ? (base_slice){0} : tok_vocab_piece(v, id);
}

/* ---- one schema ---- */

static base_status encode(bench *b, size_t *n, base_error *err) {
  size_t bound = tok_encode_bound(b->tokens, b->text.len);
  uint32_t *grown = base_grow(NULL, b->ids, &b->cap_ids, bound + 1, sizeof *grown);
  if (grown == NULL) return base_fail(err, BASE_ENOMEM, "instance", "out of memory");
  b->ids = grown;
  tok_input in = {.text = b->text.ptr, .len = b->text.len};
  return tok_encode(b->tokens, &b->scratch, &in, b->ids, b->cap_ids, n, err);
}

/* True when every token was taken. */
static bool feed(bench *b, mask_run *run, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t id = b->ids[i];
    uint64_t before = os_monotonic_ns();
    const uint32_t *mask = mask_run_mask(run);
    bool allowed = mask != NULL && (mask[id >> 5] >> (id & 31) & 1);
    bool taken = allowed && mask_run_commit(run, id) == BASE_OK;
    add_time(&b->masks, os_monotonic_ns() - before);
    if (b->o->check_masks && mask != NULL && !allowed && mask_run_commit(run, id) == BASE_OK)
      b->report->disagreements++;
    if (allowed && !taken) b->report->disagreements++;
    if (!taken) return false;
  }
  return true;
}

static void judge_test(bench *b, mask_run *run, const jdoc *d, uint32_t test, size_t index, verdict *v) {
  uint32_t valid_at = jdoc_find(d, test, BASE_LITERAL("valid")), data = jdoc_find(d, test, BASE_LITERAL("data"));
  size_t n = 0;
  base_error err = {0};
  if (valid_at == JDOC_NONE || data == JDOC_NONE) return;
  bool valid = jdoc_kind_at(d, valid_at) == JDOC_TRUE;
  base_buf_clear(&b->text);
  put_value(&b->text, d, data, 0);
  if (b->text.failed || encode(b, &n, &err) != BASE_OK) {
    v->what = NOT_TOKENISED;
    return;
  }
  mask_run_reset(run);
  bool taken = feed(b, run, n), ended = taken && mask_run_may_end(run);
  b->report->tests++;
  if (mask_run_failed(run) != BASE_OK && v->what == PASSED) {
    v->what = RAN_OUT;
    (void)base_format(v->detail, sizeof v->detail, "test %zu: %s", index, base_status_text(mask_run_failed(run)));
  } else if (taken != valid && (v->what == PASSED || taken)) {
    v->what = valid ? REFUSES_VALID : ACCEPTS_INVALID;
    base_slice text = mask_run_text(run);
    (void)base_format(v->detail, sizeof v->detail, "test %zu, %s at byte %zu: ...%.*s", index,
                      valid ? "stopped" : "ended", text.len, (int)(text.len > 60 ? 60 : text.len),
                      text.ptr + (text.len > 60 ? text.len - 60 : 0));
  }
  if (ended != valid) v->wrong_end = true;
}

static void judge_schema(bench *b, const jdoc *d, uint32_t schema, uint32_t tests, verdict *v) {
  mask_rule *rule = NULL;
  mask_run *run = NULL;
  base_error err = {0};
  mask_options o = {.space = b->o->any_space ? MASK_SPACE_ANY : MASK_SPACE_SINGLE};
  uint64_t before = os_monotonic_ns();
  base_status status = mask_schema(&rule, jdoc_raw(d, schema), &o, NULL, &err);
  if (status == BASE_OK) status = mask_run_open(&run, rule, b->vocab, NULL, &err);
  uint64_t ns = os_monotonic_ns() - before;
  if (status != BASE_OK) {
    v->what = NOT_COMPILED;
    (void)base_format(v->detail, sizeof v->detail, "%s: %s", err.where, err.text);
    mask_rule_close(rule);
    return;
  }
  add_time(&b->compiles, ns);
  size_t index = 0;
  if (tests != JDOC_NONE && jdoc_kind_at(d, tests) == JDOC_ARRAY)
    for (uint32_t t = tests + 1, n = jdoc_count(d, tests); n > 0; n--, t = jdoc_next(d, t))
      judge_test(b, run, d, t, index++, v);
  size_t bytes = mask_rule_bytes(rule) + mask_run_bytes(run);
  if (bytes > b->report->most_bytes) b->report->most_bytes = bytes;
  mask_run_close(run);
  mask_rule_close(rule);
}

static void count_verdict(bench *b, base_slice name, const verdict *v) {
  static const char *const said[] = {"wrong end",     "not compiled",   "cannot be tokenised", "ran out",
                                     "refuses valid", "accepts invalid"};
  mn_schema_bench_report *r = b->report;
  char text[128];
  r->schemas++;
  switch (v->what) {
    case PASSED:
      r->passing++;
      if (v->wrong_end) r->wrong_end++;
      else r->passing_with_end++;
      break;
    case NOT_COMPILED: r->not_compiled++; break;
    case ACCEPTS_INVALID: r->accepts_invalid++; break;
    case REFUSES_VALID: r->refuses_valid++; break;
    default: r->ran_out++;
  }
  if ((v->what == PASSED && !v->wrong_end) || b->o->failure == NULL) return;
  (void)base_format(text, sizeof text, "%.*s", (int)(name.len < 120 ? name.len : 120), name.ptr);
  b->o->failure(b->o->failure_ctx, text, said[v->what], v->detail);
}

static base_status judge_row(bench *b, base_slice line, size_t number, base_error *err) {
  jdoc d = {0};
  char where[32];
  (void)base_format(where, sizeof where, "row %zu", number);
  base_status status = jdoc_open(&d, line, NULL, where, NULL, err);
  if (status != BASE_OK) return status;
  uint32_t schema = jdoc_find(&d, 0, BASE_LITERAL("schema")), name = jdoc_find(&d, 0, BASE_LITERAL("name"));
  base_slice named =
      name != JDOC_NONE && jdoc_kind_at(&d, name) == JDOC_STRING ? jdoc_text(&d, name) : BASE_LITERAL("");
  if (schema == JDOC_NONE) {
    status = base_fail(err, BASE_EFORMAT, where, "a row needs a schema");
  } else if (b->o->only == NULL || base_slice_equal(named, base_slice_of(b->o->only))) {
    verdict v = {0};
    judge_schema(b, &d, schema, jdoc_find(&d, 0, BASE_LITERAL("tests")), &v);
    count_verdict(b, named, &v);
  }
  jdoc_close(&d);
  return status;
}

/* ---- the whole ---- */

static base_status open_tokens(bench *b, base_error *err) {
  os_map map = {0};
  base_status status = os_map_open(&map, b->o->tokenizer, err);
  if (status != BASE_OK) return status;
  base_slice file = {map.ptr, map.len};
  if (file.len >= 4 && memcmp(file.ptr, "GGUF", 4) == 0) {
    gguf_file *f = NULL;
    status = gguf_open(&f, b->o->tokenizer, NULL, err);
    if (status == BASE_OK) status = tok_vocab_open(&b->tokens, f, NULL, err);
    gguf_close(f);
  } else {
    status = tok_vocab_open_ranks(&b->tokens, file, b->o->tokenizer, "llama-bpe", NULL, 0, NULL, err);
  }
  os_map_close(&map);
  if (status != BASE_OK) return status;
  return mask_vocab_open(&b->vocab, tok_vocab_size(b->tokens), piece_of, b->tokens, NULL, err);
}

static base_status judge_file(bench *b, base_error *err) {
  os_map map = {0};
  base_status status = os_map_open(&map, b->o->file, err);
  base_slice rest = {map.ptr, map.len}, line;
  for (size_t number = 1; status == BASE_OK && base_slice_split(&rest, '\n', &line); number++) {
    if (base_slice_trim(line).len > 0) status = judge_row(b, line, number, err);
    if (b->o->limit > 0 && b->report->schemas >= b->o->limit) break;
  }
  os_map_close(&map);
  return status;
}

int mn_schema_bench(const mn_schema_bench_options *options, mn_schema_bench_report *report, mn_error *err) {
  mn_schema_bench_options o = {0};
  base_error e = {0};
  bench b = {.o = &o, .report = report};
  *report = (mn_schema_bench_report){0};
  base_status status = api_take_struct(&o, sizeof o, options, "mn_schema_bench_options", &e);
  if (status == BASE_OK && (o.file == NULL || o.tokenizer == NULL))
    status = base_fail(&e, BASE_EARGUMENT, "schema bench", "a file of rows and a tokenizer are needed");
  if (status == BASE_OK) status = open_tokens(&b, &e);
  if (status == BASE_OK) status = judge_file(&b, &e);
  report->tokens = b.masks.n;
  report->mask = spread_of(&b.masks);
  report->compile = spread_of(&b.compiles);
  report->peak_bytes = os_peak_memory_bytes();
  tok_scratch_free(&b.scratch);
  tok_vocab_close(b.tokens);
  mask_vocab_close(b.vocab);
  base_buf_free(&b.text);
  base_free(NULL, b.ids, b.cap_ids * sizeof *b.ids);
  base_free(NULL, b.masks.ns10, b.masks.cap * sizeof *b.masks.ns10);
  base_free(NULL, b.compiles.ns10, b.compiles.cap * sizeof *b.compiles.ns10);
  return api_result(status, &e, err);
}
