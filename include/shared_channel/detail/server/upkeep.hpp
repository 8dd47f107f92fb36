// When a server mends the words that only it writes: the damage of a stray write there must not last.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

/// Mends the server's words, when it is time.
class Mender {
 public:
  virtual void keep_up() noexcept = 0;

 protected:
  ~Mender() = default;
};

/// Thread-safe.
class Upkeep {
 public:
  static constexpr nanoseconds interval = std::chrono::seconds(1);

  /// Whether it is time, and nobody else is at it. If so, end() must follow. `me` is the calling thread's number.
  [[nodiscard]] bool begin(std::uint32_t me, Clock::time_point at = Clock::now()) noexcept {
    const Clock::rep now = at.time_since_epoch().count();
    constexpr Clock::rep apart = Clock::duration(interval).count();
    if (now - last_.load(std::memory_order_relaxed) < apart) return false;
    std::uint32_t at_it = nobody;
    if (!at_it_.compare_exchange_strong(at_it, me, std::memory_order_acquire, std::memory_order_relaxed)) return false;
    last_.store(now, std::memory_order_relaxed);
    return true;
  }
  void end() noexcept { at_it_.store(nobody, std::memory_order_release); }

  /// Upkeep never begins again: words that were taken back must not be mended. This waits while another thread mends:
  /// `rest` passes a little time, or answers false to give up. It does not wait for upkeep of the calling thread, which
  /// a signal handler has interrupted and never returns to.
  template <class Rest>
  void close(std::uint32_t me, Rest&& rest) noexcept {
    std::uint32_t at_it = nobody;
    while (!at_it_.compare_exchange_strong(at_it, me, std::memory_order_acquire, std::memory_order_relaxed) &&
           at_it != me && rest())
      at_it = nobody;
  }

  /// A worker that goes to sleep, until it wakes. Every sleeping worker wakes by itself for the upkeep: if only one
  /// did, a long handler could hold it, and there would be none.
  class Sleep {
   public:
    explicit Sleep(Upkeep& upkeep) noexcept : upkeep_(upkeep) {
      upkeep_.sleeping_.fetch_add(1, std::memory_order_seq_cst);
    }
    ~Sleep() { upkeep_.sleeping_.fetch_sub(1, std::memory_order_seq_cst); }
    Sleep(const Sleep&) = delete;
    Sleep& operator=(const Sleep&) = delete;

    /// When the worker wakes even without a ring. Counted from the last upkeep, so that the clock is not read.
    [[nodiscard]] Clock::time_point end() const noexcept {
      const Clock::time_point last{Clock::duration(upkeep_.last_.load(std::memory_order_relaxed))};
      return last + std::chrono::duration_cast<Clock::duration>(backstop);
    }

   private:
    Upkeep& upkeep_;
  };

  /// Whether a worker sleeps or is about to. One that is about to looks once more whether the server is stopping.
  [[nodiscard]] bool has_sleepers() const noexcept { return sleeping_.load(std::memory_order_seq_cst) != 0; }

 private:
  static constexpr std::uint32_t nobody = 0;
  static constexpr nanoseconds backstop = std::chrono::seconds(2);

  std::atomic<Clock::rep> last_{Clock::now().time_since_epoch().count()};  // on the steady clock
  std::atomic<std::uint32_t> at_it_{nobody};                               // the number of a thread
  std::atomic<unsigned> sleeping_{0};
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
