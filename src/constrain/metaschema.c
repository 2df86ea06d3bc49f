/* The metaschemas of the drafts, as their specifications define the keywords: what a schema may look like.
 * Written compactly; nothing of this is annotation. */
#include "constrain/internal.h"

/* Subschemas that other people's schemas refer to by these names. */
#define SIMPLE_TYPES "\"simpleTypes\":{\"enum\":" TYPES "}"
#define COMMON "\"definitions\":{\"schemaArray\":" LIST ",\"stringArray\":" NAMES "," SIMPLE_TYPES ","
#define COMMON6 COMMON "\"nonNegativeInteger\":" SIZE ",\"nonNegativeIntegerDefault0\":" SIZE "},"
#define COMMON4 COMMON "\"positiveInteger\":" SIZE ",\"positiveIntegerDefault0\":" SIZE "},"
#define DRAFT20 "https://json-schema.org/draft/2020-12/"
#define HEAD20(name) "{\"$schema\":\"" DRAFT20 "schema\",\"$id\":\"" DRAFT20 name \
  "\",\"$dynamicAnchor\":\"meta\","
#define SELF20 "{\"$dynamicRef\":\"#meta\"}"
#define MAP20 "{\"type\":\"object\",\"additionalProperties\":" SELF20 ",\"default\":{}}"
#define LIST20 "{\"type\":\"array\",\"minItems\":1,\"items\":" SELF20 "}"
#define SIZE "{\"type\":\"integer\",\"minimum\":0}"
#define NAMES "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true,\"default\":[]}"
#define TYPES "[\"array\",\"boolean\",\"integer\",\"null\",\"number\",\"object\",\"string\"]"
#define TYPE "{\"anyOf\":[{\"enum\":" TYPES "},{\"type\":\"array\",\"items\":{\"enum\":" TYPES \
  "},\"minItems\":1,\"uniqueItems\":true}]}"
#define STRING "{\"type\":\"string\"}"
#define ANCHOR20 "{\"type\":\"string\",\"pattern\":\"^[A-Za-z_][-A-Za-z0-9._]*$\"}"

static const char schema20[] = HEAD20("schema")
    "\"$vocabulary\":{\"" DRAFT20 "vocab/core\":true,\"" DRAFT20 "vocab/applicator\":true,"
    "\"" DRAFT20 "vocab/unevaluated\":true,\""
    DRAFT20 "vocab/validation\":true,\"" DRAFT20 "vocab/meta-data\":true,"
    "\"" DRAFT20 "vocab/format-annotation\":true,\""
    DRAFT20 "vocab/content\":true},\"allOf\":[{\"$ref\":\"meta/core\"},{\"$ref\":\"meta/applicator\"},"
    "{\"$ref\":\"meta/unevaluated\"},"
    "{\"$ref\":\"meta/validation\"},{\"$ref\":\"meta/meta-data\"},{\"$ref\":\"meta/format-annotation\"},"
    "{\"$ref\":\"meta/content\"}],"
    "\"type\":[\"object\",\"boolean\"],\"properties\":{\"definitions\":" MAP20 ","
    "\"dependencies\":{\"type\":\"object\","
    "\"additionalProperties\":{\"anyOf\":[" SELF20 "," NAMES "]}},\"$recursiveAnchor\":" ANCHOR20 ","
    "\"$recursiveRef\":" STRING "}}";

static const char core20[] = HEAD20("meta/core") "\"$defs\":{\"anchorString\":" ANCHOR20 ","
  "\"uriString\":{\"type\":\"string\",\"format\":\"uri\"},"
    "\"uriReferenceString\":{\"type\":\"string\",\"format\":\"uri-reference\"}},"
    "\"type\":[\"object\",\"boolean\"],\"properties\":{\"$id\":{\"type\":\"string\","
    "\"format\":\"uri-reference\",\"pattern\":\"^[^#]*#?$\"},"
    "\"$schema\":{\"type\":\"string\",\"format\":\"uri\"},\"$ref\":{\"type\":\"string\","
    "\"format\":\"uri-reference\"},\"$anchor\":" ANCHOR20 ","
    "\"$dynamicRef\":{\"type\":\"string\",\"format\":\"uri-reference\"},\"$dynamicAnchor\":" ANCHOR20 ","
    "\"$vocabulary\":{\"type\":\"object\","
    "\"propertyNames\":{\"type\":\"string\",\"format\":\"uri\"},"
    "\"additionalProperties\":{\"type\":\"boolean\"}},\"$comment\":" STRING ","
    "\"$defs\":{\"type\":\"object\",\"additionalProperties\":" SELF20 "}}}";

