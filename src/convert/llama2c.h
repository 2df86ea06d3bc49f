/* convert/llama2c: karpathy/llama2.c's checkpoints (version 0: seven numbers, floats) and tokenizers. */
#ifndef CONVERT_LLAMA2C_H
#define CONVERT_LLAMA2C_H

#include "convert/recode.h"

base_status convert_import_llama2c(const char *checkpoint, const char *tokenizer, const char *out,
                                   const convert_target *target, const convert_hooks *hooks, base_error *err);

#endif
