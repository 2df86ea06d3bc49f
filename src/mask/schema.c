/* mask/schema: the document's subschemas to nodes. A work list instead of recursion, so depth costs no stack; each
 * subschema is compiled once, however many references lead to it. */
#include <stdlib.h>
#include <string.h>

#include "mask/internal.h"
#include "mask/refs.h"

enum { MAX_SCHEMAS = 1000000, MAX_IN_PLACE_DEPTH = 1500 };

typedef struct compiler {
  mask_rule *r;
  mask_refs refs;
  uint32_t *work, n_work, cap_work;
  base_status status;
  base_error *err;
} compiler;

/* ---- errors and notes ---- */

static void put_path(const jdoc *d, uint32_t at, base_buf *out) {
  uint32_t i = 0;
  while (i != at) {
    bool object = jdoc_kind_at(d, i) == JDOC_OBJECT;
    uint32_t index = 0, v = i + 1;
    if (jdoc_kind_at(d, i) < JDOC_ARRAY) return;
    while (v < d->node[i].link) {
      uint32_t value = object ? v + 1 : v, end = jdoc_next(d, value);
      if (at >= v && at < end) {
        if (object) jdoc_put_pointer(out, jdoc_text(d, v));
        else base_buf_printf(out, "/%u", index);
        i = at == v ? at : value;
        break;
      }
      v = end;
      index++;
    }
  }
}

static void account(compiler *c, uint32_t at, const char *keyword, const char *reason, mask_when when);

/* An account goes on, so that all that is refused is listed; what is over a bound ends it. */
static void refuse(compiler *c, uint32_t at, base_status code, const char *text) {
  if (c->status != BASE_OK) return;
  if (c->r->options.account && code != BASE_ELIMIT) {
    account(c, at, "", text, MASK_REFUSED);
    return;
  }
  base_buf path = {.allocator = c->r->allocator};
  put_path(&c->r->doc, at, &path);
  c->status = base_fail(c->err, code, path.len > 0 ? path.ptr : "/", "%s", text);
  base_buf_free(&path);
}

static bool out_of_memory(compiler *c) {
  if (c->status == BASE_OK)
    c->status = base_fail(c->err, c->r->pool.failed != BASE_OK ? c->r->pool.failed : BASE_ENOMEM, "schema",
                          "the schema needs more memory than is allowed");
  return false;
}

static void *take(compiler *c, size_t count, size_t unit) {
  void *out = mask_pool_take(&c->r->pool, count * unit);
  if (out == NULL) out_of_memory(c);
  return out;
}

/* What is decided late; see mask_note. */
typedef enum lateness { LATE_IN_VALUE, LATE_MAY_FAIL, LATE_IN_DOCUMENT } lateness;

static void add_note(compiler *c, mask_place place) {
  mask_note_list *l = &c->r->notes;
  mask_place *grown = mask_pool_grow(&c->r->pool, l->place, sizeof *grown, l->count, &l->cap);
  if (grown == NULL) {
    out_of_memory(c);
    return;
  }
  l->place = grown;
  l->place[l->count++] = place;
}

static void note(compiler *c, uint32_t at, const char *keyword, const char *reason, lateness late) {
  mask_when when = late == LATE_IN_DOCUMENT ? MASK_AT_DOCUMENTS_END : MASK_AT_VALUES_END;
  add_note(c, (mask_place){at, when, late != LATE_IN_VALUE, keyword, reason});
  c->r->notes.may_fail |= late != LATE_IN_VALUE;
  c->r->notes.by_validator |= late == LATE_IN_DOCUMENT;
}

/* What only an account has. Texts may be those of an error: they are kept. */
static void account(compiler *c, uint32_t at, const char *keyword, const char *reason, mask_when when) {
  if (!c->r->options.account) return;
  size_t n = strlen(keyword) + 1, m = strlen(reason) + 1;
  char *kept = take(c, n + m, 1);
  if (kept == NULL) return;
  memcpy(kept, keyword, n);
  memcpy(kept + n, reason, m);
  add_note(c, (mask_place){at, when, false, kept, kept + n});
}

/* ---- nodes ---- */

static node *new_node(compiler *c, uint32_t at) {
  mask_rule *r = c->r;
  if (r->n_nodes >= MAX_SCHEMAS) {
    refuse(c, at, BASE_ELIMIT, "the schema has more than 1,000,000 subschemas");
    return NULL;
  }
  node **grown = mask_pool_grow(&r->pool, r->nodes, sizeof *grown, r->n_nodes, &r->cap_nodes);
  node *n = grown == NULL ? NULL : take(c, 1, sizeof *n);
  if (n == NULL) {
    out_of_memory(c);
    return NULL;
  }
  r->nodes = grown;
  r->nodes[r->n_nodes++] = n;
  n->at = at;
  n->kinds = KINDS_ALL;
  n->max_length = n->max_items = n->max_properties = n->max_contains = MASK_NONE;
  n->items = n->contains = n->additional = n->names = MASK_NONE;
  return n;
}

static bool add_work(compiler *c, uint32_t id) {
  uint32_t *grown = mask_pool_grow(&c->r->pool, c->work, sizeof *grown, c->n_work, &c->cap_work);
  if (grown == NULL) return out_of_memory(c);
  c->work = grown;
  c->work[c->n_work++] = id;
  return true;
}

