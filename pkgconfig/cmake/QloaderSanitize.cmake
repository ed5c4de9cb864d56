# Sanitizers and coverage, on every target of ours and on the bundled sources (grammars excepted: they are modules).
if(QLOADER_SANITIZE STREQUAL "address")
  set(qloader_sanitize_flags -fsanitize=address,undefined -fno-sanitize-recover=undefined)
elseif(QLOADER_SANITIZE STREQUAL "thread")
  set(qloader_sanitize_flags -fsanitize=thread)
elseif(NOT QLOADER_SANITIZE STREQUAL "")
  message(FATAL_ERROR "QLOADER_SANITIZE is '${QLOADER_SANITIZE}': use address, thread or nothing")
endif()
if(QLOADER_COVERAGE)
  list(APPEND qloader_sanitize_flags -fprofile-arcs -ftest-coverage -fprofile-update=atomic) # not --coverage, which a file cannot take back; threads count in the same counters
endif()
if(QLOADER_FUZZ)
  list(APPEND qloader_sanitize_flags -fsanitize=fuzzer-no-link) # without coverage libFuzzer refuses to start
endif()
target_compile_options(qloader_flags INTERFACE ${qloader_sanitize_flags})
target_link_options(qloader_flags INTERFACE ${qloader_sanitize_flags})
