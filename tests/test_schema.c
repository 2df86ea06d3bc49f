/* All of JSON Schema: each keyword of 2020-12 and draft 7 on both sides of its edge, references between documents,
 * formats, where failures are, bounds, memory. */
#include "constrain/constrain.h"
#include "failing.h"
#include "tap.h"

#include <string.h>

static constrain_options options = {0};

static base_status check(const char *schema, const char *instance, const constrain_run_options *o, base_error *err) {
  constrain_schema *s = NULL;
  jdoc d;
  base_status st = constrain_schema_compile(&s, base_slice_of(schema), &options, "test", NULL, err);
  if (st) return st;
  st = jdoc_open(&d, base_slice_of(instance), NULL, "instance", NULL, err);
  if (!st) {
    st = constrain_validate(s, &d, o, NULL, err);
    jdoc_close(&d);
  }
  constrain_schema_close(s);
  return st;
}

/* Instances with '|' between; NULL is none. Quotes are written as '. */
static void judge(const char *schema_text, const char *valid, const char *invalid) {
  const char *lists[2] = {valid, invalid};
  char schema[2048], instance[512];
  (void)base_format(schema, sizeof schema, "%s", schema_text);
  for (char *p = schema; *p; p++) *p = *p == '\'' ? '"' : *p;
  for (int i = 0; i < 2 && lists[i] != NULL; i++) {
    base_slice rest = base_slice_of(lists[i]), one;
    while (base_slice_split(&rest, '|', &one)) {
      base_error err = {0};
      (void)base_format(instance, sizeof instance, "%.*s", (int)one.len, one.ptr);
      for (char *p = instance; *p; p++) *p = *p == '\'' ? '"' : *p;
      base_status st = check(schema, instance, NULL, &err), wanted = i == 0 ? BASE_OK : BASE_EMISMATCH;
      TAP_OK(st == wanted && err.code == wanted, "%s: %s gave %s (%s: %s)", schema, instance, base_status_text(st), err.where, err.text);
    }
  }
}

/* ---- keywords ---- */

static void test_assertions(void) {
  judge("true", "1|null|{}", NULL);
  judge("false", NULL, "1|null|{}");
  judge("{'type':['integer','string']}", "1|1.0|'a'", "1.5|null|[]");
  judge("{'enum':[1,'a',[1],{'a':null}]}", "1.0|'a'|[1.0]|{'a':null}", "2|'b'|[]|{'a':false}|true");
  judge("{'const':1}", "1|1.0|10e-1", "2|true|'1'|[1]");
  judge("{'minimum':1.1,'maximum':3}", "1.1|3|'a'", "1.0999999999999999999999|3.0000000000000000001");
  judge("{'exclusiveMinimum':1,'exclusiveMaximum':3}", "1.1|2.9", "1|3");
  judge("{'multipleOf':0.0001}", "0.0075|12.0000|1e308", "0.00751");
  judge("{'multipleOf':1e-8}", "12391239123|0", "1e-9");
  judge("{'minLength':2,'maxLength':2}", "'\xF0\x9F\x98\x80\xF0\x9F\x98\x80'|'ab'|1", "'a'|'abc'");
  judge("{'minLength':2.0}", "'ab'", "'a'");
  judge("{'pattern':'^a+$'}", "'aa'|1", "'ab'|''");
  judge("{'pattern':'\\\\p{Letter}+'}", "'\xC3\xA9'", "'1'");
  judge("{'minItems':1,'maxItems':2,'uniqueItems':true}", "[1]|[1,true]|{}", "[]|[1,2,3]|[1,1.0]|[{'a':1,'b':2},{'b':2,'a':1}]");
  judge("{'minProperties':1,'maxProperties':2}", "{'a':1}|[]", "{}|{'a':1,'b':2,'c':3}");
  judge("{'required':['a','b','a']}", "{'a':1,'b':2}|1", "{'a':1}|{}");
  judge("{'required':['a','b','c','d','e','f']}", "{'f':1,'e':1,'d':1,'c':1,'b':1,'a':1,'g':1,'h':1,'i':1}",
        "{'f':1,'e':1,'d':1,'c':1,'b':1,'x':1,'g':1,'h':1,'i':1}|{'a':1}");
  judge("{'dependentRequired':{'a':['b','c']}}", "{}|{'b':1}|{'a':1,'b':1,'c':1}|1", "{'a':1,'b':1}");
}

