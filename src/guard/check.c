/* Check digits: what tells a number that names a person or an account from any other number. Each function says
 * whose rule it is; all work on digit values 0..9 or on upper-case ASCII. */
#include <string.h>

#include "guard/internal.h"

/* ISO/IEC 7812-1. */
bool guard_luhn(const uint8_t *d, size_t n) {
  unsigned sum = 0;
  for (size_t i = 0; i < n; i++) {
    unsigned v = d[n - 1 - i];
    if (i % 2 == 1) v = v * 2 > 9 ? v * 2 - 9 : v * 2;
    sum += v;
  }
  return n > 0 && sum % 10 == 0;
}

static unsigned letter_value(uint8_t c) { return guard_is_digit(c) ? c - 48U : c - 65U + 10U; }

/* ISO 13616: the first four characters go to the end, letters are 10..35, the number is 1 modulo 97. */
bool guard_mod97(const uint8_t *w, size_t n) {
  unsigned rest = 0;
  for (size_t i = 0; i < n; i++) {
    unsigned v = letter_value(w[(i + 4) % n]);
    rest = (rest * (v > 9 ? 100u : 10u) + v) % 97;
  }
  return n > 4 && rest == 1;
}

static unsigned weighted(const uint8_t *d, const char *weights) {
  unsigned sum = 0;
  for (size_t i = 0; weights[i] != '\0'; i++)
    sum += d[i] * (unsigned)(weights[i] >= 'A' ? weights[i] - 'A' + 10 : weights[i] - '0');
  return sum;
}

static unsigned number(const uint8_t *d, size_t n) {
  unsigned v = 0;
  for (size_t i = 0; i < n; i++) v = v * 10 + d[i];
  return v;
}

static bool all_same(const uint8_t *d, size_t n) {
  for (size_t i = 1; i < n; i++)
    if (d[i] != d[0]) return false;
  return true;
}

