// What doctor says of what it found. Apart from how that is found, so that it can be tried with facts that are not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <shared_channel/channel_info.hpp>

namespace tool {

/// One thing that a channel needs, and how it stands here.
struct Finding {
  enum class Grade { good, note, problem };
  Grade grade;
  std::string what;    // "shared memory"
  std::string found;   // "/dev/shm, 24 GB, 11 MB used"
  std::string advice;  // what to do about it, of notes and problems
};

/// By default those of a system where all is well.
struct LinuxFacts {
  enum class Waitv { there, refused, missing };

  std::string no_memory;  // why /dev/shm cannot be looked at
  bool is_tmpfs = true;
  std::uint64_t memory_size = std::uint64_t{8} << 30;  // 0: no limit
  std::uint64_t memory_left = std::uint64_t{8} << 30;
  unsigned memory_mode = 01777;
  bool may_make_files = true;
  Waitv futex_waitv = Waitv::there;
  int cores = 8;
  // Nothing: no limit.
  std::optional<std::uint64_t> open_files = 1024, file_size, address_space;
  std::string container;  // its kind
  bool has_own_pids = false, has_own_time = false, has_own_users = false;
  bool has_logind = false;
  bool removes_ipc = true;
  unsigned user = 1000;
};
std::vector<Finding> findings_of(const LinuxFacts& facts);

struct Win32Facts {
  std::optional<std::uint64_t> memory_left = std::uint64_t{8} << 30;  // nothing: the system does not tell
  int cores = 8;
  unsigned session = 1;
  bool may_serve_machine = true;
};
std::vector<Finding> findings_of(const Win32Facts& facts);

/// Of all channels: what dead servers left, and what cannot be read.
Finding finding_of(const std::vector<shared_channel::ChannelInfo>& channels);

}  // namespace tool
