# Pinned third-party sources, unpacked by pkgconfig/deps/fetch in QLOADER_DEPS_DIR: static libraries that end up inside
# libqloader (lexbor_static, tree_sitter_core) and modules opened on first use (qloader-git2, qloader-grammar-<name>).
# They are compiled alike in every build type: -O2, no assertions, no warnings, hidden symbols; the static ones take part
# in the sanitizers (undefined behaviour excepted: not ours to abort on), the modules do not: gcc's runtime is a library that a
# module would bring into a program without it. In the fuzz preset (clang's runtime is in the program) libgit2 and the grammars'
# scanners take part too, and all of these report which edges an input reaches; the grammars' tables stay as they are.
option(QLOADER_GRAMMARS "Build the grammars of the programming languages" ON)

# qloader_pinned(OUT lexbor-name): the folder of an unpacked source, by its line in pins.txt.
function(qloader_pinned out name)
  file(STRINGS ${PROJECT_SOURCE_DIR}/pkgconfig/deps/pins.txt row REGEX "^${name} ")
  separate_arguments(fields UNIX_COMMAND "${row}")
  list(GET fields 1 version)
  list(GET fields 2 sha256)
  set(folder ${QLOADER_DEPS_DIR}/src/${name}-${version})
  set(found "")
  if(EXISTS ${folder}/.pinned)
    file(STRINGS ${folder}/.pinned found LIMIT_COUNT 1)
  endif()
  if(NOT found STREQUAL sha256)
    message(FATAL_ERROR "The pinned source ${name} ${version} is not in ${QLOADER_DEPS_DIR}.\n"
      "Run: pkgconfig/deps/fetch ${QLOADER_DEPS_DIR}\n(or name the folder it was fetched to: -DQLOADER_DEPS_DIR=...)")
  endif()
  set(${out} ${folder} PARENT_SCOPE)
  if(QLOADER_INSTALL) # the notices travel with what is built from it
    foreach(notice LICENSE NOTICE lexbor/LICENSE lexbor/NOTICE libgit2/COPYING libgit2/AUTHORS)
      if(EXISTS ${folder}/${notice})
        string(REPLACE "/" "-" file ${notice})
        install(FILES ${folder}/${notice} DESTINATION ${CMAKE_INSTALL_DOCDIR}/licences/${name} RENAME ${file})
      endif()
    endforeach()
  endif()
endfunction()

set(qloader_fuzz_foreign_flags -fsanitize=address -fsanitize=fuzzer-no-link -fno-omit-frame-pointer -g1)

# What every foreign target has in common.
function(qloader_foreign target)
  # Frame pointers and unwind tables: samples of a profiler that fall into it reach whoever called it.
  target_compile_options(${target} PRIVATE -std=gnu11 -O2 -g0 -w -fvisibility=hidden -fno-omit-frame-pointer ${qloader_leaf_frames} -fasynchronous-unwind-tables)
  target_compile_definitions(${target} PRIVATE NDEBUG)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON INTERPROCEDURAL_OPTIMIZATION OFF
    EXPORT_COMPILE_COMMANDS OFF)
endfunction()

function(qloader_foreign_static target)
  qloader_foreign(${target})
  if(QLOADER_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${QLOADER_SANITIZE} -fno-omit-frame-pointer)
  endif()
  if(QLOADER_FUZZ)
    target_compile_options(${target} PRIVATE ${qloader_fuzz_foreign_flags})
  endif()
endfunction()

function(qloader_foreign_module target name)
  qloader_foreign(${target})
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/modules)
  if(QLOADER_SANITIZE) # so that a report of a leak names who lost it
    target_compile_options(${target} PRIVATE -fno-omit-frame-pointer)
  endif()
  target_link_options(${target} PRIVATE -Wl,-Bsymbolic)
  if(NOT QLOADER_FUZZ) # there the sanitizer's functions are the program's
    target_link_options(${target} PRIVATE -Wl,--no-undefined)
  endif()
  if(QLOADER_INSTALL)
    install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/qloader COMPONENT modules)
  endif()
endfunction()

