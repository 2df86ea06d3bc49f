/* Vocabularies of other people's models: the ids of the reference implementations (tests/vocab, made by
 * tools/vocab_golden.py), round trips, streams, special tokens, untrusted text, long input, hostile files. */
#include "os/os.h"
#include "tok/tok.h"

#include "failing.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* ---- files made for a test ---- */

typedef struct made {
  gguf_writer *w;
  void *block;
  gguf_file *f;
} made;

static void finish(made *m) {
  base_buf b = {0};
  base_error err = {0};
  TAP_OK(gguf_writer_bytes(m->w, &b, &err) == BASE_OK, "%s: %s", err.where, err.text);
  m->block = aligned_alloc(64, (b.len + 63) / 64 * 64);
  if (m->block == NULL) abort();
  memcpy(m->block, b.ptr, b.len);
  TAP_OK(gguf_open_bytes(&m->f, m->block, b.len, "made", NULL, &err) == BASE_OK, "%s", err.text);
  base_buf_free(&b);
}

static void drop(made *m) {
  gguf_close(m->f);
  gguf_writer_free(m->w);
  free(m->block);
  *m = (made){0};
}

/* The file at `path` with `tokenizer.ggml.pre` (unless NULL) and the architecture replaced. */
static made copy_with(const char *path, const char *pre, const char *architecture) {
  made m = {.w = gguf_writer_new(NULL)};
  base_error err = {0};
  gguf_file *f = NULL;
  TAP_OK(gguf_open(&f, path, NULL, &err) == BASE_OK, "%s: %s", err.where, err.text);
  for (size_t i = 0; i < gguf_value_count(f); i++) {
    const gguf_value *v = gguf_value_at(f, i);
    bool is_pre = base_slice_equal(v->key, BASE_LITERAL("tokenizer.ggml.pre"));
    bool is_arch = base_slice_equal(v->key, BASE_LITERAL("general.architecture"));
    if (!(is_pre && pre != NULL) && !(is_arch && architecture != NULL)) gguf_put_value(m.w, v);
  }
  if (pre != NULL) gguf_put_string(m.w, "tokenizer.ggml.pre", base_slice_of(pre));
  if (architecture != NULL) gguf_put_string(m.w, "general.architecture", base_slice_of(architecture));
  gguf_close(f);
  finish(&m);
  return m;
}

static tok_vocab *open_path(const char *path, const char *pre, const char *architecture) {
  base_error err = {0};
  tok_vocab *v = NULL;
  made m = copy_with(path, pre, architecture);
  TAP_OK(tok_vocab_open(&v, m.f, NULL, &err) == BASE_OK, "%s: %s: %s", path, err.where, err.text);
  drop(&m);
  if (v == NULL) abort();
  return v;
}

/* ---- encoding for tests ---- */

enum { ROOM = 8192 };

typedef struct ids {
  uint32_t id[ROOM];
  size_t n;
} ids;

static void encode(const tok_vocab *v, const char *text, size_t len, unsigned flags, const tok_span *spans,
                   size_t n_spans, ids *out) {
  tok_scratch s = {0};
  base_error err = {0};
  tok_input in = {.text = text, .len = len, .flags = flags, .untrusted = spans, .n_untrusted = n_spans};
  TAP_OK(tok_encode(v, &s, &in, out->id, ROOM, &out->n, &err) == BASE_OK, "%s", err.text);
  TAP_OK(out->n <= tok_encode_bound(v, len), "bound %zu for %zu", tok_encode_bound(v, len), out->n);
  tok_scratch_free(&s);
}

/* ---- the references' ids ---- */

static bool next_text(base_slice *rest, base_slice *text) {
  base_slice number;
  size_t len;
  if (rest->len == 0 || !base_slice_split(rest, '\n', &number) || !base_parse_size(number, &len) ||
      len > rest->len)
    return false;
  *text = base_slice_sub(*rest, 0, len);
  *rest = base_slice_sub(*rest, len, rest->len);
  return true;
}

static void check_text(const tok_vocab *v, const char *name, base_slice text, base_slice line) {
  static ids got;
  base_slice one;
  size_t i = 0, wanted;
  bool same = true;
  encode(v, text.ptr, text.len, 0, NULL, 0, &got);
  while (line.len > 0 && base_slice_split(&line, ' ', &one)) {
    same = same && base_parse_size(one, &wanted) && i < got.n && got.id[i] == wanted;
    i++;
  }
  TAP_OK(same && i == got.n, "%s: \"%.*s\" has other ids", name, (int)text.len, text.ptr);
}

