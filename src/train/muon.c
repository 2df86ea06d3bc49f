/* Muon (Jordan et al. 2024): the update of a hidden matrix is its momentum made orthogonal by a Newton-Schulz
 * iteration, so that all directions learn at one pace. Scaled by 0.2 sqrt(larger side) as in Moonlight (Liu
 * et al. 2025), which lets it share AdamW's learning rate and decay. Fused matrices are taken apart first. */
#include <math.h>
#include <string.h>

#include "train/net.h"

enum { ITERATIONS = 5 };

/* Rows [first, first + rows) of a parameter, treated as a matrix of its own. */
typedef struct part {
  size_t offset, rows, cols;
} part;

static size_t parts_of(const train_net *n, size_t index, part out[3]) {
  const model_shape *s = &n->shape;
  const train_param *p = &n->param[index];
  size_t q = (size_t)s->heads * s->head_dim, kv = (size_t)s->kv_heads * s->head_dim,
         rows[3] = {p->rows, 0, 0}, count = 0, at = 0;
  for (uint32_t i = 0; i < s->layers; i++) {
    if ((int)index == n->layer[i].qkv) {
      rows[0] = q;
      rows[1] = rows[2] = kv;
    } else if ((int)index == n->layer[i].gate_up) {
      rows[0] = rows[1] = s->ff;
    }
  }
  for (size_t i = 0; i < 3 && rows[i]; at += rows[i++])
    out[count++] = (part){p->offset + at * p->cols, rows[i], p->cols};
  return count;
}

bool train_muon_applies(const train_net *n, size_t index) {
  const train_param *p = &n->param[index];
  return p->decay && !p->head && p->rows > 1;
}

/* Floats of the largest matrix, of the larger Gram side, of the products' scratch. */
typedef struct sizes {
  size_t matrix, side, gemm;
} sizes;

static sizes sizes_of(const train_net *n) {
  sizes s = {0};
  for (size_t i = 0; i < n->n_params; i++) {
    const train_param *p = &n->param[i];
    size_t small = p->rows < p->cols ? p->rows : p->cols, large = p->rows < p->cols ? p->cols : p->rows;
    size_t gemm = cpu_gemm_f32_scratch(large, large);
    if (!train_muon_applies(n, i)) continue;
    if (p->rows * p->cols > s.matrix) s.matrix = p->rows * p->cols;
    if (small > s.side) s.side = small;
    if (gemm > s.gemm) s.gemm = gemm;
  }
  return s;
}

size_t train_muon_work(const train_net *n, int threads) {
  sizes s = sizes_of(n);
  return 2 * s.matrix + 2 * s.side * s.side + s.gemm * (size_t)threads;
}

typedef struct muon {
  const cpu_kernels *k;
  os_pool *pool;
  float *x, *y, *a, *b, *gemm;
} muon;

static void product(const muon *u, bool ta, bool tb, size_t m, size_t n, size_t k, const float *a,
                    const float *b, float *c) {
  cpu_gemm_f32(u->k, u->pool, ta, tb, m, n, k, a, ta ? m : k, b, tb ? k : n, c, n, false, u->gemm);
}

/* x [r][c] towards the nearest orthogonal matrix: x <- 3.4445 x - 4.7750 g x + 2.0315 g^2 x with the smaller
 * Gram matrix g. */
static void orthogonalise(muon *u, size_t r, size_t c) {
  bool wide = r < c;
  size_t n = wide ? r : c;
  float *from = u->x, *to = u->y;
  for (int i = 0; i < ITERATIONS; i++) {
    if (wide)
      product(u, false, true, r, r, c, from, from, u->a);
    else
      product(u, true, false, c, c, r, from, from, u->a);
    product(u, false, false, n, n, n, u->a, u->a, u->b);
    for (size_t j = 0; j < n * n; j++) u->b[j] = 2.0315f * u->b[j] - 4.7750f * u->a[j];
    for (size_t j = 0; j < n; j++) u->b[j * n + j] += 3.4445f;
    if (wide)
      product(u, false, false, r, c, r, u->b, from, to);
    else
      product(u, false, false, r, c, c, from, u->b, to);
    float *swap = from;
    from = to;
    to = swap;
  }
  if (from != u->x) memcpy(u->x, from, r * c * sizeof(float));
}

static void step_part(train_net *n, const part *p, muon *u, float rate, float decay, float grad_scale) {
  size_t count = p->rows * p->cols;
  float *w = n->w + p->offset, *g = n->g + p->offset, *m = n->m + p->offset;
  for (size_t i = 0; i < count; i++) {
    m[i] = 0.95f * m[i] + grad_scale * g[i];
    u->x[i] = grad_scale * g[i] + 0.95f * m[i]; /* Nesterov */
  }
  float norm = sqrtf(u->k->dot(u->x, u->x, count)) + 1e-7f, inv = 1.0f / norm;
  for (size_t i = 0; i < count; i++) u->x[i] *= inv;
  orthogonalise(u, p->rows, p->cols);
  float step = rate * 0.2f * sqrtf((float)(p->rows > p->cols ? p->rows : p->cols)),
        keep = 1.0f - rate * decay;
  for (size_t i = 0; i < count; i++) w[i] = w[i] * keep - step * u->x[i];
}

void train_muon_step(train_net *n, size_t index, const cpu_kernels *k, os_pool *pool, float rate, float decay,
                     float grad_scale, float *work) {
  sizes s = sizes_of(n);
  part parts[3];
  muon u = {.k = k, .pool = pool, .x = work, .y = work + s.matrix};
  u.a = u.y + s.matrix;
  u.b = u.a + s.side * s.side;
  u.gemm = u.b + s.side * s.side;
  size_t count = parts_of(n, index, parts);
  for (size_t i = 0; i < count; i++) step_part(n, &parts[i], &u, rate, decay, grad_scale);
}
