/* mask/form: documents among words, each begun by a literal that names it.
 *
 *   WORDS --trigger--> OPENING --> NAME --middle--> MIDDLE --> (document) --> LAST --> BEHIND --between--> NAME
 *                                                                                        --end--> the text's end
 *
 * A document is a rule of its own: the machine runs it and comes back by mask_form_after. `at` counts the bytes of
 * the literal in work; in WORDS it is how much of the trigger the text ends with (Knuth, Morris, Pratt 1977), `first`
 * how many bytes the character in work still has, and `last` the range that the next one lies in. */
#include <stdlib.h>
#include <string.h>

#include "mask/internal.h"

enum { PHASE_WORDS, PHASE_OPENING, PHASE_NAME, PHASE_MIDDLE, PHASE_LAST, PHASE_BEHIND };
enum { MAX_TRIGGER = 64, MAX_PARTS = 512, MAX_LITERAL = 4096, MAX_NAME = 256 };
enum { FREE = 0xFFFF }; /* of `at` in WORDS: the trigger does not count any more */
/* what may still be spelt in BEHIND */
enum { CAN_END = 1, CAN_GO_ON = 2 };

/* Pieces of control tokens begin with it, and no other text has it. */
enum { CONTROL = 0xFF };

typedef struct form_part {
  base_slice name;
  mask_rule *rule;
} form_part;

struct form {
  bool words, at_start;
  base_slice trigger, opening, middle, last, between, end;
  uint8_t fall[MAX_TRIGGER]; /* of the trigger's first i + 1 bytes: the longest end that is a beginning too */
  form_part *parts;          /* sorted by name */
  size_t n_parts;
};

/* ---- reading a form ---- */

static base_slice keep(mask_pool *pool, base_slice s) {
  char *out = mask_pool_take(pool, s.len + 1);
  if (out != NULL && s.len > 0) memcpy(out, s.ptr, s.len);
  return (base_slice){out, s.len};
}

static int compare_parts(const void *x, const void *y) {
  return base_slice_compare(((const form_part *)x)->name, ((const form_part *)y)->name);
}

static base_status refuse(base_error *err, const char *text) {
  return base_fail(err, BASE_EARGUMENT, "form", "%s", text);
}

static base_status check_literals(const mask_form *in, base_error *err) {
  const base_slice all[] = {in->opening, in->middle, in->last, in->between, in->end};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (all[i].len > MAX_LITERAL) return base_fail(err, BASE_ELIMIT, "form", "a literal is over 4,096 bytes");
  if (in->opening.len == 0 || in->middle.len == 0) return refuse(err, "what stands around the name is empty");
  if (in->n_parts == 0 || in->n_parts > MAX_PARTS)
    return base_fail(err, BASE_ELIMIT, "form", "%zu parts; 1 to %d are possible", in->n_parts, (int)MAX_PARTS);
  if (!in->words) return BASE_OK;
  bool begins = in->trigger.len > 0 && in->trigger.len <= MAX_TRIGGER && in->trigger.len <= in->opening.len &&
                memcmp(in->trigger.ptr, in->opening.ptr, in->trigger.len) == 0;
  return begins ? BASE_OK : refuse(err, "the trigger is not how a call begins, or longer than 64 bytes");
}

static base_status check_name(const mask_form *in, base_slice name, base_error *err) {
  if (name.len == 0 || name.len > MAX_NAME) return refuse(err, "a name is empty or over 256 bytes");
  if (memchr(name.ptr, in->middle.ptr[0], name.len) == NULL) return BASE_OK;
  return refuse(err, "a name has the byte that ends names");
}

/* "where" of an error in a part's schema: the name before it. */
static base_status name_error(base_error *err, base_status status, base_slice name) {
  char where[sizeof err->where];
  if (err == NULL) return status;
  (void)base_format(where, sizeof where, "%.*s: %.40s", (int)(name.len < 40 ? name.len : 40), name.ptr, err->where);
  (void)base_format(err->where, sizeof err->where, "%s", where);
  return status;
}

static base_status open_parts(form *f, const mask_form *in, const mask_options *o, mask_rule *r, base_error *err) {
  for (size_t i = 0; i < in->n_parts; i++) {
    form_part *p = &f->parts[i];
    base_status status = check_name(in, in->parts[i].name, err);
    if (status != BASE_OK) return status;
    p->name = keep(&r->pool, in->parts[i].name);
    if (p->name.ptr == NULL) return base_fail(err, BASE_ENOMEM, "form", "out of memory");
    status = mask_schema(&p->rule, in->parts[i].document, o, r->allocator, err);
    if (status != BASE_OK) return name_error(err, status, p->name);
    f->n_parts++;
  }
  return BASE_OK;
}

