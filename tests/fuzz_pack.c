/* Fuzz target: what is about a pack file. Input that begins with "GGUF" is a whole file; with "{", a manifest; anything
 * else is changes to a good file, five bytes each (where, and what). What opens answers a sentence. */
#include <stdlib.h>
#include <string.h>

#include "tiny_pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
  if (!condition) abort();
}

static void ask(const pack *p) {
  static const char text[] = "wake Anna's brother every friday at 7 am, milk and eggs, 40 percent";
  const value_context cx = {.now = {{2026, 11, 20}, {12, 0, 0}, true, true}};
  const model_shape *shape = &head_brain_trunk(pack_brain(p))->shape;
  if (model_parameters(shape) > 1 << 22) return;
  head_scratch *scratch = head_scratch_new(shape, shape->max_tokens, NULL);
  pack_draft *d = malloc(sizeof *d);
  head_result r;
  require(scratch != NULL && d != NULL);
  head_brain_run(pack_brain(p), cpu_best(), base_slice_of(text), scratch, &r);
  pack_draft_action(p, base_slice_of(text), &r, &cx, d);
  require(d->action < (int)pack_manifest_of(p)->n_actions &&
          base_utf8_valid(d->arguments, strlen(d->arguments)));
  free(d);
  head_scratch_free(scratch);
}

static void open_file(const void *bytes, size_t len) {
  void *block = NULL;
  pack *p = NULL;
  base_error err = {0};
  require(posix_memalign(&block, 64, len > 0 ? len : 1) == 0);
  if (len > 0) memcpy(block, bytes, len);
  base_status st = pack_open_bytes(&p, block, len, "fuzz", NULL, NULL, &err);
  require((st == BASE_OK) == (p != NULL) && (st == BASE_OK || err.text[0] != 0));
  if (p != NULL) ask(p);
  pack_close(p);
  free(block);
}

/* A manifest that opens is stored as a text that opens to itself. */
static void open_manifest(base_slice json) {
  pack_manifest *m = NULL, *again = NULL;
  base_error err = {0};
  if (pack_manifest_open(&m, json, "fuzz", NULL, &err) == BASE_OK) {
    require(pack_manifest_open(&again, base_slice_of(m->json), "fuzz", NULL, &err) == BASE_OK);
    require(strcmp(m->json, again->json) == 0);
  } else {
    require(m == NULL && err.text[0] != 0);
  }
  pack_manifest_close(again);
  pack_manifest_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static base_buf good;
  base_slice input = {(const char *)data, size};
  (void)tiny_brain, (void)tiny_edited, (void)tap_done; /* of the headers, not needed here */
  if (good.len == 0) good = tiny_pack_bytes(tiny_pack_manifest, NULL, false);
  if (base_slice_starts(input, BASE_LITERAL("GGUF"))) {
    open_file(data, size);
  } else if (base_slice_starts(input, BASE_LITERAL("{"))) {
    open_manifest(input);
  } else {
    base_buf changed = {0};
    base_cursor c = base_cursor_of(data, size);
    base_buf_add(&changed, good.ptr, good.len);
    while (c.len - c.pos >= 5 && c.pos < 5 * 64) {
      uint32_t at = base_cursor_u32(&c);
      changed.ptr[at % changed.len] = (char)base_cursor_u8(&c);
    }
    open_file(changed.ptr, changed.len);
    base_buf_free(&changed);
  }
  return 0;
}
