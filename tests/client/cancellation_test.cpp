// pthread_cancel() of a thread that is in the library: the call goes on to its end, and nothing is lost or terminated.
#ifndef _WIN32
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <pthread.h>

#include <thread>

#include "support/errors.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace cancellation_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

// Runs `work` on a thread that is cancelled while it is there. Whether that thread came to its end.
template <class Work>
bool is_joined_after_cancel(Work work) {
  pthread_t thread{};
  const auto body = [](void* argument) -> void* {
    (*static_cast<Work*>(argument))();
    return nullptr;
  };
  if (pthread_create(&thread, nullptr, body, &work) != 0) return false;
  std::this_thread::sleep_for(100ms);
  return pthread_cancel(thread) == 0 && pthread_join(thread, nullptr) == 0;
}

}  // namespace

TEST_CASE("client: a thread is cancelled while it waits for a server") {
  Channel::Client client(unique_name("cancelled"));
  CHECK(is_joined_after_cancel([&] { static_cast<void>(client.wait_for_server(300ms)); }));
  CHECK(error_of(client.call(nap(1), 1s)) == Errc::no_server);
}

TEST_CASE("client: a thread is cancelled in a call that waits for a server") {
  ClientOptions options;
  options.wait_for_server = true;
  Channel::Client client(unique_name("cancelled"), options);
  CHECK(is_joined_after_cancel([&] { static_cast<void>(client.call(nap(1), 300ms)); }));
  CHECK(error_of(client.call(nap(1), 10ms)) == Errc::no_server);
}

TEST_CASE("client: a thread is cancelled while it waits for its reply") {
  GatedChannel channel;
  CHECK(is_joined_after_cancel([&] { static_cast<void>(channel.client.call(nap(1), 300ms)); }));
  channel.gate.open();
  CHECK_FALSE(error_of(channel.client.call(nap(1), amply)));
}

}  // namespace cancellation_test
#endif
