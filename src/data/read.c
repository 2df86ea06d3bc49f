/* Rows from files: JSONL with labels and spans, and plain lines. */
#include <jansson.h>
#include <string.h>

#include "data/data.h"
#include "os/os.h"

enum { MAX_FILE_BYTES = 1 << 30 };

static base_status bad_line(base_error *err, const char *path, size_t line, const char *what) {
  return base_fail(err, BASE_EFORMAT, path, "line %zu: %s", line, what);
}

/* One [start, end, slot] in characters to bytes. */
static const char *read_span(data_set *s, const json_t *item, base_slice text, data_span *out) {
  const json_t *start = json_array_get(item, 0), *end = json_array_get(item, 1),
               *slot = json_array_get(item, 2);
  if (!json_is_integer(start) || !json_is_integer(end) || !json_is_string(slot))
    return "a span is not [start, end, \"slot\"]";
  json_int_t from = json_integer_value(start), to = json_integer_value(end);
  if (from < 0 || to <= from || (size_t)to > base_utf8_count(text.ptr, text.len))
    return "a span lies outside the text";
  base_slice name = {json_string_value(slot), json_string_length(slot)};
  int index = data_name(s, &s->slots, name);
  if (index < 0) return "no room for another slot name";
  *out = (data_span){
      .start = (uint32_t)base_utf8_offset(text.ptr, text.len, (size_t)from),
      .end = (uint32_t)base_utf8_offset(text.ptr, text.len, (size_t)to),
      .slot = (uint16_t)index,
      .list = DATA_NO_LIST,
  };
  return NULL;
}

static void sort_spans(data_span *spans, size_t n) { /* few and mostly sorted */
  for (size_t i = 1; i < n; i++)
    for (size_t j = i; j > 0 && spans[j].start < spans[j - 1].start; j--) {
      data_span x = spans[j];
      spans[j] = spans[j - 1];
      spans[j - 1] = x;
    }
}

static base_status read_row(data_set *s, const json_t *row, const char *path, size_t line, base_error *err) {
  const json_t *text = json_object_get(row, "text"), *intent = json_object_get(row, "intent");
  const json_t *spans = json_object_get(row, "spans"), *item;
  data_span list[DATA_MAX_SPANS];
  size_t n = 0, index;
  base_error detail = {0};
  if (!json_is_string(text) || !json_is_string(intent))
    return bad_line(err, path, line, "\"text\" and \"intent\" must be strings");
  base_slice body = {json_string_value(text), json_string_length(text)};
  if (spans != NULL && !json_is_array(spans)) return bad_line(err, path, line, "\"spans\" must be an array");
  json_array_foreach(spans, index, item) {
    if (n == DATA_MAX_SPANS) return bad_line(err, path, line, "too many spans");
    const char *problem = read_span(s, item, body, &list[n++]);
    if (problem) return bad_line(err, path, line, problem);
  }
  sort_spans(list, n);
  int label = data_name(s, &s->labels, (base_slice){json_string_value(intent), json_string_length(intent)});
  if (label < 0) return bad_line(err, path, line, "no room for another label");
  base_status st = data_add(s, body, label, list, n, &detail);
  return st ? base_fail(err, st, path, "line %zu: %s", line, detail.text) : BASE_OK;
}

/* A byte order mark, as some editors leave one, is no part of the first line. */
static base_slice after_mark(const base_buf *file) {
  base_slice all = {file->ptr, file->len};
  return base_slice_starts(all, BASE_LITERAL("\xef\xbb\xbf")) ? base_slice_sub(all, 3, all.len) : all;
}

base_status data_read_jsonl(data_set *s, const char *path, base_error *err) {
  base_buf file = {.allocator = s->allocator};
  base_slice rest, line;
  json_error_t problem;
  size_t number = 0, before = s->n_rows;
  base_status st = os_read_file(path, MAX_FILE_BYTES, &file, err);
  rest = after_mark(&file);
  while (!st && base_slice_split(&rest, '\n', &line)) {
    number++;
    if (base_slice_trim(line).len == 0) continue;
    json_t *row = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, &problem);
    if (row == NULL) st = bad_line(err, path, number, "this is not JSON");
    else st = read_row(s, row, path, number, err);
    json_decref(row);
  }
  if (!st && s->n_rows == before) st = base_fail(err, BASE_EFORMAT, path, "the file has no rows");
  base_buf_free(&file);
  return st;
}

/* At most what a row may hold, whole characters. */
static base_slice fitting(base_slice line) {
  size_t end = line.len < DATA_MAX_TEXT ? line.len : DATA_MAX_TEXT - 1;
  while (end < line.len && end > 0 && ((unsigned char)line.ptr[end] & 0xc0) == 0x80) end--;
  return base_slice_sub(line, 0, end);
}

base_status data_read_lines(data_set *s, const char *path, base_error *err) {
  base_buf file = {.allocator = s->allocator};
  base_slice rest, line;
  size_t number = 0, before = s->n_rows;
  base_status st = os_read_file(path, MAX_FILE_BYTES, &file, err);
  rest = after_mark(&file);
  while (!st && base_slice_split(&rest, '\n', &line)) {
    number++;
    line = base_slice_trim(line);
    if (line.len == 0) continue;
    if (!base_utf8_valid(line.ptr, line.len)) st = bad_line(err, path, number, "this is not UTF-8");
    else st = data_add(s, fitting(line), -1, NULL, 0, err);
  }
  if (!st && s->n_rows == before) st = base_fail(err, BASE_EFORMAT, path, "the file has no text");
  base_buf_free(&file);
  return st;
}
