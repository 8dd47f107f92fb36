// Counts lines, words and bytes for wc_client, until Ctrl-C.
// usage: wc_server [--channel NAME]
#include <csignal>
#include <cstdio>
#include <stdexcept>

#include "wc.hpp"

namespace {

// As the C locale has it. A word is made of printable characters; other bytes neither begin one nor end it.
bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_printable(unsigned char c) { return c > ' ' && c <= '~'; }

// Both messages are in shared memory: nothing is copied. The server keeps nothing between two blocks, so it does not
// matter which server counts the next one.
void count(const Block& block, Counts& counts) {
  const std::uint32_t size = block.size;  // looked at once: the client could still change it
  if (size > block_capacity) throw std::invalid_argument("the block claims more bytes than it has");

  std::uint32_t lines = 0;
  std::uint32_t words = 0;
  bool in_word = block.in_word != 0;
  for (std::uint32_t i = 0; i < size; ++i) {
    const unsigned char c = block.bytes[i];
    if (c == '\n') ++lines;
    if (is_space(c)) {
      in_word = false;
    } else if (!in_word && is_printable(c)) {
      in_word = true;
      ++words;
    }
  }
  counts = {lines, words, size, in_word};
}

WordCount::Server* serving = nullptr;
void on_signal(int) { serving->stop(); }

}  // namespace

int main(int argc, char** argv) {
  auto server = WordCount::Server::create(take_channel_name(argc, argv), {.threads = 2});
  if (!server) {
    std::fprintf(stderr, "wc_server: %s\n", server.error().message().c_str());
    return 1;
  }
  serving = &*server;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  const auto served = server->serve(count);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  return served ? 0 : 1;
}
