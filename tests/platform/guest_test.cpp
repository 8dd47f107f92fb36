// A guest in somebody's process: what programs do to descriptors, threads and memory that are not theirs.
#ifdef __linux__
#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>

#include "support/errors.hpp"
#include "support/footprint.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/process.hpp"
#include "support/seam.hpp"
#include "support/time.hpp"

namespace guest_test {

using namespace std::chrono_literals;
using namespace test_support;
using namespace shared_channel::detail::platform;
using shared_channel::Errc;

namespace {

/// What runs in a thread that is cancelled after a while.
template <class Work>
bool is_cancelled_in(Work work) {
  pthread_t thread{};
  ::pthread_create(
      &thread, nullptr,
      [](void* argument) -> void* {
        (*static_cast<Work*>(argument))();
        return nullptr;
      },
      &work);
  std::this_thread::sleep_for(100ms);
  ::pthread_cancel(thread);
  void* result = nullptr;
  ::pthread_join(thread, &result);
  return result == PTHREAD_CANCELED;
}

/// Keeps everybody else from a core for a while, where the system lets us; the caller stays on another.
class Hog {
 public:
  Hog(unsigned core, unsigned other) {
    ::sched_getaffinity(0, sizeof before_, &before_);
    pin(other);
    thread_ = std::thread([this, core] {
      pin(core);
      sched_param urgent{};
      urgent.sched_priority = 10;
      ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &urgent);
      const Stopwatch watch;
      has_begun_ = true;
      while (watch.elapsed() < 60ms) {
      }
    });
    while (!has_begun_) std::this_thread::yield();
  }
  ~Hog() {
    thread_.join();
    ::sched_setaffinity(0, sizeof before_, &before_);
  }

 private:
  static void pin(unsigned core) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }

  cpu_set_t before_{};
  std::atomic<bool> has_begun_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("guest: no descriptor below 3 is kept") {
  const int kept = ::fcntl(0, F_DUPFD_CLOEXEC, 100);
  ::close(0);
  const Descriptor descriptor([] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); });
  const int number = descriptor.get();
  const int flags = ::fcntl(number, F_GETFD);
  const bool is_free = ::fcntl(0, F_GETFD) < 0;
  ::dup2(kept, 0);
  ::close(kept);
  CHECK(number >= 3);
  CHECK((flags & FD_CLOEXEC) != 0);
  CHECK(is_free);
}

TEST_CASE("guest: a foreign file under our descriptor's number is not closed") {
  const int foreign = ::open("/dev/zero", O_RDWR | O_CLOEXEC);
  int number = -1;
  {
    const Descriptor descriptor([] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); });
    number = descriptor.get();
    CHECK(descriptor.is_ours());
    ::dup2(foreign, number);
    CHECK_FALSE(descriptor.is_ours());
  }
  CHECK(::fcntl(number, F_GETFD) >= 0);
  ::close(number);
  ::close(foreign);
}

