/* Fuzz target: the first line is a pattern, the rest a text. Beyond not crashing and staying in bounds: a whole
 * match is also found by searching, and a state called dead lets nothing through. */
#include <stdlib.h>
#include <string.h>

#include "regex/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
  if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *line = memchr(data, '\n', size);
  size_t n = line != NULL ? (size_t)(line - data) : size;
  base_slice pattern = {(const char *)data, n};
  base_slice text = {(const char *)data + n + (line != NULL), size - n - (line != NULL)};
  regex_options search = {.max_states = 300, .max_bytes = 1 << 20}, whole = search;
  regex *s = NULL, *w = NULL;
  bool found = false, all = false;
  base_error err = {0};
  whole.whole = true;
  base_status status = regex_open(&s, pattern, &search, NULL, &err);
  if (status != BASE_OK) {
    require(s == NULL && err.text[0] != '\0');
    return 0;
  }
  if (regex_open(&w, pattern, &whole, NULL, NULL) == BASE_OK && regex_match(w, text, &all) == BASE_OK && all &&
      regex_match(s, text, &found) == BASE_OK && base_utf8_valid(text.ptr, text.len))
    require(found);
  require(regex_bytes(s) <= search.max_bytes);
  uint32_t state = REGEX_START;
  for (size_t i = 0; i < text.len && state != REGEX_DEAD; i++) {
    require(regex_needs(s, state) == 0 || !regex_accepts(s, state) || regex_failed(s) != BASE_OK);
    state = regex_next(s, state, (uint8_t)text.ptr[i]);
  }
  require(state != REGEX_DEAD || !regex_accepts(s, state));
  regex_close(s);
  regex_close(w);
  return 0;
}
