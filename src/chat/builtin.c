/* chat/builtin: the filters, tests and functions of Jinja that templates use, and those that transformers adds. */
#include "chat/value.h"

#include <math.h>
#include <string.h>

/* ---- arguments ---- */

const chat_value *chat_arg(const chat_args *a, size_t position, const char *name) {
  size_t positional = a->n - a->n_named;
  if (position < positional) return &a->value[position];
  for (size_t i = 0; i < a->n_named; i++) {
    if (base_slice_equal(a->name[i], base_slice_of(name))) return &a->value[positional + i];
  }
  return NULL;
}

bool chat_arg_true(const chat_args *a, size_t position, const char *name) {
  const chat_value *v = chat_arg(a, position, name);
  return v != NULL && chat_is_true(*v);
}

static chat_value text_method(chat_run *r, chat_value v, const char *name, const chat_args *a) {
  chat_value s = chat_str(r, v);
  chat_value method = s.kind == CHAT_STRING ? chat_method_of(r, s, base_slice_of(name)) : s;
  return method.kind == CHAT_METHOD ? chat_method_call(r, method.as.method, a) : chat_undefined();
}

/* ---- filters on text ---- */

static chat_value f_trim(chat_run *r, chat_value v, const chat_args *a) {
  return text_method(r, v, "strip", a);
}

static chat_value f_upper(chat_run *r, chat_value v, const chat_args *a) {
  return text_method(r, v, "upper", a);
}

static chat_value f_lower(chat_run *r, chat_value v, const chat_args *a) {
  return text_method(r, v, "lower", a);
}

static chat_value f_title(chat_run *r, chat_value v, const chat_args *a) {
  chat_value s = chat_str(r, v);
  (void)a;
  return s.kind == CHAT_STRING ? chat_title(r, s.as.string) : s;
}

static chat_value f_capitalize(chat_run *r, chat_value v, const chat_args *a) {
  chat_value low = text_method(r, v, "lower", a);
  return low.kind == CHAT_STRING ? text_method(r, low, "capitalize", a) : low;
}

/* The same text, no longer safe. */
static chat_value plain(chat_run *r, chat_value v) {
  chat_value s = chat_str(r, v);
  if (s.kind != CHAT_STRING || !s.as.string->safe) return s;
  s = chat_part(r, s.as.string, 0, s.as.string->len);
  if (s.kind == CHAT_STRING) s.as.string->safe = false;
  return s;
}

static chat_value f_replace(chat_run *r, chat_value v, const chat_args *a) {
  return text_method(r, plain(r, v), "replace", a);
}

static chat_value f_string(chat_run *r, chat_value v, const chat_args *a) {
  (void)a;
  return chat_str(r, v);
}

static chat_value f_safe(chat_run *r, chat_value v, const chat_args *a) {
  chat_value s = chat_str(r, v);
  (void)a;
  return s.kind == CHAT_STRING ? chat_safe(chat_part(r, s.as.string, 0, s.as.string->len)) : s;
}

static chat_value f_escape(chat_run *r, chat_value v, const chat_args *a) {
  (void)a;
  return chat_escaped(r, v);
}

/* Indents the lines behind the first by `width`; `first` and `blank` as in Jinja. */
static chat_value f_indent(chat_run *r, chat_value v, const chat_args *a) {
  const chat_value *width = chat_arg(a, 0, "width");
  bool first = chat_arg_true(a, 1, "first"), blank = chat_arg_true(a, 2, "blank");
  chat_value s = v, pad;
  chat_builder b = {.r = r}, spaces = {.r = r};
  int64_t n = width != NULL && width->kind == CHAT_INT ? width->as.integer : 4;
  for (int64_t i = 0; i < n && r->status == BASE_OK; i++) chat_add(&spaces, " ", 1, false);
  pad = width != NULL && width->kind == CHAT_STRING ? *width : chat_built(&spaces);
  if (s.kind != CHAT_STRING) return chat_fail(r, BASE_EARGUMENT, "indent of %s", chat_kind_name(s));
  if (pad.kind != CHAT_STRING) return chat_undefined();
  const chat_string *text = s.as.string;
  for (size_t at = 0, line = 0, more = 1; more > 0 && r->status == BASE_OK; line++) {
    size_t end, next = chat_line(chat_slice(text), at, &end);
    if ((line == 0 && first) || (line > 0 && (blank || end > at))) chat_add_string(&b, pad.as.string);
    chat_add_part(&b, text, at, end);
    more = next - end;
    if (more > 0) chat_add(&b, "\n", 1, text->marked || (text->mark != NULL && text->mark[end]));
    at = next;
  }
  return text->safe ? chat_safe(chat_built(&b)) : chat_built(&b);
}

