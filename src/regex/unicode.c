/* regex/unicode: sets of code points, and the Unicode properties that \p{...} names. */
#include "regex/internal.h"

#include <stdlib.h>
#include <string.h>

enum { LAST_POINT = 0x10FFFF };

bool regex_set_add(regex_set *s, uint32_t first, uint32_t last, const base_allocator *a) {
  if (s->count > 0 && s->ranges[s->count - 1].last + 1 == first) {
    s->ranges[s->count - 1].last = last;
    return true;
  }
  if (s->count == s->cap) {
    uint32_t cap = s->cap == 0 ? 4 : 2 * s->cap;
    void *grown = a->resize(a->ctx, s->ranges, s->cap * sizeof(regex_range), cap * sizeof(regex_range));
    if (grown == NULL) return false;
    s->ranges = grown;
    s->cap = cap;
  }
  s->ranges[s->count++] = (regex_range){first, last};
  return true;
}

void regex_set_free(regex_set *s, const base_allocator *a) {
  base_free(a, s->ranges, s->cap * sizeof(regex_range));
  *s = (regex_set){0};
}

static int compare_ranges(const void *x, const void *y) {
  const regex_range *a = x, *b = y;
  if (a->first != b->first) return a->first < b->first ? -1 : 1;
  return (a->last > b->last) - (a->last < b->last);
}

void regex_set_normalise(regex_set *s) {
  if (s->count < 2) return;
  qsort(s->ranges, s->count, sizeof(regex_range), compare_ranges);
  uint32_t out = 0;
  for (uint32_t i = 1; i < s->count; i++) {
    if (s->ranges[i].first <= s->ranges[out].last + 1) {
      if (s->ranges[i].last > s->ranges[out].last) s->ranges[out].last = s->ranges[i].last;
    } else {
      s->ranges[++out] = s->ranges[i];
    }
  }
  s->count = out + 1;
}

bool regex_set_negate(regex_set *s, const base_allocator *a) {
  regex_set out = {0};
  uint32_t from = 0;
  bool fine = true;
  regex_set_normalise(s);
  for (uint32_t i = 0; i < s->count && fine; i++) {
    if (s->ranges[i].first > from) fine = regex_set_add(&out, from, s->ranges[i].first - 1, a);
    from = s->ranges[i].last + 1;
  }
  if (fine && from <= LAST_POINT) fine = regex_set_add(&out, from, LAST_POINT, a);
  regex_set_free(fine ? s : &out, a);
  if (fine) *s = out;
  return fine;
}

/* ---- properties ---- */

#define REGEX_CATEGORY(name, count, ...) static const regex_range category_##name[count] = {__VA_ARGS__};
#define REGEX_SCRIPT(name, count, ...) static const regex_range script_##name[count] = {__VA_ARGS__};
#include "regex/unicode.def"
#undef REGEX_CATEGORY
#undef REGEX_SCRIPT

typedef struct property {
  const char *name;
  const regex_range *ranges;
  uint32_t count;
} property;

static const property categories[] = {
#define REGEX_CATEGORY(name, count, ...) {#name, category_##name, count},
#define REGEX_SCRIPT(name, count, ...)
#include "regex/unicode.def"
#undef REGEX_CATEGORY
#undef REGEX_SCRIPT
};

static const property scripts[] = {
#define REGEX_CATEGORY(name, count, ...)
#define REGEX_SCRIPT(name, count, ...) {#name, script_##name, count},
#include "regex/unicode.def"
#undef REGEX_CATEGORY
#undef REGEX_SCRIPT
};

