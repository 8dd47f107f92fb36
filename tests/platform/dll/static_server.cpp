// A DLL with a server of static storage: DllMain makes it while the DLL is loaded, and destroys it while it is
// unloaded.
#include <shared_channel/shared_channel.hpp>

#include <chrono>
#include <string>

#include "support/messages.hpp"
#include "support/windows.hpp"

namespace {

std::string setting(const char* variable) {
  char text[256] = {};
  GetEnvironmentVariableA(variable, text, sizeof text);
  return text;
}

std::string name() { return setting("SHARED_CHANNEL_DLL_NAME"); }

auto server = test_support::Channel::Server::create(name());

// Keeps DllMain from returning until an event is set, if there is one.
struct Gate {
  Gate() {
    const HANDLE opened = OpenEventA(SYNCHRONIZE, FALSE, setting("SHARED_CHANNEL_DLL_GATE").c_str());
    if (opened == nullptr) return;
    WaitForSingleObject(opened, 60'000);
    CloseHandle(opened);
  }
} gate;

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
