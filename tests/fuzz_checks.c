/* Fuzz target: a schema with checks, a line end, and any bytes as the document. What is no check is refused with a place; a
 * document is judged in bounded time, and fits or has a sentence; what a model gets of the schema is one too. */
#include <stdlib.h>
#include <string.h>

#include "handoff/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

static int known(void *ctx, base_slice kind, base_slice value) {
  (void)ctx, (void)kind;
  return value.len % 3 == 0 ? 1 : value.len % 3 == 1 ? 0 : -1;
}

static void judge(const jdoc *schema, base_slice document) {
  static const value_datetime now = {{2026, 3, 2}, {21, 15, 0}, true, true};
  handoff_judge by = {&now, {known, NULL}, base_allocator_libc()};
  jdoc doc = {0};
  base_error err = {0};
  if (jdoc_open(&doc, document, NULL, "answer", NULL, NULL)) return;
  base_status st = handoff_check_document(&by, schema, &doc, &err);
  require((st == BASE_OK) == (err.text[0] == '\0'));
  require(st == BASE_OK || st == BASE_EMISMATCH || st == BASE_EARGUMENT);
  jdoc_close(&doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  base_slice document = {(const char *)data, size}, schema;
  jdoc s = {0}, sent = {0};
  base_buf out = {0};
  base_error err = {0};
  if (!base_slice_split(&document, '\n', &schema) || jdoc_open(&s, schema, NULL, "schema", NULL, NULL)) return 0;
  base_status st = handoff_check_checks(&s, base_allocator_libc(), &err);
  require((st == BASE_OK) == (err.text[0] == '\0'));
  if (!st) judge(&s, document);
  handoff_put_schema(&s, &out);
  require(!jdoc_open(&sent, (base_slice){out.ptr, out.len}, NULL, "sent", NULL, NULL));
  require(jdoc_member(&sent, 0, "x-check") == JDOC_NONE);
  jdoc_close(&sent);
  jdoc_close(&s);
  base_buf_free(&out);
  return 0;
}
