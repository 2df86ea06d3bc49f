/* The documents of a schema: what subschemas they have, under which URIs and anchors they are known, and
 * where a reference leads. */
#include "constrain/internal.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SCHEMA_BYTES = 1 << 26, MANY_MEMBERS = 16 };

base_status constrain_no_memory(const constrain_build *b) {
  return base_fail(b->err, BASE_ENOMEM, b->where, "no memory for the schema");
}

/* ---- places in words ---- */

/* The pointer from `from` to `to`, which lies in it. */
void constrain_put_path(base_buf *out, const jdoc *d, uint32_t from, uint32_t to) {
  char number[24];
  while (from != to) {
    bool object = jdoc_kind_at(d, from) == JDOC_OBJECT;
    uint32_t child = from + 1, key = child, index = 0;
    if (object) child++;
    while (jdoc_next(d, child) <= to) {
      key = jdoc_next(d, child);
      child = key + object;
      index++;
    }
    if (object) jdoc_put_pointer(out, jdoc_text(d, key));
    else if (base_format(number, sizeof number, "/%u", (unsigned)index)) base_buf_puts(out, number);
    if (to < child) return; /* the key itself */
    from = child;
  }
}

base_status constrain_refuse(const constrain_build *b, uint32_t doc, uint32_t at, const char *fmt, ...) {
  char text[160];
  va_list args;
  base_buf path = {.allocator = &b->s->allocator};
  va_start(args, fmt);
  (void)vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  base_buf_putc(&path, '#');
  constrain_put_path(&path, &constrain_doc_at(b->s, doc)->d, 0, at);
  const char *cut = path.len > 80 ? path.ptr + path.len - 80 : path.ptr;
  base_status st = base_fail(b->err, BASE_EFORMAT, b->where, "schema at %s: %s", path.failed ? "?" : cut, text);
  base_buf_free(&path);
  return st;
}

static base_status names_status(const constrain_build *b, base_status st) {
  if (st == BASE_ENOMEM) return constrain_no_memory(b);
  return st ? base_fail(b->err, st, b->where, "the schema's names are made to collide") : BASE_OK;
}

static base_status add_name(constrain_build *b, uint64_t scope, base_slice text, uint32_t value, bool *added) {
  return names_status(b, constrain_names_add(&b->s->names, scope, text, value, added, &b->s->allocator));
}

/* Takes the buffer's text over; it lives as long as the schema. */
static base_status keep_text(constrain_build *b, base_buf *text, base_slice *out) {
  constrain_schema *s = b->s;
  *out = (base_slice){0};
  if (text->failed || !constrain_vec_need(&s->text, 1, sizeof(base_buf), &s->allocator)) {
    base_buf_free(text);
    return constrain_no_memory(b);
  }
  ((base_buf *)s->text.ptr)[s->text.n++] = *text;
  *out = (base_slice){text->ptr, text->len};
  return BASE_OK;
}

/* ---- members of large objects ---- */

static uint32_t find_member(constrain_build *b, uint32_t doc, uint32_t object, base_slice key) {
  const jdoc *d = &constrain_doc_at(b->s, doc)->d;
  uint64_t scope = constrain_scope_of(CONSTRAIN_S_MEMBER, doc, object);
  if (jdoc_count(d, object) <= MANY_MEMBERS) return jdoc_find(d, object, key);
  bool fresh;
  if (add_name(b, constrain_scope_of(CONSTRAIN_S_INDEXED, doc, object), (base_slice){0}, 0, &fresh))
    return jdoc_find(d, object, key);
  uint32_t k = object + 1;
  for (uint32_t n = fresh ? jdoc_count(d, object) : 0; n > 0; n--, k = jdoc_next(d, k + 1))
    if (add_name(b, scope, jdoc_text(d, k), k + 1, NULL)) return jdoc_find(d, object, key);
  return constrain_names_find(&b->s->names, scope, key);
}

