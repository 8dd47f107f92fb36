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
volatile sig_atomic_t suspended = 0;
volatile sig_atomic_t continued = 0;
termios before;
bool has_before = false;

int milliseconds(std::chrono::nanoseconds time) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  return static_cast<int>(std::clamp<decltype(ms + 0)>(ms, 0, 1000 * 1000));
}

/// What nohup, or a shell for its background jobs, has set aside stays so.
bool catch_unless_ignored(int number, void (*handler)(int)) {
  struct sigaction action {};
  if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) return false;
  action = {};
  action.sa_handler = handler;
  if (number == SIGTSTP || number == SIGCONT) action.sa_flags = SA_RESTART;  // what is being drawn is drawn to its end
  return ::sigaction(number, &action, nullptr) == 0;
}

void take_terminal() {
  if (has_before) {
    termios keys = before;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &keys);
  }
  std::fputs("\x1b[?1049h\x1b[?25l\x1b[?7l", stdout);
  std::fflush(stdout);
}

void give_terminal_back() {
  std::fputs("\x1b[?7h\x1b[?25h\x1b[?1049l", stdout);
  std::fflush(stdout);
  if (has_before) ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void on_suspend(int) { suspended = 1; }

/// Ctrl-Z: the shell gets its terminal as it was, until it lets the program go on.
void stop_without_terminal() {
  suspended = 0;
  give_terminal_back();
  ::signal(SIGTSTP, SIG_DFL);
  ::raise(SIGTSTP);
  catch_unless_ignored(SIGTSTP, on_suspend);
  continued = 1;
}

/// Waits for a key, or one of the signals that are caught. One that came just before is not slept over.
int wait_for_key(std::chrono::nanoseconds time) {
  sigset_t ours, others;
  ::sigemptyset(&ours);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT}) ::sigaddset(&ours, number);
  ::sigprocmask(SIG_BLOCK, &ours, &others);
  int ready = -1;
  if (interrupted == 0 && suspended == 0 && continued == 0) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const int ms = milliseconds(time);
    const timespec limit{ms / 1000, ms % 1000 * 1000000L};
    ready = ::ppoll(&input, 1, &limit, &others);
  }
  ::sigprocmask(SIG_SETMASK, &others, nullptr);
  return ready;
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
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) catch_unless_ignored(number, [](int) { interrupted = 1; });
}

bool is_interrupted() { return interrupted != 0; }

void outlive_readers() { ::signal(SIGPIPE, SIG_IGN); }

bool pause_for(std::chrono::nanoseconds time) {
  const auto end = after(time);
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
  catch_unless_ignored(SIGQUIT, [](int) { interrupted = 1; });
  catch_unless_ignored(SIGTSTP, on_suspend);
  catch_unless_ignored(SIGCONT, [](int) { continued = 1; });
  take_terminal();
}

Screen::~Screen() { give_terminal_back(); }

char Screen::key(std::chrono::nanoseconds time) {
  if (!has_before) return pause_for(time), '\0';
  const int ready = wait_for_key(time);
  if (suspended != 0) stop_without_terminal();
  if (continued != 0) {
    continued = 0;
    take_terminal();
    return redraw;
  }
  char key = '\0';
  if (ready <= 0) return '\0';
  return ::read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}

}  // namespace tool
