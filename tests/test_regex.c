/* regex: what matches, what is refused, bounds, every allocation made to fail. */
#include <stdlib.h>
#include <string.h>

#include "failing.h"
#include "regex/regex.h"
#include "tap.h"

typedef struct match_case {
  const char *pattern, *text;
  bool matches;
} match_case;

static const match_case searched[] = {
    {"", "", true}, {"", "abc", true}, {"b", "abc", true}, {"d", "abc", false}, {"^b", "abc", false},
    {"^abc$", "abc", true}, {"^abc$", "abcd", false}, {"c$", "abc", true}, {"b$", "abc", false},
    {"^a|c$", "ab", true}, {"^a|c$", "bc", true}, {"^a|c$", "bab", false}, {"a.c", "a\nc", false},
    {"a.c", "a\xE2\x82\xAC" "c", true}, {"a.c", "a\xE2\x80\xA8" "c", false}, {"^[a-f0-9]{8}$", "deadbeef", true},
    {"^[a-f0-9]{8}$", "deadbee", false}, {"^[a-f0-9]{8}$", "deadbeeff", false}, {"^a{2,3}$", "a", false},
    {"^a{2,3}$", "aaa", true}, {"^a{2,3}$", "aaaa", false}, {"^a{2,}$", "aaaaaaa", true}, {"^(ab)*$", "ababab", true},
    {"^(ab)*$", "ababa", false}, {"^(a|ab)(c|bcd)$", "abcd", true}, {"^(a*)*$", "aaaa", true},
    {"^(a?){3}$", "aa", true}, {"^(a?){3}$", "aaaa", false}, {"^(a{1,3}){2}$", "aaaaaa", true},
    {"^(a{1,3}){2}$", "aaaaaaa", false}, {"^\\d+$", "0123", true}, {"^\\d+$", "\xD9\xA1", false},
    {"^\\w+$", "a_9", true}, {"^\\w+$", "a-9", false}, {"^\\s$", "\xC2\xA0", true}, {"^\\S+$", "a b", false},
    {"^[^abc]+$", "xyz", true}, {"^[^abc]+$", "xaz", false}, {"^[\\w.-]+$", "a.b-c", true}, {"^[]$", "", false},
    {"^[^]$", "\n", true}, {"^[\\d-x]+$", "1-x", true}, {"^\\u0041\\x42\\cJ$", "AB\n", true},
    {"^\\u{1F600}$", "\xF0\x9F\x98\x80", true}, {"^\\uD83D\\uDE00$", "\xF0\x9F\x98\x80", true},
    {"^[\xC3\xA0-\xC3\xBF]+$", "\xC3\xA9\xC3\xA8", true}, {"^[\xC3\xA0-\xC3\xBF]+$", "e", false},
    {"^\\p{L}+$", "Stra\xC3\x9F" "e", true}, {"^\\p{Lu}$", "\xC3\x84", true}, {"^\\p{Lu}$", "\xC3\xA4", false},
    {"^\\P{L}$", "1", true}, {"^\\p{Script=Greek}+$", "\xCE\xB1\xCE\xB2", true}, {"^\\p{Letter}$", "a", true},
    {"^\\p{Script=Greek}+$", "ab", false}, {"\\p{Nd}", "x\xD9\xA1", true}, {"^.{3}$", "\xC3\xA4\xC3\xB6\xC3\xBC", true},
    {"^.{3}$", "\xC3\xA4\xC3\xB6", false}, {"a{,3}", "a{,3}", true}, {"^{$", "{", true}, {"^a{x}$", "a{x}", true},
    {"^(?:ab|cd)+?$", "abcd", true}, {"^(?<name>a)b$", "ab", true}, {"\\/\\-\\.", "/-.", true},
    /* look-ahead */
    {"^(?!foo)", "foobar", false}, {"^(?!foo)", "fobar", true}, {"^(?!foo$)", "foobar", true},
    {"^(?=.*[A-Z])(?=.*\\d).{6,}$", "abcdeF1", true}, {"^(?=.*[A-Z])(?=.*\\d).{6,}$", "abcdefg1", false},
    {"^a(?=b)bc$", "abc", true}, {"^a(?!b)", "ab", false}, {"^((?!ab).)b?$", "ab", false}, {"x(?!y)", "xy xz", true},
    {"^(?!.*\\.\\.)[a-z.]+$", "a.b.c", true}, {"^(?!.*\\.\\.)[a-z.]+$", "a..c", false},
    {"^(?!(?!a))a", "a", true}, {"(?=a)b", "ab", false},
    /* word boundaries */
    {"\\bcat\\b", "a cat sat", true}, {"\\bcat\\b", "concatenate", false}, {"\\Bcat\\B", "concatenate", true},
    {"\\bcat", "cat", true}, {"cat\\b", "cats", false}, {"\\w+\\b!", "hi!", true}, {"[a!]\\bb", "!b", true},
    {"[a!]\\bb", "ab", false}, {"^\\b", "", false}, {"^\\B", "", true}, {"(^|\\s)x", "x", true}, {"(^|\\s)x", "a x", true},
    {"(^|\\s)x", "ax", false}, {"x(,|$)", "ax", true}, {"x(,|$)", "xa", false}, {"a*^b", "b", true}, {"a*^b", "ab", false},
    {"(^a){0,2}b", "xb", true}, {"a$b", "ab", false}, {"$^", "", true}, {"$^", "a", false},
    /* anchors, boundaries and look-ahead in repetitions without end */
    {"^((?!foo).)*$", "bar fo", true}, {"^((?!foo).)*$", "bar foo", false}, {"^((?!foo).)*foo$", "barfoo", true},
    {"^((?!foo).)*foo$", "foofoo", false}, {"^(a$)*$", "a", true}, {"^(a$)*$", "aa", false}, {"^(a$)*$", "", true},
    {"^(a|$)*b$", "aab", true}, {"^(a|$)+$", "", true}, {"^([^,]+(,|$)){3,}$", "a,b,c", true}, {"^([^,]+(,|$)){3,}$", "a,b", false},
    {"^([^,]+(,|$)){3,}$", "a,b,c,d,", true}, {"^([^,]+(,|$)){3,}$", "a,,c", false}, {"^(\\w+\\b[ .]*)*$", "a bc. d", true},
    {"^(\\b\\w)+$", "a", true}, {"^(\\b\\w)+$", "ab", false}, {"^(\\B.)+$", "!!", true}, {"^(\\B.)+$", "!a", false}, {"(^a|b)*c", "abc", true}, {"^(^a|b)*c$", "abbc", true},
    {"^(^a|b)*c$", "bac", false}, {"^((a(?=b)|b(?=a|$))+x?)+$", "abab", true}, {"^((a(?=b)|b(?=a|$))+x?)+$", "aba", false},
    {"^(\\/?((\\.{2})|([a-z0-9\\-]*))($|\\/))*$", "../a-b//c", true}, {"^(\\/?((\\.{2})|([a-z0-9\\-]*))($|\\/))*$", "../a b", false},
    {"^(?:(?:(?!a)|a).)*$", "banan", true}, {"^(?:(?:(?!a)|a).)*$", "banana", false}, {"^(?:(?=(?:(?!c)[a-c])*$)[a-c])*$", "abab", true}, {"^(?:(?=(?:(?!c)[a-c])*$)[a-c])*$", "abcb", false},
    {"^https?:\\/\\/(www\\.)?[-a-zA-Z0-9@:%._\\+~#=]{1,256}\\.[a-zA-Z0-9()]{1,6}\\b([-a-zA-Z0-9()@:%_\\+.~#?&//=]*)$", "https://github.com/a-b", true},
    {"^https?:\\/\\/(www\\.)?[-a-zA-Z0-9@:%._\\+~#=]{1,256}\\.[a-zA-Z0-9()]{1,6}\\b([-a-zA-Z0-9()@:%_\\+.~#?&//=]*)$", "ftp://github.com/", false},
};

