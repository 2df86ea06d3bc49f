/* Integer sums of 16 tokens by 16 rows in Intel's matrix registers (AMX): a block of 32 is one instruction of 8,192
 * products in 16 cycles. The chain over pieces and spans stays what it is everywhere (cpu.h), in vector registers, and
 * takes more time than the products. Assembler, because compilers' intrinsics do not say which memory they touch. */

/* Tokens of a tile, and how many are worth one; blocks that are taken apart at once, and tiles they are used for: with
 * the outputs' 16 rows all of it stays in the first-level caches. Twenty, since rows of 576 are eighteen (128 tokens of
 * 135 M: 2 %; 32: 0.7). */
enum { BODY_AMX_T = 16, BODY_AMX_LEAST = 9, BODY_AMX_BLOCKS = 20, BODY_AMX_TILES = 8 };

/* Tiles 0, 1, 6, 7 sums, 2 tokens by 32, 3 chunks of a block by rows, 4 tokens by 16, 5 half a block. */
typedef struct body_amx_config {
  uint8_t palette, start, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} body_amx_config;

static void body_amx_begin(size_t tokens) {
  uint8_t t = (uint8_t)tokens;
  const body_amx_config config = {
      .palette = 1, .row_bytes = {64, 64, 32, 64, 16, 64, 64, 64}, .rows = {t, t, t, 8, t, 4, t, t}};
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
}
static void body_amx_end(void) { __asm__ volatile("tilerelease" ::: "memory"); }

#define BODY_AMX_LOAD(tile, p, stride) \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(p), "r"((size_t)(stride)) : "memory")
#define BODY_AMX_STORE(tile, p) \
  __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(p), "r"((size_t)64) : "memory")

/* A piece of a block: all of it, or in K16 formats half. */
BODY_INLINE size_t body_amx_pieces(body_format f) { return body_is_halved(f.scales) ? 2 : 1; }

/* A stretch of a group's blocks, taken apart once for all tokens: signed quants, chunk after chunk, unless they lie so
 * (a block of 16 x 16 x 32 takes 4 % less without the copy), and the scales of their pieces; those that the last span
 * lacks are zero. */
typedef struct body_panel {
  _Alignas(64) int8_t q[BODY_AMX_BLOCKS][512];
  vf d[2 * BODY_AMX_BLOCKS], m[2 * BODY_AMX_BLOCKS];
  const unsigned char *packed; /* where the stretch begins: quants that are bytes stay there */
  bool narrow; /* the activations that it meets */
} body_panel;

/* What a tile's tokens bring to the chains, side by side: scales of blocks (the first of a span, unless it is narrow),
 * sums of pieces (formats with minima). */
typedef struct body_amx_tokens {
  const int8_t *x; /* [16 tokens][ldx] */
  size_t ldx, count; /* so many of them exist */
  float scale[BODY_AMX_BLOCKS][BODY_AMX_T];
  float sum[2 * BODY_AMX_BLOCKS][BODY_AMX_T];
} body_amx_tokens;

BODY_INLINE void body_amx_bring_sums(body_format f, const cpu_block *block, size_t stride, size_t count,
                                     float (*sum)[BODY_AMX_T]) {
  if (!body_is_halved(f.scales)) {
    vf_store(sum[0], vf_gather(&block->sum, stride, count));
    return;
  }
  vi bias = vi_gather(&block->bias, stride, count), half = vi_gather(&block->half, stride, count);
  vf unit = vf_set1(-1.0f / 128.0f); /* exact */
  vf_store(sum[0], vf_mul(vf_of_vi(half), unit));
  vf_store(sum[1], vf_mul(vf_of_vi(vi_sub(bias, half)), unit));
}

/* A tile of fewer tokens than it has rows: theirs, and zeros. */
typedef int8_t body_amx_filled[BODY_AMX_T][BODY_AMX_BLOCKS * BODY_BLOCK + 64];

static void body_amx_fill(body_amx_tokens *x, size_t bytes, body_amx_filled filled) {
  for (size_t t = 0; t < BODY_AMX_T; t++) {
    if (t < x->count) memcpy(filled[t], x->x + t * x->ldx, bytes);
    else memset(filled[t], 0, bytes);
  }
  x->x = filled[0];
  x->ldx = sizeof filled[0];
}

