// Waits for an answer in the program's own loop, as a program with windows or sockets must: the loop ticks on while the
// call is in flight. For brevity the server is a part of the same program.
#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>

#if defined(_WIN32)
#include <windows.h>
#else
#include <poll.h>
#endif

using namespace std::chrono_literals;

struct Question {
  int value;
};
struct Answer {
  int value;
};
using Oracle = shared_channel::SharedChannel<Question, Answer>;
using Handle = shared_channel::PendingCall<Answer>::native_handle_type;

// One turn of the loop: handles what the user does, and returns true once the handle is signalled.
bool turn(Handle answered, std::chrono::milliseconds longest) {
#if defined(_WIN32)
  const DWORD outcome =
      ::MsgWaitForMultipleObjects(1, &answered, FALSE, static_cast<DWORD>(longest.count()), QS_ALLINPUT);
  for (MSG message; ::PeekMessageW(&message, nullptr, 0, 0, PM_REMOVE) != 0;) {
    ::TranslateMessage(&message);
    ::DispatchMessageW(&message);
  }
  return outcome == WAIT_OBJECT_0;
#else
  pollfd ready[] = {{answered, POLLIN, 0}};  // and the sockets
  return ::poll(ready, 1, static_cast<int>(longest.count())) == 1;
#endif
}

int main() {
  const std::string name = "oracle." + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  std::atomic<int> ticks{0};
  Oracle::Server server(name);
  server
      .start([&](const Question& question) {
        ticks.wait(0);  // so long this takes
        return Answer{question.value * 2};
      })
      .value();

  Oracle::Client client(name);
  auto pending = client.call_async({21}, 10s);
  while (!turn(pending.native_handle(), 20ms)) {
    ++ticks;
    ticks.notify_one();
  }
  std::printf(ticks > 0 ? "the loop went on meanwhile\n" : "the loop stood still\n");

  const auto answer = pending.get();
  if (answer)
    std::printf("the answer is %d\n", answer->value);
  else
    std::printf("%s\n", answer.error().message().c_str());
  return answer ? 0 : 1;
}
