# Catch2 version 3 or 2 from the system, else version 3 from its repository: the target `catch2` and
# catch_discover_tests(). Version 2 is one header, copied so that nothing else of the host's include
# directory reaches a cross build.
add_library(catch2 INTERFACE)

find_package(Catch2 3 QUIET)
if(NOT Catch2_FOUND)
  find_package(Catch2 2 QUIET NO_CMAKE_FIND_ROOT_PATH)
endif()

if(Catch2_FOUND AND Catch2_VERSION VERSION_LESS 3)
  get_target_property(catch2_include Catch2::Catch2 INTERFACE_INCLUDE_DIRECTORIES)
  file(COPY ${catch2_include}/catch2 DESTINATION ${CMAKE_CURRENT_BINARY_DIR}/catch2)
  target_include_directories(catch2 SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR}/catch2)
else()
  if(NOT Catch2_FOUND)
    include(FetchContent)
    FetchContent_Declare(Catch2 GIT_REPOSITORY https://github.com/catchorg/Catch2 GIT_TAG v3.5.4 GIT_SHALLOW ON)
    FetchContent_MakeAvailable(Catch2)
    list(APPEND CMAKE_MODULE_PATH ${catch2_SOURCE_DIR}/extras)
  endif()
  target_link_libraries(catch2 INTERFACE Catch2::Catch2)
endif()
include(Catch)
