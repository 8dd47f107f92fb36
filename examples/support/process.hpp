// Other programs, started and ended by the drivers of the examples.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace support {

/// The files that stand for a process's standard streams. Empty: nothing to read; what is written is dropped.
struct Streams {
  std::filesystem::path input;
  std::filesystem::path output;
  std::filesystem::path errors;
};

/// A child process. It ends with this object at the latest, and with the program that made it.
/// What the system refuses is thrown as std::system_error.
class Process {
 public:
  Process(const std::filesystem::path& program, const std::vector<std::string>& arguments, const Streams& streams = {});
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  bool is_running();
  int wait();           ///< until it ends; its exit code, or one that no program here returns if it was killed
  void kill();          ///< as SIGKILL and TerminateProcess do: it gets no chance to clean up
  void press_ctrl_c();  ///< for this process alone
  void terminate();     ///< as SIGTERM does; on Win32, where nobody can send that, as Ctrl-C

 private:
  struct Native;
  std::unique_ptr<Native> native_;
};

/// This program itself: its siblings are found beside it.
std::filesystem::path this_program();
int this_process();

/// Programs that this one starts speak as the C locale has it.
void use_c_locale();

}  // namespace support
