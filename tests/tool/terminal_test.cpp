// The program shared_channel in a terminal: `top` refreshes in place, sorts by keys, and gives the terminal back.
#ifdef __linux__
#include "support/catch.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shared_channel/shared_channel.hpp>

#include "support/eventually.hpp"
#include "support/names.hpp"
#include "support/time.hpp"

namespace terminal_test {

using namespace shared_channel;
using namespace std::chrono_literals;
using test_support::eventually;
using test_support::unique_name;

namespace {

// What a terminal of so many rows and columns shows, as far as the tool's escape sequences go.
class Picture {
 public:
  Picture(std::size_t rows, std::size_t columns) : rows_(rows), columns_(columns) {}

  void feed(std::string_view bytes) {
    for (const char c : bytes) {
      if (!escape_.empty() || c == '\x1b')
        feed_escape(c);
      else if (c == '\n')
        new_line();
      else if (c == '\r')
        column_ = 0;
      else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80)  // not the rest of a UTF-8 character
        put(c);
    }
  }

  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  [[nodiscard]] bool is_own_screen() const { return is_own_screen_; }
  [[nodiscard]] bool hides_cursor() const { return hides_cursor_; }
  [[nodiscard]] bool wraps() const { return wraps_; }
  [[nodiscard]] unsigned drawings() const { return drawings_; }  // how often it was drawn from the top
  [[nodiscard]] unsigned overflows() const { return overflows_; }
  // The text that stands bold, of the last drawing.
  [[nodiscard]] bool has_bold(const std::string& text) const { return bold_.find(text) != std::string::npos; }

  // The row of what begins with this word; -1 if there is none.
  [[nodiscard]] int row_of(const std::string& word) const {
    for (std::size_t row = 0; row < lines_.size(); ++row) {
      if (lines_[row].rfind(word + ' ', 0) == 0) return static_cast<int>(row);
    }
    return -1;
  }

 private:
  void put(char c) {
    if (column_ >= columns_) return static_cast<void>(overflows_ += wraps_);
    if (lines_.size() <= row_) lines_.resize(row_ + 1);
    std::string& line = lines_[row_];
    if (line.size() <= column_) line.resize(column_ + 1, ' ');
    line[column_++] = c;
    if (is_bold_) bold_ += c;
  }
  void new_line() {
    column_ = 0;
    if (++row_ >= rows_) row_ = rows_ - 1, ++overflows_;  // a terminal would scroll
  }
  void feed_escape(char c) {
    escape_ += c;
    if (escape_.size() < 3 || std::isalpha(static_cast<unsigned char>(c)) == 0) return;
    if (escape_ == "\x1b[H") {
      row_ = column_ = 0;
      ++drawings_;
      bold_.clear();
    } else if (escape_ == "\x1b[K") {
      if (row_ < lines_.size()) lines_[row_].resize((std::min)(lines_[row_].size(), column_));
    } else if (escape_ == "\x1b[J") {
      lines_.resize((std::min)(lines_.size(), row_));
    } else if (escape_ == "\x1b[?1049h" || escape_ == "\x1b[?1049l") {
      is_own_screen_ = c == 'h';
    } else if (escape_ == "\x1b[?25h" || escape_ == "\x1b[?25l") {
      hides_cursor_ = c == 'l';
    } else if (escape_ == "\x1b[?7h" || escape_ == "\x1b[?7l") {
      wraps_ = c == 'h';
    } else if (c == 'm') {
      is_bold_ = escape_ == "\x1b[1m";
    } else {
      throw std::runtime_error("an unknown escape sequence ending in " + std::string(1, c));
    }
    escape_.clear();
  }

  std::size_t rows_, columns_, row_ = 0, column_ = 0;
  std::vector<std::string> lines_;
  std::string escape_, bold_;
  bool is_own_screen_ = false, hides_cursor_ = false, is_bold_ = false, wraps_ = true;
  unsigned drawings_ = 0, overflows_ = 0;
};

// The tool with a pseudo-terminal for all its streams.
class Terminal {
 public:
  struct Kind {
    std::string term = "xterm";
    std::string no_colour;
    unsigned short rows = 400, columns = 300;  // for whatever other channels the machine has
  };

  explicit Terminal(std::vector<std::string> arguments) : Terminal(std::move(arguments), Kind{}) {}
  Terminal(std::vector<std::string> arguments, const Kind& kind) : picture_(kind.rows, kind.columns) {
    master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0) throw std::runtime_error("no terminal");
    const std::string path = ::ptsname(master_);
    slave_ = ::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    winsize size{};
    size.ws_row = kind.rows;
    size.ws_col = kind.columns;
    ::ioctl(master_, TIOCSWINSZ, &size);
    ::tcgetattr(slave_, &before_);
    // All that needs memory is made before the fork.
    arguments.insert(arguments.begin(), SHARED_CHANNEL_TOOL);
    std::vector<char*> words;
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    std::string term = "TERM=" + kind.term, no_colour = "NO_COLOR=" + kind.no_colour;
    char* environment[] = {term.data(), no_colour.data(), nullptr};
    child_ = ::fork();
    if (child_ == 0) {
      ::setsid();
      const int own = ::open(path.c_str(), O_RDWR);  // becomes the controlling terminal
      for (const int stream : {0, 1, 2}) ::dup2(own, stream);
      ::_exit(run_as_a_shell_does(words.data(), environment));
    }
    if (child_ < 0) throw std::runtime_error("no process");
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (child_ > 0) {
      signal(SIGKILL);
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    ::close(slave_);
    ::close(master_);
  }

