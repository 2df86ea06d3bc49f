/* tok/unigram: SentencePiece's unigram model (Kudo 2018). Text is normalised by the table in the file, then
 * cut into the tokens whose scores have the largest sum, found by dynamic programming over the bytes. Unknown
 * characters score ten below the worst token, and neighbours of them become one unk. */
#include "tok/vocab.h"

#include <string.h>

/* NFKC makes at most 18 characters of one; a table that makes more is not followed. */
enum { MAX_REPLACEMENT = 72 };
#define UNKNOWN_PENALTY 10.0F
#define UNSET UINT32_MAX

/* ---- the file ---- */

static const gguf_value *charsmap_of(const gguf_file *f) {
  const gguf_value *value = gguf_find(f, "tokenizer.ggml.precompiled_charsmap");
  bool bytes =
      value != NULL && value->type == GGUF_ARRAY && (value->element == GGUF_U8 || value->element == GGUF_I8);
  return bytes && value->len > 4 ? value : NULL;
}

size_t tok_unigram_charsmap_bytes(const gguf_file *f) {
  const gguf_value *value = charsmap_of(f);
  return value != NULL ? value->len : 0;
}

/* Layout: bytes of the double array (32 bits), the double array, 0-terminated replacements. */
static base_status read_charsmap(tok_vocab *v, const gguf_file *f, base_error *err) {
  const gguf_value *value = charsmap_of(f);
  if (value == NULL) return BASE_OK;
  base_cursor c = base_cursor_of(value->bytes, value->len);
  uint32_t bytes = base_cursor_u32(&c);
  if (bytes % 4 != 0 || bytes > value->len - 4 || bytes == 0) {
    return base_fail(err, BASE_EFORMAT, gguf_path(f),
                     "the key \"tokenizer.ggml.precompiled_charsmap\" has %zu bytes but a table of %u",
                     value->len, (unsigned)bytes);
  }
  tok_charsmap *m = &v->charsmap;
  m->n_units = bytes / 4;
  for (size_t i = 0; i < m->n_units; i++) m->unit[i] = base_cursor_u32(&c);
  m->text_len = value->len - 4 - bytes;
  m->text = (char *)(m->unit + m->n_units);
  if (m->text_len > 0) memcpy(m->unit + m->n_units, value->bytes + 4 + bytes, m->text_len);
  return BASE_OK;
}

base_status tok_unigram_prepare(tok_vocab *v, const gguf_file *f, base_error *err) {
  float worst = 0.0F;
  for (uint32_t id = 0; id < v->n; id++) {
    if (v->type[id] == TOK_TYPE_NORMAL && v->score[id] < worst) worst = v->score[id];
  }
  v->unknown_score = worst - UNKNOWN_PENALTY;
  const gguf_value *value = gguf_find(f, "tokenizer.ggml.remove_extra_whitespaces");
  v->trim_spaces = value != NULL && value->type == GGUF_BOOL && value->bytes[0] != 0;
  return read_charsmap(v, f, err);
}

/* ---- normalising ---- */

/* One step through the double array of darts-clone: the node that `byte` leads to, or false. */
static bool step(const tok_charsmap *m, size_t *node, unsigned char byte, uint32_t *unit) {
  *node ^= byte;
  if (*node >= m->n_units) return false;
  *unit = m->unit[*node];
  if ((*unit & 0x800000FFU) != byte) return false;
  *node ^= (size_t)(*unit >> 10) << ((*unit & 0x200U) >> 6);
  return true;
}

/* The longest rule for the text at hand: its replacement, and in *len the bytes it takes; 0 when none applies. */
static base_slice find_rule(const tok_charsmap *m, const char *text, size_t len, size_t *taken) {
  base_slice best = {NULL, 0};
  *taken = 0;
  if (m->n_units == 0) return best;
  size_t node = (size_t)(m->unit[0] >> 10) << ((m->unit[0] & 0x200U) >> 6);
  for (size_t i = 0; i < len; i++) {
    uint32_t unit;
    if (!step(m, &node, (unsigned char)text[i], &unit)) break;
    if (!(unit >> 8 & 1) || node >= m->n_units) continue;
    size_t at = m->unit[node] & 0x7FFFFFFFU;
    size_t room = at < m->text_len ? m->text_len - at : 0;
    const char *end = room > 0 ? memchr(m->text + at, 0, room) : NULL;
    if (end == NULL || (size_t)(end - (m->text + at)) > MAX_REPLACEMENT) continue;
    best = (base_slice){m->text + at, (size_t)(end - (m->text + at))};
    *taken = i + 1;
  }
  return best;
}

/* What the next character of the text becomes, and the bytes it takes. U+2581 becomes a space that is
 * `fixed`: it counts as a letter where runs of spaces are cut short. */
static base_slice normal_of(const tok_vocab *v, const char *text, size_t len, size_t *taken, bool *fixed) {
  uint32_t c;
  base_slice rule = find_rule(&v->charsmap, text, len, taken);
  *fixed = false;
  if (*taken > 0) return rule;
  *taken = base_utf8_decode(text, len, &c);
  *fixed = *taken > 0 && c == 0x2581;
  if (*taken > 0) return *fixed ? BASE_LITERAL(" ") : (base_slice){text, *taken};
  *taken = 1;
  return BASE_LITERAL("\xEF\xBF\xBD");
}

