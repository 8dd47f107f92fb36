// A GLib or GTK program calls and serves in its main loop. For brevity server and client are one program.
#include <shared_channel/shared_channel.hpp>

#include <glib-unix.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using Upper = shared_channel::SharedChannel<std::string>;

std::string in_capitals(std::string text) {
  for (char& c : text) c = g_ascii_toupper(c);
  return text;
}

// ---- the server: the loop wakes when requests wait
gboolean on_request(int, GIOCondition, gpointer data) {
  auto& server = *static_cast<Upper::Server*>(data);
  const auto answered = server.serve_one(in_capitals, 0ns);  // one a turn, so that the loop's other sources have theirs
  return answered ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

// ---- the client: the loop wakes when the reply is there
struct Asked {
  shared_channel::PendingCall<std::string> call;
  GMainLoop* loop;
};

gboolean on_reply(int, GIOCondition, gpointer data) {
  auto& asked = *static_cast<Asked*>(data);
  const auto reply = asked.call.get();
  std::printf("%s\n", reply ? reply->c_str() : reply.error().message().c_str());
  g_main_loop_quit(asked.loop);
  return G_SOURCE_REMOVE;  // before the PendingCall goes, which owns the descriptor
}

int main() {
  const std::string name = "glib." + std::to_string(g_get_real_time());
  Upper::Server server(name);
  g_unix_fd_add(server.native_handle(), G_IO_IN, on_request, &server);

  Upper::Client client(name);
  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  Asked asked{client.call_async("hello", 10s), loop};
  g_unix_fd_add(asked.call.native_handle(), G_IO_IN, on_reply, &asked);

  g_main_loop_run(loop);
  g_main_loop_unref(loop);
}
