/* minnow embed: vectors of texts, or how alike texts are. A line of JSON for each text; with --compare a cosine and
 * the text for each but the first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { MAX_LINE = 1 << 20 };

typedef struct embedding {
  const char *file;
  uint32_t threads, context, memory_mb;
  bool compare, cut, reference;
  /* running */
  mn_embedder *e;
  float *vector, *first; /* [width] */
  size_t width, texts;
} embedding;

static void put_json(const embedding *g, base_slice text) {
  base_buf b = {0};
  base_buf_puts(&b, "{\"text\":");
  base_buf_json(&b, text);
  base_buf_puts(&b, ",\"vector\":[");
  for (size_t i = 0; i < g->width; i++) base_buf_printf(&b, "%s%.7g", i > 0 ? "," : "", (double)g->vector[i]);
  base_buf_puts(&b, "]}");
  puts(b.ptr != NULL ? b.ptr : "");
  base_buf_free(&b);
}

static void put_cosine(const embedding *g, base_slice text) {
  double cosine = 0;
  for (size_t i = 0; i < g->width; i++) cosine += (double)g->vector[i] * (double)g->first[i];
  printf("%.4f  ", cosine);
  cli_put_text(text);
  putchar('\n');
}

static int embed(embedding *g, base_slice text) {
  mn_error err = {0};
  if (text.len == 0) return CLI_GO;
  if (mn_embed(g->e, text.ptr, text.len, g->vector, g->width, &err) != MN_OK) return cli_fail(&err);
  if (!g->compare) put_json(g, text);
  else if (g->texts == 0) memcpy(g->first, g->vector, g->width * sizeof *g->first);
  else put_cosine(g, text);
  g->texts++;
  return CLI_GO;
}

/* Each line of stdin is a text. */
static int embed_lines(embedding *g) {
  char *line = NULL;
  size_t cap = 0;
  ssize_t n;
  int status = CLI_GO;
  while (status == CLI_GO && !os_interrupted() && (n = getline(&line, &cap, stdin)) >= 0) {
    mn_error err = {.code = MN_ELIMIT, .where = "stdin", .text = "a line is longer than 1 MB"};
    if (n > MAX_LINE) status = cli_fail(&err);
    else status = embed(g, base_slice_trim((base_slice){line, (size_t)n}));
  }
  free(line);
  return status;
}

static int open_model(embedding *g) {
  mn_embedder_options o;
  mn_error err = {0};
  mn_embedder_options_init(&o);
  o.threads = g->threads;
  o.context = g->context;
  o.memory_bytes = g->memory_mb * UINT64_C(1000000);
  o.cut = g->cut;
  o.reference = g->reference;
  if (mn_embedder_open(&g->e, g->file, &o, &err) != MN_OK) return cli_fail(&err);
  g->width = mn_embedder_width(g->e);
  g->vector = calloc(g->width, sizeof *g->vector);
  g->first = calloc(g->width, sizeof *g->first);
  if (g->vector != NULL && g->first != NULL) return CLI_GO;
  err = (mn_error){.code = MN_ENOMEM, .where = "vector", .text = "no memory"};
  return cli_fail(&err);
}

int cli_embed(int argc, char **argv) {
  embedding g = {0};
  cli_list words;
  const cli_option options[] = {
      {"-m", CLI_TEXT, &g.file, "FILE", "the model, a GGUF file of an encoder"},
      {"-t", CLI_THREADS, &g.threads, "N", "threads; one a processor"},
      {"-c", CLI_COUNT, &g.context, "TOKENS", "the longest text; 0: what the model was made for, at most 4096"},
      {"--memory-mb", CLI_COUNT, &g.memory_mb, "MB", "hard bound on weights and working memory"},
      {"--compare", CLI_SWITCH, &g.compare, NULL, "how alike the first text and each other one are, -1 to 1"},
      {"--cut", CLI_SWITCH, &g.cut, NULL, "cut a text that is too long instead of refusing it"},
      {"--reference", CLI_SWITCH, &g.reference, NULL, "32-bit floats throughout: slow and exact"},
  };
  int status = cli_parse("embed", options, sizeof options / sizeof options[0], argc, argv, &words);
  if (status == CLI_GO && g.file == NULL) status = cli_usage("embed", "-m FILE says which model", NULL);
  if (status == CLI_GO) os_catch_interrupts();
  if (status == CLI_GO) status = open_model(&g);
  for (size_t i = 0; i < words.n && status == CLI_GO; i++) status = embed(&g, base_slice_of(words.item[i]));
  if (status == CLI_GO && words.n == 0) status = embed_lines(&g);
  mn_embedder_close(g.e);
  free(g.vector);
  free(g.first);
  return status == CLI_GO ? CLI_DONE : status;
}