static void fill_fall(form *f) {
  for (size_t i = 1, k = 0; i < f->trigger.len; i++) {
    while (k > 0 && f->trigger.ptr[i] != f->trigger.ptr[k]) k = f->fall[k - 1];
    if (f->trigger.ptr[i] == f->trigger.ptr[k]) k++;
    f->fall[i] = (uint8_t)k;
  }
}

static base_status fill(form *f, const mask_form *in, const mask_options *o, mask_rule *r, base_error *err) {
  base_slice *to[] = {&f->trigger, &f->opening, &f->middle, &f->last, &f->between, &f->end};
  const base_slice from[] = {in->trigger, in->opening, in->middle, in->last, in->between, in->end};
  f->words = in->words;
  f->at_start = in->at_start;
  for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) *to[i] = keep(&r->pool, from[i]);
  if (!in->words) f->trigger.len = 0;
  f->parts = mask_pool_take(&r->pool, in->n_parts * sizeof *f->parts);
  if (r->pool.failed != BASE_OK) return base_fail(err, BASE_ENOMEM, "form", "out of memory");
  fill_fall(f);
  base_status status = open_parts(f, in, o, r, err);
  if (status != BASE_OK) return status;
  qsort(f->parts, f->n_parts, sizeof *f->parts, compare_parts);
  for (size_t i = 1; i < f->n_parts; i++)
    if (compare_parts(&f->parts[i - 1], &f->parts[i]) == 0) return refuse(err, "two parts have one name");
  return BASE_OK;
}

base_status mask_form_read(form **out, const mask_form *in, const mask_options *o, mask_rule *r, base_error *err) {
  base_status status = check_literals(in, err);
  if (status != BASE_OK) return status;
  form *f = *out = mask_pool_take(&r->pool, sizeof *f);
  return f != NULL ? fill(f, in, o, r, err) : base_fail(err, BASE_ENOMEM, "form", "out of memory");
}

void mask_form_close(form *f) {
  for (size_t i = 0; i < f->n_parts; i++) mask_rule_close(f->parts[i].rule);
}

size_t mask_form_parts(const form *f) { return f->n_parts; }
mask_rule *mask_form_part(const form *f, size_t i) { return f->parts[i].rule; }

/* ---- bytes ---- */

static void go(point *p, uint16_t phase, uint16_t at) {
  p->mode = MODE_FORM;
  p->part = 0;
  p->in.form = (form_place){.phase = phase, .at = at};
}

static void go_to_name(const form *f, point *p) {
  go(p, PHASE_NAME, 0);
  p->in.form.last = (uint16_t)f->n_parts;
}

/* Behind so many bytes of the opening. */
static void go_to_opening(const form *f, point *p, size_t at) {
  if (at == f->opening.len) go_to_name(f, p);
  else go(p, PHASE_OPENING, (uint16_t)at);
}

/* Behind a call: if it is the only one and nothing follows, that is the text's end. */
static void go_behind(const form *f, point *p) {
  go(p, PHASE_BEHIND, 0);
  p->in.form.first = (uint16_t)(CAN_END | (f->between.len > 0 ? CAN_GO_ON : 0));
}

void mask_form_start(mask_run *run, point *p) {
  const form *f = run->whole->form;
  p->top = run->roots[0];
  go(p, f->words ? PHASE_WORDS : PHASE_OPENING, 0);
}

void mask_form_after(mask_run *run, point *p) {
  const form *f = run->whole->form;
  if (f->last.len == 0) go_behind(f, p);
  else go(p, PHASE_LAST, 0);
}

static void begin_document(mask_run *run, point *p, size_t part) {
  p->top = run->roots[part];
  p->mode = MODE_VALUE;
  p->gap = 0;
  p->part = (uint16_t)(part + 1);
}

static bool is_space(uint8_t b) { return b == ' ' || b == '\n' || b == '\t' || b == '\r'; }

/* The bytes that begin a character and those that go on with it (RFC 3629). */
static bool step_character(form_place *in, uint8_t b) {
  if (in->first > 0) {
    if (b < in->last >> 8 || b > (in->last & 0xFF)) return false;
    in->first--;
  } else if (b >= 0x80) {
    if (b < 0xC2 || b > 0xF4) return false;
    in->first = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
  }
  in->last = b == 0xE0 ? 0xA0BF : b == 0xED ? 0x809F : b == 0xF0 ? 0x90BF : b == 0xF4 ? 0x808F : 0x80BF;
  return true;
}

