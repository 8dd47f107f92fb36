/* SharedChannel for C, and for whatever can call C: functions in other processes of the same machine. */
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

/* The library's version: major * 10000 + minor * 100 + patch. */
SC_API uint32_t sc_version(void);

#ifdef __cplusplus
}
#endif

#endif
