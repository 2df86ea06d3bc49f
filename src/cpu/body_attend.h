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

/* Scores of one query to exponentials, 0 where it does not see; the reciprocal of their sum. */
static float body_soften(const cpu_attend *a, const body_batch *b, size_t r) {
  float *row = b->scores + r * b->width;
  size_t n = b->end - b->first, from = b->low[r] - b->first, to = b->high[r] - b->first + 1;
  vf max = vf_set1(-INFINITY), sum = vf_set1(0.0f);
  if (a->cap > 0.0f) body_soft_cap(row, n, a->cap);
  for (size_t j = 0; j < from; j++) row[j] = -INFINITY;
  for (size_t j = 0; j < n; j += 16) {
    vf score = vf_load(row + j);
    if (j + 16 > to) { /* not seen, or what a cache holds behind its last position */
      score = j < to ? vf_first(score, to - j, -INFINITY) : vf_set1(-INFINITY);
      vf_store(row + j, score); /* a vector: sixteen single stores would make the load behind them wait */
    }
    max = vf_max(max, score);
  }
  vf shift = vf_set1(vf_max_fold(max));
  for (size_t j = 0; j < n; j += 16) {
    vf e = body_exp(vf_sub(vf_load(row + j), shift));
    sum = vf_add(sum, e);
    vf_store(row + j, e);
  }
  return 1.0f / vf_sum(sum);
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
  for (size_t r = 0; r < rows; r++) factor[r] = body_soften(a, b, r);
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

/* 16 elements of x (0 where there are none) as the cache holds them. */
BODY_INLINE void body_kv_16(cpu_kv_type type, const float *x, size_t n, float factor, unsigned char *to) {
  vf v = body_load(x, n), limit = vf_set1(127.0f);
  if (type == CPU_KV_F32) vf_store((float *)(void *)to, v);
  if (type == CPU_KV_F16) vf_store_half(to, v);
  if (type == CPU_KV_I8)
    vf_store_i8((int8_t *)to, vf_min(vf_max(vf_mul(v, vf_set1(factor)), vf_neg(limit)), limit), 16);
}

/* `type` is constant where this is expanded: keys are scattered over their tile, one store an element. */
BODY_INLINE void body_kv_put_as(cpu_kv_type type, size_t hd, size_t position, const float *k, const float *v,
                                unsigned char *keys, unsigned char *values) {
  size_t each = type == CPU_KV_F32 ? 4 : type == CPU_KV_F16 ? 2 : 1, row_bytes = cpu_kv_row_bytes(type, hd);
  size_t tile_bytes = cpu_kv_tile_bytes(type, hd), lane = position % 16;
  unsigned char *tile = keys + position / 16 * tile_bytes, *row = values + position * row_bytes;
  float key_factor = 0.0f, value_factor = 0.0f;
  if (type == CPU_KV_I8) {
    float key_scale = body_kv_scale(k, hd, &key_factor), value_scale = body_kv_scale(v, hd, &value_factor);
    memcpy(tile + tile_bytes - 64 + 4 * lane, &key_scale, 4);
    memcpy(row + row_bytes - 64, &value_scale, 4);
  }
  for (size_t i = 0; i < hd; i += 16) {
    unsigned char sixteen[64];
    size_t n = body_step(hd - i);
    body_kv_16(type, v + i, n, value_factor, row + i * each);
    body_kv_16(type, k + i, n, key_factor, sixteen);
    for (size_t j = 0; j < n; j++) memcpy(tile + ((i + j) * 16 + lane) * each, sixteen + j * each, each);
  }
}

static void body_kv_put(cpu_kv_type type, size_t hd, size_t position, const float *k, const float *v,
                        unsigned char *keys, unsigned char *values) {
  switch (type) {
    case CPU_KV_F16: body_kv_put_as(CPU_KV_F16, hd, position, k, v, keys, values); break;
    case CPU_KV_I8: body_kv_put_as(CPU_KV_I8, hd, position, k, v, keys, values); break;
    default: body_kv_put_as(CPU_KV_F32, hd, position, k, v, keys, values); break;
  }
}
