/* The kernels for AVX-512 F, BW, DQ, VL and VNNI. */
#include "cpu/cpu_tables.h"

#if defined(__x86_64__)
#include <math.h>

#include "cpu/vec_avx512.h"

#define CPU_TABLE cpu_table_avx512vnni
#define CPU_TABLE_NAME "avx512vnni"
#include "cpu/body.h"
#endif