static chat_value f_tojson(chat_run *r, chat_value v, const chat_args *a) {
  const chat_value *ascii = chat_arg(a, 0, "ensure_ascii"), *indent = chat_arg(a, 1, "indent");
  const chat_value *separators = chat_arg(a, 2, "separators"), *sort = chat_arg(a, 3, "sort_keys");
  chat_json_form form = {.indent = -1, .comma = BASE_LITERAL(", "), .colon = BASE_LITERAL(": ")};
  form.ascii = ascii != NULL && chat_is_true(*ascii);
  form.sort_keys = sort != NULL && chat_is_true(*sort);
  if (indent != NULL && indent->kind == CHAT_INT && indent->as.integer >= 0) {
    form.indent = indent->as.integer < 16 ? (int)indent->as.integer : 16;
    form.comma = BASE_LITERAL(",");
  }
  if (separators != NULL && separators->kind == CHAT_LIST && separators->as.list->n == 2 &&
      separators->as.list->item[0].kind == CHAT_STRING && separators->as.list->item[1].kind == CHAT_STRING) {
    form.comma = chat_slice(separators->as.list->item[0].as.string);
    form.colon = chat_slice(separators->as.list->item[1].as.string);
  }
  return chat_to_json(r, v, &form);
}

/* ---- filters on numbers ---- */

static chat_value f_int(chat_run *r, chat_value v, const chat_args *a) {
  const chat_value *otherwise = chat_arg(a, 0, "default");
  int64_t i;
  double d;
  if (chat_arg(a, 1, "base") != NULL) return chat_fail(r, BASE_EUNSUPPORTED, "int with a base");
  if (v.kind == CHAT_UNDEFINED) return chat_fail(r, BASE_EARGUMENT, "int of something undefined");
  if (v.kind == CHAT_INT) return v;
  if (chat_number(v, &d) && d > -9e18 && d < 9e18) return chat_int((int64_t)d);
  if (v.kind == CHAT_STRING) {
    base_slice s = base_slice_trim(chat_slice(v.as.string));
    if (base_parse_int(s, &i)) return chat_int(i);
    if (base_parse_double(s, &d) && d > -9e18 && d < 9e18) return chat_int((int64_t)d);
  }
  return otherwise != NULL ? *otherwise : chat_int(0);
}

static chat_value f_float(chat_run *r, chat_value v, const chat_args *a) {
  const chat_value *otherwise = chat_arg(a, 0, "default");
  double d;
  if (v.kind == CHAT_UNDEFINED) return chat_fail(r, BASE_EARGUMENT, "float of something undefined");
  if (chat_number(v, &d)) return chat_real(d);
  if (v.kind == CHAT_STRING && base_parse_double(base_slice_trim(chat_slice(v.as.string)), &d))
    return chat_real(d);
  return otherwise != NULL ? *otherwise : chat_real(0);
}

static chat_value f_abs(chat_run *r, chat_value v, const chat_args *a) {
  (void)a;
  if (v.kind == CHAT_INT && v.as.integer != INT64_MIN)
    return chat_int(v.as.integer < 0 ? -v.as.integer : v.as.integer);
  if (v.kind == CHAT_FLOAT) return chat_real(fabs(v.as.real));
  return chat_fail(r, BASE_EARGUMENT, "abs of %s", chat_kind_name(v));
}

/* As Python: halves to the even digit, of the number as it is; a whole number stays one. */
static chat_value f_round(chat_run *r, chat_value v, const chat_args *a) {
  const chat_value *digits = chat_arg(a, 0, "precision"), *method = chat_arg(a, 1, "method");
  int64_t n = digits != NULL && digits->kind == CHAT_INT ? digits->as.integer : 0;
  char text[400];
  double d;
  if (!chat_number(v, &d)) return chat_fail(r, BASE_EARGUMENT, "round of %s", chat_kind_name(v));
  if (n < 0 || n > 20 || (method != NULL && !chat_string_is(*method, "common")))
    return chat_fail(r, BASE_EUNSUPPORTED, "round to tens, to more than 20 digits, or by a method");
  if (v.kind != CHAT_FLOAT) return v.kind == CHAT_INT ? v : chat_int(v.as.truth);
  bool ok = base_format(text, sizeof text, "%.*f", (int)n, d) && base_parse_double(base_slice_of(text), &d);
  return ok ? chat_real(d) : chat_fail(r, BASE_EARGUMENT, "round of a number that is none");
}

/* ---- filters on lists ---- */

static chat_value f_length(chat_run *r, chat_value v, const chat_args *a) {
  (void)a;
  return chat_int((int64_t)chat_length(r, v));
}

static chat_value f_list(chat_run *r, chat_value v, const chat_args *a) {
  chat_value items = chat_iterate(r, v), out;
  (void)a;
  if (items.kind != CHAT_LIST) return items;
  out = chat_list_new(r, items.as.list->n);
  for (size_t i = 0; i < items.as.list->n; i++) chat_list_add(r, out, items.as.list->item[i]);
  return out;
}

