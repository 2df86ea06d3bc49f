/* Float matrix product. Blocks of A are packed as [MR rows interleaved][k], panels of B as [k][NR columns],
 * whatever their order in memory was; a tile of MR x NR sums stays in registers. Between blocks of k the tile
 * is stored and loaded again, which is exact, so every element is one chain of fused multiply-adds over k. */
#define BODY_NR (16u * VEC_GEMM_NV)

typedef struct body_gemm {
  const float *a, *b;
  size_t a_row, a_k; /* element (i, p) of op(A) is a[i * a_row + p * a_k] */
  size_t b_k, b_col; /* element (p, j) of op(B) is b[p * b_k + j * b_col] */
} body_gemm;

/* dst[p * width + i] = src[i * src_row + p * src_p] for i < rows (<= width), 0 for the other i; one of the
 * strides is 1. */
static void body_pack(const float *src, size_t src_row, size_t src_p, size_t rows, size_t depth, size_t width,
                      float *dst) {
  size_t i = 0;
  if (rows < width) memset(dst, 0, depth * width * sizeof(float));
  if (src_row == 1) {
    for (size_t p = 0; p < depth; p++) {
      for (size_t j = 0; j < rows; j += 16) {
        size_t s = body_step(rows - j);
        body_store(dst + p * width + j, body_load(src + p * src_p + j, s), s);
      }
    }
    return;
  }
  for (; i + 4 <= rows; i += 4) {
    size_t p = 0;
    for (; src_p == 1 && p + 4 <= depth; p += 4)
      vec_transpose4(src + i * src_row + p, src_row, dst + p * width + i, width);
    for (; p < depth; p++)
      for (size_t r = i; r < i + 4; r++) dst[p * width + r] = src[r * src_row + p * src_p];
  }
  for (; i < rows; i++)
    for (size_t p = 0; p < depth; p++) dst[p * width + i] = src[i * src_row + p * src_p];
}

/* C [rows][16 * nv, the last vector `last` wide] (+)= A B; rows and nv are constants in each expansion. */
BODY_INLINE void body_tile(size_t rows, size_t nv, size_t last, size_t depth, const float *a, const float *b,
                           size_t b_ld, float *c, size_t ldc, bool add) {
  vf acc[VEC_GEMM_MR][VEC_GEMM_NV];
  BODY_UNROLL
  for (size_t i = 0; i < rows; i++) {
    BODY_UNROLL
    for (size_t v = 0; v < nv; v++) {
      size_t n = v + 1 == nv ? last : 16;
      acc[i][v] = add ? body_load(c + i * ldc + v * 16, n) : vf_set1(0.0f);
    }
  }
  for (size_t p = 0; p < depth; p++) {
    vf row[VEC_GEMM_NV];
    BODY_UNROLL
    for (size_t v = 0; v < nv; v++) row[v] = vf_load(b + v * 16);
    BODY_UNROLL
    for (size_t i = 0; i < rows; i++) {
      vf x = vf_set1(a[i]);
      BODY_UNROLL
      for (size_t v = 0; v < nv; v++) acc[i][v] = vf_fma(x, row[v], acc[i][v]);
    }
    a += VEC_GEMM_MR;
    b += b_ld;
  }
  BODY_UNROLL
  for (size_t i = 0; i < rows; i++) {
    BODY_UNROLL
    for (size_t v = 0; v < nv; v++) body_store(c + i * ldc + v * 16, acc[i][v], v + 1 == nv ? last : 16);
  }
}

typedef void body_tile_fn(size_t last, size_t depth, const float *a, const float *b, size_t b_ld, float *c,
                          size_t ldc, bool add);
#define BODY_TILE(rows, nv)                                                                      \
  static void body_tile_##rows##x##nv(size_t last, size_t depth, const float *a, const float *b, \
                                      size_t b_ld, float *c, size_t ldc, bool add) {             \
    body_tile(rows, nv, last, depth, a, b, b_ld, c, ldc, add);                                   \
  }
#define BODY_TILES(nv) BODY_TILE(1, nv) BODY_TILE(2, nv) BODY_TILE(3, nv) BODY_TILE(4, nv)
#define BODY_TILES_HIGH(nv) BODY_TILE(5, nv) BODY_TILE(6, nv)
#define BODY_TILES_TOP(nv) BODY_TILE(7, nv) BODY_TILE(8, nv)