static void test_search(void) {
  for (size_t i = 0; i < sizeof searched / sizeof *searched; i++) {
    const match_case *c = &searched[i];
    base_error err = {0};
    regex *r = NULL;
    bool matched = false;
    base_status status = regex_open(&r, base_slice_of(c->pattern), NULL, NULL, &err);
    TAP_OK(status == BASE_OK, "%s: %s", c->pattern, err.text);
    if (status == BASE_OK) {
      status = regex_match(r, base_slice_of(c->text), &matched);
      TAP_OK(status == BASE_OK && matched == c->matches, "%s on %s gave %d", c->pattern, c->text, matched);
    }
    regex_close(r);
  }
}

typedef struct refused_case {
  const char *pattern;
  base_status code;
} refused_case;

static const refused_case refused[] = {
    {"(", BASE_EFORMAT}, {")", BASE_EFORMAT}, {"[a", BASE_EFORMAT}, {"*a", BASE_EFORMAT}, {"a**", BASE_EFORMAT},
    {"a{2}{3}", BASE_EFORMAT}, {"a{3,2}", BASE_EFORMAT}, {"[b-a]", BASE_EFORMAT}, {"\\", BASE_EFORMAT},
    {"\\u12", BASE_EFORMAT}, {"\\u{110000}", BASE_EFORMAT}, {"\\u{12", BASE_EFORMAT}, {"\\x1", BASE_EFORMAT},
    {"\\c1", BASE_EFORMAT}, {"\\a", BASE_EFORMAT}, {"\\Z", BASE_EFORMAT}, {"(?<n", BASE_EFORMAT}, {"(?x)", BASE_EFORMAT},
    {"\\p", BASE_EFORMAT}, {"\\p{L", BASE_EFORMAT}, {"\\p{Klingon}", BASE_EUNSUPPORTED}, {"(a)\\1", BASE_EUNSUPPORTED},
    {"(?<n>a)\\k<n>", BASE_EUNSUPPORTED}, {"(?<=a)b", BASE_EUNSUPPORTED}, {"(?<!a)b", BASE_EUNSUPPORTED},
    {"(a$){20}", BASE_EUNSUPPORTED}, {"a{2000000}", BASE_ELIMIT}, {"\xFF", BASE_EFORMAT}, {"[\xC3", BASE_EFORMAT},
};

