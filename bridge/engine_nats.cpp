// The library's own reconnecting is switched off: it keeps what is published meanwhile and sends it later, to be
// executed when its callers have long been told otherwise. Here each connection is a new one, and what was published on
// the old one is gone with it.
#include "engine_nats.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <nats/nats.h>

namespace bridge {
namespace {

template <auto destroy>
struct Destroyer {
  template <class T>
  void operator()(T* object) const {
    destroy(object);
  }
};
using Options = std::unique_ptr<natsOptions, Destroyer<natsOptions_Destroy>>;
using Subscription = std::unique_ptr<natsSubscription, Destroyer<natsSubscription_Destroy>>;

/// A broker's URL, and what it has before its host: USER:PASSWORD@, or TOKEN@.
class BrokerUrl {
 public:
  explicit BrokerUrl(std::string url) : url_(std::move(url)) {
    const std::size_t scheme = url_.find("://");
    begin_ = scheme == std::string::npos ? 0 : scheme + 3;
    const std::size_t at = url_.rfind('@');
    if (at != std::string::npos && at >= begin_) length_ = at + 1 - begin_;
  }

  [[nodiscard]] std::string without_secrets() const { return std::string(url_).erase(begin_, length_); }
  [[nodiscard]] bool has_secrets() const { return length_ > 1; }
  /// This URL with what `other` has before its host, unless it has that itself.
  [[nodiscard]] std::string with_secrets_of(const BrokerUrl& other) const {
    return length_ != 0 ? url_ : std::string(url_).insert(begin_, other.url_, other.begin_, other.length_);
  }
  /// Whether a text has the password in it, or the token.
  [[nodiscard]] bool is_betrayed_by(const std::string& text) const {
    if (!has_secrets()) return false;
    const std::string secrets = url_.substr(begin_, length_ - 1);
    const std::string secret = secrets.substr(secrets.find(':') + 1);  // all of it where there is none
    return !secret.empty() && text.find(secret) != std::string::npos;
  }

 private:
  std::string url_;
  std::size_t begin_ = 0, length_ = 0;
};

/// One connection, from the moment that it is there until the last of its callbacks has run.
struct Connection {
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    subscriptions.clear();
    if (nats != nullptr) natsConnection_Destroy(nats);
  }

  natsConnection* nats = nullptr;
  std::vector<Subscription> subscriptions;
  std::mutex mutex;
  std::condition_variable changed;
  bool is_closed = false;
  int listening = 0;  // subscriptions whose listener may still be called
};

class NatsEngine final : public Engine {
 public:
  NatsEngine(NatsOptions options, Log log) : options_(std::move(options)), log_(std::move(log)) {}
  NatsEngine(const NatsEngine&) = delete;
  NatsEngine& operator=(const NatsEngine&) = delete;
  ~NatsEngine() override { end(); }

  void listen(std::string subject, Listener listener) override {
    listeners_.emplace_back(std::move(subject), std::move(listener));
  }
  void watch(Watcher watcher) override { watchers_.push_back(std::move(watcher)); }

  void start() override {
    thread_ = std::jthread([this](const std::stop_token& token) { keep_connected(token); });
  }

  Sent publish(const std::string& subject, const std::string& reply, std::span<const std::byte> bytes) override {
    const std::shared_ptr<Connection> connection = current();
    if (!connection) return Sent::not_connected;
    if (bytes.size() > largest_) return Sent::too_large;
    natsConnection* const nats = connection->nats;
    const int size = static_cast<int>(bytes.size());
    // Whatever fails, some of it may have got out.
    static_cast<void>(reply.empty()
                          ? natsConnection_Publish(nats, subject.c_str(), bytes.data(), size)
                          : natsConnection_PublishRequest(nats, subject.c_str(), reply.c_str(), bytes.data(), size));
    return Sent::perhaps;
  }

  std::size_t largest() const override { return current() ? largest_.load() : 0; }

  void stop() override { end(); }

 private:
  void end() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
  }

  std::shared_ptr<Connection> current() const {
    const std::lock_guard lock(current_mutex_);
    return current_;
  }
  void set_current(std::shared_ptr<Connection> connection) {
    const std::lock_guard lock(current_mutex_);
    current_.swap(connection);
  }

  void tell(bool is_connected, const std::string& text) {
    for (const Watcher& watcher : watchers_) watcher(is_connected, text);
  }

