/* SharedChannel for C, and for whatever can call C: calls to functions in other processes of the same machine.
 *
 * A channel has a name, one server and any number of clients. A client sends a request and gets the reply, or an error
 * that tells whether the request can have been executed. Messages are bytes; a server may say what they mean by a
 * description such as "{i32 f64[3]}", the same that the C++ library makes of its types, so ends in C and in C++ go
 * together wherever size, alignment and description agree. docs/bindings.md begins with a client and a server.
 *
 * - Errors. Whatever can fail returns a code: SC_OK, or another sc_code. Its last argument, which may be NULL, gets the
 *   details. A wrong argument (NULL where something is needed, an impossible size) is SC_INVALID_ARGUMENT and changes
 *   nothing. Results are written only with SC_OK, unless it says otherwise.
 * - Times. They are nanoseconds of the steady clock, as int64_t. Zero or less: try once, without waiting. SC_FOREVER:
 *   no limit. A timeout is one limit for all that the call waits for.
 * - Structs. They begin with their size, which whoever makes the struct sets:
 *   `sc_client_options options = {sizeof options};`. Every other member may be zero, which is its default. So a program
 *   that was compiled with an older header has shorter structs and goes on with a newer library; with an older library
 *   it goes on as long as the members that the library does not know are zero.
 * - Ownership. What sc_..._open, sc_client_begin, sc_client_call_async, sc_server_next, sc_client_describe, sc_inspect
 *   and sc_list_channels give belongs to the caller, who gives it back to the function named there. That one takes NULL
 *   as well. Strings and data that are given to a function are copied before it returns.
 * - Threads. Each function says so where its object is not for one thread at a time.
 * - fork(). A child may close what its parent made, and use nothing of it: SC_FORKED.
 * - Exceptions. None leaves a function. A callback must not throw, nor leave by longjmp().
 */
#ifndef SHARED_CHANNEL_H
#define SHARED_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#if !defined(_WIN32)
#define SC_API __attribute__((visibility("default")))
#elif defined(SHARED_CHANNEL_C_BUILD)
#define SC_API __declspec(dllexport)
#else
#define SC_API __declspec(dllimport)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ---- */

/* What a function returns. New codes come last. */
typedef int32_t sc_code;
enum {
  SC_OK = 0,
  SC_INVALID_NAME = 1,       /* the channel name is empty, too long, or has a character outside [A-Za-z0-9._-] */
  SC_INVALID_ARGUMENT = 2,   /* an argument or option is out of its range, or the server already serves */
  SC_NAME_IN_USE = 3,        /* a live server has this name already */
  SC_ACCESS_DENIED = 4,      /* the operating system refuses this user the channel's objects */
  SC_NOT_OWNER = 5,          /* the name is held by an object that another user or another kind of program made */
  SC_LAYOUT_MISMATCH = 6,    /* the server's messages or protocol version are others */
  SC_NO_SERVER = 7,          /* no server is running under this name */
  SC_SERVER_STOPPED = 8,     /* the server stopped gracefully before it took the request */
  SC_SERVER_DIED = 9,        /* the server's process ended without an answer */
  SC_BUSY = 10,              /* every slot stayed occupied for as long as the call might wait for one */
  SC_TIMED_OUT = 11,         /* the timeout passed before the answer came */
  SC_CANCELLED = 12,         /* the caller, or its check, cancelled the call before the answer came */
  SC_HANDLER_FAILED = 13,    /* the server failed to answer; the message has its words */
  SC_MESSAGE_TOO_LARGE = 14, /* the message does not fit the channel's slots, or the reply the caller's memory */
  SC_WOULD_DEADLOCK = 15,    /* a handler called the channel that it serves */
  SC_FORKED = 16,            /* the object was made before fork() and is used in the child */
  SC_CORRUPT = 17,           /* shared memory holds what no correct peer writes */
  SC_OUT_OF_MEMORY = 18,     /* memory, or space for shared memory, ran out */
  SC_SYSTEM_ERROR = 19       /* the operating system refused for a reason of its own */
};

/* Why something failed. Every function that takes one fills it, with SC_OK and an empty message if nothing failed.
 * One that is too small for `message` gets a shorter message. */
typedef struct sc_error {
  uint32_t size;         /* sizeof(sc_error), set by the caller; with another the function fails and leaves it alone */
  int32_t code;          /* an sc_code */
  int32_t native;        /* errno or GetLastError(); 0 if the system was not at fault */
  int32_t not_executed;  /* 1: it is certain that no handler saw the request */
  int32_t safe_to_retry; /* 1: not executed, and the same call may succeed later */
  char message[492]; /* a sentence without its full stop, in UTF-8, ended by 0: the channel, the cause, what to do */
} sc_error;

