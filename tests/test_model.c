/* The trunk against its formula written a second time, in double precision and the plainest loops; the same
 * bits from every kernel table; files that are wrong in one place; no allocation in a pass. */
#include <math.h>

#include "counting.h"
#include "failing.h"
#include "tiny_brain.h"

enum { MOST_TOKENS = 64 };

static const model_shape SHAPES[] = {
    {.vocab = 0,
     .d = 16,
     .layers = 1,
     .heads = 1,
     .kv_heads = 1,
     .head_dim = 16,
     .ff = 16,
     .max_tokens = 48,
     .cases = 3,
     .rope_base = 10000.0f,
     .eps = 1e-5f},
    {.vocab = 0,
     .d = 48,
     .layers = 3,
     .heads = 4,
     .kv_heads = 2,
     .head_dim = 16,
     .ff = 80,
     .max_tokens = 64,
     .cases = 3,
     .rope_base = 500.0f,
     .eps = 1e-6f},
    {.vocab = 0,
     .d = 64,
     .layers = 2,
     .heads = 6,
     .kv_heads = 1,
     .head_dim = 32,
     .ff = 144,
     .max_tokens = 64,
     .cases = 3,
     .rope_base = 10000.0f,
     .eps = 1e-3f},
};

typedef struct opened {
  base_buf bytes;
  void *block;
  gguf_file *file;
  model_trunk trunk;
} opened;

static void open_trunk(opened *o, const model_shape *shape, uint64_t seed) {
  base_error err = {0};
  o->bytes = tiny_brain(shape, 0, 0, false, seed);
  o->block = tiny_aligned(&o->bytes);
  TAP_OK(gguf_open_bytes(&o->file, o->block, o->bytes.len, "tiny", NULL, &err) == BASE_OK, "%s", err.text);
  TAP_OK(model_trunk_bind(&o->trunk, o->file, &err) == BASE_OK, "%s: %s", err.where, err.text);
}

static void close_trunk(opened *o) {
  gguf_close(o->file);
  free(o->block);
  base_buf_free(&o->bytes);
}

static void random_tokens(const model_shape *s, size_t t, uint16_t *ids, uint8_t *cases, base_rng *rng) {
  for (size_t i = 0; i < t; i++) {
    ids[i] = (uint16_t)base_rng_below(rng, s->vocab);
    cases[i] = (uint8_t)base_rng_below(rng, s->cases);
  }
  ids[0] = TOK_CLS;
  cases[0] = 0;
}

/* ---- the formula of model.h again ---- */

typedef struct reference {
  const model_trunk *m;
  bool quantised;   /* activations rounded to int8 before each product, as the engine does */
  bool no_rotation; /* wrong on purpose: the comparison has to notice */
} reference;

/* The byte of row n, column k, from the description of the packed layout in cpu.h. */
static double weight_at(const cpu_weights_i8 *w, size_t n, size_t k) {
  size_t columns = (w->k + 3) / 4 * 4;
  return (double)w->packed[((n / 16) * (columns / 4) + k / 4) * 64 + (n % 16) * 4 + k % 4] *
         (double)w->scale[n];
}

static void multiply(const reference *r, const cpu_weights_i8 *w, const double *x, double *y, bool add) {
  double *in = calloc(w->k, sizeof *in), most = 0.0;
  for (size_t k = 0; k < w->k; k++) most = fabs(x[k]) > most ? fabs(x[k]) : most;
  for (size_t k = 0; k < w->k; k++)
    in[k] = r->quantised && most > 0.0 ? rint(x[k] * 127.0 / most) * most / 127.0 : x[k];
  for (size_t n = 0; n < w->n; n++) {
    double sum = 0.0;
    for (size_t k = 0; k < w->k; k++) sum += weight_at(w, n, k) * in[k];
    y[n] = add ? y[n] + sum : sum;
  }
  free(in);
}

