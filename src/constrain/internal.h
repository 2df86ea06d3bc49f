/* constrain, private: JSON as text. A document is checked once, strictly; then it is read in place, with
 * slices for values, so that checking an instance needs no memory but the stack. */
#ifndef CONSTRAIN_INTERNAL_H
#define CONSTRAIN_INTERNAL_H

#include "constrain/constrain.h"

enum {
  CONSTRAIN_MAX_DEPTH = 64,
  CONSTRAIN_MAX_BYTES = 1 << 16,
  CONSTRAIN_MAX_OPEN_KEYS = 1024,
  CONSTRAIN_MAX_SCHEMA_BYTES = 1 << 20
};

/* Strict RFC 8259, UTF-8, no lone surrogates, no key twice in an object, at most CONSTRAIN_MAX_DEPTH deep and
 * CONSTRAIN_MAX_OPEN_KEYS keys in an object and the ones around it. Everything below takes text that passed.
 */
base_status constrain_json_text_check(base_slice text, size_t max_bytes, const char *where, base_error *err);

typedef enum constrain_kind {
  CONSTRAIN_K_NULL,
  CONSTRAIN_K_FALSE,
  CONSTRAIN_K_TRUE,
  CONSTRAIN_K_NUMBER,
  CONSTRAIN_K_STRING,
  CONSTRAIN_K_ARRAY,
  CONSTRAIN_K_OBJECT
} constrain_kind;
constrain_kind constrain_json_kind_of(base_slice value);

/* The document's one value, or a container's inside, to step through with the two below. */
base_slice constrain_json_document(base_slice text);
base_slice constrain_json_inside(base_slice container);
bool constrain_json_next_item(base_slice *rest, base_slice *value);
bool constrain_json_next_member(base_slice *rest, base_slice *key,
                                base_slice *value); /* key: with its quotes */
bool constrain_json_find_member(base_slice object, base_slice key, base_slice *value);
size_t constrain_json_count(base_slice container);

/* Characters of a string value; escapes decoded. */
bool constrain_json_next_char(base_slice *inside, uint32_t *code_point);
size_t constrain_json_string_length(base_slice string);
bool constrain_json_string_is(base_slice string, const char *plain);
/* Decodes into `out`, terminated; false when it does not fit. */
bool constrain_json_string_copy(base_slice string, char *out, size_t out_size);

/* Exact: 1.0 equals 1e0. */
int constrain_json_compare_numbers(base_slice a, base_slice b);
bool constrain_json_is_integer(base_slice number);
#define CONSTRAIN_MAX_MULTIPLE INT64_C(100000000000000000)
bool constrain_json_is_multiple(
    base_slice number, int64_t of); /* 0 < of <= CONSTRAIN_MAX_MULTIPLE; false for what is no integer */
bool constrain_json_equal_values(base_slice a, base_slice b);

/* ---- formats ---- */

typedef enum constrain_format {
  CONSTRAIN_ANY_FORMAT,
  CONSTRAIN_DATE,
  CONSTRAIN_DATETIME,
  CONSTRAIN_TIME,
  CONSTRAIN_DURATION,
  CONSTRAIN_RRULE,
  CONSTRAIN_EMAIL,
  CONSTRAIN_PHONE,
  CONSTRAIN_CURRENCY,
  CONSTRAIN_FORMATS
} constrain_format;
extern const char *const constrain_format_name[CONSTRAIN_FORMATS];
bool constrain_format_fits(constrain_format f, base_slice text);

/* ---- compiled schemas ---- */

enum { NODE_NONE = -1 };

/* One schema object or boolean. Children are indices into the schema's nodes; lists of children hang on
 * `next`. Slices point into the schema's copy of its text; `ptr` NULL is absent. */
typedef struct constrain_node {
  base_slice key; /* of a property */
  int next;
  int properties, additional, items, any_of, all_of, one_of, negated;
  uint8_t kinds; /* bit set over constrain_kind; 0 any */
  bool integer;  /* a number has to be an integer */
  bool never;    /* the schema `false` */
  bool unique;
  bool closed; /* additionalProperties: false */
  constrain_format format;
  base_slice required, choices, constant;
  base_slice minimum, maximum, exclusive_minimum, exclusive_maximum;
  int64_t multiple_of; /* 0 none */
  size_t min_length, max_length, min_items, max_items, min_properties, max_properties;
} constrain_node;

struct constrain_schema {
  base_allocator allocator;
  char *text;
  size_t text_bytes;
  constrain_node *node;
  size_t n_nodes, cap;
  int root;
};

#endif