TEST_CASE("guest: with a foreign file under the segment's number nobody is found dead") {
  const auto segment = Segment::create(unique_name("guest"));
  const auto other = Segment::open(segment.names().channel());
  const auto held = other.take_lease(7);
  REQUIRE(held);
  const auto view = ClientLease::view(segment.names(), Segment::generation, segment.mapping());
  CHECK(view.is_held(7));
  CHECK_FALSE(view.is_held(8));
  const int number = segment.mapping().descriptor();
  const int ours = ::fcntl(number, F_DUPFD_CLOEXEC, 3);
  const std::string log = "/dev/shm/" + unique_name("guest-log");
  const int foreign = ::open(log.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ::unlink(log.c_str());
  ::dup2(foreign, number);
  CHECK(view.is_held(7));
  CHECK(view.is_held(8));
  ::dup2(ours, number);
  CHECK_FALSE(view.is_held(8));
  ::close(ours);
  ::close(foreign);
  segment.remove();
}

TEST_CASE("guest: a lease outlives the program's closing of its descriptor") {
  const auto segment = Segment::create(unique_name("guest"));
  const auto other = Segment::open(segment.names().channel());
  const auto held = other.take_lease(7);
  REQUIRE(held);
  ::close(other.mapping().descriptor());
  const auto view = ClientLease::view(segment.names(), Segment::generation, segment.mapping());
  CHECK(view.is_held(7));
  segment.remove();
}

TEST_CASE("guest: a thread that waits for a server is not cancelled in the middle") {
  const auto name = unique_name("guest");
  static Channel::Client* client = nullptr;
  Channel::Client mine(name);
  client = &mine;
  bool has_returned = false;
  CHECK_FALSE(is_cancelled_in([&] {
    CHECK_FALSE(client->wait_for_server(300ms));
    has_returned = true;
  }));
  CHECK(has_returned);
}

TEST_CASE("guest: a thread that asks whether to go on is not cancelled in the question") {
  const auto name = unique_name("guest");
  const Channel::Server server(name);
  static shared_channel::RawClient* client = nullptr;
  shared_channel::RawClient mine(name);
  client = &mine;
  bool has_returned = false;
  CHECK_FALSE(is_cancelled_in([&] {
    shared_channel::CallOptions options;
    options.timeout = 400ms;
    options.interrupt = {[](void*) { return ::usleep(1) != 0; }, nullptr};  // where a cancellation takes effect
    const auto answer = client->call_in_place([](std::span<std::byte>) { return sizeof(Ask); },
                                              [](std::span<const std::byte>) {}, options);
    has_returned = error_of(answer) == Errc::timed_out;
  }));
  CHECK(has_returned);
}

TEST_CASE("guest: random numbers differ without the kernel's help") {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(linux_random::from_circumstances());
  CHECK(seen.size() == 1000);
}

TEST_CASE("guest: a wait ends at its deadline while a peer changes the word all the time") {
  shared_channel::detail::Word word{0};
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    while (!stop) word.fetch_add(1);
  });
  const Stopwatch watch;
  shared_channel::detail::Deadline deadline(20ms);
  while (linux_futex::wait(word, 0, deadline) != Wake::timed_out) {
  }
  CHECK(watch.elapsed() < promptly);
  stop = true;
  changer.join();
}

TEST_CASE("guest: a channel longer than files may be is an error and leaves nothing") {
  const auto name = unique_name("guest");
  const Footprint before(name);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  rlimit small = limit;
  small.rlim_cur = 1 << 16;
  ::setrlimit(RLIMIT_FSIZE, &small);
  const auto server = BlockChannel::Server::create(name);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  CHECK(error_of(server) == Errc::out_of_memory);
  CHECK(Footprint(name) == before);
}

// On kernels that interrupt a tmpfs in the middle; newer ones do so only for a signal that kills (see
// sandbox_test.cpp).
TEST_CASE("guest: a storm of signals does not keep a channel from being made") {
  struct sigaction nothing {};
  struct sigaction before {};
  nothing.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &nothing, &before);
#if defined(__SANITIZE_THREAD__)
  constexpr int microseconds = 50;  // its own way to a handler takes longer than five
#else
  constexpr int microseconds = 5;
#endif
  const itimerval often{{0, microseconds}, {0, microseconds}};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  const Stopwatch watch;
  shared_channel::ServerOptions options;
  options.max_calls = 32;
  const auto server = BlockChannel::Server::create(unique_name("guest"), options);
  const auto elapsed = watch.elapsed();
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  CHECK(server);
  CHECK(elapsed < 60s);
}

TEST_CASE("guest: a death is noticed although the memory is taken before the threads have ended") {
  cpu_set_t cores;
  ::sched_getaffinity(0, sizeof cores, &cores);
  std::vector<unsigned> usable;
  for (unsigned i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &cores)) usable.push_back(i);
  }
  if (usable.size() < 2) SKIP_TEST("one core");
  int reaped = 0;
  for (int i = 0; i < 8; ++i) {
    const auto name = unique_name("guest");
    Process server = peer("serve_heavy", name, std::to_string(usable.back()));
    REQUIRE(server.read_line() == "ready");
    Channel::Client client(name);
    REQUIRE(client.call(echo(1), 5s));
    const auto pid = static_cast<pid_t>(server.pid());
    const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    {
      const Hog hog(usable.back(), usable.front());  // the server's threads cannot end meanwhile
      server.kill();
      constexpr long process_mrelease = 448;
      if (::syscall(process_mrelease, handle, 0) == 0) ++reaped;
    }
    ::close(handle);
    server.wait();
    const auto answer = client.call(echo(2), 500ms);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code() != Errc::timed_out);
  }
  if (reaped == 0) SKIP_TEST("this kernel took no memory in time");
}

}  // namespace guest_test
#endif
