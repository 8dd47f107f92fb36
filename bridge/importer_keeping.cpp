// The importer's thread that keeps: it looks after the exporters, the calls that last, and the channel here.
#include "importer.hpp"

#include <algorithm>
#include <bit>

#include "importer_parts.hpp"

namespace bridge {

using namespace std::chrono_literals;
using shared_channel::Errc;
using shared_channel::Execution;
using shared_channel::RawServer;

namespace {

constexpr Nanoseconds tick = 10 * milliseconds;
constexpr Nanoseconds ping_while_calling = 50 * milliseconds;
constexpr Nanoseconds find_otherwise = 2000 * milliseconds;
constexpr Nanoseconds forget_after = 1000 * milliseconds;  // of silence
constexpr Nanoseconds last_words = 100 * milliseconds;     // of an exporter that hears no more
constexpr auto look_after = 20ms;                          // calls that last longer are looked after
constexpr auto ask_after = 100ms;                          // whether the exporter has it

bool is_native_order(const Contract& contract) {
  return contract.is_big_endian == (std::endian::native == std::endian::big);
}

}  // namespace

void Importer::keep(const std::stop_token& token) {
  Nanoseconds last = now();
  while (!token.stop_requested()) {
    Endings endings;
    Lock lock(mutex_);
    const Nanoseconds time = now();
    // Time that this process did not run does not count as another's silence.
    const bool is_busy = !calls_.empty() || !waiting_.empty() || time - last_call_ < 1000 * milliseconds;
    const Nanoseconds pause = is_busy ? tick : 10 * tick;
    look_after_exporters(lock, time, std::min(time - last, 2 * pause), endings);
    last = time;
    look_after_calls(endings);
    look_after_server(lock);
    lock.unlock();
    end(endings);
    pump();
    flush();
    lock.lock();
    auto until = Steady::now() + std::chrono::nanoseconds(pause);
    for (const Pending& pending : waiting_) until = std::min(until, pending.last_word);
    if (next_attempt_ > Steady::now()) until = std::min(until, next_attempt_);
    woken_.wait_until(lock, token, until, [&] { return is_woken_; });
    is_woken_ = false;
  }
}

void Importer::look_after_exporters(Lock& lock, Nanoseconds time, Nanoseconds awake, Endings& endings) {
  if (!is_connected_) return;
  struct Question {
    std::string subject, reply;
    Ping ping;
  };
  std::vector<Question> questions;
  std::vector<Id> gone;
  for (auto& [id, far] : exporters_) {
    if (far.is_asked) far.silent_for += awake;
    const bool has_left = far.gone_at != 0 && (far.in_flight == 0 || time - far.gone_at > last_words);
    if (has_left || far.silent_for >= std::max<Nanoseconds>(forget_after, nanoseconds(options_.silence))) {
      gone.push_back(id);
      continue;
    }
    if (far.silent_for >= nanoseconds(options_.silence) && !far.is_silent) {
      far.is_silent = true;
      if (!deaf_.contains(id)) log_("exporter " + hexadecimal(id) + " (" + far.here.who + ") is silent");
      end_calls_of(id, "the exporter does not answer any more", endings);
    }
    const Nanoseconds pause =
        far.in_flight > 0 || far.is_asked || !far.clock.is_known() ? ping_while_calling : ping_while_idle;
    if (time - far.pinged < pause) continue;
    far.pinged = time;
    far.is_asked = true;
    questions.push_back(
        {far.subject, answers_ + 'p' + hexadecimal(id), Ping{me_, 0, nanoseconds(options_.silence), old_calls_of(id)}});
  }
  for (const Id id : gone) remove(id, exporters_.at(id).gone_at != 0 ? "it is gone" : "it does not answer", endings);
  const bool must_find = time >= find_at_;
  if (must_find) find_at_ = time + (exporters_.empty() ? find_while_alone : find_otherwise);
  lock.unlock();
  for (auto& [subject, reply, ping] : questions) {
    ping.asked = now();
    static_cast<void>(engine_.publish(subject, reply, write(ping)));
  }
  if (must_find) static_cast<void>(engine_.publish(subjects_.find(), answers_ + 'f', write(Find{me_})));
  lock.lock();
}

std::vector<Id> Importer::old_calls_of(Id exporter) const {
  constexpr std::size_t at_most = 1000;
  const auto time = Steady::now();
  std::vector<Id> old;
  for (const auto& [id, pending] : calls_) {
    const bool is_there = pending.batch != 0 && pending.sent < time;
    if (pending.exporter == exporter && is_there && time - pending.sent > ask_after && old.size() < at_most)
      old.push_back(id);
  }
  return old;
}

void Importer::look_after_calls(Endings& endings) {
  const auto time = Steady::now();
  for (auto next = calls_.begin(); next != calls_.end();) {
    const auto at = next++;
    const Pending& pending = at->second;
    if (time - pending.began < look_after || !pending.context.cancelled()) continue;
    metrics_.cancelled.fetch_add(1, std::memory_order_relaxed);
    const Execution execution = execution_of(pending);
    endings.emplace_back(take_out(at), error_of(Errc::cancelled, "nobody waits for it", execution));
  }
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const bool is_over = at->last_word <= time;
    if (!is_over && (time - at->began < look_after || !at->context.cancelled())) {
      ++at;
      continue;
    }
    bool is_silence = false;
    for (const auto& [id, far] : exporters_) is_silence = is_silence || (is_usable(far, *at->local) && far.is_silent);
    endings.emplace_back(
        std::move(*at), is_silence
                            ? error_of(Errc::timed_out, "the exporters do not answer, and the call was not sent")
                            : error_of(Errc::busy, "every slot of the far servers stayed occupied until the deadline"));
    at = waiting_.erase(at);
  }
}

