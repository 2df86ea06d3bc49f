/* The tokenizer of a GGUF file as files of a Hugging Face folder: what cannot be written is named. That what is written
 * comes back as it was, test_convert shows. */
#include "convert/convert.h"
#include "convert/vocab.h"

#include "tap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[] = "/tmp/minnow-export-XXXXXX";

typedef struct made {
  const char *model, *pre; /* NULL: no such key */
  const char *last;        /* the fourth token */
  const char *merge, *chat;
} made;

/* A file with that vocabulary, and its tokenizer exported. */
static base_status export(const made *m, base_error *err) {
  char path[256], folder[256];
  const base_slice token[] = {BASE_LITERAL("<unk>"), BASE_LITERAL("<s>"), BASE_LITERAL("</s>"), base_slice_of(m->last)};
  const int32_t type[] = {2, 3, 3, 1};
  const float score[] = {0.0f, 0.0f, 0.0f, -1.0f};
  base_slice merge = base_slice_of(m->merge);
  gguf_writer *w = gguf_writer_new(NULL);
  gguf_file *f = NULL;
  if (m->model != NULL) gguf_put_string(w, "tokenizer.ggml.model", base_slice_of(m->model));
  if (m->pre != NULL) gguf_put_string(w, "tokenizer.ggml.pre", base_slice_of(m->pre));
  gguf_put_strings(w, "tokenizer.ggml.tokens", token, 4);
  gguf_put_i32s(w, "tokenizer.ggml.token_type", type, 4);
  gguf_put_f32s(w, "tokenizer.ggml.scores", score, 4);
  gguf_put_strings(w, "tokenizer.ggml.merges", &merge, 1);
  if (m->chat != NULL) gguf_put_string(w, "tokenizer.chat_template", base_slice_of(m->chat));
  (void)base_format(path, sizeof path, "%s/in.gguf", root);
  (void)base_format(folder, sizeof folder, "%s/out", root);
  base_status st = gguf_writer_save(w, path, err);
  if (!st) st = os_mkdir(folder, err);
  if (!st) st = gguf_open(&f, path, NULL, err);
  if (!st) st = convert_vocab_export(f, folder, err);
  gguf_close(f);
  gguf_writer_free(w);
  return st;
}

static const char not_text[] = "a\xFF", surrogate[] = "\xED\xA0\x80";

static const struct {
  made m;
  base_status status;
  const char *text;
} cases[] = {
    {{"gpt2", "qwen2", "ab", "a b", "{{ x }}"}, BASE_OK, ""},
    {{"llama", NULL, "ab", "", "{{ x }}"}, BASE_OK, ""},
    {{"bert", NULL, "ab", "", NULL}, BASE_OK, ""},
    {{"t5", NULL, "ab", "", NULL}, BASE_OK, ""},
    {{"gpt2", "qwen2", not_text, "a b", NULL}, BASE_EFORMAT, "token 3 is not UTF-8"},
    {{"llama", NULL, not_text, "", NULL}, BASE_EFORMAT, "token 3 is not UTF-8"},
    {{"bert", NULL, surrogate, "", NULL}, BASE_EFORMAT, "token 3 is not UTF-8"},
    {{"t5", NULL, not_text, "", NULL}, BASE_EFORMAT, "token 3 is not UTF-8"},
    {{"gpt2", "qwen2", "ab", "a \xFF", NULL}, BASE_EFORMAT, "merge 0 is not UTF-8"},
    {{"gpt2", "qwen2", "ab", "a", NULL}, BASE_EFORMAT, "merge 0 is no pair"},
    {{"gpt2", "qwen2", "ab", "a b c", NULL}, BASE_EFORMAT, "merge 0 is no pair"},
    {{"gpt2", "unheard-of", "ab", "a b", NULL}, BASE_EUNSUPPORTED, "the pre-split rule \"unheard-of\""},
    {{"gpt2", "qwen2", "ab", "a b", not_text}, BASE_EFORMAT, "tokenizer.chat_template is not UTF-8"},
    {{"llama", NULL, "ab", "", not_text}, BASE_EFORMAT, "tokenizer.chat_template is not UTF-8"},
    {{"rwkv", NULL, "ab", "", NULL}, BASE_EUNSUPPORTED, "the tokenizer \"rwkv\" is not known"},
    {{NULL, NULL, "ab", "", NULL}, BASE_EFORMAT, ""},
};

/* A run of blanks that is an added token is found by a merge, before any other. */
static void test_blanks(void) {
#define MARK "\xE2\x96\x81"
  static const base_slice tokens[] = {BASE_LITERAL("<unk>"), BASE_LITERAL(MARK), BASE_LITERAL("a"),
                                      BASE_LITERAL(MARK "a"), BASE_LITERAL(MARK MARK)};
  static const int32_t types[] = {2, 1, 1, 1, 4};
  static const float scores[] = {0, -3, -4, -1, -1000};
  static const char wanted[] = "\"merges\":[[\"" MARK "\",\"" MARK "\"],[\"" MARK "\",\"a\"]]";
  gguf_writer *w = gguf_writer_new(NULL);
  gguf_file *f = NULL;
  base_buf out = {0}, packed = {0};
  char path[300], folder[300];
  base_error err = {0};
  (void)base_format(path, sizeof path, "%s/in.gguf", root);
  (void)base_format(folder, sizeof folder, "%s/out", root);
  gguf_put_string(w, "tokenizer.ggml.model", BASE_LITERAL("llama"));
  gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, 5);
  gguf_put_i32s(w, "tokenizer.ggml.token_type", types, 5);
  gguf_put_f32s(w, "tokenizer.ggml.scores", scores, 5);
  base_status st = gguf_writer_save(w, path, &err);
  if (!st) st = gguf_open(&f, path, NULL, &err);
  if (!st) st = convert_vocab_export(f, folder, &err);
  (void)base_format(path, sizeof path, "%s/tokenizer.json", folder);
  if (!st) st = os_read_file(path, 1 << 20, &out, &err);
  for (size_t i = 0; i < out.len; i++)
    if (strchr(" \n", out.ptr[i]) == NULL) base_buf_putc(&packed, out.ptr[i]);
  base_buf_putc(&packed, 0);
  TAP_OK(st == BASE_OK && strstr(packed.ptr, wanted), "%s: %s", err.text, packed.ptr);
  base_buf_free(&out);
  base_buf_free(&packed);
  gguf_close(f);
  gguf_writer_free(w);
}

int main(void) {
  char command[300];
  if (mkdtemp(root) == NULL) return 1;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    base_error err = {0};
    base_status st = export(&cases[i].m, &err);
    bool fits = st == cases[i].status && strstr(err.text, cases[i].text) != NULL && (err.text[0] != '\0') == (st != 0);
    TAP_OK(fits, "case %zu: %d: %s: %s", i, (int)st, err.where, err.text);
  }
  test_blanks();
  (void)base_format(command, sizeof command, "rm -r %s", root);
  TAP_OK(system(command) == 0, "the folder is gone");
  return tap_done("test_export");
}
