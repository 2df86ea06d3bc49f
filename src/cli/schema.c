/* minnow schema: JSON Schemas. One function a sub-command. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/schema.h"

/* ---- files ---- */

enum { MAX_STDIN_BYTES = 1 << 28 };

typedef struct input {
  os_map map;
  base_buf read; /* from standard input */
  const char *ptr;
  size_t len;
} input;

static int fail_base(const base_error *err) {
  fprintf(stderr, "minnow: %s: %s\n", err->where, err->text);
  return CLI_FAILED;
}

static int read_stdin(input *in) {
  char block[65536];
  size_t n;
  while ((n = fread(block, 1, sizeof block, stdin)) > 0) {
    base_buf_add(&in->read, block, n);
    if (in->read.failed || in->read.len > MAX_STDIN_BYTES) {
      mn_error err = {MN_ELIMIT, "-", "standard input is longer than memory or 256 MiB allow"};
      return cli_fail(&err);
    }
  }
  in->ptr = in->read.ptr;
  in->len = in->read.len;
  return CLI_GO;
}

static int open_input(input *in, const char *path) {
  base_error err = {0};
  *in = (input){0};
  if (strcmp(path, "-") == 0) return read_stdin(in);
  if (os_map_open(&in->map, path, &err)) return fail_base(&err);
  in->ptr = in->map.ptr;
  in->len = in->map.len;
  return CLI_GO;
}

static void close_input(input *in) {
  os_map_close(&in->map);
  base_buf_free(&in->read);
}

/* The file's name goes before what the library says of it. */
static int fail_file(const char *path, const mn_error *err) {
  mn_error named = *err;
  (void)base_format(named.where, sizeof named.where, "%.90s", strcmp(path, "-") == 0 ? "standard input" : path);
  return cli_fail(&named);
}

/* ---- check ---- */

typedef struct checking {
  bool json;
  size_t n;
} checking;

static void put_json(const mn_schema_failure *f, bool first) {
  const char *const names[] = {"instance", "keyword", "location", "expected"};
  const char *const texts[] = {f->instance, f->keyword, f->location, f->expected};
  base_buf line = {0};
  for (size_t i = 0; i < 4; i++) {
    base_buf_printf(&line, "%s\"%s\":", i > 0 ? "," : "", names[i]);
    base_buf_json(&line, base_slice_of(texts[i]));
  }
  printf("%s{%s}", first ? "{\"valid\":false,\"failures\":[" : ",", line.failed ? "" : line.ptr);
  base_buf_free(&line);
}

static void put_words(const mn_schema_failure *f, bool first) {
  bool elsewhere = f->location[0] != '#' || strcmp(f->location + 1, f->keyword) != 0;
  if (first) puts("not valid");
  printf("%s: %s\n", f->instance[0] != 0 ? f->instance : "the whole", f->expected);
  printf("    %sby %s%s%s%s\n", cli_dim(), f->keyword[0] != 0 ? f->keyword : "the schema", elsewhere ? " in " : "",
         elsewhere ? f->location : "", cli_plain());
}

static void put_failure(void *ctx, const mn_schema_failure *f) {
  checking *c = ctx;
  bool first = c->n++ == 0;
  if (c->json) put_json(f, first);
  else put_words(f, first);
}

static int check_file(const mn_schema *s, const char *path, mn_schema_check_options *o) {
  input in;
  mn_error err = {0};
  checking *c = o->report_ctx;
  int status = open_input(&in, path);
  if (status == CLI_GO) {
    int st = mn_schema_check(s, in.ptr, in.len, o, &err);
    status = st == MN_OK ? CLI_DONE : CLI_FAILED;
    if (c->n > 0 && c->json) puts("]}");
    if (st == MN_OK) puts(c->json ? "{\"valid\":true}" : "valid");
    else if (st != MN_EMISMATCH) status = fail_file(path, &err);
  }
  close_input(&in);
  return status;
}

static int check(int argc, char **argv) {
  checking c = {0};
  input schema = {0};
  cli_list words;
  mn_schema *s = NULL;
  mn_error err = {0};
  mn_schema_options o;
  mn_schema_check_options run;
  mn_schema_options_init(&o);
  mn_schema_check_options_init(&run);
  run.report = put_failure;
  run.report_ctx = &c;
  const cli_option options[] = {
      {"--all", CLI_SWITCH, &run.all, NULL, "every failure, not only the first"},
      {"--json", CLI_SWITCH, &c.json, NULL, "the answer as one JSON object (docs/schema.md)"},
      {"--draft", CLI_TEXT, &o.draft, "DRAFT", "4, 6, 7, 2019-09 or 2020-12, where $schema does not say it; 2020-12"},
      {"--remote", CLI_TEXT, &o.remote_dir, "DIR", "documents that references may lead to, by $id or path"},
      {"--no-format", CLI_SWITCH, &o.no_formats, NULL, "formats are not checked"},
      {"--content", CLI_SWITCH, &o.content, NULL, "contentEncoding and contentMediaType are checked"},
      {"--unique-keys", CLI_SWITCH, &run.unique_keys, NULL, "refuse an object that has a key twice"},
  };
  int status = cli_parse("schema check", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status != CLI_GO) return status;
  if (words.n != 2) return cli_usage("schema check", "a schema and an instance are needed", NULL);
  if (strcmp(words.item[0], "-") == 0 && strcmp(words.item[1], "-") == 0)
    return cli_usage("schema check", "only one of the two can be standard input", NULL);
  status = open_input(&schema, words.item[0]);
  if (status == CLI_GO && mn_schema_open(&s, schema.ptr, schema.len, &o, &err) != MN_OK)
    status = err.code == MN_EARGUMENT ? cli_usage("schema check", "this is no draft:", o.draft)
                                      : fail_file(words.item[0], &err);
  if (status == CLI_GO) status = check_file(s, words.item[1], &run);
  mn_schema_close(s);
  close_input(&schema);
  return status;
}

/* ---- sub-commands ---- */

int cli_schema(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
  } all[] = {{"check", check}, {"explain", cli_schema_explain}, {"bench", cli_schema_bench}};
  cli_list words;
  for (size_t i = 0; argc > 0 && i < sizeof all / sizeof all[0]; i++)
    if (strcmp(argv[0], all[i].name) == 0) return all[i].run(argc - 1, argv + 1);
  int status = cli_parse("schema", NULL, 0, argc, argv, &words); /* --help, or a wrong option */
  if (status != CLI_GO) return status;
  if (words.n == 0) return cli_usage("schema", "say what to do: check, explain or bench", NULL);
  return cli_usage("schema", "there is no such sub-command:", words.item[0]);
}
