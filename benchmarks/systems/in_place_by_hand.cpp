// No copies: the client writes every word of the request where the server reads it, the server every word of the
// reply where the client reads it. All words of all replies are checked, as the read is part of the work.
#include "../support/spin.hpp"
#include "in_place.hpp"
#include "list.hpp"
#include "shared_memory.hpp"

namespace bench {

namespace {

struct InPlaceByHand {
  static constexpr auto name = "in place by hand";
  static constexpr auto kind = Kind::floor;
  static constexpr bool spins = true;
  static bool fits(const Shape& shape) { return shape.clients == 1; }

  struct Server : Mailboxes {
    explicit Server(const Session& session) : Mailboxes(session), words(session.shape().size / 8) {}
    void serve() {
      for (std::uint64_t turn = 1;; ++turn) {
        spin_until([&] { return request.sequence.load(std::memory_order_acquire) == turn; });
        answer_in_place(ConstWords(request_payload, words), Words(reply_payload, words));
        reply.sequence.store(turn, std::memory_order_release);
      }
    }
    std::size_t words;
  };

  struct Client : Mailboxes {
    Client(const Session& session, unsigned) : Mailboxes(session), words(session.shape().size / 8) {}
    void round_trip(Messages& messages) {
      fill(Words(request_payload, words), messages.sequence());
      request.sequence.store(++turn, std::memory_order_release);
      spin_until([&] { return reply.sequence.load(std::memory_order_acquire) == turn; });
      read_in_place(ConstWords(reply_payload, words), messages);
    }
    std::size_t words;
    std::uint64_t turn = 0;
  };
};

}  // namespace

const System& in_place_by_hand() {
  static const SystemOf<InPlaceByHand> system;
  return system;
}

}  // namespace bench
