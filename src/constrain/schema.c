/* A schema's text to nodes. Every keyword is known, or the schema is refused: a restriction that is not
 * understood would be a restriction that is not checked. */
#include "constrain/internal.h"

#include <string.h>

typedef struct compiler {
  struct constrain_schema *s;
  const char *where;
  base_error *err;
} compiler;

static base_status refuse(const compiler *c, base_slice keyword, const char *what) {
  char name[64];
  if (!constrain_json_string_copy(keyword, name, sizeof name)) name[0] = 0;
  return base_fail(c->err, BASE_EFORMAT, c->where, "schema keyword \"%s\": %s", name, what);
}

static base_status compile(compiler *c, base_slice schema, int *out);

static constrain_node *node_at(const compiler *c, int index) { return &c->s->node[index]; }

static int add_node(compiler *c) {
  struct constrain_schema *s = c->s;
  if (s->n_nodes == s->cap) {
    size_t larger = s->cap > 0 ? 2 * s->cap : 16;
    void *fresh =
        s->allocator.resize(s->allocator.ctx, s->node, s->cap * sizeof *s->node, larger * sizeof *s->node);
    if (fresh == NULL) return NODE_NONE;
    s->node = fresh;
    s->cap = larger;
  }
  s->node[s->n_nodes] = (constrain_node){.next = NODE_NONE,
                                         .properties = NODE_NONE,
                                         .additional = NODE_NONE,
                                         .items = NODE_NONE,
                                         .any_of = NODE_NONE,
                                         .all_of = NODE_NONE,
                                         .one_of = NODE_NONE,
                                         .negated = NODE_NONE,
                                         .max_length = SIZE_MAX,
                                         .max_items = SIZE_MAX,
                                         .max_properties = SIZE_MAX};
  return (int)s->n_nodes++;
}

/* ---- one keyword each; `n` is the node's index, since nodes move while children are added ---- */

static base_status kind_bit(const compiler *c, base_slice keyword, base_slice name, uint8_t *kinds,
                            bool *integer, bool *number) {
  static const char *const names[] = {"null", "number", "string", "array", "object"};
  static const constrain_kind bits[] = {CONSTRAIN_K_NULL, CONSTRAIN_K_NUMBER, CONSTRAIN_K_STRING,
                                        CONSTRAIN_K_ARRAY, CONSTRAIN_K_OBJECT};
  if (constrain_json_kind_of(name) != CONSTRAIN_K_STRING)
    return refuse(c, keyword, "a type's name is a string");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (constrain_json_string_is(name, names[i])) {
      *kinds |= (uint8_t)(1U << bits[i]);
      if (bits[i] == CONSTRAIN_K_NUMBER) *number = true;
      return BASE_OK;
    }
  if (constrain_json_string_is(name, "boolean"))
    *kinds |= (1U << CONSTRAIN_K_TRUE) | (1U << CONSTRAIN_K_FALSE);
  else if (!constrain_json_string_is(name, "integer")) return refuse(c, keyword, "unknown type");
  else *integer = true, *kinds |= 1U << CONSTRAIN_K_NUMBER;
  return BASE_OK;
}

static base_status set_type(compiler *c, int n, base_slice keyword, base_slice value) {
  bool integer = false, number = false;
  uint8_t kinds = 0;
  base_slice rest, item;
  base_status st = BASE_OK;
  if (constrain_json_kind_of(value) != CONSTRAIN_K_ARRAY) {
    st = kind_bit(c, keyword, value, &kinds, &integer, &number);
  } else {
    rest = constrain_json_inside(value);
    while (!st && constrain_json_next_item(&rest, &item))
      st = kind_bit(c, keyword, item, &kinds, &integer, &number);
    if (!st && kinds == 0) st = refuse(c, keyword, "no type at all");
  }
  node_at(c, n)->kinds = kinds;
  node_at(c, n)->integer = integer && !number;
  return st;
}

