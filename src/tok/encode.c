/* tok/encode: a text is cut at the special tokens that may be recognised in it; each kind of vocabulary
 * encodes what lies between. */
#include "tok/vocab.h"

#include <string.h>

/* ---- scratch ---- */

void tok_scratch_free(tok_scratch *s) {
  if (s->block != NULL)
    base_free(s->allocator != NULL ? s->allocator : base_allocator_libc(), s->block, s->bytes);
  s->block = NULL;
  s->bytes = 0;
}

void *tok_scratch_take(tok_scratch *s, size_t bytes) {
  if (bytes <= s->bytes) return s->block;
  size_t want = bytes + bytes / 2;
  const base_allocator *a = s->allocator != NULL ? s->allocator : base_allocator_libc();
  tok_scratch_free(s); /* the contents are not needed */
  s->block = base_alloc(a, want);
  if (s->block != NULL) s->bytes = want;
  return s->block;
}

static size_t piece_bytes(const tok_vocab *v, size_t len) {
  switch (v->kind) {
    case TOK_KIND_SPM: return tok_spm_bytes(len);
    case TOK_KIND_UNIGRAM: return tok_unigram_bytes(v, len);
    case TOK_KIND_WORDPIECE: return tok_wordpiece_bytes(v, len);
    default: return tok_merge_bytes(len);
  }
}

base_status tok_scratch_reserve(tok_scratch *s, const tok_vocab *v, size_t text_len, base_error *err) {
  if (text_len < SIZE_MAX / 1024 && tok_scratch_take(s, piece_bytes(v, text_len)) != NULL) return BASE_OK;
  return base_fail(err, BASE_ENOMEM, "text", "no memory to encode %zu bytes", text_len);
}

/* ---- special tokens in text ---- */

typedef struct encoder {
  const tok_vocab *v;
  tok_scratch *s;
  const tok_input *in;
  size_t span; /* the first untrusted span that does not end before the current place */
  tok_sink out;
} encoder;

/* Names that shape a prompt rather than say something: whoever is not trusted may not write them, even where
 * the file calls them user-defined. */
static bool is_markup(base_slice name) {
  for (size_t i = 0; i < name.len; i++) {
    if (name.ptr[i] != '\0' && strchr("<>[]|{}", name.ptr[i]) != NULL) return true;
  }
  return false;
}

static bool touches_untrusted(encoder *e, size_t start, size_t end) {
  const tok_input *in = e->in;
  while (e->span < in->n_untrusted && in->untrusted[e->span].end <= start) e->span++;
  return e->span < in->n_untrusted && in->untrusted[e->span].start < end;
}

static bool may_match(encoder *e, uint32_t id, size_t start, size_t end) {
  bool user = tok_vocab_type(e->v, id) == TOK_TYPE_USER;
  if (!user && !(e->in->flags & TOK_PARSE_SPECIAL)) return false;
  if (!touches_untrusted(e, start, end)) return true;
  return user && !is_markup(tok_vocab_piece(e->v, id));
}

static int byte_at(const tok_vocab *v, size_t index, size_t depth) {
  base_slice name = tok_vocab_piece(v, v->special[index]);
  return depth < name.len ? (unsigned char)name.ptr[depth] : -1;
}

