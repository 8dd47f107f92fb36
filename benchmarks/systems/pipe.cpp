#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <string>

#include "descriptors.hpp"
#include "list.hpp"

namespace bench {

namespace {

std::string path(std::string_view channel, const char* direction) { return "/tmp/" + std::string(channel) + direction; }

struct Pipe {
  static constexpr auto name = "pipe";
  static constexpr auto kind = Kind::peer;
  static bool fits(const Shape& shape) { return shape.clients == 1; }

  struct Server {
    explicit Server(const Session& session) : channel(session.channel()), words(session.shape().size / 8) {
      for (const char* direction : {".request", ".reply"})
        checked(mkfifo(path(channel, direction).c_str(), 0600), "mkfifo");
    }
    void serve() {
      const Descriptor request(checked(open(path(channel, ".request").c_str(), O_RDONLY), "open"));
      const Descriptor reply(checked(open(path(channel, ".reply").c_str(), O_WRONLY), "open"));
      while (read_all(request, words.data(), words.size() * 8)) write_all(reply, words.data(), words.size() * 8);
      ::pause();
    }
    std::string channel;
    std::vector<std::uint64_t> words;
  };

  struct Client {
    Client(const Session& session, unsigned)
        : request(checked(open(path(session.channel(), ".request").c_str(), O_WRONLY), "open")),
          reply(checked(open(path(session.channel(), ".reply").c_str(), O_RDONLY), "open")) {}
    void round_trip(Messages& messages) {
      write_all(request, messages.request(), messages.size());
      if (!read_all(reply, messages.reply(), messages.size())) throw std::runtime_error("the server has gone");
    }
    Descriptor request;
    Descriptor reply;
  };

  static void clean_up(std::string_view channel) {
    for (const char* direction : {".request", ".reply"}) unlink(path(channel, direction).c_str());
  }
};

}  // namespace

const System& pipe() {
  static const SystemOf<Pipe> system;
  return system;
}

}  // namespace bench
