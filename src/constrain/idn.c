/* Internationalised host names (IDNA 2008: RFC 5890 to 5893, Punycode: RFC 3492). Code points are looked up in
 * idna.def, which is made from the Unicode tables. That a label is in normal form C is checked for single
 * characters, not for sequences. */
#include "constrain/format.h"

#include <string.h>

enum { MAX_LABEL = 63, MARK = 4, VIRAMA = 8 };
enum { BIDI_L = 1, BIDI_R, BIDI_AN, BIDI_EN, BIDI_NSM, BIDI_OTHER };
enum { JOIN_L = 1, JOIN_R, JOIN_D, JOIN_T };
enum { GREEK = 1, HEBREW, KANA_OR_HAN };

typedef struct label {
  uint32_t c[MAX_LABEL];
  size_t n;
} label;

static unsigned facts_of(uint32_t c) {
  static const struct {
    uint32_t first;
    uint16_t facts;
  } runs[] = {
#define RUN(first, facts) {first, facts},
#include "constrain/idna.def"
#undef RUN
  };
  size_t low = 0, high = sizeof runs / sizeof runs[0];
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (runs[middle].first <= c) low = middle;
    else high = middle;
  }
  return runs[low].facts;
}

static unsigned status_of(uint32_t c) {
  return facts_of(c) & 3;
}
static unsigned bidi_of(uint32_t c) {
  return facts_of(c) >> 4 & 7;
}
static unsigned joining_of(uint32_t c) {
  return facts_of(c) >> 7 & 7;
}
static unsigned script_of(uint32_t c) {
  return facts_of(c) >> 10 & 3;
}

/* ---- Punycode ---- */

static uint32_t adapt(uint32_t delta, uint32_t points, bool first) {
  uint32_t k = 0;
  delta = first ? delta / 700 : delta / 2;
  delta += delta / points;
  for (; delta > 455; k += 36) delta /= 35;
  return k + 36 * delta / (delta + 38);
}

static uint32_t threshold(uint32_t k, uint32_t bias) {
  return k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
}

static int punycode_digit(char c) {
  if (constrain_is_letter(c)) return (c | 0x20) - 'a';
  return constrain_is_digit(c) ? c - '0' + 26 : -1;
}

/* A variable-length integer off the front of *s; false when it is cut short or too large. */
static bool take_delta(base_slice *s, uint32_t bias, uint32_t *out) {
  uint64_t weight = 1, delta = 0;
  for (uint32_t k = 36;; k += 36) {
    int digit = s->len > 0 ? punycode_digit(s->ptr[0]) : -1;
    if (digit < 0) return false;
    *s = base_slice_sub(*s, 1, s->len);
    delta += (uint64_t)digit * weight;
    if (delta > UINT32_MAX) return false;
    uint32_t t = threshold(k, bias);
    *out = (uint32_t)delta;
    if ((uint32_t)digit < t) return true;
    weight *= 36 - t;
    if (weight > UINT32_MAX) return false;
  }
}

