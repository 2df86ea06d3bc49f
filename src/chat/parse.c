/* chat/parse: Jinja to a tree, in one pass: text is cut at tags by the rules of trim_blocks and lstrip_blocks, and inside
 * a tag tokens are read as the recursive descent asks for them. */
#include "chat/node.h"

#include <string.h>

typedef enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_INT, TOKEN_FLOAT, TOKEN_OPERATOR } token_kind;

typedef struct token {
  token_kind kind;
  base_slice text; /* a string's without its quotes */
} token;

typedef struct parser {
  chat_run *r;
  base_slice src;
  size_t at;
  token now;      /* inside a tag: the token to look at */
  char closer;    /* of the tag: '%' or '}' */
  int brackets;   /* open inside the tag */
  int nesting;    /* of expressions and blocks */
  bool strip_all; /* the tag ended in '-' */
} parser;

static bool failed(const parser *p) {
  return p->r->status != BASE_OK;
}

static void *take(parser *p, size_t count, size_t bytes) {
  void *out = chat_take(&p->r->heap, count, bytes);
  if (out == NULL) (void)chat_fail(p->r, BASE_ENOMEM, "no memory, or the template is too large");
  return out;
}

static chat_node *new_node(parser *p, node_kind kind) {
  chat_node *n = take(p, 1, sizeof *n);
  if (n == NULL) return NULL;
  n->kind = kind;
  n->line = p->r->line;
  return n;
}

static chat_node *fail_syntax(parser *p, const char *wanted) {
  base_slice t = p->now.kind == TOKEN_END ? BASE_LITERAL("the end of the tag") : p->now.text;
  (void)chat_fail(p->r, BASE_EFORMAT, "%s was expected where \"%.*s\" stands", wanted, t.len < 40 ? (int)t.len : 40, t.ptr);
  return NULL;
}

/* Lists grow by doubling; old ones stay in the heap. */
static void add_node(parser *p, chat_node *to, chat_node *item) {
  if ((to->n & (to->n - 1)) == 0) {
    chat_node **grown = take(p, to->n > 0 ? 2 * to->n : 1, sizeof *grown);
    if (grown == NULL) return;
    if (to->n > 0) memcpy(grown, to->list, to->n * sizeof *grown);
    to->list = grown;
  }
  to->list[to->n++] = item;
}

static void add_name(parser *p, chat_node *to, base_slice name) {
  if ((to->n_names & (to->n_names - 1)) == 0) {
    base_slice *grown = take(p, to->n_names > 0 ? 2 * to->n_names : 1, sizeof *grown);
    if (grown == NULL) return;
    if (to->n_names > 0) memcpy(grown, to->names, to->n_names * sizeof *grown);
    to->names = grown;
  }
  to->names[to->n_names++] = name;
}

/* ---- tokens ---- */

static bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static char peek(const parser *p, size_t ahead) {
  return p->at + ahead < p->src.len ? p->src.ptr[p->at + ahead] : '\0';
}

static void skip_space(parser *p) {
  while (p->at < p->src.len && is_space(p->src.ptr[p->at])) {
    if (p->src.ptr[p->at] == '\n') p->r->line++;
    p->at++;
  }
}

/* Behind a tag: all white space when it ended in '-', one newline behind a block or comment. */
static void end_tag(parser *p, char sign, bool block) {
  if (sign == '-') {
    skip_space(p);
  } else if (block && sign != '+' && peek(p, 0) == '\n') {
    p->r->line++;
    p->at++;
  }
}

/* At "%}", "-%}", "+%}" or the like: ends the tag. */
static bool at_end(parser *p) {
  char first = peek(p, 0);
  size_t sign = first == '-' || (first == '+' && p->closer == '%') ? 1 : 0;
  if (p->brackets > 0 || peek(p, sign) != p->closer || peek(p, sign + 1) != '}') return false;
  p->at += sign + 2;
  end_tag(p, sign > 0 ? first : '\0', p->closer == '%');
  return true;
}

static void read_string(parser *p) {
  char quote = p->src.ptr[p->at];
  size_t start = ++p->at;
  while (p->at < p->src.len && p->src.ptr[p->at] != quote) {
    if (p->src.ptr[p->at] == '\\') p->at++;
    if (peek(p, 0) == '\n') p->r->line++;
    p->at++;
  }
  if (p->at >= p->src.len) {
    (void)chat_fail(p->r, BASE_EFORMAT, "a string has no end");
    p->at = p->src.len;
    return;
  }
  p->now = (token){TOKEN_STRING, {p->src.ptr + start, p->at - start}};
  p->at++;
}

