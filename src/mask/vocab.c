/* mask/vocab: the tokens' bytes as a trie in flat arrays, depth first, so that a walk reads forwards and skips a
 * subtree by one assignment. */
#include <stdlib.h>
#include <string.h>

#include "mask/internal.h"

typedef struct sorter {
  base_slice piece;
  uint32_t id;
} sorter;

static int compare(const void *x, const void *y) {
  const sorter *a = x, *b = y;
  size_t n = a->piece.len < b->piece.len ? a->piece.len : b->piece.len;
  int order = memcmp(a->piece.ptr, b->piece.ptr, n);
  if (order != 0) return order;
  if (a->piece.len != b->piece.len) return a->piece.len < b->piece.len ? -1 : 1;
  return (a->id > b->id) - (a->id < b->id);
}

static size_t common(base_slice a, base_slice b) {
  size_t n = 0;
  while (n < a.len && n < b.len && a.ptr[n] == b.ptr[n]) n++;
  return n;
}

/* Nodes of the trie of sorted pieces; with v NULL only counts them. */
static uint32_t build(mask_vocab *v, const sorter *sorted, uint32_t count) {
  uint32_t n = 0, open[MASK_MAX_PIECE + 1];
  base_slice before = {"", 0};
  for (uint32_t i = 0; i < count; i++) {
    base_slice piece = sorted[i].piece;
    size_t same = common(before, piece);
    for (size_t d = before.len; v != NULL && d > same; d--) v->end[open[d]] = n;
    for (size_t d = same; d < piece.len; d++) {
      if (v != NULL) {
        open[d + 1] = n;
        v->byte[n] = (uint8_t)piece.ptr[d];
        v->depth[n] = (uint16_t)(d + 1);
        v->first[n] = i;
      }
      n++;
    }
    if (v != NULL) v->token[i] = sorted[i].id;
    before = piece;
  }
  for (size_t d = before.len; v != NULL && d > 0; d--) v->end[open[d]] = n;
  return n;
}

uint32_t mask_byte_kind(uint8_t b) {
  static const char marks[] = " -_./:,@";
  if (b >= 'a' && b <= 'z') return b - 'a';
  if (b >= 'A' && b <= 'Z') return 26 + b - 'A';
  if (b >= '0' && b <= '9') return BYTE_DIGIT;
  if (b < 0x20 || b == '"' || b == '\\') return BYTE_BAD;
  if (b >= 0x80) return BYTE_WIDE;
  const char *mark = strchr(marks, b);
  return mark != NULL ? BYTE_MARK + (uint32_t)(mark - marks) : BYTE_OTHER;
}

/* The kinds of bytes below node i when its end lies between characters, or inside one (`lexical`). What is no valid
 * character is bad. Nodes come children last, so that below[] of the children is there. */
static uint64_t kinds_below(const mask_vocab *v, uint32_t i, uint32_t lexical) {
  uint64_t kinds = 0;
  for (uint32_t c = i + 1; c < v->end[i]; c = v->end[c]) {
    bool counts;
    uint32_t next = mask_text_spell(lexical, v->byte[c], false, &counts);
    kinds |= UINT64_C(1) << mask_byte_kind(v->byte[c]);
    if (next >= TEXT_CLOSED) kinds |= UINT64_C(1) << BYTE_BAD;
    else if (next == TEXT_CHAR) kinds |= v->below[c];
    else if (v->byte[c] >= 0x80) kinds |= kinds_below(v, c, next);
  }
  return kinds;
}

static void fill_kinds(mask_vocab *v, uint32_t count) {
  for (uint32_t i = v->n_nodes; i-- > 0;) v->below[i] = kinds_below(v, i, TEXT_CHAR);
  for (uint32_t k = 0; k < count; k++) {
    base_slice piece = v->pieces[v->token[k]];
    uint32_t n = 0;
    for (size_t i = 0; i < piece.len; i++) n += ((uint8_t)piece.ptr[i] & 0xC0) != 0x80;
    v->length[k] = (uint8_t)(n < 255 ? n : 255);
  }
}

