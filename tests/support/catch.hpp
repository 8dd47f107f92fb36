// Catch2, whichever version is there, and how a test skips itself.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_ENABLE_ALL_STRINGMAKERS
#include <catch2/catch.hpp>
#endif

#include <cstdio>
#include <string>

namespace test_support {

// At its end the running test says that it was skipped, and ctest counts it so; unless something in it has failed.
void skip(std::string reason);

}  // namespace test_support

#define SKIP_TEST(reason)         \
  do {                            \
    ::test_support::skip(reason); \
    SUCCEED();                    \
    return;                       \
  } while (false)
