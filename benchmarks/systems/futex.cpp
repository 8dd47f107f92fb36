// Two processes that put each other to sleep and wake each other, and nothing more.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "list.hpp"
#include "shared_memory.hpp"

namespace bench {

namespace {

using Word = std::atomic<std::uint32_t>;

void wake(Word& word) { syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0); }

void sleep_until(Word& word, std::uint32_t value) {
  for (std::uint32_t seen; (seen = word.load(std::memory_order_acquire)) != value;)
    syscall(SYS_futex, &word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
}

struct alignas(64) DoorbellWords {
  Word turn;
};

struct Futex {
  static constexpr auto name = "futex";
  static constexpr auto kind = Kind::floor;
  static bool fits(const Shape& shape) { return shape.clients == 1; }

  struct Bells : Mailboxes {
    explicit Bells(const Session& session)
        : Mailboxes(session),
          requested(session.shared<DoorbellWords>(arena_size - 128).turn),
          replied(session.shared<DoorbellWords>(arena_size - 64).turn) {}
    Word& requested;
    Word& replied;
  };

  struct Server : Bells {
    explicit Server(const Session& session) : Bells(session), words(session.shape().size / 8) {}
    void serve() {
      const std::size_t size = words.size() * 8;
      for (std::uint32_t turn = 1;; ++turn) {
        sleep_until(requested, turn);
        copy(words.data(), request_payload, size);
        copy(reply_payload, words.data(), size);
        replied.store(turn, std::memory_order_release);
        wake(replied);
      }
    }
    std::vector<std::uint64_t> words;
  };

  struct Client : Bells {
    Client(const Session& session, unsigned) : Bells(session) {}
    void round_trip(Messages& messages) {
      copy(request_payload, messages.request(), messages.size());
      requested.store(++turn, std::memory_order_release);
      wake(requested);
      sleep_until(replied, turn);
      copy(messages.reply(), reply_payload, messages.size());
    }
    std::uint32_t turn = 0;
  };
};

}  // namespace

const System& futex() {
  static const SystemOf<Futex> system;
  return system;
}

}  // namespace bench
