/* A brain: trunk, heads, calibration, names and tokenizer bound to one GGUF file, and the run of a text
 * through all of them. Key and tensor names here are the ones train/save.c writes. */
#include <math.h>
#include <string.h>

#include "head/internal.h"

struct head_brain {
  base_allocator allocator;
  model_trunk trunk;
  head_weights heads;
  head_calibration calibration;
  const tok_bpe *tok;
  tok_bpe *own_tok; /* NULL when shared */
  base_slice *names; /* labels, then slots */
};

/* ---- binding ---- */

static base_status bind_names(head_brain *b, const gguf_file *f, base_error *err) {
  uint64_t labels, slots;
  base_cursor label_items, slot_items;
  base_status st = gguf_get_strings(f, "minnow.head.labels", &labels, &label_items, err);
  if (!st) st = gguf_get_strings(f, "minnow.head.slots", &slots, &slot_items, err);
  if (st) return st;
  if (labels < 1 || labels > HEAD_MAX_LABELS || slots > HEAD_MAX_SLOTS)
    return base_fail(err, BASE_ELIMIT, gguf_path(f),
                     "%llu labels and %llu slots; at most %d and %d are supported",
                     (unsigned long long)labels, (unsigned long long)slots, HEAD_MAX_LABELS, HEAD_MAX_SLOTS);
  b->heads.n_labels = (uint32_t)labels;
  b->heads.n_slots = (uint32_t)slots;
  b->names = base_calloc(&b->allocator, (size_t)(labels + slots), sizeof *b->names);
  if (b->names == NULL) return base_fail(err, BASE_ENOMEM, gguf_path(f), "no memory for the label names");
  for (uint64_t i = 0; i < labels; i++) b->names[i] = gguf_next_string(&label_items);
  for (uint64_t i = 0; i < slots; i++) b->names[labels + i] = gguf_next_string(&slot_items);
  return BASE_OK;
}

static base_status bind_heads(head_brain *b, const gguf_file *f, base_error *err) {
  head_weights *w = &b->heads;
  uint64_t d = w->d = b->trunk.shape.d, labels = w->n_labels, tags = 1 + 2 * (uint64_t)w->n_slots;
  const struct {
    const char *name;
    const float **out;
    uint64_t dim0, dim1;
  } floats[] = {
      {"head.pool.query", &w->pool_query, d, 1},
      {"head.classify.weight", &w->classify, 3 * d, labels},
      {"head.classify.bias", &w->classify_bias, labels, 1},
      {"head.tag.weight", &w->tag, 2 * d, tags},
      {"head.tag.bias", &w->tag_bias, tags, 1},
      {"head.tag.transition", &w->transition, tags, tags},
      {"head.tag.start", &w->start, tags, 1},
      {"head.label_tag", &w->label_tag, tags, labels},
  };
  const gguf_tensor *t;
  base_status st;
  for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) {
    st = gguf_need_tensor(f, floats[i].name, GGUF_T_F32, floats[i].dim0, floats[i].dim1, &t, err);
    if (st) return st;
    *floats[i].out = t->data;
  }
  st = gguf_need_tensor(f, "head.allowed", GGUF_T_I8, w->n_slots ? w->n_slots : 1, labels, &t, err);
  if (!st) w->allowed = t->data;
  return st;
}

/* The bag is optional: a file without its weights has none. */
static base_status bind_bag(head_brain *b, const gguf_file *f, base_error *err) {
  head_bag *bag = &b->heads.bag;
  uint64_t labels = b->heads.n_labels, buckets = HEAD_BAG_BUCKETS;
  const gguf_tensor *weight, *scale, *idf, *bias;
  if (gguf_find_tensor(f, "head.bag.weight") == NULL) return BASE_OK;
  base_status st = gguf_need_tensor(f, "head.bag.weight", GGUF_T_I8, labels, buckets, &weight, err);
  if (!st) st = gguf_need_tensor(f, "head.bag.scale", GGUF_T_F32, buckets, 1, &scale, err);
  if (!st) st = gguf_need_tensor(f, "head.bag.idf", GGUF_T_F32, buckets, 1, &idf, err);
  if (!st) st = gguf_need_tensor(f, "head.bag.bias", GGUF_T_F32, labels, 1, &bias, err);
  if (st) return st;
  *bag = (head_bag){HEAD_BAG_BUCKETS, idf->data, weight->data, scale->data, bias->data};
  return BASE_OK;
}

