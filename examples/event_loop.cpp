// One thread serves three channels from one loop, as a program with windows or sockets must. For brevity the clients
// are a thread of the same program.
#include <shared_channel/shared_channel.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#if defined(_WIN32)
#include <windows.h>
#else
#include <sys/epoll.h>
#include <unistd.h>
#endif

using namespace std::chrono_literals;

struct Numbers {
  int a, b;
};
using Adder = shared_channel::SharedChannel<Numbers, int>;
using Echo = shared_channel::SharedChannel<std::string>;
using Stop = shared_channel::SharedChannel<bool>;
using Handle = Adder::Server::native_handle_type;

#if defined(_WIN32)
/// Waits for the handles and for what the user does.
class Loop {
 public:
  void add(Handle handle) { handles_[count_++] = handle; }

  void wait() {
    ::MsgWaitForMultipleObjects(count_, handles_.data(), FALSE, INFINITE, QS_ALLINPUT);
    for (MSG message; ::PeekMessageW(&message, nullptr, 0, 0, PM_REMOVE) != 0;) {
      ::TranslateMessage(&message);
      ::DispatchMessageW(&message);
    }
  }

 private:
  std::array<HANDLE, 3> handles_{};
  DWORD count_ = 0;
};
#else
/// Waits for the handles, and for whatever else has a descriptor.
class Loop {
 public:
  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() { ::close(loop_); }

  void add(Handle handle) {
    epoll_event event{};
    event.events = EPOLLIN;
    ::epoll_ctl(loop_, EPOLL_CTL_ADD, handle, &event);
  }

  void wait() {
    epoll_event event{};
    ::epoll_wait(loop_, &event, 1, -1);
  }

 private:
  int loop_ = ::epoll_create1(EPOLL_CLOEXEC);
};
#endif

int main() {
  const std::string mark = std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  Adder::Server adder("adder." + mark);
  Echo::Server echo("echo." + mark);
  Stop::Server stop("stop." + mark);

  std::thread asking([&mark] {
    Adder::Client add("adder." + mark);
    Echo::Client say("echo." + mark);
    for (int i = 1; i <= 3; ++i) {
      std::printf("%d + %d = %d\n", i, i, add.call({i, i}, 10s).value());
      std::printf("%s\n", say.call("echo " + std::to_string(i), 10s).value().c_str());
    }
    static_cast<void>(Stop::Client("stop." + mark).call(true, 10s));
  });

  Loop loop;
  loop.add(adder.native_handle());
  loop.add(echo.native_handle());
  loop.add(stop.native_handle());
  int turns = 0, calls = 0;
  for (bool goes_on = true; goes_on; ++turns) {
    loop.wait();
    // One call of each in a turn, so that none holds up the others, nor the rest of the loop. A channel whose handle
    // was not signalled costs a look.
    calls += adder.serve_one([](const Numbers& numbers) { return numbers.a + numbers.b; }, 0ns).value();
    calls += echo.serve_one([](const std::string& text) { return text; }, 0ns).value();
    calls += stop.serve_one([&goes_on](bool wanted) { return goes_on = !wanted, true; }, 0ns).value();
  }
  asking.join();
  std::printf("one thread, three channels, %d calls, %s\n", calls, turns < 1000 ? "asleep in between" : "never asleep");
}