static void read_number(parser *p) {
  size_t start = p->at;
  token_kind kind = TOKEN_INT;
  while (is_digit(peek(p, 0)) || peek(p, 0) == '_') p->at++;
  if (peek(p, 0) == '.' && is_digit(peek(p, 1))) {
    kind = TOKEN_FLOAT;
    p->at++;
    while (is_digit(peek(p, 0))) p->at++;
  }
  if ((peek(p, 0) == 'e' || peek(p, 0) == 'E') && (is_digit(peek(p, 1)) || ((peek(p, 1) == '-' || peek(p, 1) == '+') && is_digit(peek(p, 2))))) {
    kind = TOKEN_FLOAT;
    p->at += 2;
    while (is_digit(peek(p, 0))) p->at++;
  }
  p->now = (token){kind, {p->src.ptr + start, p->at - start}};
}

static void read_operator(parser *p) {
  static const char two[][3] = {"==", "!=", "<=", ">=", "//", "**"};
  size_t n = 1;
  char c = p->src.ptr[p->at];
  for (size_t i = 0; i < sizeof two / sizeof two[0]; i++) {
    if (c == two[i][0] && peek(p, 1) == two[i][1]) n = 2;
  }
  if (n == 1 && strchr("+-*/%~<>=()[]{},.:|", c) == NULL) {
    (void)chat_fail(p->r, BASE_EFORMAT, "the character \"%c\" has no meaning here", c >= 0x20 && c < 0x7F ? c : '?');
    return;
  }
  if (c == '(' || c == '[' || c == '{') p->brackets++;
  if ((c == ')' || c == ']' || c == '}') && p->brackets > 0) p->brackets--;
  p->now = (token){TOKEN_OPERATOR, {p->src.ptr + p->at, n}};
  p->at += n;
}

static void next(parser *p) {
  p->now = (token){TOKEN_END, {"", 0}};
  skip_space(p);
  if (failed(p) || !chat_work(p->r, 1)) return;
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
    while (is_name_char(peek(p, 0))) p->at++;
    p->now = (token){TOKEN_NAME, {p->src.ptr + start, p->at - start}};
  } else {
    read_operator(p);
  }
}

static bool is(const parser *p, token_kind kind, const char *text) {
  return p->now.kind == kind && base_slice_equal(p->now.text, base_slice_of(text));
}

static bool is_op(const parser *p, const char *text) {
  return is(p, TOKEN_OPERATOR, text);
}

static bool is_word(const parser *p, const char *text) {
  return is(p, TOKEN_NAME, text);
}

static bool take_op(parser *p, const char *text) {
  if (!is_op(p, text)) return false;
  next(p);
  return true;
}

static bool take_word(parser *p, const char *text) {
  if (!is_word(p, text)) return false;
  next(p);
  return true;
}

static void need_op(parser *p, const char *text) {
  char wanted[16];
  if (take_op(p, text) || failed(p)) return;
  (void)base_format(wanted, sizeof wanted, "\"%s\"", text);
  (void)fail_syntax(p, wanted);
}

static base_slice need_name(parser *p) {
  base_slice name = p->now.text;
  if (p->now.kind != TOKEN_NAME) (void)fail_syntax(p, "a name");
  next(p);
  return name;
}

