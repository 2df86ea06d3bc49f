/* quant/super: floats to the K types. A group of 16 or 32 is fitted by trying a few steps between quants,
 * solving for the best scale (and minimum) of each by weighted least squares, and keeping the best; then the
 * groups' scales are rounded to their few bits and the quants chosen for the rounded scales. The search is
 * the one of ggml's quantisers without an importance matrix; large weights count for more than small ones. */
#include "quant/encode.h"

#include <math.h>

/* Below this a group counts as all zero: its scale would vanish in half precision. */
#define TINY 1e-15F

/* ---- x ~ scale * q - minimum, q in 0..top ---- */

typedef struct affine {
  float scale, minimum; /* both at least 0 */
} affine;

/* How the fit of a group is searched: the spread is cut into top + start, top + start + step, ... parts. */
typedef struct search {
  int n, top; /* elements of a group, the largest quant */
  float start, step;
  int steps;
} search;

static const search search_q2 = {16, 3, -0.5F, 0.1F, 16};
static const search search_q4 = {32, 15, -1.0F, 0.1F, 21};
static const search search_q5 = {32, 31, -0.5F, 0.1F, 16};

static float affine_error(const float *x, const float *w, const int *q, int n, float scale, float offset) {
  float sum = 0;
  for (int i = 0; i < n; i++) {
    float miss = scale * (float)q[i] + offset - x[i];
    sum += w[i] * miss * miss;
  }
  return sum;
}

/* The best scale and offset (at most 0) for quants q; false when the quants are all the same. */
static bool solve_affine(const float *x, const float *w, const int *q, int n, float *scale, float *offset) {
  float sw = 0, sx = 0, sl = 0, sll = 0, sxl = 0;
  for (int i = 0; i < n; i++) {
    float l = (float)q[i];
    sw += w[i];
    sx += w[i] * x[i];
    sl += w[i] * l;
    sll += w[i] * l * l;
    sxl += w[i] * l * x[i];
  }
  float determinant = sw * sll - sl * sl;
  if (!(determinant > 0)) return false;
  *scale = (sw * sxl - sx * sl) / determinant;
  *offset = (sll * sx - sl * sxl) / determinant;
  if (*offset > 0) {
    *offset = 0;
    *scale = sxl / sll;
  }
  return true;
}

static affine fit_affine(const float *x, const float *w, const search *s) {
  float low = 0, high = x[0], best = INFINITY;
  affine fit = {0, 0};
  int q[32];
  for (int i = 0; i < s->n; i++) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  fit.minimum = -low;
  if (!(high - low > TINY)) return fit;
  for (int k = -1; k < s->steps; k++) {
    float parts = (float)s->top + (k < 0 ? 0.0F : s->start + s->step * (float)k);
    float inverse = parts / (high - low), scale = 1.0F / inverse, offset = low;
    for (int i = 0; i < s->n; i++) q[i] = quant_nearest(inverse * (x[i] - low), 0, s->top);
    if (k >= 0 && !solve_affine(x, w, q, s->n, &scale, &offset)) continue;
    float error = affine_error(x, w, q, s->n, scale, offset);
    if (!(error < best) || !(scale >= 0)) continue;
    best = error;
    fit = (affine){scale, -offset};
  }
  return fit;
}

/* A weight counts by its size, over a floor of the group's root mean square. */
static void weigh(const float *x, int n, float *w) {
  float sum = 0;
  for (int i = 0; i < n; i++) sum += x[i] * x[i];
  float floor_weight = sqrtf(sum / (float)n);
  for (int i = 0; i < n; i++) w[i] = floor_weight + fabsf(x[i]);
}

/* Fits all groups; *scale and *minimum are the largest of each. */
static void fit_groups(const float *x, const search *s, affine *fit, float *scale, float *minimum) {
  float w[32];
  *scale = *minimum = 0;
  for (int g = 0; g < QUANT_SUPER / s->n; g++) {
    weigh(x + g * s->n, s->n, w);
    fit[g] = fit_affine(x + g * s->n, w, s);
    if (fit[g].scale > *scale) *scale = fit[g].scale;
    if (fit[g].minimum > *minimum) *minimum = fit[g].minimum;
  }
}

/* v as a whole number of `largest / top`. */
static unsigned level(float v, float largest, int top) {
  return largest > 0 ? (unsigned)quant_nearest((float)top / largest * v, 0, top) : 0;
}

/* Quants of a group for the scale and minimum that the decoder will see. */
static void choose_quants(const float *x, const search *s, float scale, float minimum, int *q) {
  for (int i = 0; i < s->n; i++) q[i] = scale > 0 ? quant_nearest((x[i] + minimum) / scale, 0, s->top) : 0;
}

/* The levels of a group, 0..most, are first the nearest to its fit; then each neighbouring pair is tried, for
 * the other levels' rounding and the quants' make another pair better than the nearest about every other
 * time. */
typedef struct levels {
  unsigned scale, minimum;
} levels;

