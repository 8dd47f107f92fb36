// One caller: blocking reads. Several: one thread and epoll.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <list>

#include "descriptors.hpp"
#include "list.hpp"

namespace bench {

namespace {

// In the abstract namespace: nothing is left in the file system.
struct Address {
  explicit Address(std::string_view channel) {
    native.sun_family = AF_UNIX;
    channel.copy(native.sun_path + 1, sizeof native.sun_path - 1);
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + channel.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&native); }

  sockaddr_un native{};
  socklen_t size = 0;
};

void send_message(int socket, const void* data, std::size_t size) {
  if (send(socket, data, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) fail("send");
}

bool receive_message(int socket, void* data, std::size_t size) {
  const ssize_t got = recv(socket, data, size, MSG_WAITALL);
  if (got < 0) fail("recv");
  return got == static_cast<ssize_t>(size);
}

class SocketServer {
 public:
  SocketServer(const Session& session, int type)
      : clients_(session.shape().clients),
        words_(session.shape().size / 8),
        listener_(checked(socket(AF_UNIX, type, 0), "socket")) {
    const Address address(session.channel());
    checked(bind(listener_, address.get(), address.size), "bind");
    checked(listen(listener_, SOMAXCONN), "listen");
  }

  void serve() {
    clients_ == 1 ? serve_one() : serve_many();
    ::pause();
  }

 private:
  bool answer(int socket) {
    const std::size_t size = words_.size() * 8;
    if (!receive_message(socket, words_.data(), size)) return false;
    send_message(socket, words_.data(), size);
    return true;
  }

  void serve_one() {
    const Descriptor client(checked(accept(listener_, nullptr, nullptr), "accept"));
    while (answer(client)) {
    }
  }

  void serve_many() {
    const Descriptor poll(checked(epoll_create1(0), "epoll_create1"));
    std::list<Descriptor> clients;
    const auto watch = [&](int socket) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = socket;
      checked(epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
    };
    watch(listener_);
    std::array<epoll_event, 64> events;
    for (;;) {
      const int ready = checked(epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1), "epoll_wait");
      for (int i = 0; i < ready; ++i) {
        const int socket = events[static_cast<std::size_t>(i)].data.fd;
        if (socket == listener_)
          watch(clients.emplace_back(checked(accept(listener_, nullptr, nullptr), "accept")));
        else if (!answer(socket))
          epoll_ctl(poll, EPOLL_CTL_DEL, socket, nullptr);
      }
    }
  }

  unsigned clients_;
  std::vector<std::uint64_t> words_;
  Descriptor listener_;
};

class SocketClient {
 public:
  SocketClient(const Session& session, int type) : socket_(checked(socket(AF_UNIX, type, 0), "socket")) {
    const Address address(session.channel());
    checked(connect(socket_, address.get(), address.size), "connect");
  }
  void round_trip(Messages& messages) {
    send_message(socket_, messages.request(), messages.size());
    if (!receive_message(socket_, messages.reply(), messages.size())) throw std::runtime_error("the server has gone");
  }

 private:
  Descriptor socket_;
};

template <int type>
struct UnixSocket {
  static constexpr auto name = type == SOCK_STREAM ? "UNIX stream" : "UNIX seqpacket";
  static constexpr auto kind = Kind::peer;
  static bool fits(const Shape& shape) { return type == SOCK_STREAM || shape.size <= 65536; }

  struct Server : SocketServer {
    explicit Server(const Session& session) : SocketServer(session, type) {}
  };
  struct Client : SocketClient {
    Client(const Session& session, unsigned) : SocketClient(session, type) {}
  };
};

}  // namespace

const System& unix_stream() {
  static const SystemOf<UnixSocket<SOCK_STREAM>> system;
  return system;
}

const System& unix_seqpacket() {
  static const SystemOf<UnixSocket<SOCK_SEQPACKET>> system;
  return system;
}

}  // namespace bench
