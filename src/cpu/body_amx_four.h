/* Sixteen tokens alone in Intel's matrix registers (AMX; see body_amx.h), for quants of 4 bits and wide spans. A weight
 * is used once, so three steps of a pipeline run side by side without an end between groups of rows: a span is taken
 * apart, the one before it is multiplied, and the chains go over the one before that.
 * A block of 16 x 16 x 32 takes 19 ns from the caches and 21 to 27 from memory (reading alone 18); by way of body_panel
 * 30 and 35 to 40. */

/* Spans whose tokens' scales are kept; how far ahead weights are fetched into the second level (4 to 16 KB alike), and
 * from there into the first. */
enum { BODY_FOUR_SPANS = 128, BODY_FOUR_AHEAD = 4608, BODY_FOUR_NEAR = 1280 };

/* A unit of a Q4 group: scales of two blocks, then their quants; two units a span. */
enum { BODY_FOUR_SCALES = 64, BODY_FOUR_QUANTS = 256, BODY_FOUR_UNIT = BODY_FOUR_SCALES + 2 * BODY_FOUR_QUANTS };

/* What is the same for all groups of rows. */
typedef struct body_four_tokens {
  _Alignas(64) float scale[BODY_FOUR_SPANS][BODY_AMX_T];
  const int8_t *x; /* [16][ldx] */
  size_t ldx, spans, count; /* count: tokens that exist */
  bool halved; /* the last span has two blocks, not four */
} body_four_tokens;

/* A span on its way through the pipeline. */
typedef struct body_four_span {
  const unsigned char *packed;
  size_t at; /* of its group's */
} body_four_span;

typedef struct body_four_line {
  body_four_span coming, here, last; /* to be taken apart, multiplied, linked */
  size_t left;                       /* spans behind `coming` */
  size_t turn;                       /* of the buffers */
} body_four_line;

/* By turns, of one span and the next. Apart from the line, which thus stays in registers. */
typedef struct body_four_buffers {
  _Alignas(64) int8_t q[2][CPU_SPAN_BLOCKS * 512];
  _Alignas(64) int32_t sums[2][CPU_SPAN_BLOCKS * 256];
} body_four_buffers;

static const body_format body_four_format = {4, 0, 8, CPU_SCALES_F16};

/* Block j of a span whose second unit lies `second` bytes on. */
BODY_INLINE void body_four_unpack(const unsigned char *span, size_t second, size_t j, int8_t *q) {
  const unsigned char *from = span + (j < 2 ? 0 : second) + BODY_FOUR_SCALES + j % 2 * BODY_FOUR_QUANTS;
  body_amx_unpack_block(body_four_format, from, q + 512 * j);
}

/* All move up; what comes behind the last span is that span once more. */
BODY_INLINE void body_four_move(const body_four_tokens *x, body_four_line *l) {
  bool ends = l->coming.at + 1 == x->spans;
  l->last = l->here;
  l->here = l->coming;
  l->turn ^= 1;
  if (l->left == 0) return;
  l->left--;
  l->coming.packed += ends && x->halved ? BODY_FOUR_UNIT : 2 * BODY_FOUR_UNIT;
  l->coming.at = ends ? 0 : l->coming.at + 1;
}

/* The chains of tokens [begin, end) over `blocks` blocks of the last span, whose scales are d. A line of weights is
 * fetched to either level beside each token: body_address, as the compiler would put all of them in one place (2 ns a
 * block). Without the first level a block from memory takes 28.5 ns, with it 27. */
BODY_INLINE void body_four_link(const body_four_tokens *x, const body_four_line *l, const int32_t *sums, const vf *d,
                                size_t blocks, size_t begin, size_t end, vf *a) {
  const float *scale = x->scale[l->last.at];
  BODY_UNROLL
  for (size_t t = begin; t < end; t++) {
    __builtin_prefetch(body_address(l->coming.packed + BODY_FOUR_AHEAD + 64 * t), 0, 2);
    __builtin_prefetch(body_address(l->coming.packed + BODY_FOUR_NEAR + 64 * t), 0, 3);
    vf part = vf_mul(d[0], vf_of_i32(sums + 16 * t)); /* what is added to a is the same as from 0 on */
    BODY_UNROLL
    for (size_t j = 1; j < blocks; j++) part = vf_fma(d[j], vf_of_i32(sums + 256 * j + 16 * t), part);
    a[t] = vf_fma(vf_set1(scale[t]), part, a[t]);
  }
}

/* One step of the pipeline; `here` and `last`: how many blocks those spans have. A product is stored when the next one
 * is under way. */