static void test_applicators(void) {
  judge("{'properties':{'a':{'type':'integer'}},'patternProperties':{'^b':{'minimum':3},'c$':{'maximum':5}},"
        "'additionalProperties':{'type':'string'}}",
        "{'a':1,'b':3,'bc':4,'x':'y'}|[]", "{'a':'x'}|{'b':2}|{'bc':6}|{'bc':2}|{'x':1}");
  judge("{'patternProperties':{'a':true},'additionalProperties':false}", "{'xax':1}|{}", "{'b':1}");
  judge("{'propertyNames':{'maxLength':1}}", "{'a':1}|{}|1", "{'ab':1}");
  judge("{'prefixItems':[{'type':'integer'},true],'items':{'type':'string'}}", "[]|[1]|[1,2,'a','b']|{}", "['a']|[1,2,3]|[1,2,'a',3]");
  judge("{'contains':{'type':'integer'}}", "[1]|['a',2]|{}", "[]|['a']");
  judge("{'contains':{'type':'integer'},'minContains':2,'maxContains':3}", "[1,2]|[1,'a',2,3]", "[1]|[1,2,3,4]|[]");
  judge("{'contains':{'type':'integer'},'minContains':0}", "[]|['a']|[1]", NULL);
  judge("{'minContains':2}", "[]|[1]", NULL);
  judge("{'allOf':[{'minimum':1},{'maximum':2}]}", "1|2", "0|3");
  judge("{'anyOf':[{'type':'string'},{'maximum':2}]}", "'a'|1", "3");
  judge("{'oneOf':[{'minimum':2},{'maximum':3}]}", "1|4", "2|3");
  judge("{'not':{'type':'integer'}}", "'a'", "1");
  judge("{'if':{'minimum':10},'then':{'multipleOf':10},'else':{'multipleOf':3}}", "20|9|'a'", "15|8");
  judge("{'if':false,'else':false}", NULL, "1");
  judge("{'then':false,'else':false}", "1", NULL);
  judge("{'dependentSchemas':{'a':{'minProperties':2}}}", "{'b':1}|{'a':1,'b':1}", "{'a':1}");
  judge("{'dependencies':{'a':['b'],'c':{'maxProperties':1}}}", "{'a':1,'b':1}|{'c':1}", "{'a':1}|{'c':1,'d':1}");
}

