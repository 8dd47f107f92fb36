// Channels of plain bytes have one observer between them, so it is tested in a program of its own.
#include <shared_channel/shared_channel.hpp>

#include <atomic>
#include <chrono>

namespace {

std::atomic<std::size_t> sent{0}, received{0}, replied{0};

}  // namespace

template <>
struct shared_channel::ObserverOf<shared_channel::Bytes> {
  static void client_done(const CallRecord& call) {
    sent += call.request_bytes;
    received += call.reply_bytes;
  }
  static void server_done(const CallRecord& call) { replied += call.reply_bytes; }
};

int main() {
  using Channel = shared_channel::SharedChannel<shared_channel::Bytes>;
  {
    Channel::Server server("observed-bytes");
    server.start([](std::span<const std::byte> request, std::span<std::byte>) { return request.size() + 3; }).value();
    Channel::Client client("observed-bytes");
    for (const std::size_t size : {std::size_t{5}, std::size_t{5000}}) {
      client
          .call_in_place([&](std::span<std::byte>) { return size; }, [](std::span<const std::byte>) {},
                         std::chrono::seconds(60))
          .value();
    }
  }
  return sent == 5005 && received == 5011 && replied == 5011 ? 0 : 1;
}
