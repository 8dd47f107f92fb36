#include "armed.hpp"

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <string_view>
#include <thread>
#include <utility>

#include "peer/role.hpp"

#ifdef _WIN32
#include "support/windows.hpp"
#else
#include <csignal>
#include <unistd.h>
#endif

namespace test_points {
namespace {

std::string armed_point;
std::string armed_fault;
std::string slow_point;
std::atomic<int> left{0};
std::atomic<bool> hit{false};
std::atomic<bool> open_process_denied{false};
std::map<std::string, std::function<void()>, std::less<>> actions;

[[noreturn]] void die() {
#ifdef _WIN32
  constexpr UINT killed_code = 0xC0DEDEAD;
  TerminateProcess(GetCurrentProcess(), killed_code);
#else
  ::kill(::getpid(), SIGKILL);
#endif
  for (;;) std::this_thread::yield();
}

}  // namespace

void arm(const std::string& point, const std::string& fault, int nth, const std::string& slow) {
  armed_point = point;
  armed_fault = fault;
  slow_point = slow;
  left = nth;
}

bool was_hit() { return hit; }

void at(const char* point, std::function<void()> action) { actions[point] = std::move(action); }

void deny_open_process() { open_process_denied = true; }
bool is_open_process_denied() noexcept { return open_process_denied; }

void reach(const char* point) noexcept {
  if (!actions.empty()) {
    if (const auto found = actions.find(std::string_view(point)); found != actions.end()) found->second();
  }
  if (slow_point == point) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  if (armed_point != point || left.load() <= 0 || left.fetch_sub(1) != 1) return;
  hit = true;
  if (armed_fault == "kill") die();
  if (armed_fault == "delay") std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (armed_fault == "stop") {
    peer::say("here");  // the test suspends us, resumes us, and says so
    peer::hear();
  }
}

}  // namespace test_points