static void test_unevaluated(void) {
  judge("{'properties':{'a':true},'unevaluatedProperties':false}", "{}|{'a':1}", "{'b':1}");
  judge("{'allOf':[{'properties':{'a':true}},{'patternProperties':{'^b':true}}],'unevaluatedProperties':{'type':'null'}}",
        "{'a':1,'b':2}|{'x':null}", "{'x':1}");
  judge("{'anyOf':[{'properties':{'a':{'const':1}},'required':['a']},{'properties':{'b':true},'required':['b']}],"
        "'unevaluatedProperties':false}",
        "{'a':1}|{'b':2}|{'a':1,'b':2}", "{'a':2,'b':2}|{'a':1,'c':2}");
  judge("{'not':{'not':{'properties':{'a':true}}},'unevaluatedProperties':false}", "{}", "{'a':1}");
  judge("{'if':{'properties':{'a':{'const':1}},'required':['a']},'then':{'properties':{'b':true}},'else':{'properties':{'c':true}},"
        "'unevaluatedProperties':false}",
        "{'a':1,'b':2}|{'c':1}", "{'a':1,'c':2}|{'a':2,'c':1}");
  judge("{'dependentSchemas':{'a':{'properties':{'b':true}}},'properties':{'a':true},'unevaluatedProperties':false}", "{'a':1,'b':1}", "{'b':1}");
  judge("{'additionalProperties':true,'unevaluatedProperties':false}", "{'a':1}", NULL);
  judge("{'$ref':'#/$defs/x','unevaluatedProperties':false,'$defs':{'x':{'properties':{'a':true}}}}", "{'a':1}", "{'b':1}");
  judge("{'allOf':[{'unevaluatedProperties':true}],'unevaluatedProperties':false}", "{'a':1}", NULL);
  judge("{'properties':{'a':{'properties':{'b':true},'unevaluatedProperties':false}},'unevaluatedProperties':false}", "{'a':{'b':1}}",
        "{'a':{'c':1}}|{'b':1}");
  judge("{'prefixItems':[true],'unevaluatedItems':false}", "[]|[1]", "[1,2]");
  judge("{'contains':{'type':'integer'},'unevaluatedItems':{'type':'string'}}", "[1,'a',2]", "[1,null]");
  judge("{'anyOf':[{'prefixItems':[{'const':1},true]},{'prefixItems':[true]}],'unevaluatedItems':false}", "[1,2]|[2]", "[2,2]|[1,2,3]");
  judge("{'allOf':[{'items':true}],'unevaluatedItems':false}", "[1,2,3]", NULL);
}

static void test_references(void) {
  judge("{'properties':{'next':{'$ref':'#'},'v':{'type':'integer'}},'required':['v']}", "{'v':1,'next':{'v':2}}", "{'v':1,'next':{}}");
  judge("{'$ref':'#/$defs/a~1b~0c%25','$defs':{'a/b~c%':{'type':'null'}}}", "null", "1");
  judge("{'$ref':'#x','$defs':{'y':{'$anchor':'x','minimum':3}},'maximum':5}", "3|5", "2|6");
  judge("{'$id':'http://e.org/root','$ref':'item','$defs':{'i':{'$id':'item','$ref':'#n','$defs':{'n':{'$anchor':'n','type':'string'}}}}}", "'a'", "1");
  judge("{'$ref':'urn:x:y#/$defs/z','$defs':{'a':{'$id':'urn:x:y','$defs':{'z':{'type':'null'}}}}}", "null", "1");
  judge("{'$ref':'https://json-schema.org/draft/2020-12/schema'}", "{'minLength':1}|true|{'properties':{'a':{}}}",
        "{'minLength':-1}|1|{'properties':{'a':1}}|{'type':'x'}|{'$defs':{'a':{'pattern':'('}}}");
  judge("{'$ref':'http://json-schema.org/draft-07/schema#'}", "{'minLength':1}|true|{'items':[{}]}", "{'minLength':-1}|{'items':[1]}|{'if':1}");
  judge("{'$ref':'https://json-schema.org/draft/2020-12/meta/validation#/$defs/stringArray'}", "['a']", "['a','a']|[1]");
  judge("{'$id':'http://e.org/tree','$dynamicAnchor':'node','type':'object','properties':{'c':{'type':'array','items':{'$dynamicRef':'#node'}}}}",
        "{'c':[{'c':[]},{}]}", "{'c':[{'c':[1]}]}");
  judge("{'$id':'http://e.org/strict','$dynamicAnchor':'node','$ref':'tree','unevaluatedProperties':false,'$defs':{'t':{'$id':'tree',"
        "'$dynamicAnchor':'node','type':'object','properties':{'d':true,'c':{'type':'array','items':{'$dynamicRef':'#node'}}}}}}",
        "{'d':1,'c':[{'d':1}]}", "{'c':[{'x':1}]}|{'c':[{'c':[{'x':1}]}]}");
  judge("{'enum':[{'$id':'http://e.org/no'}],'$defs':{'a':{'$id':'http://e.org/yes','type':'string'}},'$ref':'http://e.org/yes'}", NULL, "'a'|1");
}

