/* pack.json to a manifest: every key is known, every name declared, every reference resolved, or the file is
 * refused with the place. Strings are borrowed from the parsed document, which the manifest keeps. */
#include <stdlib.h>
#include <string.h>

#include "constrain/constrain.h"
#include "pack/internal.h"

static const char *const risks[] = {"none", "reversible", "discloses", "money", "irreversible", "safety"};
static const char *const types[] = {
    "text", "list",     "enum",     "integer",    "number", "percent",     "ordinal", "datetime", "date",
    "time", "interval", "duration", "recurrence", "money",  "temperature", "phone",   "email"};
static const char *const resolves[] = {"nearest", "future", "past"};

enum {
  NAME_MAX_BYTES = 40,
  COUNT_OF_RISKS = 6,
  COUNT_OF_TYPES = 17,
  COUNT_OF_RESOLVES = 3,
  MAX_SAYINGS = 1000
};

/* What is being read and where problems are told. */
typedef struct reader {
  pack_document *d;
  const char *file;
  base_error *err;
  base_slice json; /* the document */
  bool derived;    /* schemas were put into it */
} reader;

static base_status refuse(const reader *r, const char *place, const char *what) {
  return base_fail(r->err, BASE_EFORMAT, r->file, "%s: %s", place, what);
}

const char *pack_risk_name(pack_risk r) { return (size_t)r < COUNT_OF_RISKS ? risks[r] : "?"; }

/* Index of a word in a table, or -1. */
static int index_of(const char *word, const char *const *table, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(word, table[i]) == 0) return (int)i;
  return -1;
}

/* Lower-case letters, digits and underscores, a letter first. */
static bool is_name(const char *s) {
  size_t n = strlen(s);
  if (n < 1 || n > NAME_MAX_BYTES || s[0] < 'a' || s[0] > 'z') return false;
  for (size_t i = 0; i < n; i++)
    if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '_')) return false;
  return true;
}

/* ---- JSON access ---- */

static base_status check_keys(const reader *r, const json_t *object, const char *place,
                              const char *const *known, size_t n) {
  const char *key;
  json_t *value;
  if (!json_is_object(object)) return refuse(r, place, "this must be a JSON object");
  json_object_foreach((json_t *)(uintptr_t)object, key, value) {
    if (index_of(key, known, n) < 0)
      return base_fail(r->err, BASE_EFORMAT, r->file, "%s: unknown key \"%.60s\"", place, key);
  }
  return BASE_OK;
}

/* A string member; NULL in *out when absent and not needed. */
static base_status get_string(const reader *r, const json_t *object, const char *place, const char *key,
                              bool needed, const char **out) {
  const json_t *v = json_object_get(object, key);
  *out = NULL;
  if (v == NULL && !needed) return BASE_OK;
  if (!json_is_string(v) || json_string_length(v) == 0)
    return base_fail(r->err, BASE_EFORMAT, r->file, "%s: \"%s\" must be a string that is not empty", place,
                     key);
  *out = json_string_value(v);
  return BASE_OK;
}

static base_status get_word(const reader *r, const json_t *object, const char *place, const char *key,
                            bool needed, const char *const *table, size_t n, int *out) {
  const char *word;
  base_status st = get_string(r, object, place, key, needed, &word);
  if (st || word == NULL) return st;
  int found = index_of(word, table, n);
  if (found < 0)
    return base_fail(r->err, BASE_EFORMAT, r->file, "%s: unknown %s \"%.60s\"", place, key, word);
  *out = found;
  return BASE_OK;
}

/* ---- slots ---- */

typedef struct saying {
  const char *value, *words;
} saying;

/* Longest first, then by bytes: the order in which they are tried does not depend on the file's. */
static int compare_sayings(const void *a, const void *b) {
  const saying *x = a, *y = b;
  size_t n = strlen(x->words), m = strlen(y->words);
  if (n != m) return n > m ? -1 : 1;
  return strcmp(x->words, y->words);
}

static bool is_lower(const char *s) {
  size_t len = strlen(s);
  for (size_t at = 0; at < len;) {
    uint32_t c;
    size_t n = base_utf8_decode(s + at, len - at, &c);
    if (n == 0 || base_utf8_lower(c) != c) return false;
    at += n;
  }
  return base_slice_trim(base_slice_of(s)).len == len && len > 0;
}

