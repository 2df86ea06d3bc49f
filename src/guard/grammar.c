/* The grammar of packs/guard: named lists of lines, whose {references} are replaced by drawn lines of other lists. A
 * reference to a list named like a class ({person}, {address}, ...), or whose header gives a class behind its name
 * ("[fullname person]"), makes a span. */
#include <string.h>

#include "guard/grammar.h"

enum { MAX_LISTS = 1000, MAX_DEPTH = 8 };

static base_status fail_at(base_error *err, const char *name, size_t line, const char *text) {
  char where[80];
  (void)base_format(where, sizeof where, "%s:%zu", name, line);
  return base_fail(err, BASE_EFORMAT, where, "%s", text);
}

int guard_grammar_find(const guard_grammar *g, base_slice name) {
  for (size_t i = 0; i < g->n; i++)
    if (base_slice_equal(g->list[i].name, name)) return (int)i;
  return -1;
}

static int tag_of(base_slice name) {
  static const char *const names[GUARD_TAG_CLASSES] = {"person",       "address", "place",
                                                       "organisation", "group",   "postcode"};
  for (int t = 0; t < GUARD_TAG_CLASSES; t++)
    if (base_slice_equal(name, base_slice_of(names[t]))) return t;
  return -1;
}

/* "a | b | c" is three items; a line without bars is one. */
static bool add_items(guard_grammar *g, guard_list *l, base_slice line) {
  base_slice item;
  while (base_slice_split(&line, '|', &item)) {
    item = base_slice_trim(item);
    if (item.len == 0) continue;
    base_slice *grown = base_grow(g->allocator, l->item, &l->cap, l->n + 1, sizeof *grown);
    if (grown == NULL) return false;
    l->item = grown;
    l->item[l->n++] = item;
  }
  return true;
}

static base_status read_source(guard_grammar *g, const char *name, base_slice text, base_error *err) {
  base_slice line;
  int at = -1;
  for (size_t number = 1; base_slice_split(&text, '\n', &line); number++) {
    line = base_slice_trim(line);
    if (line.len == 0 || line.ptr[0] == '#') continue;
    if (line.ptr[0] == '[' && line.ptr[line.len - 1] == ']') {
      base_slice rest = base_slice_sub(line, 1, line.len - 1), list = rest;
      bool classed = base_slice_split(&rest, ' ', &list) && rest.len > 0;
      if ((at = guard_grammar_find(g, list)) >= 0) continue;
      if (g->n == g->cap) return fail_at(err, name, number, "there are too many lists");
      at = (int)g->n;
      g->list[g->n++] = (guard_list){.name = list, .tag = tag_of(classed ? rest : list)};
      continue;
    }
    if (at < 0) return fail_at(err, name, number, "a line stands before the first [list]");
    if (!add_items(g, &g->list[at], line))
      return base_fail(err, BASE_ENOMEM, name, "no memory for the grammar");
  }
  return BASE_OK;
}

/* Every reference has a list. */
static base_status check_references(const guard_grammar *g, base_error *err) {
  for (size_t i = 0; i < g->n; i++)
    for (size_t k = 0; k < g->list[i].n; k++) {
      base_slice s = g->list[i].item[k];
      for (size_t p = 0; p < s.len; p++) {
        const char *shut = s.ptr[p] == '{' ? memchr(s.ptr + p, '}', s.len - p) : NULL;
        if (s.ptr[p] == '\\') p++;
        if (shut == NULL) continue;
        base_slice name = {s.ptr + p + 1, (size_t)(shut - s.ptr) - p - 1};
        if (name.len > 0 && (name.ptr[0] == '^' || name.ptr[0] == '_'))
          name = base_slice_sub(name, 1, name.len);
        int list = guard_grammar_find(g, name);
        if (list >= 0 && g->list[list].n > 0) continue;
        return base_fail(err, BASE_EFORMAT, "packs/guard", "[%.*s] refers to {%.*s}, which is not there",
                         (int)g->list[i].name.len, g->list[i].name.ptr, (int)name.len, name.ptr);
      }
    }
  return BASE_OK;
}

