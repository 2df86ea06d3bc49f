/* base/utf8: RFC 3629 decoding and encoding, and the few facts about characters that the splitter and
 * lower-casing need. The tables are ranges, not the whole of Unicode: what base.h promises and no more. */
#include "base/base.h"

static bool is_continuation(unsigned char c) {
  return (c & 0xC0) == 0x80;
}

size_t base_utf8_decode(const char *s, size_t len, uint32_t *code_point) {
  const unsigned char *p = (const unsigned char *)s;
  if (len == 0) return 0;
  if (p[0] < 0x80) {
    *code_point = p[0];
    return 1;
  }
  size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
  if (p[0] < 0xC2 || p[0] > 0xF4 || len < n) return 0;
  uint32_t c = p[0] & (0xFFU >> (n + 1));
  for (size_t i = 1; i < n; i++) {
    if (!is_continuation(p[i])) return 0;
    c = (c << 6) | (p[i] & 0x3F);
  }
  /* overlong forms, surrogates, beyond U+10FFFF */
  if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000)) return 0;
  if ((c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF) return 0;
  *code_point = c;
  return n;
}

size_t base_utf8_encode(uint32_t c, char out[4]) {
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  if (c < 0x800) {
    out[0] = (char)(0xC0 | (c >> 6));
    out[1] = (char)(0x80 | (c & 0x3F));
    return 2;
  }
  if ((c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF) return 0;
  if (c < 0x10000) {
    out[0] = (char)(0xE0 | (c >> 12));
    out[1] = (char)(0x80 | ((c >> 6) & 0x3F));
    out[2] = (char)(0x80 | (c & 0x3F));
    return 3;
  }
  out[0] = (char)(0xF0 | (c >> 18));
  out[1] = (char)(0x80 | ((c >> 12) & 0x3F));
  out[2] = (char)(0x80 | ((c >> 6) & 0x3F));
  out[3] = (char)(0x80 | (c & 0x3F));
  return 4;
}

bool base_utf8_valid(const char *s, size_t len) {
  uint32_t c;
  for (size_t at = 0; at < len;) {
    size_t n = base_utf8_decode(s + at, len - at, &c);
    if (n == 0) return false;
    at += n;
  }
  return true;
}

/* Bytes of the character at `s`, taking an invalid byte as a character of its own. */
static size_t step(const char *s, size_t len) {
  uint32_t c;
  size_t n = base_utf8_decode(s, len, &c);
  return n > 0 ? n : 1;
}

size_t base_utf8_count(const char *s, size_t len) {
  size_t count = 0;
  for (size_t at = 0; at < len; count++) at += step(s + at, len - at);
  return count;
}

size_t base_utf8_offset(const char *s, size_t len, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < len; index--) at += step(s + at, len - at);
  return at;
}

static bool between(uint32_t c, uint32_t low, uint32_t high) {
  return c >= low && c <= high;
}

/* Blocks where capitals are even and each is followed by its small letter. */
static uint32_t lower_even(uint32_t c) {
  return c | 1;
}

static uint32_t lower_odd(uint32_t c) {
  return c + (c & 1);
}

static uint32_t lower_latin(uint32_t c) {
  if (between(c, 0xC0, 0xDE)) return c == 0xD7 ? c : c + 32;
  if (c < 0x100) return c;
  if (c == 0x130) return 'i';
  if (c == 0x178) return 0xFF;
  if (c == 0x131 || c == 0x138 || c == 0x149 || c == 0x17F) return c;
  if (between(c, 0x139, 0x148) || between(c, 0x179, 0x17E)) return lower_odd(c);
  return lower_even(c); /* 0x100-0x137, 0x14A-0x177 */
}

static uint32_t lower_greek(uint32_t c) {
  if (between(c, 0x391, 0x3AB)) return c == 0x3A2 ? c : c + 32;
  if (between(c, 0x3D8, 0x3EF)) return lower_even(c);
  if (between(c, 0x388, 0x38A)) return c + 37;
  if (between(c, 0x3FD, 0x3FF)) return c - 130;
  switch (c) {
    case 0x370:
    case 0x372:
    case 0x376:
    case 0x3F7:
    case 0x3FA: return c + 1;
    case 0x37F: return 0x3F3;
    case 0x386: return 0x3AC;
    case 0x38C: return 0x3CC;
    case 0x38E:
    case 0x38F: return c + 63;
    case 0x3CF: return 0x3D7;
    case 0x3F4: return 0x3B8;
    case 0x3F9: return 0x3F2;
    default: return c;
  }
}

