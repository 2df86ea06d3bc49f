/* Texts that are made for the caller: reports, lists, what a policy means. */
#include "api/api.h"

const char *mn_text_chars(const mn_text *t) { return t->buf.ptr ? t->buf.ptr : ""; }

void mn_text_free(mn_text *t) {
  if (t == NULL) return;
  base_buf_free(&t->buf);
  base_free(base_allocator_libc(), t, sizeof *t);
}

mn_text *api_text_new(base_error *err, base_status *st) {
  mn_text *t = base_calloc(base_allocator_libc(), 1, sizeof *t);
  if (t == NULL && *st == BASE_OK) *st = base_fail(err, BASE_ENOMEM, "text", "no memory for the text");
  return t;
}

int api_text_finish(mn_text *t, mn_text **out, base_status st, base_error *err, mn_error *error) {
  if (!st && t->buf.failed) st = base_fail(err, BASE_ENOMEM, "text", "no memory for the text");
  *out = NULL;
  if (st)
    mn_text_free(t);
  else
    *out = t;
  return api_result(st, err, error);
}
