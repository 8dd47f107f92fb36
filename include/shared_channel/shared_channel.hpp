// SharedChannel: call a function in another process of the same machine through shared memory.
//
// Reading order, from a call to the cache line: channel, options, error, result; client and server; then in detail/
// client_core (reconnecting), connections and connection (attaching), call (one call), async_call and completer (one
// that nobody waits for), generation, server_core and desks (making the channel, serving, the slots), handler and
// message (types), protocol and doorbell (who may write what when), layout (the bytes), and platform (all that the
// operating system does).
#pragma once

#include <shared_channel/call_context.hpp>
#include <shared_channel/channel.hpp>
#include <shared_channel/client.hpp>
#include <shared_channel/codec.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/pending_call.hpp>
#include <shared_channel/responder.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/server.hpp>
#include <shared_channel/version.hpp>
