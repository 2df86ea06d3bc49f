/* Splitting, case, BPE training, encoding, the file, hostile files and text. */
#include "tok/tok.h"

#include "failing.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* ---- splitting ---- */

/* The words in brackets; what is between them is white space. */
static const struct {
  const char *text, *words;
} splits[] = {
    {"", ""},
    {"   \t\r\n", ""},
    {"wake me up", "[wake][me][up]"},
    {"Wake ME up!", "[Wake][ME][up][!]"},
    {"7:30pm", "[7][:][30][pm]"},
    {"at 7.30 p.m.", "[at][7][.][30][p][.][m][.]"},
    {"19h30", "[19][h][30]"},
    {"bob's", "[bob]['s]"},
    {"bob\xE2\x80\x99s", "[bob][\xE2\x80\x99s]"},
    {"don't can't o'clock", "[don]['t][can]['t][o]['clock]"},
    {"rock'n'roll", "[rock]['n]['roll]"},
    {"the boys' room", "[the][boys]['][room]"},
    {"'quoted' word", "['][quoted]['][word]"},
    {"it's '90s", "[it]['s]['][90][s]"},
    {"5's", "[5]['][s]"},
    {"a ' b", "[a]['][b]"},
    {"a 'b", "[a]['][b]"},
    {"$1,249.50", "[$][1][,][249][.][50]"},
    {"\xE2\x82\xAC"
     "25",
     "[\xE2\x82\xAC][25]"},
    {"50%", "[50][%]"},
    {"+1 (555) 010-9999", "[+][1][(][555][)][010][-][9999]"},
    {"a@b.co", "[a][@][b][.][co]"},
    {"https://x.org/a?b=1#c", "[https][:][/][/][x][.][org][/][a][?][b][=][1][#][c]"},
    {"snake_case", "[snake][_][case]"},
    {"#tag @me", "[#][tag][@][me]"},
    {"wi-fi", "[wi][-][fi]"},
    {"...", "[.][.][.]"},
    {"caf\xC3\xA9 Z\xC3\xBCrich", "[caf\xC3\xA9][Z\xC3\xBCrich]"},
    {"cafe\xCC\x81 x", "[cafe\xCC\x81][x]"},
    {"\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 \xD0\xBC\xD0\xB8\xD1\x80",
     "[\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82][\xD0\xBC\xD0\xB8\xD1\x80]"},
    {"\xCE\xB3\xCE\xB5\xCE\xB9\xCE\xB1!", "[\xCE\xB3\xCE\xB5\xCE\xB9\xCE\xB1][!]"},
    {"\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4", "[\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4]"},
    {"\xE4\xB8\xAD\xE6\x96\x87 a\xE4\xB8\xAD", "[\xE4\xB8\xAD][\xE6\x96\x87][a][\xE4\xB8\xAD]"},
    {"\xE3\x81\x8B\xE3\x82\xAB", "[\xE3\x81\x8B][\xE3\x82\xAB]"},
    {"hi\xF0\x9F\x98\x80\xF0\x9F\x98\x80", "[hi][\xF0\x9F\x98\x80][\xF0\x9F\x98\x80]"},
    {"\xE2\x9D\xA4\xEF\xB8\x8F", "[\xE2\x9D\xA4][\xEF\xB8\x8F]"},
    {"a\xC2\xA0"
     "b\xE3\x80\x80"
     "c",
     "[a][b][c]"},
    {"a\xE2\x80\x94"
     "b",
     "[a][\xE2\x80\x94][b]"},
    {"\xFF\xFEx", "[\xFF][\xFE][x]"},
    {"ab\xC3", "[ab][\xC3]"},
    {"ab\xE2\x82 c", "[ab][\xE2][\x82][c]"},
    {"\xED\xA0\x80", "[\xED][\xA0][\x80]"},
    {"\xC0\x80", "[\xC0][\x80]"},
    {"a\x01\x7F"
     "b",
     "[a][\x01][\x7F][b]"},
};

