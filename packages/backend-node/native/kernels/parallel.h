#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace diffusion {

// How many threads work, the calling one included: TF_NUM_INTRAOP_THREADS, as for TensorFlow's own kernels.
int threads();

// Calls work(i) for every i below count, on all threads; what a call does must not depend on which thread does it.
void parallelFor(int64_t count, const std::function<void(int64_t)> &work);

// Calls work(begin, end) for consecutive parts of 0 … count that have `grain` elements (the last one fewer).
inline void parallelParts(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)> &work) {
  parallelFor((count + grain - 1) / grain,
              [&](int64_t part) { work(part * grain, std::min(count, (part + 1) * grain)); });
}

}  // namespace diffusion
