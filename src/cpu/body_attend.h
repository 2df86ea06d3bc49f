/* Attention of a decoder over cached keys and values: layout and order of sums are in cpu.h. Up to 8 queries (of
 * any heads and tokens that share the keys) go together, so that a key or value is read and widened once for all. */

/* A batch of queries: where they are and what each sees, [low, high]. */
typedef struct body_batch {
  const float *q[CPU_ATTEND_ROWS];
  float *out[CPU_ATTEND_ROWS];
  size_t low[CPU_ATTEND_ROWS], high[CPU_ATTEND_ROWS];
  size_t first, end; /* positions that any sees, whole tiles */
  float *scores;     /* [rows][width] of positions first.. */
  size_t width;
} body_batch;

BODY_INLINE vf body_kv_load(cpu_kv_type type, const unsigned char *p, size_t i) {
  if (type == CPU_KV_F16) return vf_half(p + 2 * i);
  if (type == CPU_KV_I8) return vf_i8(p + i);
  return vf_load((const float *)(const void *)p + i);
}

/* scores of `tiles` tiles of 16 positions from `position` on */
BODY_INLINE void body_score_tiles(cpu_kv_type type, size_t rows, size_t tiles, const cpu_attend *a, const body_batch *b,
                                  size_t position) {
  size_t tile_bytes = cpu_kv_tile_bytes(type, a->hd);
  const unsigned char *keys = a->keys + position / 16 * tile_bytes;
  vf acc[CPU_ATTEND_ROWS][4];
  BODY_UNROLL
  for (size_t r = 0; r < rows; r++) {
    BODY_UNROLL
    for (size_t t = 0; t < tiles; t++) acc[r][t] = vf_set1(0.0f);
  }
  for (size_t i = 0; i < a->hd; i++) {
    vf key[4];
    BODY_UNROLL
    for (size_t t = 0; t < tiles; t++) key[t] = body_kv_load(type, keys + t * tile_bytes, i * 16);
    BODY_UNROLL
    for (size_t r = 0; r < rows; r++) {
      vf q = vf_set1(b->q[r][i]);
      BODY_UNROLL
      for (size_t t = 0; t < tiles; t++) acc[r][t] = vf_fma(q, key[t], acc[r][t]);
    }
  }
  BODY_UNROLL
  for (size_t t = 0; t < tiles; t++) {
    vf scale = vf_set1(a->scale);
    if (type == CPU_KV_I8)
      scale = vf_mul(scale, vf_load((const float *)(const void *)(keys + (t + 1) * tile_bytes - 64)));
    BODY_UNROLL
    for (size_t r = 0; r < rows; r++)
      vf_store(b->scores + r * b->width + (position - b->first) + t * 16, vf_mul(acc[r][t], scale));
  }
}

BODY_INLINE void body_all_scores(cpu_kv_type type, size_t rows, const cpu_attend *a, const body_batch *b) {
  size_t most = VEC_SCORES / rows, together = most > 4 ? 4 : most, position = b->first;
  for (; position + 16 * together <= b->end; position += 16 * together)
    body_score_tiles(type, rows, together, a, b, position);
  for (; position < b->end; position += 16) body_score_tiles(type, rows, 1, a, b, position);
}

/* One row of scores: minus infinity in place of what its query does not see, or what a cache holds behind its last
 * position. By vectors: sixteen single stores would make the load behind them wait. */
BODY_INLINE void body_hide(const body_batch *b, size_t r) {
  float *row = b->scores + r * b->width;
  size_t n = b->end - b->first, from = b->low[r] - b->first, to = b->high[r] - b->first + 1;
  for (size_t j = 0; j < from; j++) row[j] = -INFINITY;
  for (size_t j = to / 16 * 16; j < n; j += 16)
    vf_store(row + j, vf_first(vf_load(row + j), j < to ? to - j : 0, -INFINITY));
}

