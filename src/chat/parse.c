/* chat/parse: Jinja to a tree, in one pass: text is cut at tags by the rules of trim_blocks and
 * lstrip_blocks, and what is in a tag is read by recursive descent. */
#include "chat/lex.h"

#include <string.h>

static chat_node *new_node(chat_lexer *p, node_kind kind) {
  chat_node *n = chat_lex_take(p, 1, sizeof *n);
  if (n == NULL) return NULL;
  n->kind = kind;
  n->line = p->r->line;
  return n;
}

static chat_node *fail_syntax(chat_lexer *p, const char *wanted) {
  base_slice t = p->now.kind == TOKEN_END ? BASE_LITERAL("the end of the tag") : p->now.text;
  (void)chat_fail(p->r, BASE_EFORMAT, "%s was expected where \"%.*s\" stands", wanted,
                  t.len < 40 ? (int)t.len : 40, t.ptr);
  return NULL;
}

/* Lists grow by doubling; old ones stay in the heap. */
static void add_node(chat_lexer *p, chat_node *to, chat_node *item) {
  if ((to->n & (to->n - 1)) == 0) {
    chat_node **grown = chat_lex_take(p, to->n > 0 ? 2 * to->n : 1, sizeof *grown);
    if (grown == NULL) return;
    if (to->n > 0) memcpy(grown, to->list, to->n * sizeof *grown);
    to->list = grown;
  }
  to->list[to->n++] = item;
}

static void add_name(chat_lexer *p, chat_node *to, base_slice name) {
  if ((to->n_names & (to->n_names - 1)) == 0) {
    base_slice *grown = chat_lex_take(p, to->n_names > 0 ? 2 * to->n_names : 1, sizeof *grown);
    if (grown == NULL) return;
    if (to->n_names > 0) memcpy(grown, to->names, to->n_names * sizeof *grown);
    to->names = grown;
  }
  to->names[to->n_names++] = name;
}

/* ---- tokens ---- */

static bool is(const chat_lexer *p, lex_kind kind, const char *text) {
  return p->now.kind == kind && base_slice_equal(p->now.text, base_slice_of(text));
}

static bool is_op(const chat_lexer *p, const char *text) {
  return is(p, TOKEN_OPERATOR, text);
}

static bool is_word(const chat_lexer *p, const char *text) {
  return is(p, TOKEN_NAME, text);
}

static bool take_op(chat_lexer *p, const char *text) {
  if (!is_op(p, text)) return false;
  chat_lex_next(p);
  return true;
}

static bool take_word(chat_lexer *p, const char *text) {
  if (!is_word(p, text)) return false;
  chat_lex_next(p);
  return true;
}

static void need_op(chat_lexer *p, const char *text) {
  char wanted[16];
  if (take_op(p, text) || chat_lex_failed(p)) return;
  (void)base_format(wanted, sizeof wanted, "\"%s\"", text);
  (void)fail_syntax(p, wanted);
}

static base_slice need_name(chat_lexer *p) {
  base_slice name = p->now.text;
  if (p->now.kind != TOKEN_NAME) (void)fail_syntax(p, "a name");
  chat_lex_next(p);
  return name;
}

/* ---- literals ---- */

static chat_node *parse_string(chat_lexer *p) {
  chat_node *n = new_node(p, NODE_STRING);
  if (n == NULL) return NULL;
  n->text = chat_lex_unescape(p, p->now.text);
  chat_lex_next(p);
  while (p->now.kind == TOKEN_STRING && !chat_lex_failed(p)) { /* neighbours are one string */
    base_slice more = chat_lex_unescape(p, p->now.text);
    char *both = chat_lex_take(p, n->text.len + more.len + 1, 1);
    if (both == NULL) return NULL;
    memcpy(both, n->text.ptr, n->text.len);
    memcpy(both + n->text.len, more.ptr, more.len);
    n->text = (base_slice){both, n->text.len + more.len};
    chat_lex_next(p);
  }
  return n;
}

static chat_node *parse_number(chat_lexer *p) {
  bool whole = p->now.kind == TOKEN_INT;
  chat_node *n = new_node(p, whole ? NODE_INT : NODE_FLOAT);
  if (n == NULL) return NULL;
  if (!(whole ? base_parse_int(p->now.text, &n->integer) : base_parse_double(p->now.text, &n->real)))
    return fail_syntax(p, "a number in range");
  chat_lex_next(p);
  return n;
}

