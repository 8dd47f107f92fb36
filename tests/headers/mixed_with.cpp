// A handler that throws is caught although a unit without exceptions makes the same server: they share no function.
#include "mixed_exceptions.hpp"

#include <stdexcept>

int main() {
  Numbers::Server server("mixed-with");
  const Handler handler = [](const Number&) -> Number { throw std::runtime_error("seven"); };
  if (!server.start(handler)) return 1;
  Numbers::Client client("mixed-with");
  const auto answer = client.call({7}, std::chrono::seconds(10));
  if (answer || answer.error().code() != shared_channel::Errc::handler_failed) return 2;
  return answers_without_exceptions() ? 0 : 3;
}
