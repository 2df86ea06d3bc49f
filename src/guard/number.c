/* Values made of digits: cards, national ids, IP addresses, dates, phone numbers, ages, postcodes, accounts.
 *
 * The digits from here on are read once, with the separators between their groups; then the readings are
 * tried from the strictest to the loosest, each on as many groups as fit, so that "4111 1111 1111 1111 12/27"
 * is a card and a rest. */
#include <string.h>

#include "guard/internal.h"

enum { MAX_DIGITS = 24, MAX_GROUPS = 24 };

typedef struct digits {
  uint8_t d[MAX_DIGITS];
  size_t n, groups;
  size_t start[MAX_GROUPS], end[MAX_GROUPS]; /* characters */
  size_t upto[MAX_GROUPS];                   /* digits up to and with the group */
  uint8_t sep[MAX_GROUPS];                   /* before the group; several count as their last */
} digits;

static bool separates(uint8_t c) {
  return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')';
}

static bool ends_line(uint8_t c) { return c == '\n' || c == '\r'; }

/* Characters between two groups, 0 when the number ends here. */
static size_t gap(const guard_view *v, size_t i, bool lines) {
  for (size_t k = 0; k <= 3; k++) {
    if (guard_is_digit(v->f[i + k])) return k;
    if (!separates(v->f[i + k]) && !(lines && ends_line(v->f[i + k]))) return 0;
  }
  return 0;
}

/* lines: a line's end separates groups too. Only for what check digits prove: two numbers under each other are two. */
static void read_digits(const guard_view *v, size_t i, bool lines, digits *g) {
  g->n = g->groups = 0;
  while (g->groups < MAX_GROUPS) {
    size_t k = g->groups;
    g->start[k] = i;
    g->sep[k] = k > 0 ? v->f[i - 1] : 0;
    while (guard_is_digit(v->f[i]) && g->n < MAX_DIGITS)
      g->d[g->n++] = (uint8_t)(v->f[i++] - '0');
    g->end[k] = i;
    g->upto[k] = g->n;
    g->groups++;
    size_t step = gap(v, i, lines);
    if (step == 0 || g->n == MAX_DIGITS) return;
    i += step;
  }
}

static size_t group_digits(const digits *g, size_t k) { return g->upto[k] - (k > 0 ? g->upto[k - 1] : 0); }

static unsigned group_value(const digits *g, size_t k) {
  unsigned v = 0;
  for (size_t i = g->upto[k] - group_digits(g, k); i < g->upto[k] && v < 100000; i++) v = v * 10 + g->d[i];
  return v;
}

/* A number may not go on in letters or further digits. */
static bool ends(const guard_view *v, size_t end) { return !guard_is_alnum(v->f[end]); }

/* ---- cards: Luhn, and the first digits of the schemes (ISO/IEC 7812) ---- */

static const char *card_scheme(const uint8_t *d, size_t n) {
  unsigned two = d[0] * 10u + d[1], four = two * 100 + d[2] * 10u + d[3];
  if (d[0] == 4 && (n == 13 || n == 16 || n == 19)) return "visa";
  if (n == 16 && ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720))) return "mastercard";
  if (n == 15 && (two == 34 || two == 37)) return "amex";
  if (n == 14 && (two == 36 || two == 38 || two == 39 || (four >= 3000 && four <= 3059))) return "diners";
  if (n >= 16 && (four == 6011 || two == 65 || two == 64 || two == 62)) return "discover";
  if ((n == 16 && two == 35) || (n == 15 && (four == 1800 || four == 2131))) return "jcb";
  if (n >= 12 && (two == 50 || (two >= 56 && two <= 69))) return "maestro";
  return NULL;
}

/* Groups of a card are of three or more digits, or all single ones (digits spaced out). */
static bool card_groups(const digits *g, size_t groups) {
  bool single = groups > 1;
  for (size_t k = 0; k < groups; k++)
    single = single && group_digits(g, k) == 1;
  if (single) return true;
  for (size_t k = 0; k < groups; k++)
    if (group_digits(g, k) < 2 ||
        (k > 0 && g->sep[k] != ' ' && g->sep[k] != '-' && g->sep[k] != '.' && g->sep[k] != '\n'))
      return false;
  return true;
}

