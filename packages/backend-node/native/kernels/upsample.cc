#include <cstring>

#include "op.h"
#include "parallel.h"
#include "vector.h"

namespace diffusion {
namespace {

// Every pixel of x [N, H, W, C] becomes factor × factor pixels.
struct Upsample {
  static void define(Definition &d) {
    d = {"DiffusionUpsampleNearest", {"x: float"}, {"y: float"}, {"factor: int"}};
  }
  explicit Upsample(const Construction &c) : factor(c.integer("factor")) {}
  void compute(Context &context) {
    const Tensor x = context.input(0);
    const int64_t height = x.shape()[1], width = x.shape()[2], channels = x.channels();
    const Tensor y = context.output(0, {x.shape()[0], height * factor, width * factor, channels});
    const int64_t row = width * factor * channels;
    parallelParts(x.shape()[0] * height, 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        float *const first = y.data() + i * factor * row;
        float *to = first;
        for (int64_t j = 0; j < width; j++) {
          for (int64_t copy = 0; copy < factor; copy++, to += channels) {
            std::memcpy(to, x.data() + (i * width + j) * channels, channels * sizeof(float));
          }
        }
        for (int64_t copy = 1; copy < factor; copy++) std::memcpy(first + copy * row, first, row * sizeof(float));
      }
    });
  }
  int64_t factor;
};

// The sums of dy over blocks of factor × factor pixels.
struct UpsampleGrad {
  static void define(Definition &d) {
    d = {"DiffusionUpsampleNearestGrad", {"dy: float"}, {"dx: float"}, {"factor: int"}};
  }
  explicit UpsampleGrad(const Construction &c) : factor(c.integer("factor")) {}
  void compute(Context &context) {
    const Tensor dy = context.input(0);
    const int64_t height = dy.shape()[1] / factor, width = dy.shape()[2] / factor, channels = dy.channels();
    const Tensor dx = context.output(0, {dy.shape()[0], height, width, channels});
    parallelParts(dy.shape()[0] * height, 8, [&](int64_t begin, int64_t end) {
      for (int64_t pixel = begin * width; pixel < end * width; pixel++) {
        const int64_t i = pixel / width, j = pixel % width;
        for (int64_t c = 0; c < channels; c += LANES) {
          Vec total = {};
          for (int64_t a = 0; a < factor; a++) {
            for (int64_t b = 0; b < factor; b++) {
              const int64_t from = (i * factor + a) * width * factor + j * factor + b;
              total += load(dy.data() + from * channels + c, channels - c);
            }
          }
          store(dx.data() + pixel * channels + c, total, channels - c);
        }
      }
    });
  }
  int64_t factor;
};

const Registered<Upsample> upsample;
const Registered<UpsampleGrad> upsampleGrad;

}  // namespace
}  // namespace diffusion
