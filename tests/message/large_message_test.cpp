// Messages of tens of MiB.
#include "support/catch.hpp"

#include <shared_channel/shared_channel.hpp>

#include <memory>

#include "support/errors.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace large_message_test {

using namespace shared_channel;
using namespace test_support;

namespace {

struct Film {
  static constexpr std::size_t frames = std::size_t{4} << 20;
  std::uint64_t frame[frames];  // 32 MiB
};
using Channel = SharedChannel<Film>;

ServerOptions one_slot() {
  ServerOptions options;
  options.max_calls = 1;
  return options;
}

void develop(const Film& film, Film& reply) {
  for (std::size_t i = 0; i < Film::frames; ++i) reply.frame[i] = ~film.frame[i];
}

}  // namespace

TEST_CASE("large message: 32 MiB each way in place") {
  const auto name = unique_name("large");
  Channel::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start(develop)));
  Channel::Client client(name);
  std::size_t right = 0;
  const auto fill = [](Film& film) {
    for (std::size_t i = 0; i < Film::frames; ++i) film.frame[i] = i;
  };
  const auto read = [&](const Film& film) {
    for (std::size_t i = 0; i < Film::frames; ++i) right += film.frame[i] == ~std::uint64_t{i};
  };
  CHECK_FALSE(error_of(client.call_in_place(fill, read, amply)));
  CHECK(right == Film::frames);
}

TEST_CASE("large message: 32 MiB each way by value stay off the stack") {
  const auto name = unique_name("large");
  Channel::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start(develop)));
  Channel::Client client(name);
  const auto film = std::make_unique<Film>();
  for (std::size_t i = 0; i < Film::frames; ++i) film->frame[i] = 3 * i;
  const auto reply = client.call(*film, amply);
  REQUIRE(error_of(reply) == std::nullopt);
  std::size_t right = 0;
  for (std::size_t i = 0; i < Film::frames; ++i) right += reply->frame[i] == ~(std::uint64_t{3} * i);
  CHECK(right == Film::frames);
}

TEST_CASE("large message: in and out through one struct") {
  const auto name = unique_name("large");
  Channel::Server server(name, one_slot());
  CHECK_FALSE(error_of(server.start([](Film& film) { ++film.frame[Film::frames - 1]; })));
  Channel::Client client(name);
  std::uint64_t last = 0;
  const auto fill = [](Film& film) { film.frame[Film::frames - 1] = 41; };
  CHECK_FALSE(error_of(client.call_in_place(
      fill, [&](const Film& film) { last = film.frame[Film::frames - 1]; }, amply)));
  CHECK(last == 42);
}

}  // namespace large_message_test
