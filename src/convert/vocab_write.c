/* convert/vocab_write: the tokenizer of a GGUF file as files of a Hugging Face folder: tokenizer.json for byte-level
 * BPE and WordPiece, tokenizer.model (a SentencePiece protocol buffer) for llama's BPE (that as tokenizer.json too)
 * and unigram, tokenizer_config.json and generation_config.json. All texts are known to be UTF-8 before JSON is made
 * of them, so that what then gets lost is lost for want of memory. */
#include <stdlib.h>
#include <string.h>

#include "convert/vocab.h"
#include "convert/weights.h"

#define SPACE_MARK "\xE2\x96\x81"
enum { MAX_PIECE = 256 };

/* The arrays of the file. */
typedef struct source {
  const gguf_file *f;
  const char *dir;
  base_slice model, pre;
  base_slice *tokens;
  const unsigned char *types, *scores; /* may be NULL */
  size_t n, used;                      /* used: without the padding at the end */
  int *lost;                           /* not 0 once there was no memory for a value of the JSON */
  base_error *err;
} source;

static int32_t type_of(const source *s, size_t i) {
  base_cursor c = base_cursor_of(s->types, s->n * 4);
  if (s->types == NULL) return TOKEN_NORMAL;
  base_cursor_skip(&c, i * 4);
  return (int32_t)base_cursor_u32(&c);
}

static float score_of(const source *s, size_t i) {
  base_cursor c = base_cursor_of(s->scores, s->n * 4);
  if (s->scores == NULL) return 0;
  base_cursor_skip(&c, i * 4);
  return base_cursor_f32(&c);
}

/* The id of a special token; -1 when there is none. */
static int64_t special_of(const source *s, int special) {
  char key[64];
  uint32_t id;
  (void)base_format(key, sizeof key, "tokenizer.ggml.%s", convert_special_key(special));
  if (gguf_find(s->f, key) == NULL || gguf_get_u32(s->f, key, &id, NULL) != BASE_OK) return -1;
  return id < s->n ? (int64_t)id : -1;
}

/* A truth value; `otherwise` when it is absent. */
static int flag_of(const source *s, const char *key, int otherwise) {
  const gguf_value *v = gguf_find(s->f, key);
  return v != NULL && v->type == GGUF_BOOL ? v->bytes[0] : otherwise;
}

static json_t *text_json(base_slice s) {
  return json_stringn(s.ptr != NULL ? s.ptr : "", s.len);
}

base_status convert_save_json(const json_t *root, const char *dir, const char *name, base_error *err) {
  char path[4096];
  os_writer *w = NULL;
  base_status status = convert_join(path, sizeof path, dir, name, err);
  if (status) return status;
  /* json_dumps loses what its buffer has no memory for (jansson 2.14): measured first, then written in place */
  const size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(15);
  size_t len = json_dumpb(root, NULL, 0, flags);
  char *text = len > 0 ? base_alloc(NULL, len) : NULL;
  if (text == NULL || json_dumpb(root, text, len, flags) != len)
    status = base_fail(err, BASE_ENOMEM, path, "no memory for the text");
  if (!status) status = os_writer_open(&w, path, err);
  if (!status) status = os_writer_add(w, text, len, err);
  if (!status) status = os_writer_add(w, "\n", 1, err);
  base_free(NULL, text, len);
  if (w == NULL) return status;
  if (!status) return os_writer_commit(w, err);
  os_writer_abort(w);
  return status;
}

/* ---- tokenizer.json ---- */

static json_t *added_token(const source *s, size_t i) {
  bool special = type_of(s, i) != TOKEN_USER;
  return json_pack("{s:I,s:o,s:b,s:b,s:b,s:b,s:b}", "id", (json_int_t)i, "content", text_json(s->tokens[i]),
                   "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", special ? 1 : 0);
}

static bool is_added(const source *s, size_t i) {
  int32_t type = type_of(s, i);
  return type == TOKEN_CONTROL || type == TOKEN_USER || type == TOKEN_UNKNOWN;
}

