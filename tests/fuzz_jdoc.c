/* Fuzz target: what the reader accepts it reads the same after writing it, in place as in memory of its own, and
 * as jansson does. */
#include "jdoc/jdoc.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

/* Short texts, so that jansson's limit on depth is not reached; its limits on numbers and keys are its own. */
static void compare(base_slice text, bool accepted) {
  json_error_t problem;
  if (text.len > 1000 || memchr(text.ptr, 0, text.len) != NULL) return; /* jansson skips a NUL behind a number */
  json_t *value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
  enum json_error_code code = value == NULL ? json_error_code(&problem) : json_error_unknown;
  if (value != NULL) require(accepted);
  else if (code != json_error_numeric_overflow && code != json_error_null_byte_in_key) require(!accepted);
  json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static jdoc_node node[1 << 16];
  static char decoded[1 << 16];
  jdoc_space space = {node, 1 << 16, decoded, 1 << 16};
  base_slice text = {size > 0 ? (const char *)data : "", size};
  jdoc d, again, fixed;
  base_error err = {0};
  base_status st = jdoc_open(&d, text, NULL, "fuzz", NULL, &err);
  require((st == BASE_OK) == (err.code == BASE_OK));
  if (size < 1 << 16) require(jdoc_read(&fixed, text, NULL, &space, "fuzz", NULL) == st);
  compare(text, st == BASE_OK);
  if (st) return 0;
  base_buf b = {0};
  jdoc_put(&b, &d, 0);
  require(jdoc_open(&again, (base_slice){b.ptr, b.len}, NULL, "fuzz", NULL, NULL) == BASE_OK);
  require(again.n_nodes == d.n_nodes && jdoc_equal(&d, 0, &again, 0, NULL));
  require(jdoc_hash(&d, 0) == jdoc_hash(&again, 0));
  jdoc_close(&again);
  jdoc_close(&d);
  base_buf_free(&b);
  return 0;
}
