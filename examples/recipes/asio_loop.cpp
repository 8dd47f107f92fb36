// An asio program calls and serves on its io_context. For brevity server and client are one program.
#include <shared_channel/shared_channel.hpp>

#include <asio.hpp>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include <unistd.h>

using namespace std::chrono_literals;
using Length = shared_channel::SharedChannel<std::string, std::uint64_t>;

// asio closes what it watches: it gets a descriptor of its own for the same object.
asio::posix::stream_descriptor watch(asio::io_context& io, int handle) { return {io, ::dup(handle)}; }

// ---- the server: a turn of the loop answers one request
class Service {
 public:
  Service(asio::io_context& io, const std::string& name) : server_(name), ready_(watch(io, server_.native_handle())) {
    wait();
  }

 private:
  void wait() {
    ready_.async_wait(asio::posix::stream_descriptor::wait_read, [this](std::error_code error) {
      const auto length = [](const std::string& text) { return std::uint64_t{text.size()}; };
      if (!error && server_.serve_one(length, 0ns)) wait();
    });
  }

  Length::Server server_;
  asio::posix::stream_descriptor ready_;
};

// ---- the client: `done` is called on the io_context, not on a thread of the client's
template <class Done>
void ask(asio::io_context& io, Length::Client& client, const std::string& text, Done done) {
  const auto posted = client.call_async(text, 10s, [&io, done](shared_channel::Result<std::uint64_t> reply) mutable {
    asio::post(io, [reply = std::move(reply), done = std::move(done)]() mutable { done(std::move(reply)); });
  });
  if (!posted) asio::post(io, [error = posted.error(), done]() mutable { done(error); });
}

int main() {
  const std::string name = "asio." + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  asio::io_context io;
  Service service(io, name);
  Length::Client client(name);
  ask(io, client, "twelve chars", [&io](shared_channel::Result<std::uint64_t> reply) {
    std::printf("%s\n", reply ? std::to_string(*reply).c_str() : reply.error().message().c_str());
    io.stop();
  });
  io.run();
}
