// A channel whose handler is a Gate, in this process.
#pragma once

#include <functional>
#include <string>

#include <shared_channel/shared_channel.hpp>

#include "gate.hpp"
#include "messages.hpp"
#include "names.hpp"

namespace test_support {

struct GatedChannel {
  explicit GatedChannel(unsigned slots = 16, const shared_channel::ClientOptions& options = {})
      : name(unique_name("async")), server(name, with(slots)), client(name, options) {
    server.start(std::ref(gate)).value();
  }
  ~GatedChannel() { gate.open(); }

  static shared_channel::ServerOptions with(unsigned slots) {
    shared_channel::ServerOptions options;
    options.max_calls = slots;
    return options;
  }

  std::string name;
  Gate gate;
  Channel::Server server;
  Channel::Client client;
};

}  // namespace test_support
