/* Schema objects to operations. Children get their number when they are first named and are compiled later,
 * from a queue, so that depth costs no stack and a schema that is reached twice is compiled once. Operations
 * stand in the order in which they run: cheap ones first, those that need to know what was evaluated last. */
#include "constrain/internal.h"

#include <string.h>

enum {
  ON_NUMBER = 1 << JDOC_NUMBER,
  ON_STRING = 1 << JDOC_STRING,
  ON_ARRAY = 1 << JDOC_ARRAY,
  ON_OBJECT = 1 << JDOC_OBJECT,
  ON_ANY = 127
};

/* One schema object at hand. */
typedef struct work {
  constrain_build *b;
  const jdoc *d;
  uint32_t doc, resource;
  constrain_dialect dialect;
  uint32_t at[CONSTRAIN_KEYWORDS]; /* json node of each keyword's value, CONSTRAIN_NONE */
} work;

/* ---- growing ---- */

static base_status add_kid(constrain_build *b, uint32_t kid) {
  constrain_schema *s = b->s;
  if (!constrain_vec_need(&s->kid, 1, sizeof kid, &s->allocator)) return constrain_no_memory(b);
  ((uint32_t *)s->kid.ptr)[s->kid.n++] = kid;
  return BASE_OK;
}

static base_status add_op(constrain_build *b, constrain_op op) {
  constrain_schema *s = b->s;
  if (!constrain_vec_need(&s->op, 1, sizeof op, &s->allocator)) return constrain_no_memory(b);
  ((constrain_op *)s->op.ptr)[s->op.n++] = op;
  return BASE_OK;
}

static base_status add_name(constrain_build *b, uint64_t scope, base_slice text, uint32_t value) {
  base_status st = constrain_names_add(&b->s->names, scope, text, value, NULL, &b->s->allocator);
  if (st == BASE_ENOMEM) return constrain_no_memory(b);
  return st ? base_fail(b->err, st, b->where, "the schema's names are made to collide") : BASE_OK;
}

/* The number of the schema at a json node; it is queued when it is new. */
static base_status schema_number(constrain_build *b, uint32_t doc, uint32_t at, uint32_t resource,
                                 uint32_t *out) {
  constrain_schema *s = b->s;
  uint32_t *known = &constrain_doc_at(s, doc)->schema_of[at];
  if (*known == CONSTRAIN_NONE) {
    uint32_t own = constrain_doc_at(s, doc)->resource_of[at];
    if (!constrain_vec_need(&s->node, 1, sizeof(constrain_node), &s->allocator)) return constrain_no_memory(b);
    *known = (uint32_t)s->node.n;
    ((constrain_node *)s->node.ptr)[s->node.n++] =
        (constrain_node){.doc = doc, .at = at, .resource = own != CONSTRAIN_NONE ? own : resource};
  }
  *out = *known;
  return BASE_OK;
}

static base_status child(work *w, uint32_t at, uint32_t *out) {
  return schema_number(w->b, w->doc, at, w->resource, out);
}

static base_status refuse(const work *w, uint32_t at, const char *text) {
  return constrain_refuse(w->b, w->doc, at, "%s", text);
}

static bool has(const work *w, constrain_keyword k) {
  return w->at[k] != CONSTRAIN_NONE;
}

static base_status plain_op(work *w, constrain_code code, unsigned kinds, uint32_t value) {
  return add_op(w->b, (constrain_op){.code = (uint8_t)code, .kinds = (uint8_t)kinds, .value = value});
}

/* ---- values of keywords ---- */

static base_status read_size(const work *w, constrain_keyword k, size_t absent, uint32_t *out) {
  jdoc_number n;
  size_t v = absent;
  if (has(w, k)) {
    if (jdoc_kind_at(w->d, w->at[k]) != JDOC_NUMBER)
      return refuse(w, w->at[k], "this must be a whole number, 0 or more");
    n = jdoc_number_of(jdoc_raw(w->d, w->at[k]));
    if (!jdoc_number_to_size(&n, &v)) return refuse(w, w->at[k], "this must be a whole number, 0 or more");
  }
  *out = v < CONSTRAIN_NONE ? (uint32_t)v : CONSTRAIN_NONE; /* no text is that long */
  return BASE_OK;
}