# lexbor: the HTML parser with its document tree; not its CSS, URL and encoding parts.
qloader_pinned(dir selectolax)
set(lexbor ${dir}/lexbor/source)
file(GLOB_RECURSE sources LIST_DIRECTORIES false
  ${lexbor}/lexbor/core/*.c ${lexbor}/lexbor/dom/*.c ${lexbor}/lexbor/html/*.c ${lexbor}/lexbor/ns/*.c
  ${lexbor}/lexbor/tag/*.c ${lexbor}/lexbor/ports/posix/lexbor/core/*.c)
add_library(lexbor_static STATIC ${sources})
qloader_foreign_static(lexbor_static)
target_include_directories(lexbor_static SYSTEM PUBLIC ${lexbor})
target_compile_definitions(lexbor_static PUBLIC LEXBOR_STATIC)
target_link_libraries(lexbor_static PRIVATE m)

# tree-sitter: the parser's core; one file includes the others.
qloader_pinned(dir tree-sitter)
add_library(tree_sitter_core STATIC ${dir}/src/lib.c)
qloader_foreign_static(tree_sitter_core)
target_include_directories(tree_sitter_core SYSTEM PUBLIC ${dir}/include PRIVATE ${dir}/src)
target_compile_definitions(tree_sitter_core PRIVATE _POSIX_C_SOURCE=200112L _DEFAULT_SOURCE TREE_SITTER_HIDE_SYMBOLS)

# qloader_mended(FILE OUT WRONG RIGHT): OUT is a copy of FILE in which RIGHT stands for WRONG, which must be there once.
function(qloader_mended file out wrong right)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  string(FIND "${text}" "${wrong}" first)
  string(FIND "${text}" "${wrong}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "${file} is not as expected: what is to be mended does not stand there once: ${wrong}")
  endif()
  string(REPLACE "${wrong}" "${right}" text "${text}")
  set(old "")
  if(EXISTS ${out})
    file(READ ${out} old)
  endif()
  if(NOT old STREQUAL text) # what did not change is not compiled again
    file(WRITE ${out} "${text}")
  endif()
endfunction()

# qloader_grammar(NAME CRATE [FOLDER]): a module that exports tree_sitter_NAME. Its scanner takes memory from whoever parses.
set(QLOADER_GRAMMAR_NAMES "")
function(qloader_grammar name crate)
  qloader_pinned(dir ${crate})
  set(src ${dir}/${ARGV2}/src)
  set(sources ${src}/parser.c ${PROJECT_SOURCE_DIR}/lib/convert/grammar_memory.c)
  if(EXISTS ${src}/scanner.c)
    set(scanner ${src}/scanner.c)
    if(name STREQUAL swift) # "#if" at the end of a file: the end is a 0, as that of the name, and reading went on behind both
      set(scanner ${PROJECT_BINARY_DIR}/mended/${name}/scanner.c)
      qloader_mended(${src}/scanner.c ${scanner} "if (expected_char != lexer->lookahead)"
        "if (expected_char == '\\0' || expected_char != lexer->lookahead)")
    endif()
    list(APPEND sources ${scanner})
    set_source_files_properties(${scanner} PROPERTIES COMPILE_DEFINITIONS
      "malloc=ql__grammar_malloc;calloc=ql__grammar_calloc;realloc=ql__grammar_realloc;free=ql__grammar_free")
    if(QLOADER_FUZZ)
      set_source_files_properties(${scanner} PROPERTIES COMPILE_OPTIONS "${qloader_fuzz_foreign_flags}")
    endif()
  endif()
  add_library(qloader_grammar_${name} MODULE ${sources})
  qloader_foreign_module(qloader_grammar_${name} qloader-grammar-${name})
  # A grammar that is all tables calls nothing of libc, and compilers that link what is needed alone leave it out; what starts and ends a
  # module is libc's all the same.
  target_link_options(qloader_grammar_${name} PRIVATE -Wl,--push-state,--no-as-needed,-lc,--pop-state)
  target_include_directories(qloader_grammar_${name} PRIVATE ${src})
  set(QLOADER_GRAMMAR_NAMES ${QLOADER_GRAMMAR_NAMES} ${name} PARENT_SCOPE)
endfunction()
if(QLOADER_GRAMMARS)
  qloader_grammar(c tree-sitter-c)
  qloader_grammar(cpp tree-sitter-cpp)
  qloader_grammar(python tree-sitter-python)
  qloader_grammar(javascript tree-sitter-javascript)
  qloader_grammar(typescript tree-sitter-typescript typescript)
  qloader_grammar(tsx tree-sitter-typescript tsx)
  qloader_grammar(go tree-sitter-go)
  qloader_grammar(rust tree-sitter-rust)
  qloader_grammar(java tree-sitter-java)
  qloader_grammar(c_sharp tree-sitter-c-sharp)
  qloader_grammar(php tree-sitter-php php)
  qloader_grammar(ruby tree-sitter-ruby)
  qloader_grammar(kotlin tree-sitter-kotlin-ng)
  qloader_grammar(swift tree-sitter-swift)
  qloader_grammar(scala tree-sitter-scala)
  qloader_grammar(bash tree-sitter-bash)
  qloader_grammar(sql tree-sitter-sequel)
endif()

# libgit2 with TLS by OpenSSL, ssh by libssh2, zlib of the distribution; its own regular expressions and HTTP parser.
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(SSH2 REQUIRED IMPORTED_TARGET libssh2)
qloader_pinned(dir libgit2-sys)
set(git2 ${dir}/libgit2)
set(QLOADER_GIT2_INCLUDE_DIR ${git2}/include)
file(GLOB sources LIST_DIRECTORIES false
  ${git2}/src/libgit2/*.c ${git2}/src/libgit2/transports/*.c ${git2}/src/libgit2/streams/*.c
  ${git2}/src/util/*.c ${git2}/src/util/unix/*.c ${git2}/deps/llhttp/*.c ${git2}/deps/xdiff/*.c ${git2}/deps/pcre2/*.c)
list(FILTER sources EXCLUDE REGEX "pcre2_fuzzsupport")
list(APPEND sources ${git2}/src/util/allocators/failalloc.c ${git2}/src/util/allocators/stdalloc.c
  ${git2}/src/util/hash/collisiondetect.c ${git2}/src/util/hash/sha1dc/sha1.c ${git2}/src/util/hash/sha1dc/ubc_check.c
  ${git2}/src/util/hash/openssl.c)
math(EXPR bits "${CMAKE_SIZEOF_VOID_P} * 8")
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/git2/git2_features.h @ONLY CONTENT
"#define GIT_ARCH_@bits@ 1
#define GIT_THREADS 1
#define GIT_USE_NSEC 1
#define GIT_USE_STAT_MTIM 1
#define GIT_USE_FUTIMENS 1
#define GIT_IO_POLL 1
#define GIT_IO_SELECT 1
#define GIT_QSORT_GNU 1
#define GIT_RAND_GETENTROPY 1
#define GIT_RAND_GETLOADAVG 1
#define GIT_REGEX_BUILTIN 1
#define GIT_HTTPPARSER_BUILTIN 1
#define GIT_COMPRESSION_ZLIB 1
#define GIT_HTTPS 1
#define GIT_OPENSSL 1
#define GIT_SHA1_COLLISIONDETECT 1
#define GIT_SHA256_OPENSSL 1
#define GIT_SSH 1
#define GIT_SSH_LIBSSH2 1
#define GIT_SSH_LIBSSH2_MEMORY_CREDENTIALS 1
")
# A server that hangs up is an error of send(), not a signal that ends the host's process.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/git2/no_sigpipe.h @ONLY CONTENT
"#include <sys/socket.h>
#define send(socket, bytes, count, flags) send(socket, bytes, count, (flags) | MSG_NOSIGNAL)
")
add_library(qloader_git2 MODULE ${sources} ${PROJECT_SOURCE_DIR}/lib/source/git2_mended.c)
set_source_files_properties(${PROJECT_SOURCE_DIR}/lib/source/git2_mended.c PROPERTIES INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/lib)
target_compile_options(qloader_git2 PRIVATE -include ${PROJECT_BINARY_DIR}/git2/no_sigpipe.h)
target_link_options(qloader_git2 PRIVATE -Wl,--wrap=inflate -Wl,--wrap=git_mwindow_open
  -Wl,--wrap=git_config_get_entry -Wl,--wrap=git__prefixcmp -Wl,--wrap=git_signature__parse)
qloader_foreign_module(qloader_git2 qloader-git2)
if(QLOADER_FUZZ)
  target_compile_options(qloader_git2 PRIVATE ${qloader_fuzz_foreign_flags})
endif()
target_include_directories(qloader_git2 PRIVATE ${PROJECT_BINARY_DIR}/git2 ${git2}/include ${git2}/src/libgit2 ${git2}/src/util
  ${git2}/deps/llhttp ${git2}/deps/xdiff ${git2}/deps/pcre2)
target_compile_definitions(qloader_git2 PRIVATE _GNU_SOURCE _FILE_OFFSET_BITS=64
  SHA1DC_NO_STANDARD_INCLUDES=1 SHA1DC_CUSTOM_INCLUDE_SHA1_C="common.h" SHA1DC_CUSTOM_INCLUDE_UBC_CHECK_C="common.h"
  PCRE2_STATIC PCRE2_EXPORT= PCRE2_EXP_DECL= PCRE2_EXP_DEFN= PCRE2_CODE_UNIT_WIDTH=8 SUPPORT_PCRE2_8=1 SUPPORT_UNICODE=1
  LINK_SIZE=2 HEAP_LIMIT=20000000 MATCH_LIMIT=10000000 MATCH_LIMIT_DEPTH=MATCH_LIMIT MAX_VARLOOKBEHIND=255
  NEWLINE_DEFAULT=2 PARENS_NEST_LIMIT=250 MAX_NAME_SIZE=128 MAX_NAME_COUNT=10000)
target_link_libraries(qloader_git2 PRIVATE OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB PkgConfig::SSH2 Threads::Threads rt)
# For tests that speak to libgit2 themselves.
add_library(git2_headers INTERFACE)
target_include_directories(git2_headers SYSTEM INTERFACE ${QLOADER_GIT2_INCLUDE_DIR})
