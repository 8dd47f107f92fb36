// An image pipeline: a camera hands frames of 8 MiB to a filter, and a display takes what the filter made of them. No
// frame is copied on the way: the camera draws where the filter reads, and the filter writes where the display looks.
//
//   image_pipeline                     all in one program: 20 frames
//   image_pipeline filter NAME         the filter as a process of its own, until Ctrl-C
//   image_pipeline camera NAME FRAMES  the camera and the display, beside it
#include <shared_channel/shared_channel.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t width = 2048, height = 1024;

struct Colour {
  std::uint8_t red, green, blue, alpha;
};
struct Frame {
  std::uint64_t number;
  std::array<Colour, std::size_t{width} * height> pixels;  // 8 MiB
};
using Filter = shared_channel::SharedChannel<Frame>;

/// Two frames are in flight at once: one is drawn or looked at while the other is filtered.
constexpr unsigned in_flight = 2;

// ---- the filter: one pass over the frame, from the slot's request into the slot's reply ----

void invert(const Frame& frame, Frame& filtered) {
  filtered.number = frame.number;
  for (std::size_t i = 0; i < frame.pixels.size(); ++i) {
    const Colour& seen = frame.pixels[i];
    filtered.pixels[i] = {static_cast<std::uint8_t>(~seen.red), static_cast<std::uint8_t>(~seen.green),
                          static_cast<std::uint8_t>(~seen.blue), seen.alpha};
  }
}

/// A slot holds a request and a reply, so two slots reserve 32 MiB. The default, 16, would be 256 MiB.
shared_channel::Result<Filter::Server> make_filter(const std::string& name) {
  return Filter::Server::create(name, {.max_calls = in_flight});
}

std::optional<Filter::Server> served;

int filter(const std::string& name) {
  auto server = make_filter(name);
  if (!server) return std::printf("%s\n", server.error().message().c_str()), 1;
  served.emplace(*std::move(server));
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { served->stop(); });
  std::puts("filtering");
  std::fflush(stdout);
  const auto ended = served->serve(invert);
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, SIG_IGN);
  served.reset();
  return ended ? 0 : 1;
}

// ---- the camera and the display: a thread for each frame that is on its way ----

/// Each frame looks otherwise, so that one that is lost, late or half an older one is noticed.
Colour pixel_of(std::uint64_t number, std::size_t at) {
  const auto shade = static_cast<std::uint8_t>(at / width + number);
  return {shade, static_cast<std::uint8_t>(at + number * 3), static_cast<std::uint8_t>(shade ^ number), 255};
}

bool is_inverse(const Frame& frame, std::uint64_t number) {
  if (frame.number != number) return false;
  std::uint32_t difference = 0;  // no branch in the loop: it runs as fast as memory does
  for (std::size_t i = 0; i < frame.pixels.size(); ++i) {
    const Colour drawn = pixel_of(number, i);
    const Colour& seen = frame.pixels[i];
    difference |= static_cast<std::uint32_t>((drawn.red ^ seen.red) ^ 255) |
                  static_cast<std::uint32_t>((drawn.green ^ seen.green) ^ 255) |
                  static_cast<std::uint32_t>((drawn.blue ^ seen.blue) ^ 255) |
                  static_cast<std::uint32_t>(seen.alpha ^ 255);
  }
  return difference == 0;
}

int film(const std::string& name, std::uint64_t frames) {
  Filter::Client client(name, {.wait_for_server = true});
  std::atomic<std::uint64_t> next{0}, wrong{0}, lost{0};
  const auto began = std::chrono::steady_clock::now();
  const auto run = [&] {
    for (std::uint64_t number = next++; number < frames; number = next++) {
      bool is_right = false;
      const auto shown = client.call_in_place(
          [&](Frame& frame) {  // may run again if the filter is replaced meanwhile
            frame.number = number;
            for (std::size_t i = 0; i < frame.pixels.size(); ++i) frame.pixels[i] = pixel_of(number, i);
          },
          [&](const Frame& frame) { is_right = is_inverse(frame, number); }, 60s);
      if (!shown)
        std::printf("frame %llu: %s\n", static_cast<unsigned long long>(number), shown.error().message().c_str());
      lost += !shown;
      wrong += shown && !is_right;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < in_flight; ++i) threads.emplace_back(run);
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - began;
  std::printf("%llu frames of 8 MiB in %.2f s: %.0f frames/s; %llu lost, %llu wrong\n",
              static_cast<unsigned long long>(frames), time.count(), static_cast<double>(frames) / time.count(),
              static_cast<unsigned long long>(lost.load()), static_cast<unsigned long long>(wrong.load()));
  return lost + wrong == 0 ? 0 : 1;
}

int film_alone() {
  const std::string name = "pipeline." + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  auto server = make_filter(name);
  if (!server) return std::printf("%s\n", server.error().message().c_str()), 1;
  if (const auto started = server->start(invert); !started) return std::puts(started.error().message().c_str()), 1;
  return film(name, 20);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc > 1 ? argv[1] : "";
  if (role.empty()) return film_alone();
  if (role == "filter" && argc == 3) return filter(argv[2]);
  if (role == "camera" && argc == 4) return film(argv[2], std::strtoull(argv[3], nullptr, 10));
  std::fprintf(stderr, "usage: image_pipeline [filter NAME | camera NAME FRAMES]\n");
  return 2;
}
