/* Sixteen tokens alone in Intel's matrix registers (AMX; see body_amx.h), for quants that are bytes. A weight is used
 * once then, so nothing is taken apart ahead. Sums begin at a number that makes them floats, which spares the chain
 * their conversion.
 * A block of 16 x 16 x 32 takes 23 ns from the third-level cache, where reading alone takes 19 (28 by way of
 * body_panel, were its chain as short), and 42 from memory (34). */

/* Blocks whose tokens' scales are kept at once; how far ahead weights are fetched into the second level (27 ns without,
 * 60 from memory), and from there into the first (2 ns more without: fetches that wait for memory hold its buffers). */
enum { BODY_ONE_BLOCKS = 256, BODY_ONE_AHEAD = 4352, BODY_ONE_NEAR = 1088 };

/* A float around which floats are whole numbers, 22 bits of them: its bits plus n are those of it plus n. */
#define BODY_ONE_MAGIC 0x1.8p+23f
enum { BODY_ONE_MAGIC_BITS = 0x4B400000 };

/* Tiles 0, 1 sums, 2, 3 tokens by 32, 4, 5 chunks of a block by rows. */
static void body_one_begin(size_t tokens) {
  uint8_t t = (uint8_t)tokens;
  const body_amx_config config = {.palette = 1, .row_bytes = {64, 64, 32, 32, 64, 64}, .rows = {t, t, t, t, 8, 8}};
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
}

/* A unit of a Q8 group: scales of two blocks, then their quants. */
enum { BODY_ONE_SCALES = 64, BODY_ONE_QUANTS = 512, BODY_ONE_UNIT = BODY_ONE_SCALES + 2 * BODY_ONE_QUANTS };

/* What is the same for all groups of rows. */
typedef struct body_one_tokens {
  _Alignas(64) float scale[BODY_ONE_BLOCKS][BODY_AMX_T];
  int32_t magic[16];
  const int8_t *x; /* [16][ldx] */
  size_t ldx, blocks, count; /* tokens that exist */
} body_one_tokens;

#define BODY_ONE_PRODUCT(sum, tokens, quants)                                                    \
  BODY_AMX_LOAD(sum, x->magic, 0);                                                               \
  BODY_AMX_LOAD(quants, q, 64);                                                                  \
  BODY_AMX_LOAD(tokens, from, x->ldx);                                                           \
  __asm__ volatile("tdpbssd %%tmm" #quants ", %%tmm" #tokens ", %%tmm" #sum ::)

/* The sums of block b, whose quants lie at q, in set 0 or 1. */
BODY_INLINE void body_one_product(size_t set, const body_one_tokens *x, size_t b, const unsigned char *q) {
  const int8_t *from = x->x + b * BODY_BLOCK;
  if (set == 0) {
    BODY_ONE_PRODUCT(0, 2, 4);
  } else {
    BODY_ONE_PRODUCT(1, 3, 5);
  }
}

/* The chains a [16] of tokens over a narrow block whose sums have been stored. coming: a block to be fetched, line by
 * line on the way (from memory 42 ns a block; 48 in one go). */
BODY_INLINE void body_one_link(const unsigned char *d16, const float *scale, const float *sums,
                               const unsigned char *coming, vf *a) {
  vf d = vf_half(d16), minus = vf_mul(d, vf_set1(-BODY_ONE_MAGIC)); /* exact; of an infinite scale comes NaN */
  BODY_UNROLL
  for (size_t t = 0; t < BODY_AMX_T; t++) {
    const unsigned char *line = coming + t / 2 * 64;
    if (t % 2 == 0) __builtin_prefetch(body_address(line), 0, 2);
    else __builtin_prefetch(body_address(line - BODY_ONE_AHEAD + BODY_ONE_NEAR), 0, 3);
    a[t] = vf_fma(vf_set1(scale[t]), vf_fma(d, vf_load(sums + 16 * t), minus), a[t]);
  }
}

/* y [tokens][rows] over x->blocks blocks, two to a unit: products of a block, and the chain over the second before
 * it, side by side. False where a scale was infinite: then this is not the product. */
static bool body_one_row(const body_one_tokens *x, const unsigned char *unit, float *y, size_t ldy, size_t rows,
                         bool fresh, float (*sums)[256]) {
  const unsigned char *last = unit;
  vf a[BODY_AMX_T];
  size_t b = 0;
  body_amx_resume(a, y, ldy, rows, x->count, fresh);
  for (; b + 2 <= x->blocks; b += 2, last = unit, unit += BODY_ONE_UNIT) {
    const unsigned char *first = unit + BODY_ONE_SCALES, *second = first + BODY_ONE_QUANTS;
    __builtin_prefetch(unit + BODY_ONE_AHEAD, 0, 2);
    body_one_product(0, x, b, first);
    if (b > 0) {
      BODY_AMX_STORE(1, sums[1]);
      body_one_link(last, x->scale[b - 2], sums[0], first + BODY_ONE_AHEAD, a);
    }
    body_one_product(1, x, b + 1, second);
    BODY_AMX_STORE(0, sums[0]);
    if (b > 0) body_one_link(last + 32, x->scale[b - 1], sums[1], second + BODY_ONE_AHEAD, a);
  }
  if (b > 0) {
    BODY_AMX_STORE(1, sums[1]);
    body_one_link(last, x->scale[b - 2], sums[0], unit + BODY_ONE_AHEAD, a);
    body_one_link(last + 32, x->scale[b - 1], sums[1], unit + BODY_ONE_AHEAD + BODY_ONE_QUANTS, a);
  }
  if (b < x->blocks) {
    body_one_product(0, x, b, unit + BODY_ONE_SCALES);
    BODY_AMX_STORE(0, sums[0]);
    body_one_link(unit, x->scale[b], sums[0], unit + BODY_ONE_AHEAD, a);
  }
  body_amx_keep(a, y, ldy, rows, x->count);
  return !vf_has_nan(a[0]);
}

/* Rows [begin, end) of a Q8 matrix for up to 16 tokens with narrow spans, `token` on; y: of that token and row 0.
 * False: an infinite scale, or activations that are no numbers; body_amx_block knows what comes of them. */
static bool body_amx_one(const body_place *p, size_t begin, size_t end, size_t token, size_t tokens, float *y) {
  const cpu_block *block = p->x->block + token * p->x->blocks;
  size_t blocks = p->m->k / BODY_BLOCK;
  _Alignas(64) float sums[2][256] = {{0.0f}}; /* by turns; of tokens that there are not: zero */
  body_one_tokens x = {.ldx = p->x->ld, .count = tokens};
  bool sound = true;
  for (size_t i = 0; i < 16; i++) x.magic[i] = BODY_ONE_MAGIC_BITS;
  body_one_begin(tokens);
  for (size_t at = 0; at < blocks; at += BODY_ONE_BLOCKS) {
    x.blocks = blocks - at < BODY_ONE_BLOCKS ? blocks - at : BODY_ONE_BLOCKS;
    x.x = p->x->q + token * p->x->ld + at * BODY_BLOCK;
    for (size_t b = 0; b < x.blocks; b++)
      vf_store(x.scale[b], vf_gather(&block[at + b].scale, p->x->blocks * sizeof *block, tokens));
    for (size_t row = begin; row < end; row += 16)
      sound &= body_one_row(&x, p->m->packed + row / 16 * p->m->group_bytes + at / 2 * BODY_ONE_UNIT, y + row, p->ldy,
                            end - row < 16 ? end - row : 16, at == 0, sums);
  }
  body_amx_end();
  return sound;
}