/* ---- dialects ---- */

/* The vocabularies that a metaschema of one's own asks for. */
static base_status read_vocabulary(constrain_build *b, uint32_t doc, constrain_dialect *out) {
  static const struct {
    const char *name;
    uint8_t bits;
  } known[] = {{"core", CONSTRAIN_V_CORE},
               {"applicator", CONSTRAIN_V_APPLICATOR},
               {"unevaluated", CONSTRAIN_V_UNEVALUATED},
               {"validation", CONSTRAIN_V_VALIDATION},
               {"meta-data", CONSTRAIN_V_CORE},
               {"format", CONSTRAIN_V_FORMATS},
               {"format-annotation", CONSTRAIN_V_FORMATS},
               {"format-assertion", CONSTRAIN_V_FORMATS | CONSTRAIN_V_ASSERT_FORMATS},
               {"content", CONSTRAIN_V_CONTENT}};
  const jdoc *d = &constrain_doc_at(b->s, doc)->d;
  uint32_t list = jdoc_kind_at(d, 0) == JDOC_OBJECT ? jdoc_find(d, 0, BASE_LITERAL("$vocabulary")) : JDOC_NONE;
  if (list == JDOC_NONE || jdoc_kind_at(d, list) != JDOC_OBJECT) return BASE_OK;
  out->vocabulary = CONSTRAIN_V_CORE;
  uint32_t k = list + 1;
  for (uint32_t n = jdoc_count(d, list); n > 0; n--, k = jdoc_next(d, k + 1)) {
    base_slice name = jdoc_text(d, k);
    size_t i = 0, count = sizeof known / sizeof known[0], last = name.len;
    while (last > 0 && name.ptr[last - 1] != '/') last--;
    bool ours = base_slice_starts(name, BASE_LITERAL("https://json-schema.org/draft/"));
    base_slice last_part = base_slice_sub(name, last, name.len);
    while (i < count && !(ours && base_slice_equal(last_part, base_slice_of(known[i].name)))) i++;
    if (i < count) out->vocabulary |= known[i].bits;
    else if (jdoc_kind_at(d, k + 1) == JDOC_TRUE)
      return constrain_refuse(b, doc, k, "this vocabulary is required and not known");
  }
  return BASE_OK;
}

static base_status load(constrain_build *b, base_slice uri, uint32_t *resource);

/* What $schema says of the document or resource at `at`; unchanged when it says nothing known. */
static base_status read_dialect(constrain_build *b, uint32_t doc, uint32_t at, constrain_dialect *out) {
  const jdoc *d = &constrain_doc_at(b->s, doc)->d;
  bool object = jdoc_kind_at(d, at) == JDOC_OBJECT;
  uint32_t value = object ? find_member(b, doc, at, BASE_LITERAL("$schema")) : JDOC_NONE;
  if (value == JDOC_NONE || jdoc_kind_at(d, value) != JDOC_STRING) return BASE_OK;
  base_slice uri = jdoc_text(d, value);
  uint8_t draft = constrain_draft_of(uri);
  if (draft != 0) {
    *out = (constrain_dialect){draft, CONSTRAIN_V_ALL};
    return BASE_OK;
  }
  uint32_t meta;
  while (uri.len > 0 && uri.ptr[uri.len - 1] == '#') uri.len--;
  if (constrain_uri_split(uri).scheme.len == 0) return BASE_OK;
  base_status st = load(b, uri, &meta);
  if (st || meta == CONSTRAIN_NONE) return st;
  *out = constrain_resource_at(b->s, meta)->dialect;
  return read_vocabulary(b, constrain_resource_at(b->s, meta)->doc, out);
}

/* ---- finding subschemas ---- */

static base_status push(constrain_build *b, uint32_t doc, uint32_t node, uint32_t resource) {
  if (!constrain_vec_need(&b->queue, 1, sizeof(constrain_place), &b->s->allocator))
    return constrain_no_memory(b);
  ((constrain_place *)b->queue.ptr)[b->queue.n++] = (constrain_place){doc, node, resource};
  return BASE_OK;
}