static uint32_t lower_cyrillic(uint32_t c) {
  if (c <= 0x40F) return c + 80;
  if (c <= 0x42F) return c + 32;
  if (between(c, 0x460, 0x481) || between(c, 0x48A, 0x4BF) || between(c, 0x4D0, 0x52F)) return lower_even(c);
  if (c == 0x4C0) return 0x4CF;
  if (between(c, 0x4C1, 0x4CE)) return lower_odd(c);
  return c;
}

uint32_t base_utf8_lower(uint32_t c) {
  if (c < 0x80) return between(c, 'A', 'Z') ? c + 32 : c;
  if (c < 0x180) return lower_latin(c);
  if (between(c, 0x370, 0x3FF)) return lower_greek(c);
  if (between(c, 0x400, 0x52F)) return lower_cyrillic(c);
  return c;
}

typedef struct range {
  uint32_t low, high;
} range;

/* From U+0370 on: punctuation, symbols, emoji, private use and non-characters. Sorted. */
static const range not_letters[] = {
    {0x375, 0x375},     {0x37E, 0x37E},     {0x384, 0x385},      {0x387, 0x387},   {0x482, 0x482},
    {0x55A, 0x55F},     {0x589, 0x58F},     {0x5BE, 0x5BE},      {0x5C0, 0x5C0},   {0x5C3, 0x5C3},
    {0x5C6, 0x5C6},     {0x5F3, 0x5F4},     {0x600, 0x60F},      {0x61B, 0x61F},   {0x66A, 0x66D},
    {0x6D4, 0x6D4},     {0x6DD, 0x6DE},     {0x700, 0x70F},      {0x964, 0x965},   {0x970, 0x970},
    {0xE3F, 0xE3F},     {0xE4F, 0xE4F},     {0xE5A, 0xE5B},      {0x104A, 0x104F}, {0x1360, 0x1368},
    {0x1680, 0x1680},   {0x17D4, 0x17DB},   {0x1800, 0x180E},    {0x2000, 0x2BFF}, {0x2E00, 0x2E7F},
    {0x3000, 0x3004},   {0x3008, 0x3020},   {0x3030, 0x3030},    {0x303D, 0x303F}, {0x30A0, 0x30A0},
    {0x30FB, 0x30FB},   {0x3200, 0x33FF},   {0xD800, 0xF8FF},    {0xFD3E, 0xFD3F}, {0xFE00, 0xFE6F},
    {0xFEFF, 0xFF0F},   {0xFF1A, 0xFF20},   {0xFF3B, 0xFF40},    {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF},
    {0x1D000, 0x1D3FF}, {0x1F000, 0x1FBFF}, {0xE0000, 0x10FFFF},
};

static bool in_ranges(uint32_t c) {
  size_t low = 0, high = sizeof not_letters / sizeof not_letters[0];
  while (low < high) {
    size_t mid = (low + high) / 2;
    if (c > not_letters[mid].high) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return low < sizeof not_letters / sizeof not_letters[0] && c >= not_letters[low].low;
}

bool base_utf8_is_letter(uint32_t c) {
  if (c < 0x80) return between(c, 'a', 'z') || between(c, 'A', 'Z');
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if (c < 0x2C2) return c != 0xD7 && c != 0xF7;
  if (c < 0x300) return between(c, 0x2C6, 0x2D1) || between(c, 0x2E0, 0x2E4) || c == 0x2EC || c == 0x2EE;
  return !in_ranges(c); /* combining marks, U+0300-036F, belong to the letter before them */
}

bool base_utf8_is_space(uint32_t c) {
  if (c <= 0x20) return c == ' ' || between(c, '\t', '\r');
  if (c < 0x1680) return c == 0x85 || c == 0xA0;
  return c == 0x1680 || between(c, 0x2000, 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool base_utf8_is_digit(uint32_t c) {
  return between(c, '0', '9');
}
