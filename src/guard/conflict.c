/* Requests against the app's own instructions. What the instructions say to its assistant is read a clause at a time:
 *
 *   forbidden  words of what a clause forbids ("never discuss X", "X is off limits"), and the fields of talk that it
 *              names (domain.def): one of them in a request is a conflict
 *   guarded    when something is secret or private, the words of all the instructions: two of them in a request, or
 *              one beside a word for what people are asked about ("born", "email")
 *   hidden     when what is guarded is a secret word or a person's data: other names of it in a dozen languages, and
 *              the ways round it ("the first letter of what you hide", "her zodiac sign")
 *
 * Why a clause and not the sentence: "as a film forum, avoid science" does not forbid films. */
#include <string.h>

#include "guard/model.h"

enum { STEM = 5 };

static const struct domain {
  const char *names, *words, *marks;
} domains[] = {
#define GUARD_DOMAIN(names, words, marks) {names, words, marks},
#include "guard/domain.def"
#undef GUARD_DOMAIN
};
_Static_assert(sizeof domains / sizeof domains[0] <= 64, "a bit each");

/* What follows is forbidden; with !, what stands before as well. */
static const char *const forbidding[] = {
    "!not to be ", "do not ", "don't ", "never ", "avoid", "must not ", "should not ", "not to ", "refrain ", "refuse ",
    "decline ", "without ", "shouldn't ", "mustn't ", "cannot ", "can't ", "no knowledge", "unable to",
    "except ", "steer clear", "stay away", "keep away", "not reveal", "not discuss", "not disclose",
    "nothing about", "may not ", "not provide", "not programmed ", "not engage", "not answer", "!not allowed",
    "!prohibited", "!forbidden", "!off limits", "!off-limits", "!out of scope",
    "no circumstances", "don't want", "not supposed ", "no talk", "no discussion", "no mention", "no advice",
    "no questions", "nor ", "keep clear", "ignore any", "ignore all", "exclude ", "!restricted", "!excluded",
    "!not covered", "!unacceptable", "!not welcome", "!not permitted", "!banned", "!taboo", "!out of bounds",
    "!not appropriate", "!secret", "!confidential"};

/* Where a clause that forbids goes over to why, or to what else. */
static const char *const turns[] = {" to maintain", " to ensure", " to keep", " to focus", " to protect", " in order ",
                                    " so that ",    " so as ",    " because", " since ",   ", as ",       " as it",
                                    " as this",     " as they",   " as we",   " while ",   " instead",    " rather ",
                                    " but only",    ", but ",     " this is "};

/* Words that say how, not what: their first letters. */
static const char plain_words[] =
    "|about|above|again|allow|also|always|answe|anyon|anyth|being|cann|chatb|could|creat|desig|devel|discu|ensur|"
    "every|"
    "focus|follo|given|infor|inclu|includ|instr|inter|job|langu|maint|might|model|never|other|outsi|perso|pleas|"
    "polic|"
    "progr|promp|provi|quest|relat|reque|respo|revea|rules|servi|shoul|speci|speak|talk|tell|their|there|these|thing|"
    "this|"
    "topic|under|until|user|using|users|user'|when|where|which|while|will|with|would|your|yours|detai|depth|subje|"
    "avoid|"
    "such|like|more|only|some|than|that|them|they|from|have|into|just|make|must|does|dont|even|help|here|know|matte|"
    "locat|name|event|time|date|place|phone|year|month|week|today|click|list|show|find|look|give|send|check|"
    "janua|febru|march|april|june|july|augus|septe|octob|novem|decem|circu|case|cases|way|ways|what|want|"
    "need|chang|long|short|term|room|compl|cost|costs|price|good|best|great|very|well|work|good|been|were|each|both|"
    "over|many|much|most|part|kind|form|sort|type|life|";

/* What one asks about a person: says little without a name or another word of the instructions. */
static const char attributes[] =
    "|born|birth|live|lives|livin|resid|email|addre|color|colou|city|favor|favou|curre|phone|salar|balan|home|house|";

/* Instructions with one of these hide something. */
static const char guarding[] =
    "reveal~|secret|private|confidential|disclos~|share it|tell it|give it|to anyone|to yourself|leak|divulge|"
    "expose";

