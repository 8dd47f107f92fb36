// What is measured, and the shared block by which the processes of a sample agree on it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

#include "clock.hpp"
#include "histogram.hpp"
#include "platform.hpp"

namespace bench {

enum class Placement : std::uint32_t { apart, one_core, unpinned };

constexpr const char* name_of(Placement placement) {
  switch (placement) {
    case Placement::apart:
      return "apart";
    case Placement::one_core:
      return "one core";
    default:
      return "unpinned";
  }
}

// One point on the axes.
struct Shape {
  std::uint32_t size = 64;  // bytes each way, a multiple of 8
  std::uint32_t clients = 1;
  std::uint32_t threads = 1;
  std::uint32_t slots = 16;
  double handler_ns = 0;
  double pause_seconds = 0;  // asleep before each call
  std::uint32_t burst = 1;   // calls of one round trip: one after the other, or, if the system can, side by side
  Placement placement = Placement::apart;
  double seconds = 0.03;  // measured, after a warm-up
  bool check = false;     // compare every byte of every reply
};

constexpr std::uint32_t most_clients = 64;
constexpr std::size_t arena_size = std::size_t{4} << 20;
constexpr std::size_t largest_message = std::size_t{1} << 20;

struct ServerResult {
  Usage usage;
};

struct ClientResult {
  Histogram calls;      // ticks of every single call
  Histogram batches;    // sixty-fourths of a tick per call, from batches with one clock reading each
  std::uint64_t total;  // calls in both
  double seconds;
  double attach_ns;  // from nothing to the first answer
  Usage usage;
};

struct Probe {
  double one_line_ns = 0;
  double two_lines_ns = 0;
};

// What the driver, the server and the clients of one sample share. Plain data: it begins as zeroes.
struct Control {
  std::byte gates[Gate::reserved];
  char system[32];
  char channel[48];
  char failure[160];
  Shape shape;
  Clock clock;
  Probe probe;
  std::atomic<std::uint32_t> server_ready;
  std::atomic<std::uint32_t> clients_ready;
  std::atomic<std::uint32_t> failed;
  alignas(64) std::atomic<std::uint64_t> ping;
  alignas(64) std::atomic<std::uint64_t> pong;
  alignas(64) ServerResult server;
  ClientResult clients[most_clients];
  alignas(4096) std::byte arena[arena_size];
};

enum class GateId : unsigned { go, stop };

// A process's view of the sample it takes part in.
class Session {
 public:
  explicit Session(const SharedBlock& block)
      : control_(*reinterpret_cast<Control*>(block.data())),
        go(block, static_cast<unsigned>(GateId::go)),
        stop(block, static_cast<unsigned>(GateId::stop)) {}

  Control& control() const { return control_; }
  const Shape& shape() const { return control_.shape; }
  std::string_view channel() const { return control_.channel; }

  // A zeroed object in the memory that server and clients share; for what is written by hand.
  template <class T>
  T& shared(std::size_t offset = 0) const {
    static_assert(sizeof(T) <= arena_size);
    return *std::launder(reinterpret_cast<T*>(control_.arena + offset));
  }

  void fail(std::string_view what) const {
    if (control_.failed.exchange(1) == 0) {
      const std::size_t length = std::min(what.size(), sizeof control_.failure - 1);
      std::memcpy(control_.failure, what.data(), length);
      control_.failure[length] = '\0';
    }
  }

 private:
  Control& control_;

 public:
  Gate go;
  Gate stop;
};

}  // namespace bench