/* Blocks [at, at + blocks) of the tile of `count` tokens that begins with `token`; `filled`: for one that is not
 * whole. */
BODY_INLINE void body_amx_bring(body_format f, const cpu_input *x, size_t token, size_t count, size_t at, size_t blocks,
                                body_amx_filled filled, body_amx_tokens *out) {
  const cpu_block *block = x->block + token * x->blocks + at;
  size_t stride = x->blocks * sizeof *block, pieces = body_amx_pieces(f);
  out->x = x->q + token * x->ld + at * BODY_BLOCK;
  out->ldx = x->ld;
  out->count = count;
  if (count < BODY_AMX_T) body_amx_fill(out, blocks * BODY_BLOCK, filled);
  for (size_t b = 0; b < blocks; b += x->narrow ? 1 : CPU_SPAN_BLOCKS)
    vf_store(out->scale[b], vf_gather(&block[b].scale, stride, count));
  for (size_t b = blocks; x->narrow && b % CPU_SPAN_BLOCKS != 0; b++) vf_store(out->scale[b], vf_set1(0.0f));
  if (!body_has_minima(f.scales)) return;
  for (size_t b = 0; b < blocks; b++) body_amx_bring_sums(f, &block[b], stride, count, &out->sum[b * pieces]);
  for (size_t b = blocks; b % CPU_SPAN_BLOCKS != 0; b++)
    for (size_t h = 0; h < pieces; h++) vf_store(out->sum[b * pieces + h], vf_set1(0.0f));
}

