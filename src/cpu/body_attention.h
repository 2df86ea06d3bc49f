/* Bidirectional attention of one sequence, one key-value head at a time: keys are turned into columns once,
 * then four query rows share each load of keys and values. Scores and outputs are matrix products, so each is
 * one chain. */
#define BODY_QUERIES 4u
#define BODY_HEAD_MAX 128u

typedef struct body_heads {
  const float *k, *v; /* of this key-value head, rows kv_ld apart */
  const float *keys; /* [hd][width] */
  float *scores; /* [BODY_QUERIES][width] */
  size_t q_ld, kv_ld, t, width, hd, window;
  float scale;
} body_heads;

/* keys [hd][width] from k [t][ld]; columns t.. are 0. */
static void body_turn_keys(const float *k, size_t ld, size_t t, size_t hd, size_t width, float *keys) {
  float rest[4 * BODY_HEAD_MAX]; /* the last rows with zeros below */
  for (size_t j = 0; j < width; j += 4) {
    const float *from = k + j * ld;
    size_t from_ld = ld;
    if (j + 4 > t) {
      memset(rest, 0, sizeof(rest));
      for (size_t r = 0; j + r < t; r++) memcpy(rest + r * hd, from + r * ld, hd * sizeof(float));
      from = rest;
      from_ld = hd;
    }
    for (size_t i = 0; i < hd; i += 4) vec_transpose4(from + i, from_ld, keys + i * width + j, width);
  }
}

/* scores [rows][width], columns first..end (multiples of 16) = scale q . k; minus infinity from t on. */
BODY_INLINE void body_scores(size_t rows, const body_heads *h, const float *q, size_t first, size_t end) {
  for (size_t j = first; j < end; j += 16) {
    vf acc[BODY_QUERIES];
    BODY_UNROLL
    for (size_t r = 0; r < rows; r++) acc[r] = vf_set1(0.0f);
    for (size_t i = 0; i < h->hd; i++) {
      vf column = vf_load(h->keys + i * h->width + j);
      BODY_UNROLL
      for (size_t r = 0; r < rows; r++) acc[r] = vf_fma(vf_set1(q[r * h->q_ld + i]), column, acc[r]);
    }
    BODY_UNROLL
    for (size_t r = 0; r < rows; r++) {
      vf score = vf_mul(acc[r], vf_set1(h->scale));
      vf_store(h->scores + r * h->width + j, vf_first(score, body_step(h->t - j), -INFINITY));
    }
  }
}

/* out [rows][hd] = scores times v over tokens first..end, each row times its factor */
BODY_INLINE void body_mix(size_t rows, const float *scores, size_t width, const float *v, size_t v_ld,
                          size_t hd, size_t first, size_t end, const float *factor, float *out,
                          size_t out_ld) {
  for (size_t i = 0; i < hd; i += 16) {
    vf acc[BODY_QUERIES];
    BODY_UNROLL
    for (size_t r = 0; r < rows; r++) acc[r] = vf_set1(0.0f);
    for (size_t j = first; j < end; j++) {
      vf value = vf_load(v + j * v_ld + i);
      BODY_UNROLL
      for (size_t r = 0; r < rows; r++) acc[r] = vf_fma(vf_set1(scores[r * width + j]), value, acc[r]);
    }
    BODY_UNROLL
    for (size_t r = 0; r < rows; r++) vf_store(out + r * out_ld + i, vf_mul(acc[r], vf_set1(factor[r])));
  }
}

/* Softmax of one row of scores over tokens low..high (inclusive) of the columns first..end; the rest become
 * 0. Gives 1 / sum, by which the terms are not yet multiplied. */
static float body_score_row(float *row, size_t t, size_t first, size_t end, size_t low, size_t high) {
  vf max = vf_set1(-INFINITY), sum = vf_set1(0.0f);
  for (size_t j = first; j < low; j++) row[j] = -INFINITY;
  for (size_t j = high + 1; j < end && j < t; j++) row[j] = -INFINITY;
  for (size_t j = first; j < end; j += 16) max = vf_max(max, vf_load(row + j));
  vf shift = vf_set1(vf_max_fold(max));
  for (size_t j = first; j < end; j += 16) {
    vf e = body_exp(vf_sub(vf_load(row + j), shift));
    sum = vf_add(sum, e);
    vf_store(row + j, e);
  }
  return 1.0f / vf_sum(sum);
}

BODY_INLINE void body_attend(size_t rows, const body_heads *h, const float *q, float *out, size_t row) {
  size_t reach = h->window ? h->window : h->t, last = row + rows - 1;
  size_t low = row > reach ? row - reach : 0, high = h->t - 1 - last > reach ? last + reach : h->t - 1;
  size_t first = low / 16 * 16, end = (high / 16 + 1) * 16;
  float factor[BODY_QUERIES];
  body_scores(rows, h, q, first, end);
  for (size_t r = 0; r < rows; r++) {
    size_t i = row + r;
    size_t from = i > reach ? i - reach : 0, to = h->t - 1 - i > reach ? i + reach : h->t - 1;
    factor[r] = body_score_row(h->scores + r * h->width, h->t, first, end, from, to);
  }
  body_mix(rows, h->scores, h->width, h->v, h->kv_ld, h->hd, low, high + 1, factor, out, h->q_ld);
}

#define BODY_ATTEND(rows)                                                                       \
  static void body_attend_##rows(const body_heads *h, const float *q, float *out, size_t row) { \
    body_attend(rows, h, q, out, row);                                                          \
  }
BODY_ATTEND(1)
BODY_ATTEND(2)
BODY_ATTEND(3)
BODY_ATTEND(4)

static void body_attention(const float *q, const float *k, const float *v, float *out, size_t t, size_t heads,
                           size_t kv_heads, size_t hd, size_t window, float *scratch) {
  typedef void attend_fn(const body_heads *, const float *, float *, size_t);
  static attend_fn *const attend[BODY_QUERIES] = {body_attend_1, body_attend_2, body_attend_3, body_attend_4};
  size_t width = (t + 15) / 16 * 16, group = heads / kv_heads, ld = heads * hd;
  body_heads h = {k,     v,  scratch, scratch + hd * width,   ld, kv_heads * hd, t,
                  width, hd, window,  1.0f / sqrtf((float)hd)};
  for (size_t n = 0; n < heads; n++) {
    if (n % group == 0) {
      h.k = k + n / group * hd;
      h.v = v + n / group * hd;
      body_turn_keys(h.k, h.kv_ld, t, hd, width, scratch);
    }
    for (size_t i = 0; i < t; i += BODY_QUERIES) {
      size_t rows = t - i < BODY_QUERIES ? t - i : BODY_QUERIES;
      attend[rows - 1](&h, q + i * ld + n * hd, out + i * ld + n * hd, i);
    }
  }
}
