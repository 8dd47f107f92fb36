// One stray word costs the calls in flight at most: the server mends its own words, and clients come back.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#ifdef __linux__
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "faults/job.hpp"
#include "faults/segment.hpp"
#include "support/asleep.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace damage_faults {

using namespace faults;
using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

enum class Place { record, page, segment };

/// Neighbours that are overwritten together.
struct Target {
  Place place;
  std::size_t offset;
  std::size_t words;
};

/// Every word that has a meaning, and all others between them at once.
std::vector<Target> targets() {
  std::vector<Target> all;
  const auto each = [&](Place place, std::size_t from, std::size_t to) {
    for (std::size_t at = from; at < to; at += 4) all.push_back({place, at, 1});
  };
  const auto together = [&](Place place, std::size_t from, std::size_t to) {
    all.push_back({place, from, (to - from) / 4});
  };
  using detail::Header, detail::ServerPage;
  each(Place::record, 0, sizeof(detail::Rendezvous));
  each(Place::page, 0, sizeof(detail::Identity));
  together(Place::page, sizeof(detail::Identity), offsetof(ServerPage, service));
  each(Place::page, offsetof(ServerPage, service), offsetof(ServerPage, alive) + 4);
  for (const std::size_t description : {offsetof(ServerPage, request), offsetof(ServerPage, reply)}) {
    each(Place::page, description, description + 8);
    together(Place::page, description + 8, description + sizeof(detail::Description));
  }
  each(Place::segment, 0, sizeof(detail::SegmentMark));
  together(Place::segment, sizeof(detail::SegmentMark), offsetof(Header, exec));
  each(Place::segment, offsetof(Header, exec), offsetof(Header, high_water) + 4);
  together(Place::segment, offsetof(Header, high_water) + 4, offsetof(Header, client_mutex));
  each(Place::segment, offsetof(Header, client_mutex), offsetof(Header, slot_freed) + sizeof(detail::SlotFreed));
  together(Place::segment, offsetof(Header, slot_freed) + sizeof(detail::SlotFreed), offsetof(Header, next_client));
  each(Place::segment, offsetof(Header, next_client), offsetof(Header, next_client) + 4);
  together(Place::segment, offsetof(Header, next_client) + 4, sizeof(Header));
  return all;
}

/// A server with two clients that call all the time, and room for two calls.
class Service {
 public:
  explicit Service(std::chrono::microseconds pause)
      : channel_(unique_name("damage")), server_(channel_, options()), pause_(pause) {
    server_.start([](const Job& job) { return answer_to(job); }).value();
    names_.emplace(detail::Names::make(channel_, Scope::session).value());
    for (Caller& caller : callers_) caller.thread = std::thread([this, &caller] { call_on(caller); });
  }
  ~Service() {
    is_over_ = true;
    for (Caller& caller : callers_) caller.thread.join();
  }

  /// Overwrites the words, and answers how long it took until everybody was served again; nothing: too long.
  std::optional<std::chrono::nanoseconds> survive(const Target& target, int kind) {
    if (!eventually([&] { return is_served(); })) return {};
    overwrite(target, kind);
    const Stopwatch watch;
    const std::uint64_t before[] = {callers_[0].answered, callers_[1].answered};
    std::this_thread::sleep_for(20ms);  // until the damage has been met
    const auto is_well = [&] {
      return is_served() && callers_[0].answered > before[0] + 3 && callers_[1].answered > before[1] + 3;
    };
    if (!eventually(is_well)) return {};
    return watch.elapsed();
  }

  [[nodiscard]] std::uint64_t failed() const { return callers_[0].failed + callers_[1].failed; }
  [[nodiscard]] std::uint64_t answered() const { return callers_[0].answered + callers_[1].answered; }

 private:
  struct Caller {
    std::atomic<std::uint64_t> answered{0}, failed{0};
    std::thread thread;
  };

  static ServerOptions options() {
    ServerOptions options;
    options.max_calls = 2;
    return options;
  }

  void call_on(Caller& caller) {
    Jobs::Client client(channel_);
    for (std::uint64_t id = 1; !is_over_; ++id) {
      const auto answer = client.call({id, 0, 0}, 200ms);
      if (answer && !is_answer(*answer, id)) std::abort();  // whatever was damaged: no wrong answer
      ++(answer ? caller.answered : caller.failed);
      std::this_thread::sleep_for(answer ? pause_ : 5ms);
    }
  }

