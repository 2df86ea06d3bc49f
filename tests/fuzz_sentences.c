/* Fuzz target: any bytes as the training sentences of a pack. What is read has its spans in order, inside the
 * text, on slots that the action has. */
#include <stdlib.h>
#include <string.h>

#include "pack/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char manifest[] =
    "{\"name\":\"desk\",\"version\":\"1.0.0\",\"title\":\"D\",\"app\":{\"id\":\"d\"},\"slots\":{\"time\":{"
    "\"type\":\"datetime\"},"
    "\"label\":{\"type\":\"text\"},\"level\":{\"type\":\"percent\"}},\"actions\":[{\"name\":\"set\","
    "\"title\":\"S\",\"risk\":\"none\","
    "\"slots\":[\"time\",\"label\"],\"required\":[\"time\"]},{\"name\":\"dim\",\"title\":\"M\",\"risk\":"
    "\"none\","
    "\"slots\":[\"level\"],\"required\":[]}]}";

static void require(bool condition) {
  if (!condition) abort();
}

static void check(const pack_manifest *m, const pack_lines *l, const pack_sentence *s) {
  uint32_t before = 0;
  require(l->action >= 0 && (size_t)l->action < m->n_actions && s->len > 0 && s->len < sizeof s->text);
  require(base_utf8_valid(s->text, s->len) && s->n_spans <= DATA_MAX_SPANS);
  for (size_t i = 0; i < s->n_spans; i++) {
    const pack_sentence_span *span = &s->span[i];
    require(span->start >= before && span->start < span->end && span->end <= s->len);
    require(span->slot >= 0 && (m->action[l->action].slots >> span->slot & 1));
    before = span->end;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  base_error err = {0};
  base_status st;
  pack_manifest *m = NULL;
  pack_lines l = {.rest = {(const char *)data, size}, .path = "fuzz"};
  pack_sentence *sentence = malloc(sizeof *sentence);
  require(sentence != NULL && pack_manifest_open(&m, BASE_LITERAL(manifest), "fuzz", NULL, NULL) == BASE_OK);
  while (pack_sentences_next(&l, m, sentence, &st, &err))
    check(m, &l, sentence);
  require((st == BASE_OK) == (err.code == BASE_OK) && (st == BASE_OK || err.text[0] != 0));
  pack_manifest_close(m);
  free(sentence);
  return 0;
}
