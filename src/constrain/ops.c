/* What each operation does with the value at hand. An operation is entered with `child` FIRST and its registers 0; it
 * passes, fails (having reported), or calls a schema and is entered again with the outcome in `child`. */
#include "constrain/internal.h"

#include <string.h>

#define EVERYTHING UINT32_C(0xFFFFFFFE) /* a mark: all items or members are evaluated */
enum { FAILED = 1, MATCHED = 2, SHOWN = 60, FEW_NAMES = 4 };

typedef constrain_verdict operation(constrain_run *r, constrain_frame *f, const constrain_op *o);

static const jdoc *document(const constrain_run *r, const constrain_frame *f) {
  return &constrain_doc_at(r->s, constrain_node_at(r->s, f->schema)->doc)->d;
}

static void spend(constrain_run *r, uint64_t work) {
  r->steps = r->steps > work ? r->steps - work : 0;
}

static constrain_verdict call(constrain_run *r, uint32_t schema, uint32_t value, unsigned flags) {
  r->call_schema = schema;
  r->call_value = value;
  r->call_flags = (uint8_t)flags;
  return CONSTRAIN_CALL;
}

static uint32_t kid(const constrain_run *r, uint32_t i) {
  return ((const uint32_t *)r->s->kid.ptr)[i];
}

/* `true` and `{}`: no need to ask. */
static bool fits_anything(const constrain_run *r, uint32_t schema) {
  const constrain_node *n = constrain_node_at(r->s, schema);
  return n->n_ops == 0 && !n->never;
}

/* Notes how a called schema ended; true when the operation can stop there. */
static bool note_child(const constrain_run *r, constrain_frame *f) {
  if (f->child == CONSTRAIN_BAD) f->n |= FAILED;
  return f->child == CONSTRAIN_BAD && ((f->flags & CONSTRAIN_QUIET) || r->o == NULL || !r->o->all);
}

static constrain_verdict outcome(const constrain_frame *f) {
  return f->n & FAILED ? CONSTRAIN_FAIL : CONSTRAIN_PASS;
}

/* A failure with a piece of the schema or instance shown, cut to what a line holds. */
static constrain_verdict report_slice(constrain_run *r, const constrain_frame *f, const constrain_op *o,
                                      const char *fmt,
                                      base_slice what) {
  char shown[SHOWN + 4];
  size_t n = what.len < SHOWN ? what.len : SHOWN;
  while (n > 0 && n < what.len && ((unsigned char)what.ptr[n] & 0xC0) == 0x80) n--;
  memcpy(shown, what.ptr, n);
  (void)base_format(shown + n, sizeof shown - n, "%s", n < what.len ? "..." : "");
  if (strcmp(fmt, "required") == 0) return constrain_report(r, f, o, "%s is required", shown);
  return constrain_report(r, f, o, "%s %s", fmt, shown);
}

/* ---- any value ---- */

static bool is_whole(base_slice raw, bool plainly) {
  size_t digits = raw.ptr[0] == '-';
  while (digits < raw.len && raw.ptr[digits] >= '0' && raw.ptr[digits] <= '9') digits++;
  if (digits == raw.len || plainly) return digits == raw.len;
  jdoc_number n = jdoc_number_of(raw);
  return jdoc_number_is_integer(&n);
}

static constrain_verdict op_type(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  static const char *const names[] = {"null", "true or false", "true or false", "a number", "a string",
                                      "a list", "an object"};
  jdoc_kind kind = jdoc_kind_at(r->v, f->value);
  if (o->detail >> kind & 1) {
    if (kind != JDOC_NUMBER || !o->flags) return CONSTRAIN_PASS;
    if (is_whole(jdoc_raw(r->v, f->value), o->flags > 1)) return CONSTRAIN_PASS;
    return constrain_report(r, f, o, "this must be a whole number");
  }
  if (f->flags & CONSTRAIN_QUIET) return CONSTRAIN_FAIL;
  unsigned kinds = o->detail & ~(o->detail & (1U << JDOC_TRUE) ? 1U << JDOC_FALSE : 0U), first = 0;
  while (!(kinds >> first & 1)) first++;
  bool several = (kinds & (kinds - 1)) != 0, integer = first == JDOC_NUMBER && o->flags;
  const char *name = integer ? "a whole number" : names[first];
  return constrain_report(r, f, o, several ? "this may be %s, among other types" : "this must be %s", name);
}

