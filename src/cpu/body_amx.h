/* Integer sums of 16 tokens by 16 rows in Intel's matrix registers (AMX): a block of 32 is one instruction of 8,192
 * products in 16 cycles. The chain over blocks stays what it is everywhere (cpu.h), in vector registers, and takes more
 * time than the products. Assembler, because compilers' intrinsics do not say which memory they touch. */

/* Tokens of a tile; blocks that are taken apart at once, and tokens they are used for: with the outputs' 16 rows all of
 * it stays in the first-level caches. */
enum { BODY_AMX_T = 16, BODY_AMX_BLOCKS = 16, BODY_AMX_TILES = 8 };

/* Tiles 0, 1 and 6, 7 sums, 2 tokens by 32, 3 chunks of a block by rows, 4 tokens by 16, 5 half a block. */
typedef struct body_amx_config {
  uint8_t palette, start, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} body_amx_config;

static void body_amx_begin(void) {
  static const body_amx_config config = {
      .palette = 1, .row_bytes = {64, 64, 32, 64, 16, 64, 64, 64}, .rows = {16, 16, 16, 8, 16, 4, 16, 16}};
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
}
static void body_amx_end(void) { __asm__ volatile("tilerelease" ::: "memory"); }

#define BODY_AMX_LOAD(tile, p, stride) \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(p), "r"((size_t)(stride)) : "memory")
#define BODY_AMX_STORE(tile, p) \
  __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(p), "r"((size_t)64) : "memory")

/* A stretch of a group's blocks, taken apart once for all tokens: signed quants, chunk after chunk, and scales. */
typedef struct body_panel {
  _Alignas(64) int8_t q[BODY_AMX_BLOCKS][512];
  body_scales scale[BODY_AMX_BLOCKS];
} body_panel;

