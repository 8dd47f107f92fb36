#include "exchange.hpp"

#include <cstring>
#include <new>

#include "waiting.hpp"

namespace binding {
namespace {

using shared_channel::CallOptions;
using shared_channel::Errc;
using shared_channel::Error;
using shared_channel::Execution;
using shared_channel::RawDraft;
using shared_channel::RawPendingCall;

constexpr nanoseconds forever = (nanoseconds::max)();

nanoseconds less(nanoseconds limit, nanoseconds spent) {
  if (limit == forever) return forever;
  return spent < limit ? limit - spent : nanoseconds::zero();
}

CallOptions options_of(const Limits& limits, Waiting& waiting) {
  return {limits.timeout, limits.slot_wait, waiting.question()};
}

/// What `work(waiting)` returns, unless a signal ended it.
template <class Work>
auto interruptibly(Work&& work) -> std::optional<std::invoke_result_t<Work&, Waiting&>> {
  Waiting waiting;
  std::optional<std::invoke_result_t<Work&, Waiting&>> result(work(waiting));
  if (!waiting.end()) result.reset();
  return result;
}

Result<RawReply> awaited(RawPendingCall call, Waiting& waiting) {
  waiting.await(call);
  return call.get();
}

/// Whether the error is this channel's, not one that a handler passed on: that is the answer.
bool is_own(const Error& error, Errc code) { return error.code() == code && !error.passed_on(); }

/// Whether nobody has seen the request and another server may be there.
bool may_go_on(const Error& error, const Limits& left) {
  const bool has_gone = is_own(error, Errc::server_died) || is_own(error, Errc::server_stopped);
  return has_gone && error.not_executed() && left.timeout > nanoseconds::zero();
}

/// A call of the library's own kind.
Result<Answer> call_and_copy(RawClient& client, std::span<const std::byte> request, const CallOptions& options,
                             std::stop_token stop) {
  std::vector<std::byte> copy;
  bool is_out_of_memory = false;
  const auto fill = [&](std::span<std::byte> room) {
    if (!request.empty() && request.size() <= room.size()) std::memcpy(room.data(), request.data(), request.size());
    return request.size();
  };
  const auto read = [&](std::span<const std::byte> bytes) {
    try {
      copy.assign(bytes.begin(), bytes.end());
    } catch (const std::bad_alloc&) {
      is_out_of_memory = true;
    }
  };
  const auto called = client.call_in_place(fill, read, options, std::move(stop));
  if (!called) return called.error();
  if (is_out_of_memory) return Error(Errc::out_of_memory, "", "no memory for the reply", 0, Execution::possible);
  return Answer(std::move(copy));
}

}  // namespace

Limits Remaining::now() const {
  const nanoseconds so_far = spent();
  return {less(limits_.timeout, so_far), less(limits_.slot_wait, so_far)};
}

std::optional<Result<void>> wait_for_server(Channel& channel, nanoseconds timeout, std::stop_token stop) {
  return interruptibly([&](Waiting& waiting) {
    return channel.client.wait_for_server(options_of({timeout, forever}, waiting), std::move(stop));
  });
}

std::optional<Result<Answer>> exchange_until(Channel& channel, std::span<const std::byte> request, const Limits& limits,
                                             std::stop_token stop) {
  const Remaining remaining(limits);
  if (channel.waits_for_server) {
    const auto there = wait_for_server(channel, limits.timeout, stop);
    if (!there) return std::nullopt;
    if (!*there) return Result<Answer>(there->error());
  }
  return interruptibly([&](Waiting& waiting) {
    return call_and_copy(channel.client, request, options_of(remaining.now(), waiting), std::move(stop));
  });
}

std::optional<Result<Answer>> exchange(Channel& channel, std::span<const std::byte> request,
                                       const Remaining& remaining) {
  Limits left = remaining.all();
  std::optional<Error> setback;  // how the last server ended
  for (;;) {
    auto answer = interruptibly([&](Waiting& waiting) {
      return awaited(channel.client.call_async(request, options_of(left, waiting)), waiting);
    });
    if (!answer) return std::nullopt;
    if (*answer) return Result<Answer>(Answer(**std::move(answer)));
    const Error& error = answer->error();
    left = remaining.now();
    const bool is_none_there = is_own(error, Errc::no_server);
    if (is_none_there && channel.waits_for_server && left.timeout > nanoseconds::zero()) {
      const auto there = wait_for_server(channel, left.timeout);
      if (!there) return std::nullopt;
      if (!*there) return Result<Answer>(setback ? *setback : there->error());
      left = remaining.now();
      continue;
    }
    if (is_none_there && setback) return Result<Answer>(*setback);
    if (!may_go_on(error, left)) return Result<Answer>(error);
    setback = error;
  }
}

std::optional<Result<RawDraft>> draft(Channel& channel, const Limits& limits) {
  const Remaining remaining(limits);
  if (channel.waits_for_server) {
    const auto there = wait_for_server(channel, limits.timeout);
    if (!there) return std::nullopt;
    if (!*there) return Result<RawDraft>(there->error());
  }
  return interruptibly([&](Waiting& waiting) { return channel.client.draft(options_of(remaining.now(), waiting)); });
}

std::optional<Result<Answer>> send(RawDraft& draft, std::size_t bytes) {
  auto reply = interruptibly([&](Waiting& waiting) { return awaited(draft.send(bytes), waiting); });
  if (!reply) return std::nullopt;
  if (!*reply) return Result<Answer>(reply->error());
  return Result<Answer>(Answer(**std::move(reply)));
}

}  // namespace binding