static base_status read_flag(const work *w, constrain_keyword k, bool *out) {
  jdoc_kind kind = has(w, k) ? jdoc_kind_at(w->d, w->at[k]) : JDOC_FALSE;
  *out = kind == JDOC_TRUE;
  return kind == JDOC_TRUE || kind == JDOC_FALSE ? BASE_OK : refuse(w, w->at[k], "this must be true or false");
}

static base_status need_kind(const work *w, uint32_t at, jdoc_kind kind) {
  static const char *const texts[] = {"this must be null", "", "", "this must be a number",
                                      "this must be a string",
                                      "this must be a list", "this must be an object"};
  return jdoc_kind_at(w->d, at) == kind ? BASE_OK : refuse(w, at, texts[kind]);
}

static base_status need_names(const work *w, uint32_t list) {
  base_status st = need_kind(w, list, JDOC_ARRAY);
  uint32_t v = list + 1;
  for (uint32_t n = st ? 0 : jdoc_count(w->d, list); n > 0 && !st; n--, v = jdoc_next(w->d, v))
    if (jdoc_kind_at(w->d, v) != JDOC_STRING) st = refuse(w, list, "this must be a list of names");
  return st;
}

/* ---- assertions ---- */

/* A number has to be whole; in draft 4 also written without fraction and exponent. */
enum { ONLY_INTEGERS = 1, PLAINLY_WRITTEN = 2 };

static base_status read_type(const work *w, uint32_t at, unsigned *kinds, bool *integer, bool *number) {
  static const struct {
    const char *name;
    unsigned kinds;
  } types[] = {{"null", 1 << JDOC_NULL}, {"boolean", 1 << JDOC_TRUE | 1 << JDOC_FALSE}, {"number", ON_NUMBER},
               {"integer", ON_NUMBER},
               {"string", ON_STRING}, {"array", ON_ARRAY}, {"object", ON_OBJECT}};
  if (jdoc_kind_at(w->d, at) != JDOC_STRING) return refuse(w, at, "a type's name is a string");
  base_slice name = jdoc_text(w->d, at);
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (!base_slice_equal(name, base_slice_of(types[i].name))) continue;
    *kinds |= types[i].kinds;
    if (types[i].kinds == ON_NUMBER) *(name.ptr[0] == 'i' ? integer : number) = true;
    return BASE_OK;
  }
  return refuse(w, at, "unknown type");
}

static base_status compile_type(work *w) {
  unsigned kinds = 0;
  bool integer = false, number = false;
  if (!has(w, CONSTRAIN_K_TYPE)) return BASE_OK;
  uint32_t at = w->at[CONSTRAIN_K_TYPE];
  int flags = w->dialect.draft == D4 ? ONLY_INTEGERS | PLAINLY_WRITTEN : ONLY_INTEGERS;
  base_status st = BASE_OK;
  if (jdoc_kind_at(w->d, at) != JDOC_ARRAY) {
    st = read_type(w, at, &kinds, &integer, &number);
  } else {
    uint32_t v = at + 1;
    for (uint32_t n = jdoc_count(w->d, at); n > 0 && !st; n--, v = jdoc_next(w->d, v))
      st = read_type(w, v, &kinds, &integer, &number);
    if (!st && kinds == 0) st = refuse(w, at, "no type at all");
  }
  if (st) return st;
  return add_op(w->b, (constrain_op){.code = CONSTRAIN_OP_TYPE, .kinds = ON_ANY, .detail = (uint8_t)kinds,
                                     .flags = (uint8_t)(integer && !number ? flags : 0), .value = at});
}

static base_status compile_values(work *w) {
  base_status st = BASE_OK;
  if (has(w, CONSTRAIN_K_ENUM)) {
    st = need_kind(w, w->at[CONSTRAIN_K_ENUM], JDOC_ARRAY);
    if (!st) st = plain_op(w, CONSTRAIN_OP_ENUM, ON_ANY, w->at[CONSTRAIN_K_ENUM]);
  }
  if (!st && has(w, CONSTRAIN_K_CONST)) st = plain_op(w, CONSTRAIN_OP_CONST, ON_ANY, w->at[CONSTRAIN_K_CONST]);
  return st;
}

