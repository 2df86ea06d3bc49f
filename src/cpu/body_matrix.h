/* Packed weight matrices times activations: layout and order of sums are in cpu.h. A tile is one group of 16 rows
 * (a lane each) by some tokens; a block's quants are unpacked once and used for all tokens of the tile. */
#define BODY_BLOCK 32u
/* A token alone waits for memory: its weights are fetched so many bytes ahead. Measured with Q4_0 and two threads:
 * 135 M parameters decode 45 % faster, 10 M 5 to 15 %; 2 to 16 KiB differ by less than the noise. */
#define BODY_AHEAD 3072u

/* What the formats differ in; constants wherever a tile is expanded. */
typedef cpu_format_info body_format;

/* Scales of a block's pieces as floats, d with s and m with t multiplied in; m is added. */
typedef struct body_scales {
  vf d[2], m[2];
} body_scales;

#if !defined(VEC_QUANTIZE_ROWS)
/* The span at x, `n` long: its q and blocks. */
BODY_INLINE void body_quantize_span(const float *x, size_t n, int8_t *q, cpu_block *block) {
  vf high = vf_set1(127.0f), low = vf_set1(-127.0f), largest = vf_set1(0.0f);
  for (size_t i = 0; i < n; i += 16) largest = vf_max(largest, vf_abs(vf_load(x + i)));
  float max = vf_max_fold(largest);
  if (!(max >= CPU_QUANT_TINY)) {
    memset(q, 0, n);
    memset(block, 0, n / BODY_BLOCK * sizeof *block);
    return;
  }
  vf factor = vf_set1(127.0f / max);
  for (size_t i = 0; i < n; i += 16) vf_store_i8(q + i, vf_min(vf_max(vf_mul(vf_load(x + i), factor), low), high), 16);
  for (size_t i = 0; i < n; i += BODY_BLOCK, block++) {
    int32_t half = vec_sum16(q + i), sum = half + vec_sum16(q + i + 16);
    *block = (cpu_block){.scale = max / 127.0f, .bias = -128 * sum, .sum = (float)sum, .half = -128 * half};
  }
}

#endif

static void body_quantize_blocks(const cpu_rows *r) {
#if defined(VEC_QUANTIZE_ROWS)
  vec_quantize_rows(r);
#else
  size_t span = r->to->narrow ? BODY_BLOCK : CPU_SPAN;
  for (size_t row = 0; row < r->rows; row++)
    for (size_t i = 0; i < r->k; i += span)
      body_quantize_span(r->x + row * r->ldx + i, r->k - i < span ? r->k - i : span, cpu_rows_q(r, row) + i,
                         cpu_rows_block(r, row) + i / BODY_BLOCK);
#endif
}

/* The 8 chunks of a block, each 64 quants. A plane of n bits is n vectors. */
BODY_INLINE void body_unpack(body_format f, const unsigned char *plane, vb *w) {
  vb base[8], extra[2];
  BODY_UNROLL
  for (int i = 0; i < f.base; i++) base[i] = f.base == 8 ? vb_load_wide(plane + i * 64) : vb_load(plane + i * 64);
  BODY_UNROLL
  for (int i = 0; i < f.extra; i++) extra[i] = vb_load(plane + (f.base + i) * 64);
  BODY_UNROLL
  for (int c = 0; c < 8; c++) {
    if (f.base == 8) w[c] = base[c];
    else if (f.base == 4) w[c] = vb_and(c < 4 ? base[c] : vb_shr(base[c - 4], 4), 15);
    else w[c] = vb_and(c % 4 ? vb_shr(base[c / 4], 2 * (c % 4)) : base[c / 4], 3);
  }
  if (f.extra == 0) return;
  BODY_UNROLL
  for (int c = 0; c < 8; c++) { /* the bits above the base plane's, from where they lie */
    vb v = extra[f.extra == 2 ? c / 4 : 0];
    int at = f.extra == 2 ? c % 4 * 2 : c, mask = (1 << f.extra) - 1;
    v = at < f.base ? vb_shl(v, f.base - at) : at > f.base ? vb_shr(v, at - f.base) : v;
    w[c] = vb_or(w[c], vb_and(v, mask << f.base));
  }
}

/* Pieces of a block with a scale each: two, of 16 quants, or one. */
BODY_INLINE bool body_is_halved(cpu_scales scales) {
  return scales == CPU_SCALES_K16 || scales == CPU_SCALES_K16_MIN;
}
BODY_INLINE bool body_has_minima(cpu_scales scales) {
  return scales != CPU_SCALES_F16 && scales != CPU_SCALES_K16;
}

