/* tok/open: a vocabulary out of GGUF metadata. Everything in the file is checked before it is relied on:
 * counts agree, ids lie in the vocabulary, merges name tokens, nothing is absurdly long. */
#include "tok/bpe.h"
#include "tok/shown.h"
#include "tok/vocab.h"

#include <math.h>
#include <string.h>

enum { MAX_SPECIAL_BYTES = 512 };

typedef struct opener {
  const gguf_file *f;
  const char *path;
  base_error *err;
  tok_vocab *v;
  uint64_t n;
  base_cursor tokens, merges;
  uint64_t n_merges;
  const unsigned char *types; /* 32-bit numbers, unaligned; NULL when the file has none */
  const unsigned char *scores;
} opener;

/* ---- what the file holds ---- */

static base_status read_kind(opener *o, tok_kind *kind) {
  static const struct {
    const char *name;
    tok_kind kind;
  } kinds[] = {{"gpt2", TOK_KIND_BPE},
               {"llama", TOK_KIND_SPM},
               {"t5", TOK_KIND_UNIGRAM},
               {"bert", TOK_KIND_WORDPIECE}};
  base_slice model;
  base_status status = gguf_get_string(o->f, "tokenizer.ggml.model", &model, o->err);
  if (status) return status;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (!base_slice_equal(model, base_slice_of(kinds[i].name))) continue;
    *kind = kinds[i].kind;
    return BASE_OK;
  }
  return base_fail(
      o->err, BASE_EUNSUPPORTED, o->path,
      "the key \"tokenizer.ggml.model\" is \"%s\"; \"gpt2\", \"llama\", \"t5\" and \"bert\" are read",
      tok_show(model).text);
}

/* An array of 32-bit values of one of two types with one entry a token; *out is NULL when the key is absent. */
static base_status read_array(opener *o, const char *key, gguf_type a, gguf_type b,
                              const unsigned char **out) {
  const gguf_value *value = gguf_find(o->f, key);
  *out = NULL;
  if (value == NULL) return BASE_OK;
  if (value->type != GGUF_ARRAY || (value->element != a && value->element != b)) {
    return base_fail(o->err, BASE_EFORMAT, o->path, "the key \"%s\" is not an array of 32-bit numbers", key);
  }
  if (value->count != o->n) {
    return base_fail(o->err, BASE_EFORMAT, o->path, "the key \"%s\" has %llu entries for %llu tokens", key,
                     (unsigned long long)value->count, (unsigned long long)o->n);
  }
  *out = value->bytes;
  return BASE_OK;
}

static uint32_t u32_at(const unsigned char *bytes, size_t index) {
  return base_load_u32(bytes + 4 * index);
}

static tok_type type_at(const opener *o, size_t id) {
  return o->types != NULL ? (tok_type)u32_at(o->types, id) : TOK_TYPE_NORMAL;
}

static bool is_special(tok_type type) {
  return type == TOK_TYPE_CONTROL || type == TOK_TYPE_USER || type == TOK_TYPE_UNKNOWN;
}

static base_status read_arrays(opener *o, tok_kind kind) {
  base_status status = gguf_get_strings(o->f, "tokenizer.ggml.tokens", &o->n, &o->tokens, o->err);
  if (status) return status;
  status = read_array(o, "tokenizer.ggml.token_type", GGUF_I32, GGUF_U32, &o->types);
  if (status) return status;
  status = read_array(o, "tokenizer.ggml.scores", GGUF_F32, GGUF_F32, &o->scores);
  if (status) return status;
  if (kind == TOK_KIND_BPE)
    return gguf_get_strings(o->f, "tokenizer.ggml.merges", &o->n_merges, &o->merges, o->err);
  if ((kind == TOK_KIND_SPM || kind == TOK_KIND_UNIGRAM) && o->scores == NULL) {
    return base_fail(o->err, BASE_EFORMAT, o->path, "the key \"tokenizer.ggml.scores\" is missing");
  }
  return BASE_OK;
}

/* ---- tokens ---- */

/* GPT-2's stand-ins to bytes, in place of `out`; false when a character stands for no byte. */
static bool decode_stand_ins(base_slice s, unsigned char *out, size_t *len) {
  size_t n = 0;
  for (size_t at = 0, step; at < s.len; at += step) {
    uint32_t c = (unsigned char)s.ptr[at];
    step = 1;
    if (c > 0x20 && c < 0x7F) { /* nearly all of them */
      out[n++] = (unsigned char)c;
      continue;
    }
    if (c >= 0x80) step = base_utf8_decode(s.ptr + at, s.len - at, &c);
    int byte = step > 0 ? tok_char_byte(c) : -1;
    if (byte < 0) return false;
    out[n++] = (unsigned char)byte;
  }
  *len = n;
  return true;
}

