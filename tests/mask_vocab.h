/* A small byte vocabulary for tests of masks: all bytes, and what JSON is often made of. */
#ifndef TESTS_MASK_VOCAB_H
#define TESTS_MASK_VOCAB_H

#include <string.h>

#include "mask/mask.h"

static const char *const mask_pieces[] = {
    "{\"", "\": ", "\": \"", "\", \"", "\"}", "\"]", "},", "}, {", "}, {\"", "], ", "[{\"", "]}", "}}", "true", "false",
    "null", "name", "a", "ab", "abc", "the", " the", "10", "100", "25", "0.5", "-1", "1e", "\\n", "\\\"", "\\u00", "  ",
    ", ", ": ", "\n", "[1", "1,", "2]", "red", "\"red\"", "green", "blue", "2024-", "-01", "T12:", ":00Z", "@", ".com",
    "http://", "\xC3\xA9", "\xE2\x82", "\xAC", "\"a\": ", "\"b\"", "kind", "value", "items", "b\": 1, \"", "\"\"", "{}", "[]"};

enum { MASK_N_PIECES = sizeof mask_pieces / sizeof *mask_pieces, MASK_N_TOKENS = 256 + MASK_N_PIECES };

static base_slice mask_piece(void *ctx, uint32_t id) {
  static char bytes[256];
  (void)ctx;
  if (id >= 256) return base_slice_of(mask_pieces[id - 256]);
  bytes[id] = (char)id;
  return (base_slice){&bytes[id], 1};
}

#endif
