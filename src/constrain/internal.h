/* constrain, private. A compiled schema is documents, the resources and anchors in them, and for each schema
 * object that can be reached a list of operations:
 *
 *   text ── jdoc ── walk (library.c: $id, anchors) ── compile (compile.c: operations) ── run (run.c: the machine)   */
#ifndef CONSTRAIN_INTERNAL_H
#define CONSTRAIN_INTERNAL_H

#include "constrain/constrain.h"
#include "regex/regex.h"

enum { CONSTRAIN_NONE = 0xFFFFFFFF };

/* ---- memory: vectors that grow, and texts that live as long as the schema ---- */

typedef struct constrain_vec {
  void *ptr;
  size_t n, cap; /* items */
} constrain_vec;

/* Room for `extra` more items of `bytes` each; false when out of memory. */
bool constrain_vec_need(constrain_vec *v, size_t extra, size_t bytes, const base_allocator *a);
void constrain_vec_free(constrain_vec *v, size_t bytes, const base_allocator *a);

/* ---- names to numbers ----
 *
 * One hash table for resources, anchors, properties and members of large objects: a name within a scope.
 * Names that were made to collide are refused (BASE_ELIMIT), so that no look-up is long. */

typedef struct constrain_name {
  uint64_t scope;
  base_slice text;
  uint32_t value;
} constrain_name;

typedef struct constrain_names {
  constrain_vec entry; /* constrain_name */
  uint32_t *slot;      /* index of an entry + 1 */
  size_t n_slots;
} constrain_names;

/* Keeps `text` as a pointer. The first value of a name stays; *added tells whether it is this one (may be
 * NULL). */
base_status constrain_names_add(constrain_names *t, uint64_t scope, base_slice text, uint32_t value,
                                bool *added,
                                const base_allocator *a);
uint32_t constrain_names_find(const constrain_names *t, uint64_t scope, base_slice text); /* CONSTRAIN_NONE */
void constrain_names_free(constrain_names *t, const base_allocator *a);

typedef enum constrain_scope {
  CONSTRAIN_S_URI,      /* absolute URI to resource */
  CONSTRAIN_S_ANCHOR,   /* per resource: name to json node, of any anchor */
  CONSTRAIN_S_DYNAMIC,  /* the same for dynamic ones */
  CONSTRAIN_S_PROPERTY, /* per set of members: name to schema */
  CONSTRAIN_S_TRIGGER,  /* per op: name to index of a dependency */
  CONSTRAIN_S_REQUIRED, /* per op: name to its ordinal */
  CONSTRAIN_S_PATTERN,  /* pattern to regex */
  CONSTRAIN_S_MEMBER,   /* per document and object: name to json node */
  CONSTRAIN_S_INDEXED   /* document and object whose members are in the table */
} constrain_scope;
static inline uint64_t constrain_scope_of(constrain_scope kind, uint32_t high, uint32_t low) {
  return (uint64_t)kind << 58 | (uint64_t)(high & 0x3FFFFFF) << 32 | low;
}

/* ---- keywords ---- */

enum { D4 = 1, D6 = 2, D7 = 4, D19 = 8, D20 = 16, FROM4 = 31, FROM6 = 30, FROM7 = 28, FROM19 = 24, TO19 = 15 };

typedef enum constrain_vocabulary {
  CONSTRAIN_V_CORE = 1,
  CONSTRAIN_V_VALIDATION = 2,
  CONSTRAIN_V_APPLICATOR = 4,
  CONSTRAIN_V_UNEVALUATED = 8,
  CONSTRAIN_V_FORMATS = 16,
  CONSTRAIN_V_CONTENT = 32,
  CONSTRAIN_V_ASSERT_FORMATS = 64, /* the vocabulary format-assertion is asked for */
  CONSTRAIN_V_ALL = 63
} constrain_vocabulary;

typedef enum constrain_shape {
  CONSTRAIN_SHAPE_NONE,
  CONSTRAIN_SHAPE_SCHEMA,
  CONSTRAIN_SHAPE_LIST,
  CONSTRAIN_SHAPE_MAP,
  CONSTRAIN_SHAPE_ITEMS,
  CONSTRAIN_SHAPE_DEPENDENCIES
} constrain_shape;

typedef enum constrain_keyword {
#define CONSTRAIN_KEYWORD(id, name, shape, drafts, vocabulary) CONSTRAIN_K_##id,
#include "constrain/keyword.def"
#undef CONSTRAIN_KEYWORD
  CONSTRAIN_KEYWORDS
} constrain_keyword;

typedef struct constrain_keyword_info {
  const char *name;
  constrain_shape shape;
  uint8_t drafts, vocabulary;
} constrain_keyword_info;
extern const constrain_keyword_info constrain_keyword_table[CONSTRAIN_KEYWORDS];

