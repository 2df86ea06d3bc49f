/* What a request takes back or hangs on something: "don't turn off the lights", "cancel my run if it rains". A model
 * that reads words by what they mostly ask for may pass over either, and be sure. A "don't" is tried: what it forbids
 * is read alone, and where that is the action that was read with it, it was passed over. A condition is found by its
 * words, outside of the values ("text Emma to call if she needs help"): no app here watches whether it comes true. */
#include "handoff/internal.h"

typedef enum word_kind { LEAD, NOT, KEPT, ENDS, IF, WHEN, SOMEBODY, ASKS, POLITE } word_kind;

static const struct {
  const char *word;
  word_kind kind;
} words[] = {
#define PROVISO_LEAD(word) {word, LEAD},
#define PROVISO_NOT(word) {word, NOT},
#define PROVISO_KEPT(word) {word, KEPT},
#define PROVISO_ENDS(word) {word, ENDS},
#define PROVISO_IF(word) {word, IF},
#define PROVISO_WHEN(word) {word, WHEN},
#define PROVISO_SOMEBODY(word) {word, SOMEBODY},
#define PROVISO_ASKS(word) {word, ASKS},
#define PROVISO_POLITE(word) {word, POLITE},
#include "handoff/proviso.def"
#undef PROVISO_LEAD
#undef PROVISO_NOT
#undef PROVISO_KEPT
#undef PROVISO_ENDS
#undef PROVISO_IF
#undef PROVISO_WHEN
#undef PROVISO_SOMEBODY
#undef PROVISO_ASKS
#undef PROVISO_POLITE
};

static bool is_of_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\'' || (unsigned char)c >= 0x80;
}

static size_t skip_to_word(base_slice text, size_t at) {
  while (at < text.len && !is_of_word(text.ptr[at])) at++;
  return at;
}

/* Where a word of this kind that begins at `at` ends; 0 when none does. */
static size_t match(base_slice text, size_t at, word_kind kind) {
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    base_slice word = base_slice_of(words[i].word);
    size_t end = at + word.len;
    if (words[i].kind == kind && base_slice_equal_nocase(base_slice_sub(text, at, end), word) &&
        (end == text.len || !is_of_word(text.ptr[end])))
      return end;
  }
  return 0;
}

static size_t skip_leads(base_slice text) {
  size_t at = skip_to_word(text, 0);
  for (size_t end; (end = match(text, at, LEAD)) > 0;) at = skip_to_word(text, end);
  return at;
}

static size_t end_of_word(base_slice text, size_t at) {
  while (at < text.len && is_of_word(text.ptr[at])) at++;
  return at;
}

static bool has_word(base_slice text, word_kind kind) {
  for (size_t at = skip_to_word(text, 0); at < text.len; at = skip_to_word(text, end_of_word(text, at)))
    if (match(text, at, kind) > 0) return true;
  return false;
}

/* What is asked not to be done, up to a comma, when the text begins with that. */
static bool read_not(base_slice text, base_slice *what) {
  size_t at = skip_leads(text), end = match(text, at, NOT);
  if (end == 0) return false;
  for (size_t again; (again = match(text, skip_to_word(text, end), NOT)) > 0;) end = again;
  at = skip_to_word(text, end);
  for (end = at; end < text.len && text.ptr[end] != ',';) end++;
  *what = base_slice_sub(text, at, end);
  return what->len > 0 && match(text, at, KEPT) == 0 && !has_word(*what, ENDS);
}

bool handoff_passes_over_not(handoff_loop *l, const handoff_part *part, const pack *p) {
  base_slice what;
  if (!read_not(part->text, &what)) return false;
  head_brain_run(pack_brain(p), l->kernels, what, l->scratch, &l->repaired_result);
  return l->repaired_result.label == l->result.label;
}

/* A condition begins at `at`. */
static bool is_condition(base_slice text, size_t at) {
  size_t end = match(text, at, IF);
  if (end > 0) return match(text, skip_to_word(text, end), POLITE) == 0;
  end = match(text, at, WHEN);
  size_t behind = end > 0 ? match(text, skip_to_word(text, end), SOMEBODY) : 0;
  return behind > 0 && match(text, skip_to_word(text, behind), POLITE) == 0;
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
    asked = match(text, at, ASKS) > 0 || (asked && me);
  }
  return false;
}
