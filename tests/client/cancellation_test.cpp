// pthread_cancel() of a thread that is in the library: the call goes on to its end, and nothing is lost or terminated.
#ifndef _WIN32
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <pthread.h>

#include <filesystem>
#include <fstream>
#include <string>

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

// Runs `work` on a thread whose cancellation is pending from the start: the first cancellation point that it comes to
// with cancellation enabled would end it. Whether it came to its end.
template <class Work>
bool is_joined_after_cancel(Work work) {
  pthread_t thread{};
  const auto body = [](void* argument) -> void* {
    pthread_cancel(pthread_self());
    (*static_cast<Work*>(argument))();
    return argument;
  };
  void* ended = nullptr;
  return pthread_create(&thread, nullptr, body, &work) == 0 && pthread_join(thread, &ended) == 0 && ended == &work;
}

// What a server leaves that has not yet published its generation: whoever waits for it opens and closes this file again
// and again, and close() is a cancellation point.
class Unpublished {
 public:
  explicit Unpublished(const std::string& channel) : path_("/dev/shm/shared_channel." + channel) {
    std::ofstream(path_) << std::string(4096, '\0');
  }
  Unpublished(const Unpublished&) = delete;
  Unpublished& operator=(const Unpublished&) = delete;
  ~Unpublished() { std::filesystem::remove(path_); }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("client: a thread is cancelled while it waits for a server") {
  const auto name = unique_name("cancelled");
  const Unpublished record(name);
  Channel::Client client(name);
  CHECK(is_joined_after_cancel([&] { static_cast<void>(client.wait_for_server(100ms)); }));
  CHECK(error_of(client.call(nap(1), 1s)) == Errc::no_server);
}

TEST_CASE("client: a thread is cancelled in a call that waits for a server") {
  ClientOptions options;
  options.wait_for_server = true;
  const auto name = unique_name("cancelled");
  const Unpublished record(name);
  Channel::Client client(name, options);
  CHECK(is_joined_after_cancel([&] { static_cast<void>(client.call(nap(1), 100ms)); }));
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
