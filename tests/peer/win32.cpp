#ifdef _WIN32
#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"
#include "support/seam.hpp"

#include "role.hpp"

#include "support/windows.hpp"

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include <tlhelp32.h>

using namespace test_support;

namespace {

void end_other_threads() {
  const platform::Handle all(CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0));
  THREADENTRY32 entry{};
  entry.dwSize = sizeof entry;
  for (BOOL more = Thread32First(all.get(), &entry); more != 0; more = Thread32Next(all.get(), &entry)) {
    if (entry.th32OwnerProcessID != GetCurrentProcessId() || entry.th32ThreadID == GetCurrentThreadId()) continue;
    const platform::Handle thread(OpenThread(THREAD_TERMINATE | SYNCHRONIZE, FALSE, entry.th32ThreadID));
    TerminateThread(thread.get(), 0);
    WaitForSingleObject(thread.get(), 1000);
  }
}

HMODULE load_server(const std::string& name, const char* file = "shared_channel_static_server.dll") {
  SetEnvironmentVariableA("SHARED_CHANNEL_DLL_NAME", name.c_str());
  return LoadLibraryA(file);
}

int run(HMODULE dll, const char* function) {
  return reinterpret_cast<int (*)()>(reinterpret_cast<void*>(GetProcAddress(dll, function)))();
}

}  // namespace

// seam_hollow_server NAME: "lit"; then ends the threads that the library has, says "hollow", and stays.
const peer::Role seam_hollow_server{"seam_hollow_server", [](const peer::Arguments& arguments) {
                                      const Segment segment = Segment::open(arguments.at(0));
                                      const auto beacon = segment.light();
                                      peer::say("lit");
                                      peer::hear();
                                      end_other_threads();
                                      peer::say("hollow");
                                      peer::hear();
                                      return 0;
                                    }};

// terminated_caller NAME: a thread of its own calls; at a line terminates it; "terminated", and stays.
const peer::Role terminated_caller{
    "terminated_caller", [](const peer::Arguments& arguments) {
      Channel::Client client(arguments.at(0));
      std::thread([&] { static_cast<void>(client.call(nap(1), std::chrono::seconds(60))); }).detach();
      peer::hear();
      end_other_threads();
      peer::say("terminated");
      peer::hear();
      return 0;
    }};

// dll_server NAME [unload]: loads the DLL, whose server is made meanwhile; "loaded". Serves one call; "served". Unloads
// the DLL, if it is to; "unloaded", and stays.
const peer::Role dll_server{
    "dll_server", [](const peer::Arguments& arguments) {
      const HMODULE dll = load_server(arguments.at(0));
      const bool has_server = dll != nullptr && run(dll, "has_server") == 1;
      peer::say(has_server ? "loaded" : "not loaded");
      if (!has_server) return 1;
      if (arguments.size() < 2 || arguments[1] != "at once") {
        peer::hear();
        peer::say(run(dll, "serve_one") == 1 ? "served" : "not served");
      }
      if (arguments.size() < 2) return 0;
      FreeLibrary(dll);
      peer::say(GetModuleHandleA("shared_channel_static_server.dll") == nullptr ? "unloaded" : "still there");
      peer::hear();
      return 0;
    }};

// dll_neighbour NAME: the thread that has loaded the DLL calls its server, which another thread serves; says
// "answered", or what went wrong.
const peer::Role dll_neighbour{
    "dll_neighbour", [](const peer::Arguments& arguments) {
      const HMODULE dll = load_server(arguments.at(0));
      std::thread serving([dll] { run(dll, "serve_one"); });
      const auto reply = Channel::Client(arguments.at(0)).call(test_support::echo(7), std::chrono::seconds(20));
      peer::say(reply ? std::string("answered") : std::string(to_string(reply.error().code())));
      if (!reply) std::_Exit(1);
      serving.join();
      return 0;
    }};

