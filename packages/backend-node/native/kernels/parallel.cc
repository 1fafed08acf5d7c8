#include "parallel.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace diffusion {
namespace {

class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 1; i < threads; i++) std::thread([this] { help(); }).detach();
  }

  void run(int64_t count, const std::function<void(int64_t)> &work) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      work_ = &work;
      count_ = count;
      next_ = 0;
      round_++;
    }
    wake_.notify_all();
    drain(work, count);
    // A helper that has not woken up by now is not waited for.
    std::unique_lock<std::mutex> lock(mutex_);
    work_ = nullptr;
    done_.wait(lock, [this] { return helping_ == 0; });
  }

 private:
  void drain(const std::function<void(int64_t)> &work, int64_t count) {
    for (int64_t i = next_++; i < count; i = next_++) work(i);
  }

  void help() {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return work_ != nullptr && round_ != seen; });
      seen = round_;
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
  uint64_t round_ = 0;
  int helping_ = 0;
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
