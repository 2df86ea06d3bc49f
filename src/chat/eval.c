/* chat/eval: walks the tree. Every value and every byte written comes out of the run's heap, every step is
 * counted, and recursion is bounded, so that no template can do more than run into a limit. */
#include "chat/node.h"

#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 400 };

typedef enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;

struct chat_macro {
  const chat_node *node;
  chat_scope *scope; /* where it was defined */
};

static chat_value eval(chat_run *r, const chat_node *n, chat_scope *s);
static flow run_body(chat_run *r, const chat_node *n, chat_scope *s, chat_builder *out);

static bool failed(const chat_run *r) {
  return r->status != BASE_OK;
}

/* ---- scopes ---- */

static chat_scope *new_scope(chat_run *r, chat_scope *parent) {
  chat_scope *s = chat_take(&r->heap, 1, sizeof *s);
  if (s == NULL) {
    (void)chat_fail(r, BASE_ENOMEM, "no memory for variables");
    return NULL;
  }
  s->parent = parent;
  s->variables = chat_dict_new(r, CHAT_DICT);
  return failed(r) ? NULL : s;
}

static void define(chat_run *r, chat_scope *s, base_slice name, chat_value v) {
  chat_value *old = chat_dict_get(&s->variables, name);
  if (old != NULL)
    *old = v;
  else
    chat_dict_put(r, s->variables, chat_text(r, name.ptr, name.len, false), v);
}

static chat_value variable(chat_run *r, chat_scope *s, base_slice name) {
  for (; s != NULL; s = s->parent) {
    chat_value *found = chat_dict_get(&s->variables, name);
    if (found != NULL) return *found;
  }
  int function = chat_function_find(name);
  if (function >= 0) return (chat_value){CHAT_FUNCTION, {.integer = function}};
  if (base_slice_among(name, "self varargs kwargs cycler joiner lipsum")) /* Jinja's own */
    return chat_fail(r, BASE_EUNSUPPORTED, "\"%.*s\" is not supported", (int)name.len, name.ptr);
  return chat_undefined();
}

/* ---- arithmetic ---- */

static chat_value fail_operands(chat_run *r, chat_value a, chat_value b) {
  return chat_fail(r, BASE_EARGUMENT, "an operator cannot take %s and %s", chat_kind_name(a),
                   chat_kind_name(b));
}

static chat_value repeat(chat_run *r, chat_value v, int64_t times) {
  chat_builder b = {.r = r};
  if (v.kind == CHAT_STRING) {
    for (int64_t i = 0; i < times && v.as.string->len > 0 && !failed(r); i++)
      chat_add_string(&b, v.as.string);
    return v.as.string->safe ? chat_safe(chat_built(&b)) : chat_built(&b);
  }
  chat_value out = chat_list_as(chat_list_new(r, 0), v.as.list->kind);
  for (int64_t i = 0; i < times && v.as.list->n > 0 && !failed(r); i++) {
    for (size_t k = 0; k < v.as.list->n && !failed(r); k++) chat_list_add(r, out, v.as.list->item[k]);
  }
  return out;
}

static chat_value concatenate(chat_run *r, chat_value a, chat_value b) {
  chat_builder text = {.r = r};
  chat_add_str(&text, a);
  chat_add_str(&text, b);
  return chat_built(&text);
}

/* With "+", where either text is safe: the other is escaped. */
static chat_value add_texts(chat_run *r, chat_value a, chat_value b) {
  if (!a.as.string->safe && !b.as.string->safe) return concatenate(r, a, b);
  a = chat_escaped(r, a);
  return chat_safe(concatenate(r, a, chat_escaped(r, b)));
}

static chat_value join_lists(chat_run *r, const chat_list *a, const chat_list *b) {
  chat_value out = chat_list_as(chat_list_new(r, a->n + b->n), a->kind);
  for (size_t i = 0; i < a->n && !failed(r); i++) chat_list_add(r, out, a->item[i]);
  for (size_t i = 0; i < b->n && !failed(r); i++) chat_list_add(r, out, b->item[i]);
  return out;
}

