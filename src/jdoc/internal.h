/* jdoc, private: what its files share. */
#ifndef JDOC_INTERNAL_H
#define JDOC_INTERNAL_H

#include "jdoc/jdoc.h"

/* Sorts indices of strings by their text: in place, n log n comparisons at most. */
void jdoc_sort_texts(const jdoc *d, uint32_t *index, size_t n);

#endif
