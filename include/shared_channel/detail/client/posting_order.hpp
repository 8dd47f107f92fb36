// Which calls of a client are given a place in their thread's order (protocol/order.hpp): those that go into flight,
// and whatever the same thread calls until they have ended. A plain call with nothing of its client in flight costs one
// look.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>

#include <shared_channel/detail/protocol/order.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Thread-safe.
class PostingOrder {
  /// Of some threads' calls: how many are in flight (24 bits), and above that the next one's number, which may wrap
  /// around.
  using Group = std::atomic<std::uint64_t>;
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

    /// The place of a call that was prepared, maybe by another thread, is where the calling thread posts it.
    void begin_again(PostingOrder& order) noexcept {
      end();
      begin(order);
    }

    [[nodiscard]] Place place() const noexcept { return place_; }

    /// One thread at a time.
    void end() noexcept {
      if (Group* const group = std::exchange(group_, nullptr)) group->fetch_sub(1, std::memory_order_relaxed);
    }

   private:
    void begin(PostingOrder& order) noexcept {
      if (!order.is_used_.load(std::memory_order_relaxed)) order.is_used_.store(true, std::memory_order_relaxed);
      const std::uint32_t thread = this_thread();
      group_ = &order.group(thread);
      place_ = Place(thread, number_in(group_->fetch_add(one_number + 1, std::memory_order_relaxed)));
    }

    Group* group_ = nullptr;
    Place place_;
  };

  /// For a plain call. The calling thread knows of its own calls in flight.
  Place next() noexcept {
    if (!is_used_.load(std::memory_order_relaxed)) [[likely]]
      return {};
    const std::uint32_t thread = this_thread();
    Group& mine = group(thread);
    if (mine.load(std::memory_order_relaxed) % one_number == 0) return {};
    return Place(thread, number_in(mine.fetch_add(one_number, std::memory_order_relaxed)));
  }

 private:
  static std::uint32_t number_in(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word / one_number); }
  /// 1 to Place::most_threads. Two threads with the same, by chance, have one order between them.
  static std::uint32_t this_thread() noexcept {
    const std::uint64_t hash = std::hash<std::thread::id>()(std::this_thread::get_id());
    return static_cast<std::uint32_t>((hash * 0x9E37'79B9'7F4A'7C15) >> 32) % Place::most_threads + 1;
  }
  Group& group(std::uint32_t thread) noexcept { return groups_[thread - 1]; }

  std::atomic<bool> is_used_{false};                 // a call went into flight, ever
  std::array<Group, Place::most_threads> groups_{};  // a thread's calls are in one, perhaps with those of others
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
