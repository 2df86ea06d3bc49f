/* Formats of the net: addresses (RFC 5321, 6531), IP addresses (RFC 2673, 4291), URIs (RFC 3986,
 * 3987), templates (RFC 6570), UUIDs (RFC 4122) and JSON Pointers (RFC 6901). */
#include "constrain/format.h"

#include <string.h>

static bool in(char c, const char *set) {
  return c != 0 && strchr(set, c) != NULL;
}

/* Two hex digits behind a '%'. */
static bool is_escape(base_slice s, size_t at) {
  return s.len - at > 2 && s.ptr[at] == '%' && constrain_is_hex(s.ptr[at + 1]) &&
      constrain_is_hex(s.ptr[at + 2]);
}

/* ---- IP addresses ---- */

bool constrain_is_ipv4(base_slice s) {
  for (int part = 0; part < 4; part++) {
    size_t n = 0;
    unsigned v = 0;
    if (part > 0 && !constrain_take(&s, '.')) return false;
    for (; n < s.len && n < 4 && constrain_is_digit(s.ptr[n]); n++) v = v * 10 + (unsigned)(s.ptr[n] - '0');
    if (n == 0 || n > 3 || v > 255 || (n > 1 && s.ptr[0] == '0')) return false;
    s = base_slice_sub(s, n, s.len);
  }
  return s.len == 0;
}

/* Groups of at most four hex digits, eight in all, one run of zeros as "::", the last two perhaps as IPv4. */
bool constrain_is_ipv6(base_slice s) {
  size_t groups = 0;
  bool gap = false;
  if (base_slice_starts(s, BASE_LITERAL("::"))) {
    gap = true;
    s = base_slice_sub(s, 2, s.len);
    if (s.len == 0) return true;
  }
  for (;;) {
    size_t n = 0;
    while (n < s.len && n < 5 && constrain_is_hex(s.ptr[n])) n++;
    if (n > 0 && n < s.len && s.ptr[n] == '.') {
      groups += 2;
      return constrain_is_ipv4(s) && (gap ? groups < 8 : groups == 8);
    }
    if (n == 0 || n > 4 || ++groups > 8) return false;
    s = base_slice_sub(s, n, s.len);
    if (s.len == 0) return gap ? groups < 8 : groups == 8;
    if (!constrain_take(&s, ':')) return false;
    if (constrain_take(&s, ':')) {
      if (gap) return false;
      gap = true;
      if (s.len == 0) return groups < 8;
    }
  }
}

/* ---- email ---- */

/* RFC 5321 atext. */
static bool is_atom(char c) {
  return constrain_is_letter(c) || constrain_is_digit(c) || in(c, "!#$%&'*+-/=?^_`{|}~");
}

static bool is_dot_string(base_slice s, bool idn) {
  bool atom = false;
  for (size_t i = 0; i < s.len; i++) {
    if (s.ptr[i] == '.' && !atom) return false;
    if (s.ptr[i] != '.' && !is_atom(s.ptr[i]) && !(idn && (unsigned char)s.ptr[i] >= 0x80)) return false;
    atom = s.ptr[i] != '.';
  }
  return atom;
}

static bool is_quoted_string(base_slice s, bool idn) {
  if (s.len < 2 || s.ptr[0] != '"' || s.ptr[s.len - 1] != '"') return false;
  for (size_t i = 1; i + 1 < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c == '\\' && ++i + 1 >= s.len) return false;
    if (c == '"' || (unsigned char)s.ptr[i] < ' ' || c == 0x7F || (c >= 0x80 && !idn)) return false;
  }
  return true;
}

static bool is_address_literal(base_slice s) {
  if (s.len < 2 || s.ptr[0] != '[' || s.ptr[s.len - 1] != ']') return false;
  s = base_slice_sub(s, 1, s.len - 1);
  if (s.len > 5 && base_slice_equal_nocase(base_slice_sub(s, 0, 5), BASE_LITERAL("IPv6:")))
    return constrain_is_ipv6(base_slice_sub(s, 5, s.len));
  return constrain_is_ipv4(s);
}