static chat_value f_first(chat_run *r, chat_value v, const chat_args *a) {
  (void)a;
  if (v.kind == CHAT_LIST && v.as.list->kind == CHAT_ONCE) return chat_list_take(v.as.list);
  chat_value items = chat_iterate(r, v);
  return items.kind == CHAT_LIST && items.as.list->n > 0 ? items.as.list->item[0] : chat_undefined();
}

static chat_value f_last(chat_run *r, chat_value v, const chat_args *a) {
  (void)a;
  if (v.kind == CHAT_LIST && v.as.list->kind == CHAT_ONCE)
    return chat_fail(r, BASE_EARGUMENT, "the last item of a generator");
  chat_value items = chat_iterate(r, v);
  return items.kind == CHAT_LIST && items.as.list->n > 0 ? items.as.list->item[items.as.list->n - 1]
                                                         : chat_undefined();
}

static chat_value f_reverse(chat_run *r, chat_value v, const chat_args *a) {
  bool once = v.kind == CHAT_LIST && v.as.list->kind == CHAT_ONCE, safe = v.kind == CHAT_STRING && v.as.string->safe;
  chat_value items = f_list(r, v, a);
  chat_builder b = {.r = r};
  if (items.kind != CHAT_LIST) return items;
  chat_list *l = items.as.list;
  for (size_t i = 0; i < l->n / 2; i++) {
    chat_value one = l->item[i];
    l->item[i] = l->item[l->n - 1 - i];
    l->item[l->n - 1 - i] = one;
  }
  if (v.kind != CHAT_STRING) return once ? items : chat_list_as(items, CHAT_ONCE);
  for (size_t i = 0; i < l->n; i++) chat_add_string(&b, l->item[i].as.string);
  return safe ? chat_safe(chat_built(&b)) : chat_built(&b);
}

/* a.b.c of a value, for the filters that take an attribute. */
static chat_value path_of(chat_run *r, chat_value v, const chat_value *path) {
  if (path == NULL || path->kind == CHAT_NONE) return v;
  if (path->kind == CHAT_INT) return chat_item(r, v, *path);
  if (path->kind != CHAT_STRING)
    return chat_fail(r, BASE_EARGUMENT, "an attribute's name is %s", chat_kind_name(*path));
  base_slice rest = chat_slice(path->as.string), one;
  while (base_slice_split(&rest, '.', &one) && r->status == BASE_OK) {
    int64_t index;
    if (v.kind == CHAT_UNDEFINED) return v;
    v = base_parse_int(one, &index) ? chat_item(r, v, chat_int(index))
                                    : chat_item(r, v, chat_text(r, one.ptr, one.len, false));
  }
  return v;
}

static chat_value f_join(chat_run *r, chat_value v, const chat_args *a) {
  const chat_value *by = chat_arg(a, 0, "d"), *attribute = chat_arg(a, 1, "attribute");
  chat_value items = chat_iterate(r, v);
  chat_builder b = {.r = r};
  for (size_t i = 0; items.kind == CHAT_LIST && i < items.as.list->n && r->status == BASE_OK; i++) {
    if (i > 0 && by != NULL) chat_add_str(&b, *by);
    chat_add_str(&b, path_of(r, items.as.list->item[i], attribute));
  }
  return chat_built(&b);
}

/* Text compares without case unless asked, as Jinja's sort does. */
static chat_value sort_key(chat_run *r, chat_value v, const chat_value *attribute, bool exact) {
  static const chat_args none = {0};
  v = path_of(r, v, attribute);
  return v.kind == CHAT_STRING && !exact ? f_lower(r, v, &none) : v;
}

/* Stable merge sort of items by keys. */
static void merge_sort(chat_run *r, chat_member *v, chat_member *spare, size_t n, bool down) {
  if (n < 2 || r->status != BASE_OK) return;
  size_t half = n / 2;
  merge_sort(r, v, spare, half, down);
  merge_sort(r, v + half, spare, n - half, down);
  memcpy(spare, v, half * sizeof *v);
  for (size_t i = 0, j = half, k = 0; i < half; k++) {
    int order = j < n ? chat_compare(r, v[j].key, spare[i].key) : 1;
    bool right = j < n && (down ? order > 0 : order < 0);
    v[k] = right ? v[j++] : spare[i++];
  }
}

static chat_value sorted(chat_run *r, chat_value items, const chat_value *attribute, bool exact, bool down) {
  if (items.kind != CHAT_LIST) return items;
  size_t n = items.as.list->n;
  chat_member *v = chat_take(&r->heap, 2 * n + 1, sizeof *v);
  chat_value out = chat_list_new(r, n);
  if (v == NULL) return chat_fail(r, BASE_ENOMEM, "no memory to sort");
  for (size_t i = 0; i < n; i++)
    v[i] = (chat_member){sort_key(r, items.as.list->item[i], attribute, exact), items.as.list->item[i]};
  merge_sort(r, v, v + n, n, down);
  for (size_t i = 0; i < n; i++) chat_list_add(r, out, v[i].value);
  return out;
}