static const char *as_card(const digits *g, size_t groups) {
  size_t n = g->upto[groups - 1];
  if (n < 12 || n > 19 || !card_groups(g, groups) || !guard_luhn(g->d, n)) return NULL;
  return card_scheme(g->d, n);
}

/* ---- dates ---- */

static bool year_fits(unsigned y, size_t len) { return len == 2 || (len == 4 && y >= 1900 && y <= 2099); }

static bool day_month(unsigned a, unsigned b) {
  return a >= 1 && b >= 1 && ((a <= 12 && b <= 31) || (b <= 12 && a <= 31));
}

static bool date_groups(const digits *g, size_t k) {
  if (g->groups < k + 3 || g->sep[k + 1] != g->sep[k + 2]) return false;
  if (g->sep[k + 1] != '-' && g->sep[k + 1] != '/' && g->sep[k + 1] != '.') return false;
  size_t la = group_digits(g, k), lb = group_digits(g, k + 1), lc = group_digits(g, k + 2);
  unsigned a = group_value(g, k), b = group_value(g, k + 1), c = group_value(g, k + 2);
  if (la == 4) return year_fits(a, 4) && lb <= 2 && lc <= 2 && b >= 1 && b <= 12 && c >= 1 && c <= 31;
  return la <= 2 && lb <= 2 && day_month(a, b) && year_fits(c, lc);
}

/* " 09:34:31", "T09:34" behind a date. */
static size_t clock_after(const guard_view *v, size_t end) {
  size_t i = end + 1;
  if (v->f[end] != ' ' && v->low[end] != 't') return end;
  for (int part = 0; part < 3; part++) {
    if (!guard_is_digit(v->f[i]) || !guard_is_digit(v->f[i + 1])) return part == 0 ? end : i - 1;
    i += 2;
    if (v->f[i] != ':') return part == 0 ? end : i;
    i++;
  }
  return i - 1;
}

#define BORN "born|birth|dob|d.o.b|b-day|birthday|geboren|nacido|naissance"

static void hit_date(guard_hits *h, const guard_view *v, size_t i, size_t end) {
  bool born = guard_near(v, i, 40, BORN);
  guard_hit(h, v, i, end, born ? GUARD_BIRTH_DATE : GUARD_DATE, born ? 0.95F : 0.8F,
            born ? "date_of_birth" : "date");
}

/* ---- IP addresses ---- */

static bool is_ipv4(const digits *g, const guard_view *v) {
  if (g->groups < 4 || (g->start[0] > 0 && v->f[g->start[0] - 1] == '.')) return false;
  for (size_t k = 0; k < 4; k++) {
    if (group_digits(g, k) > 3 || group_value(g, k) > 255) return false;
    if (k > 0 && (g->sep[k] != '.' || g->start[k] != g->end[k - 1] + 1)) return false;
  }
  return ends(v, g->end[3]) && !(g->groups > 4 && g->sep[4] == '.' && g->start[4] == g->end[3] + 1);
}

/* ---- phone numbers ---- */

#define CALL                                                                                                 \
  "phone|call|tel|mobile|cell|fax|sms|whatsapp|text|number|dial|ring|contact|reach|answering|handy|signal"

static bool is_amount(const guard_view *v, size_t i, size_t end) {
  if (i > 0 && (v->f[i - 1] == '$' || v->f[i - 1] == GUARD_MARK || v->f[i - 1] == '#')) return true;
  if (v->f[end] == '%' || v->f[end] == '$' || v->f[end] == GUARD_MARK) return true;
  return guard_starts(v, end, " eur") || guard_starts(v, end, " usd") || guard_starts(v, end, " dollar") ||
         guard_starts(v, end, " %") || guard_starts(v, end, " pound");
}

static bool is_years(const digits *g, size_t groups) {
  for (size_t k = 0; k < groups; k++)
    if (group_digits(g, k) != 4 || !year_fits(group_value(g, k), 4)) return false;
  return true;
}

/* How many groups make a phone number; 0 when none do. Nobody spaces one out into more than eight. */
static size_t phone_groups(const digits *g, const guard_view *v, size_t i, bool plus) {
  for (size_t groups = g->groups; groups > 0; groups--) {
    size_t n = g->upto[groups - 1], end = g->end[groups - 1];
    bool spoken = n == groups; /* digit by digit */
    if (n < 7 || n > 15 || (groups > 8 && !spoken) || !ends(v, end)) continue;
    if (plus) return groups;
    if (is_amount(v, i, end) || is_years(g, groups)) return 0;
    bool called = guard_near(v, i, 40, CALL);
    if (groups == 1 && !called && !(g->d[0] == 0 && n >= 9) && n != 10) continue;
    if (g->sep[groups - 1] == '/' && groups > 2) continue;
    return groups;
  }
  return 0;
}

