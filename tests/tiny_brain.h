/* Whole brains in a few kilobytes, with random weights, for tests of model/ and head/; and copies of a file
 * with one thing wrong in it. */
#ifndef TESTS_TINY_BRAIN_H
#define TESTS_TINY_BRAIN_H

#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "train/loop.h"

static const model_shape TINY_SHAPE = {.vocab = 0, /* what the tokenizer has */
                                       .d = 16,
                                       .layers = 1,
                                       .heads = 1,
                                       .kv_heads = 1,
                                       .head_dim = 16,
                                       .ff = 16,
                                       .max_tokens = 48,
                                       .cases = 3,
                                       .rope_base = 10000.0f,
                                       .eps = 1e-5f};

static tok_bpe *tiny_brain_tok(void) {
  static const char *const text[] = {"wake me at seven", "wake me at nine", "play the music",
                                     "the alarm at seven"};
  base_slice lines[4];
  tok_bpe *t = NULL;
  for (size_t i = 0; i < 4; i++) lines[i] = base_slice_of(text[i]);
  TAP_OK(tok_bpe_train(&t, lines, 4, 280, NULL, NULL) == BASE_OK, "a vocabulary");
  return t;
}

static void tiny_brain_names(data_set *names, uint32_t labels, uint32_t slots) {
  char name[32];
  for (uint32_t i = 0; i < labels; i++) {
    base_format(name, sizeof name, "label%u", i);
    data_name(names, &names->labels, base_slice_of(name));
  }
  for (uint32_t i = 0; i < slots; i++) {
    base_format(name, sizeof name, "slot%u", i);
    data_name(names, &names->slots, base_slice_of(name));
  }
}

/* A bag with random contents in the net's own block. */
static void tiny_bag(train_net *n, base_rng *rng) {
  size_t buckets = HEAD_BAG_BUCKETS, weights = (buckets * n->n_labels + 63) / 64 * 64;
  n->bag_bytes = weights + (2 * buckets + n->n_labels) * sizeof(float);
  n->bag_block = base_calloc(n->allocator, 1, n->bag_bytes);
  int8_t *weight = n->bag_block;
  float *idf = (float *)(void *)(weight + weights), *scale = idf + buckets, *bias = scale + buckets;
  for (size_t i = 0; i < buckets * n->n_labels; i++)
    weight[i] = (int8_t)((int)base_rng_below(rng, 255) - 127);
  for (size_t i = 0; i < buckets; i++) {
    idf[i] = base_rng_below(rng, 4) ? base_rng_unit(rng) * 5.0f : 0.0f;
    scale[i] = base_rng_unit(rng) * 0.01f;
  }
  for (size_t i = 0; i < n->n_labels; i++) bias[i] = base_rng_normal(rng);
  n->bag = (head_bag){HEAD_BAG_BUCKETS, idf, weight, scale, bias};
}

/* A tagger with random contents, which knows one value. */
static void tiny_tagger(train_net *n, base_rng *rng) {
  static const uint32_t value[] = {0x12345678};
  static const uint8_t value_slot[] = {0};
  size_t buckets = 512, weights = (buckets * (1 + 2 * (size_t)n->n_slots) + 63) / 64 * 64;
  n->tagger_bytes = weights + buckets * sizeof(float);
  n->tagger_block = base_calloc(n->allocator, 1, n->tagger_bytes);
  int8_t *weight = n->tagger_block;
  float *scale = (float *)(void *)(weight + weights);
  for (size_t i = 0; i < weights; i++) weight[i] = (int8_t)((int)base_rng_below(rng, 255) - 127);
  for (size_t i = 0; i < buckets; i++) scale[i] = base_rng_unit(rng) * 0.01f;
  n->tagger = (head_tagger){(uint32_t)buckets, weight, scale, 1, value, value_slot};
}

