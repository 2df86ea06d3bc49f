/* lm/internal: the model as the forward pass sees it, what a family says about itself, and the steps. Private. */
#ifndef LM_INTERNAL_H
#define LM_INTERNAL_H

#include "lm/lm.h"
#include "matrix/matrix.h"
#include "os/os.h"
#include "quant/quant.h"

#include <stdatomic.h>

/* Far above any model this runs; they keep counts from a hostile file small before anything is allocated. */
enum { LM_MAX_LAYERS = 512, LM_MAX_HEADS = 1024, LM_MAX_HEAD_DIM = 1024 };
enum { LM_MAX_WIDTH = 1 << 16, LM_MAX_FF = 1 << 20, LM_MAX_VOCAB = 1 << 22, LM_MAX_CONTEXT = 1 << 24 };
enum { LM_MAX_REPEAT = 8, LM_ROPES = 2, LM_ERROR_NAME = 96 };
/* Heads together, and the feed-forward, may be so many times as wide as the model: activations of a block are
 * allocated by these numbers. */
enum { LM_MAX_WIDENING = 64 };

/* ---- the model ---- */

/* y = W x + b. W is `w.n` rows of the tensor from `row` on: a fused tensor is several of these. */
typedef struct lm_linear {
  const gguf_tensor *tensor; /* NULL: this layer has none */
  size_t row;
  matrix_mode mode;
  matrix w;          /* packed; [n][k] */
  const float *bias; /* [n] or NULL */
} lm_linear;

typedef struct lm_norm {
  const float *weight; /* [n]; NULL: no norm here */
  const float *bias;   /* layer norm only */
} lm_norm;

/* Rotary positions (Su et al. 2021), every scaling reduced to one frequency a pair and one magnitude. */
typedef struct lm_rope {
  bool used;
  double base;                           /* plain frequencies are base^(-2i/dims); 0: no rotation */
  double frequency[LM_MAX_HEAD_DIM / 2]; /* [dims/2] radians a position, scaling included */
  double magnitude;                      /* factor on cos and sin (YaRN, LongRoPE) */
} lm_rope;

/* One layer as executed: a layer shared by several steps has one of these for each. */
typedef struct lm_layer {
  uint32_t heads, kv_heads, ff;
  uint32_t window;    /* a token sees keys at distance < window; 0: all */
  int rope;           /* index into lm_model.rope */
  uint32_t kv_slot;   /* index of its keys and values in the cache */
  bool kv_own;        /* false: reads what an earlier layer wrote */
  bool kv_slides;     /* the cache keeps the window's positions only (cache.c) */
  lm_norm attn_norm;  /* [d] before attention (bert: after it and the residual) */
  lm_norm attn_post;  /* [d] on attention's output, before the residual */
  lm_norm ffn_norm;   /* [d] before the feed-forward (bert: after it and the residual) */
  lm_norm ffn_post;   /* [d] on its output */
  lm_norm q_norm, k_norm; /* [head_dim] on each head */
  lm_linear q, k, v;      /* [heads * head_dim][d], [kv_heads * head_dim][d] twice */
  lm_linear out;          /* [d][heads * head_dim] */
  lm_linear gate, up;     /* [ff][d]; gate.tensor NULL: no gate */
  lm_linear down;         /* [d][ff] */
} lm_layer;

typedef enum lm_act { LM_SILU, LM_GELU_TANH, LM_GELU } lm_act;
typedef enum lm_norm_kind { LM_RMS_NORM, LM_LAYER_NORM } lm_norm_kind;

typedef enum lm_ffn { LM_FFN_GATED, LM_FFN_FUSED, LM_FFN_PLAIN } lm_ffn;

/* Numbers as in files. */
typedef enum lm_pooling { LM_POOL_NONE, LM_POOL_MEAN, LM_POOL_FIRST, LM_POOL_LAST, LM_POOL_RANK } lm_pooling;

typedef struct lm_binder lm_binder;

/* What a family is, as far as all its models agree; the rest it reads from the file. */
typedef struct lm_family {
  const char *name; /* general.architecture, and the prefix of the keys */
  lm_norm_kind norm;
  lm_act act;
  bool rope_pairs;    /* rotates (2i, 2i+1), as llama's files have it; else (i, i + dims/2) */
  bool encoder;       /* bidirectional, norms after the residual */
  bool fused_qkv;     /* blk.N.attn_qkv */
  uint32_t window_period; /* lm_model's, where the file does not say */
  lm_ffn ffn;         /* fused: blk.N.ffn_up has the gate's rows, then up's; plain: no gate */
  void (*shape)(lm_binder *b);                                /* keys of its own; may be NULL */
  void (*layer)(lm_binder *b, uint32_t index, lm_layer *l);   /* tensors of its own; may be NULL */
} lm_family;

