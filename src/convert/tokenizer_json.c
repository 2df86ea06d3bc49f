/* convert/tokenizer_json: tokenizer.json (huggingface/tokenizers) read: byte-level BPE with a pre-split that
 * is known, SentencePiece-like BPE, Unigram, WordPiece. What is not recognised is an error that names it. */
#include <string.h>

#include "convert/vocab.h"

typedef struct reader {
  convert_vocab *v;
  const json_t *root, *model;
  const char *where;
  base_error *err;
} reader;

static base_slice slice_of(const json_t *v) {
  return json_is_string(v) ? (base_slice){json_string_value(v), json_string_length(v)}
                           : (base_slice){NULL, 0};
}

static const char *text_of(const json_t *object, const char *key) {
  const char *s = json_string_value(json_object_get(object, key));
  return s != NULL ? s : "";
}

/* The steps of a pre-tokenizer, normalizer or decoder: of a Sequence its members, else the one; NULL past the
 * end. */
static const json_t *step_at(const json_t *part, const char *list, size_t index) {
  if (strcmp(text_of(part, "type"), "Sequence") == 0)
    return json_array_get(json_object_get(part, list), index);
  return index == 0 && json_is_object(part) ? part : NULL;
}

static const json_t *find_step(const json_t *part, const char *list, const char *type) {
  const json_t *step;
  for (size_t i = 0; (step = step_at(part, list, i)) != NULL; i++) {
    if (strcmp(text_of(step, "type"), type) == 0) return step;
  }
  return NULL;
}

static const json_t *pre_step(const reader *r, const char *type) {
  return find_step(json_object_get(r->root, "pre_tokenizer"), "pretokenizers", type);
}

static const json_t *normalizer_step(const reader *r, const char *type) {
  return find_step(json_object_get(r->root, "normalizer"), "normalizers", type);
}

/* ---- vocabulary ---- */

static base_status read_vocab_object(reader *r, int32_t type) {
  const json_t *vocab = json_object_get(r->model, "vocab");
  const char *text;
  json_t *id;
  if (!json_is_object(vocab))
    return base_fail(r->err, BASE_EFORMAT, r->where, "the key \"model.vocab\" is no object");
  json_object_foreach((json_t *)vocab, text, id) {
    if (!json_is_integer(id) || json_integer_value(id) < 0)
      return base_fail(r->err, BASE_EFORMAT, r->where, "token \"%.60s\" has no id", text);
    base_status status = convert_vocab_set(r->v, (uint64_t)json_integer_value(id), base_slice_of(text), 0.0F,
                                           type, r->where, r->err);
    if (status) return status;
  }
  return BASE_OK;
}

base_status convert_vocab_read_added(convert_vocab *v, const json_t *root, size_t from, const char *where,
                                     base_error *err) {
  json_t *entry;
  size_t i;
  json_array_foreach(json_object_get(root, "added_tokens"), i, entry) {
    base_slice text = slice_of(json_object_get(entry, "content"));
    const json_t *id = json_object_get(entry, "id");
    if (text.ptr == NULL || !json_is_integer(id) || json_integer_value(id) < 0)
      return base_fail(err, BASE_EFORMAT, where, "added token %zu has no id or content", i);
    int32_t type = convert_added_type(text, json_is_true(json_object_get(entry, "special")));
    uint64_t at = (uint64_t)json_integer_value(id);
    float score = at < v->n && v->tokens[at].len != SIZE_MAX ? v->tokens[at].score : -1000.0F;
    base_status status = at >= from ? convert_vocab_set(v, at, text, score, type, where, err) : BASE_OK;
    if (status) return status;
  }
  return BASE_OK;
}

/* Both halves of a merge: ["a","b"] or "a b". */
static bool merge_halves(const json_t *merge, base_slice *a, base_slice *b) {
  if (json_is_array(merge)) {
    *a = slice_of(json_array_get(merge, 0));
    *b = slice_of(json_array_get(merge, 1));
    return json_array_size(merge) == 2 && a->ptr != NULL && b->ptr != NULL;
  }
  base_slice rest = slice_of(merge);
  return rest.ptr != NULL && base_slice_split(&rest, ' ', a) && base_slice_split(&rest, ' ', b) &&
         rest.len == 0;
}

