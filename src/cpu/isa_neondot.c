/* The kernels for Armv8.2 NEON with the dot-product extension. */
#include "cpu/cpu_tables.h"

#if defined(__aarch64__)
#include <math.h>

#include "cpu/vec_neon.h"

#define CPU_TABLE cpu_table_neondot
#define CPU_TABLE_NAME "neondot"
#include "cpu/body.h"
#endif