/* ---- literals ---- */

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
static size_t unescape_one(parser *p, base_slice s, size_t at, char *out, size_t *n) {
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

static base_slice unescape(parser *p, base_slice s) {
  size_t n = 0;
  if (memchr(s.ptr, '\\', s.len) == NULL) return s;
  char *out = take(p, s.len + 4, 1);
  for (size_t at = 0; out != NULL && at < s.len && !failed(p);) {
    if (s.ptr[at] != '\\' || at + 1 == s.len) out[n++] = s.ptr[at++];
    else at += 1 + unescape_one(p, s, at + 1, out, &n);
  }
  return (base_slice){out, out != NULL ? n : 0};
}

static chat_node *parse_string(parser *p) {
  chat_node *n = new_node(p, NODE_STRING);
  if (n == NULL) return NULL;
  n->text = unescape(p, p->now.text);
  next(p);
  while (p->now.kind == TOKEN_STRING && !failed(p)) { /* neighbours are one string */
    base_slice more = unescape(p, p->now.text);
    char *both = take(p, n->text.len + more.len + 1, 1);
    if (both == NULL) return NULL;
    memcpy(both, n->text.ptr, n->text.len);
    memcpy(both + n->text.len, more.ptr, more.len);
    n->text = (base_slice){both, n->text.len + more.len};
    next(p);
  }
  return n;
}

static chat_node *parse_number(parser *p) {
  bool whole = p->now.kind == TOKEN_INT;
  chat_node *n = new_node(p, whole ? NODE_INT : NODE_FLOAT);
  if (n == NULL) return NULL;
  if (!(whole ? base_parse_int(p->now.text, &n->integer) : base_parse_double(p->now.text, &n->real)))
    return fail_syntax(p, "a number in range");
  next(p);
  return n;
}

/* ---- expressions, loosest first ---- */

static chat_node *parse_expression(parser *p);
static chat_node *parse_unary(parser *p, bool filters);

static chat_node *binary(parser *p, int op, chat_node *a, chat_node *b) {
  chat_node *n = new_node(p, NODE_BINARY);
  if (n == NULL) return NULL;
  n->op = op;
  n->a = a;
  n->b = b;
  return n;
}

static chat_node *pair(parser *p, node_kind kind, chat_node *a, chat_node *b) {
  chat_node *n = binary(p, 0, a, b);
  if (n != NULL) n->kind = kind;
  return n;
}

/* Arguments up to the closing parenthesis, which is taken. */
static void parse_arguments(parser *p, chat_node *call) {
  while (!failed(p) && !is_op(p, ")")) {
    parser before = *p;
    uint32_t line = p->r->line;
    if (is_op(p, "*") || is_op(p, "**")) {
      (void)chat_fail(p->r, BASE_EUNSUPPORTED, "arguments out of a list or dict (\"*\") are not supported");
      return;
    }
    if (p->now.kind == TOKEN_NAME) {
      base_slice name = need_name(p);
      if (take_op(p, "=")) {
        add_name(p, call, name);
        add_node(p, call, parse_expression(p));
        if (!take_op(p, ",")) break;
        continue;
      }
      *p = before; /* an expression that begins with a name: read again */
      p->r->line = line;
    }
    if (call->n_names > 0) {
      (void)fail_syntax(p, "an argument with a name");
      return;
    }
    add_node(p, call, parse_expression(p));
    if (!take_op(p, ",")) break;
  }
  need_op(p, ")");
}

/* A tuple's items, or one expression; up to `end`. `tuple` when there was a comma. */
static chat_node *parse_tuple(parser *p, const char *end) {
  chat_node *list = new_node(p, NODE_LIST);
  bool comma = false;
  if (list == NULL) return NULL;
  while (!failed(p) && !(end != NULL && is_op(p, end)) && p->now.kind != TOKEN_END) {
    add_node(p, list, parse_expression(p));
    if (!take_op(p, ",")) break;
    comma = true;
  }
  if (failed(p)) return NULL;
  if (list->n == 0 && end == NULL) return fail_syntax(p, "an expression");
  return list->n == 1 && !comma ? list->list[0] : list;
}

static chat_node *parse_dict(parser *p) {
  chat_node *dict = new_node(p, NODE_DICT);
  next(p);
  while (!failed(p) && dict != NULL && !is_op(p, "}")) {
    add_node(p, dict, parse_expression(p));
    need_op(p, ":");
    add_node(p, dict, parse_expression(p));
    if (!take_op(p, ",")) break;
  }
  need_op(p, "}");
  return dict;
}

static chat_node *parse_list(parser *p) {
  chat_node *list = new_node(p, NODE_LIST);
  next(p);
  while (!failed(p) && list != NULL && !is_op(p, "]")) {
    add_node(p, list, parse_expression(p));
    if (!take_op(p, ",")) break;
  }
  need_op(p, "]");
  return list;
}

static chat_node *parse_word(parser *p) {
  static const struct {
    const char *word;
    node_kind kind;
  } words[] = {{"true", NODE_TRUE}, {"True", NODE_TRUE}, {"false", NODE_FALSE}, {"False", NODE_FALSE},
               {"none", NODE_NONE}, {"None", NODE_NONE}};
  node_kind kind = NODE_NAME;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (is_word(p, words[i].word)) kind = words[i].kind;
  }
  chat_node *n = new_node(p, kind);
  if (n != NULL) n->text = p->now.text;
  next(p);
  return n;
}

