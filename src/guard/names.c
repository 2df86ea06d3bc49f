/* What the tagger's path becomes before spans are made of it. The tagger sees a word and its neighbours; these look
 * along a whole name: small words at its ends, particles inside it ("ten", "de la"), names joined by "and", and the one
 * that somebody is a daughter of. Each is a habit of writing, none of a data set. */
#include <string.h>

#include "guard/model.h"

enum { COMMON = 0x80, NAMED = 0x7F, FIRST = 1 }; /* of a word's lists: ordinary words; all others; first names */

static uint8_t begins(guard_tag_class c) { return (uint8_t)(1 + 2 * c); }
static uint8_t inside(guard_tag_class c) { return (uint8_t)(2 + 2 * c); }
static bool is_of(uint8_t tag, guard_tag_class c) { return tag == begins(c) || tag == inside(c); }

static bool is_word(const guard_view *v, const guard_word *w) { return guard_is_alpha(v->f[w->start]); }
static bool is_sign(const guard_view *v, const guard_word *w, uint8_t c) {
  return w->end == w->start + 1 && v->f[w->start] == c;
}

/* Begins with a capital, and is no word that sentences begin with. */
static bool may_be_name(const guard_view *v, const guard_word *w) {
  return w->end > w->start + 2 && guard_is_capital(v, w->start) && (w->lists & COMMON) == 0;
}

static const char particles[] =
    "|van|von|der|den|ten|ter|de|da|di|del|della|dos|das|du|la|le|el|al|bin|ibn|zu|zur|af|av|op|";
static const char joiners[] =
    "|of|the|and|for|in|on|at|de|la|le|les|du|des|di|da|do|del|y|e|et|und|van|von|der|den|";

/* Where capitals are used, an organisation ends before its first small word that joins nothing: "Acme resignation". */
static void cut_at_small_word(const guard_view *v, const guard_word *w, size_t from, size_t end, uint8_t *path) {
  size_t cut = end;
  for (size_t i = from + 1; i < end && cut == end; i++)
    if (is_word(v, &w[i]) && !guard_is_capital(v, w[i].start) && (w[i].lists & COMMON) != 0 &&
        !guard_word_is(v, &w[i], joiners) && guard_is_capital(v, w[from].start))
      cut = i;
  for (size_t i = cut; i < end; i++) path[i] = 0;
}

/* "Anna ten Pas": what stands behind particles belongs to the person before them. */
static void join_particles(const guard_view *v, const guard_word *w, size_t n, uint8_t *path) {
  for (size_t i = 1; i + 1 < n; i++) {
    size_t p = i;
    if (path[i] != 0 || !is_of(path[i - 1], GUARD_TAG_PERSON)) continue;
    while (p + 1 < n && p < i + 3 && guard_word_is(v, &w[p], particles)) p++;
    if (p == i || !may_be_name(v, &w[p]) || (path[p] != 0 && path[p] != begins(GUARD_TAG_PERSON))) continue;
    for (size_t k = i; k <= p; k++) path[k] = inside(GUARD_TAG_PERSON);
  }
}

/* "Lamovec and Morales": what is joined to a name of one word is one of its kind. */
static void join_pairs(const guard_view *v, const guard_word *w, size_t n, uint8_t *path) {
  for (size_t i = 1; i + 1 < n; i++) {
    if (!guard_word_is(v, &w[i], "|and|&|und|et|y|e|")) continue;
    bool left_alone = i < 2 || path[i - 2] == 0 || path[i - 1] % 2 == 1;
    bool right_alone = i + 2 >= n || path[i + 2] == 0 || path[i + 2] % 2 == 1;
    for (guard_tag_class c = GUARD_TAG_PERSON; c <= GUARD_TAG_PLACE; c = (guard_tag_class)(c + 2)) {
      if (path[i + 1] == begins(c) && right_alone && path[i - 1] == 0 && may_be_name(v, &w[i - 1]))
        path[i - 1] = begins(c);
      else if (path[i - 1] == begins(c) && left_alone && path[i + 1] == 0 && may_be_name(v, &w[i + 1]))
        path[i + 1] = begins(c);
    }
  }
}

/* Ordinary, and no name beside. */
static bool is_common(const guard_word *w) { return (w->lists & COMMON) != 0 && (w->lists & 3U) == 0; }