/* In GGUF a merge is "a b"; a blank inside a half is written as the byte-level letter for it. */
static void put_half(base_buf *out, base_slice half) {
  for (size_t i = 0; i < half.len; i++) {
    if (half.ptr[i] == ' ')
      base_buf_puts(out, "\xC4\xA0");
    else
      base_buf_putc(out, half.ptr[i]);
  }
}

static base_status read_merges(reader *r) {
  json_t *merge;
  size_t i;
  base_buf *out = &r->v->merge_text;
  const json_t *merges = json_object_get(r->model, "merges");
  if (!json_is_array(merges))
    return base_fail(r->err, BASE_EFORMAT, r->where, "the key \"model.merges\" is no list");
  json_array_foreach(merges, i, merge) {
    base_slice a, b;
    if (!merge_halves(merge, &a, &b))
      return base_fail(r->err, BASE_EFORMAT, r->where, "merge %zu is no pair", i);
    put_half(out, a);
    base_buf_putc(out, ' ');
    put_half(out, b);
    base_buf_putc(out, 0);
  }
  r->v->n_merges = json_array_size(merges);
  return out->failed ? base_fail(r->err, BASE_ENOMEM, r->where, "no memory for the merges") : BASE_OK;
}

/* ---- byte-level BPE ---- */

static base_status recognise_presplit(reader *r) {
  const json_t *split = pre_step(r, "Split"), *bytes = pre_step(r, "ByteLevel"),
               *digits = pre_step(r, "Digits");
  const json_t *pattern = json_object_get(split, "pattern");
  const char *wanted = split != NULL ? text_of(pattern, "Regex") : "", *name, *expression;
  bool first, has_digits = digits != NULL && json_is_true(json_object_get(digits, "individual_digits"));
  size_t steps = 0, known = 1;
  if (split != NULL) known++;
  if (digits != NULL) known++;
  while (step_at(json_object_get(r->root, "pre_tokenizer"), "pretokenizers", steps) != NULL) steps++;
  bool shape_ok = bytes != NULL && steps == known;
  /* ByteLevel splits by its own expression unless another step has done it */
  bool own = json_object_get(bytes, "use_regex") == NULL || json_is_true(json_object_get(bytes, "use_regex"));
  if (own == (split != NULL)) shape_ok = false;
  for (size_t i = 0; shape_ok && convert_presplit(i, &name, &first, &expression); i++) {
    if (first != has_digits || strcmp(expression, wanted) != 0) continue;
    r->v->pre = name;
    return BASE_OK;
  }
  return base_fail(r->err, BASE_EUNSUPPORTED, r->where, "the pre-tokenizer %s%.150s is not known",
                   split != NULL ? "with the expression " : "",
                   split != NULL ? wanted : text_of(json_object_get(r->root, "pre_tokenizer"), "type"));
}

/* True when the template of the post-processor begins (or ends) with a special token. */
static bool template_adds(const reader *r, bool at_end) {
  const json_t *part = json_object_get(r->root, "post_processor");
  const json_t *step = find_step(part, "processors", "TemplateProcessing"),
               *single = json_object_get(step, "single");
  size_t n = json_array_size(single);
  return n > 0 && json_object_get(json_array_get(single, at_end ? n - 1 : 0), "SpecialToken") != NULL;
}

static base_status read_byte_level(reader *r) {
  r->v->model = "gpt2";
  base_status status = recognise_presplit(r);
  if (!status) status = read_vocab_object(r, TOKEN_NORMAL);
  if (!status) status = read_merges(r);
  r->v->add_bos = template_adds(r, false);
  if (template_adds(r, true)) r->v->add_eos = 1;
  return status;
}

/* ---- SentencePiece-like ---- */

/* "<0x41>" */
static bool is_byte_token(base_slice s) {
  return s.len == 6 && memcmp(s.ptr, "<0x", 3) == 0 && s.ptr[5] == '>';
}

static void type_pieces(reader *r, base_slice unknown) {
  for (size_t i = 0; i < r->v->n; i++) {
    base_slice text = convert_vocab_text(r->v, i);
    if (is_byte_token(text)) r->v->tokens[i].type = TOKEN_BYTE;
    if (unknown.ptr != NULL && base_slice_equal(text, unknown)) {
      r->v->tokens[i].type = TOKEN_UNKNOWN;
      r->v->special[SPECIAL_UNK] = (int64_t)i;
    }
  }
}