/* An sc_error that is ready for use. */
#define SC_ERROR_INIT                             \
  {                                               \
    (uint32_t)sizeof(sc_error), 0, 0, 0, 0, { 0 } \
  }

/* The code's name, such as "no_server"; "unknown" for a number that is none. A static string. Any thread. */
SC_API const char* sc_code_name(sc_code code);

/* ---- what both ends use ---- */

/* The library's version: major * 10000 + minor * 100 + patch. */
SC_API uint32_t sc_version(void);

/* As a time: without limit. */
#define SC_FOREVER INT64_MAX
/* What a call takes in C++ unless told otherwise: 250 ms. */
#define SC_DEFAULT_TIMEOUT INT64_C(250000000)

/* Which of the machine's sessions see a channel: both ends name the same. Without a difference on Linux. */
enum {
  SC_SCOPE_SESSION = 0, /* Win32: the user's own log-on session */
  SC_SCOPE_MACHINE = 1  /* Win32: the machine; a server needs SeCreateGlobalPrivilege */
};

/* Values of `spin`: how long a waiting thread spins before it sleeps, in nanoseconds. */
enum {
  SC_SPIN_DEFAULT = 0, /* up to 50 us, less where that does not pay */
  SC_SPIN_NEVER = -1   /* sleeps at once */
};                     /* SC_FOREVER: never sleeps, which occupies a core */

/* One of the two messages of a channel. */
typedef struct sc_message {
  uint32_t size;       /* sizeof(sc_message) */
  uint32_t bytes;      /* exactly, or of one that varies in length at most; 0: as described, or 65536 if it varies */
  uint32_t align;      /* a power of two, 1 to 4096; 0: as described. Without meaning for one that varies */
  int32_t is_variable; /* 1: it varies in length, also if its description would tell its size */
  const char* description; /* its type, e.g. "{i32 f64[3]}"; NULL: of a server, any bytes; of a client, the server's */
} sc_message;

/* What travels on a channel. Made by the library alone. */
typedef struct sc_shape {
  uint32_t size;
  uint32_t unused;
  const sc_message* request;
  const sc_message* reply;
} sc_shape;

/* How a function waits, besides its timeout. NULL in the place of one: all of it as by default. */
typedef struct sc_wait {
  uint32_t size; /* sizeof(sc_wait) */
  uint32_t unused;
  /* How long of its timeout a call may wait for a slot. 0: all of it; less than 0: not at all, SC_BUSY at once. */
  int64_t slot_wait;
  /* Called with `context` by the waiting thread, about every 50 ms: other than 0 ends the wait with SC_CANCELLED, and
   * the call that is waited for, unless it is asynchronous. It must not close what is waited for. NULL: never. */
  int (*check)(void* context);
  void* context;
} sc_wait;

/* A file descriptor for poll() and epoll (readable), or a HANDLE for MsgWaitForMultipleObjects. */
typedef intptr_t sc_handle;
#define SC_NO_HANDLE ((sc_handle)-1)

/* ---- clients ---- */

/* Calls the server of a name, and finds a restarted one by itself. */
typedef struct sc_client sc_client;

/* Who may serve a client. Anybody of the machine can take a name while no server is there; then calls say SC_NOT_OWNER.
 */
enum {
  SC_USER_MINE_OR_SYSTEM = 0, /* this process's user, or the system (root; Win32: services and Administrators) */
  SC_USER_ANY = 1,
  SC_USER_UID = 2, /* Linux only: the user `server_uid` */
  SC_USER_SID = 3  /* Win32 only: the user `server_sid` */
};

typedef struct sc_client_options {
  uint32_t size;           /* sizeof(sc_client_options) */
  int32_t scope;           /* SC_SCOPE_... */
  int64_t spin;            /* SC_SPIN_..., nanoseconds, or SC_FOREVER */
  int32_t wait_for_server; /* 1: calls wait for a server to appear instead of failing with SC_NO_SERVER */
  int32_t server_user;     /* SC_USER_... */
  uint32_t server_uid;
  uint32_t unused;
  const char* server_sid;
  const sc_message* request; /* both: calls fail with SC_LAYOUT_MISMATCH where the server's are others */
  const sc_message* reply;   /* neither: whatever the server takes and answers, again after each restart */
} sc_client_options;

/* Needs no server, and makes no system object. `options`: NULL for defaults. To be closed. */
SC_API sc_code sc_client_open(const char* name, const sc_client_options* options, sc_client** client, sc_error* error);

