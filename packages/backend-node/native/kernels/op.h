// TensorFlow's C API for kernels (tensorflow/c/kernels.h, ops.h) as a few C++ classes. A kernel is a struct with
//   static void define(Definition &)        its name, inputs, outputs and attributes,
//   explicit Kernel(const Construction &)   reads the attributes,
//   void compute(Context &)                 one call,
// and an object `static const Registered<Kernel> registered;` in its file.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"

namespace diffusion {

// A TF_Status that turns into an exception.
class Status {
 public:
  ~Status() { TF_DeleteStatus(status_); }
  operator TF_Status *() const { return status_; }
  void check() const {
    if (TF_GetCode(status_) != TF_OK) throw std::runtime_error(TF_Message(status_));
  }

 private:
  TF_Status *status_ = TF_NewStatus();
};

using Shape = std::vector<int64_t>;

inline int64_t sizeOf(const Shape &shape) {
  int64_t size = 1;
  for (int64_t dim : shape) size *= dim;
  return size;
}

// A float32 tensor that lives as long as this object.
class Tensor {
 public:
  explicit Tensor(TF_Tensor *tensor)
      : tensor_(tensor, TF_DeleteTensor), data_(static_cast<float *>(TF_TensorData(tensor))) {
    for (int i = 0; i < TF_NumDims(tensor); i++) shape_.push_back(TF_Dim(tensor, i));
  }
  float *data() const { return data_; }
  const Shape &shape() const { return shape_; }
  int64_t size() const { return sizeOf(shape_); }
  // The last axis of an image is its channels.
  int64_t channels() const { return shape_.back(); }

 private:
  std::unique_ptr<TF_Tensor, decltype(&TF_DeleteTensor)> tensor_;
  float *data_;
  Shape shape_;
};

class Context {
 public:
  explicit Context(TF_OpKernelContext *context) : context_(context) {}
  int inputs() const { return TF_NumInputs(context_); }
  Tensor input(int i) const {
    TF_Tensor *tensor = nullptr;
    TF_GetInput(context_, i, &tensor, status_);
    status_.check();
    return Tensor(tensor);
  }
  Tensor output(int i, const Shape &shape) const {
    TF_Tensor *tensor = TF_AllocateOutput(context_, i, TF_FLOAT, shape.data(), static_cast<int>(shape.size()),
                                          sizeOf(shape) * sizeof(float), status_);
    status_.check();
    return Tensor(tensor);
  }

 private:
  TF_OpKernelContext *context_;
  Status status_;
};

class Construction {
 public:
  explicit Construction(TF_OpKernelConstruction *construction) : construction_(construction) {}
  int integer(const char *name) const {
    int32_t value = 0;
    TF_OpKernelConstruction_GetAttrInt32(construction_, name, &value, status_);
    status_.check();
    return value;
  }
  float number(const char *name) const {
    float value = 0;
    TF_OpKernelConstruction_GetAttrFloat(construction_, name, &value, status_);
    status_.check();
    return value;
  }

 private:
  TF_OpKernelConstruction *construction_;
  Status status_;
};

struct Definition {
  std::string name;
  std::vector<std::string> inputs, outputs, attributes;
};

template <class Kernel>
class Registered {
 public:
  Registered() {
    Definition definition;
    Kernel::define(definition);
    const char *name = definition.name.c_str();
    auto *op = TF_NewOpDefinitionBuilder(name);
    for (auto &text : definition.attributes) TF_OpDefinitionBuilderAddAttr(op, text.c_str());
    for (auto &text : definition.inputs) TF_OpDefinitionBuilderAddInput(op, text.c_str());
    for (auto &text : definition.outputs) TF_OpDefinitionBuilderAddOutput(op, text.c_str());
    TF_OpDefinitionBuilderSetIsStateful(op, true);
    TF_OpDefinitionBuilderSetShapeInferenceFunction(op, TF_ShapeInferenceContextSetUnknownShape);
    Status status;
    TF_RegisterOpDefinition(op, status);
    status.check();
    TF_RegisterKernelBuilder(name, TF_NewKernelBuilder(name, "CPU", create, compute, destroy), status);
    status.check();
  }

 private:
  static void *create(TF_OpKernelConstruction *construction) {
    try {
      return new Kernel(Construction(construction));
    } catch (const std::exception &error) {
      Status status;
      TF_SetStatus(status, TF_INVALID_ARGUMENT, error.what());
      TF_OpKernelConstruction_Failure(construction, status);
      return nullptr;
    }
  }
  static void compute(void *kernel, TF_OpKernelContext *raw) {
    try {
      Context context(raw);
      static_cast<Kernel *>(kernel)->compute(context);
    } catch (const std::exception &error) {
      Status status;
      TF_SetStatus(status, TF_INTERNAL, error.what());
      TF_OpKernelContext_Failure(raw, status);
    }
  }
  static void destroy(void *kernel) { delete static_cast<Kernel *>(kernel); }
};

}  // namespace diffusion