BODY_INLINE void body_four_step(const body_four_tokens *x, body_four_line *l, body_four_buffers *b, size_t here,
                                size_t last, vf *a) {
  body_four_move(x, l);
  const int8_t *from = x->x + l->here.at * CPU_SPAN, *q = b->q[l->turn];
  int8_t *q_coming = b->q[l->turn ^ 1];
  /* of a span of one unit that unit twice: nothing lies behind the last, and what it gives is not multiplied */
  size_t second = x->halved && l->coming.at + 1 == x->spans ? 0 : BODY_FOUR_UNIT;
  int32_t *made = b->sums[l->turn], *sums = b->sums[l->turn ^ 1];
  vf d[CPU_SPAN_BLOCKS];
  BODY_UNROLL
  for (size_t j = 0; j < last; j++) d[j] = vf_half(l->last.packed + j / 2 * BODY_FOUR_UNIT + j % 2 * 32);
  for (size_t i = BODY_AMX_T; i < 2 * BODY_FOUR_UNIT / 64; i++)
    __builtin_prefetch(l->coming.packed + BODY_FOUR_AHEAD + 64 * i, 0, 2);
  BODY_UNROLL
  for (size_t j = 0; j < CPU_SPAN_BLOCKS; j++) {
    if (j < here) body_amx_product(body_four_format, j, from + j * BODY_BLOCK, x->ldx, q + 512 * j);
    if (j == 0) body_amx_put(last - 1, sums + 256 * (last - 1));
    else if (j < here) body_amx_put(j - 1, made + 256 * (j - 1));
    body_four_link(x, l, sums, d, last, 4 * j, 4 * j + 4, a);
    body_four_unpack(l->coming.packed, second, j, q_coming);
  }
}

/* Groups [0, groups) from `packed` on; the last has `rows` rows. The first step of a group ends the one before it: of
 * the first group it links nothing that is kept, and once more behind the last it multiplies nothing that is. */
static void body_four_rows(const body_four_tokens *x, const unsigned char *packed, size_t groups, size_t rows, float *y,
                           size_t ldy) {
  body_four_line l = {.coming = {packed, 0}, .here = {packed, 0}, .left = groups * x->spans - 1};
  size_t whole = x->halved ? x->spans - 1 : x->spans;
  body_four_buffers b;
  vf a[BODY_AMX_T];
  memset(b.sums, 0, sizeof b.sums);
  for (size_t j = 0; j < CPU_SPAN_BLOCKS; j++) body_four_unpack(packed, BODY_FOUR_UNIT, j, b.q[1]);
  BODY_UNROLL
  for (size_t t = 0; t < BODY_AMX_T; t++) a[t] = vf_set1(0.0f);
  for (size_t g = 0; g <= groups; g++) {
    if (x->halved) body_four_step(x, &l, &b, 4, 2, a);
    else body_four_step(x, &l, &b, 4, 4, a);
    if (g > 0) body_amx_keep(a, y + 16 * g - 16, ldy, g == groups ? rows : 16, x->count);
    BODY_UNROLL
    for (size_t t = 0; t < BODY_AMX_T; t++) a[t] = vf_set1(0.0f);
    if (g == groups) break;
    for (size_t t = 0; t < x->count; t++) __builtin_prefetch(y + t * ldy + 16 * g, 1);
    for (size_t s = 1; s < whole; s++) body_four_step(x, &l, &b, 4, 4, a);
    if (x->halved) body_four_step(x, &l, &b, 2, 4, a);
  }
}

/* Rows [begin, end) of a Q4 matrix for up to 16 tokens with wide spans, `token` on; y: of that token and row 0. False:
 * not for rows of this length. */
static bool body_amx_four(const body_place *p, size_t begin, size_t end, size_t token, size_t tokens, float *y) {
  const cpu_block *block = p->x->block + token * p->x->blocks;
  size_t blocks = p->m->k / BODY_BLOCK, spans = (blocks + CPU_SPAN_BLOCKS - 1) / CPU_SPAN_BLOCKS;
  if (blocks % 2 != 0 || spans < 2 || spans > BODY_FOUR_SPANS) return false;
  body_four_tokens x = {.x = p->x->q + token * p->x->ld, .ldx = p->x->ld, .spans = spans, .count = tokens};
  x.halved = blocks % CPU_SPAN_BLOCKS != 0;
  for (size_t s = 0; s < spans; s++)
    vf_store(x.scale[s], vf_gather(&block[s * CPU_SPAN_BLOCKS].scale, p->x->blocks * sizeof *block, tokens));
  body_amx_begin(tokens);
  body_four_rows(&x, p->m->packed + begin / 16 * p->m->group_bytes, (end - begin + 15) / 16, (end - begin - 1) % 16 + 1,
                 y + begin, p->ldy);
  body_amx_end();
  return true;
}