static bool as_int(chat_value v, int64_t *out) {
  if (v.kind == CHAT_INT)
    *out = v.as.integer;
  else if (v.kind == CHAT_BOOL)
    *out = v.as.truth ? 1 : 0;
  else
    return false;
  return true;
}

static chat_value int_power(chat_run *r, int64_t base, int64_t exponent) {
  int64_t out = 1;
  for (int64_t i = 0; i < exponent && (base > 1 || base < -1 || i < 2); i++) {
    if (__builtin_mul_overflow(out, base, &out)) return chat_fail(r, BASE_ELIMIT, "a number gets too large");
  }
  if (base == 0 || base == 1) return chat_int(exponent == 0 ? 1 : base);
  if (base == -1) return chat_int(exponent % 2 == 0 ? 1 : -1);
  return chat_int(out);
}

/* Division and remainder round down, as Python's do. */
static chat_value int_arithmetic(chat_run *r, int op, int64_t a, int64_t b) {
  int64_t out = 0;
  bool overflow = false;
  switch (op) {
    case OP_ADD: overflow = __builtin_add_overflow(a, b, &out); break;
    case OP_SUBTRACT: overflow = __builtin_sub_overflow(a, b, &out); break;
    case OP_MULTIPLY: overflow = __builtin_mul_overflow(a, b, &out); break;
    case OP_POWER:
      if (b < 0) return chat_real(pow((double)a, (double)b));
      return int_power(r, a, b);
    default:
      if (b == 0) return chat_fail(r, BASE_EARGUMENT, "a division by zero");
      if (op == OP_DIVIDE) return chat_real((double)a / (double)b);
      if (b == -1) {
        overflow = op == OP_FLOOR_DIVIDE && __builtin_sub_overflow(0, a, &out);
      } else {
        int64_t rest = a % b;
        bool down = rest != 0 && (rest < 0) != (b < 0);
        out = op == OP_FLOOR_DIVIDE ? a / b - down : rest + (down ? b : 0);
      }
  }
  return overflow ? chat_fail(r, BASE_ELIMIT, "a number gets too large") : chat_int(out);
}

static chat_value real_arithmetic(chat_run *r, int op, double a, double b) {
  switch (op) {
    case OP_ADD: return chat_real(a + b);
    case OP_SUBTRACT: return chat_real(a - b);
    case OP_MULTIPLY: return chat_real(a * b);
    case OP_POWER: return chat_real(pow(a, b));
    default: break;
  }
  if (!(b < 0) && !(b > 0)) return chat_fail(r, BASE_EARGUMENT, "a division by zero");
  if (op == OP_DIVIDE) return chat_real(a / b);
  if (op == OP_FLOOR_DIVIDE) return chat_real(floor(a / b));
  return chat_real(a - b * floor(a / b));
}

static chat_value arithmetic(chat_run *r, int op, chat_value a, chat_value b) {
  int64_t x, y;
  double u, v;
  if (as_int(a, &x) && as_int(b, &y)) return int_arithmetic(r, op, x, y);
  if (chat_number(a, &u) && chat_number(b, &v)) return real_arithmetic(r, op, u, v);
  bool text_a = a.kind == CHAT_STRING, text_b = b.kind == CHAT_STRING;
  bool list_a = chat_is_sequence(a, CHAT_TUPLE), list_b = chat_is_sequence(b, CHAT_TUPLE);
  if (op == OP_ADD && text_a && text_b) return add_texts(r, a, b);
  if (op == OP_ADD && list_a && list_b && a.as.list->kind == b.as.list->kind)
    return join_lists(r, a.as.list, b.as.list);
  if (op == OP_MULTIPLY && (text_a || list_a) && as_int(b, &y)) return repeat(r, a, y);
  if (op == OP_MULTIPLY && (text_b || list_b) && as_int(a, &x)) return repeat(r, b, x);
  return fail_operands(r, a, b);
}