static levels choose_levels(const float *x, const search *s, const affine *fit, float largest, float deepest,
                            float d, float dmin, int most, int *q) {
  int scale = (int)level(fit->scale, largest, most), minimum = (int)level(fit->minimum, deepest, most),
      trial[32];
  float w[32], best = INFINITY;
  levels found = {(unsigned)scale, (unsigned)minimum};
  weigh(x, s->n, w);
  for (int a = scale - 1; a <= scale + 1; a++) {
    for (int b = minimum - 1; b <= minimum + 1; b++) {
      if (a < 0 || b < 0 || a > most || b > most) continue;
      choose_quants(x, s, d * (float)a, dmin * (float)b, trial);
      float error = affine_error(x, w, trial, s->n, d * (float)a, -dmin * (float)b);
      if (!(error < best)) continue;
      best = error;
      found = (levels){(unsigned)a, (unsigned)b};
      memcpy(q, trial, (size_t)s->n * sizeof *q);
    }
  }
  return found;
}

/* 2-bit quants, the elements 32 apart of a half super-block in one byte. */
static void pack_two_bits(const int *q, unsigned char *qs) {
  for (int i = 0; i < QUANT_SUPER / 4; i++) {
    const int *four = q + i / 32 * 128 + i % 32;
    qs[i] = (unsigned char)((four[0] & 3) | (four[32] & 3) << 2 | (four[64] & 3) << 4 | (four[96] & 3) << 6);
  }
}

static void pack_nibbles(const int *q, unsigned char *qs) {
  for (int i = 0; i < QUANT_SUPER / 2; i++) {
    const int *two = q + i / 32 * 64 + i % 32;
    qs[i] = (unsigned char)((two[0] & 15) | (two[32] & 15) << 4);
  }
}

void quant_encode_q2_k(const float *x, unsigned char *b) {
  affine fit[16];
  int q[QUANT_SUPER];
  float largest, deepest;
  fit_groups(x, &search_q2, fit, &largest, &deepest);
  quant_set_f16(b + Q2_K_D, largest / 15.0F);
  quant_set_f16(b + Q2_K_DMIN, deepest / 15.0F);
  float d = quant_get_f16(b + Q2_K_D), dmin = quant_get_f16(b + Q2_K_DMIN);
  for (int g = 0; g < 16; g++) {
    levels l = choose_levels(x + 16 * g, &search_q2, &fit[g], largest, deepest, d, dmin, 15, q + 16 * g);
    b[Q2_K_SCALES + g] = (unsigned char)(l.scale | l.minimum << 4);
  }
  pack_two_bits(q, b + Q2_K_QS);
}

static void set_scale_k4(unsigned char *p, int group, unsigned scale, unsigned minimum) {
  if (group < 4) {
    p[group] = (unsigned char)(p[group] | scale);
    p[group + 4] = (unsigned char)(p[group + 4] | minimum);
    return;
  }
  p[group + 4] = (unsigned char)((scale & 15u) | (minimum & 15u) << 4);
  p[group - 4] = (unsigned char)(p[group - 4] | (scale >> 4) << 6);
  p[group] = (unsigned char)(p[group] | (minimum >> 4) << 6);
}

/* What Q4_K and Q5_K share: d, dmin, the packed scales at `scales`, and all quants. */
static void encode_k4(const float *x, const search *s, unsigned char *b, unsigned char *scales, int *q) {
  affine fit[8];
  float largest, deepest;
  fit_groups(x, s, fit, &largest, &deepest);
  quant_set_f16(b + Q4_K_D, largest / 63.0F);
  quant_set_f16(b + Q4_K_DMIN, deepest / 63.0F);
  float d = quant_get_f16(b + Q4_K_D), dmin = quant_get_f16(b + Q4_K_DMIN);
  memset(scales, 0, 12);
  for (int g = 0; g < 8; g++) {
    levels l = choose_levels(x + 32 * g, s, &fit[g], largest, deepest, d, dmin, 63, q + 32 * g);
    set_scale_k4(scales, g, l.scale, l.minimum);
  }
}

void quant_encode_q4_k(const float *x, unsigned char *b) {
  int q[QUANT_SUPER];
  encode_k4(x, &search_q4, b, b + Q4_K_SCALES, q);
  pack_nibbles(q, b + Q4_K_QS);
}

void quant_encode_q5_k(const float *x, unsigned char *b) {
  int q[QUANT_SUPER];
  encode_k4(x, &search_q5, b, b + Q5_K_SCALES, q);
  pack_nibbles(q, b + Q5_K_QS);
  memset(b + Q5_K_QH, 0, 32);
  for (int i = 0; i < QUANT_SUPER; i++) {
    unsigned char *high = b + Q5_K_QH + i % 32;
    *high = (unsigned char)(*high | (unsigned)(q[i] >> 4 & 1) << (i / 32));
  }
}

/* ---- x ~ scale * q, q in -half..half-1, groups of 16 ---- */

/* The scale, of either sign, with the least weighted error: the peak is put at -half or near it.
 */
