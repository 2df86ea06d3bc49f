/* tok/file: the vocabulary in a GGUF file. Strings there are UTF-8, so each byte of a token is written as the
 * printable character that GPT-2 chose for it; merges are "left right". */
#include "tok/bpe.h"
#include "tok/shown.h"

#include <string.h>

enum { MAX_PROBE = 256 };

/* ---- bytes and their stand-ins ---- */

static bool stands_for_itself(uint32_t c) {
  return (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF);
}

/* GPT-2's stand-in character for a byte: the other 68, in order, are U+0100 and on: 0-0x20, 0x7F-0xA0, 0xAD. */
static uint32_t byte_char(unsigned char byte) {
  if (stands_for_itself(byte)) return byte;
  if (byte <= 0x20) return 0x100U + byte;
  if (byte <= 0xA0) return 0x100U + 0x21U + (byte - 0x7FU);
  return 0x100U + 67U;
}

int tok_char_byte(uint32_t c) {
  if (stands_for_itself(c)) return (int)c;
  if (c >= 0x100 && c <= 0x120) return (int)(c - 0x100);
  if (c >= 0x121 && c <= 0x142) return (int)(c - 0x121 + 0x7F);
  return c == 0x143 ? 0xAD : -1;
}

/* Decodes stand-ins into `out`; the count of bytes, or 0 when the string is empty, too long or has a
 * character that stands for none. */
static size_t decode(base_slice s, unsigned char out[TOK_MAX_TOKEN_BYTES]) {
  size_t n = 0;
  for (size_t at = 0; at < s.len;) {
    uint32_t c = (unsigned char)s.ptr[at];
    size_t step = c < 0x80 ? 1 : base_utf8_decode(s.ptr + at, s.len - at, &c);
    int byte = step > 0 ? tok_char_byte(c) : -1;
    if (byte < 0 || n == TOK_MAX_TOKEN_BYTES) return 0;
    out[n++] = (unsigned char)byte;
    at += step;
  }
  return n;
}

static void encode(base_buf *out, base_slice bytes) {
  for (size_t i = 0; i < bytes.len; i++) {
    char utf8[4];
    base_buf_add(out, utf8, base_utf8_encode(byte_char((unsigned char)bytes.ptr[i]), utf8));
  }
}

/* ---- which token has these bytes: a table for the time of opening ---- */

/* A slot holds the token's id and 16 bits of its hash, which spare almost every wrong comparison. */
typedef struct index_table {
  uint32_t *slot; /* tag << 16 | id; 0: free (no id here is 0) */
  size_t slots;
  const tok_bpe *t;
} index_table;

/* Up to eight bytes as a number; two loads that may overlap from four bytes on. */
static uint64_t load_up_to_8(const char *p, size_t len) {
  uint32_t low, high;
  uint64_t v = 0;
  if (len >= 4) {
    memcpy(&low, p, 4);
    memcpy(&high, p + len - 4, 4);
    return (uint64_t)high << 32 | low;
  }
  for (size_t i = 0; i < len; i++) v = v << 8 | (unsigned char)p[i];
  return v;
}

static uint64_t hash_bytes(base_slice s) {
  const uint64_t k = UINT64_C(0x9E3779B97F4A7C15);
  uint64_t h = s.len * k;
  for (size_t at = 0; at < s.len; at += 8) {
    h = (h ^ load_up_to_8(s.ptr + at, s.len - at < 8 ? s.len - at : 8)) * k;
    h ^= h >> 32;
  }
  return h;
}

/* The slot of these bytes, or the free one where they would be; `slots` when too many others collide. */
static size_t index_slot(const index_table *x, base_slice bytes, uint64_t hash) {
  uint32_t tag = (uint32_t)(hash >> 48);
  size_t mask = x->slots - 1, i = (size_t)hash & mask;
  for (int probe = 0; probe < MAX_PROBE; probe++, i = (i + 1) & mask) {
    uint32_t slot = x->slot[i];
    if (slot == 0) return i;
    if (slot >> 16 == tag && base_slice_equal(tok_bpe_token(x->t, slot & 0xFFFF), bytes)) return i;
  }
  return x->slots;
}

static uint32_t index_find(const index_table *x, base_slice bytes) {
  size_t i = index_slot(x, bytes, hash_bytes(bytes));
  return i < x->slots ? x->slot[i] & 0xFFFF : 0;
}

/* False when a token with the same bytes is there (or cannot be told apart in bounded time). */
static bool index_add(index_table *x, uint32_t id) {
  base_slice bytes = tok_bpe_token(x->t, id);
  uint64_t hash = hash_bytes(bytes);
  size_t i = index_slot(x, bytes, hash);
  if (i == x->slots || x->slot[i] != 0) return false;
  x->slot[i] = (uint32_t)(hash >> 48) << 16 | id;
  return true;
}

/* A hash of the file's own bytes for tokens and merges: much cheaper than reading them. */
static uint64_t source_hash(const base_cursor *tokens, const base_cursor *merges) {
  uint64_t h = hash_bytes((base_slice){(const char *)tokens->ptr, tokens->len});
  return h * 31 + hash_bytes((base_slice){(const char *)merges->ptr, merges->len});
}

