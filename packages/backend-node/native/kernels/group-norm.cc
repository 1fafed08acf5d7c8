// Group normalisation of x [N, positions, C], its activation and its gradient, each in two passes over an example:
// the second one finds the example in the cache.
#include <cmath>

#include "op.h"
#include "parallel.h"
#include "vector.h"

namespace diffusion {
namespace {

// Rows whose sums are taken in float32 before they go on in float64.
constexpr int64_t BLOCK = 32;

struct Dimensions {
  Dimensions(const Tensor &x, const Tensor &scale, int64_t groups)
      : batch(x.shape()[0]),
        channels(x.channels()),
        rows(x.size() / (batch * channels)),
        width(padded(channels)),
        groups(groups),
        perGroup(channels / groups),
        slabRows(std::max(BLOCK, (1 << 16) / channels / BLOCK * BLOCK)),
        slabs((rows + slabRows - 1) / slabRows),
        stride(scale.shape().size() == 2 ? channels : 0) {}
  int64_t batch, channels, rows, width, groups, perGroup, slabRows, slabs;
  // From the scale and offset of one example to those of the next; 0 if they share them.
  int64_t stride;
  int64_t begin(int64_t slab) const { return slab * slabRows; }
  int64_t end(int64_t slab) const { return std::min(rows, (slab + 1) * slabRows); }
};

// Runs first(example, slab) for all slabs of an example, then between(example), then second(example, slab): example by
// example where there are enough of them for all threads, otherwise slab by slab.
template <class First, class Between, class Second>
void twoPasses(const Dimensions &d, First first, Between between, Second second) {
  if (d.slabs == 1 || d.batch >= threads()) {
    // Small examples are joined to parts worth handing over.
    const int64_t grain = 1 + (1 << 13) / (d.rows * d.channels);
    parallelParts(d.batch, grain, [&](int64_t begin, int64_t end) {
      for (int64_t example = begin; example < end; example++) {
        for (int64_t slab = 0; slab < d.slabs; slab++) first(example, slab);
        between(example);
        for (int64_t slab = 0; slab < d.slabs; slab++) second(example, slab);
      }
    });
    return;
  }
  for (int64_t example = 0; example < d.batch; example++) {
    parallelFor(d.slabs, [&](int64_t slab) { first(example, slab); });
    between(example);
    parallelFor(d.slabs, [&](int64_t slab) { second(example, slab); });
  }
}

// The count, mean and sum of squared differences from the mean of some numbers; merging is that of Chan et al. 1979.
struct Moments {
  double count = 0, mean = 0, squares = 0;
  void merge(double n, double otherMean, double otherSquares) {
    const double total = count + n, difference = otherMean - mean;
    mean += difference * n / total;
    squares += otherSquares + difference * difference * count * n / total;
    count = total;
  }
};

struct GroupNorm {
  static void define(Definition &d) {
    d = {"DiffusionGroupNorm",
         {"x: float", "scale: float", "offset: float"},
         {"y: float", "mean: float", "inverse_deviation: float"},
         {"groups: int", "epsilon: float", "silu: int"}};
  }
  explicit GroupNorm(const Construction &c)
      : groups(c.integer("groups")), epsilon(c.number("epsilon")), silu(c.integer("silu") != 0) {}