static base_status fill(mask_vocab *v, sorter *sorted, uint32_t count, base_error *err) {
  qsort(sorted, count, sizeof *sorted, compare);
  v->n_nodes = build(NULL, sorted, count);
  size_t n = v->n_nodes + 1;
  v->bytes = n * (sizeof *v->below + sizeof *v->end + sizeof *v->first + sizeof *v->depth + sizeof *v->byte) + (count + 1) * (sizeof *v->token + sizeof *v->length) + 64;
  v->block = base_calloc(v->allocator, 1, v->bytes);
  if (v->block == NULL) return base_fail(err, BASE_ENOMEM, "vocabulary", "out of memory");
  v->below = v->block;
  v->end = (uint32_t *)(v->below + n);
  v->first = v->end + n;
  v->token = v->first + n;
  v->depth = (uint16_t *)(v->token + count + 1);
  v->byte = (uint8_t *)(v->depth + n);
  v->length = v->byte + n;
  build(v, sorted, count);
  v->first[v->n_nodes] = count;
  fill_kinds(v, count);
  return BASE_OK;
}

base_status mask_vocab_open(mask_vocab **out, size_t n_tokens, base_slice (*piece)(void *ctx, uint32_t id), void *ctx,
                            const base_allocator *a, base_error *err) {
  *out = NULL;
  if (a == NULL) a = base_allocator_libc();
  if (n_tokens > 1 << 24) return base_fail(err, BASE_ELIMIT, "vocabulary", "more than 16 million tokens");
  mask_vocab *v = base_calloc(a, 1, sizeof *v);
  sorter *sorted = base_calloc(a, n_tokens + 1, sizeof *sorted);
  base_slice *pieces = base_calloc(a, n_tokens + 1, sizeof *pieces);
  size_t text_len = 0;
  uint32_t count = 0;
  base_status status = BASE_ENOMEM;
  if (v != NULL) v->allocator = a;
  if (v == NULL || sorted == NULL || pieces == NULL) goto done;
  mask_pool_init(&v->pool, a, (size_t)64 << 20);
  v->n_tokens = (uint32_t)n_tokens;
  v->n_words = (uint32_t)((n_tokens + 31) / 32);
  v->pieces = pieces;
  for (uint32_t i = 0; i < n_tokens; i++) {
    pieces[i] = piece(ctx, i);
    if (pieces[i].len > MASK_MAX_PIECE) pieces[i].len = 0;
    text_len += pieces[i].len;
  }
  v->text_len = text_len;
  v->text = base_alloc(a, text_len + 1);
  if (v->text == NULL) goto done;
  text_len = 0;
  for (uint32_t i = 0; i < n_tokens; i++) {
    if (pieces[i].len > 0) memcpy(v->text + text_len, pieces[i].ptr, pieces[i].len);
    pieces[i].ptr = v->text + text_len;
    text_len += pieces[i].len;
    if (pieces[i].len > 0) sorted[count++] = (sorter){pieces[i], i};
  }
  status = fill(v, sorted, count, err);
done:
  if (status == BASE_ENOMEM) base_fail(err, BASE_ENOMEM, "vocabulary", "out of memory");
  base_free(a, sorted, (n_tokens + 1) * sizeof *sorted);
  if (v == NULL || v->pieces == NULL) base_free(a, pieces, (n_tokens + 1) * sizeof *pieces);
  if (status != BASE_OK) {
    mask_vocab_close(v);
    return status;
  }
  *out = v;
  return BASE_OK;
}

void mask_vocab_close(mask_vocab *v) {
  if (v == NULL) return;
  mask_pool_free(&v->pool);
  base_free(v->allocator, v->block, v->bytes);
  base_free(v->allocator, v->text, v->text_len + 1);
  if (v->pieces != NULL) base_free(v->allocator, v->pieces, (v->n_tokens + 1u) * sizeof *v->pieces);
  base_free(v->allocator, v, sizeof *v);
}

size_t mask_vocab_words(const mask_vocab *v) {
  return v->n_words;
}
