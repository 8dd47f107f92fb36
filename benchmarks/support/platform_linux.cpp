#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include "platform.hpp"
#include "roles.hpp"

namespace bench {

Usage own_usage() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return {seconds(used.ru_utime) + seconds(used.ru_stime), static_cast<std::uint64_t>(used.ru_nvcsw)};
}

Usage usage_of(std::int64_t process) {
  Usage usage;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    double nanoseconds = 0;
    std::ifstream(task.path() / "schedstat") >> nanoseconds;
    usage.cpu_seconds += nanoseconds * 1e-9;
    std::ifstream status(task.path() / "status");
    for (std::string word; status >> word;) {
      std::uint64_t count = 0;
      if (word == "voluntary_ctxt_switches:" && status >> count) usage.waits += count;
    }
  }
  return usage;
}

double mapped_shared_memory() {
  double total = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    char mode[5] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, mode) == 3 && mode[3] == 's')
      total += static_cast<double>(end - begin);
  }
  return total;
}

std::vector<unsigned> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  std::vector<unsigned> cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

void pin_to(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) throw std::system_error(errno, std::generic_category(), "pin");
}

void lower_own_priority() { setpriority(PRIO_PROCESS, 0, 10); }

std::string cpu_name() {
  std::ifstream processors("/proc/cpuinfo");
  for (std::string line; std::getline(processors, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

void leave(int exit_code) noexcept { ::_exit(exit_code); }

SharedBlock::SharedBlock(std::size_t size) : size_(size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  data_ = static_cast<std::byte*>(memory);
}

SharedBlock::SharedBlock(std::string_view, std::size_t) {
  throw std::logic_error("a forked child has its parent's memory");
}

SharedBlock::~SharedBlock() { munmap(data_, size_); }

namespace {

std::atomic<std::uint32_t>& word(void* gate) { return *static_cast<std::atomic<std::uint32_t>*>(gate); }

}  // namespace

Gate::Gate(const SharedBlock& block, unsigned number) : native_(block.data() + number * sizeof(std::uint32_t)) {}
Gate::~Gate() = default;

void Gate::open() {
  word(native_) = 1;
  syscall(SYS_futex, native_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void Gate::close() { word(native_) = 0; }

void Gate::wait() const {
  while (word(native_) == 0) syscall(SYS_futex, native_, FUTEX_WAIT, 0, nullptr, nullptr, 0);
}

Process start(std::string_view role, const SharedBlock& block, unsigned index) {
  return Process::forked([&] { return run_role(role, block, index); });
}

}  // namespace bench