static base_status set_size(compiler *c, base_slice keyword, base_slice value, size_t *out) {
  if (constrain_json_kind_of(value) != CONSTRAIN_K_NUMBER || !base_parse_size(value, out))
    return refuse(c, keyword, "this must be a whole number, 0 or more");
  return BASE_OK;
}

static base_status set_number(compiler *c, base_slice keyword, base_slice value, base_slice *out) {
  *out = value;
  return constrain_json_kind_of(value) == CONSTRAIN_K_NUMBER ? BASE_OK
                                                             : refuse(c, keyword, "this must be a number");
}

static base_status set_multiple(compiler *c, int n, base_slice keyword, base_slice value) {
  int64_t v = 0;
  if (constrain_json_kind_of(value) != CONSTRAIN_K_NUMBER || !base_parse_int(value, &v) || v < 1 ||
      v > CONSTRAIN_MAX_MULTIPLE)
    return refuse(c, keyword, "only a whole number above 0 is supported");
  node_at(c, n)->multiple_of = v;
  return BASE_OK;
}

static base_status set_format(compiler *c, int n, base_slice keyword, base_slice value) {
  if (constrain_json_kind_of(value) != CONSTRAIN_K_STRING) return refuse(c, keyword, "this must be a string");
  for (int i = 1; i < CONSTRAIN_FORMATS; i++)
    if (constrain_json_string_is(value, constrain_format_name[i])) {
      node_at(c, n)->format = (constrain_format)i;
      return BASE_OK;
    }
  return refuse(c, keyword, "this format is not supported");
}

static base_status set_properties(compiler *c, int n, base_slice keyword, base_slice value) {
  base_slice rest, key, child;
  int last = NODE_NONE, index;
  if (constrain_json_kind_of(value) != CONSTRAIN_K_OBJECT)
    return refuse(c, keyword, "this must be an object");
  rest = constrain_json_inside(value);
  while (constrain_json_next_member(&rest, &key, &child)) {
    base_status st = compile(c, child, &index);
    if (st) return st;
    node_at(c, index)->key = key;
    if (last == NODE_NONE) node_at(c, n)->properties = index;
    else node_at(c, last)->next = index;
    last = index;
  }
  return BASE_OK;
}

/* A list of schemas to a chain; *first is its head. */
static base_status compile_list(compiler *c, base_slice keyword, base_slice value, int *first) {
  base_slice rest, child;
  int last = NODE_NONE, index;
  if (constrain_json_kind_of(value) != CONSTRAIN_K_ARRAY || constrain_json_count(value) == 0)
    return refuse(c, keyword, "this must be a list of schemas that is not empty");
  rest = constrain_json_inside(value);
  while (constrain_json_next_item(&rest, &child)) {
    base_status st = compile(c, child, &index);
    if (st) return st;
    if (last == NODE_NONE) *first = index;
    else node_at(c, last)->next = index;
    last = index;
  }
  return BASE_OK;
}

static base_status set_required(compiler *c, int n, base_slice keyword, base_slice value) {
  base_slice rest, item;
  if (constrain_json_kind_of(value) != CONSTRAIN_K_ARRAY)
    return refuse(c, keyword, "this must be a list of names");
  rest = constrain_json_inside(value);
  while (constrain_json_next_item(&rest, &item))
    if (constrain_json_kind_of(item) != CONSTRAIN_K_STRING)
      return refuse(c, keyword, "this must be a list of names");
  node_at(c, n)->required = value;
  return BASE_OK;
}

static base_status set_flag(compiler *c, base_slice keyword, base_slice value, bool *out) {
  constrain_kind kind = constrain_json_kind_of(value);
  if (kind != CONSTRAIN_K_TRUE && kind != CONSTRAIN_K_FALSE)
    return refuse(c, keyword, "this must be true or false");
  *out = kind == CONSTRAIN_K_TRUE;
  return BASE_OK;
}

/* ---- the table ---- */