static const char applicator20[] = HEAD20("meta/applicator") "\"$defs\":{\"schemaArray\":" LIST20 "},"
    "\"type\":[\"object\",\"boolean\"],\"properties\":{\"prefixItems\":" LIST20 ",\"items\":" SELF20 ","
    "\"contains\":" SELF20 ","
    "\"additionalProperties\":" SELF20 ",\"properties\":" MAP20 ",\"patternProperties\":{\"type\":\"object\","
    "\"additionalProperties\":" SELF20 ","
    "\"propertyNames\":{\"format\":\"regex\"}},\"dependentSchemas\":" MAP20 ",\"propertyNames\":" SELF20 ","
    "\"if\":" SELF20 ",\"then\":" SELF20 ","
    "\"else\":" SELF20 ",\"allOf\":" LIST20 ",\"anyOf\":" LIST20 ",\"oneOf\":" LIST20 ",\"not\":" SELF20 "}}";

static const char unevaluated20[] = HEAD20("meta/unevaluated")
    "\"type\":[\"object\",\"boolean\"],\"properties\":{\"unevaluatedItems\":" SELF20 ","
    "\"unevaluatedProperties\":" SELF20 "}}";

static const char validation20[] = HEAD20("meta/validation") "\"$defs\":{\"nonNegativeInteger\":" SIZE ","
  "\"nonNegativeIntegerDefault0\":" SIZE "," SIMPLE_TYPES
    ",\"stringArray\":" NAMES "},"
    "\"type\":[\"object\",\"boolean\"],\"properties\":{\"type\":" TYPE ",\"const\":true,"
    "\"enum\":{\"type\":\"array\",\"items\":true},"
    "\"multipleOf\":{\"type\":\"number\",\"exclusiveMinimum\":0},\"maximum\":{\"type\":\"number\"},"
    "\"exclusiveMaximum\":{\"type\":\"number\"},"
    "\"minimum\":{\"type\":\"number\"},\"exclusiveMinimum\":{\"type\":\"number\"},\"maxLength\":" SIZE ","
    "\"minLength\":" SIZE ","
    "\"pattern\":{\"type\":\"string\",\"format\":\"regex\"},\"maxItems\":" SIZE ",\"minItems\":" SIZE ","
    "\"uniqueItems\":{\"type\":\"boolean\"},"
    "\"maxContains\":" SIZE ",\"minContains\":" SIZE ",\"maxProperties\":" SIZE ",\"minProperties\":" SIZE ","
    "\"required\":" NAMES ","
    "\"dependentRequired\":{\"type\":\"object\",\"additionalProperties\":" NAMES "}}}";

static const char metadata20[] = HEAD20("meta/meta-data")
    "\"type\":[\"object\",\"boolean\"],\"properties\":{\"title\":" STRING ",\"description\":" STRING ","
    "\"default\":true,"
    "\"deprecated\":{\"type\":\"boolean\"},\"readOnly\":{\"type\":\"boolean\"},"
    "\"writeOnly\":{\"type\":\"boolean\"},"
    "\"examples\":{\"type\":\"array\",\"items\":true}}}";

static const char format20[] = HEAD20("meta/format-annotation") "\"type\":[\"object\",\"boolean\"],"
  "\"properties\":{\"format\":" STRING "}}";

static const char assertion20[] = HEAD20("meta/format-assertion") "\"type\":[\"object\",\"boolean\"],"
  "\"properties\":{\"format\":" STRING "}}";