/* The node of the subschema at value `at`, compiled later. */
static uint32_t node_of(compiler *c, uint32_t at) {
  mask_rule *r = c->r;
  if (c->status != BASE_OK) return NODE_ANY;
  jdoc_kind kind = jdoc_kind_at(&r->doc, at);
  if (kind == JDOC_TRUE || (kind == JDOC_OBJECT && jdoc_count(&r->doc, at) == 0)) return NODE_ANY;
  if (kind == JDOC_FALSE) return NODE_NEVER;
  if (kind != JDOC_OBJECT) {
    refuse(c, at, BASE_EFORMAT, "a schema must be an object, true or false");
    return NODE_ANY;
  }
  if (r->node_at[at] != 0) return r->node_at[at];
  if (new_node(c, at) == NULL || !add_work(c, r->n_nodes - 1)) return NODE_ANY;
  r->node_at[at] = r->n_nodes - 1;
  return r->n_nodes - 1;
}

/* A node that no subschema of the document stands for: part of an enum. */
static uint32_t made_node(compiler *c, uint32_t at, uint8_t kinds) {
  node *n = new_node(c, at);
  if (n == NULL) return NODE_ANY;
  n->kinds = kinds;
  return c->r->n_nodes - 1;
}

static group *new_group(compiler *c, node *n, group_kind kind, uint32_t n_children) {
  /* at most a dozen groups a node: the array is made anew for each */
  group *grown = take(c, n->n_groups + 1u, sizeof *grown);
  uint32_t *child = take(c, n_children + 1u, sizeof *child);
  if (grown == NULL || child == NULL) return NULL;
  if (n->n_groups > 0) memcpy(grown, n->groups, n->n_groups * sizeof *grown);
  n->groups = grown;
  grown[n->n_groups] = (group){.kind = kind, .child = child, .n_children = n_children};
  return &grown[n->n_groups++];
}

/* ---- values of keywords ---- */

static bool expect(compiler *c, uint32_t at, jdoc_kind kind, const char *text) {
  if (jdoc_kind_at(&c->r->doc, at) == kind) return true;
  refuse(c, at, BASE_EFORMAT, text);
  return false;
}

static bool count_of(compiler *c, uint32_t at, uint32_t *out) {
  if (!expect(c, at, JDOC_NUMBER, "must be a whole number, 0 or more")) return false;
  jdoc_number n = jdoc_number_of(jdoc_raw(&c->r->doc, at));
  size_t value = 0;
  if (!jdoc_number_to_size(&n, &value)) {
    refuse(c, at, BASE_EFORMAT, "must be a whole number, 0 or more");
    return false;
  }
  *out = value < MASK_NONE - 1 ? (uint32_t)value : MASK_NONE - 1;
  return true;
}

static bool nodes_of(compiler *c, uint32_t array, uint32_t *out) {
  const jdoc *d = &c->r->doc;
  for (uint32_t v = array + 1, n = jdoc_count(d, array); n > 0; n--, v = jdoc_next(d, v)) *out++ = node_of(c, v);
  return c->status == BASE_OK;
}

static number_rule *number_of(compiler *c, node *n) {
  if (n->number == NULL) n->number = take(c, 1, sizeof *n->number);
  n->asserts |= KIND_BIT(JDOC_NUMBER);
  return n->number;
}

/* A regular expression, once for each text. MASK_NONE when it cannot be used (refused or noted). */
static uint32_t regex_of(compiler *c, uint32_t at, base_slice pattern) {
  mask_rule *r = c->r;
  uint64_t key = mask_mix_bytes(1, pattern.ptr, pattern.len);
  uintptr_t known = (uintptr_t)mask_map_get(&r->regex_by_text, key);
  base_error err = {0};
  regex_options options = {.lenient = true, .max_bytes = (size_t)8 << 20};
  if (known != 0) return (uint32_t)(known - 1);
  regex **grown = mask_pool_grow(&r->pool, r->regexes, sizeof *grown, r->n_regexes, &r->cap_regexes);
  if (grown == NULL) {
    out_of_memory(c);
    return MASK_NONE;
  }
  r->regexes = grown;
  base_status status = regex_open(&r->regexes[r->n_regexes], pattern, &options, r->allocator, &err);
  if (status != BASE_OK) {
    refuse(c, at, status, err.text);
    return MASK_NONE;
  }
  uint32_t index = r->n_regexes++;
  if (!mask_map_put(&r->regex_by_text, &r->pool, key, (void *)(uintptr_t)(index + 1))) out_of_memory(c);
  return index;
}

static void add_regex(compiler *c, node *n, uint32_t at, base_slice pattern) {
  uint32_t index = regex_of(c, at, pattern);
  if (index == MASK_NONE) return;
  n->regexes[n->n_regexes++] = index;
  n->asserts |= KIND_BIT(JDOC_STRING);
}

/* ---- the keywords by name ---- */

typedef enum word {
#define MASK_KEYWORD(id, name, from, to) WORD_##id,
#include "mask/keyword.def"
#undef MASK_KEYWORD
  WORDS
} word;

typedef struct keyword {
  const char *name;
  size_t len;
  int from, to;
} keyword;

static const keyword keywords[WORDS] = {
#define MASK_KEYWORD(id, name, from, to) {name, sizeof(name) - 1, from, to},
#include "mask/keyword.def"
#undef MASK_KEYWORD
};

static word word_of(base_slice key, int draft) {
  for (uint32_t i = 0; i < WORDS; i++) {
    const keyword *k = &keywords[i];
    if (k->len == key.len && k->name[0] == key.ptr[0] && memcmp(k->name, key.ptr, key.len) == 0)
      return draft >= k->from && draft <= k->to ? (word)i : WORDS;
  }
  return WORDS;
}