static void normalise(const double *x, const float *weight, size_t d, double eps, double *y) {
  double squares = 0.0;
  for (size_t j = 0; j < d; j++) squares += x[j] * x[j];
  for (size_t j = 0; j < d; j++) y[j] = x[j] / sqrt(squares / (double)d + eps) * (double)weight[j];
}

/* Pairs (i, i + hd/2) turned by position * base^(-2 i / hd). */
static void rotate(const reference *r, double *x, size_t position) {
  size_t hd = r->m->shape.head_dim;
  for (size_t i = 0; i < hd / 2 && !r->no_rotation; i++) {
    double angle = (double)position * pow((double)r->m->shape.rope_base, -2.0 * (double)i / (double)hd);
    double a = x[i], b = x[i + hd / 2];
    x[i] = a * cos(angle) - b * sin(angle);
    x[i + hd / 2] = a * sin(angle) + b * cos(angle);
  }
}

/* One head of one query: out [hd] = softmax(q . k / sqrt(hd)) v over all tokens. */
static void attend(const double *q, const double *k, const double *v, size_t t, size_t ld, size_t hd,
                   double *out) {
  double p[MOST_TOKENS], most = -1e300, sum = 0.0;
  for (size_t i = 0; i < t; i++) {
    p[i] = 0.0;
    for (size_t j = 0; j < hd; j++) p[i] += q[j] * k[i * ld + j];
    p[i] /= sqrt((double)hd);
    most = p[i] > most ? p[i] : most;
  }
  for (size_t i = 0; i < t; i++) sum += p[i] = exp(p[i] - most);
  for (size_t j = 0; j < hd; j++) {
    out[j] = 0.0;
    for (size_t i = 0; i < t; i++) out[j] += p[i] / sum * v[i * ld + j];
  }
}

static void reference_layer(const reference *r, const model_layer *l, double *h, size_t t) {
  const model_shape *s = &r->m->shape;
  size_t d = s->d, hd = s->head_dim, rows = model_qkv_rows(s), nq = s->heads * hd,
         group = s->heads / s->kv_heads;
  double *n = calloc(d, sizeof *n), *qkv = calloc(t * rows, sizeof *qkv), *mixed = calloc(nq, sizeof *mixed);
  double *both = calloc(2 * (size_t)s->ff, sizeof *both);
  for (size_t i = 0; i < t; i++) {
    normalise(h + i * d, l->attn_norm, d, (double)s->eps, n);
    multiply(r, &l->qkv, n, qkv + i * rows, false);
    for (size_t head = 0; head < s->heads + s->kv_heads; head++) rotate(r, qkv + i * rows + head * hd, i);
  }
  for (size_t i = 0; i < t; i++) {
    for (size_t head = 0; head < s->heads; head++) {
      const double *k = qkv + nq + head / group * hd, *v = k + s->kv_heads * hd;
      attend(qkv + i * rows + head * hd, k, v, t, rows, hd, mixed + head * hd);
    }
    multiply(r, &l->attn_out, mixed, h + i * d, true);
  }
  for (size_t i = 0; i < t; i++) {
    normalise(h + i * d, l->ffn_norm, d, (double)s->eps, n);
    multiply(r, &l->gate_up, n, both, false);
    for (size_t j = 0; j < s->ff; j++) both[j] = both[j] / (1.0 + exp(-both[j])) * both[s->ff + j];
    multiply(r, &l->ffn_down, both, h + i * d, true);
  }
  free(n);
  free(qkv);
  free(mixed);
  free(both);
}

static void reference_forward(const reference *r, const uint16_t *ids, const uint8_t *cases, size_t t,
                              double *out) {
  const model_trunk *m = r->m;
  size_t d = m->shape.d;
  double *h = calloc(t * d, sizeof *h);
  for (size_t i = 0; i < t; i++)
    for (size_t j = 0; j < d; j++)
      h[i * d + j] = (double)m->embedding[ids[i] * d + j] * (double)m->embedding_scale[ids[i]] +
                     (double)m->case_embedding[cases[i] * d + j];
  for (uint32_t i = 0; i < m->shape.layers; i++) reference_layer(r, &m->layer[i], h, t);
  for (size_t i = 0; i < t; i++) normalise(h + i * d, m->output_norm, d, (double)m->shape.eps, out + i * d);
  free(h);
}