static base_status compile_limit(work *w, constrain_keyword k, constrain_code code) {
  if (!has(w, k)) return BASE_OK;
  base_status st = need_kind(w, w->at[k], JDOC_NUMBER);
  return st ? st : plain_op(w, code, ON_NUMBER, w->at[k]);
}

/* Draft 4 says with a flag whether a limit is exclusive. */
static base_status compile_old_limits(work *w) {
  bool above, below;
  base_status st = read_flag(w, CONSTRAIN_K_ABOVE, &above);
  if (!st) st = read_flag(w, CONSTRAIN_K_BELOW, &below);
  if (!st) st = compile_limit(w, CONSTRAIN_K_MINIMUM, above ? CONSTRAIN_OP_ABOVE : CONSTRAIN_OP_MINIMUM);
  return st ? st : compile_limit(w, CONSTRAIN_K_MAXIMUM, below ? CONSTRAIN_OP_BELOW : CONSTRAIN_OP_MAXIMUM);
}

static base_status compile_multiple(work *w) {
  if (!has(w, CONSTRAIN_K_MULTIPLE_OF)) return BASE_OK;
  uint32_t at = w->at[CONSTRAIN_K_MULTIPLE_OF];
  base_status st = need_kind(w, at, JDOC_NUMBER);
  if (st) return st;
  jdoc_number n = jdoc_number_of(jdoc_raw(w->d, at));
  if (n.negative || n.digits == 0) return refuse(w, at, "this must be above 0");
  if (n.digits > JDOC_MAX_DIVISOR_DIGITS) return refuse(w, at, "this has too many digits");
  return plain_op(w, CONSTRAIN_OP_MULTIPLE_OF, ON_NUMBER, at);
}

static base_status compile_numbers(work *w) {
  base_status st;
  if (w->dialect.draft == D4) {
    st = compile_old_limits(w);
  } else {
    st = compile_limit(w, CONSTRAIN_K_MINIMUM, CONSTRAIN_OP_MINIMUM);
    if (!st) st = compile_limit(w, CONSTRAIN_K_MAXIMUM, CONSTRAIN_OP_MAXIMUM);
    if (!st) st = compile_limit(w, CONSTRAIN_K_ABOVE, CONSTRAIN_OP_ABOVE);
    if (!st) st = compile_limit(w, CONSTRAIN_K_BELOW, CONSTRAIN_OP_BELOW);
  }
  return st ? st : compile_multiple(w);
}

/* A pair of least and most, each from its keyword. */
static base_status compile_range(work *w, constrain_keyword least, constrain_keyword most,
                                 constrain_code code, unsigned kinds) {
  uint32_t low = 0, high = 0;
  if (!has(w, least) && !has(w, most)) return BASE_OK;
  base_status st = read_size(w, least, 0, &low);
  if (!st) st = read_size(w, most, CONSTRAIN_NONE, &high);
  if (st) return st;
  return add_op(w->b, (constrain_op){.code = (uint8_t)code, .kinds = (uint8_t)kinds,
                                     .value = has(w, least) ? w->at[least] : w->at[most],
                                     .x = low, .y = high, .n = has(w, most) ? w->at[most] : w->at[least]});
}

/* The number of a regular expression; equal ones are compiled once. */
static base_status compile_regex(work *w, uint32_t at, base_slice text, uint32_t *out) {
  constrain_schema *s = w->b->s;
  uint64_t scope = constrain_scope_of(CONSTRAIN_S_PATTERN, 0, 0);
  base_error problem = {0};
  *out = constrain_names_find(&s->names, scope, text);
  if (*out != CONSTRAIN_NONE) return BASE_OK;
  if (s->options.refuse_unknown) return refuse(w, at, "regular expressions are not supported here");
  if (!constrain_vec_need(&s->regex, 1, sizeof(regex *), &s->allocator)) return constrain_no_memory(w->b);
  regex **fresh = (regex **)s->regex.ptr + s->regex.n;
  base_status st = regex_open(fresh, text, NULL, &s->allocator, &problem);
  if (st == BASE_ENOMEM) return constrain_no_memory(w->b);
  if (st) return refuse(w, at, problem.text);
  *out = (uint32_t)s->regex.n++;
  return add_name(w->b, scope, text, *out);
}

