/* tool/set: definitions of tools and a choice among them, read from JSON. Sentences are in the manner of OpenAI's. */
#include <stdio.h>
#include <string.h>

#include "constrain/constrain.h"
#include "jdoc/jdoc.h"
#include "tool/internal.h"

static base_status fail_at(base_error *err, base_status code, size_t index, const char *field,
                           const char *text) {
  char where[64];
  (void)base_format(where, sizeof where, "tools[%zu]%s", index, field);
  return base_fail(err, code, where, "%s", text);
}

/* ---- one definition ---- */

static bool is_name(base_slice s) {
  if (s.len == 0 || s.len > TOOL_MAX_NAME) return false;
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
        c == '-';
    if (!fine) return false;
  }
  return true;
}

/* Missing or null parameters: the function takes none. */
static base_status read_parameters(tool_set *s, size_t i, uint32_t at, base_error *err) {
  const jdoc *d = &s->doc;
  tool_definition *t = &s->tool[i];
  char where[96];
  t->schema = BASE_LITERAL("{\"type\":\"object\",\"additionalProperties\":false}");
  if (at != JDOC_NONE && jdoc_kind_at(d, at) != JDOC_NULL) {
    if (jdoc_kind_at(d, at) != JDOC_OBJECT || !jdoc_is_text(d, jdoc_member(d, at, "type"), "object"))
      return fail_at(err, BASE_EARGUMENT, i, ".function.parameters",
                     "a function's parameters are a JSON Schema of type \"object\"");
    t->schema = jdoc_raw(d, at);
  }
  (void)base_format(where, sizeof where, "tools[%zu].function.parameters", i);
  return constrain_schema_compile(&t->validator, t->schema, NULL, where, s->allocator, err);
}

static base_status read_one(tool_set *s, size_t i, uint32_t at, base_error *err) {
  const jdoc *d = &s->doc;
  uint32_t function = jdoc_member(d, at, "function"), name = jdoc_member(d, function, "name");
  uint32_t description = jdoc_member(d, function, "description");
  if (jdoc_kind_at(d, at) != JDOC_OBJECT) return fail_at(err, BASE_EARGUMENT, i, "", "a tool is an object");
  if (!jdoc_is_text(d, jdoc_member(d, at, "type"), "function"))
    return fail_at(err, BASE_EARGUMENT, i, ".type", "a tool's type is \"function\"; there are no others");
  if (function == JDOC_NONE || jdoc_kind_at(d, function) != JDOC_OBJECT)
    return fail_at(err, BASE_EARGUMENT, i, ".function",
                   "a tool has an object \"function\" with a name and parameters");
  if (name == JDOC_NONE || jdoc_kind_at(d, name) != JDOC_STRING || !is_name(jdoc_text(d, name)))
    return fail_at(err, BASE_EARGUMENT, i, ".function.name", "a name is 1 to 64 of A-Z, a-z, 0-9, _ and -");
  if (description != JDOC_NONE && jdoc_kind_at(d, description) != JDOC_STRING &&
      jdoc_kind_at(d, description) != JDOC_NULL)
    return fail_at(err, BASE_EARGUMENT, i, ".function.description", "a description is a text");
  s->tool[i].name = jdoc_text(d, name);
  for (size_t k = 0; k < i; k++)
    if (base_slice_equal(s->tool[k].name, s->tool[i].name))
      return fail_at(err, BASE_EARGUMENT, i, ".function.name",
                     "two tools have this name; each needs one of its own");
  return read_parameters(s, i, jdoc_member(d, function, "parameters"), err);
}

/* ---- the set ---- */

static base_status read_all(tool_set *s, base_error *err) {
  const jdoc *d = &s->doc;
  if (jdoc_kind_at(d, 0) != JDOC_ARRAY)
    return base_fail(err, BASE_EARGUMENT, "tools", "the tools are an array of objects");
  s->n = jdoc_count(d, 0);
  if (s->n > TOOL_MAX_TOOLS) {
    size_t n = s->n;
    s->n = 0;
    return base_fail(err, BASE_ELIMIT, "tools", "%zu tools; at most %d are possible", n, (int)TOOL_MAX_TOOLS);
  }
  s->tool = base_calloc(s->allocator, s->n > 0 ? s->n : 1, sizeof *s->tool);
  if (s->tool == NULL) return base_fail(err, BASE_ENOMEM, "tools", "no memory for them");
  uint32_t at = 1;
  for (size_t i = 0; i < s->n; i++, at = jdoc_next(d, at)) {
    base_status st = read_one(s, i, at, err);
    if (st) return st;
  }
  return BASE_OK;
}

base_status tool_set_open(tool_set **out, base_slice json, const base_allocator *a, base_error *err) {
  *out = NULL;
  if (a == NULL) a = base_allocator_libc();
  tool_set *s = base_calloc(a, 1, sizeof *s);
  if (s == NULL) return base_fail(err, BASE_ENOMEM, "tools", "no memory for them");
  s->allocator = a;
  s->json.allocator = a;
  base_buf_add(&s->json, json.ptr, json.len);
  base_status st = s->json.failed ? base_fail(err, BASE_ENOMEM, "tools", "no memory for them") : BASE_OK;
  if (!st) st = jdoc_open(&s->doc, tool_set_json(s), NULL, "tools", a, err);
  if (!st) st = read_all(s, err);
  if (st) {
    tool_set_close(s);
    return st;
  }
  *out = s;
  return BASE_OK;
}