/* Root of the mean squared difference, as a share of the root mean square. */
static double difference(const double *want, const float *got, size_t n) {
  double wrong = 0.0, all = 0.0;
  for (size_t i = 0; i < n; i++) {
    wrong += (want[i] - (double)got[i]) * (want[i] - (double)got[i]);
    all += want[i] * want[i];
  }
  return sqrt(wrong / all);
}

static void test_formula(void) {
  static const size_t lengths[] = {1, 2, 3, 7, 16, 17, 40};
  base_rng rng;
  base_rng_seed(&rng, 21);
  double worst_exact = 0.0, worst_quantised = 0.0, least_wrong = 1.0;
  for (size_t k = 0; k < sizeof SHAPES / sizeof SHAPES[0]; k++) {
    opened o = {0};
    open_trunk(&o, &SHAPES[k], 40 + k);
    const model_shape *s = &o.trunk.shape;
    model_scratch *scratch = model_scratch_new(s, s->max_tokens, NULL);
    double *want = calloc(MOST_TOKENS * s->d, sizeof *want);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
      size_t t = lengths[i];
      uint16_t ids[MOST_TOKENS];
      uint8_t cases[MOST_TOKENS];
      random_tokens(s, t, ids, cases, &rng);
      const float *got = model_trunk_forward(&o.trunk, cpu_best(), ids, cases, t, scratch);
      reference_forward(&(reference){.m = &o.trunk}, ids, cases, t, want);
      double exact = difference(want, got, t * s->d);
      reference_forward(&(reference){.m = &o.trunk, .quantised = true}, ids, cases, t, want);
      double quantised = difference(want, got, t * s->d);
      TAP_OK(exact < 0.06, "shape %zu, %zu tokens: %.4f from the formula", k, t, exact);
      TAP_OK(quantised < 0.002, "shape %zu, %zu tokens: %.5f from the formula with int8 activations", k, t,
             quantised);
      worst_exact = exact > worst_exact ? exact : worst_exact;
      worst_quantised = quantised > worst_quantised ? quantised : worst_quantised;
      if (t < 3) continue;
      reference_forward(&(reference){.m = &o.trunk, .quantised = true, .no_rotation = true}, ids, cases, t,
                        want);
      double wrong = difference(want, got, t * s->d);
      least_wrong = wrong < least_wrong ? wrong : least_wrong;
    }
    free(want);
    model_scratch_free(scratch);
    close_trunk(&o);
  }
  printf("# worst difference %.4f, with int8 activations %.1e; without rotation at least %.4f\n", worst_exact,
         worst_quantised, least_wrong);
  TAP_OK(least_wrong > 2.0 * worst_quantised, "a formula without rotation would be noticed: %.4f",
         least_wrong);
}

/* ---- the same bits ---- */

static void test_same_bits(void) {
  base_rng rng;
  base_rng_seed(&rng, 22);
  for (size_t k = 0; k < sizeof SHAPES / sizeof SHAPES[0]; k++) {
    opened o = {0};
    open_trunk(&o, &SHAPES[k], 50 + k);
    const model_shape *s = &o.trunk.shape;
    size_t most = s->max_tokens;
    model_shape larger = {.vocab = s->vocab,
                          .d = 128,
                          .layers = 4,
                          .heads = 8,
                          .kv_heads = 8,
                          .head_dim = 32,
                          .ff = 256,
                          .max_tokens = 128,
                          .cases = 3,
                          .rope_base = 1e6f,
                          .eps = 1e-5f};
    model_scratch *scratch = model_scratch_new(s, most, NULL), *roomy = model_scratch_new(&larger, 128, NULL);
    float *first = calloc(most * s->d, sizeof *first);
    uint16_t ids[MOST_TOKENS];
    uint8_t cases[MOST_TOKENS];
    for (size_t t = 1; t <= most; t += t < 20 ? 1 : 11) {
      random_tokens(s, t, ids, cases, &rng);
      size_t bytes = t * s->d * sizeof(float);
      memcpy(first, model_trunk_forward(&o.trunk, cpu_named("scalar"), ids, cases, t, scratch), bytes);
      for (size_t i = 0; cpu_available(i) != NULL; i++) {
        const cpu_kernels *table = cpu_available(i);
        const float *got = model_trunk_forward(&o.trunk, table, ids, cases, t, i % 2 ? scratch : roomy);
        TAP_OK(memcmp(first, got, bytes) == 0, "shape %zu, %zu tokens: %s gives other bits", k, t,
               table->name);
      }
    }
    free(first);
    model_scratch_free(scratch);
    model_scratch_free(roomy);
    close_trunk(&o);
  }
}