static void test_split(void) {
  tok_word words[64];
  for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
    base_buf b = {0};
    base_buf_puts(&b, "");
    size_t n = tok_split(splits[i].text, strlen(splits[i].text), words, 64);
    for (size_t k = 0; k < n; k++) {
      base_buf_printf(&b, "[%.*s]", (int)(words[k].end - words[k].start), splits[i].text + words[k].start);
    }
    TAP_OK(!strcmp(b.ptr, splits[i].words), "\"%s\" is %s, not %s", splits[i].text, b.ptr, splits[i].words);
    base_buf_free(&b);
  }
  size_t n = tok_split("a\0b", 3, words, 64);
  TAP_OK(n == 3 && words[1].start == 1 && words[1].end == 2, "a NUL byte is a word");
  TAP_OK(tok_split("a b c d", 7, words, 2) == 2 && tok_split("a", 1, words, 0) == 0, "stops at max");
  TAP_OK(tok_split(NULL, 0, words, 64) == 0, "no text");
}

/* ---- a small vocabulary ---- */

static const char *const sentences[] = {
    "set an alarm for seven thirty",
    "set a timer for ten minutes",
    "wake me up at seven",
    "wake me at seven thirty",
    "play some music",
    "play the next song",
    "turn the alarm off",
    "turn off the light",
    "set the alarm for 7:30 pm",
    "what is the weather today",
    "don't wake me up",
    "bob's alarm at seven",
};
enum { N_SENTENCES = sizeof sentences / sizeof sentences[0], VOCAB = 300 };

static tok_bpe *train(size_t vocab) {
  base_slice lines[N_SENTENCES];
  base_error err = {0};
  tok_bpe *t;
  for (size_t i = 0; i < N_SENTENCES; i++) lines[i] = base_slice_of(sentences[i]);
  if (tok_bpe_train(&t, lines, N_SENTENCES, vocab, NULL, &err)) {
    TAP_OK(false, "trained: %s", err.text);
    exit(tap_done("tok"));
  }
  return t;
}

enum { ROOM = 4096 };
typedef struct encoded {
  uint16_t ids[ROOM];
  uint8_t cases[ROOM];
  tok_word words[ROOM];
  tok_result r;
} encoded;

static encoded enc;

static const tok_result *encode(const tok_bpe *t, const char *text, size_t len) {
  enc.r = (tok_result){
      .ids = enc.ids, .cases = enc.cases, .max_tokens = ROOM, .words = enc.words, .max_words = ROOM};
  tok_bpe_encode(t, text, len, 0.0F, NULL, &enc.r);
  return &enc.r;
}

/* "[wake][ me]" of the tokens behind the first. */
static void show(const tok_bpe *t, const tok_result *r, base_buf *out) {
  base_buf_clear(out);
  base_buf_puts(out, "");
  for (size_t i = 1; i < r->n_tokens; i++) {
    base_slice s = tok_bpe_token(t, r->ids[i]);
    base_buf_printf(out, "[%.*s]", (int)s.len, s.ptr);
  }
}

static void test_train(void) {
  tok_bpe *t = train(VOCAB), *again = train(VOCAB);
  base_buf b = {0};
  TAP_OK(tok_bpe_vocab(t) == VOCAB, "vocabulary of %zu", tok_bpe_vocab(t));
  TAP_OK(tok_bpe_fingerprint(t) == tok_bpe_fingerprint(again), "training is repeatable");
  tok_bpe_close(again);
  show(t, encode(t, "wake me at seven", 16), &b);
  TAP_OK(!strcmp(b.ptr, "[ wake][ me][ at][ seven]"), "frequent words are one token: %s", b.ptr);
  show(t, encode(t, "Wake ME", 7), &b);
  TAP_OK(!strcmp(b.ptr, "[ wake][ me]"), "lower-cased: %s", b.ptr);
  show(t, encode(t, "(wake)", 6), &b);
  TAP_OK(!strncmp(b.ptr, "[ ][(][w", 8), "no space before the word: %s", b.ptr);
  TAP_OK(base_slice_equal(tok_bpe_token(t, TOK_CLS), BASE_LITERAL("<cls>")), "special token");
  TAP_OK(tok_bpe_token(t, TOK_FIRST_BYTE + 'a').ptr[0] == 'a' && tok_bpe_token(t, VOCAB).len == 0, "tokens");
  tok_bpe *huge = train(TOK_MAX_VOCAB);
  TAP_OK(tok_bpe_vocab(huge) > VOCAB && tok_bpe_vocab(huge) < 1000, "the text has only %zu",
         tok_bpe_vocab(huge));
  TAP_OK(tok_bpe_fingerprint(huge) != tok_bpe_fingerprint(t), "another vocabulary");
  tok_bpe_close(huge);
  tok_bpe *none;
  base_error err = {0};
  TAP_OK(tok_bpe_train(&none, NULL, 0, 100, NULL, &err) == BASE_EARGUMENT && none == NULL, "%s", err.text);
  TAP_OK(tok_bpe_train(&none, NULL, 0, 65536, NULL, NULL) == BASE_EARGUMENT, "too large");
  TAP_OK(tok_bpe_train(&none, NULL, 0, 1000, NULL, NULL) == BASE_OK && tok_bpe_vocab(none) == 260,
         "from nothing");
  tok_bpe_close(none);
  base_slice runs[] = {{"aaaaaaaa aaaaaaaa aaaa", 22}, {"\xFF\xFE\0\0 \xFF\xFE\0\0", 9}};
  TAP_OK(tok_bpe_train(&none, runs, 2, 300, NULL, NULL) == BASE_OK && tok_bpe_vocab(none) > 262,
         "runs of a letter");
  tok_bpe_close(none);
  tok_bpe_close(t);
  base_buf_free(&b);
}

