// Two processes that wake each other by the auto-reset events Exec and Done, and nothing more.
#include "list.hpp"
#include "shared_memory.hpp"
#include "win32_handles.hpp"

namespace bench {

namespace {

struct ExecDone {
  static constexpr auto name = "Exec/Done events";
  static constexpr auto kind = Kind::floor;
  static bool fits(const Shape& shape) { return shape.clients == 1; }

  struct Events : Mailboxes {
    explicit Events(const Session& session)
        : Mailboxes(session),
          exec(auto_reset_event(session.channel(), "-exec")),
          done(auto_reset_event(session.channel(), "-done")) {}
    Handle exec;
    Handle done;
  };

  struct Server : Events {
    explicit Server(const Session& session) : Events(session), words(session.shape().size / 8) {}
    void serve() {
      const std::size_t size = words.size() * 8;
      while (WaitForSingleObject(exec, INFINITE) == WAIT_OBJECT_0) {
        copy(words.data(), request_payload, size);
        copy(reply_payload, words.data(), size);
        SetEvent(done);
      }
    }
    std::vector<std::uint64_t> words;
  };

  struct Client : Events {
    Client(const Session& session, unsigned) : Events(session) {}
    void round_trip(Messages& messages) {
      copy(request_payload, messages.request(), messages.size());
      SetEvent(exec);
      if (WaitForSingleObject(done, INFINITE) != WAIT_OBJECT_0) fail("WaitForSingleObject");
      copy(messages.reply(), reply_payload, messages.size());
    }
  };
};

}  // namespace

const System& exec_done_events() {
  static const SystemOf<ExecDone> system;
  return system;
}

}  // namespace bench