  void keep_connected(const std::stop_token& token) {
    std::string told;
    while (!token.stop_requested()) {
      auto connection = std::make_shared<Connection>();
      const natsStatus status = connect(*connection);
      if (status == NATS_OK) {
        told.clear();
        char url[256] = "";
        static_cast<void>(natsConnection_GetConnectedUrl(connection->nats, url, sizeof url));
        remember_servers(*connection);
        set_current(connection);
        tell(true, BrokerUrl(url).without_secrets());
        wait_until_closed(*connection, token);
        if (token.stop_requested()) drain(*connection);
        set_current(nullptr);
        const char* why = nullptr;
        static_cast<void>(natsConnection_GetLastError(connection->nats, &why));
        tell(false, token.stop_requested() ? "stopped" : why != nullptr && *why != 0 ? why : "the server closed it");
        remember_servers(*connection);  // those that joined meanwhile
        close(*connection);
      } else if (const std::string why = why_not(status); why != told) {
        tell(false, told = why);
      }
      pause(token);
    }
  }

  std::string why_not(natsStatus status) const {
    const char* const detail = nats_GetLastError(nullptr);
    for (const std::string& told : told_servers()) {
      if (detail != nullptr && BrokerUrl(told).is_betrayed_by(detail)) return natsStatus_GetText(status);
    }
    return detail != nullptr && *detail != 0 ? detail : natsStatus_GetText(status);
  }

  static constexpr int flush_ms = 1000;
  static constexpr auto pause_between_attempts = std::chrono::milliseconds(100);

