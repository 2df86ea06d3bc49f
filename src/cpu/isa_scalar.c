/* The kernels for plain C, the reference. */
#include "cpu/cpu_tables.h"

#include <math.h>

#include "cpu/vec_scalar.h"

#define CPU_TABLE cpu_table_scalar
#define CPU_TABLE_NAME "scalar"
#include "cpu/body.h"