static base_status find_document(void *ctx, base_slice uri, base_slice *text) {
  static const struct {
    const char *uri, *text;
  } documents[] = {{"http://e.org/int", "{\"type\":\"integer\"}"},
                   {"http://e.org/dir/a", "{\"$ref\":\"b#/$defs/x\"}"},
                   {"http://e.org/dir/b", "{\"$defs\":{\"x\":{\"$ref\":\"../int\"}}}"},
                   {"http://e.org/old", "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"items\":[{\"type\":\"null\"}],\"prefixItems\":[false]}"},
                   {"http://e.org/meta", "{\"$id\":\"http://e.org/meta\",\"$vocabulary\":{\"https://json-schema.org/draft/2020-12/vocab/core\":true,"
                                         "\"https://json-schema.org/draft/2020-12/vocab/applicator\":true,\"https://e.org/odd\":false}}"},
                   {"http://e.org/strange", "{\"$vocabulary\":{\"https://e.org/odd\":true}}"},
                   {"http://e.org/broken", "{"}};
  (void)ctx;
  for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
    if (base_slice_equal(uri, base_slice_of(documents[i].uri))) {
      *text = base_slice_of(documents[i].text);
      return BASE_OK;
    }
  return BASE_ENOTFOUND;
}

static void test_documents(void) {
  options = (constrain_options){.find = find_document};
  judge("{'$ref':'http://e.org/int'}", "1", "'a'");
  judge("{'$id':'http://e.org/dir/root','$ref':'a'}", "1", "'a'");
  judge("{'$ref':'http://e.org/old'}", "[null,1]|[]", "[1]");
  judge("{'$schema':'http://e.org/meta','minimum':5,'properties':{'a':false}}", "1|{'b':1}", "{'a':1}");
  static const char *const refused[] = {"{\"$ref\":\"http://e.org/none\"}", "{\"$ref\":\"http://e.org/broken\"}", "{\"$ref\":\"http://e.org/int#/x\"}",
                                        "{\"$schema\":\"http://e.org/strange\"}", "{\"$ref\":\"relative\"}"};
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    base_error err = {0};
    TAP_OK(check(refused[i], "1", NULL, &err) == BASE_EFORMAT && err.text[0] != 0, "%s: %s", refused[i], err.text);
  }
  options = (constrain_options){0};
}

static void test_drafts(void) {
  options.draft = CONSTRAIN_DRAFT7;
  judge("{'items':[{'type':'integer'}],'additionalItems':{'type':'string'}}", "[1,'a']|[]", "['a']|[1,2]");
  judge("{'items':{'type':'integer'},'additionalItems':false}", "[1,2]", "['a']");
  judge("{'$ref':'#/definitions/a','maximum':1,'definitions':{'a':{'type':'integer'}}}", "5", "'a'");
  judge("{'dependentRequired':{'a':['b']},'minContains':2,'unevaluatedProperties':false,'contains':true}", "{'a':1}|[1]", NULL);
  judge("{'definitions':{'a':{'$id':'#x','type':'null'}},'allOf':[{'$ref':'#x'}]}", "null", "1");
  judge("{'$schema':'https://json-schema.org/draft/2020-12/schema','prefixItems':[{'type':'null'}]}", "[null]", "[1]");
  options.draft = CONSTRAIN_DRAFT4;
  judge("{'minimum':1,'exclusiveMinimum':true,'maximum':3,'exclusiveMaximum':false}", "2|3", "1|4");
  judge("{'id':'http://e.org/x','allOf':[{'$ref':'y'}],'definitions':{'y':{'id':'y','type':'null'}}}", "null", "1");
  judge("{'type':'integer'}", "1|-10", "1.0|1e2|1.5");
  judge("{'$ref':'http://json-schema.org/draft-04/schema#/definitions/positiveInteger'}", "1", "-1|'a'");
  options.draft = CONSTRAIN_DRAFT2019;
  judge("{'$recursiveAnchor':true,'properties':{'a':{'$recursiveRef':'#'}},'items':[{'type':'null'}],'additionalItems':false}", "{'a':[null]}",
        "{'a':[null,1]}|[1]");
  options = (constrain_options){0};
  judge("{'$schema':'http://json-schema.org/draft-07/schema#','prefixItems':[false],'items':[true]}", "[1]", NULL);
  judge("{'$schema':'http://e.org/unheard-of','prefixItems':[false]}", NULL, "[1]");
}

