// Answers calculator_client until Ctrl-C.
// usage: calculator_server [CHANNEL]
#include <csignal>
#include <cstdio>
#include <stdexcept>

#include "calculator.hpp"

namespace {

Answer calculate(const Question& question) {
  switch (question.operation) {
    case '+':
      return {question.left + question.right};
    case '-':
      return {question.left - question.right};
    case '*':
      return {question.left * question.right};
    case '/':
      // What a handler throws costs its caller alone, who is told the text.
      if (question.right == 0) throw std::domain_error("division by zero");
      return {question.left / question.right};
    default:
      throw std::invalid_argument("the operation must be one of + - * /");
  }
}

Calculator::Server* serving = nullptr;

// stop() may be called from a signal handler.
void on_signal(int) { serving->stop(); }

void handle_signals_with(void (*handler)(int)) {
  std::signal(SIGINT, handler);  // Ctrl-C
  std::signal(SIGTERM, handler);
#if defined(SIGBREAK)
  std::signal(SIGBREAK, handler);  // Ctrl-Break, and the console window closing
#endif
}

}  // namespace

int main(int argc, char** argv) {
  auto server = Calculator::Server::create(argc > 1 ? argv[1] : "calculator");
  if (!server) {  // most likely: another one is running
    std::fprintf(stderr, "calculator_server: %s\n", server.error().message().c_str());
    return 1;
  }

  serving = &*server;
  handle_signals_with(on_signal);
  std::puts("serving; Ctrl-C stops");
  std::fflush(stdout);
  const auto served = server->serve(calculate);
  handle_signals_with(SIG_DFL);

  if (!served) {
    std::fprintf(stderr, "calculator_server: %s\n", served.error().message().c_str());
    return 1;
  }
  std::puts("stopped");
}