/* ---- opening ---- */

typedef struct reader {
  const char *path;
  tok_bpe *t;
  index_table index;
  base_error *err;
} reader;

/* The fixed part: special tokens by name, bytes in order. */
static base_status check_fixed_tokens(const reader *r, base_cursor *tokens) {
  unsigned char bytes[TOK_MAX_TOKEN_BYTES];
  for (uint32_t id = 0; id < TOK_FIRST_MERGE; id++) {
    base_slice found = gguf_next_string(tokens), want = tok_bpe_token(r->t, id);
    bool same = id < TOK_FIRST_BYTE ? base_slice_equal(found, want)
                                    : decode(found, bytes) == 1 && bytes[0] == (unsigned char)want.ptr[0];
    if (!same) {
      return base_fail(r->err, BASE_EFORMAT, r->path,
                       "token %u is \"%s\", but a minnow-bpe vocabulary has %s there", (unsigned)id,
                       tok_show(found).text, id < TOK_FIRST_BYTE ? want.ptr : "a fixed byte");
    }
  }
  return BASE_OK;
}

/* One merge "left right" and the token it makes. */
static base_status read_merge(reader *r, size_t rank, base_slice merge, base_slice token) {
  unsigned char left_bytes[TOK_MAX_TOKEN_BYTES], right_bytes[TOK_MAX_TOKEN_BYTES];
  base_slice right = merge, left;
  if (!base_slice_split(&right, ' ', &left) || right.len == 0) {
    return base_fail(r->err, BASE_EFORMAT, r->path,
                     "merge %zu, \"%s\", is not two tokens with a space between", rank, tok_show(merge).text);
  }
  size_t left_len = decode(left, left_bytes), right_len = decode(right, right_bytes);
  uint32_t left_id = left_len > 0 ? index_find(&r->index, (base_slice){(char *)left_bytes, left_len}) : 0;
  uint32_t right_id = right_len > 0 ? index_find(&r->index, (base_slice){(char *)right_bytes, right_len}) : 0;
  if (left_id == 0 || right_id == 0) {
    return base_fail(r->err, BASE_EFORMAT, r->path, "merge %zu refers to \"%s\", which is no token before it",
                     rank, tok_show(left_id == 0 ? left : right).text);
  }
  if (token.len != left.len + right.len || memcmp(token.ptr, left.ptr, left.len) != 0 ||
      memcmp(token.ptr + left.len, right.ptr, right.len) != 0) {
    return base_fail(r->err, BASE_EFORMAT, r->path, "token %zu is \"%s\", but merge %zu makes \"%s\" of it",
                     TOK_FIRST_MERGE + rank, tok_show(token).text, rank, tok_show(merge).text);
  }
  if (left_len + right_len > TOK_MAX_TOKEN_BYTES) {
    return base_fail(r->err, BASE_EFORMAT, r->path, "token %zu is longer than %d bytes",
                     TOK_FIRST_MERGE + rank, (int)TOK_MAX_TOKEN_BYTES);
  }
  if (!tok_bpe_add_merge(r->t, left_id, right_id) || !index_add(&r->index, (uint32_t)r->t->vocab - 1)) {
    return base_fail(r->err, BASE_EFORMAT, r->path, "token %zu, \"%s\", is there twice",
                     TOK_FIRST_MERGE + rank, tok_show(token).text);
  }
  return BASE_OK;
}

/* Reads the checked header keys: how many tokens and merges there are. */
static base_status read_counts(const gguf_file *f, uint64_t *n_tokens, base_cursor *tokens,
                               base_cursor *merges, base_error *err) {
  base_slice model;
  uint64_t n_merges;
  const char *path = gguf_path(f);
  base_status status = gguf_get_string(f, "tokenizer.ggml.model", &model, err);
  if (status) return status;
  if (!base_slice_equal(model, BASE_LITERAL("minnow-bpe"))) {
    return base_fail(err, BASE_EFORMAT, path, "the tokenizer is \"%s\"; this program reads \"minnow-bpe\"",
                     tok_show(model).text);
  }
  status = gguf_get_strings(f, "tokenizer.ggml.tokens", n_tokens, tokens, err);
  if (status) return status;
  status = gguf_get_strings(f, "tokenizer.ggml.merges", &n_merges, merges, err);
  if (status) return status;
  if (*n_tokens < TOK_FIRST_MERGE || *n_tokens > TOK_MAX_VOCAB) {
    return base_fail(err, BASE_EFORMAT, path, "the vocabulary has %llu tokens; %d to %d are possible",
                     (unsigned long long)*n_tokens, (int)TOK_FIRST_MERGE, (int)TOK_MAX_VOCAB);
  }
  if (n_merges != *n_tokens - TOK_FIRST_MERGE) {
    return base_fail(err, BASE_EFORMAT, path, "there are %llu merges for %llu tokens; there must be %d fewer",
                     (unsigned long long)n_merges, (unsigned long long)*n_tokens, (int)TOK_FIRST_MERGE);
  }
  return BASE_OK;
}