static void test_formats(void) {
  static const struct {
    const char *format, *valid, *invalid;
  } cases[] = {
      {"date", "'2024-02-29'|1", "'2023-02-29'|'2024-2-9'|'2024-02-30'|'24-02-01'"},
      {"time", "'08:30:06Z'|'23:59:60Z'|'01:29:60+01:30'|'08:30:06.25-08:00'", "'08:30:06'|'22:59:60Z'|'24:00:00Z'|'08:30:06+24:00'"},
      {"date-time", "'2024-02-29T08:30:06z'|'1998-12-31t23:59:60Z'", "'2024-02-29 08:30:06Z'|'2024-02-30T08:30:06Z'|'2024-02-29T08:30:06'"},
      {"duration", "'P4Y'|'PT0S'|'P1M'|'P1Y2M3DT4H5M6S'|'P2W'", "'P'|'PT'|'P1Y2W'|'P1D2H'|'P2S'|'P1Y3D'|'P1.5D'|'PT1D'"},
      {"email", "'a@b'|'\\'a b\\'@c.org'|'a@[127.0.0.1]'|'a@[IPv6:::1]'", "'a'|'.a@b.c'|'a..b@c.d'|'a@b c'|'a@[1.2.3]'|'a@-b'|'@b'"},
      {"idn-email", "'\xC3\xA9@\xC3\xA9.org'|'a@b.c'", "'\xC3\xA9'|'a@'|'a b@c'"},
      {"hostname", "'a.b-c.d'|'1a'|'xn--nxasmq6b'|'a--b'", "''|'-a'|'a-'|'a_b'|'a..b'|'a.'|'xn--X'|'\xC3\xA9'"},
      {"idn-hostname", "'\xE5\xAE\x9E\xE4\xBE\x8B.com'|'l\xC2\xB7l'|'a'", "'a\xC2\xB7l'|'\xE3\x80\xAE\x61'|'\xCC\x80'|'-\xC3\xA9'|'0a.\xD7\x90'"},
      {"ipv4", "'1.2.3.4'|'255.255.255.255'", "'1.2.3'|'256.1.1.1'|'01.2.3.4'|'1.2.3.4.5'|'1.2.3.4/8'"},
      {"ipv6", "'::'|'::1'|'1:2:3:4:5:6:7:8'|'::ffff:1.2.3.4'|'1::8'", "':'|'1:2:3:4:5:6:7'|'12345::'|'1::2::3'|':::'|'::1%eth0'|'1:2:3:4:5:6:7:8:9'"},
      {"uri", "'http://a.b/c?d#e'|'urn:a:b'|'ldap://[2001:db8::7]/c'", "'//a'|'a'|'http://a b'|'http://a/%zz'|'http://[::z]'|'a:\\\\b'"},
      {"uri-reference", "'/a'|'#b'|'//c'|''|'a:b'", "'\\\\a'|'#\\\\'|'1:a'|'a b'"},
      {"iri", "'http://\xC3\xA9.org/\xC3\xA9'", "'\xC3\xA9'|'http://\xC3\xA9 '"},
      {"iri-reference", "'\xC3\xA9#\xC3\xA9'", "'\\\\\xC3\xA9'"},
      {"uuid", "'2EB8AA08-aa98-11ea-b4aa-73b441d16380'", "'2eb8aa08aa98-11ea-b4aa-73b441d16380'|'2eb8aa08-aa98-11ea-b4aa-73b441d1638g'"},
      {"uri-template", "'http://a/{b}{?c,d*}{e:3}'|''", "'{'|'}'|'{}'|'{a:0}'|'{=a}'|'{a,}'"},
      {"json-pointer", "''|'/a/~0~1'", "'a'|'/~'|'/~2'"},
      {"relative-json-pointer", "'0'|'1/a'|'0#'", "''|'01'|'/a'|'0##'|'-1'"},
      {"regex", "'a+'|'^(?:b)$'", "'('|'[a'|'\\\\'"},
      {"unheard-of", "'x'", NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char schema[64];
    (void)base_format(schema, sizeof schema, "{'format':'%s'}", cases[i].format);
    char valid[256] = "", invalid[256] = "";
    /* a quote within a value is written \' here and has to stay escaped */
    (void)base_format(valid, sizeof valid, "%s", cases[i].valid);
    (void)base_format(invalid, sizeof invalid, "%s", cases[i].invalid != NULL ? cases[i].invalid : "");
    judge(schema, valid, cases[i].invalid != NULL ? invalid : NULL);
  }
  options.ignore_formats = true;
  judge("{'format':'date'}", "'x'", NULL);
  options = (constrain_options){.assert_content = true};
  judge("{'contentEncoding':'base64','contentMediaType':'application/json'}", "'eyJhIjoxfQ=='|1", "'e'|'!!!!'|'eyJhIjox'");
  judge("{'contentMediaType':'application/json'}", "'{}'", "'{'");
  options = (constrain_options){0};
  judge("{'contentEncoding':'base64','contentSchema':false}", "'!'", NULL);
}

/* ---- failures ---- */

typedef struct seen {
  char text[1024];
  size_t n;
} seen;

static void note(void *ctx, const constrain_failure *f) {
  seen *s = ctx;
  char line[512];
  (void)base_format(line, sizeof line, "%s %s %s\n", f->instance, f->keyword, f->location);
  size_t len = strlen(s->text);
  (void)base_format(s->text + len, sizeof s->text - len, "%s", line);
  s->n++;
}

static void test_failures(void) {
  static const char schema[] =
      "{\"$id\":\"http://e.org/s\",\"properties\":{\"a/b\":{\"items\":{\"$ref\":\"#/$defs/n\"}},\"c\":{\"anyOf\":[{\"type\":\"null\"}]}},"
      "\"required\":[\"d\",\"e\"],\"propertyNames\":{\"maxLength\":3},\"$defs\":{\"n\":{\"type\":\"integer\",\"maximum\":3}}}";
  static const char instance[] = "{\"a/b\":[1,4,\"x\"],\"c\":1,\"long\":1}";
  seen s = {.n = 0};
  base_error err = {0};
  constrain_run_options o = {.all = true, .report = note, .report_ctx = &s};
  TAP_OK(check(schema, instance, &o, &err) == BASE_EMISMATCH, "not valid");
  TAP_OK(strcmp(s.text, " /required http://e.org/s#/required\n"
                        " /required http://e.org/s#/required\n"
                        "/long /propertyNames/maxLength http://e.org/s#/propertyNames/maxLength\n"
                        "/a~1b/1 /properties/a~1b/items/$ref/maximum http://e.org/s#/$defs/n/maximum\n"
                        "/a~1b/2 /properties/a~1b/items/$ref/type http://e.org/s#/$defs/n/type\n"
                        "/c /properties/c/anyOf http://e.org/s#/properties/c/anyOf\n") == 0,
         "all of them:\n%s", s.text);
  o.all = false;
  s = (seen){.n = 0};
  TAP_OK(check(schema, instance, &o, NULL) == BASE_EMISMATCH && s.n == 1, "only the first");
}

static void test_refused(void) {
  static const char *const bad[] = {"1", "[]", "{\"type\":\"x\"}", "{\"type\":[]}", "{\"enum\":1}", "{\"minimum\":\"1\"}", "{\"multipleOf\":0}",
                                    "{\"multipleOf\":-1}", "{\"minLength\":-1}", "{\"minLength\":1.5}", "{\"pattern\":\"(\"}", "{\"pattern\":1}",
                                    "{\"required\":\"a\"}", "{\"required\":[1]}", "{\"properties\":[]}", "{\"properties\":{\"a\":1}}",
                                    "{\"patternProperties\":{\"(\":true}}", "{\"items\":[true]}", "{\"prefixItems\":[]}x", "{\"prefixItems\":{}}",
                                    "{\"allOf\":[]}", "{\"anyOf\":{}}", "{\"oneOf\":[1]}", "{\"not\":[]}", "{\"if\":1}", "{\"$ref\":1}",
                                    "{\"$ref\":\"#/nowhere\"}", "{\"$ref\":\"#nowhere\"}", "{\"uniqueItems\":1}", "{\"dependentRequired\":{\"a\":1}}",
                                    "{\"format\":1}", "{\"contains\":1}", "{\"maxContains\":-1,\"contains\":true}", "{\"a\":1,\"a\":2}", "{"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    base_error err = {0};
    TAP_OK(check(bad[i], "1", NULL, &err) == BASE_EFORMAT && err.text[0] != 0, "%s", bad[i]);
  }
  judge("{'unknown':1,'x-y':[{'type':3}],'$comment':5,'title':1}", "1", NULL);
}

/* ---- bounds ---- */

static void test_recursion(void) {
  static const char *const endless[] = {"{\"$ref\":\"#\"}", "{\"allOf\":[{\"$ref\":\"#\"}]}",
                                        ("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},"
                                         "\"b\":{\"anyOf\":[{\"$ref\":\"#/$defs/a\"}]}}}"),
                                        "{\"$dynamicAnchor\":\"a\",\"$dynamicRef\":\"#a\"}",
                                        "{\"not\":{\"$ref\":\"#\"}}"};
  for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
    base_error err = {0};
    TAP_OK(check(endless[i], "1", NULL, &err) == BASE_ELIMIT && strstr(err.text, "without end") != NULL, "%s: %s", endless[i], err.text);
  }
}

