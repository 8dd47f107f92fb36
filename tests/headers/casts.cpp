// Programs that are compiled with -Wold-style-cast and -Wuseless-cast include the library as it is: compiling is the
// test, of the templates too.
#include <shared_channel/inspect.hpp>
#include <shared_channel/raw.hpp>
#include <shared_channel/shared_channel.hpp>
#include <string>
#include <vector>

#include "round_trip.hpp"

namespace {

using Text = shared_channel::SharedChannel<std::string, std::vector<int>>;
using Bytes = shared_channel::SharedChannel<shared_channel::Bytes, shared_channel::Bytes>;

}  // namespace

bool use_fixed() { return round_trip("casts"); }

bool use_text() {
  Text::Server server("casts");
  Text::Client client("casts");
  const auto defer = [](std::string, shared_channel::Responder<std::vector<int>> responder) { responder.reply({1}); };
  return server.start(defer) && client.call("text") && client.call_async("text").get();
}

bool use_bytes() {
  Bytes::Server server("casts");
  Bytes::Client client("casts");
  const auto answer = [](std::span<const std::byte> request, std::span<std::byte>) { return request.size(); };
  return server.start(answer) && client.call_in_place([](std::span<std::byte> request) { return request.size(); },
                                                      [](std::span<const std::byte>) {});
}
