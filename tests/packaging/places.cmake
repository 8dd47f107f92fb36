# The pkg-config file names the right places also where directories are given as absolute paths, and the licence does
# not land among the documents of a project that has this one below it.
cmake_minimum_required(VERSION 3.16)
file(REMOVE_RECURSE ${scratch})
set(quiet -DSHARED_CHANNEL_BUILD_TESTS=OFF -DSHARED_CHANNEL_BUILD_EXAMPLES=OFF -DCMAKE_INSTALL_PREFIX=/opt/x ${options})

function(configure build source)
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${source} -B ${build} ${quiet} ${ARGN} RESULT_VARIABLE result
    OUTPUT_QUIET)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "cannot configure with ${ARGN}")
  endif()
endfunction()

function(expect_lines file)
  file(STRINGS ${file} lines)
  foreach(line ${ARGN})
    if(NOT line IN_LIST lines)
      message(FATAL_ERROR "${file} has no line ${line}:\n${lines}")
    endif()
  endforeach()
endfunction()

configure(${scratch}/absolute ${source} -DCMAKE_INSTALL_DATADIR=/opt/data)
expect_lines(${scratch}/absolute/shared_channel.pc "prefix=/opt/x" "includedir=/opt/x/include")
configure(${scratch}/absolute ${source} -DCMAKE_INSTALL_DATADIR=share -DCMAKE_INSTALL_INCLUDEDIR=/opt/headers)
expect_lines(${scratch}/absolute/shared_channel.pc "prefix=\${pcfiledir}/../.." "includedir=/opt/headers")

file(WRITE ${scratch}/parent/CMakeLists.txt "cmake_minimum_required(VERSION 3.16)
project(parent LANGUAGES CXX)
include(GNUInstallDirs)
set(SHARED_CHANNEL_INSTALL ON CACHE BOOL \"\")
add_subdirectory(\"${source}\" below)
")
configure(${scratch}/child ${scratch}/parent)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${scratch}/child --prefix ${scratch}/installed RESULT_VARIABLE result
  OUTPUT_QUIET)
if(NOT result EQUAL 0 OR NOT EXISTS ${scratch}/installed/share/doc/shared_channel/LICENSE)
  message(FATAL_ERROR "the licence is not in share/doc/shared_channel")
endif()