/* A GGUF file in memory. labels 0: a trunk alone; bag: a tagger too. Half of the slots are allowed for each label. */
static base_buf tiny_brain(const model_shape *shape, uint32_t labels, uint32_t slots, bool bag,
                           uint64_t seed) {
  base_buf out = {0};
  base_error err = {0};
  base_rng rng;
  data_set names;
  head_calibration c;
  model_shape s = *shape;
  train_net *n = NULL;
  tok_bpe *tok = tiny_brain_tok();
  gguf_writer *w = gguf_writer_new(NULL);
  uint8_t *allowed = calloc((size_t)labels * slots + 1, 1);
  base_rng_seed(&rng, seed);
  data_init(&names, NULL);
  tiny_brain_names(&names, labels, slots);
  head_calibration_init(&c);
  s.vocab = (uint32_t)tok_bpe_vocab(tok);
  base_status st = train_net_new(&n, &s, seed, NULL, &err);
  for (uint32_t i = 0; i < labels * slots; i++) allowed[i] = (uint8_t)base_rng_below(&rng, 2);
  if (!st && labels) st = train_net_add_heads(n, labels, slots, allowed, seed, &err);
  for (size_t i = 0; !st && i < n->n_params;
       i++) /* norms, biases, transitions and pooling start out too tame */
    if (n->param[i].head || n->param[i].rows == 1)
      for (size_t k = 0; k < n->param[i].rows * n->param[i].cols; k++)
        train_w(n, (int)i)[k] += 0.4f * base_rng_normal(&rng);
  if (!st && bag) tiny_bag(n, &rng);
  if (!st && bag && slots > 0) tiny_tagger(n, &rng);
  if (bag) {
    c.tag_scale = 0.75f, c.tagger_weight = 0.5f, c.move_scale = 0.9f;
    c.bag_weight = 0.5f;
    c.slots_weight = 0.1f, c.path_weight = 0.3f;
    c.none_plus_1 = labels;
    c.oos_threshold = 0.2f;
    c.n_risks = 2;
    c.risk_share[0] = 0.01f, c.risk_share[1] = 0.05f;
    c.risk_threshold[0] = 0.99f, c.risk_threshold[1] = 0.5f;
  }
  if (!st) st = train_put(n, tok, &names, &c, w, &err);
  if (!st) st = gguf_writer_bytes(w, &out, &err);
  TAP_OK(st == BASE_OK, "a tiny brain: %s: %s", err.where, err.text);
  gguf_writer_free(w);
  train_net_free(n);
  tok_bpe_close(tok);
  data_free(&names);
  free(allowed);
  return out;
}

/* The bytes where GGUF wants them, in a block of exactly their size. */
static void *tiny_aligned(const base_buf *b) {
  void *block = NULL;
  if (posix_memalign(&block, 64, b->len > 0 ? b->len : 1) != 0) abort();
  if (b->len > 0) memcpy(block, b->ptr, b->len);
  return block;
}

/* ---- a copy with one thing wrong ---- */

typedef enum tiny_change {
  TINY_DROP,   /* the key or tensor is not there */
  TINY_NUMBER, /* the key has this number */
  TINY_STRING, /* the key is a string */
  TINY_TYPE,   /* the tensor has this element type */
  TINY_WIDER,  /* the tensor's first dim is one larger */
  TINY_LONGER, /* the tensor's second dim is one larger */
  TINY_FILL    /* every four bytes of the tensor or array of floats are these */
} tiny_change;

typedef struct tiny_edit {
  const char *name;
  tiny_change change;
  double number;
  uint32_t bits;
} tiny_edit;

