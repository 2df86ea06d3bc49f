/* Fuzz target: the first line of the input is a schema, the rest an instance. A verdict has to be the same when the
 * first failure is asked for or all of them, and after schema and instance were written anew. */
#include "constrain/constrain.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

static void count(void *ctx, const constrain_failure *f) {
  require(f->instance != NULL && f->keyword != NULL && f->location != NULL && f->text[0] != 0);
  ++*(size_t *)ctx;
}

static base_status judge(const constrain_schema *s, const jdoc *d, bool all) {
  size_t failures = 0;
  base_error err = {0};
  constrain_run_options o = {.all = all, .report = count, .report_ctx = &failures, .steps = 20000};
  base_status st = constrain_validate(s, d, &o, NULL, &err);
  require(st == BASE_OK ? failures == 0 && err.code == BASE_OK : err.text[0] != 0);
  require(st != BASE_EMISMATCH || failures > 0);
  return st;
}

/* The budget may end before one way is through, and not before the other. */
static void same(base_status a, base_status b) {
  require(a == b || a == BASE_ELIMIT || b == BASE_ELIMIT);
}

static void compare(const constrain_schema *s, const jdoc *schema, const jdoc *d, const constrain_options *o) {
  base_buf text = {0};
  jdoc again;
  constrain_schema *rewritten = NULL;
  base_status st = judge(s, d, false);
  same(st, judge(s, d, true));
  jdoc_put(&text, d, 0);
  require(jdoc_open(&again, (base_slice){text.ptr, text.len}, NULL, "again", NULL, NULL) == BASE_OK);
  same(st, judge(s, &again, false));
  jdoc_close(&again);
  base_buf_clear(&text);
  jdoc_put(&text, schema, 0);
  require(constrain_schema_compile(&rewritten, (base_slice){text.ptr, text.len}, o, "again", NULL, NULL) == BASE_OK);
  same(st, judge(rewritten, d, false));
  constrain_schema_close(rewritten);
  base_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  base_slice rest = {size > 0 ? (const char *)data : "", size}, text = {0};
  base_error err = {0};
  constrain_schema *s = NULL;
  jdoc schema, d;
  constrain_options o = {.draft = size % 2 ? CONSTRAIN_DRAFT7 : CONSTRAIN_BY_SCHEMA, .assert_content = size % 3 == 0};
  if (size > 1 << 16) return 0;
  (void)base_slice_split(&rest, '\n', &text);
  if (constrain_schema_compile(&s, text, &o, "fuzz", NULL, &err) != BASE_OK) {
    require(s == NULL && err.text[0] != 0);
    return 0;
  }
  require(jdoc_open(&schema, text, NULL, "fuzz", NULL, NULL) == BASE_OK);
  if (jdoc_open(&d, rest, NULL, "fuzz", NULL, NULL) == BASE_OK) {
    compare(s, &schema, &d, &o);
    jdoc_close(&d);
  }
  jdoc_close(&schema);
  constrain_schema_close(s);
  return 0;
}
