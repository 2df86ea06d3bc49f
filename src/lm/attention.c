/* lm/attention: softmax(q k / sqrt(hd)) v over what the cache holds of a row's sequence up to the row's position
 * (Vaswani et al. 2017), heads of one group reading the same keys (Ainslie et al. 2023). */
#include "lm/internal.h"

/* The heads of `group` that share kv head g, for one row. */
static void attend_group(const lm_worker *w, const lm_layer *l, size_t row, uint32_t g) {
  const lm_model *m = w->p->m;
  const lm_scratch *s = &m->scratch;
  const cpu_kernels *k = m->kernels;
  uint32_t group = l->heads / l->kv_heads, position = s->position[row], sequence = s->sequence[row];
  uint32_t first = l->window > 0 && position >= l->window ? position - l->window + 1 : 0;
  size_t hd = m->head_dim, n = position - first + 1, at = (row * l->heads + (size_t)g * group) * hd;
  const float *q = s->q + at; /* [group][hd] */
  float *out = s->attended + at;
  float *scores = s->scores + (size_t)w->me * m->max_group * m->context; /* [group][n] */
  float *cached = s->row + (size_t)w->me * s->row_floats;               /* [hd] */
  const unsigned char *keys = lm_cache_keys(w->p->c, l, sequence, g);
  const unsigned char *values = lm_cache_values(w->p->c, l, sequence, g);

  for (size_t j = 0; j < n; j++) { /* scores = q k * scale */
    lm_cache_get(w->p->c, keys, first + (uint32_t)j, cached);
    for (uint32_t h = 0; h < group; h++) scores[h * n + j] = k->dot(q + h * hd, cached, hd) * m->attention_scale;
  }
  for (uint32_t h = 0; h < group; h++) { /* weights = softmax(scores) */
    lm_soft_cap(scores + h * n, n, m->attention_cap);
    k->softmax(scores + h * n, n);
  }
  for (size_t i = 0; i < group * hd; i++) out[i] = 0.0F; /* out = weights v */
  for (size_t j = 0; j < n; j++) {
    lm_cache_get(w->p->c, values, first + (uint32_t)j, cached);
    for (uint32_t h = 0; h < group; h++) k->axpy(scores[h * n + j], cached, hd, out + h * hd);
  }
}

void lm_attend(const lm_worker *w, const lm_layer *l) {
  size_t units = w->p->rows * l->kv_heads;
  for (size_t u = (size_t)w->me; u < units; u += (size_t)w->of)
    attend_group(w, l, u / l->kv_heads, (uint32_t)(u % l->kv_heads));
}