static void test_references(void) {
  base_buf texts = {0}, expected = {0};
  base_error err = {0};
  TAP_OK(!os_read_file("tests/vocab/texts.bin", 1 << 20, &texts, &err) &&
             !os_read_file("tests/vocab/expected.txt", 1 << 20, &expected, &err),
         "%s", err.text);
  base_slice lines = {expected.ptr, expected.len}, head;
  size_t sections = 0;
  while (lines.len > 0 && base_slice_split(&lines, '\n', &head) && head.len > 0) {
    char name[64], rule[32], path[96];
    base_slice rest = head, part, text, line, all = {texts.ptr, texts.len};
    (void)base_slice_split(&rest, ' ', &part);
    (void)base_format(name, sizeof name, "%.*s", (int)part.len, part.ptr);
    (void)base_format(rule, sizeof rule, "%.*s", (int)rest.len, rest.ptr);
    (void)base_format(path, sizeof path, "tests/vocab/%s.gguf", name);
    tok_vocab *v = open_path(path, strcmp(rule, "-") != 0 ? rule : NULL, NULL);
    while (next_text(&all, &text) && base_slice_split(&lines, '\n', &line)) check_text(v, rule, text, line);
    tok_vocab_close(v);
    sections++;
  }
  TAP_OK(sections == 17, "%zu sections", sections);
  base_buf_free(&texts);
  base_buf_free(&expected);
}

/* ---- round trips and streams ---- */

static size_t random_text(base_rng *rng, char *out, size_t room, bool valid) {
  size_t n = 0, want = base_rng_below(rng, (uint32_t)room - 4);
  while (n < want) {
    uint32_t c = 0;
    switch (base_rng_below(rng, 6)) {
      case 0: c = base_rng_below(rng, 0x80); break;
      case 1: c = 'a' + base_rng_below(rng, 26); break;
      case 2: c = (unsigned char)" \n\t'.3/"[base_rng_below(rng, 7)]; break;
      case 3: c = base_rng_below(rng, 0x3000); break;
      case 4: c = 0x1F300 + base_rng_below(rng, 0x400); break;
      default: c = base_rng_below(rng, 0x110000); break;
    }
    if (c == 0x2581) c = 'x';
    if (!valid && base_rng_below(rng, 3) == 0)
      out[n++] = (char)base_rng_below(rng, 256);
    else
      n += base_utf8_encode(c, out + n);
  }
  return n;
}

static void check_round_trip(const tok_vocab *v, const char *text, size_t len, bool valid) {
  static ids got;
  base_buf whole = {0}, streamed = {0};
  tok_stream s;
  bool always_valid = true;
  encode(v, text, len, 0, NULL, 0, &got);
  tok_decode(v, got.id, got.n, &whole);
  TAP_OK(whole.len == len && (len == 0 || memcmp(whole.ptr, text, len) == 0), "decoded %zu bytes of %zu",
         whole.len, len);
  tok_stream_init(&s, v, true);
  for (size_t i = 0; i < got.n; i++) {
    base_slice piece = tok_stream_next(&s, got.id[i]);
    always_valid = always_valid && base_utf8_valid(piece.ptr, piece.len);
    base_buf_add(&streamed, piece.ptr, piece.len);
  }
  base_slice piece = tok_stream_finish(&s);
  base_buf_add(&streamed, piece.ptr, piece.len);
  TAP_OK(always_valid, "a stream handed out a part of a character");
  if (valid)
    TAP_OK(streamed.len == len && (len == 0 || memcmp(streamed.ptr, text, len) == 0), "streamed other text");
  base_buf_free(&whole);
  base_buf_free(&streamed);
}

static void test_round_trips(void) {
  static const char *const rules[] = {"gpt-2", "llama-bpe", "deepseek-llm", "deepseek-v3", "gpt-4o", "bloom"};
  char text[300];
  base_rng rng;
  base_rng_seed(&rng, 3);
  for (size_t k = 0; k <= sizeof rules / sizeof rules[0]; k++) {
    bool spm = k == sizeof rules / sizeof rules[0];
    tok_vocab *v =
        open_path(spm ? "tests/vocab/spm.gguf" : "tests/vocab/bpe.gguf", spm ? NULL : rules[k], NULL);
    for (int i = 0; i < 300; i++) {
      bool valid = i % 2 == 0;
      size_t len = random_text(&rng, text, sizeof text, valid);
      check_round_trip(v, text, len, valid);
    }
    tok_vocab_close(v);
  }
}

