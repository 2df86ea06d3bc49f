/* lm: language models out of GGUF files as people have them (llama, qwen, gemma, phi, openelm, ...; family.def
 * has the list): binding by architecture, the forward pass, the KV cache of several sequences. Token ids in,
 * logits out: text is tok's affair, choosing a token is the caller's.
 *
 * For a decoder, with n = norm(h) of each layer:
 *   a = h + W_o attention(rope(W_q n), K, V)    K, V: rope(W_k n) and W_v n of this and all earlier positions
 *   h' = a + W_down (act(W_gate m) * W_up m)    m = norm(a)
 *   logits = W_out norm(h_last)
 * What a family does otherwise (norms after, biases, windows, soft caps) stands in its family_*.c.
 *
 * A model is used by one thread at a time; it runs on the team it was given. The same tokens give the same bits
 * whatever the number of threads, the size of the blocks, and whatever else is in the batch. */
#ifndef LM_LM_H
#define LM_LM_H

#include "base/base.h"
#include "cpu/cpu.h"
#include "gguf/gguf.h"
#include "os/os.h"

typedef struct lm_model lm_model;
typedef struct lm_cache lm_cache;

/* How keys and values are kept. I8: a row of one head has one float scale. */
typedef enum lm_cache_type { LM_CACHE_F16, LM_CACHE_I8, LM_CACHE_F32 } lm_cache_type;

/* All may be NULL. Functions are called from the thread that called lm, never from another. */
typedef struct lm_watch {
  void *ctx;
  bool (*stop)(void *ctx); /* asked every layer; true ends the work with BASE_ECANCELLED */
  /* loading: bytes of weights; forward: tokens; embed: layers */
  void (*progress)(void *ctx, size_t done, size_t total);
  float *states; /* forward: [tokens that want logits][width], the hidden state behind each one's logits, before the
                    last norm */
} lm_watch;

/* What running needs. `mapped` is read in the file's own pages, which the system can drop and read again; all
 * else is taken from the allocator, and nothing beyond it is. */
typedef struct lm_memory {
  size_t mapped_bytes;  /* weights used where they lie in the file */
  size_t weights_bytes; /* weights packed for the kernels, tables */
  size_t cache_bytes;   /* keys and values of all sequences; resident only once written */
  size_t scratch_bytes; /* activations of one block */
  size_t total_bytes;
} lm_memory;

typedef struct lm_info {
  base_slice architecture, name; /* borrowed from the file; name may be empty */
  uint32_t vocab, width, layers;
  uint32_t context;         /* tokens a sequence can hold here */
  uint32_t trained_context; /* that the model was made for */
  uint32_t block, sequences;
  uint64_t parameters;
  bool encoder; /* gives vectors (lm_embed), not logits */
} lm_info;

/* Zero means default. */
typedef struct lm_options {
  const base_allocator *allocator; /* libc */
  const cpu_kernels *kernels;      /* the machine's best */
  os_team *team;                   /* borrowed; none: the caller's thread alone */
  uint32_t context;                /* tokens a sequence can hold; 4096, or fewer when the model was made for fewer */
  uint32_t sequences;              /* in one cache; 1 */
  uint32_t block;                  /* tokens in one pass over the weights; 128 */
  lm_cache_type cache;
  bool reference;           /* weights and activations in 32-bit floats: slow and exact */
  size_t memory_limit_bytes; /* hard bound over all that lm_need adds up; no bound */
  lm_watch watch;           /* of opening */
  uint32_t threads; /* of lm_need, which needs no team yet: that it will have so many; 1 */
  /* Of opening, both for the calling thread. `planned`: the file is found good, nothing large is taken yet; what is not
   * BASE_OK ends the opening. `meanwhile`: work to do while the other threads already pack the weights; false ends the
   * opening with BASE_ECANCELLED. */
  base_status (*planned)(void *ctx, const lm_memory *need, const lm_info *info, base_error *err);
  bool (*meanwhile)(void *ctx);
  void *opening_ctx;
} lm_options;

