#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

namespace diffusion {

// Memory that is kept from call to call and grows where it must: what is in it is lost with the next `of`.
class Scratch {
 public:
  ~Scratch() { std::free(data_); }
  float *of(int64_t floats) {
    if (floats > size_) {
      std::free(data_);
      size_ = 0;
      const int64_t rounded = (floats + 15) / 16 * 16;
      data_ = static_cast<float *>(std::aligned_alloc(64, rounded * sizeof(float)));
      if (data_ == nullptr) throw std::bad_alloc();
      size_ = rounded;
    }
    return data_;
  }

 private:
  float *data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace diffusion
