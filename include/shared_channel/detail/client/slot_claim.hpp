// A client's claim on one slot: takes a free one, queues where all are occupied, and gives it back.
#pragma once

#include <atomic>
#include <chrono>
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
  [[nodiscard]] bool take(Deadline& deadline) {
    if (!others_come_first() && try_claim()) return true;
    // The head of the queue may have missed a slot because we held it for a moment.
    if (gave_back_) tell_slot_freed();
    return claim_with_mutex(deadline);
  }

  [[nodiscard]] Errc refusal() const noexcept { return refusal_; }

  [[nodiscard]] bool is_held() const noexcept { return is_held_; }
  /// Of the slot that is held.
  [[nodiscard]] Slot& slot() const noexcept { return *slot_; }
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }

  /// Frees the slot for the next call.
  void give_back() noexcept {
    release(slot());
    is_held_ = false;
    SHARED_CHANNEL_TEST_POINT(client_released);
    tell_slot_freed();
  }

 private:
  /// The head of the queue looks this often for slots whose owners have died: nobody rings for those.
  static constexpr nanoseconds repair_interval = std::chrono::milliseconds(10);

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

  /// Why no slot would help any more, or `otherwise`. A stopped server lives on as long as its handlers run.
  [[nodiscard]] Errc service_end_or(Errc otherwise) const noexcept {
    const bool is_open = connection_.page().service.load(std::memory_order_seq_cst) == service_open;
    return connection_.server_end_or(is_open ? otherwise : Errc::server_stopped);
  }

  /// Takes over the first slot whose owner is gone. Asking the system is slow, so only the head of the queue does, and
  /// only once for an owner whose slots lie side by side.
  bool try_recover() noexcept {
    const SlotArray& slot_array = connection_.slot_array();
    std::uint32_t alive = connection_.me();
    for (std::uint32_t index = 0; index < slot_array.count(); ++index) {
      const std::uint32_t owner = slot_array[index].owner.load(std::memory_order_relaxed);
      if (owner == 0 || owner == connection_.me() || owner == alive) continue;
      if (connection_.lease().is_held(owner)) {
        alive = owner;
        continue;
      }
      SHARED_CHANNEL_TEST_POINT(client_found_dead_owner);
      if (got(recover(slot_array[index], owner, connection_.me()), index)) return true;
    }
    return false;
  }

  /// A caller in the queue looks this often whether the slots that it waits for are free.
  static constexpr nanoseconds queue_slice = std::chrono::milliseconds(50);

  /// A caller that can be cancelled waits for the mutex in pieces, because nobody but the mutex wakes it.
  static constexpr nanoseconds cancellable_piece = std::chrono::microseconds(500);

  platform::Lock lock(Deadline slice) {
    for (;;) {
      Deadline piece = slice.interruption() != nullptr ? slice.within(cancellable_piece) : slice;
      const platform::Lock outcome =
          connection_.client_mutex().lock(connection_.me(), connection_.lease(), piece, connection_.server());
      if (outcome != platform::Lock::timed_out || slice.interruption() == nullptr || slice.passed()) return outcome;
    }
  }

  /// Why a caller waits no longer.
  static Errc reason_of(const Deadline& deadline) noexcept {
    return deadline.is_interrupted() ? Errc::cancelled : Errc::busy;
  }

  /// Queues behind the callers that came before. Only the head of the queue waits for a slot, so that a freed slot
  /// wakes one caller. If a newcomer takes that slot first, newcomers queue as well.
  ///
  /// A head that stands still (SIGSTOP, a debugger) keeps the mutex and leaves `starving` set. It must not cost others
  /// more than its own slot: so a caller whose slice has passed tries the slots itself, and clears `starving` if it
  /// gets one, for the next newcomers. A head that lives sets it again in its next round, so waiting callers overtake
  /// it now and then, and newcomers never starve it. `starving` is for nothing else: no step of the protocol relies on
  /// it, and every slot is claimed by compare-and-swap.
  bool claim_with_mutex(Deadline& deadline) {
    for (;;) {
      switch (lock(deadline.within(queue_slice))) {
        case platform::Lock::timed_out:
          // A caller that waits for nothing has no claim before those that have waited.
          if (deadline.timeout() > nanoseconds::zero() && !deadline.is_interrupted() && try_claim()) {
            slot_freed().starving.store(0, std::memory_order_relaxed);
            return true;
          }
          if (deadline.passed()) return refused(service_end_or(reason_of(deadline)));
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
      if (try_claim() || try_recover()) return true;
      const Errc end = service_end_or(Errc::busy);
      if (end != Errc::busy) return refused(end);
      if (deadline.passed()) return refused(reason_of(deadline));
      if (round > 0) slot_freed().starving.store(1, std::memory_order_relaxed);
      // A slot that was found damaged waits for the server to reset it.
      connection_.exec().ring_sleeper();
      Deadline slice = deadline.within(repair_interval);
      wait_for<Platform>(connection_.slot_freed().signal(), ticket, slice, connection_.server());
    }
  }

  bool refused(Errc why) noexcept {
    refusal_ = why;
    return false;
  }

  void tell_slot_freed() noexcept { connection_.slot_freed().tell(); }

  Connection& connection_;
  Slot* slot_ = nullptr;
  std::uint32_t index_ = 0;
  bool is_held_ = false;
  bool gave_back_ = false;
  Errc refusal_;  // once take() has failed
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail
