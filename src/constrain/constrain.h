/* constrain: JSON Schema as code: an exact validator for draft 2020-12 and draft 7 (draft 4, 6 and 2019-09
 * are read by their own rules too). A schema is compiled once; an instance is checked by a machine with its
 * own stack, so neither depth nor recursion of schema or instance costs the program's stack, and a budget of
 * steps bounds the time. Specifications: json-schema.org/draft/2020-12 (core, validation), draft-07. */
#ifndef CONSTRAIN_CONSTRAIN_H
#define CONSTRAIN_CONSTRAIN_H

#include "base/base.h"
#include "jdoc/jdoc.h"

typedef struct constrain_schema constrain_schema;

typedef enum constrain_draft {
  CONSTRAIN_BY_SCHEMA, /* what $schema says, 2020-12 when it is missing or unknown */
  CONSTRAIN_DRAFT4,
  CONSTRAIN_DRAFT6,
  CONSTRAIN_DRAFT7,
  CONSTRAIN_DRAFT2019,
  CONSTRAIN_DRAFT2020
} constrain_draft;

typedef struct constrain_options {
  constrain_draft draft; /* for documents without a $schema that is known */
  bool refuse_unknown;   /* a keyword or format that is not known, or a pattern, refuses the schema */
  /* formats are annotations: any string fits (but where $vocabulary asks for assertion) */
  bool ignore_formats;
  bool assert_content;   /* contentEncoding base64 and contentMediaType application/json are checked */
  /* Text of the document with that absolute URI (no fragment); it has to live until the schema is closed.
   * BASE_ENOTFOUND when there is none. NULL: no other documents but the drafts' metaschemas. */
  base_status (*find)(void *ctx, base_slice uri, base_slice *text);
  void *find_ctx;
  base_slice uri; /* of the schema itself; empty: none */
} constrain_options;

/* Compiles the schema in `json` (at most 64 MiB, 16,384 deep), and what it refers to. options may be NULL.
 * Keeps a copy of the text. A reference that leads nowhere, a keyword whose value cannot mean anything and a
 * regular expression that cannot be compiled refuse the schema, with the place in err->text; unknown keywords
 * and formats are ignored, as the specification says, unless refuse_unknown. Memory: about 100 bytes a value
 * of the schema. */
base_status constrain_schema_compile(constrain_schema **out, base_slice json, const constrain_options *o,
                                     const char *where, const base_allocator *a, base_error *err);
void constrain_schema_close(constrain_schema *s); /* NULL is harmless */

/* One failure. Texts live during the call. */
typedef struct constrain_failure {
  const char *instance; /* JSON Pointer of the value, "" for the whole */
  const char *keyword;  /* JSON Pointer of the keyword, through the references that led there */
  const char *location; /* where the keyword stands: URI and pointer */
  const char *text;     /* what was expected, in words */
} constrain_failure;

typedef struct constrain_run_options {
  bool all; /* report every failure, not only the first */
  void (*report)(void *ctx, const constrain_failure *f); /* may be NULL */
  void *report_ctx;
  /* 0: 50 million and 16 for each value of the instance; a step is about one keyword on one value */
  uint64_t steps;
} constrain_run_options;

/* BASE_OK: valid. BASE_EMISMATCH: not valid; the first failure is in *err. BASE_ELIMIT: out of steps, or the
 * schema refers to itself without end. BASE_ENOMEM. Memory: about 50 bytes for each level of schemas within
 * schemas. Regular expressions learn while they match: one check of a schema at a time when it has patterns. */
base_status constrain_validate(const constrain_schema *s, const jdoc *instance, const constrain_run_options *o,
                               const base_allocator *a, base_error *err);

/* ---- schemas of actions: nothing unknown, nothing allocated while checking ---- */

/* As constrain_schema_compile with refuse_unknown, at most 1 MiB. `where` is used in errors. Formats are also
 * local-date-time (RFC 3339 without a zone, or a date alone), local-time, rrule, phone, currency. */
base_status constrain_schema_open(constrain_schema **out, base_slice json, const char *where,
                                  const base_allocator *a, base_error *err);
/* BASE_OK when the instance is valid; BASE_EMISMATCH with the instance path (a JSON Pointer, "/" for the
 * whole) in err->where and what was expected in err->text; BASE_EFORMAT when it is not strict JSON (RFC 8259,
 * no duplicate keys); BASE_ELIMIT when it is over 64 deep, 64 KiB or 1,024 values, or takes too many steps.
 * Allocates nothing. */
base_status constrain_check(const constrain_schema *s, base_slice instance, base_error *err);
/* The same for an object that is not complete yet: the outermost `required` and `anyOf` are not asked for. */
base_status constrain_check_part(const constrain_schema *s, base_slice instance, base_error *err);

/* The text of a draft's metaschema or one of its vocabularies; false when the URI (with or without '#') names none. */
bool constrain_metaschema(base_slice uri, base_slice *text);

#endif
