// The numbers of packages/tensor, bit for bit: its philox.ts and box-muller.ts with the same operations in the same
// order, a lane for each counter. Compiled without contraction: a fused multiply-add rounds differently.
#include <cmath>

#include "op.h"
#include "parallel.h"
#include "vector.h"

namespace diffusion {
namespace {

// Counters that one thread goes through in less time than another takes to wake up.
constexpr int64_t GRAIN = 1 << 10;

// A counter of four words for each lane, and what philox makes of it.
using Words = uint32_t[4][LANES];

// Philox 4×32-10 (Salmon et al. 2011).
inline void philox(Words &words, uint32_t k0, uint32_t k1) {
  for (int lane = 0; lane < LANES; lane++) {
    uint32_t c0 = words[0][lane], c1 = words[1][lane], c2 = words[2][lane], c3 = words[3][lane];
#pragma GCC unroll 10
    for (uint32_t round = 0; round < 10; round++) {
      const uint64_t product0 = uint64_t{0xd2511f53} * c0, product1 = uint64_t{0xcd9e8d57} * c2;
      c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ (k0 + round * 0x9e3779b9);
      c1 = static_cast<uint32_t>(product1);
      c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ (k1 + round * 0xbb67ae85);
      c3 = static_cast<uint32_t>(product0);
    }
    words[0][lane] = c0;
    words[1][lane] = c1;
    words[2][lane] = c2;
    words[3][lane] = c3;
  }
}

// ln((word + 1) / 2³²).
inline double logOfWord(uint32_t word) {
  const double n = static_cast<double>(word) + 1;
  int64_t bits;
  std::memcpy(&bits, &n, sizeof n);
  const int64_t exponentOf1 = int64_t{1023} << 52, mantissaBits = (int64_t{1} << 52) - 1;
  const int64_t bitsOfMantissa = (bits & mantissaBits) | exponentOf1;
  double mantissa;
  std::memcpy(&mantissa, &bitsOfMantissa, sizeof mantissa);
  double exponent = static_cast<int32_t>(bits >> 52) - 1023;
  const bool aboveRoot = mantissa > M_SQRT2;
  mantissa = aboveRoot ? mantissa / 2 : mantissa;
  exponent = aboveRoot ? exponent + 1 : exponent;
  const double s = (mantissa - 1) / (mantissa + 1), q = s * s;
  const double series =
      1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11 + q * (1.0 / 13 + q * (1.0 / 15)))))));
  return (exponent - 32) * M_LN2 + 2 * s * series;
}

inline double sine(double x) {
  const double q = x * x;
  return x * (1 + q * (-1.0 / 6 + q * (1.0 / 120 + q * (-1.0 / 5040 + q * (1.0 / 362880 +
              q * (-1.0 / 39916800 + q * (1.0 / 6227020800)))))));
}

inline double cosine(double x) {
  const double q = x * x;
  return 1 + q * (-1.0 / 2 + q * (1.0 / 24 + q * (-1.0 / 720 + q * (1.0 / 40320 + q * (-1.0 / 3628800 +
             q * (1.0 / 479001600 + q * (-1.0 / 87178291200)))))));
}

// Two normal numbers from two words of each lane (Box and Muller 1958), at every fourth place.
inline void boxMuller(const uint32_t *words1, const uint32_t *words2, float *numbers) {
  for (int lane = 0; lane < LANES; lane++) {
    const double radius = std::sqrt(-2 * logOfWord(words1[lane]));
    const uint32_t quadrant = (words2[lane] + 0x20000000) >> 30;
    const double angle = static_cast<int32_t>(words2[lane] - quadrant * 0x40000000) * (M_PI / 2147483648.0);
    const double c = radius * cosine(angle), s = radius * sine(angle);
    const double x = quadrant & 1 ? s : c, y = quadrant & 1 ? c : s;
    numbers[4 * lane] = static_cast<float>(quadrant == 1 || quadrant == 2 ? -x : x);
    numbers[4 * lane + 1] = static_cast<float>(quadrant >= 2 ? -y : y);
  }
}

struct Normal {
  static constexpr const char *NAME = "DiffusionNormal";
  static void convert(const Words &words, float *numbers) {
    boxMuller(words[0], words[1], numbers);
    boxMuller(words[2], words[3], numbers + 2);
  }
};

// Multiples of 2⁻²⁴ in [0, 1).
struct Uniform {
  static constexpr const char *NAME = "DiffusionUniform";
  static void convert(const Words &words, float *numbers) {
    for (int lane = 0; lane < LANES; lane++) {
      for (int i = 0; i < 4; i++) {
        numbers[4 * lane + i] = static_cast<float>(static_cast<int32_t>(words[i][lane] >> 8)) * 0x1p-24f;
      }
    }
  }
};

// A tensor of numbers, in rows that are streams of their own: row r, four numbers at a time, is what the counters
// (0, r, draw, 0), (1, r, draw, 0) … give under the key. `numbers` are the key, the first row, the draw, how many rows
// there are, and the shape.
template <class Numbers>
struct Draw {
  static void define(Definition &d) { d = {Numbers::NAME, {"numbers: int32"}, {"y: float"}, {}}; }
  explicit Draw(const Construction &) {}
  void compute(Context &context) {
    const Tensor numbers = context.input(0);
    std::vector<int32_t> n(numbers.size());
    std::memcpy(n.data(), numbers.data(), n.size() * sizeof(int32_t));
    const uint32_t k0 = n[0], k1 = n[1], firstRow = n[2], draw = n[3];
    const Tensor y = context.output(0, Shape(n.begin() + 5, n.end()));
    const int64_t rows = n[4], columns = y.size() / rows, counters = (columns + 3) / 4, all = rows * counters;
    parallelParts(all, GRAIN, [&](int64_t begin, int64_t end) {
      int64_t row = begin / counters, counter = begin % counters;
      for (int64_t i = begin; i < end; i += LANES) {
        Words words;
        int64_t at[LANES], count[LANES];
        for (int64_t lane = 0; lane < LANES; lane++) {
          words[0][lane] = counter;
          words[1][lane] = firstRow + row;
          words[2][lane] = draw;
          words[3][lane] = 0;
          at[lane] = row * columns + 4 * counter;
          count[lane] = std::min<int64_t>(4, columns - 4 * counter);
          if (++counter == counters) {
            counter = 0;
            row++;
          }
        }
        philox(words, k0, k1);
        float drawn[4 * LANES];
        Numbers::convert(words, drawn);
        for (int64_t lane = 0; lane < std::min(LANES, end - i); lane++) {
          std::memcpy(y.data() + at[lane], drawn + 4 * lane, count[lane] * sizeof(float));
        }
      }
    });
  }
};

const Registered<Draw<Normal>> normal;
const Registered<Draw<Uniform>> uniform;

}  // namespace
}  // namespace diffusion
