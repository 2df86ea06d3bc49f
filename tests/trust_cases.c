/* The evidence that packs' confidences are fitted to (train/trust.c), for tools/pool_trust.py: a JSON line an answer,
 * [pack, log odds, right]. usage: trust_cases PACK_FOLDER... with the built file beside each folder */
#include <stdio.h>

#include "pack/pack.h"
#include "train/train.h"

static void put(void *ctx, float log_odds, bool right) {
  printf("[\"%s\",%.6g,%d]\n", (const char *)ctx, (double)log_odds, right);
}

/* What api/train.c does for `--refit calibration`, with nothing saved. */
static base_status look(const char *folder, base_error *err) {
  char path[512];
  train_report report;
  train_options o;
  data_set rows;
  gguf_file *made = NULL;
  tok_bpe *tok = NULL;
  train_net *net = NULL;
  pack_manifest *m = NULL;
  uint8_t *allowed = NULL;
  gguf_writer *w = gguf_writer_new(NULL);
  data_init(&rows, NULL);
  base_format(path, sizeof path, "%s.gguf", folder);
  base_status st = pack_source_read(folder, &m, &rows, NULL, err);
  if (!st) st = pack_allowed_slots(m, &rows, &allowed, NULL, err);
  if (!st) st = gguf_open(&made, path, NULL, err);
  if (!st) st = tok_bpe_open(&tok, made, NULL, err);
  if (!st) st = train_net_load(&net, made, NULL, err);
  train_options_init_pack(&o, false);
  o.evidence = put;
  o.evidence_ctx = st ? NULL : (void *)m->name;
  train_spec spec = {.allowed = allowed, .part_slot = -1, .pack = true};
  if (!st) spec.none_label = data_find_name(&rows.labels, BASE_LITERAL(PACK_LABEL_NONE));
  if (!st) st = train_refit(net, made, tok, &rows, NULL, TRAIN_REFIT_CALIBRATION, &spec, &o, w, &report, err);
  gguf_writer_free(w);
  train_net_free(net);
  tok_bpe_close(tok);
  gguf_close(made);
  base_free(base_allocator_libc(), allowed, rows.labels.n * (rows.slots.n ? rows.slots.n : 1));
  pack_manifest_close(m);
  data_free(&rows);
  return st;
}

int main(int argc, char **argv) {
  base_error err = {0};
  for (int i = 1; i < argc; i++)
    if (look(argv[i], &err) != BASE_OK) {
      fprintf(stderr, "trust_cases: %s: %s\n", err.where, err.text);
      return 1;
    }
  return 0;
}
