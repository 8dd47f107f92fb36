// Child processes of tests, examples and benchmarks.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "program.hpp"

namespace test_support {

// What every wait of a test is limited by when the test names no limit: long enough for the slowest machine.
inline constexpr std::chrono::seconds patience{60};

struct ExitStatus {
  int code = 0;         // exit code; signal number or exception code when killed
  bool killed = false;  // by a signal, TerminateProcess or an unhandled exception
  bool operator==(const ExitStatus&) const = default;
};

// Where a standard stream of a child leads.
class Stream {
 public:
  static Stream pipe() { return Stream(Kind::pipe, {}); }            // whose other end is in our hands
  static Stream inherited() { return Stream(Kind::inherited, {}); }  // the same as ours
  static Stream nothing() { return Stream(Kind::nothing, {}); }      // no input; output is dropped
  static Stream file(std::filesystem::path path) { return Stream(Kind::file, std::move(path)); }

 private:
  friend class Process;
  enum class Kind { pipe, inherited, nothing, file };
  Stream(Kind kind, std::filesystem::path path) : kind_(kind), path_(std::move(path)) {}

  Kind kind_;
  std::filesystem::path path_;
};

struct Streams {
  Stream input = Stream::pipe();
  Stream output = Stream::pipe();
  Stream errors = Stream::inherited();  // never a pipe: nobody would read it
};

// A child process. Waits that run out and streams that end throw std::runtime_error, and what the system refuses throws
// std::system_error. The destructor kills and reaps.
class Process {
 public:
  // Looks for a program without a folder where the system looks for programs. Arguments are UTF-8.
  Process(const std::filesystem::path& program, const std::vector<std::string>& arguments, const Streams& = {});
#ifndef _WIN32
  // By fork(): the child has this process's memory, runs `body`, and ends with the thread that started it.
  static Process forked(const std::function<int()>& body);
#endif
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  std::string read_line(std::chrono::nanoseconds timeout = patience);
  void write_line(std::string_view line);
  void close_input();

  ExitStatus wait(std::chrono::nanoseconds timeout = patience);  // reaps
  bool ends_within(std::chrono::duration<double> timeout);       // does not reap
  bool is_running() { return !ends_within({}); }

  // These do not reap either, and do nothing to a process that has ended.
  void kill();       // as SIGKILL and TerminateProcess do: it gets no chance to clean up
  void interrupt();  // Ctrl-C for this process alone
  void terminate();  // SIGTERM; on Win32, where nobody can send that, Ctrl-C
  void suspend();
  void resume();
  std::int64_t pid() const;

  static void kill_all();    // every child of this program that is alive
  static bool has_killed();  // whether any was ever killed

 private:
  struct Native;
  Process();

  std::unique_ptr<Native> native_;
  std::string unread_;
};

// shared_channel_peer playing a role. Its 32-bit twin is there for tests tagged [peer32], which run where it does.
inline Process start_peer(std::string_view program, std::string_view role, std::vector<std::string> arguments) {
  arguments.emplace(arguments.begin(), role);
  return Process(sibling(program), arguments);
}

template <class... Arguments>
Process peer(std::string_view role, Arguments&&... arguments) {
  return start_peer("shared_channel_peer", role, {std::string(arguments)...});
}

template <class... Arguments>
Process peer32(std::string_view role, Arguments&&... arguments) {
  return start_peer("shared_channel_peer32", role, {std::string(arguments)...});
}

}  // namespace test_support
