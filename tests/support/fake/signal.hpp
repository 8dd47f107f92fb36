// Signs of life, signals, the client mutex and sleeping on many, in this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shared_channel/detail/base/ref_ptr.hpp>
#include <shared_channel/detail/base/unique_ptr.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/platform/errors.hpp>

#include "support/fake/kernel.hpp"
#include "support/fake/memory.hpp"

namespace test_support::fake {

using platform::Lock;
using platform::Peer;
using platform::Wake;

// The page's `alive` word: lit, 0 once stopped, anything else once died.
inline constexpr std::uint32_t lit = 1;
inline constexpr std::uint32_t died = 2;

class Beacon : Living<Kind::beacon> {
 public:
  static Result<UniquePtr<Beacon>> light(const Names& names, std::uint64_t, ServerPage& page,
                                         const shared_channel::Access&) {
    if (const auto failure = kernel().enter(Op::light_beacon)) return error_of(names, "light_beacon", *failure);
    page.alive.store(lit);
    return UniquePtr<Beacon>(new Beacon(page.alive));
  }
  Beacon(const Beacon&) = delete;
  Beacon& operator=(const Beacon&) = delete;
  ~Beacon() {
    if (alive_.load() != died) alive_.store(0);
    kernel().wake(alive_, Kernel::everyone);
  }

  void mend() noexcept {
    kernel().enter(Op::mend_beacon);
    if (alive_.load() == 0) alive_.store(lit);
  }

 private:
  explicit Beacon(Word& alive) : alive_(alive) {}

  Word& alive_;
};

class Watch : Living<Kind::watch> {
 public:
  static Result<Watch> open(const Names& names, std::uint64_t, const ServerPage& page) {
    if (const auto failure = kernel().enter(Op::open_watch)) return error_of(names, "open_watch", *failure);
    if (page.alive.load() != lit) return platform::just_gone(names);
    return Watch(page.alive);
  }

  Peer look() const noexcept {
    const std::uint32_t now = alive_->load();
    return now == lit ? Peer::alive : now == 0 ? Peer::stopped : Peer::died;
  }
  // Ordered to fail, it tells what was so a moment ago.
  Peer glance() const noexcept { return kernel().enter(Op::glance) ? Peer::alive : look(); }
  Watched watched() const noexcept { return {alive_, lit}; }
  Wake outcome(bool is_woken) const noexcept {
    return look() != Peer::alive ? Wake::server_gone : is_woken ? Wake::signalled : Wake::timed_out;
  }

 private:
  explicit Watch(const Word& alive) : alive_(&alive) {}

  const Word* alive_;
};

class Signal : Living<Kind::signal> {
 public:
  static Result<Signal> create(const Names& names, std::uint64_t, std::string_view part, Word& word,
                               const shared_channel::Access&) {
    if (const auto failure = kernel().enter(Op::create_signal, part)) return error_of(names, "create_signal", *failure);
    return Signal(part, word);
  }
  static Result<Signal> open(const Names& names, std::uint64_t, std::string_view part, Word& word) {
    if (const auto failure = kernel().enter(Op::open_signal, part)) return error_of(names, "open_signal", *failure);
    return Signal(part, word);
  }

  void ring() noexcept {
    kernel().enter(Op::ring, part_);
    kernel().wake(*word_, 1);
  }
  void ring_all() noexcept {
    kernel().enter(Op::ring_all, part_);
    kernel().wake(*word_, kernel().wakes_one_of_all ? 1 : Kernel::everyone);
  }

  Wake wait(std::uint32_t seen, Deadline& deadline) noexcept {
    kernel().enter(Op::wait, part_);
    return kernel().sleep({watched(seen)}, deadline) ? Wake::signalled : Wake::timed_out;
  }
  Wake wait(std::uint32_t seen, Deadline& deadline, const Watch& server) noexcept {
    kernel().enter(Op::wait, part_);
    return server.outcome(kernel().sleep({watched(seen), server.watched()}, deadline));
  }