static const char content20[] = HEAD20("meta/content")
    "\"type\":[\"object\",\"boolean\"],\"properties\":{\"contentEncoding\":" STRING ","
    "\"contentMediaType\":" STRING ",\"contentSchema\":" SELF20 "}}";

/* ---- the older ones: one document each ---- */

#define SELF "{\"$ref\":\"#\"}"
#define MAP "{\"type\":\"object\",\"additionalProperties\":" SELF ",\"default\":{}}"
#define LIST "{\"type\":\"array\",\"minItems\":1,\"items\":" SELF "}"
#define TEXTS "\"title\":" STRING ",\"description\":" STRING ","
#define SIZES "\"maxLength\":" SIZE ",\"minLength\":" SIZE ",\"pattern\":{\"type\":\"string\"," \
  "\"format\":\"regex\"},\"maxItems\":" SIZE \
  ",\"minItems\":" SIZE ",\"uniqueItems\":{\"type\":\"boolean\"},\"maxProperties\":" SIZE \
  ",\"minProperties\":" SIZE ","
#define APPLICATORS "\"items\":{\"anyOf\":[" SELF "," LIST "]},\"definitions\":" MAP ",\"properties\":" \
  MAP ",\"allOf\":" LIST ",\"anyOf\":" LIST \
  ",\"oneOf\":" LIST ",\"not\":" SELF ",\"type\":" TYPE ","
#define FROM_DRAFT6 "\"$id\":{\"type\":\"string\",\"format\":\"uri-reference\"}," \
  "\"$schema\":{\"type\":\"string\",\"format\":\"uri\"}," \
  "\"$ref\":{\"type\":\"string\",\"format\":\"uri-reference\"}," TEXTS \
  "\"default\":true,\"examples\":{\"type\":\"array\",\"items\":true}," \
  "\"multipleOf\":{\"type\":\"number\",\"exclusiveMinimum\":0},\"maximum\":{\"type\":\"number\"}," \
  "\"exclusiveMaximum\":{\"type\":\"number\"}," \
  "\"minimum\":{\"type\":\"number\"},\"exclusiveMinimum\":{\"type\":\"number\"}," SIZES \
  "\"additionalItems\":" SELF ",\"contains\":" SELF "," \
  "\"required\":" NAMES ",\"additionalProperties\":" SELF "," APPLICATORS \
  "\"patternProperties\":{\"type\":\"object\",\"additionalProperties\":" \
  SELF ",\"propertyNames\":{\"format\":\"regex\"}},\"dependencies\":{\"type\":\"object\"," \
  "\"additionalProperties\":{\"anyOf\":[" SELF "," NAMES "]}}," \
  "\"propertyNames\":" SELF ",\"const\":true,\"enum\":{\"type\":\"array\",\"items\":true},\"format\":" STRING

static const char schema7[] = "{\"$schema\":\"http://json-schema.org/draft-07/schema#\","
  "\"$id\":\"http://json-schema.org/draft-07/schema#\"," COMMON6
    "\"type\":[\"object\",\"boolean\"],\"properties\":{" FROM_DRAFT6 ",\"$comment\":" STRING ","
    "\"readOnly\":{\"type\":\"boolean\"},"
    "\"writeOnly\":{\"type\":\"boolean\"},\"contentMediaType\":" STRING ",\"contentEncoding\":" STRING ","
    "\"if\":" SELF ",\"then\":" SELF ","
    "\"else\":" SELF "}}";

static const char schema6[] = "{\"$schema\":\"http://json-schema.org/draft-06/schema#\","
  "\"$id\":\"http://json-schema.org/draft-06/schema#\"," COMMON6
    "\"type\":[\"object\",\"boolean\"],\"properties\":{" FROM_DRAFT6 "}}";

