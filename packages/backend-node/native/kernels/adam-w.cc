#include <cmath>

#include "op.h"
#include "parallel.h"
#include "vector.h"

namespace diffusion {
namespace {

// Parameters in consecutive parts of at most this many elements, whatever their sizes.
constexpr int64_t PART = 1 << 14;

struct Part {
  size_t tensor;
  int64_t begin, end;
};

// The norm of sums of squares: added up in float64, and infinite where float32 does not hold the sum.
float root(const std::vector<double> &squares) {
  double total = 0;
  for (double square : squares) total += square;
  return std::sqrt(static_cast<float>(total));
}

// One step over all parameters in one call. The numbers come as a tensor, since attributes choose a kernel and must
// not change from step to step. See ops/src/adam-w.ts for the formulas.
struct AdamW {
  static void define(Definition &d) {
    d = {"DiffusionAdamW",
         {"numbers: float", "param: N * float", "grad: N * float", "m: N * float", "v: N * float", "ema: E * float"},
         {"norms: float", "new_param: N * float", "new_m: N * float", "new_v: N * float", "new_ema: E * float"},
         {"N: int >= 1", "E: int >= 0"}};
  }
  explicit AdamW(const Construction &c) : count(c.integer("N")), averages(c.integer("E")) {}

  void compute(Context &context) {
    const Tensor numbers = context.input(0);
    const float *const n = numbers.data();
    const float maxGradNorm = n[0], beta1 = n[1], oneMinusBeta1 = n[2], beta2 = n[3], oneMinusBeta2 = n[4],
                keep = n[5], rate = n[6], inverseRoot = n[7], epsilon = n[8], oneMinusDecay = n[9];
    std::vector<Tensor> in, out;
    for (int i = 1; i < context.inputs(); i++) in.push_back(context.input(i));
    const Tensor norms = context.output(0, {2});
    for (size_t i = 0; i < 3 * count + averages; i++) out.push_back(context.output(i + 1, in[i % count].shape()));

    std::vector<Part> parts;
    for (size_t tensor = 0; tensor < count; tensor++) {
      const int64_t size = in[tensor].size();
      for (int64_t begin = 0; begin < size; begin += PART) {
        parts.push_back({tensor, begin, std::min(size, begin + PART)});
      }
    }
    const auto *const param = &in[0], *const grad = &in[count], *const m = &in[2 * count], *const v = &in[3 * count];
    const auto *const ema = in.data() + 4 * count;

    std::vector<double> squares(parts.size());
    parallelFor(parts.size(), [&](int64_t i) {
      const Part part = parts[i];
      Vec total = {};
      for (int64_t at = part.begin; at < part.end; at += LANES) {
        const Vec g = load(grad[part.tensor].data() + at, part.end - at);
        total += g * g;
      }
      squares[i] = sum(total);
    });
    const float gradNorm = norms.data()[0] = root(squares);
    // NaN goes on into the result, as in the composed form.
    const float quotient = maxGradNorm / (gradNorm + 1e-6f);
    const float clip = maxGradNorm < 0 || quotient >= 1 ? 1.0f : quotient;

    parallelFor(parts.size(), [&](int64_t i) {
      const Part part = parts[i];
      const size_t t = part.tensor;
      Vec total = {};
      for (int64_t at = part.begin; at < part.end; at += LANES) {
        const int64_t left = part.end - at;
        const Vec g = load(grad[t].data() + at, left) * clip;
        const Vec newM = load(m[t].data() + at, left) * beta1 + g * oneMinusBeta1;
        const Vec newV = load(v[t].data() + at, left) * beta2 + g * g * oneMinusBeta2;
        Vec root;
        for (int lane = 0; lane < LANES; lane++) root[lane] = std::sqrt(newV[lane]);
        const Vec p = load(param[t].data() + at, left) * keep - newM / (root * inverseRoot + epsilon) * rate;
        store(out[t].data() + at, p, left);
        // Beyond the end of the tensor there is nothing, whatever was computed there.
        const Vec kept = left < LANES ? load(out[t].data() + at, left) : p;
        total += kept * kept;
        store(out[count + t].data() + at, newM, left);
        store(out[2 * count + t].data() + at, newV, left);
        if (averages) {
          const Vec e = load(ema[t].data() + at, left);
          store(out[3 * count + t].data() + at, e + (p - e) * oneMinusDecay, left);
        }
      }
      squares[i] = sum(total);
    });
    norms.data()[1] = root(squares);
  }
  size_t count, averages;
};

const Registered<AdamW> adamW;

}  // namespace
}  // namespace diffusion
