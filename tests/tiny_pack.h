/* A whole pack in a few kilobytes: a small manifest over a brain with random weights. For tests of how packs
 * are opened, refused and fuzzed. */
#ifndef TESTS_TINY_PACK_H
#define TESTS_TINY_PACK_H

#include "pack/pack.h"
#include "tiny_brain.h"

static const char tiny_pack_manifest[] =
    "{\"name\":\"desk\",\"version\":\"1.2.3\",\"title\":\"Desk\",\"app\":{\"id\":\"org.minnow.desk\","
    "\"versions\":\">=1.0\"},"
    "\"slots\":{"
    "\"time\":{\"type\":\"datetime\",\"resolve\":\"future\",\"morning\":[\"wake\",\"get up\"],\"ask\":\"When?\"},"
    "\"repeat\":{\"type\":\"recurrence\"},"
    "\"person\":{\"type\":\"text\",\"ask\":\"Who?\"},"
    "\"items\":{\"type\":\"list\",\"ask\":\"What?\"},"
    "\"mode\":{\"type\":\"enum\",\"values\":{\"voice\":[\"voice\",\"audio call\",\"call\"],"
    "\"video\":[\"video\",\"video call\",\"facetime\"]}},"
    "\"count\":{\"type\":\"integer\",\"schema\":{\"minimum\":1}},"
    "\"size\":{\"type\":\"number\"},"
    "\"level\":{\"type\":\"percent\"},"
    "\"rank\":{\"type\":\"ordinal\"},"
    "\"day\":{\"type\":\"date\",\"resolve\":\"future\"},"
    "\"clock\":{\"type\":\"time\"},"
    "\"period\":{\"type\":\"interval\",\"resolve\":\"past\"},"
    "\"length\":{\"type\":\"duration\"},"
    "\"amount\":{\"type\":\"money\",\"currency\":\"EUR\"},"
    "\"heat\":{\"type\":\"temperature\"},"
    "\"phone\":{\"type\":\"phone\"},"
    "\"email\":{\"type\":\"email\"}},"
    "\"actions\":["
    "{\"name\":\"ring\",\"title\":\"Ring\",\"risk\":\"reversible\",\"slots\":[\"time\",\"repeat\",\"person\"]"
    ","
    "\"required\":[\"time\"],\"ask\":{\"time\":\"When should it ring?\"}},"
    "{\"name\":\"call\",\"title\":\"Call\",\"risk\":\"discloses\",\"slots\":[\"phone\",\"person\",\"mode\"],"
    "\"required\":[],"
    "\"any_of\":[\"phone\",\"person\"],\"ask\":{\"phone\":\"Which number?\"}},"
    "{\"name\":\"fill\",\"title\":\"Fill "
    "in\",\"risk\":\"money\",\"slots\":[\"items\",\"count\",\"size\",\"level\",\"rank\","
    "\"day\",\"clock\",\"period\",\"length\",\"amount\",\"heat\",\"phone\",\"email\"],\"required\":["
    "\"items\"]},"
    "{\"name\":\"stop\",\"title\":\"Stop\",\"risk\":\"none\",\"slots\":[],\"required\":[]}]}";

/* The file's bytes. `heads` gives the labels and slots; NULL: the manifest's own. */
static base_buf tiny_pack_bytes(const char *manifest, const pack_manifest *heads, bool mask_all) {
  base_buf out = {0};
  base_error err = {0};
  pack_manifest *m = NULL;
  data_set names;
  head_calibration c;
  model_shape shape = TINY_SHAPE;
  train_net *n = NULL;
  uint8_t *allowed = NULL;
  tok_bpe *tok = tiny_brain_tok();
  gguf_writer *w = gguf_writer_new(NULL);
  data_init(&names, NULL);
  head_calibration_init(&c);
  shape.vocab = (uint32_t)tok_bpe_vocab(tok);
  base_status st = pack_manifest_open(&m, base_slice_of(manifest), "tiny", NULL, &err);
  const pack_manifest *h = heads != NULL ? heads : m;
  for (size_t i = 0; !st && i < h->n_actions; i++)
    data_name(&names, &names.labels, base_slice_of(h->action[i].name));
  for (size_t i = 0; !st && i < h->n_packs; i++)
    data_name(&names, &names.labels, base_slice_of(h->packs[i]));
  data_name(&names, &names.labels, BASE_LITERAL(PACK_LABEL_NONE));
  for (size_t i = 0; !st && i < h->n_slots; i++)
    data_name(&names, &names.slots, base_slice_of(h->slot[i].name));
  if (!st && h->is_gate) data_name(&names, &names.slots, BASE_LITERAL(PACK_SLOT_PART));
  size_t room = names.labels.n * (names.slots.n > 0 ? names.slots.n : 1);
  if (!st) st = pack_allowed_slots(h, &names, &allowed, NULL, &err);
  if (!st && mask_all) memset(allowed, 1, room);
  if (!st) st = train_net_new(&n, &shape, 7, NULL, &err);
  if (!st) st = train_net_add_heads(n, (uint32_t)names.labels.n, (uint32_t)names.slots.n, allowed, 7, &err);
  if (!st) st = train_put(n, tok, &names, &c, w, &err);
  if (!st) pack_put(m, 0x1234, w);
  if (!st) st = gguf_writer_bytes(w, &out, &err);
  TAP_OK(st == BASE_OK, "a tiny pack: %s: %s", err.where, err.text);
  base_free(base_allocator_libc(), allowed, room);
  gguf_writer_free(w);
  train_net_free(n);
  tok_bpe_close(tok);
  data_free(&names);
  pack_manifest_close(m);
  return out;
}

#endif
