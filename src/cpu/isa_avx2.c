/* The kernels for AVX2 with FMA (flags -mavx2 -mfma -mf16c). */
#include "cpu/cpu_tables.h"

#if defined(__x86_64__)
#include <math.h>

#include "cpu/vec_avx2.h"

#define CPU_TABLE cpu_table_avx2
#define CPU_TABLE_NAME "avx2"
#include "cpu/body.h"
#endif