  static void pause(const std::stop_token& token) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, token, pause_between_attempts, [] { return false; });
  }

  static void wait_until_closed(Connection& connection, const std::stop_token& token) {
    const std::stop_callback wake(token, [&] {
      const std::lock_guard lock(connection.mutex);
      connection.changed.notify_all();
    });
    std::unique_lock lock(connection.mutex);
    connection.changed.wait(lock, [&] { return connection.is_closed || token.stop_requested(); });
  }

  /// The server sends no more; what it has sent is heard, what was said to it gets out, and it is told which is the
  /// end.
  static void drain(Connection& connection) {
    if (natsConnection_DrainTimeout(connection.nats, flush_ms) != NATS_OK) return;
    std::unique_lock lock(connection.mutex);
    connection.changed.wait_for(lock, std::chrono::milliseconds(2 * flush_ms), [&] { return connection.is_closed; });
  }

  /// Its listeners have returned afterwards.
  static void close(Connection& connection) {
    natsConnection_Close(connection.nats);
    std::unique_lock lock(connection.mutex);
    connection.changed.wait(lock, [&] { return connection.is_closed && connection.listening == 0; });
  }

  static void on_closed(natsConnection*, void* closure) {
    auto& connection = *static_cast<Connection*>(closure);
    const std::lock_guard lock(connection.mutex);
    connection.is_closed = true;
    connection.changed.notify_all();
  }

  static void on_subscription_over(void* closure) {
    auto& connection = *static_cast<Connection*>(closure);
    const std::lock_guard lock(connection.mutex);
    --connection.listening;
    connection.changed.notify_all();
  }

  /// What the server does not let us do. Nobody else is told: whatever is published or subscribed to seems to work.
  static void on_error(natsConnection* nats, natsSubscription*, natsStatus status, void* closure) {
    const char* text = nullptr;
    static_cast<void>(natsConnection_GetLastError(nats, &text));
    if (status == NATS_NOT_PERMITTED && text != nullptr) static_cast<NatsEngine*>(closure)->complain(text);
  }

  void complain(const std::string& text) {
    constexpr std::size_t at_most = 100;
    const std::lock_guard lock(complaints_mutex_);
    if (complaints_.size() < at_most && complaints_.insert(text).second) log_("NATS: " + text);
  }

  static void on_message(natsConnection*, natsSubscription*, natsMsg* nats, void* closure) {
    const auto text = [](const char* words) { return words == nullptr ? std::string_view() : std::string_view(words); };
    const auto* const data = reinterpret_cast<const std::byte*>(natsMsg_GetData(nats));
    const Message message{text(natsMsg_GetSubject(nats)),
                          text(natsMsg_GetReply(nats)),
                          {data, static_cast<std::size_t>(natsMsg_GetDataLength(nats))},
                          natsMsg_IsNoResponders(nats)};
    (*static_cast<const Listener*>(closure))(message);
    natsMsg_Destroy(nats);
  }

  natsStatus connect(Connection& connection) {
    natsOptions* made = nullptr;
    natsStatus status = natsOptions_Create(&made);
    const Options options(made);
    const auto set = [&](auto setter, auto... values) {
      if (status == NATS_OK) status = setter(made, values...);
    };
    std::vector<const char*> urls;
    const std::vector<std::string> servers = all_servers();
    for (const std::string& url : servers) urls.push_back(url.c_str());
    set(natsOptions_SetServers, urls.data(), static_cast<int>(urls.size()));
    set(natsOptions_SetAllowReconnect, false);
    set(natsOptions_SetTimeout, std::int64_t{2000});
    set(natsOptions_SetPingInterval, std::int64_t{1000});
    set(natsOptions_SetMaxPingsOut, 2);
    set(natsOptions_SetSendAsap, true);
    // Else a server that reads no more holds up whoever publishes, and with it all that waits for the connection. When
    // the time is over the library shuts the socket, so that nothing follows half a message.
    set(natsOptions_SetWriteDeadline, std::int64_t{options_.write_deadline.count()});
    set(natsOptions_SetErrorHandler, on_error, static_cast<void*>(this));
    set(natsOptions_SetClosedCB, on_closed, static_cast<void*>(&connection));
    if (!options_.name.empty()) set(natsOptions_SetName, options_.name.c_str());
    if (!options_.user.empty()) set(natsOptions_SetUserInfo, options_.user.c_str(), options_.password.c_str());
    if (!options_.token.empty()) set(natsOptions_SetToken, options_.token.c_str());
    if (!options_.credentials.empty())
      set(natsOptions_SetUserCredentialsFromFiles, options_.credentials.c_str(), nullptr);
    if (!options_.ca.empty() || !options_.certificate.empty()) set(natsOptions_SetSecure, true);
    if (!options_.ca.empty()) set(natsOptions_LoadCATrustedCertificates, options_.ca.c_str());
    if (!options_.certificate.empty())
      set(natsOptions_LoadCertificatesChain, options_.certificate.c_str(), options_.key.c_str());
    if (status == NATS_OK) status = natsConnection_Connect(&connection.nats, made);
    if (status != NATS_OK) return status;

    largest_ = static_cast<std::size_t>(natsConnection_GetMaxPayload(connection.nats));
    for (auto& [subject, listener] : listeners_) {
      natsSubscription* subscription = nullptr;
      status = natsConnection_Subscribe(&subscription, connection.nats, subject.c_str(), on_message, &listener);
      if (status != NATS_OK) break;
      connection.subscriptions.emplace_back(subscription);
      {
        const std::lock_guard lock(connection.mutex);
        ++connection.listening;
      }
      status = natsSubscription_SetOnCompleteCB(subscription, on_subscription_over, &connection);
      if (status != NATS_OK) {  // the connection went, and nobody will say that this one is over
        on_subscription_over(&connection);
        break;
      }
      // Callers are bounded by the slots of their channels, and what waits too long is not executed.
      static_cast<void>(natsSubscription_SetPendingLimits(subscription, -1, -1));
    }
    // Once the server answers, it knows of all subscriptions.
    if (status == NATS_OK) status = natsConnection_FlushTimeout(connection.nats, flush_ms);
    if (status != NATS_OK) close(connection);
    return status;
  }

  /// As it was told, and what the cluster said of itself.
  std::vector<std::string> all_servers() const {
    std::vector<std::string> servers = told_servers();
    servers.insert(servers.end(), discovered_.begin(), discovered_.end());
    return servers;
  }
  std::vector<std::string> told_servers() const {
    std::vector<std::string> servers;
    std::istringstream list(options_.url);
    for (std::string url; std::getline(list, url, ',');) {
      if (!url.empty()) servers.push_back(url);
    }
    return servers;
  }
  /// A connection names only those that it was not given, so what earlier ones named stays. What it names, it names
  /// without a user: that is the one of the first URL that has one.
  void remember_servers(Connection& connection) {
    char** servers = nullptr;
    int count = 0;
    if (natsConnection_GetDiscoveredServers(connection.nats, &servers, &count) != NATS_OK) return;
    const std::vector<std::string> told = told_servers();
    const auto known =
        std::find_if(told.begin(), told.end(), [](const auto& url) { return BrokerUrl(url).has_secrets(); });
    for (int i = 0; i < count; ++i) {
      std::string url = servers[i];
      if (known != told.end()) url = BrokerUrl(url).with_secrets_of(BrokerUrl(*known));
      std::erase(discovered_, url);
      discovered_.push_back(std::move(url));
      std::free(servers[i]);
    }
    std::free(servers);
    constexpr std::size_t at_most = 16;  // in a cluster whose addresses change: those named last
    if (discovered_.size() > at_most) discovered_.erase(discovered_.begin(), discovered_.end() - at_most);
  }

  const NatsOptions options_;
  const Log log_;
  std::mutex complaints_mutex_;
  std::set<std::string> complaints_;  // each is told once
  std::vector<std::pair<std::string, Listener>> listeners_;
  std::vector<Watcher> watchers_;
  std::vector<std::string> discovered_;
  mutable std::mutex current_mutex_;
  std::shared_ptr<Connection> current_;
  std::atomic<std::size_t> largest_{0};
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<Engine> make_nats_engine(NatsOptions options, Log log) {
  return std::make_unique<NatsEngine>(std::move(options), std::move(log));
}

}  // namespace bridge