static bool is_mailbox(base_slice s, bool idn) {
  size_t at = s.len;
  while (at > 0 && s.ptr[at - 1] != '@') at--;
  if (at == 0) return false;
  base_slice local = base_slice_sub(s, 0, at - 1), domain = base_slice_sub(s, at, s.len);
  if (local.len > 64 && !idn) return false;
  if (!is_dot_string(local, idn) && !is_quoted_string(local, idn)) return false;
  return is_address_literal(domain) || (idn ? constrain_is_idn_hostname(domain)
                                        : constrain_is_hostname(domain));
}

bool constrain_is_email(base_slice s) {
  return is_mailbox(s, false);
}

bool constrain_is_idn_email(base_slice s) {
  return is_mailbox(s, true);
}

/* ---- URIs ---- */

static bool is_unreserved(char c) {
  return constrain_is_letter(c) || constrain_is_digit(c) || in(c, "-._~");
}

/* RFC 3987 ucschar; iprivate only in queries. */
static bool is_wide(uint32_t c, bool private_use) {
  if (private_use && ((c >= 0xE000 && c <= 0xF8FF) || (c >= 0xF0000 && c <= 0xFFFFD) ||
                      (c >= 0x100000 && c <= 0x10FFFD))) return true;
  if (c < 0x10000)
    return (c >= 0xA0 && c <= 0xD7FF) || (c >= 0xF900 && c <= 0xFDCF) || (c >= 0xFDF0 && c <= 0xFFEF);
  return (c & 0xFFFF) <= 0xFFFD && c < 0xF0000 && !(c >= 0xE0000 && c < 0xE1000);
}

/* Unreserved characters, escapes, sub-delimiters and those of `more`. */
static bool is_part(base_slice s, const char *more, bool wide, bool private_use) {
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    uint32_t code_point;
    if (is_unreserved(c) || in(c, "!$&'()*+,;=") || in(c, more)) continue;
    if (is_escape(s, i)) {
      i += 2;
      continue;
    }
    size_t n = wide ? base_utf8_decode(s.ptr + i, s.len - i, &code_point) : 0;
    if (n < 2 || !is_wide(code_point, private_use)) return false;
    i += n - 1;
  }
  return true;
}

/* RFC 3986, section 3.2.2: IPv6 or "v" 1*HEXDIG "." ... within brackets. */
static bool is_ip_literal(base_slice s) {
  if (s.len < 3 || s.ptr[s.len - 1] != ']') return false;
  s = base_slice_sub(s, 1, s.len - 1);
  if (!constrain_take(&s, 'v') && !constrain_take(&s, 'V')) return constrain_is_ipv6(s);
  size_t n = 0;
  while (n < s.len && constrain_is_hex(s.ptr[n])) n++;
  base_slice rest = base_slice_sub(s, n, s.len);
  return n > 0 && constrain_take(&rest, '.') && rest.len > 0 && memchr(rest.ptr, '%', rest.len) == NULL &&
      is_part(rest, ":", false, false);
}

static bool is_authority(base_slice s, bool wide) {
  const char *at = s.len > 0 ? memchr(s.ptr, '@', s.len) : NULL;
  if (at != NULL) {
    size_t n = (size_t)(at - s.ptr);
    if (!is_part(base_slice_sub(s, 0, n), ":", wide, false)) return false;
    s = base_slice_sub(s, n + 1, s.len);
  }
  size_t end = s.len;
  while (end > 0 && constrain_is_digit(s.ptr[end - 1])) end--;
  if (end > 0 && s.ptr[end - 1] == ':') s = base_slice_sub(s, 0, end - 1); /* the port */
  if (s.len > 0 && s.ptr[0] == '[') return is_ip_literal(s);
  return is_part(s, "", wide, false);
}

