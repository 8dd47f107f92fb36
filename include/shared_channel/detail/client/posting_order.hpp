// What a client's calls say of their turn (protocol/order.hpp): those that go into flight, and whatever the same thread
// calls until they have ended. A plain call with nothing of its client in flight costs one look.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <shared_channel/detail/protocol/order.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Of one connection. Thread-safe.
template <class Platform>
class PostingOrder {
  /// Of some threads, of one until there are many.
  struct Group {
    /// How many calls are in flight (24 bits), and above that the next one's number, which may wrap around.
    std::atomic<std::uint64_t> calls{0};
    /// The call that was posted last, and above that (32 bits) which thread did.
    std::atomic<std::uint64_t> latest{0};

    /// The turn of the next call of `thread`, one of the group's.
    [[nodiscard]] Turn next(std::uint32_t thread, std::uint64_t calls_before) const noexcept {
      const Place place(group_of(thread) + 1, static_cast<std::uint32_t>(calls_before / one_number));
      return {place, calls_before % one_number == 0 ? Before::first() : latest_of(thread)};
    }

   private:
    [[nodiscard]] Before latest_of(std::uint32_t thread) const noexcept {
      const std::uint64_t call = latest.load(std::memory_order_relaxed);
      return call >> 32 == thread ? Before(static_cast<std::uint32_t>(call)) : Before::unknown();
    }
  };
  static constexpr std::uint64_t one_number = std::uint64_t{1} << 24;

 public:
  PostingOrder() = default;
  PostingOrder(const PostingOrder&) = delete;
  PostingOrder& operator=(const PostingOrder&) = delete;

  /// A call of the calling thread that goes into flight, until it has ended.
  class InFlight {
   public:
    explicit InFlight(PostingOrder& order) noexcept { begin(order); }
    ~InFlight() { end(); }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;

    /// The turn of a call that was prepared, maybe by another thread, is when the calling thread posts it.
    void begin_again(PostingOrder& order) noexcept {
      end();
      begin(order);
    }

    [[nodiscard]] const Turn& turn() const noexcept { return turn_; }

    /// One thread at a time.
    void end() noexcept {
      if (Group* const group = std::exchange(group_, nullptr)) group->calls.fetch_sub(1, std::memory_order_relaxed);
    }

   private:
    void begin(PostingOrder& order) noexcept {
      if (!order.is_used_.load(std::memory_order_relaxed)) order.is_used_.store(true, std::memory_order_relaxed);
      const std::uint32_t thread = Platform::thread_number();
      group_ = &order.groups_[group_of(thread)];
      turn_ = group_->next(thread, group_->calls.fetch_add(one_number + 1, std::memory_order_relaxed));
    }

    Group* group_ = nullptr;
    Turn turn_;
  };

  /// For a plain call. The calling thread knows of its own calls in flight.
  Turn next() noexcept {
    if (!is_used_.load(std::memory_order_relaxed)) [[likely]]
      return {};
    const std::uint32_t thread = Platform::thread_number();
    Group& mine = groups_[group_of(thread)];
    if (mine.calls.load(std::memory_order_relaxed) % one_number == 0) return {};
    return mine.next(thread, mine.calls.fetch_add(one_number, std::memory_order_relaxed));
  }

  /// The calling thread has posted a call with a turn in the slot `index`.
  void was_posted(std::uint32_t index, Posted call) noexcept {
    const std::uint32_t thread = Platform::thread_number();
    const Before it = call.follows_concluded ? Before(index, call.sequence) : Before::unknown();
    groups_[group_of(thread)].latest.store(std::uint64_t{thread} << 32 | it.word(), std::memory_order_relaxed);
  }

 private:
  static std::uint32_t group_of(std::uint32_t thread) noexcept { return thread % Place::most_threads; }

  std::atomic<bool> is_used_{false};  // a call went into flight, ever
  std::array<Group, Place::most_threads> groups_{};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
