// Adds two numbers in another process.
#include <shared_channel/shared_channel.hpp>

#include <csignal>
#include <cstdio>

struct Numbers {
  int a, b;
};
struct Sum {
  int value;
};
using Adder = shared_channel::SharedChannel<Numbers, Sum>;

int fail(const shared_channel::Error& error) { return std::printf("%s\n", error.message().c_str()), 1; }

int serve() {  // terminal 1: hello serve
  static auto server = Adder::Server::create("adder");
  if (!server) return fail(server.error());
  const auto stop = [](int) { server->stop(); };  // may be called from a signal handler
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, stop);
  std::puts("serving; Ctrl-C stops");
  const auto served = server->serve([](const Numbers& numbers) { return Sum{numbers.a + numbers.b}; });
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, SIG_IGN);
  return served ? 0 : fail(served.error());
}

int ask() {  // terminal 2: hello
  Adder::Client client("adder");
  const auto sum = client.call({2, 3});
  if (!sum) return fail(sum.error());
  std::printf("2 + 3 = %d\n", sum->value);
  return 0;
}

int main(int argc, char**) { return argc > 1 ? serve() : ask(); }