/* ---- keywords, by topic ---- */

static uint8_t kinds_of_type(compiler *c, node *n, uint32_t at) {
  static const struct {
    const char *name;
    uint8_t kinds;
  } types[] = {{"null", KIND_BIT(JDOC_NULL)},     {"boolean", KIND_BIT(JDOC_FALSE) | KIND_BIT(JDOC_TRUE)},
               {"number", KIND_BIT(JDOC_NUMBER)}, {"string", KIND_BIT(JDOC_STRING)},
               {"array", KIND_BIT(JDOC_ARRAY)},   {"object", KIND_BIT(JDOC_OBJECT)}};
  if (!expect(c, at, JDOC_STRING, "a type must be a string")) return 0;
  base_slice name = jdoc_text(&c->r->doc, at);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (base_slice_equal(name, base_slice_of(types[i].name))) {
      if (i == 2) n->integer = false;
      return types[i].kinds;
    }
  if (base_slice_equal(name, BASE_LITERAL("any")) && c->r->draft < 6) return KINDS_ALL;
  if (!base_slice_equal(name, BASE_LITERAL("integer")))
    refuse(c, at, BASE_EFORMAT, "not a type that JSON Schema knows");
  return KIND_BIT(JDOC_NUMBER);
}

static bool is_integer_type(const jdoc *d, uint32_t at) {
  return jdoc_kind_at(d, at) == JDOC_STRING && base_slice_equal(jdoc_text(d, at), BASE_LITERAL("integer"));
}

static void read_type(compiler *c, node *n, uint32_t at) {
  const jdoc *d = &c->r->doc;
  bool integer = false, number = false;
  uint8_t kinds = 0;
  if (jdoc_kind_at(d, at) != JDOC_ARRAY) {
    integer = is_integer_type(d, at);
    kinds = kinds_of_type(c, n, at);
  } else {
    for (uint32_t v = at + 1, k = jdoc_count(d, at); k > 0; k--, v = jdoc_next(d, v)) {
      uint8_t one = kinds_of_type(c, n, v);
      if (is_integer_type(d, v)) integer = true;
      else if (one & KIND_BIT(JDOC_NUMBER)) number = true;
      kinds |= one;
    }
  }
  n->kinds &= kinds;
  if (!integer || number) return;
  n->integer = true;
  n->strict_integer = c->r->draft <= 4;
  n->asserts |= KIND_BIT(JDOC_NUMBER);
}

/* A value that is an array or object, as a schema: equal in whatever order and white space. */
static uint32_t const_node(compiler *c, uint32_t at);
static void sort_properties(compiler *c, node *n);

static void const_object(compiler *c, node *n, uint32_t at) {
  const jdoc *d = &c->r->doc;
  uint32_t count = jdoc_count(d, at), i = 0;
  n->kinds = KIND_BIT(JDOC_OBJECT);
  n->asserts = KIND_BIT(JDOC_OBJECT);
  n->properties = take(c, count + 1u, sizeof *n->properties);
  n->required = take(c, count + 1u, sizeof *n->required);
  if (n->properties == NULL || n->required == NULL) return;
  for (uint32_t k = at + 1; i < count; i++, k = jdoc_next(d, k + 1)) {
    n->properties[i] = (property){.name = jdoc_text(d, k), .node = const_node(c, k + 1)};
    n->required[i] = jdoc_text(d, k);
  }
  n->n_properties = n->n_required = count;
  n->additional = NODE_NEVER;
}

static void const_array(compiler *c, node *n, uint32_t at) {
  const jdoc *d = &c->r->doc;
  uint32_t count = jdoc_count(d, at), i = 0;
  n->kinds = KIND_BIT(JDOC_ARRAY);
  n->asserts = KIND_BIT(JDOC_ARRAY);
  n->prefix = take(c, count + 1u, sizeof *n->prefix);
  if (n->prefix == NULL) return;
  for (uint32_t v = at + 1; i < count; i++, v = jdoc_next(d, v)) n->prefix[i] = const_node(c, v);
  n->n_prefix = count;
  n->min_items = count;
  n->items = NODE_NEVER;
}

static int compare_properties(const void *x, const void *y) {
  const property *a = x, *b = y;
  return base_slice_compare(a->name, b->name);
}

/* By name; how they were written is kept. */
static void sort_properties(compiler *c, node *n) {
  uint32_t count = n->n_properties;
  n->in_order = take(c, count + 1u, sizeof *n->in_order);
  if (n->in_order == NULL || c->status != BASE_OK) return;
  for (uint32_t i = 0; i < count; i++) n->properties[i].place = i;
  if (count > 1) qsort(n->properties, count, sizeof *n->properties, compare_properties);
  for (uint32_t i = 0; i < count; i++) n->in_order[n->properties[i].place] = i;
}