static chat_value f_sort(chat_run *r, chat_value v, const chat_args *a) {
  return sorted(r, chat_iterate(r, v), chat_arg(a, 2, "attribute"), chat_arg_true(a, 1, "case_sensitive"),
                chat_arg_true(a, 0, "reverse"));
}

static chat_value f_items(chat_run *r, chat_value v, const chat_args *a) {
  static const chat_args none = {0};
  (void)a;
  if (v.kind == CHAT_UNDEFINED) return chat_list_as(chat_list_new(r, 0), CHAT_ONCE);
  if (v.kind != CHAT_DICT) return chat_fail(r, BASE_EARGUMENT, "items of %s", chat_kind_name(v));
  chat_value method = chat_method_of(r, v, BASE_LITERAL("items"));
  if (method.kind != CHAT_METHOD) return method;
  return chat_list_as(chat_method_call(r, method.as.method, &none), CHAT_ONCE);
}

static chat_value f_dictsort(chat_run *r, chat_value v, const chat_args *a) {
  const chat_value *by = chat_arg(a, 1, "by");
  if (v.kind == CHAT_UNDEFINED) return chat_fail(r, BASE_EARGUMENT, "dictsort of something undefined");
  chat_value index = chat_int(by != NULL && chat_string_is(*by, "value") ? 1 : 0);
  return sorted(r, chat_list_as(f_items(r, v, a), CHAT_ITEMS), &index, chat_arg_true(a, 0, "case_sensitive"),
                chat_arg_true(a, 2, "reverse"));
}

static chat_value f_unique(chat_run *r, chat_value v, const chat_args *a) {
  chat_value items = chat_iterate(r, v), out = chat_list_new(r, 0), keys = chat_list_new(r, 0);
  for (size_t i = 0; items.kind == CHAT_LIST && i < items.as.list->n && r->status == BASE_OK; i++) {
    chat_value key = sort_key(r, items.as.list->item[i], chat_arg(a, 1, "attribute"),
                              chat_arg_true(a, 0, "case_sensitive"));
    if (!chat_can_be_key(r, key)) return chat_undefined();
    if (chat_contains(r, keys, key)) continue;
    chat_list_add(r, keys, key);
    chat_list_add(r, out, items.as.list->item[i]);
  }
  return chat_list_as(out, CHAT_ONCE);
}

static chat_value extreme(chat_run *r, chat_value v, const chat_args *a, int sign) {
  chat_value items = chat_iterate(r, v), best = chat_undefined(), best_key = best;
  for (size_t i = 0; items.kind == CHAT_LIST && i < items.as.list->n && r->status == BASE_OK; i++) {
    chat_value key = sort_key(r, items.as.list->item[i], chat_arg(a, 1, "attribute"),
                              chat_arg_true(a, 0, "case_sensitive"));
    if (i > 0 && chat_compare(r, key, best_key) * sign <= 0) continue;
    best = items.as.list->item[i];
    best_key = key;
  }
  return best;
}

static chat_value f_min(chat_run *r, chat_value v, const chat_args *a) {
  return extreme(r, v, a, -1);
}

static chat_value f_max(chat_run *r, chat_value v, const chat_args *a) {
  return extreme(r, v, a, 1);
}

static chat_value f_sum(chat_run *r, chat_value v, const chat_args *a) {
  chat_value items = chat_iterate(r, v);
  int64_t whole = 0;
  double real = 0, d;
  bool ints = true;
  for (size_t i = 0; items.kind == CHAT_LIST && i < items.as.list->n && r->status == BASE_OK; i++) {
    chat_value one = path_of(r, items.as.list->item[i], chat_arg(a, 0, "attribute"));
    if (!chat_number(one, &d)) return chat_fail(r, BASE_EARGUMENT, "sum of %s", chat_kind_name(one));
    ints = ints && one.kind != CHAT_FLOAT &&
           !__builtin_add_overflow(whole, one.kind == CHAT_INT ? one.as.integer : (int64_t)d, &whole);
    real += d;
  }
  return ints ? chat_int(whole) : chat_real(real);
}

/* ---- filters that apply filters and tests ---- */

/* The arguments behind the first `skip`. */
static chat_args rest_of(const chat_args *a, size_t skip) {
  if (a->n - a->n_named < skip) return (chat_args){0};
  return (chat_args){a->value + skip, a->n - skip, a->name, a->n_named};
}

