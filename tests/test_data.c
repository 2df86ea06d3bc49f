/* Labelled rows: the JSONL reader on good and bad lines, the set under every failing allocation, and the drawing and
 * noises by what must hold of them: a span's text stays the span's text, whatever happens around it. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "failing.h"
#include "os/os.h"
#include "tap.h"

#define TEMPORARY TEST_BUILD "/test_data.tmp"

static void write_file(const char *bytes, size_t len) {
  FILE *f = fopen(TEMPORARY, "wb");
  TAP_OK(f != NULL && fwrite(bytes, 1, len, f) == len, "a temporary file");
  if (f != NULL) fclose(f);
}

static base_status read_text(data_set *s, const char *bytes, size_t len, base_error *err) {
  write_file(bytes, len);
  return data_read_jsonl(s, TEMPORARY, err);
}

static base_slice span_text(const data_set *s, size_t row, size_t span) {
  const data_span *p = &s->spans[s->rows[row].first_span + span];
  return base_slice_sub(s->rows[row].text, p->start, p->end);
}

static bool is(base_slice s, const char *text) { return base_slice_equal(s, base_slice_of(text)); }

/* ---- reading ---- */

static void test_good_rows(void) {
  static const char rows[] =
      "\xef\xbb\xbf{\"text\": \"Add it to Cita Rom\xc3\xa1ntica \xe2\x98\x95 now\", \"intent\": \"add\", "
      "\"spans\": [[27, 30, \"when\"], "
      "[10, 24, \"playlist\"]]}\r\n"
      "\r\n"
      "   \n"
      "{\"intent\": \"caf\xc3\xa9\", \"text\": \"\\u65e5\\u672c no\", \"more\": [1, {\"a\": 2}], \"spans\": "
      "[[0,1,\"when\"],[1,2,\"when\"]]}\n"
      "{\"text\": \"\", \"intent\": \"add\"}\n"
      "{\"text\": \"the end\", \"intent\": \"add\", \"spans\": []}";
  data_set s;
  base_error err = {0};
  data_init(&s, NULL);
  TAP_OK(read_text(&s, rows, sizeof rows - 1, &err) == BASE_OK, "good rows: %s: %s", err.where, err.text);
  TAP_OK(s.n_rows == 4 && s.labels.n == 2 && s.slots.n == 2, "%zu rows, %zu labels, %zu slots", s.n_rows,
         s.labels.n, s.slots.n);
  if (s.n_rows == 4) {
    TAP_OK(is(span_text(&s, 0, 0), "Cita Rom\xc3\xa1ntica"), "a span over a character of two bytes");
    TAP_OK(is(span_text(&s, 0, 1), "now"), "the span after it, given first");
    TAP_OK(is(s.slots.name[s.spans[0].slot], "playlist") && is(s.slots.name[s.spans[1].slot], "when"),
           "their slots");
    TAP_OK(is(span_text(&s, 1, 0), "\xe6\x97\xa5") && is(span_text(&s, 1, 1), "\xe6\x9c\xac"),
           "neighbours without a gap");
    TAP_OK(s.rows[2].text.len == 0 && s.rows[2].n_spans == 0 && s.rows[3].n_spans == 0, "no text, no spans");
    TAP_OK(is(s.labels.name[s.rows[1].label], "caf\xc3\xa9") && s.rows[3].label == s.rows[0].label, "labels");
    TAP_OK(s.spans[0].list == DATA_NO_LIST, "no list before one is made");
  }
  data_free(&s);
}