/* The first special in [low, high), which share their first `depth` bytes, whose next byte is at least `byte`. */
static size_t lower_bound(const tok_vocab *v, size_t low, size_t high, size_t depth, int byte) {
  while (low < high) {
    size_t mid = (low + high) / 2;
    if (byte_at(v, mid, depth) < byte) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return low;
}

/* The longest special token that may be recognised at `at`; TOK_NONE when there is none. Names are sorted, so
 * those that begin like the text are a shrinking range. */
static uint32_t match_special(encoder *e, size_t at, size_t *len) {
  const tok_vocab *v = e->v;
  uint32_t best = TOK_NONE;
  size_t low = 0, high = v->n_special;
  for (size_t depth = 0; at + depth < e->in->len; depth++) {
    int byte = (unsigned char)e->in->text[at + depth];
    low = lower_bound(v, low, high, depth, byte);
    high = lower_bound(v, low, high, depth, byte + 1);
    if (low == high) break;
    uint32_t id = v->special[low];
    if (tok_vocab_piece(v, id).len == depth + 1 && may_match(e, id, at, at + depth + 1)) {
      best = id;
      *len = depth + 1;
    }
  }
  return best;
}

/* ---- text between special tokens ---- */

typedef struct piece_context {
  encoder *e;
  bool failed;
} piece_context;

static bool encode_piece(void *ctx, const char *text, size_t len) {
  piece_context *c = ctx;
  encoder *e = c->e;
  const tok_vocab *v = e->v;
  if (len == 1 || tok_rule_whole_words(v->rule)) {
    uint32_t id = len == 1 ? v->byte_id[(unsigned char)text[0]] : tok_vocab_find(v, (base_slice){text, len});
    if (id != TOK_NONE) {
      tok_emit(&e->out, id);
      return true;
    }
  }
  void *memory = tok_scratch_take(e->s, tok_merge_bytes(len));
  if (memory == NULL) {
    c->failed = true;
    return false;
  }
  tok_merge(v, memory, text, len, &e->out);
  return true;
}

static bool encode_bpe(encoder *e, const char *text, size_t len) {
  piece_context c = {e, false};
  (void)tok_rule_split(e->v->rule, text, len, encode_piece, &c);
  return !c.failed;
}

static bool encode_text(encoder *e, size_t start, size_t end, bool begins) {
  const char *text = e->in->text + start;
  size_t len = end - start;
  if (len == 0) return true;
  bool prefix = begins && e->v->specials.add_space_prefix;
  switch (e->v->kind) {
    case TOK_KIND_SPM: return tok_encode_spm(e->v, e->s, text, len, prefix, &e->out);
    case TOK_KIND_UNIGRAM: return tok_encode_unigram(e->v, e->s, text, len, prefix, &e->out);
    case TOK_KIND_WORDPIECE: return tok_encode_wordpiece(e->v, e->s, text, len, &e->out);
    default: return encode_bpe(e, text, len);
  }
}

static bool is_space_at(const tok_input *in, size_t at) {
  return at < in->len && (in->text[at] == ' ' || (in->text[at] >= '\t' && in->text[at] <= '\r'));
}

static bool encode_all(encoder *e) {
  const tok_vocab *v = e->v;
  const tok_input *in = e->in;
  size_t start = 0, at = 0;
  bool begins = !(in->flags & TOK_CONTINUE);
  while (at < in->len) {
    unsigned char first = (unsigned char)in->text[at];
    size_t n = 0;
    uint32_t id = v->special_first[first / 8] >> first % 8 & 1 ? match_special(e, at, &n) : TOK_NONE;
    if (id == TOK_NONE) {
      at++;
      continue;
    }
    if (!encode_text(e, start, at, begins)) return false;
    tok_emit(&e->out, id);
    at += n;
    while (v->type[id] & TOK_STRIP && is_space_at(in, at)) at++;
    start = at;
    begins = true;
  }
  return encode_text(e, start, at, begins);
}

/* ---- the whole ---- */

/* A token has at least one byte of the text; a space may stand before each piece of text, and bos and eos
 * around. NFKC makes at most 18 characters of one, each of at most 4 bytes. */
size_t tok_encode_bound(const tok_vocab *v, size_t len) {
  return (v->kind == TOK_KIND_UNIGRAM ? 72 : 2) * len + 4;
}

base_status tok_encode(const tok_vocab *v, tok_scratch *s, const tok_input *in, uint32_t *ids, size_t room,
                       size_t *n, base_error *err) {
  encoder e = {.v = v, .s = s, .in = in, .out = {ids, room, 0}};
  *n = 0;
  if (in->len > UINT32_MAX / 4) {
    return base_fail(err, BASE_ELIMIT, "text", "%zu bytes are too long a text to encode", in->len);
  }
  bool special = (in->flags & TOK_ADD_SPECIAL) != 0;
  if (special && v->specials.add_bos && v->specials.bos != TOK_NONE) tok_emit(&e.out, v->specials.bos);
  if (!encode_all(&e)) return base_fail(err, BASE_ENOMEM, "text", "no memory to encode %zu bytes", in->len);
  if (special && v->specials.add_eos && v->specials.eos != TOK_NONE) tok_emit(&e.out, v->specials.eos);
  *n = e.out.n;
  if (e.out.n <= room) return BASE_OK;
  return base_fail(err, BASE_ELIMIT, "text", "the text has %zu tokens, which do not fit in %zu", e.out.n,
                   room);
}
