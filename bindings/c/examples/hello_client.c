/* Asks the adder; either hello_server or examples/hello.cpp may serve it. */
#include <shared_channel.h>

#include <stdio.h>

int main(void) {
  const sc_message numbers = {.size = sizeof numbers, .description = "{i32 i32}"};
  const sc_message sum = {.size = sizeof sum, .description = "{i32}"};
  const sc_client_options options = {.size = sizeof options, .request = &numbers, .reply = &sum};
  const int32_t asked[2] = {2, 3};
  int32_t answer;
  sc_client* client;
  sc_error error = SC_ERROR_INIT;
  if (sc_client_open("adder", &options, &client, &error) != SC_OK) return puts(error.message), 1;
  sc_client_call(client, asked, sizeof asked, &answer, sizeof answer, NULL, SC_DEFAULT_TIMEOUT, NULL, &error);
  if (error.code == SC_OK)
    printf("2 + 3 = %d\n", (int)answer);
  else
    puts(error.message); /* and error.code, error.not_executed, error.safe_to_retry */
  sc_client_close(client);
  return error.code != SC_OK;
}