/* " ext. 12", "x12" */
static size_t extension(const guard_view *v, size_t end) {
  static const char *const words[] = {" ext. ", " ext ", " ext", " x", "x", " extension "};
  for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
    size_t i = end + strlen(words[w]), digit = i;
    if (i >= v->n || !guard_starts(v, end, words[w])) continue;
    while (guard_is_digit(v->f[digit]) && digit < i + 6)
      digit++;
    if (digit > i) return digit;
  }
  return end;
}

/* ---- ages, postcodes, accounts, years: by the words around ---- */

static bool old_after(const guard_view *v, size_t end) {
  static const char *const words[] = {" years old",    "-years-old", "-year-old", " year old",
                                      " years of age", " y/o",       "yo ",       " yo ",
                                      " yrs old",      " year-old",  "y/o",       "yo.",
                                      "yo,",           " months old", "-month-old", " month old", " weeks old"};
  for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
    if (guard_starts(v, end, words[w])) return true;
  return false;
}

/* "I'm 23.", "my son is 7 and ..": somebody is a number, and of nothing. */
static bool is_somebody(const guard_view *v, size_t i, size_t end) {
  static const char *const before[] = {
      "i'm ",    "i am ",      "he's ",     "she's ",    "he is ",       "she is ",     "he was ",
      "she was ", "son is ",   "boy is ",   "girl is ",  "daughter is ", "husband is ", "wife is ",
      "mother is ", "mum is ", "mom is ",   "father is ", "dad is ",     "brother is ", "sister is "};
  static const char *const after[] = {" now", " and ", " years", " today", ".\n", ". ", ", ", "!", "?", ";", ")"};
  bool said = false, over = end == v->n || (end + 1 == v->n && v->f[end] == '.');
  for (size_t k = 0; k < sizeof before / sizeof before[0] && !said; k++) {
    size_t n = strlen(before[k]);
    said = n <= i && guard_starts(v, i - n, before[k]) && (n == i || !guard_is_alnum(v->f[i - n - 1]));
  }
  for (size_t k = 0; k < sizeof after / sizeof after[0] && said && !over; k++) over = guard_starts(v, end, after[k]);
  return said && over;
}

static bool is_age(const guard_view *v, const digits *g, size_t i) {
  if (group_digits(g, 0) > 3 || group_value(g, 0) > 120) return false;
  if (!ends(v, g->end[0])) return old_after(v, g->end[0]); /* "45yo" */
  if (v->f[g->end[0]] == ':' || (v->f[g->end[0]] == '.' && guard_is_digit(v->f[g->end[0] + 1]))) return false;
  if (v->f[g->end[0]] == '%' || is_amount(v, i, g->end[0])) return false;
  return old_after(v, g->end[0]) || guard_near(v, i, 8, "age of |aged |age: |age is |age |turned |turn ") ||
         guard_near(v, i, 14, "turning ") || is_somebody(v, i, g->end[0]);
}

static bool unfit(const guard_view *v, size_t i) { return i > 0 && (v->f[i - 1] == '#' || v->f[i - 1] == '$'); }

static size_t by_context(const guard_view *v, const digits *g, size_t i, guard_hits *h) {
  size_t n = group_digits(g, 0), end = g->end[0];
  if (is_age(v, g, i)) {
    guard_hit(h, v, i, end, GUARD_AGE, 0.9F, "age");
    return end - i;
  }
  if (!ends(v, end) || unfit(v, i)) return 0;
  if (n >= 3 && n <= 9 && guard_near(v, i, 20, "zip|postal code|postcode|post code|plz")) {
    if (g->groups > 1 && (g->sep[1] == '-' || g->sep[1] == ' ') && group_digits(g, 1) <= 4) end = g->end[1];
    guard_hit(h, v, i, end, GUARD_POSTCODE, 0.9F, "postcode");
    return end - i;
  }
  if (n >= 6 &&
      guard_near(v, i, 32, "account|acct|a/c|routing|sort code|kontonummer|member|policy n|customer n")) {
    guard_hit(h, v, i, end, GUARD_ACCOUNT, 0.8F, "account_number");
    return end - i;
  }
  return 0;
}

