// The least that any answer costs: one cache line goes over and comes back.
#include "../support/spin.hpp"
#include "list.hpp"
#include "shared_memory.hpp"

namespace bench {

namespace {

struct OneLine {
  static constexpr auto name = "one line";
  static constexpr auto kind = Kind::floor;
  static constexpr bool spins = true;
  static bool fits(const Shape& shape) { return shape.size <= 48 && shape.clients == 1; }

  struct Server {
    explicit Server(const Session& session) : line(session.shared<Mailbox>()) {}
    void serve() {
      for (std::uint64_t turn = 1;; turn += 2) {
        spin_until([&] { return line.sequence.load(std::memory_order_acquire) == turn; });
        line.sequence.store(turn + 1, std::memory_order_release);
      }
    }
    Mailbox& line;
  };

  struct Client {
    Client(const Session& session, unsigned) : line(session.shared<Mailbox>()) {}
    void round_trip(Messages& messages) {
      copy(line.payload, messages.request(), messages.size());
      line.sequence.store(++turn, std::memory_order_release);
      ++turn;
      spin_until([&] { return line.sequence.load(std::memory_order_acquire) == turn; });
      copy(messages.reply(), line.payload, messages.size());
    }
    Mailbox& line;
    std::uint64_t turn = 0;
  };
};

}  // namespace

const System& one_line() {
  static const SystemOf<OneLine> system;
  return system;
}

}  // namespace bench
