// A caller that sleeps until it is answered, and the worker that answers: A1, A2, F1, F2.
#include <shared_channel/detail/protocol/slot_protocol.hpp>

#include "litmus.hpp"

using namespace litmus;
namespace detail = shared_channel::detail;
using detail::Phase;

struct Slot {
  Word owner{1}, taken{0}, last{0};
  WordUnless<1> request{0};  // A1, F2
  WordUnless<2> reply{0};    // F1, A2
};

struct Answer {
  Slot slot;
  detail::BasicSlotLock<Word, Word> lock;
  Kernel kernel;
  std::uint32_t sequence = detail::post(slot).sequence;
  int message = 7;
  int wrong = 0;

  void waits() {
    const detail::State reply = detail::announce_waiter(slot, sequence);
    if (!reply.concludes(sequence))
      kernel.wait(slot.reply, reply.word());
    else if (message != 8)
      ++wrong;
  }
  void answers() {
    const detail::State request = detail::load_request(slot);
    if (detail::take(slot, lock, request) != detail::Take::taken) {
      ++wrong;
      return;
    }
    message = 8;
    if (detail::finish(slot, lock, sequence, Phase::done) == detail::Finish::wake) kernel.ring();
  }
  [[nodiscard]] bool is_well() const { return wrong == 0 && !kernel.sleeps(); }
};

int main() { return run<Answer, &Answer::waits, &Answer::answers>(); }
