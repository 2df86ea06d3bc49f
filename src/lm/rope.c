/* lm/rope: rotary positions. Every scaling a file can ask for ends as one frequency a pair and one magnitude, so
 * the pass itself knows nothing of scalings. Angles are computed in double and rounded to float at the end. */
#include "lm/internal.h"

#include <math.h>

/* ---- scalings ---- */

/* The pair at which a rotation makes `turns` turns within `length` positions (YaRN, Peng et al. 2023). */
static double turning_pair(double turns, double length, double base, uint32_t dims) {
  return dims * log(length / (turns * 2.0 * 3.14159265358979323846)) / (2.0 * log(base));
}

/* YaRN: slow pairs are interpolated, fast ones left alone, a ramp between; attention gets a temperature. */
static void scale_yarn(lm_binder *b, lm_rope *r, double factor, uint32_t original) {
  uint32_t dims = b->m->rope_dims;
  double fast = (double)lm_key_f32_or(b, "rope.scaling.yarn_beta_fast", 0.001F, 1e6F, 32.0F);
  double slow = (double)lm_key_f32_or(b, "rope.scaling.yarn_beta_slow", 0.001F, 1e6F, 1.0F);
  double first = turning_pair(fast, original, r->base, dims), last = turning_pair(slow, original, r->base, dims);
  bool whole = lm_key_bool_or(b, "rope.scaling.yarn_truncate", true); /* false: as gpt-oss has it */
  double low = fmax(whole ? floor(first) : first, 0.0), high = fmin(whole ? ceil(last) : last, dims - 1.0);
  for (uint32_t i = 0; i < dims / 2; i++) {
    double ramp = fmin(fmax((i - low) / fmax(high - low, 0.001), 0.0), 1.0);
    r->frequency[i] *= ramp / factor + (1.0 - ramp);
  }
  double usual = factor > 1.0 ? 1.0 + 0.1 * log(factor) : 1.0;
  r->magnitude = (double)lm_key_f32_or(b, "rope.scaling.yarn_attn_factor", 1e-3F, 1e3F, (float)usual) *
                 (double)lm_key_f32_or(b, "rope.scaling.attn_factor", 1e-3F, 1e3F, 1.0F);
}

/* Factors a pair out of the file: llama 3 has one set, LongRoPE one for short and one for long contexts. The
 * context the model is opened with chooses, for all positions alike. */
static void divide_by_factors(lm_binder *b, lm_rope *r, const char *name, bool optional) {
  uint32_t pairs = b->m->rope_dims / 2;
  const float *factor = lm_bind_vector(b, -1, name, pairs, optional);
  if (factor == NULL) return;
  for (uint32_t i = 0; i < pairs; i++) {
    if (!(factor[i] > 0.0F && factor[i] < 1e9F)) {
      lm_bind_fail(b, BASE_EFORMAT, name, "factor %u is %g; above 0 is needed", (unsigned)i, (double)factor[i]);
      return;
    }
    r->frequency[i] /= (double)factor[i];
  }
}

static void scale_longrope(lm_binder *b, lm_rope *r, uint32_t original) {
  lm_rope other = *r;
  bool is_long = b->m->context > original;
  divide_by_factors(b, is_long ? r : &other, "rope_factors_long", false);
  divide_by_factors(b, is_long ? &other : r, "rope_factors_short", false);
  r->magnitude = (double)lm_key_f32_or(b, "rope.scaling.attn_factor", 1e-3F, 1e3F, 1.0F);
}

/* What a file does not say: phi3's have LongRoPE's factors and no type; a factor alone is linear (llama.cpp). */
static base_slice scaling_type(lm_binder *b, bool scaled) {
  bool factors = gguf_find_tensor(b->m->file, "rope_factors_long.weight") != NULL;
  return lm_key_string_or(b, "rope.scaling.type", factors ? "longrope" : scaled ? "linear" : "none");
}