static chat_node *parse_primary(parser *p) {
  switch (p->now.kind) {
    case TOKEN_STRING: return parse_string(p);
    case TOKEN_INT:
    case TOKEN_FLOAT: return parse_number(p);
    case TOKEN_NAME: return parse_word(p);
    default: break;
  }
  if (is_op(p, "[")) return parse_list(p);
  if (is_op(p, "{")) return parse_dict(p);
  if (!is_op(p, "(")) return fail_syntax(p, "an expression");
  next(p);
  chat_node *n = parse_tuple(p, ")");
  need_op(p, ")");
  return n;
}

/* a[b] or a[b:c:d]; the bracket is taken. */
static chat_node *parse_subscript(parser *p, chat_node *a) {
  chat_node *part[3] = {NULL, NULL, NULL};
  int colons = 0;
  for (int i = 0; i < 3 && !failed(p); i++) {
    if (!is_op(p, ":") && !is_op(p, "]")) part[i] = parse_expression(p);
    if (i == 2 || !take_op(p, ":")) break;
    colons++;
  }
  need_op(p, "]");
  if (colons == 0) return part[0] != NULL ? pair(p, NODE_ITEM, a, part[0]) : fail_syntax(p, "an index");
  chat_node *n = pair(p, NODE_SLICE, a, NULL);
  for (int i = 0; n != NULL && i < 3; i++) add_node(p, n, part[i]);
  return n;
}

static chat_node *parse_member(parser *p, chat_node *a) {
  chat_node *n = pair(p, NODE_MEMBER, a, NULL);
  if (n == NULL) return NULL;
  if (p->now.kind == TOKEN_INT) {
    n->kind = NODE_ITEM;
    n->b = parse_number(p);
  } else {
    n->text = need_name(p);
  }
  return n;
}

static chat_node *parse_postfix(parser *p, chat_node *a) {
  while (!failed(p) && a != NULL) {
    if (take_op(p, ".")) {
      a = parse_member(p, a);
    } else if (take_op(p, "[")) {
      a = parse_subscript(p, a);
    } else if (take_op(p, "(")) {
      chat_node *call = pair(p, NODE_CALL, a, NULL);
      if (call != NULL) parse_arguments(p, call);
      a = call;
    } else {
      break;
    }
  }
  return a;
}

static chat_node *parse_filter(parser *p, chat_node *a) {
  chat_node *n = pair(p, NODE_FILTER, a, NULL);
  base_slice name = need_name(p);
  if (failed(p) || n == NULL) return NULL;
  n->op = chat_filter_find(name);
  if (n->op < 0) {
    (void)chat_fail(p->r, BASE_EUNSUPPORTED, "the filter \"%.*s\" is not supported", name.len < 40 ? (int)name.len : 40, name.ptr);
    return NULL;
  }
  if (take_op(p, "(")) parse_arguments(p, n);
  return n;
}

/* Can the token begin the argument of a test that stands without parentheses ("is divisibleby 3")? */
static bool begins_argument(const parser *p) {
  static const char *const words[] = {"else", "or", "and", "is", "not", "if", "in"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (is_word(p, words[i])) return false;
  }
  return (p->now.kind != TOKEN_OPERATOR && p->now.kind != TOKEN_END) || is_op(p, "[") || is_op(p, "{");
}

static chat_node *parse_test(parser *p, chat_node *a) {
  bool negated = take_word(p, "not");
  chat_node *n = pair(p, NODE_TEST, a, NULL);
  base_slice name = need_name(p);
  if (failed(p) || n == NULL) return NULL;
  n->op = chat_test_find(name);
  if (n->op < 0) {
    (void)chat_fail(p->r, BASE_EUNSUPPORTED, "the test \"%.*s\" is not supported", name.len < 40 ? (int)name.len : 40, name.ptr);
    return NULL;
  }
  if (take_op(p, "(")) parse_arguments(p, n);
  else if (begins_argument(p)) add_node(p, n, parse_postfix(p, parse_primary(p)));
  return negated ? pair(p, NODE_NOT, n, NULL) : n;
}

