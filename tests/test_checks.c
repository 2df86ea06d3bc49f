/* What a schema cannot say of a document: every kind of check where it holds and where it does not, what is no check, and that
 * models never see them. */
#include <string.h>

#include "failing.h"
#include "handoff/internal.h"
#include "tap.h"

static const value_datetime now = {{2026, 3, 2}, {21, 15, 0}, true, true};

/* The app knows two customers and nothing about anything else. */
static int known(void *ctx, base_slice kind, base_slice value) {
  (void)ctx;
  if (!base_slice_equal(kind, BASE_LITERAL("customer"))) return -1;
  return base_slice_equal(value, BASE_LITERAL("Emma")) || base_slice_equal(value, BASE_LITERAL("17"));
}

static base_status judge(const char *checks, const char *document, const base_allocator *a, base_error *err) {
  char schema[1024];
  jdoc s = {0}, d = {0};
  handoff_judge by = {&now, {known, NULL}, a};
  base_format(schema, sizeof schema, "{\"type\":\"object\",\"x-check\":%s}", checks);
  base_status st = jdoc_open(&s, base_slice_of(schema), NULL, "schema", a, err);
  if (!st) st = handoff_check_checks(&s, a, err);
  if (!st) st = jdoc_open(&d, base_slice_of(document), NULL, "answer", a, err);
  if (!st) st = handoff_check_document(&by, &s, &d, err);
  jdoc_close(&d);
  jdoc_close(&s);
  return st;
}

#define BILL "[{\"bill\":\"/lines\",\"subtotal\":\"/sub\",\"tax\":\"/tax\",\"discount\":\"/off\",\"total\":\"/total\",\"currency\":\"EUR\"}]"
#define DUE "[{\"date\":\"/due\",\"not_past\":true,\"last\":\"2026-12-31\"}]"
#define EACH "[{\"date\":\"/a/*/due\"}]"
#define MOST "[{\"money\":\"/m\",\"currency\":\"EUR\",\"least\":\"1\",\"most\":\"500.00\"}]"

