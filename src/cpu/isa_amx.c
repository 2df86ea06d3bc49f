/* The kernels for AVX-512 VNNI with products of many tokens in the matrix registers of AMX. */
#include "cpu/cpu_tables.h"

#if defined(__x86_64__)
#include <math.h>

#include "cpu/vec_avx512.h"

#define VEC_AMX
#define CPU_TABLE cpu_table_amx
#define CPU_TABLE_NAME "amx"
#include "cpu/body.h"
#endif
