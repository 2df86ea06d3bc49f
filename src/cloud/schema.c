/* A JSON Schema as services take it. Both dialects want an object at the root: what is something else goes into an
 * object with one member, and comes out of it again. OpenAI's "strict" takes only a part of JSON Schema and refuses the
 * whole request otherwise, so it is asked for only where the schema is known to be inside that part; the answer is
 * judged here in either case.
 * https://platform.openai.com/docs/guides/structured-outputs#supported-schemas (2026-11-22) */
#include <string.h>

#include "cloud/internal.h"
#include "jdoc/jdoc.h"

#define MEMBER "answer"

enum { STRICT_DEPTH = 10, STRICT_PROPERTIES = 5000 }; /* of an object; the service's own bounds */

static bool names_object(const jdoc *d, uint32_t schema) {
  return jdoc_kind_at(d, schema) == JDOC_OBJECT && jdoc_is_text(d, jdoc_member(d, schema, "type"), "object");
}

/* ---- strict ---- */

static bool is_strict(const jdoc *d, uint32_t schema, int depth);

static bool all_strict(const jdoc *d, uint32_t list, int depth) {
  bool object = jdoc_kind_at(d, list) == JDOC_OBJECT;
  uint32_t item = list + 1;
  if (!object && jdoc_kind_at(d, list) != JDOC_ARRAY) return false;
  for (uint32_t n = jdoc_count(d, list); n > 0; n--) {
    if (object) item++; /* behind its key */
    if (!is_strict(d, item, depth + 1)) return false;
    item = jdoc_next(d, item);
  }
  return true;
}

static bool keyword_is_strict(const jdoc *d, base_slice name, uint32_t value, int depth) {
  if (base_slice_among(name, "type title description enum const required $ref pattern minimum maximum exclusiveMinimum "
                              "exclusiveMaximum multipleOf minItems maxItems"))
    return true;
  if (base_slice_equal(name, BASE_LITERAL("additionalProperties"))) return jdoc_kind_at(d, value) == JDOC_FALSE;
  if (base_slice_equal(name, BASE_LITERAL("format")))
    return jdoc_kind_at(d, value) == JDOC_STRING &&
           base_slice_among(jdoc_text(d, value), "date-time time date duration email hostname ipv4 ipv6 uuid");
  if (base_slice_equal(name, BASE_LITERAL("items"))) return is_strict(d, value, depth + 1);
  if (base_slice_equal(name, BASE_LITERAL("properties"))) return all_strict(d, value, depth);
  if (base_slice_equal(name, BASE_LITERAL("anyOf"))) return depth > 0 && all_strict(d, value, depth);
  return depth == 0 && base_slice_equal(name, BASE_LITERAL("$defs")) && all_strict(d, value, depth);
}

static bool lists(const jdoc *d, uint32_t names, base_slice name) {
  uint32_t v = names + 1;
  for (uint32_t n = jdoc_count(d, names); n > 0; n--, v = jdoc_next(d, v))
    if (jdoc_kind_at(d, v) == JDOC_STRING && base_slice_equal(jdoc_text(d, v), name)) return true;
  return false;
}

static bool lists_all(const jdoc *d, uint32_t names, uint32_t properties) {
  if (jdoc_kind_at(d, names) != JDOC_ARRAY || jdoc_kind_at(d, properties) != JDOC_OBJECT) return false;
  uint32_t key = properties + 1, n = jdoc_count(d, properties);
  if (n > STRICT_PROPERTIES || n != jdoc_count(d, names)) return false;
  for (; n > 0; n--, key = jdoc_next(d, key + 1))
    if (!lists(d, names, jdoc_text(d, key))) return false;
  return true;
}

/* Every property is required and no other is allowed. */
static bool is_closed(const jdoc *d, uint32_t schema) {
  uint32_t properties = jdoc_member(d, schema, "properties"), required = jdoc_member(d, schema, "required");
  if (!names_object(d, schema) && properties == JDOC_NONE) return true;
  return properties != JDOC_NONE && required != JDOC_NONE &&
         jdoc_member(d, schema, "additionalProperties") != JDOC_NONE && lists_all(d, required, properties);
}

static bool is_strict(const jdoc *d, uint32_t schema, int depth) {
  if (depth > STRICT_DEPTH || jdoc_kind_at(d, schema) != JDOC_OBJECT || !is_closed(d, schema)) return false;
  uint32_t key = schema + 1;
  for (uint32_t n = jdoc_count(d, schema); n > 0; n--, key = jdoc_next(d, key + 1))
    if (!keyword_is_strict(d, jdoc_text(d, key), key + 1, depth)) return false;
  return true;
}

bool cloud_schema_is_strict(base_slice json) {
  jdoc d = {0};
  bool strict = jdoc_open(&d, json, NULL, "schema", NULL, NULL) == BASE_OK && is_strict(&d, 0, 0);
  jdoc_close(&d);
  return strict;
}

/* ---- an object around it ---- */

/* References that begin at the root find their definitions there still. */
static void wrap(const jdoc *d, base_buf *out) {
  static const char *const definitions[] = {"$defs", "definitions"};
  base_slice all = jdoc_raw(d, 0);
  base_buf_puts(out, "{\"type\":\"object\",\"properties\":{\"" MEMBER "\":");
  base_buf_add(out, all.ptr, all.len);
  base_buf_puts(out, "},\"required\":[\"" MEMBER "\"],\"additionalProperties\":false");
  for (size_t i = 0; i < 2 && jdoc_kind_at(d, 0) == JDOC_OBJECT; i++) {
    uint32_t at = jdoc_member(d, 0, definitions[i]);
    if (at == JDOC_NONE) continue;
    base_slice raw = jdoc_raw(d, at);
    base_buf_printf(out, ",\"%s\":", definitions[i]);
    base_buf_add(out, raw.ptr, raw.len);
  }
  base_buf_putc(out, '}');
}

/* Without memory `out` fails. */
static bool needs_object(jdoc *d, base_slice json, base_buf *out) {
  base_status st = jdoc_open(d, json, NULL, "schema", NULL, NULL);
  if (st == BASE_ENOMEM) out->failed = true;
  return !st && !names_object(d, 0);
}

void cloud_put_schema(base_slice json, base_buf *out) {
  jdoc d = {0};
  if (needs_object(&d, json, out)) wrap(&d, out);
  else base_buf_add(out, json.ptr, json.len);
  jdoc_close(&d);
}

void cloud_unwrap(base_slice schema, base_buf *text) {
  jdoc asked = {0}, d = {0};
  base_slice all = {text->ptr ? text->ptr : "", text->len};
  base_status st = needs_object(&asked, schema, text) ? jdoc_open(&d, all, NULL, "answer", NULL, NULL) : BASE_EFORMAT;
  if (st == BASE_ENOMEM) text->failed = true;
  if (!st && jdoc_kind_at(&d, 0) == JDOC_OBJECT && jdoc_count(&d, 0) == 1 &&
      jdoc_member(&d, 0, MEMBER) != JDOC_NONE) {
    base_slice inner = jdoc_raw(&d, jdoc_member(&d, 0, MEMBER));
    memmove(text->ptr, inner.ptr, inner.len);
    text->len = inner.len;
    text->ptr[text->len] = '\0';
  }
  jdoc_close(&asked);
  jdoc_close(&d);
}
