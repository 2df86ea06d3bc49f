/* constrain: JSON Schema as code. An exact validator for the keywords that action schemas use; a schema with
 * any other keyword that restricts values is refused when it is compiled, so nothing is ever silently not
 * checked. */
#ifndef CONSTRAIN_CONSTRAIN_H
#define CONSTRAIN_CONSTRAIN_H

#include "base/base.h"

/* Draft 2020-12. Keywords: type, enum, const, properties, required, additionalProperties, minProperties,
 * maxProperties, items, minItems, maxItems, uniqueItems (at most 1,000 items), minLength, maxLength
 * (characters), minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf (whole numbers up to 10^17),
 * anyOf, allOf, oneOf, not, format. Annotations (title, description, default, examples, $schema, $id,
 * $comment) are accepted. Numbers are compared exactly, as decimals. Formats: date, local-date-time (RFC 3339
 * without a zone, or a date alone), local-time, duration, rrule, email, phone, currency, on strings up to 511
 * bytes; any other format is refused. */
typedef struct constrain_schema constrain_schema;

/* json: the schema's text, at most 1 MiB and 64 deep. The schema owns copies of what it needs. `where` is
 * used in errors. */
base_status constrain_schema_open(constrain_schema **out, base_slice json, const char *where,
                                  const base_allocator *a, base_error *err);
void constrain_schema_close(constrain_schema *s); /* NULL is harmless */
/* BASE_OK when the instance is valid; BASE_EMISMATCH with the instance path (a JSON Pointer, "/" for the
 * whole) in err->where and what was expected in err->text; BASE_EFORMAT when it is not strict JSON (RFC 8259,
 * no duplicate keys, at most 64 deep, 64 KiB long, 1,024 keys in an object and those around it). Allocates
 * nothing. */
base_status constrain_check(const constrain_schema *s, base_slice instance, base_error *err);
/* The same for an object that is not complete yet: the outermost `required` and `anyOf` are not asked for. */
base_status constrain_check_part(const constrain_schema *s, base_slice instance, base_error *err);

#endif