static chat_node *parse_filters(parser *p, chat_node *a) {
  while (!failed(p) && a != NULL) {
    if (take_op(p, "|")) {
      a = parse_filter(p, a);
    } else if (take_word(p, "is")) {
      a = parse_test(p, a);
    } else if (is_op(p, "(")) {
      a = parse_postfix(p, a);
    } else {
      break;
    }
  }
  return a;
}

/* Every level of nesting comes through here, so here the depth is bounded. */
static chat_node *parse_unary(parser *p, bool filters) {
  chat_node *n;
  if (++p->nesting > CHAT_MAX_NESTING) {
    (void)chat_fail(p->r, BASE_ELIMIT, "the template nests too deep");
    return NULL;
  }
  if (take_op(p, "-")) n = pair(p, NODE_MINUS, parse_unary(p, false), NULL);
  else if (take_op(p, "+")) n = pair(p, NODE_PLUS, parse_unary(p, false), NULL);
  else n = parse_primary(p);
  n = parse_postfix(p, n);
  if (filters) n = parse_filters(p, n);
  p->nesting--;
  return failed(p) ? NULL : n;
}

/* The binary operators by level, loosest first; each level groups to the left. */
typedef struct level {
  const char *text[4];
  node_op op[4];
} level;

static const level levels[] = {
    {{"+", "-", NULL, NULL}, {OP_ADD, OP_SUBTRACT}},
    {{"~", NULL, NULL, NULL}, {OP_CONCATENATE}},
    {{"*", "/", "//", "%"}, {OP_MULTIPLY, OP_DIVIDE, OP_FLOOR_DIVIDE, OP_REMAINDER}},
    {{"**", NULL, NULL, NULL}, {OP_POWER}},
};

static chat_node *parse_level(parser *p, size_t at) {
  if (at == sizeof levels / sizeof levels[0]) return parse_unary(p, true);
  chat_node *a = parse_level(p, at + 1);
  while (!failed(p)) {
    size_t i = 0;
    while (i < 4 && levels[at].text[i] != NULL && !is_op(p, levels[at].text[i])) i++;
    if (i == 4 || levels[at].text[i] == NULL) break;
    next(p);
    a = binary(p, (int)levels[at].op[i], a, parse_level(p, at + 1));
  }
  return a;
}

/* The comparison at hand, taken; -1 when there is none. */
static int take_comparison(parser *p) {
  static const struct {
    const char *text;
    node_op op;
  } ops[] = {{"==", OP_EQUAL}, {"!=", OP_UNEQUAL}, {"<", OP_LESS}, {"<=", OP_LESS_EQUAL}, {">", OP_GREATER},
             {">=", OP_GREATER_EQUAL}};
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    if (take_op(p, ops[i].text)) return (int)ops[i].op;
  }
  if (take_word(p, "in")) return OP_IN;
  if (!is_word(p, "not")) return -1;
  next(p);
  if (!take_word(p, "in")) (void)fail_syntax(p, "\"in\"");
  return OP_NOT_IN;
}

/* a < b < c is a < b and b < c. */
static chat_node *parse_comparison(parser *p) {
  chat_node *a = parse_level(p, 0), *all = NULL;
  for (int op; !failed(p) && (op = take_comparison(p)) >= 0;) {
    chat_node *b = parse_level(p, 0), *one = binary(p, op, a, b);
    all = all == NULL ? one : pair(p, NODE_AND, all, one);
    a = b;
  }
  return all != NULL ? all : a;
}

static chat_node *parse_not(parser *p) {
  if (!is_word(p, "not")) return parse_comparison(p);
  next(p);
  if (++p->nesting > CHAT_MAX_NESTING) {
    (void)chat_fail(p->r, BASE_ELIMIT, "the template nests too deep");
    return NULL;
  }
  chat_node *n = pair(p, NODE_NOT, parse_not(p), NULL);
  p->nesting--;
  return n;
}

static chat_node *parse_and(parser *p) {
  chat_node *a = parse_not(p);
  while (!failed(p) && take_word(p, "and")) a = pair(p, NODE_AND, a, parse_not(p));
  return a;
}

static chat_node *parse_or(parser *p) {
  chat_node *a = parse_and(p);
  while (!failed(p) && take_word(p, "or")) a = pair(p, NODE_OR, a, parse_and(p));
  return a;
}