/* By hand: "ab" x 3 and "abc" x 2 give the pairs (" ", a) and (a, b) 5 times each; the smaller pair of ids wins. */
static void test_train_by_hand(void) {
  base_slice line = BASE_LITERAL("ab ab ab abc abc");
  tok_bpe *t;
  TAP_OK(tok_bpe_train(&t, &line, 1, 263, NULL, NULL) == BASE_OK, "trained");
  TAP_OK(base_slice_equal(tok_bpe_token(t, 260), BASE_LITERAL(" a")), "first");
  TAP_OK(base_slice_equal(tok_bpe_token(t, 261), BASE_LITERAL(" ab")), "second");
  TAP_OK(base_slice_equal(tok_bpe_token(t, 262), BASE_LITERAL(" abc")), "third");
  tok_bpe_close(t);
}

/* ---- encoding ---- */

static void check_shape(const tok_bpe *t, const char *text, size_t len) {
  const tok_result *r = encode(t, text, len);
  static tok_word words[ROOM];
  size_t n = tok_split(text, len, words, ROOM), wrong = 0;
  TAP_OK(r->n_words == n && !r->truncated && r->n_tokens >= 1 && r->ids[0] == TOK_CLS, "words as split: %zu",
         n);
  for (size_t i = 0; i < n; i++) {
    size_t first = r->words[i].first_token, last = i + 1 < n ? r->words[i + 1].first_token : r->n_tokens,
           bytes = 0;
    wrong += r->words[i].start != words[i].start || r->words[i].end != words[i].end || first >= last;
    for (size_t k = first; k < last; k++) {
      bytes += tok_bpe_token(t, r->ids[k]).len;
      wrong += r->cases[k] != r->cases[first] || r->ids[k] >= tok_bpe_vocab(t) || r->ids[k] < TOK_FIRST_BYTE;
    }
    size_t own = words[i].end - words[i].start;
    wrong += bytes < own && own < 3; /* lower-casing may shorten by a byte a character, never by more */
    wrong += bytes > own + 1;
  }
  TAP_OK(wrong == 0, "tokens cover words: %zu wrong", wrong);
}

