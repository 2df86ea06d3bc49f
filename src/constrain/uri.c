/* URI references put together (RFC 3986, section 5.2). Reading is lenient: whatever it is falls into the five parts. */
#include "constrain/internal.h"

#include <string.h>

static bool is_scheme(base_slice s) {
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i], small = (char)(c | 0x20);
    bool letter = small >= 'a' && small <= 'z';
    if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))) return false;
  }
  return s.len > 0;
}

/* Cuts *rest at the first of `stops`; what is before it. */
static base_slice cut(base_slice *rest, const char *stops) {
  size_t n = 0;
  while (n < rest->len && (rest->ptr[n] == 0 || strchr(stops, rest->ptr[n]) == NULL)) n++;
  base_slice piece = base_slice_sub(*rest, 0, n);
  *rest = base_slice_sub(*rest, n, rest->len);
  return piece;
}

static base_slice behind_first(base_slice s) {
  return base_slice_sub(s, 1, s.len);
}

constrain_uri constrain_uri_split(base_slice s) {
  constrain_uri u = {0};
  base_slice rest = s, scheme = cut(&rest, ":/?#");
  if (rest.len > 0 && rest.ptr[0] == ':' && is_scheme(scheme)) {
    u.scheme = scheme;
    s = behind_first(rest);
  }
  if (base_slice_starts(s, BASE_LITERAL("//"))) {
    s = base_slice_sub(s, 2, s.len);
    u.has_authority = true;
    u.authority = cut(&s, "/?#");
  }
  u.path = cut(&s, "?#");
  if (s.len > 0 && s.ptr[0] == '?') {
    s = behind_first(s);
    u.has_query = true;
    u.query = cut(&s, "#");
  }
  if (s.len > 0) {
    u.has_fragment = true;
    u.fragment = behind_first(s);
  }
  return u;
}

/* Section 5.2.4: `path` with "." and ".." taken out, added to `out`, whose path begins at `start`. */
static void put_without_dots(base_buf *out, base_slice path) {
  size_t start = out->len;
  bool rooted = path.len > 0 && path.ptr[0] == '/', more = path.len > 0;
  if (rooted) path = behind_first(path);
  if (rooted) base_buf_putc(out, '/');
  while (more) {
    base_slice step = cut(&path, "/");
    more = path.len > 0;
    if (more) path = behind_first(path);
    if (base_slice_equal(step, BASE_LITERAL("."))) continue;
    if (base_slice_equal(step, BASE_LITERAL(".."))) {
      if (out->failed || out->len <= start + rooted) continue;
      out->len--; /* the '/' behind the last step */
      while (out->len > start + rooted && out->ptr[out->len - 1] != '/') out->len--;
      continue;
    }
    base_buf_add(out, step.ptr, step.len);
    if (more) base_buf_putc(out, '/');
  }
}

static void put_merged(base_buf *out, const constrain_uri *base, base_slice path) {
  base_buf whole = {.allocator = out->allocator};
  if (base->has_authority && base->path.len == 0) {
    base_buf_putc(&whole, '/');
  } else {
    size_t n = base->path.len;
    while (n > 0 && base->path.ptr[n - 1] != '/') n--;
    base_buf_add(&whole, base->path.ptr, n);
  }
  base_buf_add(&whole, path.ptr, path.len);
  if (whole.failed) out->failed = true;
  else put_without_dots(out, (base_slice){whole.ptr, whole.len});
  base_buf_free(&whole);
}

void constrain_uri_resolve(base_buf *out, base_slice base_text, base_slice reference) {
  constrain_uri base = constrain_uri_split(base_text), r = constrain_uri_split(reference);
  bool absolute = r.scheme.len > 0, authority = absolute || r.has_authority;
  bool same_document = !authority && r.path.len == 0;
  const constrain_uri *query = same_document && !r.has_query ? &base : &r;
  base_slice scheme = absolute ? r.scheme : base.scheme;
  if (scheme.len > 0) {
    base_buf_add(out, scheme.ptr, scheme.len);
    base_buf_putc(out, ':');
  }
  if (authority ? r.has_authority : base.has_authority) {
    base_slice name = authority ? r.authority : base.authority;
    base_buf_puts(out, "//");
    base_buf_add(out, name.ptr, name.len);
  }
  if (same_document) base_buf_add(out, base.path.ptr, base.path.len);
  else if (authority || r.path.ptr[0] == '/') put_without_dots(out, r.path);
  else put_merged(out, &base, r.path);
  if (query->has_query) {
    base_buf_putc(out, '?');
    base_buf_add(out, query->query.ptr, query->query.len);
  }
}

static int hex(char c) {
  char small = (char)(c | 0x20);
  return c >= '0' && c <= '9' ? c - '0' : small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

void constrain_uri_decode(base_buf *out, base_slice s) {
  for (size_t i = 0; i < s.len; i++) {
    bool escape = s.ptr[i] == '%' && s.len - i > 2 && hex(s.ptr[i + 1]) >= 0 && hex(s.ptr[i + 2]) >= 0;
    base_buf_putc(out, escape ? (char)(hex(s.ptr[i + 1]) * 16 + hex(s.ptr[i + 2])) : s.ptr[i]);
    if (escape) i += 2;
  }
}
