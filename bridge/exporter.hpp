// Offers a channel of this machine to importers elsewhere: calls it for them, and sends back what it says.
// bridge/protocol.md has the argument.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <shared_channel/raw.hpp>

#include "engine.hpp"
#include "log.hpp"
#include "metrics.hpp"
#include "outbox.hpp"
#include "subjects.hpp"
#include "wire.hpp"

namespace bridge {

struct ExportOptions {
  std::string name;                       ///< Of the channel here.
  std::string far_name;                   ///< Under which it is offered.
  std::string prefix = "shared_channel";  ///< Of all subjects.
  bool must_log_calls = false;            ///< Each call that ends in an error, with who asked.
  shared_channel::ServerUser server = shared_channel::ServerUser::mine_or_system();
};

class Exporter {
 public:
  /// Before the engine starts, which is to be stopped before the exporter goes.
  Exporter(Engine& engine, ExportOptions options, Log log);
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;
  ~Exporter();

  void start();
  /// Says that it leaves, and takes no more calls. Those in flight go on.
  void drain();
  [[nodiscard]] bool is_drained();
  [[nodiscard]] const Metrics& metrics() const { return metrics_; }
  [[nodiscard]] const std::string& name() const { return options_.name; }

 private:
  using RawClient = shared_channel::RawClient;
  using Error = shared_channel::Error;
  using Key = std::pair<Id, Id>;  // importer and call

  struct Asked {
    Key key;
    std::string caller;
    std::chrono::steady_clock::time_point began;
    std::shared_ptr<RawClient> client;    // as long as it has the call, whoever replaces it
    std::atomic<bool> is_dropped{false};  // its importer is gone
    std::optional<Error> refused;         // instead of the call
    shared_channel::RawPendingCall call;
  };
  struct Silence {
    Nanoseconds silent_for = 0;
    Nanoseconds patience = 1000 * milliseconds;  // until it has said its own
  };
  struct Ending;  // the coroutine that waits for one

  // ---- what comes ----
  void hear_calls(const std::vector<Call>& calls);
  void wait_for(Asked& last);
  [[nodiscard]] std::optional<Error> refusal_of(const Call& call) const;
  void begin(const Call& call, Asked& asked);
  void hear(const Message& message);
  void hear_find(const Message& message);
  void hear_ping(const Ping& ping, const std::string& reply);
  void hear_cancel(const Cancel& cancel);
  void connection_changed(bool is_connected, const std::string& text);

  // ---- what ends ----
  static Ending await(Exporter& exporter, std::shared_ptr<Asked> asked);
  void end(const Asked& asked, const shared_channel::Result<shared_channel::RawReply>& result);
  void fail(const Asked& asked, const Error& error);
  void refuse(const Asked& asked, const Error& error);
  void answer(const Asked& asked, const Answer& answer);
  void send(const Outbox::Batch& batch);
  void forget(Id importer, const std::vector<Id>& calls);

  // ---- the keeper's thread ----
  void keep(const std::stop_token& token);
  void look_after_server(const std::stop_token& token);
  void look_at_server();
  void server_is_gone();
  void say_if_new(const std::string& problem);
  void drop_calls_of_the_silent(Nanoseconds awake);
  void publish_news();
  void publish_here(const std::string& subject);
  [[nodiscard]] Here here();

  Engine& engine_;
  const ExportOptions options_;
  const Log log_;
  const Id me_;
  const Subjects subjects_;
  const std::string who_;
  Metrics metrics_;
  std::optional<RawClient> watcher_;  // takes whatever server is there

  std::mutex mutex_;
  std::uint32_t connection_ = 0;
  std::uint64_t last_word_ = 0;  // Here::number
  bool is_draining_ = false;
  std::size_t beginning_ = 0;          // calls that are about to enter calls_
  std::shared_ptr<RawClient> client_;  // insists on the contract; none: no server
  Contract contract_;
  std::uint64_t contract_id_ = 0;
  std::uint32_t max_calls_ = 0;
  std::map<Key, std::shared_ptr<Asked>> calls_;
  std::map<Id, Silence> importers_;  // with calls
  Outbox outbox_;
  std::atomic<unsigned> ending_{0};  // calls that are ending on some thread
  unsigned vain_waits_ = 0;          // of the thread that hears calls
  bool must_look_ = false;
  std::string told_;
  std::condition_variable_any woken_;
  std::jthread keeper_;
};

}  // namespace bridge
