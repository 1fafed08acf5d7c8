// What is set in the process before libtensorflow is loaded, which speaks while it starts: an addon of its own, that
// links with TensorFlow's small framework library alone.
#include <node_api.h>

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

// TensorFlow reads TF_CPP_MIN_LOG_LEVEL for its own messages, but Abseil, through which newer ones log, does not. The
// name has Abseil's version in it: in a libtensorflow with another one it is missing, and only the quiet is lost.
namespace absl {
inline namespace lts_20250814 {
enum class LogSeverityAtLeast : int;
__attribute__((weak)) void SetMinLogLevel(LogSeverityAtLeast);
}  // namespace lts_20250814
}  // namespace absl

static napi_value init(napi_env, napi_value exports) {
  const char *level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  if (level && absl::SetMinLogLevel) absl::SetMinLogLevel(static_cast<absl::LogSeverityAtLeast>(std::atoi(level)));
#ifdef __GLIBC__
  // A step makes and frees the same tensors as the one before. By default glibc maps and unmaps each large one, and the
  // kernel clears its pages every time; kept in the heap, they are cleared once.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
  return exports;
}

NAPI_MODULE(diffusion_process, init)
