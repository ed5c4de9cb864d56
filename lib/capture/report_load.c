/* What a run had of the machine's processors. */
#include "capture/report_internal.h"

uint64_t ql__cpu_of(const ql__profile *p)
{
    return p->numbers.cpu_ns != 0 ? p->numbers.cpu_ns : (uint64_t)p->sets[QL__SAMPLE_CPU].sums[QL__VALUE_NS];
}

#define STARVED_SHARE 0.1        /* of the time in which threads could run */
#define STARVED_NS_MIN 100000000 /* and so long */
#define OWN_LOAD 0.9             /* of all processors: from there on its own threads are in each other's way */

double ql__waited_share(const ql__profile *p)
{
    double delay = (double)p->numbers.run_delay_ns, could = delay + (double)ql__cpu_of(p);
    return p->numbers.run_delay_ns != UINT64_MAX && could > 0 ? delay / could : 0;
}

/* Threads could run and had no processor, for longer than the run's own load says: others had it, or a limit held them, or they were too many for a while. */
bool ql__profile_starved(const ql__profile *p)
{
    const ql__profile_numbers *numbers = &p->numbers;
    bool own = numbers->cores_usable != 0 && (double)ql__cpu_of(p) > OWN_LOAD * (double)numbers->cores_usable * (double)numbers->duration_ns;
    return ql__waited_share(p) >= STARVED_SHARE && numbers->run_delay_ns >= STARVED_NS_MIN && !own;
}
