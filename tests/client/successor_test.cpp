// A server that is gone although its liveness word is lit: its clients find the next one after one call that it left
// without an answer.
#include "support/catch.hpp"

#ifdef __linux__  // Win32 tells a server's end by kernel objects that no stray word can change

#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/gate.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace successor_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

// A channel whose first server is gone, unnoticed, and whose second one serves.
struct Succession {
  explicit Succession(bool is_occupied = false) {
    ServerOptions options;
    options.max_calls = 1;
    first.emplace(name, options);
    first->start(std::ref(gate)).value();
    CHECK_FALSE(error_of(client.call(echo(1), amply)));
    if (is_occupied) slot = other.draft(amply).value();
    old.emplace(name);
    const auto lit = old->page().alive.load();
    first.reset();
    old->page().alive.store(lit);
    old->page().service.store(detail::service_open);
    second.emplace(name);
    second->start(std::ref(gate)).value();
  }

  // Whether the second call waits in the only slot of the server that is gone.
  [[nodiscard]] bool is_posted() const {
    return eventually([&] { return detail::load_request(old->slot_array()[0]).is(detail::Phase::posted, 2); });
  }

  std::string name = unique_name("successor");
  Gate gate;
  std::optional<Channel::Server> first;
  std::optional<Channel::Server> second;
  Channel::Client client{name};
  RawClient other{name};
  std::optional<RawDraft> slot;
  std::optional<faults::LiveSegment> old;
};

}  // namespace

TEST_CASE("successor: after a call that timed out a client leaves a server that has one") {
  Succession channel;
  CHECK(error_of(channel.client.call(echo(2), 50ms)) == Errc::timed_out);
  const auto reply = channel.client.call(echo(3), amply);
  CHECK(reply.value().id == 3);
}

TEST_CASE("successor: after an asynchronous call that timed out a client leaves a server that has one") {
  Succession channel;
  CHECK(error_of(channel.client.call_async(echo(2), 50ms).get()) == Errc::timed_out);
  CHECK(channel.client.call_async(echo(3), amply).get().value().id == 3);
}

TEST_CASE("successor: after a call that found all slots occupied a client leaves a server that has one") {
  Succession channel(true);
  CHECK(error_of(channel.client.call(echo(2), 50ms)) == Errc::busy);
  CHECK(channel.client.call(echo(3), amply).value().id == 3);
}

TEST_CASE("successor: after a call that was cancelled a client leaves a server that has one") {
  Succession channel;
  std::stop_source given_up;
  std::jthread soon([&] {
    static_cast<void>(channel.is_posted());
    given_up.request_stop();
  });
  CHECK(error_of(channel.client.call(echo(2), amply, given_up.get_token())) == Errc::cancelled);
  CHECK(channel.client.call(echo(3), amply).value().id == 3);
}

TEST_CASE("successor: after an asynchronous call that was cancelled a client leaves a server that has one") {
  Succession channel;
  auto call = channel.client.call_async(echo(2), amply);
  CHECK(channel.is_posted());
  call.cancel();
  CHECK(error_of(call.get()) == Errc::cancelled);
  CHECK(channel.client.call_async(echo(3), amply).get().value().id == 3);
}

}  // namespace successor_test

#endif
