// How far apart the two cores are at this moment, asked by the very processes of a sample: one cache line bounced
// between them, then one line each way. The host of a virtual machine moves cores about; this shows it.
#pragma once

#include <vector>

#include "session.hpp"
#include "spin.hpp"
#include "statistics.hpp"

namespace bench {

namespace probe {

constexpr unsigned batches = 15;
constexpr unsigned batch = 64;
constexpr std::uint64_t round_trips = batches * batch;
constexpr double patience = 1.0;  // seconds; a peer that is not there is not waited for

}  // namespace probe

inline bool probed(const Shape& shape) { return shape.placement == Placement::apart && shape.clients == 1; }

inline void answer_probe(const Session& session) {
  if (!probed(session.shape())) return;
  Control& control = session.control();
  const std::uint64_t deadline = ticks() + control.clock.to_ticks(probe::patience);
  const auto await = [&](std::uint64_t value) {
    while (control.ping.load(std::memory_order_acquire) != value) {
      if (ticks() > deadline) return false;
      pause();
    }
    return true;
  };
  for (std::uint64_t i = 1; i <= probe::round_trips; ++i) {
    if (!await(2 * i - 1)) return;
    control.ping.store(2 * i, std::memory_order_release);
  }
  for (std::uint64_t i = 1; i <= probe::round_trips; ++i) {
    if (!await(2 * probe::round_trips + i)) return;
    control.pong.store(i, std::memory_order_release);
  }
}

inline void ask_probe(const Session& session) {
  if (!probed(session.shape())) return;
  Control& control = session.control();
  const std::uint64_t deadline = ticks() + control.clock.to_ticks(probe::patience);
  const auto await = [&](const std::atomic<std::uint64_t>& word, std::uint64_t value) {
    while (word.load(std::memory_order_acquire) != value) {
      if (ticks() > deadline) return false;
      pause();
    }
    return true;
  };
  const auto median_ns = [&](auto&& round_trip) {
    std::vector<double> means;
    for (std::uint64_t i = 1; i <= probe::round_trips;) {
      const std::uint64_t begin = ticks();
      for (unsigned k = 0; k < probe::batch; ++k, ++i)
        if (!round_trip(i)) return 0.0;
      means.push_back(control.clock.to_ns(static_cast<double>(ticks() - begin)) / probe::batch);
    }
    return spread(means).median;
  };
  control.probe.one_line_ns = median_ns([&](std::uint64_t i) {
    control.ping.store(2 * i - 1, std::memory_order_release);
    return await(control.ping, 2 * i);
  });
  if (control.probe.one_line_ns == 0) return;
  control.probe.two_lines_ns = median_ns([&](std::uint64_t i) {
    control.ping.store(2 * probe::round_trips + i, std::memory_order_release);
    return await(control.pong, i);
  });
}

}  // namespace bench