static constrain_verdict op_enum(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  const jdoc *d = document(r, f);
  uint32_t v = o->value + 1;
  for (uint32_t n = jdoc_count(d, o->value); n > 0; n--, v = jdoc_next(d, v))
    if (jdoc_equal(d, v, r->v, f->value, &r->steps)) return CONSTRAIN_PASS;
  return report_slice(r, f, o, "this must be one of", jdoc_raw(d, o->value));
}

static constrain_verdict op_const(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  const jdoc *d = document(r, f);
  if (jdoc_equal(d, o->value, r->v, f->value, &r->steps)) return CONSTRAIN_PASS;
  return report_slice(r, f, o, "this must be", jdoc_raw(d, o->value));
}

/* ---- numbers ---- */

static constrain_verdict op_limit(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  base_slice raw = jdoc_raw(document(r, f), o->value);
  jdoc_number n = jdoc_number_of(jdoc_raw(r->v, f->value)), limit = jdoc_number_of(raw);
  int order = jdoc_number_compare(&n, &limit);
  switch (o->code) {
    case CONSTRAIN_OP_MINIMUM:
      return order >= 0 ? CONSTRAIN_PASS : report_slice(r, f, o, "this must be at least", raw);
    case CONSTRAIN_OP_MAXIMUM:
      return order <= 0 ? CONSTRAIN_PASS : report_slice(r, f, o, "this must be at most", raw);
    case CONSTRAIN_OP_ABOVE:
      return order > 0 ? CONSTRAIN_PASS : report_slice(r, f, o, "this must be above", raw);
    default: return order < 0 ? CONSTRAIN_PASS : report_slice(r, f, o, "this must be below", raw);
  }
}

static constrain_verdict op_multiple(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  base_slice raw = jdoc_raw(document(r, f), o->value);
  jdoc_number n = jdoc_number_of(jdoc_raw(r->v, f->value)), of = jdoc_number_of(raw);
  spend(r, n.digits / 16);
  if (jdoc_number_is_multiple(&n, &of)) return CONSTRAIN_PASS;
  return report_slice(r, f, o, "this must be a multiple of", raw);
}

/* ---- strings ---- */

/* x and y: least and most; n: where the most is said. */
static constrain_verdict in_range(constrain_run *r, const constrain_frame *f, const constrain_op *o,
                                  size_t count, const char *few,
                                  const char *many, const char *unit) {
  constrain_op most = *o;
  most.value = o->n;
  if (count < o->x)
    return constrain_report(r, f, o, "%s: %zu %s, at least %u", few, count, unit, (unsigned)o->x);
  if (count > o->y && o->y != CONSTRAIN_NONE)
    return constrain_report(r, f, &most, "%s: %zu %s, at most %u", many, count, unit, (unsigned)o->y);
  return CONSTRAIN_PASS;
}

static constrain_verdict op_length(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  base_slice text = jdoc_text(r->v, f->value);
  return in_range(r, f, o, base_utf8_count(text.ptr, text.len), "this text is too short",
                  "this text is too long", "characters");
}

static constrain_verdict match(constrain_run *r, uint32_t number, base_slice text, bool *matched) {
  base_status st = regex_match(((regex **)r->s->regex.ptr)[number], text, matched);
  spend(r, text.len / 16);
  if (st == BASE_OK) return CONSTRAIN_PASS;
  if (st == BASE_ENOMEM) return constrain_stop(r, st, "no memory to match a regular expression");
  return constrain_stop(r, st, "a regular expression of the schema needs too many states");
}

static constrain_verdict op_pattern(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  bool matched = false;
  constrain_verdict v = match(r, o->x, jdoc_text(r->v, f->value), &matched);
  if (v != CONSTRAIN_PASS || matched) return v;
  return report_slice(r, f, o, "this must match the pattern", jdoc_raw(document(r, f), o->value));
}

static constrain_verdict op_format(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  base_slice text = jdoc_text(r->v, f->value);
  spend(r, text.len / 16);
  bool fits;
  if (o->detail == CONSTRAIN_F_REGEX) {
    regex *compiled = NULL;
    base_status st = regex_open(&compiled, text, NULL, r->a, NULL);
    regex_close(compiled);
    if (st == BASE_ENOMEM) return constrain_stop(r, st, "no memory to read a regular expression");
    fits = st == BASE_OK || st == BASE_EUNSUPPORTED || st == BASE_ELIMIT;
  } else {
    fits = constrain_format_fits((constrain_format)o->detail, text);
  }
  if (fits) return CONSTRAIN_PASS;
  return constrain_report(r, f, o, "this must have the format %s",
                          constrain_format_name((constrain_format)o->detail));
}

