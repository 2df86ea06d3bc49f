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
  int order = base_slice_compare(a->piece, b->piece);
  return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
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
  static const char marks[] = " -_./:";
  if (b >= 'a' && b <= 'z') return b - 'a';
  if (b >= 'A' && b <= 'Z') return 26 + b - 'A';
  if (b >= '0' && b <= '9') return BYTE_DIGIT;
  if (b == '\\') return BYTE_ESCAPE;
  if (b < 0x20 || b == '"') return BYTE_BAD;
  if (b >= 0x80) return BYTE_WIDE;
  const char *mark = strchr(marks, b);
  return mark != NULL ? BYTE_MARK + (uint32_t)(mark - marks) : BYTE_OTHER;
}

static bool begins_character(uint8_t b) {
  return (b & 0xC0) != 0x80;
}

static uint32_t character_length(uint8_t lead) {
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* U+00A0, 1680, 2000..200A, 2028, 2029, 202F, 205F, 3000, FEFF. */
uint64_t mask_wide_kinds(const uint8_t *bytes, uint32_t n) {
  static const uint8_t spaces[][4] = {{0xC2, 0xA0, 0, 0},       {0xE1, 0x9A, 0x80, 0x80}, {0xE2, 0x80, 0x80, 0x8A},
                                      {0xE2, 0x80, 0xA8, 0xA9}, {0xE2, 0x80, 0xAF, 0xAF}, {0xE2, 0x81, 0x9F, 0x9F},
                                      {0xE3, 0x80, 0x80, 0x80}, {0xEF, 0xBB, 0xBF, 0xBF}};
  uint64_t space = 0, whole = n >= character_length(bytes[0]);
  for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
    if (spaces[i][0] != bytes[0] || (n > 1 && spaces[i][1] != bytes[1])) continue;
    if (n > 2 && (bytes[2] < spaces[i][2] || bytes[2] > spaces[i][3])) continue;
    space = UINT64_C(1) << BYTE_WIDE_SPACE;
  }
  return space | (space != 0 && whole ? 0 : UINT64_C(1) << BYTE_WIDE);
}

/* The kinds of bytes below node i when its end lies between characters, or inside one (`lexical`). What is no valid
 * character is bad. Nodes come children last, so that below[] of the children is there. */
static uint64_t kinds_below(const mask_vocab *v, uint32_t i, uint32_t lexical) {
  uint64_t kinds = 0;
  for (uint32_t c = i + 1; c < v->end[i]; c = v->end[c]) {
    bool counts;
    uint32_t next = mask_text_spell(lexical, v->byte[c], false, &counts);
    if (counts && v->byte[c] < 0x80) kinds |= UINT64_C(1) << mask_byte_kind(v->byte[c]);
    if (next >= TEXT_CLOSED) kinds |= UINT64_C(1) << BYTE_BAD;
    else if (next == TEXT_CHAR) kinds |= v->below[c];
    else kinds |= kinds_below(v, c, next);
  }
  return kinds;
}

/* Adds the characters beyond ASCII: whole ones, and those that a token breaks off. A node's byte may be inside of one;
 * bytes[0] .. is what there is of it. The nodes below that end it add to all nodes above. */
static uint64_t add_wide_kinds(mask_vocab *v, uint32_t i, uint8_t *bytes, uint32_t n) {
  uint64_t kinds = 0, own = 0;
  uint8_t b = v->byte[i];
  if (b >= 0xC2) n = 0;
  if (b >= 0x80) bytes[n++] = b;
  bool inside = b >= 0x80 && n < character_length(bytes[0]);
  if (b >= 0x80 && n > 0 && bytes[0] >= 0xC2 && (!inside || mask_node_tokens(v, i) > 0))
    own = mask_wide_kinds(bytes, n);
  for (uint32_t c = i + 1; c < v->end[i]; c = v->end[c]) {
    uint8_t copy[5];
    memcpy(copy, bytes, sizeof copy);
    kinds |= add_wide_kinds(v, c, copy, inside && v->byte[c] >= 0x80 && v->byte[c] < 0xC0 ? n : 0);
  }
  v->below[i] |= kinds;
  return kinds | own;
}

static uint8_t height_of(const mask_vocab *v, uint32_t i) {
  uint32_t height = 0;
  for (uint32_t c = i + 1; c < v->end[i]; c = v->end[c]) {
    uint32_t one = v->height[c] + begins_character(v->byte[c]);
    if (one > height) height = one;
  }
  return (uint8_t)(height < 255 ? height : 255);
}

static void fill_kinds(mask_vocab *v, uint32_t count) {
  for (uint32_t i = v->n_nodes; i-- > 0;) {
    bool counts;
    uint32_t lexical = mask_text_spell(TEXT_CHAR, v->byte[i], false, &counts);
    v->below[i] = kinds_below(v, i, lexical < TEXT_CLOSED ? lexical : TEXT_CHAR);
    if (v->byte[i] == '\\') v->below[i] |= UINT64_C(1) << BYTE_BAD; /* the escape's other bytes are not told */
    v->height[i] = height_of(v, i);
  }
  for (uint32_t i = 0; i < v->n_nodes; i = v->end[i]) {
    uint8_t bytes[5] = {0};
    (void)add_wide_kinds(v, i, bytes, 0);
  }
  for (uint32_t k = 0; k < count; k++) {
    base_slice piece = v->pieces[v->token[k]];
    uint32_t n = 0, lexical = TEXT_CHAR;
    bool counts;
    for (size_t i = 0; i < piece.len && lexical < TEXT_CLOSED; i++) {
      lexical = mask_text_spell(lexical, (uint8_t)piece.ptr[i], false, &counts);
      n += counts;
    }
    v->length[k] = (uint16_t)n;
  }
}

