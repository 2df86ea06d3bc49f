/* mask/number: automata of numbers. A state knows where in the number it is, which locals are lost, and, as long as a
 * bound still depends on them, the digits. With bounds settled the digits are forgotten, so that states are few.
 *
 * Whether a beginning can still become a number within bounds is asked of the interval of what it can become: "12"
 * is any of [12,13), [120,130), [1200,1300) ..., "12.5" any of [12.5,12.6). */
#include <string.h>

#include "mask/internal.h"

enum { BEGIN, MINUS, ZERO, INT, DOT, FRACTION_0, FRACTION, E_MARK, E_SIGN, EXPONENT };
enum { MAX_DIGITS = 400, LOST = 0, OPEN_ = 1, SETTLED = 2 };

const number_state mask_number_dead_state = {0};

/* ---- bounds ---- */

/* A closed or open interval of what may be, mirrored for negative numbers so that digits count upwards. */
typedef struct interval {
  bool has_low, has_high, low_open, high_open;
  jdoc_number low, high;
} interval;

static jdoc_number mirrored(jdoc_number n) {
  n.negative = n.digits > 0 && !n.negative;
  return n;
}

static interval bounds_of(const number_rule *rule, bool negative) {
  if (!negative) return (interval){rule->has_min, rule->has_max, rule->min_open, rule->max_open, rule->min, rule->max};
  return (interval){rule->has_max,  rule->has_min,       rule->max_open,
                    rule->min_open, mirrored(rule->max), mirrored(rule->min)};
}

static bool is_below(const interval *b, const jdoc_number *n) {
  int order = b->has_low ? jdoc_number_compare(n, &b->low) : 1;
  return order < 0 || (order == 0 && b->low_open);
}

static bool is_above(const interval *b, const jdoc_number *n) {
  int order = b->has_high ? jdoc_number_compare(n, &b->high) : -1;
  return order > 0 || (order == 0 && b->high_open);
}

/* Digits without sign, one added to the last place: "12" to "13", "9.9" to "10.0". Returns the length. */
static size_t add_one(const char *text, size_t len, char *out) {
  size_t at = len;
  memcpy(out + 1, text, len);
  out[0] = '0';
  while (at > 0) {
    char *c = &out[at--];
    if (*c == '.') continue;
    if (*c != '9') {
      ++*c;
      break;
    }
    *c = '0';
    if (at == 0) out[0] = '1';
  }
  if (out[0] == '1') return len + 1;
  memmove(out, out + 1, len);
  return len;
}

/* n * 10^scale rounded down (or up) as a 64-bit integer; false when it does not fit. */
static bool scaled(const jdoc_number *n, int scale, bool up, int64_t *out) {
  int64_t value = 0, places = n->exponent + scale; /* digits before the point */
  bool rest = false;
  size_t digit = 0;
  if (places > 17 || n->digits > 60) return false;
  for (size_t i = 0; i < n->span; i++) {
    if (n->digit[i] == '.') continue;
    if ((int64_t)digit < places) value = 10 * value + (n->digit[i] - '0');
    else rest = rest || n->digit[i] != '0';
    digit++;
  }
  for (; (int64_t)digit < places; digit++) value *= 10;
  if (n->negative) value = -value;
  if (rest && up && !n->negative) value++;
  if (rest && !up && n->negative) value--;
  *out = value;
  return true;
}

static int decimals_of(const jdoc_number *n) {
  int64_t d = (int64_t)n->digits - n->exponent;
  return d < 0 ? 0 : d > 30 ? 30 : (int)d;
}

/* Is there a multiple of the step from `from` up to below `to` (both without sign), within bounds? True too where the
 * numbers are too long to tell. */
