/* regex/dfa: states on demand. A state is a term; its row of next states is filled as bytes ask for it. */
#include "regex/internal.h"

#include <string.h>

/* SEARCH bounds the look for a matching continuation, in states. */
enum { DEFAULT_STATES = 10000, SEARCH = 600, ALIVE = 1, GONE = 2 };

static uint32_t make_state(regex *r, uint32_t term) {
  if (r->failed != BASE_OK || term == REGEX_VOID) return REGEX_DEAD;
  uint32_t cap = r->cap_state_of;
  if (term >= cap) {
    void *grown = regex_grow(r, r->state_of, sizeof(uint32_t), &r->cap_state_of, term + 1);
    if (grown == NULL) return REGEX_DEAD;
    r->state_of = grown;
    memset(r->state_of + cap, 0xFF, (r->cap_state_of - cap) * sizeof(uint32_t));
  }
  if (r->state_of[term] != REGEX_NONE) return r->state_of[term];
  if (r->n_states >= r->max_states) {
    r->failed = BASE_ELIMIT;
    return REGEX_DEAD;
  }
  void *grown = regex_grow(r, r->states, sizeof(regex_state), &r->cap_states, r->n_states + 1);
  if (grown == NULL) return REGEX_DEAD;
  r->states = grown;
  r->states[r->n_states] = (regex_state){.term = term, .needs = REGEX_NONE};
  if (!r->terms[term].logical) r->states[r->n_states].alive = ALIVE;
  r->state_of[term] = r->n_states;
  return r->n_states++;
}

static bool make_row(regex *r, uint32_t state) {
  size_t bytes = r->n_classes * sizeof(uint32_t);
  if (r->held + bytes > r->max_bytes) {
    r->failed = BASE_ELIMIT;
    return false;
  }
  uint32_t *row = base_alloc(r->allocator, bytes);
  if (row == NULL) {
    r->failed = BASE_ENOMEM;
    return false;
  }
  r->held += bytes;
  memset(row, 0xFF, bytes);
  r->states[state].next = row;
  return true;
}

/* The next state, whether or not anything can match from it. */
static uint32_t step(regex *r, uint32_t state, uint32_t byte_class) {
  if (r->states[state].next == NULL && (r->failed != BASE_OK || !make_row(r, state))) return REGEX_DEAD;
  uint32_t next = r->states[state].next[byte_class];
  if (next != REGEX_NONE) return next;
  next = make_state(r, regex_term_derive(r, r->states[state].term, byte_class));
  if (r->failed != BASE_OK) return REGEX_DEAD;
  r->states[state].next[byte_class] = next;
  return next;
}

/* Breadth first from `state` to one that accepts (or is known to be alive), within a bound. Says how many bytes
 * that lead a character lie on the shortest way; REGEX_NONE when there is none; *cut when the bound ended it. */
static uint32_t search(regex *r, uint32_t state, bool alive_is_enough, bool *cut) {
  uint32_t queue[SEARCH], distance[SEARCH], head = 0, tail = 0, best = REGEX_NONE;
  *cut = false;
  queue[tail] = state;
  distance[tail++] = 0;
  while (head < tail && r->failed == BASE_OK) {
    uint32_t s = queue[head], d = distance[head++];
    if (best != REGEX_NONE && d >= best) continue;
    if (!alive_is_enough && r->states[s].needs != REGEX_NONE) {
      if (d + r->states[s].needs < best) best = d + r->states[s].needs;
      continue;
    }
    if (r->terms[r->states[s].term].nullable || (alive_is_enough && r->states[s].alive == ALIVE)) {
      best = d;
      if (alive_is_enough) return best;
      continue;
    }
    for (uint32_t c = 0; c < r->n_classes; c++) {
      uint32_t next = step(r, s, c), i = 0;
      uint32_t cost = (r->representative[c] & 0xC0) == 0x80 ? d : d + 1;
      if (next == REGEX_DEAD) continue;
      while (i < tail && queue[i] != next) i++;
      (void)regex_works(r, i / 16);
      if (i < tail) {
        if (i >= head && cost < distance[i]) distance[i] = cost;
        continue;
      }
      if (tail == SEARCH) {
        *cut = true;
        return best;
      }
      queue[tail] = next;
      distance[tail++] = cost;
    }
  }
  return best;
}

static bool is_alive(regex *r, uint32_t state) {
  if (r->states[state].alive == 0) {
    bool cut;
    uint32_t found = search(r, state, true, &cut);
    if (r->failed == BASE_OK) r->states[state].alive = found != REGEX_NONE || cut ? ALIVE : GONE;
  }
  return r->states[state].alive == ALIVE;
}

uint32_t regex_next(regex *r, uint32_t state, uint8_t byte) {
  if (state == REGEX_DEAD || state >= r->n_states) return REGEX_DEAD;
  uint32_t next = step(r, state, r->byte_class[byte]);
  if (next == REGEX_DEAD || is_alive(r, next)) return next;
  if (r->failed == BASE_OK) r->states[state].next[r->byte_class[byte]] = REGEX_DEAD;
  return REGEX_DEAD;
}

