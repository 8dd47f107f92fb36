#include "exporter.hpp"

#include <algorithm>
#include <bit>
#include <coroutine>
#include <cstring>
#include <vector>

#include <shared_channel/inspect.hpp>

#include "system.hpp"

namespace bridge {

using namespace std::chrono_literals;
using shared_channel::Errc;
using shared_channel::Error;
using shared_channel::Execution;
using shared_channel::RawClient;
using shared_channel::RawReply;
using shared_channel::Result;

namespace {

constexpr auto look_every = 50ms;
constexpr auto soon = 50us;
constexpr Nanoseconds importer_is_gone_after = 1000 * milliseconds;  // or more, if it bears more
constexpr const char* importer_is_gone = "the importer was not heard for longer than it bears silence";

std::string text_of(const Error& error) {
  if (error.native() == 0) return error.cause();
  return error.cause() + " (system error " + std::to_string(error.native()) + ')';
}

/// Whether this thread sends its answers when it has ended several calls.
thread_local bool is_in_round = false;

Execution execution_of(const Error& error) { return error.not_executed() ? Execution::none : Execution::possible; }

}  // namespace

/// Nobody waits for it.
struct Exporter::Ending {
  struct promise_type {
    Ending get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

Exporter::Ending Exporter::await(Exporter& exporter, std::shared_ptr<Asked> asked) {
  if (asked->refused) {
    exporter.end(*asked, *asked->refused);
  } else {
    const Result<RawReply> result = co_await asked->call;
    exporter.end(*asked, result);
  }
}

Exporter::Exporter(Engine& engine, ExportOptions options, Log log)
    : engine_(engine),
      options_(std::move(options)),
      log_([name = options_.name, log = std::move(log)](const std::string& line) {
        log("export " + name + ": " + line);
      }),
      me_(unlikely_number()),
      subjects_(options_.prefix, options_.far_name),
      who_(who_am_i()),
      outbox_([this](const Outbox::Batch& batch) { send(batch); }) {
  engine_.listen(subjects_.at(me_), [this](const Message& message) { hear(message); });  // before anybody finds it
  engine_.listen(subjects_.find(), [this](const Message& message) { hear_find(message); });
  engine_.watch([this](bool is_connected, const std::string& text) { connection_changed(is_connected, text); });
}

Exporter::~Exporter() {
  if (keeper_.joinable()) {
    keeper_.request_stop();
    keeper_.join();
  }
  for (;;) {  // the coroutines hold us
    std::vector<std::shared_ptr<Asked>> left;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [key, asked] : calls_) left.push_back(asked);
    }
    if (left.empty() && ending_ == 0) break;
    for (const auto& asked : left) asked->call.cancel();
    std::this_thread::sleep_for(1ms);
  }
  outbox_.stop();
}

void Exporter::start() {
  auto watcher = RawClient::create(options_.name, {.server = options_.server});
  if (!watcher) return log_("cannot be exported: " + watcher.error().message());
  watcher_ = *std::move(watcher);
  outbox_.start();
  keeper_ = std::jthread([this](const std::stop_token& token) { keep(token); });
}

void Exporter::drain() {
  {
    const std::lock_guard lock(mutex_);
    is_draining_ = true;
  }
  log_("leaves");
  publish_news();
}

bool Exporter::is_drained() {
  const std::lock_guard lock(mutex_);
  return is_draining_ && calls_.empty() && beginning_ == 0;
}

// ---- what comes ----

/// An answer goes to nobody but its importer. Else whoever may ask could have it sent anywhere with our permissions.
void Exporter::hear(const Message& message) {
  if (const auto ping = read<Ping>(message.bytes)) {
    const std::string reply = subjects_.to(ping->importer) + 'p' + hexadecimal(me_);
    if (message.reply == reply) hear_ping(*ping, reply);
    return;
  }
  if (const auto cancel = read<Cancel>(message.bytes)) return hear_cancel(*cancel);
  if (const auto several = read<Calls>(message.bytes)) hear_calls(several->calls);
}

void Exporter::hear_calls(const std::vector<Call>& calls) {
  metrics_.calls.fetch_add(calls.size(), std::memory_order_relaxed);
  const auto time = std::chrono::steady_clock::now();
  std::vector<std::pair<const Call*, std::shared_ptr<Asked>>> taken;
  taken.reserve(calls.size());
  {
    const std::lock_guard lock(mutex_);
    for (const Call& call : calls) {
      auto asked = std::make_shared<Asked>();
      asked->key = {call.importer, call.id};
      if (calls_.contains(asked->key)) continue;                               // it is being executed
      if (!taken.empty() && asked->key <= taken.back().second->key) continue;  // it may be there twice
      asked->caller = std::to_string(call.process) + " of user " + std::string(call.user);
      asked->began = time;
      asked->refused = refusal_of(call);
      asked->client = client_;
      taken.emplace_back(&call, std::move(asked));
    }
    beginning_ += taken.size();
  }
  metrics_.in_flight.fetch_add(taken.size(), std::memory_order_relaxed);
  for (auto& [call, asked] : taken) {
    if (!asked->refused) begin(*call, *asked);
  }
  if (!taken.empty()) wait_for(*taken.back().second);
  {
    const std::lock_guard lock(mutex_);
    beginning_ -= taken.size();
    for (auto& [call, asked] : taken) {
      calls_.emplace(asked->key, asked);
      importers_[call->importer].silent_for = 0;
    }
    metrics_.peers = importers_.size();
  }
  is_in_round = true;
  for (auto& [call, asked] : taken) await(*this, std::move(asked));
  is_in_round = false;
  outbox_.flush();
}

/// Calls that are soon over are cheaper to wait for than to leave to the client's thread, and their answers go
/// together.
void Exporter::wait_for(Asked& last) {
  constexpr unsigned patience = 4, most_left_out = 16;  // after that many in vain, every 16th is waited for
  if (last.refused) return;
  const bool is_alone = metrics_.in_flight.load(std::memory_order_relaxed) == 1;
  if (!is_alone && vain_waits_ >= patience && vain_waits_ % most_left_out != 0) {
    ++vain_waits_;
    return;
  }
  vain_waits_ = last.call.wait(soon) ? 0 : vain_waits_ + 1;
}

std::optional<Error> Exporter::refusal_of(const Call& call) const {
  if (is_draining_) return Error(Errc::server_stopped, "", "the exporter leaves");
  if (!client_) return Error(Errc::no_server, "", "the exporter has no server at this moment");
  if (call.contract == contract_id_) return std::nullopt;
  return Error(Errc::layout_mismatch, "",
               "the far server was replaced by one that takes " + contract_.shape.request.description +
                   " and answers " + contract_.shape.reply.description);
}

void Exporter::begin(const Call& call, Asked& asked) {
  constexpr auto expired = [](Nanoseconds end, Nanoseconds time) { return end != never && end <= time; };
  const Nanoseconds end = call.left == never ? never : call.sent + call.left;
  Nanoseconds time = now();
  while (!expired(end, time)) {
    const auto timeout = std::chrono::nanoseconds(end == never ? never : end - time);
    auto draft = asked.client->draft({timeout, 0ns});
    if (!draft) {
      asked.refused = std::move(draft).error();
      return;
    }
    // Its time began some time after ours was read: it would be withdrawn too late by so much.
    if (const Nanoseconds before = std::exchange(time, now()); end != never && time - before > milliseconds) continue;
    if (call.request.size() <= draft->room().size() && !call.request.empty())
      std::memcpy(draft->room().data(), call.request.data(), call.request.size());
    if (expired(end, now())) break;
    asked.call = draft->send(call.request.size());
    return;
  }
  metrics_.expired.fetch_add(1, std::memory_order_relaxed);
  asked.refused = Error(Errc::timed_out, "", "the call came to the exporter after its deadline", 0, Execution::none);
}

void Exporter::hear_find(const Message& message) {
  const std::optional<Find> find = read<Find>(message.bytes);
  if (find && message.reply == subjects_.to(find->importer) + 'f') publish_here(std::string(message.reply));
}

void Exporter::hear_ping(const Ping& ping, const std::string& reply) {
  Pong pong;
  pong.asked = ping.asked;
  {
    const std::lock_guard lock(mutex_);
    pong.connection = connection_;
    if (const auto known = importers_.find(ping.importer); known != importers_.end())
      known->second = {0, std::max(ping.patience, importer_is_gone_after)};
    for (const Id id : ping.calls) {
      if (!calls_.contains({ping.importer, id})) pong.unknown.push_back(id);
    }
  }
  pong.clock = now();
  static_cast<void>(engine_.publish(reply, "", write(pong)));
}

void Exporter::hear_cancel(const Cancel& cancel) {
  std::shared_ptr<Asked> asked;
  {
    const std::lock_guard lock(mutex_);
    const auto at = calls_.find({cancel.importer, cancel.id});
    if (at == calls_.end()) return;
    asked = at->second;
  }
  metrics_.cancelled.fetch_add(1, std::memory_order_relaxed);
  asked->call.cancel();
}

void Exporter::connection_changed(bool is_connected, const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    ++connection_;
  }
  log_((is_connected ? "connected to " : "not connected to NATS: ") + text);
  if (is_connected) publish_news();
}

