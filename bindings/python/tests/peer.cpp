// The other side of the Python package's tests: servers and clients in C++.
//   peer serve KIND NAME      until its input ends; says "ready"
//   peer ask KIND NAME        prints what the server answers, or the error
//   peer words NAME SECONDS   p50 in ns of calls of 48 bytes, spinning
//   peer frame NAME SECONDS   p50 in ns of calls whose replies of 1 MiB are summed up in place, spinning
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <shared_channel/shared_channel.hpp>

namespace {

using namespace shared_channel;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Numbers {
  int a, b;
};
struct Sum {
  int value;
};

struct Point {
  char kind;
  double x;
  std::uint16_t tags[3];
  bool is_set;
  char name[5];
  std::int64_t id;
  float part;
  Numbers numbers[2];
};

struct Tree {
  std::string name;
  std::vector<Tree> children;
};

struct Album {
  std::string title;
  std::vector<std::pair<std::string, double>> tracks;
  std::optional<std::uint16_t> year;
  std::variant<std::string, Numbers, std::vector<std::uint8_t>> cover;
  std::tuple<int, std::vector<float>> rating;
  Tree tree;
  std::vector<Numbers> numbers;
  std::optional<std::optional<int>> maybe;
};

struct Named {
  static constexpr std::string_view schema = "geometry/2";
  float width, height;
};

struct Words {
  std::uint64_t a, b, c, d, e, f;
};

struct Secret {
  Secret() = default;
  explicit Secret(int number) : number_(number) {}
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_ = 0;
};

using Odd = std::tuple<std::array<std::string, 2>, std::vector<bool>, std::vector<std::vector<double>>,
                       std::vector<std::array<int, 2>>>;

ServerOptions options_of(std::size_t bytes) {
  ServerOptions options;
  options.max_request_bytes = options.max_reply_bytes = bytes;
  return options;
}

ServerOptions with_calls(unsigned calls, WaitPolicy wait = {}) {
  ServerOptions options;
  options.max_calls = calls;
  options.wait = wait;
  return options;
}

/// Until our input ends.
template <class Channel, class Handler>
int serve(const char* name, Handler handler, const ServerOptions& options = {}) {
  auto server = Channel::Server::create(name, options);
  if (!server) return std::printf("%s\n", server.error().message().c_str()), 1;
  server->start(std::move(handler)).value();
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) continue;
  return 0;
}

template <class T>
int echo(const char* name) {
  return serve<SharedChannel<T, T>>(name, [](const T& value) { return value; });
}

std::size_t fill_frame(std::span<const std::byte> request, std::span<std::byte> reply) {
  std::uint32_t count = 0;
  if (request.size() == sizeof count) std::memcpy(&count, request.data(), sizeof count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto value = static_cast<float>(i);
    std::memcpy(reply.data() + i * sizeof value, &value, sizeof value);
  }
  return count * sizeof(float);
}

int add_slowly(const Numbers& numbers) {
  std::this_thread::sleep_for(std::chrono::milliseconds(numbers.a));
  return numbers.a + numbers.b;
}

std::size_t reverse(std::span<const std::byte> request, std::span<std::byte> reply) {
  std::reverse_copy(request.begin(), request.end(), reply.begin());
  return request.size();
}

using Adder = SharedChannel<Numbers, Sum>;
using Multiplier = SharedChannel<std::pair<double, std::string>, double>;

Sum fail(const Numbers&) { throw std::runtime_error("this handler never works"); }
Result<Sum> relay(const Numbers&) { return Error(Errc::server_died, "", "the next one died", 0, Execution::none); }
Sum add(const Numbers& numbers) { return {numbers.a + numbers.b}; }
double multiply(const std::pair<double, std::string>& pair) {
  return pair.first * static_cast<double>(pair.second.size());
}
Words same(const Words& words) { return words; }

using Kinds = std::map<std::string, std::function<int(const char*)>>;

const Kinds servers = {
    {"add", [](const char* name) { return serve<Adder>(name, add); }},
    {"multiply", [](const char* name) { return serve<Multiplier>(name, multiply); }},
    {"throw", [](const char* name) { return serve<Adder>(name, fail); }},
    {"relay", [](const char* name) { return serve<Adder>(name, relay); }},
    {"slow", [](const char* name) { return serve<SharedChannel<Numbers, int>>(name, add_slowly, with_calls(2)); }},
    {"bytes", [](const char* name) { return serve<SharedChannel<Bytes>>(name, reverse); }},
    {"frame", [](const char* name) { return serve<SharedChannel<Bytes>>(name, fill_frame, options_of(4 << 20)); }},
    {"words",
     [](const char* name) {
       return serve<SharedChannel<Words, Words>>(name, same, with_calls(16, WaitPolicy::spin_only()));
     }},
    {"point", echo<Point>},
    {"album", echo<Album>},
    {"tree", echo<Tree>},
    {"odd", echo<Odd>},
    {"named", echo<Named>},
    {"number", echo<double>},
    {"text", echo<std::string>},
    {"secret", echo<Secret>},
};

