// A handler that counts its runs, and answers no naps before it is opened.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "messages.hpp"

namespace test_support {

class Gate {
 public:
  Answer operator()(const Ask& ask) {
    const auto run = ++runs;
    std::unique_lock lock(mutex_);
    if (ask.what == Ask::What::nap) opened_.wait(lock, [this] { return open_; });
    return {ask.id, run};
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

  std::atomic<std::uint64_t> runs{0};

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

}  // namespace test_support
