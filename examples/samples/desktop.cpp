// A desktop program that stays responsive while it asks a service: GTK 3, on Linux.
//
//   desktop [NAME]         the window. Start and kill the service as you like, and see what the window says
//   desktop serve [NAME]   the service: needs a second for an answer
//   desktop check          plays both, without a user, and says how it went
//
// Everything the client does is asynchronous: call_async() sends and returns, and GTK's main loop waits for the reply's
// handle beside its other sources. No thread of the program's own is needed, and no lock.
#include <shared_channel/shared_channel.hpp>

#include <glib-unix.h>
#include <gtk/gtk.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace {

using namespace std::chrono_literals;
using Weather = shared_channel::SharedChannel<std::string>;

// ---- the service ----

std::optional<Weather::Server> served;

int serve(const std::string& name) {
  auto server = Weather::Server::create(name);
  if (!server) return std::printf("%s\n", server.error().message().c_str()), 1;
  served.emplace(*std::move(server));
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { served->stop(); });
  const auto ended = served->serve([](const std::string& place) -> std::string {
    if (place.empty()) return "";  // only asked whether somebody is here
    std::this_thread::sleep_for(1s);
    return "Sunny in " + place;
  });
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, SIG_IGN);
  served.reset();
  return ended ? 0 : 1;
}

// ---- the window ----

class Window {
 public:
  explicit Window(const std::string& name) : client_(name) {
    window_ = gtk_window_new(GTK_WINDOW_TOPLEVEL);
    gtk_window_set_title(GTK_WINDOW(window_), "Weather");
    gtk_window_set_default_size(GTK_WINDOW(window_), 420, 200);
    gtk_container_set_border_width(GTK_CONTAINER(window_), 16);
    GtkWidget* const rows = gtk_box_new(GTK_ORIENTATION_VERTICAL, 12);
    gtk_container_add(GTK_CONTAINER(window_), rows);
    GtkWidget* const top = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 8);
    place_ = gtk_entry_new();
    gtk_entry_set_text(GTK_ENTRY(place_), "Lisbon");
    button_ = gtk_button_new_with_label("Ask");
    spinner_ = gtk_spinner_new();
    gtk_box_pack_start(GTK_BOX(top), place_, TRUE, TRUE, 0);
    gtk_box_pack_start(GTK_BOX(top), button_, FALSE, FALSE, 0);
    gtk_box_pack_start(GTK_BOX(top), spinner_, FALSE, FALSE, 0);
    answer_ = gtk_label_new("");
    state_ = gtk_label_new("");
    for (GtkWidget* const label : {answer_, state_}) gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_box_pack_start(GTK_BOX(rows), top, FALSE, FALSE, 0);
    gtk_box_pack_start(GTK_BOX(rows), answer_, TRUE, TRUE, 0);
    gtk_box_pack_end(GTK_BOX(rows), state_, FALSE, FALSE, 0);
    g_signal_connect_swapped(button_, "clicked", G_CALLBACK(+[](Window* self) { self->ask(); }), this);
    g_signal_connect_swapped(place_, "activate", G_CALLBACK(+[](Window* self) { self->ask(); }), this);
    g_signal_connect(window_, "destroy", G_CALLBACK(gtk_main_quit), nullptr);
    look_timer_ = g_timeout_add(
        200, [](gpointer self) { return static_cast<Window*>(self)->look(); }, this);
    look();
    gtk_widget_show_all(window_);
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  ~Window() {
    g_source_remove(look_timer_);
    for (Call* const call : {&question_, &greeting_}) call->stop();
  }

  void ask() {
    if (question_.pending) return;
    gtk_widget_set_sensitive(button_, FALSE);
    gtk_spinner_start(GTK_SPINNER(spinner_));
    say(answer_, "Asking…");
    send(question_, gtk_entry_get_text(GTK_ENTRY(place_)), 5s, &Window::answer);
  }

  [[nodiscard]] std::string shown_answer() const { return gtk_label_get_text(GTK_LABEL(answer_)); }
  [[nodiscard]] std::string shown_state() const { return gtk_label_get_text(GTK_LABEL(state_)); }

 private:
  using Reply = shared_channel::Result<std::string>;

  /// A call on its way, and the loop's source that waits for it.
  struct Call {
    std::optional<shared_channel::PendingCall<std::string>> pending;
    guint source = 0;
    Window* window = nullptr;
    void (Window::*then)(Reply) = nullptr;

    void stop() {
      if (source != 0) g_source_remove(source);
      source = 0;
      pending.reset();
    }
  };

