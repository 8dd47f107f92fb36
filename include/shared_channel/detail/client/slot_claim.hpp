// A client's claim on one slot: takes a free one, queues where all are occupied, and gives it back.
#pragma once

#include <atomic>
#include <cstdint>

#include <shared_channel/detail/base/deadline.hpp>
#include <shared_channel/detail/base/test_point.hpp>
#include <shared_channel/detail/client/cancellation.hpp>
#include <shared_channel/detail/client/connection.hpp>
#include <shared_channel/detail/platform/contract.hpp>
#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/frame.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail {

template <class Platform>
class SlotClaim {
  using Connection = detail::Connection<Platform>;

 public:
  explicit SlotClaim(Connection& connection) noexcept : connection_(connection) {}
  SlotClaim(const SlotClaim&) = delete;
  SlotClaim& operator=(const SlotClaim&) = delete;

  /// Takes the slot of the last call if that is free. Else take() looks further.
  [[nodiscard]] bool take_again() noexcept {
    const std::uint32_t last = connection_.hint();
    return !others_come_first() && got(claim(connection_.slot_array()[last], connection_.me()), last);
  }

  /// Takes a slot, waiting in the queue if all are occupied. False: refusal() tells why there is none.
  [[nodiscard]] bool take(Deadline& deadline);

  [[nodiscard]] Errc refusal() const noexcept { return refusal_; }
  /// How long take() could wait.
  [[nodiscard]] nanoseconds patience() const noexcept { return patience_; }