/* 2^40 combinations of schemas stop at the budget. */
static void test_exponential(void) {
  base_buf b = {0};
  base_error err = {0};
  base_buf_puts(&b, "{\"$ref\":\"#/$defs/0\",\"$defs\":{");
  for (int i = 0; i < 40; i++) base_buf_printf(&b, "\"%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/%d\"},{\"$ref\":\"#/$defs/%d\"}]},", i, i + 1, i + 1);
  base_buf_puts(&b, "\"40\":false}}");
  constrain_run_options o = {.steps = 1000000};
  TAP_OK(check(b.ptr, "1", &o, &err) == BASE_ELIMIT && strstr(err.text, "steps") != NULL, "steps: %s", err.text);
  base_buf_free(&b);
}

static void test_depth(void) {
  enum { DEEP = 10000 };
  base_buf b = {0};
  for (int i = 0; i < DEEP; i++) base_buf_puts(&b, "{\"a\":");
  base_buf_puts(&b, "1");
  for (int i = 0; i < DEEP; i++) base_buf_putc(&b, '}');
  judge("{'properties':{'a':{'$ref':'#'}},'type':['object','integer']}", NULL, NULL);
  base_error err = {0};
  TAP_OK(check("{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"unevaluatedProperties\":false}", b.ptr, NULL, &err) == BASE_OK, "an instance 10,000 deep: %s", err.text);
  base_buf_clear(&b);
  for (int i = 0; i < DEEP; i++) base_buf_puts(&b, "{\"allOf\":[");
  base_buf_puts(&b, "{\"type\":\"null\"}");
  for (int i = 0; i < DEEP; i++) base_buf_puts(&b, "]}");
  err = (base_error){0};
  TAP_OK(check(b.ptr, "null", NULL, &err) == BASE_ELIMIT, "a schema 20,000 deep");
  base_buf_clear(&b);
  for (int i = 0; i < DEEP; i++) base_buf_puts(&b, "{\"not\":");
  base_buf_puts(&b, "{\"type\":\"null\"}");
  for (int i = 0; i < DEEP; i++) base_buf_puts(&b, "}");
  err = (base_error){0};
  TAP_OK(check(b.ptr, "null", NULL, &err) == BASE_OK && check(b.ptr, "1", NULL, NULL) == BASE_EMISMATCH, "a schema 10,000 deep: %s", err.text);
  base_buf_free(&b);
}

