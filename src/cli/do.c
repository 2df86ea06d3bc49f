/* minnow do: one request, from the words of the command line or from stdin. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

enum { MAX_INPUT = 1 << 20 };

/* The words joined by blanks; all of stdin when there are none. The library refuses what is too long. */
static int read_text(const cli_list *words, base_buf *out) {
  char chunk[4096];
  size_t n;
  for (size_t i = 0; i < words->n; i++) {
    if (i > 0) base_buf_putc(out, ' ');
    base_buf_puts(out, words->item[i]);
  }
  while (words->n == 0 && out->len < MAX_INPUT && (n = fread(chunk, 1, sizeof chunk, stdin)) > 0)
    base_buf_add(out, chunk, n);
  if (!out->failed && (words->n > 0 || ferror(stdin) == 0)) return CLI_GO;
  mn_error err = {MN_EIO, "stdin", "the request could not be read"};
  return cli_fail(&err);
}

/* A 0 byte ends no text here: the length goes along, so that the library sees and refuses it. */
static int answer(mn_engine *mn, mn_request *r, const base_buf *text, bool json, bool kept) {
  mn_outcome *o = NULL;
  mn_error err = {0};
  r->text = text->len > 0 ? text->ptr : "";
  r->text_len = text->len;
  if (mn_do(mn, r, &o, &err) != MN_OK) return cli_fail(&err);
  if (json) puts(mn_outcome_json(o));
  else cli_show_outcome(o, kept);
  (void)fflush(stdout); /* the answer waits for nothing that comes behind it: main looks at errors */
  mn_outcome_free(o);
  return CLI_DONE;
}

static int read_whole(const char *path, base_buf *out, const char **text) {
  base_error err = {0};
  mn_error said = {0};
  if (os_read_file(path, MAX_INPUT, out, &err) == BASE_OK) {
    *text = out->ptr != NULL ? out->ptr : "";
    return CLI_GO;
  }
  said.code = (int)err.code;
  (void)base_format(said.where, sizeof said.where, "%s", err.where);
  (void)base_format(said.text, sizeof said.text, "%s", err.text);
  return cli_fail(&said);
}

int cli_do(int argc, char **argv) {
  cli_house house = {0};
  const char *schema = NULL, *context = NULL;
  bool json = false;
  cli_list words;
  base_buf text = {0}, schema_text = {0}, context_text = {0};
  mn_engine *mn = NULL;
  mn_request r;
  mn_request_init(&r);
  const cli_option options[] = {
      {"--pack", CLI_TEXT, &r.pack, "NAME", "this app is open: only its brain is asked"},
      {"--now", CLI_TEXT, &r.now, "TIME", "local time, 2026-11-21T09:30:00: makes the answer reproducible"},
      CLI_HOUSE_OPTIONS(house),
      {"--task", CLI_TEXT, &r.task, "TASK", "action (the default), text: an answer, extract: a document"},
      CLI_WRITER_OPTIONS(house),
      {"--schema", CLI_TEXT, &schema, "FILE", "extract: JSON Schema of the document"},
      {"--context", CLI_TEXT, &context, "FILE", "a screen or document that the request is about: data, no orders"},
      {"--instructions", CLI_TEXT, &r.instructions, "TEXT", "text, extract: the app's own words to a model"},
      {"--json", CLI_SWITCH, &json, NULL, "the answer as one JSON object (docs/do.md)"},
  };
  int status = cli_parse("do", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status == CLI_GO) status = read_text(&words, &text);
  if (status == CLI_GO && schema != NULL) status = read_whole(schema, &schema_text, &r.schema);
  if (status == CLI_GO && context != NULL) status = read_whole(context, &context_text, &r.context);
  r.context_len = context_text.len;
  if (status == CLI_GO) status = cli_open_engine(&mn, &house);
  if (status == CLI_GO) status = answer(mn, &r, &text, json, house.kept);
  if (mn != NULL) cli_warn_policy(mn);
  cli_close_engine(mn, &house);
  base_buf_free(&schema_text);
  base_buf_free(&context_text);
  base_buf_free(&text);
  return status;
}
