/* Exact fractions over int64, every operation checked. Numbers are read into these ("two thirds of a
 * million") and become decimals at the very end: exactly when they can, else 15 significant digits. */
#include "value/internal.h"

int64_t value_pow10(int exponent) {
  int64_t p = 1;
  for (int i = 0; i < exponent && i < 18; i++) p *= 10;
  return p;
}

static int64_t gcd(int64_t a, int64_t b) {
  while (b != 0) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

bool value_ratio_make(int64_t num, int64_t den, value_ratio *out) {
  if (den == 0 || num == INT64_MIN || den == INT64_MIN) return false;
  if (den < 0) {
    num = -num;
    den = -den;
  }
  int64_t common = gcd(num, den);
  *out = (value_ratio){num / common, den / common};
  return true;
}

bool value_ratio_mul(value_ratio a, value_ratio b, value_ratio *out) {
  value_ratio left, right;
  int64_t num = 0, den = 0;
  if (!value_ratio_make(a.num, b.den, &left) || !value_ratio_make(b.num, a.den, &right)) return false;
  if (__builtin_mul_overflow(left.num, right.num, &num) || __builtin_mul_overflow(left.den, right.den, &den))
    return false;
  return value_ratio_make(num, den, out);
}

bool value_ratio_add(value_ratio a, value_ratio b, value_ratio *out) {
  int64_t common = gcd(a.den, b.den), left = 0, right = 0, den = 0, num = 0;
  if (__builtin_mul_overflow(a.num, b.den / common, &left) ||
      __builtin_mul_overflow(b.num, a.den / common, &right) ||
      __builtin_mul_overflow(a.den, b.den / common, &den) || __builtin_add_overflow(left, right, &num))
    return false;
  return value_ratio_make(num, den, out);
}

bool value_ratio_scaled(value_ratio a, int exponent, value_ratio *out) {
  if (exponent > 18 || exponent < -18) return false;
  value_ratio power =
      exponent >= 0 ? (value_ratio){value_pow10(exponent), 1} : (value_ratio){1, value_pow10(-exponent)};
  return value_ratio_mul(a, power, out);
}

bool value_ratio_to_int(value_ratio r, int64_t *out) {
  if (r.den != 1) return false;
  *out = r.num;
  return true;
}

/* Long division to `digits` significant digits, the last one rounded half up. */
static bool divide(uint64_t num, uint64_t den, int digits, value_decimal *out) {
  uint64_t value = num / den, rest = num % den;
  int scale = 0;
  if (den > UINT64_MAX / 10) return false;
  while (value < (uint64_t)value_pow10(digits - 1) && scale < 18) {
    rest *= 10;
    value = value * 10 + rest / den;
    rest %= den;
    scale++;
  }
  if (rest >= den - rest) value++;
  while (scale > 0 && value % 10 == 0) {
    value /= 10;
    scale--;
  }
  *out = (value_decimal){(int64_t)value, scale};
  return value <= INT64_MAX;
}

bool value_ratio_to_decimal(value_ratio r, value_decimal *out) {
  int64_t den = r.den, digits = 0;
  int twos = 0, fives = 0;
  while (den % 2 == 0) {
    den /= 2;
    twos++;
  }
  while (den % 5 == 0) {
    den /= 5;
    fives++;
  }
  int scale = twos > fives ? twos : fives;
  if (den == 1 && scale <= 18 && !__builtin_mul_overflow(r.num, value_pow10(scale) / r.den, &digits)) {
    *out = (value_decimal){digits, scale};
    return true;
  }
  bool ok = divide((uint64_t)(r.num < 0 ? -r.num : r.num), (uint64_t)r.den, 15, out);
  if (r.num < 0) out->digits = -out->digits;
  return ok;
}
