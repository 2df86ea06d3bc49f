/* What holds for any text that goes through the guard: the restored text is the text; spans are ordered and
 * lie on characters; nothing of a kept class is in clean text; a JSON answer stays JSON. For the fuzz target
 * and for test_guard's random texts. With the shipped model when it is there. */
#ifndef TESTS_GUARD_CHECKS_H
#define TESTS_GUARD_CHECKS_H

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "guard/guard.h"

static void require(bool condition) {
  if (!condition) abort();
}

/* Made once and kept: a fuzz target has no end at which to close it. */
static guard *the_guard(void) {
  static guard *g;
  static gguf_file *model;
  if (g == NULL) {
    guard_options o;
    static const base_slice names[] = {BASE_LITERAL("Anna Kowalska"), BASE_LITERAL("Emma"),
                                       BASE_LITERAL("Zo\xC3\xAB")};
    guard_options_init(&o);
    o.max_bytes = 8192;
    if (gguf_open(&model, "packs/guard.gguf", NULL, NULL) == BASE_OK) o.model = model;
    require(guard_open(&g, &o, NULL) == BASE_OK);
    require(guard_set_contacts(g, names, 3, NULL) == BASE_OK);
  }
  return g;
}

static void check_spans(guard *g, base_slice text) {
  static guard_span s[GUARD_MAX_SPANS];
  size_t n = 0, before = 0;
  base_status st = guard_find(g, text, s, GUARD_MAX_SPANS, &n, NULL);
  require((st == BASE_EFORMAT) == !base_utf8_valid(text.ptr, text.len) || st == BASE_ELIMIT);
  for (size_t i = 0; i < n; i++) {
    require(s[i].start >= before && s[i].start < s[i].end && s[i].end <= text.len);
    require(base_utf8_valid(text.ptr + s[i].start, s[i].end - s[i].start));
    require((unsigned)s[i].cls < GUARD_CLASSES && s[i].what != NULL && s[i].confidence >= 0.0F &&
            s[i].confidence <= 1.0F);
    before = s[i].end;
  }
}

static void check_json(const guard_vault *v, base_slice clean, base_slice text) {
  base_buf answer = {0}, back = {0};
  base_buf_json(&answer, clean);
  require(guard_restore(v, (base_slice){answer.ptr, answer.len}, GUARD_JSON, &back, NULL) == BASE_OK);
  json_t *j = json_loadb(back.ptr, back.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
  require(j != NULL && json_string_length(j) == text.len &&
          memcmp(json_string_value(j), text.ptr, text.len) == 0);
  json_decref(j);
  base_buf_free(&answer);
  base_buf_free(&back);
}

static void check_clean(guard *g, base_slice text, const guard_rules *r) {
  static guard_span s[GUARD_MAX_SPANS];
  guard_vault *v = guard_vault_new(NULL);
  guard_clean *c = NULL;
  base_buf back = {0};
  size_t n = 0;
  base_status st = guard_clean_make(g, text, r, v, &c, NULL, NULL);
  require((st == BASE_OK) == (c != NULL));
  if (c != NULL) {
    base_slice clean = guard_clean_text(c);
    require(guard_restore(v, clean, GUARD_TEXT, &back, NULL) == BASE_OK);
    require(back.len == text.len && (text.len == 0 || memcmp(back.ptr, text.ptr, text.len) == 0));
    require(guard_find(g, clean, s, GUARD_MAX_SPANS, &n, NULL) == BASE_OK);
    for (size_t i = 0; i < n; i++) require(r->of[s[i].cls] != GUARD_KEEP);
    check_json(v, clean, text);
  }
  base_buf_free(&back);
  guard_clean_free(c);
  guard_vault_free(v);
}

/* One input: two bytes choose the rules, the rest is the text. Aborts on a broken promise. */
static void check_input(const uint8_t *data, size_t size) {
  guard_rules r;
  guard_attack attack;
  guard_risks risks;
  guard *g = the_guard();
  if (size < 2) return;
  guard_rules_init(&r);
  for (unsigned c = 0; c < GUARD_CLASSES && data[0] != 0; c++)
    r.of[c] = (guard_rule)((data[0] >> (c % 8) & 1) + (data[1] >> (c % 7) & 1));
  base_slice text = {(const char *)data + 2, size - 2};
  check_spans(g, text);
  check_clean(g, text, &r);
  base_status st =
      guard_injection(g, text, (guard_source)(data[1] & 1), base_slice_sub(text, 0, data[0]), &attack, NULL);
  require(st == BASE_OK || !attack.found);
  require(attack.what != NULL && (attack.found == (attack.what[0] != '\0')));
  require(guard_risk_of(g, text, &risks, NULL) == st || st == BASE_EFORMAT);
}

#endif
