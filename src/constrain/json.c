/* JSON text: the strict check, and walking over text that passed it. RFC 8259 in a recursive descent whose
 * depth is bounded, with no memory of its own. */
#include "constrain/internal.h"

#include <string.h>

/* ---- the strict check ---- */

typedef struct checker {
  const char *p;
  size_t len, at;
  const char *problem; /* first one, NULL so far */
  size_t n_keys;
  uint32_t key_at[CONSTRAIN_MAX_OPEN_KEYS], key_end[CONSTRAIN_MAX_OPEN_KEYS]; /* of the objects around `at` */
} checker;

static bool give_up(checker *c, const char *problem) {
  if (c->problem == NULL) c->problem = problem;
  return false;
}

static void skip_space(checker *c) {
  while (c->at < c->len &&
         (c->p[c->at] == ' ' || c->p[c->at] == '\n' || c->p[c->at] == '\t' || c->p[c->at] == '\r'))
    c->at++;
}

static bool take(checker *c, char wanted) {
  if (c->at >= c->len || c->p[c->at] != wanted) return false;
  c->at++;
  return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t take_digits(checker *c) {
  size_t start = c->at;
  while (c->at < c->len && is_digit(c->p[c->at]))
    c->at++;
  return c->at - start;
}

static bool check_number(checker *c) {
  (void)take(c, '-');
  if (!take(c, '0') && take_digits(c) == 0) return give_up(c, "a value is missing or misspelt");
  if (take(c, '.') && take_digits(c) == 0) return give_up(c, "a number ends after its point");
  if (take(c, 'e') || take(c, 'E')) {
    if (!take(c, '+')) (void)take(c, '-');
    if (take_digits(c) == 0) return give_up(c, "a number ends after its exponent's e");
  }
  return true;
}

/* Four hex digits; 0x10000 when they are not. */
static uint32_t hex4(const char *p, size_t len) {
  uint32_t v = 0;
  if (len < 4) return 0x10000;
  for (size_t i = 0; i < 4; i++) {
    char c = p[i];
    uint32_t digit = is_digit(c)            ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 16;
    if (digit == 16) return 0x10000;
    v = v << 4 | digit;
  }
  return v;
}

static bool check_escape(checker *c) {
  if (c->at >= c->len) return give_up(c, "a string has no end");
  char kind = c->p[c->at++];
  if (kind != 'u')
    return (kind != 0 && strchr("\"\\/bfnrt", kind) != NULL) || give_up(c, "a string has an unknown escape");
  uint32_t unit = hex4(c->p + c->at, c->len - c->at);
  if (unit > 0xffff) return give_up(c, "\\u needs four hex digits");
  c->at += 4;
  if (unit < 0xd800 || unit > 0xdfff) return true;
  if (unit > 0xdbff || !take(c, '\\') || !take(c, 'u')) return give_up(c, "a string has half a character");
  uint32_t low = hex4(c->p + c->at, c->len - c->at);
  if (low < 0xdc00 || low > 0xdfff) return give_up(c, "a string has half a character");
  c->at += 4;
  return true;
}

/* `at` is behind the opening quote. */
static bool check_string(checker *c) {
  while (c->at < c->len) {
    unsigned char b = (unsigned char)c->p[c->at];
    uint32_t code_point;
    if (b == '"') {
      c->at++;
      return true;
    }
    if (b < 0x20) return give_up(c, "a string has a control character");
    if (b == '\\') {
      c->at++;
      if (!check_escape(c)) return false;
      continue;
    }
    size_t n = base_utf8_decode(c->p + c->at, c->len - c->at, &code_point);
    if (n == 0) return give_up(c, "a string is not UTF-8");
    c->at += n;
  }
  return give_up(c, "a string has no end");
}

static bool same_string(base_slice a, base_slice b);

/* Key [start, at) among the keys of its object, which begin at first. */
static bool check_key(checker *c, size_t start, size_t first) {
  base_slice key = {c->p + start, c->at - start};
  for (size_t i = first; i < c->n_keys; i++)
    if (same_string(key, (base_slice){c->p + c->key_at[i], c->key_end[i] - c->key_at[i]}))
      return give_up(c, "an object has a key twice");
  if (c->n_keys == CONSTRAIN_MAX_OPEN_KEYS) return give_up(c, "an object has too many keys");
  c->key_at[c->n_keys] = (uint32_t)start;
  c->key_end[c->n_keys++] = (uint32_t)c->at;
  return true;
}

static bool check_value(checker *c, int depth);

static bool check_object(checker *c, int depth) {
  size_t first = c->n_keys;
  skip_space(c);
  if (take(c, '}')) return true;
  do {
    skip_space(c);
    size_t start = c->at;
    if (!take(c, '"')) return give_up(c, "an object's key is missing");
    if (!check_string(c) || !check_key(c, start, first)) return false;
    skip_space(c);
    if (!take(c, ':')) return give_up(c, "a ':' is missing");
    if (!check_value(c, depth)) return false;
  } while (take(c, ','));
  c->n_keys = first;
  return take(c, '}') || give_up(c, "an object has no end");
}

static bool check_array(checker *c, int depth) {
  skip_space(c);
  if (take(c, ']')) return true;
  do {
    if (!check_value(c, depth)) return false;
  } while (take(c, ','));
  return take(c, ']') || give_up(c, "an array has no end");
}

static bool check_word(checker *c, const char *word) {
  size_t n = strlen(word);
  if (c->len - c->at < n || memcmp(c->p + c->at, word, n) != 0)
    return give_up(c, "a value is missing or misspelt");
  c->at += n;
  return true;
}

static bool check_value(checker *c, int depth) {
  bool ok;
  if (depth == CONSTRAIN_MAX_DEPTH) return give_up(c, "it is nested too deep");
  skip_space(c);
  char first = c->at < c->len ? c->p[c->at] : 0;
  switch (first) {
    case '{':
      c->at++;
      ok = check_object(c, depth + 1);
      break;
    case '[':
      c->at++;
      ok = check_array(c, depth + 1);
      break;
    case '"':
      c->at++;
      ok = check_string(c);
      break;
    case 't': ok = check_word(c, "true"); break;
    case 'f': ok = check_word(c, "false"); break;
    case 'n': ok = check_word(c, "null"); break;
    default: ok = check_number(c);
  }
  skip_space(c);
  return ok;
}

base_status constrain_json_text_check(base_slice text, size_t max_bytes, const char *where, base_error *err) {
  checker c;
  c.p = text.len > 0 ? text.ptr : "";
  c.len = text.len;
  c.at = c.n_keys = 0;
  c.problem = NULL;
  if (text.len > max_bytes)
    return base_fail(err, BASE_EFORMAT, where, "the JSON is longer than %zu bytes", max_bytes);
  if (check_value(&c, 0) && c.at == c.len) return BASE_OK;
  return base_fail(err, BASE_EFORMAT, where, "this is not JSON: byte %zu: %s", c.at,
                   c.problem != NULL ? c.problem : "something follows the value");
}

/* ---- walking checked text ---- */

constrain_kind constrain_json_kind_of(base_slice value) {
  switch (value.ptr[0]) {
    case '{': return CONSTRAIN_K_OBJECT;
    case '[': return CONSTRAIN_K_ARRAY;
    case '"': return CONSTRAIN_K_STRING;
    case 't': return CONSTRAIN_K_TRUE;
    case 'f': return CONSTRAIN_K_FALSE;
    case 'n': return CONSTRAIN_K_NULL;
    default: return CONSTRAIN_K_NUMBER;
  }
}

base_slice constrain_json_document(base_slice text) { return base_slice_trim(text); }

base_slice constrain_json_inside(base_slice container) {
  return base_slice_trim(base_slice_sub(container, 1, container.len - 1));
}

/* Length of the string that starts with s's first byte, quotes included. */
static size_t string_extent(base_slice s) {
  size_t at = 1;
  while (s.ptr[at] != '"')
    at += s.ptr[at] == '\\' ? 2 : 1;
  return at + 1;
}

static size_t value_extent(base_slice s) {
  size_t at = 0, depth = 0;
  if (s.ptr[0] == '"') return string_extent(s);
  if (s.ptr[0] != '{' && s.ptr[0] != '[') {
    while (at < s.len && s.ptr[at] != ',' && s.ptr[at] != '}' && s.ptr[at] != ']' && s.ptr[at] > ' ')
      at++;
    return at;
  }
  do {
    char c = s.ptr[at];
    if (c == '"') {
      at += string_extent(base_slice_sub(s, at, s.len));
      continue;
    }
    if (c == '{' || c == '[') depth++;
    if (c == '}' || c == ']') depth--;
    at++;
  } while (depth > 0);
  return at;
}

/* Takes n bytes off *rest, and a separator with the space around it. */
static base_slice take_off(base_slice *rest, size_t n, char separator) {
  base_slice taken = base_slice_sub(*rest, 0, n);
  *rest = base_slice_trim(base_slice_sub(*rest, n, rest->len));
  if (rest->len > 0 && rest->ptr[0] == separator)
    *rest = base_slice_trim(base_slice_sub(*rest, 1, rest->len));
  return taken;
}

bool constrain_json_next_item(base_slice *rest, base_slice *value) {
  if (rest->len == 0) return false;
  *value = take_off(rest, value_extent(*rest), ',');
  return true;
}

bool constrain_json_next_member(base_slice *rest, base_slice *key, base_slice *value) {
  if (rest->len == 0) return false;
  *key = take_off(rest, string_extent(*rest), ':');
  *value = take_off(rest, value_extent(*rest), ',');
  return true;
}

bool constrain_json_find_member(base_slice object, base_slice key, base_slice *value) {
  base_slice rest = constrain_json_inside(object), k;
  while (constrain_json_next_member(&rest, &k, value))
    if (same_string(k, key)) return true;
  return false;
}

size_t constrain_json_count(base_slice container) {
  base_slice rest = constrain_json_inside(container), key, value;
  bool object = container.ptr[0] == '{';
  size_t n = 0;
  while (object ? constrain_json_next_member(&rest, &key, &value) : constrain_json_next_item(&rest, &value))
    n++;
  return n;
}

/* ---- strings ---- */

static base_slice string_inside(base_slice s) { return base_slice_sub(s, 1, s.len - 1); }

bool constrain_json_next_char(base_slice *s, uint32_t *out) {
  static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
  if (s->len == 0) return false;
  size_t n = 2;
  if (s->ptr[0] != '\\') {
    n = base_utf8_decode(s->ptr, s->len, out);
  } else if (s->ptr[1] != 'u') {
    const char *known = strchr(from, s->ptr[1]);
    *out = (uint32_t)(known != NULL ? to[known - from] : s->ptr[1]);
  } else {
    n = 6;
    *out = hex4(s->ptr + 2, s->len - 2);
    if (*out >= 0xd800 && *out <= 0xdbff) {
      n = 12;
      *out = 0x10000 + ((*out - 0xd800) << 10) + (hex4(s->ptr + 8, s->len - 8) - 0xdc00);
    }
  }
  *s = base_slice_sub(*s, n, s->len);
  return true;
}

static bool same_string(base_slice a, base_slice b) {
  uint32_t x, y;
  a = string_inside(a);
  b = string_inside(b);
  while (constrain_json_next_char(&a, &x))
    if (!constrain_json_next_char(&b, &y) || x != y) return false;
  return b.len == 0;
}

size_t constrain_json_string_length(base_slice string) {
  base_slice s = string_inside(string);
  uint32_t c;
  size_t n = 0;
  while (constrain_json_next_char(&s, &c))
    n++;
  return n;
}

bool constrain_json_string_copy(base_slice string, char *out, size_t out_size) {
  base_slice s = string_inside(string);
  uint32_t c;
  size_t at = 0;
  char bytes[4];
  while (constrain_json_next_char(&s, &c)) {
    size_t n = base_utf8_encode(c, bytes);
    if (c == 0 || at + n >= out_size) return false;
    memcpy(out + at, bytes, n);
    at += n;
  }
  out[at] = 0;
  return true;
}

bool constrain_json_string_is(base_slice string, const char *plain) {
  char text[64];
  return constrain_json_string_copy(string, text, sizeof text) && strcmp(text, plain) == 0;
}

/* ---- numbers ---- */

/* A number as sign * 0.DIGITS * 10^exponent, without leading or trailing zeros; no digits is zero. The digits
 * may have a point among them. */
typedef struct number {
  bool negative;
  const char *digit;
  size_t span; /* bytes from the first to the last digit that counts */
  int64_t exponent;
} number;

/* Far beyond what 64 KiB of digits reach; larger exponents compare like it. */
enum { EXPONENT_BOUND = 1 << 24 };

static int64_t read_exponent(base_slice s) {
  bool negative = s.len > 0 && s.ptr[0] == '-';
  int64_t v = 0;
  for (size_t i = 0; i < s.len; i++)
    if (is_digit(s.ptr[i]) && v < EXPONENT_BOUND) v = v * 10 + (s.ptr[i] - '0');
  if (v > EXPONENT_BOUND) v = EXPONENT_BOUND;
  return negative ? -v : v;
}

static number read_number(base_slice s) {
  number n = {.negative = s.ptr[0] == '-'};
  size_t end = 0, first = s.len, last = 0, point;
  while (end < s.len && s.ptr[end] != 'e' && s.ptr[end] != 'E')
    end++;
  point = end;
  for (size_t i = 0; i < end; i++) {
    if (s.ptr[i] == '.') point = i;
    if (!is_digit(s.ptr[i]) || s.ptr[i] == '0') continue;
    if (first == s.len) first = i;
    last = i;
  }
  if (first == s.len) return (number){0};
  n.digit = s.ptr + first;
  n.span = last + 1 - first;
  n.exponent = first < point ? (int64_t)(point - first) : -(int64_t)(first - point - 1);
  if (end < s.len) n.exponent += read_exponent(base_slice_sub(s, end + 1, s.len));
  return n;
}

/* The next digit, and 0 behind the last one. */
static int next_digit(const number *n, size_t *at) {
  if (*at < n->span && n->digit[*at] == '.') ++*at;
  return *at < n->span ? n->digit[(*at)++] - '0' : 0;
}

static int compare_magnitudes(const number *a, const number *b) {
  size_t i = 0, j = 0;
  if (a->span == 0 || b->span == 0) return (a->span != 0) - (b->span != 0);
  if (a->exponent != b->exponent) return a->exponent > b->exponent ? 1 : -1;
  while (i < a->span || j < b->span) {
    int x = next_digit(a, &i), y = next_digit(b, &j);
    if (x != y) return x > y ? 1 : -1;
  }
  return 0;
}

int constrain_json_compare_numbers(base_slice a, base_slice b) {
  number x = read_number(a), y = read_number(b);
  if (x.negative != y.negative) return x.negative ? -1 : 1; /* zero is never negative here */
  int order = compare_magnitudes(&x, &y);
  return x.negative ? -order : order;
}

static int64_t digit_count(const number *n) {
  return (int64_t)n->span - (n->span > 0 && memchr(n->digit, '.', n->span) != NULL);
}

bool constrain_json_is_integer(base_slice v) {
  number n = read_number(v);
  return n.exponent >= digit_count(&n);
}

bool constrain_json_is_multiple(base_slice v, int64_t of) {
  number n = read_number(v);
  int64_t zeros = n.exponent - digit_count(&n);
  uint64_t rest = 0, m = (uint64_t)of;
  if (zeros < 0) return n.span == 0;
  for (size_t at = 0; at < n.span;)
    rest = (rest * 10 + (unsigned)next_digit(&n, &at)) % m;
  /* each zero only takes a factor 2 and 5 away, so after 64 nothing changes any more */
  for (int64_t i = 0; i < zeros && i < 64; i++)
    rest = rest * 10 % m;
  return rest == 0;
}

/* ---- equality ---- */

static bool equal_containers(base_slice a, base_slice b, bool objects) {
  base_slice x = constrain_json_inside(a), y = constrain_json_inside(b), key, v, w;
  if (constrain_json_count(a) != constrain_json_count(b)) return false;
  while (objects ? constrain_json_next_member(&x, &key, &v) : constrain_json_next_item(&x, &v)) {
    bool found = objects ? constrain_json_find_member(b, key, &w) : constrain_json_next_item(&y, &w);
    if (!found || !constrain_json_equal_values(v, w)) return false;
  }
  return true;
}

bool constrain_json_equal_values(base_slice a, base_slice b) {
  constrain_kind kind = constrain_json_kind_of(a);
  if (kind != constrain_json_kind_of(b)) return false;
  switch (kind) {
    case CONSTRAIN_K_NUMBER: return constrain_json_compare_numbers(a, b) == 0;
    case CONSTRAIN_K_STRING: return same_string(a, b);
    case CONSTRAIN_K_ARRAY: return equal_containers(a, b, false);
    case CONSTRAIN_K_OBJECT: return equal_containers(a, b, true);
    default: return true;
  }
}
