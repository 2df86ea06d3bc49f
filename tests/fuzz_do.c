/* Fuzz target: any bytes as a request, through guard, gate, pack, values and JSON, with packs trained at the start. The
 * first byte chooses the open pack. Whatever comes out has to be consistent and its JSON has to parse. */
#include <jansson.h>

#include "tiny.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

/* Made once and kept: a fuzz target has no end at which to close it. */
static mn_engine *the_engine(void) {
  static mn_engine *mn;
  static tiny files;
  if (mn == NULL) {
    mn_engine_options o;
    mn_engine_options_init(&o);
    tiny_make(&files);
    o.packs_dir = files.dir;
    require(files.dir[0] != '\0' && mn_engine_open(&mn, &o, NULL) == MN_OK);
    tiny_remove(&files);
  }
  return mn;
}

static void check(const mn_outcome *o) {
  json_t *j = json_loads(mn_outcome_json(o), JSON_REJECT_DUPLICATES, NULL);
  require(j != NULL);
  json_decref(j);
  require(mn_outcome_confidence(o) >= 0.0F && mn_outcome_confidence(o) <= 1.0F);
  require(base_utf8_valid(mn_outcome_text(o), strlen(mn_outcome_text(o))));
  for (size_t i = 0; i < mn_outcome_actions(o); i++) {
    mn_action a = mn_outcome_action(o, i);
    bool dangerous =
        strcmp(a.risk, "money") == 0 || strcmp(a.risk, "safety") == 0 || strcmp(a.risk, "irreversible") == 0;
    require(!dangerous || strcmp(a.decision, "act") != 0);
    require(base_utf8_valid(a.summary, strlen(a.summary)) && base_utf8_valid(a.prompt, strlen(a.prompt)));
    j = json_loads(a.arguments, JSON_REJECT_DUPLICATES, NULL);
    require(json_is_object(j));
    json_decref(j);
  }
  require(strcmp(mn_outcome_decision(o), "act") != 0 || mn_outcome_actions(o) > 0);
}

/* Training takes longer than one input may: libFuzzer calls this first. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  (void)the_engine();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  (void)tap_done;
  mn_engine *mn = the_engine();
  mn_request r;
  mn_outcome *o = NULL;
  mn_error err = {0};
  if (size < 2) return 0;
  mn_request_init(&r);
  r.pack = data[0] % 6 < 4 ? mn_engine_pack_name(mn, data[0] % 6) : NULL;
  r.now = "2026-03-02T21:15:00";
  r.text = (const char *)data + 1;
  r.text_len = size - 1;
  int st = mn_do(mn, &r, &o, &err);
  require((st == MN_OK) == (o != NULL) && (st == MN_OK) == (err.text[0] == '\0'));
  if (o != NULL) check(o);
  mn_outcome_free(o);
  return 0;
}
