// 3×3 convolution of stride 1 by Winograd's F(4×4, 3×3) (Lavin and Gray 2016, "Fast algorithms for convolutional neural
// networks"): 36 products instead of 144 for each tile of 4×4 outputs. The interpolation points are 0, ±P, ±Q, ∞;
// ±5/8 and ±3/2 lose fewer digits than the customary ±1 and ±2, and their powers are still exact.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "convolution.h"
#include "parallel.h"
#include "scratch.h"
#include "tile.h"
#include "vector.h"

namespace diffusion {
namespace {

constexpr int TILE = 4, PATCH = 6, POINTS = PATCH * PATCH;
constexpr float P = 0.625f, P2 = P * P, P3 = P * P2, Q = 1.5f, Q2 = Q * Q, Q3 = Q * Q2;
// What G divides by at each point.
constexpr float AT_0 = 1 / (P2 * Q2), AT_P = 1 / (2 * P2 * (P2 - Q2)), AT_Q = 1 / (2 * Q2 * (Q2 - P2));

// One direction of each transformation: from a line, `from` numbers apart by `in`, to one by `out`.

// Bᵀ d.
inline void inputLine(const Vec *d, int in, Vec *to, int out) {
  const Vec d0 = d[0], d1 = d[in], d2 = d[2 * in], d3 = d[3 * in], d4 = d[4 * in], d5 = d[5 * in];
  to[0] = d4 - d2 * (P2 + Q2) + d0 * (P2 * Q2);
  Vec even = d4 - d2 * Q2, odd = (d3 - d1 * Q2) * P;
  to[out] = even + odd;
  to[2 * out] = even - odd;
  even = d4 - d2 * P2, odd = (d3 - d1 * P2) * Q;
  to[3 * out] = even + odd;
  to[4 * out] = even - odd;
  to[5 * out] = d5 - d3 * (P2 + Q2) + d1 * (P2 * Q2);
}

// Aᵀ m.
inline void outputLine(const Vec *m, int in, Vec *to, int out) {
  const Vec pSum = m[in] + m[2 * in], pDifference = m[in] - m[2 * in];
  const Vec qSum = m[3 * in] + m[4 * in], qDifference = m[3 * in] - m[4 * in];
  to[0] = m[0] + (pSum + qSum);
  to[out] = pDifference * P + qDifference * Q;
  to[2 * out] = pSum * P2 + qSum * Q2;
  to[3 * out] = pDifference * P3 + qDifference * Q3 + m[5 * in];
}

// A y.
inline void outputGradientLine(const Vec *y, int in, Vec *to, int out) {
  const Vec y0 = y[0], y1 = y[in], y2 = y[2 * in], y3 = y[3 * in];
  to[0] = y0;
  Vec even = y0 + y2 * P2, odd = y1 * P + y3 * P3;
  to[out] = even + odd;
  to[2 * out] = even - odd;
  even = y0 + y2 * Q2, odd = y1 * Q + y3 * Q3;
  to[3 * out] = even + odd;
  to[4 * out] = even - odd;
  to[5 * out] = y3;
}

// G g.
inline void filterLine(const Vec *g, int in, Vec *to, int out) {
  const Vec g0 = g[0], g1 = g[in], g2 = g[2 * in];
  to[0] = g0 * AT_0;
  Vec even = (g0 + g2 * P2) * AT_P, odd = g1 * (P * AT_P);
  to[out] = even + odd;
  to[2 * out] = even - odd;
  even = (g0 + g2 * Q2) * AT_Q, odd = g1 * (Q * AT_Q);
  to[3 * out] = even + odd;
  to[4 * out] = even - odd;
  to[5 * out] = g2;
}

// Gᵀ u.
inline void filterGradientLine(const Vec *u, int in, Vec *to, int out) {
  const Vec pSum = (u[in] + u[2 * in]) * AT_P, qSum = (u[3 * in] + u[4 * in]) * AT_Q;
  to[0] = u[0] * AT_0 + (pSum + qSum);
  to[out] = (u[in] - u[2 * in]) * (P * AT_P) + (u[3 * in] - u[4 * in]) * (Q * AT_Q);
  to[2 * out] = pSum * P2 + qSum * Q2 + u[5 * in];
}

// Both directions: a square of `In`² vectors to one of `Out`².
template <int In, int Out, class Line>
__attribute__((always_inline)) inline void transform(Line line, const Vec *from, Vec *to) {
  Vec half[Out * In];
#pragma GCC unroll 6
  for (int x = 0; x < In; x++) line(from + x, In, half + x, In);
#pragma GCC unroll 6
  for (int y = 0; y < Out; y++) line(half + y * In, 1, to + y * Out, 1);
}

// The tiles of the images, one after the other.
struct Tiles {
  Tiles(int64_t batch, int64_t height, int64_t width)
      : rows((height + TILE - 1) / TILE), columns((width + TILE - 1) / TILE), count(batch * rows * columns) {}
  int64_t image(int64_t tile) const { return tile / (rows * columns); }
  int64_t top(int64_t tile) const { return tile / columns % rows * TILE; }
  int64_t left(int64_t tile) const { return tile % columns * TILE; }
  int64_t rows, columns, count;
};

// The pixels of images; those outside are zeros.
struct Images {
  const float *data;
  int64_t height, width, channels;
  const float *zeros;

