#include "world.hpp"

#include <csignal>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bridge_test {
namespace {

sockaddr_in local(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = local(0);
  socklen_t size = sizeof address;
  const bool is_bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                        ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(socket);
  if (!is_bound) throw std::runtime_error("there is no free port");
  return ntohs(address.sin_port);
}

bool is_listening(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = local(port);
  const bool is = ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return is;
}

Broker::Broker(std::vector<std::string> more, std::uint16_t port)
    : arguments_{"-a", "127.0.0.1", "-p", std::to_string(port), "-l", "/dev/null"}, port_(port) {
  arguments_.insert(arguments_.end(), more.begin(), more.end());
  start();
}

void Broker::start() {
  process_.emplace(SHARED_CHANNEL_NATS_SERVER, arguments_);
  if (!test_support::eventually([this] { return is_listening(port_); }))
    throw std::runtime_error("nats-server does not listen");
}

void Broker::kill() {
  process_->kill();
  process_->wait();
}

Process bridge(const std::vector<std::string>& arguments) { return Process(SHARED_CHANNEL_BRIDGE, arguments); }

void ask_to_end(const Process& process) { ::kill(static_cast<pid_t>(process.pid()), SIGTERM); }

}  // namespace bridge_test
