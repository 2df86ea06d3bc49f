/* mask/run: rules opened and closed, and one text under a rule: masks, commits, what is taken back. */
#include <string.h>

#include "mask/internal.h"

/* ---- rules ---- */

static mask_rule *new_rule(const mask_options *o, const base_allocator *a, base_error *err) {
  if (a == NULL) a = base_allocator_libc();
  mask_rule *r = base_calloc(a, 1, sizeof *r);
  if (r == NULL) {
    base_fail(err, BASE_ENOMEM, "rule", "out of memory");
    return NULL;
  }
  r->allocator = a;
  if (o != NULL) r->options = *o;
  if (r->options.max_bytes == 0) r->options.max_bytes = (size_t)192 << 20;
  mask_pool_init(&r->pool, a, r->options.max_bytes);
  return r;
}

/* Does a $ref lead into the metaschema of this URI? */
static bool refers_to(const jdoc *d, base_slice uri) {
  for (uint32_t i = 0; i + 1 < d->n_nodes; i++) {
    if (jdoc_kind_at(d, i) != JDOC_STRING || jdoc_kind_at(d, i + 1) != JDOC_STRING) continue;
    base_slice key = jdoc_text(d, i), to = jdoc_text(d, i + 1);
    if (key.len == 4 && memcmp(key.ptr, "$ref", 4) == 0 && base_slice_starts(to, uri) &&
        (to.len == uri.len || to.ptr[uri.len] == '#'))
      return true;
  }
  return false;
}

/* A schema that refers to the metaschema of its own draft (4, 6, 7) gets it as one more member, named by its URI. */
static base_status take_in_metaschema(mask_rule *r, const jdoc_limits *limits, base_error *err) {
  static const char *const uris[] = {"http://json-schema.org/draft-04/schema", "http://json-schema.org/draft-06/schema",
                                     "http://json-schema.org/draft-07/schema"};
  static const int drafts[] = {4, 6, 7};
  base_slice meta = {0};
  int draft = mask_draft_of(&r->doc), i = 0;
  while (i < 3 && drafts[i] != draft) i++;
  if (i == 3 || jdoc_kind_at(&r->doc, 0) != JDOC_OBJECT || !refers_to(&r->doc, base_slice_of(uris[i])) ||
      !constrain_metaschema(base_slice_of(uris[i]), &meta))
    return BASE_OK;
  size_t end = r->text_len, len;
  while (r->text[end - 1] != '}') end--;
  len = end - 1 + meta.len + strlen(uris[i]) + 5;
  char *text = base_alloc(r->allocator, len);
  if (text == NULL) return base_fail(err, BASE_ENOMEM, "schema", "out of memory");
  memcpy(text, r->text, end - 1);
  (void)base_format(text + end - 1, len - end + 1, ",\"%s\":", uris[i]);
  memcpy(text + len - meta.len - 1, meta.ptr, meta.len);
  text[len - 1] = '}';
  jdoc_close(&r->doc);
  base_free(r->allocator, r->text, r->text_len);
  r->text = text;
  r->text_len = len;
  return jdoc_open(&r->doc, (base_slice){text, len}, limits, "schema", r->allocator, err);
}

base_status mask_schema(mask_rule **out, base_slice json, const mask_options *o, const base_allocator *a,
                        base_error *err) {
  jdoc_limits limits = {.depth = 10000};
  *out = NULL;
  mask_rule *r = new_rule(o, a, err);
  if (r == NULL) return BASE_ENOMEM;
  base_status status = BASE_ENOMEM;
  r->text_len = json.len;
  r->text = base_alloc(r->allocator, json.len);
  if (r->text == NULL) {
    base_fail(err, BASE_ENOMEM, "schema", "out of memory");
    goto done;
  }
  if (json.len > 0) memcpy(r->text, json.ptr, json.len);
  status = jdoc_open(&r->doc, (base_slice){r->text, json.len}, &limits, "schema", r->allocator, err);
  if (status == BASE_OK) status = take_in_metaschema(r, &limits, err);
  if (status == BASE_OK) status = mask_schema_compile(r, err);
done:
  if (status != BASE_OK) {
    mask_rule_close(r);
    return status;
  }
  *out = r;
  return BASE_OK;
}

