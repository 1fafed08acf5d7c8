// TFE_NewContext as tfjs-node's binding calls it, compiled under this other name (install/compile.ts): TensorFlow's threads
// are told not to spin when they have nothing to do, since our kernels' threads need the cores just then.
#include "tensorflow/c/eager/c_api.h"

extern "C" TFE_Context *diffusion_new_context(const TFE_ContextOptions *options, TF_Status *status) {
  // A serialised ConfigProto: its field 16, experimental, whose field 9, disable_thread_spinning, is true.
  const unsigned char config[] = {0x82, 0x01, 2, 0x48, 1};
  TFE_ContextOptionsSetConfig(const_cast<TFE_ContextOptions *>(options), config, sizeof config, status);
  return TF_GetCode(status) == TF_OK ? TFE_NewContext(options, status) : nullptr;
}
