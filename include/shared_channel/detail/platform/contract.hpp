// The seam: what SharedChannel asks of an operating system. platform.hpp asks which one it is. Both systems fill the
// seam with the same names. (Linux's own parts are linux_futex and so on, not linux::futex: with GNU extensions,
// CMake's default, `linux` is a macro.)
//
//   platform/<system>/memory.hpp    Mapping: named shared memory
//   platform/<system>/server_lease.hpp   ServerLease: who serves a name
//   platform/<system>/lease.hpp     ClientLease: is a client's process still there?
//   platform/<system>/beacon.hpp    Beacon, Watch: is the server still there?
//   platform/<system>/signal.hpp    Signal, ClientMutex: sleeping and waking between processes
//   platform/<system>/wait_set.hpp  WaitSet, Notifier: sleeping on many signals; telling a loop that is not ours
//   platform/<system>/owner.hpp     Owners: what a ServerUser means
//   platform/<system>/process.hpp   process_id, process_birth, thread_number, clock_id, random_number, rest,
//                                   is_shutting_down
//   platform/<system>/thread.hpp    Thread, Mutex
//   platform/<system>/guards.hpp    NoCancellation, NoSignals
//
// Admission, ForkMark, ForkPause, user_of and waits_in_vain stand where a system has what they are made of. The other
// files of a system's folder are what these are built on.
//
// Three parts stand apart, and say themselves what they are: error_text.hpp for Error, on which all of this is built,
// errors.hpp, the sentences that both systems share, and inspection.hpp, with hold.hpp, for what only looks.
//
// The contract, in words. "Gone" always means: the kernel says that the process has ended. Slowness, a debugger or
// SIGSTOP never make a process gone.
//
//   Admission     What an Access means to the system, found out once for all objects of a generation.
//   Mapping       Named shared memory of a fixed size, zero-filled when new. create() fails if the object exists;
//                 open() answers no_server if it does not. remove() ends the name where names outlive their users; a
//                 process that has mapped the object keeps it. What is made ForClients::read, nobody but the server's
//                 user can write; open() with the same maps it so that this process cannot either. owner() asks the
//                 opened object itself, not its name; an object that has a second name is not_owner. is_lost()
//                 tells whether its name is gone or another object's.
//   ServerLease   One holder per channel name, on the whole machine (or session), until it is destroyed or its process
//                 is gone. acquire() answers name_in_use while another holds it. Nobody but the server's user can hold
//                 it. It makes the Rendezvous record, and removes what a killed predecessor left.
//                 current_generation() is the client's view: the record's generation and owner, or no_server.
//                 announced_generation() is the same of the generation that is being made, for a record whose published
//                 one was damaged. unpublish() takes the generation from the record, so that no client finds it.
//                 keep_name() looks after the name, and makes anew what was removed; `has_record` says whether there is
//                 a record to write to.
//   ClientLease   A number, held until destruction or until the *whole* process is gone: once is_held() says false, no
//                 instruction of the holder can still run. take() answers busy if the number is held. A holder asks
//                 is_held() only about others. Unsure counts as held; can_tell() is false where nothing is ever sure.
//                 view() is a view of the others' leases for somebody who holds none.
//   Beacon        Lit by the server for one generation; goes out by itself when its process is gone. mend() lights the
//                 page's word again where a stray write has put it out.
//   Watch         A client's view of the beacon: look() tells alive, stopped (gracefully) or died. glance() tells the
//                 same, but may tell what was so a millisecond ago: for what asks at each call.
//   Signal        Wakes a thread that sleeps on a word in shared memory. wait(seen, ...) sleeps while that is `seen`
//                 and may return early for no reason; a ring() after the word changed is never lost. With a Watch it
//                 also returns, with Wake::server_gone, when the server ends or dies. ring() wakes one sleeper,
//                 ring_all() as many as the system wakes at once, one at least.
//   ClientMutex   What callers beyond the slots queue on. Taken from a holder that is gone it answers `abandoned`:
//                 held, but what it protects may be half-done. A lock() that has WaitSet::called() of some ticket looks
//                 at its deadline after each ring().
//   WaitSet       Sleeps on up to `capacity` Signals of one server at once, as Signal::wait does on one, and on a word
//                 of its own that changes before each ring(). A ring() ends the wait under way, or else the next one
//                 with an older ticket. wait() belongs to one thread; ring() to all.
//   Notifier      A kernel object that a user's own loop can wait for. Not set when made; notify() sets it until it is
//                 cleared, whoever waits for it. False if the system had none to give.
//   Thread        A std::thread for work of ours. join() returns although the system lets no thread end meanwhile, once
//                 the work is done or the thread is gone.
//   NoCancellation, NoSignals   Keep pthread_cancel() and signal handlers from the thread that has one, as long as it
//                 lives; what comes stays pending.
//   Mutex         A std::mutex for what our threads share. Only a signal handler runs the user's code in a thread that
//                 has one.
//   ForkPause     Stands around a wait for other threads, which go on although the waiting one is in fork(). The seam's
//                 own waits have theirs.
//   ForkMark      Tells whether the process is a fork()ed child of the one that made the mark.
//
//   process_id, process_birth   Name a process for messages, and for systems that watch the process itself.
//   thread_number  Tells the threads of a process apart, in whichever modules they run. The number of one that has
//                  ended may be given again.
//   clock_id       Which steady clock the process reads: two processes may compare times only if it is the same.
//   random_number  Unlikely to repeat on this machine, even where the system refuses to help.
//   waits_in_vain  Whether other threads of ours cannot go on before the calling one does, or not at all: it is in a
//                  signal handler that has interrupted the holder of a Mutex, or the process ends.
//   is_shutting_down   Whether the process ends and its other threads are gone: nobody is waited for any more.
//   rest           Passes some time without a reason to be woken; may be short, and does not fail.
//   Owners         What a ServerUser means on this system. Users are in the system's own words.
//   user_of        The user that a process runs as, in the system's own words; empty if it does not tell.
//
// Every wait ends at its deadline, also where the system refuses the call that it is made of, and also while a peer
// changes the words all the time. No wait can be cancelled (pthread_cancel). A function that can fail returns a Result
// whose Error names the channel and keeps the native code; a WaitSet has failure(), the native code or 0, and a
// Notifier is false.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <shared_channel/version.hpp>

namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform {

/// How the server stands, seen from a client.
enum class Peer { alive, stopped, died };

/// Whether a server still has its name. unrenewable: what was removed cannot be made anew, because the process has
/// become another user since.
enum class NameState { ours, unknown, lost, unrenewable };

/// What clients may do with an object of the server's.
enum class ForClients { read, write };

/// What a client finds under a channel's name: which generation, and whose record says so.
struct Published {
  std::uint64_t generation;
  std::string owner;
};

/// Why a wait returned.
enum class Wake { signalled, timed_out, server_gone };

/// How an attempt to take the ClientMutex ended.
enum class Lock { locked, abandoned, timed_out, server_gone };

/// One of the signals that a WaitSet sleeps on, and what the caller has seen in its word.
template <class Signal>
struct WaitEntry {
  Signal* signal;
  std::uint32_t seen;
};

/// Not a std::span: its iterators cost every file that includes this more than all the rest of it.
template <class Signal>
struct WaitEntries {
  const WaitEntry<Signal>* first = nullptr;
  std::size_t count = 0;
  [[nodiscard]] const WaitEntry<Signal>* begin() const noexcept { return first; }
  [[nodiscard]] const WaitEntry<Signal>* end() const noexcept { return first + count; }
};

}  // namespace shared_channel::inline SHARED_CHANNEL_ABI::detail::platform