#define BODY_AMX_PRODUCTS(c0, c1)                                             \
  if (!body_is_halved(f.scales)) {                                            \
    __asm__ volatile("tilezero %%tmm" #c0 ::);                                \
    BODY_AMX_LOAD(3, q, 64);                                                  \
    BODY_AMX_LOAD(2, x, ldx);                                                 \
    __asm__ volatile("tdpbssd %%tmm3, %%tmm2, %%tmm" #c0 ::);                 \
  } else {                                                                    \
    __asm__ volatile("tilezero %%tmm" #c0 "\n\ttilezero %%tmm" #c1 ::);       \
    BODY_AMX_LOAD(5, q, 64);                                                  \
    BODY_AMX_LOAD(4, x, ldx);                                                 \
    __asm__ volatile("tdpbssd %%tmm5, %%tmm4, %%tmm" #c0 ::);                 \
    BODY_AMX_LOAD(5, q + 256, 64);                                            \
    BODY_AMX_LOAD(4, x + 16, ldx);                                            \
    __asm__ volatile("tdpbssd %%tmm5, %%tmm4, %%tmm" #c1 ::);                 \
  }

/* What the blocks of a tile's tokens bring to the chain, tokens side by side. */
typedef struct body_amx_tokens {
  const int8_t *x; /* [16 tokens][ldx] */
  float scale[BODY_AMX_BLOCKS][BODY_AMX_T], sum[BODY_AMX_BLOCKS][BODY_AMX_T];
  float half_sum[2][BODY_AMX_BLOCKS][BODY_AMX_T];
} body_amx_tokens;

BODY_INLINE void body_amx_bring(body_format f, const cpu_input *x, size_t token, size_t at, size_t blocks,
                                body_amx_tokens *out) {
  const cpu_block *block = x->block + token * x->blocks + at;
  out->x = x->q + token * x->ld + at * BODY_BLOCK;
  for (size_t b = 0; b < blocks; b++) {
    vf scale = vf_gather(&block[b].scale, x->blocks * sizeof *block);
    vf_store(out->scale[b], scale);
    if (f.scales == CPU_SCALES_F16 || f.scales == CPU_SCALES_K16) continue;
    if (f.scales != CPU_SCALES_K16_MIN) {
      vf_store(out->sum[b], vf_gather(&block[b].sum, x->blocks * sizeof *block));
      continue;
    }
    vi bias = vi_gather(&block[b].bias, x->blocks * sizeof *block);
    vi half = vi_gather(&block[b].half, x->blocks * sizeof *block);
    vf unit = vf_set1(-1.0f / 128.0f); /* exact */
    vf_store(out->half_sum[0][b], vf_mul(scale, vf_mul(vf_of_vi(half), unit)));
    vf_store(out->half_sum[1][b], vf_mul(scale, vf_mul(vf_of_vi(vi_sub(bias, half)), unit)));
  }
}

/* One block of 16 tokens into the sums of set 0 or 1; K16 formats: of its halves. */
BODY_INLINE void body_amx_products(body_format f, size_t set, const int8_t *x, size_t ldx, const int8_t *q) {
  if (set == 0) {
    BODY_AMX_PRODUCTS(0, 1)
  } else {
    BODY_AMX_PRODUCTS(6, 7)
  }
}

/* The sums of a set to memory, [16 tokens][16 rows], halves behind one another. */
BODY_INLINE void body_amx_put(body_format f, size_t set, int32_t *sums) {
  if (set == 0) {
    BODY_AMX_STORE(0, sums);
    if (body_is_halved(f.scales)) BODY_AMX_STORE(1, sums + 256);
  } else {
    BODY_AMX_STORE(6, sums);
    if (body_is_halved(f.scales)) BODY_AMX_STORE(7, sums + 256);
  }
}

/* The chains of 16 tokens, one block further. */
BODY_INLINE void body_amx_link(body_format f, const body_scales *scale, const body_amx_tokens *x, size_t b,
                               const int32_t *sums, vf *a) {
  BODY_UNROLL
  for (size_t t = 0; t < BODY_AMX_T; t++) {
    vf first = vf_of_i32(sums + 16 * t), second = body_is_halved(f.scales) ? vf_of_i32(sums + 256 + 16 * t) : first;
    body_brings brings = {x->scale[b][t], x->sum[b][t], {x->half_sum[0][b][t], x->half_sum[1][b][t]}};
    a[t] = body_link_sums(f, a[t], first, second, scale, brings);
  }
}

/* y [16 tokens][rows]: the chains' values so far, 0 when `fresh`. */
BODY_INLINE void body_amx_resume(vf *a, const float *y, size_t ldy, size_t rows, bool fresh) {
  BODY_UNROLL
  for (size_t t = 0; t < BODY_AMX_T; t++) a[t] = fresh ? vf_set1(0.0f) : body_load(y + t * ldy, rows);
}

/* One group of rows for `tiles` tiles of tokens over the `blocks` blocks of the panel; y: of the first token.
 * Products of a block, storing of the one before and the chain over the one before that run side by side, from one
 * tile into the next. `coming`: the same stretch of the next group, fetched line by line on the way. */
BODY_INLINE void body_amx_row(body_format f, const body_panel *p, size_t blocks, const body_amx_tokens *x, size_t tiles,
                              size_t ldx, float *y, size_t ldy, size_t rows, bool fresh, const unsigned char *coming) {
  _Alignas(64) int32_t sums[2][512];
  vf a[BODY_AMX_T];
  const body_amx_tokens *ahead = x; /* the tile of the products, and its block */
  size_t next = 0, b = 0, fetched = 0, steps = tiles * blocks;
  size_t lines = blocks / cpu_unit_blocks(f.scales) * cpu_unit_bytes(&f) / 64,
         lines_a_step = (lines + steps - 1) / steps;
  body_amx_resume(a, y, ldy, rows, fresh);
  for (size_t step = 0; step < steps + 2; step++) {
    for (size_t line = 0; line < lines_a_step && fetched < lines; line++)
      __builtin_prefetch(coming + 64 * fetched++, 0, 2);
    if (step < steps) body_amx_products(f, step % 2, ahead->x + next * BODY_BLOCK, ldx, p->q[next]);
    if (++next == blocks) {
      next = 0;
      ahead++;
    }
    if (step >= 1 && step <= steps) body_amx_put(f, (step - 1) % 2, sums[(step - 1) % 2]);
    if (step < 2) continue;
    body_amx_link(f, &p->scale[b], x, b, sums[(step - 2) % 2], a);
    if (++b < blocks) continue;
    BODY_UNROLL
    for (size_t t = 0; t < BODY_AMX_T; t++) body_store(y + t * ldy, a[t], rows);
    b = 0;
    x++;
    y += BODY_AMX_T * ldy;
    if (step < steps + 1) body_amx_resume(a, y, ldy, rows, fresh);
  }
}

/* What the format has of scales; to clear and copy all of the struct would take as long as the quants. */
BODY_INLINE void body_amx_keep(cpu_scales scales, body_scales s, body_scales *to) {
  to->d = s.d;
  if (scales == CPU_SCALES_F16_MIN || scales == CPU_SCALES_K32_MIN) to->m = s.m;
  for (int h = 0; h < 2; h++) {
    if (scales == CPU_SCALES_K16 || scales == CPU_SCALES_K16_MIN) to->s[h] = s.s[h];
    if (scales == CPU_SCALES_K16_MIN) to->half_m[h] = s.half_m[h];
  }
}

/* Fills the panel from `blocks` blocks, `at` on, of a group. */
BODY_INLINE void body_amx_unpack(body_format f, const unsigned char *group, size_t at, size_t blocks, body_panel *p) {
  size_t unit = cpu_unit_blocks(f.scales);
  for (size_t b = 0; b < blocks; b++) {
    const unsigned char *from = group + (at + b) / unit * cpu_unit_bytes(&f);
    size_t in = (at + b) % unit;
    vb w[8];
    body_unpack(f, from + cpu_unit_scales(f.scales) + in * cpu_block_bytes(&f), w);
    BODY_UNROLL
    for (size_t c = 0; c < 8; c++) vb_store(p->q[b] + 64 * c, vb_less(w[c], f.bias));
    body_amx_keep(f.scales, body_read_scales(f.scales, from, in), &p->scale[b]);
  }
}

/* Rows [begin, end) for `tiles` tiles of tokens, `token` on; y: of that token and row 0. */
BODY_INLINE void body_amx_block(body_format f, const body_place *p, size_t begin, size_t end, size_t token,
                                size_t tiles, float *y) {
  size_t blocks = p->m->k / BODY_BLOCK;
  body_panel panel;
  body_amx_tokens x[BODY_AMX_TILES];
  for (size_t at = 0; at < blocks; at += BODY_AMX_BLOCKS) {
    size_t part = blocks - at < BODY_AMX_BLOCKS ? blocks - at : BODY_AMX_BLOCKS;
    for (size_t t = 0; t < tiles; t++) body_amx_bring(f, p->x, token + t * BODY_AMX_T, at, part, &x[t]);
    for (size_t row = begin; row < end; row += 16) {
      size_t rows = end - row < 16 ? end - row : 16;
      const unsigned char *group = p->m->packed + row / 16 * p->m->group_bytes;
      body_amx_unpack(f, group, at, part, &panel);
      body_amx_row(f, &panel, part, x, tiles, p->x->ld, y + row, p->ldy, rows, at == 0,
                   group + p->m->group_bytes + at / cpu_unit_blocks(f.scales) * cpu_unit_bytes(&f));
    }
  }
}

typedef void body_amx_fn(const body_place *p, size_t begin, size_t end, size_t token, size_t tiles, float *y);
#define CPU_FORMAT(id, base, extra, bias, scales)                                                         \
  static void body_amx_##id(const body_place *p, size_t begin, size_t end, size_t token, size_t tiles, \
                            float *y) {                                                                   \
    body_format f = {base, extra, bias, CPU_SCALES_##scales};                                             \
    body_amx_block(f, p, begin, end, token, tiles, y);                                                    \
  }
#include "cpu/format.def"
#undef CPU_FORMAT

/* As many of the tokens as are whole tiles; how many that were. Sums that are added to (nobody asks for many) are left
 * to the vector registers, as outputs hold the chains' values on the way. */
static size_t body_amx_mul(const body_place *p, size_t begin, size_t end, size_t token, size_t tokens, float *y) {
#define CPU_FORMAT(id, base, extra, bias, scales) body_amx_##id,
  static body_amx_fn *const formats[] = {
#include "cpu/format.def"
  };
#undef CPU_FORMAT
  size_t tiles = tokens / BODY_AMX_T;
  if (p->m->format >= CPU_F32 || p->add || tiles == 0 || begin >= end) return 0;
  body_amx_begin();
  for (size_t t = 0; t < tiles; t += BODY_AMX_TILES) {
    size_t here = tiles - t < BODY_AMX_TILES ? tiles - t : BODY_AMX_TILES;
    formats[p->m->format](p, begin, end, token + t * BODY_AMX_T, here, y + t * BODY_AMX_T * p->ldy);
  }
  body_amx_end();
  return tiles * BODY_AMX_T;
}
