/* What a terminal shows: colour, width, and how many columns a text takes there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

enum { DEFAULT_COLUMNS = 120, LEAST_COLUMNS = 60, MOST_COLUMNS = 240 };

/* True when colour may be used on stdout: a terminal, and NO_COLOR is not set. */
static bool colour(void) {
  const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
  if (no != NULL && no[0] != '\0') return false;
  return os_is_terminal(STDOUT_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
}

const char *cli_decision_colour(const char *decision) {
  static const struct {
    const char *decision, *code;
  } table[] = {{"act", "\033[32m"},    {"answer", "\033[32m"},  {"confirm", "\033[33m"},
               {"ask", "\033[33m"},    {"handoff", "\033[36m"}, {"defer", "\033[36m"},
               {"refuse", "\033[31m"}, {"error", "\033[31m"}};
  for (size_t i = 0; colour() && i < sizeof table / sizeof table[0]; i++)
    if (strcmp(table[i].decision, decision) == 0) return table[i].code;
  return "";
}

const char *cli_plain(void) { return colour() ? "\033[0m" : ""; }
const char *cli_dim(void) { return colour() ? "\033[2m" : ""; }

size_t cli_columns(void) {
  struct winsize size;
  size_t columns = 0;
  const char *given = getenv("COLUMNS");
  if (os_is_terminal(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
  if (columns == 0 && (given == NULL || !base_parse_size(base_slice_of(given), &columns) || columns == 0))
    columns = DEFAULT_COLUMNS;
  if (columns < LEAST_COLUMNS) return LEAST_COLUMNS;
  return columns > MOST_COLUMNS ? MOST_COLUMNS : columns;
}

/* Columns of one character: none for combining marks and joiners, two for East Asian wide forms and emoji. */
static size_t columns_of(uint32_t c) {
  static const struct {
    uint32_t first, last;
    size_t columns;
  } ranges[] = {{0x0300, 0x036F, 0},   {0x0483, 0x0489, 0},   {0x0591, 0x05BD, 0},   {0x064B, 0x065F, 0},
                {0x200B, 0x200F, 0},   {0x20D0, 0x20F0, 0},   {0xFE00, 0xFE0F, 0},   {0xFE20, 0xFE2F, 0},
                {0x1F3FB, 0x1F3FF, 0}, {0x1100, 0x115F, 2},   {0x2E80, 0x303E, 2},   {0x3041, 0xA4CF, 2},
                {0xAC00, 0xD7A3, 2},   {0xF900, 0xFAFF, 2},   {0xFE30, 0xFE6F, 2},   {0xFF00, 0xFF60, 2},
                {0xFFE0, 0xFFE6, 2},   {0x1F300, 0x1F64F, 2}, {0x1F680, 0x1F6FF, 2}, {0x1F900, 0x1FAFF, 2},
                {0x20000, 0x3FFFD, 2}};
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
    if (c >= ranges[i].first && c <= ranges[i].last) return ranges[i].columns;
  return 1;
}

/* Bytes of `text` that fit into `columns`, and the columns they take. */
static size_t fitting(base_slice text, size_t columns, size_t *taken) {
  size_t at = 0;
  *taken = 0;
  while (at < text.len) {
    uint32_t c;
    size_t step = base_utf8_decode(text.ptr + at, text.len - at, &c), width = step > 0 ? columns_of(c) : 1;
    if (*taken + width > columns) break;
    *taken += width;
    at += step > 0 ? step : 1;
  }
  return at;
}

size_t cli_width(base_slice text) {
  size_t taken;
  (void)fitting(text, (size_t)-1, &taken);
  return taken;
}

/* What is no text would steer the terminal: bytes that are not UTF-8 and control characters show as "?". */
static void put_safely(base_slice text) {
  for (size_t at = 0, step; at < text.len; at += step) {
    uint32_t c;
    step = base_utf8_decode(text.ptr + at, text.len - at, &c);
    bool bad = step == 0 || c < 0x20 || (c >= 0x7F && c < 0xA0);
    if (step == 0) step = 1;
    if (bad) putchar('?');
    else (void)fwrite(text.ptr + at, 1, step, stdout);
  }
}

void cli_cell(base_slice text, size_t columns) {
  size_t taken, n = fitting(text, columns, &taken);
  bool cut = n < text.len;
  if (cut) n = fitting(text, columns - 1, &taken);
  put_safely(base_slice_sub(text, 0, n));
  if (cut) {
    fputs("\xE2\x80\xA6", stdout);
    taken++;
  }
  for (; taken < columns; taken++)
    putchar(' ');
}