  template <int Size>
  void pixels(int64_t image, int64_t top, int64_t left, const float **to) const {
    const float *const first = data + image * height * width * channels;
    for (int64_t y = top; y < top + Size; y++) {
      for (int64_t x = left; x < left + Size; x++) {
        const bool inside = y >= 0 && y < height && x >= 0 && x < width;
        *to++ = inside ? first + (y * width + x) * channels : zeros;
      }
    }
  }
};

// Line transforms LANES channels of Size² pixels, from `c` on, of which there are n.
template <int Size, int Out, class Line>
__attribute__((always_inline)) inline void transformChannels(Line line, const float *const *pixels, int64_t c, int64_t n,
                                                             float *to, int64_t step) {
  Vec from[Size * Size], result[Out * Out];
  for (int i = 0; i < Size * Size; i++) from[i] = load(pixels[i] + c, n);
  transform<Size, Out>(line, from, result);
  for (int i = 0; i < Out * Out; i++) store(to + i * step + c, result[i]);
}

// Line transforms the channels of Size² pixels, to [Out²][channels] that are `step` apart.
template <int Size, int Out, class Line>
void transformPixels(Line line, const float *const *pixels, int64_t channels, float *to, int64_t step) {
  int64_t c = 0;
  for (; c + LANES <= channels; c += LANES) transformChannels<Size, Out>(line, pixels, c, LANES, to, step);
  if (c < channels) transformChannels<Size, Out>(line, pixels, c, channels - c, to, step);
}

// Rows of a transformed block lie so far apart: at a power of two they would share a set of the cache.
int64_t strideOf(int64_t channels) { return padded(channels) + LANES; }
// Columns of whole panels.
int64_t panelsOf(int64_t channels) { return (channels + PANEL - 1) / PANEL; }

// Bytes of what a block of tiles is transformed to.
constexpr int64_t BLOCK_BYTES = 1 << 18;

// How many tiles are worked on at a time: few enough for the cache, and all threads busy.
int64_t blockOf(int64_t tiles, int64_t channels) {
  const int64_t fits = BLOCK_BYTES / (POINTS * sizeof(float) * channels) / ROWS * ROWS;
  const int64_t block = std::clamp<int64_t>(fits, 2 * ROWS, 16 * ROWS);
  return std::max<int64_t>(1, std::min(block, (tiles + threads() - 1) / threads()));
}

// A filter as it is, or as the gradient for the input sees it: turned by half a turn, its channels exchanged.
struct Filter {
  const float *w;
  int64_t channels, outChannels;
  bool isTurned;

