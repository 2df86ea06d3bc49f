/* Opening, closing and the two ways to check: any instance with memory of its own, or the small ones of actions
 * within fixed memory. */
#include "constrain/internal.h"

#include <string.h>

enum {
  ACTION_SCHEMA_BYTES = 1 << 20,
  ACTION_BYTES = 1 << 16,
  ACTION_DEPTH = 64,
  ACTION_VALUES = 1024,
  ACTION_DECODED = 4096,
  ACTION_FRAMES = 192,
  ACTION_MARKS = 256,
  ACTION_SCOPES = 16,
  ACTION_STEPS = 2000000,
  DEFAULT_STEPS = 50000000
};

static constrain_dialect first_dialect(const constrain_options *o) {
  static const uint8_t bits[] = {D20, D4, D6, D7, D19, D20};
  return (constrain_dialect){bits[o->draft], CONSTRAIN_V_ALL};
}

base_status constrain_schema_compile(constrain_schema **out, base_slice json, const constrain_options *o,
                                     const char *where, const base_allocator *a, base_error *err) {
  *out = NULL;
  if (a == NULL) a = base_allocator_libc();
  constrain_schema *s = base_calloc(a, 1, sizeof *s);
  if (s == NULL) return base_fail(err, BASE_ENOMEM, where, "no memory for the schema");
  s->allocator = *a;
  if (o != NULL) s->options = *o;
  constrain_build b = {.s = s, .where = where, .err = err, .dialect = first_dialect(&s->options)};
  uint32_t doc;
  base_status st = constrain_add_document(&b, json, true, s->options.uri, &doc);
  if (!st) st = constrain_compile(&b);
  constrain_vec_free(&b.queue, sizeof(constrain_place), a);
  if (st) constrain_schema_close(s);
  else *out = s;
  return st;
}

static void close_document(constrain_doc *d, const base_allocator *a, size_t nodes) {
  if (d->resource_of != NULL) base_free(a, d->resource_of, nodes * sizeof(uint32_t));
  if (d->schema_of != NULL) base_free(a, d->schema_of, nodes * sizeof(uint32_t));
  jdoc_close(&d->d);
  if (d->text != NULL) base_free(a, d->text, d->bytes);
}

void constrain_schema_close(constrain_schema *s) {
  if (s == NULL) return;
  base_allocator a = s->allocator;
  for (size_t i = 0; i < s->doc.n; i++)
    close_document((constrain_doc *)s->doc.ptr + i, &a, ((constrain_doc *)s->doc.ptr)[i].d.n_nodes);
  for (size_t i = 0; i < s->text.n; i++) base_buf_free((base_buf *)s->text.ptr + i);
  for (size_t i = 0; i < s->regex.n; i++) regex_close(((regex **)s->regex.ptr)[i]);
  constrain_vec_free(&s->doc, sizeof(constrain_doc), &a);
  constrain_vec_free(&s->resource, sizeof(constrain_resource), &a);
  constrain_vec_free(&s->text, sizeof(base_buf), &a);
  constrain_vec_free(&s->node, sizeof(constrain_node), &a);
  constrain_vec_free(&s->op, sizeof(constrain_op), &a);
  constrain_vec_free(&s->kid, sizeof(uint32_t), &a);
  constrain_vec_free(&s->members, sizeof(constrain_members), &a);
  constrain_vec_free(&s->regex, sizeof(regex *), &a);
  constrain_names_free(&s->names, &a);
  base_free(&a, s, sizeof *s);
}

base_status constrain_validate(const constrain_schema *s, const jdoc *instance, const constrain_run_options *o,
                               const base_allocator *a, base_error *err) {
  if (a == NULL) a = base_allocator_libc();
  constrain_run r = {.s = s, .v = instance, .o = o, .err = err, .a = a};
  r.steps = o != NULL && o->steps != 0 ? o->steps : DEFAULT_STEPS + 16 * (uint64_t)instance->n_nodes;
  base_status st = constrain_run_machine(&r);
  constrain_vec_free(&r.frame, sizeof(constrain_frame), a);
  constrain_vec_free(&r.mark, sizeof(uint32_t), a);
  constrain_vec_free(&r.scope, sizeof(uint32_t), a);
  return st;
}

/* ---- actions ---- */

base_status constrain_schema_open(constrain_schema **out, base_slice json, const char *where,
                                  const base_allocator *a, base_error *err) {
  constrain_options o = {.draft = CONSTRAIN_DRAFT2020, .refuse_unknown = true};
  *out = NULL;
  if (json.len > ACTION_SCHEMA_BYTES)
    return base_fail(err, BASE_EFORMAT, where, "the schema is longer than %d bytes", ACTION_SCHEMA_BYTES);
  return constrain_schema_compile(out, json, &o, where, a, err);
}

static base_status check_text(const constrain_schema *s, base_slice json, bool part, base_error *err) {
  jdoc_node node[ACTION_VALUES];
  char decoded[ACTION_DECODED];
  constrain_frame frame[ACTION_FRAMES];
  uint32_t mark[ACTION_MARKS], scope[ACTION_SCOPES];
  jdoc_space space = {node, ACTION_VALUES, decoded, ACTION_DECODED};
  jdoc_limits limits = {.bytes = ACTION_BYTES, .depth = ACTION_DEPTH};
  jdoc d;
  base_status st = jdoc_read(&d, json, &limits, &space, "arguments", err);
  if (st) return st;
  constrain_run r = {.s = s, .v = &d, .err = err, .part = part, .plain_where = true, .steps = ACTION_STEPS};
  r.frame = (constrain_vec){frame, 0, ACTION_FRAMES};
  r.mark = (constrain_vec){mark, 0, ACTION_MARKS};
  r.scope = (constrain_vec){scope, 0, ACTION_SCOPES};
  return constrain_run_machine(&r);
}

base_status constrain_check(const constrain_schema *s, base_slice json, base_error *err) {
  return check_text(s, json, false, err);
}

base_status constrain_check_part(const constrain_schema *s, base_slice json, base_error *err) {
  return check_text(s, json, true, err);
}