/* A unit's scales, and of them what all of its blocks share: d, and -m where there are minima. */
typedef struct body_unit {
  const unsigned char *scales;
  vf d, m;
} body_unit;

BODY_INLINE body_unit body_read_unit(cpu_scales scales, const unsigned char *p) {
  vf d = vf_half(p);
  return (body_unit){p, d, scales == CPU_SCALES_K32_MIN || scales == CPU_SCALES_K16_MIN ? vf_neg(vf_half(p + 32)) : d};
}

/* Of block `in` of a unit. */
BODY_INLINE body_scales body_unit_scales(cpu_scales scales, const body_unit *u, size_t in) {
  const unsigned char *own = u->scales + (body_has_minima(scales) ? 64 : 32);
  body_scales r = {{u->d, u->d}, {u->m, u->m}};
  if (scales == CPU_SCALES_F16) r.d[0] = vf_half(u->scales + 32 * in);
  if (scales == CPU_SCALES_F16_MIN) r.m[0] = vf_half(u->scales + 32);
  if (scales == CPU_SCALES_K32_MIN) {
    r.d[0] = vf_mul(u->d, vf_u8(own + in * 32));
    r.m[0] = vf_mul(u->m, vf_u8(own + in * 32 + 16));
  }
  for (size_t h = 0; h < 2; h++) {
    if (scales == CPU_SCALES_K16) r.d[h] = vf_mul(u->d, vf_i8(own + in * 32 + h * 16));
    if (scales != CPU_SCALES_K16_MIN) continue;
    r.d[h] = vf_mul(u->d, vf_u8(own + in * 64 + h * 32));
    r.m[h] = vf_mul(u->m, vf_u8(own + in * 64 + h * 32 + 16));
  }
  return r;
}

/* The same for a block alone: the scales of its unit begin at p. */
BODY_INLINE body_scales body_read_scales(cpu_scales scales, const unsigned char *p, size_t in) {
  body_unit of = body_read_unit(scales, p);
  return body_unit_scales(scales, &of, in);
}

/* The bias of `count` quants' sum, given -128 times the sum. */
BODY_INLINE vi body_start(body_format f, int32_t minus_128_sums) {
  int bias = f.base == 8 ? VEC_WIDE_BIAS : f.bias;
  return bias == 0 ? vi_zero() : vi_set1(minus_128_sums / (128 / bias));
}

/* An address of which the compiler is not to know how it came about: of two that lie a row apart it would otherwise
 * compute and keep every element's, more than there are registers (AVX-512: 385 instead of 460 GOP/s). */
BODY_INLINE void *body_address(const void *p) {
#if !defined(VEC_PLAIN)
  __asm__("" : "+r"(p));
#endif
  return (void *)(uintptr_t)p;
}

/* sum[t] += chunks [begin, end) of a block for `count` tokens, whose chains of additions run side by side. */
BODY_INLINE void body_dots(body_format f, size_t count, vi *sum, const vb *w, const int8_t *x, size_t ldx, int begin,
                           int end) {
  const int8_t *token[VEC_CHAINS];
  BODY_UNROLL
  for (size_t t = 0; t < count; t++) token[t] = body_address(x + t * ldx);
  BODY_UNROLL
  for (int c = begin; c < end; c++) {
    BODY_UNROLL
    for (size_t t = 0; t < count; t++)
      sum[t] = f.base == 8 ? vi_dot_wide(sum[t], w[c], token[t] + c * 4) : vi_dot_small(sum[t], w[c], token[t] + c * 4);
  }
}

/* One piece of the chain of a span: P and the sum of its q. */
BODY_INLINE vf body_link_piece(body_format f, vf part, vf p, vf d, vf m, float sum) {
  part = vf_fma(d, p, part);
  return body_has_minima(f.scales) ? vf_fma(m, vf_set1(sum), part) : part;
}

/* One block of `count` tokens, at most VEC_CHAINS, into the chains of its span. */
BODY_INLINE void body_link(body_format f, size_t count, vf *part, const vb *w, const body_scales *s, const int8_t *x,
                           size_t ldx, const cpu_block *block, size_t ld_block) {
  bool halved = body_is_halved(f.scales);
  vi first[VEC_CHAINS], second[VEC_CHAINS];
  const cpu_block *at[VEC_CHAINS];
  BODY_UNROLL
  for (size_t t = 0; t < count; t++) {
    at[t] = block + t * ld_block;
    first[t] = body_start(f, halved ? at[t]->half : at[t]->bias);
    second[t] = halved ? body_start(f, at[t]->bias - at[t]->half) : first[t];
  }
  body_dots(f, count, first, w, x, ldx, 0, halved ? 4 : 8);
  if (halved) body_dots(f, count, second, w, x, ldx, 4, 8);
  BODY_UNROLL
  for (size_t t = 0; t < count; t++) {
    if (!halved) {
      part[t] = body_link_piece(f, part[t], vf_of_vi(first[t]), s->d[0], s->m[0], at[t]->sum);
      continue;
    }
    int32_t half = at[t]->half / -128, rest = at[t]->bias / -128 - half;
    part[t] = body_link_piece(f, part[t], vf_of_vi(first[t]), s->d[0], s->m[0], (float)half);
    part[t] = body_link_piece(f, part[t], vf_of_vi(second[t]), s->d[1], s->m[1], (float)rest);
  }
}

