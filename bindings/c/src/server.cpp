// Servers, and the requests that they give out.
#include <algorithm>
#include <atomic>
#include <memory>
#include <new>

#include "support.hpp"

using namespace shared_channel_c;

namespace shared_channel_c {
namespace {

/// Shorter requests are copied before anybody looks at them, as those of handlers in C++ are.
constexpr std::size_t copied_at_most = 4096;

/// Of a request's bytes, by contract.
constexpr std::align_val_t alignment{16};

struct AlignedDelete {
  void operator()(void* memory) const noexcept { ::operator delete(memory, alignment); }
};

}  // namespace
}  // namespace shared_channel_c

/// Ends with its last holder: the program, and each request that is out.
struct sc_server {
  explicit sc_server(RawServer made) : raw(std::move(made)) {}

  void hold() noexcept { holders.fetch_add(1, std::memory_order_relaxed); }
  void let_go() {
    if (holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  RawServer raw;
  const detail::NativePlatform::ForkMark mark{};
  std::atomic<std::size_t> holders{1};
  std::atomic<bool> is_stopped{false};
};

struct sc_request {
  sc_request(sc_server& its_server, std::span<const std::byte> request, RawResponder its_responder,
             const CallContext& its_context)
      : server(its_server), responder(std::move(its_responder)), context(its_context), bytes(request) {
    if (request.size() <= sizeof small) {
      if (!request.empty()) std::memcpy(small, request.data(), request.size());
      bytes = {small, request.size()};
    } else if (request.size() <= copied_at_most) {
      copy.reset(::operator new(request.size(), alignment));  // where plain new may align to 8
      std::memcpy(copy.get(), request.data(), request.size());
      bytes = {static_cast<const std::byte*>(copy.get()), request.size()};
    }
    server.hold();
  }
  sc_request(const sc_request&) = delete;
  sc_request& operator=(const sc_request&) = delete;

  sc_server& server;
  RawResponder responder;
  CallContext context;
  std::span<const std::byte> bytes;
  std::unique_ptr<void, AlignedDelete> copy;
  bool is_answered = false;
  alignas(16) std::byte small[128];
};

namespace shared_channel_c {
namespace {

Error forked() { return Error(Errc::forked, "", "the server was made before fork(); make a new one in the child"); }
Error no_server() { return invalid("the server is NULL"); }

Result<Access> access_of(const sc_server_options& options) {
  switch (options.access) {
    case SC_ACCESS_CURRENT_USER:
      return Access::current_user();
    case SC_ACCESS_EVERYONE:
      return Access::everyone();
    case SC_ACCESS_MODE:
      return Access::mode(options.access_mode,
                          options.has_access_group != 0 ? std::int64_t{options.access_group} : Access::keep_group);
    case SC_ACCESS_SDDL:
      if (options.access_sddl == nullptr) return invalid("access is SC_ACCESS_SDDL, and access_sddl is NULL");
      return Access::sddl(options.access_sddl);
    default:
      return invalid("access is none of SC_ACCESS_...");
  }
}

Result<RawServer> server_of(const char* name, const sc_message* request, const sc_message* reply,
                            const sc_server_options* given) {
  const auto known = read(given);
  if (!known) return wrong_size("sc_server_options");
  const auto scope = scope_of(known->scope);
  if (!scope) return no_scope();
  auto access = access_of(*known);
  if (!access) return std::move(access).error();
  auto asked = message_of(request, true);
  if (!asked) return std::move(asked).error();
  auto answered = message_of(reply, true);
  if (!answered) return std::move(answered).error();

  ServerOptions options;
  options.scope = *scope;
  options.wait = policy_of(known->spin);
  options.access = *std::move(access);
  if (known->max_calls != 0) options.max_calls = known->max_calls;
  if (known->threads != 0) options.threads = known->threads;
  return RawServer::create(name, ChannelShape{*std::move(asked), *std::move(answered)}, options);
}

/// What a handler says of its failure.
Error error_in(const sc_error& failure) {
  const std::size_t most = failure.size - offsetof(sc_error, message);
  const std::size_t room = most < sizeof failure.message ? most : sizeof failure.message;
  const std::string_view text(failure.message, ::strnlen(failure.message, room));
  const Errc code = is_code(failure.code) ? static_cast<Errc>(failure.code) : Errc::handler_failed;
  return Error(code, "", std::string(text), 0, failure.not_executed != 0 ? Execution::none : Execution::possible);
}

/// Runs an answer: an answered request is answered no more.
template <class Answer>
sc_code answer(sc_request* request, sc_error* error, Answer&& with) {
  return guarded(error, [&](const Report& report) {
    if (request == nullptr) return report.failure(invalid("the request is NULL"));
    if (request->server.mark.in_child()) return report.failure(forked());
    if (request->is_answered) return report.failure(invalid("the request was answered already"));
    if (const Result<void> done = with(*request); !done) return report.failure(done.error());
    request->is_answered = true;
    return report.success();
  });
}

}  // namespace
}  // namespace shared_channel_c

sc_code sc_server_open(const char* name, const sc_message* request, const sc_message* reply,
                       const sc_server_options* options, sc_server** server, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (name == nullptr || server == nullptr) return report.failure(invalid("the name, or server, is NULL"));
    auto made = server_of(name, request, reply, options);
    if (!made) return report.failure(made.error());
    *server = new sc_server(*std::move(made));
    return report.success();
  });
}