static chat_value binary(chat_run *r, int op, chat_value a, chat_value b) {
  switch (op) {
    case OP_CONCATENATE: return concatenate(r, a, b);
    case OP_EQUAL: return chat_bool(chat_equal(r, a, b));
    case OP_UNEQUAL: return chat_bool(!chat_equal(r, a, b));
    case OP_LESS: return chat_bool(chat_compare(r, a, b) < 0);
    case OP_LESS_EQUAL: return chat_bool(chat_compare(r, a, b) <= 0);
    case OP_GREATER: return chat_bool(chat_compare(r, a, b) > 0);
    case OP_GREATER_EQUAL: return chat_bool(chat_compare(r, a, b) >= 0);
    case OP_IN: return chat_bool(chat_contains(r, b, a));
    case OP_NOT_IN: return chat_bool(!chat_contains(r, b, a));
    default: return arithmetic(r, op, a, b);
  }
}

static chat_value negative(chat_run *r, chat_value v) {
  if (v.kind == CHAT_FLOAT) return chat_real(-v.as.real);
  int64_t i;
  return as_int(v, &i) ? int_arithmetic(r, OP_SUBTRACT, 0, i)
                       : chat_fail(r, BASE_EARGUMENT, "minus %s", chat_kind_name(v));
}

/* ---- calls ---- */

static chat_args eval_arguments(chat_run *r, const chat_node *n, chat_scope *s) {
  chat_args a = {.n = n->n, .name = n->names, .n_named = n->n_names};
  a.value = n->n > 0 ? chat_take(&r->heap, n->n, sizeof *a.value) : NULL;
  if (n->n > 0 && a.value == NULL) {
    (void)chat_fail(r, BASE_ENOMEM, "no memory for a call");
    return (chat_args){0};
  }
  for (size_t i = 0; i < n->n && !failed(r); i++) a.value[i] = eval(r, n->list[i], s);
  return a;
}

static bool has_parameter(const chat_node *macro, base_slice name) {
  for (size_t i = 0; i < macro->n_names; i++)
    if (base_slice_equal(macro->names[i], name)) return true;
  return false;
}

static chat_value call_macro(chat_run *r, const chat_macro *m, const chat_args *a, const chat_value *caller) {
  chat_builder out = {.r = r};
  const chat_node *n = m->node;
  chat_scope *s = new_scope(r, m->scope);
  if (s == NULL) return chat_undefined();
  if (a->n - a->n_named > n->n_names) return chat_fail(r, BASE_EARGUMENT, "a macro gets too many arguments");
  for (size_t k = 0; k < a->n_named; k++)
    if (!has_parameter(n, a->name[k]))
      return chat_fail(r, BASE_EARGUMENT, "a macro gets an argument that it does not have");
  if (caller != NULL) define(r, s, BASE_LITERAL("caller"), *caller);
  for (size_t i = 0; i < n->n_names && !failed(r); i++) {
    const chat_value *given = NULL;
    if (i < a->n - a->n_named) given = &a->value[i];
    for (size_t k = 0; given == NULL && k < a->n_named; k++) {
      if (base_slice_equal(a->name[k], n->names[i])) given = &a->value[a->n - a->n_named + k];
    }
    chat_value v = given != NULL ? *given : n->list[i] != NULL ? eval(r, n->list[i], s) : chat_undefined();
    define(r, s, n->names[i], v);
  }
  (void)run_body(r, n->b, s, &out);
  return chat_built(&out);
}

static chat_value call(chat_run *r, const chat_node *n, chat_scope *s, const chat_value *caller) {
  chat_value callee = eval(r, n->a, s);
  chat_args a = eval_arguments(r, n, s);
  if (failed(r)) return chat_undefined();
  r->line = n->line;
  switch (callee.kind) {
    case CHAT_MACRO: return call_macro(r, callee.as.macro, &a, caller);
    case CHAT_FUNCTION: return chat_function_call(r, (int)callee.as.integer, &a);
    case CHAT_METHOD: return chat_method_call(r, callee.as.method, &a);
    default: break;
  }
  base_slice name = n->a->text;
  return chat_fail(r, BASE_EUNSUPPORTED, "\"%.*s\" is not something that can be called",
                   name.len < 60 ? (int)name.len : 60, name.len > 0 ? name.ptr : "");
}

