/* tok/stream: tokens back to text, whole or one by one. */
#include "tok/vocab.h"

#include <string.h>

static bool is_shown(tok_type type) {
  return type != TOK_TYPE_CONTROL && type != TOK_TYPE_UNUSED;
}

/* The first token of a text begins with a space that the text has not. */
static bool adds_space(const tok_vocab *v) {
  return v->specials.add_space_prefix || v->kind == TOK_KIND_WORDPIECE;
}

void tok_decode(const tok_vocab *v, const uint32_t *ids, size_t n, base_buf *out) {
  bool at_start = adds_space(v);
  for (size_t i = 0; i < n; i++) {
    base_slice piece = tok_vocab_piece(v, ids[i]);
    if (!is_shown(tok_vocab_type(v, ids[i])) || piece.len == 0) continue;
    if (at_start && piece.ptr[0] == ' ') piece = base_slice_sub(piece, 1, piece.len);
    at_start = false;
    base_buf_add(out, piece.ptr, piece.len);
  }
}

void tok_stream_init(tok_stream *s, const tok_vocab *v, bool at_start) {
  s->v = v;
  s->at_start = at_start && adds_space(v);
  s->show_control = false;
  s->n_held = 0;
}

static size_t put_replacement(char *out) {
  memcpy(out, "\xEF\xBF\xBD", 3);
  return 3;
}

/* Could these bytes, which are no character yet, become one? */
static bool may_become(const unsigned char *p, size_t n) {
  static const unsigned char fill[3] = {0x80, 0xBF, 0x90};
  if (p[0] < 0xC2 || p[0] > 0xF4 || n > 3) return false;
  size_t want = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
  if (n >= want) return false;
  /* the second byte's limits depend on the first: one of these continuations is in them, whichever they are */
  for (size_t i = 0; i < sizeof fill; i++) {
    char whole[4];
    uint32_t c;
    memset(whole, fill[i], sizeof whole);
    memcpy(whole, p, n);
    if (base_utf8_decode(whole, want, &c) == want) return true;
  }
  return false;
}

/* Moves what is complete of the held bytes to `out`; what may become a character stays. */
static size_t settle(tok_stream *s, char *out) {
  size_t n = 0;
  while (s->n_held > 0) {
    uint32_t c;
    size_t len = base_utf8_decode((char *)s->held, s->n_held, &c);
    if (len == 0 && may_become(s->held, s->n_held)) break;
    if (len > 0) {
      memcpy(out + n, s->held, len);
      n += len;
    } else {
      n += put_replacement(out + n);
      len = 1;
      /* a broken character is one replacement: with the bytes that could have belonged to it */
      while (len < s->n_held && may_become(s->held, len + 1)) len++;
    }
    s->n_held -= len;
    memmove(s->held, s->held + len, s->n_held);
  }
  return n;
}

base_slice tok_stream_next(tok_stream *s, uint32_t id) {
  tok_type type = tok_vocab_type(s->v, id);
  base_slice piece = tok_vocab_piece(s->v, id);
  size_t n = 0;
  if (piece.len == 0 || !(is_shown(type) || (s->show_control && type == TOK_TYPE_CONTROL)))
    return (base_slice){s->out, 0};
  if (s->at_start && piece.ptr[0] == ' ') piece = base_slice_sub(piece, 1, piece.len);
  s->at_start = false;
  for (size_t i = 0; i < piece.len; i++) {
    s->held[s->n_held++] = (unsigned char)piece.ptr[i];
    n += settle(s, s->out + n);
  }
  return (base_slice){s->out, n};
}

base_slice tok_stream_finish(tok_stream *s) {
  size_t n = s->n_held > 0 ? put_replacement(s->out) : 0;
  s->n_held = 0;
  return (base_slice){s->out, n};
}