static chat_node *parse_expression(parser *p) {
  chat_node *a = parse_or(p);
  while (!failed(p) && take_word(p, "if")) {
    chat_node *n = pair(p, NODE_CHOICE, a, parse_or(p));
    if (n != NULL && take_word(p, "else")) n->c = parse_expression(p);
    a = n;
  }
  return failed(p) ? NULL : a;
}

/* ---- text and comments ---- */

/* The text up to the next tag, by the rules of white space. Leaves p->at at the tag's first brace, or the end. */
static base_slice read_text(parser *p) {
  size_t start = p->at, at = start;
  while (at < p->src.len) {
    const char *brace = memchr(p->src.ptr + at, '{', p->src.len - at);
    at = brace != NULL ? (size_t)(brace - p->src.ptr) : p->src.len;
    char after = at + 1 < p->src.len ? p->src.ptr[at + 1] : '\0';
    if (at == p->src.len || after == '{' || after == '%' || after == '#') break;
    at++;
  }
  p->at = at;
  for (size_t i = start; i < at; i++) p->r->line += p->src.ptr[i] == '\n';
  base_slice text = {p->src.ptr + start, at - start};
  if (at == p->src.len) return text;
  char sign = at + 2 < p->src.len ? p->src.ptr[at + 2] : '\0';
  if (sign == '-') {
    while (text.len > 0 && is_space(text.ptr[text.len - 1])) text.len--;
  } else if (sign != '+' && p->src.ptr[at + 1] != '{') {
    size_t line = text.len;
    while (line > 0 && text.ptr[line - 1] != '\n' && is_space(text.ptr[line - 1])) line--;
    bool line_starts = line > 0 ? text.ptr[line - 1] == '\n' : start == 0 || p->src.ptr[start - 1] == '\n';
    if (line_starts) text.len = line;
  }
  return text;
}

static void skip_comment(parser *p) {
  const char *end = memmem(p->src.ptr + p->at + 2, p->src.len - p->at - 2, "#}", 2);
  if (end == NULL) {
    (void)chat_fail(p->r, BASE_EFORMAT, "a comment has no end");
    return;
  }
  size_t to = (size_t)(end - p->src.ptr);
  char sign = to > p->at + 2 ? p->src.ptr[to - 1] : '\0';
  for (size_t i = p->at; i < to; i++) p->r->line += p->src.ptr[i] == '\n';
  p->at = to + 2;
  end_tag(p, sign == '-' || sign == '+' ? sign : '\0', true);
}

static void begin_tag(parser *p) {
  p->closer = p->src.ptr[p->at + 1] == '{' ? '}' : '%';
  p->brackets = 0;
  p->at += 2;
  if (peek(p, 0) == '-' || peek(p, 0) == '+') p->at++;
  next(p);
}

static void need_end(parser *p) {
  if (!failed(p) && p->now.kind != TOKEN_END) (void)fail_syntax(p, "the end of the tag");
}

/* ---- statements ---- */

static chat_node *parse_body(parser *p, const char *const *ends, base_slice *end);

/* A body that ends with this tag alone. */
static chat_node *parse_until(parser *p, const char *tag) {
  const char *const ends[] = {tag, NULL};
  base_slice end;
  need_end(p);
  chat_node *body = parse_body(p, ends, &end);
  need_end(p);
  return body;
}

static chat_node *parse_if(parser *p) {
  static const char *const ends[] = {"elif", "else", "endif", NULL};
  chat_node *first = new_node(p, NODE_IF), *n = first;
  base_slice end;
  while (!failed(p)) {
    n->a = parse_expression(p);
    need_end(p);
    n->b = parse_body(p, ends, &end);
    if (failed(p) || base_slice_equal(end, BASE_LITERAL("endif"))) break;
    if (base_slice_equal(end, BASE_LITERAL("else"))) {
      n->c = parse_until(p, "endif");
      return first;
    }
    n->c = new_node(p, NODE_IF);
    n = n->c;
  }
  need_end(p);
  return first;
}