static base_status compile_format(work *w) {
  const constrain_options *o = &w->b->s->options;
  if (!has(w, CONSTRAIN_K_FORMAT)) return BASE_OK;
  uint32_t at = w->at[CONSTRAIN_K_FORMAT];
  base_status st = need_kind(w, at, JDOC_STRING);
  if (st) return st;
  constrain_format f = constrain_format_of(jdoc_text(w->d, at), o->refuse_unknown);
  bool asserted = (w->dialect.vocabulary & CONSTRAIN_V_ASSERT_FORMATS) != 0;
  if (f == CONSTRAIN_F_REGEX && o->refuse_unknown) f = CONSTRAIN_FORMATS;
  if (f == CONSTRAIN_FORMATS && (o->refuse_unknown || asserted))
    return refuse(w, at, "this format is not supported");
  if (f == CONSTRAIN_FORMATS || (o->ignore_formats && !asserted)) return BASE_OK;
  return add_op(w->b, (constrain_op){.code = CONSTRAIN_OP_FORMAT, .kinds = ON_STRING, .detail = (uint8_t)f,
                                     .value = at});
}

static base_status compile_content(work *w) {
  uint32_t encoding = w->at[CONSTRAIN_K_CONTENT_ENCODING], type = w->at[CONSTRAIN_K_CONTENT_TYPE];
  bool base64 = encoding != CONSTRAIN_NONE && jdoc_kind_at(w->d, encoding) == JDOC_STRING &&
                base_slice_equal(jdoc_text(w->d, encoding), BASE_LITERAL("base64"));
  bool json = type != CONSTRAIN_NONE && jdoc_kind_at(w->d, type) == JDOC_STRING &&
              base_slice_equal(jdoc_text(w->d, type), BASE_LITERAL("application/json"));
  if (!w->b->s->options.assert_content || (!base64 && !json)) return BASE_OK;
  if (encoding != CONSTRAIN_NONE && !base64) return BASE_OK; /* nobody knows what is inside */
  return add_op(w->b, (constrain_op){.code = CONSTRAIN_OP_CONTENT, .kinds = ON_STRING,
                                     .value = base64 ? encoding : type,
                                     .x = base64, .y = json});
}

static base_status compile_strings(work *w) {
  base_status st = compile_range(w, CONSTRAIN_K_MIN_LENGTH, CONSTRAIN_K_MAX_LENGTH, CONSTRAIN_OP_LENGTH,
                                 ON_STRING);
  if (!st && has(w, CONSTRAIN_K_PATTERN)) {
    uint32_t at = w->at[CONSTRAIN_K_PATTERN], number = 0;
    st = need_kind(w, at, JDOC_STRING);
    if (!st) st = compile_regex(w, at, jdoc_text(w->d, at), &number);
    if (!st)
      st = add_op(w->b, (constrain_op){.code = CONSTRAIN_OP_PATTERN, .kinds = ON_STRING, .value = at,
                                       .x = number});
  }
  if (!st) st = compile_format(w);
  return st ? st : compile_content(w);
}

/* ---- objects ---- */

/* x: op scope of the names in the table; n: how many different ones. */
static base_status compile_required(work *w) {
  constrain_schema *s = w->b->s;
  if (!has(w, CONSTRAIN_K_REQUIRED)) return BASE_OK;
  uint32_t at = w->at[CONSTRAIN_K_REQUIRED], scope = (uint32_t)s->op.n, different = 0, v = at + 1;
  /* draft 3's `required: true` within a property is not draft 4's, and means nothing there */
  base_status st = need_names(w, at);
  for (uint32_t n = st ? 0 : jdoc_count(w->d, at); n > 0 && !st; n--, v = jdoc_next(w->d, v)) {
    uint64_t in = constrain_scope_of(CONSTRAIN_S_REQUIRED, 0, scope);
    if (constrain_names_find(&s->names, in, jdoc_text(w->d, v)) != CONSTRAIN_NONE) continue;
    st = add_name(w->b, in, jdoc_text(w->d, v), different++);
  }
  if (st || different == 0) return st;
  return add_op(w->b, (constrain_op){.code = CONSTRAIN_OP_REQUIRED, .kinds = ON_OBJECT, .value = at,
                                     .x = scope, .n = different});
}