BODY_TILES(1)
#if VEC_GEMM_MR > 4
BODY_TILES_HIGH(1)
#endif
#if VEC_GEMM_MR > 6
BODY_TILES_TOP(1)
#endif
#if VEC_GEMM_NV > 1
BODY_TILES(2)
BODY_TILES_HIGH(2)
BODY_TILES_TOP(2)
#endif

static body_tile_fn *const body_tiles[VEC_GEMM_NV][VEC_GEMM_MR] = {
#if VEC_GEMM_MR == 4
    {body_tile_1x1, body_tile_2x1, body_tile_3x1, body_tile_4x1},
#elif VEC_GEMM_MR == 6
    {body_tile_1x1, body_tile_2x1, body_tile_3x1, body_tile_4x1, body_tile_5x1, body_tile_6x1},
#else
    {body_tile_1x1, body_tile_2x1, body_tile_3x1, body_tile_4x1, body_tile_5x1, body_tile_6x1, body_tile_7x1,
     body_tile_8x1},
    {body_tile_1x2, body_tile_2x2, body_tile_3x2, body_tile_4x2, body_tile_5x2, body_tile_6x2, body_tile_7x2,
     body_tile_8x2},
#endif
};

/* C [rows][n] (+)= packed A [rows][depth] times rows k0.. of op(B), one panel of columns after the other. */
static void body_gemm_block(const body_gemm *g, size_t rows, size_t n, size_t k0, size_t depth,
                            const float *packed_a, float *panel, float *c, size_t ldc, bool add) {
  for (size_t j = 0; j < n; j += BODY_NR) {
    size_t columns = n - j < BODY_NR ? n - j : BODY_NR;
    size_t nv = (columns + 15) / 16, last = columns - (nv - 1) * 16;
    const float *b = g->b + k0 * g->b_k + j * g->b_col;
    size_t b_ld = g->b_k;
    if (g->b_col != 1 || columns != BODY_NR || rows > VEC_GEMM_MR) {
      body_pack(b, g->b_col, g->b_k, columns, depth, BODY_NR, panel);
      b = panel;
      b_ld = BODY_NR;
    }
    for (size_t i = 0; i < rows; i += VEC_GEMM_MR) {
      size_t height = rows - i < VEC_GEMM_MR ? rows - i : VEC_GEMM_MR;
      body_tiles[nv - 1][height - 1](last, depth, packed_a + i * depth, b, b_ld, c + i * ldc + j, ldc, add);
    }
  }
}

static void body_gemm_f32_rows(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a, size_t lda,
                               const float *b, size_t ldb, float *c, size_t ldc, bool add, size_t row_begin,
                               size_t row_end, float *scratch) {
  body_gemm g = {a, b, ta ? 1 : lda, ta ? lda : 1, tb ? 1 : ldb, tb ? ldb : 1};
  size_t k_blocks = (k + CPU_GEMM_KC - 1) / CPU_GEMM_KC;
  size_t kc = k_blocks ? (k + k_blocks - 1) / k_blocks : 0;
  float *packed_a = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
  float *panel = packed_a + (CPU_GEMM_MC * kc + 15) / 16 * 16;
  if (row_end > m) row_end = m;
  if (row_begin >= row_end) return;
  size_t height = row_end - row_begin, blocks = (height + CPU_GEMM_MC - 1) / CPU_GEMM_MC;
  size_t step = (height + blocks - 1) / blocks;
  step = (step + VEC_GEMM_MR - 1) / VEC_GEMM_MR * VEC_GEMM_MR;
  for (size_t i0 = row_begin; i0 < row_end; i0 += step) {
    size_t rows = row_end - i0 < step ? row_end - i0 : step;
    if (k == 0 && !add)
      for (size_t i = i0; i < i0 + rows; i++) memset(c + i * ldc, 0, n * sizeof(float));
    for (size_t k0 = 0; k0 < k; k0 += kc) {
      size_t depth = k - k0 < kc ? k - k0 : kc;
      for (size_t i = 0; i < rows; i += VEC_GEMM_MR) {
        size_t tile = rows - i < VEC_GEMM_MR ? rows - i : VEC_GEMM_MR;
        const float *from = a + (i0 + i) * g.a_row + k0 * g.a_k;
        body_pack(from, g.a_row, g.a_k, tile, depth, VEC_GEMM_MR, packed_a + i * depth);
      }
      body_gemm_block(&g, rows, n, k0, depth, packed_a, panel, c + i0 * ldc, ldc, add || k0 > 0);
    }
  }
}