/* An id that nothing stands for: import fills it with the same text again. */
static bool is_hole(const source *s, size_t i) {
  char name[32];
  return type_of(s, i) == TOKEN_UNUSED && base_format(name, sizeof name, "[PAD%zu]", i) &&
         base_slice_equal(s->tokens[i], base_slice_of(name));
}

static json_t *added_tokens(const source *s) {
  json_t *list = json_array();
  for (size_t i = 0; i < s->used; i++) {
    if (is_added(s, i)) *s->lost |= json_array_append_new(list, added_token(s, i));
  }
  return list;
}

/* {"type":"TemplateProcessing"} that puts `first` before (and `last` behind) a text; ids -1 are left out. */
static json_t *template_of(const source *s, int64_t first, int64_t last) {
  json_t *single = json_array(), *pair = json_array(), *specials = json_object();
  int64_t ids[2] = {first, last};
  for (int place = 0; place < 2; place++) {
    if (place == 1) {
      *s->lost |= json_array_append_new(single, json_pack("{s:{s:s,s:i}}", "Sequence", "id", "A", "type_id", 0));
    }
    if (ids[place] < 0) continue;
    base_slice text = s->tokens[ids[place]];
    json_t *step = json_pack("{s:{s:o,s:i}}", "SpecialToken", "id", text_json(text), "type_id", 0);
    *s->lost |= json_array_append_new(single, step);
    *s->lost |= json_object_setn_new_nocheck(specials, text.ptr, text.len,
                                       json_pack("{s:o,s:[I],s:[o]}", "id", text_json(text), "ids",
                                                 (json_int_t)ids[place], "tokens", text_json(text)));
  }
  *s->lost |= json_array_extend(pair, single);
  *s->lost |= json_array_append_new(pair, json_pack("{s:{s:s,s:i}}", "Sequence", "id", "B", "type_id", 1));
  if (last >= 0)
    *s->lost |= json_array_append_new(
        pair, json_pack("{s:{s:o,s:i}}", "SpecialToken", "id", text_json(s->tokens[last]), "type_id", 1));
  return json_pack("{s:s,s:o,s:o,s:o}", "type", "TemplateProcessing", "single", single, "pair", pair,
                   "special_tokens", specials);
}

/* "a b" as ["a", "b"]. */
static json_t *merges_of(const source *s, base_status *status) {
  json_t *list = json_array();
  uint64_t n;
  base_cursor items;
  *status = gguf_get_strings(s->f, "tokenizer.ggml.merges", &n, &items, s->err);
  for (uint64_t i = 0; i < n && !*status; i++) {
    base_slice rest = gguf_next_string(&items), a, b;
    if (rest.len > 0 && !base_utf8_valid(rest.ptr, rest.len))
      *status = base_fail(s->err, BASE_EFORMAT, gguf_path(s->f), "merge %llu is not UTF-8", (unsigned long long)i);
    else if (!base_slice_split(&rest, ' ', &a) || !base_slice_split(&rest, ' ', &b) || rest.len > 0)
      *status = base_fail(s->err, BASE_EFORMAT, gguf_path(s->f), "merge %llu is no pair", (unsigned long long)i);
    else
      *s->lost |= json_array_append_new(list, json_pack("[o,o]", text_json(a), text_json(b)));
  }
  return list;
}

static json_t *presplit_of(const source *s) {
  const char *name, *expression;
  bool digits;
  for (size_t i = 0; convert_presplit(i, &name, &digits, &expression); i++) {
    if (!base_slice_equal(s->pre, base_slice_of(name))) continue;
    json_t *steps = json_array();
    bool own = expression[0] == 0;
    if (digits)
      *s->lost |= json_array_append_new(steps, json_pack("{s:s,s:b}", "type", "Digits", "individual_digits", 1));
    if (!own)
      *s->lost |= json_array_append_new(steps, json_pack("{s:s,s:{s:s},s:s,s:b}", "type", "Split", "pattern",
                                                   "Regex", expression, "behavior", "Isolated", "invert", 0));
    *s->lost |= json_array_append_new(steps, json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space",
                                                 0, "trim_offsets", 1, "use_regex", own ? 1 : 0));
    return json_pack("{s:s,s:o}", "type", "Sequence", "pretokenizers", steps);
  }
  (void)base_fail(s->err, BASE_EUNSUPPORTED, gguf_path(s->f),
                  "the pre-split rule \"%.*s\" cannot be written as tokenizer.json",
                  s->pre.len > 60 ? 60 : (int)s->pre.len, s->pre.ptr);
  return NULL;
}

