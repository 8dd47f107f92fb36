// A coroutine that starts at once and cleans up after itself. Who destroys it while it is suspended does so by its
// handle.
#pragma once

#include <coroutine>
#include <exception>

namespace test_support {

struct Task {
  struct promise_type {
    Task get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };

  std::coroutine_handle<promise_type> handle;
};

}  // namespace test_support
