// A client's whole part in a sample: first call, warm-up, then two measured halves.
//
// A fast round trip is a dozen steps of the clock, so the first half reads it once per batch: no reading inside a
// call, no rounding to steps. The second half reads it after every call, for the percentiles. Pauses between the calls
// are not measured.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>

#include "message.hpp"
#include "session.hpp"

namespace bench {

template <class Client>
void measure(Client& client, const Session& session, unsigned index, std::uint64_t started) {
  const Shape& shape = session.shape();
  const Clock& clock = session.control().clock;
  ClientResult& result = session.control().clients[index];
  Messages messages(shape.size, shape.check);

  const auto call = [&] {
    messages.stamp();
    client.round_trip(messages);
    if (!messages.answered()) throw std::runtime_error("a wrong reply");
  };

  // Answers with the time when the pause before a call has ended.
  const auto pause = [&](std::uint64_t now) {
    if (shape.pause_seconds == 0) return now;
    std::this_thread::sleep_for(std::chrono::duration<double>(shape.pause_seconds));
    return ticks();
  };

  call();
  result.attach_ns = clock.to_ns(static_cast<double>(ticks() - started));

  constexpr std::uint64_t fewest = 5;
  std::uint64_t calls = 0;
  const std::uint64_t warm_up = ticks();
  const std::uint64_t warm_up_end = warm_up + clock.to_ticks(std::min(shape.seconds / 5, 0.02));
  while (ticks() < warm_up_end || calls < fewest) pause(0), call(), ++calls;
  const std::uint64_t typical = (ticks() - warm_up) / calls + 1;

  session.control().clients_ready.fetch_add(1);
  session.go.wait();

  const std::uint64_t batch =
      shape.pause_seconds > 0 ? 1 : std::clamp<std::uint64_t>(clock.to_ticks(4e-6) / typical, 1, 32);
  const std::uint64_t half = clock.to_ticks(shape.seconds / 2);
  const Usage used = own_usage();
  const std::uint64_t begin = ticks();

  std::uint64_t now = begin;
  do {
    const std::uint64_t previous = pause(now);
    for (std::uint64_t i = 0; i < batch; ++i) call();
    now = ticks();
    result.batches.record((now - previous) * 64 / batch);
  } while (now - begin < half);
  const std::uint64_t batched = result.batches.count() * batch;

  const std::uint64_t middle = now;
  do {
    const std::uint64_t previous = pause(now);
    call();
    now = ticks();
    result.calls.record(now - previous);
  } while (now - middle < half);

  result.seconds = clock.to_ns(static_cast<double>(now - begin)) * 1e-9;
  result.usage = own_usage() - used;
  result.total = batched + result.calls.count();
}

}  // namespace bench
