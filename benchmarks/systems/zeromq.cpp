#include <zmq.h>

#include <filesystem>
#include <stdexcept>
#include <string>

#include "list.hpp"

namespace bench {

namespace {

std::string path(std::string_view channel) { return "/tmp/" + std::string(channel) + ".zmq"; }

int checked(int result) {
  if (result < 0) throw std::runtime_error(zmq_strerror(zmq_errno()));
  return result;
}

class Socket {
 public:
  explicit Socket(int type) : context_(zmq_ctx_new()), socket_(zmq_socket(context_, type)) {
    const int linger = 0;
    checked(zmq_setsockopt(socket_, ZMQ_LINGER, &linger, sizeof linger));
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  void* get() const { return socket_; }

 private:
  void* context_;
  void* socket_;
};

struct ZeroMq {
  static constexpr auto name = "ZeroMQ";
  static constexpr auto kind = Kind::peer;
  static bool fits(const Shape&) { return true; }

  struct Server : Socket {
    explicit Server(const Session& session) : Socket(ZMQ_REP), words(session.shape().size / 8) {
      checked(zmq_bind(get(), ("ipc://" + path(session.channel())).c_str()));
    }
    void serve() {
      for (;;) {
        checked(zmq_recv(get(), words.data(), words.size() * 8, 0));
        checked(zmq_send(get(), words.data(), words.size() * 8, 0));
      }
    }
    std::vector<std::uint64_t> words;
  };

  struct Client : Socket {
    Client(const Session& session, unsigned) : Socket(ZMQ_REQ) {
      checked(zmq_connect(get(), ("ipc://" + path(session.channel())).c_str()));
    }
    void round_trip(Messages& messages) {
      checked(zmq_send(get(), messages.request(), messages.size(), 0));
      checked(zmq_recv(get(), messages.reply(), messages.size(), 0));
    }
  };

  static void clean_up(std::string_view channel) { std::filesystem::remove(path(channel)); }
};

}  // namespace

const System& zeromq() {
  static const SystemOf<ZeroMq> system;
  return system;
}

}  // namespace bench