base_status mask_regex(mask_rule **out, base_slice pattern, const mask_options *o, const base_allocator *a,
                       base_error *err) {
  regex_options options = {.whole = true, .max_states = 100000, .max_bytes = (size_t)64 << 20};
  *out = NULL;
  mask_rule *r = new_rule(o, a, err);
  if (r == NULL) return BASE_ENOMEM;
  base_status status = regex_open(&r->whole, pattern, &options, r->allocator, err);
  if (status != BASE_OK) {
    mask_rule_close(r);
    return status;
  }
  *out = r;
  return BASE_OK;
}

base_status mask_grammar(mask_rule **out, base_slice text, const mask_options *o, const base_allocator *a,
                         base_error *err) {
  *out = NULL;
  mask_rule *r = new_rule(o, a, err);
  if (r == NULL) return BASE_ENOMEM;
  base_status status = mask_grammar_open(&r->grammar, text, &r->pool, err);
  if (status != BASE_OK) {
    mask_rule_close(r);
    return status;
  }
  *out = r;
  return BASE_OK;
}

base_status mask_form_open(mask_rule **out, const mask_form *in, const mask_options *o, const base_allocator *a,
                           base_error *err) {
  *out = NULL;
  mask_rule *r = new_rule(o, a, err);
  if (r == NULL) return BASE_ENOMEM;
  base_status status = mask_form_read(&r->form, in, o, r, err);
  if (status != BASE_OK) {
    mask_rule_close(r);
    return status;
  }
  *out = r;
  return BASE_OK;
}

void mask_rule_close(mask_rule *r) {
  if (r == NULL) return;
  for (uint32_t i = 0; i < r->n_regexes; i++) regex_close(r->regexes[i]);
  regex_close(r->whole);
  constrain_schema_close(r->validator);
  jdoc_close(&r->doc);
  if (r->form != NULL) mask_form_close(r->form);
  base_free(r->allocator, r->text, r->text_len);
  mask_pool_free(&r->pool);
  base_free(r->allocator, r, sizeof *r);
}

static size_t parts_of(const mask_rule *r) {
  return r->form != NULL ? mask_form_parts(r->form) : 0;
}

size_t mask_rule_notes(const mask_rule *r) {
  size_t n = r->notes.count;
  for (size_t i = 0; i < parts_of(r); i++) n += mask_rule_notes(mask_form_part(r->form, i));
  return n;
}

bool mask_rule_may_fail(const mask_rule *r) {
  bool may = r->notes.may_fail;
  for (size_t i = 0; i < parts_of(r); i++) may |= mask_rule_may_fail(mask_form_part(r->form, i));
  return may;
}

mask_note mask_rule_note(mask_rule *r, size_t i) {
  for (size_t k = 0; k < parts_of(r); k++) {
    mask_rule *part = mask_form_part(r->form, k);
    if (i < mask_rule_notes(part)) return mask_rule_note(part, i);
    i -= mask_rule_notes(part);
  }
  if (i >= r->notes.count || !mask_notes_locate(r)) return (mask_note){0};
  const mask_place *p = &r->notes.place[i];
  return (mask_note){r->notes.path[i], p->keyword, p->reason, p->when, p->may_fail};
}

size_t mask_rule_bytes(const mask_rule *r) {
  size_t bytes = r->pool.held + r->text_len + r->doc.n_nodes * sizeof(jdoc_node);
  for (size_t i = 0; i < parts_of(r); i++) bytes += mask_rule_bytes(mask_form_part(r->form, i));
  for (uint32_t i = 0; i < r->n_regexes; i++) bytes += regex_bytes(r->regexes[i]);
  return bytes + (r->whole != NULL ? regex_bytes(r->whole) : 0);
}

size_t mask_rule_schemas(const mask_rule *r) {
  size_t n = r->n_nodes;
  for (size_t i = 0; i < parts_of(r); i++) n += mask_rule_schemas(mask_form_part(r->form, i));
  return n;
}

/* ---- runs ---- */

