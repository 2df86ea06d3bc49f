/* regex/translate: the syntax tree to one term for the whole text.
 *
 * Translation passes on what follows: the term of an item is made from the item and the chain of items still to
 * come. So an end anchor is "what follows is empty", look-ahead is an intersection with what follows, and ^ and
 * word boundaries, which look back one character, are told what the character before was. Where that is not the
 * same for all ways through an item, the item is split by intersection: those of its texts that end in a word
 * character, and those that do not.
 *
 * A repetition without end that has such items in it is a term that its own definition refers to: X is what follows, or
 * one pass and then X. A pass of no character adds nothing and is left out, so that X stands behind a character always.
 * The same chain after the same character is translated once: see remember. */
#include "regex/internal.h"

/* Alternatives with anchors in them are followed one by one: a bound on how often in all, and how deep. */
enum { MAX_STEPS = 20000, MAX_CHAIN = 3000, MAX_COPIES = 16, MAX_LOOPS = 32, MAX_WAYS = 24, KNOWN = 1024 };

typedef struct before {
  bool start; /* nothing was before */
  bool word;  /* the character before is one of [A-Za-z0-9_] */
  uint32_t fresh; /* bits of the loops of which a pass has begun and taken no character */
} before;

/* A repetition without end that is being translated: the terms for what was before. Lives on the stack. */
typedef struct loop {
  uint32_t bit, n;
  struct loop_way {
    before b;
    uint32_t term;
  } way[MAX_WAYS];
} loop;

/* What is still to come: a node of a sequence and its later siblings, or more copies of a repetition; then `up`.
 * Lives on the stack of the calls that follow it. */
typedef struct chain {
  uint32_t node;
  uint32_t copies; /* of a repetition: done so far; REGEX_NONE: a sequence */
  bool looks_back; /* something in the chain does */
  const struct chain *up;
  loop *loop;   /* of a repetition, when its passes are those of a loop */
  uint64_t key; /* of all this: equal chains have equal ones */
} chain;

typedef struct known {
  uint64_t key;
  uint32_t term;
} known;

typedef struct translator {
  regex *r;
  const regex_tree *tree;
  uint32_t steps, depth, open_loops;
  known *known;       /* by the key of chain and before; only a cache */
  uint32_t end;       /* the term behind the last item */
  uint32_t word, gap; /* terms: one word character; one other character */
  base_status status;
  base_error *err;
} translator;

static uint32_t follow(translator *t, const chain *c, before b);
static uint32_t follow_node(translator *t, uint32_t node, const chain *rest, before b);

static bool looks_back(const chain *c) {
  return c != NULL && c->looks_back;
}

static uint32_t refuse(translator *t, base_status code, const char *text) {
  if (t->status == BASE_OK) t->status = base_fail(t->err, code, "pattern", "%s", text);
  return REGEX_VOID;
}

/* A node without anchors or look-ahead: the same term wherever it stands. */
static uint32_t pure(translator *t, uint32_t node) {
  const regex_node *n = &t->tree->nodes[node];
  uint32_t out;
  switch (n->kind) {
    case REGEX_N_SET: return regex_term_set(t->r, &t->tree->sets[n->set]);
    case REGEX_N_REPEAT: return regex_term_repeat(t->r, pure(t, n->child), n->min, n->max);
    case REGEX_N_ALT:
      out = REGEX_VOID;
      for (uint32_t i = n->child; i != REGEX_NONE; i = t->tree->nodes[i].next)
        out = regex_term_or(t->r, out, pure(t, i));
      return out;
    case REGEX_N_CAT: {
      /* from the right, so that each concatenation is built once */
      uint32_t items[64], count = 0;
      out = REGEX_EMPTY;
      for (uint32_t i = n->child; i != REGEX_NONE; i = t->tree->nodes[i].next) {
        if (count == 64) {
          uint32_t part = REGEX_EMPTY;
          while (count > 0) part = regex_term_cat(t->r, items[--count], part);
          out = regex_term_cat(t->r, out, part);
        }
        items[count++] = pure(t, i);
      }
      uint32_t part = REGEX_EMPTY;
      while (count > 0) part = regex_term_cat(t->r, items[--count], part);
      return regex_term_cat(t->r, out, part);
    }
    default: return REGEX_EMPTY;
  }
}

static uint64_t mix(uint64_t h, uint64_t value) {
  h = (h ^ value) * UINT64_C(0xff51afd7ed558ccd);
  return h ^ h >> 32;
}

static chain make_chain(const translator *t, uint32_t node, uint32_t copies, bool back, const chain *up, loop *l) {
  uint64_t key = up != NULL ? up->key : mix(1, t->end);
  key = mix(mix(mix(key, node), copies), l != NULL ? l->way[0].term : 0);
  return (chain){node, copies, back, up, l, key};
}

