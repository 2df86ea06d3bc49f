/* What tokens cost: read from a dated file, computed in whole 1e-9 dollars, rounded up. */
#include <math.h>
#include <string.h>

#include "cloud/internal.h"

#define MOST_USD 1e6 /* a million tokens */

static base_status price_of(const json_t *model, const char *name, const char *where, cloud_price *out,
                            base_error *err) {
  const json_t *in = json_object_get(model, "input"), *produced = json_object_get(model, "output");
  double a = json_number_value(in), b = json_number_value(produced);
  if (!json_is_number(in) || !json_is_number(produced) || a < 0.0 || b < 0.0 || a > MOST_USD || b > MOST_USD)
    return base_fail(err, BASE_EFORMAT, where,
                     "\"%s\" needs \"input\" and \"output\", US dollars a million tokens", name);
  *out = (cloud_price){(int64_t)llround(a * 1e9), (int64_t)llround(b * 1e9)};
  return BASE_OK;
}

static const char *longest_start(json_t *models, const char *model) {
  const char *best = NULL, *name;
  json_t *price;
  json_object_foreach(models, name, price) {
    if (strncmp(model, name, strlen(name)) == 0 && (best == NULL || strlen(name) > strlen(best))) best = name;
  }
  return best;
}

base_status cloud_price_read(base_slice text, const char *where, const char *model, cloud_price *out,
                             char date[11], base_error *err) {
  json_error_t said;
  base_status st = BASE_OK;
  json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &said);
  if (root == NULL)
    return base_fail(err, BASE_EFORMAT, where, "line %d: %s", said.line, said.text);
  json_t *models = json_object_get(root, "models");
  const char *day = json_string_value(json_object_get(root, "date"));
  const char *currency = json_string_value(json_object_get(root, "currency"));
  const char *name = longest_start(models, model);
  if (day == NULL || strlen(day) != 10 || !json_is_object(models))
    st = base_fail(err, BASE_EFORMAT, where, "a price file has a \"date\" (2026-11-21) and \"models\"");
  else if (currency == NULL || strcmp(currency, "USD") != 0)
    st = base_fail(err, BASE_EFORMAT, where, "prices must be in USD");
  else if (name == NULL)
    st = base_fail(err, BASE_ENOTFOUND, where, "there is no price for \"%s\"; add it", model);
  else
    st = price_of(json_object_get(models, name), name, where, out, err);
  if (!st) base_format(date, 11, "%s", day);
  json_decref(root);
  return st;
}

static int64_t part(int64_t price, uint64_t tokens) {
  double exact = (double)price * (double)tokens / 1e6;
  if (exact > 9e18) return INT64_MAX / 2;
  if (price > 0 && tokens > (uint64_t)(INT64_MAX / price)) return (int64_t)ceil(exact);
  return (int64_t)(((uint64_t)price * tokens + 999999) / 1000000);
}

int64_t cloud_cost(const cloud_price *p, uint64_t tokens_in, uint64_t tokens_out) {
  int64_t in = part(p->input, tokens_in), produced = part(p->output, tokens_out);
  return in + produced;
}
