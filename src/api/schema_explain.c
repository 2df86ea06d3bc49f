/* mn_schema_explain: what of a schema is enforced byte by byte while a model writes, and what is not. */
#include <string.h>

#include "api/api.h"
#include "mask/mask.h"

void mn_schema_explain_options_init(mn_schema_explain_options *o) {
  *o = (mn_schema_explain_options){.size = sizeof *o};
}

/* Adds the note to the report; the words for when it is decided. */
static const char *count_note(mask_when when, mn_schema_explain_report *report) {
  switch (when) {
    case MASK_AT_BRACKET: report->at_bracket++; return "closing bracket";
    case MASK_AT_VALUES_END: report->at_end_of_value++; return "end of value";
    case MASK_AT_DOCUMENTS_END: report->at_end_of_document++; return "end of document";
    case MASK_NEVER: report->never++; return "never";
    default: report->refused++; return "refused";
  }
}

/* Where something is refused the first of it is the failure; all of it has been reported. */
static base_status report_notes(mask_rule *rule, const mn_schema_explain_options *o, mn_schema_explain_report *report,
                                base_error *err) {
  for (size_t i = 0; i < mask_rule_notes(rule); i++) {
    mask_note n = mask_rule_note(rule, i);
    if (n.path == NULL)
      return base_fail(err, BASE_ELIMIT, "schema", "there are too many notes on it for the memory of a rule");
    const char *last = strrchr(n.path, '/'), *keyword = n.keyword[0] != '\0' || last == NULL ? n.keyword : last + 1;
    if (n.when == MASK_REFUSED && report->refused == 0) (void)base_fail(err, BASE_EUNSUPPORTED, n.path, "%s", n.reason);
    mn_schema_note out = {n.path, keyword, n.reason, count_note(n.when, report)};
    if (o->note != NULL) o->note(o->note_ctx, &out);
  }
  return report->refused > 0 ? BASE_EUNSUPPORTED : BASE_OK;
}

int mn_schema_explain(const char *json, size_t len, const mn_schema_explain_options *options,
                      mn_schema_explain_report *report, mn_error *err) {
  mn_schema_explain_options o = {0};
  mask_rule *rule = NULL;
  base_error e = {0};
  *report = (mn_schema_explain_report){0};
  base_status status = api_take_struct(&o, sizeof o, options, "mn_schema_explain_options", &e);
  mask_options m = {.ignore_formats = o.no_formats, .account = true};
  if (status == BASE_OK) status = mask_schema(&rule, (base_slice){json, len}, &m, NULL, &e);
  if (status == BASE_OK) {
    report->schemas = mask_rule_schemas(rule);
    report->bytes = mask_rule_bytes(rule);
    status = report_notes(rule, &o, report, &e);
  }
  mask_rule_close(rule);
  return api_result(status, &e, err);
}
