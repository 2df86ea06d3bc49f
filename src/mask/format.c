/* mask/format: formats as regular expressions over the whole string (RFC 3339, 5321, 1123, 2673, 4291, 3986, 9562,
 * 6901, 6570). They let through what the validator lets through, or less. */
#include "mask/internal.h"

#define YEAR "[0-9]{4}"
#define LEAP "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
#define DATE                                                                                              \
  "(" YEAR "-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|" \
  LEAP "-02-29)"
#define OFFSET "([zZ]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
/* a leap second only where it can be told without arithmetic: at 23:59 UTC */
#define TIME "(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]+)?" OFFSET "|23:59:60(\\.[0-9]+)?([zZ]|[+-]00:00))"
#define LABEL "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
#define HOST "(?=.{1,253}$)" LABEL "(\\." LABEL ")*"
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4 OCTET "(\\." OCTET "){3}"
#define H16 "[0-9a-fA-F]{1,4}"
#define LS32 "(" H16 ":" H16 "|" IPV4 ")"
#define IPV6                                                                                             \
  "((" H16 ":){6}" LS32 "|::(" H16 ":){5}" LS32 "|(" H16 ")?::(" H16 ":){4}" LS32 "|(" H16 "(:" H16       \
  "){0,1})?::(" H16 ":){3}" LS32 "|(" H16 "(:" H16 "){0,2})?::(" H16 ":){2}" LS32 "|(" H16 "(:" H16       \
  "){0,3})?::" H16 ":" LS32 "|(" H16 "(:" H16 "){0,4})?::" LS32 "|(" H16 "(:" H16 "){0,5})?::" H16       \
  "|(" H16 "(:" H16 "){0,6})?::)"
#define PCT "%[0-9a-fA-F]{2}"
#define PCHAR "([a-zA-Z0-9._~!$&'()*+,;=:@-]|" PCT ")"
#define AUTHORITY                                                                                        \
  "(([a-zA-Z0-9._~!$&'()*+,;=:-]|" PCT ")*@)?(\\[(" IPV6 "|[vV][0-9a-fA-F]+\\.[a-zA-Z0-9._~!$&'()*+,;=:-]+)\\]|" \
  "([a-zA-Z0-9._~!$&'()*+,;=-]|" PCT ")*)(:[0-9]*)?"
#define HIER "(//" AUTHORITY "(/" PCHAR "*)*|/(" PCHAR "+(/" PCHAR "*)*)?|" PCHAR "+(/" PCHAR "*)*)?"
#define TAIL "(\\?(" PCHAR "|[/?])*)?(#(" PCHAR "|[/?])*)?"
#define URI "[a-zA-Z][a-zA-Z0-9+.-]*:" HIER TAIL
#define NC "([a-zA-Z0-9._~!$&'()*+,;=@-]|" PCT ")"
#define RELATIVE "(//" AUTHORITY "(/" PCHAR "*)*|/(" PCHAR "+(/" PCHAR "*)*)?|" NC "+(/" PCHAR "*)*)?" TAIL
#define ATEXT "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]"
#define TOKEN_POINTER "(/([^~/]|~[01])*)*"

typedef struct format {
  const char *name, *pattern;
} format;

static const format formats[] = {
    {"date", "^" DATE "$"},
    {"time", "^" TIME "$"},
    {"date-time", "^" DATE "[tT]" TIME "$"},
    {"duration",
     "^P(?=.)([0-9]+W|([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)?"
     "(T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))?)$"},
    {"email", "^(?=[^@]{1,64}@)" ATEXT "+(\\." ATEXT "+)*@(?=.{1,253}$)" LABEL "(\\." LABEL ")*$"},
    {"hostname", "^" HOST "$"},
    {"ipv4", "^" IPV4 "$"},
    {"ipv6", "^" IPV6 "$"},
    {"uri", "^" URI "$"},
    {"uri-reference", "^(" URI "|" RELATIVE ")$"},
    {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
    {"json-pointer", "^" TOKEN_POINTER "$"},
    {"relative-json-pointer", "^(0|[1-9][0-9]*)(#|" TOKEN_POINTER ")$"},
};

const char *mask_format_pattern(base_slice name) {
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (base_slice_equal(name, base_slice_of(formats[i].name))) return formats[i].pattern;
  return NULL;
}