/* Constants nest as deep as they were written; the work list would be for nothing, so a bound is enough. */
static uint32_t const_node(compiler *c, uint32_t at) {
  const jdoc *d = &c->r->doc;
  jdoc_kind kind = jdoc_kind_at(d, at);
  uint32_t id = made_node(c, at, (uint8_t)KIND_BIT(kind));
  if (c->status != BASE_OK) return NODE_ANY;
  node *n = c->r->nodes[id];
  if (kind == JDOC_NUMBER || kind == JDOC_STRING) {
    n->has_enum = true;
    n->asserts = (uint8_t)KIND_BIT(kind);
    n->values = take(c, 1, sizeof *n->values);
    if (n->values != NULL) n->values[0] = at;
    n->n_values = 1;
  } else if (kind == JDOC_OBJECT || kind == JDOC_ARRAY) {
    if (++c->refs.depth > 200) refuse(c, at, BASE_ELIMIT, "a constant is nested deeper than 200");
    if (kind == JDOC_OBJECT) {
      const_object(c, n, at);
      sort_properties(c, n);
    } else {
      const_array(c, n, at);
    }
    c->refs.depth--;
  }
  return id;
}

/* enum: the scalars as a list; with arrays or objects among them, as a choice of nodes. */
static void read_values(compiler *c, node *n, uint32_t first, uint32_t count) {
  const jdoc *d = &c->r->doc;
  uint32_t scalars = 0, nested = 0;
  uint8_t kinds = 0;
  node *holder = n;
  for (uint32_t v = first, i = 0; i < count; i++, v = jdoc_next(d, v)) {
    if (jdoc_kind_at(d, v) >= JDOC_ARRAY) nested++;
    else scalars++;
    kinds |= (uint8_t)KIND_BIT(jdoc_kind_at(d, v));
  }
  n->kinds &= kinds;
  if (nested > 0 || n->has_enum) {
    group *g = new_group(c, n, GROUP_ANY, nested + 1);
    if (g == NULL) return;
    uint32_t *child = g->child, at = 0;
    uint8_t scalar_kinds = kinds & (uint8_t)~(KIND_BIT(JDOC_ARRAY) | KIND_BIT(JDOC_OBJECT));
    child[at++] = scalars > 0 ? made_node(c, n->at, scalar_kinds) : NODE_NEVER;
    holder = c->r->nodes[child[0]];
    for (uint32_t v = first, i = 0; i < count; i++, v = jdoc_next(d, v))
      if (jdoc_kind_at(d, v) >= JDOC_ARRAY) child[at++] = const_node(c, v);
    if (scalars == 0 || c->status != BASE_OK) return;
  }
  holder->has_enum = true;
  holder->asserts |= KIND_BIT(JDOC_STRING) | KIND_BIT(JDOC_NUMBER);
  holder->values = take(c, scalars + 1u, sizeof *holder->values);
  if (holder->values == NULL) return;
  for (uint32_t v = first, i = 0; i < count; i++, v = jdoc_next(d, v))
    if (jdoc_kind_at(d, v) < JDOC_ARRAY) holder->values[holder->n_values++] = v;
}

static void read_numbers(compiler *c, node *n, base_slice key, uint32_t at) {
  const jdoc *d = &c->r->doc;
  bool min = base_slice_equal(key, BASE_LITERAL("minimum")),
       open_min = base_slice_equal(key, BASE_LITERAL("exclusiveMinimum"));
  bool max = base_slice_equal(key, BASE_LITERAL("maximum"));
  number_rule *rule = number_of(c, n);
  if (rule == NULL) return;
  if (jdoc_kind_at(d, at) != JDOC_NUMBER) {
    /* draft 4: a flag on the bound beside it, read with that */
    if (!min && !max && c->r->draft <= 4 && jdoc_kind_at(d, at) <= JDOC_TRUE && jdoc_kind_at(d, at) != JDOC_NULL)
      return;
    refuse(c, at, BASE_EFORMAT, "must be a number");
    return;
  }
  jdoc_number value = jdoc_number_of(jdoc_raw(d, at));
  if (base_slice_equal(key, BASE_LITERAL("multipleOf"))) {
    if (value.digits == 0 || value.negative || value.digits > JDOC_MAX_DIVISOR_DIGITS)
      refuse(c, at, BASE_EFORMAT, "must be a number above 0 of at most 1,024 digits");
    rule->has_step = true;
    rule->step = value;
    return;
  }
  bool lower = min || open_min, open = !min && !max;
  if (c->r->draft <= 4 && !open) {
    uint32_t flag = jdoc_find(d, n->at, lower ? BASE_LITERAL("exclusiveMinimum") : BASE_LITERAL("exclusiveMaximum"));
    open = flag != JDOC_NONE && jdoc_kind_at(d, flag) == JDOC_TRUE;
  }
  jdoc_number *bound = lower ? &rule->min : &rule->max;
  bool *has = lower ? &rule->has_min : &rule->has_max, *is_open = lower ? &rule->min_open : &rule->max_open;
  int order = *has ? jdoc_number_compare(&value, bound) : lower ? 1 : -1;
  if (*has && (lower ? order < 0 : order > 0)) return; /* the other bound is the tighter one */
  *is_open = open || (*has && order == 0 && *is_open);
  *bound = value;
  *has = true;
}

static void read_properties(compiler *c, node *n, uint32_t at) {
  const jdoc *d = &c->r->doc;
  if (!expect(c, at, JDOC_OBJECT, "properties must be an object")) return;
  uint32_t count = jdoc_count(d, at), i = 0;
  property *p = take(c, count + 1u, sizeof *p);
  if (p == NULL) return;
  for (uint32_t k = at + 1; i < count; i++, k = jdoc_next(d, k + 1))
    p[i] = (property){.name = jdoc_text(d, k), .node = node_of(c, k + 1)};
  n->properties = p;
  n->n_properties = count;
  n->groups_before = n->n_groups;
  sort_properties(c, n);
  n->asserts |= KIND_BIT(JDOC_OBJECT);
}