/* So is the tagger, and what it knows of slot values. */
static base_status bind_tagger(head_brain *b, const gguf_file *f, base_error *err) {
  head_tagger *t = &b->heads.tagger;
  uint64_t tags = 1 + 2 * (uint64_t)b->heads.n_slots;
  const gguf_tensor *weight, *scale, *value, *slot;
  if (gguf_find_tensor(f, "head.tagger.weight") == NULL) return BASE_OK;
  base_status st = gguf_need_tensor(f, "head.tagger.weight", GGUF_T_I8, tags, 0, &weight, err);
  if (!st) st = gguf_need_tensor(f, "head.tagger.scale", GGUF_T_F32, weight->dim[1], 1, &scale, err);
  if (st) return st;
  if (weight->dim[1] > HEAD_TAGGER_BUCKETS)
    return base_fail(err, BASE_ELIMIT, gguf_path(f), "the tagger has %llu buckets; at most %d are supported",
                     (unsigned long long)weight->dim[1], HEAD_TAGGER_BUCKETS);
  *t = (head_tagger){.buckets = (uint32_t)weight->dim[1], .weight = weight->data, .scale = scale->data};
  if (gguf_find_tensor(f, "head.tagger.value") == NULL) return BASE_OK;
  st = gguf_need_tensor(f, "head.tagger.value", GGUF_T_I32, 0, 1, &value, err);
  if (!st) st = gguf_need_tensor(f, "head.tagger.value_slot", GGUF_T_I8, value->dim[0], 1, &slot, err);
  if (st) return st;
  t->n_values = (size_t)value->dim[0];
  t->value = value->data;
  t->value_slot = slot->data;
  return BASE_OK;
}

/* The numbers of an optional key, 0 to 10 each; *found is false and v untouched where the file has none. */
static base_status optional_weights(const gguf_file *f, const char *key, float *v, size_t n, bool *found,
                                    base_error *err) {
  const void *raw;
  uint64_t count;
  *found = gguf_find(f, key) != NULL;
  if (!*found) return BASE_OK;
  base_status st = gguf_get_f32s(f, key, &raw, &count, err);
  if (st) return st;
  if (count != n)
    return base_fail(err, BASE_EFORMAT, gguf_path(f), "%s has %llu numbers instead of %zu", key,
                     (unsigned long long)count, n);
  memcpy(v, raw, n * sizeof *v);
  for (size_t i = 0; i < n; i++)
    if (!(v[i] >= 0.0f && v[i] <= 10.0f))
      return base_fail(err, BASE_EFORMAT, gguf_path(f), "number %zu of %s is out of range", i, key);
  return BASE_OK;
}

/* How trunk and tagger mix, absent where there is no tagger; what the tags say about the label, absent where that
 * counts for nothing. */
static base_status bind_tag_mixture(head_calibration *c, const gguf_file *f, base_error *err) {
  float tags[3] = {0}, evidence[2] = {0};
  bool found;
  base_status st = optional_weights(f, "minnow.tags", tags, 3, &found, err);
  if (!st && found) {
    c->tag_scale = tags[0];
    c->tagger_weight = tags[1];
    c->move_scale = tags[2];
  }
  if (!st) st = optional_weights(f, "minnow.head.evidence", evidence, 2, &found, err);
  if (!st && found) {
    c->slots_weight = evidence[0];
    c->path_weight = evidence[1];
  }
  return st;
}