/* Token texts to ids, without the added ones; `word_pieces` turns the marks around. */
static json_t *vocab_of(const source *s, bool word_pieces) {
  json_t *vocab = json_object();
  base_slice mark = BASE_LITERAL(SPACE_MARK);
  for (size_t i = 0; i < s->used; i++) {
    base_slice text = s->tokens[i];
    base_buf turned = {0};
    if ((!word_pieces && is_added(s, i)) || is_hole(s, i)) continue;
    if (word_pieces && !is_added(s, i)) {
      bool begins = base_slice_starts(text, mark);
      base_buf_puts(&turned, begins ? "" : "##");
      base_buf_add(&turned, text.ptr + (begins ? mark.len : 0), text.len - (begins ? mark.len : 0));
      text = (base_slice){turned.ptr, turned.len};
      *s->lost |= turned.failed;
    }
    *s->lost |= json_object_setn_new_nocheck(vocab, text.ptr, text.len, json_integer((json_int_t)i));
    base_buf_free(&turned);
  }
  return vocab;
}

static json_t *byte_level_json(const source *s, base_status *status) {
  json_t *split = presplit_of(s);
  if (split == NULL) {
    if (s->err->code == BASE_OK) (void)base_fail(s->err, BASE_ENOMEM, gguf_path(s->f), "no memory for its tokenizer");
    *status = s->err->code;
    return NULL;
  }
  json_t *merges = merges_of(s, status);
  json_t *bytes = json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets",
                            1, "use_regex", 1);
  json_t *model = json_pack("{s:s,s:n,s:n,s:n,s:n,s:b,s:b,s:o,s:o}", "type", "BPE", "dropout", "unk_token",
                            "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback",
                            0, "vocab", vocab_of(s, false), "merges", merges);
  bool bos = flag_of(s, "tokenizer.ggml.add_bos_token", 0) != 0,
       eos = flag_of(s, "tokenizer.ggml.add_eos_token", 0) != 0;
  json_t *post = bos || eos ? template_of(s, bos ? special_of(s, SPECIAL_BOS) : -1,
                                          eos ? special_of(s, SPECIAL_EOS) : -1)
                            : json_incref(bytes);
  bool nfc = base_slice_equal(s->pre, BASE_LITERAL("qwen2"));
  return json_pack("{s:s,s:n,s:n,s:o,s:o,s:o,s:o,s:o,s:o}", "version", "1.0", "truncation", "padding",
                   "added_tokens", added_tokens(s), "normalizer",
                   nfc ? json_pack("{s:s}", "type", "NFC") : json_null(), "pre_tokenizer", split,
                   "post_processor", post, "decoder", bytes, "model", model);
}

static json_t *word_piece_json(const source *s) {
  int64_t unknown = special_of(s, SPECIAL_UNK), first = special_of(s, SPECIAL_CLS),
          last = special_of(s, SPECIAL_SEP);
  json_t *model = json_pack("{s:s,s:o,s:s,s:i,s:o}", "type", "WordPiece", "unk_token",
                            text_json(unknown >= 0 ? s->tokens[unknown] : BASE_LITERAL("[UNK]")),
                            "continuing_subword_prefix", "##", "max_input_chars_per_word", 100, "vocab",
                            vocab_of(s, true));
  return json_pack("{s:s,s:n,s:n,s:o,s:{s:s,s:b,s:b,s:n,s:b},s:{s:s},s:o,s:{s:s,s:s,s:b},s:o}", "version",
                   "1.0", "truncation", "padding", "added_tokens", added_tokens(s), "normalizer", "type",
                   "BertNormalizer", "clean_text", 1, "handle_chinese_chars", 1, "strip_accents", "lowercase",
                   1, "pre_tokenizer", "type", "BertPreTokenizer", "post_processor",
                   template_of(s, first, last), "decoder", "type", "WordPiece", "prefix", "##", "cleanup", 1,
                   "model", model);
}