base_status guard_grammar_read(guard_grammar *g, const guard_source_text *sources, size_t n,
                               const base_allocator *a, base_error *err) {
  *g = (guard_grammar){.allocator = a, .cap = MAX_LISTS};
  g->list = base_calloc(a, MAX_LISTS, sizeof *g->list);
  if (g->list == NULL) return base_fail(err, BASE_ENOMEM, "packs/guard", "no memory for the grammar");
  for (size_t i = 0; i < n; i++) {
    base_status st = read_source(g, sources[i].name, sources[i].text, err);
    if (st) return st;
  }
  return check_references(g, err);
}

void guard_grammar_free(guard_grammar *g) {
  for (size_t i = 0; g->list != NULL && i < g->n; i++)
    base_free(g->allocator, g->list[i].item, g->list[i].cap * sizeof *g->list[i].item);
  base_free(g->allocator, g->list, g->list != NULL ? g->cap * sizeof *g->list : 0);
}

/* ---- drawing ---- */

static void expand(const guard_grammar *g, base_slice s, base_rng *rng, int depth, bool inside, guard_drawn *d);

static void put(guard_drawn *d, char c) {
  if (d->len < sizeof d->text) d->text[d->len++] = c;
}

static void recase(guard_drawn *d, size_t start, char how) {
  for (size_t i = start; i < d->len; i++) {
    char c = d->text[i];
    if (how == '^' && c >= 'a' && c <= 'z') d->text[i] = (char)(c - 32);
    if (how == '_' && c >= 'A' && c <= 'Z') d->text[i] = (char)(c + 32);
  }
}

/* {^name} in capitals, {_name} in small letters. */
static void refer(const guard_grammar *g, base_slice name, base_rng *rng, int depth, bool inside,
                  guard_drawn *d) {
  char how = name.len > 0 && (name.ptr[0] == '^' || name.ptr[0] == '_') ? name.ptr[0] : ' ';
  if (how != ' ') name = base_slice_sub(name, 1, name.len);
  int list = guard_grammar_find(g, name);
  size_t start = d->len;
  if (list < 0 || depth >= MAX_DEPTH) return;
  const guard_list *l = &g->list[list];
  int tag = inside ? -1 : l->tag;
  expand(g, l->item[base_rng_below(rng, (uint32_t)l->n)], rng, depth + 1, inside || tag >= 0, d);
  if (how != ' ') recase(d, start, how);
  if (tag >= 0 && d->len > start && d->n < GUARD_DRAWN_SPANS)
    d->span[d->n++] = (guard_drawn_span){(uint32_t)start, (uint32_t)d->len, tag};
}

/* "#" a digit, "^" a capital, "\n" a line end, "\x" x itself. */
static void expand(const guard_grammar *g, base_slice s, base_rng *rng, int depth, bool inside,
                   guard_drawn *d) {
  for (size_t p = 0; p < s.len; p++) {
    char c = s.ptr[p];
    const char *shut = c == '{' ? memchr(s.ptr + p, '}', s.len - p) : NULL;
    if (c == '\\' && p + 1 < s.len) {
      c = s.ptr[++p];
      put(d, c == 'n' ? '\n' : c);
    } else if (shut != NULL) {
      size_t end = (size_t)(shut - s.ptr);
      refer(g, base_slice_sub(s, p + 1, end), rng, depth, inside, d);
      p = end;
    } else if (c == '#') {
      put(d, (char)('0' + base_rng_below(rng, 10)));
    } else if (c == '^') {
      put(d, (char)('A' + base_rng_below(rng, 26)));
    } else {
      put(d, c);
    }
  }
}

void guard_grammar_draw(const guard_grammar *g, base_slice item, base_rng *rng, guard_drawn *d) {
  d->len = d->n = 0;
  expand(g, item, rng, 0, false, d);
}
