/* Values that begin with a letter or are written in letters and digits: mail and web addresses, IBANs, identity
 * numbers with letters, MAC and IPv6 addresses, passports and licences by the words before them, post boxes. */
#include <string.h>

#include "guard/internal.h"

enum { MAX_LOCAL = 64, MAX_HOST = 253, MAX_COMPACT = 40 };

static bool is_local(uint8_t c) {
  return guard_is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '+' || c == '%' || c == '\'';
}
static bool is_host(uint8_t c) { return guard_is_alnum(c) || c == '-' || c == '_'; }

/* ---- hosts ---- */

/* " dot ", "(dot)", "[dot]", " . ": how long, 0 when none begins here. A plain dot is one too. */
static size_t dot_at(const guard_view *v, size_t i) {
  static const char *const forms[] = {".",     " dot ", " (dot) ", "(dot)", " [dot] ",
                                      "[dot]", "[.]",   " . ",     "{dot}"};
  for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++)
    if (guard_starts(v, i, forms[k])) return strlen(forms[k]);
  return 0;
}

/* The end of a dotted host with at least one dot and a top level of letters; 0 when there is none. With
 * `plain` only "." separates. *last is where the top level begins. */
static size_t host_end(const guard_view *v, size_t i, bool plain, size_t *last) {
  size_t end = 0, start = i;
  for (;;) {
    size_t label = i;
    while (is_host(v->f[i]) && i - label < 63)
      i++;
    if (i == label || i - start > MAX_HOST) return end;
    if (label > start && i - label >= 2 && guard_is_alpha(v->f[label]) && guard_is_alpha(v->f[i - 1])) {
      end = i;
      *last = label;
    }
    size_t dot = plain ? v->f[i] == '.' : dot_at(v, i);
    if (dot == 0 || !is_host(v->f[i + dot])) return end;
    i += dot;
  }
}

/* ---- e-mail ---- */

/* "@", " @ ", " at ", "(at)", "[at]" behind a local part. */
static size_t at_sign(const guard_view *v, size_t i, bool *plain) {
  static const char *const forms[] = {"@",      " @ ",  "(at)", " (at) ", "[at]",
                                      " [at] ", "{at}", " at ", " @",     "@ "};
  for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++) {
    if (!guard_starts(v, i, forms[k])) continue;
    *plain = k == 0;
    return strlen(forms[k]);
  }
  return 0;
}

/* Top levels that "at ... dot ..." and bare hosts may have: "look at this dot" is not an address. */
static bool known_top(const guard_view *v, size_t i, size_t end) {
  static const char tops[] =
      "|com|org|net|edu|gov|mil|int|info|biz|io|dev|app|me|tv|ai|co|eu|uk|de|fr|it|es|nl|be|at|ch|"
      "pl|cz|se|no|dk|fi|ie|pt|gr|ru|ua|tr|jp|cn|kr|in|au|nz|ca|us|br|mx|ar|za|example|test|cy|"
      "si|hu|ro|bg|hr|sk|lt|lv|ee|is|gl|il|sg|hk|tw|online|site|shop|xyz|";
  return guard_is_listed(v, i, end, tops);
}

/* Words that stand before "at" in any sentence are nobody's mailbox. */
static bool common_word(const guard_view *v, size_t i, size_t end) {
  static const char list[] =
      "|me|us|you|it|him|her|them|look|meet|be|is|are|here|arrive|looking|was|stay|start|"
      "arriving|laugh|shop|work|working|home|stop|there|see|order|buy|";
  return guard_is_listed(v, i, end, list);
}

