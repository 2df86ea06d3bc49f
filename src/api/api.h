/* Private to api/: errors between base and the public header, options structs of any age. */
#ifndef API_API_H
#define API_API_H

#include "base/base.h"
#include "cpu/cpu.h"
#include "train/train.h"
#include "minnow.h"

_Static_assert((int)BASE_OK == MN_OK && (int)BASE_EARGUMENT == MN_EARGUMENT &&
                   (int)BASE_ENOMEM == MN_ENOMEM && (int)BASE_EIO == MN_EIO &&
                   (int)BASE_ENOTFOUND == MN_ENOTFOUND && (int)BASE_EFORMAT == MN_EFORMAT &&
                   (int)BASE_ELIMIT == MN_ELIMIT && (int)BASE_EUNSUPPORTED == MN_EUNSUPPORTED &&
                   (int)BASE_EMISMATCH == MN_EMISMATCH && (int)BASE_ECANCELLED == MN_ECANCELLED,
               "the public statuses are base's");

/* Ends a public call: returns the status and hands a failure's details to the caller's error, unless that is
 * NULL or already has a failure. */
int api_result(base_status st, const base_error *inner, mn_error *out);
/* Copies what the caller's struct has of ours; the rest of `ours` stays as it was. Both start with their
 * size. A size that no version ever had is an error. */
base_status api_take_struct(void *ours, size_t our_size, const void *theirs, const char *what,
                            base_error *err);
/* The other way: fills what the caller's struct has of ours, and leaves its size. */
base_status api_give_struct(void *theirs, const void *ours, size_t our_size, const char *what, base_error *err);
/* A text for the caller (text.c): made even after a failure, when *st says so, and handed out or freed at the end. */
struct mn_text {
  base_buf buf;
};
mn_text *api_text_new(base_error *err, base_status *st);
int api_text_finish(mn_text *t, mn_text **out, base_status st, base_error *err, mn_error *error);
/* What an option says of the machine (machine.c): the table of that name, NULL: the best; so many threads, 0: one a
 * processor. */
base_status api_take_kernels(const char *name, const cpu_kernels **out, base_error *err);
base_status api_take_threads(uint32_t asked, uint32_t *out, base_error *err);
uint64_t api_file_bytes(const char *path); /* 0 for one that cannot be read */
/* The path of a file that is shipped with the packs ("gate.gguf"): beside the program in packs/, in
 * ../share/minnow/packs from there, or in the prefix that this was built for. */
base_status api_shipped_file(const char *name, char *out, size_t out_size, base_error *err);

/* train_guard.c: packs/guard is no app's pack; its model is learned by guard/. */
bool api_is_guard_folder(const char *folder);
base_status api_train_guard(const mn_train_options *o, const char *out, train_report *report, base_error *err);

#endif
