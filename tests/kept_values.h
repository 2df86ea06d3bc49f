/* Made-up values of every class that a policy keeps, the disguises people and programs put on them, and a way to look for
 * them in bytes that does not ask the guard: digits and letters alone, folded. */
#ifndef TESTS_KEPT_VALUES_H
#define TESTS_KEPT_VALUES_H

#include <string.h>

#include "base/base.h"
#include "guard/guard.h"

enum { KEPT_BYTES = 96, KEPT_DISGUISED = 1024 };

typedef struct kept_value {
  guard_class cls;
  char plain[KEPT_BYTES], key[KEPT_BYTES]; /* as written; as kept_fold leaves it */
  const char *named;                        /* words that stand before it */
} kept_value;

static inline char kept_pick(base_rng *r, const char *from) { return from[base_rng_below(r, (uint32_t)strlen(from))]; }

static inline void kept_fill(base_rng *r, char *out, const char *from, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = kept_pick(r, from);
  out[n] = '\0';
}

#define KEPT_DIGITS "0123456789"
#define KEPT_ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* ISO/IEC 7812-1: the digit that makes the sum of Luhn a multiple of ten. */
static inline void kept_card(base_rng *r, char *out) {
  static const char *const heads[] = {"4", "51", "55", "34", "37", "6011", "2221"};
  const char *head = heads[base_rng_below(r, 7)];
  size_t n = head[0] == '3' ? 15 : 16, at = strlen(head), sum = 0;
  memcpy(out, head, at);
  kept_fill(r, out + at, KEPT_DIGITS, n - at);
  for (size_t i = 0; i + 1 < n; i++) {
    size_t d = (size_t)(out[n - 2 - i] - '0') * (i % 2 == 0 ? 2 : 1);
    sum += d > 9 ? d - 9 : d;
  }
  out[n - 1] = (char)('0' + (10 - sum % 10) % 10);
}

/* ISO 13616: check digits so that the whole is 1 modulo 97. */
static inline void kept_iban(base_rng *r, char *out) {
  static const char *const lands[] = {"DE18d", "AT16d", "ES20d", "BE12d", "GB04a14d", "NL04a10d", "CH17d"};
  const char *land = lands[base_rng_below(r, 7)];
  char body[KEPT_BYTES];
  unsigned rest = 0, digits = (unsigned)(land[2] - '0') * 10 + (unsigned)(land[3] - '0'), letters = 0;
  if (land[4] == 'a') {
    letters = digits;
    digits = (unsigned)(land[5] - '0') * 10 + (unsigned)(land[6] - '0');
  }
  kept_fill(r, body, "ABCDEFGHJKLMNPRSTUVWXYZ", letters);
  kept_fill(r, body + letters, KEPT_DIGITS, digits);
  size_t n = letters + digits;
  base_format(body + n, sizeof body - n, "%.2s00", land);
  for (const char *c = body; *c; c++)
    rest = *c >= 'A' ? (rest * 100 + (unsigned)(*c - 'A') + 10) % 97 : (rest * 10 + (unsigned)(*c - '0')) % 97;
  base_format(out, KEPT_BYTES, "%.2s%02u%.*s", land, 98 - rest, (int)n, body);
}

static inline void kept_secret(base_rng *r, kept_value *v) {
  static const struct { const char *head; unsigned n; } keys[] = {{"AKIA", 16}, {"ghp_", 36}, {"sk-proj-", 40}, {"xoxb-", 24},
                                                              {"AIza", 35}, {"sk_live_", 24}, {"glpat-", 20}, {"", 10}};
  uint32_t k = base_rng_below(r, 8);
  size_t at = strlen(keys[k].head);
  memcpy(v->plain, keys[k].head, at);
  kept_fill(r, v->plain + at, k == 0 ? "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" : KEPT_ALNUM, keys[k].n);
  if (k == 7) v->plain[at + 1] = '7'; /* a password: a mark that it is no word */
  v->named = k == 7 ? "password: " : "";
}

static inline void kept_national(base_rng *r, kept_value *v) {
  base_format(v->plain, sizeof v->plain, "%03u-%02u-%04u", 100 + base_rng_below(r, 560), 1 + base_rng_below(r, 98),
              1 + base_rng_below(r, 9998));
  v->named = "ssn ";
}

static inline size_t kept_fold(const char *bytes, size_t len, char *out);

static inline void kept_make(base_rng *r, guard_class cls, kept_value *v) {
  *v = (kept_value){.cls = cls, .named = ""};
  switch (cls) {
    case GUARD_SECRET: kept_secret(r, v); break;
    case GUARD_CARD: kept_card(r, v->plain); break;
    case GUARD_IBAN: kept_iban(r, v->plain); break;
    case GUARD_ACCOUNT:
      kept_fill(r, v->plain, "123456789", 9 + base_rng_below(r, 4));
      v->named = "account number ";
      break;
    case GUARD_CRYPTO:
      memcpy(v->plain, "0x", 2);
      kept_fill(r, v->plain + 2, "0123456789abcdef", 40);
      break;
    case GUARD_NATIONAL_ID: kept_national(r, v); break;
    case GUARD_PASSPORT:
      kept_fill(r, v->plain, "CFGHJKLMNPRTVWXYZ", 2);
      kept_fill(r, v->plain + 2, "123456789", 7);
      v->named = "passport number ";
      break;
    default:
      kept_fill(r, v->plain, "ABCDEFGHJKLMNPRST", 1);
      kept_fill(r, v->plain + 1, "123456789", 8);
      v->named = "driving licence ";
      break;
  }
  kept_fold(v->plain, strlen(v->plain), v->key);
}