/* The label for what is out of scope, where the file has one that is chosen by the threshold. */
static base_status bind_none(head_calibration *c, uint32_t n_labels, const gguf_file *f, base_error *err) {
  static const char key[] = "minnow.head.none";
  uint32_t none;
  if (gguf_find(f, key) == NULL) return BASE_OK;
  base_status st = gguf_get_u32(f, key, &none, err);
  if (st) return st;
  if (none >= n_labels) return base_fail(err, BASE_EFORMAT, gguf_path(f), "%s is none of the %u labels", key, n_labels);
  c->none_plus_1 = none + 1;
  return BASE_OK;
}

/* Six numbers, then means, inverse deviations and weights of the probe's features. A file made when there were fewer
 * features gives the others no weight. */
static base_status bind_calibration(head_calibration *c, const gguf_file *f, base_error *err) {
  const void *raw;
  uint64_t count;
  float v[6 + 3 * HEAD_FEATURES];
  base_status st = gguf_get_f32s(f, "minnow.calibration", &raw, &count, err);
  if (st) return st;
  size_t n = count == 6 + 3 * HEAD_FEATURES_FIRST ? HEAD_FEATURES_FIRST : HEAD_FEATURES;
  if (count != 6 + 3 * n)
    return base_fail(err, BASE_EFORMAT, gguf_path(f), "minnow.calibration has %llu numbers instead of %zu",
                     (unsigned long long)count, 6 + 3 * n);
  memcpy(v, raw, (size_t)count * sizeof *v);
  for (size_t i = 0; i < count; i++)
    if (!isfinite(v[i]))
      return base_fail(err, BASE_EFORMAT, gguf_path(f), "number %zu of minnow.calibration is not finite", i);
  *c = (head_calibration){.temperature = v[0],
                          .bias = v[1],
                          .act_threshold = v[2],
                          .target = v[3],
                          .oos_threshold = v[4],
                          .bag_weight = v[5],
                          .tag_scale = 1.0f,
                          .move_scale = 1.0f};
  memcpy(c->mean, v + 6, n * sizeof *v);
  memcpy(c->inv_std, v + 6 + n, n * sizeof *v);
  memcpy(c->weight, v + 6 + 2 * n, n * sizeof *v);
  if (!(c->temperature > 0.01f && c->temperature < 100.0f))
    return base_fail(err, BASE_EFORMAT, gguf_path(f), "the calibration temperature is out of range");
  return BASE_OK;
}

/* The risk curve: shares, then their thresholds. Optional. */
static base_status bind_risks(head_calibration *c, const gguf_file *f, base_error *err) {
  static const char key[] = "minnow.risk";
  const void *raw;
  uint64_t count;
  float v[2 * HEAD_RISKS];
  if (gguf_find(f, key) == NULL) return BASE_OK;
  base_status st = gguf_get_f32s(f, key, &raw, &count, err);
  if (st) return st;
  if (count > 2 * HEAD_RISKS || count % 2 != 0)
    return base_fail(err, BASE_EFORMAT, gguf_path(f), "%s has %llu numbers instead of at most %d pairs", key,
                     (unsigned long long)count, HEAD_RISKS);
  size_t n = (size_t)count / 2;
  memcpy(v, raw, (size_t)count * sizeof *v);
  for (size_t i = 0; i < n; i++) {
    bool fine =
        v[i] > (i ? v[i - 1] : 0.0f) && v[i] < 1.0f && v[n + i] >= 0.0f && v[n + i] <= (i ? v[n + i - 1] : 2.0f);
    if (!fine)
      return base_fail(err, BASE_EFORMAT, gguf_path(f), "point %zu of %s does not belong behind the one before", i,
                       key);
    c->risk_share[i] = v[i];
    c->risk_threshold[i] = v[n + i];
  }
  c->n_risks = (uint32_t)n;
  return BASE_OK;
}

