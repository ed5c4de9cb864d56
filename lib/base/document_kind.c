/* Names of block kinds, from the table of the public header. */
#include <qloader/document.h>

const char *ql_block_kind_name(int kind)
{
    switch (kind) {
#define KIND_CASE(name, number, text) \
    case number: return text;
        QL_BLOCK_KINDS(KIND_CASE)
#undef KIND_CASE
    default: return "other";
    }
}
