// The four copies of a typed call (request in, request out, reply in, reply out) with nothing else around them.
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
      serve_with([&] {
        copy(words.data(), request_payload, size);
        copy(reply_payload, words.data(), size);
      });
    }
    std::vector<std::uint64_t> words;
  };

  using Client = CopyingClient;
};

}  // namespace

const System& copies_by_hand() {
  static const SystemOf<CopiesByHand> system;
  return system;
}

}  // namespace bench
