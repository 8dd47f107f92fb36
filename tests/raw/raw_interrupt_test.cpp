// Calls whose own thread asks, while it waits, whether to go on.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <thread>

#include "support/errors.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/raw.hpp"
#include "support/time.hpp"

namespace raw_interrupt_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

constexpr std::chrono::nanoseconds forever = (std::chrono::nanoseconds::max)();

// Says yes when it is asked for the `patience`th time, and only ever on the thread that made it.
struct Question {
  int patience = 1;
  int asked = 0;
  bool is_alone = true;
  std::thread::id thread = std::this_thread::get_id();

  CallOptions within(std::chrono::nanoseconds timeout) {
    CallOptions options{timeout};
    options.interrupt = {[](void* self) { return static_cast<Question*>(self)->answer(); }, this};
    return options;
  }
  bool answer() {
    is_alone = is_alone && thread == std::this_thread::get_id();
    return ++asked >= patience;
  }
};

ClientOptions with(WaitPolicy policy) {
  ClientOptions options;
  options.wait = policy;
  return options;
}

// What `call` ends in after the question was asked some times.
template <class Call>
void check_interrupted(Call&& call) {
  for (const int patience : {1, 3}) {
    Question question{patience};
    const Stopwatch watch;
    const auto answer = call(question.within(forever));
    CHECK(watch.elapsed() >= patience * Interrupt::interval);
    CHECK(watch.elapsed() < promptly);
    REQUIRE(error_of(answer) == Errc::cancelled);
    CHECK(answer.error().not_executed());
    CHECK(question.asked == patience);
    CHECK(question.is_alone);
  }
}

}  // namespace

TEST_CASE("raw interrupt: a call that waits for its answer ends when the question says so") {
  for (const WaitPolicy policy : {WaitPolicy(), WaitPolicy::sleep(), WaitPolicy::spin_only(), WaitPolicy{10s}}) {
    const auto name = unique_name("interrupt");
    Channel::Server server(name);
    RawClient client(name, with(policy));
    Answer answer;
    check_interrupted(
        [&](const CallOptions& options) { return client.call(bytes_of(echo(1)), room_of(answer), options); });
    check_interrupted([&](const CallOptions& options) {
      return client.call_in_place([](std::span<std::byte> room) { return room.size(); },
                                  [](std::span<const std::byte>) {}, options);
    });
  }
}

TEST_CASE("raw interrupt: a call whose handler runs may have run") {
  GatedChannel channel;
  RawClient client(channel.name);
  Answer answer;
  CallOptions options{forever};
  options.interrupt.context = &channel.gate.runs;
  options.interrupt.is_wanted = [](void* runs) { return *static_cast<std::atomic<std::uint64_t>*>(runs) != 0; };
  const auto interrupted = client.call(bytes_of(nap(1)), room_of(answer), options);
  REQUIRE(error_of(interrupted) == Errc::cancelled);
  CHECK_FALSE(interrupted.error().not_executed());
}

TEST_CASE("raw interrupt: a call that waits for a slot ends") {
  for (const WaitPolicy policy : {WaitPolicy(), WaitPolicy::sleep()}) {
    GatedChannel channel(1, with(policy));
    RawClient client(channel.name, with(policy));
    const RawDraft draft = client.draft(amply).value();
    Answer answer;
    check_interrupted(
        [&](const CallOptions& options) { return client.call(bytes_of(echo(1)), room_of(answer), options); });
    check_interrupted([&](const CallOptions& options) { return client.call_async(bytes_of(echo(1)), options).get(); });
    check_interrupted([&](const CallOptions& options) { return client.draft(options); });
  }
}

TEST_CASE("raw interrupt: a call that waits for a server ends") {
  ClientOptions options;
  options.wait_for_server = true;
  RawClient client(unique_name("interrupt"), options);
  Answer answer;
  check_interrupted([&](const CallOptions& o) { return client.call(bytes_of(echo(1)), room_of(answer), o); });
  check_interrupted([&](const CallOptions& o) { return client.call_async(bytes_of(echo(1)), o).get(); });
  check_interrupted([&](const CallOptions& o) { return client.wait_for_server(o); });
  check_interrupted([&](const CallOptions& o) { return client.shape(o); });
}

TEST_CASE("raw interrupt: an asynchronous call asks while it is sent, and never again") {
  GatedChannel channel;
  RawClient client(channel.name);
  Question question;
  auto call = client.call_async(bytes_of(nap(1)), question.within(amply));
  CHECK_FALSE(call.wait(3 * Interrupt::interval));
  channel.gate.open();
  CHECK(call.get());
  CHECK(question.asked == 0);
}

TEST_CASE("raw interrupt: a question that says no costs the call nothing but the time, and an answer is an answer") {
  GatedChannel channel;
  RawClient client(channel.name);
  Answer answer;
  Question question{1000000};
  CHECK(client.call(bytes_of(echo(1)), room_of(answer), question.within(amply)).value() == sizeof answer);
  CHECK(question.asked == 0);
  const Stopwatch watch;
  CHECK(error_of(client.call(bytes_of(nap(1)), room_of(answer), question.within(120ms))) == Errc::timed_out);
  CHECK(watch.elapsed() >= 120ms);
  CHECK(question.asked >= 1);
}

}  // namespace raw_interrupt_test