/* Not while another thread uses the client. Its sc_calls may outlive it: those whose sc_call_native_handle() was asked
 * for end now, in SC_TIMED_OUT if there is no answer yet; the others go on, as if the client were there. */
SC_API void sc_client_close(sc_client* client);

/* Asks and waits for the answer, which is copied to `reply`, of which `reply_room` bytes may be used; `*reply_size`, if
 * that is not NULL, gets its length. A longer one is SC_MESSAGE_TOO_LARGE. A request of fixed size must have exactly
 * that. If the server goes before it saw the request and another is there, the same call goes on with that one. A
 * request that a timeout or a check overtakes is withdrawn if nobody has taken it, and then never runs. Any number of
 * threads at once. */
SC_API sc_code sc_client_call(sc_client* client, const void* request, size_t request_size, void* reply,
                              size_t reply_room, size_t* reply_size, int64_t timeout, const sc_wait* wait,
                              sc_error* error);

/* Waits until a server is there and attaches to it. Any number of threads at once. */
SC_API sc_code sc_client_wait_for_server(sc_client* client, int64_t timeout, const sc_wait* wait, sc_error* error);

/* 1: attached to a server that is alive at this moment. Any number of threads at once. */
SC_API int sc_client_is_connected(sc_client* client);

/* What the server takes and answers; waits for a server. To be given back to sc_shape_free(). Messages that were made
 * for it reach no server of another shape: once this was asked, calls fail with SC_LAYOUT_MISMATCH after such a change,
 * until it is asked again. Any number of threads at once. */
SC_API sc_code sc_client_describe(sc_client* client, int64_t timeout, const sc_wait* wait, const sc_shape** shape,
                                  sc_error* error);
/* Gives a shape back. Any thread. */
SC_API void sc_shape_free(const sc_shape* shape);

/* ---- calls in place, and calls that are not waited for ----
 *
 *   in place      sc_client_begin, write where sc_call_room says, sc_call_send, then as below
 *   asynchronous  sc_client_call_async
 *   both          sc_call_wait (or poll the sc_call_native_handle), sc_call_reply, read, sc_call_release
 *
 * One thread at a time uses a call. Each occupies one of the server's slots until it is released. Nobody sends such a
 * request again: if the server goes, the call ends in SC_SERVER_DIED or SC_SERVER_STOPPED, and not_executed tells the
 * rest. */
typedef struct sc_call sc_call;

/* Takes a slot for a request that is to be written in place. The timeout is that of the whole call and begins here. To
 * be released. Any number of threads at once. */
SC_API sc_code sc_client_begin(sc_client* client, int64_t timeout, const sc_wait* wait, sc_call** call,
                               sc_error* error);

/* Where to write the request: shared memory of `*room_size` bytes, aligned as the server says, with what an earlier
 * call left there. NULL, and 0 bytes, once sent. */
SC_API void* sc_call_room(sc_call* call, size_t* room_size);

/* Sends the first `size` bytes of the room: all of them, if requests have a fixed size. If it fails, the call is over
 * and never runs. Does not wait. */
SC_API sc_code sc_call_send(sc_call* call, size_t size, sc_error* error);

/* Sends a copy of the request and returns. Waits for a slot where all are occupied. To be released. Any number of
 * threads at once. */
SC_API sc_code sc_client_call_async(sc_client* client, const void* request, size_t request_size, int64_t timeout,
                                    const sc_wait* wait, sc_call** call, sc_error* error);

/* Waits until the call has ended, well or not: then SC_OK. SC_TIMED_OUT or SC_CANCELLED (`wait->check`): it has not,
 * and goes on. */
SC_API sc_code sc_call_wait(sc_call* call, int64_t timeout, const sc_wait* wait, sc_error* error);

/* 1: it has ended. */
SC_API int sc_call_is_ready(sc_call* call);

/* Signalled once the call has ended, and then for good. Made when first asked for, and the call's: to be neither closed
 * nor read. SC_NO_HANDLE if the system has none to give, and while the call is not sent. */
SC_API sc_handle sc_call_native_handle(sc_call* call);

/* Waits for the end of the call, at most until its own timeout, and gives the reply, or says what it ended in; again,
 * if asked again. It has no sc_wait: whoever wants to be called away waits with sc_call_wait() before. The reply lies
 * in shared memory, aligned as the server says, until the call is released: a server of ill will can change it
 * meanwhile, so look at it once, or copy it. */
SC_API sc_code sc_call_reply(sc_call* call, const void** reply, size_t* reply_size, sc_error* error);

/* Ends the call now, unless it has ended: sc_call_reply() then says SC_CANCELLED. One that was not sent yet is never
 * sent. Does not block. Like the others not while another thread uses the call, nor waits for it: a waiting thread is
 * called away by its own `check`. */
