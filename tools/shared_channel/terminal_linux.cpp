#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "terminal.hpp"

namespace tool {
namespace {

volatile sig_atomic_t interrupted = 0;
termios before;
bool has_before = false;

int milliseconds(std::chrono::nanoseconds time) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  return static_cast<int>(std::clamp<decltype(ms + 0)>(ms, 0, 1000 * 1000));
}

}  // namespace

bool is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

bool understands_escapes() {
  const char* const kind = std::getenv("TERM");
  return kind != nullptr && *kind != '\0' && std::strcmp(kind, "dumb") != 0;
}

Extent terminal_extent() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
}

bool is_interrupted() { return interrupted != 0; }

bool pause_for(std::chrono::nanoseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!is_interrupted()) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero()) return true;
    const auto step = (std::min<std::chrono::nanoseconds>)(left, std::chrono::milliseconds(50));
    const timespec rest{0, static_cast<long>(step.count())};
    ::nanosleep(&rest, nullptr);
  }
  return false;
}

Screen::Screen() {
  has_before = ::tcgetattr(STDIN_FILENO, &before) == 0;
  if (has_before) {
    termios keys = before;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &keys);
  }
  std::fputs("\x1b[?1049h\x1b[?25l\x1b[?7l", stdout);
  std::fflush(stdout);
}

Screen::~Screen() {
  std::fputs("\x1b[?7h\x1b[?25h\x1b[?1049l", stdout);
  std::fflush(stdout);
  if (has_before) ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

char Screen::key(std::chrono::nanoseconds time) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  char key = '\0';
  if (!has_before) return pause_for(time), '\0';
  if (::poll(&input, 1, milliseconds(time)) <= 0) return '\0';
  return ::read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}

}  // namespace tool