/* A blank is put before the text unless the tokenizer says otherwise. */
static int space_prefix(const reader *r) {
  const json_t *space = pre_step(r, "Metaspace");
  if (space != NULL) {
    if (json_is_boolean(json_object_get(space, "add_prefix_space")))
      return json_is_true(json_object_get(space, "add_prefix_space"));
    return strcmp(text_of(space, "prepend_scheme"), "never") != 0;
  }
  return normalizer_step(r, "Prepend") != NULL;
}

/* A piece's score is the negative rank of the first merge that makes it: the order in which pairs are joined.
 */
static base_status score_by_merges(reader *r) {
  const json_t *merges = json_object_get(r->model, "merges"), *vocab = json_object_get(r->model, "vocab");
  json_t *merge;
  size_t i;
  base_buf joined = {0};
  base_status status = BASE_OK;
  for (i = 0; i < r->v->n; i++) r->v->tokens[i].score = -1e9F;
  json_array_foreach(merges, i, merge) {
    base_slice a, b;
    if (!merge_halves(merge, &a, &b)) {
      status = base_fail(r->err, BASE_EFORMAT, r->where, "merge %zu is no pair", i);
      break;
    }
    base_buf_clear(&joined);
    base_buf_add(&joined, a.ptr, a.len);
    base_buf_add(&joined, b.ptr, b.len);
    const json_t *id = joined.len > 0 ? json_object_get(vocab, joined.ptr) : NULL;
    if (id == NULL) continue;
    convert_token *t = &r->v->tokens[json_integer_value(id)];
    if (t->score == -1e9F) t->score = -(float)i;
  }
  if (!status && joined.failed) status = base_fail(r->err, BASE_ENOMEM, r->where, "no memory for the merges");
  base_buf_free(&joined);
  return status;
}

static base_status read_pieces(reader *r) {
  r->v->model = "llama";
  r->v->pre = "default";
  base_status status = read_vocab_object(r, TOKEN_NORMAL);
  if (!status) status = score_by_merges(r);
  r->v->add_space_prefix = space_prefix(r);
  r->v->add_bos = template_adds(r, false);
  r->v->add_eos = template_adds(r, true);
  return status;
}

/* ---- Unigram ---- */

static int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static base_status read_charsmap(reader *r) {
  base_slice text = slice_of(json_object_get(normalizer_step(r, "Precompiled"), "precompiled_charsmap"));
  uint32_t bits = 0;
  int have = 0;
  for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
    int value = base64_value(text.ptr[i]);
    if (value < 0)
      return base_fail(r->err, BASE_EFORMAT, r->where, "the key \"precompiled_charsmap\" is no base64");
    bits = bits << 6 | (uint32_t)value;
    have += 6;
    if (have < 8) continue;
    have -= 8;
    base_buf_putc(&r->v->charsmap, (char)(unsigned char)(bits >> have));
  }
  return r->v->charsmap.failed ? base_fail(r->err, BASE_ENOMEM, r->where, "no memory for the table")
                               : BASE_OK;
}

static base_status read_unigram(reader *r) {
  const json_t *vocab = json_object_get(r->model, "vocab"), *unknown = json_object_get(r->model, "unk_id");
  json_t *piece;
  size_t i;
  r->v->model = "t5";
  r->v->pre = "default";
  if (!json_is_array(vocab))
    return base_fail(r->err, BASE_EFORMAT, r->where, "the key \"model.vocab\" is no list");
  json_array_foreach(vocab, i, piece) {
    base_slice text = slice_of(json_array_get(piece, 0));
    double score = json_number_value(json_array_get(piece, 1));
    if (text.ptr == NULL || !json_is_number(json_array_get(piece, 1)) || !(score > -1e9 && score < 1e9))
      return base_fail(r->err, BASE_EFORMAT, r->where, "piece %zu is no text with a score", i);
    bool is_unknown = json_is_integer(unknown) && json_integer_value(unknown) == (json_int_t)i;
    if (is_unknown) r->v->special[SPECIAL_UNK] = (int64_t)i;
    base_status status = convert_vocab_set(r->v, i, text, (float)score,
                                           is_unknown ? TOKEN_UNKNOWN : TOKEN_NORMAL, r->where, r->err);
    if (status) return status;
  }
  r->v->add_space_prefix = space_prefix(r);
  r->v->add_eos = template_adds(r, true);
  return read_charsmap(r);
}

