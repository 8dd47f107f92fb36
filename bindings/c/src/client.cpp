// Clients, and how their calls begin; client_call.cpp has the usual one.
#include <memory>

#include "handles.hpp"

using namespace shared_channel_c;

namespace shared_channel_c {
namespace {

Result<ServerUser> user_of(const sc_client_options& options) {
  switch (options.server_user) {
    case SC_USER_MINE_OR_SYSTEM:
      return ServerUser::mine_or_system();
    case SC_USER_ANY:
      return ServerUser::any();
    case SC_USER_UID:
      return ServerUser::uid(options.server_uid);
    case SC_USER_SID:
      if (options.server_sid == nullptr) return invalid("server_user is SC_USER_SID, and server_sid is NULL");
      return ServerUser::sid(options.server_sid);
    default:
      return invalid("server_user is none of SC_USER_...");
  }
}

Result<RawClient> client_of(const char* name, const sc_client_options* given) {
  const auto known = read(given);
  if (!known) return wrong_size("sc_client_options");
  if ((known->request == nullptr) != (known->reply == nullptr))
    return invalid("a client is for one request and one reply, or for whatever its server has: one of them is NULL");
  const auto scope = scope_of(known->scope);
  if (!scope) return no_scope();
  auto user = user_of(*known);
  if (!user) return std::move(user).error();

  ClientOptions options;
  options.scope = *scope;
  options.wait = policy_of(known->spin);
  options.wait_for_server = known->wait_for_server != 0;
  options.server = *std::move(user);
  if (known->request == nullptr) return RawClient::create(name, options);
  auto request = message_of(known->request, false);
  if (!request) return std::move(request).error();
  auto reply = message_of(known->reply, false);
  if (!reply) return std::move(reply).error();
  return RawClient::create(name, ChannelShape{*std::move(request), *std::move(reply)}, options);
}

/// Runs `use` with the options of a call.
template <class Use>
auto with_options(std::int64_t timeout, const sc_wait* wait, Use&& use) -> decltype(use(CallOptions())) {
  if (wait == nullptr) [[likely]]
    return use(CallOptions{nanoseconds(timeout)});
  auto waiting = Waiting::of(wait);
  if (!waiting) return std::move(waiting).error();
  return use(waiting->options(timeout));
}

}  // namespace

Result<std::size_t> call_as_asked(sc_client& client, std::span<const std::byte> request, std::span<std::byte> reply,
                                  std::int64_t timeout, const sc_wait* wait) {
  return with_options(timeout, wait,
                      [&](const CallOptions& options) { return client.raw.call(request, reply, options); });
}

}  // namespace shared_channel_c

sc_code sc_client_open(const char* name, const sc_client_options* options, sc_client** client, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (name == nullptr || client == nullptr) return report.failure(invalid("the name, or client, is NULL"));
    auto made = client_of(name, options);
    if (!made) return report.failure(made.error());
    *client = new sc_client{*std::move(made)};
    return report.success();
  });
}

void sc_client_close(sc_client* client) { delete client; }

sc_code sc_client_wait_for_server(sc_client* client, int64_t timeout, const sc_wait* wait, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (client == nullptr) return report.failure(no_client());
    const auto attached =
        with_options(timeout, wait, [&](const CallOptions& options) { return client->raw.wait_for_server(options); });
    return attached ? report.success() : report.failure(attached.error());
  });
}

int sc_client_is_connected(sc_client* client) {
  return guarded_value(0, [&] { return client != nullptr && client->raw.connected() ? 1 : 0; });
}

sc_code sc_client_describe(sc_client* client, int64_t timeout, const sc_wait* wait, const sc_shape** shape,
                           sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (client == nullptr) return report.failure(no_client());
    if (shape == nullptr) return report.failure(invalid("shape is NULL"));
    auto told = with_options(timeout, wait, [&](const CallOptions& options) { return client->raw.shape(options); });
    if (!told) return report.failure(told.error());
    *shape = new Shape(*std::move(told));
    return report.success();
  });
}

sc_code sc_client_begin(sc_client* client, int64_t timeout, const sc_wait* wait, sc_call** call, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (client == nullptr) return report.failure(no_client());
    if (call == nullptr) return report.failure(invalid("call is NULL"));
    auto made = std::make_unique<sc_call>();
    auto draft = with_options(timeout, wait, [&](const CallOptions& options) { return client->raw.draft(options); });
    if (!draft) return report.failure(draft.error());
    made->draft.emplace(*std::move(draft));
    *call = made.release();
    return report.success();
  });
}

sc_code sc_client_call_async(sc_client* client, const void* request, size_t request_size, int64_t timeout,
                             const sc_wait* wait, sc_call** call, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (client == nullptr) return report.failure(no_client());
    if (call == nullptr) return report.failure(invalid("call is NULL"));
    if (request == nullptr && request_size != 0) return report.failure(invalid("the request is NULL and has a size"));
    auto made = std::make_unique<sc_call>();
    const auto sent = with_options(timeout, wait, [&](const CallOptions& options) -> Result<void> {
      made->pending = client->raw.call_async(bytes_at(request, request_size), options);
      return made->take_refusal();
    });
    if (!sent) return report.failure(sent.error());
    *call = made.release();
    return report.success();
  });
}
