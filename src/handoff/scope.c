/* How much a request is about. What may be done to one thing without asking may not be done to all of them: one alarm
 * is soon set again, one mail goes to one person. A word that means everything counts where the pack did not read it
 * as free text, which is somebody's words ("text Emma that all is well"). */
#include "handoff/internal.h"

typedef enum word_kind { ALL, TAKES, GIVES, OPEN, OPENS, ASKS, HOW_TO, WAY, POINTS, WHEN } word_kind;

static const struct {
  const char *word;
  word_kind kind;
} words[] = {
#define SCOPE_ALL(word) {word, ALL},
#define SCOPE_TAKES(word) {word, TAKES},
#define SCOPE_GIVES(word) {word, GIVES},
#define SCOPE_OPEN(word) {word, OPEN},
#define SCOPE_OPENS(word) {word, OPENS},
#define SCOPE_ASKS(word) {word, ASKS},
#define SCOPE_HOW_TO(word) {word, HOW_TO},
#define SCOPE_WAY(word) {word, WAY},
#define SCOPE_POINTS(word) {word, POINTS},
#define SCOPE_WHEN(word) {word, WHEN},
#include "handoff/scope.def"
#undef SCOPE_ALL
#undef SCOPE_TAKES
#undef SCOPE_GIVES
#undef SCOPE_OPEN
#undef SCOPE_OPENS
#undef SCOPE_ASKS
#undef SCOPE_HOW_TO
#undef SCOPE_WAY
#undef SCOPE_POINTS
#undef SCOPE_WHEN
};

static bool is(base_slice word, word_kind kind) {
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (words[i].kind == kind && base_slice_equal_nocase(word, base_slice_of(words[i].word))) return true;
  return false;
}

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

static bool begins(base_slice text, word_kind kind) {
  base_slice word;
  size_t at = 0;
  return next_word(text, &at, &word) && is(word, kind);
}

static bool takes_away(const pack_action *a, base_slice text) {
  return begins(base_slice_of(a->title), TAKES) || begins(text, TAKES);
}

bool handoff_asks_for_all(base_slice text, const head_result *r, const pack_manifest *m, const pack_action *a) {
  base_slice word;
  size_t at = 0;
  if (a->risk == PACK_NONE || (a->risk != PACK_DISCLOSES && !takes_away(a, text))) return false;
  while (next_word(text, &at, &word))
    if (is(word, ALL) && !is_of_value(r, m, at - word.len, at)) return true;
  return false;
}

bool handoff_is_contrary(base_slice text, const pack_action *a) {
  return begins(text, TAKES) && begins(base_slice_of(a->title), GIVES);
}

static bool has(base_slice text, word_kind kind) {
  base_slice word;
  for (size_t at = 0; next_word(text, &at, &word);)
    if (is(word, kind)) return true;
  return false;
}

bool handoff_is_question(base_slice text, const pack_action *a) {
  return a->risk != PACK_NONE && begins(text, ASKS) && !has(text, WAY);
}

/* "this weekend" points at a time and not at the screen. */
bool handoff_points_at_context(base_slice text) {
  base_slice word, following;
  for (size_t at = 0; next_word(text, &at, &word);) {
    size_t behind = at;
    if (is(word, POINTS) && !(next_word(text, &behind, &following) && is(following, WHEN))) return true;
  }
  return false;
}

/* "how do I ...", "how can ...": the way to something is asked for. */
static bool asks_how(base_slice text) {
  base_slice word;
  size_t at = 0;
  return next_word(text, &at, &word) && base_slice_equal_nocase(word, BASE_LITERAL("how")) &&
         next_word(text, &at, &word) && is(word, HOW_TO) && !has(text, WAY);
}

bool handoff_is_open_ended(base_slice text) {
  return begins(text, OPENS) || asks_how(text) || has(text, OPEN);
}
