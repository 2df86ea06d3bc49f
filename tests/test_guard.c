/* The guard: what it finds and what it leaves, clean text and the way back, validators, steering, memory. */
#include <string.h>

#include "guard/guard.h"
#include "tap.h"

static guard *open_guard(void) {
  guard *g = NULL;
  base_error err = {0};
  TAP_OK(guard_open(&g, NULL, &err) == BASE_OK, "opens: %s", err.text);
  return g;
}

/* ---- finding ---- */

/* text, then the value and its class and rule; a value of "" means that nothing is found */
typedef struct find_case {
  const char *text, *value, *cls, *what;
} find_case;

static const find_case finds[] = {
    {"mail anna.k@example.org please", "anna.k@example.org", "email", "email"},
    {"write to anna at example dot org", "anna at example dot org", "email", "email"},
    {"anna (at) example (dot) org", "anna (at) example (dot) org", "email", "email"},
    {"anna\xE2\x80\x8B@exam\xE2\x80\x8Dple.org", "anna\xE2\x80\x8B@exam\xE2\x80\x8Dple.org", "email", "email"},
    {"meet me at the dot com bar", "", NULL, NULL},
    {"card 4111 1111 1111 1111 12/27", "4111 1111 1111 1111", "card", "visa"},
    {"card 4111-1111-1111-1112", "4111-1111-1111-1112", "card", "card_like"},
    {"4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "card", "visa"},
    {"\xEF\xBC\x94\xEF\xBC\x91\xEF\xBC\x91\xEF\xBC\x91" "111111111111",
     "\xEF\xBC\x94\xEF\xBC\x91\xEF\xBC\x91\xEF\xBC\x91" "111111111111", "card", "visa"},
    {"378282246310005", "378282246310005", "card", "amex"},
    {"IBAN DE89 3704 0044 0532 0130 00 thanks", "DE89 3704 0044 0532 0130 00", "iban", "iban"},
    {"GB82WEST12345698765432", "GB82WEST12345698765432", "iban", "iban"},
    {"GB82WEST12345698765433", "", NULL, NULL},
    {"ssn 078-05-1120", "078-05-1120", "national_id", "us_ssn"},
    {"my NHS number is 943 476 5919", "943 476 5919", "national_id", "uk_nhs"},
    {"NINO AB 12 34 56 C", "AB 12 34 56 C", "national_id", "uk_nino"},
    {"Steuer-ID 86095742719", "86095742719", "national_id", "de_steuer_id"},
    {"1 84 12 76 451 089 46", "1 84 12 76 451 089 46", "national_id", "fr_nir"},
    {"dni 12345678Z", "12345678Z", "national_id", "es_dni"},
    {"nie X1234567L", "X1234567L", "national_id", "es_nie"},
    {"RSSMRA85T10A562S", "RSSMRA85T10A562S", "national_id", "it_codice_fiscale"},
    {"bsn 111222333", "111222333", "national_id", "nl_bsn"},
    {"PESEL 44051401359", "44051401359", "national_id", "pl_pesel"},
    {"aadhaar 2341 2341 2346", "2341 2341 2346", "national_id", "in_aadhaar"},
    {"pan ABCPE1234F", "ABCPE1234F", "national_id", "in_pan"},
    {"cpf 529.982.247-25", "529.982.247-25", "national_id", "br_cpf"},
    {"tckn 10000000146", "10000000146", "national_id", "tr_kimlik"},
    {"756.9217.0769.85", "756.9217.0769.85", "national_id", "ch_ahv"},
    {"11010519491231002X", "11010519491231002X", "national_id", "cn_id"},
    {"za 8001015009087", "8001015009087", "national_id", "za_id"},
    {"nric S1234567D", "S1234567D", "national_id", "sg_nric"},
    {"passport number is C01X00T47", "C01X00T47", "passport", "passport"},
    {"driver's license F162-823540", "F162-823540", "licence", "driving_licence"},
    {"call +44 20 7946 0958 now", "+44 20 7946 0958", "phone", "phone"},
    {"call (555) 123-4567 ext. 12", "(555) 123-4567 ext. 12", "phone", "phone"},
    {"pay $1,250,000 by 2 pm", "", NULL, NULL},
    {"set a timer for 10 minutes", "", NULL, NULL},
    {"host 192.168.10.254 is down", "192.168.10.254", "ip", "ipv4"},
    {"version 1.2.3.4.5", "", NULL, NULL},
    {"2001:db8::8a2e:370:7334", "2001:db8::8a2e:370:7334", "ip", "ipv6"},
    {"00:1B:44:11:3A:B7", "00:1B:44:11:3A:B7", "mac", "mac"},
    {"at 10:30:45", "", NULL, NULL},
    {"see https://example.org/a?b=1.", "https://example.org/a?b=1", "url", "url"},
    {"postgres://bob:hunter2@db.example.org/x", "postgres://bob:hunter2@db.example.org/x", "secret", "url_credentials"},
    {"key ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "secret",
     "github_token"},
    {"AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", "secret", "aws_key"},
    {"my password is Tr0ub4dor", "Tr0ub4dor", "secret", "named_secret"},
    {"my password is wrong", "", NULL, NULL},
    {"api_key: 'zxcvb'", "zxcvb", "secret", "named_secret"},
    {"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "secret", "random_token"},
    {"internationalisation-of-the-antidisestablishment", "", NULL, NULL},
    {"0xde709f2102306220921060314715629080e2fb77", "0xde709f2102306220921060314715629080e2fb77", "crypto", "ethereum"},
    {"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "crypto", "bitcoin"},
    {"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp", "secret", "random_token"},
    {"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "crypto", "bitcoin"},
    {"born on 03/04/1985", "03/04/1985", "birth_date", "date_of_birth"},
    {"he is 43 years old", "43", "age", "age"},
    {"zip code 75534-030", "75534-030", "postcode", "postcode"},
    {"P.O. Box 1234, thanks", "P.O. Box 1234", "address", "post_box"},
    {"account number 00123456789", "00123456789", "account", "account_number"},
};

static void check_find(guard *g, const find_case *c) {
  guard_span s[16];
  size_t n = 0;
  base_error err = {0};
  base_slice text = base_slice_of(c->text);
  TAP_OK(guard_find(g, text, s, 16, &n, &err) == BASE_OK, "%s: %s", c->text, err.text);
  if (c->value[0] == '\0') {
    TAP_OK(n == 0, "%s: nothing to find, but %s (%s)", c->text, n > 0 ? guard_class_name(s[0].cls) : "", n > 0 ? s[0].what : "");
    return;
  }
  for (size_t i = 0; i < n; i++)
    if (strcmp(guard_class_name(s[i].cls), c->cls) == 0 &&
        base_slice_equal(base_slice_sub(text, s[i].start, s[i].end), base_slice_of(c->value)) &&
        (c->what == NULL || strcmp(c->what, s[i].what) == 0)) {
      TAP_OK(true, "found");
      return;
    }
  TAP_OK(false, "%s: no %s %s among %zu (first: %s %s %u-%u)", c->text, c->cls, c->value, n,
         n > 0 ? guard_class_name(s[0].cls) : "", n > 0 ? s[0].what : "", n > 0 ? s[0].start : 0, n > 0 ? s[0].end : 0);
}

static void test_find(void) {
  guard *g = open_guard();
  for (size_t i = 0; i < sizeof finds / sizeof finds[0]; i++)
    check_find(g, &finds[i]);
  static const base_slice names[] = {BASE_LITERAL("Emma"), BASE_LITERAL("Jos\xC3\xA9 \xC3\x81lvarez"), BASE_LITERAL("Al"),
                                     BASE_LITERAL("\xD0\xAE\xD0\xBB\xD1\x8F")};
  TAP_OK(guard_set_contacts(g, names, 4, NULL) == BASE_OK, "contacts");
  static const find_case known[] = {{"text emma's brother", "emma", "person", "contact"},
                                    {"ask Jose Alvarez", "Jose Alvarez", "person", "contact"},
                                    {"\xD1\x8E\xD0\xBB\xD1\x8F calls", "\xD1\x8E\xD0\xBB\xD1\x8F", "person", "contact"},
                                    {"al dente emmanuel", "", NULL, NULL}};
  for (size_t i = 0; i < 4; i++)
    check_find(g, &known[i]);
  guard_close(g);
}

/* ---- clean text ---- */

static void test_clean(void) {
  guard *g = open_guard();
  guard_rules r;
  guard_rules_init(&r);
  guard_vault *v = guard_vault_new(NULL);
  guard_clean *c = NULL;
  guard_class kept = GUARD_URL;
  base_error err = {0};
  const char *text = "mail a@b.org and c@d.org, then a@b.org; [EMAIL_1] is no placeholder, nor (phone 2)";
  TAP_OK(guard_clean_make(g, base_slice_of(text), &r, v, &c, &kept, &err) == BASE_OK, "cleans: %s", err.text);
  base_slice clean = guard_clean_text(c);
  TAP_OK(base_slice_equal(clean, base_slice_of("mail [EMAIL_1] and [EMAIL_2], then [EMAIL_1]; [LITERAL_1] is no "
                                               "placeholder, nor [LITERAL_2]")),
         "redacts: %s", clean.ptr);
  TAP_OK(guard_clean_redacted(c) == 5 && guard_vault_count(v) == 4, "counts");
  base_buf out = {0};
  TAP_OK(guard_restore(v, clean, GUARD_TEXT, &out, NULL) == BASE_OK && strcmp(out.ptr, text) == 0, "restores: %s", out.ptr);
  static const char *const mangled[] = {"[email_1]", "[EMAIL 1]", "[EMAIL-1]", "<EMAIL_1>", "{EMAIL1}", "( Email_1 )",
                                        "EMAIL_1", "EMAIL\\_1", "[EMAIL\\_1]", "[ EMAIL_1 ]"};
  for (size_t i = 0; i < sizeof mangled / sizeof mangled[0]; i++) {
    base_buf_clear(&out);
    (void)guard_restore(v, base_slice_of(mangled[i]), GUARD_TEXT, &out, NULL);
    TAP_OK(strcmp(out.ptr, "a@b.org") == 0, "lenient with %s: %s", mangled[i], out.ptr);
  }
  static const char *const strange[] = {"[EMAIL_9]", "EMAIL 1", "[MAIL_1]", "[EMAIL__1]", "[EMAIL_01]", "[EMAIL_1)", "email"};
  for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
    base_buf_clear(&out);
    (void)guard_restore(v, base_slice_of(strange[i]), GUARD_TEXT, &out, NULL);
    TAP_OK((strcmp(out.ptr, strange[i]) == 0) == (strcmp(strange[i], "[EMAIL_1)") != 0), "bounded with %s: %s", strange[i],
           out.ptr);
  }
  guard_clean_free(c);
  c = NULL;
  r.of[GUARD_PHONE] = GUARD_KEEP;
  TAP_OK(guard_clean_make(g, base_slice_of("call 555 123 4567"), &r, v, &c, &kept, &err) == BASE_EMISMATCH && c == NULL &&
             kept == GUARD_PHONE,
         "a kept class keeps the text here");
  static const base_slice quoted[] = {BASE_LITERAL("Zoe \"Z\" B")};
  r.of[GUARD_PHONE] = GUARD_REDACT;
  TAP_OK(guard_set_contacts(g, quoted, 1, NULL) == BASE_OK &&
             guard_clean_make(g, base_slice_of("tell zoe.z-b"), &r, v, &c, NULL, NULL) == BASE_OK &&
             strcmp(guard_clean_text(c).ptr, "tell [PERSON_1]") == 0,
         "contacts are redacted");
  guard_clean_free(c);
  c = NULL;
  (void)guard_clean_make(g, base_slice_of("key \"a\\b\"@x.org is \n"), &r, v, &c, NULL, NULL);
  r.of[GUARD_SECRET] = GUARD_REDACT;
  guard_clean_free(c);
  c = NULL;
  TAP_OK(guard_clean_make(g, base_slice_of("password: a\\b\tx"), &r, v, &c, NULL, NULL) == BASE_OK, "a secret may be redacted");
  base_buf_clear(&out);
  (void)guard_restore(v, base_slice_of("{\"p\":\"[SECRET_1]\"}"), GUARD_JSON, &out, NULL);
  TAP_OK(strcmp(out.ptr, "{\"p\":\"a\\\\b\"}") == 0, "values are escaped in JSON: %s", out.ptr);
  guard_clean_free(c);
  guard_vault_free(v);
  base_buf_free(&out);
  guard_close(g);
}

int main(void) {
  test_find();
  test_clean();
  return tap_done("guard");
}
