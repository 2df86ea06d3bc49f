/* lm/snapshot: one sequence of a cache as bytes and back, so that a long prompt is read once per install and not
 * once per start. Little-endian:
 *   "MNKV", u32 version, u64 fingerprint, u32 length, u32 reserved 0, payload, u64 hash of all before
 * payload: for each slot and head the keys in whole tiles, then the values, as cpu.h lays them out; what lies behind
 * the last position or pads a row is 0, so that the same sequence gives the same bytes. Of a layer that slides there is
 * what it needs to go on, from lm_cache_first. */
#include "lm/internal.h"

#include <string.h>

enum { HEADER_BYTES = 24, VERSION = 2, HASH_BYTES = 8, TILE = 16, SAMPLE = 64 };

/* ---- fingerprint ---- */

static uint64_t hash_sample(uint64_t h, const gguf_tensor *t) {
  const unsigned char *data = t->data;
  size_t n = t->bytes < SAMPLE ? t->bytes : SAMPLE;
  h = base_hash(h, t->name.ptr, t->name.len);
  h = base_hash(h, t->dim, sizeof t->dim);
  h = base_hash(h, &t->bytes, sizeof t->bytes);
  h = base_hash(h, data, n);
  h = base_hash(h, data + (t->bytes - n) / 2, n);
  return base_hash(h, data + t->bytes - n, n);
}

uint64_t lm_model_fingerprint(const lm_model *m) {
  uint64_t h = BASE_HASH_START;
  uint32_t how[] = {m->options.reference, (uint32_t)m->options.cache, m->rope_dims};
  for (size_t i = 0; i < gguf_value_count(m->file); i++) {
    const gguf_value *v = gguf_value_at(m->file, i);
    h = base_hash(base_hash(h, v->key.ptr, v->key.len), v->bytes, v->len);
  }
  for (size_t i = 0; i < gguf_tensor_count(m->file); i++) h = hash_sample(h, gguf_tensor_at(m->file, i));
  for (int r = 0; r < LM_ROPES; r++) /* LongRoPE's frequencies depend on the context */
    h = base_hash(h, m->rope[r].frequency, sizeof m->rope[r].frequency);
  return base_hash(h, how, sizeof how);
}

/* ---- layout ---- */

typedef struct layout {
  cpu_kv_type type;
  size_t element, hd, tile_bytes, row_bytes; /* element: bytes of a value */
  size_t tiles, length; /* of the layer; the first position is a tile's first */
} layout;

static layout layout_of(const lm_model *m, const lm_layer *l, uint32_t length) {
  layout y = {.type = lm_cache_kv_type(m), .hd = m->head_dim, .length = length - lm_cache_first(m, l, length)};
  y.element = y.type == CPU_KV_F32 ? 4 : y.type == CPU_KV_F16 ? 2 : 1;
  y.tile_bytes = cpu_kv_tile_bytes(y.type, y.hd);
  y.row_bytes = cpu_kv_row_bytes(y.type, y.hd);
  y.tiles = (y.length + TILE - 1) / TILE;
  return y;
}

size_t lm_cache_export_bytes(const lm_cache *c, uint32_t length) {
  const lm_model *m = c->model;
  size_t bytes = HEADER_BYTES + HASH_BYTES;
  for (uint32_t i = 0; i < m->layers; i++) {
    const lm_layer *l = &m->layer[i];
    layout y = layout_of(m, l, length);
    if (l->kv_own) bytes += l->kv_heads * (y.tiles * y.tile_bytes + y.length * y.row_bytes);
  }
  return bytes;
}

/* Positions from `used` on in a tile: [hd][16] values, for I8 then 16 scales at the tile's end. */
static void clear_tile_end(const layout *y, unsigned char *tile, size_t used) {
  for (size_t i = 0; i < y->hd; i++)
    memset(tile + (i * TILE + used) * y->element, 0, (TILE - used) * y->element);
  if (y->type == CPU_KV_I8)
    memset(tile + y->tile_bytes - 64 + used * sizeof(float), 0, (TILE - used) * sizeof(float));
}

/* What pads a row: behind the values, for I8 around the scale that begins the last 64 bytes. */
static void clear_row_end(const layout *y, unsigned char *row) {
  size_t values = y->hd * y->element, end = y->type == CPU_KV_I8 ? y->row_bytes - 64 : y->row_bytes;
  memset(row + values, 0, end - values);
  if (y->type == CPU_KV_I8) memset(row + end + sizeof(float), 0, 64 - sizeof(float));
}

/* ---- out ---- */

static unsigned char *put_u32(unsigned char *p, uint32_t v) {
  for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (8 * i));
  return p + 4;
}

