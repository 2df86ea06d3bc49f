/* How much a request is about. What may be done to one thing without asking may not be done to all of them: one alarm
 * is soon set again, one mail goes to one person. A word that means everything counts where the pack did not read it
 * as free text, which is somebody's words ("text Emma that all is well"). */
#include "handoff/internal.h"

static bool is(base_slice word, handoff_word kind) { return handoff_match_word(word, 0, kind) > 0; }

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80; }

/* The next run of letters from *at on; false at the end. */
static bool next_word(base_slice text, size_t *at, base_slice *word) {
  while (*at < text.len && !is_letter(text.ptr[*at])) ++*at;
  size_t start = *at;
  while (*at < text.len && is_letter(text.ptr[*at])) ++*at;
  *word = base_slice_sub(text, start, *at);
  return word->len > 0;
}

/* Inside a value that is free text, or times that come again: there it says nothing about the action. A value that is
 * this word alone ("call everyone") does. */
static bool is_of_value(const head_result *r, const pack_manifest *m, size_t start, size_t end) {
  for (size_t i = 0; i < r->n_spans; i++) {
    const head_span *s = &r->spans[i];
    if (start < s->start || end > s->end) continue;
    if (m->slot[s->slot].type == PACK_RECURRENCE) return true;
    if (m->slot[s->slot].type == PACK_TEXT) return end - start < s->end - s->start;
  }
  return false;
}

static bool begins(base_slice text, handoff_word kind) {
  base_slice word;
  size_t at = 0;
  return next_word(text, &at, &word) && is(word, kind);
}

static bool takes_away(const pack_action *a, base_slice text) {
  return begins(base_slice_of(a->title), SCOPE_TAKES) || begins(text, SCOPE_TAKES);
}

bool handoff_asks_for_all(base_slice text, const head_result *r, const pack_manifest *m, const pack_action *a) {
  base_slice word;
  size_t at = 0;
  if (a->risk == PACK_NONE || (a->risk != PACK_DISCLOSES && !takes_away(a, text))) return false;
  while (next_word(text, &at, &word))
    if (is(word, SCOPE_ALL) && !is_of_value(r, m, at - word.len, at)) return true;
  return false;
}

bool handoff_is_contrary(base_slice text, const pack_action *a) {
  return begins(text, SCOPE_TAKES) && begins(base_slice_of(a->title), SCOPE_GIVES);
}

static bool has(base_slice text, handoff_word kind) {
  base_slice word;
  for (size_t at = 0; next_word(text, &at, &word);)
    if (is(word, kind)) return true;
  return false;
}

bool handoff_is_question(base_slice text, const pack_action *a) {
  return a->risk != PACK_NONE && begins(text, SCOPE_ASKS) && !has(text, SCOPE_WAY);
}

/* "this weekend" points at a time and not at the screen. */
bool handoff_points_at_context(base_slice text) {
  base_slice word, following;
  for (size_t at = 0; next_word(text, &at, &word);) {
    size_t behind = at;
    if (is(word, SCOPE_POINTS) && !(next_word(text, &behind, &following) && is(following, SCOPE_WHEN))) return true;
  }
  return false;
}

/* "how do I ...", "how can ...": the way to something is asked for. */
static bool asks_how(base_slice text) {
  base_slice word;
  size_t at = 0;
  return next_word(text, &at, &word) && base_slice_equal_nocase(word, BASE_LITERAL("how")) &&
         next_word(text, &at, &word) && is(word, SCOPE_HOW_TO) && !has(text, SCOPE_WAY);
}

bool handoff_is_open_ended(base_slice text) {
  return begins(text, SCOPE_OPENS) || asks_how(text) || has(text, SCOPE_OPEN);
}
