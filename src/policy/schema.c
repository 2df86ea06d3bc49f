/* The JSON Schema that a policy fits; published as docs/policy.schema.json. */
#include "policy/policy.h"

#define SHARE "{\"type\":\"number\",\"minimum\":0,\"maximum\":1}"
#define ANSWER "{\"enum\":[\"act\",\"confirm\",\"refuse\"]}"
#define RULE "{\"enum\":[\"keep\",\"redact\",\"allow\"]}"
#define WITHOUT "{\"enum\":[\"local\",\"defer\",\"refuse\"]}"
#define USD "{\"type\":\"number\",\"minimum\":0,\"maximum\":1000000}"
#define MS "{\"type\":\"integer\",\"minimum\":1,\"maximum\":3600000}"
#define NAME "{\"type\":\"string\",\"minLength\":1,\"maxLength\":63}"
#define NAMES "{\"type\":\"array\",\"maxItems\":64,\"items\":" NAME "}"
#define PATH "{\"type\":\"string\",\"minLength\":1,\"maxLength\":511}"
#define OBJECT(properties) "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" properties "}}"
#define KEY(name, schema) "\"" name "\":" schema

static const char schema[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"Minnow policy\",\"type\":\"object\","
    "\"required\":[\"version\"],\"additionalProperties\":false,\"properties\":{"
    KEY("$schema", "{\"type\":\"string\"}") ","
    KEY("version", "{\"type\":\"string\",\"minLength\":1,\"maxLength\":23}") ","
    KEY("packs", OBJECT(KEY("allow", NAMES) "," KEY("deny", NAMES))) ","
    KEY("risk", OBJECT(KEY("none", ANSWER) "," KEY("reversible", ANSWER) "," KEY("discloses", ANSWER) ","
                       KEY("money", ANSWER) "," KEY("irreversible", ANSWER) "," KEY("safety", ANSWER))) ","
    KEY("domains", OBJECT(KEY("payment", ANSWER) "," KEY("legal", ANSWER) "," KEY("medical", ANSWER) ","
                          KEY("self_harm", ANSWER))) ","
    KEY("confidence",
        OBJECT(KEY("at_most_wrong", SHARE) ","
               KEY("packs", "{\"type\":\"object\",\"maxProperties\":64,\"additionalProperties\":" SHARE "}") ","
               KEY("text", SHARE))) ","
    KEY("personal_data", /* other keys are classes of guard, which policy_read knows */
        "{\"type\":\"object\",\"properties\":{" KEY("threshold", SHARE) "},\"additionalProperties\":" RULE "}") ","
    KEY("cloud",
        "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
        KEY("enabled", "{\"type\":\"boolean\"}") ","
        KEY("tasks", "{\"type\":\"array\",\"items\":{\"enum\":[\"action\",\"text\",\"extract\"]}}") ","
        KEY("may_act", "{\"type\":\"boolean\"}") ","
        KEY("stream", "{\"type\":\"boolean\"}") ","
        KEY("dialect", "{\"enum\":[\"openai\",\"anthropic\"]}") ","
        KEY("endpoint", PATH) "," KEY("model", "{\"type\":\"string\",\"minLength\":1,\"maxLength\":95}") ","
        KEY("key_file", PATH) "," KEY("ca_file", PATH) "," KEY("prices", PATH) ","
        KEY("max_tokens", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":100000}") ","
        KEY("attempts", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":10}") ","
        KEY("calls_a_minute", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":10000}") "}}") ","
    KEY("budget", OBJECT(KEY("request_usd", USD) "," KEY("day_usd", USD) "," KEY("month_usd", USD))) ","
    KEY("deadline_ms", OBJECT(KEY("local", MS) "," KEY("cloud", MS) "," KEY("action", MS) "," KEY("text", MS)
                              "," KEY("extract", MS))) ","
    KEY("offline", OBJECT(KEY("action", WITHOUT) "," KEY("text", WITHOUT) "," KEY("extract", WITHOUT) ","
                          KEY("keep_hours", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":8760}") ","
                          KEY("keep_values", "{\"type\":\"boolean\"}"))) ","
    KEY("flags",
        "{\"type\":\"object\",\"maxProperties\":32,\"additionalProperties\":"
        OBJECT(KEY("percent", "{\"type\":\"number\",\"minimum\":0,\"maximum\":100}") ","
               KEY("off", "{\"type\":\"boolean\"}")) "}") ","
    KEY("ledger", OBJECT(KEY("keep_text", "{\"type\":\"boolean\"}") ","
                         KEY("days", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":3650}") ","
                         KEY("max_mb", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":65536}"))) "}}";

const char *policy_schema(void) { return schema; }
