#include "op.h"
#include "parallel.h"
#include "vector.h"

namespace diffusion {
namespace {

// Numbers that one thread adds in less time than another takes to wake up.
constexpr int64_t GRAIN = 1 << 16;

// Adds a bias [C] to y […, C] where it lies, and returns nothing: y must be fresh, with no other tensor on its memory.
struct AddBias {
  static void define(Definition &d) { d = {"DiffusionAddBias", {"y: float", "bias: float"}, {}, {}}; }
  explicit AddBias(const Construction &) {}
  void compute(Context &context) {
    const Tensor y = context.input(0), bias = context.input(1);
    const int64_t channels = y.channels(), rows = y.size() / channels;
    parallelParts(rows, 1 + GRAIN / channels, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        float *at = y.data() + row * channels;
        for (int64_t c = 0; c < channels; c += LANES) {
          const int64_t n = channels - c;
          store(at + c, load(at + c, n) + load(bias.data() + c, n), n);
        }
      }
    });
  }
};

// The sum of dy […, C] over all axes but the last: parts of a fixed size in float32, their sums in float64.
struct BiasGrad {
  static void define(Definition &d) { d = {"DiffusionBiasGrad", {"dy: float"}, {"dbias: float"}, {}}; }
  explicit BiasGrad(const Construction &) {}
  void compute(Context &context) {
    const Tensor dy = context.input(0);
    const int64_t channels = dy.channels(), rows = dy.size() / channels;
    const Tensor dbias = context.output(0, {channels});
    const int64_t grain = 64, width = padded(channels), parts = (rows + grain - 1) / grain;
    std::vector<float> sums(parts * width);
    parallelParts(parts, 1 + GRAIN / (grain * channels), [&](int64_t first, int64_t last) {
      for (int64_t part = first; part < last; part++) {
        const int64_t end = std::min(rows, (part + 1) * grain);
        for (int64_t c = 0; c < channels; c += LANES) {
          Vec total = {};
          for (int64_t row = part * grain; row < end; row++) {
            total += load(dy.data() + row * channels + c, channels - c);
          }
          store(&sums[part * width + c], total);
        }
      }
    });
    for (int64_t c = 0; c < channels; c++) {
      double total = 0;
      for (int64_t part = 0; part < parts; part++) total += sums[part * width + c];
      dbias.data()[c] = static_cast<float>(total);
    }
  }
};

const Registered<AddBias> addBias;
const Registered<BiasGrad> biasGrad;

}  // namespace
}  // namespace diffusion
