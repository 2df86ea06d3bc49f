/* gen/prefix: what was read of a prompt, to a file and back. The format stands in gen.h. */
#include <string.h>

#include "gen/internal.h"

enum { VERSION = 1, HEADER_BYTES = 40, ALIGN = 64 };

static const char magic[8] = {'m', 'i', 'n', 'n', 'o', 'w', 'k', 'v'};

typedef struct prefix_file {
  const uint32_t *tokens; /* [n], little-endian as all machines here */
  uint32_t n;
  uint64_t fingerprint;
  const void *cache;
  size_t cache_bytes;
} prefix_file;

static size_t padded(size_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN; }

/* ---- reading ---- */

static base_status not_ours(const char *path, base_error *err) {
  return base_fail(err, BASE_EFORMAT, path,
                   "this is no cache of a prompt, or a damaged one; name another file, or remove it");
}

static base_status parse(const os_map *map, const char *path, prefix_file *out, base_error *err) {
  base_cursor c = base_cursor_of(map->ptr, map->len);
  const void *head = base_cursor_bytes(&c, sizeof magic);
  if (head == NULL || memcmp(head, magic, sizeof magic) != 0) return not_ours(path, err);
  uint32_t version = base_cursor_u32(&c);
  out->n = base_cursor_u32(&c);
  out->fingerprint = base_cursor_u64(&c);
  uint64_t bytes = base_cursor_u64(&c), hash = base_cursor_u64(&c);
  if (!c.failed && version != VERSION)
    return base_fail(err, BASE_EUNSUPPORTED, path, "version %u of this cache is not known; remove the file", version);
  size_t tokens_bytes = (size_t)out->n * sizeof(uint32_t), skip = padded(HEADER_BYTES + tokens_bytes);
  out->tokens = base_cursor_bytes(&c, tokens_bytes);
  base_cursor_skip(&c, skip - HEADER_BYTES - tokens_bytes);
  out->cache_bytes = (size_t)bytes;
  out->cache = bytes <= map->len ? base_cursor_bytes(&c, out->cache_bytes) : NULL;
  if (c.failed || out->cache == NULL || c.pos != map->len || out->n == 0) return not_ours(path, err);
  if (base_hash(BASE_HASH_START, out->tokens, tokens_bytes) != hash) return not_ours(path, err);
  return BASE_OK;
}

static size_t common_of(const prefix_file *f, const uint32_t *tokens, size_t n) {
  size_t i = 0;
  while (i < n && i < f->n && f->tokens[i] == tokens[i]) i++;
  return i;
}

/* Into an idle slot; without one the file is left alone. */
static base_status put(gen_engine *e, const prefix_file *f, const char *path, const gen_slot *but, base_error *err) {
  gen_slot *s = gen_slot_idle(e, but);
  if (s == NULL) s = gen_slot_idle(e, NULL);
  if (s == NULL) return BASE_OK;
  if (f->n > e->backend.context)
    return base_fail(err, BASE_ELIMIT, path, "it holds %u tokens and the context %u; give it a longer one", f->n,
                     e->backend.context);
  base_status st = e->backend.import(e->backend.ctx, (uint32_t)(s - e->slots), f->cache, f->cache_bytes, err);
  if (st) return st;
  if (gen_slot_length(e, s) != f->n) {
    e->backend.truncate(e->backend.ctx, (uint32_t)(s - e->slots), 0);
    s->n = 0;
    return not_ours(path, err);
  }
  memcpy(s->tokens, f->tokens, f->n * sizeof *s->tokens);
  s->n = f->n;
  s->last_used = ++e->clock;
  return BASE_OK;
}

base_status gen_prefix_load(gen_engine *e, const char *path, const uint32_t *tokens, size_t n, size_t *common,
                            base_error *err) {
  os_map map = {0};
  prefix_file f = {0};
  uint32_t here;
  *common = 0;
  if (!os_exists(path)) return BASE_OK;
  base_status st = os_map_open(&map, path, err);
  if (!st) st = parse(&map, path, &f, err);
  if (!st && f.fingerprint != e->backend.fingerprint(e->backend.ctx))
    st = base_fail(err, BASE_EMISMATCH, path,
                   "this cache belongs to another model or another kind of cache; name another file, or remove it");
  if (!st) {
    const gen_slot *alike = gen_slot_alike(e, tokens, n, &here);
    *common = common_of(&f, tokens, n);
    if (*common > here) st = put(e, &f, path, alike, err);
  }
  os_map_close(&map);
  return st;
}

/* ---- writing ---- */

static base_status write_parts(os_writer *w, uint64_t fingerprint, const uint32_t *tokens, uint32_t n,
                               const void *cache, uint64_t bytes, base_error *err) {
  static const char zeros[ALIGN];
  size_t tokens_bytes = n * sizeof *tokens, gap = padded(HEADER_BYTES + tokens_bytes) - HEADER_BYTES - tokens_bytes;
  uint32_t numbers[2] = {VERSION, n};
  uint64_t longs[3] = {fingerprint, bytes, base_hash(BASE_HASH_START, tokens, tokens_bytes)};
  base_status st = os_writer_add(w, magic, sizeof magic, err);
  if (!st) st = os_writer_add(w, numbers, sizeof numbers, err);
  if (!st) st = os_writer_add(w, longs, sizeof longs, err);
  if (!st) st = os_writer_add(w, tokens, tokens_bytes, err);
  if (!st) st = os_writer_add(w, zeros, gap, err);
  return st ? st : os_writer_add(w, cache, (size_t)bytes, err);
}

base_status gen_prefix_save(gen_engine *e, const char *path, const uint32_t *tokens, size_t n, base_error *err) {
  const gen_backend *b = &e->backend;
  os_writer *w = NULL;
  uint32_t common;
  const gen_slot *s = gen_slot_alike(e, tokens, n, &common);
  if (s == NULL || common < n || n == 0)
    return base_fail(err, BASE_EARGUMENT, path, "this prompt is not in memory any more");
  size_t bytes = b->export_bytes(b->ctx, common);
  void *cache = base_alloc(&e->allocator, bytes);
  if (cache == NULL) return base_fail(err, BASE_ENOMEM, path, "no memory for a copy of the cache");
  b->export(b->ctx, (uint32_t)(s - e->slots), common, cache);
  base_status st = os_writer_open(&w, path, err);
  if (!st) {
    st = write_parts(w, b->fingerprint(b->ctx), tokens, common, cache, bytes, err);
    if (st) os_writer_abort(w);
    else st = os_writer_commit(w, err);
  }
  base_free(&e->allocator, cache, bytes);
  return st;
}