static chat_node *parse_for(parser *p) {
  static const char *const ends[] = {"else", "endfor", NULL};
  chat_node *n = new_node(p, NODE_FOR);
  base_slice end;
  if (n == NULL) return NULL;
  bool bracket = take_op(p, "(");
  do add_name(p, n, need_name(p));
  while (!failed(p) && take_op(p, ",") && !is_word(p, "in"));
  if (bracket) need_op(p, ")");
  if (!failed(p) && !take_word(p, "in")) return fail_syntax(p, "\"in\"");
  n->a = parse_or(p);
  if (is_op(p, ",")) return fail_syntax(p, "one thing to go through");
  if (take_word(p, "if")) add_node(p, n, parse_expression(p));
  if (is_word(p, "recursive")) {
    (void)chat_fail(p->r, BASE_EUNSUPPORTED, "recursive loops are not supported");
    return NULL;
  }
  need_end(p);
  n->b = parse_body(p, ends, &end);
  if (!failed(p) && base_slice_equal(end, BASE_LITERAL("else"))) n->c = parse_until(p, "endfor");
  need_end(p);
  return n;
}

static chat_node *parse_set(parser *p) {
  chat_node *n = new_node(p, NODE_SET);
  if (n == NULL) return NULL;
  base_slice name = need_name(p);
  if (take_op(p, ".")) {
    n->a = new_node(p, NODE_NAME);
    if (n->a == NULL) return NULL;
    n->a->text = name;
    n->text = need_name(p);
  } else {
    add_name(p, n, name);
    while (!failed(p) && take_op(p, ",")) add_name(p, n, need_name(p));
  }
  if (take_op(p, "=")) {
    n->b = parse_tuple(p, NULL);
    need_end(p);
    return n;
  }
  if (failed(p) || n->a != NULL || n->n_names != 1) return fail_syntax(p, "\"=\"");
  n->kind = NODE_CAPTURE;
  n->b = parse_until(p, "endset");
  return n;
}

static chat_node *parse_macro(parser *p) {
  chat_node *n = new_node(p, NODE_MACRO);
  if (n == NULL) return NULL;
  n->text = need_name(p);
  need_op(p, "(");
  while (!failed(p) && !is_op(p, ")")) {
    add_name(p, n, need_name(p));
    add_node(p, n, take_op(p, "=") ? parse_expression(p) : NULL);
    if (!take_op(p, ",")) break;
  }
  need_op(p, ")");
  n->b = parse_until(p, "endmacro");
  return n;
}

static chat_node *parse_call(parser *p) {
  chat_node *n = new_node(p, NODE_CALLER), *caller = new_node(p, NODE_MACRO);
  if (n == NULL || caller == NULL) return NULL;
  n->a = parse_expression(p);
  if (n->a == NULL || n->a->kind != NODE_CALL) return fail_syntax(p, "a call");
  n->b = caller;
  caller->text = BASE_LITERAL("caller");
  caller->b = parse_until(p, "endcall");
  return n;
}

/* {% filter trim %} ... {% endfilter %}: captured under a name that no template can write, then printed through filters. */
static chat_node *parse_filter_block(parser *p) {
  static const char hidden[] = " filtered";
  chat_node *both = new_node(p, NODE_BODY), *capture = new_node(p, NODE_CAPTURE), *name = new_node(p, NODE_NAME);
  if (failed(p)) return NULL;
  name->text = base_slice_of(hidden);
  add_name(p, capture, name->text);
  chat_node *print = pair(p, NODE_PRINT, parse_filters(p, parse_filter(p, name)), NULL);
  capture->b = parse_until(p, "endfilter");
  add_node(p, both, capture);
  add_node(p, both, print);
  return both;
}

/* {% raw %} ... {% endraw %}: the text between, as it stands. */
static chat_node *parse_raw(parser *p) {
  chat_node *n = new_node(p, NODE_TEXT);
  size_t start = p->at;
  need_end(p);
  for (size_t at = start; !failed(p) && n != NULL; at += 2) {
    const char *tag = memmem(p->src.ptr + at, p->src.len - at, "{%", 2);
    if (tag == NULL) {
      (void)chat_fail(p->r, BASE_EFORMAT, "\"raw\" has no end");
      break;
    }
    at = (size_t)(tag - p->src.ptr);
    parser inside = *p;
    for (size_t i = start; i < at; i++) p->r->line += p->src.ptr[i] == '\n';
    p->at = at;
    bool strip = at + 2 < p->src.len && p->src.ptr[at + 2] == '-';
    begin_tag(p);
    if (!failed(p) && is_word(p, "endraw")) {
      n->text = (base_slice){p->src.ptr + start, at - start};
      while (strip && n->text.len > 0 && is_space(n->text.ptr[n->text.len - 1])) n->text.len--;
      next(p);
      need_end(p);
      return n;
    }
    if (!failed(p)) *p = inside;
  }
  return NULL;
}

