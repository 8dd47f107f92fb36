#include "importer.hpp"

#include <algorithm>
#include <bit>

#include "system.hpp"

namespace bridge {

using namespace std::chrono_literals;
using shared_channel::Errc;
using shared_channel::Error;
using shared_channel::Execution;
using shared_channel::RawRequest;
using shared_channel::RawResponder;
using shared_channel::RawServer;

namespace {

constexpr Nanoseconds tick = 10 * milliseconds;
constexpr Nanoseconds ping_while_calling = 50 * milliseconds;
constexpr Nanoseconds ping_while_idle = 500 * milliseconds;
constexpr Nanoseconds find_while_alone = 500 * milliseconds;
constexpr Nanoseconds find_otherwise = 2000 * milliseconds;
constexpr Nanoseconds find_again = 100 * milliseconds;     // one that was lost
constexpr Nanoseconds forget_after = 1000 * milliseconds;  // of silence
constexpr Nanoseconds most_lead = 10 * milliseconds;
constexpr Nanoseconds last_words = 100 * milliseconds;  // of an exporter that hears no more
constexpr Nanoseconds full_for = 5 * milliseconds;
constexpr auto longest_wait = 1000ms;
constexpr auto gather = 50ms;          // exporters, before the channel here is made for them
constexpr unsigned most_at_once = 32;  // calls taken before they are sent
constexpr auto look_after = 20ms;      // calls that last longer are looked after
constexpr auto ask_after = 100ms;      // whether the exporter has it
constexpr auto stated_late = 1ms;      // a caller may state its deadline later than it is, by so much

Error error_of(Errc code, std::string text, Execution execution = Execution::none) {
  return Error(code, "", std::move(text), 0, execution);
}

/// When a call that is still here has to be told that it was not sent, for its caller to hear it.
std::chrono::steady_clock::time_point last_word_of(std::chrono::steady_clock::time_point deadline,
                                                   std::chrono::steady_clock::time_point time) {
  const auto lead = std::clamp<std::chrono::nanoseconds>((deadline - time) / 10, 0ns, 25ms);
  return deadline - stated_late - lead;
}

bool is_native_order(const Contract& contract) {
  return contract.is_big_endian == (std::endian::native == std::endian::big);
}

/// Whether the same request may be executed by another exporter's server. Without a default, so that the compiler asks
/// for new codes.
bool can_be_passed_over(const Error& error) {
  if (!error.not_executed()) return false;
  switch (error.code()) {
    case Errc::busy:
    case Errc::no_server:
    case Errc::server_stopped:
    case Errc::server_died:
    case Errc::layout_mismatch:
      return true;
    case Errc::invalid_name:
    case Errc::invalid_argument:
    case Errc::name_in_use:
    case Errc::access_denied:
    case Errc::not_owner:
    case Errc::timed_out:
    case Errc::cancelled:
    case Errc::handler_failed:
    case Errc::message_too_large:
    case Errc::would_deadlock:
    case Errc::forked:
    case Errc::corrupt:
    case Errc::out_of_memory:
    case Errc::system_error:
      break;
  }
  return false;
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

// ---- calls ----

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

// ---- what comes ----

void Importer::hear_answer(const Message& message) {
  const std::optional<AnswerTo> to = answer_to(message.subject);
  if (!to) return;
  if (message.reached_nobody) metrics_.nobody.fetch_add(1, std::memory_order_relaxed);
  hear(*to, message);
  flush();  // what is sent elsewhere, or had to wait for room
}

void Importer::hear(const AnswerTo& to, const Message& message) {
  switch (to.kind) {
    case 'a':
      if (!message.reached_nobody) hear_answers(message);
      return;
    case 'b':
      if (message.reached_nobody) hear_nobody(withdraw_batch(to.number));
      return;
    case 'p':
      return hear_pong(to.number, message);
    case 'f':
      if (!message.reached_nobody) hear_news(message);
      return;
    default:
      return;
  }
}

void Importer::hear_answers(const Message& message) {
  const std::optional<Answers> several = read<Answers>(message.bytes);
  if (!several) return;  // the exporter knows its calls no more, and so they end
  std::vector<std::pair<Pending, Answer>> ended;
  ended.reserve(several->answers.size());
  bool is_awaited = false;
  {
    const Lock lock(mutex_);
    for (const auto& [id, answer] : several->answers) {
      std::optional<Pending> pending = withdraw(lock, id);
      if (!pending) {
        metrics_.late.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
      heard_end(*pending, answer);
      ended.emplace_back(*std::move(pending), answer);
    }
    is_awaited = !waiting_.empty();
  }
  for (auto& [pending, answer] : ended) tell(std::move(pending), answer);
  if (is_awaited) pump();
}

std::vector<Importer::Pending> Importer::withdraw_batch(Id number) {
  const Lock lock(mutex_);
  std::vector<Pending> calls;
  for (auto next = calls_.begin(); next != calls_.end();) {
    const auto at = next++;
    if (at->second.batch == number) calls.push_back(take_out(at));
  }
  return calls;
}

/// They were in one message, which nobody got.
void Importer::hear_nobody(std::vector<Pending>&& calls) {
  if (calls.empty()) return;
  Endings endings;
  {
    const Lock lock(mutex_);
    reached_nobody(calls.front().exporter, endings);
  }
  end(endings);
  const std::string gone = "the exporter of '" + options_.far_name + "' is gone";
  for (Pending& pending : calls) pass_over(std::move(pending), error_of(Errc::no_server, gone));
}

/// Under the lock: what an answer says of its exporter.
void Importer::heard_end(const Pending& pending, const Answer& answer) {
  const auto far = exporters_.find(pending.exporter);
  if (far == exporters_.end()) return;
  heard_from(far->second);
  const bool is_full = !answer.is_reply && answer.code == Errc::busy;
  far->second.full_until = is_full ? now() + full_for : 0;
}

void Importer::tell(Pending&& pending, const Answer& answer) {
  if (answer.is_reply) {
    metrics_.answered(Steady::now() - pending.began);
    metrics_.in_flight.fetch_sub(1, std::memory_order_relaxed);
    pending.responder.reply(answer.reply);
    pending.local->in_flight.fetch_sub(1);
    return;
  }
  Error error = error_of(answer.code, std::string(answer.text), answer.execution);
  if (can_be_passed_over(error))
    pass_over(std::move(pending), std::move(error));
  else
    end(pending, error);
}

void Importer::hear_news(const Message& message) {
  if (const std::optional<Here> here = read<Here>(message.bytes)) learn(*here);
}

void Importer::learn(const Here& here) {
  Endings endings;
  learn(here, endings);
  end(endings);
  std::vector<Id> ids;
  {
    const Lock lock(mutex_);
    std::erase_if(to_cancel_, [&](const auto& call) {
      if (call.first == here.exporter) ids.push_back(call.second);
      return call.first == here.exporter;
    });
  }
  for (const Id id : ids) cancel({here.exporter, id, 0});
}

void Importer::learn(const Here& here, Endings& endings) {
  const Lock lock(mutex_);
  if (!is_connected_) return;
  const auto [at, is_new] = exporters_.try_emplace(here.exporter);
  FarExporter& far = at->second;
  if (!is_new && here.number < far.here.number) return;  // it was overtaken
  const bool is_other = is_new || far.here.has_server != here.has_server || far.here.is_leaving != here.is_leaving ||
                        !(far.here.contract == here.contract);
  if (!is_new) has_reconnected(far, here.connection, endings);
  far.here = here;
  far.contract_id = here.contract.id();
  far.subject = subjects_.at(here.exporter);
  heard_from(far);
  metrics_.peers = exporters_.size();
  if (is_other && !deaf_.contains(here.exporter)) {
    std::string state = here.is_leaving   ? "leaves"
                        : here.has_server ? "takes " + here.contract.shape.request.description + " and answers " +
                                                here.contract.shape.reply.description + ", " +
                                                std::to_string(here.max_calls) + " calls at once"
                                          : "has no server";
    if (local_ && here.has_server && far.contract_id != local_->contract_id)
      state += "; that is not what the others take, so it is not called";
    log_("exporter " + hexadecimal(here.exporter) + " (" + here.who + ") " + state);
  }
  if (is_other) wake();
}

void Importer::hear_pong(Id exporter, const Message& message) {
  const Nanoseconds heard = now();
  Endings endings;
  bool is_awaited = false;
  {
    const Lock lock(mutex_);
    if (message.reached_nobody) {
      reached_nobody(exporter, endings);
    } else if (const auto pong = read<Pong>(message.bytes)) {
      if (const auto far = exporters_.find(exporter); far != exporters_.end()) {
        if (!far->second.clock.is_known()) hears_for_the_first_time(exporter);
        has_reconnected(far->second, pong->connection, endings);
        for (const Id id : pong->unknown) end_lost(id, exporter, endings);
        far->second.clock.learn(pong->asked, pong->clock, heard);
        heard_from(far->second);
        is_awaited = !waiting_.empty();
      }
    }
  }
  end(endings);
  if (is_awaited) pump();
}

/// From now on it may be called. Where it is the first, the others that answered the same Find have a moment to be
/// counted.
void Importer::hears_for_the_first_time(Id exporter) {
  if (deaf_.erase(exporter) != 0) log_("exporter " + hexadecimal(exporter) + " hears now what is sent to it");
  const bool is_first =
      std::none_of(exporters_.begin(), exporters_.end(), [](const auto& far) { return far.second.clock.is_known(); });
  if (is_first) next_attempt_ = std::max(next_attempt_, Steady::now() + gather);
  wake();
}

/// What it sent meanwhile is lost.
void Importer::has_reconnected(FarExporter& far, std::uint32_t connection, Endings& endings) {
  if (std::exchange(far.here.connection, connection) == connection) return;
  far.gone_at = 0;
  end_calls_of(far.here.exporter, "the exporter lost its connection while the call was in flight", endings);
}

/// The exporter does not have it, and what it said of it would be here.
void Importer::end_lost(Id id, Id exporter, Endings& endings) {
  const auto at = calls_.find(id);
  if (at == calls_.end() || at->second.exporter != exporter) return;
  at->second.id = 0;
  endings.emplace_back(take_out(at),
                       error_of(Errc::server_died, "the call or its answer was lost on the way", Execution::possible));
}

void Importer::heard_from(FarExporter& far) {
  far.is_asked = false;
  far.silent_for = 0;
  if (std::exchange(far.is_silent, false)) log_("exporter " + hexadecimal(far.here.exporter) + " speaks again");
}

void Importer::connection_changed(bool is_connected, const std::string& text) {
  Endings endings;
  {
    const Lock lock(mutex_);
    if (!text.empty() && (is_connected || is_connected_ || text != told_))
      log_((is_connected ? "connected to " : "not connected to NATS: ") + text);
    if (!is_connected) told_ = text;
    if (is_connected_ && !is_connected) to_cancel_.clear();  // of exporters that were not heard of again
    is_connected_ = is_connected;
    std::vector<Id> exporters;
    for (const auto& [id, far] : exporters_) exporters.push_back(id);
    for (const Id id : exporters) remove(id, "", endings);
    find_at_ = 0;
    wake();
  }
  end(endings);
}

/// Whether those that were sent were executed nobody knows.
void Importer::end_calls_of(Id exporter, const std::string& why, Endings& endings) {
  for (auto next = calls_.begin(); next != calls_.end();) {
    const auto at = next++;
    if (at->second.exporter != exporter) continue;
    const Execution execution = execution_of(at->second);
    endings.emplace_back(take_out(at), error_of(Errc::server_died, why, execution));
  }
  if (const auto far = exporters_.find(exporter); far != exporters_.end()) {
    unsent_.fetch_sub(far->second.unsent.size(), std::memory_order_relaxed);
    far->second.unsent.clear();
  }
}

/// The exporter hears no more: it is dead, or ends gracefully and has still things to say. It gets no more calls.
void Importer::reached_nobody(Id exporter, Endings& endings) {
  const auto far = exporters_.find(exporter);
  if (far == exporters_.end()) return;
  if (far->second.in_flight == 0) return remove(exporter, "it is gone", endings);
  if (far->second.gone_at == 0) far->second.gone_at = now();
  wake();
}

void Importer::remove(Id exporter, const std::string& why, Endings& endings) {
  const auto at = exporters_.find(exporter);
  if (at == exporters_.end()) return;
  end_calls_of(exporter,
               why.empty() ? "the connection to NATS was lost while the call was in flight"
                           : "the exporter went while the call was in flight",
               endings);
  const bool is_deaf = !at->second.clock.is_known();
  if (!why.empty() && (!is_deaf || note_deaf(exporter))) {
    log_("exporter " + hexadecimal(exporter) + " (" + at->second.here.who +
         ") is no longer known: " + (is_deaf ? "it says that it is there, but hears nothing that is sent to it" : why));
  }
  exporters_.erase(at);
  metrics_.peers = exporters_.size();
  find_at_ = std::min(find_at_, now() + (is_deaf ? find_while_alone : find_again));  // perhaps it is back
  wake();
}

/// Whether that is new.
bool Importer::note_deaf(Id exporter) {
  constexpr std::size_t at_most = 1000;
  if (deaf_.size() >= at_most) deaf_.clear();
  return deaf_.insert(exporter).second;
}

// ---- the keeper's thread ----

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
