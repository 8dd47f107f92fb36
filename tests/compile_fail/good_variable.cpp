// COMPILES
#include <shared_channel/shared_channel.hpp>

#include <functional>
#include <string>
#include <variant>
#include <vector>

using namespace shared_channel;

struct Named {
  std::string name;
  std::vector<int> values;
};
using Request = std::variant<Named, int>;

void use(SharedChannel<Request, Named>::Server& server, SharedChannel<Bytes>::Server& raw,
         const std::stop_token& token) {
  const CallContext* seen = nullptr;
  (void)server.start([](const Request&) { return Named{}; });
  (void)server.start([](Request, const CallContext&) { return Named{}; });
  (void)server.serve([](const auto&, Named&) {});
  (void)server.serve([&](auto&&, Named&, const CallContext& context) { seen = &context; }, token);
  (void)server.serve_one([](Request, Responder<Named>) {}, std::chrono::seconds(1));
  (void)server.start([](const Request&, Responder<Named>&&, const CallContext&) {});
  (void)server.start(std::function<void(const Request&, Responder<Named>)>());
  (void)server.start(std::function<Named(const Request&)>());
  (void)raw.start([](std::span<const std::byte>, std::span<std::byte>) { return 0u; });
  (void)raw.start([](auto request, auto, const CallContext&) { return request.size(); });
}