static bool follows_number(const guard_view *v, const guard_word *w, size_t i) {
  for (size_t k = 1; k <= 3 && k <= i; k++)
    if (guard_is_digit(v->f[w[i - k].start])) return true;
  return false;
}

/* "dr. emma stone": who stands behind a title is a person, and so is the known name behind that. */
static void find_titled(const guard_view *v, const guard_word *w, size_t n, uint8_t *path) {
  for (size_t i = 0; i + 1 < n; i++) {
    if (path[i] != 0 ||
        !guard_word_is(v, &w[i], "|mr|mrs|ms|dr|prof|mx|professor|herr|frau|mme|madame|monsieur|senora|sra|"))
      continue;
    size_t at = i + 1 + is_sign(v, &w[i + 1], '.');
    if (at >= n || w[at].start > w[at - 1].end + 1 || path[at] != 0 || !is_word(v, &w[at])) continue;
    if (is_common(&w[at]) || w[at].end < w[at].start + 3) continue;
    if (guard_word_is(v, &w[i], "|dr|") && i > 0 && follows_number(v, w, i)) continue; /* a drive */
    path[at] = begins(GUARD_TAG_PERSON);
    if (at + 1 == n || path[at + 1] != 0 || w[at + 1].start != w[at].end + 1 || is_common(&w[at + 1])) continue;
    if ((w[at + 1].lists & 3U) != 0 || guard_is_capital(v, w[at + 1].start))
      path[at + 1] = inside(GUARD_TAG_PERSON);
  }
}

/* "Misty's daughter" */
static void find_kin(const guard_view *v, const guard_word *w, size_t n, uint8_t *path) {
  static const char kin[] = "|daughter|son|wife|husband|mother|father|mom|dad|mum|sister|brother|aunt|uncle|cousin|"
                            "girlfriend|boyfriend|fiance|fiancee|niece|nephew|grandmother|grandfather|birthday|";
  for (size_t i = 0; i + 3 < n; i++)
    if (path[i] == 0 && is_sign(v, &w[i + 1], '\'') && is_sign(v, &w[i + 2], 's') &&
        guard_word_is(v, &w[i + 3], kin) &&
        (may_be_name(v, &w[i]) || ((w[i].lists & 3U) != 0 && (w[i].lists & COMMON) == 0)))
      path[i] = begins(GUARD_TAG_PERSON);
}

/* Is a span written as a name? Where capitals are used, small words are none, but those of persons and places that
 * lists know; groups are written either way. */
static bool is_written_as_name(const guard_view *v, const guard_word *w, size_t n, guard_tag_class c) {
  if (c == GUARD_TAG_GROUP) return true;
  for (size_t i = 0; i < n; i++) {
    if (guard_is_capital(v, w[i].start) || guard_is_digit(v->f[w[i].start])) return true;
    bool ordinary = (w[i].lists & COMMON) != 0 && (w[i].lists & FIRST) == 0; /* requests say "emma" as well */
    if (c != GUARD_TAG_ORGANISATION && (w[i].lists & NAMED) != 0 && !ordinary) return true;
  }
  return false;
}

bool guard_has_capitals(const guard_view *v) {
  for (size_t i = 0; i < v->n; i++)
    if (guard_is_capital(v, i)) return true;
  return false;
}

void guard_tidy_path(const guard_view *v, const guard_word *w, size_t n, bool capitals, uint8_t *path) {
  for (size_t i = 0, end; i < n && capitals; i = end) {
    end = i + 1;
    if (path[i] == 0) continue;
    guard_tag_class c = (guard_tag_class)((path[i] - 1) / 2);
    while (end < n && path[end] == inside(c)) end++;
    bool opens = i == 0 || !is_word(v, &w[i - 1]);
    if (!is_written_as_name(v, w + i, end - i, c)) memset(path + i, 0, end - i);
    else if (c != GUARD_TAG_ORGANISATION) continue;
    else if (end == i + 1 && opens && (w[i].lists & NAMED) == 0) path[i] = 0; /* the capital is the sentence's */
    else cut_at_small_word(v, w, i, end, path);
  }
  join_particles(v, w, n, path);
  join_pairs(v, w, n, path);
  find_titled(v, w, n, path);
  find_kin(v, w, n, path);
}