/* Long names of general categories (UAX 44), and the groups that are one letter. */
static const char *const long_names[][2] = {
    {"Letter", "L"}, {"Cased_Letter", "LC"}, {"Uppercase_Letter", "Lu"}, {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"}, {"Modifier_Letter", "Lm"}, {"Other_Letter", "Lo"}, {"Mark", "M"},
    {"Nonspacing_Mark", "Mn"}, {"Spacing_Mark", "Mc"}, {"Enclosing_Mark", "Me"}, {"Number", "N"},
    {"Decimal_Number", "Nd"}, {"digit", "Nd"}, {"Letter_Number", "Nl"}, {"Other_Number", "No"},
    {"Punctuation", "P"}, {"punct", "P"}, {"Connector_Punctuation", "Pc"}, {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"}, {"Close_Punctuation", "Pe"}, {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"}, {"Other_Punctuation", "Po"}, {"Symbol", "S"}, {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"}, {"Modifier_Symbol", "Sk"}, {"Other_Symbol", "So"}, {"Separator", "Z"},
    {"Space_Separator", "Zs"}, {"Line_Separator", "Zl"}, {"Paragraph_Separator", "Zp"}, {"Other", "C"},
    {"Control", "Cc"}, {"cntrl", "Cc"}, {"Format", "Cf"}, {"Private_Use", "Co"}, {"Alphabetic", "Alpha"},
    {"Uppercase", "Lu"}, {"Lowercase", "Ll"}, {"White_Space", "Space"}};

static bool add_ranges(regex_set *s, const property *p, const base_allocator *a) {
  for (uint32_t i = 0; i < p->count; i++)
    if (!regex_set_add(s, p->ranges[i].first, p->ranges[i].last, a)) return false;
  return true;
}

/* A category by its short name; "L" adds all that begin with L. */
static bool add_category(regex_set *s, base_slice name, bool *known, const base_allocator *a) {
  bool cased = base_slice_equal(name, BASE_LITERAL("LC"));
  for (size_t i = 0; i < sizeof categories / sizeof *categories; i++) {
    const char *c = categories[i].name;
    bool fits = cased ? (c[0] == 'L' && (c[1] == 'u' || c[1] == 'l' || c[1] == 't'))
                      : base_slice_equal(base_slice_sub(base_slice_of(c), 0, name.len), name);
    if (!fits || name.len == 0) continue;
    *known = true;
    if (!add_ranges(s, &categories[i], a)) return false;
  }
  return true;
}

static bool add_binary(regex_set *s, base_slice name, bool *known, const base_allocator *a) {
  static const char *const alphabetic[] = {"L", "Nl"};
  *known = true;
  if (base_slice_equal(name, BASE_LITERAL("Any"))) return regex_set_add(s, 0, LAST_POINT, a);
  if (base_slice_equal(name, BASE_LITERAL("ASCII"))) return regex_set_add(s, 0, 0x7F, a);
  if (base_slice_equal(name, BASE_LITERAL("Space")))
    return regex_set_add(s, 9, 13, a) && regex_set_add(s, 0x85, 0x85, a) &&
           add_category(s, BASE_LITERAL("Z"), known, a);
  if (base_slice_equal(name, BASE_LITERAL("Alpha"))) {
    for (size_t i = 0; i < 2; i++)
      if (!add_category(s, base_slice_of(alphabetic[i]), known, a)) return false;
    return true;
  }
  *known = false;
  return true;
}

bool regex_set_add_property(regex_set *s, base_slice name, bool *known, const base_allocator *a) {
  base_slice rest = name, key;
  *known = false;
  if (base_slice_split(&rest, '=', &key) && key.len < name.len) {
    bool script = base_slice_equal(key, BASE_LITERAL("Script")) || base_slice_equal(key, BASE_LITERAL("sc")) ||
                  base_slice_equal(key, BASE_LITERAL("scx")) ||
                  base_slice_equal(key, BASE_LITERAL("Script_Extensions"));
    for (size_t i = 0; script && i < sizeof scripts / sizeof *scripts; i++) {
      if (!base_slice_equal(rest, base_slice_of(scripts[i].name))) continue;
      *known = true;
      return add_ranges(s, &scripts[i], a);
    }
    if (!base_slice_equal(key, BASE_LITERAL("General_Category")) && !base_slice_equal(key, BASE_LITERAL("gc")))
      return true;
    name = rest;
  }
  for (size_t i = 0; i < sizeof long_names / sizeof *long_names; i++)
    if (base_slice_equal(name, base_slice_of(long_names[i][0]))) name = base_slice_of(long_names[i][1]);
  if (!add_binary(s, name, known, a)) return false;
  return *known || add_category(s, name, known, a);
}