static void fill_kids(mask_vocab *v) {
  uint32_t at = 0;
  for (uint32_t i = 0; i < v->n_nodes; i++) {
    v->kids[i] = at;
    for (uint32_t c = i + 1; c < v->end[i]; c = v->end[c]) v->kid[at++] = c;
  }
  v->kids[v->n_nodes] = at;
  for (uint32_t c = 0; c < v->n_nodes; c = v->end[c]) v->kid[at++] = c;
  v->kids[v->n_nodes + 1] = at;
}

uint32_t mask_vocab_child(const mask_vocab *v, uint32_t at, uint8_t byte) {
  if (at == MASK_NONE) at = v->n_nodes;
  uint32_t low = v->kids[at], high = v->kids[at + 1];
  while (low < high) {
    uint32_t middle = (low + high) / 2, c = v->kid[middle];
    if (v->byte[c] == byte) return c;
    if (v->byte[c] < byte) low = middle + 1;
    else high = middle;
  }
  return MASK_NONE;
}

static void carve(mask_vocab *v, base_arena *a, uint32_t count) {
  size_t nodes = v->n_nodes + 1u; /* one more, so that a node's end is a node */
  v->below = base_arena_take(a, nodes, sizeof *v->below);
  v->end = base_arena_take(a, nodes, sizeof *v->end);
  v->first = base_arena_take(a, nodes, sizeof *v->first);
  v->kids = base_arena_take(a, nodes + 1, sizeof *v->kids);
  v->kid = base_arena_take(a, nodes, sizeof *v->kid);
  v->token = base_arena_take(a, count, sizeof *v->token);
  v->length = base_arena_take(a, count, sizeof *v->length);
  v->depth = base_arena_take(a, nodes, sizeof *v->depth);
  v->byte = base_arena_take(a, nodes, sizeof *v->byte);
  v->height = base_arena_take(a, nodes, sizeof *v->height);
}

static bool fill(mask_vocab *v, sorter *sorted, uint32_t count) {
  base_arena arena;
  qsort(sorted, count, sizeof *sorted, compare);
  v->n_nodes = build(NULL, sorted, count);
  base_arena_init(&arena, NULL, 0);
  carve(v, &arena, count);
  v->bytes = arena.used;
  v->block = base_calloc(v->allocator, 1, v->bytes);
  if (v->block == NULL) return false;
  base_arena_init(&arena, v->block, v->bytes);
  carve(v, &arena, count);
  build(v, sorted, count);
  v->first[v->n_nodes] = count;
  fill_kinds(v, count);
  fill_kids(v);
  return true;
}

/* Copies the pieces, end to end; those that are not empty into `sorted` too: how many, in *count. A piece that is too
 * long is taken as empty: no mask has it. */
static bool copy_pieces(mask_vocab *v, base_slice (*piece)(void *ctx, uint32_t id), void *ctx, sorter *sorted,
                        uint32_t *count) {
  size_t at = 0;
  for (uint32_t i = 0; i < v->n_tokens; i++) {
    v->pieces[i] = piece(ctx, i);
    if (v->pieces[i].len > MASK_MAX_PIECE) v->pieces[i].len = 0;
    v->text_len += v->pieces[i].len;
  }
  v->text = base_alloc(v->allocator, v->text_len + 1);
  if (v->text == NULL) return false;
  for (uint32_t i = 0; i < v->n_tokens; i++) {
    base_slice *one = &v->pieces[i];
    if (one->len > 0) memcpy(v->text + at, one->ptr, one->len);
    one->ptr = v->text + at;
    at += one->len;
    if (one->len > 0) sorted[(*count)++] = (sorter){*one, i};
  }
  return true;
}

base_status mask_vocab_open(mask_vocab **out, size_t n_tokens, base_slice (*piece)(void *ctx, uint32_t id), void *ctx,
                            const base_allocator *a, base_error *err) {
  *out = NULL;
  if (a == NULL) a = base_allocator_libc();
  if (n_tokens > 1 << 24) return base_fail(err, BASE_ELIMIT, "vocabulary", "more than 16 million tokens");
  mask_vocab *v = base_calloc(a, 1, sizeof *v);
  if (v == NULL) return base_fail(err, BASE_ENOMEM, "vocabulary", "out of memory");
  uint32_t count = 0;
  v->allocator = a;
  mask_pool_init(&v->pool, a, (size_t)64 << 20);
  v->n_tokens = (uint32_t)n_tokens;
  v->n_words = (uint32_t)((n_tokens + 31) / 32);
  v->pieces = base_calloc(a, n_tokens + 1, sizeof *v->pieces);
  sorter *sorted = v->pieces != NULL ? base_calloc(a, n_tokens + 1, sizeof *sorted) : NULL;
  bool fine = sorted != NULL && copy_pieces(v, piece, ctx, sorted, &count) && fill(v, sorted, count);
  base_free(a, sorted, (n_tokens + 1) * sizeof *sorted);
  if (!fine) {
    mask_vocab_close(v);
    return base_fail(err, BASE_ENOMEM, "vocabulary", "out of memory");
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
