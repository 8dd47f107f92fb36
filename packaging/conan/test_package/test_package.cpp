#include <shared_channel/shared_channel.hpp>

#include <cstdio>

struct Numbers {
  int a, b;
};
using Channel = shared_channel::SharedChannel<Numbers, int>;

int main() {
  Channel::Server server("conan-test-package");
  server.start([](const Numbers& numbers) { return numbers.a + numbers.b; }).value();
  const int sum = Channel::Client("conan-test-package").call({2, 3}, std::chrono::seconds(10)).value();
  std::printf("2 + 3 = %d\n", sum);
  return sum == 5 ? 0 : 1;
}
