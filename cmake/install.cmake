# The headers, the CMake package, the pkg-config file and the licence. Nothing of it belongs to a processor or a system:
# it lies in share/, and all paths in it are relative to the place where it is found.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# In another project CMAKE_INSTALL_DOCDIR is that project's.
set(doc_dir ${CMAKE_INSTALL_DATAROOTDIR}/doc/shared_channel)
if(top_level)
  set(doc_dir ${CMAKE_INSTALL_DOCDIR})
endif()
set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/shared_channel)
set(pkgconfig_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)

install(TARGETS shared_channel EXPORT shared_channel-targets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/shared_channel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.hpp)
install(EXPORT shared_channel-targets NAMESPACE shared_channel:: DESTINATION ${package_dir})

# The compiled form belongs to a processor: it and its part of the package lie in lib/.
set(include_compiled "")
if(SHARED_CHANNEL_BUILD_COMPILED)
  set(compiled_dir ${CMAKE_INSTALL_LIBDIR}/cmake/shared_channel)
  install(TARGETS shared_channel_compiled EXPORT shared_channel_compiled-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT compiled)
  install(EXPORT shared_channel_compiled-targets NAMESPACE shared_channel:: DESTINATION ${compiled_dir}
    COMPONENT compiled)
  set(found_dir \${PACKAGE_PREFIX_DIR}/${compiled_dir})
  if(IS_ABSOLUTE ${compiled_dir})
    set(found_dir ${compiled_dir})
  endif()
  set(include_compiled "if(EXISTS ${found_dir}/shared_channel_compiled-targets.cmake)
  include(${found_dir}/shared_channel_compiled-targets.cmake)
  set(shared_channel_compiled_FOUND TRUE)
endif()
")
endif()

configure_package_config_file(cmake/shared_channel-config.cmake.in shared_channel-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(shared_channel-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  ${PROJECT_BINARY_DIR}/shared_channel-config.cmake
  ${PROJECT_BINARY_DIR}/shared_channel-config-version.cmake
  DESTINATION ${package_dir})

# Relative to the file, unless somebody has said where one of the two is for good.
if(IS_ABSOLUTE ${pkgconfig_dir})
  set(pkgconfig_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH pkgconfig_prefix /${pkgconfig_dir} /)
  string(REGEX REPLACE "/$" "" pkgconfig_prefix "\${pcfiledir}/${pkgconfig_prefix}")
endif()
set(pkgconfig_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
if(IS_ABSOLUTE ${pkgconfig_dir} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  set(pkgconfig_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
endif()
if(WIN32)
  set(pkgconfig_libs -ladvapi32)
else()
  set(pkgconfig_libs -lrt)
endif()
configure_file(cmake/shared_channel.pc.in shared_channel.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/shared_channel.pc DESTINATION ${pkgconfig_dir})
install(FILES LICENSE DESTINATION ${doc_dir})

if(top_level)
  add_custom_target(uninstall
    COMMAND ${CMAKE_COMMAND} -D manifest=${PROJECT_BINARY_DIR}/install_manifest.txt
      -P ${CMAKE_CURRENT_LIST_DIR}/uninstall.cmake)
endif()
