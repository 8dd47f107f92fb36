#ifdef _WIN32
#include <shared_channel/shared_channel.hpp>

#include "support/messages.hpp"
#include "support/seam.hpp"

#include "role.hpp"

#include "support/windows.hpp"

#include <chrono>
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
      SetEnvironmentVariableA("SHARED_CHANNEL_DLL_NAME", arguments.at(0).c_str());
      const HMODULE dll = LoadLibraryA("shared_channel_static_server.dll");
      peer::say(dll != nullptr ? "loaded" : "not loaded");
      if (dll == nullptr) return 1;
      const auto serve_one = reinterpret_cast<int (*)()>(reinterpret_cast<void*>(GetProcAddress(dll, "serve_one")));
      if (arguments.size() < 2 || arguments[1] != "at once") {
        peer::hear();
        peer::say(serve_one() == 1 ? "served" : "not served");
      }
      if (arguments.size() < 2) return 0;
      FreeLibrary(dll);
      peer::say(GetModuleHandleA("shared_channel_static_server.dll") == nullptr ? "unloaded" : "still there");
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