static base_status add_resource(constrain_build *b, const constrain_resource *r, uint32_t *out) {
  constrain_schema *s = b->s;
  if (!constrain_vec_need(&s->resource, 1, sizeof *r, &s->allocator)) return constrain_no_memory(b);
  *out = (uint32_t)s->resource.n;
  ((constrain_resource *)s->resource.ptr)[s->resource.n++] = *r;
  return r->uri.len > 0 ? add_name(b, constrain_scope_of(CONSTRAIN_S_URI, 0, 0), r->uri, *out, NULL) : BASE_OK;
}

static base_status add_anchor(constrain_build *b, uint32_t resource, base_slice name, uint32_t node,
                              bool dynamic) {
  base_status st = add_name(b, constrain_scope_of(CONSTRAIN_S_ANCHOR, 0, resource), name, node, NULL);
  if (st || !dynamic) return st;
  return add_name(b, constrain_scope_of(CONSTRAIN_S_DYNAMIC, 0, resource), name, node, NULL);
}

/* A string member of a schema object; empty when there is none. */
static base_slice string_member(constrain_build *b, const constrain_place *p, const char *key) {
  const jdoc *d = &constrain_doc_at(b->s, p->doc)->d;
  uint32_t v = find_member(b, p->doc, p->node, base_slice_of(key));
  return v != JDOC_NONE && jdoc_kind_at(d, v) == JDOC_STRING ? jdoc_text(d, v) : (base_slice){0};
}

/* $id: a resource of its own within the one around it, or in older drafts an anchor. */
static base_status read_id(constrain_build *b, constrain_place *p) {
  constrain_resource outer = *constrain_resource_at(b->s, p->resource);
  bool old = outer.dialect.draft <= D7;
  base_slice id = string_member(b, p, outer.dialect.draft == D4 ? "id" : "$id");
  if (id.len == 0) return BASE_OK;
  if (old && string_member(b, p, "$ref").len > 0) return BASE_OK; /* siblings of $ref mean nothing */
  constrain_uri parts = constrain_uri_split(id);
  if (parts.has_fragment && parts.fragment.len > 0) {
    base_status st = old ? add_anchor(b, p->resource, parts.fragment, p->node, false) : BASE_OK;
    if (st || id.ptr[0] == '#') return st;
  }
  if (id.ptr[0] == '#') return BASE_OK;
  base_buf full = {.allocator = &b->s->allocator};
  constrain_resource r = {.doc = p->doc, .node = p->node, .dialect = outer.dialect};
  constrain_uri_resolve(&full, outer.uri, id);
  base_status st = keep_text(b, &full, &r.uri);
  if (!st && !(old && p->node != 0)) st = read_dialect(b, p->doc, p->node, &r.dialect);
  if (!st && p->node == outer.node) { /* the document's root gets its name */
    constrain_resource_at(b->s, p->resource)->uri = r.uri;
    constrain_resource_at(b->s, p->resource)->dialect = r.dialect;
    return add_name(b, constrain_scope_of(CONSTRAIN_S_URI, 0, 0), r.uri, p->resource, NULL);
  }
  return st ? st : add_resource(b, &r, &p->resource);
}

static base_status read_anchors(constrain_build *b, const constrain_place *p) {
  constrain_dialect dialect = constrain_resource_at(b->s, p->resource)->dialect;
  const jdoc *d = &constrain_doc_at(b->s, p->doc)->d;
  base_status st = BASE_OK;
  if (dialect.draft < D19) return BASE_OK;
  base_slice name = string_member(b, p, "$anchor"), dynamic = string_member(b, p, "$dynamicAnchor");
  if (name.len > 0) st = add_anchor(b, p->resource, name, p->node, false);
  if (!st && dialect.draft == D20 && dynamic.len > 0) st = add_anchor(b, p->resource, dynamic, p->node, true);
  base_slice anchor = BASE_LITERAL("$recursiveAnchor");
  uint32_t v = dialect.draft == D19 ? find_member(b, p->doc, p->node, anchor) : JDOC_NONE;
  if (!st && v != JDOC_NONE && jdoc_kind_at(d, v) == JDOC_TRUE)
    st = add_anchor(b, p->resource, (base_slice){0}, p->node, true);
  return st;
}

