/* base/status: how a failure is recorded. The first failure of an error sticks, so the text that reaches
 * the user is about the cause and not about what fell over later. */
#include "base/base.h"

#include <stdio.h>

base_status base_fail(base_error *err, base_status code, const char *where, const char *fmt, ...) {
  if (err == NULL || err->code != BASE_OK) return code;
  err->code = code;
  (void)base_format(err->where, sizeof err->where, "%s", where != NULL ? where : "");
  va_list args;
  va_start(args, fmt);
  (void)vsnprintf(err->text, sizeof err->text, fmt, args);
  va_end(args);
  return code;
}

const char *base_status_text(base_status code) {
  switch (code) {
#define BASE_STATUS(name, text) \
  case BASE_##name:             \
    return text;
#include "base/status.def"
#undef BASE_STATUS
  }
  return "unknown status";
}
