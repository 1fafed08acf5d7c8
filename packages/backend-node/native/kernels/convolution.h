#pragma once

#include <cstdint>

namespace diffusion {

// x [batch, height, width, channels] ∗ w [filterHeight, filterWidth, channels, outChannels] gives
// y [batch, outHeight, outWidth, outChannels], x being padded by `top` rows and `left` columns of zeros and by as many
// at the end as it takes.
struct Convolution {
  int64_t batch, height, width, channels;
  int64_t outHeight, outWidth, outChannels;
  int64_t filterHeight, filterWidth, stride, top, left;

  int64_t inputSize() const { return batch * height * width * channels; }
  int64_t outputSize() const { return batch * outHeight * outWidth * outChannels; }
};

// What is added to y: to every pixel, and as it lies. Null for none.
struct Addends {
  const float *bias, *residual;
  // What is added from number `pixel` of y on, and from channel `channel` on.
  Addends at(int64_t pixel, int64_t channel) const {
    return {bias ? bias + channel : nullptr, residual ? residual + pixel + channel : nullptr};
  }
};

// Winograd's F(4×4, 3×3), for filters of 3×3 and stride 1. False if a sum is not finite anywhere, since an infinity
// spreads over its tile: then the direct sum must be computed.
bool winograd(const Convolution &, const float *x, const float *w, Addends, float *y);
bool winogradInputGradient(const Convolution &, const float *dy, const float *w, float *dx);
bool winogradFilterGradient(const Convolution &, const float *x, const float *dy, float *dw);

// The sums as they are written; the gradient for the input for stride 1.
void direct(const Convolution &, const float *x, const float *w, Addends, float *y);
void directInputGradient(const Convolution &, const float *dy, const float *w, float *dx);
void directFilterGradient(const Convolution &, const float *x, const float *dy, float *dw);

}  // namespace diffusion