typedef enum keyword {
  K_TYPE,
  K_ENUM,
  K_CONST,
  K_PROPERTIES,
  K_REQUIRED,
  K_ADDITIONAL,
  K_MIN_PROPERTIES,
  K_MAX_PROPERTIES,
  K_ITEMS,
  K_MIN_ITEMS,
  K_MAX_ITEMS,
  K_UNIQUE,
  K_MIN_LENGTH,
  K_MAX_LENGTH,
  K_MINIMUM,
  K_MAXIMUM,
  K_ABOVE,
  K_BELOW,
  K_MULTIPLE,
  K_ANY_OF,
  K_ALL_OF,
  K_ONE_OF,
  K_NOT,
  K_FORMAT,
  K_ANNOTATION
} keyword;

static const struct {
  const char *name;
  keyword is;
} keywords[] = {{"type", K_TYPE},
                {"enum", K_ENUM},
                {"const", K_CONST},
                {"properties", K_PROPERTIES},
                {"required", K_REQUIRED},
                {"additionalProperties", K_ADDITIONAL},
                {"minProperties", K_MIN_PROPERTIES},
                {"maxProperties", K_MAX_PROPERTIES},
                {"items", K_ITEMS},
                {"minItems", K_MIN_ITEMS},
                {"maxItems", K_MAX_ITEMS},
                {"uniqueItems", K_UNIQUE},
                {"minLength", K_MIN_LENGTH},
                {"maxLength", K_MAX_LENGTH},
                {"minimum", K_MINIMUM},
                {"maximum", K_MAXIMUM},
                {"exclusiveMinimum", K_ABOVE},
                {"exclusiveMaximum", K_BELOW},
                {"multipleOf", K_MULTIPLE},
                {"anyOf", K_ANY_OF},
                {"allOf", K_ALL_OF},
                {"oneOf", K_ONE_OF},
                {"not", K_NOT},
                {"format", K_FORMAT},
                {"title", K_ANNOTATION},
                {"description", K_ANNOTATION},
                {"default", K_ANNOTATION},
                {"examples", K_ANNOTATION},
                {"$schema", K_ANNOTATION},
                {"$id", K_ANNOTATION},
                {"$comment", K_ANNOTATION}};

/* A child schema into a member of node n. */
static base_status set_child(compiler *c, int n, base_slice value, size_t member) {
  int index;
  base_status st = compile(c, value, &index);
  if (!st) memcpy((char *)node_at(c, n) + member, &index, sizeof index);
  return st;
}

static base_status set_list(compiler *c, int n, base_slice keyword_text, base_slice value, size_t member) {
  int index = NODE_NONE;
  base_status st = compile_list(c, keyword_text, value, &index);
  if (!st) memcpy((char *)node_at(c, n) + member, &index, sizeof index);
  return st;
}

