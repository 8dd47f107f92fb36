#include "role.hpp"

#include <atomic>
#include <csignal>
#include <thread>

#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"

#ifdef _WIN32
#include "support/windows.hpp"
#endif

using namespace test_support;
using namespace shared_channel;

static std::atomic<Channel::Server*> served{nullptr};

static void stop_serving() {
  if (Channel::Server* server = served) server->stop();
}

// serve_until_interrupted NAME: says "ready" and serves on its first thread until Ctrl-C, then says "stopped". On Win32
// it presses the keys itself when it hears a line.
const peer::Role serve_until_interrupted{"serve_until_interrupted", [](const peer::Arguments& arguments) {
                                           Channel::Server server(arguments.at(0));
                                           served = &server;
#ifdef _WIN32
                                           FreeConsole();
                                           AllocConsole();
                                           SetConsoleCtrlHandler(nullptr, FALSE);
                                           const auto on_event = [](DWORD) -> BOOL {
                                             stop_serving();
                                             return TRUE;
                                           };
                                           SetConsoleCtrlHandler(on_event, TRUE);
                                           std::thread keys([] {
                                             if (peer::hear()) GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0);
                                           });
#else
      struct sigaction action {};
      action.sa_handler = [](int) { stop_serving(); };
      ::sigaction(SIGINT, &action, nullptr);
#endif
                                           peer::say("ready");
                                           server.serve([](const Ask& ask) { return Answer{ask.id, 0}; }).value();
                                           peer::say("stopped");
#ifdef _WIN32
                                           keys.join();
#endif
                                           return 0;
                                         }};