static chat_node *parse_statement(parser *p) {
  base_slice tag = need_name(p);
  if (failed(p)) return NULL;
  if (base_slice_equal(tag, BASE_LITERAL("if"))) return parse_if(p);
  if (base_slice_equal(tag, BASE_LITERAL("for"))) return parse_for(p);
  if (base_slice_equal(tag, BASE_LITERAL("set"))) return parse_set(p);
  if (base_slice_equal(tag, BASE_LITERAL("macro"))) return parse_macro(p);
  if (base_slice_equal(tag, BASE_LITERAL("call"))) return parse_call(p);
  if (base_slice_equal(tag, BASE_LITERAL("filter"))) return parse_filter_block(p);
  if (base_slice_equal(tag, BASE_LITERAL("raw"))) return parse_raw(p);
  if (base_slice_equal(tag, BASE_LITERAL("generation"))) return parse_until(p, "endgeneration");
  bool stop = base_slice_equal(tag, BASE_LITERAL("break"));
  if (stop || base_slice_equal(tag, BASE_LITERAL("continue"))) {
    need_end(p);
    return new_node(p, stop ? NODE_BREAK : NODE_CONTINUE);
  }
  (void)chat_fail(p->r, BASE_EUNSUPPORTED, "the tag \"%.*s\" is not supported or does not belong here",
                  tag.len < 40 ? (int)tag.len : 40, tag.ptr);
  return NULL;
}

static bool is_one_of(base_slice word, const char *const *words) {
  for (; words != NULL && *words != NULL; words++) {
    if (base_slice_equal(word, base_slice_of(*words))) return true;
  }
  return false;
}

static void add_text(parser *p, chat_node *body, base_slice text) {
  chat_node *n = text.len > 0 ? new_node(p, NODE_TEXT) : NULL;
  if (n == NULL) return;
  n->text = text;
  add_node(p, body, n);
}

/* Statements up to one of the tags `ends` (NULL: the end of the template), whose name is taken. */
static chat_node *parse_body(parser *p, const char *const *ends, base_slice *end) {
  chat_node *body = new_node(p, NODE_BODY);
  if (++p->nesting > CHAT_MAX_NESTING) (void)chat_fail(p->r, BASE_ELIMIT, "the template nests too deep");
  while (!failed(p)) {
    add_text(p, body, read_text(p));
    if (p->at >= p->src.len) {
      if (ends != NULL) (void)chat_fail(p->r, BASE_EFORMAT, "the template ends before \"%s\"", ends[0]);
      break;
    }
    if (p->src.ptr[p->at + 1] == '#') {
      skip_comment(p);
      continue;
    }
    begin_tag(p);
    if (failed(p)) break;
    if (p->closer == '}') {
      add_node(p, body, pair(p, NODE_PRINT, parse_tuple(p, NULL), NULL));
      need_end(p);
    } else if (p->now.kind == TOKEN_NAME && is_one_of(p->now.text, ends)) {
      *end = need_name(p);
      break;
    } else {
      add_node(p, body, parse_statement(p));
    }
  }
  p->nesting--;
  return body;
}

/* "\r\n" and "\r" to "\n", without one newline at the end, as Jinja reads a template. */
static base_slice normalise(parser *p, base_slice source) {
  char *out = take(p, source.len + 1, 1);
  size_t n = 0;
  for (size_t i = 0; out != NULL && i < source.len; i++) {
    bool pair_of_two = source.ptr[i] == '\r' && i + 1 < source.len && source.ptr[i + 1] == '\n';
    if (!pair_of_two) out[n++] = source.ptr[i] == '\r' ? '\n' : source.ptr[i];
  }
  if (n > 0 && out[n - 1] == '\n') n--;
  return (base_slice){out, n};
}

chat_node *chat_parse(chat_run *r, base_slice source) {
  parser p = {.r = r};
  base_slice end;
  r->line = 1;
  p.src = normalise(&p, source);
  chat_node *body = r->status == BASE_OK ? parse_body(&p, NULL, &end) : NULL;
  return r->status == BASE_OK ? body : NULL;
}
