/* Training sentences: the lines of a source file, and one line with inline slots, {slot:value},
 * {slot@list:value} or {slot=value}, to text and spans. Bytes in, statuses out: no files here. */
#include <string.h>

#include "pack/internal.h"
#include "tok/tok.h"

/* ---- lines ---- */

static bool is_printable(base_slice line) {
  for (size_t i = 0; i < line.len; i++)
    if (((unsigned char)line.ptr[i] < 0x20 && line.ptr[i] != '\t') || line.ptr[i] == 0x7f) return false;
  return true;
}

bool pack_lines_next(pack_lines *l, base_status *status, base_error *err) {
  *status = BASE_OK;
  while (base_slice_split(&l->rest, '\n', &l->line)) {
    l->number++;
    l->line = base_slice_trim(l->line);
    if (l->line.len == 0 || l->line.ptr[0] == '#') continue;
    if (!base_utf8_valid(l->line.ptr, l->line.len) || !is_printable(l->line)) {
      *status = base_fail(err, BASE_EFORMAT, l->path, "line %zu: this is not UTF-8 text", l->number);
      return false;
    }
    l->heading = l->line.ptr[0] == '[';
    if (!l->heading) return true;
    if (l->line.len < 3 || l->line.ptr[l->line.len - 1] != ']') {
      *status = base_fail(err, BASE_EFORMAT, l->path,
                          "line %zu: a section's heading is [name] alone on its line", l->number);
      return false;
    }
    l->section = base_slice_sub(l->line, 1, l->line.len - 1);
    return true;
  }
  return false;
}

/* ---- one sentence ---- */

static base_status bad(base_error *err, const char *fmt, base_slice what) {
  char shown[64];
  base_format(shown, sizeof shown, "%.*s", (int)(what.len < 60 ? what.len : 60),
              what.len > 0 ? what.ptr : "");
  char text[192];
  base_format(text, sizeof text, fmt, shown);
  return base_fail(err, BASE_EFORMAT, "", "%s", text);
}

static bool is_list_name(base_slice s) {
  for (size_t i = 0; i < s.len; i++)
    if (!((s.ptr[i] >= 'a' && s.ptr[i] <= 'z') || (s.ptr[i] >= '0' && s.ptr[i] <= '9') || s.ptr[i] == '_'))
      return false;
  return s.len > 0 && s.len <= 60;
}

/* The inside of braces to a span, and its value's words. */
static base_status parse_span(base_slice inside, const pack_manifest *m, const pack_action *action,
                              pack_sentence_span *span, base_slice *value, base_error *err) {
  size_t at = 0;
  while (at < inside.len && inside.ptr[at] != ':' && inside.ptr[at] != '=' && inside.ptr[at] != '@')
    at++;
  base_slice name = base_slice_sub(inside, 0, at), list = name;
  if (at < inside.len && inside.ptr[at] == '@') {
    size_t from = ++at;
    while (at < inside.len && inside.ptr[at] != ':')
      at++;
    list = base_slice_sub(inside, from, at);
    if (!is_list_name(list)) return bad(err, "'{%s}' names no value list after '@'", inside);
  }
  if (at == inside.len)
    return bad(err, "'{%s}' is not {slot:value}, {slot@list:value} or {slot=value}", inside);
  span->list = inside.ptr[at] == '=' ? (base_slice){0} : list;
  *value = base_slice_sub(inside, at + 1, inside.len);
  if (value->len == 0 || base_slice_trim(*value).len != value->len)
    return bad(err, "the value in '{%s}' is empty or has spaces around it", inside);
  span->slot = pack_find_slot(m, name);
  if (span->slot < 0) return bad(err, "slot '%s' is not declared in pack.json", name);
  if (!(action->slots >> span->slot & 1)) return bad(err, "slot '%s' is not among the action's slots", name);
  return BASE_OK;
}

static base_status append(pack_sentence *out, base_slice piece, base_error *err) {
  if (out->len + piece.len >= sizeof out->text)
    return base_fail(err, BASE_ELIMIT, "", "the sentence is longer than %d bytes", DATA_MAX_TEXT - 1);
  if (piece.len > 0) memcpy(out->text + out->len, piece.ptr, piece.len);
  out->len += piece.len;
  return BASE_OK;
}

