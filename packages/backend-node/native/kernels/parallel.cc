#include "parallel.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace diffusion {
namespace {

// Kernels follow each other in less time than it takes to wake a thread: it looks out for the next one before it sleeps.
constexpr auto LOOK_OUT = std::chrono::microseconds(100);

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Looks out for a condition, in vain if false.
template <class Condition>
bool lookOut(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + LOOK_OUT;
  do {
    for (int i = 0; i < 16; i++) {
      if (condition()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 1; i < threads; i++) std::thread([this] { help(); }).detach();
  }

  void run(int64_t count, const std::function<void(int64_t)> &work) {
    bool isAsleep;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      work_ = &work;
      count_ = count;
      next_ = 0;
      round_++;
      isAsleep = sleeping_ > 0;
    }
    if (isAsleep) wake_.notify_all();
    drain(work, count);
    // A helper that has not woken up by now is not waited for.
    {
      std::lock_guard<std::mutex> lock(mutex_);
      work_ = nullptr;
    }
    if (lookOut([this] { return helping_ == 0; })) return;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return helping_ == 0; });
  }

 private:
  void drain(const std::function<void(int64_t)> &work, int64_t count) {
    for (int64_t i = next_++; i < count; i = next_++) work(i);
  }

  void help() {
    uint64_t seen = 0;
    for (;;) {
      lookOut([&] { return round_ != seen; });
      std::unique_lock<std::mutex> lock(mutex_);
      sleeping_++;
      wake_.wait(lock, [&] { return round_ != seen; });
      sleeping_--;
      seen = round_;
      if (work_ == nullptr) continue;
      helping_++;
      const auto &work = *work_;
      const int64_t count = count_;
      lock.unlock();
      drain(work, count);
      lock.lock();
      if (--helping_ == 0) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int64_t)> *work_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_{0};
  std::atomic<uint64_t> round_{0};
  std::atomic<int> helping_{0};
  int sleeping_ = 0;
};

}  // namespace

int threads() {
  static const int count = [] {
    const char *text = std::getenv("TF_NUM_INTRAOP_THREADS");
    const int asked = text ? std::atoi(text) : 0;
    return asked > 0 ? asked : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }();
  return count;
}

void parallelFor(int64_t count, const std::function<void(int64_t)> &work) {
  if (count == 1 || threads() == 1) {
    for (int64_t i = 0; i < count; i++) work(i);
    return;
  }
  // Never destroyed: its threads wait until the process ends. Callers on several threads take turns.
  static Pool *pool = new Pool(threads());
  static std::mutex turn;
  std::lock_guard<std::mutex> lock(turn);
  pool->run(count, work);
}

}  // namespace diffusion
