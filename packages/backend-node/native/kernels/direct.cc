// Convolutions as they are written: the patches of x that the filter sees, one a row, times the filter as a matrix.
#include <algorithm>
#include <cstring>
#include <vector>

#include "convolution.h"
#include "parallel.h"
#include "scratch.h"
#include "tile.h"
#include "vector.h"

namespace diffusion {
namespace {

// Floats of patches that are unrolled at a time.
constexpr int64_t BLOCK = 1 << 16;

int64_t depthOf(const Convolution &c) { return c.filterHeight * c.filterWidth * c.channels; }
int64_t pixelsOf(const Convolution &c) { return c.batch * c.outHeight * c.outWidth; }

// Whether x itself is the matrix of patches.
bool isPointwise(const Convolution &c) {
  return c.filterHeight * c.filterWidth * c.stride == 1 && c.outHeight == c.height && c.outWidth == c.width;
}

// Rows at a time: few enough for the cache, and all threads busy.
int64_t blockOf(const Convolution &c) {
  const int64_t share = std::max<int64_t>(1, (pixelsOf(c) + threads() - 1) / threads());
  return std::min(share, std::max<int64_t>(ROWS, BLOCK / depthOf(c) / ROWS * ROWS));
}

// The patches of the outputs from number `begin` to `end`, one a row.
void unroll(const Convolution &c, const float *x, int64_t begin, int64_t end, float *to) {
  for (int64_t pixel = begin; pixel < end; pixel++) {
    const int64_t image = pixel / (c.outHeight * c.outWidth);
    const int64_t top = pixel / c.outWidth % c.outHeight * c.stride - c.top;
    const int64_t left = pixel % c.outWidth * c.stride - c.left;
    // The columns of the patch that lie in the image; they are one piece of its row.
    const int64_t first = std::clamp<int64_t>(-left, 0, c.filterWidth);
    const int64_t last = std::clamp<int64_t>(c.width - left, first, c.filterWidth);
    for (int64_t y = top; y < top + c.filterHeight; y++, to += c.filterWidth * c.channels) {
      if (y < 0 || y >= c.height || first == last) {
        std::fill_n(to, c.filterWidth * c.channels, 0.0f);
        continue;
      }
      std::fill_n(to, first * c.channels, 0.0f);
      const float *const from = x + ((image * c.height + y) * c.width + left + first) * c.channels;
      std::memcpy(to + first * c.channels, from, (last - first) * c.channels * sizeof(float));
      std::fill_n(to + last * c.channels, (c.filterWidth - last) * c.channels, 0.0f);
    }
  }
}

// The columns from `first` on, of which there are n, of rows that are `step` apart, as a panel filled up with zeros.
void pack(const float *from, int64_t rows, int64_t step, int64_t n, float *panel) {
  for (int64_t row = 0; row < rows; row++, from += step, panel += PANEL) {
    store(panel, load(from, std::min(n, LANES)));
    store(panel + LANES, n > LANES ? load(from + LANES, n - LANES) : Vec{});
  }
}

}  // namespace

void direct(const Convolution &c, const float *x, const float *w, Addends addends, float *y) {
  static thread_local Scratch packed;
  const int64_t depth = depthOf(c), panels = (c.outChannels + PANEL - 1) / PANEL, block = blockOf(c);
  float *const panelsOfW = packed.of(panels * depth * PANEL);
  parallelParts(panels, 1 + (1 << 13) / depth, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; panel++) {
      pack(w + panel * PANEL, depth, c.outChannels, c.outChannels - panel * PANEL, panelsOfW + panel * depth * PANEL);
    }
  });
  parallelParts(pixelsOf(c), block, [&](int64_t begin, int64_t end) {
    static thread_local Scratch scratch;
    float *const products = scratch.of(block * (PANEL + (isPointwise(c) ? 0 : depth)));
    const float *patches = x + begin * c.channels;
    if (!isPointwise(c)) {
      unroll(c, x, begin, end, products + block * PANEL);
      patches = products + block * PANEL;
    }
    for (int64_t panel = 0; panel < panels; panel++) {
      const int64_t first = panel * PANEL, count = std::min(PANEL, c.outChannels - first);
      multiplyPanel<false>({patches, depth, 1, panelsOfW + panel * depth * PANEL, PANEL, depth, products, PANEL},
                           end - begin, count <= LANES);
      for (int64_t o = 0; o < count; o += LANES) {
        const int64_t n = count - o;
        const Vec bias = addends.bias ? load(addends.bias + first + o, n) : Vec{};
        for (int64_t row = begin; row < end; row++) {
          const int64_t at = row * c.outChannels + first + o;
          Vec sum = load(products + (row - begin) * PANEL + o) + bias;
          if (addends.residual) sum += load(addends.residual + at, n);
          store(y + at, sum, n);
        }
      }
    }
  });
}

