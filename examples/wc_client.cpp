// Prints what `wc FILE...` prints in the C locale. The counting is done by wc_server, which may be killed and started
// again meanwhile.
// usage: wc_client [--channel NAME] [--stats] [FILE...]
//   "-", or no FILE: the standard input
//   --stats: at the end a line on the standard error: stats calls=N sent_again=N possibly_processed_twice=N
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#endif

#include "wc.hpp"

using namespace std::chrono_literals;
using shared_channel::ChannelException;
using shared_channel::Errc;
using shared_channel::Error;

namespace {

constexpr auto patience = 30s;  // for a server to come (back)

struct Totals {
  std::uint64_t lines = 0;
  std::uint64_t words = 0;
  std::uint64_t bytes = 0;

  void add(std::uint64_t more_lines, std::uint64_t more_words, std::uint64_t more_bytes) {
    lines += more_lines;
    words += more_words;
    bytes += more_bytes;
  }
};

struct Stats {
  std::uint64_t calls = 0;
  std::uint64_t sent = 0;
  std::uint64_t possibly_processed_twice = 0;
};

/// A file, or the standard input.
class Input {
 public:
  Input() : is_stdin_(true) {}
  explicit Input(std::string name) : name_(std::move(name)), is_stdin_(name_ == "-") {}

  const std::string& name() const { return name_; }
  bool is_missing() const { return !is_stdin_ && !exists(status()); }
  bool is_directory() const { return !is_stdin_ && std::filesystem::is_directory(status()); }

  /// -1: it cannot be known before reading.
  std::int64_t size() const {
    if (is_stdin_) {
      struct stat found {};
      return fstat(0, &found) == 0 && (found.st_mode & S_IFMT) == S_IFREG ? found.st_size : -1;
    }
    std::error_code ignored;
    return is_regular_file(status()) ? static_cast<std::int64_t>(std::filesystem::file_size(name_, ignored)) : -1;
  }

  /// Null: errno tells why.
  std::FILE* open() const { return is_stdin_ ? stdin : std::fopen(name_.c_str(), "rb"); }
  void close(std::FILE* file) const {
    if (!is_stdin_) std::fclose(file);
  }

 private:
  std::filesystem::file_status status() const {
    std::error_code ignored;
    return std::filesystem::status(name_, ignored);
  }

  std::string name_;
  bool is_stdin_;
};

class Counter {
 public:
  explicit Counter(const char* channel) : client_(channel, {.wait_for_server = true}), buffer_(block_capacity) {}

  const Stats& stats() const { return stats_; }

  Totals count(std::FILE* file) {
    Totals totals;
    bool in_word = false;
    while (const std::size_t size = std::fread(buffer_.data(), 1, buffer_.size(), file)) {
      const Counts counts = count_block(size, in_word);
      totals.add(counts.lines, counts.words, counts.bytes);
      in_word = counts.in_word != 0;
    }
    return totals;
  }

 private:
  Counts count_block(std::size_t size, bool in_word) {
    ++stats_.calls;
    for (;;) {
      Counts counts{};
      const auto called = client_.call_in_place(
          [&](Block& block) {
            // Runs again if the server goes before it took the block, so it must not read from the file itself.
            ++stats_.sent;
            block.size = static_cast<std::uint32_t>(size);
            block.in_word = in_word;
            std::memcpy(block.bytes, buffer_.data(), size);
          },
          [&](const Counts& reply) { counts = reply; }, patience);
      if (called) return counts;

      // Not executed: then the call itself has tried every server that came, until its deadline. Otherwise the server
      // went while it had the block and may have counted it. Nobody got that count, and counting changes nothing
      // in the server, so sending the block again is right. (A transfer of money would have to ask first.)
      const Error& error = called.error();
      const bool server_went = error.code() == Errc::server_died || error.code() == Errc::server_stopped;
      if (!server_went || error.not_executed()) throw ChannelException(error);
      ++stats_.possibly_processed_twice;
    }
  }

  WordCount::Client client_;
  std::vector<unsigned char> buffer_;
  Stats stats_;
};

/// As wide as the sum of the sizes; at least 7 if there is an input whose size cannot be known beforehand.
int column_width(const std::vector<Input>& inputs) {
  std::uint64_t sum = 0;
  int least = 1;
  for (const Input& input : inputs) {
    if (input.is_missing()) continue;
    const std::int64_t size = input.size();
    if (size >= 0)
      sum += static_cast<std::uint64_t>(size);
    else
      least = 7;
  }
  const int width = static_cast<int>(std::to_string(sum).size());
  return width > least ? width : least;
}

void print(const Totals& totals, int width, const std::string& name) {
  const auto number = [&](std::uint64_t value) {
    return std::printf("%*llu", width, static_cast<unsigned long long>(value));
  };
  number(totals.lines);
  std::putchar(' ');
  number(totals.words);
  std::putchar(' ');
  number(totals.bytes);
  std::printf("%s%s\n", name.empty() ? "" : " ", name.c_str());
}

void complain(const std::string& name, int error) {
  std::fflush(stdout);
  std::fprintf(stderr, "wc_client: %s: %s\n", name.c_str(), std::strerror(error));
}

/// Prints counts for every input; false if one could not be read.
bool count_all(Counter& counter, const std::vector<Input>& inputs) {
  const int width = column_width(inputs);
  bool all_read = true;
  Totals sum;
  for (const Input& input : inputs) {
    Totals totals;
    int error = 0;
    if (input.is_directory()) {
      error = EISDIR;
    } else if (std::FILE* file = input.open()) {
      totals = counter.count(file);
      if (std::ferror(file) != 0) error = errno;
      input.close(file);
    } else {
      complain(input.name(), errno);
      all_read = false;
      continue;
    }
    if (error != 0) complain(input.name(), error);
    all_read = all_read && error == 0;
    print(totals, width, input.name());
    sum.add(totals.lines, totals.words, totals.bytes);
  }
  if (inputs.size() > 1) print(sum, width, "total");
  return all_read;
}

}  // namespace

int main(int argc, char** argv) {
#if defined(_WIN32)
  _setmode(_fileno(stdin), _O_BINARY);
  _setmode(_fileno(stdout), _O_BINARY);
#endif
  const char* channel = take_channel_name(argc, argv);
  const bool wants_stats = argc > 1 && std::strcmp(argv[1], "--stats") == 0;
  std::vector<Input> inputs;
  for (int i = wants_stats ? 2 : 1; i < argc; ++i) inputs.emplace_back(argv[i]);
  if (inputs.empty()) inputs.emplace_back();

  try {
    Counter counter(channel);
    const bool all_read = count_all(counter, inputs);
    if (wants_stats) {
      const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
      const Stats& stats = counter.stats();
      std::fprintf(stderr, "stats calls=%llu sent_again=%llu possibly_processed_twice=%llu\n", number(stats.calls),
                   number(stats.sent - stats.calls), number(stats.possibly_processed_twice));
    }
    return all_read ? 0 : 1;
  } catch (const ChannelException& exception) {
    std::fflush(stdout);
    std::fprintf(stderr, "wc_client: %s\n", exception.what());
    return 2;
  }
}
