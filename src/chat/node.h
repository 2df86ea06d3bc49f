/* chat/node: a parsed template, and what parsing and running share. Private to the room. */
#ifndef CHAT_NODE_H
#define CHAT_NODE_H

#include "chat/value.h"

typedef enum node_kind {
  /* expressions */
  NODE_STRING,
  NODE_INT,
  NODE_FLOAT,
  NODE_TRUE,
  NODE_FALSE,
  NODE_NONE,
  NODE_NAME,   /* text */
  NODE_LIST,   /* list; op 1: a tuple */
  NODE_DICT,   /* list: key, value, key, value */
  NODE_MEMBER, /* a.text */
  NODE_ITEM,   /* a[b] */
  NODE_SLICE,  /* a[list[0]:list[1]:list[2]], each may be NULL */
  NODE_CALL,   /* a(list, the last n_names by name) */
  NODE_FILTER, /* a | op(list); op -1: `text` is not known */
  NODE_TEST,   /* a is op(list); the same */
  NODE_NOT,
  NODE_MINUS,
  NODE_PLUS, /* a */
  NODE_AND,
  NODE_OR,     /* a, b */
  NODE_CHOICE, /* a if b else c */
  NODE_BINARY, /* a op b */
  /* statements */
  NODE_TEXT,    /* text, as it stands */
  NODE_PRINT,   /* {{ a }} */
  NODE_BODY,    /* list */
  NODE_IF,      /* if a: b, else: c (a body, or the next NODE_IF) */
  NODE_FOR,     /* for names in a if list[0]: b, else: c (where no b came to its end) */
  NODE_SET,     /* names (several unpack) or a.text; value b */
  NODE_CAPTURE, /* names[0] is what body b writes */
  NODE_MACRO,   /* text(names; list: defaults or NULL): body b */
  NODE_CALLER,  /* call a (a NODE_CALL) with caller, a NODE_MACRO, in b */
  NODE_BREAK,
  NODE_CONTINUE
} node_kind;

typedef enum node_op {
  OP_ADD,
  OP_SUBTRACT,
  OP_MULTIPLY,
  OP_DIVIDE,
  OP_FLOOR_DIVIDE,
  OP_REMAINDER,
  OP_POWER,
  OP_CONCATENATE,
  OP_EQUAL,
  OP_UNEQUAL,
  OP_LESS,
  OP_LESS_EQUAL,
  OP_GREATER,
  OP_GREATER_EQUAL,
  OP_IN,
  OP_NOT_IN
} node_op;

typedef struct chat_node chat_node;
struct chat_node {
  node_kind kind;
  uint32_t line;
  int op; /* node_op, or the index of a filter or test */
  base_slice text;
  int64_t integer;
  double real;
  chat_node *a, *b, *c;
  chat_node **list;
  size_t n;
  base_slice *names;
  size_t n_names;
};

enum { CHAT_MAX_NESTING = 150 };

/* Parses `source` into nodes in r's heap; NULL with r's status set when it cannot be used. */
chat_node *chat_parse(chat_run *r, base_slice source);

/* A filter or a test that is not known is asked for. */
chat_value chat_fail_unknown(chat_run *r, const chat_node *n);

/* Variables, innermost first. */
typedef struct chat_scope {
  struct chat_scope *parent;
  chat_value variables; /* a dict */
} chat_scope;

/* Runs a template with these global variables; what it writes is added to `out`. */
void chat_execute(chat_run *r, const chat_node *body, chat_value globals, chat_builder *out);

#endif
