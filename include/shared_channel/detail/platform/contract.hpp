// The seam: all that SharedChannel asks of an operating system, and the only place that asks which one
// it is. Both systems fill it with the same names, in the same five files:
//
//   platform/<system>/memory.hpp    Mapping, ServerLease: named shared memory, and who serves a name
//   platform/<system>/lease.hpp     ClientLease: is a client's process still there?
//   platform/<system>/beacon.hpp    Beacon, Watch: is the server still there?
//   platform/<system>/signal.hpp    Signal, ClientMutex: sleeping and waking between processes
//   platform/<system>/wait_set.hpp  WaitSet, Notifier: sleeping on many signals; telling a loop that is not ours
//
// The contract, in words. "Gone" always means: the kernel says that the process has ended. Slowness, a
// debugger or SIGSTOP never make a process gone.
//
//   Mapping      Named shared memory of a fixed size, zero-filled when new. create() fails if the object
//                exists; open() answers no_server if it does not. remove() ends the name where names
//                outlive their users; who has mapped the object keeps it.
//   ServerLease  One holder per channel name, on the whole machine (or session), until it is destroyed or
//                its process is gone. acquire() answers name_in_use while another holds it. Holds the Rendezvous
//                record, which a successor finds as it was left if anybody still has it open.
//                current_generation() is the client's view: the record's generation, or no_server.
//   ClientLease  A number, held until destruction or until the *whole* process is gone: once is_held() says
//                false, no instruction of the holder can still run. take() answers busy if the number is held.
//                A holder asks is_held() only about others.
//   Beacon       Lit by the server for one generation; goes out by itself when its process is gone.
//   Watch        A client's view of the beacon: look() tells alive, stopped (in good order) or died.
//   Signal       Wakes a thread that sleeps on a word in shared memory. wait(seen, …) sleeps while the word is `seen`
//                and may return early for no reason; a ring() after the word changed is never lost.
//                With a Watch it also returns, with Wake::server_gone, when the server ends or dies.
//   ClientMutex     Mutual exclusion of the callers that wait for a slot. Taken from a holder that is gone it answers
//                `abandoned`: held, but what it protects may be half-done.
//   WaitSet      Sleeps on up to `capacity` Signals of one server at once, as Signal::wait does on one, and on a word
//   of its own
//                that changes before each ring(). A ring() ends the wait under way, or else the next one with an older
//                ticket. wait() belongs to one thread; ring() to all.
//   Notifier     A kernel object that a user's own loop can wait for. Not set when made; notify() sets it for good.
//   False if the
//                system had none to give.
//   ForkMark     Tells whether the process is a fork()ed child of the one that made the mark.
//
// Every function that can fail returns a Result whose Error names the channel and keeps the native code.
#pragma once

namespace shared_channel::detail::platform {

/// How the server stands, seen from a client.
enum class Peer { alive, stopped, died };

/// Why a wait returned.
enum class Wake { signalled, timed_out, server_gone };

/// How an attempt to take the ClientMutex ended.
enum class Lock { locked, abandoned, timed_out, server_gone };

}  // namespace shared_channel::detail::platform