static size_t rule_email(const guard_view *v, size_t i, guard_hits *h) {
  size_t p = i, top = 0;
  bool plain = false;
  while (is_local(v->f[p]) && p - i < MAX_LOCAL)
    p++;
  for (int words = 0;; words++) { /* "anna dot k at ..." */
    size_t dot = words < 4 && v->f[p] != '.' ? dot_at(v, p) : 0;
    if (dot == 0 || !is_local(v->f[p + dot])) break;
    p += dot;
    while (is_local(v->f[p]) && p - i < MAX_LOCAL)
      p++;
  }
  size_t sign = at_sign(v, p, &plain);
  if (sign == 0) return 0;
  size_t end = host_end(v, p + sign, plain, &top);
  if (end == 0 || (!plain && !known_top(v, top, end))) return 0;
  if (guard_starts(v, p, " at ") && (v->f[top - 1] == '.' || common_word(v, i, p)))
    return 0; /* "meet at x.com" */
  guard_hit(h, v, i, end, GUARD_EMAIL, plain ? 1.0F : 0.9F, "email");
  return end - i;
}

/* ---- web addresses ---- */

static size_t path_end(const guard_view *v, size_t i) {
  while (v->f[i] > ' ' && v->f[i] != '"' && v->f[i] != '<' && v->f[i] != '>' && v->f[i] != GUARD_MARK)
    i++;
  while (i > 0 && strchr(".,;:!?)'", v->f[i - 1]) != NULL)
    i--;
  return i;
}

static bool has_credentials(const guard_view *v, size_t i, size_t end) {
  bool colon = false;
  for (; i < end && v->f[i] != '/' && v->f[i] != '?'; i++) {
    if (v->f[i] == ':') colon = true;
    if (v->f[i] == '@') return colon;
  }
  for (; i < end; i++)
    if (v->f[i] == '=' &&
        guard_near(v, i, 14, "token|secret|password|passwd|api_key|apikey|access_key|signature|sig"))
      return true;
  return false;
}

static size_t rule_url(const guard_view *v, size_t i, guard_hits *h) {
  static const char *const schemes[] = {"http://",     "https://",      "ftp://",         "ssh://",
                                        "postgres://", "postgresql://", "mysql://",       "mongodb://",
                                        "redis://",    "amqp://",       "mongodb+srv://", "hxxp://"};
  size_t top = 0;
  for (size_t k = 0; k < sizeof schemes / sizeof schemes[0]; k++) {
    if (!guard_starts(v, i, schemes[k])) continue;
    size_t from = i + strlen(schemes[k]), end = path_end(v, from);
    if (end <= from) return 0;
    bool open = has_credentials(v, from, end);
    guard_hit(h, v, i, end, open ? GUARD_SECRET : GUARD_URL, 1.0F, open ? "url_credentials" : "url");
    return end - i;
  }
  size_t end = host_end(v, i, true, &top);
  if (end == 0 || !known_top(v, top, end) || guard_is_alnum(v->f[end])) return 0;
  if (v->f[top] >= 'A' && v->f[top] <= 'Z' && v->f[top + 1] >= 'a') return 0; /* "here.It": a missing blank */
  if (v->f[end] == '/') end = path_end(v, end);
  guard_hit(h, v, i, end, GUARD_URL, 0.8F, "host");
  return end - i;
}

/* ---- hexadecimal addresses ---- */

