/* A built pack: its file, manifest and brain, held against each other, so that a file whose parts were not
 * made for each other is refused here and not noticed later. */
#include <string.h>

#include "pack/internal.h"
#include "pack/open.h"

/* ---- the manifest and the keys about it ---- */

static base_status check_key(const pack *p, const char *key, const char *expected, base_error *err) {
  base_slice value;
  base_status st = gguf_get_string(p->file, key, &value, err);
  if (st || base_slice_equal(value, base_slice_of(expected))) return st;
  return base_fail(err, BASE_EMISMATCH, gguf_path(p->file), "%s is '%.*s', but the manifest says '%s'", key,
                   (int)(value.len < 40 ? value.len : 40), value.ptr, expected);
}

static base_status bind_manifest(pack *p, base_error *err) {
  base_slice json, source;
  base_status st = gguf_get_string(p->file, PACK_KEY("manifest"), &json, err);
  if (!st) st = pack_manifest_open(&p->manifest, json, gguf_path(p->file), &p->allocator, err);
  if (!st) st = check_key(p, PACK_KEY("name"), p->manifest->name, err);
  if (!st) st = check_key(p, PACK_KEY("version"), p->manifest->version, err);
  if (!st) st = gguf_get_string(p->file, PACK_KEY("source"), &source, err);
  if (!st && source.len != 16)
    st = base_fail(err, BASE_EFORMAT, gguf_path(p->file), "%s is not 16 hex digits", PACK_KEY("source"));
  return st;
}

/* ---- heads and manifest ---- */

static base_status check_name(const pack *p, const char *what, size_t index, base_slice got,
                              const char *expected, base_error *err) {
  if (base_slice_equal(got, base_slice_of(expected))) return BASE_OK;
  return base_fail(err, BASE_EMISMATCH, gguf_path(p->file),
                   "%s %zu of the model is '%.*s' and of the manifest '%s'", what, index,
                   (int)(got.len < 60 ? got.len : 60), got.ptr, expected);
}

static const char *label_name(const pack_manifest *m, size_t i) {
  if (m->is_gate) return i < m->n_packs ? m->packs[i] : PACK_LABEL_NONE;
  return i < m->n_actions ? m->action[i].name : PACK_LABEL_NONE;
}

/* The slots a label may have by the heads' mask are slots of its action. */
static base_status check_mask(const pack *p, base_error *err) {
  const head_weights *w = head_brain_weights(p->brain);
  const pack_manifest *m = p->manifest;
  for (size_t i = 0; i < w->n_labels && !m->is_gate; i++)
    for (size_t k = 0; k < w->n_slots; k++) {
      bool has = i < m->n_actions && (m->action[i].slots >> k & 1);
      if (w->allowed[i * w->n_slots + k] == 0 || has) continue;
      return base_fail(err, BASE_EMISMATCH, gguf_path(p->file),
                       "the model gives %s the slot %s, the manifest does not", label_name(m, i),
                       m->slot[k].name);
    }
  return BASE_OK;
}

static base_status check_heads(const pack *p, base_error *err) {
  const head_weights *w = head_brain_weights(p->brain);
  const pack_manifest *m = p->manifest;
  size_t labels = (m->is_gate ? m->n_packs : m->n_actions) + 1, slots = m->is_gate ? 1 : m->n_slots;
  base_status st = BASE_OK;
  if (w->n_labels != labels || w->n_slots != slots)
    return base_fail(err, BASE_EMISMATCH, gguf_path(p->file),
                     "the model has %u labels and %u slots; the manifest needs %zu and %zu", w->n_labels,
                     w->n_slots, labels, slots);
  for (size_t i = 0; i < labels && !st; i++)
    st = check_name(p, "label", i, head_brain_label(p->brain, i), label_name(m, i), err);
  for (size_t i = 0; i < slots && !st; i++)
    st = check_name(p, "slot", i, head_brain_slot(p->brain, i), m->is_gate ? PACK_SLOT_PART : m->slot[i].name,
                    err);
  return st ? st : check_mask(p, err);
}

/* ---- opening ---- */

static base_status open_parts(pack *p, const tok_bpe *shared, base_error *err) {
  base_status st = bind_manifest(p, err);
  if (!st) st = head_brain_open(&p->brain, p->file, shared, &p->allocator, err);
  if (!st) st = check_heads(p, err);
  for (size_t i = 0; !st && i < p->manifest->n_actions; i++) {
    const pack_action *a = &p->manifest->action[i];
    st = constrain_schema_open(&p->schema[i], base_slice_of(a->schema), a->name, &p->allocator, err);
  }
  return st;
}

static pack *new_pack(const base_allocator *a, const char *where, base_error *err) {
  if (a == NULL) a = base_allocator_libc();
  pack *p = base_calloc(a, 1, sizeof *p);
  if (p != NULL) p->allocator = *a;
  else (void)base_fail(err, BASE_ENOMEM, where, "no memory for the pack");
  return p;
}

static base_status finish(pack *p, base_status st, pack **out, const tok_bpe *shared, base_error *err) {
  if (!st) st = open_parts(p, shared, err);
  if (st) pack_close(p);
  else *out = p;
  return st;
}

base_status pack_open(pack **out, const char *path, const tok_bpe *shared, const base_allocator *a,
                      base_error *err) {
  *out = NULL;
  pack *p = new_pack(a, path, err);
  if (p == NULL) return BASE_ENOMEM;
  return finish(p, gguf_open(&p->file, path, &p->allocator, err), out, shared, err);
}

base_status pack_open_bytes(pack **out, const void *bytes, size_t len, const char *name,
                            const tok_bpe *shared, const base_allocator *a, base_error *err) {
  *out = NULL;
  pack *p = new_pack(a, name, err);
  if (p == NULL) return BASE_ENOMEM;
  return finish(p, gguf_open_bytes(&p->file, bytes, len, name, &p->allocator, err), out, shared, err);
}

void pack_close(pack *p) {
  if (p == NULL) return;
  base_allocator a = p->allocator;
  for (size_t i = 0; i < PACK_MAX_ACTIONS; i++)
    constrain_schema_close(p->schema[i]);
  head_brain_close(p->brain);
  pack_manifest_close(p->manifest);
  gguf_close(p->file);
  base_free(&a, p, sizeof *p);
}

const pack_manifest *pack_manifest_of(const pack *p) { return p->manifest; }
const head_brain *pack_brain(const pack *p) { return p->brain; }

base_status pack_check(const pack *p, size_t action, base_slice arguments, base_error *err) {
  return constrain_check(p->schema[action], arguments, err);
}
