/* A line from the user. On a terminal a small editor: the line stays on one row and scrolls sideways under the
 * cursor; pasted text keeps its line ends. Elsewhere plain lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"

enum { MAX_HISTORY = 200, MAX_LINE = 1 << 20 };

/* Keys beyond bytes: escape sequences. */
typedef enum key {
  KEY_NONE = 256,
  KEY_LEFT,
  KEY_RIGHT,
  KEY_UP,
  KEY_DOWN,
  KEY_HOME,
  KEY_END,
  KEY_DELETE,
  KEY_PASTE_BEGIN,
  KEY_PASTE_END,
  KEY_EOF
} key;

struct cli_line {
  base_buf text;
  size_t cursor;  /* byte in text, at the start of a character */
  base_buf saved; /* what was typed before going into the history */
  char *history[MAX_HISTORY];
  size_t n_history, at; /* at == n_history: the line being typed */
  bool pasting;
  const char *prompt;
  char *plain; /* getline's */
  size_t plain_cap;
};

cli_line *cli_line_open(void) { return calloc(1, sizeof(cli_line)); }

void cli_line_close(cli_line *l) {
  if (l == NULL) return;
  for (size_t i = 0; i < l->n_history; i++) free(l->history[i]);
  base_buf_free(&l->text);
  base_buf_free(&l->saved);
  free(l->plain);
  free(l);
}

/* ---- keys ---- */

static int read_byte(void) {
  unsigned char byte;
  for (;;) {
    ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n == 1) return byte;
    if (n == 0 || errno != EINTR || os_interrupted()) return KEY_EOF;
  }
}

/* Behind ESC: "[A", "OH", "[3~", "[200~". What is not known is KEY_NONE. */
static int read_escape(void) {
  static const struct {
    const char *code;
    key key;
  } keys[] = {{"A", KEY_UP},    {"B", KEY_DOWN},    {"C", KEY_RIGHT}, {"D", KEY_LEFT}, {"H", KEY_HOME},
              {"F", KEY_END},   {"1~", KEY_HOME},   {"7~", KEY_HOME}, {"4~", KEY_END}, {"8~", KEY_END},
              {"3~", KEY_DELETE}, {"200~", KEY_PASTE_BEGIN}, {"201~", KEY_PASTE_END}};
  char code[16];
  size_t n = 0;
  int byte = read_byte();
  if (byte != '[' && byte != 'O') return KEY_NONE;
  do {
    byte = read_byte();
    if (byte == KEY_EOF) return KEY_EOF;
    code[n++] = (char)byte;
  } while (n < sizeof code - 1 && (byte < '@' || byte > '~'));
  code[n] = '\0';
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
    if (strcmp(keys[i].code, code) == 0) return (int)keys[i].key;
  return KEY_NONE;
}

static int read_key(void) {
  int byte = read_byte();
  return byte == 27 ? read_escape() : byte;
}

/* ---- the text ---- */

static size_t step_back(const cli_line *l, size_t at) {
  if (at > 0) at--;
  while (at > 0 && ((unsigned char)l->text.ptr[at] & 0xC0) == 0x80) at--;
  return at;
}

static size_t step_on(const cli_line *l, size_t at) {
  if (at < l->text.len) at++;
  while (at < l->text.len && ((unsigned char)l->text.ptr[at] & 0xC0) == 0x80) at++;
  return at;
}

static void erase(cli_line *l, size_t from, size_t to) {
  memmove(l->text.ptr + from, l->text.ptr + to, l->text.len - to + 1);
  l->text.len -= to - from;
  l->cursor = from;
}

static void insert(cli_line *l, char byte) {
  if (l->text.len >= MAX_LINE) return;
  base_buf_putc(&l->text, byte);
  if (l->text.failed) return;
  memmove(l->text.ptr + l->cursor + 1, l->text.ptr + l->cursor, l->text.len - 1 - l->cursor);
  l->text.ptr[l->cursor++] = byte;
}

static void set_text(cli_line *l, const char *text, size_t len) {
  base_buf_clear(&l->text);
  base_buf_add(&l->text, text, len);
  base_buf_puts(&l->text, "");
  l->cursor = l->text.len;
}

static void erase_word(cli_line *l) {
  size_t from = l->cursor;
  while (from > 0 && l->text.ptr[from - 1] == ' ') from--;
  while (from > 0 && l->text.ptr[from - 1] != ' ') from--;
  erase(l, from, l->cursor);
}

/* ---- history ---- */

static void remember(cli_line *l) {
  if (l->text.len == 0) return;
  if (l->n_history > 0 && strcmp(l->history[l->n_history - 1], l->text.ptr) == 0) return;
  char *copy = malloc(l->text.len + 1);
  if (copy == NULL) return;
  memcpy(copy, l->text.ptr, l->text.len + 1);
  if (l->n_history == MAX_HISTORY) {
    free(l->history[0]);
    memmove(l->history, l->history + 1, (MAX_HISTORY - 1) * sizeof l->history[0]);
    l->n_history--;
  }
  l->history[l->n_history++] = copy;
}

