/* An instance against a compiled schema, read in place: no memory but the stack, whose depth is the
 * instance's and the schema's together, both at most 64. */
#include "constrain/internal.h"

#include <stdio.h>
#include <string.h>

/* Longest string that a format is checked on, and longest array that may have to be unique: beyond is not
 * valid. */
enum { MAX_FORMAT_BYTES = 512, MAX_UNIQUE_ITEMS = 1000 };

typedef struct instance {
  const struct constrain_schema *s;
  base_error *err; /* NULL while alternatives are tried */
  char path[96];   /* JSON Pointer of the value at hand, cut when too long */
  size_t path_len;
  bool part; /* the root's required and anyOf are not asked for */
} instance;

static bool fail(instance *in, const char *fmt, const char *what) {
  char text[160];
  if (in->err == NULL) return false;
  (void)snprintf(text, sizeof text, fmt, what);
  (void)base_fail(in->err, BASE_EMISMATCH, in->path[0] != 0 ? in->path : "/", "%s", text);
  return false;
}

/* For numbers and texts of a schema, cut to what an error shows. */
static bool fail_slice(instance *in, const char *fmt, base_slice what) {
  char shown[64];
  base_format(shown, sizeof shown, "%.*s", (int)(what.len < 60 ? what.len : 60), what.ptr);
  return fail(in, fmt, shown);
}

static bool check(instance *in, int node, base_slice v);

/* Checks a child value with its key or index on the path. */
static bool check_at(instance *in, int node, base_slice v, const char *step) {
  size_t before = in->path_len;
  int n = snprintf(in->path + before, sizeof in->path - before, "/%s", step);
  size_t room = sizeof in->path - 1 - before;
  in->path_len = before + ((size_t)n < room ? (size_t)n : room);
  bool ok = check(in, node, v);
  in->path_len = before;
  in->path[before] = 0;
  return ok;
}

static bool check_quietly(instance *in, int node, base_slice v) {
  base_error *err = in->err;
  in->err = NULL;
  bool ok = check(in, node, v);
  in->err = err;
  return ok;
}

/* ---- by kind ---- */

static bool check_number(instance *in, const constrain_node *n, base_slice v) {
  if (n->integer && !constrain_json_is_integer(v)) return fail(in, "this must be a whole number%s", "");
  if (n->minimum.ptr != NULL && constrain_json_compare_numbers(v, n->minimum) < 0)
    return fail_slice(in, "this must be at least %s", n->minimum);
  if (n->maximum.ptr != NULL && constrain_json_compare_numbers(v, n->maximum) > 0)
    return fail_slice(in, "this must be at most %s", n->maximum);
  if (n->exclusive_minimum.ptr != NULL && constrain_json_compare_numbers(v, n->exclusive_minimum) <= 0)
    return fail_slice(in, "this must be above %s", n->exclusive_minimum);
  if (n->exclusive_maximum.ptr != NULL && constrain_json_compare_numbers(v, n->exclusive_maximum) >= 0)
    return fail_slice(in, "this must be below %s", n->exclusive_maximum);
  if (n->multiple_of != 0 && !constrain_json_is_multiple(v, n->multiple_of))
    return fail(in, "this is not a multiple%s", "");
  return true;
}

static bool check_string(instance *in, const constrain_node *n, base_slice v) {
  char text[MAX_FORMAT_BYTES];
  if (n->min_length > 0 || n->max_length != SIZE_MAX) {
    size_t length = constrain_json_string_length(v);
    if (length < n->min_length) return fail(in, "this text is too short%s", "");
    if (length > n->max_length) return fail(in, "this text is too long%s", "");
  }
  if (n->format == CONSTRAIN_ANY_FORMAT) return true;
  if (!constrain_json_string_copy(v, text, sizeof text) ||
      !constrain_format_fits(n->format, base_slice_of(text)))
    return fail(in, "this must have the format %s", constrain_format_name[n->format]);
  return true;
}

static bool check_unique(instance *in, base_slice v, size_t count) {
  base_slice rest = constrain_json_inside(v), a, b;
  if (count > MAX_UNIQUE_ITEMS) return fail(in, "this list is too long to be compared%s", "");
  while (constrain_json_next_item(&rest, &a)) {
    base_slice others = rest;
    while (constrain_json_next_item(&others, &b))
      if (constrain_json_equal_values(a, b)) return fail(in, "this list has an item twice%s", "");
  }
  return true;
}

static bool check_array(instance *in, const constrain_node *n, base_slice v) {
  base_slice rest = constrain_json_inside(v), item;
  size_t count = constrain_json_count(v), i = 0;
  char step[24];
  if (count < n->min_items) return fail(in, "this list has too few items%s", "");
  if (count > n->max_items) return fail(in, "this list has too many items%s", "");
  if (n->unique && !check_unique(in, v, count)) return false;
  while (n->items != NODE_NONE && constrain_json_next_item(&rest, &item)) {
    base_format(step, sizeof step, "%zu", i++);
    if (!check_at(in, n->items, item, step)) return false;
  }
  return true;
}

