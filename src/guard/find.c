/* Finding: one pass over the folded text calls the rules where a value can begin; what the model and the
 * contact list add is laid beside; overlaps are settled for the surer span. */
#include <string.h>

#include "guard/internal.h"
#include "guard/model.h"

static const char *const class_names[] = {
#define GUARD_CLASS(name, word, rule) word,
#include "guard/class.def"
#undef GUARD_CLASS
};

const char *guard_class_name(guard_class c) { return (unsigned)c < GUARD_CLASSES ? class_names[c] : ""; }

bool guard_class_find(base_slice name, guard_class *out) {
  for (unsigned c = 0; c < GUARD_CLASSES; c++) {
    if (!base_slice_equal(name, base_slice_of(class_names[c]))) continue;
    *out = (guard_class)c;
    return true;
  }
  return false;
}

/* ---- what rules share ---- */

void guard_hit(guard_hits *h, const guard_view *v, size_t i, size_t end, guard_class c, float confidence,
               const char *what) {
  if (h->n == h->max) {
    h->full = true;
    return;
  }
  h->span[h->n++] =
      (guard_span){.cls = c, .start = v->at[i], .end = v->at[end], .confidence = confidence, .what = what};
}

bool guard_starts(const guard_view *v, size_t i, const char *lower) {
  for (; *lower != '\0'; i++, lower++)
    if (v->low[i] != (uint8_t)*lower) return false; /* the zero behind the end fits no pattern */
  return true;
}

bool guard_is_listed(const guard_view *v, size_t start, size_t end, const char *list) {
  char key[24] = "|";
  size_t n = end - start;
  if (n + 3 > sizeof key) return false;
  memcpy(key + 1, v->low + start, n);
  key[n + 1] = '|';
  key[n + 2] = '\0';
  return strstr(list, key) != NULL;
}

bool guard_near(const guard_view *v, size_t i, size_t reach, const char *words) {
  size_t from = i > reach ? i - reach : 0;
  for (const char *w = words; *w != '\0';) {
    size_t n = strcspn(w, "|");
    for (size_t p = from; p + n <= i; p++)
      if (v->low[p] == (uint8_t)w[0] && memcmp(v->low + p, w, n) == 0) return true;
    w += n + (w[n] == '|');
  }
  return false;
}

/* ---- the pass ---- */

static bool number_begins(const guard_view *v, size_t i) {
  uint8_t c = v->f[i];
  return guard_is_digit(c) || ((c == '+' || c == '(') && (guard_is_digit(v->f[i + 1]) || v->f[i + 1] == '('));
}

/* From the rules that cannot be mistaken to those that guess. */
static size_t rules_at(const guard_view *v, size_t i, guard_hits *h) {
  uint8_t c = v->f[i];
  size_t taken = 0;
  if (guard_is_alnum(c) || c == '-') taken = guard_rule_secret(v, i, h);
  if (taken == 0 && guard_is_digit(c)) taken = guard_rule_strict(v, i, h);
  if (taken == 0 && (guard_is_alnum(c) || (c == ':' && v->f[i + 1] == ':'))) taken = guard_rule_word(v, i, h);
  if (taken == 0 && guard_is_alnum(c)) taken = guard_rule_random(v, i, h);
  if (taken == 0 && number_begins(v, i)) taken = guard_rule_number(v, i, h);
  return taken;
}

void guard_rules_run(const guard_view *v, guard_hits *h) {
  for (size_t i = 0; i < v->n && !h->full;) {
    bool fresh = i == 0 || !guard_is_alnum(v->f[i - 1]);
    size_t taken = fresh ? rules_at(v, i, h) : 0;
    i += taken > 0 ? taken : 1;
  }
}

/* ---- overlaps ---- */

static bool before(const guard_span *a, const guard_span *b) {
  return a->start != b->start ? a->start < b->start : a->end > b->end;
}

/* Three sorted runs (rules, contacts, model) come in, so insertion moves little, and it needs no memory. */
static void sort_spans(guard_span *s, size_t n) {
  for (size_t i = 1; i < n; i++) {
    guard_span moving = s[i];
    size_t j = i;
    for (; j > 0 && before(&moving, &s[j - 1]); j--) s[j] = s[j - 1];
    s[j] = moving;
  }
}

/* Does a keep its ground against b? A sure rule cuts into a model's span. A span around a less sure one takes
 * it in, but for a phone number, which fills most of what is around it. */
static bool wins(const guard_span *a, const guard_span *b) {
  bool around = a->start <= b->start && a->end >= b->end;
  uint32_t long_a = a->end - a->start, long_b = b->end - b->start;
  if (around && b->confidence < 0.85F && !(b->cls == GUARD_PHONE && long_a < 2 * long_b)) return true;
  if (b->start <= a->start && b->end >= a->end && a->cls == GUARD_PHONE && long_b < 2 * long_a) return true;
  return a->confidence >= b->confidence;
}

/* Sorted spans in, disjoint spans out: the loser keeps what the winner leaves of it on one side. */
static size_t settle(guard_span *s, size_t n) {
  size_t out = 0;
  for (size_t i = 0; i < n; i++) {
    guard_span next = s[i];
    while (out > 0 && s[out - 1].end > next.start) {
      guard_span *last = &s[out - 1];
      if (wins(last, &next)) {
        next.start = last->end;
        break;
      }
      last->end = next.start; /* what lies behind the winner is given up: it belongs to a less sure span */
      if (last->start >= last->end) out--;
    }
    if (next.start < next.end) s[out++] = next;
  }
  return out;
}

base_status guard_view_of(guard *g, base_slice text, guard_view *v, base_error *err) {
  if (text.len > g->max_bytes)
    return base_fail(err, BASE_ELIMIT, "text", "%zu bytes are more than the guard reads, which is %zu",
                     text.len, g->max_bytes);
  return guard_fold(text, g->fold, g->low, g->at, v, err);
}

base_status guard_find_in(guard *g, const guard_view *v, guard_hits *h, base_error *err) {
  guard_rules_run(v, h);
  guard_contacts_run(g, v, h);
  if (g->model != NULL) guard_model_names(g, v, h);
  if (h->full) return base_fail(err, BASE_ELIMIT, "text", "it holds more than %zu values", h->max);
  sort_spans(h->span, h->n);
  h->n = settle(h->span, h->n);
  return BASE_OK;
}

base_status guard_find(guard *g, base_slice text, guard_span *out, size_t max, size_t *n, base_error *err) {
  guard_view v;
  guard_hits h = {g->span, 0, GUARD_MAX_SPANS, false};
  *n = 0;
  base_status st = guard_view_of(g, text, &v, err);
  if (!st) st = guard_find_in(g, &v, &h, err);
  if (!st && h.n > max)
    st = base_fail(err, BASE_ELIMIT, "text", "it holds %zu values, room is for %zu", h.n, max);
  if (st) return st;
  if (h.n > 0) memcpy(out, h.span, h.n * sizeof *out);
  *n = h.n;
  return BASE_OK;
}