/* ---- objects ---- */

static constrain_verdict op_count(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  if (jdoc_kind_at(r->v, f->value) == JDOC_ARRAY)
    return in_range(r, f, o, jdoc_count(r->v, f->value), "this list has too few items",
                    "this list has too many items", "items");
  return in_range(r, f, o, jdoc_count(r->v, f->value), "this object has too few members",
                  "this object has too many members", "members");
}

/* Each required name is looked for; few names or few members. */
static constrain_verdict require_each(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  const jdoc *d = document(r, f);
  uint32_t v = o->value + 1;
  for (uint32_t n = jdoc_count(d, o->value); n > 0; n--, v = jdoc_next(d, v)) {
    spend(r, jdoc_count(r->v, f->value) / 8);
    if (jdoc_find(r->v, f->value, jdoc_text(d, v)) != JDOC_NONE) continue;
    f->n |= FAILED;
    (void)report_slice(r, f, o, "required", jdoc_raw(d, v));
    if (r->o == NULL || !r->o->all || (f->flags & CONSTRAIN_QUIET) || r->steps == 0) return CONSTRAIN_FAIL;
  }
  return outcome(f);
}

/* Counts the members that are required, each once, with a bit a name. */
static constrain_verdict op_required(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  size_t words = (o->n + 31) / 32, found = 0;
  if (r->part && r->frame.n == 1) return CONSTRAIN_PASS;
  if (o->n <= FEW_NAMES || jdoc_count(r->v, f->value) <= 2 * FEW_NAMES ||
      !constrain_vec_need(&r->mark, words, sizeof(uint32_t), r->a))
    return require_each(r, f, o);
  uint32_t *bits = (uint32_t *)r->mark.ptr + r->mark.n, key = f->value + 1;
  memset(bits, 0, words * sizeof *bits);
  for (uint32_t n = jdoc_count(r->v, f->value); n > 0; n--, key = jdoc_next(r->v, key + 1)) {
    uint32_t i = constrain_names_find(&r->s->names, constrain_scope_of(CONSTRAIN_S_REQUIRED, 0, o->x),
                                      jdoc_text(r->v, key));
    if (i == CONSTRAIN_NONE || (bits[i / 32] >> (i % 32) & 1)) continue;
    bits[i / 32] |= UINT32_C(1) << (i % 32);
    found++;
  }
  spend(r, jdoc_count(r->v, f->value) / 4);
  return found == o->n ? CONSTRAIN_PASS : require_each(r, f, o);
}

/* A list of names that a member requires. */
static constrain_verdict require_list(constrain_run *r, constrain_frame *f, const constrain_op *o,
                                      uint32_t list) {
  const jdoc *d = document(r, f);
  uint32_t v = list + 1;
  for (uint32_t n = jdoc_count(d, list); n > 0; n--, v = jdoc_next(d, v)) {
    spend(r, jdoc_count(r->v, f->value) / 8 + 1);
    if (jdoc_find(r->v, f->value, jdoc_text(d, v)) != JDOC_NONE) continue;
    base_slice with = jdoc_raw(r->v, f->i), name = jdoc_raw(d, v);
    return constrain_report(r, f, o, "%.*s is required with %.*s", (int)(name.len < SHOWN ? name.len : SHOWN),
                            name.ptr,
                            (int)(with.len < SHOWN ? with.len : SHOWN), with.ptr);
  }
  return CONSTRAIN_PASS;
}