static bool has_multiple(const number_rule *rule, const interval *b, const jdoc_number *from, const jdoc_number *to,
                         bool whole) {
  int scale = decimals_of(&rule->step);
  int64_t step, low, high, bound;
  /* less than a unit of the step's last place lies between them: only `from` itself can be one */
  if (scale < 30 && decimals_of(to) > scale)
    return decimals_of(from) <= scale && !is_below(b, from) && jdoc_number_is_multiple(from, &rule->step);
  if (decimals_of(from) > scale) scale = decimals_of(from);
  if (whole) scale = scale > 0 ? scale : 0;
  if (!scaled(&rule->step, scale, true, &step) || !scaled(from, scale, true, &low) || !scaled(to, scale, true, &high))
    return true;
  high--;
  if (b->has_low && scaled(&b->low, scale, true, &bound)) {
    bound += b->low_open && decimals_of(&b->low) <= scale;
    if (bound > low) low = bound;
  }
  if (b->has_high && scaled(&b->high, scale, false, &bound)) {
    bound -= b->high_open && decimals_of(&b->high) <= scale;
    if (bound < high) high = bound;
  }
  return step <= 0 || (high >= low && high / step * step >= low);
}

typedef struct digits {
  const char *text; /* without sign */
  size_t len;
  uint8_t phase;
  bool negative;
} digits;

/* What numbers within [from, to) say about bounds and step. */
static int of_range(const number_rule *rule, const interval *b, const char *from_text, size_t from_len,
                    const char *to_text, size_t to_len, bool whole) {
  jdoc_number from = jdoc_number_of((base_slice){from_text, from_len});
  jdoc_number to = jdoc_number_of((base_slice){to_text, to_len});
  int order = b->has_low ? jdoc_number_compare(&to, &b->low) : 1;
  if (order <= 0 || is_above(b, &from)) return LOST;
  if (rule->has_step) return has_multiple(rule, b, &from, &to, whole) ? OPEN_ : LOST;
  if (is_below(b, &from)) return OPEN_;
  return !b->has_high || jdoc_number_compare(&to, &b->high) <= 0 ? SETTLED : OPEN_;
}

/* Whole numbers: from, from + 1, ... below to. */
static bool whole_fits(const interval *b, const char *to_text, size_t to_len) {
  char last[MAX_DIGITS + 8];
  size_t at = to_len;
  memcpy(last, to_text, to_len);
  while (at > 0 && last[at - 1] == '0') last[--at] = '9';
  if (at > 0) last[at - 1]--;
  jdoc_number top = jdoc_number_of((base_slice){last, to_len});
  return !is_below(b, &top);
}

/* An integer part that more digits may follow. */
static int of_growing(const number_rule *rule, const interval *b, const digits *d, bool whole) {
  char from[2 * MAX_DIGITS], to[2 * MAX_DIGITS];
  size_t n = d->len, to_len = add_one(d->text, d->len, to);
  int first = LOST, best = LOST;
  bool over = false;
  memcpy(from, d->text, n);
  for (size_t zeros = 0; n + zeros < MAX_DIGITS; zeros++) {
    int one = of_range(rule, b, from, n + zeros, to, to_len + zeros, whole);
    if (one != LOST && whole && !whole_fits(b, to, to_len + zeros)) one = LOST;
    if (zeros == 0) first = one;
    if (one != LOST) best = OPEN_;
    if (d->phase == ZERO) return first;
    jdoc_number now = jdoc_number_of((base_slice){from, n + zeros});
    over = is_above(b, &now);
    if (best != LOST || over) break;
    from[n + zeros] = '0';
    to[to_len + zeros] = '0';
  }
  /* larger numbers follow: settled only when nothing is above */
  if (best == LOST && !over) return OPEN_; /* too far to look */
  return first == SETTLED && !b->has_high ? SETTLED : best;
}

static int of_fraction(const number_rule *rule, const interval *b, const digits *d) {
  char to[MAX_DIGITS + 8];
  size_t len = d->len;
  if (d->text[len - 1] == '.') len--;
  size_t to_len = add_one(d->text, len, to);
  return of_range(rule, b, d->text, len, to, to_len, false);
}

/* ---- one local ---- */