/* Scores of `rows` queries, r.., to exponentials and their sums, given the largest. */
BODY_INLINE void body_soften_rows(size_t rows, const body_batch *b, size_t r, const float *max, vf *sums) {
  float *score = b->scores + r * b->width;
  vf shift[BODY_EXPS], sum[BODY_EXPS], e[BODY_EXPS], least = vf_set1(-CPU_EXP_BOUND);
  BODY_UNROLL
  for (size_t i = 0; i < rows; i++) {
    shift[i] = vf_set1(max[i]);
    sum[i] = vf_set1(0.0f);
  }
  for (size_t j = 0; j < b->end - b->first; j += 16) {
    BODY_UNROLL
    for (size_t i = 0; i < rows; i++) e[i] = vf_max(least, vf_sub(vf_load(score + i * b->width + j), shift[i]));
    body_exp_bounded(rows, e, 1.0f);
    BODY_UNROLL
    for (size_t i = 0; i < rows; i++) {
      sum[i] = vf_add(sum[i], e[i]);
      vf_store(score + i * b->width + j, e[i]);
    }
  }
  BODY_UNROLL
  for (size_t i = 0; i < rows; i++) sums[i] = sum[i];
}

/* Scores of a batch to exponentials, 0 where a query does not see and another one does; factor: the reciprocals of
 * their sums. Hidden scores count as e^-86 there, which is nothing beside the largest's 1. */
BODY_INLINE void body_soften(size_t rows, const cpu_attend *a, const body_batch *b, float *factor) {
  size_t n = b->end - b->first, low = b->low[0] - b->first, high = b->high[rows - 1] - b->first;
  const size_t each = rows < BODY_EXPS ? rows : BODY_EXPS;
  vf most[CPU_ATTEND_ROWS], sum[CPU_ATTEND_ROWS];
  float max[CPU_ATTEND_ROWS];
  for (size_t r = 0; r < rows; r++) {
    if (a->cap > 0.0f) body_soft_cap(b->scores + r * b->width, n, a->cap);
    body_hide(b, r);
  }
  BODY_UNROLL
  for (size_t r = 0; r < rows; r++) most[r] = vf_set1(-INFINITY);
  for (size_t j = 0; j < n; j += 16) {
    BODY_UNROLL
    for (size_t r = 0; r < rows; r++) most[r] = vf_max(most[r], vf_load(b->scores + r * b->width + j));
  }
  BODY_UNROLL
  for (size_t r = 0; r < rows; r++) max[r] = vf_max_fold(most[r]);
  BODY_UNROLL
  for (size_t r = 0; r < rows; r += each) body_soften_rows(each, b, r, max + r, sum + r);
  BODY_UNROLL
  for (size_t r = 0; r < rows; r++) factor[r] = 1.0f / vf_sum(sum[r]);
  for (size_t r = 0; r < rows; r++) {
    float *e = b->scores + r * b->width;
    for (size_t j = low; j < b->low[r] - b->first; j++) e[j] = 0.0f;
    for (size_t j = b->high[r] - b->first + 1; j <= high; j++) e[j] = 0.0f;
  }
}

/* Elements i.. (16 `lanes`) of the outputs: each a chain over what any query of the batch sees. */
BODY_INLINE void body_mix_values(cpu_kv_type type, size_t rows, size_t lanes, const cpu_attend *a, const body_batch *b,
                                 size_t i, const float *factor) {
  size_t row_bytes = cpu_kv_row_bytes(type, a->hd), low = b->low[0], high = b->high[0];
  for (size_t r = 1; r < rows; r++) {
    low = b->low[r] < low ? b->low[r] : low;
    high = b->high[r] > high ? b->high[r] : high;
  }
  vf acc[CPU_ATTEND_ROWS][2];
  BODY_UNROLL
  for (size_t r = 0; r < rows; r++) {
    BODY_UNROLL
    for (size_t l = 0; l < lanes; l++) acc[r][l] = vf_set1(0.0f);
  }
  for (size_t p = low; p <= high; p++) {
    const unsigned char *row = a->values + p * row_bytes;
    vf value[2];
    BODY_UNROLL
    for (size_t l = 0; l < lanes; l++) value[l] = body_kv_load(type, row, i + 16 * l);
    float scale = 1.0f;
    if (type == CPU_KV_I8) memcpy(&scale, row + row_bytes - 64, sizeof scale);
    BODY_UNROLL
    for (size_t r = 0; r < rows; r++) {
      float e = b->scores[r * b->width + p - b->first];
      vf weight = vf_set1(type == CPU_KV_I8 ? e * scale : e);
      BODY_UNROLL
      for (size_t l = 0; l < lanes; l++) acc[r][l] = vf_fma(weight, value[l], acc[r][l]);
    }
  }
  BODY_UNROLL
  for (size_t r = 0; r < rows; r++) {
    BODY_UNROLL
    for (size_t l = 0; l < lanes; l++) {
      size_t at = i + 16 * l;
      body_store(b->out[r] + at, vf_mul(acc[r][l], vf_set1(factor[r])), body_step(a->hd - at));
    }
  }
}