typedef struct constrain_dialect {
  uint8_t draft;      /* one of D4 .. D20 */
  uint8_t vocabulary; /* bits */
} constrain_dialect;
/* CONSTRAIN_KEYWORDS when the dialect does not know it. */
constrain_keyword constrain_keyword_of(base_slice name, constrain_dialect d);

/* ---- formats ---- */

typedef enum constrain_format {
#define CONSTRAIN_FORMAT(id, name, fits) CONSTRAIN_F_##id,
#include "constrain/format.def"
#undef CONSTRAIN_FORMAT
  CONSTRAIN_FORMATS
} constrain_format;
/* CONSTRAIN_FORMATS when unknown. `action`: with those of actions, which come first. */
constrain_format constrain_format_of(base_slice name, bool action);
const char *constrain_format_name(constrain_format f);
bool constrain_format_fits(constrain_format f, base_slice text);

/* ---- documents ---- */

typedef struct constrain_doc {
  jdoc d;
  char *text; /* our copy, or NULL when borrowed */
  size_t bytes;
  /* per json node: resource of the schema that stands there, CONSTRAIN_NONE: none was found */
  uint32_t *resource_of;
  uint32_t *schema_of;   /* per json node: compiled schema */
} constrain_doc;

typedef struct constrain_resource {
  base_slice uri; /* absolute when it can be, without a fragment */
  uint32_t doc, node;
  constrain_dialect dialect;
} constrain_resource;

/* ---- compiled ---- */

typedef enum constrain_code {
  CONSTRAIN_OP_TYPE,
  CONSTRAIN_OP_ENUM,
  CONSTRAIN_OP_CONST,
  CONSTRAIN_OP_MINIMUM,
  CONSTRAIN_OP_MAXIMUM,
  CONSTRAIN_OP_ABOVE,
  CONSTRAIN_OP_BELOW,
  CONSTRAIN_OP_MULTIPLE_OF,
  CONSTRAIN_OP_LENGTH,
  CONSTRAIN_OP_PATTERN,
  CONSTRAIN_OP_FORMAT,
  CONSTRAIN_OP_CONTENT,
  CONSTRAIN_OP_COUNT, /* items or members */
  CONSTRAIN_OP_UNIQUE,
  CONSTRAIN_OP_REQUIRED,
  CONSTRAIN_OP_DEPENDENT, /* names or schema per trigger */
  CONSTRAIN_OP_NAMES,     /* propertyNames */
  CONSTRAIN_OP_REF,
  CONSTRAIN_OP_DYNAMIC_REF,
  CONSTRAIN_OP_MEMBERS,
  CONSTRAIN_OP_ITEMS,
  CONSTRAIN_OP_CONTAINS,
  CONSTRAIN_OP_ALL_OF,
  CONSTRAIN_OP_ANY_OF,
  CONSTRAIN_OP_ONE_OF,
  CONSTRAIN_OP_NOT,
  CONSTRAIN_OP_IF,
  CONSTRAIN_OP_UNEVALUATED_ITEMS,
  CONSTRAIN_OP_UNEVALUATED_MEMBERS,
  CONSTRAIN_OPS
} constrain_code;

/* Meaning of x, y, n by code: see the op in ops.c. */
typedef struct constrain_op {
  uint8_t code;
  uint8_t kinds;  /* jdoc kinds of instances it is about */
  uint8_t detail; /* type bits, format */
  uint8_t flags;
  uint32_t value; /* json node of the keyword's value */
  uint32_t x, y, n;
} constrain_op;

typedef struct constrain_node {
  uint32_t doc, at, resource; /* json node of the schema */
  uint32_t first_op, n_ops;
  bool never;       /* `false` */
  bool unevaluated; /* has an unevaluated* keyword */
} constrain_node;

/* properties, patternProperties, additionalProperties of one schema */
typedef struct constrain_members {
  uint32_t first_pattern, n_patterns; /* pairs (regex, schema) in `kid` */
  uint32_t additional;                /* schema or CONSTRAIN_NONE */
  bool properties;
} constrain_members;

struct constrain_schema {
  base_allocator allocator;
  constrain_options options;
  constrain_vec doc;      /* constrain_doc */
  constrain_vec resource; /* constrain_resource */
  constrain_vec text;     /* base_buf: URIs that were put together */
  constrain_names names;
  constrain_vec node;    /* constrain_node */
  constrain_vec op;      /* constrain_op */
  constrain_vec kid;     /* uint32_t */
  constrain_vec members; /* constrain_members */
  constrain_vec regex;   /* regex * */
  uint32_t root;
};

static inline constrain_doc *constrain_doc_at(const constrain_schema *s, uint32_t i) {
  return (constrain_doc *)s->doc.ptr + i;
}
static inline constrain_resource *constrain_resource_at(const constrain_schema *s, uint32_t i) {
  return (constrain_resource *)s->resource.ptr + i;
}
static inline constrain_node *constrain_node_at(const constrain_schema *s, uint32_t i) {
  return (constrain_node *)s->node.ptr + i;
}

