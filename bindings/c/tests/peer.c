/* A program in C that serves or asks an adder: shared_channel_c_peer serve NAME [REQUEST REPLY] | ask NAME A B */
#include <shared_channel.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const sc_error* error) {
  printf("%s\n", error->message);
  return 1;
}

/* Answers until it is asked for 0 + 0; that eight bytes come and four go is all that it knows of the descriptions. */
static int serve(const char* name, const char* request_description, const char* reply_description) {
  const sc_message numbers = {.size = sizeof numbers, .description = request_description};
  const sc_message sum = {.size = sizeof sum, .description = reply_description};
  sc_error error = SC_ERROR_INIT;
  sc_server* server;
  sc_request* request;
  if (sc_server_open(name, &numbers, &sum, NULL, &server, &error) != SC_OK) return fail(&error);
  puts("ready");
  fflush(stdout);
  while (sc_server_next(server, SC_FOREVER, NULL, &request, &error) == SC_OK) {
    int32_t asked[2], answer;
    memcpy(asked, sc_request_data(request, NULL), sizeof asked);
    answer = asked[0] + asked[1];
    sc_request_reply(request, &answer, sizeof answer, NULL);
    sc_request_release(request);
    if (asked[0] == 0 && asked[1] == 0) sc_server_stop(server);
  }
  sc_server_close(server);
  puts(error.code == SC_SERVER_STOPPED ? "stopped" : error.message);
  return error.code != SC_SERVER_STOPPED;
}

static int ask(const char* name, int32_t a, int32_t b) {
  int32_t numbers[2], sum;
  sc_error error = SC_ERROR_INIT;
  sc_client* client;
  numbers[0] = a;
  numbers[1] = b;
  if (sc_client_open(name, NULL, &client, &error) != SC_OK) return fail(&error);
  if (sc_client_call(client, numbers, sizeof numbers, &sum, sizeof sum, NULL, 10 * SC_DEFAULT_TIMEOUT, NULL, &error) !=
      SC_OK)
    return fail(&error);
  printf("%d\n", (int)sum);
  sc_client_close(client);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "serve") == 0) return serve(argv[2], "{i32 i32}", "{i32}");
  if (argc == 5 && strcmp(argv[1], "serve") == 0) return serve(argv[2], argv[3], argv[4]);
  if (argc == 5 && strcmp(argv[1], "ask") == 0) return ask(argv[2], atoi(argv[3]), atoi(argv[4]));
  return 64;
}