  [[nodiscard]] bool is_held() const noexcept { return is_held_; }
  /// Of the slot that is held.
  [[nodiscard]] Slot& slot() const noexcept { return *slot_; }
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }

  /// Frees the slot for the next call.
  void give_back() noexcept {
    release(slot());
    is_held_ = false;
    // The next calls use the same few slots again: the server looks at all that were ever used.
    if (index_ < connection_.hint()) connection_.set_hint(index_);
    SHARED_CHANNEL_TEST_POINT(client_released);
    tell_slot_freed();
  }

 private:
  /// The head of the queue looks this often for slots whose owners have died: nobody rings for those.
  static constexpr nanoseconds recover_interval = std::chrono::milliseconds(10);

  [[nodiscard]] SlotFreed& slot_freed() const noexcept { return connection_.header().slot_freed; }

  void hold(std::uint32_t index) noexcept {
    index_ = index;
    slot_ = &connection_.slot_array()[index];
    is_held_ = true;
    connection_.set_hint(index);
    // Before post(), so that a worker that looks for the request looks far enough. Sequentially consistent even if
    // another client has raised it: else that client's store, our post and a worker's look could be seen in an order in
    // which the worker reads the old mark and sleeps (a weak-memory model checker found it).
    Word& high_water = connection_.header().high_water;
    std::uint32_t high = high_water.load(std::memory_order_seq_cst);
    while (high <= index && !high_water.compare_exchange_weak(high, index + 1, std::memory_order_seq_cst)) {
    }
    SHARED_CHANNEL_TEST_POINT(client_holds_slot);
  }

  bool got(Claim outcome, std::uint32_t index) noexcept {
    if (outcome == Claim::claimed) hold(index);
    gave_back_ = gave_back_ || outcome == Claim::given_back;
    return outcome == Claim::claimed;
  }

  [[nodiscard]] bool others_come_first() const noexcept {
    return slot_freed().starving.load(std::memory_order_relaxed) != 0;
  }

  bool try_claim() noexcept {
    const SlotArray& slot_array = connection_.slot_array();
    std::uint32_t index = connection_.hint();
    for (std::uint32_t tried = 0; tried < slot_array.count(); ++tried) {
      if (got(claim(slot_array[index], connection_.me()), index)) return true;
      index = index + 1 == slot_array.count() ? 0 : index + 1;
    }
    return false;
  }

  /// Recovers a slot whose owner is gone. Asks the kernel, which is slow, about at most `questions` owners; once for
  /// neighbouring slots of one owner. The next attempt goes on where this one ended.
  bool try_recover(std::uint32_t questions) noexcept {
    const SlotArray& slot_array = connection_.slot_array();
    std::uint32_t living = connection_.me();
    for (std::uint32_t looked = 0; looked < slot_array.count(); ++looked) {
      const std::uint32_t index = asks_next_ % slot_array.count();
      const std::uint32_t owner = slot_array[index].owner.load(std::memory_order_relaxed);
      const bool is_question = owner != 0 && owner != connection_.me() && owner != living;
      if (is_question && questions-- == 0) return false;
      asks_next_ = index + 1;
      if (!is_question) continue;
      if (connection_.lease().is_held(owner)) {
        living = owner;
        continue;
      }
      SHARED_CHANNEL_TEST_POINT(client_found_dead_owner);
      if (got(recover(slot_array[index], owner, connection_.me()), index)) return true;
    }
    return false;
  }

  /// A caller in the queue looks this often whether it can have a slot although it is not the head.
  static constexpr nanoseconds queue_slice = std::chrono::milliseconds(50);
  /// For so many owners it then asks the system: a thousand callers are not to ask for a thousand owners each.
  static constexpr std::uint32_t questions_of_a_slice = 4;

  /// Takes a slot past a head that stands still.
  bool take_past_the_head() noexcept {
    gave_back_ = false;
    const bool has_claimed = try_claim() || try_recover(questions_of_a_slice);
    if (has_claimed) slot_freed().starving.store(0, std::memory_order_relaxed);
    if (gave_back_) tell_slot_freed();
    return has_claimed;
  }

  platform::Lock lock(Deadline slice) {
    return lock_for<Platform>(connection_.client_mutex(), connection_.me(), connection_.lease(), slice,
                              connection_.server());
  }

  /// Why a caller waits no longer.
  static Errc reason_of(const Deadline& deadline) noexcept {
    return deadline.is_interrupted() ? Errc::cancelled : Errc::busy;
  }

  /// Queues behind the callers that came before. Only the head of the queue waits for a slot, so that a freed slot
  /// wakes one caller. If a newcomer takes that slot first, newcomers queue as well.
  ///
  /// A head that stands still (SIGSTOP, a debugger) keeps the mutex, leaves `starving` set, and asks for no dead owner.
  /// It must not cost others more than its own slot. So a caller whose slice has passed tries the slots itself, those
  /// of the dead too, and clears `starving` if it gets one, for the next newcomers. A head that lives sets it again in
  /// its next round, so waiting callers overtake it now and then, and newcomers never starve it.
  ///
  /// Safe, because the mutex protects no slot: claim() and recover() become owners by compare-and-swap alone, and
  /// recover() rests on the kernel's word, whoever asked for it. If several callers recover one slot, one of them gets
  /// it. `starving` only sends newcomers to the queue. Live, because free slots are tried in each slice, and each owner
  /// is asked for after (owners / questions_of_a_slice) slices at most. A caller that held a slot for a moment and gave
  /// it back rings, as take() does: a living head may have passed it by.
  bool claim_with_mutex(Deadline& deadline) {
    for (;;) {
      switch (lock(deadline.within(queue_slice))) {
        case platform::Lock::timed_out:
          // A caller that waits for nothing has no claim before those that have waited.
          if (deadline.timeout() > nanoseconds::zero() && !deadline.is_interrupted() && take_past_the_head())
            return true;
          if (deadline.passed()) return refused(connection_.service_end_or(reason_of(deadline)));
          continue;
        case platform::Lock::server_gone:
          return refused(connection_.server_end_or(Errc::server_died));
        case platform::Lock::locked:
          break;
        case platform::Lock::abandoned:
          break;  // what it protects is made anew by every head
      }
      break;
    }
    SHARED_CHANNEL_TEST_POINT(client_has_mutex);
    const bool has_claimed = claim_as_head(deadline);
    slot_freed().starving.store(0, std::memory_order_relaxed);
    slot_freed().announced.store(0, std::memory_order_relaxed);
    SHARED_CHANNEL_TEST_POINT(client_unlocks_mutex);
    connection_.client_mutex().unlock();
    return has_claimed;
  }

  bool claim_as_head(Deadline& deadline) {
    for (unsigned round = 0;; ++round) {
      const std::uint32_t ticket = announce_slot_wait(slot_freed());
      if (try_claim() || try_recover(connection_.slot_array().count())) return true;
      const Errc end = connection_.service_end_or(Errc::busy);
      if (end != Errc::busy) return refused(end);
      if (deadline.passed()) return refused(reason_of(deadline));
      if (round > 0) slot_freed().starving.store(1, std::memory_order_relaxed);
      // A slot that was found damaged waits for the server to reset it.
      connection_.exec().ring_sleeper();
      Deadline slice = deadline.within(recover_interval);
      wait_for<Platform>(connection_.slot_freed().signal(), ticket, slice, connection_.server());
    }
  }

  bool refused(Errc why) noexcept {
    refusal_ = why;
    return false;
  }

  void tell_slot_freed() noexcept { connection_.slot_freed().ring_if_awaited(); }

  Connection& connection_;
  Slot* slot_ = nullptr;
  std::uint32_t index_ = 0;
  bool is_held_ = false;
  bool gave_back_ = false;
  std::uint32_t asks_next_ = connection_.me();  // modulo the slots: callers in the queue begin at different ones
  Errc refusal_;                                // once take() has failed
  nanoseconds patience_;                        // the same
};

template <class Platform>
bool SlotClaim<Platform>::take(Deadline& deadline) {
  const bool has_claimed = !others_come_first() && try_claim();
  // The head of the queue may have missed a slot because we held it for a moment.
  if (gave_back_) tell_slot_freed();
  if (has_claimed) return true;
  patience_ = deadline.timeout();
  return claim_with_mutex(deadline);
}

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
