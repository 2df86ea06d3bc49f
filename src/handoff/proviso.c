/* What a request takes back or hangs on something: "don't turn off the lights", "cancel my run if it rains". A model
 * that reads words by what they mostly ask for may pass over either, and be sure. A "don't" is tried: what it forbids
 * is read alone, and where that is the action that was read with it, it was passed over. A condition is found by its
 * words, outside of the values ("text Emma to call if she needs help"): no app here watches whether it comes true. */
#include "handoff/internal.h"

static size_t skip_to_word(base_slice text, size_t at) {
  while (at < text.len && !handoff_is_of_word(text.ptr[at])) at++;
  return at;
}

static size_t skip_leads(base_slice text) {
  size_t at = skip_to_word(text, 0);
  for (size_t end; (end = handoff_match_word(text, at, PROVISO_LEAD)) > 0;) at = skip_to_word(text, end);
  return at;
}

static size_t end_of_word(base_slice text, size_t at) {
  while (at < text.len && handoff_is_of_word(text.ptr[at])) at++;
  return at;
}

static bool has_word(base_slice text, handoff_word kind) {
  for (size_t at = skip_to_word(text, 0); at < text.len; at = skip_to_word(text, end_of_word(text, at)))
    if (handoff_match_word(text, at, kind) > 0) return true;
  return false;
}

/* What is asked not to be done, up to a comma, when the text begins with that. */
static bool read_not(base_slice text, base_slice *what) {
  size_t at = skip_leads(text), end = handoff_match_word(text, at, PROVISO_NOT);
  if (end == 0) return false;
  for (size_t again; (again = handoff_match_word(text, skip_to_word(text, end), PROVISO_NOT)) > 0;) end = again;
  at = skip_to_word(text, end);
  for (end = at; end < text.len && text.ptr[end] != ',';) end++;
  *what = base_slice_sub(text, at, end);
  return what->len > 0 && handoff_match_word(text, at, PROVISO_KEPT) == 0 && !has_word(*what, PROVISO_ENDS);
}

bool handoff_passes_over_not(handoff_loop *l, const handoff_part *part, const pack *p) {
  base_slice what;
  if (!read_not(part->text, &what)) return false;
  head_brain_run(pack_brain(p), l->kernels, what, l->scratch, &l->repaired_result);
  return l->repaired_result.label == l->result.label;
}

/* A condition begins at `at`. */
static bool is_condition(base_slice text, size_t at) {
  size_t end = handoff_match_word(text, at, PROVISO_IF);
  if (end > 0) return handoff_match_word(text, skip_to_word(text, end), PROVISO_POLITE) == 0;
  end = handoff_match_word(text, at, PROVISO_WHEN);
  size_t behind = end > 0 ? handoff_match_word(text, skip_to_word(text, end), PROVISO_SOMEBODY) : 0;
  return behind > 0 && handoff_match_word(text, skip_to_word(text, behind), PROVISO_POLITE) == 0;
}

static bool is_of_value(const head_result *r, size_t at) {
  for (size_t i = 0; i < r->n_spans; i++)
    if (at >= r->spans[i].start && at < r->spans[i].end) return true;
  return false;
}

bool handoff_begins_with_condition(base_slice text) { return is_condition(text, skip_leads(text)); }

bool handoff_has_condition(base_slice text, const head_result *r) {
  bool asked = false;
  for (size_t at = skip_to_word(text, 0), end; at < text.len; at = skip_to_word(text, end)) {
    end = end_of_word(text, at);
    if (!asked && is_condition(text, at) && !is_of_value(r, at)) return true;
    /* "tell me if": what is asked may have one word more */
    bool me = base_slice_equal_nocase(base_slice_sub(text, at, end), BASE_LITERAL("me"));
    asked = handoff_match_word(text, at, PROVISO_ASKS) > 0 || (asked && me);
  }
  return false;
}