/* ---- expressions, loosest first ---- */

static chat_node *parse_expression(chat_lexer *p);
static chat_node *parse_unary(chat_lexer *p, bool filters);

static chat_node *binary(chat_lexer *p, int op, chat_node *a, chat_node *b) {
  chat_node *n = new_node(p, NODE_BINARY);
  if (n == NULL) return NULL;
  n->op = op;
  n->a = a;
  n->b = b;
  return n;
}

static chat_node *pair(chat_lexer *p, node_kind kind, chat_node *a, chat_node *b) {
  chat_node *n = binary(p, 0, a, b);
  if (n != NULL) n->kind = kind;
  return n;
}

/* Arguments up to the closing parenthesis, which is taken. */
static void parse_arguments(chat_lexer *p, chat_node *call) {
  while (!chat_lex_failed(p) && !is_op(p, ")")) {
    chat_lexer before = *p;
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
static chat_node *parse_tuple(chat_lexer *p, const char *end) {
  chat_node *list = new_node(p, NODE_LIST);
  bool comma = false;
  if (list == NULL) return NULL;
  while (!chat_lex_failed(p) && !(end != NULL && is_op(p, end)) && p->now.kind != TOKEN_END) {
    add_node(p, list, parse_expression(p));
    if (!take_op(p, ",")) break;
    comma = true;
  }
  if (chat_lex_failed(p)) return NULL;
  if (list->n == 0 && end == NULL) return fail_syntax(p, "an expression");
  list->op = 1;
  return list->n == 1 && !comma ? list->list[0] : list;
}

static chat_node *parse_dict(chat_lexer *p) {
  chat_node *dict = new_node(p, NODE_DICT);
  chat_lex_next(p);
  while (!chat_lex_failed(p) && dict != NULL && !is_op(p, "}")) {
    add_node(p, dict, parse_expression(p));
    need_op(p, ":");
    add_node(p, dict, parse_expression(p));
    if (!take_op(p, ",")) break;
  }
  need_op(p, "}");
  return dict;
}

static chat_node *parse_list(chat_lexer *p) {
  chat_node *list = new_node(p, NODE_LIST);
  chat_lex_next(p);
  while (!chat_lex_failed(p) && list != NULL && !is_op(p, "]")) {
    add_node(p, list, parse_expression(p));
    if (!take_op(p, ",")) break;
  }
  need_op(p, "]");
  return list;
}

static chat_node *parse_word(chat_lexer *p) {
  static const struct {
    const char *word;
    node_kind kind;
  } words[] = {{"true", NODE_TRUE},   {"True", NODE_TRUE}, {"false", NODE_FALSE},
               {"False", NODE_FALSE}, {"none", NODE_NONE}, {"None", NODE_NONE}};
  node_kind kind = NODE_NAME;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (is_word(p, words[i].word)) kind = words[i].kind;
  }
  chat_node *n = new_node(p, kind);
  if (n != NULL) n->text = p->now.text;
  chat_lex_next(p);
  return n;
}

static chat_node *parse_primary(chat_lexer *p) {
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
  chat_lex_next(p);
  chat_node *n = parse_tuple(p, ")");
  need_op(p, ")");
  return n;
}

/* a[b] or a[b:c:d]; the bracket is taken. */
static chat_node *parse_subscript(chat_lexer *p, chat_node *a) {
  chat_node *part[3] = {NULL, NULL, NULL};
  int colons = 0;
  for (int i = 0; i < 3 && !chat_lex_failed(p); i++) {
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

static chat_node *parse_member(chat_lexer *p, chat_node *a) {
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

static chat_node *parse_postfix(chat_lexer *p, chat_node *a) {
  while (!chat_lex_failed(p) && a != NULL) {
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

/* As Jinja has it: in an "if" or a choice it is an error only where it is come to. */
static void note_unknown(chat_lexer *p, chat_node *n, base_slice name) {
  n->text = name;
  if (!p->soft && p->unknown == NULL) p->unknown = n;
}

chat_value chat_fail_unknown(chat_run *r, const chat_node *n) {
  r->line = n->line;
  return chat_fail(r, BASE_EUNSUPPORTED, "the %s \"%.*s\" is not supported",
                   n->kind == NODE_FILTER ? "filter" : "test", n->text.len < 40 ? (int)n->text.len : 40, n->text.ptr);
}

static chat_node *parse_filter(chat_lexer *p, chat_node *a) {
  chat_node *n = pair(p, NODE_FILTER, a, NULL);
  base_slice name = need_name(p);
  if (chat_lex_failed(p) || n == NULL) return NULL;
  n->op = chat_filter_find(name);
  if (n->op < 0) note_unknown(p, n, name);
  if (take_op(p, "(")) parse_arguments(p, n);
  return n;
}

/* Can the token begin the argument of a test that stands without parentheses ("is divisibleby 3")? */
static bool begins_argument(const chat_lexer *p) {
  static const char *const words[] = {"else", "or", "and", "is", "not", "if", "in"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (is_word(p, words[i])) return false;
  }
  return (p->now.kind != TOKEN_OPERATOR && p->now.kind != TOKEN_END) || is_op(p, "[") || is_op(p, "{");
}

static chat_node *parse_test(chat_lexer *p, chat_node *a) {
  bool negated = take_word(p, "not");
  chat_node *n = pair(p, NODE_TEST, a, NULL);
  base_slice name = need_name(p);
  if (chat_lex_failed(p) || n == NULL) return NULL;
  n->op = chat_test_find(name);
  if (n->op < 0) note_unknown(p, n, name);
  if (take_op(p, "("))
    parse_arguments(p, n);
  else if (begins_argument(p))
    add_node(p, n, parse_postfix(p, parse_primary(p)));
  return negated ? pair(p, NODE_NOT, n, NULL) : n;
}

static chat_node *parse_filters(chat_lexer *p, chat_node *a) {
  while (!chat_lex_failed(p) && a != NULL) {
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
static chat_node *parse_unary(chat_lexer *p, bool filters) {
  chat_node *n;
  if (++p->nesting > CHAT_MAX_NESTING) {
    (void)chat_fail(p->r, BASE_ELIMIT, "the template nests too deep");
    return NULL;
  }
  if (take_op(p, "-"))
    n = pair(p, NODE_MINUS, parse_unary(p, false), NULL);
  else if (take_op(p, "+"))
    n = pair(p, NODE_PLUS, parse_unary(p, false), NULL);
  else
    n = parse_primary(p);
  n = parse_postfix(p, n);
  if (filters) n = parse_filters(p, n);
  p->nesting--;
  return chat_lex_failed(p) ? NULL : n;
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

static chat_node *parse_level(chat_lexer *p, size_t at) {
  if (at == sizeof levels / sizeof levels[0]) return parse_unary(p, true);
  chat_node *a = parse_level(p, at + 1);
  while (!chat_lex_failed(p)) {
    size_t i = 0;
    while (i < 4 && levels[at].text[i] != NULL && !is_op(p, levels[at].text[i])) i++;
    if (i == 4 || levels[at].text[i] == NULL) break;
    chat_lex_next(p);
    a = binary(p, (int)levels[at].op[i], a, parse_level(p, at + 1));
  }
  return a;
}

/* The comparison at hand, taken; -1 when there is none. */
static int take_comparison(chat_lexer *p) {
  static const struct {
    const char *text;
    node_op op;
  } ops[] = {{"==", OP_EQUAL},      {"!=", OP_UNEQUAL}, {"<", OP_LESS},
             {"<=", OP_LESS_EQUAL}, {">", OP_GREATER},  {">=", OP_GREATER_EQUAL}};
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    if (take_op(p, ops[i].text)) return (int)ops[i].op;
  }
  if (take_word(p, "in")) return OP_IN;
  if (!is_word(p, "not")) return -1;
  chat_lex_next(p);
  if (!take_word(p, "in")) (void)fail_syntax(p, "\"in\"");
  return OP_NOT_IN;
}

/* a < b < c is a < b and b < c. */
static chat_node *parse_comparison(chat_lexer *p) {
  chat_node *a = parse_level(p, 0), *all = NULL;
  for (int op; !chat_lex_failed(p) && (op = take_comparison(p)) >= 0;) {
    chat_node *b = parse_level(p, 0), *one = binary(p, op, a, b);
    all = all == NULL ? one : pair(p, NODE_AND, all, one);
    a = b;
  }
  return all != NULL ? all : a;
}

static chat_node *parse_not(chat_lexer *p) {
  if (!is_word(p, "not")) return parse_comparison(p);
  chat_lex_next(p);
  if (++p->nesting > CHAT_MAX_NESTING) {
    (void)chat_fail(p->r, BASE_ELIMIT, "the template nests too deep");
    return NULL;
  }
  chat_node *n = pair(p, NODE_NOT, parse_not(p), NULL);
  p->nesting--;
  return n;
}

static chat_node *parse_and(chat_lexer *p) {
  chat_node *a = parse_not(p);
  while (!chat_lex_failed(p) && take_word(p, "and")) a = pair(p, NODE_AND, a, parse_not(p));
  return a;
}

static chat_node *parse_or(chat_lexer *p) {
  chat_node *a = parse_and(p);
  while (!chat_lex_failed(p) && take_word(p, "or")) a = pair(p, NODE_OR, a, parse_and(p));
  return a;
}

static chat_node *parse_expression(chat_lexer *p) {
  const chat_node *unknown = p->unknown;
  bool soft = p->soft;
  chat_node *a = parse_or(p);
  while (!chat_lex_failed(p) && take_word(p, "if")) {
    p->unknown = unknown; /* `a` was in a branch already */
    p->soft = true;
    chat_node *n = pair(p, NODE_CHOICE, a, parse_or(p));
    if (n != NULL && take_word(p, "else")) n->c = parse_expression(p);
    a = n;
  }
  p->soft = soft;
  return chat_lex_failed(p) ? NULL : a;
}

/* ---- text and comments ---- */

/* Of a text from `start` on, before a tag with this sign: "-" drops white space; where the tag is a block, that of its
 * own line goes without a sign. */
static base_slice end_text(const chat_lexer *p, base_slice text, size_t start, char sign, bool block) {
  if (sign == '-') {
    while (text.len > 0 && chat_lex_is_space(text.ptr[text.len - 1])) text.len--;
  } else if (sign != '+' && block) {
    size_t line = text.len;
    while (line > 0 && text.ptr[line - 1] != '\n' && chat_lex_is_space(text.ptr[line - 1])) line--;
    bool line_starts = line > 0 ? text.ptr[line - 1] == '\n' : start == 0 || p->src.ptr[start - 1] == '\n';
    if (line_starts) text.len = line;
  }
  return text;
}

/* The text up to the next tag, by the rules of white space. Leaves p->at at the tag's first brace, or the end. */
static base_slice read_text(chat_lexer *p) {
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
  return end_text(p, text, start, sign, p->src.ptr[at + 1] != '{');
}

static void skip_comment(chat_lexer *p) {
  const char *end = memmem(p->src.ptr + p->at + 2, p->src.len - p->at - 2, "#}", 2);
  if (end == NULL) {
    (void)chat_fail(p->r, BASE_EFORMAT, "a comment has no end");
    return;
  }
  size_t to = (size_t)(end - p->src.ptr);
  char sign = to > p->at + 2 ? p->src.ptr[to - 1] : '\0';
  for (size_t i = p->at; i < to; i++) p->r->line += p->src.ptr[i] == '\n';
  p->at = to + 2;
  chat_lex_end_tag(p, sign == '-' || sign == '+' ? sign : '\0', true);
}

static void begin_tag(chat_lexer *p) {
  p->closer = p->src.ptr[p->at + 1] == '{' ? '}' : '%';
  p->brackets = 0;
  p->at += 2;
  if (chat_lex_peek(p, 0) == '-' || chat_lex_peek(p, 0) == '+') p->at++;
  chat_lex_next(p);
}

static void need_end(chat_lexer *p) {
  if (!chat_lex_failed(p) && p->now.kind != TOKEN_END) (void)fail_syntax(p, "the end of the tag");
}

/* ---- statements ---- */

static chat_node *parse_body(chat_lexer *p, const char *const *ends, base_slice *end);

/* A body that ends with this tag alone. */
static chat_node *parse_until(chat_lexer *p, const char *tag) {
  const char *const ends[] = {tag, NULL};
  base_slice end;
  need_end(p);
  chat_node *body = parse_body(p, ends, &end);
  need_end(p);
  return body;
}

/* The same in a frame of its own, which is no branch. */
static chat_node *parse_frame(chat_lexer *p, const char *tag) {
  bool soft = p->soft;
  p->soft = false;
  chat_node *body = parse_until(p, tag);
  p->soft = soft;
  return body;
}

static chat_node *parse_if(chat_lexer *p) {
  static const char *const ends[] = {"elif", "else", "endif", NULL};
  chat_node *first = new_node(p, NODE_IF), *n = first;
  base_slice end = {NULL, 0};
  bool soft = p->soft;
  p->soft = true;
  while (!chat_lex_failed(p)) {
    n->a = parse_or(p);
    need_end(p);
    n->b = parse_body(p, ends, &end);
    if (chat_lex_failed(p) || !base_slice_equal(end, BASE_LITERAL("elif"))) break;
    n->c = new_node(p, NODE_IF);
    n = n->c;
  }
  if (!chat_lex_failed(p) && base_slice_equal(end, BASE_LITERAL("else"))) n->c = parse_until(p, "endif");
  else need_end(p);
  p->soft = soft;
  return first;
}

static chat_node *parse_for(chat_lexer *p) {
  static const char *const ends[] = {"else", "endfor", NULL};
  chat_node *n = new_node(p, NODE_FOR);
  base_slice end;
  if (n == NULL) return NULL;
  bool bracket = take_op(p, "(");
  do add_name(p, n, need_name(p));
  while (!chat_lex_failed(p) && take_op(p, ",") && !is_word(p, "in"));
  if (bracket) need_op(p, ")");
  if (!chat_lex_failed(p) && !take_word(p, "in")) return fail_syntax(p, "\"in\"");
  n->a = parse_or(p);
  bool soft = p->soft;
  p->soft = false;
  if (is_op(p, ",")) return fail_syntax(p, "one thing to go through");
  if (take_word(p, "if")) add_node(p, n, parse_expression(p));
  if (is_word(p, "recursive")) {
    (void)chat_fail(p->r, BASE_EUNSUPPORTED, "recursive loops are not supported");
    return NULL;
  }
  need_end(p);
  n->b = parse_body(p, ends, &end);
  if (!chat_lex_failed(p) && base_slice_equal(end, BASE_LITERAL("else"))) n->c = parse_until(p, "endfor");
  need_end(p);
  p->soft = soft;
  return n;
}

static chat_node *parse_set(chat_lexer *p) {
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
    while (!chat_lex_failed(p) && take_op(p, ",")) add_name(p, n, need_name(p));
  }
  if (take_op(p, "=")) {
    n->b = parse_tuple(p, NULL);
    need_end(p);
    return n;
  }
  if (chat_lex_failed(p) || n->a != NULL || n->n_names != 1) return fail_syntax(p, "\"=\"");
  n->kind = NODE_CAPTURE;
  n->b = parse_frame(p, "endset");
  return n;
}

static chat_node *parse_macro(chat_lexer *p) {
  chat_node *n = new_node(p, NODE_MACRO);
  if (n == NULL) return NULL;
  n->text = need_name(p);
  need_op(p, "(");
  while (!chat_lex_failed(p) && !is_op(p, ")")) {
    add_name(p, n, need_name(p));
    add_node(p, n, take_op(p, "=") ? parse_expression(p) : NULL);
    if (!take_op(p, ",")) break;
  }
  need_op(p, ")");
  n->b = parse_frame(p, "endmacro");
  return n;
}

static chat_node *parse_call(chat_lexer *p) {
  chat_node *n = new_node(p, NODE_CALLER), *caller = new_node(p, NODE_MACRO);
  if (n == NULL || caller == NULL) return NULL;
  n->a = parse_expression(p);
  if (n->a == NULL || n->a->kind != NODE_CALL) return fail_syntax(p, "a call");
  n->b = caller;
  caller->text = BASE_LITERAL("caller");
  caller->b = parse_frame(p, "endcall");
  return n;
}

/* {% filter trim %} ... {% endfilter %}: captured under a name that no template can write, then printed
 * through filters. */
static chat_node *parse_filter_block(chat_lexer *p) {
  static const char hidden[] = " filtered";
  chat_node *both = new_node(p, NODE_BODY), *capture = new_node(p, NODE_CAPTURE),
            *name = new_node(p, NODE_NAME);
  if (chat_lex_failed(p)) return NULL;
  name->text = base_slice_of(hidden);
  add_name(p, capture, name->text);
  bool soft = p->soft;
  p->soft = false;
  chat_node *print = pair(p, NODE_PRINT, parse_filters(p, parse_filter(p, name)), NULL);
  p->soft = soft;
  capture->b = parse_frame(p, "endfilter");
  add_node(p, both, capture);
  add_node(p, both, print);
  return both;
}

/* {% raw %} ... {% endraw %}: the text between, as it stands; a newline behind the first tag too. */
static chat_node *parse_raw(chat_lexer *p) {
  chat_node *n = new_node(p, NODE_TEXT);
  if (chat_lex_failed(p) || n == NULL) return NULL;
  if (p->now.kind != TOKEN_END) return fail_syntax(p, "the end of the tag");
  size_t start = p->at;
  if (p->src.ptr[start - 1] == '\n' && p->src.ptr[start - 2] == '}' && p->src.ptr[start - 4] != '-') {
    start--; /* the newline that other tags take with them */
    p->r->line--;
  }
  for (size_t at = start; !chat_lex_failed(p); at += 2) {
    const char *tag = memmem(p->src.ptr + at, p->src.len - at, "{%", 2);
    if (tag == NULL) {
      (void)chat_fail(p->r, BASE_EFORMAT, "\"raw\" has no end");
      break;
    }
    at = (size_t)(tag - p->src.ptr);
    chat_lexer inside = *p;
    for (size_t i = start; i < at; i++) p->r->line += p->src.ptr[i] == '\n';
    p->at = at;
    char sign = at + 2 < p->src.len ? p->src.ptr[at + 2] : '\0';
    begin_tag(p);
    if (!chat_lex_failed(p) && is_word(p, "endraw")) {
      n->text = end_text(p, (base_slice){p->src.ptr + start, at - start}, start, sign, true);
      chat_lex_next(p);
      need_end(p);
      return n;
    }
    if (!chat_lex_failed(p)) *p = inside;
  }
  return NULL;
}

static chat_node *parse_statement(chat_lexer *p) {
  base_slice tag = need_name(p);
  if (chat_lex_failed(p)) return NULL;
  if (base_slice_equal(tag, BASE_LITERAL("if"))) return parse_if(p);
  if (base_slice_equal(tag, BASE_LITERAL("for"))) return parse_for(p);
  if (base_slice_equal(tag, BASE_LITERAL("set"))) return parse_set(p);
  if (base_slice_equal(tag, BASE_LITERAL("macro"))) return parse_macro(p);
  if (base_slice_equal(tag, BASE_LITERAL("call"))) return parse_call(p);
  if (base_slice_equal(tag, BASE_LITERAL("filter"))) return parse_filter_block(p);
  if (base_slice_equal(tag, BASE_LITERAL("raw"))) return parse_raw(p);
  if (base_slice_equal(tag, BASE_LITERAL("generation"))) return parse_frame(p, "endgeneration");
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

static void add_text(chat_lexer *p, chat_node *body, base_slice text) {
  chat_node *n = text.len > 0 ? new_node(p, NODE_TEXT) : NULL;
  if (n == NULL) return;
  n->text = text;
  add_node(p, body, n);
}

/* Statements up to one of the tags `ends` (NULL: the end of the template), whose name is taken. */
static chat_node *parse_body(chat_lexer *p, const char *const *ends, base_slice *end) {
  chat_node *body = new_node(p, NODE_BODY);
  if (++p->nesting > CHAT_MAX_NESTING) (void)chat_fail(p->r, BASE_ELIMIT, "the template nests too deep");
  while (!chat_lex_failed(p)) {
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
    if (chat_lex_failed(p)) break;
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
static base_slice normalise(chat_lexer *p, base_slice source) {
  char *out = chat_lex_take(p, source.len + 1, 1);
  size_t n = 0;
  for (size_t i = 0; out != NULL && i < source.len; i++) {
    bool pair_of_two = source.ptr[i] == '\r' && i + 1 < source.len && source.ptr[i + 1] == '\n';
    if (!pair_of_two) out[n++] = source.ptr[i] == '\r' ? '\n' : source.ptr[i];
  }
  if (n > 0 && out[n - 1] == '\n') n--;
  return (base_slice){out, n};
}

chat_node *chat_parse(chat_run *r, base_slice source) {
  chat_lexer p = {.r = r};
  base_slice end;
  r->line = 1;
  p.src = normalise(&p, source);
  chat_node *body = r->status == BASE_OK ? parse_body(&p, NULL, &end) : NULL;
  if (r->status == BASE_OK && p.unknown != NULL) (void)chat_fail_unknown(r, p.unknown);
  return r->status == BASE_OK ? body : NULL;
}
