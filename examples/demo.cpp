// Several wc_clients count words at once, while their server is killed and started again under them. Every client must
// print what wc prints. Ends with 0 if all do, and prints an account.
// usage: demo REPOSITORY   (its sources are counted, too)
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/files.hpp"
#include "support/programs.hpp"
#include "support/wc_reference.hpp"
#include "tests/support/scoped_env.hpp"
#include "wc.hpp"

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
using test_support::Process;

constexpr std::size_t large_file_bytes = 48u << 20;
constexpr int clients_at_once = 4;
constexpr int kills_wanted = 3;
constexpr int kills_per_round = 6;
constexpr int most_rounds = 6;  // each gives the clients twice the work of the one before
constexpr auto uptime = 50ms;   // of a server, before it is killed
constexpr auto patience = 30s;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Words of 1 to 40 characters, some longer than a block, and every kind of space between them.
void make_large_file(const fs::path& path) {
  std::string text;
  text.reserve(large_file_bytes + 2 * block_capacity);
  std::uint32_t state = 1;
  const auto random = [&](std::uint32_t bound) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % bound;
  };
  while (text.size() < large_file_bytes) {
    const std::size_t length = random(100'000) == 0 ? block_capacity + random(1000) : 1 + random(40);
    for (std::size_t i = 0; i < length; ++i) text += static_cast<char>('!' + random(94));
    text += "    \t\n\n\r\v\f"[random(10)];
  }
  support::write_file(path, text);
}

/// Copies of the repository's files below the current directory: what others edit meanwhile is not compared.
std::vector<std::string> copy_sources(const fs::path& repository) {
  std::vector<std::string> copies;
  const auto copy = [&](const fs::path& file) {
    const fs::path target = file.lexically_relative(repository);
    if (target.has_parent_path()) fs::create_directories(target.parent_path());
    support::write_file(target, support::contents_of(file));
    copies.push_back(target.generic_string());
  };
  for (const char* part : {"include", "examples", "tests", "benchmarks", "cmake", "docs"}) {
    if (!fs::is_directory(repository / part)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(repository / part)) {
      if (entry.is_regular_file()) copy(entry.path());
    }
  }
  for (const char* file : {"README.md", "LICENSE", "CMakeLists.txt", "CMakePresets.json"}) {
    if (fs::exists(repository / file)) copy(repository / file);
  }
  std::sort(copies.begin(), copies.end());
  return copies;
}

/// The server, killed and replaced. A client of our own tells when the next one is up.
class Server {
 public:
  explicit Server(std::string channel) : channel_(std::move(channel)), watch_(channel_), process_(start()) {}

  void kill_and_restart() {
    process_.kill();
    process_.wait();
    ++kills_;
    process_ = start();
  }

  /// Gracefully: nothing stays behind. What a killed server leaves, the next one takes over.
  void stop() {
    process_.interrupt();
    process_.wait();
  }

  [[nodiscard]] int kills() const { return kills_; }

 private:
  Process start() {
    Process process = support::start_example("wc_server", {"--channel", channel_});
    watch_.wait_for_server(patience).value();
    return process;
  }

  std::string channel_;
  WordCount::Client watch_;
  Process process_;
  int kills_ = 0;
};

struct Outcome {
  unsigned long long calls = 0;
  unsigned long long sent_again = 0;
  unsigned long long possibly_twice = 0;
  double seconds = 0;
  bool correct = false;
};

class Client {
 public:
  Client(const std::string& channel, int number, const std::vector<std::string>& files)
      : output_("client." + std::to_string(number) + ".output"),
        errors_("client." + std::to_string(number) + ".errors"),
        process_(support::start_example("wc_client", arguments(channel, files), {{}, output_, errors_})) {}

  bool is_running() {
    const bool running = process_.is_running();
    if (running) seconds_ = seconds_since(start_);
    return running;
  }

  Outcome outcome(const std::string& expected) {
    Outcome outcome;
    outcome.seconds = seconds_;
    const int code = support::exit_code_of(process_);
    const std::string errors = support::text_of(errors_);
    const bool has_stats = std::sscanf(errors.c_str(), "stats calls=%llu sent_again=%llu possibly_processed_twice=%llu",
                                       &outcome.calls, &outcome.sent_again, &outcome.possibly_twice) == 3;
    outcome.correct = code == 0 && has_stats && support::contents_of(output_) == expected;
    if (code != 0 || !has_stats) std::printf("wc_client ended with %d and said: %s\n", code, errors.c_str());
    return outcome;
  }