static size_t as_year(const guard_view *v, const digits *g, size_t i, guard_hits *h) {
  size_t end = g->end[0];
  if (group_digits(g, 0) == 4 && ends(v, end) && !unfit(v, i) && year_fits(group_value(g, 0), 4) &&
      !is_amount(v, i, end)) {
    bool born = guard_near(v, i, 16, "born in|birth");
    guard_hit(h, v, i, end, born ? GUARD_BIRTH_DATE : GUARD_DATE, 0.6F, "year");
    return end - i;
  }
  return 0;
}

/* ---- together ---- */

static size_t strict(const guard_view *v, const digits *g, size_t i, guard_hits *h) {
  for (size_t groups = g->groups; groups > 0; groups--) {
    size_t end = g->end[groups - 1], n = g->upto[groups - 1];
    const char *what;
    bool china = n == 17 && groups == 1 && v->low[end] == 'x' && ends(v, end + 1);
    if (china) {
      digits with_x = *g;
      with_x.d[17] = 10;
      if ((what = guard_national_id(with_x.d, 18, v, i, end)) != NULL) {
        guard_hit(h, v, i, end + 1, GUARD_NATIONAL_ID, 1.0F, what);
        return end + 1 - i;
      }
    }
    if (!ends(v, end)) continue;
    if ((what = guard_national_id(g->d, n, v, i, end)) != NULL) {
      guard_hit(h, v, i, end, GUARD_NATIONAL_ID, 0.97F, what);
      return end - i;
    }
    if ((what = as_card(g, groups)) != NULL) {
      guard_hit(h, v, i, end, GUARD_CARD, 1.0F, what);
      return end - i;
    }
  }
  return 0;
}

/* Four groups of four: a card with a mistyped digit is still a card. */
static bool card_like(const guard_view *v, const digits *g) {
  for (size_t k = 0; k < 4; k++)
    if (g->groups < 4 || group_digits(g, k) != 4 || (k > 0 && g->sep[k] != g->sep[1])) return false;
  return ends(v, g->end[3]) && card_scheme(g->d, 16) != NULL;
}

size_t guard_rule_strict(const guard_view *v, size_t i, guard_hits *h) {
  digits g;
  read_digits(v, i, true, &g);
  return g.n < 9 || (i > 0 && v->f[i - 1] == '+') ? 0 : strict(v, &g, i, h);
}

size_t guard_rule_number(const guard_view *v, size_t i, guard_hits *h) {
  digits g, over_lines;
  size_t first = i, taken;
  bool plus = v->f[i] == '+';
  while (first < i + 2 && (v->f[first] == '+' || v->f[first] == '('))
    first++;
  if (!guard_is_digit(v->f[first])) return 0;
  read_digits(v, first, false, &g);
  read_digits(v, first, true, &over_lines);
  if (is_ipv4(&g, v)) {
    guard_hit(h, v, i, g.end[3], GUARD_IP, 0.98F, "ipv4");
    return g.end[3] - i;
  }
  if (!plus && date_groups(&g, 0) && ends(v, g.end[2])) {
    size_t end = clock_after(v, g.end[2]);
    hit_date(h, v, i, end);
    return end - i;
  }
  if (!plus && over_lines.n >= 9 && (taken = strict(v, &over_lines, first, h)) > 0) return first - i + taken;
  if (card_like(v, &g)) {
    guard_hit(h, v, first, g.end[3], GUARD_CARD, 0.5F, "card_like");
    return g.end[3] - i;
  }
  if (!plus && (taken = by_context(v, &g, first, h)) > 0) return first - i + taken;
  size_t phone = phone_groups(&g, v, i, plus);
  if (phone > 0) {
    size_t end = extension(v, g.end[phone - 1]);
    guard_hit(h, v, i, end, GUARD_PHONE, plus ? 0.95F : 0.75F, "phone");
    return end - i;
  }
  taken = as_year(v, &g, first, h);
  if (taken > 0) return first - i + taken;
  return first > i ? first - i : g.end[0] - i; /* behind a bracket every rule has its turn: "(0x..." is no number */
}
