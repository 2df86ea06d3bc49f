/* Fuzz target: any bytes as text. Words must cover all but white space, in order; tokens must cover words.
 * The same bytes, cut into lines, also train a small vocabulary that then encodes them. */
#include "tok/tok.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_TEXT = 4096, MAX_TOKENS = 2 * MAX_TEXT + 1, MAX_LINES = 64 };

static void require(bool condition) {
  if (!condition) abort();
}

/* Everything between two words is white space. */
static void check_gap(const char *text, size_t start, size_t end) {
  while (start < end) {
    uint32_t c;
    size_t n = base_utf8_decode(text + start, end - start, &c);
    require(n > 0 && base_utf8_is_space(c));
    start += n;
  }
}

static void check_words(const char *text, size_t len, const tok_word *words, size_t n) {
  size_t at = 0;
  for (size_t i = 0; i < n; i++) {
    require(words[i].start >= at && words[i].end > words[i].start && words[i].end <= len);
    check_gap(text, at, words[i].start);
    at = words[i].end;
  }
  check_gap(text, at, len);
}

static void check_encoding(const tok_bpe *t, const char *text, size_t len, float dropout, base_rng *rng) {
  uint16_t *ids = malloc(MAX_TOKENS * sizeof *ids);
  uint8_t *cases = malloc(MAX_TOKENS);
  tok_word *words = malloc(MAX_TEXT * sizeof *words), *split = malloc(MAX_TEXT * sizeof *split);
  if (ids == NULL || cases == NULL || words == NULL || split == NULL) abort();
  tok_result r = {
      .ids = ids, .cases = cases, .max_tokens = MAX_TOKENS, .words = words, .max_words = MAX_TEXT};
  size_t n = tok_split(text, len, split, MAX_TEXT);
  check_words(text, len, split, n);
  tok_bpe_encode(t, text, len, dropout, rng, &r);
  require(!r.truncated && r.n_words == n && r.n_tokens > n);
  for (size_t i = 0; i < n; i++) {
    size_t last = i + 1 < n ? words[i + 1].first_token : r.n_tokens;
    require(words[i].start == split[i].start && words[i].end == split[i].end && words[i].first_token < last);
  }
  for (size_t i = 1; i < r.n_tokens; i++) require(ids[i] >= TOK_FIRST_BYTE && ids[i] < tok_bpe_vocab(t));
  free(ids);
  free(cases);
  free(words);
  free(split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *text = (const char *)data;
  size_t len = size < MAX_TEXT ? size : MAX_TEXT, n = 0;
  base_slice rest = {text, len}, lines[MAX_LINES];
  base_error err = {0};
  base_rng rng;
  tok_bpe *t;
  while (n < MAX_LINES && base_slice_split(&rest, '\n', &lines[n])) n++;
  require(tok_bpe_train(&t, lines, n, TOK_FIRST_MERGE + 40, NULL, &err) == BASE_OK);
  base_rng_seed(&rng, size);
  check_encoding(t, text, len, 0.0F, NULL);
  check_encoding(t, text, len, 0.3F, &rng);
  tok_bpe_close(t);
  return 0;
}