static void test_width(void) {
  enum { WIDE = 100000 };
  base_buf s = {0}, v = {0};
  base_error err = {0};
  base_buf_puts(&s, "{\"properties\":{");
  base_buf_puts(&v, "{");
  for (int i = 0; i < WIDE; i++) {
    base_buf_printf(&s, "%s\"p%d\":{\"$ref\":\"#/$defs/d%d\"}", i ? "," : "", i, i);
    base_buf_printf(&v, "%s\"p%d\":%d", i ? "," : "", WIDE - 1 - i, i);
  }
  base_buf_puts(&s, "},\"$defs\":{");
  for (int i = 0; i < WIDE; i++) base_buf_printf(&s, "%s\"d%d\":{\"type\":\"integer\"}", i ? "," : "", i);
  base_buf_puts(&s, "},\"required\":[");
  for (int i = 0; i < WIDE; i++) base_buf_printf(&s, "%s\"p%d\"", i ? "," : "", i);
  base_buf_puts(&s, "],\"unevaluatedProperties\":false}");
  base_buf_puts(&v, "}");
  TAP_OK(check(s.ptr, v.ptr, NULL, &err) == BASE_OK, "100,000 properties: %s", err.text);
  base_buf_clear(&v);
  base_buf_putc(&v, '[');
  for (int i = 0; i < WIDE; i++) base_buf_printf(&v, "%s{\"a\":%d}", i ? "," : "", i);
  base_buf_putc(&v, ']');
  err = (base_error){0};
  TAP_OK(check("{\"uniqueItems\":true}", v.ptr, NULL, &err) == BASE_OK, "100,000 different items: %s", err.text);
  v.len--;
  base_buf_puts(&v, ",{\"a\":77.0}]");
  TAP_OK(check("{\"uniqueItems\":true}", v.ptr, NULL, NULL) == BASE_EMISMATCH, "one of them twice");
  base_buf_free(&s);
  base_buf_free(&v);
}

