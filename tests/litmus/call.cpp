// One slot, its owner, a worker, and the client that comes after: claim, post, take, withdraw, finish, release, settle.
// What the messages are is not atomic, so that a model checker sees every race.
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include "litmus.hpp"

using namespace litmus;
namespace detail = shared_channel::detail;
using detail::Phase;

struct Slot {
  Word owner{0}, reply{0}, last{0};
  WordUnless<1> request{0};  // P1, W1
  WordUnless<2> taken{0};    // T1, W2
};

struct Call {
  Slot slot;
  detail::BasicSlotLock<Word, Word> lock;
  int message = 0;
  int executed = 0, wrong = 0;

  void calls_and_gives_up() {
    if (detail::claim(slot, 1) != detail::Claim::claimed) return;
    message = 7;
    const std::uint32_t sequence = detail::post(slot).sequence;
    const detail::Withdrawal outcome = detail::withdraw(slot, sequence);
    was_withdrawn = outcome == detail::Withdrawal::withdrawn;
    if (outcome == detail::Withdrawal::answered) {
      if (message != 8) ++wrong;
      detail::leave_settled(slot, sequence);
    }
    detail::release(slot);
  }
  void comes_after() {
    if (detail::claim(slot, 2) != detail::Claim::claimed) return;
    message = 0;
    detail::release(slot);
  }
  void serves() {
    if (!detail::is_waiting(lock, detail::load_request(slot)) || !lock.try_lock()) return;
    const detail::State request = detail::load_request(slot);
    if (detail::take(slot, lock, request) == detail::Take::taken) {
      ++executed;
      ++message;
      detail::finish(slot, lock, request.sequence(), Phase::done);
    }
    lock.unlock();
  }
  bool was_withdrawn = false;
  [[nodiscard]] bool is_well() const { return wrong == 0 && !(was_withdrawn && executed != 0); }
};

int main() { return run<Call, &Call::calls_and_gives_up, &Call::comes_after, &Call::serves>(); }
