/* What the C of docs/bindings.md leaves out. */
#include <shared_channel.h>

#include <signal.h>

sc_client* client;
sc_error error = SC_ERROR_INIT;
sc_code code;
volatile sig_atomic_t flag;
int32_t request, reply;

size_t fill(void* room, size_t size);
void look_at(const void* reply, size_t size);
