// SharedChannel: call a function in another process of the same machine through shared memory.
//
// Reading order, from a call to the cache line: every header once, under its folder.
//
//   .: what users name
//      channel, options, timeout, error, result, client, pending_call, server, native_handle, server_stats, responder,
//      call_context, codec, description, observer, version
//   detail/client: asking
//      core (from a call to its Result), explain and mismatch (errors in words), connector (finding the server),
//      server_trust (whom to believe), current_connection, connection and attach (what it checks), call (one call),
//      failure (why it did not end in its reply), slot_claim (its slot), cancellation, posting_order (its place among
//      its thread's), async_call, ending and completion (a call that no thread waits for), news_bell (which wakes its
//      watcher), wait_bell (that and a cancellation), taking (of its reply), crowd (of other callers), observer (what
//      is told of a call), compiled (what the compiled library has of it)
//   detail/server: serving
//      core (serving), lifecycle (how that begins and ends), finder (finding requests), next_slot (where to look
//      first), workers (its threads), upkeep (mending its words), clock_looks (when that is due to a busy one),
//      dispatcher (from a request to its answer), handler (its forms), invocation (what it is called with), reply (into
//      its frame), duty and link (from a Responder to its server), slots (taking and ending calls), taken_call (one of
//      them), counters and running_times (what stats tell), loop_notice (for a loop that is not ours), observer,
//      generation (all that a server creates), compiled
//   detail/message: types <-> bytes
//      message, codec_parts, builtin_codecs, members, describe, described_members, observed (which have an observer)
//   detail/wait: waiting
//      adaptive_spin (the policy), spin and first_look (its primitives), fair_yield
//   detail/platform: the operating system
//      contract (in words), platform (the selector), errors (both systems' sentences), error_text
//   detail/platform/linux: and
//      memory, server_lease, leftovers, signal, wait_set, beacon, lease, owner, process, admission (who may), shm_file,
//      futex, fork_guard, thread (to be waited for while forking), descriptor, file_identity, user_namespace, guards,
//      error_text
//   detail/platform/win32: as the contract says
//      memory, server_lease, signal, wait_set, beacon, lease, owner, process, object, security, mutex_keeper,
//      kept_mutex, thread (to be waited for in DllMain), handle, waiting, guards, windows (the system's header),
//      error_text
//   detail/protocol: who may write what when
//      slot_protocol, slot_state (what a slot's words say), order (of one thread's calls), doorbell, layout (the
//      bytes), description (a type in words), contract (what both ends compare), frame (one message's place),
//      stated_times (of a call), passed_on (an error)
//   detail/base: knows no shared memory
//      unique_ptr, ref_ptr, forward_list, spares (memory used again), without_memory, address_of, stored, copy_bytes,
//      fetch (a cache line early), deadline, text, duration_text, name, callable, integer_cast, at_end, handler_scope,
//      stop_when_asked, thread_end, test_point, probe (of a tracer)
//
// Two headers are not included here, so that nobody pays for them who does not use them. raw.hpp has channels whose
// messages are known at run time only:
//
//   .: what users name
//      raw, raw_client, raw_draft, raw_reply, raw_server, channel_shape
//   detail/raw: what only they need
//      shape (checked), writer (of a request)
//   detail/message: types <-> bytes
//      grammar (of descriptions)
//
// inspect.hpp looks at channels from outside:
//
//   .: what users name
//      inspect, channel_info
//   detail/inspect: looking
//      inspector, call_view, channel_names
//   detail/platform: what only that asks of the system
//      inspection, hold (how a name stands)
//   detail/platform/linux: and
//      inspection
//   detail/platform/win32: likewise
//      inspection
#pragma once

#include <shared_channel/call_context.hpp>
#include <shared_channel/channel.hpp>
#include <shared_channel/client.hpp>
#include <shared_channel/codec.hpp>
#include <shared_channel/description.hpp>
#include <shared_channel/error.hpp>
#include <shared_channel/native_handle.hpp>
#include <shared_channel/observer.hpp>
#include <shared_channel/options.hpp>
#include <shared_channel/pending_call.hpp>
#include <shared_channel/responder.hpp>
#include <shared_channel/result.hpp>
#include <shared_channel/server.hpp>
#include <shared_channel/server_stats.hpp>
#include <shared_channel/version.hpp>