  Watched watched(std::uint32_t seen) const noexcept { return {word_, seen}; }

 private:
  Signal(std::string_view part, Word& word) : part_(part), word_(&word) {}

  std::string part_;
  Word* word_;
};

// The word holds the owner's lease number.
class ClientMutex : Living<Kind::mutex> {
 public:
  static Result<ClientMutex> create(const Names& names, std::uint64_t, Word& word, const shared_channel::Access&) {
    if (const auto failure = kernel().enter(Op::create_mutex)) return error_of(names, "create_mutex", *failure);
    return ClientMutex(word);
  }
  static Result<ClientMutex> open(const Names& names, std::uint64_t, Word& word) {
    if (const auto failure = kernel().enter(Op::open_mutex)) return error_of(names, "open_mutex", *failure);
    return ClientMutex(word);
  }

  Lock lock(std::uint32_t me, const ClientLease& leases, Deadline& deadline, const Watch& server,
            Watched called = {}) noexcept {
    kernel().enter(Op::lock_mutex);
    for (;;) {
      std::uint32_t owner = 0;
      if (word_->compare_exchange_strong(owner, me)) return Lock::locked;
      if (owner != me && !leases.is_held(owner)) {
        if (word_->compare_exchange_strong(owner, me)) return Lock::abandoned;
        continue;
      }
      if (server.look() != Peer::alive) return Lock::server_gone;
      if (deadline.passed()) return Lock::timed_out;
      std::vector<Watched> words{{word_, owner}, server.watched()};
      if (called.word != nullptr) words.push_back(called);
      kernel().sleep(std::move(words), deadline);
    }
  }
  void unlock() noexcept {
    word_->store(0);
    kernel().wake(*word_, 1);
  }

 private:
  explicit ClientMutex(Word& word) : word_(&word) {}

  Word* word_;
};

class WaitSet : Living<Kind::wait_set> {
 public:
  static constexpr std::size_t capacity = 3;  // few, so that few calls need a second thread

  using Entry = platform::WaitEntry<Signal>;
  using Entries = platform::WaitEntries<Signal>;

  explicit WaitSet(Word& own) noexcept : own_(own) {
    if (const auto failure = kernel().enter(Op::make_wait_set)) failure_ = failure->native;
  }
  WaitSet(const WaitSet&) = delete;
  WaitSet& operator=(const WaitSet&) = delete;

  int failure() const noexcept { return failure_; }

  void ring() noexcept {
    kernel().enter(Op::ring_set);
    kernel().wake(own_, 1);
  }
  Watched called(std::uint32_t ticket) const noexcept { return {&own_, ticket}; }
  Wake wait(std::uint32_t ticket, Entries entries, Deadline& deadline, const Watch* server) noexcept {
    kernel().enter(Op::wait_in_set, entries.count != 0 ? "calls" : "idle");
    std::vector<Watched> words{{&own_, ticket}};
    if (server != nullptr) words.push_back(server->watched());
    for (const Entry& entry : entries) words.push_back(entry.signal->watched(entry.seen));
    const bool is_woken = kernel().sleep(std::move(words), deadline);
    return server != nullptr ? server->outcome(is_woken) : is_woken ? Wake::signalled : Wake::timed_out;
  }

 private:
  Word& own_;
  int failure_ = 0;
};

class Notifier : public RefCounted, Living<Kind::notifier> {
 public:
  using Native = const std::atomic<bool>*;
  static constexpr Native none = nullptr;

  explicit operator bool() const noexcept { return is_there_; }
  Native native() const noexcept { return &is_set_; }
  void notify() noexcept {
    kernel().enter(Op::notify);
    is_set_ = true;
  }
  void clear() noexcept { is_set_ = false; }

 private:
  bool is_there_ = !kernel().enter(Op::make_notifier);
  std::atomic<bool> is_set_{false};
};

}  // namespace test_support::fake
