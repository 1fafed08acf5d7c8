#include "convolution.h"
#include "op.h"

namespace diffusion {
namespace {

// y […, out] = x […, in] weight [in, out] + bias [out], which may be missing: a convolution of images of one pixel.
struct Linear {
  static void define(Definition &d) {
    d = {"DiffusionLinear", {"x: float", "weight: float", "bias: B * float"}, {"y: float"}, {"B: int >= 0"}};
  }
  explicit Linear(const Construction &c) : biases(c.integer("B")) {}
  void compute(Context &context) {
    const Tensor x = context.input(0), weight = context.input(1);
    const std::unique_ptr<Tensor> bias(biases ? new Tensor(context.input(2)) : nullptr);
    Shape shape = x.shape();
    shape.back() = weight.channels();
    const Tensor y = context.output(0, shape);
    const Convolution c = {x.size() / x.channels(), 1, 1, x.channels(), 1, 1, weight.channels(), 1, 1, 1, 0, 0};
    direct(c, x.data(), weight.data(), {bias ? bias->data() : nullptr, nullptr}, y.data());
  }
  int biases;
};

const Registered<Linear> linear;

}  // namespace
}  // namespace diffusion
