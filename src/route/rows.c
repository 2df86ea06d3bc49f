/* Rows from a JSONL file. Texts are copied into one buffer; while it grows, slices hold offsets in place of
 * pointers. */
#include <string.h>

#include "jdoc/jdoc.h"
#include "route/internal.h"

enum { MAX_FILE_BYTES = 1 << 30, LINE_NODES = 256, LINE_BYTES = 1 << 20 };

static const base_allocator *allocator_of(const route_rows *r) {
  return r->allocator ? r->allocator : base_allocator_libc();
}

void route_rows_free(route_rows *rows) {
  const base_allocator *a = allocator_of(rows);
  base_free(a, rows->row, rows->cap * sizeof *rows->row);
  base_free(a, rows->subject, rows->subject_cap * sizeof *rows->subject);
  base_buf_free(&rows->text);
  *rows = (route_rows){.allocator = rows->allocator};
}

/* Room for one more item. */
static bool grow(const base_allocator *a, void **items, size_t n, size_t *cap, size_t bytes) {
  void *grown = base_grow(a, *items, cap, n + 1, bytes);
  if (grown != NULL) *items = grown;
  return grown != NULL;
}

/* A slice whose pointer is still an offset. */
static base_slice keep_text(route_rows *rows, base_slice text) {
  base_slice kept = {(const char *)(uintptr_t)rows->text.len, text.len};
  base_buf_add(&rows->text, text.ptr, text.len);
  return kept;
}

static base_status find_subject(route_rows *rows, base_slice name, uint32_t *out, const char *path, base_error *err) {
  for (size_t i = rows->n_subjects; i-- > 0;) { /* rows of a subject tend to stand together */
    base_slice known = {rows->text.ptr + (uintptr_t)rows->subject[i].ptr, rows->subject[i].len};
    *out = (uint32_t)i;
    if (base_slice_equal(known, name)) return BASE_OK;
  }
  if (rows->n_subjects == ROUTE_MAX_SUBJECTS)
    return base_fail(err, BASE_ELIMIT, path, "there are more than %d subjects", ROUTE_MAX_SUBJECTS);
  if (!grow(allocator_of(rows), (void **)&rows->subject, rows->n_subjects, &rows->subject_cap, sizeof(base_slice)))
    return base_fail(err, BASE_ENOMEM, path, "no memory for the rows");
  *out = (uint32_t)rows->n_subjects;
  rows->subject[rows->n_subjects++] = keep_text(rows, name);
  return BASE_OK;
}

static base_status bad_line(base_error *err, const char *path, size_t line, const char *what) {
  return base_fail(err, BASE_EFORMAT, path, "line %zu: %s", line, what);
}

static bool is_bool(const jdoc *d, uint32_t i) {
  return i != JDOC_NONE && (jdoc_kind_at(d, i) == JDOC_TRUE || jdoc_kind_at(d, i) == JDOC_FALSE);
}

static base_status take_row(route_rows *rows, const jdoc *d, const char *path, size_t line, base_error *err) {
  route_row row = {0};
  if (jdoc_kind_at(d, 0) != JDOC_OBJECT) return bad_line(err, path, line, "a row has to be a JSON object");
  uint32_t prompt = jdoc_find(d, 0, BASE_LITERAL("prompt")), weak = jdoc_find(d, 0, BASE_LITERAL("weak")),
           strong = jdoc_find(d, 0, BASE_LITERAL("strong")), subject = jdoc_find(d, 0, BASE_LITERAL("subject"));
  if (prompt == JDOC_NONE || jdoc_kind_at(d, prompt) != JDOC_STRING)
    return bad_line(err, path, line, "\"prompt\" must be a string");
  if (!is_bool(d, weak) || !is_bool(d, strong))
    return bad_line(err, path, line, "\"weak\" and \"strong\" must be true or false");
  if (subject != JDOC_NONE && jdoc_kind_at(d, subject) != JDOC_STRING)
    return bad_line(err, path, line, "\"subject\" must be a string");
  if (rows->n == ROUTE_MAX_ROWS) return base_fail(err, BASE_ELIMIT, path, "more than %d rows", ROUTE_MAX_ROWS);
  base_status st = find_subject(rows, subject == JDOC_NONE ? (base_slice){"", 0} : jdoc_text(d, subject),
                                &row.subject, path, err);
  if (st) return st;
  if (!grow(allocator_of(rows), (void **)&rows->row, rows->n, &rows->cap, sizeof *rows->row))
    return base_fail(err, BASE_ENOMEM, path, "no memory for the rows");
  row.prompt = keep_text(rows, jdoc_text(d, prompt));
  row.weak = jdoc_kind_at(d, weak) == JDOC_TRUE;
  row.strong = jdoc_kind_at(d, strong) == JDOC_TRUE;
  rows->row[rows->n++] = row;
  return BASE_OK;
}

static base_status take_line(route_rows *rows, base_slice line, const char *path, size_t number, base_error *err) {
  jdoc d;
  base_error why = {0};
  const jdoc_limits limits = {.bytes = LINE_BYTES, .nodes = LINE_NODES};
  base_status st = jdoc_open(&d, line, &limits, path, allocator_of(rows), &why);
  if (st) return base_fail(err, st, path, "line %zu: %s", number, why.text);
  st = take_row(rows, &d, path, number, err);
  jdoc_close(&d);
  return st;
}

static void point(base_slice *s, const base_buf *text) {
  s->ptr = s->len ? text->ptr + (uintptr_t)s->ptr : "";
}

base_status route_rows_read(route_rows *rows, const char *path, base_error *err) {
  base_buf file = {.allocator = rows->allocator};
  base_slice rest, line;
  size_t number = 0;
  rows->text.allocator = rows->allocator;
  base_status st = os_read_file(path, MAX_FILE_BYTES, &file, err);
  rest = (base_slice){file.ptr, file.len};
  while (!st && base_slice_split(&rest, '\n', &line)) {
    number++;
    line = base_slice_trim(line);
    if (line.len > 0) st = take_line(rows, line, path, number, err);
  }
  base_buf_free(&file);
  if (!st && rows->text.failed) st = base_fail(err, BASE_ENOMEM, path, "no memory for the rows");
  if (!st && rows->n == 0) st = base_fail(err, BASE_EFORMAT, path, "there are no rows");
  for (size_t i = 0; !st && i < rows->n; i++) point(&rows->row[i].prompt, &rows->text);
  for (size_t i = 0; !st && i < rows->n_subjects; i++) point(&rows->subject[i], &rows->text);
  if (st) route_rows_free(rows);
  return st;
}