// dll_twice NAME: one thread loads two DLLs with a server of the name; whether the second has one, and whether it has
// once the first is unloaded.
const peer::Role dll_twice{"dll_twice", [](const peer::Arguments& arguments) {
                             const HMODULE first = load_server(arguments.at(0));
                             char file[MAX_PATH] = {};
                             GetModuleFileNameA(first, file, sizeof file);
                             const std::string copy = std::string(file) + '.' + arguments.at(0) + ".dll";
                             CopyFileA(file, copy.c_str(), FALSE);
                             const auto load_copy = [&] {
                               const HMODULE second = load_server(arguments.at(0), copy.c_str());
                               peer::say(run(second, "has_server") == 1 ? "has a server" : "has none");
                               FreeLibrary(second);
                             };
                             load_copy();
                             FreeLibrary(first);
                             load_copy();
                             DeleteFileA(copy.c_str());
                             return 0;
                           }};

// dll_loader NAME: a thread loads the DLL, of which another serves one call; "loaded". At a line the first lets the DLL
// make one more server, and ends; "ended". "served" once the call is answered.
const peer::Role dll_loader{"dll_loader", [](const peer::Arguments& arguments) {
                              HMODULE dll = nullptr;
                              bool has_served = false;
                              std::thread serving;
                              std::thread([&] {
                                dll = load_server(arguments.at(0));
                                serving = std::thread([&] { has_served = run(dll, "serve_one") == 1; });
                                peer::say("loaded");
                                peer::hear();
                                run(dll, "make_another");
                              }).join();
                              peer::say("ended");
                              serving.join();
                              peer::say(has_served ? "served" : "not served");
                              return 0;
                            }};

// dll_brief_loader NAME GATE: a thread loads the DLL, whose DllMain waits for the event GATE, and ends; "ended". Serves
// three calls; "served", and stays.
const peer::Role dll_brief_loader{"dll_brief_loader", [](const peer::Arguments& arguments) {
                                    SetEnvironmentVariableA("SHARED_CHANNEL_DLL_GATE", arguments.at(1).c_str());
                                    HMODULE dll = nullptr;
                                    std::thread([&] { dll = load_server(arguments.at(0)); }).join();
                                    peer::say("ended");
                                    bool has_served = true;
                                    for (int call = 0; call < 3; ++call) has_served &= run(dll, "serve_one") == 1;
                                    peer::say(has_served ? "served" : "not served");
                                    peer::hear();
                                    return 0;
                                  }};

// dll_threads NAME FUNCTION [unload]: has a DLL start threads of its own, by start or serve; "ran". Unloads it, if it
// is to; "unloaded". Then it ends.
const peer::Role dll_threads{"dll_threads", [](const peer::Arguments& arguments) {
                               SetEnvironmentVariableA("SHARED_CHANNEL_DLL_NAME", arguments.at(0).c_str());
                               const HMODULE dll = LoadLibraryA("shared_channel_own_threads.dll");
                               const auto function = reinterpret_cast<int (*)()>(
                                   reinterpret_cast<void*>(GetProcAddress(dll, arguments.at(1).c_str())));
                               peer::say(function() == 1 ? "ran" : "failed");
                               peer::hear();
                               if (arguments.size() < 3) return 0;
                               FreeLibrary(dll);
                               peer::say("unloaded");
                               peer::hear();
                               return 0;
                             }};

// dll_thread_local NAME WAIT: threads that end with a client of their own, which has a thread for its callbacks;
// "ended" after each.
const peer::Role dll_thread_local{
    "dll_thread_local", [](const peer::Arguments& arguments) {
      SetEnvironmentVariableA("SHARED_CHANNEL_DLL_NAME", arguments.at(0).c_str());
      const HMODULE dll = LoadLibraryA("shared_channel_own_threads.dll");
      const auto call = reinterpret_cast<int (*)(int)>(reinterpret_cast<void*>(GetProcAddress(dll, "call_in_thread")));
      for (int round = 0; round < 5; ++round) {
        std::thread([&] { call(std::stoi(arguments.at(1))); }).join();
        peer::say("ended");
      }
      return 0;
    }};
#endif
