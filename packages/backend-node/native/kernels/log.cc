#include <cstdlib>

// TensorFlow reads TF_CPP_MIN_LOG_LEVEL for its own messages, but Abseil, through which newer ones log, does not. The
// name has Abseil's version in it: in a libtensorflow with another one it is missing, and only the quiet is lost.
namespace absl {
inline namespace lts_20250814 {
enum class LogSeverityAtLeast : int;
__attribute__((weak)) void SetMinLogLevel(LogSeverityAtLeast);
}  // namespace lts_20250814
}  // namespace absl

__attribute__((constructor)) static void quietLog() {
  const char *level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  if (level && absl::SetMinLogLevel) absl::SetMinLogLevel(static_cast<absl::LogSeverityAtLeast>(std::atoi(level)));
}
