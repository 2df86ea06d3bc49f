/* constrain, private: one predicate a format, and the small scanners that they share. */
#ifndef CONSTRAIN_FORMAT_H
#define CONSTRAIN_FORMAT_H

#include "constrain/internal.h"

bool constrain_is_date(base_slice s);
bool constrain_is_time(base_slice s);
bool constrain_is_date_time(base_slice s);
bool constrain_is_duration(base_slice s);
bool constrain_is_email(base_slice s);
bool constrain_is_idn_email(base_slice s);
bool constrain_is_hostname(base_slice s);
bool constrain_is_idn_hostname(base_slice s);
bool constrain_is_ipv4(base_slice s);
bool constrain_is_ipv6(base_slice s);
bool constrain_is_uri(base_slice s);
bool constrain_is_uri_reference(base_slice s);
bool constrain_is_iri(base_slice s);
bool constrain_is_iri_reference(base_slice s);
bool constrain_is_uuid(base_slice s);
bool constrain_is_uri_template(base_slice s);
bool constrain_is_json_pointer(base_slice s);
bool constrain_is_relative_json_pointer(base_slice s);
bool constrain_is_local_date_time(base_slice s);
bool constrain_is_local_date(base_slice s);
bool constrain_is_local_time(base_slice s);
bool constrain_is_plain_duration(base_slice s);
bool constrain_is_plain_email(base_slice s);
bool constrain_is_rrule(base_slice s);
bool constrain_is_phone(base_slice s);
bool constrain_is_currency(base_slice s);

/* ---- scanners ---- */

static inline bool constrain_is_digit(char c) {
  return c >= '0' && c <= '9';
}
static inline bool constrain_is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool constrain_is_hex(char c) {
  return constrain_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
/* Takes the character off the front. */
static inline bool constrain_take(base_slice *s, char c) {
  if (s->len == 0 || s->ptr[0] != c) return false;
  *s = base_slice_sub(*s, 1, s->len);
  return true;
}

#endif
