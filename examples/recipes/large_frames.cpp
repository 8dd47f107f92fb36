// Frames of 8 MiB go to a service and come back changed, without a copy on the way. For brevity the server is a part of
// the program.
#include <shared_channel/shared_channel.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

struct Frame {
  std::uint32_t width, height;
  std::array<std::uint8_t, std::size_t{8} * 1024 * 1024> pixels;
};
using Filter = shared_channel::SharedChannel<Frame>;

// Sees the frame where the client wrote it, and writes the answer where the client will read it.
void invert(const Frame& frame, Frame& inverted) {
  inverted.width = frame.width;
  inverted.height = frame.height;
  for (std::size_t i = 0; i < frame.pixels.size(); ++i)
    inverted.pixels[i] = static_cast<std::uint8_t>(~frame.pixels[i]);
}

int main() {
  const std::string name = "filter." + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  // A slot has room for request and reply: two slots are 32 MiB. The default, 16, would be 256 MiB.
  auto server = Filter::Server::create(name, {.max_calls = 2});
  if (!server) return std::printf("%s\n", server.error().message().c_str()), 1;
  if (const auto started = server->start(invert); !started) return std::puts(started.error().message().c_str()), 1;

  Filter::Client client(name);
  std::uint64_t sum = 0;
  const auto filtered = client.call_in_place(
      [](Frame& frame) {  // may be called again, if the server is replaced meanwhile: do not consume the source here
        frame.width = 3840;
        frame.height = 2160;
        frame.pixels.fill(0xF0);
      },
      [&sum](const Frame& frame) {
        for (const std::uint8_t pixel : frame.pixels) sum += pixel;
      },
      5s);
  if (!filtered) return std::printf("%s\n", filtered.error().message().c_str()), 1;
  std::printf("mean of the inverted frame: %llu\n", static_cast<unsigned long long>(sum / (8 * 1024 * 1024)));
}
