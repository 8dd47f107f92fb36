// What wc_server and wc_client agree on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <shared_channel/shared_channel.hpp>

inline constexpr std::size_t block_capacity = 64 * 1024;

struct Block {
  std::uint32_t size;     // how many of the bytes count
  std::uint32_t in_word;  // whether the block before it ended inside a word
  unsigned char bytes[block_capacity];
};

struct Counts {
  std::uint32_t lines;
  std::uint32_t words;  // that begin in this block
  std::uint32_t bytes;
  std::uint32_t in_word;  // whether this block ends inside a word
};

using WordCount = shared_channel::SharedChannel<Block, Counts>;

/// Takes `--channel NAME` off the front of the arguments.
inline const char* take_channel_name(int& argc, char**& argv) {
  if (argc < 3 || std::strcmp(argv[1], "--channel") != 0) return "wc";
  const char* name = argv[2];
  argc -= 2;
  argv += 2;
  return name;
}