/* The subschemas in a keyword's value. */
static base_status push_shape(constrain_build *b, const constrain_place *p, constrain_shape shape,
                              uint32_t value) {
  const jdoc *d = &constrain_doc_at(b->s, p->doc)->d;
  jdoc_kind kind = jdoc_kind_at(d, value);
  bool map = shape == CONSTRAIN_SHAPE_MAP || shape == CONSTRAIN_SHAPE_DEPENDENCIES;
  bool list = shape == CONSTRAIN_SHAPE_LIST || (shape == CONSTRAIN_SHAPE_ITEMS && kind == JDOC_ARRAY);
  if (shape == CONSTRAIN_SHAPE_NONE) return BASE_OK;
  if (!map && !list) return push(b, p->doc, value, p->resource);
  if (kind != (map ? JDOC_OBJECT : JDOC_ARRAY)) return BASE_OK; /* the compiler says so */
  uint32_t v = value + 1;
  base_status st = BASE_OK;
  for (uint32_t n = jdoc_count(d, value); n > 0 && !st; n--, v = jdoc_next(d, v)) {
    if (map) v++;
    st = push(b, p->doc, v, p->resource);
  }
  return st;
}

static base_status walk_schema(constrain_build *b, constrain_place p) {
  constrain_doc *doc = constrain_doc_at(b->s, p.doc);
  const jdoc *d = &doc->d;
  if (doc->resource_of[p.node] != CONSTRAIN_NONE) return BASE_OK;
  base_status st = BASE_OK;
  if (jdoc_kind_at(d, p.node) == JDOC_OBJECT) st = read_id(b, &p);
  if (!st && jdoc_kind_at(d, p.node) == JDOC_OBJECT) st = read_anchors(b, &p);
  if (st) return st;
  doc = constrain_doc_at(b->s, p.doc); /* reading a dialect may have added documents */
  d = &doc->d;
  doc->resource_of[p.node] = p.resource;
  if (jdoc_kind_at(d, p.node) != JDOC_OBJECT) return BASE_OK;
  constrain_dialect dialect = constrain_resource_at(b->s, p.resource)->dialect;
  dialect.vocabulary = CONSTRAIN_V_ALL; /* what is not applied may still be referred to */
  uint32_t k = p.node + 1;
  for (uint32_t n = jdoc_count(d, p.node); n > 0 && !st; n--, k = jdoc_next(d, k + 1)) {
    constrain_keyword is = constrain_keyword_of(jdoc_text(d, k), dialect);
    if (is != CONSTRAIN_KEYWORDS) st = push_shape(b, &p, constrain_keyword_table[is].shape, k + 1);
  }
  return st;
}

/* From one schema to all in it; what is on the queue below stays. */
static base_status walk(constrain_build *b, uint32_t doc, uint32_t node, uint32_t resource) {
  size_t below = b->queue.n;
  base_status st = push(b, doc, node, resource);
  while (!st && b->queue.n > below) st = walk_schema(b, ((constrain_place *)b->queue.ptr)[--b->queue.n]);
  b->queue.n = below;
  return st;
}

/* ---- documents ---- */