static unsigned char *put_u64(unsigned char *p, uint64_t v) {
  return put_u32(put_u32(p, (uint32_t)v), (uint32_t)(v >> 32));
}

static unsigned char *put_head(const layout *y, const unsigned char *keys, const unsigned char *values,
                               unsigned char *p) {
  memcpy(p, keys, y->tiles * y->tile_bytes);
  p += y->tiles * y->tile_bytes;
  if (y->length % TILE != 0) clear_tile_end(y, p - y->tile_bytes, y->length % TILE);
  memcpy(p, values, y->length * y->row_bytes);
  for (size_t i = 0; i < y->length; i++, p += y->row_bytes) clear_row_end(y, p);
  return p;
}

void lm_cache_export(const lm_cache *c, uint32_t sequence, uint32_t length, void *out) {
  const lm_model *m = c->model;
  unsigned char *begin = out, *p = begin;
  memcpy(p, "MNKV", 4);
  p = put_u64(put_u32(p + 4, VERSION), lm_model_fingerprint(m));
  p = put_u32(put_u32(p, length), 0);
  for (uint32_t i = 0; i < m->layers; i++) {
    const lm_layer *l = &m->layer[i];
    layout y = layout_of(m, l, length);
    size_t skip = lm_cache_place(c, l, sequence, lm_cache_first(m, l, length));
    for (uint32_t g = 0; g < l->kv_heads && l->kv_own; g++)
      p = put_head(&y, lm_cache_keys(c, l, sequence, g) + skip / TILE * y.tile_bytes,
                   lm_cache_values(c, l, sequence, g) + skip * y.row_bytes, p);
  }
  put_u64(p, base_hash(BASE_HASH_START, begin, (size_t)(p - begin)));
}

/* ---- in ---- */

static base_status fail(base_error *err, base_status code, const char *text) {
  return base_fail(err, code, "snapshot", "%s", text);
}

/* Header, length and hash; *length is what the snapshot holds. */
static base_status check(const lm_cache *c, base_cursor *in, uint32_t *length, base_error *err) {
  const lm_model *m = c->model;
  const unsigned char *bytes = in->ptr;
  const char *magic = base_cursor_bytes(in, 4);
  uint32_t version = base_cursor_u32(in);
  uint64_t fingerprint = base_cursor_u64(in);
  *length = base_cursor_u32(in);
  (void)base_cursor_u32(in);
  if (in->failed || memcmp(magic, "MNKV", 4) != 0)
    return fail(err, BASE_EFORMAT, "this is no snapshot of a sequence");
  if (version != VERSION) return fail(err, BASE_EUNSUPPORTED, "this version of snapshots is not read");
  if (fingerprint != lm_model_fingerprint(m))
    return fail(err, BASE_EMISMATCH, "it was made with another model, cache type or context; make it anew");
  if (*length > m->context)
    return base_fail(err, BASE_ELIMIT, "snapshot", "it holds %u positions; there is room for %u", (unsigned)*length,
                     (unsigned)m->context);
  if (in->len != lm_cache_export_bytes(c, *length))
    return fail(err, BASE_EFORMAT, "it is cut off or has something behind it");
  base_cursor end = base_cursor_of(bytes + in->len - HASH_BYTES, HASH_BYTES);
  if (base_cursor_u64(&end) != base_hash(BASE_HASH_START, bytes, in->len - HASH_BYTES))
    return fail(err, BASE_EFORMAT, "it is damaged: its hash differs");
  return BASE_OK;
}

base_status lm_cache_import(lm_cache *c, uint32_t sequence, const void *bytes, size_t len, base_error *err) {
  base_cursor in = base_cursor_of(bytes, len);
  uint32_t length;
  base_status st = check(c, &in, &length, err);
  if (st != BASE_OK) return st;
  c->begin[sequence] = 0;
  for (uint32_t i = 0; i < c->model->layers; i++) {
    const lm_layer *l = &c->model->layer[i];
    layout y = layout_of(c->model, l, length);
    size_t keys = y.tiles * y.tile_bytes, values = y.length * y.row_bytes;
    if (l->kv_slides) c->begin[sequence] = lm_cache_first(c->model, l, length);
    for (uint32_t g = 0; g < l->kv_heads && l->kv_own; g++) {
      memcpy(lm_cache_keys(c, l, sequence, g), base_cursor_bytes(&in, keys), keys);
      memcpy(lm_cache_values(c, l, sequence, g), base_cursor_bytes(&in, values), values);
    }
  }
  c->length[sequence] = length;
  return BASE_OK;
}