static void test_refused(void) {
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    base_error err = {0};
    regex *r = NULL;
    base_status status = regex_open(&r, base_slice_of(refused[i].pattern), NULL, NULL, &err);
    TAP_OK(status == refused[i].code && err.text[0] != '\0' && r == NULL, "%s gave %d %s", refused[i].pattern,
           (int)status, err.text);
    regex_close(r);
  }
}

static void test_whole_and_lenient(void) {
  regex *r = NULL;
  bool matched = false;
  regex_options whole = {.whole = true}, lenient = {.lenient = true};
  TAP_OK(regex_open(&r, BASE_LITERAL("a|ab"), &whole, NULL, NULL) == BASE_OK, "whole");
  TAP_OK(regex_match(r, BASE_LITERAL("ab"), &matched) == BASE_OK && matched, "whole ab");
  TAP_OK(regex_match(r, BASE_LITERAL("abc"), &matched) == BASE_OK && !matched, "whole abc");
  regex_close(r);
  TAP_OK(regex_open(&r, BASE_LITERAL("(?i)\\Aabc\\Z"), &lenient, NULL, NULL) == BASE_OK, "lenient");
  TAP_OK(regex_match(r, BASE_LITERAL("aBC"), &matched) == BASE_OK && matched, "ignoring case");
  TAP_OK(regex_match(r, BASE_LITERAL("aBCd"), &matched) == BASE_OK && !matched, "anchored");
  regex_close(r);
}

/* Long texts, large counters, and expressions whose automaton explodes. */
static void test_bounds(void) {
  static char text[1 << 20];
  regex *r = NULL;
  bool matched = false;
  memset(text, 'a', sizeof text);
  TAP_OK(regex_open(&r, BASE_LITERAL("^(a+)+$"), NULL, NULL, NULL) == BASE_OK, "nested plus");
  TAP_OK(regex_match(r, (base_slice){text, sizeof text}, &matched) == BASE_OK && matched, "a million");
  text[sizeof text - 1] = '!';
  TAP_OK(regex_match(r, (base_slice){text, sizeof text}, &matched) == BASE_OK && !matched, "a million and a !");
  TAP_OK(regex_states(r) < 10, "%zu states", regex_states(r));
  regex_close(r);
  TAP_OK(regex_open(&r, BASE_LITERAL("^.{0,5000}$"), NULL, NULL, NULL) == BASE_OK, "counted");
  TAP_OK(regex_match(r, (base_slice){text, 5000}, &matched) == BASE_OK && matched, "5000");
  TAP_OK(regex_match(r, (base_slice){text, 5001}, &matched) == BASE_OK && !matched, "5001");
  TAP_OK(regex_bytes(r) < 4 << 20, "%zu bytes", regex_bytes(r));
  regex_close(r);
  /* which of the last 24 were a: 2^24 states in theory; the bound ends it */
  base_rng rng;
  base_rng_seed(&rng, 1);
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + base_rng_below(&rng, 2));
  regex_options few = {.max_states = 2000};
  TAP_OK(regex_open(&r, BASE_LITERAL("a[ab]{24}c"), &few, NULL, NULL) == BASE_OK, "exploding");
  TAP_OK(regex_match(r, (base_slice){text, sizeof text}, &matched) == BASE_ELIMIT && !matched, "its bound");
  TAP_OK(regex_failed(r) == BASE_ELIMIT && regex_bytes(r) <= (16 << 20), "its memory");
  regex_close(r);
  char *deep = malloc(3000);
  memset(deep, '(', 1500);
  memset(deep + 1500, ')', 1500);
  TAP_OK(regex_open(&r, (base_slice){deep, 3000}, NULL, NULL, NULL) == BASE_ELIMIT, "deep groups");
  free(deep);
}