static void test_encode(void) {
  tok_bpe *t = train(VOCAB);
  for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++)
    check_shape(t, splits[i].text, strlen(splits[i].text));
  check_shape(t, "a\0b", 3);
  char text[2000];
  base_rng rng;
  base_rng_seed(&rng, 5);
  for (int round = 0; round < 50; round++) {
    for (size_t i = 0; i < sizeof text; i++) {
      text[i] = round % 2 ? (char)base_rng_below(&rng, 256) : "ae st'7 .\xC3\xA9"[base_rng_below(&rng, 11)];
    }
    check_shape(t, text, sizeof text);
  }
  memset(text, 'a', sizeof text);
  const tok_result *r = encode(t, text, sizeof text);
  TAP_OK(r->n_words == 1 && r->n_tokens > 10, "a word of 2000 letters is one word in pieces");

  static const struct {
    const char *text;
    int want;
  } cases[] = {{"wake", TOK_CASE_LOWER},
               {"Wake", TOK_CASE_TITLE},
               {"WAKE", TOK_CASE_UPPER},
               {"wAKE", TOK_CASE_LOWER},
               {"WaKE", TOK_CASE_TITLE},
               {"I", TOK_CASE_TITLE},
               {"7", TOK_CASE_LOWER},
               {"!", TOK_CASE_LOWER},
               {"OK", TOK_CASE_UPPER},
               {"\xC3\x89t\xC3\xA9", TOK_CASE_TITLE},
               {"\xC3\x89T\xC3\x89", TOK_CASE_UPPER},
               {"\xD0\x9C\xD0\xB8\xD1\x80", TOK_CASE_TITLE},
               {"\xFF", TOK_CASE_LOWER}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    r = encode(t, cases[i].text, strlen(cases[i].text));
    TAP_OK(r->cases[1] == cases[i].want, "case of %s: %d", cases[i].text, r->cases[1]);
  }
  tok_bpe_close(t);
}

static void test_room(void) {
  tok_bpe *t = train(VOCAB);
  const char *text = "wake me at seven zzzz";
  size_t all = encode(t, text, strlen(text))->n_tokens, wrong = 0;
  for (size_t room = 0; room <= all; room++) {
    tok_result r = {
        .ids = enc.ids, .cases = enc.cases, .max_tokens = room, .words = enc.words, .max_words = ROOM};
    tok_bpe_encode(t, text, strlen(text), 0.0F, NULL, &r);
    wrong += r.n_tokens > room || r.truncated != (room < all) || (room > 0 && r.ids[0] != TOK_CLS);
    if (room >= 4 && room < all) wrong += r.n_words != (room >= 5 ? 4U : 3U);
  }
  TAP_OK(wrong == 0, "any room for tokens: whole words (%zu wrong)", wrong);
  for (size_t room = 0; room <= 5; room++) {
    tok_result r = {
        .ids = enc.ids, .cases = enc.cases, .max_tokens = ROOM, .words = enc.words, .max_words = room};
    tok_bpe_encode(t, text, strlen(text), 0.0F, NULL, &r);
    TAP_OK(r.n_words == room && r.truncated == (room < 5), "room for %zu words", room);
  }
  tok_bpe_close(t);
}

static void test_dropout(void) {
  tok_bpe *t = train(VOCAB);
  base_rng rng;
  base_rng_seed(&rng, 3);
  const char *text = "set the alarm for seven thirty";
  size_t whole = encode(t, text, strlen(text))->n_tokens, more = 0, wrong = 0;
  for (int i = 0; i < 200; i++) {
    tok_bpe_encode(t, text, strlen(text), 0.2F, &rng, &enc.r);
    more += enc.r.n_tokens > whole;
    base_buf b = {0};
    for (size_t k = 1; k < enc.r.n_tokens; k++) {
      base_slice s = tok_bpe_token(t, enc.r.ids[k]);
      base_buf_add(&b, s.ptr, s.len);
    }
    wrong += strcmp(b.ptr + 1, text) != 0;
    base_buf_free(&b);
  }
  TAP_OK(wrong == 0 && more > 100, "dropout cuts finer (%zu of 200), the bytes stay", more);
  tok_bpe_close(t);
}

/* ---- the file ---- */

static void *aligned_copy(const base_buf *b) {
  void *block;
  if (posix_memalign(&block, 64, b->len) != 0) abort();
  memcpy(block, b->ptr, b->len);
  return block;
}