  void press(char key) { REQUIRE(::write(master_, &key, 1) == 1); }
  void signal(int number) {
    if (const pid_t to = tool(); to > 1) ::kill(to, number);
  }
  // Whether it is stopped. Reads on meanwhile, so that its output does not hold it up.
  bool is_stopped() {
    return eventually([&] {
      read_some();
      std::ifstream in("/proc/" + std::to_string(tool()) + "/stat");
      const std::string stat{std::istreambuf_iterator<char>(in), {}};
      const auto at = stat.rfind(')');
      return at != std::string::npos && stat.substr(at, 3) == ") T";
    });
  }

  // Reads until the picture is so.
  template <class Condition>
  bool shows(Condition&& condition) {
    const test_support::Stopwatch watch;
    while (!condition(std::as_const(picture_))) {
      if (watch.elapsed() > test_support::promptly) return false;
      read_some();
    }
    return true;
  }

  // The exit code, once it has ended and all it wrote was read.
  int wait() {
    int status = -1;
    const bool has_ended = eventually([&] {
      read_some();
      return ::waitpid(child_, &status, WNOHANG) == child_;
    });
    REQUIRE(has_ended);
    child_ = -1;
    while (read_some()) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // Whether the terminal takes keys as it did before.
  [[nodiscard]] bool is_given_back() const {
    termios now{};
    ::tcgetattr(slave_, &now);
    return now.c_lflag == before_.c_lflag && !picture_.is_own_screen() && !picture_.hides_cursor() && picture_.wraps();
  }
  [[nodiscard]] const Picture& picture() const { return picture_; }

 private:
  // In a process group of its own, which has the terminal: without a shell above it Ctrl-Z would stop nothing.
  static int run_as_a_shell_does(char** words, char** environment) {
    const pid_t tool = ::fork();
    if (tool == 0) {
      ::setpgid(0, 0);
      ::signal(SIGTTOU, SIG_IGN);
      ::tcsetpgrp(0, ::getpid());
      ::signal(SIGTTOU, SIG_DFL);
      ::execve(words[0], words, environment);
      ::_exit(127);
    }
    int status = 0;
    while (::waitpid(tool, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  // Once it has the terminal.
  [[nodiscard]] pid_t tool() const { return ::tcgetpgrp(master_); }

  bool read_some() {
    pollfd output{master_, POLLIN, 0};
    char bytes[4096];
    if (::poll(&output, 1, 20) <= 0 || (output.revents & POLLIN) == 0) return false;
    const auto count = ::read(master_, bytes, sizeof bytes);
    if (count <= 0) return false;
    picture_.feed({bytes, static_cast<std::size_t>(count)});
    return true;
  }

  int master_ = -1, slave_ = -1;
  pid_t child_ = -1;
  termios before_{};
  Picture picture_;
};

struct TwoServers {
  // The one that is first by name is last by memory.
  std::string small = unique_name("terminal-a"), large = unique_name("terminal-b");
  SharedChannel<int>::Server first{small};
  SharedChannel<std::string>::Server second{large};
};

// Both channels in the table, and the first above the second.
auto order_is(const std::string& first, const std::string& second) {
  return [&first, &second](const Picture& picture) {
    return picture.row_of(first) >= 0 && picture.row_of(second) > picture.row_of(first);
  };
}

}  // namespace

TEST_CASE("terminal: top refreshes in place, sorts by keys, and quits") {
  const TwoServers servers;
  Terminal top({"top", "--interval", "50ms", "--sort", "memory"});
  CHECK(top.shows(order_is(servers.large, servers.small)));
  CHECK(top.picture().is_own_screen());
  CHECK(top.picture().hides_cursor());
  CHECK(top.picture().has_bold("m memory"));

  const unsigned drawn = top.picture().drawings();
  CHECK(top.shows([&](const Picture& picture) { return picture.drawings() >= drawn + 3; }));
  CHECK(top.picture().lines().at(0).rfind("shared_channel top  ", 0) == 0);
  CHECK(top.picture().lines().at(3).rfind("NAME ", 0) == 0);
  CHECK(top.picture().overflows() == 0);  // neither wrapped nor scrolled

  top.press('n');
  CHECK(top.shows(order_is(servers.small, servers.large)));
  CHECK(top.shows([](const Picture& picture) { return picture.has_bold("n name"); }));
  top.press('m');
  CHECK(top.shows(order_is(servers.large, servers.small)));
  top.press('x');  // means nothing
  top.press('q');
  CHECK(top.wait() == 0);
  CHECK(top.is_given_back());
}

TEST_CASE("terminal: a key sorts at once, not at the next look") {
  const TwoServers servers;
  Terminal top({"top", "--interval", "1h", "--sort", "memory"});
  CHECK(top.shows(order_is(servers.large, servers.small)));
  CHECK(top.shows([](const Picture& picture) { return picture.drawings() == 2; }));  // the last one for an hour
  top.press('n');
  CHECK(top.shows(order_is(servers.small, servers.large)));
  top.press('q');
  CHECK(top.wait() == 0);
}

TEST_CASE("terminal: top tells what goes on") {
  const std::string name = unique_name("terminal");
  auto server = std::make_unique<SharedChannel<int>::Server>(name);
  server->start([](int value) { return value; }).value();
  SharedChannel<int>::Client client(name);
  Terminal top({"top", "--interval", "50ms"});
  const auto row = [&](const Picture& picture) {
    const int at = picture.row_of(name);
    return at < 0 ? std::string() : picture.lines()[static_cast<std::size_t>(at)];
  };
  CHECK(top.shows([&](const Picture& picture) { return row(picture).find(" open ") != std::string::npos; }));
  CHECK(top.shows([&](const Picture& picture) {
    static_cast<void>(client.call(1));
    return row(picture).find(" open  ") != std::string::npos &&
           picture.lines()[0].find(" 0 calls/s") == std::string::npos;
  }));
  server.reset();
  CHECK(top.shows([&](const Picture& picture) { return row(picture).empty(); }));
  top.press('Q');
  CHECK(top.wait() == 0);
}

TEST_CASE("terminal: top keeps within a small terminal") {
  const TwoServers servers;
  Terminal::Kind kind;
  kind.rows = 5;
  kind.columns = 60;
  Terminal top({"top", "--count", "3", "--interval", "20ms", "--sort", "name"}, kind);
  CHECK(top.wait() == 0);
  CHECK(top.picture().drawings() == 3);
  CHECK(top.picture().overflows() == 0);
  CHECK(top.picture().lines().size() == 4);  // the last one is the cursor's
}

TEST_CASE("terminal: colours only where they are wanted") {
  const TwoServers servers;
  Terminal::Kind kind;
  Terminal coloured({"list"}, kind);
  CHECK(coloured.wait() == 0);
  CHECK(coloured.picture().has_bold(servers.small));
  kind.no_colour = "1";
  Terminal plain({"list"}, kind);
  CHECK(plain.wait() == 0);
  CHECK(plain.picture().row_of(servers.small) > 0);
  CHECK_FALSE(plain.picture().has_bold(servers.small));
}

TEST_CASE("terminal: Ctrl-C and SIGTERM end top gracefully") {
  {
    Terminal top({"top", "--interval", "1h"});
    CHECK(top.shows([](const Picture& picture) { return picture.drawings() >= 1; }));
    top.press('\x03');
    CHECK(top.wait() == 0);
    CHECK(top.is_given_back());
  }
  Terminal top({"top", "--interval", "50ms"});
  CHECK(top.shows([](const Picture& picture) { return picture.drawings() >= 1; }));
  top.signal(SIGTERM);
  CHECK(top.wait() == 0);
  CHECK(top.is_given_back());
}

TEST_CASE("terminal: Ctrl-Z gives the terminal back until the shell lets top go on, and Ctrl-\\ for good") {
  Terminal top({"top", "--interval", "1h"});
  CHECK(top.shows([](const Picture& picture) { return picture.drawings() == 2; }));  // the last one for an hour
  top.press('\x1a');
  CHECK(top.is_stopped());
  CHECK(top.shows([&](const Picture&) { return top.is_given_back(); }));
  top.signal(SIGCONT);
  CHECK(top.shows([](const Picture& picture) { return picture.drawings() == 3; }));
  CHECK(top.picture().is_own_screen());
  CHECK(top.picture().hides_cursor());
  top.press('\x1c');
  CHECK(top.wait() == 0);
  CHECK(top.is_given_back());
}

TEST_CASE("terminal: no escapes where the terminal knows none, and as many looks as asked") {
  Terminal::Kind kind;
  kind.term = "dumb";
  Terminal dumb({"top", "--count", "1"}, kind);
  CHECK(dumb.wait() == 0);
  CHECK(dumb.picture().drawings() == 0);
  CHECK_FALSE(dumb.picture().lines().empty());

  Terminal thrice({"top", "--count", "3", "--interval", "20ms"});
  CHECK(thrice.wait() == 0);
  CHECK(thrice.picture().drawings() == 3);
  CHECK(thrice.is_given_back());
}

}  // namespace terminal_test
#endif
