// softmax(q kᵀ / √D) v and its gradient, in blocks of LANES queries (or keys): a vector holds one number of each, so
// that nothing is ever summed across a vector. What belongs to the other side is broadcast.
#include <cmath>

#include "op.h"
#include "parallel.h"
#include "vector.h"

namespace diffusion {
namespace {

struct Dimensions {
  Dimensions(const Tensor &q, const Tensor &k)
      : heads(q.shape()[0] * q.shape()[1]), queries(q.shape()[2]), keys(k.shape()[2]), depth(q.shape()[3]) {}
  int64_t heads, queries, keys, depth;
  float scale() const { return 1 / std::sqrt(static_cast<float>(depth)); }
};

// Runs work(head, first row of a block) for every block of rows of every head.
template <class Work>
void forBlocks(int64_t heads, int64_t rows, int64_t costOfBlock, Work work) {
  const int64_t blocks = (rows + LANES - 1) / LANES;
  parallelParts(heads * blocks, 1 + (1 << 14) / costOfBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) work(i / blocks, i % blocks * LANES);
  });
}

// Row vectors [rows, depth] from `first` on, as `depth` vectors of one number of each row; what is beyond is zero.
void transposeIn(const float *from, int64_t rows, int64_t depth, float scale, Vec *to) {
  for (int64_t d = 0; d < depth; d++) to[d] = Vec{};
  for (int64_t row = 0; row < std::min(rows, LANES); row++) {
    for (int64_t d = 0; d < depth; d++) to[d][row] = from[row * depth + d] * scale;
  }
}

void transposeOut(const Vec *from, int64_t rows, int64_t depth, float *to) {
  for (int64_t row = 0; row < std::min(rows, LANES); row++) {
    for (int64_t d = 0; d < depth; d++) to[row * depth + d] = from[d][row];
  }
}

// products[i] = Σ_d rows[i, d] columns[d] for `count` rows.
void dots(const float *rows, int64_t count, int64_t depth, const Vec *columns, Vec *products) {
  int64_t i = 0;
  for (; i + 4 <= count; i += 4, rows += 4 * depth) {
    Vec a = {}, b = {}, c = {}, e = {};
    for (int64_t d = 0; d < depth; d++) {
      a += rows[d] * columns[d];
      b += rows[depth + d] * columns[d];
      c += rows[2 * depth + d] * columns[d];
      e += rows[3 * depth + d] * columns[d];
    }
    products[i] = a;
    products[i + 1] = b;
    products[i + 2] = c;
    products[i + 3] = e;
  }
  for (; i < count; i++, rows += depth) {
    Vec a = {};
    for (int64_t d = 0; d < depth; d++) a += rows[d] * columns[d];
    products[i] = a;
  }
}

// sums[d] = Σ_i weights[i] rows[i, d] over `count` rows.
void combine(const Vec *weights, const float *rows, int64_t count, int64_t depth, Vec *sums) {
  int64_t d = 0;
  for (; d + 8 <= depth; d += 8) {
    Vec total[8] = {};
    for (int64_t i = 0; i < count; i++) {
      for (int64_t e = 0; e < 8; e++) total[e] += weights[i] * rows[i * depth + d + e];
    }
    for (int64_t e = 0; e < 8; e++) sums[d + e] = total[e];
  }
  for (; d < depth; d++) {
    Vec total = {};
    for (int64_t i = 0; i < count; i++) total += weights[i] * rows[i * depth + d];
    sums[d] = total;
  }
}

struct Attention {
  static void define(Definition &d) {
    d = {"DiffusionAttention", {"q: float", "k: float", "v: float"}, {"y: float", "log_sum_exp: float"}, {}};
  }
  explicit Attention(const Construction &) {}
  void compute(Context &context) {
    const Tensor q = context.input(0), k = context.input(1), v = context.input(2);
    const Dimensions s(q, k);
    const Tensor y = context.output(0, q.shape());
    const Tensor logSumExp = context.output(1, {q.shape()[0], q.shape()[1], s.queries});
    forBlocks(s.heads, s.queries, s.keys * s.depth, [&](int64_t head, int64_t first) {
      thread_local std::vector<Vec> scratch;
      scratch.resize(2 * s.depth + s.keys);
      Vec *const columns = scratch.data(), *const sums = columns + s.depth, *const weights = sums + s.depth;
      const int64_t left = s.queries - first, at = head * s.queries + first, keysAt = head * s.keys * s.depth;
      transposeIn(q.data() + at * s.depth, left, s.depth, s.scale(), columns);
      dots(k.data() + keysAt, s.keys, s.depth, columns, weights);
      Vec largest = weights[0];
      for (int64_t j = 1; j < s.keys; j++) largest = max(largest, weights[j]);
      Vec total = {};
      for (int64_t j = 0; j < s.keys; j++) {
        weights[j] = exp(weights[j] - largest);
        total += weights[j];
      }
      combine(weights, v.data() + keysAt, s.keys, s.depth, sums);
      for (int64_t d = 0; d < s.depth; d++) sums[d] /= total;
      transposeOut(sums, left, s.depth, y.data() + at * s.depth);
      for (int64_t i = 0; i < std::min(left, LANES); i++) logSumExp.data()[at + i] = largest[i] + std::log(total[i]);
    });
  }
};