/* Jinja's map and select take anything that is false for an empty list. */
static chat_value iterate_or_nothing(chat_run *r, chat_value v) {
  return chat_is_true(v) ? chat_iterate(r, v) : chat_list_new(r, 0);
}

static chat_value f_map(chat_run *r, chat_value v, const chat_args *a) {
  const chat_value *attribute = chat_arg(a, SIZE_MAX, "attribute"),
                   *otherwise = chat_arg(a, SIZE_MAX, "default");
  const chat_value *name = chat_arg(a, 0, "");
  chat_value items = iterate_or_nothing(r, v), out = chat_list_new(r, 0);
  int filter = name != NULL && name->kind == CHAT_STRING ? chat_filter_find(chat_slice(name->as.string)) : -1;
  chat_args rest = rest_of(a, 1);
  if (attribute == NULL && filter < 0)
    return chat_fail(r, BASE_EUNSUPPORTED, "map needs an attribute or a known filter");
  for (size_t i = 0; items.kind == CHAT_LIST && i < items.as.list->n && r->status == BASE_OK; i++) {
    chat_value one = items.as.list->item[i];
    one = attribute != NULL ? path_of(r, one, attribute) : chat_filter_apply(r, filter, one, &rest);
    if (one.kind == CHAT_UNDEFINED && otherwise != NULL) one = *otherwise;
    chat_list_add(r, out, one);
  }
  return chat_list_as(out, CHAT_ONCE);
}

/* select, reject (no attribute) and selectattr, rejectattr: items whose value passes a test, truth when none
 * is named. */
static chat_value selected(chat_run *r, chat_value v, const chat_args *a, bool attribute, bool wanted) {
  size_t skip = attribute ? 1 : 0;
  const chat_value *path = attribute ? chat_arg(a, 0, "") : NULL, *name = chat_arg(a, skip, "");
  chat_value items = iterate_or_nothing(r, v), out = chat_list_new(r, 0);
  int test = name != NULL && name->kind == CHAT_STRING ? chat_test_find(chat_slice(name->as.string)) : -1;
  chat_args rest = rest_of(a, skip + 1);
  if (name != NULL && test < 0)
    return chat_fail(r, BASE_EUNSUPPORTED, "select and reject by a test that is not known");
  for (size_t i = 0; items.kind == CHAT_LIST && i < items.as.list->n && r->status == BASE_OK; i++) {
    chat_value one = path_of(r, items.as.list->item[i], path);
    bool passes = name != NULL ? chat_test_apply(r, test, one, &rest) : chat_is_true(one);
    if (passes == wanted) chat_list_add(r, out, items.as.list->item[i]);
  }
  return chat_list_as(out, CHAT_ONCE);
}

static chat_value f_select(chat_run *r, chat_value v, const chat_args *a) {
  return selected(r, v, a, false, true);
}

static chat_value f_reject(chat_run *r, chat_value v, const chat_args *a) {
  return selected(r, v, a, false, false);
}

static chat_value f_selectattr(chat_run *r, chat_value v, const chat_args *a) {
  return selected(r, v, a, true, true);
}

static chat_value f_rejectattr(chat_run *r, chat_value v, const chat_args *a) {
  return selected(r, v, a, true, false);
}

static chat_value f_default(chat_run *r, chat_value v, const chat_args *a) {
  const chat_value *otherwise = chat_arg(a, 0, "default_value");
  bool replace = v.kind == CHAT_UNDEFINED || (chat_arg_true(a, 1, "boolean") && !chat_is_true(v));
  if (!replace) return v;
  return otherwise != NULL ? *otherwise : chat_literal(r, "");
}

typedef chat_value filter_fn(chat_run *r, chat_value v, const chat_args *a);

static const struct {
  const char *name;
  filter_fn *apply;
} filters[] = {
    {"trim", f_trim},
    {"upper", f_upper},
    {"lower", f_lower},
    {"title", f_title},
    {"replace", f_replace},
    {"capitalize", f_capitalize},
    {"string", f_string},
    {"safe", f_safe},
    {"escape", f_escape},
    {"e", f_escape},
    {"indent", f_indent},
    {"tojson", f_tojson},
    {"int", f_int},
    {"float", f_float},
    {"abs", f_abs},
    {"round", f_round},
    {"length", f_length},
    {"count", f_length},
    {"list", f_list},
    {"first", f_first},
    {"last", f_last},
    {"reverse", f_reverse},
    {"join", f_join},
    {"sort", f_sort},
    {"items", f_items},
    {"dictsort", f_dictsort},
    {"unique", f_unique},
    {"min", f_min},
    {"max", f_max},
    {"sum", f_sum},
    {"map", f_map},
    {"select", f_select},
    {"reject", f_reject},
    {"selectattr", f_selectattr},
    {"rejectattr", f_rejectattr},
    {"default", f_default},
    {"d", f_default},
};

