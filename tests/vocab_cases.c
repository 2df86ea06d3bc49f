/* Helper of tools/measure_tok.py: encodes texts with a vocabulary file. Standard input has texts, each behind
 * its length in bytes and a newline; standard output gets one line of ids a text. Arguments: FILE [RULE],
 * where FILE is a GGUF file, or with RULE a file of ranks. With `--time` as the last argument it reports
 * opening and encoding times instead. */
#include "os/os.h"
#include "tok/tok.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* *ns: how long the vocabulary took, without opening the file. */
static tok_vocab *open_vocab(int argc, char **argv, uint64_t *ns, base_error *err) {
  tok_vocab *v = NULL;
  gguf_file *f = NULL;
  base_buf ranks = {0};
  if (argc > 2) {
    static const base_slice special[] = {{"<|begin_of_text|>", 17}, {"<|end_of_text|>", 15}};
    if (os_read_file(argv[1], 1 << 28, &ranks, err) == BASE_OK) {
      *ns = os_monotonic_ns();
      (void)tok_vocab_open_ranks(&v, (base_slice){ranks.ptr, ranks.len}, argv[1], argv[2], special, 2, NULL,
                                 err);
    }
    *ns = os_monotonic_ns() - *ns;
    base_buf_free(&ranks);
    return v;
  }
  if (gguf_open(&f, argv[1], NULL, err) != BASE_OK) return NULL;
  *ns = os_monotonic_ns();
  (void)tok_vocab_open(&v, f, NULL, err);
  *ns = os_monotonic_ns() - *ns;
  gguf_close(f);
  return v;
}

static int encode_stdin(const tok_vocab *v, bool time) {
  tok_scratch scratch = {0};
  size_t len, n, bytes = 0, tokens = 0;
  uint64_t ns = 0;
  base_error err = {0};
  while (scanf("%zu", &len) == 1 && getchar() == '\n') {
    char *text = malloc(len + 1);
    size_t room = tok_encode_bound(v, len);
    uint32_t *ids = malloc(room * sizeof *ids);
    if (text == NULL || ids == NULL || fread(text, 1, len, stdin) != len) return 1;
    tok_input in = {.text = text, .len = len, .flags = 0};
    uint64_t start = os_monotonic_ns();
    if (tok_encode(v, &scratch, &in, ids, room, &n, &err) != BASE_OK) {
      fprintf(stderr, "%s: %s\n", err.where, err.text);
      return 1;
    }
    ns += os_monotonic_ns() - start;
    bytes += len;
    tokens += n;
    for (size_t i = 0; i < n && !time; i++) printf("%s%u", i > 0 ? " " : "", (unsigned)ids[i]);
    if (!time) printf("\n");
    free(text);
    free(ids);
  }
  if (time)
    printf("%zu bytes, %zu tokens, %.1f MB/s\n", bytes, tokens, (double)bytes * 1e3 / (double)(ns + 1));
  tok_scratch_free(&scratch);
  return 0;
}

int main(int argc, char **argv) {
  base_error err = {0};
  bool time = argc > 2 && strcmp(argv[argc - 1], "--time") == 0;
  argc -= time;
  if (argc < 2) return 2;
  uint64_t ns = 0;
  tok_vocab *v = open_vocab(argc, argv, &ns, &err);
  if (v == NULL) {
    fprintf(stderr, "%s: %s\n", err.where, err.text);
    return 1;
  }
  if (time) printf("%zu tokens opened in %.2f ms; ", tok_vocab_size(v), (double)ns / 1e6);
  int result = encode_stdin(v, time);
  tok_vocab_close(v);
  return result;
}
