// What the fault run's callers ask, what its servers do, and what both write down. All are on one machine, so that
// their clocks are one; the bridge does not know that.
#pragma once

#include <cstdint>

#include <shared_channel/channel.hpp>

#include "faults/job.hpp"

namespace bridge_test {

struct Job {
  alignas(8) std::uint64_t id;
  alignas(8) std::int64_t deadline;  // of its caller, on the steady clock
  std::uint32_t nap_in_microseconds;
  std::uint32_t reserved;
  alignas(8) std::uint64_t filling[37];

  void fill() {
    reserved = 0;
    for (std::uint64_t& word : filling) word = id;
  }
  [[nodiscard]] bool is_whole() const {
    for (const std::uint64_t word : filling) {
      if (word != id) return false;
    }
    return true;
  }
};

struct Done {
  alignas(8) std::uint64_t id;
  alignas(8) std::uint64_t proof;

  static Done of(std::uint64_t id) { return {id, faults::check_of(id)}; }
  [[nodiscard]] bool is_of(std::uint64_t wanted) const { return id == wanted && proof == faults::check_of(wanted); }
};
using Jobs = shared_channel::SharedChannel<Job, Done>;

enum class End : std::uint32_t { answered, wrong, never, perhaps };

/// What a caller was told.
struct Told {
  alignas(8) std::uint64_t id;
  End end;
  std::uint32_t code;               // shared_channel::Errc of an error
  alignas(8) std::int64_t overrun;  // nanoseconds past the deadline; negative: before
};

/// What a handler began.
struct Ran {
  alignas(8) std::uint64_t id;
  alignas(8) std::int64_t overrun;  // the same
  alignas(8) std::int64_t is_whole;
  alignas(8) std::int64_t began;  // on the steady clock
};

}  // namespace bridge_test