/* Flattens {"on": ["on", "enabled"]} into `flat`; counts only when `flat` is NULL. */
static base_status list_sayings(const reader *r, const json_t *values, const char *place, saying *flat,
                                size_t *count) {
  const char *key;
  json_t *ways, *way;
  size_t i, n = 0;
  json_object_foreach((json_t *)(uintptr_t)values, key, ways) {
    if (!json_is_array(ways) || json_array_size(ways) == 0 || !is_lower(key))
      return base_fail(r->err, BASE_EFORMAT, r->file,
                       "%s: value \"%.40s\" must be lower-case with a list of ways to say it", place, key);
    json_array_foreach(ways, i, way) {
      if (!json_is_string(way) || !is_lower(json_string_value(way)))
        return base_fail(r->err, BASE_EFORMAT, r->file, "%s: a way to say \"%.40s\" is not lower-case text",
                         place, key);
      if (flat != NULL) flat[n] = (saying){key, json_string_value(way)};
      n++;
    }
  }
  *count = n;
  return n >= 1 && n <= MAX_SAYINGS ? BASE_OK
                                    : refuse(r, place, "\"values\" must name 1 to 1000 ways to say a value");
}

static base_status keep_sayings(reader *r, pack_slot *slot, const saying *flat, size_t n, const char *place) {
  slot->value = base_calloc(&r->d->allocator, 2 * n, sizeof *slot->value);
  if (slot->value == NULL)
    return base_fail(r->err, BASE_ENOMEM, r->file, "no memory for the values of %s", place);
  slot->saying = slot->value + n;
  slot->n_sayings = n;
  for (size_t i = 0; i < n; i++) {
    slot->value[i] = flat[i].value;
    slot->saying[i] = flat[i].words;
    if (i > 0 && strcmp(flat[i].words, flat[i - 1].words) == 0)
      return base_fail(r->err, BASE_EFORMAT, r->file, "%s: \"%.60s\" is given twice as a way to say a value",
                       place, flat[i].words);
  }
  return BASE_OK;
}

static base_status read_values(reader *r, pack_slot *slot, const json_t *values, const char *place) {
  size_t n = 0;
  if (!json_is_object(values)) return refuse(r, place, "an enum needs \"values\", an object");
  base_status st = list_sayings(r, values, place, NULL, &n);
  if (st) return st;
  saying *flat = base_calloc(&r->d->allocator, n, sizeof *flat);
  if (flat == NULL) return base_fail(r->err, BASE_ENOMEM, r->file, "no memory for the values of %s", place);
  st = list_sayings(r, values, place, flat, &n);
  qsort(flat, n, sizeof *flat, compare_sayings);
  if (!st) st = keep_sayings(r, slot, flat, n, place);
  base_free(&r->d->allocator, flat, n * sizeof *flat);
  return st;
}

static base_status read_currency(const reader *r, pack_slot *slot, const json_t *object, const char *place) {
  const char *text;
  base_status st = get_string(r, object, place, "currency", false, &text);
  if (st || text == NULL) return st;
  if (strlen(text) != 3) return refuse(r, place, "\"currency\" is not an ISO 4217 code");
  memcpy(slot->currency, text, 4);
  return value_currency_digits(slot->currency) >= 0 ? BASE_OK : refuse(r, place, "\"currency\" is unknown");
}

/* A JSON value's text into `out`, with this project's allocator. */
static int dump_piece(const char *bytes, size_t len, void *ctx) {
  base_buf *b = ctx;
  base_buf_add(b, bytes, len);
  return b->failed ? -1 : 0;
}