/* Any bytes, any kind: no crash, ids in range. */
static void test_any_bytes(void) {
  static const char *const files[] = {"unigram", "wordpiece"};
  static ids got;
  char text[300], path[64];
  base_rng rng;
  base_rng_seed(&rng, 4);
  for (size_t k = 0; k < 2; k++) {
    (void)base_format(path, sizeof path, "tests/vocab/%s.gguf", files[k]);
    tok_vocab *v = open_path(path, NULL, NULL);
    bool in_range = true;
    for (int i = 0; i < 300; i++) {
      encode(v, text, random_text(&rng, text, sizeof text, false), TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL, NULL,
             0, &got);
      for (size_t n = 0; n < got.n; n++) in_range = in_range && got.id[n] < tok_vocab_size(v);
    }
    TAP_OK(in_range, "%s: an id out of range", files[k]);
    tok_vocab_close(v);
  }
}

static void test_stream_bytes(void) {
  tok_vocab *v = open_path("tests/vocab/bpe.gguf", "gpt-2", NULL);
  static const char broken[] =
      "a\xF0\x9F\x98"
      "b\xE2\x82\xFF\xC3";
  static ids got;
  base_buf out = {0};
  tok_stream s;
  encode(v, broken, sizeof broken - 1, 0, NULL, 0, &got);
  tok_stream_init(&s, v, true);
  for (size_t i = 0; i < got.n; i++) {
    base_slice piece = tok_stream_next(&s, got.id[i]);
    base_buf_add(&out, piece.ptr, piece.len);
  }
  base_slice piece = tok_stream_finish(&s);
  base_buf_add(&out, piece.ptr, piece.len);
  /* as Python's decode(errors="replace") */
  TAP_OK(out.ptr != NULL && strcmp(out.ptr,
                                   "a\xEF\xBF\xBD"
                                   "b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD") == 0,
         "streamed \"%s\"", out.ptr);
  TAP_OK(tok_stream_next(&s, tok_vocab_specials(v)->bos).len == 0, "a control token is shown");
  TAP_OK(tok_stream_next(&s, 1000000).len == 0, "an id out of range is shown");
  s.show_control = true;
  TAP_OK(tok_stream_next(&s, tok_vocab_specials(v)->bos).len == 9, "a control token is not shown when asked");
  base_buf_free(&out);
  tok_vocab_close(v);
}

/* ---- special tokens ---- */

static size_t count_id(const ids *x, uint32_t id) {
  size_t n = 0;
  for (size_t i = 0; i < x->n; i++) n += x->id[i] == id;
  return n;
}

static void test_specials(void) {
  tok_vocab *v = open_path("tests/vocab/bpe.gguf", "llama-bpe", NULL);
  static const char text[] = "<|start|>a<|end|><|end|>";
  static ids got;
  base_buf out = {0};
  encode(v, text, sizeof text - 1, TOK_PARSE_SPECIAL, NULL, 0, &got);
  TAP_OK(count_id(&got, 0) == 1 && count_id(&got, 1) == 2 && got.n == 4, "%zu tokens", got.n);
  encode(v, text, sizeof text - 1, 0, NULL, 0, &got);
  TAP_OK(count_id(&got, 0) == 0 && count_id(&got, 1) == 0, "names are tokens without the flag");
  tok_decode(v, got.id, got.n, &out);
  TAP_OK(out.ptr != NULL && strcmp(out.ptr, text) == 0, "names are not text: \"%s\"", out.ptr);
  /* the first end is trusted, the second is not, nor is one that straddles a border */
  const tok_span spans[] = {{9, 10}, {17, 24}}, straddling[] = {{12, 13}, {20, 24}};
  encode(v, text, sizeof text - 1, TOK_PARSE_SPECIAL, spans, 2, &got);
  TAP_OK(count_id(&got, 0) == 1 && count_id(&got, 1) == 1, "an untrusted name became a token");
  encode(v, text, sizeof text - 1, TOK_PARSE_SPECIAL, straddling, 2, &got);
  TAP_OK(count_id(&got, 0) == 1 && count_id(&got, 1) == 0, "a name across a border became a token");
  encode(v, "a", 1, TOK_ADD_SPECIAL, NULL, 0, &got);
  TAP_OK(got.n == 1, "add_bos_token is false in the file");
  TAP_OK(tok_vocab_special(v, BASE_LITERAL("<|end|>")) == 1 &&
             tok_vocab_special(v, BASE_LITERAL("<|en")) == TOK_NONE,
         "lookup");
  TAP_OK(tok_vocab_is_eog(v, 1) && !tok_vocab_is_eog(v, 0), "eog");
  TAP_OK(tok_vocab_specials(v)->eot == 1 && tok_vocab_specials(v)->pad == 2, "ids");
  base_buf_free(&out);
  tok_vocab_close(v);
}

