// Calls that are written in place, or not waited for.
#include <cstdint>

#include "handles.hpp"

using namespace shared_channel_c;

namespace shared_channel_c {
namespace {

Error no_call() { return invalid("the call is NULL"); }

}  // namespace
}  // namespace shared_channel_c

void* sc_call_room(sc_call* call, size_t* room_size) {
  const auto room = call != nullptr && call->draft ? call->draft->room() : std::span<std::byte>();
  if (room_size != nullptr) *room_size = room.size();
  return room.data();
}

sc_code sc_call_send(sc_call* call, size_t size, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (call == nullptr) return report.failure(no_call());
    if (call->failure) return report.failure(*call->failure);
    if (!call->draft) return report.failure(invalid("the call was sent already"));
    call->pending = call->draft->send(size);
    call->draft.reset();
    const auto sent = call->take_refusal();
    return sent ? report.success() : report.failure(sent.error());
  });
}

sc_code sc_call_wait(sc_call* call, int64_t timeout, const sc_wait* wait, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (call == nullptr) return report.failure(no_call());
    if (call->draft) return report.failure(invalid("the call was not sent yet"));
    if (call->reply || call->failure) return report.success();
    auto waiting = Waiting::of(wait);
    if (!waiting) return report.failure(waiting.error());
    const auto ended = waiting->repeat(timeout, "the call has not ended yet, and goes on",
                                       [&](nanoseconds piece) { return call->pending.wait(piece); });
    return ended ? report.success() : report.failure(ended.error());
  });
}

int sc_call_is_ready(sc_call* call) {
  return guarded_value(0, [&] {
    if (call == nullptr || call->draft) return 0;
    return call->reply || call->failure || call->pending.ready() ? 1 : 0;
  });
}

sc_handle sc_call_native_handle(sc_call* call) {
  return guarded_value(SC_NO_HANDLE, [&] {
    if (call == nullptr || call->draft) return SC_NO_HANDLE;
    return handle_of(call->pending.native_handle());
  });
}

sc_code sc_call_reply(sc_call* call, const void** reply, size_t* reply_size, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (call == nullptr || reply == nullptr || reply_size == nullptr)
      return report.failure(invalid("the call, reply or reply_size is NULL"));
    if (call->draft) return report.failure(invalid("the call was not sent yet"));
    call->finish();
    if (call->failure) return report.failure(*call->failure);
    const auto bytes = call->reply->bytes();
    *reply = bytes.data();
    *reply_size = bytes.size();
    return report.success();
  });
}

void sc_call_cancel(sc_call* call) {
  if (call != nullptr) guarded_value(0, [&] { return call->cancel(), 0; });
}

void sc_call_release(sc_call* call) { delete call; }
