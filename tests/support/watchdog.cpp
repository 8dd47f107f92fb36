#include "watchdog.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "process.hpp"

namespace test_support {

Watchdog::Watchdog(std::string what, std::chrono::seconds limit)
    : what_(std::move(what)), limit_(limit), thread_([this] { watch(); }) {
  // A starting thread may hold descriptors, which tests count: UBSan looks at an object's type through a pipe.
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return watching_; });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  watching_ = true;
  changed_.notify_one();
  if (changed_.wait_for(lock, limit_, [this] { return over_; })) return;
  std::fprintf(stderr, "watchdog: \"%s\" is not over after %lld s\n", what_.c_str(),
               static_cast<long long>(limit_.count()));
  std::fflush(nullptr);
  Process::kill_all();
  std::abort();
}

}  // namespace test_support
