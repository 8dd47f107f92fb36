# What Debian wants otherwise than `cmake --install` has it: the documents lie under the package's name, the licence is
# `copyright`, there are changelogs, and these and the manual pages are compressed.
if(NOT CPACK_GENERATOR STREQUAL DEB)
  return()
endif()

function(dress root package)
  set(doc ${root}/share/doc/${package})
  file(REMOVE_RECURSE ${root}/${CPACK_SHARED_CHANNEL_DOC})
  file(MAKE_DIRECTORY ${doc})
  configure_file(${CPACK_RESOURCE_FILE_LICENSE} ${doc}/copyright COPYONLY)
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)  # SOURCE_DATE_EPOCH, if it is set
  file(WRITE ${doc}/changelog.Debian "${package} (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) \
unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  configure_file(${CMAKE_CURRENT_LIST_DIR}/../CHANGELOG.md ${doc}/changelog COPYONLY)
  file(GLOB manuals ${root}/share/man/man*/*)
  execute_process(COMMAND gzip -9n ${doc}/changelog ${doc}/changelog.Debian ${manuals} COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB documents ${doc}/* ${root}/share/man/man*/*)
  file(CHMOD ${documents} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endfunction()

if(CPACK_DEB_COMPONENT_INSTALL)
  foreach(component ${CPACK_COMPONENTS_ALL})
    string(TOUPPER ${component} upper)
    dress(${CPACK_TEMPORARY_INSTALL_DIRECTORY}/${component}/usr ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  endforeach()
else()
  dress(${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr ${CPACK_DEBIAN_PACKAGE_NAME})
endif()
