/* The words that scope.c and proviso.c look for, in one table. */
#include "handoff/internal.h"

static const struct {
  handoff_word kind;
  const char *word;
} words[] = {
#define HANDOFF_WORD(kind, word) {kind, word},
#include "handoff/proviso.def"
#include "handoff/scope.def"
#undef HANDOFF_WORD
};

bool handoff_is_of_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\'' || (unsigned char)c >= 0x80;
}

size_t handoff_match_word(base_slice text, size_t at, handoff_word kind) {
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    base_slice word = base_slice_of(words[i].word);
    size_t end = at + word.len;
    if (words[i].kind == kind && base_slice_equal_nocase(base_slice_sub(text, at, end), word) &&
        (end == text.len || !handoff_is_of_word(text.ptr[end])))
      return end;
  }
  return 0;
}