static void test_prefix_and_strip(void) {
  tok_vocab *v = open_path("tests/vocab/spm.gguf", NULL, NULL),
            *phi = open_path("tests/vocab/spm.gguf", NULL, "phi3");
  static ids a, b;
  encode(v, "the", 3, 0, NULL, 0, &a);
  encode(v, " the", 4, TOK_CONTINUE, NULL, 0, &b);
  TAP_OK(a.n == b.n && memcmp(a.id, b.id, a.n * sizeof a.id[0]) == 0, "the space before the text");
  encode(v, "\xE2\x96\x81the", 6, TOK_CONTINUE, NULL, 0, &b);
  TAP_OK(a.n == b.n && memcmp(a.id, b.id, a.n * sizeof a.id[0]) == 0, "U+2581 is a space");
  encode(v, "the", 3, TOK_ADD_SPECIAL, NULL, 0, &b);
  TAP_OK(b.n == a.n + 1 && b.id[0] == 1, "bos");
  encode(phi, "</s> \n the", 10, TOK_PARSE_SPECIAL, NULL, 0, &b);
  TAP_OK(b.n == a.n + 1 && b.id[0] == 2, "white space behind phi-3's special tokens: %zu tokens", b.n);
  tok_vocab_close(v);
  tok_vocab_close(phi);
  v = open_path("tests/vocab/wordpiece.gguf", NULL, NULL);
  encode(v, "the", 3, TOK_ADD_SPECIAL, NULL, 0, &a);
  TAP_OK(a.n >= 3 && a.id[0] == 2 && a.id[a.n - 1] == 3, "[CLS] and [SEP]");
  encode(v, "", 0, TOK_ADD_SPECIAL, NULL, 0, &a);
  TAP_OK(a.n == 2, "[CLS] and [SEP] of nothing");
  tok_vocab_close(v);
}

/* ---- rank files ---- */

static void put_base64(base_buf *b, const char *bytes, size_t n, size_t rank) {
  static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < n; i += 3) {
    uint32_t v = 0;
    for (size_t k = 0; k < 3; k++) v = v << 8 | (i + k < n ? (unsigned char)bytes[i + k] : 0);
    for (size_t k = 0; k < 4; k++) base_buf_putc(b, i + k > n ? '=' : digit[v >> (18 - 6 * k) & 63]);
  }
  base_buf_printf(b, " %zu\n", rank);
}

static void test_ranks(void) {
  static const char *const merged[] = {"ab", "bc", "abc", " a", "abcd"};
  static const base_slice special[] = {{"<|eot_id|>", 10}};
  static ids got;
  base_buf file = {0};
  base_error err = {0};
  tok_vocab *v = NULL;
  for (size_t i = 0; i < 256; i++) put_base64(&file, &(char){(char)i}, 1, i);
  for (size_t i = 0; i < 5; i++) put_base64(&file, merged[i], strlen(merged[i]), 256 + i);
  base_slice text = {file.ptr, file.len};
  TAP_OK(tok_vocab_open_ranks(&v, text, "ranks", "gpt-2", special, 1, NULL, &err) == BASE_OK, "%s", err.text);
  if (v == NULL) abort();
  encode(v, "abcd bcab a<|eot_id|>", 21, TOK_PARSE_SPECIAL, NULL, 0, &got);
  static const uint32_t wanted[] = {260, ' ', 257, 256, 259, 261};
  TAP_OK(got.n == 6 && memcmp(got.id, wanted, sizeof wanted) == 0, "%zu tokens", got.n);
  TAP_OK(tok_vocab_is_eog(v, 261) && tok_vocab_size(v) == 262, "the special token");
  tok_vocab_close(v);
  TAP_OK(tok_vocab_open_ranks(&v, BASE_LITERAL("YQ== 0\n*** 1\n"), "ranks", "gpt-2", NULL, 0, NULL, &err) ==
                 BASE_EFORMAT &&
             strstr(err.text, "line 2"),
         "%s", err.text);
  err = (base_error){0};
  TAP_OK(tok_vocab_open_ranks(&v, BASE_LITERAL("YQ== 0\nYg== 7\n"), "ranks", "gpt-2", NULL, 0, NULL, &err) ==
                 BASE_EFORMAT &&
             strstr(err.text, "rank 7"),
         "%s", err.text);
  err = (base_error){0};
  TAP_OK(tok_vocab_open_ranks(&v, text, "ranks", "nonsense", NULL, 0, NULL, &err) == BASE_EUNSUPPORTED &&
             strstr(err.text, "nonsense"),
         "%s", err.text);
  for (int i = 0;; i++) {
    failing f;
    base_allocator a = failing_allocator(&f, i);
    base_status st = tok_vocab_open_ranks(&v, text, "ranks", "gpt-2", special, 1, &a, NULL);
    TAP_OK(st == BASE_OK || (st == BASE_ENOMEM && v == NULL), "allocation %d", i);
    tok_vocab_close(v);
    TAP_OK(f.held == 0, "allocation %d: %zu bytes are held", i, f.held);
    if (st == BASE_OK) break;
  }
  base_buf_free(&file);
}