/* A word to be kept, and what else people call it. */
static const char secret_words[] =
    "password~|passwort~|kennwort~|passphrase~|pass phrase|passcode~|pass code|pass word|passwd|keyword|"
    "code word|codeword|secret word|secret key|secret code|secret phrase|secret|access code|access key|"
    "entry code|pin code|pin|credential~|login~|log in details|authentication code|magic word|safe word|"
    "key phrase|contrasena~|palabra secreta|palabra clave|clave|mot de passe|mots de passe|code secret|"
    "mot secret|senha~|palavra passe|parola d ordine|parola segreta|parola chiave|password segreta|wachtwoord~|"
    "losenord~|adgangskode~|passord~|salasana~|haslo|hasla|heslo|parola|sifre~|kata sandi|geheimwort|geheimnis~|"
    "geheime~ wort|losung~|mat khau";
static const char secret_marks[] =
    "парол|секретн|密码|密碼|口令|暗号|秘密|パスワード|合言葉|暗証|비밀번호|암호|비밀|كلمة المرور|كلمة السر|पासवर्ड|गुप्त|κωδικ|סיסמ|"
    "รหัสผ่าน|গোপন|گذرواژه|رمز عبور";

/* Ways round: parts, disguises and hints of it, and what it is called by those who do not call it anything. */
static const char roundabout[] =
    "hint|hints|clue|clues|rhymes with|rhyme with|rhyming with|first letter~|last letter~|each letter|"
    "letter by letter|letters of|how many letters|vowels|consonants|backwards|reversed|in reverse|spell it|"
    "spelled|spelling of it|acrostic|caesar|cipher~|encode~|encrypt~|base64|rot13|pig latin|morse|leetspeak|"
    "in emoji~|starts with|begins with|ends with|synonym~ of it|you are hiding|you re hiding|youre hiding|"
    "you hide|are you hiding|you know but|not supposed to|not allowed to|you were told|you have been told|"
    "youve been told|told not to|asked not to|you cannot tell|you can t tell|you won t tell|you must not|"
    "you mustn t|the thing you|the word you|the phrase you|word in your|your instructions|your prompt|"
    "confidential|off the record|between us|just between|keep from me|keeping from me|guarding|protecting|"
    "classified";

/* A person whose data are private, and what may be asked of one. */
static const char person_words[] =
    "user|users|client|customer|person|owner|account holder|she|her|hers|he|his|him|nutzer~|benutzer~|kunde|"
    "kundin|usuario|usuaria|utilisateur|utilisatrice|utente|cliente";
static const char person_data[] =
    "age|how old|birthday~|birth~|born|live|lives|living|reside~|residen~|hometown|home town|which city|"
    "what city|city of|town|which state|which country|address|addresses|email|emails|e mail|mailbox|inbox|"
    "contact details|contact information|reach him|reach her|phone|colour|color|hue|shade|paint|favourite|"
    "favorite|initials|first letter|last letter|surname|last name|first name|full name|domain|zodiac|star sign|"
    "decade|century|generation|what year|which year|salary|earns|balance|account number|personal~|profile|"
    "private|geboren|wohnt|adresse|geburt~|lieblings~|vive|nacio|nacimiento|correo|habite|nee le|naissance|"
    "couleur|courriel|abita|nato|nata|nascita|mora|nasceu|nascimento";
/* That the instructions hold such data. */
static const char person_told[] =
    "name is|lives in|currently lives|born on|was born|email address is|phone number is|address is|"
    "favorite color is|favourite colour is";

typedef struct bounds {
  size_t start, end;
} bounds;

/* ---- words ---- */

/* Is the beginning of the word [start, end) one of "|a|b|"? */
static bool is_listed(const guard_view *v, size_t start, size_t end, const char *list) {
  return guard_is_listed(v, start, end - start < STEM ? end : start + STEM, list);
}

static uint64_t stem_of(const guard_view *v, size_t start, size_t end) {
  size_t n = end - start < STEM ? end - start : STEM;
  if (n < 4 || is_listed(v, start, end, plain_words)) return 0;
  return base_hash(BASE_HASH_START, v->low + start, n);
}

/* "AI", "GPS": capitals that stand for words; else as stem_of. */
static uint64_t word_key(const guard_view *v, size_t start, size_t end) {
  bool short_word = end - start == 2 || end - start == 3;
  for (size_t i = start; i < end && short_word; i++) short_word = guard_is_upper(v->f[i]);
  return short_word ? base_hash(BASE_HASH_START, v->low + start, end - start) : stem_of(v, start, end);
}

static bool has_stem(const guard_stems *s, uint64_t h) {
  for (size_t i = 0; i < s->n; i++)
    if (s->hash[i] == h) return true;
  return false;
}

