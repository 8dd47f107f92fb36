#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../support/session.hpp"

namespace bench {

// One direction in shared memory, laid out as well as can be done by hand: a message that fits shares the line of
// its sequence word, a longer one begins on the next line.
struct alignas(64) Mailbox {
  std::atomic<std::uint64_t> sequence;
  std::uint64_t payload[7];
};

struct Mailboxes {
  Mailbox& request;
  Mailbox& reply;
  std::uint64_t* request_payload;
  std::uint64_t* reply_payload;

  explicit Mailboxes(const Session& session)
      : request(session.shared<Mailbox>(0)),
        reply(session.shared<Mailbox>(arena_size / 2 + half_page)),
        request_payload(payload(request, session.shape().size)),
        reply_payload(payload(reply, session.shape().size)) {}

 private:
  // A copy between addresses that differ by whole pages is slow: the processor takes a load for the store before it.
  static constexpr std::size_t half_page = 2048;

  static std::uint64_t* payload(Mailbox& box, std::size_t size) {
    return size <= sizeof box.payload ? box.payload : reinterpret_cast<std::uint64_t*>(&box + 1);
  }
};

}  // namespace bench
