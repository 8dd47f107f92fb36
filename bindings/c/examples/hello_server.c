/* Adds two numbers for other processes, until Ctrl-C or SIGTERM. */
#include <shared_channel.h>

#include <signal.h>
#include <stdio.h>

static sc_server* server;

static void stop(int number) {
  (void)number;
  sc_server_stop(server); /* which a signal handler may call */
}

int main(void) {
  const sc_message numbers = {.size = sizeof numbers, .description = "{i32 i32}"};
  const sc_message sum = {.size = sizeof sum, .description = "{i32}"};
  sc_request* request;
  sc_error error = SC_ERROR_INIT;
  if (sc_server_open("adder", &numbers, &sum, NULL, &server, &error) != SC_OK) return puts(error.message), 1;
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
  while (sc_server_next(server, SC_FOREVER, NULL, &request, &error) == SC_OK) {
    const int32_t* asked = sc_request_data(request, NULL);
    const int32_t answer = asked[0] + asked[1];
    sc_request_reply(request, &answer, sizeof answer, NULL);
    sc_request_release(request);
  }
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  sc_server_close(server);
  return error.code == SC_SERVER_STOPPED ? 0 : (puts(error.message), 1);
}