void tool_set_close(tool_set *s) {
  if (s == NULL) return;
  for (size_t i = 0; s->tool != NULL && i < s->n; i++) constrain_schema_close(s->tool[i].validator);
  if (s->tool != NULL) base_free(s->allocator, s->tool, (s->n > 0 ? s->n : 1) * sizeof *s->tool);
  jdoc_close(&s->doc);
  base_buf_free(&s->json);
  base_free(s->allocator, s, sizeof *s);
}

size_t tool_set_count(const tool_set *s) { return s->n; }
base_slice tool_set_json(const tool_set *s) { return (base_slice){s->json.ptr, s->json.len}; }

size_t tool_set_find(const tool_set *s, base_slice name) {
  size_t i = 0;
  while (i < s->n && !base_slice_equal(s->tool[i].name, name)) i++;
  return i;
}

/* ---- choices ---- */

static base_status fail_choice(base_error *err, const char *text) {
  return base_fail(err, BASE_EARGUMENT, "tool_choice", "%s", text);
}

static bool take_word(tool_choice *out, base_slice word) {
  out->none = base_slice_equal(word, BASE_LITERAL("none"));
  out->required = base_slice_equal(word, BASE_LITERAL("required"));
  return out->none || out->required || base_slice_equal(word, BASE_LITERAL("auto"));
}

/* {"type":"function","function":{"name":"x"}} */
static base_status allow_named(tool_choice *out, const tool_set *s, const jdoc *d, uint32_t at,
                               base_error *err) {
  uint32_t name = jdoc_member(d, jdoc_member(d, at, "function"), "name");
  if (!jdoc_is_text(d, jdoc_member(d, at, "type"), "function") || name == JDOC_NONE ||
      jdoc_kind_at(d, name) != JDOC_STRING)
    return fail_choice(err, "a tool is named by {\"type\":\"function\",\"function\":{\"name\":\"...\"}}");
  base_slice text = jdoc_text(d, name);
  size_t i = tool_set_find(s, text);
  if (i == s->n)
    return base_fail(err, BASE_ENOTFOUND, "tool_choice", "\"%.*s\" is not among the tools",
                     (int)(text.len < 64 ? text.len : 64), text.ptr);
  out->allowed[i] = true;
  return BASE_OK;
}

static base_status allow_listed(tool_choice *out, const tool_set *s, const jdoc *d, uint32_t at,
                                base_error *err) {
  uint32_t mode = jdoc_member(d, at, "mode"), list = jdoc_member(d, at, "tools");
  bool fine = mode != JDOC_NONE && jdoc_kind_at(d, mode) == JDOC_STRING &&
      take_word(out, jdoc_text(d, mode)) && !out->none &&
              list != JDOC_NONE && jdoc_kind_at(d, list) == JDOC_ARRAY && jdoc_count(d, list) > 0;
  if (!fine)
    return fail_choice(err, "allowed_tools has a mode, \"auto\" or \"required\", and a list of tools");
  uint32_t item = list + 1;
  for (uint32_t n = jdoc_count(d, list); n > 0; n--, item = jdoc_next(d, item)) {
    base_status st = allow_named(out, s, d, item, err);
    if (st) return st;
  }
  return BASE_OK;
}

static base_status read_object(tool_choice *out, const tool_set *s, const jdoc *d, base_error *err) {
  if (jdoc_kind_at(d, 0) == JDOC_OBJECT && jdoc_is_text(d, jdoc_member(d, 0, "type"), "allowed_tools"))
    return allow_listed(out, s, d, jdoc_member(d, 0, "allowed_tools"), err);
  out->required = true;
  return allow_named(out, s, d, 0, err);
}

static base_status read_word(tool_choice *out, const tool_set *s, base_slice word, base_error *err) {
  if (!take_word(out, word)) return fail_choice(err, "the choice is none, auto, required, or names a function");
  for (size_t i = 0; i < s->n; i++) out->allowed[i] = true;
  if (out->required && s->n == 0) return fail_choice(err, "a call is required and there are no tools");
  return BASE_OK;
}

base_status tool_choice_read(tool_choice *out, const tool_set *s, base_slice json, const base_allocator *a,
                             base_error *err) {
  static const tool_set none;
  jdoc d = {0};
  memset(out, 0, sizeof *out);
  json = base_slice_trim(json);
  if (s == NULL) s = &none;
  if (json.len == 0) json = BASE_LITERAL("auto");
  if (json.ptr[0] != '{' && json.ptr[0] != '"') return read_word(out, s, json, err);
  base_status st = jdoc_open(&d, json, NULL, "tool_choice", a, err);
  bool word = !st && jdoc_kind_at(&d, 0) == JDOC_STRING;
  if (!st) st = word ? read_word(out, s, jdoc_text(&d, 0), err) : read_object(out, s, &d, err);
  jdoc_close(&d);
  return st;
}
