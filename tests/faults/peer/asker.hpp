// The two sides that the judge compares: who asks, in every way there is, and who answers.
#pragma once

#include <algorithm>
#include <chrono>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>

#include <shared_channel/shared_channel.hpp>

#include "faults/job.hpp"

namespace faults {

inline shared_channel::WaitPolicy policy_of(std::uint64_t number) {
  return number % 2 == 0 ? shared_channel::WaitPolicy{} : shared_channel::WaitPolicy::sleep();
}

/// Makes calls of all kinds and records how each ended.
template <class Request, class Reply>
class Asker {
  using Clock = std::chrono::steady_clock;
  using Client = typename shared_channel::SharedChannel<Request, Reply>::Client;
  static constexpr bool has_in_place = std::is_trivially_copyable_v<Request>;

 public:
  Asker(const std::string& channel, std::uint64_t first, const std::string& journal)
      : channel_(channel), next_(first), openings_(first >> 32), journal_(journal) {
    open();
  }

  void open() {
    shared_channel::ClientOptions options;
    options.wait = policy_of(openings_++);
    options.wait_for_server = true;
    client_.emplace(channel_, options);
  }

  void call() {
    const std::uint64_t id = next_++;
    const bool is_hasty = id % 4 == 1;
    const std::chrono::microseconds timeout(is_hasty ? 500 : 100'000);
    const auto request = request_of<Request>(id, is_hasty || id % 16 == 2 ? 1000 : 0);
    const auto began = Clock::now();
    const auto judge = [&](const shared_channel::Result<Reply>& result) {
      record(id, Clock::now() - began - timeout, result);
    };
    switch (id % 3) {
      case 0:
        return judge(client_->call(request, timeout));
      case 1:
        if constexpr (has_in_place)
          return judge(call_in_place(request, timeout));
        else
          return judge(client_->call_async(request, timeout).get());
      default: {
        if (id % 2 == 0) return judge(client_->call_async(request, timeout).get());
        std::promise<void> over;
        const auto sent = client_->call_async(request, timeout, [&](const shared_channel::Result<Reply>& result) {
          judge(result);
          over.set_value();
        });
        if (!sent) return judge(shared_channel::Result<Reply>(sent.error()));
        over.get_future().wait();
      }
    }
  }

 private:
  shared_channel::Result<Reply> call_in_place(const Request& request, std::chrono::nanoseconds timeout) {
    Reply reply{};
    const auto ended = client_->call_in_place([&](Request& place) { place = request; },
                                              [&](const Reply& place) { reply = place; }, timeout);
    if (!ended) return ended.error();
    return reply;
  }

  void record(std::uint64_t id, std::chrono::nanoseconds overrun, const shared_channel::Result<Reply>& result) {
    Record record{id, End::answered, 0, std::chrono::duration_cast<std::chrono::microseconds>(overrun).count()};
    if (!result) {
      record.end = result.error().not_executed() ? End::safe : End::possible;
      record.code = static_cast<std::uint32_t>(result.error().code());
    } else if (!is_answer(*result, id)) {
      record.end = End::wrong;
    }
    journal_.append(record);
  }

  std::string channel_;
  std::uint64_t next_;
  std::uint64_t openings_;  // each other one sleeps at once
  Journal<Record> journal_;
  std::optional<Client> client_;
};

/// Answers and keeps a journal of what it executed.
class Handler {
 public:
  explicit Handler(const std::string& journal) : journal_(journal) {}

  template <class Request>
  requires requires(const Request& request) { answer_to(request); }
  auto operator()(const Request& request) {
    {
      const std::lock_guard lock(mutex_);
      journal_.append(request.id);
    }
    const std::chrono::microseconds nap(request.nap_in_microseconds);
    if (nap > nap.zero()) std::this_thread::sleep_for((std::min)(longest_nap, nap));
    return answer_to(request);
  }

 private:
  static constexpr std::chrono::microseconds longest_nap{2000};  // the request may be anything

  std::mutex mutex_;
  Journal<std::uint64_t> journal_;
};

}  // namespace faults
