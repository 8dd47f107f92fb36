#pragma once

#include <atomic>
#include <cstdint>

#include "messages.hpp"

namespace test_support {

// A handler that counts its runs, and answers no naps before it is opened.
class Gate {
 public:
  Answer operator()(const Ask& ask) {
    const auto run = ++runs;
    if (ask.what == Ask::What::nap) open_.wait(false);
    return {ask.id, run};
  }
  void open() {
    open_ = true;
    open_.notify_all();
  }

  std::atomic<std::uint64_t> runs{0};

 private:
  std::atomic<bool> open_{false};
};

}  // namespace test_support
