// One measurement of one system: its processes, and what they found.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "../systems/system.hpp"

namespace bench {

struct Sample {
  std::string failure;  // empty: it worked
  Histogram calls{};
  Histogram batches{};
  double ns_per_tick = 1;
  double calls_per_second = 0;
  double slowest_over_fastest = 1;
  double attach_ns = 0;
  std::uint64_t total = 0;
  Usage server;
  Usage clients;
  Probe probe;

  double typical_ns() const { return batches.quantile(0.5) / 64 * ns_per_tick; }
  double quantile_ns(double fraction) const { return calls.quantile(fraction) * ns_per_tick; }
  double max_ns() const { return static_cast<double>(calls.max()) * ns_per_tick; }
};

// The shared block of one program and the processes of one sample after the other.
class Stage {
 public:
  Stage();

  Sample measure(const System& system, const Shape& shape);

  // A server and `shape.clients` connected clients that do nothing; `observe` gets the ids, the server's first.
  std::string idle(const System& system, const Shape& shape,
                   const std::function<void(const std::vector<std::int64_t>&)>& observe);

  const Clock& clock() const { return clock_; }
  const SharedBlock& block() const { return block_; }  // for other processes

 private:
  std::string run(const System& system, const Shape& shape, std::string_view client_role,
                  const std::function<void(const std::vector<std::int64_t>&)>& when_ready);

  SharedBlock block_;
  Session session_;
  Clock clock_;
  unsigned samples_ = 0;
};

}  // namespace bench