static constrain_verdict op_dependent(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  uint32_t end = jdoc_next(r->v, f->value);
  if (f->child == CONSTRAIN_FIRST) f->i = f->value + 1;
  else if (note_child(r, f)) return CONSTRAIN_FAIL;
  else f->i = jdoc_next(r->v, f->i + 1);
  for (; f->i < end; f->i = jdoc_next(r->v, f->i + 1)) {
    uint32_t to = constrain_names_find(&r->s->names, constrain_scope_of(CONSTRAIN_S_TRIGGER, 0, o->x),
                                       jdoc_text(r->v, f->i));
    if (to == CONSTRAIN_NONE) continue;
    if (!(to & UINT32_C(0x80000000))) return call(r, to, f->value, 0);
    if (require_list(r, f, o, to & UINT32_C(0x7FFFFFFF)) == CONSTRAIN_FAIL) f->n |= FAILED;
    if (r->steps == 0) break;
  }
  spend(r, jdoc_count(r->v, f->value) / 8);
  return outcome(f);
}

static constrain_verdict op_names(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  uint32_t end = jdoc_next(r->v, f->value);
  if (f->child == CONSTRAIN_FIRST) f->i = f->value + 1;
  else if (note_child(r, f)) return CONSTRAIN_FAIL;
  else f->i = jdoc_next(r->v, f->i + 1);
  return f->i < end ? call(r, o->x, f->i, CONSTRAIN_INSIDE) : outcome(f);
}

/* The schema of a member by rule number `rule`: its name, each pattern, then what is for the others. */
static constrain_verdict member_schema(constrain_run *r, constrain_frame *f, const constrain_op *o,
                                       uint32_t rule, uint32_t *schema) {
  const constrain_members *m = (const constrain_members *)r->s->members.ptr + o->x;
  base_slice key = jdoc_text(r->v, f->i);
  *schema = CONSTRAIN_NONE;
  if (rule == 0) {
    if (m->properties)
      *schema = constrain_names_find(&r->s->names, constrain_scope_of(CONSTRAIN_S_PROPERTY, 0, o->x), key);
  } else if (rule <= m->n_patterns) {
    bool matched = false;
    uint32_t pair = m->first_pattern + 2 * (rule - 1);
    constrain_verdict v = match(r, kid(r, pair), key, &matched);
    spend(r, 1);
    if (v != CONSTRAIN_PASS) return v;
    if (matched) *schema = kid(r, pair + 1);
  } else if (!(f->n & MATCHED)) {
    *schema = m->additional;
  }
  return CONSTRAIN_PASS;
}

/* i: the key at hand, k: the next rule for it. */
static constrain_verdict op_members(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  const constrain_members *m = (const constrain_members *)r->s->members.ptr + o->x;
  uint32_t end = jdoc_next(r->v, f->value), schema;
  if (f->child == CONSTRAIN_FIRST) f->i = f->value + 1;
  else if (note_child(r, f)) return CONSTRAIN_FAIL;
  while (f->i < end && r->steps > 0) {
    while (f->k <= m->n_patterns + 1) {
      constrain_verdict v = member_schema(r, f, o, f->k++, &schema);
      if (v != CONSTRAIN_PASS) return v;
      if (schema == CONSTRAIN_NONE) continue;
      f->n |= MATCHED;
      if (!constrain_mark(r, f, f->i)) return CONSTRAIN_STOP;
      if (!fits_anything(r, schema)) return call(r, schema, f->i + 1, CONSTRAIN_INSIDE);
    }
    f->i = jdoc_next(r->v, f->i + 1);
    f->k = 0;
    f->n &= FAILED;
    spend(r, 1);
  }
  return outcome(f);
}

/* ---- arrays ---- */

/* i: the item at hand, k: its index. */
static constrain_verdict op_items(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  uint32_t end = jdoc_next(r->v, f->value);
  if (f->child == CONSTRAIN_FIRST) f->i = f->value + 1;
  else if (note_child(r, f)) return CONSTRAIN_FAIL;
  if (o->y != CONSTRAIN_NONE && f->k == 0 && f->child == CONSTRAIN_FIRST && !constrain_mark(r, f, EVERYTHING))
    return CONSTRAIN_STOP;
  while (f->i < end && r->steps > 0) {
    uint32_t schema = f->k < o->n ? kid(r, o->x + f->k) : o->y, item = f->i;
    if (schema == CONSTRAIN_NONE) break;
    if (o->y == CONSTRAIN_NONE && !constrain_mark(r, f, item)) return CONSTRAIN_STOP;
    f->i = jdoc_next(r->v, item);
    f->k++;
    spend(r, 1);
    if (!fits_anything(r, schema)) return call(r, schema, item, CONSTRAIN_INSIDE);
  }
  return outcome(f);
}