/* ---- library.c: documents, resources, references ---- */

typedef struct constrain_build {
  constrain_schema *s;
  const char *where;
  base_error *err;
  constrain_dialect dialect; /* of documents that do not say theirs: the first one's */
  constrain_vec queue;       /* constrain_place: schemas still to be walked */
} constrain_build;

base_status constrain_no_memory(const constrain_build *b);
/* Refuses the schema, naming the value `at` in the document. */
base_status constrain_refuse(const constrain_build *b, uint32_t doc, uint32_t at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Reads a document and finds its resources and anchors. `uri`: where it was found, may be empty. */
base_status constrain_add_document(constrain_build *b, base_slice text, bool copy, base_slice uri,
                                   uint32_t *doc);
/* Adds the JSON Pointer from a value to one in it (a key counts as its member). */
void constrain_put_path(base_buf *out, const jdoc *d, uint32_t from, uint32_t to);
/* What a reference in a resource leads to. *dynamic: the fragment is the name of a dynamic anchor. */
base_status constrain_resolve(constrain_build *b, uint32_t resource, uint32_t doc, uint32_t at,
                              base_slice reference,
                              uint32_t *to_doc, uint32_t *to_node, uint32_t *to_resource, bool *dynamic);

typedef struct constrain_place {
  uint32_t doc, node, resource;
} constrain_place;

/* ---- compile.c ---- */

base_status constrain_compile(constrain_build *b);

/* ---- uri.c (RFC 3986) ---- */

typedef struct constrain_uri {
  base_slice scheme, authority, path, query, fragment;
  bool has_authority, has_query, has_fragment;
} constrain_uri;
constrain_uri constrain_uri_split(base_slice text);
/* `reference` against `base`, without the fragment (section 5.2). */
void constrain_uri_resolve(base_buf *out, base_slice base, base_slice reference);
/* Decodes %XX into `out`. */
void constrain_uri_decode(base_buf *out, base_slice text);

/* ---- metaschema.c ---- */

/* The draft whose metaschema has this URI (with or without '#', http or https); 0 when none. */
uint8_t constrain_draft_of(base_slice uri);

/* ---- run.c ---- */

typedef struct constrain_frame {
  uint32_t schema, value; /* what is checked by what */
  uint32_t op;            /* the operation at hand, counted from the schema's first */
  uint32_t i, k, n;       /* its registers, 0 when it starts */
  uint32_t marks;         /* where the marks of evaluated items begin */
  uint32_t chain;         /* schemas one in another on this same value */
  uint8_t child;          /* CONSTRAIN_FIRST, or how the called schema ended */
  uint8_t flags;
} constrain_frame;

enum { CONSTRAIN_FIRST, CONSTRAIN_GOOD, CONSTRAIN_BAD };
enum {
  CONSTRAIN_QUIET = 1,   /* a failure here is not one of the instance */
  CONSTRAIN_TRACK = 2,   /* evaluated items are marked */
  CONSTRAIN_FAILED = 4,
  CONSTRAIN_INSIDE = 8,  /* its value lies in its caller's */
  CONSTRAIN_SCOPED = 16  /* it entered its resource */
};

typedef struct constrain_run {
  const constrain_schema *s;
  const jdoc *v;
  const constrain_run_options *o;
  base_error *err;
  const base_allocator *a; /* NULL: the fixed memory below must do */
  constrain_vec frame;     /* constrain_frame */
  constrain_vec mark;      /* uint32_t */
  constrain_vec scope;     /* uint32_t: resources in the order they were first entered */
  bool part, plain_where;
  bool failed; /* a failure was reported */
  base_status stop;
  uint64_t steps;
  uint32_t call_schema, call_value; /* what an operation wants checked */
  uint8_t call_flags;
} constrain_run;

typedef enum constrain_verdict {
  CONSTRAIN_PASS,
  CONSTRAIN_FAIL,
  CONSTRAIN_CALL,
  CONSTRAIN_STOP
} constrain_verdict;

constrain_verdict constrain_step(constrain_run *r, constrain_frame *f, const constrain_op *o);
base_status constrain_run_machine(constrain_run *r);
constrain_verdict constrain_stop(constrain_run *r, base_status status, const char *text);
/* Reports a failure of the operation at hand; returns CONSTRAIN_FAIL. */
constrain_verdict constrain_report(constrain_run *r, const constrain_frame *f, const constrain_op *o,
                                   const char *fmt,
                                   ...) __attribute__((format(printf, 4, 5)));
bool constrain_mark(constrain_run *r, const constrain_frame *f, uint32_t node);
/* uniqueItems */
constrain_verdict constrain_unique(constrain_run *r, constrain_frame *f, const constrain_op *o);
constrain_verdict constrain_content(constrain_run *r, constrain_frame *f, const constrain_op *o);

#endif