/* ---- expressions ---- */

static chat_value eval_list(chat_run *r, const chat_node *n, chat_scope *s) {
  chat_value out = chat_list_as(chat_list_new(r, n->n), n->op != 0 ? CHAT_TUPLE : CHAT_ITEMS);
  for (size_t i = 0; i < n->n && !failed(r); i++) chat_list_add(r, out, eval(r, n->list[i], s));
  return out;
}

static chat_value eval_dict(chat_run *r, const chat_node *n, chat_scope *s) {
  chat_value out = chat_dict_new(r, CHAT_DICT);
  for (size_t i = 0; i + 1 < n->n && !failed(r); i += 2) {
    chat_value key = eval(r, n->list[i], s);
    if (failed(r) || !chat_can_be_key(r, key)) break;
    chat_dict_put(r, out, key, eval(r, n->list[i + 1], s));
  }
  return out;
}

static chat_value eval_optional(chat_run *r, const chat_node *n, size_t i, chat_scope *s) {
  return i < n->n && n->list[i] != NULL ? eval(r, n->list[i], s) : chat_undefined();
}

/* Members of something undefined are an error that says what was undefined. */
static chat_value fail_undefined(chat_run *r, const chat_node *n) {
  base_slice name = n->a->text;
  return chat_fail(r, BASE_EARGUMENT, "\"%.*s\" is undefined and has no members",
                   name.len < 60 ? (int)name.len : 60, name.len > 0 ? name.ptr : "");
}

static chat_value eval_access(chat_run *r, const chat_node *n, chat_scope *s) {
  chat_value v = eval(r, n->a, s);
  if (failed(r)) return v;
  if (v.kind == CHAT_UNDEFINED) return fail_undefined(r, n);
  if (n->kind == NODE_MEMBER) return chat_attribute(r, v, n->text);
  if (n->kind == NODE_ITEM) return chat_item(r, v, eval(r, n->b, s));
  chat_value start = eval_optional(r, n, 0, s), stop = eval_optional(r, n, 1, s);
  return chat_sliced(r, v, start, stop, eval_optional(r, n, 2, s));
}

static chat_value eval_logic(chat_run *r, const chat_node *n, chat_scope *s) {
  chat_value a = eval(r, n->kind == NODE_CHOICE ? n->b : n->a, s);
  bool truth = chat_is_true(a);
  if (failed(r)) return a;
  switch (n->kind) {
    case NODE_AND: return truth ? eval(r, n->b, s) : a;
    case NODE_OR: return truth ? a : eval(r, n->b, s);
    case NODE_NOT: return chat_bool(!truth);
    default: return truth ? eval(r, n->a, s) : n->c != NULL ? eval(r, n->c, s) : chat_undefined();
  }
}

static chat_value eval_applied(chat_run *r, const chat_node *n, chat_scope *s) {
  if (n->op < 0) return chat_fail_unknown(r, n);
  chat_value a = eval(r, n->a, s);
  chat_args args = eval_arguments(r, n, s);
  if (failed(r)) return a;
  r->line = n->line;
  if (n->kind == NODE_FILTER) return chat_filter_apply(r, n->op, a, &args);
  return chat_bool(chat_test_apply(r, n->op, a, &args));
}

static chat_value eval_binary(chat_run *r, const chat_node *n, chat_scope *s) {
  chat_value a = eval(r, n->a, s), b = failed(r) ? a : eval(r, n->b, s);
  if (failed(r)) return a;
  r->line = n->line;
  return binary(r, n->op, a, b);
}