/* Stepping: a dead state as soon as nothing can follow, and what is still needed. */
static void test_steps(void) {
  regex *r = NULL;
  TAP_OK(regex_open(&r, BASE_LITERAL("^[0-9]{4}-[0-9]{2}$"), NULL, NULL, NULL) == BASE_OK, "open");
  uint32_t s = REGEX_START;
  TAP_OK(regex_needs(r, s) == 7, "needs %u", regex_needs(r, s));
  s = regex_next(r, regex_next(r, s, '2'), '0');
  TAP_OK(regex_needs(r, s) == 5 && regex_next(r, s, '-') == REGEX_DEAD && !regex_accepts(r, s), "in the year");
  regex_close(r);
  TAP_OK(regex_open(&r, BASE_LITERAL("^(?=[a-c]+$)(?![ab])[b-z]{2}$"), NULL, NULL, NULL) == BASE_OK, "open");
  TAP_OK(regex_next(r, REGEX_START, 'b') == REGEX_DEAD && regex_next(r, REGEX_START, 'd') == REGEX_DEAD, "excluded");
  s = regex_next(r, REGEX_START, 'c');
  TAP_OK(s != REGEX_DEAD && regex_next(r, s, 'a') == REGEX_DEAD && regex_accepts(r, regex_next(r, s, 'b')), "look-ahead");
  regex_close(r);
  TAP_OK(regex_open(&r, BASE_LITERAL("b"), NULL, NULL, NULL) == BASE_OK, "open");
  s = regex_next(r, REGEX_START, 'b');
  TAP_OK(regex_is_all(r, s) && !regex_is_all(r, REGEX_START), "all");
  TAP_OK(regex_next(r, REGEX_START, 0xFF) == REGEX_DEAD && regex_next(r, REGEX_START, 0xC0) == REGEX_DEAD, "not UTF-8");
  regex_close(r);
}

static void test_memory(void) {
  static const char *const patterns[] = {"^(?!x)[\\w\\p{Lu}]{2,9}\\b|y(?=z)", "a[^b-\xC3\xA9]{3}c", "^((?!foo|b$).|x\\b)*$"};
  for (size_t p = 0; p < 3; p++) {
    base_status status = BASE_ENOMEM;
    int n = 0;
    for (; status == BASE_ENOMEM && n < 10000; n++) {
      failing f;
      base_allocator a = failing_allocator(&f, n);
      base_error err = {0};
      regex *r = NULL;
      bool matched = false;
      status = regex_open(&r, base_slice_of(patterns[p]), NULL, &a, &err);
      if (status == BASE_OK) status = regex_match(r, BASE_LITERAL("aB\xC3\x84_ xyz a123c"), &matched);
      if (status == BASE_OK) TAP_OK(matched, "%s", patterns[p]);
      regex_close(r);
      if (f.held != 0) TAP_OK(false, "%zu bytes held after failure %d", f.held, n);
    }
    TAP_OK(status == BASE_OK && n > 10, "%s: %d after %d", patterns[p], (int)status, n);
  }
}

int main(void) {
  test_search();
  test_refused();
  test_whole_and_lenient();
  test_bounds();
  test_steps();
  test_memory();
  return tap_done("regex");
}
