/* minnow inspect: a model file's description as text, from the JSON that the API gives. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char *text_of(const json_t *object, const char *key) {
  const char *s = json_string_value(json_object_get(object, key));
  return s != NULL ? s : "";
}

static double number_of(const json_t *object, const char *key) {
  return json_number_value(json_object_get(object, key));
}

/* "1.23 GB" */
static const char *size_of(double bytes, char out[32]) {
  static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
  size_t u = 0;
  while (bytes >= 1000.0 && u + 1 < sizeof units / sizeof units[0]) {
    bytes /= 1000.0;
    u++;
  }
  (void)base_format(out, 32, u == 0 ? "%.0f %s" : "%.2f %s", bytes, units[u]);
  return out;
}

static void put_scalar(const json_t *v) {
  char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
  fputs(text != NULL ? text : "?", stdout);
  free(text);
}

static void put_metadata(const json_t *list) {
  json_t *entry, *item;
  size_t i, k;
  json_array_foreach(list, i, entry) {
    const json_t *v = json_object_get(entry, "value");
    printf("  %-40s ", text_of(entry, "key"));
    if (json_is_array(v)) {
      printf("%s, %.0f: ", text_of(entry, "type"), number_of(entry, "count"));
      json_array_foreach(v, k, item) {
        if (k > 0) fputs(", ", stdout);
        put_scalar(item);
      }
    } else {
      put_scalar(v);
    }
    puts(json_is_true(json_object_get(entry, "cut")) ? " ..." : "");
  }
}

static void put_tensors(const json_t *list) {
  json_t *t, *n;
  size_t i, k;
  char size[32];
  json_array_foreach(list, i, t) {
    char shape[128] = "";
    json_array_foreach(json_object_get(t, "shape"), k, n) {
      size_t at = strlen(shape);
      (void)base_format(shape + at, sizeof shape - at, "%s%lld", k > 0 ? " x " : "",
                        (long long)json_integer_value(n));
    }
    printf("  %-44s %-5s %-24s %12s\n", text_of(t, "name"), text_of(t, "type"), shape,
           size_of(number_of(t, "bytes"), size));
  }
}

static void put_all(const json_t *j) {
  const json_t *memory = json_object_get(j, "memory");
  json_t *t;
  size_t i;
  char size[32];
  printf("%s: %s", text_of(j, "file"), text_of(j, "format"));
  if (json_object_get(j, "version") != NULL) printf(" version %.0f", number_of(j, "version"));
  printf("\n\nmetadata\n");
  put_metadata(json_object_get(j, "metadata"));
  printf("\ntensors\n");
  put_tensors(json_object_get(j, "tensors"));
  printf("\ntotals\n");
  json_array_foreach(json_object_get(j, "totals"), i, t) {
    printf("  %-8s %5.0f tensors %16.0f numbers %12s\n", text_of(t, "type"), number_of(t, "tensors"),
           number_of(t, "elements"), size_of(number_of(t, "bytes"), size));
  }
  printf("\nmemory\n  weights                     %12s\n", size_of(number_of(memory, "weights_bytes"), size));
  if (json_object_get(memory, "context") != NULL)
    printf("  cache of %8.0f tokens    %12s as half floats\n", number_of(memory, "context"),
           size_of(number_of(memory, "cache_f16_bytes"), size));
}

/* What `minnow generate` would take for the same context. */
static void put_engine(const json_t *engine) {
  static const struct {
    const char *key, *label;
  } rows[] = {{"mapped_bytes", "read where they lie"},
              {"weights_bytes", "packed weights"},
              {"cache_bytes", "cache"},
              {"scratch_bytes", "scratch"},
              {"total_bytes", "in all"}};
  char size[32];
  if (engine == NULL) return;
  puts("\nrunning it here");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    printf("  %-27s %12s\n", rows[i].label, size_of(number_of(engine, rows[i].key), size));
}

int cli_inspect(int argc, char **argv) {
  bool json = false;
  uint64_t context = 0;
  cli_list words;
  mn_inspection *i = NULL;
  mn_error err = {0};
  const cli_option options[] = {
      {"--context", CLI_NUMBER, &context, "N",
       "tokens to count the cache for; as many as the model was trained for"},
      {"--json", CLI_SWITCH, &json, NULL, "one JSON object (docs/files.md)"},
  };
  int status = cli_parse("inspect", options, 2, argc, argv, &words);
  if (status == CLI_GO && words.n != 1) status = cli_usage("inspect", "one file is needed", NULL);
  if (status != CLI_GO) return status;
  if (mn_inspect(words.item[0], context, &i, &err) != MN_OK) return cli_fail(&err);
  if (json) {
    puts(mn_inspection_json(i));
  } else {
    json_t *j = json_loads(mn_inspection_json(i), 0, NULL);
    if (j != NULL) {
      put_all(j);
      put_engine(json_object_get(j, "engine"));
    }
    json_decref(j);
  }
  mn_inspection_free(i);
  return CLI_DONE;
}