bool regex_accepts(const regex *r, uint32_t state) {
  return state != REGEX_DEAD && r->terms[r->states[state].term].nullable;
}

bool regex_is_all(const regex *r, uint32_t state) {
  return state != REGEX_DEAD && r->states[state].term == REGEX_ALL;
}

/* "All, then x" is among what remains of itself after any byte. With complements in it x may be void all the same. */
static bool goes_on_searching(const regex *r, uint32_t term) {
  const regex_term *t = &r->terms[term];
  if (term == REGEX_ALL) return true;
  return t->op == REGEX_T_CAT && t->a == REGEX_ALL && !r->terms[t->b].logical;
}

bool regex_never_dies(const regex *r, uint32_t state) {
  if (state == REGEX_DEAD) return false;
  const regex_term *t = &r->terms[r->states[state].term];
  if (t->op != REGEX_T_OR) return goes_on_searching(r, r->states[state].term);
  for (uint32_t i = 0; i < t->b; i++)
    if (goes_on_searching(r, r->lists[t->a + i])) return true;
  return false;
}

uint8_t regex_class(const regex *r, uint8_t byte) {
  return r->byte_class[byte];
}

uint32_t regex_needs(regex *r, uint32_t state) {
  if (state == REGEX_DEAD) return 0;
  if (r->states[state].needs == REGEX_NONE) {
    bool cut;
    uint32_t found = search(r, state, false, &cut);
    if (r->failed != BASE_OK) return 0;
    /* when the bound cut the search short, nothing nearer than one character is certain */
    if (cut) found = regex_accepts(r, state) ? 0 : 1;
    r->states[state].needs = found == REGEX_NONE ? 0 : found;
  }
  return r->states[state].needs;
}

base_status regex_failed(const regex *r) {
  return r->failed;
}

size_t regex_states(const regex *r) {
  return r->n_states;
}

size_t regex_bytes(const regex *r) {
  return r->held;
}

base_status regex_match(regex *r, base_slice text, bool *matched) {
  uint32_t state = REGEX_START;
  *matched = false;
  for (size_t i = 0; i < text.len && state != REGEX_DEAD && !regex_is_all(r, state); i++)
    state = regex_next(r, state, (uint8_t)text.ptr[i]);
  if (r->failed != BASE_OK) return r->failed;
  *matched = regex_accepts(r, state);
  return BASE_OK;
}

/* ---- life ---- */

static base_status build(regex *r, base_slice pattern, const regex_options *o, base_error *err) {
  regex_tree tree = {.allocator = r->allocator};
  uint32_t term = REGEX_VOID;
  base_status status = BASE_OK;
  if (!regex_terms_init(r)) status = base_fail(err, BASE_ENOMEM, "pattern", "out of memory");
  if (status == BASE_OK) status = regex_parse(&tree, pattern, o->lenient, err);
  if (status == BASE_OK) status = regex_translate(r, &tree, o->whole, &term, err);
  regex_tree_free(&tree);
  if (status != BASE_OK) return status;
  regex_terms_classify(r);
  /* the dead state first; then the start, made even when nothing matches */
  void *grown = regex_grow(r, r->states, sizeof(regex_state), &r->cap_states, 2);
  if (grown == NULL) return base_fail(err, r->failed, "pattern", "out of memory");
  r->states = grown;
  r->states[0] = (regex_state){.term = REGEX_VOID, .needs = 0, .alive = GONE};
  r->states[1] = (regex_state){.term = term, .needs = REGEX_NONE};
  r->n_states = 2;
  if (term == REGEX_VOID) return BASE_OK;
  r->n_states = 1;
  if (make_state(r, term) != REGEX_START) return base_fail(err, r->failed, "pattern", "out of memory");
  return BASE_OK;
}

base_status regex_open(regex **out, base_slice pattern, const regex_options *o, const base_allocator *a,
                       base_error *err) {
  static const regex_options defaults = {0};
  *out = NULL;
  if (a == NULL) a = base_allocator_libc();
  if (o == NULL) o = &defaults;
  regex *r = base_calloc(a, 1, sizeof *r);
  if (r == NULL) return base_fail(err, BASE_ENOMEM, "pattern", "out of memory");
  r->allocator = a;
  r->held = sizeof *r;
  r->max_states = o->max_states != 0 ? o->max_states : DEFAULT_STATES;
  r->max_bytes = o->max_bytes != 0 ? o->max_bytes : (size_t)16 << 20;
  base_status status = build(r, pattern, o, err);
  if (status != BASE_OK) {
    regex_close(r);
    return status;
  }
  *out = r;
  return BASE_OK;
}

void regex_close(regex *r) {
  if (r == NULL) return;
  for (uint32_t i = 0; i < r->n_states; i++)
    base_free(r->allocator, r->states[i].next, r->n_classes * sizeof(uint32_t));
  base_free(r->allocator, r->states, r->cap_states * sizeof(regex_state));
  base_free(r->allocator, r->state_of, r->cap_state_of * sizeof(uint32_t));
  regex_terms_free(r);
  base_free(r->allocator, r, sizeof *r);
}
