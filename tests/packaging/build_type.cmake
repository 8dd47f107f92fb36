# Whoever builds without saying how gets what is optimised, since that is what he installs; whoever says it gets that,
# and a project above this one decides for itself.
cmake_minimum_required(VERSION 3.16)
file(REMOVE_RECURSE ${scratch})
set(quiet -DSHARED_CHANNEL_BUILD_TESTS=OFF -DSHARED_CHANNEL_BUILD_EXAMPLES=OFF -DSHARED_CHANNEL_BUILD_COMPILED=ON
  ${options})
unset(ENV{CMAKE_BUILD_TYPE})
unset(ENV{CXXFLAGS})

function(expect_build_type wanted build source)
  execute_process(COMMAND ${CMAKE_COMMAND} -G ${generator} -S ${source} -B ${scratch}/${build} ${quiet} ${ARGN}
    RESULT_VARIABLE result OUTPUT_QUIET)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "cannot configure ${source} with ${ARGN}")
  endif()
  file(STRINGS ${scratch}/${build}/CMakeCache.txt found REGEX "^CMAKE_BUILD_TYPE:")
  if(NOT found STREQUAL "CMAKE_BUILD_TYPE:STRING=${wanted}")
    message(SEND_ERROR "${source} ${ARGN}: the build type is to be '${wanted}', and the cache says: ${found}")
  endif()
endfunction()

expect_build_type("Release" plain ${source})
expect_build_type("Debug" chosen ${source} -DCMAKE_BUILD_TYPE:STRING=Debug)
file(WRITE ${scratch}/parent/CMakeLists.txt "cmake_minimum_required(VERSION 3.16)
project(parent LANGUAGES CXX)
add_subdirectory(\"${source}\" below)
")
expect_build_type("" child ${scratch}/parent)
