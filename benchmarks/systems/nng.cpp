#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include <filesystem>
#include <stdexcept>
#include <string>

#include "list.hpp"

namespace bench {

namespace {

std::string path(std::string_view channel) { return "/tmp/" + std::string(channel) + ".nng"; }

void checked(int result) {
  if (result != 0) throw std::runtime_error(nng_strerror(result));
}

class Socket {
 public:
  explicit Socket(int (*open)(nng_socket*)) {
    checked(open(&socket_));
    checked(nng_socket_set_size(socket_, NNG_OPT_RECVMAXSZ, 0));
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { nng_close(socket_); }

  void send(const void* data, std::size_t size) const { checked(nng_send(socket_, const_cast<void*>(data), size, 0)); }
  void receive(void* data, std::size_t size) const { checked(nng_recv(socket_, data, &size, 0)); }
  nng_socket get() const { return socket_; }

 private:
  nng_socket socket_{};
};

struct Nng {
  static constexpr auto name = "nng";
  static constexpr auto kind = Kind::peer;
  static bool fits(const Shape&) { return true; }

  struct Server : Socket {
    explicit Server(const Session& session) : Socket(nng_rep0_open), words(session.shape().size / 8) {
      checked(nng_listen(get(), ("ipc://" + path(session.channel())).c_str(), nullptr, 0));
    }
    void serve() {
      for (;;) {
        receive(words.data(), words.size() * 8);
        send(words.data(), words.size() * 8);
      }
    }
    std::vector<std::uint64_t> words;
  };

  struct Client : Socket {
    Client(const Session& session, unsigned) : Socket(nng_req0_open) {
      checked(nng_dial(get(), ("ipc://" + path(session.channel())).c_str(), nullptr, 0));
    }
    void round_trip(Messages& messages) {
      send(messages.request(), messages.size());
      receive(messages.reply(), messages.size());
    }
  };

  static void clean_up(std::string_view channel) { std::filesystem::remove(path(channel)); }
};

}  // namespace

const System& nng() {
  static const SystemOf<Nng> system;
  return system;
}

}  // namespace bench
