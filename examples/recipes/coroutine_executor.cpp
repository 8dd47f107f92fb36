// A coroutine that awaits a call goes on where its program wants it, not on a thread of the client's.
#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <cstdio>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

using namespace std::chrono_literals;
using Squarer = shared_channel::SharedChannel<int>;

/// Stands for the program's executor: coroutines go on in run(), on its thread.
class Executor {
 public:
  void post(std::coroutine_handle<> next) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(next);
    changed_.notify_one();
  }
  void run() {
    for (std::unique_lock lock(mutex_); !finished_;) {
      changed_.wait(lock, [this] { return !waiting_.empty(); });
      const auto next = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      next.resume();
      lock.lock();
    }
  }
  void finish() { finished_ = true; }  // by what runs in run()

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::coroutine_handle<>> waiting_;
  bool finished_ = false;
};

/// co_await on(executor, client.call_async(…)): what PendingCall gives, on the executor.
template <class Reply>
class on {
 public:
  on(Executor& executor, shared_channel::PendingCall<Reply> call) : executor_(executor), call_(std::move(call)) {}
  bool await_ready() const noexcept { return call_.ready(); }
  bool await_suspend(std::coroutine_handle<> coroutine) { return call_.await_suspend(Next{&executor_, coroutine}); }
  shared_channel::Result<Reply> await_resume() { return call_.get(); }

 private:
  struct Next {
    Executor* executor;
    std::coroutine_handle<> coroutine;
    void resume() const { executor->post(coroutine); }
  };
  Executor& executor_;
  shared_channel::PendingCall<Reply> call_;
};

struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Task compute(Executor& executor, Squarer::Client& client, std::thread::id home) {
  int value = 2;
  for (int i = 0; i < 3; ++i) {
    const auto reply = co_await on(executor, client.call_async(value, 10s));
    if (!reply) {
      std::puts(reply.error().message().c_str());
      break;
    }
    value = *reply;
    std::printf("%d, %s\n", value, std::this_thread::get_id() == home ? "at home" : "abroad");
  }
  executor.finish();
}

int main() {
  const std::string name = "squarer." + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  Squarer::Server server(name);
  server
      .start([](int value) {
        std::this_thread::sleep_for(5ms);
        return value * value;
      })
      .value();
  Squarer::Client client(name);
  Executor executor;
  compute(executor, client, std::this_thread::get_id());
  executor.run();
}
