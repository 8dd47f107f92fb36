// SharedChannel: call a function in another process of the same machine through shared memory.
//
// Reading order, from a call to the cache line; the folders of detail/ in brackets:
//
//   what users name         channel, options, error, result, client, pending_call, server, server_stats, responder,
//                           native_handle, call_context, codec, description, observer, version
//   asking [client]         core (from a call to its Result), explain and mismatch (errors in words),
//                           connector (finding the server), server_trust (whom to believe), current_connection,
//                           connection and attach (what it checks), call (one call), slot_claim (its slot),
//                           cancellation, posting_order (its place among its thread's), async_call and completion (a
//                           call that no thread waits for), watcher_bell (which calls its watcher), taking (of its
//                           reply), observer (what is told of a call), compiled (what the compiled library has of it)
//   serving [server]        core (serving), lifecycle (how that begins and ends), finder (finding requests), workers
//                           (its threads), upkeep (mending its words), dispatcher (from a request to its answer),
//                           handler (its forms), invocation (what it is called with), reply (into its frame), duty and
//                           link (from a Responder to its server), slots (taking and ending calls), taken_call (one of
//                           them), next_slot (where it comes), counters and running_times (what stats() tells),
//                           loop_notice (native_handle()), observer, generation (all that a server creates), compiled
//   types <-> bytes [message]    message, codec_parts, builtin_codecs, members, describe, described_members, observed
//                           (which have an observer)
//   who may write what when [protocol]   slot_protocol, slot_state (what a slot's words say), order (of one thread's
//                           calls), doorbell, layout (the bytes), description (a type in words), contract (what both
//                           ends compare), frame (one message's place), stated_times (of a call), passed_on (an error)
//   waiting [wait]          adaptive_spin (the policy), spin and first_look (its primitives), fair_yield
//   the operating system [platform]      contract (in words), error_text, platform (the selector), then linux/ or
//                           win32/: memory, server_lease, signal, wait_set, beacon, lease, owner, process; linux/ also
//                           futex and fork_guard, win32/ object, security and mutex_keeper
//   knows no channels [base]     unique_ptr, ref_ptr, forward_list, address_of, stored, deadline, name, callable,
//                           integer_cast, at_end, handler_scope, test_point, probe, text, duration_text,
//                           stop_when_asked
//
// Two headers are not included here, so that nobody pays for them who does not use them:
//
//   raw                     channels whose messages are known at run time only: raw_client, raw_server, channel_shape;
//                           raw/shape (checked), raw/writer (of requests), message/grammar (of descriptions)
//   inspect                 channels seen from outside: channel_info; inspect/inspector, call_view and channel_names,
//                           platform/inspection
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