static chat_value eval_kind(chat_run *r, const chat_node *n, chat_scope *s) {
  switch (n->kind) {
    case NODE_STRING: return chat_text(r, n->text.ptr, n->text.len, false);
    case NODE_INT: return chat_int(n->integer);
    case NODE_FLOAT: return chat_real(n->real);
    case NODE_TRUE: return chat_bool(true);
    case NODE_FALSE: return chat_bool(false);
    case NODE_NONE: return chat_none();
    case NODE_NAME: return variable(r, s, n->text);
    case NODE_LIST: return eval_list(r, n, s);
    case NODE_DICT: return eval_dict(r, n, s);
    case NODE_MEMBER:
    case NODE_ITEM:
    case NODE_SLICE: return eval_access(r, n, s);
    case NODE_CALL: return call(r, n, s, NULL);
    case NODE_FILTER:
    case NODE_TEST: return eval_applied(r, n, s);
    case NODE_MINUS: return negative(r, eval(r, n->a, s));
    case NODE_PLUS: return eval(r, n->a, s);
    case NODE_BINARY: return eval_binary(r, n, s);
    default: return eval_logic(r, n, s);
  }
}

static bool enter(chat_run *r) {
  if (!chat_work(r, 1)) return false;
  if (++r->depth <= MAX_DEPTH) return true;
  r->depth--;
  (void)chat_fail(r, BASE_ELIMIT, "the template recurs too deep");
  return false;
}

static chat_value eval(chat_run *r, const chat_node *n, chat_scope *s) {
  if (n == NULL || !enter(r)) return chat_undefined();
  r->line = n->line;
  chat_value v = eval_kind(r, n, s);
  r->depth--;
  return failed(r) ? chat_undefined() : v;
}

/* ---- statements ---- */

/* One name takes the value; several take its items. */
static void assign(chat_run *r, const chat_node *n, chat_scope *s, chat_value v) {
  if (n->n_names == 1) {
    define(r, s, n->names[0], v);
    return;
  }
  chat_value items = chat_iterate(r, v);
  if (failed(r)) return;
  if (items.as.list->n != n->n_names) {
    (void)chat_fail(r, BASE_EARGUMENT, "%zu values for %zu names", items.as.list->n, n->n_names);
    return;
  }
  for (size_t i = 0; i < n->n_names; i++) define(r, s, n->names[i], items.as.list->item[i]);
}

static void run_set(chat_run *r, const chat_node *n, chat_scope *s) {
  chat_value v = eval(r, n->b, s);
  if (failed(r)) return;
  if (n->a == NULL) {
    assign(r, n, s, v);
    return;
  }
  chat_value space = eval(r, n->a, s);
  r->line = n->line;
  if (space.kind != CHAT_NAMESPACE) {
    (void)chat_fail(r, BASE_EARGUMENT, "a member can be set of a namespace only, not of %s",
                    chat_kind_name(space));
    return;
  }
  chat_dict_put(r, space, chat_text(r, n->text.ptr, n->text.len, false), v);
}

/* The items that the loop's condition lets through. */
static chat_value loop_items(chat_run *r, const chat_node *n, chat_scope *s) {
  chat_value source = eval(r, n->a, s);
  chat_value items = failed(r) ? source : chat_iterate(r, source);
  if (failed(r) || n->n == 0) return items;
  chat_value out = chat_list_new(r, 0);
  for (size_t i = 0; i < items.as.list->n && !failed(r); i++) {
    chat_scope *inner = new_scope(r, s);
    if (inner == NULL) break;
    assign(r, n, inner, items.as.list->item[i]);
    if (chat_is_true(eval(r, n->list[0], inner))) chat_list_add(r, out, items.as.list->item[i]);
  }
  return out;
}

static void describe_loop(chat_run *r, chat_value loop, const chat_list *items, size_t i) {
  int64_t n = (int64_t)items->n, at = (int64_t)i;
  chat_dict_set(r, loop, "index", chat_int(at + 1));
  chat_dict_set(r, loop, "index0", chat_int(at));
  chat_dict_set(r, loop, "revindex", chat_int(n - at));
  chat_dict_set(r, loop, "revindex0", chat_int(n - at - 1));
  chat_dict_set(r, loop, "first", chat_bool(i == 0));
  chat_dict_set(r, loop, "last", chat_bool(at == n - 1));
  chat_dict_set(r, loop, "length", chat_int(n));
  chat_dict_set(r, loop, "depth", chat_int(1));
  chat_dict_set(r, loop, "depth0", chat_int(0));
  chat_dict_set(r, loop, "previtem", i > 0 ? items->item[i - 1] : chat_undefined());
  chat_dict_set(r, loop, "nextitem", i + 1 < items->n ? items->item[i + 1] : chat_undefined());
}

