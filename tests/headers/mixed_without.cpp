#include "mixed_exceptions.hpp"

#if defined(__cpp_exceptions)
#error "this unit is to be compiled with -fno-exceptions"
#endif

bool answers_without_exceptions() {
  auto server = Numbers::Server::create("mixed-without");
  if (!server || !server->start(Handler([](const Number& number) { return number; }))) return false;
  auto client = Numbers::Client::create("mixed-without");
  return client && client->call({7}, std::chrono::seconds(10)).has_value();
}
