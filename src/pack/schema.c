/* From slot types to the JSON Schema of an action's arguments: what constrain/ checks a draft against, and
 * what a cloud model is told when a request is handed off. */
#include "pack/internal.h"

static json_t *of_format(const char *format) {
  return json_pack("{s:s, s:s}", "type", "string", "format", format);
}

/* The canonical values of an enum, in the manifest's order. */
static json_t *of_enum(const json_t *values) {
  json_t *list = json_array(), *ways;
  const char *value;
  json_object_foreach((json_t *)(uintptr_t)values, value, ways) {
    (void)ways;
    if (json_array_append_new(list, json_string(value)) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return json_pack("{s:o}", "enum", list);
}

static json_t *of_interval(void) {
  return json_pack("{s:s, s:{s:o, s:o}, s:b, s:i}", "type", "object", "properties", "start",
                   of_format("local-date-time"), "end", of_format("local-date-time"), "additionalProperties",
                   0, "minProperties", 1);
}

static json_t *of_money(void) {
  return json_pack("{s:s, s:{s:o, s:{s:s, s:i}}, s:[s, s], s:b}", "type", "object", "properties", "currency",
                   of_format("currency"), "minor", "type", "integer", "minimum", 0, "required", "currency",
                   "minor", "additionalProperties", 0);
}

static json_t *of_temperature(void) {
  return json_pack("{s:s, s:{s:{s:s}, s:{s:[s, s]}}, s:[s], s:b}", "type", "object", "properties", "value",
                   "type", "number", "unit", "enum", "C", "F", "required", "value", "additionalProperties",
                   0);
}

static json_t *of_type(const pack_slot *slot, const json_t *values) {
  switch (slot->type) {
    case PACK_TEXT: return json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
    case PACK_LIST:
      return json_pack("{s:s, s:{s:s, s:i}, s:i}", "type", "array", "items", "type", "string", "minLength", 1,
                       "minItems", 1);
    case PACK_ENUM: return of_enum(values);
    case PACK_INTEGER: return json_pack("{s:s}", "type", "integer");
    case PACK_NUMBER: return json_pack("{s:s}", "type", "number");
    case PACK_PERCENT: return json_pack("{s:s, s:i, s:i}", "type", "number", "minimum", 0, "maximum", 100);
    case PACK_ORDINAL: return json_pack("{s:s, s:{s:i}}", "type", "integer", "not", "const", 0);
    case PACK_DATETIME: return of_format("local-date-time");
    case PACK_DATE: return of_format("date");
    case PACK_TIME: return of_format("local-time");
    case PACK_INTERVAL: return of_interval();
    case PACK_DURATION: return of_format("duration");
    case PACK_RECURRENCE: return of_format("rrule");
    case PACK_MONEY_AMOUNT: return of_money();
    case PACK_TEMPERATURE: return of_temperature();
    case PACK_PHONE: return of_format("phone");
    case PACK_EMAIL: return of_format("email");
  }
  return NULL;
}

json_t *pack_schema_of_slot(const pack_slot *slot, const json_t *declaration) {
  json_t *schema = of_type(slot, json_object_get(declaration, "values"));
  json_t *narrow = json_object_get(declaration, "schema");
  if (schema == NULL || narrow == NULL) return schema;
  return json_pack("{s:[o, O]}", "allOf", schema, narrow);
}

/* Names of a bit set of slots as a JSON array. */
static json_t *names_of(const pack_manifest *m, uint64_t set) {
  json_t *list = json_array();
  for (size_t i = 0; i < m->n_slots && list != NULL; i++) {
    if (!(set >> i & 1) || json_array_append_new(list, json_string(m->slot[i].name)) == 0) continue;
    json_decref(list);
    list = NULL;
  }
  return list;
}

static json_t *one_of_each(const pack_manifest *m, uint64_t set) {
  json_t *list = json_array();
  for (size_t i = 0; i < m->n_slots && list != NULL; i++) {
    if (!(set >> i & 1) ||
        json_array_append_new(list, json_pack("{s:[s]}", "required", m->slot[i].name)) == 0)
      continue;
    json_decref(list);
    list = NULL;
  }
  return list;
}

json_t *pack_schema_of_action(const pack_manifest *m, const pack_action *a, const json_t *slot_schemas) {
  json_t *properties = json_object();
  for (size_t i = 0; i < m->n_slots && properties != NULL; i++) {
    const char *name = m->slot[i].name;
    if (!(a->slots >> i & 1) || json_object_set(properties, name, json_object_get(slot_schemas, name)) == 0)
      continue;
    json_decref(properties);
    properties = NULL;
  }
  json_t *schema = json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                             names_of(m, a->required), "additionalProperties", 0);
  if (schema == NULL || a->any_of == 0) return schema;
  if (json_object_set_new(schema, "anyOf", one_of_each(m, a->any_of)) == 0) return schema;
  json_decref(schema);
  return NULL;
}