static base_status open_document(constrain_build *b, constrain_doc *doc, base_slice text, bool copy) {
  const base_allocator *a = &b->s->allocator;
  jdoc_limits limits = {.bytes = MAX_SCHEMA_BYTES};
  if (text.len > MAX_SCHEMA_BYTES)
    return base_fail(b->err, BASE_ELIMIT, b->where, "the schema is longer than %d bytes", MAX_SCHEMA_BYTES);
  if (copy && text.len > 0) {
    doc->text = base_alloc(a, text.len);
    if (doc->text == NULL) return constrain_no_memory(b);
    doc->bytes = text.len;
    memcpy(doc->text, text.ptr, text.len);
    text.ptr = doc->text;
  }
  base_status st = jdoc_open(&doc->d, text, &limits, b->where, a, b->err);
  if (st) return st;
  doc->resource_of = base_alloc(a, doc->d.n_nodes * sizeof(uint32_t));
  doc->schema_of = base_alloc(a, doc->d.n_nodes * sizeof(uint32_t));
  if (doc->resource_of == NULL || doc->schema_of == NULL) return constrain_no_memory(b);
  memset(doc->resource_of, 0xFF, doc->d.n_nodes * sizeof(uint32_t));
  memset(doc->schema_of, 0xFF, doc->d.n_nodes * sizeof(uint32_t));
  return BASE_OK;
}

base_status constrain_add_document(constrain_build *b, base_slice text, bool copy, base_slice uri,
                                   uint32_t *out) {
  constrain_schema *s = b->s;
  if (!constrain_vec_need(&s->doc, 1, sizeof(constrain_doc), &s->allocator)) return constrain_no_memory(b);
  *out = (uint32_t)s->doc.n;
  constrain_doc *doc = (constrain_doc *)s->doc.ptr + s->doc.n++;
  *doc = (constrain_doc){0};
  base_status st = open_document(b, doc, text, copy);
  if (st) return st;
  constrain_resource r = {.uri = uri, .doc = *out, .dialect = b->dialect};
  uint32_t resource;
  st = add_resource(b, &r, &resource);
  if (st) return st;
  constrain_dialect dialect = r.dialect;
  st = read_dialect(b, *out, 0, &dialect);
  if (st) return st;
  constrain_resource_at(s, resource)->dialect = dialect;
  if (*out == 0) b->dialect = dialect;
  return walk(b, *out, 0, resource);
}

/* The resource with that URI, loaded when that is possible; CONSTRAIN_NONE when nobody knows it. */
static base_status load(constrain_build *b, base_slice uri, uint32_t *resource) {
  constrain_schema *s = b->s;
  base_slice text, kept;
  base_buf copy = {.allocator = &s->allocator};
  uint32_t doc;
  *resource = constrain_names_find(&s->names, constrain_scope_of(CONSTRAIN_S_URI, 0, 0), uri);
  if (*resource != CONSTRAIN_NONE) return BASE_OK;
  if (!constrain_metaschema(uri, &text)) {
    if (s->options.find == NULL) return BASE_OK;
    base_status st = s->options.find(s->options.find_ctx, uri, &text);
    if (st == BASE_ENOTFOUND) return BASE_OK;
    if (st)
      return base_fail(b->err, st, b->where, "the document %.*s cannot be read",
                       (int)(uri.len < 120 ? uri.len : 120), uri.ptr);
  }
  base_buf_add(&copy, uri.ptr, uri.len);
  base_status st = keep_text(b, &copy, &kept);
  if (!st) st = constrain_add_document(b, text, false, kept, &doc);
  if (!st) *resource = constrain_names_find(&s->names, constrain_scope_of(CONSTRAIN_S_URI, 0, 0), uri);
  return st;
}

/* ---- references ---- */

