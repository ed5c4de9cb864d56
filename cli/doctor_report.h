/* What `qloader doctor` found, check by check: kept as JSON, shown as a list. */
#ifndef CLI_DOCTOR_REPORT_H
#define CLI_DOCTOR_REPORT_H

#include <jansson.h>

#include "command.h"

typedef enum verdict { VERDICT_OK, VERDICT_WARNING, VERDICT_FAIL, VERDICT_SKIPPED, VERDICT_COUNT } verdict;

typedef struct doctor_report {
    json_t *checks;
    size_t counts[VERDICT_COUNT];
    bool lost; /* a check could not be kept: no memory */
} doctor_report;

/* What goes with a finding that is not ok: why it matters, and the command or step that mends it. */
typedef struct remedy {
    const char *why, *fix;
} remedy;

void report_init(doctor_report *self);
void report_dispose(doctor_report *self);
/* area and check: docs/schema/doctor.schema.json. The remedy is left out where all is well. */
void report_add(doctor_report *self, const char *area, const char *check, verdict found, remedy mend, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* On stdout, as the command line asks; returns the exit code. */
int report_print(const doctor_report *self, const cli *program);

#endif