/* A trigger that begins with a control token is that token or nothing: there is no falling back in it. */
static bool step_words(const form *f, point *p, uint8_t b) {
  size_t at = p->in.form.at;
  bool control = b == CONTROL || (at > 0 && at != FREE && (uint8_t)f->trigger.ptr[0] == CONTROL);
  if (!control && !step_character(&p->in.form, b)) return false;
  if (control && p->in.form.first > 0) return false;
  if (at == FREE) return !control;
  if (f->at_start && at == 0 && is_space(b)) return true;
  while (!f->at_start && !control && at > 0 && (uint8_t)f->trigger.ptr[at] != b) at = f->fall[at - 1];
  if ((uint8_t)f->trigger.ptr[at] != b) {
    p->in.form.at = f->at_start ? FREE : 0;
    return !control;
  }
  if (at + 1 == f->trigger.len) go_to_opening(f, p, at + 1);
  else p->in.form.at = (uint16_t)(at + 1);
  return true;
}

static bool step_name(mask_run *run, const form *f, point *p, uint8_t b) {
  form_place *in = &p->in.form;
  size_t at = in->at;
  if (f->parts[in->first].name.len == at && b == (uint8_t)f->middle.ptr[0]) {
    size_t part = in->first;
    if (f->middle.len == 1) begin_document(run, p, part);
    else *in = (form_place){PHASE_MIDDLE, 1, (uint16_t)part, 0};
    return true;
  }
  while (in->first < in->last && (f->parts[in->first].name.len <= at || (uint8_t)f->parts[in->first].name.ptr[at] < b))
    in->first++;
  uint16_t last = in->first;
  while (last < in->last && (uint8_t)f->parts[last].name.ptr[at] == b) last++;
  in->last = last;
  in->at++;
  return in->first < in->last;
}

static bool step_behind(const form *f, point *p, uint8_t b) {
  form_place *in = &p->in.form;
  size_t at = in->at++;
  if (at >= f->end.len || (uint8_t)f->end.ptr[at] != b) in->first &= (uint16_t)~CAN_END;
  if (at >= f->between.len || (uint8_t)f->between.ptr[at] != b) in->first &= (uint16_t)~CAN_GO_ON;
  if ((in->first & CAN_GO_ON) != 0 && in->at == f->between.len) {
    go_to_name(f, p);
    return true;
  }
  return in->first != 0;
}

bool mask_form_step(mask_run *run, point *p, uint8_t b) {
  const form *f = run->whole->form;
  form_place *in = &p->in.form;
  switch (in->phase) {
    case PHASE_WORDS: return step_words(f, p, b);
    case PHASE_OPENING:
      if ((uint8_t)f->opening.ptr[in->at] != b) return false;
      go_to_opening(f, p, in->at + 1u);
      return true;
    case PHASE_NAME: return step_name(run, f, p, b);
    case PHASE_MIDDLE:
      if ((uint8_t)f->middle.ptr[in->at] != b) return false;
      if (++in->at == f->middle.len) begin_document(run, p, in->first);
      return true;
    case PHASE_LAST:
      if ((uint8_t)f->last.ptr[in->at] != b) return false;
      if (++in->at == f->last.len) go_behind(f, p);
      return true;
    default: return step_behind(f, p, b);
  }
}

bool mask_form_may_end(const form *f, const point *p) {
  if (p->mode != MODE_FORM) return false;
  if (p->in.form.phase == PHASE_WORDS) return p->in.form.first == 0;
  return p->in.form.phase == PHASE_BEHIND && (p->in.form.first & CAN_END) != 0 && p->in.form.at == f->end.len;
}

/* Kinds of bytes are those of whole characters up to a quote (see kinds_below), and BYTE_BAD for what is not: that is
 * walked. So are escapes, whose other bytes are not told. In tokens 0xFF comes first: there is none below any node. */
uint64_t mask_form_stays(const form *f, const point *p) {
  const form_place *in = &p->in.form;
  const uint64_t text = ~(UINT64_C(1) << BYTE_BAD | UINT64_C(1) << BYTE_ESCAPE);
  if (in->phase != PHASE_WORDS || in->first > 0) return 0;
  if (in->at == FREE) return text;
  if (f->at_start || in->at > 0) return 0;
  uint8_t first = (uint8_t)f->trigger.ptr[0];
  return first == CONTROL ? text : text & ~(UINT64_C(1) << mask_byte_kind(first));
}

/* ---- where the words end ---- */

size_t mask_run_words(mask_run *run, bool *called) {
  const form *f = run->whole->form;
  point p = {0};
  *called = false;
  if (f == NULL || !f->words) {
    *called = f != NULL && run->len > 0;
    return f != NULL ? 0 : run->len;
  }
  if (run->now.mode == MODE_FORM && run->now.in.form.phase == PHASE_WORDS)
    return run->len - (run->now.in.form.at == FREE ? 0 : run->now.in.form.at);
  mask_form_start(run, &p);
  for (size_t i = 0; i < run->len; i++) {
    (void)step_words(f, &p, (uint8_t)run->text.ptr[i]);
    if (p.in.form.phase == PHASE_WORDS) continue;
    *called = true;
    return i + 1 - f->trigger.len;
  }
  return run->len;
}
