// What is done to the process around the loading of libtensorflow: an addon of its own, that needs none of it.
#include <fcntl.h>
#include <node_api.h>
#include <unistd.h>

namespace {

int savedStderr = -1;

// libtensorflow speaks while it is loaded, before any of its log levels can be set.
napi_value muteStderr(napi_env, napi_callback_info) {
  const int nowhere = open("/dev/null", O_WRONLY);
  savedStderr = dup(STDERR_FILENO);
  dup2(nowhere, STDERR_FILENO);
  close(nowhere);
  return nullptr;
}

napi_value unmuteStderr(napi_env, napi_callback_info) {
  dup2(savedStderr, STDERR_FILENO);
  close(savedStderr);
  return nullptr;
}

napi_value init(napi_env env, napi_value exports) {
  const auto add = [&](const char *name, napi_callback callback) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
    napi_set_named_property(env, exports, name, function);
  };
  add("muteStderr", muteStderr);
  add("unmuteStderr", unmuteStderr);
  return exports;
}

}  // namespace

NAPI_MODULE(diffusion_process, init)
