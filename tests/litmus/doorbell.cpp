// A worker that is about to sleep and a client that posts, in a slot that another client has made part of those to be
// looked at: hold() of client/slot_claim.hpp, the eventcount of doorbell.hpp, and the last look of a worker.
#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include <cstddef>
#include <new>

#include "litmus.hpp"

using namespace litmus;
namespace detail = shared_channel::detail;

struct Slot {
  Word owner{1}, taken{0}, last{0}, reply{0};
  WordUnless<1> request{0};  // R1, S3
};
struct Bell {
  Word sequence{0};
  WordUnless<2> sleepers{0};  // S1, the fence, R2
};

struct Doorbell {
  static constexpr std::memory_order look = weakened == 3 ? std::memory_order_acquire : std::memory_order_seq_cst;

  Slot slot;
  Bell bell;
  Word high_water{0};
  detail::BasicSlotLock<Word, Word> lock;
  Kernel kernel;
  bool has_found = false, has_posted = false;

  bool raise_high_water() {
    std::uint32_t high = high_water.load(look);
    return high != 0 || high_water.compare_exchange_strong(high, 1, std::memory_order_seq_cst);
  }
  void only_raises() { raise_high_water(); }
  void posts() {
    raise_high_water();
    static_cast<void>(detail::post(slot));
    has_posted = true;
    if (detail::must_ring(bell)) kernel.ring();
  }
  void sleeps() {
    using Sleeper = detail::Sleeper<Bell>;
    alignas(Sleeper) static std::byte announcement[sizeof(Sleeper)];  // stands as long as the sleep: is not taken back
    const auto& sleeper = *::new (static_cast<void*>(announcement)) Sleeper(bell, 1);
    if (high_water.load(std::memory_order_acquire) != 0)
      has_found = detail::is_waiting(lock, detail::load_request(slot));
    if (!has_found) kernel.wait(bell.sequence, sleeper.ticket());
  }
  [[nodiscard]] bool is_well() const { return !(has_posted && kernel.sleeps()); }
};

int main() { return run<Doorbell, &Doorbell::only_raises, &Doorbell::posts, &Doorbell::sleeps>(); }