/* One scratch for two trunks of other rotations, turn by turn. */
static void test_shared_scratch(void) {
  opened a = {0}, b = {0};
  uint16_t ids[8] = {TOK_CLS, 10, 20, 30, 40, 50, 60, 70};
  uint8_t cases[8] = {0, 1, 2, 0, 1, 2, 0, 1};
  open_trunk(&a, &SHAPES[1], 60);
  open_trunk(&b, &SHAPES[2], 61);
  model_shape both = SHAPES[2];
  model_scratch *own = model_scratch_new(&a.trunk.shape, 64, NULL),
                *shared = model_scratch_new(&both, 64, NULL);
  size_t bytes = 8 * a.trunk.shape.d * sizeof(float);
  float *want = calloc(1, bytes);
  memcpy(want, model_trunk_forward(&a.trunk, cpu_best(), ids, cases, 8, own), bytes);
  for (int i = 0; i < 3; i++) {
    model_trunk_forward(&b.trunk, cpu_best(), ids, cases, 8, shared);
    TAP_OK(memcmp(want, model_trunk_forward(&a.trunk, cpu_best(), ids, cases, 8, shared), bytes) == 0,
           "turn %d", i);
  }
  free(want);
  model_scratch_free(own);
  model_scratch_free(shared);
  close_trunk(&a);
  close_trunk(&b);
}

static void test_no_allocation(void) {
  opened o = {0};
  uint16_t ids[MOST_TOKENS];
  uint8_t cases[MOST_TOKENS];
  base_rng rng;
  base_rng_seed(&rng, 23);
  open_trunk(&o, &SHAPES[1], 70);
  failing f;
  base_allocator a = failing_allocator(&f, 0);
  TAP_OK(model_scratch_new(&o.trunk.shape, 64, &a) == NULL && f.held == 0, "no memory for the scratch");
  a = failing_allocator(&f, 1);
  model_scratch *scratch = model_scratch_new(&o.trunk.shape, 64, &a);
  TAP_OK(scratch != NULL, "the scratch is one block");
  random_tokens(&o.trunk.shape, 64, ids, cases, &rng);
  size_t before = counted_allocations;
  for (size_t t = 1; t <= 64; t += 7)
    for (size_t i = 0; cpu_available(i) != NULL; i++)
      model_trunk_forward(&o.trunk, cpu_available(i), ids, cases, t, scratch);
  size_t after = counted_allocations;
  if (COUNTING) TAP_OK(before > 0 && after == before, "%zu allocations in a pass", after - before);
  model_scratch_free(scratch);
  model_scratch_free(NULL);
  TAP_OK(f.held == 0, "%zu bytes left", f.held);
  close_trunk(&o);
}

/* ---- files that are wrong ---- */