/* i: the item at hand, n: how many fit so far. */
static constrain_verdict op_contains(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  uint32_t end = jdoc_next(r->v, f->value);
  if (f->child == CONSTRAIN_FIRST) {
    f->i = f->value + 1;
  } else {
    f->n += f->child == CONSTRAIN_GOOD;
    if (f->child == CONSTRAIN_GOOD && o->flags && !constrain_mark(r, f, f->i)) return CONSTRAIN_STOP;
    f->i = jdoc_next(r->v, f->i);
  }
  bool decided = f->n >= o->y && o->n == CONSTRAIN_NONE && !(f->flags & CONSTRAIN_TRACK);
  if (f->i < end && !decided && f->n <= o->n) return call(r, o->x, f->i, CONSTRAIN_INSIDE | CONSTRAIN_QUIET);
  if (f->n < o->y)
    return constrain_report(r, f, o, "too few items are what this list must contain: %u, at least %u",
                            (unsigned)f->n, (unsigned)o->y);
  if (f->n > o->n)
    return constrain_report(r, f, o, "too many items are what this list must contain: at most %u",
                            (unsigned)o->n);
  return CONSTRAIN_PASS;
}

/* ---- the same value ---- */

static constrain_verdict op_ref(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  if (f->child == CONSTRAIN_FIRST) return call(r, o->x, f->value, 0);
  return f->child == CONSTRAIN_GOOD ? CONSTRAIN_PASS : CONSTRAIN_FAIL;
}

/* The outermost resource of the dynamic scope that has the anchor wins (core, section 8.2.3.2). */
static constrain_verdict op_dynamic_ref(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  if (f->child != CONSTRAIN_FIRST) return f->child == CONSTRAIN_GOOD ? CONSTRAIN_PASS : CONSTRAIN_FAIL;
  base_slice name = constrain_uri_split(jdoc_text(document(r, f), o->value)).fragment;
  for (size_t i = 0; i < r->scope.n; i++) {
    uint32_t resource = ((uint32_t *)r->scope.ptr)[i];
    uint32_t at = constrain_names_find(&r->s->names, constrain_scope_of(CONSTRAIN_S_DYNAMIC, 0, resource),
                                       name);
    if (at == CONSTRAIN_NONE) continue;
    return call(r, constrain_doc_at(r->s, constrain_resource_at(r->s, resource)->doc)->schema_of[at],
                f->value, 0);
  }
  return call(r, o->x, f->value, 0);
}

static constrain_verdict op_all_of(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  if (f->child != CONSTRAIN_FIRST && note_child(r, f)) return CONSTRAIN_FAIL;
  return f->i < o->n ? call(r, kid(r, o->x + f->i++), f->value, 0) : outcome(f);
}

/* n: how many fit. Where evaluated items are marked, every alternative has to be tried. */
static constrain_verdict op_any_of(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  if (r->part && r->frame.n == 1) return CONSTRAIN_PASS;
  f->n += f->child == CONSTRAIN_GOOD;
  if (f->n > 0 && !(f->flags & CONSTRAIN_TRACK)) return CONSTRAIN_PASS;
  if (f->i < o->n) return call(r, kid(r, o->x + f->i++), f->value, CONSTRAIN_QUIET);
  return f->n > 0 ? CONSTRAIN_PASS : constrain_report(r, f, o, "this fits none of the %u alternatives",
                                                      (unsigned)o->n);
}

static constrain_verdict op_one_of(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  f->n += f->child == CONSTRAIN_GOOD;
  if (f->n < 2 && f->i < o->n) return call(r, kid(r, o->x + f->i++), f->value, CONSTRAIN_QUIET);
  if (f->n == 1) return CONSTRAIN_PASS;
  return constrain_report(r, f, o, "this must fit exactly one of the %u alternatives and fits %s",
                          (unsigned)o->n, f->n > 0 ? "several" : "none");
}

static constrain_verdict op_not(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  if (f->child == CONSTRAIN_FIRST) return call(r, o->x, f->value, CONSTRAIN_QUIET);
  return f->child == CONSTRAIN_BAD ? CONSTRAIN_PASS : constrain_report(r, f, o, "this is excluded");
}