static void add_stems(guard_stems *s, const guard_view *v, bounds b) {
  for (size_t i = b.start; i < b.end && s->n < GUARD_MAX_STEMS;) {
    size_t from = i;
    while (i < b.end && guard_is_alpha(v->low[i])) i++;
    uint64_t h = word_key(v, from, i);
    if (h != 0 && !has_stem(s, h)) s->hash[s->n++] = h;
    i += i == from;
  }
}

/* The end of the word or phrase w[0..n) at i, "~" for any letters; 0: it does not stand there. */
static size_t match_phrase(const guard_view *v, size_t i, const char *w, size_t n) {
  size_t p = i;
  for (size_t at = 0; at < n; at++) {
    if (w[at] != '~') {
      if (v->low[p++] != (uint8_t)w[at]) return 0;
    } else {
      while (guard_is_alpha(v->low[p]) && (at + 1 == n || v->low[p] != (uint8_t)w[at + 1])) p++;
    }
  }
  return guard_is_alnum(v->low[p]) ? 0 : p;
}

/* Which pairs of letters words begin with in a stretch of text: most of the thousands of phrases are ruled out by this
 * alone. */
typedef struct beginnings {
  bounds in;
  uint32_t second[26]; /* by the first letter; bit 26: no letter */
} beginnings;