// The convolution of dy with the filter turned by half a turn, its channels exchanged.
void directInputGradient(const Convolution &c, const float *dy, const float *w, float *dx) {
  const int64_t taps = c.filterHeight * c.filterWidth;
  std::vector<float> turned(taps * c.channels * c.outChannels);
  for (int64_t tap = 0; tap < taps; tap++) {
    for (int64_t i = 0; i < c.channels; i++) {
      for (int64_t o = 0; o < c.outChannels; o++) {
        turned[((taps - 1 - tap) * c.outChannels + o) * c.channels + i] = w[(tap * c.channels + i) * c.outChannels + o];
      }
    }
  }
  const Convolution back = {c.batch,        c.outHeight,   c.outWidth, c.outChannels,
                            c.height,       c.width,       c.channels, c.filterHeight,
                            c.filterWidth,  1,             c.filterHeight - 1 - c.top, c.filterWidth - 1 - c.left};
  direct(back, dy, turned.data(), {}, dx);
}

void directFilterGradient(const Convolution &c, const float *x, const float *dy, float *dw) {
  static thread_local Scratch totals;
  const int64_t depth = depthOf(c), block = blockOf(c), pixels = pixelsOf(c);
  const int64_t panels = (c.outChannels + PANEL - 1) / PANEL, row = panels * PANEL, size = depth * row;
  // A sum for every part of the pixels, whichever thread takes it.
  const int64_t parts = std::min<int64_t>(threads(), (pixels + block - 1) / block);
  float *const sums = totals.of(parts * size);
  parallelFor(parts, [&](int64_t part) {
    static thread_local Scratch scratch;
    float *const changes = scratch.of(block * (PANEL + (isPointwise(c) ? 0 : depth)));
    const int64_t first = pixels * part / parts, last = pixels * (part + 1) / parts;
    for (int64_t begin = first; begin < last; begin += block) {
      const int64_t end = std::min(last, begin + block);
      const float *patches = x + begin * c.channels;
      if (!isPointwise(c)) {
        unroll(c, x, begin, end, changes + block * PANEL);
        patches = changes + block * PANEL;
      }
      for (int64_t panel = 0; panel < panels; panel++) {
        const int64_t n = c.outChannels - panel * PANEL;
        pack(dy + begin * c.outChannels + panel * PANEL, end - begin, c.outChannels, n, changes);
        const Product product = {patches, 1, depth, changes, PANEL, end - begin, sums + part * size + panel * PANEL, row};
        if (begin == first) multiplyPanel<false>(product, depth, n <= LANES);
        else multiplyPanel<true>(product, depth, n <= LANES);
      }
    }
  });
  for (int64_t k = 0; k < depth; k++) {
    for (int64_t o = 0; o < c.outChannels; o += LANES) {
      Vec total = load(sums + k * row + o);
      for (int64_t part = 1; part < parts; part++) total += load(sums + part * size + k * row + o);
      store(dw + k * c.outChannels + o, total, c.outChannels - o);
    }
  }
}

}  // namespace diffusion