/* Triggers: name to index of a kid, which is a schema, or a list of names with the highest bit set (its json node). */
static base_status compile_dependent(work *w, constrain_keyword k) {
  constrain_schema *s = w->b->s;
  if (!has(w, k)) return BASE_OK;
  uint32_t at = w->at[k], scope = (uint32_t)s->op.n, key = at + 1;
  base_status st = need_kind(w, at, JDOC_OBJECT);
  for (uint32_t n = st ? 0 : jdoc_count(w->d, at); n > 0 && !st; n--, key = jdoc_next(w->d, key + 1)) {
    bool list = k == CONSTRAIN_K_DEPENDENCIES && jdoc_kind_at(w->d, key + 1) == JDOC_ARRAY;
    bool names = k == CONSTRAIN_K_DEPENDENT_REQUIRED || list;
    uint32_t target = (key + 1) | UINT32_C(0x80000000);
    st = names ? need_names(w, key + 1) : child(w, key + 1, &target);
    if (!st)
      st = add_name(w->b, constrain_scope_of(CONSTRAIN_S_TRIGGER, 0, scope), jdoc_text(w->d, key), target);
  }
  if (st) return st;
  return add_op(w->b, (constrain_op){.code = CONSTRAIN_OP_DEPENDENT, .kinds = ON_OBJECT, .value = at,
                                     .x = scope});
}

static base_status compile_patterns(work *w, constrain_members *m) {
  uint32_t at = w->at[CONSTRAIN_K_PATTERN_PROPERTIES], key = at + 1, regex_number = 0, schema = 0;
  base_status st = need_kind(w, at, JDOC_OBJECT);
  m->first_pattern = (uint32_t)w->b->s->kid.n;
  m->n_patterns = st ? 0 : jdoc_count(w->d, at);
  for (uint32_t n = m->n_patterns; n > 0 && !st; n--, key = jdoc_next(w->d, key + 1)) {
    st = compile_regex(w, key, jdoc_text(w->d, key), &regex_number);
    if (!st) st = child(w, key + 1, &schema);
    if (!st) st = add_kid(w->b, regex_number);
    if (!st) st = add_kid(w->b, schema);
  }
  return st;
}

static base_status compile_members(work *w) {
  constrain_schema *s = w->b->s;
  uint32_t properties = w->at[CONSTRAIN_K_PROPERTIES], additional = w->at[CONSTRAIN_K_ADDITIONAL_PROPERTIES];
  constrain_members m = {.additional = CONSTRAIN_NONE, .properties = has(w, CONSTRAIN_K_PROPERTIES)};
  bool patterns = has(w, CONSTRAIN_K_PATTERN_PROPERTIES);
  base_status st = BASE_OK;
  if (!m.properties && !patterns && additional == CONSTRAIN_NONE) return BASE_OK;
  uint32_t index = (uint32_t)s->members.n;
  if (m.properties) st = need_kind(w, properties, JDOC_OBJECT);
  uint32_t key = properties + 1, schema = 0;
  uint32_t n = m.properties && !st ? jdoc_count(w->d, properties) : 0;
  for (; n > 0 && !st; n--, key = jdoc_next(w->d, key + 1)) {
    st = child(w, key + 1, &schema);
    if (!st)
      st = add_name(w->b, constrain_scope_of(CONSTRAIN_S_PROPERTY, 0, index), jdoc_text(w->d, key), schema);
  }
  if (!st && patterns) st = compile_patterns(w, &m);
  if (!st && additional != CONSTRAIN_NONE) st = child(w, additional, &m.additional);
  if (st) return st;
  if (!constrain_vec_need(&s->members, 1, sizeof m, &s->allocator)) return constrain_no_memory(w->b);
  ((constrain_members *)s->members.ptr)[s->members.n++] = m;
  uint32_t value = m.properties ? properties : patterns ? w->at[CONSTRAIN_K_PATTERN_PROPERTIES] : additional;
  return add_op(w->b, (constrain_op){.code = CONSTRAIN_OP_MEMBERS, .kinds = ON_OBJECT, .value = value,
                                     .x = index});
}