/* The same for a tile of any number of tokens, the quants at `plane`, taken apart once. */
BODY_INLINE void body_link_all(body_format f, size_t tokens, vf *part, const unsigned char *plane,
                               const body_scales *s, const int8_t *x, size_t ldx, const cpu_block *block,
                               size_t ld_block) {
  size_t count = tokens < VEC_CHAINS ? tokens : VEC_CHAINS;
  vb w[8];
  body_unpack(f, plane, w);
  BODY_UNROLL
  for (size_t t = 0; t < tokens; t += VEC_CHAINS)
    body_link(f, count, part + t, w, s, x + t * ldx, ldx, block + t * ld_block, ld_block);
}

/* The same for a token alone. */
BODY_INLINE void body_link_one(body_format f, vf *part, const unsigned char *plane, const body_scales *s,
                               const int8_t *x, const cpu_block *block) {
#if defined(VEC_NIBBLES)
  if (f.base == 4 && f.extra == 0) {
    vi sum = vi_dot_nibbles(body_start(f, block->bias), plane, body_address(x));
    *part = body_link_piece(f, *part, vf_of_vi(sum), s->d[0], s->m[0], block->sum);
    return;
  }
#endif
  body_link_all(f, 1, part, plane, s, x, 0, block, 0);
}

/* The end of a span. acc [tokens][16] stays in memory, at an address that the compiler does not see through: the parts
 * need its registers, and it is wanted once in four blocks. */
BODY_INLINE void body_end_span(size_t tokens, float *acc, vf *part, const cpu_block *block, size_t ld_block) {
  float *to = body_address(acc);
  BODY_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    vf_store(to + 16 * t, vf_fma(vf_set1(block[t * ld_block].scale), part[t], vf_load(to + 16 * t)));
    part[t] = vf_set1(0.0f);
  }
}

/* Writes the 16 rows of a group for one token, or those that exist. */
BODY_INLINE void body_put_rows(float *y, vf value, size_t rows, bool add) {
  body_store(y, add ? vf_add(body_load(y, rows), value) : value, rows);
}

/* What a token alone, and AMX, fetch ahead of weights: from `end` on, where the rows end, what is read next. */
typedef struct body_ahead {
  const unsigned char *end;
  ptrdiff_t jump; /* from there to what it reads next; 0: nobody knows */
} body_ahead;

BODY_INLINE void body_fetch(const body_ahead *ahead, const unsigned char *p, size_t bytes) {
  p += BODY_AHEAD;
  if (p >= ahead->end) p += ahead->jump;
  for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(p + line);
}

/* y: of the group's first row. fetch: sixteen tokens bring the next group into the second-level cache meanwhile (512 to
 * 1,536 quants a row, from memory: a block of 16 x 16 x 32 in 41 to 47 ns, not 50 to 55). */
BODY_INLINE void body_matrix_tile(body_format f, size_t tokens, const cpu_matrix *m, const unsigned char *group,
                                  const int8_t *q, size_t ldq, const cpu_block *block, size_t ld_block, bool narrow,
                                  float *y, size_t ldy, size_t rows, bool add, bool fetch, const body_ahead *ahead) {
  size_t blocks = m->k / BODY_BLOCK, unit = cpu_unit_blocks(f.scales);
  body_unit of = {0};
  _Alignas(64) float acc[VEC_TOKENS * 16];
  vf part[VEC_TOKENS];
  BODY_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    part[t] = vf_set1(0.0f);
    vf_store(acc + 16 * t, part[t]);
  }
  for (size_t b = 0; b < blocks; b++, group += cpu_block_bytes(&f), q += BODY_BLOCK, block++) {
    if (b % unit == 0) {
      of = body_read_unit(f.scales, group);
      group += cpu_unit_scales(f.scales);
    }
    body_scales s = body_unit_scales(f.scales, &of, b % unit);
    if (tokens == 1) {
      body_fetch(ahead, group, cpu_block_bytes(&f));
      body_link_one(f, part, group, &s, q, block);
    } else {
      for (size_t line = 0; tokens == 16 && fetch && line < cpu_block_bytes(&f); line += 64)
        __builtin_prefetch(group + line + m->group_bytes, 0, 2);
      body_link_all(f, tokens, part, group, &s, q, ldq, block, ld_block);
    }
    if (narrow || (b + 1) % CPU_SPAN_BLOCKS == 0 || b + 1 == blocks) body_end_span(tokens, acc, part, block, ld_block);
  }
  BODY_UNROLL
  for (size_t t = 0; t < tokens; t++) body_put_rows(y + t * ldy, vf_load(acc + 16 * t), rows, add);
}

