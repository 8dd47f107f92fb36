// Serves a channel here whose servers are elsewhere: takes its calls, sends each to one of the exporters, and passes on
// what comes back. bridge/protocol.md has the argument.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <shared_channel/raw.hpp>

#include "engine.hpp"
#include "far_clock.hpp"
#include "log.hpp"
#include "metrics.hpp"
#include "subjects.hpp"
#include "wire.hpp"

namespace bridge {

struct ImportOptions {
  std::string name;                       ///< Of the channel here.
  std::string far_name;                   ///< Under which exporters offer it.
  std::string prefix = "shared_channel";  ///< Of all subjects.
  unsigned max_calls = 0;                 ///< 0: as many as take the servers of those that are there then, at most 256.
  std::chrono::milliseconds silence{200};  ///< An exporter that says nothing for so long is taken for dead.
  shared_channel::Access access = shared_channel::Access::current_user();
};

class Importer {
 public:
  /// Before the engine starts, which is to be stopped before the importer goes.
  Importer(Engine& engine, ImportOptions options, Log log);
  Importer(const Importer&) = delete;
  Importer& operator=(const Importer&) = delete;
  /// Calls that have not ended get server_died.
  ~Importer();

  void start();
  /// Takes no more calls. Those in flight go on.
  void drain();
  [[nodiscard]] bool is_drained();
  [[nodiscard]] const Metrics& metrics() const { return metrics_; }
  [[nodiscard]] const std::string& name() const { return options_.name; }

 private:
  using Steady = std::chrono::steady_clock;
  using Error = shared_channel::Error;

  /// The channel here, in one generation of the far servers' messages.
  struct Local : std::enable_shared_from_this<Local> {
    Contract contract;
    std::uint64_t contract_id = 0;
    std::optional<Error> refusal;  // why no call can be passed on
    std::atomic<std::size_t> in_flight{0};
    std::optional<shared_channel::RawServer> server;
    std::atomic<bool> is_over{false};
    bool is_deserted = false;  // open for the calls in flight only
    std::jthread thread;       // serves

    ~Local() { stop(); }
    /// Takes no more calls. Those in flight may still be answered.
    void stop();
    void join();
  };

  struct FarExporter {
    Here here;
    std::uint64_t contract_id = 0;
    std::string subject;
    FarClock clock;  // known as soon as it has answered a Ping
    std::size_t in_flight = 0;
    std::uint64_t used = 0;  // when, in numbers of calls
    Nanoseconds pinged = 0;
    bool is_asked = false;       // a ping has no answer yet
    Nanoseconds silent_for = 0;  // while it was asked
    bool is_silent = false;      // for longer than it may
    Nanoseconds gone_at = 0;     // it hears no more
    Nanoseconds full_until = 0;  // it said busy
    std::vector<Id> unsent;      // calls for it that are to be published
  };

  struct Pending {
    shared_channel::RawRequest request;
    shared_channel::RawResponder responder;
    shared_channel::CallContext context;
    std::shared_ptr<Local> local;
    Steady::time_point began;
    Steady::time_point last_word;  // to a caller whose call could not be sent
    Steady::time_point sent{};
    Id exporter = 0;
    Id id = 0;                     // as it is called there; 0: it is not there any more
    Id batch = 0;                  // the message that it was published in; 0: it was not
    std::vector<Id> tried;         // exporters that did not execute it
    std::optional<Error> refused;  // what the last of them said
  };

  enum class Choice { found, wait, none };
  using Calls = std::unordered_map<Id, Pending>;
  using Lock = std::unique_lock<std::mutex>;
  using Endings = std::vector<std::pair<Pending, Error>>;

  /// Calls in one message.
  struct Batch {
    Id number = 0;  // 0: none
    Bytes bytes;
    std::string subject, reply;
    std::vector<Id> ids;
  };
  struct Unwanted {
    Id exporter = 0, id = 0, batch = 0;
  };