static base_status read_vocabulary(reader *r, uint64_t n_tokens, base_cursor *tokens, base_cursor *merges) {
  base_status status = check_fixed_tokens(r, tokens);
  for (uint32_t id = TOK_FIRST_BYTE; id < TOK_FIRST_MERGE; id++) (void)index_add(&r->index, id);
  for (size_t rank = 0; rank < n_tokens - TOK_FIRST_MERGE && status == BASE_OK; rank++) {
    base_slice merge = gguf_next_string(merges);
    status = read_merge(r, rank, merge, gguf_next_string(tokens));
  }
  return status;
}

base_status tok_bpe_open(tok_bpe **out, const gguf_file *f, const base_allocator *allocator,
                         base_error *err) {
  uint64_t n_tokens;
  base_cursor tokens, merges;
  *out = NULL;
  base_status status = read_counts(f, &n_tokens, &tokens, &merges, err);
  if (status) return status;
  /* a stand-in is at least as long as its byte, so the strings' bytes bound the tokens' */
  size_t n_merges = (size_t)n_tokens - TOK_FIRST_MERGE, raw_bytes = merges.len - 8 * n_merges;
  if (raw_bytes > n_merges * TOK_MAX_TOKEN_BYTES) raw_bytes = n_merges * TOK_MAX_TOKEN_BYTES;
  reader r = {.path = gguf_path(f), .err = err};
  status = tok_bpe_new(&r.t, n_merges, raw_bytes, allocator, err);
  if (status) return status;
  r.index = (index_table){NULL, 1024, r.t};
  while (r.index.slots < 2 * n_tokens) r.index.slots *= 2;
  size_t slot_bytes = r.index.slots * sizeof *r.index.slot;
  r.index.slot = base_calloc(allocator, slot_bytes, 1);
  if (r.index.slot == NULL) {
    status = base_fail(err, BASE_ENOMEM, r.path, "no memory to read the vocabulary");
    goto done;
  }
  r.t->source_hash = source_hash(&tokens, &merges);
  status = read_vocabulary(&r, n_tokens, &tokens, &merges);
done:
  base_free(allocator, r.index.slot, slot_bytes);
  if (status) {
    tok_bpe_close(r.t);
    return status;
  }
  *out = r.t;
  return BASE_OK;
}

bool tok_bpe_same(const tok_bpe *t, const gguf_file *f) {
  uint64_t n_tokens;
  base_cursor tokens, merges;
  if (read_counts(f, &n_tokens, &tokens, &merges, NULL) != BASE_OK || n_tokens != t->vocab) return false;
  return t->source_hash == source_hash(&tokens, &merges);
}

/* ---- saving ---- */

/* Puts one array of strings: they are laid end to end in one buffer, `ends` says where each stops. */
static void put_strings(const tok_bpe *t, gguf_writer *w, const char *key, bool merges) {
  base_buf text = {.allocator = &t->allocator};
  size_t first = merges ? TOK_FIRST_MERGE : 0, count = t->vocab - first;
  base_slice *item = base_calloc(&t->allocator, count, sizeof *item);
  for (size_t i = 0; i < count && item != NULL; i++) {
    uint32_t id = (uint32_t)(first + i);
    size_t start = text.len;
    if (id < TOK_FIRST_BYTE) {
      base_slice name = tok_bpe_token(t, id);
      base_buf_add(&text, name.ptr, name.len);
    } else if (merges) {
      encode(&text, tok_bpe_token(t, t->merge[i].left));
      base_buf_putc(&text, ' ');
      encode(&text, tok_bpe_token(t, t->merge[i].right));
    } else {
      encode(&text, tok_bpe_token(t, id));
    }
    item[i].len = text.len - start;
  }
  bool fine = item != NULL && !text.failed;
  for (size_t i = 0, start = 0; fine && i < count; start += item[i++].len) item[i].ptr = text.ptr + start;
  if (fine) gguf_put_strings(w, key, item, count);
  else gguf_writer_fail(w, BASE_ENOMEM, key, "no memory to write the vocabulary");
  base_free(&t->allocator, item, count * sizeof *item);
  base_buf_free(&text);
}

static void write_fingerprint(const tok_bpe *t, char out[17]) {
  base_format(out, 17, "%016llx", (unsigned long long)tok_bpe_fingerprint(t));
}

void tok_bpe_save(const tok_bpe *t, gguf_writer *w) {
  gguf_put_string(w, "tokenizer.ggml.model", BASE_LITERAL("minnow-bpe"));
  put_strings(t, w, "tokenizer.ggml.tokens", false);
  put_strings(t, w, "tokenizer.ggml.merges", true);
  char fingerprint[17];
  write_fingerprint(t, fingerprint);
  gguf_put_string(w, "tokenizer.minnow.fingerprint", base_slice_of(fingerprint));
}

bool tok_bpe_matches(const tok_bpe *t, const gguf_file *f) {
  char own[17];
  base_slice theirs;
  write_fingerprint(t, own);
  return gguf_get_string(f, "tokenizer.minnow.fingerprint", &theirs, NULL) == BASE_OK &&
         base_slice_equal(theirs, base_slice_of(own));
}