  void send(Call& call, const std::string& text, std::chrono::nanoseconds timeout, void (Window::*then)(Reply)) {
    call.pending.emplace(client_.call_async(text, timeout));
    call.window = this;
    call.then = then;
    call.source = g_unix_fd_add(
        call.pending->native_handle(), G_IO_IN,
        [](int, GIOCondition, gpointer data) -> gboolean {
          Call& ended = *static_cast<Call*>(data);
          Reply reply = ended.pending->get();
          ended.source = 0;  // the source goes first: the PendingCall owns its descriptor
          g_source_destroy(g_main_current_source());
          ended.pending.reset();
          (ended.window->*ended.then)(std::move(reply));
          return G_SOURCE_REMOVE;
        },
        &call);
  }

  void answer(Reply reply) {
    gtk_widget_set_sensitive(button_, TRUE);
    gtk_spinner_stop(GTK_SPINNER(spinner_));
    if (reply)
      say(answer_, *reply);
    else if (reply.error().safe_to_retry())
      say(answer_, "Not asked: " + reply.error().cause());
    else
      say(answer_, "Perhaps asked: " + reply.error().cause());
    look();
  }

  /// A few times a second: says whether a service is there, and greets it if not, which attaches to the next one.
  gboolean look() {
    if (client_.connected()) {
      was_connected_ = true;
      say(state_, "● connected");
    } else {
      say(state_, was_connected_ ? "○ the service went away; reconnecting…" : "○ waiting for the service…");
      if (!greeting_.pending) send(greeting_, "", 5s, &Window::greeted);
    }
    return G_SOURCE_CONTINUE;
  }
  void greeted(Reply) {}  // the next look says how it went

  static void say(GtkWidget* label, const std::string& text) { gtk_label_set_text(GTK_LABEL(label), text.c_str()); }

  Weather::Client client_;
  GtkWidget *window_, *place_, *button_, *spinner_, *answer_, *state_;
  guint look_timer_;
  bool was_connected_ = false;
  Call question_, greeting_;
};

int show(const std::string& name) {
  const Window window(name);
  gtk_main();
  return 0;
}

// ---- without a user ----

/// Lets the loop run until `condition` holds. How often a timer of 20 ms fired meanwhile; -1 if it never held.
template <class Condition>
int run_until(Condition&& condition) {
  int ticks = 0;
  const auto tick = [](gpointer count) -> gboolean {
    ++*static_cast<int*>(count);
    return G_SOURCE_CONTINUE;
  };
  const guint timer = g_timeout_add(20, tick, &ticks);
  const auto end = std::chrono::steady_clock::now() + 60s;
  bool holds = false;
  while (!(holds = condition()) && std::chrono::steady_clock::now() < end) gtk_main_iteration();
  g_source_remove(timer);
  return holds ? ticks : -1;
}

/// The service as a process of its own; killed at the end.
class Service {
 public:
  Service(const char* program, const std::string& name) {
    const char* arguments[] = {program, "serve", name.c_str(), nullptr};
    g_spawn_async(nullptr, const_cast<char**>(arguments), nullptr, G_SPAWN_DO_NOT_REAP_CHILD, nullptr, nullptr,
                  &process_, nullptr);
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service() { end(SIGTERM); }
  void end(int signal) {
    if (process_ == 0) return;
    ::kill(process_, signal);
    ::waitpid(process_, nullptr, 0);
    process_ = 0;
  }

 private:
  GPid process_ = 0;
};

int check(const char* program) {
  const std::string name = "desktop." + std::to_string(g_get_real_time());
  Window window(name);
  const auto state_says = [&](const char* text) {
    return run_until([&] { return window.shown_state().find(text) != std::string::npos; }) >= 0;
  };
  const auto answered = [&] { return run_until([&] { return window.shown_answer() == "Sunny in Lisbon"; }); };

  const bool waited = state_says("waiting");
  auto service = std::make_unique<Service>(program, name);
  const bool connected = state_says("connected");
  window.ask();
  const int ticks = answered();
  service->end(SIGKILL);
  const bool missed = state_says("reconnecting");
  service = std::make_unique<Service>(program, name);
  const bool reconnected = state_says("● connected");
  window.ask();
  const bool again = answered() >= 0;
  std::printf("waited %d, connected %d, went away %d, reconnected %d, answered again %d\n", waited, connected, missed,
              reconnected, again);
  std::printf("the loop went on %s a call of a second\n", ticks >= 5 ? "during" : "only after");
  return waited && connected && ticks >= 5 && missed && reconnected && again ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc > 1 ? argv[1] : "";
  if (role == "serve") return serve(argc > 2 ? argv[2] : "weather");
  if (!gtk_init_check(&argc, &argv)) return std::puts("test skipped: no display"), 0;
  return role == "check" ? check(argv[0]) : show(role.empty() ? "weather" : role);
}