static bool is_hex(uint8_t c) { return guard_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

static size_t rule_mac(const guard_view *v, size_t i, guard_hits *h) {
  uint8_t sep = v->f[i + 2];
  size_t p = i;
  if (sep != ':' && sep != '-') return 0;
  for (int part = 0; part < 6; part++, p += 3) {
    if (p + 2 > v->n || !is_hex(v->f[p]) || !is_hex(v->f[p + 1])) return 0;
    if (part < 5 && v->f[p + 2] != sep) return 0;
  }
  if (guard_is_alnum(v->f[p - 1]) || v->f[p - 1] == sep) return 0;
  guard_hit(h, v, i, p - 1, GUARD_MAC, 0.98F, "mac");
  return p - 1 - i;
}

/* RFC 4291: eight groups of up to four hex digits, one run of zero groups may be "::". */
static size_t rule_ipv6(const guard_view *v, size_t i, guard_hits *h) {
  size_t p = i, groups = 0, colons = 0;
  bool gap = false;
  while (groups <= 8 && p - i < 46) {
    size_t len = 0;
    while (is_hex(v->f[p]) && len < 5) p++, len++;
    if (len > 4 || (len > 0 && guard_is_alnum(v->f[p]))) return 0;
    groups += len > 0;
    if (v->f[p] != ':') break;
    if (v->f[p + 1] == ':') {
      if (gap) return 0;
      gap = true;
      p++;
    } else if (!is_hex(v->f[p + 1])) {
      break;
    }
    colons++;
    p++;
  }
  if (p > i && v->f[p - 1] == ':' && !gap) p--;
  if (colons < 2 || groups > 8 || (groups < 8 && !gap) || groups < 2) return 0;
  guard_hit(h, v, i, p, GUARD_IP, 0.97F, "ipv6");
  return p - i;
}

/* ---- words of letters and digits ---- */

/* The characters from i on without blanks, dashes, dots and line ends between groups, in upper case. Only ASCII. */
typedef struct compact {
  uint8_t c[MAX_COMPACT];
  size_t n, end[MAX_COMPACT]; /* characters up to and with each */
} compact;

static void read_compact(const guard_view *v, size_t i, compact *w) {
  w->n = 0;
  while (w->n < MAX_COMPACT) {
    uint8_t c = v->f[i];
    if (c == GUARD_LETTER || !guard_is_alnum(c)) {
      if ((c != ' ' && c != '-' && c != '.' && c != '\n') || !guard_is_alnum(v->f[i + 1])) return;
      i++;
      continue;
    }
    w->c[w->n] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
    w->end[w->n++] = ++i;
  }
}

/* Lengths of IBANs by country (SWIFT registry). */
static size_t iban_length(uint8_t a, uint8_t b) {
  static const char table[] =
      "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18FR27GB22GE22"
      "GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MR27"
      "MT31MU30NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SD18SE24SI19SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24"
      "XK20";
  for (const char *t = table; *t != '\0'; t += 4)
    if (t[0] == (char)a && t[1] == (char)b) return (size_t)(t[2] - '0') * 10 + (size_t)(t[3] - '0');
  return 0;
}

static size_t rule_iban(const guard_view *v, size_t i, const compact *w, guard_hits *h) {
  if (w->n < 15 || !guard_is_upper(w->c[0]) || !guard_is_upper(w->c[1]) || !guard_is_digit(w->c[2])) return 0;
  size_t n = iban_length(w->c[0], w->c[1]);
  if (n == 0 || w->n < n || guard_is_alnum(v->f[w->end[n - 1]]) || !guard_mod97(w->c, n)) return 0;
  guard_hit(h, v, i, w->end[n - 1], GUARD_IBAN, 1.0F, "iban");
  return w->end[n - 1] - i;
}

static size_t rule_national(const guard_view *v, size_t i, const compact *w, guard_hits *h) {
  static const size_t lengths[] = {18, 16, 15, 10, 9};
  for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
    size_t n = lengths[k];
    if (w->n < n || guard_is_alnum(v->f[w->end[n - 1]])) continue;
    const char *what = guard_national_word(w->c, n);
    if (what == NULL) continue;
    guard_hit(h, v, i, w->end[n - 1], GUARD_NATIONAL_ID, 0.97F, what);
    return w->end[n - 1] - i;
  }
  return 0;
}

static size_t word_end(const guard_view *v, size_t i, bool *digits) {
  *digits = false;
  for (; guard_is_alnum(v->f[i]) || (v->f[i] == '-' && guard_is_alnum(v->f[i + 1])); i++)
    *digits = *digits || guard_is_digit(v->f[i]);
  return i;
}

/* Passports and licences have no common form: a word with digits soon after the document's name. */
static size_t rule_document(const guard_view *v, size_t i, guard_hits *h) {
  bool digits;
  size_t end = word_end(v, i, &digits), n = end - i;
  if (!digits || n < 5 || n > 20) return 0;
  bool licence =
      guard_near(v, i, 44,
                 "driver's licen|drivers licen|driver licen|driving licen|licence n|license n|dl n|"
                 "dl:|dl#|dl is|fuhrerschein");
  bool passport = !licence && guard_near(v, i, 40, "passport|reisepass|passeport|pasaporte");
  bool id = !licence && !passport &&
            guard_near(v, i, 28,
                       "national id|id number|id card|identity card|tax id|ssn|nhs n|"
                       "social security|medicare|patient id|insurance n");
  if (!licence && !passport && !id) return 0;
  guard_hit(h, v, i, end, licence ? GUARD_LICENCE : passport ? GUARD_PASSPORT : GUARD_NATIONAL_ID, 0.8F,
            licence ? "driving_licence" : passport ? "passport" : "id_by_context");
  return n;
}

