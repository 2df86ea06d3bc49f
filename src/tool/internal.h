/* tool, private: what its files share. */
#ifndef TOOL_INTERNAL_H
#define TOOL_INTERNAL_H

#include "constrain/constrain.h"
#include "jdoc/jdoc.h"
#include "tool/tool.h"

typedef struct tool_definition {
  base_slice name, schema; /* of the parameters */
  constrain_schema *validator;
} tool_definition;

struct tool_set {
  const base_allocator *allocator;
  base_buf json;
  jdoc doc;
  tool_definition *tool;
  size_t n;
};

/* The index of a tool; the count when there is none of that name. */
size_t tool_set_find(const tool_set *s, base_slice name);

/* Texts are literals as masks have them: 0xFF before the name of a control token. */
enum { TOOL_OPENING, TOOL_MIDDLE, TOOL_LAST, TOOL_BETWEEN, TOOL_END, TOOL_TRIGGER, TOOL_LITERALS };

struct tool_form {
  const base_allocator *allocator;
  bool takes_tools;    /* the template writes tools into the prompt */
  bool takes_calls;    /* it writes calls and results of the conversation */
  bool text_arguments; /* it wants the arguments of a call as a text */
  bool empty_text;     /* it wants "" where a message has calls alone */
  bool no_system;      /* it refuses system messages */
  bool at_start;       /* the trigger counts at the beginning alone */
  base_buf literal[TOOL_LITERALS];
};

static inline base_slice tool_literal(const tool_form *f, int which) {
  return (base_slice){f->literal[which].len > 0 ? f->literal[which].ptr : "", f->literal[which].len};
}

#endif
