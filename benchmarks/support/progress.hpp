// One line at the foot of the terminal that says what is being measured; nothing where nobody looks.
#pragma once

#include <cstdio>
#include <string>
#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

namespace bench {

class Progress {
 public:
  ~Progress() { clear(); }

  void show(const std::string& text) const {
    if (on_terminal()) std::fprintf(stderr, "\r\033[K  %s", text.c_str());
  }
  void clear() const {
    if (on_terminal()) std::fprintf(stderr, "\r\033[K");
  }

 private:
  static bool on_terminal() {
#ifdef _WIN32
    static const bool terminal = _isatty(_fileno(stderr)) != 0;
#else
    static const bool terminal = isatty(STDERR_FILENO) != 0;
#endif
    return terminal;
  }
};

}  // namespace bench