// ---- what ends ----

void Exporter::end(const Asked& asked, const Result<RawReply>& result) {
  ending_.fetch_add(1);
  if (result) {
    metrics_.answered(std::chrono::steady_clock::now() - asked.began);
    Answer reply;
    reply.is_reply = true;
    reply.reply = result->bytes();
    answer(asked, reply);
  } else {
    const Error& error = result.error();
    const bool is_ours = asked.is_dropped && error.code() == Errc::cancelled;
    fail(asked, is_ours ? Error(Errc::server_died, "", importer_is_gone, 0, execution_of(error)) : error);
    if (!error.not_executed()) {
      const std::lock_guard lock(mutex_);
      must_look_ = true;
    }
  }
  const bool is_last = metrics_.in_flight.fetch_sub(1, std::memory_order_relaxed) == 1;
  if (!is_in_round) is_last ? outbox_.flush() : outbox_.ring();
  ending_.fetch_sub(1);  // the last that is done to the exporter
}

void Exporter::fail(const Asked& asked, const Error& error) {
  if (options_.must_log_calls)
    log_("a call of process " + asked.caller + " at importer " + hexadecimal(asked.key.first) + ": " + error.message());
  refuse(asked, error);
}

void Exporter::refuse(const Asked& asked, const Error& error) {
  metrics_.failed(error.code());
  const std::string text = text_of(error);
  Answer refusal;
  refusal.code = error.code();
  refusal.execution = execution_of(error);
  refusal.text = text;
  answer(asked, refusal);
}

