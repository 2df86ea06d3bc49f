/* Secrets: tokens that name themselves by a prefix (secret.def), private keys, what follows "password is", and
 * long random-looking words. */
#include <math.h>
#include <string.h>

#include "guard/internal.h"

enum { MAX_TOKEN = 2048 };

static const struct {
  const char *prefix;
  size_t least;
  const char *what;
} keys[] = {
#define GUARD_KEY(prefix, least, what) {prefix, least, what},
#include "guard/secret.def"
#undef GUARD_KEY
};

static bool is_token(uint8_t c) {
  return (guard_is_alnum(c) && c != GUARD_LETTER) || c == '_' || c == '-' || c == '.' || c == '/' ||
         c == '+' || c == '=';
}

static size_t token_end(const guard_view *v, size_t i) {
  size_t end = i;
  while (is_token(v->f[end]) && end - i < MAX_TOKEN)
    end++;
  while (end > i && (v->f[end - 1] == '.' || v->f[end - 1] == '-' || v->f[end - 1] == '/'))
    end--;
  return end;
}

static size_t rule_prefix(const guard_view *v, size_t i, size_t end, guard_hits *h) {
  for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
    size_t n = strlen(keys[k].prefix);
    if (v->f[i] != (uint8_t)keys[k].prefix[0] || end - i < n + keys[k].least) continue;
    if (memcmp(v->f + i, keys[k].prefix, n) != 0) continue;
    guard_hit(h, v, i, end, GUARD_SECRET, 1.0F, keys[k].what);
    return end - i;
  }
  return 0;
}

/* "-----BEGIN ... PRIVATE KEY-----" up to its END line, or to the end of the text. */
static size_t rule_pem(const guard_view *v, size_t i, guard_hits *h) {
  bool key = false;
  size_t end = i + 10;
  if (!guard_starts(v, i, "-----begin ")) return 0;
  for (; end < v->n && end - i < 80 && v->f[end] != '\n'; end++)
    key = key || guard_starts(v, end, "private key");
  if (!key) return 0;
  while (end < v->n && !guard_starts(v, end, "-----end "))
    end++;
  end = end + 9 < v->n ? end + 9 : v->n;
  while (end < v->n && v->f[end] != '\n' && v->f[end - 1] != '-')
    end++;
  while (end < v->n && v->f[end] == '-')
    end++;
  guard_hit(h, v, i, end, GUARD_SECRET, 1.0F, "private_key");
  return end - i;
}

/* Bits a character, of at most 64 characters. */
static float entropy(const uint8_t *f, size_t n) {
  uint8_t count[128] = {0};
  float bits = 0.0F;
  if (n > 64) n = 64;
  for (size_t i = 0; i < n; i++) count[f[i] & 127]++;
  for (size_t i = 0; i < n; i++) bits += log2f((float)n / (float)count[f[i] & 127]);
  return bits / (float)n;
}

/* Long and random: words, numbers and dotted names are not. */
static bool looks_random(const guard_view *v, size_t i, size_t end) {
  size_t digits = 0, uppers = 0, lowers = 0, hex = 0, marks = 0, n = end - i, turns = 0;
  for (size_t k = i; k < end; k++) {
    uint8_t c = v->f[k];
    bool digit = guard_is_digit(c);
    digits += digit;
    uppers += guard_is_upper(c);
    lowers += c >= 'a' && c <= 'z';
    marks += !guard_is_alnum(c);
    hex += digit || (v->low[k] >= 'a' && v->low[k] <= 'f');
    turns += k > i && digit != guard_is_digit(v->f[k - 1]);
  }
  if (n < 20 || digits < 2 || uppers + lowers < 4 || marks * 8 > n) return false;
  if (hex == n) return n >= 32 && turns >= 6;
  return turns >= 4 && (uppers > 0 || n >= 32) && entropy(v->f + i, n) > 3.6F;
}

/* What secrets are called, before "is", ":" or "=". Longest first where one begins another. */
static const char *const names[] = {"passphrase",    "password",      "passwort",
                                    "passcode",      "passwd",        "pwd",
                                    "api key",       "api_key",       "apikey",
                                    "secret key",    "secret_key",    "client_secret",
                                    "access token",  "access_token",  "auth token",
                                    "bearer",        "pin code",      "pin",
                                    "cvv",           "cvc",           "security code",
                                    "otp",           "contrasena",    "mot de passe",
                                    "one-time code", "one time code", "verification code",
                                    "login code"};

/* " is ", ": ", "=", "\": \"" and the like behind a secret's name; 0 when none. */
static size_t link_after(const guard_view *v, size_t i) {
  size_t p = i;
  bool linked = false;
  while (v->f[p] == ' ' || v->f[p] == '"' || v->f[p] == '\'')
    p++;
  if (v->f[p] == ':' || v->f[p] == '=') {
    linked = true;
    p++;
  } else if (guard_starts(v, p, "is ") || guard_starts(v, p, "was ")) {
    linked = true;
    p += v->low[p] == 'i' ? 2 : 3;
  }
  while (v->f[p] == ' ' || v->f[p] == '"' || v->f[p] == '\'' || v->f[p] == ':')
    p++;
  return linked ? p : 0;
}

/* "my password is wrong" tells nothing: a word without digits, capitals or marks counts only behind ":" or "=",
 * or in quotes. */
static size_t rule_named(const guard_view *v, size_t i, guard_hits *h) {
  for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
    size_t p, end, odd = 0;
    if (v->low[i] != (uint8_t)names[k][0] || !guard_starts(v, i, names[k])) continue;
    size_t behind = i + strlen(names[k]);
    if (guard_is_alnum(v->f[behind]) || (p = link_after(v, behind)) == 0) continue;
    for (end = p; v->f[end] > ' ' && strchr("\"',;<>", v->f[end]) == NULL && end - p < 128; end++)
      odd +=
          !(v->f[end] >= 'a' && v->f[end] <= 'z') && v->f[end] != '.' && v->f[end] != '?' && v->f[end] != '!';
    while (end > p && strchr(".?!)", v->f[end - 1]) != NULL)
      end--;
    bool quoted = v->f[p - 1] == '"' || v->f[p - 1] == '\'' || v->f[p - 1] == ':' || v->f[p - 1] == '=';
    if (end - p < 3 || (odd == 0 && !quoted) || v->f[p] == '[') continue;
    guard_hit(h, v, p, end, GUARD_SECRET, 0.85F, "named_secret");
    return end - i;
  }
  return 0;
}

/* A token is read from its beginning once, so that time stays linear. */
static size_t token_from(const guard_view *v, size_t i) {
  bool inner = i > 0 && v->f[i - 1] != '=' && v->f[i - 1] != '/' && is_token(v->f[i - 1]);
  return inner ? i : token_end(v, i);
}

size_t guard_rule_secret(const guard_view *v, size_t i, guard_hits *h) {
  size_t n, end;
  if (v->f[i] == '-') return rule_pem(v, i, h);
  end = token_from(v, i);
  if (end > i && (n = rule_prefix(v, i, end, h)) > 0) return n;
  return rule_named(v, i, h);
}

size_t guard_rule_random(const guard_view *v, size_t i, guard_hits *h) {
  size_t end = token_from(v, i);
  if (end - i < 20 || !looks_random(v, i, end)) return 0;
  guard_hit(h, v, i, end, GUARD_SECRET, 0.7F, "random_token");
  return end - i;
}