static const char schema4[] = "{\"$schema\":\"http://json-schema.org/draft-04/schema#\","
  "\"id\":\"http://json-schema.org/draft-04/schema#\"," COMMON4
    "\"type\":\"object\",\"properties\":{\"id\":" STRING ",\"$schema\":" STRING "," TEXTS "\"default\":{},"
    "\"multipleOf\":{\"type\":\"number\",\"minimum\":0,\"exclusiveMinimum\":true},"
    "\"maximum\":{\"type\":\"number\"},"
    "\"exclusiveMaximum\":{\"type\":\"boolean\"},\"minimum\":{\"type\":\"number\"},"
    "\"exclusiveMinimum\":{\"type\":\"boolean\"}," SIZES
    "\"additionalItems\":{\"anyOf\":[{\"type\":\"boolean\"}," SELF "]},"
    "\"additionalProperties\":{\"anyOf\":[{\"type\":\"boolean\"}," SELF "]},"
    "\"required\":{\"type\":\"array\",\"minItems\":1,\"items\":" STRING ",\"uniqueItems\":true},"
    APPLICATORS "\"patternProperties\":" MAP ","
    "\"dependencies\":{\"type\":\"object\",\"additionalProperties\":{\"anyOf\":[" SELF "," NAMES "]}},"
    "\"enum\":{\"type\":\"array\",\"minItems\":1,"
    "\"uniqueItems\":true},\"format\":" STRING "},\"dependencies\":{\"exclusiveMaximum\":[\"maximum\"],"
    "\"exclusiveMinimum\":[\"minimum\"]}}";

static const struct {
  const char *uri;
  uint8_t draft; /* of documents that name it in $schema; 0: it is a part */
  base_slice text;
} metaschemas[] = {
    {DRAFT20 "schema", D20, {schema20, sizeof schema20 - 1}},
    {DRAFT20 "meta/core", 0, {core20, sizeof core20 - 1}},
    {DRAFT20 "meta/applicator", 0, {applicator20, sizeof applicator20 - 1}},
    {DRAFT20 "meta/unevaluated", 0, {unevaluated20, sizeof unevaluated20 - 1}},
    {DRAFT20 "meta/validation", 0, {validation20, sizeof validation20 - 1}},
    {DRAFT20 "meta/meta-data", 0, {metadata20, sizeof metadata20 - 1}},
    {DRAFT20 "meta/format-annotation", 0, {format20, sizeof format20 - 1}},
    {DRAFT20 "meta/format-assertion", 0, {assertion20, sizeof assertion20 - 1}},
    {DRAFT20 "meta/content", 0, {content20, sizeof content20 - 1}},
    {"https://json-schema.org/draft/2019-09/schema", D19, {NULL, 0}},
    {"http://json-schema.org/draft-07/schema", D7, {schema7, sizeof schema7 - 1}},
    {"http://json-schema.org/draft-06/schema", D6, {schema6, sizeof schema6 - 1}},
    {"http://json-schema.org/draft-04/schema", D4, {schema4, sizeof schema4 - 1}},
};

static base_slice without_scheme(base_slice uri) {
  for (size_t i = 0; i + 3 <= uri.len; i++)
    if (base_slice_equal(base_slice_sub(uri, i, i + 3), BASE_LITERAL("://")))
      return base_slice_sub(uri, i, uri.len);
  return uri;
}

/* Index of the metaschema, http and https being the same; -1 when there is none. */
static int find(base_slice uri) {
  while (uri.len > 0 && (uri.ptr[uri.len - 1] == '#' || uri.ptr[uri.len - 1] == '/')) uri.len--;
  if (!base_slice_starts(uri, BASE_LITERAL("http"))) return -1;
  for (size_t i = 0; i < sizeof metaschemas / sizeof metaschemas[0]; i++)
    if (base_slice_equal(without_scheme(uri), without_scheme(base_slice_of(metaschemas[i].uri)))) return (int)i;
  return -1;
}

bool constrain_metaschema(base_slice uri, base_slice *text) {
  int i = find(uri);
  if (i >= 0) *text = metaschemas[i].text;
  return i >= 0 && text->ptr != NULL;
}

uint8_t constrain_draft_of(base_slice uri) {
  int i = find(uri);
  return i >= 0 ? metaschemas[i].draft : 0;
}
