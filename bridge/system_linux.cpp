#include "system.hpp"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <random>

#include <sys/prctl.h>
#include <unistd.h>

#include "clock.hpp"
#include "log.hpp"

namespace bridge {
namespace {

sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

Nanoseconds now() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return Nanoseconds{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::string who_am_i() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return std::string(host) + ", process " + std::to_string(::getpid());
}

void take_process_name() { ::prctl(PR_SET_NAME, process_name); }

void hold_signals() {
  const sigset_t signals = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

bool wait_for_signal(std::chrono::milliseconds at_most) {
  const sigset_t signals = ending_signals();
  const timespec limit{at_most.count() / 1000, at_most.count() % 1000 * 1'000'000};
  return ::sigtimedwait(&signals, nullptr, &limit) > 0;
}

std::uint64_t unlikely_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

void log_to_standard_error(const std::string& line) {
  std::string printable = line;
  const auto is_control = [](unsigned char character) { return character < ' ' || character == 0x7f; };
  std::replace_if(printable.begin(), printable.end(), is_control, '?');
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  tm parts{};
  ::gmtime_r(&time.tv_sec, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::fprintf(stderr, "%s.%03ldZ %s\n", text, time.tv_nsec / 1'000'000, printable.c_str());
}

}  // namespace bridge
