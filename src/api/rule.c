/* An answer under a rule: compiled into masks for the engine, and checked once more as a whole. */
#include <string.h>

#include "api/model.h"

/* ---- the vocabulary as masks see it ---- */

/* Control tokens have no text; the engine itself allows the ones that end. */
static base_slice piece_of(void *ctx, uint32_t id) {
  const tok_vocab *v = ctx;
  tok_type type = tok_vocab_type(v, id);
  bool text = (type == TOK_TYPE_NORMAL || type == TOK_TYPE_USER || type == TOK_TYPE_BYTE) && !tok_vocab_is_eog(v, id);
  return text ? tok_vocab_piece(v, id) : (base_slice){"", 0};
}

static base_status open_vocab(mn_model *m, base_error *err) {
  if (m->mask != NULL) return BASE_OK;
  return mask_vocab_open(&m->mask, lm_model_info(m->lm.model).vocab, piece_of, m->vocab, &m->bound.bounded, err);
}

/* ---- compiling ---- */

static base_status compile_schema(mn_session *s, base_slice json, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  base_status st = constrain_schema_compile(&s->rule.schema, json, NULL, "schema", a, err);
  return st ? st : mask_schema(&s->rule.rule, json, NULL, a, err);
}

base_status api_rule_compile(mn_session *s, const mn_generate_options *o, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  base_status st = BASE_OK;
  s->rule = (api_rule){0};
  if ((o->schema != NULL) + (o->regex != NULL) + (o->grammar != NULL) > 1)
    return base_fail(err, BASE_EARGUMENT, "rule", "a schema, an expression and a grammar exclude each other");
  if (o->schema != NULL) st = compile_schema(s, base_slice_of(o->schema), err);
  if (o->regex != NULL) st = mask_regex(&s->rule.rule, base_slice_of(o->regex), NULL, a, err);
  if (o->grammar != NULL) st = mask_grammar(&s->rule.rule, base_slice_of(o->grammar), NULL, a, err);
  if (!st && s->rule.rule != NULL) s->rule.hold = mask_rule_notes(s->rule.rule) > 0;
  return st;
}

base_status api_rule_start(mn_session *s, base_error *err) {
  if (s->rule.rule == NULL) return BASE_OK;
  base_status st = open_vocab(s->model, err);
  return st ? st : mask_run_open(&s->rule.run, s->rule.rule, s->model->mask, &s->model->bound.bounded, err);
}

void api_rule_close(mn_session *s) {
  mask_run_close(s->rule.run);
  mask_rule_close(s->rule.rule);
  constrain_schema_close(s->rule.schema);
  s->rule = (api_rule){0};
}

/* ---- checking ---- */

static base_status validate(mn_session *s, base_error *err) {
  const base_allocator *a = &s->model->bound.bounded;
  jdoc d = {0};
  base_status st = jdoc_open(&d, (base_slice){s->answer.ptr, s->answer.len}, NULL, "answer", a, err);
  if (!st) st = constrain_validate(s->rule.schema, &d, NULL, a, err);
  jdoc_close(&d);
  return st == BASE_EFORMAT ? BASE_EMISMATCH : st;
}

base_status api_rule_check(mn_session *s, mn_finish finish, base_error *err) {
  if (s->rule.rule == NULL) return BASE_OK;
  if (finish == MN_FINISH_CANCELLED) return base_fail(err, BASE_ECANCELLED, "answer", "stopped before it was complete");
  if (finish != MN_FINISH_STOP || !mask_run_may_end(s->rule.run))
    return base_fail(err, BASE_ELIMIT, "answer", "it was cut before it was complete; allow more tokens");
  return s->rule.schema != NULL ? validate(s, err) : BASE_OK;
}