/* Blocks of so few rows, all wanted, are normed by every worker for itself: cheaper than waiting for each other. */
enum { LM_PRIVATE_ROWS = 4 };
/* Rows that are normed side by side, of so many values in all, unless one has more: what one row waits for, others fill
 * (10 M parameters: 78 to 59 ns a row). */
enum { LM_NORM_ROWS = 4, LM_NORM_FLOATS = 4096 };
enum { LM_ACTIVE_ROWS = 8 }; /* of the feed-forward's activation, quantised together */
enum { LM_ATTEND_ROWS = 16 }; /* at most so many at once in attention */
/* Floats of gate, and of up, that are made before they are activated: 16 KB of either; of more than sixteen rows 128,
 * and for them in three pieces at least (two of 10 M parameters' 704 columns gain nothing). */
enum { LM_PIECE_FLOATS = 4096, LM_BLOCK_PIECE_FLOATS = 32768 };
/* Blocks of at least so many rows a worker are shared out by rows: each worker takes its rows from product to product
 * and waits once a layer, not seven times. It reads all weights, so all workers together read at most so many bytes
 * a layer: beside 64 rows of work that still came out ahead (500 M parameters 8 %, 1.1 B 2 to 4 %, two threads). */
enum { LM_SHARED_ROWS = 32, LM_SHARED_BYTES = 96 << 20, LM_TILE_ROWS = 16 /* that a worker has side by side */ };
/* Weights of at most so many bytes are read by every worker before the second pass, and after so many passes again. */
enum { LM_COMMON_BYTES = 128 << 20, LM_SHARING_PASSES = 512 };

/* Which weights a worker reads, one product behind another, as the pass before had them: the next one will do the same,
 * so that a product knows where the one behind it begins, and who waits at a barrier what comes then. Behind a pass of
 * another shape it is told what it does not need, and notes its own. */
typedef struct lm_reads {
  os_ahead *part; /* [most], behind the last one of no bytes */
  size_t most, at;
} lm_reads;
/* Room for pieces of a feed-forward; what is beyond it is not noted. Behind a barrier k, v and q come at once. */
enum { LM_READS_A_LAYER = 16, LM_READS_AHEAD = 3 };

/* Everything a block writes. T: tokens in a block, W: workers. */
typedef struct lm_scratch {
  uint32_t *id, *sequence, *position; /* [T] */
  uint32_t *wanted;                   /* [T] rows whose logits are wanted, ascending */
  float *h, *o;                       /* [T][d] hidden (encoders: [context][d]), a projection's output */
  float *own_h;                       /* [W][private rows][d] */
  float *q, *attended;                /* [T][heads * head_dim] */
  float *k, *v;                       /* [T][kv_heads * head_dim] */
  float *gate, *up;                   /* [T][ff] */
  float *cos[LM_ROPES], *sin[LM_ROPES]; /* [T][rope_table] */
  float *scores;                        /* [W][cpu_attend_scratch(context)] */
  float *row;                           /* [W][row_floats]: a row of anything, or those that are normed together */
  unsigned char *in_n, *in_q, *in_ff;   /* products' inputs (matrix_input): normed, attended, activated */
  unsigned char *own_n;                 /* [W][own_n_bytes]: normed, of private rows */
  os_ahead *reads;                      /* [W][reads]: lm_reads */
  size_t row_floats, own_n_bytes, rope_table, scores_floats;
} lm_scratch;

struct lm_model {
  base_allocator allocator;
  const cpu_kernels *kernels;
  const gguf_file *file;
  const lm_family *family;
  lm_options options; /* with defaults filled in */
  lm_memory need;
  void *block; /* holds packed weights, vectors and scratch */
  size_t block_bytes, packed_bytes;
  const unsigned char *packed; /* [packed_bytes], all weights */
  uint64_t passes;             /* begun, of lm_forward (share.c) */
  size_t align_bytes; /* of the block are skipped, at most, so that the weights begin with a large page */

