/* tool/answer: calls out of an answer, and whether their arguments fit. */
#include <string.h>

#include "tool/internal.h"

static base_status fail_form(base_error *err) {
  return base_fail(err, BASE_EMISMATCH, "answer", "a call is not written in the model's form");
}

static bool take_literal(base_slice *rest, base_slice literal) {
  if (!base_slice_starts(*rest, literal)) return false;
  *rest = base_slice_sub(*rest, literal.len, rest->len);
  return true;
}

/* Up to the literal, which is taken too. */
static bool take_until(base_slice *rest, base_slice literal, base_slice *out) {
  for (size_t i = 0; i + literal.len <= rest->len; i++) {
    if (memcmp(rest->ptr + i, literal.ptr, literal.len) != 0) continue;
    *out = base_slice_sub(*rest, 0, i);
    *rest = base_slice_sub(*rest, i + literal.len, rest->len);
    return true;
  }
  return false;
}

/* An object: up to the bracket that closes it, brackets in strings not counted. */
static bool take_object(base_slice *rest, base_slice *out) {
  size_t depth = 0;
  bool inside = false;
  for (size_t i = 0; i < rest->len; i++) {
    char c = rest->ptr[i];
    if (inside && c == '\\') i++;
    else if (c == '"') inside = !inside;
    else if (!inside && (c == '{' || c == '[')) depth++;
    else if (!inside && (c == '}' || c == ']') && --depth == 0) {
      *out = base_slice_sub(*rest, 0, i + 1);
      *rest = base_slice_sub(*rest, i + 1, rest->len);
      return true;
    }
    if (depth == 0) return false;
  }
  return false;
}

static base_status check(const tool_set *s, const chat_call *c, const base_allocator *a, base_error *err) {
  size_t i = tool_set_find(s, c->name);
  base_error why = {0};
  jdoc d = {0};
  char where[sizeof why.where];
  if (i == s->n) return fail_form(err);
  base_status st = jdoc_open(&d, c->arguments, NULL, "arguments", a, &why);
  if (!st) st = constrain_validate(s->tool[i].validator, &d, NULL, a, &why);
  jdoc_close(&d);
  if (!st) return BASE_OK;
  (void)base_format(where, sizeof where, "%.*s%s%.20s", (int)c->name.len, c->name.ptr,
                    why.where[0] == '/' ? "" : " ", why.where);
  return base_fail(err, st == BASE_EFORMAT ? BASE_EMISMATCH : st, where, "%s", why.text);
}

/* ---- ids ---- */

/* Nine letters and digits: the only shape that all templates take. */
static void put_id(tool_answer *o, uint64_t seed, base_slice text) {
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  uint64_t h = base_hash(base_hash(BASE_HASH_START, &seed, sizeof seed), text.ptr, text.len);
  base_rng rng;
  base_rng_seed(&rng, base_hash(h, &o->n_calls, sizeof o->n_calls));
  for (int i = 0; i < TOOL_ID_BYTES; i++)
    base_buf_putc(&o->text, digits[base_rng_below(&rng, sizeof digits - 1)]);
}

/* Once all are there: the buffer does not move any more. */
static void point_at_ids(tool_answer *o) {
  for (size_t i = 0; i < o->n_calls; i++)
    o->calls[i].id = (base_slice){o->text.ptr + i * TOOL_ID_BYTES, TOOL_ID_BYTES};
}

/* ---- reading ---- */

static bool grow(tool_answer *o) {
  chat_call *grown = base_grow(o->allocator, o->calls, &o->cap_calls, o->n_calls + 1, sizeof *grown);
  if (grown != NULL) o->calls = grown;
  return grown != NULL;
}

static base_status read_calls(tool_answer *o, const tool_form *f, const tool_set *s, base_slice rest,
                              uint64_t seed, base_error *err) {
  base_slice whole = rest, between = tool_literal(f, TOOL_BETWEEN);
  if (!take_literal(&rest, tool_literal(f, TOOL_OPENING))) return fail_form(err);
  do {
    chat_call c = {0};
    bool fine = take_until(&rest, tool_literal(f, TOOL_MIDDLE), &c.name) && take_object(&rest, &c.arguments) &&
                take_literal(&rest, tool_literal(f, TOOL_LAST));
    if (!fine) return fail_form(err);
    base_status st = check(s, &c, o->allocator, err);
    if (st) return st;
    put_id(o, seed, whole);
    if (!grow(o) || o->text.failed) return base_fail(err, BASE_ENOMEM, "answer", "no memory for its calls");
    o->calls[o->n_calls++] = c;
  } while (between.len > 0 && take_literal(&rest, between));
  return take_literal(&rest, tool_literal(f, TOOL_END)) && rest.len == 0 ? BASE_OK : fail_form(err);
}

base_status tool_answer_read(tool_answer *out, const tool_form *f, const tool_set *s, base_slice text,
                             size_t words,
                             bool called, uint64_t seed, const base_allocator *a, base_error *err) {
  *out = (tool_answer){.allocator = a != NULL ? a : base_allocator_libc()};
  out->text.allocator = out->allocator;
  out->words = base_slice_sub(text, 0, words);
  if (!called) return BASE_OK;
  while (out->words.len > 0 && strchr(" \n\t\r", out->words.ptr[out->words.len - 1]) != NULL) out->words.len--;
  base_status st = read_calls(out, f, s, base_slice_sub(text, words, text.len), seed, err);
  if (st) tool_answer_free(out);
  else point_at_ids(out);
  return st;
}

void tool_answer_free(tool_answer *o) {
  if (o->allocator == NULL) return;
  base_free(o->allocator, o->calls, o->cap_calls * sizeof *o->calls);
  base_buf_free(&o->text);
  *o = (tool_answer){0};
}