static flow run_for(chat_run *r, const chat_node *n, chat_scope *s, chat_builder *out) {
  chat_value items = loop_items(r, n, s);
  if (failed(r)) return FLOW_ON;
  bool finished = false; /* an iteration came to its end */
  for (size_t i = 0; i < items.as.list->n && !failed(r); i++) {
    chat_scope *inner = new_scope(r, s);
    chat_value loop = chat_dict_new(r, CHAT_NAMESPACE);
    if (failed(r)) break;
    describe_loop(r, loop, items.as.list, i);
    define(r, inner, BASE_LITERAL("loop"), loop);
    assign(r, n, inner, items.as.list->item[i]);
    flow f = run_body(r, n->b, inner, out);
    if (f == FLOW_BREAK) break;
    finished = finished || f == FLOW_ON;
  }
  return !finished && n->c != NULL && !failed(r) ? run_body(r, n->c, s, out) : FLOW_ON; /* so Jinja has it */
}

static chat_value macro_of(chat_run *r, const chat_node *n, chat_scope *s) {
  chat_macro *m = chat_take(&r->heap, 1, sizeof *m);
  if (m == NULL) return chat_fail(r, BASE_ENOMEM, "no memory for a macro");
  *m = (chat_macro){n, s};
  return (chat_value){CHAT_MACRO, {.macro = m}};
}

static flow run_if(chat_run *r, const chat_node *n, chat_scope *s, chat_builder *out) {
  for (; n != NULL && n->kind == NODE_IF && !failed(r); n = n->c) {
    if (chat_is_true(eval(r, n->a, s))) return failed(r) ? FLOW_ON : run_body(r, n->b, s, out);
  }
  return n != NULL && !failed(r) ? run_body(r, n, s, out) : FLOW_ON;
}

static void print(chat_run *r, chat_value v, chat_builder *out) {
  if (!failed(r)) chat_add_str(out, v);
}

static flow run(chat_run *r, const chat_node *n, chat_scope *s, chat_builder *out) {
  chat_builder captured = {.r = r};
  r->line = n->line;
  switch (n->kind) {
    case NODE_TEXT: chat_add(out, n->text.ptr, n->text.len, false); break;
    case NODE_PRINT: print(r, eval(r, n->a, s), out); break;
    case NODE_BODY: return run_body(r, n, s, out);
    case NODE_IF: return run_if(r, n, s, out);
    case NODE_FOR: return run_for(r, n, s, out);
    case NODE_SET: run_set(r, n, s); break;
    case NODE_CAPTURE:
      (void)run_body(r, n->b, s, &captured);
      if (!failed(r)) define(r, s, n->names[0], chat_built(&captured));
      break;
    case NODE_MACRO: define(r, s, n->text, macro_of(r, n, s)); break;
    case NODE_CALLER: {
      chat_value caller = macro_of(r, n->b, s);
      print(r, call(r, n->a, s, &caller), out);
      break;
    }
    case NODE_BREAK: return FLOW_BREAK;
    default: return FLOW_CONTINUE;
  }
  return FLOW_ON;
}

static flow run_body(chat_run *r, const chat_node *n, chat_scope *s, chat_builder *out) {
  flow f = FLOW_ON;
  if (!enter(r)) return FLOW_ON;
  for (size_t i = 0; i < n->n && f == FLOW_ON && !failed(r); i++) f = run(r, n->list[i], s, out);
  r->depth--;
  return f;
}

void chat_execute(chat_run *r, const chat_node *body, chat_value globals, chat_builder *out) {
  chat_scope scope = {NULL, globals};
  (void)run_body(r, body, &scope, out);
}
