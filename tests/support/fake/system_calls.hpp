// What the fake kernel deals in: calls, their failures, memory and watched words.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

#include <shared_channel/detail/protocol/layout.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/result.hpp>

namespace test_support::fake {

using namespace shared_channel::detail;
using shared_channel::Errc;
using shared_channel::Error;
using shared_channel::Result;

// What the library asks of a system. The part that a test may name with it stands behind.
enum class Op {
  create_memory,  // record, page, segment; so the next two
  open_memory,
  ask_owner,
  acquire_name,
  read_record,  // published, announced
  keep_name,
  take_lease,
  ask_lease,      // the lease's number
  create_signal,  // exec, slot_freed, done.N; so for ring, ring_all and wait
  open_signal,
  ring,
  ring_all,
  wait,
  create_mutex,
  open_mutex,
  lock_mutex,
  light_beacon,
  mend_beacon,
  open_watch,
  glance,
  make_wait_set,  // only its native code counts
  wait_in_set,    // calls: with calls to wait for; idle: without
  ring_set,
  make_notifier,
  notify,
  start_thread,
  rest,
};

// How a call of the system fails.
struct Failure {
  Errc code = Errc::system_error;
  int native = 0;
};

// What lives, for tests that want nothing left over.
enum class Kind { memory, name, lease, signal, mutex, beacon, watch, wait_set, notifier, thread, count };

// Zeroed, and aligned as pages are.
class Memory {
 public:
  explicit Memory(std::size_t bytes)
      : data_(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{page}))), size_(bytes) {
    std::fill(data_, data_ + bytes, std::byte{0});
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { ::operator delete (data_, std::align_val_t{page}); }

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

  std::string owner = "me";

 private:
  static constexpr std::size_t page = 4096;
  std::byte* data_;
  std::size_t size_;
};

// A word and what its sleeper has seen in it.
struct Watched {
  const Word* word;
  std::uint32_t seen;
};

}  // namespace test_support::fake
