#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace test_support {

// What every wait of a test is limited by when the test names no limit: long enough for the slowest machine.
inline constexpr std::chrono::seconds patience{60};

struct ExitStatus {
  int code = 0;         // exit code; signal number or exception code when killed
  bool killed = false;  // by a signal, TerminateProcess or an unhandled exception
  bool operator==(const ExitStatus&) const = default;
};

// A child process with its standard input and output in our hands. Waits that run out and streams that end throw
// std::runtime_error. The destructor kills and reaps.
class Process {
 public:
  Process(const std::filesystem::path& program, const std::vector<std::string>& arguments);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  std::string read_line(std::chrono::nanoseconds timeout = patience);
  void write_line(std::string_view line);
  void close_input();

  ExitStatus wait(std::chrono::nanoseconds timeout = patience);  // reaps
  void kill();                                                   // does not reap
  void suspend();
  void resume();
  std::int64_t pid() const;

  static void kill_all();    // every child of this program that is alive
  static bool has_killed();  // whether any was ever killed

 private:
  struct Native;
  std::unique_ptr<Native> native_;
  std::string unread_;
};

// shared_channel_peer playing a role. Its 32-bit twin is there for tests tagged [peer32], which run where it does.
Process start_peer(const char* program, std::string_view role, std::vector<std::string> arguments);

template <class... Arguments>
Process peer(std::string_view role, Arguments&&... arguments) {
  return start_peer("shared_channel_peer", role, {std::string(arguments)...});
}

template <class... Arguments>
Process peer32(std::string_view role, Arguments&&... arguments) {
  return start_peer("shared_channel_peer32", role, {std::string(arguments)...});
}

}  // namespace test_support