template <class Reply, class Print>
int told(const Result<Reply>& reply, Print&& print) {
  if constexpr (std::is_void_v<Reply>) {
    if (reply) return print(), 0;
  } else {
    if (reply) return print(*reply), 0;
  }
  const std::string code(to_string(reply.error().code()));
  std::printf("%s not_executed=%d: %s\n", code.c_str(), reply.error().not_executed(), reply.error().cause().c_str());
  return 1;
}

int ask_add(const char* name) {
  Adder::Client client(name);
  return told(client.call({2, 3}, 10s), [](const Sum& sum) { std::printf("%d\n", sum.value); });
}

int ask_album(const char* name) {
  SharedChannel<Album>::Client client(name);
  const Album sent{"Kind of Blue",      {{"So What", 9.4}, {"Blue in Green", 5.6}},
                   std::uint16_t{1959}, Numbers{1, 2},
                   {5, {1.5F, 2.5F}},   {"root", {{"leaf", {}}}},
                   {{1, 2}, {3, 4}},    std::optional<int>()};
  return told(client.call(sent, 10s), [&](const Album& got) {
    const bool is_same = got.title == sent.title && got.tracks == sent.tracks && got.year == sent.year &&
                         std::get<Numbers>(got.cover).b == 2 && got.rating == sent.rating &&
                         got.tree.children.at(0).name == "leaf" && got.numbers.at(1).b == 4 && got.maybe && !*got.maybe;
    std::puts(is_same ? "same" : "different");
  });
}

int ask_text(const char* name) {
  SharedChannel<std::string>::Client client(name);
  return told(client.call("hello", 10s), [](const std::string& text) { std::puts(text.c_str()); });
}

int ask_bytes(const char* name) {
  SharedChannel<Bytes>::Client client(name);
  const auto asked = client.call_in_place(
      [](std::span<std::byte> room) { return std::memcpy(room.data(), "abc", 3), std::size_t{3}; },
      [](std::span<const std::byte> reply) {
        std::printf("%.*s\n", static_cast<int>(reply.size()), reinterpret_cast<const char*>(reply.data()));
      },
      10s);
  return told(asked, [] {});
}

const Kinds clients = {{"add", ask_add}, {"album", ask_album}, {"text", ask_text}, {"bytes", ask_bytes}};

ClientOptions spinning() {
  ClientOptions options;
  options.wait = WaitPolicy::spin_only();
  return options;
}

/// p50 of what `call` takes; it says whether it has succeeded.
template <class Call>
int measure(double seconds, Call&& call) {
  std::vector<std::int64_t> times;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (Clock::time_point before = Clock::now(); before < end;) {
    if (!call()) return 1;
    const Clock::time_point after = Clock::now();
    times.push_back((after - before).count());
    before = after;
  }
  std::sort(times.begin(), times.end());
  std::printf("%lld\n", static_cast<long long>(times[times.size() / 2]));
  return 0;
}

int measure_words(const char* name, double seconds) {
  SharedChannel<Words, Words>::Client client(name, spinning());
  return measure(seconds, [&] { return bool(client.call({1, 2, 3, 4, 5, 6}, 1s)); });
}

/// In eight sums, which compilers add side by side.
float sum_of(std::span<const std::byte> bytes) {
  float sums[8] = {};
  for (std::size_t at = 0; at + sizeof sums <= bytes.size(); at += sizeof sums) {
    float next[8];
    std::memcpy(next, bytes.data() + at, sizeof next);
    for (int i = 0; i < 8; ++i) sums[i] += next[i];
  }
  float sum = 0;
  for (const float one : sums) sum += one;
  return sum;
}

int measure_frames(const char* name, double seconds) {
  SharedChannel<Bytes>::Client client(name, spinning());
  float sum = 0;
  const auto ask = [](std::span<std::byte> room) {
    const std::uint32_t count = 1 << 18;
    return std::memcpy(room.data(), &count, sizeof count), sizeof count;
  };
  const auto read = [&](std::span<const std::byte> reply) { sum = sum_of(reply); };
  return measure(seconds, [&] { return bool(client.call_in_place(ask, read, 1s)); }) + (sum < 0 ? 1 : 0);
}

int run(const std::string& role, const std::string& kind, const char* name) {
  if (role == "words") return measure_words(kind.c_str(), std::strtod(name, nullptr));
  if (role == "frame") return measure_frames(kind.c_str(), std::strtod(name, nullptr));
  const Kinds& kinds = role == "serve" ? servers : clients;
  const auto found = kinds.find(kind);
  if (found == kinds.end()) return std::fprintf(stderr, "no %s %s\n", role.c_str(), kind.c_str()), 2;
  return found->second(name);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4)
    return std::fputs("usage: peer serve|ask KIND NAME\n       peer words|frame NAME SECONDS\n", stderr), 2;
  return run(argv[1], argv[2], argv[3]);
}