SC_API void sc_call_cancel(sc_call* call);

/* Gives the slot back. A call that has not ended is given up: a request that nobody took never runs. */
SC_API void sc_call_release(sc_call* call);

/* ---- servers ---- */

/* Answers the calls of a name, which no other live server has meanwhile. */
typedef struct sc_server sc_server;
/* One call to answer. */
typedef struct sc_request sc_request;

/* Who may call. Enforced by the operating system. */
enum {
  SC_ACCESS_CURRENT_USER = 0,
  SC_ACCESS_EVERYONE = 1, /* each of whom can then disturb the channel */
  SC_ACCESS_MODE = 2,     /* Linux only: `access_mode`, and `access_group` if `has_access_group` */
  SC_ACCESS_SDDL = 3      /* Win32 only: `access_sddl` */
};

typedef struct sc_server_options {
  uint32_t size;        /* sizeof(sc_server_options) */
  int32_t scope;        /* SC_SCOPE_... */
  int64_t spin;         /* SC_SPIN_..., nanoseconds, or SC_FOREVER */
  uint32_t max_calls;   /* calls in flight at once, up to 4096; further callers queue; 0: 16 */
  uint32_t threads;     /* of sc_server_serve, up to 256; 0: 1 */
  int32_t access;       /* SC_ACCESS_... */
  uint32_t access_mode; /* the mode bits of the channel's files: the owner needs 0600 */
  int32_t has_access_group;
  uint32_t access_group;
  const char* access_sddl;
} sc_server_options;

/* `request` and `reply`: what travels; NULL for any bytes, up to 64 KiB. `options`: NULL for defaults. To be closed. */
SC_API sc_code sc_server_open(const char* name, const sc_message* request, const sc_message* reply,
                              const sc_server_options* options, sc_server** server, sc_error* error);

/* Stops the server and takes it from the caller; not while another thread uses it. Requests that are still out can be
 * answered: with the last of them the server ends, and its name is free. */
SC_API void sc_server_close(sc_server* server);

/* The next request. SC_TIMED_OUT: none came; SC_SERVER_STOPPED: none will. To be released. One thread at a time
 * (SC_INVALID_ARGUMENT); the requests may be answered by any. */
SC_API sc_code sc_server_next(sc_server* server, int64_t timeout, const sc_wait* wait, sc_request** request,
                              sc_error* error);

/* What answers a request: reads it (of more than 4096 bytes: in shared memory, where its caller could change it) and
 * writes its reply in place, of which `reply_room` bytes may be used. It returns how long the reply is, or a negative
 * number, with `failure` filled: its code, not_executed and message reach the caller. */
typedef int64_t (*sc_handler)(void* context, const void* request, size_t request_size, void* reply, size_t reply_room,
                              sc_error* failure);
/* The other way than sc_server_next(), which it excludes: has `handler` answer, on this thread and options.threads - 1
 * others, until sc_server_stop(), which also calls it away. */
SC_API sc_code sc_server_serve(sc_server* server, sc_handler handler, void* context, sc_error* error);

/* Ends serving for good: waiting and later calls get SC_SERVER_STOPPED. From any thread, a handler, a signal or console
 * handler. Does not wait. */
SC_API void sc_server_stop(sc_server* server);

/* Signalled while requests wait, and for good once the server stops. After a wake-up call sc_server_next() with a
 * timeout of 0 until it finds none: only that takes the signal back. Costs a thread, and a request one more wake-up.
 * Made when first asked for, and the server's: to be neither closed nor read. Any number of threads at once. */
SC_API sc_handle sc_server_native_handle(sc_server* server);

/* What became of the calls so far, as ServerStats in C++. */
typedef struct sc_stats {
  uint32_t size; /* sizeof(sc_stats) */
  uint32_t unused;
  uint64_t done, failed, refused, withdrawn, abandoned, malformed, damaged;
  uint32_t running, waiting;
  int64_t longest_running; /* nanoseconds */
} sc_stats;
/* Fills `stats`, whose size the caller has set; what this library does not know is zero. Any number of threads at once.
 */
SC_API sc_code sc_server_stats(sc_server* server, sc_stats* stats, sc_error* error);

/* The request's bytes, aligned to 16; they are the request's. Of more than 4096 bytes: in shared memory, where its
 * caller could change them, so look at them once. */
SC_API const void* sc_request_data(const sc_request* request, size_t* size);

/* Answers with a copy of `reply`. One that is too long reaches the caller as SC_MESSAGE_TOO_LARGE; one of another size
 * than replies of fixed size have as SC_HANDLER_FAILED. A request is answered once: then SC_INVALID_ARGUMENT. */
