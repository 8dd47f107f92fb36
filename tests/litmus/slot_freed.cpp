// The head of the queue, which is about to sleep, and the owner that gives its slot back.
#include <shared_channel/detail/protocol/doorbell.hpp>
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include "litmus.hpp"

using namespace litmus;
namespace detail = shared_channel::detail;

struct Slot {
  Word request{0}, reply{0}, taken{0}, last{detail::State(0, detail::Phase::done).word()};
  WordUnless<1> owner{1};  // R1
};
struct Bell {
  Word sequence{0};
  WordUnless<2> announced{0};  // S1, the fence, R2
};

struct SlotFreed {
  Slot slot;
  Bell bell;
  Kernel kernel;

  void gives_back() {
    detail::release(slot);
    if (detail::must_tell_slot_freed(bell)) kernel.ring();
  }
  void waits() {
    const std::uint32_t ticket = detail::announce_slot_wait(bell);
    if (detail::claim(slot, 2) != detail::Claim::claimed) kernel.wait(bell.sequence, ticket);
  }
  [[nodiscard]] bool is_well() const { return !kernel.sleeps(); }
};

int main() { return run<SlotFreed, &SlotFreed::gives_back, &SlotFreed::waits>(); }
