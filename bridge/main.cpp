// shared_channel_bridge: carries channels from machine to machine.
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "exporter.hpp"
#include "importer.hpp"
#include "log.hpp"
#include "metrics.hpp"
#include "options.hpp"
#include "system.hpp"

namespace {

using namespace std::chrono_literals;

class Bridge {
 public:
  explicit Bridge(bridge::Options options)
      : options_(std::move(options)), engine_(bridge::make_nats_engine(options_.nats, bridge::log_to_standard_error)) {
    for (const auto& one : options_.exports)
      exporters_.push_back(std::make_unique<bridge::Exporter>(*engine_, one, bridge::log_to_standard_error));
    for (const auto& one : options_.imports)
      importers_.push_back(std::make_unique<bridge::Importer>(*engine_, one, bridge::log_to_standard_error));
  }

  /// Until a signal comes. What the program exits with.
  int run() {
    for (const auto& one : exporters_) one->start();
    for (const auto& one : importers_) one->start();
    engine_->start();
    while (!bridge::wait_for_signal(1000ms)) write_metrics();
    for (const auto& one : exporters_) one->drain();
    for (const auto& one : importers_) one->drain();
    const auto end = std::chrono::steady_clock::now() + options_.grace;
    bool is_drained = false;
    while (!(is_drained = all_drained()) && std::chrono::steady_clock::now() < end) {
      if (bridge::wait_for_signal(10ms)) break;
    }
    engine_->stop();
    write_metrics();
    bridge::log_to_standard_error(is_drained ? "ends" : "ends before all calls have ended");
    return is_drained ? 0 : 1;
  }

 private:
  bool all_drained() {
    bool are = true;
    for (const auto& one : exporters_) are = one->is_drained() && are;
    for (const auto& one : importers_) are = one->is_drained() && are;
    return are;
  }

  void write_metrics() {
    if (options_.metrics.empty()) return;
    std::string lines;
    for (const auto& one : exporters_) lines += one->metrics().text("export", one->name());
    for (const auto& one : importers_) lines += one->metrics().text("import", one->name());
    const bool is_written = bridge::write_file(options_.metrics, bridge::in_families(lines));
    if (!is_written && !has_complained_) bridge::log_to_standard_error("cannot write " + options_.metrics);
    has_complained_ = !is_written;
  }

  const bridge::Options options_;
  const std::unique_ptr<bridge::Engine> engine_;
  std::vector<std::unique_ptr<bridge::Exporter>> exporters_;
  std::vector<std::unique_ptr<bridge::Importer>> importers_;
  bool has_complained_ = false;
};

}  // namespace

int main(int argc, char** argv) try {
  int code = 0;
  auto options = bridge::options_of(argc, argv, code);
  if (!options) return code;
  bridge::take_process_name();
  bridge::hold_signals();
  return Bridge(*std::move(options)).run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "shared_channel_bridge: %s\n", error.what());
  return 1;
}