/* k: 0 before the condition, 1 behind it, 2 behind what follows from it. */
static constrain_verdict op_if(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  if (f->k == 0) {
    f->k = 1;
    return call(r, o->x, f->value, CONSTRAIN_QUIET);
  }
  if (f->k == 1) {
    uint32_t next = f->child == CONSTRAIN_GOOD ? o->y : o->n;
    f->k = 2;
    return next == CONSTRAIN_NONE ? CONSTRAIN_PASS : call(r, next, f->value, 0);
  }
  return f->child == CONSTRAIN_GOOD ? CONSTRAIN_PASS : CONSTRAIN_FAIL;
}

/* ---- what nothing else evaluated ---- */

static bool is_before(const void *unused, uint32_t a, uint32_t b) {
  (void)unused;
  return a < b;
}

/* i: the item or key at hand, k: the marks below it. */
static constrain_verdict op_unevaluated(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  bool object = jdoc_kind_at(r->v, f->value) == JDOC_OBJECT;
  size_t n = r->mark.n - f->marks;
  uint32_t *mark = n > 0 ? (uint32_t *)r->mark.ptr + f->marks : NULL, end = jdoc_next(r->v, f->value);
  /* what failed evaluated nothing: no more complaints */
  if (f->flags & CONSTRAIN_FAILED) return CONSTRAIN_PASS;
  if (f->child == CONSTRAIN_FIRST) {
    base_sort_u32(mark, n, is_before, NULL);
    f->i = f->value + 1;
    spend(r, 4 * n);
  } else if (note_child(r, f)) {
    return CONSTRAIN_FAIL;
  }
  if (n > 0 && mark[n - 1] == EVERYTHING) return outcome(f);
  while (f->i < end && r->steps > 0) {
    uint32_t item = f->i;
    while (f->k < n && mark[f->k] < item) f->k++;
    f->i = jdoc_next(r->v, item + object);
    spend(r, 1);
    bool evaluated = f->k < n && mark[f->k] == item;
    if (!evaluated && !fits_anything(r, o->x)) return call(r, o->x, item + object, CONSTRAIN_INSIDE);
  }
  if (!(f->n & FAILED) && !constrain_mark(r, f, EVERYTHING)) return CONSTRAIN_STOP;
  return outcome(f);
}

constrain_verdict constrain_step(constrain_run *r, constrain_frame *f, const constrain_op *o) {
  static operation *const operations[CONSTRAIN_OPS] = {
      [CONSTRAIN_OP_TYPE] = op_type,
      [CONSTRAIN_OP_ENUM] = op_enum,
      [CONSTRAIN_OP_CONST] = op_const,
      [CONSTRAIN_OP_MINIMUM] = op_limit,
      [CONSTRAIN_OP_MAXIMUM] = op_limit,
      [CONSTRAIN_OP_ABOVE] = op_limit,
      [CONSTRAIN_OP_BELOW] = op_limit,
      [CONSTRAIN_OP_MULTIPLE_OF] = op_multiple,
      [CONSTRAIN_OP_LENGTH] = op_length,
      [CONSTRAIN_OP_PATTERN] = op_pattern,
      [CONSTRAIN_OP_FORMAT] = op_format,
      [CONSTRAIN_OP_CONTENT] = constrain_content,
      [CONSTRAIN_OP_COUNT] = op_count,
      [CONSTRAIN_OP_UNIQUE] = constrain_unique,
      [CONSTRAIN_OP_REQUIRED] = op_required,
      [CONSTRAIN_OP_DEPENDENT] = op_dependent,
      [CONSTRAIN_OP_NAMES] = op_names,
      [CONSTRAIN_OP_REF] = op_ref,
      [CONSTRAIN_OP_DYNAMIC_REF] = op_dynamic_ref,
      [CONSTRAIN_OP_MEMBERS] = op_members,
      [CONSTRAIN_OP_ITEMS] = op_items,
      [CONSTRAIN_OP_CONTAINS] = op_contains,
      [CONSTRAIN_OP_ALL_OF] = op_all_of,
      [CONSTRAIN_OP_ANY_OF] = op_any_of,
      [CONSTRAIN_OP_ONE_OF] = op_one_of,
      [CONSTRAIN_OP_NOT] = op_not,
      [CONSTRAIN_OP_IF] = op_if,
      [CONSTRAIN_OP_UNEVALUATED_ITEMS] = op_unevaluated,
      [CONSTRAIN_OP_UNEVALUATED_MEMBERS] = op_unevaluated};
  return operations[o->code](r, f, o);
}
