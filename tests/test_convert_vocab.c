/* What stands in the small files of a Hugging Face folder: ways to cut a text, added tokens, numbers without end. And
 * files of our own, which are not all converted. */
#include "convert/convert.h"
#include "convert/vocab.h"
#include "convert/weights.h"

#include "os/os.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[] = "/tmp/minnow-vocab-XXXXXX";

static const char *path_of(const char *name, char path[256]) {
  (void)base_format(path, 256, "%s/%s", root, name);
  return path;
}

static void save(const char *name, const void *bytes, size_t len) {
  char path[256];
  base_error err = {0};
  os_writer *w = NULL;
  base_status st = os_writer_open(&w, path_of(name, path), &err);
  if (!st) st = os_writer_add(w, bytes, len, &err);
  if (!st) st = os_writer_commit(w, &err);
  TAP_OK(st == BASE_OK, "%s: %s", name, err.text);
}

static void save_text(const char *name, const char *text) { save(name, text, strlen(text)); }

/* What transformers writes for "as long as you like": more than 64 bits hold. */
#define NO_LIMIT "1000000000000000019884624838656"

/* Numbers that 64 bits do not hold stop nobody, and in a text they stay what they are. */
static void test_long_numbers(void) {
  char path[256];
  base_error err = {0};
  save_text("long.json", "{\"a\":[" NO_LIMIT ",-" NO_LIMIT "],\"b\":\"" NO_LIMIT "\",\"c\":0.1234567890123456789012345,"
            "\"d\":123456789012345678}");
  json_t *json = convert_load_json(path_of("long.json", path), 4096, &err);
  const json_t *a = json_object_get(json, "a");
  TAP_OK(json_number_value(json_array_get(a, 0)) == 1e30 && json_number_value(json_array_get(a, 1)) == -1e30, "%s",
         err.text);
  TAP_OK(json && strcmp(json_string_value(json_object_get(json, "b")), NO_LIMIT) == 0, "in a text");
  TAP_OK(fabs(json_number_value(json_object_get(json, "c")) - 0.12345678901234568) < 1e-17, "behind a point");
  TAP_OK(json_integer_value(json_object_get(json, "d")) == 123456789012345678, "what fits is exact");
  json_decref(json);
}

/* Every known way to cut a text before pairs are joined, as tokenizer.json says it. */
static void test_presplits(void) {
  const char *name, *expression;
  bool digits;
  for (size_t i = 0; convert_presplit(i, &name, &digits, &expression); i++) {
    base_buf steps = {0}, text = {0};
    convert_vocab v;
    base_error err = {0};
    base_buf_puts(&steps, "{\"type\":\"Sequence\",\"pretokenizers\":[");
    if (digits) base_buf_puts(&steps, "{\"type\":\"Digits\",\"individual_digits\":true},");
    if (expression[0] != 0) base_buf_puts(&steps, "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"");
    for (const char *c = expression; *c != 0; c++) base_buf_printf(&steps, *c == '\\' ? "\\\\" : "%c", *c);
    if (expression[0] != 0) base_buf_puts(&steps, "\"}},");
    base_buf_printf(&steps, "{\"type\":\"ByteLevel\",\"use_regex\":%s}]}", expression[0] != 0 ? "false" : "true");
    base_buf_putc(&steps, 0);
    base_buf_puts(&text, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[]},");
    base_buf_printf(&text, "\"pre_tokenizer\":%s}", steps.ptr);
    json_t *json = convert_parse_json(text.ptr, text.len, name, &err);
    convert_vocab_init(&v);
    base_status st = json != NULL ? convert_vocab_read_json(&v, json, name, &err) : BASE_EFORMAT;
    TAP_OK(st == BASE_OK && strcmp(v.pre, name) == 0, "%s: %s", name, err.text);
    json_decref(json);
    convert_vocab_free(&v);
    base_buf_free(&steps);
    base_buf_free(&text);
  }
}

/* SentencePiece's file with the tokens that added_tokens.json puts behind its own. */
static void test_added_file(void) {
  static const char model[] = "\x0A\x07\x0A\x05<unk>\x0A\x03\x0A\x01" "a" "\x12\x02\x18\x02"; /* two pieces, BPE */
  base_error err = {0};
  convert_vocab v;
  save("tokenizer.model", model, sizeof model - 1);
  save_text("added_tokens.json", "{\"<old>\":2,\"a\":1,\"<|end|>\":3}");
  convert_vocab_init(&v);
  TAP_OK(convert_vocab_read(&v, root, &err) == BASE_OK && v.n == 4 && v.n_own == 2, "%s: %s", err.where,
         err.text);
  TAP_OK(v.n == 4 && base_slice_equal(convert_vocab_text(&v, 2), BASE_LITERAL("<old>")), "what was added");
  TAP_OK(v.n == 4 && v.tokens[2].type == TOKEN_USER && v.tokens[3].type == TOKEN_CONTROL, "and as what");
  convert_vocab_free(&v);
  save_text("tokenizer.json",
            "{\"added_tokens\":[{\"id\":1,\"content\":\"b\"},{\"id\":2,\"content\":\"<old>\",\"special\":true},"
            "{\"id\":4,\"content\":\"<new>\"}]}");
  TAP_OK(convert_vocab_read(&v, root, &err) == BASE_OK && v.n == 5 && v.n_own == 2, "%s: %s", err.where, err.text);
  bool known = v.n == 5 && v.tokens[4].type == TOKEN_USER && v.tokens[2].type == TOKEN_CONTROL;
  TAP_OK(known && base_slice_equal(convert_vocab_text(&v, 4), BASE_LITERAL("<new>")), "tokenizer.json adds to it");
  TAP_OK(known && base_slice_equal(convert_vocab_text(&v, 1), BASE_LITERAL("a")), "and does not change it");
  convert_vocab_free(&v);
  save_text("added_tokens.json", "{\"<old>\":\"2\"}");
  TAP_OK(convert_vocab_read(&v, root, &err) != BASE_OK && strstr(err.text, "<old>"), "%s", err.text);
  convert_vocab_free(&v);
}

/* Our own files: one that understands is made by training alone, one that writes is like any other model. */
static void test_own_models(void) {
  char in[256], out[256];
  for (int writes = 0; writes <= 1; writes++) {
    gguf_writer *w = gguf_writer_new(NULL);
    base_error quantised = {0}, exported = {0};
    gguf_put_string(w, "general.architecture", BASE_LITERAL("minnow"));
    gguf_put_bool(w, "minnow.attention.causal", writes != 0);
    TAP_OK(gguf_writer_save(w, path_of("own.gguf", in), NULL) == BASE_OK, "a file");
    gguf_writer_free(w);
    (void)convert_quantize(in, path_of("made.gguf", out), "F16", NULL, &quantised);
    (void)convert_export(in, path_of("made", out), NULL, NULL, &exported);
    TAP_OK((strstr(quantised.text, "this is a pack") != NULL) != writes, "quantize: %s", quantised.text);
    TAP_OK((strstr(exported.text, "this is a pack") != NULL) != writes, "export: %s", exported.text);
    (void)remove(path_of("made.gguf", out));
  }
}

int main(void) {
  static const char *const made[] = {"long.json", "tokenizer.model", "added_tokens.json", "tokenizer.json",
                                     "own.gguf"};
  char path[256];
  if (mkdtemp(root) == NULL) return 1;
  test_long_numbers();
  test_presplits();
  test_added_file();
  test_own_models();
  for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) (void)remove(path_of(made[i], path));
  TAP_OK(rmdir(root) == 0, "nothing else was left");
  return tap_done("test_convert_vocab");
}
