#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <conio.h>

#include <atomic>
#include <cstdio>

#include "terminal.hpp"

namespace tool {
namespace {

std::atomic<bool> interrupted{false};

BOOL WINAPI on_control(DWORD) {
  interrupted = true;
  return TRUE;
}

HANDLE output() { return ::GetStdHandle(STD_OUTPUT_HANDLE); }

}  // namespace

bool is_terminal() {
  DWORD mode = 0;
  return ::GetConsoleMode(output(), &mode) != 0;
}

bool understands_escapes() {
  constexpr DWORD virtual_terminal = 0x0004;  // ENABLE_VIRTUAL_TERMINAL_PROCESSING
  DWORD mode = 0;
  if (::GetConsoleMode(output(), &mode) == 0) return false;
  ::SetConsoleOutputCP(CP_UTF8);
  return (mode & virtual_terminal) != 0 || ::SetConsoleMode(output(), mode | virtual_terminal) != 0;
}

Extent terminal_extent() {
  CONSOLE_SCREEN_BUFFER_INFO info{};
  if (::GetConsoleScreenBufferInfo(output(), &info) == 0) return {};
  return {static_cast<std::size_t>(info.srWindow.Right - info.srWindow.Left + 1),
          static_cast<std::size_t>(info.srWindow.Bottom - info.srWindow.Top + 1)};
}

void catch_interrupts() { ::SetConsoleCtrlHandler(on_control, TRUE); }

bool is_interrupted() { return interrupted; }

void outlive_readers() {}

bool pause_for(std::chrono::nanoseconds time) {
  const auto end = after(time);
  while (!is_interrupted()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    if (left <= 0) return true;
    ::Sleep(left < 50 ? static_cast<DWORD>(left) : 50);
  }
  return false;
}

Screen::Screen() {
  std::fputs("\x1b[?1049h\x1b[?25l\x1b[?7l", stdout);
  std::fflush(stdout);
}

Screen::~Screen() {
  std::fputs("\x1b[?7h\x1b[?25h\x1b[?1049l", stdout);
  std::fflush(stdout);
}

char Screen::key(std::chrono::nanoseconds time) {
  const auto end = after(time);
  while (::_kbhit() == 0) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero() || !pause_for(left < std::chrono::milliseconds(20) ? left : std::chrono::milliseconds(20)))
      return '\0';
  }
  return static_cast<char>(::_getch());
}

}  // namespace tool
