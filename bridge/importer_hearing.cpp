// What comes to the importer: answers, news of exporters, and that one is gone.
#include "importer.hpp"

#include <algorithm>

#include "importer_parts.hpp"

namespace bridge {

using namespace std::chrono_literals;
using shared_channel::Errc;
using shared_channel::Error;
using shared_channel::Execution;

namespace {

constexpr Nanoseconds full_for = 5 * milliseconds;
constexpr Nanoseconds find_again = 100 * milliseconds;  // one that was lost
constexpr auto gather = 50ms;                           // exporters, before the channel here is made for them

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

}  // namespace bridge
