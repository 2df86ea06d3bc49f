/* Malformed safetensors, tokenizer.json and tokenizer.model, from bytes, each with the sentence that it must get. */
#include "convert/convert.h"
#include "convert/vocab.h"
#include "convert/weights.h"

#include "tap.h"

#include <string.h>

/* ---- safetensors ---- */

static const struct {
  const char *header; /* the data that follows has 16 bytes */
  const char *text;
} bad_weights[] = {
    {"{", "line 1"},
    {"[]", "no JSON object"},
    {"{\"a\":1}", "unknown dtype"},
    {"{\"a\":{\"dtype\":\"F33\",\"shape\":[4],\"data_offsets\":[0,16]}}", "unknown dtype F33"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,16]}}", "has no shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,4],\"data_offsets\":[0,16]}}", "has no shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}", "impossible shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4.0],\"data_offsets\":[0,16]}}", "impossible shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,16]}}",
     "impossible shape"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904],\"data_offsets\":[0,16]}}",
     "shape does not give"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[0,16]}}", "shape does not give"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,20]}}", "does not lie inside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}}", "does not lie inside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-1,15]}}", "does not lie inside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", "does not lie inside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,9223372036854775807]}}",
     "does not lie inside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "bytes follow"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}", "gap lies before"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},\"b\":{\"dtype\":\"F32\",\"shape\":[2]"
     ","
     "\"data_offsets\":[8,16]}}",
     "\"b\" overlaps"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},\"a\":{\"dtype\":\"F32\",\"shape\":[4]"
     ","
     "\"data_offsets\":[0,16]}}",
     "duplicate"},
};

static void test_bad_weights(void) {
  for (size_t i = 0; i < sizeof bad_weights / sizeof bad_weights[0]; i++) {
    base_buf file = {0};
    uint64_t len = strlen(bad_weights[i].header);
    convert_weights w = {0};
    base_error err = {0};
    base_buf_add(&file, &len, 8);
    base_buf_puts(&file, bad_weights[i].header);
    base_buf_add(&file, "0123456789abcdef", 16);
    base_status status = convert_weights_open_bytes(&w, file.ptr, file.len, "test", &err);
    TAP_OK(status != BASE_OK && strstr(err.text, bad_weights[i].text), "%s: %s", bad_weights[i].header,
           err.text);
    convert_weights_close(&w);
    base_buf_free(&file);
  }
  static const uint64_t lengths[] = {0, 8, 1000, UINT64_MAX, UINT64_C(1) << 40};
  for (size_t i = 0; i < 5; i++) {
    convert_weights w = {0};
    char bytes[16] = {0};
    memcpy(bytes, &lengths[i], 8);
    TAP_OK(convert_weights_open_bytes(&w, bytes, i == 0 ? 4 : sizeof bytes, "test", NULL) != BASE_OK,
           "length %zu", i);
    convert_weights_close(&w);
  }
}

/* ---- tokenizers ---- */

#define BPE_START "{\"model\":{\"type\":\"BPE\",\"vocab\":"
#define BYTE_END ",\"pre_tokenizer\":{\"type\":\"ByteLevel\"}}"

static const struct {
  const char *json, *text;
} bad_tokenizers[] = {
    {"{}", "the tokenizer model \"\""},
    {"{\"model\":{\"type\":\"Foo\"}}", "\"Foo\""},
    {BPE_START "[]}" BYTE_END, "\"model.vocab\" is no object"},
    {BPE_START "{\"a\":\"b\"}}" BYTE_END, "\"a\" has no id"},
    {BPE_START "{\"a\":-1}}" BYTE_END, "\"a\" has no id"},
    {BPE_START "{\"a\":4000000000}}" BYTE_END, "\"a\" has the id 4000000000"},
    {BPE_START "{\"a\":0,\"b\":0}}" BYTE_END, "\"a\" and \"b\" both have the id 0"},
    {BPE_START "{\"a\":0}}" BYTE_END, "\"model.merges\" is no list"},
    {BPE_START "{\"a\":0},\"merges\":[\"a\"]}" BYTE_END, "merge 0 is no pair"},
    {BPE_START "{\"a\":0},\"merges\":[[\"a\",\"b\",\"c\"]]}" BYTE_END, "merge 0 is no pair"},
    {BPE_START "{\"a\":0},\"merges\":[[1,2]]}}", "merge 0 is no pair"},
    {BPE_START "{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{"
               "\"type\":\"Split\","
               "\"pattern\":{\"Regex\":\"x+\"}},{\"type\":\"ByteLevel\",\"use_regex\":false}]}}",
     "with the expression x+"},
    {BPE_START "{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{"
               "\"type\":\"Odd\"},"
               "{\"type\":\"ByteLevel\"}]}}",
     "is not known"},
    {BPE_START "{\"a\":0},\"merges\":[]},\"added_tokens\":[{\"id\":1}]" BYTE_END, "added token 0"},
    {BPE_START "{\"a\":0},\"merges\":[]},\"added_tokens\":[{\"id\":0,\"content\":\"z\"}]" BYTE_END,
     "both have the id 0"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":{}}}", "is no list"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", "piece 0"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1e300]]}}", "piece 0"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1]]},\"normalizer\":{\"type\":\"Precompiled\","
     "\"precompiled_charsmap\":\"!!\"}}",
     "no base64"},
    {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0},\"continuing_subword_prefix\":\"@@\"}}",
     "is \"@@\""},
};

static void test_bad_tokenizers(void) {
  for (size_t i = 0; i < sizeof bad_tokenizers / sizeof bad_tokenizers[0]; i++) {
    convert_vocab v;
    base_error err = {0};
    convert_vocab_init(&v);
    json_t *json = convert_parse_json(bad_tokenizers[i].json, strlen(bad_tokenizers[i].json), "test", &err);
    base_status status = json != NULL ? convert_vocab_read_json(&v, json, "test", &err) : BASE_EFORMAT;
    TAP_OK(status != BASE_OK && strstr(err.text, bad_tokenizers[i].text), "%s: %s", bad_tokenizers[i].json,
           err.text);
    json_decref(json);
    convert_vocab_free(&v);
  }
}

static const struct {
  const char *bytes;
  size_t len;
  const char *text;
} bad_models[] = {
    {"", 0, "no SentencePiece model"},
    {"\x0A", 1, "a field is broken"},
    {"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, "a field is broken"},
    {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 11, "a field is broken"},
    {"\x0A\x03\x0A\x05x", 5, "a field is broken"},
    {"\x0A\x03\x0A\x01\xFF", 5, "not UTF-8"},
    {"\x0A\x02\x18\x09", 4, "unknown type"},
    {"\x0A\x05\x15\x00\x00\xC0\x7F", 7, "no score"},
    {"\x0A\x03\x0A\x01x\x12\x02\x18\x03", 9, "type 3 is not known"},
    {"\x0B", 1, "a field is broken"},
};

static void test_bad_models(void) {
  for (size_t i = 0; i < sizeof bad_models / sizeof bad_models[0]; i++) {
    convert_vocab v;
    base_error err = {0};
    convert_vocab_init(&v);
    base_status status = convert_vocab_read_model(&v, bad_models[i].bytes, bad_models[i].len, "test", &err);
    TAP_OK(status != BASE_OK && strstr(err.text, bad_models[i].text), "model %zu: %s", i, err.text);
    convert_vocab_free(&v);
  }
}

int main(void) {
  test_bad_weights();
  test_bad_tokenizers();
  test_bad_models();
  return tap_done("test_convert_bytes");
}
