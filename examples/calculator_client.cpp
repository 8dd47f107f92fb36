// Asks calculator_server line by line. It may be started first, and the server may be restarted at any time.
// usage: calculator_client [CHANNEL]
#include <chrono>
#include <iostream>
#include <sstream>
#include <string>

#include "calculator.hpp"

using namespace std::chrono_literals;
using shared_channel::Errc;

int main(int argc, char** argv) {
  auto client = Calculator::Client::create(argc > 1 ? argv[1] : "calculator");
  if (!client) {  // the name is not one that a channel can have
    std::cerr << "calculator_client: " << client.error().message() << '\n';
    return 1;
  }

  std::cout << "type something like 6 * 7\n";
  for (std::string line; std::getline(std::cin, line);) {
    Question question{};
    if (!(std::istringstream(line) >> question.left >> question.operation >> question.right)) {
      std::cout << "? NUMBER OPERATION NUMBER, with spaces between them\n";
      continue;
    }

    const auto answer = client->call(question, 1s);
    if (answer) {
      std::cout << "= " << answer->value << '\n';
      continue;
    }
    switch (answer.error().code()) {
      case Errc::no_server:
        std::cout << "! start calculator_server, then ask again\n";
        break;
      case Errc::server_died:
      case Errc::server_stopped:
        std::cout << "! the server went away; ask again\n";  // asking twice does no harm here
        break;
      default:
        std::cout << "! " << answer.error().message() << '\n';
    }
  }
}