int chat_filter_find(base_slice name) {
  for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
    if (base_slice_equal(name, base_slice_of(filters[i].name))) return (int)i;
  }
  return -1;
}

chat_value chat_filter_apply(chat_run *r, int filter, chat_value v, const chat_args *a) {
  return chat_work(r, 1) ? filters[filter].apply(r, v, a) : chat_undefined();
}

/* ---- tests ---- */

typedef enum test_kind {
  TEST_DEFINED,
  TEST_UNDEFINED,
  TEST_NONE,
  TEST_STRING,
  TEST_NUMBER,
  TEST_INTEGER,
  TEST_FLOAT,
  TEST_BOOLEAN,
  TEST_MAPPING,
  TEST_ITERABLE,
  TEST_SEQUENCE,
  TEST_TRUE,
  TEST_FALSE,
  TEST_CALLABLE,
  TEST_EQ,
  TEST_SAME,
  TEST_NE,
  TEST_LT,
  TEST_LE,
  TEST_GT,
  TEST_GE,
  TEST_IN,
  TEST_ODD,
  TEST_EVEN,
  TEST_DIVISIBLE,
  TEST_UPPER,
  TEST_LOWER
} test_kind;

static const struct {
  const char *name;
  test_kind kind;
} tests[] = {
    {"defined", TEST_DEFINED},
    {"undefined", TEST_UNDEFINED},
    {"none", TEST_NONE},
    {"string", TEST_STRING},
    {"number", TEST_NUMBER},
    {"integer", TEST_INTEGER},
    {"float", TEST_FLOAT},
    {"boolean", TEST_BOOLEAN},
    {"mapping", TEST_MAPPING},
    {"iterable", TEST_ITERABLE},
    {"sequence", TEST_SEQUENCE},
    {"true", TEST_TRUE},
    {"false", TEST_FALSE},
    {"callable", TEST_CALLABLE},
    {"eq", TEST_EQ},
    {"equalto", TEST_EQ},
    {"==", TEST_EQ},
    {"sameas", TEST_SAME},
    {"ne", TEST_NE},
    {"!=", TEST_NE},
    {"lt", TEST_LT},
    {"lessthan", TEST_LT},
    {"<", TEST_LT},
    {"le", TEST_LE},
    {"<=", TEST_LE},
    {"gt", TEST_GT},
    {"greaterthan", TEST_GT},
    {">", TEST_GT},
    {"ge", TEST_GE},
    {">=", TEST_GE},
    {"in", TEST_IN},
    {"odd", TEST_ODD},
    {"even", TEST_EVEN},
    {"divisibleby", TEST_DIVISIBLE},
    {"upper", TEST_UPPER},
    {"lower", TEST_LOWER},
};

int chat_test_find(base_slice name) {
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
    if (base_slice_equal(name, base_slice_of(tests[i].name))) return (int)i;
  }
  return -1;
}

static bool test_remainder(chat_run *r, chat_value v, int64_t by, int64_t wanted) {
  if (v.kind != CHAT_INT || by == 0 || by == -1) {
    if (v.kind == CHAT_INT && by == -1) return true;
    (void)chat_fail(r, BASE_EARGUMENT, "a remainder of %s", chat_kind_name(v));
    return false;
  }
  return (v.as.integer % by + by) % by == wanted;
}

static bool test_case(chat_run *r, chat_value v, const char *method) {
  static const chat_args none = {0};
  chat_value s = chat_str(r, v), changed = text_method(r, s, method, &none), other;
  other = text_method(r, s, strcmp(method, "upper") == 0 ? "lower" : "upper", &none);
  return chat_equal(r, s, changed) && !chat_equal(r, s, other);
}

/* Python's "is"; numbers and texts are taken for the same where they are equal. */
static bool is_same(chat_run *r, chat_value a, chat_value b) {
  if (a.kind == CHAT_LIST && b.kind == CHAT_LIST) return a.as.list == b.as.list;
  if (a.kind == CHAT_DICT && b.kind == CHAT_DICT) return a.as.dict == b.as.dict;
  return a.kind == b.kind && chat_equal(r, a, b);
}

static bool test_other(chat_run *r, test_kind kind, chat_value v, const chat_args *a) {
  const chat_value *other = chat_arg(a, 0, "other");
  if (other == NULL) {
    (void)chat_fail(r, BASE_EARGUMENT, "a test lacks its argument");
    return false;
  }
  switch (kind) {
    case TEST_EQ: return chat_equal(r, v, *other);
    case TEST_SAME: return is_same(r, v, *other);
    case TEST_NE: return !chat_equal(r, v, *other);
    case TEST_LT: return chat_compare(r, v, *other) < 0;
    case TEST_LE: return chat_compare(r, v, *other) <= 0;
    case TEST_GT: return chat_compare(r, v, *other) > 0;
    case TEST_GE: return chat_compare(r, v, *other) >= 0;
    case TEST_IN: return chat_contains(r, *other, v);
    default: return test_remainder(r, v, other->kind == CHAT_INT ? other->as.integer : 0, 0);
  }
}

