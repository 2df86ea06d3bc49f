/* The words of the JSON output for decisions and reasons. */
#include "handoff/handoff.h"

const char *handoff_decision_name(handoff_decision d) {
  static const char *const names[] = {"act", "answer", "confirm", "ask", "handoff", "defer", "refuse"};
  return (size_t)d < sizeof names / sizeof names[0] ? names[d] : "?";
}

const char *handoff_reason_code(handoff_reason r) {
  static const char *const codes[] = {
#define HANDOFF_REASON(name, code, text, said) code,
#include "handoff/reason.def"
#undef HANDOFF_REASON
  };
  return r < HANDOFF_REASONS ? codes[r] : "?";
}

const char *handoff_reason_text(handoff_reason r) {
  static const char *const texts[] = {
#define HANDOFF_REASON(name, code, text, said) text,
#include "handoff/reason.def"
#undef HANDOFF_REASON
  };
  return r < HANDOFF_REASONS ? texts[r] : "?";
}

const char *handoff_reason_said(handoff_reason r) {
  static const char *const said[] = {
#define HANDOFF_REASON(name, code, text, said) said,
#include "handoff/reason.def"
#undef HANDOFF_REASON
  };
  return r < HANDOFF_REASONS ? said[r] : "";
}