bool mask_run_reserve(mask_run *run, size_t len) {
  base_buf *b = &run->text;
  if (b->cap > len) return true;
  size_t cap = b->cap == 0 ? 1024 : b->cap;
  while (cap <= len) cap *= 2;
  char *grown = run->allocator->resize(run->allocator->ctx, b->ptr, b->cap, cap);
  if (grown == NULL) {
    run->failed = BASE_ENOMEM;
    return false;
  }
  b->ptr = grown;
  b->cap = cap;
  return true;
}

/* The place of a document that rule r says. */
static frame *root_of(mask_run *run, const mask_rule *r) {
  frame *f = mask_pool_take(&run->pool, sizeof *f);
  slot *s = mask_pool_take(&run->pool, sizeof *s);
  if (f == NULL || s == NULL) return NULL;
  *s = (slot){.plan = r->root, .simple = true};
  f->slot = s;
  f->exact = r->validator != NULL;
  return f;
}

static bool open_roots(mask_run *run) {
  size_t n = parts_of(run->whole);
  run->roots = mask_pool_take(&run->pool, (n > 0 ? n : 1) * sizeof(frame *));
  if (run->roots == NULL) return false;
  if (n == 0) return (run->roots[0] = root_of(run, run->whole)) != NULL;
  for (size_t i = 0; i < n; i++)
    if ((run->roots[i] = root_of(run, mask_form_part(run->whole->form, i))) == NULL) return false;
  return true;
}

base_status mask_run_open(mask_run **out, mask_rule *r, mask_vocab *v, const base_allocator *a, base_error *err) {
  *out = NULL;
  if (r->options.account) return base_fail(err, BASE_EARGUMENT, "rule", "it was made for its notes alone");
  if (a == NULL) a = base_allocator_libc();
  mask_run *run = base_calloc(a, 1, sizeof *run);
  if (run == NULL) return base_fail(err, BASE_ENOMEM, "run", "out of memory");
  run->allocator = a;
  run->whole = run->rule = r;
  run->vocab = v;
  mask_pool_init(&run->pool, a, r->options.max_bytes);
  run->text.allocator = a;
  if (!open_roots(run) || !mask_run_reserve(run, MASK_MAX_PIECE)) {
    mask_run_close(run);
    return base_fail(err, BASE_ENOMEM, "run", "out of memory");
  }
  mask_run_reset(run);
  *out = run;
  return BASE_OK;
}

void mask_run_close(mask_run *run) {
  if (run == NULL) return;
  mask_tables_close(run);
  mask_finisher_close(run);
  mask_pool_free(&run->pool);
  base_free(run->allocator, run->past, run->cap_past * sizeof *run->past);
  base_free(run->allocator, run->text.ptr, run->text.cap);
  base_free(run->allocator, run, sizeof *run);
}

void mask_run_reset(mask_run *run) {
  if (run->n_past > 0) mask_run_rollback(run, run->n_past);
  run->now = (point){.top = run->roots[0], .mode = MODE_VALUE};
  if (run->whole->whole != NULL) {
    run->now.mode = MODE_PATTERN;
    run->now.in.pattern = REGEX_START;
  } else if (run->whole->grammar != NULL) {
    run->now.mode = MODE_GRAMMAR;
    run->now.in.grammar = mask_grammar_start(run->whole->grammar);
  } else if (run->whole->form != NULL) {
    mask_form_start(run, &run->now);
  }
  run->len = 0;
}

static base_status rule_failed(const mask_rule *r) {
  if (r->whole != NULL && regex_failed(r->whole) != BASE_OK) return regex_failed(r->whole);
  if (r->grammar != NULL) return mask_grammar_failed(r->grammar);
  for (size_t i = 0; i < parts_of(r); i++) {
    base_status status = mask_form_part(r->form, i)->failed;
    if (status != BASE_OK) return status;
  }
  return r->failed;
}

base_status mask_run_failed(const mask_run *run) {
  if (run->failed != BASE_OK) return run->failed;
  if (run->pool.failed != BASE_OK) return run->pool.failed;
  return rule_failed(run->whole);
}

size_t mask_run_bytes(const mask_run *run) {
  return run->pool.held + run->text.cap + run->cap_past * sizeof *run->past + mask_tables_bytes(run) +
         mask_finisher_bytes(run);
}

