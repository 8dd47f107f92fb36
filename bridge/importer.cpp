// The importer's beginning and end, and the calls that it takes: each goes to an exporter, waits for room, or ends.
#include "importer.hpp"

#include <algorithm>

#include "importer_parts.hpp"
#include "system.hpp"

namespace bridge {

using namespace std::chrono_literals;
using shared_channel::Errc;
using shared_channel::Error;
using shared_channel::Execution;
using shared_channel::RawRequest;
using shared_channel::RawResponder;

namespace {

constexpr auto longest_wait = 1000ms;
constexpr unsigned most_at_once = 32;  // calls taken before they are sent
constexpr Nanoseconds most_lead = 10 * milliseconds;
constexpr auto stated_late = 1ms;  // a caller may state its deadline later than it is, by so much

/// When a call that is still here has to be told that it was not sent, for its caller to hear it.
std::chrono::steady_clock::time_point last_word_of(std::chrono::steady_clock::time_point deadline,
                                                   std::chrono::steady_clock::time_point time) {
  const auto lead = std::clamp<std::chrono::nanoseconds>((deadline - time) / 10, 0ns, 25ms);
  return deadline - stated_late - lead;
}

}  // namespace

Importer::Importer(Engine& engine, ImportOptions options, Log log)
    : engine_(engine),
      options_(std::move(options)),
      log_([name = options_.name, log = std::move(log)](const std::string& line) {
        log("import " + name + ": " + line);
      }),
      me_(unlikely_number()),
      subjects_(options_.prefix, options_.far_name),
      answers_(subjects_.to(me_)) {
  engine_.listen(answers_ + '*', [this](const Message& message) { hear_answer(message); });
  engine_.listen(subjects_.news(), [this](const Message& message) { hear_news(message); });
  engine_.watch([this](bool is_connected, const std::string& text) { connection_changed(is_connected, text); });
}

Importer::~Importer() {
  if (keeper_.joinable()) {
    keeper_.request_stop();
    keeper_.join();
  }
  if (local_) retired_.push_back(std::move(local_));
  for (const auto& local : retired_) {  // from here on no call comes
    local->stop();
    local->join();
  }
  connection_changed(false, "");
  for (Pending& pending : waiting_) end(pending, error_of(Errc::server_died, "the importer ends"));
  waiting_.clear();
  for (const auto& local : retired_) local->server.reset();
}

void Importer::Local::stop() {
  is_over = true;
  if (server) server->stop();
}

void Importer::Local::join() {
  if (thread.joinable()) thread.join();
}

void Importer::start() {
  keeper_ = std::jthread([this](const std::stop_token& token) { keep(token); });
}

void Importer::drain() {
  const std::lock_guard lock(mutex_);
  is_draining_ = true;
  wake();
}

bool Importer::is_drained() {
  const std::lock_guard lock(mutex_);
  return is_draining_ && !local_ && retired_.empty();
}

void Importer::wake() {
  is_woken_ = true;
  woken_.notify_all();
}

/// Takes what is there, sends it together, and only then waits.
void Importer::serve(Local& local) {
  const auto handler = [&](RawRequest request, RawResponder responder, const shared_channel::CallContext& context) {
    take(local, std::move(request), std::move(responder), context);
  };
  unsigned taken = 0;
  while (!local.is_over) {
    const auto more = local.server->serve_one(handler, taken == 0 ? longest_wait : 0ns);
    if (more && *more && ++taken < most_at_once) continue;
    if (std::exchange(taken, 0) != 0) flush();
    if (!more) break;
  }
  flush();
  if (local.is_over.exchange(true)) {
    static_cast<void>(local.server->serve_one(handler, 0ns));  // refuses what came meanwhile
    return;
  }
  const Lock lock(mutex_);  // the keeper makes another
  wake();
}

void Importer::take(Local& local, RawRequest&& request, RawResponder&& responder,
                    const shared_channel::CallContext& context) {
  metrics_.calls.fetch_add(1, std::memory_order_relaxed);
  metrics_.in_flight.fetch_add(1, std::memory_order_relaxed);
  local.in_flight.fetch_add(1);
  const auto time = Steady::now();
  const auto last_word = last_word_of(context.deadline(), time);
  Pending pending{std::move(request),
                  std::move(responder),
                  context,
                  local.shared_from_this(),
                  time,
                  last_word,
                  {},
                  0,
                  0,
                  0,
                  {},
                  {}};
  if (local.refusal) return end(pending, *local.refusal);
  if (pending.request.bytes().size() + call_overhead > largest() && largest() != 0) {
    return end(pending,
               error_of(Errc::message_too_large, "the request has " + std::to_string(pending.request.bytes().size()) +
                                                     " bytes, and NATS takes messages of " + std::to_string(largest()) +
                                                     " (max_payload of nats-server), " + std::to_string(call_overhead) +
                                                     " of which are the bridge's"));
  }
  dispatch(std::move(pending));
}

std::size_t Importer::largest() const { return engine_.largest(); }

/// Enters a call that no exporter has executed among those to be sent, or keeps it until there is room, or ends it.
void Importer::dispatch(Pending&& pending) {
  Lock lock(mutex_);
  FarExporter* far = nullptr;
  const bool is_its_turn = waiting_.empty() || !pending.tried.empty();
  switch (is_its_turn ? choose(pending, far) : Choice::wait) {
    case Choice::found:
      return enter(std::move(pending), *far);
    case Choice::wait:
      pending.tried.clear();
      waiting_.push_back(std::move(pending));
      wake();
      return;
    case Choice::none:
      break;
  }
  wake();
  lock.unlock();
  const Error none = error_of(Errc::no_server, "no exporter of '" + options_.far_name + "' has a server");
  end(pending, pending.refused ? *pending.refused : none);
}

/// Of a call that ends with nothing known.
Execution Importer::execution_of(const Pending& pending) {
  return pending.batch != 0 ? Execution::possible : Execution::none;
}

bool Importer::is_open(const FarExporter& far) {
  return far.here.has_server && !far.here.is_leaving && far.gone_at == 0 && far.clock.is_known();
}

bool Importer::is_usable(const FarExporter& far, const Local& local) const {
  return is_open(far) && far.contract_id == local.contract_id;
}

/// The exporter with the most room, and of these the one that has waited the longest.
Importer::Choice Importer::choose(const Pending& pending, FarExporter*& chosen) {
  const Nanoseconds time = now();
  const auto load = [](const FarExporter& far) {
    return static_cast<double>(far.in_flight) / static_cast<double>(std::max(far.here.max_calls, 1u));
  };
  bool is_anyone = false, may_come = false;
  for (auto& [id, far] : exporters_) {
    if (!is_usable(far, *pending.local)) continue;
    is_anyone = true;
    if (std::find(pending.tried.begin(), pending.tried.end(), id) != pending.tried.end()) continue;
    if (far.is_silent || far.full_until > time || far.in_flight >= far.here.max_calls) {
      may_come = true;
      continue;
    }
    if (chosen == nullptr || std::pair(load(far), far.used) < std::pair(load(*chosen), chosen->used)) chosen = &far;
  }
  if (chosen != nullptr) return Choice::found;
  const bool was_busy = pending.refused && pending.refused->code() == Errc::busy;
  return may_come || (was_busy && is_anyone) ? Choice::wait : Choice::none;
}

/// Under the lock. Whoever did so calls flush() when it has no more.
void Importer::enter(Pending&& pending, FarExporter& far) {
  const Id id = ++last_id_;
  pending.exporter = far.here.exporter;
  pending.id = id;
  pending.batch = 0;
  ++far.in_flight;
  far.used = id;
  far.unsent.push_back(id);
  unsent_.fetch_add(1, std::memory_order_relaxed);
  calls_.emplace(id, std::move(pending));
}

/// Sends what has been entered.
void Importer::flush() {
  if (unsent_.load(std::memory_order_relaxed) == 0) return;
  static thread_local Batch batch;  // for its memory
  batch.number = 0;
  do {
    Endings endings;
    std::vector<Unwanted> unwanted;
    {
      const Lock lock(mutex_);
      if (batch.number != 0) was_published(batch, unwanted);
      write_next(batch, endings);
      if (batch.number != 0) publishing_.push_back(batch.number);
    }
    end(endings);
    for (const Unwanted& call : unwanted) cancel(call);
    if (batch.number != 0) publish(batch);
  } while (batch.number != 0);
}

/// Under the lock. From now on the exporter may be asked for its calls. What nobody waits for any more since it was to
/// be published is cancelled only now: a Cancel in front of its call would be in vain.
void Importer::was_published(const Batch& batch, std::vector<Unwanted>& unwanted) {
  const auto time = Steady::now();
  for (const Id id : batch.ids) {
    if (const auto at = calls_.find(id); at != calls_.end()) at->second.sent = time;
  }
  std::erase(publishing_, batch.number);
  std::erase_if(to_cancel_after_, [&](const Unwanted& call) {
    if (call.batch == batch.number) unwanted.push_back(call);
    return call.batch == batch.number;
  });
}

/// Under the lock: the calls for one exporter that fit into a message. Its number is 0 if there are none.
void Importer::write_next(Batch& batch, Endings& endings) {
  batch.number = 0;
  for (auto& [id, far] : exporters_) {
    while (!far.unsent.empty()) {
      write_next(far, batch, endings);
      if (batch.number != 0) return;
    }
  }
}

void Importer::write_next(FarExporter& far, Batch& batch, Endings& endings) {
  // In this order: a stop between the two makes the far deadlines earlier, and never later than the callers'.
  const Nanoseconds from = now();
  const auto time = Steady::now();
  const std::size_t room = std::min(most_of_several, largest());
  const Id number = ++last_batch_;
  batch.bytes.clear();
  batch.ids.clear();
  auto next = far.unsent.begin();
  for (; next != far.unsent.end(); ++next) {
    const auto at = calls_.find(*next);
    if (at == calls_.end()) continue;  // nobody waits for it any more
    Pending& pending = at->second;
    const View request = pending.request.bytes();
    const bool has_room = batch.bytes.size() + request.size() + call_overhead <= room;
    if (!batch.ids.empty() && !has_room) break;
    const Nanoseconds left = left_of(pending, far, time);
    if (left <= 0) {
      pending.id = 0;
      endings.emplace_back(take_out(at),
                           error_of(Errc::timed_out, "the call could not be sent to a far server in time"));
      continue;
    }
    const shared_channel::Caller caller = pending.context.caller();
    const Call call{me_,         *next,  far.contract_id, far.clock.not_before(from), left, caller.process_id,
                    caller.user, request};
    add(call, batch.bytes);
    pending.batch = number;
    pending.sent = Steady::time_point::max();  // until it is
    batch.ids.push_back(*next);
  }
  unsent_.fetch_sub(static_cast<std::size_t>(next - far.unsent.begin()), std::memory_order_relaxed);
  far.unsent.erase(far.unsent.begin(), next);
  if (batch.ids.empty()) return;
  batch.number = number;
  batch.subject = far.subject;
  batch.reply = answers_ + 'b' + hexadecimal(number);
  // A keeper that sleeps until the next idle ping must look after these calls.
  if (from - last_call_ > ping_while_idle) wake();
  last_call_ = from;
}

/// So that what the far channel says at the deadline is here by then.
Nanoseconds Importer::left_of(const Pending& pending, const FarExporter& far, Steady::time_point time) {
  const auto deadline = pending.context.deadline();
  if (deadline == Steady::time_point::max()) return never;
  const Nanoseconds left = FarClock::least(nanoseconds(deadline - stated_late - time));
  if (left <= 0) return left;
  if (left > longest) return never;
  return left - std::min(std::clamp(left / 50, far.clock.round_trip() + milliseconds,
                                    std::max(most_lead, far.clock.round_trip() + milliseconds)),
                         left / 10);
}

void Importer::publish(const Batch& batch) {
  const Sent sent = engine_.publish(batch.subject, batch.reply, batch.bytes);
  if (sent == Sent::perhaps) return;
  const Error why = sent == Sent::too_large ? error_of(Errc::message_too_large, "the request is too large for NATS")
                                            : error_of(Errc::no_server, "the connection to NATS is down");
  for (const Id id : batch.ids) {
    if (std::optional<Pending> back = withdraw(id)) end(*back, why);
  }
}

/// Sends what waits for room, as long as there is some.
void Importer::pump() {
  for (;;) {
    std::optional<Pending> first;
    {
      const Lock lock(mutex_);
      FarExporter* far = nullptr;
      if (waiting_.empty() || choose(waiting_.front(), far) == Choice::wait) return;
      first = std::move(waiting_.front());
      waiting_.pop_front();
      first->tried.assign(1, 0);  // it has had its turn
    }
    dispatch(*std::move(first));
  }
}

std::optional<Importer::Pending> Importer::withdraw(Id id) { return withdraw(Lock(mutex_), id); }

std::optional<Importer::Pending> Importer::withdraw(const Lock&, Id id) {
  const auto at = calls_.find(id);
  if (at == calls_.end()) return std::nullopt;
  return take_out(at);
}

/// Under the lock: from here on it is in flight no more.
Importer::Pending Importer::take_out(Calls::iterator at) {
  Pending pending(std::move(at->second));
  calls_.erase(at);
  if (const auto far = exporters_.find(pending.exporter); far != exporters_.end()) --far->second.in_flight;
  return pending;
}

void Importer::end(Pending& pending, const Error& error) {
  metrics_.failed(error.code());
  metrics_.in_flight.fetch_sub(1, std::memory_order_relaxed);
  pending.responder.fail(error);
  pending.local->in_flight.fetch_sub(1);
}

void Importer::end(Endings& endings) {
  for (auto& [pending, error] : endings) end(pending, error);
  for (const auto& [pending, error] : endings) {
    if (pending.id != 0 && pending.batch != 0) cancel({pending.exporter, pending.id, pending.batch});
  }
  endings.clear();
}

/// Nobody waits for it: its handler is to know, if need be when we are connected again.
void Importer::cancel(const Unwanted& call) {
  {
    const Lock lock(mutex_);
    if (std::find(publishing_.begin(), publishing_.end(), call.batch) != publishing_.end())
      return to_cancel_after_.push_back(call);
  }
  if (engine_.publish(subjects_.at(call.exporter), "", write(Cancel{me_, call.id})) != Sent::not_connected) return;
  const Lock lock(mutex_);
  to_cancel_.emplace_back(call.exporter, call.id);
}

void Importer::pass_over(Pending&& pending, Error refused) {
  metrics_.passed_over.fetch_add(1, std::memory_order_relaxed);
  pending.tried.push_back(pending.exporter);
  pending.refused = std::move(refused);
  pending.id = 0;
  dispatch(std::move(pending));
}

}  // namespace bridge