bool chat_test_apply(chat_run *r, int test, chat_value v, const chat_args *a) {
  switch (tests[test].kind) {
    case TEST_DEFINED: return v.kind != CHAT_UNDEFINED;
    case TEST_UNDEFINED: return v.kind == CHAT_UNDEFINED;
    case TEST_NONE: return v.kind == CHAT_NONE;
    case TEST_STRING: return v.kind == CHAT_STRING;
    case TEST_NUMBER: return v.kind == CHAT_INT || v.kind == CHAT_FLOAT || v.kind == CHAT_BOOL;
    case TEST_INTEGER: return v.kind == CHAT_INT;
    case TEST_FLOAT: return v.kind == CHAT_FLOAT;
    case TEST_BOOLEAN: return v.kind == CHAT_BOOL;
    case TEST_MAPPING: return v.kind == CHAT_DICT;
    case TEST_ITERABLE:
      return v.kind == CHAT_STRING || v.kind == CHAT_LIST || v.kind == CHAT_DICT || v.kind == CHAT_UNDEFINED;
    case TEST_SEQUENCE:
      return chat_is_sequence(v, CHAT_RANGE) || v.kind == CHAT_STRING || v.kind == CHAT_DICT ||
             v.kind == CHAT_UNDEFINED;
    case TEST_TRUE: return v.kind == CHAT_BOOL && v.as.truth;
    case TEST_FALSE: return v.kind == CHAT_BOOL && !v.as.truth;
    case TEST_CALLABLE: return v.kind == CHAT_MACRO || v.kind == CHAT_FUNCTION || v.kind == CHAT_METHOD;
    case TEST_ODD: return test_remainder(r, v, 2, 1);
    case TEST_EVEN: return test_remainder(r, v, 2, 0);
    case TEST_UPPER: return test_case(r, v, "upper");
    case TEST_LOWER: return test_case(r, v, "lower");
    default: return test_other(r, tests[test].kind, v, a);
  }
}

/* ---- functions ---- */

static chat_value g_raise(chat_run *r, const chat_args *a) {
  const chat_value *message = chat_arg(a, 0, "message");
  chat_value s = message != NULL ? chat_str(r, *message) : chat_literal(r, "");
  if (s.kind != CHAT_STRING) return s;
  return chat_fail(r, BASE_EARGUMENT, "%.*s", (int)(s.as.string->len < 180 ? s.as.string->len : 180),
                   s.as.string->ptr);
}

static chat_value g_range(chat_run *r, const chat_args *a) {
  int64_t v[3] = {0, 0, 1};
  for (size_t i = 0; i < a->n && i < 3; i++) {
    if (a->value[i].kind != CHAT_INT) return chat_fail(r, BASE_EARGUMENT, "range needs whole numbers");
    v[i] = a->value[i].as.integer;
  }
  if (a->n == 0 || a->n_named > 0 || v[2] == 0)
    return chat_fail(r, BASE_EARGUMENT, "range needs one to three numbers");
  if (a->n == 1) {
    v[1] = v[0];
    v[0] = 0;
  }
  chat_value out = chat_list_new(r, 0);
  for (int64_t at = v[0]; (v[2] > 0 ? at < v[1] : at > v[1]) && r->status == BASE_OK;) {
    chat_list_add(r, out, chat_int(at));
    if (__builtin_add_overflow(at, v[2], &at)) break;
  }
  return chat_list_as(out, CHAT_RANGE);
}

static chat_value named_dict(chat_run *r, const chat_args *a, chat_kind kind) {
  chat_value out = chat_dict_new(r, kind);
  size_t positional = a->n - a->n_named;
  for (size_t k = 0; k < positional; k++) {
    chat_value from = a->value[k];
    if (from.kind != CHAT_DICT)
      return chat_fail(r, BASE_EUNSUPPORTED, "dict and namespace of %s", chat_kind_name(from));
    for (size_t i = 0; i < from.as.dict->n; i++)
      chat_dict_put(r, out, from.as.dict->member[i].key, from.as.dict->member[i].value);
  }
  for (size_t i = 0; i < a->n_named; i++)
    chat_dict_put(r, out, chat_text(r, a->name[i].ptr, a->name[i].len, false), a->value[positional + i]);
  return out;
}

static chat_value g_namespace(chat_run *r, const chat_args *a) {
  return named_dict(r, a, CHAT_NAMESPACE);
}

static chat_value g_dict(chat_run *r, const chat_args *a) {
  return named_dict(r, a, CHAT_DICT);
}