/* ---- WordPiece ---- */

/* The texts of the added tokens as keys of an object; NULL when out of memory. */
static json_t *added_texts(const reader *r) {
  json_t *set = json_object(), *entry;
  size_t i;
  json_array_foreach(json_object_get(r->root, "added_tokens"), i, entry) {
    const json_t *content = json_object_get(entry, "content");
    if (json_is_string(content)) json_object_set_new(set, json_string_value(content), json_true());
  }
  return set;
}

/* GGUF marks beginnings of words where WordPiece marks continuations. */
static base_status read_word_pieces(reader *r) {
  const json_t *vocab = json_object_get(r->model, "vocab");
  const char *text, *prefix = text_of(r->model, "continuing_subword_prefix");
  size_t prefix_len = strlen(prefix);
  json_t *id;
  base_buf marked = {0};
  base_status status = BASE_OK;
  r->v->model = "bert";
  r->v->pre = "default";
  if (!json_is_object(vocab))
    return base_fail(r->err, BASE_EFORMAT, r->where, "the key \"model.vocab\" is no object");
  if (strcmp(prefix, "##") != 0)
    return base_fail(r->err, BASE_EUNSUPPORTED, r->where,
                     "the prefix of continuing pieces is \"%.20s\" instead of ##", prefix);
  json_t *added = added_texts(r);
  json_object_foreach((json_t *)vocab, text, id) {
    base_buf_clear(&marked);
    if (json_object_get(added, text) != NULL)
      base_buf_puts(&marked, text);
    else if (strncmp(text, "##", prefix_len) == 0)
      base_buf_puts(&marked, text + prefix_len);
    else
      base_buf_printf(&marked, "\xE2\x96\x81%s", text);
    if (!json_is_integer(id) || json_integer_value(id) < 0) {
      status = base_fail(r->err, BASE_EFORMAT, r->where, "token \"%.60s\" has no id", text);
    } else if (marked.failed) {
      status = base_fail(r->err, BASE_ENOMEM, r->where, "no memory for the tokens");
    } else {
      status = convert_vocab_set(r->v, (uint64_t)json_integer_value(id),
                                 (base_slice){marked.len > 0 ? marked.ptr : "", marked.len}, 0.0F,
                                 TOKEN_NORMAL, r->where, r->err);
    }
    if (status) break;
  }
  r->v->special[SPECIAL_UNK] = convert_vocab_find(r->v, slice_of(json_object_get(r->model, "unk_token")));
  json_decref(added);
  base_buf_free(&marked);
  return status;
}

base_status convert_vocab_read_json(convert_vocab *v, const json_t *root, const char *where,
                                    base_error *err) {
  reader r = {v, root, json_object_get(root, "model"), where, err};
  const char *type = text_of(r.model, "type");
  base_status status;
  if (strcmp(type, "BPE") == 0) {
    bool bytes = pre_step(&r, "ByteLevel") != NULL ||
                 find_step(json_object_get(root, "decoder"), "decoders", "ByteLevel") != NULL;
    status = bytes ? read_byte_level(&r) : read_pieces(&r);
  } else if (strcmp(type, "Unigram") == 0) {
    status = read_unigram(&r);
  } else if (strcmp(type, "WordPiece") == 0) {
    status = read_word_pieces(&r);
  } else {
    return base_fail(err, BASE_EUNSUPPORTED, where, "the tokenizer model \"%.40s\" is not known", type);
  }
  v->n_own = v->n;
  if (!status) status = convert_vocab_read_added(v, root, 0, where, err);
  if (!status && strcmp(v->model, "llama") == 0)
    type_pieces(&r, slice_of(json_object_get(r.model, "unk_token")));
  if (!status && strcmp(type, "Unigram") == 0) type_pieces(&r, (base_slice){NULL, 0});
  return status;
}
