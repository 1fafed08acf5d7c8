// The heart of every product: a tile of ROWS × PANEL numbers of C that stays in the registers while k passes by.
#pragma once

#include <utility>

#include "vector.h"

namespace diffusion {

// Of 16 registers twelve hold C, of 32 twenty-four; the rest is for two vectors of B and a number of A.
constexpr int ROWS = LANES == 16 ? 12 : 6;
// Columns of a panel of B.
constexpr int64_t PANEL = 2 * LANES;

// A number of A is at a[row · rowStep + k · depthStep], a row of the panel of B at b[k · bStep].
struct Product {
  const float *a;
  int64_t rowStep, depthStep;
  const float *b;
  int64_t bStep, depth;
  float *c;
  int64_t cStep;
};

// c[Rows][Vectors · LANES] = A B, or += where `Adds`.
template <int Rows, int Vectors, bool Adds>
__attribute__((always_inline)) inline void tile(const float *a, int64_t rowStep, int64_t depthStep, const float *b,
                                                int64_t bStep, int64_t depth, float *c, int64_t cStep) {
  Vec sum[Rows][Vectors] = {};
  for (int64_t k = 0; k < depth; k++, a += depthStep, b += bStep) {
    Vec of[Vectors];
#pragma GCC unroll 2
    for (int j = 0; j < Vectors; j++) of[j] = load(b + j * LANES);
#pragma GCC unroll 12
    for (int i = 0; i < Rows; i++) {
      const Vec factor = all(a[i * rowStep]);
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; j++) sum[i][j] += factor * of[j];
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < Rows; i++) {
#pragma GCC unroll 2
    for (int j = 0; j < Vectors; j++) {
      float *const to = c + i * cStep + j * LANES;
      store(to, Adds ? load(to) + sum[i][j] : sum[i][j]);
    }
  }
}

template <int Rows, int Vectors, bool Adds>
void tileOf(const Product &p, int64_t row) {
  // One of the steps is 1: said here, it costs no register.
  const float *const a = p.a + row * p.rowStep;
  float *const c = p.c + row * p.cStep;
  if (p.depthStep == 1) tile<Rows, Vectors, Adds>(a, p.rowStep, 1, p.b, p.bStep, p.depth, c, p.cStep);
  else tile<Rows, Vectors, Adds>(a, 1, p.depthStep, p.b, p.bStep, p.depth, c, p.cStep);
}

template <int Vectors, bool Adds, int... I>
void tileOf(const Product &p, int64_t row, int64_t rows, std::integer_sequence<int, I...>) {
  static constexpr void (*tiles[])(const Product &, int64_t) = {tileOf<I + 1, Vectors, Adds>...};
  tiles[rows - 1](p, row);
}

// C = A B, or += where `Adds`, for `rows` rows and a panel of B, of which only the first vector counts where `isNarrow`.
// The step of the rows of A or that of k must be 1.
template <bool Adds>
void multiplyPanel(const Product &p, int64_t rows, bool isNarrow) {
  const int64_t blocks = (rows + ROWS - 1) / ROWS;
  for (int64_t block = 0, row = 0; block < blocks; block++) {
    // As even as can be: a tile of few rows waits for its own sums.
    const int64_t end = rows * (block + 1) / blocks;
    if (isNarrow) tileOf<1, Adds>(p, row, end - row, std::make_integer_sequence<int, ROWS>());
    else tileOf<2, Adds>(p, row, end - row, std::make_integer_sequence<int, ROWS>());
    row = end;
  }
}

}  // namespace diffusion
