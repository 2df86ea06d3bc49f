/* The library's version, and the border that every public call's result crosses. */
#include <string.h>

#include "api/api.h"

const char *mn_version(void) { return MN_VERSION; }

int api_result(base_status st, const base_error *inner, mn_error *out) {
  if (st == BASE_OK || out == NULL || out->code != MN_OK) return (int)st;
  out->code = (int)st;
  (void)base_format(out->where, sizeof out->where, "%s", inner->where);
  (void)base_format(out->text, sizeof out->text, "%s",
                    inner->text[0] != '\0' ? inner->text : base_status_text(st));
  return (int)st;
}

/* The size that a caller's struct says it has, as far as it can be one. */
static base_status read_size(size_t *size, const void *theirs, const char *what, base_error *err) {
  memcpy(size, theirs, sizeof *size);
  if (*size > sizeof *size && *size <= 65536) return BASE_OK;
  return base_fail(err, BASE_EARGUMENT, what, "its size field is %zu; fill the struct with its _init function first",
                   *size);
}

base_status api_take_struct(void *ours, size_t our_size, const void *theirs, const char *what, base_error *err) {
  size_t size;
  if (theirs == NULL) return BASE_OK;
  base_status st = read_size(&size, theirs, what, err);
  if (!st) memcpy(ours, theirs, size < our_size ? size : our_size);
  return st;
}

base_status api_give_struct(void *theirs, const void *ours, size_t our_size, const char *what, base_error *err) {
  size_t size;
  if (theirs == NULL) return BASE_OK;
  base_status st = read_size(&size, theirs, what, err);
  if (st) return st;
  size_t n = size < our_size ? size : our_size;
  memcpy((char *)theirs + sizeof size, (const char *)ours + sizeof size, n - sizeof size);
  return BASE_OK;
}
