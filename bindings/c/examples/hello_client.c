/* Asks the adder; either hello_server or examples/hello.cpp may serve it. */
#include <shared_channel.h>

#include <stdio.h>

int main(void) {
  const int32_t numbers[2] = {2, 3};
  int32_t sum;
  sc_client* client;
  sc_error error = SC_ERROR_INIT;
  if (sc_client_open("adder", NULL, &client, &error) != SC_OK) return puts(error.message), 1;
  sc_client_call(client, numbers, sizeof numbers, &sum, sizeof sum, NULL, SC_DEFAULT_TIMEOUT, NULL, &error);
  if (error.code == SC_OK)
    printf("2 + 3 = %d\n", (int)sum);
  else
    puts(error.message); /* and error.code, error.not_executed, error.safe_to_retry */
  sc_client_close(client);
  return error.code != SC_OK;
}
