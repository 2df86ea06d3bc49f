/* HTTP by libcurl. The library is loaded at the first call: with its TLS it would double the time that a program
 * needs to start, and most requests never leave the device. */
#include <curl/curl.h>

#include "cloud/internal.h"
#include "os/os.h"

/* The macros of the header check types at compile time and name the functions themselves. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

typedef struct curl_functions {
  CURL *(*init)(void);
  CURLcode (*setopt)(CURL *, CURLoption, ...);
  CURLcode (*perform)(CURL *);
  CURLcode (*getinfo)(CURL *, CURLINFO, ...);
  void (*cleanup)(CURL *);
  struct curl_slist *(*append)(struct curl_slist *, const char *);
  void (*free_all)(struct curl_slist *);
  const char *(*text)(CURLcode);
} curl_functions;

/* The names are libcurl's since version 7.16 (2006). */
static base_status load(os_library **library, curl_functions *f, base_error *err) {
  const struct {
    const char *name;
    void *to;
  } symbol[] = {{"curl_easy_init", &f->init},       {"curl_easy_setopt", &f->setopt},
                {"curl_easy_perform", &f->perform}, {"curl_easy_getinfo", &f->getinfo},
                {"curl_easy_cleanup", &f->cleanup}, {"curl_slist_append", &f->append},
                {"curl_slist_free_all", &f->free_all}, {"curl_easy_strerror", &f->text}};
  base_status st = os_library_open(library, "libcurl.so.4", err);
  for (size_t i = 0; i < sizeof symbol / sizeof *symbol && !st; i++)
    st = os_library_symbol(*library, symbol[i].name, symbol[i].to, err);
  return st;
}

typedef struct transfer {
  bool (*on_bytes)(void *to, base_slice bytes);
  void *to;
} transfer;

static size_t take_bytes(char *bytes, size_t one, size_t len, void *ctx) {
  transfer *t = ctx;
  return t->on_bytes(t->to, (base_slice){bytes, one * len}) ? one * len : 0;
}

static void describe(const curl_functions *f, CURLcode code, CURL *curl, cloud_reply *reply) {
  long status = 0, request_bytes = 0;
  curl_off_t connect_us = 0, retry_s = 0;
  f->getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  f->getinfo(curl, CURLINFO_REQUEST_SIZE, &request_bytes);
  f->getinfo(curl, CURLINFO_CONNECT_TIME_T, &connect_us);
  f->getinfo(curl, CURLINFO_RETRY_AFTER, &retry_s);
  reply->status = (int)status;
  reply->connected = request_bytes > 0 || status > 0;
  reply->timed_out = code == CURLE_OPERATION_TIMEDOUT && (reply->connected || connect_us > 0);
  reply->untrusted = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
                     code == CURLE_SSL_PINNEDPUBKEYNOTMATCH;
  if (retry_s > 0) reply->retry_after_ms = (int64_t)retry_s * 1000;
  if (code != CURLE_OK && code != CURLE_WRITE_ERROR)
    base_format(reply->text, sizeof reply->text, "%s", f->text(code));
}

static struct curl_slist *header_list(const curl_functions *f, const cloud_call *call) {
  struct curl_slist *list = NULL;
  for (size_t i = 0; i < call->n_headers; i++) {
    struct curl_slist *longer = f->append(list, call->headers[i]);
    if (longer == NULL) {
      f->free_all(list);
      return NULL;
    }
    list = longer;
  }
  return list;
}

static CURLcode set_up(const curl_functions *f, CURL *curl, const cloud_call *call, struct curl_slist *headers,
                       transfer *t) {
  CURLcode code = CURLE_OK;
#define SET(option, value) \
  if (code == CURLE_OK) code = f->setopt(curl, option, value)
  SET(CURLOPT_URL, call->url);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
  SET(CURLOPT_FOLLOWLOCATION, 0L); /* a redirect could take the key elsewhere */
  SET(CURLOPT_POST, 1L);
  SET(CURLOPT_POSTFIELDS, call->body.ptr);
  SET(CURLOPT_POSTFIELDSIZE, (long)call->body.len);
  SET(CURLOPT_HTTPHEADER, headers);
  SET(CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_ms);
  SET(CURLOPT_TIMEOUT_MS, (long)call->total_ms);
  SET(CURLOPT_WRITEFUNCTION, take_bytes);
  SET(CURLOPT_WRITEDATA, t);
  if (call->ca_file != NULL) SET(CURLOPT_CAINFO, call->ca_file);
#undef SET
  return code;
}

static base_status perform(void *ctx, const cloud_call *call, bool (*on_bytes)(void *to, base_slice bytes),
                           void *to, cloud_reply *reply, base_error *err) {
  curl_functions f;
  os_library *library = NULL;
  transfer t = {on_bytes, to};
  CURL *curl = NULL;
  struct curl_slist *headers = NULL;
  (void)ctx;
  base_status st = load(&library, &f, err); /* the system keeps it loaded; the second time costs little */
  if (st) goto done;
  curl = f.init();
  headers = header_list(&f, call);
  if (curl == NULL || headers == NULL) {
    st = base_fail(err, BASE_ENOMEM, "cloud", "no memory for a call");
    goto done;
  }
  CURLcode code = set_up(&f, curl, call, headers, &t);
  if (code == CURLE_OK) code = f.perform(curl);
  describe(&f, code, curl, reply);
done:
  if (headers != NULL) f.free_all(headers);
  if (curl != NULL) f.cleanup(curl);
  return st; /* the library stays open: TLS libraries do not survive being unloaded */
}

const cloud_transport *cloud_transport_curl(void) {
  static const cloud_transport transport = {perform, NULL};
  return &transport;
}
