// No copies: the client writes every word of the request where the server reads it, the server every word of the
// reply where the client reads it. All words of all replies are checked, as the read is part of the work.
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
      serve_with([&] { answer_in_place(ConstWords(request_payload, words), Words(reply_payload, words)); });
    }
    std::size_t words;
  };

  struct Client : Mailboxes {
    Client(const Session& session, unsigned) : Mailboxes(session), words(session.shape().size / 8) {}
    void round_trip(Messages& messages) {
      call_with([&] { fill(Words(request_payload, words), messages.sequence()); },
                [&] { read_in_place(ConstWords(reply_payload, words), messages); });
    }
    std::size_t words;
  };
};

}  // namespace

const System& in_place_by_hand() {
  static const SystemOf<InPlaceByHand> system;
  return system;
}

}  // namespace bench
