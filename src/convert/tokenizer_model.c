/* convert/tokenizer_model: SentencePiece's tokenizer.model, a protocol buffer (sentencepiece_model.proto),
 * read through a cursor and written. Only fields that matter are looked at; lengths are held against what is
 * left. */
#include <string.h>

#include "convert/vocab.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* One field of a message. */
typedef struct field {
  uint64_t number;
  int wire;
  uint64_t value; /* of a varint or fixed number */
  base_slice bytes;
} field;

static uint64_t read_varint(base_cursor *c) {
  uint64_t v = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    uint8_t b = base_cursor_u8(c);
    v |= (uint64_t)(b & 127) << shift;
    if (b < 128) return v;
  }
  c->failed = true;
  return 0;
}

/* The next field; false at the end or when the message is broken (then c->failed). */
static bool next_field(base_cursor *c, field *f) {
  if (c->pos == c->len || c->failed) return false;
  uint64_t tag = read_varint(c);
  *f = (field){.number = tag >> 3, .wire = (int)(tag & 7)};
  switch (f->wire) {
    case WIRE_VARINT: f->value = read_varint(c); break;
    case WIRE_64: f->value = base_cursor_u64(c); break;
    case WIRE_32: f->value = base_cursor_u32(c); break;
    case WIRE_BYTES: {
      uint64_t len = read_varint(c);
      if (len > c->len - c->pos) c->failed = true;
      const char *ptr = c->failed ? NULL : base_cursor_bytes(c, (size_t)len);
      if (ptr != NULL) f->bytes = (base_slice){ptr, (size_t)len};
      break;
    }
    default: c->failed = true; break;
  }
  return !c->failed;
}

static float float_of(uint64_t bits) {
  uint32_t low = (uint32_t)bits;
  float v;
  memcpy(&v, &low, sizeof v);
  return v;
}

static base_status broken(const char *where, base_error *err) {
  return base_fail(err, BASE_EFORMAT, where, "this is no SentencePiece model: a field is broken");
}

/* SentencePiece {1: piece, 2: score, 3: type} */
static base_status read_piece(convert_vocab *v, base_slice message, const char *where, base_error *err) {
  base_cursor c = base_cursor_of(message.ptr, message.len);
  field f;
  base_slice text = {"", 0};
  float score = 0;
  int32_t type = TOKEN_NORMAL;
  while (next_field(&c, &f)) {
    if (f.number == 1 && f.wire == WIRE_BYTES) text = f.bytes;
    if (f.number == 2 && f.wire == WIRE_32) score = float_of(f.value);
    if (f.number == 3 && f.wire == WIRE_VARINT) type = f.value <= TOKEN_BYTE ? (int32_t)f.value : 0;
  }
  if (c.failed) return broken(where, err);
  if (type < TOKEN_NORMAL) return base_fail(err, BASE_EFORMAT, where, "piece %zu has an unknown type", v->n);
  if (!(score - score == 0)) return base_fail(err, BASE_EFORMAT, where, "piece %zu has no score", v->n);
  if (text.len > 0 && !base_utf8_valid(text.ptr, text.len))
    return base_fail(err, BASE_EFORMAT, where, "piece %zu is not UTF-8", v->n);
  if (type == TOKEN_UNKNOWN && v->special[SPECIAL_UNK] < 0) v->special[SPECIAL_UNK] = (int64_t)v->n;
  return convert_vocab_set(v, v->n, text, score, type, where, err);
}

/* TrainerSpec {3: model_type, 40: unk_id, 41: bos_id, 42: eos_id, 43: pad_id} */
static base_status read_trainer(convert_vocab *v, base_slice message, uint64_t *model_type, const char *where,
                                base_error *err) {
  static const int ids[4] = {SPECIAL_UNK, SPECIAL_BOS, SPECIAL_EOS, SPECIAL_PAD};
  base_cursor c = base_cursor_of(message.ptr, message.len);
  field f;
  while (next_field(&c, &f)) {
    if (f.wire != WIRE_VARINT) continue;
    if (f.number == 3) *model_type = f.value;
    if (f.number >= 40 && f.number <= 43) v->special[ids[f.number - 40]] = (int32_t)f.value;
  }
  return c.failed ? broken(where, err) : BASE_OK;
}

/* NormalizerSpec {2: precompiled_charsmap, 3: add_dummy_prefix, 4: remove_extra_whitespaces} */
static base_status read_normalizer(convert_vocab *v, base_slice message, const char *where, base_error *err) {
  base_cursor c = base_cursor_of(message.ptr, message.len);
  field f;
  v->add_space_prefix = v->remove_extra_spaces = 1;
  while (next_field(&c, &f)) {
    if (f.number == 2 && f.wire == WIRE_BYTES && f.bytes.len > 0)
      base_buf_add(&v->charsmap, f.bytes.ptr, f.bytes.len);
    if (f.number == 3 && f.wire == WIRE_VARINT) v->add_space_prefix = f.value != 0;
    if (f.number == 4 && f.wire == WIRE_VARINT) v->remove_extra_spaces = f.value != 0;
  }
  if (v->charsmap.failed) return base_fail(err, BASE_ENOMEM, where, "no memory for the table of characters");
  return c.failed ? broken(where, err) : BASE_OK;
}

/* Ids that name no piece are none. */
static void check_ids(convert_vocab *v) {
  for (int i = 0; i < SPECIALS; i++) {
    if (v->special[i] < 0 || (uint64_t)v->special[i] >= v->n) v->special[i] = -1;
  }
}

base_status convert_vocab_read_model(convert_vocab *v, const void *bytes, size_t len, const char *where,
                                     base_error *err) {
  base_cursor c = base_cursor_of(bytes, len);
  field f;
  uint64_t model_type = 1;
  base_status status = BASE_OK;
  v->add_space_prefix = 1;
  v->special[SPECIAL_BOS] = 1;
  v->special[SPECIAL_EOS] = 2;
  while (!status && next_field(&c, &f)) {
    if (f.wire != WIRE_BYTES) continue;
    if (f.number == 1) status = read_piece(v, f.bytes, where, err);
    if (f.number == 2) status = read_trainer(v, f.bytes, &model_type, where, err);
    if (f.number == 3) status = read_normalizer(v, f.bytes, where, err);
  }
  if (status) return status;
  if (c.failed || v->n == 0) return broken(where, err);
  if (model_type != 1 && model_type != 2)
    return base_fail(err, BASE_EUNSUPPORTED, where,
                     "the SentencePiece model type %llu is not known; unigram (1) and BPE (2) are",
                     (unsigned long long)model_type);
  check_ids(v);
  v->model = model_type == 2 ? "llama" : "t5";
  v->pre = "default";
  if (model_type == 2) {
    base_buf_clear(&v->charsmap); /* llama's BPE takes text as it is */
    v->remove_extra_spaces = -1;
    v->add_bos = 1;
    v->add_eos = 0;
  } else {
    v->add_bos = 0;
    v->add_eos = 1;
  }
  return BASE_OK;
}