static int find_property(const instance *in, const constrain_node *n, base_slice key) {
  int i = n->properties;
  while (i != NODE_NONE && !constrain_json_equal_values(in->s->node[i].key, key))
    i = in->s->node[i].next;
  return i;
}

static bool is_part(const instance *in, const constrain_node *n) {
  return in->part && n == &in->s->node[in->s->root];
}

static bool check_object(instance *in, const constrain_node *n, base_slice v) {
  base_slice rest, key, value;
  char step[64];
  size_t count = constrain_json_count(v);
  if (count < n->min_properties) return fail(in, "this object has too few members%s", "");
  if (count > n->max_properties) return fail(in, "this object has too many members%s", "");
  if (n->required.ptr != NULL && !is_part(in, n)) {
    rest = constrain_json_inside(n->required);
    while (constrain_json_next_item(&rest, &key))
      if (!constrain_json_find_member(v, key, &value)) return fail_slice(in, "%s is required", key);
  }
  rest = constrain_json_inside(v);
  while (constrain_json_next_member(&rest, &key, &value)) {
    int node = find_property(in, n, key);
    if (node == NODE_NONE && n->closed) return fail_slice(in, "%s is not allowed", key);
    if (node == NODE_NONE) node = n->additional;
    if (node == NODE_NONE) continue;
    if (!constrain_json_string_copy(key, step, sizeof step)) base_format(step, sizeof step, "...");
    if (!check_at(in, node, value, step)) return false;
  }
  return true;
}

/* ---- for any kind ---- */

static bool check_kind(instance *in, const constrain_node *n, base_slice v) {
  static const char *const names[] = {"null",     "true or false", "true or false", "a number",
                                      "a string", "a list",        "an object"};
  constrain_kind kind = constrain_json_kind_of(v);
  if (n->kinds == 0 || (n->kinds >> kind & 1)) return true;
  size_t wanted = 0;
  while (!(n->kinds >> wanted & 1))
    wanted++;
  return fail(in, n->kinds & (n->kinds - 1) ? "this may be %s, among other types" : "this must be %s",
              names[wanted]);
}

static bool check_choices(instance *in, const constrain_node *n, base_slice v) {
  base_slice rest, choice;
  if (n->constant.ptr != NULL && !constrain_json_equal_values(n->constant, v))
    return fail_slice(in, "this must be %s", n->constant);
  if (n->choices.ptr == NULL) return true;
  rest = constrain_json_inside(n->choices);
  while (constrain_json_next_item(&rest, &choice))
    if (constrain_json_equal_values(choice, v)) return true;
  return fail_slice(in, "this must be one of %s", n->choices);
}

static bool check_combined(instance *in, const constrain_node *n, base_slice v) {
  const constrain_node *nodes = in->s->node;
  size_t fits = 0;
  for (int i = n->all_of; i != NODE_NONE; i = nodes[i].next)
    if (!check(in, i, v)) return false;
  int i = is_part(in, n) ? NODE_NONE : n->any_of;
  bool alternatives = i != NODE_NONE;
  while (i != NODE_NONE && !check_quietly(in, i, v))
    i = nodes[i].next;
  if (alternatives && i == NODE_NONE) return fail(in, "this fits none of the alternatives%s", "");
  for (i = n->one_of; i != NODE_NONE; i = nodes[i].next)
    fits += check_quietly(in, i, v);
  if (n->one_of != NODE_NONE && fits != 1)
    return fail(in, "this must fit exactly one of the alternatives%s", "");
  if (n->negated != NODE_NONE && check_quietly(in, n->negated, v)) return fail(in, "this is excluded%s", "");
  return true;
}

static bool check(instance *in, int index, base_slice v) {
  const constrain_node *n = &in->s->node[index];
  if (n->never) return fail(in, "nothing is allowed here%s", "");
  if (!check_kind(in, n, v) || !check_choices(in, n, v)) return false;
  switch (constrain_json_kind_of(v)) {
    case CONSTRAIN_K_NUMBER:
      if (!check_number(in, n, v)) return false;
      break;
    case CONSTRAIN_K_STRING:
      if (!check_string(in, n, v)) return false;
      break;
    case CONSTRAIN_K_ARRAY:
      if (!check_array(in, n, v)) return false;
      break;
    case CONSTRAIN_K_OBJECT:
      if (!check_object(in, n, v)) return false;
      break;
    default: break;
  }
  return check_combined(in, n, v);
}

static base_status check_text(const constrain_schema *s, base_slice json, bool part, base_error *err) {
  base_status st = constrain_json_text_check(json, CONSTRAIN_MAX_BYTES, "arguments", err);
  if (st) return st;
  instance in = {.s = s, .err = err, .part = part};
  return check(&in, s->root, constrain_json_document(json)) ? BASE_OK : BASE_EMISMATCH;
}

base_status constrain_check(const constrain_schema *s, base_slice json, base_error *err) {
  return check_text(s, json, false, err);
}

base_status constrain_check_part(const constrain_schema *s, base_slice json, base_error *err) {
  return check_text(s, json, true, err);
}
