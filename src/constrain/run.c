/* The machine that checks an instance: a stack of frames, one for each schema that is being applied to a
 * value. An operation (ops.c) either decides or asks for another schema to be applied first, and is then
 * entered again with what came out; so no depth and no recursion of schema or instance uses the program's
 * stack.
 *
 *   advance ── operation ── passes ──► next operation ── none left ──► finish (good) ──► the caller goes on
 *                 ├── fails ──► finish (bad); with `all` the next operation
 *                 └── calls ──► push a frame                                                      */
#include "constrain/internal.h"

#include <stdio.h>
#include <string.h>

static constrain_frame *frame_at(const constrain_run *r, size_t i) {
  return (constrain_frame *)r->frame.ptr + i;
}

static const constrain_op *op_of(const constrain_run *r, const constrain_frame *f) {
  return (const constrain_op *)r->s->op.ptr + constrain_node_at(r->s, f->schema)->first_op + f->op;
}

constrain_verdict constrain_stop(constrain_run *r, base_status status, const char *text) {
  if (r->stop == BASE_OK) r->stop = base_fail(r->err, status, "instance", "%s", text);
  return CONSTRAIN_STOP;
}

static constrain_verdict no_room(constrain_run *r) {
  if (r->a == NULL) return constrain_stop(r, BASE_ELIMIT, "schemas within schemas are too deep here");
  return constrain_stop(r, BASE_ENOMEM, "no memory to check the instance");
}

bool constrain_mark(constrain_run *r, const constrain_frame *f, uint32_t node) {
  if (!(f->flags & CONSTRAIN_TRACK)) return true;
  if (!constrain_vec_need(&r->mark, 1, sizeof node, r->a)) return no_room(r) == CONSTRAIN_PASS;
  ((uint32_t *)r->mark.ptr)[r->mark.n++] = node;
  return true;
}

/* ---- failures in words ---- */

static void *no_resize(void *ctx, void *ptr, size_t old_bytes, size_t new_bytes) {
  (void)ctx, (void)ptr, (void)old_bytes, (void)new_bytes;
  return NULL;
}

static void put_keyword_path(base_buf *out, const constrain_run *r, const constrain_op *last) {
  const constrain_schema *s = r->s;
  for (size_t i = 0; i < r->frame.n; i++) {
    const constrain_frame *f = frame_at(r, i);
    const constrain_node *n = constrain_node_at(s, f->schema);
    const jdoc *d = &constrain_doc_at(s, n->doc)->d;
    const constrain_op *o = i + 1 < r->frame.n ? op_of(r, f) : last;
    if (o == NULL) return; /* the schema `false` has no keyword */
    uint32_t to = o->value;
    if (i + 1 < r->frame.n && o->code != CONSTRAIN_OP_REF && o->code != CONSTRAIN_OP_DYNAMIC_REF)
      to = constrain_node_at(s, frame_at(r, i + 1)->schema)->at;
    constrain_put_path(out, d, n->at, to);
  }
}

static void put_location(base_buf *out, const constrain_run *r, const constrain_frame *f,
                         const constrain_op *o) {
  const constrain_node *n = constrain_node_at(r->s, f->schema);
  const constrain_resource *in = constrain_resource_at(r->s, n->resource);
  bool within = in->doc == n->doc && in->node <= n->at;
  base_buf_add(out, in->uri.ptr, in->uri.len);
  base_buf_putc(out, '#');
  constrain_put_path(out, &constrain_doc_at(r->s, n->doc)->d, within ? in->node : 0,
                     o != NULL ? o->value : n->at);
}

/* Where the value is, in the error's 96 bytes. */
static void tell_error(constrain_run *r, const constrain_frame *f, const char *text) {
  char room[sizeof r->err->where];
  base_allocator none = {no_resize, NULL};
  base_buf path = {.ptr = room, .cap = sizeof room, .allocator = &none};
  room[0] = 0;
  constrain_put_path(&path, r->v, 0, f->value);
  (void)base_fail(r->err, BASE_EMISMATCH, room[0] != 0 || !r->plain_where ? room : "/", "%s", text);
}

static void tell_report(constrain_run *r, const constrain_frame *f, const constrain_op *o, const char *text) {
  base_buf instance = {.allocator = r->a}, keyword = {.allocator = r->a}, location = {.allocator = r->a};
  constrain_put_path(&instance, r->v, 0, f->value);
  put_keyword_path(&keyword, r, o);
  put_location(&location, r, f, o);
  if (instance.failed || keyword.failed || location.failed) {
    (void)constrain_stop(r, BASE_ENOMEM, "no memory to describe a failure");
  } else {
    constrain_failure failure = {instance.ptr != NULL ? instance.ptr : "",
                                 keyword.ptr != NULL ? keyword.ptr : "", location.ptr, text};
    r->o->report(r->o->report_ctx, &failure);
  }
  base_buf_free(&instance);
  base_buf_free(&keyword);
  base_buf_free(&location);
}

constrain_verdict constrain_report(constrain_run *r, const constrain_frame *f, const constrain_op *o,
                                   const char *fmt,
                                   ...) {
  char text[256];
  va_list args;
  if (f->flags & CONSTRAIN_QUIET) return CONSTRAIN_FAIL;
  va_start(args, fmt);
  (void)vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (!r->failed && r->err != NULL) tell_error(r, f, text);
  if (r->o != NULL && r->o->report != NULL) tell_report(r, f, o, text);
  r->failed = true;
  return CONSTRAIN_FAIL;
}