BODY_INLINE void body_attend_batch(cpu_kv_type type, size_t rows, const cpu_attend *a, const body_batch *b) {
  float factor[CPU_ATTEND_ROWS];
  size_t i = 0;
  body_all_scores(type, rows, a, b);
  body_soften(rows, a, b, factor);
  for (; i + 16 < a->hd; i += 32) body_mix_values(type, rows, 2, a, b, i, factor);
  if (i < a->hd) body_mix_values(type, rows, 1, a, b, i, factor);
}

typedef void body_batch_fn(const cpu_attend *a, const body_batch *b);
#define BODY_BATCH(type, rows) \
  static void body_batch_##type##_##rows(const cpu_attend *a, const body_batch *b) { \
    body_attend_batch(CPU_KV_##type, rows, a, b);                                    \
  }
#define BODY_BATCHES(type) BODY_BATCH(type, 1) BODY_BATCH(type, 2) BODY_BATCH(type, 4) BODY_BATCH(type, 8)
BODY_BATCHES(F16)
BODY_BATCHES(I8)
BODY_BATCHES(F32)

/* Query `index` of the call, counted over heads within tokens. */
static void body_add_query(const cpu_attend *a, size_t index, size_t r, body_batch *b) {
  size_t token = index / a->heads, head = index % a->heads, position = a->position + token;
  b->q[r] = a->q + token * a->ldq + head * a->hd;
  b->out[r] = a->out + token * a->ldo + head * a->hd;
  b->high[r] = position;
  b->low[r] = a->window && position >= a->window ? position - a->window + 1 : 0;
}

static void body_attend_cache(const cpu_attend *a) {
#define BODY_ROW(type) {body_batch_##type##_1, body_batch_##type##_2, body_batch_##type##_4, body_batch_##type##_8}
  static body_batch_fn *const batches[3][4] = {BODY_ROW(F16), BODY_ROW(I8), BODY_ROW(F32)};
#undef BODY_ROW
  body_batch b;
  size_t count = a->tokens * a->heads;
  for (size_t i = 0, rows; i < count; i += rows) {
    int size = count - i >= 8 ? 3 : count - i >= 4 ? 2 : count - i >= 2 ? 1 : 0;
    rows = (size_t)1 << size;
    for (size_t r = 0; r < rows; r++) body_add_query(a, i + r, r, &b);
    b.first = b.low[0] / 16 * 16; /* the first query sees the lowest, the last the highest position */
    b.end = (b.high[rows - 1] / 16 + 1) * 16;
    b.scores = a->scratch;
    b.width = b.end - b.first;
    batches[a->type][size](a, &b);
  }
}

/* ---- writing ---- */

static float body_kv_scale(const float *x, size_t n, float *factor) {
  vf largest = vf_set1(0.0f);
  for (size_t i = 0; i < n; i += 16) largest = vf_max(largest, vf_abs(body_load(x + i, body_step(n - i))));
  float max = vf_max_fold(largest);
  bool tiny = !(max >= CPU_QUANT_TINY);
  *factor = tiny ? 0.0f : 127.0f / max;
  return tiny ? 0.0f : max / 127.0f;
}

/* 16 values as the cache holds them. */
BODY_INLINE void body_kv_16(cpu_kv_type type, vf v, vf factor, unsigned char *to) {
  vf limit = vf_set1(127.0f);
  if (type == CPU_KV_F32) vf_store((float *)(void *)to, v);
  if (type == CPU_KV_F16) vf_store_half(to, v);
  if (type == CPU_KV_I8) vf_store_i8((int8_t *)to, vf_min(vf_max(vf_mul(v, factor), vf_neg(limit)), limit), 16);
}

BODY_INLINE size_t body_kv_each(cpu_kv_type type) { return type == CPU_KV_F32 ? 4 : type == CPU_KV_F16 ? 2 : 1; }