/* The edited file must be refused, with a sentence that has `needle` in it. */
static void refuse(const base_buf *good, const tiny_edit *e, const char *needle) {
  base_buf bytes = tiny_edited(good, e);
  void *block = tiny_aligned(&bytes);
  gguf_file *f = NULL;
  base_error err = {0};
  model_trunk *m = calloc(1, sizeof *m);
  base_status st = gguf_open_bytes(&f, block, bytes.len, "tiny", NULL, &err);
  TAP_OK(st == BASE_OK, "still a GGUF file: %s", err.text);
  if (!st) st = model_trunk_bind(m, f, &err);
  TAP_OK(st != BASE_OK && strstr(err.text, needle) &&
             (strcmp(err.where, "tiny") == 0 || strstr(err.where, "model")),
         "%s changed (%d, %g): '%s' not in '%s: %s'", e->name, (int)e->change, e->number, needle, err.where,
         err.text);
  gguf_close(f);
  free(m);
  free(block);
  base_buf_free(&bytes);
}

static void test_keys(const base_buf *good) {
  static const struct {
    const char *key;
    double number;
    const char *needle;
  } wrong[] = {
      {"minnow.vocab_size", 260, "vocab ("},
      {"minnow.vocab_size", 65536, "vocab ("},
      {"minnow.vocab_size", 4294967295.0, "vocab ("},
      {"minnow.vocab_size", 262, "token_embd.weight"},
      {"minnow.embedding_length", 0, "d ("},
      {"minnow.embedding_length", 24, "d ("},
      {"minnow.embedding_length", 4112, "d ("},
      {"minnow.embedding_length", 32, "token_embd.weight"},
      {"minnow.block_count", 0, "layers"},
      {"minnow.block_count", 49, "layers"},
      {"minnow.block_count", 4, "blk.3."},
      {"minnow.attention.head_count", 0, "heads"},
      {"minnow.attention.head_count", 65, "heads"},
      {"minnow.attention.head_count", 3, "kv_heads"},
      {"minnow.attention.head_count", 8, "blk.0.attn_qkv.weight"},
      {"minnow.attention.head_count_kv", 0, "kv_heads"},
      {"minnow.attention.head_count_kv", 3, "kv_heads"},
      {"minnow.attention.head_count_kv", 8, "kv_heads"},
      {"minnow.attention.key_length", 8, "head_dim"},
      {"minnow.attention.key_length", 24, "head_dim"},
      {"minnow.attention.key_length", 144, "head_dim"},
      {"minnow.attention.key_length", 4294967280.0, "head_dim"},
      {"minnow.feed_forward_length", 0, "ff ("},
      {"minnow.feed_forward_length", 81, "ff ("},
      {"minnow.feed_forward_length", 16400, "ff ("},
      {"minnow.feed_forward_length", 96, "blk.0.ffn_gate_up.weight"},
      {"minnow.context_length", 7, "max_tokens"},
      {"minnow.context_length", 513, "max_tokens"},
      {"minnow.case_count", 2, "cases"},
      {"minnow.case_count", 4, "cases"},
      {"minnow.rope.freq_base", 0.5, "rope_base"},
      {"minnow.rope.freq_base", 1e9, "rope_base"},
      {"minnow.rope.freq_base", (double)NAN, "rope_base"},
      {"minnow.attention.layer_norm_rms_epsilon", 0, "eps"},
      {"minnow.attention.layer_norm_rms_epsilon", 0.5, "eps"},
      {"minnow.attention.layer_norm_rms_epsilon", (double)NAN, "eps"},
  };
  static const char *const keys[] = {
      "general.architecture",        "minnow.vocab_size",
      "minnow.embedding_length",     "minnow.block_count",
      "minnow.attention.head_count", "minnow.attention.head_count_kv",
      "minnow.attention.key_length", "minnow.feed_forward_length",
      "minnow.context_length",       "minnow.case_count",
      "minnow.rope.freq_base",       "minnow.attention.layer_norm_rms_epsilon"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    refuse(good, &(tiny_edit){.name = wrong[i].key, .change = TINY_NUMBER, .number = wrong[i].number},
           wrong[i].needle);
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    refuse(good, &(tiny_edit){.name = keys[i], .change = TINY_DROP}, keys[i]);
    const char *needle = i == 0 ? "not a Minnow trunk" : keys[i];
    refuse(good, &(tiny_edit){.name = keys[i], .change = TINY_STRING}, needle);
  }
}