/* Follows a JSON Pointer; *resource becomes that of the innermost schema on the way. */
static uint32_t follow(constrain_build *b, uint32_t doc, uint32_t node, base_slice pointer,
                       uint32_t *resource) {
  const constrain_doc *at = constrain_doc_at(b->s, doc);
  while (pointer.len > 0 && node != JDOC_NONE) {
    const char *slash = pointer.len > 1 ? memchr(pointer.ptr + 1, '/', pointer.len - 1) : NULL;
    size_t n = slash != NULL ? (size_t)(slash - pointer.ptr) : pointer.len;
    base_slice step = base_slice_sub(pointer, 0, n);
    bool plain = memchr(step.ptr, '~', n) == NULL;
    if (plain && jdoc_kind_at(&at->d, node) == JDOC_OBJECT)
      node = find_member(b, doc, node, base_slice_sub(step, 1, n));
    else node = jdoc_at_pointer(&at->d, node, step);
    pointer = base_slice_sub(pointer, n, pointer.len);
    if (node != JDOC_NONE && at->resource_of[node] != CONSTRAIN_NONE) *resource = at->resource_of[node];
  }
  return node;
}

static base_status find_fragment(constrain_build *b, base_slice raw, uint32_t *resource, uint32_t *node,
                                 bool *dynamic) {
  base_buf plain = {.allocator = &b->s->allocator};
  const constrain_resource *r = constrain_resource_at(b->s, *resource);
  constrain_uri_decode(&plain, raw);
  if (plain.failed) {
    base_buf_free(&plain);
    return constrain_no_memory(b);
  }
  base_slice fragment = {plain.ptr, plain.len};
  uint32_t from = *resource;
  *dynamic = false;
  if (fragment.len == 0) {
    *node = r->node;
    *dynamic = constrain_names_find(&b->s->names, constrain_scope_of(CONSTRAIN_S_DYNAMIC, 0, from),
                                    fragment) != CONSTRAIN_NONE;
  } else if (fragment.ptr[0] == '/') {
    *node = follow(b, r->doc, r->node, fragment, resource);
  } else {
    *node = constrain_names_find(&b->s->names, constrain_scope_of(CONSTRAIN_S_ANCHOR, 0, from), fragment);
    *dynamic = constrain_names_find(&b->s->names, constrain_scope_of(CONSTRAIN_S_DYNAMIC, 0, from),
                                    fragment) != CONSTRAIN_NONE;
  }
  base_buf_free(&plain);
  return BASE_OK;
}

base_status constrain_resolve(constrain_build *b, uint32_t resource, uint32_t doc, uint32_t at,
                              base_slice reference,
                              uint32_t *to_doc, uint32_t *to_node, uint32_t *to_resource, bool *dynamic) {
  constrain_schema *s = b->s;
  base_slice fragment = constrain_uri_split(reference).fragment;
  int shown = (int)(reference.len < 100 ? reference.len : 100);
  *to_resource = resource;
  if (reference.len == 0 || reference.ptr[0] != '#') {
    base_buf full = {.allocator = &s->allocator};
    constrain_uri_resolve(&full, constrain_resource_at(s, resource)->uri, reference);
    if (full.failed) {
      base_buf_free(&full);
      return constrain_no_memory(b);
    }
    base_status st = BASE_OK;
    if (full.len > 0) st = load(b, (base_slice){full.ptr, full.len}, to_resource);
    base_buf_free(&full);
    if (st) return st;
    if (*to_resource == CONSTRAIN_NONE)
      return constrain_refuse(b, doc, at, "the document of \"%.*s\" is not at hand", shown, reference.ptr);
  }
  base_status st = find_fragment(b, fragment, to_resource, to_node, dynamic);
  if (st) return st;
  if (*to_node == JDOC_NONE)
    return constrain_refuse(b, doc, at, "\"%.*s\" leads nowhere", shown, reference.ptr);
  *to_doc = constrain_resource_at(s, *to_resource)->doc;
  if (constrain_doc_at(s, *to_doc)->resource_of[*to_node] == CONSTRAIN_NONE)
    return walk(b, *to_doc, *to_node, *to_resource);
  *to_resource = constrain_doc_at(s, *to_doc)->resource_of[*to_node];
  return BASE_OK;
}