/* ---- long input and limits ---- */

static void test_long(void) {
  static const char *const files[] = {"bpe", "spm", "unigram", "wordpiece"};
  enum { LONG = 300000 };
  char *text = malloc(LONG), path[64];
  uint32_t *out = malloc(LONG * sizeof *out);
  tok_scratch s = {0};
  if (text == NULL || out == NULL) abort();
  for (size_t k = 0; k < 4; k++) {
    (void)base_format(path, sizeof path, "tests/vocab/%s.gguf", files[k]);
    tok_vocab *v = open_path(path, NULL, NULL);
    for (size_t i = 0; i < 5; i++) {
      size_t n;
      memset(text, "a \n<\xFF"[i], LONG);
      tok_input in = {.text = text, .len = LONG, .flags = TOK_PARSE_SPECIAL};
      TAP_OK(tok_encode(v, &s, &in, out, LONG, &n, NULL) == BASE_OK || n > LONG, "%s, text %zu", files[k], i);
    }
    tok_vocab_close(v);
  }
  tok_scratch_free(&s);
  free(text);
  free(out);
}

static void test_room(void) {
  tok_vocab *v = open_path("tests/vocab/bpe.gguf", "gpt-2", NULL);
  base_error err = {0};
  tok_scratch s = {0};
  tok_input in = {.text = "a b c d", .len = 7};
  uint32_t out[2];
  size_t n;
  TAP_OK(tok_encode(v, &s, &in, out, 2, &n, &err) == BASE_ELIMIT && n == 4, "%zu", n);
  TAP_OK(tok_encode(v, &s, &in, NULL, 0, &n, NULL) == BASE_ELIMIT && n == 4, "%zu", n);
  tok_scratch_free(&s);
  failing f;
  base_allocator a = failing_allocator(&f, 0);
  s.allocator = &a;
  in = (tok_input){.text = "xylophone", .len = 9};
  TAP_OK(tok_encode(v, &s, &in, out, 2, &n, NULL) == BASE_ENOMEM, "no memory for the scratch");
  a = failing_allocator(&f, 1);
  TAP_OK(tok_scratch_reserve(&s, v, 1000, NULL) == BASE_OK, "reserve");
  TAP_OK(tok_encode(v, &s, &in, NULL, 0, &n, NULL) == BASE_ELIMIT && n > 0,
         "no allocation once there is room");
  tok_scratch_free(&s);
  TAP_OK(f.held == 0, "%zu bytes are held", f.held);
  tok_vocab_close(v);
}

static void test_memory(void) {
  static const char *const files[] = {"bpe", "spm", "unigram", "wordpiece"};
  char path[64];
  for (size_t k = 0; k < 4; k++) {
    (void)base_format(path, sizeof path, "tests/vocab/%s.gguf", files[k]);
    made m = copy_with(path, NULL, NULL);
    for (int i = 0;; i++) {
      failing f;
      tok_vocab *v;
      base_allocator a = failing_allocator(&f, i);
      base_status st = tok_vocab_open(&v, m.f, &a, NULL);
      TAP_OK(st == BASE_OK || (st == BASE_ENOMEM && f.held == 0 && v == NULL), "%s, allocation %d", files[k],
             i);
      tok_vocab_close(v);
      if (st == BASE_OK) break;
    }
    drop(&m);
  }
}