  uint32_t vocab, d, head_dim, rope_dims, trained_context, context;
  uint32_t stored_layers, repeat, layers;  /* layers = stored_layers * repeat */
  uint32_t kv_shared;                      /* the last so many stored layers read what the one before them wrote */
  uint32_t kv_slots, last_writer;          /* last_writer: the last layer that writes keys and values */
  uint32_t max_heads, max_kv_heads, max_group, max_ff;
  uint32_t window, window_period; /* of every window_period layers the last has none; 0: all have one */
  uint32_t slide_keep, slide_room; /* positions, in the cache of layers that slide */
  float eps, embedding_scale, attention_scale, attention_cap, logit_cap; /* caps: 0 = none */
  lm_rope rope[LM_ROPES];                  /* [0] global, [1] of layers with a window where a family has two */

  lm_pooling pooling;           /* encoders */
  lm_cache *own_cache;          /* an encoder's keys and values of the layer that runs */
  const gguf_tensor *type_table, *position_table; /* [..][d]; encoders, may be NULL */
  lm_norm embedding_norm;                         /* encoders */
  const gguf_tensor *embedding; /* [vocab][d] */
  lm_linear output;             /* [vocab][d]; of the same tensor when tied */
  lm_norm output_norm;
  lm_layer *layer;              /* [layers] */
  unsigned needs_n, needs_q, needs_ff, needs_head; /* what the products read of their inputs (MATRIX_NEEDS_...) */
  lm_scratch scratch;
};

/* ---- binding (bind.c): failures are sticky in the binder, so that a family reads straight down ---- */

struct lm_binder {
  lm_model *m;
  bool *used; /* [tensors of the file] those that were bound */
  base_status status;
  base_error *err;
};

