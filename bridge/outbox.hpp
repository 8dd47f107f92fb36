// Answers that wait to be sent, several in one message. What is added while a message is being sent goes into the
// next; nothing waits for more to come.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "wire.hpp"

namespace bridge {

class Outbox {
 public:
  struct Batch {
    Id importer = 0;
    Bytes bytes;          // of Answers
    std::vector<Id> ids;  // whose
  };
  using Sender = std::function<void(const Batch&)>;

  explicit Outbox(Sender send) : send_(std::move(send)) {}
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  void start();
  /// Sends what is there.
  void stop();

  /// Whoever adds has it sent, by one of the two that follow, unless it has a place to do so for several. Messages grow
  /// to `most` bytes, unless one answer alone is longer.
  void add(Id importer, Id call, const Answer& answer, std::size_t most);
  /// On the calling thread, before it returns.
  void flush();
  /// On the thread of its own, soon.
  void ring();

 private:
  void work(const std::stop_token& token);

  const Sender send_;
  std::mutex mutex_;
  std::vector<Batch> batches_;
  bool is_rung_ = false;
  std::condition_variable_any rung_;
  std::jthread thread_;
};

}  // namespace bridge