 private:
  static std::vector<std::string> arguments(const std::string& channel, const std::vector<std::string>& files) {
    std::vector<std::string> all = {"--channel", channel, "--stats"};
    all.insert(all.end(), files.begin(), files.end());
    return all;
  }

  std::string output_;
  std::string errors_;
  Clock::time_point start_ = Clock::now();
  double seconds_ = 0;
  Process process_;
};

/// All clients over all files once; the server is killed as long as one of them is at work.
std::vector<Outcome> run_round(Server& server, const std::string& channel, const std::vector<std::string>& files,
                               const std::string& expected) {
  std::vector<Client> clients;
  clients.reserve(clients_at_once);
  for (int number = 1; number <= clients_at_once; ++number) clients.emplace_back(channel, number, files);

  const int most_kills = server.kills() + kills_per_round;
  const auto start = Clock::now();
  auto next_kill = start + uptime;
  for (;;) {
    int running = 0;
    for (Client& client : clients) running += client.is_running();
    if (running == 0) break;
    if (seconds_since(start) > 120) throw std::runtime_error("the clients do not come to an end");
    if (Clock::now() >= next_kill && server.kills() < most_kills) {
      server.kill_and_restart();
      next_kill = Clock::now() + uptime;
    }
    std::this_thread::sleep_for(1ms);
  }

  std::vector<Outcome> outcomes;
  for (Client& client : clients) outcomes.push_back(client.outcome(expected));
  return outcomes;
}

int run(const fs::path& repository) {
  const auto start = Clock::now();
  std::puts("a large file is made first");
  std::fflush(stdout);
  const support::Scratch scratch;
  const std::string channel = support::channel("wc_demo");

  make_large_file("large.txt");
  std::vector<std::string> files = copy_sources(repository);
  support::WcReference reference;
  const std::size_t all = files.size();
  if (!reference.ignores_other_bytes())
    std::erase_if(files, [](const auto& file) { return !support::WcReference::is_plain(file); });

  std::printf("%d clients count words at once; their server is killed and started again while they do\n\n",
              clients_at_once);
  std::printf("  files    large.txt of %zu MiB, and %zu files of this repository\n", large_file_bytes >> 20,
              files.size());
  if (files.size() < all)
    std::printf("           (%zu left out: releases of wc count their words differently)\n", all - files.size());
  std::printf("  compare  with %s\n\n", reference.name().c_str());
  std::printf("  client     calls  sent again  possibly processed twice  seconds  output\n");
  std::fflush(stdout);

  Server server(channel);
  Outcome sum;
  int clients = 0, wrong = 0;
  for (int round = 1; round <= most_rounds; ++round) {
    files.insert(files.end(), std::size_t{1} << (round - 1), "large.txt");
    const std::string expected = reference.count(files);
    for (const Outcome& outcome : run_round(server, channel, files, expected)) {
      std::printf("  %6d  %8llu  %10llu  %24llu  %7.2f  %s\n", ++clients, outcome.calls, outcome.sent_again,
                  outcome.possibly_twice, outcome.seconds, outcome.correct ? "as expected" : "WRONG");
      sum.calls += outcome.calls;
      sum.sent_again += outcome.sent_again;
      wrong += !outcome.correct;
    }
    if (wrong > 0 || (server.kills() >= kills_wanted && sum.sent_again > 0)) break;
  }

  server.stop();

  std::printf("\n  %d clients, %llu calls, %llu of them sent again after a kill\n", clients, sum.calls, sum.sent_again);
  std::printf("  server killed %d times and started %d times\n", server.kills(), server.kills() + 1);
  std::printf("  %.1f seconds in all\n\n", seconds_since(start));

  const bool was_killed_in_time = server.kills() >= kills_wanted && sum.sent_again > 0;
  const char* verdict = wrong > 0 ? "FAILED: a client printed something else than expected"
                        : !was_killed_in_time
                            ? "FAILED: the clients were done before the server could be killed often enough"
                            : "success: every client printed exactly what was expected";
  std::printf("%s\n", verdict);
  return wrong == 0 && was_killed_in_time ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: demo REPOSITORY\n");
    return 2;
  }
  const test_support::ScopedEnv locale("LC_ALL", "C");
  try {
    return run(fs::absolute(argv[1]));
  } catch (const std::exception& exception) {
    std::printf("FAILED: %s\n", exception.what());
    return 1;
  }
}
