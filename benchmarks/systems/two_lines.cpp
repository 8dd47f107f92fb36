// A line each way, payload and sequence word in it.
#include "../support/spin.hpp"
#include "list.hpp"
#include "shared_memory.hpp"

namespace bench {

namespace {

struct TwoLines {
  static constexpr auto name = "two lines";
  static constexpr auto kind = Kind::floor;
  static constexpr bool spins = true;
  static bool fits(const Shape& shape) { return shape.size <= 48 && shape.clients == 1; }

  struct Server : Mailboxes {
    explicit Server(const Session& session) : Mailboxes(session), size(session.shape().size) {}
    void serve() {
      for (std::uint64_t turn = 1;; ++turn) {
        spin_until([&] { return request.sequence.load(std::memory_order_acquire) == turn; });
        copy(reply_payload, request_payload, size);
        reply.sequence.store(turn, std::memory_order_release);
      }
    }
    std::size_t size;
  };

  struct Client : Mailboxes {
    Client(const Session& session, unsigned) : Mailboxes(session) {}
    void round_trip(Messages& messages) {
      copy(request_payload, messages.request(), messages.size());
      request.sequence.store(++turn, std::memory_order_release);
      spin_until([&] { return reply.sequence.load(std::memory_order_acquire) == turn; });
      copy(messages.reply(), reply_payload, messages.size());
    }
    std::uint64_t turn = 0;
  };
};

}  // namespace

const System& two_lines() {
  static const SystemOf<TwoLines> system;
  return system;
}

}  // namespace bench