static void put(char *out, size_t room, size_t at, base_slice s) {
  if (at < room) memcpy(out + at, s.ptr, s.len < room - at ? s.len : room - at);
}

static size_t without_spaces_at_end(base_slice s) {
  while (s.len > 0 && s.ptr[s.len - 1] == ' ') s.len--;
  return s.len;
}

/* The normalised text, with U+2581 as a space: its length, and its first `room` bytes in `out`. */
static size_t normalise(const tok_vocab *v, const char *text, size_t len, bool prefix, char *out,
                        size_t room) {
  size_t n = 0, trimmed = 0, taken; /* `trimmed` is n without the spaces at the end */
  bool after_space = v->trim_spaces, fixed;
  for (size_t at = 0; at < len; at += taken) {
    base_slice s = normal_of(v, text + at, len - at, &taken, &fixed);
    while (after_space && !fixed && s.len > 0 && s.ptr[0] == ' ') s = base_slice_sub(s, 1, s.len);
    if (s.len == 0) continue;
    if (n == 0 && prefix) put(out, room, n++, BASE_LITERAL(" "));
    put(out, room, n, s);
    size_t solid = without_spaces_at_end(s);
    if (solid > 0) trimmed = n + solid;
    n += s.len;
    after_space = v->trim_spaces && solid < s.len && !fixed;
  }
  return v->trim_spaces ? trimmed : n;
}

/* ---- segmentation ---- */

/* The best way to cut the text up to a byte: its score, and its last token. */
typedef struct cut {
  float score;
  uint32_t start, id; /* start UNSET: no character ends here */
} cut;

static size_t bytes_for(size_t n) {
  return (n + 1) * sizeof(cut) + n;
}

size_t tok_unigram_bytes(const tok_vocab *v, size_t len) {
  return bytes_for((v->charsmap.n_units > 0 ? 4 : 3) * len + 1);
}

static void offer(cut *best, float score, size_t start, uint32_t id) {
  if (best->start == UNSET || score > best->score) *best = (cut){score, (uint32_t)start, id};
}

static size_t char_bytes(const char *text, size_t len) {
  uint32_t c;
  size_t n = base_utf8_decode(text, len, &c);
  return n > 0 ? n : 1;
}

/* All tokens that begin at `at` extend the best cut there. */
static void extend(const tok_vocab *v, const char *text, size_t n, size_t at, cut *best) {
  uint64_t h = TOK_HASH_START;
  size_t one = char_bytes(text + at, n - at);
  bool single = false;
  for (size_t len = 1; at + len <= n && len <= v->max_piece; len++) {
    h = tok_hash_step(h, (unsigned char)text[at + len - 1]);
    uint32_t id = tok_vocab_lookup(v, h, text + at, len);
    if (id == TOK_NONE || tok_vocab_type(v, id) == TOK_TYPE_UNUSED) continue;
    offer(&best[at + len], best[at].score + v->score[id], at, id);
    single = single || len == one;
  }
  if (!single) offer(&best[at + one], best[at].score + v->unknown_score, at, TOK_NONE);
}

/* Links the cuts forward: best[start].start becomes where the token that begins there ends. */
static void reverse(cut *best, size_t n) {
  uint32_t end = (uint32_t)n, id = best[n].id, start = best[n].start;
  while (end > 0) {
    uint32_t next_id = best[start].id, next_start = best[start].start;
    best[start].id = id;
    best[start].start = end;
    end = start;
    id = next_id;
    start = next_start;
  }
}

static void emit(const tok_vocab *v, const char *text, const cut *best, size_t n, tok_sink *out) {
  bool after_unknown = false;
  for (size_t at = 0; at < n; at = best[at].start) {
    bool unknown = best[at].id == TOK_NONE;
    if (!unknown) {
      tok_emit(out, best[at].id);
    } else if (v->byte_id[(unsigned char)text[at]] != TOK_NONE) {
      for (size_t i = at; i < best[at].start; i++) tok_emit(out, v->byte_id[(unsigned char)text[i]]);
    } else if (!after_unknown && v->specials.unk != TOK_NONE) {
      tok_emit(out, v->specials.unk);
    }
    after_unknown = unknown;
  }
}

bool tok_encode_unigram(const tok_vocab *v, tok_scratch *s, const char *text, size_t len, bool prefix,
                        tok_sink *out) {
  size_t n = normalise(v, text, len, prefix, NULL, 0);
  if (n == 0) return true;
  cut *best = n < UNSET / 2 ? tok_scratch_take(s, bytes_for(n + 1)) : NULL;
  if (best == NULL) return false;
  char *plain = (char *)(best + n + 1);
  (void)normalise(v, text, len, prefix, plain, n);
  for (size_t i = 0; i <= n; i++) best[i] = (cut){0.0F, UNSET, TOK_NONE};
  best[0].start = 0;
  for (size_t at = 0; at < n; at++) {
    if (best[at].start != UNSET) extend(v, plain, n, at, best);
  }
  reverse(best, n);
  emit(v, plain, best, n, out);
  return true;
}
