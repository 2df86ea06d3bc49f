/* matrix/pack: a tensor's rows to groups of 16 and back to single rows; the layout is in cpu.h. */
#include "matrix/internal.h"

#include <string.h>

/* ---- quantised formats ---- */

/* 4 quants of each of 16 rows. */
typedef struct chunk {
  uint32_t row[16];
} chunk;

enum { BLOCK = 32, CHUNKS = 8 };

static void store_chunk(unsigned char *to, const chunk *c) { memcpy(to, c, sizeof *c); }

/* Bytes become signed, as the kernels have them. */
static unsigned char *pack_bytes(const chunk *c, unsigned char *to) {
  for (int v = 0; v < CHUNKS; v++, to += sizeof *c) {
    chunk out;
    for (int r = 0; r < 16; r++) out.row[r] = c[v].row[r] ^ 0x80808080u;
    store_chunk(to, &out);
  }
  return to;
}

static unsigned char *pack_base(int bits, const chunk *c, unsigned char *to) {
  if (bits == 8) return pack_bytes(c, to);
  int together = 8 / bits; /* chunks in one vector: c, c + 4 of nibbles; 4 v to 4 v + 3 of pairs */
  for (int v = 0; v < CHUNKS / together; v++, to += sizeof *c) {
    chunk out = {{0}};
    for (int part = 0; part < together; part++) {
      const chunk *from = c + (bits == 4 ? v + 4 * part : 4 * v + part);
      uint32_t mask = bits == 4 ? 0x0F0F0F0Fu : 0x03030303u;
      for (int r = 0; r < 16; r++) out.row[r] |= (from->row[r] & mask) << (bits * part);
    }
    store_chunk(to, &out);
  }
  return to;
}

static void pack_extra(int base, int bits, const chunk *c, unsigned char *to) {
  if (bits == 0) return;
  int together = 8 / bits;
  uint32_t mask = bits == 1 ? 0x01010101u : 0x03030303u;
  for (int v = 0; v < CHUNKS / together; v++, to += sizeof *c) {
    chunk out = {{0}};
    for (int part = 0; part < together; part++)
      for (int r = 0; r < 16; r++) out.row[r] |= (c[v * together + part].row[r] >> base & mask) << (bits * part);
    store_chunk(to, &out);
  }
}

static void put_u16(unsigned char *to, const uint16_t *v) { memcpy(to, v, 32); }

/* The scales of one block of a file (32 or 256 quants) of 16 rows. */
static void pack_scales(cpu_scales kind, const quant_parts *p, unsigned char *to) {
  uint16_t d[16], m[16];
  for (int r = 0; r < 16; r++) {
    d[r] = p[r].d;
    m[r] = p[r].m;
  }
  put_u16(to, d);
  to += 32;
  if (kind == CPU_SCALES_F16_MIN || kind == CPU_SCALES_K32_MIN || kind == CPU_SCALES_K16_MIN) {
    put_u16(to, m);
    to += 32;
  }
  if (kind == CPU_SCALES_F16 || kind == CPU_SCALES_F16_MIN) return;
  int groups = kind == CPU_SCALES_K32_MIN ? 8 : 16;
  for (int g = 0; g < groups; g++) {
    for (int r = 0; r < 16; r++) *to++ = p[r].s[g];
    for (int r = 0; kind != CPU_SCALES_K16 && r < 16; r++) *to++ = p[r].t[g];
  }
}

/* One block of a file (32 or 256 quants) of 16 rows, block `at` of the packed group. */
static void pack_block(const cpu_format_info *f, size_t elements, const quant_parts *p, size_t at,
                       unsigned char *group) {
  unsigned char *unit = group + at / cpu_unit_blocks(f->scales) * cpu_unit_bytes(f);
  size_t in = at % cpu_unit_blocks(f->scales);
  for (size_t b = 0; b < elements / BLOCK; b++) {
    chunk c[CHUNKS];
    for (size_t i = 0; i < CHUNKS; i++)
      for (int r = 0; r < 16; r++) memcpy(&c[i].row[r], p[r].q + b * BLOCK + 4 * i, 4);
    unsigned char *to = unit + cpu_unit_scales(f->scales) + (in + b) * cpu_block_bytes(f);
    pack_extra(f->base, f->extra, c, pack_base(f->base, c, to));
  }
  pack_scales(f->scales, p, unit + (f->scales == CPU_SCALES_F16 ? 32 * in : 0));
}

/* Types whose bytes in the file are a block's planes already, 4 bytes of each row a vector: most models, and what must
 * start quickly. */
typedef struct plain_type {
  size_t offset, words; /* of the quants in a block */
} plain_type;

static const plain_type *plain_type_of(gguf_tensor_type type) {
  static const plain_type q8_0 = {2, 8}, q4_0 = {2, 4}, q4_1 = {4, 4};
  return type == GGUF_T_Q8_0 ? &q8_0 : type == GGUF_T_Q4_0 ? &q4_0 : type == GGUF_T_Q4_1 ? &q4_1 : NULL;
}

