/* mask/refs: identifiers are collected in one pass over the flat document; a reference is resolved against the
 * resource it stands in (RFC 3986, section 5, as far as identifiers in one document need it). */
#include "mask/refs.h"

#include <string.h>

static base_slice without_fragment(base_slice uri) {
  const char *hash = uri.len > 0 ? memchr(uri.ptr, '#', uri.len) : NULL;
  return hash != NULL ? (base_slice){uri.ptr, (size_t)(hash - uri.ptr)} : uri;
}

static bool has_scheme(base_slice uri) {
  for (size_t i = 0; i < uri.len; i++) {
    char c = uri.ptr[i];
    if (c == ':') return i > 0;
    if (!((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.')
      return false;
  }
  return false;
}

/* The length of "scheme://authority". */
static size_t authority_end(base_slice uri) {
  const char *slashes = uri.len >= 3 ? memmem(uri.ptr, uri.len, "://", 3) : NULL;
  if (slashes == NULL) return 0;
  size_t at = (size_t)(slashes - uri.ptr) + 3;
  while (at < uri.len && uri.ptr[at] != '/') at++;
  return at;
}

/* "a/./b" and "a/../b" behind `from` made plain, in place. */
static size_t plain_path(char *text, size_t from, size_t len) {
  size_t out = from, at = from;
  while (at < len) {
    size_t end = at + 1;
    while (end < len && text[end] != '/') end++;
    size_t part = end - at;
    if (text[at] == '/' && part == 3 && text[at + 1] == '.' && text[at + 2] == '.') {
      while (out > from && text[--out] != '/') continue;
    } else if (!(text[at] == '/' && part == 2 && text[at + 1] == '.')) {
      memmove(text + out, text + at, part);
      out += part;
    }
    at = end;
  }
  return out;
}

/* `reference` (no fragment) seen from `base`. */
static base_slice resolve(mask_pool *pool, base_slice base, base_slice reference) {
  if (reference.len == 0) return base;
  if (has_scheme(reference) || base.len == 0) return reference;
  size_t keep = authority_end(base), floor = keep;
  if (reference.ptr[0] != '/') {
    keep = base.len;
    while (keep > floor && base.ptr[keep - 1] != '/') keep--;
  }
  char *text = mask_pool_take(pool, keep + reference.len + 2);
  if (text == NULL) return (base_slice){0};
  size_t len = keep;
  memcpy(text, base.ptr, keep);
  if (keep == floor && floor > 0 && reference.ptr[0] != '/') text[len++] = '/';
  memcpy(text + len, reference.ptr, reference.len);
  return (base_slice){text, plain_path(text, floor, len + reference.len)};
}

static const mask_resource *resource_of(const mask_refs *f, uint32_t at) {
  for (uint32_t i = f->n_resources; i-- > 0;)
    if (at >= f->resources[i].first && at < f->resources[i].last) return &f->resources[i];
  return &f->resources[0];
}

static bool add_anchor(mask_refs *f, uint32_t at, base_slice name, bool dynamic) {
  mask_anchor *grown = mask_pool_grow(f->pool, f->anchors, sizeof *grown, f->n_anchors, &f->cap_anchors);
  if (grown == NULL) return false;
  f->anchors = grown;
  f->anchors[f->n_anchors++] = (mask_anchor){at, name, dynamic};
  return true;
}

static bool add_identifier(mask_refs *f, uint32_t at, base_slice id) {
  base_slice uri = without_fragment(id);
  if (uri.len + 1 < id.len && !add_anchor(f, at, base_slice_sub(id, uri.len + 1, id.len), false)) return false;
  if (uri.len == 0) return true;
  uri = resolve(f->pool, resource_of(f, at)->uri, uri);
  if (at == 0) {
    f->resources[0].uri = uri;
    return true;
  }
  mask_resource *grown = mask_pool_grow(f->pool, f->resources, sizeof *grown, f->n_resources, &f->cap_resources);
  if (grown == NULL) return false;
  f->resources = grown;
  f->resources[f->n_resources++] = (mask_resource){at, jdoc_next(f->doc, at), uri};
  return f->pool->failed == BASE_OK;
}

bool mask_refs_open(mask_refs *f, const jdoc *d, int draft, mask_pool *pool) {
  base_slice id_word = draft <= 4 ? BASE_LITERAL("id") : BASE_LITERAL("$id");
  *f = (mask_refs){.doc = d, .pool = pool};
  f->resources = mask_pool_grow(pool, NULL, sizeof *f->resources, 0, &f->cap_resources);
  if (f->resources == NULL) return false;
  f->resources[f->n_resources++] = (mask_resource){0, (uint32_t)d->n_nodes, {0}};
  for (uint32_t i = 0; i < d->n_nodes; i++) {
    if (jdoc_kind_at(d, i) != JDOC_OBJECT) continue;
    for (uint32_t k = i + 1, left = jdoc_count(d, i); left > 0; left--, k = jdoc_next(d, k + 1)) {
      base_slice key = jdoc_text(d, k);
      if (key.len < 2 || key.len > 14 || (key.ptr[0] != '$' && key.ptr[0] != 'i')) continue;
      if (jdoc_kind_at(d, k + 1) != JDOC_STRING) continue;
      bool dynamic = base_slice_equal(key, BASE_LITERAL("$dynamicAnchor"));
      bool anchor = dynamic || base_slice_equal(key, BASE_LITERAL("$anchor"));
      if (anchor && !add_anchor(f, i, jdoc_text(d, k + 1), dynamic)) return false;
      if (base_slice_equal(key, id_word) && !add_identifier(f, i, jdoc_text(d, k + 1))) return false;
    }
  }
  return pool->failed == BASE_OK;
}

/* A pointer in a fragment may have %XX. */
static base_slice unescape(mask_pool *pool, base_slice s) {
  char *out = mask_pool_take(pool, s.len + 1);
  size_t n = 0;
  if (out == NULL || s.len == 0 || memchr(s.ptr, '%', s.len) == NULL) return s;
  for (size_t i = 0; i < s.len; i++) {
    unsigned value = 0;
    bool hex = s.ptr[i] == '%' && i + 2 < s.len;
    for (size_t j = 1; hex && j <= 2; j++) {
      char c = s.ptr[i + j];
      int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
      hex = digit >= 0;
      value = 16 * value + (unsigned)(digit & 15);
    }
    out[n++] = hex ? (char)value : s.ptr[i];
    if (hex) i += 2;
  }
  return (base_slice){out, n};
}

static uint32_t find_anchor(const mask_refs *f, const mask_resource *in, base_slice name) {
  for (uint32_t i = 0; i < f->n_anchors; i++)
    if (base_slice_equal(f->anchors[i].name, name) && f->anchors[i].at >= in->first && f->anchors[i].at < in->last)
      return f->anchors[i].at;
  for (uint32_t i = 0; i < f->n_anchors; i++)
    if (base_slice_equal(f->anchors[i].name, name)) return f->anchors[i].at;
  return JDOC_NONE;
}

static uint32_t in_resource(const mask_refs *f, const mask_resource *in, base_slice fragment) {
  if (fragment.len > 0 && fragment.ptr[0] != '/') return find_anchor(f, in, fragment);
  uint32_t at = jdoc_at_pointer(f->doc, in->first, fragment);
  /* many schemas mean the whole document, whatever identifiers they have inside */
  return at != JDOC_NONE ? at : jdoc_at_pointer(f->doc, 0, fragment);
}

uint32_t mask_refs_find(const mask_refs *f, uint32_t from, base_slice reference) {
  base_slice uri = without_fragment(reference);
  base_slice fragment =
      uri.len < reference.len ? base_slice_sub(reference, uri.len + 1, reference.len) : (base_slice){0};
  const mask_resource *here = resource_of(f, from);
  fragment = unescape(f->pool, fragment);
  if (uri.len == 0) return in_resource(f, here, fragment);
  base_slice whole = resolve(f->pool, here->uri, uri);
  for (uint32_t i = 0; i < f->n_resources; i++)
    if (base_slice_equal(f->resources[i].uri, whole) || base_slice_equal(f->resources[i].uri, uri))
      return in_resource(f, &f->resources[i], fragment);
  return JDOC_NONE;
}

/* ---- references that depend on the way ---- */

static bool is_dynamic_anchor(const mask_refs *f, uint32_t at, base_slice name) {
  for (uint32_t i = 0; i < f->n_anchors; i++)
    if (f->anchors[i].at == at && f->anchors[i].dynamic && base_slice_equal(f->anchors[i].name, name)) return true;
  return false;
}

uint32_t mask_refs_find_dynamic(const mask_refs *f, uint32_t from, base_slice reference, bool *open) {
  uint32_t plain = mask_refs_find(f, from, reference), in_document = JDOC_NONE, elsewhere = 0;
  base_slice uri = without_fragment(reference);
  base_slice name = uri.len < reference.len ? base_slice_sub(reference, uri.len + 1, reference.len) : (base_slice){0};
  *open = false;
  if (plain == JDOC_NONE || name.len == 0 || !is_dynamic_anchor(f, plain, name)) return plain;
  for (uint32_t i = 0; i < f->n_anchors; i++) {
    const mask_anchor *a = &f->anchors[i];
    if (!a->dynamic || !base_slice_equal(a->name, name)) continue;
    if (resource_of(f, a->at) == &f->resources[0]) in_document = a->at;
    else elsewhere++;
  }
  if (in_document != JDOC_NONE) return in_document;
  *open = elsewhere > 1;
  return plain;
}

static bool is_recursive(const mask_refs *f, uint32_t at) {
  if (jdoc_kind_at(f->doc, at) != JDOC_OBJECT) return false;
  uint32_t flag = jdoc_find(f->doc, at, BASE_LITERAL("$recursiveAnchor"));
  return flag != JDOC_NONE && jdoc_kind_at(f->doc, flag) == JDOC_TRUE;
}

uint32_t mask_refs_find_recursive(const mask_refs *f, uint32_t from, base_slice reference, bool *open) {
  uint32_t plain = mask_refs_find(f, from, reference), others = 0;
  *open = false;
  if (plain == JDOC_NONE || !is_recursive(f, plain)) return plain;
  if (is_recursive(f, 0)) return 0;
  for (uint32_t i = 1; i < f->n_resources; i++) others += is_recursive(f, f->resources[i].first);
  *open = others > 1;
  return plain;
}
