// What benchmarks ask of the operating system; platform_linux.cpp and platform_win32.cpp have the answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// What a process has used so far. `waits` counts voluntary context switches; 0 where the system does not tell.
struct Usage {
  double cpu_seconds = 0;
  std::uint64_t waits = 0;

  friend Usage operator-(const Usage& a, const Usage& b) { return {a.cpu_seconds - b.cpu_seconds, a.waits - b.waits}; }
  Usage& operator+=(const Usage& b) { return cpu_seconds += b.cpu_seconds, waits += b.waits, *this; }
};

Usage own_usage();
Usage usage_of(std::int64_t process);  // Linux: Wine does not keep the times of other processes

// Bytes of named or unnamed shared memory that this process has mapped.
double mapped_shared_memory();

std::vector<unsigned> allowed_cpus();
void pin_to(unsigned cpu);
void lower_own_priority();

std::string cpu_name();

// Leaves at once, without destructors: for servers that nothing else can wake.
[[noreturn]] void leave(int exit_code) noexcept;

// Zeroed memory that a process shares with the processes it starts, and with nobody else.
class SharedBlock {
 public:
  explicit SharedBlock(std::size_t size);                     // in the parent
  SharedBlock(std::string_view inherited, std::size_t size);  // in a child
  ~SharedBlock();
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  const std::string& handle() const { return handle_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::string handle_;
  [[maybe_unused]] void* native_ = nullptr;
};

// Holds back any number of processes until one opens it; costs nothing while it waits.
class Gate {
 public:
  static constexpr std::size_t reserved = 64;  // bytes at the start of the block

  Gate(const SharedBlock& block, unsigned number);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  void open();
  void close();
  void wait() const;

 private:
  void* native_ = nullptr;
};

}  // namespace bench
