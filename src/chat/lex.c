/* chat/lex: tokens are read as the parser asks for them; nothing is kept but the one at hand. */
#include "chat/lex.h"

#include <string.h>

void *chat_lex_take(chat_lexer *p, size_t count, size_t bytes) {
  void *out = chat_take(&p->r->heap, count, bytes);
  if (out == NULL) (void)chat_fail(p->r, BASE_ENOMEM, "no memory, or the template is too large");
  return out;
}

/* ---- tokens ---- */

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static void skip_space(chat_lexer *p) {
  while (p->at < p->src.len && chat_lex_is_space(p->src.ptr[p->at])) {
    if (p->src.ptr[p->at] == '\n') p->r->line++;
    p->at++;
  }
}

void chat_lex_end_tag(chat_lexer *p, char sign, bool block) {
  if (sign == '-') {
    skip_space(p);
  } else if (block && sign != '+' && chat_lex_peek(p, 0) == '\n') {
    p->r->line++;
    p->at++;
  }
}

/* At "%}", "-%}", "+%}" or the like: ends the tag. */
static bool at_end(chat_lexer *p) {
  char first = chat_lex_peek(p, 0);
  size_t sign = first == '-' || (first == '+' && p->closer == '%') ? 1 : 0;
  if (p->brackets > 0 || chat_lex_peek(p, sign) != p->closer || chat_lex_peek(p, sign + 1) != '}')
    return false;
  p->at += sign + 2;
  chat_lex_end_tag(p, sign > 0 ? first : '\0', p->closer == '%');
  return true;
}

static void read_string(chat_lexer *p) {
  char quote = p->src.ptr[p->at];
  size_t start = ++p->at;
  while (p->at < p->src.len && p->src.ptr[p->at] != quote) {
    if (p->src.ptr[p->at] == '\\') p->at++;
    if (chat_lex_peek(p, 0) == '\n') p->r->line++;
    p->at++;
  }
  if (p->at >= p->src.len) {
    (void)chat_fail(p->r, BASE_EFORMAT, "a string has no end");
    p->at = p->src.len;
    return;
  }
  p->now = (lex_token){TOKEN_STRING, {p->src.ptr + start, p->at - start}};
  p->at++;
}

static void read_number(chat_lexer *p) {
  size_t start = p->at;
  lex_kind kind = TOKEN_INT;
  while (is_digit(chat_lex_peek(p, 0)) || chat_lex_peek(p, 0) == '_') p->at++;
  if (chat_lex_peek(p, 0) == '.' && is_digit(chat_lex_peek(p, 1))) {
    kind = TOKEN_FLOAT;
    p->at++;
    while (is_digit(chat_lex_peek(p, 0))) p->at++;
  }
  if ((chat_lex_peek(p, 0) == 'e' || chat_lex_peek(p, 0) == 'E') &&
      (is_digit(chat_lex_peek(p, 1)) ||
       ((chat_lex_peek(p, 1) == '-' || chat_lex_peek(p, 1) == '+') && is_digit(chat_lex_peek(p, 2))))) {
    kind = TOKEN_FLOAT;
    p->at += 2;
    while (is_digit(chat_lex_peek(p, 0))) p->at++;
  }
  p->now = (lex_token){kind, {p->src.ptr + start, p->at - start}};
}

static void read_operator(chat_lexer *p) {
  static const char two[][3] = {"==", "!=", "<=", ">=", "//", "**"};
  size_t n = 1;
  char c = p->src.ptr[p->at];
  for (size_t i = 0; i < sizeof two / sizeof two[0]; i++) {
    if (c == two[i][0] && chat_lex_peek(p, 1) == two[i][1]) n = 2;
  }
  if (n == 1 && strchr("+-*/%~<>=()[]{},.:|", c) == NULL) {
    (void)chat_fail(p->r, BASE_EFORMAT, "the character \"%c\" has no meaning here",
                    c >= 0x20 && c < 0x7F ? c : '?');
    return;
  }
  if (c == '(' || c == '[' || c == '{') p->brackets++;
  if ((c == ')' || c == ']' || c == '}') && p->brackets > 0) p->brackets--;
  p->now = (lex_token){TOKEN_OPERATOR, {p->src.ptr + p->at, n}};
  p->at += n;
}

void chat_lex_next(chat_lexer *p) {
  p->now = (lex_token){TOKEN_END, {"", 0}};
  skip_space(p);
  if (chat_lex_failed(p) || !chat_work(p->r, 1)) return;
  if (p->at >= p->src.len) {
    (void)chat_fail(p->r, BASE_EFORMAT, "the template ends inside a tag");
    return;
  }
  char c = p->src.ptr[p->at];
  if (at_end(p)) return;
  if (c == '"' || c == '\'') {
    read_string(p);
  } else if (is_digit(c)) {
    read_number(p);
  } else if (is_name_char(c)) {
    size_t start = p->at;
    while (is_name_char(chat_lex_peek(p, 0))) p->at++;
    p->now = (lex_token){TOKEN_NAME, {p->src.ptr + start, p->at - start}};
  } else {
    read_operator(p);
  }
}

/* ---- strings ---- */

static int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \xHH, \uHHHH, \UHHHHHHHH: the character, and how many digits it took (0: malformed). */
static size_t read_hex(base_slice s, size_t at, size_t digits, uint32_t *c) {
  *c = 0;
  for (size_t i = 0; i < digits; i++) {
    int v = at + i < s.len ? hex_value(s.ptr[at + i]) : -1;
    if (v < 0) return 0;
    *c = *c << 4 | (uint32_t)v;
  }
  return digits;
}

/* One escape behind the backslash at s.ptr[at - 1]; adds its character, returns the bytes taken. */
static size_t unescape_one(chat_lexer *p, base_slice s, size_t at, char *out, size_t *n) {
  static const char from[] = "ntr\\'\"abfv", to[] = "\n\t\r\\'\"\a\b\f\v";
  char c = s.ptr[at];
  const char *known = c != '\0' ? strchr(from, c) : NULL;
  if (known != NULL) {
    out[(*n)++] = to[known - from];
    return 1;
  }
  if (c == '\n') return 1;
  size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  uint32_t code = 0;
  if (digits > 0) {
    size_t taken = read_hex(s, at + 1, digits, &code), len = base_utf8_encode(code, out + *n);
    if (taken == 0 || len == 0) (void)chat_fail(p->r, BASE_EFORMAT, "a string has a malformed escape");
    *n += len;
    return taken + 1;
  }
  if (c >= '0' && c <= '7') {
    size_t taken = 0;
    while (taken < 3 && at + taken < s.len && s.ptr[at + taken] >= '0' && s.ptr[at + taken] <= '7')
      code = code * 8 + (uint32_t)(s.ptr[at + taken++] - '0');
    *n += base_utf8_encode(code, out + *n);
    return taken;
  }
  out[(*n)++] = '\\'; /* as Python: an unknown escape stands for itself */
  out[(*n)++] = c;
  return 1;
}

base_slice chat_lex_unescape(chat_lexer *p, base_slice s) {
  size_t n = 0;
  if (memchr(s.ptr, '\\', s.len) == NULL) return s;
  char *out = chat_lex_take(p, s.len + 4, 1);
  for (size_t at = 0; out != NULL && at < s.len && !chat_lex_failed(p);) {
    if (s.ptr[at] != '\\' || at + 1 == s.len)
      out[n++] = s.ptr[at++];
    else
      at += 1 + unescape_one(p, s, at + 1, out, &n);
  }
  return (base_slice){out, out != NULL ? n : 0};
}