static bool is_reference(base_slice s, bool wide, bool absolute) {
  constrain_uri u = constrain_uri_split(s);
  if (u.scheme.len == 0) {
    if (absolute) return false;
    const char *colon = u.path.len > 0 ? memchr(u.path.ptr, ':', u.path.len) : NULL;
    const char *slash = u.path.len > 0 ? memchr(u.path.ptr, '/', u.path.len) : NULL;
    if (!u.has_authority && colon != NULL && (slash == NULL || colon < slash)) return false;
  }
  if (u.has_authority && !is_authority(u.authority, wide)) return false;
  return is_part(u.path, ":@/", wide, false) && is_part(u.query, ":@/?", wide, true) &&
      is_part(u.fragment, ":@/?", wide, false);
}

bool constrain_is_uri(base_slice s) {
  return is_reference(s, false, true);
}

bool constrain_is_uri_reference(base_slice s) {
  return is_reference(s, false, false);
}

bool constrain_is_iri(base_slice s) {
  return is_reference(s, true, true);
}

bool constrain_is_iri_reference(base_slice s) {
  return is_reference(s, true, false);
}

/* ---- templates (RFC 6570) ---- */

/* varname: characters and escapes, single dots between them. */
static size_t name_length(base_slice s) {
  size_t n = 0;
  bool dot = true;
  while (n < s.len) {
    if (s.ptr[n] == '.' && !dot) {
      dot = true;
      n++;
    } else if (constrain_is_letter(s.ptr[n]) || constrain_is_digit(s.ptr[n]) || s.ptr[n] == '_') {
      dot = false;
      n++;
    } else if (is_escape(s, n)) {
      dot = false;
      n += 3;
    } else {
      break;
    }
  }
  return dot ? 0 : n;
}

/* The inside of braces: an operator, then names with an explode mark or a prefix from 1 to 9999. */
static bool is_expression(base_slice s) {
  if (s.len > 0 && in(s.ptr[0], "+#./;?&=,!@|")) {
    if (in(s.ptr[0], "=,!@|")) return false; /* reserved for later */
    s = base_slice_sub(s, 1, s.len);
  }
  for (;;) {
    size_t n = name_length(s), digits = 0;
    if (n == 0) return false;
    s = base_slice_sub(s, n, s.len);
    if (!constrain_take(&s, '*') && constrain_take(&s, ':')) {
      while (digits < s.len && constrain_is_digit(s.ptr[digits])) digits++;
      if (digits == 0 || digits > 4 || s.ptr[0] == '0') return false;
      s = base_slice_sub(s, digits, s.len);
    }
    if (s.len == 0) return true;
    if (!constrain_take(&s, ',')) return false;
  }
}

bool constrain_is_uri_template(base_slice s) {
  for (size_t i = 0; i < s.len;) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c == '{') {
      const char *end = memchr(s.ptr + i, '}', s.len - i);
      if (end == NULL || !is_expression(base_slice_sub(s, i + 1, (size_t)(end - s.ptr)))) return false;
      i = (size_t)(end - s.ptr) + 1;
    } else if (c >= 0x80) {
      uint32_t code_point;
      size_t n = base_utf8_decode(s.ptr + i, s.len - i, &code_point);
      if (n == 0 || !is_wide(code_point, true)) return false;
      i += n;
    } else {
      if (c <= ' ' || c == 0x7F || in((char)c, "\"<>\\^`|}") || (c == '%' && !is_escape(s, i))) return false;
      i++;
    }
  }
  return true;
}

/* ---- the others ---- */

bool constrain_is_uuid(base_slice s) {
  if (s.len != 36) return false;
  for (size_t i = 0; i < 36; i++) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? s.ptr[i] != '-' : !constrain_is_hex(s.ptr[i])) return false;
  }
  return true;
}

bool constrain_is_json_pointer(base_slice s) {
  if (s.len > 0 && s.ptr[0] != '/') return false;
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] == '~' && (i + 1 == s.len || !in(s.ptr[i + 1], "01"))) return false;
  return true;
}

bool constrain_is_relative_json_pointer(base_slice s) {
  size_t n = 0;
  while (n < s.len && constrain_is_digit(s.ptr[n])) n++;
  if (n == 0 || (n > 1 && s.ptr[0] == '0')) return false;
  s = base_slice_sub(s, n, s.len);
  return base_slice_equal(s, BASE_LITERAL("#")) || constrain_is_json_pointer(s);
}
