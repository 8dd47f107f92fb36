// Where a callback or a coroutine leaves what it got. Counts.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include <shared_channel/shared_channel.hpp>

#include "time.hpp"

namespace test_support {

template <class Reply>
class Outcome {
 public:
  void put(shared_channel::Result<Reply> result) {
    const std::lock_guard lock(mutex_);
    last_ = std::move(result);
    ++count_;
    came_.notify_all();
  }
  auto callback() {
    return [this](shared_channel::Result<Reply> result) { put(std::move(result)); };
  }

  // Whether `count` have come before a busy machine would have got there.
  bool comes(int count = 1) {
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, amply, [&] { return count_ >= count; });
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  shared_channel::Result<Reply> last() {
    const std::lock_guard lock(mutex_);
    return last_.value();
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  int count_ = 0;
  std::optional<shared_channel::Result<Reply>> last_;
};

}  // namespace test_support