static void read_pattern_properties(compiler *c, node *n, uint32_t at) {
  const jdoc *d = &c->r->doc;
  if (!expect(c, at, JDOC_OBJECT, "patternProperties must be an object")) return;
  uint32_t count = jdoc_count(d, at), i = 0;
  key_pattern *p = take(c, count + 1u, sizeof *p);
  if (p == NULL) return;
  for (uint32_t k = at + 1; i < count && c->status == BASE_OK; i++, k = jdoc_next(d, k + 1))
    p[i] = (key_pattern){regex_of(c, k, jdoc_text(d, k)), node_of(c, k + 1)};
  n->patterns = p;
  n->n_patterns = count;
  n->asserts |= KIND_BIT(JDOC_OBJECT);
}

/* Strings of an array; false when it has anything else. */
static base_slice *read_names(compiler *c, uint32_t at, uint32_t *count) {
  const jdoc *d = &c->r->doc;
  if (!expect(c, at, JDOC_ARRAY, "must be an array of strings")) return NULL;
  uint32_t n = jdoc_count(d, at), i = 0;
  base_slice *out = take(c, n + 1u, sizeof *out);
  if (out == NULL) return NULL;
  for (uint32_t v = at + 1; i < n; i++, v = jdoc_next(d, v)) {
    if (!expect(c, v, JDOC_STRING, "must be an array of strings")) return NULL;
    out[i] = jdoc_text(d, v);
  }
  *count = n;
  return out;
}

static void read_dependencies(compiler *c, node *n, uint32_t at) {
  const jdoc *d = &c->r->doc;
  if (!expect(c, at, JDOC_OBJECT, "must be an object")) return;
  uint32_t count = jdoc_count(d, at), i = 0;
  dependency *grown = take(c, count + n->n_dependencies + 1u, sizeof *grown);
  if (grown == NULL) return;
  if (n->n_dependencies > 0) memcpy(grown, n->dependencies, n->n_dependencies * sizeof *grown);
  n->dependencies = grown;
  n->asserts |= KIND_BIT(JDOC_OBJECT);
  for (uint32_t k = at + 1; i < count && c->status == BASE_OK; i++, k = jdoc_next(d, k + 1)) {
    jdoc_kind kind = jdoc_kind_at(d, k + 1);
    if (kind == JDOC_ARRAY) {
      dependency *one = &n->dependencies[n->n_dependencies++];
      one->key = jdoc_text(d, k);
      one->needs = read_names(c, k + 1, &one->n_needs);
      account(c, k + 1, "dependentRequired", "with that property it waits for these", MASK_AT_BRACKET);
    } else if (kind == JDOC_STRING) {
      dependency *one = &n->dependencies[n->n_dependencies++];
      one->key = jdoc_text(d, k);
      one->needs = take(c, 1, sizeof *one->needs);
      if (one->needs != NULL) one->needs[0] = jdoc_text(d, k + 1);
      one->n_needs = 1;
    } else {
      group *g = new_group(c, n, GROUP_KEY, 1);
      if (g == NULL) return;
      g->key = jdoc_text(d, k);
      g->child[0] = node_of(c, k + 1);
      note(c, k + 1, "dependentSchemas", "whether the property comes is only known when the object ends",
           LATE_IN_VALUE);
    }
  }
}

static void read_items(compiler *c, node *n, uint32_t at, bool prefix_keyword) {
  const jdoc *d = &c->r->doc;
  n->asserts |= KIND_BIT(JDOC_ARRAY);
  if (jdoc_kind_at(d, at) == JDOC_ARRAY) {
    uint32_t count = jdoc_count(d, at);
    n->prefix = take(c, count + 1u, sizeof *n->prefix);
    if (n->prefix != NULL && nodes_of(c, at, n->prefix)) n->n_prefix = count;
  } else if (prefix_keyword) {
    refuse(c, at, BASE_EFORMAT, "prefixItems must be an array of schemas");
  } else {
    n->items = node_of(c, at);
  }
}

static void read_group(compiler *c, node *n, group_kind kind, uint32_t at) {
  if (!expect(c, at, JDOC_ARRAY, "must be an array of schemas")) return;
  group *g = new_group(c, n, kind, jdoc_count(&c->r->doc, at));
  if (g != NULL) nodes_of(c, at, g->child);
}

static void read_one(compiler *c, node *n, group_kind kind, uint32_t target) {
  group *g = new_group(c, n, kind, 1);
  if (g != NULL) g->child[0] = target;
}

static void read_if(compiler *c, node *n, uint32_t at) {
  const jdoc *d = &c->r->doc;
  uint32_t then_at = jdoc_find(d, n->at, BASE_LITERAL("then")), else_at = jdoc_find(d, n->at, BASE_LITERAL("else"));
  group *g = new_group(c, n, GROUP_IF, 3);
  if (g == NULL) return;
  uint32_t *child = g->child;
  child[0] = node_of(c, at);
  child[1] = then_at != JDOC_NONE ? node_of(c, then_at) : NODE_ANY;
  child[2] = else_at != JDOC_NONE ? node_of(c, else_at) : NODE_ANY;
}

static void read_reference(compiler *c, node *n, uint32_t at) {
  if (!expect(c, at, JDOC_STRING, "a reference must be a string")) return;
  uint32_t target = mask_refs_find(&c->refs, n->at, jdoc_text(&c->r->doc, at));
  if (target == JDOC_NONE) refuse(c, at, BASE_EUNSUPPORTED, "the reference leads to nothing in this document");
  else read_one(c, n, GROUP_ALL, node_of(c, target));
}

