/* mask/refs, private: where a reference leads inside one document: pointers, anchors and identifiers. */
#ifndef MASK_REFS_H
#define MASK_REFS_H

#include "mask/internal.h"

/* A subschema with an identifier of its own: the values first..last - 1 of the document lie in it. */
typedef struct mask_resource {
  uint32_t first, last;
  base_slice uri; /* absolute as far as it can be made, without fragment; may be empty */
} mask_resource;

typedef struct mask_anchor {
  uint32_t at;
  base_slice name;
  bool dynamic; /* $dynamicAnchor */
} mask_anchor;

typedef struct mask_refs {
  const jdoc *doc;
  mask_pool *pool;
  mask_resource *resources; /* in the order of the document; the first is the whole of it */
  uint32_t n_resources, cap_resources;
  mask_anchor *anchors;
  uint32_t n_anchors, cap_anchors;
  int depth;
} mask_refs;

bool mask_refs_open(mask_refs *f, const jdoc *d, int draft, mask_pool *pool);
uint32_t mask_refs_find(const mask_refs *f, uint32_t from, base_slice reference); /* JDOC_NONE */
/* The same for $dynamicRef and $recursiveRef: the outermost resource on the way to the value decides, where the plain
 * target says so. The document itself is always outermost; where it has no such anchor and more than one resource has,
 * *open is set and what is returned is only where the way begins. */
uint32_t mask_refs_find_dynamic(const mask_refs *f, uint32_t from, base_slice reference, bool *open);
uint32_t mask_refs_find_recursive(const mask_refs *f, uint32_t from, base_slice reference, bool *open);

#endif
