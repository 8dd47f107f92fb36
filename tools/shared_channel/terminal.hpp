// What the tool asks of the terminal. terminal_linux.cpp and terminal_win32.cpp.
#pragma once

#include <chrono>
#include <cstddef>

namespace tool {

/// Of standard output.
bool is_terminal();
bool understands_escapes();

struct Extent {
  std::size_t columns = 80;
  std::size_t rows = 24;
};
Extent terminal_extent();

/// From here on Ctrl-C and requests to end set a mark instead of ending the program, unless it was started with
/// orders to ignore them.
void catch_interrupts();
bool is_interrupted();

/// Output that nobody reads any more is an error from here on, not the end of the program.
void outlive_readers();

/// That time from now; what is forever is a year.
inline std::chrono::steady_clock::time_point after(std::chrono::nanoseconds time) {
  constexpr std::chrono::nanoseconds year = std::chrono::hours(24 * 365);
  return std::chrono::steady_clock::now() + (time < year ? time : year);
}
/// Passes the time, in short steps; false if interrupted.
bool pause_for(std::chrono::nanoseconds time);

/// A terminal that belongs to the program alone: a screen of its own whose lines end at its edge, keys as they are
/// pressed. Gives all of it back, also while the program is stopped by Ctrl-Z.
class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// Ctrl-L; and what key() returns when the terminal was somebody else's meanwhile.
  static constexpr char redraw = '\x0c';

  /// The next key, or '\0' if none was pressed, at the latest after `time`, or interrupted.
  char key(std::chrono::nanoseconds time);
};

}  // namespace tool
