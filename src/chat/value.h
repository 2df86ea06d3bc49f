/* chat/value: what a template computes with, and the memory it lies in. Private to the room. */
#ifndef CHAT_VALUE_H
#define CHAT_VALUE_H

#include "chat/chat.h"

/* ---- memory: blocks that grow, freed together ---- */

typedef struct chat_block chat_block;
typedef struct chat_heap {
  const base_allocator *allocator;
  chat_block *block; /* the newest */
  size_t used, total, limit;
  bool failed; /* sticky: out of memory, or over the limit */
} chat_heap;

void *chat_take(chat_heap *h, size_t count, size_t bytes); /* zeroed; NULL once failed */
void chat_heap_free(chat_heap *h);

/* ---- values ---- */

typedef enum chat_kind {
  CHAT_UNDEFINED,
  CHAT_NONE,
  CHAT_BOOL,
  CHAT_INT,
  CHAT_FLOAT,
  CHAT_STRING,
  CHAT_LIST,
  CHAT_DICT,
  CHAT_NAMESPACE, /* a dict whose members may be set */
  CHAT_MACRO,
  CHAT_FUNCTION, /* a global function: chat_function in `integer` */
  CHAT_METHOD    /* a method and the value it was taken from */
} chat_kind;

typedef struct chat_value chat_value;

/* Bytes with a mark each: 1 where the byte came from the conversation. `mark` NULL means that all have
 * `marked`. */
typedef struct chat_string {
  const char *ptr;
  const uint8_t *mark;
  uint32_t len;
  bool marked;
  bool safe; /* Python's Markup: what is not and is added to it with "+" is escaped as HTML */
} chat_string;

/* Which of Python's sequences it is: each can do less than those before it. */
typedef enum chat_sequence {
  CHAT_ITEMS, /* a list */
  CHAT_TUPLE, /* the same, written "(1, 2)" */
  CHAT_RANGE, /* no text, no JSON */
  CHAT_VIEW,  /* of a dict: no index either */
  CHAT_ONCE   /* a generator: no length either, always true, empty once it was gone through */
} chat_sequence;

typedef struct chat_list {
  chat_value *item;
  size_t n, cap;
  chat_sequence kind;
} chat_list;

typedef struct chat_member chat_member;
typedef struct chat_dict {
  chat_member *member;
  size_t n, cap;
} chat_dict;

typedef struct chat_macro chat_macro;
typedef struct chat_method chat_method;

struct chat_value {
  chat_kind kind;
  union {
    bool truth;
    int64_t integer;
    double real;
    chat_string *string;
    chat_list *list;
    chat_dict *dict;
    chat_macro *macro;
    chat_method *method;
    const char *missing; /* undefined: what was looked for, for messages; may be NULL */
  } as;
};

struct chat_member {
  chat_value key, value;
};

/* ---- the run ---- */

typedef struct chat_run chat_run;
struct chat_run {
  chat_heap heap;
  base_error *err;
  const char *name;   /* the template's, for errors */
  base_status status; /* sticky */
  uint32_t line;
  uint64_t steps;
  int depth;
  int64_t now;
};