typedef struct civil {
  int64_t year;
  int month, day, hour, minute, second, weekday, yearday; /* month 0-11, weekday 0 Sunday */
} civil;

/* Days to a date (Hinnant's algorithm for the proleptic Gregorian calendar). */
static civil civil_of(int64_t seconds) {
  int64_t days = seconds / 86400, rest = seconds % 86400;
  if (rest < 0) {
    rest += 86400;
    days--;
  }
  int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
  int64_t doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  civil c = {.hour = (int)(rest / 3600), .minute = (int)(rest / 60 % 60), .second = (int)(rest % 60)};
  c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
  c.month = (int)(mp < 10 ? mp + 2 : mp - 10);
  c.year = yoe + era * 400 + (c.month <= 1);
  c.weekday = (int)(((days + 4) % 7 + 7) % 7);
  bool leap = (c.year % 4 == 0 && c.year % 100 != 0) || c.year % 400 == 0;
  static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  c.yearday = before[c.month] + (c.month > 1 && leap) + c.day;
  return c;
}

/* One conversion of strftime; false for one that is not known. */
static bool add_time(chat_builder *b, const civil *c, char what, bool bare) {
  static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                       "July",    "August",   "September", "October", "November", "December"};
  static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                     "Thursday", "Friday", "Saturday"};
  char text[48];
  int width = bare ? 1 : 2; /* "%-d" is without the zero */
  bool ok = true;
  switch (what) {
    case 'Y': ok = base_format(text, sizeof text, "%lld", (long long)c->year); break;
    case 'y': ok = base_format(text, sizeof text, "%02d", (int)(c->year % 100)); break;
    case 'm': ok = base_format(text, sizeof text, "%0*d", width, c->month + 1); break;
    case 'd': ok = base_format(text, sizeof text, "%0*d", width, c->day); break;
    case 'e': ok = base_format(text, sizeof text, "%2d", c->day); break;
    case 'H': ok = base_format(text, sizeof text, "%0*d", width, c->hour); break;
    case 'I': ok = base_format(text, sizeof text, "%0*d", width, (c->hour + 11) % 12 + 1); break;
    case 'M': ok = base_format(text, sizeof text, "%02d", c->minute); break;
    case 'S': ok = base_format(text, sizeof text, "%02d", c->second); break;
    case 'j': ok = base_format(text, sizeof text, "%03d", c->yearday); break;
    case 'B': ok = base_format(text, sizeof text, "%s", months[c->month]); break;
    case 'b': ok = base_format(text, sizeof text, "%.3s", months[c->month]); break;
    case 'A': ok = base_format(text, sizeof text, "%s", days[c->weekday]); break;
    case 'a': ok = base_format(text, sizeof text, "%.3s", days[c->weekday]); break;
    case 'p': ok = base_format(text, sizeof text, "%s", c->hour < 12 ? "AM" : "PM"); break;
    case 'F':
      ok = base_format(text, sizeof text, "%lld-%02d-%02d", (long long)c->year, c->month + 1, c->day);
      break;
    case 'T': ok = base_format(text, sizeof text, "%02d:%02d:%02d", c->hour, c->minute, c->second); break;
    case '%': ok = base_format(text, sizeof text, "%%"); break;
    default: return false;
  }
  if (ok) chat_add(b, text, strlen(text), false);
  return ok;
}

static chat_value g_strftime(chat_run *r, const chat_args *a) {
  const chat_value *form = chat_arg(a, 0, "format");
  chat_builder b = {.r = r};
  civil now = civil_of(r->now);
  if (form == NULL || form->kind != CHAT_STRING)
    return chat_fail(r, BASE_EARGUMENT, "strftime_now needs a format");
  const chat_string *s = form->as.string;
  for (uint32_t i = 0; i < s->len && r->status == BASE_OK; i++) {
    if (s->ptr[i] != '%') {
      chat_add_part(&b, s, i, i + 1);
      continue;
    }
    bool bare = i + 2 < s->len && s->ptr[i + 1] == '-';
    i += bare ? 2 : 1;
    if (i >= s->len || !add_time(&b, &now, s->ptr[i], bare))
      return chat_fail(r, BASE_EUNSUPPORTED, "strftime_now has an unknown conversion");
  }
  return chat_built(&b);
}

typedef chat_value function_fn(chat_run *r, const chat_args *a);

static const struct {
  const char *name;
  function_fn *call;
} functions[] = {
    {"raise_exception", g_raise}, {"range", g_range}, {"namespace", g_namespace}, {"dict", g_dict},
    {"strftime_now", g_strftime},
};

int chat_function_find(base_slice name) {
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    if (base_slice_equal(name, base_slice_of(functions[i].name))) return (int)i;
  }
  return -1;
}

chat_value chat_function_call(chat_run *r, int function, const chat_args *a) {
  return functions[function].call(r, a);
}
