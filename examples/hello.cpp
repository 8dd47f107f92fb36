// Adds two numbers in another process.
#include <shared_channel/shared_channel.hpp>

#include <cstdio>

struct Numbers {
  int a, b;
};
struct Sum {
  int value;
};
using Adder = shared_channel::SharedChannel<Numbers, Sum>;

int serve() {  // terminal 1: hello serve
  auto server = Adder::Server::create("adder");
  if (server) {
    std::puts("serving");
    const auto end = server->serve([](const Numbers& numbers) { return Sum{numbers.a + numbers.b}; });
    return end ? 0 : 1;
  }
  std::printf("%s\n", server.error().message().c_str());
  return 1;
}

int ask() {  // terminal 2: hello
  Adder::Client client("adder");
  const auto sum = client.call({2, 3});
  if (sum)
    std::printf("2 + 3 = %d\n", sum->value);
  else
    std::printf("%s\n", sum.error().message().c_str());
  return sum ? 0 : 1;
}

int main(int argc, char**) { return argc > 1 ? serve() : ask(); }