static bool decode_punycode(base_slice s, label *out) {
  size_t basic = s.len;
  uint32_t n = 128, at = 0, bias = 72, delta;
  bool first = true;
  out->n = 0;
  while (basic > 0 && s.ptr[basic - 1] != '-') basic--;
  for (size_t i = 0; i + 1 < basic && out->n < MAX_LABEL; i++) {
    char c = s.ptr[i];
    out->c[out->n++] = (uint32_t)(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  s = base_slice_sub(s, basic, s.len);
  if (basic == 1) return false; /* a delimiter with nothing before it */
  while (s.len > 0) {
    if (out->n == MAX_LABEL || !take_delta(&s, bias, &delta)) return false;
    uint32_t points = (uint32_t)out->n + 1;
    if ((uint64_t)at + delta > UINT32_MAX) return false;
    at += delta;
    bias = adapt(delta, points, first);
    first = false;
    if ((uint64_t)n + at / points > 0x10FFFF) return false;
    n += at / points;
    at %= points;
    memmove(out->c + at + 1, out->c + at, (out->n - at) * sizeof *out->c);
    out->c[at++] = n;
    out->n++;
  }
  return true;
}

/* Length of the label in Punycode, without "xn--". */
static size_t punycode_length(const label *l) {
  size_t length = 0, done = 0;
  uint32_t n = 128, delta = 0, bias = 72;
  for (size_t i = 0; i < l->n; i++) done += l->c[i] < 128;
  length = done > 0 ? done + 1 : 0;
  size_t basic = done;
  while (done < l->n) {
    uint32_t next = UINT32_MAX;
    for (size_t i = 0; i < l->n; i++)
      if (l->c[i] >= n && l->c[i] < next) next = l->c[i];
    delta += (next - n) * (uint32_t)(done + 1);
    n = next;
    for (size_t i = 0; i < l->n; i++) {
      if (l->c[i] < n) delta++;
      if (l->c[i] != n) continue;
      uint32_t q = delta;
      length++;
      for (uint32_t k = 36; q >= threshold(k, bias); k += 36, length++)
        q = (q - threshold(k, bias)) / (36 - threshold(k, bias));
      bias = adapt(delta, (uint32_t)done + 1, done == basic);
      delta = 0;
      done++;
    }
    delta++;
    n++;
  }
  return length;
}

/* ---- what a label may hold ---- */

/* RFC 5892, appendix A.1: between letters that join, perhaps with transparent ones on the way. */
static bool may_join(const label *l, size_t at) {
  size_t before = at, after = at + 1;
  while (before > 0 && joining_of(l->c[before - 1]) == JOIN_T) before--;
  while (after < l->n && joining_of(l->c[after]) == JOIN_T) after++;
  if (before == 0 || after == l->n) return false;
  unsigned left = joining_of(l->c[before - 1]), right = joining_of(l->c[after]);
  return (left == JOIN_L || left == JOIN_D) && (right == JOIN_R || right == JOIN_D);
}

static bool has_between(const label *l, uint32_t low, uint32_t high) {
  for (size_t i = 0; i < l->n; i++)
    if (l->c[i] >= low && l->c[i] <= high) return true;
  return false;
}

static bool has_kana_or_han(const label *l) {
  for (size_t i = 0; i < l->n; i++)
    if (l->c[i] != 0x30FB && script_of(l->c[i]) == KANA_OR_HAN) return true;
  return false;
}

/* RFC 5892, appendix A. */
static bool rule_holds(const label *l, size_t at) {
  uint32_t c = l->c[at], before = at > 0 ? l->c[at - 1] : 0, after = at + 1 < l->n ? l->c[at + 1] : 0;
  bool behind_virama = at > 0 && (facts_of(before) & VIRAMA);
  switch (c) {
    case 0x200C: return behind_virama || may_join(l, at);
    case 0x200D: return behind_virama;
    case 0xB7: return before == 'l' && after == 'l';
    case 0x375: return script_of(after) == GREEK;
    case 0x5F3:
    case 0x5F4: return script_of(before) == HEBREW;
    case 0x30FB: return has_kana_or_han(l);
    default: break;
  }
  if (c >= 0x660 && c <= 0x669) return !has_between(l, 0x6F0, 0x6F9);
  return !has_between(l, 0x660, 0x669);
}

/* RFC 5891, section 4.2. */
static bool is_u_label(const label *l) {
  if (l->n == 0 || l->c[0] == '-' || l->c[l->n - 1] == '-' || (facts_of(l->c[0]) & MARK)) return false;
  if (l->n > 3 && l->c[2] == '-' && l->c[3] == '-') return false;
  for (size_t i = 0; i < l->n; i++) {
    unsigned status = status_of(l->c[i]);
    if (status == 0 || (status == 2 && !rule_holds(l, i))) return false;
  }
  return true;
}

static bool is_right_to_left(const label *l) {
  for (size_t i = 0; i < l->n; i++) {
    unsigned bidi = bidi_of(l->c[i]);
    if (bidi == BIDI_R || bidi == BIDI_AN) return true;
  }
  return false;
}

/* RFC 5893, section 2: asked of every label of a name that has a right-to-left one. */
static bool bidi_holds(const label *l) {
  unsigned first = bidi_of(l->c[0]), seen = 0, last = 0;
  for (size_t i = 0; i < l->n; i++) {
    unsigned bidi = bidi_of(l->c[i]);
    seen |= 1U << bidi;
    if (bidi != BIDI_NSM) last = bidi;
  }
  bool arabic = (seen >> BIDI_AN & 1) != 0, european = (seen >> BIDI_EN & 1) != 0;
  if (first == BIDI_R)
    return !(seen >> BIDI_L & 1) && !(arabic && european) &&
        (last == BIDI_R || last == BIDI_EN || last == BIDI_AN);
  return first == BIDI_L && !arabic && !(seen >> BIDI_R & 1) && (last == BIDI_L || last == BIDI_EN);
}

/* ---- labels and names ---- */

static bool is_plain(base_slice s) {
  for (size_t i = 0; i < s.len; i++)
    if (!constrain_is_letter(s.ptr[i]) && !constrain_is_digit(s.ptr[i]) && s.ptr[i] != '-') return false;
  return s.len > 0 && s.ptr[0] != '-' && s.ptr[s.len - 1] != '-';
}

static bool read_characters(base_slice s, label *out) {
  bool wide = false;
  out->n = 0;
  for (size_t at = 0, n; at < s.len; at += n) {
    uint32_t c;
    n = base_utf8_decode(s.ptr + at, s.len - at, &c);
    if (n == 0 || out->n == MAX_LABEL) return false;
    out->c[out->n++] = c;
    wide = wide || c >= 0x80;
  }
  return wide;
}

static void lower(label *l) {
  for (size_t i = 0; i < l->n; i++)
    if (l->c[i] >= 'A' && l->c[i] <= 'Z') l->c[i] += 32;
}

/* Reads one label; gives the length it is sent with, 0 when it is not valid. */
static size_t read_label(base_slice s, label *out) {
  bool coded = s.len >= 4 && base_slice_equal_nocase(base_slice_sub(s, 0, 4), BASE_LITERAL("xn--"));
  if (coded) {
    if (!is_plain(s) || !decode_punycode(base_slice_sub(s, 4, s.len), out) || !is_u_label(out)) return 0;
    bool wide = has_between(out, 0x80, 0x10FFFF);
    return wide && punycode_length(out) + 4 == s.len ? s.len : 0;
  }
  if (is_plain(s) && s.len <= MAX_LABEL) { /* a host name as it always was */
    out->n = 0;
    for (size_t i = 0; i < s.len; i++) out->c[out->n++] = (uint32_t)s.ptr[i];
    lower(out);
    return s.len;
  }
  if (!read_characters(s, out) || !is_u_label(out)) return 0;
  return punycode_length(out) + 4;
}

/* One label of `s` from *at on; moves behind the stop that ends it. */
static bool next_label(base_slice s, size_t *at, bool wide_stops, base_slice *out) {
  size_t start = *at, i = start;
  if (start > s.len) return false;
  for (size_t n; i < s.len; i += n) {
    uint32_t c = '.';
    n = base_utf8_decode(s.ptr + i, s.len - i, &c);
    if (n == 0) n = 1;
    if (c != '.' && !(wide_stops && (c == 0x3002 || c == 0xFF0E || c == 0xFF61))) continue;
    *out = base_slice_sub(s, start, i);
    *at = i + n;
    return true;
  }
  *out = base_slice_sub(s, start, s.len);
  *at = s.len + 1;
  return true;
}

static bool is_name(base_slice s, bool wide) {
  size_t at = 0, sent = 0;
  bool right_to_left = false;
  base_slice piece;
  label l;
  if (s.len > 4 * 253) return false;
  while (next_label(s, &at, wide, &piece)) {
    size_t length = read_label(piece, &l);
    if (length == 0 || length > MAX_LABEL || (!wide && !is_plain(piece))) return false;
    sent += length + 1;
    right_to_left = right_to_left || is_right_to_left(&l);
  }
  if (sent - 1 > 253) return false;
  for (at = 0; right_to_left && next_label(s, &at, wide, &piece);)
    if (read_label(piece, &l) == 0 || !bidi_holds(&l)) return false;
  return true;
}

bool constrain_is_hostname(base_slice s) {
  return is_name(s, false);
}

bool constrain_is_idn_hostname(base_slice s) {
  return is_name(s, true);
}
