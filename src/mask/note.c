/* mask/note: where the keywords stand that are not enforced byte by byte. Paths are worked out when somebody
 * asks, for all notes in one walk of the document: there may be very many of both. */
#include <stdlib.h>
#include <string.h>

#include "mask/internal.h"

typedef struct level {
  uint32_t end, index; /* behind the last child; items so far */
  bool object;
  size_t path;         /* bytes of the container's path */
} level;

typedef struct walk {
  mask_rule *r;
  base_buf path;
  level *levels;
  uint32_t n_levels, cap_levels, next; /* next: of the places, the first without a path */
  bool failed;
} walk;

static int compare_places(const void *x, const void *y) {
  const mask_place *a = x, *b = y;
  return (a->at > b->at) - (a->at < b->at);
}

static void keep_path(walk *w, uint32_t at) {
  mask_note_list *l = &w->r->notes;
  for (; w->next < l->count && l->place[w->next].at == at; w->next++) {
    char *copy = mask_pool_take(&w->r->pool, w->path.len + 1);
    if (copy != NULL && w->path.len > 0) memcpy(copy, w->path.ptr, w->path.len);
    w->failed |= copy == NULL || w->path.failed;
    l->path[w->next] = copy;
  }
}

/* The value at `at`, whose path is written. */
static void visit(walk *w, uint32_t at) {
  const jdoc *d = &w->r->doc;
  keep_path(w, at);
  if (jdoc_kind_at(d, at) < JDOC_ARRAY) return;
  level *grown = mask_pool_grow(&w->r->pool, w->levels, sizeof *grown, w->n_levels, &w->cap_levels);
  if (grown == NULL) {
    w->failed = true;
    return;
  }
  w->levels = grown;
  grown[w->n_levels++] = (level){jdoc_next(d, at), 0, jdoc_kind_at(d, at) == JDOC_OBJECT, w->path.len};
}

static void walk_document(walk *w) {
  const jdoc *d = &w->r->doc;
  uint32_t at = 1;
  visit(w, 0);
  while (w->n_levels > 0 && !w->failed && w->next < w->r->notes.count) {
    level *l = &w->levels[w->n_levels - 1];
    w->path.len = l->path;
    if (at == l->end) {
      w->n_levels--;
      continue;
    }
    if (l->object) jdoc_put_pointer(&w->path, jdoc_text(d, at++));
    else base_buf_printf(&w->path, "/%u", l->index++);
    visit(w, at++);
  }
}

bool mask_notes_locate(mask_rule *r) {
  mask_note_list *l = &r->notes;
  walk w = {.r = r, .path = {.allocator = r->allocator}};
  if (l->path != NULL || l->count == 0) return true;
  const char **path = mask_pool_take(&r->pool, l->count * sizeof *path);
  if (path == NULL) return false;
  qsort(l->place, l->count, sizeof *l->place, compare_places);
  l->path = path;
  walk_document(&w);
  base_buf_free(&w.path);
  if (w.failed) l->path = NULL;
  return !w.failed;
}
