#include "op.h"
#include "parallel.h"
#include "vector.h"

namespace diffusion {
namespace {

// Numbers that one thread adds in less time than another takes to wake up.
constexpr int64_t GRAIN = 1 << 16;

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

const Registered<BiasGrad> biasGrad;

}  // namespace
}  // namespace diffusion
