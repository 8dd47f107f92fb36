// One call from Python, waited for.
#pragma once

#include "python.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include <shared_channel/raw.hpp>

namespace binding {

using shared_channel::RawClient;
using shared_channel::RawReply;
using shared_channel::Result;
using std::chrono::nanoseconds;

/// A reply: where the server has written it, or a copy.
class Answer {
 public:
  explicit Answer(RawReply reply) : in_place_(std::move(reply)) {}
  explicit Answer(std::vector<std::byte> copy) : copy_(std::move(copy)) {}

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return in_place_ ? in_place_->bytes() : copy_; }

 private:
  std::optional<RawReply> in_place_;
  std::vector<std::byte> copy_;
};

/// What a client of Python's shares with its calls, which may outlive its close().
struct Channel {
  RawClient client;  // whose calls do not wait for a server: we do
  bool waits_for_server;
};

struct Limits {
  nanoseconds timeout;
  nanoseconds slot_wait;
};

/// What is left of the limits, from when this was made.
class Remaining {
  using Clock = std::chrono::steady_clock;

 public:
  explicit Remaining(const Limits& limits) : limits_(limits), begin_(Clock::now()) {}

  [[nodiscard]] nanoseconds spent() const { return Clock::now() - begin_; }
  [[nodiscard]] const Limits& all() const noexcept { return limits_; }
  [[nodiscard]] Limits now() const;

 private:
  Limits limits_;
  Clock::time_point begin_;
};

// Each of these returns nothing if a signal ended the wait and has raised an exception.

/// Asks, and waits for the answer. A request that no handler has seen is sent again to the next server, as calls of the
/// library are.
std::optional<Result<Answer>> exchange(Channel& channel, std::span<const std::byte> request,
                                       const Remaining& remaining);

/// The same until `stop` is asked to; the answer is a copy.
std::optional<Result<Answer>> exchange_until(Channel& channel, std::span<const std::byte> request, const Limits& limits,
                                             std::stop_token stop);

std::optional<Result<void>> wait_for_server(Channel& channel, nanoseconds timeout, std::stop_token stop = {});

/// A slot to write a request in.
std::optional<Result<shared_channel::RawDraft>> draft(Channel& channel, const Limits& limits);

/// Sends the first `bytes` of the draft, and waits for the answer.
std::optional<Result<Answer>> send(shared_channel::RawDraft& draft, std::size_t bytes);

}  // namespace binding
