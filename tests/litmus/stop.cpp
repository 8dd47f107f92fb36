// A caller that learns that the server stops, and the worker that may have its call: W1 to W5, T1 to T4. It is told
// exactly what became of the call, however often both change their minds; here they do so a few times at most.
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include "litmus.hpp"

using namespace litmus;
namespace detail = shared_channel::detail;

struct Slot {
  Word owner{1}, reply{0}, last{0};
  WordUnless<1> request{0};  // W1, W4, T2, T4
  WordUnless<2> taken{0};    // W2, W5, T1, T3
};

struct Stop {
  static constexpr int tries = 3;

  Slot slot;
  detail::BasicSlotLock<Word, Word> lock;
  std::uint32_t sequence = detail::post(slot).sequence;
  detail::StopOutcome told = detail::StopOutcome::again;
  bool has_executed = false, is_undecided = false;

  void leaves() {
    for (int i = 0; i < tries && told == detail::StopOutcome::again; ++i)
      told = detail::withdraw_unless_taken(slot, sequence);
  }
  void serves() {
    detail::Take outcome = detail::Take::let_go;
    for (int i = 0; i < tries && outcome == detail::Take::let_go; ++i) {
      const detail::State request = detail::load_request(slot);  // T4, but for the first
      outcome = detail::take(slot, lock, request);
    }
    has_executed = outcome == detail::Take::taken;
    is_undecided = outcome == detail::Take::let_go;
    if (has_executed) detail::finish(slot, lock, sequence, detail::Phase::done);
  }
  [[nodiscard]] bool is_well() const {
    if (told == detail::StopOutcome::again || is_undecided) return true;
    return has_executed == (told == detail::StopOutcome::served);
  }
};

int main() { return run<Stop, &Stop::leaves, &Stop::serves>(); }
