/* constrain: JSON Schema as code. An exact validator for the keywords that action schemas use; a schema with any
 * other keyword that restricts values is refused when it is compiled, so nothing is ever silently not checked. */
#ifndef CONSTRAIN_CONSTRAIN_H
#define CONSTRAIN_CONSTRAIN_H

#include "base/base.h"

/* Draft 2020-12. Keywords: type, enum, const, properties, required, additionalProperties (boolean or schema), minProperties, maxProperties, items, minItems, maxItems,
 * uniqueItems, minLength, maxLength (characters), minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf (integers), anyOf, allOf, oneOf, not, format. Annotations (title, description,
 * default, examples, $schema, $id, $comment) are accepted. Formats checked: date, local-date-time (RFC 3339 without zone, or a date alone), local-time, duration, rrule,
 * email, phone, currency; any other format is refused. */
typedef struct constrain_schema constrain_schema;

/* json: the schema's text. Depth at most 64. The schema owns copies of what it needs. */
base_status constrain_schema_open(constrain_schema **out, base_slice json, const char *where, const base_allocator *a, base_error *err);
void constrain_schema_close(constrain_schema *s);
/* BASE_OK when the instance is valid; BASE_EMISMATCH with the instance path in err->where and what was expected in err->text; BASE_EFORMAT when it is not strict JSON
 * (RFC 8259, no duplicate keys, depth at most 64). */
base_status constrain_check(const constrain_schema *s, base_slice instance, base_error *err);

#endif