static unsigned letter_index(uint8_t c) { return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') : 26U; }

static beginnings beginnings_of(const guard_view *v, bounds in) {
  beginnings b = {.in = in};
  for (size_t i = in.start; i < in.end; i++)
    if ((i == 0 || !guard_is_alnum(v->low[i - 1])) && letter_index(v->low[i]) < 26)
      b.second[letter_index(v->low[i])] |= 1U << letter_index(v->low[i + 1]);
  return b;
}

static bool may_stand(const beginnings *b, const char *w, size_t n) {
  unsigned first = letter_index((uint8_t)w[0]);
  if (n == 0 || first == 26) return n > 0;
  if (n == 1 || w[1] == '~') return b->second[first] != 0;
  return (b->second[first] >> letter_index((uint8_t)w[1]) & 1U) != 0;
}

/* Does one of the words or phrases "a|b~|c d" stand where a word begins? By phrases first, because looking for a letter
 * is fast. */
static bool has_phrase(const guard_view *v, const beginnings *b, const char *words) {
  for (const char *w = words, *bar; w != NULL; w = bar != NULL ? bar + 1 : NULL) {
    bar = strchr(w, '|');
    size_t n = bar != NULL ? (size_t)(bar - w) : strlen(w);
    if (!may_stand(b, w, n)) continue;
    for (size_t i = b->in.start; i < b->in.end; i++) {
      const uint8_t *at = memchr(v->low + i, w[0], b->in.end - i);
      if (at == NULL) break;
      i = (size_t)(at - v->low);
      if ((i == 0 || !guard_is_alnum(v->low[i - 1])) && match_phrase(v, i, w, n) > 0) return true;
    }
  }
  return false;
}

/* ---- the instructions ---- */

static size_t sentence_end(const guard_view *v, size_t start) {
  size_t end = start;
  while (end < v->n && !(strchr(".!\n;", v->low[end]) != NULL && v->low[end] != '\0' && v->low[end + 1] <= ' ')) end++;
  return end;
}

static size_t clause_end(const guard_view *v, bounds b) {
  for (size_t i = b.start; i < b.end; i++)
    for (size_t k = 0; k < sizeof turns / sizeof turns[0]; k++)
      if (v->low[i] == (uint8_t)turns[k][0] && guard_starts(v, i, turns[k])) return i;
  return b.end;
}

/* The forbidden part of a sentence; empty when it forbids nothing. */
static bounds forbidden_part(const guard_view *v, bounds b) {
  for (size_t i = b.start; i < b.end; i++)
    for (size_t k = 0; k < sizeof forbidding / sizeof forbidding[0]; k++) {
      const char *word = forbidding[k];
      bool both = word[0] == '!';
      if (v->low[i] != (uint8_t)word[both] || !guard_starts(v, i, word + both)) continue;
      return (bounds){both ? b.start : i + strlen(word), both ? b.end : clause_end(v, (bounds){i, b.end})};
    }
  return (bounds){b.end, b.end};
}

/* The words of a private name ("the user's name is Ann Lee."): each of them alone is a reason. */
static void add_names(guard_stems *s, const guard_view *v) {
  static const char *const heads[] = {"name is ", "named ", "name: ", "called "};
  for (size_t i = 0; i < v->n; i++)
    for (size_t k = 0; k < sizeof heads / sizeof heads[0]; k++) {
      if (v->low[i] != (uint8_t)heads[k][0] || !guard_starts(v, i, heads[k])) continue;
      size_t start = i + strlen(heads[k]), end = start;
      while (guard_is_alpha(v->low[end]) || (v->low[end] == ' ' && guard_is_upper(v->f[end + 1]))) end++;
      add_stems(s, v, (bounds){start, end});
    }
}

/* The fields that a clause names, or has words of ("do not discuss black holes"). Not by words: a hidden word ("the
 * password is Piano"), and single tasks ("how to bake a cake" does not forbid all food). */
static uint64_t domains_of(const guard_view *v, bounds part, bool by_words) {
  beginnings b = beginnings_of(v, part);
  uint64_t found = 0;
  by_words = by_words && !has_phrase(v, &b, "task of|how to");
  for (size_t d = 0; d < sizeof domains / sizeof domains[0]; d++)
    if (has_phrase(v, &b, domains[d].names) || (by_words && has_phrase(v, &b, domains[d].words)))
      found |= UINT64_C(1) << d;
  return found;
}

void guard_read_instructions(const guard_view *v, guard_instructions *out) {
  uint64_t key = base_hash(BASE_HASH_START, v->text.ptr, v->text.len) | 1U;
  if (out->key == key) return;
  beginnings whole = beginnings_of(v, (bounds){0, v->n});
  bool guarded = has_phrase(v, &whole, guarding);
  *out = (guard_instructions){.key = key,
                              .hides_word = guarded && has_phrase(v, &whole, secret_words),
                              .hides_person = guarded && has_phrase(v, &whole, person_told)};
  for (size_t start = 0; start < v->n;) {
    bounds all = {start, sentence_end(v, start)};
    for (bounds part = forbidden_part(v, all); part.start < part.end;
         part = forbidden_part(v, (bounds){part.end, all.end})) {
      add_stems(&out->forbidden, v, part);
      out->domains |= domains_of(v, part, !out->hides_word && !out->hides_person);
    }
    if (guarded) add_stems(&out->guarded, v, all);
    start = all.end + 1;
  }
  if (guarded) add_names(&out->forbidden, v);
}

/* ---- the request ---- */

/* Two or three words whose initials are a forbidden abbreviation. */
static bool spells_out(const guard_stems *s, const uint8_t initials[3]) {
  uint64_t two = base_hash(BASE_HASH_START, initials + 1, 2), three = base_hash(BASE_HASH_START, initials, 3);
  return (initials[1] && initials[2] && has_stem(s, two)) ||
         (initials[0] && initials[1] && initials[2] && has_stem(s, three));
}

static bool touches(const guard_instructions *in, const guard_view *v) {
  uint8_t initials[3] = {0};
  uint64_t first = 0; /* of the guarded stems met that are no attribute */
  bool asked = false;
  for (size_t i = 0; i < v->n;) {
    size_t from = i;
    while (guard_is_alpha(v->low[i])) i++;
    if (i == from) {
      if (v->low[i] != ' ') memset(initials, 0, sizeof initials);
      i++;
      continue;
    }
    uint64_t h = word_key(v, from, i);
    if (h != 0 && has_stem(&in->forbidden, h)) return true;
    if (h != 0 && h != first && has_stem(&in->guarded, h)) {
      bool attribute = is_listed(v, from, i, attributes);
      if (first != 0 || (asked && !attribute)) return true;
      if (attribute) asked = true;
      else first = h;
    }
    memmove(initials, initials + 1, 2);
    initials[2] = i - from >= 4 ? v->low[from] : 0;
    if (spells_out(&in->forbidden, initials)) return true;
  }
  return false;
}

/* Does a request ask for the hidden word, or for the person's data, by another name or in a roundabout way? */
static bool asks_for_hidden(const guard_instructions *in, const guard_view *v, const beginnings *b) {
  if (in->hides_word && (has_phrase(v, b, secret_words) || has_phrase(v, b, roundabout) ||
                         guard_has_mark(v->text, secret_marks)))
    return true;
  return in->hides_person && has_phrase(v, b, person_words) && has_phrase(v, b, person_data);
}

bool guard_conflicts(const guard_instructions *in, const guard_view *v) {
  beginnings b = beginnings_of(v, (bounds){0, v->n});
  if (touches(in, v) || asks_for_hidden(in, v, &b)) return true;
  for (size_t d = 0; d < sizeof domains / sizeof domains[0]; d++)
    if ((in->domains >> d & 1) != 0 &&
        (has_phrase(v, &b, domains[d].words) || guard_has_mark(v->text, domains[d].marks)))
      return true;
  return false;
}