static void go_in_history(cli_line *l, bool back) {
  if (back ? l->at == 0 : l->at == l->n_history) return;
  if (l->at == l->n_history) {
    base_buf_clear(&l->saved);
    base_buf_add(&l->saved, l->text.ptr, l->text.len);
    base_buf_puts(&l->saved, "");
  }
  l->at += back ? (size_t)-1 : 1;
  if (l->at == l->n_history) set_text(l, l->saved.ptr, l->saved.len);
  else set_text(l, l->history[l->at], strlen(l->history[l->at]));
}

/* ---- drawing ---- */

static void put_char(base_slice c) {
  if (c.len == 1 && c.ptr[0] == '\n') fputs("\xE2\x86\xB5", stdout); /* a small arrow */
  else if ((unsigned char)c.ptr[0] < 0x20 || c.ptr[0] == 127) putchar('?');
  else (void)fwrite(c.ptr, 1, c.len, stdout);
}

/* From which byte on the line is shown, so that the cursor is on the row. */
static size_t first_shown(const cli_line *l, size_t room) {
  size_t from = l->cursor, columns = 0;
  while (from > 0) {
    size_t before = step_back(l, from);
    columns += cli_width((base_slice){l->text.ptr + before, from - before});
    if (columns >= room) break;
    from = before;
  }
  return from;
}

static void draw(const cli_line *l) {
  size_t taken = cli_width(base_slice_of(l->prompt)), room = cli_columns() - 1, at_cursor;
  room = room > taken + 8 ? room - taken : 8;
  size_t from = first_shown(l, room), columns = 0;
  at_cursor = taken + cli_width((base_slice){l->text.ptr + from, l->cursor - from});
  printf("\r%s", l->prompt);
  for (size_t at = from, next; at < l->text.len; at = next) {
    next = step_on(l, at);
    base_slice c = {l->text.ptr + at, next - at};
    columns += cli_width(c);
    if (columns > room) break;
    put_char(c);
  }
  fputs("\033[K\r", stdout);
  if (at_cursor > 0) printf("\033[%zuC", at_cursor);
  (void)fflush(stdout);
}

/* ---- editing ---- */

/* True when the line is over. */
static bool edit(cli_line *l, int k, cli_line_end *end) {
  *end = CLI_LINE_DONE;
  switch (k) {
    case KEY_EOF: *end = CLI_LINE_EOF; return true;
    case KEY_PASTE_BEGIN: l->pasting = true; break;
    case KEY_PASTE_END: l->pasting = false; break;
    case KEY_LEFT: case 2: l->cursor = step_back(l, l->cursor); break;
    case KEY_RIGHT: case 6: l->cursor = step_on(l, l->cursor); break;
    case KEY_UP: case 16: go_in_history(l, true); break;
    case KEY_DOWN: case 14: go_in_history(l, false); break;
    case KEY_HOME: case 1: l->cursor = 0; break;
    case KEY_END: case 5: l->cursor = l->text.len; break;
    case KEY_DELETE: erase(l, l->cursor, step_on(l, l->cursor)); break;
    case 3: *end = CLI_LINE_INTERRUPT; return true;
    case 4:
      if (l->text.len == 0) {
        *end = CLI_LINE_EOF;
        return true;
      }
      erase(l, l->cursor, step_on(l, l->cursor));
      break;
    case 8: case 127: erase(l, step_back(l, l->cursor), l->cursor); break;
    case 11: erase(l, l->cursor, l->text.len); break;
    case 21: erase(l, 0, l->cursor); break;
    case 23: erase_word(l); break;
    case '\r': case '\n':
      if (!l->pasting) return true;
      insert(l, '\n');
      break;
    default:
      if (k < 256 && (k >= 0x20 || k == '\t')) insert(l, (char)k);
  }
  return false;
}

static cli_line_end edit_line(cli_line *l) {
  cli_line_end end;
  int k;
  set_text(l, "", 0);
  l->at = l->n_history;
  l->pasting = false;
  do {
    if (base_utf8_valid(l->text.ptr, l->text.len)) draw(l);
    k = read_key();
  } while (!edit(l, k, &end));
  l->cursor = l->text.len;
  draw(l);
  if (end == CLI_LINE_DONE) remember(l);
  return end;
}

static cli_line_end read_plain(cli_line *l, base_slice *text) {
  ssize_t n = getline(&l->plain, &l->plain_cap, stdin);
  if (n < 0) return CLI_LINE_EOF;
  while (n > 0 && (l->plain[n - 1] == '\n' || l->plain[n - 1] == '\r')) n--;
  l->plain[n] = '\0';
  *text = (base_slice){l->plain, (size_t)n};
  return CLI_LINE_DONE;
}

cli_line_end cli_line_read(cli_line *l, const char *prompt, base_slice *text) {
  struct termios old, raw;
  *text = BASE_LITERAL("");
  if (!os_is_terminal(STDIN_FILENO) || !os_is_terminal(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &old) != 0)
    return read_plain(l, text);
  raw = old;
  raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON | BRKINT | INPCK | ISTRIP);
  raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  l->prompt = prompt;
  (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  fputs("\033[?2004h", stdout); /* pasted text comes in brackets */
  cli_line_end end = edit_line(l);
  fputs("\033[?2004l\r\n", stdout);
  (void)fflush(stdout);
  (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &old);
  *text = (base_slice){l->text.ptr, l->text.len};
  return end;
}