static base_status compile_one(work *w, constrain_keyword k, constrain_code code, unsigned kinds) {
  uint32_t schema = 0;
  if (!has(w, k)) return BASE_OK;
  base_status st = child(w, w->at[k], &schema);
  if (st) return st;
  return add_op(w->b, (constrain_op){.code = (uint8_t)code, .kinds = (uint8_t)kinds, .value = w->at[k],
                                     .x = schema});
}

static base_status compile_objects(work *w) {
  base_status st = compile_range(w, CONSTRAIN_K_MIN_PROPERTIES, CONSTRAIN_K_MAX_PROPERTIES,
                                 CONSTRAIN_OP_COUNT, ON_OBJECT);
  if (!st) st = compile_required(w);
  if (!st) st = compile_dependent(w, CONSTRAIN_K_DEPENDENT_REQUIRED);
  if (!st) st = compile_one(w, CONSTRAIN_K_PROPERTY_NAMES, CONSTRAIN_OP_NAMES, ON_OBJECT);
  if (!st) st = compile_members(w);
  if (!st) st = compile_dependent(w, CONSTRAIN_K_DEPENDENT_SCHEMAS);
  return st ? st : compile_dependent(w, CONSTRAIN_K_DEPENDENCIES);
}

/* ---- arrays ---- */

/* x: first kid, n: how many stand for the first items, y: the schema of the others. */
static base_status compile_prefix(work *w, constrain_keyword prefix, constrain_keyword others) {
  constrain_op op = {.code = CONSTRAIN_OP_ITEMS, .kinds = ON_ARRAY, .y = CONSTRAIN_NONE,
                     .x = (uint32_t)w->b->s->kid.n};
  uint32_t schema = 0;
  base_status st = BASE_OK;
  if (prefix != CONSTRAIN_KEYWORDS && has(w, prefix)) {
    uint32_t v = w->at[prefix] + 1;
    op.value = w->at[prefix];
    st = need_kind(w, op.value, JDOC_ARRAY);
    if (!st) op.n = jdoc_count(w->d, op.value);
    for (uint32_t n = op.n; n > 0 && !st; n--, v = jdoc_next(w->d, v)) {
      st = child(w, v, &schema);
      if (!st) st = add_kid(w->b, schema);
    }
  }
  if (!st && others != CONSTRAIN_KEYWORDS && has(w, others)) {
    st = child(w, w->at[others], &op.y);
    if (op.n == 0) op.value = w->at[others];
  }
  if (st || (op.n == 0 && op.y == CONSTRAIN_NONE)) return st;
  return add_op(w->b, op);
}

static base_status compile_items(work *w) {
  bool list = has(w, CONSTRAIN_K_ITEMS) && jdoc_kind_at(w->d, w->at[CONSTRAIN_K_ITEMS]) == JDOC_ARRAY;
  if (w->dialect.draft == D20) {
    if (list)
      return refuse(w, w->at[CONSTRAIN_K_ITEMS],
                    "a list of schemas is prefixItems in draft 2020-12 (or say which draft it is)");
    return compile_prefix(w, CONSTRAIN_K_PREFIX_ITEMS, CONSTRAIN_K_ITEMS);
  }
  if (list) return compile_prefix(w, CONSTRAIN_K_ITEMS, CONSTRAIN_K_ADDITIONAL_ITEMS);
  return compile_prefix(w, CONSTRAIN_KEYWORDS, CONSTRAIN_K_ITEMS);
}

/* x: the schema, y: least, n: most. */
static base_status compile_contains(work *w) {
  constrain_op op = {.code = CONSTRAIN_OP_CONTAINS, .kinds = ON_ARRAY, .value = w->at[CONSTRAIN_K_CONTAINS]};
  if (!has(w, CONSTRAIN_K_CONTAINS)) return BASE_OK;
  base_status st = child(w, op.value, &op.x);
  if (!st) st = read_size(w, CONSTRAIN_K_MIN_CONTAINS, 1, &op.y);
  if (!st) st = read_size(w, CONSTRAIN_K_MAX_CONTAINS, CONSTRAIN_NONE, &op.n);
  op.flags = w->dialect.draft == D20; /* the items found count as evaluated */
  return st ? st : add_op(w->b, op);
}