static void test_file(void) {
  tok_bpe *t = train(VOCAB), *u, *v = NULL;
  base_buf b = {0};
  base_error err = {0};
  gguf_writer *w = gguf_writer_new(NULL);
  tok_bpe_save(t, w);
  TAP_OK(gguf_writer_bytes(w, &b, &err) == BASE_OK, "saved: %s", err.text);
  gguf_writer_free(w);
  void *bytes = aligned_copy(&b);
  gguf_file *f;
  TAP_OK(gguf_open_bytes(&f, bytes, b.len, "tok", NULL, &err) == BASE_OK, "%s", err.text);
  TAP_OK(tok_bpe_open(&u, f, NULL, &err) == BASE_OK, "opened: %s", err.text);
  TAP_OK(tok_bpe_fingerprint(u) == tok_bpe_fingerprint(t) && tok_bpe_vocab(u) == VOCAB,
         "the same vocabulary");
  TAP_OK(tok_bpe_same(u, f) && !tok_bpe_same(t, f), "told from the file alone");
  size_t wrong = 0;
  for (uint32_t id = 0; id < VOCAB; id++)
    wrong += !base_slice_equal(tok_bpe_token(t, id), tok_bpe_token(u, id));
  TAP_OK(wrong == 0, "the same tokens");

  bool done = false;
  for (int n = 0; n < 20 && !done; n++) {
    failing fail;
    base_allocator a = failing_allocator(&fail, n);
    done = tok_bpe_open(&v, f, &a, NULL) == BASE_OK;
    TAP_OK(done == (v != NULL) && (done || fail.held == 0), "open: allocation %d", n);
    tok_bpe_close(v);
    TAP_OK(fail.held == 0, "nothing is held");
  }
  gguf_close(f);
  TAP_OK(encode(u, "wake me", 7)->n_tokens == 3, "lives on without its file");

  base_buf again = {0};
  w = gguf_writer_new(NULL);
  tok_bpe_save(u, w);
  TAP_OK(!gguf_writer_bytes(w, &again, NULL) && again.len == b.len && !memcmp(again.ptr, b.ptr, b.len),
         "same bytes");
  gguf_writer_free(w);
  base_buf_free(&again);
  base_buf_free(&b);
  free(bytes);
  tok_bpe_close(u);
  tok_bpe_close(t);
  tok_bpe_close(NULL);
}

static void test_train_memory(void) {
  base_slice line = BASE_LITERAL("set an alarm for seven set an alarm for seven set a timer");
  bool done = false;
  int n = 0;
  for (; n < 200 && !done; n++) {
    failing fail;
    base_allocator a = failing_allocator(&fail, n);
    tok_bpe *t;
    base_error err = {0};
    base_status status = tok_bpe_train(&t, &line, 1, 300, &a, &err);
    done = status == BASE_OK;
    TAP_OK(done || (status == BASE_ENOMEM && fail.held == 0 && err.text[0] != 0), "train: allocation %d", n);
    tok_bpe_close(t);
    TAP_OK(fail.held == 0, "nothing is held: %zu", fail.held);
  }
  TAP_OK(done && n > 5, "trains when there is memory");
}