typedef uint32_t quad __attribute__((vector_size(16)));

static quad load_quad(const unsigned char *p) {
  quad q;
  memcpy(&q, p, sizeof q);
  return q;
}

/* 4 words of each of 4 rows, `stride` bytes apart, to 4 vectors, 64 bytes apart. */
static void transpose_quad(const unsigned char *from, size_t stride, unsigned char *to) {
  const quad a = load_quad(from), b = load_quad(from + stride);
  const quad c = load_quad(from + 2 * stride), d = load_quad(from + 3 * stride);
  const quad ab[2] = {__builtin_shufflevector(a, b, 0, 4, 1, 5), __builtin_shufflevector(a, b, 2, 6, 3, 7)};
  const quad cd[2] = {__builtin_shufflevector(c, d, 0, 4, 1, 5), __builtin_shufflevector(c, d, 2, 6, 3, 7)};
  for (size_t half = 0; half < 2; half++, to += 128) {
    const quad first = __builtin_shufflevector(ab[half], cd[half], 0, 1, 4, 5);
    const quad second = __builtin_shufflevector(ab[half], cd[half], 2, 3, 6, 7);
    memcpy(to, &first, sizeof first);
    memcpy(to + 64, &second, sizeof second);
  }
}

/* The quants of a block of `rows` rows: sixteen, but for the last of a matrix. */
static void pack_words(const plain_type *t, const unsigned char *src, size_t stride, size_t rows,
                       unsigned char *planes) {
  for (size_t w = 0; w < t->words && rows == 16; w += 4)
    for (size_t r = 0; r < 16; r += 4)
      transpose_quad(src + r * stride + 4 * w, stride, planes + w * 64 + r * 4);
  for (size_t r = 0; r < rows && rows < 16; r++)
    for (size_t w = 0; w < t->words; w++) memcpy(planes + w * 64 + r * 4, src + r * stride + 4 * w, 4);
}

static void pack_plain(const matrix *m, const plain_type *t, const unsigned char *src, size_t rows,
                       unsigned char *group) {
  const cpu_format_info *f = cpu_format_of(m->w.format);
  size_t bytes = gguf_block_bytes(m->type), row_bytes = m->k / BLOCK * bytes, units = cpu_unit_blocks(f->scales);
  for (size_t b = 0; b < m->k / BLOCK; b++, src += bytes) {
    unsigned char *unit = group + b / units * cpu_unit_bytes(f);
    unsigned char *scales = unit + b % units * 32;
    unsigned char *planes = unit + cpu_unit_scales(f->scales) + b % units * cpu_block_bytes(f);
    for (size_t r = 0; r < rows; r++) {
      memcpy(scales + 2 * r, src + r * row_bytes, 2);
      if (f->scales == CPU_SCALES_F16_MIN) memcpy(scales + 32 + 2 * r, src + r * row_bytes + 2, 2);
    }
    pack_words(t, src + t->offset, row_bytes, rows, planes);
  }
}

static void pack_group(const matrix *m, const unsigned char *src, size_t rows, unsigned char *group) {
  const cpu_format_info *f = cpu_format_of(m->w.format);
  size_t elements = gguf_block_elements(m->type), bytes = gguf_block_bytes(m->type),
         row_bytes = m->k / elements * bytes;
  const plain_type *plain = plain_type_of(m->type);
  quant_parts p[16];
  if (plain != NULL) {
    pack_plain(m, plain, src, rows, group);
    return;
  }
  memset(p, 0, sizeof p);
  for (size_t b = 0; b < m->k / elements; b++) {
    for (size_t r = 0; r < rows; r++) (void)quant_split_block(m->type, src + r * row_bytes + b * bytes, &p[r]);
    pack_block(f, elements, p, b * elements / BLOCK, group);
  }
}

/* ---- float formats ---- */

static void pack_floats(const matrix *m, const unsigned char *src, size_t rows, unsigned char *group) {
  size_t each = m->w.format == CPU_F32 ? 4 : 2, row_bytes = m->k * each;
  for (size_t i = 0; i < m->k; i++)
    for (size_t r = 0; r < rows; r++) memcpy(group + (i * 16 + r) * each, src + r * row_bytes + i * each, each);
}

/* Decodes a row in pieces of 256, so that nothing is allocated. */
static void pack_decoded(const matrix *m, const unsigned char *src, size_t rows, unsigned char *group) {
  size_t elements = gguf_block_elements(m->type), bytes = gguf_block_bytes(m->type);
  float piece[256], *out = (float *)(void *)group;
  for (size_t r = 0; r < rows; r++, src += m->k / elements * bytes) {
    for (size_t i = 0; i < m->k; i += 256) {
      size_t here = m->k - i < 256 ? m->k - i : 256;
      quant_decode_row(m->type, src + i / elements * bytes, here, piece);
      for (size_t j = 0; j < here; j++) out[(i + j) * 16 + r] = piece[j];
    }
  }
}

