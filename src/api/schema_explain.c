/* mn_schema_explain: what of a schema is enforced byte by byte while a model writes, and what is not. */
#include "api/api.h"
#include "mask/mask.h"

void mn_schema_explain_options_init(mn_schema_explain_options *o) {
  *o = (mn_schema_explain_options){.size = sizeof *o};
}

static base_status report_notes(mask_rule *rule, const mn_schema_explain_options *o, mn_schema_explain_report *report,
                                base_error *err) {
  for (size_t i = 0; i < mask_rule_notes(rule); i++) {
    mask_note n = mask_rule_note(rule, i);
    if (n.path == NULL) return base_fail(err, BASE_ELIMIT, "schema", "there are too many notes on it for the memory of a rule");
    mn_schema_note out = {n.path, n.keyword, n.reason, n.at_end ? "end of value" : "end of document"};
    if (n.at_end) report->at_end_of_value++;
    else report->at_end_of_document++;
    if (o->note != NULL) o->note(o->note_ctx, &out);
  }
  return BASE_OK;
}

int mn_schema_explain(const char *json, size_t len, const mn_schema_explain_options *options,
                      mn_schema_explain_report *report, mn_error *err) {
  mn_schema_explain_options o = {0};
  mask_rule *rule = NULL;
  base_error e = {0};
  *report = (mn_schema_explain_report){0};
  base_status status = api_take_struct(&o, sizeof o, options, "mn_schema_explain_options", &e);
  mask_options m = {.ignore_formats = o.no_formats};
  if (status == BASE_OK) status = mask_schema(&rule, (base_slice){json, len}, &m, NULL, &e);
  if (status == BASE_OK) {
    report->schemas = mask_rule_schemas(rule);
    report->bytes = mask_rule_bytes(rule);
    status = report_notes(rule, &o, report, &e);
  }
  mask_rule_close(rule);
  return api_result(status, &e, err);
}
