// EXPECT: Reply being default-constructible
#include <shared_channel/shared_channel.hpp>

#include <string>

struct Reply {
  explicit Reply(std::string its) : text(std::move(its)) {}
  std::string text;
};
template <>
struct shared_channel::Codec<Reply> {
  static std::size_t size(const Reply&);
  static void encode(const Reply&, std::span<std::byte>);
  static std::optional<Reply> decode(std::span<const std::byte>);
};

void use(shared_channel::SharedChannel<int, Reply>::Server& server) {
  (void)server.start([](const int&, Reply&) {});
}