static void read_dynamic(compiler *c, node *n, uint32_t at, bool recursive) {
  bool open = false;
  if (!expect(c, at, JDOC_STRING, "a reference must be a string")) return;
  base_slice text = jdoc_text(&c->r->doc, at);
  uint32_t target = recursive ? mask_refs_find_recursive(&c->refs, n->at, text, &open)
                              : mask_refs_find_dynamic(&c->refs, n->at, text, &open);
  if (target == JDOC_NONE) refuse(c, at, BASE_EUNSUPPORTED, "the reference leads to nothing in this document");
  else if (!open) read_one(c, n, GROUP_ALL, node_of(c, target));
  else
    note(c, at, recursive ? "$recursiveRef" : "$dynamicRef",
         "where it leads depends on the resources on the way to the value", LATE_IN_DOCUMENT);
}

static void read_format(compiler *c, node *n, uint32_t at) {
  if (jdoc_kind_at(&c->r->doc, at) != JDOC_STRING) return;
  if (c->r->options.ignore_formats) {
    account(c, at, "format", "formats are annotations, by option", MASK_NEVER);
    return;
  }
  static const char *const at_end[] = {"regex", "iri", "iri-reference", "idn-hostname", "idn-email", "uri-template"};
  base_slice name = jdoc_text(&c->r->doc, at);
  const char *pattern = mask_format_pattern(name);
  if (pattern != NULL) {
    add_regex(c, n, at, base_slice_of(pattern));
    return;
  }
  for (size_t i = 0; i < sizeof at_end / sizeof *at_end; i++)
    if (base_slice_equal(name, base_slice_of(at_end[i]))) {
      note(c, at, "format", "no automaton for this format: the validator checks the finished document",
           LATE_IN_DOCUMENT);
      return;
    }
  account(c, at, "format", "there is no format of this name that is checked", MASK_NEVER);
}

static void read_object_word(compiler *c, node *n, word w, uint32_t at) {
  n->asserts |= KIND_BIT(JDOC_OBJECT);
  switch (w) {
    case WORD_PROPERTIES: read_properties(c, n, at); break;
    case WORD_PATTERN_PROPERTIES: read_pattern_properties(c, n, at); break;
    case WORD_ADDITIONAL_PROPERTIES: n->additional = node_of(c, at); break;
    case WORD_PROPERTY_NAMES: n->names = node_of(c, at); break;
    case WORD_REQUIRED:
      /* draft 3's flag inside a property says nothing here */
      if (jdoc_kind_at(&c->r->doc, at) == JDOC_ARRAY) n->required = read_names(c, at, &n->n_required);
      if (n->n_required > 0) account(c, at, keywords[w].name, "it waits for these properties", MASK_AT_BRACKET);
      break;
    case WORD_MIN_PROPERTIES:
      if (count_of(c, at, &n->min_properties) && n->min_properties > 0)
        account(c, at, keywords[w].name, "it waits for so many properties", MASK_AT_BRACKET);
      break;
    case WORD_MAX_PROPERTIES: count_of(c, at, &n->max_properties); break;
    default: read_dependencies(c, n, at); break;
  }
}

static void read_array_word(compiler *c, node *n, word w, uint32_t at) {
  n->asserts |= KIND_BIT(JDOC_ARRAY);
  switch (w) {
    case WORD_ITEMS: read_items(c, n, at, false); break;
    case WORD_PREFIX_ITEMS: read_items(c, n, at, true); break;
    case WORD_ADDITIONAL_ITEMS: {
      uint32_t items = jdoc_find(&c->r->doc, n->at, BASE_LITERAL("items"));
      if (items != JDOC_NONE && jdoc_kind_at(&c->r->doc, items) == JDOC_ARRAY) n->items = node_of(c, at);
      break;
    }
    case WORD_CONTAINS:
      n->contains = node_of(c, at);
      note(c, at, "contains", "an item is judged when it ends, and whether enough of them fit when the array does",
           LATE_IN_VALUE);
      if (jdoc_find(&c->r->doc, n->at, BASE_LITERAL("minContains")) == JDOC_NONE || c->r->draft < 2019)
        n->min_contains = 1;
      break;
    case WORD_MIN_CONTAINS: count_of(c, at, &n->min_contains); break;
    case WORD_MAX_CONTAINS: count_of(c, at, &n->max_contains); break;
    case WORD_MIN_ITEMS:
      if (count_of(c, at, &n->min_items) && n->min_items > 0)
        account(c, at, keywords[w].name, "it waits for so many items", MASK_AT_BRACKET);
      break;
    case WORD_MAX_ITEMS: count_of(c, at, &n->max_items); break;
    default:
      n->unique = jdoc_kind_at(&c->r->doc, at) == JDOC_TRUE;
      if (n->unique) note(c, at, "uniqueItems", "an item is compared with the others when it ends", LATE_MAY_FAIL);
      break;
  }
}

