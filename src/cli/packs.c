/* minnow packs: what is installed and what it can do. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const char *text_of(const json_t *object, const char *key) {
  const char *s = json_string_value(json_object_get(object, key));
  return s != NULL ? s : "";
}

/* "time, repeat, label"; required ones with a star. */
static void put_slots(const json_t *action) {
  json_t *slot, *needed;
  size_t i, k;
  json_array_foreach(json_object_get(action, "slots"), i, slot) {
    bool required = false;
    json_array_foreach(json_object_get(action, "required"), k, needed) required =
        required || json_equal(slot, needed) == 1;
    printf("%s%s%s", i > 0 ? ", " : "", json_string_value(slot), required ? "*" : "");
  }
}

static int show_pack(const mn_engine *mn, size_t index) {
  json_t *manifest = json_loads(mn_engine_pack_manifest(mn, index), 0, NULL), *action;
  size_t i;
  if (manifest == NULL) {
    mn_error err = {MN_ENOMEM, "packs", "no memory for a manifest"};
    return cli_fail(&err);
  }
  json_t *actions = json_object_get(manifest, "actions");
  printf("%s %s: %s, %zu actions\n", text_of(manifest, "name"), text_of(manifest, "version"),
         text_of(manifest, "title"), json_array_size(actions));
  json_array_foreach(actions, i, action) {
    printf("  %-20s %-12s ", text_of(action, "name"), text_of(action, "risk"));
    put_slots(action);
    putchar('\n');
  }
  json_decref(manifest);
  return CLI_DONE;
}

int cli_packs(int argc, char **argv) {
  cli_house house = {0};
  bool json = false;
  cli_list words;
  mn_engine *mn = NULL;
  const cli_option options[] = {
      {"--packs", CLI_TEXT, &house.packs, "DIR", "the folder of built packs"},
      {"--json", CLI_SWITCH, &json, NULL, "the manifests as a JSON array (docs/pack.md)"},
  };
  int status = cli_parse("packs", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status == CLI_GO && words.n != 0)
    status = cli_usage("packs", "this word is not expected:", words.item[0]);
  if (status == CLI_GO) status = cli_open_engine(&mn, &house);
  if (status == CLI_GO) {
    status = CLI_DONE;
    if (json) putchar('[');
    for (size_t i = 0; i < mn_engine_packs(mn) && status == CLI_DONE; i++) {
      if (json) printf("%s%s", i > 0 ? ",\n" : "", mn_engine_pack_manifest(mn, i));
      else status = show_pack(mn, i);
    }
    if (json) puts("]");
    else if (status == CLI_DONE) puts("* is needed; without it the user is asked");
  }
  cli_close_engine(mn, &house);
  return status;
}