static void test_bad_rows(void) {
  static const struct {
    const char *line, *needle;
  } bad[] = {
      {"{\"text\":\"abc\"}", "must be strings"},
      {"{\"intent\":\"abc\"}", "must be strings"},
      {"{\"text\":1,\"intent\":\"x\"}", "must be strings"},
      {"{\"text\":\"abc\",\"intent\":null}", "must be strings"},
      {"[]", "must be strings"},
      {"[{\"text\":\"abc\",\"intent\":\"x\"}]", "must be strings"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":{}}", "must be an array"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":null}", "must be an array"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[0,1,\"s\"]}", "not [start, end"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[0,1]]}", "not [start, end"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[]]}", "not [start, end"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[0,\"1\",\"s\"]]}", "not [start, end"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[0.5,1,\"s\"]]}", "not [start, end"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[0,1,2]]}", "not [start, end"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[2,1,\"s\"]]}", "outside the text"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[1,1,\"s\"]]}", "outside the text"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[-1,1,\"s\"]]}", "outside the text"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[0,4,\"s\"]]}", "outside the text"},
      {"{\"text\":\"\xe2\x98\x95\",\"intent\":\"x\",\"spans\":[[0,2,\"s\"]]}", "outside the text"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[0,9223372036854775807,\"s\"]]}", "outside the text"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[0,99999999999999999999,\"s\"]]}", "not JSON"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[0,2,\"s\"],[1,3,\"t\"]]}", "overlaps"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[1,3,\"s\"],[0,2,\"t\"]]}", "overlaps"},
      {"{\"text\":\"abc\",\"intent\":\"x\",\"spans\":[[0,3,\"s\"],[0,3,\"s\"]]}", "overlaps"},
      {"{\"text\":\"abc\",\"text\":\"d\",\"intent\":\"x\"}", "not JSON"},
      {"{\"text\":\"abc\",\"intent\":\"x\"", "not JSON"},
      {"{\"text\":\"abc\",\"intent\":\"x\"} {}", "not JSON"},
      {"nonsense", "not JSON"},
      {"\"text\"", ""},
      {"{\"text\":\"a\xff\",\"intent\":\"x\"}", "not JSON"},
      {"{\"text\":\"a\\u0000b\",\"intent\":\"x\"}", "not JSON"},
      {"{\"text\":\"a\\ud800b\",\"intent\":\"x\"}", "not JSON"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    data_set s;
    base_error err = {0};
    char file[512];
    data_init(&s, NULL);
    base_format(file, sizeof file, "{\"text\":\"fine\",\"intent\":\"x\"}\n%s\n", bad[i].line);
    TAP_OK(read_text(&s, file, strlen(file), &err) == BASE_EFORMAT, "refused: %s", bad[i].line);
    TAP_OK(strstr(err.where, TEMPORARY) && strstr(err.text, "line 2") && strstr(err.text, bad[i].needle),
           "%s: %s: %s", bad[i].line, err.where, err.text);
    TAP_OK(s.n_rows == 1, "the row before stays");
    data_free(&s);
  }
}

static void refuse(const char *bytes, size_t len, base_status status, const char *needle) {
  data_set s;
  base_error err = {0};
  data_init(&s, NULL);
  base_status st = read_text(&s, bytes, len, &err);
  TAP_OK(st == status && strstr(err.text, needle), "%s: %d %s", needle, (int)st, err.text);
  data_free(&s);
}

static void test_limits(void) {
  base_buf b = {0};
  refuse("", 0, BASE_EFORMAT, "no rows");
  refuse("\n\r\n   \n", 7, BASE_EFORMAT, "no rows");
  refuse("\xef\xbb\xbf", 3, BASE_EFORMAT, "no rows");
  refuse("{\"text\":\"a\",\0\"intent\":\"x\"}\n", 26, BASE_EFORMAT, "line 1");
  base_buf_puts(&b, "{\"intent\":\"x\",\"text\":\"");
  for (int i = 0; i < 100 * 1024; i++) base_buf_putc(&b, 'a');
  base_buf_puts(&b, "\"}\n");
  refuse(b.ptr, b.len, BASE_ELIMIT, "102400 bytes");
  base_buf_clear(&b);
  base_buf_puts(
      &b, "{\"intent\":\"x\",\"text\":\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\",\"spans\":[");
  for (int i = 0; i < 33; i++) base_buf_printf(&b, "%s[%d,%d,\"s\"]", i ? "," : "", i, i + 1);
  base_buf_puts(&b, "]}\n");
  refuse(b.ptr, b.len, BASE_EFORMAT, "too many spans");
  base_buf_clear(&b);
  for (int i = 0; i < 100000; i++) base_buf_putc(&b, '['); /* depth */
  refuse(b.ptr, b.len, BASE_EFORMAT, "not JSON");
  base_buf_free(&b);
  data_set s;
  base_error err = {0};
  data_init(&s, NULL);
  TAP_OK(
      data_read_jsonl(&s, TEST_BUILD "/no such file", &err) == BASE_ENOTFOUND && strstr(err.where, "no such file"),
      "a missing file: %s", err.text);
  TAP_OK(data_read_jsonl(&s, "tests", NULL) != BASE_OK, "a folder");
  data_free(&s);
}

static void test_lines(void) {
  static const char text[] = "\xef\xbb\xbfone\r\n\n  two words \n\xe6\x97\xa5\xe6\x9c\xac";
  data_set s;
  base_error err = {0};
  base_buf b = {0};
  data_init(&s, NULL);
  write_file(text, sizeof text - 1);
  TAP_OK(data_read_lines(&s, TEMPORARY, &err) == BASE_OK && s.n_rows == 3, "%zu lines: %s", s.n_rows,
         err.text);
  TAP_OK(s.n_rows == 3 && is(s.rows[0].text, "one") && is(s.rows[1].text, "two words") &&
             is(s.rows[2].text, "\xe6\x97\xa5\xe6\x9c\xac"),
         "trimmed");
  TAP_OK(s.n_rows == 3 && s.rows[0].label == DATA_NO_LABEL, "no label");
  write_file("fine\nbad \xc3\n", 11);
  TAP_OK(data_read_lines(&s, TEMPORARY, &err) == BASE_EFORMAT && strstr(err.text, "line 2") &&
             strstr(err.text, "UTF-8"),
         "%s", err.text);
  for (int i = 0; i < 1000; i++) base_buf_puts(&b, "\xe6\x97\xa5"); /* 2047 lies within a character */
  write_file(b.ptr, b.len);
  TAP_OK(data_read_lines(&s, TEMPORARY, NULL) == BASE_OK, "a long line is cut");
  const data_row *last = &s.rows[s.n_rows - 1];
  TAP_OK(last->text.len == 2046 && base_utf8_valid(last->text.ptr, last->text.len), "between characters: %zu",
         last->text.len);
  write_file("\n \n", 3);
  TAP_OK(data_read_lines(&s, TEMPORARY, NULL) == BASE_EFORMAT, "a file without text");
  base_buf_free(&b);
  data_free(&s);
}

/* ---- the set ---- */

static void test_checks(void) {
  static const data_span bad[][2] = {
      {{2, 2, 0, 0}, {3, 4, 0, 0}}, {{3, 2, 0, 0}, {3, 4, 0, 0}},  {{0, 2, 0, 0}, {1, 3, 0, 0}},
      {{3, 4, 0, 0}, {0, 1, 0, 0}}, {{0, 1, 0, 0}, {5, 9, 0, 0}},  {{0, 4, 0, 0}, {6, 7, 0, 0}},
      {{0, 5, 0, 0}, {6, 7, 0, 0}}, {{8, 9, 0, 0}, {9, 10, 0, 0}},
  };
  base_slice text = BASE_LITERAL("abc\xc3\xa9ghi"); /* 8 bytes; byte 4 is within a character */
  data_set s;
  data_init(&s, NULL);
  int slot = data_name(&s, &s.slots, BASE_LITERAL("slot"));
  TAP_OK(slot == 0 && data_name(&s, &s.slots, BASE_LITERAL("slot")) == 0 &&
             data_find_name(&s.slots, BASE_LITERAL("other")) < 0,
         "names");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    base_error err = {0};
    base_status st = data_add(&s, text, 0, bad[i], 2, &err);
    if (i == 6) TAP_OK(st == BASE_OK, "spans that touch whole characters: %s", err.text);
    else TAP_OK(st == BASE_EFORMAT && err.text[0], "bad spans %zu", i);
  }
  TAP_OK(s.n_rows == 1 && s.n_spans == 2, "nothing of a refused row stays");
  data_free(&s);
  data_free(&(data_set){0});
}

static uint32_t phrasing_of(data_set *s, const char *text, const char *value, const char *slot) {
  const char *at = strstr(text, value);
  uint32_t start = (uint32_t)(at - text);
  data_span span = {start, start + (uint32_t)strlen(value),
                    (uint16_t)data_name(s, &s->slots, base_slice_of(slot)), DATA_NO_LIST};
  TAP_OK(data_add(s, base_slice_of(text), 0, &span, value[0] ? 1 : 0, NULL) == BASE_OK, "row");
  return s->rows[s->n_rows - 1].phrasing;
}

static void test_phrasing(void) {
  data_set s;
  data_init(&s, NULL);
  uint32_t one = phrasing_of(&s, "Play Abba, please!", "Abba", "artist");
  TAP_OK(phrasing_of(&s, "play the rolling stones please", "the rolling stones", "artist") == one,
         "differs only in the value, case and punctuation");
  TAP_OK(phrasing_of(&s, "play Abba please", "Abba", "song") != one, "another slot");
  TAP_OK(phrasing_of(&s, "play Abba now please", "Abba", "artist") != one, "a word more");
  TAP_OK(phrasing_of(&s, "please play Abba", "Abba", "artist") != one, "another order");
  TAP_OK(phrasing_of(&s, "play artist please", "", "artist") != one, "the slot's name as a word");
  TAP_OK(phrasing_of(&s, "set alarm", "", "") != phrasing_of(&s, "setalarm", "", ""), "words keep apart");
  TAP_OK(phrasing_of(&s, "What's up?", "", "") == phrasing_of(&s, "whats up", "", ""), "apostrophes");
  data_free(&s);
}

static void test_growth(void) {
  data_set s;
  char text[80];
  size_t wrong = 0;
  data_init(&s, NULL);
  char *big = malloc(1 << 20);
  memset(big, 'x', 1 << 20);
  base_slice kept = data_keep(&s, (base_slice){big, 1 << 20});
  for (uint32_t i = 0; i < 20000; i++) {
    base_format(text, sizeof text, "row number %u of a set that grows", i);
    data_span span = {4, 10, 0, DATA_NO_LIST};
    if (data_add(&s, base_slice_of(text), (int)(i % 7), &span, 1, NULL)) wrong++;
  }
  for (uint32_t i = 0; i < 20000; i++) {
    base_format(text, sizeof text, "row number %u of a set that grows", i);
    if (!is(s.rows[i].text, text) || s.rows[i].label != i % 7 || !is(span_text(&s, i, 0), "number")) wrong++;
  }
  TAP_OK(wrong == 0 && kept.len == 1 << 20 && memcmp(kept.ptr, big, 1 << 20) == 0, "%zu wrong after growing",
         wrong);
  free(big);
  data_free(&s);
}

static void test_allocation_failures(void) {
  static const char rows[] =
      "{\"text\":\"play abba now\",\"intent\":\"play\",\"spans\":[[5,9,\"artist\"],[10,13,\"when\"]]}\n"
      "{\"text\":\"play bach\",\"intent\":\"play\",\"spans\":[[5,9,\"artist\"]]}\n";
  int n = 0;
  base_status st = BASE_ENOMEM;
  write_file(rows, sizeof rows - 1);
  for (; n < 200 && st; n++) {
    failing f;
    base_allocator a = failing_allocator(&f, n);
    data_set s;
    base_error err = {0};
    data_init(&s, &a);
    st = data_read_jsonl(&s, TEMPORARY, &err);
    if (!st) st = data_lists_from_spans(&s, &err);
    TAP_OK(!st || err.text[0] != 0, "failure %d says something", n);
    data_free(&s);
    TAP_OK(f.held == 0, "failure %d leaves %zu bytes", n, f.held);
  }
  TAP_OK(st == BASE_OK && n > 5, "read after %d failures", n);
}

/* ---- drawing ---- */

static bool in_list(const data_set *s, uint16_t list, base_slice value) {
  return data_find_name(&s->lists[list].values, value) >= 0;
}

static bool spans_good(const data_sample *s) {
  uint32_t before = 0;
  for (size_t i = 0; i < s->n_spans; i++) {
    if (s->spans[i].start < before || s->spans[i].start >= s->spans[i].end || s->spans[i].end > s->len)
      return false;
    before = s->spans[i].end;
  }
  return s->len <= sizeof s->text;
}

static base_slice sample_span(const data_sample *s, size_t i) {
  return (base_slice){s->text + s->spans[i].start, s->spans[i].end - s->spans[i].start};
}

static void test_draw(void) {
  static const char *const artists[] = {"abba", "the rolling stones", "m\xc3\xb8", "a"};
  base_slice text = BASE_LITERAL("play abba in the kitchen, abba!");
  const data_span spans[] = {{5, 9, 0, 0}, {17, 24, 1, DATA_NO_LIST}, {26, 30, 0, 0}};
  data_set s;
  base_rng rng;
  data_sample out;
  size_t different = 0;
  base_rng_seed(&rng, 5);
  data_init(&s, NULL);
  int list = data_list_of(&s, BASE_LITERAL("artist"));
  TAP_OK(list == 0 && data_list_of(&s, BASE_LITERAL("artist")) == 0, "one list");
  for (size_t i = 0; i < 4; i++) data_list_add(&s, list, base_slice_of(artists[i]), NULL);
  data_list_add(&s, list, base_slice_of("abba"), NULL);
  TAP_OK(s.lists[0].values.n == 4, "values once each");
  data_add(&s, text, 3, spans, 3, NULL);
  data_draw(&s, 0, 0.0f, &rng, &out);
  TAP_OK(base_slice_equal(text, (base_slice){out.text, out.len}) && out.n_spans == 3 && out.label == 3,
         "no swap: the row itself");
  for (int i = 0; i < 200; i++) {
    data_draw(&s, 0, 1.0f, &rng, &out);
    base_slice first = sample_span(&out, 0), last = sample_span(&out, 2);
    char expected[200];
    base_format(expected, sizeof expected, "play %.*s in the kitchen, %.*s!", (int)first.len, first.ptr,
                (int)last.len, last.ptr);
    bool same =
        out.n_spans == 3 && base_slice_equal(base_slice_of(expected), (base_slice){out.text, out.len});
    TAP_OK(same && spans_good(&out) && in_list(&s, 0, first) && in_list(&s, 0, last) &&
               is(sample_span(&out, 1), "kitchen"),
           "draw %d: %s", i, expected);
    different += !base_slice_equal(first, last);
  }
  TAP_OK(different > 100, "drawn one by one");
  data_free(&s);
}

static void test_draw_over_long(void) {
  char value[1500];
  base_slice text = BASE_LITERAL("put A and B and C in");
  const data_span spans[] = {{4, 5, 0, 0}, {10, 11, 0, 0}, {16, 17, 0, 0}};
  data_set s;
  base_rng rng;
  data_sample *out = malloc(sizeof *out); /* exactly its size, so that a sanitizer sees one byte too many */
  base_rng_seed(&rng, 6);
  data_init(&s, NULL);
  data_list_of(&s, BASE_LITERAL("list"));
  for (size_t len = 600; len <= sizeof value; len += 300) {
    memset(value, 'v', len);
    data_list_add(&s, 0, (base_slice){value, len}, NULL);
  }
  data_add(&s, text, 0, spans, 3, NULL);
  size_t cut = 0;
  for (int i = 0; i < 200; i++) {
    data_draw(&s, 0, 0.8f, &rng, out);
    bool good = spans_good(out);
    for (size_t k = 0; k < out->n_spans; k++)
      good = good && (sample_span(out, k).len == 1 || in_list(&s, 0, sample_span(out, k)));
    TAP_OK(good, "over-long draw %d: %zu bytes, %zu spans", i, out->len, out->n_spans);
    cut += out->n_spans < 3;
  }
  TAP_OK(cut > 20, "some did not fit");
  data_free(&s);
  free(out);
}

/* ---- noises ---- */

static void put(data_sample *s, const char *piece) {
  size_t n = strlen(piece);
  if (s->len + n > sizeof s->text) return;
  memcpy(s->text + s->len, piece, n);
  s->len += n;
}

/* Words of letters with punctuation between; spans over one or two words, each in brackets that no noise touches. */
static void random_sample(data_sample *s, base_rng *rng) {
  static const char *const gaps[] = {" ", ", ", ". ", "? ", " - ", "! ", ": ", "; ", "  "};
  static const char *const words[] = {"wake", "Me",   "a",     "B'z",  "caf\xc3\xa9", "o'clock",
                                      "Mr.",  "7:30", "what?", "YES!", "\xe6\x97\xa5"};
  uint32_t n = base_rng_below(rng, 12);
  s->len = s->n_spans = 0;
  for (uint32_t i = 0; i < n; i++) {
    bool span = base_rng_below(rng, 3) == 0 && s->n_spans < DATA_MAX_SPANS;
    if (span) put(s, "(");
    size_t start = s->len;
    uint32_t n_words = span ? 1 + base_rng_below(rng, 2) : 1;
    for (uint32_t k = 0; k < n_words; k++) {
      if (k) put(s, gaps[base_rng_below(rng, 9)]);
      put(s, words[base_rng_below(rng, 11)]);
    }
    if (span)
      s->spans[s->n_spans++] = (data_span){(uint32_t)start, (uint32_t)s->len, (uint16_t)i, DATA_NO_LIST};
    if (span) put(s, ")");
    put(s, gaps[base_rng_below(rng, 9)]);
  }
}

static bool bracketed(const data_sample *s) {
  size_t open = 0;
  for (size_t i = 0; i < s->len; i++) open += s->text[i] == '(';
  if (open != s->n_spans) return false;
  for (size_t i = 0; i < s->n_spans; i++) {
    const data_span *p = &s->spans[i];
    if (p->start == 0 || s->text[p->start - 1] != '(' || p->end >= s->len || s->text[p->end] != ')')
      return false;
    if (memchr(s->text + p->start, '(', p->end - p->start) ||
        memchr(s->text + p->start, ')', p->end - p->start))
      return false;
  }
  return true;
}

/* The naive way: which bytes stay, decided on the text as it was. */
static size_t without_punctuation(const data_sample *s, char *out) {
  size_t n = 0;
  for (size_t i = 0; i < s->len; i++) {
    bool inside = false, drop = false;
    for (size_t k = 0; k < s->n_spans; k++)
      inside = inside || (i >= s->spans[k].start && i < s->spans[k].end);
    if (!inside && strchr(".,?!;:", s->text[i])) {
      size_t next = i + 1; /* a run of them goes as one when it ends a word */
      while (next < s->len && strchr(".,?!;:", s->text[next])) next++;
      drop = next == s->len || s->text[next] == ' ';
    }
    if (!drop) out[n++] = s->text[i];
  }
  return n;
}

static void test_quiet_noises(void) {
  base_rng rng;
  data_sample s, before;
  char expected[DATA_MAX_TEXT];
  base_rng_seed(&rng, 7);
  for (int i = 0; i < 500; i++) {
    random_sample(&s, &rng);
    before = s;
    data_noise_punctuation(&s);
    size_t n = without_punctuation(&before, expected);
    TAP_OK(n == s.len && memcmp(expected, s.text, n) == 0, "punctuation: '%.*s' became '%.*s'",
           (int)before.len, before.text, (int)s.len, s.text);
    TAP_OK(spans_good(&s) && bracketed(&s), "spans after punctuation");
    for (size_t k = 0; k < s.n_spans; k++)
      TAP_OK(base_slice_equal(sample_span(&s, k), sample_span(&before, k)), "span %zu untouched", k);
    before = s;
    data_noise_case(&s);
    bool same = s.len == before.len && memcmp(s.spans, before.spans, s.n_spans * sizeof s.spans[0]) == 0;
    for (size_t k = 0; k < s.len && same; k++)
      same = s.text[k] ==
             (before.text[k] >= 'A' && before.text[k] <= 'Z' ? before.text[k] + 32 : before.text[k]);
    TAP_OK(same, "lower case");
  }
}

static void test_address(void) {
  base_rng rng;
  data_sample s, before;
  base_rng_seed(&rng, 10);
  for (int i = 0; i < 300; i++) {
    random_sample(&s, &rng);
    before = s;
    data_noise_address(&s, &rng);
    size_t more = s.len - before.len;
    TAP_OK(more > 2 && s.text[more - 1] == ' ' && memcmp(s.text + more, before.text, before.len) == 0, "a call in front");
    for (size_t k = 0; k < s.n_spans; k++)
      TAP_OK(base_slice_equal(sample_span(&s, k), sample_span(&before, k)), "span %zu untouched", k);
  }
  data_sample *full = calloc(1, sizeof *full);
  full->len = sizeof full->text - 1;
  data_noise_address(full, &rng);
  TAP_OK(full->len == sizeof full->text - 1, "no room, no call");
  free(full);
}

static void test_typos(void) {
  base_rng rng;
  data_sample s, before;
  size_t changed = 0;
  base_rng_seed(&rng, 8);
  for (int i = 0; i < 2000; i++) {
    random_sample(&s, &rng);
    before = s;
    data_noise_typo(&s, i % 4 == 0 ? 1.0f : 0.2f, &rng);
    changed += s.len != before.len || memcmp(s.text, before.text, s.len) != 0;
    TAP_OK(s.n_spans == before.n_spans && spans_good(&s) && bracketed(&s), "typos: '%.*s' became '%.*s'",
           (int)before.len, before.text, (int)s.len, s.text);
    TAP_OK(base_utf8_valid(s.text, s.len), "still UTF-8");
  }
  TAP_OK(changed > 1000, "typos happen");
  random_sample(&s, &rng);
  before = s;
  data_noise_typo(&s, 0.0f, &rng);
  TAP_OK(s.len == before.len && memcmp(s.text, before.text, s.len) == 0, "rate 0 changes nothing");
}

/* Spans of single letters within a word, as rows from elsewhere may have them: none may vanish. */
static void test_typos_within_words(void) {
  base_rng rng;
  base_rng_seed(&rng, 9);
  for (int i = 0; i < 500; i++) {
    data_sample s = {
        .len = 12, .n_spans = 4, .spans = {{1, 2, 0, 0}, {2, 3, 1, 0}, {5, 7, 2, 0}, {11, 12, 3, 0}}};
    memcpy(s.text, "abcdefghijkl", 12);
    data_noise_typo(&s, 1.0f, &rng);
    TAP_OK(s.n_spans == 4 && spans_good(&s), "single letters: '%.*s'", (int)s.len, s.text);
  }
  data_sample *full = calloc(1, sizeof *full);
  memset(full->text, 'q', sizeof full->text);
  full->len = sizeof full->text;
  full->spans[0] = (data_span){2000, 2048, 0, 0};
  full->n_spans = 1;
  for (int i = 0; i < 20; i++) data_noise_typo(full, 0.5f, &rng);
  TAP_OK(spans_good(full), "a full text");
  data_noise_punctuation(&(data_sample){.len = 0});
  data_noise_typo(&(data_sample){.len = 0}, 1.0f, &rng);
  free(full);
}

/* ---- joining ---- */

static void test_join(void) {
  data_sample a = {.len = 0, .label = 4}, b = {.len = 0, .label = 5}, *out = malloc(sizeof *out);
  put(&a, "wake me at 7");
  put(&b, "text Emma");
  b.spans[b.n_spans++] = (data_span){5, 9, 3, 1};
  data_join(&a, &b, BASE_LITERAL(" and "), 9, out);
  TAP_OK(base_slice_equal((base_slice){out->text, out->len}, BASE_LITERAL("wake me at 7 and text Emma")),
         "joined text");
  TAP_OK(out->n_spans == 2 && is(sample_span(out, 0), "wake me at 7") &&
             is(sample_span(out, 1), "text Emma") && out->label == 4,
         "a span each");
  TAP_OK(out->spans[0].slot == 9 && out->spans[1].slot == 9 && out->spans[1].list == DATA_NO_LIST,
         "of the slot for parts");
  for (size_t len = 2020; len <= 2048; len++) { /* as the room for the second runs out */
    memset(a.text, 'x', len);
    a.len = len;
    data_join(&a, &b, BASE_LITERAL(" and "), 0, out);
    bool both = len + 14 <= 2048;
    TAP_OK(spans_good(out) && out->n_spans == (both ? 2u : 1u) && out->len == (both ? len + 14 : len),
           "joined at %zu", len);
  }
  free(out);
}

int main(void) {
  os_mkdir("build", NULL);
  test_good_rows();
  test_bad_rows();
  test_limits();
  test_lines();
  test_checks();
  test_phrasing();
  test_growth();
  test_allocation_failures();
  test_draw();
  test_draw_over_long();
  test_quiet_noises();
  test_address();
  test_typos();
  test_typos_within_words();
  test_join();
  remove(TEMPORARY);
  return tap_done("test_data");
}