static void read_word(compiler *c, node *n, word w, base_slice key, uint32_t at) {
  const jdoc *d = &c->r->doc;
  switch (w) {
    case WORD_REF: read_reference(c, n, at); break;
    case WORD_DYNAMIC_REF: case WORD_RECURSIVE_REF: read_dynamic(c, n, at, w == WORD_RECURSIVE_REF); break;
    case WORD_TYPE: read_type(c, n, at); break;
    case WORD_ENUM:
      if (expect(c, at, JDOC_ARRAY, "enum must be an array")) read_values(c, n, at + 1, jdoc_count(d, at));
      break;
    case WORD_CONST: read_values(c, n, at, 1); break;
    case WORD_ALL_OF: read_group(c, n, GROUP_ALL, at); break;
    case WORD_ANY_OF: read_group(c, n, GROUP_ANY, at); break;
    case WORD_ONE_OF: read_group(c, n, GROUP_ONE, at); break;
    case WORD_NOT:
      read_one(c, n, GROUP_NOT, node_of(c, at));
      note(c, at, "not", "decided at the end of the value where its schema is not settled before", LATE_MAY_FAIL);
      break;
    case WORD_IF:
      read_if(c, n, at);
      note(c, at, "if", "decided at the end of the value where its schema is not settled before", LATE_IN_VALUE);
      break;
    case WORD_MINIMUM: case WORD_MAXIMUM: case WORD_EXCLUSIVE_MINIMUM: case WORD_EXCLUSIVE_MAXIMUM:
    case WORD_MULTIPLE_OF: read_numbers(c, n, key, at); break;
    case WORD_MIN_LENGTH:
      if (count_of(c, at, &n->min_length)) n->asserts |= KIND_BIT(JDOC_STRING);
      break;
    case WORD_MAX_LENGTH:
      if (count_of(c, at, &n->max_length)) n->asserts |= KIND_BIT(JDOC_STRING);
      break;
    case WORD_PATTERN:
      if (expect(c, at, JDOC_STRING, "a pattern must be a string")) add_regex(c, n, at, jdoc_text(d, at));
      break;
    case WORD_FORMAT: read_format(c, n, at); break;
    case WORD_UNEVALUATED_PROPERTIES: case WORD_UNEVALUATED_ITEMS:
      if (jdoc_kind_at(d, at) != JDOC_TRUE)
        note(c, at, keywords[w].name, "which properties or items are evaluated is only known at the end",
             LATE_IN_DOCUMENT);
      break;
    case WORD_ITEMS: case WORD_PREFIX_ITEMS: case WORD_ADDITIONAL_ITEMS: case WORD_CONTAINS: case WORD_MIN_CONTAINS:
    case WORD_MAX_CONTAINS: case WORD_MIN_ITEMS: case WORD_MAX_ITEMS: case WORD_UNIQUE_ITEMS:
      read_array_word(c, n, w, at);
      break;
    default: read_object_word(c, n, w, at); break;
  }
}

/* Keywords that say nothing about values, or are read with others. */
static bool is_silent(base_slice key) {
  static const char *const silent[] = {
      "$schema",     "$id",      "id",         "$anchor",     "$dynamicAnchor", "$recursiveAnchor",
      "$vocabulary", "$comment", "$defs",      "definitions", "title",          "description",
      "default",     "examples", "deprecated", "readOnly",    "writeOnly"};
  if (key.len > 1 && key.ptr[0] == 'x' && key.ptr[1] == '-') return true;
  for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
    if (base_slice_equal(key, base_slice_of(silent[i]))) return true;
  return false;
}

/* A member of a schema that no keyword reads. */
static void account_for(compiler *c, const node *n, base_slice key, uint32_t at) {
  char name[64];
  const char *why = "no keyword of this name is known";
  if (!c->r->options.account || is_silent(key)) return;
  if (base_slice_equal(key, BASE_LITERAL("then")) || base_slice_equal(key, BASE_LITERAL("else"))) {
    if (c->r->draft >= 7 && jdoc_find(&c->r->doc, n->at, BASE_LITERAL("if")) != JDOC_NONE) return;
    why = "it says nothing without if";
  } else if (base_slice_starts(key, BASE_LITERAL("content"))) {
    why = "an annotation, as the specification has it";
  }
  for (uint32_t i = 0; i < WORDS; i++)
    if (base_slice_equal(key, base_slice_of(keywords[i].name))) why = "no keyword of the schema's draft";
  (void)base_format(name, sizeof name, "%.*s", (int)(key.len < 60 ? key.len : 60), key.ptr);
  account(c, at, name, why, MASK_NEVER);
}

/* Up to draft 7 what stands beside a reference is ignored. */
static void account_beside(compiler *c, const node *n) {
  const jdoc *d = &c->r->doc;
  for (uint32_t k = n->at + 1, left = jdoc_count(d, n->at); c->r->options.account && left > 0;
       left--, k = jdoc_next(d, k + 1)) {
    word w = jdoc_text(d, k).len > 0 ? word_of(jdoc_text(d, k), c->r->draft) : WORDS;
    if (w != WORDS && w != WORD_REF)
      account(c, k + 1, keywords[w].name, "up to draft 7 what stands beside $ref is ignored", MASK_NEVER);
  }
}

static void fill(compiler *c, uint32_t id) {
  node *n = c->r->nodes[id];
  const jdoc *d = &c->r->doc;
  uint32_t ref = c->r->draft <= 7 ? jdoc_find(d, n->at, BASE_LITERAL("$ref")) : JDOC_NONE;
  if (ref != JDOC_NONE && jdoc_kind_at(d, ref) == JDOC_STRING) {
    read_reference(c, n, ref);
    account_beside(c, n);
    return;
  }
  for (uint32_t k = n->at + 1, left = jdoc_count(d, n->at); left > 0 && c->status == BASE_OK;
       left--, k = jdoc_next(d, k + 1)) {
    base_slice key = jdoc_text(d, k);
    word w = key.len > 0 ? word_of(key, c->r->draft) : WORDS;
    if (w != WORDS) read_word(c, n, w, key, k + 1);
    else account_for(c, n, key, k + 1);
  }
}

