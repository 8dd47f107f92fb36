// Counts primes, and stops as soon as nobody waits for the count any more.
// usage: context serve [CHANNEL]
//        context LIMIT MILLISECONDS [CHANNEL]
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

#include <shared_channel/shared_channel.hpp>

using namespace std::chrono_literals;
using shared_channel::CallContext;

using Primes = shared_channel::SharedChannel<std::uint64_t>;

namespace {

bool is_prime(std::uint64_t number) {
  for (std::uint64_t factor = 2; factor <= number / factor; ++factor) {
    if (number % factor == 0) return false;
  }
  return number > 1;
}

std::uint64_t count_primes(std::uint64_t limit, const CallContext& call) {
  std::uint64_t count = 0;
  for (std::uint64_t number = 0; number < limit; ++number) {
    if (number % 10'000 == 0 && call.cancelled()) {
      std::printf("process %u waits no more\n", call.caller().process_id);
      std::fflush(stdout);
      return 0;  // nobody sees it
    }
    if (is_prime(number)) ++count;
  }
  return count;
}

int serve(const std::string& channel) {
  Primes::Server server(channel);
  std::puts("serving");
  std::fflush(stdout);
  return server.serve(count_primes) ? 0 : 1;
}

int ask(std::uint64_t limit, std::chrono::milliseconds patience, const std::string& channel) {
  Primes::Client client(channel);
  const auto count = client.call(limit, patience);
  if (!count) {
    std::fprintf(stderr, "context: %s\n", count.error().message().c_str());
    return 1;
  }
  std::printf("%llu primes\n", static_cast<unsigned long long>(*count));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  try {
    if (what == "serve") return serve(argc > 2 ? argv[2] : "primes");
    if (argc < 3) throw std::invalid_argument("usage: context serve [CHANNEL] | context LIMIT MILLISECONDS [CHANNEL]");
    return ask(std::stoull(what), std::chrono::milliseconds(std::stoi(argv[2])), argc > 3 ? argv[3] : "primes");
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "context: %s\n", exception.what());
    return 1;
  }
}
