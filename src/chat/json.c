/* chat/json: JSON to values and back, as Python's json module writes it. */
#include "chat/value.h"

#include "jdoc/jdoc.h"

#include <math.h>
#include <string.h>

enum { MAX_JSON_DEPTH = 100 };

/* ---- reading ---- */

static chat_value number(chat_run *r, base_slice raw) {
  int64_t i;
  double d;
  if (base_parse_int(raw, &i)) return chat_int(i);
  if (base_parse_double(raw, &d)) return chat_real(d);
  return chat_fail(r, BASE_EUNSUPPORTED, "the number %.*s is too large", raw.len < 40 ? (int)raw.len : 40,
                   raw.ptr);
}

/* A copy: the document is closed before the value is used. All that is read is marked. */
static chat_value string(chat_run *r, base_slice s) {
  char *copy = chat_take(&r->heap, s.len + 1, 1);
  if (copy == NULL) return chat_fail(r, BASE_ENOMEM, "no memory to read the conversation");
  if (s.len > 0) memcpy(copy, s.ptr, s.len);
  return chat_text(r, copy, s.len, true);
}

static chat_value convert(chat_run *r, const jdoc *d, uint32_t i) {
  chat_value out;
  switch (jdoc_kind_at(d, i)) {
    case JDOC_NULL: return chat_none();
    case JDOC_FALSE: return chat_bool(false);
    case JDOC_TRUE: return chat_bool(true);
    case JDOC_NUMBER: return number(r, jdoc_raw(d, i));
    case JDOC_STRING: return string(r, jdoc_text(d, i));
    case JDOC_ARRAY:
      out = chat_list_new(r, jdoc_count(d, i));
      for (uint32_t v = i + 1, n = jdoc_count(d, i); n > 0 && r->status == BASE_OK; n--, v = jdoc_next(d, v))
        chat_list_add(r, out, convert(r, d, v));
      return out;
    default:
      out = chat_dict_new(r, CHAT_DICT);
      for (uint32_t k = i + 1, n = jdoc_count(d, i); n > 0 && r->status == BASE_OK;
           n--, k = jdoc_next(d, k + 1))
        chat_dict_put(r, out, string(r, jdoc_text(d, k)), convert(r, d, k + 1));
      return out;
  }
}

chat_value chat_from_json(chat_run *r, base_slice text, const char *where) {
  jdoc d = {0};
  jdoc_limits limits = {.bytes = 16U << 20, .depth = MAX_JSON_DEPTH, .nodes = 1U << 20};
  if (r->status != BASE_OK) return chat_undefined();
  r->status = jdoc_open(&d, text, &limits, where, r->heap.allocator, r->err);
  chat_value v = r->status == BASE_OK ? convert(r, &d, 0) : chat_undefined();
  jdoc_close(&d);
  return v;
}

/* ---- writing: all of it is marked, since it says what the conversation says ---- */

typedef struct writer {
  chat_builder b;
  const chat_json_form *form;
} writer;

static void put(writer *w, const char *text) {
  chat_add(&w->b, text, strlen(text), true);
}

static void put_slice(writer *w, base_slice s) {
  chat_add(&w->b, s.ptr, s.len, true);
}

static void put_newline(writer *w, int depth) {
  put(w, "\n");
  for (int i = 0; i < depth * w->form->indent; i++) put(w, " ");
}

static void put_code(writer *w, uint32_t c) {
  char text[16];
  if (c >= 0x10000) {
    (void)base_format(text, sizeof text, "\\u%04x\\u%04x", 0xD800U + ((c - 0x10000) >> 10),
                      0xDC00U + (c & 0x3FF));
  } else {
    (void)base_format(text, sizeof text, "\\u%04x", (unsigned)c);
  }
  put(w, text);
}

