// What only inspect.hpp asks of the operating system, apart from platform.hpp so that nobody else pays for it. All of
// it only looks.
//
//   object_names        The names of the objects of a scope that begin with object_prefix, in no order.
//   ObjectReader        An object opened for reading. read() copies bytes out of it; false if it has not so many, now:
//                       nothing that a peer does to it makes a look a fault. size(), owner() as of a Mapping;
//                       access() tells who else may open it, made() when it was made, if the system knows.
//   hold_on             Whether somebody has the name's ServerLease.
//   is_server_alive     Whether the server of a page that was read is alive, as far as can be told without an attach.
//   is_client_there     As ClientLease::is_held(). client_count counts them all, given how many there have been.
//   program_of          The program that a process runs; empty if the system does not tell.
//   birth_time          What process_birth() says, as a time; nothing where it does not say any.
#pragma once

#include <shared_channel/detail/platform/hold.hpp>

#if defined(_WIN32)
#include <shared_channel/detail/platform/win32/inspection.hpp>
#else
#include <shared_channel/detail/platform/linux/inspection.hpp>
#endif
