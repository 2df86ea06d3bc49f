/* AdamW over the flat parameter arrays, clipped by the global gradient norm, with a moving average of the
 * weights. Chunks go to the pool; the norm is summed chunk by chunk in order. */
#include <math.h>
#include <string.h>

#include "train/net.h"

enum { CHUNK = 16384 };

typedef struct step_task {
  train_net *n;
  const train_options *o;
  const cpu_kernels *k;
  const train_param *p;
  float rate, decay, c1, c2, grad_scale;
} step_task;

static void step_chunk(void *ctx, size_t index, int worker) {
  const step_task *task = ctx;
  train_net *n = task->n;
  size_t count = task->p->rows * task->p->cols, at = index * CHUNK;
  size_t len = count - at < CHUNK ? count - at : CHUNK, base = task->p->offset + at;
  float keep = task->o->average, *average = n->average + base, *w = n->w + base;
  (void)worker;
  task->k->adamw(w, n->g + base, n->m + base, n->v + base, len, task->rate, 0.9f, task->o->beta2, 1e-8f,
                 task->decay, task->c1, task->c2, task->grad_scale);
  memset(n->g + base, 0, len * sizeof(float));
  if (keep > 0.0f)
    for (size_t i = 0; i < len; i++) average[i] += (1.0f - keep) * (w[i] - average[i]);
}

/* Gradients of one parameter to zero, its average moved: what follows a Muon step. */
static void finish(train_net *n, const train_param *p, float keep) {
  size_t count = p->rows * p->cols;
  float *w = n->w + p->offset, *average = n->average + p->offset;
  memset(n->g + p->offset, 0, count * sizeof(float));
  if (keep > 0.0f)
    for (size_t i = 0; i < count; i++) average[i] += (1.0f - keep) * (w[i] - average[i]);
}

double train_step(train_net *n, const train_options *o, uint64_t step, float rate, float *muon_work) {
  const cpu_kernels *k = o->kernels;
  double sum = 0.0;
  for (size_t at = 0; at < n->size; at += CHUNK) {
    size_t len = n->size - at < CHUNK ? n->size - at : CHUNK;
    sum += (double)k->dot(n->g + at, n->g + at, len);
  }
  double norm = sqrt(sum);
  float scale = o->clip > 0.0f && norm > (double)o->clip ? (float)((double)o->clip / norm) : 1.0f;
  for (size_t i = 0; i < n->n_params; i++) {
    const train_param *p = &n->param[i];
    if (o->muon && train_muon_applies(n, i)) {
      train_muon_step(n, i, k, o->pool, rate * o->trunk_rate, o->decay, scale, muon_work);
      finish(n, p, o->average);
      continue;
    }
    step_task task = {.n = n, .o = o, .k = k, .p = p, .grad_scale = scale};
    task.rate = p->head ? rate : rate * o->trunk_rate;
    task.decay = p->decay ? o->decay : 0.0f;
    task.c1 = (float)(1.0 / (1.0 - pow(0.9, (double)step)));
    task.c2 = (float)(1.0 / (1.0 - pow((double)o->beta2, (double)step)));
    os_pool_run(o->pool, step_chunk, &task, (p->rows * p->cols + CHUNK - 1) / CHUNK);
  }
  return norm;
}

float train_schedule(uint64_t step, uint64_t steps, float warmup) {
  double at = (double)step / (double)(steps ? steps : 1), up = (double)warmup;
  if (at < up) return (float)(at / up);
  double done = (at - up) / (1.0 - up);
  if (done > 1.0) done = 1.0;
  return (float)(0.02 + 0.98 * 0.5 * (1.0 + cos(3.14159265358979323846 * done)));
}

void train_swap_average(train_net *n) {
  float *w = n->w;
  n->w = n->average;
  n->average = w;
}