/* U+2581, the mark of SentencePiece, to a space; in WordPiece only where it begins the token. */
static size_t decode_marks(base_slice s, bool first_only, unsigned char *out) {
  size_t n = 0;
  for (size_t i = 0; i < s.len; i++) {
    bool mark = (i == 0 || !first_only) && s.len - i >= 3 && memcmp(s.ptr + i, "\xE2\x96\x81", 3) == 0;
    out[n++] = mark ? ' ' : (unsigned char)s.ptr[i];
    if (mark) i += 2;
  }
  return n;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "<0x0A>" to its byte; -1 for anything else. */
static int byte_token(base_slice s) {
  if (s.len != 6 || memcmp(s.ptr, "<0x", 3) != 0 || s.ptr[5] != '>') return -1;
  int high = hex_digit(s.ptr[3]), low = hex_digit(s.ptr[4]);
  return high < 0 || low < 0 ? -1 : 16 * high + low;
}

/* The bytes that a token stands for. */
static size_t token_bytes(tok_kind kind, tok_type type, base_slice s, unsigned char *out) {
  size_t n;
  int byte = type == TOK_TYPE_BYTE ? byte_token(s) : -1;
  if (byte >= 0) {
    out[0] = (unsigned char)byte;
    return 1;
  }
  bool plain =
      type == TOK_TYPE_CONTROL || type == TOK_TYPE_UNKNOWN || (kind == TOK_KIND_BPE && type == TOK_TYPE_USER);
  if (!plain && kind == TOK_KIND_BPE && decode_stand_ins(s, out, &n)) return n;
  if (!plain && kind != TOK_KIND_BPE) return decode_marks(s, kind == TOK_KIND_WORDPIECE, out);
  if (s.len > 0) memcpy(out, s.ptr, s.len);
  return s.len;
}

static base_status check_token(const opener *o, size_t id, tok_type type, base_slice s) {
  if (type < TOK_TYPE_NORMAL || type > TOK_TYPE_BYTE) {
    return base_fail(o->err, BASE_EFORMAT, o->path, "token %zu, \"%s\", has the unknown type %u", id,
                     tok_show(s).text, (unsigned)type);
  }
  size_t most = is_special(type) ? MAX_SPECIAL_BYTES : TOK_MAX_PIECE_BYTES;
  if (s.len > 2 * most) {
    return base_fail(o->err, BASE_ELIMIT, o->path, "token %zu, \"%s\", is longer than %zu bytes", id,
                     tok_show(s).text, most);
  }
  if (is_special(type) && s.len == 0) {
    return base_fail(o->err, BASE_EFORMAT, o->path, "token %zu is special and has no name", id);
  }
  if (type == TOK_TYPE_BYTE && byte_token(s) < 0) {
    return base_fail(o->err, BASE_EFORMAT, o->path,
                     "token %zu, \"%s\", is a byte token but not of the form <0x00>", id, tok_show(s).text);
  }
  return BASE_OK;
}

/* Does text that is merged or matched look the token up by its bytes? */
static bool is_indexed(tok_kind kind, tok_type type) {
  if (type == TOK_TYPE_NORMAL) return true;
  return kind != TOK_KIND_BPE && (type == TOK_TYPE_USER || type == TOK_TYPE_UNUSED);
}

/* Larger scores first: the bits of a float ordered like the float, turned round. */
static uint32_t order_of_score(float score) {
  uint32_t bits;
  memcpy(&bits, &score, sizeof bits);
  bits = bits >> 31 ? ~bits : bits | UINT32_C(0x80000000);
  return ~bits == TOK_NONE ? TOK_NONE - 1 : ~bits;
}

static base_status read_token(opener *o, uint32_t id) {
  tok_vocab *v = o->v;
  base_slice s = gguf_next_string(&o->tokens);
  tok_type type = type_at(o, id);
  base_status status = check_token(o, id, type, s);
  if (status) return status;
  unsigned char *at = v->blob + v->offset[id];
  size_t len = token_bytes(v->kind, type, s, at);
  tok_vocab_add(v, NULL, 0, type);
  v->offset[id + 1] = v->offset[id] + (uint32_t)len;
  if (len > TOK_MAX_PIECE_BYTES) {
    return base_fail(o->err, BASE_ELIMIT, o->path, "token %u, \"%s\", is longer than %d bytes", (unsigned)id,
                     tok_show(s).text, (int)TOK_MAX_PIECE_BYTES);
  }
  if (type == TOK_TYPE_BYTE || (v->kind == TOK_KIND_BPE && type == TOK_TYPE_NORMAL && len == 1)) {
    if (v->byte_id[at[0]] == TOK_NONE) v->byte_id[at[0]] = id;
  }
  if (v->score != NULL) {
    uint32_t bits = u32_at(o->scores, id);
    memcpy(&v->score[id], &bits, sizeof bits);
    if (!isfinite(v->score[id])) {
      return base_fail(o->err, BASE_EFORMAT, o->path, "the score of token %u, \"%s\", is not finite",
                       (unsigned)id, tok_show(s).text);
    }
    if (v->order != NULL) v->order[id] = order_of_score(v->score[id]);
  }
  if (is_special(type)) v->special[v->n_special++] = id;
  if (!is_indexed(v->kind, type) || tok_vocab_index(v, id)) return BASE_OK;
  return base_fail(o->err, BASE_EFORMAT, o->path,
                   "token %u, \"%s\", cannot be filed: too many tokens collide", (unsigned)id, tok_show(s).text);
}

/* ---- merges ---- */

static base_status fail_merge(const opener *o, size_t rank, base_slice merge, const char *why) {
  return base_fail(o->err, BASE_EFORMAT, o->path, "merge %zu, \"%s\", %s", rank, tok_show(merge).text, why);
}

static uint32_t find_part(const tok_vocab *v, base_slice s) {
  return s.len == 1 ? v->byte_id[(unsigned char)s.ptr[0]] : tok_vocab_find(v, s);
}

/* "left right", in stand-ins. *guess is the id that would follow the merge before: nearly always right. */
static base_status read_merge(opener *o, size_t rank, uint32_t *guess) {
  tok_vocab *v = o->v;
  unsigned char bytes[2 * TOK_MAX_PIECE_BYTES];
  base_slice merge = gguf_next_string(&o->merges);
  const char *space = merge.len > 2 ? memchr(merge.ptr + 1, ' ', merge.len - 1) : NULL;
  if (space == NULL || space + 1 == merge.ptr + merge.len) {
    return fail_merge(o, rank, merge, "is not two tokens with a space between");
  }
  base_slice left = {merge.ptr, (size_t)(space - merge.ptr)};
  base_slice right = {space + 1, merge.len - left.len - 1};
  size_t n_left = 0, n_right = 0;
  if (merge.len > sizeof bytes || !decode_stand_ins(left, bytes, &n_left) ||
      !decode_stand_ins(right, bytes + n_left, &n_right)) {
    return fail_merge(o, rank, merge, "is too long or has characters that stand for no byte");
  }
  base_slice whole = {(char *)bytes, n_left + n_right};
  uint32_t left_id = find_part(v, (base_slice){whole.ptr, n_left});
  uint32_t right_id = find_part(v, (base_slice){whole.ptr + n_left, n_right});
  bool guessed =
      tok_vocab_type(v, *guess) == TOK_TYPE_NORMAL && base_slice_equal(tok_vocab_piece(v, *guess), whole);
  uint32_t id = guessed ? *guess : tok_vocab_find(v, whole);
  if (left_id == TOK_NONE || right_id == TOK_NONE || id == TOK_NONE) {
    return fail_merge(o, rank, merge, "refers to a token that is not in the vocabulary");
  }
  *guess = id + 1;
  if (tok_vocab_add_merge(v, left_id, right_id, id)) return BASE_OK;
  return fail_merge(o, rank, merge, "cannot be filed: too many merges collide");
}

static base_status read_merges(opener *o) {
  base_status status = BASE_OK;
  uint32_t guess = 0;
  for (size_t rank = 0; rank < o->n_merges && status == BASE_OK; rank++) status = read_merge(o, rank, &guess);
  return status;
}

/* ---- ids and flags ---- */

/* An id that must lie in the vocabulary; an absent key, and -1, leave *id alone. */
static base_status read_id(const opener *o, const char *key, uint32_t *id) {
  uint32_t found;
  const gguf_value *value = gguf_find(o->f, key);
  if (value == NULL || (value->type == GGUF_I32 && u32_at(value->bytes, 0) == TOK_NONE)) return BASE_OK;
  base_status status = gguf_get_u32(o->f, key, &found, o->err);
  if (status || found == TOK_NONE) return status;
  if (found >= o->n) {
    return base_fail(o->err, BASE_EFORMAT, o->path, "the key \"%s\" is %u, but there are only %llu tokens",
                     key, (unsigned)found, (unsigned long long)o->n);
  }
  *id = found;
  return BASE_OK;
}

static base_status read_flag(const opener *o, const char *key, bool *flag) {
  const gguf_value *value = gguf_find(o->f, key);
  if (value == NULL) return BASE_OK;
  if (value->type != GGUF_BOOL) {
    return base_fail(o->err, BASE_EFORMAT, o->path, "the key \"%s\" is not a truth value", key);
  }
  *flag = value->bytes[0] != 0;
  return BASE_OK;
}

/* What the format says where the keys are absent. */
static void set_defaults(tok_vocab *v) {
  static const char *const cls[] = {"[CLS]", NULL}, *const sep[] = {"[SEP]", NULL},
                           *const unk[] = {"[UNK]", NULL};
  tok_specials *s = &v->specials;
  s->add_space_prefix = v->kind == TOK_KIND_SPM || v->kind == TOK_KIND_UNIGRAM;
  s->add_bos = v->kind == TOK_KIND_SPM || v->kind == TOK_KIND_WORDPIECE ||
               (v->rule != NULL && tok_rule_adds_bos(v->rule));
  s->add_eos = v->kind == TOK_KIND_UNIGRAM || v->kind == TOK_KIND_WORDPIECE;
  if (v->kind == TOK_KIND_WORDPIECE) {
    tok_vocab_find_named(v, cls, &s->cls);
    tok_vocab_find_named(v, sep, &s->sep);
    tok_vocab_find_named(v, unk, &s->unk);
  } else if (v->kind == TOK_KIND_SPM && v->n > 2) {
    s->unk = 0;
    s->bos = 1;
    s->eos = 2;
  } else if (v->kind == TOK_KIND_UNIGRAM && v->n > 2) {
    s->pad = 0;
    s->eos = 1;
    s->unk = 2;
  }
}

static base_status read_specials(opener *o) {
  tok_specials *s = &o->v->specials;
  set_defaults(o->v);
  const struct {
    const char *key;
    uint32_t *id;
  } ids[] = {
      {"tokenizer.ggml.bos_token_id", &s->bos},
      {"tokenizer.ggml.eos_token_id", &s->eos},
      {"tokenizer.ggml.eot_token_id", &s->eot},
      {"tokenizer.ggml.unknown_token_id", &s->unk},
      {"tokenizer.ggml.seperator_token_id", &s->sep},
      {"tokenizer.ggml.separator_token_id", &s->sep},
      {"tokenizer.ggml.padding_token_id", &s->pad},
      {"tokenizer.ggml.cls_token_id", &s->cls},
      {"tokenizer.ggml.mask_token_id", &s->mask},
      {"tokenizer.ggml.prefix_token_id", &s->fim_prefix},
      {"tokenizer.ggml.suffix_token_id", &s->fim_suffix},
      {"tokenizer.ggml.middle_token_id", &s->fim_middle},
      {"tokenizer.ggml.fim_pre_token_id", &s->fim_prefix},
      {"tokenizer.ggml.fim_suf_token_id", &s->fim_suffix},
      {"tokenizer.ggml.fim_mid_token_id", &s->fim_middle},
  };
  const struct {
    const char *key;
    bool *flag;
  } flags[] = {
      {"tokenizer.ggml.add_bos_token", &s->add_bos},
      {"tokenizer.ggml.add_eos_token", &s->add_eos},
      {"tokenizer.ggml.add_space_prefix", &s->add_space_prefix},
  };
  base_status status = BASE_OK;
  for (size_t i = 0; i < sizeof ids / sizeof ids[0] && status == BASE_OK; i++)
    status = read_id(o, ids[i].key, ids[i].id);
  for (size_t i = 0; i < sizeof flags / sizeof flags[0] && status == BASE_OK; i++)
    status = read_flag(o, flags[i].key, flags[i].flag);
  if (o->v->kind == TOK_KIND_WORDPIECE) {
    if (s->bos == TOK_NONE) s->bos = s->cls;
    if (s->eos == TOK_NONE) s->eos = s->sep;
  }
  tok_vocab_find_markers(o->v);
  return status;
}

/* Phi-3's special tokens take the white space behind them, but for these three; the file does not say so. */
static void mark_stripping(opener *o) {
  base_slice architecture;
  tok_vocab *v = o->v;
  if (v->kind != TOK_KIND_SPM ||
      gguf_get_string(o->f, "general.architecture", &architecture, NULL) != BASE_OK)
    return;
  if (!base_slice_equal(architecture, BASE_LITERAL("phi3"))) return;
  for (size_t i = 0; i < v->n_special; i++) {
    base_slice name = tok_vocab_piece(v, v->special[i]);
    bool keeps = base_slice_equal(name, BASE_LITERAL("<unk>")) ||
                 base_slice_equal(name, BASE_LITERAL("<s>")) ||
                 base_slice_equal(name, BASE_LITERAL("<|endoftext|>"));
    if (!keeps) v->type[v->special[i]] |= TOK_STRIP;
  }
}

/* ---- opening ---- */

/* The pre-split rule; a file that names none means the format's default. */
static base_status read_rule(opener *o, const tok_rule **rule) {
  base_slice name = BASE_LITERAL("default");
  if (gguf_find(o->f, "tokenizer.ggml.pre") != NULL) {
    base_status status = gguf_get_string(o->f, "tokenizer.ggml.pre", &name, o->err);
    if (status) return status;
  }
  *rule = tok_rule_find(name);
  if (*rule != NULL) return BASE_OK;
  return base_fail(o->err, BASE_EUNSUPPORTED, o->path,
                   "the key \"tokenizer.ggml.pre\" is \"%s\", a pre-split rule that is not known",
                   tok_show(name).text);
}

static base_status read_vocabulary(opener *o) {
  base_status status = BASE_OK;
  for (uint32_t id = 0; id < o->n && status == BASE_OK; id++) status = read_token(o, id);
  if (status) return status;
  status = read_merges(o);
  if (status) return status;
  tok_vocab_sort_specials(o->v);
  status = read_specials(o);
  if (status) return status;
  mark_stripping(o);
  return o->v->kind == TOK_KIND_UNIGRAM ? tok_unigram_prepare(o->v, o->f, o->err) : BASE_OK;
}

/* The arrays found, their counts held against each other, and the memory that they come to. */
static base_status plan(opener *o, tok_kind *kind, tok_vocab_sizes *sizes) {
  base_status status = read_kind(o, kind);
  if (status) return status;
  status = read_arrays(o, *kind);
  if (status) return status;
  if (o->n > TOK_MAX_VOCAB_TOKENS || o->n_merges > 8 * (uint64_t)TOK_MAX_VOCAB_TOKENS) {
    return base_fail(o->err, BASE_ELIMIT, o->path,
                     "the vocabulary has %llu tokens and %llu merges; at most %d tokens are read",
                     (unsigned long long)o->n, (unsigned long long)o->n_merges, (int)TOK_MAX_VOCAB_TOKENS);
  }
  *sizes = (tok_vocab_sizes){.n = (size_t)o->n,
                             .n_merges = (size_t)o->n_merges,
                             .scores = *kind == TOK_KIND_SPM || *kind == TOK_KIND_UNIGRAM,
                             .orders = *kind == TOK_KIND_SPM};
  sizes->blob_bytes = o->tokens.len - 8 * (size_t)o->n;
  sizes->charsmap_bytes = *kind == TOK_KIND_UNIGRAM ? tok_unigram_charsmap_bytes(o->f) : 0;
  for (size_t id = 0; id < o->n; id++) sizes->n_special += is_special(type_at(o, id));
  return BASE_OK;
}

size_t tok_vocab_bytes(const gguf_file *f) {
  opener o = {.f = f, .path = gguf_path(f)};
  tok_kind kind;
  tok_vocab_sizes sizes;
  return plan(&o, &kind, &sizes) == BASE_OK ? tok_vocab_block_bytes(&sizes) : 0;
}

base_status tok_vocab_open(tok_vocab **out, const gguf_file *f, const base_allocator *allocator,
                           base_error *err) {
  opener o = {.f = f, .path = gguf_path(f), .err = err};
  tok_kind kind = TOK_KIND_BPE;
  tok_vocab_sizes sizes;
  const tok_rule *rule = NULL;
  *out = NULL;
  base_status status = plan(&o, &kind, &sizes);
  if (!status && kind == TOK_KIND_BPE) status = read_rule(&o, &rule);
  if (!status) status = tok_vocab_new(&o.v, &sizes, o.path, allocator, err);
  if (status) return status;
  o.v->kind = kind;
  o.v->rule = rule;
  status = read_vocabulary(&o);
  if (status) {
    tok_vocab_close(o.v);
    return status;
  }
  *out = o.v;
  return BASE_OK;
}