/* ---- crypto currencies ---- */

static bool is_base58(uint8_t c) { return guard_is_alnum(c) && strchr("0OIl", c) == NULL && c != GUARD_LETTER; }

/* BIP 173, bech32's checksum (and BIP 350's constant). */
static bool is_bech32(const uint8_t *low, size_t n) {
  static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  static const uint32_t generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  static const uint8_t head[5] = {3, 3, 0, 2, 3}; /* "bc" spread out */
  uint32_t check = 1;
  for (size_t i = 0; i < 5 + n - 3; i++) {
    const char *at = i < 5 ? NULL : strchr(alphabet, low[i - 5 + 3]);
    if (i >= 5 && (at == NULL || *at == '\0')) return false;
    uint32_t value = i < 5 ? head[i] : (uint32_t)(at - alphabet), top = check >> 25;
    check = (check & 0x1ffffff) << 5 ^ value;
    for (unsigned b = 0; b < 5; b++)
      if (top >> b & 1) check ^= generator[b];
  }
  return check == 1 || check == 0x2bc830a3;
}

static size_t rule_crypto(const guard_view *v, size_t i, guard_hits *h) {
  size_t end = i, hex = 0;
  bool mixed = false, base58 = true, digit = false;
  for (; guard_is_alnum(v->f[end]) && v->f[end] != GUARD_LETTER && end - i < 100; end++) {
    base58 = base58 && is_base58(v->f[end]);
    hex += is_hex(v->f[end]);
    mixed = mixed || (v->f[end] >= 'a' && end > i);
    digit = digit || (end > i && guard_is_digit(v->f[end]));
  }
  size_t n = end - i;
  const char *what = NULL;
  if (n == 42 && v->low[i] == '0' && v->low[i + 1] == 'x' && hex == 41) what = "ethereum";
  else if (n >= 14 && n <= 74 && guard_starts(v, i, "bc1") && is_bech32(v->low + i, n)) what = "bitcoin";
  else if (n >= 26 && n <= 35 && base58 && mixed && digit && (v->f[i] == '1' || v->f[i] == '3'))
    what = "bitcoin";
  else if (n == 34 && base58 && mixed && digit && v->f[i] == 'T') what = "tron";
  else if (n == 95 && base58 && v->f[i] == '4') what = "monero";
  if (what == NULL) return 0;
  guard_hit(h, v, i, end, GUARD_CRYPTO, 0.95F, what);
  return n;
}

/* ---- post boxes ---- */

static size_t rule_box(const guard_view *v, size_t i, guard_hits *h) {
  static const char *const forms[] = {"p.o. box ",        "po box ",   "p.o.box ",  "p o box ",
                                      "post office box ", "postfach ", "apartado ", "psc "};
  for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++) {
    bool digits;
    if (!guard_starts(v, i, forms[k])) continue;
    size_t end = word_end(v, i + strlen(forms[k]), &digits);
    if (!digits) return 0;
    guard_hit(h, v, i, end, GUARD_ADDRESS, 0.7F, "post_box");
    return end - i;
  }
  return 0;
}

static size_t rule_title(const guard_view *v, size_t i, guard_hits *h) {
  static const char *const forms[] = {"mr.",  "mrs.", "ms.", "dr.",   "prof.", "mr ",
                                      "mrs ", "ms ",  "dr ", "prof ", "miss "};
  for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++) {
    size_t n = strlen(forms[k]);
    if (!guard_starts(v, i, forms[k]) || !guard_is_upper(v->f[i])) continue;
    size_t name = v->f[i + n] == ' ' ? i + n + 1 : i + n;
    if (!guard_is_upper(v->f[name]) && v->f[name] != GUARD_LETTER) return 0;
    guard_hit(h, v, i, i + n - (forms[k][n - 1] == ' '), GUARD_TITLE, 0.95F, "title");
    return n - (forms[k][n - 1] == ' ');
  }
  return 0;
}

