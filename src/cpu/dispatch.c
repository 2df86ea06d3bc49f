/* Which tables exist on this machine: asks the CPU, and through the compiler's run-time also whether the
 * operating system saves the registers. Nothing is remembered; callers keep the pointer. */
#include <string.h>

#include "cpu/cpu_tables.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1UL << 20)
#endif
#endif

#if defined(__x86_64__)
#include <cpuid.h>

/* Leaf 7: AMX-TILE and AMX-INT8 are bits 24 and 25 of edx. */
static bool cpu_has_amx(void) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 3u) == 3u && os_allow_tiles();
}
/* Leaf 1: F16C is bit 29 of ecx, which not every compiler's __builtin_cpu_supports knows. Its registers are AVX's. */
static bool cpu_has_f16c(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1u) != 0;
}
static bool cpu_has_avx2(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && cpu_has_f16c();
}
static bool cpu_has_avx512vnni(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
}
#endif

const cpu_kernels *cpu_available(size_t index) {
  const cpu_kernels *found[4] = {NULL};
  size_t count = 0;
#if defined(__x86_64__)
  if (cpu_has_avx512vnni() && cpu_has_amx()) found[count++] = &cpu_table_amx;
  if (cpu_has_avx512vnni()) found[count++] = &cpu_table_avx512vnni;
  if (cpu_has_avx2()) found[count++] = &cpu_table_avx2;
#elif defined(__aarch64__)
  if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) found[count++] = &cpu_table_neondot;
#endif
  found[count++] = &cpu_table_scalar;
  return index < count ? found[index] : NULL;
}

const cpu_kernels *cpu_best(void) { return cpu_available(0); }

const cpu_kernels *cpu_named(const char *name) {
  const cpu_kernels *table;
  for (size_t i = 0; (table = cpu_available(i)) != NULL; i++)
    if (strcmp(table->name, name) == 0) return table;
  return NULL;
}
