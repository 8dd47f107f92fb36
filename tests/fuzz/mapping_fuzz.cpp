// A hostile peer: any bytes over a whole live segment, at any moment of a call, under a server's step, a client's call
// and its reading of the answer, a new client's checks, and the end of them all. Each ends in a value or an error, in
// time.
//
// The input is laid over the segment by exclusive or: what it does not reach, and what it has a zero for, stays as a
// correct peer would have it. So every byte can take every value, and damage is also found behind the checks that
// garbage fails.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <unistd.h>

#include <shared_channel/shared_channel.hpp>

#include "faults/segment.hpp"

using namespace shared_channel;
using namespace std::chrono_literals;

namespace {

struct Point {
  std::int32_t x, y;
};
struct Line {  // does not lie inline
  std::array<Point, 8> points;
};
struct Text {
  std::string name;
  std::vector<Point> points;
  std::optional<std::vector<std::string>> notes;
};

volatile std::int32_t looked_at = 0;  // so that the reading is not optimised away

/// When the bytes come over the segment: each is a bit of the input's second byte.
enum Moment : std::uint8_t { attached = 1, posted = 2, handled = 4, answered = 8 };

struct Attack {
  std::span<const std::uint8_t> bytes;
  std::uint8_t moments;
  unsigned slots;
};

ServerOptions options_of(const Attack& attack) {
  ServerOptions options;
  options.max_calls = attack.slots;
  options.wait = WaitPolicy::sleep();
  options.max_request_bytes = options.max_reply_bytes = 160;
  return options;
}

template <class Request, class Reply>
class Scene {
 public:
  explicit Scene(const Attack& attack)
      : attack_(attack), server_(name, options_of(attack)), client_(name, asleep()), segment_(name) {}

  void play(const Request& request, const Reply& reply) {
    client_.wait_for_server(10s).value();
    strike(attached);
    auto call = client_.call_async(request, timeout);
    strike(posted);
    serve(reply);
    strike(answered);
    static_cast<void>(call.get());
    serve(reply);
    ask(client_, request);
    Client newcomer(name, asleep());
    ask(newcomer, request);
    serve(reply);
  }

 private:
  using Client = typename SharedChannel<Request, Reply>::Client;
  using Server = typename SharedChannel<Request, Reply>::Server;

  static inline const std::string name = "mapping-fuzz-" + std::to_string(::getpid());
  static constexpr auto timeout = 300us;

  static ClientOptions asleep() {
    ClientOptions options;
    options.wait = WaitPolicy::sleep();
    return options;
  }

  void strike(Moment moment) {
    if ((attack_.moments & moment) == 0) return;
    const std::span<std::byte> segment = segment_.bytes();
    const std::size_t count = std::min(segment.size(), attack_.bytes.size());
    for (std::size_t i = 0; i < count; ++i) segment[i] ^= std::byte(attack_.bytes[i]);
  }

  void serve(const Reply& reply) {
    const auto handler = [&](const Request&) {
      strike(handled);
      return reply;
    };
    static_cast<void>(server_.serve_one(handler, 0ns));
  }

  static void ask(Client& client, const Request& request) {
    static_cast<void>(client.call(request, timeout));
    if constexpr (std::is_same_v<Reply, Point> && std::is_same_v<Request, Line>) {
      static_cast<void>(client.call_in_place([&](Request& place) { place = request; },
                                             [](const Reply& place) { looked_at = place.x; }, timeout));
    }
  }

  const Attack attack_;
  Server server_;
  Client client_;
  faults::LiveSegment segment_;
};

const Text text{"a name that does not lie inline, however short it is", {{1, 2}, {3, 4}}, {{"one", "two"}}};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Attack attack{{data + 2, size - 2}, data[1], 1 + data[0] / 128u};
  switch (data[0] % 4) {
    case 0:
      Scene<Line, Point>(attack).play({}, {5, 6});
      break;
    case 1:
      Scene<Text, Text>(attack).play(text, text);
      break;
    case 2:
      Scene<Point, Text>(attack).play({7, 8}, text);
      break;
    default:
      Scene<std::string, Line>(attack).play("short", {});
      break;
  }
  return 0;
}