/* The value of one position, in a row of whole vectors. */
BODY_INLINE void body_put_value(cpu_kv_type type, const cpu_kv_rows *p, size_t r) {
  size_t row_bytes = cpu_kv_row_bytes(type, p->hd);
  unsigned char *row = p->values + (p->position + r) * row_bytes;
  const float *v = p->v + r * p->ld;
  float factor = 0.0f;
  if (type == CPU_KV_I8) {
    float scale = body_kv_scale(v, p->hd, &factor);
    memcpy(row + row_bytes - 64, &scale, 4);
  }
  for (size_t i = 0; i < p->hd; i += 16)
    body_kv_16(type, body_load(v + i, body_step(p->hd - i)), vf_set1(factor), row + i * body_kv_each(type));
}

/* The key of one position, scattered over its tile, one store an element. */
BODY_INLINE void body_put_key(cpu_kv_type type, const cpu_kv_rows *p, size_t r) {
  size_t tile_bytes = cpu_kv_tile_bytes(type, p->hd), lane = (p->position + r) % 16, each = body_kv_each(type);
  unsigned char *tile = p->keys + (p->position + r) / 16 * tile_bytes;
  const float *k = p->k + r * p->ld;
  float factor = 0.0f;
  if (type == CPU_KV_I8) {
    float scale = body_kv_scale(k, p->hd, &factor);
    memcpy(tile + tile_bytes - 64 + 4 * lane, &scale, 4);
  }
  for (size_t i = 0; i < p->hd; i += 16) {
    unsigned char sixteen[64];
    size_t n = body_step(p->hd - i);
    body_kv_16(type, body_load(k + i, n), vf_set1(factor), sixteen);
    for (size_t j = 0; j < n; j++) memcpy(tile + ((i + j) * 16 + lane) * each, sixteen + j * each, each);
  }
}

/* n elements of 16 rows, turned around: t[i] are their elements i. */
BODY_INLINE void body_turn(const float *x, size_t ld, size_t n, vf *t) {
#if defined(VEC_TURN)
  vf row[16];
  BODY_UNROLL
  for (size_t r = 0; r < 16; r++) row[r] = body_load(x + r * ld, n);
  vec_turn(row, t);
#else
  _Alignas(64) float square[16 * 16];
  for (size_t i = 0; i < n; i += 4)
    for (size_t r = 0; r < 16; r += 4) vec_transpose4(x + r * ld + i, ld, square + 16 * i + r, 16);
  for (size_t i = 0; i < n; i++) t[i] = vf_load(square + 16 * i);
#endif
}

/* The keys of a whole tile, r on; hd is a multiple of 4. */
BODY_INLINE void body_put_tile(cpu_kv_type type, const cpu_kv_rows *p, size_t r) {
  size_t tile_bytes = cpu_kv_tile_bytes(type, p->hd), each = body_kv_each(type);
  unsigned char *tile = p->keys + (p->position + r) / 16 * tile_bytes;
  const float *k = p->k + r * p->ld;
  _Alignas(64) float factor[16] = {0}, scale[16];
  for (size_t j = 0; j < 16 && type == CPU_KV_I8; j++) scale[j] = body_kv_scale(k + j * p->ld, p->hd, &factor[j]);
  if (type == CPU_KV_I8) memcpy(tile + tile_bytes - 64, scale, sizeof scale);
  for (size_t i = 0; i < p->hd; i += 16) {
    size_t n = body_step(p->hd - i);
    vf turned[16];
    body_turn(k + i, p->ld, n, turned);
    for (size_t j = 0; j < n; j++) body_kv_16(type, turned[j], vf_load(factor), tile + (i + j) * 16 * each);
  }
}

/* `type` is constant where this is expanded. */
BODY_INLINE void body_kv_put_as(cpu_kv_type type, const cpu_kv_rows *p) {
  for (size_t r = 0; r < p->n; r++) body_put_value(type, p, r);
  for (size_t r = 0, rows; r < p->n; r += rows) {
    rows = (p->position + r) % 16 == 0 && p->n - r >= 16 && p->hd % 4 == 0 ? 16 : 1;
    if (rows == 16) body_put_tile(type, p, r);
    else body_put_key(type, p, r);
  }
}

static void body_kv_put(const cpu_kv_rows *p) {
  switch (p->type) {
    case CPU_KV_F16: body_kv_put_as(CPU_KV_F16, p); break;
    case CPU_KV_I8: body_kv_put_as(CPU_KV_I8, p); break;
    default: body_kv_put_as(CPU_KV_F32, p); break;
  }
}
