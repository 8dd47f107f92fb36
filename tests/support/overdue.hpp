// Calls until a handler has the call when its time runs out: on a busy machine that may be over before anybody takes
// it. What is not taken never runs, so the handler sees one call.
#pragma once

#include <chrono>

#include "time.hpp"

namespace test_support {

template <class Client, class Request, class... More>
auto overdue_call(Client& client, const Request& request, std::chrono::nanoseconds timeout, const More&... more) {
  for (const Stopwatch watch;;) {
    auto answer = client.call(request, timeout, more...);
    if (answer || !answer.error().not_executed() || watch.elapsed() > promptly) return answer;
  }
}

}  // namespace test_support