/* A pure item, then the chain. What the chain looks back at decides how the item is split; where a pass of a loop needs
 * a character, the empty text is apart. */
static uint32_t follow_pure(translator *t, uint32_t item, const chain *rest, before b) {
  regex *r = t->r;
  bool nullable = r->terms[item].nullable;
  before moved = {.start = b.start, .word = b.word};
  if (!looks_back(rest) && (!nullable || b.fresh == 0)) return regex_term_cat(r, item, follow(t, rest, moved));
  if (!looks_back(rest)) {
    uint32_t some = regex_term_and(r, item, regex_term_cat(r, r->any, REGEX_ALL));
    return regex_term_or(r, follow(t, rest, b), regex_term_cat(r, some, follow(t, rest, moved)));
  }
  uint32_t out = nullable ? follow(t, rest, b) : REGEX_VOID;
  for (int word = 0; word < 2; word++) {
    uint32_t ending = regex_term_cat(r, REGEX_ALL, word ? t->word : t->gap);
    uint32_t part = regex_term_and(r, item, ending);
    if (part == REGEX_VOID) continue;
    out = regex_term_or(r, out, regex_term_cat(r, part, follow(t, rest, (before){.word = word})));
  }
  return out;
}

static uint32_t look_ahead(translator *t, const regex_node *n, const chain *rest, before b) {
  uint32_t saved = t->end;
  t->end = REGEX_ALL;
  uint32_t seen = follow_node(t, n->child, NULL, (before){.start = b.start, .word = b.word});
  t->end = saved;
  if (n->negated) seen = regex_term_text(t->r, regex_term_not(t->r, seen));
  return regex_term_and(t->r, seen, follow(t, rest, b));
}

static uint32_t word_boundary(translator *t, bool negated, const chain *rest, before b) {
  regex *r = t->r;
  bool word_next = b.word == negated; /* \b: the other kind than before; \B: the same kind */
  uint32_t next = regex_term_cat(r, word_next ? t->word : t->gap, REGEX_ALL);
  if (!word_next) next = regex_term_or(r, next, REGEX_EMPTY);
  return regex_term_and(r, next, follow(t, rest, b));
}

static uint32_t follow_node(translator *t, uint32_t node, const chain *rest, before b) {
  const regex_node *n = &t->tree->nodes[node];
  uint32_t out = REGEX_VOID;
  if (!n->impure) return follow_pure(t, pure(t, node), rest, b);
  switch (n->kind) {
    case REGEX_N_BEGIN: return b.start ? follow(t, rest, b) : REGEX_VOID;
    case REGEX_N_END: return regex_term_and(t->r, REGEX_EMPTY, follow(t, rest, b));
    case REGEX_N_WORD: return word_boundary(t, n->negated, rest, b);
    case REGEX_N_AHEAD: return look_ahead(t, n, rest, b);
    case REGEX_N_CAT: {
      chain inner = make_chain(t, n->child, REGEX_NONE, n->looks_back || looks_back(rest), rest, NULL);
      return follow(t, &inner, b);
    }
    case REGEX_N_REPEAT: {
      if (n->min > MAX_COPIES || (n->max > MAX_COPIES && n->max != REGEX_UNBOUNDED))
        return refuse(t, BASE_EUNSUPPORTED,
                      "the expression counts an anchor, a word boundary or look-ahead over 16 times");
      chain inner = make_chain(t, node, 0, n->looks_back || looks_back(rest), rest, NULL);
      return follow(t, &inner, b);
    }
    case REGEX_N_ALT:
      for (uint32_t i = n->child; i != REGEX_NONE; i = t->tree->nodes[i].next)
        out = regex_term_or(t->r, out, follow_node(t, i, rest, b));
      return out;
    default: return REGEX_VOID;
  }
}

/* The loop's term after b: known, or made with a pass that comes back here. */
static uint32_t follow_loop(translator *t, const chain *c, loop *l, before b) {
  regex *r = t->r;
  if (!c->looks_back) b.start = b.word = false;
  for (uint32_t i = 0; i < l->n; i++)
    if (l->way[i].b.start == b.start && l->way[i].b.word == b.word && l->way[i].b.fresh == b.fresh)
      return l->way[i].term;
  if (l->n == MAX_WAYS) return refuse(t, BASE_ELIMIT, "the expression has too many ways through its anchors");
  uint32_t behind = follow(t, c->up, b), out = regex_term_loop(r, r->terms[behind].nullable);
  if (r->failed != BASE_OK) return REGEX_VOID;
  l->way[l->n].b = b;
  l->way[l->n++].term = out;
  chain again = make_chain(t, c->node, c->copies, c->looks_back, c->up, l);
  b.fresh |= l->bit;
  uint32_t pass = follow_node(t, t->tree->nodes[c->node].child, &again, b);
  regex_term_define(r, out, regex_term_or(r, behind, pass));
  return out;
}