/* ---- the whole ---- */

int mask_draft_of(const jdoc *d) {
  static const struct {
    const char *part;
    int draft;
  } drafts[] = {{"draft-03", 4}, {"draft-04", 4},   {"draft-06", 6},
                {"draft-07", 7}, {"2019-09", 2019}, {"2020-12", 2020}};
  uint32_t at = jdoc_kind_at(d, 0) == JDOC_OBJECT ? jdoc_find(d, 0, BASE_LITERAL("$schema")) : JDOC_NONE;
  if (at == JDOC_NONE || jdoc_kind_at(d, at) != JDOC_STRING) return 2020;
  base_slice text = jdoc_text(d, at);
  for (size_t i = 0; i < sizeof drafts / sizeof *drafts; i++)
    if (memmem(text.ptr, text.len, drafts[i].part, strlen(drafts[i].part)) != NULL) return drafts[i].draft;
  return 2020;
}

/* Subschemas that apply to the same value must not lead back to themselves, nor be nested without bound: a depth
 * first walk with its own stack. */
static void check_progress(compiler *c) {
  mask_rule *r = c->r;
  typedef struct step { uint32_t id, group, child; } step;
  step *stack = take(c, MAX_IN_PLACE_DEPTH + 1, sizeof *stack);
  uint8_t *color = take(c, r->n_nodes, 1); /* 1: on the stack, 2: done */
  if (stack == NULL || color == NULL) return;
  for (uint32_t root = 0; root < r->n_nodes; root++) {
    if (color[root] != 0) continue;
    uint32_t depth = 0;
    stack[0] = (step){root, 0, 0};
    color[root] = 1;
    while (depth != MASK_NONE) {
      step *s = &stack[depth];
      const node *n = r->nodes[s->id];
      if (s->group == n->n_groups) {
        color[s->id] = 2;
        depth = depth == 0 ? MASK_NONE : depth - 1;
      } else if (s->child == n->groups[s->group].n_children) {
        s->group++;
        s->child = 0;
      } else {
        uint32_t child = n->groups[s->group].child[s->child++];
        if (color[child] == 1) {
          refuse(c, n->at, BASE_EUNSUPPORTED, "the schema refers to itself without a property or item between");
          return;
        }
        if (color[child] == 2) continue;
        if (depth == MAX_IN_PLACE_DEPTH) {
          refuse(c, n->at, BASE_ELIMIT, "schemas for one value are nested deeper than 1,500");
          return;
        }
        color[child] = 1;
        stack[++depth] = (step){child, 0, 0};
      }
    }
  }
}

static void open_validator(compiler *c) {
  constrain_options o = {.ignore_formats = c->r->options.ignore_formats};
  if (c->r->notes.by_validator)
    c->status = constrain_schema_compile(&c->r->validator, (base_slice){c->r->text, c->r->text_len}, &o, "schema",
                                         c->r->allocator, c->err);
}

/* Branches of which no two take values of the same kind are told apart by the first byte. */
static bool may_overlap(const mask_rule *r, const group *g) {
  uint32_t seen = 0;
  for (uint32_t i = 0; i < g->n_children; i++) {
    uint32_t kinds = r->nodes[g->child[i]]->kinds;
    if ((seen & kinds) != 0) return true;
    seen |= kinds;
  }
  return false;
}

static void note_overlaps(compiler *c) {
  mask_rule *r = c->r;
  for (uint32_t i = 0; i < r->n_nodes && c->status == BASE_OK; i++)
    for (uint32_t k = 0; k < r->nodes[i]->n_groups; k++) {
      if (r->nodes[i]->groups[k].kind != GROUP_ONE || !may_overlap(r, &r->nodes[i]->groups[k])) continue;
      uint32_t at = jdoc_find(&r->doc, r->nodes[i]->at, BASE_LITERAL("oneOf"));
      note(c, at, "oneOf", "decided at the end of the value where more than one schema still fits", LATE_IN_VALUE);
    }
}

base_status mask_schema_compile(mask_rule *r, base_error *err) {
  compiler c = {.r = r, .err = err};
  r->draft = mask_draft_of(&r->doc);
  r->node_at = take(&c, r->doc.n_nodes + 1, sizeof *r->node_at);
  if (r->node_at == NULL || new_node(&c, 0) == NULL || new_node(&c, 0) == NULL) return c.status;
  r->nodes[NODE_NEVER]->kinds = 0;
  if (!mask_refs_open(&c.refs, &r->doc, r->draft, &r->pool)) out_of_memory(&c);
  uint32_t root = node_of(&c, 0);
  while (c.n_work > 0 && c.status == BASE_OK) fill(&c, c.work[--c.n_work]);
  if (c.status == BASE_OK) check_progress(&c);
  if (c.status == BASE_OK) note_overlaps(&c);
  if (c.status != BASE_OK || r->options.account) return c.status;
  open_validator(&c);
  if (c.status == BASE_OK) r->root = mask_plan_of(r, &root, 1, 1, false);
  if (c.status == BASE_OK && r->root == NULL) out_of_memory(&c);
  return c.status;
}
