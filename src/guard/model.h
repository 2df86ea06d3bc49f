/* Private to guard/: what the model and the contact list add to the rules. */
#ifndef GUARD_MODEL_H
#define GUARD_MODEL_H

#include "guard/internal.h"

base_status guard_view_of(guard *g, base_slice text, guard_view *v, base_error *err);
base_status guard_find_in(guard *g, const guard_view *v, guard_hits *h, base_error *err);
void guard_wipe(void *bytes, size_t n); /* zeroes, whatever the compiler thinks of it */

/* contacts.c */
typedef struct guard_contacts guard_contacts;
void guard_contacts_free(guard_contacts *c, const base_allocator *a);
void guard_contacts_run(guard *g, const guard_view *v, guard_hits *h);

/* model.c */
typedef struct guard_model guard_model;
base_status guard_model_open(guard_model **out, const gguf_file *f, guard *g, base_error *err);
void guard_model_close(guard_model *m, const base_allocator *a);
void guard_model_names(guard *g, const guard_view *v, guard_hits *h);

#endif