static base_status compile_arrays(work *w) {
  bool unique;
  base_status st = compile_range(w, CONSTRAIN_K_MIN_ITEMS, CONSTRAIN_K_MAX_ITEMS, CONSTRAIN_OP_COUNT, ON_ARRAY);
  if (!st) st = compile_items(w);
  if (!st) st = compile_contains(w);
  if (!st) st = read_flag(w, CONSTRAIN_K_UNIQUE, &unique);
  if (!st && unique) st = plain_op(w, CONSTRAIN_OP_UNIQUE, ON_ARRAY, w->at[CONSTRAIN_K_UNIQUE]);
  return st;
}

/* ---- schemas on the same value ---- */

static base_status compile_list(work *w, constrain_keyword k, constrain_code code) {
  if (!has(w, k)) return BASE_OK;
  uint32_t at = w->at[k], v = at + 1, schema = 0;
  if (jdoc_kind_at(w->d, at) != JDOC_ARRAY || jdoc_count(w->d, at) == 0)
    return refuse(w, at, "this must be a list of schemas that is not empty");
  constrain_op op = {.code = (uint8_t)code, .kinds = ON_ANY, .value = at, .x = (uint32_t)w->b->s->kid.n,
                     .n = jdoc_count(w->d, at)};
  base_status st = BASE_OK;
  for (uint32_t n = op.n; n > 0 && !st; n--, v = jdoc_next(w->d, v)) {
    st = child(w, v, &schema);
    if (!st) st = add_kid(w->b, schema);
  }
  return st ? st : add_op(w->b, op);
}

/* x: if, y: then, n: else. */
static base_status compile_if(work *w) {
  constrain_op op = {.code = CONSTRAIN_OP_IF, .kinds = ON_ANY, .value = w->at[CONSTRAIN_K_IF],
                     .y = CONSTRAIN_NONE, .n = CONSTRAIN_NONE};
  if (!has(w, CONSTRAIN_K_IF)) return BASE_OK;
  base_status st = child(w, op.value, &op.x);
  if (!st && has(w, CONSTRAIN_K_THEN)) st = child(w, w->at[CONSTRAIN_K_THEN], &op.y);
  if (!st && has(w, CONSTRAIN_K_ELSE)) st = child(w, w->at[CONSTRAIN_K_ELSE], &op.n);
  return st ? st : add_op(w->b, op);
}

/* x: the schema it leads to; y: the json node of its dynamic anchor's name, when there is one. */
static base_status compile_ref(work *w, constrain_keyword k) {
  if (!has(w, k)) return BASE_OK;
  uint32_t at = w->at[k], doc, node, resource, schema = 0;
  bool dynamic;
  base_status st = need_kind(w, at, JDOC_STRING);
  if (!st)
    st = constrain_resolve(w->b, w->resource, w->doc, at, jdoc_text(w->d, at), &doc, &node, &resource,
                           &dynamic);
  if (!st) st = schema_number(w->b, doc, node, resource, &schema);
  if (st) return st;
  w->d = &constrain_doc_at(w->b->s, w->doc)->d; /* documents may have been added */
  dynamic = dynamic && k != CONSTRAIN_K_REF;
  return add_op(w->b, (constrain_op){.code = dynamic ? CONSTRAIN_OP_DYNAMIC_REF : CONSTRAIN_OP_REF,
                                     .kinds = ON_ANY,
                                     .flags = k == CONSTRAIN_K_RECURSIVE_REF, .value = at, .x = schema});
}

static base_status compile_combined(work *w) {
  base_status st = compile_ref(w, CONSTRAIN_K_REF);
  if (!st) st = compile_ref(w, CONSTRAIN_K_DYNAMIC_REF);
  if (!st) st = compile_ref(w, CONSTRAIN_K_RECURSIVE_REF);
  if (!st) st = compile_list(w, CONSTRAIN_K_ALL_OF, CONSTRAIN_OP_ALL_OF);
  if (!st) st = compile_list(w, CONSTRAIN_K_ANY_OF, CONSTRAIN_OP_ANY_OF);
  if (!st) st = compile_list(w, CONSTRAIN_K_ONE_OF, CONSTRAIN_OP_ONE_OF);
  if (!st) st = compile_one(w, CONSTRAIN_K_NOT, CONSTRAIN_OP_NOT, ON_ANY);
  return st ? st : compile_if(w);
}

