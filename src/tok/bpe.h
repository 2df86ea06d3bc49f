/* tok/bpe: the vocabulary as it lies in memory, and how it is built, for the file reader and the trainer. */
#ifndef TOK_BPE_H
#define TOK_BPE_H

#include "tok/tok.h"

typedef struct tok_pair {
  uint16_t left, right;
} tok_pair;

/* Open addressing, linear probing, at most half full. The rank of a merge is its id: earlier is smaller. */
typedef struct tok_pair_slot {
  uint32_t pair; /* left << 16 | right */
  uint32_t id;   /* 0: free */
} tok_pair_slot;

/* One block of memory; the arrays lie behind the struct. */
struct tok_bpe {
  base_allocator allocator;
  size_t block_bytes;
  size_t vocab, max_vocab;
  uint32_t *offset; /* max_vocab + 1: token i is raw[offset[i], offset[i + 1]) */
  tok_pair *merge;  /* max_vocab - TOK_FIRST_MERGE */
  tok_pair_slot *slot;
  unsigned slot_shift; /* hash >> slot_shift is a slot's index */
  size_t slot_mask;
  unsigned char *raw;
  size_t raw_size;
  uint64_t source_hash; /* of the file's strings; 0 when trained */
};

/* A vocabulary with the special tokens and the 256 bytes, and room for `merges` more whose bytes together are
 * at most merge_bytes. */
base_status tok_bpe_new(tok_bpe **out, size_t merges, size_t merge_bytes, const base_allocator *allocator,
                        base_error *err);
/* Appends the token left + right. False when the room is used up, the token is too long, or the pair cannot
 * be stored (it is there already, or was made to collide). */
bool tok_bpe_add_merge(tok_bpe *t, uint32_t left, uint32_t right);

/* The byte that a character stands for in GPT-2's writing; -1 for a character that stands for none. */
int tok_char_byte(uint32_t code_point);

#endif