struct AttentionGrad {
  static void define(Definition &d) {
    d = {"DiffusionAttentionGrad",
         {"dy: float", "q: float", "k: float", "v: float", "y: float", "log_sum_exp: float"},
         {"dq: float", "dk: float", "dv: float"},
         {}};
  }
  explicit AttentionGrad(const Construction &) {}
  void compute(Context &context) {
    const Tensor dy = context.input(0), q = context.input(1), k = context.input(2), v = context.input(3),
                 y = context.input(4), logSumExp = context.input(5);
    const Dimensions s(q, k);
    const Tensor dq = context.output(0, q.shape()), dk = context.output(1, k.shape()),
                 dv = context.output(2, v.shape());
    const float scale = s.scale();
    // The softmax's Σ weights · dWeights over a row is dy · y.
    std::vector<float> rowSums(s.heads * s.queries);
    forBlocks(s.heads, s.queries, 2 * s.keys * s.depth, [&](int64_t head, int64_t first) {
      thread_local std::vector<Vec> scratch;
      scratch.resize(3 * s.depth + 2 * s.keys);
      Vec *const queries = scratch.data(), *const dys = queries + s.depth, *const sums = dys + s.depth,
                 *const weights = sums + s.depth, *const dWeights = weights + s.keys;
      const int64_t left = s.queries - first, at = head * s.queries + first, keysAt = head * s.keys * s.depth;
      transposeIn(y.data() + at * s.depth, left, s.depth, 1, sums);
      transposeIn(dy.data() + at * s.depth, left, s.depth, 1, dys);
      transposeIn(q.data() + at * s.depth, left, s.depth, scale, queries);
      Vec rowSum = {};
      for (int64_t d = 0; d < s.depth; d++) rowSum += sums[d] * dys[d];
      store(&rowSums[at], rowSum, left);
      const Vec normaliser = load(logSumExp.data() + at, left);
      dots(k.data() + keysAt, s.keys, s.depth, queries, weights);
      dots(v.data() + keysAt, s.keys, s.depth, dys, dWeights);
      for (int64_t j = 0; j < s.keys; j++) {
        weights[j] = exp(weights[j] - normaliser) * (dWeights[j] - rowSum) * scale;
      }
      combine(weights, k.data() + keysAt, s.keys, s.depth, sums);
      transposeOut(sums, left, s.depth, dq.data() + at * s.depth);
    });
    forBlocks(s.heads, s.keys, 3 * s.queries * s.depth, [&](int64_t head, int64_t first) {
      thread_local std::vector<Vec> scratch;
      scratch.resize(3 * s.depth + 2 * s.queries);
      Vec *const keys = scratch.data(), *const values = keys + s.depth, *const sums = values + s.depth,
                 *const weights = sums + s.depth, *const dWeights = weights + s.queries;
      const int64_t left = s.keys - first, at = head * s.keys + first, rowsAt = head * s.queries;
      transposeIn(k.data() + at * s.depth, left, s.depth, scale, keys);
      transposeIn(v.data() + at * s.depth, left, s.depth, 1, values);
      dots(q.data() + rowsAt * s.depth, s.queries, s.depth, keys, weights);
      dots(dy.data() + rowsAt * s.depth, s.queries, s.depth, values, dWeights);
      for (int64_t i = 0; i < s.queries; i++) {
        weights[i] = exp(weights[i] - logSumExp.data()[rowsAt + i]);
        dWeights[i] = weights[i] * (dWeights[i] - rowSums[rowsAt + i]) * scale;
      }
      combine(weights, dy.data() + rowsAt * s.depth, s.queries, s.depth, sums);
      transposeOut(sums, left, s.depth, dv.data() + at * s.depth);
      combine(dWeights, q.data() + rowsAt * s.depth, s.queries, s.depth, sums);
      transposeOut(sums, left, s.depth, dk.data() + at * s.depth);
    });
  }
};

const Registered<Attention> attention;
const Registered<AttentionGrad> attentionGrad;

}  // namespace
}  // namespace diffusion