static void put_string(writer *w, base_slice s) {
  static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
  put(w, "\"");
  for (size_t at = 0, n; at < s.len && w->b.r->status == BASE_OK; at += n) {
    uint32_t c = 0;
    n = base_utf8_decode(s.ptr + at, s.len - at, &c);
    const char *known = n == 1 && c != 0 ? strchr(plain, (int)c) : NULL;
    if (known != NULL) {
      char text[3] = {'\\', letter[known - plain], 0};
      put(w, text);
    } else if (n == 0) {
      put(w, "\xEF\xBF\xBD");
      n = 1;
    } else if (c < 0x20 || (w->form->ascii && c >= 0x7F)) {
      put_code(w, c);
    } else {
      put_slice(w, (base_slice){s.ptr + at, n});
    }
  }
  put(w, "\"");
}

static void put_value(writer *w, chat_value v, int depth);

static void put_key(writer *w, chat_value key) {
  if (key.kind == CHAT_STRING) {
    put_string(w, chat_slice(key.as.string));
  } else {
    put(w, "\"");
    put_value(w, key, 0);
    put(w, "\"");
  }
}

/* The order of the members: as they are, or by key. Insertion sort over indices. */
static uint32_t *member_order(chat_run *r, const chat_dict *d, bool sorted) {
  uint32_t *order = chat_take(&r->heap, d->n + 1, sizeof *order);
  if (order == NULL) {
    (void)chat_fail(r, BASE_ENOMEM, "no memory to write JSON");
    return NULL;
  }
  for (uint32_t i = 0; i < d->n; i++) {
    uint32_t at = i;
    for (; sorted && at > 0 && chat_compare(r, d->member[order[at - 1]].key, d->member[i].key) > 0; at--)
      order[at] = order[at - 1];
    order[at] = i;
    if (r->status != BASE_OK) return NULL;
  }
  return order;
}

static void put_dict(writer *w, const chat_dict *d, int depth) {
  uint32_t *order = member_order(w->b.r, d, w->form->sort_keys);
  put(w, "{");
  for (size_t i = 0; order != NULL && i < d->n && w->b.r->status == BASE_OK; i++) {
    if (i > 0) put_slice(w, w->form->comma);
    if (w->form->indent >= 0) put_newline(w, depth + 1);
    put_key(w, d->member[order[i]].key);
    put_slice(w, w->form->colon);
    put_value(w, d->member[order[i]].value, depth + 1);
  }
  if (d->n > 0 && w->form->indent >= 0) put_newline(w, depth);
  put(w, "}");
}

static void put_list(writer *w, const chat_list *l, int depth) {
  put(w, "[");
  for (size_t i = 0; i < l->n && w->b.r->status == BASE_OK; i++) {
    if (i > 0) put_slice(w, w->form->comma);
    if (w->form->indent >= 0) put_newline(w, depth + 1);
    put_value(w, l->item[i], depth + 1);
  }
  if (l->n > 0 && w->form->indent >= 0) put_newline(w, depth);
  put(w, "]");
}

static void put_value(writer *w, chat_value v, int depth) {
  if (depth > MAX_JSON_DEPTH) {
    (void)chat_fail(w->b.r, BASE_ELIMIT, "a value nests too deep for JSON");
    return;
  }
  switch (v.kind) {
    case CHAT_NONE: put(w, "null"); return;
    case CHAT_BOOL: put(w, v.as.truth ? "true" : "false"); return;
    case CHAT_STRING: put_string(w, chat_slice(v.as.string)); return;
    case CHAT_LIST:
      if (!chat_is_sequence(v, CHAT_TUPLE)) break;
      put_list(w, v.as.list, depth);
      return;
    case CHAT_DICT: put_dict(w, v.as.dict, depth); return;
    case CHAT_FLOAT:
      if (isnan(v.as.real) || isinf(v.as.real)) {
        put(w, isnan(v.as.real) ? "NaN" : v.as.real > 0 ? "Infinity" : "-Infinity");
        return;
      }
      chat_add_str(&w->b, v);
      return;
    case CHAT_INT: chat_add_str(&w->b, v); return;
    default: break;
  }
  (void)chat_fail(w->b.r, BASE_EARGUMENT, "%s cannot be written as JSON", chat_kind_name(v));
}

chat_value chat_to_json(chat_run *r, chat_value v, const chat_json_form *form) {
  writer w = {.b = {.r = r}, .form = form};
  put_value(&w, v, 0);
  return chat_built(&w.b);
}
