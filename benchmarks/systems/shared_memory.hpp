#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../support/message.hpp"
#include "../support/session.hpp"
#include "../support/spin.hpp"

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

  // The server: `answer` makes a reply of each request.
  template <class Answer>
  void serve_with(Answer&& answer) {
    for (std::uint64_t turn = 1;; ++turn) {
      spin_until([&] { return request.sequence.load(std::memory_order_acquire) == turn; });
      answer();
      reply.sequence.store(turn, std::memory_order_release);
    }
  }

  // The client: one call, whose request `write` writes, and whose reply `read` reads.
  template <class Write, class Read>
  void call_with(Write&& write, Read&& read) {
    write();
    request.sequence.store(++calls_, std::memory_order_release);
    spin_until([&] { return reply.sequence.load(std::memory_order_acquire) == calls_; });
    read();
  }

 private:
  // A copy between addresses that differ by whole pages is slow: the processor takes a load for the store before it.
  static constexpr std::size_t half_page = 2048;

  static std::uint64_t* payload(Mailbox& box, std::size_t size) {
    return size <= sizeof box.payload ? box.payload : reinterpret_cast<std::uint64_t*>(&box + 1);
  }

  std::uint64_t calls_ = 0;
};

// Copies its message in and the reply out.
struct CopyingClient : Mailboxes {
  CopyingClient(const Session& session, unsigned) : Mailboxes(session) {}
  void round_trip(Messages& messages) {
    call_with([&] { copy(request_payload, messages.request(), messages.size()); },
              [&] { copy(messages.reply(), reply_payload, messages.size()); });
  }
};

}  // namespace bench
