/* What the guard finds, for measuring: JSON strings in, one a line, a JSON object a line out, with spans,
 * clean text, attack and risks. usage: guard_cases [MODEL.gguf|-] [outside] < TEXTS.json; lines may be
 * {"text": ..., "instructions": ...} */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/guard.h"

static json_t *spans_of(const guard_span *s, size_t n) {
  json_t *list = json_array();
  for (size_t i = 0; i < n; i++)
    json_array_append_new(list, json_pack("[i,i,s,f,s]", (int)s[i].start, (int)s[i].end,
                                          guard_class_name(s[i].cls), (double)s[i].confidence, s[i].what));
  return list;
}

/* The clean text under the default rules; null when a value is kept here. */
static json_t *clean_of(guard *g, base_slice text) {
  guard_rules r;
  guard_clean *c = NULL;
  guard_vault *v = guard_vault_new(NULL);
  json_t *j = NULL;
  guard_rules_init(&r);
  if (v != NULL && guard_clean_make(g, text, &r, v, &c, NULL, NULL) == BASE_OK)
    j = json_stringn(guard_clean_text(c).ptr, guard_clean_text(c).len);
  guard_clean_free(c);
  guard_vault_free(v);
  return j != NULL ? j : json_null();
}

static int answer(guard *g, base_slice text, base_slice instructions, guard_source from) {
  static guard_span s[GUARD_MAX_SPANS];
  guard_attack attack;
  guard_risks risks;
  base_error err = {0};
  size_t n = 0;
  if (guard_find(g, text, s, GUARD_MAX_SPANS, &n, &err) ||
      guard_injection(g, text, from, instructions, &attack, &err) || guard_risk_of(g, text, &risks, &err)) {
    fprintf(stderr, "guard_cases: %s: %s\n", err.where, err.text);
    return 1;
  }
  json_t *risk = json_object();
  for (int r = 0; r < GUARD_RISKS; r++)
    json_object_set_new(risk, guard_risk_name((guard_risk)r), json_real((double)risks.score[r]));
  json_t *o = json_pack("{s:o,s:o,s:{s:b,s:f,s:s},s:o,s:i}", "clean", clean_of(g, text), "spans",
                        spans_of(s, n), "attack", "found", attack.found, "score", (double)attack.score,
                        "what", attack.what, "risk", risk, "risks", (int)risks.found);
  json_dumpf(o, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(o);
  return 0;
}

static base_slice slice_of(const json_t *string) {
  return string == NULL ? (base_slice){"", 0}
                        : (base_slice){json_string_value(string), json_string_length(string)};
}

int main(int argc, char **argv) {
  guard_options o;
  guard *g = NULL;
  gguf_file *model = NULL;
  base_error err = {0};
  char *line = NULL;
  size_t room = 0;
  int status = 0;
  guard_options_init(&o);
  if (argc > 1 && strcmp(argv[1], "-") != 0 && gguf_open(&model, argv[1], NULL, &err) == BASE_OK)
    o.model = model;
  if (err.code == BASE_OK) (void)guard_open(&g, &o, &err);
  if (g == NULL) {
    fprintf(stderr, "guard_cases: %s: %s\n", err.where, err.text);
    return 1;
  }
  while (status == 0 && getline(&line, &room, stdin) >= 0) {
    json_t *j = json_loads(line, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    const json_t *text = json_is_object(j) ? json_object_get(j, "text") : j;
    status = answer(g, slice_of(text), slice_of(json_object_get(j, "instructions")),
                    argc > 2 ? GUARD_FROM_OUTSIDE : GUARD_FROM_USER);
    json_decref(j);
  }
  free(line);
  guard_close(g);
  gguf_close(model);
  return status;
}