static void apply_scaling(lm_binder *b, lm_rope *r) {
  static const char key[] = "rope.scaling.factor", old_key[] = "rope.scale_linear";
  const char *given = lm_key_present(b, key) ? key : old_key;
  base_slice type = scaling_type(b, lm_key_present(b, given));
  double factor = (double)lm_key_f32_or(b, given, 0.0F, 1e6F, 1.0F);
  if (factor == 0.0) factor = 1.0; /* as much as none */
  uint32_t original =
      lm_key_u32_or(b, "rope.scaling.original_context_length", 1, LM_MAX_CONTEXT, b->m->trained_context);
  if (base_slice_equal(type, BASE_LITERAL("yarn"))) scale_yarn(b, r, factor, original);
  else if (base_slice_equal(type, BASE_LITERAL("longrope"))) scale_longrope(b, r, original);
  else if (base_slice_equal(type, BASE_LITERAL("linear"))) {
    for (uint32_t i = 0; i < b->m->rope_dims / 2; i++) r->frequency[i] /= factor;
  } else if (!base_slice_equal(type, BASE_LITERAL("none")))
    lm_key_fail(b, BASE_EUNSUPPORTED, "rope.scaling.type",
                 "the scaling '%.*s' is not known; none, linear, yarn and longrope are",
                (int)(type.len < 40 ? type.len : 40), type.ptr);
  divide_by_factors(b, r, "rope_freqs", true);
}

static void plain_frequencies(const lm_model *m, lm_rope *r) {
  for (uint32_t i = 0; i < m->rope_dims / 2; i++) r->frequency[i] = pow(r->base, -2.0 * i / m->rope_dims);
  r->magnitude = 1.0;
  r->used = true;
}

void lm_rope_bind(lm_binder *b) {
  lm_model *m = b->m;
  if (b->status != BASE_OK || m->rope[0].base == 0.0) return;
  if (m->rope_dims > m->head_dim || m->rope_dims % 2 != 0) {
    lm_key_fail(b, BASE_EFORMAT, "rope.dimension_count",
                 "%u of %u values of a head; an even number of them is needed", (unsigned)m->rope_dims,
                 (unsigned)m->head_dim);
    return;
  }
  plain_frequencies(m, &m->rope[0]);
  apply_scaling(b, &m->rope[0]);
  if (m->rope[1].base > 0.0) plain_frequencies(m, &m->rope[1]); /* layers with a window: never scaled */
}

/* ---- steps ---- */

/* Tables as the kernels read them: for neighbouring pairs each cosine twice, and the sine with both signs. */
static void fill_table(const lm_model *m, const lm_rope *r, uint32_t position, float *c, float *s) {
  for (size_t i = 0; i < m->rope_dims / 2; i++) {
    double angle = position * r->frequency[i];
    float cosine = (float)(cos(angle) * r->magnitude), sine = (float)(sin(angle) * r->magnitude);
    if (m->family->rope_pairs) {
      c[2 * i] = c[2 * i + 1] = cosine;
      s[2 * i] = -sine;
      s[2 * i + 1] = sine;
    } else {
      c[i] = cosine;
      s[i] = sine;
    }
  }
}

void lm_rope_tables(const lm_model *m, size_t begin, size_t end) {
  const lm_scratch *s = &m->scratch;
  for (int which = 0; which < LM_ROPES; which++)
    for (size_t row = begin; row < end && m->rope[which].used; row++)
      fill_table(m, &m->rope[which], s->position[row], s->cos[which] + row * s->rope_table,
                 s->sin[which] + row * s->rope_table);
}

void lm_rope_rows(const lm_model *m, int rope, size_t row, size_t rows, float *x, size_t ldx, size_t n) {
  const lm_scratch *s = &m->scratch;
  size_t hd = m->head_dim, dims = m->rope_dims, each = ldx == n * hd ? rows : 1; /* at once */
  const float *c = s->cos[rope] + row * s->rope_table, *z = s->sin[rope] + row * s->rope_table;
  if (!m->rope[rope].used) return;
  for (size_t r = 0; r < rows; r += each, x += ldx, c += s->rope_table, z += s->rope_table) {
    if (m->family->rope_pairs) m->kernels->rope_pairs(x, each, n, hd, dims, c, z);
    else m->kernels->rope_halves(x, each, n, hd, dims, c, z);
  }
}