/* Tags are put on words, so a span that starts or ends inside one cannot be learned. */
static base_status check_words(const pack_sentence *s, base_error *err) {
  tok_word words[HEAD_MAX_WORDS + 1];
  size_t n = tok_split(s->text, s->len, words, HEAD_MAX_WORDS + 1), w = 0;
  if (n > HEAD_MAX_WORDS)
    return base_fail(err, BASE_ELIMIT, "", "the sentence has more than %d words", HEAD_MAX_WORDS);
  for (size_t i = 0; i < s->n_spans; i++) {
    while (w < n && words[w].start < s->span[i].start)
      w++;
    bool starts = w < n && words[w].start == s->span[i].start;
    while (w < n && words[w].end < s->span[i].end)
      w++;
    if (!starts || w == n || words[w].end != s->span[i].end)
      return bad(err, "the value '%s' begins or ends inside a word",
                 (base_slice){s->text + s->span[i].start, s->span[i].end - s->span[i].start});
  }
  return n > 0 ? BASE_OK : base_fail(err, BASE_EFORMAT, "", "the sentence has no words");
}

static base_status add_span(pack_sentence *out, base_slice inside, const pack_manifest *m,
                            const pack_action *action, base_error *err) {
  base_slice value;
  if (out->n_spans == DATA_MAX_SPANS)
    return base_fail(err, BASE_ELIMIT, "", "the sentence has more than %d slots", DATA_MAX_SPANS);
  pack_sentence_span *span = &out->span[out->n_spans];
  base_status st = parse_span(inside, m, action, span, &value, err);
  if (st) return st;
  span->start = (uint32_t)out->len;
  st = append(out, value, err);
  span->end = (uint32_t)out->len;
  out->n_spans++;
  return st;
}

/* One trimmed, non-empty line with inline slots to text and spans. The slots have to be the action's. The error has no
 * place. */
static base_status parse_sentence(base_slice line, const pack_manifest *m, const pack_action *action,
                                  pack_sentence *out, base_error *err) {
  out->len = out->n_spans = 0;
  for (size_t at = 0; at < line.len;) {
    size_t end = at;
    base_status st;
    if (line.ptr[at] == '}') return bad(err, "a '}' without '{' in '%s'", line);
    if (line.ptr[at] == '{') {
      while (end < line.len && line.ptr[end] != '}' && (end == at || line.ptr[end] != '{'))
        end++;
      if (end == line.len || line.ptr[end] != '}') return bad(err, "a '{' without '}' in '%s'", line);
      st = add_span(out, base_slice_sub(line, at + 1, end), m, action, err);
      end++;
    } else {
      while (end < line.len && line.ptr[end] != '{' && line.ptr[end] != '}')
        end++;
      st = append(out, base_slice_sub(line, at, end), err);
    }
    if (st) return st;
    at = end;
  }
  return check_words(out, err);
}

/* A heading: an action of the manifest, each once. */
static base_status enter_section(pack_lines *l, const pack_manifest *m, base_error *err) {
  l->action = pack_find_action(m, l->section);
  int shown = (int)(l->section.len < 60 ? l->section.len : 60);
  if (l->action < 0)
    return base_fail(err, BASE_EFORMAT, l->path, "line %zu: [%.*s] is no action of pack.json", l->number,
                     shown, l->section.ptr);
  if (l->seen >> l->action & 1)
    return base_fail(err, BASE_EFORMAT, l->path, "line %zu: a second section [%.*s]", l->number, shown,
                     l->section.ptr);
  l->seen |= UINT64_C(1) << l->action;
  return BASE_OK;
}

bool pack_sentences_next(pack_lines *l, const pack_manifest *m, pack_sentence *out, base_status *status,
                         base_error *err) {
  while (pack_lines_next(l, status, err)) {
    base_error detail = {0};
    if (l->heading) {
      *status = enter_section(l, m, err);
      if (*status) return false;
      continue;
    }
    if (l->section.len == 0) {
      *status =
          base_fail(err, BASE_EFORMAT, l->path, "line %zu: a sentence before the first [action]", l->number);
      return false;
    }
    *status = parse_sentence(l->line, m, &m->action[l->action], out, &detail);
    if (*status) (void)base_fail(err, *status, l->path, "line %zu: %s", l->number, detail.text);
    return *status == BASE_OK;
  }
  return false;
}