static float fit_symmetric(const float *x, const float *w, int half) {
  float peak = 0, best = 0, scale = 0;
  for (int i = 0; i < 16; i++) {
    if (fabsf(x[i]) > fabsf(peak)) peak = x[i];
  }
  if (fabsf(peak) < TINY) return 0;
  for (int k = -9; k <= 9; k++) {
    float inverse = -((float)half + 0.1F * (float)k) / peak, sxl = 0, sll = 0;
    for (int i = 0; i < 16; i++) {
      float l = (float)quant_nearest(inverse * x[i], -half, half - 1);
      sxl += w[i] * x[i] * l;
      sll += w[i] * l * l;
    }
    if (!(sll > 0) || sxl * sxl <= best * sll) continue;
    scale = sxl / sll;
    best = scale * sxl;
  }
  return scale;
}

/* Fits the sixteen groups; returns the scale that is largest in size. */
static float fit_symmetric_groups(const float *x, int half, float *scale) {
  float largest = 0;
  for (int g = 0; g < 16; g++) {
    float w[16];
    weigh(x + 16 * g, 16, w);
    scale[g] = fit_symmetric(x + 16 * g, w, half);
    if (fabsf(scale[g]) > fabsf(largest)) largest = scale[g];
  }
  return largest;
}

/* Quants shifted to 0..2*half-1; a group without scale is all zeros. */
static void choose_symmetric(const float *x, int half, float scale, int *q) {
  for (int i = 0; i < 16; i++) {
    q[i] = half + (scale != 0 ? quant_nearest(x[i] / scale, -half, half - 1) : 0);
  }
}

static void set_scale_k3(unsigned char *p, int group, int scale) {
  unsigned bits = (unsigned)(scale + 32);
  unsigned char *low = p + group % 8, *high = p + 8 + group % 4;
  *low = (unsigned char)(*low | (bits & 15u) << (group / 8 * 4));
  *high = (unsigned char)(*high | (bits >> 4) << (group / 4 * 2));
}

void quant_encode_q3_k(const float *x, unsigned char *b) {
  float scale[16], largest = fit_symmetric_groups(x, 4, scale);
  int q[QUANT_SUPER];
  float inverse = fabsf(largest) > TINY ? -32.0F / largest : 0.0F;
  quant_set_f16(b + Q3_K_D, inverse != 0 ? 1.0F / inverse : 0.0F);
  float d = quant_get_f16(b + Q3_K_D);
  memset(b, 0, Q3_K_D);
  for (int g = 0; g < 16; g++) {
    int rounded = quant_nearest(inverse * scale[g], -32, 31);
    set_scale_k3(b + Q3_K_SCALES, g, rounded);
    choose_symmetric(x + 16 * g, 4, d * (float)rounded, q + 16 * g);
  }
  pack_two_bits(q, b + Q3_K_QS);
  for (int i = 0; i < QUANT_SUPER; i++) {
    unsigned char *high = b + Q3_K_HMASK + i % 32;
    *high = (unsigned char)(*high | (unsigned)(q[i] >> 2 & 1) << (i / 32));
  }
}

void quant_encode_q6_k(const float *x, unsigned char *b) {
  float scale[16], largest = fit_symmetric_groups(x, 32, scale);
  int q[QUANT_SUPER];
  float inverse = fabsf(largest) > TINY ? -128.0F / largest : 0.0F;
  quant_set_f16(b + Q6_K_D, inverse != 0 ? 1.0F / inverse : 0.0F);
  float d = quant_get_f16(b + Q6_K_D);
  for (int g = 0; g < 16; g++) {
    int rounded = quant_nearest(inverse * scale[g], -128, 127);
    b[Q6_K_SCALES + g] = (unsigned char)rounded;
    choose_symmetric(x + 16 * g, 32, d * (float)rounded, q + 16 * g);
  }
  for (int i = 0; i < QUANT_SUPER / 2; i++) {
    const int *two = q + i / 64 * 128 + i % 64;
    b[Q6_K_QL + i] = (unsigned char)((two[0] & 15) | (two[64] & 15) << 4);
  }
  for (int i = 0; i < QUANT_SUPER / 4; i++) {
    const int *four = q + i / 32 * 128 + i % 32;
    b[Q6_K_QH + i] =
        (unsigned char)(four[0] >> 4 | (four[32] >> 4) << 2 | (four[64] >> 4) << 4 | (four[96] >> 4) << 6);
  }
}

/* ---- Q8_K: a float scale, 256 int8, their sums by 16 ---- */

void quant_encode_q8_k(const float *x, unsigned char *b) {
  float peak = 0;
  uint32_t bits;
  for (int i = 0; i < QUANT_SUPER; i++) {
    if (fabsf(x[i]) > fabsf(peak)) peak = x[i];
  }
  float inverse = fabsf(peak) > TINY ? -127.0F / peak : 0.0F, d = inverse != 0 ? 1.0F / inverse : 0.0F;
  memcpy(&bits, &d, sizeof bits);
  quant_set_u32(b + Q8_K_D, bits);
  for (int g = 0; g < 16; g++) {
    int sum = 0;
    for (int i = 16 * g; i < 16 * g + 16; i++) {
      int q = quant_nearest(inverse * x[i], -127, 127);
      b[Q8_K_QS + i] = (unsigned char)q;
      sum += q;
    }
    quant_set_u16(b + Q8_K_SUMS + 2 * g, (uint16_t)sum);
  }
}