/* ---- SentencePiece's BPE as tokenizer.json ---- */

/* Two pieces that make token `id`, cut after so many bytes. */
typedef struct pair {
  float score;
  uint32_t id, cut;
} pair;

/* The piece with the highest score is made first; equal ones in the order of their ids, then of their cuts. */
static int by_score(const void *pa, const void *pb) {
  const pair *a = pa, *b = pb;
  if (a->score != b->score) return a->score > b->score ? -1 : 1;
  if (a->id != b->id) return a->id < b->id ? -1 : 1;
  return a->cut < b->cut ? -1 : a->cut > b->cut;
}

/* Gemma's runs of blanks are added tokens; in tokenizer.json those are looked for where blanks are no marks yet, so
 * that only a merge, made before all others, can find them. */
static bool is_added_blanks(const source *s, size_t id) {
  return type_of(s, id) == TOKEN_USER && base_slice_starts(s->tokens[id], BASE_LITERAL(SPACE_MARK));
}

/* Every way to put a piece together from two others: `out` NULL only counts. */
static size_t find_pairs(const source *s, const json_t *vocab, pair *out) {
  size_t n = 0;
  for (size_t i = 0; i < s->used; i++) {
    base_slice text = s->tokens[i];
    bool blanks = is_added_blanks(s, i);
    if ((type_of(s, i) != TOKEN_NORMAL && !blanks) || text.len > MAX_PIECE) continue;
    for (size_t cut = 1; cut < text.len; cut++) {
      if (((unsigned char)text.ptr[cut] & 0xC0) == 0x80) continue; /* inside a character */
      if (json_object_getn(vocab, text.ptr, cut) == NULL ||
          json_object_getn(vocab, text.ptr + cut, text.len - cut) == NULL)
        continue;
      if (out != NULL) out[n] = (pair){blanks ? 1.0F : score_of(s, i), (uint32_t)i, (uint32_t)cut};
      n++;
    }
  }
  return n;
}

static json_t *piece_merges(const source *s, const json_t *vocab) {
  size_t n = find_pairs(s, vocab, NULL);
  pair *pairs = base_calloc(NULL, n + 1, sizeof *pairs);
  json_t *list = json_array();
  if (pairs == NULL) {
    json_decref(list);
    return NULL;
  }
  (void)find_pairs(s, vocab, pairs);
  qsort(pairs, n, sizeof *pairs, by_score);
  for (size_t i = 0; i < n; i++) {
    base_slice text = s->tokens[pairs[i].id];
    *s->lost |= json_array_append_new(list,
                                json_pack("[o,o]", json_stringn(text.ptr, pairs[i].cut),
                                          json_stringn(text.ptr + pairs[i].cut, text.len - pairs[i].cut)));
  }
  base_free(NULL, pairs, (n + 1) * sizeof *pairs);
  return list;
}