  // ---- calls: importer.cpp ----
  void serve(Local& local);
  void take(Local& local, shared_channel::RawRequest&& request, shared_channel::RawResponder&& responder,
            const shared_channel::CallContext& context);
  void dispatch(Pending&& pending);
  void enter(Pending&& pending, FarExporter& far);
  void flush();
  void write_next(Batch& batch, Endings& endings);
  void write_next(FarExporter& far, Batch& batch, Endings& endings);
  void publish(const Batch& batch);
  void was_published(const Batch& batch, std::vector<Unwanted>& unwanted);
  static Nanoseconds left_of(const Pending& pending, const FarExporter& far, Steady::time_point time);
  void pump();
  Choice choose(const Pending& pending, FarExporter*& chosen);
  static shared_channel::Execution execution_of(const Pending& pending);
  static bool is_open(const FarExporter& far);
  bool is_usable(const FarExporter& far, const Local& local) const;
  std::optional<Pending> withdraw(Id id);
  std::optional<Pending> withdraw(const Lock& lock, Id id);
  Pending take_out(Calls::iterator at);
  void end(Pending& pending, const Error& error);
  void end(Endings& endings);
  void cancel(const Unwanted& call);
  void pass_over(Pending&& pending, Error refused);

  // ---- what comes: importer_hearing.cpp ----
  void hear_answer(const Message& message);
  void hear_news(const Message& message);
  void hear(const AnswerTo& to, const Message& message);
  void hear_answers(const Message& message);
  void heard_end(const Pending& pending, const Answer& answer);
  void tell(Pending&& pending, const Answer& answer);
  void hear_nobody(std::vector<Pending>&& calls);
  std::vector<Pending> withdraw_batch(Id number);
  void learn(const Here& here);
  void learn(const Here& here, Endings& endings);
  void hear_pong(Id exporter, const Message& message);
  void hears_for_the_first_time(Id exporter);
  void heard_from(FarExporter& far);
  void connection_changed(bool is_connected, const std::string& text);
  void end_calls_of(Id exporter, const std::string& why, Endings& endings);
  void end_lost(Id id, Id exporter, Endings& endings);
  std::vector<Id> old_calls_of(Id exporter) const;
  void has_reconnected(FarExporter& far, std::uint32_t connection, Endings& endings);
  void reached_nobody(Id exporter, Endings& endings);
  void remove(Id exporter, const std::string& why, Endings& endings);
  bool note_deaf(Id exporter);

  // ---- the keeper's thread: importer_keeping.cpp ----
  void keep(const std::stop_token& token);
  void look_after_exporters(Lock& lock, Nanoseconds time, Nanoseconds awake, Endings& endings);
  void look_after_calls(Endings& endings);
  bool is_held_open(const Contract* offered) const;
  void look_after_server(Lock& lock);
  const Contract* offered() const;
  void open(Lock& lock, const Contract& contract);
  void close(Lock& lock);
  std::optional<Error> refusal_of(const Contract& contract) const;
  std::size_t largest() const;
  void wake();

  Engine& engine_;
  const ImportOptions options_;
  const Log log_;
  const Id me_;
  const Subjects subjects_;
  const std::string answers_;  // the subject of all that is answered to us, but for its end
  Metrics metrics_;

  std::mutex mutex_;
  bool is_connected_ = false;
  bool is_draining_ = false;
  std::map<Id, FarExporter> exporters_;
  std::set<Id> deaf_;  // exporters that said that they are there, but answered no Ping
  Calls calls_;
  std::deque<Pending> waiting_;               // for room at an exporter
  std::vector<std::pair<Id, Id>> to_cancel_;  // exporters and calls, as soon as those are heard of again
  std::atomic<std::size_t> unsent_{0};        // calls that are to be published
  Id last_id_ = 0, last_batch_ = 0;
  std::vector<Id> publishing_;             // batches that are just being published
  std::vector<Unwanted> to_cancel_after_;  // calls in those
  std::shared_ptr<Local> local_;
  std::vector<std::shared_ptr<Local>> retired_;  // stopped; their last calls have not ended
  Nanoseconds find_at_ = 0, last_call_ = 0;
  Steady::time_point next_attempt_{};
  std::string told_;  // why there is no channel
  bool is_woken_ = false;
  std::condition_variable_any woken_;
  std::jthread keeper_;
};

}  // namespace bridge