const uint32_t *mask_run_mask(mask_run *run) {
  if (mask_run_failed(run) != BASE_OK || !mask_run_reserve(run, run->len + MASK_MAX_PIECE)) return NULL;
  const uint32_t *words = mask_tables_find(run, &run->now);
  return mask_run_failed(run) == BASE_OK ? words : NULL;
}

static bool remember(mask_run *run) {
  if (run->n_past == run->cap_past) {
    uint32_t cap = run->cap_past == 0 ? 64 : 2 * run->cap_past;
    void *grown = run->allocator->resize(run->allocator->ctx, run->past, run->cap_past * sizeof *run->past,
                                         cap * sizeof *run->past);
    if (grown == NULL) {
      run->failed = BASE_ENOMEM;
      return false;
    }
    run->past = grown;
    run->cap_past = cap;
  }
  run->past[run->n_past++] = (struct past){run->now, run->len, mask_pool_mark(&run->pool)};
  return true;
}

base_status mask_run_commit_bytes(mask_run *run, base_slice bytes) {
  if (mask_run_failed(run) != BASE_OK) return mask_run_failed(run);
  if (bytes.len == 0) return BASE_EMISMATCH;
  if (!mask_run_reserve(run, run->len + bytes.len + MASK_MAX_PIECE) || !remember(run)) return run->failed;
  for (size_t i = 0; i < bytes.len; i++) {
    run->text.ptr[run->len] = bytes.ptr[i];
    if (!mask_step(run, &run->now, run->len)) {
      mask_run_rollback(run, 1);
      return mask_run_failed(run) != BASE_OK ? mask_run_failed(run) : BASE_EMISMATCH;
    }
    run->len++;
  }
  return BASE_OK;
}

base_status mask_run_commit(mask_run *run, uint32_t token) {
  if (token >= run->vocab->n_tokens) return BASE_EMISMATCH;
  return mask_run_commit_bytes(run, run->vocab->pieces[token]);
}

void mask_run_rollback(mask_run *run, size_t commits) {
  if (commits > run->n_past) commits = run->n_past;
  if (commits == 0) return;
  run->n_past -= (uint32_t)commits;
  const struct past *p = &run->past[run->n_past];
  run->now = p->now;
  run->len = p->len;
  mask_pool_back(&run->pool, p->mark);
}

size_t mask_run_commits(const mask_run *run) {
  return run->n_past;
}

base_slice mask_run_text(const mask_run *run) {
  return (base_slice){run->text.ptr, run->len};
}

bool mask_run_decides_late(const mask_run *run) {
  return mask_rule_notes(run->whole) > 0;
}

bool mask_run_may_end(mask_run *run) {
  return mask_point_may_end(run, &run->now);
}

/* ---- what must follow ---- */

/* The one byte that may follow p, 256 when none or more than one may. */
static int only_byte(mask_run *run, const point *p, size_t at) {
  int found = 256;
  for (int b = 0; b < 256; b++) {
    point next = *p;
    run->text.ptr[at] = (char)b;
    if (!mask_step(run, &next, at)) continue;
    if (found != 256) return 256;
    found = b;
  }
  return found;
}

bool mask_run_must_end(mask_run *run) {
  if (!mask_run_may_end(run)) return false;
  if (run->now.mode == MODE_END) return true;
  for (int b = 0; b < 256; b++) {
    point next = run->now;
    run->text.ptr[run->len] = (char)b;
    if (mask_step(run, &next, run->len)) return false;
  }
  return true;
}

size_t mask_run_forced(mask_run *run, char *out, size_t room) {
  size_t n = 0;
  point p = run->now;
  mask_mark mark = mask_pool_mark(&run->pool);
  if (mask_run_failed(run) != BASE_OK || !mask_run_reserve(run, run->len + room + MASK_MAX_PIECE)) return 0;
  while (n < room && !mask_point_may_end(run, &p)) {
    int b = only_byte(run, &p, run->len + n);
    if (b == 256) break;
    run->text.ptr[run->len + n] = (char)b;
    out[n] = (char)b;
    if (!mask_step(run, &p, run->len + n)) break;
    n++;
  }
  mask_pool_back(&run->pool, mark);
  return mask_run_failed(run) == BASE_OK ? n : 0;
}