static void test_documents(void) {
  static const struct {
    const char *checks, *document, *says; /* NULL: it holds */
  } cases[] = {
      {BILL, "{\"lines\":[{\"amount\":\"1.00\"},{\"amount\":2}],\"total\":3.00}", NULL},
      {BILL, "{\"lines\":[{\"amount\":\"1.00\"},{\"amount\":2}],\"total\":\"4.00\"}", "bill: /lines: total: the parts add up to 300"},
      {BILL, "{\"lines\":[{\"amount\":0.1},{\"amount\":0.2}],\"sub\":0.3,\"tax\":0.06,\"off\":0.10,\"total\":0.26}", NULL},
      {BILL, "{\"lines\":[{\"amount\":0.1},{\"amount\":0.2}],\"sub\":0.31}", "subtotal: the lines add up to 30"},
      {BILL, "{\"lines\":[{\"quantity\":3,\"price\":\"1.15\",\"amount\":\"3.45\"}],\"total\":\"3.45\"}", NULL},
      {BILL, "{\"lines\":[{\"quantity\":3,\"price\":\"1.15\",\"amount\":\"3.46\"}],\"total\":\"3.46\"}", "quantity times price is 345"},
      {BILL, "{\"lines\":[{\"amount\":1.005}],\"total\":1.005}", "no exact amount"},
      {BILL, "{\"lines\":[{\"amount\":\"1 euro\"},{\"amount\":\"$2\"}]}", "the currency is USD"},
      {BILL, "{\"lines\":[{\"cost\":1}]}", "line 1: it has no amount"},
      {BILL, "{\"lines\":[{\"amount\":{\"currency\":\"EUR\",\"minor\":150}}],\"total\":1.5}", NULL},
      {BILL, "{\"lines\":[{\"amount\":{\"currency\":\"EUR\",\"minor\":1.5}}]}", "no exact amount"},
      {BILL, "{\"lines\":[{\"amount\":99999999999999999999999}]}", "no exact amount"},
      {BILL, "{\"lines\":[],\"total\":\"0.00\"}", NULL},
      {BILL, "{\"lines\":\"none\"}", NULL},
      {BILL, "{}", NULL},
      {"[{\"bill\":\"/l\",\"amount\":\"sum\",\"quantity\":\"n\",\"price\":\"each\",\"total\":\"/t\"}]",
       "{\"l\":[{\"n\":\"1.5\",\"each\":\"2.00\",\"sum\":\"3.00\"}],\"t\":3}", NULL},
      {"[{\"bill\":\"/l\",\"total\":\"/t\",\"currency\":\"/in\"}]", "{\"in\":\"JPY\",\"l\":[{\"amount\":100}],\"t\":100}", NULL},
      {"[{\"bill\":\"/l\",\"total\":\"/t\",\"currency\":\"/in\"}]", "{\"in\":\"JPY\",\"l\":[{\"amount\":100.5}],\"t\":100.5}", "JPY"},
      {DUE, "{\"due\":\"2026-03-02\"}", NULL},
      {DUE, "{\"due\":\"2026-03-01\"}", "date: /due"},
      {DUE, "{\"due\":\"2026-03-02T21:14:00\"}", "date: /due"},
      {DUE, "{\"due\":\"2027-01-01\"}", "date: /due"},
      {DUE, "{\"due\":\"2026-02-30\"}", "date: /due"},
      {DUE, "{\"due\":\"tomorrow\"}", "written like 2026-11-21"},
      {DUE, "{\"due\":7}", "written like"},
      {DUE, "{\"when\":\"2020-01-01\"}", NULL},
      {"[{\"date\":\"/d\",\"not_future\":true,\"first\":\"2026-01-01\"}]", "{\"d\":\"2026-03-03\"}", "date: /d"},
      {"[{\"date\":\"/d\",\"not_future\":true,\"first\":\"2026-01-01\"}]", "{\"d\":\"2025-12-31\"}", "date: /d"},
      {EACH, "{\"a\":[{\"due\":\"2026-01-01\"},{\"due\":\"2026-13-01\"}]}", "date: /a/*/due"},
      {EACH, "{\"a\":[{\"due\":\"2026-01-01\"},{\"other\":1}]}", NULL},
      {EACH, "{\"a\":{\"due\":\"never\"}}", NULL},
      {"[{\"phone\":\"/a/*/*\"}]", "{\"a\":[[\"+4312345\"],[\"+4312345\",\"call me\"]]}", "phone: /a/*/*"},
      {MOST, "{\"m\":\"500.00\"}", NULL},
      {MOST, "{\"m\":\"500.01\"}", "50001 minor units"},
      {MOST, "{\"m\":0.99}", "99 minor units"},
      {MOST, "{\"m\":\"$5\"}", "the currency is USD"},
      {MOST, "{\"m\":\"much\"}", "\"much\" is no exact amount"},
      {"[{\"email\":\"/e\"}]", "{\"e\":\"emma@example.com\"}", NULL},
      {"[{\"email\":\"/e\"}]", "{\"e\":\"emma at home\"}", "email: /e"},
      {"[{\"email\":\"/e\"}]", "{\"e\":null}", "no text"},
      {"[{\"exists\":\"/who\",\"kind\":\"customer\"}]", "{\"who\":\"Emma\"}", NULL},
      {"[{\"exists\":\"/who\",\"kind\":\"customer\"}]", "{\"who\":17}", NULL},
      {"[{\"exists\":\"/who\",\"kind\":\"customer\"}]", "{\"who\":\"Bob\"}", "exists: /who"},
      {"[{\"exists\":\"/who\",\"kind\":\"planet\"}]", "{\"who\":\"Bob\"}", NULL},
      {"[{\"phone\":\"/p\"},{\"email\":\"/e\"}]", "{\"p\":\"+4312345\",\"e\":\"x\"}", "email: /e"},
      {"[]", "[1,2]", NULL},
      {BILL, "17", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    base_error err = {0};
    char all[400];
    base_status st = judge(cases[i].checks, cases[i].document, base_allocator_libc(), &err);
    base_format(all, sizeof all, "%s: %s", err.where, err.text);
    TAP_OK(cases[i].says ? st == BASE_EMISMATCH && strstr(all, cases[i].says) != NULL : st == BASE_OK, "%s %s: %s",
           cases[i].checks, cases[i].document, all);
  }
}

static void test_no_checks(void) {
  static const char *const bad[] = {"{}", "[1]", "[{}]", "[{\"bil\":\"/x\"}]", "[{\"bill\":\"x\"}]", "[{\"money\":1}]",
                                    "[{\"exists\":\"/x\"}]", "[{\"phone\":\"/a\",\"email\":\"/b\"}]",
                                    "[{\"date\":\"/x\",\"first\":\"soon\"}]", "[{\"date\":\"/x\",\"not_past\":1}]"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    base_error err = {0};
    base_status st = judge(bad[i], "{}", base_allocator_libc(), &err);
    TAP_OK(st == BASE_EARGUMENT && strstr(err.text, "/x-check") != NULL, "%s: %s: %s", bad[i], err.where, err.text);
  }
}

static void test_unseen(void) {
  static const char *const schemas[][2] = {
      {"{ \"type\" : \"object\", \"x-check\": [ {} ],\"a\":1e999}", "{\"type\":\"object\",\"a\":1e999}"},
      {"{\"x-check\":[]}", "{}"},
      {"{\"properties\":{\"x-check\":{}}}", "{\"properties\":{\"x-check\":{}}}"},
      {"true", "true"},
      {" {\"a\": 1} ", "{\"a\": 1}"}};
  for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
    jdoc s = {0};
    base_buf out = {0};
    TAP_OK(!jdoc_open(&s, base_slice_of(schemas[i][0]), NULL, "schema", NULL, NULL), "a schema");
    handoff_put_schema(&s, &out);
    TAP_OK(out.len == strlen(schemas[i][1]) && memcmp(out.ptr, schemas[i][1], out.len) == 0, "sent: %.*s", (int)out.len,
           out.ptr);
    base_buf_free(&out);
    jdoc_close(&s);
  }
}

static void test_memory(void) {
  failing left;
  for (int n = 0; n < 400; n++) {
    base_error err = {0};
    base_allocator a = failing_allocator(&left, n);
    base_status st = judge(BILL, "{\"lines\":[{\"amount\":\"1.00\"},{\"amount\":2}],\"total\":\"4.00\"}", &a, &err);
    TAP_OK(left.held == 0, "%d: %zu bytes held", n, left.held);
    if (st == BASE_EMISMATCH) return;
    TAP_OK(st == BASE_ENOMEM, "%d: %s: %s", n, base_status_text(st), err.text);
  }
  TAP_OK(false, "never enough memory");
}

int main(void) {
  test_documents();
  test_no_checks();
  test_unseen();
  test_memory();
  return tap_done("test_checks");
}
