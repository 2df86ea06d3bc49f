/* jdoc/number: decimals as they stand in the text, never rounded to a double. */
#include "jdoc/internal.h"

#include <string.h>

#define EXPONENT_BOUND INT64_C(1000000000000000)

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static int64_t read_exponent(base_slice s) {
  bool negative = s.len > 0 && s.ptr[0] == '-';
  int64_t v = 0;
  for (size_t i = 0; i < s.len; i++)
    if (is_digit(s.ptr[i]) && v < EXPONENT_BOUND) v = v * 10 + (s.ptr[i] - '0');
  if (v > EXPONENT_BOUND) v = EXPONENT_BOUND;
  return negative ? -v : v;
}

jdoc_number jdoc_number_of(base_slice s) {
  jdoc_number n = {.negative = s.ptr[0] == '-'};
  size_t end = 0, first = s.len, last = 0, point;
  while (end < s.len && s.ptr[end] != 'e' && s.ptr[end] != 'E') end++;
  point = end;
  for (size_t i = 0; i < end; i++) {
    if (s.ptr[i] == '.') point = i;
    if (!is_digit(s.ptr[i]) || s.ptr[i] == '0') continue;
    if (first == s.len) first = i;
    last = i;
  }
  if (first == s.len) return (jdoc_number){0};
  n.digit = s.ptr + first;
  n.span = last + 1 - first;
  n.digits = n.span - (first < point && point < last);
  n.exponent = first < point ? (int64_t)(point - first) : -(int64_t)(first - point - 1);
  if (end < s.len) n.exponent += read_exponent(base_slice_sub(s, end + 1, s.len));
  return n;
}

/* The next digit, and 0 behind the last one. */
static unsigned next_digit(const jdoc_number *n, size_t *at) {
  if (*at < n->span && n->digit[*at] == '.') ++*at;
  return *at < n->span ? (unsigned)(n->digit[(*at)++] - '0') : 0;
}

static int compare_magnitudes(const jdoc_number *a, const jdoc_number *b) {
  size_t i = 0, j = 0;
  if (a->span == 0 || b->span == 0) return (a->span != 0) - (b->span != 0);
  if (a->exponent != b->exponent) return a->exponent > b->exponent ? 1 : -1;
  while (i < a->span || j < b->span) {
    unsigned x = next_digit(a, &i), y = next_digit(b, &j);
    if (x != y) return x > y ? 1 : -1;
  }
  return 0;
}

int jdoc_number_compare(const jdoc_number *a, const jdoc_number *b) {
  if (a->negative != b->negative) return a->negative ? -1 : 1; /* zero is never negative */
  int order = compare_magnitudes(a, b);
  return a->negative ? -order : order;
}

bool jdoc_number_is_integer(const jdoc_number *n) {
  return n->exponent >= (int64_t)n->digits;
}

bool jdoc_number_to_size(const jdoc_number *n, size_t *out) {
  size_t v = 0, at = 0;
  if (n->negative || !jdoc_number_is_integer(n)) return false;
  for (int64_t i = 0; i < n->exponent && n->span > 0; i++) {
    size_t tenfold;
    if (!base_mul_size(v, 10, &tenfold) || !base_add_size(tenfold, next_digit(n, &at), &v)) {
      v = SIZE_MAX;
      break;
    }
  }
  *out = v;
  return true;
}

/* ---- multiples ----
 *
 * With whole digits D and exponents e, n = Dn * 10^en and of = Do * 10^eo, neither D ending in 0. For k = en - eo
 * below 0 n is no multiple: Dn would have to end in zeros. Else Dn * 10^k has to be divisible by Do, that is Dn
 * by what is left of Do when up to k factors 2 and k factors 5 are taken out of it. */

enum { MAX_LIMBS = 108 }; /* 1,024 digits are 3,402 bits */

typedef struct big {
  uint32_t limb[MAX_LIMBS + 1]; /* least first */
  size_t n;                     /* limbs that count; the highest is not 0 */
} big;

static void big_multiply_add(big *b, uint32_t factor, uint64_t carry) {
  for (size_t i = 0; i < b->n; i++) {
    carry += (uint64_t)b->limb[i] * factor;
    b->limb[i] = (uint32_t)carry;
    carry >>= 32;
  }
  for (; carry > 0 && b->n <= MAX_LIMBS; carry >>= 32) b->limb[b->n++] = (uint32_t)carry;
}