void sc_server_close(sc_server* server) {
  if (server == nullptr) return;
  sc_server_stop(server);
  server->let_go();
}

sc_code sc_server_next(sc_server* server, int64_t timeout, const sc_wait* wait, sc_request** request, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (server == nullptr) return report.failure(no_server());
    if (request == nullptr) return report.failure(invalid("request is NULL"));
    auto waiting = Waiting::of(wait);
    if (!waiting) return report.failure(waiting.error());

    sc_request* taken = nullptr;
    const auto keep = [&](std::span<const std::byte> bytes, RawResponder responder, const CallContext& context) {
      taken = new sc_request(*server, bytes, std::move(responder), context);
    };
    Result<void> failed;
    const auto attempt = [&](nanoseconds piece) {
      detail::Deadline deadline(piece);
      // A request that could not be read was answered without us: another may wait behind it. Once the time is over, a
      // look at each slot finds that; more could go on forever, if bad requests keep coming.
      for (unsigned late = 0;;) {
        auto served = server->raw.serve_one(keep, deadline.remaining());
        if (!served) failed = std::move(served).error();
        if (!served || taken != nullptr || server->is_stopped.load(std::memory_order_relaxed)) return true;
        if (!*served || (deadline.passed() && ++late > max_slots)) return false;
      }
    };
    const auto waited = waiting->repeat(timeout, "no request came", attempt);
    if (!failed) return report.failure(failed.error());
    if (!waited) return report.failure(waited.error());
    if (taken == nullptr) return report.failure(Errc::server_stopped, "the server is stopped");
    *request = taken;
    return report.success();
  });
}

sc_code sc_server_serve(sc_server* server, sc_handler handler, void* context, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (server == nullptr) return report.failure(no_server());
    if (handler == nullptr) return report.failure(invalid("the handler is NULL"));
    const auto call_it = [=](std::span<const std::byte> request, std::span<std::byte> reply) -> Result<std::size_t> {
      sc_error failure;
      failure.size = sizeof failure;
      failure.code = SC_HANDLER_FAILED;
      failure.native = failure.not_executed = failure.safe_to_retry = 0;
      failure.message[0] = '\0';
      const std::int64_t bytes = handler(context, request.data(), request.size(), reply.data(), reply.size(), &failure);
      constexpr std::uint64_t most = ~std::size_t{0};
      if (bytes >= 0) return static_cast<std::size_t>((std::min)(static_cast<std::uint64_t>(bytes), most));
      failure.size = sizeof failure;
      return error_in(failure);
    };
    const auto served = server->raw.serve(call_it);
    return served ? report.success() : report.failure(served.error());
  });
}

