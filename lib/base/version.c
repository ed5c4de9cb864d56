/* The version that was compiled, for programs that loaded another one than they were built with. */
#include <qloader/base.h>

uint32_t ql_version_number(void)
{
    return QLOADER_VERSION_NUMBER;
}

const char *ql_version(void)
{
    return QLOADER_VERSION;
}