static base_status set_keyword(compiler *c, int n, keyword is, base_slice key, base_slice value) {
  constrain_node *node = node_at(c, n); /* good until a child is compiled */
  switch (is) {
    case K_TYPE: return set_type(c, n, key, value);
    case K_ENUM:
      node->choices = value;
      return constrain_json_kind_of(value) == CONSTRAIN_K_ARRAY
                 ? BASE_OK
                 : refuse(c, key, "this must be a list of values");
    case K_CONST: node->constant = value; return BASE_OK;
    case K_PROPERTIES: return set_properties(c, n, key, value);
    case K_REQUIRED: return set_required(c, n, key, value);
    case K_ADDITIONAL:
      node->closed = constrain_json_kind_of(value) == CONSTRAIN_K_FALSE;
      return set_child(c, n, value, offsetof(constrain_node, additional));
    case K_MIN_PROPERTIES: return set_size(c, key, value, &node->min_properties);
    case K_MAX_PROPERTIES: return set_size(c, key, value, &node->max_properties);
    case K_ITEMS: return set_child(c, n, value, offsetof(constrain_node, items));
    case K_MIN_ITEMS: return set_size(c, key, value, &node->min_items);
    case K_MAX_ITEMS: return set_size(c, key, value, &node->max_items);
    case K_UNIQUE: return set_flag(c, key, value, &node->unique);
    case K_MIN_LENGTH: return set_size(c, key, value, &node->min_length);
    case K_MAX_LENGTH: return set_size(c, key, value, &node->max_length);
    case K_MINIMUM: return set_number(c, key, value, &node->minimum);
    case K_MAXIMUM: return set_number(c, key, value, &node->maximum);
    case K_ABOVE: return set_number(c, key, value, &node->exclusive_minimum);
    case K_BELOW: return set_number(c, key, value, &node->exclusive_maximum);
    case K_MULTIPLE: return set_multiple(c, n, key, value);
    case K_ANY_OF: return set_list(c, n, key, value, offsetof(constrain_node, any_of));
    case K_ALL_OF: return set_list(c, n, key, value, offsetof(constrain_node, all_of));
    case K_ONE_OF: return set_list(c, n, key, value, offsetof(constrain_node, one_of));
    case K_NOT: return set_child(c, n, value, offsetof(constrain_node, negated));
    case K_FORMAT: return set_format(c, n, key, value);
    case K_ANNOTATION: return BASE_OK;
  }
  return BASE_OK;
}

static int find_keyword(base_slice key) {
  char name[32];
  if (!constrain_json_string_copy(key, name, sizeof name)) return -1;
  for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
    if (strcmp(name, keywords[i].name) == 0) return (int)i;
  return -1;
}

static base_status compile(compiler *c, base_slice schema, int *out) {
  base_slice rest, key, value;
  constrain_kind kind = constrain_json_kind_of(schema);
  int n = *out = add_node(c);
  if (n == NODE_NONE) return base_fail(c->err, BASE_ENOMEM, c->where, "no memory for the schema");
  node_at(c, n)->never = kind == CONSTRAIN_K_FALSE;
  if (kind == CONSTRAIN_K_TRUE || kind == CONSTRAIN_K_FALSE) return BASE_OK;
  if (kind != CONSTRAIN_K_OBJECT)
    return base_fail(c->err, BASE_EFORMAT, c->where, "a schema must be an object, true or false");
  rest = constrain_json_inside(schema);
  while (constrain_json_next_member(&rest, &key, &value)) {
    int i = find_keyword(key);
    if (i < 0) return refuse(c, key, "this is not supported");
    base_status st = set_keyword(c, n, keywords[i].is, key, value);
    if (st) return st;
  }
  return BASE_OK;
}

base_status constrain_schema_open(constrain_schema **out, base_slice json, const char *where,
                                  const base_allocator *a, base_error *err) {
  *out = NULL;
  if (a == NULL) a = base_allocator_libc();
  base_status st = constrain_json_text_check(json, CONSTRAIN_MAX_SCHEMA_BYTES, where, err);
  if (st) return st;
  struct constrain_schema *s = base_calloc(a, 1, sizeof *s);
  if (s == NULL) return base_fail(err, BASE_ENOMEM, where, "no memory for the schema");
  s->allocator = *a;
  s->text_bytes = json.len;
  s->text = base_alloc(a, json.len);
  if (s->text == NULL) {
    st = base_fail(err, BASE_ENOMEM, where, "no memory for the schema");
  } else {
    compiler c = {s, where, err};
    memcpy(s->text, json.ptr, json.len);
    st = compile(&c, constrain_json_document((base_slice){s->text, s->text_bytes}), &s->root);
  }
  if (st) constrain_schema_close(s);
  else *out = s;
  return st;
}

void constrain_schema_close(constrain_schema *s) {
  if (s == NULL) return;
  base_allocator a = s->allocator;
  base_free(&a, s->node, s->cap * sizeof *s->node);
  base_free(&a, s->text, s->text_bytes);
  base_free(&a, s, sizeof *s);
}