static json_t *pieces_json(const source *s) {
  bool prefix = flag_of(s, "tokenizer.ggml.add_space_prefix", 1) != 0;
  bool bos = flag_of(s, "tokenizer.ggml.add_bos_token", 1) != 0,
       eos = flag_of(s, "tokenizer.ggml.add_eos_token", 0) != 0;
  int64_t unknown = special_of(s, SPECIAL_UNK);
  json_t *vocab = json_object(), *normal = json_array(), *decode = json_array();
  for (size_t i = 0; i < s->used; i++)
    *s->lost |= json_object_setn_new_nocheck(vocab, s->tokens[i].ptr, s->tokens[i].len,
                                       json_integer((json_int_t)i));
  if (prefix)
    *s->lost |= json_array_append_new(normal, json_pack("{s:s,s:s}", "type", "Prepend", "prepend", SPACE_MARK));
  *s->lost |= json_array_append_new(normal, json_pack("{s:s,s:{s:s},s:s}", "type", "Replace", "pattern", "String",
                                                " ", "content", SPACE_MARK));
  *s->lost |= json_array_append_new(decode, json_pack("{s:s,s:{s:s},s:s}", "type", "Replace", "pattern", "String",
                                                SPACE_MARK, "content", " "));
  *s->lost |= json_array_append_new(decode, json_pack("{s:s}", "type", "ByteFallback"));
  *s->lost |= json_array_append_new(decode, json_pack("{s:s}", "type", "Fuse"));
  if (prefix)
    *s->lost |= json_array_append_new(
        decode, json_pack("{s:s,s:s,s:i,s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0));
  json_t *model = json_pack("{s:s,s:n,s:o,s:n,s:n,s:b,s:b,s:O,s:o}", "type", "BPE", "dropout", "unk_token",
                            unknown >= 0 ? text_json(s->tokens[unknown]) : json_null(),
                            "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 1, "byte_fallback",
                            1, "vocab", vocab, "merges", piece_merges(s, vocab));
  json_decref(vocab);
  json_t *post = template_of(s, bos ? special_of(s, SPECIAL_BOS) : -1, eos ? special_of(s, SPECIAL_EOS) : -1);
  return json_pack("{s:s,s:n,s:n,s:o,s:{s:s,s:o},s:n,s:o,s:{s:s,s:o},s:o}", "version", "1.0", "truncation",
                   "padding", "added_tokens", added_tokens(s), "normalizer", "type", "Sequence",
                   "normalizers", normal, "pre_tokenizer", "post_processor", post, "decoder", "type",
                   "Sequence", "decoders", decode, "model", model);
}

/* ---- tokenizer.model ---- */

static void put_varint(base_buf *b, uint64_t v) {
  for (; v > 127; v >>= 7) base_buf_putc(b, (char)(unsigned char)((v & 127) | 128));
  base_buf_putc(b, (char)v);
}

static void put_number(base_buf *b, unsigned field, int64_t v) {
  put_varint(b, (uint64_t)field << 3);
  put_varint(b, (uint64_t)v);
}

static void put_bytes(base_buf *b, unsigned field, const void *bytes, size_t len) {
  put_varint(b, (uint64_t)field << 3 | 2);
  put_varint(b, len);
  base_buf_add(b, bytes, len);
}

static void put_piece(base_buf *out, const source *s, size_t i) {
  base_buf piece = {0};
  float score = score_of(s, i);
  uint32_t bits;
  memcpy(&bits, &score, sizeof bits);
  put_bytes(&piece, 1, s->tokens[i].ptr, s->tokens[i].len);
  put_varint(&piece, 2 << 3 | 5);
  for (int k = 0; k < 4; k++) base_buf_putc(&piece, (char)(unsigned char)(bits >> (8 * k)));
  put_number(&piece, 3, type_of(s, i));
  put_bytes(out, 1, piece.ptr, piece.len);
  if (piece.failed) out->failed = true;
  base_buf_free(&piece);
}

static base_status save_model(const source *s) {
  static const int ids[4] = {SPECIAL_UNK, SPECIAL_BOS, SPECIAL_EOS, SPECIAL_PAD};
  bool unigram = base_slice_equal(s->model, BASE_LITERAL("t5")), bytes = false;
  base_buf out = {0}, part = {0};
  char path[4096];
  base_status status = convert_join(path, sizeof path, s->dir, "tokenizer.model", s->err);
  for (size_t i = 0; i < s->used; i++) {
    put_piece(&out, s, i);
    bytes = bytes || type_of(s, i) == TOKEN_BYTE;
  }
  put_number(&part, 3, unigram ? 1 : 2);
  put_number(&part, 4, (int64_t)s->used);
  put_number(&part, 35, bytes);
  for (unsigned k = 0; k < 4; k++) put_number(&part, 40 + k, special_of(s, ids[k]));
  put_bytes(&out, 2, part.ptr, part.len);
  base_buf_clear(&part);
  const gguf_value *map = gguf_find(s->f, "tokenizer.ggml.precompiled_charsmap");
  put_bytes(&part, 1, "identity", 8);
  if (map != NULL && map->type == GGUF_ARRAY) put_bytes(&part, 2, map->bytes, map->len);
  put_number(&part, 3, flag_of(s, "tokenizer.ggml.add_space_prefix", 1));
  put_number(&part, 4, flag_of(s, "tokenizer.ggml.remove_extra_whitespaces", unigram));
  put_bytes(&out, 3, part.ptr, part.len);
  if (!status && (out.failed || part.failed))
    status = base_fail(s->err, BASE_ENOMEM, path, "no memory for the tokenizer");
  if (!status) status = os_write_file(path, out.ptr, out.len, s->err);
  base_buf_free(&out);
  base_buf_free(&part);
  return status;
}

/* ---- what stands around it ---- */

static base_status check_whole(const source *s) {
  return *s->lost == 0 ? BASE_OK : base_fail(s->err, BASE_ENOMEM, gguf_path(s->f), "no memory for its tokenizer");
}

static void put_added(const source *s, json_t *root) {
  json_t *added = json_object();
  for (size_t i = 0; i < s->used; i++) {
    char id[24];
    if (!is_added(s, i)) continue;
    json_t *token = added_token(s, i);
    (void)json_object_del(token, "id");
    (void)base_format(id, sizeof id, "%zu", i);
    *s->lost |= json_object_set_new(added, id, token);
  }
  *s->lost |= json_object_set_new(root, "added_tokens_decoder", added);
}

static void put_specials(const source *s, json_t *root, json_t *generation) {
  for (int i = 0; i < SPECIALS; i++) {
    int64_t id = special_of(s, i);
    if (id < 0) continue;
    *s->lost |= json_object_set_new(root, convert_special_name(i), text_json(s->tokens[id]));
    if (i == SPECIAL_BOS) *s->lost |= json_object_set_new(generation, "bos_token_id", json_integer((json_int_t)id));
    if (i == SPECIAL_EOS) *s->lost |= json_object_set_new(generation, "eos_token_id", json_integer((json_int_t)id));
    if (i == SPECIAL_PAD) *s->lost |= json_object_set_new(generation, "pad_token_id", json_integer((json_int_t)id));
  }
}

static void put_flag(const source *s, json_t *root, const char *gguf, const char *hf, bool otherwise) {
  if (gguf_find(s->f, gguf) != NULL)
    *s->lost |= json_object_set_new(root, hf, json_boolean(flag_of(s, gguf, otherwise)));
}

static base_status save_config(const source *s) {
  json_t *root = json_object(), *generation = json_object();
  base_slice text;
  put_added(s, root);
  put_specials(s, root, generation);
  put_flag(s, root, "tokenizer.ggml.add_bos_token", "add_bos_token", false);
  put_flag(s, root, "tokenizer.ggml.add_eos_token", "add_eos_token", false);
  if (base_slice_equal(s->model, BASE_LITERAL("llama")))
    put_flag(s, root, "tokenizer.ggml.add_space_prefix", "add_prefix_space", true);
  const char *class_name =
      base_slice_equal(s->model, BASE_LITERAL("t5")) ? "T5Tokenizer" : "PreTrainedTokenizerFast";
  *s->lost |= json_object_set_new(root, "tokenizer_class", json_string(class_name));
  bool template = gguf_find(s->f, "tokenizer.chat_template") != NULL &&
                  gguf_get_string(s->f, "tokenizer.chat_template", &text, NULL) == BASE_OK;
  base_status status = BASE_OK;
  if (template && text.len > 0 && !base_utf8_valid(text.ptr, text.len))
    status = base_fail(s->err, BASE_EFORMAT, gguf_path(s->f), "tokenizer.chat_template is not UTF-8");
  else if (template) *s->lost |= json_object_set_new(root, "chat_template", text_json(text));
  if (!status) status = check_whole(s);
  if (!status) status = convert_save_json(root, s->dir, "tokenizer_config.json", s->err);
  if (!status && json_object_size(generation) > 0)
    status = convert_save_json(generation, s->dir, "generation_config.json", s->err);
  json_decref(root);
  json_decref(generation);
  return status;
}

static base_status open_source(source *s) {
  uint64_t n;
  base_cursor items;
  base_status status = gguf_get_string(s->f, "tokenizer.ggml.model", &s->model, s->err);
  if (!status) status = gguf_get_strings(s->f, "tokenizer.ggml.tokens", &n, &items, s->err);
  if (status) return status;
  if (n > CONVERT_MAX_TOKENS)
    return base_fail(s->err, BASE_ELIMIT, gguf_path(s->f), "there are too many tokens");
  s->pre = BASE_LITERAL("default");
  if (gguf_find(s->f, "tokenizer.ggml.pre") != NULL)
    status = gguf_get_string(s->f, "tokenizer.ggml.pre", &s->pre, s->err);
  if (status) return status;
  const gguf_value *types = gguf_find(s->f, "tokenizer.ggml.token_type"),
                   *scores = gguf_find(s->f, "tokenizer.ggml.scores");
  s->n = s->used = (size_t)n;
  if (types != NULL && types->type == GGUF_ARRAY && types->len == s->n * 4) s->types = types->bytes;
  if (scores != NULL && scores->type == GGUF_ARRAY && scores->len == s->n * 4) s->scores = scores->bytes;
  s->tokens = base_calloc(NULL, s->n + 1, sizeof *s->tokens);
  if (s->tokens == NULL) return base_fail(s->err, BASE_ENOMEM, gguf_path(s->f), "no memory for the tokens");
  for (size_t i = 0; i < s->n; i++) {
    s->tokens[i] = gguf_next_string(&items);
    if (s->tokens[i].ptr == NULL) s->tokens[i] = (base_slice){"", 0};
  }
  while (s->used > 0 && type_of(s, s->used - 1) == TOKEN_UNUSED) s->used--;
  for (size_t i = 0; i < s->used; i++)
    if (!base_utf8_valid(s->tokens[i].ptr, s->tokens[i].len))
      return base_fail(s->err, BASE_EFORMAT, gguf_path(s->f), "token %zu is not UTF-8", i);
  return BASE_OK;
}

base_status convert_vocab_export(const gguf_file *f, const char *dir, base_error *err) {
  int lost = 0;
  source s = {.f = f, .dir = dir, .err = err, .lost = &lost};
  json_t *json = NULL;
  base_status status = open_source(&s);
  if (status) goto done;
  if (base_slice_equal(s.model, BASE_LITERAL("gpt2"))) {
    json = byte_level_json(&s, &status);
  } else if (base_slice_equal(s.model, BASE_LITERAL("bert"))) {
    json = word_piece_json(&s);
  } else if (base_slice_equal(s.model, BASE_LITERAL("llama"))) {
    status = save_model(&s);
    if (!status) json = pieces_json(&s);
  } else if (base_slice_equal(s.model, BASE_LITERAL("t5"))) {
    status = save_model(&s);
    if (!status) status = save_config(&s);
    goto done;
  } else {
    status = base_fail(err, BASE_EUNSUPPORTED, gguf_path(f), "the tokenizer \"%.*s\" is not known",
                       s.model.len > 60 ? 60 : (int)s.model.len, s.model.ptr);
  }
  lost |= json == NULL;
  if (!status) status = check_whole(&s);
  if (!status) status = convert_save_json(json, dir, "tokenizer.json", err);
  if (!status) status = save_config(&s);
done:
  json_decref(json);
  base_free(NULL, s.tokens, (s.n + 1) * sizeof *s.tokens);
  return status;
}