/// The messages that the channel here shall have: those it has, as long as anybody takes them.
const Contract* Importer::offered() const {
  const Contract* first = nullptr;
  for (const auto& [id, far] : exporters_) {
    if (!is_open(far)) continue;
    if (local_ && far.contract_id == local_->contract_id) return &local_->contract;
    if (first == nullptr) first = &far.here.contract;
  }
  return first;
}

/// Once stopped, the channel here could not be made again before its last call has ended, however long that takes, and
/// whoever comes meanwhile.
bool Importer::is_held_open(const Contract* offered) const {
  if (!local_ || local_->is_over || is_draining_ || offered != nullptr) return false;
  return std::any_of(calls_.begin(), calls_.end(), [&](const auto& call) { return call.second.local == local_; });
}

void Importer::look_after_server(Lock& lock) {
  const Contract* contract = is_draining_ ? nullptr : offered();
  const bool has_ended = local_ && local_->is_over;
  if (is_held_open(contract)) {
    if (!std::exchange(local_->is_deserted, true)) {
      log_("no exporter has a server any more; the channel here stays open until the calls in flight have ended");
      metrics_.is_served = 0;
    }
  } else if (local_ && (has_ended || contract != &local_->contract)) {
    log_(is_draining_ ? "stops"
         : has_ended  ? "the channel's name or memory here was removed; it is made again"
                      : "no exporter has a server any more; the channel here is closed");
    close(lock);
    contract = is_draining_ ? nullptr : offered();
  } else if (local_ && std::exchange(local_->is_deserted, false)) {
    log_("an exporter has a server again");
    metrics_.is_served = 1;
  }
  std::vector<std::shared_ptr<Local>> over;
  for (auto at = retired_.begin(); at != retired_.end();) {
    const shared_channel::ServerStats stats = (*at)->server->stats();
    if ((*at)->in_flight.load() != 0 || stats.running != 0 || stats.waiting != 0) {
      ++at;
      continue;
    }
    over.push_back(std::move(*at));
    at = retired_.erase(at);
  }
  if (!over.empty()) {
    lock.unlock();
    for (const auto& local : over) {  // here, whoever else still knows it
      local->join();
      local->server.reset();
    }
    lock.lock();
    contract = is_draining_ ? nullptr : offered();
  }
  if (!local_ && contract != nullptr && retired_.empty() && Steady::now() >= next_attempt_) open(lock, *contract);
}

std::optional<shared_channel::Error> Importer::refusal_of(const Contract& contract) const {
  if (!is_native_order(contract)) {
    return error_of(Errc::layout_mismatch,
                    "the far server's machine has the other byte order, so that its messages mean "
                    "something else here");
  }
  std::size_t largest = engine_.largest();
  for (const auto& [id, far] : exporters_) {
    if (far.contract_id == contract.id() && far.here.largest != 0)
      largest = std::min<std::size_t>(largest, far.here.largest);
  }
  for (const shared_channel::MessageShape* message : {&contract.shape.request, &contract.shape.reply}) {
    if (message->is_variable || message->size + call_overhead <= largest) continue;
    return error_of(Errc::message_too_large, "its messages of " + std::to_string(message->size) +
                                                 " bytes are more than NATS takes: raise "
                                                 "max_payload of nats-server, which is " +
                                                 std::to_string(largest) + ", by what is missing and " +
                                                 std::to_string(call_overhead));
  }
  return std::nullopt;
}

void Importer::open(Lock& lock, const Contract& contract) {
  auto local = std::make_shared<Local>();
  local->contract = contract;
  local->contract_id = contract.id();
  local->refusal = refusal_of(contract);
  shared_channel::ServerOptions options;
  options.access = options_.access;
  unsigned calls = 0;
  for (const auto& [id, far] : exporters_) {
    const bool is_there = far.here.has_server && !far.here.is_leaving && far.contract_id == local->contract_id;
    if (is_there) calls += std::min(far.here.max_calls, 256u);
  }
  options.max_calls = options_.max_calls != 0 ? options_.max_calls : std::clamp(calls, 1u, 256u);
  lock.unlock();

  std::string problem;
  auto server = RawServer::create(options_.name, local->contract.shape, options);
  if (server) {
    local->server = *std::move(server);
  } else {
    problem = server.error().message();
  }
  lock.lock();
  if (problem.empty()) {
    told_.clear();
    log_("serves " + local->contract.shape.request.description + " -> " + local->contract.shape.reply.description +
         " here" + (local->refusal ? ", but every call is refused: " + local->refusal->cause() : ""));
    local_ = std::move(local);
    local_->thread = std::jthread([this, &served = *local_] { serve(served); });
    metrics_.is_served = 1;
    return;
  }
  if (problem != told_) log_("cannot serve here, and tries again: " + problem);
  told_ = problem;
  next_attempt_ = Steady::now() + 1s;
}

void Importer::close(Lock& lock) {
  metrics_.is_served = 0;
  Endings endings;
  if (!is_draining_) {
    for (Pending& pending : waiting_)
      endings.emplace_back(std::move(pending), error_of(Errc::no_server, "no exporter has a server any more"));
    waiting_.clear();
  }
  retired_.push_back(std::move(local_));
  wake();  // it goes at once, if nothing is in flight
  Local& local = *retired_.back();
  lock.unlock();
  local.stop();
  end(endings);
  lock.lock();
}

}  // namespace bridge
