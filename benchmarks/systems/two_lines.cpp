// A line each way, payload and sequence word in it.
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
      serve_with([&] { copy(reply_payload, request_payload, size); });
    }
    std::size_t size;
  };

  using Client = CopyingClient;
};

}  // namespace

const System& two_lines() {
  static const SystemOf<TwoLines> system;
  return system;
}

}  // namespace bench
