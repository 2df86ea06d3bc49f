/* Fuzz target: the first line of the input is a schema, the rest an instance. Whatever compiles checks the
 * instance; what jansson reads as strict JSON, the in-place reader reads too. */
#include "constrain/constrain.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

/* Short texts cannot reach the limits on depth and keys, so both readers have to agree, but for what only
 * jansson limits: numbers that its types do not hold, and keys with a NUL. */
static void compare(base_slice text, bool accepted) {
  json_error_t problem;
  if (text.len > 64 || memchr(text.ptr, 0, text.len) != NULL)
    return; /* jansson skips a NUL behind a number */
  json_t *value = json_loadb(text.len > 0 ? text.ptr : "", text.len,
                             JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
  enum json_error_code code = value == NULL ? json_error_code(&problem) : json_error_unknown;
  if (value != NULL) require(accepted);
  else if (code != json_error_numeric_overflow && code != json_error_null_byte_in_key) require(!accepted);
  json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  base_slice rest = {(const char *)data, size}, schema = {0}, anything = BASE_LITERAL("true");
  base_error err = {0};
  constrain_schema *s = NULL;
  (void)base_slice_split(&rest, '\n', &schema);
  if (rest.len == 0) rest.ptr = "";
  if (constrain_schema_open(&s, schema, "fuzz", NULL, &err) == BASE_OK) {
    base_status st = constrain_check(s, rest, &err);
    require(st == BASE_OK || (err.code == st && err.text[0] != 0));
    require(constrain_check(s, rest, NULL) == st);
  } else {
    require(s == NULL && err.code != BASE_OK && err.text[0] != 0);
  }
  constrain_schema_close(s);
  require(constrain_schema_open(&s, anything, "fuzz", NULL, NULL) == BASE_OK);
  compare(rest, constrain_check(s, rest, NULL) == BASE_OK);
  constrain_schema_close(s);
  return 0;
}