/* From the file's keys and tensor table alone: nothing large is read or allocated. `info`, which may be NULL: what the
 * opened model would say of itself, with every default filled in. */
base_status lm_need(lm_memory *out, lm_info *info, const gguf_file *f, const lm_options *o, base_error *err);

/* Binds, checks and packs. BASE_EUNSUPPORTED: architecture, rope scaling or tensor type that is not known;
 * BASE_EFORMAT: a key or tensor missing or of another shape; BASE_EMISMATCH: tokenizer and embedding differ;
 * BASE_ELIMIT: over the memory limit; the error says which and how much. `f` must stay open. */
base_status lm_model_open(lm_model **out, const gguf_file *f, const lm_options *o, base_error *err);
void lm_model_close(lm_model *m); /* NULL is harmless; its caches must be closed before */

lm_info lm_model_info(const lm_model *m);

/* ---- the KV cache ---- */

/* As many sequences, positions and the type as the model's options said. */
base_status lm_cache_open(lm_cache **out, const lm_model *m, base_error *err);
void lm_cache_close(lm_cache *c); /* NULL is harmless */
uint32_t lm_cache_length(const lm_cache *c, uint32_t sequence); /* positions held */
/* Layers with a sliding window keep the window's positions and some more, no others. Whoever goes far back in such a
 * model finds nothing to go on from: `length`, or 0 when that is so, or when the sequence holds less. */
uint32_t lm_cache_keeps(const lm_cache *c, uint32_t sequence, uint32_t length);
/* Forgets all from `length` on; altogether all where it finds nothing to go on from (one position further back than
 * lm_cache_keeps says still works). */
void lm_cache_truncate(lm_cache *c, uint32_t sequence, uint32_t length);
/* The first `length` positions of `from` become the content of `to`; nothing does where lm_cache_keeps says 0. */
void lm_cache_copy(lm_cache *c, uint32_t from, uint32_t to, uint32_t length);

/* One sequence as bytes: lm_cache_export_bytes of them, its first `length` positions (lm_cache_keeps them). They fit a
 * cache of the same model, type and mode only; import refuses others (BASE_EMISMATCH), damaged ones
 * (BASE_EFORMAT) and ones too long (BASE_ELIMIT), and then leaves the sequence alone. Tokens are not in it: keep
 * them beside it. */
size_t lm_cache_export_bytes(const lm_cache *c, uint32_t length);
void lm_cache_export(const lm_cache *c, uint32_t sequence, uint32_t length, void *out);
base_status lm_cache_import(lm_cache *c, uint32_t sequence, const void *bytes, size_t len, base_error *err);
/* Of the model and how it is run: keys, shapes, a sample of every tensor, cache type, mode. */
uint64_t lm_model_fingerprint(const lm_model *m);

/* ---- forward ---- */

/* A token goes behind what its sequence holds, in the order given. */
typedef struct lm_token {
  uint32_t id, sequence;
  bool logits; /* wanted for this one */
} lm_token;

/* Runs n tokens of any sequences. logits: [tokens that want them][vocab], in their order. Refuses, before anything is
 * done, an id outside the vocabulary (BASE_EARGUMENT) and a sequence that would become too long (BASE_ELIMIT).
 * When cancelled, sequences hold the tokens of all finished blocks and no others. No allocation. */
base_status lm_forward(lm_model *m, lm_cache *c, const lm_token *tokens, size_t n, float *logits,
                       const lm_watch *watch, base_error *err);

/* ---- encoders ---- */

/* out [width]: one vector of a text of n tokens (1 to context), its tokens pooled as the file says (mean, first or
 * last); `unit`: made one long, so that a dot product is a cosine. No allocation. */
base_status lm_embed(lm_model *m, const uint32_t *ids, size_t n, bool unit, float *out, const lm_watch *watch,
                     base_error *err);

#endif