SC_API sc_code sc_request_reply(sc_request* request, const void* reply, size_t size, sc_error* error);

/* Or in place: where to write the reply. NULL, and 0 bytes, once answered. */
SC_API void* sc_request_room(sc_request* request, size_t* room_size);
/* Answers with the first `size` bytes of the room; otherwise as sc_request_reply(). */
SC_API sc_code sc_request_send(sc_request* request, size_t size, sc_error* error);

/* Answers with SC_HANDLER_FAILED and `text`, of which 252 bytes travel. */
SC_API sc_code sc_request_fail(sc_request* request, const char* text, sc_error* error);

/* Passes an error on: one of another channel that the request needed, or of one's own making. Its code (not SC_OK),
 * not_executed and the first 252 bytes of its message travel. */
SC_API sc_code sc_request_relay(sc_request* request, const sc_error* failure, sc_error* error);

/* 1: nobody waits for the answer any more. May cost a system call. */
SC_API int sc_request_is_cancelled(const sc_request* request);
/* Nanoseconds until the caller stops waiting, 0 or more; SC_FOREVER if it never does. */
SC_API int64_t sc_request_time_left(const sc_request* request);
/* The process that asks, as it says. */
SC_API uint32_t sc_request_caller(const sc_request* request);

/* Gives the request back. Its caller gets SC_HANDLER_FAILED if it was not answered. */
SC_API void sc_request_release(sc_request* request);

/* ---- channels seen from outside ---- */

/* How a server stands. */
enum {
  SC_STATE_OPEN = 0,
  SC_STATE_STOPPING = 1,
  SC_STATE_STARTING = 2,
  SC_STATE_DEAD = 3,      /* its process ended without a stop */
  SC_STATE_NO_ACCESS = 4, /* the system does not let this user look: `problem` says where */
  SC_STATE_UNREADABLE = 5 /* damaged, of another protocol version, or no channel: `problem` says why */
};
/* How a call in flight stands. */
enum {
  SC_CALL_PREPARING = 0,
  SC_CALL_QUEUED = 1,
  SC_CALL_RUNNING = 2,
  SC_CALL_ABANDONED = 3, /* it runs, and its caller has given it up */
  SC_CALL_ANSWERED = 4
};

typedef struct sc_call_info {
  uint32_t size;
  uint32_t slot;
  int32_t state; /* SC_CALL_... */
  uint32_t number;
  uint32_t process_id; /* the caller's, as it says; 0 before it has, and after it gave the call up */
  int32_t is_caller_alive;
  int64_t waited; /* nanoseconds; less than 0: not known */
  int64_t left;   /* until its deadline: less than 0 if it is late, SC_FOREVER if it has none or it is not known */
} sc_call_info;

/* As ChannelInfo in C++. Strings are never NULL. */
typedef struct sc_info {
  uint32_t size; /* as much of the struct as this library knows */
  int32_t state; /* SC_STATE_... */
  const char* name;
  const char* problem;
  uint64_t generation; /* another number for each server of the name */
  uint32_t protocol_version;
  uint32_t process_id;
  const char* program;
  const char* user;
  const char* access;
  int64_t started; /* nanoseconds since 1970-01-01 UTC; 0: not known */
  uint64_t memory; /* bytes */
  const sc_shape* shape;
  uint32_t max_calls;
  uint32_t slots_used;
  uint32_t clients;
  uint32_t clients_so_far;
  uint32_t sleeping_threads;
  int32_t is_slot_awaited;
  uint64_t calls_so_far;
  const sc_stats* stats;
  int64_t stats_age;                /* nanoseconds; less than 0: never written */
  const sc_call_info* const* calls; /* in flight */
  size_t call_count;
} sc_info;

/* Looks at the channel of a name, and changes nothing. To be given back to sc_info_free(). Any thread. */
SC_API sc_code sc_inspect(const char* name, int32_t scope, const sc_info** info, sc_error* error);
/* Gives what sc_inspect() has told back. Any thread. */
SC_API void sc_info_free(const sc_info* info);

/* Names of channels, sorted. */
typedef struct sc_list {
  uint32_t size;
  uint32_t count;
  const char* const* names;
} sc_list;
/* The names of all channels that the system shows: also of those that one may not open, and of what killed servers
 * left. To be given back to sc_list_free(). Any thread. */
SC_API sc_code sc_list_channels(int32_t scope, const sc_list** list, sc_error* error);
/* Gives a list back. Any thread. */
SC_API void sc_list_free(const sc_list* list);

#ifdef __cplusplus
}
#endif

#endif