/* Each value of an enum is an interval of one number. */
static int of_enum(const mask_rule *r, const node *n, const number_state *s) {
  static const number_rule none = {0};
  digits d = {s->text + s->negative, s->len - s->negative, s->phase, s->negative};
  for (uint32_t i = 0; i < n->n_values; i++) {
    if (jdoc_kind_at(&r->doc, n->values[i]) != JDOC_NUMBER) continue;
    jdoc_number value = jdoc_number_of(jdoc_raw(&r->doc, n->values[i]));
    if (s->negative) value = mirrored(value);
    interval b = {.has_low = true, .has_high = true, .low = value, .high = value};
    jdoc_number zero = jdoc_number_of(BASE_LITERAL("0"));
    if (s->phase == MINUS ? !is_above(&b, &zero)
        : s->phase == ZERO || s->phase == INT ? of_growing(&none, &b, &d, false) != LOST
                                              : of_fraction(&none, &b, &d) != LOST)
      return OPEN_;
  }
  return LOST;
}

/* Can the local still hold, and does that depend on more digits? */
static int judge_local(const mask_rule *r, const node *n, const number_state *s) {
  if (n->integer && (s->phase == FRACTION || s->phase >= E_MARK)) return LOST;
  if (n->strict_integer && s->phase >= DOT) return LOST;
  if (n->number == NULL && !n->has_enum) return SETTLED;
  if (s->len >= MAX_DIGITS) return LOST;
  int out = n->has_enum ? of_enum(r, n, s) : SETTLED;
  if (n->number == NULL || out == LOST) return out;
  interval b = bounds_of(n->number, s->negative);
  digits d = {s->text + s->negative, s->len - s->negative, s->phase, s->negative};
  int bounds = OPEN_;
  if (s->phase == MINUS) {
    jdoc_number zero = jdoc_number_of(BASE_LITERAL("0"));
    if (is_above(&b, &zero)) return LOST;
  } else if (s->phase == ZERO || s->phase == INT) {
    bounds = of_growing(n->number, &b, &d, n->integer);
  } else if (s->phase <= FRACTION) {
    bounds = of_fraction(n->number, &b, &d);
  }
  return bounds < out ? bounds : out;
}

/* Does the number as it stands satisfy the local, which is open? */
static bool accepts(const mask_rule *r, const node *n, const number_state *s) {
  jdoc_number value = jdoc_number_of((base_slice){s->text, s->len});
  bool member = !n->has_enum;
  for (uint32_t i = 0; i < n->n_values && !member; i++) {
    if (jdoc_kind_at(&r->doc, n->values[i]) != JDOC_NUMBER) continue;
    jdoc_number other = jdoc_number_of(jdoc_raw(&r->doc, n->values[i]));
    member = jdoc_number_compare(&value, &other) == 0;
  }
  if (!member || n->number == NULL) return member;
  interval b = bounds_of(n->number, false);
  if (is_below(&b, &value) || is_above(&b, &value)) return false;
  return !n->number->has_step || jdoc_number_is_multiple(&value, &n->number->step);
}

/* What an exponent does to a local: LOST, OPEN_ (only smaller numbers keep it), SETTLED (any). */
static int under_exponent(const mask_rule *r, const node *n, const number_state *s, bool open) {
  if (n->integer || n->has_enum) return LOST;
  if (n->number == NULL) return SETTLED;
  if (n->number->has_step) return LOST;
  interval b = bounds_of(n->number, s->negative);
  jdoc_number zero = jdoc_number_of(BASE_LITERAL("0"));
  if (is_below(&b, &zero) && !(b.has_low && s->nonzero && jdoc_number_compare(&zero, &b.low) == 0)) return LOST;
  if (!b.has_high) return SETTLED;
  return !open || accepts(r, n, s) ? OPEN_ : LOST;
}

/* ---- states ---- */

static bool any_open(const number_state *s) {
  for (uint32_t w = 0; w < s->plan->words; w++)
    if (s->open[w] != 0) return true;
  return false;
}

static bool may_end(uint8_t phase) {
  return phase == ZERO || phase == INT || phase == FRACTION_0 || phase == FRACTION || phase == EXPONENT;
}

