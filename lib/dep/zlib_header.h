/* zlib's declarations, for the one other place that needs them: the module that mends libgit2's use of it. Everybody else takes dep/gzip.h. */
#ifndef QL_ZLIB_HEADER_H
#define QL_ZLIB_HEADER_H

#include <zlib.h>

#endif