static bool month_day(unsigned month, unsigned day) {
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* ---- eleven digits and more, strong enough alone ---- */

/* Poland: weights 1 3 7 9, a date of birth with the century in the month. */
static bool is_pesel(const uint8_t *d) {
  return month_day(number(d + 2, 2) % 20, number(d + 4, 2)) &&
         (10 - weighted(d, "1379137913") % 10) % 10 == d[10] && !all_same(d, 11);
}

/* Germany: ISO 7064 MOD 11,10; of the first ten digits one stands twice or three times. */
static bool is_german_tax(const uint8_t *d) {
  unsigned product = 10, count[10] = {0}, repeated = 0;
  for (size_t i = 0; i < 10; i++) {
    unsigned sum = (d[i] + product) % 10;
    product = (sum == 0 ? 10 : sum) * 2 % 11;
    count[d[i]]++;
  }
  for (size_t i = 0; i < 10; i++) {
    if (count[i] > 3) return false;
    repeated += count[i] > 1;
  }
  return d[0] != 0 && repeated == 1 && (11 - product) % 10 == d[10];
}

/* Brazil: two digits modulo 11. */
static bool is_cpf(const uint8_t *d) {
  unsigned one = weighted(d, "A98765432") * 10 % 11 % 10, two = weighted(d, "BA98765432") * 10 % 11 % 10;
  return one == d[9] && two == d[10] && !all_same(d, 11);
}

/* Turkey. */
static bool is_turkish(const uint8_t *d) {
  unsigned odd = 0U + d[0] + d[2] + d[4] + d[6] + d[8], even = 0U + d[1] + d[3] + d[5] + d[7], sum = 0;
  for (size_t i = 0; i < 10; i++) sum += d[i];
  return d[0] != 0 && (odd * 7 + 100 - even) % 10 == d[9] && sum % 10 == d[10];
}

/* India: Verhoeff 1969, the dihedral group of order ten. */
static bool is_verhoeff(const uint8_t *d, size_t n) {
  static const uint8_t product[10][11] = {"\0\1\2\3\4\5\6\7\10\11", "\1\2\3\4\0\6\7\10\11\5",
                                          "\2\3\4\0\1\7\10\11\5\6", "\3\4\0\1\2\10\11\5\6\7",
                                          "\4\0\1\2\3\11\5\6\7\10", "\5\11\10\7\6\0\4\3\2\1",
                                          "\6\5\11\10\7\1\0\4\3\2", "\7\6\5\11\10\2\1\0\4\3",
                                          "\10\7\6\5\11\3\2\1\0\4", "\11\10\7\6\5\4\3\2\1\0"};
  static const uint8_t permute[8][11] = {"\0\1\2\3\4\5\6\7\10\11", "\1\5\7\6\2\10\3\0\11\4",
                                         "\5\10\0\3\7\11\6\1\4\2", "\10\11\1\6\0\4\3\5\2\7",
                                         "\11\4\5\3\1\2\6\10\7\0", "\4\2\10\6\5\7\3\11\0\1",
                                         "\2\7\11\3\10\0\6\4\1\5", "\7\0\4\6\11\1\3\2\5\10"};
  uint8_t c = 0;
  for (size_t i = 0; i < n; i++)
    c = product[c][permute[i % 8][d[n - 1 - i]]];
  return c == 0;
}

/* France: sex, year, month, place, number, key = 97 - rest. */
static bool is_nir(const uint8_t *d) {
  unsigned rest = 0, month = number(d + 3, 2);
  for (size_t i = 0; i < 13; i++) rest = (rest * 10 + d[i]) % 97;
  return (d[0] == 1 || d[0] == 2) && ((month >= 1 && month <= 12) || (month >= 20 && month <= 42)) &&
         97 - rest == number(d + 13, 2);
}

/* Switzerland: 756 and an EAN-13 check digit. */
static bool is_ahv(const uint8_t *d) {
  return number(d, 3) == 756 && (10 - weighted(d, "131313131313") % 10) % 10 == d[12];
}

/* South Africa: a date, 0 or 1 for citizenship, Luhn. */
static bool is_south_african(const uint8_t *d) {
  return month_day(number(d + 2, 2), number(d + 4, 2)) && d[10] <= 1 && guard_luhn(d, 13);
}

/* China: ISO 7064 MOD 11-2 over 17 digits; the last may be X, which the caller gives as 10. */
static bool is_chinese(const uint8_t *d) {
  static const uint8_t check[11] = {1, 0, 10, 9, 8, 7, 6, 5, 4, 3, 2};
  unsigned century = number(d + 6, 2);
  return (century == 19 || century == 20) && month_day(number(d + 10, 2), number(d + 12, 2)) &&
         check[weighted(d, "79A584216379A5842") % 11] == d[17];
}

/* ---- nine and ten digits: too many other numbers fit, so words around have to say it ---- */

static bool is_nhs(const uint8_t *d) {
  unsigned check = (11 - weighted(d, "A98765432") % 11) % 11;
  return check == d[9];
}

/* Netherlands: the eleven test. */
static bool is_bsn(const uint8_t *d) {
  unsigned sum = weighted(d, "98765432");
  return sum > 0 && sum % 11 == d[8];
}

static bool is_ssn(const uint8_t *d) {
  unsigned area = number(d, 3);
  return area != 0 && area != 666 && area < 900 && number(d + 3, 2) != 0 && number(d + 5, 4) != 0;
}

/* Sweden: a date, Luhn. */
static bool is_swedish(const uint8_t *d) {
  unsigned day = number(d + 4, 2);
  return month_day(number(d + 2, 2), day > 60 ? day - 60 : day) && guard_luhn(d, 10);
}

/* Is the piece written in groups of these lengths ("344")? A is ten, B eleven. */
static bool grouped(const guard_view *v, size_t i, size_t end, const char *groups) {
  size_t run = 0;
  for (; i <= end; i++) {
    if (i < end && guard_is_digit(v->f[i])) {
      run++;
    } else if (run > 0) {
      size_t want = (size_t)(*groups >= 'A' ? *groups - 'A' + 10 : *groups - '0');
      if (*groups == '\0' || run != want) return false;
      groups++;
      run = 0;
    }
  }
  return *groups == '\0';
}

#define NEAR(words) guard_near(v, i, 48, words)

static const char *of_nine(const uint8_t *d, const guard_view *v, size_t i, size_t end) {
  if (is_ssn(d) && (grouped(v, i, end, "324") || NEAR("ssn|social security|social-security"))) return "us_ssn";
  if (is_bsn(d) && NEAR("bsn|burgerservice|sofi")) return "nl_bsn";
  if (guard_luhn(d, 9) && NEAR("social insurance|sin ")) return "ca_sin";
  if (d[0] == 9 && number(d + 3, 2) >= 50 && grouped(v, i, end, "324")) return "us_itin";
  return NULL;
}

static const char *of_ten(const uint8_t *d, const guard_view *v, size_t i, size_t end) {
  if (is_nhs(d) && NEAR("nhs|health service|patient")) return "uk_nhs";
  if (is_swedish(d) && (grouped(v, i, end, "64") || NEAR("personnummer"))) return "se_personnummer";
  return NULL;
}

static const char *of_eleven(const uint8_t *d, const guard_view *v, size_t i, size_t end) {
  if (is_cpf(d)) return "br_cpf";
  bool plain = grouped(v, i, end, "B"), known = NEAR("pesel|steuer|tax|kimlik|tckn|identity|id ");
  if (is_pesel(d) && (plain || known)) return "pl_pesel";
  if (is_german_tax(d) && (plain || known || grouped(v, i, end, "2333"))) return "de_steuer_id";
  if (is_turkish(d) && (plain || known)) return "tr_kimlik";
  return NULL;
}

const char *guard_national_id(const uint8_t *d, size_t n, const guard_view *v, size_t i, size_t end) {
  switch (n) {
  case 9: return of_nine(d, v, i, end);
  case 10: return of_ten(d, v, i, end);
  case 11: return of_eleven(d, v, i, end);
  case 12:
    return d[0] > 1 && is_verhoeff(d, 12) && (grouped(v, i, end, "444") || NEAR("aadhaar|aadhar|uid"))
               ? "in_aadhaar"
               : NULL;
  case 13: return is_ahv(d) ? "ch_ahv" : is_south_african(d) && v->f[i] < '9' ? "za_id" : NULL;
  case 15: return is_nir(d) ? "fr_nir" : NULL;
  case 18: return is_chinese(d) ? "cn_id" : NULL;
  default: return NULL;
  }
}

/* ---- with letters ---- */

/* Does a word fit a pattern: 9 digit, A letter, anything else itself. */
static bool fits(const uint8_t *w, size_t n, const char *pattern) {
  if (strlen(pattern) != n) return false;
  for (size_t i = 0; i < n; i++) {
    if (pattern[i] == '9'   ? !guard_is_digit(w[i])
        : pattern[i] == 'A' ? !guard_is_upper(w[i])
                            : w[i] != pattern[i])
      return false;
  }
  return true;
}

static bool is_nino(const uint8_t *w) {
  static const char *const never[] = {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"};
  for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
    if (memcmp(w, never[i], 2) == 0) return false;
  return strchr("DFIQUV", w[0]) == NULL && strchr("DFIQUVO", w[1]) == NULL && w[8] <= 'D';
}

/* Spain: the rest modulo 23 chooses the letter; X, Y, Z before an NIE are 0, 1, 2. */
static bool is_spanish(const uint8_t *w) {
  unsigned v = w[0] >= 'X' ? w[0] - 88U : w[0] - 48U;
  for (size_t i = 1; i < 8; i++) v = v * 10 + (w[i] - 48U);
  return "TRWAGMYFPDXBNJZSQVHLCKE"[v % 23] == w[8];
}

/* Italy: odd places by a table, even ones by their value; the sum modulo 26 is the letter. */
static bool is_codice_fiscale(const uint8_t *w) {
  static const uint8_t odd[26] = {1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                  20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
  unsigned sum = 0;
  for (size_t i = 0; i < 15; i++) {
    unsigned v = guard_is_digit(w[i]) ? w[i] - 48U : w[i] - 65U;
    sum += i % 2 == 0 ? odd[v] : v;
  }
  return 'A' + sum % 26 == w[15];
}

/* Singapore: weights 2 7 6 5 4 3 2. */
static bool is_nric(const uint8_t *w) {
  uint8_t d[7];
  for (size_t i = 0; i < 7; i++) d[i] = (uint8_t)(w[i + 1] - '0');
  unsigned sum = weighted(d, "2765432") + (w[0] == 'T' || w[0] == 'G' ? 4 : 0);
  return (w[0] == 'S' || w[0] == 'T' ? "JZIHGFEDCBA" : "XWUTRQPNMLK")[sum % 11] == w[8];
}

/* Corsica's 2A and 2B count as 19 and 18. */
static bool is_corsican_nir(const uint8_t *w) {
  uint8_t d[15];
  for (size_t i = 0; i < 15; i++) d[i] = (uint8_t)(w[i] - '0');
  d[5] = 1;
  d[6] = w[6] == 'A' ? 9 : 8;
  return is_nir(d);
}

const char *guard_national_word(const uint8_t *w, size_t n) {
  if (n == 9 && fits(w, n, "AA999999A") && is_nino(w)) return "uk_nino";
  if (n == 9 && (fits(w, n, "99999999A") || (fits(w, n, "A9999999A") && w[0] >= 'X')) && is_spanish(w))
    return w[0] >= 'X' ? "es_nie" : "es_dni";
  if (n == 9 && fits(w, n, "A9999999A") && strchr("STFG", w[0]) != NULL && is_nric(w)) return "sg_nric";
  if (n == 10 && fits(w, n, "AAAAA9999A") && strchr("PCHFATBLJG", w[3]) != NULL) return "in_pan";
  if (n == 15 && (fits(w, n, "999992A99999999") || fits(w, n, "999992B99999999")) && is_corsican_nir(w))
    return "fr_nir";
  if (n == 16 && fits(w, n, "AAAAAA99A99A999A") && is_codice_fiscale(w)) return "it_codice_fiscale";
  if (n == 18 && fits(w, n, "AAAA999999AAAAAA99") && (w[10] == 'H' || w[10] == 'M')) return "mx_curp";
  return NULL;
}