static void judge_end(mask_rule *r, number_state *s) {
  plan *p = s->plan;
  bool fatal = false;
  uint64_t small[8] = {0}, *refusing = p->words <= 8 ? small : mask_take(r, p->words * sizeof *refusing);
  if (refusing == NULL || !may_end(s->phase)) return;
  memcpy(refusing, s->lost, p->words * sizeof *refusing);
  for (uint32_t i = 0; i < p->n_locals; i++)
    if (bit_has(s->open, i) && !accepts(r, p->locals[i].n, s)) bit_set(refusing, i);
  s->failed = mask_plan_judge(r, p, refusing, NULL, &fatal);
  s->may_end = !fatal && r->failed == BASE_OK;
}

static number_state *intern(mask_rule *r, number_state *like) {
  plan *p = like->plan;
  size_t bytes = p->words * sizeof(uint64_t);
  bool keep = any_open(like);
  uint64_t key = mask_mix(like->phase | (uint64_t)like->negative << 8 | (uint64_t)like->nonzero << 9 |
                          (uint64_t)like->shrinks << 10, keep);
  key = mask_mix_bytes(mask_mix_bytes(key, like->lost, bytes), like->open, bytes);
  if (keep) key = mask_mix_bytes(key, like->text, like->len);
  number_state *s = mask_map_get(&p->numbers, key);
  if (s != NULL) return s;
  s = mask_take(r, sizeof *s);
  uint64_t *sets = mask_take(r, 2 * bytes);
  char *text = mask_take(r, keep ? like->len : 0);
  if (s == NULL || sets == NULL || text == NULL) return &mask_number_dead;
  *s = *like;
  memset(s->next, 0, sizeof s->next);
  s->lost = sets;
  s->open = sets + p->words;
  memcpy(s->lost, like->lost, bytes);
  memcpy(s->open, like->open, bytes);
  s->text = keep ? text : "";
  if (keep) memcpy(text, like->text, like->len);
  else s->len = 0;
  judge_end(r, s);
  if (!mask_map_put(&p->numbers, &r->pool, key, s)) mask_fail(r, r->pool.failed);
  return s;
}

static uint8_t next_phase(uint8_t phase, uint8_t c) {
  bool digit = c >= '0' && c <= '9', e = c == 'e' || c == 'E';
  switch (phase) {
    case BEGIN: if (c == '-') return MINUS; /* fall through */
    case MINUS: return c == '0' ? ZERO : digit ? INT : BEGIN;
    case ZERO: return c == '.' ? DOT : e ? E_MARK : BEGIN;
    case INT: return digit ? INT : c == '.' ? DOT : e ? E_MARK : BEGIN;
    case DOT: return c == '0' ? FRACTION_0 : digit ? FRACTION : BEGIN;
    case FRACTION_0: return c == '0' ? FRACTION_0 : digit ? FRACTION : e ? E_MARK : BEGIN;
    case FRACTION: return digit ? FRACTION : e ? E_MARK : BEGIN;
    case E_MARK: return c == '-' || c == '+' ? E_SIGN : digit ? EXPONENT : BEGIN;
    default: return digit ? EXPONENT : BEGIN;
  }
}

static bool has_number(const mask_rule *r, const node *n) {
  for (uint32_t i = 0; i < n->n_values; i++)
    if (jdoc_kind_at(&r->doc, n->values[i]) == JDOC_NUMBER) return true;
  return false;
}

/* The same for a local that the digits have failed: LOST where an exponent might make it hold after all, OPEN_ where
 * only one that is not negative might (a fraction that is gone makes an integer), SETTLED where none does. */
static int failed_under_exponent(const mask_rule *r, const node *n) {
  if (!(n->kinds & KIND_BIT(JDOC_NUMBER)) || (n->has_enum && !has_number(r, n))) return SETTLED;
  if (n->number != NULL || n->has_enum) return LOST;
  return n->integer && !n->strict_integer ? OPEN_ : SETTLED;
}

/* The locals behind the exponent's mark: nothing is open any more. False where an exponent would leave a local's truth
 * to be worked out: then there is none. */
