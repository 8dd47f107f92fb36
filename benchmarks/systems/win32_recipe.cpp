// The recipe as it is published: a named mapping, a client mutex, and the events Exec, Done and stop.
#include "list.hpp"
#include "win32_handles.hpp"

namespace bench {

namespace {

struct View {
  explicit View(HANDLE mapping)
      : words(static_cast<std::uint64_t*>(MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, 0))) {
    if (words == nullptr) fail("MapViewOfFile");
  }
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  ~View() { UnmapViewOfFile(words); }

  std::uint64_t* words;
};

struct Recipe {
  static constexpr auto name = "published recipe";
  static constexpr auto kind = Kind::peer;
  static bool fits(const Shape&) { return true; }

  struct Server {
    explicit Server(const Session& session)
        : size(session.shape().size),
          mapping(CreateFileMappingA(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, static_cast<DWORD>(size),
                                     object_name(session.channel(), "-mapping").c_str()),
                  "CreateFileMapping"),
          view(mapping),
          exec(auto_reset_event(session.channel(), "-exec")),
          done(auto_reset_event(session.channel(), "-done")),
          halt(CreateEventA(nullptr, TRUE, FALSE, nullptr), "CreateEvent") {}

    void serve() {
      std::vector<std::uint64_t> block(size / 8);
      const HANDLE either[] = {exec, halt};
      while (WaitForMultipleObjects(2, either, FALSE, INFINITE) == WAIT_OBJECT_0) {
        copy(block.data(), view.words, size);
        copy(view.words, block.data(), size);
        SetEvent(done);
      }
    }
    void stop() noexcept { SetEvent(halt); }

    std::size_t size;
    Handle mapping;
    View view;
    Handle exec;
    Handle done;
    Handle halt;
  };

  struct Client {
    Client(const Session& session, unsigned)
        : mapping(OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, object_name(session.channel(), "-mapping").c_str()),
                  "OpenFileMapping"),
          view(mapping),
          exec(auto_reset_event(session.channel(), "-exec")),
          done(auto_reset_event(session.channel(), "-done")),
          turn(CreateMutexA(nullptr, FALSE, object_name(session.channel(), "-mutex").c_str()), "CreateMutex") {}

    void round_trip(Messages& messages) {
      if (WaitForSingleObject(turn, timeout_ms) != WAIT_OBJECT_0) fail("mutex");
      copy(view.words, messages.request(), messages.size());
      SetEvent(exec);
      if (WaitForSingleObject(done, timeout_ms) != WAIT_OBJECT_0) fail("Done");
      copy(messages.reply(), view.words, messages.size());
      ReleaseMutex(turn);
    }

    static constexpr DWORD timeout_ms = 5000;
    Handle mapping;
    View view;
    Handle exec;
    Handle done;
    Handle turn;
  };
};

}  // namespace

const System& published_recipe() {
  static const SystemOf<Recipe> system;
  return system;
}

}  // namespace bench