static void tiny_copy_value(gguf_writer *w, const gguf_value *v, const char *key, const tiny_edit *e) {
  bool here = strcmp(key, e->name) == 0;
  if (here && e->change == TINY_DROP) return;
  if (here && e->change == TINY_STRING) {
    gguf_put_string(w, key, BASE_LITERAL("something else"));
  } else if (v->type == GGUF_U32) {
    base_cursor c = base_cursor_of(v->bytes, v->len);
    gguf_put_u32(w, key, here && e->change == TINY_NUMBER ? (uint32_t)e->number : base_cursor_u32(&c));
  } else if (v->type == GGUF_F32) {
    base_cursor c = base_cursor_of(v->bytes, v->len);
    gguf_put_f32(w, key, here && e->change == TINY_NUMBER ? (float)e->number : base_cursor_f32(&c));
  } else if (v->type == GGUF_STRING) {
    gguf_put_string(w, key, (base_slice){(const char *)v->bytes, v->len});
  } else if (v->type == GGUF_ARRAY && v->element == GGUF_F32) {
    float numbers[256];
    size_t count = v->count < 256 ? (size_t)v->count : 256;
    memcpy(numbers, v->bytes, count * sizeof(float));
    for (size_t i = 0; i < count && here && e->change == TINY_FILL; i++) memcpy(&numbers[i], &e->bits, 4);
    if (here && e->change == TINY_NUMBER) count = (size_t)e->number;
    gguf_put_f32s(w, key, numbers, count);
  } else if (v->type == GGUF_ARRAY && v->element == GGUF_STRING) {
    base_cursor items = base_cursor_of(v->bytes, v->len);
    base_slice *list = calloc((size_t)v->count + 1, sizeof *list);
    size_t count = (size_t)v->count;
    for (size_t i = 0; i < count; i++) list[i] = gguf_next_string(&items);
    if (here && e->change == TINY_NUMBER) count = (size_t)e->number;
    gguf_put_strings(w, key, list, count);
    free(list);
  } else {
    TAP_OK(false, "a value of a type that is not expected: %s", key);
  }
}

/* Returns what has to be kept until the file is written. */
static void *tiny_copy_tensor(gguf_writer *w, const gguf_tensor *t, const char *name, const tiny_edit *e) {
  uint64_t dim[4] = {t->dim[0], t->dim[1], t->dim[2], t->dim[3]};
  int n_dims = t->n_dims;
  gguf_tensor_type type = t->type;
  bool here = strcmp(name, e->name) == 0;
  if (here && e->change == TINY_DROP) return NULL;
  if (here && e->change == TINY_TYPE) type = (gguf_tensor_type)(int)e->number;
  if (here && e->change == TINY_WIDER) dim[0]++;
  if (here && e->change == TINY_LONGER) dim[1]++;
  if (n_dims < 2 && dim[1] > 1) n_dims = 2;
  size_t room = (size_t)(dim[0] * dim[1]) * 4; /* as much as the widest element takes */
  unsigned char *data = calloc(1, room > t->bytes ? room : t->bytes);
  memcpy(data, t->data, t->bytes);
  for (size_t i = 0; here && e->change == TINY_FILL && i + 4 <= t->bytes; i += 4)
    memcpy(data + i, &e->bits, 4);
  gguf_put_tensor(w, name, type, n_dims, dim, data);
  return data;
}

static base_buf tiny_edited(const base_buf *from, const tiny_edit *e) {
  enum { MOST = 256 };
  void *block = tiny_aligned(from), *kept[MOST] = {0};
  gguf_file *f = NULL;
  gguf_writer *w = gguf_writer_new(NULL);
  base_buf out = {0};
  base_error err = {0};
  char name[96];
  TAP_OK(gguf_open_bytes(&f, block, from->len, "tiny", NULL, &err) == BASE_OK, "%s", err.text);
  for (size_t i = 0; f != NULL && i < gguf_value_count(f); i++) {
    const gguf_value *v = gguf_value_at(f, i);
    base_format(name, sizeof name, "%.*s", (int)v->key.len, v->key.ptr);
    if (strcmp(name, "general.alignment") != 0) tiny_copy_value(w, v, name, e);
  }
  for (size_t i = 0; f != NULL && i < gguf_tensor_count(f) && i < MOST; i++) {
    const gguf_tensor *t = gguf_tensor_at(f, i);
    base_format(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
    kept[i] = tiny_copy_tensor(w, t, name, e);
  }
  TAP_OK(gguf_writer_bytes(w, &out, &err) == BASE_OK, "an edited copy (%s): %s %s", e->name, err.where,
         err.text);
  gguf_writer_free(w);
  gguf_close(f);
  for (size_t i = 0; i < MOST; i++) free(kept[i]);
  free(block);
  return out;
}

#endif