static bool settle_exponent(const mask_rule *r, const number_state *from, number_state *s) {
  const plan *p = s->plan;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *n = p->locals[i].n;
    if (!(n->asserts & KIND_BIT(JDOC_NUMBER))) continue;
    int out = bit_has(s->lost, i) ? failed_under_exponent(r, n) : under_exponent(r, n, from, bit_has(from->open, i));
    if (out == LOST) return false;
    if (out == OPEN_) s->shrinks = true;
  }
  memset(s->open, 0, p->words * sizeof *s->open);
  return true;
}

static void settle_digits(const mask_rule *r, number_state *s) {
  const plan *p = s->plan;
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *n = p->locals[i].n;
    if (bit_has(s->lost, i) || !(n->asserts & KIND_BIT(JDOC_NUMBER))) continue;
    bool open = bit_has(s->open, i);
    if (!open && !n->integer) continue;
    int out = open || s->phase == FRACTION || (n->strict_integer && s->phase >= DOT) ? judge_local(r, n, s) : SETTLED;
    if (out == LOST) bit_set(s->lost, i);
    if (out != OPEN_) s->open[i >> 6] &= ~(UINT64_C(1) << (i & 63));
  }
}

static number_state *make_next(mask_rule *r, number_state *from, uint8_t c) {
  plan *p = from->plan;
  uint64_t small[16], *sets = p->words <= 8 ? small : mask_take(r, 2 * p->words * sizeof *sets);
  uint64_t none[8] = {0}, *done = p->words <= 8 ? none : mask_take(r, p->words * sizeof *done);
  char text[MAX_DIGITS + 8];
  uint8_t phase = next_phase(from->phase, c);
  if (phase == BEGIN || sets == NULL || done == NULL) return &mask_number_dead;
  number_state s = *from;
  s.lost = sets;
  s.open = sets + p->words;
  s.failed = NULL;
  s.may_end = false;
  memcpy(s.lost, from->lost, p->words * sizeof *sets);
  memcpy(s.open, from->open, p->words * sizeof *sets);
  s.phase = phase;
  if (c == '-' && from->phase == BEGIN) s.negative = true;
  if (c >= '1' && c <= '9' && phase <= FRACTION) s.nonzero = true;
  if (from->phase == E_MARK && from->shrinks && c != '-') return &mask_number_dead;
  if (phase == E_MARK) {
    if (!settle_exponent(r, from, &s)) return &mask_number_dead;
  } else if (phase < E_MARK) {
    if (from->len + 1 >= MAX_DIGITS && any_open(from)) return &mask_number_dead;
    memcpy(text, from->text, from->len);
    text[from->len] = (char)c;
    s.text = text;
    s.len = any_open(from) ? from->len + 1 : 0;
    settle_digits(r, &s);
  }
  if (mask_plan_is_lost(r, p, s.lost, done)) return &mask_number_dead;
  return intern(r, &s);
}

/* Where the state behind a byte is kept; 15: no number has this byte. */
static uint32_t place_of(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  switch (c) {
    case '.': return 10;
    case '-': return 11;
    case '+': return 12;
    case 'e': return 13;
    case 'E': return 14;
    default: return 15;
  }
}

number_state *mask_number_step(mask_rule *r, number_state *s, uint8_t c) {
  uint32_t index = place_of(c);
  if (index == 15) return &mask_number_dead;
  if (s->next[index] == NULL) {
    number_state *next = make_next(r, s, c);
    if (r->failed != BASE_OK) return &mask_number_dead;
    s->next[index] = next;
  }
  return s->next[index];
}

number_state *mask_number_start(mask_rule *r, plan *p, const uint64_t *own_failed) {
  number_state s = {.plan = p, .text = ""};
  s.lost = mask_take(r, p->words * sizeof *s.lost);
  s.open = mask_take(r, p->words * sizeof *s.open);
  if (s.lost == NULL || s.open == NULL) return &mask_number_dead;
  memcpy(s.lost, own_failed, p->words * sizeof *s.lost);
  for (uint32_t i = 0; i < p->n_locals; i++) {
    const node *n = p->locals[i].n;
    if (bit_has(own_failed, i)) continue;
    if (n->number != NULL || n->has_enum) bit_set(s.open, i);
  }
  return intern(r, &s);
}
