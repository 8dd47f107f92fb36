// The four copies of a typed call (request in, request out, reply in, reply out) with nothing else around them.
#include "../support/spin.hpp"
#include "list.hpp"
#include "shared_memory.hpp"

namespace bench {

namespace {

struct CopiesByHand {
  static constexpr auto name = "copies by hand";
  static constexpr auto kind = Kind::floor;
  static constexpr bool spins = true;
  static bool fits(const Shape& shape) { return shape.clients == 1; }

  struct Server : Mailboxes {
    explicit Server(const Session& session) : Mailboxes(session), words(session.shape().size / 8) {}
    void serve() {
      const std::size_t size = words.size() * 8;
      for (std::uint64_t turn = 1;; ++turn) {
        spin_until([&] { return request.sequence.load(std::memory_order_acquire) == turn; });
        copy(words.data(), request_payload, size);
        copy(reply_payload, words.data(), size);
        reply.sequence.store(turn, std::memory_order_release);
      }
    }
    std::vector<std::uint64_t> words;
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

const System& copies_by_hand() {
  static const SystemOf<CopiesByHand> system;
  return system;
}

}  // namespace bench
