// A look at what is half made, damaged, or somebody's trap tells so, and does nobody any harm.
#include "support/catch.hpp"

#include <shared_channel/inspect.hpp>
#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "faults/segment.hpp"
#include "support/errors.hpp"
#include "support/gated_channel.hpp"
#include "support/messages.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

#ifdef __linux__
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#endif

namespace hostile_inspect_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using namespace test_support;

namespace {

// How a channel looks whose server page was changed by `damage`. The server has not looked after it yet.
template <class Damage>
ChannelInfo damaged(Damage&& damage) {
  const auto name = unique_name("inspect");
  Channel::Server server(name);
  const faults::LiveSegment segment(name);
  damage(segment.page(), segment.header());
  return inspect(name).value();
}

template <class Damage>
std::string problem_of(Damage&& damage) {
  const ChannelInfo info = damaged(damage);
  CHECK(info.state == ChannelState::unreadable);
  CHECK(info.calls.empty());
  return info.problem;
}

bool says(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("hostile inspect: a server page that holds what cannot be") {
  using Page = detail::ServerPage&;
  using Header = detail::Header&;
  CHECK(says(problem_of([](Page page, Header) { page.identity.magic = 1; }), "a different byte order"));
  CHECK(says(problem_of([](Page page, Header) { page.identity.version = 99; }), "99"));
  CHECK(says(problem_of([](Page page, Header) { page.identity.generation += 1; }), "impossible"));
  CHECK(says(problem_of([](Page page, Header) { page.identity.slot_count = 0; }), "impossible"));
  CHECK(says(problem_of([](Page page, Header) { page.identity.slot_count = 5000; }), "impossible"));
  CHECK(says(problem_of([](Page page, Header) { page.identity.slot_count += 1; }), "impossible"));
  CHECK(says(problem_of([](Page page, Header) { page.identity.total_bytes = ~0ull; }), "impossible"));
  CHECK(says(problem_of([](Page page, Header) { page.identity.shape.request_size = ~0u; }), "impossible"));
  CHECK(says(problem_of([](Page page, Header) { page.identity.shape.reply_align = 3; }), "impossible"));
  CHECK(says(problem_of([](Page page, Header) { page.identity.shape.framing = detail::Framing{7}; }), "impossible"));
  CHECK(says(problem_of([](Page, Header header) { header.mark.magic = 0; }), "segment"));
  CHECK(says(problem_of([](Page, Header header) { header.mark.generation ^= 1; }), "segment"));
}

TEST_CASE("hostile inspect: words that lie are shown as far as they can be true") {
  const ChannelInfo info = damaged([](detail::ServerPage& page, detail::Header& header) {
    header.high_water = ~0u;
    header.exec.sleepers = ~0u;
    header.next_client = ~0u;
    page.statistics.done = ~0ull;
    page.statistics.as_of = ~0ull;
    page.request.length = ~0u;
    std::memset(page.request.text, '\x1b', sizeof page.request.text);
  });
  CHECK(info.state == ChannelState::open);
  CHECK(info.slots_used == 16);
  CHECK_FALSE(info.stats_age);
  CHECK(info.shape.request.description == std::string(detail::Description::capacity, '?'));
}

TEST_CASE("hostile inspect: any words in the slots, at any time") {
  GatedChannel channel(8);
  CHECK(channel.client.call(echo(1), amply).value().id == 1);
  const faults::LiveSegment segment(channel.name);
  std::atomic<bool> stop{false};
  std::thread scribbler([&] {
    std::mt19937 random(1);
    while (!stop) {
      detail::Slot& slot = segment.slot_array()[random() % 8];
      const std::uint32_t low = random() % 64;
      for (detail::Word* word : {&slot.owner, &slot.request, &slot.reply, &slot.taken, &slot.process})
        if (random() % 2 == 0) *word = random() % 4 == 0 ? static_cast<std::uint32_t>(random()) : low;
      for (detail::LongWord* word : {&slot.deadline, &slot.timeout})
        *word = std::uint64_t{random()} << 32 | static_cast<std::uint32_t>(random());
      segment.header().high_water = static_cast<std::uint32_t>(random());
    }
  });
  for (int look = 0; look < 300; ++look) {
    const auto info = inspect(channel.name);
    CHECK((info && info->calls.size() <= 8));
  }
  stop = true;
  scribbler.join();
}

#ifdef __linux__
namespace {

// A file under a channel's name in /dev/shm, gone at the end.
struct Planted {
  Planted(const std::string& object, const std::string& content) : path("/dev/shm/" + object) {
    std::ofstream(path, std::ios::binary) << content;
  }
  explicit Planted(const std::string& object) : path("/dev/shm/" + object) {}
  ~Planted() { std::filesystem::remove_all(path); }
  Planted(const Planted&) = delete;
  Planted& operator=(const Planted&) = delete;
  std::string path;
};

std::string record_of(std::uint64_t generation, std::uint64_t announced, std::uint32_t version = detail::abi_version) {
  std::string bytes(4096, '\0');
  const auto put = [&](std::size_t at, const auto& value) { std::memcpy(bytes.data() + at, &value, sizeof value); };
  put(0, detail::rendezvous_magic);
  put(8, version);
  put(16, generation);
  put(24, announced);
  return bytes;
}

ChannelState state_of(const std::string& name) { return inspect(name).value().state; }

}  // namespace

TEST_CASE("hostile inspect: what is no channel's record") {
  const auto name = unique_name("inspect");
  const std::string record = "shared_channel." + name;
  {
    const Planted empty(record, "");
    CHECK(state_of(name) == ChannelState::unreadable);
  }
  {
    const Planted noise(record, std::string(5000, 'x'));
    CHECK(state_of(name) == ChannelState::unreadable);
  }
  {
    const Planted older(record, record_of(1, 1, 2));  // nobody has the lock that a server of then has on it
    const ChannelInfo info = inspect(name).value();
    CHECK(info.state == ChannelState::dead);
    CHECK(info.protocol_version == 2);
    CHECK(says(info.problem, "version 2"));
  }
  {
    const Planted newer(record, record_of(1, 1, 9));
    const ChannelInfo info = inspect(name).value();
    CHECK(info.state == ChannelState::unreadable);
    CHECK(info.protocol_version == 9);
    CHECK(says(info.problem, "version 9"));
  }
  {
    const Planted directory(record);
    std::filesystem::create_directory(directory.path);
    CHECK(state_of(name) == ChannelState::unreadable);
  }
  {
    const Planted fifo(record);
    REQUIRE(::mkfifo(fifo.path.c_str(), 0600) == 0);
    const Stopwatch watch;
    CHECK(state_of(name) == ChannelState::unreadable);
    CHECK(watch.elapsed() < promptly);
  }
  {
    const Planted target("inspect-target-" + name, record_of(1, 1));
    const Planted link(record);
    REQUIRE(::symlink(target.path.c_str(), link.path.c_str()) == 0);
    CHECK(state_of(name) == ChannelState::unreadable);
  }
}

TEST_CASE("hostile inspect: a channel that is half made, or half gone") {
  const auto name = unique_name("inspect");
  const std::string record = "shared_channel." + name, lock = record + ":server";
  {
    const Planted left(lock, "");
    CHECK(state_of(name) == ChannelState::dead);
    const Planted half(record, record_of(0, 5));
    CHECK(state_of(name) == ChannelState::dead);
  }
  const Planted left(lock, "");
  const Planted published(record, record_of(5, 5));
  CHECK(state_of(name) == ChannelState::dead);
  const Planted page(record + ".0000000000000005.server", std::string(100, '\0'));
  CHECK(state_of(name) == ChannelState::unreadable);
  std::filesystem::resize_file(page.path, 4096);
  CHECK(state_of(name) == ChannelState::unreadable);
}

TEST_CASE("hostile inspect: a segment that is cut short while one looks at it") {
  const auto name = unique_name("inspect");
  std::string segment, page;
  {
    Channel::Server server(name);
    const std::string object = "/dev/shm/shared_channel." + name;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
      const std::string path = entry.path();
      if (path.starts_with(object + ".")) (path.ends_with(".server") ? page : segment) = path;
    }
    // Copies, which nobody has mapped and whose end is nobody's SIGBUS.
    for (const std::string& path : {segment, page}) {
      std::filesystem::copy_file(path, path + "~");
      std::filesystem::rename(path + "~", path);
    }
    CHECK(state_of(name) == ChannelState::open);
    for (const std::uintmax_t size : {4096u, 1000u, 640u, 100u, 0u}) {
      std::filesystem::resize_file(segment, size);
      CHECK(state_of(name) == ChannelState::unreadable);
    }
    std::filesystem::remove(segment);
    CHECK(state_of(name) == ChannelState::unreadable);
    std::filesystem::resize_file(page, 4095);
    CHECK(state_of(name) == ChannelState::unreadable);
  }
  std::filesystem::remove(page);
}

TEST_CASE("hostile inspect: any number of locks in the segment") {
  const auto name = unique_name("inspect");
  Channel::Server server(name);
  const auto names = detail::Names::make(name, Scope::session).value();
  const auto live = detail::platform::ServerLease::current_generation(names).value().generation;
  const int file = ::open(("/dev/shm/" + names.segment(live)).c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(file >= 0);
  const auto lock = [&](off_t first, off_t length) {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = first;
    range.l_len = length;
    REQUIRE(::fcntl(file, F_OFD_SETLK, &range) == 0);
  };
  for (off_t number = 1; number < 2000; number += 2) lock(number, 1);
  CHECK(inspect(name).value().clients == 1000);
  lock(0, 0);
  CHECK(inspect(name).value().clients == 8192);  // as channel_info.hpp says
  ::close(file);
  CHECK(inspect(name).value().clients == 0);
}
#endif

}  // namespace hostile_inspect_test
