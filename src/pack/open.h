/* pack, private: a built pack opened. */
#ifndef PACK_OPEN_H
#define PACK_OPEN_H

#include "constrain/constrain.h"
#include "pack/pack.h"

struct pack {
  base_allocator allocator;
  gguf_file *file;
  pack_manifest *manifest;
  head_brain *brain;
  constrain_schema *schema[PACK_MAX_ACTIONS];
};

#endif