/* No white space between values: as what is dumped, and so what built files hold, is written. */
static bool is_compact(base_slice json) {
  bool quoted = false;
  for (size_t i = 0; i < json.len; i++) {
    char c = json.ptr[i];
    if (c == '\\' && quoted) i++;
    else if (c == '"') quoted = !quoted;
    else if (!quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r')) return false;
  }
  return json.len > 0;
}

static base_status dump(const reader *r, const json_t *value, base_buf *out) {
  if (value == NULL || json_dump_callback(value, dump_piece, out, JSON_COMPACT) != 0)
    return base_fail(r->err, BASE_ENOMEM, r->file, "no memory for a schema");
  return BASE_OK;
}

static base_status check_schema(const reader *r, const base_buf *text, const char *place) {
  constrain_schema *compiled = NULL;
  base_error detail = {0};
  base_status st =
      constrain_schema_open(&compiled, (base_slice){text->ptr, text->len}, place, &r->d->allocator, &detail);
  constrain_schema_close(compiled);
  return st ? base_fail(r->err, st, r->file, "%s: %s", detail.where, detail.text) : BASE_OK;
}

static base_status read_slot_schema(reader *r, pack_slot *slot, const json_t *narrow, const char *place) {
  base_buf *text = &r->d->slot_schema[slot - r->d->m.slot];
  if (narrow == NULL) return BASE_OK;
  if (!json_is_object(narrow)) return refuse(r, place, "\"schema\" must be a JSON object");
  base_status st = dump(r, narrow, text);
  if (!st) st = check_schema(r, text, place);
  slot->schema = text->ptr;
  return st;
}

static bool has_resolve(pack_slot_type t) {
  return t == PACK_DATETIME || t == PACK_DATE || t == PACK_TIME || t == PACK_INTERVAL || t == PACK_RECURRENCE;
}

static base_status read_morning(const reader *r, pack_slot *slot, const json_t *words, const char *place) {
  const json_t *word;
  size_t i;
  if (words == NULL) return BASE_OK;
  if (!has_resolve(slot->type)) return refuse(r, place, "\"morning\" is for dates and times");
  if (!json_is_array(words) || json_array_size(words) == 0 || json_array_size(words) > PACK_MAX_MORNING)
    return refuse(r, place, "\"morning\" must be a list of 1 to 16 words or phrases");
  json_array_foreach(words, i, word) {
    if (!json_is_string(word) || !is_lower(json_string_value(word)))
      return refuse(r, place, "\"morning\" must be lower-case words or phrases");
    slot->morning[slot->n_morning++] = json_string_value(word);
  }
  return BASE_OK;
}

static base_status read_slot(reader *r, const char *name, const json_t *object) {
  static const char *const keys[] = {"type", "ask", "resolve", "morning", "values", "currency", "schema"};
  pack_manifest *m = &r->d->m;
  char place[64];
  int type = 0, resolve = VALUE_NEAREST;
  base_format(place, sizeof place, "slot %.40s", name);
  if (!is_name(name)) return refuse(r, place, "a name is lower-case letters, digits and underscores");
  if (m->n_slots == PACK_MAX_SLOTS)
    return base_fail(r->err, BASE_ELIMIT, r->file, "more than %d slots", PACK_MAX_SLOTS);
  pack_slot *slot = &m->slot[m->n_slots++];
  slot->name = name;
  base_status st = check_keys(r, object, place, keys, sizeof keys / sizeof keys[0]);
  if (!st) st = get_word(r, object, place, "type", true, types, COUNT_OF_TYPES, &type);
  if (!st) st = get_word(r, object, place, "resolve", false, resolves, COUNT_OF_RESOLVES, &resolve);
  if (!st) st = get_string(r, object, place, "ask", false, &slot->ask);
  slot->type = (pack_slot_type)type;
  slot->resolve = (value_resolve)resolve;
  if (!st && json_object_get(object, "resolve") != NULL && !has_resolve(slot->type))
    st = refuse(r, place, "\"resolve\" is for dates and times");
  if (!st) st = read_morning(r, slot, json_object_get(object, "morning"), place);
  if (!st && (json_object_get(object, "values") != NULL) != (slot->type == PACK_ENUM))
    st = refuse(r, place, "\"values\" and type enum belong together");
  if (!st && json_object_get(object, "currency") != NULL && slot->type != PACK_MONEY_AMOUNT)
    st = refuse(r, place, "\"currency\" is for type money");
  if (!st && slot->type == PACK_ENUM) st = read_values(r, slot, json_object_get(object, "values"), place);
  if (!st) st = read_currency(r, slot, object, place);
  if (!st) st = read_slot_schema(r, slot, json_object_get(object, "schema"), place);
  return st;
}

static base_status read_slots(reader *r) {
  json_t *slots = json_object_get(r->d->root, "slots"), *object;
  const char *name;
  if (!json_is_object(slots)) return refuse(r, "slots", "this must be a JSON object");
  json_object_foreach(slots, name, object) {
    base_status st = read_slot(r, name, object);
    if (st) return st;
  }
  return BASE_OK;
}

/* ---- actions ---- */

/* An array of slot names to a bit set; the names have to be in `among`. */
static base_status read_slot_set(const reader *r, const json_t *object, const char *place, const char *key,
                                 uint64_t among, uint64_t *out, int *first) {
  const json_t *list = json_object_get(object, key), *item;
  size_t i;
  *out = 0;
  *first = -1;
  if (!json_is_array(list))
    return base_fail(r->err, BASE_EFORMAT, r->file, "%s: \"%s\" must be an array", place, key);
  json_array_foreach(list, i, item) {
    int slot = json_is_string(item) ? pack_find_slot(&r->d->m, base_slice_of(json_string_value(item))) : -1;
    if (slot < 0 || !(among >> slot & 1))
      return base_fail(r->err, BASE_EFORMAT, r->file,
                       "%s: \"%s\" names \"%.40s\", which is not among its slots", place, key,
                       json_is_string(item) ? json_string_value(item) : "?");
    if (*out >> slot & 1)
      return base_fail(r->err, BASE_EFORMAT, r->file, "%s: \"%s\" names a slot twice", place, key);
    *out |= UINT64_C(1) << slot;
    if (i == 0) *first = slot;
  }
  return BASE_OK;
}

static base_status read_questions(reader *r, pack_action *a, const json_t *ask, const char *place) {
  const char *name;
  json_t *text;
  if (ask == NULL) return BASE_OK;
  if (!json_is_object(ask)) return refuse(r, place, "\"ask\" must be a JSON object");
  json_object_foreach((json_t *)(uintptr_t)ask, name, text) {
    int slot = pack_find_slot(&r->d->m, base_slice_of(name));
    if (slot < 0 || !(a->slots >> slot & 1) || !json_is_string(text) || json_string_length(text) == 0)
      return base_fail(r->err, BASE_EFORMAT, r->file,
                       "%s: \"ask\" for \"%.40s\" is no question for one of its slots", place, name);
    a->ask[slot] = json_string_value(text);
  }
  return BASE_OK;
}

static base_status read_action_sets(reader *r, pack_action *a, const json_t *object, const char *place) {
  uint64_t all = r->d->m.n_slots == PACK_MAX_SLOTS ? UINT64_MAX : (UINT64_C(1) << r->d->m.n_slots) - 1;
  int first;
  a->any_of_first = -1;
  base_status st = read_slot_set(r, object, place, "slots", all, &a->slots, &first);
  if (!st) st = read_slot_set(r, object, place, "required", a->slots, &a->required, &first);
  if (st || json_object_get(object, "any_of") == NULL) return st;
  st = read_slot_set(r, object, place, "any_of", a->slots, &a->any_of, &a->any_of_first);
  if (!st && a->any_of == 0) st = refuse(r, place, "\"any_of\" is empty");
  return st;
}

/* The derived schema, which is also put into the document; one that is there has to be the same. */
static base_status derive_schema(reader *r, pack_action *a, json_t *object, const json_t *slot_schemas,
                                 const char *place) {
  base_buf *text = &r->d->action_schema[a - r->d->m.action];
  const json_t *given = json_object_get(object, "schema");
  json_t *schema = pack_schema_of_action(&r->d->m, a, slot_schemas);
  base_status st = dump(r, schema, text);
  if (given == NULL) r->derived = true;
  if (!st && given != NULL && !json_equal(given, schema))
    st =
        base_fail(r->err, BASE_EMISMATCH, r->file, "%s: its \"schema\" is not the one its slots give", place);
  if (!st && json_object_set(object, "schema", schema) != 0)
    st = base_fail(r->err, BASE_ENOMEM, r->file, "no memory");
  json_decref(schema);
  a->schema = text->ptr;
  return st;
}

static base_status read_action(reader *r, json_t *object, size_t index, const json_t *slot_schemas) {
  static const char *const keys[] = {"name", "title", "risk", "slots", "required", "any_of", "ask", "schema"};
  pack_manifest *m = &r->d->m;
  char place[64];
  int risk = 0;
  base_format(place, sizeof place, "action %zu", index + 1);
  if (m->n_actions == PACK_MAX_ACTIONS)
    return base_fail(r->err, BASE_ELIMIT, r->file, "more than %d actions", PACK_MAX_ACTIONS);
  pack_action *a = &m->action[m->n_actions];
  base_status st = check_keys(r, object, place, keys, sizeof keys / sizeof keys[0]);
  if (!st) st = get_string(r, object, place, "name", true, &a->name);
  if (st) return st;
  if (!is_name(a->name) || strcmp(a->name, PACK_LABEL_NONE) == 0)
    return refuse(r, place, "its name must be lower-case letters, digits and underscores, and not \"none\"");
  if (pack_find_action(m, base_slice_of(a->name)) >= 0)
    return refuse(r, a->name, "two actions have this name");
  m->n_actions++;
  base_format(place, sizeof place, "action %s", a->name);
  st = get_string(r, object, place, "title", true, &a->title);
  if (!st) st = get_word(r, object, place, "risk", true, risks, COUNT_OF_RISKS, &risk);
  a->risk = (pack_risk)risk;
  if (!st) st = read_action_sets(r, a, object, place);
  if (!st) st = read_questions(r, a, json_object_get(object, "ask"), place);
  if (!st) st = derive_schema(r, a, object, slot_schemas, place);
  return st;
}

/* Every slot's schema by its name, made once and shared by the actions. */
static base_status make_slot_schemas(reader *r, json_t **out) {
  const json_t *slots = json_object_get(r->d->root, "slots");
  *out = json_object();
  for (size_t i = 0; i < r->d->m.n_slots && *out != NULL; i++) {
    const pack_slot *slot = &r->d->m.slot[i];
    json_t *schema = pack_schema_of_slot(slot, json_object_get(slots, slot->name));
    if (schema != NULL && json_object_set_new(*out, slot->name, schema) == 0) continue;
    json_decref(*out);
    *out = NULL;
  }
  return *out != NULL ? BASE_OK : base_fail(r->err, BASE_ENOMEM, r->file, "no memory for the slots' schemas");
}

static base_status read_actions(reader *r) {
  json_t *actions = json_object_get(r->d->root, "actions"), *object, *schemas = NULL;
  size_t i;
  if (!json_is_array(actions) || json_array_size(actions) == 0)
    return refuse(r, "actions", "this must be an array with at least one action");
  base_status st = make_slot_schemas(r, &schemas);
  json_array_foreach(actions, i, object) {
    if (st) break;
    st = read_action(r, object, i, schemas);
  }
  json_decref(schemas);
  return st;
}

/* ---- the whole ---- */

static base_status read_gate(reader *r) {
  static const char *const keys[] = {"name", "version", "title", "kind", "packs"};
  pack_manifest *m = &r->d->m;
  const json_t *packs = json_object_get(r->d->root, "packs"), *item;
  size_t i;
  m->is_gate = true;
  base_status st = check_keys(r, r->d->root, "gate", keys, sizeof keys / sizeof keys[0]);
  if (st) return st;
  if (!json_is_array(packs) || json_array_size(packs) == 0 || json_array_size(packs) > PACK_MAX_ACTIONS)
    return refuse(r, "packs", "this must be an array of 1 to 64 pack names");
  json_array_foreach(packs, i, item) {
    const char *name = json_is_string(item) ? json_string_value(item) : "";
    if (!is_name(name) || strcmp(name, PACK_LABEL_NONE) == 0 || index_of(name, m->packs, m->n_packs) >= 0)
      return base_fail(r->err, BASE_EFORMAT, r->file, "packs: \"%.40s\" is no pack name or occurs twice",
                       name);
    m->packs[m->n_packs++] = name;
  }
  return BASE_OK;
}

static base_status read_pack(reader *r) {
  static const char *const keys[] = {"name", "version", "title", "app", "slots", "actions"}, *const app[] = {
                                                                                                 "id",
                                                                                                 "versions"};
  pack_manifest *m = &r->d->m;
  const json_t *about = json_object_get(r->d->root, "app");
  base_status st = check_keys(r, r->d->root, "pack", keys, sizeof keys / sizeof keys[0]);
  if (!st) st = check_keys(r, about, "app", app, sizeof app / sizeof app[0]);
  if (!st) st = get_string(r, about, "app", "id", true, &m->app_id);
  if (!st) st = get_string(r, about, "app", "versions", false, &m->app_versions);
  if (!st) st = read_slots(r);
  if (!st) st = read_actions(r);
  return st;
}

static base_status read_version(const reader *r, const char *version) {
  int dots = 0;
  bool digit = false;
  for (const char *c = version; *c != 0; c++) {
    if (*c == '.' && !digit) dots = 9;
    if (*c == '.') dots++;
    digit = *c >= '0' && *c <= '9';
    if (!digit && *c != '.') dots = 9;
  }
  return dots == 2 && digit && strlen(version) < 40 ? BASE_OK
                                                    : refuse(r, "version", "this is not MAJOR.MINOR.PATCH");
}

static base_status read_manifest(reader *r) {
  pack_manifest *m = &r->d->m;
  const char *kind;
  if (!json_is_object(r->d->root)) return refuse(r, "manifest", "this must be a JSON object");
  base_status st = get_string(r, r->d->root, "manifest", "name", true, &m->name);
  if (!st && (!is_name(m->name) || strcmp(m->name, PACK_LABEL_NONE) == 0))
    st = refuse(r, "name", "a name is lower-case letters, digits and underscores");
  if (!st) st = get_string(r, r->d->root, "manifest", "version", true, &m->version);
  if (!st) st = read_version(r, m->version);
  if (!st) st = get_string(r, r->d->root, "manifest", "title", true, &m->title);
  if (!st) st = get_string(r, r->d->root, "manifest", "kind", false, &kind);
  if (st) return st;
  if (kind != NULL && strcmp(kind, "gate") != 0) return refuse(r, "kind", "this can only be \"gate\"");
  st = kind != NULL ? read_gate(r) : read_pack(r);
  if (!st && (r->derived || !is_compact(r->json))) st = dump(r, r->d->root, &r->d->canonical);
  else if (!st) base_buf_add(&r->d->canonical, r->json.ptr, r->json.len); /* of a built file: a sixth of opening it */
  if (!st && r->d->canonical.failed) st = base_fail(r->err, BASE_ENOMEM, r->file, "no memory for the manifest");
  m->json = r->d->canonical.ptr;
  return st;
}

base_status pack_manifest_open(pack_manifest **out, base_slice json, const char *where,
                               const base_allocator *a, base_error *err) {
  json_error_t problem;
  *out = NULL;
  if (a == NULL) a = base_allocator_libc();
  pack_document *d = base_calloc(a, 1, sizeof *d);
  if (d == NULL) return base_fail(err, BASE_ENOMEM, where, "no memory for the manifest");
  d->allocator = *a;
  d->canonical.allocator = &d->allocator;
  for (size_t i = 0; i < PACK_MAX_SLOTS; i++)
    d->slot_schema[i].allocator = &d->allocator;
  for (size_t i = 0; i < PACK_MAX_ACTIONS; i++)
    d->action_schema[i].allocator = &d->allocator;
  reader r = {.d = d, .file = where, .err = err, .json = json};
  base_status st = BASE_OK;
  if (json.len > 0 && memchr(json.ptr, 0, json.len) != NULL) /* jansson would skip some */
    st = base_fail(err, BASE_EFORMAT, where, "this is not JSON: it has a NUL byte");
  if (!st) d->root = json_loadb(json.ptr != NULL ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES, &problem);
  if (!st && d->root == NULL)
    st = base_fail(err, BASE_EFORMAT, where, "line %d: this is not JSON: %.120s", problem.line, problem.text);
  if (!st) st = read_manifest(&r);
  if (st) pack_manifest_close(&d->m);
  else *out = &d->m;
  return st;
}

void pack_manifest_close(pack_manifest *m) {
  if (m == NULL) return;
  pack_document *d = (pack_document *)m;
  base_allocator a = d->allocator;
  for (size_t i = 0; i < m->n_slots; i++)
    base_free(&a, m->slot[i].value, 2 * m->slot[i].n_sayings * sizeof *m->slot[i].value);
  for (size_t i = 0; i < PACK_MAX_SLOTS; i++)
    base_buf_free(&d->slot_schema[i]);
  for (size_t i = 0; i < PACK_MAX_ACTIONS; i++)
    base_buf_free(&d->action_schema[i]);
  base_buf_free(&d->canonical);
  json_decref(d->root);
  base_free(&a, d, sizeof *d);
}

int pack_find_slot(const pack_manifest *m, base_slice name) {
  for (size_t i = 0; i < m->n_slots; i++)
    if (base_slice_equal(base_slice_of(m->slot[i].name), name)) return (int)i;
  return -1;
}

int pack_find_action(const pack_manifest *m, base_slice name) {
  for (size_t i = 0; i < m->n_actions; i++)
    if (base_slice_equal(base_slice_of(m->action[i].name), name)) return (int)i;
  return -1;
}