  // Nine vectors of w[tap][c][o … o + LANES].
  void load(int64_t c, int64_t o, Vec *to) const {
    const int64_t n = outChannels - o;
    for (int tap = 0; tap < 9; tap++) {
      if (!isTurned) {
        to[tap] = diffusion::load(w + (tap * channels + c) * outChannels + o, n);
      } else {
        Vec v = {};
        for (int64_t lane = 0; lane < std::min(LANES, n); lane++) {
          v[lane] = w[((8 - tap) * outChannels + o + lane) * channels + c];
        }
        to[tap] = v;
      }
    }
  }
};

// U [36][panel][channels][PANEL].
void transformFilter(const Filter &filter, float *u) {
  const int64_t panels = panelsOf(filter.outChannels), step = panels * filter.channels * PANEL;
  parallelParts(filter.channels, 1 + 2048 / filter.outChannels, [&](int64_t begin, int64_t end) {
    for (int64_t panel = 0; panel < panels; panel++) {
      for (int64_t c = begin; c < end; c++) {
        float *const to = u + (panel * filter.channels + c) * PANEL;
        // The second vector of a narrow panel is never read.
        for (int64_t lane = 0; lane < std::min(PANEL, filter.outChannels - panel * PANEL); lane += LANES) {
          Vec taps[9], points[POINTS];
          filter.load(c, panel * PANEL + lane, taps);
          transform<3, PATCH>(filterLine, taps, points);
          for (int i = 0; i < POINTS; i++) store(to + i * step + lane, points[i]);
        }
      }
    }
  });
}

// Writes the first height × width pixels and n channels of a tile of outputs. The result is zero where all sums are finite.
__attribute__((always_inline)) inline Vec putTile(const Convolution &c, const float *from, int64_t step, int64_t height,
                                                  int64_t width, int64_t n, Addends addends, float *y) {
  Vec points[POINTS], sums[TILE * TILE], check = {};
  for (int i = 0; i < POINTS; i++) points[i] = load(from + i * step);
  transform<PATCH, TILE>(outputLine, points, sums);
  const Vec bias = addends.bias ? load(addends.bias, n) : Vec{};
  for (int64_t i = 0; i < height; i++) {
    for (int64_t j = 0; j < width; j++) {
      const int64_t at = (i * c.outWidth + j) * c.outChannels;
      Vec sum = sums[i * TILE + j] + bias;
      check += sum * 0.0f;
      if (addends.residual) sum += load(addends.residual + at, n);
      store(y + at, sum, n);
    }
  }
  return check;
}

// x, of `c`, convolved with the filter transformed to u.
bool convolve(const Convolution &c, const float *x, const float *u, Addends addends, float *y) {
  const Tiles tiles(c.batch, c.outHeight, c.outWidth);
  const std::vector<float> zeros(std::max(c.channels, c.outChannels));
  const Images images = {x, c.height, c.width, c.channels, zeros.data()};
  const int64_t panels = panelsOf(c.outChannels), block = blockOf(tiles.count, c.channels + c.outChannels);
  const int64_t patchRow = strideOf(c.channels), patchStep = block * patchRow;
  const int64_t productRow = panels * PANEL + LANES, productStep = block * productRow;
  std::atomic<bool> isFinite{true};
  parallelParts(tiles.count, block, [&](int64_t begin, int64_t end) {
    static thread_local Scratch scratch;
    float *const patches = scratch.of(POINTS * (patchStep + productStep)), *const products = patches + POINTS * patchStep;
    for (int64_t tile = begin; tile < end; tile++) {
      const float *pixels[POINTS];
      images.pixels<PATCH>(tiles.image(tile), tiles.top(tile) - c.top, tiles.left(tile) - c.left, pixels);
      transformPixels<PATCH, PATCH>(inputLine, pixels, c.channels, patches + (tile - begin) * patchRow, patchStep);
    }
    for (int64_t point = 0; point < POINTS; point++) {
      for (int64_t panel = 0; panel < panels; panel++) {
        const Product product = {patches + point * patchStep, patchRow, 1,
                                 u + (point * panels + panel) * c.channels * PANEL, PANEL, c.channels,
                                 products + point * productStep + panel * PANEL, productRow};
        multiplyPanel<false>(product, end - begin, c.outChannels - panel * PANEL <= LANES);
      }
    }
    Vec check = {};
    for (int64_t tile = begin; tile < end; tile++) {
      const int64_t top = tiles.top(tile), left = tiles.left(tile);
      const int64_t height = std::min<int64_t>(TILE, c.outHeight - top), width = std::min<int64_t>(TILE, c.outWidth - left);
      const int64_t first = ((tiles.image(tile) * c.outHeight + top) * c.outWidth + left) * c.outChannels;
      const float *const from = products + (tile - begin) * productRow;
      // The common case with its sizes said, so that it has no branch for another.
      int64_t o = 0;
      if (height == TILE && width == TILE) {
        for (; o + LANES <= c.outChannels; o += LANES) {
          check += putTile(c, from + o, productStep, TILE, TILE, LANES, addends.at(first, o), y + first + o);
        }
      }
      for (; o < c.outChannels; o += LANES) {
        check += putTile(c, from + o, productStep, height, width, c.outChannels - o, addends.at(first, o), y + first + o);
      }
    }
    if (!std::isfinite(sum(check))) isFinite = false;
  });
  return isFinite;
}

}  // namespace

bool winograd(const Convolution &c, const float *x, const float *w, Addends addends, float *y) {
  static thread_local Scratch scratch;
  float *const u = scratch.of(POINTS * panelsOf(c.outChannels) * PANEL * c.channels);
  transformFilter({w, c.channels, c.outChannels, false}, u);
  return convolve(c, x, u, addends, y);
}

bool winogradInputGradient(const Convolution &c, const float *dy, const float *w, float *dx) {
  static thread_local Scratch scratch;
  const Convolution back = {c.batch,    c.outHeight, c.outWidth, c.outChannels, c.height,  c.width,
                            c.channels, 3,           3,          1,             2 - c.top, 2 - c.left};
  float *const u = scratch.of(POINTS * panelsOf(c.channels) * PANEL * c.outChannels);
  transformFilter({w, c.outChannels, c.channels, true}, u);
  return convolve(back, dy, u, {}, dx);
}

// By the transposed algorithm: dU is the sum over all tiles of the products of what x and dy are transformed to.
bool winogradFilterGradient(const Convolution &c, const float *x, const float *dy, float *dw) {
  static thread_local Scratch sums;
  const Tiles tiles(c.batch, c.outHeight, c.outWidth);
  const std::vector<float> zeros(std::max(c.channels, c.outChannels));
  const Images images = {x, c.height, c.width, c.channels, zeros.data()};
  const Images gradients = {dy, c.outHeight, c.outWidth, c.outChannels, zeros.data()};
  const int64_t panels = panelsOf(c.outChannels), block = blockOf(tiles.count, c.channels + c.outChannels);
  const int64_t patchRow = strideOf(c.channels), patchStep = block * patchRow;
  const int64_t gradientRow = panels * PANEL + LANES, gradientStep = block * gradientRow;
  const int64_t sumRow = panels * PANEL, sumStep = c.channels * sumRow, size = POINTS * sumStep;
  // A sum for every part of the tiles, whichever thread takes it.
  const int64_t parts = std::min<int64_t>(threads(), (tiles.count + block - 1) / block);
  float *const du = sums.of(parts * size);
  parallelFor(parts, [&](int64_t part) {
    static thread_local Scratch scratch;
    float *const patches = scratch.of(POINTS * (patchStep + gradientStep)), *const changes = patches + POINTS * patchStep;
    const int64_t last = tiles.count * (part + 1) / parts;
    for (int64_t begin = tiles.count * part / parts, first = begin; begin < last; begin += block) {
      const int64_t end = std::min(last, begin + block);
      for (int64_t tile = begin; tile < end; tile++) {
        const int64_t image = tiles.image(tile), top = tiles.top(tile), left = tiles.left(tile), row = tile - begin;
        const float *pixels[POINTS];
        images.pixels<PATCH>(image, top - c.top, left - c.left, pixels);
        transformPixels<PATCH, PATCH>(inputLine, pixels, c.channels, patches + row * patchRow, patchStep);
        gradients.pixels<TILE>(image, top, left, pixels);
        transformPixels<TILE, PATCH>(outputGradientLine, pixels, c.outChannels, changes + row * gradientRow, gradientStep);
      }
      for (int64_t point = 0; point < POINTS; point++) {
        for (int64_t panel = 0; panel < panels; panel++) {
          const Product product = {patches + point * patchStep, 1, patchRow,
                                   changes + point * gradientStep + panel * PANEL, gradientRow, end - begin,
                                   du + part * size + point * sumStep + panel * PANEL, sumRow};
          const bool isNarrow = c.outChannels - panel * PANEL <= LANES;
          if (begin == first) multiplyPanel<false>(product, c.channels, isNarrow);
          else multiplyPanel<true>(product, c.channels, isNarrow);
        }
      }
    }
  });
  std::atomic<bool> isFinite{true};
  parallelParts(c.channels, 1 + 2048 / c.outChannels, [&](int64_t begin, int64_t end) {
    Vec check = {};
    for (int64_t channel = begin; channel < end; channel++) {
      for (int64_t o = 0; o < c.outChannels; o += LANES) {
        Vec points[POINTS], taps[9];
        for (int i = 0; i < POINTS; i++) {
          const float *const from = du + i * sumStep + channel * sumRow + o;
          points[i] = load(from);
          for (int64_t part = 1; part < parts; part++) points[i] += load(from + part * size);
        }
        transform<PATCH, 3>(filterGradientLine, points, taps);
        for (int tap = 0; tap < 9; tap++) {
          check += taps[tap] * 0.0f;
          store(dw + (tap * c.channels + channel) * c.outChannels + o, taps[tap], c.outChannels - o);
        }
      }
    }
    if (!std::isfinite(sum(check))) isFinite = false;
  });
  return isFinite;
}

}  // namespace diffusion