  void compute(Context &context) {
    const Tensor x = context.input(0), scale = context.input(1), offset = context.input(2);
    const Dimensions d(x, scale, groups);
    const Tensor y = context.output(0, x.shape());
    const Tensor mean = context.output(1, {d.batch, groups}), inverse = context.output(2, {d.batch, groups});
    std::vector<Moments> moments(d.batch * d.slabs * groups);
    // Per channel of an example: what is subtracted, multiplied and added.
    std::vector<float> affine(3 * d.batch * d.width);

    const auto measure = [&](int64_t example, int64_t slab) {
      Moments *const of = &moments[(example * d.slabs + slab) * groups];
      for (int64_t begin = d.begin(slab); begin < d.end(slab); begin += BLOCK) {
        const int64_t count = std::min(BLOCK, d.end(slab) - begin);
        for (int64_t c = 0; c < d.channels; c += LANES) {
          const int64_t n = d.channels - c;
          const float *const from = x.data() + (example * d.rows + begin) * d.channels + c;
          Vec sums = {}, squares = {};
          for (int64_t row = 0; row < count; row++) sums += load(from + row * d.channels, n);
          const Vec means = sums / static_cast<float>(count);
          Vec rest = {};
          for (int64_t row = 0; row < count; row++) {
            const Vec difference = load(from + row * d.channels, n) - means;
            rest += difference;
            squares += difference * difference;
          }
          // The rounding of the mean is taken back: large means do not cancel.
          for (int64_t lane = 0; lane < std::min(LANES, n); lane++) {
            const double correction = static_cast<double>(rest[lane]) / count;
            of[(c + lane) / d.perGroup].merge(count, means[lane] + correction,
                                              squares[lane] - correction * rest[lane]);
          }
        }
      }
    };
    const auto prepare = [&](int64_t example) {
      float *const centre = &affine[3 * example * d.width], *const factor = centre + d.width,
                   *const shift = factor + d.width;
      for (int64_t group = 0; group < groups; group++) {
        Moments all;
        for (int64_t slab = 0; slab < d.slabs; slab++) {
          const Moments &part = moments[(example * d.slabs + slab) * groups + group];
          all.merge(part.count, part.mean, part.squares);
        }
        const double inverseDeviation = 1 / std::sqrt(all.squares / all.count + epsilon);
        const float rounded = static_cast<float>(all.mean);
        mean.data()[example * groups + group] = rounded;
        inverse.data()[example * groups + group] = static_cast<float>(inverseDeviation);
        for (int64_t c = group * d.perGroup; c < (group + 1) * d.perGroup; c++) {
          centre[c] = rounded;
          factor[c] = static_cast<float>(inverseDeviation * scale.data()[example * d.stride + c]);
          shift[c] = static_cast<float>(offset.data()[example * d.stride + c] - (all.mean - rounded) * factor[c]);
        }
      }
    };
    const auto apply = [&](int64_t example, int64_t slab) {
      const float *const centre = &affine[3 * example * d.width], *const factor = centre + d.width,
                         *const shift = factor + d.width;
      for (int64_t row = d.begin(slab); row < d.end(slab); row++) {
        const int64_t at = (example * d.rows + row) * d.channels;
        for (int64_t c = 0; c < d.channels; c += LANES) {
          const int64_t n = d.channels - c;
          const Vec a = (load(x.data() + at + c, n) - load(centre + c)) * load(factor + c) + load(shift + c);
          store(y.data() + at + c, silu ? a * sigmoid(a) : a, n);
        }
      }
    };
    twoPasses(d, measure, prepare, apply);
  }
  int64_t groups;
  float epsilon;
  bool silu;
};

struct GroupNormGrad {
  static void define(Definition &d) {
    d = {"DiffusionGroupNormGrad",
         {"dy: float", "x: float", "scale: float", "offset: float", "mean: float", "inverse_deviation: float"},
         {"dx: float", "dscale: float", "doffset: float"},
         {"groups: int", "silu: int"}};
  }
  explicit GroupNormGrad(const Construction &c) : groups(c.integer("groups")), silu(c.integer("silu") != 0) {}

