// A DLL with a server of static storage: DllMain makes it while the DLL is loaded, and destroys it while it is
// unloaded.
#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <string>

#include "support/messages.hpp"
#include "support/windows.hpp"

namespace {

std::string name() {
  char text[256] = {};
  GetEnvironmentVariableA("SHARED_CHANNEL_DLL_NAME", text, sizeof text);
  return text;
}

auto server = test_support::Channel::Server::create(name());

}  // namespace

extern "C" __declspec(dllexport) int has_server() { return server ? 1 : 0; }

/// Makes one more server, and destroys it.
extern "C" __declspec(dllexport) int make_another() {
  return test_support::Channel::Server::create(name() + ".another") ? 1 : 0;
}

extern "C" __declspec(dllexport) int serve_one() {
  const auto served = server->serve_one(
      [](const test_support::Ask& ask) {
        if (ask.what == test_support::Ask::What::nap) Sleep(ask.milliseconds);
        return test_support::Answer{ask.id, 0};
      },
      std::chrono::seconds(60));
  return served && *served ? 1 : 0;
}