/* ---- float formats ---- */

BODY_INLINE vf body_weight(cpu_format format, const unsigned char *p) {
  if (format == CPU_F16) return vf_half(p);
  if (format == CPU_BF16) return vf_bhalf(p);
  return vf_load((const float *)(const void *)p);
}

BODY_INLINE void body_float_tile(cpu_format format, size_t tokens, size_t k, const unsigned char *group,
                                 const float *x, size_t ldx, float *y, size_t ldy, size_t rows, bool add) {
  size_t step = format == CPU_F32 ? 64 : 32;
  vf acc[VEC_TOKENS];
  BODY_UNROLL
  for (size_t t = 0; t < tokens; t++) acc[t] = vf_set1(0.0f);
  for (size_t i = 0; i < k; i++) {
    vf w = body_weight(format, group + i * step);
    BODY_UNROLL
    for (size_t t = 0; t < tokens; t++) acc[t] = vf_fma(w, vf_set1(x[t * ldx + i]), acc[t]);
  }
  BODY_UNROLL
  for (size_t t = 0; t < tokens; t++) body_put_rows(y + t * ldy, acc[t], rows, add);
}

/* ---- every tile of every format ---- */

/* The tile's place: `group` begins at output `row`. */
typedef struct body_place {
  const cpu_matrix *m;
  const cpu_input *x;
  const float *xf;
  size_t ldx, ldy;
  bool add;
  size_t first; /* token of the block that passes: its tile fetches what comes */
  body_ahead ahead;
} body_place;
typedef void body_mx_fn(const body_place *p, size_t row, size_t rows, size_t token, float *y);

#define BODY_MX_TILE(id, base, extra, bias, scales, tokens)                                                      \
  static void body_mx_##id##_##tokens(const body_place *p, size_t row, size_t rows, size_t token, float *y) {    \
    body_format f = {base, extra, bias, CPU_SCALES_##scales};                                                    \
    body_matrix_tile(f, tokens, p->m, p->m->packed + row / 16 * p->m->group_bytes, p->x->q + token * p->x->ld,   \
                     p->x->ld, p->x->block + token * p->x->blocks, p->x->blocks, p->x->narrow, y, p->ldy, rows,  \
                     p->add, token == p->first, &p->ahead);                                                      \
  }
#define BODY_FLOAT_TILE(id, tokens)                                                                            \
  static void body_mx_##id##_##tokens(const body_place *p, size_t row, size_t rows, size_t token, float *y) { \
    body_float_tile(CPU_##id, tokens, p->m->k, p->m->packed + row / 16 * p->m->group_bytes,                    \
                    p->xf + token * p->ldx, p->ldx, y, p->ldy, rows, p->add);                                  \
  }

/* tokens in a tile: powers of two up to VEC_TOKENS */
#define CPU_FORMAT(id, base, extra, bias, scales) BODY_MX_TILE(id, base, extra, bias, scales, 1)
#include "cpu/format.def"
#undef CPU_FORMAT
BODY_FLOAT_TILE(F32, 1)
BODY_FLOAT_TILE(F16, 1)
BODY_FLOAT_TILE(BF16, 1)
#if VEC_TOKENS >= 4
#define CPU_FORMAT(id, base, extra, bias, scales) \
  BODY_MX_TILE(id, base, extra, bias, scales, 2)     \
  BODY_MX_TILE(id, base, extra, bias, scales, 4)
#include "cpu/format.def"
#undef CPU_FORMAT
BODY_FLOAT_TILE(F32, 2)
BODY_FLOAT_TILE(F16, 2)
BODY_FLOAT_TILE(BF16, 2)
BODY_FLOAT_TILE(F32, 4)
BODY_FLOAT_TILE(F16, 4)
BODY_FLOAT_TILE(BF16, 4)
#endif
#if VEC_TOKENS >= 16
#define CPU_FORMAT(id, base, extra, bias, scales) \
  BODY_MX_TILE(id, base, extra, bias, scales, 8)     \
  BODY_MX_TILE(id, base, extra, bias, scales, 16)
