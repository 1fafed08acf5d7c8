#include "convolution.h"

#include <algorithm>

#include "op.h"

namespace diffusion {
namespace {

// Below so many tiles the transformation of the filter costs more than it saves, and so it does of the input with fewer
// channels.
constexpr int64_t FEW_TILES = 32, FEW_CHANNELS = 4;

bool isWinograd(const Convolution &c) {
  return c.filterHeight == 3 && c.filterWidth == 3 && c.stride == 1 &&
         c.batch * ((c.outHeight + 3) / 4) * ((c.outWidth + 3) / 4) >= FEW_TILES &&
         std::min(c.channels, c.outChannels) >= FEW_CHANNELS;
}

// The stride, and the rows and columns of zeros at each side.
struct Geometry {
  static std::vector<std::string> attributes() {
    return {"stride: int", "top: int", "bottom: int", "left: int", "right: int"};
  }
  explicit Geometry(const Construction &c)
      : stride(c.integer("stride")),
        top(c.integer("top")),
        bottom(c.integer("bottom")),
        left(c.integer("left")),
        right(c.integer("right")) {}

  Convolution of(const Shape &x, const Shape &filter) const {
    return {x[0],      x[1],      x[2],   x[3], (x[1] + top + bottom - filter[0]) / stride + 1,
            (x[2] + left + right - filter[1]) / stride + 1,
            filter[3], filter[0], filter[1], stride, top, left};
  }
  int64_t stride, top, bottom, left, right;
};

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string> &b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// y = x ∗ weight + bias + residual, of which the last two may be missing.
struct Conv2D {
  static void define(Definition &d) {
    d = {"DiffusionConv2D",
         {"x: float", "weight: float", "bias: B * float", "residual: R * float"},
         {"y: float"},
         Geometry::attributes() + std::vector<std::string>{"B: int >= 0", "R: int >= 0"}};
  }
  explicit Conv2D(const Construction &c) : geometry(c), biases(c.integer("B")), residuals(c.integer("R")) {}
  void compute(Context &context) {
    std::vector<Tensor> in;
    for (int i = 0; i < context.inputs(); i++) in.push_back(context.input(i));
    const float *const x = in[0].data(), *const w = in[1].data();
    const Convolution c = geometry.of(in[0].shape(), in[1].shape());
    const Addends addends = {biases ? in[2].data() : nullptr, residuals ? in.back().data() : nullptr};
    const Tensor y = context.output(0, {c.batch, c.outHeight, c.outWidth, c.outChannels});
    if (isWinograd(c) && winograd(c, x, w, addends, y.data())) return;
    direct(c, x, w, addends, y.data());
  }
  Geometry geometry;
  int biases, residuals;
};

// For stride 1. `height` and `width` are those of x.
struct Conv2DBackpropInput {
  static void define(Definition &d) {
    d = {"DiffusionConv2DBackpropInput",
         {"dy: float", "weight: float"},
         {"dx: float"},
         Geometry::attributes() + std::vector<std::string>{"height: int", "width: int"}};
  }
  explicit Conv2DBackpropInput(const Construction &c)
      : geometry(c), height(c.integer("height")), width(c.integer("width")) {}
  void compute(Context &context) {
    const Tensor dy = context.input(0), weight = context.input(1);
    const Convolution c = geometry.of({dy.shape()[0], height, width, weight.shape()[2]}, weight.shape());
    const Tensor dx = context.output(0, {c.batch, c.height, c.width, c.channels});
    if (isWinograd(c) && winogradInputGradient(c, dy.data(), weight.data(), dx.data())) return;
    directInputGradient(c, dy.data(), weight.data(), dx.data());
  }
  Geometry geometry;
  int64_t height, width;
};

// `filterHeight` and `filterWidth` are those of the weight.
struct Conv2DBackpropFilter {
  static void define(Definition &d) {
    d = {"DiffusionConv2DBackpropFilter",
         {"x: float", "dy: float"},
         {"dweight: float"},
         Geometry::attributes() + std::vector<std::string>{"filter_height: int", "filter_width: int"}};
  }
  explicit Conv2DBackpropFilter(const Construction &c)
      : geometry(c), filterHeight(c.integer("filter_height")), filterWidth(c.integer("filter_width")) {}
  void compute(Context &context) {
    const Tensor x = context.input(0), dy = context.input(1);
    const Shape filter = {filterHeight, filterWidth, x.channels(), dy.channels()};
    const Convolution c = geometry.of(x.shape(), filter);
    const Tensor dweight = context.output(0, filter);
    if (isWinograd(c) && winogradFilterGradient(c, x.data(), dy.data(), dweight.data())) return;
    directFilterGradient(c, x.data(), dy.data(), dweight.data());
  }
  Geometry geometry;
  int64_t filterHeight, filterWidth;
};

const Registered<Conv2D> conv2D;
const Registered<Conv2DBackpropInput> conv2DBackpropInput;
const Registered<Conv2DBackpropFilter> conv2DBackpropFilter;

}  // namespace
}  // namespace diffusion
