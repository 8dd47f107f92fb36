#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_ENABLE_ALL_STRINGMAKERS
#include <catch2/catch.hpp>
#endif

#include <cstdio>

// ctest counts a test that says so as skipped.
#define SKIP_TEST(reason)                        \
  do {                                           \
    std::printf("test skipped: %s\n", (reason)); \
    SUCCEED();                                   \
    return;                                      \
  } while (false)