  void compute(Context &context) {
    const Tensor dy = context.input(0), x = context.input(1), scale = context.input(2), offset = context.input(3),
                 mean = context.input(4), inverse = context.input(5);
    const Dimensions d(x, scale, groups);
    const Tensor dx = context.output(0, x.shape());
    const Tensor dscale = context.output(1, scale.shape()), doffset = context.output(2, scale.shape());
    // Per channel of an example: mean, factor and offset of the forward pass, slope and constant of the gradient.
    std::vector<float> affine(5 * d.batch * d.width);
    // Σ dAffine and Σ dAffine (x − mean), per channel of a slab.
    std::vector<double> sums(2 * d.batch * d.slabs * d.width);

    for (int64_t example = 0; example < d.batch; example++) {
      float *const centre = &affine[5 * example * d.width];
      for (int64_t c = 0; c < d.channels; c++) {
        const int64_t group = example * groups + c / d.perGroup;
        centre[c] = mean.data()[group];
        centre[d.width + c] = inverse.data()[group] * scale.data()[example * d.stride + c];
        centre[2 * d.width + c] = offset.data()[example * d.stride + c];
      }
    }
    // dAffine waits in dx for the second pass.
    const auto gather = [&](int64_t example, int64_t slab) {
      const float *const centre = &affine[5 * example * d.width], *const factor = centre + d.width,
                         *const shift = factor + d.width;
      double *const sum = &sums[2 * (example * d.slabs + slab) * d.width], *const product = sum + d.width;
      for (int64_t begin = d.begin(slab); begin < d.end(slab); begin += BLOCK) {
        const int64_t count = std::min(BLOCK, d.end(slab) - begin);
        for (int64_t c = 0; c < d.channels; c += LANES) {
          const int64_t n = d.channels - c;
          const int64_t first = (example * d.rows + begin) * d.channels + c;
          const Vec middle = load(centre + c), slope = load(factor + c), constant = load(shift + c);
          Vec blockSum = {}, blockProduct = {};
          for (int64_t row = 0; row < count; row++) {
            const int64_t at = first + row * d.channels;
            const Vec centred = load(x.data() + at, n) - middle;
            Vec dAffine = load(dy.data() + at, n);
            if (silu) {
              const Vec a = centred * slope + constant;
              dAffine *= siluSlope(a, sigmoid(a));
              store(dx.data() + at, dAffine, n);
            }
            blockSum += dAffine;
            blockProduct += dAffine * centred;
          }
          for (int64_t lane = 0; lane < std::min(LANES, n); lane++) {
            sum[c + lane] += blockSum[lane];
            product[c + lane] += blockProduct[lane];
          }
        }
      }
    };
    // With n = (x − mean) / deviation: dx = (scale dAffine − mean(scale dAffine) − n mean(n scale dAffine)) / deviation.
    const auto prepare = [&](int64_t example) {
      double *const sum = &sums[2 * example * d.slabs * d.width], *const product = sum + d.width;
      for (int64_t slab = 1; slab < d.slabs; slab++) {
        for (int64_t i = 0; i < 2 * d.width; i++) sum[i] += sum[2 * slab * d.width + i];
      }
      float *const slope = &affine[(5 * example + 3) * d.width], *const constant = slope + d.width;
      for (int64_t group = 0; group < groups; group++) {
        const double inverseDeviation = inverse.data()[example * groups + group];
        double meanSum = 0, meanProduct = 0;
        for (int64_t c = group * d.perGroup; c < (group + 1) * d.perGroup; c++) {
          product[c] *= inverseDeviation;
          meanSum += scale.data()[example * d.stride + c] * sum[c];
          meanProduct += scale.data()[example * d.stride + c] * product[c];
        }
        const double count = static_cast<double>(d.rows) * d.perGroup;
        for (int64_t c = group * d.perGroup; c < (group + 1) * d.perGroup; c++) {
          slope[c] = static_cast<float>(-inverseDeviation * inverseDeviation * meanProduct / count);
          constant[c] = static_cast<float>(-inverseDeviation * meanSum / count);
        }
      }
    };
    const auto apply = [&](int64_t example, int64_t slab) {
      const float *const centre = &affine[5 * example * d.width], *const factor = centre + d.width,
                         *const slope = centre + 3 * d.width, *const constant = slope + d.width;
      const float *const from = silu ? dx.data() : dy.data();
      for (int64_t row = d.begin(slab); row < d.end(slab); row++) {
        const int64_t at = (example * d.rows + row) * d.channels;
        for (int64_t c = 0; c < d.channels; c += LANES) {
          const int64_t n = d.channels - c;
          const Vec centred = load(x.data() + at + c, n) - load(centre + c);
          const Vec rest = centred * load(slope + c) + load(constant + c);
          store(dx.data() + at + c, load(from + at + c, n) * load(factor + c) + rest, n);
        }
      }
    };
    twoPasses(d, gather, prepare, apply);

    std::vector<double> totals(2 * d.channels);
    for (int64_t example = 0; example < d.batch; example++) {
      const double *const sum = &sums[2 * example * d.slabs * d.width], *const product = sum + d.width;
      for (int64_t c = 0; c < d.channels; c++) {
        // A row per example where each has a scale of its own, otherwise their sum in the end.
        const double offsets = d.stride ? sum[c] : totals[c] += sum[c];
        const double scales = d.stride ? product[c] : totals[d.channels + c] += product[c];
        doffset.data()[example * d.stride + c] = static_cast<float>(offsets);
        dscale.data()[example * d.stride + c] = static_cast<float>(scales);
      }
    }
  }
  int64_t groups;
  bool silu;
};

const Registered<GroupNorm> groupNorm;
const Registered<GroupNormGrad> groupNormGrad;

}  // namespace
}  // namespace diffusion