/* The remainder of b / by; *b becomes the quotient. */
static uint32_t big_divide(big *b, uint32_t by) {
  uint64_t rest = 0;
  for (size_t i = b->n; i > 0; i--) {
    rest = rest << 32 | b->limb[i - 1];
    b->limb[i - 1] = (uint32_t)(rest / by);
    rest %= by;
  }
  while (b->n > 0 && b->limb[b->n - 1] == 0) b->n--;
  return (uint32_t)rest;
}

static void big_take_out(big *b, uint32_t prime, int64_t times) {
  for (big q = *b; times > 0 && big_divide(&q, prime) == 0; times--) *b = q;
}

/* rest = (rest * 10^c + chunk) mod divisor, both scaled so that the divisor's highest bit is set (Knuth, The Art of
 * Computer Programming 2, 4.3.1, algorithm D, one digit of the quotient at a time). rest has divisor->n + 1 limbs. */
static void big_step(uint32_t *rest, const big *divisor, uint32_t power, uint64_t chunk) {
  size_t n = divisor->n;
  uint64_t carry = chunk, borrow = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t low = (uint64_t)rest[i] * power + (uint32_t)carry;
    carry = (carry >> 32) + (low >> 32);
    rest[i] = (uint32_t)low;
  }
  rest[n] = (uint32_t)carry;
  uint64_t q = ((uint64_t)rest[n] << 32 | rest[n - 1]) / divisor->limb[n - 1];
  if (q > UINT32_MAX) q = UINT32_MAX;
  for (size_t i = 0; i < n; i++) {
    uint64_t product = q * divisor->limb[i] + borrow;
    borrow = (product >> 32) + (rest[i] < (uint32_t)product);
    rest[i] -= (uint32_t)product;
  }
  bool negative = rest[n] < borrow;
  rest[n] -= (uint32_t)borrow;
  while (negative) { /* the estimate was too high, by two at most */
    carry = 0;
    for (size_t i = 0; i < n; i++) {
      carry += (uint64_t)rest[i] + divisor->limb[i];
      rest[i] = (uint32_t)carry;
      carry >>= 32;
    }
    uint64_t top = (uint64_t)rest[n] + carry;
    rest[n] = (uint32_t)top;
    negative = top >> 32 == 0;
  }
}

static bool divides(big *divisor, const jdoc_number *n) {
  uint32_t rest[MAX_LIMBS + 2] = {0};
  int shift = __builtin_clz(divisor->limb[divisor->n - 1]);
  big_multiply_add(divisor, UINT32_C(1) << shift, 0);
  for (size_t at = 0, done = 0; done < n->digits;) {
    uint32_t power = 1, chunk = 0;
    for (int i = 0; i < 9 && done < n->digits; i++, done++, power *= 10)
      chunk = chunk * 10 + (uint32_t)next_digit(n, &at);
    big_step(rest, divisor, power, (uint64_t)chunk << shift);
  }
  for (size_t i = 0; i <= divisor->n; i++)
    if (rest[i] != 0) return false;
  return true;
}

static bool divides_small(uint64_t divisor, const jdoc_number *n, int64_t k) {
  uint64_t rest = 0;
  for (int64_t i = 0; i < k && divisor % 2 == 0; i++) divisor /= 2;
  for (int64_t i = 0; i < k && divisor % 5 == 0; i++) divisor /= 5;
  for (size_t at = 0, i = 0; i < n->digits; i++) rest = (rest * 10 + next_digit(n, &at)) % divisor;
  return rest == 0;
}

bool jdoc_number_is_multiple(const jdoc_number *n, const jdoc_number *of) {
  if (n->span == 0) return true;
  int64_t k = (n->exponent - (int64_t)n->digits) - (of->exponent - (int64_t)of->digits);
  if (k < 0 || of->digits > JDOC_MAX_DIVISOR_DIGITS) return false;
  if (of->digits <= 18) {
    uint64_t divisor = 0;
    for (size_t at = 0, i = 0; i < of->digits; i++) divisor = divisor * 10 + next_digit(of, &at);
    return divides_small(divisor, n, k);
  }
  big divisor = {.n = 0};
  for (size_t at = 0, i = 0; i < of->digits; i++) big_multiply_add(&divisor, 10, next_digit(of, &at));
  big_take_out(&divisor, 2, k);
  big_take_out(&divisor, 5, k);
  return divides(&divisor, n);
}
