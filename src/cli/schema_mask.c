/* minnow schema explain, minnow schema bench: schemas as token masks. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/schema.h"

enum { MAX_SCHEMA_BYTES = 1 << 26 };

/* ---- explain ---- */

typedef struct explaining {
  bool json;
  size_t n;
} explaining;

static void put_note(void *ctx, const mn_schema_note *n) {
  explaining *e = ctx;
  if (e->json) {
    base_buf line = {0};
    const char *const names[] = {"path", "keyword", "decided", "reason"};
    const char *const texts[] = {n->path, n->keyword, n->decided, n->reason};
    for (size_t i = 0; i < 4; i++) {
      base_buf_printf(&line, "%s\"%s\":", i > 0 ? "," : "", names[i]);
      base_buf_json(&line, base_slice_of(texts[i]));
    }
    printf("%s{%s}", e->n > 0 ? "," : "", line.failed ? "" : line.ptr);
    base_buf_free(&line);
  } else {
    bool never = strcmp(n->decided, "never") == 0, refused = strcmp(n->decided, "refused") == 0;
    printf("%s: %s %s%s: %s\n", n->path[0] != '\0' ? n->path : "/", n->keyword,
           never ? "is not checked" : refused ? "cannot be compiled" : "is decided at the ",
           never || refused ? "" : n->decided, n->reason);
  }
  e->n++;
}

int cli_schema_explain(int argc, char **argv) {
  explaining e = {0};
  cli_list words;
  base_buf text = {0};
  base_error failure = {0};
  mn_error err = {0};
  mn_schema_explain_options o;
  mn_schema_explain_report report;
  mn_schema_explain_options_init(&o);
  o.note = put_note;
  o.note_ctx = &e;
  const cli_option options[] = {
      {"--json", CLI_SWITCH, &e.json, NULL, "the answer as one JSON object (docs/schema.md)"},
      {"--no-format", CLI_SWITCH, &o.no_formats, NULL, "formats are not enforced"},
  };
  int status = cli_parse("schema explain", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status != CLI_GO) return status;
  if (words.n != 1) return cli_usage("schema explain", "a schema is needed", NULL);
  if (os_read_file(words.item[0], MAX_SCHEMA_BYTES, &text, &failure)) {
    fprintf(stderr, "minnow: %s: %s\n", failure.where, failure.text);
    return CLI_FAILED;
  }
  if (e.json) printf("{\"notes\":[");
  status = mn_schema_explain(text.ptr, text.len, &o, &report, &err) == MN_OK ? CLI_DONE : CLI_FAILED;
  if (e.json)
    printf("],\"compiled\":%s,\"subschemas\":%zu,\"bytes\":%zu}\n", status == CLI_DONE ? "true" : "false",
           report.schemas, report.bytes);
  if (status != CLI_DONE) cli_fail(&err);
  else if (!e.json)
    printf("%s is enforced byte by byte (%zu subschemas)\n", e.n == 0 ? "all of it" : "all else", report.schemas);
  base_buf_free(&text);
  return status;
}

/* ---- bench ---- */

static void put_failure(void *ctx, const char *name, const char *what, const char *detail) {
  const bool *list = ctx;
  if (*list) fprintf(stderr, "%s\t%s\t%s\n", name, what, detail);
}

static void put_spread_json(const char *name, const mn_schema_bench_spread *s) {
  printf(",\"%s_us\":{\"mean\":%.2f,\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f}", name,
         s->mean_us, s->p50_us, s->p90_us, s->p99_us, s->p999_us, s->max_us);
}

static void put_report_json(const mn_schema_bench_report *r) {
  printf("{\"schemas\":%zu,\"passing\":%zu,\"passing_with_end\":%zu,\"not_compiled\":%zu,\"accepts_invalid\":%zu,"
         "\"refuses_valid\":%zu,\"ran_out\":%zu,\"wrong_end\":%zu,\"tests\":%zu,\"tokens\":%zu,\"disagreements\":%zu,"
         "\"most_bytes\":%zu,\"peak_bytes\":%zu", r->schemas, r->passing, r->passing_with_end, r->not_compiled,
         r->accepts_invalid, r->refuses_valid, r->ran_out, r->wrong_end, r->tests, r->tokens, r->disagreements,
         r->most_bytes, r->peak_bytes);
  put_spread_json("mask", &r->mask);
  put_spread_json("compile", &r->compile);
  puts("}");
}

static void put_spread(const char *name, const mn_schema_bench_spread *s) {
  printf("%-8s mean %.1f  p50 %.2f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.0f us\n", name, s->mean_us, s->p50_us,
         s->p90_us, s->p99_us, s->p999_us, s->max_us);
}

static void put_report(const mn_schema_bench_report *r) {
  printf("passing %zu of %zu (with the end of the text checked: %zu)\n", r->passing, r->schemas, r->passing_with_end);
  printf("not compiled %zu, accepts what it must refuse %zu, refuses what it must accept %zu, ran out %zu\n",
         r->not_compiled, r->accepts_invalid, r->refuses_valid, r->ran_out);
  printf("%zu instances, %zu masks, at most %.1f MB for a schema with its tables\n", r->tests, r->tokens,
         (double)r->most_bytes * 1e-6);
  put_spread("mask", &r->mask);
  put_spread("compile", &r->compile);
}

int cli_schema_bench(int argc, char **argv) {
  bool json = false, list = false;
  uint64_t limit = 0;
  cli_list words;
  mn_error err = {0};
  mn_schema_bench_options o;
  mn_schema_bench_report report;
  mn_schema_bench_options_init(&o);
  const cli_option options[] = {
      {"--tokenizer", CLI_TEXT, &o.tokenizer, "FILE", "a GGUF file or tiktoken's ranks (as Llama 3 splits)"},
      {"--json", CLI_SWITCH, &json, NULL, "the report as one JSON object"},
      {"--list", CLI_SWITCH, &list, NULL, "rows that do not pass, on stderr"},
      {"--only", CLI_TEXT, &o.only, "NAME", "the row of this name"},
      {"--limit", CLI_NUMBER, &limit, "N", "the first N rows"},
      {"--any-space", CLI_SWITCH, &o.any_space, NULL, "masks allow any white space JSON allows"},
      {"--check", CLI_SWITCH, &o.check_masks, NULL, "hold each refusal of a mask against a commit"},
  };
  int status = cli_parse("schema bench", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status != CLI_GO) return status;
  if (words.n != 1 || o.tokenizer == NULL)
    return cli_usage("schema bench", "a file of rows and --tokenizer FILE are needed", NULL);
  o.file = words.item[0];
  o.limit = (size_t)limit;
  o.failure = put_failure;
  o.failure_ctx = &list;
  if (mn_schema_bench(&o, &report, &err) != MN_OK) return cli_fail(&err);
  if (json) put_report_json(&report);
  else put_report(&report);
  return CLI_DONE;
}