void matrix_pack(const matrix *m, const void *src, size_t row, size_t rows) {
  size_t row_bytes = m->k / gguf_block_elements(m->type) * gguf_block_bytes(m->type);
  const unsigned char *from = src;
  for (size_t r = 0; r < rows; r += 16, from += 16 * row_bytes) {
    size_t here = rows - r < 16 ? rows - r : 16;
    unsigned char *group = m->w.packed + (row + r) / 16 * m->w.group_bytes;
    if (here < 16) memset(group, 0, m->w.group_bytes);
    if (m->w.format < CPU_F32) {
      pack_group(m, from, here, group);
    } else if (matrix_is_float(m->type)) {
      pack_floats(m, from, here, group);
    } else {
      pack_decoded(m, from, here, group);
    }
  }
}

/* ---- back to rows ---- */

static void unpack_block(const cpu_format_info *f, const unsigned char *planes, size_t lane, uint8_t *q) {
  const unsigned char *extra = planes + (size_t)f->base * 64;
  if (f->base == 8) {
    for (size_t i = 0; i < BLOCK; i++) q[i] = planes[i / 4 * 64 + lane * 4 + i % 4] ^ 0x80u;
    return;
  }
  for (size_t i = 0; i < BLOCK; i++) {
    size_t c = i / 4, byte = lane * 4 + i % 4;
    unsigned v, high = 0;
    if (f->base == 4) {
      v = (unsigned)(planes[c % 4 * 64 + byte] >> (c / 4 * 4)) & 15u;
    } else {
      v = (unsigned)(planes[c / 4 * 64 + byte] >> (c % 4 * 2)) & 3u;
    }
    if (f->extra == 2) high = (unsigned)(extra[c / 4 * 64 + byte] >> (c % 4 * 2)) & 3u;
    if (f->extra == 1) high = (unsigned)(extra[byte] >> c) & 1u;
    q[i] = (uint8_t)(v | high << f->base);
  }
}

static float half_at(const unsigned char *p, size_t lane) {
  uint16_t h;
  memcpy(&h, p + 2 * lane, 2);
  return quant_f32_of_f16(h);
}

/* Scale and minimum (to be added) of element `at` of the unit whose scales begin at p. */
static void scale_at(cpu_scales kind, const unsigned char *p, size_t lane, size_t at, float *d, float *m) {
  if (kind == CPU_SCALES_F16) p += at / BLOCK * 32;
  *d = half_at(p, lane);
  *m = 0.0f;
  if (kind == CPU_SCALES_F16_MIN) *m = half_at(p + 32, lane);
  if (kind == CPU_SCALES_K16) *d *= (float)(int8_t)p[32 + at / 16 * 16 + lane];
  if (kind == CPU_SCALES_K32_MIN || kind == CPU_SCALES_K16_MIN) {
    const unsigned char *pair = p + 64 + at / (kind == CPU_SCALES_K32_MIN ? 32 : 16) * 32;
    *m = -(half_at(p + 32, lane) * (float)pair[16 + lane]);
    *d *= (float)pair[lane];
  }
}

static void quantised_row(const matrix *m, const unsigned char *group, size_t lane, float *out) {
  const cpu_format_info *f = cpu_format_of(m->w.format);
  bool adds = f->scales != CPU_SCALES_F16 && f->scales != CPU_SCALES_K16;
  for (size_t b = 0; b < m->k / BLOCK; b++) {
    const unsigned char *unit = group + b / cpu_unit_blocks(f->scales) * cpu_unit_bytes(f);
    size_t in = b % cpu_unit_blocks(f->scales);
    uint8_t q[BLOCK];
    float d = 0.0f, min = 0.0f;
    unpack_block(f, unit + cpu_unit_scales(f->scales) + in * cpu_block_bytes(f), lane, q);
    for (size_t i = 0; i < BLOCK; i++) {
      if (i % 16 == 0) scale_at(f->scales, unit, lane, in * BLOCK + i, &d, &min);
      float v = (float)((int)q[i] - f->bias) * d;
      out[b * BLOCK + i] = adds ? v + min : v;
    }
  }
}

void matrix_row(const matrix *m, size_t row, float *out) {
  const unsigned char *group = m->w.packed + row / 16 * m->w.group_bytes;
  size_t lane = row % 16;
  if (m->w.format < CPU_F32) {
    quantised_row(m, group, lane, out);
    return;
  }
  for (size_t i = 0; i < m->k; i++) {
    uint16_t h;
    if (m->w.format == CPU_F32) {
      memcpy(out + i, group + (i * 16 + lane) * 4, 4);
    } else {
      memcpy(&h, group + (i * 16 + lane) * 2, 2);
      out[i] = m->w.format == CPU_F16 ? quant_f32_of_f16(h) : quant_f32_of_bf16(h);
    }
  }
}