base_status head_brain_open(head_brain **out, const gguf_file *f, const tok_bpe *shared,
                            const base_allocator *a, base_error *err) {
  if (a == NULL) a = base_allocator_libc();
  head_brain *b = base_calloc(a, 1, sizeof *b);
  if (b == NULL) return base_fail(err, BASE_ENOMEM, gguf_path(f), "no memory for the model's tables");
  b->allocator = *a;
  base_status st = model_trunk_bind(&b->trunk, f, err);
  if (!st) st = bind_names(b, f, err);
  if (!st) st = bind_heads(b, f, err);
  if (!st) st = bind_bag(b, f, err);
  if (!st) st = bind_tagger(b, f, err);
  if (!st) st = bind_calibration(&b->calibration, f, err);
  if (!st) st = bind_tag_mixture(&b->calibration, f, err);
  if (!st) st = bind_none(&b->calibration, b->heads.n_labels, f, err);
  if (!st) st = bind_risks(&b->calibration, f, err);
  b->tok = shared;
  if (!st && (shared == NULL || !tok_bpe_matches(shared, f))) {
    st = tok_bpe_open(&b->own_tok, f, a, err);
    b->tok = b->own_tok;
  }
  if (!st && tok_bpe_vocab(b->tok) != b->trunk.shape.vocab)
    st = base_fail(err, BASE_EMISMATCH, gguf_path(f), "the tokenizer has %zu tokens and the embedding %u",
                   tok_bpe_vocab(b->tok), b->trunk.shape.vocab);
  if (st) {
    head_brain_close(b);
    return st;
  }
  *out = b;
  return BASE_OK;
}

void head_brain_close(head_brain *b) {
  if (b == NULL) return;
  base_allocator a = b->allocator;
  tok_bpe_close(b->own_tok);
  base_free(&a, b->names, (b->heads.n_labels + (size_t)b->heads.n_slots) * sizeof *b->names);
  base_free(&a, b, sizeof *b);
}

const model_trunk *head_brain_trunk(const head_brain *b) { return &b->trunk; }
const tok_bpe *head_brain_tok(const head_brain *b) { return b->tok; }
const head_weights *head_brain_weights(const head_brain *b) { return &b->heads; }
const head_calibration *head_brain_calibration(const head_brain *b) { return &b->calibration; }

base_slice head_brain_label(const head_brain *b, size_t label) {
  return label < b->heads.n_labels ? b->names[label] : (base_slice){0};
}

base_slice head_brain_slot(const head_brain *b, size_t slot) {
  return slot < b->heads.n_slots ? b->names[b->heads.n_labels + slot] : (base_slice){0};
}

/* ---- running ---- */

void head_brain_run(const head_brain *b, const cpu_kernels *k, base_slice text, head_scratch *s,
                    head_result *out) {
  head_brain_run_with(b, &b->calibration, k, text, s, out);
}

void head_brain_run_with(const head_brain *b, const head_calibration *c, const cpu_kernels *k,
                         base_slice text, head_scratch *s, head_result *out) {
  size_t room = s->tok.max_tokens;
  if (room > b->trunk.shape.max_tokens) s->tok.max_tokens = b->trunk.shape.max_tokens;
  tok_bpe_encode(b->tok, text.ptr, text.len, 0.0f, NULL, &s->tok);
  s->tok.max_tokens = room;
  const float *hidden =
      model_trunk_forward(&b->trunk, k, s->tok.ids, s->tok.cases, s->tok.n_tokens, s->model);
  head_decode(&b->heads, c, k, hidden, text, &s->tok, s, out);
}

void head_brain_run_without(const head_brain *b, const cpu_kernels *k, uint16_t label, head_scratch *s,
                            head_result *out) {
  head_decode_without(&b->heads, &b->calibration, k, label, s, out);
}