#include "cpu/format.def"
#undef CPU_FORMAT
BODY_FLOAT_TILE(F32, 8)
BODY_FLOAT_TILE(F16, 8)
BODY_FLOAT_TILE(BF16, 8)
BODY_FLOAT_TILE(F32, 16)
BODY_FLOAT_TILE(F16, 16)
BODY_FLOAT_TILE(BF16, 16)
#endif

#if VEC_TOKENS >= 16
#define BODY_MX_TILES(id) \
  {body_mx_##id##_1, body_mx_##id##_2, body_mx_##id##_4, body_mx_##id##_8, body_mx_##id##_16},
#define BODY_MX_SIZES 5
#elif VEC_TOKENS >= 4
#define BODY_MX_TILES(id) {body_mx_##id##_1, body_mx_##id##_2, body_mx_##id##_4},
#define BODY_MX_SIZES 3
#else
#define BODY_MX_TILES(id) {body_mx_##id##_1},
#define BODY_MX_SIZES 1
#endif
#define CPU_FORMAT(id, base, extra, bias, scales) BODY_MX_TILES(id)
static body_mx_fn *const body_mx_tiles[][BODY_MX_SIZES] = {
#include "cpu/format.def"
    BODY_MX_TILES(F32) BODY_MX_TILES(F16) BODY_MX_TILES(BF16)};
#undef CPU_FORMAT

#if defined(VEC_AMX)
#include "cpu/body_amx.h"
#endif

/* Blocks of tokens whose activations stay in the second-level cache while all rows pass; rows whose weights do. */
#define BODY_TOKENS_BYTES (1u << 20)
#define BODY_STRIP_BYTES (1u << 19)

/* Rows that pass at once. Tokens that are not all for the matrix registers need the weights twice, the second time out
 * of the second-level cache. */
static size_t body_strip(const cpu_matrix *m, size_t tokens) {
#if defined(VEC_AMX)
  size_t amx = body_amx_share(tokens), groups = BODY_STRIP_BYTES / m->group_bytes;
  if (amx > 0 && amx < tokens) return groups > 0 ? groups * 16 : 16;
#endif
  (void)m;
  (void)tokens;
  return SIZE_MAX;
}

/* Rows [begin, end) for `tokens` tokens, `first` on; y: of that token and row 0. */
static void body_matrix_rows(body_place place, size_t first, size_t tokens, size_t begin, size_t end, float *y) {
  const cpu_matrix *m = place.m;
#if defined(VEC_AMX)
  size_t amx = body_amx_mul(&place, begin, end, first, tokens, y);
  first += amx;
  tokens -= amx;
  y += amx * place.ldy;
#endif
  size_t token_bytes = m->format >= CPU_F32 ? 4 * m->k : m->k + m->k / 2;
  size_t most = BODY_TOKENS_BYTES / token_bytes / VEC_TOKENS * VEC_TOKENS;
  if (most == 0) most = VEC_TOKENS;
  for (size_t block = 0; block < tokens; block += most) {
    size_t here = tokens - block < most ? tokens - block : most;
    place.first = first + block;
    if (here == 1) {
      body_mx_fn *one = body_mx_tiles[m->format][0];
      for (size_t row = begin; row < end; row += 16)
        one(&place, row, end - row < 16 ? end - row : 16, first + block, y + block * place.ldy + row);
      continue;
    }
    for (size_t row = begin; row < end; row += 16) {
      size_t rows = end - row < 16 ? end - row : 16, t = 0;
      for (int size = BODY_MX_SIZES - 1; size >= 0; size--)
        for (; here - t >= (size_t)1 << size; t += (size_t)1 << size)
          body_mx_tiles[m->format][size](&place, row, rows, first + block + t, y + (block + t) * place.ldy + row);
    }
  }
}

static void body_matrix_mul(const cpu_matrix *m, const cpu_input *x, const float *xf, size_t ldx, size_t first,
                            size_t tokens, size_t begin, size_t end, float *y, size_t ldy, bool add,
                            const unsigned char *next) {
  const unsigned char *behind = m->packed + (end + 15) / 16 * m->group_bytes;
  body_place place = {m, x, xf, ldx, ldy, add, first, {behind, next != NULL ? next - behind : 0}};
  size_t strip = body_strip(m, tokens);
  for (size_t row = begin; row < end; row += strip < end - row ? strip : end - row)
    body_matrix_rows(place, first, tokens, row, end - row < strip ? end : row + strip, y);
}