  /// Asks as a client that was not there before.
  [[nodiscard]] bool is_served() const { return Jobs::Client(channel_).call({7, 0, 0}, 200ms).has_value(); }

  void overwrite(const Target& target, int kind) const {
    const std::string object = target.place == Place::record ? names_->rendezvous()
                               : target.place == Place::page ? names_->server_page(generation())
                                                             : names_->segment(generation());
    const auto mapping = detail::platform::Mapping::open(*names_, object).value();
    auto* const words = reinterpret_cast<detail::Word*>(mapping.data() + target.offset);
    for (std::size_t i = 0; i < target.words; ++i) words[i] = kind == 0 ? 0 : kind == 1 ? ~0u : words[i] + 1;
  }
  [[nodiscard]] std::uint64_t generation() const {
    return detail::platform::ServerLease::current_generation(*names_).value().generation;
  }

  std::string channel_;
  Jobs::Server server_;
  std::chrono::microseconds pause_;
  std::optional<detail::Names> names_;
  std::atomic<bool> is_over_{false};
  Caller callers_[2];
};

const char* name_of(Place place) {
  return place == Place::record ? "record" : place == Place::page ? "page" : "segment";
}

}  // namespace

TEST_CASE("damage: a stray word is mended while the server serves") {
  constexpr int kinds = 3;  // 0, ones, one more than it was
  constexpr std::size_t at_once = 16;
  const std::vector<Target> all = targets();
  std::atomic<std::size_t> next{0}, late{0};
  std::atomic<std::uint64_t> answered{0}, failed{0};
  std::atomic<std::int64_t> slowest{0};
  std::mutex telling;
  std::vector<std::string> broken;
  {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < at_once; ++i) {
      threads.emplace_back([&, i] {
        Service service(i % 2 == 0 ? 100us : 5000us);
        for (std::size_t trial; (trial = next++) < all.size() * kinds;) {
          const Target& target = all[trial / kinds];
          const auto took = service.survive(target, static_cast<int>(trial % kinds));
          if (took) {
            if (*took > 3s) ++late;
            for (auto seen = slowest.load();
                 seen < took->count() && !slowest.compare_exchange_weak(seen, took->count());) {
            }
            continue;
          }
          const std::lock_guard lock(telling);
          broken.push_back(std::string(name_of(target.place)) + " @" + std::to_string(target.offset) + " kind " +
                           std::to_string(trial % kinds));
        }
        answered += service.answered();
        failed += service.failed();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  std::printf(
      "damage: %zu trials, %zu of them mended after more than 3 s, the slowest after %.2f s; %llu calls answered, "
      "%llu failed\n",
      all.size() * kinds, late.load(), static_cast<double>(slowest) / 1e9, static_cast<unsigned long long>(answered),
      static_cast<unsigned long long>(failed));
  for (const std::string& what : broken) UNSCOPED_INFO(what);
  CHECK(broken.empty());
  CHECK(late <= all.size() / 10);  // a busy machine may be late
}

TEST_CASE("damage: a counter that gives a dead client's number does not cost the slot that it left behind") {
  const auto channel = unique_name("damage");
  ServerOptions options;
  options.max_calls = 1;
  Jobs::Server server(channel, options);
  server.start([](const Job& job) { return answer_to(job); }).value();
  const LiveSegment segment(channel);
  constexpr std::uint32_t dead = 5;
  segment.slot_array()[0].owner = dead;
  segment.header().next_client = dead - 1;
  Jobs::Client client(channel);
  CHECK(client.call({7, 0, 0}, amply));
  CHECK(Jobs::Client(channel).call({9, 0, 0}, amply));
}

TEST_CASE("damage: a client mutex that names a client which lives and does not know is free again") {
  const auto channel = unique_name("damage");
  Jobs::Server server(channel);
  server.start([](const Job& job) { return answer_to(job); }).value();
  const LiveSegment segment(channel);
  Jobs::Client client(channel);
  CHECK(client.call({1, 0, 0}, amply));
  const std::uint32_t living = segment.header().next_client;
  for (const std::uint32_t word : {living, living | 0x8000'0000}) {
    segment.header().client_mutex = word;
    CHECK(eventually([&] { return segment.header().client_mutex == 0; }));
  }
}

TEST_CASE("damage: an idle server whose words were changed is found again") {
  const auto channel = unique_name("damaged-idle");
  Jobs::Server server(channel);
  CHECK_FALSE(error_of(server.start([](const Job& job) { return answer_to(job); })));
  CHECK(Jobs::Client(channel).call({1, 0, 0}, amply));
  const LiveSegment segment(channel);
  REQUIRE(eventually([&] { return segment.header().exec.sleepers != 0; }));
  segment.page().alive = 0;
  segment.page().service = detail::service_stopped;
  segment.header().mark.magic = 1;
  segment.header().exec.sleepers = 0;
  segment.header().high_water = 0;
  ClientOptions patient;
  patient.wait_for_server = true;
  Jobs::Client client(channel, patient);
  CHECK(client.call({2, 0, 0}, amply));
}

#ifdef __linux__

TEST_CASE("damage: a program that locks the numbers of all clients keeps newcomers out, and no longer than it lives") {
  const auto channel = unique_name("damage");
  Jobs::Server server(channel);
  server.start([](const Job& job) { return answer_to(job); }).value();
  Jobs::Client attached(channel);
  CHECK(attached.call({1, 0, 0}, amply));
  const auto names = detail::Names::make(channel, Scope::session).value();
  const auto generation = detail::platform::ServerLease::current_generation(names).value().generation;
  const int file = ::open(("/dev/shm/" + names.segment(generation)).c_str(), O_RDWR | O_CLOEXEC);
  struct flock all {};
  all.l_type = F_RDLCK;
  all.l_start = detail::platform::ClientLease::last / 2;
  REQUIRE(::fcntl(file, F_OFD_SETLK, &all) == 0);
  LiveSegment(channel).header().next_client = detail::platform::ClientLease::last / 2;
  Jobs::Client newcomer(channel);
  const auto refused = newcomer.call({2, 0, 0}, amply);
  CHECK(error_of(refused) == Errc::corrupt);
  CHECK(refused.error().message().find("has locked all numbers") != std::string::npos);
  CHECK(attached.call({3, 0, 0}, amply));
  ::close(file);
  CHECK(newcomer.call({4, 0, 0}, amply));
}

TEST_CASE("damage: a record that was removed is made anew") {
  const auto channel = unique_name("removed-record");
  Jobs::Server server(channel);
  CHECK_FALSE(error_of(server.start([](const Job& job) { return answer_to(job); })));
  Jobs::Client attached(channel);
  CHECK(attached.call({1, 0, 0}, amply));
  const std::string record = "/shared_channel." + channel;
  for (int round = 0; round < 2; ++round) {
    REQUIRE(::shm_unlink(record.c_str()) == 0);
    CHECK(error_of(Jobs::Client(channel).call({2, 0, 0}, 1ms)) == Errc::no_server);
    CHECK(eventually([&] { return Jobs::Client(channel).call({3, 0, 0}, 200ms).has_value(); }));
    CHECK(attached.call({4, 0, 0}, amply));
    CHECK(error_of(Jobs::Server::create(channel)) == Errc::name_in_use);
  }
}

namespace {

std::string path_of(const std::string& object) { return "/dev/shm/" + object; }

enum class Loss { removed, renamed };

/// What somebody of the server's user may do to its files; what was renamed is gone with this object.
class Thief {
 public:
  void take(const std::string& object, Loss how) {
    const std::string path = path_of(object);
    if (how == Loss::removed) {
      REQUIRE(::unlink(path.c_str()) == 0);
    } else {
      elsewhere_.push_back(path_of(unique_name("stolen")));
      REQUIRE(::rename(path.c_str(), elsewhere_.back().c_str()) == 0);
    }
  }
  Thief() = default;
  Thief(const Thief&) = delete;
  Thief& operator=(const Thief&) = delete;
  ~Thief() {
    for (const std::string& path : elsewhere_) ::unlink(path.c_str());
  }

 private:
  std::vector<std::string> elsewhere_;
};

/// A program that makes its server anew whenever serve() says that its files are gone.
class Renewing {
 public:
  explicit Renewing(std::string channel)
      : channel_(std::move(channel)), names_(detail::Names::make(channel_, Scope::session).value()) {
    thread_ = std::thread([this] { serve(); });
  }
  ~Renewing() {
    is_over_ = true;
    // It stops with a call: its handler knows that it is over.
    while (!has_ended_) static_cast<void>(Jobs::Client(channel_).call({1, 0, 0}, 50ms));
    thread_.join();
  }
  [[nodiscard]] const detail::Names& names() const { return names_; }
  [[nodiscard]] std::uint64_t generation() const {
    return detail::platform::ServerLease::current_generation(names_).value().generation;
  }
  [[nodiscard]] int renewals() const { return renewals_; }
  std::atomic<int> others{0};  // ends of serve() that are none of those

 private:
  void serve() {
    while (!is_over_) {
      auto server = Jobs::Server::create(channel_);
      if (!server) {
        std::this_thread::sleep_for(1ms);
        continue;
      }
      const auto ended = server->serve([&](const Job& job) {
        if (is_over_) server->stop();
        return answer_to(job);
      });
      if (error_of(ended) == Errc::server_stopped)
        ++renewals_;
      else if (!is_over_)
        ++others;
    }
    has_ended_ = true;
  }

  std::string channel_;
  detail::Names names_;
  std::atomic<bool> is_over_{false}, has_ended_{false};
  std::atomic<int> renewals_{0};
  std::thread thread_;
};

}  // namespace

TEST_CASE("damage: a lock that was removed or renamed is taken again") {
  const auto channel = unique_name("lost-lock");
  Jobs::Server server(channel);
  CHECK_FALSE(error_of(server.start([](const Job& job) { return answer_to(job); })));
  Jobs::Client client(channel);
  const std::string lock = "shared_channel." + channel + ":server";
  Thief thief;
  for (const Loss how : {Loss::removed, Loss::renamed, Loss::removed}) {
    CHECK(client.call({1, 0, 0}, amply));
    thief.take(lock, how);
    CHECK(eventually([&] { return ::access(path_of(lock).c_str(), F_OK) == 0; }));
    CHECK(eventually([&] { return error_of(Jobs::Server::create(channel)) == Errc::name_in_use; }));
    CHECK(client.call({2, 0, 0}, amply));
  }
}

TEST_CASE("damage: one worker looks after the words while another is in a long handler") {
  const auto channel = unique_name("long-handler");
  std::atomic<bool> is_in{false}, is_over{false};
  ServerOptions two;
  two.threads = 2;
  two.wait = WaitPolicy::sleep();
  Jobs::Server server(channel, two);
  CHECK_FALSE(error_of(server.start([&](const Job& job) {
    if (job.id == 1) {
      is_in = true;
      while (!is_over) std::this_thread::sleep_for(1ms);
    }
    return answer_to(job);
  })));
  std::this_thread::sleep_for(100ms);  // so that both sleep, and the one that did so first takes the call
  Jobs::Client client(channel);
  auto held = client.call_async({1, 0, 0}, amply);
  REQUIRE(eventually([&] { return is_in.load(); }));
  const Stopwatch watch;
  Thief().take("shared_channel." + channel, Loss::removed);  // now nobody finds the other worker, to wake it
  CHECK(eventually([&] { return Jobs::Client(channel).call({2, 0, 0}, 200ms).has_value(); }));
  std::printf("damage: a record came back beside a long handler after %.2f s\n",
              1e-9 * static_cast<double>(watch.elapsed().count()));
  CHECK(watch.elapsed() < promptly);
  is_over = true;
  CHECK(held.get());
}

TEST_CASE("damage: a server whose name another has taken stops, and says why") {
  const auto channel = unique_name("taken-name");
  Jobs::Server server(channel);
  Result<void> ended;
  std::thread serving([&] { ended = server.serve([](const Job& job) { return answer_to(job); }); });
  Jobs::Client client(channel);
  CHECK(eventually([&] { return client.call({1, 0, 0}, 200ms).has_value(); }));
  Thief().take("shared_channel." + channel + ":server", Loss::removed);
  auto next = Jobs::Server::create(channel);
  serving.join();
  CHECK(error_of(ended) == Errc::server_stopped);
  if (!next) next = Jobs::Server::create(channel);  // the first was faster, but cannot keep a name that it has lost
  REQUIRE(next);
  CHECK_FALSE(error_of(next->start([](const Job& job) { return answer_to(job); })));
  CHECK(eventually([&] { return client.call({2, 0, 0}, 200ms).has_value(); }));
  CHECK(Jobs::Client(channel).call({3, 0, 0}, amply));
}

TEST_CASE("damage: a server whose page or segment was removed or renamed ends, and its process makes it anew") {
  Renewing service(unique_name("lost-memory"));
  const detail::Names& names = service.names();
  ClientOptions patient;
  patient.wait_for_server = true;
  Jobs::Client attached(names.channel(), patient);
  CHECK(attached.call({1, 0, 0}, amply));
  Thief thief;
  double slowest = 0;
  int losses = 0;
  const auto lose = [&](const std::vector<std::string>& objects, Loss how) {
    INFO(objects.front() << (how == Loss::removed ? " removed" : " renamed"));
    for (const std::string& object : objects) thief.take(object, how);
    const Stopwatch watch;
    ++losses;
    CHECK(eventually([&] { return service.renewals() == losses; }));
    CHECK(Jobs::Client(names.channel(), patient).call({2, 0, 0}, amply));
    CHECK(attached.call({3, 0, 0}, amply));
    slowest = (std::max)(slowest, 1e-9 * static_cast<double>(watch.elapsed().count()));
  };
  for (const Loss how : {Loss::removed, Loss::renamed}) {
    lose({names.server_page(service.generation())}, how);
    lose({names.segment(service.generation())}, how);
    // RemoveIPC: all that is the user's.
    const std::uint64_t number = service.generation();
    lose({names.rendezvous(), names.server_lock(), names.server_page(number), names.segment(number)}, how);
  }
  std::printf("damage: files lost %d times, served again after %.2f s at the latest\n", losses, slowest);
  CHECK(service.others == 0);
}

namespace {

/// Threads that may read a segment and sleep where its workers do: a wake-up of one may wake any of them.
class ForeignSleepers {
 public:
  ForeignSleepers(const std::string& channel, int count) {
    const auto names = detail::Names::make(channel, Scope::session).value();
    const std::uint64_t generation = detail::platform::ServerLease::current_generation(names).value().generation;
    const int file = ::shm_open(('/' + names.segment(generation)).c_str(), O_RDONLY | O_CLOEXEC, 0);
    REQUIRE(file >= 0);
    data_ = ::mmap(nullptr, sizeof(detail::Header), PROT_READ, MAP_SHARED, file, 0);
    ::close(file);
    REQUIRE(data_ != MAP_FAILED);
    for (int i = 0; i < count; ++i) threads_.emplace_back([this] { sleep(); });
    REQUIRE(eventually([&] { return asleep_ == count && eventually_all_asleep(); }));
  }
  ForeignSleepers(const ForeignSleepers&) = delete;
  ForeignSleepers& operator=(const ForeignSleepers&) = delete;
  ~ForeignSleepers() {
    is_over_ = true;
    while (asleep_ != 0) {
      ::syscall(SYS_futex, &words().sequence, FUTEX_WAKE, 1 << 20, nullptr, nullptr, 0);
      std::this_thread::sleep_for(1ms);
    }
    for (std::thread& thread : threads_) thread.join();
    ::munmap(data_, sizeof(detail::Header));
  }

  [[nodiscard]] const detail::DoorbellWords& words() const { return static_cast<const detail::Header*>(data_)->exec; }

 private:
  void sleep() {
    {
      const std::lock_guard lock(mutex_);
      ids_.push_back(detail::platform::thread_number());
    }
    ++asleep_;
    while (!is_over_) ::syscall(SYS_futex, &words().sequence, FUTEX_WAIT, words().sequence.load(), nullptr, nullptr, 0);
    --asleep_;
  }
  bool eventually_all_asleep() {
    const std::lock_guard lock(mutex_);
    return std::all_of(ids_.begin(), ids_.end(), is_asleep);
  }

  void* data_ = nullptr;
  std::atomic<bool> is_over_{false};
  std::atomic<int> asleep_{0};
  std::mutex mutex_;
  std::vector<std::uint32_t> ids_;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("damage: foreign sleepers do not keep a server from ending") {
  // Each round would last until the workers' own time to wake, 2 s.
  constexpr int rounds = 8;
  std::chrono::nanoseconds ending{0};
  for (int round = 0; round < rounds; ++round) {
    const auto channel = unique_name("foreign-sleepers");
    ServerOptions asleep;
    asleep.wait = WaitPolicy::sleep();
    std::optional<Jobs::Server> server(std::in_place, channel, asleep);
    CHECK_FALSE(error_of(server->start([](const Job& job) { return answer_to(job); })));
    std::this_thread::sleep_for(20ms);  // so that the worker is the first in the kernel's queue, and gets the call
    const ForeignSleepers others(channel, 64);
    CHECK(Jobs::Client(channel).call({1, 0, 0}, amply));
    REQUIRE(eventually([&] { return others.words().sleepers == 1; }));
    std::this_thread::sleep_for(20ms);  // and is now the last
    const Stopwatch watch;
    server.reset();
    ending += watch.elapsed();
  }
  std::printf("damage: %d servers behind 64 foreign sleepers ended after %.3f s together\n", rounds,
              1e-9 * static_cast<double>(ending.count()));
  CHECK(ending < promptly);
}

#endif

}  // namespace damage_faults