void Exporter::answer(const Asked& asked, const Answer& answer) {
  const std::size_t largest = engine_.largest();
  if (largest != 0 && answer.reply.size() + answer_overhead > largest) {
    const std::string text = "the reply has " + std::to_string(answer.reply.size()) +
                             " bytes, and NATS takes messages of " + std::to_string(largest) +
                             " (max_payload of nats-server)";
    return refuse(asked, Error(Errc::message_too_large, "", text, 0, Execution::possible));
  }
  const bool is_short = answer.reply.size() + call_overhead <= most_of_several / 2;
  if (is_short) return outbox_.add(asked.key.first, asked.key.second, answer, std::min(most_of_several, largest));
  static thread_local Bytes bytes;
  bytes.clear();
  add(asked.key.second, answer, bytes);  // a long copy, for which the others need not wait
  static_cast<void>(engine_.publish(subjects_.to(asked.key.first) + 'a', "", bytes));
  forget(asked.key.first, {asked.key.second});
}

void Exporter::send(const Outbox::Batch& batch) {
  static_cast<void>(engine_.publish(subjects_.to(batch.importer) + 'a', "", batch.bytes));
  forget(batch.importer, batch.ids);
}

/// After the answers: whoever is told that a call is not known has its answer already.
void Exporter::forget(Id importer, const std::vector<Id>& calls) {
  const std::lock_guard lock(mutex_);
  for (const Id call : calls) calls_.erase({importer, call});
}

// ---- the keeper's thread ----

void Exporter::keep(const std::stop_token& token) {
  Nanoseconds last = now();
  while (!token.stop_requested()) {
    look_after_server(token);
    const Nanoseconds time = now();
    drop_calls_of_the_silent(std::min<Nanoseconds>(time - last, 2 * nanoseconds(look_every)));
    last = time;
  }
}