/* A repetition with anchors in it: its bounded part is written out, copy by copy. */
static uint32_t follow_repeat(translator *t, const chain *c, before b) {
  const regex_node *n = &t->tree->nodes[c->node];
  uint32_t out = REGEX_VOID;
  if (c->loop != NULL) return (b.fresh & c->loop->bit) != 0 ? REGEX_VOID : follow_loop(t, c, c->loop, b);
  if (c->copies >= n->min && n->max == REGEX_UNBOUNDED) {
    loop l = {.bit = UINT32_C(1) << t->open_loops};
    if (t->open_loops == MAX_LOOPS)
      return refuse(t, BASE_ELIMIT, "the expression repeats anchors within each other too deeply");
    t->open_loops++;
    out = follow_loop(t, c, &l, b);
    t->open_loops--;
    return out;
  }
  if (c->copies >= n->min) out = follow(t, c->up, b);
  if (c->copies >= n->max) return out;
  chain next = make_chain(t, c->node, c->copies + 1, c->looks_back, c->up, NULL);
  return regex_term_or(t->r, out, follow_node(t, n->child, &next, b));
}

/* Where the term of c after b is kept. */
static known *remember(translator *t, const chain *c, before b, uint64_t *key) {
  *key = mix(c->key, (uint64_t)b.fresh << 2 | (uint64_t)b.start << 1 | b.word) | 1;
  return &t->known[*key >> 20 & (KNOWN - 1)];
}

/* The term of a whole chain after `b`. */
static uint32_t follow(translator *t, const chain *c, before b) {
  uint32_t out;
  if (t->status != BASE_OK || t->r->failed != BASE_OK) return REGEX_VOID;
  if (c == NULL) return t->end;
  if (++t->steps > MAX_STEPS || t->depth > MAX_CHAIN)
    return refuse(t, BASE_ELIMIT, "the expression has too many ways through its anchors");
  uint64_t key;
  known *place = remember(t, c, b, &key);
  if (place->key == key) return place->term;
  t->depth++;
  if (c->copies != REGEX_NONE) {
    out = follow_repeat(t, c, b);
  } else if (c->node == REGEX_NONE) {
    out = follow(t, c->up, b);
  } else {
    const regex_node *n = &t->tree->nodes[c->node];
    chain rest = make_chain(t, n->next, REGEX_NONE, n->later_looks_back || looks_back(c->up), c->up, NULL);
    out = follow_node(t, c->node, &rest, b);
  }
  t->depth--;
  *place = (known){key, out};
  return out;
}

static void make_word_terms(translator *t) {
  static const regex_range ranges[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  regex_set word = {0};
  const base_allocator *a = t->r->allocator;
  bool fine = true;
  for (size_t i = 0; i < 4; i++) fine = fine && regex_set_add(&word, ranges[i].first, ranges[i].last, a);
  if (fine) {
    t->word = regex_term_set(t->r, &word);
    fine = regex_set_negate(&word, a);
  }
  if (fine) t->gap = regex_term_set(t->r, &word);
  else t->r->failed = BASE_ENOMEM;
  regex_set_free(&word, a);
}

base_status regex_translate(regex *r, const regex_tree *tree, bool whole, uint32_t *term, base_error *err) {
  translator t = {.r = r, .tree = tree, .end = whole ? REGEX_EMPTY : REGEX_ALL, .err = err};
  const regex_node *root = &tree->nodes[tree->root];
  make_word_terms(&t);
  t.known = base_calloc(r->allocator, KNOWN, sizeof *t.known);
  if (t.known == NULL) return base_fail(err, BASE_ENOMEM, "pattern", "out of memory");
  uint32_t out = follow_node(&t, tree->root, NULL, (before){.start = true});
  if (!whole && !root->looks_back) {
    /* without ^ or \b it is the same after any beginning */
    out = regex_term_cat(r, REGEX_ALL, out);
  } else if (!whole) {
    for (int word = 0; word < 2; word++) {
      uint32_t beginning = regex_term_cat(r, REGEX_ALL, word ? t.word : t.gap);
      uint32_t found = follow_node(&t, tree->root, NULL, (before){.word = word});
      out = regex_term_or(r, out, regex_term_cat(r, beginning, found));
    }
  }
  *term = out;
  base_free(r->allocator, t.known, KNOWN * sizeof *t.known);
  if (t.status != BASE_OK) return t.status;
  if (r->failed == BASE_ENOMEM) return base_fail(err, BASE_ENOMEM, "pattern", "out of memory");
  if (r->failed != BASE_OK)
    return base_fail(err, r->failed, "pattern", "the expression is too large or nested too deep");
  return BASE_OK;
}