/* ---- dates with words ---- */

static size_t digits_from(const guard_view *v, size_t i, size_t most) {
  size_t n = 0;
  while (n < most && guard_is_digit(v->f[i + n])) n++;
  return guard_is_digit(v->f[i + n]) ? 0 : n;
}

/* "March 3rd, 1985", "March 1985", "March 3", "3 March 1985" (from the month on); a weekday alone. */
static size_t rule_day(const guard_view *v, size_t i, guard_hits *h) {
  static const char *const months[] = {"january", "february", "march", "april", "may", "june", "july", "august",
                                       "september", "october", "november", "december"};
  static const char *const days[] = {"monday", "tuesday",  "wednesday", "thursday",
                                     "friday", "saturday", "sunday"};
  for (size_t k = 0; k < 7; k++) {
    size_t n = strlen(days[k]);
    if (v->low[i] != (uint8_t)days[k][0] || !guard_starts(v, i, days[k]) || guard_is_alnum(v->f[i + n]))
      continue;
    guard_hit(h, v, i, i + n, GUARD_DATE, 0.5F, "weekday");
    return n;
  }
  for (size_t k = 0; k < 12; k++) {
    size_t n = strlen(months[k]), end = i + n, p = end, digits;
    if (v->low[i] != (uint8_t)months[k][0] || !guard_starts(v, i, months[k]) || guard_is_alnum(v->f[end]))
      continue;
    p += v->f[p] == ',' ? 2 : 1;
    if ((digits = digits_from(v, p, 4)) > 0) {
      end = p + digits;
      if (guard_starts(v, end, "th") || guard_starts(v, end, "st") || guard_starts(v, end, "nd") ||
          guard_starts(v, end, "rd"))
        end += 2;
      p = end + (v->f[end] == ',' ? 2 : 1);
      if (digits <= 2 && digits_from(v, p, 4) == 4) end = p + 4;
    } else if (!guard_is_upper(v->f[i]) || k == 4) {
      return 0; /* "may", "march" */
    }
    bool born = guard_near(v, i, 40, "born|birth|dob");
    size_t start = i;
    if (start >= 2 && v->f[start - 1] == ' ' && guard_is_digit(v->f[start - 2]))
      for (start -= 2; start > 0 && i - start < 4 && guard_is_digit(v->f[start - 1]);) start--;
    guard_hit(h, v, start, end, born ? GUARD_BIRTH_DATE : GUARD_DATE, born ? 0.9F : 0.75F, "date");
    return end - i;
  }
  return 0;
}

size_t guard_rule_word(const guard_view *v, size_t i, guard_hits *h) {
  size_t n;
  compact w;
  if ((n = rule_url(v, i, h)) > 0 && h->n > 0 && h->span[h->n - 1].cls == GUARD_SECRET) return n;
  if (n > 0) { /* "anna.k@x.org" begins like a host */
    size_t mail;
    guard_span url = h->span[--h->n];
    if ((mail = rule_email(v, i, h)) > 0) return mail;
    h->span[h->n++] = url;
    return n;
  }
  if ((n = rule_email(v, i, h)) > 0) return n;
  if ((n = rule_mac(v, i, h)) > 0) return n;
  if ((n = rule_ipv6(v, i, h)) > 0) return n;
  if ((n = rule_crypto(v, i, h)) > 0) return n;
  read_compact(v, i, &w);
  if ((n = rule_iban(v, i, &w, h)) > 0) return n;
  if ((n = rule_national(v, i, &w, h)) > 0) return n;
  if ((n = rule_document(v, i, h)) > 0) return n;
  if ((n = rule_box(v, i, h)) > 0) return n;
  if ((n = rule_day(v, i, h)) > 0) return n;
  return rule_title(v, i, h);
}