/* ---- one schema ---- */

static base_status read_keywords(work *w, uint32_t at) {
  uint32_t k = at + 1;
  memset(w->at, 0xFF, sizeof w->at);
  for (uint32_t n = jdoc_count(w->d, at); n > 0; n--, k = jdoc_next(w->d, k + 1)) {
    constrain_keyword is = constrain_keyword_of(jdoc_text(w->d, k), w->dialect);
    if (is != CONSTRAIN_KEYWORDS) w->at[is] = k + 1;
    else if (w->b->s->options.refuse_unknown) return refuse(w, k + 1, "this keyword is not supported");
  }
  if (w->dialect.draft <= D7 && has(w, CONSTRAIN_K_REF)) { /* its siblings mean nothing */
    uint32_t ref = w->at[CONSTRAIN_K_REF];
    memset(w->at, 0xFF, sizeof w->at);
    w->at[CONSTRAIN_K_REF] = ref;
  }
  return BASE_OK;
}

static base_status compile_schema(constrain_build *b, uint32_t number) {
  constrain_schema *s = b->s;
  constrain_node node = *constrain_node_at(s, number);
  work w = {.b = b, .d = &constrain_doc_at(s, node.doc)->d, .doc = node.doc, .resource = node.resource,
            .dialect = constrain_resource_at(s, node.resource)->dialect};
  jdoc_kind kind = jdoc_kind_at(w.d, node.at);
  node.first_op = (uint32_t)s->op.n;
  node.never = kind == JDOC_FALSE;
  base_status st = BASE_OK;
  if (kind == JDOC_OBJECT) {
    st = read_keywords(&w, node.at);
    if (!st) st = compile_type(&w);
    if (!st) st = compile_values(&w);
    if (!st) st = compile_numbers(&w);
    if (!st) st = compile_strings(&w);
    if (!st) st = compile_objects(&w);
    if (!st) st = compile_arrays(&w);
    if (!st) st = compile_combined(&w);
    if (!st) st = compile_one(&w, CONSTRAIN_K_UNEVALUATED_ITEMS, CONSTRAIN_OP_UNEVALUATED_ITEMS, ON_ARRAY);
    if (!st)
      st = compile_one(&w, CONSTRAIN_K_UNEVALUATED_PROPERTIES, CONSTRAIN_OP_UNEVALUATED_MEMBERS, ON_OBJECT);
    node.unevaluated = has(&w, CONSTRAIN_K_UNEVALUATED_ITEMS) || has(&w, CONSTRAIN_K_UNEVALUATED_PROPERTIES);
  } else if (kind != JDOC_FALSE && kind != JDOC_TRUE) {
    st = refuse(&w, node.at, "a schema must be an object, true or false");
  }
  node.n_ops = (uint32_t)s->op.n - node.first_op;
  *constrain_node_at(s, number) = node;
  return st;
}

/* A dynamic anchor may be entered from any $dynamicRef of its name, whether a reference leads to it or not. */
static base_status number_anchors(constrain_build *b) {
  constrain_schema *s = b->s;
  base_status st = BASE_OK;
  for (size_t i = 0; i < s->names.entry.n && !st; i++) {
    const constrain_name *e = (const constrain_name *)s->names.entry.ptr + i;
    uint32_t number, resource = (uint32_t)e->scope;
    if (e->scope >> 58 != CONSTRAIN_S_DYNAMIC) continue;
    st = schema_number(b, constrain_resource_at(s, resource)->doc, e->value, resource, &number);
  }
  return st;
}

base_status constrain_compile(constrain_build *b) {
  constrain_schema *s = b->s;
  size_t done = 0, anchored = 0;
  base_status st = schema_number(b, 0, 0, 0, &s->root);
  while (!st && (done < s->node.n || anchored < s->names.entry.n)) {
    if (done < s->node.n) {
      st = compile_schema(b, (uint32_t)done++);
    } else {
      anchored = s->names.entry.n;
      st = number_anchors(b);
    }
  }
  return st;
}