static void test_tensors(const base_buf *good) {
  void *block = tiny_aligned(good);
  gguf_file *f = NULL;
  gguf_open_bytes(&f, block, good->len, "tiny", NULL, NULL);
  for (size_t i = 0; i < gguf_tensor_count(f); i++) {
    const gguf_tensor *t = gguf_tensor_at(f, i);
    char name[96];
    base_format(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
    refuse(good, &(tiny_edit){.name = name, .change = TINY_DROP}, name);
    refuse(good, &(tiny_edit){.name = name, .change = TINY_WIDER}, name);
    refuse(good, &(tiny_edit){.name = name, .change = TINY_LONGER}, name);
    double other = t->type == GGUF_T_F32 ? GGUF_T_I32 : t->type == GGUF_T_I8 ? GGUF_T_F32 : GGUF_T_I8;
    refuse(good, &(tiny_edit){.name = name, .change = TINY_TYPE, .number = other}, name);
  }
  gguf_close(f);
  free(block);
}

/* Weights of any bits: nothing to be right about but that the pass ends and stays inside its memory. */
static void test_any_bits(const base_buf *good) {
  static const uint32_t bits[] = {0x7fc00000, 0x7f800000, 0xff7fffff, 0x80808080,
                                  0x80000000, 0x00000001, 0x7f7fffff};
  static const char *const names[] = {
      "token_embd.weight",       "token_embd.scale",      "case_embd.weight",     "output_norm.weight",
      "blk.0.attn_norm.weight",  "blk.1.attn_qkv.weight", "blk.1.attn_qkv.scale", "blk.0.attn_output.row_sum",
      "blk.0.ffn_gate_up.scale", "blk.2.ffn_down.weight"};
  uint16_t ids[12] = {TOK_CLS, 9, 8, 200, 260, 4, 5, 6, 7, 100, 101, 102};
  uint8_t cases[12] = {0, 1, 2, 0, 1, 2, 0, 0, 0, 2, 1, 0};
  for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
      base_buf bytes =
          tiny_edited(good, &(tiny_edit){.name = names[n], .change = TINY_FILL, .bits = bits[i]});
      void *block = tiny_aligned(&bytes);
      gguf_file *f = NULL;
      model_trunk m;
      gguf_open_bytes(&f, block, bytes.len, "tiny", NULL, NULL);
      TAP_OK(f != NULL && model_trunk_bind(&m, f, NULL) == BASE_OK, "%s of %08x binds", names[n],
             (unsigned)bits[i]);
      model_scratch *scratch = model_scratch_new(&m.shape, 12, NULL);
      for (size_t k = 0; cpu_available(k) != NULL; k++)
        model_trunk_forward(&m, cpu_available(k), ids, cases, 12, scratch);
      model_scratch_free(scratch);
      gguf_close(f);
      free(block);
      base_buf_free(&bytes);
    }
}

static void test_parameters(void) {
  train_net *n = NULL;
  model_shape s = SHAPES[1];
  s.vocab = 300;
  TAP_OK(train_net_new(&n, &s, 1, NULL, NULL) == BASE_OK, "a net");
  uint64_t sum = 0;
  for (size_t i = 0; i < n->n_params; i++) sum += n->param[i].rows * n->param[i].cols;
  TAP_OK(model_parameters(&s) == sum, "%llu parameters, %llu in the trainer",
         (unsigned long long)model_parameters(&s), (unsigned long long)sum);
  train_net_free(n);
}

int main(void) {
  test_formula();
  test_same_bits();
  test_shared_scratch();
  test_no_allocation();
  base_buf good = tiny_brain(&SHAPES[1], 0, 0, false, 80);
  test_keys(&good);
  test_tensors(&good);
  test_any_bits(&good);
  base_buf_free(&good);
  test_parameters();
  return tap_done("test_model");
}