void sc_server_stop(sc_server* server) {
  if (server == nullptr) return;
  server->is_stopped.store(true, std::memory_order_relaxed);
  server->raw.stop();
}

sc_handle sc_server_native_handle(sc_server* server) {
  return guarded_value(SC_NO_HANDLE, [&] {
    if (server == nullptr) return SC_NO_HANDLE;
    return handle_of(server->raw.native_handle());
  });
}

sc_code sc_server_stats(sc_server* server, sc_stats* stats, sc_error* error) {
  return guarded(error, [&](const Report& report) {
    if (server == nullptr || stats == nullptr) return report.failure(invalid("the server, or stats, is NULL"));
    if (server->mark.in_child()) return report.failure(forked());
    const std::uint32_t size = stats->size;
    if (size < alignof(sc_stats) || size % alignof(sc_stats) != 0 || size > Report::largest_struct)
      return report.failure(wrong_size("sc_stats"));
    const sc_stats now = stats_of(server->raw.stats());
    std::memset(stats, 0, size);  // what a later header may have counts nothing here
    std::memcpy(stats, &now, size < sizeof now ? size : sizeof now);
    stats->size = size;
    return report.success();
  });
}

const void* sc_request_data(const sc_request* request, size_t* size) {
  const auto bytes = request != nullptr ? request->bytes : std::span<const std::byte>();
  if (size != nullptr) *size = bytes.size();
  return bytes.data();
}

sc_code sc_request_reply(sc_request* request, const void* reply, size_t size, sc_error* error) {
  return answer(request, error, [&](sc_request& one) -> Result<void> {
    if (reply == nullptr && size != 0) return invalid("the reply is NULL and has a size");
    one.responder.reply(bytes_at(reply, size));
    return {};
  });
}

void* sc_request_room(sc_request* request, size_t* room_size) {
  const auto room = guarded_value(std::span<std::byte>(), [&] {
    return request != nullptr && !request->is_answered ? request->responder.room() : std::span<std::byte>();
  });
  if (room_size != nullptr) *room_size = room.size();
  return room.data();
}

sc_code sc_request_send(sc_request* request, size_t size, sc_error* error) {
  return answer(request, error, [&](sc_request& one) -> Result<void> {
    one.responder.reply_in_place([size](std::span<std::byte>) { return size; });
    return {};
  });
}

sc_code sc_request_fail(sc_request* request, const char* text, sc_error* error) {
  return answer(request, error, [&](sc_request& one) -> Result<void> {
    if (text == nullptr) return invalid("the text is NULL");
    one.responder.fail(std::string_view(text));
    return {};
  });
}

sc_code sc_request_relay(sc_request* request, const sc_error* failure, sc_error* error) {
  return answer(request, error, [&](sc_request& one) -> Result<void> {
    if (failure == nullptr) return invalid("the failure is NULL");
    if (failure->size < offsetof(sc_error, message) + 4 || failure->size > Report::largest_struct)
      return wrong_size("sc_error");
    if (!is_code(failure->code)) return invalid("the failure's code is SC_OK or none");
    one.responder.fail(error_in(*failure));
    return {};
  });
}

int sc_request_is_cancelled(const sc_request* request) {
  return guarded_value(1, [&] { return request == nullptr || request->context.cancelled() ? 1 : 0; });
}

int64_t sc_request_time_left(const sc_request* request) {
  if (request == nullptr) return 0;
  const auto deadline = request->context.deadline();
  if (deadline == (detail::Clock::time_point::max)()) return SC_FOREVER;
  const nanoseconds left = deadline - detail::Clock::now();
  return left.count() > 0 ? left.count() : 0;
}

uint32_t sc_request_caller(const sc_request* request) {
  return guarded_value(std::uint32_t{0}, [&] { return request == nullptr ? 0 : request->context.caller().process_id; });
}

void sc_request_release(sc_request* request) {
  if (request == nullptr) return;
  sc_server& server = request->server;
  delete request;
  server.let_go();
}
