/* Private to cpu: the tables that exist, and the constants every instruction set must share to give the same
 * bits. */
#ifndef CPU_CPU_TABLES_H
#define CPU_CPU_TABLES_H

#include "cpu/cpu.h"

extern const cpu_kernels cpu_table_scalar;
#if defined(__x86_64__)
extern const cpu_kernels cpu_table_avx2;
extern const cpu_kernels cpu_table_avx512vnni;
extern const cpu_kernels cpu_table_amx;
#elif defined(__aarch64__)
extern const cpu_kernels cpu_table_neondot;
#endif

/* Float gemm: a block of C is CPU_GEMM_MC rows by all columns, summed over CPU_GEMM_KC products at a time.
 * The packed block of A (at most 264 KiB) stays in the second-level cache, the packed panel of B (at most 32
 * KiB) near the first. MC is a multiple of every tile's height (4, 6, 8): the last tile never reaches past
 * the packed block. */
#define CPU_GEMM_MC 264u
#define CPU_GEMM_KC 256u
#define CPU_GEMM_NR_MAX 32u

/* Queries that attention takes at once at most. */
#define CPU_ATTEND_ROWS 8u

/* A row whose largest magnitude is below this is quantised as zeros: 127 / max stays finite. */
#define CPU_QUANT_TINY 0x1p-100f

/* exp(x) = 2^n exp(r), n = rint(x / ln 2), |r| <= ln2 / 2; exp(r) = 1 + r + r^2 P(r), P of degree 4
 * interpolated at the Chebyshev nodes (relative error 1.0e-8 before rounding). 2^n is applied as two factors,
 * so that results below the normal range round once; at CPU_EXP_LOW both factors are exactly 0, which spares
 * -infinity (masked and missing lanes) the slow path for underflow: attention over 15 tokens takes a quarter
 * less time. CPU_EXP_MAGIC added to a float leaves rint of it in the low mantissa bits. */
#define CPU_EXP_LOW (-176.1f)
#define CPU_EXP_HIGH 89.0f
#define CPU_EXP_LOG2E 0x1.715476p+0f
#define CPU_EXP_MAGIC 0x1.8p+23f
#define CPU_LN2_HIGH 0x1.62e430p-1f
#define CPU_LN2_LOW (-0x1.05c610p-29f)
#define CPU_EXP_P0 0x1.000000p-1f
#define CPU_EXP_P1 0x1.5554dcp-3f
#define CPU_EXP_P2 0x1.55551ap-5f
#define CPU_EXP_P3 0x1.120ba2p-7f
#define CPU_EXP_P4 0x1.6d113cp-10f

/* A shorter one for |x| <= CPU_EXP_BOUND: exp(x) = 2^n 2^r, n = rint(x log2 e), where 2^n is an addition to the
 * exponent; 11 operations in place of 18. 2^r = 1 + r P(r) on +-1/2, P of degree 5 by Remez' exchange (2.6e-9); r is
 * off by 1.3e-8 x, since log2 e is one float. */
#define CPU_EXP_BOUND 86.0f
/* Gates of swiglu are held within it, so that the product of two 1 + exp(-gate) stays finite. */
#define CPU_GLU_BOUND 43.0f
#define CPU_EXP2_P0 0x1.62e432p-1f
#define CPU_EXP2_P1 0x1.ebfbe2p-3f
#define CPU_EXP2_P2 0x1.c6ae72p-5f
#define CPU_EXP2_P3 0x1.3b270cp-7f
#define CPU_EXP2_P4 0x1.5f7314p-10f
#define CPU_EXP2_P5 0x1.470c96p-13f

#endif
