#include <shared_channel/shared_channel.hpp>

#include <cstdio>
#include <string>

struct Numbers {
  int a, b;
};
using Channel = shared_channel::SharedChannel<Numbers, int>;

#if defined(SHARED_CHANNEL_COMPILED) && !defined(_MSC_VER)
bool answers_without_exceptions();
#else
static bool answers_without_exceptions() { return true; }
#endif

int main(int, char** argv) {
  if (!answers_without_exceptions()) {
    std::puts("without exceptions nothing answers");
    return 1;
  }
  const std::string name = std::string("packaging-") + argv[1];
  Channel::Client client(name);

  const auto refused = client.call({2, 3});
  if (refused || refused.error().code() != shared_channel::Errc::no_server) {
    std::puts("a call without a server should end in no_server");
    return 1;
  }

  Channel::Server server(name);
  if (const auto started = server.start([](const Numbers& numbers) { return numbers.a + numbers.b; }); !started) {
    std::puts(started.error().message().c_str());
    return 1;
  }
  const auto sum = client.call({2, 3}, std::chrono::seconds(10));
  if (!sum) {
    std::puts(sum.error().message().c_str());
    return 1;
  }
  std::printf("2 + 3 = %d\n", *sum);
  return *sum == 5 ? 0 : 1;
}