/* Records the first failure; gives undefined, so that a caller can return it. */
chat_value chat_fail(chat_run *r, base_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Counts `n` steps of work; false when there have been too many. */
bool chat_work(chat_run *r, size_t n);

static inline chat_value chat_bool(bool v) {
  return (chat_value){CHAT_BOOL, {.truth = v}};
}
static inline chat_value chat_int(int64_t v) {
  return (chat_value){CHAT_INT, {.integer = v}};
}
static inline chat_value chat_none(void) {
  return (chat_value){CHAT_NONE, {0}};
}
static inline chat_value chat_undefined(void) {
  return (chat_value){CHAT_UNDEFINED, {0}};
}
chat_value chat_real(double v);

/* Borrows the bytes. */
chat_value chat_text(chat_run *r, const char *ptr, size_t len, bool marked);
chat_value chat_literal(chat_run *r, const char *terminated);
/* Bytes [start, end) of a string, with their marks. */
chat_value chat_part(chat_run *r, const chat_string *s, size_t start, size_t end);
chat_value chat_safe(chat_value string); /* the same string, now safe */
/* As HTML; what is safe stays as it is. */
chat_value chat_escaped(chat_run *r, chat_value v);
base_slice chat_slice(const chat_string *s);
bool chat_string_is(chat_value v, const char *text);
/* The line from `start` on: up to *end, and the next one begins at the result; as Python's splitlines. */
size_t chat_line(base_slice s, size_t start, size_t *end);

/* Text in the making, with marks. */
typedef struct chat_builder {
  chat_run *r;
  char *ptr;
  uint8_t *mark;
  size_t len, cap;
} chat_builder;
void chat_add(chat_builder *b, const char *ptr, size_t len, bool marked);
void chat_add_string(chat_builder *b, const chat_string *s);
void chat_add_part(chat_builder *b, const chat_string *s, size_t start, size_t end);
chat_value chat_built(chat_builder *b);

chat_value chat_list_new(chat_run *r, size_t cap);
void chat_list_add(chat_run *r, chat_value list, chat_value item);
chat_value chat_list_as(chat_value list, chat_sequence kind); /* the same list, now of this kind */
bool chat_is_sequence(chat_value v, chat_sequence last);      /* a list of a kind up to `last` */
chat_value chat_list_take(chat_list *l);                      /* its first item, taken out; undefined: none */
chat_value chat_dict_new(chat_run *r, chat_kind kind);
void chat_dict_put(chat_run *r, chat_value dict, chat_value key, chat_value value);
void chat_dict_set(chat_run *r, chat_value dict, const char *key, chat_value value);
/* Fails for a list and a dict, which have no hash in Python. */
bool chat_can_be_key(chat_run *r, chat_value v);
/* NULL when there is none. */
chat_value *chat_dict_find(chat_run *r, chat_value dict, chat_value key);
chat_value *chat_dict_get(const chat_value *dict, base_slice key);

bool chat_is_true(chat_value v);
bool chat_equal(chat_run *r, chat_value a, chat_value b);
/* -1, 0, 1; fails for values that have no order. */
int chat_compare(chat_run *r, chat_value a, chat_value b);
bool chat_contains(chat_run *r, chat_value whole, chat_value part);
const char *chat_kind_name(chat_value v);
bool chat_number(chat_value v, double *out); /* of int, float, bool */

/* Python's str() and repr(), added to text in the making. */
void chat_add_str(chat_builder *b, chat_value v);
void chat_add_repr(chat_builder *b, chat_value v);
chat_value chat_str(chat_run *r, chat_value v); /* a string stays as it is */
/* A list of what Python would iterate over: items, keys, characters. A generator is empty then. */
chat_value chat_iterate(chat_run *r, chat_value v);
size_t chat_length(chat_run *r, chat_value v);

/* ---- JSON ---- */

chat_value chat_from_json(chat_run *r, base_slice text, const char *where);
/* json.dumps(v, ensure_ascii=False, indent=, separators=, sort_keys=); indent < 0: on one line. */
typedef struct chat_json_form {
  int indent;
  base_slice comma, colon;
  bool sort_keys, ascii;
} chat_json_form;
chat_value chat_to_json(chat_run *r, chat_value v, const chat_json_form *form);

/* ---- calls: arguments by position and by name ---- */

typedef struct chat_args {
  chat_value *value;
  size_t n;
  base_slice *name; /* of the last n_named */
  size_t n_named;
} chat_args;

/* The argument at a position or with this name; NULL when it was not given. */
const chat_value *chat_arg(const chat_args *a, size_t position, const char *name);
bool chat_arg_true(const chat_args *a, size_t position, const char *name);

/* Index into the tables of builtins; -1 when there is none. */
int chat_filter_find(base_slice name);
int chat_test_find(base_slice name);
int chat_function_find(base_slice name);
chat_value chat_filter_apply(chat_run *r, int filter, chat_value v, const chat_args *a);
bool chat_test_apply(chat_run *r, int test, chat_value v, const chat_args *a);
chat_value chat_function_call(chat_run *r, int function, const chat_args *a);

/* A method of a string, list or dict; undefined when it has none of this name. */
struct chat_method {
  chat_value self;
  int method;
};
chat_value chat_method_of(chat_run *r, chat_value self, base_slice name);
chat_value chat_method_call(chat_run *r, const chat_method *m, const chat_args *a);
chat_value chat_title(chat_run *r, const chat_string *s); /* Jinja's filter, which is not the method */
/* v.name and v[key]; undefined when there is nothing. */
chat_value chat_attribute(chat_run *r, chat_value v, base_slice name);
chat_value chat_item(chat_run *r, chat_value v, chat_value key);
/* v[start:stop:step]; undefined or none bounds are open. */
chat_value chat_sliced(chat_run *r, chat_value v, chat_value start, chat_value stop, chat_value step);

#endif