/* The schema `false`: what it forbids is best said by who asked. */
static void report_never(constrain_run *r, const constrain_frame *f) {
  const constrain_frame *caller = r->frame.n > 1 ? f - 1 : NULL;
  bool member = caller != NULL && (f->flags & CONSTRAIN_INSIDE) &&
      jdoc_kind_at(r->v, caller->value) == JDOC_OBJECT &&
                op_of(r, caller)->code != CONSTRAIN_OP_NAMES;
  if (!member) {
    (void)constrain_report(r, f, NULL, "nothing is allowed here");
    return;
  }
  base_slice key = jdoc_raw(r->v, f->value - 1);
  (void)constrain_report(r, f, NULL, "%.*s is not allowed", (int)(key.len < 60 ? key.len : 60), key.ptr);
}

/* ---- frames ---- */

/* Entering a resource for the first time puts it on the dynamic scope (core, section 7.1). */
static bool enter_scope(constrain_run *r, constrain_frame *f) {
  uint32_t resource = constrain_node_at(r->s, f->schema)->resource;
  uint32_t *scope = r->scope.ptr;
  for (size_t i = r->scope.n; i > 0; i--)
    if (scope[i - 1] == resource) return true;
  if (!constrain_vec_need(&r->scope, 1, sizeof resource, r->a)) return false;
  ((uint32_t *)r->scope.ptr)[r->scope.n++] = resource;
  f->flags |= CONSTRAIN_SCOPED;
  return true;
}

static void push_frame(constrain_run *r, uint32_t schema, uint32_t value, uint8_t flags, uint32_t chain) {
  const constrain_node *n = constrain_node_at(r->s, schema);
  constrain_frame f = {.schema = schema, .value = value, .marks = (uint32_t)r->mark.n, .chain = chain,
                       .flags = flags};
  if (n->unevaluated) f.flags |= CONSTRAIN_TRACK;
  /* longer than there are schemas: one of them is applied to the same value again, and will be for ever */
  if (chain > 2 * r->s->node.n + 2) {
    (void)constrain_stop(r, BASE_ELIMIT, "the schema refers to itself without end");
    return;
  }
  if (!enter_scope(r, &f) || !constrain_vec_need(&r->frame, 1, sizeof f, r->a)) (void)no_room(r);
  else ((constrain_frame *)r->frame.ptr)[r->frame.n++] = f;
}

static void call(constrain_run *r) {
  const constrain_frame *f = frame_at(r, r->frame.n - 1);
  bool inside = (r->call_flags & CONSTRAIN_INSIDE) != 0;
  uint8_t kept = (uint8_t)(f->flags & (inside ? CONSTRAIN_QUIET : CONSTRAIN_QUIET | CONSTRAIN_TRACK));
  push_frame(r, r->call_schema, r->call_value, (uint8_t)(kept | r->call_flags), inside ? 1 : f->chain + 1);
}

static void finish(constrain_run *r) {
  constrain_frame *f = frame_at(r, --r->frame.n);
  bool failed = (f->flags & CONSTRAIN_FAILED) != 0;
  if (failed || (f->flags & CONSTRAIN_INSIDE)) r->mark.n = f->marks;
  if (f->flags & CONSTRAIN_SCOPED) r->scope.n--;
  if (r->frame.n > 0) (f - 1)->child = failed ? CONSTRAIN_BAD : CONSTRAIN_GOOD;
  else if (failed) r->stop = BASE_EMISMATCH;
}

static void next_op(constrain_frame *f) {
  f->op++;
  f->i = f->k = f->n = 0;
  f->child = CONSTRAIN_FIRST;
}

static void fail(constrain_run *r, constrain_frame *f) {
  f->flags |= CONSTRAIN_FAILED;
  if ((f->flags & CONSTRAIN_QUIET) || r->o == NULL || !r->o->all) finish(r);
  else next_op(f);
}

static void advance(constrain_run *r) {
  constrain_frame *f = frame_at(r, r->frame.n - 1);
  const constrain_node *n = constrain_node_at(r->s, f->schema);
  const constrain_op *o = n->n_ops > 0 ? (const constrain_op *)r->s->op.ptr + n->first_op : NULL;
  unsigned kind = 1U << jdoc_kind_at(r->v, f->value);
  if (n->never) {
    report_never(r, f);
    f->flags |= CONSTRAIN_FAILED;
    finish(r);
    return;
  }
  if (f->child == CONSTRAIN_FIRST)
    while (f->op < n->n_ops && !(o[f->op].kinds & kind)) f->op++;
  if (f->op == n->n_ops) {
    finish(r);
    return;
  }
  r->steps--;
  constrain_verdict verdict = constrain_step(r, f, o + f->op);
  if (r->steps == 0) return; /* it may not have looked at everything: the next turn stops */
  switch (verdict) {
    case CONSTRAIN_PASS: next_op(f); break;
    case CONSTRAIN_FAIL: fail(r, f); break;
    case CONSTRAIN_CALL: call(r); break;
    case CONSTRAIN_STOP: break;
  }
}

base_status constrain_run_machine(constrain_run *r) {
  push_frame(r, r->s->root, 0, 0, 1);
  while (r->frame.n > 0 && r->stop == BASE_OK) {
    if (r->steps == 0) (void)constrain_stop(r, BASE_ELIMIT, "checking the instance takes too many steps");
    else advance(r);
  }
  return r->stop;
}