/* ---- disguises ---- */

typedef enum kept_disguise {
  KEPT_PLAIN, KEPT_FOURS, KEPT_SPACED, KEPT_DASHED, KEPT_DOTTED, KEPT_WIDE, KEPT_ARABIC, KEPT_ZERO_WIDTH, KEPT_NO_BREAK,
  KEPT_LINES, KEPT_SOFT, KEPT_DISGUISES
} kept_disguise;

static inline const char *kept_disguise_name(kept_disguise d) {
  static const char *const names[] = {"plain", "fours", "spaced", "dashed", "dotted", "wide", "arabic", "zero_width",
                                      "no_break", "lines", "soft"};
  return names[d];
}

/* What separates characters, and after how many. Digit by digit only where all are digits. */
static inline void kept_disguised(const kept_value *v, kept_disguise d, char *out) {
  static const char *const between[] = {"", " ", " ", "-", ".", "", "", "\xE2\x80\x8B", "\xC2\xA0", "\n", "\xC2\xAD"};
  static const size_t every[] = {0, 4, 1, 4, 4, 0, 0, 3, 4, 8, 2};
  bool digits = v->cls == GUARD_CARD || v->cls == GUARD_IBAN;
  bool grouped = d != KEPT_ZERO_WIDTH && d != KEPT_SOFT;
  size_t at = 0, step = every[d];
  if (grouped && !digits) step = 0; /* nobody groups a key; blanks end it */
  for (size_t i = 0; v->plain[i] && at + 8 < KEPT_DISGUISED; i++) {
    char c = v->plain[i];
    bool digit = c >= '0' && c <= '9';
    if (step && i && i % step == 0) at += (size_t)sprintf(out + at, "%s", between[d]);
    if (d == KEPT_WIDE && digit) at += (size_t)sprintf(out + at, "\xEF\xBC%c", 0x90 + (c - '0'));
    else if (d == KEPT_ARABIC && digit) at += (size_t)sprintf(out + at, "\xD9%c", 0xA0 + (c - '0'));
    else out[at++] = c;
  }
  out[at] = '\0';
}

/* ---- looking for them ---- */

static inline uint32_t kept_decode(const char *s, size_t len, size_t *used) {
  unsigned char c = (unsigned char)s[0];
  size_t n = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
  uint32_t u = n == 1 ? c : c & (0x7Fu >> n);
  *used = n <= len ? n : 1;
  for (size_t i = 1; i < *used; i++) u = u << 6 | ((unsigned char)s[i] & 0x3Fu);
  return u;
}

static inline bool kept_dropped(uint32_t u) {
  return u == ' ' || u == '-' || u == '.' || u == '_' || (u >= 9 && u <= 13) || u == 0xA0 || u == 0xAD ||
         (u >= 0x2000 && u <= 0x206F) || u == 0xFEFF || u == 0x3000;
}

/* Lower case, ASCII digits for all others, without what separates, escapes of JSON undone. out: at least len + 1. */
static inline size_t kept_fold(const char *bytes, size_t len, char *out) {
  size_t at = 0;
  for (size_t i = 0; i < len;) {
    size_t used = 1;
    uint32_t u = kept_decode(bytes + i, len - i, &used);
    if (u == '\\' && i + 1 < len && memchr("ntrbf", bytes[i + 1], 5) != NULL) {
      i += 2;
      continue;
    }
    unsigned hex = 0;
    if (u == '\\' && i + 6 <= len && bytes[i + 1] == 'u' && sscanf(bytes + i + 2, "%4x", &hex) == 1) {
      u = hex;
      used = 6;
    }
    i += used;
    if (kept_dropped(u)) continue;
    if (u >= 0xFF01 && u <= 0xFF5E) u = u - 0xFF01 + '!';
    if (u >= 0x660 && u <= 0x669) u = u - 0x660 + '0';
    if (u >= 'A' && u <= 'Z') u += 'a' - 'A';
    out[at++] = u < 0x80 ? (char)u : 1;
  }
  out[at] = '\0';
  return at;
}

/* The value, or of a card or an IBAN ten digits from either end. */
static inline bool kept_inside(const kept_value *v, const char *folded, size_t len) {
  size_t n = strlen(v->key);
  if (len == 0) return false;
  if (memmem(folded, len, v->key, n) != NULL) return true;
  if (v->cls != GUARD_CARD && v->cls != GUARD_IBAN) return false;
  return memmem(folded, len, v->key, 10) != NULL || memmem(folded, len, v->key + n - 10, 10) != NULL;
}

#endif
