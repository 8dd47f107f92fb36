// A service for systemd: it says when it is ready, and ends gracefully when it is told to.
#include <shared_channel/shared_channel.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct Numbers {
  int a, b;
};
using Adder = shared_channel::SharedChannel<Numbers, int>;

// What sd_notify() of libsystemd does. Without systemd there is nobody to tell.
void notify_systemd(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (path == nullptr || std::strlen(path) >= sizeof(address.sun_path)) return;
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  ::close(socket);
}

int main(int argc, char** argv) {
  const char* name = argc > 1 ? argv[1] : "adder.service";
  // The group of the service's user may call it; for everybody else the channel does not open.
  static auto server = Adder::Server::create(name, {.access = shared_channel::Access::mode(0660)});
  if (!server) return std::fprintf(stderr, "%s\n", server.error().message().c_str()), 1;

  std::signal(SIGTERM, [](int) { server->stop(); });  // may be called from a signal handler
  notify_systemd("READY=1");
  const auto served = server->serve([](const Numbers& numbers) { return numbers.a + numbers.b; });
  std::signal(SIGTERM, SIG_IGN);
  notify_systemd("STOPPING=1");
  return served ? 0 : (std::fprintf(stderr, "%s\n", served.error().message().c_str()), 1);
}