/// Takes about as long as `look_every`.
void Exporter::look_after_server(const std::stop_token& token) {
  bool has_server = false;
  {
    std::unique_lock lock(mutex_);
    has_server = client_ != nullptr;
    if (has_server) woken_.wait_for(lock, token, look_every, [&] { return std::exchange(must_look_, false); });
  }
  if (has_server && watcher_->connected()) return;
  if (has_server) server_is_gone();
  const auto there = watcher_->wait_for_server(look_every, token);
  if (there) return look_at_server();
  if (there.error().code() == Errc::no_server || there.error().code() == Errc::cancelled) return;
  say_if_new(there.error().message());
  std::unique_lock lock(mutex_);
  woken_.wait_for(lock, token, look_every, [] { return false; });
}

void Exporter::say_if_new(const std::string& problem) {
  if (std::exchange(told_, problem) != problem) log_(problem);
}

void Exporter::server_is_gone() {
  log_("the server is gone");
  std::shared_ptr<RawClient> gone;  // it waits for its callbacks, which take the lock
  {
    const std::lock_guard lock(mutex_);
    gone.swap(client_);
  }
  metrics_.is_served = 0;
  publish_news();
}

void Exporter::look_at_server() {
  const auto info = shared_channel::inspect(options_.name);
  if (info && info->program == process_name) {
    say_if_new("what is served here is imported itself, and so not exported");
    std::this_thread::sleep_for(look_every);
    return;
  }
  if (info && info->max_calls == 0) return;  // it is just being made
  const auto shape = watcher_->shape(1s);
  if (!shape) return say_if_new(shape.error().message());
  auto client = RawClient::create(options_.name, *shape, {.server = options_.server});
  if (!client) return say_if_new(client.error().message());
  told_.clear();
  auto fresh = std::make_shared<RawClient>(*std::move(client));
  {
    const std::lock_guard lock(mutex_);
    client_.swap(fresh);
    contract_ = {*shape, std::endian::native == std::endian::big};
    contract_id_ = contract_.id();
    max_calls_ = info ? std::max(info->max_calls, 1u) : 16;
  }
  metrics_.is_served = 1;
  std::string large;
  for (const auto* message : {&shape->request, &shape->reply}) {
    const std::size_t largest = engine_.largest();
    if (largest != 0 && message->size + call_overhead > largest) {
      large += "; its messages may have " + std::to_string(message->size) + " bytes, of which NATS takes " +
               std::to_string(largest - call_overhead);
    }
  }
  log_("the server takes " + shape->request.description + " and answers " + shape->reply.description + ", " +
       std::to_string(max_calls_) + " calls at once" + large);
  publish_news();
}

void Exporter::drop_calls_of_the_silent(Nanoseconds awake) {
  std::vector<std::shared_ptr<Asked>> dropped;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = importers_.begin(); at != importers_.end();) {
      at->second.silent_for += awake;
      const auto first = calls_.lower_bound({at->first, 0});
      const bool has_calls = first != calls_.end() && first->first.first == at->first;
      if (at->second.silent_for < at->second.patience) {
        ++at;
        continue;
      }
      for (auto call = first; call != calls_.end() && call->first.first == at->first; ++call) {
        call->second->is_dropped = true;
        dropped.push_back(call->second);
      }
      at = has_calls ? std::next(at) : importers_.erase(at);
    }
    metrics_.peers = importers_.size();
  }
  for (const auto& asked : dropped) {
    metrics_.cancelled.fetch_add(1, std::memory_order_relaxed);
    asked->call.cancel();
  }
}

Here Exporter::here() {
  Here mine;
  mine.exporter = me_;
  mine.number = ++last_word_;
  mine.has_server = client_ != nullptr;
  mine.is_leaving = is_draining_;
  mine.max_calls = max_calls_;
  mine.connection = connection_;
  mine.largest = engine_.largest();
  mine.who = who_;
  mine.contract = contract_;
  return mine;
}

void Exporter::publish_news() { publish_here(subjects_.news()); }

void Exporter::publish_here(const std::string& subject) {
  const Here mine = [&] {
    const std::lock_guard lock(mutex_);
    return here();
  }();
  static_cast<void>(engine_.publish(subject, "", write(mine)));
}

}  // namespace bridge
