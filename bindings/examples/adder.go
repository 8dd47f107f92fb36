// Asks the adder, from Go: CGO_CFLAGS=-I… CGO_LDFLAGS=-L… go run adder.go
package main

/*
#cgo LDFLAGS: -lshared_channel_c
#include <shared_channel.h>

static sc_code open_adder(sc_client** client, sc_error* error) {
  const sc_message request = {.size = sizeof request, .description = "{i32 i32}"};
  const sc_message reply = {.size = sizeof reply, .description = "{i32}"};
  const sc_client_options options = {.size = sizeof options, .request = &request, .reply = &reply};
  return sc_client_open("adder", &options, client, error);
}
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

func main() {
	numbers, sum := [2]C.int32_t{2, 3}, C.int32_t(0)
	failure := C.sc_error{size: C.sizeof_sc_error}
	var client *C.sc_client
	if C.open_adder(&client, &failure) == C.SC_OK {
		C.sc_client_call(client, unsafe.Pointer(&numbers), 8, unsafe.Pointer(&sum), 4, nil, C.SC_DEFAULT_TIMEOUT, nil, &failure)
		C.sc_client_close(client)
	}
	if failure.code != C.SC_OK {
		fmt.Println(C.GoString(&failure.message[0]))
		os.Exit(int(failure.code))
	}
	fmt.Println("2 + 3 =", sum)
}
