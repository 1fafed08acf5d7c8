// As many floats at once as a register of the processor holds, in the vector types of GCC and Clang: what does not fit
// one would live in memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

namespace diffusion {

#if defined(__AVX512F__)
constexpr int64_t LANES = 16;
#elif defined(__AVX__)
constexpr int64_t LANES = 8;
#else
constexpr int64_t LANES = 4;
#endif
typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t VecInt __attribute__((vector_size(4 * LANES)));

inline Vec load(const float *from) {
  Vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
inline void store(float *to, Vec v) { std::memcpy(to, &v, sizeof v); }

// The first n lanes; the others are zero.
inline Vec load(const float *from, int64_t n) {
  if (n >= LANES) return load(from);
  Vec v = {};
  std::memcpy(&v, from, n * sizeof(float));
  return v;
}
inline void store(float *to, Vec v, int64_t n) {
  if (n >= LANES) {
    store(to, v);
  } else {
    std::memcpy(to, &v, n * sizeof(float));
  }
}

// x − 0 is x for every x, so that nothing is left of it; x + 0 is not, where x is −0.
inline Vec all(float x) { return x - Vec{}; }
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }

inline float sum(Vec v) {
  float total = 0;
  for (int i = 0; i < LANES; i++) total += v[i];
  return total;
}

// The smallest multiple of LANES that holds n.
inline int64_t padded(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

// eˣ within 2e-7 relative, 0 below e⁻⁸⁶, infinity above e⁸⁸; NaN stays NaN. eˣ = 2ⁿ eʳ with |r| ≤ ln 2 / 2; the
// polynomial for eʳ is that of Cephes.
inline Vec exp(Vec x) {
  const float low = -86.5f, high = 88.7f, shifter = 12582912.0f;
  Vec in = x < low ? all(low) : x;
  in = in > high ? all(high) : in;
  // Adding 1.5 · 2²³ leaves the nearest whole number in the low bits.
  const Vec shifted = in * 1.44269504f + shifter;
  const Vec n = shifted - shifter;
  const Vec r = in - n * 0.693359375f + n * 2.12194440e-4f;
  Vec p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  Vec y = reinterpret_cast<Vec>(reinterpret_cast<VecInt>(p) + (reinterpret_cast<VecInt>(shifted) << 23));
  y = x < low ? all(0.0f) : y;
  y = x > high ? all(std::numeric_limits<float>::infinity()) : y;
  return x != x ? x : y;
}

inline Vec sigmoid(Vec x) { return 1.0f / (1.0f + exp(-x)); }

// The derivative of x σ(x), given σ(x).
inline Vec siluSlope(Vec x, Vec sigmoid) { return sigmoid * (1.0f + x * (1.0f - sigmoid)); }

}  // namespace diffusion