void lm_bind_fail(lm_binder *b, base_status code, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same about a key. */
void lm_key_fail(lm_binder *b, base_status code, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Keys are given without the family's prefix. _or: the default when the key is absent. */
uint32_t lm_key_u32(lm_binder *b, const char *key, uint32_t min, uint32_t max);
uint32_t lm_key_u32_or(lm_binder *b, const char *key, uint32_t min, uint32_t max, uint32_t otherwise);
/* The same for one layer, when the key may also be an array with one value a layer. */
uint32_t lm_key_layer_u32(lm_binder *b, const char *key, uint32_t layer, uint32_t max, uint32_t otherwise);
/* Of an array with one boolean a layer; otherwise when the key is absent or no array. */
bool lm_key_layer_bool(lm_binder *b, const char *key, uint32_t layer, bool otherwise);
bool lm_key_is_array(lm_binder *b, const char *key);
float lm_key_f32_or(lm_binder *b, const char *key, float min, float max, float otherwise);
bool lm_key_bool_or(lm_binder *b, const char *key, bool otherwise);
base_slice lm_key_string_or(lm_binder *b, const char *key, const char *otherwise);
bool lm_key_present(lm_binder *b, const char *key);

/* A tensor of n floats. layer < 0: no "blk.N." before the name. */
const float *lm_bind_vector(lm_binder *b, int layer, const char *name, size_t n, bool optional);
/* NAME.weight and, where the family has one, NAME.bias. */
lm_norm lm_bind_norm(lm_binder *b, int layer, const char *name, size_t n);
/* NAME.weight [rows][cols] and NAME.bias if there is one. */
lm_linear lm_bind_linear(lm_binder *b, int layer, const char *name, size_t rows, size_t cols, bool optional);
/* NAME.weight [at least rows][d], of any type, read row by row; NULL when absent. */
const gguf_tensor *lm_bind_table(lm_binder *b, const char *name, size_t rows);
/* A part of a fused one. */
lm_linear lm_linear_rows(lm_linear whole, size_t row, size_t rows);
/* The seven of a layer, absent ones too. */
enum { LM_LINEARS = 7 };
lm_linear *lm_layer_linear(lm_layer *l, int index);

void lm_read_shape(lm_binder *b);   /* the keys; stored_layers and repeat are what tables are sized by */
void lm_bind_tensors(lm_binder *b); /* layers and the rest */
void lm_rope_bind(lm_binder *b);

/* ---- cache (cache.c) ---- */

struct lm_cache {
  const lm_model *model;
  void *block;
  size_t block_bytes;
  uint32_t *length;    /* [sequences] */
  uint32_t *coming;    /* [sequences] tokens of the present batch or block; 0 between them */
  uint32_t *begin;     /* [sequences] the first position that layers which slide still have; whole tiles */
  unsigned char **key; /* [kv_slots] of [sequences][kv_heads][room] */
  unsigned char **value;
};

cpu_kv_type lm_cache_kv_type(const lm_model *m);
void lm_cache_plan(lm_model *m); /* which layers slide, and their room */
size_t lm_cache_bytes(const lm_model *m); /* SIZE_MAX when that overflows */
base_status lm_cache_make(lm_cache **out, const lm_model *m, base_error *err);
/* What one head of one sequence holds, as the kernels read it. */
unsigned char *lm_cache_keys(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t kv_head);
unsigned char *lm_cache_values(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t kv_head);
/* Where a position lies there. */
uint32_t lm_cache_place(const lm_cache *c, const lm_layer *l, uint32_t sequence, uint32_t position);
/* Before a block of n tokens goes behind what the sequence holds. */
void lm_cache_make_room(lm_cache *c, uint32_t sequence, uint32_t n);
/* The first position that a layer needs so that a sequence can go on from `length`, or from one before; whole tiles. */
uint32_t lm_cache_first(const lm_model *m, const lm_layer *l, uint32_t length);

/* ---- the pass ---- */

/* One block of tokens on its way through the layers, on all workers at once. */
typedef struct lm_pass {
  lm_model *m;
  lm_cache *c;
  const lm_watch *watch;
  float *logits; /* [wanted][vocab] */
  float *states; /* [wanted][d]; NULL: nobody wants them */
  size_t rows;   /* of the hidden state; falls to `wanted` when only those are still of use */
  size_t wanted; /* rows whose logits are wanted: scratch.wanted */
  const uint32_t *ids; /* encoders: [n] the whole text */
  size_t n;
  bool stopped;  /* encoders: written by worker 0 before a barrier, read by all after it */
  _Atomic uint32_t stop_at; /* the layer before which all stop: written by worker 0 before a barrier that lies ahead of
                             * that layer for everybody. UINT32_MAX: none */
} lm_pass;

/* One of the threads in a pass, and what is its own. */
typedef struct lm_worker {
  lm_pass *p;
  int me, of;
  lm_reads *reads;  /* NULL in encoders */
  bool own_rows;    /* h and n are this worker's own, and it does all rows of them */
  bool by_row;      /* it makes all columns of its rows (LM_SHARED_ROWS); else its columns of all rows */
  float *h;         /* [rows][d] */
  unsigned char *n; /* input [rows][d] */
  unsigned needs_n; /* what reads it: the layers, or the head, which may be of another type */
  float *row;       /* [row_floats] */
  float *scores;    /* [cpu_attend_scratch(context)] */
} lm_worker;

size_t lm_reads_most(const lm_model *m);
/* Of a worker, at the start of a pass. */
lm_reads lm_reads_of(const lm_model *m, int worker);

/* Before a pass: has all workers read the weights, when it is time to (share.c). */
void lm_share_weights(lm_model *m);

/* ---- steps: each does this worker's share; none has a barrier ---- */

/* The rows of h and n that are this worker's. */
void lm_own_rows(const lm_worker *w, size_t *begin, size_t *end);
/* The inputs in scratch for k values a token; layouts differ with k where layers differ. */
matrix_input lm_input_n(const lm_worker *w);
matrix_input lm_input_q(const lm_worker *w, size_t k);
matrix_input lm_input_ff(const lm_worker *w, size_t k);
/* The columns of n that are this worker's, in steps of `step`. */
void lm_own_columns(const lm_worker *w, size_t n, size_t step, size_t *begin, size_t *end);
/* y [rows][ldy], the columns [begin, end), = W x + b; by row: only this worker's rows. */
void lm_product(const lm_worker *w, const lm_linear *l, const matrix_input *x, size_t begin, size_t end, float *y,
                size_t ldy);
void lm_embedding_row(const lm_model *m, size_t id, float *out);
/* y [rows][d] = norm(x), each row; y may be x */
void lm_norm_rows(const lm_model *m, const lm_norm *norm, const float *x, size_t rows, size_t d, float *y);
/* up [n] = act(gate) * up, or act(up) without a gate */
void lm_activate(const lm_model *m, const float *gate, float *up, size_t n);
/* The tables of rows [begin, end) for their positions. */
void lm_rope_tables(const lm_model *m, size_t begin, size_t end);
/* n heads, one after another, of `rows` rows from `row` on, ldx apart. */
void lm_rope_rows(const lm_model *m, int rope, size_t row, size_t rows, float *x, size_t ldx, size_t n);

#define LM_FAMILY(name) extern const lm_family lm_family_##name;
#include "lm/family.def"
#undef LM_FAMILY

#endif
