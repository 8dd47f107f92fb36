// What the other unit does, in the other exception mode.
#include <shared_channel/shared_channel.hpp>

using Echo = shared_channel::SharedChannel<int, int>;

bool answers_without_exceptions() {
  auto server = Echo::Server::create("packaging-no_exceptions");
  if (!server || !server->start([](int number) { return number; })) return false;
  auto client = Echo::Client::create("packaging-no_exceptions");
  if (!client) return false;
  const auto reply = client->call(7, std::chrono::seconds(10));
  return reply && *reply == 7;
}
