// A platform in this process, for what only a failing kernel shows: each call of the system can be made to fail, and
// each is counted. SharedChannel runs on it unchanged when its messages say so (PlatformOf).
//
//   fake::World world;                                             // first: everything begins anew
//   kernel().fail(Op::open_signal, "done.0", {Errc::system_error, 24});
//   CHECK(error_of(client.call(fake::Ask{1}, amply)) == Errc::system_error);
//                                                                  // its end checks that nothing is left
#pragma once

#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <shared_channel/shared_channel.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/fake/kernel.hpp"
#include "support/fake/memory.hpp"
#include "support/fake/signal.hpp"

namespace test_support::fake {

struct Owners {
  static Result<void> examine(const Names& names, const shared_channel::ServerUser& server) {
    if (server.kind() == shared_channel::ServerUser::Kind::sid)
      return names.error(Errc::invalid_argument, "the fake system has no SIDs");
    return {};
  }
  static bool is_mine_or_system(const std::string& user) { return user == "me" || user == "system"; }
  static bool is_named(const shared_channel::ServerUser& server, const std::string& user) {
    return user == std::to_string(server.uid());
  }
  static std::string naming(const std::string& user) { return "ServerUser::uid(" + user + ")"; }
};

class ForkMark {
 public:
  bool in_child() const noexcept { return kernel().is_child; }
};

struct NoCancellation {
  NoCancellation() noexcept {}
  ~NoCancellation() {}
};

// A thread that may not start: with its code out_of_memory for want of memory, else for want of threads.
class Thread : public std::thread {
 public:
  Thread() = default;
  template <class Body>
  explicit Thread(Body&& body) : std::thread(start(std::forward<Body>(body))) {}

 private:
  template <class Body>
  static std::thread start(Body&& body) {
    if (const auto failure = kernel().enter(Op::start_thread)) {
      if (failure->code == Errc::out_of_memory) throw std::bad_alloc();
      throw std::system_error(failure->native, std::generic_category());
    }
    return std::thread([body = std::forward<Body>(body), living = Living<Kind::thread>()]() mutable { body(); });
  }
};

struct Platform {
  using Mapping = fake::Mapping;
  using Admission = shared_channel::Access;
  using ServerLease = fake::ServerLease;
  using ClientLease = fake::ClientLease;
  using Beacon = fake::Beacon;
  using Watch = fake::Watch;
  using Signal = fake::Signal;
  using ClientMutex = fake::ClientMutex;
  using WaitSet = fake::WaitSet;
  using Notifier = fake::Notifier;
  using Owners = fake::Owners;
  using ForkMark = fake::ForkMark;
  using NoCancellation = fake::NoCancellation;
  using NoSignals = fake::NoCancellation;
  using ForkPause = fake::NoCancellation;
  using Mutex = std::mutex;
  using Thread = fake::Thread;
  static std::uint32_t process_id() noexcept { return 4711; }
  static std::uint32_t thread_number() noexcept { return shared_channel::detail::NativePlatform::thread_number(); }
  static std::uint64_t process_birth() noexcept { return 0; }
  static std::uint64_t random_number() noexcept { return kernel().next_random++; }
  static std::uint64_t clock_id() noexcept { return kernel().clock; }
  static std::string user_of(std::uint32_t process) { return "user of " + std::to_string(process); }
  static bool waits_in_vain() noexcept { return false; }
  static bool is_shutting_down() noexcept { return false; }
  static void rest(nanoseconds time) noexcept {
    kernel().enter(Op::rest);
    std::this_thread::sleep_for(time);
  }
};

// Begins anew, and at its end checks that nothing is left. First in its test, so that it goes last.
class World {
 public:
  World() { kernel().start_anew(); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() {
    eventually([] { return kernel().leftovers().empty(); });  // threads may need a moment
    CHECK(kernel().leftovers() == "");
  }
};

// What a test may ask a handler to do.
struct Ask {
  std::uint32_t id = 0;
  std::uint32_t hold = 0;  // until the Handler lets go
};
struct Answer {
  std::uint32_t id = 0;
};

}  // namespace test_support::fake

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {
template <>
struct PlatformOf<test_support::fake::Ask> {
  using Type = test_support::fake::Platform;
};
template <>
struct PlatformOf<test_support::fake::Answer> {
  using Type = test_support::fake::Platform;
};
}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail

namespace test_support::fake {

using Channel = shared_channel::SharedChannel<Ask, Answer>;

// Answers, counts its runs, and holds calls that ask for it.
class Handler {
 public:
  ~Handler() { let_go(); }
  Answer operator()(const Ask& ask) {
    ++runs;
    if (ask.hold != 0) wait_for(is_open);
    return {ask.id};
  }
  void let_go() { is_open = true; }
  // Whether it has been called so often before a busy machine would have got there.
  bool is_called(std::uint32_t times = 1) {
    return eventually([&] { return runs >= times; });
  }

  std::atomic<std::uint32_t> runs{0};
  std::atomic<bool> is_open{false};
};

// What the server of a name has made, to look at and to damage.
class Objects {
 public:
  explicit Objects(const std::string& name) : names_(Names::make(name, shared_channel::Scope::session).value()) {
    record_ = kernel().find(names_.rendezvous());
    generation_ = record().announced;
    page_ = kernel().find(names_.server_page(generation_));
    segment_ = kernel().find(names_.segment(generation_));
  }

  const Names& names() const { return names_; }
  std::uint64_t generation() const { return generation_; }
  Rendezvous& record() const { return *reinterpret_cast<Rendezvous*>(record_->data()); }
  ServerPage& page() const { return *reinterpret_cast<ServerPage*>(page_->data()); }
  Header& header() const { return *reinterpret_cast<Header*>(segment_->data()); }
  Slot& slot(std::uint32_t index) const {
    const Identity& identity = page().identity;
    return SlotArray(segment_->data(), identity.shape, identity.slot_count)[index];
  }
  Memory& segment() const { return *segment_; }
  Memory& page_memory() const { return *page_; }
  Memory& record_memory() const { return *record_; }

  // Ends the server's process, as its clients and its successor see it. Its threads, if it has any, straggle on.
  void kill() const {
    page().alive = died;
    kernel().end_holder(names_.rendezvous());
    kernel().wake(page().alive, Kernel::everyone);
  }

 private:
  Names names_;
  std::shared_ptr<Memory> record_, page_, segment_;
  std::uint64_t generation_;
};

inline constexpr shared_channel::WaitPolicy asleep{std::chrono::nanoseconds(0)};
inline constexpr shared_channel::WaitPolicy spinning{(std::chrono::nanoseconds::max)()};

}  // namespace test_support::fake