static void test_memory(void) {
  static const char schema[] =
      "{\"$id\":\"http://e.org/s\",\"properties\":{\"a\":{\"$ref\":\"b\"},\"c\":{\"pattern\":\"a+\"}},\"$defs\":{\"b\":{\"$id\":\"b\",\"$dynamicAnchor\":\"x\","
      "\"items\":{\"type\":\"integer\"},\"uniqueItems\":true}},\"unevaluatedProperties\":false,\"$ref\":\"https://json-schema.org/draft/2020-12/meta/content\"}";
  static const char instance[] = "{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14],\"c\":\"a\"}";
  failing f;
  base_status st = BASE_ENOMEM;
  int n = 0;
  jdoc d;
  TAP_OK(jdoc_open(&d, base_slice_of(instance), NULL, "i", NULL, NULL) == BASE_OK, "an instance");
  for (; st == BASE_ENOMEM && n < 2000; n++) {
    base_allocator a = failing_allocator(&f, n);
    constrain_schema *s = NULL;
    st = constrain_schema_compile(&s, base_slice_of(schema), NULL, "t", &a, NULL);
    if (!st) st = constrain_validate(s, &d, NULL, &a, NULL);
    TAP_OK(st == BASE_OK || st == BASE_ENOMEM, "allocation %d: %s", n, base_status_text(st));
    constrain_schema_close(s);
    TAP_OK(f.held == 0, "allocation %d: %zu bytes are held", n, f.held);
  }
  TAP_OK(st == BASE_OK && n > 30, "there were %d allocations", n);
  jdoc_close(&d);
}

int main(void) {
  test_assertions();
  test_applicators();
  test_unevaluated();
  test_references();
  test_documents();
  test_drafts();
  test_formats();
  test_failures();
  test_refused();
  test_recursion();
  test_exponential();
  test_depth();
  test_width();
  test_memory();
  return tap_done("schema");
}