/* A file with these tokens behind the fixed ones, and these merges; `fixed` of the fixed tokens are written. */
static base_status open_made(const char *model, size_t fixed, const char *tokens, const char *merges,
                             base_error *err) {
  static const char *const special[] = {"<pad>", "<cls>", "<mask>", "<unk>"};
  static char byte_text[256][5];
  base_slice list[400];
  size_t n = 0;
  for (; n < 4 && n < fixed; n++) list[n] = base_slice_of(special[n]);
  uint32_t other = 256;
  for (uint32_t c = 0; c < 256; c++) {
    bool plain = (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || c >= 0xAE;
    size_t len = base_utf8_encode(plain ? c : other++, byte_text[c]);
    if (n < fixed) list[n++] = (base_slice){byte_text[c], len};
  }
  base_slice rest = base_slice_of(tokens), piece;
  while (base_slice_split(&rest, ';', &piece)) list[n++] = piece;
  base_slice merge_list[100];
  size_t n_merges = 0;
  rest = base_slice_of(merges);
  while (base_slice_split(&rest, ';', &piece)) merge_list[n_merges++] = piece;

  gguf_writer *w = gguf_writer_new(NULL);
  base_buf b = {0};
  if (model != NULL) gguf_put_string(w, "tokenizer.ggml.model", base_slice_of(model));
  gguf_put_strings(w, "tokenizer.ggml.tokens", list, n);
  gguf_put_strings(w, "tokenizer.ggml.merges", merge_list, n_merges);
  if (gguf_writer_bytes(w, &b, err) != BASE_OK) abort();
  gguf_writer_free(w);
  void *bytes = aligned_copy(&b);
  gguf_file *f;
  tok_bpe *t = NULL;
  base_status status = gguf_open_bytes(&f, bytes, b.len, "made", NULL, err);
  if (status == BASE_OK) status = tok_bpe_open(&t, f, NULL, err);
  tok_bpe_close(t);
  gguf_close(f);
  free(bytes);
  base_buf_free(&b);
  return status;
}

static const struct {
  const char *model;
  size_t fixed;
  const char *tokens, *merges, *text; /* text NULL: it opens */
} files[] = {
    {"minnow-bpe", 260, "", "", NULL},
    {"minnow-bpe", 260, "ab;abc;\xC4\xA0\x61", "a b;ab c;\xC4\xA0 a", NULL},
    {NULL, 260, "", "", "\"tokenizer.ggml.model\" is missing"},
    {"gpt2", 260, "", "", "\"gpt2\""},
    {"minnow-bpe", 259, "", "", "259 tokens"},
    {"minnow-bpe", 0, "", "", "0 tokens"},
    {"minnow-bpe", 259, "ab", "", "a fixed byte"},
    {"minnow-bpe", 3, "x", "", "4 tokens"},
    {"minnow-bpe", 260, "ab", "", "0 merges for 261"},
    {"minnow-bpe", 260, "", "a b", "1 merges for 260"},
    {"minnow-bpe", 260, "ab", "ab", "is not two tokens"},
    {"minnow-bpe", 260, "ab", "a ", "is not two tokens"},
    {"minnow-bpe", 260, "ab", " b", "no token before it"},
    {"minnow-bpe", 260, "ab", "a b c", "\"b c\", which is no token"},
    {"minnow-bpe", 260, "abc", "ab c", "\"ab\", which is no token"},
    {"minnow-bpe", 260, "abc;ab", "ab c;a b", "\"ab\", which is no token before it"},
    {"minnow-bpe", 260, "ab;abx", "a b;ab c", "token 261 is \"abx\""},
    {"minnow-bpe", 260, "ab;a", "a b;a b", "token 261 is \"a\""},
    {"minnow-bpe", 260, "ab;ab", "a b;a b", "\"ab\", is there twice"},
    {"minnow-bpe", 260, "ab;bc;abc;abc", "a b;b c;ab c;a bc", "token 263, \"abc\", is there twice"},
    {"minnow-bpe", 260, "<pad>a", "<pad> a", "\"<pad>\", which is no token"},
    {"minnow-bpe", 260, "\xE4\xB8\xAD\x61", "\xE4\xB8\xAD a", "which is no token"},
    {"minnow-bpe", 260, "\xFF\x61", "\xFF a", "which is no token"},
};

static void test_hostile_files(void) {
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    base_error err = {0};
    base_status status = open_made(files[i].model, files[i].fixed, files[i].tokens, files[i].merges, &err);
    bool right = files[i].text == NULL ? status == BASE_OK
                                       : status == BASE_EFORMAT && strstr(err.text, files[i].text) != NULL;
    TAP_OK(right, "file %zu: %d \"%s\"", i, (int)status, err.text);
  }
  /* doubling gives tokens of 2, 4, ... 64 bytes; the next is too long */
  char tokens[400] = "", merges[400] = "";
  size_t tokens_len = 0, merges_len = 0;
  for (int half = 1; half <= 64; half *= 2) {
    char a[65];
    memset(a, 'a', (size_t)half);
    a[half] = 0;
    (void)base_format(tokens + tokens_len, sizeof tokens - tokens_len, "%s%s;", a, a);
    (void)base_format(merges + merges_len, sizeof merges - merges_len, "%s %s;", a, a);
    tokens_len = strlen(tokens);
    merges_len = strlen(merges);
    base_error err = {0};
    base_status status = open_made("minnow-bpe", 260, tokens, merges, &err);
    TAP_OK(
        half < 64 ? status == BASE_OK : status == BASE_EFORMAT && strstr(err.text, "longer than 64") != NULL,
        "%d bytes: %s", 2 * half, err.text);
  }
}

int main(void) {
  test_split();
  test_train();
  test_train_by_hand();
  test_encode();
  test_room();
  test_dropout();
  test_file();
  test_train_memory();
  test_hostile_files();
  return tap_done("tok");
}
