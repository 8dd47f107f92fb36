// A look at a channel whose server page and segment hold any bytes ends in a value or an error, in time, and says
// nothing that could upset a terminal.
//
// The input is laid by exclusive or over the page first, then over the segment: what it does not reach, and what it has
// a zero for, stays as a correct peer would have it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>

#include <unistd.h>

#include <shared_channel/inspect.hpp>
#include <shared_channel/shared_channel.hpp>

#include "faults/segment.hpp"

using namespace shared_channel;
using namespace std::chrono_literals;

namespace {

const std::string name = "inspect-fuzz-" + std::to_string(::getpid());

// A live server that nobody lets work, so that nothing is mended, and callers in every state that lasts.
class Scene {
 public:
  Scene() : server_(name, four()), client_(name), segment_(name) {
    running_ = client_.call_async(1, 1h);
    static_cast<void>(
        server_.serve_one([this](int, Responder<int> responder) { responder_.emplace(std::move(responder)); }, 0ns));
    queued_ = client_.call_async(2, 1h);
    answered_ = client_.call_async(3, 1h);
  }

  void look(std::span<const std::uint8_t> input) {
    const auto page = std::as_writable_bytes(std::span(&segment_.page(), 1));
    lay(page, input);
    lay(segment_.bytes(), input);
    examine();
    lay(page, input);  // takes it back
    lay(segment_.bytes(), input);
  }

 private:
  static ServerOptions four() {
    ServerOptions options;
    options.max_calls = 4;
    return options;
  }

  // The page has its first 600 bytes, up to the beginning of the descriptions; the segment the rest.
  static void lay(std::span<std::byte> bytes, std::span<const std::uint8_t> input) {
    constexpr std::size_t of_page = 600;
    const bool is_page = bytes.size() == sizeof(detail::ServerPage);
    const auto part =
        is_page ? input.first(std::min(input.size(), of_page)) : input.subspan(std::min(input.size(), of_page));
    const std::size_t count = std::min(bytes.size(), part.size());
    for (std::size_t i = 0; i < count; ++i) bytes[i] ^= std::byte(part[i]);
  }

  static bool is_printable(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  }

  static void examine() {
    const auto info = inspect(name);
    if (!info) std::abort();  // the name is there
    const bool is_sound = info->calls.size() <= info->slots_used && info->slots_used <= info->max_calls &&
                          info->max_calls <= max_slots && is_printable(info->shape.request.description) &&
                          is_printable(info->shape.reply.description) && is_printable(info->program) &&
                          is_printable(info->problem);
    if (!is_sound) std::abort();
    for (const CallInfo& call : info->calls) {
      if (call.slot >= info->slots_used || to_string(call.state).empty()) std::abort();
      if (call.waited && *call.waited < 0ns) std::abort();
    }
  }

  using Channel = SharedChannel<int>;
  Channel::Server server_;
  Channel::Client client_;
  faults::LiveSegment segment_;
  std::optional<Responder<int>> responder_;
  PendingCall<int> running_, queued_, answered_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Scene scene;  // its end takes the channel away
  scene.look({data, size});
  return 0;
}
