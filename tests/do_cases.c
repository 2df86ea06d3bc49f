/* What the whole loop says to many requests, for measuring: JSON strings in, one a line, the outcome as `minnow do
 * --json` prints it a line out; {"error": ...} where a text is refused as input. One engine answers them all.
 * usage: do_cases TIME [PACKS] < TEXTS.json */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "minnow.h"

static void say_error(const mn_error *err) {
  json_t *o = json_pack("{s:s}", "error", err->text);
  json_dumpf(o, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(o);
}

static void answer(mn_engine *mn, const json_t *text, const char *now) {
  mn_request r;
  mn_outcome *o = NULL;
  mn_error err = {0};
  mn_request_init(&r);
  r.text = json_string_value(text);
  r.text_len = json_string_length(text);
  r.now = now;
  if (mn_do(mn, &r, &o, &err) == MN_OK) puts(mn_outcome_json(o));
  else say_error(&err);
  mn_outcome_free(o);
}

static int answer_all(mn_engine *mn, const char *now) {
  char *line = NULL;
  size_t cap = 0, at = 0;
  int status = 0;
  while (status == 0 && getline(&line, &cap, stdin) >= 0) {
    json_t *text = json_loads(line, JSON_DECODE_ANY, NULL);
    at++;
    if (json_is_string(text)) {
      answer(mn, text, now);
    } else {
      fprintf(stderr, "do_cases: line %zu is no JSON string\n", at);
      status = 1;
    }
    json_decref(text);
  }
  free(line);
  return status;
}

int main(int argc, char **argv) {
  mn_engine_options o;
  mn_engine *mn = NULL;
  mn_error err = {0};
  if (argc < 2 || argc > 3) {
    fprintf(stderr, "usage: do_cases TIME [PACKS] < TEXTS.json\n");
    return 2;
  }
  mn_engine_options_init(&o);
  if (argc > 2) o.packs_dir = argv[2];
  if (mn_engine_open(&mn, &o, &err) != MN_OK) {
    fprintf(stderr, "do_cases: %s: %s\n", err.where, err.text);
    return 1;
  }
  int status = answer_all(mn, argv[1]);
  mn_engine_close(mn);
  return status;
}