#define BODY_AMX_PRODUCT(c)                                  \
  __asm__ volatile("tilezero %%tmm" #c ::);                  \
  if (!body_is_halved(f.scales)) {                           \
    BODY_AMX_LOAD(3, q, 64);                                 \
    BODY_AMX_LOAD(2, x, ldx);                                \
    __asm__ volatile("tdpbssd %%tmm3, %%tmm2, %%tmm" #c ::); \
  } else {                                                   \
    BODY_AMX_LOAD(5, q, 64);                                 \
    BODY_AMX_LOAD(4, x, ldx);                                \
    __asm__ volatile("tdpbssd %%tmm5, %%tmm4, %%tmm" #c ::); \
  }

/* The sums of a piece into set 0 to 3. */
BODY_INLINE void body_amx_product(body_format f, size_t set, const int8_t *x, size_t ldx, const int8_t *q) {
  switch (set) {
    case 0: BODY_AMX_PRODUCT(0) break;
    case 1: BODY_AMX_PRODUCT(1) break;
    case 2: BODY_AMX_PRODUCT(6) break;
    default: BODY_AMX_PRODUCT(7) break;
  }
}

/* The sums of a set to memory, [16 tokens][16 rows]. */
BODY_INLINE void body_amx_put(size_t set, int32_t *sums) {
  switch (set) {
    case 0: BODY_AMX_STORE(0, sums); break;
    case 1: BODY_AMX_STORE(1, sums); break;
    case 2: BODY_AMX_STORE(6, sums); break;
    default: BODY_AMX_STORE(7, sums); break;
  }
}

/* The quants of block b of the stretch. */
BODY_INLINE const int8_t *body_amx_quants(body_format f, const body_panel *p, size_t b) {
  size_t unit = cpu_unit_blocks(f.scales);
  if (f.base != 8) return p->q[b];
  return (const int8_t *)(p->packed + b / unit * cpu_unit_bytes(&f) + cpu_unit_scales(f.scales) +
                          b % unit * cpu_block_bytes(&f));
}

/* A span whose sums are there, or are to be made. */
typedef struct body_amx_span {
  const body_amx_tokens *x;
  size_t at; /* of the panel's spans */
} body_amx_span;

/* The chains a [16] of tokens [begin, end), `have` blocks further: one span, or narrow ones. */
BODY_INLINE void body_amx_link_spans(body_format f, bool narrow, const body_panel *p, body_amx_span s, size_t have,
                                     const int32_t *sums, size_t begin, size_t end, vf *a) {
  const size_t each = body_amx_pieces(f), pieces = have * each, span = narrow ? each : pieces;
  const size_t first_piece = s.at * CPU_SPAN_BLOCKS * each;
  const vf *d = p->d + first_piece, *m = p->m + first_piece;
  BODY_UNROLL
  for (size_t t = begin; t < end; t++) {
    vf part = vf_set1(0.0f);
    BODY_UNROLL
    for (size_t j = 0; j < pieces; j++) {
      part = body_link_piece(f, part, vf_of_i32(sums + 256 * j + 16 * t), d[j], m[j], s.x->sum[first_piece + j][t]);
      if ((j + 1) % span != 0) continue;
      size_t first = s.at * CPU_SPAN_BLOCKS + (j + 1 - span) / each; /* block of the span */
      a[t] = vf_fma(vf_set1(s.x->scale[first][t]), part, a[t]);
      part = vf_set1(0.0f);
    }
  }
}
BODY_INLINE void body_amx_link(body_format f, const body_panel *p, body_amx_span s, size_t have, const int32_t *sums,
                               size_t begin, size_t end, vf *a) {
  if (p->narrow) body_amx_link_spans(f, true, p, s, have, sums, begin, end, a);
  else body_amx_link_spans(f, false, p, s, have, sums, begin, end, a);
}

/* Products of the span `next`, of which `blocks` exist, into `made`, and the chains over `have` blocks of the span
 * `last`, whose sums come to `sums`, side by side. A product is stored when the next one is under way (14.8 ns a block;
 * 17 at once). */
BODY_INLINE void body_amx_step(body_format f, const body_panel *p, const body_amx_span *next, size_t blocks,
                               int32_t *made, const body_amx_span *last, size_t have, int32_t *sums, vf *a) {
  const size_t each = body_amx_pieces(f), pieces = CPU_SPAN_BLOCKS * each, quants = BODY_BLOCK / each;
  BODY_UNROLL
  for (size_t j = 0; j < pieces; j++) {
    if (next != NULL && j / each < blocks)
      body_amx_product(f, j % 4, next->x->x + (next->at * pieces + j) * quants, next->x->ldx,
                       body_amx_quants(f, p, next->at * CPU_SPAN_BLOCKS + j / each) + j % each * quants * 16);
    if (j == 0 && last != NULL && have == CPU_SPAN_BLOCKS) body_amx_put(3, sums + 256 * (pieces - 1));
    if (j > 0 && next != NULL && (j - 1) / each < blocks) body_amx_put((j - 1) % 4, made + 256 * (j - 1));
    if (last != NULL) body_amx_link(f, p, *last, have, sums, 16 * j / pieces, 16 * (j + 1) / pieces, a);
  }
}

/* y [count tokens][rows]: the chains' values so far, 0 when `fresh`. */
BODY_INLINE void body_amx_resume(vf *a, const float *y, size_t ldy, size_t rows, size_t count, bool fresh) {
  BODY_UNROLL
  for (size_t t = 0; t < BODY_AMX_T; t++)
    a[t] = fresh || t >= count ? vf_set1(0.0f) : body_load(y + t * ldy, rows);
}
BODY_INLINE void body_amx_keep(const vf *a, float *y, size_t ldy, size_t rows, size_t count) {
  BODY_UNROLL
  for (size_t t = 0; t < BODY_AMX_T; t++)
    if (t < count) body_store(y + t * ldy, a[t], rows);
}

/* One group of rows for `tiles` tiles of tokens over the `blocks` blocks of the panel; y: of the first token. Products
 * of a span and the chains over the span before run side by side, from one tile into the next. `coming`: the
 * same stretch of the next group, fetched line by line on the way; behind the last one the first group's next stretch,
 * or what is read behind this matrix (10 M parameters 1.5 %, 135 M 3). */
BODY_INLINE void body_amx_row(body_format f, const body_panel *p, size_t blocks, const body_amx_tokens *x, size_t tiles,
                              float *y, size_t ldy, size_t rows, bool fresh, const unsigned char *coming) {
  enum { WHOLE = CPU_SPAN_BLOCKS, HALF = CPU_SPAN_BLOCKS / 2 };
  _Alignas(64) int32_t sums[2][2 * CPU_SPAN_BLOCKS * 256]; /* of pieces that a span lacks: anything, times zero */
  vf a[BODY_AMX_T];
  size_t spans = (blocks + CPU_SPAN_BLOCKS - 1) / CPU_SPAN_BLOCKS, steps = tiles * spans, fetched = 0;
  size_t lines = blocks / cpu_unit_blocks(f.scales) * cpu_unit_bytes(&f) / 64, a_step = (lines + steps - 1) / steps;
  body_amx_span next = {x, 0}, last = next;
  body_amx_resume(a, y, ldy, rows, x->count, fresh);
  for (size_t step = 0; step <= steps; step++) {
    for (size_t i = 0; i < a_step && fetched < lines; i++) __builtin_prefetch(coming + 64 * fetched++, 0, 2);
    size_t here = blocks - next.at * CPU_SPAN_BLOCKS;
    /* of a span, all that there is of `last`; rows of K types are whole ones */
    bool half = cpu_unit_blocks(f.scales) <= HALF && blocks - last.at * CPU_SPAN_BLOCKS == HALF;
    int32_t *made = sums[step % 2], *there = sums[(step + 1) % 2];
    if (step == 0) body_amx_step(f, p, &next, here, made, NULL, 0, NULL, a);
    else if (step == steps && half) body_amx_step(f, p, NULL, 0, NULL, &last, HALF, there, a);
    else if (step == steps) body_amx_step(f, p, NULL, 0, NULL, &last, WHOLE, there, a);
    else if (here >= WHOLE && half) body_amx_step(f, p, &next, WHOLE, made, &last, HALF, there, a);
    else if (here >= WHOLE) body_amx_step(f, p, &next, WHOLE, made, &last, WHOLE, there, a);
    else body_amx_step(f, p, &next, here, made, &last, WHOLE, there, a);
    if (step > 0 && last.at + 1 == spans) { /* a tile is done */
      body_amx_keep(a, y, ldy, rows, last.x->count);
      y += BODY_AMX_T * ldy;
      if (step < steps) body_amx_resume(a, y, ldy, rows, next.x->count, fresh);
    }
    last = next;
    if (++next.at == spans) next = (body_amx_span){next.x + 1, 0};
  }
}

BODY_INLINE void body_amx_unpack_block(body_format f, const unsigned char *planes, int8_t *q) {
  vb w[8];
  body_unpack(f, planes, w);
  BODY_UNROLL
  for (size_t c = 0; c < 8; c++) vb_store(q + 64 * c, vb_less(w[c], f.bias));
}

/* Fills the panel from `blocks` blocks, `at` on, of a group. */
BODY_INLINE void body_amx_unpack(body_format f, const unsigned char *group, size_t at, size_t blocks, body_panel *p) {
  size_t unit = cpu_unit_blocks(f.scales), pieces = body_amx_pieces(f);
  p->packed = group + at / unit * cpu_unit_bytes(&f);
  for (size_t b = 0; b < blocks; b++) {
    const unsigned char *from = p->packed + b / unit * cpu_unit_bytes(&f);
    size_t in = b % unit;
    if (f.base != 8) body_amx_unpack_block(f, from + cpu_unit_scales(f.scales) + in * cpu_block_bytes(&f), p->q[b]);
    body_scales s = body_read_scales(f.scales, from, in);
    for (size_t h = 0; h < pieces; h++) {
      p->d[b * pieces + h] = s.d[h];
      if (body_has_minima(f.scales)) p->m[b * pieces + h] = s.m[h];
    }
  }
  for (size_t b = blocks * pieces; b % (CPU_SPAN_BLOCKS * pieces) != 0; b++) p->d[b] = p->m[b] = vf_set1(0.0f);
}

/* Blocks of a stretch: cut evenly, in whole units and spans. */
BODY_INLINE size_t body_amx_stretch(body_format f, size_t blocks) {
  size_t unit = cpu_unit_blocks(f.scales), step = unit > CPU_SPAN_BLOCKS ? unit : CPU_SPAN_BLOCKS;
  size_t most = BODY_AMX_BLOCKS / step * step, count = (blocks + most - 1) / most;
  return ((blocks + count - 1) / count + step - 1) / step * step;
}

/* Where block `at` of the group with `row` begins, with the scales of its unit. */
BODY_INLINE const unsigned char *body_amx_at(body_format f, const cpu_matrix *m, size_t row, size_t at) {
  return m->packed + row / 16 * m->group_bytes + at / cpu_unit_blocks(f.scales) * cpu_unit_bytes(&f);
}

/* Rows [begin, end) for `tokens` tokens, `token` on, at most BODY_AMX_TILES tiles; y: of that token and row 0. */
BODY_INLINE void body_amx_block(body_format f, const body_place *p, size_t begin, size_t end, size_t token,
                                size_t tokens, float *y) {
  size_t blocks = p->m->k / BODY_BLOCK, most = body_amx_stretch(f, blocks), tiles = 0;
  _Alignas(64) body_amx_filled filled;
  body_panel panel;
  panel.narrow = p->x->narrow;
  body_amx_tokens x[BODY_AMX_TILES];
  for (size_t at = 0; at < blocks; at += most) {
    size_t part = blocks - at < most ? blocks - at : most;
    tiles = 0;
    for (size_t t = 0; t < tokens; t += BODY_AMX_T) {
      size_t count = tokens - t < BODY_AMX_T ? tokens - t : BODY_AMX_T;
      body_amx_bring(f, p->x, token + t, count, at, part, filled, &x[tiles++]);
    }
    for (size_t row = begin; row < end; row += 16) {
      size_t rows = end - row < 16 ? end - row : 16;
      const unsigned char *coming = body_amx_at(f, p->m, row + 16, at);
      if (row + 16 >= end && at + part < blocks) coming = body_amx_at(f, p->m, begin, at + part);
      else if (row + 16 >= end) coming = body_amx_at(f, p->m, row + 16, 0);
      if (coming == p->ahead.end) coming += p->ahead.jump;
      body_amx_unpack(f, p->m->packed + row / 16 * p->m->group_bytes, at, part, &panel);
      body_amx_row(f, &panel, part, x, tiles, y + row, p->ldy, rows, at == 0, coming);
    }
  }
}

typedef void body_amx_fn(const body_place *p, size_t begin, size_t end, size_t token, size_t tokens, float *y);
#define CPU_FORMAT(id, base, extra, bias, scales)                                                       \
  static void body_amx_##id(const body_place *p, size_t begin, size_t end, size_t token, size_t tokens, \
                            float *y) {                                                                 \
    body_format f = {base, extra, bias, CPU_SCALES_##scales};                                           \
    body_amx_block(f, p, begin, end, token, tokens, y);                                                 \
  }
#include "cpu/format.def"
#undef CPU_FORMAT

#include "cpu/body_amx_four.h"
#include "cpu/body_amx_one.h"

/* How many of so many tokens are for the matrix registers: all, or whole tiles. */
BODY_INLINE size_t body_amx_share(size_t tokens) {
  return tokens % BODY_AMX_T < BODY_AMX_LEAST ? tokens / BODY_AMX_T * BODY_AMX_T : tokens;
}

/* As many of the tokens as are worth it; how many that were. Sums that are added to (nobody asks for many) are left to
 * the vector registers, as outputs hold the chains' values on the way. */
static size_t body_amx_mul(const body_place *p, size_t begin, size_t end, size_t token, size_t tokens, float *y) {
#define CPU_FORMAT(id, base, extra, bias, scales) body_amx_##id,
  static body_amx_fn *const formats[] = {
#include "cpu/format.def"
  };
#undef CPU_FORMAT
  const size_t most = BODY_AMX_TILES * BODY_AMX_T;
  bool done = false; /* one tile, in a manner of its own */
  tokens = body_amx_share(tokens);
  if (p->m->format >= CPU_F32 || p->add || tokens == 0 || begin >= end) return 0;
  if (tokens <= BODY_AMX_T && p->m->format == CPU_Q8 && p->x->narrow)
    done = body_amx_one(p, begin, end, token, tokens, y);
  if (tokens <= BODY_AMX_T && p->m->format == CPU_Q4 && !p->x->narrow)
    done = body_amx_four(p, begin, end, token, tokens, y);
  if (done) return tokens;
  body_amx_begin(BODY_AMX_T);
  for (size_t t = 0; t < tokens; t += most)
    formats[p->m->format](p, begin, end, token + t, tokens - t < most ? tokens - t : most, y + t * p->ldy);
  body_amx_end();
  return tokens;
}
