/* The table of metric_table.h as data. */
#include "prof/metric_table.h"

#include <qloader/metrics.h>

/* Those of the reference's client library. */
static const double bounds_REFERENCE[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};
/* From a short document's chunking to a commit on a slow disk. */
static const double bounds_WORK[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
static const double bounds_SEARCH[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
static const double bounds_HITS[] = {0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
#define bounds_NONE NULL

#define VALUE_TEXT(name, text) text,
#define VALUES(set) static const char *const values_##set[] = {QL__METRIC_##set(VALUE_TEXT) NULL};
QL__METRIC_LABELS(VALUES)

#define BOUND_COUNT_NONE 0
#define BOUND_COUNT_REFERENCE (sizeof bounds_REFERENCE / sizeof *bounds_REFERENCE)
#define BOUND_COUNT_WORK (sizeof bounds_WORK / sizeof *bounds_WORK)
#define BOUND_COUNT_SEARCH (sizeof bounds_SEARCH / sizeof *bounds_SEARCH)
#define BOUND_COUNT_HITS (sizeof bounds_HITS / sizeof *bounds_HITS)

const ql__metric_fact *ql__metric_fact_of(size_t id)
{
#define FACT(id, name, type, unit, label, values, bounds, help) \
    {name, unit, label, help, QL_METRIC_##type, values_##values, sizeof values_##values / sizeof *values_##values - 1, bounds_##bounds, BOUND_COUNT_##bounds},
    static const ql__metric_fact facts[] = {QL__METRICS(FACT)};
    return id < QL__METRIC_COUNT ? &facts[id] : NULL;
}
