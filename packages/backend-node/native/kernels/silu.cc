#include "op.h"
#include "parallel.h"
#include "vector.h"

namespace diffusion {
namespace {

constexpr int64_t GRAIN = 1 << 14;

// y = x σ(x).
struct Silu {
  static void define(Definition &d) { d = {"DiffusionSilu", {"x: float"}, {"y: float"}, {}}; }
  explicit Silu(const Construction &) {}
  void compute(Context &context) {
    const Tensor x = context.input(0);
    const Tensor y = context.output(0, x.shape());
    parallelParts(x.size(), GRAIN, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += LANES) {
        const Vec v = load(x.data() + i, end - i);
        store(y.data() + i, v * sigmoid(v), end - i);
      }
    });
  }
};

struct SiluGrad {
  static void define(Definition &d) { d = {"DiffusionSiluGrad", {"dy: float", "x: float"}, {"dx: float"}, {}}; }
  explicit SiluGrad(const Construction &) {}
  void compute(Context &context) {
    const Tensor dy = context.input(0), x = context.input(1);
    const Tensor dx = context.output(0, x.shape());
    parallelParts(x.size(), GRAIN, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += LANES) {
        const Vec v = load(x.data() + i, end - i);
        store(dx.data() + i, load(dy.data() + i, end - i) * siluSlope(v, sigmoid(v)), end - i);
      }
    });
  }
};

const Registered<Silu> silu;
const Registered<SiluGrad> siluGrad;

}  // namespace
}  // namespace diffusion
