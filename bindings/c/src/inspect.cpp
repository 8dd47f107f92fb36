// Channels seen from outside.
#include <chrono>
#include <string>
#include <vector>

#include <shared_channel/inspect.hpp>

#include "support.hpp"

using namespace shared_channel_c;

namespace shared_channel_c {
namespace {

/// A ChannelInfo as C has it, which owns what it points to.
class Info final : public sc_info {
 public:
  explicit Info(ChannelInfo found)
      : sc_info{}, info_(std::move(found)), shape_(info_.shape), stats_(stats_of(info_.stats)) {
    size = sizeof(sc_info);
    state = static_cast<std::int32_t>(info_.state);
    name = info_.name.c_str();
    problem = info_.problem.c_str();
    generation = info_.generation;
    protocol_version = info_.protocol_version;
    process_id = info_.process_id;
    program = info_.program.c_str();
    user = info_.user.c_str();
    access = info_.access.c_str();
    started = info_.started ? std::chrono::nanoseconds(info_.started->time_since_epoch()).count() : 0;
    memory = info_.memory;
    shape = &shape_;
    max_calls = info_.max_calls;
    slots_used = info_.slots_used;
    clients = info_.clients;
    clients_so_far = info_.clients_so_far;
    sleeping_threads = info_.sleeping_threads;
    is_slot_awaited = info_.is_slot_awaited;
    calls_so_far = info_.calls_so_far;
    stats = &stats_;
    stats_age = info_.stats_age ? info_.stats_age->count() : -1;
    list_calls();
  }
  Info(const Info&) = delete;
  Info& operator=(const Info&) = delete;

 private:
  void list_calls() {
    for (const CallInfo& call : info_.calls) {
      calls_.push_back({sizeof(sc_call_info), call.slot, static_cast<std::int32_t>(call.state), call.number,
                        call.process_id, call.is_caller_alive, call.waited ? call.waited->count() : -1,
                        call.left ? call.left->count() : SC_FOREVER});
    }
    for (const sc_call_info& call : calls_) pointers_.push_back(&call);
    calls = pointers_.data();
    call_count = pointers_.size();
  }

  ChannelInfo info_;
  Shape shape_;
  sc_stats stats_;
  std::vector<sc_call_info> calls_;
  std::vector<const sc_call_info*> pointers_;
};

class List final : public sc_list {
 public:
  explicit List(std::vector<std::string> found) : sc_list{}, found_(std::move(found)) {
    for (const std::string& one : found_) pointers_.push_back(one.c_str());
    size = sizeof(sc_list);
    count = static_cast<std::uint32_t>(pointers_.size());
    names = pointers_.data();
  }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

 private:
  std::vector<std::string> found_;
  std::vector<const char*> pointers_;
};

}  // namespace
}  // namespace shared_channel_c

sc_code sc_inspect(const char* name, int32_t scope, const sc_info** info, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (name == nullptr || info == nullptr) return report.failure(invalid("the name, or info, is NULL"));
    const auto where = scope_of(scope);
    if (!where) return report.failure(no_scope());
    auto found = inspect(name, *where);
    if (!found) return report.failure(found.error());
    *info = new Info(*std::move(found));
    return report.success();
  });
}

void sc_info_free(const sc_info* info) { delete static_cast<const Info*>(info); }

sc_code sc_list_channels(int32_t scope, const sc_list** list, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (list == nullptr) return report.failure(invalid("list is NULL"));
    const auto where = scope_of(scope);
    if (!where) return report.failure(no_scope());
    auto found = list_channels(*where);
    if (!found) return report.failure(found.error());
    *list = new List(*std::move(found));
    return report.success();
  });
}

void sc_list_free(const sc_list* list) { delete static_cast<const List*>(list); }
