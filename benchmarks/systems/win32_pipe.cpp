// A message-mode named pipe with an instance and a thread for each client.
#include <thread>

#include "list.hpp"
#include "win32_handles.hpp"

namespace bench {

namespace {

std::string pipe_name(std::string_view channel) { return "\\\\.\\pipe\\" + std::string(channel); }

struct NamedPipe {
  static constexpr auto name = "named pipe";
  static constexpr auto kind = Kind::peer;
  static bool fits(const Shape& shape) { return shape.size <= 65536; }

  struct Server {
    explicit Server(const Session& session) : size(session.shape().size) {
      for (unsigned i = 0; i < session.shape().clients; ++i)
        instances.emplace_back(CreateNamedPipeA(pipe_name(session.channel()).c_str(), PIPE_ACCESS_DUPLEX,
                                                PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT,
                                                PIPE_UNLIMITED_INSTANCES, size, size, 0, nullptr),
                               "CreateNamedPipe");
    }
    void serve() {
      std::vector<std::thread> threads;
      for (const Handle& pipe : instances)
        threads.emplace_back([&] {
          std::vector<std::uint64_t> words(size / 8);
          if (!ConnectNamedPipe(pipe, nullptr) && GetLastError() != ERROR_PIPE_CONNECTED) return;
          DWORD moved = 0;
          while (ReadFile(pipe, words.data(), size, &moved, nullptr))
            WriteFile(pipe, words.data(), moved, &moved, nullptr);
        });
      for (std::thread& thread : threads) thread.join();
    }
    void stop() noexcept {}  // the threads end with their clients

    DWORD size;
    std::vector<Handle> instances;
  };

  struct Client {
    Client(const Session& session, unsigned)
        : pipe(CreateFileA(pipe_name(session.channel()).c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr,
                           OPEN_EXISTING, 0, nullptr),
               "CreateFile") {
      DWORD mode = PIPE_READMODE_MESSAGE;
      SetNamedPipeHandleState(pipe, &mode, nullptr, nullptr);
    }
    void round_trip(Messages& messages) {
      const auto size = static_cast<DWORD>(messages.size());
      DWORD moved = 0;
      if (!WriteFile(pipe, messages.request(), size, &moved, nullptr)) fail("WriteFile");
      if (!ReadFile(pipe, messages.reply(), size, &moved, nullptr)) fail("ReadFile");
    }
    Handle pipe;
  };
};

}  // namespace

const System& named_pipe() {
  static const SystemOf<NamedPipe> system;
  return system;
}

}  // namespace bench