/* ---- files that contradict themselves ---- */

typedef struct bad {
  const char *model, *pre, *merge;
  int32_t type; /* of token 1 */
  uint32_t bos;
  size_t types, scores; /* how many; 0: none */
  base_status status;
  const char *names; /* what the message has to name */
} bad;

static const bad bads[] = {
    {"gpt2", "gpt-2", "a b", 1, 0, 4, 0, BASE_OK, ""},
    {"rwkv", "gpt-2", "a b", 1, 0, 4, 0, BASE_EUNSUPPORTED, "rwkv"},
    {"gpt2", "martian", "a b", 1, 0, 4, 0, BASE_EUNSUPPORTED, "martian"},
    {"gpt2", "gpt-2", "a z", 1, 0, 4, 0, BASE_EFORMAT, "merge 0"},
    {"gpt2", "gpt-2", "ab", 1, 0, 4, 0, BASE_EFORMAT, "merge 0"},
    {"gpt2", "gpt-2", "a ", 1, 0, 4, 0, BASE_EFORMAT, "merge 0"},
    {"gpt2", "gpt-2", "a \xE4\xB8\xAD", 1, 0, 4, 0, BASE_EFORMAT, "merge 0"},
    {"gpt2", "gpt-2", "a b", 77, 0, 4, 0, BASE_EFORMAT, "type 77"},
    {"gpt2", "gpt-2", "a b", 6, 0, 4, 0, BASE_EFORMAT, "byte token"},
    {"gpt2", "gpt-2", "a b", 1, 4, 4, 0, BASE_EFORMAT, "bos_token_id"},
    {"gpt2", "gpt-2", "a b", 1, 0, 3, 0, BASE_EFORMAT, "token_type"},
    {"llama", "x", "a b", 1, 0, 4, 4, BASE_OK, ""},
    {"llama", "x", "a b", 1, 0, 4, 0, BASE_EFORMAT, "scores"},
    {"llama", "x", "a b", 1, 0, 4, 5, BASE_EFORMAT, "scores"},
    {"t5", "x", "a b", 1, 0, 4, 4, BASE_OK, ""},
    {"bert", "x", "a b", 1, 0, 0, 0, BASE_OK, ""},
};

static void test_bad_files(void) {
  const base_slice tokens[] = {BASE_LITERAL("a"), BASE_LITERAL("b"), BASE_LITERAL("ab"), BASE_LITERAL("<x>")};
  const float scores[] = {-1, -2, -3, -4, -5};
  for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
    const bad *b = &bads[i];
    const int32_t types[] = {1, b->type, 1, 3};
    const base_slice merge = base_slice_of(b->merge);
    base_error err = {0};
    tok_vocab *v;
    made m = {.w = gguf_writer_new(NULL)};
    gguf_put_string(m.w, "tokenizer.ggml.model", base_slice_of(b->model));
    gguf_put_string(m.w, "tokenizer.ggml.pre", base_slice_of(b->pre));
    gguf_put_strings(m.w, "tokenizer.ggml.tokens", tokens, 4);
    gguf_put_strings(m.w, "tokenizer.ggml.merges", &merge, 1);
    gguf_put_u32(m.w, "tokenizer.ggml.bos_token_id", b->bos);
    if (b->types > 0) gguf_put_i32s(m.w, "tokenizer.ggml.token_type", types, b->types);
    if (b->scores > 0) gguf_put_f32s(m.w, "tokenizer.ggml.scores", scores, b->scores);
    finish(&m);
    base_status st = tok_vocab_open(&v, m.f, NULL, &err);
    TAP_OK(st == b->status && (st == BASE_OK) == (v != NULL), "file %zu: status %d: %s", i, (int)st,
           err.text);
    TAP_OK(strstr(err.text, b->names) != NULL, "file %zu: \"%s\" does not name \"%s\"", i, err.text,
           b->names);
    tok_vocab_close(v);
    drop(&m);
  }
}

int main(void) {
  test_references();
  test_round_trips();
  test_any_bytes();
  test_stream_bytes();
  test_specials();
  test_prefix_and_strip();
  test_ranks();
  test_long();
  test_room();
  test_memory();
  test_bad_files();
  return tap_done("test_vocab");
}
