// The library's version, for users (`#if`) and for the build, which reads it from here.
#pragma once

#define SHARED_CHANNEL_VERSION_MAJOR 0
#define SHARED_CHANNEL_VERSION_MINOR 1
#define SHARED_CHANNEL_VERSION_PATCH 0

/// One comparable number: major * 10000 + minor * 100 + patch.
#define SHARED_CHANNEL_VERSION \
  (SHARED_CHANNEL_VERSION_MAJOR * 10000 + SHARED_CHANNEL_VERSION_MINOR * 100 + SHARED_CHANNEL_VERSION_PATCH)
